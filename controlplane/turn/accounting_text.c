/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A record as JSON and as CSV (RFC 4180). */

#include "controlplane/turn/accounting_internal.h"

#include "controlplane/report/csv.h"
#include "controlplane/report/json_text.h"
#include "dataplane/abi/msg.h"

#include <inttypes.h>
#include <string.h>

const char *sl_turn_end_name(unsigned end)
{
	static const char *const names[] = {[SL_ALLOC_END_NONE] = "", [SL_ALLOC_END_EXPIRED] = "expired", [SL_ALLOC_END_CLIENT] = "client",
	        [SL_ALLOC_END_OPERATOR] = "operator", [SL_ALLOC_END_CONNECTION] = "connection"};

	return end < sizeof names / sizeof names[0] ? names[end] : "unknown";
}

static const char *transport_name(unsigned transport)
{
	static const char *const names[] = {
#define X(name, number, text) [number] = text,
	        SL_TURN_TRANSPORTS(X)
#undef X
	};

	return transport < SL_TURN_N_TRANSPORTS ? names[transport] : "unknown";
}

static int64_t duration_ms(const struct sl_turn_record *r)
{
	int64_t until = r->end_unix_ms ? r->end_unix_ms : r->updated_unix_ms;

	return until > r->start_unix_ms ? until - r->start_unix_ms : 0;
}

static const char *endpoint(const struct sl_endpoint *e, char *buf)
{
	return e->port_be ? sl_endpoint_text(e, buf) : "";
}

static json_t *endpoint_json(const struct sl_endpoint *e)
{
	char text[SL_ADDR_TEXT_MAX];

	return e->port_be ? json_string(sl_endpoint_text(e, text)) : json_null();
}

json_t *sl_turn_record_json(const struct sl_turn_record *r)
{
	char id[SL_ID_TEXT], allocation[17];

	snprintf(allocation, sizeof allocation, "%016" PRIx64, r->allocation);
	json_t *o = json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "id", sl_id_text(&r->id, SL_ID_TURN_RECORD, id), "allocation", allocation,
	        "user", sl_json_text(r->user, strlen(r->user)), "realm", sl_json_text(r->realm, strlen(r->realm)), "client", endpoint_json(&r->client),
	        "server", endpoint_json(&r->server), "transport", transport_name(r->transport), "relay", endpoint_json(&r->relay), "relay2",
	        endpoint_json(&r->relay2));
	if (!o)
		return NULL;
	json_object_set_new(o, "restricted", json_boolean(r->flags & SL_ALLOC_IS_RESTRICTED));
	json_object_set_new(o, "mobile", json_boolean(r->flags & SL_ALLOC_IS_MOBILE));
	json_object_set_new(o, "tcp_relay", json_boolean(r->flags & SL_ALLOC_IS_TCP));
	json_object_set_new(o, "start_unix_ms", json_integer(r->start_unix_ms));
	json_object_set_new(o, "updated_unix_ms", json_integer(r->updated_unix_ms));
	json_object_set_new(o, "end_unix_ms", r->end_unix_ms ? json_integer(r->end_unix_ms) : json_null());
	json_object_set_new(o, "end", r->end_unix_ms ? json_string(sl_turn_end_name(r->end)) : json_null());
	json_object_set_new(o, "duration_ms", json_integer(duration_ms(r)));
	json_object_set_new(o, "to_peer_packets", json_integer((json_int_t)r->traffic.to_peer_packets));
	json_object_set_new(o, "to_peer_bytes", json_integer((json_int_t)r->traffic.to_peer_bytes));
	json_object_set_new(o, "to_client_packets", json_integer((json_int_t)r->traffic.to_client_packets));
	json_object_set_new(o, "to_client_bytes", json_integer((json_int_t)r->traffic.to_client_bytes));
	return o;
}

json_t *sl_turn_change_json(const struct sl_turn_record *r)
{
	const char *event = r->change == SL_TURN_START ? "start" : r->change == SL_TURN_INTERIM ? "interim" : "stop";
	char id[SL_ID_TEXT], event_id[SL_ID_TEXT + 32];
	json_t *o = sl_turn_record_json(r);

	sl_id_text(&r->id, SL_ID_TURN_RECORD, id);
	if (r->change == SL_TURN_INTERIM)
		snprintf(event_id, sizeof event_id, "%s/interim/%u", id, r->interims);
	else
		snprintf(event_id, sizeof event_id, "%s/%s", id, event);
	if (o) {
		json_object_set_new(o, "event", json_string(event));
		json_object_set_new(o, "event_id", json_string(event_id));
	}
	return o;
}

void sl_turn_record_csv_head(FILE *f)
{
	fputs("id,allocation,user,realm,client,server,transport,relay,relay2,restricted,mobile,tcp_relay,start,end,end_reason,duration_ms,"
	      "to_peer_packets,to_peer_bytes,to_client_packets,to_client_bytes\r\n",
	        f);
}

void sl_turn_record_csv(FILE *f, const struct sl_turn_record *r)
{
	char id[SL_ID_TEXT], a[SL_ADDR_TEXT_MAX], b[SL_ADDR_TEXT_MAX], c[SL_ADDR_TEXT_MAX], d[SL_ADDR_TEXT_MAX], start[32], end[32];

	fprintf(f, "%s,%016" PRIx64 ",", sl_id_text(&r->id, SL_ID_TURN_RECORD, id), r->allocation);
	sl_csv_text(f, r->user);
	putc(',', f);
	sl_csv_text(f, r->realm);
	fprintf(f, ",%s,%s,%s,%s,%s,%d,%d,%d,%s,%s,%s,%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\r\n", endpoint(&r->client, a),
	        endpoint(&r->server, b), transport_name(r->transport), endpoint(&r->relay, c), endpoint(&r->relay2, d),
	        (r->flags & SL_ALLOC_IS_RESTRICTED) != 0, (r->flags & SL_ALLOC_IS_MOBILE) != 0, (r->flags & SL_ALLOC_IS_TCP) != 0,
	        sl_csv_time(r->start_unix_ms, start), sl_csv_time(r->end_unix_ms, end), r->end_unix_ms ? sl_turn_end_name(r->end) : "", duration_ms(r),
	        r->traffic.to_peer_packets, r->traffic.to_peer_bytes, r->traffic.to_client_packets, r->traffic.to_client_bytes);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/api.h"

#include "controlplane/http/turn_api.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEFAULT_LIMIT = 100,
	/* Listing more than this from the workers for one look would cost them more than the look is worth.
	 */
	REFRESH_MAX = 2048,
};

static json_t *endpoint(const struct sl_ip *ip, uint16_t port_be)
{
	struct sl_endpoint ep = {*ip, port_be};
	char text[SL_ADDR_TEXT_MAX];

	return json_string(sl_endpoint_text(&ep, text));
}

static json_t *traffic(uint64_t packets, uint64_t bytes)
{
	return json_pack("{s:I, s:I}", "packets", (json_int_t)packets, "bytes", (json_int_t)bytes);
}

static json_t *show(const struct sl_brain *b, const struct sl_allocation *a)
{
	const struct sl_evt_allocation *s = &a->state;
	int64_t since_s = (sl_now_ms() - a->told_ms) / 1000;
	char id[20];

	snprintf(id, sizeof id, "%016" PRIx64, s->id);
	json_t *o = json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:i, s:I, s:I, s:i, s:o, s:o}", "id", id, "user",
	        sl_api_text(s->username, strlen(s->username)), "realm", sl_desk_realm_name(b->desk, s->realm), "transport",
	        sl_turn_api_transport(s->over), "client",
	        endpoint(&s->client, s->client_port_be), "server", endpoint(&s->server, s->server_port_be),
	        "relay", endpoint(&s->relay, s->relay_port_be), "worker", (int)s->worker, "lifetime_s",
	        (json_int_t)(s->lifetime_s > since_s ? s->lifetime_s - since_s : 0), "age_s",
	        (json_int_t)(s->age_s + since_s), "peers", (int)s->n_peers, "to_peer",
	        traffic(s->to_peer_packets, s->to_peer_bytes), "to_client",
	        traffic(s->to_client_packets, s->to_client_bytes));

	json_object_set_new(o, "second_relay", s->relay2_port_be ? endpoint(&s->relay2, s->relay2_port_be) : json_null());
	json_object_set_new(o, "restricted", json_boolean(s->flags & SL_ALLOC_IS_RESTRICTED));
	json_object_set_new(o, "mobile", json_boolean(s->flags & SL_ALLOC_IS_MOBILE));
	json_object_set_new(o, "relays_tcp", json_boolean(s->flags & SL_ALLOC_IS_TCP));
	return o;
}

/* ---- listing ---- */

struct look {
	struct sl_brain *b;
	struct sl_http_request *r;
	uint64_t id;
	bool one;
};

/* What a listing is of: all that was given must fit. */
struct filter {
	const char *user, *realm, *transport;
	bool restricted;
};

static bool fits(const struct sl_brain *b, const struct filter *f, const struct sl_evt_allocation *s)
{
	return (!f->user || strcmp(s->username, f->user) == 0) && (!f->realm || strcmp(sl_desk_realm_name(b->desk, s->realm), f->realm) == 0) &&
	       (!f->transport || strcmp(sl_turn_api_transport(s->over), f->transport) == 0) && (!f->restricted || (s->flags & SL_ALLOC_IS_RESTRICTED));
}

static void list(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_table *t = sl_dp_table(b->dp);
	const char *restricted = sl_http_arg(r, "restricted");
	struct filter f = {sl_http_arg(r, "user"), sl_http_arg(r, "realm"), sl_http_arg(r, "transport"),
	        restricted && (strcmp(restricted, "true") == 0 || strcmp(restricted, "1") == 0)};
	size_t limit, offset, matching = 0;

	if (!sl_api_page(r, DEFAULT_LIMIT, &limit, &offset))
		return;
	json_t *all = json_array();
	for (size_t i = 0; i < t->n; i++) {
		if (!fits(b, &f, &t->all[i].state))
			continue;
		if (matching >= offset && json_array_size(all) < limit)
			json_array_append_new(all, show(b, &t->all[i]));
		matching++;
	}
	sl_api_json(r, 200,
	        json_pack("{s:I, s:I, s:I, s:o}", "total", (json_int_t)matching, "limit", (json_int_t)limit,
	                "offset", (json_int_t)offset, "allocations", all));
}

static void show_one(struct sl_brain *b, struct sl_http_request *r, uint64_t id)
{
	const struct sl_allocation *a = sl_table_find(sl_dp_table(b->dp), id);

	if (a)
		sl_api_json(r, 200, show(b, a));
	else
		sl_api_error(r, 404, NULL, "no allocation of that id");
}

static void refreshed(void *ctx, int error, const char *text)
{
	struct look *l = ctx;

	/* Late or not, what the events told is shown. */
	if (l->one)
		show_one(l->b, l->r, l->id);
	else
		list(l->b, l->r);
	free(l);
}

/* Byte counts are the workers': ask for fresh ones first, where that is cheap. */
static void look(struct sl_brain *b, struct sl_http_request *r, bool one, uint64_t id)
{
	struct look *l = calloc(1, sizeof *l);

	if (!l) {
		sl_api_error(r, 500, NULL, "no memory");
		return;
	}
	*l = (struct look){b, r, id, one};
	if (sl_dp_table(b->dp)->n > REFRESH_MAX || sl_dp_refresh(b->dp, sl_now_ms(), refreshed, l) < 0)
		refreshed(l, 0, "");
}

static void all(struct sl_brain *b, struct sl_http_request *r)
{
	if (sl_dp_state(b->dp) == SL_DP_AWAY)
		sl_api_error(r, 503, NULL, "%s", sl_dp_trouble(b->dp, sl_now_ms()));
	else
		look(b, r, false, 0);
}

/* ---- one ---- */

static void deleted(void *ctx, int error, const char *text)
{
	struct sl_http_request *r = ctx;

	if (error == 0)
		sl_api_json(r, 200, json_pack("{s:s}", "status", "deleted"));
	else if (error == -ETIMEDOUT)
		sl_api_json(r, 202, json_pack("{s:s, s:s}", "status", "asked", "note", text));
	else
		sl_api_error(r, 503, NULL, "%s", text);
}

static void delete (struct sl_brain *b, struct sl_http_request *r, uint64_t id)
{
	switch (sl_dp_delete_allocation(b->dp, id, sl_now_ms(), deleted, r)) {
	case 0:
		return;
	case -ENOENT:
		sl_api_error(r, 404, NULL, "no allocation of that id");
		return;
	case -ENOTCONN:
		sl_api_error(r, 503, NULL, "%s", sl_dp_trouble(b->dp, sl_now_ms()));
		return;
	default:
		sl_api_error(r, 503, NULL, "the worker's command ring is full; try again");
	}
}

static void one(struct sl_brain *b, struct sl_http_request *r, const char *id)
{
	char *end;
	uint64_t number = strtoull(id, &end, 16);

	if (strlen(id) != 16 || strspn(id, "0123456789abcdefABCDEF") != 16 || *end)
		sl_api_error(r, 400, "id", "an id is 16 hexadecimal digits");
	else if (r->method == SL_HTTP_GET)
		look(b, r, true, number);
	else if (r->method == SL_HTTP_DELETE)
		delete (b, r, number);
	else
		sl_api_error(r, 405, NULL, "an allocation takes GET and DELETE only");
}

void sl_api_allocations(struct sl_brain *b, struct sl_http_request *r, const char *id)
{
	if (id)
		one(b, r, id);
	else if (r->method == SL_HTTP_GET)
		all(b, r);
	else
		sl_api_error(r, 405, NULL, "/v1/allocations takes GET only");
}

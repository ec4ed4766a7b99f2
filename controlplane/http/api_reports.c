/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What was: call detail records and events. */

#include "controlplane/http/api_list.h"
#include "controlplane/report/cdr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CDRS_LIMIT = 100, EVENTS_LIMIT = 100, EVENTS_MAX = 1000 };

/* ---- call detail records ---- */

static bool time_arg(struct sl_http_request *r, const char *name, int64_t *out)
{
	size_t value = 0;

	if (!sl_api_number(r, name, 0, (size_t)1 << 47, &value))
		return false;
	*out = (int64_t)value;
	return true;
}

static bool read_query(struct sl_http_request *r, struct sl_cdr_query *q)
{
	size_t limit = CDRS_LIMIT;

	if (!sl_api_format(r, &q->csv))
		return false;
	if (!sl_api_copy_arg(r, "tenant", q->tenant, sizeof q->tenant) || !sl_api_copy_arg(r, "call", q->call, sizeof q->call) ||
	        !sl_api_copy_arg(r, "user", q->user, sizeof q->user) || !sl_api_copy_arg(r, "trunk", q->trunk, sizeof q->trunk) ||
	        !sl_api_copy_arg(r, "number", q->number, sizeof q->number) || !sl_api_copy_arg(r, "after", q->after, sizeof q->after) ||
	        !time_arg(r, "from_unix_ms", &q->from_unix_ms) || !time_arg(r, "to_unix_ms", &q->to_unix_ms) ||
	        !sl_api_number(r, "limit", 1, SL_CDR_LIST_MAX, &limit))
		return false;
	if (r->tenant[0])
		snprintf(q->tenant, sizeof q->tenant, "%s", r->tenant);
	q->limit = (unsigned)limit;
	return true;
}

void sl_api_cdrs(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	struct sl_cdr_query q = {0};

	if (rest)
		sl_api_error(r, 404, NULL, "nothing here: %s", r->path);
	else if (r->method != SL_HTTP_GET)
		sl_api_error(r, 405, NULL, "/v1/cdrs takes GET only");
	else if (read_query(r, &q)) {
		int error = sl_cdrs_list(b->cdrs, &q, sl_api_listed, r);
		if (error == -EINVAL)
			sl_api_error(r, 400, q.call[0] ? "call" : "after", "an id is two letters (CA of a call, CD of a record) and 32 hexadecimal digits");
		else if (error)
			sl_api_error(r, 503, NULL, "the store is busy; try again");
	}
}

/* ---- events ---- */

static json_t *event_of(const struct sl_call_event *e)
{
	char call[SL_ID_TEXT], leg[SL_ID_TEXT];

	return json_pack("{s:I, s:I, s:s, s:s, s:o, s:o, s:o}", "sequence", (json_int_t)e->sequence, "unix_ms", (json_int_t)e->unix_ms, "type",
	        sl_call_event_name(e->type), "tenant", e->tenant, "call",
	        sl_id_is_set(&e->call) ? json_string(sl_id_text(&e->call, SL_ID_CALL, call)) : json_null(), "leg",
	        sl_id_is_set(&e->leg) ? json_string(sl_id_text(&e->leg, SL_ID_LEG, leg)) : json_null(), "text",
	        sl_api_text(e->text, strlen(e->text)));
}

/* last: where to go on from. A cursor from before a restart of the control plane is above what there is: the client begins anew. */
static void events(struct sl_brain *b, struct sl_http_request *r)
{
	const char *tenant = sl_api_tenant_asked(r);
	uint64_t newest = sl_call_events_last(b->events), missed = 0, gone;
	size_t limit = EVENTS_LIMIT, after;
	const struct sl_call_event *e;

	if (!sl_api_number(r, "limit", 1, EVENTS_MAX, &limit))
		return;
	after = newest > limit ? (size_t)(newest - limit) : 0;
	if (!sl_api_number(r, "after", 0, SIZE_MAX / 2, &after))
		return;
	bool restarted = after > newest;
	if (restarted)
		after = 0;
	json_t *all = json_array();
	while (json_array_size(all) < limit && (e = sl_call_events_after(b->events, after, &gone))) {
		missed += gone;
		after = e->sequence;
		if (!tenant[0] || strcmp(tenant, e->tenant) == 0)
			json_array_append_new(all, event_of(e));
	}
	sl_api_json(r, 200,
	        json_pack("{s:I, s:I, s:b, s:o}", "last", (json_int_t)after, "missed", (json_int_t)missed, "restarted", restarted, "events",
	                all));
}

void sl_api_events(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	if (rest)
		sl_api_error(r, 404, NULL, "nothing here: %s", r->path);
	else if (r->method != SL_HTTP_GET)
		sl_api_error(r, 405, NULL, "/v1/events takes GET only");
	else
		events(b, r);
}

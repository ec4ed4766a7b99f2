/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Calls: those that are, and, by their records and what the trace still has, those that were. */

#include "controlplane/http/api.h"
#include "controlplane/report/cdr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LIMIT = 100 };

/* A look at one call that waits for counts or records. */
struct look {
	struct sl_brain *b;
	struct sl_http_request *r;
	struct sl_id id;
	bool trace;
};

/* ---- list ---- */

/* One leg that fits is enough. */
static bool has_leg(const struct sl_call *c, const char *user, const char *trunk)
{
	for (unsigned i = 0; i < c->n_legs; i++) {
		const struct sl_cdr *d = &c->legs[i]->cdr;
		if ((!user || strcmp(d->user, user) == 0) && (!trunk || strcmp(d->trunk, trunk) == 0))
			return true;
	}
	return !user && !trunk;
}

static bool has_number(const struct sl_call *c, const char *number)
{
	return strstr(c->from, number) || strstr(c->to, number);
}

static void list(struct sl_brain *b, struct sl_http_request *r)
{
	const char *tenant = sl_api_tenant_asked(r), *user = sl_http_arg(r, "user"), *trunk = sl_http_arg(r, "trunk");
	const char *number = sl_http_arg(r, "number"), *state = sl_http_arg(r, "state");
	size_t limit, offset, n = 0;
	uint32_t cursor = 0;
	struct sl_call *c;

	if (!sl_api_page(r, DEFAULT_LIMIT, &limit, &offset))
		return;
	if (state && strcmp(state, "up") != 0 && strcmp(state, "ringing") != 0) {
		sl_api_error(r, 400, "state", "'%s' is neither up nor ringing", state);
		return;
	}
	json_t *all = json_array();
	while ((c = sl_calls_next(b->calls, &cursor))) {
		if ((tenant[0] && strcmp(tenant, c->tenant) != 0) || !has_leg(c, user, trunk) || (number && !has_number(c, number)) ||
		        (state && (c->answered_unix_ms != 0) != (strcmp(state, "up") == 0)))
			continue;
		if (n >= offset && json_array_size(all) < limit)
			json_array_append_new(all, sl_api_call_brief(c));
		n++;
	}
	sl_api_json(r, 200, json_pack("{s:I, s:o}", "total", (json_int_t)n, "calls", all));
}

/* ---- one that has ended ---- */

static void no_call(struct sl_http_request *r)
{
	sl_api_error(r, 404, "id", "no call of that id is going on or recorded");
}

static json_t *first_of(json_t *cdrs, const char *direction)
{
	json_t *o;
	size_t i;

	json_array_foreach(cdrs, i, o)
	{
		if (strcmp(json_string_value(json_object_get(o, "direction")), direction) == 0)
			return o;
	}
	return json_array_get(cdrs, 0);
}

/* From its records, newest first; the caller's leg says who called whom. */
static json_t *ended_call(struct look *k, json_t *cdrs)
{
	json_t *caller = first_of(cdrs, "in"), *o = json_object();
	static const char *const same[] = {"tenant", "from", "to", "answered_unix_ms", "duration_ms", "restored"};
	char id[SL_ID_TEXT];

	json_object_set_new(o, "id", json_string(sl_id_text(&k->id, SL_ID_CALL, id)));
	json_object_set_new(o, "state", json_string("ended"));
	json_object_set(o, "created_unix_ms", json_object_get(caller, "begun_unix_ms"));
	for (unsigned i = 0; i < sizeof same / sizeof same[0]; i++)
		json_object_set(o, same[i], json_object_get(caller, same[i]));
	json_object_set_new(o, "cause",
	        json_pack("{s:O, s:O, s:O}", "status", json_object_get(caller, "status"), "q850", json_object_get(caller, "q850"), "text",
	                json_object_get(caller, "cause")));
	json_t *legs = json_array(); /* oldest first, as of calls that go on */
	for (size_t i = json_array_size(cdrs); i-- > 0;)
		json_array_append(legs, json_array_get(cdrs, i));
	json_object_set_new(o, "legs", legs);
	return o;
}

static void recorded(void *ctx, int error, const char *text, size_t len)
{
	struct look *k = ctx;
	json_t *answer = error ? NULL : json_loadb(text, len, 0, NULL), *cdrs = json_object_get(answer, "cdrs");
	const char *tenant = json_string_value(json_object_get(json_array_get(cdrs, 0), "tenant"));

	if (error) {
		sl_api_error(k->r, 503, NULL, "the records cannot be read; try again: %.*s", (int)len, text);
	} else if (json_array_size(cdrs) == 0 || !sl_api_may_see(k->r, tenant)) {
		no_call(k->r);
	} else {
		json_t *o = ended_call(k, cdrs);
		if (k->trace)
			json_object_set_new(o, "trace", sl_api_call_trace(k->b, &k->id));
		sl_api_json(k->r, 200, o);
	}
	json_decref(answer);
	free(k);
}

static void show_recorded(struct look *k)
{
	struct sl_cdr_query q = {.limit = 200};

	sl_id_text(&k->id, SL_ID_CALL, q.call);
	if (sl_cdrs_list(k->b->cdrs, &q, recorded, k) == 0)
		return;
	sl_api_error(k->r, 503, NULL, "the store is busy; try again");
	free(k);
}

/* ---- one that goes on ---- */

static json_t *bridges_of(struct sl_brain *b, const struct sl_call *c)
{
	json_t *all = json_array();
	char id[SL_ID_TEXT];

	for (unsigned i = 0; i < c->n_bridges; i++) {
		const struct sl_bridge *x = c->bridges[i];
		const struct sl_media_session *s =
		        b->media ? sl_media_find(b->media, (struct sl_slice){x->media_id, strlen(x->media_id)}) : NULL;
		json_array_append_new(all,
		        json_pack("{s:s, s:i, s:o}", "id", sl_id_text(&x->id, SL_ID_BRIDGE, id), "legs", (int)x->n_legs, "media",
		                s ? sl_api_session_whole(&b->config->media, s) : json_null()));
	}
	return all;
}

static void show_now(struct look *k)
{
	struct sl_call *c = sl_call_find(k->b->calls, &k->id);

	if (!c) { /* it ended while its counts were awaited */
		show_recorded(k);
		return;
	}
	json_t *o = sl_api_call_whole(c);
	json_object_set_new(o, "bridges", bridges_of(k->b, c));
	if (k->trace)
		json_object_set_new(o, "trace", sl_api_call_trace(k->b, &k->id));
	sl_api_json(k->r, 200, o);
	free(k);
}

static void refreshed(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
	show_now(ctx);
}

static void show(struct sl_brain *b, struct sl_http_request *r, const struct sl_id *id)
{
	struct sl_call *c = sl_call_find(b->calls, id);
	const char *trace = sl_http_arg(r, "trace");
	struct look *k = malloc(sizeof *k);

	if (!k) {
		sl_api_error(r, 500, NULL, "no memory");
		return;
	}
	*k = (struct look){b, r, *id, trace && strcmp(trace, "0") != 0};
	if (c && !sl_api_may_see(r, c->tenant)) {
		free(k);
		no_call(r);
	} else if (!c) {
		show_recorded(k);
	} else if (b->media && c->n_bridges) { /* fresh counts of the first; a call has hardly ever more */
		const char *media_id = c->bridges[0]->media_id;
		sl_media_refresh(b->media, (struct sl_slice){media_id, strlen(media_id)}, refreshed, k);
	} else {
		show_now(k);
	}
}

static void hang_up(struct sl_brain *b, struct sl_http_request *r, const struct sl_id *id)
{
	struct sl_call *c = sl_call_find(b->calls, id);
	struct sl_cause cause = {.status = 200, .by = SL_BY_OPERATOR, .text = "ended by an operator"};

	if (!c || !sl_api_may_see(r, c->tenant)) {
		sl_api_error(r, 404, "id", "no call of that id is going on");
		return;
	}
	sl_call_hangup(c, &cause);
	sl_api_json(r, 202, json_pack("{s:s}", "status", "ending"));
}

void sl_api_calls(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	struct sl_id id;

	if (!rest && r->method == SL_HTTP_GET)
		list(b, r);
	else if (!rest)
		sl_api_error(r, 405, NULL, "/v1/calls takes GET");
	else if (sl_id_parse(rest, strlen(rest), SL_ID_CALL, &id) < 0)
		sl_api_error(r, 400, "id", "a call's id is CA and 32 hexadecimal digits");
	else if (r->method == SL_HTTP_GET)
		show(b, r, &id);
	else if (r->method == SL_HTTP_DELETE)
		hang_up(b, r, &id);
	else
		sl_api_error(r, 405, NULL, "a call takes GET and DELETE");
}

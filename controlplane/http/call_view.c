/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A call as JSON. */

#include "controlplane/http/api.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_t *text_of(const char *s)
{
	return sl_api_text(s, strlen(s));
}

static json_t *time_of(int64_t unix_ms)
{
	return unix_ms > 0 ? json_integer(unix_ms) : json_null();
}

static json_t *id_of(const struct sl_id *id, const char *kind)
{
	char text[SL_ID_TEXT];

	return sl_id_is_set(id) ? json_string(sl_id_text(id, kind, text)) : json_null();
}

static int64_t now_unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static const char *state_of(const struct sl_call *c)
{
	return c->ended_unix_ms ? "ending" : c->answered_unix_ms ? "up" : "ringing";
}

json_t *sl_api_call_brief(const struct sl_call *c)
{
	int64_t until = c->ended_unix_ms ? c->ended_unix_ms : now_unix_ms();
	json_t *o = json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o}", "id", id_of(&c->id, SL_ID_CALL), "state", state_of(c), "tenant", c->tenant,
	        "from", text_of(c->from), "to", text_of(c->to), "created_unix_ms", time_of(c->created_unix_ms), "answered_unix_ms",
	        time_of(c->answered_unix_ms));

	json_object_set_new(o, "duration_ms", json_integer(c->answered_unix_ms && until > c->answered_unix_ms ? until - c->answered_unix_ms : 0));
	json_object_set_new(o, "legs", json_integer(c->n_legs));
	json_object_set_new(o, "controller", c->controller ? json_string(c->controller->name) : json_null());
	json_object_set_new(o, "emergency", json_boolean(c->emergency));
	json_object_set_new(o, "restored", json_boolean(c->restored));
	return o;
}

static json_t *cause_of(const struct sl_cause *c)
{
	return c->status == 0 ? json_null()
	                      : json_pack("{s:i, s:i, s:o}", "status", (int)c->status, "q850", (int)c->q850, "text", text_of(c->text));
}

static json_t *leg_of(const struct sl_leg *l)
{
	static const char *const states[] = {
	        [SL_LS_TRYING] = "trying", [SL_LS_EARLY] = "early", [SL_LS_UP] = "up", [SL_LS_ENDING] = "ending", [SL_LS_ENDED] = "ended"};
	const struct sl_cdr *d = &l->cdr;
	json_t *o = json_pack("{s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id", id_of(&l->id, SL_ID_LEG), "kind", l->ops->kind,
	        "direction", l->direction == SL_LEG_IN ? "in" : "out", "state", states[l->state], "from", text_of(d->from), "to",
	        text_of(d->to), "remote", text_of(d->remote), "user", text_of(d->user), "trunk", text_of(d->trunk), "route",
	        text_of(d->route));

	json_object_set_new(o, "user_agent", text_of(d->user_agent));
	json_object_set_new(o, "sip_call_id", text_of(d->sip_call_id));
	json_object_set_new(o, "begun_unix_ms", time_of(d->begun_unix_ms));
	json_object_set_new(o, "ringing_unix_ms", time_of(d->ringing_unix_ms));
	json_object_set_new(o, "answered_unix_ms", time_of(d->answered_unix_ms));
	json_object_set_new(o, "ended_unix_ms", time_of(d->ended_unix_ms));
	json_object_set_new(o, "bridge", l->bridge ? id_of(&l->bridge->id, SL_ID_BRIDGE) : json_null());
	json_object_set_new(o, "media_party", text_of(l->media_tag));
	json_object_set_new(o, "cause", cause_of(&l->cause));
	return o;
}

/* A record that is not JSON after all is shown as it is. */
static json_t *parsed(const char *text, size_t len)
{
	json_t *o = json_loadb(text, len, JSON_DECODE_ANY, NULL);

	return o ? o : sl_api_text(text, len);
}

json_t *sl_api_call_whole(const struct sl_call *c)
{
	json_t *o = sl_api_call_brief(c), *legs = json_array();

	for (unsigned i = 0; i < c->n_legs; i++)
		json_array_append_new(legs, leg_of(c->legs[i]));
	json_object_set_new(o, "legs", legs);
	json_object_set_new(o, "cause", cause_of(&c->cause));
	json_object_set_new(o, "decision", c->decision ? parsed(c->decision, strlen(c->decision)) : json_null());
	return o;
}

/* ---- trace ---- */

static json_t *endpoint(const struct sl_endpoint *ep)
{
	static const struct sl_ip unknown;
	char text[SL_ADDR_TEXT_MAX];

	return sl_ip_eq(&ep->ip, &unknown) ? json_null() : json_string(sl_endpoint_text(ep, text));
}

/* Of a call that does not end its re-INVITEs the first and the last are shown: the brain has other things to do. */
enum { ENTRIES_SHOWN = 1000 };
struct shown {
	json_t *all;
	unsigned n, at;
};

static void count_entry(void *ctx, const struct sl_trace_entry *e)
{
	((struct shown *)ctx)->n++;
}

static void add_entry(void *ctx, const struct sl_trace_entry *e)
{
	struct shown *shown = ctx;
	unsigned at = shown->at++, left_out = shown->n > ENTRIES_SHOWN ? shown->n - ENTRIES_SHOWN : 0;

	if (left_out && at >= ENTRIES_SHOWN / 2 && at < ENTRIES_SHOWN / 2 + left_out) {
		if (at == ENTRIES_SHOWN / 2)
			json_array_append_new(shown->all,
			        json_pack("{s:I, s:I, s:s, s:o, s:o}", "number", (json_int_t)e->number, "unix_us", (json_int_t)e->unix_us, "kind", "note",
			                "leg", json_null(), "text", json_sprintf("%u entries left out", left_out)));
		return;
	}
	static const char *const names[] = {[SL_TR_SIP_IN] = "sip_in",
	        [SL_TR_SIP_OUT] = "sip_out",
	        [SL_TR_DECISION] = "decision",
	        [SL_TR_MEDIA] = "media",
	        [SL_TR_NOTE] = "note"};
	bool sip = e->about.kind == SL_TR_SIP_IN || e->about.kind == SL_TR_SIP_OUT;
	bool json = e->about.kind == SL_TR_DECISION || e->about.kind == SL_TR_MEDIA;
	json_t *o = json_pack("{s:I, s:I, s:s, s:o}", "number", (json_int_t)e->number, "unix_us", (json_int_t)e->unix_us, "kind",
	        names[e->about.kind], "leg", id_of(&e->about.leg, SL_ID_LEG));

	if (sip) {
		json_object_set_new(o, "transport", sl_api_text(e->about.transport, strnlen(e->about.transport, sizeof e->about.transport)));
		json_object_set_new(o, "local", endpoint(&e->about.local));
		json_object_set_new(o, "remote", endpoint(&e->about.remote));
	}
	json_object_set_new(o, json ? "data" : "text", json ? parsed(e->data, e->len) : sl_api_text(e->data, e->len));
	if (e->truncated)
		json_object_set_new(o, "truncated", json_true());
	json_array_append_new(shown->all, o);
}

json_t *sl_api_call_trace(const struct sl_brain *b, const struct sl_id *call)
{
	struct shown shown = {.all = json_array()};

	if (b->trace) {
		sl_trace_read(b->trace, call, count_entry, &shown);
		sl_trace_read(b->trace, call, add_entry, &shown);
	}
	return shown.all;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Calls in the journal: written whole after a turn that changed them, read back at start. A record names its legs' kinds and its
 * controller; what is theirs they write and read themselves. */

#include "controlplane/call/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/abi/log.h"

enum { RECORD_VERSION = 1, NO_BRIDGE = 0xff, AUX_BYTES = 64, SPARE_SLOTS = 64, NAME_MAX_BYTES = 16 };

struct sl_journal_shape sl_call_record_shape(unsigned max_calls)
{
	return (struct sl_journal_shape){.kind = "calls",
	        .version = RECORD_VERSION,
	        .n_slots = max_calls + SPARE_SLOTS,
	        .area_bytes = SL_CALL_RECORD_MAX,
	        .aux_bytes = AUX_BYTES};
}

void sl_call_record_alive(struct sl_calls *cs, int64_t now_unix_ms)
{
	memcpy(sl_journal_aux(cs->journal), &now_unix_ms, sizeof now_unix_ms);
}

/* ---- CDRs: the texts with their lengths, so that a record stays within a page ---- */

/* X(field): texts, then numbers; both ways go through the same lists. */
#define CDR_TEXTS(X) X(tenant) X(from) X(to) X(sip_call_id) X(remote) X(user_agent) X(user) X(trunk) X(route) X(cause) X(codec)
#define CDR_NUMBERS(X)                                                                                                      \
	X(leg) X(call) X(direction) X(restored) X(unfinished) X(ended_by) X(status) X(q850) X(n_attempts) X(begun_unix_ms) X(ringing_unix_ms) \
	X(answered_unix_ms) X(ended_unix_ms) X(media)

void sl_call_record_cdr(struct sl_blob_out *o, const struct sl_cdr *cdr)
{
#define X(field) sl_blob_put_text(o, cdr->field);
	CDR_TEXTS(X)
#undef X
#define X(field) sl_blob_put_var(o, cdr->field);
	CDR_NUMBERS(X)
#undef X
	for (unsigned i = 0; i < cdr->n_attempts; i++)
		sl_blob_put_var(o, cdr->attempts[i]);
}

void sl_call_record_cdr_read(struct sl_blob_in *in, struct sl_cdr *cdr)
{
	*cdr = (struct sl_cdr){0};
#define X(field) sl_blob_get_text(in, cdr->field, sizeof cdr->field);
	CDR_TEXTS(X)
#undef X
#define X(field) sl_blob_get_var(in, cdr->field);
	CDR_NUMBERS(X)
#undef X
	if (cdr->n_attempts > SL_CDR_ATTEMPTS_MAX) {
		in->bad = true;
		cdr->n_attempts = 0;
	}
	for (unsigned i = 0; i < cdr->n_attempts; i++) {
		sl_blob_get_var(in, cdr->attempts[i]);
		cdr->attempts[i].trunk[sizeof cdr->attempts[i].trunk - 1] = '\0';
		cdr->attempts[i].target[sizeof cdr->attempts[i].target - 1] = '\0';
	}
}

/* ---- writing ---- */

/* A part that only its owner understands: its length in front. */
static uint8_t *begin_part(struct sl_blob_out *o)
{
	uint32_t none = 0;
	uint8_t *at = o->p;

	sl_blob_put_var(o, none);
	return at;
}

static void end_part(struct sl_blob_out *o, uint8_t *at)
{
	uint32_t len;

	if (o->full)
		return;
	len = (uint32_t)((size_t)(o->p - at) - sizeof len);
	memcpy(at, &len, sizeof len);
}

static uint8_t bridge_index(const struct sl_call *c, const struct sl_bridge *b)
{
	for (unsigned i = 0; b && i < c->n_bridges; i++) {
		if (c->bridges[i] == b)
			return (uint8_t)i;
	}
	return NO_BRIDGE;
}

static void put_leg(struct sl_blob_out *o, const struct sl_leg *l)
{
	uint8_t bytes[] = {(uint8_t)l->direction, (uint8_t)l->state, bridge_index(l->call, l->bridge)};

	sl_blob_put_var(o, l->id);
	sl_blob_put_var(o, bytes);
	sl_blob_put_text(o, l->ops->kind);
	sl_blob_put_text(o, l->media_tag);
	sl_blob_put_text(o, l->media_branch);
	sl_call_record_cdr(o, &l->cdr);
	uint8_t *part = begin_part(o);
	if (l->state < SL_LS_ENDING)
		l->ops->save(l, o);
	end_part(o, part);
}

static void put_timers(struct sl_blob_out *o, const struct call *c)
{
	for (unsigned i = 0; i < SL_CALL_MAX_TIMERS; i++) {
		const struct call_timer *t = &c->timers[i];
		uint32_t kind = t->kind;
		sl_blob_put_var(o, kind);
		if (kind)
			sl_blob_put_var(o, t->due_unix_ms);
	}
}

static void put_call(struct sl_blob_out *o, const struct call *c)
{
	const struct sl_call *p = &c->pub;
	uint8_t bytes[] = {c->closed, p->emergency, (uint8_t)p->n_bridges, (uint8_t)p->n_legs};

	sl_blob_put_var(o, p->id);
	sl_blob_put_var(o, bytes);
	sl_blob_put_text(o, p->tenant);
	sl_blob_put_text(o, p->from);
	sl_blob_put_text(o, p->to);
	sl_blob_put_var(o, p->created_unix_ms);
	sl_blob_put_var(o, p->answered_unix_ms);
	sl_blob_put_var(o, p->ended_unix_ms);
	for (unsigned i = 0; i < p->n_bridges; i++)
		sl_blob_put_var(o, p->bridges[i]->id);
	for (unsigned i = 0; i < p->n_legs; i++)
		put_leg(o, p->legs[i]);
	put_timers(o, c);
	sl_blob_put_text(o, p->controller ? p->controller->name : "");
	uint8_t *part = begin_part(o);
	if (p->controller && !c->closed)
		p->controller->save(p, o);
	end_part(o, part);
}

void sl_call_record_write(struct call *c)
{
	struct sl_calls *cs = c->pub.calls;
	size_t room;

	if (c->slot == NO_SLOT && (c->slot = sl_journal_take(cs->journal)) < 0) {
		c->slot = NO_SLOT; /* cannot be: there are more than calls */
		return;
	}
	struct sl_blob_out o = {.p = sl_journal_begin(cs->journal, (uint32_t)c->slot, &room)};
	const uint8_t *begin = o.p;
	o.end = o.p + room;
	put_call(&o, c);
	if (o.full) {
		char id[SL_ID_TEXT];
		sl_call_record_erase(c); /* what it was before must not come back */
		sl_log(SL_LOG_ERROR, "call %s is too large for the journal: a restart will lose it", sl_id_text(&c->pub.id, SL_ID_CALL, id));
		return;
	}
	sl_journal_commit(cs->journal, (uint32_t)c->slot, (size_t)(o.p - begin));
}

void sl_call_record_erase(struct call *c)
{
	if (c->slot != NO_SLOT)
		sl_journal_erase(c->pub.calls->journal, (uint32_t)c->slot);
	c->slot = NO_SLOT;
}

/* ---- reading ---- */

static struct sl_blob_in part_of(struct sl_blob_in *in)
{
	uint32_t len;

	sl_blob_get_var(in, len);
	if (in->bad || len > (size_t)(in->end - in->p)) {
		in->bad = true;
		return (struct sl_blob_in){.bad = true};
	}
	struct sl_blob_in part = {in->p, in->p + len, false};
	in->p += len;
	return part;
}

static const struct sl_leg_kind *kind_of(const struct sl_calls *cs, const char *name)
{
	for (unsigned i = 0; i < cs->n_kinds; i++) {
		if (strcmp(cs->kinds[i].kind, name) == 0)
			return &cs->kinds[i];
	}
	return NULL;
}

static const struct sl_controller *controller_of(const struct sl_calls *cs, const char *name)
{
	for (unsigned i = 0; i < cs->n_controllers; i++) {
		if (strcmp(cs->controllers[i]->name, name) == 0)
			return cs->controllers[i];
	}
	return NULL;
}

/* What was read of a call's legs: enough for their CDRs even when the call cannot be made again. */
struct reading {
	struct leg_record legs[SL_CALL_MAX_LEGS];
	struct sl_blob_in parts[SL_CALL_MAX_LEGS];
	unsigned n_legs;
	bool closed;
};

static void read_leg(struct sl_blob_in *in, struct leg_record *r, struct sl_blob_in *part, unsigned n_bridges)
{
	uint8_t bytes[3];

	sl_blob_get_var(in, r->id);
	sl_blob_get_var(in, bytes);
	r->direction = bytes[0];
	r->state = bytes[1];
	r->bridge = bytes[2];
	in->bad |= r->direction > SL_LEG_OUT || r->state > SL_LS_ENDED || (r->bridge != NO_BRIDGE && r->bridge >= n_bridges);
	sl_blob_get_text(in, r->kind, sizeof r->kind);
	sl_blob_get_text(in, r->media_tag, sizeof r->media_tag);
	sl_blob_get_text(in, r->media_branch, sizeof r->media_branch);
	sl_call_record_cdr_read(in, &r->cdr);
	*part = part_of(in);
}

static void read_timers(struct sl_blob_in *in, struct call *c)
{
	for (unsigned i = 0; i < SL_CALL_MAX_TIMERS && !in->bad; i++) {
		uint32_t kind;
		int64_t due_unix_ms;
		sl_blob_get_var(in, kind);
		if (!kind)
			continue;
		sl_blob_get_var(in, due_unix_ms);
		if (!in->bad && due_unix_ms > 0)
			sl_call_timer(&c->pub, kind, due_unix_ms);
	}
}

/* The call's own fields and its legs' records; NULL: not even an id was there, or the memory is short. */
static struct call *read_call(struct sl_calls *cs, struct sl_blob_in *in, struct reading *rd)
{
	struct sl_id id;
	uint8_t bytes[4];

	sl_blob_get_var(in, id);
	sl_blob_get_var(in, bytes);
	if (in->bad || bytes[2] > SL_CALL_MAX_BRIDGES || bytes[3] > SL_CALL_MAX_LEGS || sl_call_find(cs, &id))
		return NULL;
	struct call *c = sl_call_make(cs, &id);
	if (!c)
		return NULL;
	struct sl_call *p = &c->pub;
	rd->closed = bytes[0];
	p->emergency = bytes[1];
	p->restored = true;
	sl_blob_get_text(in, p->tenant, sizeof p->tenant);
	sl_blob_get_text(in, p->from, sizeof p->from);
	sl_blob_get_text(in, p->to, sizeof p->to);
	sl_blob_get_var(in, p->created_unix_ms);
	sl_blob_get_var(in, p->answered_unix_ms);
	sl_blob_get_var(in, p->ended_unix_ms);
	if (p->answered_unix_ms)
		cs->counts.now_up++;
	for (unsigned i = 0; i < bytes[2] && !in->bad; i++) {
		struct sl_id bridge;
		sl_blob_get_var(in, bridge);
		in->bad |= !sl_bridge_make(c, &bridge);
	}
	for (unsigned i = 0; i < bytes[3] && !in->bad; i++) {
		read_leg(in, &rd->legs[i], &rd->parts[i], bytes[2]);
		if (!in->bad)
			rd->n_legs = i + 1;
	}
	return c;
}

/* A leg that is no more, for its CDR. */
struct past_leg {
	struct sl_leg pub;
};

static void free_past(struct sl_leg *l)
{
	free(l);
}

static const struct sl_leg_ops past_ops = {.kind = "past", .free = free_past};

static bool make_leg(struct sl_calls *cs, struct call *c, const struct leg_record *r, struct sl_blob_in *part)
{
	const struct sl_leg_kind *k = kind_of(cs, r->kind);
	unsigned before = c->pub.n_legs;
	struct sl_leg *l = NULL;

	c->restoring = r;
	if (r->state < SL_LS_ENDING) {
		l = k ? k->restore(k->ctx, &c->pub, part) : NULL;
	} else {
		struct past_leg *past = calloc(1, sizeof *past);
		if (past && sl_leg_init(&past->pub, &c->pub, &past_ops, (enum sl_leg_direction)r->direction) == 0)
			l = &past->pub;
	}
	c->restoring = NULL;
	if (!l || c->pub.n_legs != before + 1)
		return false;
	l->state = r->state >= SL_LS_ENDING ? SL_LS_ENDED : (enum sl_leg_state)r->state;
	if (r->bridge != NO_BRIDGE) {
		l->bridge = c->pub.bridges[r->bridge];
		l->bridge->n_legs++;
	}
	return true;
}

static bool make_controller(struct sl_calls *cs, struct call *c, struct sl_blob_in *in)
{
	char name[NAME_MAX_BYTES];

	sl_blob_get_text(in, name, sizeof name);
	struct sl_blob_in part = part_of(in);
	const struct sl_controller *k = in->bad ? NULL : controller_of(cs, name);
	if (!k)
		return false;
	c->pub.controller = k;
	if (k->restore(&c->pub, &part) == 0 && !part.bad)
		return true;
	c->pub.controller = NULL;
	c->pub.control = NULL;
	return false;
}

static int64_t last_alive(const struct sl_calls *cs)
{
	int64_t unix_ms;

	memcpy(&unix_ms, sl_journal_aux(cs->journal), sizeof unix_ms);
	return unix_ms ? unix_ms : sl_call_unix_ms();
}

/* Its CDRs are all that is left of it. */
static void write_off(struct sl_calls *cs, struct call *c, const struct reading *rd, int64_t alive_unix_ms)
{
	struct sl_cause cause = {.status = 500, .by = SL_BY_US, .text = "lost in a restart of the control plane"};

	for (unsigned i = c->pub.n_legs; i < rd->n_legs; i++) {
		struct past_leg *past = calloc(1, sizeof *past);
		c->restoring = &rd->legs[i];
		if (!past || sl_leg_init(&past->pub, &c->pub, &past_ops, (enum sl_leg_direction)rd->legs[i].direction) < 0) {
			free(past);
			break;
		}
	}
	c->restoring = NULL;
	for (unsigned i = 0; i < c->pub.n_legs; i++) {
		struct sl_leg *l = c->pub.legs[i];
		if (!rd->closed && l->cdr.ended_unix_ms == 0) {
			l->cdr.ended_unix_ms = alive_unix_ms;
			l->cdr.unfinished = 1;
			l->cdr.status = cause.status;
			snprintf(l->cdr.cause, sizeof l->cdr.cause, "%s", cause.text);
		}
		l->state = SL_LS_ENDED;
	}
	if (!rd->closed)
		cs->counts.lost++;
	sl_call_close(&c->pub, &cause);
}

/* What rang goes no further: nobody knows where forks and timers stood. */
static void end_what_rang(struct call *c)
{
	const struct sl_cause cause = {.status = 503, .by = SL_BY_US, .text = "restart of the control plane"};

	if (c->pub.answered_unix_ms == 0) {
		sl_call_hangup(&c->pub, &cause);
		return;
	}
	for (unsigned i = 0; i < c->pub.n_legs; i++) {
		if (c->pub.legs[i]->state < SL_LS_UP)
			sl_leg_hangup(c->pub.legs[i], &cause, NULL);
	}
}

static bool restore(struct sl_calls *cs, uint32_t slot, const void *record, size_t len, struct reading *rd)
{
	struct sl_blob_in in = {record, (const uint8_t *)record + len, false};
	int64_t alive_unix_ms = last_alive(cs);

	*rd = (struct reading){0};
	struct call *c = read_call(cs, &in, rd);
	if (!c)
		return false;
	c->slot = (int)slot;
	bool good = !in.bad && !rd->closed;
	for (unsigned i = 0; i < rd->n_legs && good; i++)
		good = make_leg(cs, c, &rd->legs[i], &rd->parts[i]);
	if (good)
		read_timers(&in, c);
	if (!good || in.bad || !make_controller(cs, c, &in)) {
		write_off(cs, c, rd, alive_unix_ms);
		return true;
	}
	cs->counts.restored++;
	sl_call_event_publish(cs->o.events, SL_CE_CALL_RESTORED, c->pub.tenant, &c->pub.id, NULL, "%s -> %s", c->pub.from, c->pub.to);
	sl_call_changed(&c->pub);
	return true;
}

/* Media of calls that are not there any more. */
static void sweep_media(struct sl_calls *cs)
{
	const struct sl_media_session *s;
	uint32_t cursor = 0;

	while (cs->o.media && (s = sl_media_next(cs->o.media, &cursor))) {
		struct sl_id id;
		if (s->delete_at_ms == 0 && sl_id_parse(s->call_id, strlen(s->call_id), SL_ID_BRIDGE, &id) == 0)
			sl_calls_sweep_bridge(cs, s->call_id);
	}
}

unsigned sl_calls_restore(struct sl_calls *cs)
{
	struct reading *rd = malloc(sizeof *rd);
	uint64_t lost = sl_journal_n_corrupt(cs->journal);
	struct sl_call *c;
	uint32_t cursor = 0;

	for (uint32_t i = 0; rd && i < sl_journal_n_slots(cs->journal); i++) {
		size_t len;
		const void *record = sl_journal_read(cs->journal, i, &len);
		if (record && !restore(cs, i, record, len, rd)) {
			sl_journal_erase(cs->journal, i);
			lost++;
		}
	}
	free(rd);
	cs->counts.lost += lost;
	while ((c = sl_calls_next(cs, &cursor))) {
		if (!((struct call *)c)->closed)
			end_what_rang((struct call *)c);
	}
	sweep_media(cs);
	if (cs->counts.lost)
		sl_log(SL_LOG_ERROR, "calls: %llu could not be made again after a restart", (unsigned long long)cs->counts.lost);
	if (cs->counts.restored)
		sl_log(SL_LOG_INFO, "calls: %llu go on after a restart", (unsigned long long)cs->counts.restored);
	return (unsigned)cs->counts.restored;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Calls, bridges, durable timers: their life. Legs are in leg.c, the journal is in record.c. */

#include "controlplane/call/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/abi/log.h"

enum { HASH_MIN = 1024 };

int64_t sl_call_unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static int64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* Half of an id is random and ours: no outsider chooses it. */
static uint32_t hash_of(const struct sl_calls *cs, const struct sl_id *id)
{
	uint32_t h;

	memcpy(&h, id->b + SL_ID_BYTES - sizeof h, sizeof h);
	return h & cs->mask;
}

/* ---- the model ---- */

struct sl_calls *sl_calls_open(const struct sl_calls_options *o, char *text, size_t text_len)
{
	const struct sl_journal_shape shape = sl_call_record_shape(o->max_calls);
	struct sl_calls *cs = calloc(1, sizeof *cs);
	uint32_t size = HASH_MIN;

	snprintf(text, text_len, "no memory for calls");
	if (!cs)
		return NULL;
	while (size < o->max_calls)
		size *= 2;
	cs->o = *o;
	cs->mask = size - 1;
	cs->all = calloc(o->max_calls, sizeof(struct call *));
	cs->free_indices = calloc(o->max_calls, sizeof *cs->free_indices);
	cs->by_id = calloc(size, sizeof(struct call *));
	cs->bridges = calloc(size, sizeof(struct bridge *));
	if (!cs->all || !cs->free_indices || !cs->by_id || !cs->bridges)
		goto err;
	for (uint32_t i = 0; i < o->max_calls; i++)
		cs->free_indices[cs->n_free++] = o->max_calls - 1 - i;
	cs->journal = sl_journal_open(o->journal_fd, &shape, text, text_len);
	if (!cs->journal)
		goto err;
	if (text[0])
		sl_log(SL_LOG_ERROR, "calls: %s", text);
	return cs;
err:
	sl_calls_close(cs);
	return NULL;
}

static void ignore(void *ctx, int error)
{
}

/* The program ends, and with it maybe the keeper and its journal: what is known of calls under way is written as unfinished. If the keeper
 * lives they go on, and their last records replace these. */
static void write_unfinished(struct sl_calls *cs, struct call *c)
{
	const struct sl_cdr *records[SL_CALL_MAX_LEGS];
	int64_t now = sl_call_unix_ms();

	for (unsigned i = 0; i < c->pub.n_legs; i++) {
		struct sl_cdr *cdr = &c->pub.legs[i]->cdr;
		if (cdr->ended_unix_ms == 0) {
			cdr->unfinished = 1;
			cdr->ended_unix_ms = now;
			snprintf(cdr->cause, sizeof cdr->cause, "the control plane was stopped");
		}
		records[i] = cdr;
	}
	if (c->pub.n_legs && cs->o.cdrs)
		sl_cdrs_commit(cs->o.cdrs, records, c->pub.n_legs, ignore, NULL);
}

void sl_calls_close(struct sl_calls *cs)
{
	if (!cs)
		return;
	if (cs->journal)
		sl_calls_commit(cs);
	for (uint32_t i = 0; cs->all && i < cs->o.max_calls; i++) {
		struct call *c = cs->all[i];
		if (!c)
			continue;
		if (!c->closed)
			write_unfinished(cs, c);
		sl_call_destroy(c);
	}
	sl_journal_close(cs->journal);
	free(cs->all);
	free(cs->free_indices);
	free(cs->by_id);
	free(cs->bridges);
	free(cs);
}

const struct sl_calls_options *sl_calls_options(const struct sl_calls *cs)
{
	return &cs->o;
}

void sl_calls_add_kind(struct sl_calls *cs, const struct sl_leg_kind *k)
{
	if (cs->n_kinds < KINDS_MAX)
		cs->kinds[cs->n_kinds++] = *k;
}

void sl_calls_add_controller(struct sl_calls *cs, const struct sl_controller *k)
{
	if (cs->n_controllers < CONTROLLERS_MAX)
		cs->controllers[cs->n_controllers++] = k;
}

void sl_calls_counts(const struct sl_calls *cs, struct sl_calls_counts *out)
{
	*out = cs->counts;
}

/* ---- a call ---- */

static void bury(struct sl_timer *t);

struct call *sl_call_make(struct sl_calls *cs, const struct sl_id *id)
{
	struct call *c = cs->n_free ? calloc(1, sizeof *c) : NULL;

	if (!c)
		return NULL;
	c->pub.id = *id;
	c->pub.calls = cs;
	c->slot = NO_SLOT;
	c->bury.fn = bury;
	c->index = cs->free_indices[--cs->n_free];
	cs->all[c->index] = c;
	struct call **chain = &cs->by_id[hash_of(cs, id)];
	c->next = *chain;
	*chain = c;
	cs->counts.now++;
	return c;
}

struct sl_call *sl_call_new(struct sl_calls *cs, const char *tenant, const char *from, const char *to)
{
	struct sl_id id;

	sl_id_new(&id);
	struct call *c = sl_call_make(cs, &id);
	if (!c)
		return NULL;
	snprintf(c->pub.tenant, sizeof c->pub.tenant, "%s", tenant);
	snprintf(c->pub.from, sizeof c->pub.from, "%s", from);
	snprintf(c->pub.to, sizeof c->pub.to, "%s", to);
	c->pub.created_unix_ms = sl_call_unix_ms();
	cs->counts.created++;
	sl_call_event_publish(cs->o.events, SL_CE_CALL_CREATED, c->pub.tenant, &id, NULL, "%s -> %s", c->pub.from, c->pub.to);
	return &c->pub;
}

static void leave_dirty(struct call *c)
{
	struct call **at = &c->pub.calls->dirty;

	while (*at && *at != c)
		at = &(*at)->next_dirty;
	if (*at)
		*at = c->next_dirty;
	c->dirty = false;
}

void sl_call_destroy(struct call *c)
{
	struct sl_calls *cs = c->pub.calls;
	struct call **at = &cs->by_id[hash_of(cs, &c->pub.id)];

	if (c->dirty)
		leave_dirty(c);
	for (unsigned i = 0; i < SL_CALL_MAX_TIMERS; i++)
		sl_timer_stop(cs->o.timers, &c->timers[i].timer);
	sl_timer_stop(cs->o.timers, &c->bury);
	if (c->pub.controller && c->pub.controller->free)
		c->pub.controller->free(&c->pub);
	for (unsigned i = 0; i < c->pub.n_legs; i++)
		c->pub.legs[i]->ops->free(c->pub.legs[i]);
	for (unsigned i = c->pub.n_bridges; i-- > 0;) {
		struct bridge *b = (struct bridge *)c->pub.bridges[i], **link = &cs->bridges[hash_of(cs, &b->pub.id)];
		while (*link != b)
			link = &(*link)->next;
		*link = b->next;
		free(b);
	}
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	cs->all[c->index] = NULL;
	cs->free_indices[cs->n_free++] = c->index;
	cs->counts.now--;
	if (c->pub.answered_unix_ms && !c->closed)
		cs->counts.now_up--;
	free(c->pub.decision);
	free(c);
}

static void end_for_good(struct call *c)
{
	struct sl_calls *cs = c->pub.calls;

	sl_call_record_erase(c);
	sl_call_event_publish(cs->o.events, SL_CE_CALL_ENDED, c->pub.tenant, &c->pub.id, NULL, "%u %s", c->pub.cause.status,
	        c->pub.cause.text);
	sl_call_destroy(c);
}

static void bury(struct sl_timer *t)
{
	end_for_good((struct call *)((char *)t - offsetof(struct call, bury)));
}

struct committed {
	struct sl_calls *cs;
	struct sl_id id;
};

static void cdrs_committed(void *ctx, int error)
{
	struct committed *done = ctx;
	struct call *c = (struct call *)sl_call_find(done->cs, &done->id);

	if (c && c->closed)
		end_for_good(c);
	free(done);
}

static bool commit_cdrs(struct call *c)
{
	struct sl_calls *cs = c->pub.calls;
	const struct sl_cdr *records[SL_CALL_MAX_LEGS];
	struct committed *done = cs->o.cdrs && c->pub.n_legs ? malloc(sizeof *done) : NULL;

	if (!done)
		return false;
	*done = (struct committed){cs, c->pub.id};
	for (unsigned i = 0; i < c->pub.n_legs; i++)
		records[i] = &c->pub.legs[i]->cdr;
	if (sl_cdrs_commit(cs->o.cdrs, records, c->pub.n_legs, cdrs_committed, done) == 0)
		return true;
	free(done);
	return false;
}

void sl_call_close(struct sl_call *pub, const struct sl_cause *cause)
{
	struct call *c = (struct call *)pub;
	struct sl_calls *cs = pub->calls;

	if (c->closed)
		return;
	if (pub->answered_unix_ms)
		cs->counts.now_up--;
	c->closed = true;
	cs->counts.ended++;
	pub->cause = *cause;
	pub->ended_unix_ms = sl_call_unix_ms();
	for (unsigned i = 0; i < SL_CALL_MAX_TIMERS; i++)
		sl_timer_stop(cs->o.timers, &c->timers[i].timer);
	sl_call_changed(pub);
	/* Freed once its records are in the store; without any, at the next turn. */
	if (!commit_cdrs(c))
		sl_timer_set(cs->o.timers, &c->bury, monotonic_ms());
}

void sl_call_control(struct sl_call *c, const struct sl_controller *k, void *control)
{
	if (c->controller && c->controller->free)
		c->controller->free(c);
	if (c->controller)
		sl_call_event_publish(c->calls->o.events, SL_CE_CALL_CONTROLLER, c->tenant, &c->id, NULL, "%s", k->name);
	c->controller = k;
	c->control = control;
	sl_call_changed(c);
}

void sl_call_changed(struct sl_call *pub)
{
	struct call *c = (struct call *)pub;

	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = pub->calls->dirty;
	pub->calls->dirty = c;
}

void sl_calls_commit(struct sl_calls *cs)
{
	while (cs->dirty) {
		struct call *c = cs->dirty;
		cs->dirty = c->next_dirty;
		c->dirty = false;
		sl_call_record_write(c);
	}
}

void sl_calls_tick(struct sl_calls *cs)
{
	sl_call_record_alive(cs, sl_call_unix_ms());
}

void sl_call_hangup(struct sl_call *c, const struct sl_cause *cause)
{
	if (((struct call *)c)->closed)
		return;
	if (c->controller) {
		c->controller->hangup(c, cause);
		return;
	}
	for (unsigned i = 0; i < c->n_legs; i++)
		sl_leg_hangup(c->legs[i], cause, NULL);
	sl_call_close(c, cause);
}

/* ---- looking ---- */

size_t sl_calls_n(const struct sl_calls *cs)
{
	return cs->counts.now;
}

struct sl_call *sl_call_find(const struct sl_calls *cs, const struct sl_id *id)
{
	for (struct call *c = cs->by_id[hash_of(cs, id)]; c; c = c->next) {
		if (sl_id_eq(&c->pub.id, id))
			return &c->pub;
	}
	return NULL;
}

struct sl_call *sl_calls_next(const struct sl_calls *cs, uint32_t *cursor)
{
	while (*cursor < cs->o.max_calls) {
		struct call *c = cs->all[(*cursor)++];
		if (c)
			return &c->pub;
	}
	return NULL;
}

/* ---- durable timers ---- */

static void timer_due(struct sl_timer *t)
{
	struct call_timer *ct = (struct call_timer *)((char *)t - offsetof(struct call_timer, timer));
	struct sl_call *c = &ct->call->pub;
	unsigned kind = ct->kind;

	ct->kind = 0;
	sl_call_changed(c);
	if (c->controller && c->controller->timer)
		c->controller->timer(c, kind);
}

static struct call_timer *timer_of(struct call *c, unsigned kind)
{
	for (unsigned i = 0; i < SL_CALL_MAX_TIMERS; i++) {
		if (c->timers[i].kind == kind)
			return &c->timers[i];
	}
	return NULL;
}

int sl_call_timer(struct sl_call *pub, unsigned kind, int64_t due_unix_ms)
{
	struct call *c = (struct call *)pub;
	struct sl_timers *timers = pub->calls->o.timers;
	struct call_timer *t = timer_of(c, kind);

	if (due_unix_ms == 0) {
		if (!t)
			return 0;
		sl_timer_stop(timers, &t->timer);
		t->kind = 0;
		sl_call_changed(pub);
		return 0;
	}
	if (!t && !(t = timer_of(c, 0)))
		return -ENOSPC;
	t->call = c;
	t->timer.fn = timer_due;
	t->due_unix_ms = due_unix_ms;
	int64_t wait_ms = due_unix_ms - sl_call_unix_ms();
	if (sl_timer_set(timers, &t->timer, monotonic_ms() + (wait_ms > 0 ? wait_ms : 0)) < 0)
		return -ENOMEM;
	t->kind = kind;
	sl_call_changed(pub);
	return 0;
}

/* ---- bridges ---- */

struct bridge *sl_bridge_make(struct call *c, const struct sl_id *id)
{
	struct sl_calls *cs = c->pub.calls;
	struct bridge *b = c->pub.n_bridges < SL_CALL_MAX_BRIDGES ? calloc(1, sizeof *b) : NULL;

	if (!b)
		return NULL;
	b->pub.id = *id;
	b->pub.call = &c->pub;
	sl_id_text(id, SL_ID_BRIDGE, b->pub.media_id);
	c->pub.bridges[c->pub.n_bridges++] = &b->pub;
	struct bridge **chain = &cs->bridges[hash_of(cs, id)];
	b->next = *chain;
	*chain = b;
	return b;
}

struct sl_bridge *sl_bridge_new(struct sl_call *c)
{
	struct sl_id id;

	sl_id_new(&id);
	struct bridge *b = sl_bridge_make((struct call *)c, &id);
	if (!b)
		return NULL;
	sl_call_changed(c);
	return &b->pub;
}

void sl_bridge_join(struct sl_bridge *b, struct sl_leg *l)
{
	if (l->bridge == b)
		return;
	sl_bridge_leave(l);
	l->bridge = b;
	b->n_legs++;
	sl_call_event_publish(b->call->calls->o.events, SL_CE_BRIDGE_JOINED, b->call->tenant, &b->call->id, &l->id, "%s", b->media_id);
	sl_call_changed(b->call);
}

void sl_bridge_leave(struct sl_leg *l)
{
	struct sl_bridge *b = l->bridge;

	if (!b)
		return;
	b->n_legs--;
	l->bridge = NULL;
	sl_call_event_publish(b->call->calls->o.events, SL_CE_BRIDGE_LEFT, b->call->tenant, &b->call->id, &l->id, "%s", b->media_id);
	sl_call_changed(b->call);
}

static void media_deleted(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
}

void sl_bridge_free(struct sl_bridge *b)
{
	struct sl_call *c = b->call;
	struct sl_calls *cs = c->calls;
	const struct sl_slice id = {b->media_id, strlen(b->media_id)}, none = {0};
	struct bridge **link = &cs->bridges[hash_of(cs, &b->id)];

	for (unsigned i = 0; i < c->n_legs; i++) {
		if (c->legs[i]->bridge == b)
			sl_bridge_leave(c->legs[i]);
	}
	if (cs->o.media && sl_media_find(cs->o.media, id))
		sl_media_delete(cs->o.media, id, none, none, 0, media_deleted, NULL);
	while (&(*link)->pub != b)
		link = &(*link)->next;
	*link = (*link)->next;
	for (unsigned i = 0; i < c->n_bridges; i++) {
		if (c->bridges[i] == b) {
			memmove(&c->bridges[i], &c->bridges[i + 1], (c->n_bridges - i - 1) * sizeof c->bridges[0]);
			c->n_bridges--;
			break;
		}
	}
	sl_call_changed(c);
	free((struct bridge *)b);
}

/* ---- the media engine's hooks ---- */

static struct sl_bridge *bridge_of(const struct sl_calls *cs, const char *media_id)
{
	struct sl_id id;

	if (sl_id_parse(media_id, strlen(media_id), SL_ID_BRIDGE, &id) < 0)
		return NULL;
	for (struct bridge *b = cs->bridges[hash_of(cs, &id)]; b; b = b->next) {
		if (sl_id_eq(&b->pub.id, &id))
			return &b->pub;
	}
	return NULL;
}

void sl_calls_sweep_bridge(struct sl_calls *cs, const char *media_id)
{
	const struct sl_slice id = {media_id, strlen(media_id)}, none = {0};

	if (!bridge_of(cs, media_id))
		sl_media_delete(cs->o.media, id, none, none, 0, media_deleted, NULL);
}

void sl_calls_media_ended(struct sl_calls *cs, const char *media_id, const char *why)
{
	enum { RECOVERY_ON_TIMER_EXPIRY = 102 }; /* Q.850 */
	struct sl_bridge *b = bridge_of(cs, media_id);
	struct sl_cause cause = {.status = 408, .q850 = RECOVERY_ON_TIMER_EXPIRY, .by = SL_BY_NETWORK};

	if (!b)
		return;
	snprintf(cause.text, sizeof cause.text, "%s", why);
	sl_call_hangup(b->call, &cause);
}

void sl_calls_media_dtmf(struct sl_calls *cs, const char *media_id, const char *tag, unsigned event, unsigned duration_ms)
{
	struct sl_bridge *b = bridge_of(cs, media_id);
	struct sl_call *c = b ? b->call : NULL;

	if (!c || !c->controller || !c->controller->dtmf)
		return;
	for (unsigned i = 0; i < c->n_legs; i++) {
		if (c->legs[i]->bridge == b && strcmp(c->legs[i]->media_tag, tag) == 0) {
			c->controller->dtmf(c, c->legs[i], event, duration_ms);
			return;
		}
	}
}

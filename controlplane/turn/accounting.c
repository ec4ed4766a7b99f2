/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What becomes of allocations, as changes of records: begun, brought up to date, ended. */

#include "controlplane/turn/accounting_own.h"

#include "dataplane/abi/msg.h"

#include <string.h>

enum {
	SAME_START_MS = 10000, /* two ages in seconds, read at different times, speak of the same start */
	TICK_MS = 50,
	INTERIMS_A_TICK = 2000,
};

/* ---- changes ---- */

/* To every destination that wants it. r is given away. */
static void give(struct sl_accounting *a, struct sl_turn_record *r)
{
	switch (r->change) {
	case SL_TURN_START:
		a->counts.starts++;
		break;
	case SL_TURN_INTERIM:
		a->counts.interims++;
		break;
	case SL_TURN_STOP:
		a->counts.stops++;
		break;
	case SL_TURN_LOST:
		a->counts.unknown_ends++;
		break;
	case SL_TURN_REFRESH:
		break;
	}
	if (r->change == SL_TURN_REFRESH)
		sl_turn_tell_redis(a, r);
	else
		sl_turn_queue(a, r);
}

static struct sl_turn_traffic minus(const struct sl_turn_traffic *now, const struct sl_turn_traffic *then)
{
	/* After a crash of the dataplane counts are some seconds older than what was told. */
	return (struct sl_turn_traffic){now->to_peer_packets > then->to_peer_packets ? now->to_peer_packets - then->to_peer_packets : 0,
	        now->to_peer_bytes > then->to_peer_bytes ? now->to_peer_bytes - then->to_peer_bytes : 0,
	        now->to_client_packets > then->to_client_packets ? now->to_client_packets - then->to_client_packets : 0,
	        now->to_client_bytes > then->to_client_bytes ? now->to_client_bytes - then->to_client_bytes : 0};
}

/* A change of the open record o, whose allocation is as e says. */
static void change(struct sl_accounting *a, struct sl_turn_open *o, const struct sl_evt_allocation *e, enum sl_turn_change what)
{
	struct sl_turn_record *r = sl_turn_record_new(e, a->o.realm(a->o.ctx, e->realm));

	if (!r) {
		a->counts.store_lost++;
		return;
	}
	if (what == SL_TURN_INTERIM)
		o->interims++;
	r->change = what;
	r->id = o->id;
	r->start_unix_ms = o->start_unix_ms;
	r->updated_unix_ms = a->now_unix_ms > o->start_unix_ms ? a->now_unix_ms : o->start_unix_ms;
	r->interims = o->interims;
	r->since = minus(&r->traffic, &o->told);
	if (what != SL_TURN_REFRESH) {
		o->told = r->traffic;
		o->told_ms = a->now_ms;
	}
	give(a, r);
}

static void end(struct sl_accounting *a, struct sl_turn_open *o, const struct sl_evt_allocation *e, unsigned why)
{
	struct sl_turn_record *r = sl_turn_record_new(e, a->o.realm(a->o.ctx, e->realm));

	if (r) {
		r->change = SL_TURN_STOP;
		r->id = o->id;
		r->start_unix_ms = o->start_unix_ms;
		r->end_unix_ms = r->updated_unix_ms = a->now_unix_ms > o->start_unix_ms ? a->now_unix_ms : o->start_unix_ms;
		r->end = (uint8_t)why;
		r->interims = o->interims;
		r->since = minus(&r->traffic, &o->told);
		a->counts.unknown_ends += why == SL_TURN_END_UNKNOWN;
		give(a, r);
	} else {
		a->counts.store_lost++;
	}
	sl_turn_opens_remove(&a->opens, o->allocation);
}

/* The allocation of o has gone, unseen; the rest is in its row. */
static void lose(struct sl_accounting *a, const struct sl_turn_open *o)
{
	struct sl_evt_allocation nothing = {.id = o->allocation};
	struct sl_turn_record *r = sl_turn_record_new(&nothing, "");

	if (r) {
		r->change = SL_TURN_LOST;
		r->id = o->id;
		give(a, r);
	}
	sl_turn_opens_remove(&a->opens, o->allocation);
}

static struct sl_turn_open *begin(struct sl_accounting *a, const struct sl_evt_allocation *e)
{
	struct sl_endpoint relay = {e->relay, e->relay_port_be};
	struct sl_turn_open o = {.allocation = e->id,
	        .print = sl_turn_open_print(&relay, e->username, strnlen(e->username, sizeof e->username)),
	        .start_unix_ms = a->now_unix_ms - e->age_s * INT64_C(1000)};

	sl_id_new(&o.id);
	struct sl_turn_open *put = sl_turn_opens_put(&a->opens, &o);
	if (put)
		change(a, put, e, SL_TURN_START);
	else
		a->counts.store_lost++;
	return put;
}

/* The open record of e's allocation, begun if there is none. */
static struct sl_turn_open *open_of(struct sl_accounting *a, const struct sl_evt_allocation *e)
{
	struct sl_turn_open *o = sl_turn_opens_find(&a->opens, e->id);

	if (o && o->unsure) {
		/* Ids begin anew with the dataplane. */
		struct sl_endpoint relay = {e->relay, e->relay_port_be};
		int64_t started = a->now_unix_ms - e->age_s * INT64_C(1000), apart = started - o->start_unix_ms;
		o->unsure = false;
		if (o->print == sl_turn_open_print(&relay, e->username, strnlen(e->username, sizeof e->username)) && apart < SAME_START_MS &&
		        apart > -SAME_START_MS) {
			a->counts.found_again++;
			return o;
		}
		lose(a, o);
		o = NULL;
	}
	return o ? o : begin(a, e);
}

/* ---- what the link tells ---- */

bool sl_accounting_is_on(const struct sl_accounting *a)
{
	return a && a->on;
}

void sl_accounting_event(struct sl_accounting *a, const struct sl_evt_allocation *e)
{
	if (!sl_accounting_is_on(a))
		return;
	struct sl_turn_open *o = sl_turn_opens_find(&a->opens, e->id);
	if (e->change == SL_ALLOC_CREATED && o) { /* the end of the one before was not told */
		lose(a, o);
		o = NULL;
	}
	bool had = o != NULL;
	o = open_of(a, e);
	if (!o)
		return;
	if (e->change == SL_ALLOC_CLOSED)
		end(a, o, e, e->end);
	else if (e->change == SL_ALLOC_MOVED && had)
		change(a, o, e, SL_TURN_INTERIM);
	else if (e->change == SL_ALLOC_REFRESHED && had)
		change(a, o, e, SL_TURN_REFRESH);
}

void sl_accounting_vanished(struct sl_accounting *a, const struct sl_allocation *last)
{
	struct sl_turn_open *o = sl_accounting_is_on(a) ? sl_turn_opens_find(&a->opens, last->state.id) : NULL;

	if (o)
		end(a, o, &last->state, SL_TURN_END_UNKNOWN);
}

void sl_accounting_listed(struct sl_accounting *a)
{
	if (!sl_accounting_is_on(a))
		return;
	/* Now and then a listing is only for fresh counts. */
	if (!a->unsure)
		return;
	const struct sl_table *table = a->o.table(a->o.ctx);
	for (size_t i = 0; i < table->n; i++)
		open_of(a, &table->all[i].state);
	for (size_t i = a->opens.n; i-- > 0;) { /* backwards: the last one takes the place of who goes */
		if (a->opens.all[i].unsure)
			lose(a, &a->opens.all[i]);
	}
	a->unsure = false;
}

void sl_accounting_detached(struct sl_accounting *a)
{
	if (!sl_accounting_is_on(a))
		return;
	for (size_t i = 0; i < a->opens.n; i++)
		a->opens.all[i].unsure = true;
	a->unsure = true;
}

/* ---- interim ---- */

/* One round over all open records in each interval, a few with each tick. */
static void bring_up_to_date(struct sl_accounting *a)
{
	int64_t interval_ms = a->conf.interval_s * INT64_C(1000);

	if (interval_ms == 0 || a->opens.n == 0)
		return;
	size_t n = (size_t)((int64_t)a->opens.n * TICK_MS / interval_ms) + 1;
	if (a->cursor >= a->opens.n) {
		if (a->now_ms < a->next_round_ms)
			return;
		a->cursor = 0;
		a->next_round_ms = a->now_ms + interval_ms;
		a->o.refresh(a->o.ctx);
		return; /* the counts come before the next tick, or soon after */
	}
	for (n = n < INTERIMS_A_TICK ? n : INTERIMS_A_TICK; n > 0 && a->cursor < a->opens.n; n--) {
		struct sl_turn_open *o = &a->opens.all[a->cursor++];
		const struct sl_allocation *now = o->unsure ? NULL : sl_table_find(a->o.table(a->o.ctx), o->allocation);
		if (now && (o->told_ms == 0 || a->now_ms - o->told_ms >= interval_ms / 2))
			change(a, o, &now->state, SL_TURN_INTERIM);
	}
}

void sl_accounting_tick(struct sl_accounting *a, int64_t now_ms, int64_t now_unix_ms)
{
	if (!a)
		return;
	a->now_ms = now_ms;
	a->now_unix_ms = now_unix_ms;
	if (a->on)
		bring_up_to_date(a);
	sl_turn_queue_tick(a);
	if (a->hook)
		sl_turn_hook_tick(a->hook, &a->spooled, &a->counts, now_ms);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/dp/internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* A worker whose listings keep overflowing its ring is asked again this much later, not at once. */
enum { RELIST_MS = 5000 };

static uint64_t lost_by(const struct sl_dp *dp, unsigned worker)
{
	return __atomic_load_n(
	        &dp->client.region->workers[worker].counters[SL_C_events_lost], __ATOMIC_RELAXED);
}

/* ---- whoever waits ---- */

static struct sl_dp_waiter *waiter_new(struct sl_dp *dp, int64_t deadline_ms, sl_dp_done done, void *ctx)
{
	for (unsigned i = 0; i < SL_DP_WAITING_MAX; i++) {
		if (dp->waiters[i].deadline_ms == 0) {
			dp->waiters[i] =
			        (struct sl_dp_waiter){.deadline_ms = deadline_ms, .done = done, .ctx = ctx};
			return &dp->waiters[i];
		}
	}
	return NULL;
}

static void tell(struct sl_dp_waiter *w, int error, const char *text)
{
	struct sl_dp_waiter copy = *w;

	w->deadline_ms = 0;
	copy.done(copy.ctx, error, text);
}

/* ---- listings ---- */

static void ask(struct sl_dp *dp, unsigned worker, int64_t now_ms)
{
	struct sl_dp_worker *w = &dp->workers[worker];
	struct sl_command cmd = {.h = {SL_CMD_ALLOCATION_LIST, dp->round}};

	w->asked_ms = now_ms;
	if (sl_client_send(&dp->client, 1 + worker, &cmd) < 0)
		return; /* the tick asks again */
	w->events_lost = lost_by(dp, worker);
	w->round = dp->round;
	w->listing = true;
}

static void ask_all(struct sl_dp *dp, int64_t now_ms)
{
	dp->round = dp->round + 1 ? dp->round + 1 : 1;
	for (unsigned i = 0; i < dp->client.n_workers; i++)
		ask(dp, i, now_ms);
}

static bool any_listing(const struct sl_dp *dp)
{
	for (unsigned i = 0; i < dp->client.n_workers; i++) {
		if (dp->workers[i].listing)
			return true;
	}
	return false;
}

void sl_dp_sync_begin(struct sl_dp *dp, int64_t now_ms)
{
	sl_table_clear(&dp->table);
	memset(dp->workers, 0, sizeof dp->workers);
	ask_all(dp, now_ms);
}

void sl_dp_sync_end(struct sl_dp *dp)
{
	if (dp->turn.detached)
		dp->turn.detached(dp->turn_ctx);
	sl_table_clear(&dp->table);
	for (unsigned i = 0; i < SL_DP_WAITING_MAX; i++) {
		if (dp->waiters[i].deadline_ms)
			tell(&dp->waiters[i], -ENOTCONN, "the dataplane went away");
	}
}

void sl_dp_sync_tick(struct sl_dp *dp, int64_t now_ms)
{
	bool asked = false;

	for (unsigned i = 0; i < dp->client.n_workers; i++) {
		struct sl_dp_worker *w = &dp->workers[i];
		bool unanswered = w->round != dp->round || w->listing;
		if (now_ms - w->asked_ms < RELIST_MS || (!unanswered && lost_by(dp, i) == w->events_lost))
			continue;
		/* Events were lost, or the answer was: the list is the truth. */
		if (!asked)
			dp->round = dp->round + 1 ? dp->round + 1 : 1;
		asked = true;
		ask(dp, i, now_ms);
	}
	for (unsigned i = 0; asked && i < dp->client.n_workers; i++) {
		if (!dp->workers[i].listing)
			dp->workers[i].round = dp->round; /* up to date without asking */
	}
	for (unsigned i = 0; i < SL_DP_WAITING_MAX && dp->attached; i++) {
		if (dp->waiters[i].deadline_ms && now_ms >= dp->waiters[i].deadline_ms)
			tell(&dp->waiters[i], -ETIMEDOUT, "no answer from the worker in time");
	}
}

/* Each worker was asked, and no event of any listing was lost. */
static bool all_whole(const struct sl_dp *dp)
{
	for (unsigned i = 0; i < dp->client.n_workers; i++) {
		if (dp->workers[i].round != dp->round || lost_by(dp, i) != dp->workers[i].events_lost)
			return false;
	}
	return true;
}

static void list_ended(struct sl_dp *dp, unsigned worker, const struct sl_event *evt)
{
	struct sl_dp_worker *w = &dp->workers[worker];

	if (!w->listing || evt->h.seq != w->round)
		return;
	w->listing = false;
	/* A listing that lost events is no proof that something ended. */
	if (lost_by(dp, worker) == w->events_lost)
		sl_table_sweep(&dp->table, worker, w->round, dp->turn.vanished, dp->turn_ctx);
	if (any_listing(dp))
		return;
	if (dp->turn.listed && all_whole(dp))
		dp->turn.listed(dp->turn_ctx);
	for (unsigned i = 0; i < SL_DP_WAITING_MAX; i++) {
		if (dp->waiters[i].deadline_ms && dp->waiters[i].listing)
			tell(&dp->waiters[i], 0, "");
	}
}

int sl_dp_refresh(struct sl_dp *dp, int64_t now_ms, sl_dp_done done, void *ctx)
{
	if (!dp->attached)
		return -ENOTCONN;

	struct sl_dp_waiter *w = waiter_new(dp, now_ms + SL_DP_LIST_MS, done, ctx);
	if (!w)
		return -ENOBUFS;
	w->listing = true;
	if (!any_listing(dp))
		ask_all(dp, now_ms);
	return 0;
}

/* ---- allocations ---- */

static void closed(struct sl_dp *dp, const struct sl_evt_allocation *a)
{
	static const char *const why[] = {
	        "", "its lifetime ended", "its client ended it", "an operator ended it", "its connection ended"};

	sl_log(SL_LOG_INFO,
	        "allocation %016" PRIx64 " of %s closed after %u s, %s: to peers %" PRIu64 " packets %" PRIu64
	        " bytes, to the client %" PRIu64 " packets %" PRIu64 " bytes",
	        a->id, a->username, a->age_s, a->end < sizeof why / sizeof why[0] ? why[a->end] : "", a->to_peer_packets, a->to_peer_bytes,
	        a->to_client_packets, a->to_client_bytes);
	sl_table_remove(&dp->table, a->id);
	for (unsigned i = 0; i < SL_DP_WAITING_MAX; i++) {
		if (dp->waiters[i].deadline_ms && !dp->waiters[i].listing && dp->waiters[i].id == a->id)
			tell(&dp->waiters[i], 0, "");
	}
}

bool sl_dp_sync_event(struct sl_dp *dp, unsigned worker, const struct sl_event *evt, int64_t now_ms)
{
	const struct sl_evt_allocation *a = &evt->allocation;

	if (evt->h.type == SL_EVT_LIST_END) {
		list_ended(dp, worker, evt);
		return true;
	}
	const struct sl_allocation *known = sl_table_find(&dp->table, a->id);
	if (a->worker != worker || (known && known->state.worker != worker))
		return false;
	if (dp->turn.allocation)
		dp->turn.allocation(dp->turn_ctx, a, known);
	if (a->change == SL_ALLOC_CLOSED) {
		closed(dp, a);
		return true;
	}
	if (!known && dp->table.n >= SL_DP_ALLOCATIONS_MAX)
		return false;
	if (a->change == SL_ALLOC_CREATED && sl_log_enabled(SL_LOG_INFO)) {
		struct sl_endpoint client = {a->client, a->client_port_be},
		                   relay = {a->relay, a->relay_port_be};
		char from[SL_ADDR_TEXT_MAX], to[SL_ADDR_TEXT_MAX];
		sl_log(SL_LOG_INFO, "allocation %016" PRIx64 " of %s: client %s, relay %s, %u s", a->id,
		        a->username, sl_endpoint_text(&client, from), sl_endpoint_text(&relay, to),
		        a->lifetime_s);
	}
	if (sl_table_put(&dp->table, a, now_ms, dp->workers[worker].round) < 0)
		sl_log(SL_LOG_ERROR, "no memory for another allocation's record");
	return true;
}

int sl_dp_delete_allocation(struct sl_dp *dp, uint64_t id, int64_t now_ms, sl_dp_done done, void *ctx)
{
	const struct sl_allocation *a = sl_table_find(&dp->table, id);
	struct sl_command cmd = {.h = {.type = SL_CMD_ALLOCATION_DELETE}, .allocation = {id}};

	if (!dp->attached)
		return -ENOTCONN;
	if (!a || a->state.worker >= dp->client.n_workers)
		return -ENOENT;

	struct sl_dp_waiter *w = waiter_new(dp, now_ms + SL_DP_DELETE_MS, done, ctx);
	if (!w)
		return -ENOBUFS;
	w->id = id;
	int rc = sl_client_send(&dp->client, 1 + a->state.worker, &cmd);
	if (rc < 0)
		w->deadline_ms = 0;
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What stands on TURN in the brain: the desk (live settings), user tables elsewhere, accounting, and what the workers tell. */

#include "controlplane/brain.h"

#include "controlplane/call/events.h"
#include "controlplane/turn/accounting.h"
#include "controlplane/turn/desk.h"
#include "controlplane/turn/source.h"
#include "dataplane/abi/log.h"

#include <time.h>

static void quota(void *ctx, const struct sl_evt_turn_quota *e)
{
	struct sl_brain *b = ctx;

	sl_desk_quota(b->desk, e);
}

/* Who stands by for another control plane leaves the records to that one. */
static bool accounts(const struct sl_brain *b)
{
	return sl_dp_plan(b->dp) && !sl_dp_standby(b->dp);
}

static void allocation(void *ctx, const struct sl_evt_allocation *a, const struct sl_allocation *known)
{
	struct sl_brain *b = ctx;

	if (accounts(b))
		sl_accounting_event(b->accounting, a);
}

static void vanished(void *ctx, const struct sl_allocation *last)
{
	struct sl_brain *b = ctx;

	if (accounts(b))
		sl_accounting_vanished(b->accounting, last);
}

static void listed(void *ctx)
{
	struct sl_brain *b = ctx;

	if (accounts(b))
		sl_accounting_listed(b->accounting);
}

static void detached(void *ctx)
{
	struct sl_brain *b = ctx;

	sl_accounting_detached(b->accounting);
}

static const struct sl_dp_turn_ops turn_ops = {allocation, vanished, listed, detached, quota};

/* Where there is SIP there is a feed of events. */
static void event(void *ctx, unsigned type, const char *text)
{
	struct sl_brain *b = ctx;

	if (b->events)
		sl_call_event_publish(b->events, (enum sl_call_event_type)type, NULL, NULL, NULL, "%s", text);
}

/* ---- accounting ---- */

static const struct sl_table *allocations(void *ctx)
{
	struct sl_brain *b = ctx;

	return sl_dp_table(b->dp);
}

static void refreshed(void *ctx, int error, const char *text)
{
}

static void refresh_allocations(void *ctx)
{
	struct sl_brain *b = ctx;

	sl_dp_refresh(b->dp, sl_now_ms(), refreshed, NULL); /* nobody waits: what does not come is told with the counts of before */
}

static const char *realm_name(void *ctx, unsigned index)
{
	struct sl_brain *b = ctx;

	return sl_desk_realm_name(b->desk, index);
}

static int open_accounting(struct sl_brain *b, char *text, size_t text_len)
{
	struct sl_accounting_options o = {.conf = &b->config->turn.accounting, .store = b->store, .brain = b->mail, .table = allocations,
	        .refresh = refresh_allocations, .realm = realm_name, .ctx = b};

	b->accounting = sl_accounting_new(&o, text, text_len);
	return b->accounting ? 0 : -1;
}

/* ---- user tables ---- */

static void sourced(void *ctx, const struct sl_source_set *set)
{
	struct sl_brain *b = ctx;

	sl_desk_sourced(b->desk, set);
}

static int source_users(void *ctx, const struct sl_source_change *changes, size_t n)
{
	return sl_brain_source_users(ctx, changes, n);
}

static void sources_known(void *ctx)
{
	struct sl_brain *b = ctx;

	b->source_users_known = true;
	sl_brain_users_known(b);
}

static int open_sources(struct sl_brain *b, char *text, size_t text_len)
{
	struct sl_sources_ops ops = {sourced, source_users, sources_known, b};

	b->sources = sl_sources_new(&b->config->turn, &ops, b->mail, text, text_len);
	return b->sources ? 0 : -1;
}

/* ---- life ---- */

int sl_brain_open_turn(struct sl_brain *b, int (*desired)(void *ctx, struct sl_desired *out))
{
	struct sl_desk_options o = {.config = b->config, .dp = b->dp, .store = b->store, .mail = b->mail, .desired = desired, .event = event, .ctx = b};
	char text[240] = "no memory";

	b->desk = sl_desk_new(&o, text, sizeof text);
	if (!b->desk || open_accounting(b, text, sizeof text) < 0 || open_sources(b, text, sizeof text) < 0) {
		sl_log(SL_LOG_ERROR, "TURN: %s", text);
		return -1;
	}
	sl_dp_set_turn(b->dp, &turn_ops, b);
	return 0;
}

void sl_brain_tick_turn(struct sl_brain *b, int64_t now_ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	sl_desk_tick(b->desk, now_ms);
	sl_sources_tick(b->sources);
	if (accounts(b) && !b->accounts && sl_accounting_is_on(b->accounting))
		refresh_allocations(b); /* whatever was told before was not listened to */
	b->accounts = accounts(b);
	sl_accounting_tick(b->accounting, now_ms, ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000);
}

void sl_brain_reconfigure_turn(struct sl_brain *b)
{
	sl_desk_reconfigure(b->desk, b->config);
	sl_sources_reconfigure(b->sources, &b->config->turn);
	sl_accounting_reconfigure(b->accounting, &b->config->turn.accounting);
}

void sl_brain_leave_turn(struct sl_brain *b)
{
	sl_sources_free(b->sources);
	b->sources = NULL;
	sl_accounting_leave(b->accounting);
	sl_desk_leave(b->desk);
}

void sl_brain_close_turn(struct sl_brain *b)
{
	sl_accounting_free(b->accounting);
	b->accounting = NULL;
	sl_desk_free(b->desk);
	b->desk = NULL;
}

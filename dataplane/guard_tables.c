/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/guard_tables.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <urcu-qsbr.h>

#include "config/guard_policy.h"
#include "dataplane/abi/log.h"
#include "dataplane/guard/memory.h"
#include "dataplane/guard/meter.h"
#include "dataplane/guard/policy.h"
#include "dataplane/retire.h"

enum {
	NOBODY = -1,
	SHOWN_NOBODY = 0xff,
	ALL_PERCENT = 100,
	SWEEP_LINES = 16, /* of each table a turn, 2 us: all bans are looked through in about a second */
};

/* ---- what workers go by ---- */

static void release_prefixes(void *what)
{
	sl_prefixes_free(what);
}

/* g->told with these prefixes. Who reads the old ones reads them through the old policy: one grace period is enough for both. */
static int publish(struct sl_guard_tables *g, struct sl_prefixes *prefixes)
{
	struct sl_guard_policy *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	sl_guard_policy_make(p, &g->told);
	p->prefixes = prefixes;
	sl_retire(rcu_xchg_pointer((struct sl_guard_policy **)&g->dp->guard, p), free);
	if (g->prefixes != prefixes)
		sl_retire(g->prefixes, release_prefixes);
	g->prefixes = prefixes;
	struct sl_meter_rate turn = {g->told.enabled ? g->told.turn_pps : 0, g->told.enabled ? g->told.turn_kbps : 0};
	sl_meters_set(g->dp->meters, SL_METER_TURN, &turn);
	return 0;
}

static int put_policy(struct sl_guard_tables *g, const struct sl_cmd_guard_policy *told)
{
	struct sl_cmd_guard_policy before = g->told;

	if (memcmp(&before, told, sizeof before) == 0)
		return 0; /* a replay */
	g->told = *told;
	int rc = publish(g, g->prefixes);
	if (rc < 0)
		g->told = before;
	return rc;
}

static uint32_t seconds(uint64_t now_ms)
{
	return (uint32_t)(now_ms / 1000);
}

static void put_pressure(struct sl_guard_tables *g)
{
	uint8_t least = ALL_PERCENT;

	for (unsigned i = 0; i < SL_MAX_CLIENTS; i++)
		least = g->percent[i] < least ? g->percent[i] : least;
	atomic_store_explicit(&g->dp->guard_pressure, least, memory_order_relaxed);
}

/* ---- what clients see ---- */

static void show(const struct sl_guard_tables *g)
{
	const struct sl_dataplane *dp = g->dp;
	struct sl_region *r = dp->region;

	r->guard_bans = atomic_load_explicit(&dp->bans.n, memory_order_relaxed);
	r->guard_marks_final = atomic_load_explicit(&dp->marks.n_final, memory_order_relaxed);
	r->guard_marks_provisional = atomic_load_explicit(&dp->marks.n_provisional, memory_order_relaxed);
	r->guard_prefixes = (uint32_t)sl_prefixes_count(g->prefixes);
	r->guard_bytes = g->fixed_bytes + sl_prefixes_bytes(g->prefixes);
	r->guard_enabled = g->told.enabled;
	r->guard_dry_run = g->told.dry_run;
	r->guard_pressure = atomic_load_explicit(&dp->guard_pressure, memory_order_relaxed);
	r->guard_owner = g->owner == NOBODY ? SHOWN_NOBODY : (uint8_t)g->owner;
}

/* ---- start ---- */

static bool random_key(struct sl_hash_key *key)
{
	return getrandom(key, sizeof *key, 0) == sizeof *key;
}

/* What the tables take, counted where they take it. Start thread only. */
static struct {
	void *(*from)(const char *what, size_t bytes);
	uint64_t bytes;
} taken;

static void *counted_zalloc(const char *what, size_t bytes)
{
	taken.bytes += bytes;
	return taken.from(what, bytes);
}

static int make_tables(struct sl_guard_tables *g, uint32_t now_s, void *(*zalloc)(const char *what, size_t bytes))
{
	struct sl_dataplane *dp = g->dp;
	struct sl_hash_key for_bans, for_marks;

	if (!random_key(&for_bans) || !random_key(&for_marks))
		return -EIO;
	taken.from = zalloc ? zalloc : sl_guard_zalloc;
	taken.bytes = 0;
	int rc = sl_bans_init(&dp->bans, &for_bans, counted_zalloc);
	if (rc == 0)
		rc = sl_marks_init(&dp->marks, dp->config->guard.sip_sources + dp->config->turn.max_connections, &for_marks, now_s, counted_zalloc);
	if (rc == 0)
		rc = sl_meters_init(&dp->meters, dp->n_workers, counted_zalloc);
	g->fixed_bytes = taken.bytes;
	return rc;
}

int sl_guard_tables_init(struct sl_guard_tables *g, struct sl_dataplane *dp, uint64_t now_ms, void *(*zalloc)(const char *what, size_t bytes),
	char *err, size_t err_len)
{
	struct sl_prefixes *prefixes = NULL;

	memset(g, 0, sizeof *g);
	g->dp = dp;
	g->owner = NOBODY;
	memset(g->percent, ALL_PERCENT, sizeof g->percent);
	put_pressure(g);
	int rc = make_tables(g, seconds(now_ms), zalloc);
	if (rc < 0) {
		snprintf(err, err_len, "no memory for the guard's tables (guard.sip_sources = %u): %s", dp->config->guard.sip_sources,
			strerror(-rc));
		return rc;
	}
	rc = sl_guard_lists_build_config(&dp->config->guard, &prefixes, err, err_len);
	if (rc < 0)
		return rc;
	sl_guard_policy_of(dp->config, &g->told);
	rc = publish(g, prefixes);
	if (rc == 0)
		rc = sl_guard_lists_start(&g->lists);
	if (rc < 0)
		snprintf(err, err_len, "the guard: %s", strerror(-rc));
	else
		show(g); /* not what the working half before us left there */
	return rc;
}

void sl_guard_tables_reconfigure(struct sl_guard_tables *g, const struct sl_cmd_guard_policy *policy, struct sl_guard_job *list)
{
	if (g->owner != NOBODY) {
		sl_guard_job_free(list);
		return;
	}
	if (put_policy(g, policy) < 0)
		sl_log(SL_LOG_ERROR, "no memory for the reloaded policy of the guard: the old one stays in force");
	sl_guard_lists_offer_config(&g->lists, list);
}

/* ---- commands ---- */

bool sl_guard_tables_has(uint32_t type)
{
	return type >= SL_CMD_GUARD_POLICY && type <= SL_CMD_GUARD_METER;
}

/* Marks and pressure are every client's own. */
static int admit(const struct sl_guard_tables *g, unsigned slot, char *text, size_t text_len)
{
	if (g->owner == NOBODY || g->owner == (int)slot)
		return 0;
	snprintf(text, text_len, "the guard is '%s''s", g->dp->abi->slots[g->owner].name);
	return -EBUSY;
}

static int take_policy(struct sl_guard_tables *g, unsigned slot, const struct sl_cmd_guard_policy *p)
{
	int rc = put_policy(g, p);

	if (rc < 0 || g->owner == (int)slot)
		return rc;
	g->owner = (int)slot;
	sl_log(SL_LOG_INFO, "the guard is run by client '%s'%s", g->dp->abi->slots[slot].name,
		!p->enabled ? ": off" : p->dry_run ? ": dry run" : "");
	return 0;
}

static int ban(struct sl_guard_tables *g, const struct sl_cmd_guard_ban *c, uint32_t now_s, char *text, size_t text_len)
{
	unsigned refused = 0;

	/* Part of this second is over: who says when a ban ends must not be forestalled. */
	for (uint32_t i = 0; i < c->n; i++)
		refused += sl_bans_add(&g->dp->bans, &c->bans[i], now_s + 1) < 0;
	if (!refused)
		return 0;
	snprintf(text, text_len, "bans: no place for %u of %u; %u are in force", refused, c->n,
		atomic_load_explicit(&g->dp->bans.n, memory_order_relaxed));
	return -ENOSPC;
}

static void unban(struct sl_guard_tables *g, const struct sl_cmd_guard_ban *c)
{
	for (uint32_t i = 0; i < c->n; i++)
		sl_bans_remove(&g->dp->bans, &c->bans[i]);
}

static int mark(struct sl_guard_tables *g, const struct sl_cmd_guard_mark *c, uint32_t now_s, char *text, size_t text_len)
{
	unsigned refused = 0;

	for (uint32_t i = 0; i < c->n; i++)
		refused += !sl_marks_set(&g->dp->marks, &c->marks[i], now_s);
	if (!refused)
		return 0;
	snprintf(text, text_len, "marks: no place for %u of %u: raise guard.sip_sources", refused, c->n);
	return -ENOSPC;
}

static int set_meter(struct sl_guard_tables *g, const struct sl_cmd_guard_meter *c)
{
	sl_meters_set(g->dp->meters, c->meter, &(struct sl_meter_rate){c->pps, c->kbps});
	return 0;
}

int sl_guard_tables_apply(struct sl_guard_tables *g, unsigned slot, const struct sl_command *cmd, uint64_t now_ms, char *text, size_t text_len)
{
	uint32_t now_s = seconds(now_ms);

	if (cmd->h.type == SL_CMD_GUARD_MARK)
		return mark(g, &cmd->guard_mark, now_s, text, text_len);
	if (cmd->h.type == SL_CMD_GUARD_PRESSURE) {
		g->percent[slot] = (uint8_t)cmd->guard_pressure.percent;
		put_pressure(g);
		return 0;
	}
	int rc = admit(g, slot, text, text_len);
	if (rc < 0)
		return rc;
	switch (cmd->h.type) {
	case SL_CMD_GUARD_POLICY:
		return take_policy(g, slot, &cmd->guard_policy);
	case SL_CMD_GUARD_BAN:
		return ban(g, &cmd->guard_ban, now_s, text, text_len);
	case SL_CMD_GUARD_UNBAN:
		unban(g, &cmd->guard_ban);
		return 0;
	case SL_CMD_GUARD_BANS_CLEAR:
		sl_bans_clear(&g->dp->bans);
		return 0;
	case SL_CMD_GUARD_METER:
		return set_meter(g, &cmd->guard_meter);
	default:
		return -EOPNOTSUPP;
	}
}

int sl_guard_tables_offer(struct sl_guard_tables *g, unsigned slot, uint32_t seq, int memfd, size_t bytes, char *text, size_t text_len)
{
	int rc = admit(g, slot, text, text_len);

	return rc ? rc : sl_guard_lists_offer(&g->lists, slot, g->dp->abi->slots[slot].client_generation, seq, memfd, bytes, text, text_len);
}

void sl_guard_tables_client_changed(struct sl_guard_tables *g, unsigned slot)
{
	if (g->owner == (int)slot)
		g->owner = NOBODY;
	g->percent[slot] = ALL_PERCENT;
	put_pressure(g);
}

/* ---- each millisecond ---- */

static void put_list(struct sl_guard_tables *g, struct sl_guard_job *j)
{
	/* The configuration's, when a client took the guard over meanwhile: that client's own is on its way. */
	bool late = !j->of_client && g->owner != NOBODY;

	if (j->error == 0 && !late)
		j->error = publish(g, j->built);
	if (j->error < 0 || late)
		sl_retire(j->built, release_prefixes); /* freeing megabytes takes a while: elsewhere */
	if (j->error < 0 && j->error != -ECANCELED)
		sl_log(SL_LOG_WARNING, "a list of prefixes is refused, the old one stays in force: %s",
			j->text[0] ? j->text : strerror(-j->error));
	if (j->of_client)
		sl_abi_server_guard_ack(g->dp->abi, j->slot, j->client_generation, j->seq, j->error, j->error ? j->text : NULL);
}

void sl_guard_tables_turn(struct sl_guard_tables *g, uint64_t now_ms)
{
	uint32_t now_s = seconds(now_ms);
	struct sl_guard_job *j;

	while ((j = sl_guard_lists_finished(&g->lists))) {
		put_list(g, j);
		sl_guard_job_free(j);
	}
	sl_bans_sweep(&g->dp->bans, now_s, SWEEP_LINES);
	sl_marks_sweep(&g->dp->marks, now_s, SWEEP_LINES);
	show(g);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/guard/reputation.h"


#include <errno.h>
#include <math.h>
#include <stdlib.h>

enum { V6_BITS = 64, V4_BITS = 128 };

int sl_reputation_init(struct sl_reputation *r, size_t sets, const struct sl_siphash_key *key)
{
	*r = (struct sl_reputation){.key = *key, .mask = sets - 1, .sets = calloc(sets, sizeof *r->sets)};
	return r->sets ? 0 : -ENOMEM;
}

void sl_reputation_free(struct sl_reputation *r)
{
	free(r->sets);
	r->sets = NULL;
}

static struct sl_ip source_of(const struct sl_ip *ip)
{
	return sl_ip_masked(ip, sl_ip_is_v4(ip) ? V4_BITS : V6_BITS);
}

static struct sl_reputation_entry *set_of(const struct sl_reputation *r, const struct sl_ip *source)
{
	return r->sets[sl_siphash(&r->key, source->b, sizeof source->b) & r->mask];
}

struct sl_reputation_entry *sl_reputation_find(const struct sl_reputation *r, const struct sl_ip *ip)
{
	struct sl_ip source = source_of(ip);
	struct sl_reputation_entry *set = set_of(r, &source);

	for (unsigned i = 0; i < SL_REPUTATION_WAYS; i++) {
		if (set[i].last_ms && sl_ip_eq(&set[i].ip, &source))
			return &set[i];
	}
	return NULL;
}

/* ---- time ---- */

static float left_of(const struct sl_reputation_limits *l, const struct sl_reputation_entry *e, int64_t now_ms)
{
	float halves = now_ms <= e->last_ms || l->half_life_s == 0 ? 0 : (float)(now_ms - e->last_ms) / 1000 / (float)l->half_life_s;

	return exp2f(-halves);
}

static float points_of(const struct sl_reputation_limits *l, float proven, float forgeable)
{
	float half = (float)l->ban / 2;

	return proven + (l->ban && forgeable > half ? half : forgeable);
}

unsigned sl_reputation_bans(const struct sl_reputation_limits *l, const struct sl_reputation_entry *e, int64_t now_ms)
{
	int64_t calm_s = e->bans && now_ms > e->calm_ms ? (now_ms - e->calm_ms) / 1000 : 0;
	int64_t forgotten = l->ban_max_s ? calm_s / l->ban_max_s : 0;

	return forgotten >= e->bans ? 0 : e->bans - (unsigned)forgotten;
}

unsigned sl_reputation_score(const struct sl_reputation_limits *l, const struct sl_reputation_entry *e, int64_t now_ms)
{
	float left = left_of(l, e, now_ms);

	return (unsigned)points_of(l, e->proven * left, e->forgeable * left);
}

static void bring_up_to(const struct sl_reputation_limits *l, struct sl_reputation_entry *e, int64_t now_ms)
{
	float left = left_of(l, e, now_ms);
	unsigned bans = sl_reputation_bans(l, e, now_ms);

	if (bans != e->bans) {
		e->calm_ms += (int64_t)(e->bans - bans) * l->ban_max_s * 1000;
		e->bans = bans;
	}
	e->proven *= left;
	e->forgeable *= left;
	e->last_ms = now_ms > e->last_ms ? now_ms : e->last_ms;
}

/* ---- changes ---- */

/* What it would take to do as much harm again: points, and each ban lately weighs what brought it. */
static float rank_of(const struct sl_reputation_limits *l, const struct sl_reputation_entry *e, int64_t now_ms)
{
	float left = left_of(l, e, now_ms);

	return points_of(l, e->proven * left, e->forgeable * left) + (float)l->ban * (float)sl_reputation_bans(l, e, now_ms);
}

static struct sl_reputation_entry *take(struct sl_reputation *r, const struct sl_reputation_limits *l, const struct sl_ip *ip, int64_t now_ms)
{
	struct sl_reputation_entry *e = sl_reputation_find(r, ip), *set;
	struct sl_ip source = source_of(ip);

	if (e) {
		bring_up_to(l, e, now_ms);
		return e;
	}
	set = set_of(r, &source);
	e = &set[0];
	for (unsigned i = 0; i < SL_REPUTATION_WAYS && e->last_ms; i++) {
		if (set[i].last_ms == 0 || rank_of(l, &set[i], now_ms) < rank_of(l, e, now_ms))
			e = &set[i];
	}
	*e = (struct sl_reputation_entry){.ip = source, .last_ms = now_ms};
	return e;
}

static unsigned ban(const struct sl_reputation_limits *l, struct sl_reputation_entry *e, int64_t now_ms)
{
	uint64_t seconds = (uint64_t)l->ban_s << (e->bans < SL_REPUTATION_BANS_MAX ? e->bans : SL_REPUTATION_BANS_MAX);

	if (seconds > l->ban_max_s)
		seconds = l->ban_max_s;
	if (seconds == 0)
		seconds = 1;
	e->bans += e->bans < SL_REPUTATION_BANS_MAX;
	e->calm_ms = now_ms + (int64_t)seconds * 1000;
	e->proven = e->forgeable = 0; /* it has paid for these */
	return (unsigned)seconds;
}

unsigned sl_reputation_note(struct sl_reputation *r, const struct sl_reputation_limits *l, const struct sl_ip *ip, enum sl_guard_signal what, unsigned n,
	bool proven, int64_t now_ms)
{
	if (n == 0 || now_ms <= 0)
		return 0;
	struct sl_reputation_entry *e = take(r, l, ip, now_ms);
	float points = (float)l->weight[what] * (float)n;

	e->seen[what] += n;
	if (proven)
		e->proven += points;
	else
		e->forgeable += points;
	if (l->ban == 0 || points_of(l, e->proven, e->forgeable) < (float)l->ban)
		return 0;
	return ban(l, e, now_ms);
}

void sl_reputation_seed(struct sl_reputation *r, const struct sl_reputation_limits *l, const struct sl_ip *ip, unsigned bans, int64_t calm_ms,
	int64_t now_ms)
{
	struct sl_reputation_entry *e = take(r, l, ip, now_ms);

	e->bans = bans < SL_REPUTATION_BANS_MAX ? bans : SL_REPUTATION_BANS_MAX;
	e->calm_ms = calm_ms;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/guard/watch.h"


#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SETS_PER_SWEEP = 64 };

int sl_watch_init(struct sl_watch *w, const struct sl_siphash_key *key)
{
	*w = (struct sl_watch){.key = *key, .sets = calloc(SL_WATCH_SETS, sizeof *w->sets)};
	return w->sets ? 0 : -ENOMEM;
}

void sl_watch_free(struct sl_watch *w)
{
	free(w->sets);
	w->sets = NULL;
}

void sl_watch_clear(struct sl_watch *w)
{
	memset(w->sets, 0, SL_WATCH_SETS * sizeof *w->sets);
	memset(w->n_marked, 0, sizeof w->n_marked);
	w->n_marked_all = 0;
}

static struct sl_watch_entry *set_of(const struct sl_watch *w, const struct sl_ip *ip, unsigned prefix_len, unsigned class, uint16_t listener)
{
	uint64_t text[3] = {ip->q[0], ip->q[1], (uint64_t)class << 32 | (uint64_t)listener << 8 | prefix_len};

	return w->sets[sl_siphash(&w->key, text, sizeof text) & (SL_WATCH_SETS - 1)];
}

static struct sl_watch_entry *find(const struct sl_watch *w, const struct sl_ip *ip, unsigned prefix_len, unsigned level, unsigned class, uint16_t listener)
{
	struct sl_watch_entry *set = set_of(w, ip, prefix_len, class, listener);

	for (unsigned i = 0; i < SL_WATCH_WAYS; i++) {
		const struct sl_evt_guard_source *e = &set[i].over.e;

		if (set[i].over.last_ms && e->prefix_len == prefix_len && e->level == level && e->guard_class == class && e->listener == listener &&
			sl_ip_eq(&e->ip, ip))
			return &set[i];
	}
	return NULL;
}

static bool is_ours(const struct sl_evt_guard_source *e)
{
	return !e->dry_run && (e->action == SL_GUARD_DO_CHALLENGE || e->action == SL_GUARD_DO_REFUSE || e->action == SL_GUARD_DO_DELAY);
}

static void count(struct sl_watch *w, const struct sl_evt_guard_source *e, int by)
{
	if (!is_ours(e))
		return;
	w->n_marked[e->guard_class][e->level] += (unsigned)by;
	w->n_marked_all += (unsigned)by;
}

static void drop(struct sl_watch *w, struct sl_watch_entry *x)
{
	if (x->over.last_ms)
		count(w, &x->over.e, -1);
	*x = (struct sl_watch_entry){0};
}

static struct sl_watch_entry *make(struct sl_watch *w, const struct sl_evt_guard_source *e, int64_t now_ms)
{
	struct sl_watch_entry *set = set_of(w, &e->ip, e->prefix_len, e->guard_class, e->listener), *x = &set[0];

	for (unsigned i = 1; i < SL_WATCH_WAYS; i++) {
		if (set[i].over.last_ms < x->over.last_ms)
			x = &set[i];
	}
	drop(w, x);
	x->over = (struct sl_warden_over){.e = *e, .since_ms = now_ms, .last_ms = now_ms};
	count(w, e, 1);
	return x;
}

enum sl_watch_news sl_watch_event(struct sl_watch *w, const struct sl_evt_guard_source *e, int64_t now_ms, unsigned *seconds)
{
	struct sl_watch_entry *x = find(w, &e->ip, e->prefix_len, e->level, e->guard_class, e->listener);
	uint64_t bit = UINT64_C(1) << (e->worker % 64);
	enum sl_watch_news news = SL_WATCH_NOTHING;

	*seconds = 0;
	if (e->change == SL_GUARD_BELOW) {
		if (!x)
			return SL_WATCH_NOTHING;
		x->workers &= ~bit;
		x->over.last_ms = now_ms;
		if (x->workers)
			return SL_WATCH_NOTHING;
		*seconds = (unsigned)((now_ms - x->over.since_ms) / 1000);
		drop(w, x);
		return SL_WATCH_ENDED;
	}
	if (!x) {
		x = make(w, e, now_ms);
		news = SL_WATCH_BEGUN;
	}
	count(w, &x->over.e, -1); /* its action may be another one now */
	x->over.e = *e;
	count(w, e, 1);
	x->over.last_ms = now_ms;
	x->over.times++;
	x->workers |= bit;
	return news;
}

/* CHALLENGE costs a guest least, REFUSE most. */
static unsigned stricter(unsigned a, unsigned b)
{
	static const uint8_t rank[SL_GUARD_N_ACTIONS] = {[SL_GUARD_DO_CHALLENGE] = 1, [SL_GUARD_DO_DELAY] = 2, [SL_GUARD_DO_REFUSE] = 3};

	return rank[b] > rank[a] ? b : a;
}

unsigned sl_watch_action(const struct sl_watch *w, const struct sl_ip *ip, uint16_t listener, enum sl_guard_class class, int64_t now_ms)
{
	unsigned action = SL_GUARD_DO_LIMIT;

	for (unsigned level = 0; level <= SL_GUARD_TOTAL && w->n_marked_all; level++) {
		if (w->n_marked[class][level] == 0)
			continue;
		unsigned bits = level == SL_GUARD_TOTAL ? 0 : sl_guard_level_bits(sl_ip_is_v4(ip), level);
		struct sl_ip masked = sl_ip_masked(ip, bits);
		const struct sl_watch_entry *x = find(w, &masked, bits, level, class, listener);

		if (!x)
			x = find(w, &masked, bits, level, class, SL_GUARD_ANY);
		if (x && is_ours(&x->over.e) && now_ms - x->over.last_ms < SL_WATCH_MS)
			action = stricter(action, x->over.e.action);
	}
	return action;
}

void sl_watch_sweep(struct sl_watch *w, int64_t now_ms)
{
	for (unsigned n = 0; n < SETS_PER_SWEEP; n++, w->swept = (w->swept + 1) % SL_WATCH_SETS) {
		for (unsigned i = 0; i < SL_WATCH_WAYS; i++) {
			struct sl_watch_entry *x = &w->sets[w->swept][i];

			if (x->over.last_ms && now_ms - x->over.last_ms >= SL_WATCH_MS)
				drop(w, x);
		}
	}
}

static int by_newest(const void *a, const void *b)
{
	const struct sl_warden_over *x = a, *y = b;

	return (y->last_ms > x->last_ms) - (y->last_ms < x->last_ms);
}

size_t sl_watch_list(const struct sl_watch *w, struct sl_warden_over *out, size_t n, int64_t now_ms)
{
	struct sl_warden_over *all = malloc(SL_WATCH_SETS * SL_WATCH_WAYS * sizeof *all);
	size_t found = 0;

	if (!all)
		return 0;
	for (unsigned s = 0; s < SL_WATCH_SETS; s++) {
		for (unsigned i = 0; i < SL_WATCH_WAYS; i++) {
			const struct sl_warden_over *o = &w->sets[s][i].over;

			if (o->last_ms && now_ms - o->last_ms < SL_WATCH_MS)
				all[found++] = *o;
		}
	}
	qsort(all, found, sizeof *all, by_newest);
	if (found > n)
		found = n;
	memcpy(out, all, found * sizeof *all);
	free(all);
	return found;
}

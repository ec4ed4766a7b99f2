/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/guard_view.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Who sends most of what the guard looks at: the tables of all workers (dataplane/abi/guard_top.h), read where they are written. Another
 * client of the region could write there, so every number is judged. */

enum { TOP_LIMIT = 20, TOP_MAX = SL_GUARD_TOP * SL_MAX_WORKERS, IP_BITS = 128 };

struct talker {
	struct sl_ip ip;
	uint8_t prefix_len, guard_class;
	uint16_t last_drop;
	unsigned workers;
	uint64_t pps, dropped_pps;
	uint32_t most, kept_s; /* of the worker that has most of it: its reason is shown */
};

static uint32_t look(const uint32_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static struct talker *find(struct talker *all, size_t n, const struct sl_guard_top_entry *e)
{
	for (size_t i = 0; i < n; i++) {
		if (all[i].prefix_len == e->prefix_len && all[i].guard_class == e->guard_class && sl_ip_eq(&all[i].ip, &e->ip))
			return &all[i];
	}
	return NULL;
}

/* A worker's entry among those before it. Returns how many there are then. */
static size_t add(struct talker *all, size_t n, const struct sl_guard_top_entry *e)
{
	uint32_t pps = look(&e->pps), kept_s = look(&e->kept_s);
	struct talker *t;

	if (e->prefix_len == 0 || e->prefix_len > IP_BITS || pps == 0)
		return n;
	t = find(all, n, e);
	if (!t) {
		t = &all[n++];
		*t = (struct talker){.ip = e->ip, .prefix_len = e->prefix_len, .guard_class = e->guard_class};
	}
	if (t->workers++ == 0 || pps > t->most) {
		t->most = pps;
		t->last_drop = e->last_drop;
	}
	t->pps += pps;
	t->dropped_pps += look(&e->dropped_pps);
	t->kept_s = kept_s > t->kept_s ? kept_s : t->kept_s;
	return n;
}

uint64_t sl_guard_rate_of(const struct sl_brain *b, const struct sl_evt_guard_source *e)
{
	const struct sl_region *region = sl_dp_region(b->dp);
	uint64_t sum = 0;

	if (e->level >= SL_GUARD_N_LEVELS)
		return 0;
	for (unsigned w = 0; region && w < sl_dp_n_workers(b->dp); w++) {
		for (unsigned i = 0; i < SL_GUARD_TOP; i++) {
			const struct sl_guard_top_entry *x = &region->workers[w].top.e[e->level][i];

			if (x->prefix_len == e->prefix_len && x->guard_class == e->guard_class && sl_ip_eq(&x->ip, &e->ip))
				sum += look(&x->pps);
		}
	}
	return sum;
}

static int by_rate(const void *a, const void *b)
{
	const struct talker *x = a, *y = b;

	if (x->pps != y->pps)
		return x->pps < y->pps ? 1 : -1;
	return memcmp(&x->ip, &y->ip, sizeof x->ip);
}

static int by_dropped(const void *a, const void *b)
{
	const struct talker *x = a, *y = b;

	if (x->dropped_pps != y->dropped_pps)
		return x->dropped_pps < y->dropped_pps ? 1 : -1;
	return by_rate(a, b);
}

static size_t collect(const struct sl_brain *b, unsigned level, struct talker *all)
{
	const struct sl_region *region = sl_dp_region(b->dp);
	size_t n = 0;

	for (unsigned w = 0; w < sl_dp_n_workers(b->dp); w++) {
		for (unsigned i = 0; i < SL_GUARD_TOP; i++)
			n = add(all, n, &region->workers[w].top.e[level][i]);
	}
	return n;
}

/* entry: the list or ban that decides about the address. */
static json_t *show(const struct sl_brain *b, const struct talker *t, unsigned level)
{
	const struct sl_warden_entry *e = level == SL_GUARD_SOURCE ? sl_warden_decides(b->warden, &t->ip) : NULL;

	return json_pack("{s:o, s:s, s:I, s:I, s:o, s:o, s:I, s:i}", "source", sl_guard_show_prefix(&t->ip, t->prefix_len), "class",
	        sl_guard_class_text(t->guard_class), "pps", (json_int_t)t->pps, "dropped_pps", (json_int_t)t->dropped_pps, "reason",
	        t->last_drop < SL_N_DROPS ? json_string(sl_drop_names[t->last_drop].name) : json_null(), "entry",
	        e ? json_string(sl_guard_kind_text(e->kind)) : json_null(), "seconds", (json_int_t)t->kept_s, "workers", (int)t->workers);
}

/* ?level=, ?by=; false: answered with an error. */
static bool read_query(struct sl_http_request *r, unsigned *level, bool *dropped)
{
	const char *asked = sl_http_arg(r, "level"), *by = sl_http_arg(r, "by");

	*level = SL_GUARD_SOURCE;
	if (asked) {
		for (*level = 0; *level < SL_GUARD_N_LEVELS && strcmp(asked, sl_guard_level_text(*level)) != 0;)
			++*level;
		if (*level == SL_GUARD_N_LEVELS) {
			sl_api_error(r, 400, "level", "'%s' is not a level; there are source, prefix (/24, /48) and wide (/16, /32)", asked);
			return false;
		}
	}
	*dropped = by && strcmp(by, "dropped") == 0;
	if (by && !*dropped && strcmp(by, "rate") != 0) {
		sl_api_error(r, 400, "by", "'%s' is neither rate nor dropped", by);
		return false;
	}
	return true;
}

void sl_guard_top(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_region *region = sl_dp_region(b->dp);
	size_t limit = TOP_LIMIT, n;
	struct timespec ts;
	unsigned level;
	bool dropped;

	if (!read_query(r, &level, &dropped) || !sl_api_number(r, "limit", 1, TOP_MAX, &limit))
		return;
	if (!region) {
		sl_api_error(r, 503, NULL, "%s", sl_dp_trouble(b->dp, sl_now_ms()));
		return;
	}
	struct talker *all = calloc(TOP_MAX, sizeof *all);
	if (!all) {
		sl_api_error(r, 500, NULL, "no memory");
		return;
	}
	n = collect(b, level, all);
	qsort(all, n, sizeof *all, dropped ? by_dropped : by_rate);
	json_t *sources = json_array();
	for (size_t i = 0; i < n && i < limit; i++)
		json_array_append_new(sources, show(b, &all[i], level));
	free(all);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	const struct sl_conf_guard *g = sl_warden_policy(b->warden);
	json_t *o = json_pack("{s:I, s:b, s:b, s:I, s:s, s:s, s:I, s:I, s:I}", "time_ns", (json_int_t)ts.tv_sec * 1000000000 + ts.tv_nsec, "enabled",
	        g->enabled, "dry_run", g->dry_run, "pressure_percent", (json_int_t)sl_warden_pressure_percent(b->warden), "level",
	        sl_guard_level_text(level), "by", dropped ? "dropped" : "rate", "known", (json_int_t)sl_view_counter(b, SL_C_guard_known), "unknown",
	        (json_int_t)sl_view_counter(b, SL_C_guard_unknown), "over", (json_int_t)sl_view_counter(b, SL_C_guard_over));
	json_object_set_new(o, "drops", sl_guard_show_drops(b, false));
	json_object_set_new(o, "would_drop", sl_guard_show_drops(b, true));
	json_object_set_new(o, "sources", sources);
	sl_api_json(r, 200, o);
}

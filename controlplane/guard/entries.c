/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/guard/entries.h"


#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SHELF_SHIFT = 28, PLACE_MASK = (1 << SHELF_SHIFT) - 1, SMALLEST = 256, V4_BITS = 96, N_SHELVES = 2 * SL_ENTRY_KINDS };

void sl_entries_init(struct sl_entries *es, const struct sl_siphash_key *key)
{
	*es = (struct sl_entries){.key = *key};
}

void sl_entries_free(struct sl_entries *es)
{
	for (unsigned s = 0; s < N_SHELVES; s++) {
		for (size_t i = 0; i < es->shelves[s].n; i++)
			free(es->shelves[s].all[i].reason);
		free(es->shelves[s].all);
	}
	free(es->index);
	*es = (struct sl_entries){.key = es->key};
}

static unsigned shelf_of(unsigned kind, bool config)
{
	return 2 * kind + config;
}

static unsigned shelf_of_entry(const struct sl_entry *e)
{
	return shelf_of(e->kind, e->origin == SL_WARDEN_CONFIG);
}

static const struct sl_entry *entry_at(const struct sl_entries *es, uint32_t word)
{
	return &es->shelves[word >> SHELF_SHIFT].all[(word & PLACE_MASK) - 1];
}

/* ---- index ---- */

static size_t home_of(const struct sl_entries *es, unsigned shelf, const struct sl_prefix *p)
{
	uint64_t text[3] = {p->ip.q[0], p->ip.q[1], (uint64_t)shelf << 32 | p->len};

	return (size_t)sl_siphash(&es->key, text, sizeof text) & (es->index_size - 1);
}

/* Its place in the index, or the free one where it would be. */
static size_t locate(const struct sl_entries *es, unsigned shelf, const struct sl_prefix *p)
{
	size_t i = home_of(es, shelf, p);

	for (; es->index[i]; i = (i + 1) & (es->index_size - 1)) {
		const struct sl_entry *e = es->index[i] >> SHELF_SHIFT == shelf ? entry_at(es, es->index[i]) : NULL;

		if (e && e->prefix.len == p->len && sl_ip_eq(&e->prefix.ip, &p->ip))
			break;
	}
	return i;
}

static int index_grow(struct sl_entries *es)
{
	size_t old_size = es->index_size;
	uint32_t *old = es->index, *bigger = calloc(old_size ? 2 * old_size : SMALLEST, sizeof *bigger);

	if (!bigger)
		return -ENOMEM;
	es->index = bigger;
	es->index_size = old_size ? 2 * old_size : SMALLEST;
	for (size_t i = 0; i < old_size; i++) {
		if (old[i])
			es->index[locate(es, old[i] >> SHELF_SHIFT, &entry_at(es, old[i])->prefix)] = old[i];
	}
	free(old);
	return 0;
}

static void index_close_gap(struct sl_entries *es, size_t gap)
{
	size_t mask = es->index_size - 1;

	for (size_t i = (gap + 1) & mask; es->index[i]; i = (i + 1) & mask) {
		size_t home = home_of(es, es->index[i] >> SHELF_SHIFT, &entry_at(es, es->index[i])->prefix);

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		es->index[gap] = es->index[i];
		gap = i;
	}
	es->index[gap] = 0;
}

/* ---- changes ---- */

static int make_room(struct sl_entries *es, struct sl_entry_shelf *s)
{
	if (2 * (es->n + 1) > es->index_size && index_grow(es) < 0)
		return -ENOMEM;
	if (s->n < s->capacity)
		return 0;
	size_t capacity = s->capacity ? 2 * s->capacity : SMALLEST / 4;
	struct sl_entry *all = realloc(s->all, capacity * sizeof *all);
	if (!all)
		return -ENOMEM;
	s->all = all;
	s->capacity = capacity;
	return 0;
}

int sl_entries_put(struct sl_entries *es, const struct sl_entry *e)
{
	unsigned shelf = shelf_of_entry(e);
	struct sl_entry_shelf *s = &es->shelves[shelf];
	struct sl_entry copy = *e, *old;

	copy.reason = e->reason && e->reason[0] ? strdup(e->reason) : NULL;
	if ((e->reason && e->reason[0] && !copy.reason) || make_room(es, s) < 0) {
		free(copy.reason);
		return -ENOMEM;
	}
	old = sl_entries_find(es, e->kind, e->origin == SL_WARDEN_CONFIG, &e->prefix);
	if (old) {
		free(old->reason);
		*old = copy;
		return 0;
	}
	es->index[locate(es, shelf, &e->prefix)] = shelf << SHELF_SHIFT | (uint32_t)(s->n + 1);
	s->all[s->n++] = copy;
	s->lengths[e->prefix.len]++;
	es->n++;
	return 0;
}

struct sl_entry *sl_entries_find(const struct sl_entries *es, unsigned kind, bool config, const struct sl_prefix *p)
{
	if (es->n == 0)
		return NULL;
	uint32_t word = es->index[locate(es, shelf_of(kind, config), p)];
	return word ? (struct sl_entry *)entry_at(es, word) : NULL;
}

struct sl_entry *sl_entries_remove(struct sl_entries *es, struct sl_entry *e)
{
	unsigned shelf = shelf_of_entry(e);
	struct sl_entry_shelf *s = &es->shelves[shelf];
	struct sl_entry *last = &s->all[s->n - 1];

	index_close_gap(es, locate(es, shelf, &e->prefix));
	s->lengths[e->prefix.len]--;
	free(e->reason);
	if (e != last) { /* the last one takes its place */
		size_t at = locate(es, shelf, &last->prefix);

		*e = *last;
		es->index[at] = shelf << SHELF_SHIFT | (uint32_t)(e - s->all + 1);
	}
	s->n--;
	es->n--;
	return e != last ? e : NULL;
}

static void drop_config(struct sl_entries *es)
{
	for (unsigned kind = 0; kind < SL_ENTRY_KINDS; kind++) {
		struct sl_entry_shelf *s = &es->shelves[shelf_of(kind, true)];

		es->n -= s->n;
		free(s->all);
		*s = (struct sl_entry_shelf){0};
	}
}

static void index_fill(struct sl_entries *es)
{
	for (unsigned shelf = 0; shelf < N_SHELVES; shelf++) {
		for (size_t i = 0; i < es->shelves[shelf].n; i++)
			es->index[locate(es, shelf, &es->shelves[shelf].all[i].prefix)] = shelf << SHELF_SHIFT | (uint32_t)(i + 1);
	}
}

static void index_in_place(struct sl_entries *es)
{
	if (es->index)
		memset(es->index, 0, es->index_size * sizeof *es->index);
	index_fill(es);
}

/* An index of what is left, with room for n more. */
static int index_anew(struct sl_entries *es, size_t n)
{
	size_t size = SMALLEST;

	while (size < 2 * (es->n + n + 1))
		size *= 2;
	uint32_t *index = calloc(size, sizeof *index);
	if (!index)
		return -ENOMEM;
	free(es->index);
	es->index = index;
	es->index_size = size;
	index_fill(es);
	return 0;
}

static int add_config(struct sl_entries *es, const struct sl_conf_guard_prefix *p)
{
	unsigned kind = p->allow ? SL_WARDEN_ALLOW : SL_WARDEN_DENY, shelf = shelf_of(kind, true);
	struct sl_entry_shelf *s = &es->shelves[shelf];
	size_t at = locate(es, shelf, &p->prefix);

	if (es->index[at])
		return 0; /* said twice */
	if (make_room(es, s) < 0)
		return -ENOMEM;
	s->all[s->n] = (struct sl_entry){.prefix = p->prefix, .kind = (uint8_t)kind, .origin = SL_WARDEN_CONFIG};
	es->index[at] = shelf << SHELF_SHIFT | (uint32_t)++s->n;
	s->lengths[p->prefix.len]++;
	es->n++;
	return 0;
}

int sl_entries_set_config(struct sl_entries *es, const struct sl_conf_guard_prefix *prefixes, size_t n)
{
	int rc;

	drop_config(es);
	/* The index knows places that are empty now: in memory that is there it is made anew at any rate. */
	rc = index_anew(es, n);
	if (rc < 0)
		index_in_place(es);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_config(es, &prefixes[i]);
	return rc;
}

/* ---- looking ---- */

static const struct sl_entry *longest(const struct sl_entries *es, unsigned shelf, const struct sl_ip *ip, unsigned most)
{
	const struct sl_entry_shelf *s = &es->shelves[shelf];
	unsigned least = sl_ip_is_v4(ip) ? V4_BITS : 0;

	for (unsigned bits = most + 1; s->n && bits-- > least;) {
		if (s->lengths[bits] == 0)
			continue;
		const struct sl_prefix p = {sl_ip_masked(ip, bits), (uint8_t)bits};
		uint32_t word = es->index[locate(es, shelf, &p)];

		if (word)
			return entry_at(es, word);
	}
	return NULL;
}

static const struct sl_entry *of_kind(const struct sl_entries *es, unsigned kind, const struct sl_ip *ip, unsigned most)
{
	const struct sl_entry *a = longest(es, shelf_of(kind, false), ip, most), *b = longest(es, shelf_of(kind, true), ip, most);

	return !a || (b && b->prefix.len > a->prefix.len) ? b : a;
}

const struct sl_entry *sl_entries_decides(const struct sl_entries *es, const struct sl_ip *ip)
{
	const struct sl_entry *e = NULL;

	for (unsigned kind = 0; kind < SL_ENTRY_KINDS && !e && es->n; kind++)
		e = of_kind(es, kind, ip, SL_ENTRY_BITS);
	return e;
}

bool sl_entries_allows(const struct sl_entries *es, const struct sl_prefix *p)
{
	return es->n && of_kind(es, SL_WARDEN_ALLOW, &p->ip, p->len) != NULL;
}

size_t sl_entries_count(const struct sl_entries *es, unsigned kind)
{
	return es->shelves[shelf_of(kind, false)].n + es->shelves[shelf_of(kind, true)].n;
}

const struct sl_entry *sl_entries_at(const struct sl_entries *es, unsigned kind, size_t place)
{
	const struct sl_entry_shelf *others = &es->shelves[shelf_of(kind, false)], *config = &es->shelves[shelf_of(kind, true)];

	if (place < others->n)
		return &others->all[place];
	return place - others->n < config->n ? &config->all[place - others->n] : NULL;
}

const struct sl_entry *sl_entries_next(const struct sl_entries *es, size_t *at)
{
	size_t i = (*at)++;

	for (unsigned s = 0; s < N_SHELVES; s++) {
		if (i < es->shelves[s].n)
			return &es->shelves[s].all[i];
		i -= es->shelves[s].n;
	}
	return NULL;
}

struct sl_entry *sl_entries_ended(const struct sl_entries *es, struct sl_entries_round *r, size_t some, int64_t now_ms)
{
	for (; r->kind < SL_ENTRY_KINDS; r->kind++, r->looked = 0) {
		const struct sl_entry_shelf *s = &es->shelves[shelf_of(r->kind, false)];
		size_t *at = &r->at[r->kind];

		if (r->looked == 0 && *at >= s->n)
			*at = 0;
		for (; r->looked < some && *at < s->n; r->looked++, ++*at) {
			struct sl_entry *e = &s->all[*at];

			if (e->until_ms && e->until_ms <= now_ms)
				return e;
		}
	}
	r->kind = 0;
	return NULL;
}

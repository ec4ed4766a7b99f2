/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/linux/fib.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dataplane/linux/fib_build.h"
#include "dataplane/wire/siphash.h"

/* Three open-addressed tables of one shape, at most half full, each found by a keyed hash: hosts on a link can fill the
 * neighbour table with addresses of their choice. A key is an address and a number: prefix length, interface or 0. */

enum { ROUTE_LENGTHS = 129, MIN_SLOTS = 16 };

struct entry {
	struct sl_ip ip;
	uint32_t number;
	uint32_t used;
	union {
		uint32_t nexthop; /* neighbours */
		uint16_t own_interface;
		struct {
			uint32_t metric;
			uint16_t interface;
			uint8_t has_via;
			struct sl_ip via;
		} route;
	};
};

struct table {
	struct entry *slots;
	uint32_t mask, n;
};

struct sl_fib_tables {
	struct sl_siphash_key key;
	struct table own, routes, neighbours;
	uint64_t lengths[3]; /* bit per prefix length that has routes */
};

struct sl_fib_builder {
	struct sl_fib_tables *t;
	struct sl_nexthop *nexthops;
	uint32_t n_nexthops, cap_nexthops;
	bool failed;
};

static uint32_t slot_of(const struct sl_fib_tables *t, const struct table *tab, const struct sl_ip *ip, uint32_t number)
{
	struct {
		struct sl_ip ip;
		uint64_t number;
	} k = {*ip, number};
	return (uint32_t)sl_siphash(&t->key, &k, sizeof(k)) & tab->mask;
}

/* The entry of this key, or the free slot where it belongs. */
static struct entry *probe(const struct sl_fib_tables *t, const struct table *tab, const struct sl_ip *ip,
	uint32_t number)
{
	uint32_t at = slot_of(t, tab, ip, number);
	while (tab->slots[at].used && !(tab->slots[at].number == number && sl_ip_eq(&tab->slots[at].ip, ip)))
		at = (at + 1) & tab->mask;
	return &tab->slots[at];
}

static const struct entry *find(const struct sl_fib_tables *t, const struct table *tab, const struct sl_ip *ip,
	uint32_t number)
{
	const struct entry *e = probe(t, tab, ip, number);
	return e->used ? e : NULL;
}

/* Longest prefix first. An IPv4 destination never falls under an IPv6 route and its mapped form is no IPv6 address, so
 * each family has its own range of lengths. */
static const struct entry *longest_prefix(const struct sl_fib_tables *t, const struct sl_ip *dst)
{
	int shortest = sl_ip_is_v4(dst) ? 96 : 0;
	for (int len = 128; len >= shortest; len--) {
		if (!(t->lengths[len / 64] >> (len % 64) & 1))
			continue;
		struct sl_ip ip = sl_ip_masked(dst, (unsigned)len);
		const struct entry *e = find(t, &t->routes, &ip, (uint32_t)len);
		if (e)
			return e;
	}
	return NULL;
}

enum sl_fib_result sl_fib_lookup(const struct sl_fib *f, const struct sl_ip *dst, uint32_t *nexthop, struct sl_ip *via,
	uint16_t *interface)
{
	const struct sl_fib_tables *t = f->tables;
	if (find(t, &t->own, dst, 0))
		return SL_FIB_LOCAL;
	const struct entry *r = longest_prefix(t, dst);
	if (!r || r->route.interface == SL_FIB_NO_INTERFACE)
		return SL_FIB_NO_ROUTE;
	*via = r->route.has_via ? r->route.via : *dst;
	*interface = r->route.interface;
	const struct entry *n = find(t, &t->neighbours, via, *interface);
	if (!n)
		return SL_FIB_UNRESOLVED;
	*nexthop = n->nexthop;
	return SL_FIB_OK;
}

bool sl_fib_is_own(const struct sl_fib *f, const struct sl_ip *ip)
{
	return find(f->tables, &f->tables->own, ip, 0) != NULL;
}

static bool is_v6_link_local(const struct sl_ip *ip)
{
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

bool sl_fib_own_address(const struct sl_fib *f, uint16_t interface, const struct sl_ip *towards, struct sl_ip *out)
{
	const struct table *own = &f->tables->own;
	bool found = false;
	for (uint32_t i = 0; i <= own->mask; i++) {
		const struct entry *e = &own->slots[i];
		if (!e->used || e->own_interface != interface || sl_ip_is_v4(&e->ip) != sl_ip_is_v4(towards))
			continue;
		/* A link-local address is the last choice, unless it answers one (RFC 6724 5, rule 2). */
		bool fits = is_v6_link_local(&e->ip) == is_v6_link_local(towards);
		if (!found || fits)
			*out = e->ip;
		found = true;
		if (fits)
			break;
	}
	return found;
}

/* ---- building ---- */

static bool table_init(struct table *tab, uint32_t slots)
{
	tab->slots = calloc(slots, sizeof(struct entry));
	tab->mask = slots - 1;
	tab->n = 0;
	return tab->slots != NULL;
}

static bool table_grow(const struct sl_fib_tables *t, struct table *tab)
{
	struct table bigger;
	if (!table_init(&bigger, (tab->mask + 1) * 2))
		return false;
	for (uint32_t i = 0; i <= tab->mask; i++)
		if (tab->slots[i].used)
			*probe(t, &bigger, &tab->slots[i].ip, tab->slots[i].number) = tab->slots[i];
	bigger.n = tab->n;
	free(tab->slots);
	*tab = bigger;
	return true;
}

/* The entry to fill in; *fresh tells whether the key is new. NULL when memory is short. */
static struct entry *add(struct sl_fib_builder *b, struct table *tab, const struct sl_ip *ip, uint32_t number,
	bool *fresh)
{
	if (b->failed || (tab->n * 2 > tab->mask && !table_grow(b->t, tab))) {
		b->failed = true;
		return NULL;
	}
	struct entry *e = probe(b->t, tab, ip, number);
	*fresh = !e->used;
	if (*fresh) {
		e->ip = *ip;
		e->number = number;
		e->used = 1;
		tab->n++;
	}
	return e;
}

static void tables_free(struct sl_fib_tables *t)
{
	if (!t)
		return;
	free(t->own.slots);
	free(t->routes.slots);
	free(t->neighbours.slots);
	free(t);
}

struct sl_fib_builder *sl_fib_builder_new(void)
{
	struct sl_fib_builder *b = calloc(1, sizeof(*b));
	struct sl_fib_tables *t = calloc(1, sizeof(*t));
	if (!b || !t || !table_init(&t->own, MIN_SLOTS) || !table_init(&t->routes, MIN_SLOTS) ||
		!table_init(&t->neighbours, MIN_SLOTS) ||
		getrandom(&t->key, sizeof(t->key), 0) != (ssize_t)sizeof(t->key)) {
		tables_free(t);
		free(b);
		return NULL;
	}
	b->t = t;
	return b;
}

void sl_fib_builder_free(struct sl_fib_builder *b)
{
	if (!b)
		return;
	tables_free(b->t);
	free(b->nexthops);
	free(b);
}

void sl_fib_add_own(struct sl_fib_builder *b, const struct sl_ip *ip, uint16_t interface)
{
	bool fresh;
	struct entry *e = add(b, &b->t->own, ip, 0, &fresh);
	/* The same address on lo and on one of our interfaces belongs to ours. */
	if (e && (fresh || e->own_interface == SL_FIB_NO_INTERFACE))
		e->own_interface = interface;
}

void sl_fib_add_route(struct sl_fib_builder *b, const struct sl_prefix *prefix, uint32_t metric, uint16_t interface,
	const struct sl_ip *via)
{
	if (prefix->len >= ROUTE_LENGTHS)
		return;
	bool fresh, ours = interface != SL_FIB_NO_INTERFACE;
	struct sl_ip ip = sl_ip_masked(&prefix->ip, prefix->len);
	struct entry *e = add(b, &b->t->routes, &ip, prefix->len, &fresh);
	if (!e)
		return;
	bool had_ours = e->route.interface != SL_FIB_NO_INTERFACE;
	if (!fresh && (had_ours != ours ? had_ours : metric >= e->route.metric))
		return;
	e->route.metric = metric;
	e->route.interface = interface;
	e->route.has_via = via != NULL;
	if (via)
		e->route.via = *via;
	b->t->lengths[prefix->len / 64] |= UINT64_C(1) << (prefix->len % 64);
}

void sl_fib_add_neighbour(struct sl_fib_builder *b, const struct sl_ip *ip, const struct sl_nexthop *nh)
{
	bool fresh;
	if (b->n_nexthops == b->cap_nexthops) {
		uint32_t cap = b->cap_nexthops ? b->cap_nexthops * 2 : 64;
		struct sl_nexthop *more = realloc(b->nexthops, cap * sizeof(*more));
		if (!more) {
			b->failed = true;
			return;
		}
		b->nexthops = more;
		b->cap_nexthops = cap;
	}
	struct entry *e = add(b, &b->t->neighbours, ip, nh->interface, &fresh);
	if (!e)
		return;
	if (fresh)
		e->nexthop = b->n_nexthops++;
	b->nexthops[e->nexthop] = *nh;
	b->nexthops[e->nexthop].resolved = true;
}

struct sl_fib *sl_fib_build(struct sl_fib_builder *b, uint32_t generation)
{
	struct sl_fib *f = b->failed ? NULL : calloc(1, sizeof(*f));
	if (f) {
		f->generation = generation;
		f->n_nexthops = b->n_nexthops;
		f->nexthops = b->nexthops;
		f->tables = b->t;
		b->nexthops = NULL;
		b->t = NULL;
	}
	sl_fib_builder_free(b);
	return f;
}

void sl_fib_free(struct sl_fib *f)
{
	if (!f)
		return;
	tables_free(f->tables);
	free(f->nexthops);
	free(f);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/linux/neighbours.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { FIRST_SLOTS = 64 };

static uint32_t home(const struct sl_neighbours *t, uint16_t interface, const struct sl_ip *ip)
{
	struct {
		struct sl_ip ip;
		uint64_t interface;
	} k = {*ip, interface};
	return (uint32_t)sl_siphash(&t->key, &k, sizeof(k)) & t->mask;
}

static uint32_t probe(const struct sl_neighbours *t, uint16_t interface, const struct sl_ip *ip)
{
	uint32_t at = home(t, interface, ip);
	while (t->slots[at].used && !(t->slots[at].interface == interface && sl_ip_eq(&t->slots[at].ip, ip)))
		at = (at + 1) & t->mask;
	return at;
}

int sl_neighbours_init(struct sl_neighbours *t)
{
	*t = (struct sl_neighbours){.mask = FIRST_SLOTS - 1};
	if (getrandom(&t->key, sizeof(t->key), 0) != (ssize_t)sizeof(t->key))
		return -EIO;
	t->slots = calloc(FIRST_SLOTS, sizeof(*t->slots));
	return t->slots ? 0 : -ENOMEM;
}

void sl_neighbours_free(struct sl_neighbours *t)
{
	free(t->slots);
	t->slots = NULL;
}

void sl_neighbours_clear(struct sl_neighbours *t)
{
	memset(t->slots, 0, (t->mask + 1) * sizeof(*t->slots));
	t->n = 0;
}

struct sl_neighbour *sl_neighbours_find(const struct sl_neighbours *t, uint16_t interface, const struct sl_ip *ip)
{
	struct sl_neighbour *s = &t->slots[probe(t, interface, ip)];
	return s->used ? s : NULL;
}

static int grow(struct sl_neighbours *t)
{
	struct sl_neighbours bigger = *t;
	bigger.mask = t->mask * 2 + 1;
	bigger.slots = calloc((size_t)bigger.mask + 1, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (uint32_t i = 0; i <= t->mask; i++)
		if (t->slots[i].used)
			bigger.slots[probe(&bigger, t->slots[i].interface, &t->slots[i].ip)] = t->slots[i];
	free(t->slots);
	*t = bigger;
	return 0;
}

int sl_neighbours_set(struct sl_neighbours *t, uint16_t interface, const struct sl_ip *ip, const uint8_t mac[6])
{
	struct sl_neighbour *s = &t->slots[probe(t, interface, ip)];
	if (s->used) {
		if (memcmp(s->mac, mac, sizeof(s->mac)) == 0)
			return 0;
		memcpy(s->mac, mac, sizeof(s->mac));
		return 1;
	}
	if (t->n * 2 > t->mask) {
		int rc = grow(t);
		if (rc < 0)
			return rc;
		s = &t->slots[probe(t, interface, ip)];
	}
	*s = (struct sl_neighbour){.ip = *ip, .interface = interface, .used = true};
	memcpy(s->mac, mac, sizeof(s->mac));
	t->n++;
	return 1;
}

bool sl_neighbours_remove(struct sl_neighbours *t, uint16_t interface, const struct sl_ip *ip)
{
	uint32_t hole = probe(t, interface, ip);
	if (!t->slots[hole].used)
		return false;
	/* Move up what would no longer be found past the hole, so that no tombstones pile up. */
	for (uint32_t at = (hole + 1) & t->mask; t->slots[at].used; at = (at + 1) & t->mask) {
		uint32_t from_home = (at - home(t, t->slots[at].interface, &t->slots[at].ip)) & t->mask;
		if (from_home >= ((at - hole) & t->mask)) {
			t->slots[hole] = t->slots[at];
			hole = at;
		}
	}
	t->slots[hole] = (struct sl_neighbour){0};
	t->n--;
	return true;
}

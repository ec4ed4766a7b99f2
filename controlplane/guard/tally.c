/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/guard/tally.h"


#include <errno.h>
#include <stdlib.h>

enum { SMALLEST = 256 };

void sl_tally_init(struct sl_tally *t, const struct sl_siphash_key *key)
{
	*t = (struct sl_tally){.key = *key};
}

void sl_tally_free(struct sl_tally *t)
{
	free(t->all);
	t->all = NULL;
	t->size = t->n = 0;
}

static size_t place(const struct sl_tally *t, const struct sl_ip *masked, unsigned bits)
{
	uint64_t text[3] = {masked->q[0], masked->q[1], bits};

	return (size_t)sl_siphash(&t->key, text, sizeof text) & (t->size - 1);
}

/* Where it is, or the free place where it would be. */
static struct sl_tally_entry *at(const struct sl_tally *t, const struct sl_ip *masked, unsigned bits)
{
	size_t i = place(t, masked, bits);

	while (t->all[i].n && !(t->all[i].bits == bits && sl_ip_eq(&t->all[i].ip, masked)))
		i = (i + 1) & (t->size - 1);
	return &t->all[i];
}

uint32_t sl_tally_of(const struct sl_tally *t, const struct sl_ip *ip, unsigned bits)
{
	struct sl_ip masked = sl_ip_masked(ip, bits);

	return t->n ? at(t, &masked, bits)->n : 0;
}

static int grow(struct sl_tally *t)
{
	struct sl_tally bigger = {.key = t->key, .size = t->size ? 2 * t->size : SMALLEST, .n = t->n};

	bigger.all = calloc(bigger.size, sizeof *bigger.all);
	if (!bigger.all)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++) {
		if (t->all[i].n)
			*at(&bigger, &t->all[i].ip, t->all[i].bits) = t->all[i];
	}
	free(t->all);
	*t = bigger;
	return 0;
}

int sl_tally_add(struct sl_tally *t, const struct sl_ip *ip, unsigned bits)
{
	struct sl_ip masked = sl_ip_masked(ip, bits);

	if (2 * (t->n + 1) > t->size && grow(t) < 0)
		return -ENOMEM;
	struct sl_tally_entry *e = at(t, &masked, bits);
	if (e->n == 0) {
		*e = (struct sl_tally_entry){.ip = masked, .bits = bits};
		t->n++;
	}
	e->n++;
	return 0;
}

/* The places behind a gap move up, so that a search may end at the first free one. */
static void close_gap(struct sl_tally *t, size_t gap)
{
	size_t mask = t->size - 1;

	for (size_t i = (gap + 1) & mask; t->all[i].n; i = (i + 1) & mask) {
		size_t home = place(t, &t->all[i].ip, t->all[i].bits);

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		t->all[gap] = t->all[i];
		gap = i;
	}
	t->all[gap] = (struct sl_tally_entry){0};
}

void sl_tally_sub(struct sl_tally *t, const struct sl_ip *ip, unsigned bits)
{
	struct sl_ip masked = sl_ip_masked(ip, bits);
	struct sl_tally_entry *e = t->n ? at(t, &masked, bits) : NULL;

	if (!e || e->n == 0 || --e->n)
		return;
	t->n--;
	close_gap(t, (size_t)(e - t->all));
}

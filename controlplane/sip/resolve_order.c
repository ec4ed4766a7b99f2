/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/sip/resolve_order.h"

static void swap(struct sl_srv *a, struct sl_srv *b)
{
	struct sl_srv t = *a;

	*a = *b;
	*b = t;
}

/* Those of weight 0 first, so that they have a small chance, and only then (RFC 2782, "Weight"). */
static void sort(struct sl_srv *srv, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		for (unsigned j = i; j > 0; j--) {
			const struct sl_srv *a = &srv[j - 1], *b = &srv[j];

			if (a->priority < b->priority || (a->priority == b->priority && (a->weight == 0 || b->weight != 0)))
				break;
			swap(&srv[j - 1], &srv[j]);
		}
	}
}

static void draw_group(struct sl_srv *srv, unsigned n, uint32_t (*draw)(void *ctx, uint32_t below), void *ctx)
{
	for (unsigned first = 0; first + 1 < n; first++) {
		uint32_t sum = 0, running = 0, drawn;
		unsigned chosen = first;

		for (unsigned i = first; i < n; i++)
			sum += srv[i].weight;
		drawn = draw(ctx, sum + 1);
		for (unsigned i = first; i < n; i++) {
			running += srv[i].weight;
			if (running >= drawn) {
				chosen = i;
				break;
			}
		}
		/* The rest keeps its order: weight 0 stays in front. */
		for (; chosen > first; chosen--)
			swap(&srv[chosen], &srv[chosen - 1]);
	}
}

void sl_srv_order(struct sl_srv *srv, unsigned n, uint32_t (*draw)(void *ctx, uint32_t below), void *ctx)
{
	sort(srv, n);
	for (unsigned first = 0; first < n;) {
		unsigned end = first + 1;

		while (end < n && srv[end].priority == srv[first].priority)
			end++;
		draw_group(srv + first, end - first, draw, ctx);
		first = end;
	}
}

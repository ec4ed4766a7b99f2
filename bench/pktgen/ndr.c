/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/ndr.h"

#include <stdio.h>

enum {
	TRIES = 3,        /* a rate passes when one of so many fair trials does: the host may stall the relay's core */
	TRIALS_MAX = 10,  /* fair or not */
	VOID_GAP_US = 500 /* the generator itself was held up so long: the trial says nothing */
};

static void report(const struct load *l, unsigned number, const struct result *r, const char *remark)
{
	fprintf(stderr, "  trial %2u: %8.4f Mpps offered, %8.4f relayed, loss %.2e, longest gap %.0f us%s\n", number,
		(double)result_offered(r) / r->seconds / 1e6, result_mpps(r), result_loss(r),
		(double)r->gap_max * 1e6 / (double)l->hz, remark);
}

static bool passes(struct load *l, double pps, struct ndr *out)
{
	static struct result r;
	unsigned fair = 0;

	for (unsigned i = 0; i < TRIALS_MAX && fair < TRIES; i++) {
		load_run(l, pps, l->o->ndr_step_s, &r);
		out->trials++;
		bool held_up = r.gap_max > l->hz / 1000000 * VOID_GAP_US;
		/* A rate that the generator cannot make was not carried either. */
		bool made = (double)result_offered(&r) >= 0.99 * pps * r.seconds;
		bool clean = result_loss(&r) <= l->o->ndr_loss;
		report(l, out->trials, &r, held_up ? " (generator held up)" : "");
		if (clean && made)
			return true;
		fair += !held_up;
	}
	return false;
}

void ndr_search(struct load *l, struct ndr *out)
{
	static struct result r;
	double low = 0, high;

	*out = (struct ndr){0};
	load_run(l, 0, l->o->ndr_step_s, &r);
	high = result_mpps(&r) * 1e6;
	if (high <= 0)
		return;
	if (passes(l, high, out)) {
		out->pps = high;
		return;
	}
	while (high - low > l->o->ndr_precision * high) {
		double middle = (low + high) / 2;
		if (passes(l, middle, out))
			low = middle;
		else
			high = middle;
	}
	out->pps = low;
}

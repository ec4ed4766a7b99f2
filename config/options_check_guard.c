/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Checks of the group "guard" between its options. */

#include "config/options_read.h"

#include <stdlib.h>
#include <string.h>

#include "config/prefixes.h"

static int compare(const void *a, const void *b)
{
	const struct sl_conf_guard_prefix *x = a, *y = b;
	int order = memcmp(x->prefix.ip.b, y->prefix.ip.b, sizeof x->prefix.ip.b);

	return order != 0 ? order : (int)x->prefix.len - (int)y->prefix.len;
}

/* A prefix inside another one is what lists are for; the same one twice with two verdicts is a mistake. */
static void check_contradictions(struct sl_reader *r, const struct sl_conf_guard *g)
{
	struct sl_conf_guard_prefix *sorted;
	char text[SL_ADDR_TEXT_MAX];

	if (g->n_prefixes == 0)
		return;
	if ((sorted = malloc(g->n_prefixes * sizeof *sorted)) == NULL) {
		sl_read_fail_at(r, "guard", "no memory left to look at %u prefixes", g->n_prefixes);
		return;
	}
	memcpy(sorted, g->prefixes, g->n_prefixes * sizeof *sorted);
	qsort(sorted, g->n_prefixes, sizeof *sorted, compare);
	for (unsigned i = 1; i < g->n_prefixes; i++) {
		if (compare(&sorted[i - 1], &sorted[i]) == 0 && sorted[i - 1].allow != sorted[i].allow)
			sl_read_fail_at(r, "guard.deny", "%s is both allowed and denied (in these lists or their files); must be in one of them",
				sl_prefix_text(&sorted[i].prefix, text));
	}
	free(sorted);
}

/* Whatever is denied, banned or limited, an allow lets it pass: all of a family is the guard switched off without saying so. */
static void check_allow(struct sl_reader *r, const struct sl_conf_guard *g)
{
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < g->n_prefixes; i++) {
		if (g->prefixes[i].allow && sl_prefix_is_all(&g->prefixes[i].prefix))
			sl_read_fail_at(r, "guard.allow", "%s would let everybody pass every limit; to switch the guard off write enabled = false, to see what "
				"it would do dry_run = true", sl_prefix_text(&g->prefixes[i].prefix, text));
	}
}

void sl_check_guard(struct sl_reader *r, const struct sl_config *c)
{
	const struct sl_conf_guard *g = &c->guard;

	if (g->ban_max_s < g->ban_s)
		sl_read_fail_at(r, "guard.reputation.ban_max", "%u is less than ban, %u; a ban doubles up to it", g->ban_max_s, g->ban_s);
	check_allow(r, g);
	check_contradictions(r, g);
}

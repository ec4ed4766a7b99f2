/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Spans of addresses from an ordered list of rules: prefixes lie inside each other or apart, so one walk over them in the order of addresses, with those
 * that hold the current one on a stack, tells which rule is first where. */

#include "dataplane/path/turn_rules.h"

#include <stdbool.h>
#include <stdlib.h>

enum {
	ADDRESS_BITS = 128,
	V4_BITS = 96,               /* of the prefix that IPv4 addresses lie in */
	DEEPEST = ADDRESS_BITS + 3, /* all addresses, prefixes of every length, the border around IPv4 */
	SPANS_A_PREFIX = 2,         /* one begins where it does, one where it ends */
};
#define NO_RULE UINT32_MAX
#define LAST_ADDRESS (~(sl_ip_number)0)

struct prefix {
	sl_ip_number from, to; /* to: the last one */
	uint32_t rank;         /* place in the list + 1; 0 = the border */
};

/* A prefix around the address where the walk is. */
struct around {
	sl_ip_number to;
	uint32_t first; /* rank of the first rule that holds it, or NO_RULE */
};

struct walk {
	struct sl_turn_rules *out;
	const struct sl_cmd_peer_rule *rules;
	unsigned depth;
	struct around stack[DEEPEST];
};

static struct prefix prefix_of(const struct sl_ip *ip, unsigned len, uint32_t rank)
{
	struct sl_ip masked = sl_ip_masked(ip, len);
	struct prefix p = {.from = sl_ip_to_number(&masked), .rank = rank};

	p.to = p.from | (len == ADDRESS_BITS ? 0 : LAST_ADDRESS >> len);
	return p;
}

/* By address; those around others before them; else by rank. */
static int compare(const void *a, const void *b)
{
	const struct prefix *x = (const struct prefix *)a, *y = (const struct prefix *)b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	if (x->to != y->to)
		return x->to > y->to ? -1 : 1;
	return x->rank < y->rank ? -1 : x->rank > y->rank;
}

/* From here on it is the innermost prefix of the stack that counts. */
static void begin_span(struct walk *w, sl_ip_number from)
{
	struct sl_turn_rules *r = w->out;
	uint32_t first = w->stack[w->depth - 1].first;
	uint8_t verdict = SL_RULE_SILENT;

	if (first != NO_RULE)
		verdict = w->rules[first - 1].allow ? SL_RULE_ALLOW : SL_RULE_DENY;
	if (r->n > 0 && r->from[r->n - 1] == from)
		r->n--; /* empty: something else begins there, too */
	if (r->n > 0 && r->verdict[r->n - 1] == verdict)
		return;
	r->from[r->n] = from;
	r->verdict[r->n++] = verdict;
}

/* Leave prefixes that end before `from`; the whole address space stays. */
static void leave(struct walk *w, sl_ip_number from)
{
	while (w->stack[w->depth - 1].to < from) {
		sl_ip_number to = w->stack[--w->depth].to;
		begin_span(w, to + 1);
	}
}

static void enter(struct walk *w, const struct prefix *p)
{
	const struct around *outer = &w->stack[w->depth - 1];
	uint32_t first = outer->first < p->rank ? outer->first : p->rank;

	if (p->rank == 0)
		first = NO_RULE; /* a rule of IPv6 says nothing of IPv4 (sl_prefix_contains) */
	else if (first == outer->first)
		return; /* what is around it comes before it */
	w->stack[w->depth++] = (struct around){p->to, first};
	begin_span(w, p->from);
}

static void cut(struct sl_turn_rules *out, const struct sl_cmd_peer_rule *rules, const struct prefix *p, unsigned n)
{
	struct walk w = {.out = out, .rules = rules, .depth = 1, .stack[0] = {LAST_ADDRESS, NO_RULE}};

	begin_span(&w, 0);
	for (unsigned i = 0; i < n; i++) {
		leave(&w, p[i].from);
		enter(&w, &p[i]);
	}
	while (w.stack[w.depth - 1].to != LAST_ADDRESS)
		leave(&w, w.stack[w.depth - 1].to + 1);
}

struct sl_turn_rules *sl_turn_rules_new(const struct sl_cmd_peer_rule *rules, unsigned n)
{
	const struct sl_ip v4 = {.b = {[10] = 0xff, [11] = 0xff}};
	unsigned room = SPANS_A_PREFIX * (n + 1) + 1;
	struct sl_turn_rules *r = (struct sl_turn_rules *)calloc(1, sizeof *r + room * (sizeof *r->from + sizeof *r->verdict));
	struct prefix *p = (struct prefix *)calloc(n + 1, sizeof *p);

	if (!r || !p) {
		free(p);
		free(r);
		return NULL;
	}
	r->verdict = (uint8_t *)(r->from + room);
	p[0] = prefix_of(&v4, V4_BITS, 0);
	for (unsigned i = 0; i < n; i++)
		p[i + 1] = prefix_of(&rules[i].ip, rules[i].prefix_len, i + 1);
	qsort(p, n + 1, sizeof *p, compare);
	cut(r, rules, p, n + 1);
	free(p);
	return r;
}

void sl_turn_rules_free(struct sl_turn_rules *r)
{
	free(r);
}

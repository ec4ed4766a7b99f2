/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Checks of the group "guard" between its options. */

#include "config/options_read.h"

#include <stdlib.h>
#include <string.h>

#include "config/prefixes.h"
#include "dataplane/abi/msg_turn.h"

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
	unsigned n_allowed = 0;

	for (unsigned i = 0; i < g->n_prefixes; i++)
		n_allowed += g->prefixes[i].allow;
	if (n_allowed == 0 || n_allowed == g->n_prefixes)
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

/* Bytes of an attribute's value on the wire (RFC 8489 14). */
static unsigned padded(const char *text)
{
	return ((unsigned)strlen(text) + 3) & ~3u;
}

/* A client's first Allocate is the shortest request that must be answered; its answer carries the realm (RFC 8489 14.9, 14.10, 14.12). Without it
 * nobody could ever authenticate. */
static void check_reflection(struct sl_reader *r, const struct sl_config *c)
{
	enum { REQUEST = 28, HEADER = 20, ERROR_CODE = 8, REALM = 4, NONCE = 44, PASSWORD_ALGORITHMS = 12, THIRD_PARTY = 4, IPV4_UDP = 28, IPV6_UDP = 48 };
	const struct sl_conf_guard *g = &c->guard;
	const struct sl_conf_turn *turn = &c->turn;
	const char *longest = "";
	unsigned most = 0, below = 0;

	/* Streams have shown that they are who they say. */
	for (unsigned i = 0; i < turn->n_listeners; i++) {
		if (turn->more[i].transport == SL_TURN_OVER_UDP && below != IPV4_UDP)
			below = sl_ip_is_v4(&turn->listeners[i].ip) ? IPV4_UDP : IPV6_UDP;
	}
	if (below == 0 || g->reflection_percent == 0)
		return;
	for (unsigned i = 0; i < turn->n_realms; i++) {
		const struct sl_conf_turn_realm *realm = &turn->realms[i];
		unsigned bytes = padded(realm->name) + (realm->authorization_server != NULL ? THIRD_PARTY + padded(realm->authorization_server) : 0);

		if (bytes > most) {
			most = bytes;
			longest = realm->name;
		}
	}
	unsigned need = below + HEADER + ERROR_CODE + REALM + most + NONCE + (turn->sha256 ? PASSWORD_ALGORITHMS : 0);
	unsigned request = below + REQUEST;
	if (need > request * g->reflection_percent / 100)
		sl_read_fail_at(r, "guard.reflection_percent", "%u is too little for the realm \"%s\": a client's first Allocate (%u bytes) could not be "
			"answered (%u bytes); write at least %u, or shorten the realm", g->reflection_percent, longest, request, need,
			(need * 100 + request - 1) / request);
}

void sl_check_guard(struct sl_reader *r, const struct sl_config *c)
{
	const struct sl_conf_guard *g = &c->guard;

	if (g->ban_max_s < g->ban_s)
		sl_read_fail_at(r, "guard.reputation.ban_max", "%u is less than ban, %u; a ban doubles up to it", g->ban_max_s, g->ban_s);
	check_reflection(r, c);
	check_allow(r, g);
	check_contradictions(r, g);
}

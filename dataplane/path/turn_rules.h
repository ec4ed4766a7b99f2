/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What an ordered list of peer rules says of each address: all addresses cut into spans, found by bisection, so that a long list costs no more than a few
 * comparisons. Immutable; built by the housekeeper, read by workers. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/abi/msg_turn.h"
#include "dataplane/wire/addr.h"

enum sl_rule_verdict { SL_RULE_SILENT, SL_RULE_DENY, SL_RULE_ALLOW };

/* An address as a number. */
__extension__ typedef unsigned __int128 sl_ip_number;

static inline sl_ip_number sl_ip_to_number(const struct sl_ip *ip)
{
	uint64_t half[2];

	memcpy(half, ip->b, sizeof half);
	return (sl_ip_number)__builtin_bswap64(half[0]) << 64 | __builtin_bswap64(half[1]);
}

struct sl_turn_rules {
	unsigned n;
	uint8_t *verdict;   /* [n] enum sl_rule_verdict */
	sl_ip_number from[]; /* [n] ascending, the first is 0: span i ends where the next one begins */
};

/* The first of the n rules that holds ip decides, as sl_prefix_contains() sees it. NULL: no memory. n = 0 is silent about everything. */
struct sl_turn_rules *sl_turn_rules_new(const struct sl_cmd_peer_rule *rules, unsigned n);
void sl_turn_rules_free(struct sl_turn_rules *r); /* NULL is fine */

static inline enum sl_rule_verdict sl_turn_rules_look(const struct sl_turn_rules *r, const struct sl_ip *ip)
{
	const sl_ip_number wanted = sl_ip_to_number(ip), *at = r->from;

	for (unsigned n = r->n; n > 1; n -= n / 2)
		at += at[n / 2] <= wanted ? n / 2 : 0;
	return (enum sl_rule_verdict)r->verdict[at - r->from];
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/guard/top.h"

#include "dataplane/guard/hash.h"

/* The entry of this prefix, else the place of the one that has done least, for a newcomer who begins at nothing. */
static struct sl_guard_top_entry *find(struct sl_guard_top_entry *e, const struct sl_ip *ip, unsigned prefix_len, unsigned guard_class)
{
	struct sl_guard_top_entry *least = e;

	for (unsigned i = 0; i < SL_GUARD_TOP; i++) {
		if (e[i].prefix_len == prefix_len && e[i].guard_class == guard_class && sl_ip_eq(&e[i].ip, ip))
			return &e[i];
		if ((uint64_t)e[i].count * SL_GUARD_TOP_SAMPLE + e[i].pps < (uint64_t)least->count * SL_GUARD_TOP_SAMPLE + least->pps)
			least = &e[i];
	}
	*least = (struct sl_guard_top_entry){
		.ip = *ip, .prefix_len = (uint8_t)prefix_len, .guard_class = (uint8_t)guard_class, .last_drop = SL_GUARD_ANY};
	return least;
}

void sl_guard_top_note(struct sl_guard_top *t, const struct sl_ip *ip, bool v4, unsigned guard_class, unsigned drop)
{
	for (unsigned level = 0; level < SL_GUARD_N_LEVELS; level++) {
		unsigned bits = sl_guard_level_bits(v4, level);
		struct sl_ip masked = sl_ip_masked(ip, bits);
		struct sl_guard_top_entry *e = find(t->e[level], &masked, bits, guard_class);
		e->count++;
		if (drop != SL_GUARD_ANY) {
			e->dropped++;
			e->last_drop = (uint16_t)drop;
		}
	}
}

void sl_guard_top_second(struct sl_guard_top *t)
{
	for (unsigned i = 0; i < SL_GUARD_N_LEVELS * SL_GUARD_TOP; i++) {
		struct sl_guard_top_entry *e = &t->e[0][0] + i;
		if (!e->prefix_len)
			continue;
		/* Half of it is the last second's: a burst shows at once and is gone in some seconds. */
		e->pps = (uint32_t)(((uint64_t)e->pps + (uint64_t)e->count * SL_GUARD_TOP_SAMPLE) / 2);
		e->dropped_pps = (uint32_t)(((uint64_t)e->dropped_pps + (uint64_t)e->dropped * SL_GUARD_TOP_SAMPLE) / 2);
		e->count = e->dropped = 0;
		e->kept_s++;
		if (!e->pps)
			*e = (struct sl_guard_top_entry){.prefix_len = 0};
	}
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/guard/prefixes.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/guard/prefixes_internal.h"

enum { BURST = 32 };

void sl_prefixes_free(struct sl_prefixes *p)
{
	if (!p)
		return;
	for (unsigned f = 0; f < PREFIX_FAMILIES; f++) {
		free(p->trie[f].root);
		free(p->trie[f].line);
		free(p->trie[f].base);
	}
	free(p);
}

size_t sl_prefixes_bytes(const struct sl_prefixes *p)
{
	size_t bytes = p ? sizeof *p : 0;

	for (unsigned f = 0; p && f < PREFIX_FAMILIES; f++) {
		const struct prefix_trie *t = &p->trie[f];
		bytes += (t->root ? sizeof *t->root << PREFIX_ROOT_BITS : 0) + t->n * (sizeof *t->line + sizeof *t->base);
	}
	return bytes;
}

size_t sl_prefixes_count(const struct sl_prefixes *p)
{
	return p ? p->count : 0;
}

/* What a burst has found so far, and which of it goes on at which node. Nothing here depends on what an address turns out to be: every
 * address is written to the list of those that go on, and only the list's length tells whether it stays there. */
struct walk {
	uint32_t deny, allow;
	unsigned n;
	uint8_t who[BURST + 1];
	uint32_t node[BURST + 1];
};

static inline void settle(struct walk *w, const struct prefix_trie *t, unsigned who, unsigned found, uint32_t node)
{
	w->deny |= (uint32_t)(found == SL_PREFIX_DENY) << who;
	w->allow |= (uint32_t)(found == SL_PREFIX_ALLOW) << who;
	w->who[w->n] = (uint8_t)who;
	w->node[w->n] = node;
	w->n += found == PREFIX_CHILD;
	__builtin_prefetch(&t->line[node]);
	__builtin_prefetch(&t->base[node]);
}

/* The root's word: verdict, or node. Of a verdict the node reads 0, which is fetched for nothing. */
static inline void settle_root(struct walk *w, const struct prefix_trie *t, unsigned who, uint32_t word)
{
	settle(w, t, who, word & 3, word >> 2);
}

void sl_prefixes_look4(const struct sl_prefixes *p, const uint32_t *be, unsigned n, uint32_t *deny, uint32_t *allow)
{
	const struct prefix_trie *t = &p->trie[PREFIX_V4];
	struct walk w = {.n = 0};

	for (unsigned i = 0; t->root && i < n; i++)
		settle_root(&w, t, i, t->root[ntohl(be[i]) >> PREFIX_ROOT_BITS]);
	for (unsigned shift = PREFIX_ROOT_BITS - 8; w.n > 0; shift -= 8) {
		unsigned pending = w.n, deeper = 0;
		uint8_t which[BURST + 1], byte[BURST + 1];
		w.n = 0;
		for (unsigned j = 0; j < pending; j++) {
			unsigned who = w.who[j], b = ntohl(be[who]) >> shift & 0xff;
			unsigned found = prefix_entry(&t->line[w.node[j]], b);
			w.deny |= (uint32_t)(found == SL_PREFIX_DENY) << who;
			w.allow |= (uint32_t)(found == SL_PREFIX_ALLOW) << who;
			which[deeper] = (uint8_t)j;
			byte[deeper] = (uint8_t)b;
			deeper += found == PREFIX_CHILD;
		}
		/* Counting off is the dear part: only for the few that have a child. In place: an entry is read before it is overwritten. */
		for (unsigned k = 0; k < deeper; k++) {
			uint32_t node = w.node[which[k]];
			settle(&w, t, w.who[which[k]], PREFIX_CHILD, t->base[node] + prefix_rank(&t->line[node], byte[k]));
		}
	}
	*deny = w.deny;
	*allow = w.allow;
}

/* One step down from node for the address ip; *depth: the byte that decides there, then that of the child *next. */
static inline unsigned step6(const struct prefix_trie *t, uint32_t node, const struct sl_ip *ip, uint8_t *depth, uint32_t *next)
{
	const union prefix_line *l = &t->line[node];
	uint32_t base = t->base[node];

	if (base & PREFIX_SKIP) {
		const struct prefix_skip *s = &l->skip;
		bool same = (((ip->q[0] ^ s->want[0]) & s->mask[0]) | ((ip->q[1] ^ s->want[1]) & s->mask[1])) == 0;
		*depth = s->depth;
		*next = base & ~PREFIX_SKIP;
		return same ? s->inside : s->outside;
	}
	unsigned b = ip->b[*depth], found = prefix_entry(l, b);
	if (found == PREFIX_CHILD)
		*next = base + prefix_rank(l, b);
	++*depth;
	return found;
}

void sl_prefixes_look6(const struct sl_prefixes *p, const struct sl_ip *const *ip, unsigned n, uint32_t *deny, uint32_t *allow)
{
	const struct prefix_trie *t = &p->trie[PREFIX_V6];
	struct walk w = {.n = 0};
	uint8_t depth[BURST];

	for (unsigned i = 0; t->root && i < n; i++)
		settle_root(&w, t, i, t->root[ip[i]->b[0] << 8 | ip[i]->b[1]]);
	memset(depth, PREFIX_ROOT_BYTES, sizeof depth);
	while (w.n > 0) {
		unsigned pending = w.n;
		w.n = 0;
		for (unsigned j = 0; j < pending; j++) {
			unsigned who = w.who[j];
			uint32_t next = 0;
			unsigned found = step6(t, w.node[j], ip[who], &depth[who], &next);
			settle(&w, t, who, found, next);
		}
	}
	*deny = w.deny;
	*allow = w.allow;
}

unsigned sl_prefixes_look(const struct sl_prefixes *p, const struct sl_ip *ip)
{
	uint32_t deny, allow, be = sl_ip_v4_be(ip);

	if (!p)
		return SL_PREFIX_NONE;
	if (sl_ip_is_v4(ip))
		sl_prefixes_look4(p, &be, 1, &deny, &allow);
	else
		sl_prefixes_look6(p, &ip, 1, &deny, &allow);
	return allow ? SL_PREFIX_ALLOW : deny ? SL_PREFIX_DENY : SL_PREFIX_NONE;
}

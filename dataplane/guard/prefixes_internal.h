/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The trie of one family, as prefixes_build.c makes it and prefixes.c walks it. */

#include <stdint.h>

#include "dataplane/guard/prefixes.h"

enum {
	PREFIX_CHILD = 3,          /* where a verdict could stand: look further down */
	PREFIX_ROOT_BITS = 16,
	PREFIX_ROOT_BYTES = PREFIX_ROOT_BITS / 8,
	PREFIX_WORD_ENTRIES = 32,  /* entries of two bits in a word */
	PREFIX_WORDS = 8,
};
#define PREFIX_SKIP (UINT32_C(1) << 31) /* in base: the line is a skip; the rest is the index of its one child */
#define PREFIX_LOW_BITS UINT64_C(0x5555555555555555)

/* IPv6 lists are sparse: where a subtree begins with a run of bits that all of it shares, one line compares them at once, instead of one node for
 * each byte. mask has the run's bits; outside is the verdict of what differs; inside that of what does not, or PREFIX_CHILD. */
struct prefix_skip {
	uint64_t want[2], mask[2]; /* in network order, as the address */
	uint8_t outside, inside;
	uint8_t depth;             /* the byte that the child decides by */
	uint8_t pad[29];
};

/* One cache line: two bits for each of 256 entries. */
union prefix_line {
	_Alignas(64) uint64_t w[PREFIX_WORDS];
	struct prefix_skip skip;
};
_Static_assert(sizeof(union prefix_line) == 64, "one cache line");

struct prefix_trie {
	uint32_t *root;          /* [65536]: verdict in the lowest two bits, or PREFIX_CHILD and the node above them; NULL = no such prefix */
	union prefix_line *line; /* [n] */
	uint32_t *base;          /* [n] index of the first child: the others follow it */
	uint32_t n, capacity;
};

enum { PREFIX_V4, PREFIX_V6, PREFIX_FAMILIES };
struct sl_prefixes {
	struct prefix_trie trie[PREFIX_FAMILIES];
	size_t count;
};

static inline unsigned prefix_entry(const union prefix_line *l, unsigned i)
{
	return (unsigned)(l->w[i / PREFIX_WORD_ENTRIES] >> 2 * (i % PREFIX_WORD_ENTRIES)) & 3;
}

/* Children before entry i: those where both bits are set. */
static inline unsigned prefix_rank(const union prefix_line *l, unsigned i)
{
	unsigned n = 0, word = i / PREFIX_WORD_ENTRIES;

	for (unsigned k = 0; k < word; k++)
		n += (unsigned)__builtin_popcountll(l->w[k] & l->w[k] >> 1 & PREFIX_LOW_BITS);
	uint64_t before = l->w[word] & ((UINT64_C(1) << 2 * (i % PREFIX_WORD_ENTRIES)) - 1);
	return n + (unsigned)__builtin_popcountll(before & before >> 1 & PREFIX_LOW_BITS);
}

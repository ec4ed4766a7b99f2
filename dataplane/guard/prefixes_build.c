/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Making the trie. What holds for an address is the greatest verdict (none < deny < allow) of all prefixes around it, so an entry matters only
 * where something less holds already, and what is inside an allow is left out. */

#include "dataplane/guard/prefixes.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/guard/hash.h"
#include "dataplane/guard/memory.h"
#include "dataplane/guard/prefixes_internal.h"

enum {
	V4_BITS = 96,        /* of the 16-byte form, before IPv4's own */
	IP_BITS = 128,
	FIRST_NODES = 256, /* a power of two: so are all capacities */
	HUGE_PAGE = 2 << 20,
	FEW = 24,            /* up to so many are sorted by insertion */
	ROOT_ENTRIES = 1 << PREFIX_ROOT_BITS,
};
_Static_assert(SL_PREFIX_NONE < SL_PREFIX_DENY && SL_PREFIX_DENY < SL_PREFIX_ALLOW && (int)SL_PREFIX_ALLOW < (int)PREFIX_CHILD, "verdicts are compared");

/* An entry as it is sorted: IPv4's bits come first, too. */
struct item {
	uint64_t key[2];
	uint8_t len;
	uint8_t verdict;
};

struct maker {
	struct prefix_trie *t;
	bool skips;          /* IPv6 */
	struct item *items, *spare;
	size_t n;
};

static unsigned byte_of(const struct item *e, unsigned depth)
{
	return (unsigned)(e->key[depth / 8] >> (56 - 8 * (depth % 8))) & 0xff;
}

/* Bits [0, len) of a word whose first bit is bit `from` of the address. */
static uint64_t mask_word(unsigned len, unsigned from)
{
	if (len <= from)
		return 0;
	return len >= from + 64 ? ~UINT64_C(0) : ~(~UINT64_C(0) >> (len - from));
}

/* Large ones in huge pages where there are any: a look-up goes to a random line of each level. */
static union prefix_line *new_lines(size_t n)
{
	size_t bytes = n * sizeof(union prefix_line), huge = bytes >= HUGE_PAGE ? HUGE_PAGE : sizeof(union prefix_line);
	union prefix_line *line = aligned_alloc(huge, bytes);
	if (line && huge == HUGE_PAGE)
		(void)madvise(line, bytes, MADV_HUGEPAGE);
	return line;
}

/* n nodes in a row; the index of the first, or -ENOMEM. */
static int64_t new_nodes(struct prefix_trie *t, unsigned n)
{
	if (t->capacity - t->n < n) {
		uint32_t capacity = t->capacity ? t->capacity : FIRST_NODES;
		while (capacity - t->n < n)
			capacity *= 2;
		union prefix_line *line = new_lines(capacity);
		uint32_t *base = line ? realloc(t->base, capacity * sizeof *base) : NULL;
		if (!base) {
			free(line);
			return -ENOMEM;
		}
		if (t->n > 0)
			memcpy(line, t->line, t->n * sizeof *line);
		free(t->line);
		t->line = line;
		t->base = base;
		t->capacity = capacity;
	}
	t->n += n;
	return t->n - n;
}

/* Entries [start, start + count) of a line, of which none is a child yet. */
static void paint(union prefix_line *l, unsigned start, unsigned count, unsigned verdict)
{
	for (unsigned k = start / PREFIX_WORD_ENTRIES; k < PREFIX_WORDS && k * PREFIX_WORD_ENTRIES < start + count; k++) {
		unsigned first = k * PREFIX_WORD_ENTRIES, from = start > first ? start - first : 0;
		unsigned to = start + count - first < PREFIX_WORD_ENTRIES ? start + count - first : PREFIX_WORD_ENTRIES;
		uint64_t mask = (to - from == PREFIX_WORD_ENTRIES ? ~UINT64_C(0) : (UINT64_C(1) << 2 * (to - from)) - 1) << 2 * from;
		l->w[k] = (l->w[k] & ~mask) | (mask & verdict * PREFIX_LOW_BITS);
	}
}

/* Those of e[0, m) that end at this byte are painted, denials first. */
static void paint_all(union prefix_line *l, const struct item *e, size_t m, unsigned depth, unsigned inherited)
{
	for (unsigned k = 0; k < PREFIX_WORDS; k++)
		l->w[k] = inherited * PREFIX_LOW_BITS;
	for (unsigned verdict = inherited + 1; verdict <= SL_PREFIX_ALLOW; verdict++) {
		for (size_t i = 0; i < m; i++) {
			if (e[i].verdict == verdict && e[i].len <= 8 * (depth + 1))
				paint(l, byte_of(&e[i], depth), 1u << (8 * (depth + 1) - e[i].len), verdict);
		}
	}
}

/* Keep those that say more than what is painted where they are. */
static size_t keep_deeper(const union prefix_line *l, struct item *e, size_t m, unsigned depth)
{
	size_t kept = 0;

	for (size_t i = 0; i < m; i++) {
		if (e[i].len > 8 * (depth + 1) && e[i].verdict > prefix_entry(l, byte_of(&e[i], depth)))
			e[kept++] = e[i];
	}
	return kept;
}

static void sort_few(struct item *e, size_t m, unsigned depth)
{
	for (size_t i = 1; i < m; i++) {
		struct item x = e[i];
		size_t at = i;
		for (; at > 0 && byte_of(&e[at - 1], depth) > byte_of(&x, depth); at--)
			e[at] = e[at - 1];
		e[at] = x;
	}
}

static void sort_by_byte(const struct maker *mk, struct item *e, size_t m, unsigned depth)
{
	uint32_t at[257] = {0};

	if (m <= FEW) {
		sort_few(e, m, depth);
		return;
	}
	for (size_t i = 0; i < m; i++)
		at[byte_of(&e[i], depth) + 1]++;
	for (unsigned b = 1; b < 257; b++)
		at[b] += at[b - 1];
	for (size_t i = 0; i < m; i++)
		mk->spare[at[byte_of(&e[i], depth)]++] = e[i];
	memcpy(e, mk->spare, m * sizeof *e);
}

/* How many of the first bits all m entries share, none of them ending before. */
static unsigned shared_bits(const struct item *e, size_t m)
{
	unsigned bits = e[0].len;

	for (size_t i = 1; i < m; i++) {
		uint64_t hi = e[0].key[0] ^ e[i].key[0], lo = e[0].key[1] ^ e[i].key[1];
		unsigned same = hi ? (unsigned)__builtin_clzll(hi) : lo ? 64 + (unsigned)__builtin_clzll(lo) : IP_BITS;
		bits = same < bits ? same : bits;
		bits = e[i].len < bits ? e[i].len : bits;
	}
	return bits;
}

static int fill_node(struct maker *mk, uint32_t node, struct item *e, size_t m, unsigned depth, unsigned inherited);

/* A skip of `bits` bits, if it saves a node or ends the walk. 1 = made; 0 = no use here; -errno. */
static int fill_skip(struct maker *mk, uint32_t node, struct item *e, size_t m, unsigned depth, unsigned inherited)
{
	struct prefix_trie *t = mk->t;
	unsigned bits = shared_bits(e, m), verdict = 0;
	bool whole = true; /* all of e is one and the same prefix */
	int64_t child = 0;

	for (size_t i = 0; i < m; i++) {
		whole &= e[i].len == bits;
		verdict = e[i].verdict > verdict ? e[i].verdict : verdict;
	}
	if (bits < 8 * (depth + 1))
		return 0;
	if (!whole) {
		bits -= bits % 8; /* the child decides by a whole byte */
		if ((child = new_nodes(t, 1)) < 0)
			return (int)child;
	}
	struct prefix_skip s = {.outside = (uint8_t)inherited, .inside = (uint8_t)(whole ? verdict : PREFIX_CHILD), .depth = (uint8_t)(bits / 8)};
	for (unsigned i = 0; i < 2; i++) {
		s.mask[i] = htobe64(mask_word(bits, 64 * i));
		s.want[i] = htobe64(e[0].key[i]) & s.mask[i];
	}
	t->line[node].skip = s;
	t->base[node] = PREFIX_SKIP | (uint32_t)child;
	int rc = whole ? 0 : fill_node(mk, (uint32_t)child, e, m, s.depth, inherited);
	return rc < 0 ? rc : 1;
}

/* All of e lies below this node, which decides by byte `depth`, and says more than `inherited`. */
static int fill_node(struct maker *mk, uint32_t node, struct item *e, size_t m, unsigned depth, unsigned inherited)
{
	struct prefix_trie *t = mk->t;
	unsigned children = 0;
	int rc = mk->skips ? fill_skip(mk, node, e, m, depth, inherited) : 0;

	if (rc != 0)
		return rc < 0 ? rc : 0;
	paint_all(&t->line[node], e, m, depth, inherited);
	m = keep_deeper(&t->line[node], e, m, depth);
	sort_by_byte(mk, e, m, depth);
	for (size_t i = 0; i < m; i++)
		children += i == 0 || byte_of(&e[i - 1], depth) != byte_of(&e[i], depth);
	int64_t child = new_nodes(t, children);
	if (child < 0)
		return (int)child;
	t->base[node] = (uint32_t)child;
	for (size_t i = 0, to; i < m; i = to, child++) {
		unsigned b = byte_of(&e[i], depth), above = prefix_entry(&t->line[node], b);
		for (to = i + 1; to < m && byte_of(&e[to], depth) == b; to++)
			;
		t->line[node].w[b / PREFIX_WORD_ENTRIES] |= (uint64_t)PREFIX_CHILD << 2 * (b % PREFIX_WORD_ENTRIES);
		rc = fill_node(mk, (uint32_t)child, e + i, to - i, depth + 1, above);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Prefixes of up to 16 bits, as a complete binary tree in which a verdict runs down to the leaves: the root's entries. */
static int short_ones(const struct maker *mk)
{
	uint8_t *tree = calloc(2 * ROOT_ENTRIES, 1);

	if (!tree)
		return -ENOMEM;
	for (size_t i = 0; i < mk->n; i++) {
		const struct item *e = &mk->items[i];
		if (e->len > PREFIX_ROOT_BITS)
			continue;
		size_t at = (size_t)1 << e->len | (size_t)(e->key[0] >> 32 >> (32 - e->len));
		tree[at] = e->verdict > tree[at] ? e->verdict : tree[at];
	}
	for (size_t at = 2; at < 2 * ROOT_ENTRIES; at++)
		tree[at] = tree[at / 2] > tree[at] ? tree[at / 2] : tree[at];
	for (unsigned i = 0; i < ROOT_ENTRIES; i++)
		mk->t->root[i] = tree[ROOT_ENTRIES + i];
	free(tree);
	return 0;
}

static uint32_t root_index(const struct item *e)
{
	return (uint32_t)(e->key[0] >> (64 - PREFIX_ROOT_BITS));
}

/* Sort what is longer and says more than the root does by its first 16 bits into spare; at[i + 1] is where i's end. */
static size_t long_ones(struct maker *mk, uint32_t *at)
{
	size_t kept = 0;

	for (size_t i = 0; i < mk->n; i++) {
		const struct item *e = &mk->items[i];
		uint32_t r = root_index(e);
		if (e->len <= PREFIX_ROOT_BITS || e->verdict <= mk->t->root[r])
			continue;
		mk->items[kept++] = *e;
		at[r + 2]++;
	}
	for (unsigned i = 2; i < ROOT_ENTRIES + 2; i++)
		at[i] += at[i - 1];
	for (size_t i = 0; i < kept; i++)
		mk->spare[at[root_index(&mk->items[i]) + 1]++] = mk->items[i];
	return kept;
}

static int fill_trie(struct maker *mk)
{
	struct prefix_trie *t = mk->t;
	uint32_t *at = calloc(ROOT_ENTRIES + 2, sizeof *at);
	int rc = at ? 0 : -ENOMEM;

	t->root = malloc(ROOT_ENTRIES * sizeof *t->root);
	if (!t->root)
		rc = -ENOMEM;
	if (rc == 0)
		rc = short_ones(mk);
	/* A first node is always there: looks fetch node 0 for addresses that have none. */
	if (rc == 0 && new_nodes(t, 1) < 0)
		rc = -ENOMEM;
	if (rc == 0) {
		memset(&t->line[0], 0, sizeof t->line[0]);
		t->base[0] = 0;
		long_ones(mk, at);
		struct item *sorted = mk->spare;
		mk->spare = mk->items;
		mk->items = sorted;
	}
	for (unsigned i = 0; rc == 0 && i < ROOT_ENTRIES; i++) {
		if (at[i] == at[i + 1])
			continue;
		int64_t node = new_nodes(t, 1);
		unsigned above = t->root[i];
		if (node < 0) {
			rc = -ENOMEM;
			break;
		}
		t->root[i] = (uint32_t)node << 2 | PREFIX_CHILD;
		rc = fill_node(mk, (uint32_t)node, mk->items + at[i], at[i + 1] - at[i], PREFIX_ROOT_BYTES, above);
	}
	free(at);
	return rc;
}

/* 0, or -EINVAL with what is wrong with entry i. */
static int check(const struct sl_prefix_entry *e, size_t i, char *text, size_t text_len)
{
	char at[SL_ADDR_TEXT_MAX], better[SL_ADDR_TEXT_MAX];

	if (e->prefix_len > IP_BITS) {
		snprintf(text, text_len, "entry %zu: a prefix length of %u; the longest is %d", i, e->prefix_len, IP_BITS);
		return -EINVAL;
	}
	if (e->verdict != SL_PREFIX_DENY && e->verdict != SL_PREFIX_ALLOW) {
		snprintf(text, text_len, "entry %zu: verdict %u; give %d (deny) or %d (allow)", i, e->verdict, SL_PREFIX_DENY, SL_PREFIX_ALLOW);
		return -EINVAL;
	}
	struct sl_prefix right = {sl_ip_masked(&e->ip, e->prefix_len), e->prefix_len};
	if (!sl_ip_eq(&right.ip, &e->ip)) {
		snprintf(text, text_len, "entry %zu: %s has bits beyond its prefix; its first address is %s", i, sl_ip_text(&e->ip, at),
			sl_prefix_text(&right, better));
		return -EINVAL;
	}
	return 0;
}

static bool is_v4(const struct sl_prefix_entry *e)
{
	return e->prefix_len >= V4_BITS && sl_ip_is_v4(&e->ip);
}

static void take_family(struct maker *mk, const struct sl_prefix_entry *e, size_t n, bool v4)
{
	mk->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (is_v4(&e[i]) != v4)
			continue;
		struct item *to = &mk->items[mk->n++];
		to->key[0] = v4 ? (uint64_t)ntohl(e[i].ip.d[3]) << 32 : be64toh(e[i].ip.q[0]);
		to->key[1] = v4 ? 0 : be64toh(e[i].ip.q[1]);
		to->len = (uint8_t)(e[i].prefix_len - (v4 ? V4_BITS : 0));
		to->verdict = e[i].verdict;
	}
}

int sl_prefixes_build(const struct sl_prefix_entry *e, size_t n, struct sl_prefixes **out, char *text, size_t text_len)
{
	int rc = 0;

	if (n > SL_GUARD_LIST_MAX) {
		snprintf(text, text_len, "%zu prefixes; a list has at most %d", n, SL_GUARD_LIST_MAX);
		return -E2BIG;
	}
	for (size_t i = 0; i < n; i++) {
		if ((rc = check(&e[i], i, text, text_len)) < 0)
			return rc;
	}
	if (n == 0) {
		*out = NULL;
		return 0;
	}
	struct sl_prefixes *p = calloc(1, sizeof *p);
	struct item *room = malloc(2 * n * sizeof *room);
	rc = p && room ? 0 : -ENOMEM;
	for (unsigned f = 0; rc == 0 && f < PREFIX_FAMILIES; f++) {
		struct maker mk = {.t = &p->trie[f], .skips = f == PREFIX_V6, .items = room, .spare = room + n};
		take_family(&mk, e, n, f == PREFIX_V4);
		if (mk.n > 0)
			rc = fill_trie(&mk);
	}
	free(room);
	if (rc < 0) {
		sl_prefixes_free(p);
		snprintf(text, text_len, "no memory for a list of %zu prefixes", n);
		return rc;
	}
	p->count = n;
	*out = p;
	return 0;
}

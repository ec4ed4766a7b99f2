/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/flow.h"

#include <errno.h>

#include "dataplane/wire/siphash.h"

enum { MEAN_SLOTS_USED = SL_FLOW_BUCKET_SLOTS / 2 };

uint32_t sl_hash_flow_generic(const struct sl_hash_key *key, const struct sl_flow *f)
{
	struct sl_siphash_key k;

	memcpy(&k, key->b, sizeof k);
	return (uint32_t)sl_siphash(&k, f, sizeof *f);
}

uint32_t sl_flow_buckets_for(uint32_t n)
{
	uint32_t buckets = 2;

	while (buckets < UINT32_MAX / 2 && buckets < n / MEAN_SLOTS_USED + 1)
		buckets *= 2;
	return buckets;
}

/* Slot of tag in b, or -1; tag 0 finds an empty one. */
static int slot_of_tag(const struct sl_flow_bucket *b, uint16_t tag)
{
	for (int i = 0; i < SL_FLOW_BUCKET_SLOTS; i++) {
		if (b->tag[i] == tag)
			return i;
	}
	return -1;
}

static unsigned slots_used(const struct sl_flow_bucket *b)
{
	unsigned n = 0;

	for (int i = 0; i < SL_FLOW_BUCKET_SLOTS; i++)
		n += b->tag[i] != 0;
	return n;
}

/* Make one slot free in bucket at by moving an entry to its other bucket. The other bucket follows from the tag alone:
 * both buckets differ by a function of the tag. */
static int move_one(struct sl_flow_table *t, uint32_t at)
{
	struct sl_flow_bucket *from = &t->buckets[at];

	for (int i = 0; i < SL_FLOW_BUCKET_SLOTS; i++) {
		struct sl_flow_bucket *to = &t->buckets[(at ^ (from->tag[i] * SL_FLOW_TAG_SPREAD)) & t->mask];
		int slot = slot_of_tag(to, 0);
		if (slot < 0)
			continue;
		to->alloc[slot] = from->alloc[i];
		to->tag[slot] = from->tag[i];
		from->tag[i] = 0;
		return i;
	}
	return -1;
}

int sl_flow_insert(struct sl_flow_table *t, uint32_t hash, uint32_t alloc)
{
	uint32_t at1 = sl_flow_bucket1(t, hash), at2 = sl_flow_bucket2(t, hash);
	uint32_t at = slots_used(&t->buckets[at2]) < slots_used(&t->buckets[at1]) ? at2 : at1;
	int slot = slot_of_tag(&t->buckets[at], 0);

	if (slot < 0)
		slot = move_one(t, at);
	if (slot < 0)
		return -ENOSPC;
	t->buckets[at].alloc[slot] = alloc;
	t->buckets[at].tag[slot] = sl_flow_tag(hash);
	return 0;
}

void sl_flow_remove(struct sl_flow_table *t, uint32_t hash, uint32_t alloc)
{
	uint16_t tag = sl_flow_tag(hash);
	uint32_t at[2] = {sl_flow_bucket1(t, hash), sl_flow_bucket2(t, hash)};

	for (int i = 0; i < 2; i++) {
		struct sl_flow_bucket *b = &t->buckets[at[i]];
		for (int k = 0; k < SL_FLOW_BUCKET_SLOTS; k++) {
			if (b->tag[k] == tag && b->alloc[k] == alloc) {
				b->tag[k] = 0;
				return;
			}
		}
	}
}

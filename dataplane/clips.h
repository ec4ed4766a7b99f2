/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Clips that control planes registered, one immutable table a client slot, published by liburcu. Workers look a clip up by
 * its number for every frame they send and keep no pointer past a quiescent state, so a grace period is all that a table
 * or a clip has to wait before it goes; nobody counts who plays what. What follows from that: a number that is replaced
 * goes on with the new content from the next frame, and one that is removed ends.
 *
 * A client that goes away leaves its clips, so that music goes on while a control plane restarts. They end when the slot
 * is given to another name, and those not offered again make room when the table is full. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/region.h"

struct sl_clip_table {
	uint32_t n;
	struct {
		const struct sl_clip *clip; /* a mapping of its own, clip->size_bytes long, checked */
		uint32_t number;
		uint32_t attachment;        /* of the client, when it was offered: the housekeeper's */
	} entries[];                        /* [n], by number */
};

/* Worker, and whoever else is an RCU reader: t = rcu_dereference(dp->clips[slot]). NULL = no such clip. The result is good
 * until the thread's next quiescent state. */
static inline const struct sl_clip *sl_clip_find(const struct sl_clip_table *t, uint32_t clip)
{
	uint32_t low = 0, high = t ? t->n : 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (t->entries[middle].number == clip)
			return t->entries[middle].clip;
		if (t->entries[middle].number < clip)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- housekeeper ---- */

struct sl_clips {
	const struct sl_clip_table **published; /* [SL_MAX_CLIENTS] */
	struct {
		char name[SL_CLIENT_NAME_MAX + 1]; /* of the client whose clips these are */
		uint32_t attachment;
	} clients[SL_MAX_CLIENTS];
	bool lock_failed; /* said so already */
};

/* published: where workers read, struct sl_dataplane.clips. */
void sl_clips_init(struct sl_clips *c, const struct sl_clip_table *published[SL_MAX_CLIENTS]);
/* A client got this slot. */
void sl_clips_attached(struct sl_clips *c, unsigned slot, const char *name);
/* Map, check and publish a clip from a sealed memfd of that many bytes (sl_abi_server_ops.clip; the descriptor stays the
 * caller's), or take one away (memfd < 0). 0, or negative errno with words in text: -EINVAL (what is wrong with it),
 * -ENOENT (nothing to take away), -ENOSPC (SL_MAX_CLIPS), -ENOMEM. A thread registered with RCU that is offline. */
int sl_clips_offer(struct sl_clips *c, unsigned slot, uint32_t number, int memfd, size_t bytes, char *text,
	size_t text_len);

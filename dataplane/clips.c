/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/clips.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <urcu-qsbr.h>

#include "dataplane/abi/log.h"
#include "dataplane/abi/validate.h"
#include "dataplane/retire.h"

void sl_clips_init(struct sl_clips *c, const struct sl_clip_table *published[SL_MAX_CLIENTS])
{
	*c = (struct sl_clips){.published = published};
}

/* ---- mappings ---- */

static void unmap(void *what)
{
	struct sl_clip *clip = what;
	munmap(clip, clip->size_bytes);
}

/* A page of a clip that is not there when it is needed makes a worker wait for a disk. */
static void lock(struct sl_clips *c, const void *mem, size_t bytes)
{
	if (mlock(mem, bytes) == 0 || c->lock_failed)
		return;
	c->lock_failed = true;
	sl_log(SL_LOG_WARNING, "clips cannot be locked in memory (%s), so playing one may have to wait for swap: allow it "
		"by CAP_IPC_LOCK or LimitMEMLOCK=infinity in the unit (ulimit -l unlimited), or switch swap off",
		strerror(errno));
}

/* Private: older kernels refuse a shared mapping of what is sealed against writing, and nobody writes. */
static int map(struct sl_clips *c, int memfd, size_t bytes, struct sl_clip **out, char *text, size_t text_len)
{
	void *mem = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, memfd, 0);
	if (mem == MAP_FAILED) {
		int rc = -errno;
		snprintf(text, text_len, "clip: cannot be mapped: %s", strerror(-rc));
		return rc;
	}
	int rc = sl_clip_validate(mem, bytes, text, text_len);
	if (rc < 0) {
		munmap(mem, bytes);
		return rc;
	}
	lock(c, mem, bytes);
	*out = mem;
	return 0;
}

/* ---- tables ---- */

static struct sl_clip_table *table_new(uint32_t n_max)
{
	struct sl_clip_table *t = NULL;
	return calloc(1, sizeof(*t) + n_max * sizeof(t->entries[0]));
}

static void add(struct sl_clip_table *t, const struct sl_clip *clip, uint32_t number, uint32_t attachment)
{
	t->entries[t->n].clip = clip;
	t->entries[t->n].number = number;
	t->entries[t->n++].attachment = attachment;
}

/* Swap the table, and retire the old one with those of its clips that the new one has no more. */
static void publish(struct sl_clips *c, unsigned slot, struct sl_clip_table *t)
{
	const struct sl_clip_table *old = rcu_xchg_pointer((struct sl_clip_table **)&c->published[slot], t);
	if (!old)
		return;
	for (uint32_t i = 0; i < old->n; i++)
		if (sl_clip_find(t, old->entries[i].number) != old->entries[i].clip)
			sl_retire((void *)old->entries[i].clip, unmap);
	sl_retire((void *)old, free);
}

/* The table with number's entry replaced, added (clip) or left out (NULL), and without those of earlier attachments where
 * make_room says so. NULL: no memory. */
static struct sl_clip_table *changed(const struct sl_clip_table *old, uint32_t number, const struct sl_clip *clip,
	uint32_t attachment, bool make_room)
{
	struct sl_clip_table *t = table_new((old ? old->n : 0) + 1);
	bool placed = !clip;
	for (uint32_t i = 0; t && old && i < old->n; i++) {
		if (!placed && old->entries[i].number >= number) {
			add(t, clip, number, attachment);
			placed = true;
		}
		if (old->entries[i].number != number && !(make_room && old->entries[i].attachment != attachment))
			add(t, old->entries[i].clip, old->entries[i].number, old->entries[i].attachment);
	}
	if (t && !placed)
		add(t, clip, number, attachment);
	return t;
}

/* ---- what clients do ---- */

void sl_clips_attached(struct sl_clips *c, unsigned slot, const char *name)
{
	c->clients[slot].attachment++;
	if (strcmp(c->clients[slot].name, name) == 0)
		return;
	snprintf(c->clients[slot].name, sizeof(c->clients[slot].name), "%s", name);
	publish(c, slot, NULL);
}

static int take_away(struct sl_clips *c, unsigned slot, uint32_t number, char *text, size_t text_len)
{
	const struct sl_clip_table *old = c->published[slot];
	if (!sl_clip_find(old, number)) {
		snprintf(text, text_len, "clip: there is none of that number");
		return -ENOENT;
	}
	struct sl_clip_table *t = changed(old, number, NULL, c->clients[slot].attachment, false);
	if (!t)
		return -ENOMEM;
	publish(c, slot, t);
	return 0;
}

int sl_clips_offer(struct sl_clips *c, unsigned slot, uint32_t number, int memfd, size_t bytes, char *text, size_t text_len)
{
	if (memfd < 0)
		return take_away(c, slot, number, text, text_len);
	const struct sl_clip_table *old = c->published[slot];
	uint32_t attachment = c->clients[slot].attachment;
	struct sl_clip *clip = NULL;
	int rc = map(c, memfd, bytes, &clip, text, text_len);
	if (rc < 0)
		return rc;
	bool full = old && old->n >= SL_MAX_CLIPS && !sl_clip_find(old, number);
	struct sl_clip_table *t = changed(old, number, clip, attachment, full);
	if (!t)
		rc = -ENOMEM;
	else if (t->n > SL_MAX_CLIPS) {
		snprintf(text, text_len, "clip: a client may have %d", SL_MAX_CLIPS);
		rc = -ENOSPC;
	}
	if (rc < 0) {
		free(t);
		unmap(clip);
		return rc;
	}
	publish(c, slot, t);
	return 0;
}

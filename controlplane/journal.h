/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* State of the brain that must survive kill -9 of the working half: records in fixed slots of a memfd that
 * the keeper holds. Never on a disk. Owner: one thread.
 *
 * A change is written into a free area and made valid by its header, last; then the area of what was there before is wiped and free: a
 * kill at any moment leaves the record as it was before or after. Areas freed last are used first, so a record costs its own pages and not
 * those of its past. Memory is touched only where something is written: an area may be far larger than what most records need. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SL_JOURNAL_SLOTS_MAX = 1 << 20 };

/* What a journal is for; another kind or layout found in the memfd is not read. */
struct sl_journal_shape {
	char kind[16];    /* "media" */
	uint32_t version; /* of the records */
	uint32_t n_slots;
	uint32_t area_bytes; /* room of a record; a multiple of the page size */
	uint32_t aux_bytes;  /* of plain memory beside the slots that survives too, as it stands */
};

struct sl_journal;

/* Keeper: a fresh memfd for sl_journal_open(), or negative errno. */
int sl_journal_memfd(const char *name);

/* Map fd (it stays the caller's; -1: private memory, nothing survives) and look at what is there. A journal
 * with fewer slots than the memfd has keeps all of them. What is of another shape is thrown away: text says
 * so, and is empty otherwise. NULL with the reason in text. */
struct sl_journal *sl_journal_open(int fd, const struct sl_journal_shape *shape, char *text, size_t text_len);
void sl_journal_close(struct sl_journal *j); /* records stay; NULL is fine */

/* A free slot, to be written or erased; -ENOSPC. */
int sl_journal_take(struct sl_journal *j);
/* Where to build the slot's next record: *room bytes. The record that is valid stays so until the commit. */
void *sl_journal_begin(struct sl_journal *j, uint32_t slot, size_t *room);
/* What was built there is valid now, whole: len bytes. */
void sl_journal_commit(struct sl_journal *j, uint32_t slot, size_t len);
/* The record goes, and its bytes with it; the slot is free. */
void sl_journal_erase(struct sl_journal *j, uint32_t slot);

/* The slot's record, as written by the last commit; NULL: the slot is free. For reading back after open: it
 * stays in shared memory until the next begin of this slot. */
const void *sl_journal_read(const struct sl_journal *j, uint32_t slot, size_t *len);

uint32_t sl_journal_n_slots(const struct sl_journal *j);
uint32_t sl_journal_n_used(const struct sl_journal *j);
uint64_t sl_journal_n_corrupt(const struct sl_journal *j); /* slots found damaged at open, and freed */
bool sl_journal_is_locked(const struct sl_journal *j);     /* nothing of it can be swapped out */
void *sl_journal_aux(const struct sl_journal *j);

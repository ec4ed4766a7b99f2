/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Records of any length from one thread to another: single producer, single consumer, no lock, no system call. In a buffer of a power of two bytes;
 * records are contiguous (what does not fit before the end begins at the start), each aligned to 8 bytes behind a word with its length. Indices never go
 * back. Producer: stores the record, then head (release). Consumer: loads head (acquire), reads in place, then stores tail (release). */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_byte_ring {
	uint8_t *bytes;
	uint64_t size;                       /* a power of two */
	_Alignas(64) _Atomic uint64_t head;  /* writer: producer */
	uint64_t tail_seen, reserved;        /* producer's: last tail it saw; where the record under way begins */
	_Alignas(64) _Atomic uint64_t tail;  /* writer: consumer */
	uint64_t head_seen, taking;          /* consumer's: last head it saw; where the record looked at ends */
};

/* 0, -EINVAL (no power of two) or -ENOMEM. zalloc NULL = calloc. A record of more than half of it may never find room. Start thread. */
int sl_byte_ring_init(struct sl_byte_ring *r, uint64_t size, void *(*zalloc)(const char *what, size_t bytes));
void sl_byte_ring_free(struct sl_byte_ring *r, void (*release)(void *));

/* Producer: room for a record of len bytes, to be filled in place; NULL = full now. At most one at a time; then sl_byte_ring_put() with its true length (at most len). */
void *sl_byte_ring_reserve(struct sl_byte_ring *r, size_t len);
void sl_byte_ring_put(struct sl_byte_ring *r, size_t len);
/* Producer: bytes that are surely free for one record. */
size_t sl_byte_ring_room(struct sl_byte_ring *r);
/* Consumer: the oldest record, in place, or NULL; then sl_byte_ring_take() frees it. */
const void *sl_byte_ring_peek(struct sl_byte_ring *r, size_t *len);
void sl_byte_ring_take(struct sl_byte_ring *r);

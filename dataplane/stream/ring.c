/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/stream/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Before each record: its length, or that the next one is at the buffer's start. Records begin on words, so one always fits before the end. */
enum { WORD = 8 };
#define AT_START UINT64_MAX

static uint64_t footprint(size_t len)
{
	return WORD + (((uint64_t)len + WORD - 1) & ~(uint64_t)(WORD - 1));
}

static uint8_t *at(const struct sl_byte_ring *r, uint64_t index)
{
	return r->bytes + (index & (r->size - 1));
}

static uint64_t to_end(const struct sl_byte_ring *r, uint64_t index)
{
	return r->size - (index & (r->size - 1));
}

static void put_word(uint8_t *p, uint64_t word)
{
	memcpy(p, &word, WORD);
}

static uint64_t get_word(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, WORD);
	return word;
}

int sl_byte_ring_init(struct sl_byte_ring *r, uint64_t size, void *(*zalloc)(const char *what, size_t bytes))
{
	memset(r, 0, sizeof *r);
	if (size < 2 * WORD || (size & (size - 1)))
		return -EINVAL;
	r->bytes = zalloc ? zalloc("ring of frames", size) : calloc(1, size);
	r->size = size;
	return r->bytes ? 0 : -ENOMEM;
}

void sl_byte_ring_free(struct sl_byte_ring *r, void (*release)(void *))
{
	if (release)
		release(r->bytes);
	else
		free(r->bytes);
	r->bytes = NULL;
}

/* Where a record of need bytes with its word may begin, by the tail last seen; UINT64_MAX = nowhere. */
static uint64_t place(const struct sl_byte_ring *r, uint64_t head, uint64_t need)
{
	uint64_t left = r->size - (head - r->tail_seen), end = to_end(r, head);

	if (need <= end)
		return need <= left ? head : UINT64_MAX;
	return end + need <= left ? head + end : UINT64_MAX;
}

void *sl_byte_ring_reserve(struct sl_byte_ring *r, size_t len)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed), need = footprint(len), where = place(r, head, need);

	if (where == UINT64_MAX) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		where = place(r, head, need);
		if (where == UINT64_MAX)
			return NULL;
	}
	if (where != head)
		put_word(at(r, head), AT_START);
	r->reserved = where;
	return at(r, where) + WORD;
}

void sl_byte_ring_put(struct sl_byte_ring *r, size_t len)
{
	put_word(at(r, r->reserved), len);
	atomic_store_explicit(&r->head, r->reserved + footprint(len), memory_order_release);
}

size_t sl_byte_ring_room(struct sl_byte_ring *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed), end = to_end(r, head), left, most;

	r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
	left = r->size - (head - r->tail_seen);
	most = left <= end ? left : end > left - end ? end : left - end;
	return most > WORD ? most - WORD : 0;
}

const void *sl_byte_ring_peek(struct sl_byte_ring *r, size_t *len)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed), word;

	if (tail == r->head_seen) {
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
		if (tail == r->head_seen)
			return NULL;
	}
	word = get_word(at(r, tail));
	if (word == AT_START) { /* told together with the record that is there */
		tail += to_end(r, tail);
		word = get_word(at(r, tail));
	}
	r->taking = tail + footprint(word);
	*len = word;
	return at(r, tail) + WORD;
}

void sl_byte_ring_take(struct sl_byte_ring *r)
{
	atomic_store_explicit(&r->tail, r->taking, memory_order_release);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/trace.h"

#include "controlplane/report/trace_blank.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* One ring of bytes. A position counts all bytes ever written, so what is older than the ring's size is gone by comparison alone. Entries
 * lie whole: at the end of the ring they skip to its start. Each is linked to the one before in its bucket, which calls share by hash: so
 * adding costs the same always, and a call is found after its end without an index of calls. */

enum { ALIGN = 16, BYTES_PER_BUCKET = 4096, RING_MIN = 4 * SL_TRACE_ENTRY_MAX };

struct entry {
	uint64_t before; /* position of the one before in this bucket, plus 1; 0 = none */
	uint64_t number;
	int64_t unix_us;
	struct sl_id call;
	struct sl_trace_about about;
	uint32_t len;
	uint32_t truncated;
	char data[];
};

struct sl_trace {
	char *ring;
	uint64_t size, head; /* head: position of the next byte */
	uint64_t *buckets;   /* position of the newest, plus 1 */
	size_t n_buckets;    /* a power of two */
};

static size_t room_of(size_t len)
{
	return (sizeof(struct entry) + len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static struct entry *at(const struct sl_trace *t, uint64_t position)
{
	return (struct entry *)(t->ring + position % t->size);
}

/* Is the entry at position - 1 still whole? */
static bool is_kept(const struct sl_trace *t, uint64_t position)
{
	return position != 0 && position - 1 + t->size >= t->head;
}

static uint64_t *bucket(const struct sl_trace *t, const struct sl_id *call)
{
	uint64_t h;

	memcpy(&h, call->b + 8, sizeof h); /* drawn at random by us (call/id.h) */
	return &t->buckets[h & (t->n_buckets - 1)];
}

struct sl_trace *sl_trace_new(size_t bytes)
{
	struct sl_trace *t = calloc(1, sizeof *t);

	if (!t || bytes == 0)
		return t;
	t->size = (bytes < RING_MIN ? RING_MIN : bytes) & ~(uint64_t)(ALIGN - 1);
	for (t->n_buckets = 1; t->n_buckets < t->size / BYTES_PER_BUCKET;)
		t->n_buckets *= 2;
	/* Pages are taken as they are first written. */
	t->ring = mmap(NULL, t->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	t->buckets = calloc(t->n_buckets, sizeof *t->buckets);
	if (t->ring != MAP_FAILED && t->buckets)
		return t;
	if (t->ring == MAP_FAILED)
		t->ring = NULL;
	sl_trace_free(t);
	return NULL;
}

void sl_trace_free(struct sl_trace *t)
{
	if (!t)
		return;
	if (t->ring)
		munmap(t->ring, t->size);
	free(t->buckets);
	free(t);
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000000) + ts.tv_nsec / 1000;
}

void sl_trace_add(struct sl_trace *t, const struct sl_id *call, uint64_t *last, const struct sl_trace_about *about, const void *data, size_t len)
{
	if (!t || !t->ring)
		return;
	bool truncated = len > SL_TRACE_ENTRY_MAX;
	if (truncated)
		len = SL_TRACE_ENTRY_MAX;
	size_t room = room_of(len);
	if (t->head % t->size + room > t->size)
		t->head += t->size - t->head % t->size;

	uint64_t *newest = bucket(t, call), position = t->head;
	struct entry *e = at(t, position);
	e->before = *newest;
	e->number = ++*last;
	e->unix_us = now_us();
	e->call = *call;
	e->about = *about;
	e->len = (uint32_t)len;
	e->truncated = truncated;
	memcpy(e->data, data, len);
	if (about->kind == SL_TR_SIP_IN || about->kind == SL_TR_SIP_OUT)
		sl_trace_blank(e->data, len);
	*newest = position + 1;
	t->head += room;
}

unsigned sl_trace_read(const struct sl_trace *t, const struct sl_id *call, void (*fn)(void *ctx, const struct sl_trace_entry *e), void *ctx)
{
	unsigned n = 0, capacity = 0;
	uint64_t *found = NULL;

	if (!t || !t->ring)
		return 0;
	/* Links lead back in time, also through entries of other calls of the bucket; the first that is gone ends the chain. */
	for (uint64_t p = *bucket(t, call); is_kept(t, p); p = at(t, p - 1)->before) {
		if (!sl_id_eq(&at(t, p - 1)->call, call))
			continue;
		if (n == capacity) {
			capacity = capacity ? 2 * capacity : 64;
			uint64_t *grown = realloc(found, capacity * sizeof *found);
			if (!grown)
				break;
			found = grown;
		}
		found[n++] = p - 1;
	}
	for (unsigned i = n; i-- > 0;) {
		const struct entry *e = at(t, found[i]);
		fn(ctx, &(struct sl_trace_entry){e->about, e->unix_us, e->number, e->data, e->len, (int)e->truncated});
	}
	free(found);
	return n;
}

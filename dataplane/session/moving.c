/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/alloc.h"

/* Allocations on their way to another five-tuple. Few at a time, and each for a moment: a small table with bounded probes beside the one of flows,
 * which is looked at only while there is any. */

enum {
	PROBES = 8,
	LOST_THREAD = 15, /* see stream.h: the last one of those a flow can name */
	LOST_TRANSPORTS = 3 << 29,
	LOST_BITS = 25,
};

static uint32_t home(const struct sl_sessions *s, const struct sl_flow *f)
{
	return sl_hash_flow(&s->hash_key, f);
}

uint32_t sl_moving_search(const struct sl_sessions *s, const struct sl_flow *f)
{
	uint32_t at = home(s, f);

	for (uint32_t i = 0; i < PROBES; i++) {
		const struct sl_moving *m = &s->moving[(at + i) % SL_MAX_MOVING];
		if (m->alloc != SL_NONE && sl_flow_eq(&m->to, f))
			return m->alloc;
	}
	return SL_NONE;
}

static struct sl_moving *entry_of(const struct sl_sessions *s, uint32_t alloc)
{
	if (!(s->allocs[alloc].flags & SL_ALLOC_IS_MOVING))
		return NULL;
	for (uint32_t i = 0; i < SL_MAX_MOVING; i++)
		if (s->moving[i].alloc == alloc)
			return &s->moving[i];
	return NULL;
}

const struct sl_flow *sl_moving_to(const struct sl_sessions *s, uint32_t alloc)
{
	const struct sl_moving *m = entry_of(s, alloc);

	return m ? &m->to : NULL;
}

void sl_moving_end(struct sl_sessions *s, uint32_t alloc)
{
	struct sl_moving *m = entry_of(s, alloc);

	if (!m)
		return;
	if (s->known)
		sl_known_remove(s->known, s->worker, sl_known_hash_client(s->known, &m->to));
	m->alloc = SL_NONE;
	s->allocs[alloc].flags &= (uint8_t)~SL_ALLOC_IS_MOVING;
	s->n_moving--;
}

bool sl_moving_begin(struct sl_sessions *s, uint32_t alloc, const struct sl_flow *to, uint32_t now_s, struct sl_flow *forgotten)
{
	uint32_t at = home(s, to);
	struct sl_moving *best = NULL;
	bool full;

	for (uint32_t i = 0; i < PROBES; i++) {
		struct sl_moving *m = &s->moving[(at + i) % SL_MAX_MOVING];
		if (m->alloc == SL_NONE) {
			best = m;
			break;
		}
		if (!best || m->since_s < best->since_s)
			best = m;
	}
	full = best->alloc != SL_NONE;
	if (full) {
		*forgotten = best->to;
		sl_moving_end(s, best->alloc);
	}
	*best = (struct sl_moving){.to = *to, .alloc = alloc, .since_s = now_s};
	s->allocs[alloc].flags |= SL_ALLOC_IS_MOVING;
	s->n_moving++;
	if (s->known)
		sl_known_add(s->known, s->worker, sl_known_hash_client(s->known, to));
	return full;
}

struct sl_flow sl_flow_lost(const struct sl_flow *f, uint32_t alloc)
{
	struct sl_flow lost = *f;

	lost.transport = 1u << 31 | (f->transport & LOST_TRANSPORTS) | LOST_THREAD << LOST_BITS | (alloc & ((1u << LOST_BITS) - 1));
	return lost;
}

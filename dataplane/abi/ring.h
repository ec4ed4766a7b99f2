/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Single-producer, single-consumer ring of fixed-size messages in memory shared with a process that is not trusted.
 *
 * Why not rte_ring: it keeps its size and mask in the shared memory itself, so whoever can write there can make the
 * other side read out of bounds. Here size, mask and addresses live in the private handle; of the shared memory only
 * two indices are used, and an index that claims more than the ring holds is reported, never followed. */

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/* What lies in shared memory; slots follow it. Both indices run freely and wrap at 2^32. */
struct sl_ring_shm {
	_Alignas(64) _Atomic uint32_t prod; /* writer: producer (release). reader: consumer (acquire) */
	_Alignas(64) _Atomic uint32_t cons; /* writer: consumer (release). reader: producer (acquire) */
};

/* Private handle of one side. */
struct sl_ring {
	struct sl_ring_shm *shm;
	uint8_t *slots;
	uint32_t n_slots; /* a power of two */
	uint32_t slot_bytes;
	uint32_t own;   /* our index: never read back from shared memory */
	uint32_t other; /* the other side's index when last looked */
};

static inline size_t sl_ring_bytes(uint32_t n_slots, uint32_t slot_bytes)
{
	return sizeof(struct sl_ring_shm) + (size_t)n_slots * slot_bytes;
}

/* Attach a handle to the ring at mem, as producer or consumer, taking up its indices as they are; a fresh ring is zeroed memory. */
static inline void sl_ring_attach(struct sl_ring *r, void *mem, uint32_t n_slots, uint32_t slot_bytes, int producer)
{
	r->shm = mem;
	r->slots = (uint8_t *)mem + sizeof(struct sl_ring_shm);
	r->n_slots = n_slots;
	r->slot_bytes = slot_bytes;
	uint32_t prod = atomic_load_explicit(&r->shm->prod, memory_order_acquire);
	uint32_t cons = atomic_load_explicit(&r->shm->cons, memory_order_acquire);
	r->own = producer ? prod : cons;
	r->other = producer ? cons : prod;
}

/* Copy one message of len <= slot_bytes in. 0, -ENOBUFS when full, -EPROTO when the consumer's index is absurd. */
static inline int sl_ring_push(struct sl_ring *r, const void *msg, uint32_t len)
{
	if (r->own - r->other >= r->n_slots) {
		uint32_t other = atomic_load_explicit(&r->shm->cons, memory_order_acquire);
		uint32_t used = r->own - other;
		if (used > r->n_slots)
			return -EPROTO;
		r->other = other;
		if (used == r->n_slots)
			return -ENOBUFS;
	}
	memcpy(r->slots + (size_t)(r->own & (r->n_slots - 1)) * r->slot_bytes, msg, len);
	r->own++;
	atomic_store_explicit(&r->shm->prod, r->own, memory_order_release);
	return 0;
}

/* Producer: how many messages fit now; 0 as well when the consumer's index is absurd. */
static inline uint32_t sl_ring_room(struct sl_ring *r)
{
	uint32_t other = atomic_load_explicit(&r->shm->cons, memory_order_acquire), used = r->own - other;

	return used > r->n_slots ? 0 : r->n_slots - used;
}

/* Copy one message (slot_bytes) out, so that it can be validated where nobody can change it any more.
 * 1, 0 when empty, -EPROTO when the producer's index is absurd. */
static inline int sl_ring_pop(struct sl_ring *r, void *out)
{
	if (r->own == r->other) {
		uint32_t other = atomic_load_explicit(&r->shm->prod, memory_order_acquire);
		if (r->own == other)
			return 0;
		if (other - r->own > r->n_slots)
			return -EPROTO; /* and again at the next call: a bad index is never kept */
		r->other = other;
	}
	memcpy(out, r->slots + (size_t)(r->own & (r->n_slots - 1)) * r->slot_bytes, r->slot_bytes);
	r->own++;
	atomic_store_explicit(&r->shm->cons, r->own, memory_order_release);
	return 1;
}

/* Consumer's or a bystander's look: is there something to read? */
static inline int sl_ring_nonempty(const struct sl_ring_shm *shm)
{
	return atomic_load_explicit(&shm->prod, memory_order_relaxed) !=
		atomic_load_explicit(&shm->cons, memory_order_relaxed);
}

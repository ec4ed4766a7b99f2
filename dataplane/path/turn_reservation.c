/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/turn_reservation.h"

#include <errno.h>
#include <string.h>

#include "dataplane/wire/siphash.h"

enum { RANDOM_BITS = 48 };
#define RANDOM_MASK ((UINT64_C(1) << RANDOM_BITS) - 1)

int sl_turn_reservations_init(struct sl_turn_reservations *r, unsigned n_workers,
        void *(*zalloc)(const char *what, size_t bytes))
{
	r->n_workers = n_workers;
	r->entries = (struct sl_turn_reservation *)zalloc(
		"reservations", (size_t)n_workers * SL_RESERVATIONS_PER_WORKER * sizeof *r->entries);
	return r->entries ? 0 : -ENOMEM;
}

static uint32_t expiry_of(uint64_t where)
{
	return (uint32_t)where;
}

bool sl_turn_reserve(struct sl_turn_reservations *r, struct sl_relay_ports *p, struct sl_prng *prng, unsigned relay,
        uint16_t port, uint32_t now_s, uint8_t token[SL_RESERVATION_TOKEN_BYTES])
{
	struct sl_turn_reservation *part = &r->entries[(size_t)p->worker * SL_RESERVATIONS_PER_WORKER];

	for (uint64_t i = 0; i < SL_RESERVATIONS_PER_WORKER; i++) {
		if (atomic_load_explicit(&part[i].token, memory_order_acquire) != 0)
			continue;
		uint64_t place = (uint64_t)p->worker * SL_RESERVATIONS_PER_WORKER + i;
		uint64_t value = place << RANDOM_BITS | (sl_prng_next(prng) & RANDOM_MASK);
		if (value == 0)
			value = 1;
		uint64_t where = (uint64_t)relay << 48 | (uint64_t)port << 32 | (now_s + SL_RESERVATION_S);
		sl_port_reserve(p, relay, port);
		atomic_store_explicit(&part[i].where, where, memory_order_relaxed);
		atomic_store_explicit(&part[i].token, value, memory_order_release);
		memcpy(token, &value, sizeof value);
		return true;
	}
	return false;
}

/* The entry of token, which is still there, and what it says; NULL if none or expired. */
static struct sl_turn_reservation *find(const struct sl_turn_reservations *r, const uint8_t *token, uint32_t now_s,
        uint64_t *value, uint64_t *where)
{
	memcpy(value, token, sizeof *value);
	uint64_t place = *value >> RANDOM_BITS;
	if (*value == 0 || place >= (uint64_t)r->n_workers * SL_RESERVATIONS_PER_WORKER)
		return NULL;
	struct sl_turn_reservation *e = &r->entries[place];
	if (atomic_load_explicit(&e->token, memory_order_acquire) != *value)
		return NULL;
	*where = atomic_load_explicit(&e->where, memory_order_relaxed);
	return expiry_of(*where) > now_s ? e : NULL;
}

bool sl_turn_reservation_peek(const struct sl_turn_reservations *r, const uint8_t token[SL_RESERVATION_TOKEN_BYTES],
        uint32_t now_s, unsigned *relay, uint16_t *port)
{
	uint64_t value, where;

	if (!find(r, token, now_s, &value, &where))
		return false;
	*relay = (unsigned)(where >> 48);
	*port = (uint16_t)(where >> 32);
	return true;
}

bool sl_turn_redeem(struct sl_turn_reservations *r, struct sl_relay_ports *p,
        const uint8_t token[SL_RESERVATION_TOKEN_BYTES], uint32_t now_s)
{
	uint64_t value, where;
	struct sl_turn_reservation *e = find(r, token, now_s, &value, &where);

	return e &&
		atomic_compare_exchange_strong_explicit(&e->token, &value, 0, memory_order_acq_rel,
			memory_order_relaxed) &&
		sl_port_borrow(p, (unsigned)(where >> 48), (uint16_t)(where >> 32));
}

/* Owner: free what the entry holds, unless somebody redeems it at this moment. */
static void release(struct sl_turn_reservation *e, struct sl_relay_ports *p, uint64_t value, uint64_t where)
{
	if (atomic_compare_exchange_strong_explicit(&e->token, &value, 0, memory_order_acq_rel, memory_order_relaxed))
		sl_port_unreserve(p, (unsigned)(where >> 48), (uint16_t)(where >> 32));
}

void sl_turn_unreserve(struct sl_turn_reservations *r, struct sl_relay_ports *p,
        const uint8_t token[SL_RESERVATION_TOKEN_BYTES])
{
	uint64_t value, where;
	struct sl_turn_reservation *e = find(r, token, 0, &value, &where);

	if (e)
		release(e, p, value, where);
}

void sl_turn_reservations_expire(struct sl_turn_reservations *r, struct sl_relay_ports *p, uint32_t now_s)
{
	struct sl_turn_reservation *part = &r->entries[(size_t)p->worker * SL_RESERVATIONS_PER_WORKER];

	for (unsigned i = 0; i < SL_RESERVATIONS_PER_WORKER; i++) {
		uint64_t value = atomic_load_explicit(&part[i].token, memory_order_relaxed);
		uint64_t where = atomic_load_explicit(&part[i].where, memory_order_relaxed);
		if (value != 0 && expiry_of(where) <= now_s)
			release(&part[i], p, value, where);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/session/flow.h"
#include "dataplane/wire/siphash.h"

enum {
	PORTS = 65536,
	WORD_BITS = 64,
	WORDS_PER_BLOCK = SL_PORT_BLOCK / WORD_BITS,
	RANDOM_PROBES = 8,       /* before the scan: keeps drawn ports from clustering */
	SWEEP_BLOCKS = 4,        /* a call */
	MAX_RELAY = 64,
};
static const uint64_t EVEN_BITS = 0x5555555555555555;

static void *plain_zalloc(const char *what, size_t bytes)
{
	(void)what;
	return calloc(1, bytes);
}

int sl_port_shared_init(struct sl_port_shared *sh, unsigned n_workers, unsigned n_relay,
        void *(*zalloc)(const char *what, size_t bytes))
{
	size_t n = (size_t)n_relay * PORTS;

	sh->n_workers = n_workers;
	sh->n_relay = n_relay;
	sh->owner = (zalloc ? zalloc : plain_zalloc)("port owners", n);
	if (!sh->owner)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		atomic_init(&sh->owner[i], SL_PORT_BY_BLOCK);
	return 0;
}

static inline size_t index_of(unsigned relay, uint32_t port)
{
	return (size_t)relay * PORTS + port;
}

static inline uint64_t bit_of(uint32_t port)
{
	return UINT64_C(1) << (port % WORD_BITS);
}

static inline bool is_used(const struct sl_relay_ports *p, unsigned relay, uint32_t port)
{
	return p->used[index_of(relay, port) / WORD_BITS] & bit_of(port);
}

static bool is_ours(const struct sl_relay_ports *p, uint32_t port)
{
	return port >= p->min && port <= p->max &&
		(port >> SL_PORT_BLOCK_SHIFT) % p->shared->n_workers == p->worker;
}

static void mark_used(struct sl_relay_ports *p, unsigned relay, uint32_t port)
{
	p->used[index_of(relay, port) / WORD_BITS] |= bit_of(port);
	p->n_free[relay]--;
}

static void mark_free(struct sl_relay_ports *p, unsigned relay, uint32_t port)
{
	p->used[index_of(relay, port) / WORD_BITS] &= ~bit_of(port);
	p->n_free[relay]++;
}

static inline _Atomic uint8_t *owner_at(const struct sl_relay_ports *p, unsigned relay, uint32_t port)
{
	return &p->shared->owner[index_of(relay, port)];
}

int sl_relay_ports_init(struct sl_relay_ports *p, struct sl_port_shared *sh, unsigned worker, uint16_t min,
        uint16_t max, void *(*zalloc)(const char *what, size_t bytes))
{
	size_t n = (size_t)sh->n_relay * PORTS;

	memset(p, 0, sizeof *p);
	if (sh->n_relay > MAX_RELAY || min > max || min == 0)
		return -EINVAL;
	p->worker = worker;
	p->n_relay = sh->n_relay;
	p->min = min;
	p->max = max;
	p->shared = sh;
	p->alloc = (zalloc ? zalloc : plain_zalloc)("relay ports", n * sizeof *p->alloc);
	p->used = (zalloc ? zalloc : plain_zalloc)("used relay ports", n / 8);
	if (!p->alloc || !p->used)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		p->alloc[i] = SL_NONE;
	memset(p->used, 0xff, n / 8);
	for (unsigned relay = 0; relay < p->n_relay; relay++) {
		for (uint32_t port = min; port <= max; port++) {
			if (is_ours(p, port))
				mark_free(p, relay, port);
		}
	}
	uint32_t low = min >> SL_PORT_BLOCK_SHIFT, high = max >> SL_PORT_BLOCK_SHIFT;
	p->first_block = low + (worker + sh->n_workers - low % sh->n_workers) % sh->n_workers;
	p->n_blocks = p->first_block > high ? 0 : (high - p->first_block) / sh->n_workers + 1;
	return 0;
}

/* A port whose bit is clear may still be in other hands: another worker restored an allocation on it. Then its bit is
 * set here and it is not free. One that was returned meanwhile is taken back. */
static bool really_free(struct sl_relay_ports *p, unsigned relay, uint32_t port)
{
	_Atomic uint8_t *owner = owner_at(p, relay, port);
	uint8_t o = atomic_load_explicit(owner, memory_order_acquire);

	if (o == SL_PORT_BY_BLOCK)
		return true;
	if (o == SL_PORT_RETURNED) {
		atomic_store_explicit(owner, SL_PORT_BY_BLOCK, memory_order_release);
		return true;
	}
	mark_used(p, relay, port);
	p->n_lent++;
	return false;
}

/* Bits of word that begin a run of ports as wanted. */
static uint64_t candidates(uint64_t used, enum sl_port_want want)
{
	switch (want) {
	case SL_PORT_EVEN:
		return ~used & EVEN_BITS;
	case SL_PORT_PAIR:
		return ~used & ~used >> 1 & EVEN_BITS;
	default:
		return ~used;
	}
}

/* Take port (and the next, for a pair) if that is possible after all. */
static bool take(struct sl_relay_ports *p, unsigned relay, uint32_t port, enum sl_port_want want)
{
	if (!really_free(p, relay, port) || (want == SL_PORT_PAIR && !really_free(p, relay, port + 1)))
		return false;
	mark_used(p, relay, port);
	if (want == SL_PORT_PAIR)
		mark_used(p, relay, port + 1);
	return true;
}

/* Port number i of our blocks. */
static uint32_t own_port(const struct sl_relay_ports *p, uint32_t i)
{
	uint32_t block = p->first_block + i / SL_PORT_BLOCK * p->shared->n_workers;

	return block << SL_PORT_BLOCK_SHIFT | i % SL_PORT_BLOCK;
}

int sl_port_draw(struct sl_relay_ports *p, struct sl_prng *prng, unsigned relay, enum sl_port_want want)
{
	uint32_t n = p->n_blocks * SL_PORT_BLOCK;

	if (relay >= p->n_relay || p->n_free[relay] == 0 || n == 0)
		return -ENOSPC;
	for (int i = 0; i < RANDOM_PROBES; i++) {
		uint32_t port = own_port(p, (uint32_t)(sl_prng_next(prng) % n));
		uint64_t word = p->used[index_of(relay, port) / WORD_BITS];
		if ((candidates(word, want) & bit_of(port)) && take(p, relay, port, want))
			return (int)port;
	}
	uint32_t words = n / WORD_BITS, start = (uint32_t)(sl_prng_next(prng) % words);
	for (uint32_t i = 0; i < words; i++) {
		uint32_t first = own_port(p, (start + i) % words * WORD_BITS);
		const uint64_t *word = &p->used[index_of(relay, first) / WORD_BITS];
		uint64_t left;
		while ((left = candidates(*word, want)) != 0) {
			uint32_t port = first + (uint32_t)__builtin_ctzll(left);
			if (take(p, relay, port, want))
				return (int)port;
		}
	}
	return -ENOSPC;
}

bool sl_port_claim(struct sl_relay_ports *p, unsigned relay, uint16_t port)
{
	uint8_t free_value = SL_PORT_BY_BLOCK;

	if (relay >= p->n_relay || port < p->min || port > p->max)
		return false;
	if (is_ours(p, port) && is_used(p, relay, port))
		return false;
	/* Our own ports are lent to ourselves, so that the next worker that restores sees them taken. */
	if (!atomic_compare_exchange_strong_explicit(owner_at(p, relay, port), &free_value, (uint8_t)p->worker,
		    memory_order_acq_rel, memory_order_acquire))
		return false;
	if (is_ours(p, port)) {
		mark_used(p, relay, port);
		p->n_lent++;
	}
	return true;
}

void sl_port_give_back(struct sl_relay_ports *p, unsigned relay, uint16_t port)
{
	_Atomic uint8_t *owner = owner_at(p, relay, port);

	if (!is_ours(p, port)) {
		atomic_store_explicit(owner, SL_PORT_RETURNED, memory_order_release);
		return;
	}
	if (atomic_load_explicit(owner, memory_order_relaxed) != SL_PORT_BY_BLOCK) {
		atomic_store_explicit(owner, SL_PORT_BY_BLOCK, memory_order_release);
		p->n_lent--;
	}
	mark_free(p, relay, port);
}

void sl_port_reserve(struct sl_relay_ports *p, unsigned relay, uint16_t port)
{
	p->n_lent++;
	atomic_store_explicit(owner_at(p, relay, port), SL_PORT_RESERVED, memory_order_release);
}

static bool exchange_reserved(struct sl_relay_ports *p, unsigned relay, uint16_t port, uint8_t to)
{
	uint8_t reserved = SL_PORT_RESERVED;

	return relay < p->n_relay &&
		atomic_compare_exchange_strong_explicit(owner_at(p, relay, port), &reserved, to,
			memory_order_acq_rel, memory_order_acquire);
}

bool sl_port_unreserve(struct sl_relay_ports *p, unsigned relay, uint16_t port)
{
	if (!exchange_reserved(p, relay, port, SL_PORT_BY_BLOCK))
		return false;
	p->n_lent--;
	mark_free(p, relay, port);
	return true;
}

bool sl_port_borrow(struct sl_relay_ports *p, unsigned relay, uint16_t port)
{
	return exchange_reserved(p, relay, port, (uint8_t)p->worker);
}

void sl_ports_sweep(struct sl_relay_ports *p)
{
	for (unsigned i = 0; i < SWEEP_BLOCKS && p->n_lent > 0 && p->n_blocks > 0; i++) {
		uint32_t at = p->sweep_at++ % (p->n_blocks * p->n_relay);
		unsigned relay = at / p->n_blocks;
		uint32_t first = own_port(p, at % p->n_blocks * SL_PORT_BLOCK);
		for (uint32_t port = first; port < first + SL_PORT_BLOCK; port++) {
			_Atomic uint8_t *owner = owner_at(p, relay, port);
			if (atomic_load_explicit(owner, memory_order_acquire) != SL_PORT_RETURNED)
				continue;
			atomic_store_explicit(owner, SL_PORT_BY_BLOCK, memory_order_release);
			if (is_used(p, relay, port)) {
				p->n_lent--;
				mark_free(p, relay, port);
			}
		}
	}
}

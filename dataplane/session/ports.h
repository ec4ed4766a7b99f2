/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Relay ports of one worker: aligned power-of-two blocks of the relay range, drawn unpredictably, found by direct index.
 *
 * The range port_min..port_max is cut into blocks of SL_PORT_BLOCK aligned ports; block b belongs to worker
 * b % n_workers, so that a NIC rule needs only value and mask. A port may be lent to another worker (a reserved port
 * redeemed through a five-tuple that another worker owns; RFC 8656 7.2): sl_port_shared says to whom. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SL_PORT_BLOCK_SHIFT = 8, SL_PORT_BLOCK = 1 << SL_PORT_BLOCK_SHIFT };

enum { /* values of sl_port_shared.owner[]; smaller ones are worker numbers */
	SL_PORT_BY_BLOCK = 0xff,  /* the block's owner */
	SL_PORT_RETURNED = 0xfe,  /* borrower is done; the block's owner takes it back */
	SL_PORT_RESERVED = 0xfd,  /* EVEN-PORT reservation not redeemed yet */
};

/* Process-wide: one byte per relay address and port. Writers: the block's owner, except that whoever wins the exchange
 * from SL_PORT_RESERVED becomes the writer until it stores SL_PORT_RETURNED. Readers: all workers (acquire). */
struct sl_port_shared {
	unsigned n_workers, n_relay;
	_Atomic uint8_t *owner; /* [n_relay][65536] */
};

/* Who owns this relay port? port in host order. */
static inline unsigned sl_port_owner(const struct sl_port_shared *sh, unsigned relay, uint16_t port)
{
	uint8_t o = atomic_load_explicit(&sh->owner[(size_t)relay << 16 | port], memory_order_acquire);
	return o < SL_PORT_RESERVED ? o : (unsigned)(port >> SL_PORT_BLOCK_SHIFT) % sh->n_workers;
}

struct sl_relay_ports {
	uint32_t *alloc;    /* [n_relay][65536]: allocation on that port, SL_NONE if none */
	uint64_t *used;     /* bitmap of ports taken, same index / 64; ports of other workers' blocks are set */
	unsigned worker, n_relay;
	uint16_t min, max;
	struct sl_port_shared *shared;
	uint32_t n_free[64]; /* per relay address */
	uint32_t n_lent;     /* ports of our blocks that port_shared gives to somebody */
	uint32_t sweep_at;   /* next own block to look for returned ports in */
	uint32_t first_block, n_blocks; /* of this worker: first_block + k * n_workers, k < n_blocks */
};

enum sl_port_want {
	SL_PORT_ANY,
	SL_PORT_EVEN, /* EVEN-PORT without R (RFC 8656 7.2) */
	SL_PORT_PAIR, /* EVEN-PORT with R: an even port, and the next one taken as well */
};

struct sl_prng; /* dataplane/wire/siphash.h */

/* ---- ports.c; ports in host order; owner of p only, unless a line says otherwise ---- */

/* Memory of the node-wide table; start thread, once. 0 or -ENOMEM. zalloc NULL = calloc. */
int sl_port_shared_init(struct sl_port_shared *sh, unsigned n_workers, unsigned n_relay,
	void *(*zalloc)(const char *what, size_t bytes));
/* 0, -ENOMEM, or -EINVAL (range empty, more than 64 relay addresses). */
int sl_relay_ports_init(struct sl_relay_ports *p, struct sl_port_shared *sh, unsigned worker, uint16_t min,
	uint16_t max, void *(*zalloc)(const char *what, size_t bytes));
/* Draw a free port of our blocks, unpredictably, and mark it taken: the port, or -ENOSPC. */
int sl_port_draw(struct sl_relay_ports *p, struct sl_prng *prng, unsigned relay, enum sl_port_want want);
/* Take exactly this port for a restored allocation, whoever's block it is in: false when it is out of range or taken. */
bool sl_port_claim(struct sl_relay_ports *p, unsigned relay, uint16_t port);
/* Give a port back that was drawn, claimed or borrowed. */
void sl_port_give_back(struct sl_relay_ports *p, unsigned relay, uint16_t port);
/* Offer a taken port of ours to whoever redeems its reservation; withdraw the offer (true: the port is free again,
 * false: somebody was faster). */
void sl_port_reserve(struct sl_relay_ports *p, unsigned relay, uint16_t port);
bool sl_port_unreserve(struct sl_relay_ports *p, unsigned relay, uint16_t port);
/* Any worker: take over a reserved port. False when it is not reserved any more. */
bool sl_port_borrow(struct sl_relay_ports *p, unsigned relay, uint16_t port);
/* Take back ports that their borrowers returned: looks at a few blocks a call. */
void sl_ports_sweep(struct sl_relay_ports *p);

/* The allocation on a relay port, or SL_NONE. port in host order. */
static inline uint32_t sl_relay_find(const struct sl_relay_ports *p, unsigned relay, uint16_t port)
{
	return p->alloc[(size_t)relay << 16 | port];
}

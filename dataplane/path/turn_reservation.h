/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Ports held back by EVEN-PORT with R (RFC 8656 7.2) until somebody shows the token, 30 seconds pass, or the allocation that
 * was made with it ends. The five-tuple that
 * shows it may belong to another worker than the port's, so the table is the node's; each worker enters only in its
 * own part. Whoever exchanges an entry's token for 0 (redeemer or the owner) alone handles the port. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/session/ports.h"

enum { SL_RESERVATIONS_PER_WORKER = 256, SL_RESERVATION_S = 30, SL_RESERVATION_TOKEN_BYTES = 8 };

struct sl_turn_reservation {
	/* Writer: the part's worker while token is 0. Readers: all, before they exchange the token. */
	_Atomic uint64_t where;  /* relay address (16 bits), port (16), expiry in seconds (32) */
	_Atomic uint64_t token;  /* 0 = free. Worker and slot (16 bits), random (48) */
};

struct sl_turn_reservations {
	unsigned n_workers;
	struct sl_turn_reservation *entries; /* [n_workers][SL_RESERVATIONS_PER_WORKER] */
};

struct sl_prng; /* dataplane/wire/siphash.h */

/* 0 or -ENOMEM. zalloc: as sl_start_zalloc(). Start thread. */
int sl_turn_reservations_init(struct sl_turn_reservations *r, unsigned n_workers,
	void *(*zalloc)(const char *what, size_t bytes));
/* Reserve a port that p's worker has drawn; on success token is filled in. False when the worker's part is full. */
bool sl_turn_reserve(struct sl_turn_reservations *r, struct sl_relay_ports *p, struct sl_prng *prng, unsigned relay,
	uint16_t port, uint32_t now_s, uint8_t token[SL_RESERVATION_TOKEN_BYTES]);
/* Which relay address and port does token stand for? False for an unknown or expired one. Changes nothing. */
bool sl_turn_reservation_peek(const struct sl_turn_reservations *r, const uint8_t token[SL_RESERVATION_TOKEN_BYTES],
	uint32_t now_s, unsigned *relay, uint16_t *port);
/* Redeem it: p's worker has the port then. False when somebody was faster. */
bool sl_turn_redeem(struct sl_turn_reservations *r, struct sl_relay_ports *p,
	const uint8_t token[SL_RESERVATION_TOKEN_BYTES], uint32_t now_s);
/* Give up the reservation of a port that p's worker has drawn: the port is free again. No effect when the token is 0, or
 * was redeemed, or is over. */
void sl_turn_unreserve(struct sl_turn_reservations *r, struct sl_relay_ports *p,
	const uint8_t token[SL_RESERVATION_TOKEN_BYTES]);
/* Free what has expired in p's worker's part. */
void sl_turn_reservations_expire(struct sl_turn_reservations *r, struct sl_relay_ports *p, uint32_t now_s);

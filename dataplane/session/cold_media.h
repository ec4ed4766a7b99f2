/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Cold records of media legs: in the same keeper's memory as those of allocations (cold.h), never handed to a client.
 * Legs come back by the control plane's replay (ports, keys, routes); here is what it does not know: learned addresses,
 * where each SSRC's index stands, and how far outgoing indices are reserved.
 *
 * Outgoing indices: everything below `reserved` may have been used; a restarted worker goes on at `reserved`, so no
 * index is ever used twice under one key. Incoming: a restored window counts everything up to `top` as seen.
 *
 * Writer: the owning worker. Words are stored in place (relaxed) except `reserved`, which is stored (release) before the
 * first index it allows is used; `valid` is stored last (release) when a record is made. */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

struct sl_cold_leg {
	_Atomic uint64_t valid; /* the leg's id; 0 = free or being written */
	uint16_t rtp_port;
	uint8_t address;
	uint8_t locked;
	uint16_t rtp_port_be, rtcp_port_be; /* learned remote */
	struct sl_ip rtp_ip, rtcp_ip;
	uint32_t rx_ssrc, tx_ssrc;
	uint64_t rx_top;                /* index; UINT64_MAX = none yet */
	_Atomic uint64_t tx_reserved;   /* of tx_ssrc; 0 = none sent */
	uint64_t key_in_print[2], key_out_print; /* what the indices belong to */
	uint32_t rtcp_top;
	_Atomic uint32_t rtcp_reserved;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint32_t tx_in_ssrc, tx_ts_offset;
	uint16_t tx_seq_offset;
	uint8_t pad[6];
};
_Static_assert(sizeof(struct sl_cold_leg) <= 192, "three cache lines");

/* A parked stream of a secure leg. */
struct sl_cold_stream {
	_Atomic uint64_t valid;         /* the leg's id */
	uint32_t ssrc, leg;             /* leg: index in the same share */
	uint32_t tx;
	uint32_t pad;
	_Atomic uint64_t index;         /* tx: reserved; rx: top */
	uint64_t print;
};

#define SL_COLD_MEDIA_MAGIC UINT64_C(0x314d444c4f434c53)

struct sl_cold_media {
	uint64_t magic;
	uint32_t layout;                /* sizes of the records: another build's are not read */
	uint32_t reserved;
	uint32_t n_legs, n_streams;     /* node-wide; worker w has the w-th even share */
	struct sl_siphash_key print_key;
	/* followed by sl_cold_leg[n_legs], sl_cold_stream[n_streams], 64-byte aligned */
};

struct sl_cold_media_view {
	struct sl_cold_leg *legs;       /* [share]; index = the leg's */
	struct sl_cold_stream *streams; /* [share]; index = the stream's */
};

/* Bytes of it all, a multiple of 64. */
size_t sl_cold_media_size(uint32_t n_legs, uint32_t n_streams);
/* Keeper: lay out fresh zeroed memory, 64-byte aligned; the key is filled from getrandom. 0 or negative errno. */
int sl_cold_media_create(void *mem, uint32_t n_legs, uint32_t n_streams);
/* Working half: does what lies here fit this build and these capacities? 0 or -EPROTO. */
int sl_cold_media_check(const struct sl_cold_media *c, size_t bytes, uint32_t n_legs, uint32_t n_streams);
/* This worker's share, n_legs / n_workers and n_streams / n_workers records. That the memory was not shared by another
 * number of workers before, sl_cold_prepare() says for both. */
struct sl_cold_media_view sl_cold_media_view(struct sl_cold_media *c, unsigned worker, unsigned n_workers);

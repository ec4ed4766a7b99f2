/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Cold records: what an allocation needs to live on when the working half dies. They lie in a memfd of the keeper that
 * nobody else ever maps (they hold keys), written by the owning worker when something changes, read back once at start.
 *
 * A record is written invalid, filled, then marked valid (release), so that a crash in the middle of a change loses at
 * most that record; single-word fields (expiries) are stored in place. At start each record is copied and every field
 * checked; what does not check is dropped and counted, never repaired.
 *
 * Times are CLOCK_MONOTONIC seconds, so they hold across processes. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

enum {
	SL_COLD_VERSION = 4,
	SL_COLD_USERNAME_MAX = 64,
	SL_COLD_MAX_LOCALS = 256, /* more than there are listeners and relay addresses */
	SL_COLD_NO_LOCAL = 0xffff,
};
#define SL_COLD_MAGIC UINT64_C(0x31444c4f434c53ff)

/* Who an allocation belongs to (RFC 8656 7.2: later requests must use the same credentials). */
struct sl_cold_auth {
	uint64_t username_hash;  /* keyed hash of the whole user name: what is compared */
	uint64_t quota_hash;     /* of the name without the expiry of REST credentials: what the user quota counts */
	uint32_t realm_tag;      /* the user is one of this realm: what it is found by when indexes have changed (path/turn_conf.h), */
	uint8_t realm;           /* and its index when this was written */
	uint8_t flags;           /* SL_ALLOC_IS_* */
	uint8_t username_len;    /* of what is kept for display and accounting */
	uint8_t key_len : 7;     /* 16 or 32; 20 of some access tokens (RFC 7635) */
	uint8_t sha256 : 1;      /* integrity by MESSAGE-INTEGRITY-SHA256 */
	uint8_t key[32];
	char username[SL_COLD_USERNAME_MAX]; /* cut to fit, not terminated */
};

struct sl_cold_alloc {
	_Atomic uint32_t valid; /* 0 = free or being written; else the slot's generation + 1 */
	uint32_t expires_s, created_s;
	uint32_t moves;           /* which of its mobility tickets is the last one (RFC 8016) */
	uint16_t client_port_be, relay_port_be;
	uint16_t relay2_port_be;  /* 0 = there is no second relayed address */
	uint16_t server, relay, relay2; /* numbers in struct sl_cold_locals; relay2: SL_COLD_NO_LOCAL = none */
	uint8_t allocate_tid[12]; /* of the Allocate that made it: a retransmission is answered alike */
	struct sl_ip client;
	uint8_t reservation_token[8]; /* given with it, zero if none */
	uint64_t to_peer_bytes, to_client_bytes; /* as they were some seconds ago; each word is stored in place */
	uint32_t to_peer_packets_lo, to_client_packets_lo;
	uint16_t to_peer_packets_hi, to_client_packets_hi;
	uint8_t over; /* enum sl_turn_transport: a stream client's connection dies with the process, and so does its allocation, unless it is mobile */
	uint8_t pad[3];
	struct sl_cold_auth auth;
};
_Static_assert(sizeof(struct sl_cold_alloc) == 216, "what an allocation takes is promised: see README.md");

struct sl_cold_peer {
	_Atomic uint32_t valid; /* 0 = free or being written; else the allocation's generation + 1 */
	uint32_t alloc;         /* index of the allocation's record in the worker's share */
	uint32_t permission_expires_s, channel_expires_s;
	uint8_t ip[16]; /* as in sl_ip, which would be padded */
	uint16_t port_be, channel;
};
_Static_assert(sizeof(struct sl_cold_peer) == 36, "and a peer");

/* Addresses of the node that records name by number: listeners, and relay addresses (port 0). Entries are appended and never change, since records of a
 * process that has died may name them. Writer: the start thread. Readers: owners, of numbers noted at start. */
struct sl_cold_locals {
	uint32_t n;
	struct sl_endpoint at[SL_COLD_MAX_LOCALS];
};

struct sl_cold {
	uint64_t magic;
	uint32_t version;
	uint32_t layout; /* sizes of the records: another build's records are not read */
	uint32_t n_allocs, n_peers; /* node-wide; worker w has the w-th even share of each */
	uint32_t n_workers;         /* that share the records; 0 = never written */
	uint32_t reserved;
	uint64_t size_bytes;
	struct sl_siphash_key nonce_key; /* nonces stay good across a restart */
	struct sl_siphash_key user_key;  /* for username_hash */
	uint8_t toeplitz_key[52];        /* keyed steering of client flows, the same after a restart */
	uint8_t hash_key[32];
	uint32_t crashes;                /* restarts of the working half */
	struct sl_cold_locals locals;
	/* followed by sl_cold_alloc[n_allocs], sl_cold_peer[n_peers], each 64-byte aligned */
};

/* One worker's share. */
struct sl_cold_view {
	struct sl_cold_alloc *allocs;
	struct sl_cold_peer *peers;
};

size_t sl_cold_size(uint32_t n_allocs, uint32_t n_peers);
/* Keeper: lay out fresh zeroed memory of sl_cold_size() bytes; keys are filled from getrandom. 0 or negative errno. */
int sl_cold_create(void *mem, uint32_t n_allocs, uint32_t n_peers);
/* Working half: does what lies here fit this build and these capacities? 0 or -EPROTO. */
int sl_cold_check(const struct sl_cold *c, size_t bytes, uint32_t n_allocs, uint32_t n_peers);
/* This worker's share, n_allocs / n_workers and n_peers / n_workers records. sl_cold_peer.alloc counts within it. */
struct sl_cold_view sl_cold_view(struct sl_cold *c, unsigned worker, unsigned n_workers);

/* Start thread, once after sl_cold_check and before the first sl_sessions_init: note on fresh memory how many workers share
 * it. 0, or -EPROTO when it was shared by another number: a keeper's memory is for one number, a change of it needs a new
 * keeper. */
int sl_cold_prepare(struct sl_cold *c, unsigned n_workers);

/* The number of a local address, which is entered where it is new. SL_COLD_NO_LOCAL: there is no room, and what is recorded with that is not taken up again. */
uint16_t sl_cold_local(struct sl_cold_locals *t, const struct sl_endpoint *local);
/* The local address that a record names, believed or not; false: there is none of that number. */
bool sl_cold_local_at(const struct sl_cold_locals *t, uint16_t number, struct sl_endpoint *out);

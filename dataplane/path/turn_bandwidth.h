/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Bandwidth of TURN's users, realms and of the node, across workers. A hard limit is a token bucket with a second's worth of burst: of a realm and of the
 * node workers take some milliseconds' worth at a time, so that a packet costs no atomic operation; a user's is one word in a fixed table of users that
 * had traffic of late. A soft limit is what a second's average is compared with: passing it, and falling below it again, is told at most once in 10 s.
 *
 * Time is an argument. While no limit is set packets touch nothing here. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/path/turn_conf.h"

struct sl_turn_bandwidths;       /* shared by all workers */
struct sl_turn_bandwidth_worker; /* what one worker has in hand */

/* Room for the users of n_allocations. 0 or -ENOMEM. zalloc: as sl_start_zalloc(). Start thread. Memory: 16 bytes an allocation, and 80 KB a worker. */
int sl_turn_bandwidths_init(struct sl_turn_bandwidths **out, uint32_t n_allocations, void *(*zalloc)(const char *what, size_t bytes));
/* tell: posts an event; from this worker's thread. NULL without memory. */
struct sl_turn_bandwidth_worker *sl_turn_bandwidth_worker_new(struct sl_turn_bandwidths *shared, unsigned worker,
	void (*tell)(void *ctx, const struct sl_evt_turn_quota *e), void *ctx, void *(*zalloc)(const char *what, size_t bytes));

/* What a user's bandwidth goes by: 32 bits of the hash that quotas count. Never 0. Two users who are alike in them share a bucket. */
static inline uint32_t sl_turn_bandwidth_user(uint64_t quota_hash)
{
	uint32_t user = (uint32_t)(quota_hash >> 32);
	return user ? user : 1;
}

struct sl_turn_traffic {
	uint32_t user;        /* sl_turn_bandwidth_user() */
	uint16_t realm;       /* index, or SL_TURN_ANY_REALM: no limit of a realm holds */
	uint8_t direction;    /* 0 from the client to peers, 1 to the client */
	uint8_t username_len;
	const char *username; /* for events, cut to fit */
	uint32_t len;         /* bytes of application data */
};
/* May it pass? False: the user, realm or node is beyond its hard limit. */
bool sl_turn_bandwidth_take(struct sl_turn_bandwidth_worker *b, const struct sl_turn_conf *c, const struct sl_turn_traffic *t, uint64_t now_us);
/* Each millisecond, with limits or without: averages of realms and the node, users who fell silent; who was told to be over a limit that is gone is told
 * to be below 0 of it. */
void sl_turn_bandwidth_tick(struct sl_turn_bandwidth_worker *b, const struct sl_turn_conf *c, uint64_t now_us);

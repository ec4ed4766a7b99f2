/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* How a table of users lies in memory, for who makes it (dataplane/turn_users_build.c) and who looks into it (turn_users.c). */

#include <string.h>

#include "dataplane/path/turn_users.h"

enum { SL_USERS_BY_NAME, SL_USERS_BY_HASH, SL_USERS_N_INDEXES };
enum { SL_USERS_SHARD_SHIFT = 54 };
_Static_assert(UINT64_MAX >> SL_USERS_SHARD_SHIFT == SL_TURN_USER_SHARDS - 1, "a hash's top bits choose the shard");

/* A user; its refs: shards that hold it. */
struct sl_turn_user_record {
	_Atomic uint32_t refs;
	uint64_t hash[SL_USERS_N_INDEXES];
	struct sl_turn_user user;
	char name[];
};

/* Open addressing, at most half full, entries closed up when one goes; its refs: tables that hold it. */
struct sl_turn_user_shard {
	_Atomic uint32_t refs;
	uint32_t n, mask;
	struct sl_turn_user_record *slots[];
};

static inline uint64_t sl_turn_users_hash_name(const struct sl_siphash_key *key, unsigned realm, const void *name, unsigned len)
{
	uint8_t of[2 + SL_MSG_USERNAME_MAX];

	of[0] = (uint8_t)realm;
	of[1] = (uint8_t)(realm >> 8);
	memcpy(of + 2, name, len);
	return sl_siphash(key, of, 2 + len);
}

static inline uint64_t sl_turn_users_hash_userhash(const struct sl_siphash_key *key, const uint8_t userhash[32])
{
	return sl_siphash(key, userhash, 32);
}

/* The record of this name, or NULL. */
struct sl_turn_user_record *sl_turn_users_find(const struct sl_turn_users *u, unsigned realm, const void *name, unsigned len);

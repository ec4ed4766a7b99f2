/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Static users as snapshots share them. A table is two indexes (by name, by userhash) of fixed numbers of shards; users and shards are counted
 * references and do not change once a second table has them. So a change of one user among a million copies two shards, and the rest is the same memory
 * in the old snapshot and the new one. Writer: housekeeper. Readers: workers, of frozen tables. Freed by any thread. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/path/turn_conf.h"

enum { SL_TURN_USER_SHARDS = 1024 };

struct sl_turn_user_shard;
struct sl_turn_users {
	_Atomic uint32_t refs;
	uint32_t n;
	struct sl_siphash_key key;
	struct sl_turn_user_shard *by_name[SL_TURN_USER_SHARDS], *by_hash[SL_TURN_USER_SHARDS]; /* NULL = empty */
};

/* An empty table, held once; NULL without memory. */
struct sl_turn_users *sl_turn_users_new(const struct sl_siphash_key *key);
/* The same users in a table that may be changed by itself. NULL without memory. */
struct sl_turn_users *sl_turn_users_clone(const struct sl_turn_users *u);
/* The same, with realms renumbered: to[i] is the new index of realm i, or SL_TURN_ANY_REALM: its users are left out. */
struct sl_turn_users *sl_turn_users_renumbered(const struct sl_turn_users *u, const uint16_t to[SL_TURN_MAX_REALMS]);
struct sl_turn_users *sl_turn_users_hold(struct sl_turn_users *u);
void sl_turn_users_release(struct sl_turn_users *u); /* NULL is fine */

/* Of a table that is held once. 0, or -ENOMEM with nothing changed. */
int sl_turn_users_set(struct sl_turn_users *u, const struct sl_cmd_user *cmd);
/* 0, -ENOENT, or -ENOMEM with nothing changed. */
int sl_turn_users_delete(struct sl_turn_users *u, const struct sl_cmd_user *cmd);

const struct sl_turn_user *sl_turn_users_by_name(const struct sl_turn_users *u, unsigned realm, const void *name, unsigned len);
const struct sl_turn_user *sl_turn_users_by_hash(const struct sl_turn_users *u, unsigned realm, const uint8_t hash[32]);

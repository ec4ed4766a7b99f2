/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Who may only be relayed: prefixes and accounts. The housekeeper keeps a list that changes one entry at a time; workers look into a frozen set made
 * from it. Accounts are kept as keyed hashes of 64 bits of realm and name, not as names. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/path/turn_conf.h"

/* ---- the list: housekeeper ---- */
struct sl_turn_restricted_list;
struct sl_turn_restricted_list *sl_turn_restricted_list_new(const struct sl_siphash_key *key);
void sl_turn_restricted_list_free(struct sl_turn_restricted_list *l);
/* Add, or with cmd->remove take out. 0 (what is there already may be added again), -ENOENT, -ENOSPC beyond SL_TURN_MAX_RESTRICTED, -ENOMEM. */
int sl_turn_restricted_change(struct sl_turn_restricted_list *l, const struct sl_cmd_restricted *cmd);

/* ---- the set ---- */
struct sl_turn_restricted;
/* Held once; an empty list gives NULL, which restricts nobody. False without memory. */
bool sl_turn_restricted_freeze(const struct sl_turn_restricted_list *l, struct sl_turn_restricted **out);
struct sl_turn_restricted *sl_turn_restricted_hold(struct sl_turn_restricted *r);
void sl_turn_restricted_release(struct sl_turn_restricted *r);
bool sl_turn_restricted_has(const struct sl_turn_restricted *r, const struct sl_ip *ip, unsigned realm, const void *name, unsigned len);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the files of the snapshot share: its layout, which others see only through turn_conf.h. */

#include "dataplane/path/turn_conf.h"

struct sl_turn_conf {
	struct sl_cmd_turn settings;
	unsigned n_secrets;
	struct sl_cmd_secret secrets[SL_TURN_MAX_SECRETS];
	uint64_t policy; /* snapshots with equal rules have the same number */
	unsigned n_rules;
	struct sl_cmd_peer_rule rules[SL_TURN_MAX_PEER_RULES];

	uint32_t n_users;
	struct sl_turn_user *users;
	char *names;          /* of the users, end to end */
	size_t names_bytes;
	/* Open addressing, at most half full: index into users + 1, 0 = empty. */
	uint32_t *by_name, *by_hash;
	uint32_t mask;
	struct sl_siphash_key key;
};

/* Where a name, or a userhash, is looked for first. */
static inline uint32_t sl_turn_conf_slot(const struct sl_turn_conf *c, const void *p, size_t len)
{
	return (uint32_t)sl_siphash(&c->key, p, len) & c->mask;
}

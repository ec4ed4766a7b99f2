/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* How the set of who is restricted lies in memory, for who makes it (dataplane/turn_restricted_build.c) and who looks into it (turn_restricted.c). */

#include <stdatomic.h>
#include <string.h>

#include "dataplane/guard/prefixes.h"
#include "dataplane/path/turn_restricted.h"

struct sl_turn_restricted {
	_Atomic uint32_t refs;
	struct sl_siphash_key key;
	struct sl_prefixes *prefixes; /* restricted ones as denied; NULL = none */
	uint32_t n_accounts, mask;
	uint64_t *accounts; /* open addressing, at most half full, 0 = empty */
};

static inline uint64_t sl_turn_restricted_account(const struct sl_siphash_key *key, unsigned realm, const void *name, unsigned len)
{
	uint8_t of[2 + SL_MSG_USERNAME_MAX];

	of[0] = (uint8_t)realm;
	of[1] = (uint8_t)(realm >> 8);
	memcpy(of + 2, name, len);
	uint64_t h = sl_siphash(key, of, 2 + len);
	return h ? h : 1;
}

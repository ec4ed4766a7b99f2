/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Guessing of passwords is slowed: wrong credentials are counted for the user they name; beyond the limit he is refused for a while.
 * (Sources that guess are banned by their reputation: guard/warden.h.) Fixed memory: when many users are attacked, the one attacked least
 * is forgotten. Owner: the brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/siphash.h"

enum { SL_LOCKOUT_WAYS = 8 };

struct sl_lockout_entry {
	uint64_t key;            /* 0 = free */
	int64_t since_ms;        /* begin of the window */
	int64_t blocked_until_ms; /* 0 = not */
	int64_t answered_ms;     /* the last refusal that was answered */
	unsigned failures;
};
struct sl_lockout {
	struct sl_siphash_key hash_key;
	size_t mask;
	struct sl_lockout_entry (*sets)[SL_LOCKOUT_WAYS];
};
struct sl_lockout_limits {
	unsigned failures; /* 0 = nobody is ever blocked */
	unsigned window_s, block_s;
};

/* sets: a power of two. 0 or -ENOMEM. */
int sl_lockout_init(struct sl_lockout *g, size_t sets);
void sl_lockout_free(struct sl_lockout *g);

uint64_t sl_lockout_user(const struct sl_lockout *g, const char *name, size_t name_len, const char *domain);
/* Seconds that it is still blocked, 0 = it is not. *answer: one refusal a second is answered, the others are dropped. */
unsigned sl_lockout_blocked(struct sl_lockout *g, uint64_t key, int64_t now_ms, bool *answer);
/* A failure. True: with this one it is blocked. */
bool sl_lockout_failed(struct sl_lockout *g, uint64_t key, const struct sl_lockout_limits *limits, int64_t now_ms);
/* The right password: what was counted is forgotten (not a block). */
void sl_lockout_passed(struct sl_lockout *g, uint64_t key);

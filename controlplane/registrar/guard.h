/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Guessing of passwords is slowed: wrong credentials are counted for their source (an IPv4 address, a /64 of IPv6) and for the user they name;
 * beyond the limit the source or the user is refused for a while. Fixed memory: when many attack, who has done least is forgotten.
 * Owner: the brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

enum { SL_GUARD_WAYS = 8 };

struct sl_guard_entry {
	uint64_t key;            /* 0 = free */
	int64_t since_ms;        /* begin of the window */
	int64_t blocked_until_ms; /* 0 = not */
	int64_t answered_ms;     /* the last refusal that was answered */
	unsigned failures;
};
struct sl_guard {
	struct sl_siphash_key hash_key;
	size_t mask;
	struct sl_guard_entry (*sets)[SL_GUARD_WAYS];
};
struct sl_guard_limits {
	unsigned failures; /* 0 = nobody is ever blocked */
	unsigned window_s, block_s;
};

/* sets: a power of two. 0 or -ENOMEM. */
int sl_guard_init(struct sl_guard *g, size_t sets);
void sl_guard_free(struct sl_guard *g);

uint64_t sl_guard_source(const struct sl_guard *g, const struct sl_ip *ip);
uint64_t sl_guard_user(const struct sl_guard *g, const char *name, size_t name_len, const char *domain);
/* Seconds that it is still blocked, 0 = it is not. *answer: one refusal a second is answered, the others are dropped. */
unsigned sl_guard_blocked(struct sl_guard *g, uint64_t key, int64_t now_ms, bool *answer);
/* A failure. True: with this one it is blocked. */
bool sl_guard_failed(struct sl_guard *g, uint64_t key, const struct sl_guard_limits *limits, int64_t now_ms);
/* The right password: what was counted is forgotten (not a block). */
void sl_guard_passed(struct sl_guard *g, uint64_t key);

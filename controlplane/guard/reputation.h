/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What sources have done, in points that halve with time. Fixed memory, keyed: eight ways; in a full set whoever has done least gives way,
 * so the worst are never forgotten. A source that has more points than the limit is banned, each time for twice as long. What anybody can
 * do in another's name (a datagram that is malformed, a flood) brings nobody beyond half of the limit by itself: nobody is banned by forged
 * packets alone. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/msg_guard.h"
#include "dataplane/wire/siphash.h"

enum { SL_REPUTATION_WAYS = 8, SL_REPUTATION_SETS = 4096, SL_REPUTATION_BANS_MAX = 16 };

struct sl_reputation_entry {
	struct sl_ip ip;                /* IPv6: its /64 */
	float proven, forgeable;        /* points as of last_ms */
	uint32_t seen[SL_GUARD_N_SIGNALS]; /* all 0 = free */
	uint32_t bans;                  /* lately: one is forgotten for each ban_max_s without another */
	int64_t last_ms;                /* 0 = free */
	int64_t calm_ms;                /* from when on it is without one */
	int64_t answered_ms;            /* the last refusal that was answered */
};
struct sl_reputation {
	struct sl_siphash_key key;
	size_t mask;
	struct sl_reputation_entry (*sets)[SL_REPUTATION_WAYS];
};
struct sl_reputation_limits {
	unsigned ban; /* points; 0 = nobody is ever banned */
	unsigned half_life_s, ban_s, ban_max_s;
	unsigned weight[SL_GUARD_N_SIGNALS];
};

/* sets: a power of two. 0 or -ENOMEM. */
int sl_reputation_init(struct sl_reputation *r, size_t sets, const struct sl_siphash_key *key);
void sl_reputation_free(struct sl_reputation *r);
/* n things were seen. proven: nobody else can have sent them (a stream, a nonce that was given to that address). Seconds for which the
 * source is to be banned from now on; 0 = it is not. */
unsigned sl_reputation_note(struct sl_reputation *r, const struct sl_reputation_limits *l, const struct sl_ip *ip, enum sl_guard_signal what, unsigned n,
	bool proven, int64_t now_ms);
/* NULL = nothing is known. */
struct sl_reputation_entry *sl_reputation_find(const struct sl_reputation *r, const struct sl_ip *ip);
/* The source was banned before we were there, so many times. */
void sl_reputation_seed(struct sl_reputation *r, const struct sl_reputation_limits *l, const struct sl_ip *ip, unsigned bans, int64_t calm_ms,
	int64_t now_ms);
/* Points now. */
unsigned sl_reputation_score(const struct sl_reputation_limits *l, const struct sl_reputation_entry *e, int64_t now_ms);
unsigned sl_reputation_bans(const struct sl_reputation_limits *l, const struct sl_reputation_entry *e, int64_t now_ms);

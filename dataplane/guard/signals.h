/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What one worker has seen of sources since it told last: a small table, eight ways, where who has done least gives way. Owner: the worker. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/guard/hash.h"

enum { SL_SIGNALS_SETS = 32, SL_SIGNALS_WAYS = 8, SL_SIGNALS_MS = 500 };

struct sl_signals {
	struct sl_hash_key key;
	struct {
		struct sl_ip ip;
		uint16_t count[SL_GUARD_N_SIGNALS];
		uint16_t sum; /* 0 = free */
	} e[SL_SIGNALS_SETS][SL_SIGNALS_WAYS];
	unsigned at; /* where the next message is taken from */
	uint64_t last_ms;
	uint32_t n;
};

/* ip is counted as it is for IPv4 and by its /64 for IPv6. */
void sl_signals_note(struct sl_signals *s, const struct sl_ip *ip, enum sl_guard_signal what);
/* A round begins at most every SL_SIGNALS_MS and lasts for as long as now_ms is the same: fill *out with up to SL_GUARD_SIGNALS_PER_MSG sources, those who
 * did most, and forget them. Who did little grows until it is his turn. out->worker is the caller's. False: nothing (more) to tell now. */
bool sl_signals_tell(struct sl_signals *s, uint64_t now_ms, struct sl_evt_guard_signals *out);

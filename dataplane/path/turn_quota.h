/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Allocations per user across workers, and in a table of its own per source address and prefix (turn_guard.c): a fixed table of
 * one-word counters, looked at in a bounded number of places. Writers and readers: all workers (compare and exchange, relaxed:
 * each word stands for itself). When two workers count the same new user in the same instant, the user may get a second word and
 * so up to twice the quota until both go. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_turn_quota {
	_Atomic uint64_t *words; /* fingerprint (40 bits) and count (24); 0 = free */
	uint32_t mask;
};

/* Room for n users with allocations at about half load. 0 or -ENOMEM. zalloc: as sl_start_zalloc(). Start thread. */
int sl_turn_quota_init(struct sl_turn_quota *q, uint32_t n, void *(*zalloc)(const char *what, size_t bytes));
/* Count one allocation of the user: false when it already has max (0 = no limit), or when there is a limit and no room
 * to count. */
bool sl_turn_quota_take(struct sl_turn_quota *q, uint64_t quota_hash, uint32_t max);
void sl_turn_quota_give(struct sl_turn_quota *q, uint64_t quota_hash);
uint32_t sl_turn_quota_count(const struct sl_turn_quota *q, uint64_t quota_hash);

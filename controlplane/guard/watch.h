/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Who is over a limit now, as the workers tell it. Fixed memory: eight ways, the one heard of longest ago gives way. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/guard/warden.h"
#include "dataplane/wire/siphash.h"

enum {
	SL_WATCH_SETS = 512,
	SL_WATCH_WAYS = 8,
	SL_WATCH_MS = 60000, /* nothing was heard for so long: it has gone, and nobody told */
};

struct sl_watch_entry {
	struct sl_warden_over over; /* last_ms 0 = free */
	uint64_t workers;           /* bit: it is over there */
};
struct sl_watch {
	struct sl_siphash_key key;
	struct sl_watch_entry (*sets)[SL_WATCH_WAYS];
	/* How many there are of each class and level whose action is the control plane's; all zero: nobody need be looked up. */
	unsigned n_marked[SL_GUARD_N_CLASSES][SL_GUARD_TOTAL + 1], n_marked_all;
	size_t swept;
};

int sl_watch_init(struct sl_watch *w, const struct sl_siphash_key *key);
void sl_watch_free(struct sl_watch *w);
void sl_watch_clear(struct sl_watch *w); /* the dataplane has gone, or the rules are others */
enum sl_watch_news { SL_WATCH_NOTHING, SL_WATCH_BEGUN, SL_WATCH_ENDED };
/* *seconds: how long it had been over, when it ended. */
enum sl_watch_news sl_watch_event(struct sl_watch *w, const struct sl_evt_guard_source *e, int64_t now_ms, unsigned *seconds);
/* The action of the strictest rule that a SIP source exceeds by itself, with its prefix or with everybody; SL_GUARD_DO_LIMIT = none of the
 * control plane's. */
unsigned sl_watch_action(const struct sl_watch *w, const struct sl_ip *ip, uint16_t listener, enum sl_guard_class class, int64_t now_ms);
void sl_watch_sweep(struct sl_watch *w, int64_t now_ms); /* a few sets at a time */
size_t sl_watch_list(const struct sl_watch *w, struct sl_warden_over *out, size_t n, int64_t now_ms);

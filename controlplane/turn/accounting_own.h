/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Of accounting.c, accounting_queue.c and accounting_list.c: the brain's thread. */

#include "controlplane/report/row_list.h"
#include "controlplane/turn/accounting_internal.h"
#include "controlplane/turn/accounting_open.h"

struct sl_accounting {
	struct sl_accounting_options o;
	struct sl_conf_accounting conf; /* texts are the hook's and Redis's */
	bool on;                        /* there is a destination */
	bool leaving;
	bool unsure;                    /* what runs is not known before the next listing */
	int64_t now_ms, now_unix_ms;    /* of the last tick */

	struct sl_turn_opens opens;
	size_t cursor;                  /* of the round of interim records */
	int64_t next_round_ms;

	struct sl_turn_record *first, **last; /* for the store, oldest first */
	size_t n_queued, n_under_way;
	bool under_way;                 /* some are the store's */
	unsigned retry_ms;              /* 0 = the last commit did not fail */
	int64_t retry_at_ms;
	struct sl_row_expiry expiry;
	size_t spooled;

	struct sl_turn_hook *hook;      /* NULL = no webhook */
	struct sl_turn_redis *redis;    /* NULL = none */
	char *redis_connect;            /* that it was made with */
	struct sl_accounting_counts counts;
};

/* accounting_queue.c: r is given away. */
void sl_turn_queue(struct sl_accounting *a, struct sl_turn_record *r);
void sl_turn_queue_tick(struct sl_accounting *a);
void sl_turn_tell_redis(struct sl_accounting *a, struct sl_turn_record *r);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Accounting of TURN: each allocation has one record, which starts with it, is brought up to date while it lives (interim) and ends with
 * it. Records lie in control.database; what becomes of them goes to a webhook and to Redis too. A record that is open outlives us: what
 * runs is found again, what has ended meanwhile is closed with its last known counts and the end "unknown". The brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/call/id.h"
#include "controlplane/dp/table.h"
#include "controlplane/mailbox.h"
#include "controlplane/store/store.h"

#define SL_ID_TURN_RECORD "TR"

enum {
	SL_ACCOUNTING_QUEUE_MAX = 65536,  /* changes that wait for the store; what comes then is not recorded, and counted */
	SL_ACCOUNTING_SPOOL_MAX = 200000, /* that wait for the webhook, kept in the database */
	SL_ACCOUNTING_REDIS_MAX = 32768,  /* that wait for Redis, a power of two */
	SL_ACCOUNTING_LIST_MAX = 10000,
};

struct sl_accounting;

struct sl_accounting_options {
	const struct sl_conf_accounting *conf; /* copied */
	struct sl_store *store;
	struct sl_mailbox *brain;
	const struct sl_table *(*table)(void *ctx); /* what the dataplane has */
	/* Ask workers for all that they have, with fresh counts; sl_accounting_listed() follows. */
	void (*refresh)(void *ctx);
	const char *(*realm)(void *ctx, unsigned index); /* never NULL */
	void *ctx;
};

/* Reads what was open, in the calling thread, before anything was submitted to the store. NULL with text. */
struct sl_accounting *sl_accounting_new(const struct sl_accounting_options *o, char *text, size_t text_len);
/* What waits is given to the store, and its threads end; before the store is closed. NULL is fine here and below. */
void sl_accounting_leave(struct sl_accounting *a);
void sl_accounting_free(struct sl_accounting *a); /* after the store is closed */
void sl_accounting_reconfigure(struct sl_accounting *a, const struct sl_conf_accounting *conf);
void sl_accounting_tick(struct sl_accounting *a, int64_t now_ms, int64_t now_unix_ms); /* each 50 ms */

bool sl_accounting_is_on(const struct sl_accounting *a); /* there is a destination */

/* As struct sl_dp_turn_ops has them, while this control plane provisions TURN. Before it does so, and while it stands by, nothing is told
 * but detached; afterwards refresh is asked for. */
void sl_accounting_event(struct sl_accounting *a, const struct sl_evt_allocation *e);
void sl_accounting_vanished(struct sl_accounting *a, const struct sl_allocation *last);
void sl_accounting_listed(struct sl_accounting *a);
void sl_accounting_detached(struct sl_accounting *a);

/* X(NAME, what it counts) */
#define SL_ACCOUNTING_COUNTERS(X)                                                                        \
	X(starts, "records begun")                                                                       \
	X(interims, "records brought up to date")                                                        \
	X(stops, "records ended")                                                                        \
	X(unknown_ends, "records ended with an end that nobody told")                                    \
	X(found_again, "open records whose allocation was found again after a restart")                  \
	X(store_retries, "commits of records that failed and were tried again")                          \
	X(store_lost, "changes of records that found no room while the store was in trouble")            \
	X(expired, "records deleted by age")                                                             \
	X(webhook_sent, "changes of records that the webhook took")                                      \
	X(webhook_failures, "requests to the webhook that failed and were tried again")                  \
	X(webhook_lost, "changes of records that found no room in the spool of the webhook")             \
	X(redis_sent, "changes of records that Redis took")                                              \
	X(redis_failures, "times that Redis could not be reached, or refused")                           \
	X(redis_lost, "changes of records that found no room while Redis was away")
struct sl_accounting_counts {
#define X(name, text) uint64_t name;
	SL_ACCOUNTING_COUNTERS(X)
#undef X
};
void sl_accounting_counts(const struct sl_accounting *a, struct sl_accounting_counts *out);

struct sl_accounting_status {
	bool on;                     /* there is a destination */
	bool database, webhook, redis;
	size_t open, queued, spooled, redis_waiting;
	char webhook_trouble[160], redis_trouble[200]; /* since the last success; "" = none */
};
void sl_accounting_status(const struct sl_accounting *a, struct sl_accounting_status *out);

/* ---- looking: accounting_list.c ---- */

/* Newest first: {"records": [...], "next": what `cursor` must be for the next page, or null}; with csv a head and lines (RFC 4180). "" =
 * any. */
struct sl_accounting_query {
	char user[SL_MSG_EVENT_USERNAME_MAX + 1], realm[SL_MSG_REALM_MAX];
	int64_t from_unix_ms, to_unix_ms; /* begun in this time; 0 = open */
	char cursor[SL_ID_TEXT];          /* those older than this one; "" = from the newest */
	unsigned limit;                   /* 1..SL_ACCOUNTING_LIST_MAX */
	bool open;                        /* those alone that have not ended */
	bool csv;
};
/* text: JSON or CSV; of an error: words. */
typedef void (*sl_accounting_listed_done)(void *ctx, int error, const char *text, size_t len);
/* 0, -EINVAL (the cursor is none), -ENOBUFS, -ENOMEM: done is not called then. */
int sl_accounting_list(struct sl_accounting *a, const struct sl_accounting_query *q, sl_accounting_listed_done done, void *ctx);
/* Sums for each user and realm of the records begun in that time, the largest first, at most limit of them; cursor is not looked at. */
int sl_accounting_usage(struct sl_accounting *a, const struct sl_accounting_query *q, sl_accounting_listed_done done, void *ctx);

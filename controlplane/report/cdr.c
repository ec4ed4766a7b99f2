/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Commits of call detail records, tried again until they are there, and their end by age. */

#include "controlplane/report/cdr_list.h"
#include "controlplane/report/internal.h"
#include "controlplane/report/row_list.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

enum {
	RETRY_FIRST_MS = 200,
	RETRY_MAX_MS = 10000,
	GROUP_MAX = 256, /* calls of one piece of work: others' commits wait no longer than for these */
};

/* Records of one call. */
struct batch {
	struct batch *next;
	sl_cdrs_done done;
	void *ctx;
	size_t n;
	struct sl_cdr records[];
};

/* Calls that end within a tick are one piece of work: its price is a transaction's, whatever their number. */
struct group {
	struct sl_cdrs *cdrs;
	struct batch *first, **last;
};

struct sl_cdrs {
	struct sl_store *store;
	unsigned retention_days;
	struct batch *queue, **queue_last; /* not given to the store yet, or back from it: oldest first */
	bool under_way;                    /* a group is the store's */
	int64_t retry_at_ms;               /* 0 = nothing has failed */
	unsigned retry_ms;
	struct sl_row_expiry expiry;
	size_t pending;
	struct sl_cdr_counts counts;
};

/* ---- committing ---- */

static int insert_group(struct sl_store_db *db, void *arg, char *text)
{
	const struct group *g = arg;
	int error = 0;

	for (const struct batch *b = g->first; b; b = b->next) {
		for (size_t i = 0; i < b->n && !error; i++)
			error = sl_cdr_row_insert(db, &b->records[i], text);
	}
	return error;
}

static void put_back(struct sl_cdrs *c, struct group *g)
{
	*g->last = c->queue;
	if (!c->queue)
		c->queue_last = g->last;
	c->queue = g->first;
	c->under_way = false;
	free(g);
}

static bool submit(struct sl_cdrs *c);

static void committed(void *arg, int error, const char *text)
{
	struct group *g = arg;
	struct sl_cdrs *c = g->cdrs;

	if (error) {
		sl_log(SL_LOG_ERROR, "%zu call detail records are not stored yet, and will be tried again: %s", c->pending, text);
		c->counts.retries++;
		c->retry_at_ms = -1; /* the next tick knows the time */
		put_back(c, g);
		return;
	}
	c->retry_ms = 0;
	c->retry_at_ms = 0;
	c->under_way = false;
	for (struct batch *b = g->first, *next; b; b = next) {
		next = b->next;
		c->pending -= b->n;
		c->counts.committed += b->n;
		if (b->done)
			b->done(b->ctx, 0);
		free(b);
	}
	free(g);
	submit(c); /* what came meanwhile waits no longer */
}

/* The head of the queue to the store. False: it could not take it. */
static bool submit(struct sl_cdrs *c)
{
	struct group *g = c->queue && !c->under_way ? malloc(sizeof *g) : NULL;
	unsigned n = 0;

	if (!g)
		return !c->queue || c->under_way;
	*g = (struct group){.cdrs = c, .first = c->queue, .last = &g->first};
	for (; *g->last && n < GROUP_MAX; n++)
		g->last = &(*g->last)->next;
	c->queue = *g->last;
	if (!c->queue)
		c->queue_last = &c->queue;
	*g->last = NULL;
	c->under_way = true;
	if (sl_store_submit(c->store, insert_group, committed, g) == 0)
		return true;
	put_back(c, g);
	return false;
}

int sl_cdrs_commit(struct sl_cdrs *c, const struct sl_cdr *const *records, size_t n, sl_cdrs_done done, void *ctx)
{
	struct batch *b = malloc(sizeof *b + n * sizeof b->records[0]);

	if (!b)
		return -ENOMEM;
	*b = (struct batch){.done = done, .ctx = ctx, .n = n};
	for (size_t i = 0; i < n; i++)
		b->records[i] = *records[i];
	*c->queue_last = b;
	c->queue_last = &b->next;
	c->pending += n;
	return 0;
}

size_t sl_cdrs_pending(const struct sl_cdrs *c)
{
	return c->pending;
}

void sl_cdrs_flush(struct sl_cdrs *c)
{
	while (c && c->queue && submit(c)) {
		sl_store_flush(c->store);
		if (c->retry_at_ms) /* the database is in trouble: journals have them */
			return;
	}
	if (c)
		sl_store_flush(c->store);
}

static void commit_queue(struct sl_cdrs *c, int64_t now_ms)
{
	if (c->retry_at_ms < 0) {
		c->retry_ms = c->retry_ms == 0 ? RETRY_FIRST_MS : c->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : c->retry_ms * 2;
		c->retry_at_ms = now_ms + c->retry_ms;
	}
	if (now_ms >= c->retry_at_ms)
		submit(c);
}

/* ---- retention ---- */

static const char expire_sql[] = "DELETE FROM cdrs WHERE rowid IN (SELECT rowid FROM cdrs WHERE leg < ? AND ended_ms < ? LIMIT ?)";

void sl_cdrs_tick(struct sl_cdrs *c, int64_t now_unix_ms)
{
	commit_queue(c, now_unix_ms);
	sl_row_expiry_tick(&c->expiry, c->retention_days, now_unix_ms, now_unix_ms);
}

void sl_cdrs_set_retention(struct sl_cdrs *c, unsigned days)
{
	c->retention_days = days;
}

/* ---- life ---- */

struct sl_cdrs *sl_cdrs_open(struct sl_store *store, unsigned retention_days, char *text, size_t text_len)
{
	struct sl_cdrs *c = calloc(1, sizeof *c);

	if (!c) {
		snprintf(text, text_len, "no memory for call detail records");
		return NULL;
	}
	c->store = store;
	c->retention_days = retention_days;
	c->queue_last = &c->queue;
	c->expiry = (struct sl_row_expiry){.store = store, .sql = expire_sql, .failed = sl_cdr_row_failed, .count = &c->counts.expired};
	return c;
}

void sl_cdrs_close(struct sl_cdrs *c)
{
	if (!c)
		return;
	for (struct batch *b = c->queue; b; b = b->next)
		b->done = NULL; /* whoever was to be told is gone */
	sl_cdrs_flush(c);
	while (c->queue) {
		struct batch *next = c->queue->next;
		free(c->queue);
		c->queue = next;
	}
	free(c);
}

void sl_cdrs_counts(const struct sl_cdrs *c, struct sl_cdr_counts *out)
{
	*out = c->counts;
}

int sl_cdrs_list(struct sl_cdrs *c, const struct sl_cdr_query *q, sl_cdrs_listed done, void *ctx)
{
	c->counts.listings++;
	return sl_cdr_list(c->store, q, done, ctx);
}

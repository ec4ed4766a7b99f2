/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Commits of call detail records, tried again until they are there, and their end by age. */

#include "controlplane/report/cdr_list.h"
#include "controlplane/report/internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

enum {
	RETRY_FIRST_MS = 200,
	RETRY_MAX_MS = 10000,
	GROUP_MAX = 256, /* calls of one piece of work: others' commits wait no longer than for these */
	EXPIRE_EVERY_MS = 60000,
	EXPIRE_BATCH = 500, /* rows of one piece of work */
	DAY_MS = 86400000,
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
	int64_t expire_at_ms;
	bool expiring;
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

struct expiry {
	struct sl_cdrs *cdrs;
	int64_t before_ms;
	int n;
};

static const char expire_sql[] = "DELETE FROM cdrs WHERE rowid IN (SELECT rowid FROM cdrs WHERE leg < ? AND ended_ms < ? LIMIT ?)";

static int do_expire(struct sl_store_db *db, void *arg, char *text)
{
	struct expiry *x = arg;
	struct sl_id bound;
	sqlite3_stmt *st = sl_store_statement(db, expire_sql);

	if (!st)
		return sl_cdr_row_failed(db, text);
	sl_id_bound(x->before_ms, &bound);
	sqlite3_bind_blob(st, 1, bound.b, SL_ID_BYTES, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, x->before_ms);
	sqlite3_bind_int(st, 3, EXPIRE_BATCH);
	int error = sqlite3_step(st) == SQLITE_DONE ? 0 : sl_cdr_row_failed(db, text);
	x->n = error ? 0 : sqlite3_changes(sl_store_sqlite(db));
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

static void expired(void *arg, int error, const char *text)
{
	struct expiry *x = arg;
	struct sl_cdrs *c = x->cdrs;

	c->expiring = false;
	if (!error) {
		c->counts.expired += (unsigned)x->n;
		if (x->n == EXPIRE_BATCH)
			c->expire_at_ms = 0; /* there are more: at the next tick */
	}
	free(x);
}

static void expire(struct sl_cdrs *c, int64_t now_ms)
{
	if (c->retention_days == 0 || c->expiring || now_ms < c->expire_at_ms)
		return;
	c->expire_at_ms = now_ms + EXPIRE_EVERY_MS;
	struct expiry *x = malloc(sizeof *x);
	if (!x)
		return;
	*x = (struct expiry){.cdrs = c, .before_ms = now_ms - (int64_t)c->retention_days * DAY_MS};
	c->expiring = sl_store_submit(c->store, do_expire, expired, x) == 0;
	if (!c->expiring)
		free(x);
}

void sl_cdrs_tick(struct sl_cdrs *c, int64_t now_unix_ms)
{
	commit_queue(c, now_unix_ms);
	expire(c, now_unix_ms);
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

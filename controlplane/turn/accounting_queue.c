/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Changes of records on their way to the store, tried again until they are there; the spool of the webhook beside them; their end by
 * age. */

#include "controlplane/turn/accounting_own.h"

#include "controlplane/secret.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

enum {
	GROUP_MAX = 1000, /* changes of one piece of work: others' commits wait no longer than for these */
	RETRY_FIRST_MS = 200,
	RETRY_MAX_MS = 10000,
};

/* Changes under way to the store. */
struct group {
	struct sl_accounting *a;
	struct sl_turn_record *first, **last;
	size_t n;
	bool keep, spool;
	size_t spool_room, spooled, spool_lost;
};

/* ---- the store's thread ---- */

static int write_group(struct sl_store_db *db, void *arg, char *text)
{
	struct group *g = arg;

	g->spooled = g->spool_lost = 0;
	for (struct sl_turn_record **at = &g->first; *at; at = &(*at)->next) {
		int error = sl_turn_row_write(db, at, g->keep, text);
		bool nothing = (*at)->change == SL_TURN_LOST && !(*at)->found;
		if (!error && g->spool && !nothing && g->spooled < g->spool_room) {
			error = sl_turn_spool_add(db, *at, text);
			g->spooled++;
		} else if (g->spool && !nothing) {
			g->spool_lost++;
		}
		if (error)
			return error;
	}
	return 0;
}

/* ---- the brain ---- */

void sl_turn_tell_redis(struct sl_accounting *a, struct sl_turn_record *r)
{
	if (!a->redis || a->leaving)
		free(r);
	else if (sl_turn_redis_tell(a->redis, r) < 0)
		a->counts.redis_lost++;
}

static void find_end(struct group *g)
{
	g->last = &g->first;
	while (*g->last)
		g->last = &(*g->last)->next;
}

/* The store replaces records whose end was not told by what their rows say: the list's end may be elsewhere. */
static void put_back(struct sl_accounting *a, struct group *g)
{
	find_end(g);
	*g->last = a->first;
	if (!a->first)
		a->last = g->last;
	a->first = g->first;
	a->n_queued += g->n;
	a->under_way = false;
	free(g);
}

static bool submit(struct sl_accounting *a);

static void committed(void *arg, int error, const char *text)
{
	struct group *g = arg;
	struct sl_accounting *a = g->a;

	a->n_under_way = 0;
	if (error) {
		if (a->retry_ms == 0)
			sl_log(SL_LOG_ERROR, "records of %zu allocations are not stored yet, and will be tried again: %s", g->n, text);
		a->counts.store_retries++;
		a->retry_ms = a->retry_ms == 0 ? RETRY_FIRST_MS : a->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : a->retry_ms * 2;
		a->retry_at_ms = a->now_ms + a->retry_ms;
		put_back(a, g);
		return;
	}
	a->retry_ms = 0;
	a->under_way = false;
	a->spooled += g->spooled;
	if (g->spool_lost && a->counts.webhook_lost == 0)
		sl_log(SL_LOG_ERROR, "the webhook's spool is full (%d changes of records): what comes now is not sent to it", SL_ACCOUNTING_SPOOL_MAX);
	a->counts.webhook_lost += g->spool_lost;
	while (g->first) {
		struct sl_turn_record *r = g->first;
		g->first = r->next;
		if (r->change == SL_TURN_LOST && r->found)
			sl_turn_tell_redis(a, r); /* only the store knew whose it was */
		else
			free(r);
	}
	free(g);
	submit(a); /* what came meanwhile waits no longer */
}

/* The head of the queue to the store. False: it did not take it. */
static bool submit(struct sl_accounting *a)
{
	struct group *g = a->first && !a->under_way ? calloc(1, sizeof *g) : NULL;

	if (!g)
		return false;
	*g = (struct group){.a = a,
	        .first = a->first,
	        .last = &g->first,
	        .keep = a->conf.database,
	        .spool = a->hook && sl_turn_hook_trouble(a->hook),
	        .spool_room = a->spooled < SL_ACCOUNTING_SPOOL_MAX ? SL_ACCOUNTING_SPOOL_MAX - a->spooled : 0};
	for (; *g->last && g->n < GROUP_MAX; g->n++)
		g->last = &(*g->last)->next;
	a->first = *g->last;
	if (!a->first)
		a->last = &a->first;
	*g->last = NULL;
	a->n_queued -= g->n;
	a->n_under_way = g->n;
	a->under_way = true;
	if (sl_store_submit(a->o.store, write_group, committed, g) == 0)
		return true;
	a->n_under_way = 0;
	put_back(a, g);
	return false;
}

void sl_turn_queue(struct sl_accounting *a, struct sl_turn_record *r)
{
	if (a->redis && r->change != SL_TURN_LOST) {
		struct sl_turn_record *copy = sl_turn_record_copy(r);
		if (copy)
			sl_turn_tell_redis(a, copy);
		else
			a->counts.redis_lost++;
	}
	if (a->n_queued >= SL_ACCOUNTING_QUEUE_MAX) {
		if (a->counts.store_lost++ == 0)
			sl_log(SL_LOG_ERROR, "%d changes of records wait for the database: what comes now is not recorded", SL_ACCOUNTING_QUEUE_MAX);
		free(r);
		return;
	}
	*a->last = r;
	a->last = &r->next;
	a->n_queued++;
}

/* ---- retention ---- */

static const char expire_sql[] = "DELETE FROM turn_records WHERE id IN (SELECT id FROM turn_records WHERE id < ? AND end_ms <> 0 AND end_ms < ? LIMIT ?)";

void sl_turn_queue_tick(struct sl_accounting *a)
{
	if (a->retry_ms == 0 || a->now_ms >= a->retry_at_ms)
		submit(a);
	if (!a->leaving)
		sl_row_expiry_tick(&a->expiry, a->conf.retention_days, a->now_ms, a->now_unix_ms);
}

/* ---- life ---- */

static int load_open(struct sl_store_db *db, void *arg, char *text)
{
	static const char sql[] = "SELECT " SL_TURN_RECORD_COLUMNS " FROM turn_records WHERE end_ms = 0", count_sql[] = "SELECT count(*) FROM turn_spool";
	struct sl_accounting *a = arg;
	sqlite3_stmt *st = sl_store_statement(db, sql), *count = sl_store_statement(db, count_sql);
	int rc = st && count ? SQLITE_ROW : SQLITE_ERROR;

	while (rc == SQLITE_ROW && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct sl_turn_record *r = sl_turn_row_read(st);
		struct sl_turn_open o = {.unsure = true};
		if (!r)
			return -ENOMEM;
		o.allocation = r->allocation;
		o.id = r->id;
		o.print = sl_turn_open_print(&r->relay, r->user, strlen(r->user));
		o.start_unix_ms = r->start_unix_ms;
		o.told = r->traffic;
		o.interims = r->interims;
		bool twice = sl_turn_opens_find(&a->opens, o.allocation) != NULL;
		bool put = twice || sl_turn_opens_put(&a->opens, &o);
		free(r);
		if (!put)
			return -ENOMEM;
	}
	if (rc == SQLITE_DONE && sqlite3_step(count) == SQLITE_ROW)
		a->spooled = (size_t)sqlite3_column_int64(count, 0);
	if (st)
		sqlite3_reset(st);
	if (count)
		sqlite3_reset(count);
	return rc == SQLITE_DONE ? 0 : sl_turn_row_failed(db, text);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void configure_hook(struct sl_accounting *a, const struct sl_conf_accounting *conf)
{
	if (!conf->webhook && a->hook) {
		sl_turn_hook_configure(a->hook, NULL, NULL);
	} else if (conf->webhook && !a->hook) {
		a->hook = sl_turn_hook_new(a->o.store, a->o.brain, conf->webhook, conf->webhook_secret);
	} else if (conf->webhook && sl_turn_hook_configure(a->hook, conf->webhook, conf->webhook_secret) == 0) {
		return;
	}
	if (conf->webhook && !a->hook)
		sl_log(SL_LOG_ERROR, "no memory for the webhook of records");
}

static void configure_redis(struct sl_accounting *a, const char *connect)
{
	if (same_text(connect, a->redis_connect))
		return;
	sl_turn_redis_free(a->redis);
	sl_secret_free_text(a->redis_connect);
	a->redis_connect = connect ? strdup(connect) : NULL;
	a->redis = a->redis_connect ? sl_turn_redis_new(a->redis_connect) : NULL;
	if (connect && !a->redis)
		sl_log(SL_LOG_ERROR, "cannot start the thread that tells Redis of records");
}

void sl_accounting_reconfigure(struct sl_accounting *a, const struct sl_conf_accounting *conf)
{
	if (!a)
		return;
	bool was_on = a->on;
	configure_hook(a, conf);
	configure_redis(a, conf->redis);
	a->conf = *conf;
	a->conf.webhook = a->conf.webhook_secret = a->conf.redis = NULL;
	a->on = conf->database || conf->webhook || conf->redis;
	if (a->on && !was_on) { /* meanwhile nobody looked: a listing tells what runs */
		sl_accounting_detached(a);
		a->o.refresh(a->o.ctx);
	}
}

struct sl_accounting *sl_accounting_new(const struct sl_accounting_options *o, char *text, size_t text_len)
{
	struct sl_accounting *a = calloc(1, sizeof *a);
	char why[SL_STORE_TEXT] = "no memory";

	if (!a)
		goto err;
	a->o = *o;
	a->last = &a->first;
	a->unsure = true;
	a->expiry = (struct sl_row_expiry){.store = o->store, .sql = expire_sql, .failed = sl_turn_row_failed, .count = &a->counts.expired};
	if (sl_store_now(o->store, load_open, a, why) < 0)
		goto err;
	sl_accounting_reconfigure(a, o->conf);
	return a;
err:
	snprintf(text, text_len, "records of allocations cannot be read: %s", why[0] ? why : "no memory");
	if (a)
		sl_turn_opens_clear(&a->opens);
	free(a);
	return NULL;
}

void sl_accounting_leave(struct sl_accounting *a)
{
	if (!a)
		return;
	a->leaving = true;
	sl_turn_hook_leave(a->hook);
	sl_turn_redis_free(a->redis);
	a->redis = NULL;
	a->retry_ms = 0;
	do { /* as long as the store takes it; what runs is found again */
		if (!a->under_way && !submit(a))
			break;
		sl_store_flush(a->o.store);
	} while (a->first && a->retry_ms == 0);
	sl_store_flush(a->o.store);
}

void sl_accounting_free(struct sl_accounting *a)
{
	if (!a)
		return;
	while (a->first) {
		struct sl_turn_record *r = a->first;
		a->first = r->next;
		free(r);
	}
	sl_turn_hook_free(a->hook);
	sl_turn_opens_clear(&a->opens);
	sl_secret_free_text(a->redis_connect);
	free(a);
}

void sl_accounting_counts(const struct sl_accounting *a, struct sl_accounting_counts *out)
{
	struct sl_accounting_status ignored;

	*out = a ? a->counts : (struct sl_accounting_counts){0};
	if (a && a->redis)
		sl_turn_redis_status(a->redis, &ignored, out);
}

void sl_accounting_status(const struct sl_accounting *a, struct sl_accounting_status *out)
{
	struct sl_accounting_counts ignored = {0};

	*out = (struct sl_accounting_status){0};
	if (!a)
		return;
	out->on = a->on;
	out->database = a->conf.database;
	out->webhook = a->hook && sl_turn_hook_trouble(a->hook) != NULL;
	out->redis = a->redis != NULL;
	out->open = a->opens.n;
	out->queued = a->n_queued + a->n_under_way;
	out->spooled = a->spooled;
	if (out->webhook)
		snprintf(out->webhook_trouble, sizeof out->webhook_trouble, "%s", sl_turn_hook_trouble(a->hook));
	if (a->redis)
		sl_turn_redis_status(a->redis, out, &ignored);
}

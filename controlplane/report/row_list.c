/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/row_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

enum {
	SLICE_ROWS = 4000, /* looked at in one piece of work */
	EXPIRE_EVERY_MS = 60000,
	EXPIRE_BATCH = 500, /* rows of one piece of work */
	DAY_MS = 86400000,
};

/* ---- the store's thread ---- */

bool sl_row_list_has_room(struct sl_row_list *l)
{
	l->more = l->found == l->limit;
	return !l->more;
}

void sl_row_list_add(struct sl_row_list *l, json_t *o, const struct sl_id *id)
{
	if (o) {
		fputs(l->found ? ",\n" : "\n", l->f);
		json_dumpf(o, l->f, JSON_COMPACT | JSON_PRESERVE_ORDER);
		json_decref(o);
	}
	l->last = *id;
	l->found++;
}

static int look(struct sl_row_list *l, struct sl_store_db *db, char *text)
{
	sqlite3_stmt *st = l->kind->prepare(db, l);
	unsigned looked = 0, before = l->found;
	int rc = SQLITE_ROW, error = 0;

	if (!st)
		return l->kind->failed(db, text);
	sqlite3_bind_blob(st, 1, l->below.b, SL_ID_BYTES, SQLITE_TRANSIENT); /* below moves on with each row */
	sqlite3_bind_blob(st, 2, l->above.b, SL_ID_BYTES, SQLITE_STATIC);
	while (!error && looked < SLICE_ROWS && l->found - before < SL_ROW_LIST_SLICE && !l->more && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		looked++;
		error = l->kind->row(l, st, text);
	}
	if (!error && rc != SQLITE_ROW && rc != SQLITE_DONE)
		error = l->kind->failed(db, text);
	l->looked = rc != SQLITE_ROW || l->more;
	l->finished = l->looked && !l->kind->after;
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

static int do_slice(struct sl_store_db *db, void *arg, char *text)
{
	struct sl_row_list *l = arg;

	return l->looked ? l->kind->after(l, text) : look(l, db, text);
}

/* ---- the brain ---- */

static void release(struct sl_row_list *l)
{
	if (l->f)
		fclose(l->f);
	free(l->text);
	if (l->kind->release)
		l->kind->release(l);
	else
		free(l);
}

static void finish(struct sl_row_list *l, int error, const char *text)
{
	char next[SL_ID_TEXT];

	if (!l->csv && l->kind->id_kind && l->more)
		fprintf(l->f, "\n],\n\"next\": \"%s\"}\n", sl_id_text(&l->last, l->kind->id_kind, next));
	else if (!l->csv && l->kind->id_kind)
		fputs("\n],\n\"next\": null}\n", l->f);
	int closed = fclose(l->f);
	l->f = NULL;
	if (closed != 0 && !error)
		error = -ENOMEM;
	if (error && !text[0])
		text = "no memory";
	if (error)
		l->done(l->ctx, error, text, strlen(text));
	else
		l->done(l->ctx, 0, l->text, l->len);
	release(l);
}

static void slice_done(void *arg, int error, const char *text)
{
	struct sl_row_list *l = arg;

	if (!error && !l->finished) {
		error = sl_store_submit(l->store, do_slice, slice_done, l);
		if (!error)
			return;
		text = "the store is busy; try again";
	}
	finish(l, error, text);
}

static int set_bounds(struct sl_row_list *l, const struct sl_row_list_span *span)
{
	struct sl_id cursor;

	if (span->from_unix_ms > span->slack_before_ms)
		sl_id_bound(span->from_unix_ms - span->slack_before_ms, &l->above);
	if (span->to_unix_ms > 0)
		sl_id_bound(span->to_unix_ms + span->slack_after_ms, &l->below);
	else
		memset(&l->below, 0xff, sizeof l->below);
	if (!span->cursor[0])
		return 0;
	if (sl_id_parse(span->cursor, strlen(span->cursor), l->kind->id_kind, &cursor) < 0)
		return -EINVAL;
	if (memcmp(cursor.b, l->below.b, SL_ID_BYTES) < 0)
		l->below = cursor;
	return 0;
}

int sl_row_list_start(struct sl_row_list *l, const struct sl_row_list_span *span)
{
	int error = l->limit == 0 || l->limit > span->limit_max || set_bounds(l, span) < 0 ? -EINVAL : 0;

	if (!error && !(l->f = open_memstream(&l->text, &l->len)))
		error = -ENOMEM;
	if (!error && l->csv)
		l->kind->csv_head(l->f);
	else if (!error)
		fprintf(l->f, "{\"%s\": [", l->kind->name);
	if (!error)
		error = sl_store_submit(l->store, do_slice, slice_done, l);
	if (error)
		release(l);
	return error;
}

/* ---- the end by age ---- */

static int do_expire(struct sl_store_db *db, void *arg, char *text)
{
	struct sl_row_expiry *x = arg;
	struct sl_id bound;
	sqlite3_stmt *st = sl_store_statement(db, x->sql);

	x->n = 0;
	if (!st)
		return x->failed(db, text);
	sl_id_bound(x->before_ms, &bound);
	sqlite3_bind_blob(st, 1, bound.b, SL_ID_BYTES, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, x->before_ms);
	sqlite3_bind_int(st, 3, EXPIRE_BATCH);
	int error = sqlite3_step(st) == SQLITE_DONE ? 0 : x->failed(db, text);
	x->n = error ? 0 : sqlite3_changes(sl_store_sqlite(db));
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

static void expired(void *arg, int error, const char *text)
{
	struct sl_row_expiry *x = arg;

	x->under_way = false;
	if (error)
		return;
	*x->count += (unsigned)x->n;
	if (x->n == EXPIRE_BATCH)
		x->next_ms = 0; /* there are more: at the next tick */
}

void sl_row_expiry_tick(struct sl_row_expiry *x, unsigned days, int64_t now_ms, int64_t now_unix_ms)
{
	if (days == 0 || x->under_way || now_ms < x->next_ms)
		return;
	x->next_ms = now_ms + EXPIRE_EVERY_MS;
	x->before_ms = now_unix_ms - (int64_t)days * DAY_MS;
	x->under_way = sl_store_submit(x->store, do_expire, expired, x) == 0;
}

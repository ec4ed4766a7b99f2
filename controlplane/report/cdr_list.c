/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/cdr_list.h"

#include "controlplane/report/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

enum {
	SLICE_ROWS = 4000,   /* looked at in one piece of work, and */
	SLICE_FOUND = 400,   /* written down: commits of calls wait no longer than for these */
	TIME_SLACK_MS = 2000, /* a leg's id is older than its begun_ms by less than this */
};

/* A listing under way: the store's during a slice, the brain's between. */
struct listing {
	struct sl_store *store;
	struct sl_cdr_query q;
	sl_cdrs_listed done;
	void *ctx;
	struct sl_id call, below, above; /* of legs: those not looked at yet are >= above and < below */
	unsigned found;
	bool finished, more; /* more: the limit ended it */
	struct sl_id last;   /* found */
	char *text;
	size_t len;
	FILE *f;
};

/* ---- the store's thread ---- */

#define X(kind, column, member) #column ","
#define COLUMNS SL_CDR_COLUMNS(X) "rowid"
static const char by_age[] = "SELECT " COLUMNS " FROM cdrs WHERE leg < ? AND leg >= ? ORDER BY leg DESC";
static const char by_call[] = "SELECT " COLUMNS " FROM cdrs WHERE leg < ? AND leg >= ? AND call = ? ORDER BY leg DESC";
static const char by_user[] = "SELECT " COLUMNS " FROM cdrs WHERE leg < ? AND leg >= ? AND user = ? AND user <> '' ORDER BY leg DESC";
#undef X

static sqlite3_stmt *prepare(struct sl_store_db *db, const struct listing *l)
{
	sqlite3_stmt *st = sl_store_statement(db, l->q.call[0] ? by_call : l->q.user[0] ? by_user : by_age);

	if (!st)
		return NULL;
	sqlite3_bind_blob(st, 1, l->below.b, SL_ID_BYTES, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, l->above.b, SL_ID_BYTES, SQLITE_STATIC);
	if (l->q.call[0])
		sqlite3_bind_blob(st, 3, l->call.b, SL_ID_BYTES, SQLITE_STATIC);
	else if (l->q.user[0])
		sqlite3_bind_text(st, 3, l->q.user, -1, SQLITE_STATIC);
	return st;
}

static void write_down(struct listing *l, sqlite3_stmt *st)
{
	struct sl_cdr r;

	sl_cdr_row_read(st, &r);
	sl_cdr_row_attempts(st, &r);
	if (l->q.csv) {
		sl_cdr_csv(l->f, &r);
	} else {
		json_t *o = sl_cdr_json(&r);
		fputs(l->found ? ",\n" : "\n", l->f);
		json_dumpf(o, l->f, JSON_COMPACT | JSON_PRESERVE_ORDER);
		json_decref(o);
	}
	l->last = r.leg;
	l->found++;
}

static int do_slice(struct sl_store_db *db, void *arg, char *text)
{
	struct listing *l = arg;
	sqlite3_stmt *st = prepare(db, l);
	unsigned looked = 0, before = l->found;
	int rc = st ? SQLITE_ROW : SQLITE_ERROR;

	while (rc == SQLITE_ROW && looked < SLICE_ROWS && l->found - before < SLICE_FOUND && !l->more) {
		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			break;
		looked++;
		sl_cdr_row_leg(st, &l->below);
		if (sl_cdr_row_fits(st, &l->q)) {
			l->more = l->found == l->q.limit;
			if (!l->more)
				write_down(l, st);
		}
	}
	int error = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sl_cdr_row_failed(db, text);
	l->finished = rc != SQLITE_ROW || l->more;
	if (st) {
		sqlite3_reset(st);
		sqlite3_clear_bindings(st);
	}
	return error;
}

/* ---- the brain ---- */

static void finish(struct listing *l, int error, const char *text)
{
	char next[SL_ID_TEXT];

	if (!l->q.csv && l->more)
		fprintf(l->f, "\n],\n\"next\": \"%s\"}\n", sl_id_text(&l->last, SL_ID_CDR, next));
	else if (!l->q.csv)
		fputs("\n],\n\"next\": null}\n", l->f);
	if (fclose(l->f) != 0 && !error) {
		error = -ENOMEM;
		text = "no memory";
	}
	if (error)
		l->done(l->ctx, error, text, strlen(text));
	else
		l->done(l->ctx, 0, l->text, l->len);
	free(l->text);
	free(l);
}

static void slice_done(void *arg, int error, const char *text)
{
	struct listing *l = arg;

	if (!error && !l->finished) {
		error = sl_store_submit(l->store, do_slice, slice_done, l);
		if (!error)
			return;
		text = "the store is busy; try again";
	}
	finish(l, error, text);
}

static int set_bounds(struct listing *l)
{
	const struct sl_cdr_query *q = &l->q;

	if (q->from_unix_ms > TIME_SLACK_MS)
		sl_id_bound(q->from_unix_ms - TIME_SLACK_MS, &l->above);
	if (q->to_unix_ms > 0)
		sl_id_bound(q->to_unix_ms, &l->below);
	else
		memset(&l->below, 0xff, sizeof l->below);
	if (q->after[0]) {
		struct sl_id after;
		if (sl_id_parse(q->after, strlen(q->after), SL_ID_CDR, &after) < 0)
			return -EINVAL;
		if (memcmp(after.b, l->below.b, SL_ID_BYTES) < 0)
			l->below = after;
	}
	return q->call[0] ? sl_id_parse(q->call, strlen(q->call), SL_ID_CALL, &l->call) : 0;
}

int sl_cdr_list(struct sl_store *store, const struct sl_cdr_query *q, sl_cdrs_listed done, void *ctx)
{
	struct listing *l = calloc(1, sizeof *l);
	int error = -ENOMEM;

	if (!l)
		return -ENOMEM;
	*l = (struct listing){.store = store, .q = *q, .done = done, .ctx = ctx};
	if (q->limit == 0 || q->limit > SL_CDR_LIST_MAX || set_bounds(l) < 0) {
		error = -EINVAL;
		goto err;
	}
	l->f = open_memstream(&l->text, &l->len);
	if (!l->f)
		goto err;
	if (q->csv)
		sl_cdr_csv_head(l->f);
	else
		fputs("{\"cdrs\": [", l->f);
	error = sl_store_submit(store, do_slice, slice_done, l);
	if (error < 0)
		goto err;
	return 0;
err:
	if (l->f)
		fclose(l->f);
	free(l->text);
	free(l);
	return error;
}

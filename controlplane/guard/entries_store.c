/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Entries of operators and of reputation in the store. Those of the configuration are not: it has them. */

#include "controlplane/guard/internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

enum { ROWS_MAX = 1 << 17, ROWS_PER_WORK = 1024 };

static int failed(struct sl_store_db *db, char *text)
{
	snprintf(text, SL_STORE_TEXT, "guard_entries: %s", sqlite3_errmsg(sl_store_sqlite(db)));
	return -EIO;
}

/* The row's key, from parameter 1 on. */
static void bind_key(sqlite3_stmt *st, const struct sl_warden_row *row)
{
	sqlite3_bind_int(st, 1, row->kind);
	sqlite3_bind_blob(st, 2, row->prefix.ip.b, sizeof row->prefix.ip.b, SQLITE_STATIC);
	sqlite3_bind_int(st, 3, row->prefix.len);
}

static int put(struct sl_store_db *db, const struct sl_warden_row *row, char *text)
{
	static const char sql[] = "INSERT OR REPLACE INTO guard_entries (kind, ip, len, origin, times, since, until, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
	sqlite3_stmt *st = sl_store_statement(db, sql);

	if (!st)
		return failed(db, text);
	bind_key(st, row);
	sqlite3_bind_int(st, 4, row->origin);
	sqlite3_bind_int(st, 5, row->times);
	sqlite3_bind_int64(st, 6, row->since_unix_ms);
	sqlite3_bind_int64(st, 7, row->until_unix_ms);
	sqlite3_bind_text(st, 8, row->reason, -1, SQLITE_STATIC);
	int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : failed(db, text);
	sqlite3_reset(st);
	return rc;
}

static int take_out(struct sl_store_db *db, const struct sl_warden_row *row, char *text)
{
	static const char sql[] = "DELETE FROM guard_entries WHERE kind = ? AND ip = ? AND len = ?";
	sqlite3_stmt *st = sl_store_statement(db, sql);

	if (!st)
		return failed(db, text);
	bind_key(st, row);
	int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : failed(db, text);
	sqlite3_reset(st);
	return rc;
}

static struct sl_warden_row row_of(const struct sl_warden *w, const struct sl_entry *e, bool remove)
{
	struct sl_warden_row row = {.prefix = e->prefix,
		.kind = e->kind,
		.origin = e->origin,
		.remove = remove,
		.times = e->times,
		.since_unix_ms = e->since_unix_ms,
		.until_unix_ms = sl_warden_until_unix(w, e)};

	snprintf(row.reason, sizeof row.reason, "%s", e->reason ? e->reason : "");
	return row;
}

/* ---- many, when there is time ---- */

static int write_rows(struct sl_store_db *db, void *arg, char *text)
{
	const struct sl_warden_rows *rows = arg;
	int rc = 0;

	for (size_t i = 0; i < rows->n && rc == 0; i++)
		rc = rows->all[i].remove ? take_out(db, &rows->all[i], text) : put(db, &rows->all[i], text);
	return rc;
}

static void rows_written(void *arg, int error, const char *text)
{
	struct sl_warden_rows *rows = arg;
	struct sl_warden *w = rows->warden;

	w->rows_flying = false;
	if (error) {
		w->counts.entries_lost += rows->n;
		sl_log(SL_LOG_ERROR, "guard: %zu changes of bans could not be stored: %s", rows->n, text);
	}
	free(rows->all);
	free(rows);
}

void sl_warden_row_later(struct sl_warden *w, const struct sl_entry *e, bool remove)
{
	struct sl_warden_rows *r = &w->rows;

	if (!w->o.store || e->origin == SL_WARDEN_CONFIG)
		return;
	if (r->n == r->capacity) {
		size_t capacity = r->capacity ? 2 * r->capacity : 64;
		struct sl_warden_row *all = capacity > ROWS_MAX ? NULL : realloc(r->all, capacity * sizeof *all);

		if (!all) {
			w->counts.entries_lost++;
			return;
		}
		r->all = all;
		r->capacity = capacity;
	}
	r->all[r->n++] = row_of(w, e, remove);
	w->rows_noted++;
}

static bool submit_some(struct sl_warden *w)
{
	struct sl_warden_rows *r = &w->rows, *some;
	size_t n = r->n < ROWS_PER_WORK ? r->n : ROWS_PER_WORK;

	if (n == 0 || !(some = calloc(1, sizeof *some)))
		return false;
	*some = (struct sl_warden_rows){.warden = w, .n = n, .all = malloc(n * sizeof *some->all)};
	if (!some->all) {
		free(some);
		return false;
	}
	memcpy(some->all, r->all, n * sizeof *some->all);
	if (sl_store_submit(w->o.store, write_rows, rows_written, some) < 0) { /* again at the next tick */
		free(some->all);
		free(some);
		return false;
	}
	w->rows_flying = true;
	r->n -= n;
	memmove(r->all, r->all + n, r->n * sizeof *r->all);
	return true;
}

void sl_warden_rows_flush(struct sl_warden *w)
{
	if (!w->rows_flying)
		submit_some(w);
}

void sl_warden_rows_close(struct sl_warden *w)
{
	while (submit_some(w))
		continue;
}

/* ---- one that somebody waits for ---- */

struct single {
	struct sl_warden_op *op;
	struct sl_warden_row row;
};

static int write_single(struct sl_store_db *db, void *arg, char *text)
{
	const struct single *s = arg;

	return s->row.remove ? take_out(db, &s->row, text) : put(db, &s->row, text);
}

static void single_written(void *arg, int error, const char *text)
{
	struct single *s = arg;
	struct sl_warden_op *op = s->op;

	free(s);
	sl_warden_stored(op, error, text);
}

/* What an operator says now is newer than what waits to be written of the same entry. */
static void forget_row(struct sl_warden *w, const struct sl_entry *e)
{
	struct sl_warden_rows *r = &w->rows;
	size_t kept = 0;

	for (size_t i = 0; i < r->n; i++) {
		const struct sl_warden_row *row = &r->all[i];

		if (row->kind != e->kind || row->prefix.len != e->prefix.len || !sl_ip_eq(&row->prefix.ip, &e->prefix.ip))
			r->all[kept++] = *row;
	}
	r->n = kept;
}

/* Without a store (tests) it is done at once. */
int sl_warden_store_op(struct sl_warden *w, struct sl_warden_op *op)
{
	struct single *s;

	op->noted = w->rows_noted;
	if (!w->o.store) {
		sl_warden_stored(op, 0, "");
		return 0;
	}
	s = malloc(sizeof *s);
	if (!s)
		return -ENOMEM;
	*s = (struct single){op, row_of(w, &op->entry, op->remove)};
	int rc = sl_store_submit(w->o.store, write_single, single_written, s);
	if (rc < 0)
		free(s);
	else
		forget_row(w, &op->entry);
	return rc;
}

/* ---- at the start ---- */

static bool read_row(sqlite3_stmt *st, struct sl_warden_row *row)
{
	const char *reason = (const char *)sqlite3_column_text(st, 7);

	*row = (struct sl_warden_row){.kind = (uint8_t)sqlite3_column_int(st, 0),
		.origin = (uint8_t)sqlite3_column_int(st, 3),
		.times = (uint16_t)sqlite3_column_int(st, 4),
		.since_unix_ms = sqlite3_column_int64(st, 5),
		.until_unix_ms = sqlite3_column_int64(st, 6)};
	int len = sqlite3_column_int(st, 2);
	if (sqlite3_column_bytes(st, 1) != (int)sizeof row->prefix.ip.b || len < 0 || len > SL_ENTRY_BITS || row->kind >= SL_ENTRY_KINDS ||
		(row->origin != SL_WARDEN_API && row->origin != SL_WARDEN_AUTO) || !reason)
		return false;
	memcpy(row->prefix.ip.b, sqlite3_column_blob(st, 1), sizeof row->prefix.ip.b);
	row->prefix.len = (uint8_t)len;
	/* The dataplane would refuse it, and with it the message that it stands in. */
	struct sl_ip masked = sl_ip_masked(&row->prefix.ip, row->prefix.len);
	if (!sl_ip_eq(&masked, &row->prefix.ip))
		return false;
	snprintf(row->reason, sizeof row->reason, "%s", reason);
	return true;
}

/* What is left of its time: never more than it was given, even if the wall clock went back meanwhile. */
static void load_row(struct sl_warden *w, struct sl_warden_row *row)
{
	int64_t now = sl_warden_unix_ms(w), left = row->until_unix_ms - now, whole = row->until_unix_ms - row->since_unix_ms;
	struct sl_entry e = {.prefix = row->prefix,
		.kind = row->kind,
		.origin = row->origin,
		.times = row->times,
		.since_unix_ms = row->since_unix_ms,
		.reason = row->reason};
	struct sl_reputation_limits limits;

	if (row->until_unix_ms) {
		left = left > whole ? whole : left;
		e.until_ms = w->now_ms + (left > 0 ? left : 0);
	}
	if (row->origin == SL_WARDEN_AUTO) {
		sl_warden_limits(w, &limits);
		sl_reputation_seed(&w->reputation, &limits, &row->prefix.ip, row->times, e.until_ms, w->now_ms);
	}
	if (row->until_unix_ms && left <= 0)
		sl_warden_row_later(w, &e, true);
	else if (sl_entries_put(&w->entries, &e) < 0)
		w->counts.entries_lost++;
}

static int load(struct sl_store_db *db, void *arg, char *text)
{
	static const char sql[] = "SELECT kind, ip, len, origin, times, since, until, reason FROM guard_entries";
	struct sl_warden *w = arg;
	sqlite3_stmt *st = sl_store_statement(db, sql);
	struct sl_warden_row row;
	int step;

	if (!st)
		return failed(db, text);
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		if (read_row(st, &row))
			load_row(w, &row);
		else
			sl_log(SL_LOG_WARNING, "guard: a row of guard_entries is damaged and left out");
	}
	sqlite3_reset(st);
	return step == SQLITE_DONE ? 0 : failed(db, text);
}

int sl_warden_load(struct sl_warden *w)
{
	char text[SL_STORE_TEXT] = "";
	int rc = w->o.store ? sl_store_now(w->o.store, load, w, text) : 0;

	if (rc < 0)
		sl_log(SL_LOG_ERROR, "the guard's bans cannot be read: %s (option 'control.database')", text);
	return rc;
}

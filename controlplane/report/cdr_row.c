/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

enum { ATTEMPTS_TEXT = SL_CDR_ATTEMPTS_MAX * 100 };

int sl_cdr_row_failed(struct sl_store_db *db, char *text)
{
	snprintf(text, SL_STORE_TEXT, "%s", sqlite3_errmsg(sl_store_sqlite(db)));
	sl_log(SL_LOG_ERROR, "store: call detail records: %s", text);
	return -EIO;
}

/* A record that is there already stays as it is: a commit that was answered by a crash is made again. But one of a call that was still
 * going on (unfinished) gives way to a later one: the call went on after all. */
static const char insert_sql[] = "INSERT INTO cdrs ("
#define X(kind, column, member) #column ","
                                 SL_CDR_COLUMNS(X)
#undef X
                                         "rowid) VALUES ("
#define X(kind, column, member) "?,"
                                 SL_CDR_COLUMNS(X)
#undef X
                                         "NULL) ON CONFLICT (leg) DO UPDATE SET "
#define X(kind, column, member) #column "=excluded." #column ","
                                 SL_CDR_COLUMNS(X)
#undef X
                                         "rowid=rowid WHERE unfinished <> 0";

#define BIND_ID(st, i, m) sqlite3_bind_blob(st, i, (m).b, SL_ID_BYTES, SQLITE_STATIC)
#define BIND_TEXT(st, i, m) sqlite3_bind_text(st, i, m, (int)strnlen(m, sizeof(m)), SQLITE_STATIC)
#define BIND_NUMBER(st, i, m) sqlite3_bind_int64(st, i, (sqlite3_int64)(m))
#define BIND_ATTEMPTS(st, i, m) sqlite3_bind_text(st, i, attempts, -1, SQLITE_STATIC)

int sl_cdr_row_insert(struct sl_store_db *db, const struct sl_cdr *r, char *text)
{
	char attempts[ATTEMPTS_TEXT];
	sqlite3_stmt *st = sl_store_statement(db, insert_sql);
	int i = 1;

	if (!st)
		return sl_cdr_row_failed(db, text);
	sl_cdr_attempts_text(r, attempts, sizeof attempts);
#define X(kind, column, member) BIND_##kind(st, i++, r->member);
	SL_CDR_COLUMNS(X)
#undef X
	int rc = sqlite3_step(st);
	if (rc != SQLITE_DONE)
		sl_cdr_row_failed(db, text);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

static void read_id(sqlite3_stmt *st, int i, struct sl_id *id)
{
	if (sqlite3_column_bytes(st, i) == SL_ID_BYTES)
		memcpy(id->b, sqlite3_column_blob(st, i), SL_ID_BYTES);
}

static void read_text(sqlite3_stmt *st, int i, char *out, size_t room)
{
	const unsigned char *s = sqlite3_column_text(st, i);

	size_t n = s ? strnlen((const char *)s, room - 1) : 0;

	if (n)
		memcpy(out, s, n);
	out[n] = '\0';
}

#define READ_ID(st, i, m) read_id(st, i, &(m))
#define READ_TEXT(st, i, m) read_text(st, i, m, sizeof(m))
#define READ_NUMBER(st, i, m) (m) = (__typeof__(m))sqlite3_column_int64(st, i)
#define READ_ATTEMPTS(st, i, m) (void)i /* by sl_cdr_row_attempts() */

void sl_cdr_row_read(sqlite3_stmt *st, struct sl_cdr *out)
{
	int i = 0;

	memset(out, 0, sizeof *out);
#define X(kind, column, member) READ_##kind(st, i++, out->member);
	SL_CDR_COLUMNS(X)
#undef X
}

#define X(kind, column, member) COLUMN_##column,
enum { SL_CDR_COLUMNS(X) };
#undef X

void sl_cdr_row_attempts(sqlite3_stmt *st, struct sl_cdr *out)
{
	sl_cdr_attempts_read(out, (const char *)sqlite3_column_text(st, COLUMN_attempts));
}

static bool is(sqlite3_stmt *st, int column, const char *wanted)
{
	const char *s = wanted[0] ? (const char *)sqlite3_column_text(st, column) : NULL;

	return !wanted[0] || (s && strcmp(s, wanted) == 0);
}

bool sl_cdr_row_fits(sqlite3_stmt *st, const struct sl_cdr_query *q)
{
	int64_t begun = sqlite3_column_int64(st, COLUMN_begun_ms);

	return (!q->from_unix_ms || begun >= q->from_unix_ms) && (!q->to_unix_ms || begun < q->to_unix_ms) && is(st, COLUMN_tenant, q->tenant) &&
	       is(st, COLUMN_user, q->user) && is(st, COLUMN_trunk, q->trunk) &&
	       (!q->number[0] || sl_cdr_has_number((const char *)sqlite3_column_text(st, COLUMN_from_uri), q->number) ||
	               sl_cdr_has_number((const char *)sqlite3_column_text(st, COLUMN_to_uri), q->number));
}

void sl_cdr_row_leg(sqlite3_stmt *st, struct sl_id *out)
{
	read_id(st, COLUMN_leg, out);
}

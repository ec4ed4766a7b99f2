/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Tables in a file of SQLite; and what tables of both SQL databases have in common. */

#include "controlplane/turn/source_read.h"

#include <stdio.h>

#include <sqlite3.h>

enum { BUSY_MS = 2000 };

const struct sl_source_query sl_source_queries[SL_SOURCE_N_TABLES] = {
#define X(name, n, columns, table) [SL_SOURCE_##name] = {table, "SELECT " columns " FROM " table, n},
        SL_SOURCE_TABLES(X)
#undef X
};

void sl_source_row(struct sl_source_set *s, enum sl_source_table table, const struct sl_row_text *c)
{
	switch (table) {
	case SL_SOURCE_USERS:
		sl_source_add_user(s, c[0], c[1], c[2]);
		break;
	case SL_SOURCE_SECRETS:
		sl_source_add_secret(s, c[0], c[1]);
		break;
	case SL_SOURCE_ALLOWED:
	case SL_SOURCE_DENIED:
		sl_source_add_peer(s, c[0], c[1], table == SL_SOURCE_ALLOWED);
		break;
	case SL_SOURCE_ORIGINS:
		sl_source_add_origin(s, c[0], c[1]);
		break;
	case SL_SOURCE_OPTIONS:
		sl_source_add_option(s, c[0], c[1], c[2]);
		break;
	case SL_SOURCE_KEYS:
		sl_source_add_oauth(s, c[0], c[1], c[2], c[3], c[4], c[5]);
		break;
	case SL_SOURCE_N_TABLES:
		break;
	}
}

/* 1, 0, or -1: the file cannot be read. */
static int has_table(sqlite3 *db, const char *table)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT 1 FROM sqlite_master WHERE name = ? AND type IN ('table', 'view')", -1, &st, NULL);

	if (rc == SQLITE_OK) {
		sqlite3_bind_text(st, 1, table, -1, SQLITE_STATIC);
		rc = sqlite3_step(st);
	}
	sqlite3_finalize(st);
	return rc == SQLITE_ROW ? 1 : rc == SQLITE_DONE ? 0 : -1;
}

static bool read_table(sqlite3 *db, enum sl_source_table table, struct sl_source_set *s, const atomic_bool *stop)
{
	const struct sl_source_query *q = &sl_source_queries[table];
	struct sl_row_text columns[SL_SOURCE_COLUMNS_MAX];
	sqlite3_stmt *st = NULL;
	int there = has_table(db, q->table), rc;

	if (there == 0 && table != SL_SOURCE_USERS)
		return true;
	rc = there < 0 ? SQLITE_ERROR : sqlite3_prepare_v2(db, q->sql, -1, &st, NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			break;
		for (unsigned i = 0; i < q->n_columns; i++) {
			const char *text = (const char *)sqlite3_column_text(st, (int)i);
			columns[i] = (struct sl_row_text){text, text ? (size_t)sqlite3_column_bytes(st, (int)i) : 0};
		}
		sl_source_row(s, table, columns);
		if (s->no_memory || *stop)
			break;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE;
}

struct sl_source_set *sl_source_read_sqlite(const char *connect, const atomic_bool *stop, char *text)
{
	struct sl_source_set *s = sl_source_set_new();
	sqlite3 *db = NULL;
	/* One transaction: all tables as they were at one moment. */
	bool ok = s && sqlite3_open_v2(connect, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK;

	if (ok)
		sqlite3_busy_timeout(db, BUSY_MS);
	ok = ok && sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK;
	for (unsigned i = 0; ok && i < SL_SOURCE_N_TABLES; i++)
		ok = read_table(db, (enum sl_source_table)i, s, stop);
	if (!ok)
		snprintf(text, SL_SOURCE_TEXT, "%s", *stop ? "stopped" : !db || !s || s->no_memory ? "no memory" : sqlite3_errmsg(db));
	sqlite3_close(db);
	if (ok && sl_source_finish(s))
		return s;
	if (ok)
		snprintf(text, SL_SOURCE_TEXT, "no memory");
	sl_source_set_unref(s);
	return NULL;
}

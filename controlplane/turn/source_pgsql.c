/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Tables in PostgreSQL. Rows come one by one, so that a million of them take no memory beside the set. */

#include "controlplane/turn/source_read.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

enum { SLICE_MS = 100 };

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* The first line, without the blanks behind it. */
static void explain(PGconn *pg, const atomic_bool *stop, char *text)
{
	const char *words = *stop ? "stopped" : pg ? PQerrorMessage(pg) : "no memory";

	if (!words[0])
		words = "it answers nothing";
	snprintf(text, SL_SOURCE_TEXT, "%.*s", (int)strcspn(words, "\r\n"), words);
}

/* False: stopped, or nothing came before the deadline. */
static bool wait_for(PGconn *pg, short events, int64_t deadline_ms, const atomic_bool *stop)
{
	while (!*stop && now_ms() < deadline_ms) {
		struct pollfd p = {PQsocket(pg), events, 0};
		int n = poll(&p, 1, SLICE_MS);
		if (n > 0 || (n < 0 && errno != EINTR))
			return n > 0;
	}
	return false;
}

static PGconn *open_connection(const char *connect, const atomic_bool *stop)
{
	static const char *const names[] = {"application_name", "dbname", "client_encoding", NULL};
	const char *values[] = {"sluice", connect, "UTF8", NULL};
	PGconn *pg = PQconnectStartParams(names, values, 1);
	int64_t deadline = now_ms() + SL_SOURCE_CONNECT_MS;
	PostgresPollingStatusType state = PGRES_POLLING_WRITING;

	while (pg && PQstatus(pg) != CONNECTION_BAD && (state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING)) {
		if (!wait_for(pg, state == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline, stop))
			return pg;
		state = PQconnectPoll(pg);
	}
	return pg;
}

/* The next result; NULL at the end, and with *failed when none came. */
static PGresult *next_result(PGconn *pg, const atomic_bool *stop, bool *failed)
{
	int64_t deadline = now_ms() + SL_SOURCE_WAIT_MS;

	while (PQisBusy(pg)) {
		if (!wait_for(pg, POLLIN, deadline, stop) || !PQconsumeInput(pg)) {
			*failed = true;
			return NULL;
		}
	}
	return PQgetResult(pg);
}

static void take_row(PGresult *r, const struct sl_source_query *q, enum sl_source_table table, struct sl_source_set *s)
{
	struct sl_row_text columns[SL_SOURCE_COLUMNS_MAX];

	for (unsigned i = 0; i < q->n_columns; i++) {
		bool null = PQgetisnull(r, 0, (int)i);
		columns[i] = (struct sl_row_text){null ? NULL : PQgetvalue(r, 0, (int)i), null ? 0 : (size_t)PQgetlength(r, 0, (int)i)};
	}
	sl_source_row(s, table, columns);
}

/* Runs sql; rows go to s as rows of that table, or *rows counts them when s is NULL. */
static bool run(PGconn *pg, const char *sql, enum sl_source_table table, struct sl_source_set *s, unsigned *rows, const atomic_bool *stop)
{
	bool failed = !PQsendQuery(pg, sql) || !PQsetSingleRowMode(pg);
	PGresult *r;

	while (!failed && (r = next_result(pg, stop, &failed))) {
		ExecStatusType status = PQresultStatus(r);
		if (status == PGRES_SINGLE_TUPLE && s)
			take_row(r, &sl_source_queries[table], table, s);
		else if (status == PGRES_SINGLE_TUPLE && rows)
			++*rows;
		failed = (status != PGRES_SINGLE_TUPLE && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) || (s && s->no_memory);
		PQclear(r);
	}
	return !failed;
}

static bool read_table(PGconn *pg, enum sl_source_table table, struct sl_source_set *s, const atomic_bool *stop)
{
	const struct sl_source_query *q = &sl_source_queries[table];
	unsigned there = 0;
	char sql[128];

	/* Asked first: a statement that fails would end the transaction. */
	snprintf(sql, sizeof sql, "SELECT 1 WHERE to_regclass('%s') IS NOT NULL", q->table);
	if (table != SL_SOURCE_USERS && (!run(pg, sql, table, NULL, &there, stop) || !there))
		return PQstatus(pg) == CONNECTION_OK && !there && !*stop && PQtransactionStatus(pg) == PQTRANS_INTRANS;
	return run(pg, q->sql, table, s, NULL, stop);
}

struct sl_source_set *sl_source_read_postgresql(const char *connect, const atomic_bool *stop, char *text)
{
	struct sl_source_set *s = sl_source_set_new();
	PGconn *pg = s ? open_connection(connect, stop) : NULL;
	bool ok = pg && PQstatus(pg) == CONNECTION_OK &&
	          run(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", SL_SOURCE_USERS, NULL, NULL, stop);

	for (unsigned i = 0; ok && i < SL_SOURCE_N_TABLES; i++)
		ok = read_table(pg, (enum sl_source_table)i, s, stop);
	if (ok && sl_source_finish(s)) {
		PQfinish(pg);
		return s;
	}
	if (s && s->no_memory)
		snprintf(text, SL_SOURCE_TEXT, "no memory");
	else
		explain(pg, stop, text);
	PQfinish(pg);
	sl_source_set_unref(s);
	return NULL;
}

void sl_source_name_postgresql(const char *connect, char *out, size_t room)
{
	PQconninfoOption *all = PQconninfoParse(connect, NULL);
	const char *host = "", *port = "", *dbname = "";

	for (PQconninfoOption *o = all; o && o->keyword; o++) {
		const char *value = o->val ? o->val : "";
		if ((strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0) && value[0])
			host = value;
		else if (strcmp(o->keyword, "port") == 0)
			port = value;
		else if (strcmp(o->keyword, "dbname") == 0)
			dbname = value;
	}
	snprintf(out, room, "postgresql://%s%s%s/%s", host, port[0] ? ":" : "", port, dbname);
	PQconninfoFree(all);
}

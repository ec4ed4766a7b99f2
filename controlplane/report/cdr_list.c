/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/cdr_list.h"

#include "controlplane/report/internal.h"
#include "controlplane/report/row_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

enum { TIME_SLACK_MS = 2000 }; /* a leg's id is older than its begun_ms by less than this */

struct listing {
	struct sl_row_list l;
	struct sl_cdr_query q;
	struct sl_id call;
};

#define X(kind, column, member) #column ","
#define COLUMNS SL_CDR_COLUMNS(X) "rowid"
static const char by_age[] = "SELECT " COLUMNS " FROM cdrs WHERE leg < ? AND leg >= ? ORDER BY leg DESC";
static const char by_call[] = "SELECT " COLUMNS " FROM cdrs WHERE leg < ? AND leg >= ? AND call = ? ORDER BY leg DESC";
static const char by_user[] = "SELECT " COLUMNS " FROM cdrs WHERE leg < ? AND leg >= ? AND user = ? AND user <> '' ORDER BY leg DESC";
#undef X

static sqlite3_stmt *prepare(struct sl_store_db *db, struct sl_row_list *list)
{
	struct listing *l = (struct listing *)list;
	sqlite3_stmt *st = sl_store_statement(db, l->q.call[0] ? by_call : l->q.user[0] ? by_user : by_age);

	if (st && l->q.call[0])
		sqlite3_bind_blob(st, 3, l->call.b, SL_ID_BYTES, SQLITE_STATIC);
	else if (st && l->q.user[0])
		sqlite3_bind_text(st, 3, l->q.user, -1, SQLITE_STATIC);
	return st;
}

static int row(struct sl_row_list *list, sqlite3_stmt *st, char *text)
{
	struct listing *l = (struct listing *)list;
	struct sl_cdr r;

	sl_cdr_row_leg(st, &list->below);
	if (!sl_cdr_row_fits(st, &l->q) || !sl_row_list_has_room(list))
		return 0;
	sl_cdr_row_read(st, &r);
	sl_cdr_row_attempts(st, &r);
	if (list->csv)
		sl_cdr_csv(list->f, &r);
	sl_row_list_add(list, list->csv ? NULL : sl_cdr_json(&r), &r.leg);
	return 0;
}

int sl_cdr_list(struct sl_store *store, const struct sl_cdr_query *q, sl_cdrs_listed done, void *ctx)
{
	static const struct sl_row_list_kind kind = {
	        .name = "cdrs", .id_kind = SL_ID_CDR, .prepare = prepare, .row = row, .failed = sl_cdr_row_failed, .csv_head = sl_cdr_csv_head};
	struct sl_row_list_span span = {
	        .from_unix_ms = q->from_unix_ms, .to_unix_ms = q->to_unix_ms, .slack_before_ms = TIME_SLACK_MS, .cursor = q->after, .limit_max = SL_CDR_LIST_MAX};
	struct listing *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	*l = (struct listing){.l = {.kind = &kind, .store = store, .done = done, .ctx = ctx, .limit = q->limit, .csv = q->csv}, .q = *q};
	if (q->call[0] && sl_id_parse(q->call, strlen(q->call), SL_ID_CALL, &l->call) < 0) {
		free(l);
		return -EINVAL;
	}
	return sl_row_list_start(&l->l, &span);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Records as lists, and sums of them. */

#include "controlplane/turn/accounting_own.h"

#include "controlplane/report/csv.h"
#include "controlplane/report/json_text.h"
#include "controlplane/report/row_list.h"

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

enum {
	SUMS_MAX = 100000,    /* users and realms of one question */
	TIME_SLACK_MS = 2000, /* a record's id is a little younger than its start */
	AGE_MAX_MS = 86400000, /* unless its allocation was found running: then by its age */
};

/* A user's. */
struct sum {
	const char *user, *realm;
	uint64_t records, open, duration_ms;
	struct sl_turn_traffic traffic;
	char text[];
};

struct listing {
	struct sl_row_list l;
	struct sl_accounting_query q;
	bool sums;
	void *tree;        /* of struct sum */
	struct sum **all;  /* the same; once there are no more rows: the largest first */
	size_t n, room, at; /* at: those before are written */
	bool sorted;
};

static const char by_age[] = "SELECT " SL_TURN_RECORD_COLUMNS " FROM turn_records WHERE id < ? AND id >= ? ORDER BY id DESC";
static const char by_user[] = "SELECT " SL_TURN_RECORD_COLUMNS " FROM turn_records WHERE id < ? AND id >= ? AND user = ? ORDER BY id DESC";
static const char by_open[] = "SELECT " SL_TURN_RECORD_COLUMNS " FROM turn_records WHERE id < ? AND id >= ? AND end_ms = 0 ORDER BY id DESC";

static sqlite3_stmt *prepare(struct sl_store_db *db, struct sl_row_list *list)
{
	struct listing *l = (struct listing *)list;
	sqlite3_stmt *st = sl_store_statement(db, l->q.user[0] ? by_user : l->q.open ? by_open : by_age);

	if (st && l->q.user[0])
		sqlite3_bind_text(st, 3, l->q.user, -1, SQLITE_STATIC);
	return st;
}

static bool fits(const struct listing *l, const struct sl_turn_record *r)
{
	const struct sl_accounting_query *q = &l->q;

	return (!q->realm[0] || strcmp(r->realm, q->realm) == 0) && (!q->open || r->end_unix_ms == 0) &&
	       (!q->from_unix_ms || r->start_unix_ms >= q->from_unix_ms) && (!q->to_unix_ms || r->start_unix_ms < q->to_unix_ms);
}

static int compare_sums(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;
	int c = strcmp(x->user, y->user);

	return c ? c : strcmp(x->realm, y->realm);
}

static struct sum *new_sum(struct listing *l, const struct sl_turn_record *r)
{
	size_t user = strlen(r->user) + 1, realm = strlen(r->realm) + 1;

	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct sum **all = realloc(l->all, room * sizeof(*all));
		if (!all)
			return NULL;
		l->all = all;
		l->room = room;
	}
	struct sum *s = calloc(1, sizeof *s + user + realm);
	if (!s)
		return NULL;
	s->user = memcpy(s->text, r->user, user);
	s->realm = memcpy(s->text + user, r->realm, realm);
	if (!tsearch(s, &l->tree, compare_sums)) {
		free(s);
		return NULL;
	}
	l->all[l->n++] = s;
	return s;
}

static int add_up(struct listing *l, const struct sl_turn_record *r, char *text)
{
	const struct sum wanted = {.user = r->user, .realm = r->realm};
	void *at = tfind(&wanted, &l->tree, compare_sums);

	if (!at && l->n == SUMS_MAX) {
		snprintf(text, SL_STORE_TEXT, "more than %d users: ask for one realm, one user or a shorter time", SUMS_MAX);
		return -E2BIG;
	}
	struct sum *s = at ? *(struct sum **)at : new_sum(l, r);
	if (!s)
		return -ENOMEM;
	int64_t until = r->end_unix_ms ? r->end_unix_ms : r->updated_unix_ms;
	s->records++;
	s->open += r->end_unix_ms == 0;
	s->duration_ms += until > r->start_unix_ms ? (uint64_t)(until - r->start_unix_ms) : 0;
	s->traffic.to_peer_packets += r->traffic.to_peer_packets;
	s->traffic.to_peer_bytes += r->traffic.to_peer_bytes;
	s->traffic.to_client_packets += r->traffic.to_client_packets;
	s->traffic.to_client_bytes += r->traffic.to_client_bytes;
	return 0;
}

static int row(struct sl_row_list *list, sqlite3_stmt *st, char *text)
{
	struct listing *l = (struct listing *)list;
	struct sl_turn_record *r = sl_turn_row_read(st);
	int error = 0;

	if (!r)
		return -ENOMEM;
	list->below = r->id;
	if (fits(l, r) && l->sums) {
		error = add_up(l, r, text);
	} else if (fits(l, r) && sl_row_list_has_room(list)) {
		if (list->csv)
			sl_turn_record_csv(list->f, r);
		sl_row_list_add(list, list->csv ? NULL : sl_turn_record_json(r), &r->id);
	}
	free(r);
	return error;
}

/* ---- sums, once there are no more rows ---- */

static int larger_first(const void *a, const void *b)
{
	const struct sum *x = *(struct sum *const *)a, *y = *(struct sum *const *)b;
	uint64_t m = x->traffic.to_peer_bytes + x->traffic.to_client_bytes, n = y->traffic.to_peer_bytes + y->traffic.to_client_bytes;

	return m != n ? (m < n ? 1 : -1) : compare_sums(x, y);
}

static void write_sum(struct sl_row_list *l, const struct sum *s)
{
	static const struct sl_id none;
	const struct sl_turn_traffic *t = &s->traffic;

	if (l->csv) {
		sl_csv_text(l->f, s->user);
		putc(',', l->f);
		sl_csv_text(l->f, s->realm);
		fprintf(l->f, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\r\n", s->records, s->open, s->duration_ms,
		        t->to_peer_packets, t->to_peer_bytes, t->to_client_packets, t->to_client_bytes);
	}
	sl_row_list_add(l,
	        l->csv ? NULL
	               : json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "user", sl_json_text(s->user, strlen(s->user)), "realm",
	                         sl_json_text(s->realm, strlen(s->realm)), "records", (json_int_t)s->records, "open", (json_int_t)s->open, "duration_ms",
	                         (json_int_t)s->duration_ms, "to_peer_packets", (json_int_t)t->to_peer_packets, "to_peer_bytes", (json_int_t)t->to_peer_bytes,
	                         "to_client_packets", (json_int_t)t->to_client_packets, "to_client_bytes", (json_int_t)t->to_client_bytes),
	        &none);
}

static void forget(void *sum)
{
}

static void free_sums(struct listing *l)
{
	tdestroy(l->tree, forget);
	for (size_t i = 0; i < l->n; i++)
		free(l->all[i]);
	free(l->all);
	l->tree = NULL;
	l->all = NULL;
	l->n = 0;
}

/* The order first, then some at a time. */
static int after(struct sl_row_list *list, char *text)
{
	struct listing *l = (struct listing *)list;
	size_t last = l->at + SL_ROW_LIST_SLICE;

	if (!l->sorted && l->n)
		qsort(l->all, l->n, sizeof *l->all, larger_first);
	l->sorted = true;
	for (; l->at < l->n && l->at < last && list->found < list->limit; l->at++)
		write_sum(list, l->all[l->at]);
	list->finished = l->at == l->n || list->found == list->limit;
	if (list->finished && !list->csv)
		fprintf(list->f, "\n],\n\"total\": %zu}\n", l->n);
	if (list->finished)
		free_sums(l); /* a hundred thousand are not the brain's to free */
	return 0;
}

static void usage_head(FILE *f)
{
	fputs("user,realm,records,open,duration_ms,to_peer_packets,to_peer_bytes,to_client_packets,to_client_bytes\r\n", f);
}

/* ---- the brain ---- */

static void release(struct sl_row_list *list)
{
	free_sums((struct listing *)list);
	free(list);
}

static int start(struct sl_accounting *a, const struct sl_accounting_query *q, bool sums, sl_accounting_listed_done done, void *ctx)
{
	static const struct sl_row_list_kind records = {.name = "records", .id_kind = SL_ID_TURN_RECORD, .prepare = prepare, .row = row,
	        .failed = sl_turn_row_failed, .csv_head = sl_turn_record_csv_head, .release = release};
	static const struct sl_row_list_kind usage = {
	        .name = "usage", .prepare = prepare, .row = row, .failed = sl_turn_row_failed, .after = after, .csv_head = usage_head, .release = release};
	struct sl_row_list_span span = {.from_unix_ms = q->from_unix_ms, .to_unix_ms = q->to_unix_ms, .slack_before_ms = TIME_SLACK_MS,
	        .slack_after_ms = AGE_MAX_MS, .cursor = sums ? "" : q->cursor, .limit_max = SL_ACCOUNTING_LIST_MAX};
	struct listing *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	*l = (struct listing){
	        .l = {.kind = sums ? &usage : &records, .store = a->o.store, .done = done, .ctx = ctx, .limit = q->limit, .csv = q->csv}, .q = *q, .sums = sums};
	return sl_row_list_start(&l->l, &span);
}

int sl_accounting_list(struct sl_accounting *a, const struct sl_accounting_query *q, sl_accounting_listed_done done, void *ctx)
{
	return start(a, q, false, done, ctx);
}

int sl_accounting_usage(struct sl_accounting *a, const struct sl_accounting_query *q, sl_accounting_listed_done done, void *ctx)
{
	return start(a, q, true, done, ctx);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Records as lists, and sums of them. Rows are looked at in slices, so that a long search does not keep commits waiting. */

#include "controlplane/turn/accounting_own.h"

#include "controlplane/report/csv.h"
#include "controlplane/report/json_text.h"

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

enum {
	SLICE_ROWS = 4000,    /* looked at in one piece of work, and */
	SLICE_FOUND = 400,    /* written down */
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

/* A listing under way: the store's during a slice, the brain's between. */
struct listing {
	struct sl_store *store;
	struct sl_accounting_query q;
	sl_accounting_listed_done done;
	void *ctx;
	bool sums;
	struct sl_id below, above; /* those not looked at yet are >= above and < below */
	unsigned found;
	bool finished, more;       /* more: the limit ended it */
	struct sl_id last;
	void *tree;                /* of struct sum */
	size_t n_sums;
	struct sum **by_size;
	char *text;
	size_t len;
	FILE *f;
};

/* ---- the store's thread ---- */

static const char by_age[] = "SELECT " SL_TURN_RECORD_COLUMNS " FROM turn_records WHERE id < ? AND id >= ? ORDER BY id DESC";
static const char by_user[] = "SELECT " SL_TURN_RECORD_COLUMNS " FROM turn_records WHERE id < ? AND id >= ? AND user = ? ORDER BY id DESC";
static const char by_open[] = "SELECT " SL_TURN_RECORD_COLUMNS " FROM turn_records WHERE id < ? AND id >= ? AND end_ms = 0 ORDER BY id DESC";

static sqlite3_stmt *prepare(struct sl_store_db *db, const struct listing *l)
{
	sqlite3_stmt *st = sl_store_statement(db, l->q.user[0] ? by_user : l->q.open ? by_open : by_age);

	if (!st)
		return NULL;
	sqlite3_bind_blob(st, 1, l->below.b, SL_ID_BYTES, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, l->above.b, SL_ID_BYTES, SQLITE_STATIC);
	if (l->q.user[0])
		sqlite3_bind_text(st, 3, l->q.user, -1, SQLITE_STATIC);
	return st;
}

static bool fits(const struct listing *l, const struct sl_turn_record *r)
{
	const struct sl_accounting_query *q = &l->q;

	return (!q->realm[0] || strcmp(r->realm, q->realm) == 0) && (!q->open || r->end_unix_ms == 0) &&
	       (!q->from_unix_ms || r->start_unix_ms >= q->from_unix_ms) && (!q->to_unix_ms || r->start_unix_ms < q->to_unix_ms);
}

static void write_down(struct listing *l, const struct sl_turn_record *r)
{
	if (l->q.csv) {
		sl_turn_record_csv(l->f, r);
	} else {
		json_t *o = sl_turn_record_json(r);
		fputs(l->found ? ",\n" : "\n", l->f);
		json_dumpf(o, l->f, JSON_COMPACT | JSON_PRESERVE_ORDER);
		json_decref(o);
	}
	l->last = r->id;
	l->found++;
}

static int compare_sums(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;
	int c = strcmp(x->user, y->user);

	return c ? c : strcmp(x->realm, y->realm);
}

static int add_up(struct listing *l, const struct sl_turn_record *r, char *text)
{
	const struct sum wanted = {.user = r->user, .realm = r->realm};
	void *at = tfind(&wanted, &l->tree, compare_sums);
	struct sum *s = at ? *(struct sum **)at : NULL;

	if (!s) {
		size_t user = strlen(r->user) + 1, realm = strlen(r->realm) + 1;
		if (l->n_sums == SUMS_MAX) {
			snprintf(text, SL_STORE_TEXT, "more than %d users: ask for one realm, one user or a shorter time", SUMS_MAX);
			return -E2BIG;
		}
		s = calloc(1, sizeof *s + user + realm);
		if (!s)
			return -ENOMEM;
		s->user = memcpy(s->text, r->user, user);
		s->realm = memcpy(s->text + user, r->realm, realm);
		if (!tsearch(s, &l->tree, compare_sums)) {
			free(s);
			return -ENOMEM;
		}
		l->n_sums++;
	}
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

static int take_row(struct listing *l, sqlite3_stmt *st, char *text)
{
	struct sl_turn_record *r = sl_turn_row_read(st);
	int error = 0;

	if (!r)
		return -ENOMEM;
	l->below = r->id;
	if (fits(l, r) && l->sums) {
		error = add_up(l, r, text);
	} else if (fits(l, r)) {
		l->more = l->found == l->q.limit;
		if (!l->more)
			write_down(l, r);
	}
	free(r);
	return error;
}

static int do_slice(struct sl_store_db *db, void *arg, char *text)
{
	struct listing *l = arg;
	sqlite3_stmt *st = prepare(db, l);
	unsigned looked = 0, before = l->found;
	int rc = st ? SQLITE_ROW : SQLITE_ERROR, error = 0;

	while (rc == SQLITE_ROW && !error && looked < SLICE_ROWS && l->found - before < SLICE_FOUND && !l->more) {
		rc = sqlite3_step(st);
		if (rc != SQLITE_ROW)
			break;
		looked++;
		error = take_row(l, st, text);
	}
	if (!error && rc != SQLITE_ROW && rc != SQLITE_DONE)
		error = sl_turn_row_failed(db, text);
	l->finished = rc != SQLITE_ROW || l->more;
	if (st) {
		sqlite3_reset(st);
		sqlite3_clear_bindings(st);
	}
	return error;
}

/* ---- the brain ---- */

static int larger_first(const void *a, const void *b)
{
	const struct sum *x = *(struct sum *const *)a, *y = *(struct sum *const *)b;
	uint64_t m = x->traffic.to_peer_bytes + x->traffic.to_client_bytes, n = y->traffic.to_peer_bytes + y->traffic.to_client_bytes;

	return m != n ? (m < n ? 1 : -1) : compare_sums(x, y);
}

static void write_sum(struct listing *l, const struct sum *s)
{
	const struct sl_turn_traffic *t = &s->traffic;

	if (l->q.csv) {
		sl_csv_text(l->f, s->user);
		putc(',', l->f);
		sl_csv_text(l->f, s->realm);
		fprintf(l->f, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\r\n", s->records, s->open, s->duration_ms,
		        t->to_peer_packets, t->to_peer_bytes, t->to_client_packets, t->to_client_bytes);
		return;
	}
	json_t *o = json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "user", sl_json_text(s->user, strlen(s->user)), "realm",
	        sl_json_text(s->realm, strlen(s->realm)), "records", (json_int_t)s->records, "open", (json_int_t)s->open, "duration_ms",
	        (json_int_t)s->duration_ms, "to_peer_packets", (json_int_t)t->to_peer_packets, "to_peer_bytes", (json_int_t)t->to_peer_bytes,
	        "to_client_packets", (json_int_t)t->to_client_packets, "to_client_bytes", (json_int_t)t->to_client_bytes);
	fputs(l->found ? ",\n" : "\n", l->f);
	json_dumpf(o, l->f, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(o);
}

/* Empties the tree; by_size keeps what was in it. */
static void gather(struct listing *l)
{
	l->by_size = calloc(l->n_sums + 1, sizeof *l->by_size);
	for (size_t n = 0; l->tree; n++) {
		struct sum *s = *(struct sum **)l->tree;
		tdelete(s, &l->tree, compare_sums);
		if (l->by_size)
			l->by_size[n] = s;
		else
			free(s);
	}
	if (l->by_size)
		qsort(l->by_size, l->n_sums, sizeof *l->by_size, larger_first);
}

static void free_sums(struct listing *l)
{
	for (size_t i = 0; l->by_size && i < l->n_sums; i++)
		free(l->by_size[i]);
	free(l->by_size);
}

static void write_sums(struct listing *l)
{
	for (size_t i = 0; l->by_size && i < l->n_sums && l->found < l->q.limit; i++) {
		write_sum(l, l->by_size[i]);
		l->found++;
	}
	if (!l->q.csv)
		fprintf(l->f, "\n],\n\"total\": %zu}\n", l->n_sums);
}

static void finish(struct listing *l, int error, const char *text)
{
	char next[SL_ID_TEXT];

	if (l->sums)
		gather(l);
	if (l->sums && !l->by_size && !error) {
		error = -ENOMEM;
		text = "no memory";
	}
	if (l->sums)
		write_sums(l);
	else if (!l->q.csv && l->more)
		fprintf(l->f, "\n],\n\"next\": \"%s\"}\n", sl_id_text(&l->last, SL_ID_TURN_RECORD, next));
	else if (!l->q.csv)
		fputs("\n],\n\"next\": null}\n", l->f);
	if (fclose(l->f) != 0 && !error) {
		error = -ENOMEM;
		text = "no memory";
	}
	if (error)
		l->done(l->ctx, error, text[0] ? text : "no memory", strlen(text[0] ? text : "no memory"));
	else
		l->done(l->ctx, 0, l->text, l->len);
	free_sums(l);
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
	const struct sl_accounting_query *q = &l->q;

	if (q->from_unix_ms > TIME_SLACK_MS)
		sl_id_bound(q->from_unix_ms - TIME_SLACK_MS, &l->above);
	if (q->to_unix_ms > 0)
		sl_id_bound(q->to_unix_ms + AGE_MAX_MS, &l->below);
	else
		memset(&l->below, 0xff, sizeof l->below);
	if (q->cursor[0]) {
		struct sl_id after;
		if (sl_id_parse(q->cursor, strlen(q->cursor), SL_ID_TURN_RECORD, &after) < 0)
			return -EINVAL;
		if (memcmp(after.b, l->below.b, SL_ID_BYTES) < 0)
			l->below = after;
	}
	return 0;
}

static int start(struct sl_accounting *a, const struct sl_accounting_query *q, bool sums, sl_accounting_listed_done done, void *ctx)
{
	struct listing *l = calloc(1, sizeof *l);
	int error = -ENOMEM;

	if (!l)
		return -ENOMEM;
	*l = (struct listing){.store = a->o.store, .q = *q, .done = done, .ctx = ctx, .sums = sums};
	if (sums)
		l->q.cursor[0] = '\0';
	if (q->limit == 0 || q->limit > SL_ACCOUNTING_LIST_MAX || set_bounds(l) < 0) {
		error = -EINVAL;
		goto err;
	}
	l->f = open_memstream(&l->text, &l->len);
	if (!l->f)
		goto err;
	if (q->csv && sums)
		fputs("user,realm,records,open,duration_ms,to_peer_packets,to_peer_bytes,to_client_packets,to_client_bytes\r\n", l->f);
	else if (q->csv)
		sl_turn_record_csv_head(l->f);
	else
		fputs(sums ? "{\"usage\": [" : "{\"records\": [", l->f);
	error = sl_store_submit(l->store, do_slice, slice_done, l);
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

int sl_accounting_list(struct sl_accounting *a, const struct sl_accounting_query *q, sl_accounting_listed_done done, void *ctx)
{
	return start(a, q, false, done, ctx);
}

int sl_accounting_usage(struct sl_accounting *a, const struct sl_accounting_query *q, sl_accounting_listed_done done, void *ctx)
{
	return start(a, q, true, done, ctx);
}

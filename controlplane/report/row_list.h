/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Rows of the store by id, newest first, written down as JSON or CSV. They are looked at in slices on the store's thread, so that a long
 * search keeps neither commits nor the brain waiting; the brain hands on what was written. And the end of rows by age, in slices too. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "controlplane/call/id.h"
#include "controlplane/store/store.h"

struct sl_row_list;
struct sqlite3_stmt;

/* text: JSON or CSV; of an error: words. On the brain. */
typedef void (*sl_row_list_done)(void *ctx, int error, const char *text, size_t len);

enum { SL_ROW_LIST_SLICE = 400 }; /* written down in one piece of work */

/* All but release on the store's thread. */
struct sl_row_list_kind {
	const char *name;    /* of the list in JSON */
	const char *id_kind; /* "CD"; NULL = there is no next page */
	/* A statement with the bounds of ids as its first two parameters (below, not below above), newest first; the others are bound
	 * already. NULL: it failed. */
	struct sqlite3_stmt *(*prepare)(struct sl_store_db *db, struct sl_row_list *l);
	/* The row under the statement: its id to l->below, and if it is wanted, l->more or sl_row_list_add(). 0, or negative errno with
	 * text. */
	int (*row)(struct sl_row_list *l, struct sqlite3_stmt *st, char *text);
	int (*failed)(struct sl_store_db *db, char *text); /* logs and returns -EIO */
	/* Once all rows have been looked at, again and again until l->finished. NULL = nothing is left to do. */
	int (*after)(struct sl_row_list *l, char *text);
	void (*csv_head)(FILE *f);
	void (*release)(struct sl_row_list *l); /* either thread: what lies behind l, and l. NULL = free() */
};

/* Under way: the store's during a slice, the brain's between. The first member of what a kind keeps beside it. */
struct sl_row_list {
	const struct sl_row_list_kind *kind;
	struct sl_store *store;
	sl_row_list_done done;
	void *ctx;
	unsigned limit;
	bool csv;
	struct sl_id below, above; /* those not looked at yet are >= above and < below */
	unsigned found;
	bool looked, finished;     /* at all rows; and nothing is left to do */
	bool more;                 /* the limit ended it */
	struct sl_id last;         /* found */
	char *text;
	size_t len;
	FILE *f;
};

/* Which rows: begun in this time (0 = open), older than cursor ("" = from the newest). slack_before_ms: so much older than its begin an id
 * may be; slack_after_ms: so much younger. */
struct sl_row_list_span {
	int64_t from_unix_ms, to_unix_ms, slack_before_ms, slack_after_ms;
	const char *cursor;
	unsigned limit_max;
};

/* kind to csv are set, the rest is zero. 0: done will be called and l is released. -EINVAL (limit, cursor), -ENOBUFS, -ENOMEM: l is
 * released, done is not called. */
int sl_row_list_start(struct sl_row_list *l, const struct sl_row_list_span *span);
/* A wanted row: is there room for it? Else the list ends there. */
bool sl_row_list_has_room(struct sl_row_list *l);
/* It is written down: by o (taken over), or o is NULL and it stands in l->f already. */
void sl_row_list_add(struct sl_row_list *l, json_t *o, const struct sl_id *id);

/* ---- the end by age: each minute, 500 rows at a time ---- */

struct sl_row_expiry {
	struct sl_store *store;
	/* Deletes rows: their id is below the first parameter, they ended before the second (milliseconds), at most the third. A
	 * constant. */
	const char *sql;
	int (*failed)(struct sl_store_db *db, char *text);
	uint64_t *count; /* of the rows deleted; the brain's */

	int64_t next_ms, before_ms;
	int n;
	bool under_way; /* then it stays where it is until the store has answered */
};
/* On the brain. days 0 = for ever. */
void sl_row_expiry_tick(struct sl_row_expiry *x, unsigned days, int64_t now_ms, int64_t now_unix_ms);

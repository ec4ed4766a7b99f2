/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* TURN's users in the store. */

#include "controlplane/store/store.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

struct user_job {
	struct sl_user *user; /* put: keys and all; delete: only the name is read */
	sl_store_done done;
	sl_store_users users_done;
	void *ctx;
	struct sl_user **users;
	size_t n, capacity;
};

static int failed(struct sl_store_db *db, char *text)
{
	snprintf(text, SL_STORE_TEXT, "%s", sqlite3_errmsg(sl_store_sqlite(db)));
	sl_log(SL_LOG_ERROR, "store: %s", text);
	return -EIO;
}

static void free_job(struct user_job *j)
{
	sl_user_unref(j->user);
	free(j->users);
	free(j);
}

static void answer(void *arg, int error, const char *text)
{
	struct user_job *j = arg;

	if (j->users_done)
		j->users_done(j->ctx, error, text, j->users, j->n);
	else
		j->done(j->ctx, error, text);
	free_job(j);
}

/* The schema bounds every length, but not every file was written under it. */
static bool row_is_sane(sqlite3_stmt *st)
{
	int name_len = sqlite3_column_bytes(st, 0), realm_len = sqlite3_column_bytes(st, 1);

	return name_len >= 1 && name_len <= SL_MSG_USERNAME_MAX && sqlite3_column_text(st, 1) && realm_len >= 1 && realm_len < SL_MSG_REALM_MAX &&
	       sqlite3_column_bytes(st, 2) == 16 && sqlite3_column_bytes(st, 3) == 32 && sqlite3_column_bytes(st, 4) == 32;
}

static bool add_row(struct user_job *j, sqlite3_stmt *st)
{
	if (!row_is_sane(st)) {
		sl_log(SL_LOG_WARNING, "store: a user's row is damaged and left out");
		return true;
	}
	if (j->n == j->capacity) {
		size_t capacity = j->capacity ? j->capacity * 2 : 64;
		struct sl_user **grown = realloc(j->users, capacity * sizeof *grown);
		if (!grown)
			return false;
		j->users = grown;
		j->capacity = capacity;
	}

	struct sl_user *u = sl_user_copy(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0), (const char *)sqlite3_column_text(st, 1),
	        sqlite3_column_blob(st, 2), sqlite3_column_blob(st, 3), sqlite3_column_blob(st, 4), 0, sqlite3_column_int64(st, 5));
	if (!u)
		return false;
	j->users[j->n++] = u;
	return true;
}

static int do_load(struct sl_store_db *db, void *arg, char *text)
{
	struct user_job *j = arg;
	sqlite3_stmt *st = sl_store_statement(db, "SELECT name, realm, key_md5, key_sha256, userhash, created FROM users ORDER BY realm, name");
	int rc = st ? SQLITE_ROW : SQLITE_ERROR;

	while (rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW && !add_row(j, st))
			rc = SQLITE_NOMEM;
	}
	int error = rc == SQLITE_DONE ? 0 : failed(db, text);
	if (st)
		sqlite3_reset(st);
	return error;
}

static int do_put(struct sl_store_db *db, void *arg, char *text)
{
	struct user_job *j = arg;
	const struct sl_user *u = j->user;
	sqlite3_stmt *st = sl_store_statement(db, "INSERT OR REPLACE INTO users (name, realm, key_md5, key_sha256, userhash, created)"
	                                          " VALUES (?, ?, ?, ?, ?, ?)");

	if (!st)
		return failed(db, text);
	sqlite3_bind_blob(st, 1, u->name, u->name_len, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, u->realm, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 3, u->key_md5, sizeof u->key_md5, SQLITE_STATIC);
	sqlite3_bind_blob(st, 4, u->key_sha256, sizeof u->key_sha256, SQLITE_STATIC);
	sqlite3_bind_blob(st, 5, u->userhash, sizeof u->userhash, SQLITE_STATIC);
	sqlite3_bind_int64(st, 6, u->created_unix_s);
	int error = sqlite3_step(st) == SQLITE_DONE ? 0 : failed(db, text);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

static int do_delete(struct sl_store_db *db, void *arg, char *text)
{
	struct user_job *j = arg;
	sqlite3_stmt *st = sl_store_statement(db, "DELETE FROM users WHERE name = ? AND realm = ?");

	if (!st)
		return failed(db, text);
	sqlite3_bind_blob(st, 1, j->user->name, j->user->name_len, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, j->user->realm, -1, SQLITE_STATIC);
	int error = sqlite3_step(st) != SQLITE_DONE ? failed(db, text)
	            : sqlite3_changes(sl_store_sqlite(db)) == 0 ? -ENOENT : 0;
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

static int submit(struct sl_store *s, struct user_job *j, sl_store_work work)
{
	int rc = j ? sl_store_submit(s, work, answer, j) : -ENOMEM;

	if (j && rc < 0)
		free_job(j);
	return rc;
}

int sl_store_load_users(struct sl_store *s, sl_store_users done, void *ctx)
{
	struct user_job *j = calloc(1, sizeof *j);

	if (j)
		*j = (struct user_job){.users_done = done, .ctx = ctx};
	return submit(s, j, do_load);
}

/* Takes user over: a copy, since reference counts belong to the brain. */
static struct user_job *user_job(struct sl_user *user, sl_store_done done, void *ctx)
{
	struct user_job *j = user ? calloc(1, sizeof *j) : NULL;

	if (j)
		*j = (struct user_job){.done = done, .ctx = ctx, .user = user};
	else
		sl_user_unref(user);
	return j;
}

int sl_store_put_user(struct sl_store *s, const struct sl_user *u, sl_store_done done, void *ctx)
{
	struct sl_user *copy = sl_user_copy(u->name, u->name_len, u->realm, u->key_md5, u->key_sha256, u->userhash, u->flags, u->created_unix_s);

	return submit(s, user_job(copy, done, ctx), do_put);
}

int sl_store_delete_user(struct sl_store *s, const char *realm, const char *name, size_t len, sl_store_done done, void *ctx)
{
	const uint8_t none[32] = {0};

	return submit(s, user_job(sl_user_copy(name, len, realm, none, none, none, 0, 0), done, ctx), do_delete);
}

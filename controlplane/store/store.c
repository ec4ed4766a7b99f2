/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/store/store.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <sqlite3.h>

enum { MAILBOX = 1024, BUSY_MS = 2000 };

struct sl_store {
	sqlite3 *db; /* the store's thread, once it runs */
	struct sl_mailbox *inbox, *brain;
	pthread_t thread;
	bool stop; /* the store's thread */
};

/* One thing asked; belongs to the store's thread on the way there, to the brain's on the way back. */
struct job {
	struct sl_store *store;
	struct sl_user *user; /* put: keys and all; delete: only the name is read */
	sl_store_done done;
	sl_store_users users_done;
	void *ctx;
	int error;
	char text[160];
	struct sl_user **users;
	size_t n, capacity;
};

/* ---- schema: entry i brings user_version i to i + 1; never edited, only appended to ---- */

static const char *const migrations[] = {
        "CREATE TABLE users ("
        " name BLOB PRIMARY KEY NOT NULL CHECK (length(name) BETWEEN 1 AND 508),"
        " realm TEXT NOT NULL,"
        " key_md5 BLOB NOT NULL CHECK (length(key_md5) = 16),"
        " key_sha256 BLOB NOT NULL CHECK (length(key_sha256) = 32),"
        " userhash BLOB NOT NULL CHECK (length(userhash) = 32),"
        " created INTEGER NOT NULL" /* seconds since 1970 */
        ") WITHOUT ROWID",
};
enum { SCHEMA_VERSION = sizeof migrations / sizeof migrations[0] };

static int user_version(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
	        sqlite3_step(st) == SQLITE_ROW)
		version = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return version;
}

static int migrate(sqlite3 *db, const char *path, char *text, size_t text_len)
{
	char sql[64];
	int version = user_version(db);

	if (version > SCHEMA_VERSION) {
		snprintf(text, text_len, "%s: made by a newer Sluice (schema %d, ours %d)", path, version,
		        SCHEMA_VERSION);
		return -EINVAL;
	}
	for (; version >= 0 && version < SCHEMA_VERSION; version++) {
		snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version + 1);
		if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
		        sqlite3_exec(db, migrations[version], NULL, NULL, NULL) != SQLITE_OK ||
		        sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK ||
		        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
			break;
	}
	if (version == SCHEMA_VERSION)
		return 0;
	snprintf(text, text_len, "%s: %s", path, sqlite3_errmsg(db));
	return -EIO;
}

/* ---- the store's thread ---- */

static void fail(struct job *j, int error)
{
	j->error = error;
	snprintf(j->text, sizeof j->text, "%s", sqlite3_errmsg(j->store->db));
	sl_log(SL_LOG_ERROR, "store: %s", j->text);
}

static void send_back(struct job *j, sl_mail_fn fn)
{
	struct timespec nap = {0, 1000000};

	/* The answer must arrive; the brain always comes back to its mailbox. */
	while (sl_mailbox_post(j->store->brain, fn, j) < 0)
		nanosleep(&nap, NULL);
}

static void free_job(struct job *j)
{
	sl_user_unref(j->user);
	free(j->users);
	free(j);
}

static void answer(void *arg)
{
	struct job *j = arg;

	if (j->users_done)
		j->users_done(j->ctx, j->error, j->text, j->users, j->n);
	else
		j->done(j->ctx, j->error, j->text);
	free_job(j);
}

/* The schema bounds every length, but not every file was written under it. */
static bool row_is_sane(sqlite3_stmt *st)
{
	int name_len = sqlite3_column_bytes(st, 0);

	return name_len >= 1 && name_len <= SL_MSG_USERNAME_MAX && sqlite3_column_text(st, 1) &&
	       sqlite3_column_bytes(st, 2) == 16 && sqlite3_column_bytes(st, 3) == 32 &&
	       sqlite3_column_bytes(st, 4) == 32;
}

static bool add_row(struct job *j, sqlite3_stmt *st)
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

	struct sl_user *u = calloc(1, sizeof *u);
	if (!u)
		return false;
	u->refs = 1;
	u->keys.name_len = (uint16_t)sqlite3_column_bytes(st, 0);
	memcpy(u->keys.name, sqlite3_column_blob(st, 0), u->keys.name_len);
	snprintf(u->realm, sizeof u->realm, "%s", (const char *)sqlite3_column_text(st, 1));
	memcpy(u->keys.key_md5, sqlite3_column_blob(st, 2), sizeof u->keys.key_md5);
	memcpy(u->keys.key_sha256, sqlite3_column_blob(st, 3), sizeof u->keys.key_sha256);
	memcpy(u->keys.userhash, sqlite3_column_blob(st, 4), sizeof u->keys.userhash);
	u->created_unix_s = sqlite3_column_int64(st, 5);
	j->users[j->n++] = u;
	return true;
}

static void do_load(void *arg)
{
	struct job *j = arg;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(j->store->db,
	        "SELECT name, realm, key_md5, key_sha256, userhash, created FROM users", -1, &st, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW && !add_row(j, st))
			rc = SQLITE_NOMEM;
	}
	if (rc != SQLITE_DONE)
		fail(j, -EIO);
	sqlite3_finalize(st);
	send_back(j, answer);
}

static void do_put(void *arg)
{
	struct job *j = arg;
	const struct sl_user *u = j->user;
	sqlite3_stmt *st = NULL;

	/* One statement is one transaction: when step says DONE it is committed. */
	if (sqlite3_prepare_v2(j->store->db,
	            "INSERT OR REPLACE INTO users (name, realm, key_md5, key_sha256, userhash, created)"
	            " VALUES (?, ?, ?, ?, ?, ?)",
	            -1, &st, NULL) != SQLITE_OK ||
	        sqlite3_bind_blob(st, 1, u->keys.name, u->keys.name_len, SQLITE_STATIC) != SQLITE_OK ||
	        sqlite3_bind_text(st, 2, u->realm, -1, SQLITE_STATIC) != SQLITE_OK ||
	        sqlite3_bind_blob(st, 3, u->keys.key_md5, sizeof u->keys.key_md5, SQLITE_STATIC) !=
	                SQLITE_OK ||
	        sqlite3_bind_blob(st, 4, u->keys.key_sha256, sizeof u->keys.key_sha256, SQLITE_STATIC) !=
	                SQLITE_OK ||
	        sqlite3_bind_blob(st, 5, u->keys.userhash, sizeof u->keys.userhash, SQLITE_STATIC) !=
	                SQLITE_OK ||
	        sqlite3_bind_int64(st, 6, u->created_unix_s) != SQLITE_OK || sqlite3_step(st) != SQLITE_DONE)
		fail(j, -EIO);
	sqlite3_finalize(st);
	send_back(j, answer);
}

static void do_delete(void *arg)
{
	struct job *j = arg;
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(j->store->db, "DELETE FROM users WHERE name = ?", -1, &st, NULL) !=
	                SQLITE_OK ||
	        sqlite3_bind_blob(st, 1, j->user->keys.name, j->user->keys.name_len, SQLITE_STATIC) !=
	                SQLITE_OK ||
	        sqlite3_step(st) != SQLITE_DONE)
		fail(j, -EIO);
	else if (sqlite3_changes(j->store->db) == 0)
		j->error = -ENOENT;
	sqlite3_finalize(st);
	send_back(j, answer);
}

static void do_stop(void *arg)
{
	struct sl_store *s = arg;

	s->stop = true;
}

static void *run(void *arg)
{
	struct sl_store *s = arg;

	while (!s->stop) {
		struct pollfd p = {sl_mailbox_fd(s->inbox), POLLIN, 0};
		poll(&p, 1, -1);
		sl_mailbox_run(s->inbox, 64);
	}
	return NULL;
}

/* ---- the brain's side ---- */

struct sl_store *sl_store_open(const char *path, struct sl_mailbox *brain, char *text, size_t text_len)
{
	struct sl_store *s = calloc(1, sizeof *s);
	struct stat st;
	if (stat(path, &st) == 0 && (st.st_mode & S_IRWXO) != 0)
		sl_log(SL_LOG_WARNING, "%s holds keys as good as passwords, and is open to everybody (mode %03o): chmod o= %s",
		        path, st.st_mode & 0777, path);
	mode_t before = umask(0077); /* keys are as good as passwords: for our user only */
	int rc = s ? sqlite3_open_v2(path, &s->db,
	                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL)
	           : SQLITE_NOMEM;

	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(s->db, BUSY_MS);
		rc = sqlite3_exec(s->db,
		        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON",
		        NULL, NULL, NULL);
	}
	umask(before);
	if (rc != SQLITE_OK) {
		snprintf(text, text_len, "%s: %s (option 'control.database')", path,
		        s && s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
		goto err;
	}
	if (migrate(s->db, path, text, text_len) < 0)
		goto err;
	snprintf(text, text_len, "cannot start the store's thread");
	s->brain = brain;
	s->inbox = sl_mailbox_new(MAILBOX);
	if (!s->inbox || pthread_create(&s->thread, NULL, run, s) != 0)
		goto err;
	return s;
err:
	if (s) {
		sl_mailbox_free(s->inbox);
		sqlite3_close(s->db);
	}
	free(s);
	return NULL;
}

void sl_store_close(struct sl_store *s)
{
	if (!s)
		return;
	while (sl_mailbox_post(s->inbox, do_stop, s) < 0)
		poll(NULL, 0, 1);
	pthread_join(s->thread, NULL);
	sl_mailbox_free(s->inbox);
	sqlite3_close(s->db);
	free(s);
}

static int send_job(struct sl_store *s, struct job *j, sl_mail_fn fn)
{
	if (!j)
		return -ENOMEM;
	j->store = s;
	int rc = sl_mailbox_post(s->inbox, fn, j);
	if (rc < 0)
		free_job(j);
	return rc;
}

int sl_store_load_users(struct sl_store *s, sl_store_users done, void *ctx)
{
	struct job *j = calloc(1, sizeof *j);

	if (j)
		*j = (struct job){.users_done = done, .ctx = ctx};
	return send_job(s, j, do_load);
}

static struct job *user_job(sl_store_done done, void *ctx)
{
	struct job *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	*j = (struct job){.done = done, .ctx = ctx, .user = calloc(1, sizeof *j->user)};
	if (!j->user) {
		free(j);
		return NULL;
	}
	return j;
}

int sl_store_put_user(struct sl_store *s, const struct sl_user *u, sl_store_done done, void *ctx)
{
	struct job *j = user_job(done, ctx);

	if (j) {
		*j->user = *u; /* a copy: reference counts belong to the brain */
		j->user->refs = 1;
	}
	return send_job(s, j, do_put);
}

int sl_store_delete_user(struct sl_store *s, const char *name, size_t len, sl_store_done done, void *ctx)
{
	struct job *j = len <= SL_MSG_USERNAME_MAX ? user_job(done, ctx) : NULL;

	if (j) {
		j->user->refs = 1;
		j->user->keys.name_len = (uint16_t)len;
		memcpy(j->user->keys.name, name, len);
	}
	return send_job(s, j, do_delete);
}

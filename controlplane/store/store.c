/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/store/store.h"

#include "controlplane/store/schema.h"

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

enum { MAILBOX = 16384, BUSY_MS = 2000, STATEMENTS_MAX = 128 };

/* One prepared statement of the store's thread. */
struct statement {
	const char *sql;
	sqlite3_stmt *st;
};

struct sl_store_db {
	sqlite3 *db;
	unsigned n_statements;
	struct statement statements[STATEMENTS_MAX];
};

struct sl_store {
	struct sl_store_db db; /* the store's thread, once it runs */
	struct sl_mailbox *inbox, *brain;
	pthread_t thread;
	bool stop;             /* the store's thread */
	struct job *group, **last; /* the store's thread: done, not committed */
	bool begun, no_begin;      /* the store's thread: the group's transaction; it could not be begun */
	size_t waiting;        /* the brain: submitted, not answered */
};

/* One thing asked; belongs to the store's thread on the way there, to the brain's on the way back. */
struct job {
	struct job *next;
	struct sl_store *store;
	sl_store_work work;
	sl_store_done done;
	void *arg;
	int error;
	char text[SL_STORE_TEXT];
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
        SL_SCHEMA_PROVISION SL_SCHEMA_REGISTRAR SL_SCHEMA_REPORT SL_SCHEMA_HTTP,
        SL_SCHEMA_GUARD,
        SL_SCHEMA_TURN,
        SL_SCHEMA_TURN_RECORDS,
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

struct sqlite3 *sl_store_sqlite(struct sl_store_db *db)
{
	return db->db;
}

struct sqlite3_stmt *sl_store_statement(struct sl_store_db *db, const char *sql)
{
	for (unsigned i = 0; i < db->n_statements; i++) {
		if (db->statements[i].sql == sql)
			return db->statements[i].st;
	}
	struct statement s = {.sql = sql};
	if (db->n_statements == STATEMENTS_MAX ||
	        sqlite3_prepare_v3(db->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s.st, NULL) != SQLITE_OK)
		return NULL;
	db->statements[db->n_statements++] = s;
	return s.st;
}

static bool run_sql(struct sl_store_db *db, const char *sql)
{
	sqlite3_stmt *st = sl_store_statement(db, sql);
	bool ok = st && sqlite3_step(st) == SQLITE_DONE;

	if (st)
		sqlite3_reset(st);
	return ok;
}

static int failed(struct sl_store_db *db, char *text)
{
	snprintf(text, SL_STORE_TEXT, "%s", sqlite3_errmsg(db->db));
	sl_log(SL_LOG_ERROR, "store: %s", text);
	return -EIO;
}

/* In a savepoint: what it did goes when it fails, and nothing else. */
static int run_work(struct sl_store_db *db, sl_store_work work, void *arg, char *text)
{
	if (!run_sql(db, "SAVEPOINT work"))
		return failed(db, text);
	int error = work(db, arg, text);
	if (error && !run_sql(db, "ROLLBACK TO work"))
		failed(db, text);
	return run_sql(db, "RELEASE work") || error ? error : failed(db, text);
}

static void answer(void *arg)
{
	struct job *j = arg;

	j->store->waiting--;
	j->done(j->arg, j->error, j->text);
	free(j);
}

static void send_back(struct job *j)
{
	struct timespec nap = {0, 1000000};

	/* The answer must arrive; the brain always comes back to its mailbox. */
	while (sl_mailbox_post(j->store->brain, answer, j) < 0)
		nanosleep(&nap, NULL);
}

/* A letter: the first of a group begins the transaction. */
static void do_work(void *arg)
{
	struct job *j = arg;
	struct sl_store *s = j->store;

	/* Tried once a group: each attempt may wait for others to let the file go. */
	if (!s->begun && !s->no_begin)
		s->begun = !(s->no_begin = !run_sql(&s->db, "BEGIN IMMEDIATE"));
	j->error = s->begun ? run_work(&s->db, j->work, j->arg, j->text) : failed(&s->db, j->text);
	j->next = NULL;
	*s->last = j;
	s->last = &j->next;
}

static void end_group(struct sl_store *s)
{
	struct job *j = s->group;
	char text[SL_STORE_TEXT] = "";
	int error = 0;

	if (!j)
		return;
	if (s->begun && !run_sql(&s->db, "COMMIT")) {
		error = failed(&s->db, text);
		if (!sqlite3_get_autocommit(s->db.db))
			run_sql(&s->db, "ROLLBACK");
	}
	s->begun = s->no_begin = false;
	s->group = NULL;
	s->last = &s->group;
	while (j) {
		struct job *next = j->next;
		if (error && !j->error) {
			j->error = error;
			memcpy(j->text, text, sizeof j->text);
		}
		send_back(j);
		j = next;
	}
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
		sl_mailbox_run(s->inbox, SL_STORE_GROUP);
		end_group(s);
	}
	return NULL;
}

/* ---- the brain's side ---- */

static void close_database(struct sl_store_db *db)
{
	for (unsigned i = 0; i < db->n_statements; i++)
		sqlite3_finalize(db->statements[i].st);
	sqlite3_close(db->db);
}

struct sl_store *sl_store_open(const char *path, struct sl_mailbox *brain, char *text, size_t text_len)
{
	struct sl_store *s = calloc(1, sizeof *s);
	struct stat st;
	if (stat(path, &st) == 0 && (st.st_mode & S_IRWXO) != 0)
		sl_log(SL_LOG_WARNING, "%s holds keys as good as passwords, and is open to everybody (mode %03o): chmod o= %s",
		        path, st.st_mode & 0777, path);
	mode_t before = umask(0077); /* keys are as good as passwords: for our user only */
	int rc = s ? sqlite3_open_v2(path, &s->db.db,
	                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL)
	           : SQLITE_NOMEM;

	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(s->db.db, BUSY_MS);
		rc = sqlite3_exec(s->db.db,
		        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON",
		        NULL, NULL, NULL);
	}
	umask(before);
	if (rc != SQLITE_OK) {
		snprintf(text, text_len, "%s: %s (option 'control.database')", path,
		        s && s->db.db ? sqlite3_errmsg(s->db.db) : sqlite3_errstr(rc));
		goto err;
	}
	if (migrate(s->db.db, path, text, text_len) < 0)
		goto err;
	snprintf(text, text_len, "cannot start the store's thread");
	s->brain = brain;
	s->last = &s->group;
	s->inbox = sl_mailbox_new(MAILBOX);
	if (!s->inbox || pthread_create(&s->thread, NULL, run, s) != 0)
		goto err;
	return s;
err:
	if (s) {
		sl_mailbox_free(s->inbox);
		close_database(&s->db);
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
	close_database(&s->db);
	free(s);
}

int sl_store_submit(struct sl_store *s, sl_store_work work, sl_store_done done, void *arg)
{
	struct job *j = malloc(sizeof *j);

	if (!j)
		return -ENOMEM;
	*j = (struct job){.store = s, .work = work, .done = done, .arg = arg};
	int rc = sl_mailbox_post(s->inbox, do_work, j);
	if (rc < 0)
		free(j);
	else
		s->waiting++;
	return rc;
}

int sl_store_now(struct sl_store *s, sl_store_work work, void *arg, char *text)
{
	text[0] = '\0';
	return run_work(&s->db, work, arg, text);
}

void sl_store_flush(struct sl_store *s)
{
	while (s->waiting) {
		struct pollfd p = {sl_mailbox_fd(s->brain), POLLIN, 0};
		poll(&p, 1, -1);
		sl_mailbox_run(s->brain, SL_STORE_GROUP);
	}
}

size_t sl_store_waiting(const struct sl_store *s)
{
	return s->waiting;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "controlplane/store/store.h"

/* The store's thread with real SQLite: what was answered is in the file, and one piece of work that fails takes nothing with it. */

static struct sl_mailbox *brain;
static struct sl_store *store;
static char path[64];

static int setup(void **state)
{
	char text[200];

	snprintf(path, sizeof path, "/tmp/sl-store-XXXXXX");
	close(mkstemp(path));
	brain = sl_mailbox_new(1024);
	store = sl_store_open(path, brain, text, sizeof text);
	assert_non_null(store);
	return 0;
}

static int teardown(void **state)
{
	char name[80];

	sl_store_close(store);
	sl_mailbox_free(brain);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const ends[] = {"", "-wal", "-shm"};
		snprintf(name, sizeof name, "%s%s", path, ends[i]);
		unlink(name);
	}
	return 0;
}

struct piece {
	int number;
	bool fail, half;
	int error;
	bool told;
};

static int insert(struct sl_store_db *db, int number)
{
	sqlite3_stmt *st = sl_store_statement(db, "INSERT INTO resources (kind, name, version, body) VALUES ('test', ?, 1, '{}')");

	sqlite3_bind_int(st, 1, number);
	int rc = sqlite3_step(st);
	sqlite3_reset(st);
	return rc == SQLITE_DONE ? 0 : -EEXIST;
}

static int work(struct sl_store_db *db, void *arg, char *text)
{
	struct piece *p = arg;

	int rc = insert(db, p->number);
	if (p->half && rc == 0) /* the first half is done, the second is refused */
		rc = insert(db, p->number);
	if (p->fail && rc == 0)
		rc = -EINVAL;
	snprintf(text, SL_STORE_TEXT, "%d", p->number);
	return rc;
}

static void done(void *ctx, int error, const char *text)
{
	struct piece *p = ctx;
	char number[16];

	snprintf(number, sizeof number, "%d", p->number);
	if (error != -EIO) /* else the words are SQLite's */
		assert_string_equal(text, number);
	assert_false(p->told);
	p->error = error;
	p->told = true;
}

static bool is_there(sqlite3 *db, int number)
{
	char sql[120];
	sqlite3_stmt *st;

	snprintf(sql, sizeof sql, "SELECT 1 FROM resources WHERE kind = 'test' AND name = '%d'", number);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	bool there = sqlite3_step(st) == SQLITE_ROW;
	sqlite3_finalize(st);
	return there;
}

static void a_piece_that_fails_takes_nothing_with_it(void **state)
{
	enum { N = 700 }; /* more than a group */
	struct piece pieces[N] = {0};
	sqlite3 *other;

	for (unsigned i = 0; i < N; i++) {
		pieces[i] = (struct piece){.number = (int)i, .fail = i % 7 == 3, .half = i % 11 == 5};
		assert_int_equal(sl_store_submit(store, work, done, &pieces[i]), 0);
	}
	assert_true(sl_store_waiting(store) > 0);
	sl_store_flush(store);
	assert_int_equal(sl_store_waiting(store), 0);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK); /* as another program sees it: committed */
	for (unsigned i = 0; i < N; i++) {
		bool failed = pieces[i].fail || pieces[i].half;
		assert_true(pieces[i].told);
		assert_int_equal(pieces[i].error != 0, failed);
		assert_int_equal(is_there(other, (int)i), !failed);
	}
	sqlite3_close(other);
}

/* A commit that fails is nobody's success: a reader that cannot be waited out holds the file. */
static void a_commit_that_fails_is_told_to_all(void **state)
{
	struct piece a = {.number = 1}, b = {.number = 2};
	sqlite3 *other;

	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	sl_store_submit(store, work, done, &a);
	sl_store_submit(store, work, done, &b);
	while (sl_store_waiting(store)) {
		poll(NULL, 0, 10);
		sl_mailbox_run(brain, 10);
		if (a.told)
			break;
	}
	assert_true(a.told && a.error != 0);
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sl_store_flush(store);
	assert_int_equal(is_there(other, 1), false);
	struct piece again = {.number = 1};
	sl_store_submit(store, work, done, &again);
	sl_store_flush(store);
	assert_int_equal(again.error, 0);
	assert_true(is_there(other, 1));
	sqlite3_close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_piece_that_fails_takes_nothing_with_it, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_commit_that_fails_is_told_to_all, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

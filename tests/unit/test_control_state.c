/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "controlplane/dp/table.h"
#include "controlplane/dp/users.h"
#include "controlplane/store/store.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

/* ---- the table of allocations against a plain array ---- */

enum { IDS = 512, STEPS = 200000 };

static void table_agrees_with_a_plain_array(void **state)
{
	struct sl_table t = {0};
	uint32_t age[IDS] = {0}; /* 0 = absent */
	unsigned long long seed = 42;
	size_t n = 0;

	for (uint32_t step = 1; step <= STEPS; step++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		unsigned i = (unsigned)(seed >> 33) % IDS;
		/* Ids as workers make them: counters in high and low bits, so that clusters form. */
		struct sl_evt_allocation a = {.id = ((uint64_t)(i % 4) << 60) | (uint64_t)i << 20 | 1,
		        .age_s = step,
		        .worker = i % 4,
		        .realm = (uint16_t)(step % 3 ? step % 5 : 60000), /* 60000 is none */
		        .flags = step % 2 ? SL_ALLOC_IS_RESTRICTED : 0,
		        .over = step % SL_TURN_N_TRANSPORTS};
		if (seed >> 60 < 8) {
			assert_int_equal(sl_table_put(&t, &a, 0, 1), 0);
			n += age[i] == 0;
			age[i] = step;
		} else {
			assert_int_equal(sl_table_remove(&t, a.id), age[i] != 0);
			n -= age[i] != 0;
			age[i] = 0;
		}
		assert_int_equal(t.n, n);
		const struct sl_allocation *found = sl_table_find(&t, a.id);
		assert_int_equal(found ? found->state.age_s : 0, age[i]);
	}
	for (unsigned i = 0; i < IDS; i++) {
		const struct sl_allocation *found =
		        sl_table_find(&t, ((uint64_t)(i % 4) << 60) | (uint64_t)i << 20 | 1);
		assert_int_equal(found ? found->state.age_s : 0, age[i]);
	}
	/* What is counted as it changes is what is there. */
	size_t of_realm[SL_TABLE_REALMS] = {0}, restricted[SL_TABLE_REALMS] = {0}, over[SL_TURN_N_TRANSPORTS] = {0};
	for (size_t i = 0; i < t.n; i++) {
		const struct sl_evt_allocation *a = &t.all[i].state;
		unsigned realm = a->realm < SL_TURN_MAX_REALMS ? a->realm : SL_TURN_MAX_REALMS;
		of_realm[realm]++;
		restricted[realm] += a->flags & SL_ALLOC_IS_RESTRICTED;
		over[a->over]++;
	}
	assert_memory_equal(of_realm, t.of_realm, sizeof of_realm);
	assert_memory_equal(restricted, t.restricted_of_realm, sizeof restricted);
	assert_memory_equal(over, t.over, sizeof over);
	sl_table_clear(&t);
}

static void a_sweep_takes_what_the_listing_did_not_have(void **state)
{
	struct sl_table t = {0};

	for (uint64_t id = 1; id <= 100; id++) {
		struct sl_evt_allocation a = {.id = id, .worker = id % 2};
		assert_int_equal(sl_table_put(&t, &a, 0, id <= 50 ? 1 : 2), 0);
	}
	assert_int_equal(sl_table_sweep(&t, 0, 2, NULL, NULL), 25);
	for (uint64_t id = 1; id <= 100; id++)
		assert_int_equal(sl_table_find(&t, id) != NULL, id > 50 || id % 2);
	sl_table_clear(&t);
}

/* ---- sets of users ---- */

static void users_are_found_by_name(void **state)
{
	static const char *const names[] = {"m", "mm", "a", "z", "", "alice", "alic", "alicf", "\xc3\xa9"};
	struct sl_users set = {0};
	const char *error;

	for (unsigned i = 0; i < SL_COUNT(names); i++) {
		struct sl_user *u = sl_user_new(names[i], "r", "p", 0, &error);
		if (!names[i][0]) {
			assert_null(u);
			assert_string_equal(error, "name");
			continue;
		}
		assert_non_null(u);
		assert_int_equal(sl_users_put(&set, u), 0);
	}
	assert_int_equal(set.n, SL_COUNT(names) - 1);
	for (size_t i = 1; i < set.n; i++) {
		const struct sl_user *a = set.by_name[i - 1], *b = set.by_name[i];
		assert_true(strcmp(a->name, b->name) < 0);
	}
	struct sl_user *held = sl_user_ref(sl_users_find(&set, "r", "alice", 5));
	assert_int_equal(sl_users_put(&set, sl_user_new("alice", "r", "other", 7, &error)), 0);
	assert_int_equal(set.n, SL_COUNT(names) - 1);
	assert_ptr_not_equal(sl_users_find(&set, "r", "alice", 5), held);
	assert_memory_equal(held->name, "alice", 5); /* a replay still reads it */
	sl_user_unref(held);
	assert_true(sl_users_remove(&set, "r", "alice", 5));
	assert_false(sl_users_remove(&set, "r", "alice", 5));
	assert_null(sl_users_find(&set, "r", "alice", 5));
	assert_non_null(sl_users_find(&set, "r", "alicf", 5));
	sl_users_clear(&set);
}

static void users_are_found_by_realm(void **state)
{
	static const char *const realms[] = {"a", "b", "bb"};
	const uint8_t key[16] = {1, 2, 3};
	struct sl_users set = {0}, other = {0};
	const char *error;
	char name[8];

	for (unsigned i = 0; i < 30; i++) {
		snprintf(name, sizeof name, "u%u", i * 7 % 30);
		assert_int_equal(sl_users_put(&set, sl_user_from_key(name, realms[i % 3], key, &error)), 0);
		assert_int_equal(sl_users_put(&other, sl_user_from_key(name, realms[i % 3], key, &error)), 0);
	}
	for (unsigned r = 0; r < SL_COUNT(realms); r++)
		assert_int_equal(sl_users_count(&set, realms[r]), 10);
	assert_int_equal(sl_users_count(&set, "c"), 0);
	assert_non_null(sl_users_find(&set, "a", "u0", 2));
	assert_null(sl_users_find(&set, "b", "u0", 2));
	assert_true(sl_users_same(&set, &other));
	struct sl_user *u = sl_users_find(&set, "a", "u0", 2);
	assert_int_equal(u->flags, SL_USER_NO_SHA256);
	assert_int_equal(sl_users_put(&other, sl_user_new("u0", "a", "p", 0, &error)), 0); /* another key */
	assert_false(sl_users_same(&set, &other));
	assert_true(sl_users_remove(&other, "a", "u0", 2));
	assert_false(sl_users_same(&set, &other));
	assert_int_equal(sl_users_count(&other, "a"), 9);
	assert_null(sl_user_from_key("u", "", key, &error));
	assert_string_equal(error, "realm");
	sl_users_clear(&set);
	sl_users_clear(&other);
}

static void names_and_passwords_are_checked(void **state)
{
	static const char *const bad[] = {
	        "a\nb", "\x7f", "\xff", "\xc3", "\xc0\xaf", "\xf5\x80\x80\x80", "a\xe2\x82"};
	const char *error;
	char text[600];

	for (unsigned i = 0; i < SL_COUNT(bad); i++) {
		assert_null(sl_user_new(bad[i], "r", "p", 0, &error));
		assert_string_equal(error, "name");
		assert_null(sl_user_new("n", "r", bad[i], 0, &error));
		assert_string_equal(error, "password");
	}
	memset(text, 'x', sizeof text);
	text[509] = '\0';
	assert_null(sl_user_new(text, "r", "p", 0, &error));
	text[257] = '\0';
	assert_null(sl_user_new("n", "r", text, 0, &error));
}

/* ---- the store ---- */

static char path[64];
static struct sl_mailbox *brain;
static int last_error;
static unsigned answers;
static struct sl_users loaded;

static int setup(void **state)
{
	snprintf(path, sizeof path, "/tmp/sluice-test-store-%d.db", (int)getpid());
	brain = sl_mailbox_new(64);
	return brain ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const tails[] = {"", "-wal", "-shm"};
	char name[80];

	for (unsigned i = 0; i < SL_COUNT(tails); i++) {
		snprintf(name, sizeof name, "%s%s", path, tails[i]);
		unlink(name);
	}
	sl_users_clear(&loaded);
	sl_mailbox_free(brain);
	return 0;
}

static void done(void *ctx, int error, const char *text)
{
	last_error = error;
	answers++;
}

static void users_done(void *ctx, int error, const char *text, struct sl_user **users, size_t n)
{
	sl_users_clear(&loaded);
	for (size_t i = 0; i < n; i++)
		sl_users_put(&loaded, users[i]);
	done(ctx, error, text);
}

static int wait_answer(void)
{
	struct pollfd p = {sl_mailbox_fd(brain), POLLIN, 0};
	unsigned before = answers;

	while (answers == before) {
		assert_int_equal(poll(&p, 1, 5000), 1);
		sl_mailbox_run(brain, 16);
	}
	return last_error;
}

static struct sl_store *open_store(void)
{
	char text[200] = "";
	struct sl_store *s = sl_store_open(path, brain, text, sizeof text);

	if (!s)
		fail_msg("%s", text);
	return s;
}

static void users_survive(void **state)
{
	const char *error;
	struct sl_store *s = open_store();
	struct sl_user *u = sl_user_new("alice", "example.org", "secret", 1234, &error);

	assert_int_equal(sl_store_load_users(s, users_done, NULL), 0);
	assert_int_equal(wait_answer(), 0);
	assert_int_equal(loaded.n, 0);
	assert_int_equal(sl_store_put_user(s, u, done, NULL), 0);
	assert_int_equal(wait_answer(), 0);
	assert_int_equal(sl_store_put_user(s, u, done, NULL), 0); /* replaces itself */
	assert_int_equal(wait_answer(), 0);
	sl_store_close(s);

	s = open_store();
	assert_int_equal(sl_store_load_users(s, users_done, NULL), 0);
	assert_int_equal(wait_answer(), 0);
	assert_int_equal(loaded.n, 1);
	assert_true(sl_user_same_keys(loaded.by_name[0], u));
	assert_memory_equal(loaded.by_name[0]->userhash, u->userhash, sizeof u->userhash);
	assert_string_equal(loaded.by_name[0]->name, "alice");
	assert_string_equal(loaded.by_name[0]->realm, "example.org");
	assert_int_equal(loaded.by_name[0]->created_unix_s, 1234);
	assert_int_equal(sl_store_delete_user(s, "example.org", "alice", 5, done, NULL), 0);
	assert_int_equal(wait_answer(), 0);
	assert_int_equal(sl_store_delete_user(s, "example.org", "alice", 5, done, NULL), 0);
	assert_int_equal(wait_answer(), -ENOENT);
	sl_store_close(s);
	sl_user_unref(u);
}

static void run_sql(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* A database as the version before left it. */
static void users_of_one_realm_become_those_of_many(void **state)
{
	struct sl_store *s = open_store();

	sl_store_close(s);
	run_sql("DROP TABLE users; CREATE TABLE users (name BLOB PRIMARY KEY NOT NULL, realm TEXT NOT NULL, key_md5 BLOB NOT NULL, key_sha256 BLOB NOT NULL,"
	        " userhash BLOB NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;"
	        "INSERT INTO users VALUES (x'61', 'r', zeroblob(16), zeroblob(32), zeroblob(32), 7);"
	        "INSERT INTO users VALUES (x'62', 'other', zeroblob(16), zeroblob(32), zeroblob(32), 8);"
	        "DROP TABLE turn_peers; DROP TABLE turn_restricted; DROP TABLE turn_drain; DROP TABLE turn_records; DROP TABLE turn_spool; PRAGMA user_version = 3");
	s = open_store();
	assert_int_equal(sl_store_load_users(s, users_done, NULL), 0);
	assert_int_equal(wait_answer(), 0);
	assert_int_equal(loaded.n, 2);
	assert_non_null(sl_users_find(&loaded, "r", "a", 1));
	assert_int_equal(sl_users_find(&loaded, "other", "b", 1)->created_unix_s, 8);
	sl_store_close(s);
}

static void a_newer_database_is_not_touched(void **state)
{
	char text[200] = "";

	run_sql("PRAGMA user_version = 1000");
	assert_null(sl_store_open(path, brain, text, sizeof text));
	assert_non_null(strstr(text, "newer"));
}

static void what_is_no_database_is_refused(void **state)
{
	char text[200] = "";
	FILE *f = fopen(path, "w");

	for (int i = 0; i < 1000; i++)
		fputs("this is not a database\n", f);
	fclose(f);
	assert_null(sl_store_open(path, brain, text, sizeof text));
	assert_non_null(strstr(text, path));
	assert_null(sl_store_open("/nonexistent/folder/db", brain, text, sizeof text));
	assert_non_null(strstr(text, "control.database"));
}

static void damaged_rows_are_left_out(void **state)
{
	struct sl_store *s = open_store();

	sl_store_close(s);
	run_sql("PRAGMA ignore_check_constraints = ON;"
	        "INSERT INTO users VALUES (x'63', '', zeroblob(16), zeroblob(32), zeroblob(32), 1);"
	        "INSERT INTO users VALUES (zeroblob(600), 'r', zeroblob(16), zeroblob(32), zeroblob(32), 1);"
	        "INSERT INTO users VALUES (x'61', 'r', zeroblob(1), zeroblob(32), zeroblob(32), 1);"
	        "INSERT INTO users VALUES (x'62', 'r', zeroblob(16), zeroblob(32), zeroblob(32), 1)");
	s = open_store();
	assert_int_equal(sl_store_load_users(s, users_done, NULL), 0);
	assert_int_equal(wait_answer(), 0);
	assert_int_equal(loaded.n, 1);
	assert_non_null(sl_users_find(&loaded, "r", "b", 1));
	sl_store_close(s);
}

static void a_write_that_fails_is_reported(void **state)
{
	const char *error;
	struct sl_store *s = open_store();
	struct sl_user *u = sl_user_new("alice", "r", "p", 1, &error);

	run_sql("DROP TABLE users");
	assert_int_equal(sl_store_put_user(s, u, done, NULL), 0);
	assert_int_equal(wait_answer(), -EIO);
	sl_user_unref(u);
	sl_store_close(s);
}

/* Half of a set goes, a third has other keys, others come in between: as if one by one. */
static void test_many_users_at_once(void **state)
{
	enum { N = 3000 };
	static struct sl_user *users[N];
	static bool gone[N];
	struct sl_users many = {0}, one_by_one = {0};
	const char *error;
	char name[16];
	size_t n = 0;

	for (unsigned i = 0; i < N; i++) {
		snprintf(name, sizeof name, "u%05u", i);
		if (i % 4 == 3)
			continue;
		struct sl_user *u = sl_user_new(name, "r", "before", 0, &error);
		assert_int_equal(sl_users_put(&many, sl_user_ref(u)), 0);
		assert_int_equal(sl_users_put(&one_by_one, u), 0);
	}
	for (unsigned i = 0; i < N; i++) {
		if (i % 7 == 0)
			continue;
		snprintf(name, sizeof name, "u%05u", i);
		users[n] = sl_user_new(name, "r", "after", 0, &error);
		gone[n] = i % 2 == 0; /* also of some that are not there */
		if (gone[n])
			sl_users_remove(&one_by_one, "r", name, strlen(name));
		else
			assert_int_equal(sl_users_put(&one_by_one, sl_user_ref(users[n])), 0);
		n++;
	}
	assert_int_equal(sl_users_change(&many, users, gone, n), 0);
	assert_true(sl_users_same(&many, &one_by_one));
	assert_true(many.n > N / 3 && many.n < N);
	assert_int_equal(sl_users_change(&many, users, gone, 0), 0);
	assert_true(sl_users_same(&many, &one_by_one));
	for (size_t i = 0; i < n; i++)
		sl_user_unref(users[i]);
	sl_users_clear(&many);
	sl_users_clear(&one_by_one);
}

int main(void)
{
#define S(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_many_users_at_once),
	        cmocka_unit_test(table_agrees_with_a_plain_array),
	        cmocka_unit_test(a_sweep_takes_what_the_listing_did_not_have),
	        cmocka_unit_test(users_are_found_by_name),
	        cmocka_unit_test(users_are_found_by_realm),
	        cmocka_unit_test(names_and_passwords_are_checked),
	        S(users_of_one_realm_become_those_of_many),
	        S(users_survive),
	        S(a_newer_database_is_not_touched),
	        S(what_is_no_database_is_refused),
	        S(damaged_rows_are_left_out),
	        S(a_write_that_fails_is_reported),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

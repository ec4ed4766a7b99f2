/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Records of allocations over a real store, with a dataplane that is only told of. */

#include "unit.h"

#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "controlplane/turn/accounting_own.h"

enum { INTERVAL_S = 10 };

struct rig {
	char path[64];
	struct sl_mailbox *mail;
	struct sl_store *store;
	struct sl_accounting *acc;
	struct sl_conf_accounting conf;
	struct sl_table table; /* what the dataplane has */
	unsigned refreshes;
	int64_t now_ms, now_unix_ms;
	char *text;
	int error;
	bool listed;
};

static const struct sl_table *table(void *ctx)
{
	struct rig *r = ctx;

	return &r->table;
}

static void refresh(void *ctx)
{
	struct rig *r = ctx;

	r->refreshes++;
}

static const char *realm(void *ctx, unsigned index)
{
	return index == 0 ? "north.gov" : "crinna.org";
}

static void begin(struct rig *r)
{
	struct sl_accounting_options o = {&r->conf, NULL, NULL, table, refresh, realm, r};
	char text[240] = "";

	r->mail = sl_mailbox_new(32768);
	r->store = sl_store_open(r->path, r->mail, text, sizeof text);
	assert_non_null(r->store);
	o.store = r->store;
	o.brain = r->mail;
	r->acc = sl_accounting_new(&o, text, sizeof text);
	assert_non_null(r->acc);
	sl_accounting_tick(r->acc, r->now_ms, r->now_unix_ms);
}

static void stop(struct rig *r)
{
	sl_accounting_leave(r->acc);
	sl_store_close(r->store);
	sl_mailbox_run(r->mail, 32768);
	sl_accounting_free(r->acc);
	sl_mailbox_free(r->mail);
	sl_table_clear(&r->table);
}

static int open_rig(void **state)
{
	struct rig *r = calloc(1, sizeof *r);
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	r->now_unix_ms = ts.tv_sec * INT64_C(1000);
	r->now_ms = 1000000;
	r->conf = (struct sl_conf_accounting){.database = true, .interval_s = INTERVAL_S, .retention_days = 90};
	snprintf(r->path, sizeof r->path, "/tmp/sluice-test-accounting-%d", (int)getpid());
	unlink(r->path);
	begin(r);
	*state = r;
	return 0;
}

static int close_rig(void **state)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	struct rig *r = *state;
	char name[80];

	stop(r);
	for (unsigned i = 0; i < SL_COUNT(ends); i++) {
		snprintf(name, sizeof name, "%s%s", r->path, ends[i]);
		unlink(name);
	}
	sl_table_clear(&r->table);
	free(r->text);
	free(r);
	return 0;
}

/* Time goes on, and what waits reaches the store. */
static void after(struct rig *r, int64_t ms)
{
	for (int64_t t = 0; t < ms; t += 50) {
		r->now_ms += 50;
		r->now_unix_ms += 50;
		sl_accounting_tick(r->acc, r->now_ms, r->now_unix_ms);
	}
	while (sl_store_waiting(r->store))
		sl_store_flush(r->store);
	sl_accounting_tick(r->acc, r->now_ms, r->now_unix_ms);
	sl_store_flush(r->store);
}

static struct sl_evt_allocation allocation(uint64_t id, const char *user, unsigned age_s)
{
	struct sl_evt_allocation e = {.id = id, .change = SL_ALLOC_CREATED, .over = SL_TURN_OVER_TLS, .lifetime_s = 600, .age_s = age_s,
	        .client_port_be = htons(40000), .server_port_be = htons(443), .relay_port_be = htons((uint16_t)(50000 + id))};

	sl_ip_parse("198.51.100.7", &e.client);
	sl_ip_parse("192.0.2.1", &e.server);
	sl_ip_parse("192.0.2.2", &e.relay);
	snprintf(e.username, sizeof e.username, "%s", user);
	e.username_len = (uint16_t)strlen(user);
	return e;
}

static void tell(struct rig *r, struct sl_evt_allocation e, unsigned change)
{
	e.change = (uint8_t)change;
	sl_accounting_event(r->acc, &e);
	if (change == SL_ALLOC_CLOSED)
		sl_table_remove(&r->table, e.id);
	else
		sl_table_put(&r->table, &e, r->now_ms, 1);
}

static void answered(void *ctx, int error, const char *text, size_t len)
{
	struct rig *r = ctx;

	free(r->text);
	r->text = strndup(text, len);
	r->error = error;
	r->listed = true;
}

/* The answer as JSON. */
static json_t *ask(struct rig *r, bool usage, struct sl_accounting_query q)
{
	q.limit = q.limit ? q.limit : 100;
	r->listed = false;
	assert_int_equal((usage ? sl_accounting_usage : sl_accounting_list)(r->acc, &q, answered, r), 0);
	while (!r->listed)
		sl_store_flush(r->store);
	assert_int_equal(r->error, 0);
	json_t *o = q.csv ? NULL : json_loads(r->text, 0, NULL);
	assert_true(q.csv || o);
	return o;
}

static const char *text_of(json_t *o, const char *list, size_t i, const char *member)
{
	const char *s = json_string_value(json_object_get(json_array_get(json_object_get(o, list), i), member));

	return s ? s : "";
}

static json_int_t number_of(json_t *o, const char *list, size_t i, const char *member)
{
	return json_integer_value(json_object_get(json_array_get(json_object_get(o, list), i), member));
}

static size_t n_of(json_t *o, const char *list)
{
	return json_array_size(json_object_get(o, list));
}

/* ---- */

static void test_a_record_from_start_to_stop(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation e = allocation(1, "alice", 0);

	e.flags = SL_ALLOC_IS_RESTRICTED;
	tell(r, e, SL_ALLOC_CREATED);
	after(r, 100);
	json_t *o = ask(r, false, (struct sl_accounting_query){0});
	assert_int_equal(n_of(o, "records"), 1);
	assert_string_equal(text_of(o, "records", 0, "user"), "alice");
	assert_string_equal(text_of(o, "records", 0, "realm"), "north.gov");
	assert_string_equal(text_of(o, "records", 0, "client"), "198.51.100.7:40000");
	assert_string_equal(text_of(o, "records", 0, "transport"), "tls");
	assert_string_equal(text_of(o, "records", 0, "relay"), "192.0.2.2:50001");
	assert_true(json_is_null(json_object_get(json_array_get(json_object_get(o, "records"), 0), "end")));
	assert_true(json_is_true(json_object_get(json_array_get(json_object_get(o, "records"), 0), "restricted")));
	json_decref(o);

	after(r, 5000);
	e.to_peer_bytes = 1000;
	e.to_client_packets = 7;
	e.end = SL_ALLOC_END_CLIENT;
	tell(r, e, SL_ALLOC_CLOSED);
	after(r, 100);
	o = ask(r, false, (struct sl_accounting_query){0});
	assert_int_equal(n_of(o, "records"), 1);
	assert_string_equal(text_of(o, "records", 0, "end"), "client");
	assert_int_equal(number_of(o, "records", 0, "to_peer_bytes"), 1000);
	assert_int_equal(number_of(o, "records", 0, "to_client_packets"), 7);
	assert_in_range(number_of(o, "records", 0, "duration_ms"), 5000, 5300);
	json_decref(o);
	assert_int_equal(r->acc->opens.n, 0);
}

static void test_interim(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation e = allocation(2, "bob", 0);

	tell(r, e, SL_ALLOC_CREATED);
	after(r, 100);
	e.to_peer_bytes = 500;
	sl_table_put(&r->table, &e, r->now_ms, 1); /* as a listing would tell */
	after(r, 2 * INTERVAL_S * 1000);
	struct sl_accounting_counts c;
	sl_accounting_counts(r->acc, &c);
	assert_in_range(c.interims, 1, 2);
	assert_in_range(r->refreshes, 2, 4);
	json_t *o = ask(r, false, (struct sl_accounting_query){.open = true});
	assert_int_equal(number_of(o, "records", 0, "to_peer_bytes"), 500);
	json_decref(o);
	/* None where there shall be none. */
	r->conf.interval_s = 0;
	sl_accounting_reconfigure(r->acc, &r->conf);
	after(r, 3 * INTERVAL_S * 1000);
	sl_accounting_counts(r->acc, &c);
	assert_in_range(c.interims, 1, 2);
}

static void test_what_runs_is_found_again(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation e = allocation(3, "carol", 0), gone = allocation(4, "dave", 0);

	tell(r, e, SL_ALLOC_CREATED);
	gone.to_peer_bytes = 77;
	tell(r, gone, SL_ALLOC_CREATED);
	after(r, 100);
	json_t *o = ask(r, false, (struct sl_accounting_query){.user = "carol"});
	char *id = strdup(text_of(o, "records", 0, "id"));
	json_decref(o);

	stop(r);
	r->now_ms += 20000;
	r->now_unix_ms += 20000;
	begin(r);
	e.age_s = 20;
	tell(r, e, SL_ALLOC_STATE);
	sl_accounting_listed(r->acc);
	after(r, 100);
	o = ask(r, false, (struct sl_accounting_query){.user = "dave"});
	assert_string_equal(text_of(o, "records", 0, "end"), "unknown");
	assert_int_equal(number_of(o, "records", 0, "to_peer_bytes"), 77); /* as last known */
	json_decref(o);
	o = ask(r, false, (struct sl_accounting_query){.user = "carol"});
	assert_int_equal(n_of(o, "records"), 1);
	assert_string_equal(text_of(o, "records", 0, "id"), id);
	assert_string_equal(text_of(o, "records", 0, "end"), "");
	json_decref(o);
	struct sl_accounting_counts c;
	sl_accounting_counts(r->acc, &c);
	assert_int_equal(c.found_again, 1);
	assert_int_equal(c.unknown_ends, 1);
	assert_int_equal(c.starts, 0);
	free(id);
}

/* Events that came before anybody listened are in the table. */
static void test_what_was_not_listened_to(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation e = allocation(11, "mallet", 0), new = allocation(12, "niaj", 7);

	tell(r, e, SL_ALLOC_CREATED);
	after(r, 100);
	stop(r);
	begin(r);
	sl_table_put(&r->table, &e, r->now_ms, 1);
	sl_table_put(&r->table, &new, r->now_ms, 1);
	sl_accounting_listed(r->acc);
	after(r, 100);
	json_t *o = ask(r, false, (struct sl_accounting_query){.open = true});
	assert_int_equal(n_of(o, "records"), 2);
	json_decref(o);
	/* Another listing, for fresh counts, ends nothing. */
	sl_table_clear(&r->table);
	sl_accounting_listed(r->acc);
	assert_int_equal(r->acc->opens.n, 2);
}

static void test_an_id_that_is_used_again_is_another_allocation(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation e = allocation(5, "erin", 0);

	tell(r, e, SL_ALLOC_CREATED);
	after(r, 100);
	stop(r);
	r->now_ms += 60000;
	r->now_unix_ms += 60000;
	begin(r);
	e.age_s = 5; /* the same id, user and relay, but it began after */
	tell(r, e, SL_ALLOC_STATE);
	sl_accounting_listed(r->acc);
	after(r, 100);
	json_t *o = ask(r, false, (struct sl_accounting_query){.user = "erin"});
	assert_int_equal(n_of(o, "records"), 2);
	json_decref(o);
	o = ask(r, false, (struct sl_accounting_query){.open = true});
	assert_int_equal(n_of(o, "records"), 1);
	json_decref(o);
}

static void test_the_dataplane_went_away(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation stays = allocation(6, "frank", 0), goes = allocation(7, "grace", 0);

	tell(r, stays, SL_ALLOC_CREATED);
	tell(r, goes, SL_ALLOC_CREATED);
	after(r, 100);
	sl_accounting_detached(r->acc);
	sl_table_clear(&r->table);
	after(r, 1000);
	assert_int_equal(r->acc->opens.n, 2); /* nobody has said that they ended */
	stays.age_s = 1;
	tell(r, stays, SL_ALLOC_STATE);
	sl_accounting_listed(r->acc);
	after(r, 100);
	json_t *o = ask(r, false, (struct sl_accounting_query){.open = true});
	assert_int_equal(n_of(o, "records"), 1);
	assert_string_equal(text_of(o, "records", 0, "user"), "frank");
	json_decref(o);
}

static void test_ends_that_were_not_told(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation e = allocation(8, "heidi", 0);

	tell(r, e, SL_ALLOC_CREATED);
	after(r, 100);
	struct sl_allocation last = {.state = e};
	last.state.to_peer_bytes = 9;
	sl_accounting_vanished(r->acc, &last);
	e = allocation(9, "ivan", 0);
	tell(r, e, SL_ALLOC_CREATED);
	tell(r, e, SL_ALLOC_CREATED); /* the same id anew */
	after(r, 100);
	json_t *o = ask(r, false, (struct sl_accounting_query){.user = "heidi"});
	assert_string_equal(text_of(o, "records", 0, "end"), "unknown");
	assert_int_equal(number_of(o, "records", 0, "to_peer_bytes"), 9);
	json_decref(o);
	o = ask(r, false, (struct sl_accounting_query){.user = "ivan"});
	assert_int_equal(n_of(o, "records"), 2);
	json_decref(o);
	/* One of which only the end was heard. */
	e = allocation(10, "judy", 30);
	e.end = SL_ALLOC_END_EXPIRED;
	tell(r, e, SL_ALLOC_CLOSED);
	after(r, 100);
	o = ask(r, false, (struct sl_accounting_query){.user = "judy"});
	assert_int_equal(n_of(o, "records"), 1);
	assert_string_equal(text_of(o, "records", 0, "end"), "expired");
	assert_in_range(number_of(o, "records", 0, "duration_ms"), 30000, 30100);
	json_decref(o);
}

static void test_pages_filters_and_sums(void **state)
{
	struct rig *r = *state;
	char user[16], cursor[SL_ID_TEXT];
	size_t seen = 0;

	for (unsigned i = 0; i < 25; i++) {
		snprintf(user, sizeof user, "user%u", i % 5);
		struct sl_evt_allocation e = allocation(100 + i, user, 0);
		e.realm = i % 2;
		e.to_peer_bytes = i;
		tell(r, e, SL_ALLOC_CREATED);
		e.end = SL_ALLOC_END_CLIENT;
		tell(r, e, SL_ALLOC_CLOSED);
	}
	after(r, 100);
	struct sl_accounting_query q = {.limit = 10};
	for (;;) {
		json_t *o = ask(r, false, q);
		seen += n_of(o, "records");
		const char *next = json_string_value(json_object_get(o, "next"));
		if (next)
			snprintf(cursor, sizeof cursor, "%s", next);
		json_decref(o);
		if (!next)
			break;
		memcpy(q.cursor, cursor, sizeof cursor);
	}
	assert_int_equal(seen, 25);
	json_t *o = ask(r, false, (struct sl_accounting_query){.user = "user1", .realm = "crinna.org"});
	assert_int_equal(n_of(o, "records"), 3); /* 1, 11, 21 */
	json_decref(o);
	o = ask(r, false, (struct sl_accounting_query){.to_unix_ms = r->now_unix_ms - 3600000});
	assert_int_equal(n_of(o, "records"), 0);
	json_decref(o);
	o = ask(r, true, (struct sl_accounting_query){.limit = 3});
	assert_int_equal(n_of(o, "usage"), 3);
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 10);
	assert_int_equal(number_of(o, "usage", 0, "to_peer_bytes"), 4 + 14 + 24); /* user4 of north.gov */
	assert_string_equal(text_of(o, "usage", 0, "user"), "user4");
	assert_int_equal(number_of(o, "usage", 0, "records"), 3);
	json_decref(o);
	q = (struct sl_accounting_query){.limit = 10, .cursor = "nonsense"};
	assert_int_equal(sl_accounting_list(r->acc, &q, answered, r), -22);
}

/* More than are written down in one piece of work. */
static void test_sums_of_many(void **state)
{
	struct rig *r = *state;
	char user[16];
	enum { USERS = 1000, SHOWN = 900 };

	for (unsigned i = 0; i < USERS; i++) {
		snprintf(user, sizeof user, "user%u", i);
		struct sl_evt_allocation e = allocation(100 + i, user, 0);
		e.to_client_bytes = (i * 7919) % USERS + 1; /* each another one */
		tell(r, e, SL_ALLOC_CREATED);
		e.end = SL_ALLOC_END_CLIENT;
		tell(r, e, SL_ALLOC_CLOSED);
	}
	after(r, 100);
	json_t *o = ask(r, true, (struct sl_accounting_query){.limit = SHOWN});
	assert_int_equal(n_of(o, "usage"), SHOWN);
	assert_int_equal(json_integer_value(json_object_get(o, "total")), USERS);
	for (unsigned i = 0; i < SHOWN; i++)
		assert_int_equal(number_of(o, "usage", i, "to_client_bytes"), USERS - i);
	json_decref(o);
	ask(r, true, (struct sl_accounting_query){.limit = SHOWN, .csv = true});
	unsigned lines = 0;
	for (const char *p = r->text; (p = strstr(p, "\r\n")); p++)
		lines++;
	assert_int_equal(lines, SHOWN + 1);
	o = ask(r, true, (struct sl_accounting_query){.user = "nobody"});
	assert_int_equal(n_of(o, "usage"), 0);
	json_decref(o);
}

static void test_csv_runs_nowhere(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation e = allocation(200, "=cmd|' /C calc'!A0", 0);

	tell(r, e, SL_ALLOC_CREATED);
	after(r, 100);
	ask(r, false, (struct sl_accounting_query){.csv = true});
	assert_non_null(strstr(r->text, "id,allocation,user,"));
	assert_non_null(strstr(r->text, ",'=cmd"));
	assert_null(strstr(r->text, ",=cmd"));
}

static void test_retention(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation e = allocation(300, "old", 0), runs = allocation(301, "runs", 0);
	struct sl_accounting_counts c;

	tell(r, e, SL_ALLOC_CREATED);
	tell(r, e, SL_ALLOC_CLOSED);
	tell(r, runs, SL_ALLOC_CREATED);
	after(r, 100);
	r->now_unix_ms += INT64_C(91) * 86400000;
	r->now_ms += 120000;
	after(r, 100);
	sl_accounting_counts(r->acc, &c);
	assert_int_equal(c.expired, 1);
	json_t *o = ask(r, false, (struct sl_accounting_query){0});
	assert_int_equal(n_of(o, "records"), 1);
	assert_string_equal(text_of(o, "records", 0, "user"), "runs"); /* however old: it goes on */
	json_decref(o);
}

static unsigned rows(struct rig *r, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_open_v2(r->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	unsigned n = (unsigned)sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return n;
}

static void test_the_spool_outlives_us(void **state)
{
	struct rig *r = *state;
	struct sl_evt_allocation e = allocation(400, "spooled", 0);
	struct sl_accounting_status s;

	/* Nobody listens there. */
	r->conf = (struct sl_conf_accounting){.webhook = "http://127.0.0.1:1/", .webhook_secret = "a-secret-of-the-webhook", .interval_s = 0};
	sl_accounting_reconfigure(r->acc, &r->conf);
	tell(r, e, SL_ALLOC_CREATED);
	after(r, 100);
	e.end = SL_ALLOC_END_CONNECTION;
	tell(r, e, SL_ALLOC_CLOSED);
	after(r, 100);
	assert_int_equal(rows(r, "SELECT count(*) FROM turn_spool"), 2);
	assert_int_equal(rows(r, "SELECT count(*) FROM turn_records"), 0); /* records are not kept here: database is off */
	stop(r);
	begin(r);
	sl_accounting_status(r->acc, &s);
	assert_int_equal(s.spooled, 2);
	assert_int_equal(rows(r, "SELECT count(*) FROM turn_spool WHERE body LIKE '%\"event\":\"start\"%' AND body LIKE '%/start\"%'"), 1);
	assert_int_equal(rows(r, "SELECT count(*) FROM turn_spool WHERE body LIKE '%\"event\":\"stop\"%' AND body LIKE '%\"connection\"%'"), 1);
}

static void test_a_store_in_trouble_loses_nothing_up_to_the_bound(void **state)
{
	struct rig *r = *state;
	struct sl_accounting_counts c;
	struct sl_accounting_status s;
	sqlite3 *db;

	/* Another one holds the file: every commit fails. */
	assert_int_equal(sqlite3_open(r->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000); /* the store may be writing its own */
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	for (unsigned i = 0; i < SL_ACCOUNTING_QUEUE_MAX + 10; i++)
		tell(r, allocation(1000 + i, "many", 0), SL_ALLOC_CREATED);
	sl_accounting_counts(r->acc, &c);
	assert_int_equal(c.store_lost, 10);
	after(r, 100);
	sl_accounting_counts(r->acc, &c);
	assert_true(c.store_retries >= 1);
	assert_int_equal(rows(r, "SELECT count(*) FROM turn_records"), 0);
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	do {
		after(r, 20000);
		sl_accounting_status(r->acc, &s);
	} while (s.queued);
	assert_int_equal(rows(r, "SELECT count(*) FROM turn_records"), SL_ACCOUNTING_QUEUE_MAX);
}

static void test_nothing_where_there_is_no_accounting(void **state)
{
	struct rig *r = *state;

	r->conf = (struct sl_conf_accounting){.interval_s = 300};
	sl_accounting_reconfigure(r->acc, &r->conf);
	tell(r, allocation(500, "nobody", 0), SL_ALLOC_CREATED);
	after(r, 100);
	assert_int_equal(rows(r, "SELECT count(*) FROM turn_records"), 0);
	/* It comes: what runs is asked for. */
	unsigned before = r->refreshes;
	r->conf.database = true;
	sl_accounting_reconfigure(r->acc, &r->conf);
	assert_int_equal(r->refreshes, before + 1);
	tell(r, allocation(500, "nobody", 3), SL_ALLOC_STATE);
	after(r, 100);
	assert_int_equal(rows(r, "SELECT count(*) FROM turn_records"), 1);
}

/* Whoever wakes its thread does not make it try again earlier. */
static void test_redis_is_tried_again_by_the_clock(void **state)
{
	struct sl_turn_redis *t = sl_turn_redis_new("/nowhere/redis.sock");
	struct sl_evt_allocation e = allocation(1, "alice", 0);
	struct sl_accounting_status status;
	struct sl_accounting_counts counts = {0};
	struct timespec from, to;

	assert_non_null(t);
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (unsigned i = 0; i < 3000 || counts.redis_failures == 0; i++) {
		struct sl_turn_record *r = i < 3000 ? sl_turn_record_new(&e, "north.gov") : NULL;
		if (r) {
			r->change = SL_TURN_START;
			assert_int_equal(sl_turn_redis_tell(t, r), 0);
		}
		sched_yield();
		sl_turn_redis_status(t, &status, &counts);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	int64_t ms = (to.tv_sec - from.tv_sec) * INT64_C(1000) + (to.tv_nsec - from.tv_nsec) / 1000000;
	assert_in_range(counts.redis_failures, 1, 1 + (uint64_t)ms / 500 + 1);
	assert_int_equal(status.redis_waiting, 3000);
	sl_turn_redis_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)
	        TEST(test_a_record_from_start_to_stop),
	        TEST(test_interim),
	        TEST(test_what_runs_is_found_again),
	        TEST(test_what_was_not_listened_to),
	        TEST(test_an_id_that_is_used_again_is_another_allocation),
	        TEST(test_the_dataplane_went_away),
	        TEST(test_ends_that_were_not_told),
	        TEST(test_pages_filters_and_sums),
	        TEST(test_sums_of_many),
	        TEST(test_csv_runs_nowhere),
	        TEST(test_retention),
	        TEST(test_the_spool_outlives_us),
	        TEST(test_a_store_in_trouble_loses_nothing_up_to_the_bound),
	        TEST(test_nothing_where_there_is_no_accounting),
	        TEST(test_redis_is_tried_again_by_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

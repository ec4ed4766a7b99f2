/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "controlplane/report/cdr.h"
#include "controlplane/report/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>
#include <sqlite3.h>

enum { DAY_MS = 86400000 };

struct rig {
	char path[64];
	struct sl_mailbox *mail;
	struct sl_store *store;
	struct sl_cdrs *cdrs;
	unsigned done;
	int list_error;
	char *text; /* of the last listing */
};

static int open_rig(void **state)
{
	struct rig *r = calloc(1, sizeof *r);
	char text[200];

	snprintf(r->path, sizeof r->path, "/tmp/sluice-test-cdr-%d", (int)getpid());
	unlink(r->path);
	r->mail = sl_mailbox_new(1024);
	r->store = sl_store_open(r->path, r->mail, text, sizeof text);
	r->cdrs = r->store ? sl_cdrs_open(r->store, 30, text, sizeof text) : NULL;
	*state = r;
	return r->cdrs ? 0 : -1;
}

static int close_rig(void **state)
{
	struct rig *r = *state;
	char name[80];

	sl_cdrs_close(r->cdrs);
	sl_store_close(r->store);
	sl_mailbox_run(r->mail, 1024);
	sl_mailbox_free(r->mail);
	for (const char *end = "\0-wal\0-shm\0"; ; end += strlen(end) + 1) {
		snprintf(name, sizeof name, "%s%s", r->path, end);
		unlink(name);
		if (strcmp(end, "-shm") == 0)
			break;
	}
	free(r->text);
	free(r);
	return 0;
}

static void take_mail(struct rig *r)
{
	struct pollfd p = {sl_mailbox_fd(r->mail), POLLIN, 0};

	assert_int_equal(poll(&p, 1, 10000), 1);
	sl_mailbox_run(r->mail, 1024);
}

static void committed(void *ctx, int error)
{
	struct rig *r = ctx;

	assert_int_equal(error, 0);
	r->done++;
}

static void listed(void *ctx, int error, const char *text, size_t len)
{
	struct rig *r = ctx;

	free(r->text);
	r->text = strndup(text, len);
	r->list_error = error;
	r->done++;
}

/* An id of that time: number i of it. */
static struct sl_id id_at(int64_t unix_ms, unsigned i)
{
	struct sl_id id = {0};

	for (unsigned k = 0; k < 6; k++)
		id.b[k] = (uint8_t)(unix_ms >> (40 - 8 * k));
	id.b[14] = (uint8_t)(i >> 8);
	id.b[15] = (uint8_t)i;
	return id;
}

static struct sl_cdr record_at(int64_t unix_ms, unsigned i)
{
	struct sl_cdr c = {.leg = id_at(unix_ms, i),
	        .call = id_at(unix_ms, i / 2 + 1000),
	        .direction = i % 2,
	        .status = 200,
	        .q850 = 16,
	        .ended_by = 1,
	        .begun_unix_ms = unix_ms,
	        .ringing_unix_ms = unix_ms + 100,
	        .answered_unix_ms = unix_ms + 2000,
	        .ended_unix_ms = unix_ms + 62500,
	        .codec = "PCMA/8000",
	        .media = {.packets_in = 3000, .bytes_in = UINT64_C(5000000000), .packets_out = 2990, .bytes_out = 480000, .lost = 3,
	                .jitter_us = 1250, .round_trip_us = 20500, .mos_x100 = 437, .mos_min_x100 = 405}};

	strcpy(c.tenant, i % 3 == 0 ? "acme" : "other");
	snprintf(c.from, sizeof c.from, "\"A\" <sip:+49301234%u@example.com>", i % 10);
	strcpy(c.to, "tel:+4989555;phone-context=x");
	strcpy(c.user, i % 2 ? "" : "alice@example.com");
	strcpy(c.trunk, i % 2 ? "carrier" : "");
	strcpy(c.cause, "normal end");
	return c;
}

static void commit(struct rig *r, const struct sl_cdr *first, size_t n)
{
	const struct sl_cdr *all[64];

	assert_true(n <= SL_COUNT(all));
	for (size_t i = 0; i < n; i++)
		all[i] = &first[i];
	r->done = 0;
	assert_int_equal(sl_cdrs_commit(r->cdrs, all, n, committed, r), 0);
	sl_cdrs_tick(r->cdrs, 1);
	while (r->done == 0)
		take_mail(r);
}

static json_t *list(struct rig *r, const struct sl_cdr_query *q)
{
	r->done = 0;
	assert_int_equal(sl_cdrs_list(r->cdrs, q, listed, r), 0);
	while (r->done == 0)
		take_mail(r);
	assert_int_equal(r->list_error, 0);
	return q->csv ? NULL : json_loads(r->text, 0, NULL);
}

static size_t n_listed(struct rig *r, struct sl_cdr_query q)
{
	q.limit = q.limit ? q.limit : 1000;
	json_t *all = list(r, &q);
	assert_non_null(all);
	size_t n = json_array_size(json_object_get(all, "cdrs"));
	json_decref(all);
	return n;
}

static int64_t now_ms(void)
{
	return (int64_t)time(NULL) * 1000;
}

static void a_record_comes_back_as_it_was(void **state)
{
	struct rig *r = *state;
	struct sl_cdr c = record_at(now_ms(), 6);
	char id[SL_ID_TEXT];

	c.n_attempts = 2;
	c.attempts[0] = (struct sl_cdr_attempt){"first \"one\"", "udp:192.0.2.1:5060", 503, 120};
	c.attempts[1] = (struct sl_cdr_attempt){"second", "tls:[2001:db8::1]:5061", 200, 65535};
	strcpy(c.user_agent, "caf\xe9 \xff"); /* not UTF-8 */
	commit(r, &c, 1);
	assert_int_equal(sl_cdrs_pending(r->cdrs), 0);

	json_t *all = list(r, &(struct sl_cdr_query){.limit = 10});
	json_t *o = json_array_get(json_object_get(all, "cdrs"), 0);
	assert_string_equal(json_string_value(json_object_get(o, "id")), sl_id_text(&c.leg, "CD", id));
	assert_string_equal(json_string_value(json_object_get(o, "call")), sl_id_text(&c.call, "CA", id));
	assert_string_equal(json_string_value(json_object_get(o, "tenant")), "acme");
	assert_string_equal(json_string_value(json_object_get(o, "direction")), "in");
	assert_string_equal(json_string_value(json_object_get(o, "ended_by")), "caller");
	assert_string_equal(json_string_value(json_object_get(o, "user_agent")), "caf? ?");
	assert_int_equal(json_integer_value(json_object_get(o, "duration_ms")), 60500);
	assert_true(json_is_null(json_object_get(all, "next")));
	json_t *media = json_object_get(o, "media");
	assert_int_equal(json_integer_value(json_object_get(media, "bytes_in")), 5000000000);
	assert_true(json_real_value(json_object_get(media, "mos")) > 4.36 && json_real_value(json_object_get(media, "mos")) < 4.38);
	json_t *attempt = json_array_get(json_object_get(o, "attempts"), 0);
	assert_string_equal(json_string_value(json_object_get(attempt, "trunk")), "first \"one\"");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(o, "attempts"), 1), "ms")), 65535);
	json_decref(all);
}

static void a_record_is_written_once(void **state)
{
	struct rig *r = *state;
	struct sl_cdr c[2] = {record_at(now_ms(), 1), record_at(now_ms(), 2)};

	commit(r, c, 1);
	c[0].status = 486; /* the same leg again: as after a crash before the answer */
	commit(r, c, 2);
	json_t *all = list(r, &(struct sl_cdr_query){.limit = 10});
	assert_int_equal(json_array_size(json_object_get(all, "cdrs")), 2);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(json_object_get(all, "cdrs"), 1), "status")), 200);
	json_decref(all);
}

/* An orderly stop writes what it knows of calls that go on; the next process writes their end. */
static void an_unfinished_record_gives_way(void **state)
{
	struct rig *r = *state;
	struct sl_cdr c = record_at(now_ms(), 1);

	c.unfinished = 1;
	c.status = 0;
	commit(r, &c, 1);
	c.unfinished = 0;
	c.status = 487;
	commit(r, &c, 1);
	c.status = 200;
	commit(r, &c, 1);
	json_t *all = list(r, &(struct sl_cdr_query){.limit = 10}), *o = json_array_get(json_object_get(all, "cdrs"), 0);
	assert_int_equal(json_array_size(json_object_get(all, "cdrs")), 1);
	assert_int_equal(json_integer_value(json_object_get(o, "status")), 487);
	assert_true(json_is_false(json_object_get(o, "unfinished")));
	json_decref(all);
}

static void listing_filters_and_pages(void **state)
{
	struct rig *r = *state;
	int64_t t = now_ms() - 100000;
	struct sl_cdr c[60];
	char after[SL_ID_TEXT] = "";
	unsigned seen = 0;

	for (unsigned i = 0; i < 60; i++)
		c[i] = record_at(t + i * 1000, i);
	commit(r, c, 60);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.tenant = "acme"}), 20);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.user = "alice@example.com"}), 30);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.user = "alice@example.com", .tenant = "acme"}), 10);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.trunk = "carrier"}), 30);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.trunk = "carrier", .user = "alice@example.com"}), 0);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.number = "493012347"}), 6);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.number = "+4989555"}), 60);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.number = "49301234"}), 0); /* whole numbers only */
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.from_unix_ms = t + 50000}), 10);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.to_unix_ms = t + 50000}), 50);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.from_unix_ms = t + 10000, .to_unix_ms = t + 12000}), 2);

	struct sl_cdr_query of_call = {.limit = 10};
	sl_id_text(&c[10].call, SL_ID_CALL, of_call.call);
	assert_int_equal(n_listed(r, of_call), 1);

	for (unsigned page = 0; page < 9; page++) { /* 8 pages of 7 and one of 4 */
		struct sl_cdr_query q = {.limit = 7};
		strcpy(q.after, after);
		json_t *all = list(r, &q), *o;
		size_t k;
		json_array_foreach(json_object_get(all, "cdrs"), k, o)
		{
			char id[SL_ID_TEXT];
			assert_string_equal(json_string_value(json_object_get(o, "id")), sl_id_text(&c[59 - seen].leg, "CD", id));
			seen++;
		}
		const char *next = json_string_value(json_object_get(all, "next"));
		assert_int_equal(next != NULL, page < 8);
		snprintf(after, sizeof after, "%s", next ? next : "");
		json_decref(all);
	}
	assert_int_equal(seen, 60);
	assert_int_equal(sl_cdrs_list(r->cdrs, &(struct sl_cdr_query){.limit = 1, .after = "nonsense"}, listed, r), -EINVAL);
	assert_int_equal(sl_cdrs_list(r->cdrs, &(struct sl_cdr_query){.limit = 1, .call = "CA1"}, listed, r), -EINVAL);
	assert_int_equal(sl_cdrs_list(r->cdrs, &(struct sl_cdr_query){.limit = 0}, listed, r), -EINVAL);
}

/* More rows than one slice looks at, with what is sought at the far end. */
static void a_long_search_goes_on_in_slices(void **state)
{
	struct rig *r = *state;
	int64_t t = now_ms() - 500000;
	struct sl_cdr *c = calloc(9000, sizeof *c);
	const struct sl_cdr **all = calloc(9000, sizeof *all);

	for (unsigned i = 0; i < 9000; i++) {
		c[i] = record_at(t + i, i);
		strcpy(c[i].trunk, i == 3 ? "rare" : "common");
		all[i] = &c[i];
	}
	r->done = 0;
	assert_int_equal(sl_cdrs_commit(r->cdrs, all, 9000, committed, r), 0);
	sl_cdrs_tick(r->cdrs, 1);
	while (r->done == 0)
		take_mail(r);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.trunk = "rare"}), 1);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.trunk = "common", .limit = 8000}), 8000);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.trunk = "common", .limit = 10000}), 8999);
	free(all);
	free(c);
}

static void csv_is_quoted_and_runs_no_formulas(void **state)
{
	struct rig *r = *state;
	struct sl_cdr c = record_at(INT64_C(1795273445678), 1);

	strcpy(c.from, "\"Doe, \"\"J\"\"\" <sip:+49@x>");
	strcpy(c.user_agent, "=cmd|' /C calc'!A0");
	strcpy(c.sip_call_id, "a\r\nb");
	strcpy(c.to, "+1+cmd|' /C calc'!A0");
	strcpy(c.codec, "\033[2J");
	strcpy(c.user, "+4930@example.com");
	strcpy(c.cause, "@SUM(1)");
	c.ringing_unix_ms = 0;
	c.media.mos_min_x100 = 0;
	c.n_attempts = 1;
	c.attempts[0] = (struct sl_cdr_attempt){"carrier", "udp:192.0.2.1:5060", 503, 12};
	commit(r, &c, 1);
	list(r, &(struct sl_cdr_query){.limit = 10, .csv = true});
	const char *line = strstr(r->text, "\r\n") + 2;
	assert_int_equal(strncmp(r->text, "id,call,tenant,", 15), 0);
	char *rest = strstr(line, ",other,out,");
	assert_non_null(rest);
	assert_string_equal(rest,
	        ",other,out,\"\"\"Doe, \"\"\"\"J\"\"\"\"\"\" <sip:+49@x>\",'+1+cmd|' /C calc'!A0,+4930@example.com,carrier,,"
	        "2026-11-21T15:04:05.678Z,,2026-11-21T15:04:07.678Z,2026-11-21T15:05:08.178Z,60500,200,16,'@SUM(1),caller,,"
	        "'=cmd|' /C calc'!A0,\"a\r\nb\",?[2J,3000,5000000000,2990,480000,3,1.250,20.500,4.37,,"
	        "carrier udp:192.0.2.1:5060 503 12ms,0,0\r\n");
}

static void old_records_go_in_batches(void **state)
{
	struct rig *r = *state;
	int64_t now = now_ms();
	struct sl_cdr c[4] = {record_at(now - 31 * (int64_t)DAY_MS, 1), record_at(now - 31 * (int64_t)DAY_MS, 2),
	        record_at(now - 29 * (int64_t)DAY_MS, 3), record_at(now - 40 * (int64_t)DAY_MS, 4)};
	struct sl_cdr_counts counts;

	c[1].ended_unix_ms = now; /* a very long call, just ended */
	commit(r, c, 4);
	do {
		sl_cdrs_tick(r->cdrs, now);
		take_mail(r);
		sl_cdrs_counts(r->cdrs, &counts);
	} while (counts.expired == 0);
	assert_int_equal(counts.expired, 2);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.limit = 10}), 2);
	sl_cdrs_set_retention(r->cdrs, 0);
	sl_cdrs_tick(r->cdrs, now + 365 * (int64_t)DAY_MS);
	assert_int_equal(sl_store_waiting(r->store), 0);
}

/* Somebody else's lock on the database for longer than the store waits. */
static void a_failing_store_is_tried_again(void **state)
{
	struct rig *r = *state;
	struct sl_cdr c = record_at(now_ms(), 1), later = record_at(now_ms(), 2);
	const struct sl_cdr *one = &c, *two = &later;
	struct sl_cdr_counts counts;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(r->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	r->done = 0;
	assert_int_equal(sl_cdrs_commit(r->cdrs, &one, 1, committed, r), 0);
	sl_cdrs_tick(r->cdrs, now_ms());
	take_mail(r);
	assert_int_equal(r->done, 0);
	assert_int_equal(sl_cdrs_commit(r->cdrs, &two, 1, committed, r), 0);
	assert_int_equal(sl_cdrs_pending(r->cdrs), 2);
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	for (int64_t now = now_ms(); r->done < 2; now += 10000) {
		sl_cdrs_tick(r->cdrs, now);
		if (sl_store_waiting(r->store))
			take_mail(r);
	}
	sl_cdrs_counts(r->cdrs, &counts);
	assert_int_equal(counts.retries, 1);
	assert_int_equal(counts.committed, 2);
	assert_int_equal(sl_cdrs_pending(r->cdrs), 0);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.limit = 10}), 2);
}

/* Calls that end within a tick are one commit; the end of the program waits for what is left. */
static void what_ends_together_is_committed_together(void **state)
{
	struct rig *r = *state;
	enum { CALLS = 600 }; /* more than one group */

	r->done = 0;
	sl_cdrs_set_retention(r->cdrs, 0);
	for (unsigned i = 0; i < CALLS; i++) {
		struct sl_cdr c = record_at(now_ms(), i);
		const struct sl_cdr *one = &c;
		assert_int_equal(sl_cdrs_commit(r->cdrs, &one, 1, committed, r), 0);
	}
	assert_int_equal(sl_store_waiting(r->store), 0);
	sl_cdrs_tick(r->cdrs, 1);
	assert_int_equal(sl_store_waiting(r->store), 1);
	sl_cdrs_flush(r->cdrs);
	assert_int_equal(r->done, CALLS);
	assert_int_equal(sl_cdrs_pending(r->cdrs), 0);
	assert_int_equal(n_listed(r, (struct sl_cdr_query){.limit = 1000}), CALLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(a_record_comes_back_as_it_was, open_rig, close_rig),
	        cmocka_unit_test_setup_teardown(a_record_is_written_once, open_rig, close_rig),
	        cmocka_unit_test_setup_teardown(an_unfinished_record_gives_way, open_rig, close_rig),
	        cmocka_unit_test_setup_teardown(listing_filters_and_pages, open_rig, close_rig),
	        cmocka_unit_test_setup_teardown(a_long_search_goes_on_in_slices, open_rig, close_rig),
	        cmocka_unit_test_setup_teardown(csv_is_quoted_and_runs_no_formulas, open_rig, close_rig),
	        cmocka_unit_test_setup_teardown(old_records_go_in_batches, open_rig, close_rig),
	        cmocka_unit_test_setup_teardown(what_ends_together_is_committed_together, open_rig, close_rig),
	        cmocka_unit_test_setup_teardown(a_failing_store_is_tried_again, open_rig, close_rig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

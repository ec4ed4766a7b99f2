/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The guard's control over a link that only remembers and a real store: lists and bans with their ends, what the dataplane is told and when,
 * reputation as it is reported, marks, answers. Clocks are the test's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "controlplane/call/events.h"
#include "controlplane/guard/internal.h"
#include "controlplane/sip/sip.h"
#include "dataplane/abi/validate.h"
#include "fake_guard_link.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <sqlite3.h>

static struct {
	char folder[64], path[80];
	struct sl_config config;
	struct sl_mailbox *mail;
	struct sl_store *store;
	struct sl_call_events *events;
	struct sl_warden *w;
	int64_t now_ms, unix_ms;
	int error;            /* of the last operation; 1 = none is done */
	unsigned done;
	char text[200];
} t;

static int64_t now_ms(void)
{
	return t.now_ms;
}

static int64_t unix_ms(void)
{
	return t.unix_ms;
}

/* ---- rig ---- */

static void pump_store(void)
{
	while (sl_store_waiting(t.store)) {
		struct pollfd p = {sl_mailbox_fd(t.mail), POLLIN, 0};

		assert_int_equal(poll(&p, 1, 10000), 1);
		sl_mailbox_run(t.mail, 1024);
	}
}

static void later(int64_t ms)
{
	t.now_ms += ms;
	t.unix_ms += ms;
	sl_warden_tick(t.w, t.now_ms);
	pump_store();
}

static void open_warden(void)
{
	struct sl_warden_options o = {.config = &t.config, .dp = (void *)&fake_link, .events = t.events, .unix_ms = unix_ms, .now_ms = now_ms};
	char text[200] = "";

	fake_link_reset();
	t.mail = sl_mailbox_new(1024);
	o.store = t.store = sl_store_open(t.path, t.mail, text, sizeof text);
	if (!t.store)
		fail_msg("%s", text);
	t.w = sl_warden_new(&o);
	assert_non_null(t.w);
}

static void close_warden(void)
{
	sl_warden_tick(t.w, t.now_ms); /* what waits to be written */
	pump_store();
	if (fake_link.attached)
		fake_link_detach();
	pump_store();
	sl_store_close(t.store);
	sl_mailbox_free(t.mail);
	sl_warden_free(t.w);
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof t);
	t.now_ms = 1000000;
	t.unix_ms = INT64_C(1800000000000);
	t.config.guard = (struct sl_conf_guard){.enabled = true,
		.n_rules = 1,
		.rules = {{.guard_class = SL_GUARD_SIP, .action = SL_GUARD_DO_CHALLENGE, .listener = SL_GUARD_ANY, .pps = {400, 4000, 20000}}},
		.sip_sources = 4096,
		.reflection_percent = 300,
		.delay_ms = 1000,
		.reputation_ban = 100,
		.reputation_half_life_s = 300,
		.weight = {11, 11, 2, 2, 50, 5},
		.ban_s = 60,
		.ban_max_s = 3600,
		.log_per_minute = 60};
	t.config.sip.n_listeners = 2;
	assert_int_equal(sl_endpoint_parse("192.0.2.1:5060", &t.config.sip.listeners[0].address), 0);
	assert_int_equal(sl_endpoint_parse("192.0.2.1:5061", &t.config.sip.listeners[1].address), 0);
	strcpy(t.folder, "/tmp/sluice-warden-XXXXXX");
	assert_non_null(mkdtemp(t.folder));
	snprintf(t.path, sizeof t.path, "%s/db", t.folder);
	t.events = sl_call_events_new();
	open_warden();
	return 0;
}

static int teardown(void **state)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char name[96];

	(void)state;
	close_warden();
	sl_call_events_free(t.events);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%s%s", t.path, ends[i]);
		unlink(name);
	}
	rmdir(t.folder);
	return 0;
}

static void attach(void)
{
	fake_link_attach(2);
	fake_link_answer(0, 0, "");
	while (fake_link.n_open)
		fake_link_answer(0, 0, "");
	fake_link_answer_list(0, "");
	fake_link.n_sent = 0;
}

static struct sl_prefix prefix(const char *text)
{
	struct sl_prefix p;

	assert_int_equal(sl_prefix_parse(text, &p), 0);
	return p;
}

static struct sl_ip ip(const char *text)
{
	struct sl_ip a;

	assert_int_equal(sl_ip_parse(text, &a), 0);
	return a;
}

static struct sl_sip_flow flow(const char *text, unsigned listener)
{
	struct sl_sip_flow f = {.listener = (uint8_t)listener};

	assert_int_equal(sl_endpoint_parse(text, &f.remote), 0);
	return f;
}

static void done(void *ctx, int error, const char *text)
{
	(void)ctx;
	t.error = error;
	t.done++;
	snprintf(t.text, sizeof t.text, "%s", text);
}

static int put(enum sl_warden_kind kind, const char *p, uint32_t seconds)
{
	struct sl_prefix x = prefix(p);

	t.error = 1;
	int rc = sl_warden_put(t.w, kind, &x, seconds, "test", done, NULL, t.text, sizeof t.text);
	pump_store();
	return rc;
}

static int take_out(enum sl_warden_kind kind, const char *p)
{
	struct sl_prefix x = prefix(p);

	t.error = 1;
	int rc = sl_warden_remove(t.w, kind, &x, done, NULL, t.text, sizeof t.text);
	pump_store();
	return rc;
}

/* What decides about an address: 'a'llow, 'd'eny, 'b'an, '-' nothing. */
static char decides(const char *address)
{
	struct sl_ip a = ip(address);
	const struct sl_warden_entry *e = sl_warden_decides(t.w, &a);

	return e ? "adb"[e->kind] : '-';
}

static unsigned sent(uint32_t type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake_link.n_sent; i++) {
		char text[120];

		if (sl_command_validate(&fake_link.sent[i], text, sizeof text) < 0)
			fail_msg("%u: %s", fake_link.sent[i].h.type, text);
		n += fake_link.sent[i].h.type == type;
	}
	return n;
}

static const struct sl_command *last(uint32_t type)
{
	for (unsigned i = fake_link.n_sent; i--;) {
		if (fake_link.sent[i].h.type == type)
			return &fake_link.sent[i];
	}
	fail_msg("nothing of type %u was sent", type);
	return NULL;
}

static void report(const char *address, enum sl_guard_signal what, unsigned n)
{
	struct sl_ip a = ip(address);

	sl_warden_report(t.w, &a, what, n, t.now_ms);
}

/* ---- lists and bans ---- */

static void an_allow_wins(void **state)
{
	(void)state;
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.100.0/24", 0), 0);
	assert_int_equal(t.error, 0);
	assert_int_equal(decides("198.51.100.7"), 'd');
	assert_int_equal(decides("198.51.101.7"), '-');
	assert_int_equal(put(SL_WARDEN_BAN, "198.51.100.9", 60), 0);
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.9", 0), 0);
	assert_int_equal(decides("203.0.113.9"), 'b');
	assert_int_equal(put(SL_WARDEN_ALLOW, "198.51.0.0/16", 0), 0);
	assert_int_equal(decides("198.51.100.7"), 'a');
	assert_int_equal(decides("198.51.100.9"), 'a');
	/* A ban of what is allowed is no use, and said to be none. */
	assert_int_equal(put(SL_WARDEN_BAN, "198.51.100.77", 60), -EINVAL);
	assert_non_null(strstr(t.text, "is allowed"));
	/* Reputation counts it and bans it not. */
	report("198.51.100.20", SL_GUARD_SAW_FRAUD, 10);
	assert_int_equal(sl_warden_counts(t.w)->bans_automatic, 0);
	assert_int_equal(sl_warden_counts(t.w)->bans_spared, 1);
	struct sl_warden_source spared;
	struct sl_ip whose = ip("198.51.100.20");
	assert_true(sl_warden_source(t.w, &whose, t.now_ms, &spared));
	assert_int_equal(spared.bans, 0);
	assert_int_equal(take_out(SL_WARDEN_ALLOW, "198.51.0.0/16"), 0);
	assert_int_equal(decides("198.51.100.7"), 'd');
	assert_int_equal(take_out(SL_WARDEN_ALLOW, "198.51.0.0/16"), -ENOENT);
}

static void both_families(void **state)
{
	(void)state;
	assert_int_equal(put(SL_WARDEN_DENY, "2001:db8::/32", 0), 0);
	assert_int_equal(put(SL_WARDEN_ALLOW, "2001:db8:7::/48", 0), 0);
	assert_int_equal(put(SL_WARDEN_BAN, "2001:db9:1:2::/64", 60), 0);
	assert_int_equal(decides("2001:db8::1"), 'd');
	assert_int_equal(decides("2001:db8:7::1"), 'a');
	assert_int_equal(decides("2001:db9:1:2:3::4"), 'b');
	assert_int_equal(decides("2001:db9:1:3::4"), '-');
	assert_int_equal(decides("32.1.13.184"), '-'); /* the first bytes of 2001:db8:: */
}

static void wrong_entries_change_nothing(void **state)
{
	(void)state;
	struct sl_prefix p = prefix("198.51.100.0/24");

	p.ip.b[15] = 5;
	assert_int_equal(sl_warden_put(t.w, SL_WARDEN_DENY, &p, 0, "", done, NULL, t.text, sizeof t.text), -EINVAL);
	assert_non_null(strstr(t.text, "it is 198.51.100.0/24"));
	assert_int_equal(put(SL_WARDEN_BAN, "0.0.0.0/0", 60), -EINVAL);
	assert_int_equal(put(SL_WARDEN_DENY, "::/0", 60), -EINVAL);
	assert_int_equal(put(SL_WARDEN_BAN, "192.0.2.0/24", 60), -EINVAL);
	assert_non_null(strstr(t.text, "an address of this node"));
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.1", UINT32_MAX), -EINVAL);
	assert_int_equal(sl_warden_count(t.w, SL_WARDEN_BAN) + sl_warden_count(t.w, SL_WARDEN_DENY), 0);
	assert_int_equal(t.done, 0);
}

static void the_configuration_is_not_removed(void **state)
{
	struct sl_conf_guard_prefix entries[] = {{prefix("198.51.100.0/24"), false}, {prefix("203.0.113.0/24"), true}};
	struct sl_config other = t.config;
	size_t at = 0;
	unsigned n = 0;

	(void)state;
	other.guard.prefixes = entries;
	other.guard.n_prefixes = 2;
	sl_warden_reconfigure(t.w, &other);
	assert_int_equal(decides("198.51.100.1"), 'd');
	assert_int_equal(decides("203.0.113.1"), 'a');
	assert_int_equal(take_out(SL_WARDEN_DENY, "198.51.100.0/24"), -EPERM);
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.100.0/24", 60), -EINVAL);
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.100.0/25", 60), 0);
	for (const struct sl_warden_entry *e; (e = sl_warden_next(t.w, &at)); n++)
		assert_true(n == 0 ? e->kind == SL_WARDEN_ALLOW && e->origin == SL_WARDEN_CONFIG : e->kind == SL_WARDEN_DENY);
	assert_int_equal(n, 3);
	/* One by one: the operator's first. */
	struct sl_prefix both[] = {prefix("198.51.100.0/25"), prefix("198.51.100.0/24")};
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sl_warden_at(t.w, SL_WARDEN_DENY, i)->prefix.len, both[i].len);
		assert_int_equal(sl_warden_find(t.w, SL_WARDEN_DENY, &both[i])->origin, i ? SL_WARDEN_CONFIG : SL_WARDEN_API);
	}
	assert_null(sl_warden_at(t.w, SL_WARDEN_DENY, 2));
	assert_null(sl_warden_at(t.w, SL_WARDEN_DENY, UINT32_MAX));
	assert_null(sl_warden_find(t.w, SL_WARDEN_ALLOW, &both[0]));
	sl_warden_reconfigure(t.w, &t.config);
	assert_int_equal(decides("198.51.100.1"), 'd'); /* the operator's */
	assert_int_equal(decides("198.51.100.200"), '-');
	assert_int_equal(decides("203.0.113.1"), '-');
}

/* As many as there may be, beside an operator's: put, found, taken out again, and told once. */
static void a_large_configuration(void **state)
{
	enum { N = 250000 };
	struct sl_conf_guard_prefix *all = calloc(N, sizeof *all);
	struct sl_config other = t.config;
	struct timespec from, to;
	char text[32];

	(void)state;
	assert_non_null(all);
	for (unsigned i = 0; i < N; i++) {
		sl_ip_set_v4(&all[i].prefix.ip, htonl(10u << 24 | i << 4));
		all[i].prefix.len = 124;
	}
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.1", 0), 0);
	attach();
	unsigned lists = fake_link.n_lists;
	other.guard.prefixes = all;
	other.guard.n_prefixes = N;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	sl_warden_reconfigure(t.w, &other);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	printf("%u prefixes: %ld us of CPU\n", N, (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000);
	assert_int_equal(fake_link.n_lists, lists + 1);
	assert_int_equal(fake_link.list->n, N);
	fake_link_answer_list(0, "");
	assert_int_equal(sl_warden_count(t.w, SL_WARDEN_DENY), N);
	for (unsigned i = 0; i < N; i += 997) {
		snprintf(text, sizeof text, "10.%u.%u.%u", i >> 12, i >> 4 & 255, (i << 4 & 255) + 5);
		assert_int_equal(decides(text), 'd');
	}
	assert_int_equal(decides("203.0.113.1"), 'b');
	assert_int_equal(decides("11.0.0.1"), '-');
	sl_warden_reconfigure(t.w, &other); /* the same: not told again */
	assert_int_equal(fake_link.n_lists, lists + 1);
	sl_warden_reconfigure(t.w, &t.config);
	assert_int_equal(sl_warden_count(t.w, SL_WARDEN_DENY), 0);
	assert_int_equal(decides("10.0.0.5"), '-');
	assert_int_equal(decides("203.0.113.1"), 'b');
	fake_link_answer(0, 0, "");
	free(all);
}

static void entries_end(void **state)
{
	(void)state;
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.1", 60), 0);
	assert_int_equal(put(SL_WARDEN_DENY, "203.0.114.0/24", 90), 0);
	assert_int_equal(put(SL_WARDEN_ALLOW, "203.0.115.0/24", 30), 0);
	later(59000);
	assert_int_equal(decides("203.0.113.1"), 'b');
	assert_int_equal(decides("203.0.115.1"), '-');
	later(1000);
	assert_int_equal(decides("203.0.113.1"), '-');
	assert_int_equal(decides("203.0.114.1"), 'd');
	later(30000);
	assert_int_equal(decides("203.0.114.1"), '-');
	assert_int_equal(sl_warden_counts(t.w)->bans_ended, 3);
}

/* A botnet's bans end in the same moment: the brain does no more than so many of them at a time. */
static void many_end_at_once(void **state)
{
	enum { N = 10000, A_TICK = 4096 };

	(void)state;
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.100.0/24", 60), 0);
	for (unsigned i = 0; i < N; i++) {
		char text[32];

		snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		report(text, SL_GUARD_SAW_FRAUD, 2);
	}
	later(60000);
	assert_int_equal(decides("198.51.100.1"), '-');
	assert_int_equal(sl_warden_count(t.w, SL_WARDEN_BAN), N + 1 - A_TICK);
	later(10);
	later(10);
	assert_int_equal(sl_warden_count(t.w, SL_WARDEN_BAN), 0);
}

static void the_wall_clock_frees_nobody(void **state)
{
	struct sl_ip a = ip("203.0.113.1");

	(void)state;
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.1", 60), 0);
	t.unix_ms += 86400000;
	later(1000);
	assert_int_equal(decides("203.0.113.1"), 'b');
	assert_true(sl_warden_decides(t.w, &a)->until_unix_ms - t.unix_ms == 59000);
	t.unix_ms -= 2 * INT64_C(86400000);
	later(1000);
	assert_int_equal(decides("203.0.113.1"), 'b');
	assert_true(sl_warden_decides(t.w, &a)->until_unix_ms - t.unix_ms == 58000);
	/* And the store knows the new hours. */
	close_warden();
	t.now_ms = 5000;
	open_warden();
	assert_int_equal(decides("203.0.113.1"), 'b');
	later(57999);
	assert_int_equal(decides("203.0.113.1"), 'b');
	later(1);
	assert_int_equal(decides("203.0.113.1"), '-');
}

static void a_restart_brings_back_what_is_left(void **state)
{
	struct sl_warden_source s;
	struct sl_ip bad = ip("203.0.113.50");

	(void)state;
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.1", 60), 0);
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.2", 0), 0);
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.100.0/24", 10), 0);
	report("203.0.113.50", SL_GUARD_SAW_AUTH_FAILED, 10);
	assert_int_equal(decides("203.0.113.50"), 'b');
	later(5000);
	close_warden();
	t.now_ms = 77; /* the machine was started anew */
	t.unix_ms += 20000;
	open_warden();
	assert_int_equal(decides("203.0.113.1"), 'b');
	assert_int_equal(decides("203.0.113.2"), 'b');
	assert_int_equal(decides("198.51.100.1"), '-');
	assert_int_equal(decides("203.0.113.50"), 'b');
	later(34900);
	assert_int_equal(decides("203.0.113.1"), 'b');
	later(200);
	assert_int_equal(decides("203.0.113.1"), '-');
	assert_int_equal(decides("203.0.113.50"), '-');
	assert_int_equal(decides("203.0.113.2"), 'b');
	/* It is known as somebody who was banned: the next one is twice as long. */
	assert_true(sl_warden_source(t.w, &bad, t.now_ms, &s));
	assert_int_equal(s.bans, 1);
	report("203.0.113.50", SL_GUARD_SAW_AUTH_FAILED, 10);
	assert_true(sl_warden_decides(t.w, &bad)->until_unix_ms - t.unix_ms == 120000);
}

/* Who edits the database by hand may write bits beyond the prefix: such a row is left out, the others are in force. */
static void a_damaged_row_is_left_out(void **state)
{
	static const char sql[] = "UPDATE guard_entries SET ip = x'00000000000000000000ffffc6336401' WHERE ip = x'00000000000000000000ffffc6336400'";
	sqlite3 *db = NULL;

	(void)state;
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.100.0/24", 0), 0);
	assert_int_equal(put(SL_WARDEN_DENY, "203.0.113.0/24", 0), 0);
	close_warden();
	assert_int_equal(sqlite3_open(t.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
	open_warden();
	assert_int_equal(decides("198.51.100.1"), '-');
	assert_int_equal(decides("203.0.113.1"), 'd');
}

static void a_removed_ban_does_not_come_back(void **state)
{
	(void)state;
	report("203.0.113.50", SL_GUARD_SAW_AUTH_FAILED, 10); /* waits to be written */
	assert_int_equal(take_out(SL_WARDEN_BAN, "203.0.113.50"), 0);
	later(100);
	close_warden();
	open_warden();
	assert_int_equal(decides("203.0.113.50"), '-');
}

/* Reputation, and the end of its ban, come between what an operator asked and the store's answer: what he asked is what a restart finds. */
static void an_operator_is_not_overwritten(void **state)
{
	struct sl_prefix a = prefix("203.0.113.50"), b = prefix("203.0.113.51");

	(void)state;
	report("203.0.113.51", SL_GUARD_SAW_FRAUD, 2);
	later(59999);
	assert_int_equal(sl_warden_put(t.w, SL_WARDEN_BAN, &a, 0, "", done, NULL, t.text, sizeof t.text), 0);
	assert_int_equal(sl_warden_put(t.w, SL_WARDEN_BAN, &b, 0, "", done, NULL, t.text, sizeof t.text), 0);
	report("203.0.113.50", SL_GUARD_SAW_FRAUD, 2);
	t.now_ms += 1;
	t.unix_ms += 1;
	sl_warden_tick(t.w, t.now_ms); /* that of b ends; both go to the store, behind the operator's */
	pump_store();
	close_warden();
	t.unix_ms += 3600000;
	open_warden();
	assert_int_equal(decides("203.0.113.50"), 'b');
	assert_int_equal(decides("203.0.113.51"), 'b');
}

/* A ban by reputation that was made just now is there after an orderly stop, too. */
static void what_waits_is_written_at_the_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		char text[32];

		snprintf(text, sizeof text, "203.%u.%u.1", i >> 8, i & 255);
		report(text, SL_GUARD_SAW_FRAUD, 2);
	}
	sl_warden_leave(t.w);
	pump_store();
	sl_store_close(t.store);
	sl_mailbox_free(t.mail);
	sl_warden_free(t.w);
	open_warden();
	assert_int_equal(sl_warden_count(t.w, SL_WARDEN_BAN), 3000);
}

/* ---- reputation ---- */

/* Ten wrong passwords within a minute ban a source, nine never do. */
static void wrong_passwords(void **state)
{
	(void)state;
	report("203.0.113.1", SL_GUARD_SAW_AUTH_FAILED, 9);
	assert_int_equal(decides("203.0.113.1"), '-');
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(decides("203.0.113.2"), '-');
		report("203.0.113.2", i % 2 ? SL_GUARD_SAW_AUTH_FAILED : SL_GUARD_SAW_UNKNOWN_USER, 1);
		later(6600);
	}
	assert_int_equal(sl_warden_counts(t.w)->bans_automatic, 1);
	/* Of strangers only: who is known from there goes on. */
	struct sl_ip a = ip("203.0.113.2");
	bool answer;
	assert_true(sl_warden_blocks(t.w, &a, t.now_ms, &answer) > 50);
	assert_true(answer);
	assert_true(sl_warden_blocks(t.w, &a, t.now_ms + 500, &answer) > 50);
	assert_false(answer);
	struct sl_sip_flow f = flow("203.0.113.2:5060", 0);
	assert_false(sl_warden_denies(t.w, &f));
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.3", 60), 0);
	f = flow("203.0.113.3:5060", 0);
	assert_true(sl_warden_denies(t.w, &f));
}

static void false_positives_expire(void **state)
{
	(void)state;
	/* Five mistyped passwords an hour are forgotten each time. */
	for (unsigned i = 0; i < 100; i++) {
		report("203.0.113.1", SL_GUARD_SAW_AUTH_FAILED, 5);
		later(3600000);
	}
	assert_int_equal(sl_warden_counts(t.w)->bans_automatic, 0);
	report("203.0.113.1", SL_GUARD_SAW_FRAUD, 2);
	assert_int_equal(decides("203.0.113.1"), 'b');
	later(60000);
	assert_int_equal(decides("203.0.113.1"), '-');
}

static void forged_packets_ban_nobody(void **state)
{
	struct sl_sip_flow udp = flow("203.0.113.1:5060", 0), tcp = flow("203.0.113.2:5060", 0);

	(void)state;
	tcp.transport = SL_SIP_TCP;
	report("203.0.113.1", SL_GUARD_SAW_MALFORMED, 100000);
	report("203.0.113.1", SL_GUARD_SAW_FLOOD, 100000);
	for (unsigned i = 0; i < 1000; i++)
		sl_warden_report_flow(t.w, &udp, SL_GUARD_SAW_FORBIDDEN, false, t.now_ms);
	assert_int_equal(decides("203.0.113.1"), '-');
	/* With half of what proves it, it is enough. */
	report("203.0.113.1", SL_GUARD_SAW_AUTH_FAILED, 5);
	assert_int_equal(decides("203.0.113.1"), 'b');
	/* A stream is nobody else's. */
	for (unsigned i = 0; i < 50; i++)
		sl_warden_report_flow(t.w, &tcp, SL_GUARD_SAW_MALFORMED, false, t.now_ms);
	assert_int_equal(decides("203.0.113.2"), 'b');
}

static void bans_double_and_are_forgotten(void **state)
{
	static const unsigned expected[] = {60, 120, 240, 480, 960, 1920, 3600, 3600};
	struct sl_ip a = ip("203.0.113.1");
	struct sl_warden_source s;

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		report("203.0.113.1", SL_GUARD_SAW_FRAUD, 2);
		assert_int_equal((sl_warden_decides(t.w, &a)->until_unix_ms - t.unix_ms) / 1000, expected[i]);
		later((int64_t)expected[i] * 1000);
		assert_int_equal(decides("203.0.113.1"), '-');
	}
	/* One is forgotten for each hour without another. */
	later(5 * 3600000);
	assert_true(sl_warden_source(t.w, &a, t.now_ms, &s));
	assert_int_equal(s.bans, 3);
	report("203.0.113.1", SL_GUARD_SAW_FRAUD, 2);
	assert_int_equal((sl_warden_decides(t.w, &a)->until_unix_ms - t.unix_ms) / 1000, 480);
}

/* Ten times as many sources as there is room for: whoever did most is still known. */
static void the_worst_is_not_forgotten(void **state)
{
	struct sl_warden_source worst[4], s;
	struct sl_ip a = ip("203.0.113.1"), x = ip("10.0.0.0");

	(void)state;
	report("203.0.113.1", SL_GUARD_SAW_AUTH_FAILED, 8);
	for (uint32_t i = 1; i < 10 * SL_REPUTATION_SETS * SL_REPUTATION_WAYS; i++) {
		x.d[3] = htonl(10u << 24 | i);
		sl_warden_report(t.w, &x, SL_GUARD_SAW_AUTH_FAILED, 1, t.now_ms);
	}
	assert_true(sl_warden_source(t.w, &a, t.now_ms, &s));
	assert_int_equal(s.score, 88);
	assert_int_equal(sl_warden_worst(t.w, t.now_ms, worst, 4), 4);
	assert_true(sl_ip_eq(&worst[0].ip, &a));
	assert_true(worst[1].score < 88);
	/* IPv6 by its /64. */
	report("2001:db8:1:2::1", SL_GUARD_SAW_AUTH_FAILED, 5);
	report("2001:db8:1:2::2", SL_GUARD_SAW_AUTH_FAILED, 5);
	assert_int_equal(decides("2001:db8:1:2:ffff::"), 'b');
}

static void nobody_is_banned_when_it_is_off(void **state)
{
	(void)state;
	t.config.guard.reputation_ban = 0;
	sl_warden_reconfigure(t.w, &t.config);
	report("203.0.113.1", SL_GUARD_SAW_FRAUD, 1000);
	t.config.guard.reputation_ban = 100;
	t.config.guard.enabled = false;
	sl_warden_reconfigure(t.w, &t.config);
	report("203.0.113.1", SL_GUARD_SAW_FRAUD, 1000);
	assert_int_equal(decides("203.0.113.1"), '-');
}

/* ---- what the dataplane is told ---- */

static void everything_is_told_to_who_attaches(void **state)
{
	struct sl_sip_flow f = flow("198.18.0.1:5060", 1);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		char text[32];

		snprintf(text, sizeof text, "203.0.113.%u", i);
		assert_int_equal(put(SL_WARDEN_BAN, text, i ? 600 : 0), 0);
		assert_int_equal(t.error, 0);
	}
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.100.0/24", 0), 0);
	assert_int_equal(put(SL_WARDEN_BAN, "198.51.101.0/24", 600), 0);
	sl_warden_trusts(t.w, &f, 300, t.now_ms);
	assert_int_equal(sl_warden_meter(t.w, "acme", 1000, 2000), 1);
	for (unsigned round = 0; round < 2; round++) {
		fake_link.n_sent = 0;
		fake_link_attach(2);
		/* The policy first: before it is known whose the guard is, no ban is told. */
		assert_int_equal(sent(SL_CMD_GUARD_POLICY), 1);
		assert_int_equal(sent(SL_CMD_GUARD_BANS_CLEAR) + sent(SL_CMD_GUARD_BAN) + sent(SL_CMD_GUARD_METER), 0);
		assert_non_null(sl_warden_standby(t.w));
		fake_link_answer(SL_CMD_GUARD_POLICY, 0, "");
		assert_null(sl_warden_standby(t.w));
		assert_int_equal(sent(SL_CMD_GUARD_BANS_CLEAR), 1);
		assert_int_equal(sent(SL_CMD_GUARD_BAN), 4);
		assert_int_equal(last(SL_CMD_GUARD_BAN)->guard_ban.n, 4);
		assert_int_equal(sent(SL_CMD_GUARD_METER), 1);
		assert_int_equal(sent(SL_CMD_GUARD_MARK), 1);
		assert_int_equal(last(SL_CMD_GUARD_MARK)->guard_mark.marks[0].listener, 1);
		assert_int_equal(last(SL_CMD_GUARD_MARK)->guard_mark.marks[0].trust, SL_GUARD_IS_FINAL);
		assert_int_equal(fake_link.list->n, 2);
		fake_link_detach();
	}
}

static void operations_end_when_they_are_told(void **state)
{
	(void)state;
	attach();
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.1", 60), 0);
	assert_int_equal(t.done, 0);
	assert_int_equal(last(SL_CMD_GUARD_BAN)->guard_ban.bans[0].seconds, 60);
	assert_int_equal(last(SL_CMD_GUARD_BAN)->guard_ban.bans[0].strangers, 0);
	fake_link_answer(0, 0, "");
	assert_int_equal(t.done, 1);
	assert_int_equal(t.error, 0);
	/* Two changes of the list while one is built: both are in the next, and each is told when its own is in force. */
	unsigned lists = fake_link.n_lists;
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.100.0/24", 0), 0);
	assert_int_equal(fake_link.n_lists, lists + 1);
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.101.0/24", 0), 0);
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.102.0/24", 0), 0);
	assert_int_equal(fake_link.n_lists, lists + 1);
	fake_link_answer_list(0, "");
	assert_int_equal(t.done, 2);
	assert_int_equal(fake_link.n_lists, lists + 2);
	assert_int_equal(fake_link.list->n, 3);
	fake_link_answer_list(0, "");
	assert_int_equal(t.done, 4);
	/* Overtaken by a newer one: once more. */
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.103.0/24", 0), 0);
	fake_link_answer_list(-ECANCELED, "a newer one came");
	assert_int_equal(t.done, 4);
	fake_link_answer_list(0, "");
	assert_int_equal(t.done, 5);
	/* It goes away in between: what was asked is stored, and told so. */
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.104.0/24", 0), 0);
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.7", 0), 0);
	fake_link_detach();
	assert_int_equal(t.done, 7);
	assert_int_equal(t.error, 0);
	assert_non_null(strstr(t.text, "away"));
	/* By reputation: strangers only. */
	attach();
	report("203.0.113.99", SL_GUARD_SAW_FRAUD, 2);
	assert_int_equal(last(SL_CMD_GUARD_BAN)->guard_ban.bans[0].strangers, 1);
	assert_int_equal(last(SL_CMD_GUARD_BAN)->guard_ban.bans[0].seconds, 60);
	later(60000);
	assert_int_equal(sent(SL_CMD_GUARD_UNBAN), 2); /* both that ended */
}

static void standing_by(void **state)
{
	(void)state;
	fake_link_attach(1);
	/* Asked while nobody knows whose the guard is: it is answered when that is known. */
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.2", 600), 0);
	assert_int_equal(put(SL_WARDEN_DENY, "198.51.100.0/24", 600), 0);
	assert_int_equal(t.done, 0);
	fake_link_answer(SL_CMD_GUARD_POLICY, -EBUSY, "client 3 (other) owns the guard");
	later(10);
	assert_int_equal(t.done, 2);
	assert_int_equal(t.error, 0);
	assert_int_equal(take_out(SL_WARDEN_BAN, "203.0.113.2"), 0);
	assert_int_equal(take_out(SL_WARDEN_DENY, "198.51.100.0/24"), 0);
	assert_string_equal(sl_warden_standby(t.w), "client 3 (other) owns the guard");
	assert_int_equal(put(SL_WARDEN_BAN, "203.0.113.1", 600), 0);
	assert_int_equal(sent(SL_CMD_GUARD_BAN) + sent(SL_CMD_GUARD_BANS_CLEAR), 0);
	for (unsigned i = 0; i < 3; i++) {
		later(1000);
		assert_int_equal(sent(SL_CMD_GUARD_POLICY), 2 + i);
		fake_link_answer(SL_CMD_GUARD_POLICY, i < 2 ? -EBUSY : 0, "client 3 (other) owns the guard");
	}
	assert_null(sl_warden_standby(t.w));
	assert_int_equal(sent(SL_CMD_GUARD_BANS_CLEAR), 1);
	assert_int_equal(sent(SL_CMD_GUARD_BAN), 1);
	fake_link_answer(0, 0, "");
}

/* Room for one command at a time: nothing is lost, nothing is told twice. */
static void a_narrow_link(void **state)
{
	unsigned bans = 0;

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		char text[32];

		snprintf(text, sizeof text, "203.0.113.%u", i);
		put(SL_WARDEN_BAN, text, 600);
	}
	fake_link.room = 1;
	fake_link_attach(1);
	for (unsigned i = 0; i < 50; i++) {
		fake_link_answer(0, 0, "");
		fake_link.room = 1;
		fake_link.ops.room(fake_link.ctx);
	}
	for (unsigned i = 0; i < fake_link.n_sent; i++)
		bans += fake_link.sent[i].h.type == SL_CMD_GUARD_BAN ? fake_link.sent[i].guard_ban.n : 0;
	assert_int_equal(bans, 200);
	/* Queued ones go in order: a ban that is taken back is not there in the end. */
	fake_link.room = 0;
	put(SL_WARDEN_BAN, "198.51.100.1", 600);
	take_out(SL_WARDEN_BAN, "198.51.100.1");
	fake_link.n_sent = 0;
	fake_link.room = 10;
	fake_link.ops.room(fake_link.ctx);
	assert_int_equal(fake_link.n_sent, 2);
	assert_int_equal(fake_link.sent[0].h.type, SL_CMD_GUARD_BAN);
	assert_int_equal(fake_link.sent[1].h.type, SL_CMD_GUARD_UNBAN);
	fake_link_answer(0, 0, "");
}

/* ---- marks ---- */

static void marks(void **state)
{
	struct sl_sip_flow a = flow("198.18.0.1:5060", 0), b = flow("198.18.0.2:5060", 0);

	(void)state;
	attach();
	sl_warden_challenged(t.w, &a, t.now_ms);
	sl_warden_challenged(t.w, &a, t.now_ms); /* not each time */
	sl_warden_holds(t.w, &b, 300, t.now_ms);
	assert_int_equal(sent(SL_CMD_GUARD_MARK), 0); /* they wait for each other */
	later(10);
	assert_int_equal(sent(SL_CMD_GUARD_MARK), 1);
	const struct sl_cmd_guard_mark *m = &last(SL_CMD_GUARD_MARK)->guard_mark;
	assert_int_equal(m->n, 2);
	assert_int_equal(m->marks[0].trust, SL_GUARD_IS_PROVISIONAL);
	assert_int_equal(m->marks[1].trust, SL_GUARD_IS_FINAL);
	assert_true(m->marks[1].seconds >= 300);
	/* Two bindings over one flow: the last one takes the mark along. */
	sl_warden_holds(t.w, &b, 300, t.now_ms);
	sl_warden_renews(t.w, &b, 310, t.now_ms);
	sl_warden_distrusts(t.w, &b, t.now_ms);
	later(10);
	assert_true(sl_warden_knows(t.w, &b));
	assert_int_equal(sent(SL_CMD_GUARD_MARK), 1);
	sl_warden_distrusts(t.w, &b, t.now_ms);
	assert_false(sl_warden_knows(t.w, &b));
	later(10);
	assert_int_equal(last(SL_CMD_GUARD_MARK)->guard_mark.marks[0].trust, SL_GUARD_NOBODY);
	/* A challenge makes nobody less known; a mark ends by its time. */
	sl_warden_trusts(t.w, &b, 60, t.now_ms);
	later(10);
	unsigned n = sent(SL_CMD_GUARD_MARK);
	sl_warden_challenged(t.w, &b, t.now_ms);
	later(10);
	assert_int_equal(sent(SL_CMD_GUARD_MARK), n);
	later(100000);
	assert_false(sl_warden_knows(t.w, &b));
	fake_link_answer(0, 0, "");
}

/* A trunk that answers, and a call of its: when that ends the trunk is as known as it was before. */
static void a_call_takes_no_trust_along(void **state)
{
	struct sl_sip_flow trunk = flow("198.18.0.9:5060", 0);

	(void)state;
	attach();
	sl_warden_trusts_peer(t.w, &trunk.remote, 0, 100, t.now_ms);
	sl_warden_holds(t.w, &trunk, 86400, t.now_ms);
	later(10000);
	sl_warden_distrusts(t.w, &trunk, t.now_ms);
	assert_true(sl_warden_knows(t.w, &trunk));
	assert_int_equal(sl_warden_counts(t.w)->marks_withdrawn, 0);
	later(10);
	const struct sl_guard_mark *m = &last(SL_CMD_GUARD_MARK)->guard_mark.marks[0];
	assert_int_equal(m->trust, SL_GUARD_IS_FINAL);
	assert_int_equal(m->seconds, 120); /* and no day any more */
	later(119000);
	assert_true(sl_warden_knows(t.w, &trunk));
	later(1000);
	assert_false(sl_warden_knows(t.w, &trunk));
	fake_link_answer(0, 0, "");
}

/* A dataplane comes again while people register and go: it is told of everybody all the same. */
static void marks_are_told_while_people_come_and_go(void **state)
{
	enum { N = 1000, TURNS = 100 };
	struct sl_sip_flow f = flow("10.0.0.1:5060", 0);
	bool told[N] = {false};

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		f.remote.ip.d[3] = htonl(10u << 24 | i);
		sl_warden_holds(t.w, &f, 3600, t.now_ms);
	}
	fake_link.room = 1; /* for the policy */
	fake_link_attach(1);
	fake_link_answer(SL_CMD_GUARD_POLICY, 0, "");
	for (unsigned turn = 0; turn < TURNS && t.w->tell.marks_anew; turn++) {
		f.remote.ip.d[3] = htonl(11u << 24 | turn);
		sl_warden_holds(t.w, &f, 3600, t.now_ms);
		sl_warden_renews(t.w, &f, 7200, t.now_ms);
		if (turn % 2)
			sl_warden_distrusts(t.w, &f, t.now_ms);
		fake_link.room = 2;
		sl_warden_pump(t.w);
	}
	fake_link.room = FAKE_SENT_MAX;
	sl_warden_pump(t.w);
	assert_false(t.w->tell.marks_anew);
	assert_true(sent(SL_CMD_GUARD_MARK) < 2 * N / SL_GUARD_MARKS_PER_MSG);
	for (unsigned i = 0; i < fake_link.n_sent; i++) {
		const struct sl_cmd_guard_mark *c = &fake_link.sent[i].guard_mark;

		for (unsigned k = 0; fake_link.sent[i].h.type == SL_CMD_GUARD_MARK && k < c->n; k++) {
			uint32_t who = ntohl(c->marks[k].remote.ip.d[3]);
			if (who >> 24 == 10)
				told[who & 0xffffff] = true;
		}
	}
	for (unsigned i = 0; i < N; i++)
		assert_true(told[i]);
	fake_link_answer(0, 0, "");
	fake_link_answer_list(0, "");
}

static void marks_have_a_limit(void **state)
{
	struct sl_sip_flow f = flow("10.0.0.1:5060", 0);

	(void)state;
	attach();
	for (unsigned i = 0; i < 5000; i++) {
		f.remote.ip.d[3] = htonl(10u << 24 | i);
		sl_warden_holds(t.w, &f, 300, t.now_ms);
	}
	assert_int_equal(sl_warden_counts(t.w)->marks_final, 4096);
	assert_int_equal(sl_warden_counts(t.w)->marks_refused, 904);
	for (unsigned i = 0; i < 5000; i++) {
		f.remote.ip.d[3] = htonl(10u << 24 | i);
		sl_warden_distrusts(t.w, &f, t.now_ms);
	}
	/* Who authenticates and holds nothing does not fill the places of those who do, or of trunks. */
	for (unsigned i = 0; i < 5000; i++) {
		f.remote.port_be = htons((uint16_t)(10000 + i));
		sl_warden_trusts(t.w, &f, 60, t.now_ms);
	}
	assert_int_equal(t.w->trust.n, 3072);
	for (unsigned i = 0; i < 512; i++) {
		f.remote.ip.d[3] = htonl(10u << 24 | i);
		sl_warden_holds(t.w, &f, 300, t.now_ms);
		sl_warden_trusts_peer(t.w, &f.remote, 1, 300, t.now_ms);
	}
	assert_int_equal(t.w->trust.n, 4096);
	later(400000); /* a sweep looks at 1,024 places */
	for (unsigned i = 0; i < 20; i++)
		later(10);
	for (unsigned i = 0; i < 5000; i++) {
		f.remote.ip.d[3] = htonl(10u << 24 | i);
		sl_warden_distrusts(t.w, &f, t.now_ms);
	}
	assert_int_equal(t.w->trust.n, 0);
}

/* ---- answers ---- */

static void say(const char *source, unsigned level, unsigned change, unsigned action, unsigned worker)
{
	struct sl_event e = {.h = {.type = SL_EVT_GUARD_SOURCE}};
	struct sl_prefix p = level == SL_GUARD_TOTAL ? (struct sl_prefix){0} : prefix(source);

	e.guard_source = (struct sl_evt_guard_source){.ip = p.ip, .prefix_len = p.len, .level = (uint8_t)level, .change = (uint8_t)change,
		.guard_class = SL_GUARD_SIP, .action = (uint8_t)action, .listener = SL_GUARD_ANY, .pps = 900, .limit_pps = 400, .worker = (uint8_t)worker};
	fake_link.ops.event(fake_link.ctx, worker, &e);
}

static void sources_over_a_limit(void **state)
{
	struct sl_sip_flow a = flow("198.18.0.1:5060", 0), b = flow("198.18.0.2:5060", 0);
	struct sl_warden_over over[8];

	(void)state;
	attach();
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_PASS);
	say("198.18.0.1", SL_GUARD_SOURCE, SL_GUARD_OVER, SL_GUARD_DO_CHALLENGE, 0);
	say("198.18.0.1", SL_GUARD_SOURCE, SL_GUARD_OVER, SL_GUARD_DO_CHALLENGE, 1);
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_CHALLENGE);
	assert_int_equal(sl_warden_judge(t.w, &b, t.now_ms), SL_WARDEN_PASS);
	assert_int_equal(sl_warden_overs(t.w, over, 8), 1);
	assert_int_equal(over[0].times, 2);
	/* Whoever is known is of another class, which has its own limit. */
	sl_warden_holds(t.w, &a, 300, t.now_ms);
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_PASS);
	sl_warden_distrusts(t.w, &a, t.now_ms);
	/* Its prefix, everybody: the strictest counts. */
	say("198.18.0.0/24", SL_GUARD_PREFIX, SL_GUARD_OVER, SL_GUARD_DO_DELAY, 0);
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_DELAY);
	assert_int_equal(sl_warden_judge(t.w, &b, t.now_ms), SL_WARDEN_DELAY);
	say(NULL, SL_GUARD_TOTAL, SL_GUARD_OVER, SL_GUARD_DO_REFUSE, 0);
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_REFUSE);
	/* Who is allowed pays for nobody else. */
	assert_int_equal(put(SL_WARDEN_ALLOW, "198.18.0.2", 0), 0);
	assert_int_equal(sl_warden_judge(t.w, &b, t.now_ms), SL_WARDEN_PASS);
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_REFUSE);
	say(NULL, SL_GUARD_TOTAL, SL_GUARD_BELOW, SL_GUARD_DO_REFUSE, 0);
	say("198.18.0.0/24", SL_GUARD_PREFIX, SL_GUARD_BELOW, SL_GUARD_DO_DELAY, 0);
	say("198.18.0.1", SL_GUARD_SOURCE, SL_GUARD_BELOW, SL_GUARD_DO_CHALLENGE, 0);
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_CHALLENGE); /* still, at the other worker */
	say("198.18.0.1", SL_GUARD_SOURCE, SL_GUARD_BELOW, SL_GUARD_DO_CHALLENGE, 1);
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_PASS);
	/* What nobody says the end of ends. */
	say("198.18.0.1", SL_GUARD_SOURCE, SL_GUARD_OVER, SL_GUARD_DO_CHALLENGE, 0);
	for (unsigned i = 0; i < 20; i++)
		later(SL_WATCH_MS / 10);
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_PASS);
	assert_int_equal(t.w->watch.n_marked_all, 0);
	/* Dry run: told and shown, and nobody is answered otherwise. */
	t.config.guard.dry_run = true;
	sl_warden_reconfigure(t.w, &t.config);
	say("198.18.0.1", SL_GUARD_SOURCE, SL_GUARD_OVER, SL_GUARD_DO_REFUSE, 0);
	assert_int_equal(sl_warden_judge(t.w, &a, t.now_ms), SL_WARDEN_PASS);
	assert_int_equal(sl_warden_overs(t.w, over, 8), 1);
	fake_link_answer(0, 0, "");
}

static void many_sources_over_a_limit(void **state)
{
	char text[32];

	(void)state;
	attach();
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(text, sizeof text, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		say(text, SL_GUARD_SOURCE, SL_GUARD_OVER, SL_GUARD_DO_REFUSE, 0);
	}
	assert_int_equal(t.w->watch.n_marked_all, SL_WATCH_SETS * SL_WATCH_WAYS);
	/* The event log says no more of them than it may. */
	assert_int_equal(sl_call_events_last(t.events), 60);
	assert_int_equal(sl_warden_counts(t.w)->events_dropped, 20000 - 60);
	fake_link_detach();
	assert_int_equal(t.w->watch.n_marked_all, 0);
}

/* One more, if there is room for it. */
static bool take(enum sl_warden_state what, const struct sl_ip *source)
{
	bool room = sl_warden_has_room(t.w, what, source, 1);

	if (room)
		sl_warden_took(t.w, what, source);
	return room;
}

static void state_of_sources(void **state)
{
	struct sl_ip a = ip("198.18.0.1"), b = ip("198.18.0.2"), c = ip("198.18.1.1");

	(void)state;
	t.config.guard.calls_per_source = 2;
	t.config.guard.calls_per_prefix = 3;
	sl_warden_reconfigure(t.w, &t.config);
	/* Several at once, as one REGISTER brings them. */
	assert_true(sl_warden_has_room(t.w, SL_WARDEN_CALL, &a, 2));
	assert_false(sl_warden_has_room(t.w, SL_WARDEN_CALL, &a, 3));
	assert_true(take(SL_WARDEN_CALL, &a));
	assert_false(sl_warden_has_room(t.w, SL_WARDEN_CALL, &a, 2));
	assert_true(take(SL_WARDEN_CALL, &a));
	assert_false(take(SL_WARDEN_CALL, &a));
	assert_true(take(SL_WARDEN_CALL, &b));
	assert_false(take(SL_WARDEN_CALL, &b)); /* the /24 */
	assert_true(take(SL_WARDEN_CALL, &c));
	assert_true(take(SL_WARDEN_BINDING, &a)); /* no limit */
	assert_int_equal(sl_warden_counts(t.w)->state_refused, 4);
	sl_warden_give(t.w, SL_WARDEN_CALL, &a);
	assert_true(take(SL_WARDEN_CALL, &b));
	/* Whoever is allowed has no limit. */
	assert_int_equal(put(SL_WARDEN_ALLOW, "198.18.0.1", 0), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_true(take(SL_WARDEN_CALL, &a));
	assert_int_equal(sl_warden_has(t.w, SL_WARDEN_CALL, &a), 11);
	for (unsigned i = 0; i < 20; i++)
		sl_warden_give(t.w, SL_WARDEN_CALL, &a);
	assert_int_equal(sl_warden_has(t.w, SL_WARDEN_CALL, &a), 0);
}

static void pressure(void **state)
{
	(void)state;
	attach();
	for (unsigned i = 0; i < 5; i++) {
		t.now_ms += 200;
		sl_warden_pressure(t.w, 1, t.now_ms);
	}
	assert_int_equal(sl_warden_pressure_percent(t.w), 23);
	assert_int_equal(last(SL_CMD_GUARD_PRESSURE)->guard_pressure.percent, 23);
	for (unsigned i = 0; i < 20; i++) {
		t.now_ms += 200;
		sl_warden_pressure(t.w, 2, t.now_ms);
	}
	assert_int_equal(sl_warden_pressure_percent(t.w), 5);
	/* A new dataplane hears of it, too. */
	fake_link_answer(0, 0, "");
	fake_link_detach();
	fake_link.n_sent = 0;
	fake_link_attach(1);
	assert_int_equal(last(SL_CMD_GUARD_PRESSURE)->guard_pressure.percent, 5);
	for (unsigned i = 0; i < 48; i++) {
		t.now_ms += 200;
		sl_warden_pressure(t.w, 0, t.now_ms);
	}
	assert_int_equal(sl_warden_pressure_percent(t.w), 100);
	fake_link_answer(0, 0, "");
}

static void meters_of_tenants(void **state)
{
	(void)state;
	attach();
	assert_int_equal(sl_warden_meter(t.w, "none", 0, 0), 0);
	assert_int_equal(sl_warden_meter(t.w, "acme", 1000, 0), 1);
	assert_int_equal(sl_warden_meter(t.w, "other", 0, 5000), 2);
	assert_int_equal(sl_warden_meter(t.w, "acme", 1000, 0), 1);
	assert_int_equal(sent(SL_CMD_GUARD_METER), 2);
	assert_int_equal(sl_warden_meter(t.w, "acme", 2000, 64), 1);
	assert_int_equal(last(SL_CMD_GUARD_METER)->guard_meter.pps, 2000);
	assert_int_equal(sl_warden_meter(t.w, "acme", 0, 0), 1); /* its legs have the number: no limit any more */
	assert_int_equal(last(SL_CMD_GUARD_METER)->guard_meter.pps, 0);
	fake_link_answer(0, 0, "");
}

/* ---- looking ---- */

static struct sl_evt_guard_answer heard[4];
static unsigned n_heard, n_told;

static void on_answers(void *ctx, const struct sl_evt_guard_answer *answers, unsigned n)
{
	(void)ctx;
	n_told++;
	n_heard = n;
	memcpy(heard, answers, n * sizeof *answers);
}

static void questions(void **state)
{
	struct sl_ip a = ip("198.18.0.1");
	struct sl_event e = {.h = {.type = SL_EVT_GUARD_ANSWER}};

	(void)state;
	n_told = 0;
	assert_int_equal(sl_warden_query(t.w, &a, t.now_ms, on_answers, NULL), -ENOTCONN);
	attach();
	assert_int_equal(sl_warden_query(t.w, &a, t.now_ms, on_answers, NULL), 0);
	assert_int_equal(fake_link.n_worker_commands, 2);
	e.h.seq = fake_link.worker_command.h.seq;
	fake_link.ops.event(fake_link.ctx, 0, &e);
	assert_int_equal(n_told, 0);
	e.guard_answer.worker = 1;
	fake_link.ops.event(fake_link.ctx, 1, &e);
	assert_int_equal(n_told, 1);
	assert_int_equal(n_heard, 2);
	assert_int_equal(heard[1].worker, 1);
	/* One that does not answer holds nobody up for longer than half a second. */
	assert_int_equal(sl_warden_query(t.w, &a, t.now_ms, on_answers, NULL), 0);
	later(500);
	assert_int_equal(n_told, 2);
	assert_int_equal(n_heard, 0);
}

static struct {
	uint8_t *pcap;
	size_t bytes;
	unsigned packets, lost, times;
	char error[80];
} sampled;

static void on_sampled(void *ctx, uint8_t *pcap, size_t bytes, unsigned packets, unsigned lost, const char *error)
{
	(void)ctx;
	free(sampled.pcap);
	sampled.pcap = pcap;
	sampled.bytes = bytes;
	sampled.packets = packets;
	sampled.lost = lost;
	sampled.times++;
	snprintf(sampled.error, sizeof sampled.error, "%s", error ? error : "");
}

static void samples(void **state)
{
	static struct sl_bulk b;
	struct sl_warden_sample s = {.n = 2, .seconds = 10, .reason = SL_GUARD_ANY};

	(void)state;
	memset(&sampled, 0, sizeof sampled);
	attach();
	assert_int_equal(sl_warden_sample(t.w, &s, t.now_ms, on_sampled, NULL), 0);
	assert_int_equal(sl_warden_sample(t.w, &s, t.now_ms, on_sampled, NULL), -EBUSY);
	b = (struct sl_bulk){.kind = SL_BULK_GUARD, .len = 60, .full_len = 60, .tap = fake_link.worker_command.guard_sample.sample, .lost = 3,
		.unix_ns = UINT64_C(1800000000123456789)};
	fake_link.ops.bulk(fake_link.ctx, 1, &b);
	b.tap++; /* another's */
	fake_link.ops.bulk(fake_link.ctx, 1, &b);
	b.tap--;
	b.len = 1000;
	b.full_len = 1400;
	fake_link.ops.bulk(fake_link.ctx, 0, &b);
	assert_int_equal(sampled.times, 1);
	assert_int_equal(sampled.packets, 2);
	assert_int_equal(sampled.lost, 6);
	assert_int_equal(sampled.bytes, 24 + 16 + 60 + 16 + 1000);
	assert_int_equal(sampled.pcap[20], 1); /* Ethernet */
	assert_int_equal(fake_link.worker_command.guard_sample.n, 0); /* and they are told to stop */
	assert_int_equal(sl_warden_sample(t.w, &s, t.now_ms, on_sampled, NULL), 0);
	later(10000);
	assert_int_equal(sampled.times, 2);
	assert_int_equal(sampled.packets, 0);
	assert_int_equal(sl_warden_sample(t.w, &s, t.now_ms, on_sampled, NULL), 0);
	fake_link_detach();
	assert_int_equal(sampled.times, 3);
	assert_null(sampled.pcap);
	assert_non_null(strstr(sampled.error, "went away"));
}

static void a_live_policy(void **state)
{
	struct sl_conf_guard g = t.config.guard;

	(void)state;
	attach();
	g.dry_run = true;
	assert_int_equal(sl_warden_set_policy(t.w, &g, t.text, sizeof t.text), 0);
	assert_true(sl_warden_policy_is_live(t.w));
	assert_int_equal(last(SL_CMD_GUARD_POLICY)->guard_policy.dry_run, 1);
	g.rules[1] = g.rules[0];
	g.n_rules = 2;
	assert_int_equal(sl_warden_set_policy(t.w, &g, t.text, sizeof t.text), -EINVAL);
	g.rules[1].guard_class = SL_GUARD_STUN;
	assert_int_equal(sl_warden_set_policy(t.w, &g, t.text, sizeof t.text), -EINVAL);
	fake_link_answer(0, 0, "");
	assert_int_equal(sl_warden_set_policy(t.w, NULL, t.text, sizeof t.text), 0);
	assert_false(sl_warden_policy_is_live(t.w));
	assert_int_equal(last(SL_CMD_GUARD_POLICY)->guard_policy.dry_run, 0);
	fake_link_answer(0, 0, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_allow_wins),
		TEST(both_families),
		TEST(wrong_entries_change_nothing),
		TEST(the_configuration_is_not_removed),
		TEST(a_large_configuration),
		TEST(entries_end),
		TEST(many_end_at_once),
		TEST(the_wall_clock_frees_nobody),
		TEST(a_restart_brings_back_what_is_left),
		TEST(a_damaged_row_is_left_out),
		TEST(a_removed_ban_does_not_come_back),
		TEST(an_operator_is_not_overwritten),
		TEST(what_waits_is_written_at_the_end),
		TEST(wrong_passwords),
		TEST(false_positives_expire),
		TEST(forged_packets_ban_nobody),
		TEST(bans_double_and_are_forgotten),
		TEST(the_worst_is_not_forgotten),
		TEST(nobody_is_banned_when_it_is_off),
		TEST(everything_is_told_to_who_attaches),
		TEST(operations_end_when_they_are_told),
		TEST(standing_by),
		TEST(a_narrow_link),
		TEST(marks),
		TEST(a_call_takes_no_trust_along),
		TEST(marks_are_told_while_people_come_and_go),
		TEST(marks_have_a_limit),
		TEST(sources_over_a_limit),
		TEST(many_sources_over_a_limit),
		TEST(state_of_sources),
		TEST(pressure),
		TEST(meters_of_tenants),
		TEST(questions),
		TEST(samples),
		TEST(a_live_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

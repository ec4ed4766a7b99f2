/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The housekeeper's side of the guard: real clients over the contract's socket, real tables, no packets. */

#include "tests/unit/region_rig.h"

#include <fcntl.h>

#include <urcu-qsbr.h>

#include "config/guard_policy.h"
#include "dataplane/abi/log.h"
#include "dataplane/abi/validate.h"
#include "dataplane/guard/meter.h"
#include "dataplane/guard/policy.h"
#include "dataplane/guard_tables.h"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL, START_MS = 5000000 };

static struct sl_config config;
static struct sl_conf_guard_prefix of_config[2];
static struct sl_dataplane node;
static struct sl_guard_tables tables;
static uint64_t mono_ms;

static void changed(void *ctx, unsigned slot, bool attached)
{
	sl_guard_tables_client_changed(&tables, slot);
}

static int list_offered(void *ctx, unsigned slot, uint32_t seq, int memfd, size_t bytes, char *text, size_t text_len)
{
	return sl_guard_tables_offer(&tables, slot, seq, memfd, bytes, text, text_len);
}

static struct sl_ip ip(const char *text)
{
	struct sl_ip a;

	assert_int_equal(sl_ip_parse(text, &a), 0);
	return a;
}

static struct sl_conf_guard_prefix prefix(const char *text, bool allow)
{
	struct sl_conf_guard_prefix p = {.allow = allow};

	assert_int_equal(sl_prefix_parse(text, &p.prefix), 0);
	return p;
}

static int setup_guard(void **state)
{
	static const struct sl_abi_server_ops ops = {.changed = changed, .guard_list = list_offered};
	char text[256] = "";

	sl_log_set_level(SL_LOG_ERROR);
	of_config[0] = prefix("198.51.100.0/24", false);
	of_config[1] = prefix("198.51.100.7", true);
	config = (struct sl_config){.guard = {.enabled = true, .sip_sources = 1024, .sources = 1024, .n_prefixes = 2,
		.prefixes = of_config, .reflection_percent = 300, .n_rules = 1,
		.rules = {{.guard_class = SL_GUARD_STUN, .listener = SL_GUARD_ANY, .pps = {50, 500, 5000}}}}};
	memset(&node, 0, sizeof node);
	node.config = &config;
	node.n_workers = WORKERS;
	mono_ms = START_MS;
	setup_with(0, &ops);
	node.abi = &dp.server;
	node.region = dp.region;
	if (sl_guard_tables_init(&tables, &node, mono_ms, NULL, text, sizeof text) < 0)
		fail_msg("%s", text);
	return 0;
}

static int teardown_guard(void **state)
{
	teardown(NULL);
	sl_guard_lists_stop(&tables.lists);
	sl_prefixes_free(tables.prefixes);
	free((void *)node.guard);
	sl_bans_free(&node.bans, free);
	sl_marks_free(&node.marks, free);
	sl_meters_free(node.meters, NULL);
	rcu_barrier();
	return 0;
}

static void housekeep(unsigned ms)
{
	turn();
	mono_ms += ms;
	sl_guard_tables_turn(&tables, mono_ms);
}

static char why[120];

static int tell(const struct sl_client *c, const struct sl_command *cmd)
{
	char text[120];

	assert_int_equal(sl_command_validate(cmd, text, sizeof text), 0);
	assert_true(sl_guard_tables_has(cmd->h.type));
	why[0] = '\0';
	return sl_guard_tables_apply(&tables, c->slot, cmd, mono_ms, why, sizeof why);
}

static struct sl_command policy(uint32_t per_source)
{
	return (struct sl_command){.h = {.type = SL_CMD_GUARD_POLICY},
	        .guard_policy = {.enabled = 1,
	                .n_rules = 1,
	                .rules = {{.guard_class = SL_GUARD_SIP, .listener = SL_GUARD_ANY, .pps = {per_source}}}}};
}

static struct sl_command ban(uint32_t type, const char *address, uint32_t seconds)
{
	return (struct sl_command){
	        .h = {.type = type}, .guard_ban = {.n = 1, .bans = {{.ip = ip(address), .prefix_len = 128, .seconds = seconds}}}};
}

static struct sl_command mark(const char *address, enum sl_guard_trust trust, uint32_t seconds)
{
	return (struct sl_command){.h = {.type = SL_CMD_GUARD_MARK},
	        .guard_mark = {.n = 1,
	                .marks = {{.remote = {.ip = ip(address), .port_be = htons(5060)}, .trust = (uint8_t)trust, .seconds = seconds}}}};
}

static struct sl_command pressure(uint32_t percent)
{
	return (struct sl_command){.h = {.type = SL_CMD_GUARD_PRESSURE}, .guard_pressure = {percent}};
}

static unsigned verdict(const char *address)
{
	struct sl_ip a = ip(address);
	return sl_prefixes_look(node.guard->prefixes, &a);
}

static unsigned banned(const char *address)
{
	struct sl_ip a = ip(address);
	return sl_bans_has(&node.bans, sl_bans_hash(&node.bans, &a, 128));
}

static unsigned trust(const char *address)
{
	struct sl_endpoint ep = {.ip = ip(address), .port_be = htons(5060)};
	return sl_marks_look(&node.marks, sl_marks_hash(&node.marks, &ep, 0), (uint32_t)(mono_ms / 1000));
}

/* ---- lists in memfds ---- */

static int list_of(const char *const *denied, uint32_t n, uint32_t claimed, int seals)
{
	int fd = memfd_create("list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct sl_guard_list head = {.magic = SL_GUARD_LIST_MAGIC, .n = claimed};

	assert_true(fd >= 0);
	assert_int_equal(write(fd, &head, sizeof head), sizeof head);
	for (uint32_t i = 0; i < n; i++) {
		struct sl_conf_guard_prefix p = prefix(denied[i], false);
		struct sl_prefix_entry e = {.ip = p.prefix.ip, .prefix_len = p.prefix.len, .verdict = SL_PREFIX_DENY};
		assert_int_equal(write(fd, &e, sizeof e), sizeof e);
	}
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static int one(const char *denied)
{
	return list_of(&denied, 1, 1, SEALS);
}

/* The next answer, which may take the builder a moment. */
static struct sl_event answer(struct sl_client *c)
{
	struct sl_event e;
	unsigned set;

	for (unsigned i = 0; i < 5000; i++) {
		housekeep(0);
		while (sl_client_receive(c, &e, &set) == 1) {
			char text[120];
			assert_int_equal(sl_event_validate(&e, text, sizeof text), 0);
			if (e.h.type == SL_EVT_ACK)
				return e;
		}
		poll(NULL, 0, 1);
	}
	fail_msg("no answer");
	return e;
}

static void nothing_answered(struct sl_client *c, unsigned ms)
{
	struct sl_event e;
	unsigned set;

	for (unsigned i = 0; i < ms; i++) {
		housekeep(0);
		while (sl_client_receive(c, &e, &set) == 1)
			assert_int_not_equal(e.h.type, SL_EVT_ACK);
		poll(NULL, 0, 1);
	}
}

static int offer(struct sl_client *c, uint32_t seq, int fd)
{
	int rc = sl_client_guard_list(c, seq, fd);

	close(fd);
	if (rc < 0)
		return rc;
	struct sl_event e = answer(c);
	assert_int_equal(e.h.seq, SL_GUARD_ACK_SEQ | seq);
	memcpy(why, e.ack.text, sizeof why);
	return e.ack.error;
}

/* ---- tests ---- */

static void the_configuration_is_in_force_from_the_start(void **state)
{
	assert_non_null(node.guard);
	assert_int_equal(node.guard->told.enabled, 1);
	assert_int_equal(node.guard->told.reflection_percent, 300);
	assert_true(node.guard->told.enabled && node.guard->told.n_rules > 0);
	assert_int_equal(verdict("198.51.100.8"), SL_PREFIX_DENY);
	assert_int_equal(verdict("198.51.100.7"), SL_PREFIX_ALLOW);
	assert_int_equal(verdict("203.0.113.1"), SL_PREFIX_NONE);
	assert_int_equal(node.guard_pressure, 100);
	assert_int_equal(dp.region->guard_owner, 0xff);
	assert_int_equal(dp.region->guard_prefixes, 2);
	assert_int_equal(dp.region->guard_enabled, 1);
	assert_int_equal(dp.region->guard_dry_run, 0);
	assert_int_equal(dp.region->guard_pressure, 100);
	assert_true(dp.region->guard_bytes > 1 << 20);
}

static void the_first_policy_owns_the_guard(void **state)
{
	struct sl_client a, b;
	struct sl_command p = policy(10), q = policy(20), bad = ban(SL_CMD_GUARD_BAN, "192.0.2.1", 0),
	                  meter = {.h = {.type = SL_CMD_GUARD_METER}, .guard_meter = {1, 1000, 0}},
	                  clear = {.h = {.type = SL_CMD_GUARD_BANS_CLEAR}};

	attach(&a, "main");
	attach(&b, "other");
	assert_int_equal(tell(&b, &bad), 0); /* nobody's yet */
	assert_int_equal(tell(&a, &p), 0);
	assert_int_equal(tell(&b, &q), -EBUSY);
	assert_non_null(strstr(why, "'main'"));
	assert_int_equal(tell(&b, &bad), -EBUSY);
	assert_int_equal(tell(&b, &clear), -EBUSY);
	assert_int_equal(tell(&b, &meter), -EBUSY);
	assert_int_equal(offer(&b, 1, one("10.0.0.0/8")), -EBUSY);
	assert_int_equal(node.guard->told.rules[0].pps[0], 10);
	housekeep(0);
	assert_int_equal(dp.region->guard_owner, a.slot);

	struct sl_command m = mark("192.0.2.9", SL_GUARD_IS_FINAL, 60), low = pressure(50);
	assert_int_equal(tell(&b, &m), 0); /* every client's own */
	assert_int_equal(tell(&b, &low), 0);

	detach(&a);
	housekeep(0);
	assert_int_equal(dp.region->guard_owner, 0xff);
	assert_int_equal(node.guard->told.rules[0].pps[0], 10); /* stays */
	assert_int_equal(banned("192.0.2.1"), 2);
	assert_int_equal(tell(&b, &q), 0);
	assert_int_equal(node.guard->told.rules[0].pps[0], 20);
	detach(&b);
}

static void a_replay_changes_nothing(void **state)
{
	struct sl_client c;
	struct sl_command p = policy(10), clear = {.h = {.type = SL_CMD_GUARD_BANS_CLEAR}};
	struct sl_command b = ban(SL_CMD_GUARD_BAN, "192.0.2.1", 60), m = mark("192.0.2.9", SL_GUARD_IS_FINAL, 60);

	for (unsigned i = 0; i < 3; i++) {
		const struct sl_guard_policy *before = node.guard;
		attach(&c, "main");
		assert_int_equal(tell(&c, &p), 0);
		assert_int_equal(tell(&c, &clear), 0);
		assert_int_equal(tell(&c, &b), 0);
		assert_int_equal(tell(&c, &b), 0);
		assert_int_equal(tell(&c, &m), 0);
		assert_int_equal(offer(&c, i, one("10.0.0.0/8")), 0);
		if (i) /* but for the list's the policy is not even published anew */
			assert_memory_equal(&before->told, &node.guard->told, sizeof before->told);
		housekeep(0);
		assert_int_equal(dp.region->guard_bans, 1);
		assert_int_equal(dp.region->guard_marks_final, 1);
		assert_int_equal(dp.region->guard_prefixes, 1);
		assert_int_equal(banned("192.0.2.1"), 2);
		assert_int_equal(trust("192.0.2.9"), SL_GUARD_IS_FINAL);
		assert_int_equal(verdict("10.1.2.3"), SL_PREFIX_DENY);
		const struct sl_guard_policy *same = node.guard;
		assert_int_equal(tell(&c, &p), 0);
		assert_ptr_equal(node.guard, same);
		detach(&c);
	}
}

static void lists_are_swapped_whole_or_not_at_all(void **state)
{
	static const char *const two[] = {"10.0.0.0/8", "2001:db8::/32"};
	struct sl_client c;
	struct sl_command p = policy(10);

	attach(&c, "main");
	assert_int_equal(tell(&c, &p), 0);
	assert_int_equal(offer(&c, 7, list_of(two, 2, 2, SEALS)), 0);
	assert_int_equal(verdict("10.1.2.3"), SL_PREFIX_DENY);
	assert_int_equal(verdict("2001:db8::1"), SL_PREFIX_DENY);
	assert_int_equal(verdict("198.51.100.8"), SL_PREFIX_NONE); /* the configuration's went */
	assert_int_equal(node.guard->told.rules[0].pps[0], 10);

	assert_int_equal(offer(&c, 8, list_of(two, 1, 2, SEALS)), -EINVAL);
	assert_non_null(strstr(why, "n: "));
	assert_int_equal(offer(&c, 9, list_of(two, 2, 2, SEALS & ~F_SEAL_WRITE)), -EPERM);
	assert_non_null(strstr(why, "list: "));
	int fd = memfd_create("list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	assert_int_equal(offer(&c, 10, fd), -EFBIG);
	assert_int_equal(verdict("10.1.2.3"), SL_PREFIX_DENY); /* the old one all the while */
	housekeep(0);
	assert_int_equal(dp.region->guard_prefixes, 2);

	assert_int_equal(offer(&c, SL_GUARD_ACK_MASK, list_of(NULL, 0, 0, SEALS)), 0);
	assert_int_equal(verdict("10.1.2.3"), SL_PREFIX_NONE);
	assert_null(node.guard->prefixes);
	assert_int_equal(sl_client_guard_list(&c, SL_GUARD_ACK_SEQ, 0), -EINVAL);
	assert_int_equal(sl_client_guard_list(&c, 1, -1), -EINVAL);
	detach(&c);
}

static void what_is_no_offer_cuts_a_client_off(void **state)
{
	const struct sl_guard_offer good = {.magic = SL_GUARD_OFFER_MAGIC, .seq = 1};
	int fds[2] = {one("10.0.0.0/8"), one("10.0.0.0/8")};

	for (unsigned wrong = 0; wrong < 6; wrong++) {
		struct sl_guard_offer o = good;
		size_t bytes = sizeof o;
		unsigned n_fds = 1;
		struct sl_client c;
		switch (wrong) {
		case 0: o.magic++; break;
		case 1: o.seq = SL_GUARD_ACK_MASK + 1; break;
		case 2: o.reserved = 1; break;
		case 3: n_fds = 0; break;
		case 4: n_fds = 2; break;
		default: bytes--; break;
		}
		attach(&c, "main");
		send_offer(c.sock, &o, bytes, fds, n_fds);
		turn();
		assert_int_equal(dp.region->clients[c.slot].attached, 0);
		assert_int_equal(sl_client_guard_list(&c, 1, fds[0]), -ESTALE);
		detach(&c);
	}
	housekeep(0);
	assert_int_equal(verdict("10.1.2.3"), SL_PREFIX_NONE);
	close(fds[0]);
	close(fds[1]);
}

static void an_entry_that_is_no_prefix_refuses_its_list(void **state)
{
	const struct sl_guard_list head = {.magic = SL_GUARD_LIST_MAGIC, .n = 2};
	const struct sl_prefix_entry bad[2] = {{.ip = ip("10.0.0.0"), .prefix_len = 104, .verdict = SL_PREFIX_DENY},
	        {.ip = ip("10.0.0.1"), .prefix_len = 104, .verdict = SL_PREFIX_DENY}};
	struct sl_client c;
	int fd = memfd_create("list", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	attach(&c, "main");
	assert_int_equal(write(fd, &head, sizeof head), sizeof head);
	assert_int_equal(write(fd, bad, sizeof bad), sizeof bad);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	assert_int_equal(offer(&c, 1, fd), -EINVAL);
	assert_true(why[0]);
	assert_int_equal(verdict("198.51.100.8"), SL_PREFIX_DENY);
	detach(&c);
}

/* Many offers at once: each is answered once, those that came into force in order; whatever was skipped, the last one is in force. */
static void the_newest_list_wins(void **state)
{
	enum { N = 40 };
	struct sl_client c;
	uint64_t answered = 0;
	unsigned last = 0;

	attach(&c, "main");
	for (uint32_t i = 0; i < N; i++) {
		char text[32];
		snprintf(text, sizeof text, "10.%u.0.0/16", i);
		int fd = one(text);
		assert_int_equal(sl_client_guard_list(&c, i, fd), 0);
		close(fd);
		turn();
	}
	for (uint32_t i = 0; i < N; i++) {
		struct sl_event e = answer(&c);
		uint32_t seq = e.h.seq & SL_GUARD_ACK_MASK;
		assert_true(e.h.seq == (SL_GUARD_ACK_SEQ | seq) && seq < N && !(answered >> seq & 1));
		assert_true(e.ack.error == 0 || e.ack.error == -ECANCELED);
		answered |= UINT64_C(1) << seq;
		if (e.ack.error == 0) {
			assert_true(seq >= last);
			last = seq;
		}
	}
	assert_int_equal(last, N - 1);
	assert_int_equal(verdict("10.39.0.1"), SL_PREFIX_DENY);
	assert_int_equal(verdict("10.38.0.1"), SL_PREFIX_NONE);
	detach(&c);
}

static void an_answer_finds_only_who_asked(void **state)
{
	struct sl_client c;
	int fd = one("10.0.0.0/8");

	attach(&c, "main");
	assert_int_equal(sl_client_guard_list(&c, 5, fd), 0);
	turn(); /* taken up */
	detach(&c);
	attach(&c, "main");
	nothing_answered(&c, 50);
	assert_int_equal(verdict("10.1.2.3"), SL_PREFIX_DENY); /* what was told stays */
	close(fd);
	detach(&c);
}

static void bans_and_marks_end(void **state)
{
	struct sl_client c;
	struct sl_command b = ban(SL_CMD_GUARD_BAN, "192.0.2.1", 10), forever = ban(SL_CMD_GUARD_BAN, "192.0.2.2", 0);
	struct sl_command m = mark("192.0.2.9", SL_GUARD_IS_FINAL, 20);

	attach(&c, "main");
	assert_int_equal(tell(&c, &b), 0);
	assert_int_equal(tell(&c, &forever), 0);
	assert_int_equal(tell(&c, &m), 0);
	for (unsigned ms = 0; ms < 9000; ms += 10)
		housekeep(10);
	assert_int_equal(banned("192.0.2.1"), 2);
	assert_int_equal(dp.region->guard_bans, 2);
	assert_int_equal(trust("192.0.2.9"), SL_GUARD_IS_FINAL);
	for (unsigned ms = 0; ms < 20000; ms += 10)
		housekeep(10);
	assert_int_equal(banned("192.0.2.1"), 0);
	assert_int_equal(banned("192.0.2.2"), 2);
	assert_int_equal(dp.region->guard_bans, 1);
	assert_int_equal(trust("192.0.2.9"), SL_GUARD_NOBODY);
	assert_int_equal(dp.region->guard_marks_final, 0);
	forever.h.type = SL_CMD_GUARD_UNBAN;
	assert_int_equal(tell(&c, &forever), 0);
	assert_int_equal(banned("192.0.2.2"), 0);
	detach(&c);
}

/* A turn every millisecond finds every ban whose time is up within a second, however full the table is. */
static void ends_come_in_time(void **state)
{
	struct sl_client c;
	struct sl_command b = ban(SL_CMD_GUARD_BAN, "10.0.0.0", 5);

	attach(&c, "main");
	mono_ms = mono_ms / 1000 * 1000 + 1900; /* late in a second */
	b.guard_ban.n = SL_GUARD_BANS_PER_MSG;
	for (uint32_t i = 0; i < SL_GUARD_BANS_MAX; i++) {
		struct sl_guard_ban *one_ban = &b.guard_ban.bans[i % SL_GUARD_BANS_PER_MSG];
		*one_ban = (struct sl_guard_ban){.prefix_len = 128, .seconds = 5};
		sl_ip_set_v4(&one_ban->ip, htonl(0x0a000000 + i));
		if ((i + 1) % SL_GUARD_BANS_PER_MSG == 0)
			assert_int_equal(tell(&c, &b), 0);
	}
	housekeep(1);
	assert_int_equal(dp.region->guard_bans, SL_GUARD_BANS_MAX);
	struct sl_command more = ban(SL_CMD_GUARD_BAN, "192.0.2.1", 0);
	assert_int_equal(tell(&c, &more), -ENOSPC);
	assert_non_null(strstr(why, "65536"));
	for (unsigned ms = 0; ms < 8000; ms++) {
		mono_ms++;
		sl_guard_tables_turn(&tables, mono_ms);
		if (ms == 4999) /* never before it */
			assert_int_equal(dp.region->guard_bans, SL_GUARD_BANS_MAX);
	}
	assert_int_equal(dp.region->guard_bans, 0);
	assert_int_equal(tell(&c, &more), 0);
	detach(&c);
}

static void the_lowest_pressure_counts_while_its_client_is_there(void **state)
{
	struct sl_client a, b;
	struct sl_command p;

	attach(&a, "main");
	attach(&b, "other");
	p = pressure(60);
	assert_int_equal(tell(&a, &p), 0);
	assert_int_equal(node.guard_pressure, 60);
	p = pressure(25);
	assert_int_equal(tell(&b, &p), 0);
	assert_int_equal(node.guard_pressure, 25);
	p = pressure(10);
	assert_int_equal(tell(&a, &p), 0);
	assert_int_equal(node.guard_pressure, 10);
	p = pressure(100);
	assert_int_equal(tell(&a, &p), 0);
	housekeep(0);
	assert_int_equal(dp.region->guard_pressure, 25);
	detach(&b);
	assert_int_equal(node.guard_pressure, 100);
	p = pressure(30);
	assert_int_equal(tell(&a, &p), 0);
	detach(&a);
	assert_int_equal(node.guard_pressure, 100);
}

static void wait_for(unsigned prefixes)
{
	for (unsigned i = 0; i < 5000 && dp.region->guard_prefixes != prefixes; i++) {
		housekeep(0);
		poll(NULL, 0, 1);
	}
	assert_int_equal(dp.region->guard_prefixes, prefixes);
}

static void reload(const struct sl_config *c)
{
	struct sl_cmd_guard_policy p;
	struct sl_guard_job *list = sl_guard_job_of_config(&c->guard);

	assert_non_null(list);
	sl_guard_policy_of(c, &p);
	sl_guard_tables_reconfigure(&tables, &p, list);
}

static void a_reload_counts_while_nobody_owns_the_guard(void **state)
{
	struct sl_conf_guard_prefix other = prefix("203.0.113.0/24", false);
	struct sl_config reloaded = config;
	struct sl_client c;
	struct sl_command p = policy(10);

	reloaded.guard.dry_run = true;
	reloaded.guard.n_prefixes = 1;
	reloaded.guard.prefixes = &other;
	reload(&reloaded);
	assert_int_equal(node.guard->told.dry_run, 1);
	wait_for(1);
	assert_int_equal(dp.region->guard_dry_run, 1);
	assert_int_equal(verdict("203.0.113.9"), SL_PREFIX_DENY);
	assert_int_equal(verdict("198.51.100.8"), SL_PREFIX_NONE);

	attach(&c, "main");
	assert_int_equal(tell(&c, &p), 0);
	reload(&config);
	housekeep(0);
	assert_int_equal(node.guard->told.rules[0].pps[0], 10);
	assert_int_equal(dp.region->guard_prefixes, 1);
	detach(&c);
	reload(&config);
	wait_for(2);
	assert_int_equal(node.guard->told.rules[0].pps[0], 50);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_guard, teardown_guard)
	const struct CMUnitTest tests[] = {
	        T(the_configuration_is_in_force_from_the_start),
	        T(the_first_policy_owns_the_guard),
	        T(a_replay_changes_nothing),
	        T(lists_are_swapped_whole_or_not_at_all),
	        T(what_is_no_offer_cuts_a_client_off),
	        T(an_entry_that_is_no_prefix_refuses_its_list),
	        T(the_newest_list_wins),
	        T(an_answer_finds_only_who_asked),
	        T(bans_and_marks_end),
	        T(ends_come_in_time),
	        T(the_lowest_pressure_counts_while_its_client_is_there),
	        T(a_reload_counts_while_nobody_owns_the_guard),
	};
	rcu_register_thread();
	rcu_thread_offline();
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	rcu_thread_online();
	rcu_unregister_thread();
	return rc;
}

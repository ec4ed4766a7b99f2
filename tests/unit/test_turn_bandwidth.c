/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Bandwidth of users, realms and the node, hard and soft, by two workers; time is a variable. */

#include "tests/unit/unit.h"

#include "dataplane/abi/validate.h"
#include "dataplane/path/turn_bandwidth.h"
#include "tests/unit/turn_rig.h"

enum { LEN = 1000, SECOND = 1000000, TO_PEER = 0, TO_CLIENT = 1 };

static struct sl_turn_conf_builder *builder;
static struct sl_turn_conf *conf;
static struct sl_turn_bandwidth_worker *w[2];
static uint64_t now;
static struct sl_cmd_turn settings;
static struct sl_cmd_realm realms[2];
static unsigned n_realms;
static struct sl_evt_turn_quota told[200];
static unsigned n_told;
static void *pieces[10];
static unsigned n_pieces;

static void *piece(const char *what, size_t bytes)
{
	pieces[n_pieces] = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	assert_non_null(pieces[n_pieces]);
	return memset(pieces[n_pieces++], 0, bytes);
}

static void tell(void *ctx, const struct sl_evt_turn_quota *e)
{
	struct sl_event evt = {.h.type = SL_EVT_TURN_QUOTA, .turn_quota = *e};
	char text[100];

	assert_int_equal(sl_event_validate(&evt, text, sizeof text), 0);
	told[n_told++] = *e;
}

static void apply(const struct sl_command *cmd)
{
	struct sl_turn_conf *next;
	char text[100];

	assert_int_equal(sl_turn_conf_apply(builder, cmd, &next, text, sizeof text), 0);
	if (next) {
		sl_turn_conf_free(conf);
		conf = next;
	}
}

static void provision(void)
{
	struct sl_command cmd = {.h.type = SL_CMD_CONFIG_BEGIN};

	apply(&cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_TURN_CONFIG, .turn = settings};
	apply(&cmd);
	for (unsigned i = 0; i < n_realms; i++) {
		cmd = (struct sl_command){.h.type = SL_CMD_TURN_REALM, .realm = realms[i]};
		cmd.realm.index = (uint16_t)i;
		cmd.realm.name[0] = (char)('a' + i);
		apply(&cmd);
	}
	cmd = (struct sl_command){.h.type = SL_CMD_CONFIG_COMMIT};
	apply(&cmd);
}

static int setup(void **state)
{
	struct sl_turn_bandwidths *all;

	memset(&settings, 0, sizeof settings);
	memset(realms, 0, sizeof realms);
	n_told = n_pieces = 0;
	n_realms = 2;
	now = 77 * SECOND;
	conf = NULL;
	builder = sl_turn_conf_builder_new();
	assert_int_equal(sl_turn_bandwidths_init(&all, 100, piece), 0);
	for (unsigned i = 0; i < 2; i++)
		w[i] = sl_turn_bandwidth_worker_new(all, i, tell, NULL, piece);
	return builder == NULL;
}

static int teardown(void **state)
{
	sl_turn_conf_free(conf);
	sl_turn_conf_builder_free(builder);
	while (n_pieces > 0)
		free(pieces[--n_pieces]);
	return 0;
}

static bool take(unsigned worker, uint32_t user, unsigned realm, unsigned direction, unsigned len)
{
	const struct sl_turn_traffic t = {
		.user = user, .realm = (uint16_t)realm, .direction = (uint8_t)direction, .username_len = 5, .username = "alice", .len = len};

	return sl_turn_bandwidth_take(w[worker], conf, &t, now);
}

/* Packets offered in the seconds, evenly, pps each; how many pass. Ticks go on. */
static unsigned offer(unsigned seconds, unsigned pps, uint32_t user, unsigned realm, unsigned direction)
{
	unsigned passed = 0;

	for (unsigned ms = 0; ms < 1000 * seconds; ms++) {
		for (unsigned i = 0; i < pps / 1000; i++)
			passed += take((ms + i) % 2, user, realm, direction, LEN);
		now += 1000;
		for (unsigned i = 0; i < 2; i++)
			sl_turn_bandwidth_tick(w[i], conf, now);
	}
	return passed;
}

static void within(uint64_t is, uint64_t wanted, unsigned percent)
{
	if (is * 100 < wanted * (100 - percent) || is * 100 > wanted * (100 + percent))
		fail_msg("%llu instead of %llu", (unsigned long long)is, (unsigned long long)wanted);
}

static void a_users_hard_limit(void **state)
{
	realms[0].user.hard_kbps[TO_PEER] = 800; /* 100 packets a second */
	provision();
	/* A second's worth at once, then as it comes, whatever worker. */
	within(offer(5, 1000, 7, 0, TO_PEER), 600, 2);
	within(offer(5, 1000, 7, 0, TO_PEER), 500, 2);
	assert_int_equal(offer(1, 1000, 7, 0, TO_CLIENT), 1000);
	assert_int_equal(offer(1, 1000, 7, 1, TO_PEER), 1000); /* by another realm's limits: he has none */
	within(offer(1, 1000, 8, 0, TO_PEER), 200, 2);          /* another user */
	now += 10 * SECOND;
	within(offer(1, 1000, 7, 0, TO_PEER), 200, 2);          /* no more than a second's worth is saved up */
}

static void a_fast_users_limit_is_exact(void **state)
{
	realms[0].user.hard_kbps[TO_CLIENT] = 400000; /* 50,000 packets of 1,000 bytes: 20 us each */
	provision();
	(void)offer(1, 100000, 7, 0, TO_CLIENT);
	within(offer(2, 100000, 7, 0, TO_CLIENT), 100000, 1);
}

static void a_realms_hard_limit(void **state)
{
	realms[1].realm.hard_kbps[TO_CLIENT] = 8000;
	provision();
	(void)offer(2, 4000, 7, 1, TO_CLIENT);
	unsigned passed = 0;
	for (unsigned i = 0; i < 4; i++)
		passed += offer(1, 4000, 7 + i, 1, TO_CLIENT);
	within(passed, 4000, 2);
	assert_int_equal(offer(1, 4000, 7, 1, TO_PEER), 4000);
	assert_int_equal(offer(1, 4000, 7, 0, TO_CLIENT), 4000);
}

static void the_nodes_hard_limit(void **state)
{
	settings.node.hard_kbps[TO_PEER] = 8000;
	provision();
	(void)offer(2, 4000, 7, 1, TO_PEER);
	within(offer(1, 4000, 7, 0, TO_PEER) + offer(1, 4000, 8, 1, TO_PEER) + offer(1, 4000, 9, SL_TURN_ANY_REALM, TO_PEER), 3000, 2);
}

static void slow_limits_let_whole_packets_through(void **state)
{
	settings.node.hard_kbps[TO_PEER] = 16;
	realms[0].user.hard_kbps[TO_PEER] = 16;
	provision();
	assert_int_equal(take(0, 7, 0, TO_PEER, 1500), true);
	assert_int_equal(take(0, 7, 0, TO_PEER, 1500), false);
	now += SECOND;
	assert_int_equal(take(0, 7, 0, TO_PEER, 1500), true);
}

/* Users, realms and the node have a hard and a soft limit in each direction, and what goes in the other one is nobody's. */
static void every_subject_and_direction(void **state)
{
	static const unsigned subjects[] = {SL_QUOTA_USER, SL_QUOTA_REALM, SL_QUOTA_NODE};

	for (unsigned i = 0; i < SL_COUNT(subjects) * 2; i++) {
		struct sl_turn_bandwidth *limit = i / 2 == 0 ? &realms[0].user : i / 2 == 1 ? &realms[0].realm : &settings.node;
		unsigned direction = i % 2;
		limit->hard_kbps[direction] = 16000; /* 2,000 packets a second */
		limit->soft_kbps[direction] = 8000;
		n_told = 0;
		now += 100 * SECOND;
		provision();
		assert_int_equal(offer(3, 4000, 7 + i, 0, !direction), 12000);
		assert_int_equal(n_told, 0);
		within(offer(3, 4000, 7 + i, 0, direction), 8000, 2); /* with a second's worth of burst */
		assert_int_equal(n_told, 1);
		assert_int_equal(told[0].subject, subjects[i / 2]);
		assert_int_equal(told[0].direction, direction);
		assert_int_equal(told[0].over, 1);
		(void)offer(15, 0, 7 + i, 0, direction);
		assert_int_equal(n_told, 2);
		*limit = (struct sl_turn_bandwidth){{0}, {0}};
	}
}

/* A frame off a stream, or one that was put together, of more than a second's worth: when nobody has used anything; and the rate holds all the same. */
static void a_large_frame_passes_and_is_paid_for(void **state)
{
	for (unsigned what = 0; what < 3; what++) {
		struct sl_turn_bandwidth *limit = what == 0 ? &realms[0].user : what == 1 ? &realms[0].realm : &settings.node;
		uint64_t passed = 0;
		limit->hard_kbps[TO_PEER] = 16;
		provision();
		now += 100 * SECOND;
		assert_true(take(0, 7, 0, TO_PEER, 20000));
		for (unsigned i = 0; i < 9; i++) {
			assert_false(take(i % 2, 7, 0, TO_PEER, 20000));
			now += SECOND;
		}
		now += 100 * SECOND;
		for (unsigned ms = 0; ms < 1000000; ms += 10) {
			passed += take(ms / 10 % 2, 7, 0, TO_PEER, 65507) ? 65507 : 0;
			now += 10000;
		}
		assert_in_range(passed, 1000 * 2000 - 65507, 1000 * 2000 + 65507);
		limit->hard_kbps[TO_PEER] = 0;
	}
}

/* Of a limit that is taken away, or whose realm goes, while somebody is above it, it is told that he is below. */
static void no_limit_ends_what_was_told(void **state)
{
	realms[1].realm.soft_kbps[TO_PEER] = 8000;
	settings.node.soft_kbps[TO_PEER] = 8000;
	realms[1].user.soft_kbps[TO_PEER] = 8000;
	provision();
	(void)offer(3, 4000, 7, 1, TO_PEER);
	assert_int_equal(n_told, 3);
	memset(&settings.node, 0, sizeof settings.node);
	memset(realms, 0, sizeof realms);
	n_realms = 1;
	provision();
	assert_false(sl_turn_conf_limits(conf));
	(void)offer(15, 0, 7, 0, TO_PEER);
	assert_int_equal(n_told, 6);
	for (unsigned i = 3; i < 6; i++) {
		assert_int_equal(told[i].over, 0);
		assert_int_equal(told[i].kbps, 0);
		assert_int_equal(told[i].soft_kbps, told[i].subject == SL_QUOTA_USER ? 8000 : 0);
	}
}

static void a_soft_limit_of_the_node_is_told(void **state)
{
	settings.node.soft_kbps[TO_CLIENT] = 8000; /* 1,000 packets a second */
	provision();
	(void)offer(3, 1000, 7, 0, TO_CLIENT);
	(void)offer(3, 4000, 7, 0, TO_PEER);
	assert_int_equal(n_told, 0);
	assert_int_equal(offer(3, 4000, 7, 0, TO_CLIENT), 12000); /* they pass */
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].subject, SL_QUOTA_NODE);
	assert_int_equal(told[0].direction, TO_CLIENT);
	assert_int_equal(told[0].over, 1);
	assert_int_equal(told[0].realm, SL_TURN_ANY_REALM);
	assert_int_equal(told[0].soft_kbps, 8000);
	within(told[0].kbps, 32000, 5);
	/* Up and down: once in ten seconds. */
	for (unsigned i = 0; i < 10; i++) {
		(void)offer(1, 1000, 7, 0, TO_CLIENT);
		(void)offer(1, 4000, 7, 0, TO_CLIENT);
	}
	assert_in_range(n_told, 2, 3);
	n_told = 0;
	(void)offer(21, 0, 7, 0, TO_CLIENT);
	assert_in_range(n_told, 1, 2);
	assert_int_equal(told[n_told - 1].over, 0);
	assert_int_equal(told[n_told - 1].kbps, 0);
}

static void a_soft_limit_of_a_realm_is_told(void **state)
{
	realms[1].realm.soft_kbps[TO_PEER] = 8000;
	provision();
	(void)offer(3, 4000, 7, 0, TO_PEER);
	assert_int_equal(n_told, 0);
	(void)offer(3, 4000, 7, 1, TO_PEER);
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].subject, SL_QUOTA_REALM);
	assert_int_equal(told[0].realm, 1);
}

static void a_soft_limit_of_a_user_is_told(void **state)
{
	realms[0].user.soft_kbps[TO_PEER] = 8000;
	provision();
	(void)offer(3, 1000, 7, 0, TO_PEER);
	assert_int_equal(n_told, 0);
	(void)offer(3, 4000, 7, 0, TO_PEER);
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].subject, SL_QUOTA_USER);
	assert_int_equal(told[0].over, 1);
	assert_int_equal(told[0].realm, 0);
	assert_int_equal(told[0].username_len, 5);
	assert_memory_equal(told[0].username, "alice", 5);
	within(told[0].kbps, 32000, 10);
	/* Below again, while there is traffic; whichever worker has told and whichever sees it. */
	(void)offer(15, 1000, 7, 0, TO_PEER);
	assert_int_equal(n_told, 2);
	assert_int_equal(told[1].over, 0);
	/* Over once more, and then silence. */
	(void)offer(12, 4000, 7, 0, TO_PEER);
	assert_int_equal(n_told, 3);
	(void)offer(15, 0, 7, 0, TO_PEER);
	assert_int_equal(n_told, 4);
	assert_int_equal(told[3].over, 0);
	(void)offer(20, 0, 7, 0, TO_PEER);
	assert_int_equal(n_told, 4);
}

static void many_users_are_told_of_within_bounds(void **state)
{
	realms[0].user.soft_kbps[TO_PEER] = 16;
	provision();
	for (unsigned ms = 0; ms < 3000; ms++) {
		for (unsigned user = 1; user <= 300; user++)
			(void)take(0, user * 2654435761u, 0, TO_PEER, 1000);
		now += 1000;
		sl_turn_bandwidth_tick(w[0], conf, now);
	}
	assert_int_equal(n_told, 64); /* a worker keeps an eye on no more */
	for (unsigned ms = 0; ms < 15000; ms++) {
		now += 1000;
		sl_turn_bandwidth_tick(w[0], conf, now);
	}
	assert_int_equal(n_told, 128);
}

/* More users than there are places: nobody is limited by what another one sends. */
static void a_full_table_limits_nobody_wrongly(void **state)
{
	unsigned refused = 0;

	realms[0].user.hard_kbps[TO_PEER] = 16;
	provision();
	for (unsigned user = 1; user <= 5000; user++)
		refused += !take(0, user, 0, TO_PEER, 1500);
	assert_int_equal(refused, 0);
	now += 4 * SECOND; /* their places are free again */
	assert_int_equal(take(0, 100000, 0, TO_PEER, 1500), true);
	assert_int_equal(take(0, 100000, 0, TO_PEER, 1500), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_users_hard_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(a_fast_users_limit_is_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(a_realms_hard_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(the_nodes_hard_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(slow_limits_let_whole_packets_through, setup, teardown),
		cmocka_unit_test_setup_teardown(every_subject_and_direction, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_frame_passes_and_is_paid_for, setup, teardown),
		cmocka_unit_test_setup_teardown(no_limit_ends_what_was_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_soft_limit_of_the_node_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_soft_limit_of_a_realm_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_soft_limit_of_a_user_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(many_users_are_told_of_within_bounds, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_table_limits_nobody_wrongly, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

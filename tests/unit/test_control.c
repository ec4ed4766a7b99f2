/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The real sluice-controlplane against a dataplane that moves no packets. The link to the dataplane: provisioning, attaching again, what the rings bring. */

#include "tests/unit/control_rig.h"

static void the_dataplane_is_provisioned(void **state)
{
	/* printf 'user0:example.org:password0' | md5sum, | sha256sum; printf 'user0:example.org' | sha256sum
	 */
	static const uint8_t md5[] = {0x8c, 0xa6, 0xe9, 0x7e, 0x75, 0x61, 0x1f, 0x62, 0x8b, 0xba, 0x7d, 0xe9,
	        0xfb, 0x89, 0x14, 0x0b};
	static const uint8_t userhash[] = {0x39, 0xd8, 0x2b, 0x4a, 0xe1, 0xdd, 0xa3, 0x2e, 0x0d, 0xb3, 0x90,
	        0x3b, 0xf4, 0x90, 0x67, 0x44, 0x52, 0x03, 0x37, 0x4d, 0xfe, 0x3c, 0x95, 0x2d, 0x7f, 0x2d,
	        0xef, 0xe6, 0x48, 0x33, 0xb0, 0x39};
	const struct sl_cmd_user *u;

	start_both();
	fake_lock(rig.fake);
	assert_int_equal(rig.fake->n_commits, 1);
	assert_string_equal(rig.fake->published.realms[0].name, "example.org");
	assert_int_equal(rig.fake->published.realms[0].max_lifetime_s, 3600);
	assert_int_equal(rig.fake->published.n_turn, 1);
	assert_int_equal(rig.fake->published.n_secrets, 1);
	assert_int_equal(rig.fake->published.last_secret.len, 4);
	assert_int_equal(rig.fake->published.n_rules, 2);
	assert_int_equal(rig.fake->published.rules[0].allow, 1);
	assert_int_equal(rig.fake->published.rules[0].prefix_len, 104);
	assert_int_equal(rig.fake->published.rules[1].allow, 0);
	u = fake_user(rig.fake, "user0");
	assert_non_null(u);
	assert_memory_equal(u->key_md5, md5, sizeof md5);
	assert_memory_equal(u->userhash, userhash, sizeof userhash);
	fake_unlock(rig.fake);
	assert_int_equal(stop_control(), 0);
}

static void the_control_plane_may_start_first(void **state)
{
	start_control();
	WAIT_FOR(serving());
	assert_int_equal(rig.answer.status, 503);
	assert_non_null(strstr(rig.answer.text, "not attached"));
	assert_int_equal(ask("GET", "/v1/allocations", NULL), 503);
	fake_start(rig.fake);
	WAIT_FOR(healthy());
	assert_int_equal(commits(), 1);
}

static void a_restarted_dataplane_is_provisioned_again(void **state)
{
	start_both();
	assert_int_equal(
	        ask("POST", "/v1/turn/users", "{\"name\": \"alice\", \"password\": \"secret\"}"), 201);
	fake_die(rig.fake);
	WAIT_FOR(!healthy());
	fake_start(rig.fake);
	WAIT_FOR(healthy());
	assert_int_equal(commits(), 2);
	assert_true(dataplane_has("alice"));
	assert_true(dataplane_has("user0"));
	json_t *o = get("/v1/status");
	json_t *dp = json_object_get(o, "dataplane");
	assert_int_equal(json_integer_value(json_object_get(dp, "generation")), 2);
	json_decref(o);
}

static void a_killed_control_plane_comes_back(void **state)
{
	start_both();
	assert_int_equal(
	        ask("POST", "/v1/turn/users", "{\"name\": \"alice\", \"password\": \"secret\"}"), 201);
	pid_t before = working_half();
	kill(before, SIGKILL);
	WAIT_FOR(commits() == 2 && healthy());
	assert_int_not_equal(working_half(), before);
	assert_true(dataplane_has("alice"));
	assert_int_equal(waitpid(rig.control, NULL, WNOHANG), 0); /* the keeper is there */
}

static void a_long_replay_keeps_to_the_ring(void **state)
{
	enum { USERS = 3000 };

	write_config(REALM RULES, USERS, "");
	set_burst(3); /* far slower than the brain */
	start_both();
	fake_lock(rig.fake);
	assert_int_equal(rig.fake->published.n_users, USERS);
	assert_true(rig.fake->most_waiting <= SL_COMMAND_SLOTS);
	assert_true(rig.fake->most_waiting >= 256); /* it did fill what it may */
	fake_unlock(rig.fake);
}

static void a_dataplane_that_does_not_read_is_waited_for(void **state)
{
	set_burst(0);
	fake_start(rig.fake);
	start_control();
	WAIT_FOR(serving() && strstr(rig.answer.text, "provisioning"));
	assert_int_equal(ask("POST", "/v1/reload", ""), 503);
	set_burst(64);
	WAIT_FOR(healthy());

	set_burst(0);
	assert_int_equal(
	        ask("POST", "/v1/turn/users", "{\"name\": \"late\", \"password\": \"secret\"}"), 202);
	assert_false(dataplane_has("late"));
	set_burst(64);
	WAIT_FOR(dataplane_has("late"));
}

static void a_stopped_heart_is_unhealthy(void **state)
{
	start_both();
	fake_lock(rig.fake);
	rig.fake->heart_stopped = true;
	fake_unlock(rig.fake);
	WAIT_FOR(!healthy());
	assert_non_null(strstr(rig.answer.text, "heartbeat"));
	fake_lock(rig.fake);
	rig.fake->heart_stopped = false;
	fake_unlock(rig.fake);
	WAIT_FOR(healthy());
}

static void a_ring_out_of_range_is_left_and_taken_anew(void **state)
{
	start_both();
	fake_lock(rig.fake);
	struct sl_ring_shm *shm =
	        (void *)((uint8_t *)rig.fake->region + sl_region_ring_offset(FAKE_WORKERS, 0, 1, SL_RING_EVENTS));
	uint32_t before = rig.fake->region->clients[0].generation;
	atomic_store(&shm->prod, 3000000000u);
	fake_unlock(rig.fake);
	WAIT_FOR(atomic_load(&rig.fake->region->clients[0].generation) != before && healthy());
	assert_int_equal(commits(), 2);
}

/* Any client of the contract can write into our rings. */
static void events_out_of_place_harm_nobody(void **state)
{
	struct sl_event e = {.h = {SL_EVT_ACK, 7}};
	unsigned long long seed = 1;

	start_both();
	pid_t before = working_half();
	memset(e.bytes, 0xff, sizeof e.bytes);
	e.ack.text[0] = '\0';
	for (unsigned round = 0; round < 20; round++) {
		fake_lock(rig.fake);
		for (unsigned n = 0; n < 200; n++) {
			struct sl_event garbage = e;
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			if (n % 4 == 1)
				garbage = (struct sl_event){.h = {SL_EVT_LOG, 0}, .log = {4, "from a worker"}};
			for (unsigned i = 0; n % 4 > 1 && i < sizeof garbage.bytes; i++)
				garbage.bytes[i] = (uint8_t)((seed >> (i % 50)) * (i % 7 == n % 7));
			if (n % 4 > 1)
				garbage.h.type = 1 + n / 4 % 5;
			sl_abi_worker_post(&rig.fake->workers[n % FAKE_WORKERS], &garbage);
			if (n % 4 > 1)
				sl_abi_server_post(&rig.fake->server, &garbage);
		}
		fake_unlock(rig.fake);
		poll(NULL, 0, 10);
	}
	WAIT_FOR(healthy());
	assert_int_equal(working_half(), before);
	json_t *o = get("/v1/status");
	json_t *link = json_object_get(json_object_get(o, "controlplane"), "link");
	assert_true(json_integer_value(json_object_get(link, "events_bad")) > 1000);
	json_decref(o);
	assert_int_equal(log_lines("from a worker"), 0);
}

static long long bad_events(void)
{
	json_t *o = get("/v1/status");
	long long n = json_integer_value(
	        json_object_get(json_object_get(json_object_get(o, "controlplane"), "link"), "events_bad"));
	json_decref(o);
	return n;
}

/* Right in everything but one field, which is an index into a table of words. */
static void an_ending_nobody_knows_is_a_bad_event(void **state)
{
	struct sl_event e = {.h.type = SL_EVT_ALLOCATION,
	        .allocation = {.id = UINT64_C(1) << 32, .change = SL_ALLOC_CLOSED, .end = 200}};

	start_both();
	assert_int_equal(bad_events(), 0);
	fake_lock(rig.fake);
	sl_abi_worker_post(&rig.fake->workers[0], &e);
	fake_unlock(rig.fake);
	WAIT_FOR(bad_events() == 1);
}

static void the_dataplane_speaks_in_our_log(void **state)
{
	start_both();
	fake_lock(rig.fake);
	sl_abi_server_announce(&rig.fake->server, 4, "port '%s': link down", "wan");
	fake_unlock(rig.fake);
	WAIT_FOR(log_lines("dataplane: port 'wan': link down") == 1);
}

static void allocations_are_followed(void **state)
{
	fake_lock(rig.fake);
	fake_allocate(rig.fake, 0, 0x1001, "user0"); /* before anybody attached: found by the list */
	fake_unlock(rig.fake);
	start_both();
	fake_lock(rig.fake);
	fake_allocate(rig.fake, 1, 0xabcdef0102030405, "someone");
	fake_unlock(rig.fake);
	WAIT_FOR(ask("GET", "/v1/allocations/abcdef0102030405", NULL) == 200);
	json_t *o = get("/v1/allocations");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 2);
	json_decref(o);
	o = get("/v1/allocations?user=someone&limit=1");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 1);
	json_t *a = json_array_get(json_object_get(o, "allocations"), 0);
	assert_string_equal(json_string_value(json_object_get(a, "client")), "192.0.2.100:5000");
	json_decref(o);

	/* Byte counts are asked for when somebody looks. */
	fake_lock(rig.fake);
	for (unsigned i = 0; i < FAKE_ALLOCATIONS_MAX; i++)
		rig.fake->allocations[i].to_peer_bytes = 4321;
	fake_unlock(rig.fake);
	o = get("/v1/allocations/0000000000001001");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "to_peer"), "bytes")), 4321);
	json_decref(o);

	assert_int_equal(ask("DELETE", "/v1/allocations/0000000000001001", NULL), 200);
	assert_int_equal(ask("GET", "/v1/allocations/0000000000001001", NULL), 404);
	assert_int_equal(ask("DELETE", "/v1/allocations/0000000000001001", NULL), 404);
	fake_lock(rig.fake);
	rig.fake->allocations[1].id = 0; /* its end went unheard */
	fake_unlock(rig.fake);
	o = get("/v1/allocations");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 0);
	json_decref(o);
}

static void a_second_control_plane_on_the_same_socket_does_not_start(void **state)
{
	int status;

	start_both();
	pid_t first = rig.control;
	start_control();
	assert_int_equal(waitpid(rig.control, &status, 0), rig.control);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
	rig.control = first;
	assert_true(healthy());
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        RIG_TEST(the_dataplane_is_provisioned),
	        RIG_TEST(the_control_plane_may_start_first),
	        RIG_TEST(a_restarted_dataplane_is_provisioned_again),
	        RIG_TEST(a_killed_control_plane_comes_back),
	        RIG_TEST(a_long_replay_keeps_to_the_ring),
	        RIG_TEST(a_dataplane_that_does_not_read_is_waited_for),
	        RIG_TEST(a_stopped_heart_is_unhealthy),
	        RIG_TEST(a_ring_out_of_range_is_left_and_taken_anew),
	        RIG_TEST(events_out_of_place_harm_nobody),
	        RIG_TEST(an_ending_nobody_knows_is_a_bad_event),
	        RIG_TEST(the_dataplane_speaks_in_our_log),
	        RIG_TEST(allocations_are_followed),
	        RIG_TEST(a_second_control_plane_on_the_same_socket_does_not_start),
	};

	return rig_run(argc, argv, tests);
}

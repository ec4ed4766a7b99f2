/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The real sluice-controlplane against a dataplane that moves no packets. The guard: what is configured and asked reaches the dataplane, again after it
 * died; what the dataplane tells is shown, and whatever stands in the region breaks nothing. */

#include "tests/unit/control_rig.h"

#include "dataplane/abi/counters.h"

static struct fake_guard told(void)
{
	fake_lock(rig.fake);
	struct fake_guard g = rig.fake->guard;
	fake_unlock(rig.fake);
	return g;
}

static void guarded(const char *group)
{
	rig.groups = group;
	write_config(REALM, 1, "");
	start_both();
}

static struct sl_ip ip4(uint32_t host)
{
	struct sl_ip ip;

	sl_ip_set_v4(&ip, htonl(host));
	return ip;
}

enum { HOST = 0xc0000207 }; /* 192.0.2.7 */

static const struct sl_guard_rule *rule_of(const struct fake_guard *g, unsigned guard_class, unsigned listener)
{
	for (unsigned i = 0; i < g->policy.n_rules; i++) {
		if (g->policy.rules[i].guard_class == guard_class && g->policy.rules[i].listener == listener)
			return &g->policy.rules[i];
	}
	return NULL;
}

static void what_is_configured_is_told(void **state)
{
	guarded("guard = { allow = ( \"198.51.100.0/24\" ); deny = ( \"203.0.113.0/24\", \"2001:db8:7::/48\" ); dry_run = true;\n"
	        "  limits = ( { class = \"stun\"; listener = \"192.0.2.1:3478\"; source = 50; } ); state = { allocations_per_source = 9; }; };");
	WAIT_FOR(told().n_policies > 0 && told().list_n == 3);
	struct fake_guard g = told();

	assert_true(g.policy.enabled);
	assert_true(g.policy.dry_run);
	assert_int_equal(g.policy.allocations_per_source, 9);
	assert_int_equal(rule_of(&g, SL_GUARD_STUN, 0)->pps[SL_GUARD_SOURCE], 50);
	assert_int_equal(rule_of(&g, SL_GUARD_STUN, 0)->pps[SL_GUARD_PREFIX], 10000);
	assert_int_equal(rule_of(&g, SL_GUARD_STUN, SL_GUARD_ANY)->pps[SL_GUARD_SOURCE], 1000);
	unsigned allowed = 0;
	for (unsigned i = 0; i < g.list_n; i++)
		allowed += g.list[i].verdict == SL_PREFIX_ALLOW;
	assert_int_equal(allowed, 1);
}

static void what_the_api_changes_is_told(void **state)
{
	guarded("guard = { deny = ( \"203.0.113.0/24\" ); };");
	WAIT_FOR(told().list_n == 1);
	assert_int_equal(ask("PUT", "/v1/guard/bans/192.0.2.7", "{\"seconds\": 60}"), 201);
	assert_int_equal(told().n_bans, 1);
	struct sl_ip ip = ip4(HOST);
	assert_memory_equal(&told().last_ban.bans[0].ip, &ip, sizeof ip);
	assert_in_range(told().last_ban.bans[0].seconds, 59, 60);
	/* A prefix is part of the list. */
	assert_int_equal(ask("PUT", "/v1/guard/bans/198.51.100.0/24", "{}"), 201);
	assert_int_equal(told().list_n, 2);
	assert_int_equal(ask("DELETE", "/v1/guard/bans/198.51.100.0/24", NULL), 200);
	WAIT_FOR(told().list_n == 1);
	assert_int_equal(ask("DELETE", "/v1/guard/bans/192.0.2.7", NULL), 200);
	WAIT_FOR(told().n_unbans == 1);

	assert_int_equal(ask("PUT", "/v1/guard/policy", "{\"dry_run\": true, \"limits\": [{\"class\": \"stun\", \"source\": 5}]}"), 200);
	WAIT_FOR(told().policy.dry_run);
	struct fake_guard g = told();
	assert_int_equal(rule_of(&g, SL_GUARD_STUN, SL_GUARD_ANY)->pps[SL_GUARD_SOURCE], 5);
	assert_int_equal(ask("DELETE", "/v1/guard/policy", NULL), 200);
	WAIT_FOR(!told().policy.dry_run);
	g = told();
	assert_int_equal(rule_of(&g, SL_GUARD_STUN, SL_GUARD_ANY)->pps[SL_GUARD_SOURCE], 1000);

	/* A reload brings the file's. */
	assert_int_equal(ask("PUT", "/v1/guard/policy", "{\"enabled\": false}"), 200);
	WAIT_FOR(!told().policy.enabled);
	rig.groups = "guard = { deny = ( \"203.0.113.0/24\", \"203.0.112.0/24\" ); };";
	write_config(REALM, 1, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	WAIT_FOR(told().policy.enabled && told().list_n == 2);
}

static void all_of_it_is_told_again(void **state)
{
	guarded("guard = { deny = ( \"203.0.113.0/24\" ); };");
	assert_int_equal(ask("PUT", "/v1/guard/bans/192.0.2.7", "{}"), 201);
	WAIT_FOR(told().n_bans == 1 && told().n_lists > 0);
	unsigned policies = told().n_policies, lists = told().n_lists;

	fake_die(rig.fake);
	fake_start(rig.fake);
	WAIT_FOR(told().n_policies > policies && told().n_bans == 2 && told().n_lists > lists);
	assert_true(told().n_clears > 0);
	assert_int_equal(told().list_n, 1);
	/* And by a control plane that begins anew: the store has the ban. */
	stop_control();
	unsigned bans = told().n_bans;
	start_control();
	WAIT_FOR(told().n_bans > bans);
}

/* ---- looking ---- */

static void set_top(unsigned worker, unsigned i, struct sl_guard_top_entry e)
{
	fake_lock(rig.fake);
	rig.fake->region->workers[worker].top.e[SL_GUARD_SOURCE][i] = e;
	fake_unlock(rig.fake);
}

static void top_adds_up_what_workers_see(void **state)
{
	guarded("guard = { deny = ( \"192.0.2.9\" ); };");
	set_top(0, 3, (struct sl_guard_top_entry){.ip = ip4(HOST), .prefix_len = 128, .guard_class = SL_GUARD_SIP, .last_drop = SL_GUARD_ANY, .pps = 100,
		.dropped_pps = 10, .kept_s = 4});
	set_top(1, 5, (struct sl_guard_top_entry){.ip = ip4(HOST), .prefix_len = 128, .guard_class = SL_GUARD_SIP, .last_drop = SL_DROP_guard_source_limit,
		.pps = 300, .dropped_pps = 30, .kept_s = 2});
	set_top(1, 6, (struct sl_guard_top_entry){.ip = ip4(HOST + 2), .prefix_len = 128, .guard_class = SL_GUARD_STUN, .last_drop = SL_DROP_guard_denied,
		.pps = 200, .dropped_pps = 200, .kept_s = 9});
	json_t *o = get("/v1/guard/top"), *first = json_array_get(json_object_get(o, "sources"), 0), *second = json_array_get(json_object_get(o, "sources"), 1);
	assert_int_equal(json_array_size(json_object_get(o, "sources")), 2);
	assert_string_equal(json_string_value(json_object_get(first, "source")), "192.0.2.7");
	assert_string_equal(json_string_value(json_object_get(first, "class")), "sip");
	assert_string_equal(json_string_value(json_object_get(first, "reason")), "guard_source_limit");
	assert_int_equal(json_integer_value(json_object_get(first, "pps")), 400);
	assert_int_equal(json_integer_value(json_object_get(first, "dropped_pps")), 40);
	assert_int_equal(json_integer_value(json_object_get(first, "seconds")), 4);
	assert_int_equal(json_integer_value(json_object_get(first, "workers")), 2);
	assert_string_equal(json_string_value(json_object_get(second, "entry")), "deny");
	json_decref(o);
	o = get("/v1/guard/top?by=dropped&limit=1");
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(o, "sources"), 0), "source")), "192.0.2.9");
	assert_int_equal(json_array_size(json_object_get(o, "sources")), 1);
	json_decref(o);
	assert_int_equal(ctl("guard top"), 0);
	assert_non_null(strstr(rig.answer.text, "192.0.2.7"));
}

static void whatever_stands_in_the_region_breaks_nothing(void **state)
{
	guarded("guard = { };");
	for (unsigned i = 0; i < SL_GUARD_TOP; i++) {
		struct sl_guard_top_entry e;
		memset(&e, (int)(0xff - i), sizeof e);
		e.prefix_len = (uint8_t)(100 + i); /* some are possible */
		set_top(i % 2, i, e);
	}
	fake_lock(rig.fake);
	memset(&rig.fake->region->guard_bans, 0xff, sizeof rig.fake->region->guard_bans);
	rig.fake->region->guard_owner = 200;
	fake_unlock(rig.fake);
	assert_int_equal(ask("GET", "/v1/guard/top?limit=2048", NULL), 200);
	json_decref(get("/v1/guard"));
	fake_lock(rig.fake);
	memset(rig.fake->region->clients[1].name, 0xff, sizeof rig.fake->region->clients[1].name);
	rig.fake->region->guard_owner = 1;
	fake_unlock(rig.fake);
	json_decref(get("/v1/guard"));
	assert_int_equal(ask("GET", "/metrics", NULL), 200);
}

static void over(unsigned change, unsigned guard_class)
{
	struct sl_event evt = {.h = {.type = SL_EVT_GUARD_SOURCE}};

	evt.guard_source = (struct sl_evt_guard_source){.ip = ip4(HOST), .prefix_len = 128, .level = SL_GUARD_SOURCE, .change = (uint8_t)change,
		.guard_class = (uint8_t)guard_class, .listener = SL_GUARD_ANY, .pps = 1000, .limit_pps = 1000, .worker = 1};
	fake_lock(rig.fake);
	fake_tell(rig.fake, 1, &evt);
	fake_unlock(rig.fake);
}

static size_t shown(const char *member)
{
	json_t *o = get("/v1/guard/sources");
	size_t n = json_array_size(json_object_get(o, member));

	json_decref(o);
	return n;
}

static void who_is_over_a_limit_is_shown_with_what_he_sends(void **state)
{
	guarded("guard = { };");
	set_top(0, 0, (struct sl_guard_top_entry){.ip = ip4(HOST), .prefix_len = 128, .guard_class = SL_GUARD_STUN, .pps = 70000, .dropped_pps = 69000});
	over(SL_GUARD_OVER, SL_GUARD_STUN);
	WAIT_FOR(shown("over") == 1);
	json_t *o = get("/v1/guard/sources"), *x = json_array_get(json_object_get(o, "over"), 0);
	assert_int_equal(json_integer_value(json_object_get(x, "limit_pps")), 1000);
	assert_int_equal(json_integer_value(json_object_get(x, "sent_pps")), 70000);
	json_decref(o);
	/* The fake's workers answer no question: what is known is told after half a second. */
	o = get("/v1/guard/explain?address=192.0.2.7");
	assert_string_equal(json_string_value(json_object_get(o, "verdict")), "limited");
	assert_non_null(strstr(json_string_value(json_object_get(o, "why")), "70000"));
	json_decref(o);
	over(SL_GUARD_BELOW, SL_GUARD_STUN);
	WAIT_FOR(shown("over") == 0);
	over(SL_GUARD_OVER, 99); /* no class: the event is refused */
	o = get("/v1/status");
	json_decref(o);
	assert_int_equal(shown("over"), 0);
}

static void samples_end_in_time_without_any(void **state)
{
	guarded("guard = { };");
	assert_int_equal(ask("GET", "/v1/guard/samples?seconds=1&n=5", NULL), 200);
	assert_int_equal(rig.answer.len, 24); /* the header of a pcap with nanoseconds, no packet */
	assert_int_equal(memcmp(rig.answer.text, "\x4d\x3c\xb2\xa1", 4), 0);
}

static void another_control_plane_may_have_the_guard(void **state)
{
	struct sl_command cmd = {.h = {SL_CMD_GUARD_POLICY, 7}};
	struct sl_client other;
	struct sl_event evt;
	char text[128];
	unsigned set;

	fake_start(rig.fake);
	assert_int_equal(sl_client_attach(&other, rig.socket_path, "other", 2000, text, sizeof text), 0);
	cmd.guard_policy.enabled = 1;
	assert_int_equal(sl_client_send(&other, 0, &cmd), 0);
	WAIT_FOR(sl_client_receive(&other, &evt, &set) == 1 && evt.h.type == SL_EVT_ACK && evt.h.seq == 7);
	assert_int_equal(evt.ack.error, 0);
	start_control();
	WAIT_FOR(serving());
	WAIT_FOR(told().n_refused > 0);
	WAIT_FOR(ask("GET", "/v1/guard", NULL) == 200 && strstr(rig.answer.text, "other"));
	/* Ours all the same, for when our time comes. */
	assert_int_equal(ask("PUT", "/v1/guard/bans/192.0.2.7", "{}"), 201);
	assert_int_equal(told().n_bans, 0);
	sl_client_detach(&other);
	WAIT_FOR(told().n_bans == 1);
	json_t *o = get("/v1/guard");
	assert_true(json_is_null(json_object_get(o, "standby")));
	json_decref(o);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_is_configured_is_told),
		RIG_TEST(what_the_api_changes_is_told),
		RIG_TEST(all_of_it_is_told_again),
		RIG_TEST(top_adds_up_what_workers_see),
		RIG_TEST(whatever_stands_in_the_region_breaks_nothing),
		RIG_TEST(who_is_over_a_limit_is_shown_with_what_he_sends),
		RIG_TEST(samples_end_in_time_without_any),
		RIG_TEST(another_control_plane_may_have_the_guard),
	};
	return rig_run(argc, argv, tests);
}

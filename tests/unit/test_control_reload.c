/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The real sluice-controlplane against a dataplane that moves no packets. Reloads: all or nothing, and what a crash goes on with. */

#include "tests/unit/control_rig.h"

/* A reload that the dataplane does not answer is given up, and what was in force comes back. */
static void a_reload_without_answer_is_told_so(void **state)
{
	start_both();
	write_config("realm = \"other.example\"; ", 2, "");
	set_burst(0);
	assert_int_equal(ask("POST", "/v1/reload", ""), 503);
	assert_non_null(strstr(rig.answer.text, "answered nothing"));
	set_burst(64);
	WAIT_FOR(healthy());
	fake_lock(rig.fake);
	assert_string_equal(rig.fake->published.realms[0].name, "example.org");
	fake_unlock(rig.fake);
}

static void a_refused_configuration_leaves_the_rest_working(void **state)
{
	refuse(SL_CMD_SECRET);
	fake_start(rig.fake);
	start_control();
	WAIT_FOR(serving() && strstr(rig.answer.text, "refused"));
	WAIT_FOR(ask("GET", "/v1/workers", NULL) == 200); /* attached all the same */
	assert_int_equal(ask("GET", "/healthz", NULL), 503);
	fake_lock(rig.fake);
	rig.fake->refuse_type = 0;
	assert_int_equal(rig.fake->editor.editing, -1);
	fake_unlock(rig.fake);
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_true(healthy());
}

static void reload_is_all_or_nothing(void **state)
{
	start_both();
	write_config("realm = \"other.example\"; ", 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	fake_lock(rig.fake);
	assert_string_equal(rig.fake->published.realms[0].name, "other.example");
	assert_int_equal(rig.fake->published.n_rules, 0);
	assert_int_equal(rig.fake->published.n_users, 2);
	fake_unlock(rig.fake);

	write_config("realm = \"bad.example\"; max_lifetime = 0; ", 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(rig.answer.text, "max_lifetime"));

	write_config("realm = \"other.example\"; ", 2, "max_allocations = 99;");
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(rig.answer.text, "max_allocations"));

	write_config("realm = \"third.example\"; " RULES, 3, "");
	refuse(SL_CMD_PEER_RULE);
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(rig.answer.text, "refused by the test"));
	fake_lock(rig.fake);
	assert_string_equal(rig.fake->published.realms[0].name, "other.example");
	rig.fake->refuse_type = 0;
	fake_unlock(rig.fake);
	WAIT_FOR(healthy());
	json_t *o = get("/v1/status"); /* what goes on is the old one */
	assert_string_equal(
	        json_string_value(json_object_get(json_object_get(o, "turn"), "realm")), "other.example");
	json_decref(o);
	assert_true(healthy());
	/* Nothing half-made is left behind: a change now is a change of what is published. */
	WAIT_FOR(ask("POST", "/v1/turn/users", "{\"name\": \"after\", \"password\": \"x\"}") == 201);
	assert_true(dataplane_has("after"));

	unsigned before = commits();
	kill(rig.control, SIGHUP); /* the keeper passes it on */
	WAIT_FOR(commits() > before);
	fake_lock(rig.fake);
	assert_string_equal(rig.fake->published.realms[0].name, "third.example");
	fake_unlock(rig.fake);
}

/* What was refused, or not asked for yet, does not come in by a crash. */
static void a_crash_goes_on_with_what_was_accepted(void **state)
{
	start_both();
	write_config("realm = \"second.example\"; ", 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	write_config("realm = \"third.example\"; ", 3, "max_allocations = 99;");
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	kill(working_half(), SIGKILL);
	WAIT_FOR(commits() == 3 && healthy());
	fake_lock(rig.fake);
	assert_string_equal(rig.fake->published.realms[0].name, "second.example");
	assert_int_equal(rig.fake->published.n_users, 2);
	fake_unlock(rig.fake);
	/* The path is still the file's. */
	write_config("realm = \"fourth.example\"; ", 2, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	kill(working_half(), SIGKILL);
	WAIT_FOR(commits() == 5 && healthy());
	fake_lock(rig.fake);
	assert_string_equal(rig.fake->published.realms[0].name, "fourth.example");
	fake_unlock(rig.fake);
}

static void the_token_follows_a_reload(void **state)
{
	start_both();
	rig.token = "another-token-0123";
	write_config(REALM RULES, 1, "");
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: Bearer " TOKEN, true), 200);
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: Bearer " TOKEN, true), 401);
	assert_int_equal(ask_with("GET", "/v1/status", NULL, "Authorization: bearer another-token-0123", true), 200);
}

static void what_needs_a_restart_of_ours_is_refused_by_name(void **state)
{
	char before[80];

	start_both();
	strcpy(before, rig.api_path);
	snprintf(rig.api_path, sizeof rig.api_path, "%s/api2.sock", rig.dir);
	write_config("realm = \"other.example\"; ", 1, "");
	strcpy(rig.api_path, before);
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(rig.answer.text, "control.api_socket"));
	rig.tcp_port++;
	write_config("realm = \"other.example\"; ", 1, "");
	rig.tcp_port--;
	assert_int_equal(ask("POST", "/v1/reload", ""), 409);
	assert_non_null(strstr(rig.answer.text, "control.api_tcp"));
	fake_lock(rig.fake);
	assert_string_equal(rig.fake->published.realms[0].name, "example.org");
	fake_unlock(rig.fake);
}

static void users_of_another_realm_are_not_provisioned(void **state)
{
	start_both();
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 201);
	write_config("realm = \"other.example\"; ", 1, "");
	assert_int_equal(ask("POST", "/v1/reload", ""), 200);
	assert_false(dataplane_has("bob"));
	assert_true(dataplane_has("user0"));
	assert_int_equal(ask("GET", "/v1/turn/users", NULL), 200);
	assert_non_null(strstr(rig.answer.text, "\"usable\": false"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        RIG_TEST(a_reload_without_answer_is_told_so),
	        RIG_TEST(a_refused_configuration_leaves_the_rest_working),
	        RIG_TEST(reload_is_all_or_nothing),
	        RIG_TEST(a_crash_goes_on_with_what_was_accepted),
	        RIG_TEST(the_token_follows_a_reload),
	        RIG_TEST(what_needs_a_restart_of_ours_is_refused_by_name),
	        RIG_TEST(users_of_another_realm_are_not_provisioned),
	};

	return rig_run(argc, argv, tests);
}

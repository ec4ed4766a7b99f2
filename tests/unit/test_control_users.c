/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The real sluice-controlplane against a dataplane that moves no packets. TURN users by the API. */

#include "tests/unit/control_rig.h"

static void users_are_added_changed_and_removed(void **state)
{
	start_both();
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"a/../b c\", \"password\": \"x\"}"), 201);
	assert_true(dataplane_has("a/../b c"));
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"a/../b c\", \"password\": \"y\"}"), 200);
	json_t *o = get("/v1/turn/users");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 2);
	json_decref(o);
	assert_int_equal(ask("DELETE", "/v1/turn/users?name=a%2F..%2Fb%20c", NULL), 200);
	assert_false(dataplane_has("a/../b c"));
	assert_int_equal(ask("DELETE", "/v1/turn/users?name=a%2F..%2Fb%20c", NULL), 404);
	o = get("/v1/turn/users");
	assert_int_equal(json_integer_value(json_object_get(o, "total")), 1);
	json_decref(o);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 201);
	assert_int_equal(ask("DELETE", "/v1/turn/users/bob", NULL), 200);
	assert_false(dataplane_has("bob"));
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"user0\", \"password\": \"x\"}"), 409);
	assert_int_equal(ask("DELETE", "/v1/turn/users/user0", NULL), 409);
}

static void a_user_refused_by_the_dataplane_is_told_so(void **state)
{
	start_both();
	refuse(SL_CMD_USER_SET);
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 502);
	assert_non_null(strstr(rig.answer.text, "refused by the test"));
}

static void users_added_while_the_dataplane_is_away_arrive_later(void **state)
{
	start_control();
	WAIT_FOR(serving());
	WAIT_FOR(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}") == 202);
	fake_start(rig.fake);
	WAIT_FOR(healthy());
	assert_true(dataplane_has("bob"));
}

static void no_password_reaches_the_disk(void **state)
{
	char command[256];

	start_both();
	assert_int_equal(
	        ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"unmistakable-7391\"}"),
	        201);
	snprintf(command, sizeof command, "grep -rqa unmistakable-7391 %s", rig.dir);
	assert_int_not_equal(system(command), 0);
	snprintf(command, sizeof command, "grep -rqa bob %s", rig.dir);
	assert_int_equal(system(command), 0);
	struct stat st;
	snprintf(command, sizeof command, "%s/db", rig.dir);
	assert_int_equal(stat(command, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        RIG_TEST(users_are_added_changed_and_removed),
	        RIG_TEST(a_user_refused_by_the_dataplane_is_told_so),
	        RIG_TEST(users_added_while_the_dataplane_is_away_arrive_later),
	        RIG_TEST(no_password_reaches_the_disk),
	};

	return rig_run(argc, argv, tests);
}

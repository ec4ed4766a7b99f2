/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Building snapshots: all or nothing, users one at a time, and what is refused. */

#include "tests/unit/unit.h"

#include <errno.h>

#include "tests/unit/turn_rig.h"

static struct sl_turn_conf_builder *b;
static struct sl_turn_conf *published;
static char text[120];

static int setup(void **state)
{
	b = sl_turn_conf_builder_new();
	published = NULL;
	return b == NULL;
}

static int teardown(void **state)
{
	sl_turn_conf_free(published);
	sl_turn_conf_builder_free(b);
	return 0;
}

static int apply(const struct sl_command *cmd)
{
	struct sl_turn_conf *next;
	int rc = sl_turn_conf_apply(b, cmd, &next, text, sizeof text);

	if (next) {
		assert_int_equal(rc, 0);
		sl_turn_conf_free(published);
		published = next;
	}
	assert_int_equal(rc == 0, text[0] == '\0');
	return rc;
}

static int apply_type(uint32_t type)
{
	struct sl_command cmd = {.h.type = type};

	if (type == SL_CMD_TURN_CONFIG)
		strcpy(cmd.turn.realm, "example.org");
	return apply(&cmd);
}

static int user(uint32_t type, unsigned i)
{
	char name[40];

	snprintf(name, sizeof name, "user-%u", i);
	struct sl_command cmd = rig_user(name, "example.org", name);
	cmd.h.type = type;
	return apply(&cmd);
}

static bool has(const struct sl_turn_conf *c, unsigned i)
{
	char name[40];
	int n = snprintf(name, sizeof name, "user-%u", i);
	struct sl_command cmd = rig_user(name, "example.org", name);
	const struct sl_turn_user *u = sl_turn_conf_user(c, name, (unsigned)n);

	assert_ptr_equal(u, sl_turn_conf_userhash(c, cmd.user.userhash));
	if (!u)
		return false;
	assert_int_equal(u->name_len, n);
	assert_memory_equal(u->key_md5, cmd.user.key_md5, 16);
	assert_memory_equal(u->key_sha256, cmd.user.key_sha256, 32);
	return true;
}

static void out_of_order_is_refused(void **state)
{
	assert_int_equal(apply_type(SL_CMD_TURN_CONFIG), -EINVAL);
	assert_int_equal(apply_type(SL_CMD_SECRET), -EINVAL);
	assert_int_equal(apply_type(SL_CMD_PEER_RULE), -EINVAL);
	assert_int_equal(apply_type(SL_CMD_CONFIG_COMMIT), -EINVAL);
	assert_int_equal(apply_type(SL_CMD_ALLOCATION_LIST), -EINVAL);
	assert_int_equal(user(SL_CMD_USER_DELETE, 1), -ENOENT);
	assert_int_equal(apply_type(SL_CMD_CONFIG_BEGIN), 0);
	assert_int_equal(apply_type(SL_CMD_CONFIG_COMMIT), -EINVAL); /* no settings */
	assert_null(published);
	assert_null(sl_turn_conf_builder_flush(b));
	assert_int_equal(apply_type(SL_CMD_TURN_CONFIG), 0);
	for (unsigned i = 0; i < SL_TURN_MAX_SECRETS; i++)
		assert_int_equal(apply_type(SL_CMD_SECRET), 0);
	assert_int_equal(apply_type(SL_CMD_SECRET), -ENOSPC);
	for (unsigned i = 0; i < SL_TURN_MAX_PEER_RULES; i++)
		assert_int_equal(apply_type(SL_CMD_PEER_RULE), 0);
	assert_int_equal(apply_type(SL_CMD_PEER_RULE), -ENOSPC);
	assert_int_equal(apply_type(SL_CMD_CONFIG_COMMIT), 0);
	assert_non_null(published);
	const struct sl_cmd_secret *secrets;
	assert_int_equal(sl_turn_conf_secrets(published, &secrets), SL_TURN_MAX_SECRETS);
	assert_string_equal(sl_turn_conf_settings(published)->realm, "example.org");
}

static void begin_forgets_and_commit_replaces(void **state)
{
	apply_type(SL_CMD_CONFIG_BEGIN);
	apply_type(SL_CMD_TURN_CONFIG);
	user(SL_CMD_USER_SET, 1);
	apply_type(SL_CMD_CONFIG_COMMIT);
	assert_true(has(published, 1));
	apply_type(SL_CMD_CONFIG_BEGIN);
	user(SL_CMD_USER_SET, 2);
	apply_type(SL_CMD_CONFIG_BEGIN); /* the other one never finished */
	apply_type(SL_CMD_TURN_CONFIG);
	user(SL_CMD_USER_SET, 3);
	assert_null(sl_turn_conf_builder_flush(b)); /* nothing changed in what is live */
	assert_true(has(published, 1));
	apply_type(SL_CMD_CONFIG_COMMIT);
	assert_false(has(published, 1));
	assert_false(has(published, 2));
	assert_true(has(published, 3));
	assert_int_equal(sl_turn_conf_n_users(published), 1);
}

static void users_come_and_go_like_the_model(void **state)
{
	enum { USERS = 300 };
	bool model[USERS] = {false};
	struct sl_prng prng = {.key = {5, 6}};
	unsigned n = 0;

	apply_type(SL_CMD_CONFIG_BEGIN);
	apply_type(SL_CMD_TURN_CONFIG);
	apply_type(SL_CMD_CONFIG_COMMIT);
	for (unsigned step = 0; step < 4000; step++) {
		unsigned i = (unsigned)(sl_prng_next(&prng) % USERS);
		if (sl_prng_next(&prng) % 2) {
			assert_int_equal(user(SL_CMD_USER_SET, i), 0);
			n += !model[i];
			model[i] = true;
		} else {
			assert_int_equal(user(SL_CMD_USER_DELETE, i), model[i] ? 0 : -ENOENT);
			n -= model[i];
			model[i] = false;
		}
		if (step % 400 != 399)
			continue;
		sl_turn_conf_free(published);
		published = sl_turn_conf_builder_flush(b);
		assert_non_null(published);
		assert_int_equal(sl_turn_conf_n_users(published), n);
		for (unsigned k = 0; k < USERS; k++)
			assert_int_equal(has(published, k), model[k]);
		assert_null(sl_turn_conf_builder_flush(b));
	}
}

static void a_user_set_again_has_the_new_key(void **state)
{
	apply_type(SL_CMD_CONFIG_BEGIN);
	apply_type(SL_CMD_TURN_CONFIG);
	struct sl_command cmd = rig_user("user-1", "example.org", "old");
	apply(&cmd);
	user(SL_CMD_USER_SET, 1);
	apply_type(SL_CMD_CONFIG_COMMIT);
	assert_int_equal(sl_turn_conf_n_users(published), 1);
	assert_true(has(published, 1));
	assert_null(sl_turn_conf_user(published, "user-", 5));
	assert_null(sl_turn_conf_user(published, "", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(out_of_order_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(begin_forgets_and_commit_replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(users_come_and_go_like_the_model, setup, teardown),
		cmocka_unit_test_setup_teardown(a_user_set_again_has_the_new_key, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

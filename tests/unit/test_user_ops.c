/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Changes of users between store, tables and dataplane, where the link and the desk are only told of. */

#include "unit.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "controlplane/brain.h"
#include "controlplane/turn/desk.h"
#include "controlplane/turn/source.h"

/* What the link is and says, and what it was told. */
static struct {
	int rc;
	unsigned told, removed, told_all;
	bool settled;
	sl_dp_done done;
	void *ctx;
} world;

int sl_dp_user(struct sl_dp *dp, uint32_t type, const struct sl_user *u, sl_dp_done done, void *ctx)
{
	if (world.rc == 0) {
		world.told++;
		world.removed += type == SL_CMD_USER_DELETE;
		world.done = done;
		world.ctx = ctx;
	}
	return world.rc;
}

unsigned sl_dp_room(const struct sl_dp *dp)
{
	return 1000;
}

const char *sl_dp_standby(const struct sl_dp *dp)
{
	return NULL;
}

bool sl_desk_has_realm(const struct sl_desk *d, const char *name)
{
	return true;
}

bool sl_desk_is_settled(const struct sl_desk *d)
{
	return world.settled;
}

void sl_desk_tell_all(struct sl_desk *d)
{
	world.told_all++;
}

int sl_store_put_user(struct sl_store *s, const struct sl_user *u, sl_store_done done, void *ctx)
{
	return -ENOBUFS;
}

int sl_store_delete_user(struct sl_store *s, const char *realm, const char *name, size_t len, sl_store_done done, void *ctx)
{
	return -ENOBUFS;
}

int64_t sl_now_ms(void)
{
	return 1;
}

static const uint8_t key[16] = {1, 2, 3};
static const struct sl_source_change come = {"example.org", "alice", key}, gone = {"example.org", "alice", NULL};

static int setup(void **state)
{
	static struct sl_brain b;

	memset(&world, 0, sizeof world);
	world.settled = true;
	b = (struct sl_brain){.users_known = true};
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct sl_brain *b = *state;

	sl_users_clear(&b->source_users);
	return 0;
}

static void a_user_of_a_table_is_told(void **state)
{
	struct sl_brain *b = *state;

	assert_int_equal(sl_brain_source_users(b, &come, 1), 0);
	assert_int_equal(world.told, 1);
	assert_int_equal(sl_brain_source_users(b, &gone, 1), 0);
	assert_int_equal(world.removed, 1);
	assert_int_equal(world.told_all, 0);
}

/* Else it would be missing in the dataplane until the next replay. */
static void what_the_link_has_no_memory_for_is_told_with_all(void **state)
{
	struct sl_brain *b = *state;

	world.rc = -ENOMEM;
	assert_int_equal(sl_brain_source_users(b, &come, 1), 0);
	assert_int_equal(world.told_all, 1);
	world.rc = -ENOBUFS;
	assert_int_equal(sl_brain_source_users(b, &gone, 1), 0);
	assert_int_equal(world.told_all, 2);
}

static void what_the_dataplane_did_not_take_is_told_with_all(void **state)
{
	struct sl_brain *b = *state;

	assert_int_equal(sl_brain_source_users(b, &come, 1), 0);
	world.done(world.ctx, -ENOSPC, "");
	assert_int_equal(world.told_all, 1);
}

/* It gets them by the replay anyway. */
static void away_or_standing_by_nothing_is_told(void **state)
{
	struct sl_brain *b = *state;

	world.rc = -ENOTCONN;
	assert_int_equal(sl_brain_source_users(b, &come, 1), 0);
	world.rc = -EBUSY;
	assert_int_equal(sl_brain_source_users(b, &gone, 1), 0);
	assert_int_equal(world.told_all, 0);
}

static void while_realms_are_told_users_wait(void **state)
{
	struct sl_brain *b = *state;

	world.settled = false;
	assert_int_equal(sl_brain_source_users(b, &come, 1), -EAGAIN);
	assert_int_equal(b->source_users.n, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_user_of_a_table_is_told),
	        TEST(what_the_link_has_no_memory_for_is_told_with_all),
	        TEST(what_the_dataplane_did_not_take_is_told_with_all),
	        TEST(away_or_standing_by_nothing_is_told),
	        TEST(while_realms_are_told_users_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

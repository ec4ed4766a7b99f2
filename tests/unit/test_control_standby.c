/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The real sluice-controlplane against a dataplane that moves no packets. Two control planes at one dataplane: who provisions TURN, and who waits. */

#include "tests/unit/control_rig.h"

/* Send a command to the housekeeper as a second client and wait for its answer: its error. */
static int command(struct sl_client *c, uint32_t type, const char *user, struct sl_event *evt)
{
	static uint32_t seq = 1000;
	struct sl_command cmd = {.h = {type, ++seq}};
	unsigned set;

	cmd.user.name_len = (uint16_t)(user ? strlen(user) : 0);
	memcpy(cmd.user.name, user ? user : "", cmd.user.name_len);
	assert_int_equal(sl_client_send(c, 0, &cmd), 0);
	WAIT_FOR(sl_client_receive(c, evt, &set) == 1 && evt->h.type == SL_EVT_ACK && evt->h.seq == seq);
	return evt->ack.error;
}

static void two_control_planes_live_side_by_side(void **state)
{
	struct sl_client other;
	struct sl_event evt;
	char text[128];
	unsigned set;
	int rc;

	start_both();
	assert_int_equal(sl_client_attach(&other, rig.socket_path, "other", 2000, text, sizeof text), 0);
	assert_int_not_equal(other.slot, 0);
	struct sl_command cmd = {.h = {SL_CMD_ALLOCATION_LIST, 99}};
	WAIT_FOR(sl_client_send(&other, 1, &cmd) == 0);
	WAIT_FOR((rc = sl_client_receive(&other, &evt, &set)) != 0);
	assert_int_equal(rc, 1);
	assert_int_equal(evt.h.type, SL_EVT_LIST_END);
	assert_int_equal(evt.h.seq, 99);
	fake_lock(rig.fake);
	fake_allocate(rig.fake, 1, 0x77, "user0");
	fake_unlock(rig.fake);
	WAIT_FOR((rc = sl_client_receive(&other, &evt, &set)) != 0);
	assert_int_equal(evt.allocation.id, 0x77);
	assert_int_equal(ask("GET", "/v1/allocations/0000000000000077", NULL), 200);

	/* TURN's provisioning is ours: the other one may neither begin anew nor change a user. */
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), -EBUSY);
	assert_string_equal(evt.ack.text, "TURN is provisioned by 'main'");
	assert_int_equal(command(&other, SL_CMD_USER_DELETE, "user0", &evt), -EBUSY);
	assert_int_equal(command(&other, SL_CMD_CONFIG_COMMIT, NULL, &evt), -EBUSY);
	assert_true(dataplane_has("user0"));
	assert_int_equal(commits(), 1);

	/* When we are gone, what was published stays until the next one begins. */
	stop_control();
	WAIT_FOR(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt) == 0);
	assert_true(dataplane_has("user0"));
	sl_client_detach(&other);
}

static unsigned attempts(void)
{
	fake_lock(rig.fake);
	unsigned n = rig.fake->n_not_admitted;
	fake_unlock(rig.fake);
	return n;
}

static void a_second_control_plane_stands_by(void **state)
{
	struct sl_client other;
	struct sl_event evt;
	char text[128];

	fake_start(rig.fake);
	assert_int_equal(sl_client_attach(&other, rig.socket_path, "other", 2000, text, sizeof text), 0);
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), 0);
	assert_int_equal(command(&other, SL_CMD_USER_SET, "theirs", &evt), 0);
	assert_int_equal(command(&other, SL_CMD_CONFIG_COMMIT, NULL, &evt), 0);
	start_control();
	WAIT_FOR(healthy() && strstr(rig.answer.text, "standby"));
	assert_non_null(strstr(rig.answer.text, "TURN is provisioned by 'other'"));
	assert_int_equal(ask("GET", "/v1/status", NULL), 200);
	assert_non_null(strstr(rig.answer.text, "\"state\": \"standby\""));
	assert_int_equal(ask("POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"x\"}"), 202);
	WAIT_FOR(ask("POST", "/v1/reload", "") == 200);
	unsigned before = attempts();
	WAIT_FOR(attempts() > before); /* it goes on trying */
	assert_true(dataplane_has("theirs"));
	assert_false(dataplane_has("user0"));
	assert_int_equal(commits(), 1);
	assert_int_equal(log_lines("standing by"), 1);

	sl_client_detach(&other);
	WAIT_FOR(dataplane_has("user0"));
	assert_true(dataplane_has("bob"));
	assert_false(dataplane_has("theirs"));
	WAIT_FOR(healthy() && strstr(rig.answer.text, "ok"));
}

/* BEGIN and then nothing: the draft is dropped after five seconds, and its sender's next items with it. */
static void a_silent_editor_keeps_nobody_out(void **state)
{
	struct sl_client other;
	struct sl_event evt;
	char text[128];

	fake_start(rig.fake);
	assert_int_equal(sl_client_attach(&other, rig.socket_path, "other", 2000, text, sizeof text), 0);
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), 0);
	start_control();
	WAIT_FOR(serving() && strstr(rig.answer.text, "provisioning"));
	assert_int_equal(ask("POST", "/v1/reload", ""), 503);
	fake_lock(rig.fake);
	rig.fake->ahead_ms = SL_EDITOR_SILENT_MS + 1;
	fake_unlock(rig.fake);
	WAIT_FOR(healthy());
	assert_int_equal(command(&other, SL_CMD_USER_SET, "theirs", &evt), -EBUSY);
	stop_control();
	WAIT_FOR(command(&other, SL_CMD_USER_SET, "theirs", &evt) == -ETIMEDOUT);
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), 0);
	sl_client_detach(&other);
}

static bool stored(const char *name)
{
	char member[64];

	snprintf(member, sizeof member, "\"name\": \"%s\"", name);
	return ask("GET", "/v1/turn/users", NULL) == 200 && strstr(rig.answer.text, member);
}

/* While another one writes, changes wait; each then tells what is true by that time, so no old password comes back and
 * no removed user. */
static void changes_that_had_to_wait_keep_their_order(void **state)
{
	struct sl_client other;
	struct sl_event evt;
	char text[128];
	struct asking old, new, eve, gone;
	const struct sl_cmd_user *u;

	/* Refused at attach, so that nobody owns TURN's provisioning; and a second client is writing. */
	refuse(SL_CMD_SECRET);
	fake_start(rig.fake);
	start_control();
	WAIT_FOR(serving() && strstr(rig.answer.text, "refused"));
	WAIT_FOR(ask("GET", "/v1/workers", NULL) == 200);
	assert_int_equal(sl_client_attach(&other, rig.socket_path, "other", 2000, text, sizeof text), 0);
	assert_int_equal(command(&other, SL_CMD_CONFIG_BEGIN, NULL, &evt), 0);
	/* Each is answered after two seconds: they wait side by side, taken in this order. */
	ask_begin(&old, "POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"old\"}");
	WAIT_FOR(stored("bob"));
	ask_begin(&new, "POST", "/v1/turn/users", "{\"name\": \"bob\", \"password\": \"new\"}");
	ask_begin(&eve, "POST", "/v1/turn/users", "{\"name\": \"eve\", \"password\": \"x\"}");
	WAIT_FOR(stored("eve"));
	assert_int_equal(command(&other, SL_CMD_USER_SET, "alive", &evt), 0); /* before five seconds are over */
	ask_begin(&gone, "DELETE", "/v1/turn/users/eve", NULL);
	assert_int_equal(ask_end(&old), 202);
	assert_int_equal(ask_end(&new), 202);
	assert_int_equal(ask_end(&eve), 202);
	assert_int_equal(ask_end(&gone), 202);
	assert_int_equal(command(&other, SL_CMD_USER_SET, "alive", &evt), 0);
	sl_client_detach(&other);
	refuse(0);
	WAIT_FOR(ask("POST", "/v1/reload", "") == 200);
	WAIT_FOR(dataplane_has("bob"));
	poll(NULL, 0, 300); /* what still comes must not undo it */
	fake_lock(rig.fake);
	u = fake_user(rig.fake, "bob");
	assert_non_null(u);
	/* printf 'bob:example.org:new' | md5sum */
	static const uint8_t md5[16] = {0xe2, 0xa5, 0x88, 0x69, 0xfd, 0x0d, 0x63, 0xe6, 0xe5, 0x65, 0xe7, 0x5c, 0xc4, 0x6b, 0x6e, 0x31};
	assert_memory_equal(u->key_md5, md5, sizeof md5);
	assert_null(fake_user(rig.fake, "eve"));
	fake_unlock(rig.fake);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        RIG_TEST(two_control_planes_live_side_by_side),
	        RIG_TEST(a_second_control_plane_stands_by),
	        RIG_TEST(a_silent_editor_keeps_nobody_out),
	        RIG_TEST(changes_that_had_to_wait_keep_their_order),
	};

	return rig_run(argc, argv, tests);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "dataplane/abi/ring.h"
#include "dataplane/abi/validate.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- rings ---- */

enum { SLOTS = 8, SLOT_BYTES = 16 };

struct ring_memory {
	struct sl_ring_shm shm;
	uint8_t slots[SLOTS * SLOT_BYTES];
};

static void ring_keeps_order_and_reports_full(void **state)
{
	struct ring_memory mem = {0};
	struct sl_ring in, out;
	char msg[SLOT_BYTES] = "", got[SLOT_BYTES];

	sl_ring_attach(&in, &mem, SLOTS, SLOT_BYTES, 1);
	sl_ring_attach(&out, &mem, SLOTS, SLOT_BYTES, 0);
	assert_int_equal(sl_ring_pop(&out, got), 0);
	for (int lap = 0; lap < 5; lap++) {
		for (int i = 0; i < SLOTS; i++) {
			msg[0] = (char)i;
			assert_int_equal(sl_ring_push(&in, msg, sizeof msg), 0);
		}
		assert_int_equal(sl_ring_push(&in, msg, sizeof msg), -ENOBUFS);
		for (int i = 0; i < SLOTS; i++) {
			assert_int_equal(sl_ring_pop(&out, got), 1);
			assert_int_equal(got[0], i);
		}
		assert_int_equal(sl_ring_pop(&out, got), 0);
	}
}

static void ring_wraps_at_the_end_of_its_index(void **state)
{
	struct ring_memory mem = {.shm = {UINT32_MAX - 2, UINT32_MAX - 2}};
	struct sl_ring in, out;
	char msg[SLOT_BYTES] = "", got[SLOT_BYTES];

	sl_ring_attach(&in, &mem, SLOTS, SLOT_BYTES, 1);
	sl_ring_attach(&out, &mem, SLOTS, SLOT_BYTES, 0);
	for (int i = 0; i < 20; i++) {
		msg[0] = (char)i;
		assert_int_equal(sl_ring_push(&in, msg, sizeof msg), 0);
		assert_int_equal(sl_ring_pop(&out, got), 1);
		assert_int_equal(got[0], i);
	}
}

static void ring_refuses_absurd_indices(void **state)
{
	struct ring_memory mem = {0};
	struct sl_ring in, out;
	char msg[SLOT_BYTES] = "";

	sl_ring_attach(&out, &mem, SLOTS, SLOT_BYTES, 0);
	mem.shm.prod = SLOTS + 1;
	assert_int_equal(sl_ring_pop(&out, msg), -EPROTO);
	assert_int_equal(sl_ring_pop(&out, msg), -EPROTO);

	memset(&mem, 0, sizeof mem);
	sl_ring_attach(&in, &mem, SLOTS, SLOT_BYTES, 1);
	for (int i = 0; i < SLOTS; i++)
		assert_int_equal(sl_ring_push(&in, msg, sizeof msg), 0);
	mem.shm.cons = SLOTS + 1; /* ahead of the producer */
	assert_int_equal(sl_ring_push(&in, msg, sizeof msg), -EPROTO);
	mem.shm.cons = UINT32_MAX; /* behind by more than the ring holds */
	assert_int_equal(sl_ring_push(&in, msg, sizeof msg), -EPROTO);
}

/* ---- commands ---- */

static struct sl_command good_turn(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_TURN_CONFIG},
	        .turn = {.realm = "example.org",
	                .default_lifetime_s = 600,
	                .max_lifetime_s = 3600,
	                .permission_lifetime_s = 300,
	                .channel_lifetime_s = 600,
	                .nonce_lifetime_s = 3600,
	                .max_permissions = 64,
	                .offer_sha256 = 1,
	                .channel_max = 0x4FFF,
	                .software = "Sluice"}};
	return c;
}

static void accepted(const struct sl_command *c)
{
	char text[120] = "";

	if (sl_command_validate(c, text, sizeof text) != 0)
		fail_msg("refused: %s", text);
}

static void refused(const struct sl_command *c, const char *field)
{
	char text[120] = "";

	assert_int_equal(sl_command_validate(c, text, sizeof text), -EINVAL);
	if (strncmp(text, field, strlen(field)) != 0 || text[strlen(field)] != ':')
		fail_msg("'%s' does not name %s", text, field);
}

#define BAD_TURN(field, value)                                                                               \
	do {                                                                                                 \
		struct sl_command bad = good_turn();                                                         \
		bad.turn.field = value;                                                                      \
		refused(&bad, #field);                                                                       \
	} while (0)

static void each_field_of_the_turn_configuration_is_checked(void **state)
{
	struct sl_command c = good_turn();

	accepted(&c);
	memset(c.turn.realm, 'x', sizeof c.turn.realm);
	refused(&c, "realm");
	c = good_turn();
	c.turn.realm[0] = '\0';
	refused(&c, "realm");
	c = good_turn();
	c.turn.realm[3] = '\n';
	refused(&c, "realm");
	c = good_turn();
	memset(c.turn.software, 'x', sizeof c.turn.software);
	refused(&c, "software");
	c = good_turn();
	c.turn.software[0] = '\0';
	accepted(&c);
	BAD_TURN(default_lifetime_s, 0);
	BAD_TURN(default_lifetime_s, 3601);
	BAD_TURN(max_lifetime_s, 0);
	BAD_TURN(max_lifetime_s, SL_LIMIT_LIFETIME_S + 1);
	BAD_TURN(permission_lifetime_s, 0);
	BAD_TURN(permission_lifetime_s, UINT32_MAX);
	BAD_TURN(channel_lifetime_s, 0);
	BAD_TURN(channel_lifetime_s, UINT32_MAX);
	BAD_TURN(nonce_lifetime_s, 0);
	BAD_TURN(nonce_lifetime_s, UINT32_MAX);
	BAD_TURN(user_quota, SL_LIMIT_USER_QUOTA + 1);
	BAD_TURN(max_permissions, 0);
	BAD_TURN(max_permissions, SL_LIMIT_PERMISSIONS + 1);
	BAD_TURN(offer_sha256, 2);
	BAD_TURN(channel_max, 0x4FFE);
	BAD_TURN(channel_max, 0x8000);
	c = good_turn();
	c.turn.pad = 1;
	refused(&c, "pad");
}

static void peer_rules_are_checked(void **state)
{
	struct sl_command c = {.h = {.type = SL_CMD_PEER_RULE}, .peer_rule = {.prefix_len = 104, .allow = 1}};

	sl_ip_set_v4(&c.peer_rule.ip, htonl(0x0a000000));
	accepted(&c);
	c.peer_rule.prefix_len = 129;
	refused(&c, "prefix_len");
	c.peer_rule.prefix_len = 103;
	accepted(&c);
	c.peer_rule.prefix_len = 102; /* 10 = 0000 1010: bit 102 is set */
	refused(&c, "ip");
	c.peer_rule.prefix_len = 128;
	accepted(&c);
	c.peer_rule.allow = 2;
	refused(&c, "allow");
	c.peer_rule.allow = 0;
	c.peer_rule.pad[5] = 1;
	refused(&c, "pad");
}

static void secrets_and_users_are_checked(void **state)
{
	struct sl_command c = {.h = {.type = SL_CMD_SECRET}, .secret = {.len = SL_MSG_SECRET_MAX}};

	accepted(&c);
	c.secret.len = 0;
	refused(&c, "len");
	c.secret.len = SL_MSG_SECRET_MAX + 1;
	refused(&c, "len");

	uint32_t types[] = {SL_CMD_USER_SET, SL_CMD_USER_DELETE};
	for (unsigned i = 0; i < SL_COUNT(types); i++) {
		struct sl_command u = {.h = {.type = types[i]}, .user = {.name_len = 5, .name = "alice"}};
		accepted(&u);
		u.user.name_len = 6; /* takes in the NUL */
		refused(&u, "name");
		u.user.name_len = 0;
		refused(&u, "name_len");
		memset(u.user.name, 'x', sizeof u.user.name);
		u.user.name_len = SL_MSG_USERNAME_MAX;
		accepted(&u);
		u.user.name_len = SL_MSG_USERNAME_MAX + 1;
		refused(&u, "name_len");
		u.user.name_len = UINT16_MAX;
		refused(&u, "name_len");
	}
}

static void unknown_commands_are_refused(void **state)
{
	struct sl_command c = {.h = {.type = 0}};
	uint32_t bare[] = {
	        SL_CMD_CONFIG_BEGIN, SL_CMD_CONFIG_COMMIT, SL_CMD_ALLOCATION_LIST, SL_CMD_ALLOCATION_DELETE};

	refused(&c, "type");
	c.h.type = SL_CMD_GUARD_SAMPLE + 1;
	refused(&c, "type");
	c.h.type = UINT32_MAX;
	refused(&c, "type");
	for (unsigned i = 0; i < SL_COUNT(bare); i++) {
		c.h.type = bare[i];
		accepted(&c);
	}
	assert_true(sl_command_is_for_worker(SL_CMD_ALLOCATION_LIST));
	assert_false(sl_command_is_for_worker(SL_CMD_USER_SET));
	assert_false(sl_command_is_for_worker(UINT32_MAX));
}

/* ---- events ---- */

static void event_refused(const struct sl_event *e, const char *field)
{
	char text[120] = "";

	assert_int_equal(sl_event_validate(e, text, sizeof text), -EINVAL);
	assert_memory_equal(text, field, strlen(field));
}

static void events_are_checked(void **state)
{
	char text[120];
	struct sl_event good = {.h = {.type = SL_EVT_ALLOCATION},
	        .allocation = {.change = SL_ALLOC_CLOSED, .end = SL_ALLOC_END_CLIENT, .username = "alice"}};
	struct sl_event e = good;

	assert_int_equal(sl_event_validate(&e, text, sizeof text), 0);
	e.allocation.change = 0;
	event_refused(&e, "change");
	e = good;
	e.allocation.end = 9;
	event_refused(&e, "end");
	e.allocation.end = SL_ALLOC_END_NONE;
	event_refused(&e, "end");
	e = good;
	e.allocation.worker = 32;
	event_refused(&e, "worker");
	e = good;
	memset(e.allocation.username, 'a', sizeof e.allocation.username);
	event_refused(&e, "username");
	e = (struct sl_event){.h = {.type = SL_EVT_ACK}, .ack = {.error = 1}};
	event_refused(&e, "error");
	e = (struct sl_event){.h = {.type = SL_EVT_LOG}};
	memset(e.log.text, 'a', sizeof e.log.text);
	event_refused(&e, "text");
	e.h.type = 77;
	event_refused(&e, "type");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ring_keeps_order_and_reports_full),
	        cmocka_unit_test(ring_wraps_at_the_end_of_its_index),
	        cmocka_unit_test(ring_refuses_absurd_indices),
	        cmocka_unit_test(each_field_of_the_turn_configuration_is_checked),
	        cmocka_unit_test(peer_rules_are_checked),
	        cmocka_unit_test(secrets_and_users_are_checked),
	        cmocka_unit_test(unknown_commands_are_refused),
	        cmocka_unit_test(events_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

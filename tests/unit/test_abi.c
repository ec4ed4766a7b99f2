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
	        .turn = {.default_lifetime_s = 600,
	                .permission_lifetime_s = 300,
	                .channel_lifetime_s = 600,
	                .nonce_lifetime_s = 3600,
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
	memset(c.turn.software, 'x', sizeof c.turn.software);
	refused(&c, "software");
	c = good_turn();
	c.turn.software[0] = '\0';
	accepted(&c);
	BAD_TURN(default_lifetime_s, 0);
	BAD_TURN(default_lifetime_s, SL_LIMIT_LIFETIME_S + 1);
	BAD_TURN(permission_lifetime_s, 0);
	BAD_TURN(permission_lifetime_s, UINT32_MAX);
	BAD_TURN(channel_lifetime_s, 0);
	BAD_TURN(channel_lifetime_s, UINT32_MAX);
	BAD_TURN(nonce_lifetime_s, 0);
	BAD_TURN(nonce_lifetime_s, UINT32_MAX);
	BAD_TURN(total_quota, SL_LIMIT_USER_QUOTA + 1);
	BAD_TURN(offer_sha256, 2);
	BAD_TURN(mobility, 2);
	BAD_TURN(tcp_relay, 2);
	BAD_TURN(nat_discovery, 2);
	BAD_TURN(redirect_above, 101);
	BAD_TURN(channel_max, 0x4FFE);
	BAD_TURN(channel_max, 0x8000);
	c = good_turn();
	c.turn.pad = 1;
	refused(&c, "pad");
	c = good_turn();
	c.turn.nat[3] = 32;
	refused(&c, "nat");
	c = good_turn();
	c.turn.nat_discovery = 1; /* four times listener 0 */
	refused(&c, "nat");
	c.turn.nat[1] = 1;
	c.turn.nat[2] = 2;
	c.turn.nat[3] = 3;
	accepted(&c);
	c.turn.node.hard_kbps[1] = SL_LIMIT_METER_KBPS_MIN - 1;
	refused(&c, "node: hard_kbps");
	c.turn.node.hard_kbps[1] = 100;
	c.turn.node.soft_kbps[0] = 200; /* of the other direction */
	accepted(&c);
	c.turn.node.soft_kbps[1] = 101;
	refused(&c, "node: soft_kbps");
	c.turn.node.soft_kbps[1] = SL_LIMIT_METER_KBPS + 1;
	refused(&c, "node: soft_kbps");
}

static struct sl_command good_realm(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_TURN_REALM},
	        .realm = {.index = 255,
	                .offer_third_party = 1,
	                .name = "example.org",
	                .server_name = "turn.example.org",
	                .max_lifetime_s = 3600,
	                .max_permissions = 64,
	                .user_quota = 10,
	                .total_quota = 1000,
	                .listeners = 0xffff}};
	return c;
}

#define BAD_REALM(field, value)                                                                              \
	do {                                                                                                 \
		struct sl_command bad = good_realm();                                                        \
		bad.realm.field = value;                                                                     \
		refused(&bad, #field);                                                                       \
	} while (0)

static void each_field_of_a_realm_is_checked(void **state)
{
	struct sl_command c = good_realm();

	accepted(&c);
	BAD_REALM(index, SL_TURN_MAX_REALMS);
	BAD_REALM(index, SL_TURN_ANY_REALM);
	BAD_REALM(offer_third_party, 2);
	BAD_REALM(pad, 1);
	BAD_REALM(max_lifetime_s, 0);
	BAD_REALM(max_lifetime_s, SL_LIMIT_LIFETIME_S + 1);
	BAD_REALM(max_permissions, 0);
	BAD_REALM(max_permissions, SL_LIMIT_PERMISSIONS + 1);
	BAD_REALM(user_quota, SL_LIMIT_USER_QUOTA + 1);
	BAD_REALM(total_quota, SL_LIMIT_USER_QUOTA + 1);
	c.realm.offer_third_party = 0;
	c.realm.server_name[0] = 0;
	accepted(&c);
	memset(c.realm.name, 'x', sizeof c.realm.name);
	refused(&c, "name");
	c.realm.name[0] = 0;
	refused(&c, "name");
	c = good_realm();
	c.realm.name[3] = '\n';
	refused(&c, "name");
	c = good_realm();
	c.realm.server_name[3] = 0x7f;
	refused(&c, "server_name");
	c.realm.server_name[0] = 0; /* but it is offered */
	refused(&c, "server_name");
	c = good_realm();
	c.realm.user.hard_kbps[0] = 1;
	refused(&c, "user: hard_kbps");
	c = good_realm();
	c.realm.realm.soft_kbps[1] = 1;
	refused(&c, "realm: soft_kbps");
	c = good_realm();
	c.realm.session.soft_kbps[0] = 100; /* nobody would be told */
	refused(&c, "session: soft_kbps");
}

static void names_of_realms_are_checked(void **state)
{
	struct sl_command c = {.h = {.type = SL_CMD_REALM_NAME}, .realm_name = {.kind = SL_REALM_ORIGIN, .len = 5, .text = "a.com"}};

	accepted(&c);
	c.realm_name.text[0] = 'A';
	refused(&c, "text");
	c.realm_name.text[0] = ' ';
	refused(&c, "text");
	c.realm_name.text[0] = 0;
	refused(&c, "text");
	c.realm_name.text[0] = 'a';
	c.realm_name.text[5] = 'x';
	refused(&c, "text");
	c.realm_name.text[5] = 0;
	c.realm_name.len = 0;
	refused(&c, "len");
	c.realm_name.len = SL_MSG_ORIGIN_MAX + 1;
	refused(&c, "len");
	c.realm_name.len = 5;
	c.realm_name.kind = 0;
	refused(&c, "kind");
	c.realm_name.kind = SL_REALM_ORIGIN + 1;
	refused(&c, "kind");
	c.realm_name.kind = SL_REALM_SERVER_NAME;
	c.realm_name.pad = 1;
	refused(&c, "pad");
	c.realm_name.pad = 0;
	c.realm_name.realm = SL_TURN_ANY_REALM;
	refused(&c, "realm");
}

static void keys_of_authorisation_servers_are_checked(void **state)
{
	struct sl_command c = {.h = {.type = SL_CMD_OAUTH_KEY}, .oauth_key = {.algorithm = SL_OAUTH_A128GCM, .kid_len = 3, .kid = "kid"}};

	accepted(&c);
	c.oauth_key.key[16] = 1;
	refused(&c, "key");
	c.oauth_key.algorithm = SL_OAUTH_A256GCM;
	accepted(&c);
	c.oauth_key.algorithm = 0;
	refused(&c, "algorithm");
	c.oauth_key.algorithm = 3;
	refused(&c, "algorithm");
	c.oauth_key.algorithm = SL_OAUTH_A256GCM;
	c.oauth_key.kid_len = 0;
	refused(&c, "kid_len");
	c.oauth_key.kid_len = SL_MSG_KID_MAX + 1;
	refused(&c, "kid_len");
	c.oauth_key.kid_len = 4;
	refused(&c, "kid");
	c.oauth_key.kid_len = 3;
	c.oauth_key.not_before_unix_s = c.oauth_key.not_after_unix_s = 5;
	refused(&c, "not_after_unix_s");
	c.oauth_key.not_after_unix_s = 0;
	accepted(&c);
	c.oauth_key.realm = SL_TURN_MAX_REALMS;
	refused(&c, "realm");
}

static void alternates_restrictions_and_drains_are_checked(void **state)
{
	struct sl_command c = {.h = {.type = SL_CMD_ALTERNATE},
	        .alternate = {.server.port_be = 1, .realm = SL_TURN_ANY_REALM, .transport = SL_TURN_OVER_DTLS, .weight = 100}};

	refused(&c, "server");
	sl_ip_set_v4(&c.alternate.server.ip, htonl(0xc0000201));
	accepted(&c);
	c.alternate.weight = 101;
	refused(&c, "weight");
	c.alternate.weight = 0;
	c.alternate.transport = SL_TURN_N_TRANSPORTS;
	refused(&c, "transport");
	c.alternate.transport = 0;
	c.alternate.realm = SL_TURN_MAX_REALMS;
	refused(&c, "realm");
	c.alternate.realm = 0;
	c.alternate.server.port_be = 0;
	refused(&c, "server");

	c = (struct sl_command){.h = {.type = SL_CMD_RESTRICTED}, .restricted = {.kind = SL_RESTRICTED_PREFIX, .prefix_len = 104}};
	sl_ip_set_v4(&c.restricted.ip, htonl(0x0a000000));
	accepted(&c);
	c.restricted.prefix_len = 102;
	refused(&c, "ip");
	c.restricted.prefix_len = 129;
	refused(&c, "prefix_len");
	c.restricted.kind = SL_RESTRICTED_ACCOUNT;
	refused(&c, "name_len");
	c.restricted.name_len = SL_MSG_USERNAME_MAX + 1;
	refused(&c, "name_len");
	memcpy(c.restricted.name, "bob", 3);
	c.restricted.name_len = 3;
	accepted(&c);
	c.restricted.name_len = 4;
	refused(&c, "name");
	c.restricted.name_len = 3;
	c.restricted.remove = 2;
	refused(&c, "remove");
	c.restricted.remove = 1;
	c.restricted.pad = 1;
	refused(&c, "pad");
	c.restricted.pad = 0;
	c.restricted.kind = 3;
	refused(&c, "kind");

	c = (struct sl_command){.h = {.type = SL_CMD_TURN_DRAIN}, .drain = {.on = 1, .max_lifetime_s = 60}};
	accepted(&c);
	c.drain.on = 2;
	refused(&c, "on");
	c.drain.on = 0;
	c.drain.max_lifetime_s = SL_LIMIT_LIFETIME_S + 1;
	refused(&c, "max_lifetime_s");
	c.drain.max_lifetime_s = 0;
	c.drain.pad[2] = 1;
	refused(&c, "pad");

	c = (struct sl_command){.h = {.type = SL_CMD_CONFIG_BEGIN}, .begin = {.flags = SL_CONFIG_KEEP_USERS}};
	accepted(&c);
	c.begin.flags = 2;
	refused(&c, "flags");
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
	c.peer_rule.realm = SL_TURN_ANY_REALM;
	accepted(&c);
	c.peer_rule.realm = SL_TURN_MAX_REALMS;
	refused(&c, "realm");
	c.peer_rule.realm = 0;
	c.peer_rule.pad[3] = 1;
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
	c.secret.len = 1;
	c.secret.realm = SL_TURN_ANY_REALM;
	refused(&c, "realm");

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
		u.user.name_len = 5;
		u.user.flags = 2;
		refused(&u, "flags");
		u.user.flags = SL_USER_NO_SHA256;
		accepted(&u);
		u.user.realm = SL_TURN_ANY_REALM;
		refused(&u, "realm");
	}
}

static void unknown_commands_are_refused(void **state)
{
	struct sl_command c = {.h = {.type = 0}};
	uint32_t bare[] = {
	        SL_CMD_CONFIG_BEGIN, SL_CMD_CONFIG_COMMIT, SL_CMD_ALLOCATION_LIST, SL_CMD_ALLOCATION_DELETE};

	refused(&c, "type");
	c.h.type = SL_CMD_TURN_DRAIN + 1;
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
	e = good;
	e.allocation.over = SL_TURN_N_TRANSPORTS;
	event_refused(&e, "over");
	e = good;
	e.allocation.flags = 8;
	event_refused(&e, "flags");
	e = good;
	e.allocation.realm = SL_TURN_MAX_REALMS;
	event_refused(&e, "realm");
	e.allocation.realm = SL_TURN_ANY_REALM;
	assert_int_equal(sl_event_validate(&e, text, sizeof text), 0);
	e.allocation.change = SL_ALLOC_MOVED + 1;
	event_refused(&e, "change");
	e = (struct sl_event){.h = {.type = SL_EVT_TURN_QUOTA}, .turn_quota = {.subject = SL_QUOTA_USER, .username_len = 128}};
	assert_int_equal(sl_event_validate(&e, text, sizeof text), 0);
	e.turn_quota.username_len = 129;
	event_refused(&e, "username_len");
	e.turn_quota.username_len = 0;
	e.turn_quota.subject = SL_QUOTA_NODE + 1;
	event_refused(&e, "subject");
	e.turn_quota.subject = SL_QUOTA_NODE;
	e.turn_quota.direction = 2;
	event_refused(&e, "direction");
	e.turn_quota.direction = 0;
	e.turn_quota.over = 2;
	event_refused(&e, "over");
	e.turn_quota.over = 0;
	e.turn_quota.worker = 32;
	event_refused(&e, "worker");
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
	        cmocka_unit_test(each_field_of_a_realm_is_checked),
	        cmocka_unit_test(names_of_realms_are_checked),
	        cmocka_unit_test(keys_of_authorisation_servers_are_checked),
	        cmocka_unit_test(alternates_restrictions_and_drains_are_checked),
	        cmocka_unit_test(peer_rules_are_checked),
	        cmocka_unit_test(secrets_and_users_are_checked),
	        cmocka_unit_test(unknown_commands_are_refused),
	        cmocka_unit_test(events_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

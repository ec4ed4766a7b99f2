/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Who may make an allocation: quotas, drain, alternates, who may only be relayed. */

#include "tests/unit/unit.h"

#include "dataplane/stream/stream.h"
#include "tests/unit/turn_rig.h"

static struct rig r;
static uint32_t second_quota;
static struct sl_cmd_alternate alternates[3];
static unsigned n_alternates;

/* Realm 1 has listener 1, and user bob. */
static void more(struct rig *rig)
{
	struct sl_command cmd = {.h.type = SL_CMD_TURN_REALM, .realm = r.realm};

	cmd.realm.index = 1;
	cmd.realm.listeners = 2;
	cmd.realm.user_quota = 0;
	cmd.realm.total_quota = second_quota;
	strcpy(cmd.realm.name, "example.com");
	rig_apply(rig, &cmd);
	cmd = rig_user("bob", "example.com", "builder");
	cmd.user.realm = 1;
	rig_apply(rig, &cmd);
	for (unsigned i = 0; i < n_alternates; i++) {
		cmd = (struct sl_command){.h.type = SL_CMD_ALTERNATE, .alternate = alternates[i]};
		rig_apply(rig, &cmd);
	}
}

static int setup(void **state)
{
	second_quota = n_alternates = 0;
	rig_open(&r, 2);
	r.more = more;
	rig_provision(&r, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static struct client nth(unsigned i, unsigned realm)
{
	char from[40];
	snprintf(from, sizeof from, realm ? "[2001:db8:7::%x]:4000" : "198.51.100.%u:4000", i);
	struct client c = client_at(&r, from, realm);

	if (realm) {
		c.user = "bob";
		c.realm = "example.com";
		strcpy(c.password, "builder");
	}
	return c;
}

static unsigned allocate(unsigned i, unsigned realm)
{
	struct client c = nth(i, realm);

	return client_allocate(&c);
}

static uint64_t counted(unsigned counter)
{
	return r.counters[0][counter] + r.counters[1][counter];
}

static void drain(unsigned on, uint32_t max_lifetime_s)
{
	struct sl_command cmd = {.h.type = SL_CMD_TURN_DRAIN, .drain = {.on = (uint8_t)on, .max_lifetime_s = max_lifetime_s}};

	rig_apply(&r, &cmd);
	rig_flush(&r);
}

static void a_realm_has_its_number(void **state)
{
	second_quota = 3;
	rig_provision(&r, NULL, NULL);
	struct client c = nth(1, 1);
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(allocate(2, 1), 0);
	assert_int_equal(allocate(3, 1), 0);
	assert_int_equal(allocate(4, 1), 486);
	assert_int_equal(counted(SL_C_allocations_refused_quota), 1);
	assert_int_equal(allocate(1, 0), 0); /* the other realm */
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(allocate(4, 1), 0);
	assert_int_equal(allocate(5, 1), 486);
}

static void users_of_one_name_count_apart(void **state)
{
	r.realm.user_quota = 1;
	rig_provision(&r, NULL, NULL);
	struct client c = nth(1, 0);
	c.user = "bob";
	strcpy(c.password, "builder");
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(allocate(1, 1), 0);
	struct client d = nth(2, 0);
	d.user = "bob";
	strcpy(d.password, "builder");
	assert_int_equal(client_allocate(&d), 486);
}

/* RFC 8265 OpaqueString: names that differ in case or in Unicode form are different users, each with his own quota; by whatever attribute he names himself,
 * and whatever his realm, he has no more. */
static void names_that_differ_count_apart(void **state)
{
	/* Zoë with one letter and with a mark, in both cases; a Kelvin sign; trailing space. */
	static const char *const names[] = {"Zo\xc3\xab", "zo\xc3\xab", "ZO\xc3\x8b", "Zoe\xcc\x88", "Kurt", "\xe2\x84\xaaurt", "Kurt "};
	char from[40];

	r.realm.user_quota = 1;
	rig_provision(&r, NULL, NULL);
	for (unsigned i = 0; i < SL_COUNT(names); i++) {
		struct sl_command cmd = rig_user(names[i], "example.org", names[i]);
		rig_apply(&r, &cmd);
	}
	rig_flush(&r);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < SL_COUNT(names); i++) {
			snprintf(from, sizeof from, "198.51.100.%u:%u", 20 + i, 4000 + pass);
			struct client c = client_at(&r, from, 0);
			c.user = names[i];
			c.userhash = pass; /* the second one is refused under the other name, too */
			strcpy(c.password, names[i]);
			assert_int_equal(client_allocate(&c), pass ? 486 : 0);
		}
	}
	assert_int_equal(counted(SL_C_allocations_refused_quota), SL_COUNT(names));
}

static void the_node_has_its_number(void **state)
{
	r.settings.total_quota = 4;
	r.realm.user_quota = 2;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(allocate(1, 0), 0);
	assert_int_equal(allocate(2, 0), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(allocate(3, 0), 486); /* and leaves no count behind */
	assert_int_equal(allocate(1, 1), 0);
	struct client c = nth(2, 1);
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(allocate(3, 1), 508);
	assert_int_equal(counted(SL_C_allocations_refused_capacity), 1);
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(allocate(3, 1), 0);
}

static void all_counts_are_right_after_a_restart(void **state)
{
	r.settings.total_quota = 4;
	second_quota = 2;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(allocate(1, 1), 0);
	assert_int_equal(allocate(2, 1), 0);
	assert_int_equal(allocate(1, 0), 0);
	rig_stop(&r);
	rig_start(&r, 2);
	assert_int_equal(allocate(3, 1), 486);
	assert_int_equal(allocate(2, 0), 0);
	assert_int_equal(allocate(3, 0), 508);
	rig_wait(&r, 601);
	rig_tick(&r);
	assert_int_equal(r.sessions[0].n_active + r.sessions[1].n_active, 0);
	for (uint32_t i = 0; i <= r.quota.mask; i++)
		assert_int_equal(r.quota.words[i], 0); /* what was taken is given back */
	for (uint32_t i = 0; i <= r.sources.mask; i++)
		assert_int_equal(r.sources.words[i], 0);
}

static void a_failed_creation_gives_everything_back(void **state)
{
	uint64_t refused = 0;

	for (unsigned i = 0; i < 200; i++) /* two workers, of which each has room for 8 */
		refused += allocate(1 + i, 0) == 508;
	assert_int_equal(counted(SL_C_allocations_refused_capacity), refused);
	rig_wait(&r, 601);
	rig_tick(&r);
	for (uint32_t i = 0; i <= r.quota.mask; i++)
		assert_int_equal(r.quota.words[i], 0);
}

static void a_drained_node_finishes(void **state)
{
	struct client c = nth(1, 0);

	assert_int_equal(client_allocate(&c), 0);
	drain(1, 30);
	assert_int_equal(allocate(2, 0), 508);
	assert_int_equal(client_refresh(&c, 600), 0);
	assert_int_equal(r.answer.lifetime_s, 30);
	assert_int_equal(client_permit(&c, "203.0.113.9:9"), 0);
	drain(1, 0);
	assert_int_equal(client_refresh(&c, 600), 0);
	assert_int_equal(r.answer.lifetime_s, 600);
	assert_int_equal(allocate(2, 0), 508);
	drain(0, 30);
	assert_int_equal(client_refresh(&c, 600), 0);
	assert_int_equal(r.answer.lifetime_s, 600);
	assert_int_equal(allocate(2, 0), 0);
	assert_int_equal(counted(SL_C_allocations_refused_capacity), 2);
}

static void add_alternate(const char *server, unsigned realm, unsigned over)
{
	alternates[n_alternates++] = (struct sl_cmd_alternate){
		.server = rig_endpoint(server), .realm = (uint16_t)realm, .transport = (uint8_t)over, .weight = 50};
}

/* Of the last answer: 300 with this server. */
static bool sent_to(const char *server)
{
	const struct sl_endpoint ep = rig_endpoint(server);
	uint8_t v[24] = {0x80, 0x23, 0, sl_ip_is_v4(&ep.ip) ? 8 : 20, 0, sl_ip_is_v4(&ep.ip) ? 1 : 2};

	memcpy(v + 6, &ep.port_be, 2);
	memcpy(v + 8, ep.ip.b + (sl_ip_is_v4(&ep.ip) ? 12 : 0), sl_ip_is_v4(&ep.ip) ? 4 : 16);
	return r.answer.error_code == 300 && memmem(r.reply, r.verdict.reply_len, v, sl_ip_is_v4(&ep.ip) ? 12 : 24);
}

static void clients_of_a_drained_node_go_to_an_alternate(void **state)
{
	add_alternate("192.0.2.77:3478", SL_TURN_ANY_REALM, SL_TURN_OVER_UDP);
	add_alternate("192.0.2.78:5349", SL_TURN_ANY_REALM, SL_TURN_OVER_TLS);
	add_alternate("[2001:db8::77]:3478", 0, SL_TURN_OVER_UDP);
	rig_provision(&r, NULL, NULL);
	struct client c = nth(1, 0);
	assert_int_equal(client_allocate(&c), 0); /* nobody is sent away while it does not drain */
	drain(1, 0);
	struct client d = nth(2, 0);
	assert_int_equal(client_allocate(&d), 300);
	assert_true(sent_to("192.0.2.77:3478"));
	assert_true(client_answer_authentic(&d)); /* nobody on the way said it */
	assert_int_equal(client_refresh(&c, 600), 0);
	assert_int_equal(allocate(1, 1), 508); /* none for this realm and family */
	struct client e = nth(3, 0);
	e.flow.transport = sl_stream_transport(SL_TURN_OVER_TLS, 0, 0, 1);
	assert_int_equal(client_allocate(&e), 300);
	assert_true(sent_to("192.0.2.78:5349"));
	e.flow.transport = sl_stream_transport(SL_TURN_OVER_DTLS, 0, 0, 1);
	e.nonce_len = 0;
	assert_int_equal(client_allocate(&e), 508);
	assert_int_equal(counted(SL_C_allocations_redirected), 2);
	/* One that answers no more is no alternate. */
	struct sl_command cmd = {.h.type = SL_CMD_ALTERNATE, .alternate = alternates[0]};
	cmd.alternate.weight = 0;
	rig_apply(&r, &cmd);
	rig_flush(&r);
	assert_int_equal(allocate(2, 0), 508);
}

static void a_full_node_sends_clients_on(void **state)
{
	add_alternate("192.0.2.77:3478", SL_TURN_ANY_REALM, SL_TURN_OVER_UDP);
	r.settings.total_quota = 4;
	r.settings.redirect_above = 50;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(allocate(1, 0), 0);
	struct client c = nth(2, 0);
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(allocate(3, 0), 300);
	assert_int_equal(allocate(1, 1), 0); /* IPv6: there is none, and there is room */
	assert_int_equal(client_allocate(&c), 437); /* not one that has an allocation */
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(allocate(3, 0), 300);
	r.settings.redirect_above = 0;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(allocate(3, 0), 0);
}

static void restrict_to(const struct sl_cmd_restricted *what)
{
	struct sl_command cmd = {.h.type = SL_CMD_RESTRICTED, .restricted = *what};

	rig_apply(&r, &cmd);
	rig_flush(&r);
}

static void the_restricted_are_marked_and_counted(void **state)
{
	struct sl_cmd_restricted prefix = {.kind = SL_RESTRICTED_PREFIX, .realm = SL_TURN_ANY_REALM, .prefix_len = 128, .ip = rig_ip("198.51.100.9")};
	struct sl_cmd_restricted account = {.kind = SL_RESTRICTED_ACCOUNT, .realm = 1, .name_len = 3, .name = "bob"};
	struct client c = nth(9, 0);

	restrict_to(&prefix);
	restrict_to(&account);
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(allocate(1, 0), 0);
	assert_int_equal(allocate(1, 1), 0);
	assert_int_equal(counted(SL_C_allocations_restricted), 2);
	assert_int_equal(counted(SL_C_allocations_restricted_active), 2);
	rig_stop(&r);
	rig_start(&r, 2);
	assert_int_equal(counted(SL_C_allocations_restricted_active), 2);
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(counted(SL_C_allocations_restricted_active), 1);
	prefix.remove = 1;
	restrict_to(&prefix);
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(counted(SL_C_allocations_restricted_active), 1);
}

static void an_account_of_the_rest_scheme_is_the_name_behind_the_expiry(void **state)
{
	struct sl_cmd_restricted account = {.kind = SL_RESTRICTED_ACCOUNT, .realm = 0, .name_len = 3, .name = "eve"};
	static const char *const names[] = {"1800000900:eve", "1800000900", "1800000900:evelyn"};

	rig_provision(&r, "secret", NULL);
	restrict_to(&account);
	for (unsigned i = 0; i < 3; i++) {
		struct client c = nth(1 + i, 0);
		uint8_t mac[20];
		c.user = names[i];
		HMAC(EVP_sha1(), "secret", 6, (const uint8_t *)c.user, strlen(c.user), mac, NULL);
		EVP_EncodeBlock((uint8_t *)c.password, mac, sizeof mac);
		assert_int_equal(client_allocate(&c), 0);
		assert_int_equal(counted(SL_C_allocations_restricted), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_realm_has_its_number, setup, teardown),
		cmocka_unit_test_setup_teardown(users_of_one_name_count_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(names_that_differ_count_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(the_node_has_its_number, setup, teardown),
		cmocka_unit_test_setup_teardown(all_counts_are_right_after_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_creation_gives_everything_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_drained_node_finishes, setup, teardown),
		cmocka_unit_test_setup_teardown(clients_of_a_drained_node_go_to_an_alternate, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_node_sends_clients_on, setup, teardown),
		cmocka_unit_test_setup_teardown(the_restricted_are_marked_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(an_account_of_the_rest_scheme_is_the_name_behind_the_expiry, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Which realm a client is of, and what a realm keeps apart. */

#include "tests/unit/unit.h"

#include "dataplane/path/turn_internal.h"
#include "tests/unit/turn_rig.h"

static struct rig r;
static const char *second = "example.com"; /* name of realm 1 */
static bool swapped;                       /* there is another realm before it */

static void add_realm(struct rig *rig, unsigned index, const char *name, uint32_t listeners)
{
	struct sl_command cmd = {.h.type = SL_CMD_TURN_REALM, .realm = r.realm};

	cmd.realm.index = (uint16_t)index;
	cmd.realm.listeners = listeners;
	strcpy(cmd.realm.name, name);
	rig_apply(rig, &cmd);
}

static void add_name(struct rig *rig, unsigned realm, unsigned kind, const char *name)
{
	struct sl_command cmd = {.h.type = SL_CMD_REALM_NAME, .realm_name = {.realm = (uint16_t)realm, .kind = (uint8_t)kind, .len = (uint16_t)strlen(name)}};

	memcpy(cmd.realm_name.text, name, strlen(name));
	rig_apply(rig, &cmd);
}

static void add_user(struct rig *rig, unsigned realm, const char *name, const char *of, const char *password)
{
	struct sl_command cmd = rig_user(name, of, password);

	cmd.user.realm = (uint16_t)realm;
	rig_apply(rig, &cmd);
}

/* Realm 1 (or 2) has listener 1, an origin, a rule of its own and an alice of its own. */
static void more(struct rig *rig)
{
	unsigned n = 1;

	if (swapped)
		add_realm(rig, n++, "between.example", 0);
	add_realm(rig, n, second, 2);
	add_realm(rig, n + 1, "third.example", 0);
	add_name(rig, n, SL_REALM_ORIGIN, "https://web.example.com");
	add_user(rig, n, "alice", second, "looking-glass");
	add_user(rig, n + 1, "carol", "third.example", "three");
}

static int setup(void **state)
{
	second = "example.com";
	swapped = false;
	rig_open(&r, 1);
	r.more = more;
	rig_provision(&r, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static struct client of_second(unsigned port)
{
	char from[40];
	snprintf(from, sizeof from, "[2001:db8:7::7]:%u", port);
	struct client c = client_at(&r, from, 1);

	c.realm = "example.com";
	strcpy(c.password, "looking-glass");
	return c;
}

static bool challenged_as(struct client *c, const char *realm)
{
	client_login(c);
	return r.answer.realm.len == strlen(realm) && memcmp(sl_span_at(&r.answer, r.answer.realm), realm, strlen(realm)) == 0;
}

static void origin_goes_before_server_name_before_listener(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0), d = of_second(4001);

	assert_true(challenged_as(&c, "example.org"));
	assert_true(challenged_as(&d, "example.com"));
	c.origin = "https://web.example.com";
	assert_true(challenged_as(&c, "example.com"));
	/* coturn's clients say more than one: the first that is known counts. */
	c.origin = NULL;
	sl_stun_add(client_ask(&c, SL_TURN_ALLOCATE), SL_ATTR_ORIGIN, "ftp://elsewhere.example.net", 27);
	for (unsigned i = 0; i < 2; i++)
		sl_stun_add(&c.b, SL_ATTR_ORIGIN, "https://carleon.example:443", 27);
	sl_stun_add(&c.b, SL_ATTR_ORIGIN, "https://web.example.com", 23);
	add_transport(&c.b, 17);
	assert_int_equal(client_send(&c), 401);
	assert_memory_equal(sl_span_at(&r.answer, r.answer.realm), "example.com", 11);
	client_ask(&c, SL_TURN_ALLOCATE);
	for (unsigned i = 0; i < SL_STUN_MAX_ORIGINS; i++)
		sl_stun_add(&c.b, SL_ATTR_ORIGIN, "https://carleon.example:443", 27);
	sl_stun_add(&c.b, SL_ATTR_ORIGIN, "https://web.example.com", 23); /* beyond what is looked at */
	assert_int_equal(client_send(&c), 401);
	assert_memory_equal(sl_span_at(&r.answer, r.answer.realm), "example.org", 11);
	c.origin = "https://elsewhere.example.com";
	assert_true(challenged_as(&c, "example.org"));
	c.realm_hint = 2;
	assert_true(challenged_as(&c, "third.example"));
	d.realm_hint = 2;
	assert_true(challenged_as(&d, "third.example"));
	d.origin = "https://web.example.com";
	assert_true(challenged_as(&d, "example.com"));
	c.realm_hint = 3; /* there is none such any more */
	assert_true(challenged_as(&c, "example.org"));
}

static void names_and_nonces_are_a_realms_own(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0), d = of_second(4001);

	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(client_allocate(&d), 0); /* another alice */
	const struct sl_cold_alloc *cold = r.sessions[0].cold.allocs;
	assert_int_not_equal(cold[0].auth.username_hash, cold[1].auth.username_hash);
	assert_int_not_equal(cold[0].auth.quota_hash, cold[1].auth.quota_hash);
	struct client e = client_at(&r, "198.51.100.8:4000", 0);
	client_login(&e);
	e.realm = "example.com"; /* here she is nobody */
	strcpy(e.password, "looking-glass");
	assert_int_equal(client_allocate(&e), 401);
	/* A nonce of the one realm is none of the other, though all else is the same. */
	e.origin = "https://web.example.com";
	e.nonce_len = 0;
	client_login(&e);
	char nonce[128];
	memcpy(nonce, e.nonce, sizeof nonce);
	e.origin = NULL;
	e.realm = "example.org";
	strcpy(e.password, "wonderland");
	assert_int_equal(client_allocate(&e), 438);
	assert_memory_not_equal(nonce, e.nonce, e.nonce_len);
	assert_int_equal(client_allocate(&e), 0);
}

static void userhashes_are_a_realms_own(void **state)
{
	struct client d = of_second(4001);

	d.userhash = true;
	assert_int_equal(client_allocate(&d), 0);
	struct client e = client_at(&r, "198.51.100.8:4000", 0);
	e.userhash = true;
	assert_int_equal(client_allocate(&e), 0);
	struct client f = client_at(&r, "198.51.100.9:4000", 0);
	f.user = "carol";
	f.userhash = true;
	strcpy(f.password, "three");
	assert_int_equal(client_allocate(&f), 401);
}

/* The client says its origin once; afterwards the allocation says of which realm it is. */
static void an_allocation_keeps_its_realm(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	c.origin = "https://web.example.com";
	c.realm = "example.com";
	strcpy(c.password, "looking-glass");
	assert_int_equal(client_allocate(&c), 0);
	c.origin = NULL;
	assert_int_equal(client_refresh(&c, 600), 0);
	assert_int_equal(r.sessions[0].allocs[0].realm, 1);
	/* Realms are renumbered: by the next request, and by the tick. */
	swapped = true;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(client_refresh(&c, 600), 0);
	rig_tick(&r);
	assert_int_equal(r.sessions[0].allocs[0].realm, 2);
	/* After a restart as well. */
	rig_stop(&r);
	rig_start(&r, 1);
	assert_int_equal(client_refresh(&c, 600), 0);
	rig_tick(&r);
	assert_int_equal(r.sessions[0].allocs[0].realm, 2);
	/* It is gone: the allocation runs out, and nobody takes it over. */
	second = "example.net";
	rig_provision(&r, NULL, NULL);
	rig_tick(&r);
	assert_int_equal(r.sessions[0].allocs[0].realm, SL_TURN_ANY_REALM);
	assert_int_equal(client_refresh(&c, 600), 401);
	struct client d = client_at(&r, "198.51.100.7:4000", 0);
	client_login(&d);
	assert_int_equal(client_refresh(&d, 0), 441);
}

static void a_key_of_md5_alone(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	struct sl_command cmd = rig_user("dave", "example.org", "four");

	cmd.user.flags = SL_USER_NO_SHA256;
	memset(cmd.user.key_sha256, 0, sizeof cmd.user.key_sha256);
	rig_apply(&r, &cmd);
	rig_flush(&r);
	c.user = "dave";
	strcpy(c.password, "four");
	c.algorithms = true;
	assert_int_equal(client_allocate(&c), 401);
	/* Nor by the key that stands there. */
	static const uint8_t zero[32];
	c.session_key = zero;
	c.session_key_len = 32;
	assert_int_equal(client_allocate(&c), 401);
	c.session_key = NULL;
	c.algorithms = false;
	assert_int_equal(client_allocate(&c), 0);
}

/* OpaqueString (RFC 8265): nothing is folded. */
static void names_are_bytes(void **state)
{
	static const char *const names[] = {"Alice", "ALICE", "al\xc3\xadse", "ali\xcc\x81se", "alice ", "\xe2\x84\xacob", "alice\xcc\x81"};
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		c.user = names[i];
		assert_int_equal(client_allocate(&c), 401);
		struct sl_command cmd = rig_user(names[i], "example.org", names[i]);
		rig_apply(&r, &cmd);
	}
	rig_flush(&r);
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		char from[40];
		snprintf(from, sizeof from, "198.51.100.%u:4000", 20 + i);
		struct client d = client_at(&r, from, 0);
		d.user = names[i];
		d.userhash = i % 2;
		strcpy(d.password, names[(i + 1) % 7]);
		assert_int_equal(client_allocate(&d), 401);
		strcpy(d.password, names[i]);
		assert_int_equal(client_allocate(&d), 0);
		assert_int_equal(client_refresh(&d, 0), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(origin_goes_before_server_name_before_listener, setup, teardown),
		cmocka_unit_test_setup_teardown(names_and_nonces_are_a_realms_own, setup, teardown),
		cmocka_unit_test_setup_teardown(userhashes_are_a_realms_own, setup, teardown),
		cmocka_unit_test_setup_teardown(an_allocation_keeps_its_realm, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_of_md5_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_bytes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

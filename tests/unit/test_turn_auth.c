/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Long-term credentials (RFC 8489 9.2), the REST scheme, and what a stranger can cause: nothing. */

#include "tests/unit/unit.h"

#include "tests/unit/turn_rig.h"

static struct rig r;

static int setup(void **state)
{
	rig_open(&r, 1);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static void wrong_password_user_or_realm(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	strcpy(c.password, "x");
	assert_int_equal(client_allocate(&c), 401);
	assert_true(r.answer.realm.off && r.answer.nonce.off && !r.answer.integrity.off);
	strcpy(c.password, "wonderland");
	c.user = "mallory";
	assert_int_equal(client_allocate(&c), 401);
	c.user = "";
	assert_int_equal(client_allocate(&c), 401);
	c.user = "alice";
	c.realm = "example.com";
	assert_int_equal(client_allocate(&c), 401);
	c.realm = "example.org";
	assert_int_equal(client_allocate(&c), 0);
}

static void missing_attributes(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	uint8_t key[32];
	unsigned key_len = client_key(&c, key);

	client_login(&c);
	for (unsigned without = 0; without < 4; without++) {
		add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
		if (without != 0)
			sl_stun_add(&c.b, SL_ATTR_USERNAME, "alice", 5);
		if (without != 1)
			sl_stun_add(&c.b, SL_ATTR_REALM, "example.org", 11);
		if (without != 2)
			sl_stun_add(&c.b, SL_ATTR_NONCE, c.nonce, c.nonce_len);
		if (without != 3)
			sl_stun_add_integrity(&c.b, &rig_crypto, false, key, key_len);
		assert_int_equal(client_send(&c), without == 3 ? 401 : 400);
		assert_int_equal(r.answer.nonce.off != 0, without == 3);
	}
}

static void every_way_to_sign(void **state)
{
	static const struct {
		bool sha1, sha256, algorithms, userhash, fingerprint;
	} rows[] = {
		{true, false, false, false, true}, {false, true, false, false, false}, {true, true, false, false, true},
		{false, true, true, false, true}, {true, true, true, true, true}, {true, false, true, true, false},
		{true, false, false, true, false},
	};

	for (unsigned i = 0; i < SL_COUNT(rows); i++) {
		struct client c = client_at(&r, "198.51.100.7:4000", 0);
		c.sha1 = rows[i].sha1;
		c.sha256 = rows[i].sha256;
		c.algorithms = rows[i].algorithms;
		c.userhash = rows[i].userhash;
		c.fingerprint = rows[i].fingerprint;
		assert_int_equal(client_allocate(&c), 0);
		assert_true(client_answer_authentic(&c));
		assert_int_equal(r.answer.has_fingerprint, c.fingerprint);
		assert_string_equal(r.sessions[0].cold.allocs[client_alloc(&c)].auth.username, "alice");
		assert_int_equal(client_permit(&c, "203.0.113.5:0"), 0);
		assert_int_equal(client_refresh(&c, 0), 0);
	}
}

/* RFC 8489 14.6 leaves truncation to the usage, and TURN names none. */
static void truncated_sha256(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	uint8_t key[32], mac[32];

	c.sha1 = false;
	client_login(&c);
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	client_sign(&c);
	unsigned key_len = client_key(&c, key), before = c.b.len;
	c.msg[3] = (uint8_t)(before + 4 + 16 - 20);
	c.msg[2] = (uint8_t)((before + 4 + 16 - 20) >> 8);
	struct sl_iov iov = {c.msg, before};
	rig_sha256(NULL, key, key_len, &iov, 1, mac);
	sl_stun_add(&c.b, SL_ATTR_MESSAGE_INTEGRITY_SHA256, mac, 16);
	assert_int_equal(client_send(&c), 401);
	assert_int_equal(r.sessions[0].n_active, 0);
}

/* Somebody between us takes SHA-256 out of the offer, or the client's pick out of the request. */
static void bid_down(void **state)
{
	static const uint8_t both[] = {0, 2, 0, 0, 0, 1, 0, 0}, turned[] = {0, 1, 0, 0, 0, 2, 0, 0};
	static const struct {
		const uint8_t *offer;
		unsigned offer_len;
		const uint8_t *pick;
		unsigned code;
	} rows[] = {
		{both, 8, NULL, 400},            /* the pick is missing */
		{NULL, 0, both + 4, 400},        /* the offer is missing */
		{both + 4, 4, both + 4, 400},    /* the offer was cut to MD5 */
		{both, 4, both, 400},            /* the offer was cut to SHA-256 */
		{turned, 8, both + 4, 400},      /* the offer was turned round */
		{both, 8, (const uint8_t *)"\0\3\0\0", 400}, /* a pick that was not offered */
		{both, 8, both + 4, 0},          /* MD5 freely chosen */
		{NULL, 0, NULL, 0},              /* an RFC 5389 client: MD5 */
	};
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	uint8_t key[32];
	unsigned key_len = client_key(&c, key);

	client_login(&c);
	assert_memory_equal(c.nonce, "obMatJos2wAAA", 13); /* algorithms and anonymity: bits 0 and 1 */
	for (unsigned i = 0; i < SL_COUNT(rows); i++) {
		add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
		sl_stun_add(&c.b, SL_ATTR_USERNAME, "alice", 5);
		sl_stun_add(&c.b, SL_ATTR_REALM, "example.org", 11);
		sl_stun_add(&c.b, SL_ATTR_NONCE, c.nonce, c.nonce_len);
		if (rows[i].offer)
			sl_stun_add(&c.b, SL_ATTR_PASSWORD_ALGORITHMS, rows[i].offer, rows[i].offer_len);
		if (rows[i].pick)
			sl_stun_add(&c.b, SL_ATTR_PASSWORD_ALGORITHM, rows[i].pick, 4);
		sl_stun_add_integrity(&c.b, &rig_crypto, false, key, key_len);
		assert_int_equal(client_send(&c), rows[i].code);
		if (rows[i].code == 0)
			assert_int_equal(client_refresh(&c, 0), 0);
	}
	/* A nonce whose feature bits were cleared is none of ours. */
	c.nonce[9] = 'A';
	assert_int_equal(client_allocate(&c), 438);
}

static void features_follow_the_configuration(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	r.settings.offer_sha256 = 0;
	rig_provision(&r, NULL, NULL);
	client_login(&c);
	assert_memory_equal(c.nonce, "obMatJos2QAAA", 13);
	assert_int_equal(r.answer.password_algorithms.off, 0);
	rig_provision(&r, "secret", NULL); /* names of the REST scheme cannot be found by hash */
	client_login(&c);
	assert_memory_equal(c.nonce, "obMatJos2AAAA", 13);
}

static void stale_and_foreign_nonces(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0), d = client_at(&r, "198.51.100.8:4000", 0),
		      e = client_at(&r, "198.51.100.7:4001", 0);

	client_login(&c);
	memcpy(d.nonce, c.nonce, d.nonce_len = c.nonce_len);
	memcpy(e.nonce, c.nonce, e.nonce_len = c.nonce_len);
	assert_int_equal(client_allocate(&d), 438);
	assert_int_equal(client_allocate(&d), 0); /* 438 brought a fresh one */
	assert_int_equal(client_allocate(&e), 438);
	rig_wait(&r, 999);
	assert_int_equal(client_allocate(&c), 0);
	rig_wait(&r, 1);
	char old[128];
	memcpy(old, c.nonce, sizeof old);
	assert_int_equal(client_refresh(&c, 600), 438);
	assert_false(r.answer.integrity.off);
	assert_int_equal(client_refresh(&c, 600), 0);
	/* Stale and wrong at once is 401 (RFC 8489 9.2.4). */
	memcpy(c.nonce, old, sizeof old);
	strcpy(c.password, "x");
	assert_int_equal(client_refresh(&c, 600), 401);
	strcpy(c.password, "wonderland");
	/* Any changed character of a good nonce. */
	for (unsigned i = 0; i < c.nonce_len; i++) {
		char good[128];
		memcpy(good, c.nonce, sizeof good);
		c.nonce[i] = c.nonce[i] == '0' ? '1' : '0';
		assert_int_equal(client_refresh(&c, 600), 438);
		memcpy(c.nonce, good, sizeof good);
	}
	c.nonce_len--;
	assert_int_equal(client_refresh(&c, 600), 438);
}

static void rest_password(struct client *c, const char *secret)
{
	uint8_t mac[20];
	unsigned n;

	HMAC(EVP_sha1(), secret, (int)strlen(secret), (const uint8_t *)c->user, strlen(c->user), mac, &n);
	EVP_EncodeBlock((uint8_t *)c->password, mac, 20);
}

static void rest_credentials(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	rig_provision(&r, "north", NULL);
	c.user = "1800000100:carol";
	rest_password(&c, "north");
	assert_int_equal(client_allocate(&c), 0);
	/* The credential runs out during the call, which goes on; a new call needs a new one. */
	rig_wait(&r, 200);
	assert_int_equal(client_refresh(&c, 600), 0);
	assert_int_equal(client_permit(&c, "203.0.113.5:0"), 0);
	/* The secret is replaced: the call goes on still. */
	rig_provision(&r, "south", NULL);
	assert_int_equal(client_refresh(&c, 600), 0);
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(client_allocate(&c), 401);
	c.user = "1800000900";
	rest_password(&c, "south");
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(client_refresh(&c, 0), 0);
	c.algorithms = c.sha256 = true;
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(client_refresh(&c, 0), 0);
	rest_password(&c, "north");
	assert_int_equal(client_allocate(&c), 401);
	static const char *const bad[] = {"carol:1800000900", "1800000900x", "-1800000900:carol", ":carol", "1799999999:carol",
		"99999999999999999999:carol"};
	for (unsigned i = 0; i < SL_COUNT(bad); i++) {
		c.user = bad[i];
		rest_password(&c, "south");
		assert_int_equal(client_allocate(&c), 401);
	}
}

static void several_secrets(void **state)
{
	static const char *const secrets[] = {"one", "two", "three"};
	struct sl_command cmd = {.h.type = SL_CMD_CONFIG_BEGIN};

	rig_apply(&r, &cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_TURN_CONFIG, .turn = r.settings};
	rig_apply(&r, &cmd);
	cmd = (struct sl_command){.h.type = SL_CMD_TURN_REALM, .realm = r.realm};
	rig_apply(&r, &cmd);
	for (unsigned i = 0; i < 3; i++) {
		cmd = (struct sl_command){.h.type = SL_CMD_SECRET, .secret.len = (uint16_t)strlen(secrets[i])};
		memcpy(cmd.secret.secret, secrets[i], strlen(secrets[i]));
		rig_apply(&r, &cmd);
	}
	cmd = (struct sl_command){.h.type = SL_CMD_CONFIG_COMMIT};
	rig_apply(&r, &cmd);
	for (unsigned i = 0; i < 3; i++) {
		struct client c = client_at(&r, "198.51.100.7:4000", 0);
		c.user = "1800000900:dave";
		rest_password(&c, secrets[i]);
		assert_int_equal(client_allocate(&c), 0);
		assert_int_equal(client_refresh(&c, 0), 0);
	}
}

static unsigned rest_allocate(const char *user, unsigned port)
{
	char from[40];

	snprintf(from, sizeof from, "198.51.100.7:%u", port);
	struct client c = client_at(&r, from, 0);
	c.user = user;
	rest_password(&c, "north");
	return client_allocate(&c);
}

/* The quota is the user's, whatever expiry he was handed; 441 still compares the whole name. */
static void a_rest_user_has_one_quota(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	r.realm.user_quota = 2;
	rig_provision(&r, "north", NULL);
	c.user = "1800000900:eve";
	rest_password(&c, "north");
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(rest_allocate("1800000901:eve", 4001), 0);
	assert_int_equal(rest_allocate("1800000902:eve", 4002), 486);
	assert_int_equal(rest_allocate("1800000902:adam", 4003), 0);
	assert_int_equal(rest_allocate("1800000902:eve:2", 4004), 0);
	/* Names without a user have nobody in common. */
	assert_int_equal(rest_allocate("1800000903", 4005), 0);
	assert_int_equal(rest_allocate("1800000904:", 4006), 0);
	assert_int_equal(rest_allocate("1800000905:", 4007), 0);
	c.user = "1800000902:eve";
	rest_password(&c, "north");
	assert_int_equal(client_refresh(&c, 0), 441);
	c.user = "1800000900:eve";
	rest_password(&c, "north");
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(rest_allocate("1800000902:eve", 4008), 0);
	assert_int_equal(rest_allocate("1800000903:eve", 4009), 486);
}

/* Names are bytes (RFC 8265 OpaqueString), behind an expiry, too. */
static void rest_users_that_differ_in_form_are_others(void **state)
{
	static const char *const names[] = {"eve", "Eve", "\xc3\xa9ve", "e\xcc\x81ve"};

	r.realm.user_quota = 1;
	rig_provision(&r, "north", NULL);
	for (unsigned i = 0; i < 2 * SL_COUNT(names); i++) {
		char user[40];
		snprintf(user, sizeof user, "18000009%02u:%s", i, names[i % SL_COUNT(names)]);
		assert_int_equal(rest_allocate(user, 4001 + i), i < SL_COUNT(names) ? 0 : 486);
	}
}

static void a_removed_user_is_out(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	struct sl_command cmd = rig_user("alice", "example.org", "wonderland");

	assert_int_equal(client_allocate(&c), 0);
	cmd.h.type = SL_CMD_USER_DELETE;
	rig_apply(&r, &cmd);
	assert_int_equal(client_refresh(&c, 600), 0); /* not flushed yet */
	rig_flush(&r);
	assert_int_equal(client_refresh(&c, 600), 401);
}

static void a_flood_leaves_every_table_alone(void **state)
{
	struct sl_sessions *s = &r.sessions[0];
	unsigned free_ports = s->ports.n_free[0], answered = 0, dropped = 0;
	void *flows_before = malloc((s->flows.mask + 1) * sizeof *s->flows.buckets);
	memcpy(flows_before, s->flows.buckets, (s->flows.mask + 1) * sizeof *s->flows.buckets);

	r.turn[0].unauthenticated_pps = 100;
	for (unsigned i = 0; i < 5000; i++) {
		char from[40];
		snprintf(from, sizeof from, "198.51.%u.%u:%u", i % 250, i % 199 + 1, 1000 + i);
		struct client c = client_at(&r, from, 0);
		unsigned code;
		memcpy(c.nonce, "obMatJos2wAAA00001388ffffffffffffffff", c.nonce_len = 37);
		if (i % 4 == 0) {
			client_ask(&c, SL_STUN_BINDING);
			code = client_send(&c);
		} else if (i % 4 == 1) {
			add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
			code = client_send(&c);
		} else {
			code = i % 4 == 2 ? client_allocate(&c) : client_permit(&c, "203.0.113.5:0");
		}
		answered += code < RIG_DROPPED;
		dropped += code == RIG_DROPPED + SL_DROP_unauthenticated_limit;
		r.now.ms++; /* 1,000 a second */
	}
	assert_int_equal(answered + dropped, 5000);
	assert_in_range(answered, 590, 610); /* a second's burst, then 100 a second */
	assert_int_equal(s->n_active, 0);
	assert_int_equal(s->n_peers_active, 0);
	assert_int_equal(s->ports.n_free[0], free_ports);
	assert_memory_equal(flows_before, s->flows.buckets, (s->flows.mask + 1) * sizeof *s->flows.buckets);
	for (uint32_t i = 0; i <= r.quota.mask; i++)
		assert_int_equal(r.quota.words[i], 0);
	free(flows_before);
	/* Who authenticates is not held up by it, once his first answer got through. */
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	rig_wait(&r, 1);
	client_login(&c);
	r.turn[0].unauthenticated[0].tokens_ms = 0;
	assert_int_equal(client_allocate(&c), 0);
	client_ask(&c, SL_STUN_BINDING);
	assert_int_equal(client_send(&c), 0);
}

/* Strangers use up every answer there is, for as long as a nonce and an allocation live. */
static void a_flood_ends_no_allocation(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	r.settings.nonce_lifetime_s = 60;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(client_permit(&c, "203.0.113.5:0"), 0);
	r.turn[0].unauthenticated_pps = 100;
	for (unsigned minute = 0; minute < 20; minute++) {
		rig_wait(&r, 60);
		rig_tick(&r);
		unsigned answered = 0;
		for (unsigned i = 0; i < 300; i++) {
			struct client x = client_at(&r, "198.51.100.99:1", 0);
			x.flow.port_be = htons((uint16_t)(1000 + i));
			add_transport(client_ask(&x, SL_TURN_ALLOCATE), 17);
			answered += client_send(&x) < RIG_DROPPED;
		}
		assert_int_equal(answered, 100);
		assert_int_equal(client_refresh(&c, 600), 438);
		assert_int_equal(client_refresh(&c, 600), 0);
		assert_int_equal(client_permit(&c, "203.0.113.5:0"), 0);
		client_ask(&c, SL_STUN_BINDING);
		assert_int_equal(client_send(&c), 0);
	}
	assert_int_equal(r.sessions[0].n_active, 1);
}

static unsigned hashes;

static void counting_sha1(void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	hashes++;
	rig_sha1(ctx, key, key_len, iov, n, out);
}

/* Who knows a live five-tuple and sends as if from there: a few answers and hashes a second, and none of them at the cost
 * of others once the shared rate is used up. */
static void a_faked_five_tuple_gets_little(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0), other = client_at(&r, "198.51.100.8:4000", 0);
	unsigned answered = 0;

	r.settings.nonce_lifetime_s = 60;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(client_allocate(&other), 0);
	rig_wait(&r, 60);
	r.turn[0].unauthenticated_pps = 10;
	r.turn[0].crypto.hmac_sha1 = counting_sha1;
	hashes = 0;
	char stale[sizeof c.nonce];
	memcpy(stale, c.nonce, sizeof stale);
	for (unsigned i = 0; i < 10000; i++) {
		memcpy(c.nonce, stale, sizeof stale);
		if (i % 2)
			client_ask(&c, SL_STUN_BINDING);
		answered += (i % 2 ? client_send(&c) : client_refresh(&c, 600)) < RIG_DROPPED;
		if (i % 1000 == 999)
			rig_wait(&r, 1);
	}
	assert_int_equal(answered, 10 * (10 + 4)); /* ten seconds */
	assert_in_range(hashes, 1, answered);
	assert_int_equal(client_refresh(&other, 600), 438);
	assert_int_equal(client_refresh(&other, 600), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(wrong_password_user_or_realm, setup, teardown),
		cmocka_unit_test_setup_teardown(missing_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(every_way_to_sign, setup, teardown),
		cmocka_unit_test_setup_teardown(truncated_sha256, setup, teardown),
		cmocka_unit_test_setup_teardown(bid_down, setup, teardown),
		cmocka_unit_test_setup_teardown(features_follow_the_configuration, setup, teardown),
		cmocka_unit_test_setup_teardown(stale_and_foreign_nonces, setup, teardown),
		cmocka_unit_test_setup_teardown(rest_credentials, setup, teardown),
		cmocka_unit_test_setup_teardown(several_secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rest_user_has_one_quota, setup, teardown),
		cmocka_unit_test_setup_teardown(rest_users_that_differ_in_form_are_others, setup, teardown),
		cmocka_unit_test_setup_teardown(a_removed_user_is_out, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_leaves_every_table_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_ends_no_allocation, setup, teardown),
		cmocka_unit_test_setup_teardown(a_faked_five_tuple_gets_little, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

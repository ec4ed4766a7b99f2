/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Third-party authorisation (RFC 7635): tokens made with OpenSSL as an authorisation server makes them, and every way to spoil one. */

#include "tests/unit/unit.h"

#include "tests/unit/turn_wire_rig.h"

enum { ISSUED = RIG_UNIX_S - 10, LIFETIME = 1200 };

static struct rig r;
static uint8_t token[2000];
static unsigned token_len;
static const uint8_t session_key[33] = "0123456789abcdefghijklmnopqrstuv";

static struct sl_command key_command(const char *kid, unsigned algorithm)
{
	struct sl_command cmd = {.h.type = SL_CMD_OAUTH_KEY,
		.oauth_key = {.algorithm = (uint8_t)algorithm, .kid_len = (uint8_t)strlen(kid)}};

	memcpy(cmd.oauth_key.kid, kid, strlen(kid));
	memset(cmd.oauth_key.key, kid[0], algorithm == SL_OAUTH_A256GCM ? 32 : 16);
	return cmd;
}

static void more(struct rig *rig)
{
	struct sl_command cmd = key_command("north", SL_OAUTH_A256GCM);

	rig_apply(rig, &cmd);
	cmd = key_command("south", SL_OAUTH_A128GCM);
	rig_apply(rig, &cmd);
	cmd = key_command("old", SL_OAUTH_A128GCM);
	cmd.oauth_key.not_after_unix_s = RIG_UNIX_S;
	rig_apply(rig, &cmd);
	cmd = key_command("brief", SL_OAUTH_A128GCM);
	cmd.oauth_key.not_after_unix_s = RIG_UNIX_S + 10;
	rig_apply(rig, &cmd);
	cmd = key_command("future", SL_OAUTH_A128GCM);
	cmd.oauth_key.not_before_unix_s = RIG_UNIX_S + 1;
	rig_apply(rig, &cmd);
}

static int setup(void **state)
{
	rig_open(&r, 1);
	strcpy(r.realm.server_name, "turn.example.org");
	r.realm.offer_third_party = 1;
	r.more = more;
	rig_provision(&r, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static void put(uint8_t **p, uint64_t v, unsigned bytes)
{
	while (bytes-- > 0)
		*(*p)++ = (uint8_t)(v >> 8 * bytes);
}

struct as { /* what an authorisation server puts into a token */
	const char *kid, *server;
	unsigned key_len, says_key_len;
	uint64_t stamp;
	uint32_t lifetime;
};

static struct as good(const char *kid)
{
	return (struct as){kid, "turn.example.org", 20, 20, (uint64_t)ISSUED << 16 | 0x8000, LIFETIME};
}

static void seal_with(const struct as *a, const uint8_t mac_key[32])
{
	bool is128 = strcmp(a->kid, "north") != 0;
	uint8_t key[32], plain[600], *p = plain, *out = token;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	memset(key, a->kid[0], sizeof key);
	put(&p, a->says_key_len, 2);
	for (unsigned i = 0; i < a->key_len; i++)
		*p++ = mac_key[i % 32];
	put(&p, a->stamp, 8);
	put(&p, a->lifetime, 4);
	put(&out, 12, 2);
	memcpy(out, "twelve bytes", 12);
	assert_int_equal(EVP_EncryptInit_ex(c, is128 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), NULL, key, out), 1);
	out += 12;
	assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, (const uint8_t *)a->server, (int)strlen(a->server)), 1);
	assert_int_equal(EVP_EncryptUpdate(c, out, &n, plain, (int)(p - plain)), 1);
	out += n;
	assert_int_equal(EVP_EncryptFinal_ex(c, out, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out), 1);
	EVP_CIPHER_CTX_free(c);
	token_len = (unsigned)(out + 16 - token);
}

static void seal(const struct as *a)
{
	seal_with(a, session_key);
}

/* A client that has this token, and its nonce. */
static struct client bearer(const struct as *a, unsigned port)
{
	char from[40];
	snprintf(from, sizeof from, "198.51.100.7:%u", port);
	struct client c = client_at(&r, from, 0);

	seal(a);
	c.user = a->kid;
	c.token = token;
	c.token_len = token_len;
	c.session_key = session_key;
	c.session_key_len = a->key_len;
	client_login(&c);
	return c;
}

static void is_offered_in_the_challenge(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	static const uint8_t attribute[] = {0x80, 0x2e, 0, 16, 't', 'u', 'r', 'n', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 'o', 'r', 'g'};

	client_login(&c);
	assert_non_null(memmem(r.reply, r.verdict.reply_len, attribute, sizeof attribute));
	r.realm.offer_third_party = 0;
	rig_provision(&r, NULL, NULL);
	c.nonce_len = 0;
	client_login(&c);
	assert_null(memmem(r.reply, r.verdict.reply_len, attribute, 2));
}

static void a_token_brings_its_key(void **state)
{
	static const char *const kids[] = {"north", "south"};

	for (unsigned i = 0; i < 4; i++) {
		struct as a = good(kids[i % 2]);
		a.key_len = a.says_key_len = i / 2 ? 32 : 20;
		struct client c = bearer(&a, 4000 + i);
		c.sha256 = i == 3;
		c.sha1 = !c.sha256;
		assert_int_equal(client_allocate(&c), 0);
		assert_true(client_answer_authentic(&c));
		assert_int_equal(r.counters[0][SL_C_oauth_accepted], 2 * i + 1);
		assert_int_equal(r.sessions[0].cold.allocs[0].auth.key_len, a.key_len);
		assert_int_equal(client_refresh(&c, 0), 0);
	}
}

/* As coturn's clients do: of a key of 20 bytes they use the first 16. */
static void a_key_cut_short_by_the_client(void **state)
{
	struct as a = good("north");
	struct client c = bearer(&a, 4000);

	c.session_key_len = 16;
	assert_int_equal(client_allocate(&c), 0);
	assert_true(client_answer_authentic(&c));
	c.token = NULL;
	assert_int_equal(client_permit(&c, "203.0.113.9:9"), 0);
	c.session_key_len = 20;
	assert_int_equal(client_permit(&c, "203.0.113.9:9"), 401);
	c.token = token;
	c.session_key_len = 12;
	assert_int_equal(client_refresh(&c, 600), 401);
	a.key_len = a.says_key_len = 32; /* a key for SHA-256 is used whole */
	seal(&a);
	c.token_len = token_len;
	c.session_key_len = 16;
	assert_int_equal(client_refresh(&c, 600), 401);
}

static void the_session_goes_on_with_the_key_alone(void **state)
{
	struct as a = good("north");
	struct client c = bearer(&a, 4000);

	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(r.answer.lifetime_s, 600);
	c.token = NULL;
	assert_int_equal(client_permit(&c, "203.0.113.9:9"), 0);
	rig_wait(&r, 100);
	assert_int_equal(client_refresh(&c, 3600), 0);
	assert_int_equal(r.answer.lifetime_s, 500); /* without a token it lives no longer than it did */
	c.token = token;
	assert_int_equal(client_refresh(&c, 3600), 0);
	assert_int_equal(r.answer.lifetime_s, LIFETIME - 110); /* what is left of the token */
	c.session_key = (const uint8_t *)"another key of twenty";
	c.token = NULL;
	assert_int_equal(client_refresh(&c, 3600), 401);
	/* Nor does somebody else get in by the name of the key. */
	struct client d = client_at(&r, "198.51.100.8:4000", 0);
	d.user = "north";
	d.session_key = session_key;
	d.session_key_len = 20;
	assert_int_equal(client_allocate(&d), 401);
}

static void a_new_token_renews(void **state)
{
	struct as a = good("north");
	struct client c = bearer(&a, 4000);

	assert_int_equal(client_allocate(&c), 0);
	rig_wait(&r, 500);
	a.stamp = (uint64_t)(RIG_UNIX_S + 500) << 16;
	a.key_len = a.says_key_len = 32;
	seal(&a);
	c.token_len = token_len;
	c.session_key_len = 32;
	assert_int_equal(client_refresh(&c, 1000), 0);
	assert_int_equal(r.answer.lifetime_s, 1000);
	/* From now on its key signs, after a restart as well; the old one does not. */
	c.token = NULL;
	assert_int_equal(client_permit(&c, "203.0.113.9:9"), 0);
	c.session_key_len = 20;
	assert_int_equal(client_permit(&c, "203.0.113.9:9"), 401);
	rig_stop(&r);
	rig_start(&r, 1);
	c.session_key_len = 32;
	assert_int_equal(client_refresh(&c, 600), 0);
	/* A token of another kid is another user. */
	a.kid = "south";
	seal(&a);
	c.user = "south";
	c.token = token;
	assert_int_equal(client_refresh(&c, 600), 441);
	assert_int_equal(client_refresh(&c, 0), 441);
	c.user = "north";
	c.token = NULL;
	assert_int_equal(client_refresh(&c, 0), 0);
	for (uint32_t i = 0; i <= r.quota.mask; i++)
		assert_int_equal(r.quota.words[i], 0);
}

/* No key is renewed by a Refresh whose nonce is too old: somebody may have kept it. */
static void a_stale_refresh_renews_nothing(void **state)
{
	struct as a = good("north");
	struct client c = bearer(&a, 4000);

	assert_int_equal(client_allocate(&c), 0);
	rig_wait(&r, 500);
	assert_int_equal(client_refresh(&c, 600), 0);
	rig_wait(&r, 500);
	a.stamp = (uint64_t)(RIG_UNIX_S + 1000) << 16;
	a.key_len = a.says_key_len = 32;
	seal(&a);
	c.token_len = token_len;
	c.session_key_len = 32;
	assert_int_equal(client_refresh(&c, 600), 438);
	c.token = NULL;
	assert_int_equal(client_permit(&c, "203.0.113.9:9"), 401);
	c.session_key_len = 20;
	assert_int_equal(client_permit(&c, "203.0.113.9:9"), 0);
}

static unsigned move(struct client *c, const uint8_t *ticket, unsigned len)
{
	sl_stun_add_u32(client_ask(c, SL_TURN_REFRESH), SL_ATTR_LIFETIME, 600);
	sl_stun_add(&c->b, SL_ATTR_MOBILITY_TICKET, ticket, len);
	return client_go(c);
}

/* The kid is everybody's: a ticket that somebody has seen is of no use to him with a token of his own. */
static void a_token_takes_nobody_elses_allocation_along(void **state)
{
	static const uint8_t other_key[33] = "vutsrqponmlkjihgfedcba9876543210";
	struct as a = good("north");
	uint8_t ticket[64];
	unsigned len;

	r.settings.mobility = 1;
	rig_provision(&r, NULL, NULL);
	struct client c = bearer(&a, 4000);
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	sl_stun_add(&c.b, SL_ATTR_MOBILITY_TICKET, NULL, 0);
	assert_int_equal(client_go(&c), 0);
	len = r.answer.mobility_ticket.len;
	assert_in_range(len, 1, sizeof ticket);
	memcpy(ticket, sl_span_at(&r.answer, r.answer.mobility_ticket), len);

	struct client thief = bearer(&a, 5000);
	thief.session_key = other_key;
	seal_with(&a, other_key);
	assert_int_equal(move(&thief, ticket, len), 441);
	assert_int_equal(client_refresh(&thief, 600), 437);
	c.token = NULL;
	assert_int_equal(client_permit(&c, "203.0.113.9:9"), 0);
	struct client moved = bearer(&a, 6000); /* with the token that made it */
	assert_int_equal(move(&moved, ticket, len), 0);
}

static void every_byte_counts(void **state)
{
	struct as a = good("north");
	struct client c = bearer(&a, 4000);

	for (unsigned i = 0; i < token_len; i++) {
		token[i] ^= 1;
		assert_int_equal(client_allocate(&c), 401);
		token[i] ^= 1;
	}
	for (unsigned len = 0; len < token_len; len++) {
		c.token_len = len;
		assert_int_equal(client_allocate(&c), 401);
	}
	for (unsigned len = token_len + 1; len < 1000; len += 37) {
		c.token_len = len;
		assert_int_equal(client_allocate(&c), 401);
	}
	assert_int_equal(r.verdict.signal, SL_GUARD_SAW_AUTH_FAILED);
	c.token_len = token_len;
	assert_int_equal(client_allocate(&c), 0);
}

/* Sealed with the right key, and wrong all the same. */
static void what_is_inside_is_checked(void **state)
{
	struct as a = good("north");
	struct client c = bearer(&a, 4000);

	a.server = "turn.example.com"; /* made for another server */
	seal(&a);
	assert_int_equal(client_allocate(&c), 401);
	for (unsigned len = 0; len < 40; len++) {
		a = good("north");
		a.key_len = a.says_key_len = len;
		seal(&a);
		c.token_len = token_len;
		c.session_key_len = len < 32 ? len : 32;
		if (len != 20 && len != 32)
			assert_int_equal(client_allocate(&c), 401);
	}
	c.session_key_len = 20;
	for (unsigned says = 0; says < 66000; says += says < 300 ? 1 : 999) {
		a = good("north");
		a.says_key_len = says;
		seal(&a);
		c.token_len = token_len;
		if (says != 20)
			assert_int_equal(client_allocate(&c), 401);
	}
	assert_int_equal(r.sessions[0].n_active, 0);
}

static void has_its_time(void **state)
{
	static const struct {
		int64_t issued;
		uint32_t lifetime;
		bool ok;
	} cases[] = {
		{RIG_UNIX_S, 600, true},
		{RIG_UNIX_S + 5, 600, true}, /* clocks differ a little */
		{RIG_UNIX_S + 6, 600, false},
		{RIG_UNIX_S - 600, 600, true},
		{RIG_UNIX_S - 604, 600, true},
		{RIG_UNIX_S - 605, 600, false},
		{0, UINT32_MAX, true},
		{0, 600, false},
		{(int64_t)1 << 40, 600, false},
		{RIG_UNIX_S, 0, true}, /* for five seconds */
		{RIG_UNIX_S - 5, 0, false},
		{((int64_t)1 << 48) - 1, UINT32_MAX, false},
	};

	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct as a = good("north");
		a.stamp = (uint64_t)cases[i].issued << 16;
		a.lifetime = cases[i].lifetime;
		struct client c = bearer(&a, 4000 + i);
		assert_int_equal(client_allocate(&c), cases[i].ok ? 0 : 401);
		if (cases[i].ok)
			assert_int_equal(client_refresh(&c, 0), 0);
	}
}

static void keys_have_their_time(void **state)
{
	struct as a = good("old");
	struct client c = bearer(&a, 4000);
	assert_int_equal(client_allocate(&c), 401);
	a = good("future");
	c = bearer(&a, 4001);
	assert_int_equal(client_allocate(&c), 401);
	rig_wait(&r, 1);
	assert_int_equal(client_allocate(&c), 0);
	a = good("nobody");
	c = bearer(&a, 4002);
	assert_int_equal(client_allocate(&c), 401);
	assert_int_equal(r.verdict.signal, SL_GUARD_SAW_UNKNOWN_USER);
}

static void a_short_token_makes_a_short_allocation(void **state)
{
	struct as a = good("north");
	a.lifetime = 100;
	struct client c = bearer(&a, 4000);

	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(r.answer.lifetime_s, 90);
}

static void without_aes_there_are_no_tokens(void **state)
{
	struct as a = good("north");
	struct client c = bearer(&a, 4000);

	r.turn[0].crypto.gcm_open = NULL;
	assert_int_equal(client_allocate(&c), 401);
}

static unsigned bind_to(struct client *c, uint32_t id)
{
	sl_stun_add_u32(client_ask(c, SL_TURN_CONNECTION_BIND), SL_ATTR_CONNECTION_ID, id);
	return client_go(c);
}

/* A client of thread 0 with this token. */
static struct client stream_bearer(const struct as *a, unsigned slot)
{
	struct client c = bearer(a, 7000 + slot);

	c.flow.transport = sl_stream_transport(SL_TURN_OVER_TCP, 0, 0, slot);
	client_login(&c);
	return c;
}

/* RFC 6062 4.4: a connection is bound with the allocation's credentials. The kid alone is everybody's; the key is good for as long as the allocation. */
static void a_connection_is_bound_with_the_allocations_key(void **state)
{
	static const uint8_t other_key[33] = "vutsrqponmlkjihgfedcba9876543210";
	struct as a = good("brief");
	uint32_t id[3];

	wire_open(&r);
	r.settings.tcp_relay = 1;
	rig_provision(&r, NULL, NULL);
	struct client c = stream_bearer(&a, 1);
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 6);
	assert_int_equal(client_go(&c), RIG_DROPPED + SL_N_DROPS);
	struct sl_stream_record in = {.kind = SL_STREAM_IN_TCP_LISTENING, .flow = c.flow, .allocation = sl_turn_id(&r.turn[0], client_alloc(&c))};
	sl_turn_stream_input(&r.turn[0], &in, &r.now, r.reply, sizeof r.reply);
	for (unsigned i = 0; i < SL_COUNT(id); i++) {
		char peer[40];
		snprintf(peer, sizeof peer, "203.0.113.1:%u", 700 + i);
		add_peer(client_ask(&c, SL_TURN_CONNECT), peer);
		assert_int_equal(client_go(&c), RIG_DROPPED + SL_N_DROPS);
		in.kind = SL_STREAM_IN_TCP_CONNECTED;
		in.connection = id[i] = wire_last()->connection;
		sl_turn_stream_input(&r.turn[0], &in, &r.now, r.reply, sizeof r.reply);
	}
	struct client thief = stream_bearer(&a, 2);
	thief.session_key = other_key;
	seal_with(&a, other_key);
	assert_int_equal(bind_to(&thief, id[0]), 441);
	struct client data = stream_bearer(&a, 3);
	assert_int_equal(bind_to(&data, id[0]), RIG_DROPPED + SL_N_DROPS);
	assert_int_equal(wire_heard()->cls, SL_STUN_SUCCESS);
	/* The authorisation server's key ends, and with it its tokens; the allocation has some minutes left. */
	struct client late[3] = {stream_bearer(&a, 4), stream_bearer(&a, 5), stream_bearer(&a, 6)};
	rig_wait(&r, 20);
	assert_int_equal(bind_to(&late[0], id[1]), RIG_DROPPED + SL_N_DROPS);
	late[1].token = NULL;
	assert_int_equal(bind_to(&late[1], id[2]), RIG_DROPPED + SL_N_DROPS);
	assert_int_equal(bind_to(&late[2], id[2] + 1), 401); /* nobody's */
	wire_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_offered_in_the_challenge, setup, teardown),
		cmocka_unit_test_setup_teardown(a_token_brings_its_key, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_cut_short_by_the_client, setup, teardown),
		cmocka_unit_test_setup_teardown(the_session_goes_on_with_the_key_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_token_renews, setup, teardown),
		cmocka_unit_test_setup_teardown(a_stale_refresh_renews_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_token_takes_nobody_elses_allocation_along, setup, teardown),
		cmocka_unit_test_setup_teardown(a_connection_is_bound_with_the_allocations_key, setup, teardown),
		cmocka_unit_test_setup_teardown(every_byte_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_inside_is_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(has_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(keys_have_their_time, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_token_makes_a_short_allocation, setup, teardown),
		cmocka_unit_test_setup_teardown(without_aes_there_are_no_tokens, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

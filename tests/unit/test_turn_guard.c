/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What strangers get out of TURN: answers that are short beside their requests, no more allocations than a source may have; and
 * what is remembered of them. */

#include "tests/unit/unit.h"

#include "dataplane/stream/stream.h"
#include "tests/unit/turn_rig.h"

enum { PERCENT = 300 };

static struct rig r;

static int setup(void **state)
{
	rig_open(&r, 1);
	r.guard = (struct sl_cmd_guard_policy){.enabled = 1, .reflection_percent = PERCENT};
	rig_guard(&r);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static void set_realm(unsigned len)
{
	memset(r.realm.name, 0, sizeof r.realm.name);
	memset(r.realm.name, 'r', len);
	rig_provision(&r, NULL, NULL);
}

static unsigned header_bytes(const struct client *c)
{
	return 8 + (sl_ip_is_v4(&c->flow.ip) ? 20 : 40);
}

/* ---- the reflection budget ---- */

/* First Allocates as clients send them: attributes without the header. RFC 8656 7.1 wants REQUESTED-TRANSPORT in each, so nothing that is legal
 * is smaller than the first, which is what Chromium's and our own client send. */
static const struct first_allocate {
	const char *of;
	bool fingerprint; /* and then FINGERPRINT */
	unsigned len;
	uint8_t attributes[40];
} first_allocates[] = {
	{"the smallest", false, 8, {0x00, 0x19, 0, 4, 17, 0, 0, 0}},
	{"the smallest with a fingerprint", true, 8, {0x00, 0x19, 0, 4, 17, 0, 0, 0}},
	{"coturn's turnutils_uclient 4.6.1", true, 32, {0x00, 0x19, 0, 4, 0x11, 0, 0, 0, 0x00, 0x0d, 0, 4, 0, 0, 0x03, 0x09,
		0x00, 0x18, 0, 1, 0x80, 0, 0, 0, 0x00, 0x17, 0, 4, 0x01, 0, 0, 0}},
	{"libnice, which names itself", false, 28, {0x00, 0x19, 0, 4, 17, 0, 0, 0, 0x80, 0x22, 0, 14, 'l', 'i', 'b', 'n', 'i', 'c', 'e', ' ',
		'0', '.', '1', '.', '2', '1', 0, 0}},
};

static void every_client_gets_its_401(void **state)
{
	static const char *const from[] = {"198.51.100.7:4000", "[2001:db8:7::7]:4000"};

	for (unsigned v6 = 0; v6 < 2; v6++) {
		for (unsigned i = 0; i < SL_COUNT(first_allocates); i++) {
			const struct first_allocate *a = &first_allocates[i];
			struct client c = client_at(&r, from[v6], v6);
			client_ask(&c, SL_TURN_ALLOCATE);
			c.fingerprint = a->fingerprint;
			memcpy(c.msg + c.b.len, a->attributes, a->len);
			c.b.len = (uint16_t)(c.b.len + a->len);
			c.msg[2] = (uint8_t)((c.b.len - 20) >> 8);
			c.msg[3] = (uint8_t)(c.b.len - 20);
			unsigned code = client_send(&c);
			if (code != 401)
				fail_msg("%s: %u", a->of, code);
			assert_true(r.answer.realm.off && r.answer.nonce.off && r.answer.password_algorithms.off);
			assert_true(r.answer.error_reason.len > 0);
			assert_true((r.verdict.reply_len + header_bytes(&c)) * 100 <= (c.b.len + header_bytes(&c)) * PERCENT);
		}
	}
}

/* As the realm grows the answer loses its phrase, and then it is not sent. */
static void shortened_then_dropped(void **state)
{
	bool bare = false, dropped = false;

	for (unsigned len = 4; len <= 80; len += 4) {
		struct client c = client_at(&r, "198.51.100.7:4000", 0);
		set_realm(len);
		add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
		uint64_t before = r.counters[0][SL_C_guard_challenges];
		unsigned code = client_send(&c);
		if (code == RIG_DROPPED + SL_DROP_reflection_limit) {
			dropped = true;
			assert_true(len > 52); /* as the check of the configuration has it */
			assert_int_equal(r.counters[0][SL_C_guard_challenges], before);
			continue;
		}
		assert_int_equal(code, 401);
		assert_false(dropped);
		assert_true(len <= 52);
		assert_true(!bare || r.answer.error_reason.len == 0);
		bare |= r.answer.error_reason.len == 0;
		assert_true((r.verdict.reply_len + 28u) * 100 <= (c.b.len + 28u) * PERCENT);
		assert_int_equal(r.counters[0][SL_C_guard_challenges], before + 1);
	}
	assert_true(bare && dropped);
}

static void who_is_not_bounded(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	set_realm(100);

	/* A connection: its client is where it says it is. */
	c.flow.transport = 6;
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	assert_int_equal(client_send(&c), 401);
	/* Dry run: it is counted, and goes out. */
	c.flow.transport = 17;
	r.guard.dry_run = 1;
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	assert_int_equal(client_send(&c), 401);
	assert_int_equal(r.would_drop[SL_DROP_reflection_limit], 1);
	r.guard.dry_run = 0;
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_reflection_limit);
	/* Not bounded at all: by option, or without a guard. */
	r.guard.reflection_percent = 0;
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	assert_int_equal(client_send(&c), 401);
	r.guard.reflection_percent = PERCENT;
	r.turn[0].guard = NULL;
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	assert_int_equal(client_send(&c), 401);
}

/* ---- bytes out of bytes in ---- */

struct row {
	const char *what, *answer;
	unsigned in[2], out[2]; /* IPv4, IPv6; STUN only */
};
static struct row rows[32];
static unsigned n_rows;

static void note(const struct client *c, const char *what, const char *answer)
{
	bool v6 = !sl_ip_is_v4(&c->flow.ip);
	unsigned i = 0;

	while (i < n_rows && (strcmp(rows[i].what, what) || strcmp(rows[i].answer, answer)))
		i++;
	assert_true(i < SL_COUNT(rows));
	n_rows += i == n_rows;
	rows[i].what = what;
	rows[i].answer = answer;
	rows[i].in[v6] = sl_stun_end(&c->b) + header_bytes(c);
	rows[i].out[v6] = r.verdict.action == SL_TURN_REPLY ? r.verdict.reply_len + header_bytes(c) : 0;
}

static void unauthenticated(const char *from, unsigned listener)
{
	struct client c = client_at(&r, from, listener), thief = c;
	uint8_t key[32];
	unsigned key_len;

	client_ask(&c, SL_STUN_BINDING);
	assert_int_equal(client_send(&c), 0);
	note(&c, "Binding", "success");
	sl_stun_add(client_ask(&c, SL_STUN_BINDING), 0x7abc, "", 0);
	assert_int_equal(client_send(&c), 420);
	note(&c, "Binding with an unknown attribute", "420");
	client_ask(&c, SL_STUN_BINDING);
	for (unsigned i = 0; i < 8; i++)
		sl_stun_add(&c.b, (uint16_t)(0x7a00 + i), "", 0);
	assert_int_equal(client_send(&c), 420);
	note(&c, "Binding with eight unknown attributes", "420");
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	assert_int_equal(client_send(&c), 401);
	note(&c, "Allocate, the smallest", "401");
	client_ask(&c, SL_TURN_ALLOCATE);
	unsigned code = client_send(&c);
	assert_true(code == 401 || code == RIG_DROPPED + SL_DROP_reflection_limit);
	note(&c, "Allocate without an attribute (malformed)", code == 401 ? "401" : "none");
	static const struct {
		unsigned method;
		const char *what;
	} others[] = {{SL_TURN_REFRESH, "Refresh without an attribute"}, {SL_TURN_CREATE_PERMISSION, "CreatePermission without an attribute"},
		{SL_TURN_CHANNEL_BIND, "ChannelBind without an attribute"}};
	for (unsigned i = 0; i < SL_COUNT(others); i++) {
		client_ask(&c, others[i].method);
		code = client_send(&c);
		note(&c, others[i].what, code == 401 ? "401" : "none");
	}
	/* An empty integrity draws 400 for want of a name: the smallest request that does. */
	add_transport(client_ask(&c, SL_TURN_ALLOCATE), 17);
	key_len = client_key(&c, key);
	sl_stun_add_integrity(&c.b, &rig_crypto, false, key, key_len);
	assert_int_equal(client_send(&c), 400);
	note(&c, "Allocate, signed, without name or nonce", "400");
	strcpy(thief.password, "x");
	assert_int_equal(client_allocate(&thief), 401);
	note(&thief, "Allocate, wrong password", "401");
	rig_wait(&r, r.settings.nonce_lifetime_s);
	assert_int_equal(client_allocate(&c), 438);
	note(&c, "Allocate, stale nonce", "438");
	client_begin(&c, SL_TURN_SEND, SL_STUN_INDICATION);
	add_peer(&c.b, "203.0.113.5:9");
	sl_stun_add(&c.b, SL_ATTR_DATA, "x", 1);
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_no_allocation);
	note(&c, "Send, Data, ChannelData without an allocation", "none");
}

static void amplification(void **state)
{
	r.settings.software[0] = 0;
	rig_provision(&r, NULL, NULL);
	unauthenticated("198.51.100.7:4000", 0);
	unauthenticated("[2001:db8:7::7]:4000", 1);
	print_message("| request | answer | IPv4 in | out | ratio | IPv6 in | out | ratio |\n|---|---|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < n_rows; i++) {
		const struct row *a = &rows[i];
		print_message("| %s | %s | %u | %u | %.2f | %u | %u | %.2f |\n", a->what, a->answer, a->in[0], a->out[0],
			(double)a->out[0] / a->in[0], a->in[1], a->out[1], (double)a->out[1] / a->in[1]);
		for (unsigned v6 = 0; v6 < 2; v6++)
			assert_true(a->out[v6] * 100 <= a->in[v6] * PERCENT);
	}
	/* The counters say the same of all of it. */
	assert_true(r.counters[0][SL_C_guard_challenge_bytes] * 100 <= r.counters[0][SL_C_guard_challenged_bytes] * PERCENT);
	assert_true(r.counters[0][SL_C_guard_challenges] > 0);
}

/* Nothing that a client can say draws more without authentication, whatever it is made of. */
static void fuzzed_requests_stay_below(void **state)
{
	struct sl_prng prng = {.key = {1, 2}};
	unsigned answered = 0;

	for (unsigned i = 0; i < 20000; i++) {
		struct client c = client_at(&r, i & 1 ? "198.51.100.7:4000" : "[2001:db8:7::7]:4000", !(i & 1));
		static const uint16_t methods[] = {SL_STUN_BINDING, SL_TURN_ALLOCATE, SL_TURN_REFRESH, SL_TURN_CREATE_PERMISSION, SL_TURN_CHANNEL_BIND};
		static const uint16_t types[] = {SL_ATTR_USERNAME, SL_ATTR_REALM, SL_ATTR_NONCE, SL_ATTR_SOFTWARE, SL_ATTR_REQUESTED_TRANSPORT,
			SL_ATTR_LIFETIME, SL_ATTR_MESSAGE_INTEGRITY, 0x7abc, 0x7abd, 0x0030};
		uint8_t bytes[48] = {0};
		client_ask(&c, methods[sl_prng_next(&prng) % SL_COUNT(methods)]);
		c.fingerprint = sl_prng_next(&prng) & 1;
		for (unsigned n = sl_prng_next(&prng) % 5; n > 0; n--) {
			uint16_t type = types[sl_prng_next(&prng) % SL_COUNT(types)];
			unsigned len = type == SL_ATTR_MESSAGE_INTEGRITY ? 20 : type == SL_ATTR_REQUESTED_TRANSPORT || type == SL_ATTR_LIFETIME ? 4 :
				sl_prng_next(&prng) % sizeof bytes;
			sl_stun_add(&c.b, type, bytes, len);
		}
		client_send(&c);
		if (r.verdict.action != SL_TURN_REPLY)
			continue;
		answered++;
		assert_true((r.verdict.reply_len + header_bytes(&c)) * 100 <= (sl_stun_end(&c.b) + header_bytes(&c)) * PERCENT);
	}
	assert_true(answered > 1000);
}

/* ---- who comes again ---- */

/* A flood of made-up addresses leaves those who came by a connection their answers: they ask once. */
static void streams_have_tokens_of_their_own(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0), tcp = client_at(&r, "198.51.100.7:4001", 0);
	unsigned n = 0;

	tcp.flow.transport = sl_stream_transport(SL_TURN_OVER_TCP, 0, 0, 0);
	r.turn[0].unauthenticated_pps = 100;
	r.come_again = false;
	for (unsigned i = 0; i < 1000; i++) {
		client_ask(&c, SL_STUN_BINDING);
		client_send(&c);
	}
	for (unsigned i = 0; i < 1000; i++) {
		client_ask(&tcp, SL_STUN_BINDING);
		n += client_send(&tcp) == 0;
	}
	assert_int_equal(n, 100);
}

static void strangers_beyond_half(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);
	unsigned n = 0;

	r.turn[0].unauthenticated_pps = 100;
	r.come_again = false;
	for (unsigned i = 0; i < 1000; i++) {
		client_ask(&c, SL_STUN_BINDING);
		n += client_send(&c) == 0;
	}
	assert_in_range(n, 50, 51); /* half is left for who comes again ... */
	r.come_again = true;
	for (n = 0; n < 1000; n++) {
		client_ask(&c, SL_STUN_BINDING);
		if (client_send(&c) != 0)
			break;
	}
	assert_in_range(n, 49, 50); /* ... and all of it is his */
	assert_int_equal(r.verdict.drop, SL_DROP_unauthenticated_limit);
	/* In dry run nobody has to come again, and who would have had to is counted. */
	r.now.ms += 1000;
	r.come_again = false;
	r.guard.dry_run = 1;
	for (n = 0; n < 1000; n++) {
		client_ask(&c, SL_STUN_BINDING);
		if (client_send(&c) != 0)
			break;
	}
	assert_int_equal(n, 100);
	assert_in_range(r.would_drop[SL_DROP_unauthenticated_limit], 49, 51);
	/* Without the guard the rate alone decides, as ever. */
	r.turn[0].guard = NULL;
	r.now.ms += 1000;
	for (n = 0; n < 1000; n++) {
		client_ask(&c, SL_STUN_BINDING);
		if (client_send(&c) != 0)
			break;
	}
	assert_int_equal(n, 100);
}

/* ---- allocations of a source ---- */

static unsigned allocate_from(struct client *c, const char *from)
{
	*c = client_at(&r, from, from[0] == '[');
	return client_allocate(c);
}

static void allocations_per_source(void **state)
{
	struct client c[8];

	r.guard.allocations_per_source = 2;
	assert_int_equal(allocate_from(&c[0], "198.51.100.7:4000"), 0);
	assert_int_equal(allocate_from(&c[1], "198.51.100.7:4001"), 0);
	assert_int_equal(allocate_from(&c[2], "198.51.100.7:4002"), 486);
	assert_int_equal(r.counters[0][SL_C_guard_allocations_refused], 1);
	assert_int_equal(r.sessions[0].n_active, 2);
	assert_int_equal(allocate_from(&c[3], "198.51.100.8:4000"), 0); /* somebody else */
	/* A retransmission and a refresh need no place. */
	assert_int_equal(client_refresh(&c[0], 600), 0);
	/* Each end gives its place back: the client's own ... */
	assert_int_equal(client_refresh(&c[0], 0), 0);
	assert_int_equal(client_allocate(&c[2]), 0);
	/* ... an operator's ... */
	assert_int_equal(sl_turn_delete(&r.turn[0], sl_turn_id(&r.turn[0], client_alloc(&c[1]))), 0);
	assert_int_equal(client_allocate(&c[0]), 0);
	assert_int_equal(client_allocate(&c[1]), 486);
	/* ... and that of time. */
	rig_wait(&r, 700);
	rig_tick(&r);
	assert_int_equal(r.sessions[0].n_active, 0);
	assert_int_equal(client_allocate(&c[0]), 0);
	assert_int_equal(client_allocate(&c[1]), 0);
	assert_int_equal(client_allocate(&c[2]), 486);
}

/* A refusal for any other reason holds no place. */
static void refused_otherwise(void **state)
{
	struct client c;

	r.guard.allocations_per_source = 1;
	r.realm.user_quota = 1;
	rig_provision(&r, NULL, NULL);
	assert_int_equal(allocate_from(&c, "198.51.100.7:4000"), 0);
	for (unsigned i = 0; i < 5; i++) {
		struct client other;
		assert_int_equal(allocate_from(&other, "198.51.100.8:4000"), 486); /* alice has hers */
	}
	struct client bob = client_at(&r, "198.51.100.8:4000", 0);
	bob.user = "bob";
	strcpy(bob.password, "builder");
	assert_int_equal(client_allocate(&bob), 0);
	/* And the user's count is given back when it was the source that had too many. */
	assert_int_equal(client_refresh(&c, 0), 0);
	struct client third = client_at(&r, "198.51.100.8:4001", 0);
	assert_int_equal(client_allocate(&third), 486);
	assert_int_equal(client_allocate(&c), 0);
}

static void allocations_per_prefix(void **state)
{
	static const char *const v4[] = {"198.51.100.1:1", "198.51.100.2:1", "198.51.100.255:1"};
	static const char *const v6[] = {"[2001:db8:7:1::1]:1", "[2001:db8:7:2::1]:1", "[2001:db8:7:3::1]:1"};
	struct client c;

	r.guard.allocations_per_prefix = 2;
	assert_int_equal(allocate_from(&c, v4[0]), 0);
	assert_int_equal(allocate_from(&c, v4[1]), 0);
	assert_int_equal(allocate_from(&c, v4[2]), 486);
	assert_int_equal(allocate_from(&c, "198.51.101.1:1"), 0);
	assert_int_equal(allocate_from(&c, v6[0]), 0);
	assert_int_equal(allocate_from(&c, v6[1]), 0);
	assert_int_equal(allocate_from(&c, v6[2]), 486);
	assert_int_equal(allocate_from(&c, "[2001:db8:8:3::1]:1"), 0);
	/* The address of one who was refused for his prefix has no count: its neighbour prefix lets it. */
	r.guard.allocations_per_prefix = 0;
	r.guard.allocations_per_source = 1;
	assert_int_equal(allocate_from(&c, v4[2]), 0);
}

/* Of IPv6 a source is a /64: a client has all of it. */
static void source_of_v6(void **state)
{
	struct client c;

	r.guard.allocations_per_source = 1;
	assert_int_equal(allocate_from(&c, "[2001:db8:7:1::1]:1"), 0);
	assert_int_equal(allocate_from(&c, "[2001:db8:7:1:ffff::2]:1"), 486);
	assert_int_equal(allocate_from(&c, "[2001:db8:7:2::1]:1"), 0);
}

static void allowed_and_dry(void **state)
{
	struct client c;

	r.guard.allocations_per_source = 1;
	assert_int_equal(allocate_from(&c, "198.51.100.7:4000"), 0);
	assert_int_equal(allocate_from(&c, "198.51.100.7:4001"), 486);
	r.allowed = true;
	assert_int_equal(allocate_from(&c, "198.51.100.7:4001"), 0);
	r.allowed = false;
	r.guard.dry_run = 1;
	assert_int_equal(allocate_from(&c, "198.51.100.7:4002"), 0);
	assert_int_equal(r.counters[0][SL_C_guard_allocations_refused], 2);
	/* All of them were counted: three ends, and one may come. */
	r.guard.dry_run = 0;
	assert_int_equal(client_refresh(&c, 0), 0);
	assert_int_equal(client_allocate(&c), 486);
	r.turn[0].guard = NULL;
	assert_int_equal(client_allocate(&c), 0);
}

static void counts_survive_a_restart(void **state)
{
	struct client c[3];

	r.guard.allocations_per_source = 2;
	assert_int_equal(allocate_from(&c[0], "198.51.100.7:4000"), 0);
	assert_int_equal(allocate_from(&c[1], "198.51.100.7:4001"), 0);
	rig_stop(&r);
	rig_start(&r, 1);
	rig_guard(&r);
	assert_int_equal(r.sessions[0].n_active, 2);
	assert_int_equal(allocate_from(&c[2], "198.51.100.7:4002"), 486);
	assert_int_equal(client_refresh(&c[0], 0), 0);
	assert_int_equal(client_allocate(&c[2]), 0);
	assert_int_equal(client_allocate(&c[0]), 486);
}

/* ---- signals ---- */

static void what_is_remembered(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	/* A first request, a stale nonce: as everybody does. */
	client_login(&c);
	assert_int_equal(r.verdict.signal, SL_TURN_NO_SIGNAL);
	strcpy(c.password, "x");
	assert_int_equal(client_allocate(&c), 401);
	assert_int_equal(r.verdict.signal, SL_GUARD_SAW_AUTH_FAILED);
	c.user = "mallory";
	assert_int_equal(client_allocate(&c), 401);
	assert_int_equal(r.verdict.signal, SL_GUARD_SAW_UNKNOWN_USER);
	c.userhash = true;
	assert_int_equal(client_allocate(&c), 401);
	assert_int_equal(r.verdict.signal, SL_GUARD_SAW_UNKNOWN_USER);
	/* Nobody is blamed for what another sends in his name: that one has not got our nonce. */
	c.nonce[20] ^= 1;
	assert_int_equal(client_allocate(&c), 401);
	assert_int_equal(r.verdict.signal, SL_TURN_NO_SIGNAL);
	c = client_at(&r, "198.51.100.7:4000", 0);
	rig_wait(&r, 1);
	assert_int_equal(client_allocate(&c), 0);
	assert_int_equal(r.verdict.signal, SL_TURN_NO_SIGNAL);
	assert_int_equal(client_permit(&c, "127.0.0.1:0"), 403);
	assert_int_equal(r.verdict.signal, SL_GUARD_SAW_FORBIDDEN);
	client_ask(&c, SL_STUN_BINDING);
	c.b.len = (uint16_t)(c.b.len + 4);
	c.msg[3] = 4;
	memcpy(c.msg + 20, "\x00\x06\x00\x40", 4); /* overruns */
	assert_int_equal(client_send(&c), RIG_DROPPED + SL_DROP_stun_malformed);
	assert_int_equal(r.verdict.signal, SL_GUARD_SAW_MALFORMED);
}

/* The rate of answers hides nothing: who guesses passwords is remembered though he gets none. */
static void remembered_without_an_answer(void **state)
{
	struct client c = client_at(&r, "198.51.100.7:4000", 0);

	client_login(&c);
	strcpy(c.password, "x");
	r.turn[0].unauthenticated_pps = 1;
	client_ask(&c, SL_STUN_BINDING);
	assert_int_equal(client_send(&c), 0);
	assert_int_equal(client_allocate(&c), RIG_DROPPED + SL_DROP_unauthenticated_limit);
	assert_int_equal(r.verdict.signal, SL_GUARD_SAW_AUTH_FAILED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_client_gets_its_401),
		TEST(shortened_then_dropped),
		TEST(who_is_not_bounded),
		TEST(amplification),
		TEST(fuzzed_requests_stay_below),
		TEST(streams_have_tokens_of_their_own),
		TEST(strangers_beyond_half),
		TEST(allocations_per_source),
		TEST(refused_otherwise),
		TEST(allocations_per_prefix),
		TEST(source_of_v6),
		TEST(allowed_and_dry),
		TEST(counts_survive_a_restart),
		TEST(what_is_remembered),
		TEST(remembered_without_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* STUN against the published vectors, builder against parser, and hostile input at a guard page. */

#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "dataplane/wire/siphash.h"
#include "dataplane/wire/stun.h"
#include "tests/unit/guard.h"
#include "tests/unit/stun_vectors.h"

static void hmac(const EVP_MD *md, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n,
        uint8_t *out)
{
	uint8_t all[2048];
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		memcpy(all + len, iov[i].base, iov[i].len);
		len += iov[i].len;
	}
	assert_non_null(HMAC(md, key, (int)key_len, all, len, out, NULL));
}

static void hmac_sha1(
        void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	hmac(EVP_sha1(), key, key_len, iov, n, out);
}

static void hmac_sha256(
        void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	hmac(EVP_sha256(), key, key_len, iov, n, out);
}

static const struct sl_stun_crypto crypto = {NULL, hmac_sha1, hmac_sha256};

static bool integrity_ok(const struct sl_stun *m, bool sha256, const char *key)
{
	return sl_stun_integrity_ok(m, &crypto, sha256, (const uint8_t *)key, strlen(key));
}

static void span_is(const struct sl_stun *m, struct sl_span s, const char *text)
{
	assert_int_not_equal(s.off, 0);
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(sl_span_at(m, s), text, s.len);
}

static void endpoint_is(const struct sl_endpoint *ep, const char *text)
{
	char buf[SL_ADDR_TEXT_MAX];

	assert_string_equal(sl_endpoint_text(ep, buf), text);
}

static void rfc5769_request(void **state)
{
	struct sl_stun m;

	assert_int_equal(sl_stun_parse(vector_request, sizeof vector_request, &m), SL_STUN_OK);
	assert_int_equal(m.method, SL_STUN_BINDING);
	assert_int_equal(m.cls, SL_STUN_REQUEST);
	assert_memory_equal(m.tid, vector_request + 8, 12);
	span_is(&m, m.software, "STUN test client");
	span_is(&m, m.username, "evtj:h6vY");
	assert_int_equal(m.n_unknown, 1); /* PRIORITY is ICE's; ICE-CONTROLLED may be ignored */
	assert_int_equal(m.unknown[0], 0x0024);
	assert_true(m.has_fingerprint);
	assert_true(integrity_ok(&m, false, VECTOR_PASSWORD));
	assert_false(integrity_ok(&m, false, "VOkJxbRl1RmTxUk/WvJxBu"));
	assert_false(integrity_ok(&m, true, VECTOR_PASSWORD)); /* absent */
}

static void rfc5769_responses(void **state)
{
	struct sl_stun m;

	assert_int_equal(sl_stun_parse(vector_response4, sizeof vector_response4, &m), SL_STUN_OK);
	assert_int_equal(m.method, SL_STUN_BINDING);
	assert_int_equal(m.cls, SL_STUN_SUCCESS);
	span_is(&m, m.software, "test vector");
	assert_true(m.has_mapped);
	endpoint_is(&m.mapped, "192.0.2.1:32853");
	assert_true(m.has_fingerprint);
	assert_true(integrity_ok(&m, false, VECTOR_PASSWORD));

	assert_int_equal(sl_stun_parse(vector_response6, sizeof vector_response6, &m), SL_STUN_OK);
	assert_true(m.has_mapped);
	endpoint_is(&m.mapped, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
	assert_true(m.has_fingerprint);
	assert_true(integrity_ok(&m, false, VECTOR_PASSWORD));
}

/* The long-term key (RFC 8489 9.2.2): a digest of user:realm:password. */
static void long_term_key(const EVP_MD *md, uint8_t *key)
{
	static const char text[] = VECTOR_USER ":example.org:TheMatrIX";

	assert_int_equal(EVP_Digest(text, sizeof text - 1, key, NULL, md, NULL), 1);
}

static void rfc5769_long_term(void **state)
{
	struct sl_stun m;
	uint8_t key[16];

	long_term_key(EVP_md5(), key);
	assert_int_equal(sl_stun_parse(vector_long_term, sizeof vector_long_term, &m), SL_STUN_OK);
	span_is(&m, m.username, VECTOR_USER);
	span_is(&m, m.nonce, "f//499k954d6OL34oL9FSTvy64sA");
	span_is(&m, m.realm, "example.org");
	assert_false(m.has_fingerprint);
	assert_true(sl_stun_integrity_ok(&m, &crypto, false, key, sizeof key));
	key[0] ^= 1;
	assert_false(sl_stun_integrity_ok(&m, &crypto, false, key, sizeof key));
}

static void rfc8489_b1(void **state)
{
	static const char user_realm[] = VECTOR_USER ":example.org";
	struct sl_stun m;
	uint8_t key[32], userhash[32];

	long_term_key(EVP_sha256(), key);
	assert_int_equal(
	        EVP_Digest(user_realm, sizeof user_realm - 1, userhash, NULL, EVP_sha256(), NULL), 1);
	assert_int_equal(sl_stun_parse(vector_userhash, sizeof vector_userhash, &m), SL_STUN_OK);
	assert_int_equal(m.userhash.len, 32);
	assert_memory_equal(sl_span_at(&m, m.userhash), userhash, 32);
	span_is(&m, m.nonce, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
	span_is(&m, m.realm, "example.org");
	assert_int_equal(m.password_algorithm_number, SL_PASSWORD_SHA256);
	assert_int_equal(m.username.off, 0);
	assert_int_equal(m.integrity_sha256.len, 32);
	assert_true(sl_stun_integrity_ok(&m, &crypto, true, key, sizeof key));
	assert_false(sl_stun_integrity_ok(&m, &crypto, false, key, sizeof key)); /* absent */
	key[31] ^= 0x80;
	assert_false(sl_stun_integrity_ok(&m, &crypto, true, key, sizeof key));
}

/* The builder makes the vectors that pad with zeros byte for byte. */
static void builder_makes_the_rfc8489_vector(void **state)
{
	uint8_t buf[256], key[32], value[4] = {0, SL_PASSWORD_SHA256, 0, 0};
	struct sl_stun_builder b;
	const uint8_t *v = vector_userhash;

	memset(buf, 0xff, sizeof buf); /* padding must be written, not found */
	long_term_key(EVP_sha256(), key);
	sl_stun_begin(&b, buf, sizeof buf, SL_STUN_BINDING, SL_STUN_REQUEST, v + 8);
	sl_stun_add(&b, SL_ATTR_USERHASH, v + 24, 32);
	sl_stun_add(&b, SL_ATTR_NONCE, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA", 41);
	sl_stun_add(&b, SL_ATTR_REALM, "example.org", 11);
	sl_stun_add(&b, SL_ATTR_PASSWORD_ALGORITHM, value, sizeof value);
	sl_stun_add_integrity(&b, &crypto, true, key, sizeof key);
	assert_int_equal(sl_stun_end(&b), sizeof vector_userhash);
	assert_memory_equal(buf, v, sizeof vector_userhash);
}

static const uint8_t tid[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* One message with every attribute the builder knows. */
static size_t build_everything(uint8_t *buf, size_t cap)
{
	struct sl_stun_builder b;
	struct sl_endpoint ep4, ep6;
	const uint16_t unknown[3] = {0x7ffe, 0x0002, 0x0024};

	sl_endpoint_parse("203.0.113.7:49152", &ep4);
	sl_endpoint_parse("[2001:db8::7]:65535", &ep6);
	sl_stun_begin(&b, buf, cap, SL_TURN_ALLOCATE, SL_STUN_ERROR, tid);
	sl_stun_add_error(&b, 401);
	sl_stun_add_unknown(&b, unknown, 3);
	sl_stun_add(&b, SL_ATTR_USERNAME, "u", 1);
	sl_stun_add(&b, SL_ATTR_REALM, "re", 2);
	sl_stun_add(&b, SL_ATTR_NONCE, "non", 3);
	sl_stun_add(&b, SL_ATTR_SOFTWARE, "soft", 4);
	sl_stun_add(&b, SL_ATTR_DATA, NULL, 0);
	sl_stun_add(&b, SL_ATTR_RESERVATION_TOKEN, "12345678", 8);
	sl_stun_add(&b, SL_ATTR_PASSWORD_ALGORITHMS, "\0\2\0\0\0\1\0\0", 8);
	sl_stun_add_u32(&b, SL_ATTR_LIFETIME, 3600);
	sl_stun_add_u32(&b, SL_ATTR_CHANNEL_NUMBER, 0x4001u << 16);
	sl_stun_add_u32(&b, SL_ATTR_REQUESTED_TRANSPORT, 17u << 24);
	sl_stun_add_u32(&b, SL_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
	sl_stun_add_u32(&b, SL_ATTR_ADDITIONAL_ADDRESS_FAMILY, 1u << 24);
	sl_stun_add(&b, SL_ATTR_EVEN_PORT, "\x80", 1);
	sl_stun_add(&b, SL_ATTR_DONT_FRAGMENT, NULL, 0);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_MAPPED_ADDRESS, &ep4);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_RELAYED_ADDRESS, &ep6);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_PEER_ADDRESS, &ep6);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_PEER_ADDRESS, &ep4);
	sl_stun_add_integrity(&b, &crypto, false, (const uint8_t *)"key", 3);
	sl_stun_add_integrity(&b, &crypto, true, (const uint8_t *)"key", 3);
	sl_stun_add_fingerprint(&b);
	return sl_stun_end(&b);
}

static void what_is_built_is_parsed(void **state)
{
	uint8_t buf[1024];
	struct sl_stun m;
	size_t len = build_everything(buf, sizeof buf);

	assert_int_not_equal(len, 0);
	memset(&m, 0xa5, sizeof m);
	assert_int_equal(sl_stun_parse(buf, len, &m), SL_STUN_OK);
	assert_int_equal(m.len, len);
	assert_int_equal(m.method, SL_TURN_ALLOCATE);
	assert_int_equal(m.cls, SL_STUN_ERROR);
	assert_memory_equal(m.tid, tid, 12);
	assert_int_equal(m.error_code, 401);
	span_is(&m, m.error_reason, "Unauthenticated");
	span_is(&m, m.username, "u");
	span_is(&m, m.realm, "re");
	span_is(&m, m.nonce, "non");
	span_is(&m, m.software, "soft");
	span_is(&m, m.data, "");
	span_is(&m, m.reservation_token, "12345678");
	assert_int_equal(m.password_algorithms.len, 8);
	assert_int_equal(m.password_algorithm_number, 0);
	assert_true(m.has_lifetime && m.has_channel && m.has_transport && m.has_family &&
	            m.has_additional_family);
	assert_true(
	        m.has_even_port && m.even_port_reserve && m.dont_fragment && m.has_mapped && m.has_relayed);
	assert_int_equal(m.lifetime_s, 3600);
	assert_int_equal(m.channel, 0x4001);
	assert_int_equal(m.transport, 17);
	assert_int_equal(m.family, 2);
	assert_int_equal(m.additional_family, 1);
	endpoint_is(&m.mapped, "203.0.113.7:49152");
	endpoint_is(&m.relayed, "[2001:db8::7]:65535");
	assert_int_equal(m.n_peers, 2);
	assert_false(m.too_many_peers);
	endpoint_is(&m.peers[0], "[2001:db8::7]:65535");
	endpoint_is(&m.peers[1], "203.0.113.7:49152");
	assert_int_equal(m.n_unknown, 0);
	assert_true(m.has_fingerprint);
	assert_true(integrity_ok(&m, false, "key"));
	assert_true(integrity_ok(&m, true, "key"));
	assert_false(integrity_ok(&m, false, "kez"));
	assert_false(integrity_ok(&m, true, "kez"));
}

static void a_message_without_attributes_leaves_nothing_behind(void **state)
{
	uint8_t buf[20];
	struct sl_stun m;
	struct sl_stun_builder b;

	memset(&m, 0xa5, sizeof m);
	sl_stun_begin(&b, buf, sizeof buf, 0xabc, SL_STUN_INDICATION, tid);
	assert_int_equal(sl_stun_end(&b), 20);
	assert_int_equal(sl_stun_parse(buf, 20, &m), SL_STUN_OK);
	assert_int_equal(m.method, 0xabc);
	assert_int_equal(m.cls, SL_STUN_INDICATION);
	assert_false(m.has_lifetime || m.has_channel || m.has_transport || m.has_family ||
	             m.has_additional_family);
	assert_false(
	        m.has_even_port || m.dont_fragment || m.has_mapped || m.has_relayed || m.has_fingerprint);
	assert_int_equal(m.username.off | m.userhash.off | m.realm.off | m.nonce.off | m.software.off, 0);
	assert_int_equal(m.integrity.off | m.integrity_sha256.off | m.data.off | m.reservation_token.off, 0);
	assert_int_equal(m.password_algorithms.off | m.password_algorithm.off | m.error_reason.off, 0);
	assert_int_equal(m.error_code | m.password_algorithm_number, 0);
	assert_int_equal(m.n_peers | m.n_unknown | m.too_many_peers, 0);
}

/* Every method and class survives the interleaving of RFC 8489 figure 3. */
static void every_type_goes_round(void **state)
{
	uint8_t buf[20];
	struct sl_stun m;
	struct sl_stun_builder b;

	for (unsigned method = 0; method < 0x1000; method++) {
		for (unsigned cls = 0; cls < 4; cls++) {
			sl_stun_begin(&b, buf, sizeof buf, (uint16_t)method, (enum sl_stun_class)cls, tid);
			assert_int_equal(sl_stun_parse(buf, sl_stun_end(&b), &m), SL_STUN_OK);
			assert_int_equal(m.method, method);
			assert_int_equal(m.cls, cls);
		}
	}
}

/* Whatever the room, the builder stays inside it and says when it did not suffice. */
static void builder_stays_in_its_buffer(void **state)
{
	uint8_t whole[1024];
	size_t len = build_everything(whole, sizeof whole);
	struct sl_guard g = sl_guard_make(sizeof whole);

	for (size_t cap = 0; cap < len; cap++)
		assert_int_equal(build_everything(g.map + g.usable - cap, cap), 0);
	assert_int_equal(build_everything(g.map + g.usable - len, len), len);
	assert_memory_equal(g.map + g.usable - len, whole, len);

	struct sl_stun_builder b;
	sl_stun_begin(&b, whole, 28, SL_STUN_BINDING, SL_STUN_SUCCESS, tid);
	sl_stun_add(&b, SL_ATTR_DATA, "12345", 5);
	assert_int_equal(b.len, 20);
	sl_stun_add_u32(&b, SL_ATTR_LIFETIME, 1); /* would fit, but something is missing before it */
	assert_int_equal(b.len, 20);
	assert_int_equal(sl_stun_end(&b), 0);
	sl_guard_free(&g);
}

/* Cut anywhere, a message is not STUN by its length field; with the field repaired it is parsed to its end
 * and not beyond. */
static void truncations_at_the_guard_page(void **state)
{
	uint8_t whole[1024];
	size_t len = build_everything(whole, sizeof whole);
	struct sl_guard g = sl_guard_make(sizeof whole);
	struct sl_stun m;

	for (size_t n = 0; n < len; n++) {
		uint8_t *at = sl_guard_put(&g, whole, n);

		assert_int_equal(sl_stun_parse(at, n, &m), SL_STUN_NOT_STUN);
		if (n < SL_STUN_HEADER_BYTES)
			continue;
		at[2] = (uint8_t)((n - 20) >> 8);
		at[3] = (uint8_t)(n - 20);
		enum sl_stun_parse r = sl_stun_parse(at, n, &m);
		if (n % 4 != 0)
			assert_int_equal(r, SL_STUN_NOT_STUN);
		else
			assert_true(r == SL_STUN_OK || r == SL_STUN_MALFORMED);
		if (r == SL_STUN_OK) {
			integrity_ok(&m, false, "key");
			integrity_ok(&m, true, "key");
		}
	}
	assert_int_equal(sl_stun_parse(sl_guard_put(&g, whole, len), len, &m), SL_STUN_OK);
	sl_guard_free(&g);
}

static void one_flipped_bit_is_noticed(void **state)
{
	uint8_t buf[sizeof vector_request];
	struct sl_stun m;

	for (unsigned bit = 0; bit < 8 * sizeof buf; bit++) {
		memcpy(buf, vector_request, sizeof buf);
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (sl_stun_parse(buf, sizeof buf, &m) ==
		        SL_STUN_OK) /* its FINGERPRINT became another attribute */
			assert_false(m.has_fingerprint);
	}
	memcpy(buf, vector_request, sizeof buf);
	buf[sizeof buf - 1] ^= 1;
	assert_int_equal(sl_stun_parse(buf, sizeof buf, &m), SL_STUN_BAD_FINGERPRINT);
}

static void spans_lie_inside(const struct sl_stun *m)
{
	const struct sl_span spans[] = {m->username, m->userhash, m->realm, m->nonce, m->software,
	        m->password_algorithms, m->password_algorithm, m->integrity, m->integrity_sha256, m->data,
	        m->reservation_token, m->error_reason};

	for (unsigned i = 0; i < SL_COUNT(spans); i++)
		assert_true(
		        spans[i].off == 0 || (spans[i].off >= 24 && spans[i].off + spans[i].len <= m->len));
	assert_true(m->n_peers <= SL_STUN_MAX_PEERS && m->n_unknown <= SL_STUN_MAX_UNKNOWN);
}

/* Random damage behind the header, with a fixed seed: no crash, and whatever is accepted is coherent. */
static void mutations_at_the_guard_page(void **state)
{
	enum { ROUNDS = 200000, MAX_HITS = 6 };
	struct sl_prng rnd = {{1, 2}, 0};
	uint8_t whole[1024];
	size_t len = build_everything(whole, sizeof whole) - 8; /* a FINGERPRINT would hide the rest */
	struct sl_guard g = sl_guard_make(sizeof whole);
	struct sl_stun m;
	unsigned accepted = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t n = 20 + sl_prng_next(&rnd) % (len - 20) / 4 * 4;
		uint8_t *at = sl_guard_put(&g, whole, n);

		at[2] = (uint8_t)((n - 20) >> 8);
		at[3] = (uint8_t)(n - 20);
		for (uint64_t hits = sl_prng_next(&rnd) % MAX_HITS; hits > 0 && n > 20; hits--) {
			uint64_t r = sl_prng_next(&rnd);

			at[20 + r % (n - 20)] = (uint8_t)(r >> 32);
		}
		if (sl_stun_parse(at, n, &m) != SL_STUN_OK)
			continue;
		accepted++;
		spans_lie_inside(&m);
		integrity_ok(&m, false, "key");
		integrity_ok(&m, true, "key");
	}
	assert_true(accepted > ROUNDS / 20); /* the loop tests something */
	sl_guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rfc5769_request),
	        cmocka_unit_test(rfc5769_responses),
	        cmocka_unit_test(rfc5769_long_term),
	        cmocka_unit_test(rfc8489_b1),
	        cmocka_unit_test(builder_makes_the_rfc8489_vector),
	        cmocka_unit_test(what_is_built_is_parsed),
	        cmocka_unit_test(a_message_without_attributes_leaves_nothing_behind),
	        cmocka_unit_test(every_type_goes_round),
	        cmocka_unit_test(builder_stays_in_its_buffer),
	        cmocka_unit_test(truncations_at_the_guard_page),
	        cmocka_unit_test(one_flipped_bit_is_noticed),
	        cmocka_unit_test(mutations_at_the_guard_page),
	};

	return cmocka_run_group_tests_name("stun", tests, NULL, NULL);
}

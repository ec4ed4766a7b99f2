/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What the STUN parser accepts, attribute by attribute, and what it ignores. */

#include "tests/unit/unit.h"

#include "dataplane/wire/crc32.h"
#include "dataplane/wire/stun.h"
#include "tests/unit/guard.h"

static const uint8_t tid[12] = {9};
static struct sl_guard guard;

/* A growing message in a static buffer: start(), attr() as often as wanted, parse(). */
static uint8_t buf[2048];
static struct sl_stun_builder b;
static struct sl_stun m;

static void start(void)
{
	sl_stun_begin(&b, buf, sizeof buf, SL_TURN_ALLOCATE, SL_STUN_REQUEST, tid);
}

static void attr(unsigned type, const void *value, size_t len)
{
	sl_stun_add(&b, (uint16_t)type, value, len);
}

static enum sl_stun_parse parse(void)
{
	size_t len = sl_stun_end(&b);

	assert_int_not_equal(len, 0);
	return sl_stun_parse(sl_guard_put(&guard, buf, len), len, &m);
}

static const uint8_t filler[1024]; /* zeros */

static enum sl_stun_parse parse_one(unsigned type, size_t len)
{
	start();
	attr(type, filler, len);
	return parse();
}

static void lengths_of_known_attributes(void **state)
{
	static const struct {
		unsigned type, min, max, step;
	} rules[] = {
	        {SL_ATTR_USERNAME, 0, 508, 1}, {SL_ATTR_REALM, 0, SL_STUN_REALM_MAX, 1},
	        {SL_ATTR_NONCE, 0, SL_STUN_NONCE_MAX, 1}, {SL_ATTR_SOFTWARE, 0, 763, 1},
	        {SL_ATTR_USERHASH, 32, 32, 1}, {SL_ATTR_MESSAGE_INTEGRITY, 20, 20, 1},
	        {SL_ATTR_MESSAGE_INTEGRITY_SHA256, 16, 32, 4}, {SL_ATTR_CHANNEL_NUMBER, 4, 4, 1},
	        {SL_ATTR_LIFETIME, 4, 4, 1}, {SL_ATTR_REQUESTED_TRANSPORT, 4, 4, 1},
	        {SL_ATTR_REQUESTED_ADDRESS_FAMILY, 4, 4, 1}, {SL_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, 4, 1},
	        {SL_ATTR_EVEN_PORT, 1, 1, 1}, {SL_ATTR_DONT_FRAGMENT, 0, 0, 1},
	        {SL_ATTR_RESERVATION_TOKEN, 8, 8, 1}, {SL_ATTR_ICMP, 8, 8, 1},
	        {SL_ATTR_UNKNOWN_ATTRIBUTES, 0, 1024, 2}, {SL_ATTR_ADDRESS_ERROR_CODE, 4, 1024, 1},
	        {SL_ATTR_DATA, 0, 1024, 1}, {0x7abc, 0, 1024, 1}, /* unknown */
	};

	for (unsigned i = 0; i < SL_COUNT(rules); i++) {
		for (unsigned len = 0; len <= sizeof filler; len++) {
			bool good = len >= rules[i].min && len <= rules[i].max && len % rules[i].step == 0;

			if ((parse_one(rules[i].type, len) == SL_STUN_OK) != good)
				fail_msg("attribute 0x%04x of %u bytes", rules[i].type, len);
		}
	}
	for (unsigned len = 0; len <= 32; len++) {
		enum sl_stun_parse want = len == 4 ? SL_STUN_BAD_FINGERPRINT : SL_STUN_MALFORMED;

		assert_int_equal(parse_one(SL_ATTR_FINGERPRINT, len), want);
	}
}

static void addresses_need_their_familys_length(void **state)
{
	static const unsigned types[] = {SL_ATTR_MAPPED_ADDRESS, SL_ATTR_XOR_MAPPED_ADDRESS,
	        SL_ATTR_XOR_PEER_ADDRESS, SL_ATTR_XOR_RELAYED_ADDRESS};
	uint8_t value[32] = {0};

	for (unsigned i = 0; i < SL_COUNT(types); i++) {
		for (unsigned family = 0; family < 256; family++) {
			for (unsigned len = 0; len <= sizeof value; len++) {
				bool good = (family == 1 && len == 8) || (family == 2 && len == 20);

				value[1] = (uint8_t)family;
				start();
				attr(types[i], value, len);
				assert_int_equal(parse() == SL_STUN_OK, good);
			}
		}
	}
}

static void mapped_ipv6_peer_is_ipv4(void **state)
{
	static const uint8_t v6[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
	uint8_t value[20] = {0, 2};

	start();
	for (unsigned i = 0; i < 16; i++)
		value[4 + i] = v6[i] ^ buf[4 + i];
	attr(SL_ATTR_XOR_PEER_ADDRESS, value, sizeof value);
	assert_int_equal(parse(), SL_STUN_OK);
	assert_true(sl_ip_is_v4(&m.peers[0].ip));
	assert_int_equal(sl_ip_v4_be(&m.peers[0].ip), htonl(0x7f000001));
}

static void password_algorithms_are_walked(void **state)
{
	static const struct {
		uint8_t value[16];
		uint8_t len;
		bool list, single;
	} cases[] = {
	        {{0}, 0, false, false},
	        {{0, 1}, 2, false, false},
	        {{0, 1, 0, 0}, 4, true, true},
	        {{0, 2, 0, 0, 0, 1, 0, 0}, 8, true, false},
	        {{0, 9, 0, 3, 1, 2, 3, 0}, 8, true, true},
	        {{0, 9, 0, 3, 1, 2, 3}, 7, true, true}, /* unpadded at its end */
	        {{0, 9, 0, 3, 1, 2, 3, 0, 0, 1, 0, 0}, 12, true, false},
	        {{0, 9, 0, 9, 1, 2, 3, 0, 0, 1, 0, 0}, 12, false, false},
	        {{0, 9, 0xff, 0xff}, 4, false, false},
	        {{0, 1, 0, 0, 0}, 5, false, false},
	};

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		start();
		attr(SL_ATTR_PASSWORD_ALGORITHMS, cases[i].value, cases[i].len);
		assert_int_equal(parse() == SL_STUN_OK, cases[i].list);
		start();
		attr(SL_ATTR_PASSWORD_ALGORITHM, cases[i].value, cases[i].len);
		assert_int_equal(parse() == SL_STUN_OK, cases[i].single);
		if (cases[i].single)
			assert_int_equal(m.password_algorithm_number, cases[i].value[1]);
	}
}

static void error_codes_are_3xx_to_6xx(void **state)
{
	for (unsigned cls = 0; cls < 8; cls++) {
		for (unsigned number = 0; number < 256; number++) {
			const uint8_t value[4] = {0, 0, (uint8_t)cls, (uint8_t)number};
			bool good = cls >= 3 && cls <= 6 && number < 100;

			start();
			attr(SL_ATTR_ERROR_CODE, value, sizeof value);
			assert_int_equal(parse() == SL_STUN_OK, good);
			if (good)
				assert_int_equal(m.error_code, cls * 100 + number);
		}
	}
}

static void the_first_of_a_repeated_attribute_counts(void **state)
{
	start();
	sl_stun_add_u32(&b, SL_ATTR_LIFETIME, 1);
	sl_stun_add_u32(&b, SL_ATTR_LIFETIME, 2);
	attr(SL_ATTR_USERNAME, "", 0);
	attr(SL_ATTR_USERNAME, "second", 6);
	attr(SL_ATTR_EVEN_PORT, "\x00", 1);
	attr(SL_ATTR_EVEN_PORT, "\x80", 1);
	assert_int_equal(parse(), SL_STUN_OK);
	assert_int_equal(m.lifetime_s, 1);
	assert_int_not_equal(m.username.off, 0);
	assert_int_equal(m.username.len, 0);
	assert_true(m.has_even_port);
	assert_false(m.even_port_reserve);
}

static void peers_and_unknowns_are_bounded(void **state)
{
	struct sl_endpoint ep;

	sl_endpoint_parse("192.0.2.1:1", &ep);
	for (unsigned n = 0; n <= SL_STUN_MAX_PEERS + 2; n++) {
		start();
		for (unsigned i = 0; i < n; i++) {
			sl_stun_add_xor_addr(&b, SL_ATTR_XOR_PEER_ADDRESS, &ep);
			attr(0x7000 + i, "x", 1);
			attr(0xc000 + i, "x", 1); /* comprehension-optional */
		}
		assert_int_equal(parse(), SL_STUN_OK);
		assert_int_equal(m.n_peers, n < SL_STUN_MAX_PEERS ? n : SL_STUN_MAX_PEERS);
		assert_int_equal(m.too_many_peers, n > SL_STUN_MAX_PEERS);
		assert_int_equal(m.n_unknown, n < SL_STUN_MAX_UNKNOWN ? n : SL_STUN_MAX_UNKNOWN);
		for (unsigned i = 0; i < m.n_unknown; i++)
			assert_int_equal(m.unknown[i], 0x7000 + i);
	}
}

/* Every attribute of the list is known: none may end up in a 420 answer. */
static void no_known_attribute_is_called_unknown(void **state)
{
	static const unsigned types[] = {
#define X(name, type) type,
	        SL_STUN_ATTRS(X)
#undef X
	};

	for (unsigned i = 0; i < SL_COUNT(types); i++) {
		for (unsigned len = 0; len <= 32; len++) {
			/* An address of family 1, an error 400, or an algorithm without parameters. */
			const uint8_t value[32] = {0, 1, types[i] == SL_ATTR_ERROR_CODE ? 4 : 0};

			start();
			attr(types[i], value, len);
			if (parse() == SL_STUN_OK)
				assert_int_equal(m.n_unknown, 0);
		}
	}
}

static void after_integrity_little_counts(void **state)
{
	start();
	attr(SL_ATTR_MESSAGE_INTEGRITY, filler, 20);
	attr(SL_ATTR_USERNAME, "late", 4);
	attr(SL_ATTR_LIFETIME, "wrong length", 12); /* ignored, so not even judged */
	attr(0x7fff, "x", 1);
	attr(SL_ATTR_MESSAGE_INTEGRITY, filler, 3);
	attr(SL_ATTR_MESSAGE_INTEGRITY_SHA256, filler, 32);
	attr(SL_ATTR_REALM, "late", 4);
	attr(SL_ATTR_MESSAGE_INTEGRITY_SHA256, filler, 1);
	sl_stun_add_fingerprint(&b);
	assert_int_equal(parse(), SL_STUN_OK);
	assert_int_equal(m.username.off | m.realm.off | m.has_lifetime | m.n_unknown, 0);
	assert_int_equal(m.integrity.off, 24);
	assert_int_equal(m.integrity_sha256.len, 32);
	assert_true(m.has_fingerprint);

	start();
	attr(SL_ATTR_MESSAGE_INTEGRITY_SHA256, filler, 32);
	attr(SL_ATTR_MESSAGE_INTEGRITY, filler, 20);
	assert_int_equal(parse(), SL_STUN_OK);
	assert_int_equal(m.integrity.off, 0);

	start(); /* an ignored attribute still may not overrun */
	attr(SL_ATTR_MESSAGE_INTEGRITY, filler, 20);
	attr(0x7fff, "abcd", 4);
	buf[20 + 24 + 3] = 5;
	assert_int_equal(parse(), SL_STUN_MALFORMED);
}

static void nothing_follows_fingerprint(void **state)
{
	start();
	sl_stun_add_fingerprint(&b);
	assert_int_equal(parse(), SL_STUN_OK);
	sl_stun_add_fingerprint(&b);
	assert_int_not_equal(parse(), SL_STUN_OK);

	/* Even where the CRC is right for the longer message. */
	start();
	sl_stun_add_u32(&b, SL_ATTR_FINGERPRINT, 0);
	attr(0xc001, NULL, 0);
	uint32_t crc_be = htonl(sl_crc32(buf, 20) ^ 0x5354554e);
	memcpy(buf + 24, &crc_be, 4);
	assert_int_equal(parse(), SL_STUN_MALFORMED);
}

static void what_is_not_stun_is_told_apart(void **state)
{
	uint8_t msg[24];

	start();
	attr(SL_ATTR_DONT_FRAGMENT, NULL, 0);
	assert_int_equal(parse(), SL_STUN_OK);
	memcpy(msg, buf, sizeof msg);
	for (unsigned bit = 6; bit < 8; bit++) { /* ChannelData, DTLS, RTP (RFC 7983) */
		msg[0] ^= (uint8_t)(1 << bit);
		assert_int_equal(sl_stun_parse(msg, sizeof msg, &m), SL_STUN_NOT_STUN);
		msg[0] ^= (uint8_t)(1 << bit);
	}
	for (unsigned bit = 0; bit < 32; bit++) { /* the cookie: RFC 3489 clients are not served */
		msg[4 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(sl_stun_parse(msg, sizeof msg, &m), SL_STUN_NOT_STUN);
		msg[4 + bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned len = 0; len < 256; len++) {
		msg[3] = (uint8_t)len;
		assert_int_equal(
		        sl_stun_parse(msg, sizeof msg, &m), len == 4 ? SL_STUN_OK : SL_STUN_NOT_STUN);
	}
	msg[2] = 1;
	msg[3] = 4;
	assert_int_equal(sl_stun_parse(msg, sizeof msg, &m), SL_STUN_NOT_STUN);
}

static void reasons_and_names(void **state)
{
	static const unsigned codes[] = {
	        300, 400, 401, 403, 405, 420, 437, 438, 440, 441, 442, 443, 446, 447, 486, 487, 500, 508};

	for (unsigned i = 0; i < SL_COUNT(codes); i++)
		assert_string_not_equal(sl_stun_error_reason(codes[i]), "Error");
	assert_string_equal(sl_stun_error_reason(438), "Stale Nonce");
	assert_string_equal(sl_stun_error_reason(499), "Error");
	assert_string_equal(sl_stun_method_name(SL_TURN_CHANNEL_BIND), "ChannelBind");
	assert_string_equal(sl_stun_method_name(0xfff), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(lengths_of_known_attributes),
	        cmocka_unit_test(addresses_need_their_familys_length),
	        cmocka_unit_test(mapped_ipv6_peer_is_ipv4),
	        cmocka_unit_test(password_algorithms_are_walked),
	        cmocka_unit_test(error_codes_are_3xx_to_6xx),
	        cmocka_unit_test(the_first_of_a_repeated_attribute_counts),
	        cmocka_unit_test(peers_and_unknowns_are_bounded),
	        cmocka_unit_test(no_known_attribute_is_called_unknown),
	        cmocka_unit_test(after_integrity_little_counts),
	        cmocka_unit_test(nothing_follows_fingerprint),
	        cmocka_unit_test(what_is_not_stun_is_told_apart),
	        cmocka_unit_test(reasons_and_names),
	};

	guard = sl_guard_make(sizeof buf);
	int failed = cmocka_run_group_tests_name("stun_rules", tests, NULL, NULL);
	sl_guard_free(&guard);
	return failed;
}

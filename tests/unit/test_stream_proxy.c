/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "dataplane/stream/proxy.h"
#include "tests/unit/guard.h"

#include <string.h>

enum { ROOM = 4096, CRC_AT = 28 };

static struct sl_guard guard;

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
static const uint8_t v4[] = SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x0d\x96";
static const uint8_t v6[] = SIGNATURE
        "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x14\xe5";

static enum sl_proxy_kind parse(const uint8_t *p, size_t n, struct sl_proxy *out)
{
	return sl_proxy_parse(sl_guard_put(&guard, p, n), n, out);
}

static void check_text(const struct sl_endpoint *ep, const char *expected)
{
	char text[SL_ADDR_TEXT_MAX];

	assert_string_equal(sl_endpoint_text(ep, text), expected);
}

static void check_splits(const uint8_t *p, size_t total)
{
	uint8_t more[ROOM] = {0};
	struct sl_proxy out;

	memcpy(more, p, total);
	for (size_t n = 0; n < total; n++) {
		assert_int_equal(parse(p, n, &out), SL_PROXY_INCOMPLETE);
		assert_true(out.total > n && out.total <= total);
		assert_int_equal(out.total, n < SL_PROXY_FIXED ? SL_PROXY_FIXED : total); /* never a byte of what follows */
	}
	for (size_t n = total; n < total + 3; n++) {
		assert_int_equal(parse(more, n, &out), SL_PROXY_OK);
		assert_int_equal(out.total, total);
	}
}

static void both_families_at_every_split(void **state)
{
	struct sl_proxy out;

	check_splits(v4, sizeof v4 - 1);
	check_splits(v6, sizeof v6 - 1);
	assert_int_equal(parse(v4, sizeof v4 - 1, &out), SL_PROXY_OK);
	assert_true(out.has_addresses);
	check_text(&out.client, "192.0.2.1:12345");
	check_text(&out.server, "198.51.100.2:3478");
	assert_int_equal(parse(v6, sizeof v6 - 1, &out), SL_PROXY_OK);
	check_text(&out.client, "[2001:db8::1]:12345");
	check_text(&out.server, "[2001:db8::2]:5349");
}

/* A health check, and a family that the balancer does not know: the connection's own addresses hold. */
static void local_and_unspecified_have_no_addresses(void **state)
{
	static const uint8_t local[] = SIGNATURE "\x20\x00\x00\x00", unspecified[] = SIGNATURE "\x21\x00\x00\x05" "abcde";
	struct sl_proxy out;

	assert_int_equal(parse(local, sizeof local - 1, &out), SL_PROXY_OK);
	assert_false(out.has_addresses);
	assert_int_equal(out.total, 16);
	assert_int_equal(parse(unspecified, sizeof unspecified - 1, &out), SL_PROXY_OK);
	assert_false(out.has_addresses);
	assert_int_equal(out.total, 21);
}

static void check_invalid(size_t at, uint8_t value)
{
	uint8_t p[sizeof v4];
	struct sl_proxy out;

	memcpy(p, v4, sizeof v4);
	p[at] = value;
	assert_int_equal(parse(p, sizeof v4 - 1, &out), SL_PROXY_INVALID);
}

static void what_is_wrong_is_refused(void **state)
{
	struct sl_proxy out;

	for (size_t i = 0; i < 12; i++)
		check_invalid(i, 'X');
	check_invalid(12, 0x11); /* version 1 in binary */
	check_invalid(12, 0x22); /* an unknown command */
	check_invalid(13, 0x12); /* of a datagram */
	check_invalid(13, 0x31); /* of a UNIX socket */
	check_invalid(13, 0x21); /* IPv6, with room for IPv4 */
	check_invalid(14, 0x08); /* longer than any */
	check_invalid(15, 0x0b);
	assert_int_equal(parse((const uint8_t *)"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n", 39, &out), SL_PROXY_INVALID);
	assert_int_equal(parse((const uint8_t *)"\0\x01\0\0", 4, &out), SL_PROXY_INVALID);
}

static size_t with_tlv(uint8_t *p, const char *tlv, size_t n)
{
	memcpy(p, v4, sizeof v4 - 1);
	memcpy(p + sizeof v4 - 1, tlv, n);
	p[15] = (uint8_t)(12 + n);
	return sizeof v4 - 1 + n;
}

static void additions_are_skipped_and_must_fit(void **state)
{
	uint8_t p[ROOM];
	struct sl_proxy out;

	assert_int_equal(parse(p, with_tlv(p, "\x02\x00\x03" "abc" "\x04\x00\x00", 9), &out), SL_PROXY_OK);
	assert_int_equal(out.total, 37);
	check_text(&out.client, "192.0.2.1:12345");
	assert_int_equal(parse(p, with_tlv(p, "\x02\x00\x04" "abc", 6), &out), SL_PROXY_INVALID);
	assert_int_equal(parse(p, with_tlv(p, "\x02\x00", 2), &out), SL_PROXY_INVALID);
	assert_int_equal(parse(p, with_tlv(p, "\x02\xff\xff", 3), &out), SL_PROXY_INVALID);
}

/* 2.2.3. The sum is by another implementation, which gives 0xe3069283 for "123456789". */
static void a_checksum_is_verified(void **state)
{
	uint8_t p[ROOM];
	struct sl_proxy out;
	size_t n = with_tlv(p, "\x03\x00\x04" "CRC4", 7);

	memcpy(p + CRC_AT + 3, "\x89\x6a\x7a\x1a", 4);
	assert_int_equal(parse(p, n, &out), SL_PROXY_OK);
	p[CRC_AT + 6] ^= 1;
	assert_int_equal(parse(p, n, &out), SL_PROXY_INVALID);
	p[CRC_AT + 6] ^= 1;
	p[16] ^= 1;
	assert_int_equal(parse(p, n, &out), SL_PROXY_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(both_families_at_every_split),
	        cmocka_unit_test(local_and_unspecified_have_no_addresses),
	        cmocka_unit_test(what_is_wrong_is_refused),
	        cmocka_unit_test(additions_are_skipped_and_must_fit),
	        cmocka_unit_test(a_checksum_is_verified),
	};
	int failed;

	guard = sl_guard_make(ROOM);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	sl_guard_free(&guard);
	return failed;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Steering: the Toeplitz hash is the one NICs compute (vectors of the RSS specification), and buckets follow it. */

#include "tests/unit/unit.h"

#include "dataplane/session/owner.h"

static const uint8_t rss_key[SL_TOEPLITZ_KEY_BYTES] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca,
	0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b,
	0xbe, 0xac, 0x01, 0xfa,
};
static struct sl_owner o;

static void vectors(void **state)
{
	static const struct {
		const char *src, *dst;
		uint32_t with_ports, addresses;
	} rows[] = {
		{"66.9.149.187:2794", "161.142.100.80:1766", 0x51ccc178, 0x323e8fc2},
		{"199.92.111.2:14230", "65.69.140.83:4739", 0xc626b0ea, 0xd718262a},
		{"24.19.198.95:12898", "12.22.207.184:38024", 0x5c2b394a, 0xd2d0a5de},
		{"[3ffe:2501:200:1fff::7]:2794", "[3ffe:2501:200:3::1]:1766", 0x40207d3d, 0x2cc18cd5},
		{"[3ffe:501:8::260:97ff:fe40:efab]:14230", "[ff02::1]:4739", 0xdde51bbf, 0x0f0c461c},
	};
	sl_owner_init(&o, rss_key, 4);
	for (unsigned i = 0; i < SL_COUNT(rows); i++) {
		struct sl_endpoint src, dst;
		assert_int_equal(sl_endpoint_parse(rows[i].src, &src), 0);
		assert_int_equal(sl_endpoint_parse(rows[i].dst, &dst), 0);
		assert_int_equal(sl_owner_hash(&o, &src, &dst), rows[i].with_ports);
		assert_int_equal(sl_owner_hash_addresses(&o, &src.ip, &dst.ip), rows[i].addresses);
	}
}

static void every_worker_gets_buckets(void **state)
{
	for (unsigned n = 1; n <= 32; n++) {
		unsigned count[32] = {0};
		sl_owner_init(&o, rss_key, n);
		for (uint32_t h = 0; h < SL_OWNER_BUCKETS; h++)
			count[sl_owner_of_hash(&o, h)]++;
		for (unsigned w = 0; w < n; w++)
			assert_true(count[w] >= SL_OWNER_BUCKETS / n && count[w] <= SL_OWNER_BUCKETS / n + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(every_worker_gets_buckets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

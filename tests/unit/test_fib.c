/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/linux/fib_build.h"

/* The forwarding snapshot: what wins among prefixes, metrics and interfaces, and that a full table still finds all. */

static struct sl_ip ip(const char *text)
{
	struct sl_ip out;
	assert_int_equal(sl_ip_parse(text, &out), 0);
	return out;
}

static void route(struct sl_fib_builder *b, const char *prefix, uint32_t metric, uint16_t interface, const char *via)
{
	struct sl_prefix p;
	struct sl_ip gateway;
	assert_int_equal(sl_prefix_parse(prefix, &p), 0);
	if (via)
		gateway = ip(via);
	sl_fib_add_route(b, &p, metric, interface, via ? &gateway : NULL);
}

static void neighbour(struct sl_fib_builder *b, const char *address, uint16_t interface, uint8_t mac)
{
	struct sl_ip a = ip(address);
	struct sl_nexthop nh = {.interface = interface, .port = interface, .eth = {mac}};
	sl_fib_add_neighbour(b, &a, &nh);
}

static enum sl_fib_result look(const struct sl_fib *f, const char *dst, struct sl_nexthop *nh, const char *via)
{
	struct sl_ip d = ip(dst), gateway;
	uint32_t index;
	uint16_t interface;
	enum sl_fib_result r = sl_fib_lookup(f, &d, &index, &gateway, &interface);
	if (r == SL_FIB_OK)
		*nh = f->nexthops[index];
	if (r == SL_FIB_UNRESOLVED) {
		struct sl_ip expected = ip(via);
		assert_true(sl_ip_eq(&gateway, &expected));
	}
	return r;
}

static struct sl_fib *sample(void)
{
	struct sl_fib_builder *b = sl_fib_builder_new();
	struct sl_ip own4 = ip("192.0.2.1"), own6 = ip("2001:db8:1::1"), link_local = ip("fe80::1"), lo = ip("127.0.0.1");
	sl_fib_add_own(b, &link_local, 0);
	sl_fib_add_own(b, &own4, 0);
	sl_fib_add_own(b, &own6, 0);
	sl_fib_add_own(b, &lo, SL_FIB_NO_INTERFACE);
	route(b, "192.0.2.0/24", 0, 0, NULL);
	route(b, "2001:db8:1::/64", 256, 0, NULL);
	route(b, "0.0.0.0/0", 0, 0, "192.0.2.254");
	route(b, "::/0", 1024, 0, "fe80::99");
	route(b, "198.51.100.0/24", 0, 1, NULL);
	route(b, "10.0.0.0/8", 10, 1, "198.51.100.9");
	route(b, "10.0.0.0/8", 5, 0, "192.0.2.9");
	route(b, "10.1.0.0/16", 0, SL_FIB_NO_INTERFACE, NULL);
	route(b, "10.2.0.0/16", 0, SL_FIB_NO_INTERFACE, NULL); /* management interface, better metric, not ours */
	route(b, "10.2.0.0/16", 100, 1, "198.51.100.9");
	neighbour(b, "192.0.2.254", 0, 0xfe);
	neighbour(b, "192.0.2.9", 0, 9);
	neighbour(b, "192.0.2.10", 0, 10);
	neighbour(b, "198.51.100.9", 1, 99);
	neighbour(b, "fe80::99", 0, 0x99);
	neighbour(b, "fe80::99", 1, 0x98); /* the same address on another link is another host */
	return sl_fib_build(b, 7);
}

static void finds_the_way(void **state)
{
	struct sl_fib *f = sample();
	struct sl_nexthop nh;
	assert_non_null(f);
	assert_int_equal(f->generation, 7);
	assert_int_equal(f->n_nexthops, 6);
	assert_int_equal(look(f, "192.0.2.10", &nh, NULL), SL_FIB_OK);
	assert_int_equal(nh.eth[0], 10);
	assert_true(nh.resolved);
	assert_int_equal(look(f, "8.8.8.8", &nh, NULL), SL_FIB_OK);
	assert_int_equal(nh.eth[0], 0xfe);
	assert_int_equal(look(f, "2001:db8:77::1", &nh, NULL), SL_FIB_OK);
	assert_int_equal(nh.eth[0], 0x99);
	assert_int_equal(look(f, "10.9.9.9", &nh, NULL), SL_FIB_OK); /* lower metric, though added later */
	assert_int_equal(nh.eth[0], 9);
	assert_int_equal(look(f, "10.1.2.3", &nh, NULL), SL_FIB_NO_ROUTE); /* blackhole is longer than 10/8 */
	assert_int_equal(look(f, "10.2.2.3", &nh, NULL), SL_FIB_OK); /* ours wins over a better metric elsewhere */
	assert_int_equal(nh.eth[0], 99);
	assert_int_equal(look(f, "192.0.2.77", &nh, "192.0.2.77"), SL_FIB_UNRESOLVED);
	assert_int_equal(look(f, "198.51.100.77", &nh, "198.51.100.77"), SL_FIB_UNRESOLVED);
	assert_int_equal(look(f, "192.0.2.1", &nh, NULL), SL_FIB_LOCAL);
	assert_int_equal(look(f, "127.0.0.1", &nh, NULL), SL_FIB_LOCAL);
	sl_fib_free(f);
}

static void families_stay_apart(void **state)
{
	struct sl_fib_builder *b = sl_fib_builder_new();
	struct sl_nexthop nh;
	route(b, "::/0", 0, 0, "fe80::99");
	neighbour(b, "fe80::99", 0, 1);
	struct sl_fib *f = sl_fib_build(b, 1);
	assert_int_equal(look(f, "192.0.2.1", &nh, NULL), SL_FIB_NO_ROUTE);
	sl_fib_free(f);
}

static void knows_own_addresses(void **state)
{
	struct sl_fib *f = sample();
	struct sl_ip to4 = ip("8.8.8.8"), to6 = ip("2001:db8:9::9"), link = ip("fe80::5"), out, expect;
	assert_true(sl_fib_is_own(f, &(struct sl_ip){.q = {0, 0}}) == false);
	assert_true(sl_fib_own_address(f, 0, &to4, &out));
	expect = ip("192.0.2.1");
	assert_true(sl_ip_eq(&out, &expect));
	assert_true(sl_fib_own_address(f, 0, &to6, &out));
	expect = ip("2001:db8:1::1");
	assert_true(sl_ip_eq(&out, &expect));
	assert_true(sl_fib_own_address(f, 0, &link, &out));
	expect = ip("fe80::1");
	assert_true(sl_ip_eq(&out, &expect));
	assert_false(sl_fib_own_address(f, 1, &to4, &out));
	sl_fib_free(f);
}

static void grows(void **state)
{
	enum { N = 20000 };
	struct sl_fib_builder *b = sl_fib_builder_new();
	route(b, "0.0.0.0/0", 0, 0, NULL);
	for (uint32_t i = 0; i < N; i++) {
		struct sl_ip a;
		sl_ip_set_v4(&a, htonl(0x0a000000 + i));
		struct sl_nexthop nh = {.eth = {(uint8_t)i, (uint8_t)(i >> 8)}};
		sl_fib_add_neighbour(b, &a, &nh);
		struct sl_prefix p = {.ip = a, .len = (uint8_t)(97 + i % 32)};
		sl_fib_add_route(b, &p, i, 0, NULL);
	}
	struct sl_fib *f = sl_fib_build(b, 1);
	assert_int_equal(f->n_nexthops, N);
	for (uint32_t i = 0; i < N; i++) {
		struct sl_ip a, via;
		uint32_t nh;
		uint16_t interface;
		sl_ip_set_v4(&a, htonl(0x0a000000 + i));
		assert_int_equal(sl_fib_lookup(f, &a, &nh, &via, &interface), SL_FIB_OK);
		assert_int_equal(f->nexthops[nh].eth[0] | f->nexthops[nh].eth[1] << 8, i & 0xffff);
	}
	sl_fib_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_way),
		cmocka_unit_test(families_stay_apart),
		cmocka_unit_test(knows_own_addresses),
		cmocka_unit_test(grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

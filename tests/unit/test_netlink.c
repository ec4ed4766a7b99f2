/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "dataplane/linux/neighbours.h"
#include "dataplane/linux/netlink.h"
#include "tests/unit/guard.h"

/* Messages as the kernel writes them, built here with libmnl; and cut or broken ones. */

struct message {
	_Alignas(8) uint8_t bytes[1024];
	struct nlmsghdr *h;
};

static void *begin(struct message *m, uint16_t type, size_t header)
{
	memset(m->bytes, 0, sizeof(m->bytes));
	m->h = mnl_nlmsg_put_header(m->bytes);
	m->h->nlmsg_type = type;
	return mnl_nlmsg_put_extra_header(m->h, header);
}

static void put_ip(struct message *m, uint16_t type, const char *text)
{
	uint8_t b[16];
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(family, text, b), 1);
	mnl_attr_put(m->h, type, family == AF_INET ? 4 : 16, b);
}

static void assert_ip(const struct sl_ip *ip, const char *text)
{
	char buf[SL_ADDR_TEXT_MAX];
	assert_string_equal(sl_ip_text(ip, buf), text);
}

static void begin_address(struct message *m, uint8_t family, uint8_t len)
{
	struct ifaddrmsg *a = begin(m, RTM_NEWADDR, sizeof(*a));
	*a = (struct ifaddrmsg){.ifa_family = family, .ifa_prefixlen = len, .ifa_index = 4};
}

static void reads_addresses(void **state)
{
	struct message m;
	struct sl_nl_address a;
	begin_address(&m, AF_INET, 24);
	put_ip(&m, IFA_ADDRESS, "192.0.2.2"); /* the other side of a point-to-point link */
	put_ip(&m, IFA_LOCAL, "192.0.2.1");
	assert_true(sl_nl_parse_address(m.h, &a));
	assert_ip(&a.ip, "192.0.2.1");
	assert_int_equal(a.prefix_len, 120);
	assert_int_equal(a.ifindex, 4);
	begin_address(&m, AF_INET6, 64);
	put_ip(&m, IFA_ADDRESS, "2001:db8::1");
	assert_true(sl_nl_parse_address(m.h, &a));
	assert_ip(&a.ip, "2001:db8::1");
	assert_int_equal(a.prefix_len, 64);
}

static void refuses_bad_addresses(void **state)
{
	struct message m;
	struct sl_nl_address a;
	begin_address(&m, AF_INET, 24);
	assert_false(sl_nl_parse_address(m.h, &a)); /* no address in it */
	put_ip(&m, IFA_LOCAL, "2001:db8::1");
	assert_false(sl_nl_parse_address(m.h, &a)); /* of the wrong length */
	begin_address(&m, AF_INET, 33);
	put_ip(&m, IFA_LOCAL, "192.0.2.1");
	assert_false(sl_nl_parse_address(m.h, &a));
	begin_address(&m, AF_PACKET, 24);
	put_ip(&m, IFA_LOCAL, "192.0.2.1");
	assert_false(sl_nl_parse_address(m.h, &a));
}

static void begin_route(struct message *m, uint8_t family, uint8_t len)
{
	struct rtmsg *r = begin(m, RTM_NEWROUTE, sizeof(*r));
	*r = (struct rtmsg){.rtm_family = family, .rtm_dst_len = len, .rtm_table = RT_TABLE_MAIN, .rtm_type = RTN_UNICAST};
}

static void reads_routes(void **state)
{
	struct message m;
	struct sl_nl_route r;
	begin_route(&m, AF_INET, 8);
	put_ip(&m, RTA_DST, "10.0.0.0");
	put_ip(&m, RTA_GATEWAY, "192.0.2.254");
	mnl_attr_put_u32(m.h, RTA_OIF, 4);
	mnl_attr_put_u32(m.h, RTA_PRIORITY, 77);
	assert_true(sl_nl_parse_route(m.h, &r));
	assert_ip(&r.prefix.ip, "10.0.0.0");
	assert_int_equal(r.prefix.len, 104);
	assert_int_equal(r.metric, 77);
	assert_int_equal(r.table, RT_TABLE_MAIN);
	assert_int_equal(r.n_hops, 1);
	assert_int_equal(r.hops[0].ifindex, 4);
	assert_ip(&r.hops[0].via, "192.0.2.254");
	begin_route(&m, AF_INET, 0); /* default, on link, table beyond 255 */
	mnl_attr_put_u32(m.h, RTA_OIF, 5);
	mnl_attr_put_u32(m.h, RTA_TABLE, 1000);
	assert_true(sl_nl_parse_route(m.h, &r));
	assert_ip(&r.prefix.ip, "0.0.0.0");
	assert_int_equal(r.prefix.len, 96);
	assert_int_equal(r.table, 1000);
	assert_false(r.hops[0].has_via);
	begin_route(&m, AF_INET6, 0);
	mnl_attr_put_u32(m.h, RTA_OIF, 5);
	assert_true(sl_nl_parse_route(m.h, &r));
	assert_ip(&r.prefix.ip, "::");
	assert_int_equal(r.prefix.len, 0);
}

/* IPv4 through an IPv6 gateway (RFC 8950 routers do this). */
static void reads_via(void **state)
{
	struct message m;
	struct sl_nl_route r;
	uint8_t via[18] = {0};
	*(uint16_t *)via = AF_INET6;
	assert_int_equal(inet_pton(AF_INET6, "fe80::9", via + 2), 1);
	begin_route(&m, AF_INET, 0);
	mnl_attr_put_u32(m.h, RTA_OIF, 5);
	mnl_attr_put(m.h, RTA_VIA, sizeof(via), via);
	assert_true(sl_nl_parse_route(m.h, &r));
	assert_ip(&r.hops[0].via, "fe80::9");
}

static void put_hop(struct message *m, int ifindex, uint8_t flags, const char *gateway)
{
	struct rtnexthop nh = {.rtnh_len = sizeof(nh) + 8, .rtnh_ifindex = ifindex, .rtnh_flags = flags};
	uint8_t *at = mnl_nlmsg_get_payload_tail(m->h);
	struct nlattr a = {.nla_len = 8, .nla_type = RTA_GATEWAY};
	memcpy(at, &nh, sizeof(nh));
	memcpy(at + sizeof(nh), &a, sizeof(a));
	assert_int_equal(inet_pton(AF_INET, gateway, at + sizeof(nh) + 4), 1);
	m->h->nlmsg_len += nh.rtnh_len;
}

static void reads_multipath(void **state)
{
	struct message m;
	struct sl_nl_route r;
	begin_route(&m, AF_INET, 0);
	struct nlattr *nest = mnl_attr_nest_start(m.h, RTA_MULTIPATH);
	put_hop(&m, 4, RTNH_F_DEAD, "192.0.2.1");
	put_hop(&m, 5, 0, "192.0.2.2");
	mnl_attr_nest_end(m.h, nest);
	assert_true(sl_nl_parse_route(m.h, &r));
	assert_int_equal(r.n_hops, 2);
	assert_true(r.hops[0].dead);
	assert_int_equal(r.hops[1].ifindex, 5);
	assert_ip(&r.hops[1].via, "192.0.2.2");
}

static void begin_neighbour(struct message *m)
{
	struct ndmsg *n = begin(m, RTM_NEWNEIGH, sizeof(*n));
	*n = (struct ndmsg){.ndm_family = AF_INET, .ndm_ifindex = 4, .ndm_state = NUD_REACHABLE};
}

static void reads_neighbours(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	struct message m;
	struct sl_nl_neighbour n;
	begin_neighbour(&m);
	put_ip(&m, NDA_DST, "192.0.2.9");
	assert_true(sl_nl_parse_neighbour(m.h, &n));
	assert_false(n.has_mac);
	mnl_attr_put(m.h, NDA_LLADDR, sizeof(mac), mac);
	mnl_attr_put_u32(m.h, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	assert_true(sl_nl_parse_neighbour(m.h, &n));
	assert_true(n.has_mac);
	assert_memory_equal(n.mac, mac, sizeof(mac));
	assert_int_equal(n.flags_ext, NTF_EXT_MANAGED);
	begin_neighbour(&m);
	mnl_attr_put(m.h, NDA_LLADDR, sizeof(mac), mac);
	assert_false(sl_nl_parse_neighbour(m.h, &n)); /* of whom? */
}

/* Each length up to the whole message, at a guard page; and every byte of it broken in turn. */
static void survives_anything(void **state)
{
	struct message m;
	struct sl_nl_route r;
	struct sl_nl_neighbour n;
	struct sl_nl_address a;
	struct sl_nl_link l;
	begin_route(&m, AF_INET, 0);
	mnl_attr_put_u32(m.h, RTA_OIF, 5);
	struct nlattr *nest = mnl_attr_nest_start(m.h, RTA_MULTIPATH);
	put_hop(&m, 4, 0, "192.0.2.1");
	put_hop(&m, 5, 0, "192.0.2.2");
	mnl_attr_nest_end(m.h, nest);
	uint32_t whole = m.h->nlmsg_len;
	struct sl_guard g = sl_guard_make(sizeof(m.bytes));
	for (uint32_t len = sizeof(struct nlmsghdr); len <= whole; len += 4)
		for (uint32_t at = sizeof(struct nlmsghdr); at < len; at++) {
			m.h->nlmsg_len = len;
			uint8_t *bytes = sl_guard_put(&g, m.bytes, len);
			bytes[at] ^= (uint8_t)(0x11 * (1 + at % 15));
			const struct nlmsghdr *h = (const struct nlmsghdr *)bytes;
			sl_nl_parse_route(h, &r);
			sl_nl_parse_neighbour(h, &n);
			sl_nl_parse_address(h, &a);
			sl_nl_parse_link(h, &l);
		}
	sl_guard_free(&g);
}

/* ---- the table of neighbours against a plain list ---- */

static void table_holds_what_it_should(void **state)
{
	enum { N = 300, STEPS = 20000 };
	struct sl_neighbours t;
	bool there[N] = {false};
	uint8_t macs[N] = {0};
	uint32_t seed = 1, n = 0;
	assert_int_equal(sl_neighbours_init(&t), 0);
	for (int step = 0; step < STEPS; step++) {
		seed = seed * 1664525 + 1013904223;
		uint32_t i = (seed >> 8) % N;
		uint8_t mac[6] = {(uint8_t)(seed >> 30)};
		struct sl_ip ip;
		sl_ip_set_v4(&ip, htonl(0x0a000000 + i));
		if (seed >> 31) {
			int changed = !there[i] || macs[i] != mac[0];
			assert_int_equal(sl_neighbours_set(&t, (uint16_t)(i % 3), &ip, mac), changed);
			n += !there[i];
			there[i] = true;
			macs[i] = mac[0];
		} else {
			assert_int_equal(sl_neighbours_remove(&t, (uint16_t)(i % 3), &ip), there[i]);
			n -= there[i];
			there[i] = false;
		}
		assert_int_equal(t.n, n);
	}
	for (uint32_t i = 0; i < N; i++) {
		struct sl_ip ip;
		sl_ip_set_v4(&ip, htonl(0x0a000000 + i));
		const struct sl_neighbour *e = sl_neighbours_find(&t, (uint16_t)(i % 3), &ip);
		assert_int_equal(e != NULL, there[i]);
		assert_null(sl_neighbours_find(&t, 9, &ip));
	}
	sl_neighbours_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_addresses),
		cmocka_unit_test(refuses_bad_addresses),
		cmocka_unit_test(reads_routes),
		cmocka_unit_test(reads_via),
		cmocka_unit_test(reads_multipath),
		cmocka_unit_test(reads_neighbours),
		cmocka_unit_test(survives_anything),
		cmocka_unit_test(table_holds_what_it_should),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

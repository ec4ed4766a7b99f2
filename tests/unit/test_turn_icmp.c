/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* ICMP errors about what clients sent to peers (RFC 8656 11.5): who is told what, and what goes to Linux. */

#include "path_rig.h"

#include <string.h>

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>

#include "dataplane/path/cksum.h"
#include "dataplane/wire/stun.h"

enum { MAX = 16, PACKET_MAX = 200, QUOTED = 8 };
#define CLIENT "192.0.2.10:4000"
#define CLIENT_V6 "[2001:db8:1::10]:4000"
#define PEER "198.51.100.10:5000"
#define PEER_V6 "[2001:db8:1::11]:5000"
#define ROUTER "203.0.113.77:0"
#define ROUTER_V6 "[2001:db8:7::7]:0"

static struct rig_packet out[MAX];

static int setup(void **state)
{
	int rc = rig_setup(state);
	rig_sip(1000); /* rings to Linux */
	rig_turn();
	rig_to_linux();
	return rc;
}

static unsigned write_ip(uint8_t *p, const struct sl_ip *src, const struct sl_ip *dst, uint8_t protocol, unsigned payload)
{
	if (sl_ip_is_v4(dst)) {
		const uint8_t h[12] = {0x45, 0, 0, (uint8_t)(20 + payload), 0, 0, 0, 0, 60, protocol};
		memcpy(p, h, 12);
		memcpy(p + 12, src->b + 12, 4);
		memcpy(p + 16, dst->b + 12, 4);
		uint16_t sum = sl_ip_cksum(p, 20);
		memcpy(p + 10, &sum, 2);
		return 20;
	}
	const uint8_t h[8] = {0x60, 0, 0, 0, 0, (uint8_t)payload, protocol, 60};
	memcpy(p, h, 8);
	memcpy(p + 8, src->b, 16);
	memcpy(p + 24, dst->b, 16);
	return 40;
}

/* An error from a router to the relay address about a packet from `from` to `to`; its length. */
static unsigned error(uint8_t *p, const struct sl_endpoint *from, const char *to_text, uint8_t type, uint8_t code, uint32_t data)
{
	struct sl_endpoint to = rig_endpoint(to_text), router = rig_endpoint(sl_ip_is_v4(&from->ip) ? ROUTER : ROUTER_V6);
	bool v4 = sl_ip_is_v4(&from->ip);
	unsigned header = v4 ? 20 : 40, len = 8 + header + QUOTED;
	uint8_t *icmp = p + write_ip(p, &router.ip, &from->ip, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, len);
	const uint32_t data_be = htonl(data);
	memset(icmp, 0, len);
	icmp[0] = type;
	icmp[1] = code;
	memcpy(icmp + 4, &data_be, 4);
	uint8_t *udp = icmp + 8 + write_ip(icmp + 8, &from->ip, &to.ip, IPPROTO_UDP, QUOTED);
	memcpy(udp, &from->port_be, 2);
	memcpy(udp + 2, &to.port_be, 2);
	uint64_t acc = sl_sum_bytes(icmp, len);
	if (!v4)
		acc += sl_sum_ip(&router.ip) + sl_sum_ip(&from->ip) + htons((uint16_t)len) + htons(IPPROTO_ICMPV6);
	uint16_t sum = (uint16_t)~sl_sum_fold(acc);
	memcpy(icmp + 2, &sum, 2);
	return header + len;
}

/* Deliver it: packets sent to clients. */
static unsigned deliver(const uint8_t *p, unsigned len)
{
	rig_in_ip(0, p, len);
	return rig_out(out, MAX);
}

static void told(const char *client, const char *peer, uint8_t type, uint8_t code, uint32_t data)
{
	struct sl_endpoint to = rig_endpoint(peer);
	struct sl_stun m;
	uint32_t value[2];
	rig_assert_to(&out[0], client);
	assert_int_equal(sl_stun_parse(out[0].data, out[0].len, &m), SL_STUN_OK);
	assert_int_equal(m.method, SL_TURN_DATA);
	assert_int_equal(m.cls, SL_STUN_INDICATION);
	assert_int_equal(m.n_peers, 1);
	assert_true(sl_endpoint_eq(&m.peers[0], &to));
	assert_int_equal(m.data.off, 0);
	assert_int_equal(out[0].data[out[0].len - 12] << 8 | out[0].data[out[0].len - 11], SL_ATTR_ICMP);
	memcpy(value, out[0].data + out[0].len - 8, sizeof value);
	assert_int_equal(ntohl(value[0]), type << 9 | code); /* 7 bits and 9 */
	assert_int_equal(ntohl(value[1]), data);
}

static void clients_are_told(void **state)
{
	static const struct {
		uint8_t type, code;
		uint32_t data, told;
	} v4[] = {{ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0, 0}, {ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 0xabcd0000 | 1400, 1400},
		{ICMP_TIME_EXCEEDED, 0, 0, 0}, {ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 99, 0}},
	  v6[] = {{ICMP6_DST_UNREACH, 4, 0, 0}, {ICMP6_PACKET_TOO_BIG, 0, 1280, 1280}, {ICMP6_TIME_EXCEEDED, 0, 7, 0}};
	struct sl_endpoint a = rig_allocation(CLIENT, 0, PEER), b = rig_allocation(CLIENT_V6, 0x4001, PEER_V6);
	uint8_t p[PACKET_MAX];
	for (unsigned i = 0; i < SL_COUNT(v4); i++) {
		assert_int_equal(deliver(p, error(p, &a, PEER, v4[i].type, v4[i].code, v4[i].data)), 1);
		told(CLIENT, PEER, v4[i].type, v4[i].code, v4[i].told);
	}
	for (unsigned i = 0; i < SL_COUNT(v6); i++) {
		assert_int_equal(deliver(p, error(p, &b, PEER_V6, v6[i].type, v6[i].code, v6[i].data)), 1);
		told(CLIENT_V6, PEER_V6, v6[i].type, v6[i].code, v6[i].told);
	}
	assert_int_equal(rig_to_linux(), 0);
	assert_int_equal(rig_worker(0)->counters[SL_C_icmp_to_client], SL_COUNT(v4) + SL_COUNT(v6));
}

static void a_client_of_the_other_family(void **state)
{
	struct sl_endpoint a = rig_allocation(CLIENT_V6, 0, PEER);
	uint8_t p[PACKET_MAX];
	assert_int_equal(deliver(p, error(p, &a, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0)), 1);
	told(CLIENT_V6, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
}

static void who_is_not_told(void **state)
{
	struct sl_endpoint a = rig_allocation(CLIENT, 0, PEER), nobody = a;
	uint8_t p[PACKET_MAX];
	unsigned len = error(p, &a, "198.51.100.99:5000", ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	assert_int_equal(deliver(p, len), 0); /* no permission: the client sent nothing there */
	assert_int_equal(rig_drops(SL_DROP_icmp_unrelated), 1);
	nobody.port_be = htons(ntohs(a.port_be) == RIG_RELAY_MIN ? RIG_RELAY_MAX : RIG_RELAY_MIN);
	assert_int_equal(deliver(p, error(p, &nobody, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0)), 0);
	assert_int_equal(rig_drops(SL_DROP_icmp_unrelated), 2);
	len = error(p, &a, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	p[len - 1] ^= 1;
	assert_int_equal(deliver(p, len), 0);
	assert_int_equal(rig_drops(SL_DROP_bad_l4_checksum), 1);
	assert_int_equal(rig_to_linux(), 0);
	/* The permission is over. */
	rig_pass_ms(301000);
	assert_int_equal(deliver(p, error(p, &a, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0)), 0);
	assert_int_equal(rig_drops(SL_DROP_icmp_unrelated), 3);
}

static void a_few_a_second(void **state)
{
	struct sl_endpoint a = rig_allocation(CLIENT, 0, PEER);
	uint8_t p[PACKET_MAX];
	unsigned len = error(p, &a, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0), n = 0;
	for (unsigned i = 0; i < 100; i++)
		n += deliver(p, len);
	assert_in_range(n, 1, 16);
	rig_pass_ms(1000);
	assert_int_equal(deliver(p, len), 1);
}

static void what_is_for_linux(void **state)
{
	struct sl_endpoint a = rig_allocation(CLIENT, 0, PEER), b = rig_allocation(CLIENT_V6, 0, PEER_V6), ours = a;
	uint8_t p[PACKET_MAX];
	unsigned len;
	assert_int_equal(deliver(p, error(p, &a, PEER, ICMP_ECHO, 0, 0)), 0);
	assert_int_equal(deliver(p, error(p, &a, PEER, ICMP_REDIRECT, 0, 0)), 0);
	assert_int_equal(deliver(p, error(p, &a, PEER, ICMP_PARAMETERPROB, 0, 0)), 0);
	assert_int_equal(deliver(p, error(p, &b, PEER_V6, ICMP6_ECHO_REQUEST, 0, 0)), 0);
	assert_int_equal(rig_to_linux(), 4);
	/* Of a socket of Linux's at the relay address. */
	ours.port_be = htons(22);
	assert_int_equal(deliver(p, error(p, &ours, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0)), 0);
	/* Of TCP; of another address's; of a fragment; cut off. */
	len = error(p, &a, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	p[28 + 9] = IPPROTO_TCP;
	assert_int_equal(deliver(p, len), 0);
	len = error(p, &a, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	p[28 + 15] ^= 1;
	assert_int_equal(deliver(p, len), 0);
	len = error(p, &a, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	p[28 + 7] = 9;
	assert_int_equal(deliver(p, len), 0);
	assert_int_equal(rig_to_linux(), 4);
	for (unsigned cut = 28; cut < 28 + 24; cut++) {
		error(p, &a, PEER, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
		p[3] = (uint8_t)cut;
		assert_int_equal(deliver(p, cut), 0);
	}
	assert_int_equal(rig_to_linux(), 24);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(clients_are_told, setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_client_of_the_other_family, setup, rig_teardown),
		cmocka_unit_test_setup_teardown(who_is_not_told, setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_few_a_second, setup, rig_teardown),
		cmocka_unit_test_setup_teardown(what_is_for_linux, setup, rig_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Updated checksums against sums made anew, over many shapes of packet. */

#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "dataplane/path/cksum.h"

struct datagram {
	struct sl_ip src, dst;
	uint16_t sport, dport;
	uint8_t payload[600];
	unsigned len;
};

/* RFC 768 and RFC 8200 8.1, word by word as the texts have it. */
static uint16_t reference(const struct datagram *d)
{
	uint32_t sum = 0;
	bool v4 = sl_ip_is_v4(&d->dst);
	for (unsigned i = v4 ? 12 : 0; i < 16; i += 2)
		sum += (uint32_t)(d->src.b[i] << 8 | d->src.b[i + 1]) + (uint32_t)(d->dst.b[i] << 8 | d->dst.b[i + 1]);
	unsigned udp_len = d->len + 8;
	sum += IPPROTO_UDP + udp_len + ntohs(d->sport) + ntohs(d->dport) + udp_len;
	for (unsigned i = 0; i < d->len; i += 2)
		sum += (uint32_t)(d->payload[i] << 8 | (i + 1 < d->len ? d->payload[i + 1] : 0));
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	uint16_t c = (uint16_t)~sum;
	return c ? htons(c) : 0xffff;
}

static uint64_t header_sum(const struct datagram *d)
{
	uint16_t len = htons((uint16_t)(d->len + 8));
	return sl_sum_ip(&d->src) + sl_sum_ip(&d->dst) + d->sport + d->dport + 2u * len;
}

static void random_datagram(struct datagram *d)
{
	for (unsigned i = 0; i < sizeof d->payload; i++)
		d->payload[i] = (uint8_t)(rand() >> 4);
	d->len = (unsigned)rand() % 500;
	d->sport = (uint16_t)rand();
	d->dport = (uint16_t)rand();
	if (rand() & 1) {
		sl_ip_set_v4(&d->src, (uint32_t)rand());
		sl_ip_set_v4(&d->dst, (uint32_t)rand());
	} else {
		for (unsigned i = 0; i < 16; i++) {
			d->src.b[i] = (uint8_t)rand();
			d->dst.b[i] = (uint8_t)rand();
		}
	}
}

static void sums_match_reference(void **state)
{
	struct datagram d;
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		random_datagram(&d);
		uint64_t acc = header_sum(&d) + htons(IPPROTO_UDP) + sl_sum_bytes(d.payload, d.len);
		assert_int_equal(sl_udp_cksum(acc), reference(&d));
	}
}

/* As the relay does it: take the payload's sum out of one packet's checksum, drop a 4-byte header in front and odd
 * bytes behind, and put it under another packet's addresses. */
static void update_matches_new_sum(void **state)
{
	struct datagram in, out;
	srand(2);
	for (unsigned i = 0; i < 20000; i++) {
		random_datagram(&in);
		random_datagram(&out);
		unsigned beyond = (unsigned)rand() % 4, data = in.len;
		in.len = 4 + data + beyond;
		out.len = data;
		memcpy(out.payload, in.payload + 4, data);
		uint32_t front, ports;
		uint16_t len = htons((uint16_t)(in.len + 8));
		memcpy(&front, in.payload, 4);
		uint16_t pair[2] = {in.sport, in.dport};
		memcpy(&ports, pair, 4);
		uint64_t acc = (uint16_t)~reference(&in) + sl_unsum_ip(&in.src) + sl_unsum_ip(&in.dst) + sl_sub32(ports) +
			2 * sl_sub16(len) + sl_sub32(front);
		acc += sl_sub16(sl_sum_fold(sl_sum_bytes_at(in.payload + 4 + data, beyond, data)));
		assert_int_equal(sl_udp_cksum(acc + header_sum(&out)), reference(&out));
	}
}

static void zero_is_sent_as_ones(void **state)
{
	assert_int_equal(sl_udp_cksum(0xffff), 0xffff);
	assert_int_equal(sl_udp_cksum(0), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_match_reference),
		cmocka_unit_test(update_matches_new_sum),
		cmocka_unit_test(zero_is_sent_as_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

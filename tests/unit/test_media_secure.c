/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SRTP through the stages of a worker: what authenticates, under which index what leaves, and what a restart or a change of keys does. */

#include "path_rig.h"

#include <arpa/inet.h>
#include <string.h>

enum { MAX = 40, PAYLOAD = 160, PCMU = 0, PCMA = 8, DSCP_EF = 46 };
#define A "192.0.2.10:4000"
#define A_OTHER_PORT "192.0.2.10:4444"
#define B "198.51.100.10:5000"
#define STRANGER "192.0.2.99:4000"

static struct rig_packet out[MAX];

static void one(const char *src, const struct sl_cmd_leg *to, uint16_t seq)
{
	struct rig_packet p = rig_rtp(src, to, PCMU, seq, 160u * seq, 0x1234, PAYLOAD);
	rig_in(0, &p, 1);
}

/* a (plain) -> b (encrypted); what b sends is what c (same key) takes in and d (plain) gives out. */
static struct sl_cmd_leg a, b, c, d;

static void chain(unsigned suite)
{
	a = rig_leg(0, 0, 1, A);
	b = rig_leg(0, 0, 2, B);
	c = rig_leg(0, 0, 3, "192.0.2.11:4000");
	d = rig_leg(0, 0, 4, "198.51.100.11:5000");
	b.key_out = c.key_in[0] = rig_key(1, suite);
	rig_set(&a);
	rig_set(&b);
	rig_set(&c);
	rig_set(&d);
	rig_join(&a, &b);
	rig_join(&c, &d);
}

/* Make of what b sent what c receives. */
static struct rig_packet turned(const struct rig_packet *sent)
{
	struct rig_packet p = *sent;
	p.src = rig_endpoint("192.0.2.11:4000");
	p.dst.ip = sent->src.ip;
	p.dst.port_be = htons(c.leg.port);
	return p;
}

static void test_encrypted_and_back(void **state)
{
	for (unsigned suite = 1; suite < SL_SRTP_N_SUITES; suite++) {
		struct rig_packet p[20], sent[20];
		chain(suite);
		for (unsigned i = 0; i < 20; i++)
			p[i] = rig_rtp(A, &a, PCMU, (uint16_t)(65530 + i), i, 0x55 + suite, PAYLOAD + i);
		rig_in(0, p, 20);
		assert_int_equal(rig_out(sent, 20), 20);
		for (unsigned i = 0; i < 20; i++) {
			assert_int_equal(sent[i].len, p[i].len + sl_srtp_suite_info(suite)->tag_len);
			assert_memory_not_equal(sent[i].data + SL_RTP_HEADER_BYTES, p[i].data + SL_RTP_HEADER_BYTES, PAYLOAD);
			sent[i] = turned(&sent[i]);
		}
		rig_in(0, sent, 20);
		assert_int_equal(rig_out(out, MAX), 20);
		for (unsigned i = 0; i < 20; i++) {
			assert_int_equal(out[i].len, p[i].len);
			assert_memory_equal(out[i].data, p[i].data, p[i].len);
		}
		rig_command(SL_CMD_LEG_DELETE, &a.leg, sizeof a.leg);
		rig_command(SL_CMD_LEG_DELETE, &b.leg, sizeof b.leg);
		rig_command(SL_CMD_LEG_DELETE, &c.leg, sizeof c.leg);
		rig_command(SL_CMD_LEG_DELETE, &d.leg, sizeof d.leg);
	}
}

static struct rig_packet encrypted(uint16_t seq)
{
	struct rig_packet p = rig_rtp(A, &a, PCMU, seq, seq, 0x99, PAYLOAD), sent;
	rig_in(0, &p, 1);
	assert_int_equal(rig_out(&sent, 1), 1);
	return turned(&sent);
}

static void test_copies_and_forgeries(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	struct rig_packet p = encrypted(100), twice[2] = {p, p}, forged = encrypted(101), strange;
	rig_in(0, twice, 2); /* both in one burst: one passes */
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(rig_drops(SL_DROP_srtp_replay), 1);
	rig_in(0, &p, 1);
	assert_int_equal(rig_out(out, MAX), 0);
	assert_int_equal(rig_drops(SL_DROP_srtp_replay), 2);
	forged.data[20] ^= 1;
	rig_in(0, &forged, 1);
	assert_int_equal(rig_drops(SL_DROP_srtp_auth), 1);
	forged.data[20] ^= 1;
	rig_in(0, &forged, 1); /* the true one was not marked as seen */
	assert_int_equal(rig_out(out, MAX), 1);
	for (unsigned len = 0; len < p.len; len++) {
		strange = encrypted((uint16_t)(200 + len));
		strange.len = len;
		rig_in(0, &strange, 1);
	}
	assert_int_equal(rig_out(out, MAX), 0);
	assert_int_equal(rig_stats(&c).rx_packets, 2);
}

static void test_only_what_authenticates_teaches(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	c.flags = SL_LEG_LEARN_ANY | SL_LEG_RELEARN;
	rig_set(&c);
	rig_join(&d, &c);
	struct rig_packet forged = encrypted(1), good = encrypted(2);
	forged.src = rig_endpoint(STRANGER);
	forged.data[30] ^= 1;
	rig_in(0, &forged, 1);
	one("198.51.100.11:5000", &d, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], "192.0.2.11:4000");
	good.src = rig_endpoint(STRANGER); /* its holder has moved */
	rig_in(0, &good, 1);
	one("198.51.100.11:5000", &d, 2);
	assert_int_equal(rig_out(out, MAX), 2);
	rig_assert_to(&out[1], STRANGER);
}

static void test_no_key_no_packet(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	b.key_out = (struct sl_srtp_key){0};
	b.flags |= SL_LEG_REQUIRE_SRTP;
	rig_set(&b);
	one(A, &a, 1);
	assert_int_equal(rig_out(out, MAX), 0);
	assert_int_equal(rig_drops(SL_DROP_srtp_no_key), 1);
}

static void test_an_index_is_used_once(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	one(A, &a, 500);
	one(A, &a, 500); /* the same number again, perhaps with other words: a two-time pad */
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(rig_drops(SL_DROP_srtp_reused), 1);
	one(A, &a, 499);
	assert_int_equal(rig_out(out, MAX), 1); /* late, but new */
	/* A source that begins anew far behind is followed after a while. */
	for (uint16_t i = 0; i < 50; i++)
		one(A, &a, (uint16_t)(10 + i));
	assert_in_range(rig_out(out, MAX), 10, 40);
}

static void test_key_lifetime(void **state)
{
	struct sl_event evt;
	chain(SL_SRTP_AES_CM_128_80);
	b.key_out = rig_key(9, SL_SRTP_AES_CM_128_80);
	b.key_out.lifetime_packets = 3;
	rig_set(&b);
	for (uint16_t i = 0; i < 5; i++)
		one(A, &a, i);
	assert_int_equal(rig_out(out, MAX), 3);
	assert_int_equal(rig_drops(SL_DROP_srtp_key_expired), 2);
	bool told = false;
	while (rig_event(&evt))
		told |= evt.leg.change == SL_LEG_KEY_EXPIRED;
	assert_true(told);
	b.key_out = rig_key(10, SL_SRTP_AES_CM_128_80);
	rig_set(&b);
	one(A, &a, 6);
	assert_int_equal(rig_out(out, MAX), 1);
}

static void test_restart_reuses_no_index(void **state)
{
	bool used[1 << 17] = {0};
	uint32_t roc = 0;
	uint16_t last = 0;
	chain(SL_SRTP_AES_CM_128_80);
	for (unsigned i = 0; i < 600; i++) {
		struct rig_packet p = rig_rtp(A, &a, PCMU, (uint16_t)(65300 + i), i, 0x42, 20), sent;
		rig_in(0, &p, 1);
		assert_int_equal(rig_out(&sent, 1), 1);
		uint16_t seq = sl_rtp_seq(sent.data);
		roc += i && seq < last;
		last = seq;
		used[roc << 16 | seq] = true;
		sent = turned(&sent);
		rig_in(0, &sent, 1);
		assert_int_equal(rig_out(out, MAX), 1);
	}
	rig_pass_ms(1100); /* receivers' indices are noted */
	rig_restart();
	rig_set(&a);
	rig_set(&b);
	rig_set(&c);
	rig_set(&d);
	rig_join(&a, &b);
	rig_join(&c, &d);
	for (unsigned i = 0; i < 100; i++) { /* the source goes on, with some it had sent before */
		struct rig_packet p = rig_rtp(A, &a, PCMU, (uint16_t)(65300 + 590 + i), i, 0x42, 20), sent;
		rig_in(0, &p, 1);
		assert_int_equal(rig_out(&sent, 1), 1);
		uint16_t seq = sl_rtp_seq(sent.data);
		roc += seq < last;
		last = seq;
		assert_false(used[roc << 16 | seq]);
		used[roc << 16 | seq] = true;
		sent = turned(&sent);
		rig_in(0, &sent, 1);
		assert_int_equal(rig_out(out, MAX), 1); /* and the receiver follows, roll-over count and all */
	}
	assert_int_equal(rig_drops(SL_DROP_srtp_auth), 0);
}

static void test_rekeyed_receiver(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	for (unsigned i = 0; i < 200; i++) {
		struct rig_packet p = encrypted((uint16_t)(65500 + i)); /* into roll-over count 1 */
		rig_in(0, &p, 1);
		assert_int_equal(rig_out(out, MAX), 1);
	}
	b.key_out = c.key_in[0] = rig_key(50, SL_SRTP_AES_CM_128_80);
	rig_set(&b);
	rig_set(&c);
	unsigned lost = 0;
	for (unsigned i = 200; i < 220; i++) { /* the count goes on (RFC 3711 3.3.1) */
		struct rig_packet p = encrypted((uint16_t)(65500 + i));
		rig_in(0, &p, 1);
		lost += rig_out(out, MAX) == 0;
	}
	assert_int_equal(lost, 0);
	/* A peer that begins its count anew with a new key, as SDES peers do. */
	b.key_out = c.key_in[0] = rig_key(60, SL_SRTP_AES_CM_128_80);
	rig_command(SL_CMD_LEG_DELETE, &b.leg, sizeof b.leg);
	rig_set(&b);
	rig_set(&c);
	rig_join(&a, &b);
	for (unsigned i = 220; i < 240; i++) {
		struct rig_packet p = encrypted((uint16_t)(65500 + i));
		rig_in(0, &p, 1);
		lost += rig_out(out, MAX) == 0;
	}
	assert_in_range(lost, 0, 2);
}

static void test_old_and_new_key(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	struct rig_packet p = encrypted(1);
	rig_in(0, &p, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	c.key_in[1] = c.key_in[0];
	c.key_in[0] = rig_key(70, SL_SRTP_AES_CM_128_80);
	rig_set(&c); /* the peer may change its key from now on, without a sign */
	unsigned lost = 0;
	for (uint16_t i = 2; i < 40; i++) {
		if (i == 20) {
			b.key_out = c.key_in[0];
			rig_set(&b);
		}
		p = encrypted(i);
		rig_in(0, &p, 1);
		lost += rig_out(out, MAX) == 0;
	}
	assert_in_range(lost, 0, 4);
}

static void test_an_icmp_answer_tells_nothing(void **state)
{
	enum { BIG = 1450, QUOTED = 14 + 20 + 8 + 20 + 8 };
	chain(SL_SRTP_AES_CM_128_80);
	d = rig_leg(0, 1, 4, "[2001:db8:1::10]:6000");
	rig_command(SL_CMD_LEG_DELETE, &(struct sl_leg_ref){d.leg.id, d.leg.port, 0, {0}}, sizeof d.leg);
	rig_set(&d);
	rig_join(&c, &d);
	struct rig_packet p = rig_rtp(A, &a, PCMU, 1, 1, 0x99, BIG), sent;
	rig_in(0, &p, 1);
	assert_int_equal(rig_out(&sent, 1), 1);
	p = turned(&sent);
	p.df = true;
	rig_in(0, &p, 1); /* as IPv6 it is too big, and what it held is in the clear by now */
	assert_int_equal(rig_drops(SL_DROP_too_big), 1);
	struct sl_worker *w = rig_worker(0);
	assert_int_equal(w->tx[0].n, 1);
	assert_int_equal(w->tx[0].m[0]->data_len, QUOTED);
	rte_pktmbuf_free(w->tx[0].m[0]);
	w->tx[0].n = 0;
}

static void test_incoming_key_lifetime(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	c.key_in[0] = rig_key(2, SL_SRTP_AES_CM_128_80);
	c.key_in[0].lifetime_packets = 1;
	b.key_out = rig_key(2, SL_SRTP_AES_CM_128_80);
	rig_set(&b);
	rig_set(&c);
	struct rig_packet p[3];
	for (uint16_t i = 0; i < 3; i++)
		p[i] = encrypted((uint16_t)(i + 1));
	rig_in(0, p, 2); /* in one burst */
	rig_in(0, &p[2], 1);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(rig_drops(SL_DROP_srtp_key_expired), 2);
}

/* A packet from before the first one, over the wrap: taken for one far ahead it would move the roll-over count, and the
 * receiver would not follow. */
static void test_a_late_packet_from_before_the_first(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	const uint16_t order[] = {2, 65535, 3, 4};
	unsigned heard = 0;
	for (unsigned i = 0; i < 4; i++) {
		struct rig_packet p = rig_rtp(A, &a, PCMU, order[i], i, 0x99, PAYLOAD), sent;
		rig_in(0, &p, 1);
		if (rig_out(&sent, 1) == 0)
			continue;
		p = turned(&sent);
		rig_in(0, &p, 1);
		heard += rig_out(out, MAX);
	}
	assert_int_equal(heard, 3);
	assert_int_equal(rig_drops(SL_DROP_srtp_auth), 0);
	assert_int_equal(rig_stats(&a).rx_lost, 0);
}

static void test_no_rtp_to_a_leg_that_carries_rtp(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	a.flags = SL_LEG_RAW; /* one end has changed to fax, the other not yet */
	rig_set(&a);
	struct rig_packet p = rig_rtp(A, &a, PCMU, 1, 1, 0x99, PAYLOAD);
	p.len = 5;
	rig_in(0, &p, 1);
	assert_int_equal(rig_out(out, MAX), 0);
	assert_int_equal(rig_drops(SL_DROP_media_unexpected), 1);
}

/* Packets under the old key while the new one is awaited; then the peer's roll-over count begins anew with it. */
static void test_the_old_key_speaks_until_the_new_one_does(void **state)
{
	chain(SL_SRTP_AES_CM_128_80);
	for (unsigned i = 0; i < 200; i++) { /* into roll-over count 1 */
		struct rig_packet p = encrypted((uint16_t)(65400 + i));
		rig_in(0, &p, 1);
		assert_int_equal(rig_out(out, MAX), 1);
	}
	c.key_in[1] = c.key_in[0];
	c.key_in[0] = rig_key(60, SL_SRTP_AES_CM_128_80);
	rig_set(&c);
	unsigned heard = 0;
	for (unsigned i = 200; i < 240; i++) {
		struct rig_packet p = encrypted((uint16_t)(65400 + i));
		if (i == 210) {
			b.key_out = c.key_in[0];
			rig_command(SL_CMD_LEG_DELETE, &b.leg, sizeof b.leg);
			rig_set(&b);
			rig_join(&a, &b);
			continue;
		}
		rig_in(0, &p, 1);
		heard += rig_out(out, MAX);
		if (i % 2) { /* and somebody throws rubbish in between */
			p.data[PAYLOAD] ^= 1;
			sl_rtp_put16(p.data + 2, (uint16_t)(sl_rtp_seq(p.data) + 1));
			rig_in(0, &p, 1);
		}
	}
	assert_in_range(heard, 37, 39);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(test_encrypted_and_back),
		T(test_copies_and_forgeries),
		T(test_only_what_authenticates_teaches),
		T(test_no_key_no_packet),
		T(test_an_index_is_used_once),
		T(test_key_lifetime),
		T(test_restart_reuses_no_index),
		T(test_rekeyed_receiver),
		T(test_old_and_new_key),
		T(test_an_icmp_answer_tells_nothing),
		T(test_incoming_key_lifetime),
		T(test_a_late_packet_from_before_the_first),
		T(test_no_rtp_to_a_leg_that_carries_rtp),
		T(test_the_old_key_speaks_until_the_new_one_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

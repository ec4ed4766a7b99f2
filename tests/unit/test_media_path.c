/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTP through the stages of a worker: who is believed, what leaves where, with which numbers, and under which index. */

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

/* ---- forwarding ---- */

static void test_one_to_one(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	struct rig_packet p[3];
	for (unsigned i = 0; i < 3; i++)
		p[i] = rig_rtp(A, &a, PCMU, (uint16_t)(65534 + i), 160 * i, 7, PAYLOAD);
	rig_in(0, p, 3);
	assert_int_equal(rig_out(out, MAX), 3);
	for (unsigned i = 0; i < 3; i++) {
		rig_assert_to(&out[i], B);
		assert_int_equal(ntohs(out[i].src.port_be), b.leg.port);
		assert_int_equal(out[i].tos, DSCP_EF << 2);
		assert_int_equal(out[i].len, p[i].len);
		assert_memory_equal(out[i].data, p[i].data, p[i].len);
	}
	one(B, &b, 9);
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], A);
	struct sl_evt_leg e = rig_stats(&a);
	assert_int_equal(e.rx_packets, 3);
	assert_int_equal(e.rx_bytes, 3 * (PAYLOAD + SL_RTP_HEADER_BYTES));
	assert_int_equal(e.tx_packets, 1);
	assert_int_equal(e.rx_lost, 0);
	assert_true(e.locked);
}

static void test_families(void **state)
{
	struct sl_cmd_leg a = rig_leg(0, 0, 1, A), b = rig_leg(0, 1, 2, "[2001:db8:1::10]:6000");
	rig_set(&a);
	rig_set(&b);
	rig_join(&a, &b);
	rig_join(&b, &a);
	one(A, &a, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], "[2001:db8:1::10]:6000");
	one("[2001:db8:1::10]:6000", &b, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], A);
}

static void test_loss_and_jitter(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	for (uint16_t i = 0; i < 200; i++) {
		if (i % 10 != 3)
			one(A, &a, i);
		rig_pass_ms(i % 2 ? 15 : 25);
		rig_out(out, MAX);
	}
	struct sl_evt_leg e = rig_stats(&a);
	assert_int_equal(e.rx_lost, 20);
	assert_in_range(e.rx_jitter_us, 3000, 6500);
}

static void test_nothing_without_route_or_address(void **state)
{
	struct sl_cmd_leg a = rig_leg(0, 0, 1, A), b = rig_leg(0, 0, 2, NULL);
	rig_set(&a);
	rig_set(&b);
	one(A, &a, 1);
	assert_int_equal(rig_drops(SL_DROP_media_no_route), 1);
	rig_join(&a, &b);
	one(A, &a, 2);
	assert_int_equal(rig_drops(SL_DROP_media_no_route), 2);
	assert_int_equal(rig_out(out, MAX), 0);
	b.flags |= SL_LEG_LEARN_ANY;
	rig_set(&b);
	one(B, &b, 1); /* B has said where it is */
	one(A, &a, 3);
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], B);
}

static void test_payload_types(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	b.n_pt_map = 1;
	b.pt_map[0].from = PCMU;
	b.pt_map[0].to = PCMA;
	rig_set(&b);
	one(A, &a, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(sl_rtp_pt(out[0].data), PCMA);
}

static void test_block(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	a.flags |= SL_LEG_BLOCK_MEDIA;
	rig_set(&a);
	one(A, &a, 1);
	one(B, &b, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(rig_drops(SL_DROP_media_blocked), 1);
	a.flags = SL_LEG_SILENCE_MEDIA;
	rig_set(&a);
	one(A, &a, 2);
	assert_int_equal(rig_out(out, MAX), 1);
	for (unsigned i = SL_RTP_HEADER_BYTES; i < out[0].len; i++)
		assert_int_equal(out[0].data[i], 0xff);
	a.flags = 0;
	rig_set(&a);
	one(A, &a, 3);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_not_equal(out[0].data[SL_RTP_HEADER_BYTES], 0xff);
}

static void test_raw(void **state)
{
	struct sl_cmd_leg a = rig_leg(0, 0, 1, A), b = rig_leg(0, 0, 2, B);
	a.flags = b.flags = SL_LEG_RAW;
	rig_set(&a);
	rig_set(&b);
	rig_join(&a, &b);
	struct rig_packet p = rig_rtp(A, &a, 0, 0, 0, 0, 0);
	p.len = 9;
	memcpy(p.data, "\x00\x01udptl..", 9);
	rig_in(0, &p, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_memory_equal(out[0].data, p.data, 9);
}

static void test_bad_packets(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	struct rig_packet p = rig_rtp(A, &a, PCMU, 1, 1, 1, PAYLOAD);
	const struct rig_packet good = p;
	p.len = 11; /* shorter than a header */
	rig_in(0, &p, 1);
	assert_int_equal(rig_drops(SL_DROP_rtp_malformed), 1);
	p = good;
	p.data[0] = 0x90; /* extension that is not there */
	p.data[14] = 0xff;
	rig_in(0, &p, 1);
	assert_int_equal(rig_drops(SL_DROP_rtp_malformed), 2);
	p = good;
	p.data[0] = 0xa0; /* padding of more than there is */
	p.data[p.len - 1] = 0xff;
	rig_in(0, &p, 1);
	assert_int_equal(rig_drops(SL_DROP_rtp_malformed), 3);
	p = good;
	p.data[0] = 0x40; /* version 1 */
	rig_in(0, &p, 1);
	p.data[0] = 0x00; /* STUN */
	rig_in(0, &p, 1);
	p.data[0] = 22; /* DTLS */
	rig_in(0, &p, 1);
	p.len = 0;
	rig_in(0, &p, 1);
	assert_int_equal(rig_drops(SL_DROP_media_unexpected), 4);
	struct sl_cmd_leg nobody = rig_leg(0, 0, 30, A);
	one(A, &nobody, 1);
	assert_int_equal(rig_drops(SL_DROP_media_no_leg), 1);
	assert_int_equal(rig_out(out, MAX), 0);
	assert_false(rig_stats(&a).locked); /* nothing of that was learned */
}

/* ---- who is believed ---- */

static void test_a_stranger_learns_and_steers_nothing(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	one(STRANGER, &a, 1); /* before the endpoint has been heard */
	assert_int_equal(rig_out(out, MAX), 0);
	one(B, &b, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], A); /* as the SDP said */
	one(A_OTHER_PORT, &a, 2); /* the endpoint behind a NAT that changed its port */
	assert_int_equal(rig_out(out, MAX), 1);
	one(STRANGER, &a, 3);
	one(A, &a, 4); /* the right host at another port: too late */
	assert_int_equal(rig_out(out, MAX), 0);
	one(B, &b, 2);
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], A_OTHER_PORT);
	assert_int_equal(rig_drops(SL_DROP_media_stranger), 3);
	assert_int_equal(rig_stats(&a).strangers, 3);
}

static void test_learning_is_told(void **state)
{
	struct sl_cmd_leg a, b;
	struct sl_event evt;
	rig_pair(&a, &b, A, B);
	one(A_OTHER_PORT, &a, 1);
	rig_out(out, MAX);
	assert_true(rig_event(&evt));
	assert_int_equal(evt.h.type, SL_EVT_LEG);
	assert_int_equal(evt.leg.change, SL_LEG_LEARNED);
	struct sl_endpoint e = rig_endpoint(A_OTHER_PORT);
	assert_true(sl_endpoint_eq(&evt.leg.remote_rtp, &e));
	one(A_OTHER_PORT, &a, 2);
	rig_out(out, MAX);
	assert_false(rig_event(&evt));
}

static void test_signalling_address_and_any(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	a.remote_rtp = rig_endpoint("10.0.0.1:4000");
	rig_set(&a);
	one(STRANGER, &a, 1);
	assert_int_equal(rig_out(out, MAX), 0);
	a.learn_ip = rig_endpoint(STRANGER).ip; /* the SIP message came from there */
	rig_set(&a);
	one(STRANGER, &a, 2);
	assert_int_equal(rig_out(out, MAX), 1);
	one(A, &a, 3);
	assert_int_equal(rig_out(out, MAX), 0);
	a.remote_rtp = rig_endpoint("10.0.0.2:4000"); /* a new remote: learned anew */
	a.flags |= SL_LEG_LEARN_ANY;
	rig_set(&a);
	one(A, &a, 4);
	assert_int_equal(rig_out(out, MAX), 1);
}

static void test_delayed(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	a.learn = SL_LEARN_DELAYED;
	rig_set(&a);
	one(A_OTHER_PORT, &a, 1);
	one(B, &b, 1);
	assert_int_equal(rig_out(out, MAX), 2);
	rig_assert_to(&out[1], A); /* not yet */
	rig_pass_ms(SL_LEARN_WAIT_MS);
	one(A_OTHER_PORT, &a, 2);
	one(B, &b, 2);
	assert_int_equal(rig_out(out, MAX), 2);
	rig_assert_to(&out[1], A_OTHER_PORT);
	assert_true(rig_stats(&a).locked);
}

static void test_heuristic(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	a.learn = SL_LEARN_HEURISTIC;
	a.flags |= SL_LEG_LEARN_ANY;
	rig_set(&a);
	one(STRANGER, &a, 1);
	one(B, &b, 1);
	rig_out(out, MAX);
	rig_assert_to(&out[1], STRANGER); /* the best so far */
	one(A_OTHER_PORT, &a, 2);
	one(STRANGER, &a, 3);
	one(B, &b, 2);
	assert_int_equal(rig_out(out, MAX), 3);
	rig_assert_to(&out[2], A_OTHER_PORT); /* better: the address is right */
	one(A, &a, 4);
	one(B, &b, 3);
	rig_out(out, MAX);
	rig_assert_to(&out[1], A);
	assert_true(rig_stats(&a).locked); /* exactly as said: no need to wait */
	one(STRANGER, &a, 5);
	assert_int_equal(rig_out(out, MAX), 0);
}

static void test_off_and_strict(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	a.learn = SL_LEARN_OFF;
	rig_set(&a);
	one(STRANGER, &a, 1); /* asymmetric: may come from anywhere, is answered where the SDP said */
	one(B, &b, 1);
	assert_int_equal(rig_out(out, MAX), 2);
	rig_assert_to(&out[1], A);
	a.flags |= SL_LEG_STRICT_SOURCE;
	rig_set(&a);
	one(STRANGER, &a, 2);
	assert_int_equal(rig_out(out, MAX), 0);
	one(A, &a, 3);
	assert_int_equal(rig_out(out, MAX), 1);
}

static void test_handover(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	a.flags |= SL_LEG_RELEARN;
	rig_set(&a);
	one(A, &a, 1);
	one(A_OTHER_PORT, &a, 2);
	one(STRANGER, &a, 3);
	one(B, &b, 1);
	assert_int_equal(rig_out(out, MAX), 3);
	rig_assert_to(&out[2], A_OTHER_PORT);
}

static void test_latching_survives_the_same_command(void **state)
{
	struct sl_cmd_leg a, b;
	rig_pair(&a, &b, A, B);
	one(A_OTHER_PORT, &a, 1);
	rig_set(&a);
	one(B, &b, 1);
	rig_out(out, MAX);
	rig_assert_to(&out[1], A_OTHER_PORT);
}

/* ---- several ---- */

static void test_fan_out(void **state)
{
	enum { SUBSCRIBERS = 10 };
	struct sl_cmd_leg a = rig_leg(0, 0, 1, A), s[SUBSCRIBERS];
	rig_set(&a);
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		s[i] = rig_leg(0, i % 2, 2 + i, i % 2 ? "[2001:db8:1::11]:7000" : B);
		s[i].flags = SL_LEG_REWRITE_SSRC;
		s[i].out_ssrc = 1000 + i;
		rig_set(&s[i]);
		rig_join(&a, &s[i]);
	}
	struct rig_packet p[2] = {rig_rtp(A, &a, PCMU, 10, 100, 5, PAYLOAD), rig_rtp(A, &a, PCMU, 11, 260, 5, PAYLOAD)};
	rig_in(0, p, 2);
	assert_int_equal(rig_out(out, MAX), 2 * SUBSCRIBERS);
	uint16_t first[SUBSCRIBERS];
	unsigned seen = 0;
	for (unsigned i = 0; i < 2 * SUBSCRIBERS; i++) {
		unsigned n = sl_rtp_ssrc(out[i].data) - 1000;
		assert_true(n < SUBSCRIBERS);
		assert_memory_equal(out[i].data + SL_RTP_HEADER_BYTES, p[i / SUBSCRIBERS].data + SL_RTP_HEADER_BYTES, PAYLOAD);
		if (i < SUBSCRIBERS)
			first[n] = sl_rtp_seq(out[i].data);
		else
			assert_int_equal(sl_rtp_seq(out[i].data), (uint16_t)(first[n] + 1));
		seen |= 1u << n;
	}
	assert_int_equal(seen, (1u << SUBSCRIBERS) - 1);
	for (unsigned i = 0; i < SUBSCRIBERS; i++)
		rig_command(SL_CMD_LEG_DELETE, &s[i].leg, sizeof s[i].leg);
	rig_in(0, p, 1);
	assert_int_equal(rig_drops(SL_DROP_media_no_route), 1);
}

static void test_a_new_source_goes_on_where_the_old_ended(void **state)
{
	struct sl_cmd_leg a, b, c = rig_leg(0, 0, 3, "192.0.2.11:4000");
	rig_pair(&a, &b, A, B);
	b.flags = SL_LEG_REWRITE_SSRC;
	rig_set(&b);
	rig_set(&c);
	one(A, &a, 40000);
	rig_out(out, MAX);
	uint32_t ssrc = sl_rtp_ssrc(out[0].data), ts = sl_rtp_ts(out[0].data);
	uint16_t seq = sl_rtp_seq(out[0].data);
	rig_command(SL_CMD_ROUTE_DELETE, &(struct sl_cmd_route){a.leg, b.leg}, sizeof(struct sl_cmd_route));
	rig_join(&c, &b);
	rig_pass_ms(20);
	struct rig_packet p = rig_rtp("192.0.2.11:4000", &c, PCMU, 7, 99999, 0x777, PAYLOAD);
	rig_in(0, &p, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(sl_rtp_ssrc(out[0].data), ssrc);
	assert_int_equal(sl_rtp_seq(out[0].data), (uint16_t)(seq + 1));
	assert_int_equal(sl_rtp_ts(out[0].data), ts + 160);
}

static void test_workers(void **state)
{
	struct sl_cmd_leg a = rig_leg(0, 0, 1, A), b = rig_leg(1, 0, 2, B);
	b.key_out = (struct sl_srtp_key){.suite = SL_SRTP_AES_CM_128_80, .key = {1}, .salt = {2}};
	rig_set(&a);
	rig_set(&b);
	rig_join(&a, &b);
	rig_join(&b, &a);
	one(A, &a, 1); /* arrives at its own worker, leaves from the other */
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], B);
	assert_int_equal(out[0].len, SL_RTP_HEADER_BYTES + PAYLOAD + 10);
	one(B, &b, 1); /* arrives at the wrong worker, leaves from there */
	assert_int_equal(rig_out(out, MAX), 1);
	rig_assert_to(&out[0], A);
	rig_command(SL_CMD_LEG_DELETE, &b.leg, sizeof b.leg);
	one(A, &a, 2);
	assert_int_equal(rig_out(out, MAX), 0);
	assert_int_equal(rig_drops(SL_DROP_media_stale), 1);
}

/* The remote ends of a call may be said to be the call's own ports: a packet must not go round for ever. */
static void assert_it_ends(const struct rig_packet *p)
{
	enum { ROUNDS = 50 };
	rig_in(0, p, 1);
	for (unsigned i = 0; i < 2 * ROUNDS; i++)
		sl_handoff_input(rig_worker(i & 1));
	assert_int_equal(sl_handoff_input(rig_worker(0)) + sl_handoff_input(rig_worker(1)), 0);
	assert_true(rig_drops(SL_DROP_hairpin_limit) > 0);
}

static void test_what_goes_round_ends(void **state)
{
	char own[2][32];
	struct sl_cmd_leg x = rig_leg(0, 0, 1, NULL), y = rig_leg(1, 0, 2, NULL);
	snprintf(own[0], sizeof own[0], RIG_V4 ":%u", x.leg.port);
	snprintf(own[1], sizeof own[1], RIG_V4 ":%u", y.leg.port);
	x.remote_rtp = x.remote_rtcp = rig_endpoint(own[0]);
	y.remote_rtp = y.remote_rtcp = rig_endpoint(own[1]);
	x.learn = y.learn = SL_LEARN_OFF;
	x.flags = y.flags = SL_LEG_RTCP_MUX;
	rig_set(&x);
	rig_set(&y);
	rig_join(&x, &y);
	rig_join(&y, &x);
	struct rig_packet p = rig_rtp(A, &x, PCMU, 1, 160, 7, PAYLOAD);
	assert_it_ends(&p);
	static const uint8_t report[] = {0x80, 201, 0, 1, 0, 0, 0, 9};
	memcpy(p.data, report, sizeof report);
	p.len = sizeof report;
	assert_it_ends(&p);
}

static void test_inactivity_is_told_once(void **state)
{
	struct sl_cmd_leg a, b;
	struct sl_event evt;
	rig_pair(&a, &b, A, B);
	a.inactivity_ms = 5000;
	rig_set(&a);
	rig_pass_ms(4000);
	assert_false(rig_event(&evt));
	rig_pass_ms(3000);
	assert_true(rig_event(&evt));
	assert_int_equal(evt.leg.change, SL_LEG_INACTIVE);
	rig_pass_ms(10000);
	assert_false(rig_event(&evt));
	one(A, &a, 1);
	rig_out(out, MAX);
	rig_pass_ms(2000);
	while (rig_event(&evt))
		assert_int_equal(evt.leg.change, SL_LEG_LEARNED);
	rig_pass_ms(6000);
	assert_true(rig_event(&evt));
	assert_int_equal(evt.leg.change, SL_LEG_INACTIVE);
}

/* Many legs to sweep take several milliseconds, in which packets pass and commands wait. */
static void test_sweeping_takes_its_time(void **state)
{
	enum { LEGS = 140, STAYS = 139 };
	struct sl_worker *w = rig_worker(0);
	struct sl_cmd_leg l;
	for (unsigned i = 0; i < LEGS; i++) {
		if (i == STAYS)
			w->abi.epoch[1] += 2; /* its client attached anew */
		l = rig_leg(0, 0, i, A);
		rig_set(&l);
	}
	const struct sl_media *m = w->media->tables;
	rig_command(SL_CMD_LEGS_SWEEP, &l, 0);
	assert_in_range(m->n_active, 2, LEGS - 1);
	assert_true(sl_media_is_sweeping(w));
	rig_pass_ms(2);
	assert_false(sl_media_is_sweeping(w));
	assert_int_equal(m->n_active, 1);
	assert_int_not_equal(sl_media_leg(m, &l.leg), SL_NONE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(test_one_to_one),
		T(test_families),
		T(test_loss_and_jitter),
		T(test_nothing_without_route_or_address),
		T(test_payload_types),
		T(test_block),
		T(test_raw),
		T(test_bad_packets),
		T(test_a_stranger_learns_and_steers_nothing),
		T(test_learning_is_told),
		T(test_signalling_address_and_any),
		T(test_delayed),
		T(test_heuristic),
		T(test_off_and_strict),
		T(test_handover),
		T(test_latching_survives_the_same_command),
		T(test_fan_out),
		T(test_a_new_source_goes_on_where_the_old_ended),
		cmocka_unit_test_setup_teardown(test_workers, rig_setup_two, rig_teardown),
		cmocka_unit_test_setup_teardown(test_what_goes_round_ends, rig_setup_two, rig_teardown),
		T(test_inactivity_is_told_once),
		T(test_sweeping_takes_its_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

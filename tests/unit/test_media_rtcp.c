/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTCP through the stages of a worker: who is believed, what goes where, under which index, and what becomes known. */

#include "path_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "dataplane/session/rtcp.h"

enum { MAX = 40, PCMU = 0, PAYLOAD = 160, SSRC_A = 0xa0a0a0a0, SSRC_B = 0xb0b0b0b0, SLOT = 1 };
#define A "192.0.2.10:4000"
#define A_RTCP "192.0.2.10:4001"
#define B "198.51.100.10:5000"
#define B_RTCP "198.51.100.10:5001"
#define C "198.51.100.11:6000"
#define STRANGER "192.0.2.99:4001"

static struct rig_packet out[MAX];
static struct sl_cmd_leg a, b;

static void join_pair(void)
{
	rig_set(&a);
	rig_set(&b);
	rig_join(&a, &b);
	rig_join(&b, &a);
}

static void pair(void)
{
	a = rig_leg(0, 0, 1, A);
	b = rig_leg(0, 0, 2, B);
	join_pair();
}

static uint32_t leg_of(const struct sl_cmd_leg *c, unsigned worker)
{
	return sl_media_leg(rig_worker(worker)->media->tables, &c->leg);
}

static struct sl_evt_leg stats(const struct sl_cmd_leg *c)
{
	struct sl_evt_leg e;
	sl_media_describe(rig_worker(0)->media->tables, leg_of(c, 0), rig_worker(0)->now.ms, &e);
	return e;
}

static void rtp(const char *src, const struct sl_cmd_leg *to, uint16_t seq, uint32_t ssrc)
{
	struct rig_packet p = rig_rtp(src, to, PCMU, seq, 160u * seq, ssrc, PAYLOAD);
	rig_in(0, &p, 1);
	rig_out(out, MAX);
}

/* ---- made by a test ---- */

static struct sl_rtcp_sender sr = {.ssrc = SSRC_A, .ntp = UINT64_C(0xe000000012345678), .rtp_ts = 3200, .packets = 20,
	.octets = 3200};

static struct rig_packet empty(const char *src, const struct sl_cmd_leg *to)
{
	struct rig_packet p = rig_rtp(src, to, 0, 0, 0, 0, 0);
	p.dst.port_be = htons(to->rtcp_port ? to->rtcp_port : to->leg.port);
	return p;
}

static struct rig_packet sender_report(const char *src, const struct sl_cmd_leg *to)
{
	struct rig_packet p = empty(src, to);
	p.len = (unsigned)sl_rtcp_build(p.data, sizeof p.data, sr.ssrc, &sr, NULL, 0, "a@b");
	return p;
}

static struct rig_packet receiver_report(const char *src, const struct sl_cmd_leg *to, uint32_t from,
	struct sl_rtcp_block block)
{
	struct rig_packet p = empty(src, to);
	p.len = (unsigned)sl_rtcp_build(p.data, sizeof p.data, from, NULL, &block, 1, "c@d");
	return p;
}

static unsigned in(const struct rig_packet *p)
{
	rig_in(0, p, 1);
	return rig_out(out, MAX);
}

static struct sl_rtcp_packet first_of(const struct rig_packet *p)
{
	struct sl_rtcp_packet k;
	size_t at = 0;
	assert_true(sl_rtcp_valid(p->data, p->len));
	assert_int_equal(sl_rtcp_next(p->data, p->len, &at, &k), 1);
	return k;
}

/* ---- ways ---- */

static void test_goes_from_port_to_port(void **state)
{
	pair();
	rtp(A, &a, 1, SSRC_A);
	struct rig_packet p = sender_report(A_RTCP, &a);
	assert_int_equal(in(&p), 1);
	rig_assert_to(&out[0], B_RTCP);
	assert_int_equal(ntohs(out[0].src.port_be), b.rtcp_port);
	assert_int_equal(out[0].tos, 46 << 2);
	assert_int_equal(out[0].len, p.len);
	assert_memory_equal(out[0].data, p.data, p.len);
	assert_int_equal(stats(&a).rtcp_in, 1);
	assert_int_equal(stats(&b).rtcp_out, 1);
}

static void test_muxed_on_one_side(void **state)
{
	a = rig_leg(0, 0, 1, A);
	b = rig_leg(0, 0, 2, B);
	a.flags |= SL_LEG_RTCP_MUX;
	a.rtcp_port = 0;
	join_pair();
	rtp(A, &a, 1, SSRC_A);
	struct rig_packet p = sender_report(A, &a);
	assert_int_equal(in(&p), 1);
	rig_assert_to(&out[0], B_RTCP);
	p = receiver_report(B_RTCP, &b, SSRC_B, (struct sl_rtcp_block){.ssrc = SSRC_A});
	assert_int_equal(in(&p), 1);
	rig_assert_to(&out[0], A);
	assert_int_equal(ntohs(out[0].src.port_be), a.leg.port);
}

static void test_answers_go_where_it_came_from(void **state)
{
	pair();
	rtp(A, &a, 1, SSRC_A);
	struct rig_packet p = sender_report("192.0.2.10:4999", &a);
	assert_int_equal(in(&p), 1);
	p = receiver_report(B_RTCP, &b, SSRC_B, (struct sl_rtcp_block){.ssrc = SSRC_A});
	assert_int_equal(in(&p), 1);
	rig_assert_to(&out[0], "192.0.2.10:4999");
}

static void test_strangers_and_nonsense_are_refused(void **state)
{
	pair();
	rtp(A, &a, 1, SSRC_A);
	struct rig_packet p = sender_report(STRANGER, &a);
	assert_int_equal(in(&p), 0);
	assert_int_equal(rig_drops(SL_DROP_media_stranger), 1);
	p = sender_report(A_RTCP, &a);
	for (unsigned len = 0; len < p.len; len++) {
		struct rig_packet cut = p;
		cut.len = len;
		assert_int_equal(in(&cut), len == SL_RTCP_SENDER_BYTES); /* the SR alone is whole */
	}
	assert_int_equal(rig_drops(SL_DROP_rtcp_malformed), p.len - 1);
	struct rig_packet not_rtcp = rig_rtp(A_RTCP, &a, PCMU, 1, 1, 1, PAYLOAD);
	not_rtcp.dst.port_be = htons(a.rtcp_port);
	assert_int_equal(in(&not_rtcp), 0);
	assert_int_equal(rig_drops(SL_DROP_rtcp_malformed), p.len);
	assert_int_equal(stats(&a).rtcp_in, 1);
}

static void test_blocked(void **state)
{
	pair();
	rtp(A, &a, 1, SSRC_A);
	b.flags |= SL_LEG_NO_RTCP;
	rig_set(&b);
	struct rig_packet p = sender_report(A_RTCP, &a);
	assert_int_equal(in(&p), 0);
	assert_int_equal(rig_drops(SL_DROP_media_blocked), 1);
	b.flags = 0;
	a.flags = SL_LEG_BLOCK_MEDIA;
	rig_set(&a);
	rig_set(&b);
	assert_int_equal(in(&p), 1);
	assert_int_equal(first_of(&out[0]).type, SL_RTCP_RR); /* nobody hears it */
}

static void test_fan_out_and_the_way_back(void **state)
{
	enum { SUBSCRIBERS = 3 };
	static const uint8_t pli[12] = {0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0};
	struct sl_cmd_leg s[SUBSCRIBERS];
	a = rig_leg(0, 0, 1, A);
	rig_set(&a);
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		s[i] = rig_leg(0, 0, 2 + i, C);
		s[i].flags = SL_LEG_REWRITE_SSRC;
		s[i].out_ssrc = 1000 + i;
		rig_set(&s[i]);
		rig_join(&a, &s[i]);
	}
	rtp(A, &a, 1, SSRC_A);
	struct rig_packet p = sender_report(A_RTCP, &a);
	assert_int_equal(in(&p), SUBSCRIBERS);
	unsigned seen = 0;
	for (unsigned i = 0; i < SUBSCRIBERS; i++) {
		struct sl_rtcp_packet k = first_of(&out[i]);
		struct sl_rtcp_sender s_out;
		assert_true(sl_rtcp_sender_info(out[i].data, &k, &s_out));
		assert_in_range(s_out.ssrc, 1000, 1000 + SUBSCRIBERS - 1);
		assert_int_equal(s_out.packets, 1); /* what this one was sent */
		seen |= 1u << (s_out.ssrc - 1000);
	}
	assert_int_equal(seen, (1u << SUBSCRIBERS) - 1);
	/* A subscriber wants a picture: its source is asked, by the name it knows. */
	p = empty("198.51.100.11:6001", &s[1]);
	memcpy(p.data, pli, sizeof pli);
	p.len = sizeof pli;
	sl_rtp_put32(p.data + 8, 1001);
	assert_int_equal(in(&p), 1);
	rig_assert_to(&out[0], A_RTCP);
	assert_int_equal(sl_rtp_get32(out[0].data + 8), SSRC_A);
	/* Its reports are not the source's business. */
	p = receiver_report("198.51.100.11:6001", &s[1], 9, (struct sl_rtcp_block){.ssrc = 1001, .lost = 3});
	assert_int_equal(in(&p), 0);
	assert_int_equal(stats(&s[1]).peer_lost, 3);
	struct sl_cmd_leg alone = rig_leg(0, 0, 9, B);
	rig_set(&alone);
	p = sender_report(B_RTCP, &alone);
	assert_int_equal(in(&p), 0);
	assert_int_equal(rig_drops(SL_DROP_media_no_route), 2);
}

static void test_between_workers(void **state)
{
	a = rig_leg(0, 0, 1, A);
	b = rig_leg(1, 0, 2, B);
	b.flags = SL_LEG_REWRITE_SSRC;
	b.out_ssrc = 0x5555;
	join_pair();
	rtp(A, &a, 1, SSRC_A);
	struct rig_packet p = sender_report(A_RTCP, &a);
	assert_int_equal(in(&p), 1);
	rig_assert_to(&out[0], B_RTCP);
	assert_int_equal(sl_rtcp_sender_ssrc(out[0].data, out[0].len), 0x5555);
	p = receiver_report(B_RTCP, &b, SSRC_B, (struct sl_rtcp_block){.ssrc = 0x5555});
	assert_int_equal(in(&p), 1);
	rig_assert_to(&out[0], A_RTCP);
	struct sl_rtcp_packet k = first_of(&out[0]);
	struct sl_rtcp_block block;
	sl_rtcp_block(out[0].data, &k, 0, &block);
	assert_int_equal(block.ssrc, SSRC_A);
}

/* ---- what becomes known ---- */

static void test_round_trip_and_loss(void **state)
{
	pair();
	rtp(A, &a, 1, SSRC_A);
	struct rig_packet p = sender_report(A_RTCP, &a);
	assert_int_equal(in(&p), 1);
	rig_pass_ms(540);
	const struct sl_rtcp_block block = {.ssrc = SSRC_A, .fraction = 26, .lost = 5, .jitter = 16,
		.lsr = sl_rtcp_ntp_middle(sr.ntp), .dlsr = 65536 / 2};
	p = receiver_report(B_RTCP, &b, SSRC_B, block);
	assert_int_equal(in(&p), 1);
	rig_assert_to(&out[0], A_RTCP); /* and on to who sent the SR, whose round trip it is as well */
	assert_memory_equal(out[0].data, p.data, p.len);
	struct sl_evt_leg e = stats(&b);
	assert_int_equal(e.rtt_us, 40000);
	assert_int_equal(e.peer_fraction, 26);
	assert_int_equal(e.peer_lost, 5);
	assert_int_equal(e.peer_jitter_us, 2000);
	assert_int_equal(stats(&a).rtt_us, 0);
}

/* ---- under keys ---- */

static struct sl_srtp_key key_of(uint8_t fill, unsigned suite)
{
	struct sl_srtp_key k = {.suite = (uint8_t)suite};
	memset(k.key, fill, sl_srtp_suite_info(suite)->key_len);
	memset(k.salt, fill + 1, sl_srtp_suite_info(suite)->salt_len);
	return k;
}

static struct sl_srtp *engine(void)
{
	return rig_worker(0)->media->tables->srtp;
}

static void seal(struct rig_packet *p, const struct sl_srtp_key *key, uint32_t index)
{
	struct sl_srtcp_context ctx;
	uint16_t len = (uint16_t)p->len;
	assert_int_equal(sl_srtcp_context_init(engine(), &ctx, key), 0);
	assert_int_equal(sl_srtcp_protect(engine(), &ctx, p->data, &len, index), 0);
	p->len = len;
}

/* Returns the index, or a negative errno. */
static int64_t open_sealed(struct rig_packet *p, const struct sl_srtp_key *key)
{
	struct sl_srtcp_context ctx;
	uint16_t len = (uint16_t)p->len;
	uint32_t index;
	assert_int_equal(sl_srtcp_context_init(engine(), &ctx, key), 0);
	int rc = sl_srtcp_unprotect(engine(), &ctx, p->data, &len, &index);
	p->len = len;
	return rc < 0 ? rc : (int64_t)index;
}

static void secure_pair(const struct sl_srtp_key *key_in, const struct sl_srtp_key *key_out)
{
	a = rig_leg(0, 0, 1, A);
	b = rig_leg(0, 0, 2, B);
	a.key_in[0] = *key_in;
	b.key_out = *key_out;
	join_pair();
}

static void test_every_suite_in_and_out(void **state)
{
	for (unsigned suite = 1; suite < SL_SRTP_N_SUITES; suite++) {
		const struct sl_srtp_key in_key = key_of(1, suite), out_key = key_of(2, SL_SRTP_N_SUITES - suite);
		secure_pair(&in_key, &out_key);
		struct rig_packet plain = sender_report(A_RTCP, &a), p = plain;
		for (uint32_t i = 0; i < 40; i++) {
			p = plain;
			seal(&p, &in_key, 7 + i);
			assert_int_equal(in(&p), 1);
			assert_int_not_equal(out[0].len, plain.len);
			assert_memory_not_equal(out[0].data + 8, plain.data + 8, 16);
			assert_int_equal(open_sealed(&out[0], &out_key), i);
			assert_int_equal(out[0].len, plain.len);
			assert_memory_equal(out[0].data, plain.data, plain.len);
		}
		assert_int_equal(in(&p), 0);
		rig_command(SL_CMD_LEG_DELETE, &a.leg, sizeof a.leg);
		rig_command(SL_CMD_LEG_DELETE, &b.leg, sizeof b.leg);
	}
	assert_int_equal(rig_drops(SL_DROP_srtp_replay), SL_SRTP_N_SUITES - 1);
	assert_int_equal(rig_worker(0)->counters[SL_C_srtcp_protected], 40 * (SL_SRTP_N_SUITES - 1));
	assert_int_equal(rig_worker(0)->counters[SL_C_srtcp_unprotected], 40 * (SL_SRTP_N_SUITES - 1));
}

static void test_forged_cut_and_replayed(void **state)
{
	const struct sl_srtp_key key = key_of(1, SL_SRTP_AES_CM_128_80);
	secure_pair(&key, &key);
	struct rig_packet plain = sender_report(A_RTCP, &a), good = plain, p;
	assert_int_equal(in(&plain), 0); /* in the clear, where it must not be */
	seal(&good, &key, 100);
	for (unsigned i = 0; i < good.len; i++) {
		p = good;
		p.data[i] ^= 1;
		assert_int_equal(in(&p), 0);
	}
	for (unsigned len = 0; len < good.len; len++) {
		p = good;
		p.len = len;
		assert_int_equal(in(&p), 0);
	}
	assert_true(rig_drops(SL_DROP_srtp_auth) > 0);
	assert_true(rig_drops(SL_DROP_srtp_short) > 0);
	assert_int_equal(stats(&a).rtcp_in, 0);
	assert_int_equal(in(&good), 1); /* the true one was not marked as seen */
	assert_int_equal(in(&good), 0);
	assert_int_equal(rig_drops(SL_DROP_srtp_replay), 1);
	assert_int_equal(stats(&a).replays, 1);
	p = sender_report(A_RTCP, &a);
	seal(&p, &key, 20); /* behind the window */
	assert_int_equal(in(&p), 0);
	assert_int_equal(rig_drops(SL_DROP_srtp_replay), 2);
}

static void keys_by_mki_and_without(unsigned suite)
{
	struct sl_srtp_key old = key_of(1, suite), new = key_of(2, suite);
	const struct sl_srtp_key out_key = key_of(3, SL_SRTP_AEAD_128_GCM);
	secure_pair(&old, &out_key);
	struct rig_packet plain = sender_report(A_RTCP, &a), p = plain;
	seal(&p, &old, 500);
	assert_int_equal(in(&p), 1);
	a.key_in[0] = new;
	a.key_in[1] = old;
	rig_set(&a);
	p = plain;
	seal(&p, &old, 501);
	assert_int_equal(in(&p), 1);
	p = plain;
	seal(&p, &new, 1); /* which begins its indices anew */
	assert_int_equal(in(&p), 1);
	assert_int_equal(open_sealed(&out[0], &out_key), 2);
	assert_memory_equal(out[0].data, plain.data, plain.len);
	old.mki_len = new.mki_len = 2;
	old.mki[1] = 1;
	new.mki[1] = 2;
	a.key_in[0] = old;
	a.key_in[1] = new;
	rig_set(&a);
	for (unsigned i = 0; i < 2; i++) {
		p = plain;
		seal(&p, i ? &old : &new, 900);
		assert_int_equal(in(&p), 1);
	}
	new.mki[1] = 3;
	p = plain;
	seal(&p, &new, 901);
	assert_int_equal(in(&p), 0);
	assert_int_equal(rig_drops(SL_DROP_srtp_mki), 1);
}

static void test_keys_by_mki_and_without(void **state)
{
	keys_by_mki_and_without(SL_SRTP_AES_CM_128_80);
}

static void test_a_key_that_fails_spoils_nothing(void **state)
{
	keys_by_mki_and_without(SL_SRTP_AEAD_256_GCM); /* which decrypts before it knows */
}

static void test_no_key_nothing_leaves(void **state)
{
	const struct sl_srtp_key key = key_of(1, SL_SRTP_AES_CM_128_80);
	secure_pair(&key, &key);
	struct rig_packet plain = sender_report(A_RTCP, &a), p = plain;
	b.key_out = (struct sl_srtp_key){0};
	b.flags = SL_LEG_REQUIRE_SRTP;
	rig_set(&b);
	seal(&p, &key, 1);
	assert_int_equal(in(&p), 0);
	assert_int_equal(rig_drops(SL_DROP_srtp_no_key), 1);
	b.key_out = key;
	rig_set(&b);
	p = plain;
	seal(&p, &key, 2);
	assert_int_equal(in(&p), 1);
}

static void test_indices_end(void **state)
{
	const struct sl_srtp_key key = key_of(1, SL_SRTP_AES_CM_128_80);
	struct sl_event evt;
	secure_pair(&key, &key);
	struct sl_leg_rtcp *r = &rig_worker(0)->media->tables->more[leg_of(&b, 0)].rtcp_state;
	r->out = SL_SRTCP_INDEX_MAX;
	for (uint32_t i = 0; i < 3; i++) {
		struct rig_packet p = sender_report(A_RTCP, &a);
		seal(&p, &key, i);
		assert_int_equal(in(&p), i == 0);
		if (i == 0)
			assert_int_equal(open_sealed(&out[0], &key), SL_SRTCP_INDEX_MAX);
	}
	assert_int_equal(rig_drops(SL_DROP_srtp_key_expired), 2);
	unsigned told = 0;
	while (rig_event(&evt))
		told += evt.leg.change == SL_LEG_KEY_EXPIRED;
	assert_int_equal(told, 1);
}

static void test_restart_reuses_no_index(void **state)
{
	const struct sl_srtp_key key = key_of(1, SL_SRTP_AES_CM_128_80);
	int64_t last = -1;
	secure_pair(&key, &key);
	for (uint32_t i = 0; i < 200; i++) {
		if (i && i % 37 == 0) {
			rig_pass_ms(1100); /* what was received is noted within a second */
			rig_restart();
			join_pair();
			struct rig_packet seen = sender_report(A_RTCP, &a);
			seal(&seen, &key, i - 1);
			assert_int_equal(in(&seen), 0);
		}
		struct rig_packet p = sender_report(A_RTCP, &a);
		seal(&p, &key, i);
		assert_int_equal(in(&p), 1);
		int64_t index = open_sealed(&out[0], &key);
		assert_true(index > last);
		last = index;
	}
	assert_int_equal(rig_drops(SL_DROP_srtp_replay), 1); /* of the last restart: counters begin anew with each */
	assert_in_range(last, 199, 300);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(test_goes_from_port_to_port),
		T(test_muxed_on_one_side),
		T(test_answers_go_where_it_came_from),
		T(test_strangers_and_nonsense_are_refused),
		T(test_blocked),
		T(test_fan_out_and_the_way_back),
		cmocka_unit_test_setup_teardown(test_between_workers, rig_setup_two, rig_teardown),
		T(test_round_trip_and_loss),
		T(test_every_suite_in_and_out),
		T(test_forged_cut_and_replayed),
		T(test_keys_by_mki_and_without),
		T(test_a_key_that_fails_spoils_nothing),
		T(test_no_key_nothing_leaves),
		T(test_indices_end),
		T(test_restart_reuses_no_index),
	};
	return cmocka_run_group_tests_name("media_rtcp", tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTCP over a worker's tables: replay of SRTCP, what reports say, and translation. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/session/rtcp.h"

enum { LEG = 0, IN = 0x1111, OUT = 0x2222, OTHER = 0x3333, PEER = 0x4444, HZ = 8000, SECOND_US = 1000000 };

/* The tables of one leg with one parked stream, made by hand. */
static struct sl_leg_rx rx;
static struct sl_leg_tx tx;
static struct sl_leg_crypto crypto;
static struct sl_leg_more more;
static struct sl_media_stream streams[1];
static struct sl_media media = {
        .n_legs = 1, .rx = &rx, .tx = &tx, .crypto = &crypto, .more = &more, .streams = streams};
static struct sl_leg_rtcp *r = &more.rtcp_state;

static int fresh(void **state)
{
	rx = (struct sl_leg_rx){.state = SL_RX_USED};
	tx = (struct sl_leg_tx){.state = SL_TX_STARTED | SL_TX_READY, .ssrc = OUT, .in_ssrc = OUT};
	more = (struct sl_leg_more){.id = 1, .streams_tx = SL_NONE, .streams_rx = SL_NONE, .audio_pt = 8};
	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX; i++) {
		r->key_in[i].suite = SL_SRTP_AES_CM_128_80;
		memset(r->key_in[i].key, 10 + (int)i, sizeof r->key_in[i].key);
	}
	return 0;
}

/* ---- replay ---- */

static int take(unsigned key, uint32_t ssrc, uint32_t index)
{
	int rc = sl_rtcp_replay_check(r, key, ssrc, index);

	if (rc == 0)
		sl_rtcp_replay_commit(r, key, ssrc, index);
	return rc;
}

static void an_index_is_taken_once(void **state)
{
	assert_int_equal(take(0, PEER, 100), 0);
	assert_int_equal(take(0, PEER, 100), -EEXIST);
	assert_int_equal(take(0, PEER, 102), 0);
	assert_int_equal(take(0, PEER, 101), 0); /* overtaken */
	assert_int_equal(take(0, PEER, 101), -EEXIST);
	assert_int_equal(take(0, PEER, 60), 0); /* before the first that came, and within 64 */
	assert_int_equal(take(0, PEER, 102 - 64), -EEXIST);
	assert_int_equal(take(0, PEER, SL_SRTCP_INDEX_MAX), 0);
	assert_int_equal(take(0, PEER, SL_SRTCP_INDEX_MAX), -EEXIST);
	assert_int_equal(r->top_in, SL_SRTCP_INDEX_MAX);
}

static void looking_takes_nothing(void **state)
{
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(sl_rtcp_replay_check(r, 0, PEER + i, 1), 0);
	assert_int_equal(r->n_in, 0);
}

static void each_sender_has_its_own_window(void **state)
{
	assert_int_equal(take(0, PEER, 5000), 0);
	for (uint32_t i = 1; i < SL_SRTCP_SENDERS; i++)
		assert_int_equal(take(0, PEER + i, 1), 0);
	assert_int_equal(take(0, PEER + 1, 1), -EEXIST);
	assert_int_equal(take(0, PEER + 9, 1), -ENOSPC);
	assert_int_equal(take(0, PEER, 5001), 0);
}

static void old_and_new_key_overlap(void **state)
{
	for (uint32_t i = 0; i < SL_SRTCP_SENDERS; i++)
		assert_int_equal(take(0, PEER + i, 700 + i), 0);
	/* Re-keyed: another key takes the first place, the old one stays for a while in the second. */
	r->key_in[1] = r->key_in[0];
	memset(r->key_in[0].key, 77, sizeof r->key_in[0].key);
	r->started_in = false;
	assert_int_equal(take(1, PEER, 700), -EEXIST); /* what came under the old one is not forgotten */
	assert_int_equal(take(0, PEER, 1), -ENOSPC);
	r->key_in[1].suite = 0; /* the old key goes, and with it its senders */
	assert_int_equal(take(0, PEER, 1), 0);
	assert_int_equal(take(0, PEER, 1), -EEXIST);
	assert_int_equal(take(0, PEER + 1, 2), 0);
}

static void after_a_restart_everything_known_was_seen(void **state)
{
	r->top_in = 300; /* as the cold record said */
	r->started_in = true;
	assert_int_equal(take(0, PEER, 300), -EEXIST);
	assert_int_equal(take(0, PEER, 301), 0);
	assert_int_equal(take(0, PEER, 290), -EEXIST);
	assert_int_equal(take(0, PEER + 1, 299), -EEXIST);
	assert_int_equal(take(0, PEER, 5000), 0);
	assert_int_equal(take(0, PEER + 1, 301), 0); /* what stands is what the record said, not what came since */
	r->started_in = false; /* re-keyed */
	memset(r->key_in[0].key, 77, sizeof r->key_in[0].key);
	assert_int_equal(take(0, PEER, 1), 0);
}

/* ---- reports ---- */

static const struct sl_rtcp_sender sr = {
        .ssrc = IN, .ntp = UINT64_C(0xe0000000aaaa5555), .rtp_ts = 1000, .packets = 7, .octets = 70};
static uint8_t p[512];

static size_t report(const struct sl_rtcp_block *b, unsigned n)
{
	return sl_rtcp_build(p, sizeof p, PEER, NULL, b, n, "x");
}

static void losses_are_read_of_what_we_send(void **state)
{
	const struct sl_rtcp_block b[3] = {
	        {.ssrc = OTHER, .fraction = 99, .lost = 99},
	        {.ssrc = OUT, .fraction = 3, .lost = 12, .jitter = 80},
	        {.ssrc = OTHER}};

	sl_rtcp_take_reports(&media, LEG, p, report(b, 3), 0);
	assert_int_equal(r->peer_fraction, 3);
	assert_int_equal(r->peer_lost, 12);
	assert_int_equal(r->peer_jitter, 80);
	assert_int_equal(r->peer_clock_hz, HZ);
	assert_int_equal(r->rtt_us, 0);
	const struct sl_rtcp_block more_than_sent = {.ssrc = OUT, .lost = -5};
	sl_rtcp_take_reports(&media, LEG, p, report(&more_than_sent, 1), 0);
	assert_int_equal(r->peer_lost, 0);
}

static void parked_streams_are_ours_too(void **state)
{
	const struct sl_rtcp_block b = {.ssrc = OTHER, .lost = 4};

	streams[0] = (struct sl_media_stream){.next = SL_NONE, .ssrc = OTHER, .tx = 1};
	more.streams_tx = 0;
	sl_rtcp_take_reports(&media, LEG, p, report(&b, 1), 0);
	assert_int_equal(r->peer_lost, 4);
}

static void the_round_trip_is_what_the_peer_did_not_hold(void **state)
{
	uint32_t sent_us = UINT32_MAX - SECOND_US; /* the clock wraps on the way */
	size_t len = sl_rtcp_build(p, sizeof p, IN, &sr, NULL, 0, NULL);
	sl_rtcp_note_sent(&media, LEG, p, len, sent_us);

	struct sl_rtcp_block b = {.ssrc = OUT, .lsr = sl_rtcp_ntp_middle(sr.ntp), .dlsr = 2 * 65536};
	sl_rtcp_take_reports(&media, LEG, p, report(&b, 1), sent_us + 2 * SECOND_US + 35000);
	assert_int_equal(r->rtt_us, 35000);
	b.dlsr = 4 * 65536; /* held longer than it was away: nonsense */
	sl_rtcp_take_reports(&media, LEG, p, report(&b, 1), sent_us + 3 * SECOND_US);
	assert_int_equal(r->rtt_us, 35000);
	b = (struct sl_rtcp_block){.ssrc = OUT, .lsr = b.lsr + 1}; /* another SR than the last */
	sl_rtcp_take_reports(&media, LEG, p, report(&b, 1), sent_us + 3 * SECOND_US);
	b = (struct sl_rtcp_block){.ssrc = OUT}; /* none received yet */
	sl_rtcp_take_reports(&media, LEG, p, report(&b, 1), sent_us + 3 * SECOND_US);
	assert_int_equal(r->rtt_us, 35000);
	b = (struct sl_rtcp_block){.ssrc = OUT, .lsr = sl_rtcp_ntp_middle(sr.ntp), .dlsr = 65536};
	sl_rtcp_take_reports(&media, LEG, p, report(&b, 1), sent_us + SECOND_US);
	assert_int_equal(r->rtt_us, 1); /* known, and too short to tell */
}

/* ---- translation ---- */

static void what_is_forwarded_unchanged_is_reported_unchanged(void **state)
{
	const struct sl_rtcp_block b = {.ssrc = OUT, .highest_seq = 77};
	uint8_t before[sizeof p];
	size_t len = sl_rtcp_build(p, sizeof p, OUT, &sr, &b, 1, "x");

	memcpy(before, p, len);
	assert_int_equal(sl_rtcp_from_leg(&media, LEG, p, len), len);
	assert_int_equal(sl_rtcp_to_leg(&media, LEG, p, len), len);
	assert_memory_equal(before, p, len);
}

static void rewrite(void)
{
	tx.state |= SL_TX_REWRITE;
	tx.in_ssrc = IN;
	tx.seq_offset = 1000;
	tx.ts_offset = 5000;
	tx.packets = 50;
	tx.bytes = 50 * 172;
}

static struct sl_rtcp_packet packet(size_t len, unsigned want)
{
	struct sl_rtcp_packet k = {0};
	size_t at = 0;

	for (unsigned i = 0; i <= want; i++)
		assert_int_equal(sl_rtcp_next(p, len, &at, &k), 1);
	return k;
}

static void a_sender_report_is_of_what_we_send(void **state)
{
	struct sl_rtcp_sender s;

	rewrite();
	size_t len = sl_rtcp_to_leg(&media, LEG, p, sl_rtcp_build(p, sizeof p, IN, &sr, NULL, 0, "x"));
	struct sl_rtcp_packet k = packet(len, 0);
	assert_true(sl_rtcp_sender_info(p, &k, &s));
	assert_int_equal(s.ssrc, OUT);
	assert_int_equal(s.rtp_ts, 6000);
	assert_true(s.ntp == sr.ntp);
	assert_int_equal(s.packets, 50);
	assert_int_equal(s.octets, 50 * 160);
	k = packet(len, 1);
	assert_int_equal(sl_rtcp_sender_ssrc(p + k.at, k.len), OUT); /* SDES */
}

static void a_report_goes_back_in_the_sources_terms(void **state)
{
	struct sl_rtcp_block b[2] = {{.ssrc = OUT, .highest_seq = 0x00010400}, {.ssrc = OTHER, .highest_seq = 9}};

	rewrite();
	size_t len = sl_rtcp_from_leg(&media, LEG, p, report(b, 2));
	struct sl_rtcp_packet k = packet(len, 0);
	sl_rtcp_block(p, &k, 0, &b[0]);
	sl_rtcp_block(p, &k, 1, &b[1]);
	assert_int_equal(b[0].ssrc, IN);
	assert_int_equal(b[0].highest_seq, 0x00010400 - 1000);
	assert_int_equal(b[1].ssrc, OTHER);
	assert_int_equal(b[1].highest_seq, 9);
}

static void parked_streams_are_translated_too(void **state)
{
	struct sl_rtcp_block b = {.ssrc = OTHER, .highest_seq = 100};

	streams[0] = (struct sl_media_stream){
	        .next = SL_NONE, .ssrc = OTHER, .tx = 1, .out = {.in_ssrc = 0x9999, .seq_offset = 40, .ts_offset = 11}};
	more.streams_tx = 0;
	size_t len = sl_rtcp_from_leg(&media, LEG, p, report(&b, 1));
	struct sl_rtcp_packet k = packet(len, 0);
	sl_rtcp_block(p, &k, 0, &b);
	assert_int_equal(b.ssrc, 0x9999);
	assert_int_equal(b.highest_seq, 60);

	struct sl_rtcp_sender s;
	len = sl_rtcp_to_leg(&media, LEG, p, sl_rtcp_build(p, sizeof p, 0x9999, &sr, NULL, 0, NULL));
	k = packet(len, 0);
	assert_true(sl_rtcp_sender_info(p, &k, &s));
	assert_int_equal(s.ssrc, OTHER);
	assert_int_equal(s.rtp_ts, 1011);
	assert_int_equal(s.packets, 7); /* whose part of ours is not known */
}

/* SR becomes RR: its times and counts would be of something else than what is heard. */
static void assert_not_a_sender(uint32_t ssrc, size_t len)
{
	struct sl_rtcp_packet k = packet(len, 0);

	assert_int_equal(k.type, SL_RTCP_RR);
	assert_int_equal(k.count, 1);
	assert_int_equal(sl_rtcp_sender_ssrc(p, len), ssrc);
}

static size_t full(uint32_t ssrc)
{
	const struct sl_rtcp_block b = {.ssrc = OTHER};

	return sl_rtcp_build(p, sizeof p, ssrc, &sr, &b, 1, "x");
}

static void who_is_not_heard_sends_no_sender_report(void **state)
{
	rewrite();
	assert_not_a_sender(OTHER, sl_rtcp_to_leg(&media, LEG, p, full(OTHER))); /* another source has the place */
	tx.state |= SL_TX_RESYNC;
	assert_not_a_sender(OUT, sl_rtcp_to_leg(&media, LEG, p, full(IN)));
	tx.state &= (uint16_t)~SL_TX_RESYNC;
	more.play.clip = 1;
	assert_not_a_sender(OUT, sl_rtcp_to_leg(&media, LEG, p, full(IN)));
	more.play.clip = SL_CLIP_NONE;
	more.dtmf_tx.n = 1;
	assert_not_a_sender(OUT, sl_rtcp_to_leg(&media, LEG, p, full(IN)));
	more.dtmf_tx.n = 0;
	more.flags = SL_LEG_BLOCK_MEDIA;
	assert_not_a_sender(IN, sl_rtcp_from_leg(&media, LEG, p, full(IN)));
}

static void a_source_that_ends_does_not_end_our_ssrc(void **state)
{
	static const uint8_t bye[8] = {0x81, 203, 0, 1, 0, 0, 0x11, 0x11};
	size_t len = full(IN);

	memcpy(p + len, bye, sizeof bye);
	assert_int_equal(sl_rtcp_to_leg(&media, LEG, p, len + sizeof bye), len + sizeof bye);
	rewrite();
	len = full(IN);
	memcpy(p + len, bye, sizeof bye);
	assert_int_equal(sl_rtcp_to_leg(&media, LEG, p, len + sizeof bye), len);
	memcpy(p, bye, sizeof bye);
	assert_int_equal(sl_rtcp_to_leg(&media, LEG, p, sizeof bye), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(an_index_is_taken_once, fresh),
	        cmocka_unit_test_setup(looking_takes_nothing, fresh),
	        cmocka_unit_test_setup(each_sender_has_its_own_window, fresh),
	        cmocka_unit_test_setup(old_and_new_key_overlap, fresh),
	        cmocka_unit_test_setup(after_a_restart_everything_known_was_seen, fresh),
	        cmocka_unit_test_setup(losses_are_read_of_what_we_send, fresh),
	        cmocka_unit_test_setup(parked_streams_are_ours_too, fresh),
	        cmocka_unit_test_setup(the_round_trip_is_what_the_peer_did_not_hold, fresh),
	        cmocka_unit_test_setup(what_is_forwarded_unchanged_is_reported_unchanged, fresh),
	        cmocka_unit_test_setup(a_sender_report_is_of_what_we_send, fresh),
	        cmocka_unit_test_setup(a_report_goes_back_in_the_sources_terms, fresh),
	        cmocka_unit_test_setup(parked_streams_are_translated_too, fresh),
	        cmocka_unit_test_setup(who_is_not_heard_sends_no_sender_report, fresh),
	        cmocka_unit_test_setup(a_source_that_ends_does_not_end_our_ssrc, fresh),
	};

	return cmocka_run_group_tests_name("rtcp_leg", tests, NULL, NULL);
}

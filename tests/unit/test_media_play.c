/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What a worker makes itself: clips and RFC 4733 events; the events that it hears; copies for taps. */

#include "path_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/wire/rtcp.h"

enum { MAX = 600, PCMU = 0, PCMA = 8, EVENT_PT = 101, PAYLOAD = 160, SLOT = 1, CLIP = 7, FRAMES = 5, SSRC = 0x77,
	BULK_SLOTS = 4, END = 0x80 };
#define A "192.0.2.10:4000"
#define B "198.51.100.10:5000"

static struct rig_packet out[MAX];
static struct sl_cmd_leg a, b;
static struct sl_clip *clip;
static struct sl_clip_table *table;
static const struct sl_clip_table *tables[SL_MAX_CLIENTS];
static struct sl_ring bulk;
static void *bulk_memory;

static void make_clip(void)
{
	size_t index = FRAMES * sizeof clip->frames[0];
	clip = calloc(1, sizeof *clip + index + FRAMES * PAYLOAD);
	clip->magic = SL_CLIP_MAGIC;
	clip->size_bytes = sizeof *clip + index + FRAMES * PAYLOAD;
	clip->n_frames = FRAMES;
	clip->frame_ms = 20;
	clip->clock_hz = 8000;
	clip->frame_ts = 160;
	for (unsigned i = 0; i < FRAMES; i++) {
		clip->frames[i].offset = (uint32_t)(sizeof *clip + index + i * PAYLOAD);
		clip->frames[i].len = PAYLOAD;
		memset((uint8_t *)clip + clip->frames[i].offset, 0xc0 + (int)i, PAYLOAD);
	}
	table = calloc(1, sizeof *table + sizeof table->entries[0]);
	table->n = 1;
	table->entries[0].clip = clip;
	table->entries[0].number = CLIP;
	tables[SLOT] = table;
}

static int setup(void **state)
{
	rig_start(1);
	make_clip();
	rig_worker(0)->media->clips = tables;
	bulk_memory = aligned_alloc(64, (sl_ring_bytes(BULK_SLOTS, SL_BULK_BYTES) + 63) & ~(size_t)63);
	memset(bulk_memory, 0, sl_ring_bytes(BULK_SLOTS, SL_BULK_BYTES));
	sl_ring_attach(&rig_worker(0)->abi.bulk[SLOT], bulk_memory, BULK_SLOTS, SL_BULK_BYTES, 1);
	sl_ring_attach(&bulk, bulk_memory, BULK_SLOTS, SL_BULK_BYTES, 0);
	a = rig_leg(0, 0, 1, A);
	b = rig_leg(0, 0, 2, B);
	a.dtmf_pt = a.dtmf_pt_out = b.dtmf_pt = b.dtmf_pt_out = EVENT_PT;
	a.n_clocks = b.n_clocks = 1;
	a.clocks[0].pt = b.clocks[0].pt = EVENT_PT;
	a.clocks[0].hz = b.clocks[0].hz = 8000;
	rig_command(SL_CMD_LEG_SET, &a, sizeof a);
	rig_command(SL_CMD_LEG_SET, &b, sizeof b);
	rig_join(&a, &b);
	rig_join(&b, &a);
	return 0;
}

static int teardown(void **state)
{
	rig_stop();
	free(bulk_memory);
	free(table);
	free(clip);
	return 0;
}

static void rtp(uint16_t seq, uint32_t ts)
{
	struct rig_packet p = rig_rtp(A, &a, PCMU, seq, ts, SSRC, PAYLOAD);
	rig_in(0, &p, 1);
}

static int command(uint32_t type, const void *body, size_t len)
{
	struct sl_command cmd = {.h.type = type};
	char text[120] = "";
	memcpy(cmd.bytes, body, len);
	int rc = sl_media_command(rig_worker(0), SLOT, &cmd, text, sizeof text);
	assert_true(rc >= 0 || text[0]);
	return rc;
}

static int play(uint32_t number, uint32_t times, uint32_t start_ms)
{
	const struct sl_cmd_play c = {.leg = b.leg, .clip = number, .times = times, .start_ms = start_ms, .pt = PCMA};
	return command(SL_CMD_PLAY_START, &c, sizeof c);
}

static void stop(void)
{
	const struct sl_cmd_play c = {.leg = b.leg};
	assert_int_equal(command(SL_CMD_PLAY_STOP, &c, sizeof c), 0);
}

static int dial(uint8_t event, uint16_t duration_ms, uint16_t pause_ms)
{
	const struct sl_cmd_dtmf c = {
		.leg = b.leg, .event = event, .volume = 10, .duration_ms = duration_ms, .pause_ms = pause_ms};
	return command(SL_CMD_DTMF_SEND, &c, sizeof c);
}

static unsigned events_of(enum sl_leg_change change, struct sl_evt_leg *last)
{
	struct sl_event evt;
	unsigned n = 0;
	while (rig_event(&evt)) {
		if (evt.leg.change != change)
			continue;
		*last = evt.leg;
		n++;
	}
	return n;
}

static struct sl_evt_leg seen;

/* ---- clips ---- */

static void test_a_clip_is_played(void **state)
{
	assert_int_equal(play(CLIP, 2, 20), 0);
	for (unsigned ms = 1; ms <= 20 * 9; ms++) {
		rig_pass_ms(1);
		assert_int_equal(rig_worker(0)->counters[SL_C_playout_packets], (ms + 19) / 20);
	}
	assert_int_equal(rig_out(out, MAX), 9);
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(out[i].len, SL_RTP_HEADER_BYTES + PAYLOAD);
		assert_int_equal(sl_rtp_pt(out[i].data), PCMA);
		assert_int_equal(sl_rtp_marker(out[i].data), i == 0);
		assert_int_equal(sl_rtp_seq(out[i].data), (uint16_t)(sl_rtp_seq(out[0].data) + i));
		assert_int_equal(sl_rtp_ts(out[i].data), sl_rtp_ts(out[0].data) + 160 * i);
		assert_int_equal(sl_rtp_ssrc(out[i].data), sl_rtp_ssrc(out[0].data));
		assert_int_equal(out[i].data[SL_RTP_HEADER_BYTES], 0xc0 + (i + 1) % FRAMES);
	}
	assert_int_equal(events_of(SL_LEG_PLAY_ENDED, &seen), 0);
	rig_pass_ms(40);
	assert_int_equal(events_of(SL_LEG_PLAY_ENDED, &seen), 1);
	assert_true(seen.leg.id == b.leg.id);
	rig_pass_ms(100);
	assert_int_equal(rig_out(out, MAX), 0);
}

static void test_what_was_going_out_continues_without_a_jump(void **state)
{
	for (uint16_t i = 0; i < 3; i++) {
		rtp((uint16_t)(65533 + i), 1000 + 160u * i);
		rig_pass_ms(20);
	}
	rig_out(out, MAX);
	assert_int_equal(play(CLIP, 1, 0), 0);
	rtp(0, 1480); /* displaced */
	assert_int_equal(rig_drops(SL_DROP_media_blocked), 1);
	rig_pass_ms(20 * FRAMES + 1);
	assert_int_equal(events_of(SL_LEG_PLAY_ENDED, &seen), 1);
	assert_int_equal(rig_out(out, MAX), FRAMES);
	for (unsigned i = 0; i < FRAMES; i++) {
		assert_int_equal(sl_rtp_ssrc(out[i].data), SSRC);
		assert_int_equal(sl_rtp_seq(out[i].data), i);
		assert_in_range(sl_rtp_ts(out[i].data), 1480 + 160 * i, 1480 + 160 * i + 8);
	}
	uint32_t ts = sl_rtp_ts(out[FRAMES - 1].data);
	rtp(6, 1480 + 160 * 6);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(sl_rtp_seq(out[0].data), FRAMES);
	assert_int_equal(sl_rtp_ts(out[0].data), ts + 160);
	assert_int_equal(sl_rtp_pt(out[0].data), PCMU);
	rtp(7, 1480 + 160 * 7);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(sl_rtp_seq(out[0].data), FRAMES + 1);
	assert_int_equal(sl_rtp_ts(out[0].data), ts + 320);
}

static void test_for_ever_until_stopped(void **state)
{
	assert_int_equal(play(CLIP, 0, 0), 0);
	rig_pass_ms(20 * 52);
	assert_int_equal(rig_out(out, MAX), 52);
	assert_int_equal(out[51].data[SL_RTP_HEADER_BYTES], 0xc0 + 51 % FRAMES);
	stop();
	rtp(1, 160);
	assert_int_equal(rig_out(out, MAX), 1);
	rig_pass_ms(100);
	assert_int_equal(rig_out(out, MAX), 0);
	assert_int_equal(events_of(SL_LEG_PLAY_ENDED, &seen), 0);
}

static void test_a_stall_is_a_gap(void **state)
{
	struct sl_worker *w = rig_worker(0);
	assert_int_equal(play(CLIP, 0, 0), 0);
	rig_pass_ms(1);
	assert_int_equal(rig_out(out, MAX), 1);
	uint32_t ts = sl_rtp_ts(out[0].data);
	uint16_t seq = sl_rtp_seq(out[0].data);
	w->now.ms += 20 * 7; /* the worker was away */
	sl_media_tick(w);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(sl_rtp_seq(out[0].data), (uint16_t)(seq + 1));
	assert_int_equal(sl_rtp_ts(out[0].data), ts + 7 * 160);
	assert_int_equal(out[0].data[SL_RTP_HEADER_BYTES], 0xc0 + 7 % FRAMES);
	assert_false(sl_rtp_marker(out[0].data));
}

static void test_refused(void **state)
{
	assert_int_equal(play(CLIP + 1, 1, 0), -ENOENT);
	assert_int_equal(play(CLIP, 1, 20 * FRAMES), -EINVAL);
	clip->frame_ms = 30;
	assert_int_equal(play(CLIP, 1, 0), -EINVAL);
	b.flags |= SL_LEG_RAW;
	rig_set(&b);
	clip->frame_ms = 20;
	assert_int_equal(play(CLIP, 1, 0), -EINVAL);
	assert_int_equal(dial(1, 100, 0), -EINVAL);
	b.flags = 0;
	b.dtmf_pt_out = 0;
	rig_set(&b);
	assert_int_equal(dial(1, 100, 0), -EINVAL);
	rig_pass_ms(100);
	assert_int_equal(rig_out(out, MAX), 0);
	rtp(1, 1);
	assert_int_equal(rig_out(out, MAX), 1); /* nothing was displaced by any of it */
}

static void test_a_clip_that_is_taken_away_ends(void **state)
{
	assert_int_equal(play(CLIP, 0, 0), 0);
	rig_pass_ms(41);
	table->n = 0;
	rig_pass_ms(40);
	assert_int_equal(rig_out(out, MAX), 3);
	assert_int_equal(events_of(SL_LEG_PLAY_ENDED, &seen), 1);
}

static void test_a_leg_that_plays_may_end(void **state)
{
	assert_int_equal(play(CLIP, 0, 0), 0);
	rig_pass_ms(1);
	rig_command(SL_CMD_LEG_DELETE, &b.leg, sizeof b.leg);
	rig_out(out, MAX);
	rig_pass_ms(100);
	assert_int_equal(rig_out(out, MAX), 0);
	rig_set(&b); /* its place is another's now */
	rig_pass_ms(100);
	assert_int_equal(rig_out(out, MAX), 0);
}

static void test_encrypted(void **state)
{
	b.key_out = (struct sl_srtp_key){.suite = SL_SRTP_AES_CM_128_80, .key = {1}, .salt = {2}};
	rig_set(&b);
	rtp(10, 160);
	assert_int_equal(play(CLIP, 1, 0), 0);
	rig_pass_ms(20 * FRAMES + 1);
	rtp(20, 1600);
	assert_int_equal(rig_out(out, MAX), FRAMES + 2);
	for (unsigned i = 0; i < FRAMES + 2; i++) {
		assert_int_equal(out[i].len, SL_RTP_HEADER_BYTES + PAYLOAD + 10);
		assert_int_equal(sl_rtp_seq(out[i].data), 10 + i); /* no index twice, none left out */
	}
}

/* ---- events sent ---- */

static void test_digits_are_dialled(void **state)
{
	rtp(100, 8000);
	rig_pass_ms(20);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(dial(5, 100, 100), 0);
	assert_int_equal(dial(6, 60, 0), 0);
	rig_pass_ms(300);
	unsigned n = rig_out(out, MAX);
	/* 5 + 2 of the first, 3 of silence, 3 + 2 of the second, with nothing between */
	assert_int_equal(n, 15);
	uint32_t first = sl_rtp_ts(out[0].data), second = sl_rtp_ts(out[10].data);
	assert_in_range(first, 8160, 8168);
	assert_int_equal(second, first + 10 * 160);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *payload = out[i].data + SL_RTP_HEADER_BYTES;
		assert_int_equal(sl_rtp_seq(out[i].data), 101 + i);
		assert_int_equal(sl_rtp_marker(out[i].data), i == 0 || i == 7 || i == 10);
		if (i >= 7 && i < 10) {
			assert_int_equal(sl_rtp_pt(out[i].data), PCMU);
			assert_int_equal(sl_rtp_ts(out[i].data), first + 160 * i);
			assert_int_equal(payload[0], 0xff);
			continue;
		}
		assert_int_equal(sl_rtp_pt(out[i].data), EVENT_PT);
		assert_int_equal(sl_rtp_ts(out[i].data), i < 7 ? first : second);
		assert_int_equal(payload[0], i < 7 ? 5 : 6);
		assert_int_equal(payload[1] >> 7, (i >= 4 && i < 7) || i >= 12);
	}
	assert_int_equal(rig_worker(0)->counters[SL_C_dtmf_sent], 2);
	rtp(115, 8000 + 160 * 16);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(sl_rtp_seq(out[0].data), 116);
	assert_int_equal(sl_rtp_ts(out[0].data), first + 299 * 8); /* by the clock */
}

static void test_a_digit_interrupts_a_clip(void **state)
{
	assert_int_equal(play(CLIP, 1, 0), 0);
	rig_pass_ms(41);
	assert_int_equal(rig_out(out, MAX), 3);
	uint32_t ts = sl_rtp_ts(out[2].data);
	assert_int_equal(dial(1, 40, 0), 0);
	rig_pass_ms(20 * 6);
	assert_int_equal(rig_out(out, MAX), 6);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(sl_rtp_pt(out[i].data), EVENT_PT);
	assert_int_equal(sl_rtp_ts(out[0].data), ts + 160);
	assert_int_equal(out[4].data[SL_RTP_HEADER_BYTES], 0xc3); /* no word is lost */
	assert_true(sl_rtp_marker(out[4].data));
	assert_int_equal(sl_rtp_ts(out[4].data), ts + 5 * 160);
	rig_pass_ms(20);
	assert_int_equal(events_of(SL_LEG_PLAY_ENDED, &seen), 1);
}

static void test_the_queue_is_bounded(void **state)
{
	for (unsigned i = 0; i < SL_DTMF_QUEUE; i++)
		assert_int_equal(dial(1, 40, 0), 0);
	assert_int_equal(dial(1, 40, 0), -ENOSPC);
}

/* ---- events received ---- */

static void event(uint16_t seq, uint32_t ts, uint8_t code, unsigned flags, uint16_t duration)
{
	struct rig_packet p = rig_rtp(A, &a, EVENT_PT, seq, ts, SSRC, SL_DTMF_PAYLOAD_BYTES);
	const uint8_t payload[] = {code, (uint8_t)(flags | 10), (uint8_t)(duration >> 8), (uint8_t)duration};
	memcpy(p.data + SL_RTP_HEADER_BYTES, payload, sizeof payload);
	rig_in(0, &p, 1);
}

static void test_events_are_told_and_forwarded(void **state)
{
	for (unsigned i = 1; i <= 4; i++)
		event((uint16_t)i, 5000, 9, 0, (uint16_t)(160 * i));
	for (unsigned i = 5; i <= 7; i++)
		event((uint16_t)i, 5000, 9, END, 800);
	assert_int_equal(rig_out(out, MAX), 7);
	assert_int_equal(events_of(SL_LEG_DTMF, &seen), 1);
	assert_true(seen.leg.id == a.leg.id);
	assert_int_equal(seen.dtmf_event, 9);
	assert_int_equal(seen.dtmf_volume, 10);
	assert_int_equal(seen.dtmf_ms, 100);
	assert_int_equal(rig_worker(0)->counters[SL_C_dtmf_received], 1);
}

static void test_blocked_events_are_told_all_the_same(void **state)
{
	a.flags |= SL_LEG_BLOCK_DTMF;
	rig_set(&a);
	event(1, 5000, 3, 0, 160);
	event(2, 5000, 3, END, 320);
	rtp(3, 6000);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(events_of(SL_LEG_DTMF, &seen), 1);
	a.flags = SL_LEG_BLOCK_MEDIA;
	rig_set(&a);
	event(4, 9000, 4, END, 320);
	assert_int_equal(rig_out(out, MAX), 0);
	assert_int_equal(events_of(SL_LEG_DTMF, &seen), 1);
	assert_int_equal(seen.dtmf_event, 4);
}

static void test_an_event_that_falls_silent_is_told(void **state)
{
	event(1, 5000, 3, 0, 160);
	rig_pass_ms(SL_DTMF_LOST_MS - 1);
	rig_out(out, MAX);
	assert_int_equal(events_of(SL_LEG_DTMF, &seen), 0);
	rig_pass_ms(21);
	assert_int_equal(events_of(SL_LEG_DTMF, &seen), 1);
	assert_int_equal(seen.dtmf_ms, 20);
	rig_pass_ms(1000);
	assert_int_equal(events_of(SL_LEG_DTMF, &seen), 0);
	assert_int_equal(rig_out(out, MAX), 0);
}

/* ---- taps ---- */

static void tap(const struct sl_cmd_leg *c, uint8_t what)
{
	const struct sl_cmd_tap t = {.leg = c->leg, .tap = what ? 42 : 0, .what = what};
	assert_int_equal(command(what ? SL_CMD_TAP_SET : SL_CMD_TAP_CLEAR, &t, sizeof t), 0);
}

static void test_a_tap_gets_copies_in_the_clear(void **state)
{
	struct sl_bulk copy;
	b.key_out = (struct sl_srtp_key){.suite = SL_SRTP_AEAD_128_GCM, .key = {1}, .salt = {2}};
	rig_set(&b);
	rtp(1, 160);
	tap(&a, SL_TAP_RECEIVED);
	tap(&b, SL_TAP_SENT);
	struct rig_packet p = rig_rtp(A, &a, PCMU, 2, 320, SSRC, PAYLOAD);
	rig_in(0, &p, 1);
	assert_int_equal(rig_out(out, MAX), 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sl_ring_pop(&bulk, &copy), 1);
		assert_int_equal(copy.kind, SL_BULK_TAP_RTP);
		assert_int_equal(copy.what, i ? SL_TAP_SENT : SL_TAP_RECEIVED);
		assert_int_equal(copy.tap, 42);
		assert_int_equal(copy.lost, 0);
		assert_true(copy.leg_id == (i ? b.leg.id : a.leg.id));
		assert_int_equal(ntohs(copy.local_port_be), i ? b.leg.port : a.leg.port);
		assert_int_equal(copy.len, p.len);
		assert_int_equal(copy.full_len, p.len);
		assert_memory_equal(copy.data, p.data, p.len);
	}
	assert_int_equal(sl_ring_pop(&bulk, &copy), 0);
	tap(&a, 0);
	tap(&b, 0);
	rtp(3, 480);
	rig_out(out, MAX);
	assert_int_equal(sl_ring_pop(&bulk, &copy), 0);
}

static void test_a_tap_of_rtcp(void **state)
{
	struct sl_bulk copy;
	struct rig_packet p = rig_rtp("192.0.2.10:4001", &a, 0, 0, 0, 0, 0);
	p.dst.port_be = htons(a.rtcp_port);
	p.len = (unsigned)sl_rtcp_build(p.data, sizeof p.data, SSRC, NULL, NULL, 0, "a@b");
	tap(&a, SL_TAP_RECEIVED | SL_TAP_SENT);
	rig_in(0, &p, 1);
	assert_int_equal(rig_out(out, MAX), 1);
	assert_int_equal(sl_ring_pop(&bulk, &copy), 1);
	assert_int_equal(copy.kind, SL_BULK_TAP_RTCP);
	assert_int_equal(copy.what, SL_TAP_RECEIVED);
	assert_int_equal(ntohs(copy.local_port_be), a.rtcp_port);
	assert_int_equal(ntohs(copy.remote_port_be), 4001);
	assert_int_equal(copy.len, p.len);
	assert_int_equal(sl_ring_pop(&bulk, &copy), 0);
}

static void test_a_full_ring_loses_copies_and_counts_them(void **state)
{
	struct sl_bulk copy;
	tap(&a, SL_TAP_RECEIVED);
	for (uint16_t i = 0; i < BULK_SLOTS + 3; i++)
		rtp(i, 160u * i);
	assert_int_equal(rig_out(out, MAX), BULK_SLOTS + 3); /* no packet is lost */
	assert_int_equal(rig_worker(0)->counters[SL_C_tap_lost], 3);
	assert_int_equal(rig_worker(0)->counters[SL_C_tap_packets], BULK_SLOTS);
	while (sl_ring_pop(&bulk, &copy) == 1)
		assert_int_equal(copy.lost, 0);
	rtp(100, 16000);
	rig_out(out, MAX);
	assert_int_equal(sl_ring_pop(&bulk, &copy), 1);
	assert_int_equal(copy.lost, 3);
}

static void test_a_blocked_leg_is_tapped(void **state)
{
	struct sl_bulk copy;
	a.flags |= SL_LEG_BLOCK_MEDIA;
	rig_set(&a);
	tap(&a, SL_TAP_RECEIVED);
	rtp(1, 160);
	assert_int_equal(rig_out(out, MAX), 0);
	assert_int_equal(sl_ring_pop(&bulk, &copy), 1);
}

static void test_the_clock_of_a_copy_is_the_time_of_day(void **state)
{
	struct sl_bulk copy;
	struct sl_worker *w = rig_worker(0);
	uint64_t day = UINT64_C(1800000000) * 1000000;
	atomic_store(&w->dp->unix_base_us, day - w->now_us);
	tap(&a, SL_TAP_RECEIVED);
	rig_pass_ms(20);
	rtp(1, 160);
	rig_out(out, MAX);
	assert_int_equal(sl_ring_pop(&bulk, &copy), 1);
	assert_true(copy.unix_ns == (day + 20000) * 1000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_clip_is_played),
		T(test_what_was_going_out_continues_without_a_jump),
		T(test_for_ever_until_stopped),
		T(test_a_stall_is_a_gap),
		T(test_refused),
		T(test_a_clip_that_is_taken_away_ends),
		T(test_a_leg_that_plays_may_end),
		T(test_encrypted),
		T(test_digits_are_dialled),
		T(test_a_digit_interrupts_a_clip),
		T(test_the_queue_is_bounded),
		T(test_events_are_told_and_forwarded),
		T(test_blocked_events_are_told_all_the_same),
		T(test_an_event_that_falls_silent_is_told),
		T(test_a_tap_gets_copies_in_the_clear),
		T(test_a_tap_of_rtcp),
		T(test_a_full_ring_loses_copies_and_counts_them),
		T(test_a_blocked_leg_is_tapped),
		T(test_the_clock_of_a_copy_is_the_time_of_day),
	};
	return cmocka_run_group_tests_name("media_play", tests, NULL, NULL);
}

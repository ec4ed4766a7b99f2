/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "tests/unit/unit.h"

#include "dataplane/session/dtmf.h"
#include "tests/unit/guard.h"

enum { HZ = 8000, END = 0x80 };

/* ---- received ---- */

static struct sl_dtmf_rx rx;
static struct sl_dtmf_report told[SL_DTMF_REPORTS_MAX];
static uint32_t now_ms;

static int fresh(void **state)
{
	rx = (struct sl_dtmf_rx){0};
	now_ms = UINT32_MAX - 100; /* every test runs through the wrap of the clock */
	return 0;
}

static unsigned packet(uint32_t ts, uint8_t event, unsigned flags, uint16_t duration)
{
	const uint8_t p[4] = {event, (uint8_t)(flags | 10), (uint8_t)(duration >> 8), (uint8_t)duration};

	now_ms += 20;
	return sl_dtmf_receive(&rx, ts, p, sizeof p, HZ, now_ms, told);
}

static void told_is(unsigned i, uint8_t event, uint16_t ms)
{
	assert_int_equal(told[i].event, event);
	assert_int_equal(told[i].volume, 10);
	assert_int_equal(told[i].ms, ms);
}

static void an_event_is_told_once(void **state)
{
	assert_int_equal(packet(1000, 5, 0, 160), 0);
	assert_int_equal(packet(1000, 5, 0, 320), 0);
	assert_int_equal(packet(1000, 5, END, 800), 1);
	told_is(0, 5, 100);
	assert_int_equal(packet(1000, 5, END, 800), 0);
	assert_int_equal(packet(1000, 5, END, 800), 0);
	assert_int_equal(packet(1000, 5, 0, 480), 0); /* overtaken */
	assert_false(sl_dtmf_silent(&rx, HZ, now_ms + 10000, told));
}

static void the_same_digit_again_is_another_event(void **state)
{
	assert_int_equal(packet(1000, 5, END, 800), 1);
	assert_int_equal(packet(3000, 5, 0, 160), 0);
	assert_int_equal(packet(3000, 5, END, 400), 1);
	told_is(0, 5, 50);
}

static void lost_end_packets_are_made_up_for_by_the_next_event(void **state)
{
	assert_int_equal(packet(1000, 5, 0, 640), 0);
	assert_int_equal(packet(3000, 6, 0, 160), 1);
	told_is(0, 5, 80);
	assert_int_equal(packet(5000, 7, END, 160), 2); /* both ends at once */
	told_is(0, 6, 20);
	told_is(1, 7, 20);
}

static void lost_end_packets_are_made_up_for_by_time(void **state)
{
	assert_int_equal(packet(1000, 11, 0, 640), 0);
	assert_false(sl_dtmf_silent(&rx, HZ, now_ms + SL_DTMF_LOST_MS - 1, told));
	assert_true(sl_dtmf_silent(&rx, HZ, now_ms + SL_DTMF_LOST_MS, told));
	told_is(0, 11, 80);
	assert_false(sl_dtmf_silent(&rx, HZ, now_ms + SL_DTMF_LOST_MS, told));
	assert_int_equal(packet(1000, 11, END, 800), 0); /* they were late, not lost */
}

static void packets_of_an_event_before_are_late(void **state)
{
	assert_int_equal(packet(1000, 5, 0, 640), 0);
	assert_int_equal(packet(3000, 6, 0, 160), 1);
	assert_int_equal(packet(1000, 5, END, 800), 0);
	assert_int_equal(packet(3000, 6, END, 800), 1);
	told_is(0, 6, 100);
	now_ms += SL_DTMF_LATE_MS; /* by now it is a source that began anew */
	assert_int_equal(packet(2000, 9, END, 800), 1);
	told_is(0, 9, 100);
	assert_int_equal(packet(2000 - 20 * HZ, 1, END, 800), 1); /* as this one */
}

static void a_long_event_comes_in_segments(void **state)
{
	assert_int_equal(packet(1000, 2, 0, 160), 0);
	assert_int_equal(packet(1000, 2, 0, 0xffff), 0);
	assert_int_equal(packet(1000 + 0xffff, 2, 0, 160), 0);
	assert_int_equal(packet(1000, 2, 0, 0xffff), 0); /* of the segment before, late */
	assert_int_equal(packet(1000 + 2 * 0xffff, 2, 0, 160), 0);
	assert_int_equal(packet(1000 + 2 * 0xffff, 2, END, 800), 1);
	told_is(0, 2, (2 * 0xffff + 800) / 8);
}

static void order_within_an_event_does_not_matter(void **state)
{
	assert_int_equal(packet(1000, 2, 0, 480), 0);
	assert_int_equal(packet(1000, 2, 0, 160), 0);
	assert_int_equal(packet(1000, 2, END, 480), 1);
	told_is(0, 2, 60);
}

static void short_payloads_and_odd_clocks_are_harmless(void **state)
{
	static const uint8_t p[4] = {1, END | 63, 0xff, 0xff};
	struct sl_guard g = sl_guard_make(16);

	for (unsigned len = 0; len < sizeof p; len++)
		assert_int_equal(sl_dtmf_receive(&rx, 1, sl_guard_put(&g, p, len), len, HZ, 1, told), 0);
	assert_int_equal(sl_dtmf_receive(&rx, 1, sl_guard_put(&g, p, 4), 4, 0, 1, told), 1);
	assert_int_equal(told[0].ms, 0);
	assert_int_equal(told[0].volume, 63);
	assert_int_equal(sl_dtmf_receive(&rx, 2, sl_guard_put(&g, p, 4), 4, 1, 1, told), 1);
	assert_int_equal(told[0].ms, UINT16_MAX);
	sl_guard_free(&g);
}

/* ---- sent ---- */

static struct sl_dtmf_tx tx;
static struct sl_dtmf_packet sent;
static uint32_t ts;

static int fresh_tx(void **state)
{
	tx = (struct sl_dtmf_tx){0};
	now_ms = UINT32_MAX - 100;
	ts = UINT32_MAX - 400;
	return 0;
}

static enum sl_dtmf_step step(void)
{
	enum sl_dtmf_step s = sl_dtmf_send(&tx, now_ms, ts, HZ, &sent);

	now_ms += 20;
	ts += 160;
	return s;
}

static void sent_is(uint32_t want_ts, bool marker, uint8_t event, bool end, uint16_t duration)
{
	assert_int_equal(sent.ts, want_ts);
	assert_int_equal(sent.marker, marker);
	assert_int_equal(sent.payload[0], event);
	assert_int_equal(sent.payload[1], (end ? END : 0) | 12);
	assert_int_equal(sent.payload[2] << 8 | sent.payload[3], duration);
}

static void queue(uint8_t event, uint16_t duration_ms, uint16_t pause_ms)
{
	assert_true(sl_dtmf_queue(&tx, &(struct sl_dtmf_event){event, 12, duration_ms, pause_ms}));
}

static void an_event_grows_and_ends_three_times(void **state)
{
	uint32_t began = ts;

	queue(5, 90, 0);
	for (unsigned i = 1; i <= 4; i++) {
		assert_int_equal(step(), SL_DTMF_PACKET);
		sent_is(began, i == 1, 5, false, (uint16_t)(160 * i));
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(step(), SL_DTMF_PACKET);
		sent_is(began, false, 5, true, 720);
	}
	assert_int_equal(tx.n, 0);
	assert_int_equal(step(), SL_DTMF_NOTHING);
}

static void events_queue_up_with_pauses(void **state)
{
	uint32_t began = ts;

	queue(1, 40, 100);
	queue(2, 40, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(step(), SL_DTMF_PACKET);
	for (unsigned i = 0; i < 3; i++) /* 80, 100, 120: the event ended at 40 */
		assert_int_equal(step(), SL_DTMF_GAP);
	assert_int_equal(step(), SL_DTMF_PACKET);
	sent_is(began + 7 * 160, true, 2, false, 160);
}

/* The pause holds for what is queued later, too, but nothing waits for it meanwhile. */
static void the_last_pause_is_kept_for_whoever_comes(void **state)
{
	queue(1, 40, 500);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(step(), SL_DTMF_PACKET);
	assert_int_equal(step(), SL_DTMF_NOTHING);
	queue(2, 40, 0);
	assert_int_equal(step(), SL_DTMF_GAP);
	now_ms += 500;
	assert_int_equal(step(), SL_DTMF_PACKET);
	assert_true(sent.marker);
}

static void a_fresh_leg_pauses_at_no_time_of_the_clock(void **state)
{
	for (uint32_t ms = UINT32_MAX - 70000; ms > 70000; ms += 1000) {
		tx = (struct sl_dtmf_tx){0};
		queue(1, 40, 0);
		assert_int_equal(sl_dtmf_send(&tx, ms, 0, HZ, &sent), SL_DTMF_PACKET);
	}
}

/* RFC 4733 2.5.1.3: 10 s at 48 kHz are eight segments; what a receiver makes of it is one event. */
static void a_long_event_goes_in_segments(void **state)
{
	struct sl_dtmf_report out[SL_DTMF_REPORTS_MAX];
	struct sl_dtmf_rx peer = {0};
	unsigned full = 0, ends = 0, markers = 0, n = 0, reports = 0;

	queue(7, 10000, 0);
	while (tx.n) {
		assert_int_equal(sl_dtmf_send(&tx, now_ms, ts, 48000, &sent), SL_DTMF_PACKET);
		reports += sl_dtmf_receive(&peer, sent.ts, sent.payload, 4, 48000, now_ms, out);
		full += sent.payload[2] == 0xff && sent.payload[3] == 0xff;
		ends += sent.payload[1] >> 7;
		markers += sent.marker;
		now_ms += 20;
		n++;
		assert_true(n < 520);
	}
	assert_int_equal(full, 7 * 3);
	assert_int_equal(ends, 3);
	assert_int_equal(markers, 1);
	assert_int_equal(reports, 1);
	assert_int_equal(out[0].ms, 10000);
}

static void a_stall_makes_no_burst(void **state)
{
	queue(7, 200, 0);
	assert_int_equal(step(), SL_DTMF_PACKET);
	now_ms += 5000;
	assert_int_equal(step(), SL_DTMF_PACKET);
	sent_is(UINT32_MAX - 400, false, 7, true, 1600);
}

static void a_full_queue_refuses(void **state)
{
	for (unsigned i = 0; i < SL_DTMF_QUEUE; i++)
		queue((uint8_t)i, 40, 0);
	assert_false(sl_dtmf_queue(&tx, &(struct sl_dtmf_event){1, 1, 40, 0}));
	for (unsigned i = 0; i < SL_DTMF_QUEUE; i++)
		for (unsigned k = 0; k < 4; k++) {
			assert_int_equal(step(), SL_DTMF_PACKET);
			assert_int_equal(sent.payload[0], i);
		}
	assert_int_equal(step(), SL_DTMF_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(an_event_is_told_once, fresh),
	        cmocka_unit_test_setup(the_same_digit_again_is_another_event, fresh),
	        cmocka_unit_test_setup(lost_end_packets_are_made_up_for_by_the_next_event, fresh),
	        cmocka_unit_test_setup(lost_end_packets_are_made_up_for_by_time, fresh),
	        cmocka_unit_test_setup(packets_of_an_event_before_are_late, fresh),
	        cmocka_unit_test_setup(a_long_event_comes_in_segments, fresh),
	        cmocka_unit_test_setup(order_within_an_event_does_not_matter, fresh),
	        cmocka_unit_test_setup(short_payloads_and_odd_clocks_are_harmless, fresh),
	        cmocka_unit_test_setup(an_event_grows_and_ends_three_times, fresh_tx),
	        cmocka_unit_test_setup(events_queue_up_with_pauses, fresh_tx),
	        cmocka_unit_test_setup(the_last_pause_is_kept_for_whoever_comes, fresh_tx),
	        cmocka_unit_test_setup(a_fresh_leg_pauses_at_no_time_of_the_clock, fresh_tx),
	        cmocka_unit_test_setup(a_long_event_goes_in_segments, fresh_tx),
	        cmocka_unit_test_setup(a_stall_makes_no_burst, fresh_tx),
	        cmocka_unit_test_setup(a_full_queue_refuses, fresh_tx),
	};

	return cmocka_run_group_tests_name("dtmf", tests, NULL, NULL);
}

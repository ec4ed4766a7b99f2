/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "dataplane/stream/frame.h"
#include "tests/unit/guard.h"

#include <string.h>

/* Every input ends at an unmapped page: a length that is believed before its bytes are there would show. */

enum { ROOM = 70000, MAX = 65540 };

static struct sl_guard guard;

static size_t stun_of(uint8_t *p, unsigned length)
{
	memset(p, 0, 20 + length);
	p[1] = 1;
	p[2] = (uint8_t)(length >> 8);
	p[3] = (uint8_t)length;
	memcpy(p + 4, "\x21\x12\xa4\x42", 4);
	return 20 + length;
}

static size_t channel_of(uint8_t *p, unsigned length)
{
	size_t total = (4 + length + 3) & ~3u;

	memset(p, 0xff, total); /* padding may be anything */
	p[0] = 0x40;
	p[1] = 0;
	p[2] = (uint8_t)(length >> 8);
	p[3] = (uint8_t)length;
	return total;
}

static enum sl_stream_frame_kind next(const uint8_t *p, size_t n, struct sl_stream_frame *f)
{
	return sl_stream_frame_next(sl_guard_put(&guard, p, n), n, MAX, f);
}

/* The message is found when it is whole, not before, and whatever follows it. */
static void check_splits(const uint8_t *p, size_t total, size_t len, enum sl_stream_frame_kind kind)
{
	struct sl_stream_frame f;

	for (size_t n = 0; n < total; n++) {
		assert_int_equal(next(p, n, &f), SL_STREAM_FRAME_INCOMPLETE);
		assert_true(f.total > n && f.total <= total);
		if (n >= 4)
			assert_int_equal(f.total, total);
	}
	for (size_t n = total; n < total + 8; n++) {
		assert_int_equal(next(p, n, &f), kind);
		assert_int_equal(f.total, total);
		assert_int_equal(f.len, len);
	}
}

static void messages_are_found_at_every_split(void **state)
{
	static uint8_t p[ROOM];

	for (unsigned length = 0; length < 64; length += 4)
		check_splits(p, stun_of(p, length), 20 + length, SL_STREAM_FRAME_STUN);
	for (unsigned length = 0; length < 64; length++) {
		size_t total = channel_of(p, length);
		check_splits(p, total, 4 + length, SL_STREAM_FRAME_CHANNEL);
	}
}

static void a_stream_comes_apart_as_it_was_put_together(void **state)
{
	static uint8_t p[ROOM];
	size_t n = 0, at = 0;
	struct sl_stream_frame f;

	for (unsigned i = 0; i < 40; i++)
		n += i % 2 ? channel_of(p + n, i * 7) : stun_of(p + n, i * 4);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(sl_stream_frame_next(p + at, n - at, MAX, &f), i % 2 ? SL_STREAM_FRAME_CHANNEL : SL_STREAM_FRAME_STUN);
		assert_int_equal(f.len, i % 2 ? 4 + i * 7 : 20 + i * 4);
		at += f.total;
	}
	assert_int_equal(at, n);
}

static void what_is_neither_is_told_at_its_first_byte(void **state)
{
	struct sl_stream_frame f;

	for (unsigned first = 0; first < 256; first++) {
		uint8_t p = (uint8_t)first;
		assert_int_equal(next(&p, 1, &f), first < 0x80 ? SL_STREAM_FRAME_INCOMPLETE : SL_STREAM_FRAME_INVALID);
	}
	assert_int_equal(next((const uint8_t *)"\x16\x03\x01\x02\x00\x01\x00\x01", 8, &f), SL_STREAM_FRAME_INVALID); /* a TLS ClientHello */
	assert_int_equal(next((const uint8_t *)"\x00\x01\x00\x00\x21\x12\xa4", 7, &f), SL_STREAM_FRAME_INCOMPLETE);
	assert_int_equal(next((const uint8_t *)"\x00\x01\x00\x00\x21\x13", 6, &f), SL_STREAM_FRAME_INVALID);
	assert_int_equal(next((const uint8_t *)"\x00\x01\x00\x05", 4, &f), SL_STREAM_FRAME_INVALID); /* no multiple of four */
}

static void a_length_beyond_the_limit_ends_it_before_its_bytes_are_there(void **state)
{
	struct sl_stream_frame f;

	assert_int_equal(sl_stream_frame_next((const uint8_t *)"\x40\x00\x0f\xfc", 4, 4096, &f), SL_STREAM_FRAME_INCOMPLETE);
	assert_int_equal(f.total, 4096);
	assert_int_equal(sl_stream_frame_next((const uint8_t *)"\x40\x00\x0f\xfd", 4, 4096, &f), SL_STREAM_FRAME_INVALID);
	assert_int_equal(sl_stream_frame_next((const uint8_t *)"\x00\x03\x0f\xec", 4, 4096, &f), SL_STREAM_FRAME_INCOMPLETE);
	assert_int_equal(sl_stream_frame_next((const uint8_t *)"\x00\x03\x0f\xf0", 4, 4096, &f), SL_STREAM_FRAME_INVALID);
	assert_int_equal(sl_stream_frame_next((const uint8_t *)"\x7f\xff\xff\xff", 4, MAX, &f), SL_STREAM_FRAME_INCOMPLETE);
	assert_int_equal(f.total, MAX);
}

static void relayed_data_is_told_from_answers(void **state)
{
	assert_true(sl_stream_frame_is_relayed((const uint8_t *)"\x40\x00\x00\x00", 4));
	assert_true(sl_stream_frame_is_relayed((const uint8_t *)"\x00\x17\x00\x00", 4));
	assert_false(sl_stream_frame_is_relayed((const uint8_t *)"\x01\x03\x00\x00", 4));
	assert_false(sl_stream_frame_is_relayed((const uint8_t *)"\x00\x1c\x00\x00", 4)); /* ConnectionAttempt must not be lost */
	assert_false(sl_stream_frame_is_relayed((const uint8_t *)"\x40", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(messages_are_found_at_every_split),
	        cmocka_unit_test(a_stream_comes_apart_as_it_was_put_together),
	        cmocka_unit_test(what_is_neither_is_told_at_its_first_byte),
	        cmocka_unit_test(a_length_beyond_the_limit_ends_it_before_its_bytes_are_there),
	        cmocka_unit_test(relayed_data_is_told_from_answers),
	};
	int failed;

	guard = sl_guard_make(ROOM);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	sl_guard_free(&guard);
	return failed;
}

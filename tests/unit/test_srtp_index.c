/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Indices and replay windows: libsrtp2's replay database (RFC 3711 3.3.1, 3.3.2) says the same of long random
 * streams. */

#include "tests/unit/unit.h"

#include <string.h>

#include <srtp2/srtp.h>

#include "dataplane/session/srtp_index.h"

/* libsrtp2 exports these, but installs no header for them. */
typedef struct {
	uint64_t index;
	struct {
		uint32_t length;
		uint32_t *word;
	} bitmask;
} srtp_rdbx_t;
srtp_err_status_t srtp_rdbx_init(srtp_rdbx_t *rdbx, unsigned long window);
srtp_err_status_t srtp_rdbx_dealloc(srtp_rdbx_t *rdbx);
int32_t srtp_rdbx_estimate_index(const srtp_rdbx_t *rdbx, uint64_t *guess, uint16_t seq);
srtp_err_status_t srtp_rdbx_check(const srtp_rdbx_t *rdbx, int difference);
srtp_err_status_t srtp_rdbx_add_index(srtp_rdbx_t *rdbx, int difference);

static uint64_t random_state = 88172645463325252u;

static uint32_t random32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

struct receiver {
	uint64_t window[SL_SRTP_WINDOW_MAX / 64], top;
	unsigned bits;
	bool started;
	srtp_rdbx_t theirs;
};

static void receiver_open(struct receiver *r, unsigned bits)
{
	memset(r, 0xa5, sizeof *r); /* nothing may depend on what was there */
	r->bits = bits;
	r->top = 0;
	r->started = false;
	assert_int_equal(srtp_rdbx_init(&r->theirs, bits), srtp_err_status_ok);
}

/* A packet that really has this index arrives: is it accepted? It authenticates if the estimate is right. */
static bool arrives(struct receiver *r, uint64_t index)
{
	uint64_t ours = sl_srtp_index_estimate(r->top, r->started, (uint16_t)index), theirs;
	int32_t delta = srtp_rdbx_estimate_index(&r->theirs, &theirs, (uint16_t)index);
	bool fresh = sl_srtp_window_fresh(r->window, r->bits, r->top, r->started, ours);

	assert_int_equal(ours, theirs);
	assert_int_equal(fresh, srtp_rdbx_check(&r->theirs, delta) == srtp_err_status_ok);
	if (!fresh || ours != index)
		return false;
	r->top = sl_srtp_window_commit(r->window, r->bits, r->top, r->started, ours);
	r->started = true;
	assert_int_equal(srtp_rdbx_add_index(&r->theirs, delta), srtp_err_status_ok);
	assert_int_equal(r->top, r->theirs.index);
	return true;
}

static void receiver_close(struct receiver *r)
{
	srtp_rdbx_dealloc(&r->theirs);
}

/* ---- long streams ---- */

enum { STEPS = 200000, RECENT = 64 };

static uint64_t next(uint64_t *sent, unsigned loss)
{
	if (loss && random32() % 32 == 0)
		*sent += random32() % loss;
	return (*sent)++;
}

/* Loss in runs, late and repeated packets, and strangers' numbers in between. */
static void stream(unsigned bits, unsigned loss, uint64_t first)
{
	struct receiver r;
	uint64_t sent = first, recent[RECENT];
	unsigned accepted = 0;

	receiver_open(&r, bits);
	for (unsigned i = 0; i < RECENT; i++)
		recent[i] = first;
	for (unsigned i = 0; i < STEPS; i++) {
		unsigned what = random32() % 16;
		if (what == 0)
			arrives(&r, recent[random32() % RECENT]);
		else if (what == 1 && sent > first + 2 * bits)
			arrives(&r, sent - random32() % (2 * bits));
		else if (what == 2)
			arrives(&r, (uint64_t)1 << 60 |
			                    random32()); /* any number; what it authenticates as it is not */
		else
			accepted += arrives(&r, recent[random32() % RECENT] = next(&sent, loss));
	}
	assert_true(accepted > STEPS / 2);
	receiver_close(&r);
}

static void long_streams(void **state)
{
	static const uint64_t first[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff};

	for (unsigned bits = SL_SRTP_WINDOW_MIN; bits <= SL_SRTP_WINDOW_MAX; bits *= 2) {
		stream(bits, 0, first[random32() % SL_COUNT(first)]);
		stream(bits, 20, first[random32() % SL_COUNT(first)]);
		stream(bits, 3000, first[random32() % SL_COUNT(first)]);
		stream(bits, 32700, first[random32() % SL_COUNT(first)]);
	}
}

/* Every estimate: any top of the first three ROCs, any number. */
static void estimates(void **state)
{
	srtp_rdbx_t r;

	assert_int_equal(srtp_rdbx_init(&r, SL_SRTP_WINDOW_MIN), srtp_err_status_ok);
	for (r.index = 0; r.index < 3 * SL_SRTP_SEQS; r.index += 1 + random32() % 97)
		for (uint32_t seq = random32() % 61; seq < SL_SRTP_SEQS; seq += 61) {
			uint64_t theirs;
			srtp_rdbx_estimate_index(&r, &theirs, (uint16_t)seq);
			if (sl_srtp_index_estimate(r.index, true, (uint16_t)seq) != theirs)
				assert_int_equal(
				        sl_srtp_index_estimate(r.index, true, (uint16_t)seq), theirs);
		}
	srtp_rdbx_dealloc(&r);
}

/* ---- the corners ---- */

static void loss_of_half_the_numbers(void **state)
{
	static const uint64_t tops[] = {
	        0, 1, 0x7fff, 0x8000, 0xffff, 0x10000, 0x17fff, 0x18000, 0x1ffff, 0x123456789abc};

	for (unsigned i = 0; i < SL_COUNT(tops); i++)
		for (unsigned gap = 1; gap < SL_SRTP_SEQ_HALF; gap++)
			assert_int_equal(sl_srtp_index_estimate(tops[i], true, (uint16_t)(tops[i] + gap)),
			        tops[i] + gap);
	/* Exactly half way round either could be meant: RFC 3711 3.3.1 stays in the ROC. */
	assert_int_equal(sl_srtp_index_estimate(0x10005, true, 0x8005), 0x18005);
	assert_int_equal(sl_srtp_index_estimate(0x18005, true, 0x0005), 0x10005);
}

static void first_packets_out_of_order(void **state)
{
	static const uint64_t orders[][4] = {
	        {0xffff, 0x10000, 0x10001, 0xfffe},
	        {0xfffe, 0x10001, 0x10000, 0xffff},
	        {0xffff, 0xfffe, 0x10000, 0x10001},
	        {1, 0, 3, 2},
	        {3, 2, 1, 0},
	};

	for (unsigned i = 0; i < SL_COUNT(orders); i++) {
		struct receiver r;
		receiver_open(&r, SL_SRTP_WINDOW_MIN);
		for (unsigned k = 0; k < 4; k++)
			assert_true(arrives(&r, orders[i][k]));
		for (unsigned k = 0; k < 4; k++)
			assert_false(arrives(&r, orders[i][k]));
		receiver_close(&r);
	}
}

/* The very first to arrive had already wrapped: it cannot be known, does not authenticate, and spoils
 * nothing. */
static void first_packet_after_the_wrap(void **state)
{
	struct receiver r;

	receiver_open(&r, SL_SRTP_WINDOW_MIN);
	assert_false(arrives(&r, 0x10000));
	assert_true(arrives(&r, 0xffff));
	assert_true(arrives(&r, 0x10001));
	assert_true(arrives(&r, 0x10000));
	receiver_close(&r);
}

static void nothing_is_before_the_first(void **state)
{
	assert_int_equal(sl_srtp_index_estimate(0, true, 0xffff), 0xffff);
	assert_int_equal(sl_srtp_index_estimate(5, true, 0xfff0), 0xfff0);
	assert_int_equal(sl_srtp_index_estimate(0, true, 0x8000), 0x8000);
	assert_int_equal(sl_srtp_index_estimate(0x10005, true, 0xfff0), 0xfff0);
}

static void the_last_index(void **state)
{
	uint64_t window[SL_SRTP_WINDOW_MIN / 64], top = SL_SRTP_INDEX_MAX - 1;

	sl_srtp_window_fill(window, SL_SRTP_WINDOW_MIN);
	assert_int_equal(sl_srtp_index_estimate(top, true, 0xffff), SL_SRTP_INDEX_MAX);
	assert_true(sl_srtp_window_fresh(window, SL_SRTP_WINDOW_MIN, top, true, SL_SRTP_INDEX_MAX));
	top = sl_srtp_window_commit(window, SL_SRTP_WINDOW_MIN, top, true, SL_SRTP_INDEX_MAX);
	assert_int_equal(top, SL_SRTP_INDEX_MAX);
	for (uint32_t seq = 0; seq < SL_SRTP_SEQS; seq++)
		assert_int_equal(sl_srtp_window_fresh(window, SL_SRTP_WINDOW_MIN, top, true,
		                         sl_srtp_index_estimate(top, true, (uint16_t)seq)),
		        false);
	assert_false(sl_srtp_window_fresh(window, SL_SRTP_WINDOW_MIN, 0, false, SL_SRTP_INDEX_MAX + 1));
}

static void restored(void **state)
{
	uint64_t window[SL_SRTP_WINDOW_MAX / 64], top = 100000;

	for (unsigned bits = SL_SRTP_WINDOW_MIN; bits <= SL_SRTP_WINDOW_MAX; bits *= 2) {
		memset(window, 0, sizeof window);
		sl_srtp_window_fill(window, bits);
		for (unsigned back = 0; back < 2 * bits; back++)
			assert_false(sl_srtp_window_fresh(window, bits, top, true, top - back));
		assert_true(sl_srtp_window_fresh(window, bits, top, true, top + 1));
		assert_int_equal(sl_srtp_window_commit(window, bits, top, true, top + 3), top + 3);
		assert_true(sl_srtp_window_fresh(window, bits, top + 3, true, top + 1));
		assert_false(sl_srtp_window_fresh(window, bits, top + 3, true, top));
	}
}

/* A jump by a window or more leaves nothing behind, by less what it should. */
static void jumps(void **state)
{
	for (unsigned bits = SL_SRTP_WINDOW_MIN; bits <= SL_SRTP_WINDOW_MAX; bits *= 2)
		for (unsigned jump = bits - 2; jump <= bits + 2; jump++) {
			uint64_t window[SL_SRTP_WINDOW_MAX / 64], top = 70000;
			sl_srtp_window_fill(window, bits);
			top = sl_srtp_window_commit(window, bits, top, true, top + jump);
			for (unsigned back = 1; back < bits; back++)
				assert_int_equal(sl_srtp_window_fresh(window, bits, top, true, top - back),
				        back < jump);
			assert_false(sl_srtp_window_fresh(window, bits, top, true, top - bits));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(long_streams),
	        cmocka_unit_test(estimates),
	        cmocka_unit_test(loss_of_half_the_numbers),
	        cmocka_unit_test(first_packets_out_of_order),
	        cmocka_unit_test(first_packet_after_the_wrap),
	        cmocka_unit_test(nothing_is_before_the_first),
	        cmocka_unit_test(the_last_index),
	        cmocka_unit_test(restored),
	        cmocka_unit_test(jumps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

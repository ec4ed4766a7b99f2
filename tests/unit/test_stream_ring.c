/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "dataplane/stream/ring.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* The ring between stream threads and workers; the last test has a real thread on each end: run it under TSan too (-Dsanitizers=thread). */

enum { SIZE = 1024, RECORDS = 300000, LONGEST = 400 };

static void put(struct sl_byte_ring *r, uint8_t value, size_t len)
{
	uint8_t *p = sl_byte_ring_reserve(r, len);

	assert_non_null(p);
	memset(p, value, len);
	sl_byte_ring_put(r, len);
}

static void take(struct sl_byte_ring *r, uint8_t value, size_t len)
{
	size_t n;
	const uint8_t *p = sl_byte_ring_peek(r, &n);

	assert_non_null(p);
	assert_int_equal(n, len);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p[i], value);
	sl_byte_ring_take(r);
}

static void sizes_are_powers_of_two(void **state)
{
	struct sl_byte_ring r;

	assert_int_equal(sl_byte_ring_init(&r, 1000, NULL), -EINVAL);
	assert_int_equal(sl_byte_ring_init(&r, 0, NULL), -EINVAL);
}

static void a_record_never_wraps(void **state)
{
	struct sl_byte_ring r;

	assert_int_equal(sl_byte_ring_init(&r, SIZE, NULL), 0);
	/* Every place where the next record may begin, and every length that stays below half. */
	for (size_t first = 0; first <= LONGEST; first++) {
		put(&r, 1, first);
		put(&r, 2, LONGEST);
		take(&r, 1, first);
		take(&r, 2, LONGEST);
	}
	assert_null(sl_byte_ring_peek(&r, &(size_t){0}));
	sl_byte_ring_free(&r, NULL);
}

static void what_was_reserved_may_be_cut(void **state)
{
	struct sl_byte_ring r;

	assert_int_equal(sl_byte_ring_init(&r, SIZE, NULL), 0);
	for (unsigned i = 0; i < 100; i++) {
		uint8_t *p = sl_byte_ring_reserve(&r, LONGEST);

		assert_non_null(p);
		memset(p, (int)i, 3);
		assert_null(sl_byte_ring_peek(&r, &(size_t){0})); /* not before it is put */
		sl_byte_ring_put(&r, 3);
		take(&r, (uint8_t)i, 3);
	}
	sl_byte_ring_free(&r, NULL);
}

static void room_is_what_one_record_gets(void **state)
{
	struct sl_byte_ring r;

	assert_int_equal(sl_byte_ring_init(&r, SIZE, NULL), 0);
	assert_int_equal(sl_byte_ring_room(&r), SIZE - 8);
	for (unsigned round = 0; round < 500; round++) {
		unsigned records = 0;
		size_t room;

		while ((room = sl_byte_ring_room(&r)) >= 7 * (round % 20)) {
			assert_null(sl_byte_ring_reserve(&r, room + 1));
			put(&r, 3, 7 * (round % 20));
			records++;
			if (room < 16)
				break;
		}
		assert_null(sl_byte_ring_reserve(&r, SIZE));
		assert_true(records > 0);
		while (records-- > 0)
			take(&r, 3, 7 * (round % 20));
	}
	sl_byte_ring_free(&r, NULL);
}

/* ---- two threads ---- */

static size_t length_of(uint64_t i)
{
	return 9 + i * 7919 % (LONGEST - 9);
}

static void *produce(void *arg)
{
	struct sl_byte_ring *r = arg;

	for (uint64_t i = 0; i < RECORDS; i++) {
		size_t len = length_of(i);
		uint8_t *p;

		while (!(p = sl_byte_ring_reserve(r, len)))
			sched_yield();
		memset(p, (int)(i & 0xff), len);
		memcpy(p, &i, sizeof i);
		sl_byte_ring_put(r, len);
	}
	return NULL;
}

static void two_threads_lose_nothing(void **state)
{
	struct sl_byte_ring r;
	pthread_t thread;
	const uint8_t *p;
	size_t len;

	assert_int_equal(sl_byte_ring_init(&r, SIZE, NULL), 0);
	assert_int_equal(pthread_create(&thread, NULL, produce, &r), 0);
	for (uint64_t i = 0, number; i < RECORDS; i++) {
		while (!(p = sl_byte_ring_peek(&r, &len)))
			sched_yield();
		memcpy(&number, p, sizeof number);
		assert_int_equal(number, i);
		assert_int_equal(len, length_of(i));
		assert_int_equal(p[len - 1], i & 0xff);
		sl_byte_ring_take(&r);
	}
	pthread_join(thread, NULL);
	assert_null(sl_byte_ring_peek(&r, &len));
	sl_byte_ring_free(&r, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(sizes_are_powers_of_two),
	        cmocka_unit_test(a_record_never_wraps),
	        cmocka_unit_test(what_was_reserved_may_be_cut),
	        cmocka_unit_test(room_is_what_one_record_gets),
	        cmocka_unit_test(two_threads_lose_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

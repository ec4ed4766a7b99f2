/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The memory of cold records of media legs: laid out once, taken only by those it fits, shared evenly. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/session/cold_media.h"

enum { LEGS = 10, STREAMS = 21 };

static struct sl_cold_media *make(void)
{
	size_t bytes = sl_cold_media_size(LEGS, STREAMS);
	struct sl_cold_media *m = (struct sl_cold_media *)aligned_alloc(64, bytes);

	assert_int_equal(bytes % 64, 0);
	assert_non_null(m);
	memset(m, 0, bytes);
	assert_int_equal(sl_cold_media_check(m, bytes, LEGS, STREAMS), -EPROTO);
	assert_int_equal(sl_cold_media_create(m, LEGS, STREAMS), 0);
	return m;
}

static void the_header(void **state)
{
	size_t bytes = sl_cold_media_size(LEGS, STREAMS);
	struct sl_cold_media *m = make(), *other = make();

	assert_int_equal(sl_cold_media_check(m, bytes, LEGS, STREAMS), 0);
	assert_int_equal(sl_cold_media_check(m, bytes - 1, LEGS, STREAMS), -EPROTO);
	assert_int_equal(sl_cold_media_check(m, 0, LEGS, STREAMS), -EPROTO);
	assert_int_equal(sl_cold_media_check(m, bytes, LEGS + 1, STREAMS), -EPROTO);
	assert_int_equal(sl_cold_media_check(m, bytes, LEGS, STREAMS - 1), -EPROTO);
	m->magic++;
	assert_int_equal(sl_cold_media_check(m, bytes, LEGS, STREAMS), -EPROTO);
	m->magic--;
	m->layout++;
	assert_int_equal(sl_cold_media_check(m, bytes, LEGS, STREAMS), -EPROTO);
	/* What keys are compared by differs from keeper to keeper. */
	assert_memory_not_equal(&m->print_key, &other->print_key, sizeof m->print_key);
	free(m);
	free(other);
}

static void shares_lie_apart_and_inside(void **state)
{
	struct sl_cold_media *m = make();
	uint8_t *end = (uint8_t *)m + sl_cold_media_size(LEGS, STREAMS);

	for (unsigned n = 1; n <= 4; n++) {
		uint8_t *legs = (uint8_t *)m + sizeof *m, *streams = (uint8_t *)sl_cold_media_view(m, 0, n).streams;
		assert_int_equal((uintptr_t)sl_cold_media_view(m, 0, n).legs % 64, 0);
		assert_int_equal((uintptr_t)streams % 64, 0);
		assert_true((uint8_t *)(sl_cold_media_view(m, 0, n).legs + LEGS) <= streams);
		for (unsigned w = 0; w < n; w++) {
			struct sl_cold_media_view v = sl_cold_media_view(m, w, n);
			assert_true((uint8_t *)v.legs >= legs);
			assert_true((uint8_t *)v.streams >= streams);
			legs = (uint8_t *)(v.legs + LEGS / n);
			streams = (uint8_t *)(v.streams + STREAMS / n);
		}
		assert_true(streams <= end);
	}
	free(m);
}

/* Nobody has sent anything yet: every record is free, and none reserves an index. */
static void fresh_records_are_free(void **state)
{
	struct sl_cold_media *m = make();
	struct sl_cold_media_view v = sl_cold_media_view(m, 0, 1);

	for (unsigned i = 0; i < LEGS; i++)
		assert_true(v.legs[i].valid == 0 && v.legs[i].tx_reserved == 0 && v.legs[i].rtcp_reserved == 0);
	for (unsigned i = 0; i < STREAMS; i++)
		assert_true(v.streams[i].valid == 0);
	free(m);
}

static void no_streams_are_possible(void **state)
{
	size_t bytes = sl_cold_media_size(LEGS, 0);
	struct sl_cold_media *m = (struct sl_cold_media *)aligned_alloc(64, bytes);

	assert_non_null(m);
	memset(m, 0, bytes);
	assert_int_equal(sl_cold_media_create(m, LEGS, 0), 0);
	assert_int_equal(sl_cold_media_check(m, bytes, LEGS, 0), 0);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header),
		cmocka_unit_test(shares_lie_apart_and_inside),
		cmocka_unit_test(fresh_records_are_free),
		cmocka_unit_test(no_streams_are_possible),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/media/ports.h"
#include "dataplane/abi/msg_media.h"

enum { MIN = 30000, MAX = 39999, WORKERS = 2, GUARD_MS = 10000, NOW = 5000000 };

static struct sl_port_pool *pool(uint32_t *released, int64_t now_ms, uint8_t seed)
{
	struct sl_port_pool_params p = {.n_addresses = 2,
	        .n_workers = WORKERS,
	        .port_min = MIN,
	        .port_max = MAX,
	        .guard_ms = GUARD_MS,
	        .released_s = released};

	memset(p.seed, seed, sizeof p.seed);
	struct sl_port_pool *made = sl_port_pool_new(&p, now_ms);
	assert_non_null(made);
	return made;
}

static void every_pair_can_be_drawn_and_none_twice(void **state)
{
	struct sl_port_pool *p = pool(NULL, NOW, 1);
	static bool drawn[2][65536];
	size_t n = 0;

	memset(drawn, 0, sizeof drawn);
	assert_int_equal(sl_port_pool_total_free(p), 2 * (MAX - MIN + 1) / 2);
	for (unsigned a = 0; a < 2; a++) {
		for (unsigned w = 0; w < WORKERS; w++) {
			int port;
			while ((port = sl_port_pool_draw(p, a, w, NOW)) >= 0) {
				assert_in_range(port, MIN, MAX - 1);
				assert_int_equal(port % 2, 0);
				assert_int_equal(sl_media_port_worker((uint16_t)port, WORKERS), w);
				assert_int_equal(sl_media_port_worker((uint16_t)(port + 1), WORKERS), w);
				assert_false(drawn[a][port]);
				drawn[a][port] = true;
				n++;
			}
			assert_int_equal(port, -ENOSPC);
		}
	}
	assert_int_equal(n, 2 * (MAX - MIN + 1) / 2);
	assert_int_equal(sl_port_pool_total_free(p), 0);
	sl_port_pool_free(p);
}

/* The range may begin odd, end even, and be no whole number of blocks. */
static void edges_of_the_range_are_kept(void **state)
{
	struct sl_port_pool_params params = {
	        .n_addresses = 1, .n_workers = 3, .port_min = 30001, .port_max = 30010};
	struct sl_port_pool *p = sl_port_pool_new(&params, NOW);
	unsigned n = 0;

	for (unsigned w = 0; w < 3; w++) {
		int port;
		while ((port = sl_port_pool_draw(p, 0, w, NOW)) >= 0) {
			assert_in_range(port, 30002, 30009);
			n++;
		}
	}
	assert_int_equal(n, 4);
	sl_port_pool_free(p);
}

/* Knowing what was drawn says nothing of what comes: no steps of one size, each half of the range as likely,
 * another seed another order. */
static void draws_are_not_to_be_guessed(void **state)
{
	struct sl_port_pool *p = pool(NULL, NOW, 1), *q = pool(NULL, NOW, 2);
	enum { DRAWS = 1000 };
	unsigned next = 0, low = 0, same = 0;
	int before = 0;

	for (unsigned i = 0; i < DRAWS; i++) {
		int a = sl_port_pool_draw(p, 0, 0, NOW), b = sl_port_pool_draw(q, 0, 0, NOW);
		next += abs(a - before) == 2;
		low += a < (MIN + MAX) / 2;
		same += a == b;
		before = a;
	}
	assert_in_range(next, 0, 20);
	assert_in_range(low, DRAWS * 4 / 10, DRAWS * 6 / 10);
	assert_in_range(same, 0, 20);
	sl_port_pool_free(p);
	sl_port_pool_free(q);
}

static void a_released_port_rests_for_the_guard_time(void **state)
{
	struct sl_port_pool *p = pool(NULL, NOW, 1);
	int port, last = -1;

	while ((port = sl_port_pool_draw(p, 0, 0, NOW)) >= 0)
		last = port;
	sl_port_pool_release(p, 0, (uint16_t)last, NOW);
	sl_port_pool_release(p, 0, (uint16_t)last, NOW); /* a second time means nothing */
	assert_int_equal(sl_port_pool_total_guarded(p), 1);
	assert_int_equal(sl_port_pool_draw(p, 0, 0, NOW + GUARD_MS - 1), -ENOSPC);
	assert_int_equal(sl_port_pool_draw(p, 0, 0, NOW + GUARD_MS), last);
	assert_int_equal(sl_port_pool_draw(p, 0, 0, NOW + GUARD_MS), -ENOSPC);
	sl_port_pool_undo(p, 0, (uint16_t)last); /* nobody was told of it */
	assert_int_equal(sl_port_pool_draw(p, 0, 0, NOW + GUARD_MS), last);
	sl_port_pool_free(p);
}

static void the_guard_time_outlives_us(void **state)
{
	uint32_t *released = calloc(SL_PORT_POOL_MEMORY, sizeof *released);
	struct sl_port_pool *p = pool(released, NOW, 1);
	int first = sl_port_pool_draw(p, 1, 1, NOW), second = sl_port_pool_draw(p, 1, 1, NOW);

	sl_port_pool_release(p, 1, (uint16_t)first, NOW);
	sl_port_pool_release(p, 1, (uint16_t)second, NOW + 3000);
	sl_port_pool_free(p);

	p = pool(released, NOW + 4000, 3);
	assert_int_equal(sl_port_pool_total_guarded(p), 2);
	int port;
	while ((port = sl_port_pool_draw(p, 1, 1, NOW + 4000)) >= 0)
		assert_true(port != first && port != second);
	assert_int_equal(sl_port_pool_draw(p, 1, 1, NOW + GUARD_MS + 1000), first);
	assert_int_equal(sl_port_pool_draw(p, 1, 1, NOW + GUARD_MS + 1000), -ENOSPC);
	assert_int_equal(sl_port_pool_draw(p, 1, 1, NOW + GUARD_MS + 4000), second);
	sl_port_pool_free(p);
	free(released);
}

static void a_port_is_taken_by_name_after_a_restart(void **state)
{
	uint32_t *released = calloc(SL_PORT_POOL_MEMORY, sizeof *released);
	struct sl_port_pool *p = pool(released, NOW, 1);

	assert_int_equal(sl_port_pool_take(p, 0, 30000), 0);
	assert_int_equal(sl_port_pool_take(p, 0, 30000), -EBUSY);
	assert_int_equal(sl_port_pool_take(p, 0, 30001), -EINVAL);
	assert_int_equal(sl_port_pool_take(p, 0, MAX + 1), -EINVAL);
	assert_int_equal(sl_port_pool_take(p, 2, 30000), -EINVAL);
	assert_int_equal(sl_port_pool_take(p, 1, 30000), 0);
	for (int port; (port = sl_port_pool_draw(p, 0, 30000 / 256 % WORKERS, NOW)) >= 0;)
		assert_int_not_equal(port, 30000);
	/* Out of the middle of the guarded ones too. */
	for (uint16_t port = 30100; port < 30106; port += 2)
		sl_port_pool_release(p, 0, port, NOW);
	assert_int_equal(sl_port_pool_take(p, 0, 30102), 0);
	assert_int_equal(sl_port_pool_take(p, 0, 30104), 0);
	sl_port_pool_release(p, 0, 30102, NOW + 1);
	assert_int_equal(sl_port_pool_total_guarded(p), 2);
	assert_int_equal(sl_port_pool_draw(p, 0, 30100 / 256 % WORKERS, NOW + GUARD_MS), 30100);
	assert_int_equal(sl_port_pool_draw(p, 0, 30100 / 256 % WORKERS, NOW + GUARD_MS), -ENOSPC);
	assert_int_equal(sl_port_pool_draw(p, 0, 30100 / 256 % WORKERS, NOW + GUARD_MS + 1), 30102);
	sl_port_pool_free(p);
	free(released);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_pair_can_be_drawn_and_none_twice),
	        cmocka_unit_test(edges_of_the_range_are_kept),
	        cmocka_unit_test(draws_are_not_to_be_guessed),
	        cmocka_unit_test(a_released_port_rests_for_the_guard_time),
	        cmocka_unit_test(the_guard_time_outlives_us),
	        cmocka_unit_test(a_port_is_taken_by_name_after_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

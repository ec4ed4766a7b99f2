/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The hand-off between workers as the dataplane uses it: an rte_ring of pointers, one producer, one consumer, and the
 * payload written before and read after. For ThreadSanitizer (with RTE_USE_C11_MEM_MODEL) as much as for the result. */

#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <rte_ring.h>

enum { PACKETS = 200000, BUFFERS = 1024, RING = 256 };

struct packet {
	uint64_t sequence, twice;
};

static struct packet buffers[BUFFERS];

static void *producer(void *arg)
{
	struct rte_ring **r = arg; /* [0] there, [1] empty buffers back */
	for (uint64_t i = 0; i < PACKETS;) {
		void *p;
		if (rte_ring_sc_dequeue(r[1], &p) < 0) {
			sched_yield();
			continue;
		}
		struct packet *packet = p;
		packet->sequence = i;
		packet->twice = 2 * i;
		while (rte_ring_sp_enqueue(r[0], packet) < 0)
			sched_yield();
		i++;
	}
	return NULL;
}

static struct rte_ring *ring_new(unsigned n)
{
	ssize_t bytes = rte_ring_get_memsize(n);
	struct rte_ring *r = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL((size_t)bytes, RTE_CACHE_LINE_SIZE));
	assert_non_null(r);
	assert_int_equal(rte_ring_init(r, "test", n, RING_F_SP_ENQ | RING_F_SC_DEQ), 0);
	return r;
}

static void packets_arrive_whole_and_in_order(void **state)
{
	struct rte_ring *r[2] = {ring_new(RING), ring_new(BUFFERS * 2)};
	pthread_t thread;
	for (unsigned i = 0; i < BUFFERS; i++)
		assert_int_equal(rte_ring_sp_enqueue(r[1], &buffers[i]), 0);
	assert_int_equal(pthread_create(&thread, NULL, producer, r), 0);
	for (uint64_t next = 0; next < PACKETS;) {
		void *burst[32];
		unsigned n = rte_ring_sc_dequeue_burst(r[0], burst, 32, NULL);
		if (!n)
			sched_yield();
		for (unsigned i = 0; i < n; i++, next++) {
			const struct packet *p = burst[i];
			assert_int_equal(p->sequence, next);
			assert_int_equal(p->twice, 2 * next);
			while (rte_ring_sp_enqueue(r[1], burst[i]) < 0)
				sched_yield();
		}
	}
	pthread_join(thread, NULL);
	free(r[0]);
	free(r[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(packets_arrive_whole_and_in_order)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

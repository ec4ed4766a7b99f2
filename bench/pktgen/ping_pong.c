/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/ping_pong.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_pause.h>

enum { CLOCK_MS = 50, ROUNDS = 10000, WARM_ROUNDS = 1000, TRIPS = 2 * (WARM_ROUNDS + ROUNDS) };

struct table {
	_Alignas(64) atomic_uint ball; /* even: with the one who measures; written by both in turn */
	_Alignas(64) unsigned cpu[2];
	atomic_int failed;
	uint32_t trip[ROUNDS];
};

static int settle(struct table *t, unsigned side)
{
	struct sched_param rt = {.sched_priority = 1};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(t->cpu[side], &set);
	int rc = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
	if (rc != 0) {
		fprintf(stderr, "sluice-pktgen: CPU %u: %s\n", t->cpu[side], strerror(rc));
		t->failed = 1;
		return -1;
	}
	/* Only a better measurement when it is permitted: the median survives without it. */
	(void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &rt);
	return 0;
}

static void wait_for(struct table *t, unsigned value)
{
	while (atomic_load_explicit(&t->ball, memory_order_acquire) != value && !t->failed)
		rte_pause();
}

static void *return_balls(void *arg)
{
	struct table *t = arg;

	if (settle(t, 1) != 0)
		return NULL;
	for (unsigned i = 0; i < TRIPS && !t->failed; i += 2) {
		wait_for(t, i + 1);
		atomic_store_explicit(&t->ball, i + 2, memory_order_release);
	}
	return NULL;
}

static void *serve_balls(void *arg)
{
	struct table *t = arg;

	if (settle(t, 0) != 0)
		return NULL;
	for (unsigned i = 0; i < TRIPS && !t->failed; i += 2) {
		uint64_t begin = rte_rdtsc();
		atomic_store_explicit(&t->ball, i + 1, memory_order_release);
		wait_for(t, i + 2);
		if (i / 2 >= WARM_ROUNDS)
			t->trip[i / 2 - WARM_ROUNDS] = (uint32_t)(rte_rdtsc() - begin);
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

uint64_t ping_pong_cycles(unsigned cpu_a, unsigned cpu_b)
{
	static struct table t;
	pthread_t a, b;

	memset(&t, 0, sizeof t);
	t.cpu[0] = cpu_a;
	t.cpu[1] = cpu_b;
	if (pthread_create(&b, NULL, return_balls, &t) != 0)
		return 0;
	if (pthread_create(&a, NULL, serve_balls, &t) != 0) {
		t.failed = 1;
		pthread_join(b, NULL);
		return 0;
	}
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	if (t.failed)
		return 0;
	qsort(t.trip, ROUNDS, sizeof t.trip[0], compare);
	return t.trip[ROUNDS / 2];
}

static uint64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t ping_pong_tsc_hz(void)
{
	uint64_t ns = clock_ns(), cycles = rte_rdtsc(), now;

	while ((now = clock_ns()) - ns < CLOCK_MS * 1000000ull)
		;
	return (uint64_t)((double)(rte_rdtsc() - cycles) * 1e9 / (double)(now - ns));
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Token buckets of sessions and tenants on a clock of the test's own. */

#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "dataplane/guard/meter.h"

enum { SECOND = 1000000, LEN = 172, START = 5 * SECOND };

/* How many packets of len pass from `from` for `seconds`, one each step_us. */
static unsigned passing(struct sl_meter *m, const struct sl_meter_rate *rate, uint32_t len, uint64_t from, unsigned seconds, unsigned step_us)
{
	unsigned n = 0;
	for (uint64_t t = from; t < from + (uint64_t)seconds * SECOND; t += step_us)
		n += sl_meter_take(m, rate, len, t);
	return n;
}

static void assert_near(uint64_t have, uint64_t want, unsigned percent)
{
	assert_in_range(have * 100, want * (100 - percent), want * (100 + percent));
}

/* ---- sessions ---- */

static void session_rates(void **state)
{
	const struct {
		struct sl_meter_rate rate;
		unsigned step_us, want; /* packets a second */
	} cases[] = {
		{{50, 0}, 100, 50},
		{{1, 0}, 1000, 1},
		{{3, 0}, 7, 3},
		{{100000, 0}, 1, 100000},
		{{999, 0}, 13, 999},
		{{0, 1376}, 100, 1000},      /* 172 bytes are 1,376 bits */
		{{0, 100000}, 5, 72674},
		{{500, 1376}, 100, 500},     /* the lower of the two */
		{{5000, 1376}, 100, 1000},
	};
	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct sl_meter m = {0};
		/* The burst first, which is a second's worth; then ten seconds of the rate. */
		passing(&m, &cases[i].rate, LEN, START, 3, cases[i].step_us);
		unsigned n = passing(&m, &cases[i].rate, LEN, START + 3 * SECOND, 10, cases[i].step_us);
		assert_near(n, 10u * cases[i].want, 2);
	}
}

static void session_burst(void **state)
{
	struct sl_meter m = {0};
	const struct sl_meter_rate rate = {100, 0};
	unsigned n = 0;
	while (sl_meter_take(&m, &rate, LEN, START))
		n++;
	assert_int_equal(n, 100);
	/* Half a second gives half of it back, a day all of it and no more. */
	for (n = 0; sl_meter_take(&m, &rate, LEN, START + SECOND / 2); n++)
		;
	assert_int_equal(n, 50);
	for (n = 0; sl_meter_take(&m, &rate, LEN, START + UINT64_C(86400) * SECOND); n++)
		;
	assert_int_equal(n, 100);
}

/* Who had used up a high rate is not cut off for as long as that would take at a low one. */
static void session_lowered(void **state)
{
	struct sl_meter m = {0};
	const struct sl_meter_rate high = {5000, 100000}, low = {50, 800};
	passing(&m, &high, LEN, START, 2, 100);
	assert_in_range(passing(&m, &low, LEN, START + 2 * SECOND, 2, 1000), 99, 101);
}

static void session_large_packet(void **state)
{
	struct sl_meter m = {0};
	const struct sl_meter_rate rate = {0, 8}; /* a thousand bytes a second */
	assert_true(sl_meter_take(&m, &rate, 1000, START));
	assert_false(sl_meter_take(&m, &rate, 1000, START + SECOND - 1));
	assert_true(sl_meter_take(&m, &rate, 1000, START + SECOND));
	/* Larger than the bucket: when that is full; what it lacked is paid back first. */
	assert_false(sl_meter_take(&m, &rate, 3000, START + 2 * SECOND - 1));
	assert_true(sl_meter_take(&m, &rate, 3000, START + 2 * SECOND));
	for (unsigned i = 0; i < 2000; i += 100)
		assert_false(sl_meter_take(&m, &rate, 1000, START + 2 * SECOND + i * 1000));
	assert_false(sl_meter_take(&m, &rate, 1, START + 4 * SECOND));
	assert_true(sl_meter_take(&m, &rate, 1000, START + 5 * SECOND));
	/* In the long run it is the rate, whatever comes. */
	for (unsigned i = 0; i < 2; i++) {
		const struct sl_meter_rate slow = {0, 16};
		unsigned len = i ? 65535 : 9000;
		m = (struct sl_meter){0};
		assert_in_range(passing(&m, &slow, len, START, 400, 10000) * len, 400 * 2000 - len, 400 * 2000 + len);
	}
}

static void session_free(void **state)
{
	struct sl_meter m = {0};
	const struct sl_meter_rate none = {0, 0}, slow = {1, 0};
	for (unsigned i = 0; i < 1000000; i++)
		assert_true(sl_meter_take(&m, &none, 65535, START));
	/* A limit that is set now begins full; one that is raised gives at once. */
	assert_true(sl_meter_take(&m, &slow, LEN, START));
	assert_false(sl_meter_take(&m, &slow, LEN, START));
	assert_true(sl_meter_take(&m, &(struct sl_meter_rate){2, 0}, LEN, START));
}

static void session_clock(void **state)
{
	struct sl_meter m = {0};
	const struct sl_meter_rate rate = {10, 0};
	unsigned n = 0;
	for (unsigned i = 0; i < 1000; i++) /* it stands still: the burst and no more */
		n += sl_meter_take(&m, &rate, LEN, START);
	assert_int_equal(n, 10);
	/* It goes back: nothing is given, and nothing is owed when it goes on. */
	assert_false(sl_meter_take(&m, &rate, LEN, START - 3 * SECOND));
	assert_false(sl_meter_take(&m, &rate, LEN, START - 3 * SECOND + 99999));
	assert_true(sl_meter_take(&m, &rate, LEN, START - 3 * SECOND + 100000));
	/* It jumps ahead as far as it can: full, not more. */
	for (n = 0; sl_meter_take(&m, &rate, LEN, UINT64_MAX); n++)
		;
	assert_int_equal(n, 10);
}

/* ---- tenants ---- */

static struct sl_meters *meters(unsigned n_workers)
{
	struct sl_meters *m;
	assert_int_equal(sl_meters_init(&m, n_workers, NULL), 0);
	return m;
}

/* Packets of two workers, one each every step_us; who comes first is drawn. */
static unsigned tenant(struct sl_meters *m, uint32_t meter, unsigned direction, uint64_t from, unsigned seconds, unsigned step_us,
	unsigned per_worker[2])
{
	unsigned n[2] = {0};
	for (uint64_t t = from; t < from + (uint64_t)seconds * SECOND; t += step_us)
		for (unsigned i = 0; i < 2; i++) {
			unsigned w = i ^ (t / step_us * UINT64_C(0x9e3779b97f4a7c15) >> 63);
			n[w] += sl_meters_take(m, w, meter, direction, LEN, t);
		}
	if (per_worker)
		memcpy(per_worker, n, sizeof n);
	return n[0] + n[1];
}

static void tenant_rates(void **state)
{
	const struct {
		struct sl_meter_rate rate;
		unsigned step_us, want;
	} cases[] = {
		{{1000, 0}, 50, 1000},
		{{100000, 0}, 2, 100000},
		{{7, 0}, 500, 7},
		{{1, 0}, 500, 1},
		{{0, 1376}, 50, 1000},
		{{0, 1000000}, 1, 726744},
		{{300, 1376}, 50, 300},
	};
	struct sl_meters *m = meters(2);
	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		uint32_t meter = i + 1;
		sl_meters_set(m, meter, &cases[i].rate);
		tenant(m, meter, 0, START, 3, cases[i].step_us, NULL);
		unsigned n = tenant(m, meter, 0, START + 3 * SECOND, 10, cases[i].step_us, NULL);
		assert_near(n, 10u * cases[i].want, 5);
		/* The other direction has a bucket of its own, full. */
		assert_true(sl_meters_take(m, 0, meter, 1, LEN, START));
	}
	sl_meters_free(m, NULL);
}

/* Whichever worker has the traffic has the rate; of two that have it neither goes without. */
static void tenant_shares(void **state)
{
	struct sl_meters *m = meters(2);
	unsigned each[2], n = 0;
	sl_meters_set(m, 9, &(struct sl_meter_rate){20000, 0});
	tenant(m, 9, 1, START, 10, 20, each);
	assert_in_range(each[0], 50000, 150000);
	assert_in_range(each[1], 50000, 150000);
	for (uint64_t t = START + 10 * SECOND; t < START + 20 * SECOND; t += 10)
		n += sl_meters_take(m, 1, 9, 1, LEN, t);
	assert_near(n, 200000, 5);
	sl_meters_free(m, NULL);
}

static void tenant_burst(void **state)
{
	struct sl_meters *m = meters(2);
	unsigned n = 0;
	sl_meters_set(m, 1, &(struct sl_meter_rate){500, 0});
	while (sl_meters_take(m, n % 2, 1, 0, LEN, 0)) /* at the very start of the clock, too */
		n++;
	assert_near(n, 500, 1);
	for (n = 0; sl_meters_take(m, n % 2, 1, 0, LEN, UINT64_C(3600) * SECOND); n++)
		;
	assert_near(n, 500, 1);
	/* Larger than a second's worth: when nothing of that is used; and then not for as long as it takes. */
	sl_meters_set(m, 2, &(struct sl_meter_rate){0, 16});
	assert_true(sl_meters_take(m, 0, 2, 0, 10000, START));
	for (unsigned i = 0; i < 4; i++)
		assert_false(sl_meters_take(m, i % 2, 2, 0, 10, START + i * SECOND));
	assert_false(sl_meters_take(m, 0, 2, 0, 10000, START + 5 * SECOND - 10000));
	assert_true(sl_meters_take(m, 0, 2, 0, 10000, START + 5 * SECOND));
	sl_meters_free(m, NULL);
}

static void tenant_none(void **state)
{
	struct sl_meters *m = meters(1);
	for (unsigned i = 0; i < 100000; i++) {
		assert_true(sl_meters_take(m, 0, 0, 0, 65535, START)); /* nobody's */
		assert_true(sl_meters_take(m, 0, 77, 0, 65535, START)); /* without a limit */
		assert_true(sl_meters_take(m, 0, UINT32_MAX, 0, 65535, START));
	}
	sl_meters_set(m, 0, &(struct sl_meter_rate){1, 1});
	sl_meters_set(m, UINT32_MAX, &(struct sl_meter_rate){1, 1});
	assert_true(sl_meters_take(m, 0, 0, 0, 65535, START));
	/* A limit and its end. */
	sl_meters_set(m, SL_METER_TURN, &(struct sl_meter_rate){1, 0});
	assert_true(sl_meters_take(m, 0, SL_METER_TURN, 0, LEN, START));
	assert_false(sl_meters_take(m, 0, SL_METER_TURN, 0, LEN, START));
	sl_meters_set(m, SL_METER_TURN, &(struct sl_meter_rate){0, 0});
	assert_true(sl_meters_take(m, 0, SL_METER_TURN, 0, LEN, START));
	sl_meters_free(m, NULL);
	assert_int_equal(sl_meters_init(&m, 0, NULL), -EINVAL);
	assert_int_equal(sl_meters_init(&m, 100000, NULL), -EINVAL);
}

static void tenant_clock(void **state)
{
	struct sl_meters *m = meters(2);
	unsigned n = 0;
	sl_meters_set(m, 3, &(struct sl_meter_rate){100, 0});
	for (unsigned i = 0; i < 10000; i++)
		n += sl_meters_take(m, i % 2, 3, 0, LEN, START);
	assert_near(n, 100, 2);
	/* Far back: nobody waits until the old time comes again; a full bucket, and then the rate. */
	n = tenant(m, 3, 0, START - 4 * SECOND, 4, 1000, NULL);
	assert_near(n, 500, 5);
	/* A little back, as another worker's may be: nothing is given for it. */
	for (n = 0; n < 10; n++)
		assert_false(sl_meters_take(m, 0, 3, 0, LEN, START - 10000));
	sl_meters_free(m, NULL);
}

/* Two workers that are threads: together they get the burst and the rate, and nothing is handed out twice. */
static struct {
	struct sl_meters *m;
	_Atomic uint64_t clock_us;
	_Atomic unsigned passed;
} shared;
enum { THREADS_PPS = 100000, THREADS_US = SECOND };

static void *worker(void *arg)
{
	unsigned w = *(const unsigned *)arg, n = 0;
	uint64_t now;
	while ((now = atomic_load(&shared.clock_us)) < START + THREADS_US)
		n += sl_meters_take(shared.m, w, 5, 0, LEN, now);
	atomic_fetch_add(&shared.passed, n);
	return NULL;
}

static void tenant_threads(void **state)
{
	static const unsigned number[2] = {0, 1};
	pthread_t threads[2];
	shared.m = meters(2);
	atomic_store(&shared.clock_us, START);
	sl_meters_set(shared.m, 5, &(struct sl_meter_rate){THREADS_PPS, 0});
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker, (void *)&number[i]), 0);
	for (unsigned t = 0; t < THREADS_US; t += 100) {
		atomic_fetch_add(&shared.clock_us, 100);
		sched_yield();
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	/* What nobody asked for in time is lost with the burst; never is there more. */
	assert_in_range(shared.passed, THREADS_PPS, 2 * THREADS_PPS + THREADS_PPS / 100);
	sl_meters_free(shared.m, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_rates),
		cmocka_unit_test(session_burst),
		cmocka_unit_test(session_lowered),
		cmocka_unit_test(session_large_packet),
		cmocka_unit_test(session_free),
		cmocka_unit_test(session_clock),
		cmocka_unit_test(tenant_rates),
		cmocka_unit_test(tenant_shares),
		cmocka_unit_test(tenant_burst),
		cmocka_unit_test(tenant_none),
		cmocka_unit_test(tenant_clock),
		cmocka_unit_test(tenant_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

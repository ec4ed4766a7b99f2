/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "dataplane/watchdog.h"

static struct sl_watchdog_thread thread; /* what the scheduler is said to know */
static uint64_t runs_ns_per_look;

static struct sl_watchdog_thread read_thread(int tid)
{
	thread.ran_ns += runs_ns_per_look;
	return thread;
}

/* Looks each ms from..to with a heartbeat that stands still; the ms at which the worker is found hung, 0 = never. */
static uint64_t hung_at(struct sl_watchdog *w, uint64_t beat, uint64_t from, uint64_t to)
{
	for (uint64_t ms = from; ms <= to; ms++) {
		if (sl_watchdog_look(w, 0, beat, ms, 1, read_thread))
			return ms;
		sl_watchdog_looked(w, ms);
	}
	return 0;
}

static void finds_a_hung_worker(void **state)
{
	struct sl_watchdog w;
	sl_watchdog_init(&w, 1000);
	assert_int_equal(hung_at(&w, 5, 1001, 1001), 0);
	assert_int_equal(hung_at(&w, 5, 1002, 2000), 1001 + SL_WATCHDOG_SILENT_MS + 1);
}

static void a_beat_is_enough(void **state)
{
	struct sl_watchdog w;
	sl_watchdog_init(&w, 1000);
	for (uint64_t beat = 1; beat < 10; beat++)
		assert_int_equal(hung_at(&w, beat, 1000 + beat * 300, 1299 + beat * 300), 0);
}

static void waits_longer_for_the_first_beat(void **state)
{
	struct sl_watchdog w;
	sl_watchdog_init(&w, 1000);
	assert_int_equal(hung_at(&w, 0, 1001, 5000), 1000 + SL_WATCHDOG_START_MS + 1);
}

/* A stopped virtual machine stops the looker too: on waking, nobody is to blame. */
static void an_absent_looker_blames_nobody(void **state)
{
	struct sl_watchdog w;
	sl_watchdog_init(&w, 1000);
	assert_int_equal(hung_at(&w, 5, 1001, 1100), 0);
	assert_int_equal(hung_at(&w, 5, 60000, 60000 + SL_WATCHDOG_SILENT_MS), 0);
	assert_int_equal(hung_at(&w, 5, 60001 + SL_WATCHDOG_SILENT_MS, 70000), 60001 + SL_WATCHDOG_SILENT_MS);
}

static void a_starved_worker_is_waited_for(void **state)
{
	struct sl_watchdog w;
	thread = (struct sl_watchdog_thread){.runnable = true, .ran_ns = 77};
	sl_watchdog_init(&w, 1000);
	assert_int_equal(hung_at(&w, 5, 1001, 4000), 0);
	assert_int_equal(hung_at(&w, 6, 4001, 4300), 0);
	assert_int_equal(hung_at(&w, 6, 4301, 20000), 4001 + SL_WATCHDOG_STARVED_MS + 1);
	/* One that does run, and yet is silent, loops. */
	sl_watchdog_init(&w, 1000);
	runs_ns_per_look = SL_WATCHDOG_RAN_US * 1000;
	assert_int_equal(hung_at(&w, 5, 1001, 2000), 1001 + SL_WATCHDOG_SILENT_MS + 1);
	runs_ns_per_look = 0;
	thread.runnable = false;
}

static void reads_the_scheduler(void **state)
{
	struct sl_watchdog_thread t = sl_watchdog_thread(gettid());
	assert_true(t.runnable);
	assert_true(t.ran_ns > 0);
	assert_false(sl_watchdog_thread(0).runnable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_hung_worker),
		cmocka_unit_test(a_beat_is_enough),
		cmocka_unit_test(waits_longer_for_the_first_beat),
		cmocka_unit_test(an_absent_looker_blames_nobody),
		cmocka_unit_test(a_starved_worker_is_waited_for),
		cmocka_unit_test(reads_the_scheduler),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Lists of prefixes swapped under the hands of workers that look up all the while: what they read is always one list, whole. */

#include "tests/unit/region_rig.h"

#include <fcntl.h>

#include <urcu-qsbr.h>

#include "dataplane/abi/log.h"
#include "dataplane/guard/meter.h"
#include "dataplane/guard/policy.h"
#include "dataplane/guard_tables.h"

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL, READERS = 2, SWAPS = 60, PREFIXES = 2000 };

static struct sl_config config = {.guard = {.enabled = true, .sip_sources = 1024, .sources = 1024}};
static struct sl_dataplane node;
static struct sl_guard_tables tables;
static _Atomic bool over;

static int list_offered(void *ctx, unsigned slot, uint32_t seq, int memfd, size_t bytes, char *text, size_t text_len)
{
	return sl_guard_tables_offer(&tables, slot, seq, memfd, bytes, text, text_len);
}

/* Deny PREFIXES of 10.x.y.0/24 with even or odd y, so that of each pair of neighbours exactly one is denied. */
static int list(unsigned odd)
{
	int fd = memfd_create("list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct sl_guard_list head = {.magic = SL_GUARD_LIST_MAGIC, .n = PREFIXES};
	static struct sl_prefix_entry e[PREFIXES];

	assert_true(fd >= 0);
	memset(e, 0, sizeof e);
	for (uint32_t i = 0; i < PREFIXES; i++) {
		sl_ip_set_v4(&e[i].ip, htonl(0x0a000000 + ((2 * i + odd) << 8)));
		e[i].prefix_len = 120;
		e[i].verdict = SL_PREFIX_DENY;
	}
	assert_int_equal(write(fd, &head, sizeof head), sizeof head);
	assert_int_equal(write(fd, e, sizeof e), sizeof e);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	return fd;
}

struct reader {
	pthread_t thread;
	uint64_t looked, torn;
};

static void *read_all_the_while(void *arg)
{
	struct reader *r = arg;
	uint32_t be[2], deny, allow;

	rcu_register_thread();
	for (uint32_t i = 0; !atomic_load(&over); i = (i + 1) % PREFIXES) {
		const struct sl_guard_policy *p = rcu_dereference(node.guard);
		if (p->prefixes) {
			be[0] = htonl(0x0a000000 + (2 * i << 8) + 9);
			be[1] = htonl(0x0a000000 + ((2 * i + 1) << 8) + 9);
			sl_prefixes_look4(p->prefixes, be, 2, &deny, &allow);
			r->looked++;
			r->torn += deny != 1 && deny != 2;
		}
		if (i % 8 == 0)
			rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

static void lists_change_under_readers(void **state)
{
	static const struct sl_abi_server_ops ops = {.guard_list = list_offered};
	struct reader readers[READERS] = {0};
	struct sl_client c;
	char text[256] = "";
	int fds[2] = {list(0), list(1)};

	node.config = &config;
	node.n_workers = WORKERS;
	setup_with(0, &ops);
	node.abi = &dp.server;
	node.region = dp.region;
	assert_int_equal(sl_guard_tables_init(&tables, &node, 0, NULL, text, sizeof text), 0);
	attach(&c, "main");
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_all_the_while, &readers[i]), 0);
	for (uint32_t i = 0; i < SWAPS; i++) {
		struct sl_event e;
		unsigned set;
		assert_int_equal(sl_client_guard_list(&c, i, fds[i % 2]), 0);
		do {
			turn();
			sl_guard_tables_turn(&tables, dp.now_ms);
			poll(NULL, 0, 1);
		} while (sl_client_receive(&c, &e, &set) == 0);
		assert_int_equal(e.h.seq, SL_GUARD_ACK_SEQ | i);
		assert_int_equal(e.ack.error, 0);
	}
	atomic_store(&over, true);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_true(readers[i].looked > 0);
		assert_int_equal(readers[i].torn, 0);
	}
	sl_client_detach(&c);
	teardown(NULL);
	sl_guard_lists_stop(&tables.lists);
	rcu_barrier();
	sl_prefixes_free(tables.prefixes);
	free((void *)node.guard);
	sl_bans_free(&node.bans, free);
	sl_marks_free(&node.marks, free);
	sl_meters_free(node.meters, NULL);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(lists_change_under_readers)};

	sl_log_set_level(SL_LOG_ERROR);
	rcu_register_thread();
	rcu_thread_offline();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

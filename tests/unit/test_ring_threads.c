/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "controlplane/mailbox.h"
#include "dataplane/abi/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Two real threads on each end of what crosses threads or processes; run it under TSan too
 * (-Dsanitizers=thread). */

enum { MESSAGES = 200000, SLOTS = 64 };

struct message {
	uint64_t number, twice;
	uint8_t filler[48];
};

static struct {
	struct sl_ring_shm shm;
	uint8_t slots[SLOTS * sizeof(struct message)];
} memory;

static void *produce(void *arg)
{
	struct sl_ring *r = arg;

	for (uint64_t i = 0; i < MESSAGES; i++) {
		struct message m = {.number = i, .twice = 2 * i};
		while (sl_ring_push(r, &m, sizeof m) == -ENOBUFS)
			sched_yield();
	}
	return NULL;
}

static void ring_carries_everything_in_order(void **state)
{
	struct sl_ring in, out;
	struct message m;
	pthread_t thread;

	sl_ring_attach(&in, &memory, SLOTS, sizeof m, 1);
	sl_ring_attach(&out, &memory, SLOTS, sizeof m, 0);
	assert_int_equal(pthread_create(&thread, NULL, produce, &in), 0);
	for (uint64_t i = 0; i < MESSAGES; i++) {
		int rc;
		while ((rc = sl_ring_pop(&out, &m)) == 0)
			sched_yield();
		assert_int_equal(rc, 1);
		assert_int_equal(m.number, i);
		assert_int_equal(m.twice, 2 * i);
	}
	pthread_join(thread, NULL);
	assert_int_equal(sl_ring_pop(&out, &m), 0);
}

/* ---- mailbox ---- */

enum { POSTERS = 3, LETTERS = 20000 };

static struct sl_mailbox *box;
static unsigned long long sum; /* owner's */
static unsigned received;

static void letter(void *arg)
{
	sum += (uintptr_t)arg;
	received++;
}

static void *post(void *arg)
{
	for (uintptr_t i = 1; i <= LETTERS; i++) {
		while (sl_mailbox_post(box, letter, (void *)i) == -ENOBUFS)
			sched_yield();
	}
	return NULL;
}

static void mailbox_loses_no_letter_and_no_wakeup(void **state)
{
	pthread_t threads[POSTERS];

	box = sl_mailbox_new(256);
	assert_non_null(box);
	for (int i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, post, NULL), 0);
	while (received < POSTERS * LETTERS) {
		struct pollfd p = {sl_mailbox_fd(box), POLLIN, 0};
		assert_int_equal(poll(&p, 1, 10000), 1); /* a lost wake-up would wait here for ever */
		sl_mailbox_run(box, 100);
	}
	for (int i = 0; i < POSTERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(sum, (unsigned long long)POSTERS * LETTERS * (LETTERS + 1) / 2);
	assert_int_equal(sl_mailbox_run(box, 100), 0);
	sl_mailbox_free(box);
}

static void a_full_mailbox_says_so(void **state)
{
	struct sl_mailbox *m = sl_mailbox_new(4);

	for (int i = 0; i < 4; i++)
		assert_int_equal(sl_mailbox_post(m, letter, NULL), 0);
	assert_int_equal(sl_mailbox_post(m, letter, NULL), -ENOBUFS);
	assert_int_equal(sl_mailbox_run(m, 1), 1);
	assert_int_equal(sl_mailbox_post(m, letter, NULL), 0);
	struct pollfd p = {sl_mailbox_fd(m), POLLIN, 0};
	assert_int_equal(poll(&p, 1, 0), 1);
	sl_mailbox_free(m);
}

/* ---- handing slots over while workers run ---- */

enum { WORKERS = 2, ATTACHMENTS = 40 };

static struct sl_abi_server server;
static _Atomic bool stop;

static void *work(void *arg)
{
	struct sl_abi_worker *w = arg;
	struct sl_event evt = {.h = {.type = SL_EVT_LIST_END}};
	struct sl_command cmd;
	unsigned slot;

	while (!atomic_load(&stop)) {
		sl_abi_worker_poll(w);
		sl_abi_worker_post(w, &evt);
		while (sl_abi_worker_pop_command(w, &slot, &cmd)) {
			evt.h.seq = cmd.h.seq;
			sl_abi_worker_post_to(w, slot, &evt);
		}
	}
	return NULL;
}

static void *housekeep(void *arg)
{
	struct sl_command cmd;
	unsigned slot;
	uint64_t now_ms = 0;

	while (!atomic_load(&stop)) {
		sl_abi_server_poll(&server, ++now_ms);
		while (sl_abi_server_pop_command(&server, &slot, &cmd))
			sl_abi_server_ack(&server, slot, &cmd, 0, NULL);
		sl_abi_server_kick(&server);
		usleep(200);
	}
	return NULL;
}

static void talk(const char *path, const char *name, uint32_t seq)
{
	struct sl_client c;
	struct sl_command cmd = {.h = {SL_CMD_ALLOCATION_LIST, seq}};
	struct sl_event evt;
	char text[128];
	unsigned set;
	bool heard[1 + WORKERS] = {false};

	if (sl_client_attach(&c, path, name, 5000, text, sizeof text) != 0)
		fail_msg("%s", text);
	for (unsigned s = 0; s <= WORKERS; s++)
		assert_int_equal(sl_client_send(&c, s, &cmd), 0);
	while (!heard[0] || !heard[1] || !heard[2]) {
		int rc = sl_client_receive(&c, &evt, &set);
		assert_true(rc >= 0);
		if (rc == 1 && evt.h.seq == seq)
			heard[set] = true;
	}
	sl_client_detach(&c);
}

static void slots_change_hands_under_running_workers(void **state)
{
	struct sl_abi_worker workers[WORKERS];
	struct sl_region *region;
	size_t bytes;
	pthread_t threads[1 + WORKERS];
	char path[64], text[128];
	int memfd = sl_region_create(WORKERS, 0);

	snprintf(path, sizeof path, "/tmp/sluice-test-threads-%d.sock", (int)getpid());
	assert_int_equal(sl_region_map(memfd, &region, &bytes, text, sizeof text), 0);
	assert_int_equal(
	        sl_abi_server_open(&server, path, region, memfd, WORKERS, NULL, text, sizeof text), 0);
	assert_int_equal(sl_abi_server_listen(&server), 0);
	for (unsigned w = 0; w < WORKERS; w++) {
		sl_abi_worker_init(&workers[w], &server, w);
		assert_int_equal(pthread_create(&threads[1 + w], NULL, work, &workers[w]), 0);
	}
	assert_int_equal(pthread_create(&threads[0], NULL, housekeep, NULL), 0);
	for (uint32_t i = 1; i <= ATTACHMENTS; i++)
		talk(path, i % 3 ? "even" : "odd", i);
	atomic_store(&stop, true);
	for (unsigned i = 0; i <= WORKERS; i++)
		pthread_join(threads[i], NULL);
	sl_abi_server_close(&server);
	munmap(region, bytes);
	close(memfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ring_carries_everything_in_order),
	        cmocka_unit_test(mailbox_loses_no_letter_and_no_wakeup),
	        cmocka_unit_test(a_full_mailbox_says_so),
	        cmocka_unit_test(slots_change_hands_under_running_workers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

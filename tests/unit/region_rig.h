/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include "tests/unit/unit.h"

#include "dataplane/abi/server.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The contract with both sides in one process. The dataplane's half is driven by hand: a client's attach blocks, so it runs
 * on a thread while the test turns the housekeeper and the workers. */

enum { WORKERS = 2 };

static struct dataplane {
	char path[64];
	int memfd;
	struct sl_region *region;
	size_t bytes;
	struct sl_abi_server server;
	struct sl_abi_worker workers[WORKERS];
	uint64_t now_ms;
	bool workers_poll;
	struct sl_abi_server_ops ops;
} dp;

static inline void open_server(void)
{
	char text[128] = "";

	dp.region->generation++;
	if (sl_abi_server_open(&dp.server, dp.path, dp.region, dp.memfd, WORKERS, &dp.ops, text, sizeof text) != 0 ||
	        sl_abi_server_listen(&dp.server) != 0)
		fail_msg("%s", text);
	for (unsigned w = 0; w < WORKERS; w++)
		sl_abi_worker_init(&dp.workers[w], &dp.server, w);
	dp.workers_poll = true;
}

/* max_legs 0 = a dataplane without media. ops as sl_abi_server_open() wants them. */
static inline int setup_with(uint64_t max_legs, const struct sl_abi_server_ops *ops)
{
	char text[128];

	memset(&dp, 0, sizeof dp);
	if (ops)
		dp.ops = *ops;
	snprintf(dp.path, sizeof dp.path, "/tmp/sluice-test-region-%d.sock", (int)getpid());
	dp.memfd = sl_region_create(WORKERS, 1);
	assert_true(dp.memfd >= 0);
	assert_int_equal(sl_region_map(dp.memfd, &dp.region, &dp.bytes, text, sizeof text), 0);
	dp.region->max_legs = max_legs;
	open_server();
	return 0;
}

static inline int setup(void **state)
{
	return setup_with(0, NULL);
}

static inline int teardown(void **state)
{
	sl_abi_server_close(&dp.server);
	munmap(dp.region, dp.bytes);
	close(dp.memfd);
	return 0;
}

static inline void turn(void)
{
	dp.now_ms++;
	sl_abi_server_poll(&dp.server, dp.now_ms);
	for (unsigned w = 0; w < WORKERS && dp.workers_poll; w++)
		sl_abi_worker_poll(&dp.workers[w]);
}

struct attempt {
	struct sl_client *client;
	const char *name;
	int rc;
	char text[128];
	_Atomic bool done;
};

static inline void *attempt_thread(void *arg)
{
	struct attempt *a = arg;

	a->rc = sl_client_attach(a->client, dp.path, a->name, 5000, a->text, sizeof a->text);
	atomic_store(&a->done, true);
	return NULL;
}

static inline int attach_with_reason(struct sl_client *c, const char *name, char *text, size_t text_len)
{
	struct attempt a = {.client = c, .name = name};
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, attempt_thread, &a), 0);
	while (!atomic_load(&a.done)) {
		turn();
		poll(NULL, 0, 1);
	}
	pthread_join(thread, NULL);
	turn();
	snprintf(text, text_len, "%s", a.text);
	return a.rc;
}

static inline void attach(struct sl_client *c, const char *name)
{
	char text[128];

	if (attach_with_reason(c, name, text, sizeof text) != 0)
		fail_msg("%s: %s", name, text);
}

static inline void detach(struct sl_client *c)
{
	sl_client_detach(c);
	turn();
	turn();
}

static inline struct sl_command command(uint32_t type, uint32_t seq)
{
	struct sl_command c = {.h = {type, seq}};
	return c;
}

static inline struct sl_event event(uint32_t type, uint32_t seq)
{
	struct sl_event e = {.h = {type, seq}};
	return e;
}

static inline bool readable(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, 0) == 1;
}

static inline struct sl_ring_shm *shm_of(const struct sl_client *c, unsigned set, enum sl_ring_direction dir)
{
	return (void *)((uint8_t *)c->region + sl_region_ring_offset(WORKERS, c->slot, set, dir));
}

static inline int raw_connection(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof sun.sun_path, "%s", dp.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	return fd;
}

/* Any message with descriptors, as a client might send it after its welcome. */
static inline void send_offer(int sock, const void *what, size_t bytes, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)what, bytes};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (n_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *h = CMSG_FIRSTHDR(&msg);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(h), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &msg, 0), bytes);
}

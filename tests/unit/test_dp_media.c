/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controlplane/dp/internal.h"
#include "dataplane/abi/log.h"
#include "dataplane/abi/server.h"

/* Media over the link, with the test at the other end of real rings. */

enum { WORKERS = 2 };

static struct {
	struct sl_region *region;
	size_t bytes;
	int memfd, peers[2];
	struct sl_dp *dp;
	struct sl_ring commands[WORKERS], events[1 + WORKERS], bulk[WORKERS]; /* the dataplane's ends */
	unsigned n_attached, n_detached, n_events, n_drained, n_bulk, n_clips, slot;
	struct sl_event event;
	struct sl_bulk copy;
	int clip_error;
} rig;

static void attached(void *ctx, unsigned slot, unsigned n_workers)
{
	rig.n_attached++;
	rig.slot = slot;
	assert_int_equal(n_workers, WORKERS);
}

static void detached(void *ctx)
{
	rig.n_detached++;
}

static void event(void *ctx, unsigned worker, const struct sl_event *evt)
{
	rig.n_events++;
	rig.event = *evt;
}

static void drained(void *ctx)
{
	rig.n_drained++;
}

static void bulk(void *ctx, unsigned worker, const struct sl_bulk *b)
{
	rig.n_bulk++;
	rig.copy = *b;
}

static void clip(void *ctx, uint32_t number, int error, const char *text)
{
	rig.n_clips++;
	rig.clip_error = error;
}

static int desired(void *ctx, struct sl_desired *out)
{
	return -EAGAIN;
}

static void watch(void *ctx, int sock, int event_fd)
{
}

static int setup(void **state)
{
	static const struct sl_dp_ops ops = {desired, watch, NULL};
	static const struct sl_dp_media_ops media = {attached, detached, event, drained, bulk, clip};
	char text[128];

	memset(&rig, 0, sizeof rig);
	sl_log_set_level(SL_LOG_ERROR);
	rig.memfd = sl_region_create(WORKERS, 1);
	assert_true(rig.memfd >= 0);
	assert_int_equal(sl_region_map(rig.memfd, &rig.region, &rig.bytes, text, sizeof text), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, rig.peers), 0);
	rig.dp = sl_dp_new("/", "test", &ops);
	assert_non_null(rig.dp);
	struct sl_client *c = &rig.dp->client;
	rig.dp->attached = true;
	*c = (struct sl_client){.sock = rig.peers[0],
	        .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	        .region = rig.region,
	        .region_bytes = rig.bytes,
	        .n_workers = WORKERS,
	        .slot = 0};
	atomic_store(&rig.region->clients[0].attached, 1);
	c->generation = atomic_load(&rig.region->generation);
	c->client_generation = atomic_load(&rig.region->clients[0].generation);
	for (unsigned set = 0; set <= WORKERS; set++) {
		sl_ring_attach_fresh(&c->commands[set], rig.region, WORKERS, 0, set, SL_RING_COMMANDS, 1);
		sl_ring_attach_fresh(&c->events[set], rig.region, WORKERS, 0, set, SL_RING_EVENTS, 0);
		sl_ring_attach_fresh(&rig.events[set], rig.region, WORKERS, 0, set, SL_RING_EVENTS, 1);
		if (set == 0)
			continue;
		sl_ring_attach_fresh(&c->bulk[set], rig.region, WORKERS, 0, set, SL_RING_BULK, 0);
		sl_ring_attach_fresh(&rig.bulk[set - 1], rig.region, WORKERS, 0, set, SL_RING_BULK, 1);
		sl_ring_attach_fresh(
		        &rig.commands[set - 1], rig.region, WORKERS, 0, set, SL_RING_COMMANDS, 0);
	}
	sl_dp_set_media(rig.dp, &media, NULL);
	return 0;
}

static int teardown(void **state)
{
	sl_dp_set_media(rig.dp, NULL, NULL);
	if (!rig.dp->attached) /* which gave both up */
		rig.region = NULL;
	sl_dp_free(rig.dp);
	close(rig.peers[1]);
	close(rig.memfd);
	return 0;
}

static void send_numbered(uint32_t n)
{
	struct sl_command cmd = {.h = {.type = SL_CMD_LEG_QUERY, .seq = (uint32_t)SL_DP_MEDIA_SEQ | n},
	        .leg_ref = {.id = 1, .port = 2}};

	assert_int_equal(sl_dp_worker_send(rig.dp, 1, &cmd), 0);
}

static bool next_command(unsigned worker, struct sl_command *cmd)
{
	return sl_ring_pop(&rig.commands[worker], cmd) == 1;
}

static bool is_kicked(void)
{
	struct pollfd p = {.fd = rig.dp->client.event_fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static void commands_wait_for_their_ring_and_keep_their_order(void **state)
{
	enum { COMMANDS = 5000 };
	struct sl_command cmd;
	uint32_t expected = 1;
	int64_t now_ms = 1000;

	assert_int_equal(rig.n_attached, 1);
	for (uint32_t n = 1; n <= COMMANDS; n++)
		send_numbered(n);
	assert_int_equal(sl_dp_worker_waiting(rig.dp), COMMANDS - SL_COMMAND_SLOTS);
	while (expected <= COMMANDS) {
		for (unsigned i = 0; i < 700 && next_command(1, &cmd); i++)
			assert_int_equal(cmd.h.seq & INT32_MAX, expected++);
		sl_dp_readable(rig.dp, now_ms++);
		/* While the ring moves the link comes back at once, without waiting for a tick. */
		assert_int_equal(is_kicked(), sl_dp_worker_waiting(rig.dp) != 0);
		assert_int_equal(rig.n_drained > 0, sl_dp_worker_waiting(rig.dp) == 0);
	}
	assert_false(next_command(1, &cmd));
	assert_false(next_command(0, &cmd));
}

static void a_ring_that_stands_still_is_not_spun_on(void **state)
{
	for (uint32_t n = 1; n <= SL_COMMAND_SLOTS + 1; n++)
		send_numbered(n);
	sl_dp_readable(rig.dp, 5);
	assert_true(is_kicked());
	sl_dp_readable(rig.dp, SL_DP_EAGER_MS);
	assert_false(is_kicked());
	assert_true(rig.dp->attached);
}

static void a_worker_that_takes_nothing_is_given_up(void **state)
{
	struct sl_command cmd = {.h = {.type = SL_CMD_LEGS_SWEEP, .seq = (uint32_t)SL_DP_MEDIA_SEQ}};
	uint32_t n = 0;

	while (sl_dp_worker_send(rig.dp, 0, &cmd) == 0)
		n++;
	assert_int_equal(n, SL_COMMAND_SLOTS + SL_DP_WORKER_QUEUE_MAX);
	assert_int_equal(rig.n_detached, 0); /* not under the feet of who sends */
	sl_dp_tick(rig.dp, 10);
	assert_int_equal(rig.n_detached, 1);
	assert_int_equal(sl_dp_worker_waiting(rig.dp), 0);
	assert_int_equal(sl_dp_worker_send(rig.dp, 0, &cmd), -ENOTCONN);
}

static void wrong_workers_are_refused(void **state)
{
	struct sl_command cmd = {.h = {.type = SL_CMD_LEGS_SWEEP}};

	assert_int_equal(sl_dp_worker_send(rig.dp, WORKERS, &cmd), -EINVAL);
}

/* ---- events ---- */

static void tell(unsigned set, const struct sl_event *e)
{
	assert_int_equal(sl_ring_push(&rig.events[set], e, sizeof *e), 0);
	sl_dp_readable(rig.dp, 10);
}

static void events_reach_media_from_the_right_worker_only(void **state)
{
	struct sl_event e = {.h = {.type = SL_EVT_LEG, .seq = 5}};

	e.leg = (struct sl_evt_leg){.leg = {.id = 7, .port = 256}, .change = SL_LEG_STATE, .worker = 1};
	tell(2, &e); /* worker 1's ring, and port 256 is its own */
	assert_int_equal(rig.n_events, 1);
	tell(1, &e);
	e.leg.worker = 0;
	tell(1, &e);
	tell(0, &e);
	e.leg.worker = 1;
	e.leg.change = SL_LEG_CHANGES_N;
	tell(2, &e);
	assert_int_equal(rig.n_events, 1);
	assert_int_equal(sl_dp_counts(rig.dp)->events_bad, 4);
}

static void answers_find_who_asked(void **state)
{
	struct sl_event refused = {.h = {.type = SL_EVT_ACK, .seq = (uint32_t)SL_DP_MEDIA_SEQ | 9},
	        .ack = {.error = -ENOSPC, .text = "legs"}};
	struct sl_event end = {.h = {.type = SL_EVT_LIST_END, .seq = (uint32_t)SL_DP_MEDIA_SEQ}};
	struct sl_event other = {.h = {.type = SL_EVT_ACK, .seq = 9}, .ack = {.error = -ENOENT}};

	tell(1, &refused);
	assert_int_equal(rig.n_events, 1);
	assert_int_equal(rig.event.ack.error, -ENOSPC);
	tell(2, &end);
	assert_int_equal(rig.n_events, 2);
	tell(1, &other); /* of an allocation's command: nobody waits */
	assert_int_equal(rig.n_events, 2);
	assert_int_equal(sl_dp_counts(rig.dp)->events_bad, 0);
	assert_int_equal(sl_dp_counts(rig.dp)->command_errors, 2);
}

static void copies_are_checked_and_handed_on(void **state)
{
	static struct sl_bulk b = {.kind = SL_BULK_TAP_RTP,
	        .len = 20,
	        .full_len = 20,
	        .what = SL_TAP_SENT,
	        .tap = 3,
	        .leg_id = 7};

	assert_int_equal(sl_ring_push(&rig.bulk[1], &b, sizeof b), 0);
	b.tap = 0;
	assert_int_equal(sl_ring_push(&rig.bulk[0], &b, sizeof b), 0);
	sl_dp_readable(rig.dp, 10);
	assert_int_equal(rig.n_bulk, 1);
	assert_int_equal(rig.copy.tap, 3);
	assert_int_equal(sl_dp_counts(rig.dp)->events_bad, 1);
	/* Indices that cannot be end the attachment. */
	atomic_fetch_add(&rig.bulk[0].shm->prod, 2 * SL_BULK_SLOTS);
	sl_dp_readable(rig.dp, 11);
	assert_int_equal(rig.n_detached, 1);
	b.tap = 3;
}

static void clips_are_offered_and_acknowledged(void **state)
{
	struct sl_clip_offer offer;
	struct sl_event ack = {.h = {.type = SL_EVT_ACK, .seq = SL_CLIP_ACK_SEQ | 12},
	        .ack = {.error = -EINVAL, .text = "magic"}};
	int memfd = memfd_create("clip", MFD_CLOEXEC);

	assert_int_equal(sl_dp_clip(rig.dp, 12, memfd), 0);
	close(memfd);
	sl_dp_tick(rig.dp, 10);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = {&offer, sizeof offer};
	struct msghdr msg = {
	        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	assert_int_equal(recvmsg(rig.peers[1], &msg, 0), sizeof offer);
	assert_int_equal(offer.clip, 12);
	assert_int_equal(offer.remove, 0);
	int got;
	assert_non_null(CMSG_FIRSTHDR(&msg));
	memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof got);
	close(got);
	tell(0, &ack);
	assert_int_equal(rig.n_clips, 1);
	assert_int_equal(rig.clip_error, -EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(commands_wait_for_their_ring_and_keep_their_order),
	        TEST(a_ring_that_stands_still_is_not_spun_on),
	        TEST(a_worker_that_takes_nothing_is_given_up),
	        TEST(wrong_workers_are_refused),
	        TEST(events_reach_media_from_the_right_worker_only),
	        TEST(answers_find_who_asked),
	        TEST(copies_are_checked_and_handed_on),
	        TEST(clips_are_offered_and_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

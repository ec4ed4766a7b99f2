/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What media adds to the region and the attach socket: bulk rings, and clips offered with a descriptor. */

#include "tests/unit/region_rig.h"

#include <fcntl.h>

/* ---- a dataplane that takes clips ---- */

static struct {
	unsigned n, slot;
	uint32_t clip;
	bool with_memfd;
	size_t bytes;
	int answer;
} offered;

static int on_clip(void *ctx, unsigned slot, uint32_t clip, int memfd, size_t bytes, char *text, size_t text_len)
{
	offered.n++;
	offered.slot = slot;
	offered.clip = clip;
	offered.with_memfd = memfd >= 0;
	offered.bytes = bytes;
	if (memfd >= 0) /* it is ours until this returns */
		assert_true(fcntl(memfd, F_GETFD) >= 0);
	if (offered.answer < 0)
		snprintf(text, text_len, "clip: as the test says");
	return offered.answer;
}

static int setup_media(void **state)
{
	static const struct sl_abi_server_ops ops = {.clip = on_clip};

	memset(&offered, 0, sizeof offered);
	return setup_with(64, &ops);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ---- bulk rings ---- */

static struct sl_bulk packet(uint32_t tap, uint16_t len)
{
	struct sl_bulk b = {.kind = SL_BULK_TAP_RTP, .len = len, .full_len = len, .what = SL_TAP_SENT, .tap = tap, .leg_id = 1};

	memset(b.data, (int)tap, len);
	return b;
}

static int push(unsigned worker, unsigned slot, const struct sl_bulk *b)
{
	return sl_abi_worker_bulk(&dp.workers[worker], slot, b, SL_BULK_HEADER_BYTES + b->len);
}

static void packets_travel_and_wake_the_client(void **state)
{
	struct sl_client c;
	struct sl_bulk b = packet(7, 172), got;
	uint64_t kicks;

	attach(&c, "main");
	assert_int_equal(sl_client_receive_bulk(&c, 0, &got), 0);
	assert_int_equal(sl_client_receive_bulk(&c, WORKERS, &got), -EINVAL);
	assert_int_equal(push(1, c.slot, &b), 0);
	assert_int_equal(sl_client_receive_bulk(&c, 0, &got), 0);
	sl_abi_server_kick(&dp.server);
	assert_int_equal(read(c.event_fd, &kicks, sizeof kicks), sizeof kicks);
	sl_abi_server_kick(&dp.server);
	assert_false(readable(c.event_fd)); /* once for the same news */
	assert_int_equal(sl_client_receive_bulk(&c, 1, &got), 1);
	assert_memory_equal(&got, &b, SL_BULK_HEADER_BYTES + 172);
	assert_int_equal(sl_client_receive_bulk(&c, 1, &got), 0);
	detach(&c);
	assert_int_equal(push(1, c.slot, &b), -ENOTCONN);
	assert_int_equal(push(1, SL_MAX_CLIENTS, &b), -ENOTCONN);
}

static void only_what_is_used_is_copied(void **state)
{
	struct sl_client c;
	struct sl_bulk b = packet(7, 4), got;

	attach(&c, "main");
	memset(b.data + 4, 0xaa, sizeof b.data - 4);
	assert_int_equal(push(0, c.slot, &b), 0);
	assert_int_equal(sl_client_receive_bulk(&c, 0, &got), 1);
	assert_int_equal(got.data[3], 7);
	for (size_t i = 4; i < sizeof got.data; i++)
		assert_int_equal(got.data[i], 0);
	detach(&c);
}

static void a_full_bulk_ring_is_the_senders_to_count(void **state)
{
	struct sl_client c;
	struct sl_bulk b, got;

	attach(&c, "main");
	for (uint32_t i = 0; i < SL_BULK_SLOTS; i++) {
		b = packet(i, 20);
		assert_int_equal(push(0, c.slot, &b), 0);
	}
	assert_int_equal(push(0, c.slot, &b), -ENOBUFS);
	assert_int_equal(dp.region->workers[0].counters[SL_C_events_lost], 0);
	for (uint32_t i = 0; i < SL_BULK_SLOTS; i++) {
		assert_int_equal(sl_client_receive_bulk(&c, 0, &got), 1);
		assert_int_equal(got.tap, i);
	}
	assert_int_equal(push(0, c.slot, &b), 0);
	detach(&c);
}

/* What strangers send stops at the half that copies of calls do not need. */
static void room_is_half_of_the_ring(void **state)
{
	struct sl_client c;
	struct sl_bulk b = packet(1, 20), got;

	attach(&c, "main");
	for (uint32_t i = 0; i < SL_BULK_SLOTS / 2; i++) {
		assert_true(sl_abi_worker_bulk_has_room(&dp.workers[0], c.slot));
		assert_int_equal(push(0, c.slot, &b), 0);
	}
	assert_false(sl_abi_worker_bulk_has_room(&dp.workers[0], c.slot));
	assert_true(sl_abi_worker_bulk_has_room(&dp.workers[1], c.slot));
	assert_int_equal(push(0, c.slot, &b), 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(sl_client_receive_bulk(&c, 0, &got), 1);
	assert_true(sl_abi_worker_bulk_has_room(&dp.workers[0], c.slot));
	shm_of(&c, 1, SL_RING_BULK)->cons = 2 * SL_BULK_SLOTS;
	assert_false(sl_abi_worker_bulk_has_room(&dp.workers[0], c.slot));
	detach(&c);
	assert_false(sl_abi_worker_bulk_has_room(&dp.workers[0], c.slot));
}

static void absurd_bulk_indices_cut_a_client_off(void **state)
{
	struct sl_client c;
	struct sl_bulk b = packet(1, 20), got;

	attach(&c, "main");
	for (uint32_t i = 0; i < SL_BULK_SLOTS; i++)
		assert_int_equal(push(0, c.slot, &b), 0);
	shm_of(&c, 1, SL_RING_BULK)->cons = SL_BULK_SLOTS + 1;
	assert_int_equal(push(0, c.slot, &b), -EPROTO);
	assert_int_equal(push(0, c.slot, &b), -ENOTCONN);
	turn();
	assert_int_equal(dp.region->clients[c.slot].attached, 0);
	sl_client_detach(&c);

	attach(&c, "main"); /* and the client does not follow its dataplane's */
	shm_of(&c, 2, SL_RING_BULK)->prod = SL_BULK_SLOTS + 1;
	assert_int_equal(sl_client_receive_bulk(&c, 1, &got), -EPROTO);
	detach(&c);
}

static unsigned resident_pages(unsigned slot, unsigned set)
{
	uint8_t *at = (uint8_t *)dp.region + sl_region_ring_offset(WORKERS, slot, set, SL_RING_BULK);
	size_t bytes = sl_ring_bytes(SL_BULK_SLOTS, SL_BULK_BYTES), page = 4096;
	unsigned char in[1024];
	unsigned n = 0;

	assert_true(bytes / page < sizeof in);
	assert_int_equal(mincore(at, bytes, in), 0);
	for (size_t i = 0; i < (bytes + page - 1) / page; i++)
		n += in[i] & 1;
	return n;
}

/* Memory is spent on slots in use, with media or without: the guard's copies come there, too. */
static void bulk_rings_cost_memory_where_they_are_used(void **state)
{
	const unsigned pages = (unsigned)((sl_ring_bytes(SL_BULK_SLOTS, SL_BULK_BYTES) + 4095) / 4096);
	struct sl_client c;

	attach(&c, "main");
	assert_int_equal(resident_pages(c.slot, 0), 0);
	assert_int_equal(resident_pages(c.slot, 1), pages);
	assert_int_equal(resident_pages(c.slot, 2), pages);
	assert_int_equal(resident_pages(c.slot + 1, 1), 0);
	detach(&c);
	teardown(NULL);

	assert_int_equal(setup_with(0, NULL), 0);
	attach(&c, "main");
	assert_int_equal(resident_pages(c.slot, 1), pages);
	detach(&c);
}

/* ---- clips ---- */

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };

static int memfd_of(off_t bytes, int seals)
{
	int fd = memfd_create("clip", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* The answer to the one offer that waits. */
static struct sl_event answer(struct sl_client *c)
{
	struct sl_event e;
	unsigned set;

	turn();
	assert_int_equal(sl_client_receive(c, &e, &set), 1);
	assert_int_equal(set, 0);
	assert_int_equal(e.h.type, SL_EVT_ACK);
	return e;
}

static void clips_are_offered_and_taken_back(void **state)
{
	unsigned before = open_descriptors();
	struct sl_client c;
	int fd = memfd_of(5000, SEALS);

	attach(&c, "main");
	assert_int_equal(sl_client_clip(&c, 77, fd), 0);
	struct sl_event e = answer(&c);
	assert_int_equal(e.ack.error, 0);
	assert_int_equal(e.h.seq, SL_CLIP_ACK_SEQ | 77);
	assert_true(offered.n == 1 && offered.clip == 77 && offered.with_memfd && offered.bytes == 5000);
	assert_int_equal(offered.slot, c.slot);

	assert_int_equal(sl_client_clip(&c, UINT32_MAX, -1), 0);
	e = answer(&c);
	assert_int_equal(e.h.seq, SL_CLIP_ACK_SEQ | SL_CLIP_ACK_MASK);
	assert_true(offered.n == 2 && offered.clip == UINT32_MAX && !offered.with_memfd);

	offered.answer = -EINVAL;
	assert_int_equal(sl_client_clip(&c, 78, fd), 0);
	e = answer(&c);
	assert_int_equal(e.ack.error, -EINVAL);
	assert_string_equal(e.ack.text, "clip: as the test says");
	assert_int_equal(sl_client_clip(&c, SL_CLIP_NONE, fd), -EINVAL);
	detach(&c);
	close(fd);
	assert_int_equal(open_descriptors(), before); /* the dataplane keeps none */
}

static void offers_wait_their_turn(void **state)
{
	struct sl_client c;
	int fd = memfd_of(5000, SEALS), rc;
	unsigned sent = 0;

	attach(&c, "main");
	while ((rc = sl_client_clip(&c, sent + 1, fd)) == 0)
		sent++;
	assert_int_equal(rc, -EAGAIN);
	assert_true(sent > 8);
	for (unsigned i = 0; i < sent; i++) { /* one a turn, in order */
		answer(&c);
		assert_int_equal(offered.n, i + 1);
		assert_int_equal(offered.clip, i + 1);
	}
	assert_int_equal(sl_client_clip(&c, 1, fd), 0);
	detach(&c);
	close(fd);
}

static void a_descriptor_must_be_sealed_and_of_a_sane_size(void **state)
{
	static const struct {
		off_t bytes;
		int seals, error;
	} bad[] = {
	        {5000, 0, -EPERM},
	        {5000, SEALS & ~F_SEAL_WRITE, -EPERM},
	        {5000, SEALS & ~F_SEAL_SHRINK, -EPERM},
	        {5000, SEALS & ~F_SEAL_GROW, -EPERM},
	        {5000, SEALS & ~F_SEAL_SEAL, -EPERM},
	        {0, SEALS, -EFBIG},
	        {sizeof(struct sl_clip) - 1, SEALS, -EFBIG},
	        {SL_CLIP_MAX_BYTES + 1, SEALS, -EFBIG},
	};
	struct sl_client c;
	int pipes[2];

	attach(&c, "main");
	for (unsigned i = 0; i < SL_COUNT(bad); i++) {
		int fd = memfd_of(bad[i].bytes, bad[i].seals);
		assert_int_equal(sl_client_clip(&c, 1, fd), 0);
		struct sl_event e = answer(&c);
		assert_int_equal(e.ack.error, bad[i].error);
		assert_non_null(strstr(e.ack.text, "clip: "));
		close(fd);
	}
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(sl_client_clip(&c, 1, pipes[0]), 0);
	assert_int_equal(answer(&c).ack.error, -EPERM);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(offered.n, 0);
	detach(&c);
}

static void anything_else_on_the_socket_cuts_a_client_off(void **state)
{
	const struct sl_clip_offer good = {.magic = SL_REGION_MAGIC, .clip = 1};
	struct {
		struct sl_clip_offer offer;
		uint8_t more;
	} bad = {.offer = good};
	unsigned before = open_descriptors();
	int fds[8];

	for (unsigned i = 0; i < 8; i++)
		fds[i] = memfd_of(5000, SEALS);
	for (unsigned wrong = 0; wrong < 9; wrong++) {
		size_t bytes = sizeof good;
		unsigned n_fds = 1;
		struct sl_client c;
		bad.offer = good;
		switch (wrong) {
		case 0: bad.offer.magic++; break;
		case 1: bad.offer.clip = 0; break;
		case 2: bad.offer.remove = 2; break;
		case 3: bad.offer.remove = 1; break; /* and a descriptor */
		case 4: n_fds = 0; break;
		case 5: n_fds = 2; break;
		case 6: n_fds = 8; break; /* more than the reader has room for */
		case 7: bytes--; break;
		default: bytes++; break;
		}
		attach(&c, "main");
		send_offer(c.sock, &bad, bytes, fds, n_fds);
		turn();
		assert_int_equal(dp.region->clients[c.slot].attached, 0);
		assert_int_equal(sl_client_clip(&c, 1, fds[0]), -ESTALE);
		detach(&c);
	}
	for (unsigned i = 0; i < 8; i++)
		close(fds[i]);
	assert_int_equal(offered.n, 0);
	assert_int_equal(open_descriptors(), before);
}

static void without_media_clips_are_refused(void **state)
{
	struct sl_client c;
	int fd = memfd_of(5000, SEALS);

	attach(&c, "main");
	assert_int_equal(sl_client_clip(&c, 1, fd), 0);
	struct sl_event e = answer(&c);
	assert_int_equal(e.ack.error, -EOPNOTSUPP);
	assert_non_null(strstr(e.ack.text, "media is off"));
	detach(&c);
	close(fd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_media, teardown)
	const struct CMUnitTest tests[] = {
	        T(packets_travel_and_wake_the_client),
	        T(only_what_is_used_is_copied),
	        T(a_full_bulk_ring_is_the_senders_to_count),
	        T(room_is_half_of_the_ring),
	        T(absurd_bulk_indices_cut_a_client_off),
	        T(bulk_rings_cost_memory_where_they_are_used),
	        T(clips_are_offered_and_taken_back),
	        T(offers_wait_their_turn),
	        T(a_descriptor_must_be_sealed_and_of_a_sane_size),
	        T(anything_else_on_the_socket_cuts_a_client_off),
	        cmocka_unit_test_setup_teardown(without_media_clips_are_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

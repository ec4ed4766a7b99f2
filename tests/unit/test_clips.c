/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Clips as the housekeeper keeps them and workers find them: real memfds, and a real reader on a thread. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include <urcu-qsbr.h>

#include "dataplane/abi/log.h"
#include "dataplane/clips.h"

enum { FRAME = 160, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL, SLOT = 3 };

static const struct sl_clip_table *published[SL_MAX_CLIENTS];
static struct sl_clips clips;

static int setup(void **state)
{
	memset(published, 0, sizeof published);
	sl_clips_init(&clips, published);
	sl_clips_attached(&clips, SLOT, "main");
	sl_log_set_level(SL_LOG_ERROR);
	return 0;
}

static int teardown(void **state)
{
	sl_clips_attached(&clips, SLOT, "nobody"); /* whatever is there goes */
	assert_null(published[SLOT]);
	rcu_barrier();
	return 0;
}

static size_t clip_bytes(uint32_t frames)
{
	return sizeof(struct sl_clip) + (size_t)frames * (8 + FRAME);
}

/* A memfd of a good clip whose frames are filled with `fill`. */
static int make(uint32_t frames, uint8_t fill)
{
	size_t bytes = clip_bytes(frames);
	struct sl_clip *c = malloc(bytes);
	int fd = memfd_create("clip", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_non_null(c);
	memset(c, fill, bytes);
	*c = (struct sl_clip){.magic = SL_CLIP_MAGIC, .size_bytes = bytes, .n_frames = frames, .frame_ms = 20, .clock_hz = 8000,
		.frame_ts = 160, .codec = "PCMA"};
	for (uint32_t i = 0; i < frames; i++) {
		c->frames[i].offset = (uint32_t)(bytes - (size_t)(frames - i) * FRAME);
		c->frames[i].len = FRAME;
	}
	assert_int_equal(write(fd, c, bytes), bytes);
	free(c);
	return fd;
}

/* Offer it as the contract's server would, having checked seals and size. */
static int offer_fd(uint32_t number, int fd, size_t bytes)
{
	char text[120] = "";
	int rc;

	assert_int_equal(fcntl(fd, F_ADD_SEALS, SEALS), 0);
	rc = sl_clips_offer(&clips, SLOT, number, fd, bytes, text, sizeof text);
	assert_true(rc == 0 || text[0]);
	close(fd); /* the mapping stays */
	return rc;
}

static int offer(uint32_t number, uint8_t fill)
{
	return offer_fd(number, make(2, fill), clip_bytes(2));
}

static int take_away(uint32_t number)
{
	char text[120];

	return sl_clips_offer(&clips, SLOT, number, -1, 0, text, sizeof text);
}

static const struct sl_clip *find(uint32_t number)
{
	return sl_clip_find(published[SLOT], number);
}

static int fill_of(uint32_t number)
{
	const struct sl_clip *c = find(number);

	return c ? ((const uint8_t *)c)[c->frames[0].offset] : -1;
}

static void clips_are_found_by_number(void **state)
{
	static const uint32_t numbers[] = {50, 1, UINT32_MAX, 49, 51, 2, 1000};

	assert_null(sl_clip_find(NULL, 1));
	for (unsigned i = 0; i < SL_COUNT(numbers); i++) {
		assert_int_equal(offer(numbers[i], (uint8_t)i), 0);
		for (unsigned j = 0; j < SL_COUNT(numbers); j++)
			assert_int_equal(fill_of(numbers[j]), j <= i ? (int)j : -1);
	}
	assert_null(find(3));
	assert_null(find(0));
	assert_null(published[SLOT + 1]);
	for (unsigned i = 0; i < SL_COUNT(numbers); i++) {
		assert_int_equal(take_away(numbers[i]), 0);
		for (unsigned j = 0; j < SL_COUNT(numbers); j++)
			assert_int_equal(fill_of(numbers[j]), j > i ? (int)j : -1);
	}
	assert_int_equal(take_away(50), -ENOENT);
}

static void a_number_in_use_is_replaced(void **state)
{
	assert_int_equal(offer(1, 0x11), 0);
	assert_int_equal(offer(2, 0x22), 0);
	assert_int_equal(offer(1, 0x33), 0);
	assert_int_equal(fill_of(1), 0x33);
	assert_int_equal(fill_of(2), 0x22);
	assert_int_equal(published[SLOT]->n, 2);
}

static void what_does_not_check_changes_nothing(void **state)
{
	const struct sl_clip_table *before;
	int fd;

	assert_int_equal(offer(1, 0x11), 0);
	before = published[SLOT];
	fd = make(2, 0x22);
	uint32_t hostile = 0x7fffffff; /* offset of the first frame */
	assert_int_equal(pwrite(fd, &hostile, sizeof hostile, offsetof(struct sl_clip, frames)), sizeof hostile);
	assert_int_equal(offer_fd(1, fd, clip_bytes(2)), -EINVAL);
	fd = memfd_create("clip", MFD_CLOEXEC | MFD_ALLOW_SEALING); /* zeros */
	assert_int_equal(ftruncate(fd, 5000), 0);
	assert_int_equal(offer_fd(1, fd, 5000), -EINVAL);
	assert_ptr_equal(published[SLOT], before);
	assert_int_equal(fill_of(1), 0x11);
}

static void a_name_keeps_its_clips(void **state)
{
	assert_int_equal(offer(1, 0x11), 0);
	sl_clips_attached(&clips, SLOT, "main"); /* it was away, and music went on */
	assert_int_equal(fill_of(1), 0x11);
	sl_clips_attached(&clips, SLOT, "other");
	assert_null(find(1));
	sl_clips_attached(&clips, SLOT, "main");
	assert_null(find(1));
}

/* A control plane that comes back with other numbers is not kept from offering by those of its former life. */
static void what_is_not_offered_again_makes_room(void **state)
{
	for (uint32_t i = 1; i <= SL_MAX_CLIPS; i++)
		assert_int_equal(offer(i, (uint8_t)i), 0);
	assert_int_equal(offer(SL_MAX_CLIPS + 1, 0), -ENOSPC);
	assert_int_equal(offer(7, 0x77), 0); /* in the place of another there is room */
	assert_int_equal(published[SLOT]->n, SL_MAX_CLIPS);

	sl_clips_attached(&clips, SLOT, "main");
	assert_int_equal(offer(3, 0x33), 0);
	assert_int_equal(published[SLOT]->n, SL_MAX_CLIPS);
	assert_int_equal(offer(5000, 0x50), 0);
	assert_int_equal(published[SLOT]->n, 2);
	assert_int_equal(fill_of(3), 0x33);
	assert_int_equal(fill_of(5000), 0x50);
	assert_null(find(7));
}

/* ---- grace periods ---- */

static struct {
	_Atomic int step; /* 1 the reader holds a clip, 2 it may look again, 3 it has looked, 4 it may go on */
	const struct sl_clip *clip;
	int seen[2];
} reader;

static void reach(int step)
{
	atomic_store(&reader.step, step);
}

static void wait_for(int step)
{
	while (atomic_load(&reader.step) < step)
		sched_yield();
}

static void *read_clip(void *arg)
{
	rcu_register_thread(); /* online, as a worker is between quiescent states */
	const struct sl_clip *c = sl_clip_find(rcu_dereference(published[SLOT]), 1);
	reader.clip = c;
	reader.seen[0] = ((const uint8_t *)c)[c->frames[1].offset];
	reach(1);
	wait_for(2);
	reader.seen[1] = ((const uint8_t *)c)[c->frames[1].offset];
	reach(3);
	wait_for(4);
	rcu_quiescent_state();
	rcu_unregister_thread();
	return NULL;
}

static bool is_mapped(const void *at)
{
	unsigned char in;

	return mincore((void *)at, 1, &in) == 0;
}

static void a_clip_stays_until_its_readers_have_moved_on(void **state)
{
	pthread_t thread;

	memset(&reader, 0, sizeof reader);
	assert_int_equal(offer(1, 0x11), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_clip, NULL), 0);
	wait_for(1);
	assert_int_equal(offer(1, 0x22), 0); /* the reader's is replaced, then its number goes as well */
	assert_int_equal(take_away(1), 0);
	assert_true(is_mapped(reader.clip));
	reach(2);
	wait_for(3);
	assert_true(is_mapped(reader.clip));
	reach(4);
	pthread_join(thread, NULL);
	rcu_barrier();
	assert_false(is_mapped(reader.clip));
	assert_int_equal(reader.seen[0], 0x11);
	assert_int_equal(reader.seen[1], 0x11);
}

/* With CAP_IPC_LOCK no limit counts. */
static void allow_locking(bool yes)
{
	static struct rlimit limit;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	if (yes)
		data[0].effective = data[0].permitted;
	else
		data[0].effective &= ~(1u << CAP_IPC_LOCK);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
	if (!yes)
		assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){yes ? limit.rlim_cur : 0, limit.rlim_max}), 0);
}

static void clips_are_locked_where_that_is_allowed(void **state)
{
	static char page[4096];

	assert_int_equal(offer(1, 0x11), 0);
	allow_locking(false);
	bool really = mlock(page, sizeof page) < 0; /* AddressSanitizer makes it a call that does nothing */
	assert_int_equal(offer(2, 0x22), 0);
	allow_locking(true);
	munlock(page, sizeof page);
	if (really)
		assert_true(clips.lock_failed);
	assert_int_equal(fill_of(2), 0x22);
}

int main(void)
{
	rcu_register_thread();
	rcu_thread_offline();
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(clips_are_found_by_number),
		T(a_number_in_use_is_replaced),
		T(what_does_not_check_changes_nothing),
		T(a_name_keeps_its_clips),
		T(what_is_not_offered_again_makes_room),
		T(a_clip_stays_until_its_readers_have_moved_on),
		T(clips_are_locked_where_that_is_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/journal.h"

static const struct sl_journal_shape shape = {
        .kind = "test", .version = 1, .n_slots = 64, .area_bytes = 8192, .aux_bytes = 100};

static struct sl_journal *open_as(int fd, const struct sl_journal_shape *s)
{
	char text[120];
	struct sl_journal *j = sl_journal_open(fd, s, text, sizeof text);

	if (!j)
		fail_msg("%s", text);
	return j;
}

static void put(struct sl_journal *j, uint32_t slot, const char *text)
{
	size_t room;
	char *at = sl_journal_begin(j, slot, &room);

	assert_true(strlen(text) <= room);
	memcpy(at, text, strlen(text));
	sl_journal_commit(j, slot, strlen(text));
}

static void assert_record(const struct sl_journal *j, uint32_t slot, const char *text)
{
	size_t len;
	const void *at = sl_journal_read(j, slot, &len);

	assert_non_null(at);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(at, text, len);
}

static void records_survive(void **state)
{
	int fd = sl_journal_memfd("test");
	struct sl_journal *j = open_as(fd, &shape);
	int a = sl_journal_take(j), b = sl_journal_take(j), c = sl_journal_take(j);
	size_t len;

	put(j, (uint32_t)a, "first");
	put(j, (uint32_t)a, "first, changed");
	put(j, (uint32_t)b, "second");
	put(j, (uint32_t)b, "second");
	put(j, (uint32_t)b, "second, for the third time");
	put(j, (uint32_t)c, "third");
	sl_journal_erase(j, (uint32_t)c);
	memcpy(sl_journal_aux(j), "aux", 3);
	sl_journal_close(j);

	j = open_as(fd, &shape);
	assert_record(j, (uint32_t)a, "first, changed");
	assert_record(j, (uint32_t)b, "second, for the third time");
	assert_null(sl_journal_read(j, (uint32_t)c, &len));
	assert_int_equal(sl_journal_n_used(j), 2);
	assert_int_equal(sl_journal_n_corrupt(j), 0);
	assert_memory_equal(sl_journal_aux(j), "aux", 3);
	for (int i = 2; i < 64; i++) {
		int slot = sl_journal_take(j);
		assert_true(slot >= 0 && slot != a && slot != b);
	}
	assert_int_equal(sl_journal_take(j), -ENOSPC);
	sl_journal_close(j);
	close(fd);
}

/* Every moment of a change at which one may be killed: before the commit the old record counts, whatever lies
 * in the area under way. */
static void a_change_not_committed_is_not_there(void **state)
{
	int fd = sl_journal_memfd("test");
	struct sl_journal *j = open_as(fd, &shape);
	uint32_t slot = (uint32_t)sl_journal_take(j), fresh = (uint32_t)sl_journal_take(j);
	size_t room, len;

	put(j, slot, "before");
	put(j, slot, "before, changed");
	memset(sl_journal_begin(j, slot, &room), 'x', 4000);
	memset(sl_journal_begin(j, fresh, &room), 'x', 4000);
	sl_journal_close(j);

	j = open_as(fd, &shape);
	assert_record(j, slot, "before, changed");
	assert_null(sl_journal_read(j, fresh, &len));
	assert_int_equal(sl_journal_n_corrupt(j), 0);
	sl_journal_close(j);
	close(fd);
}

/* ---- kill -9 while it writes ---- */

struct counted { /* every byte follows from the number */
	uint64_t number;
	uint8_t bytes[3000];
};

static void fill(struct counted *c, uint64_t number)
{
	c->number = number;
	for (size_t i = 0; i < sizeof c->bytes; i++)
		c->bytes[i] = (uint8_t)(number * 31 + i);
}

static void write_for_ever(int fd, uint32_t slot, volatile uint64_t *committed)
{
	struct sl_journal *j = open_as(fd, &shape);
	struct counted c;
	size_t room;

	for (uint64_t n = *committed + 1;; n++) {
		fill(&c, n);
		memcpy(sl_journal_begin(j, slot, &room), &c, sizeof c);
		sl_journal_commit(j, slot, sizeof c);
		*committed = n;
	}
}

static void kill_loses_nothing_but_the_change_under_way(void **state)
{
	volatile uint64_t *committed =
	        mmap(NULL, sizeof *committed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = sl_journal_memfd("test");
	struct sl_journal *j = open_as(fd, &shape);
	uint32_t slot = (uint32_t)sl_journal_take(j);
	struct counted c, want;
	size_t room, len;

	fill(&c, 0);
	memcpy(sl_journal_begin(j, slot, &room), &c, sizeof c);
	sl_journal_commit(j, slot, sizeof c);
	sl_journal_close(j);
	for (unsigned i = 0; i < 100; i++) {
		uint64_t from = *committed;
		pid_t child = fork();
		if (child == 0) {
			write_for_ever(fd, slot, committed);
			_exit(1);
		}
		while (*committed == from) /* it runs */
			nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
		nanosleep(&(struct timespec){.tv_nsec = (long)(rand() % 300000)}, NULL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		j = open_as(fd, &shape);
		const void *at = sl_journal_read(j, slot, &len);
		assert_non_null(at);
		assert_int_equal(len, sizeof c);
		memcpy(&c, at, sizeof c);
		assert_true(c.number == *committed || c.number == *committed + 1);
		fill(&want, c.number);
		assert_memory_equal(&c, &want, sizeof c);
		assert_int_equal(sl_journal_n_corrupt(j), 0);
		sl_journal_close(j);
	}
	close(fd);
}

/* ---- damage ---- */

/* Change every copy of a text in the memfd, without touching its holes; how many there were. */
static unsigned damage(int fd, const char *text)
{
	off_t at = 0, end;
	unsigned n = 0;

	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && (end = lseek(fd, at, SEEK_HOLE)) > at) {
		size_t bytes = (size_t)(end - at);
		char *all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at), *p = all;
		assert_true(all != MAP_FAILED);
		while ((p = memmem(p, bytes - (size_t)(p - all), text, strlen(text)))) {
			*p++ ^= 1;
			n++;
		}
		munmap(all, bytes);
		at = end;
	}
	return n;
}

static void a_damaged_record_is_dropped(void **state)
{
	int fd = sl_journal_memfd("test");
	struct sl_journal *j = open_as(fd, &shape);
	uint32_t a = (uint32_t)sl_journal_take(j), b = (uint32_t)sl_journal_take(j);
	size_t len;

	put(j, a, "kept one");
	put(j, b, "lost one");
	put(j, b, "lost two");
	sl_journal_close(j);
	assert_int_equal(damage(fd, "lost"), 1); /* what it was before is wiped */

	j = open_as(fd, &shape);
	assert_record(j, a, "kept one");
	assert_null(sl_journal_read(j, b, &len));
	assert_int_equal(sl_journal_n_corrupt(j), 1);
	assert_int_equal(damage(fd, "ost two"), 0);
	assert_int_equal(sl_journal_take(j), (int)b);
	put(j, b, "new one");
	assert_record(j, b, "new one");
	sl_journal_close(j);
	close(fd);
}

/* However often records change, each costs its own pages. */
static void changes_take_no_more_memory(void **state)
{
	struct sl_journal_shape large = {.kind = "test", .version = 1, .n_slots = 1000, .area_bytes = 64 * 1024};
	int fd = sl_journal_memfd("test");
	struct sl_journal *j = open_as(fd, &large);
	struct stat before, after;
	uint32_t slots[200];

	for (unsigned i = 0; i < SL_COUNT(slots); i++)
		put(j, slots[i] = (uint32_t)sl_journal_take(j), "first");
	assert_int_equal(fstat(fd, &before), 0);
	for (unsigned k = 0; k < 5 * SL_COUNT(slots); k++)
		put(j, slots[k * 7 % SL_COUNT(slots)], "changed");
	assert_int_equal(fstat(fd, &after), 0);
	assert_true(after.st_blocks - before.st_blocks <= 16); /* 512 bytes each: two pages */
	for (unsigned i = 0; i < SL_COUNT(slots); i++)
		assert_record(j, slots[i], "changed");
	sl_journal_close(j);
	close(fd);
}

static void erased_records_leave_no_bytes(void **state)
{
	int fd = sl_journal_memfd("test");
	struct sl_journal *j = open_as(fd, &shape);
	uint32_t slot = (uint32_t)sl_journal_take(j);

	put(j, slot, "a longer text with a secret key at its end");
	put(j, slot, "a longer text with a secret key at its end");
	put(j, slot, "short");
	put(j, slot, "short");
	sl_journal_erase(j, slot);
	sl_journal_close(j);
	assert_int_equal(damage(fd, "key"), 0);
	assert_int_equal(damage(fd, "short"), 0);
	close(fd);
}

/* ---- shapes ---- */

static void it_grows_in_place(void **state)
{
	int fd = sl_journal_memfd("test");
	struct sl_journal_shape more = shape;
	struct sl_journal *j = open_as(fd, &shape);
	uint32_t slot = (uint32_t)sl_journal_take(j);

	put(j, slot, "here to stay");
	sl_journal_close(j);
	more.n_slots = 1000;
	j = open_as(fd, &more);
	assert_int_equal(sl_journal_n_slots(j), 1000);
	assert_record(j, slot, "here to stay");
	sl_journal_close(j);
	j = open_as(fd, &shape); /* fewer are asked for: those that are there stay */
	assert_int_equal(sl_journal_n_slots(j), 1000);
	assert_record(j, slot, "here to stay");
	sl_journal_close(j);
	close(fd);
}

static void another_shape_begins_anew(void **state)
{
	int fd = sl_journal_memfd("test");
	struct sl_journal_shape other = shape;
	struct sl_journal *j = open_as(fd, &shape);
	char text[120];

	put(j, (uint32_t)sl_journal_take(j), "of version 1");
	sl_journal_close(j);
	other.version = 2;
	j = sl_journal_open(fd, &other, text, sizeof text);
	assert_non_null(j);
	assert_non_null(strstr(text, "another version"));
	assert_int_equal(sl_journal_n_used(j), 0);
	sl_journal_close(j);
	assert_int_equal(damage(fd, "of version 1"), 0);
	close(fd);
}

/* What is never written takes no memory, however large it may become. */
static void memory_is_sparse(void **state)
{
	struct sl_journal_shape large = {
	        .kind = "test", .version = 1, .n_slots = 10000, .area_bytes = 128 * 1024};
	int fd = sl_journal_memfd("test");
	struct stat st;
	struct sl_journal *j = open_as(fd, &large);

	put(j, (uint32_t)sl_journal_take(j), "one");
	sl_journal_close(j);
	j = open_as(fd, &large);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks * 512 < 2 << 20);
	sl_journal_close(j);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(records_survive),
	        cmocka_unit_test(a_change_not_committed_is_not_there),
	        cmocka_unit_test(kill_loses_nothing_but_the_change_under_way),
	        cmocka_unit_test(a_damaged_record_is_dropped),
	        cmocka_unit_test(changes_take_no_more_memory),
	        cmocka_unit_test(erased_records_leave_no_bytes),
	        cmocka_unit_test(it_grows_in_place),
	        cmocka_unit_test(another_shape_begins_anew),
	        cmocka_unit_test(memory_is_sparse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

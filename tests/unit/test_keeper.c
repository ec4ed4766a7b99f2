/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "dataplane/abi/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The keeper runs in a forked process; its working half is this program again, told by its second argument
 * how to behave, writing a line to the file in the third for each thing that happens to it. */

static char dir[64], journal[96], pid_file[96], log_file[96];

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* ---- the working half ---- */

static int journal_fd;

static void note(const char *what)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%s %u\n", what, sl_keeper_restarts());

	if (write(journal_fd, line, (size_t)n) != n)
		_exit(9);
}

static void on_signal(int sig)
{
	note(sig == SIGHUP ? "hup" : "term");
	if (sig == SIGTERM)
		_exit(0);
}

static int working_half(const char *how, const char *file)
{
	journal_fd = open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);
	flock(journal_fd, LOCK_EX);
	signal(SIGHUP, on_signal);
	signal(SIGTERM, strcmp(how, "stubborn") == 0 ? SIG_IGN : on_signal);
	note("start");
	if (strcmp(how, "mute") == 0 && sl_keeper_restarts() == 0)
		signal(SIGABRT, SIG_IGN); /* has to be killed */
	if (strcmp(how, "hopeless") == 0)
		return SL_KEEPER_EXIT_CONFIG;
	if (strcmp(how, "late") == 0)
		pause(); /* neither ready nor alive, ever */
	if (strcmp(how, "lively") == 0) {
		for (;; poll(NULL, 0, 20))
			sl_keeper_notify(SL_KEEPER_ALIVE);
	}
	sl_keeper_notify(SL_KEEPER_READY);
	if (strcmp(how, "dies") == 0)
		return 3;
	if (strcmp(how, "hangs") == 0)
		sl_keeper_notify(SL_KEEPER_ALIVE);
	for (;;)
		pause();
}

/* ---- the keeper ---- */

static pid_t start(const char *how, bool daemon)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	char *argv[] = {"test_keeper", "--working-half", (char *)how, journal, NULL};
	struct sl_keeper k = {.name = "test",
	        .argv = argv,
	        .daemon = daemon,
	        .pid_file = pid_file,
	        .log_file = log_file,
	        .start_ms = 300,
	        .watchdog_ms = strcmp(how, "hangs") == 0 || strcmp(how, "mute") == 0 ? 200 : 0};
	if (sl_keeper_begin(&k) < 0)
		_exit(50);
	_exit(sl_keeper_run(&k));
}

static unsigned noted(const char *what)
{
	char line[64];
	unsigned n = 0;
	FILE *f = fopen(journal, "r");

	while (f && fgets(line, sizeof line, f))
		n += strncmp(line, what, strlen(what)) == 0;
	if (f)
		fclose(f);
	return n;
}

static void wait_noted(const char *what, unsigned n)
{
	for (int i = 0; noted(what) < n; i++) {
		if (i > 800)
			fail_msg("'%s' came %u times instead of %u", what, noted(what), n);
		poll(NULL, 0, 10);
	}
}

static int end(pid_t pid)
{
	int status;

	kill(pid, SIGTERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int setup(void **state)
{
	strcpy(dir, "/tmp/sluice-test-keeper-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(journal, sizeof journal, "%s/journal", dir);
	snprintf(pid_file, sizeof pid_file, "%s/pid", dir);
	snprintf(log_file, sizeof log_file, "%s/log", dir);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

static void signals_are_passed_on(void **state)
{
	pid_t pid = start("serves", false);

	wait_noted("start 0", 1);
	poll(NULL, 0, 50);
	kill(pid, SIGHUP);
	wait_noted("hup", 1);
	assert_int_equal(access(pid_file, F_OK), 0);
	assert_int_equal(end(pid), 0);
	assert_int_equal(noted("term"), 1);
	assert_int_equal(access(pid_file, F_OK), -1);
}

static void deaths_are_answered_with_growing_patience(void **state)
{
	long long begin = now_ms();
	pid_t pid = start("dies", false);

	wait_noted("start 3", 1); /* after 100, 200 and 400 ms */
	assert_true(now_ms() - begin >= 700);
	assert_true(now_ms() - begin < 3000);
	assert_int_equal(end(pid), 0);
	assert_int_equal(noted("start 0"), 1);
	assert_int_equal(noted("start 1"), 1);
}

static void a_start_that_fails_is_not_repeated(void **state)
{
	pid_t pid = start("hopeless", false);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), SL_KEEPER_EXIT_CONFIG);
	assert_int_equal(noted("start"), 1);
}

static void a_silent_working_half_is_replaced(void **state)
{
	pid_t pid = start("hangs", false);

	wait_noted("start 1", 1);
	assert_int_equal(end(pid), 0);
}

static void a_start_without_end_is_ended(void **state)
{
	static const char *const hows[] = {"late", "lively"};
	int status;

	for (unsigned i = 0; i < 2; i++) {
		long long begin = now_ms();
		pid_t pid = start(hows[i], i == 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		assert_true(now_ms() - begin >= 300 && now_ms() - begin < 3000);
	}
}

/* READY, then nothing: the watchdog does not wait for a first sign of life for ever. */
static void one_that_never_gives_a_sign_is_replaced(void **state)
{
	pid_t pid = start("mute", false);

	wait_noted("start 1", 1);
	assert_int_equal(end(pid), 0);
}

static void who_ignores_its_children_does_not_matter(void **state)
{
	int status;

	signal(SIGCHLD, SIG_IGN); /* the keeper inherits it */
	pid_t pid = start("hopeless", false);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), SL_KEEPER_EXIT_CONFIG);
}

static void a_keeper_that_dies_takes_its_working_half_along(void **state)
{
	pid_t pid = start("stubborn", false);

	wait_noted("start", 1);
	poll(NULL, 0, 50);
	/* The working half holds the lock as long as it lives, even as somebody else's child. */
	int fd = open(journal, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	int rc = -1;
	for (int i = 0; i < 200 && rc < 0; i++) {
		poll(NULL, 0, 10);
		rc = flock(fd, LOCK_EX | LOCK_NB);
	}
	assert_int_equal(rc, 0);
	close(fd);
}

static void a_daemon_returns_when_it_serves(void **state)
{
	pid_t pid = start("serves", true), daemon;
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(noted("start 0"), 1);

	/* Twice is once too often. */
	pid_t second = start("serves", false);
	assert_int_equal(waitpid(second, &status, 0), second);
	assert_int_equal(WEXITSTATUS(status), 50);

	FILE *f = fopen(pid_file, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &daemon), 1);
	fclose(f);
	kill(daemon, SIGTERM);
	wait_noted("term", 1);
	for (int i = 0; i < 200 && access(pid_file, F_OK) == 0; i++)
		poll(NULL, 0, 10);
	assert_int_equal(access(pid_file, F_OK), -1);
}

static void a_daemon_that_cannot_start_says_so(void **state)
{
	pid_t pid = start("hopeless", true);
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), SL_KEEPER_EXIT_CONFIG);
}

int main(int argc, char **argv)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        T(signals_are_passed_on),
	        T(deaths_are_answered_with_growing_patience),
	        T(a_start_that_fails_is_not_repeated),
	        T(a_silent_working_half_is_replaced),
	        T(a_start_without_end_is_ended),
	        T(one_that_never_gives_a_sign_is_replaced),
	        T(who_ignores_its_children_does_not_matter),
	        T(a_keeper_that_dies_takes_its_working_half_along),
	        T(a_daemon_returns_when_it_serves),
	        T(a_daemon_that_cannot_start_says_so),
	};

	if (argc == 4 && strcmp(argv[1], "--working-half") == 0)
		return working_half(argv[2], argv[3]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

#include "dataplane/abi/log.h"

static char line[4096];

/* What call wrote to stderr. */
#define LOGGED(call)                                                                                                   \
	do {                                                                                                          \
		int fds[2], saved = dup(STDERR_FILENO);                                                               \
		assert_int_equal(pipe(fds), 0);                                                                       \
		dup2(fds[1], STDERR_FILENO);                                                                          \
		call;                                                                                                 \
		dup2(saved, STDERR_FILENO);                                                                           \
		close(saved);                                                                                         \
		close(fds[1]);                                                                                        \
		ssize_t n = read(fds[0], line, sizeof(line) - 1);                                                     \
		close(fds[0]);                                                                                        \
		line[n > 0 ? n : 0] = '\0';                                                                           \
	} while (0)

static void says_the_level(void **state)
{
	LOGGED(sl_log(SL_LOG_WARNING, "%d of %s", 3, "them"));
	assert_string_equal(line, "warning: 3 of them\n");
	LOGGED(sl_log(SL_LOG_DEBUG, "too much"));
	assert_string_equal(line, "");
	sl_log_set_level(SL_LOG_DEBUG);
	LOGGED(sl_log(SL_LOG_DEBUG, "not now"));
	assert_string_equal(line, "debug: not now\n");
	sl_log_set_level(SL_LOG_ERROR);
	LOGGED(sl_log(SL_LOG_WARNING, "too much"));
	assert_string_equal(line, "");
	LOGGED(sl_log(2, "critical, as syslog has it"));
	assert_string_equal(line, "error: critical, as syslog has it\n");
	sl_log_set_level(SL_LOG_INFO);
}

/* A user name of a client must not be able to forge a line. */
static void one_call_is_one_line(void **state)
{
	LOGGED(sl_log(SL_LOG_INFO, "user %s", "x\nerror: forged\x1b[2J"));
	assert_string_equal(line, "info: user x?error: forged?[2J\n");
	char long_text[3000];
	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	LOGGED(sl_log(SL_LOG_INFO, "%s", long_text));
	assert_int_equal(strlen(line), strlen("info: ") + 999 + 1);
	assert_int_equal(line[strlen(line) - 1], '\n');
}

static void knows_the_names(void **state)
{
	assert_int_equal(sl_log_level_of("error"), SL_LOG_ERROR);
	assert_int_equal(sl_log_level_of("warning"), SL_LOG_WARNING);
	assert_int_equal(sl_log_level_of("info"), SL_LOG_INFO);
	assert_int_equal(sl_log_level_of("debug"), SL_LOG_DEBUG);
	assert_int_equal(sl_log_level_of("loud"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_the_level),
		cmocka_unit_test(one_call_is_one_line),
		cmocka_unit_test(knows_the_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

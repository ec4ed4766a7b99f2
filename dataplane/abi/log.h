/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The one logger of both programs: a line to stderr per call, in a single write, so lines of a keeper and its working
 * half never mix. "level: text" on a terminal or pipe, with a time in front in a log file (--log-file), and with the
 * journal's <N> priority prefix when journald reads stderr (JOURNAL_STREAM).
 *
 * Any thread but a worker's: workers never log (they count, and post events). */

#include <stdarg.h>
#include <stdbool.h>

enum sl_log_level { /* the numbers of syslog(3) */
	SL_LOG_ERROR = 3,
	SL_LOG_WARNING = 4,
	SL_LOG_INFO = 6,
	SL_LOG_DEBUG = 7,
};

/* Least important level still written; SL_LOG_INFO until set. */
void sl_log_set_level(enum sl_log_level level);
/* "error", "warning", "info", "debug" as the option log_level has them; -1 for anything else. */
int sl_log_level_of(const char *name);
bool sl_log_enabled(enum sl_log_level level);

/* level: enum sl_log_level; other syslog numbers are shown as the nearest of them. The text carries no newline; control
 * characters in it (a peer's user name, say) are written as '?', text beyond 1,000 bytes is cut. */
void sl_log(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sl_vlog(int level, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

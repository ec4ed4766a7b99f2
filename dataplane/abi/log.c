/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1100, TEXT_MAX_BYTES = 1000 };

enum stamp { STAMP_UNKNOWN, STAMP_NONE, STAMP_TIME, STAMP_JOURNAL };

/* Written by whoever sets the level or logs first, read by all; a torn view costs one oddly dressed line at most. */
static _Atomic int least = SL_LOG_INFO;
static _Atomic int stamp = STAMP_UNKNOWN;

static const char *name_of(int level)
{
	if (level <= SL_LOG_ERROR)
		return "error";
	if (level == SL_LOG_WARNING)
		return "warning";
	return level <= SL_LOG_INFO ? "info" : "debug";
}

void sl_log_set_level(enum sl_log_level level)
{
	atomic_store_explicit(&least, (int)level, memory_order_relaxed);
}

int sl_log_level_of(const char *name)
{
	static const int levels[] = {SL_LOG_ERROR, SL_LOG_WARNING, SL_LOG_INFO, SL_LOG_DEBUG};
	for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (strcmp(name, name_of(levels[i])) == 0)
			return levels[i];
	return -1;
}

bool sl_log_enabled(enum sl_log_level level)
{
	return (int)level <= atomic_load_explicit(&least, memory_order_relaxed);
}

static enum stamp stamp_of_stderr(void)
{
	struct stat st;
	int found = STAMP_NONE;
	if (fstat(STDERR_FILENO, &st) == 0) {
		/* journald names the device and inode of the stream it reads: stderr may have been redirected since. */
		char here[64];
		const char *journal = getenv("JOURNAL_STREAM");
		snprintf(here, sizeof(here), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
		if (journal && strcmp(journal, here) == 0)
			found = STAMP_JOURNAL;
		else if (S_ISREG(st.st_mode))
			found = STAMP_TIME;
	}
	atomic_store_explicit(&stamp, found, memory_order_relaxed);
	return found;
}

static int put_prefix(char *line, size_t cap, int level)
{
	int kind = atomic_load_explicit(&stamp, memory_order_relaxed);
	if (kind == STAMP_UNKNOWN)
		kind = stamp_of_stderr();
	if (kind == STAMP_JOURNAL)
		return snprintf(line, cap, "<%d>", level);
	if (kind == STAMP_NONE)
		return snprintf(line, cap, "%s: ", name_of(level));
	struct timespec ts;
	struct tm tm;
	char text[32];
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(line, cap, "%s.%03dZ %s: ", text, (int)(ts.tv_nsec / 1000000), name_of(level));
}

void sl_vlog(int level, const char *fmt, va_list ap)
{
	if (level > atomic_load_explicit(&least, memory_order_relaxed))
		return;
	int keep_errno = errno;
	char line[LINE_MAX_BYTES];
	int at = put_prefix(line, sizeof(line), level);
	int n = vsnprintf(line + at, TEXT_MAX_BYTES, fmt, ap);
	if (n < 0)
		n = 0;
	int end = at + (n < TEXT_MAX_BYTES ? n : TEXT_MAX_BYTES - 1);
	for (int i = at; i < end; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[end++] = '\n';
	/* Nobody is left to tell when stderr itself fails. */
	ssize_t written = write(STDERR_FILENO, line, (size_t)end);
	(void)written;
	errno = keep_errno;
}

void sl_log(int level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	sl_vlog(level, fmt, ap);
	va_end(ap);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Sofia's loop, mended. su_root_run() rounds the time to the next timer down to whole milliseconds, so through the last millisecond before
 * each of nta's timers it calls epoll_wait() with 0 and spins (121 calls a message at 200 calls a second). The library looks the function up as
 * any other symbol, and finds this one first: on the brain's thread a time-out is rounded up, that is, timers are late by a millisecond at most,
 * and 0 waits for one. Elsewhere it is what it always is. */

#include "controlplane/loop.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>

static __thread bool is_brain;

void sl_loop_is_brain(void)
{
	is_brain = true;
}

/* The one of glibc under another name: the same system call. */
int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
	if (is_brain && timeout_ms >= 0)
		timeout_ms++;
	return epoll_pwait(epfd, events, max, timeout_ms, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Sofia's loop, mended. su_root_run() rounds the time to the next timer down to whole milliseconds, so through the last millisecond before
 * each of nta's timers it calls epoll_wait() with 0 and spins (121 calls a message at 200 calls a second). The library looks the function
 * up as any other symbol, and finds this one first: on the brain's thread a time-out is rounded up, that is, timers are late by a
 * millisecond at most, and 0 waits for one. Elsewhere it is what it always is. */

#include "controlplane/loop.h"

#include <dlfcn.h>
#include <netdb.h>
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

/* The library asks for the address of whatever host a Via names, in places where nothing was checked yet: one datagram with a name that no
 * server answers for would hold the brain up for half a minute. The brain's names are resolved by sip/resolve.c; here numbers alone are
 * read. */
int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
	static __typeof__(&getaddrinfo) next;
	__typeof__(next) fn = __atomic_load_n(&next, __ATOMIC_RELAXED);
	struct addrinfo numeric = {0};

	if (fn == NULL) {
		*(void **)&fn = dlsym(RTLD_NEXT, "getaddrinfo");
		if (fn == NULL)
			return EAI_FAIL;
		__atomic_store_n(&next, fn, __ATOMIC_RELAXED);
	}
	if (!is_brain)
		return fn(node, service, hints, out);
	if (hints)
		numeric = *hints;
	numeric.ai_flags |= AI_NUMERICHOST;
	return fn(node, service, &numeric, out);
}

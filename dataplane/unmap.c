/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* munmap() for the whole process, in front of libc's.
 *
 * DPDK's memif driver unmaps its rings in the interrupt thread as soon as the other side is gone, while a worker may be reading them in rx_burst or
 * tx_burst (22.11): the worker dies of SIGSEGV when the other side ends at the wrong moment. The driver takes the link down before, and each burst
 * looks at the link first; so what is missing is only to wait until every worker has ended the burst it is in. Workers say so by RCU's quiescent states.
 *
 * Only the interrupt thread waits, for a round of the workers at most; a worker that hangs is the watchdog's. */

#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include <rte_interrupts.h>
#include <urcu-qsbr.h>

typedef int unmap_fn(void *addr, size_t len);

int munmap(void *addr, size_t len)
{
	static _Atomic(unmap_fn *) next; /* libc's, or a sanitizer's */
	unmap_fn *f = atomic_load_explicit(&next, memory_order_relaxed);

	if (!f) {
		f = (unmap_fn *)dlsym(RTLD_NEXT, "munmap");
		atomic_store_explicit(&next, f, memory_order_relaxed);
	}
	if (rte_thread_is_intr())
		synchronize_rcu();
	return f(addr, len);
}

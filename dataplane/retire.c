/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/retire.h"

#include <stdlib.h>

#include <urcu-qsbr.h>

struct retired {
	struct rcu_head rcu;
	void *what;
	void (*release)(void *what);
};

static void reclaim(struct rcu_head *head)
{
	struct retired *r = caa_container_of(head, struct retired, rcu);
	r->release(r->what);
	free(r);
}

void sl_retire(void *what, void (*release)(void *what))
{
	if (!what)
		return;
	struct retired *r = malloc(sizeof(*r));
	if (!r) /* a leak in a process that is out of memory beats waiting for workers here */
		return;
	*r = (struct retired){.what = what, .release = release};
	rcu_thread_online();
	call_rcu(&r->rcu, reclaim);
	rcu_thread_offline();
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* To Linux and from Linux. The worker only moves buffers between rings: the housekeeper does the reads and writes on the
 * TAPs. How much may go to Linux is the guard's to say. */

#include "dataplane/path/context.h"

#include <rte_ether.h>

void sl_exception(struct sl_worker *w, struct rte_mbuf *m, unsigned interface)
{
	enum sl_drop why;
	if (!sl_guard_exception(w, m, interface, &why)) {
		sl_drop(w, m, why);
		return;
	}
	/* The TAP belongs to one VLAN: it gets untagged frames. */
	if (w->dp->interfaces[interface].vlan && !(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) && rte_vlan_strip(m) < 0) {
		sl_drop(w, m, SL_DROP_internal);
		return;
	}
	*sl_packet(m) = (struct sl_packet){
		.interface = (uint16_t)interface, .port = w->dp->interfaces[interface].port};
	if (rte_ring_sp_enqueue(w->rings.exception, m) < 0)
		sl_drop(w, m, SL_DROP_exception_ring_full);
	else
		sl_count(w, SL_C_exception_out, 1);
}

/* Whole frames, tagged where they must be; they leave as they are. */
static unsigned send_all(struct sl_worker *w, struct rte_ring *ring)
{
	struct rte_mbuf *m[SL_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(ring, (void **)m, SL_BURST, NULL);
	for (unsigned i = 0; i < n; i++)
		sl_tx(w, m[i], sl_packet(m[i])->port);
	return n;
}

unsigned sl_inject(struct sl_worker *w)
{
	unsigned n = send_all(w, w->rings.inject);
	sl_count(w, SL_C_exception_in, n);
	for (unsigned i = 0; i < w->dp->n_workers; i++)
		if (i != w->index && !rte_ring_empty(w->rings.egress_in[i]))
			n += send_all(w, w->rings.egress_in[i]);
	return n;
}

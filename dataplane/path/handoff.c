/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Packets that arrived at the wrong worker. Known and unknown flows have rings of their own, so that a flood of strangers
 * fills only theirs. The owner parses again: it trusts no pointer into a buffer that another core looked at. */

#include "dataplane/path/media.h"
#include "dataplane/path/streams.h"

void sl_handoff_known(struct sl_worker *w, struct rte_mbuf *m, unsigned owner)
{
	if (rte_ring_sp_enqueue(w->dp->workers[owner]->rings.known_in[w->index], m) < 0)
		sl_drop(w, m, SL_DROP_handoff_known_full);
	else
		sl_count(w, SL_C_handoff_known_out, 1);
}

static void describe(struct sl_worker *w, struct sl_pkt *p, bool settled)
{
	*sl_packet(p->m) = (struct sl_packet){.interface = p->interface,
		.port = w->dp->interfaces[p->interface].port,
		.turns = p->turns,
		.looped = p->looped,
		.settled = settled,
		.fragmented = p->fragmented};
}

void sl_handoff_settled(struct sl_worker *w, struct sl_pkt *p, unsigned owner)
{
	describe(w, p, true);
	sl_handoff_known(w, p->m, owner);
}

void sl_handoff(struct sl_worker *w, struct sl_pkt *p, unsigned owner, bool known)
{
	describe(w, p, false);
	if (known)
		sl_handoff_known(w, p->m, owner);
	else if (rte_ring_sp_enqueue(w->dp->workers[owner]->rings.unknown_in[w->index], p->m) < 0)
		sl_drop(w, p->m, SL_DROP_handoff_unknown_full);
	else
		sl_count(w, SL_C_handoff_unknown_out, 1);
}

static bool same_kind(const struct sl_packet *a, const struct sl_packet *b)
{
	return a->port == b->port && a->looped == b->looped && a->fragmented == b->fragmented &&
		a->media == b->media && a->stream == b->stream;
}

/* Runs of packets of one kind go on together, so that a burst stays a burst. */
static void dispatch(struct sl_worker *w, struct rte_mbuf **m, unsigned n)
{
	for (unsigned i = 0, end; i < n; i = end) {
		const struct sl_packet kind = *sl_packet(m[i]);
		for (end = i + 1; end < n && same_kind(&kind, sl_packet(m[end])); end++)
			;
		if (kind.media)
			sl_media_handed(w, m + i, end - i);
		else if (kind.stream)
			for (unsigned k = i; k < end; k++)
				sl_streams_handed(w, m[k]);
		else if (kind.looped)
			sl_path_looped(w, m + i, end - i);
		else if (!kind.fragmented)
			sl_path_frames(w, m + i, end - i, kind.port, SL_FROM_WORKER);
		else
			for (unsigned k = i; k < end; k++)
				sl_path_reassembled(w, m[k], kind.port, SL_FROM_WORKER);
	}
}

static unsigned take(struct sl_worker *w, struct rte_ring *ring, enum sl_worker_counter counter)
{
	struct rte_mbuf *m[SL_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(ring, (void **)m, SL_BURST, NULL);
	if (n) {
		sl_count(w, counter, n);
		dispatch(w, m, n);
		sl_path_run_loops(w);
	}
	return n;
}

unsigned sl_handoff_input(struct sl_worker *w)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->dp->n_workers; i++) {
		if (i == w->index)
			continue;
		n += take(w, w->rings.known_in[i], SL_C_handoff_known_in);
		n += take(w, w->rings.unknown_in[i], SL_C_handoff_unknown_in);
	}
	return n;
}

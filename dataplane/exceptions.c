/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/exceptions.h"

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_ether.h>

#include "dataplane/path/packet.h"

enum {
	PER_WORKER = 256,   /* frames to Linux a call, of strangers */
	PER_WORKER_KNOWN = 256, /* and of who is known: first, so that strangers take nothing of theirs */
	PER_TAP = 64,       /* frames from Linux a call */
	MAX_SEGMENTS = 8,   /* of a jumbo frame */
	TAG_BYTES = 4,
};

/* ---- to Linux ---- */

static bool write_frame(int fd, struct rte_mbuf *m)
{
	struct iovec v[MAX_SEGMENTS];
	int n = 0;
	for (struct rte_mbuf *s = m; s && n < MAX_SEGMENTS; s = s->next)
		v[n++] = (struct iovec){rte_pktmbuf_mtod(s, void *), s->data_len};
	return n == m->nb_segs && writev(fd, v, n) == (ssize_t)m->pkt_len;
}

static unsigned empty_ring(struct sl_dataplane *dp, struct rte_ring *ring, unsigned most, uint64_t *drops)
{
	struct rte_mbuf *m[SL_BURST];
	unsigned n, taken = 0;
	do {
		n = rte_ring_sc_dequeue_burst(ring, (void **)m, SL_BURST, NULL);
		for (unsigned i = 0; i < n; i++) {
			unsigned interface = sl_packet(m[i])->interface;
			if (interface >= dp->n_interfaces || !write_frame(dp->interfaces[interface].tap_fd, m[i]))
				++*drops;
		}
		rte_pktmbuf_free_bulk(m, n);
		taken += n;
	} while (n && taken < most);
	return taken;
}

static unsigned known_to_linux(struct sl_dataplane *dp, const struct sl_worker_rings *rings, uint64_t *drops)
{
	unsigned n = 0;
	for (unsigned w = 0; w < dp->n_workers; w++)
		n += empty_ring(dp, rings[w].exception_known, PER_WORKER_KNOWN, drops);
	return n;
}

/* Who is known never waits for more than the strangers of one worker. */
unsigned sl_exceptions_to_linux(struct sl_dataplane *dp, const struct sl_worker_rings *rings, uint64_t *drops)
{
	unsigned total = 0;
	for (unsigned w = 0; w < dp->n_workers; w++) {
		total += known_to_linux(dp, rings, drops);
		total += empty_ring(dp, rings[w].exception, PER_WORKER, drops);
	}
	return total;
}

/* ---- from Linux ---- */

/* A chain of buffers with room for the longest frame of the interface. */
static struct rte_mbuf *take_buffers(struct sl_dataplane *dp, unsigned bytes, struct iovec *v, int *n_out)
{
	struct rte_mbuf *chain[MAX_SEGMENTS];
	unsigned n = 0, room = 0;
	for (; room < bytes && n < MAX_SEGMENTS; n++) {
		chain[n] = rte_pktmbuf_alloc(dp->pool);
		if (!chain[n])
			break;
		v[n] = (struct iovec){rte_pktmbuf_mtod(chain[n], void *), rte_pktmbuf_tailroom(chain[n])};
		room += rte_pktmbuf_tailroom(chain[n]);
	}
	if (room < bytes) {
		rte_pktmbuf_free_bulk(chain, n);
		return NULL;
	}
	for (unsigned i = 1; i < n; i++)
		chain[i - 1]->next = chain[i];
	chain[0]->nb_segs = (uint16_t)n;
	*n_out = (int)n;
	return chain[0];
}

/* Give the chain its length; segments that stayed empty are freed. */
static void set_length(struct rte_mbuf *m, unsigned bytes)
{
	struct rte_mbuf *s = m;
	m->pkt_len = bytes;
	m->nb_segs = 1;
	for (;;) {
		s->data_len = (uint16_t)RTE_MIN(bytes, rte_pktmbuf_tailroom(s));
		bytes -= s->data_len;
		if (!bytes)
			break;
		s = s->next;
		m->nb_segs++;
	}
	struct rte_mbuf *rest = s->next;
	s->next = NULL;
	while (rest) {
		struct rte_mbuf *next = rest->next;
		rest->next = NULL;
		rte_pktmbuf_free_seg(rest);
		rest = next;
	}
}

/* A frame for which there is no buffer must still be read: the TAP would stay readable and wake us without end. */
static bool read_away(int fd)
{
	uint8_t byte;
	return read(fd, &byte, sizeof(byte)) > 0;
}

static bool pass_on(struct sl_dataplane *dp, const struct sl_worker_rings *rings, const struct sl_interface *i,
	struct rte_mbuf *m)
{
	*sl_packet(m) = (struct sl_packet){.interface = i->index, .port = i->port};
	m->vlan_tci = i->vlan;
	/* Our own tag goes between the addresses and the type: always with headroom, the buffer is fresh. */
	if ((i->vlan && rte_vlan_insert(&m) < 0) ||
		rte_ring_sp_enqueue(rings[i->port % dp->n_workers].inject, m) < 0) {
		rte_pktmbuf_free(m);
		return false;
	}
	return true;
}

unsigned sl_exceptions_from_linux(struct sl_dataplane *dp, const struct sl_worker_rings *rings, unsigned interface,
	uint64_t *drops)
{
	const struct sl_interface *i = &dp->interfaces[interface];
	unsigned longest = dp->ports[i->port].mtu + RTE_ETHER_HDR_LEN + TAG_BYTES, n = 0;
	for (; n < PER_TAP; n++) {
		struct iovec v[MAX_SEGMENTS];
		int n_v;
		struct rte_mbuf *m = take_buffers(dp, longest, v, &n_v);
		if (!m) {
			if (!read_away(i->tap_fd))
				break;
			++*drops;
			continue;
		}
		ssize_t bytes = readv(i->tap_fd, v, n_v);
		if (bytes < RTE_ETHER_HDR_LEN) {
			rte_pktmbuf_free(m);
			break;
		}
		set_length(m, (unsigned)bytes);
		if (!pass_on(dp, rings, i, m))
			++*drops;
	}
	return n;
}

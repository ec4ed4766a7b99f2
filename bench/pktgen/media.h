/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* RTP and SRTP streams of a plan, both ends of them. Each stream has an SSRC of its own; its sequence numbers and
 * timestamps go on from packet to packet, over all runs; the SRTP index is the same count. */

#include "bench/pktgen/plan.h"
#include "bench/pktgen/stats.h"

struct load;
struct sl_srtp;

/* What is remembered of a copy from packet to packet. Where a stream has many, the relay may give each an SSRC and a
 * beginning of its sequence numbers of its own: the first packet tells, and all others must go on from it. */
struct media_copy {
	uint64_t top;  /* highest SRTP index, or stamped sequence number of a plain one; 0 = none yet */
	uint32_t ssrc; /* as in the packet */
	uint16_t shift; /* RTP sequence number less the stamped one, of plain ones */
	uint8_t dir;
	bool learn; /* from the first packet */
};

struct media {
	const struct plan *plan;
	struct sl_srtp *srtp; /* NULL when all is plain */
	/* By direction: contexts of streams, by stream, and of copies, by number among the direction's copies. */
	uint8_t *sent_contexts[N_DIRECTIONS], *back_contexts[N_DIRECTIONS];
	size_t sent_context_bytes[N_DIRECTIONS], back_context_bytes[N_DIRECTIONS];
	unsigned rtp_bytes;                /* of a plain packet */
	unsigned sent_bytes[N_DIRECTIONS]; /* of a packet as sent and as it comes back: with tags */
	unsigned back_bytes[N_DIRECTIONS];
	struct media_copy *copies;
};

/* 0 or -1, after a message. payload_bytes: RTP packets, with their header. */
int media_init(struct media *m, const struct plan *plan, unsigned payload_bytes);
void media_fini(struct media *m);

enum { SSRC_FIRST = 0x10000000, SSRC_DIRECTION_SHIFT = 24 };
static inline uint32_t media_ssrc(unsigned dir, uint32_t stream)
{
	return SSRC_FIRST + (dir << SSRC_DIRECTION_SHIFT) + stream;
}

/* media_send.c: complete n buffers (at most BURST) of one direction. */
void media_make(struct load *l, unsigned dir, struct rte_mbuf **m, unsigned n, uint64_t stamp);

/* media_receive.c: receive from one port; returns how many of the load's frames came. */
unsigned media_receive(struct load *l, struct port *port, uint64_t now, struct result *r);

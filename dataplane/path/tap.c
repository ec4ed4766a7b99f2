/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Copies of a leg's packets for the control plane that asked, through its bulk ring: in the clear, as they were received
 * or will be sent. A ring that is full loses the copy, never the packet, and every loss is counted. */

#include "dataplane/path/media.h"

#include <netinet/in.h>

/* The worker's clock as time of day. */
static uint64_t unix_ns(const struct sl_worker *w)
{
	enum { NS_PER_US = 1000 };
	return (atomic_load_explicit(&w->dp->unix_base_us, memory_order_relaxed) + w->now_us) * NS_PER_US;
}

static void describe(struct sl_worker *w, uint32_t leg, enum sl_bulk_kind kind, struct sl_bulk *b)
{
	const struct sl_media *m = w->media->tables;
	const struct sl_leg_more *more = &m->more[leg];
	bool apart = kind == SL_BULK_TAP_RTCP && !sl_leg_is_muxed(more);
	struct sl_endpoint remote = {.ip = m->tx[leg].ip, .port_be = m->tx[leg].port_be};
	if (apart)
		remote = more->rtcp;
	b->kind = (uint16_t)kind;
	b->tap = more->tap;
	b->lost = more->tap_lost;
	b->leg_id = more->id;
	b->unix_ns = unix_ns(w);
	b->remote_ip = remote.ip;
	b->remote_port_be = remote.port_be;
	b->local_port_be = apart ? htons(more->rtcp_port) : m->tx[leg].local_port_be;
}

void sl_tap_copy(struct sl_worker *w, uint32_t leg, unsigned what, enum sl_bulk_kind kind, const uint8_t *packet,
	unsigned len)
{
	struct sl_leg_more *more = &w->media->tables->more[leg];
	struct sl_bulk b;
	if (!(more->tap_what & what) || !len)
		return;
	unsigned fits = len < SL_BULK_DATA_MAX ? len : SL_BULK_DATA_MAX;
	memset(&b, 0, SL_BULK_HEADER_BYTES); /* what lies behind is not read */
	describe(w, leg, kind, &b);
	b.what = (uint8_t)what;
	b.len = (uint16_t)fits;
	b.full_len = (uint16_t)len;
	memcpy(b.data, packet, fits);
	if (sl_abi_worker_bulk(&w->abi, more->tap_slot, &b, SL_BULK_HEADER_BYTES + fits) < 0) {
		more->tap_lost++;
		sl_count(w, SL_C_tap_lost, 1);
		return;
	}
	sl_count(w, SL_C_tap_packets, 1);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* STUN and TURN messages on a listener: the packet's side of it. What they mean is in turn.c. */

#include "dataplane/path/context.h"

#include <netinet/in.h>

#include <rte_ip.h>

#include "dataplane/path/cksum.h"
#include "dataplane/path/guard_watch.h"

enum { REPLY_TTL = 64 };

/* The UDP checksum is verified here and not on relayed data, whose end points check it themselves (it is carried over).
 * RFC 768: zero means none; RFC 8200 8.1: IPv6 needs one. */
bool sl_udp_checksum_ok(const struct sl_pkt *p)
{
	uint64_t rx = p->m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	if (rx == RTE_MBUF_F_RX_L4_CKSUM_GOOD && !p->fragmented)
		return true;
	uint16_t cksum, len;
	memcpy(&cksum, p->udp + 6, 2);
	memcpy(&len, p->udp + 4, 2);
	if (cksum == 0)
		return !p->v6;
	uint64_t acc = sl_sum_ip(&p->src.ip) + sl_sum_ip(&p->dst.ip) + len + htons(IPPROTO_UDP) +
		sl_sum_bytes(p->udp, p->payload_len + 8u);
	return sl_sum_fold(acc) == 0xffff;
}

static void send_reply(struct sl_worker *w, struct sl_pkt *p, const struct sl_turn_verdict *v)
{
	unsigned len = v->reply_len;
	struct sl_out o = {.m = p->m,
		.payload = p->udp + 8,
		.payload_len = (uint16_t)len,
		.src = unlikely(v->reply_from != SL_TURN_SAME) ? w->turn.listeners[v->reply_from] : p->dst,
		.dst = unlikely(v->reply_elsewhere) ? v->reply_to : p->src,
		.cksum = SL_CKSUM_COMPUTE,
		.ttl = REPLY_TTL};
	if (o.payload + len > (uint8_t *)p->m->buf_addr + p->m->buf_len) {
		sl_drop(w, p->m, SL_DROP_too_big);
		return;
	}
	memcpy(o.payload, w->reply, len);
	sl_emit(w, &o);
}

static void relay_send(struct sl_worker *w, struct sl_pkt *p, const struct sl_turn_verdict *v)
{
	struct sl_out o = {.m = p->m,
		.payload = p->udp + 8 + v->data.off,
		.payload_len = v->data.len,
		.dst = v->to,
		.cksum = SL_CKSUM_COMPUTE};
	if (!sl_carry_header_fields(&o, p)) {
		sl_drop(w, p->m, SL_DROP_ttl_expired);
		return;
	}
	o.df = o.df || v->dont_fragment;
	struct sl_peer *peer = &w->sessions.peers[v->peer];
	/* A permission's record serves every port of its address, and so does the next hop cached there. */
	sl_relay_to_peer(w, &o, &w->sessions.allocs[v->alloc], peer);
}

/* An operator who asks for samples sees what strangers send. */
static void refuse(struct sl_worker *w, struct sl_pkt *p, enum sl_drop why)
{
	sl_guard_show(w, p, why);
	sl_drop(w, p->m, why);
}

void sl_stun_input(struct sl_worker *w, struct sl_pkt *p, bool handed)
{
	const struct sl_turn_arrival from = {.flow = &p->flow, .realm_hint = SL_TURN_ANY_REALM, .handed = handed};
	if (p->payload_len < SL_STUN_HEADER_BYTES || !sl_stun_looks_like(p->udp + 8)) {
		refuse(w, p, SL_DROP_not_stun);
		return;
	}
	if (!sl_udp_checksum_ok(p)) {
		refuse(w, p, SL_DROP_bad_l4_checksum);
		return;
	}
	struct sl_turn_verdict v = sl_turn_handle_from(&w->turn, &from, p->udp + 8, p->payload_len, &w->now, w->reply, sizeof w->reply);
	if (unlikely(v.signal != SL_TURN_NO_SIGNAL))
		sl_signals_note(&w->guard.signals, &p->src.ip, v.signal);
	switch (v.action) {
	case SL_TURN_REPLY:
		send_reply(w, p, &v);
		break;
	case SL_TURN_RELAY:
		relay_send(w, p, &v);
		break;
	case SL_TURN_HAND:
		sl_handoff_settled(w, p, v.owner);
		break;
	case SL_TURN_DROP:
		if (v.drop == SL_N_DROPS)
			rte_pktmbuf_free(p->m); /* a keep-alive indication: consumed, not dropped */
		else
			refuse(w, p, v.drop);
		break;
	}
}

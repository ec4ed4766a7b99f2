/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Application data between clients and peers (RFC 8656 11, 12): ChannelData to UDP, UDP to ChannelData or to a Data
 * indication. The payload stays where it is; headers are rewritten around it and checksums updated. */

#include "dataplane/path/context.h"

#include <arpa/inet.h>

#include "dataplane/path/cksum.h"
#include "dataplane/path/session_limits.h"
#include "dataplane/path/payload.h"
#include "dataplane/path/streams.h"
#include "dataplane/path/turn_outside.h"
#include "dataplane/wire/channel.h"

static void checksum_from(struct sl_out *o, const struct sl_pkt *p)
{
	uint16_t cksum;
	memcpy(&cksum, p->udp + 6, 2);
	o->cksum = likely(cksum) ? SL_CKSUM_KNOWN : SL_CKSUM_NONE;
	o->acc = likely(cksum) ? sl_payload_sum(p, cksum) : 0;
}

/* RFC 8656 13, 14: TTL one less, DSCP and ECN as they came. */
bool sl_carry_header_fields(struct sl_out *o, const struct sl_pkt *p)
{
	o->ttl = (uint8_t)(p->ttl - 1);
	o->tos = p->tos;
	o->df = p->df;
	o->turns = p->turns;
	o->in = p;
	return p->ttl > 1;
}

static inline void count_packet(uint32_t *lo, uint16_t *hi)
{
	if (unlikely(++*lo == 0))
		++*hi;
}

void sl_relay_to_peer(struct sl_worker *w, struct sl_out *o, struct sl_alloc *a, struct sl_peer *peer)
{
	o->src.ip = w->turn.relay[a->relay];
	o->src.port_be = a->relay_port_be;
	if (unlikely(a->relay2 != SL_NO_RELAY2) && sl_alloc_is_second(&w->sessions, a, &o->dst.ip)) {
		o->src.ip = w->turn.relay[a->relay2];
		o->src.port_be = a->relay2_port_be;
	}
	o->nh = &peer->nh;
	/* CreatePermission has no port, so our own addresses are checked here, packet by packet. */
	if (unlikely(peer->own_address) && !sl_own_peer_ok(w, &o->dst)) {
		sl_drop(w, o->m, SL_DROP_peer_forbidden);
		return;
	}
	a->last_seen_s = w->now.s;
	unsigned bytes = o->payload_len;
	enum sl_drop why;
	if (sl_turn_is_limited(w) && !sl_limit_turn(w, (uint32_t)(a - w->sessions.allocs), SL_METER_IN, bytes, o->in, &why)) {
		sl_drop(w, o->m, why);
		return;
	}
	if (unlikely(!sl_emit(w, o)))
		return;
	count_packet(&a->to_peer_packets_lo, &a->to_peer_packets_hi);
	a->to_peer_bytes += bytes;
	sl_count(w, SL_C_relayed_to_peer_packets, 1);
	sl_count(w, SL_C_relayed_to_peer_bytes, bytes);
}

static inline struct sl_peer *channel_peer(struct sl_worker *w, uint32_t alloc, const uint8_t *header, unsigned bytes, unsigned *len, enum sl_drop *why)
{
	struct sl_sessions *s = &w->sessions;
	*why = SL_DROP_no_allocation;
	if (unlikely(alloc == SL_NONE))
		return NULL;
	struct sl_alloc *a = &s->allocs[alloc];
	if (unlikely(a->expires_s <= w->now.s))
		return NULL;
	int n = sl_channel_data_len(header, bytes);
	*why = SL_DROP_channel_malformed;
	if (unlikely(n < 0))
		return NULL;
	*len = (unsigned)n;
	uint32_t at = sl_peer_by_channel(s, a, sl_channel_number(header));
	*why = SL_DROP_no_channel;
	if (unlikely(at == SL_NONE || s->peers[at].channel_expires_s <= w->now.s))
		return NULL;
	*why = SL_DROP_no_permission;
	if (unlikely(s->peers[at].permission_expires_s <= w->now.s))
		return NULL;
	*why = SL_DROP_peer_forbidden;
	return likely(sl_turn_is_judged(&w->turn, &s->peers[at])) ? &s->peers[at] : NULL;
}

struct sl_peer *sl_channel_peer(struct sl_worker *w, uint32_t alloc, const uint8_t *header, unsigned bytes, unsigned *len, enum sl_drop *why)
{
	return channel_peer(w, alloc, header, bytes, len, why);
}

/* RFC 8656 12.6: what is not for a bound channel, or longer than its datagram, is discarded silently. */
void sl_channel_to_peer(struct sl_worker *w, struct sl_pkt *p)
{
	uint8_t *header = p->udp + 8;
	enum sl_drop why;
	unsigned len;
	struct sl_peer *peer = channel_peer(w, p->alloc, header, p->payload_len, &len, &why);
	if (unlikely(!peer))
		goto drop;
	struct sl_alloc *a = &w->sessions.allocs[p->alloc];
	struct sl_out o = {.m = p->m,
		.payload = header + SL_CHANNEL_HEADER_BYTES,
		.payload_len = (uint16_t)len,
		.dst = {.ip = peer->ip, .port_be = peer->port_be}};
	why = SL_DROP_ttl_expired;
	if (unlikely(!sl_carry_header_fields(&o, p)))
		goto drop;
	checksum_from(&o, p);
	uint32_t channel_header;
	memcpy(&channel_header, header, 4);
	o.acc += sl_sub32(channel_header);
	unsigned beyond = p->payload_len - SL_CHANNEL_HEADER_BYTES - len;
	if (unlikely(beyond))
		o.acc += sl_sub16(sl_sum_fold(sl_sum_bytes_at(o.payload + len, beyond, len)));
	sl_relay_to_peer(w, &o, a, peer);
	return;
drop:
	sl_drop(w, p->m, why);
}

/* Make o a Data indication (RFC 8656 11.4): its attributes before the data as head, padding behind. */
static bool wrap_data_indication(struct sl_worker *w, struct sl_out *o, const struct sl_pkt *p)
{
	struct sl_stun_builder b;
	uint64_t tid[2] = {sl_prng_next(&w->sessions.prng), sl_prng_next(&w->sessions.prng)};
	sl_stun_begin(&b, o->head, sizeof o->head, SL_TURN_DATA, SL_STUN_INDICATION, (const uint8_t *)tid);
	const struct sl_endpoint peer = sl_turn_outward(&w->turn, &p->src);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_PEER_ADDRESS, &peer);
	unsigned len = o->payload_len, padding = -len & 3;
	uint16_t attr[2] = {htons(SL_ATTR_DATA), htons((uint16_t)len)};
	memcpy(o->head + b.len, attr, 4);
	o->head_len = (uint8_t)(b.len + 4);
	uint16_t total = htons((uint16_t)(o->head_len - SL_STUN_HEADER_BYTES + len + padding));
	memcpy(o->head + 2, &total, 2);
	uint8_t *end = o->payload + len;
	if (end + padding > (uint8_t *)o->m->buf_addr + o->m->buf_len)
		return false;
	memset(end, 0, padding);
	o->payload_len = (uint16_t)(len + padding);
	o->acc += sl_sum_bytes(o->head, o->head_len);
	return true;
}

/* Its checksum ends here, so it is looked at; and the data is padded by whoever frames it (streams.c). Consumes o->m; false: it did not leave. */
static bool send_to_stream(struct sl_worker *w, const struct sl_pkt *p, const struct sl_alloc *a, const struct sl_out *o)
{
	if (!sl_udp_checksum_ok(p)) {
		sl_drop(w, o->m, SL_DROP_bad_l4_checksum);
		return false;
	}
	bool sent = sl_streams_send(w, &a->client, o->head, o->head_len, o->payload, o->payload_len);
	rte_pktmbuf_free(o->m);
	return sent;
}

/* A packet to a relay port: from a peer with a permission it goes to the client (RFC 8656 11.3, 12.7). */
void sl_channel_to_client(struct sl_worker *w, struct sl_pkt *p)
{
	struct sl_sessions *s = &w->sessions;
	enum sl_drop why = SL_DROP_no_allocation;
	if (unlikely(p->alloc == SL_NONE))
		goto drop;
	struct sl_alloc *a = &s->allocs[p->alloc];
	if (unlikely(a->expires_s <= w->now.s))
		goto drop;
	uint32_t at = sl_peer_by_endpoint(s, a, &p->src);
	why = SL_DROP_no_permission;
	if (unlikely(at == SL_NONE || s->peers[at].permission_expires_s <= w->now.s))
		goto drop;
	why = SL_DROP_peer_forbidden;
	if (unlikely(!sl_turn_is_judged(&w->turn, &s->peers[at])))
		goto drop;
	if (sl_turn_is_limited(w) && !sl_limit_turn(w, p->alloc, SL_METER_OUT, p->payload_len, p, &why))
		goto drop;
	const struct sl_peer *peer = &s->peers[at];
	struct sl_out o = {.m = p->m,
		.payload = p->udp + 8,
		.payload_len = p->payload_len,
		.src = w->turn.listeners[a->client.listener],
		.dst = {.ip = a->client.ip, .port_be = a->client.port_be},
		.nh = &a->nh};
	why = SL_DROP_ttl_expired;
	if (unlikely(!sl_carry_header_fields(&o, p)))
		goto drop;
	checksum_from(&o, p);
	if (likely(peer->channel && peer->channel_expires_s > w->now.s)) {
		uint32_t header = htonl((uint32_t)peer->channel << 16 | o.payload_len);
		memcpy(o.head, &header, 4);
		o.head_len = SL_CHANNEL_HEADER_BYTES;
		o.acc += header;
	} else {
		why = SL_DROP_too_big;
		if (!wrap_data_indication(w, &o, p))
			goto drop;
	}
	unsigned bytes = p->payload_len;
	if (unlikely(sl_flow_is_stream(&a->client))) {
		if (!send_to_stream(w, p, a, &o))
			return;
	} else if (unlikely(!sl_emit(w, &o))) {
		return;
	}
	count_packet(&a->to_client_packets_lo, &a->to_client_packets_hi);
	a->to_client_bytes += bytes;
	sl_count(w, SL_C_relayed_to_client_packets, 1);
	sl_count(w, SL_C_relayed_to_client_bytes, bytes);
	return;
drop:
	sl_drop(w, p->m, why);
}

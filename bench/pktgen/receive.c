/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/load.h"

#include <string.h>

#include <rte_ethdev.h>

#include "bench/pktgen/neigh.h"
#include "dataplane/wire/stun.h"

void control_input(struct ports *ports, const struct options *o, struct turn_client *client, struct port *port,
	const uint8_t *frame, unsigned len, uint64_t now)
{
	struct frame_udp udp;

	if (neigh_input(ports, o, port, frame, len) || client == NULL)
		return;
	if (frame_parse_udp(frame, len, &udp) == 0 && range_contains(&o->clients, &udp.dst.ip))
		turn_client_input(client, udp.payload, udp.payload_bytes, now);
}

/* Is it what the relay should have wrapped the payload in? Leaves *udp at the payload. */
static bool unwrap(const struct load *l, struct frame_udp *udp, uint32_t session)
{
	uint16_t header[2] = {htons(session_channel(session)), htons((uint16_t)l->o->payload_bytes)};
	struct sl_endpoint peer;
	struct sl_stun m;

	if (!l->o->send) {
		if (memcmp(udp->payload, header, CHANNEL_BYTES) != 0)
			return false;
		udp->payload += CHANNEL_BYTES;
		return true;
	}
	session_peer(l->o, session, &peer);
	if (sl_stun_parse(udp->payload, udp->payload_bytes, &m) != SL_STUN_OK || m.cls != SL_STUN_INDICATION ||
		m.method != (l->o->raw ? SL_TURN_SEND : SL_TURN_DATA) || m.n_peers != 1 || !sl_endpoint_eq(&m.peers[0], &peer) ||
		m.data.len != l->o->payload_bytes)
		return false;
	udp->payload = sl_span_at(&m, m.data);
	return true;
}

/* One frame in SAMPLE: both checksums, all addresses, the channel or the peer, and the filler. */
static bool content_is_right(const struct load *l, const uint8_t *frame, unsigned len, unsigned dir, uint32_t session)
{
	struct frame_udp udp;
	struct sl_endpoint client, peer;

	if (frame_parse_udp(frame, len, &udp) != 0)
		return false;
	if ((dir == PEER_TO_CLIENT) != l->o->raw && !unwrap(l, &udp, session))
		return false;
	for (unsigned i = STAMP_END; i < l->o->payload_bytes; i++)
		if (udp.payload[i] != FILLER)
			return false;
	if (l->o->raw)
		return true;
	session_client(l->o, session, &client);
	session_peer(l->o, session, &peer);
	if (dir == PEER_TO_CLIENT)
		return sl_endpoint_eq(&udp.src, &l->o->server) && sl_endpoint_eq(&udp.dst, &client);
	return sl_endpoint_eq(&udp.dst, &peer) && sl_endpoint_eq(&udp.src, turn_client_relayed(l->client, session));
}

struct arrival {
	const uint8_t *payload; /* NULL: not of the load */
	uint32_t session;
	uint8_t dir;
	bool length_ok;
};

/* Where the payload of an indication begins, in a frame whose UDP payload begins at `at`: behind the head of DATA, in whatever order the relay writes
 * attributes. 0 = nowhere; *end: of the message. */
static unsigned data_at(const uint8_t *frame, unsigned at, unsigned len, unsigned *end)
{
	uint16_t head[2]; /* type, length */

	if (len < at + SL_STUN_HEADER_BYTES || !sl_stun_looks_like(frame + at))
		return 0;
	memcpy(head, frame + at, sizeof head);
	*end = at + SL_STUN_HEADER_BYTES + ntohs(head[1]);
	for (at += SL_STUN_HEADER_BYTES; at + sizeof head <= *end && *end <= len; at += sizeof head + ((ntohs(head[1]) + 3u) & ~3u)) {
		memcpy(head, frame + at, sizeof head);
		if (ntohs(head[0]) == SL_ATTR_DATA)
			return at + (unsigned)sizeof head;
	}
	return 0;
}

/* Recognise a frame of the load by its magic, whatever the relay made of its headers. */
static inline struct arrival recognise(const struct load *l, const uint8_t *frame, unsigned len)
{
	struct arrival a = {0};
	unsigned at, end = 0;
	uint32_t magic;

	if (frame[12] == 0x08 && frame[13] == 0x00 && frame[14] == 0x45)
		at = V4_PAYLOAD_AT;
	else if (frame[12] == 0x86 && frame[13] == 0xdd)
		at = V6_PAYLOAD_AT;
	else
		return a;
	if (len < V6_PAYLOAD_AT)
		return a;
	bool wrapped = (frame[at] & 0xC0) == 0x40;
	at += wrapped ? CHANNEL_BYTES : 0;
	if (l->o->send && (frame[at] & 0xC0) == 0) {
		at = data_at(frame, at, len, &end);
		wrapped = at != 0;
	}
	if (at == 0 || len < at + STAMP_END)
		return a;
	memcpy(&magic, frame + at + PAYLOAD_MAGIC, 4);
	memcpy(&a.session, frame + at + PAYLOAD_SESSION, 4);
	a.session = ntohl(a.session);
	a.dir = magic & 0xff;
	if ((magic & ~0xffu) != PAYLOAD_MAGIC_VALUE || a.dir >= N_DIRECTIONS || a.session >= l->o->sessions)
		return a;
	/* Of an indication DATA need not be the last attribute. */
	a.length_ok = (end != 0 ? len == end : len == at + l->o->payload_bytes) && wrapped == ((a.dir == PEER_TO_CLIENT) != l->o->raw);
	a.payload = frame + at;
	return a;
}

static inline void account(struct load *l, const struct arrival *a, uint64_t now, struct result *r)
{
	uint32_t sequence;
	uint64_t stamp;

	memcpy(&sequence, a->payload + PAYLOAD_STAMP, 4);
	memcpy(&stamp, a->payload + PAYLOAD_TSC, 8);
	r->received_in_time++;
	if (unlikely(!a->length_ok))
		r->bad_length++;
	uint32_t *last = &l->last[a->dir][a->session];
	if (unlikely((int32_t)(sequence - *last) <= 0))
		r->reordered++;
	else
		*last = sequence;
	if (unlikely((uint8_t)(stamp >> RUN_SHIFT) != l->run)) {
		r->stale++;
		return;
	}
	r->dir[a->dir].received++;
	stalls_slot(&l->stalls, stamp & TSC_MASK)->received++;
	histogram_add(&r->latency, (now - stamp) & TSC_MASK);
}

/* Receive from one port; returns how many of the load's frames came. */
static unsigned receive(struct load *l, struct port *port, uint64_t now, struct result *r)
{
	struct rte_mbuf *m[RX_BURST];
	struct arrival a[RX_BURST];
	unsigned total = 0;

	for (unsigned round = 0; round < RX_ROUNDS; round++) {
		unsigned n = rte_eth_rx_burst(port->id, 0, m, RX_BURST);
		for (unsigned i = 0; i < n; i++) {
			a[i] = recognise(l, rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len);
			if (likely(a[i].payload != NULL))
				rte_prefetch0(&l->last[a[i].dir][a[i].session]);
		}
		for (unsigned i = 0; i < n; i++) {
			const uint8_t *frame = rte_pktmbuf_mtod(m[i], uint8_t *);
			if (unlikely(a[i].payload == NULL)) {
				r->other++;
				control_input(l->ports, l->o, l->client, port, frame, m[i]->data_len, now);
				continue;
			}
			if (unlikely(r->received_in_time % SAMPLE == 0)) {
				r->sampled++;
				r->bad_content += !content_is_right(l, frame, m[i]->data_len, a[i].dir, a[i].session);
			}
			account(l, &a[i], now, r);
		}
		rte_pktmbuf_free_bulk(m, n);
		total += n;
		if (n < RX_BURST)
			break;
	}
	return total;
}

unsigned load_receive(struct load *l, uint64_t now, struct result *r)
{
	unsigned n = 0;
	for (unsigned p = 0; p < l->ports->n; p++)
		n += l->media != NULL ? media_receive(l, &l->ports->port[p], now, r)
				      : receive(l, &l->ports->port[p], now, r);
	return n;
}

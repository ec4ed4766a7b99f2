/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/templates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/pktgen/frame.h"
#include "dataplane/wire/stun.h"

enum { ATTRIBUTE_BYTES = 4, RTP_VERSION = 0x80, RTP_SEQUENCE = 2, RAW_RELAY_PORT = 49152, RAW_RELAY_PORTS = 16384 };

static void put_payload(uint8_t *p, unsigned len, unsigned dir, uint32_t session)
{
	uint32_t ssrc = htonl(session), magic = PAYLOAD_MAGIC_VALUE | dir;
	static const uint8_t rtp[PAYLOAD_SESSION] = {RTP_VERSION, 8, 0, 1, 0, 0, 0, 160};

	memset(p, FILLER, len);
	memcpy(p, rtp, sizeof rtp);
	memcpy(p + PAYLOAD_SESSION, &ssrc, 4);
	memcpy(p + PAYLOAD_MAGIC, &magic, 4);
	memset(p + PAYLOAD_STAMP, 0, STAMP_END - PAYLOAD_STAMP);
}

/* What a client sends around its payload: ChannelData, or a Send indication. The transaction id is the session's for ever: nobody answers one. Returns
 * the bytes of the datagram, and where in it the payload stands. */
static unsigned wrap(uint8_t *out, const struct options *o, uint32_t i, unsigned *payload_at)
{
	uint8_t payload[FRAME_MAX], tid[SL_STUN_TID_BYTES] = {0};
	struct sl_stun_builder b;
	struct sl_endpoint peer;

	put_payload(payload, o->payload_bytes, CLIENT_TO_PEER, i);
	if (!o->send) {
		uint16_t header[2] = {htons(session_channel(i)), htons((uint16_t)o->payload_bytes)};
		memcpy(out, header, CHANNEL_BYTES);
		memcpy(out + CHANNEL_BYTES, payload, o->payload_bytes);
		*payload_at = CHANNEL_BYTES;
		return CHANNEL_BYTES + o->payload_bytes;
	}
	session_peer(o, i, &peer);
	memcpy(tid, &i, sizeof i);
	sl_stun_begin(&b, out, FRAME_MAX - FRAME_MAX_HEADERS, SL_TURN_SEND, SL_STUN_INDICATION, tid);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_PEER_ADDRESS, &peer);
	*payload_at = b.len + ATTRIBUTE_BYTES;
	sl_stun_add(&b, SL_ATTR_DATA, payload, o->payload_bytes);
	/* Padding may be anything (RFC 8489 14), and buffers hold filler there. */
	unsigned bytes = (unsigned)sl_stun_end(&b), end = *payload_at + o->payload_bytes;
	if (bytes > end)
		memset(out + end, FILLER, bytes - end);
	return bytes;
}

/* A whole frame with the stamp zero; returns its length and where the payload stands. */
static unsigned make_frame(uint8_t *frame, const struct options *o, const struct ports *ports, unsigned dir,
	uint32_t i, const struct sl_endpoint *relayed, unsigned *payload_at)
{
	const struct port *port = ports->side[dir];
	struct flow flow = {.src_mac = port->mac, .dst_mac = port->next_hop};

	if (dir == CLIENT_TO_PEER) {
		session_client(o, i, &flow.src);
		flow.dst = o->server;
	} else {
		session_peer(o, i, &flow.src);
		flow.dst = *relayed;
	}
	unsigned at = frame_header_bytes(&flow.src.ip), udp_payload = o->payload_bytes;
	*payload_at = 0;
	if (dir == CLIENT_TO_PEER)
		udp_payload = wrap(frame + at, o, i, payload_at);
	else
		put_payload(frame + at, o->payload_bytes, dir, i);
	*payload_at += at;
	return frame_finish(frame, &flow, udp_payload);
}

/* Not the checksum but the sum itself: the words that change are added to it packet by packet. */
static void keep_sum(const struct templates *t, unsigned dir, uint8_t *frame)
{
	uint16_t cksum;

	memcpy(&cksum, frame + t->cksum_at[dir], 2);
	cksum = (uint16_t)~cksum;
	memcpy(frame + t->cksum_at[dir], &cksum, 2);
}

static void make_image(struct templates *t, const struct options *o, const struct ports *ports, unsigned dir, uint32_t i,
	const struct sl_endpoint *relayed)
{
	uint8_t frame[FRAME_MAX] = {0};

	t->frame_bytes[dir] = make_frame(frame, o, ports, dir, i, relayed, &t->payload_at[dir]);
	keep_sum(t, dir, frame);
	memcpy((uint8_t *)template_image(t, dir, i), frame, t->image_bytes[dir]);
}

static void invent_relayed(const struct options *o, uint32_t i, struct sl_endpoint *out)
{
	out->ip = o->peers.first; /* of the peers' family; a reflector does not look */
	out->port_be = htons((uint16_t)(RAW_RELAY_PORT + i % RAW_RELAY_PORTS));
}

/* Every buffer holds the filler from its first byte on: images and stamps overwrite the beginning, and a buffer only
 * ever carries frames of one direction and length. */
static void fill_buffer(struct rte_mempool *pool, void *arg, void *obj, unsigned index)
{
	struct rte_mbuf *m = obj;
	memset(rte_pktmbuf_mtod(m, void *), FILLER, m->buf_len - m->data_off);
}

/* xorshift64*: any even spread will do. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545F4914F6CDD1Dull;
}

static void make_order(struct templates *t, const struct options *o)
{
	uint64_t state = o->seed * 0x9E3779B97F4A7C15ull + 1;
	uint32_t n = o->sessions;

	for (uint32_t i = 0; i < n; i++)
		t->order[i] = i;
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t k = (uint32_t)(((unsigned __int128)next_random(&state) * (i + 1)) >> 64);
		uint32_t swap = t->order[i];
		t->order[i] = t->order[k];
		t->order[k] = swap;
	}
	for (uint32_t i = 0; i < LOOKAHEAD; i++)
		t->order[n + i] = t->order[i % n];
}

/* Memory for the images of all sessions, and their order. */
static int templates_start(struct templates *t, const struct options *o, struct ports *ports,
	const struct sl_ip *const family[N_DIRECTIONS])
{
	*t = (struct templates){.order = malloc(((size_t)o->sessions + LOOKAHEAD) * sizeof *t->order)};
	for (unsigned dir = 0; dir < N_DIRECTIONS; dir++) {
		t->image_bytes[dir] = sl_ip_is_v4(family[dir]) && !(o->send && dir == CLIENT_TO_PEER) ? IMAGE_V4_BYTES : IMAGE_V6_BYTES;
		t->cksum_at[dir] = frame_header_bytes(family[dir]) - 2;
		t->images[dir] = aligned_alloc(IMAGE_V6_BYTES,
			((size_t)o->sessions * t->image_bytes[dir] + IMAGE_V6_BYTES - 1) & ~(size_t)(IMAGE_V6_BYTES - 1));
		rte_mempool_obj_iter(ports->tx_pool[dir], fill_buffer, NULL);
	}
	if (t->order == NULL || t->images[0] == NULL || t->images[1] == NULL) {
		fprintf(stderr, "sluice-pktgen: no memory for the templates of %u sessions\n", o->sessions);
		templates_free(t);
		return -1;
	}
	make_order(t, o);
	return 0;
}

int templates_make(struct templates *t, const struct options *o, struct ports *ports, const struct turn_client *client)
{
	const struct sl_ip *const family[N_DIRECTIONS] = {&o->server.ip, &o->peers.first};

	if (templates_start(t, o, ports, family) != 0)
		return -1;
	for (uint32_t i = 0; i < o->sessions; i++) {
		struct sl_endpoint relayed;
		if (o->raw)
			invent_relayed(o, i, &relayed);
		else
			relayed = *turn_client_relayed(client, i);
		make_image(t, o, ports, CLIENT_TO_PEER, i, &relayed);
		make_image(t, o, ports, PEER_TO_CLIENT, i, &relayed);
	}
	return 0;
}

static void make_media_image(struct templates *t, const struct ports *ports, const struct media *media, unsigned dir,
	uint32_t i)
{
	const struct plan_stream *s = &media->plan->streams[dir][i];
	const struct port *port = ports->side[dir];
	struct flow flow = {.src_mac = port->mac, .dst_mac = port->next_hop, .src = s->from, .dst = s->to};
	uint8_t frame[FRAME_MAX] = {0};
	unsigned at = frame_header_bytes(&s->from.ip);

	bool encrypted = s->key.suite != SL_SRTP_NONE;
	if (!encrypted)
		put_payload(frame + at, media->rtp_bytes, dir, media_ssrc(dir, i));
	memset(frame + at + RTP_SEQUENCE, 0, PAYLOAD_SESSION - RTP_SEQUENCE);
	t->payload_at[dir] = at;
	t->frame_bytes[dir] = frame_finish(frame, &flow, media->sent_bytes[dir]);
	keep_sum(t, dir, frame);
	if (encrypted)
		put_payload(frame + at, media->rtp_bytes, dir, media_ssrc(dir, i));
	memcpy((uint8_t *)template_image(t, dir, i), frame, t->image_bytes[dir]);
}

int templates_make_media(struct templates *t, const struct options *o, struct ports *ports, const struct media *media)
{
	const struct plan *p = media->plan;
	const struct sl_ip *const first = &p->streams[0][0].from.ip;
	const struct sl_ip *const family[N_DIRECTIONS] = {
		first, p->n_streams[1] != 0 ? &p->streams[1][0].from.ip : first};

	if (templates_start(t, o, ports, family) != 0)
		return -1;
	for (unsigned dir = 0; dir < N_DIRECTIONS; dir++)
		for (uint32_t i = 0; i < p->n_streams[dir]; i++)
			make_media_image(t, ports, media, dir, i);
	return 0;
}

void templates_free(struct templates *t)
{
	free(t->order);
	free(t->images[0]);
	free(t->images[1]);
	*t = (struct templates){0};
}

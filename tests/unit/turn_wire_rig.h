/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What a worker says to others than the client at hand: orders to stream threads, late answers and indications, five-tuples that moved. Beside turn_rig.h. */

#include "dataplane/path/turn_tcp.h"
#include "dataplane/session/moved.h"
#include "dataplane/stream/stream.h"
#include "tests/unit/turn_rig.h"

enum { WIRE_MAX = 128, WIRE_CONNECTIONS = 8 };

static struct {
	struct sl_stream_record order[WIRE_MAX];
	unsigned n_orders;
	struct {
		struct sl_flow to;
		uint8_t msg[1280];
		unsigned len;
	} told[WIRE_MAX];
	unsigned n_told;
	bool full;         /* rings have no room */
	unsigned full_to;  /* those of these threads, by bits */
	bool no_room;      /* for moved five-tuples */
	struct sl_moved moved;
	struct sl_turn_tcp tcp[RIG_WORKERS];
	struct sl_stun heard; /* the last message told */
} wire;

static inline bool wire_order(void *ctx, const struct sl_stream_record *r)
{
	if (wire.full || (wire.full_to >> sl_flow_thread(&r->flow) & 1))
		return false;
	if (wire.n_orders == WIRE_MAX)
		abort();
	wire.order[wire.n_orders++] = *r;
	return true;
}

static inline bool wire_tell(void *ctx, const struct sl_flow *f, const uint8_t *msg, unsigned len, const struct sl_stream_record *then)
{
	if (then && !wire_order(ctx, then))
		return false;
	if (wire.n_told == WIRE_MAX || len > sizeof wire.told[0].msg)
		abort();
	wire.told[wire.n_told].to = *f;
	wire.told[wire.n_told].len = len;
	memcpy(wire.told[wire.n_told++].msg, msg, len);
	return true;
}

/* The worker is not told apart: the table says who owns a flow, and tests ask it. */
static inline bool wire_moved(void *ctx, const struct sl_flow *f, bool here)
{
	if (wire.no_room && here)
		return false;
	if (here)
		return sl_moved_set(&wire.moved, f, 1);
	sl_moved_unset(&wire.moved, f, 1);
	return true;
}

/* After rig_open() and rig_start(). */
static inline void wire_attach(struct rig *r)
{
	for (unsigned w = 0; w < r->n_workers; w++) {
		r->turn[w].order = wire_order;
		r->turn[w].tell = wire_tell;
		r->turn[w].moved = wire_moved;
		r->turn[w].tcp = &wire.tcp[w];
	}
}

static inline void wire_open(struct rig *r)
{
	static const struct sl_siphash_key key = {1, 2};

	memset(&wire, 0, sizeof wire);
	if (sl_moved_init(&wire.moved, 100, &key, rig_zalloc) != 0)
		abort();
	for (unsigned w = 0; w < r->n_workers; w++)
		if (sl_turn_tcp_init(&wire.tcp[w], WIRE_CONNECTIONS, rig_zalloc) != 0)
			abort();
	wire_attach(r);
}

static inline void wire_close(struct rig *r)
{
	free(wire.moved.words);
	for (unsigned w = 0; w < RIG_WORKERS; w++) {
		free(wire.tcp[w].connections);
		free(wire.tcp[w].buckets);
		free(wire.tcp[w].owed);
	}
}

/* The last message told, parsed. */
static inline const struct sl_stun *wire_heard(void)
{
	if (wire.n_told == 0 ||
		sl_stun_parse(wire.told[wire.n_told - 1].msg, wire.told[wire.n_told - 1].len, &wire.heard) != SL_STUN_OK)
		abort();
	return &wire.heard;
}

static inline const struct sl_stream_record *wire_last(void)
{
	if (wire.n_orders == 0)
		abort();
	return &wire.order[wire.n_orders - 1];
}

/* A client that comes by a stream thread. */
static inline struct client stream_client_at(struct rig *r, const char *from, unsigned over, unsigned slot)
{
	struct client c = client_at(r, from, 0);

	c.flow.transport = sl_stream_transport(over, 0, 0, slot);
	return c;
}

/* The n-th attribute of this type in msg, or NULL. */
static inline const uint8_t *find_attr(const struct sl_stun *m, unsigned type, unsigned n, unsigned *len)
{
	for (unsigned at = SL_STUN_HEADER_BYTES; at + 4 <= m->len;) {
		unsigned t = m->raw[at] << 8 | m->raw[at + 1];
		*len = m->raw[at + 2] << 8 | m->raw[at + 3];
		if (t == type && n-- == 0)
			return m->raw + at + 4;
		at += 4 + ((*len + 3) & ~3u);
	}
	return NULL;
}

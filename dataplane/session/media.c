/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A worker's tables of media legs: memory, look-up, routes, the end of a leg, and what is told about it. */

#include "dataplane/session/media.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/session/media_internal.h"

_Static_assert(sizeof(struct sl_leg_rx) + sizeof(struct sl_leg_tx) + sizeof(struct sl_leg_crypto) +
	sizeof(struct sl_leg_more) + sizeof(struct sl_cold_leg) + (SL_SRTP_KEYS_MAX + 1) * SL_SRTP_CONTEXT_SMALL +
	SL_SRTP_WINDOW_MIN / 8 + SL_METER_N_DIRECTIONS * sizeof(struct sl_meter) + 2 * sizeof(uint32_t) <= 2048, "a leg with its AES-CM contexts and records takes 2 KiB at most");

const uint32_t sl_media_clocks[SL_MEDIA_N_CLOCKS] = {8000, 16000, 48000, 90000, 44100, 32000, 24000, 11025, 22050, 12000, 1000,
	96000, 192000, 88200, 64000, 6400};

static void *heap_zalloc(const char *what, size_t bytes)
{
	(void)what;
	size_t rounded = (bytes + 63) & ~(size_t)63;
	void *p = aligned_alloc(64, rounded ? rounded : 64);
	return p ? memset(p, 0, rounded) : NULL;
}

static int allocate(struct sl_media *m, void *(*zalloc)(const char *what, size_t bytes))
{
	size_t words = m->window_bits / 64, n = m->n_legs, none = 0;
	m->rx = zalloc("media legs", n * sizeof *m->rx);
	m->tx = zalloc("media legs", n * sizeof *m->tx);
	m->crypto = zalloc("media legs", n * sizeof *m->crypto);
	m->more = zalloc("media legs", n * sizeof *m->more);
	m->meters = zalloc("meters of legs", n * sizeof *m->meters);
	m->contexts = zalloc("SRTP contexts", n * (SL_SRTP_KEYS_MAX + 1) * SL_SRTP_CONTEXT_SMALL);
	m->windows = zalloc("SRTP replay windows", (n + m->n_streams) * words * sizeof *m->windows);
	m->streams = zalloc("SSRCs", (m->n_streams ? m->n_streams : 1) * sizeof *m->streams);
	m->routes = zalloc("media routes", m->n_routes * sizeof *m->routes);
	m->large = zalloc("large SRTP contexts", m->n_large ? (size_t)m->n_large * m->large_bytes : 64);
	m->ports.leg = zalloc("media ports", (size_t)m->n_addresses * 65536 * sizeof *m->ports.leg);
	none = !m->rx + !m->tx + !m->crypto + !m->more + !m->meters + !m->contexts + !m->windows + !m->streams + !m->routes + !m->large +
		!m->ports.leg;
	return none ? -ENOMEM : 0;
}

static void link_free(struct sl_media *m)
{
	m->free = SL_NONE;
	for (uint32_t i = m->n_legs; i-- > 0;) {
		m->more[i].routes = m->free;
		m->free = i;
	}
	m->route_free = SL_NONE;
	for (uint32_t i = m->n_routes; i-- > 0;) {
		m->routes[i] = (struct sl_media_route){.next_out = m->route_free, .from = SL_NONE};
		m->route_free = i;
	}
	m->large_free = SL_NONE;
	for (uint32_t i = m->n_large; i-- > 0;) {
		memcpy(m->large + (size_t)i * m->large_bytes, &m->large_free, sizeof m->large_free);
		m->large_free = i;
	}
	sl_media_streams_init(m);
}

int sl_media_init(struct sl_media *m, const struct sl_media_params *p)
{
	*m = (struct sl_media){.n_legs = p->n_legs,
		.n_streams = p->n_streams,
		.n_routes = p->n_routes,
		.n_large = p->n_large,
		.large_bytes = (uint32_t)sl_srtp_context_bytes_max(p->srtp),
		.n_addresses = p->n_addresses,
		.worker = p->worker,
		.n_workers = p->n_workers,
		.window_bits = p->window_bits,
		.port_min = p->port_min,
		.port_max = p->port_max,
		.srtp = p->srtp};
	int rc = allocate(m, p->zalloc ? p->zalloc : heap_zalloc);
	if (rc < 0)
		return rc;
	memset(m->ports.leg, 0xff, (size_t)m->n_addresses * 65536 * sizeof *m->ports.leg);
	memcpy(&m->prng.key, p->seed, sizeof m->prng.key);
	m->prng.key.k0 ^= p->worker;
	m->print_key = (struct sl_siphash_key){sl_prng_next(&m->prng), sl_prng_next(&m->prng)};
	link_free(m);
	if (!p->cold)
		return 0;
	m->print_key = p->cold->print_key;
	m->cold = sl_cold_media_view(p->cold, p->worker, p->n_workers);
	sl_media_restore(m);
	return 0;
}

uint32_t sl_media_leg(const struct sl_media *m, const struct sl_leg_ref *ref)
{
	bool rtcp;
	if (ref->address >= m->n_addresses)
		return SL_NONE;
	uint32_t leg = sl_media_find(m, ref->address, ref->port, &rtcp);
	if (leg == SL_NONE || rtcp || m->more[leg].id != ref->id || !(m->rx[leg].state & SL_RX_USED))
		return SL_NONE;
	return leg;
}

/* ---- routes ---- */

/* What the hot line knows of the routes: one target of this worker, or "look at the list". */
static void note_dest(struct sl_media *m, uint32_t leg)
{
	uint32_t first = m->more[leg].routes;
	int32_t dest = SL_DEST_NONE;
	if (first != SL_NONE) {
		const struct sl_media_route *r = &m->routes[first];
		dest = r->next_out == SL_NONE && r->to != SL_NONE ? (int32_t)r->to : SL_DEST_MANY;
	}
	m->rx[leg].dest = dest;
}

static void unlink_in(struct sl_media *m, uint32_t route)
{
	uint32_t to = m->routes[route].to, *at;
	if (to == SL_NONE)
		return;
	for (at = &m->more[to].routes_in; *at != route; at = &m->routes[*at].next_in)
		;
	*at = m->routes[route].next_in;
}

static void unlink_out(struct sl_media *m, uint32_t route)
{
	uint32_t from = m->routes[route].from, *at;
	for (at = &m->more[from].routes; *at != route; at = &m->routes[*at].next_out)
		;
	*at = m->routes[route].next_out;
	note_dest(m, from);
}

static void route_free(struct sl_media *m, uint32_t route)
{
	unlink_in(m, route);
	unlink_out(m, route);
	m->routes[route] = (struct sl_media_route){.next_out = m->route_free, .from = SL_NONE};
	m->route_free = route;
}

static uint32_t route_find(const struct sl_media *m, uint32_t from, const struct sl_leg_ref *to)
{
	uint32_t r = m->more[from].routes;
	while (r != SL_NONE && (m->routes[r].ref.id != to->id || m->routes[r].ref.port != to->port ||
				       m->routes[r].ref.address != to->address))
		r = m->routes[r].next_out;
	return r;
}

int sl_media_route_add(struct sl_media *m, unsigned slot, const struct sl_cmd_route *c)
{
	uint32_t from = sl_media_leg(m, &c->from), to = SL_NONE;
	unsigned worker = sl_media_port_worker(c->to.port, m->n_workers);
	if (from == SL_NONE || m->more[from].slot != slot || c->to.address >= m->n_addresses)
		return -ENOENT;
	if (worker == m->worker && (to = sl_media_leg(m, &c->to)) == SL_NONE)
		return -ENOENT;
	if (route_find(m, from, &c->to) != SL_NONE)
		return 0;
	uint32_t at = m->route_free;
	if (at == SL_NONE)
		return -ENOSPC;
	struct sl_media_route *r = &m->routes[at];
	m->route_free = r->next_out;
	*r = (struct sl_media_route){.next_out = m->more[from].routes,
		.next_in = SL_NONE,
		.from = from,
		.to = to,
		.ref = c->to,
		.worker = (uint8_t)worker};
	m->more[from].routes = at;
	if (to != SL_NONE) {
		r->next_in = m->more[to].routes_in;
		m->more[to].routes_in = at;
	}
	note_dest(m, from);
	return 0;
}

int sl_media_route_delete(struct sl_media *m, unsigned slot, const struct sl_cmd_route *c)
{
	uint32_t from = sl_media_leg(m, &c->from);
	if (from == SL_NONE || m->more[from].slot != slot)
		return -ENOENT;
	uint32_t r = route_find(m, from, &c->to);
	if (r == SL_NONE)
		return -ENOENT;
	route_free(m, r);
	return 0;
}

/* ---- the end of a leg ---- */

static void ports_clear(struct sl_media *m, const struct sl_leg_more *more, unsigned address)
{
	uint32_t *ports = m->ports.leg + ((size_t)address << 16);
	ports[more->rtp_port] = SL_NONE;
	if (more->rtcp_port)
		ports[more->rtcp_port] = SL_NONE;
}

void sl_media_leg_delete(struct sl_media *m, uint32_t leg)
{
	struct sl_leg_more *more = &m->more[leg];
	bool used = m->rx[leg].state & SL_RX_USED;
	while (used && more->routes != SL_NONE)
		route_free(m, more->routes);
	while (used && more->routes_in != SL_NONE)
		route_free(m, more->routes_in);
	sl_media_keys_end(m, leg);
	sl_media_streams_end(m, leg);
	sl_media_cold_end(m, leg);
	ports_clear(m, more, m->tx[leg].address);
	explicit_bzero(more, sizeof *more);
	memset(&m->rx[leg], 0, sizeof m->rx[leg]);
	memset(&m->tx[leg], 0, sizeof m->tx[leg]);
	more->routes = m->free;
	m->free = leg;
	m->n_active -= used;
}

/* ---- telling ---- */

uint8_t sl_media_clock(const struct sl_leg_more *more, uint8_t pt)
{
	uint32_t hz = sl_rtp_static_clock(pt);
	for (unsigned i = 0; i < more->n_clocks; i++)
		if (more->clocks[i] >> 24 == pt)
			hz = more->clocks[i] & 0xffffff;
	for (uint8_t i = 0; i < SL_MEDIA_N_CLOCKS; i++)
		if (sl_media_clocks[i] == hz)
			return i;
	return 0;
}

static uint32_t lost_of(const struct sl_leg_rx *rx)
{
	uint32_t expected = (uint32_t)sl_leg_rx_index(rx) - rx->base + 1;
	return (rx->state & SL_RX_STARTED) && (int32_t)(expected - rx->packets) > 0 ? expected - rx->packets : 0;
}

static uint32_t in_us(uint32_t units, uint32_t hz)
{
	return hz ? (uint32_t)((uint64_t)units * 1000000 / hz) : 0;
}

void sl_media_describe(const struct sl_media *m, uint32_t leg, uint64_t now_ms, struct sl_evt_leg *e)
{
	const struct sl_leg_rx *rx = &m->rx[leg];
	const struct sl_leg_tx *tx = &m->tx[leg];
	const struct sl_leg_more *more = &m->more[leg];
	const struct sl_leg_rtcp *rtcp = &more->rtcp_state;
	bool heard = more->first_ms || rx->bytes;
	*e = (struct sl_evt_leg){.leg = {.id = more->id, .port = more->rtp_port, .address = tx->address},
		.worker = (uint8_t)m->worker,
		.locked = (rx->state & SL_RX_LOCKED) != 0,
		.flags = (uint8_t)((rx->state & SL_RX_SECURE ? SL_LEG_SECURE_IN : 0) |
			(tx->state & SL_TX_SECURE ? SL_LEG_SECURE_OUT : 0)),
		.remote_rtp = {tx->ip, tx->port_be},
		.remote_rtcp = more->rtcp,
		.rx_packets = more->rx_packets_past + rx->packets,
		.rx_bytes = rx->bytes,
		.tx_packets = sl_media_tx_packets(m, leg),
		.tx_bytes = sl_media_tx_bytes(m, leg),
		.rx_dropped = more->rx_dropped,
		.auth_failures = more->auth_failures,
		.replays = more->replays,
		.strangers = more->strangers,
		.rx_ssrc = rx->ssrc,
		.tx_ssrc = tx->ssrc,
		.rx_lost = lost_of(rx),
		.rx_jitter_us = in_us(rx->jitter_q4 / 16, sl_media_clocks[rx->clock]),
		.rtt_us = rtcp->rtt_us,
		.peer_lost = rtcp->peer_lost,
		.peer_jitter_us = in_us(rtcp->peer_jitter, rtcp->peer_clock_hz),
		.peer_fraction = rtcp->peer_fraction,
		.rx_pt = rx->pt,
		.n_ssrc = more->n_ssrc,
		.idle_ms = heard ? (uint32_t)now_ms - rx->last_ms : UINT32_MAX,
		.age_s = ((uint32_t)now_ms - more->created_ms) / 1000,
		.rtcp_in = rtcp->packets_in,
		.rtcp_out = rtcp->packets_out,
		.dtmf_event = more->dtmf_rx.told.event,
		.dtmf_volume = more->dtmf_rx.told.volume,
		.dtmf_ms = more->dtmf_rx.told.ms};
}

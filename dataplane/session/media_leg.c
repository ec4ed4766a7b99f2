/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* LEG_SET: a leg is made, or brought to what the command says. What can fail comes first; from then on nothing does. */

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/session/media_internal.h"

static int refuse(int error, char *text, size_t text_len, const char *why)
{
	snprintf(text, text_len, "%s", why);
	return error;
}

static bool is_ours(const struct sl_media *m, uint16_t port)
{
	return port >= m->port_min && port <= m->port_max && sl_media_port_worker(port, m->n_workers) == m->worker;
}

static int check_place(const struct sl_media *m, unsigned slot, const struct sl_cmd_leg *c, char *text, size_t text_len)
{
	if (c->leg.id >> SL_LEG_SLOT_SHIFT != slot)
		return refuse(-EPERM, text, text_len, "id: its top bits are not the client's slot");
	if (c->leg.address >= m->n_addresses)
		return refuse(-EINVAL, text, text_len, "address: not one of media.addresses");
	if (!is_ours(m, c->leg.port))
		return refuse(-EINVAL, text, text_len, "port: not one of this worker's media ports");
	if (c->rtcp_port && !is_ours(m, c->rtcp_port))
		return refuse(-EINVAL, text, text_len, "rtcp_port: not one of this worker's media ports");
	return 0;
}

/* Who has the port? *leg: the leg if it is this command's; SL_NONE when it is free. A leg from before a restart that
 * nobody has claimed gives way. */
static int check_port(struct sl_media *m, const struct sl_cmd_leg *c, uint16_t port, uint32_t *leg)
{
	bool rtcp;
	uint32_t at = sl_media_find(m, c->leg.address, port, &rtcp);
	*leg = SL_NONE;
	if (at == SL_NONE)
		return 0;
	if (m->more[at].id == c->leg.id) {
		*leg = at;
		return 0;
	}
	if (m->rx[at].state & SL_RX_USED)
		return -EADDRINUSE;
	sl_media_leg_delete(m, at);
	return 0;
}

static void ports_enter(struct sl_media *m, uint32_t leg, const struct sl_cmd_leg *c)
{
	uint32_t *ports = m->ports.leg + ((size_t)c->leg.address << 16);
	struct sl_leg_more *more = &m->more[leg];
	if (more->rtcp_port && more->rtcp_port != c->rtcp_port)
		ports[more->rtcp_port] = SL_NONE;
	more->rtp_port = c->leg.port;
	more->rtcp_port = c->rtcp_port;
	ports[c->leg.port] = leg << 1;
	if (c->rtcp_port)
		ports[c->rtcp_port] = leg << 1 | 1;
}

static uint32_t make(struct sl_media *m, const struct sl_cmd_leg *c, uint64_t now_ms)
{
	uint32_t leg = m->free;
	if (leg == SL_NONE)
		return SL_NONE;
	m->free = m->more[leg].routes;
	m->more[leg] = (struct sl_leg_more){.id = c->leg.id,
		.routes = SL_NONE,
		.routes_in = SL_NONE,
		.streams_rx = SL_NONE,
		.streams_tx = SL_NONE,
		.created_ms = (uint32_t)now_ms};
	m->rx[leg] = (struct sl_leg_rx){.dest = SL_DEST_NONE, .pt = SL_RTP_N_PT, .last_ms = (uint32_t)now_ms};
	m->tx[leg] = (struct sl_leg_tx){.address = c->leg.address};
	m->crypto[leg] = (struct sl_leg_crypto){0};
	memset(m->meters[leg], 0, sizeof m->meters[leg]);
	return leg;
}

static bool same_remote(const struct sl_leg_more *more, const struct sl_cmd_leg *c)
{
	return sl_endpoint_eq(&more->given_rtp, &c->remote_rtp) && sl_endpoint_eq(&more->given_rtcp, &c->remote_rtcp) &&
		more->learn == c->learn && sl_ip_eq(&more->learn_ip, &c->learn_ip);
}

static bool is_known(const struct sl_endpoint *e)
{
	return (e->ip.q[0] | e->ip.q[1]) && e->port_be;
}

/* The remote end as given: where we send to until something better is learned. */
static void set_remote(struct sl_media *m, uint32_t leg, const struct sl_cmd_leg *c)
{
	struct sl_leg_rx *rx = &m->rx[leg];
	struct sl_leg_tx *tx = &m->tx[leg];
	struct sl_leg_more *more = &m->more[leg];
	bool known = is_known(&c->remote_rtp), strict = c->flags & SL_LEG_STRICT_SOURCE;
	more->given_rtp = c->remote_rtp;
	more->given_rtcp = c->remote_rtcp;
	more->learn = c->learn;
	more->learn_ip = c->learn_ip;
	tx->ip = rx->ip = c->remote_rtp.ip;
	tx->port_be = rx->port_be = c->remote_rtp.port_be;
	tx->nh = (struct sl_nh_ref){0};
	tx->state = (uint16_t)(known ? tx->state | SL_TX_READY : tx->state & ~SL_TX_READY);
	more->rtcp_nh = (struct sl_nh_ref){0};
	more->rtcp = c->remote_rtcp;
	if (!is_known(&more->rtcp) && known)
		more->rtcp = (struct sl_endpoint){c->remote_rtp.ip,
			c->flags & SL_LEG_RTCP_MUX ? c->remote_rtp.port_be : htons((uint16_t)(ntohs(c->remote_rtp.port_be) + 1))};
	more->candidate_rank = 0;
	more->first_ms = 0;
	more->learning = c->learn != SL_LEARN_OFF;
	rx->state &= (uint16_t)~(SL_RX_LOCKED | SL_RX_ANY);
	if (c->learn == SL_LEARN_OFF)
		rx->state |= strict && known ? SL_RX_LOCKED : SL_RX_ANY;
}

static void set_rewrite(struct sl_media *m, uint32_t leg, const struct sl_cmd_leg *c)
{
	struct sl_leg_tx *tx = &m->tx[leg];
	struct sl_leg_more *more = &m->more[leg];
	if (c->out_ssrc)
		more->out_ssrc = c->out_ssrc;
	while (!more->out_ssrc)
		more->out_ssrc = (uint32_t)sl_prng_next(&m->prng);
	bool rewrite = c->flags & SL_LEG_REWRITE_SSRC;
	if (rewrite == !!(tx->state & SL_TX_REWRITE))
		return;
	tx->state = (uint16_t)(rewrite ? tx->state | SL_TX_REWRITE | SL_TX_RESYNC : tx->state & ~SL_TX_REWRITE);
}

static void set_rest(struct sl_media *m, uint32_t leg, unsigned slot, uint32_t epoch, const struct sl_cmd_leg *c)
{
	struct sl_leg_more *more = &m->more[leg];
	struct sl_leg_tx *tx = &m->tx[leg];
	more->slot = (uint8_t)slot;
	more->meter = c->meter;
	m->rx[leg].state = (uint16_t)(c->meter ? m->rx[leg].state | SL_RX_METERED : m->rx[leg].state & ~SL_RX_METERED);
	tx->state = (uint16_t)(c->meter ? tx->state | SL_TX_METERED : tx->state & ~SL_TX_METERED);
	more->epoch = epoch;
	more->flags = c->flags;
	more->inactivity_ms = c->inactivity_ms;
	more->audio_pt = c->audio_pt;
	more->dtmf_pt = c->dtmf_pt;
	more->dtmf_pt_out = c->dtmf_pt_out;
	more->n_pt_map = c->n_pt_map;
	for (unsigned i = 0; i < c->n_pt_map; i++) {
		more->pt_map[i][0] = c->pt_map[i].from;
		more->pt_map[i][1] = c->pt_map[i].to;
	}
	more->n_clocks = c->n_clocks;
	for (unsigned i = 0; i < c->n_clocks; i++)
		more->clocks[i] = (uint32_t)c->clocks[i].pt << 24 | (c->clocks[i].hz & 0xffffff);
	m->rx[leg].pt = SL_RTP_N_PT; /* its clock is looked up anew */
	tx->dscp = c->dscp;
	tx->local_port_be = htons(c->leg.port);
	tx->state = (uint16_t)(c->flags & SL_LEG_REQUIRE_SRTP ? tx->state | SL_TX_REQUIRE : tx->state & ~SL_TX_REQUIRE);
	set_rewrite(m, leg, c);
}

void sl_media_note_slow(struct sl_media *m, uint32_t leg)
{
	const struct sl_leg_more *more = &m->more[leg];
	enum { RX_SLOW = SL_LEG_BLOCK_MEDIA | SL_LEG_SILENCE_MEDIA | SL_LEG_RAW | SL_LEG_RELEARN };
	bool rx = (more->flags & RX_SLOW) || more->tap_what || more->learning;
	bool tx = more->n_pt_map || more->tap_what || more->play.clip != SL_CLIP_NONE || more->dtmf_tx.n ||
		(more->flags & SL_LEG_RAW);
	m->rx[leg].state = (uint16_t)(rx ? m->rx[leg].state | SL_RX_SLOW : m->rx[leg].state & ~SL_RX_SLOW);
	m->tx[leg].state = (uint16_t)(tx ? m->tx[leg].state | SL_TX_SLOW : m->tx[leg].state & ~SL_TX_SLOW);
}

int sl_media_leg_set(struct sl_media *m, unsigned slot, uint32_t epoch, const struct sl_cmd_leg *c, uint64_t now_ms,
	char *text, size_t text_len)
{
	uint32_t leg, other = SL_NONE;
	int rc = check_place(m, slot, c, text, text_len);
	if (rc < 0)
		return rc;
	if (check_port(m, c, c->leg.port, &leg) < 0 || (c->rtcp_port && check_port(m, c, c->rtcp_port, &other) < 0) ||
		(other != SL_NONE && other != leg))
		return refuse(-EADDRINUSE, text, text_len, "port: another leg has it");
	if (leg != SL_NONE && m->more[leg].rtp_port != c->leg.port)
		return refuse(-EADDRINUSE, text, text_len, "port: it is the RTCP port of this leg");
	bool exists = leg != SL_NONE && (m->rx[leg].state & SL_RX_USED), waited = leg != SL_NONE && !exists;
	if (leg == SL_NONE && (leg = make(m, c, now_ms)) == SL_NONE)
		return refuse(-ENOSPC, text, text_len, "no leg is free: raise media.max_legs");
	if (waited)
		sl_media_adopt_begin(m, leg, now_ms);
	rc = sl_media_keys_set(m, leg, c, text, text_len);
	if (rc < 0) {
		if (!exists && !waited) /* the record of one that waits says which indices are used: it waits on */
			sl_media_leg_delete(m, leg);
		return rc;
	}
	ports_enter(m, leg, c);
	if (!exists || !same_remote(&m->more[leg], c) ||
		((m->more[leg].flags ^ c->flags) & (SL_LEG_RTCP_MUX | SL_LEG_STRICT_SOURCE)))
		set_remote(m, leg, c);
	set_rest(m, leg, slot, epoch, c);
	if (!exists) {
		m->rx[leg].state |= SL_RX_USED;
		m->n_active++;
	}
	if (waited)
		sl_media_adopt(m, leg);
	else
		sl_media_cold_begin(m, leg);
	sl_media_note_slow(m, leg);
	return waited ? 1 : 0;
}

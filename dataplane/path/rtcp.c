/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTCP: authenticated, counted, translated and sent along the routes of its leg (RFC 3550 7.2). A leg that only receives
 * has no routes of its own: what it asks for goes back to where its media comes from, so that a subscriber gets a picture;
 * its reports end here, as those of a thousand subscribers, or of a recorder, are not for the source.
 *
 * Reports are passed on, not made: who sends media says so by its own SR, in the names, times and counts that the other
 * side knows; see ../session/rtcp.h for what is changed. */

#include "dataplane/path/media.h"

#include <errno.h>
#include <netinet/in.h>

#include <rte_udp.h>

#include "dataplane/path/session_limits.h"
#include "dataplane/session/rtcp.h"

enum { TTL = 64 };

/* ---- received ---- */

/* One of the leg's keys, against one packet: 0; -EBADMSG: it is not this one; or what sl_rtcp_replay_check() says. */
static int try_key(struct sl_worker *w, struct sl_leg_rtcp *r, unsigned key, uint8_t *rtcp, uint16_t *len)
{
	uint32_t ssrc = sl_rtcp_sender_ssrc(rtcp, *len), index;
	int64_t claimed = sl_srtcp_index_of(&r->key_in[key], rtcp, *len);
	if (claimed < 0)
		return -EMSGSIZE;
	int rc = sl_rtcp_replay_check(r, key, ssrc, (uint32_t)claimed);
	if (rc < 0)
		return rc;
	rc = sl_srtcp_unprotect(w->media->tables->srtp, &r->key_in[key], rtcp, len, &index);
	if (rc < 0)
		return rc;
	rc = sl_rtcp_replay_check(r, key, ssrc, index);
	if (rc == 0)
		sl_rtcp_replay_commit(r, key, ssrc, index);
	return rc;
}

static enum sl_drop reason(struct sl_leg_more *more, int rc)
{
	switch (rc) {
	case -EMSGSIZE:
		return SL_DROP_srtp_short;
	case -EEXIST:
		more->replays++;
		return SL_DROP_srtp_replay;
	case -ENOSPC:
		return SL_DROP_rtp_ssrc_limit;
	case -ENOKEY:
		return SL_DROP_srtp_mki;
	default:
		more->auth_failures++;
		return SL_DROP_srtp_auth;
	}
}

/* Old and new key may overlap without MKIs to tell them apart: then both are tried, the second on a copy, as a packet
 * that failed is spoilt. */
static bool authenticate(struct sl_worker *w, uint32_t leg, uint8_t *rtcp, uint16_t *len, enum sl_drop *why)
{
	struct sl_leg_more *more = &w->media->tables->more[leg];
	struct sl_leg_rtcp *r = &more->rtcp_state;
	uint8_t copy[SL_RTCP_BYTES_MAX];
	uint16_t whole = *len;
	int rc = -ENOKEY;
	if (r->key_in[0].suite && r->key_in[1].suite)
		memcpy(copy, rtcp, whole);
	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX; i++) {
		if (!r->key_in[i].suite || !sl_srtcp_mki_is(&r->key_in[i], rtcp, whole))
			continue;
		*len = whole;
		rc = try_key(w, r, i, rtcp, len);
		if (rc == 0) {
			sl_count(w, SL_C_srtcp_unprotected, 1);
			return true;
		}
		if (rc == -EBADMSG && i + 1 < SL_SRTP_KEYS_MAX && r->key_in[i + 1].suite)
			memcpy(rtcp, copy, whole);
	}
	*why = reason(more, rc);
	return false;
}

static bool accepts(struct sl_worker *w, uint32_t leg, uint8_t *rtcp, uint16_t *len, enum sl_drop *why)
{
	*why = SL_DROP_rtcp_malformed;
	if (*len > SL_RTCP_BYTES_MAX)
		return false;
	if ((w->media->tables->rx[leg].state & SL_RX_SECURE) && !authenticate(w, leg, rtcp, len, why))
		return false;
	*why = SL_DROP_rtcp_malformed;
	return sl_rtcp_valid(rtcp, *len);
}

/* ---- along the routes ---- */

static void trim(struct rte_mbuf *m, const uint8_t *rtcp, unsigned len)
{
	m->data_off = (uint16_t)(rtcp - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

/* A packet of its own with the same bytes; NULL: no buffer. */
static struct rte_mbuf *copy_of(struct sl_worker *w, const uint8_t *rtcp, unsigned len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);
	if (!m || rte_pktmbuf_tailroom(m) < len) {
		w->drops[SL_DROP_no_mbuf]++;
		rte_pktmbuf_free(m);
		return NULL;
	}
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), rtcp, len);
	trim(m, rte_pktmbuf_mtod(m, uint8_t *), len);
	sl_count(w, SL_C_media_copies, 1);
	return m;
}

/* m, with the compound at rtcp, to the target of a route. in: what m came as, or NULL. */
static void send_along(struct sl_worker *w, const struct sl_media_route *r, struct rte_mbuf *m, uint8_t *rtcp,
	unsigned len, uint8_t turns, const struct sl_pkt *in)
{
	if (r->to != SL_NONE) {
		sl_rtcp_send(w, r->to, m, rtcp, len, turns, in);
		return;
	}
	trim(m, rtcp, len);
	sl_media_hand_over(w, m, &r->ref, r->worker, true, turns);
}

/* To each of the leg's targets; copies but for the last. */
static void route(struct sl_worker *w, uint32_t from, struct sl_pkt *p, uint8_t *rtcp, unsigned len)
{
	const struct sl_media *m = w->media->tables;
	const struct sl_media_route *r = &m->routes[m->more[from].routes];
	for (; r->next_out != SL_NONE; r = &m->routes[r->next_out]) {
		struct rte_mbuf *c = copy_of(w, rtcp, len);
		if (c)
			send_along(w, r, c, rte_pktmbuf_mtod(c, uint8_t *), len, p->turns, NULL);
	}
	send_along(w, r, p->m, rtcp, len, p->turns, p);
}

/* Requests, to each of the leg's sources on this worker. */
static void route_back(struct sl_worker *w, uint32_t to, struct sl_pkt *p, uint8_t *rtcp, unsigned len)
{
	const struct sl_media *m = w->media->tables;
	const struct sl_media_route *r = &m->routes[m->more[to].routes_in];
	len = (unsigned)sl_rtcp_keep_feedback(rtcp, len);
	if (!len) {
		sl_drop(w, p->m, SL_DROP_media_no_route);
		return;
	}
	for (; r->next_in != SL_NONE; r = &m->routes[r->next_in]) {
		struct rte_mbuf *c = copy_of(w, rtcp, len);
		if (c)
			sl_rtcp_send(w, r->from, c, rte_pktmbuf_mtod(c, uint8_t *), len, p->turns, NULL);
	}
	sl_rtcp_send(w, r->from, p->m, rtcp, len, p->turns, p);
}

void sl_rtcp_input(struct sl_worker *w, struct sl_pkt *p, uint32_t leg)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_more *more = &m->more[leg];
	uint8_t *rtcp = p->udp + sizeof(struct rte_udp_hdr);
	uint16_t len = p->payload_len;
	enum sl_drop why;
	if (!sl_media_source_ok(w, leg, &p->src, true)) {
		sl_drop(w, p->m, SL_DROP_media_stranger);
		return;
	}
	if (!accepts(w, leg, rtcp, &len, &why)) {
		sl_media_refuse(w, leg, p->m, why);
		return;
	}
	p->opened = (m->rx[leg].state & SL_RX_SECURE) != 0;
	if (sl_leg_in_is_limited(w, leg) && !sl_limit_leg(w, leg, SL_METER_IN, len, p, &why)) {
		sl_media_refuse(w, leg, p->m, why);
		return;
	}
	sl_media_rtcp_learn(w, leg, &p->src);
	sl_count(w, SL_C_rtcp_in_packets, 1);
	more->rtcp_state.packets_in++;
	m->rx[leg].last_ms = (uint32_t)w->now.ms;
	sl_tap_copy(w, leg, SL_TAP_RECEIVED, SL_BULK_TAP_RTCP, rtcp, len);
	sl_rtcp_take_reports(m, leg, rtcp, len, (uint32_t)w->now_us);
	size_t left = sl_rtcp_from_leg(m, leg, rtcp, len);
	if (more->routes != SL_NONE)
		route(w, leg, p, rtcp, (unsigned)left);
	else if (more->routes_in != SL_NONE)
		route_back(w, leg, p, rtcp, (unsigned)left);
	else
		sl_drop(w, p->m, SL_DROP_media_no_route);
}

/* ---- sent ---- */

/* Fill addresses. False: the remote end is not known. */
static bool aim(struct sl_worker *w, uint32_t leg, struct sl_out *o)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_tx *tx = &m->tx[leg];
	struct sl_leg_more *more = &m->more[leg];
	bool muxed = sl_leg_is_muxed(more);
	o->src.ip = w->dp->config->media.addresses[tx->address].ip;
	o->src.port_be = muxed ? tx->local_port_be : htons(more->rtcp_port);
	o->dst = muxed ? (struct sl_endpoint){tx->ip, tx->port_be} : more->rtcp;
	o->nh = muxed ? &tx->nh : &more->rtcp_nh;
	return o->dst.port_be && (o->dst.ip.q[0] | o->dst.ip.q[1]);
}

/* May anything leave, as far as keys are concerned? SL_N_DROPS: yes. */
static enum sl_drop forbids(struct sl_worker *w, uint32_t leg)
{
	struct sl_leg_tx *tx = &w->media->tables->tx[leg];
	const struct sl_leg_rtcp *r = &w->media->tables->more[leg].rtcp_state;
	bool secure = tx->state & SL_TX_SECURE;
	if ((secure && !r->key_out.suite) || (!secure && (tx->state & SL_TX_REQUIRE)))
		return SL_DROP_srtp_no_key;
	if (secure && r->out > SL_SRTCP_INDEX_MAX && !(tx->state & SL_TX_EXPIRED)) {
		tx->state |= SL_TX_EXPIRED;
		sl_media_event(w, leg, SL_LEG_KEY_EXPIRED);
	}
	return tx->state & SL_TX_EXPIRED ? SL_DROP_srtp_key_expired : SL_N_DROPS;
}

/* The index is spent whatever becomes of the packet. */
static bool protect(struct sl_worker *w, uint32_t leg, struct rte_mbuf *m, uint8_t *rtcp, uint16_t *len,
	enum sl_drop *why)
{
	struct sl_media *t = w->media->tables;
	struct sl_leg_rtcp *r = &t->more[leg].rtcp_state;
	*why = SL_DROP_too_big;
	if (rtcp + *len + SL_SRTCP_TAIL_MAX > (uint8_t *)m->buf_addr + m->buf_len)
		return false;
	if (r->out >= r->out_reserved)
		sl_media_reserve_rtcp(t, leg);
	*why = SL_DROP_internal;
	if (sl_srtcp_protect(t->srtp, &r->key_out, rtcp, len, r->out++) < 0)
		return false;
	sl_count(w, SL_C_srtcp_protected, 1);
	return true;
}

void sl_rtcp_send(struct sl_worker *w, uint32_t leg, struct rte_mbuf *m, uint8_t *rtcp, unsigned len, uint8_t turns,
	const struct sl_pkt *in)
{
	struct sl_media *t = w->media->tables;
	const struct sl_leg_tx *tx = &t->tx[leg];
	struct sl_out o = {.m = m, .payload = rtcp, .cksum = SL_CKSUM_COMPUTE, .ttl = TTL, .turns = turns, .in = in};
	enum sl_drop why = SL_DROP_media_blocked;
	if (t->more[leg].flags & (SL_LEG_NO_RTCP | SL_LEG_RAW))
		goto drop;
	why = SL_DROP_media_no_route;
	if (!aim(w, leg, &o))
		goto drop;
	why = forbids(w, leg);
	if (why != SL_N_DROPS)
		goto drop;
	if (sl_leg_out_is_limited(w, leg) && !sl_limit_leg(w, leg, SL_METER_OUT, len, in, &why))
		goto drop;
	why = SL_DROP_media_blocked; /* nothing but the BYE of a source whose place another takes */
	o.payload_len = (uint16_t)sl_rtcp_to_leg(t, leg, rtcp, len);
	if (!o.payload_len)
		goto drop;
	sl_tap_copy(w, leg, SL_TAP_SENT, SL_BULK_TAP_RTCP, rtcp, o.payload_len);
	sl_rtcp_note_sent(t, leg, rtcp, o.payload_len, (uint32_t)w->now_us);
	if ((tx->state & SL_TX_SECURE) && !protect(w, leg, m, rtcp, &o.payload_len, &why))
		goto drop;
	o.tos = tx->dscp != SL_DSCP_CARRY ? (uint8_t)(tx->dscp << 2) : in ? in->tos : 0;
	o.df = in && in->df;
	if (!sl_emit(w, &o))
		return;
	sl_count(w, SL_C_rtcp_out_packets, 1);
	t->more[leg].rtcp_state.packets_out++;
	return;
drop:
	sl_drop(w, m, why);
}

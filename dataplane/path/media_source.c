/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/path/media_source.h"

#include <netinet/in.h>

enum rank { RANK_STRANGER, RANK_ANY, RANK_SIGNALLING, RANK_ADDRESS, RANK_EXACT };

static bool is_set(const struct sl_ip *ip)
{
	return ip->q[0] | ip->q[1];
}

static enum rank rank_of(const struct sl_leg_more *more, const struct sl_endpoint *src)
{
	if (is_set(&more->given_rtp.ip) && sl_ip_eq(&more->given_rtp.ip, &src->ip))
		return more->given_rtp.port_be == src->port_be ? RANK_EXACT : RANK_ADDRESS;
	if (is_set(&more->learn_ip) && sl_ip_eq(&more->learn_ip, &src->ip))
		return RANK_SIGNALLING;
	return more->flags & SL_LEG_LEARN_ANY ? RANK_ANY : RANK_STRANGER;
}

static bool stranger(struct sl_leg_more *more)
{
	more->strangers++;
	more->rx_dropped++;
	return false;
}

bool sl_media_source_ok(struct sl_worker *w, uint32_t leg, const struct sl_endpoint *src, bool rtcp)
{
	const struct sl_leg_rx *rx = &w->media->tables->rx[leg];
	struct sl_leg_more *more = &w->media->tables->more[leg];
	if (rx->state & SL_RX_ANY)
		return true;
	bool same = sl_ip_eq(&rx->ip, &src->ip);
	if (rx->state & SL_RX_LOCKED) {
		/* RTCP comes from a port of its own, which is learned with it. */
		if (same && (rtcp || rx->port_be == src->port_be))
			return true;
		return (more->flags & SL_LEG_RELEARN) && !rtcp && rank_of(more, src) != RANK_STRANGER ? true : stranger(more);
	}
	return rank_of(more, src) != RANK_STRANGER ? true : stranger(more);
}

bool sl_media_is_moving(const struct sl_media *m, uint32_t leg, const struct sl_endpoint *src)
{
	const struct sl_leg_rx *rx = &m->rx[leg];
	const struct sl_leg_more *more = &m->more[leg];
	if (more->learning)
		return true;
	return (rx->state & SL_RX_LOCKED) && (more->flags & SL_LEG_RELEARN) &&
		(rx->port_be != src->port_be || !sl_ip_eq(&rx->ip, &src->ip));
}

void sl_media_known(struct sl_worker *w, uint32_t leg, bool gone)
{
	const struct sl_media *m = w->media->tables;
	struct sl_known *k = &w->dp->known;
	struct sl_leg_more *more = &m->more[leg];
	uint64_t now = 0;
	if (w->dp->n_workers == 1)
		return;
	if (!gone && is_set(&m->tx[leg].ip))
		now = sl_known_hash_peer(k, &m->tx[leg].ip, SL_KNOWN_MEDIA | m->tx[leg].address, m->tx[leg].local_port_be);
	if (now == more->known)
		return;
	if (more->known)
		sl_known_remove(k, w->index, more->known);
	if (now)
		sl_known_add(k, w->index, now);
	more->known = now;
}

/* Send there from now on. */
static void aim(struct sl_worker *w, uint32_t leg, const struct sl_endpoint *src)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_rx *rx = &m->rx[leg];
	struct sl_leg_tx *tx = &m->tx[leg];
	struct sl_leg_more *more = &m->more[leg];
	bool same_host = sl_ip_eq(&tx->ip, &src->ip);
	rx->ip = tx->ip = src->ip;
	rx->port_be = tx->port_be = src->port_be;
	tx->nh = (struct sl_nh_ref){0};
	tx->state |= SL_TX_READY;
	if (more->flags & SL_LEG_RTCP_MUX)
		more->rtcp = *src;
	else if (!same_host || !is_set(&more->rtcp.ip)) /* until its own RTCP says better */
		more->rtcp = (struct sl_endpoint){src->ip, htons((uint16_t)(ntohs(src->port_be) + 1))};
	more->rtcp_nh = (struct sl_nh_ref){0};
	sl_media_known(w, leg, false);
}

static void lock(struct sl_worker *w, uint32_t leg)
{
	struct sl_media *m = w->media->tables;
	m->rx[leg].state |= SL_RX_LOCKED;
	m->more[leg].learning = false;
	sl_media_note_slow(m, leg);
	sl_media_cold_note(m, leg);
	sl_count(w, SL_C_media_learned, 1);
	sl_media_event(w, leg, SL_LEG_LEARNED);
}

void sl_media_learn(struct sl_worker *w, uint32_t leg, const struct sl_endpoint *src)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_more *more = &m->more[leg];
	uint32_t now = (uint32_t)w->now.ms;
	enum rank rank = rank_of(more, src);
	if (!more->first_ms)
		more->first_ms = now ? now : 1;
	bool waited = now - more->first_ms >= SL_LEARN_WAIT_MS;
	switch (more->learn) {
	case SL_LEARN_DELAYED:
		if (more->learning && !waited && (m->tx[leg].state & SL_TX_READY))
			return;
		aim(w, leg, src);
		if (!more->learning || waited)
			lock(w, leg);
		return;
	case SL_LEARN_HEURISTIC:
		if (more->learning && rank > more->candidate_rank) {
			more->candidate_rank = (uint8_t)rank;
			aim(w, leg, src);
		}
		if (more->learning && !waited && rank != RANK_EXACT)
			return;
		if (!more->learning)
			aim(w, leg, src);
		lock(w, leg);
		return;
	default:
		aim(w, leg, src);
		lock(w, leg);
	}
}

void sl_media_rtcp_learn(struct sl_worker *w, uint32_t leg, const struct sl_endpoint *src)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_more *more = &m->more[leg];
	if (more->learn == SL_LEARN_OFF || (more->flags & SL_LEG_RTCP_MUX) || sl_endpoint_eq(&more->rtcp, src) ||
		!(m->rx[leg].state & SL_RX_LOCKED) || !sl_ip_eq(&m->rx[leg].ip, &src->ip))
		return;
	more->rtcp = *src;
	more->rtcp_nh = (struct sl_nh_ref){0};
	sl_media_cold_note(m, leg);
}

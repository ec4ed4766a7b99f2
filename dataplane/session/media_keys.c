/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A leg's SRTP contexts. A key that is there already keeps its context, its indices and its replay window, whichever place
 * it stands in: so a command may be repeated, and old and new incoming keys overlap while a peer re-keys.
 *
 * RFC 3711 3.3.1: re-keying does not reset the roll-over counter. Peers that negotiate keys by SDES often do reset it, so
 * until something has authenticated under a new incoming key both counts are tried (SL_RX_REKEYED). */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/session/media_internal.h"

enum { SMALL_PER_LEG = SL_SRTP_KEYS_MAX + 1 };

uint64_t sl_media_key_print(const struct sl_media *m, const struct sl_srtp_key *key)
{
	struct sl_srtp_key k = *key;
	if (!k.suite)
		return 0;
	k.lifetime_packets = 0;
	uint64_t print = sl_siphash(&m->print_key, &k, sizeof k);
	explicit_bzero(&k, sizeof k);
	return print ? print : 1;
}

static uint8_t *small_at(const struct sl_media *m, uint32_t leg, unsigned i)
{
	return m->contexts + ((size_t)leg * SMALL_PER_LEG + i) * SL_SRTP_CONTEXT_SMALL;
}

static bool is_large(const struct sl_media *m, const struct sl_srtp_context *ctx)
{
	const uint8_t *p = (const uint8_t *)ctx;
	return p >= m->large && p < m->large + (size_t)m->n_large * m->large_bytes;
}

static struct sl_srtp_context *take_large(struct sl_media *m)
{
	if (m->large_free == SL_NONE)
		return NULL;
	uint8_t *p = m->large + (size_t)m->large_free * m->large_bytes;
	memcpy(&m->large_free, p, sizeof m->large_free);
	memset(p, 0, sizeof m->large_free);
	return (struct sl_srtp_context *)p;
}

static void drop_context(struct sl_media *m, struct sl_srtp_context *ctx)
{
	if (!ctx)
		return;
	sl_srtp_context_end(m->srtp, ctx);
	if (!is_large(m, ctx))
		return;
	memcpy(ctx, &m->large_free, sizeof m->large_free);
	m->large_free = (uint32_t)((size_t)((uint8_t *)ctx - m->large) / m->large_bytes);
}

/* A place of the leg's own that no live context lies in. While contexts are exchanged there may be one too few of them:
 * then a large one serves. */
static struct sl_srtp_context *take_small(struct sl_media *m, uint32_t leg, struct sl_srtp_context *const *live, unsigned n)
{
	for (unsigned i = 0; i < SMALL_PER_LEG; i++) {
		struct sl_srtp_context *p = (struct sl_srtp_context *)small_at(m, leg, i);
		unsigned k = 0;
		while (k < n && live[k] != p)
			k++;
		if (k == n)
			return p;
	}
	return take_large(m);
}

/* The keys of a command with their prints, contexts found or made. */
struct wanted {
	const struct sl_srtp_key *key[SMALL_PER_LEG];
	uint64_t print[SMALL_PER_LEG];
	struct sl_srtp_context *ctx[SMALL_PER_LEG];
	bool made[SMALL_PER_LEG];
};

static void want(struct sl_media *m, const struct sl_cmd_leg *c, struct wanted *w)
{
	*w = (struct wanted){0};
	for (unsigned i = 0; i < SMALL_PER_LEG; i++) {
		w->key[i] = i < SL_SRTP_KEYS_MAX ? &c->key_in[i] : &c->key_out;
		w->print[i] = sl_media_key_print(m, w->key[i]);
	}
	if (w->print[1] == w->print[0]) /* said twice: one context, which is given back once */
		w->print[1] = 0;
}

static void find_kept(struct sl_media *m, uint32_t leg, struct wanted *w)
{
	const struct sl_leg_more *more = &m->more[leg];
	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX; i++)
		for (unsigned k = 0; k < SL_SRTP_KEYS_MAX && w->print[i]; k++)
			if (more->key_in_print[k] == w->print[i] && m->crypto[leg].in[k])
				w->ctx[i] = m->crypto[leg].in[k];
	if (w->print[SL_SRTP_KEYS_MAX] && more->key_out_print == w->print[SL_SRTP_KEYS_MAX])
		w->ctx[SL_SRTP_KEYS_MAX] = m->crypto[leg].out;
}

static int make_missing(struct sl_media *m, uint32_t leg, struct wanted *w, char *text, size_t text_len)
{
	/* Live: what the leg has now, and what is being made. */
	struct sl_srtp_context *live[2 * SMALL_PER_LEG] = {m->crypto[leg].in[0], m->crypto[leg].in[1], m->crypto[leg].out};
	unsigned n = SMALL_PER_LEG;
	for (unsigned i = 0; i < SMALL_PER_LEG; i++) {
		if (!w->print[i] || w->ctx[i])
			continue;
		bool small = sl_srtp_context_bytes(m->srtp, w->key[i]->suite) <= SL_SRTP_CONTEXT_SMALL;
		struct sl_srtp_context *ctx = small ? take_small(m, leg, live, n) : take_large(m);
		if (!ctx) {
			snprintf(text, text_len, "key: no room for another large key: raise media.max_large_keys");
			return -ENOSPC;
		}
		int rc = sl_srtp_context_init(m->srtp, ctx, w->key[i]);
		w->ctx[i] = live[n++] = ctx;
		w->made[i] = true;
		if (rc < 0) {
			snprintf(text, text_len, "key: the suite or its parameters are not supported");
			return rc;
		}
	}
	return 0;
}

/* A key that is gone opens and makes no more RTCP. */
static void install_rtcp(struct sl_media *m, struct sl_srtcp_context *ctx, const struct sl_srtp_key *key)
{
	if (sl_srtcp_context_init(m->srtp, ctx, key) < 0)
		explicit_bzero(ctx, sizeof *ctx);
}

static void install_in(struct sl_media *m, uint32_t leg, const struct wanted *w)
{
	struct sl_leg_more *more = &m->more[leg];
	struct sl_leg_rx *rx = &m->rx[leg];
	bool fresh = false;
	uint64_t kept = 0;
	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX; i++) {
		m->crypto[leg].in[i] = w->ctx[i];
		more->key_in_print[i] = w->print[i];
		fresh |= w->made[i];
		kept = w->ctx[i] && !w->made[i] ? w->print[i] : kept;
		install_rtcp(m, &more->rtcp_state.key_in[i], w->key[i]);
	}
	rx->state = (uint16_t)(w->ctx[0] || w->ctx[1] ? rx->state | SL_RX_SECURE : rx->state & ~SL_RX_SECURE);
	if (!fresh)
		return;
	uint64_t lifetime = w->key[0]->lifetime_packets;
	m->crypto[leg].rx_left = lifetime ? lifetime : SL_SRTP_INDEX_MAX;
	if (!kept) { /* else what the old key let in could come again under it */
		memset(sl_media_window(m, leg), 0, m->window_bits / 8);
		more->rtcp_state.started_in = false;
	}
	more->rekey_kept = kept;
	if (rx->state & SL_RX_STARTED) {
		rx->state |= SL_RX_REKEYED;
		more->rekey_roc = 0;
	}
}

static void install_out(struct sl_media *m, uint32_t leg, const struct wanted *w)
{
	enum { OUT = SL_SRTP_KEYS_MAX };
	struct sl_leg_more *more = &m->more[leg];
	struct sl_leg_crypto *crypto = &m->crypto[leg];
	struct sl_leg_tx *tx = &m->tx[leg];
	crypto->out = w->ctx[OUT];
	more->key_out_print = w->print[OUT];
	install_rtcp(m, &more->rtcp_state.key_out, w->key[OUT]);
	tx->state = (uint16_t)(w->ctx[OUT] ? tx->state | SL_TX_SECURE : tx->state & ~SL_TX_SECURE);
	if (!w->made[OUT])
		return;
	uint64_t lifetime = w->key[OUT]->lifetime_packets;
	tx->state &= (uint16_t)~SL_TX_EXPIRED;
	crypto->tx_left = lifetime ? lifetime : SL_SRTP_INDEX_MAX;
	/* Numbers go on where they are, RTP's and RTCP's (RFC 3711 3.3.1, 3.4), and never back: a key that differs in its MKI or
	 * tag alone makes the same keystream. */
	crypto->tx_window = tx->state & SL_TX_STARTED ? UINT64_MAX : 0;
	crypto->tx_reserved = 0;
	if (more->rtcp_state.out > SL_SRTCP_INDEX_MAX)
		more->rtcp_state.out = 0;
	more->rtcp_state.out_reserved = more->rtcp_state.out;
	if (m->rx[leg].state & SL_RX_USED) /* else it comes back after a restart, and so do its parked SSRCs */
		sl_media_streams_rekeyed(m, leg);
}

static void drop_unused(struct sl_media *m, uint32_t leg, const struct wanted *w)
{
	struct sl_srtp_context *old[SMALL_PER_LEG] = {m->crypto[leg].in[0], m->crypto[leg].in[1], m->crypto[leg].out};
	for (unsigned i = 0; i < SMALL_PER_LEG; i++) {
		unsigned k = 0;
		while (k < SMALL_PER_LEG && w->ctx[k] != old[i])
			k++;
		if (k == SMALL_PER_LEG)
			drop_context(m, old[i]);
	}
}

int sl_media_keys_set(struct sl_media *m, uint32_t leg, const struct sl_cmd_leg *c, char *text, size_t text_len)
{
	struct wanted w;
	want(m, c, &w);
	find_kept(m, leg, &w);
	int rc = make_missing(m, leg, &w, text, text_len);
	if (rc < 0) {
		for (unsigned i = 0; i < SMALL_PER_LEG; i++)
			if (w.made[i])
				drop_context(m, w.ctx[i]);
		return rc;
	}
	drop_unused(m, leg, &w);
	install_in(m, leg, &w);
	install_out(m, leg, &w);
	return 0;
}

void sl_media_keys_end(struct sl_media *m, uint32_t leg)
{
	struct sl_leg_crypto *crypto = &m->crypto[leg];
	for (unsigned i = 0; i < SL_SRTP_KEYS_MAX; i++)
		drop_context(m, crypto->in[i]);
	drop_context(m, crypto->out);
	memset(crypto, 0, sizeof *crypto);
}

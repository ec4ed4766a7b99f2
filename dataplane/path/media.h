/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the stages that handle media.
 *
 *   lookup -> media_in -+-> (srtp unprotect) -> accept -> route -+-> media_out -> (srtp protect) -> emit
 *      kind             |                                        |
 *                       +-> rtcp -> route -----------------------+   hand-over: the target's worker enters at media_out
 *   20 ms wheel -> playout (clips, RFC 4733) --------------------+
 *
 * media_in.c takes a vector through every check before anything is learned or counted as media; media_out.c collects
 * packets for a burst of encryption, then emits. A packet in media_out is a plain RTP packet in an mbuf of its own. */

#include "dataplane/clips.h"
#include "dataplane/path/context.h"
#include "dataplane/session/media.h"
#include "dataplane/wire/rtp.h"

enum { SL_MEDIA_OUT_MAX = SL_SRTP_BURST };

/* A plain RTP packet on its way out of a leg. */
struct sl_media_out {
	struct rte_mbuf *m;
	uint8_t *rtp;        /* in m; SL_SRTP_TAIL_MAX bytes of room behind len are checked by sl_media_send() */
	uint16_t len, header_len;
	uint32_t leg;
	uint64_t acc;        /* one's complement sum of the bytes from rtp on, when cksum says SL_CKSUM_KNOWN */
	enum sl_cksum_mode cksum;
	uint8_t ttl, tos, turns;
	bool df;
	const struct sl_pkt *in; /* NULL = made or copied here */
};

/* Worker's media state beside the tables. */
struct sl_media_work {
	struct sl_media *tables;
	unsigned n_out;
	struct sl_media_out out[SL_MEDIA_OUT_MAX];
	struct sl_playout *playout;  /* playout.c */
	/* [SL_MAX_CLIENTS], = dp->clips: sl_clip_find(rcu_dereference(clips[slot]), number), anew for each frame */
	const struct sl_clip_table *const *clips;
	unsigned listing;            /* clients with a LEG_LIST under way, bit per slot */
	struct {
		uint32_t next, seq;
	} list[SL_MAX_CLIENTS];
	struct {
		uint32_t next, epoch; /* of the client when it began */
		uint8_t slot;
		bool on;
	} sweeping;                  /* LEGS_SWEEP */
	uint32_t sweep;              /* legs looked at for inactivity and cold notes, round robin */
};

/* ---- look-up, in the passes of lookup.c ---- */

static inline void sl_media_locate(struct sl_worker *w, const struct sl_pkt *p)
{
	const struct sl_media *m = w->media->tables;
	rte_prefetch0(&m->ports.leg[(size_t)p->media << 16 | rte_be_to_cpu_16(p->dst.port_be)]);
}

static inline void sl_media_find_leg(struct sl_worker *w, struct sl_pkt *p)
{
	const struct sl_media *m = w->media->tables;
	p->alloc = sl_media_find(m, p->media, rte_be_to_cpu_16(p->dst.port_be), &p->rtcp);
	if (p->alloc != SL_NONE) {
		rte_prefetch0(&m->rx[p->alloc]);
		rte_prefetch0(&m->crypto[p->alloc]);
	}
}

/* Does p come from where its leg's remote end is, as far as that is known? RTCP may have a port of its own. */
static inline bool sl_media_is_from_remote(const struct sl_media *m, const struct sl_pkt *p)
{
	const struct sl_leg_rx *rx = &m->rx[p->alloc];
	return sl_ip_eq(&rx->ip, &p->src.ip) && (p->rtcp || rx->port_be == p->src.port_be);
}

static inline void sl_media_prefetch_target(struct sl_worker *w, uint32_t leg)
{
	const struct sl_media *m = w->media->tables;
	int32_t dest = m->rx[leg].dest;
	if (dest >= 0) {
		rte_prefetch0(&m->tx[dest]);
		rte_prefetch0(&m->crypto[dest]);
	}
}

/* ---- media_in.c ---- */

/* Packets of v whose destination is a media port (p->media is the address index). Consumes all. */
void sl_media_input(struct sl_worker *w, struct sl_pkt **p, unsigned n);
/* Send an accepted plain RTP packet of leg `from` along its routes (copies but for the last). Consumes o->m. */
void sl_media_route(struct sl_worker *w, uint32_t from, struct sl_media_out *o);
/* Is src an acceptable source of leg, for RTCP? Learns nothing. Counts and returns false when it is not. */
bool sl_media_source_ok(struct sl_worker *w, uint32_t leg, const struct sl_endpoint *src, bool rtcp);

/* An RTCP packet from src was accepted, and authenticated where the leg has keys: answers go there from now on, when the leg
 * learns addresses and RTP comes from the same host. */
void sl_media_rtcp_learn(struct sl_worker *w, uint32_t leg, const struct sl_endpoint *src);
/* A packet refused at this leg: counted there and by reason, and freed. */
void sl_media_refuse(struct sl_worker *w, uint32_t leg, struct rte_mbuf *m, enum sl_drop why);

/* ---- media_out.c ---- */

/* Queue o to leave leg o->leg: SSRC, sequence, time and payload type are translated as the leg has it. Consumes o->m. */
void sl_media_send(struct sl_worker *w, struct sl_media_out *o);
/* The common packet: received plain and unchanged, sent plain with the numbers it has. False: leg wants more, nothing is done. */
bool sl_media_pass(struct sl_worker *w, uint32_t leg, const struct sl_pkt *p, uint8_t *rtp, unsigned len);
/* Queue a packet made here (clip, DTMF): header written with the leg's SSRC and next sequence number. payload is copied
 * into a new mbuf. ts_step is added to the last timestamp sent, unless ts is given. False: no buffer, no address, no key. */
bool sl_media_make(struct sl_worker *w, uint32_t leg, uint8_t pt, bool marker, uint32_t ts, const uint8_t *payload,
	unsigned len);
/* The timestamp that media continuing now would have: last sent plus the time since, in units of hz. */
uint32_t sl_media_ts_now(struct sl_worker *w, uint32_t leg, uint32_t hz);
/* Encrypt and emit what is queued. Call at the end of each burst. */
void sl_media_flush(struct sl_worker *w);
/* Packets handed over by the worker whose leg received them: sl_packet() names the leg. */
void sl_media_handed(struct sl_worker *w, struct rte_mbuf **m, unsigned n);
/* Give a plain RTP (or RTCP) packet to the worker of ref. Consumes m; data starts at the RTP header. */
void sl_media_hand_over(struct sl_worker *w, struct rte_mbuf *m, const struct sl_leg_ref *ref, unsigned worker, bool rtcp,
	uint8_t turns);

/* ---- rtcp.c ---- */

/* An RTCP packet to leg: authenticated, checked, counted, translated and sent along the routes. Consumes p->m. */
void sl_rtcp_input(struct sl_worker *w, struct sl_pkt *p, uint32_t leg);
/* A plain compound packet of len bytes at rtcp, in m, to leave leg; in: what m came as, or NULL. Consumes m. */
void sl_rtcp_send(struct sl_worker *w, uint32_t leg, struct rte_mbuf *m, uint8_t *rtcp, unsigned len, uint8_t turns,
	const struct sl_pkt *in);

/* ---- playout.c: clips and generated RFC 4733 ---- */

/* 0 or -ENOMEM. zalloc: as sl_start_zalloc(). Start thread. */
int sl_playout_init(struct sl_worker *w, uint32_t n_legs, void *(*zalloc)(const char *what, size_t bytes));
/* 0 or -ENOENT (no such clip), -EINVAL (not for this leg, or beyond the clip), -ENOSPC (queue full); text says which field. */
int sl_playout_start(struct sl_worker *w, uint32_t leg, const struct sl_cmd_play *c, char *text, size_t text_len);
void sl_playout_stop(struct sl_worker *w, uint32_t leg);
int sl_playout_dtmf(struct sl_worker *w, uint32_t leg, const struct sl_cmd_dtmf *c, char *text, size_t text_len);
/* Is the leg's own media displaced now (clip playing, or DTMF event under way)? */
static inline bool sl_playout_displaces(const struct sl_leg_more *more)
{
	return more->play.clip != SL_CLIP_NONE || more->dtmf_tx.n;
}
/* Once a millisecond: what is due on the wheel. */
void sl_playout_tick(struct sl_worker *w);
/* The leg ends: take it off the wheel. */
void sl_playout_forget(struct sl_worker *w, uint32_t leg);

/* ---- dtmf.c: received RFC 4733 ---- */

/* Look at an event packet (payload as received); posts SL_LEG_DTMF when one ended. */
void sl_dtmf_received(struct sl_worker *w, uint32_t leg, uint32_t ts, const uint8_t *payload, unsigned len);

/* ---- tap.c ---- */

/* Copy a plain RTP or RTCP packet to the leg's tap, when it has one for `what`. */
void sl_tap_copy(struct sl_worker *w, uint32_t leg, unsigned what, enum sl_bulk_kind kind, const uint8_t *packet,
	unsigned len);

/* ---- media_control.c ---- */

/* A validated command for media. 0, or negative errno with text. */
int sl_media_command(struct sl_worker *w, unsigned slot, const struct sl_command *cmd, char *text, size_t text_len);
/* Is a LEGS_SWEEP under way? Commands wait for its end, packets do not. */
static inline bool sl_media_is_sweeping(const struct sl_worker *w)
{
	return w->media && w->media->sweeping.on;
}
/* Tell leg's owner about it. */
void sl_media_event(struct sl_worker *w, uint32_t leg, enum sl_leg_change change);
/* Once a millisecond: listings, inactivity, cold notes. */
void sl_media_tick(struct sl_worker *w);

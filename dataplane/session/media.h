/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Media legs as one worker holds them. Hot: two cache lines a leg (what is received, what is sent), then its crypto.
 * Everything is an index into fixed arrays; nothing is allocated after start. Owner: one worker; nobody else reads or
 * writes these. What must survive a crash is mirrored to cold records (cold_media.h).
 *
 * A leg's two directions follow one SSRC each, kept in the hot lines; further SSRCs (BUNDLE, a change of source) are
 * parked in a pool and swapped in when their packets come. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/abi/msg_media.h"
#include "dataplane/guard/meter.h"
#include "dataplane/session/alloc.h"
#include "dataplane/session/cold_media.h"
#include "dataplane/session/dtmf.h"
#include "dataplane/session/play.h"
#include "dataplane/session/srtp_index.h"
#include "dataplane/wire/rtp.h"
#include "drivers/srtp.h"

enum {
	SL_MEDIA_STREAMS_PER_LEG = 16, /* parked SSRCs, each direction */
	SL_SRTCP_SENDERS = 4,          /* SSRCs that send SRTCP to a leg under one key */
	SL_DEST_NONE = -1,  /* sl_leg_rx.dest: no route */
	SL_DEST_MANY = -2,  /* several, or another worker's: see the list in sl_leg_more.routes */
};

/* State bits of sl_leg_rx.state. */
enum sl_leg_rx_state {
	SL_RX_USED = 1 << 0,
	SL_RX_SECURE = 1 << 1,   /* key_in is set: only what authenticates counts */
	SL_RX_SLOW = 1 << 2,     /* anything out of the ordinary (block, silence, tap, raw, learning): ask sl_leg_more */
	SL_RX_STARTED = 1 << 3,  /* ssrc, roc and seq hold a stream */
	SL_RX_LOCKED = 1 << 4,   /* ip and port are the only acceptable source */
	SL_RX_ANY = 1 << 5,      /* the source is not compared (SL_LEARN_OFF without STRICT_SOURCE) */
	SL_RX_REKEYED = 1 << 6,  /* nothing has authenticated under a new key yet: see sl_leg_more.rekey_roc */
	SL_RX_DOUBT = 1 << 7,    /* something did not authenticate, and there is another key or count to try */
	SL_RX_METERED = 1 << 8,  /* its tenant has a meter: sl_leg_more.meter */
};

struct sl_leg_rx {
	_Alignas(64) struct sl_ip ip; /* acceptable source; where we send to is in sl_leg_tx */
	uint16_t port_be;
	uint16_t state;      /* enum sl_leg_rx_state */
	uint16_t seq;        /* highest received ... */
	uint8_t clock;       /* of pt: index into sl_media_clocks[] */
	uint8_t pt;          /* last payload type; another one takes the slow way: DTMF, comfort noise, a change */
	uint32_t roc;        /* ... with its roll-over count: index = roc << 16 | seq */
	uint32_t ssrc;       /* host order */
	uint32_t base;       /* low 32 bits of the first index: RFC 3550 A.3 base_seq */
	uint32_t packets;    /* of this SSRC */
	uint64_t bytes;      /* of the leg */
	uint32_t jitter_q4;  /* RFC 3550 A.8: scaled by 16, in timestamp units */
	uint32_t transit;    /* arrival - timestamp of the last packet, timestamp units */
	uint32_t last_ms;    /* low 32 bits of the worker's ms */
	int32_t dest;        /* the one leg of this worker that gets it, or SL_DEST_* */
};
_Static_assert(sizeof(struct sl_leg_rx) == 64, "one cache line");

enum sl_leg_tx_state {
	SL_TX_SECURE = 1 << 0,
	SL_TX_REQUIRE = 1 << 1,  /* no key: nothing is sent */
	SL_TX_STARTED = 1 << 2,  /* ssrc, roc and seq hold a stream */
	SL_TX_RESYNC = 1 << 3,   /* the next forwarded packet continues sequence and time: offsets are made anew */
	SL_TX_SLOW = 1 << 4,     /* PT map, rewriting, tap, clip, DTMF gap: ask sl_leg_more */
	SL_TX_READY = 1 << 5,    /* the remote address is known */
	SL_TX_EXPIRED = 1 << 6,  /* the key is used up */
	SL_TX_REWRITE = 1 << 7,  /* whatever arrives leaves as ssrc */
	SL_TX_RESTORED = 1 << 8, /* seq is where reserved indices end: the first packet must not fall below */
	SL_TX_METERED = 1 << 9,  /* its tenant has a meter: sl_leg_more.meter */
};

struct sl_leg_tx {
	_Alignas(64) struct sl_ip ip; /* where to */
	uint16_t port_be;
	uint16_t local_port_be;
	struct sl_nh_ref nh;
	uint8_t address, dscp;
	uint16_t state;      /* enum sl_leg_tx_state */
	uint32_t ssrc;       /* outgoing, host order */
	uint32_t in_ssrc;    /* what is being forwarded as that */
	uint16_t seq;        /* highest sent ... */
	uint16_t seq_offset; /* out = in + offset */
	uint32_t ts_offset;
	uint32_t ts;         /* of the last packet sent ... */
	uint32_t last_ms;    /* ... and when, low 32 bits of the worker's ms */
	uint32_t packets, bytes; /* low words: sl_leg_more has the rest */
};
_Static_assert(sizeof(struct sl_leg_tx) == 64, "one cache line");

/* Read for secure legs only. */
struct sl_leg_crypto {
	_Alignas(64) struct sl_srtp_context *in[SL_SRTP_KEYS_MAX]; /* NULL = none */
	struct sl_srtp_context *out;
	uint64_t tx_window;   /* of the last 64 indices sent, bit = index % 64: none is used twice */
	uint64_t tx_reserved; /* indices below may be used; the cold record says the same */
	uint64_t tx_left, rx_left; /* packets until the keys' lifetimes end */
	uint32_t tx_roc;      /* roll-over count of sl_leg_tx.seq */
	uint32_t pad;
};
_Static_assert(sizeof(struct sl_leg_crypto) == 64, "one cache line");

/* What a parked SSRC keeps. */
struct sl_media_stream {
	uint32_t next;  /* of this leg and direction, or in the free list */
	uint32_t ssrc;
	uint32_t leg;
	uint8_t tx, started;
	uint16_t seq;
	uint32_t roc;
	union {
		struct {
			uint32_t base, packets, jitter_q4, transit;
		} rx;
		struct {
			uint32_t in_ssrc, ts_offset, ts;
			uint16_t seq_offset;
			uint64_t window, reserved;
		} out;
	};
};

/* One route: in its source's list and in its target's. */
struct sl_media_route {
	uint32_t next_out, next_in; /* SL_NONE ends */
	uint32_t from;              /* leg of this worker, or SL_NONE: free */
	uint32_t to;                /* leg of this worker, or SL_NONE: another worker's, named by ref */
	struct sl_leg_ref ref;      /* the target */
	uint8_t worker;
};

/* RTCP of one leg (RFC 3550 6.4), both directions. */
struct sl_leg_rtcp {
	struct sl_srtcp_context key_in[SL_SRTP_KEYS_MAX], key_out;
	struct {
		uint32_t ssrc, key;   /* key: the first bytes of the session key it came under */
		uint32_t top, window[2]; /* SRTCP replay: 64 indices up to top, of each SSRC and key (RFC 3711 3.2.3) */
	} in[SL_SRTCP_SENDERS];
	uint8_t n_in;
	bool started_in;             /* top_in is the highest index of all that came since the newest key was set */
	bool floored_in;             /* after a restart: from whoever comes, what is up to floor_in was seen */
	uint8_t peer_fraction;
	uint32_t top_in, floor_in;
	uint32_t out, out_reserved;  /* SRTCP indices */
	uint32_t sr_mid, sr_us;      /* middle NTP bits of the last SR sent to it, and when (RFC 3550 6.4.1) */
	uint32_t rtt_us, peer_lost, peer_jitter, peer_clock_hz;
	uint32_t packets_in, packets_out;
};

/* The rest of a leg: set-up, RTCP, what happens rarely. */
struct sl_leg_more {
	uint64_t id;          /* 0 = slot free */
	uint16_t rtp_port, rtcp_port; /* local, host order; rtcp_port 0 = muxed */
	uint16_t meter;       /* the tenant's (GUARD_METER); 0 = none */
	uint8_t slot;         /* client */
	uint8_t learn, audio_pt, dtmf_pt, dtmf_pt_out, n_clocks, n_routes_in;
	bool inactive_told, learning;
	uint32_t flags;       /* enum sl_leg_flags */
	uint32_t epoch;       /* client generation that set it last: LEGS_SWEEP */
	uint32_t inactivity_ms;
	uint32_t routes, routes_in;   /* heads of the lists */
	uint32_t streams_rx, streams_tx; /* parked */
	uint8_t n_streams_rx, n_streams_tx;
	uint16_t n_ssrc;
	struct sl_endpoint given_rtp, given_rtcp; /* as LEG_SET said */
	struct sl_endpoint rtcp;      /* where RTCP goes */
	struct sl_nh_ref rtcp_nh;
	struct sl_ip learn_ip;
	uint8_t candidate_rank;
	uint32_t created_ms, first_ms; /* first acceptable packet: learning waits count from here */
	uint64_t rx_packets_past;      /* of SSRCs parked or gone: total = this + rx.packets */
	uint32_t tx_packets_hi, tx_bytes_hi;
	uint64_t known;                /* what other workers' index of known flows holds of this leg; 0 = nothing */
	uint32_t rx_dropped, strangers, auth_failures, replays;
	uint32_t out_ssrc;
	uint8_t pt_map[SL_LEG_PT_MAP_MAX][2];
	uint8_t n_pt_map;
	uint32_t clocks[SL_LEG_CLOCKS_MAX]; /* pt << 24 | hz */
	uint32_t rekey_roc;            /* the other roll-over count to try under a new incoming key */
	uint64_t rekey_kept;           /* print of the key that was there before and stays; 0 = none */
	uint16_t tx_old_run;           /* packets in a row behind everything sent: its source began anew */
	struct sl_dtmf_rx dtmf_rx;     /* what SL_LEG_DTMF says is in .told */
	uint32_t tap, tap_lost;
	uint8_t tap_what, tap_slot;
	struct sl_leg_play play;
	struct sl_dtmf_tx dtmf_tx;
	struct sl_leg_rtcp rtcp_state;
	uint64_t key_in_print[SL_SRTP_KEYS_MAX], key_out_print; /* keyed hash of the master keys: is it the same key? */
};

/* Local ports of one worker, direct index: leg << 1 | RTCP, or SL_NONE. */
struct sl_media_ports {
	uint32_t *leg; /* [n_addresses][65536] */
};

enum { SL_MEDIA_N_CLOCKS = 16 };
extern const uint32_t sl_media_clocks[SL_MEDIA_N_CLOCKS]; /* Hz; [0] is what an unknown type gets */

struct sl_media {
	uint32_t n_legs, n_active, free; /* free list through more[].routes */
	struct sl_leg_rx *rx;
	struct sl_leg_tx *tx;
	struct sl_leg_crypto *crypto;
	struct sl_leg_more *more;
	struct sl_meter (*meters)[SL_METER_N_DIRECTIONS]; /* [n_legs]; touched only while sessions have limits of their own */
	uint8_t *contexts;        /* [n_legs][SL_SRTP_KEYS_MAX + 1][SL_SRTP_CONTEXT_SMALL]: in, in, out */
	uint64_t *windows;        /* [n_legs][window_bits / 64], then [n_streams][...] */
	unsigned window_bits;
	uint32_t n_streams, stream_free;
	struct sl_media_stream *streams;
	uint32_t n_routes, route_free;
	struct sl_media_route *routes;
	uint32_t n_large, large_free, large_bytes; /* contexts of the larger suites */
	uint8_t *large;
	struct sl_media_ports ports;
	unsigned n_addresses, worker, n_workers;
	uint16_t port_min, port_max;
	struct sl_cold_media_view cold;
	struct sl_siphash_key print_key; /* of key_*_print; the same after a restart */
	struct sl_prng prng;
	struct sl_srtp *srtp;
};

struct sl_media_params {
	uint32_t n_legs, n_streams, n_routes, n_large;
	unsigned n_addresses, worker, n_workers, window_bits;
	uint16_t port_min, port_max;
	struct sl_cold_media *cold; /* node-wide; NULL in tests: private memory */
	struct sl_srtp *srtp;       /* of this worker, stays the caller's */
	uint8_t seed[16];
	void *(*zalloc)(const char *what, size_t bytes); /* NULL = calloc */
};

/* ---- media.c: owner only ---- */

/* 0 or -ENOMEM. Takes up valid cold records: their ports wait for a LEG_SET of the same id. Start thread. */
int sl_media_init(struct sl_media *m, const struct sl_media_params *p);

/* The leg on a local port (host order), or SL_NONE; *rtcp: the port is its RTCP port. */
static inline uint32_t sl_media_find(const struct sl_media *m, unsigned address, uint16_t port, bool *rtcp)
{
	uint32_t at = m->ports.leg[(size_t)address << 16 | port];
	*rtcp = at & 1;
	return at == SL_NONE ? SL_NONE : at >> 1;
}
/* The leg that ref names: SL_NONE when the port has none or another id's. */
uint32_t sl_media_leg(const struct sl_media *m, const struct sl_leg_ref *ref);

/* Make or change a leg. 0; 1 when it is one from before a restart, taken up again; or negative errno with "FIELD: why" in text: -EADDRINUSE (the port is another leg's),
 * -EINVAL, -ENOSPC (legs, large contexts), -EPERM (another client's). now_ms: worker's. */
int sl_media_leg_set(struct sl_media *m, unsigned slot, uint32_t epoch, const struct sl_cmd_leg *c, uint64_t now_ms,
	char *text, size_t text_len);
/* RTCP goes by the RTP port. */
static inline bool sl_leg_is_muxed(const struct sl_leg_more *more)
{
	return (more->flags & SL_LEG_RTCP_MUX) || !more->rtcp_port;
}
/* What of the leg asks for the slow way has changed (flags, tap, clip, learning). */
void sl_media_note_slow(struct sl_media *m, uint32_t leg);
/* End a leg: routes from and to it, contexts, cold record. */
void sl_media_leg_delete(struct sl_media *m, uint32_t leg);
/* 0, -ENOENT (no such leg), -ENOSPC; an existing route is kept and is 0. to may be another worker's. */
int sl_media_route_add(struct sl_media *m, unsigned slot, const struct sl_cmd_route *c);
int sl_media_route_delete(struct sl_media *m, unsigned slot, const struct sl_cmd_route *c);

/* Make ssrc the stream in the hot line: parks the one that is there, brings ssrc's back or begins it anew.
 * False: it would be one too many (rx: counted by the caller; tx with a key: fail closed). */
bool sl_media_rx_switch(struct sl_media *m, uint32_t leg, uint32_t ssrc);
bool sl_media_tx_switch(struct sl_media *m, uint32_t leg, uint32_t ssrc);

/* The replay window of the stream in the hot line. */
static inline uint64_t *sl_media_window(const struct sl_media *m, uint32_t leg)
{
	return m->windows + (size_t)leg * (m->window_bits / 64);
}
static inline uint64_t sl_leg_rx_index(const struct sl_leg_rx *rx)
{
	return (uint64_t)rx->roc << 16 | rx->seq;
}
static inline uint64_t sl_media_tx_index(const struct sl_media *m, uint32_t leg)
{
	return (uint64_t)m->crypto[leg].tx_roc << 16 | m->tx[leg].seq;
}
static inline uint64_t sl_media_tx_packets(const struct sl_media *m, uint32_t leg)
{
	return (uint64_t)m->more[leg].tx_packets_hi << 32 | m->tx[leg].packets;
}
static inline uint64_t sl_media_tx_bytes(const struct sl_media *m, uint32_t leg)
{
	return (uint64_t)m->more[leg].tx_bytes_hi << 32 | m->tx[leg].bytes;
}
/* Count one sent packet of len bytes. */
static inline void sl_media_count_tx(struct sl_media *m, uint32_t leg, uint32_t len)
{
	struct sl_leg_tx *tx = &m->tx[leg];
	if (__builtin_expect(++tx->packets == 0, 0))
		m->more[leg].tx_packets_hi++;
	tx->bytes += len;
	if (__builtin_expect(tx->bytes < len, 0))
		m->more[leg].tx_bytes_hi++;
}

/* Mirror what moved (addresses, indices, counts) to the cold record. */
void sl_media_cold_note(struct sl_media *m, uint32_t leg);
/* More outgoing indices: the cold record first, then the hot line. SRTP: tx_reserved; SRTCP: out_reserved. */
void sl_media_reserve(struct sl_media *m, uint32_t leg);
void sl_media_reserve_rtcp(struct sl_media *m, uint32_t leg);
/* Clock of a payload type as received by this leg: an index into sl_media_clocks[]. */
uint8_t sl_media_clock(const struct sl_leg_more *more, uint8_t pt);
/* What is known of an SSRC that is not in the hot line: its highest index and window. False: nothing. */
bool sl_media_rx_peek(const struct sl_media *m, uint32_t leg, uint32_t ssrc, uint64_t *top, const uint64_t **window);
/* Fill the counts and addresses of an event about this leg. */
void sl_media_describe(const struct sl_media *m, uint32_t leg, uint64_t now_ms, struct sl_evt_leg *e);

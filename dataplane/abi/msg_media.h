/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Media messages of the contract. A leg is named by its local port (media address and RTP port), which says the owning
 * worker too, and by an id that the client chose, which guards against acting on the port's next tenant.
 *
 * LEG_SET is whole and idempotent: it makes the leg or brings an existing one to what it says. What did not change keeps
 * its state: the same remote stays latched, the same key keeps its ROC, replay window and outgoing index. So a replay
 * after either process died is the same list of commands again, closed by LEGS_SWEEP.
 *
 * The audience is the worker that owns the port; a command in another worker's ring is refused. Refusals of a worker come
 * as EVENT_ACK with the command's seq; success is silent, except where an event is named below. */

#include <stdint.h>

#include "dataplane/wire/addr.h"

enum {
	SL_MEDIA_MAX_ADDRESSES = 16, /* of config's media.addresses */
	SL_MEDIA_PORT_BLOCK = 256,   /* port p belongs to worker (p / 256) % n_workers */
	SL_SRTP_KEY_MAX = 32,
	SL_SRTP_SALT_MAX = 14,
	SL_SRTP_MKI_MAX = 4,         /* bytes of an MKI; longer ones are refused */
	SL_SRTP_KEYS_MAX = 2,        /* incoming master keys at a time: two MKIs, or old and new while re-keying */
	SL_LEG_PT_MAP_MAX = 16,
	SL_LEG_CLOCKS_MAX = 16,
	SL_CLIP_NONE = 0,
	SL_PT_NONE = 128,
};

/* Which worker owns a media port (host order)? */
static inline unsigned sl_media_port_worker(uint16_t port, unsigned n_workers)
{
	return port / SL_MEDIA_PORT_BLOCK % n_workers;
}

/* X(NAME, number, key bytes, salt bytes, tag bytes of SRTP, tag bytes of SRTCP, SDP name): RFC 4568 6.2, 6188, 7714. */
#define SL_SRTP_SUITES(X)                                                    \
	X(AES_CM_128_80, 1, 16, 14, 10, 10, "AES_CM_128_HMAC_SHA1_80")       \
	X(AES_CM_128_32, 2, 16, 14, 4, 10, "AES_CM_128_HMAC_SHA1_32")        \
	X(AES_CM_192_80, 3, 24, 14, 10, 10, "AES_192_CM_HMAC_SHA1_80")       \
	X(AES_CM_192_32, 4, 24, 14, 4, 10, "AES_192_CM_HMAC_SHA1_32")        \
	X(AES_CM_256_80, 5, 32, 14, 10, 10, "AES_256_CM_HMAC_SHA1_80")       \
	X(AES_CM_256_32, 6, 32, 14, 4, 10, "AES_256_CM_HMAC_SHA1_32")        \
	X(AEAD_128_GCM, 7, 16, 12, 16, 16, "AEAD_AES_128_GCM")               \
	X(AEAD_256_GCM, 8, 32, 12, 16, 16, "AEAD_AES_256_GCM")

enum sl_srtp_suite {
	SL_SRTP_NONE = 0,
#define X(name, number, key, salt, tag, ctag, sdp) SL_SRTP_##name = number,
	SL_SRTP_SUITES(X)
#undef X
	SL_SRTP_N_SUITES
};

/* A master key (RFC 3711 3.2.1). Zeroed = none. Wiped by whoever copied it, never logged. */
struct sl_srtp_key {
	uint8_t suite;   /* enum sl_srtp_suite */
	uint8_t mki_len; /* 0..SL_SRTP_MKI_MAX */
	uint8_t mki[SL_SRTP_MKI_MAX];
	uint8_t flags;   /* SL_SRTP_PLAIN_* : RFC 4568 6.3.2, 6.3.3; 0 = encrypt and authenticate everything */
	uint8_t pad;
	uint8_t key[SL_SRTP_KEY_MAX];   /* as many as the suite has; the rest zero */
	uint8_t salt[SL_SRTP_SALT_MAX];
	uint8_t pad2[2];
	uint64_t lifetime_packets;      /* RFC 4568 6.1; 0 = the suite's limit (2^48 SRTP, 2^31 SRTCP) */
};

/* How a leg's remote address is found (RFC 3605/4961 practice; SDP may lie behind a NAT). */
enum sl_learn {
	SL_LEARN_OFF,       /* remote as given; the source of what arrives is not compared unless STRICT_SOURCE */
	SL_LEARN_IMMEDIATE, /* the first acceptable source, then locked */
	SL_LEARN_DELAYED,   /* the source of the first acceptable packet after SL_LEARN_WAIT_MS of media, then locked */
	SL_LEARN_HEURISTIC, /* for SL_LEARN_WAIT_MS the best match with what was given: address and port, address, any */
	SL_LEARN_N
};
enum { SL_LEARN_WAIT_MS = 3000 };

enum sl_leg_flags {
	SL_LEG_RTCP_MUX = 1 << 0,       /* RTCP on the RTP port, both ways (RFC 5761) */
	SL_LEG_STRICT_SOURCE = 1 << 1,  /* once known, packets from elsewhere are dropped even with SL_LEARN_OFF */
	SL_LEG_LEARN_ANY = 1 << 2,      /* a source other than remote_rtp's and learn_ip's addresses may be learned */
	SL_LEG_RELEARN = 1 << 3,        /* a locked address gives way to a new one (media handover) */
	SL_LEG_REWRITE_SSRC = 1 << 4,   /* one outgoing SSRC, out_ssrc, whatever is routed to it: sequence and time go on */
	SL_LEG_BLOCK_MEDIA = 1 << 5,    /* what arrives goes nowhere; taps still see it */
	SL_LEG_SILENCE_MEDIA = 1 << 6,  /* audio that arrives (G.711 known) is replaced by silence; else as BLOCK */
	SL_LEG_BLOCK_DTMF = 1 << 7,     /* RFC 4733 events that arrive go nowhere; reports still come */
	SL_LEG_NO_RTCP = 1 << 8,        /* RTCP is neither forwarded to it nor made for it */
	SL_LEG_RAW = 1 << 9,            /* no RTP (m=image udptl): datagrams are forwarded as they are */
	SL_LEG_REQUIRE_SRTP = 1 << 10,  /* nothing leaves without a key: set with key_out to fail closed while re-keying */
	SL_LEG_FLAGS_ALL = (1 << 11) - 1,
};
enum { SL_SRTP_PLAIN_RTP = 1, SL_SRTP_PLAIN_RTCP = 2, SL_SRTP_PLAIN_AUTH = 4 };
enum { SL_DSCP_CARRY = 0xff };

struct sl_leg_ref {
	uint64_t id;      /* the client's slot in the top 3 bits, anything below; never 0 */
	uint16_t port;    /* local RTP port, host order; even, unless muxed */
	uint8_t address;  /* index into media.addresses */
	uint8_t pad[5];
};

struct sl_cmd_leg {
	struct sl_leg_ref leg;
	uint32_t flags;          /* enum sl_leg_flags */
	uint32_t inactivity_ms;  /* nothing received for so long: event INACTIVE, once, until something comes; 0 = never */
	uint16_t rtcp_port;      /* local, host order; 0 = muxed */
	uint8_t learn;           /* enum sl_learn */
	uint8_t dscp;            /* of what is sent, 0..63; SL_DSCP_CARRY = as it came */
	uint8_t dtmf_pt;         /* telephone-event as received; 0 = none */
	uint8_t dtmf_pt_out;     /* as sent to this leg; 0 = none */
	uint8_t audio_pt;        /* PT of silence and generated DTMF gaps: the leg's audio codec */
	uint8_t n_pt_map, n_clocks;
	uint8_t pad;
	uint16_t meter;          /* the tenant's token buckets (GUARD_METER); 0 = none */
	uint32_t out_ssrc;       /* with REWRITE_SSRC, clips and DTMF; host order, 0 = the worker draws one */
	struct sl_endpoint remote_rtp, remote_rtcp; /* ip all zero = not known */
	struct sl_ip learn_ip;   /* also acceptable as a source address: where the signalling came from; zero = none */
	struct {
		uint8_t from, to;
	} pt_map[SL_LEG_PT_MAP_MAX]; /* of what is sent to this leg */
	struct {
		uint8_t pt;
		uint8_t pad[3];
		uint32_t hz;
	} clocks[SL_LEG_CLOCKS_MAX]; /* of what is received: jitter, silence. Static PTs of RFC 3551 are known anyway */
	struct sl_srtp_key key_in[SL_SRTP_KEYS_MAX], key_out;
};

/* Add or take away one route: what arrives at from is sent to to. from's owner gets it; to may be another worker's. */
struct sl_cmd_route {
	struct sl_leg_ref from, to;
};

/* What DTMF_SEND makes (RFC 4733 2.5): sent to the leg, in its outgoing stream. */
struct sl_cmd_dtmf {
	struct sl_leg_ref leg;
	uint16_t duration_ms, pause_ms; /* 40..10000; 0..10000 after it */
	uint8_t event;   /* 0..15 */
	uint8_t volume;  /* 0..63, -dBm0 */
	uint8_t pad[2];
};

/* Clips were registered by sl_client_clip() (region.h). */
struct sl_cmd_play {
	struct sl_leg_ref leg;
	uint32_t clip;    /* number of the registration; SL_CLIP_NONE with PLAY_STOP */
	uint32_t times;   /* 0 = until stopped */
	uint32_t start_ms; /* offset into the clip, the first time */
	uint8_t pt;       /* as sent; the clip's codec must be the leg's */
	uint8_t pad[3];
};

enum { SL_TAP_RECEIVED = 1, SL_TAP_SENT = 2 };
struct sl_cmd_tap {
	struct sl_leg_ref leg;
	uint32_t tap;    /* echoed in each copy; 0 with TAP_CLEAR */
	uint8_t what;    /* SL_TAP_* bits: plain RTP and RTCP, after decryption or before encryption */
	uint8_t pad[3];
};

enum sl_leg_change {
	SL_LEG_STATE = 1,   /* answer to LEG_QUERY and LEG_LIST */
	SL_LEG_LEARNED,     /* remote_* are what was learned */
	SL_LEG_INACTIVE,
	SL_LEG_ENDED,       /* deleted (answer to LEG_DELETE, or swept): final counts */
	SL_LEG_DTMF,        /* an event ended: dtmf_* */
	SL_LEG_PLAY_ENDED,
	SL_LEG_KEY_EXPIRED, /* key lifetime or index space used up: nothing more is sent until it is re-keyed */
	SL_LEG_CHANGES_N
};

/* Counts are since the leg was made and survive a restart of the dataplane approximately. */
struct sl_evt_leg {
	struct sl_leg_ref leg;
	uint8_t change;     /* enum sl_leg_change */
	uint8_t worker;
	uint8_t locked;     /* remote address is learned and locked */
	uint8_t flags;      /* SL_LEG_SECURE_* */
	uint8_t dtmf_event, dtmf_volume;
	uint16_t dtmf_ms;
	struct sl_endpoint remote_rtp, remote_rtcp;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes; /* RTP, with header, without UDP; plain sizes */
	uint64_t rx_dropped; /* refused at this leg, all reasons */
	uint32_t auth_failures, replays, strangers;
	uint32_t rx_ssrc, tx_ssrc;      /* host order; the current ones */
	uint32_t rx_lost;               /* RFC 3550 A.3 of the current SSRC; never below 0 */
	uint32_t rx_jitter_us;          /* RFC 3550 A.8 */
	uint32_t rtt_us;                /* from the last report block about what we sent; 0 = unknown */
	uint32_t peer_lost;             /* cumulative loss the remote reported about what we sent */
	uint32_t peer_jitter_us;
	uint8_t peer_fraction;          /* of 256, in its last report */
	uint8_t rx_pt;                  /* last payload type received; SL_PT_NONE = none yet */
	uint16_t n_ssrc;                /* different ones received */
	uint32_t idle_ms;               /* since the last packet; UINT32_MAX = none yet */
	uint32_t age_s;
	uint32_t rtcp_in, rtcp_out;
};
enum { SL_LEG_SECURE_IN = 1, SL_LEG_SECURE_OUT = 2 };

/* One copied packet in a bulk ring (region.h), SL_BULK_BYTES in all. */
enum { SL_BULK_BYTES = 2048, SL_BULK_HEADER_BYTES = 64, SL_BULK_DATA_MAX = SL_BULK_BYTES - SL_BULK_HEADER_BYTES };
/* GUARD: a frame that the guard dropped or would have dropped, from its Ethernet header on; the reason is in .reason. */
enum sl_bulk_kind { SL_BULK_TAP_RTP = 1, SL_BULK_TAP_RTCP, SL_BULK_GUARD };
struct sl_bulk {
	uint16_t kind;      /* enum sl_bulk_kind */
	uint16_t len;       /* bytes of data */
	uint16_t full_len;  /* as it was: more than len when it did not fit */
	uint8_t what;       /* SL_TAP_RECEIVED or SL_TAP_SENT */
	uint8_t pad;
	uint32_t tap;
	uint32_t lost;      /* copies of this tap lost so far because the ring was full */
	uint64_t leg_id;
	uint64_t unix_ns;
	uint16_t remote_port_be, local_port_be;
	uint16_t reason;    /* SL_BULK_GUARD: enum sl_drop */
	uint8_t pad2[10];
	struct sl_ip remote_ip; /* with remote_port_be the other end at that moment; all zero = not known */
	uint8_t data[SL_BULK_DATA_MAX]; /* from the RTP or RTCP header on */
};
_Static_assert(sizeof(struct sl_bulk) == SL_BULK_BYTES, "bulk size is part of the contract");

/* ---- clips: a sealed memfd passed over the attach socket ---- */

#define SL_CLIP_MAGIC UINT64_C(0x31504c43454c4453)
enum { SL_CLIP_MAX_BYTES = 64 << 20, SL_CLIP_FRAME_MAX = 1400 };

/* At the beginning of the memfd; frames follow as offsets[] say. Sealed against writing, shrinking and growing by its
 * maker; checked once when registered, then trusted. Offsets count from the beginning of the file. */
struct sl_clip {
	uint64_t magic;
	uint64_t size_bytes;     /* the file's */
	uint32_t n_frames;       /* at least 1 */
	uint32_t frame_ms;       /* 20 */
	uint32_t clock_hz;       /* RTP timestamp units a second */
	uint32_t frame_ts;       /* timestamp units of a frame: clock_hz * frame_ms / 1000 */
	char codec[16];          /* as in a=rtpmap: "PCMA", "PCMU", "opus" */
	uint32_t reserved[4];    /* zero */
	struct {
		uint32_t offset, len; /* behind this table; 1..SL_CLIP_FRAME_MAX */
	} frames[];              /* [n_frames]; sl_clip_validate() says what may be */
};

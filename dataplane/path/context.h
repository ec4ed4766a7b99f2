/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the stages of one worker share: the packet vector's element, the worker itself, and the stages' entry points.
 *
 *   rx -> parse -> guard -> lookup, guard -+-> channel (ChannelData to peer, peer to client) -+-> emit -> tx
 *            |      lists     strangers    +-> stun (requests, Send indications) -------------+
 *            +-> reassemble, exception (to Linux), drop (counted)
 *
 * Each stage takes a vector and passes packets on or drops them with a reason; nothing else frees a received packet. */

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include "dataplane/abi/server.h"
#include "dataplane/dataplane.h"
#include "dataplane/guard/again.h"
#include "dataplane/guard/policy.h"
#include "dataplane/guard/signals.h"
#include "dataplane/linux/fib.h"
#include "dataplane/path/packet.h"
#include "dataplane/path/turn.h"
#include "dataplane/session/alloc.h"
#include "dataplane/stream/stream.h"

enum {
	SL_TX_BUFFER = 64,
	SL_LOCAL_SLOTS = 256, /* hash slots for our service and relay addresses; at most 96 in use */
	SL_HELD_PACKETS = 256,
	SL_HELD_MS = 1000,    /* how long a packet waits for its neighbour */
	SL_REPLY_BYTES = 1280,
	SL_NO_RELAY = 0xff,
	SL_NO_MEDIA = 0xff,
};

/* One of the addresses that the configuration gives to TURN, media or SIP. */
struct sl_local {
	struct sl_ip ip;
	bool used;
	uint8_t relay; /* index of the relay address, or SL_NO_RELAY */
	uint8_t media; /* index of the media address, or SL_NO_MEDIA */
	uint8_t n_listeners;
	struct {
		uint16_t port_be, listener;
	} listeners[14];
	uint8_t n_services; /* SIP and TURN's TCP, TLS and DTLS are Linux's to receive; the guard knows where they are */
	struct {
		uint16_t port_be;
		uint16_t mark; /* index into sip.listeners, or SL_MARK_TURN + index into turn.listeners */
		uint8_t ip_protocol;
	} services[SL_CONF_MAX_SIP_LISTENERS + SL_CONF_MAX_LISTENERS];
};

/* A packet that passed parse: everything later stages read, so that they do not parse again. */
struct sl_pkt {
	struct rte_mbuf *m;
	uint8_t *l3, *udp;
	/* Source. Of what goes to a TURN listener flow is all there: it is what the allocation is looked up by. */
	union {
		struct sl_endpoint src;
		struct sl_flow flow;
	};
	struct sl_endpoint dst;
	uint16_t payload_len; /* of UDP */
	uint16_t l3_len;      /* IP packet, header included */
	uint8_t ttl, tos, interface;
	bool df;
	/* What is nought of the common packet. */
	union {
		struct {
			uint8_t turns;
			bool v6;
			bool fragmented; /* came as fragments */
			bool looped;     /* hairpin: m starts at the IP header */
			bool opened;     /* decrypted in place: the payload is nothing to be quoted in the clear */
			bool allowed;    /* by a list of the guard */
			bool banned;     /* unless it is of a known session */
			uint8_t kind;    /* enum sl_pkt_kind */
		};
		uint64_t nought;
	};
	union { /* where it goes, as the destination says */
		struct {
			uint8_t relay;       /* a relay port of this relay address, or SL_NO_RELAY */
			uint8_t media;       /* a media port of this media address, or SL_NO_MEDIA */
			uint8_t guard_class; /* enum sl_guard_class: what a stranger's is charged as */
			bool rtcp;           /* ... and the RTCP port of its leg */
			uint16_t listener;   /* else: this listener */
		};
		uint64_t target;
	};
	uint32_t hash, alloc; /* alloc: the allocation, or the media leg */
};
_Static_assert(offsetof(struct sl_flow, port_be) == offsetof(struct sl_endpoint, port_be), "src is the beginning of flow");

enum sl_pkt_kind {
	SL_PKT_CLAIMED,
	SL_PKT_FRAGMENT, /* of something that may be claimed */
	SL_PKT_LINUX,    /* an IP packet for Linux; src and dst are set, ports where there are any */
	SL_PKT_NOT_IP,   /* for Linux, too */
};

struct sl_vec {
	unsigned n;
	struct sl_pkt p[SL_BURST];
};

/* A UDP datagram to send: payload in place in m; head and then the headers are written in front of it, once it is clear
 * that it fits the way out (until then the headers of what came in are needed for an ICMP answer). */
enum sl_cksum_mode {
	SL_CKSUM_KNOWN,   /* acc is the one's complement sum of head and payload, and protocol number */
	SL_CKSUM_NONE,    /* the sender used none (IPv4): stays none where the outgoing family allows it */
	SL_CKSUM_COMPUTE, /* sum the payload, or let the NIC */
};
struct sl_out {
	struct rte_mbuf *m;
	uint8_t *payload;
	uint16_t payload_len; /* without head */
	uint8_t head_len;     /* a multiple of four */
	uint8_t head[48];     /* ChannelData header, or a Data indication's up to its data */
	struct sl_endpoint src, dst;
	uint64_t acc;         /* for SL_CKSUM_KNOWN: sum of head and payload */
	enum sl_cksum_mode cksum;
	uint8_t ttl, tos, turns;
	bool df;
	const struct sl_pkt *in;  /* what it came of; NULL = made here */
	struct sl_nh_ref *nh;     /* where to cache the next hop; NULL = look up */
};

struct sl_held {
	struct rte_mbuf *m; /* IP packet, data starts at its header */
	struct sl_ip dst;
	uint64_t deadline_ms;
	bool asked; /* Linux was told to resolve the next hop */
};

struct sl_bucket { /* token bucket, tokens in thousandths so that slow rates refill smoothly */
	uint64_t tokens_m, last_ms;
};

enum sl_exception_kind { SL_EXCEPTION_SIP, SL_EXCEPTION_OTHER, SL_EXCEPTION_ALLOWED, SL_N_EXCEPTIONS };

/* Samples that clients asked for. */
struct sl_guard_sampling {
	uint32_t left, sample, lost;
	uint64_t until_ms;
	uint16_t reason;
	uint8_t prefix_len;
	struct sl_ip ip;
};

/* One worker's guard. */
struct sl_guard {
	struct sl_limiter limiter;
	struct sl_again again;
	struct sl_signals signals;
	struct sl_hash_key key;
	struct {
		struct sl_bucket bucket;
		uint64_t low; /* tokens from which on strangers have to come again */
	} total[SL_GUARD_MAX_RULES];
	uint32_t total_told_s[SL_GUARD_MAX_RULES]; /* when it was last told that a total is exceeded */
	struct sl_bucket events;
	struct sl_guard_rule rules[SL_GUARD_MAX_RULES]; /* that the totals above are of */
	unsigned until_top;  /* packets until the next one is sampled */
	uint64_t top_s;
	unsigned sampling;   /* clients that want samples, bit per slot */
	struct sl_guard_sampling samples[SL_MAX_CLIENTS];
	unsigned n_refused;  /* packets that wait for being freed together */
	struct rte_mbuf *refused[SL_BURST];
};

struct sl_reassembly;
struct sl_media_work;

struct sl_worker {
	/* Set at the start of each round. */
	uint64_t now_tsc, next_ms_tsc;
	bool was_busy;
	struct sl_turn_now now;
	const struct sl_fib *fib;
	const struct sl_guard_policy *policy; /* of the guard */

	struct sl_dataplane *dp;
	unsigned index;
	struct sl_region_worker *shm;
	uint64_t *counters, *drops;

	struct sl_sessions sessions;
	struct sl_turn turn;
	struct sl_media_work *media; /* path/media.h; NULL = no media addresses are configured */
	uint64_t now_us;             /* of this round, CLOCK_MONOTONIC as far as differences go */
	struct sl_local locals[SL_LOCAL_SLOTS];
	/* Where the last common IPv4 packet went, looked up: most go to the same address, many to the same port. */
	struct {
		const struct sl_local *local;
		uint32_t ip_be;
		uint16_t port_be;
		bool claimed;
		uint64_t target;
	} last;
	uint64_t local_filter[SL_LOCAL_SLOTS / 64]; /* bit per slot that an address hashes to: most strangers miss it */
	struct sl_guard guard;

	struct {
		uint16_t n;
		struct rte_mbuf *m[SL_TX_BUFFER];
	} tx[SL_CONF_MAX_PORTS];
	unsigned n_looped; /* hairpinned packets waiting for their next turn; data starts at the IP header */
	struct rte_mbuf *looped[SL_BURST * 2];
	unsigned n_held;
	struct sl_held held[SL_HELD_PACKETS];
	uint32_t held_generation;

	struct sl_reassembly *reassembly;
	struct sl_bucket exception_bucket[SL_N_EXCEPTIONS]; /* what is not known and for Linux: half of the rate each */
	struct sl_bucket icmp_bucket, neighbour_bucket[SL_MAX_INTERFACES];
	uint16_t ip_id;
	unsigned empty_rounds;

	struct sl_worker_rings rings;
	struct { /* of the stream threads, path/streams.h */
		unsigned n;
		struct sl_byte_ring *in[SL_STREAM_MAX_THREADS], *out[SL_STREAM_MAX_THREADS];
		unsigned recall; /* threads that were not told of a client that became known or a stranger, bit per thread */
	} streams;
	struct sl_abi_worker abi;
	unsigned listing; /* clients with an ALLOCATION_LIST under way, bit per slot */
	struct {
		uint32_t next, seq;
	} list[SL_MAX_CLIENTS];
	uint8_t reply[SL_REPLY_BYTES];
};

/* Count and free: the one way a packet ends here without leaving. */
static inline void sl_drop(struct sl_worker *w, struct rte_mbuf *m, enum sl_drop reason)
{
	w->drops[reason]++;
	rte_pktmbuf_free(m);
}

static inline void sl_count(struct sl_worker *w, enum sl_worker_counter c, uint64_t n)
{
	w->counters[c] += n;
}

static inline void sl_bucket_fill(struct sl_bucket *b, uint64_t now_ms, uint32_t per_s)
{
	uint64_t cap = (uint64_t)per_s * 1000;
	uint64_t filled = b->tokens_m + (now_ms - b->last_ms) * per_s;
	b->tokens_m = filled < cap ? filled : cap;
	b->last_ms = now_ms;
}

/* True when one token was there. per_s is also the burst. */
static inline bool sl_bucket_take(struct sl_bucket *b, uint64_t now_ms, uint32_t per_s)
{
	sl_bucket_fill(b, now_ms, per_s);
	if (b->tokens_m < 1000)
		return false;
	b->tokens_m -= 1000;
	return true;
}

/* ---- stages; all run on the worker's thread ---- */

/* From a port; or from another worker, who has judged it. */
enum sl_origin { SL_FROM_PORT, SL_FROM_WORKER };
/* Up to SL_BURST frames as received on port (or handed over): to lookup, reassembly, Linux or a drop. */
void sl_path_frames(struct sl_worker *w, struct rte_mbuf **m, unsigned n, uint16_t port, enum sl_origin origin);
/* A frame put together from fragments. */
void sl_path_reassembled(struct sl_worker *w, struct rte_mbuf *m, uint16_t port, enum sl_origin origin);
/* Up to SL_BURST hairpinned packets: data starts at the IP header, sl_packet() is filled. */
void sl_path_looped(struct sl_worker *w, struct rte_mbuf **m, unsigned n);

/* Lists and bans, for everybody: what is denied is gone from v. */
void sl_guard_check_lists(struct sl_worker *w, struct sl_vec *v);
/* Packets of no known session, each with its guard_class and where it goes (listener, relay, media): they are charged, and those
 * refused have m NULL afterwards. */
void sl_guard_strangers(struct sl_worker *w, struct sl_pkt **p, unsigned n);
/* p is not what its port speaks, or no packet at all: dropped, dry run or not. Consumes p->m. */
void sl_guard_misshapen(struct sl_worker *w, struct sl_pkt *p, enum sl_drop why);
/* In dry run? Then what would have been dropped is counted, and goes on. */
static inline bool sl_guard_drop_dry(struct sl_worker *w, enum sl_drop why)
{
	bool dry = w->policy->told.dry_run;
	if (dry)
		w->shm->would_drop[why]++;
	return dry;
}
/* Free what was refused. At the end of each burst. */
void sl_guard_flush(struct sl_worker *w);
/* 0 or -ENOMEM. zalloc: as sl_start_zalloc(). Start thread. */
int sl_guard_init(struct sl_worker *w, void *(*zalloc)(const char *what, size_t bytes));
/* Of this worker's limiter, signals and who comes again. Any thread. */
uint64_t sl_guard_bytes(const struct sl_worker *w);
/* Once a millisecond. */
void sl_guard_tick(struct sl_worker *w);
/* GUARD_QUERY, GUARD_SAMPLE; validated. */
void sl_guard_command(struct sl_worker *w, unsigned slot, const struct sl_command *cmd);

/* Hairpinned packets take their next turns until none is left; SL_MAX_TURNS bounds it. Call after each burst. */
void sl_path_run_loops(struct sl_worker *w);

enum sl_parse_verdict { SL_PARSE_CLAIMED, SL_PARSE_EXCEPTION, SL_PARSE_FRAGMENT, SL_PARSE_DROP };
/* Parse the IP packet at l3 (len bytes available) of p->m into *p. On SL_PARSE_DROP *why says the reason. */
enum sl_parse_verdict sl_parse_ip(struct sl_worker *w, struct sl_pkt *p, uint8_t *l3, unsigned len, enum sl_drop *why);

/* Where what an IP packet carries begins: room bytes of *protocol. NULL: in another fragment. */
uint8_t *sl_upper_layer(const struct sl_pkt *p, unsigned *protocol, unsigned *room);

/* Enter the configured listeners, relay and media addresses, and where SIP listens. 0 or -ENOSPC: more ports on one address than fit. */
int sl_locals_init(struct sl_worker *w, const struct sl_config *c);
/* Is the destination, at our address l, one of TURN's ports? Fills relay/listener. */
bool sl_lookup_local(const struct sl_worker *w, const struct sl_local *l, struct sl_pkt *p);
static inline unsigned sl_local_slot(const struct sl_ip *ip)
{
	uint64_t h = (ip->q[0] ^ ip->q[1]) * UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(h >> 56) % SL_LOCAL_SLOTS;
}
const struct sl_local *sl_local_search(const struct sl_worker *w, const struct sl_ip *ip);
/* Our address ip; NULL: it is none. Nearly all that are none end at the filter. */
static inline const struct sl_local *sl_local_find(const struct sl_worker *w, const struct sl_ip *ip)
{
	unsigned home = sl_local_slot(ip);
	return w->local_filter[home / 64] >> (home % 64) & 1 ? sl_local_search(w, ip) : NULL;
}
/* Can p's source be a sender at all? RFC 1122 3.2.1.3, RFC 6890. And nobody outside sends from our own address: what does is spoofed, or a loop
 * of the network. */
bool sl_guard_source6_ok(const struct sl_ip *ip);
static inline bool sl_guard_source_ok(const struct sl_worker *w, const struct sl_pkt *p)
{
	uint32_t first = p->src.ip.b[12];
	bool possible = likely(!p->v6) ? first - 1 < 223 && first != 127 : sl_guard_source6_ok(&p->src.ip);
	return likely(possible) && (p->looped || likely(!sl_local_find(w, &p->src.ip)));
}
/* Claimed packets: where their sessions will be found, if they are this worker's; those lines are fetched meanwhile. */
void sl_lookup_ahead(struct sl_worker *w, struct sl_vec *v);
/* After that: find the sessions, charge strangers from a port, hand over what other workers own, and act on the rest. */
void sl_lookup(struct sl_worker *w, struct sl_vec *v, enum sl_origin origin);

void sl_channel_to_peer(struct sl_worker *w, struct sl_pkt *p);
/* Whom ChannelData (header and what follows, bytes in all, at least SL_CHANNEL_HEADER_BYTES) of allocation alloc goes to, and how much of it is data. NULL: *why. */
struct sl_peer *sl_channel_peer(struct sl_worker *w, uint32_t alloc, const uint8_t *header, unsigned bytes, unsigned *len, enum sl_drop *why);
/* Is the UDP checksum of p right (or none, over IPv4)? */
bool sl_udp_checksum_ok(const struct sl_pkt *p);
/* The common end of ChannelData and Send: o carries payload and destination; counts, checks hairpins, sends. */
void sl_relay_to_peer(struct sl_worker *w, struct sl_out *o, struct sl_alloc *a, struct sl_peer *peer);
/* TTL, DSCP, ECN and DF as RFC 8656 13 and 14 want them. False when the TTL ran out. */
bool sl_carry_header_fields(struct sl_out *o, const struct sl_pkt *p);
void sl_channel_to_client(struct sl_worker *w, struct sl_pkt *p);
void sl_stun_input(struct sl_worker *w, struct sl_pkt *p, bool handed); /* handed: by another worker, whose session it is not */

/* Is the peer, one of our own addresses, a relay or media port? (Everything else of ours is forbidden to clients.) */
bool sl_own_peer_ok(const struct sl_worker *w, const struct sl_endpoint *peer);

/* Write headers, find the way, send (or loop, hold, fragment, refuse). Consumes o->m. False when it was dropped at once. */
bool sl_emit(struct sl_worker *w, struct sl_out *o);
/* Send an IP packet (data starts at its header, headroom for Ethernet) towards dst. Consumes m. */
void sl_emit_ip(struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip *dst);
/* Put a whole frame into the transmit buffer of a port. Consumes m. */
void sl_tx(struct sl_worker *w, struct rte_mbuf *m, uint16_t port);
void sl_tx_flush(struct sl_worker *w);
/* Retry packets that waited for a neighbour; drop those that waited too long. */
void sl_held_retry(struct sl_worker *w);

/* Send IP packet m (data at the IP header) as fragments of at most mtu bytes through nh. Consumes m. */
void sl_fragment(struct sl_worker *w, struct rte_mbuf *m, const struct sl_nexthop *nh);
/* Answer p with fragmentation needed / packet too big; mtu as its sender should see it. Consumes p->m. */
void sl_icmp_too_big(struct sl_worker *w, const struct sl_pkt *p, unsigned mtu);

/* Is p, an IP packet for Linux, an ICMP error about what an allocation sent? Then it is dealt with here: p->m is consumed. */
bool sl_icmp_in(struct sl_worker *w, struct sl_pkt *p);

/* Give frames to Linux through their interface's TAP: what is refused by the guard or the budgets is dropped. Consumes all of v. */
void sl_exceptions(struct sl_worker *w, struct sl_vec *v, enum sl_origin origin);
/* Frames from the TAPs to the wire. Returns how many. */
unsigned sl_inject(struct sl_worker *w);

int sl_reassembly_init(struct sl_worker *w);
/* A fragment for a claimed address; data starts at the Ethernet header or, if looped, the IP header. Consumes p->m. */
void sl_reassemble(struct sl_worker *w, struct sl_pkt *p);
void sl_reassembly_tick(struct sl_worker *w);

/* Give p->m to worker owner through the ring for known or unknown flows. Consumes it. */
void sl_handoff(struct sl_worker *w, struct sl_pkt *p, unsigned owner, bool known);
/* The same for a packet whose session is owner's, whatever the buckets say (RFC 8016, RFC 6062). */
void sl_handoff_settled(struct sl_worker *w, struct sl_pkt *p, unsigned owner);
/* Give m, as sl_packet(m) describes it, to owner by the ring for known flows. Consumes it. */
void sl_handoff_known(struct sl_worker *w, struct rte_mbuf *m, unsigned owner);
/* Take what other workers handed over. Returns how many. */
unsigned sl_handoff_input(struct sl_worker *w);

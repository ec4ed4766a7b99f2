/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* TURN allocations and their peers (permissions and channels) as one worker holds them.
 *
 * Hot state: two cache lines an allocation, one a peer. Everything is an index into fixed arrays; nothing is allocated
 * after start. Owner: one worker; nobody else reads or writes these. What must survive a crash is mirrored to the
 * cold records (cold.h) when it changes, never per packet. */

#include <stdbool.h>
#include <stdint.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "dataplane/abi/msg.h"
#include "dataplane/guard/meter.h"
#include "dataplane/session/cold.h"
#include "dataplane/session/flow.h"
#include "dataplane/session/known.h"
#include "dataplane/session/ports.h"
#include "dataplane/session/wheel.h"
#include "dataplane/wire/siphash.h"

enum {
	SL_ALLOC_INLINE_CHANNELS = 4,
	SL_MAX_TURNS = 4,
	SL_NO_RELAY2 = 0xff,
	SL_ALLOC_IS_MOVING = 0x80, /* of sl_alloc.flags, beside SL_ALLOC_IS_*: see struct sl_moving */
	SL_ALLOC_IS_METERED = 0x40, /* its meters are its own, not an earlier session's */
	SL_MAX_MOVING = 1024,      /* of a worker at a time; a power of two */
};

/* Next hop cached in a session: valid while the FIB's generation is the one noted. */
struct sl_nh_ref {
	uint32_t index;
	uint32_t generation; /* 0 = never looked up */
};

/* A permission, or a channel (which is also a permission for its address): one cache line. */
struct sl_peer {
	_Alignas(64) struct sl_ip ip;
	uint16_t port_be; /* 0: a permission for the address, any port */
	uint16_t channel; /* 0: none */
	uint32_t permission_expires_s; /* kept alike in every record of the same address */
	uint32_t channel_expires_s;
	uint32_t next;  /* in the allocation's chain; SL_NONE ends it */
	struct sl_nh_ref nh; /* towards the peer */
	uint32_t alloc; /* owner; SL_NONE while free */
	uint32_t judged; /* the peer policy that let it in last: sl_turn_is_judged(); 0 = none yet */
	uint8_t own_address; /* the peer address is one of ours: hairpin, ports checked per packet */
	uint8_t pad[15];
};
_Static_assert(sizeof(struct sl_peer) == 64, "a peer is one cache line");

struct sl_alloc {
	/* line 0: what every relayed packet reads */
	_Alignas(64) struct sl_flow client; /* 24 */
	uint32_t expires_s;   /* worker seconds (sl_worker.now_s); 0 = slot free */
	uint16_t relay_port_be;
	uint8_t relay;        /* index of the relay address */
	uint8_t flags;        /* SL_ALLOC_IS_* (dataplane/abi/msg.h), SL_ALLOC_IS_MOVING, SL_ALLOC_IS_METERED */
	uint32_t peers;       /* first of the chain */
	struct sl_nh_ref nh;  /* towards the client */
	uint16_t channel[SL_ALLOC_INLINE_CHANNELS]; /* a cache of the chain: */
	uint32_t last_seen_s;
	uint32_t generation;  /* of this slot; part of the id in events; 24 bits used */
	uint16_t relay2_port_be;
	uint8_t relay2;       /* of the other family (RFC 8656 7.2, ADDITIONAL-ADDRESS-FAMILY), or SL_NO_RELAY2 */
	uint8_t tcp;          /* turn_tcp.c's: is the relayed address listened on (RFC 6062)? */
	/* line 1: counted per packet, or rarely used */
	_Alignas(64) uint32_t channel_peer[SL_ALLOC_INLINE_CHANNELS]; /* ... peers of channel[] */
	uint64_t to_peer_bytes, to_client_bytes;
	uint32_t to_peer_packets_lo, to_client_packets_lo; /* low words; high words in line 1's tail */
	uint16_t to_peer_packets_hi, to_client_packets_hi;
	uint16_t n_peers;
	uint8_t strange_s, strange_answers; /* answers without authentication in the second that ends so; see turn.c */
	uint32_t created_s;
	uint32_t meter;       /* bandwidth of its user, as the policy counts it */
	uint16_t realm;
	uint8_t icmp_s, icmp_told; /* ICMP errors told in the second that ends so */
	uint32_t connections; /* RFC 6062: first of its connections to peers, in turn_tcp.c's table; SL_NONE = none */
};
_Static_assert(sizeof(struct sl_alloc) == 128, "hot state of an allocation is two cache lines");
_Static_assert(sizeof(struct sl_alloc) + sizeof(struct sl_cold_alloc) + sizeof(struct sl_peer) + sizeof(struct sl_cold_peer) == 444,
	"an allocation with a peer and all indexes takes 512 bytes at most: see README.md for what they take");

/* An allocation on its way to another five-tuple (RFC 8016): the Refresh from there was answered, and until its first data comes from there, both reach it. */
struct sl_moving {
	struct sl_flow to;
	uint32_t alloc;   /* SL_NONE = free */
	uint32_t since_s;
};

struct sl_sessions {
	struct sl_alloc *allocs;  /* [n_allocs] */
	uint32_t n_allocs, alloc_free, n_active;
	struct sl_peer *peers;    /* [n_peers] */
	uint32_t n_peers, peer_free, n_peers_active;
	struct sl_meter (*meters)[SL_METER_N_DIRECTIONS]; /* [n_allocs]; touched only while sessions have limits of their own: sl_alloc_meters() */
	struct sl_moving *moving; /* [SL_MAX_MOVING] */
	uint32_t n_moving;
	struct sl_flow_table flows;
	struct sl_hash_key hash_key;
	struct sl_relay_ports ports;
	struct sl_wheel wheel;    /* one node per allocation */
	const struct sl_ip *relay; /* [ports.n_relay] */
	struct sl_cold_view cold; /* this worker's cold records: cold.allocs[i] mirrors allocs[i] */
	struct sl_cold_locals *locals; /* what they call the node's addresses, */
	uint16_t *listener_number, *relay_number; /* and each one's number: [n_listeners], [ports.n_relay] */
	struct sl_prng prng;
	struct sl_known *known;   /* told of clients and of peers' addresses; may be NULL */
	struct sl_cold *cold_memory; /* NULL in tests: the records above are private then */
	const struct sl_endpoint *listeners;
	unsigned n_listeners, worker, n_workers;
	uint32_t swept_s;         /* when returned ports were looked for last */
	uint32_t noted;           /* allocation whose counts go to its cold record next */
};

/* Fast-path look-ups. */
static inline uint32_t sl_alloc_find(const struct sl_sessions *s, const struct sl_flow *f, uint32_t hash)
{
	uint16_t tag = sl_flow_tag(hash);
	uint32_t at[2] = {sl_flow_bucket1(&s->flows, hash), sl_flow_bucket2(&s->flows, hash)};
	for (int i = 0; i < 2; i++) {
		const struct sl_flow_bucket *b = &s->flows.buckets[at[i]];
#ifdef __AVX512BW__
		uint32_t hits = _mm_cmpeq_epi16_mask(_mm_load_si128((const __m128i *)b->tag), _mm_set1_epi16((short)tag));
#elif defined(__SSE2__)
		__m128i eq = _mm_cmpeq_epi16(_mm_load_si128((const __m128i *)b->tag), _mm_set1_epi16((short)tag));
		uint32_t hits = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(eq, _mm_setzero_si128()));
#else
		uint32_t hits = 0;
		for (unsigned k = 0; k < SL_FLOW_BUCKET_SLOTS; k++)
			hits |= (uint32_t)(b->tag[k] == tag) << k;
#endif
		for (; hits; hits &= hits - 1) {
			uint32_t a = b->alloc[__builtin_ctz(hits)];
			if (sl_flow_eq(&s->allocs[a].client, f))
				return a;
		}
	}
	return SL_NONE;
}

/* The peer bound to channel number ch, expired or not; SL_NONE if none. */
static inline uint32_t sl_peer_by_channel(const struct sl_sessions *s, const struct sl_alloc *a, uint16_t ch)
{
	for (unsigned i = 0; i < SL_ALLOC_INLINE_CHANNELS; i++)
		if (a->channel[i] == ch)
			return a->channel_peer[i];
	for (uint32_t p = a->peers; p != SL_NONE; p = s->peers[p].next)
		if (s->peers[p].channel == ch)
			return p;
	return SL_NONE;
}

/* Is it the second relayed address that peers of ip's family see (RFC 8656 7.2)? The two are of different families. */
static inline bool sl_alloc_is_second(const struct sl_sessions *s, const struct sl_alloc *a, const struct sl_ip *ip)
{
	return a->relay2 != SL_NO_RELAY2 && sl_ip_is_v4(ip) == sl_ip_is_v4(&s->relay[a->relay2]);
}

/* The relayed transport address that the peer at ip sees; false: there is none of its family. */
static inline bool sl_alloc_relayed(const struct sl_sessions *s, const struct sl_alloc *a, const struct sl_ip *ip, struct sl_endpoint *out)
{
	bool second = sl_alloc_is_second(s, a, ip);
	out->ip = s->relay[second ? a->relay2 : a->relay];
	out->port_be = second ? a->relay2_port_be : a->relay_port_be;
	return second || sl_ip_is_v4(ip) == sl_ip_is_v4(&out->ip);
}

/* Meters of both directions, full at first. Who is never asked for them takes no memory for them: a table that is not touched is not resident. */
static inline struct sl_meter *sl_alloc_meters(struct sl_sessions *s, uint32_t alloc)
{
	struct sl_meter *m = s->meters[alloc];
	if (!(s->allocs[alloc].flags & SL_ALLOC_IS_METERED)) {
		memset(m, 0, sizeof s->meters[alloc]);
		s->allocs[alloc].flags |= SL_ALLOC_IS_METERED;
	}
	return m;
}

static inline uint64_t sl_alloc_to_peer_packets(const struct sl_alloc *a)
{
	return (uint64_t)a->to_peer_packets_hi << 32 | a->to_peer_packets_lo;
}

static inline uint64_t sl_alloc_to_client_packets(const struct sl_alloc *a)
{
	return (uint64_t)a->to_client_packets_hi << 32 | a->to_client_packets_lo;
}

/* The record for exactly ip and port (a channel) if there is one, else the address's permission, else SL_NONE. */
static inline uint32_t sl_peer_by_endpoint(const struct sl_sessions *s, const struct sl_alloc *a,
	const struct sl_endpoint *ep)
{
	uint32_t permission = SL_NONE;
	for (uint32_t p = a->peers; p != SL_NONE; p = s->peers[p].next) {
		const struct sl_peer *peer = &s->peers[p];
		if (!sl_ip_eq(&peer->ip, &ep->ip))
			continue;
		if (peer->port_be == ep->port_be)
			return p;
		permission = p;
	}
	return permission;
}

/* ---- everything below: sessions.c, moving.c, peers.c, restore.c; something expires when now_s reaches its expiry; called by the owner only, times in worker seconds ---- */

struct sl_sessions_params {
	uint32_t n_allocs, n_peers; /* of this worker */
	unsigned worker, n_workers;
	unsigned n_relay;           /* relay addresses of the node */
	uint16_t port_min, port_max;
	struct sl_cold *cold;       /* NULL = records of our own, for tests: nothing survives */
	const struct sl_endpoint *listeners; /* [n_listeners], and relay addresses [n_relay]: for the cold records; they */
	unsigned n_listeners;                /* outlive the sessions */
	const struct sl_ip *relay;
	uint32_t now_s;
	struct sl_known *known;     /* kept in step with clients and permissions; NULL = none */
	struct sl_port_shared *port_shared; /* node-wide table of lent ports, see ports.h */
	/* Memory for the tables: NULL = calloc; the dataplane passes its hugepage allocator. */
	void *(*zalloc)(const char *what, size_t bytes);
	uint64_t seed[4];           /* random */
};

/* 0, -ENOMEM, or -EINVAL (no capacity, more than the cold records hold, or a bad range of ports). */
int sl_sessions_init(struct sl_sessions *s, const struct sl_sessions_params *p);
void sl_sessions_free(struct sl_sessions *s, void (*release)(void *)); /* for tests */

/* A new allocation for flow f with the relay port already drawn. SL_NONE when a table is full (nothing changed). */
uint32_t sl_alloc_create(struct sl_sessions *s, const struct sl_flow *f, unsigned relay, uint16_t relay_port_be,
	uint32_t now_s, uint32_t lifetime_s, const struct sl_cold_auth *auth);
/* Its second relayed address, of the other family; the port has been drawn. */
void sl_alloc_add_relay(struct sl_sessions *s, uint32_t alloc, unsigned relay, uint16_t relay_port_be);
/* End one of its two relayed addresses with the peers of that family: the port is given back. */
void sl_alloc_drop_relay(struct sl_sessions *s, uint32_t alloc, bool second);
/* What a retransmitted Allocate is recognised by and answered with again: the transaction id, and the token given
 * (NULL = none). */
void sl_alloc_set_transaction(struct sl_sessions *s, uint32_t alloc, const uint8_t tid[12], const uint8_t token[8]);
/* Its user has another key now (RFC 7635: a new access token). len: 16, 20 or 32. */
void sl_alloc_set_key(struct sl_sessions *s, uint32_t alloc, const uint8_t *key, unsigned len);
/* Refresh; also re-arms nothing: the wheel re-arms lazily. */
void sl_alloc_refresh(struct sl_sessions *s, uint32_t alloc, uint32_t now_s, uint32_t lifetime_s);
/* Ends it, at any time: peers, port (given back, or returned to its lender), flow, cold record. */
void sl_alloc_delete(struct sl_sessions *s, uint32_t alloc);

/* The client is at another five-tuple from now on, and the number of its last mobility ticket is moves. False: no room in the table of flows (nothing changed). */
bool sl_alloc_move(struct sl_sessions *s, uint32_t alloc, const struct sl_flow *to, uint32_t moves);
/* It may move there: the five-tuple finds it by sl_moving_find(). It has no other one to move to. True: there was no room, and another allocation does not
 * move any more to *forgotten. */
bool sl_moving_begin(struct sl_sessions *s, uint32_t alloc, const struct sl_flow *to, uint32_t now_s, struct sl_flow *forgotten);
/* Where it may move to, or NULL. */
const struct sl_flow *sl_moving_to(const struct sl_sessions *s, uint32_t alloc);
/* It does not move, or has done so. */
void sl_moving_end(struct sl_sessions *s, uint32_t alloc);
/* The allocation that may move to f, or SL_NONE. */
uint32_t sl_moving_search(const struct sl_sessions *s, const struct sl_flow *f);
static inline uint32_t sl_moving_find(const struct sl_sessions *s, const struct sl_flow *f)
{
	return s->n_moving == 0 ? SL_NONE : sl_moving_search(s, f);
}
/* The five-tuple of a client whose connection has ended and who may come back at another one: nobody's. */
struct sl_flow sl_flow_lost(const struct sl_flow *f, uint32_t alloc);

/* Install or refresh a permission. 0, or -ENOSPC (per-allocation limit max, or pool empty; nothing changed). */
int sl_permission_set(struct sl_sessions *s, uint32_t alloc, const struct sl_ip *ip, bool own_address, uint32_t expires_s,
	unsigned max);
/* Bind or refresh a channel, with its permission. 0, -EEXIST (number bound to another peer, or peer to another number:
 * RFC 8656 12.2 -> 400), -ENOSPC. An expired binding may be rebound. */
int sl_channel_set(struct sl_sessions *s, uint32_t alloc, uint16_t channel, const struct sl_endpoint *peer,
	bool own_address, uint32_t now_s, uint32_t permission_expires_s, uint32_t channel_expires_s, unsigned max);

/* End the permission or channel in this record, which is in use: a permission with several records lives on in the
 * others. */
void sl_peer_end(struct sl_sessions *s, uint32_t peer);

/* Is there a permission for ip (RFC 8656 9: addresses only)? */
bool sl_permission_live(const struct sl_sessions *s, const struct sl_alloc *a, const struct sl_ip *ip, uint32_t now_s);

/* Advance the wheel: on_expired is called for each allocation whose lifetime ended, before it is deleted; expired
 * permissions and channels go too. At most budget timers a call. */
typedef void (*sl_alloc_expired_fn)(void *ctx, uint32_t alloc);
void sl_sessions_tick(struct sl_sessions *s, uint32_t now_s, unsigned budget, sl_alloc_expired_fn on_expired, void *ctx);

/* Write the byte and packet counts of the next few allocations to their cold records: once round in some seconds when
 * called each millisecond. */
void sl_sessions_note_counts(struct sl_sessions *s);

/* Take up the valid cold records that belong to this worker. owner_of tells which worker owns a flow; listener_of maps
 * a server endpoint to the index of its listener for a transport (UDP and TCP may share an endpoint) or -1; relay_of an
 * address to its index or -1. Returns how many. Called once, on the start thread, before the worker runs. See cold.h for
 * what is checked. */
struct sl_restore_ops {
	void *ctx;
	unsigned (*owner_of)(void *ctx, const struct sl_endpoint *client, const struct sl_endpoint *server);
	int (*listener_of)(void *ctx, const struct sl_endpoint *server, unsigned over); /* over: enum sl_turn_transport */
	int (*relay_of)(void *ctx, const struct sl_ip *relay);
	bool (*is_own)(void *ctx, const struct sl_ip *ip); /* one of the node's addresses (relay addresses are anyway); NULL = no */
};
uint32_t sl_sessions_restore(struct sl_sessions *s, const struct sl_restore_ops *ops, uint32_t now_s);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* From a claimed packet to its session: which of our addresses and ports, which worker, which allocation; and who has none, before the guard. In
 * passes over the vector, so that the table lines of one packet are fetched while others are worked on. */

#include "dataplane/path/context.h"

#include <arpa/inet.h>

#include "dataplane/path/media.h"
#include "dataplane/path/streams.h"
#include "dataplane/wire/channel.h"

const struct sl_local *sl_local_search(const struct sl_worker *w, const struct sl_ip *ip)
{
	for (unsigned i = sl_local_slot(ip);; i = (i + 1) % SL_LOCAL_SLOTS) {
		const struct sl_local *l = &w->locals[i];
		if (!l->used)
			return NULL;
		if (sl_ip_eq(&l->ip, ip))
			return l;
	}
}

static struct sl_local *local_add(struct sl_worker *w, const struct sl_ip *ip)
{
	unsigned home = sl_local_slot(ip);
	w->local_filter[home / 64] |= UINT64_C(1) << (home % 64);
	for (unsigned i = home;; i = (i + 1) % SL_LOCAL_SLOTS) {
		struct sl_local *l = &w->locals[i];
		if (!l->used)
			*l = (struct sl_local){.ip = *ip, .used = true, .relay = SL_NO_RELAY, .media = SL_NO_MEDIA};
		if (sl_ip_eq(&l->ip, ip))
			return l;
	}
}

/* mark: what its known sources are marked under (streams.h). */
static void add_service(struct sl_local *l, uint16_t port_be, unsigned mark, uint8_t ip_protocol)
{
	l->services[l->n_services].port_be = port_be;
	l->services[l->n_services].mark = (uint16_t)mark;
	l->services[l->n_services++].ip_protocol = ip_protocol;
}

static void add_sip(struct sl_worker *w, const struct sl_conf_sip *c)
{
	for (unsigned i = 0; i < c->n_listeners; i++)
		add_service(local_add(w, &c->listeners[i].address.ip), c->listeners[i].address.port_be, i,
			c->listeners[i].transport == SL_CONF_SIP_UDP ? IPPROTO_UDP : IPPROTO_TCP);
}

int sl_locals_init(struct sl_worker *w, const struct sl_config *c)
{
	_Static_assert(SL_CONF_MAX_LISTENERS + SL_CONF_MAX_RELAY + SL_CONF_MAX_MEDIA_ADDRESSES + SL_CONF_MAX_SIP_LISTENERS <= SL_LOCAL_SLOTS / 2,
		"the table stays sparse");
	const struct sl_conf_turn *conf = &c->turn;
	const struct sl_conf_media *media = &c->media;
	for (unsigned i = 0; i < conf->n_listeners; i++) {
		struct sl_local *l = local_add(w, &conf->listeners[i].ip);
		if (conf->more[i].transport != SL_TURN_OVER_UDP) {
			add_service(l, conf->listeners[i].port_be, SL_MARK_TURN + i, conf->more[i].transport == SL_TURN_OVER_DTLS ? IPPROTO_UDP : IPPROTO_TCP);
			continue;
		}
		if (l->n_listeners == RTE_DIM(l->listeners))
			return -ENOSPC;
		l->listeners[l->n_listeners].port_be = conf->listeners[i].port_be;
		l->listeners[l->n_listeners++].listener = (uint16_t)i;
	}
	for (unsigned i = 0; i < conf->n_relay; i++)
		local_add(w, &conf->relay[i])->relay = (uint8_t)i;
	for (unsigned i = 0; i < media->n_addresses; i++)
		local_add(w, &media->addresses[i].ip)->media = (uint8_t)i;
	add_sip(w, &c->sip);
	return 0;
}

static bool is_media_port(const struct sl_worker *w, uint16_t port)
{
	const struct sl_conf_media *c = &w->dp->config->media;
	return port >= c->port_min && port <= c->port_max;
}

bool sl_lookup_local(const struct sl_worker *w, const struct sl_local *l, struct sl_pkt *p)
{
	for (unsigned i = 0; i < l->n_listeners; i++)
		if (l->listeners[i].port_be == p->dst.port_be) {
			p->relay = SL_NO_RELAY;
			p->media = SL_NO_MEDIA;
			p->listener = p->flow.listener = l->listeners[i].listener;
			p->flow.transport = IPPROTO_UDP;
			return true;
		}
	if (l->media != SL_NO_MEDIA && is_media_port(w, ntohs(p->dst.port_be))) {
		p->relay = SL_NO_RELAY;
		p->media = l->media;
		return true;
	}
	p->media = SL_NO_MEDIA;
	p->relay = l->relay;
	return l->relay != SL_NO_RELAY && sl_turn_own_port_ok(&w->turn, ntohs(p->dst.port_be));
}

bool sl_own_peer_ok(const struct sl_worker *w, const struct sl_endpoint *peer)
{
	const struct sl_local *l = sl_local_find(w, &peer->ip);
	if (l && l->media != SL_NO_MEDIA && is_media_port(w, ntohs(peer->port_be)))
		return true;
	return l && l->relay != SL_NO_RELAY && sl_turn_own_port_ok(&w->turn, ntohs(peer->port_be));
}

static unsigned owner_of(const struct sl_worker *w, const struct sl_pkt *p)
{
	const struct sl_dataplane *dp = w->dp;
	if (p->media != SL_NO_MEDIA)
		return sl_media_port_worker(ntohs(p->dst.port_be), dp->n_workers);
	if (p->relay != SL_NO_RELAY)
		return sl_port_owner(&dp->relay_ports, p->relay, ntohs(p->dst.port_be));
	int moved = sl_moved_owner(&dp->moved, &p->flow);
	if (unlikely(moved >= 0))
		return (unsigned)moved;
	/* A NIC's RSS is set up for UDP over IPv4; of anything else its hash may be over the addresses alone. */
	uint32_t hash = !p->v6 && dp->ports[dp->interfaces[p->interface].port].rss_ours &&
			(p->m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) && !p->fragmented ?
		p->m->hash.rss :
		sl_owner_hash(&dp->owner, &p->src, &p->dst);
	return sl_owner_of_hash(&dp->owner, hash);
}

static bool is_known(const struct sl_worker *w, const struct sl_pkt *p, unsigned owner)
{
	const struct sl_known *k = &w->dp->known;
	if (p->media != SL_NO_MEDIA)
		return sl_known_has(k, owner, sl_known_hash_peer(k, &p->src.ip, SL_KNOWN_MEDIA | p->media, p->dst.port_be));
	if (p->relay != SL_NO_RELAY)
		return sl_known_has(k, owner, sl_known_hash_peer(k, &p->src.ip, p->relay, p->dst.port_be));
	return sl_known_has(k, owner, sl_known_hash_client(k, &p->flow));
}

/* First pass: where will the allocation be found? Bring those lines in. */
static inline void locate(struct sl_worker *w, struct sl_pkt *p)
{
	struct sl_sessions *s = &w->sessions;
	if (p->media != SL_NO_MEDIA) {
		sl_media_locate(w, p);
	} else if (p->relay != SL_NO_RELAY) {
		rte_prefetch0(&s->ports.alloc[(size_t)p->relay << 16 | ntohs(p->dst.port_be)]);
	} else {
		p->hash = sl_hash_flow(&s->hash_key, &p->flow);
		sl_flow_prefetch(&s->flows, p->hash);
	}
}

void sl_lookup_ahead(struct sl_worker *w, struct sl_vec *v)
{
	for (unsigned i = 0; i < v->n; i++)
		locate(w, &v->p[i]);
}

/* The allocation of a client that is on its way to this five-tuple (RFC 8016), or SL_NONE. */
static uint32_t arrived(struct sl_worker *w, const struct sl_pkt *p)
{
	bool data = p->payload_len >= SL_CHANNEL_HEADER_BYTES && sl_channel_looks_like(p->udp[8]);
	return sl_turn_arrived(&w->turn, &p->flow, data, &w->now);
}

/* Second pass: the allocation itself. */
static void find(struct sl_worker *w, struct sl_pkt **v, unsigned n)
{
	struct sl_sessions *s = &w->sessions;
	for (unsigned i = 0; i < n; i++) {
		struct sl_pkt *p = v[i];
		if (p->media != SL_NO_MEDIA) {
			sl_media_find_leg(w, p);
			continue;
		}
		if (p->relay != SL_NO_RELAY) {
			p->alloc = sl_relay_find(&s->ports, p->relay, ntohs(p->dst.port_be));
		} else {
			p->alloc = sl_alloc_find(s, &p->flow, p->hash);
			if (unlikely(p->alloc == SL_NONE) && s->n_moving)
				p->alloc = arrived(w, p);
		}
		if (p->alloc != SL_NONE) {
			rte_prefetch0(&s->allocs[p->alloc]);
			rte_prefetch0((uint8_t *)&s->allocs[p->alloc] + 64);
		}
	}
}

/* Third pass: the peer most packets need, which is the first of the chain. */
static void prefetch_peers(struct sl_worker *w, struct sl_pkt **v, unsigned n)
{
	const struct sl_sessions *s = &w->sessions;
	for (unsigned i = 0; i < n; i++) {
		if (v[i]->alloc == SL_NONE)
			continue;
		if (v[i]->media != SL_NO_MEDIA) {
			sl_media_prefetch_target(w, v[i]->alloc);
			continue;
		}
		uint32_t first = s->allocs[v[i]->alloc].peers;
		if (first != SL_NONE)
			rte_prefetch0(&s->peers[first]);
	}
}

/* Does p come from somebody whom its session knows? What it says is not believed for that: the stages that follow look at it. */
static inline bool is_of_session(const struct sl_worker *w, const struct sl_pkt *p)
{
	if (p->alloc == SL_NONE)
		return false;
	if (p->media != SL_NO_MEDIA)
		return sl_media_is_from_remote(w->media->tables, p);
	if (p->relay == SL_NO_RELAY)
		return true;
	return sl_peer_by_endpoint(&w->sessions, &w->sessions.allocs[p->alloc], &p->src) != SL_NONE;
}

/* A packet of another worker's: where it goes, and whether that worker has said that it knows the flow. */
struct elsewhere {
	struct sl_pkt *p;
	uint8_t owner;
	bool known;
};

/* Did another worker say that it is ours? (A packet from a port has nothing of ours beside it.) */
static bool is_settled(const struct sl_pkt *p, enum sl_origin origin)
{
	return origin == SL_FROM_WORKER && sl_packet(p->m)->settled;
}

/* Tell apart what is ours to serve. Returns how much that is; the rest goes to *n_else. */
static unsigned tell_apart(struct sl_worker *w, struct sl_vec *v, enum sl_origin origin, struct sl_pkt **own, struct elsewhere *others,
	unsigned *n_else)
{
	unsigned n = 0;
	*n_else = 0;
	for (unsigned i = 0; i < v->n; i++) {
		unsigned owner = is_settled(&v->p[i], origin) ? w->index : owner_of(w, &v->p[i]);
		if (likely(owner == w->index))
			own[n++] = &v->p[i];
		else
			others[(*n_else)++] =
				(struct elsewhere){.p = &v->p[i], .owner = (uint8_t)owner, .known = is_known(w, &v->p[i], owner)};
	}
	return n;
}

/* Who belongs to no session is charged for it, wherever that session would be. Refused packets have m NULL afterwards. */
static void judge(struct sl_worker *w, struct sl_pkt **own, unsigned n, const struct elsewhere *others, unsigned n_else)
{
	struct sl_pkt *strangers[SL_BURST];
	unsigned n_strangers = 0;
	for (unsigned i = 0; i < n; i++)
		if (unlikely(!is_of_session(w, own[i])))
			strangers[n_strangers++] = own[i];
	for (unsigned i = 0; i < n_else; i++)
		if (!others[i].known)
			strangers[n_strangers++] = others[i].p;
	sl_count(w, SL_C_guard_known, n + n_else - n_strangers);
	sl_count(w, SL_C_guard_unknown, n_strangers);
	if (unlikely(n_strangers))
		sl_guard_strangers(w, strangers, n_strangers);
}

static void act(struct sl_worker *w, struct sl_pkt **own, unsigned n, enum sl_origin origin)
{
	struct sl_pkt *media[SL_BURST];
	unsigned n_media = 0;
	for (unsigned i = 0; i < n; i++) {
		struct sl_pkt *p = own[i];
		if (unlikely(!p->m))
			continue;
		if (p->media != SL_NO_MEDIA)
			media[n_media++] = p;
		else if (p->relay != SL_NO_RELAY)
			sl_channel_to_client(w, p);
		else if (likely(p->payload_len >= SL_CHANNEL_HEADER_BYTES && sl_channel_looks_like(p->udp[8])))
			sl_channel_to_peer(w, p);
		else
			sl_stun_input(w, p, is_settled(p, origin));
	}
	if (n_media)
		sl_media_input(w, media, n_media);
}

void sl_lookup(struct sl_worker *w, struct sl_vec *v, enum sl_origin origin)
{
	struct sl_pkt *own[SL_BURST];
	struct elsewhere others[SL_BURST];
	unsigned n = v->n, n_else = 0;
	if (w->dp->n_workers > 1)
		n = tell_apart(w, v, origin, own, others, &n_else);
	else
		for (unsigned i = 0; i < n; i++)
			own[i] = &v->p[i];
	find(w, own, n);
	prefetch_peers(w, own, n);
	if (likely(origin == SL_FROM_PORT))
		judge(w, own, n, others, n_else);
	for (unsigned i = 0; i < n_else; i++)
		if (others[i].p->m)
			sl_handoff(w, others[i].p, others[i].owner, others[i].known);
	act(w, own, n, origin);
}

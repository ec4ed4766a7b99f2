/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* From a claimed packet to its session: which of our addresses and ports, which worker, which allocation. In passes
 * over the vector, so that the table lines of one packet are fetched while others are worked on. */

#include "dataplane/path/context.h"

#include <arpa/inet.h>

#include "dataplane/path/media.h"
#include "dataplane/wire/channel.h"

static unsigned local_slot(const struct sl_ip *ip)
{
	uint64_t h = (ip->q[0] ^ ip->q[1]) * UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(h >> 56) % SL_LOCAL_SLOTS;
}

const struct sl_local *sl_local_find(const struct sl_worker *w, const struct sl_ip *ip)
{
	unsigned home = local_slot(ip);
	if (!(w->local_filter[home / 64] >> (home % 64) & 1))
		return NULL;
	for (unsigned i = home;; i = (i + 1) % SL_LOCAL_SLOTS) {
		const struct sl_local *l = &w->locals[i];
		if (!l->used)
			return NULL;
		if (sl_ip_eq(&l->ip, ip))
			return l;
	}
}

static struct sl_local *local_add(struct sl_worker *w, const struct sl_ip *ip)
{
	unsigned home = local_slot(ip);
	w->local_filter[home / 64] |= UINT64_C(1) << (home % 64);
	for (unsigned i = home;; i = (i + 1) % SL_LOCAL_SLOTS) {
		struct sl_local *l = &w->locals[i];
		if (!l->used)
			*l = (struct sl_local){.ip = *ip, .used = true, .relay = SL_NO_RELAY, .media = SL_NO_MEDIA};
		if (sl_ip_eq(&l->ip, ip))
			return l;
	}
}

int sl_locals_init(struct sl_worker *w, const struct sl_conf_turn *conf, const struct sl_conf_media *media)
{
	_Static_assert(SL_CONF_MAX_LISTENERS + SL_CONF_MAX_RELAY + SL_CONF_MAX_MEDIA_ADDRESSES < SL_LOCAL_SLOTS / 2,
		"the table stays sparse");
	for (unsigned i = 0; i < conf->n_listeners; i++) {
		struct sl_local *l = local_add(w, &conf->listeners[i].ip);
		if (l->n_listeners == RTE_DIM(l->listeners))
			return -ENOSPC;
		l->listeners[l->n_listeners].port_be = conf->listeners[i].port_be;
		l->listeners[l->n_listeners++].listener = (uint16_t)i;
	}
	for (unsigned i = 0; i < conf->n_relay; i++)
		local_add(w, &conf->relay[i])->relay = (uint8_t)i;
	for (unsigned i = 0; i < media->n_addresses; i++)
		local_add(w, &media->addresses[i].ip)->media = (uint8_t)i;
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
			p->listener = l->listeners[i].listener;
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

static void flow_of(const struct sl_pkt *p, struct sl_flow *f)
{
	f->ip = p->src.ip;
	f->port_be = p->src.port_be;
	f->listener = p->listener;
	f->transport = IPPROTO_UDP;
}

static unsigned owner_of(const struct sl_worker *w, const struct sl_pkt *p)
{
	const struct sl_dataplane *dp = w->dp;
	if (p->media != SL_NO_MEDIA)
		return sl_media_port_worker(ntohs(p->dst.port_be), dp->n_workers);
	if (p->relay != SL_NO_RELAY)
		return sl_port_owner(&dp->relay_ports, p->relay, ntohs(p->dst.port_be));
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
	struct sl_flow f;
	flow_of(p, &f);
	return sl_known_has(k, owner, sl_known_hash_client(k, &f));
}

/* Drop from the vector what belongs to other workers. */
static void hand_over(struct sl_worker *w, struct sl_vec *v)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < v->n; i++) {
		unsigned owner = owner_of(w, &v->p[i]);
		if (owner != w->index) {
			sl_handoff(w, &v->p[i], owner, is_known(w, &v->p[i], owner));
			continue;
		}
		if (kept != i)
			v->p[kept] = v->p[i];
		kept++;
	}
	v->n = kept;
}

/* First pass: where will the allocation be found? Bring those lines in. */
static void locate(struct sl_worker *w, struct sl_vec *v)
{
	struct sl_sessions *s = &w->sessions;
	for (unsigned i = 0; i < v->n; i++) {
		struct sl_pkt *p = &v->p[i];
		if (p->media != SL_NO_MEDIA) {
			sl_media_locate(w, p);
		} else if (p->relay != SL_NO_RELAY) {
			rte_prefetch0(&s->ports.alloc[(size_t)p->relay << 16 | ntohs(p->dst.port_be)]);
		} else {
			struct sl_flow f;
			flow_of(p, &f);
			p->hash = sl_hash_flow(&s->hash_key, &f);
			sl_flow_prefetch(&s->flows, p->hash);
		}
	}
}

/* Second pass: the allocation itself. */
static void find(struct sl_worker *w, struct sl_vec *v)
{
	struct sl_sessions *s = &w->sessions;
	for (unsigned i = 0; i < v->n; i++) {
		struct sl_pkt *p = &v->p[i];
		if (p->media != SL_NO_MEDIA) {
			sl_media_find_leg(w, p);
			continue;
		}
		if (p->relay != SL_NO_RELAY) {
			p->alloc = sl_relay_find(&s->ports, p->relay, ntohs(p->dst.port_be));
		} else {
			struct sl_flow f;
			flow_of(p, &f);
			p->alloc = sl_alloc_find(s, &f, p->hash);
		}
		if (p->alloc != SL_NONE) {
			rte_prefetch0(&s->allocs[p->alloc]);
			rte_prefetch0((uint8_t *)&s->allocs[p->alloc] + 64);
		}
	}
}

/* Third pass: the peer most packets need, which is the first of the chain. */
static void prefetch_peers(struct sl_worker *w, const struct sl_vec *v)
{
	const struct sl_sessions *s = &w->sessions;
	for (unsigned i = 0; i < v->n; i++) {
		if (v->p[i].alloc == SL_NONE)
			continue;
		if (v->p[i].media != SL_NO_MEDIA) {
			sl_media_prefetch_target(w, v->p[i].alloc);
			continue;
		}
		uint32_t first = s->allocs[v->p[i].alloc].peers;
		if (first != SL_NONE)
			rte_prefetch0(&s->peers[first]);
	}
}

void sl_lookup(struct sl_worker *w, struct sl_vec *v)
{
	if (w->dp->n_workers > 1)
		hand_over(w, v);
	locate(w, v);
	find(w, v);
	prefetch_peers(w, v);
	struct sl_pkt *media[SL_BURST];
	unsigned n_media = 0;
	for (unsigned i = 0; i < v->n; i++) {
		struct sl_pkt *p = &v->p[i];
		if (p->media != SL_NO_MEDIA)
			media[n_media++] = p;
		else if (p->relay != SL_NO_RELAY)
			sl_channel_to_client(w, p);
		else if (likely(p->payload_len >= SL_CHANNEL_HEADER_BYTES && sl_channel_looks_like(p->udp[8])))
			sl_channel_to_peer(w, p);
		else
			sl_stun_input(w, p);
	}
	if (n_media)
		sl_media_input(w, media, n_media);
}

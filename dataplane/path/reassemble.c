/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Fragments of UDP datagrams for our addresses, put together by librte_ip_frag within bounds of our own: so many
 * datagrams in all and so many from one source, because the library only knows a table that is full.
 *
 * The ledger notes each datagram in progress by a keyed hash; it is bounded like everything a stranger can fill. */

/* For rte_ip_frag_table_del_expired_entries(): experimental in 22.11, stable since; without it, datagrams that never get
 * complete would keep their buffers until their table slot is wanted again. */
#define ALLOW_EXPERIMENTAL_API

#include "dataplane/path/context.h"

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_ip_frag.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

enum {
	LEDGER_PROBES = 8,
	SOURCE_COUNTERS = 4096, /* by keyed hash: sources that collide share a cap */
	FRAG_BUCKET_ENTRIES = 16,
	DEATH_ROW_PREFETCH = 3,
	TICK_ENTRIES = 64, /* of the ledger, looked at per ms */
	SWEEP_ON_MS = 1000,
};

struct ledger_entry {
	uint64_t key; /* 0 = free */
	uint64_t deadline_ms;
	uint16_t source;
};

struct sl_reassembly {
	struct rte_ip_frag_tbl *table;
	struct rte_ip_frag_death_row death_row;
	struct sl_siphash_key key;
	uint32_t mask;
	uint32_t n_active, sweep;
	uint64_t swept_ms, last_ms; /* when the last fragment came */
	uint16_t per_source[SOURCE_COUNTERS];
	struct ledger_entry ledger[];
};

int sl_reassembly_init(struct sl_worker *w)
{
	const struct sl_conf_dataplane *conf = &w->dp->config->dataplane;
	uint32_t n = rte_align32pow2(conf->fragment_datagrams * 2);
	struct sl_reassembly *r =
		rte_zmalloc("reassembly", sizeof *r + n * sizeof r->ledger[0], RTE_CACHE_LINE_SIZE);
	if (!r)
		return -ENOMEM;
	uint64_t cycles = w->dp->tsc_hz / 1000 * conf->fragment_timeout_ms;
	unsigned buckets = rte_align32pow2(conf->fragment_datagrams) / FRAG_BUCKET_ENTRIES;
	r->table = rte_ip_frag_table_create(buckets ? buckets * 2 : 2, FRAG_BUCKET_ENTRIES, conf->fragment_datagrams, cycles,
		(int)rte_socket_id());
	if (!r->table) {
		rte_free(r);
		return -ENOMEM;
	}
	r->mask = n - 1;
	r->key.k0 = sl_prng_next(&w->sessions.prng);
	r->key.k1 = sl_prng_next(&w->sessions.prng);
	w->reassembly = r;
	return 0;
}

static void forget(struct sl_reassembly *r, struct ledger_entry *e)
{
	r->per_source[e->source]--;
	r->n_active--;
	e->key = 0;
}

/* Note that datagram key is being put together. False with *why when it may not be. */
static bool admit(struct sl_worker *w, struct sl_reassembly *r, uint64_t key, const struct sl_ip *src,
	struct ledger_entry **entry, enum sl_drop *why)
{
	const struct sl_conf_dataplane *conf = &w->dp->config->dataplane;
	struct ledger_entry *room = NULL;
	for (unsigned i = 0; i < LEDGER_PROBES; i++) {
		struct ledger_entry *e = &r->ledger[(key + i) & r->mask];
		if (e->key == key) {
			*entry = e;
			return true;
		}
		if (!e->key && !room)
			room = e;
	}
	uint16_t source = sl_siphash(&r->key, src, sizeof *src) % SOURCE_COUNTERS;
	*why = SL_DROP_fragment_source_cap;
	if (r->per_source[source] >= conf->fragment_per_source)
		return false;
	*why = SL_DROP_fragment_table_full;
	if (!room || r->n_active >= conf->fragment_datagrams)
		return false;
	*room = (struct ledger_entry){
		.key = key, .deadline_ms = w->now.ms + conf->fragment_timeout_ms, .source = source};
	r->per_source[source]++;
	r->n_active++;
	*entry = room;
	return true;
}

static uint64_t datagram_key(const struct sl_reassembly *r, const struct sl_pkt *p)
{
	struct {
		struct sl_ip src, dst;
		uint32_t id;
	} __attribute__((packed)) k = {.src = p->src.ip, .dst = p->dst.ip};
	if (p->v6)
		memcpy(&k.id, p->l3 + sizeof(struct rte_ipv6_hdr) + 4, 4);
	else
		k.id = ((const struct rte_ipv4_hdr *)p->l3)->packet_id;
	uint64_t h = sl_siphash(&r->key, &k, sizeof k);
	return h ? h : 1;
}

static struct rte_mbuf *put_together(struct sl_worker *w, struct sl_reassembly *r, struct sl_pkt *p)
{
	struct rte_mbuf *m = p->m;
	m->l2_len = (uint64_t)(p->l3 - rte_pktmbuf_mtod(m, uint8_t *)) & 0x7f;
	/* Padding of short frames is not payload. */
	rte_pktmbuf_trim(m, (uint16_t)(m->data_len - m->l2_len - p->l3_len));
	if (p->v6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)p->l3;
		m->l3_len = sizeof *ip + sizeof(struct rte_ipv6_fragment_ext);
		return rte_ipv6_frag_reassemble_packet(
			r->table, &r->death_row, m, w->now_tsc, ip, (struct rte_ipv6_fragment_ext *)(ip + 1));
	}
	m->l3_len = ((p->l3[0] & 15) * 4u) & 0x1ff;
	return rte_ipv4_frag_reassemble_packet(r->table, &r->death_row, m, w->now_tsc, (struct rte_ipv4_hdr *)p->l3);
}

/* One buffer for the whole frame: later stages see a packet like any other. The library leaves the IPv4 header
 * checksum to us. */
static struct rte_mbuf *flatten(struct sl_worker *w, struct rte_mbuf *chain, const struct sl_pkt *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool_large);
	if (!m || rte_pktmbuf_tailroom(m) < chain->pkt_len) {
		w->drops[m ? SL_DROP_fragment_bad : SL_DROP_no_mbuf]++;
		rte_pktmbuf_free(m);
		rte_pktmbuf_free(chain);
		return NULL;
	}
	uint8_t *to = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)chain->pkt_len);
	for (const struct rte_mbuf *s = chain; s; s = s->next) {
		memcpy(to, rte_pktmbuf_mtod(s, const uint8_t *), s->data_len);
		to += s->data_len;
	}
	if (!p->v6) {
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, chain->l2_len);
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	m->ol_flags = chain->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = chain->vlan_tci;
	rte_pktmbuf_free(chain);
	return m;
}

/* Offset 0 and no more to come: RFC 6946 4 wants it taken by itself, beside whatever else has its identification. The library would wait for the rest. */
static bool is_atomic(const struct sl_pkt *p)
{
	const struct rte_ipv6_fragment_ext *f = (const struct rte_ipv6_fragment_ext *)(p->l3 + sizeof(struct rte_ipv6_hdr));
	return p->v6 && (f->frag_data & RTE_BE16(RTE_IPV6_EHDR_FO_MASK | RTE_IPV6_EHDR_MF_MASK)) == 0;
}

/* Take the fragment header out. */
static void strip(struct sl_pkt *p)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)p->l3;
	struct rte_ipv6_fragment_ext f;
	uint8_t *frame = rte_pktmbuf_mtod(p->m, uint8_t *);
	memcpy(&f, ip + 1, sizeof f);
	ip->proto = f.next_header;
	ip->payload_len = rte_cpu_to_be_16((uint16_t)(rte_be_to_cpu_16(ip->payload_len) - sizeof f));
	memmove(frame + sizeof f, frame, (size_t)(p->l3 + sizeof *ip - frame));
	rte_pktmbuf_adj(p->m, sizeof f);
}

/* Fragments have no ports: the addresses decide who puts them together. */
static bool hand_over(struct sl_worker *w, struct sl_pkt *p)
{
	const struct sl_owner *owner = &w->dp->owner;
	unsigned to = sl_owner_of_hash(owner, sl_owner_hash_addresses(owner, &p->src.ip, &p->dst.ip));
	if (w->dp->n_workers == 1 || to == w->index)
		return false;
	sl_handoff(w, p, to, false);
	return true;
}

void sl_reassemble(struct sl_worker *w, struct sl_pkt *p)
{
	struct sl_reassembly *r = w->reassembly;
	struct ledger_entry *entry;
	enum sl_drop why;
	if (hand_over(w, p))
		return;
	sl_count(w, SL_C_fragments_in, 1);
	if (is_atomic(p)) {
		strip(p);
		sl_count(w, SL_C_reassembled, 1);
		sl_path_reassembled(w, p->m, w->dp->interfaces[p->interface].port, SL_FROM_PORT);
		return;
	}
	r->last_ms = w->now.ms;
	if (!admit(w, r, datagram_key(r, p), &p->src.ip, &entry, &why)) {
		sl_drop(w, p->m, why);
		return;
	}
	uint16_t port = w->dp->interfaces[p->interface].port;
	uint32_t condemned = r->death_row.cnt;
	struct rte_mbuf *whole = put_together(w, r, p);
	/* The library condemned something: this datagram if it did not fit together, or an older one in its place. */
	w->drops[SL_DROP_fragment_bad] += r->death_row.cnt - condemned;
	if (whole || r->death_row.cnt != condemned)
		forget(r, entry);
	if (whole) {
		struct rte_mbuf *m = flatten(w, whole, p);
		if (m) {
			sl_count(w, SL_C_reassembled, 1);
			sl_path_reassembled(w, m, port, SL_FROM_PORT);
		}
	}
	rte_ip_frag_free_death_row(&r->death_row, DEATH_ROW_PREFETCH);
}

void sl_reassembly_tick(struct sl_worker *w)
{
	struct sl_reassembly *r = w->reassembly;
	/* The library counts in TSC, the ledger in true milliseconds: either may let go first, so both are swept until a
	 * while after the last fragment. */
	uint64_t until_ms = r->last_ms + w->dp->config->dataplane.fragment_timeout_ms + SWEEP_ON_MS;
	if (r->swept_ms == w->now.ms || w->now.ms > until_ms)
		return;
	r->swept_ms = w->now.ms;
	for (unsigned i = 0; i < TICK_ENTRIES; i++) {
		struct ledger_entry *e = &r->ledger[r->sweep++ & r->mask];
		if (e->key && e->deadline_ms <= w->now.ms)
			forget(r, e);
	}
	rte_ip_frag_table_del_expired_entries(r->table, &r->death_row, w->now_tsc);
	w->drops[SL_DROP_fragment_timeout] += r->death_row.cnt;
	rte_ip_frag_free_death_row(&r->death_row, DEATH_ROW_PREFETCH);
}

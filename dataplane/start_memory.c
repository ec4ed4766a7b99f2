/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/start_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include "dataplane/path/packet.h"
#include "dataplane/session/alloc.h"
#include "dataplane/session/media.h"

enum {
	DATA_ROOM = RTE_PKTMBUF_HEADROOM + 2048,
	LARGE_DATA_ROOM = RTE_PKTMBUF_HEADROOM + 9216,
	CACHE = 256,             /* buffers kept back per core */
	DEFAULT_DESCRIPTORS = 1024,
	LARGE_PER_WORKER = 128,
	SLACK_PER_WORKER = 4096, /* held packets, reassembly, transmit buffers */
	MB = 1 << 20,
	FRAGMENTS = RTE_LIBRTE_IP_FRAG_MAX_FRAG, /* buffers a datagram in reassembly can hold */
	/* Bytes a table holds per entry, roughly, all of session/ together, with its meters and its place among the counts of sources: for the
	 * budget below. */
	ALLOC_BYTES = 256 + 48 + 48, PEER_BYTES = 80, RELAY_PORT_BYTES = 5, OTHER_TABLES_BYTES = 8 * MB,
	/* The same of media: a leg with its AES-CM contexts, its entry among the known flows and on the playout wheel. */
	LEG_BYTES = 2048 + 32 + 48, LARGE_CONTEXT_BYTES = 2560, MEDIA_PORT_BYTES = 4, ENGINE_BYTES = 1 * MB,
	CRYPTODEV_SESSION_BYTES = 2048, KEYS_PER_LEG = SL_SRTP_KEYS_MAX + 1,
	/* The same of the guard. */
	LIMITER_SOURCE_BYTES = 8, BAN_BYTES = 20, MARK_BYTES = 8, METERS_BYTES = 320 << 10, METERS_WORKER_BYTES = 256 << 10,
};

void *sl_start_zalloc(const char *what, size_t bytes)
{
	/* A table of nothing (no relay address, no media) is no failure. */
	return rte_zmalloc(what, bytes ? bytes : 1, RTE_CACHE_LINE_SIZE);
}

/* ---- packet buffers ---- */

static uint64_t power_of_two(uint64_t n)
{
	uint64_t p = 1;
	while (p < n)
		p *= 2;
	return p;
}

/* The guard's: bans, marks at half load, meters; for each worker limiters of three levels, and who comes again. */
static uint64_t guard_bytes(const struct sl_config *c)
{
	uint64_t limiter = power_of_two(c->guard.sources) * LIMITER_SOURCE_BYTES * 7 / 4;
	return (uint64_t)SL_GUARD_BANS_MAX * 2 * BAN_BYTES + power_of_two(2 * ((uint64_t)c->guard.sip_sources + c->turn.max_connections)) * MARK_BYTES +
		METERS_BYTES + c->dataplane.n_workers * (limiter + ((uint64_t)c->guard.again_mb << 20) + METERS_WORKER_BYTES);
}

static uint64_t table_bytes(const struct sl_config *c)
{
	return (uint64_t)c->dataplane.max_allocations * ALLOC_BYTES + (uint64_t)c->dataplane.max_peers * PEER_BYTES +
		(uint64_t)c->turn.n_relay * 65536 * (1 + c->dataplane.n_workers * RELAY_PORT_BYTES) +
		OTHER_TABLES_BYTES + guard_bytes(c);
}

static uint64_t media_bytes(const struct sl_config *c)
{
	const struct sl_conf_media *m = &c->media;
	uint64_t window = m->replay_window / 8, w = c->dataplane.n_workers;
	if (!m->n_addresses)
		return 0;
	uint64_t bytes = m->max_legs * (LEG_BYTES + window) + m->max_streams * (sizeof(struct sl_media_stream) + window) +
		(uint64_t)m->max_legs * SL_START_ROUTES_PER_LEG * sizeof(struct sl_media_route) +
		(uint64_t)m->max_large_keys * LARGE_CONTEXT_BYTES +
		w * (ENGINE_BYTES + (uint64_t)m->n_addresses * 65536 * MEDIA_PORT_BYTES);
	if (m->srtp_backend == SL_CONF_SRTP_CRYPTODEV)
		bytes += (uint64_t)m->max_legs * KEYS_PER_LEG * CRYPTODEV_SESSION_BYTES;
	return bytes;
}

/* How many buffers rings, queues and caches can hold at a time. generous: all of them full at once; else what a busy
 * hour fills. */
static uint64_t buffers_held(const struct sl_config *c, bool generous)
{
	const struct sl_conf_dataplane *d = &c->dataplane;
	uint64_t w = d->n_workers, senders = w > 1 ? (generous ? w - 1 : 1) : 0;
	uint64_t n = (w + 1) * CACHE * 2 + w * SL_EXCEPTION_RING * 3 + w * senders * SL_HANDOFF_RING +
		w * (generous ? SLACK_PER_WORKER : SLACK_PER_WORKER / 4) + w * d->fragment_datagrams * FRAGMENTS;
	if (generous)
		n += w * senders * (SL_HANDOFF_RING + SL_EGRESS_RING);
	for (unsigned p = 0; p < d->n_ports; p++) {
		const struct sl_conf_port *port = &d->ports[p];
		uint64_t rx = port->rx_descriptors ? port->rx_descriptors : DEFAULT_DESCRIPTORS;
		uint64_t tx = port->tx_descriptors ? port->tx_descriptors : DEFAULT_DESCRIPTORS;
		n += (port->queues ? port->queues : w) * (rx + tx);
	}
	return n;
}

/* rte_pktmbuf_pool_create(), but that without hugepages memory is taken for as many buffers as there are: that would take a page for each of the last chunk,
 * and up to two fifths of it would lie idle. Addresses are virtual then, so nothing is gained by keeping buffers within pages. */
static struct rte_mempool *make_pool(const char *name, unsigned n, unsigned cache, uint16_t data_room)
{
	const struct rte_pktmbuf_pool_private sizes = {.mbuf_data_room_size = data_room, .mbuf_priv_size = SL_PACKET_PRIVATE_BYTES};
	struct rte_mempool *pool;
	int rc;

	if (rte_eal_has_hugepages() || rte_eal_iova_mode() != RTE_IOVA_VA)
		return rte_pktmbuf_pool_create(name, n, cache, SL_PACKET_PRIVATE_BYTES, data_room, SOCKET_ID_ANY);
	pool = rte_mempool_create_empty(name, n, (unsigned)sizeof(struct rte_mbuf) + SL_PACKET_PRIVATE_BYTES + data_room, cache, sizeof sizes,
		SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (!pool)
		return NULL;
	rc = rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL);
	rte_pktmbuf_pool_init(pool, (void *)(uintptr_t)&sizes);
	if (rc == 0)
		rc = rte_mempool_populate_default(pool);
	if (rc < 0) {
		rte_mempool_free(pool);
		rte_errno = -rc;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

int sl_start_pools(struct sl_dataplane *dp, char *err, size_t err_len)
{
	const struct sl_config *c = dp->config;
	const uint64_t each = sizeof(struct rte_mbuf) + SL_PACKET_PRIVATE_BYTES + DATA_ROOM + RTE_CACHE_LINE_SIZE * 2;
	uint64_t large = (uint64_t)c->dataplane.n_workers * LARGE_PER_WORKER;
	uint64_t media = media_bytes(c), others = table_bytes(c) + media + large * LARGE_DATA_ROOM;
	uint64_t have = (uint64_t)c->dataplane.memory_mb * MB;
	uint64_t n = buffers_held(c, false), most = buffers_held(c, true);
	if (others + n * each > have) {
		snprintf(err, err_len, "dataplane.memory_mb = %u is too small: tables and buffers of these ports, workers, "
			"allocations and media legs take %" PRIu64 " MB, of which %" PRIu64 " MB are for media (max_legs, "
			"max_streams, max_large_keys) and %" PRIu64 " MB for the guard (sources, sip_sources)", c->dataplane.memory_mb,
			(others + n * each) / MB + 1, media / MB, guard_bytes(c) / MB);
		return -ENOMEM;
	}
	n = RTE_MIN(most, (have - others) / each);
	dp->pool = make_pool("packets", (unsigned)n, CACHE, DATA_ROOM);
	dp->pool_large = make_pool("large", (unsigned)large, 0, LARGE_DATA_ROOM);
	if (dp->pool && dp->pool_large)
		return 0;
	snprintf(err, err_len, "no memory for %" PRIu64 " packet buffers (%" PRIu64 " MB): %s", n, n * each / MB,
		rte_strerror(rte_errno));
	return -ENOMEM;
}

/* ---- tables of the whole node ---- */

/* One allocation in so many may at a time have moved to a five-tuple that the buckets give to another worker (RFC 8016). */
enum { MOVED_PART = 8 };

int sl_start_tables(struct sl_dataplane *dp, char *err, size_t err_len)
{
	const struct sl_config *c = dp->config;
	unsigned w = dp->n_workers;
	struct sl_hash_key key;
	memcpy(key.b, dp->cold->hash_key, sizeof(key.b));
	sl_owner_init(&dp->owner, dp->cold->toeplitz_key, w);
	uint32_t legs = c->media.n_addresses ? c->media.max_legs : 0;
	uint32_t flows = (c->dataplane.max_allocations + c->dataplane.max_peers + legs) / w;
	int rc = sl_known_init(&dp->known, w, flows, &key, sl_start_zalloc);
	if (rc == 0)
		rc = sl_port_shared_init(&dp->relay_ports, w, c->turn.n_relay, sl_start_zalloc);
	if (rc == 0)
		rc = sl_moved_init(&dp->moved, w > 1 ? c->dataplane.max_allocations / MOVED_PART : 0, &dp->cold->user_key, sl_start_zalloc);
	if (rc < 0)
		snprintf(err, err_len, "no memory for the tables of flows and ports; raise dataplane.memory_mb");
	return rc;
}

/* ---- rings ---- */

static bool make_ring(struct rte_ring **ring, const char *what, unsigned to, unsigned from, unsigned slots,
	unsigned bytes)
{
	char name[RTE_RING_NAMESIZE];
	snprintf(name, sizeof(name), "%s%u_%u", what, to, from);
	*ring = rte_ring_create_elem(name, bytes, slots, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return *ring != NULL;
}

int sl_start_rings(struct sl_started *s, char *err, size_t err_len)
{
	const unsigned n = s->dp.n_workers, pointer = sizeof(void *);
	bool ok = true;
	for (unsigned w = 0; w < n && ok; w++) {
		struct sl_worker_rings *r = &s->rings[w];
		ok = make_ring(&r->exception, "exception", w, 0, SL_EXCEPTION_RING, pointer) &&
			make_ring(&r->exception_known, "known_exception", w, 0, SL_EXCEPTION_RING, pointer) &&
			make_ring(&r->inject, "inject", w, 0, SL_EXCEPTION_RING, pointer) &&
			make_ring(&r->resolve, "resolve", w, 0, SL_RESOLVE_RING, sizeof(struct sl_resolve)) &&
			make_ring(&r->marks, "marks", w, 0, SL_MARK_RING, sizeof(struct sl_guard_mark));
		for (unsigned from = 0; from < n && ok; from++)
			ok = from == w || (make_ring(&r->known_in[from], "known", w, from, SL_HANDOFF_RING, pointer) &&
				make_ring(&r->unknown_in[from], "unknown", w, from, SL_HANDOFF_RING, pointer) &&
				make_ring(&r->egress_in[from], "egress", w, from, SL_EGRESS_RING, pointer));
	}
	if (ok)
		return 0;
	snprintf(err, err_len, "no memory for the rings between workers: %s", rte_strerror(rte_errno));
	return -ENOMEM;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Making workers: tables sized from the configuration, allocations taken up from the cold records. Start thread. */

#include "dataplane/worker.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include <rte_cycles.h>

#include "dataplane/path/context.h"
#include "dataplane/path/control.h"
#include "dataplane/path/media.h"
#include "dataplane/path/streams.h"
#include "dataplane/path/turn_bandwidth.h"
#include "dataplane/path/turn_quota.h"
#include "dataplane/path/turn_reservation.h"
#include "dataplane/path/turn_tcp.h"
#include "dataplane/start_memory.h"
#include "drivers/crypto_hash.h"

/* What the guard's "comes again" tells TURN's answers by from its own rules, which are numbered below. */
enum { TURN_ANSWER = 0xfe };

/* What the workers share beside struct sl_dataplane; lives as long as the process. */
struct shared {
	struct sl_turn_quota quota, sources;
	struct sl_turn_bandwidths *bandwidths;
	struct sl_turn_reservations reservations;
};

static bool is_own(const void *ctx, const struct sl_ip *ip)
{
	const struct sl_worker *w = ctx;
	return sl_local_find(w, ip) || sl_fib_is_own(w->fib, ip);
}

/* Ask Linux for a peer's next hop while the permission is being made, so that its first packet need not wait. */
static void resolve(void *ctx, const struct sl_ip *peer)
{
	struct sl_worker *w = ctx;
	uint32_t at;
	struct sl_ip via;
	uint16_t interface;
	if (sl_fib_lookup(w->fib, peer, &at, &via, &interface) != SL_FIB_UNRESOLVED)
		return;
	struct sl_resolve r = {.ip = via, .interface = interface};
	(void)rte_ring_sp_enqueue_elem(w->rings.resolve, &r, sizeof r);
}

static bool comes_again(void *ctx, const struct sl_flow *f, uint64_t now_ms)
{
	struct sl_worker *w = ctx;
	bool again = sl_again(&w->guard.again, sl_guard_hash(&w->guard.key, &f->ip, (uint64_t)f->port_be << 8 | TURN_ANSWER), now_ms);
	sl_count(w, SL_C_guard_came_again, again);
	return again;
}

static bool is_allowed(const void *ctx, const struct sl_ip *ip)
{
	const struct sl_worker *w = ctx;
	return sl_prefixes_look(w->policy->prefixes, ip) == SL_PREFIX_ALLOW;
}

static unsigned owner_of(void *ctx, const struct sl_endpoint *client, const struct sl_endpoint *server)
{
	const struct sl_owner *o = &((struct sl_worker *)ctx)->dp->owner;
	return sl_owner_of_hash(o, sl_owner_hash(o, client, server));
}

static int listener_of(void *ctx, const struct sl_endpoint *server, unsigned over)
{
	const struct sl_conf_turn *c = &((struct sl_worker *)ctx)->dp->config->turn;
	for (unsigned i = 0; i < c->n_listeners; i++)
		if (c->more[i].transport == over && sl_endpoint_eq(&c->listeners[i], server))
			return (int)i;
	return -1;
}

static int relay_of(void *ctx, const struct sl_ip *relay)
{
	const struct sl_local *l = sl_local_find(ctx, relay);
	return l && l->relay != SL_NO_RELAY ? l->relay : -1;
}

static bool restored_is_own(void *ctx, const struct sl_ip *ip)
{
	return is_own(ctx, ip);
}

_Static_assert(SL_CONF_MAX_LISTENERS + SL_CONF_MAX_RELAY <= SL_COLD_MAX_LOCALS, "cold records name each of them by number");

static int init_sessions(struct sl_worker *w)
{
	struct sl_dataplane *dp = w->dp;
	const struct sl_config *c = dp->config;
	struct sl_sessions_params p = {.n_allocs = c->dataplane.max_allocations / dp->n_workers,
		.n_peers = c->dataplane.max_peers / dp->n_workers,
		.worker = w->index,
		.n_workers = dp->n_workers,
		.n_relay = c->turn.n_relay,
		.port_min = c->turn.relay_port_min,
		.port_max = c->turn.relay_port_max,
		.cold = dp->cold,
		.listeners = c->turn.listeners,
		.n_listeners = c->turn.n_listeners,
		.relay = c->turn.relay,
		.now_s = w->now.s,
		.known = &dp->known,
		.port_shared = &dp->relay_ports,
		.zalloc = sl_start_zalloc};
	if (getrandom(p.seed, sizeof p.seed, 0) != sizeof p.seed)
		return -EIO;
	return sl_sessions_init(&w->sessions, &p);
}

static void allocation_event(void *ctx, uint32_t alloc, unsigned change, unsigned end)
{
	struct sl_worker *w = ctx;
	const struct sl_flow *client = &w->sessions.allocs[alloc].client;
	if (unlikely(sl_flow_is_stream(client)) && change != SL_ALLOC_STATE)
		sl_streams_known(w, client, change != SL_ALLOC_CLOSED);
	sl_control_allocation_event(ctx, alloc, change, end);
}

/* Connections to TCP peers (RFC 6062), where clients can come by TCP or TLS at all. */
enum { TCP_PEERS_MAX = 16384 /* of a worker */ };
static int init_tcp(struct sl_worker *w)
{
	const struct sl_config *c = w->dp->config;
	uint32_t n = c->dataplane.max_allocations / w->dp->n_workers;
	bool streams = false;
	for (unsigned i = 0; i < c->turn.n_listeners; i++)
		streams |= c->turn.more[i].transport == SL_TURN_OVER_TCP || c->turn.more[i].transport == SL_TURN_OVER_TLS;
	if (!streams)
		return 0;
	w->turn.tcp = sl_start_zalloc("TCP allocations", sizeof *w->turn.tcp);
	return w->turn.tcp ? sl_turn_tcp_init(w->turn.tcp, n < TCP_PEERS_MAX ? n : TCP_PEERS_MAX, sl_start_zalloc) : -ENOMEM;
}

static void tell_quota(void *ctx, const struct sl_evt_turn_quota *e)
{
	struct sl_worker *w = ctx;
	struct sl_event evt = {.h.type = SL_EVT_TURN_QUOTA, .turn_quota = *e};
	sl_abi_worker_post(&w->abi, &evt);
}

static int init_turn(struct sl_worker *w, struct shared *s)
{
	struct sl_dataplane *dp = w->dp;
	const struct sl_conf_turn *c = &dp->config->turn;
	w->turn = (struct sl_turn){.worker = w->index,
		.sessions = &w->sessions,
		.known = &dp->known,
		.nonce_key = dp->cold->nonce_key,
		.user_key = dp->cold->user_key,
		.counters = w->counters,
		.n_listeners = c->n_listeners,
		.listeners = c->listeners,
		.n_relay = c->n_relay,
		.relay = c->relay,
		.n_external = c->n_external,
		.internal = c->internal,
		.external = c->external,
		.relay_port_min = c->relay_port_min,
		.relay_port_max = c->relay_port_max,
		.reservations = &s->reservations,
		.n_workers = dp->n_workers,
		.ctx = w,
		.is_own = is_own,
		.resolve = resolve,
		.event = allocation_event,
		.order = sl_streams_order,
		.tell = sl_streams_tell,
		.moved = dp->n_workers > 1 ? sl_streams_moved : NULL,
		.quota = &s->quota,
		.would_drop = w->shm->would_drop,
		.sources = &s->sources,
		.comes_again = comes_again,
		.is_allowed = is_allowed};
	w->turn.bandwidth = sl_turn_bandwidth_worker_new(s->bandwidths, w->index, tell_quota, w, sl_start_zalloc);
	int rc = w->turn.bandwidth ? init_tcp(w) : -ENOMEM;
	return rc ? rc : sl_crypto_hash_init(&w->turn.crypto);
}

static int open_srtp(struct sl_worker *w, struct sl_srtp **out, char *err, size_t err_len)
{
	const struct sl_dataplane *dp = w->dp;
	const struct sl_conf_media *c = &dp->config->media;
	struct sl_srtp_options o = {
		.backend = c->srtp_backend == SL_CONF_SRTP_CRYPTODEV ? SL_SRTP_CRYPTODEV : SL_SRTP_IPSEC_MB,
		.device = c->srtp_device,
		.worker = w->index,
		.n_workers = dp->n_workers,
		.n_contexts = (SL_SRTP_KEYS_MAX + 1) * c->max_legs / dp->n_workers,
		.zalloc = sl_start_zalloc};
	return sl_srtp_open(out, &o, err, err_len);
}

/* Tables of media legs, sized by the configuration; NULL without media addresses. err is filled only when it says more
 * than a lack of memory. */
static int init_media(struct sl_worker *w, char *err, size_t err_len)
{
	struct sl_dataplane *dp = w->dp;
	const struct sl_conf_media *c = &dp->config->media;
	if (!c->n_addresses)
		return 0;
	struct sl_media_params p = {.n_legs = c->max_legs / dp->n_workers,
		.n_streams = c->max_streams / dp->n_workers,
		.n_routes = SL_START_ROUTES_PER_LEG * (c->max_legs / dp->n_workers),
		.n_large = c->max_large_keys / dp->n_workers,
		.n_addresses = c->n_addresses,
		.worker = w->index,
		.n_workers = dp->n_workers,
		.window_bits = c->replay_window,
		.port_min = c->port_min,
		.port_max = c->port_max,
		.cold = dp->cold_media,
		.zalloc = sl_start_zalloc};
	int rc = open_srtp(w, &p.srtp, err, err_len);
	if (rc < 0)
		return rc;
	if (getrandom(p.seed, sizeof p.seed, 0) != sizeof p.seed)
		return -EIO;
	w->media = sl_start_zalloc("media", sizeof *w->media);
	if (!w->media || !(w->media->tables = sl_start_zalloc("media", sizeof *w->media->tables)))
		return -ENOMEM;
	w->media->clips = dp->clips;
	rc = sl_media_init(w->media->tables, &p);
	return rc < 0 ? rc : sl_playout_init(w, p.n_legs, sl_start_zalloc);
}

static void restore(struct sl_worker *w)
{
	const struct sl_restore_ops ops = {.ctx = w,
		.owner_of = owner_of,
		.listener_of = listener_of,
		.relay_of = relay_of,
		.is_own = restored_is_own};
	sl_sessions_restore(&w->sessions, &ops, w->now.s);
	sl_turn_restored(&w->turn);
}

static void init_clock(struct sl_worker *w)
{
	const struct sl_dataplane *dp = w->dp;
	w->now_tsc = rte_rdtsc();
	uint64_t since_ms = (w->now_tsc - dp->base_tsc) / (dp->tsc_hz / 1000);
	w->now.ms = dp->base_mono_ns / 1000000 + since_ms;
	w->now.s = (uint32_t)(w->now.ms / 1000);
	w->now.unix_s = atomic_load_explicit(&dp->unix_s, memory_order_relaxed);
	w->next_ms_tsc = dp->base_tsc + (since_ms + 1) * (dp->tsc_hz / 1000);
}

static int init_worker(struct sl_worker *w, struct shared *s, char *err, size_t err_len)
{
	int rc = sl_locals_init(w, w->dp->config);
	if (rc == 0)
		rc = sl_guard_init(w, sl_start_zalloc);
	if (rc == 0)
		rc = init_sessions(w);
	if (rc == 0)
		rc = init_turn(w, s);
	if (rc == 0)
		rc = sl_reassembly_init(w);
	if (rc == 0)
		rc = init_media(w, err, err_len);
	if (rc == 0)
		restore(w);
	return rc;
}

static int init_shared(struct sl_dataplane *dp, struct shared *s)
{
	int rc = sl_turn_quota_init(&s->quota, dp->config->dataplane.max_allocations, sl_start_zalloc);
	if (rc == 0) /* each allocation counts for an address and a prefix */
		rc = sl_turn_quota_init(&s->sources, 2 * dp->config->dataplane.max_allocations, sl_start_zalloc);
	if (rc == 0)
		rc = sl_turn_bandwidths_init(&s->bandwidths, dp->config->dataplane.max_allocations, sl_start_zalloc);
	if (rc == 0)
		rc = sl_turn_reservations_init(&s->reservations, dp->n_workers, sl_start_zalloc);
	if (rc == 0)
		rc = sl_cold_prepare(dp->cold, dp->n_workers);
	return rc;
}

int sl_workers_new(struct sl_dataplane *dp, const struct sl_worker_rings *rings, char *err, size_t err_len)
{
	err[0] = 0;
	struct shared *s = sl_start_zalloc("workers", sizeof *s);
	int rc = s ? init_shared(dp, s) : -ENOMEM;
	for (unsigned i = 0; i < dp->n_workers && rc == 0; i++) {
		struct sl_worker *w = sl_start_zalloc("worker", sizeof *w);
		if (!w) {
			rc = -ENOMEM;
			break;
		}
		w->dp = dp;
		w->index = i;
		w->shm = &dp->region->workers[i];
		w->counters = w->shm->counters;
		w->drops = w->shm->drops;
		w->rings = rings[i];
		w->fib = dp->fib;
		w->policy = dp->guard;
		sl_streams_attach_worker(w, dp->streams);
		dp->workers[i] = w;
		init_clock(w);
		w->ip_id = (uint16_t)i;
		rc = init_worker(w, s, err, err_len);
		sl_abi_worker_init(&w->abi, dp->abi, i);
	}
	if (rc < 0 && err[0])
		return rc;
	if (rc == -EPROTO)
		snprintf(err, err_len, "the cold records were made for another number of workers: restart sluice-dataplane");
	else if (rc < 0)
		snprintf(err, err_len, "cannot make the workers' tables: %s; try a larger dataplane.memory_mb, or smaller "
				       "max_allocations and max_peers", strerror(-rc));
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The dataplane process as its threads share it: made by main.c before any worker runs, constant afterwards except
 * where a field says otherwise. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "config/options.h"
#include "dataplane/abi/region.h"
#include "dataplane/guard/bans.h"
#include "dataplane/guard/marks.h"
#include "dataplane/session/known.h"
#include "dataplane/session/moved.h"
#include "dataplane/session/owner.h"
#include "dataplane/session/ports.h"

enum {
	SL_MAX_INTERFACES = SL_CONF_MAX_PORTS * (1 + SL_CONF_MAX_VLANS),
	SL_BURST = 32,
	SL_HANDOFF_RING = 4096,  /* mbufs, per pair of workers and class */
	SL_EGRESS_RING = 1024,
	SL_EXCEPTION_RING = 1024,
	SL_RESOLVE_RING = 256,
	SL_MARK_RING = 1024,
	SL_NO_QUEUE = 0xffff,
};

/* A port as started by drivers/port.c. */
struct sl_port {
	uint16_t id;    /* DPDK's */
	uint16_t index; /* ours */
	const struct sl_conf_port *conf;
	uint8_t mac[6];
	uint16_t n_queues; /* rx = tx */
	uint16_t mtu;
	uint64_t tx_offloads, rx_offloads; /* active, after masking by capability */
	bool udp_cksum_tx, ip_cksum_tx, cksum_rx; /* what the above mean for us */
	bool rss_ours; /* the NIC's RSS uses our Toeplitz key: mbuf->hash.rss is the owner hash */
	/* Queue polled and sent on by worker w, or SL_NO_QUEUE: such a worker sends by proxy[w]'s egress ring. */
	uint16_t queue[SL_CONF_MAX_WORKERS];
	uint8_t proxy[SL_CONF_MAX_WORKERS];
	uint8_t interface_of_vlan[4096]; /* 0xff = VLAN not configured; [0] untagged */
};

/* An L3 interface: port and VLAN with its TAP. */
struct sl_interface {
	uint16_t index, port, vlan;
	const struct sl_conf_interface *conf;
	int tap_fd;       /* housekeeper */
	int ifindex;      /* of the TAP */
};

struct sl_worker; /* dataplane/worker.h */
struct sl_abi_server; /* dataplane/abi/server.h */
struct sl_fib;
struct sl_turn_conf;
struct sl_guard_policy; /* dataplane/guard/policy.h */
struct sl_meters;       /* dataplane/guard/meter.h */
struct sl_cold_media; /* dataplane/session/cold_media.h */
struct sl_clip_table; /* dataplane/clips.h */
struct sl_streams;    /* dataplane/stream/stream.h */

struct sl_dataplane {
	const struct sl_config *config;
	struct sl_region *region;
	struct sl_cold *cold;
	struct sl_cold_media *cold_media; /* NULL = no media */
	bool hugepages;
	uint64_t tsc_hz;
	/* TSC to CLOCK_MONOTONIC, fixed at start. tsc_hz is an estimate (a tenth of a percent off has been seen), and cold
	 * records hold true time: clock_drift_ms says how far the sum has strayed since. */
	uint64_t base_tsc, base_mono_ns;

	unsigned n_ports;
	struct sl_port ports[SL_CONF_MAX_PORTS];
	unsigned n_interfaces;
	struct sl_interface interfaces[SL_MAX_INTERFACES];

	unsigned n_workers;
	struct sl_worker *workers[SL_CONF_MAX_WORKERS];
	struct rte_mempool *pool;       /* packets */
	struct rte_mempool *pool_large; /* reassembled datagrams up to 9,216 bytes; small */

	struct sl_owner owner;
	struct sl_known known;
	/* Of the guard: written by the housekeeper, read by all workers word by word. */
	struct sl_bans bans;
	struct sl_marks marks;
	struct sl_meters *meters;
	struct sl_port_shared relay_ports;
	struct sl_moved moved; /* clients whose allocation is not where the buckets say (RFC 8016) */
	struct sl_streams *streams; /* NULL = UDP listeners only. Writer: start thread */
	struct sl_abi_server *abi; /* open before any worker is made: for sl_abi_worker_init() */

	/* Published by the housekeeper, read by workers between quiescent states (rcu_dereference). */
	const struct sl_fib *fib;
	const struct sl_turn_conf *turn_conf;
	const struct sl_guard_policy *guard; /* never NULL while workers run */
	const struct sl_clip_table *clips[SL_MAX_CLIENTS]; /* NULL = none; sl_clip_find() */

	/* Options that a reload changes in place, unlike the rest of config. Writer: main thread at start, then the
	 * housekeeper. Readers: workers (relaxed). */
	_Atomic uint32_t live_exception_pps, live_unauthenticated_pps;
	_Atomic uint8_t live_idle; /* enum sl_conf_idle */
	/* How much of the guard's total rates of strangers' SIP may pass, percent. Writer: housekeeper. Readers: workers (relaxed). */
	_Atomic uint8_t guard_pressure;

	/* What the watchdog goes by: each worker's last round, in TSC. Not in the region, where a client could keep a hung
	 * worker looking alive. Writer: worker i. Reader: housekeeper (relaxed). */
	struct {
		_Alignas(64) _Atomic uint64_t tsc;
	} heartbeat[SL_CONF_MAX_WORKERS];

	/* Writer: housekeeper, each second. Readers: workers (relaxed). */
	_Atomic uint64_t unix_s;
	_Atomic uint64_t unix_base_us; /* time of day when the workers' now_us was 0, by what it reads now */
	_Atomic int64_t clock_drift_ms;
	/* Writer: main thread. Readers: workers, each round (relaxed). */
	_Atomic bool stop;
};

/* A request to resolve a neighbour, worker to housekeeper, by rte_ring element calls. */
struct sl_resolve {
	struct sl_ip ip; /* the gateway, or the on-link destination */
	uint32_t interface;
	uint32_t pad;
};

/* Rings between one worker and the housekeeper, and between workers; all SP/SC, created by main.c. */
struct sl_worker_rings {
	struct rte_ring *exception; /* mbufs worker -> housekeeper, untagged Ethernet frames; sl_packet() says which TAP */
	struct rte_ring *exception_known; /* the same, of SIP sources that are marked, and ARP: emptied first */
	struct rte_ring *inject;    /* mbufs housekeeper -> worker: frames from a TAP, to be sent as they are */
	struct rte_ring *resolve;   /* struct sl_resolve worker -> housekeeper */
	struct rte_ring *marks;     /* struct sl_guard_mark worker -> housekeeper: stream clients and TCP peers */
	struct rte_ring *known_in[SL_CONF_MAX_WORKERS];   /* from worker i; NULL at own index */
	struct rte_ring *unknown_in[SL_CONF_MAX_WORKERS];
	struct rte_ring *egress_in[SL_CONF_MAX_WORKERS];  /* frames to send on a queue of ours */
};

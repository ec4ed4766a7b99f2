/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/housekeeper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include <rte_cycles.h>

#include "dataplane/abi/keeper.h"
#include "dataplane/abi/log.h"
#include "dataplane/exceptions.h"
#include "dataplane/linux/fib_build.h"
#include "dataplane/retire.h"
#include "dataplane/stream/stream.h"

enum {
	WAIT_NS = 1000 * 1000,       /* the longest wait: an event must wake its client within 1 ms */
	WAIT_TRAFFIC_NS = 200 * 1000, /* while frames pass to Linux, so that SIP and pings are answered at once */
	TRAFFIC_MS = 50,             /* ... and for so long after the last */
	TIMER_SLACK_NS = 10 * 1000,
	MAX_EVENTS = 64,
	RESOLVES_PER_TURN = 64,      /* per worker */
};

/* What woke the loop: small numbers, then the index of an interface whose TAP has frames. */
enum { WOKEN_BY_SIGNAL, WOKEN_BY_NETLINK, WOKEN_BY_CLIENTS, WOKEN_BY_TAP };

static uint64_t clock_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- parts of a turn ---- */

static void take_signals(struct sl_housekeeper *h)
{
	struct signalfd_siginfo si;
	while (read(h->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (si.ssi_signo == SIGHUP)
			sl_live_reload(&h->live);
		else
			atomic_store_explicit(&h->dp->stop, true, memory_order_relaxed);
	}
}

static void take_resolves(struct sl_housekeeper *h)
{
	for (unsigned w = 0; w < h->dp->n_workers; w++) {
		struct sl_resolve r;
		for (unsigned i = 0; i < RESOLVES_PER_TURN; i++) {
			if (rte_ring_sc_dequeue_elem(h->started->rings[w].resolve, &r, sizeof(r)) < 0)
				break;
			sl_mirror_resolve(h->mirror, (uint16_t)r.interface, &r.ip, h->now_ms);
		}
	}
}

/* Clients and TCP peers that the guard knows from now on, or knows no more. */
static void take_marks(struct sl_housekeeper *h)
{
	for (unsigned w = 0; w < h->dp->n_workers; w++) {
		struct sl_guard_mark m;
		for (unsigned i = 0; i < SL_MARK_RING; i++) {
			if (rte_ring_sc_dequeue_elem(h->started->rings[w].marks, &m, sizeof(m)) < 0)
				break;
			sl_marks_set(&h->dp->marks, &m, (uint32_t)(h->now_ms / 1000));
		}
	}
}

static void release_fib(void *f)
{
	sl_fib_free(f);
}

static void publish_fib(struct sl_housekeeper *h)
{
	struct sl_fib *f = sl_mirror_snapshot(h->mirror, h->now_ms);
	if (!f)
		return;
	sl_retire(rcu_xchg_pointer((struct sl_fib **)&h->dp->fib, f), release_fib);
}

static void watch_workers(struct sl_housekeeper *h)
{
	for (unsigned w = 0; w < h->dp->n_workers; w++) {
		uint64_t beat = atomic_load_explicit(&h->dp->heartbeat[w].tsc, memory_order_relaxed);
		int tid = atomic_load_explicit(&h->started->tids[w], memory_order_relaxed);
		uint64_t silent = sl_watchdog_look(&h->watchdog, w, beat, h->now_ms, tid, sl_watchdog_thread);
		if (!silent)
			continue;
		sl_log(SL_LOG_ERROR, "worker %u on core %u has hung for %llu ms: ending the working half", w,
			h->dp->config->dataplane.worker_cores[w], (unsigned long long)silent);
		_exit(SL_EXIT_STUCK);
	}
	sl_watchdog_looked(&h->watchdog, h->now_ms);
}

/* Where the workers' time, counted in TSC, has come to beside the real one. */
static void correct_clock(struct sl_dataplane *dp)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	int64_t counted_ms = (int64_t)((rte_rdtsc() - dp->base_tsc) / (dp->tsc_hz / 1000));
	int64_t passed_ms = ((int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec - (int64_t)dp->base_mono_ns) / 1000000;
	atomic_store_explicit(&dp->clock_drift_ms, passed_ms - counted_ms, memory_order_relaxed);
}

static void tell_of_link(struct sl_housekeeper *h, unsigned port, bool up)
{
	if (h->link_up[port] == up)
		return;
	h->link_up[port] = up;
	sl_abi_server_announce(&h->server, up ? SL_LOG_INFO : SL_LOG_WARNING, "port '%s': link %s",
		h->dp->config->dataplane.ports[port].name, up ? "up" : "down");
}

static void each_second(struct sl_housekeeper *h)
{
	correct_clock(h->dp);
	struct timespec wall;
	clock_gettime(CLOCK_REALTIME, &wall);
	atomic_store_explicit(&h->dp->unix_s, (uint64_t)wall.tv_sec, memory_order_relaxed);
	uint64_t now_us = (rte_rdtsc() - h->dp->base_tsc) / (h->dp->tsc_hz / 1000000);
	uint64_t wall_us = (uint64_t)wall.tv_sec * 1000000 + (uint64_t)wall.tv_nsec / 1000;
	atomic_store_explicit(&h->dp->unix_base_us, wall_us - now_us, memory_order_relaxed);
	for (unsigned p = 0; p < h->dp->n_ports; p++) {
		struct sl_region_port *out = &h->dp->region->ports[p];
		struct rte_eth_link link;
		struct rte_eth_stats stats;
		if (rte_eth_link_get_nowait(h->dp->ports[p].id, &link) == 0) {
			out->link_up = link.link_status;
			tell_of_link(h, p, link.link_status);
			out->speed_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
		}
		if (rte_eth_stats_get(h->dp->ports[p].id, &stats) == 0) {
			out->rx_missed = stats.imissed + stats.rx_nombuf;
			out->rx_errors = stats.ierrors;
			out->tx_errors = stats.oerrors;
		}
	}
	uint64_t counts[SL_N_STREAM_COUNTERS];
	sl_streams_count(h->dp->streams, counts);
	for (unsigned i = 0; i < SL_N_STREAM_COUNTERS; i++)
		__atomic_store_n(&h->dp->region->streams[i], counts[i], __ATOMIC_RELAXED);
	sl_keeper_notify(SL_KEEPER_ALIVE);
}

/* ---- the loop ---- */

/* Somebody deleted the TAP. TURN goes on with what is known; Linux has lost the port until a restart makes a new one. */
static void tap_is_gone(struct sl_housekeeper *h, unsigned interface)
{
	const struct sl_interface *i = &h->dp->interfaces[interface];
	sl_log(SL_LOG_ERROR, "the TAP '%s' was deleted: its addresses and routes are gone; restart sluice-dataplane",
		i->conf->tap);
	epoll_ctl(h->epoll_fd, EPOLL_CTL_DEL, i->tap_fd, NULL);
}

static void wait_for_work(struct sl_housekeeper *h)
{
	struct epoll_event events[MAX_EVENTS];
	bool traffic = h->now_ms - h->traffic_ms < TRAFFIC_MS;
	struct timespec timeout = {.tv_nsec = traffic ? WAIT_TRAFFIC_NS : WAIT_NS};
	int n = epoll_pwait2(h->epoll_fd, events, MAX_EVENTS, &timeout, NULL);
	h->now_ms = clock_ms();
	for (int i = 0; i < n; i++) {
		uint32_t what = events[i].data.u32;
		if (what == WOKEN_BY_SIGNAL)
			take_signals(h);
		else if (what == WOKEN_BY_NETLINK)
			sl_mirror_poll(h->mirror);
		else if (what >= WOKEN_BY_TAP && events[i].events & (EPOLLERR | EPOLLHUP))
			tap_is_gone(h, what - WOKEN_BY_TAP);
		else if (what >= WOKEN_BY_TAP && sl_exceptions_from_linux(h->dp, h->started->rings,
			what - WOKEN_BY_TAP, &h->drops))
			h->traffic_ms = h->now_ms;
	}
}

static void turn(struct sl_housekeeper *h)
{
	wait_for_work(h);
	if (sl_exceptions_to_linux(h->dp, h->started->rings, &h->drops))
		h->traffic_ms = h->now_ms;
	if (h->now_ms == h->last_turn_ms) /* the rest once a millisecond, however busy the TAPs are */
		return;
	h->last_turn_ms = h->now_ms;
	take_resolves(h);
	take_marks(h);
	publish_fib(h);
	sl_abi_server_poll(&h->server, h->now_ms);
	sl_provision_poll(&h->provision);
	sl_live_turn(&h->live);
	sl_guard_tables_turn(&h->started->guard, h->now_ms);
	sl_abi_server_kick(&h->server);
	watch_workers(h);
	h->dp->region->housekeeper_drops = h->drops;
	atomic_store_explicit(&h->dp->region->heartbeat_ms, h->now_ms, memory_order_relaxed);
	if (h->now_ms - h->last_second_ms >= 1000) {
		h->last_second_ms = h->now_ms;
		each_second(h);
	}
}

void sl_housekeeper_run(struct sl_housekeeper *h)
{
	prctl(PR_SET_TIMERSLACK, (unsigned long)TIMER_SLACK_NS);
	h->now_ms = clock_ms();
	sl_watchdog_init(&h->watchdog, h->now_ms);
	each_second(h);
	h->last_second_ms = h->now_ms;
	while (!atomic_load_explicit(&h->dp->stop, memory_order_relaxed))
		turn(h);
}

/* ---- start ---- */

static void server_log(void *ctx, int severity, const char *text)
{
	sl_log(severity, "%s", text);
}

static void server_changed(void *ctx, unsigned slot, bool attached)
{
	struct sl_housekeeper *h = ctx;
	sl_provision_client_changed(&h->provision, slot);
	if (attached)
		sl_clips_attached(&h->clips, slot, h->server.slots[slot].name);
}

static int server_clip(void *ctx, unsigned slot, uint32_t clip, int memfd, size_t bytes, char *text, size_t text_len)
{
	struct sl_housekeeper *h = ctx;
	int rc = sl_clips_offer(&h->clips, slot, clip, memfd, bytes, text, text_len);
	if (rc < 0)
		sl_log(SL_LOG_WARNING, "clip %u of client '%s' refused: %s", clip, h->server.slots[slot].name,
			text[0] ? text : strerror(-rc));
	return rc;
}

static int server_guard_list(void *ctx, unsigned slot, uint32_t seq, int memfd, size_t bytes, char *text, size_t text_len)
{
	struct sl_housekeeper *h = ctx;
	return sl_guard_tables_offer(&h->started->guard, slot, seq, memfd, bytes, text, text_len);
}

static int wait_on(struct sl_housekeeper *h, int fd, uint32_t what)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u32 = what};
	return epoll_ctl(h->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static int open_loop(struct sl_housekeeper *h, char *err, size_t err_len)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	h->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	h->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int rc = h->signal_fd < 0 || h->epoll_fd < 0 ? -errno : wait_on(h, h->signal_fd, WOKEN_BY_SIGNAL);
	if (rc == 0)
		rc = wait_on(h, sl_mirror_fd(h->mirror), WOKEN_BY_NETLINK);
	if (rc == 0)
		rc = wait_on(h, sl_abi_server_fd(&h->server), WOKEN_BY_CLIENTS);
	for (unsigned i = 0; i < h->dp->n_interfaces && rc == 0; i++)
		rc = wait_on(h, h->dp->interfaces[i].tap_fd, WOKEN_BY_TAP + i);
	if (rc < 0)
		snprintf(err, err_len, "cannot wait on TAPs and sockets: %s", strerror(-rc));
	return rc;
}

static int open_mirror(struct sl_housekeeper *h, char *err, size_t err_len)
{
	struct sl_mirror_interface list[SL_MAX_INTERFACES];
	for (unsigned i = 0; i < h->dp->n_interfaces; i++) {
		const struct sl_interface *in = &h->dp->interfaces[i];
		const struct sl_port *port = &h->dp->ports[in->port];
		list[i] = (struct sl_mirror_interface){.ifindex = in->ifindex, .index = in->index, .port = in->port,
			.vlan = in->vlan, .mtu = port->mtu};
		memcpy(list[i].mac, port->mac, sizeof(list[i].mac));
	}
	h->mirror = sl_mirror_new(list, h->dp->n_interfaces, err, err_len);
	if (!h->mirror)
		return -EIO;
	publish_fib(h);
	if (h->dp->fib)
		return 0;
	snprintf(err, err_len, "cannot read Linux's addresses and routes");
	return -EIO;
}

/* On a crowded core an ordinary thread can wait for seconds; this one owes clients a wake-up within 1 ms and judges others
 * by the clock. It mostly sleeps, so being first harms nobody. Without CAP_SYS_NICE it stays ordinary. */
static void be_punctual(const struct sl_conf_dataplane *c)
{
	for (unsigned w = 0; w < c->n_workers; w++)
		if (c->worker_cores[w] == c->housekeeper_core)
			return; /* a long turn of ours would hold up that worker's packets */
	struct sched_param p = {.sched_priority = 1};
	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &p) < 0)
		sl_log(SL_LOG_DEBUG, "the housekeeper gets no real-time priority: %s", strerror(errno));
}

int sl_housekeeper_init(struct sl_housekeeper *h, struct sl_started *started, const char *config_path,
	const struct sl_handed *handed, char *err, size_t err_len)
{
	h->started = started;
	h->dp = &started->dp;
	sl_live_init(&h->live, h->dp, &started->guard, config_path, handed->config);
	h->now_ms = clock_ms();
	if (sl_provision_init(&h->provision, h->dp, &started->guard) < 0) {
		snprintf(err, err_len, "no memory for TURN's configuration");
		return -ENOMEM;
	}
	sl_clips_init(&h->clips, h->dp->clips);
	struct sl_abi_server_ops ops = {.log = server_log, .changed = server_changed,
		.guard_list = server_guard_list, .ctx = h};
	if (h->dp->cold_media)
		ops.clip = server_clip;
	int rc = sl_abi_server_open(&h->server, h->dp->config->dataplane.socket, h->dp->region,
		handed->region, h->dp->n_workers, &ops, err, err_len);
	if (rc < 0)
		return rc;
	h->dp->abi = &h->server;
	be_punctual(&h->dp->config->dataplane);
	rc = open_mirror(h, err, err_len);
	return rc < 0 ? rc : open_loop(h, err, err_len);
}

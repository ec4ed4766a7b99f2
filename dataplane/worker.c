/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The loop of one pinned core. Start reading here.
 *
 * A round takes what has arrived (from the ports' queues, from other workers, from TURN's stream threads, from Linux by way of the housekeeper),
 * runs each burst to completion through dataplane/path/, and transmits. Once a millisecond it looks at timers, held
 * packets and the control plane's commands. It never waits, locks, allocates or logs; only with idle = "adaptive" does
 * it sleep, and only when round after round found nothing. */

#include "dataplane/worker.h"

#include <time.h>

#include <urcu-qsbr.h>

#include <rte_cycles.h>

#include "dataplane/path/context.h"
#include "dataplane/path/control.h"
#include "dataplane/path/media.h"
#include "dataplane/path/turn_bandwidth.h"
#include "dataplane/path/streams.h"

enum {
	SPIN_ROUNDS = 256,    /* empty rounds before the first pause instruction */
	PAUSE_ROUNDS = 4096,  /* ... and before sleeping */
	SLEEP_NS = 50 * 1000,
	TIMER_BUDGET = 64,    /* allocations looked at per millisecond */
};

/* One reading of the clock a round. True when the millisecond has changed. Time never goes backwards: it stands still
 * until a correction has been caught up with. */
static bool read_clock(struct sl_worker *w)
{
	const struct sl_dataplane *dp = w->dp;
	w->now_tsc = rte_rdtsc();
	w->now_us = (w->now_tsc - dp->base_tsc) / (dp->tsc_hz / 1000000);
	if (likely(w->now_tsc < w->next_ms_tsc))
		return false;
	uint64_t per_ms = dp->tsc_hz / 1000, since = (w->now_tsc - dp->base_tsc) / per_ms;
	uint64_t ms = dp->base_mono_ns / 1000000 + since +
		(uint64_t)atomic_load_explicit(&dp->clock_drift_ms, memory_order_relaxed);
	w->next_ms_tsc = dp->base_tsc + (since + 1) * per_ms;
	if (ms > w->now.ms)
		w->now.ms = ms;
	w->now.s = (uint32_t)(w->now.ms / 1000);
	w->now.unix_s = atomic_load_explicit(&dp->unix_s, memory_order_relaxed);
	return true;
}

static unsigned receive(struct sl_worker *w, const struct sl_port *port)
{
	struct rte_mbuf *m[SL_BURST];
	if (port->queue[w->index] == SL_NO_QUEUE)
		return 0;
	unsigned n = rte_eth_rx_burst(port->id, port->queue[w->index], m, SL_BURST);
	if (!n)
		return 0;
	uint64_t *c = w->shm->ports[port->index], bytes = 0;
	for (unsigned i = 0; i < n; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
		bytes += m[i]->pkt_len;
	}
	c[SL_P_rx_packets] += n;
	c[SL_P_rx_bytes] += bytes;
	sl_count(w, SL_C_rx_packets, n);
	sl_path_frames(w, m, n, port->index, SL_FROM_PORT);
	sl_path_run_loops(w);
	return n;
}

static void each_millisecond(struct sl_worker *w)
{
	sl_turn_tick(&w->turn, &w->now, TIMER_BUDGET);
	if (w->turn.conf && w->turn.bandwidth) /* without limits, too: what was told about the last ones may have to end */
		sl_turn_bandwidth_tick(w->turn.bandwidth, w->turn.conf, w->now_us);
	sl_held_retry(w);
	sl_reassembly_tick(w);
	sl_control(w);
	sl_guard_tick(w);
	if (w->media)
		sl_media_tick(w);
}

/* Everything of one round but the clock and the accounting. Returns packets handled. */
static unsigned work(struct sl_worker *w)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->dp->n_ports; i++)
		n += receive(w, &w->dp->ports[i]);
	if (w->dp->n_workers > 1)
		n += sl_handoff_input(w);
	if (w->streams.n)
		n += sl_streams_input(w);
	return n + sl_inject(w);
}

/* idle = "adaptive": spin, then pause, then sleep, so that an empty appliance leaves the machine to others. */
static void idle(struct sl_worker *w)
{
	if (atomic_load_explicit(&w->dp->live_idle, memory_order_relaxed) != SL_IDLE_ADAPTIVE)
		return;
	w->empty_rounds++;
	if (w->empty_rounds < SPIN_ROUNDS)
		return;
	if (w->empty_rounds < PAUSE_ROUNDS) {
		rte_pause();
		return;
	}
	struct timespec t = {.tv_nsec = SLEEP_NS};
	rcu_thread_offline();
	nanosleep(&t, NULL);
	rcu_thread_online();
}

static void round_once(struct sl_worker *w)
{
	uint64_t began = w->now_tsc;
	bool tick = read_clock(w);
	w->fib = rcu_dereference(w->dp->fib);
	w->policy = rcu_dereference(w->dp->guard);
	sl_turn_use(&w->turn, rcu_dereference(w->dp->turn_conf));
	w->turn.guard = w->policy->told.enabled ? &w->policy->told : NULL;
	w->turn.unauthenticated_pps =
		atomic_load_explicit(&w->dp->live_unauthenticated_pps, memory_order_relaxed);
	unsigned n = work(w);
	if (tick)
		each_millisecond(w);
	sl_tx_flush(w);
	rcu_quiescent_state();

	/* The cycles between two readings of the clock belong to the round that the first one began. */
	w->counters[w->was_busy ? SL_C_busy_cycles : SL_C_idle_cycles] += w->now_tsc - began;
	w->was_busy = n != 0;
	w->counters[SL_C_loops]++;
	w->counters[SL_C_busy_rounds] += n != 0;
	atomic_store_explicit(&w->dp->heartbeat[w->index].tsc, w->now_tsc, memory_order_relaxed);
	__atomic_store_n(&w->shm->heartbeat, w->now_tsc, __ATOMIC_RELAXED);
	if (n)
		w->empty_rounds = 0;
	else
		idle(w);
}

int sl_worker_run(void *arg)
{
	struct sl_worker *w = arg;
	rcu_register_thread();
	w->now_tsc = rte_rdtsc();
	while (!atomic_load_explicit(&w->dp->stop, memory_order_relaxed))
		round_once(w);
	rcu_unregister_thread();
	return 0;
}

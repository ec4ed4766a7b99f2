/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include <rte_launch.h>
#include <rte_lcore.h>

#include "config/stored.h"
#include "dataplane/abi/keeper.h"
#include "dataplane/abi/log.h"
#include "dataplane/eal.h"
#include "dataplane/housekeeper.h"
#include "dataplane/live.h"
#include "dataplane/path/context.h"
#include "dataplane/privileges.h"
#include "dataplane/stream/stream.h"
#include "dataplane/worker.h"
#include "drivers/port.h"

enum { ERROR_BYTES = 1024, STOP_MS = 1000 };

/* Every thread made from here on leaves these to the housekeeper's signalfd. */
static void block_signals(void)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	sigaddset(&s, SIGINT);
	sigaddset(&s, SIGHUP);
	sigprocmask(SIG_BLOCK, &s, NULL);
}

/* The configuration as last accepted. The file itself only when the keeper's copy cannot be read. */
static int load_config(const char *path, int stored_fd, struct sl_config **c, char *err)
{
	int rc = sl_config_stored_load(stored_fd, path, c, err, ERROR_BYTES);
	if (rc == 0)
		return 0;
	sl_log(SL_LOG_WARNING, "the keeper's copy of the configuration cannot be read (%s): reading %s", err, path);
	return sl_config_load(path, c, err, ERROR_BYTES);
}

struct launch {
	struct sl_worker *worker;
	_Atomic int *tid;
};

static int run_worker(void *arg)
{
	const struct launch *l = arg;
	atomic_store_explicit(l->tid, gettid(), memory_order_relaxed);
	return sl_worker_run(l->worker);
}

static int launch_workers(struct sl_started *s, char *err)
{
	static struct launch launches[SL_CONF_MAX_WORKERS];
	struct sl_dataplane *dp = &s->dp;
	for (unsigned w = 0; w < dp->n_workers; w++) {
		launches[w] = (struct launch){dp->workers[w], &s->tids[w]};
		int rc = rte_eal_remote_launch(run_worker, &launches[w], sl_eal_lcore(w));
		if (rc < 0) {
			snprintf(err, ERROR_BYTES, "cannot start worker %u: %s", w, strerror(-rc));
			return rc;
		}
	}
	atomic_store_explicit(&dp->region->ready, 1, memory_order_release);
	return 0;
}

static int bring_up(struct sl_started *s, struct sl_housekeeper *h, const struct sl_config *c, const char *config_path,
	const struct sl_handed *handed, char *err)
{
	int rc = sl_start(s, c, handed, err, ERROR_BYTES);
	if (rc < 0)
		return rc;
	sl_start_clock(&s->dp);
	sl_live_apply(&s->dp, c);
	sl_start_describe(&s->dp);
	rcu_register_thread();
	rcu_thread_offline();
	rc = sl_housekeeper_init(h, s, config_path, handed, err, ERROR_BYTES);
	if (rc == 0)
		rc = sl_streams_start(&s->dp, &s->dp.streams, err, ERROR_BYTES);
	if (rc == 0)
		rc = sl_workers_new(&s->dp, s->rings, err, ERROR_BYTES);
	for (unsigned w = 0; w < s->dp.n_workers && rc == 0; w++)
		s->guard.fixed_bytes += sl_guard_bytes(s->dp.workers[w]);
	if (rc == 0)
		rc = sl_privileges_drop(c->dataplane.run_as, c->dataplane.socket, err, ERROR_BYTES);
	if (rc == 0)
		rc = launch_workers(s, err);
	if (rc < 0)
		return rc;
	rc = sl_abi_server_listen(&h->server);
	if (rc < 0)
		snprintf(err, ERROR_BYTES, "%s: %s", c->dataplane.socket, strerror(-rc));
	return rc;
}

/* Nothing that correctness needs happens here, since a crash does not do it: files are flushed, peers see a close. */
static void shut_down(struct sl_housekeeper *h)
{
	struct sl_dataplane *dp = h->dp;
	atomic_store_explicit(&dp->region->ready, 0, memory_order_release);
	bool running = true;
	for (int ms = 0; running && ms < STOP_MS; ms++) {
		running = false;
		for (unsigned w = 0; w < dp->n_workers; w++)
			running |= rte_eal_get_lcore_state(sl_eal_lcore(w)) == RUNNING;
		if (running)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	if (running) { /* one that stands still may yet look at its rings: they stay until the process is gone */
		sl_streams_halt(dp->streams);
		return;
	}
	sl_streams_stop(dp->streams);
	sl_abi_server_close(&h->server);
	for (unsigned p = 0; p < dp->n_ports; p++)
		sl_port_stop(&dp->ports[p]);
}

int sl_work(const char *config_path, const char *handed_text)
{
	static struct sl_started started;
	static struct sl_housekeeper housekeeper;
	static struct sl_handed handed;
	struct sl_config *c;
	char err[ERROR_BYTES] = "";
	if (sl_handed_read(&handed, handed_text) < 0) {
		sl_log(SL_LOG_ERROR, "--working-half is for the keeper: start sluice-dataplane without it");
		return SL_KEEPER_EXIT_CONFIG;
	}
	block_signals();
	prctl(PR_SET_DUMPABLE, 0L); /* no core file: keys never reach a disk */
	if (load_config(config_path, handed.config, &c, err) < 0) {
		sl_log(SL_LOG_ERROR, "%s", err);
		return SL_KEEPER_EXIT_CONFIG;
	}
	sl_log_set_level((enum sl_log_level)sl_log_level_of(c->log_level));
	if (bring_up(&started, &housekeeper, c, config_path, &handed, err) < 0) {
		sl_log(SL_LOG_ERROR, "%s", err);
		return SL_KEEPER_EXIT_CONFIG;
	}
	const char *waiting = c->media.n_addresses == 0 ? "TURN waits" :
		c->turn.n_listeners == 0 ? "media waits" : "TURN and media wait";
	sl_log(SL_LOG_INFO, "%u worker%s, %s, %s for a control plane on %s", c->dataplane.n_workers,
		c->dataplane.n_workers == 1 ? "" : "s", started.dp.hugepages ? "hugepages" : "no hugepages",
		waiting, c->dataplane.socket);
	sl_keeper_notify(SL_KEEPER_READY);
	sl_housekeeper_run(&housekeeper);
	shut_down(&housekeeper);
	return 0;
}

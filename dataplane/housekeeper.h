/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The housekeeper: everything of the dataplane that is not a packet of the fast path, on the main lcore. It moves frames
 * between TAPs and workers, mirrors Linux's tables, carries out control planes' commands, wakes them for events, keeps
 * statistics and watches the workers. It may wait, but never longer than a millisecond. */

#include <stddef.h>

#include "dataplane/abi/server.h"
#include "dataplane/clips.h"
#include "dataplane/linux/mirror.h"
#include "dataplane/live.h"
#include "dataplane/provision.h"
#include "dataplane/start.h"
#include "dataplane/watchdog.h"

struct sl_housekeeper {
	struct sl_started *started;
	struct sl_dataplane *dp; /* = &started->dp */
	struct sl_live live;
	struct sl_abi_server server;
	struct sl_mirror *mirror;
	struct sl_provision provision;
	struct sl_clips clips;
	struct sl_watchdog watchdog;
	int epoll_fd, signal_fd;
	uint64_t now_ms, last_second_ms, last_turn_ms;
	uint64_t traffic_ms; /* when a frame last went to or came from Linux */
	uint64_t drops;
	bool link_up[SL_CONF_MAX_PORTS]; /* as last told */
};

/* Open the contract's socket, the mirror (with a first snapshot published) and what the loop waits on. Signals that the
 * loop takes (SIGTERM, SIGINT, SIGHUP) must be blocked already. 0, or negative errno with words in err. */
int sl_housekeeper_init(struct sl_housekeeper *h, struct sl_started *started, const char *config_path,
	const struct sl_handed *handed, char *err, size_t err_len);

/* Until SIGTERM or SIGINT. A worker that hangs ends the process here, by _exit(SL_EXIT_STUCK). */
void sl_housekeeper_run(struct sl_housekeeper *h);

enum { SL_EXIT_STUCK = 70 }; /* EX_SOFTWARE; the keeper starts a new working half */

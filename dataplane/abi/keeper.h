/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The keeper half of both programs: a small process that holds what must outlive a crash (descriptors),
 * starts the working half by exec of its own file, and starts it again with back-off when it dies. It owns no
 * business state and runs no library code, so that it has nothing to crash on.
 *
 * The first working half must say SL_KEEPER_READY: if it ends before, the start has failed and the keeper
 * ends with the same status (1 for a signal) instead of trying for ever. After that every death is answered
 * by a restart.
 *
 * How a program uses it:
 *   main: options, config check (errors end here, nothing was started)
 *     without --working-half: sl_keeper_begin(), open what is to be kept, sl_keeper_run()
 *     with it: the work; sl_keeper_notify(SL_KEEPER_READY) once, SL_KEEPER_ALIVE now and then. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	SL_KEEPER_BACKOFF_MIN_MS = 100, /* doubled at each death up to ... */
	SL_KEEPER_BACKOFF_MAX_MS = 5000,
	SL_KEEPER_STABLE_MS = 10000, /* a working half that lived this long starts the back-off anew */
	SL_KEEPER_START_MS = 30000,  /* a working half not ready by then, or silent since, is replaced */
	SL_KEEPER_STOP_MS = 10000,   /* from SIGTERM to SIGKILL */
	SL_KEEPER_ABORT_MS = 2000,   /* from the watchdog's SIGABRT to SIGKILL */
	SL_KEEPER_AWAY_MS = 50,      /* the keeper woke that much too late: the watchdog starts anew */
	/* Exit status (EX_CONFIG) of a working half that would fail the same way again: a missing port, a bad
	   option. */
	SL_KEEPER_EXIT_CONFIG = 78,
};

struct sl_keeper {
	/* Set by the caller; strings stay the caller's. */
	const char *name;   /* of the program, for log lines */
	char *const *argv;  /* of the working half, NULL-terminated; the file executed is our own */
	const int *inherit; /* descriptors that stay open across exec under the same numbers */
	unsigned n_inherit;
	unsigned watchdog_ms; /* kill a working half silent for longer, once it has said SL_KEEPER_ALIVE; 0 =
	                         never */
	unsigned start_ms;    /* SL_KEEPER_START_MS, or something else for tests; 0 = SL_KEEPER_START_MS */
	bool daemon;          /* go to the background */
	const char *pid_file; /* written and locked; NULL = none */
	const char *log_file; /* stdout and stderr go there; NULL = leave them (daemon: /dev/null) */
	/* Called after each death of the working half, before the next start; may be NULL. */
	void (*died)(void *ctx, int wait_status);
	void *ctx;

	/* The keeper's own. */
	int pid_fd, waiting_fd, notify_fd, signal_fd;
	pid_t child;
	unsigned restarts;
	bool was_ready, stopping;
	bool ready, alive; /* this working half said so */
};

/* Go to the background if asked, lock the pid file, open the log. In the calling process of a daemon this
 * does not return before the working half is ready or the start has failed; it then exits (0 or the keeper's
 * status), having printed what the log file got. 0, or negative errno with a message on stderr. Call before
 * any thread is made. */
int sl_keeper_begin(struct sl_keeper *k);

/* Start the working half and keep it alive until SIGTERM or SIGINT (forwarded as SIGTERM; SIGHUP is forwarded
 * too). Tells systemd (NOTIFY_SOCKET) about readiness, stopping and the watchdog. Returns the exit status for
 * main(). */
int sl_keeper_run(struct sl_keeper *k);

/* ---- for the working half; without a keeper these do nothing ---- */

enum sl_keeper_news {
	SL_KEEPER_READY = 'R', /* it serves now */
	SL_KEEPER_ALIVE = 'A', /* it still does; send at least every third of watchdog_ms */
};

/* Any thread. Never blocks. READY also renews the tie to the keeper's life, which dropping privileges cuts:
 * send it from the main thread, after them. */
void sl_keeper_notify(enum sl_keeper_news news);

/* How often the working half was started again since the keeper began. */
unsigned sl_keeper_restarts(void);

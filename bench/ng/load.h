/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Calls through the ng protocol over UDP: offer, answer, delete, so many at a time, as a proxy with many
 * workers. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/ng/latency.h"

enum load_step { STEP_OFFER, STEP_ANSWER, STEP_DELETE, STEPS };

struct load_options {
	struct sockaddr_storage server;
	socklen_t server_len;
	const char *media_ip; /* where the calls' ends say they are */
	unsigned outstanding; /* calls in progress */
	unsigned keep;        /* calls set up first, and deleted at the end: the table is as full as that */
	double seconds, rate; /* rate: calls a second, 0 = as fast as it goes */
	uint64_t calls;       /* end after so many; 0 = after seconds */
	unsigned timeout_ms, retries; /* as a proxy's: then the call is given up */
	bool srtp;
};

struct load_result {
	double seconds;
	uint64_t calls, failed, given_up, retransmits, strays;
	struct latency latency[STEPS]; /* from the first sending on */
	char error[200];               /* the first one */
};

/* 0, or -1 with errno. */
int load_run(const struct load_options *o, struct load_result *out);

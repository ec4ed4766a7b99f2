/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A plan of media: streams that somebody set up at the relay, and what is to come back of each. A text, one a line:
 *
 *   stream DIRECTION FROM TO KEY    one that we send; 0 or 1, our endpoint, the relay's
 *   copy FROM TO KEY                what comes back of the stream above it; the relay's endpoint, ours
 *
 * KEY is "-" or SUITE:BASE64 as RFC 4568 writes it. Direction 0 comes first. Within a direction all streams are of one
 * suite and address family, and have as many copies of one suite. Read once, then read-only. */

#include <stdint.h>

#include "bench/pktgen/ports.h"
#include "dataplane/abi/msg_media.h"

enum { PLAN_ADDRESSES_MAX = 8, PLAN_PORTS = 65536 };
#define PLAN_NO_COPY UINT32_MAX

struct plan_copy {
	struct sl_endpoint from, to;
	struct sl_srtp_key key;
	uint32_t stream; /* in its direction */
	unsigned dir;
};

struct plan_stream {
	struct sl_endpoint from, to;
	struct sl_srtp_key key;
	uint32_t first_copy;
};

struct plan {
	struct plan_stream *streams[N_DIRECTIONS];
	uint32_t n_streams[N_DIRECTIONS]; /* 0, or the same in both */
	struct plan_copy *copies;
	uint32_t n_copies;
	unsigned n_copies_each[N_DIRECTIONS];
	unsigned sent_suite[N_DIRECTIONS], back_suite[N_DIRECTIONS];
	/* Which copy arrives at a port of which of our addresses: what comes back is known by where it arrives. */
	struct sl_ip address[PLAN_ADDRESSES_MAX];
	uint32_t *copy_at[PLAN_ADDRESSES_MAX];
	unsigned n_addresses;
};

/* 0, or -1 after a message that names file and line. */
int plan_read(struct plan *p, const char *path);
void plan_free(struct plan *p); /* wipes the keys */

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* One system under test: streams with keys of their own, packets protected and unprotected in bursts. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/msg_media.h"

enum { BATCH_MAX = 256, PACKET_ROOM = 2048, HEADER_BYTES = 12 };

/* What both sides of a stream know. The same seed makes the same streams in every system. */
struct stream {
	struct sl_srtp_key key;
	uint32_t ssrc;
	uint64_t index; /* of the next packet */
};

struct packet {
	uint8_t *rtp;
	uint16_t len;
	uint32_t stream;
	uint64_t index;
	bool failed;
};

struct system {
	const char *name;
	unsigned n_streams; /* it has keys for */
	void *state;
	char describe[128];
	/* 0, or negative with a reason in err */
	int (*open)(struct system *y, const struct stream *streams, unsigned n, char *err, size_t err_len);
	void (*protect)(struct system *y, struct packet *p, unsigned n);
	void (*unprotect)(struct system *y, struct packet *p, unsigned n);
	void (*close)(struct system *y);
};

/* y is filled in; n_streams and the rest are the caller's. */
void system_sluice(struct system *y, const char *name);
void system_libsrtp2(struct system *y);

/* Zeroed memory, in huge pages where there are. */
void *bench_memory(size_t bytes);
void bench_memory_free(void *p, size_t bytes);

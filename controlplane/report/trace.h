/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What happened to each call, as it happened: SIP messages, decisions, media statistics, in one ring of bounded memory; the oldest go
 * first. Secrets (Authorization, Proxy-Authorization, a=crypto keys) are blanked as they go in. Owner: the brain's thread. */

#include <stddef.h>
#include <stdint.h>

#include "controlplane/call/id.h"
#include "dataplane/wire/addr.h"

enum sl_trace_kind {
	SL_TR_SIP_IN,   /* a message received: its bytes */
	SL_TR_SIP_OUT,
	SL_TR_DECISION, /* JSON */
	SL_TR_MEDIA,    /* JSON */
	SL_TR_NOTE,     /* words */
};

enum { SL_TRACE_ENTRY_MAX = 16 * 1024 }; /* longer ones are cut, and say so */

struct sl_trace_about {
	enum sl_trace_kind kind;
	char transport[5];               /* "udp", "tcp", "tls"; "" = none */
	struct sl_endpoint local, remote; /* of messages; zero = not known */
	struct sl_id leg;                /* zero = the whole call */
};

struct sl_trace_entry {
	struct sl_trace_about about;
	int64_t unix_us;
	uint64_t number;                 /* of the call's entries, in order */
	const char *data;                /* valid until the next sl_trace_add() */
	size_t len;
	int truncated;
};

struct sl_trace;

/* bytes 0 = no trace: everything below does nothing. NULL: no memory. */
struct sl_trace *sl_trace_new(size_t bytes);
void sl_trace_free(struct sl_trace *t);
/* *last: the call's own chain (struct sl_call's trace_last; 0 at first). */
void sl_trace_add(struct sl_trace *t, const struct sl_id *call, uint64_t *last, const struct sl_trace_about *about, const void *data,
        size_t len);
/* A call's entries that are still there, oldest first: also of calls that have ended. fn gets each; returns how many. */
unsigned sl_trace_read(const struct sl_trace *t, const struct sl_id *call, void (*fn)(void *ctx, const struct sl_trace_entry *e), void *ctx);

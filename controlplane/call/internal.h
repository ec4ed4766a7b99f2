/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of the call model. */

#include "controlplane/call/call.h"

enum { KINDS_MAX = 4, CONTROLLERS_MAX = 8, NO_SLOT = -1 };

struct call;

struct call_timer {
	struct sl_timer timer;
	struct call *call;
	unsigned kind;         /* 0 = free */
	int64_t due_unix_ms;
};

struct bridge {
	struct sl_bridge pub;
	struct bridge *next; /* of its hash chain */
};

struct call {
	struct sl_call pub;
	struct call *next;       /* of its hash chain */
	struct call *next_dirty; /* of those to be written */
	uint32_t index;          /* of calls->all */
	int slot;                /* of the journal */
	bool dirty, closed;
	struct sl_timer bury;    /* without CDRs there is no answer to wait for */
	struct call_timer timers[SL_CALL_MAX_TIMERS];
	/* While its record is read: what sl_leg_init() gives the next leg. */
	const struct leg_record *restoring;
};

/* What the model itself keeps of a leg. */
struct leg_record {
	struct sl_id id;
	uint8_t direction, state, bridge; /* bridge: index, 0xff = none */
	char kind[16], media_tag[40], media_branch[40];
	struct sl_cdr cdr;
};

struct sl_calls {
	struct sl_calls_options o;
	struct sl_journal *journal;
	struct call **all; /* by index; NULL = free */
	uint32_t *free_indices, n_free;
	struct call **by_id;
	struct bridge **bridges;
	uint32_t mask; /* of both hashes */
	struct call *dirty;
	unsigned n_kinds, n_controllers;
	struct sl_leg_kind kinds[KINDS_MAX];
	const struct sl_controller *controllers[CONTROLLERS_MAX];
	struct sl_calls_counts counts;
};

/* call.c */
struct call *sl_call_make(struct sl_calls *cs, const struct sl_id *id); /* not dirty yet; NULL: no memory, too many */
void sl_call_destroy(struct call *c);                                   /* legs, bridges, controller; the slot stays */
struct bridge *sl_bridge_make(struct call *c, const struct sl_id *id);
/* The media session of a bridge that no call has (any more) is deleted. */
void sl_calls_sweep_bridge(struct sl_calls *cs, const char *media_id);

/* record.c */
struct sl_journal_shape sl_call_record_shape(unsigned max_calls);
void sl_call_record_write(struct call *c);
void sl_call_record_erase(struct call *c);
/* The time goes on: what a crash leaves as the last known. */
void sl_call_record_alive(struct sl_calls *cs, int64_t now_unix_ms);
void sl_call_record_cdr(struct sl_blob_out *o, const struct sl_cdr *cdr);
void sl_call_record_cdr_read(struct sl_blob_in *in, struct sl_cdr *cdr);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The brain's half: commands. Owner: the brain's thread. */

#include "config/options.h"
#include "controlplane/media/media.h"
#include "controlplane/ng/ng.h"
#include "controlplane/ng/request.h"

struct sl_ng_brain {
	struct sl_media *media;
	unsigned n_addresses;
	struct sl_conf_media_address addresses[SL_CONF_MAX_MEDIA_ADDRESSES];
	/* The answer is there: r is the callee's. */
	void (*answered)(void *ctx, struct sl_ng_request *r);
	void *ctx;
	int64_t (*unix_ms)(void);
	int64_t start_unix_ms;
	struct sl_ng_request *waiting; /* for the dataplane */
	/* Written here, read by anybody: relaxed. */
	uint64_t requests[SL_NG_N_COMMANDS], errors[SL_NG_N_COMMANDS], load_limits, warnings;
	char sdp[SL_SDP_MAX_BYTES]; /* the engine's room; wiped after each use */
};

/* answered() is called before it returns, or later. */
void sl_ng_execute(struct sl_ng_brain *b, struct sl_ng_request *r);
/* Nobody waits any more: what the dataplane still answers is forgotten. */
void sl_ng_brain_forget(struct sl_ng_brain *b);

static inline void sl_ng_count(uint64_t *counter)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

/* ---- between its files ---- */

/* Each fills r->reply and ends with one of these. */
void sl_ng_ok(struct sl_ng_request *r);
void sl_ng_failed(struct sl_ng_request *r, const struct sl_media_error *e);
/* Present, or the error of the name is the reply: "No call-id in message". */
bool sl_ng_needs(struct sl_ng_request *r, struct sl_slice what, const char *name);
/* The party a command means; false with an error when it names none and may not mean all. */
bool sl_ng_who(struct sl_ng_request *r, bool or_all, struct sl_media_who *who);

/* commands_media.c */
void sl_ng_block(struct sl_ng_request *r, uint32_t leg_flag, bool on);
void sl_ng_play(struct sl_ng_request *r);
void sl_ng_play_stop(struct sl_ng_request *r);
void sl_ng_dtmf(struct sl_ng_request *r);
void sl_ng_record(struct sl_ng_request *r, bool on);
void sl_ng_subscribe(struct sl_ng_request *r);
void sl_ng_subscribe_answer(struct sl_ng_request *r);
void sl_ng_unsubscribe(struct sl_ng_request *r);

/* query.c: a call's counts into the reply. A tag: only its party and whom it talks to. */
void sl_ng_call_stats(struct sl_ng_request *r, const struct sl_media_session *s, struct sl_slice tag);
/* statistics.c */
void sl_ng_statistics(struct sl_ng_request *r);

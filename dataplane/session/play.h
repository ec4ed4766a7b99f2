/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What a leg plays, and the wheel that says when: 20 slots of one millisecond, each armed leg in one of them, so that a
 * worker's legs spread over the 20 ms of a frame. No packets; time is an argument. Owner: one worker. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/session/dtmf.h"

enum { SL_PLAY_TURN_MS = 20 };

/* ---- one leg ---- */

/* A clip being played. clip SL_CLIP_NONE (0) = none. */
struct sl_leg_play {
	uint32_t clip;
	uint32_t times_left; /* this time included; 0 = until stopped */
	uint32_t frame;      /* the next one */
	uint32_t ts;         /* RTP timestamp of media sent at last_ms */
	uint32_t last_ms;    /* when the wheel last came by */
	uint8_t pt;
	bool marker;         /* the next frame is the first */
	bool timed;          /* ts and last_ms are set */
	bool gap;            /* between two events, and its first frame is sent */
};

/* The clip's next frame after the wheel has moved on by turns (1 = in time; what was missed is skipped): true with
 * *frame, or false: the clip is over. n_frames may have changed since the last one. */
bool sl_play_frame(struct sl_leg_play *p, uint32_t n_frames, uint32_t turns, uint32_t *frame);

/* ---- the wheel ---- */

struct sl_play_node {
	uint32_t next, prev; /* SL_NONE ends */
	uint32_t slot;       /* SL_NONE = not armed */
};

struct sl_play_wheel {
	struct sl_play_node *nodes; /* [n], by leg */
	uint32_t head[SL_PLAY_TURN_MS], count[SL_PLAY_TURN_MS];
	uint64_t at_ms;             /* every millisecond up to this one has been run */
};

void sl_play_wheel_init(struct sl_play_wheel *w, struct sl_play_node *nodes, uint32_t n, uint64_t now_ms);
/* Put leg into the emptiest slot, the soonest of equals; nothing when it is armed already. */
void sl_play_wheel_arm(struct sl_play_wheel *w, uint32_t leg);
/* Take it off; nothing when it is not armed. */
void sl_play_wheel_disarm(struct sl_play_wheel *w, uint32_t leg);
/* Run the milliseconds up to now_ms, at most one turn of them: after a stall each leg comes once, and what else it
 * missed is for it to skip. visit(ctx, leg, ms) may disarm its own leg and no other. Returns how many were visited. */
unsigned sl_play_wheel_run(struct sl_play_wheel *w, uint64_t now_ms,
	void (*visit)(void *ctx, uint32_t leg, uint32_t ms), void *ctx);

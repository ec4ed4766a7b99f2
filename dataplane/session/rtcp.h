/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* RTCP of a leg, over the tables alone: which SRTCP came before, what reports say about what we sent, and what a packet
 * is to say on the other side. Time is an argument: low 32 bits of a microsecond clock. Owner: the worker.
 *
 * Translation is in two halves, so that the legs of a route may be of two workers. The leg that received a packet puts
 * back what it speaks about (sl_rtcp_from_leg: report blocks and feedback about what we sent there, in the source's names
 * and numbers); the leg that sends it puts in who speaks (sl_rtcp_to_leg: SSRC, RTP time and counts as they leave there).
 *
 * What is not changed: cumulative losses and jitter when a leg's SSRC has had several sources; the CNAME, which is each
 * source's own; VBCM and application packets. */

#include <stdint.h>

#include "dataplane/session/media.h"
#include "dataplane/wire/rtcp.h"

enum { SL_SRTCP_WINDOW_BITS = 64 };

/* May this SRTCP index of ssrc be taken under key_in[key]? 0, -EEXIST (a replay, or too old), -ENOSPC (more senders
 * than one leg has). Look before authentication, and again after it. */
int sl_rtcp_replay_check(struct sl_leg_rtcp *r, unsigned key, uint32_t ssrc, uint32_t index);
/* It authenticated, and the check was 0. */
void sl_rtcp_replay_commit(struct sl_leg_rtcp *r, unsigned key, uint32_t ssrc, uint32_t index);

/* A valid compound came from leg's remote end: loss, jitter and round trip of what we send there. */
void sl_rtcp_take_reports(struct sl_media *m, uint32_t leg, const uint8_t *rtcp, size_t len, uint32_t now_us);
/* A compound leaves for leg's remote end, as it is: its SR is what the next round trip is measured by. */
void sl_rtcp_note_sent(struct sl_media *m, uint32_t leg, const uint8_t *rtcp, size_t len, uint32_t now_us);

/* In place, a valid compound. Both return the new length, which may be 0: nothing of it is to go on. */
size_t sl_rtcp_from_leg(const struct sl_media *m, uint32_t leg, uint8_t *rtcp, size_t len);
size_t sl_rtcp_to_leg(const struct sl_media *m, uint32_t leg, uint8_t *rtcp, size_t len);

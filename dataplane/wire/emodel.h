/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What a listener would say of a call: the E-model (ITU-T G.107) with all that a network cannot know at its default, so
 * R = 93.2 - Id - Ie,eff, and losses taken as random (burst ratio 1). Narrowband scale: no bonus for wideband. */

#include <stdint.h>

enum sl_emodel_codec {
	SL_EMODEL_OTHER, /* Opus, AMR, what is not known: no impairment of its own, losses hurt as with AMR 12.2 */
	SL_EMODEL_G711,  /* with concealment of losses (G.711 appendix I), as receivers have it */
	SL_EMODEL_G729,
	SL_EMODEL_G722,
	SL_EMODEL_CODECS
};

/* By the encoding name of a=rtpmap, in any case. */
enum sl_emodel_codec sl_emodel_codec(const char *encoding);
/* One-way delay from mouth to ear: half the round trip (0 = unknown), the frame, and a receiver's buffer of twice the
 * jitter. */
double sl_emodel_delay_ms(uint32_t rtt_us, uint32_t jitter_us);
/* Transmission rating 0..93.2; loss is a fraction, 0..1. */
double sl_emodel_r(enum sl_emodel_codec codec, double loss, double delay_ms);
/* Mean opinion score 1..4.5 (G.107 annex B). */
double sl_emodel_mos(double r);

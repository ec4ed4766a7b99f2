/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the controller itself must know of an SDP, in one pass over its lines: the engine parses it properly. And the o= line that each side
 * sees: one origin for the whole dialog with a version that counts (RFC 3264 8), whoever it is that talks behind it. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "controlplane/media/sdp.h"

struct look {
	unsigned n_media, n_rejected;
	unsigned n_mute; /* sections that offer DTMF events and nothing to speak with */
	bool plain;    /* some section is RTP/AVP or AVPF */
	bool secure;   /* RTP/SAVP or SAVPF */
	bool dtls;     /* with keys of DTLS: passed on, never translated */
	bool feedback; /* ...F */
	bool held;     /* every section that is not rejected is sendonly or inactive, or has 0.0.0.0 */
};
void sl_look(struct sl_slice sdp, struct look *out);

/* What a side has been told about its o= line. */
struct origin {
	uint64_t id, hash;
	uint32_t version;
};
/* Write sdp with its own o= line into out: version raised when anything else differs from what was written last. s= becomes "-" unless it
 * is. Length, or -ENOSPC, -EINVAL (no o= line). */
int sl_origin_write(struct origin *o, struct sl_slice sdp, char *out, size_t room);

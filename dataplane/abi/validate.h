/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What a message must look like before any field is believed. Both sides use it: the dataplane on commands,
 * the control plane on events, each on its own copy, never on the ring's memory. */

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/abi/msg.h"

/* The same bounds as config/options.h documents for the file. */
enum {
	SL_LIMIT_LIFETIME_S = 86400,
	SL_LIMIT_USER_QUOTA = 4194304,
	SL_LIMIT_PERMISSIONS = 65535,
	SL_LIMIT_CLOCK_HZ = (1 << 24) - 1, /* of an RTP payload type */
	SL_LIMIT_PT = 127,
	SL_LIMIT_DSCP = 63,
	SL_LIMIT_DTMF_MIN_MS = 40,
	SL_LIMIT_DTMF_MS = 10000,
	SL_LIMIT_DTMF_EVENT = 15,   /* RFC 4733 3.2: the keys */
	SL_LIMIT_DTMF_VOLUME = 63,
	SL_CLIP_FRAME_MS = 20,
	SL_LIMIT_REFLECTION_PERCENT = 10000,
	SL_LIMIT_METER_PPS = 4000000,   /* of a session or tenant; 0 = no limit */
	SL_LIMIT_METER_KBPS_MIN = 16,   /* a full packet in a second's worth; 0 = no limit */
	SL_LIMIT_METER_KBPS = 1 << 25,  /* a second's bytes fit 32 bits */
	SL_LIMIT_BAN_S = 10 * 366 * 86400,
	SL_LIMIT_MARK_S = 30 * 86400,
	SL_LIMIT_SAMPLE_S = 3600,
};

/* Is this command for a worker (true) or for the housekeeper (false)? Unknown types are nobody's: false. */
bool sl_command_is_for_worker(uint32_t type);

/* 0, or -EINVAL with "FIELD: what is wrong" in text (text_len > 0). Pure: any bytes may be given. */
int sl_command_validate(const struct sl_command *cmd, char *text, size_t text_len);

/* The same for events, which a control plane receives. */
int sl_event_validate(const struct sl_event *evt, char *text, size_t text_len);

/* The same for what comes by a bulk ring. */
int sl_bulk_validate(const struct sl_bulk *b, char *text, size_t text_len);

/* The header of a list of prefixes in a file of that many bytes. The entries are sl_prefixes_build()'s to check. */
int sl_guard_list_validate(const struct sl_guard_list *l, size_t bytes, char *text, size_t text_len);

/* A clip's header and where each of its frames lies, in a file of that many bytes: aligned memory that nobody can
 * change any more. Which bytes the frames hold is not looked at. */
int sl_clip_validate(const struct sl_clip *c, size_t bytes, char *text, size_t text_len);

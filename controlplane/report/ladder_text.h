/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Words of the ladder: of a message and of a JSON record. What came from the wire is made safe for a terminal. */

#include <stddef.h>

#include <jansson.h>

/* "INVITE", "180 Ringing", "200 OK (BYE)". */
void sl_ladder_label(const char *message, char *out, size_t room);
/* What the SDP of a message's body says, one line a media section: "audio 192.0.2.1:4000 sendrecv RTP/AVP PCMA PCMU". "" = there is
 * none. */
void sl_ladder_sdp(const char *message, char *out, size_t room);
/* "name=value name=value" of what is no list or object. */
void sl_ladder_members(const json_t *o, char *out, size_t room);
/* In place: control characters and what is not ASCII become '?'. */
void sl_ladder_plain(char *text);

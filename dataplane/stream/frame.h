/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A byte stream of a TURN client cut into messages (RFC 8489 6.2.2, RFC 8656 12.5): STUN messages, whose length is a multiple of four, and ChannelData,
 * padded to four bytes here, as it is over TCP and TLS. Pure: what is not there yet is never looked at, nor is its length believed beyond a limit. */

#include <stddef.h>
#include <stdint.h>

enum sl_stream_frame_kind {
	SL_STREAM_FRAME_INCOMPLETE,
	SL_STREAM_FRAME_STUN,
	SL_STREAM_FRAME_CHANNEL,
	SL_STREAM_FRAME_INVALID, /* neither, or longer than max: nothing after it can be understood */
};

struct sl_stream_frame {
	size_t len;   /* of the message; ChannelData without its padding */
	size_t total; /* bytes that it takes up in the stream; of an INCOMPLETE one: at least so many are needed */
};

/* The message at the front of n bytes. max: of its total. */
enum sl_stream_frame_kind sl_stream_frame_next(const uint8_t *p, size_t n, size_t max, struct sl_stream_frame *out);

/* Is a message for a client relayed data (ChannelData or a Data indication), which may be lost as it may on UDP? */
int sl_stream_frame_is_relayed(const uint8_t *p, size_t n);

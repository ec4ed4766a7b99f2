/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Where one SIP message of a stream ends and the next begins (RFC 3261 18.3: Content-Length). Pure: bytes in, lengths out, no allocation.
 *
 * Stricter than a parser behind may be: lines of the head end in CRLF and nothing else does, there is no NUL in it, and its
 * Content-Lengths agree. So nobody behind can see an end of message, or a header, that is not seen here. */

#include <stddef.h>

enum {
	SL_FRAME_MAX = 65536,      /* bytes of a message, head and body */
	SL_FRAME_LINE_MAX = 8192,  /* of its start line */
	SL_FRAME_HEAD_MAX = 32768, /* of its head */
};

enum sl_frame_kind {
	SL_FRAME_INCOMPLETE, /* more is needed */
	SL_FRAME_MESSAGE,    /* the first total bytes are one */
	SL_FRAME_PING,       /* CRLF CRLF (RFC 5626 3.5.1): total bytes, to be answered by CRLF */
	SL_FRAME_SKIP,       /* a CRLF before a message (RFC 3261 7.5), or a pong */
	SL_FRAME_INVALID,    /* no SIP, too long, or in doubt where it ends */
};

/* Zero for each message; between calls with more of the same bytes it remembers what was seen. */
struct sl_frame {
	size_t scanned; /* bytes known to hold no end of the head */
	size_t head;    /* bytes of the head with its empty line; 0 = not known yet */
	size_t total;   /* of the message; known with head */
};

enum sl_frame_kind sl_frame_next(const char *data, size_t n, struct sl_frame *f);

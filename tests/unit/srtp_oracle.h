/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* One SRTP stream as our engine and libsrtp2 both have it. */

#include <srtp2/srtp.h>

#include "drivers/srtp.h"

struct pair {
	struct sl_srtp *engine;
	struct sl_srtp_key key;
	uint32_t ssrc;
	struct sl_srtp_context *out, *in; /* ours */
	struct sl_srtcp_context rtcp;
	srtp_t their_out, their_in;
	bool mki;
};

/* A stream with random keys. Contexts of ours are in memory of their own. */
void pair_open(struct pair *p, struct sl_srtp *engine, unsigned suite, unsigned mki_len, unsigned flags);
void pair_close(struct pair *p);
/* Where libsrtp2's next packet out, or first one in, stands. */
void pair_set_roc(struct pair *p, uint32_t roc);

/* libsrtp2 on a packet with room behind it; *len in and out. True when it is content. */
bool their_protect(struct pair *p, uint8_t *rtp, int *len);
bool their_unprotect(struct pair *p, uint8_t *rtp, int *len);
bool their_protect_rtcp(struct pair *p, uint8_t *rtcp, int *len);
bool their_unprotect_rtcp(struct pair *p, uint8_t *rtcp, int *len);

/* ---- packets ---- */

uint32_t random32(void);
enum header_form { HEADER_BARE, HEADER_CSRC, HEADER_EXTENDED, HEADER_BOTH, HEADER_FORMS };
/* An RTP packet of random payload; returns its length, *header_len as the packet path would find it. */
unsigned make_rtp(uint8_t *rtp, const struct pair *p, enum header_form form, uint16_t seq, unsigned payload,
        uint16_t *header_len);

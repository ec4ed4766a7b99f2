/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The text that an edit writes: pieces of the old one and what is put between. */

#include "controlplane/media/sdp_internal.h"

struct sl_sdp_writer {
	const struct sl_sdp *sdp;
	const struct sl_sdp_edit *edit;
	char *out;
	size_t room, n;
	bool full;
	bool any_relay, any_crypto;
	const struct sl_ip *connection; /* what the session's c= becomes; NULL = it stays */
};

void sl_sdp_put(struct sl_sdp_writer *w, const char *p, size_t n);
void sl_sdp_put_text(struct sl_sdp_writer *w, const char *text);
void sl_sdp_put_number(struct sl_sdp_writer *w, unsigned v);
const char *sl_sdp_line_end(const struct sl_sdp *sdp);
/* Before an added line: the text's last line may lack its end. */
void sl_sdp_begin_line(struct sl_sdp_writer *w);
/* From p, within line i, to where the next line begins. */
void sl_sdp_put_rest_of_line(struct sl_sdp_writer *w, unsigned i, const char *p);
void sl_sdp_copy_line(struct sl_sdp_writer *w, unsigned i);
void sl_sdp_put_end_of_line(struct sl_sdp_writer *w, unsigned i);
/* "IP4 192.0.2.1" */
void sl_sdp_put_address(struct sl_sdp_writer *w, const struct sl_ip *ip);
/* Lines c= and o= with ip instead of their family and address. */
void sl_sdp_put_c(struct sl_sdp_writer *w, unsigned i, const struct sl_ip *ip);
void sl_sdp_put_o(struct sl_sdp_writer *w, unsigned i, const struct sl_ip *ip);

/* sdp_rewrite_media.c */
/* Does the section get port 0: asked for, left without a payload type, or without any format from the beginning? */
bool sl_sdp_is_rejected(const struct sl_sdp *sdp, const struct sl_sdp_media *m, const struct sl_sdp_media_edit *e);
/* All lines of a section. */
void sl_sdp_write_media(struct sl_sdp_writer *w, unsigned index);

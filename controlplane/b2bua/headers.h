/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Which headers go from one side to the other: those of a list that are meant end to end, changed by the rules of the trunks on both sides.
 * What belongs to a dialog, a connection or an account never does. Pure. */

#include "controlplane/b2bua/text.h"
#include "controlplane/provision/provision.h"

#include <sofia-sip/sip.h>

enum { SL_HEADERS_ROOM = 6144 };

enum pass {
	PASS_INVITE = 1,
	PASS_RESPONSE = 2, /* to an INVITE: provisional, final */
	PASS_INSIDE = 4,   /* requests inside a dialog, but BYE and CANCEL */
	PASS_BYE = 8,
	PASS_OUTSIDE = 16, /* MESSAGE, OPTIONS and the like without a dialog */
};

struct pass_side {
	const struct sl_prov_trunk *trunk; /* NULL = a user of ours */
	bool trusted;                      /* RFC 3325: told identities */
};

/* host: written in place of the hosts of URIs in headers that tell where a call has been. */
void sl_headers_pass(struct text *out, const sip_t *sip, enum pass kind, const struct pass_side *from, const struct pass_side *to, const char *host);
/* The same in two steps, for a message that goes to several: all lines that may pass at all; those of them that do. */
void sl_headers_collect(struct text *out, const sip_t *sip);
void sl_headers_filter(struct text *out, const char *lines, enum pass kind, const struct pass_side *from, const struct pass_side *to,
        const char *host);
/* Would a header of that name pass? */
bool sl_header_passes(const char *name, enum pass kind, const struct pass_side *from, const struct pass_side *to);
/* A value whose URIs show `host` where they showed another. */
void sl_headers_mask(struct text *out, const char *value, const char *host);
/* The value of the first header of that name which Sofia does not parse; NULL = none. */
const char *sl_header_find(const sip_t *sip, const char *name);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Where a SIP URI leads (RFC 3263): NAPTR, SRV, A and AAAA by Sofia's resolver (sres_*), with its cache; a numeric host at once. The
 * result is a list in the order to try, weights drawn anew for each request. Owner: the brain's thread. */

#include "controlplane/sip/sip.h"

enum { SL_RESOLVE_MAX = 8, SL_RESOLVE_MS = 4000 };

struct sl_resolved {
	unsigned n; /* 0 with an error: -ENOENT no such name, -ETIMEDOUT, -EPROTONOSUPPORT no transport in common, -EINVAL */
	struct sl_sip_hop hops[SL_RESOLVE_MAX]; /* listener is set to the first of that role, transport and family */
};

/* uri: "sip:example.com;transport=tcp", "sips:...", of a trunk or a request-URI; role: enum sl_conf_sip_role of the listener to leave by.
 * Answered by fn(ctx, error, const struct sl_resolved *), once, maybe before it returns; withdraw by sl_ask_withdraw(). 0 = no memory. */
sl_ask sl_sip_resolve(struct sl_sip *s, const char *uri, unsigned role, sl_ask_fn fn, void *ctx);

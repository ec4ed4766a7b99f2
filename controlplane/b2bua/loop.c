/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Loops. Call-ID and branch are new on each passage, so neither tells; a cookie does: a keyed hash of caller, called and host, in a header
 * that others pass on or not. Where they do not, Max-Forwards ends it (RFC 3261 16.3). */

#include "controlplane/b2bua/internal.h"

static const char header[] = "P-Sluice-Loop";

bool sl_loop_is(const struct sl_b2bua *b, const sip_t *sip, const char *caller, const char *called, const char *host, char out[LOOP_ROOM])
{
	char text[2 * SL_ROUTE_NUMBER_MAX + SL_PROV_NAME_MAX + 8], cookie[24];
	const char *before = sl_header_find(sip, header);
	int n = snprintf(text, sizeof text, "%s>%s@%s", caller, called, host);
	bool sane = before && strspn(before, "0123456789abcdef,") == strlen(before);

	if (n < 0 || (size_t)n >= sizeof text)
		n = sizeof text - 1;
	snprintf(cookie, sizeof cookie, "%016llx", (unsigned long long)sl_siphash(&b->loop_key, text, (size_t)n));
	if (sane && strstr(before, cookie))
		return true;
	/* The newest first; ten passages are remembered. */
	if (sane)
		snprintf(out, LOOP_ROOM, "%s: %s,%.152s\r\n", header, cookie, before);
	else
		snprintf(out, LOOP_ROOM, "%s: %s\r\n", header, cookie);
	return false;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/routing/trunks_rules.h"

#include <string.h>

bool sl_trunk_hysteresis(struct sl_trunk_health *h, bool ok, unsigned up, unsigned down)
{
	if (ok != h->down) {
		h->streak = 0; /* as it was */
		return false;
	}
	if (++h->streak < (h->down ? up : down))
		return false;
	h->down = !h->down;
	h->streak = 0;
	return true;
}

int64_t sl_trunk_backoff_ms(unsigned failures)
{
	int64_t ms = SL_TRUNK_BACKOFF_FIRST_MS;

	while (failures-- > 1 && ms < SL_TRUNK_BACKOFF_MAX_MS)
		ms *= 2;
	return ms < SL_TRUNK_BACKOFF_MAX_MS ? ms : SL_TRUNK_BACKOFF_MAX_MS;
}

struct sl_slice sl_trunk_host_of(const char *uri)
{
	const char *p = strchr(uri, ':');
	const char *at;

	p = p ? p + 1 : uri;
	size_t n = strcspn(p, ";?>");
	at = memchr(p, '@', n);
	if (at) {
		n -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	const char *end = *p == '[' ? memchr(p, ']', n) : memchr(p, ':', n);

	return (struct sl_slice){ p, !end ? n : (size_t)(end - p) + (*p == '[') };
}

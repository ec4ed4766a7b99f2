/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/handed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sl_handed_write(const struct sl_handed *h, char *text, size_t len)
{
	int at = snprintf(text, len, "region=%d,cold=%d,config=%d", h->region, h->cold, h->config);
	for (unsigned i = 0; i < h->n_taps && (size_t)at < len; i++)
		at += snprintf(text + at, len - (size_t)at, ",tap=%d", h->taps[i]);
}

static bool take(struct sl_handed *h, const char *key, size_t key_len, int fd)
{
	if (key_len == 3 && strncmp(key, "tap", 3) == 0 && h->n_taps < SL_MAX_INTERFACES)
		h->taps[h->n_taps++] = fd;
	else if (key_len == 6 && strncmp(key, "region", 6) == 0)
		h->region = fd;
	else if (key_len == 4 && strncmp(key, "cold", 4) == 0)
		h->cold = fd;
	else if (key_len == 6 && strncmp(key, "config", 6) == 0)
		h->config = fd;
	else
		return false;
	return true;
}

int sl_handed_read(struct sl_handed *h, const char *text)
{
	*h = (struct sl_handed){.region = -1, .cold = -1, .config = -1};
	for (const char *at = text; *at;) {
		const char *equals = strchr(at, '=');
		char *end;
		long fd = equals ? strtol(equals + 1, &end, 10) : -1;
		if (fd < 0 || end == equals + 1 || (*end && *end != ',') || !take(h, at, (size_t)(equals - at), (int)fd))
			return -EINVAL;
		at = *end ? end + 1 : end;
	}
	return h->region < 0 || h->cold < 0 || h->config < 0 ? -EINVAL : 0;
}

unsigned sl_handed_list(const struct sl_handed *h, int fds[3 + SL_MAX_INTERFACES])
{
	unsigned n = 0;
	fds[n++] = h->region;
	fds[n++] = h->cold;
	fds[n++] = h->config;
	for (unsigned i = 0; i < h->n_taps; i++)
		fds[n++] = h->taps[i];
	return n;
}

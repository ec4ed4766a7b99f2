/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/handed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/session/cold.h"
#include "dataplane/session/cold_media.h"

struct sl_handed_cold sl_handed_cold(const struct sl_config *c)
{
	/* Both begin and end on 64 bytes. */
	struct sl_handed_cold at = {.media_at = sl_cold_size(c->dataplane.max_allocations, c->dataplane.max_peers)};
	if (c->media.n_addresses)
		at.media_bytes = sl_cold_media_size(c->media.max_legs, c->media.max_streams);
	at.bytes = at.media_at + at.media_bytes;
	return at;
}

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

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/cold_media.h"

#include <errno.h>
#include <stdbool.h>

#include <sys/random.h>

enum { RECORD_ALIGN = 64 };

static size_t align_up(size_t n)
{
	return (n + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

static size_t legs_offset(void)
{
	return align_up(sizeof(struct sl_cold_media));
}

static size_t streams_offset(uint32_t n_legs)
{
	return align_up(legs_offset() + n_legs * sizeof(struct sl_cold_leg));
}

/* Sizes and places tell most changes of a record from another build's. */
static uint32_t layout(void)
{
	return (uint32_t)(sizeof(struct sl_cold_media) * 31 + sizeof(struct sl_cold_leg) * 1009 +
		sizeof(struct sl_cold_stream) * 7919 + offsetof(struct sl_cold_leg, tx_reserved) * 65537 +
		offsetof(struct sl_cold_leg, rtcp_reserved) * 92821 + offsetof(struct sl_cold_stream, index) * 31337);
}

size_t sl_cold_media_size(uint32_t n_legs, uint32_t n_streams)
{
	return align_up(streams_offset(n_legs) + n_streams * sizeof(struct sl_cold_stream));
}

int sl_cold_media_create(void *mem, uint32_t n_legs, uint32_t n_streams)
{
	struct sl_cold_media *c = (struct sl_cold_media *)mem;
	ssize_t got = getrandom(&c->print_key, sizeof c->print_key, 0); /* so few bytes come whole or not at all */

	if (got != (ssize_t)sizeof c->print_key)
		return got < 0 ? -errno : -EIO;
	c->layout = layout();
	c->n_legs = n_legs;
	c->n_streams = n_streams;
	c->magic = SL_COLD_MEDIA_MAGIC;
	return 0;
}

int sl_cold_media_check(const struct sl_cold_media *c, size_t bytes, uint32_t n_legs, uint32_t n_streams)
{
	bool fits = bytes >= sizeof *c && c->magic == SL_COLD_MEDIA_MAGIC && c->layout == layout() && c->n_legs == n_legs &&
		c->n_streams == n_streams && bytes >= sl_cold_media_size(n_legs, n_streams);

	return fits ? 0 : -EPROTO;
}

struct sl_cold_media_view sl_cold_media_view(struct sl_cold_media *c, unsigned worker, unsigned n_workers)
{
	uint8_t *base = (uint8_t *)c;

	return (struct sl_cold_media_view){
		.legs = (struct sl_cold_leg *)(base + legs_offset()) + (size_t)worker * (c->n_legs / n_workers),
		.streams = (struct sl_cold_stream *)(base + streams_offset(c->n_legs)) +
			(size_t)worker * (c->n_streams / n_workers),
	};
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/call/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { TIME_BYTES = 6, RANDOM_AT = 8, RANDOM_BYTES = 8, POOL = 64 };

static uint8_t node_of[2]; /* region, node: written once at start */

/* Randomness is drawn from the kernel for many ids at a time. */
static __thread struct {
	uint8_t bytes[POOL][RANDOM_BYTES];
	unsigned left;
} pool;

void sl_id_set_node(uint8_t region, uint8_t node)
{
	node_of[0] = region;
	node_of[1] = node;
}

void sl_id_new(struct sl_id *id)
{
	struct timespec ts;

	if (pool.left == 0) {
		if (getrandom((uint8_t *)pool.bytes, sizeof pool.bytes / 2, 0) < 0 || /* up to 256 bytes it is never cut short */
		        getrandom((uint8_t *)pool.bytes + sizeof pool.bytes / 2, sizeof pool.bytes / 2, 0) < 0)
			abort(); /* cannot be: the pool is initialised, the call is not interrupted */
		pool.left = POOL;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	uint64_t ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	for (unsigned i = 0; i < TIME_BYTES; i++)
		id->b[i] = (uint8_t)(ms >> 8 * (TIME_BYTES - 1 - i));
	memcpy(id->b + TIME_BYTES, node_of, sizeof node_of);
	memcpy(id->b + RANDOM_AT, pool.bytes[--pool.left], RANDOM_BYTES);
}

void sl_id_bound(int64_t unix_ms, struct sl_id *out)
{
	memset(out, 0, sizeof *out);
	for (unsigned i = 0; i < TIME_BYTES && unix_ms > 0; i++)
		out->b[i] = (uint8_t)(unix_ms >> 8 * (TIME_BYTES - 1 - i));
}

const char *sl_id_text(const struct sl_id *id, const char *kind, char out[SL_ID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *p = out;

	*p++ = kind[0];
	*p++ = kind[1];
	for (unsigned i = 0; i < SL_ID_BYTES; i++) {
		*p++ = digits[id->b[i] >> 4];
		*p++ = digits[id->b[i] & 15];
	}
	*p = '\0';
	return out;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int sl_id_parse(const char *text, size_t len, const char *kind, struct sl_id *id)
{
	if (len != SL_ID_TEXT - 1 || text[0] != kind[0] || text[1] != kind[1])
		return -EINVAL;
	for (unsigned i = 0; i < SL_ID_BYTES; i++) {
		int high = digit(text[2 + 2 * i]), low = digit(text[3 + 2 * i]);
		if (high < 0 || low < 0)
			return -EINVAL;
		id->b[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Ids of everything that has a life of its own: 128 bits (time, region, node, random), shown as two letters that tell the
 * kind and 32 hex digits. The first 6 bytes are milliseconds since 1970, so ids sort by age; the next two say whose it is. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { SL_ID_BYTES = 16, SL_ID_TEXT = 2 + 2 * SL_ID_BYTES + 1 };

struct sl_id {
	uint8_t b[SL_ID_BYTES];
};

/* Kinds, as they are shown. */
#define SL_ID_CALL "CA"
#define SL_ID_LEG "LE"
#define SL_ID_BRIDGE "BR"
#define SL_ID_CDR "CD" /* the id of its leg */
#define SL_ID_EVENT "EV"

/* Region and node of this brain, once at start. */
void sl_id_set_node(uint8_t region, uint8_t node);
/* A new one. Any thread. */
void sl_id_new(struct sl_id *id);
/* The smallest id made at this time or later. */
void sl_id_bound(int64_t unix_ms, struct sl_id *out);
/* out: SL_ID_TEXT bytes; returned. kind: two letters. */
const char *sl_id_text(const struct sl_id *id, const char *kind, char out[SL_ID_TEXT]);
/* The id of that kind in len bytes of text. 0 or -EINVAL. */
int sl_id_parse(const char *text, size_t len, const char *kind, struct sl_id *id);

static inline bool sl_id_eq(const struct sl_id *a, const struct sl_id *b)
{
	return memcmp(a->b, b->b, SL_ID_BYTES) == 0;
}
static inline bool sl_id_is_set(const struct sl_id *id)
{
	static const struct sl_id none;

	return !sl_id_eq(id, &none);
}

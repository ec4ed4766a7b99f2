/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A reader over bytes whose error is sticky: a read past the end returns zero (or NULL), sets .bad and leaves
 * nothing to read, so a parser reads several fields and checks once. Numbers are in network order on the wire
 * and in host order when returned. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_cursor {
	const uint8_t *p, *end;
	bool bad;
};

static inline struct sl_cursor sl_cursor_over(const void *base, size_t len)
{
	const uint8_t *p = (const uint8_t *)base;

	return (struct sl_cursor){.p = p, .end = p + len};
}

/* Bytes not yet read. */
static inline size_t sl_cursor_left(const struct sl_cursor *c)
{
	return (size_t)(c->end - c->p);
}

/* The next n bytes in place, or NULL when there are fewer. */
static inline const uint8_t *sl_cursor_take(struct sl_cursor *c, size_t n)
{
	const uint8_t *at = c->p;

	if (__builtin_expect(n > sl_cursor_left(c), 0)) {
		c->p = c->end;
		c->bad = true;
		return NULL;
	}
	c->p += n;
	return at;
}

static inline uint16_t sl_be16_at(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t sl_be32_at(const uint8_t *p)
{
	return (uint32_t)sl_be16_at(p) << 16 | sl_be16_at(p + 2);
}

static inline uint8_t sl_cursor_u8(struct sl_cursor *c)
{
	const uint8_t *p = sl_cursor_take(c, 1);

	return p ? *p : 0;
}

static inline uint16_t sl_cursor_u16(struct sl_cursor *c)
{
	const uint8_t *p = sl_cursor_take(c, 2);

	return p ? sl_be16_at(p) : 0;
}

static inline uint32_t sl_cursor_u32(struct sl_cursor *c)
{
	const uint8_t *p = sl_cursor_take(c, 4);

	return p ? sl_be32_at(p) : 0;
}

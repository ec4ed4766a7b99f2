/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 16 };

struct sl_ng_chunk {
	struct sl_ng_chunk *older;
	size_t size;
	_Alignas(ALIGNMENT) char bytes[];
};

/* ---- arena ---- */

/* Never 0: every allocation is somewhere. */
static size_t round_up(size_t bytes)
{
	return bytes ? (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1) : ALIGNMENT;
}

static bool grow(struct sl_ng_arena *a, size_t bytes)
{
	size_t size = a->size ? 2 * a->size : SL_NG_ARENA_FIRST;
	struct sl_ng_chunk *c;

	if (size < bytes)
		size = bytes;
	if (a->total + size > SL_NG_ARENA_MAX)
		size = bytes; /* the last pieces: exactly what is asked */
	if (a->total + size > SL_NG_ARENA_MAX || !(c = malloc(sizeof *c + size)))
		return false;
	c->older = a->chunks;
	c->size = size;
	a->chunks = c;
	a->size = size;
	a->used = 0;
	a->total += size;
	return true;
}

void *sl_ng_alloc(struct sl_ng_arena *a, size_t bytes)
{
	char *p;

	if (bytes > SL_NG_ARENA_MAX)
		goto fail;
	bytes = round_up(bytes);
	if (a->size - a->used < bytes && !grow(a, bytes))
		goto fail;
	p = a->chunks->bytes + a->used;
	a->used += bytes;
	return memset(p, 0, bytes);
fail:
	a->failed = true;
	return NULL;
}

void sl_ng_arena_free(struct sl_ng_arena *a)
{
	struct sl_ng_chunk *c, *older;

	for (c = a->chunks; c; c = older) {
		older = c->older;
		explicit_bzero(c->bytes, c == a->chunks ? a->used : c->size);
		free(c);
	}
	*a = (struct sl_ng_arena){0};
}

/* ---- building ---- */

struct sl_ng_value *sl_ng_new(struct sl_ng_arena *a, enum sl_ng_type type)
{
	struct sl_ng_value *v = sl_ng_alloc(a, sizeof *v);

	if (v)
		v->type = type;
	return v;
}

void sl_ng_append(struct sl_ng_value *into, struct sl_ng_value *what)
{
	if (!into || !what)
		return;
	if (into->items.last)
		into->items.last->next = what;
	else
		into->items.first = what;
	into->items.last = what;
}

struct sl_ng_value *sl_ng_add(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, enum sl_ng_type type)
{
	struct sl_ng_value *v = into ? sl_ng_new(a, type) : NULL;

	if (v && key)
		v->key = sl_ng_text(key);
	sl_ng_append(into, v);
	return v;
}

struct sl_ng_value *sl_ng_add_integer(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, int64_t integer)
{
	struct sl_ng_value *v = sl_ng_add(a, into, key, SL_NGV_INTEGER);

	if (v)
		v->integer = integer;
	return v;
}

struct sl_ng_value *sl_ng_add_slice(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, struct sl_slice s)
{
	struct sl_ng_value *v = sl_ng_add(a, into, key, SL_NGV_STRING);

	if (v)
		v->string = s;
	return v;
}

struct sl_ng_value *sl_ng_add_text(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, const char *text)
{
	return sl_ng_add_slice(a, into, key, sl_ng_text(text));
}

struct sl_ng_value *sl_ng_add_copy(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, const char *text)
{
	size_t n = strlen(text);
	char *copy = sl_ng_alloc(a, n);

	if (copy)
		memcpy(copy, text, n);
	return sl_ng_add_slice(a, into, key, (struct sl_slice){copy, copy ? n : 0});
}

static const char *format(struct sl_ng_arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *text;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	text = len < 0 ? NULL : sl_ng_alloc(a, (size_t)len + 1);
	if (!text)
		return "";
	vsnprintf(text, (size_t)len + 1, fmt, ap);
	return text;
}

const char *sl_ng_printf(struct sl_ng_arena *a, const char *fmt, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = format(a, fmt, ap);
	va_end(ap);
	return text;
}

struct sl_ng_value *sl_ng_add_printf(
        struct sl_ng_arena *a, struct sl_ng_value *into, const char *key, const char *fmt, ...)
{
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = format(a, fmt, ap);
	va_end(ap);
	return sl_ng_add_text(a, into, key, text);
}

/* ---- reading ---- */

static bool is_separator(char c)
{
	return c == ' ' || c == '-' || c == '_';
}

static bool same(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i] && !(is_separator(a[i]) && is_separator(b[i])))
			return false;
	}
	return true;
}

bool sl_ng_is(struct sl_slice s, const char *word)
{
	size_t n = strlen(word);

	return s.n == n && same(s.p, word, n);
}

bool sl_ng_has_prefix(struct sl_slice s, const char *word, struct sl_slice *rest)
{
	size_t n = strlen(word);

	if (s.n < n + 2 || !is_separator(s.p[n]) || !same(s.p, word, n))
		return false;
	*rest = (struct sl_slice){s.p + n + 1, s.n - n - 1};
	return true;
}

const struct sl_ng_value *sl_ng_get(const struct sl_ng_value *dictionary, const char *key)
{
	if (!dictionary || dictionary->type != SL_NGV_DICTIONARY)
		return NULL;
	for (const struct sl_ng_value *v = dictionary->items.first; v; v = v->next) {
		if (sl_ng_is(v->key, key))
			return v;
	}
	return NULL;
}

bool sl_ng_parse_integer(struct sl_slice s, int64_t *out)
{
	bool negative = s.n > 0 && s.p[0] == '-';
	int64_t n = 0;
	size_t i = negative;

	if (i == s.n)
		return false;
	for (; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(n, 10, &n) ||
		        __builtin_sub_overflow(
		                n, s.p[i] - '0', &n)) /* kept negative: INT64_MIN has no positive */
			return false;
	}
	return !__builtin_mul_overflow(n, negative ? 1 : -1, out);
}

bool sl_ng_integer(const struct sl_ng_value *v, int64_t *out)
{
	if (v && v->type == SL_NGV_STRING)
		return sl_ng_parse_integer(v->string, out);
	if (!v || v->type != SL_NGV_INTEGER)
		return false;
	*out = v->integer;
	return true;
}

/* ---- writing ---- */

void sl_ng_write(struct sl_ng_writer *w, const void *bytes, size_t n)
{
	if (w->p && n > 0 && w->n + n <= w->room)
		memcpy(w->p + w->n, bytes, n);
	w->n += n;
}

void sl_ng_write_integer(struct sl_ng_writer *w, int64_t integer)
{
	uint64_t rest = integer < 0 ? -(uint64_t)integer : (uint64_t)integer;
	char text[24], *p = text + sizeof text;

	do
		*--p = (char)('0' + rest % 10);
	while (rest /= 10);
	if (integer < 0)
		*--p = '-';
	sl_ng_write(w, p, (size_t)(text + sizeof text - p));
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/value.h"

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { DECIMALS = 6 };

static void wiping_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

void sl_ng_json_wipes(void)
{
	json_set_alloc_funcs(malloc, wiping_free);
}

/* ---- reading ---- */

static struct sl_slice copy(struct sl_ng_arena *a, const char *text, size_t len)
{
	char *p = sl_ng_alloc(a, len);

	if (p)
		memcpy(p, text, len);
	return (struct sl_slice){p ? p : "", p ? len : 0};
}

static struct sl_ng_value *new_string(struct sl_ng_arena *a, struct sl_slice s)
{
	struct sl_ng_value *v = sl_ng_new(a, SL_NGV_STRING);

	if (v)
		v->string = s;
	return v;
}

static struct sl_ng_value *convert(struct sl_ng_arena *a, const json_t *j);

static struct sl_ng_value *convert_items(struct sl_ng_arena *a, json_t *j)
{
	struct sl_ng_value *into = sl_ng_new(a, json_is_object(j) ? SL_NGV_DICTIONARY : SL_NGV_LIST), *v;
	const char *key;
	json_t *item;
	size_t i;

	if (json_is_array(j)) {
		json_array_foreach(j, i, item) sl_ng_append(into, convert(a, item));
		return into;
	}
	json_object_foreach(j, key, item)
	{
		v = convert(a, item);
		if (v)
			v->key = copy(a, key, strlen(key));
		sl_ng_append(into, v);
	}
	return into;
}

/* What bencode has no word for: true and false are "yes" and "no", null is left out (NULL). */
static struct sl_ng_value *convert(struct sl_ng_arena *a, const json_t *j)
{
	struct sl_ng_value *v;
	double real;

	switch (json_typeof(j)) {
	case JSON_OBJECT:
	case JSON_ARRAY:
		return convert_items(a, (json_t *)j);
	case JSON_STRING:
		return new_string(a, copy(a, json_string_value(j), json_string_length(j)));
	case JSON_INTEGER:
		v = sl_ng_new(a, SL_NGV_INTEGER);
		if (v)
			v->integer = json_integer_value(j);
		return v;
	case JSON_REAL:
		real = json_real_value(j);
		return new_string(
		        a, sl_ng_text(sl_ng_printf(a, "%.*f", real == trunc(real) ? 0 : DECIMALS, real)));
	case JSON_TRUE:
	case JSON_FALSE:
		return new_string(a, sl_ng_text(json_is_true(j) ? "yes" : "no"));
	default:
		return NULL;
	}
}

static const char *look_ahead(struct sl_slice text)
{
	/* What the library would build of a bomb is bounded before it sees it. */
	struct sl_ng_frame f = {0};
	int64_t len = sl_ng_frame(&f, text.p, text.n);

	return len > 0    ? NULL
	       : len == 0 ? "the text ends within the object"
	                  : "not an object, or too deep, or too many values";
}

struct sl_ng_value *sl_ng_json_decode(struct sl_ng_arena *a, struct sl_slice text, char *err, size_t err_len)
{
	const char *wrong = look_ahead(text);
	struct sl_ng_value *v;
	json_error_t e;
	json_t *j;

	if (wrong) {
		snprintf(err, err_len, "%s", wrong);
		return NULL;
	}
	j = json_loadb(text.p, text.n, JSON_ALLOW_NUL, &e);
	if (!j) {
		snprintf(err, err_len, "byte %d: %s", e.position, e.text);
		return NULL;
	}
	v = convert(a, j);
	json_decref(j);
	if (!a->failed && v->type == SL_NGV_DICTIONARY)
		return v;
	snprintf(err, err_len, "too much for the memory of a request");
	return NULL;
}

/* ---- writing ---- */

/* Bytes of a UTF-8 sequence by its first (RFC 3629 3), 0 = it begins none. */
static size_t utf8_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first < 0xe0) /* c0, c1: longer than need be */
		return 2;
	if (first >= 0xe0 && first < 0xf0)
		return 3;
	return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

/* Bytes of a well-formed UTF-8 sequence at p (RFC 3629 4), 0 = it is none. */
static size_t utf8(const unsigned char *p, size_t n)
{
	size_t len = utf8_length(p[0]);

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Longer than need be, a surrogate, beyond the last code point. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
	        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return len;
}

static void escape(struct sl_ng_writer *w, unsigned char c)
{
	static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char text[8];

	for (const char *l = letters; *l; l += 2) {
		if (c == (unsigned char)*l) {
			sl_ng_write(w, "\\", 1);
			sl_ng_write(w, l + 1, 1);
			return;
		}
	}
	/* A byte that is no UTF-8 is taken for Latin-1: JSON cannot carry it as it is. */
	sl_ng_write(w, text, (size_t)snprintf(text, sizeof text, "\\u%04x", c));
}

static void write_string(struct sl_ng_writer *w, struct sl_slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t plain = 0, i = 0, n;

	sl_ng_write(w, "\"", 1);
	while (i < s.n) {
		n = p[i] < ' ' || p[i] == '"' || p[i] == '\\' ? 0 : utf8(p + i, s.n - i);
		if (n > 0) {
			i += n;
			continue;
		}
		sl_ng_write(w, s.p + plain, i - plain);
		escape(w, p[i++]);
		plain = i;
	}
	sl_ng_write(w, s.p + plain, s.n - plain);
	sl_ng_write(w, "\"", 1);
}

void sl_ng_json_encode(struct sl_ng_writer *w, const struct sl_ng_value *v)
{
	switch (v->type) {
	case SL_NGV_INTEGER:
		sl_ng_write_integer(w, v->integer);
		return;
	case SL_NGV_STRING:
		write_string(w, v->string);
		return;
	case SL_NGV_LIST:
	case SL_NGV_DICTIONARY:
		sl_ng_write(w, v->type == SL_NGV_LIST ? "[" : "{", 1);
		for (const struct sl_ng_value *i = v->items.first; i; i = i->next) {
			if (i != v->items.first)
				sl_ng_write(w, ",", 1);
			if (v->type == SL_NGV_DICTIONARY) {
				write_string(w, i->key);
				sl_ng_write(w, ":", 1);
			}
			sl_ng_json_encode(w, i);
		}
		sl_ng_write(w, v->type == SL_NGV_LIST ? "]" : "}", 1);
		return;
	}
}

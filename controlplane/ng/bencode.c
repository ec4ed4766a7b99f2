/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/value.h"

#include <stdio.h>
#include <string.h>

/* A cursor whose error is sticky. */
struct reader {
	struct sl_ng_arena *arena;
	const char *text;
	size_t at, len;
	unsigned values;
	const char *error;
};

static void *fail(struct reader *r, const char *error)
{
	if (!r->error)
		r->error = error;
	return NULL;
}

static bool at_end(const struct reader *r)
{
	return r->at == r->len;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits and the one byte behind them; a number begins with 0 only when it is 0. */
static struct sl_slice number(struct reader *r, char end, bool may_be_negative)
{
	struct sl_slice s = {r->text + r->at, 0};
	size_t sign = may_be_negative && !at_end(r) && r->text[r->at] == '-';

	r->at += sign;
	while (!at_end(r) && is_digit(r->text[r->at]))
		r->at++;
	s.n = (size_t)(r->text + r->at - s.p);
	if (s.n == sign)
		fail(r, "a number without digits");
	else if (s.p[sign] == '0' && (sign || s.n > 1))
		fail(r, "a number that begins with 0");
	else if (at_end(r) || r->text[r->at] != end)
		fail(r, at_end(r) ? "the text ends within a number" : "a number does not end as it should");
	else
		r->at++;
	return s;
}

static struct sl_slice string(struct reader *r)
{
	struct sl_slice digits = number(r, ':', false), none = {"", 0};
	int64_t n;

	if (r->error)
		return none;
	if (!sl_ng_parse_integer(digits, &n) || (uint64_t)n > r->len - r->at) {
		fail(r, "a string is longer than the text");
		return none;
	}
	r->at += (size_t)n;
	return (struct sl_slice){r->text + r->at - n, (size_t)n};
}

static struct sl_ng_value *value(struct reader *r, unsigned depth);

static struct sl_ng_value *items(struct reader *r, struct sl_ng_value *into, unsigned depth)
{
	struct sl_slice key = {NULL, 0};

	if (depth >= SL_NG_MAX_DEPTH)
		return fail(r, "nested too deep");
	while (!at_end(r) && r->text[r->at] != 'e') {
		if (into->type == SL_NGV_DICTIONARY) {
			if (!is_digit(r->text[r->at]))
				return fail(r, "a key is not a string");
			key = string(r);
			if (r->error)
				return NULL;
		}
		struct sl_ng_value *v = value(r, depth + 1);
		if (!v)
			return NULL;
		v->key = key;
		sl_ng_append(into, v);
	}
	if (at_end(r))
		return fail(r, "the text ends within a list or dictionary");
	r->at++;
	return into;
}

static struct sl_ng_value *value(struct reader *r, unsigned depth)
{
	char c = at_end(r) ? '\0' : r->text[r->at];
	struct sl_ng_value *v;

	if (at_end(r))
		return fail(r, "the text ends where a value should be");
	if (++r->values > SL_NG_MAX_VALUES)
		return fail(r, "too many values");
	v = sl_ng_new(r->arena, c == 'i'   ? SL_NGV_INTEGER
	                        : c == 'l' ? SL_NGV_LIST
	                        : c == 'd' ? SL_NGV_DICTIONARY
	                                   : SL_NGV_STRING);
	if (!v)
		return fail(r, "too much for the memory of a request");
	if (is_digit(c)) {
		v->string = string(r);
		return r->error ? NULL : v;
	}
	r->at++;
	if (c == 'l' || c == 'd')
		return items(r, v, depth);
	if (c != 'i')
		return fail(r, "neither a number, a string, a list nor a dictionary");
	struct sl_slice digits = number(r, 'e', true);
	if (!r->error && !sl_ng_parse_integer(digits, &v->integer))
		fail(r, "a number beyond 64 bits");
	return r->error ? NULL : v;
}

struct sl_ng_value *sl_ng_bencode_decode(
        struct sl_ng_arena *a, struct sl_slice text, char *err, size_t err_len)
{
	struct reader r = {.arena = a, .text = text.p, .len = text.n};
	struct sl_ng_value *v;

	if (text.n == 0 || text.p[0] != 'd')
		v = fail(&r, "not a dictionary");
	else
		v = value(&r, 0);
	for (size_t i = r.at; v && i < r.len; i++) {
		if (!strchr(" \r\n\t", r.text[i]) || r.text[i] == '\0') {
			r.at = i;
			v = fail(&r, "something follows the dictionary");
		}
	}
	if (!v)
		snprintf(err, err_len, "byte %zu: %s", r.at, r.error);
	return v;
}

/* ---- writing ---- */

static void write_string(struct sl_ng_writer *w, struct sl_slice s)
{
	sl_ng_write_integer(w, (int64_t)s.n);
	sl_ng_write(w, ":", 1);
	sl_ng_write(w, s.p, s.n);
}

void sl_ng_bencode_encode(struct sl_ng_writer *w, const struct sl_ng_value *v)
{
	switch (v->type) {
	case SL_NGV_INTEGER:
		sl_ng_write(w, "i", 1);
		sl_ng_write_integer(w, v->integer);
		sl_ng_write(w, "e", 1);
		return;
	case SL_NGV_STRING:
		write_string(w, v->string);
		return;
	case SL_NGV_LIST:
	case SL_NGV_DICTIONARY:
		sl_ng_write(w, v->type == SL_NGV_LIST ? "l" : "d", 1);
		for (const struct sl_ng_value *i = v->items.first; i; i = i->next) {
			if (v->type == SL_NGV_DICTIONARY)
				write_string(w, i->key);
			sl_ng_bencode_encode(w, i);
		}
		sl_ng_write(w, "e", 1);
		return;
	}
}

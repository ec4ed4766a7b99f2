/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/value.h"

#include <errno.h>
#include <string.h>

static int open_one(struct sl_ng_frame *f)
{
	return ++f->depth > SL_NG_MAX_DEPTH ? -E2BIG : 0;
}

static int count_one(struct sl_ng_frame *f)
{
	return ++f->values > SL_NG_MAX_VALUES ? -E2BIG : 0;
}

static int json_byte(struct sl_ng_frame *f, char c)
{
	f->at++;
	if (f->in_string) {
		if (!f->escaped && c == '"')
			f->in_string = false;
		f->escaped = !f->escaped && c == '\\';
		return 0;
	}
	switch (c) {
	case '"':
		f->in_string = true;
		return 0;
	case '{':
	case '[':
		return count_one(f) < 0 ? -E2BIG : open_one(f);
	case ',':
		return count_one(f);
	case '}':
	case ']':
		f->depth--;
		return 0;
	default:
		return 0;
	}
}

static int bencode_number(struct sl_ng_frame *f, char c)
{
	f->at++;
	if (c >= '0' && c <= '9') {
		f->length = 10 * f->length + (uint64_t)(c - '0');
		/* A length beyond what a message may have is known to be one at once; of an integer only the
		 * end matters. */
		if (f->length > SL_NG_TCP_MAX)
			f->length = SL_NG_TCP_MAX + 1;
		return 0;
	}
	if (f->is_integer && c == '-')
		return 0;
	if (c != (f->is_integer ? 'e' : ':'))
		return -EBADMSG;
	if (!f->is_integer)
		f->at += f->length;
	f->in_number = false;
	return 0;
}

static int bencode_byte(struct sl_ng_frame *f, char c)
{
	if (f->in_number)
		return bencode_number(f, c);
	if (c == 'e') {
		f->at++;
		f->depth--;
		return 0;
	}
	if (count_one(f) < 0)
		return -E2BIG;
	if (c == 'd' || c == 'l') {
		f->at++;
		return open_one(f);
	}
	if (c != 'i' && (c < '0' || c > '9'))
		return -EBADMSG;
	f->in_number = true;
	f->is_integer = c == 'i';
	f->length = 0;
	f->at += f->is_integer; /* a length's first digit is read as the others */
	return 0;
}

int64_t sl_ng_frame(struct sl_ng_frame *f, const char *text, size_t len)
{
	size_t max = f->max ? f->max : SL_NG_TCP_MAX;
	int error;

	if (f->at == 0 && len > 0) {
		if (text[0] != 'd' && text[0] != '{')
			return -EBADMSG;
		f->json = text[0] == '{';
	}
	while (f->at < len) {
		error = f->json ? json_byte(f, text[f->at]) : bencode_byte(f, text[f->at]);
		if (error < 0)
			return error;
		if (f->at > max)
			return -EMSGSIZE;
		if (f->depth == 0)
			return (int64_t)f->at;
	}
	return len >= max ? -EMSGSIZE : 0;
}

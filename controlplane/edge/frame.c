/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/edge/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* What a method, or "SIP", may begin with (RFC 3261 25.1, token). */
static bool is_token_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c != '\0' && strchr("-.!%*_+`'~", c) != NULL);
}

/* Request-Line or Status-Line, as far as it takes to tell SIP from anything else (RFC 3261 7.1, 7.2). */
static bool is_start_line(const char *p, size_t n)
{
	const char *last;

	while (n > 0 && is_space(p[n - 1]))
		n--;
	if (n > 4 && strncasecmp(p, "SIP/", 4) == 0)
		return memchr(p, ' ', n) != NULL;
	last = memrchr(p, ' ', n);
	return last && (size_t)(p + n - last) > 5 && strncasecmp(last + 1, "SIP/", 4) == 0 && memchr(p, ' ', (size_t)(last - p));
}

/* The name of a header line: is it Content-Length, or l? value: where what follows the colon begins. */
static bool is_content_length(const char *p, size_t n, size_t *value)
{
	static const char name[] = "content-length";
	size_t len = 0;

	if ((p[0] == 'l' || p[0] == 'L') && n > 1 && (p[1] == ':' || is_space(p[1])))
		len = 1;
	else if (n >= sizeof name - 1 && strncasecmp(p, name, sizeof name - 1) == 0)
		len = sizeof name - 1;
	if (len == 0)
		return false;
	while (len < n && is_space(p[len]))
		len++;
	if (len == n || p[len] != ':')
		return false;
	*value = len + 1;
	return true;
}

/* Digits with white space around them, folded or not. */
static bool read_length(const char *p, size_t n, size_t *out)
{
	size_t i = 0, v = 0;

	while (i < n && (is_space(p[i]) || p[i] == '\r' || p[i] == '\n'))
		i++;
	if (i == n || !is_digit(p[i]))
		return false;
	for (; i < n && is_digit(p[i]); i++) {
		v = v * 10 + (size_t)(p[i] - '0');
		if (v > SL_FRAME_MAX)
			return false;
	}
	while (i < n && (is_space(p[i]) || p[i] == '\r' || p[i] == '\n'))
		i++;
	*out = v;
	return i == n;
}

/* The body's length; none is 0, as most would have it. False when it cannot be told. */
static bool body_length(const char *head, size_t n, size_t *out)
{
	bool found = false;
	size_t line = 0;

	*out = 0;
	while (line < n) {
		const char *lf = memchr(head + line, '\n', n - line);
		size_t end = (size_t)(lf - head) + 1, value, length;

		while (end < n && is_space(head[end])) { /* folded: the line goes on (RFC 3261 7.3.1) */
			lf = memchr(head + end, '\n', n - end);
			end = (size_t)(lf - head) + 1;
		}
		if (is_content_length(head + line, end - line, &value)) {
			if (!read_length(head + line + value, end - line - value, &length) || (found && length != *out))
				return false;
			found = true;
			*out = length;
		}
		line = end;
	}
	return true;
}

/* CRs and LFs come in pairs only, and no NUL. All but the last byte, whose other half may be yet to come. */
static bool is_clean(const char *p, size_t from, size_t n)
{
	for (size_t i = from; i < n; i++) {
		if (p[i] == '\0' || (p[i] == '\n' && (i == 0 || p[i - 1] != '\r')) || (p[i] == '\r' && i + 1 < n && p[i + 1] != '\n'))
			return false;
	}
	return true;
}

static enum sl_frame_kind between(const char *data, size_t n, struct sl_frame *f)
{
	static const char ping[] = "\r\n\r\n";
	size_t known = n < 4 ? n : 4;

	if (memcmp(data, ping, known) == 0) {
		f->total = 4;
		return known == 4 ? SL_FRAME_PING : SL_FRAME_INCOMPLETE;
	}
	f->total = 2;
	return data[0] == '\r' && data[1] == '\n' ? SL_FRAME_SKIP : SL_FRAME_INVALID;
}

/* The end of the head: where its empty line ends, or 0. */
static size_t head_end(const char *data, size_t n, struct sl_frame *f)
{
	size_t from = f->scanned > 3 ? f->scanned - 3 : 0;
	const char *end = memmem(data + from, n - from, "\r\n\r\n", 4);

	return end ? (size_t)(end - data) + 4 : 0;
}

enum sl_frame_kind sl_frame_next(const char *data, size_t n, struct sl_frame *f)
{
	const char *line_end;
	size_t looked, body;

	if (n == 0)
		return SL_FRAME_INCOMPLETE;
	if (f->head)
		return n >= f->total ? SL_FRAME_MESSAGE : SL_FRAME_INCOMPLETE;
	if (data[0] == '\r' || data[0] == '\n')
		return between(data, n, f);
	if (!is_token_char(data[0]))
		return SL_FRAME_INVALID;

	f->head = head_end(data, n, f);
	looked = f->head ? f->head : n;
	if (!is_clean(data, f->scanned ? f->scanned - 1 : 0, looked) || looked > SL_FRAME_HEAD_MAX)
		return SL_FRAME_INVALID;
	line_end = memchr(data, '\r', looked < SL_FRAME_LINE_MAX ? looked : SL_FRAME_LINE_MAX);
	if (line_end ? !is_start_line(data, (size_t)(line_end - data)) : looked >= SL_FRAME_LINE_MAX)
		return SL_FRAME_INVALID;
	f->scanned = looked;
	if (!f->head)
		return SL_FRAME_INCOMPLETE;
	if (!body_length(data, f->head - 2, &body) || f->head + body > SL_FRAME_MAX)
		return SL_FRAME_INVALID;
	f->total = f->head + body;
	return n >= f->total ? SL_FRAME_MESSAGE : SL_FRAME_INCOMPLETE;
}

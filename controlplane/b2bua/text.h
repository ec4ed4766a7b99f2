/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Text that grows in room that is there: header lines of one message. What does not fit is left out whole, and `full` says so. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct text {
	char *p;
	size_t n, room;
	bool full;
};

static inline void text_init(struct text *t, char *p, size_t room)
{
	*t = (struct text){.p = p, .room = room};
	p[0] = '\0';
}

static inline void text_add(struct text *t, const char *s, size_t n)
{
	if (t->room - t->n <= n) {
		t->full = true;
		return;
	}
	memcpy(t->p + t->n, s, n);
	t->n += n;
	t->p[t->n] = '\0';
}

static inline void text_put(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

/* The parts of a line that may not fit come between these. */
static inline void text_cut(struct text *t, size_t at)
{
	if (t->full) {
		t->n = at;
		t->p[at] = '\0';
	}
}

static inline void text_line(struct text *t, const char *name, const char *value)
{
	size_t at = t->n;

	if (t->full)
		return;
	text_put(t, name);
	text_put(t, ": ");
	text_put(t, value);
	text_put(t, "\r\n");
	text_cut(t, at);
}

static inline void text_format(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void text_format(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p + t->n, t->room - t->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->room - t->n) {
		t->p[t->n] = '\0';
		t->full = true;
		return;
	}
	t->n += (size_t)n;
}

/* As much of s as fits. */
static inline void text_copy(char *out, size_t room, const char *s)
{
	size_t n = strlen(s);

	n = n < room ? n : room - 1;
	memcpy(out, s, n);
	out[n] = '\0';
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* libconfig 1.5 cuts a number to 32 bits without a word: 4294967552 would pass as 256. This looks at a file's text for
 * such numbers before their values are believed. */

#include "config/options_read.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Past a text, a comment or an @include's name that begins at p; p itself when none does. */
static const char *skip_text(const char *p)
{
	const char *end;

	if (*p == '"') {
		for (p++; *p != '\0' && *p != '"'; p++) {
			if (*p == '\\' && p[1] != '\0')
				p++;
		}
		return *p == '"' ? p + 1 : p;
	}
	if (*p == '#' || (*p == '/' && p[1] == '/'))
		return p + strcspn(p, "\n");
	if (*p == '/' && p[1] == '*') {
		end = strstr(p + 2, "*/");
		return end != NULL ? end + 2 : p + strlen(p);
	}
	return p;
}

/* Past the number or word that begins at p; sets *large when it is a number that 32 bits do not hold. */
static const char *skip_word(const char *p, bool *large)
{
	const char *end = p + 1;

	while (isalnum((unsigned char)*end) || *end == '_' || *end == '.' || *end == '-')
		end++;
	if (isdigit((unsigned char)*p)) {
		bool hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X');
		char *digits_end;

		errno = 0;
		unsigned long long v = strtoull(p, &digits_end, hex ? 16 : 10);
		/* A point or an exponent makes it a fraction; an L asks for 64 bits. */
		*large = digits_end == end && (errno == ERANGE || v > (hex ? UINT32_MAX : INT32_MAX));
	}
	return end;
}

int sl_check_numbers(const char *text, const char *file, char *err, size_t err_len)
{
	unsigned line = 1;

	for (const char *p = text, *next; *p != '\0'; p = next) {
		bool large = false;

		next = skip_text(p);
		if (next == p)
			next = isalnum((unsigned char)*p) || *p == '_' ? skip_word(p, &large) : p + 1;
		if (large) {
			snprintf(err, err_len, "%s:%u: the number %.*s is too large; no option takes one above %d", file, line,
				(int)(next - p), p, INT32_MAX);
			return -EINVAL;
		}
		for (; p < next; p++)
			line += *p == '\n';
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/csv.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

const char *sl_csv_time(int64_t unix_ms, char out[32])
{
	time_t s = (time_t)(unix_ms / 1000);
	struct tm tm;
	char date[24];

	if (unix_ms <= 0 || !gmtime_r(&s, &tm) || strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		out[0] = '\0';
	else
		snprintf(out, 32, "%s.%03dZ", date, (int)(unix_ms % 1000));
	return out;
}

/* Spreadsheets run what begins like a formula: an apostrophe stops that. The + of a number, or of
 * NUMBER@DOMAIN, stays; that of "+1+cmd|..." does not. */
static bool is_formula(const char *s)
{
	static const char harmless[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ@._-";

	return s[0] == '=' || s[0] == '@' || s[0] == '\t' || s[0] == '\r' ||
	       ((s[0] == '+' || s[0] == '-') && (s[1] < '0' || s[1] > '9' || s[1 + strspn(s + 1, harmless)] != '\0'));
}

/* Nor do they steer a terminal. */
static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f;
}

void sl_csv_text(FILE *f, const char *s)
{
	bool quoted = s[strcspn(s, ",\"\r\n")] != '\0';

	if (quoted)
		putc('"', f);
	if (is_formula(s))
		putc('\'', f);
	for (; *s; s++) {
		if (*s == '"')
			putc('"', f);
		putc(is_control(*s) ? '?' : *s, f);
	}
	if (quoted)
		putc('"', f);
}

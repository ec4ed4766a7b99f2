/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/routing/internal.h"

#include <regex.h>
#include <string.h>

enum { GROUPS = 10 };

static bool append(char *out, size_t *n, const char *from, size_t len)
{
	if (*n + len >= SL_ROUTE_NUMBER_MAX)
		return false;
	memcpy(out + *n, from, len);
	*n += len;
	return true;
}

static bool replace(const char *number, const char *with, const regmatch_t m[GROUPS], char out[SL_ROUTE_NUMBER_MAX])
{
	size_t n = 0;
	bool fits = append(out, &n, number, (size_t)m[0].rm_so);

	for (const char *p = with; *p && fits; p++) {
		if (*p != '\\') {
			fits = append(out, &n, p, 1);
			continue;
		}
		const regmatch_t *g = &m[*++p - '0']; /* a digit: checked when it was provisioned */
		if (g->rm_so >= 0)
			fits = append(out, &n, number + g->rm_so, (size_t)(g->rm_eo - g->rm_so));
	}
	fits = fits && append(out, &n, number + m[0].rm_eo, strlen(number + m[0].rm_eo));
	out[n] = '\0';
	return fits;
}

int sl_route_rewrite(const struct sl_prov_rewrite *rules, unsigned n, char number[SL_ROUTE_NUMBER_MAX])
{
	regmatch_t m[GROUPS];
	char out[SL_ROUTE_NUMBER_MAX];

	for (unsigned i = 0; i < n; i++) {
		if (regexec(rules[i].regex, number, GROUPS, m, 0) != 0)
			continue;
		if (replace(number, rules[i].replace, m, out))
			memcpy(number, out, sizeof out);
		return (int)i;
	}
	return -1;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* RFC 3261 19.1.4: "%2B49" and "+49" are the same; characters that need their escape keep it. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		int high = *p == '%' ? hex(p[1]) : -1, low = high >= 0 ? hex(p[2]) : -1, c = low >= 0 ? high << 4 | low : 0;

		if (c != '\0' && strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+*-_.!~()", c)) {
			*to++ = (char)c;
			p += 2;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

bool sl_route_begins(const char *number, const char *prefix)
{
	for (; *prefix; number++) {
		if (*number == *prefix)
			prefix++;
		else if (*number == '%' && hex(number[1]) >= 0 && hex(number[2]) >= 0)
			number += 2; /* an escape that stays is none of a digit */
		else if (*number == '\0' || strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+*#", *number))
			return false;
	}
	return true;
}

void sl_route_bare_number(char *number)
{
	char *to = number;
	const char *p = number;

	unescape(number);
	p += *p == '+';

	/* A telephone number begins with a digit and has nothing but digits, '*', '#' and visual separators; anything else is a name. */
	if (*p < '0' || *p > '9' || p[strspn(p, "0123456789*#-.()")])
		return;
	for (p = number; *p; p++) {
		if (!strchr("-.()", *p))
			*to++ = *p;
	}
	*to = '\0';
}

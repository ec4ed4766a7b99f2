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

void sl_route_bare_number(char *number)
{
	char *to = number;
	const char *p = number + (*number == '+');

	/* A telephone number begins with a digit and has nothing but digits, '*', '#' and visual separators; anything else is a name. */
	if (*p < '0' || *p > '9' || p[strspn(p, "0123456789*#-.()")])
		return;
	for (p = number; *p; p++) {
		if (!strchr("-.()", *p))
			*to++ = *p;
	}
	*to = '\0';
}

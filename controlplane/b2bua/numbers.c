/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/b2bua/numbers.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n bytes without their escapes; NUL and line ends cannot be meant. */
static int unescape(char *out, size_t room, const char *s, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)s[i];
		if (c == '%') {
			if (i + 2 >= n || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return -EINVAL;
			c = hex(s[i + 1]) << 4 | hex(s[i + 2]);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || at + 1 >= room)
			return -EINVAL;
		out[at++] = (char)c;
	}
	out[at] = '\0';
	return 0;
}

bool sl_number_is(const char *user)
{
	const char *p = user + (*user == '+');

	if (!isdigit((unsigned char)*p) && *p != '*' && *p != '#')
		return false;
	while (isdigit((unsigned char)*p) || *p == '*' || *p == '#')
		p++;
	return *p == '\0';
}

/* RFC 3966 3: visual separators say nothing. Only of what is a number with them. */
static void strip_separators(char *s)
{
	char *to = s;

	for (const char *p = s; *p; p++) {
		if (!isdigit((unsigned char)*p) && !strchr("+*#-.()", *p))
			return;
	}
	for (const char *p = s; *p; p++) {
		if (!strchr("-.()", *p))
			*to++ = *p;
	}
	*to = '\0';
}

/* The parameters of a number: "npdi;rn=+49...;phone-context=+49". */
static int take_parameters(struct number *out, const char *p, char *context, size_t context_room)
{
	while (*p) {
		size_t n = strcspn(p, ";");
		if (n == 4 && strncasecmp(p, "npdi", 4) == 0)
			out->npdi = true;
		else if (n > 3 && strncasecmp(p, "rn=", 3) == 0 && unescape(out->rn, sizeof out->rn, p + 3, n - 3) < 0)
			return -EINVAL;
		else if (n > 14 && strncasecmp(p, "phone-context=", 14) == 0 && unescape(context, context_room, p + 14, n - 14) < 0)
			return -EINVAL;
		p += n + (p[n] == ';');
	}
	strip_separators(out->rn);
	return 0;
}

int sl_number_of(const url_t *url, struct number *out)
{
	char context[SL_ROUTE_NUMBER_MAX] = "";
	const char *user = url->url_user;

	*out = (struct number){0};
	if ((url->url_type != url_sip && url->url_type != url_sips && url->url_type != url_tel) || !user || !*user)
		return -EINVAL;
	size_t n = strcspn(user, ";");
	if (n == 0 || unescape(out->user, sizeof out->user, user, n) < 0)
		return -EINVAL;
	if (user[n] && take_parameters(out, user + n + 1, context, sizeof context) < 0)
		return -EINVAL;
	if (url->url_type == url_tel && url->url_params && take_parameters(out, url->url_params, context, sizeof context) < 0)
		return -EINVAL;
	strip_separators(out->user);
	out->is_number = sl_number_is(out->user);
	if (out->is_number && out->user[0] != '+' && context[0] == '+') { /* RFC 3966 5.1.5: a local number of that prefix */
		char local[SL_ROUTE_NUMBER_MAX];
		memcpy(local, out->user, sizeof local);
		strip_separators(context);
		if (strlen(context) + strlen(local) >= sizeof out->user)
			return -EINVAL;
		memcpy(out->user, context, strlen(context));
		memcpy(out->user + strlen(context), local, strlen(local) + 1);
	}
	return 0;
}

void sl_number_put(struct text *t, const char *user)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *user; user++) {
		unsigned char c = (unsigned char)*user;
		if (isalnum(c) || strchr("-_.!~*'()&=+$,?/", c)) {
			text_add(t, user, 1);
		} else {
			char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
			text_add(t, escaped, 3);
		}
	}
}

int sl_number_uri(char *out, size_t room, const char *target, const char *called, const struct number *n)
{
	const char *colon = strchr(target, ':');
	struct text t;

	if (!colon)
		return -EINVAL;
	text_init(&t, out, room);
	const char *host = strchr(colon, '@');
	host = host ? host + 1 : colon + 1;
	text_add(&t, target, (size_t)(colon - target) + 1);
	sl_number_put(&t, called);
	if (n && n->npdi)
		text_put(&t, ";npdi");
	if (n && n->rn[0]) {
		text_put(&t, ";rn=");
		sl_number_put(&t, n->rn);
	}
	text_put(&t, "@");
	text_put(&t, host);
	if (sl_number_is(called) && !strstr(host, ";user="))
		text_put(&t, ";user=phone");
	return t.full ? -ENOSPC : 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/provision/checks.h"

#include "controlplane/routing/zone.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS  "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool only(const char *text, const char *allowed)
{
	return text[strspn(text, allowed)] == '\0';
}

const char *sl_check_name(char *text)
{
	return *text && only(text, DIGITS LETTERS ".-_") ? NULL : "is no name; letters, digits, '.', '-' and '_' are allowed";
}

const char *sl_check_host(char *text)
{
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return sl_check_name(text) ? "is no domain; such as \"example.com\"" : NULL;
}

const char *sl_check_number(char *text)
{
	const char *p = text + (*text == '+');

	return *p && only(p, DIGITS "*#") ? NULL : "is no number; such as \"+4930123456\"";
}

const char *sl_check_prefix(char *text)
{
	return only(text, DIGITS LETTERS "+*#._-") ? NULL : "is no prefix of numbers; such as \"+49\"";
}

const char *sl_check_header(char *text)
{
	return *text && only(text, DIGITS LETTERS "-.!%*_+`'~") ? NULL : "is no header name; such as \"X-Account\"";
}

const char *sl_check_codec(char *text)
{
	return *text && only(text, DIGITS LETTERS "-.!%*_+`'~/") ? NULL : "is no codec; such as \"G729\"";
}

const char *sl_check_quoted(char *text)
{
	return strpbrk(text, "\"\\") ? "has a quotation mark or backslash" : NULL;
}

const char *sl_check_reason(char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p >= 0x80)
			return "is not ASCII";
	}
	return NULL;
}

const char *sl_check_zone(char *text)
{
	return sl_zone_exists(text) ? NULL : "is no time zone that this machine knows (package tzdata); such as \"Europe/Berlin\"";
}

/* ---- regular expressions. The brain compares them with numbers that callers choose, and the C library lays out what is counted copy by
 * copy: ((a{1,99}){1,99}){1,99} takes gigabytes, (1{1,255}){1,255} twelve seconds, (1*)*(1*)*\1\2x never ends ---- */

enum { COPIES_MAX = 128 };

struct weight {
	unsigned atoms;
	bool repeats;
};

static const char *skip_bracket(const char *p)
{
	p += 1 + (p[1] == '^');
	p += *p == ']'; /* the first is itself */
	while (*p && *p != ']') {
		const char close[] = {p[1], ']', '\0'};
		const char *end = *p == '[' && p[1] && strchr(":.=", p[1]) ? strstr(p + 2, close) : NULL;

		p = end ? end + 2 : p + 1;
	}
	return p + (*p == ']');
}

/* "{2}", "{2,}", "{2,5}": how often at most, and past it; 0 = it is none. */
static unsigned long count_of(const char **p)
{
	char *end;
	unsigned long least = strtoul(*p + 1, &end, 10), most = *end == ',' ? strtoul(end + 1, &end, 10) : least;

	if (*end != '}')
		return 0;
	*p = end + 1;
	return most > least ? most : least ? least : 1;
}

/* From p to the end of its group, added to all. copies: what counts make of it so far. NULL: too costly. */
static const char *weigh(const char *p, struct weight *all, unsigned long *copies)
{
	while (*p && *p != ')') {
		struct weight one = {*p != '(', false};
		unsigned long n;

		if (*p == '(') {
			if ((p = weigh(p + 1, &one, copies)) == NULL)
				return NULL;
			p += *p == ')';
		} else if (*p == '[') {
			p = skip_bracket(p);
		} else if (*p == '\\' && p[1]) {
			if (isdigit((unsigned char)p[1]))
				return NULL; /* a reference back */
			p += 2;
		} else {
			p++;
		}
		for (; *p && strchr("*+?{", *p); one.repeats |= p[-1] != '?') {
			if (*p != '{') {
				p++;
				continue;
			}
			if ((n = count_of(&p)) == 0)
				break;
			if (one.repeats || n > COPIES_MAX || (*copies += n * one.atoms) > COPIES_MAX)
				return NULL;
		}
		all->atoms += one.atoms;
		all->repeats |= one.repeats;
	}
	return p;
}

const char *sl_check_regex(char *text)
{
	struct weight all = {0};
	unsigned long copies = 0;

	for (const char *p = text; *p; p += *p == ')') { /* one that closes nothing is itself */
		if ((p = weigh(p, &all, &copies)) == NULL)
			return "takes too long to compare: no \\1, no {...} of what repeats already, no more than 128 by all {...} together";
	}
	return NULL;
}

/* ---- SIP URIs: scheme, user, host, port and parameters; no headers ---- */

static const char *const uri_wrong = "is no SIP URI; such as \"sip:192.0.2.20:5060\" or \"sips:sbc.example.com\"";

static const char *host_of(const char *uri)
{
	const char *at = strchr(uri, '@');
	const char *colon = strchr(uri, ':');

	return at ? at + 1 : colon + 1;
}

/* Past the host, or NULL. */
static const char *skip_host(const char *p)
{
	if (*p == '[') {
		size_t n = strspn(p + 1, DIGITS "abcdefABCDEF:.");

		return n > 1 && p[1 + n] == ']' ? p + 2 + n : NULL;
	}
	size_t n = strspn(p, DIGITS LETTERS ".-_");
	return n ? p + n : NULL;
}

static const char *check_parameters(const char *p)
{
	const char *transport = strcasestr(p, ";transport=");

	if (!only(p, DIGITS LETTERS ";=.-_+*~!%[]:"))
		return uri_wrong;
	if (transport) {
		static const char *const known[] = {"udp", "tcp", "tls"};
		size_t n = strcspn(transport += strlen(";transport="), ";");

		for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
			if (n == strlen(known[i]) && strncasecmp(transport, known[i], n) == 0)
				return NULL;
		}
		return "has a transport that is none of udp, tcp, tls";
	}
	return NULL;
}

const char *sl_check_uri(char *text)
{
	const char *at, *p;

	if (strncasecmp(text, "sip:", 4) != 0 && strncasecmp(text, "sips:", 5) != 0)
		return uri_wrong;
	p = strchr(text, ':') + 1;
	if ((at = strchr(text, '@')) != NULL && strspn(p, DIGITS LETTERS "+*#._-~!'%&=$") != (size_t)(at - p))
		return uri_wrong;
	p = host_of(text);
	if (*p == '\0' || *p == ':' || *p == ';')
		return "has no host; such as \"sip:192.0.2.20:5060\"";
	if ((p = skip_host(p)) == NULL)
		return uri_wrong;
	if (*p == ':') {
		size_t digits = strspn(++p, DIGITS);
		long port = digits && digits <= 5 ? strtol(p, NULL, 10) : 0;

		if (port < 1 || port > 65535)
			return "has a port that is none of 1..65535";
		p += digits;
	}
	if (*p && *p != ';')
		return uri_wrong;
	return check_parameters(p);
}

void sl_uri_host(const char *uri, char *out, unsigned room)
{
	const char *p = host_of(uri), *end = skip_host(p);

	if (*p == '[')
		snprintf(out, room, "%.*s", (int)(end - p - 2), p + 1);
	else
		snprintf(out, room, "%.*s", (int)(end - p), p);
}

/* ---- times ---- */

unsigned sl_clock_minutes(const char *text)
{
	return (unsigned)((text[0] - '0') * 10 + text[1] - '0') * 60 + (unsigned)((text[3] - '0') * 10 + text[4] - '0');
}

const char *sl_check_clock(char *text)
{
	if (strlen(text) == 5 && isdigit((unsigned char)text[0]) && isdigit((unsigned char)text[1]) && text[2] == ':' &&
	        isdigit((unsigned char)text[3]) && isdigit((unsigned char)text[4]) && text[3] < '6' && sl_clock_minutes(text) <= 24 * 60)
		return NULL;
	return "is no time of day; such as \"08:00\", to \"24:00\"";
}

static int day(const char **p)
{
	static const char names[7][4] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

	for (int i = 0; i < 7; i++) {
		if (strncasecmp(*p, names[i], 3) == 0) {
			*p += 3;
			return i;
		}
	}
	return -1;
}

unsigned sl_days(const char *text)
{
	unsigned bits = 0;

	for (;;) {
		int from = day(&text), to = from;

		if (from >= 0 && *text == '-') {
			text++;
			to = day(&text);
		}
		if (from < 0 || to < 0)
			return 0;
		for (int i = from;; i = (i + 1) % 7) { /* "fri-mon" goes over the week's end */
			bits |= 1u << i;
			if (i == to)
				break;
		}
		if (*text == '\0')
			return bits;
		if (*text++ != ',')
			return 0;
	}
}

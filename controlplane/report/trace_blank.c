/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/report/trace_blank.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* White space stays: lines end, and go on, where they did. */
static void blank(char *from, const char *to)
{
	for (; from < to; from++)
		*from = is_space(*from) ? *from : 'x';
}

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* What can be told to nobody: it, or what a guesser of passwords could try on. */
static bool is_secret(const char *name, size_t n)
{
	static const char *const secrets[] = {"response", "nonce", "cnonce", "opaque", "mac", "rspauth", "nextnonce"};

	for (unsigned i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
		if (strlen(secrets[i]) == n && strncasecmp(name, secrets[i], n) == 0)
			return true;
	}
	return false;
}

/* The end of a value: of a quoted one with its quotes (RFC 3261 25.1), else a comma, a semicolon or white space. */
static char *value_end(char *p, char *end)
{
	if (p < end && *p == '"') {
		for (p++; p < end && *p != '"'; p++)
			p += *p == '\\' && p + 1 < end;
		return p < end ? p + 1 : end;
	}
	while (p < end && *p != ',' && *p != ';' && !is_space(*p))
		p++;
	return p;
}

/* Values of name=value, name = "value", wherever such a name stands, inside of other quotes too: a quote that is missing must not
 * hide what follows. */
static void blank_parameters(char *p, char *end)
{
	while (p < end) {
		char *name = p;
		while (p < end && is_word(*p))
			p++;
		size_t n = (size_t)(p - name);
		if (n == 0) {
			p++;
			continue;
		}
		char *value = p;
		while (value < end && is_space(*value))
			value++;
		if (value == end || *value != '=' || !is_secret(name, n))
			continue;
		value++;
		while (value < end && is_space(*value))
			value++;
		p = value_end(value, end);
		bool quoted = p - value >= 2 && *value == '"' && p[-1] == '"';
		blank(value + quoted, p - quoted);
	}
}

static bool begins(const char *line, const char *end, const char *with)
{
	size_t n = strlen(with);

	return (size_t)(end - line) >= n && strncasecmp(line, with, n) == 0;
}

/* "Basic dXNlcjpwYXNz", "Bearer TOKEN": all after the scheme. Digest has parameters. */
static void blank_credentials(char *value, char *end)
{
	while (value < end && is_space(*value))
		value++;
	if (begins(value, end, "digest")) {
		blank_parameters(value + 6, end);
		return;
	}
	while (value < end && !is_space(*value))
		value++;
	blank(value, end);
}

/* A header line with its continuations (RFC 3261 7.3.1). name_end: at the colon or white space before it. */
static void blank_header(char *line, char *end)
{
	static const struct {
		const char *name;
		bool credentials;
	} headers[] = {{"authorization", true}, {"proxy-authorization", true}, {"p-sluice-flow", false}, {"authentication-info", false},
	        {"proxy-authentication-info", false}};
	char *colon = memchr(line, ':', (size_t)(end - line)), *name_end = colon;

	if (!colon)
		return;
	while (name_end > line && is_space(name_end[-1]))
		name_end--;
	for (unsigned i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		if (strlen(headers[i].name) != (size_t)(name_end - line) || strncasecmp(line, headers[i].name, (size_t)(name_end - line)) != 0)
			continue;
		if (headers[i].credentials)
			blank_credentials(colon + 1, end);
		else
			blank_parameters(colon + 1, end);
	}
}

/* a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEY|2^20|1:4;inline:KEY: everything from the first inline on that is a key. */
static void blank_crypto(char *p, char *end)
{
	static const char key[] = "inline:";

	while ((size_t)(end - p) > sizeof key - 1) {
		if (strncasecmp(p, key, sizeof key - 1) != 0) {
			p++;
			continue;
		}
		p += sizeof key - 1;
		char *to = p;
		while (to < end && *to != '|' && *to != ';' && !is_space(*to))
			to++;
		blank(p, to);
		p = to;
	}
}

static void blank_sdp_line(char *line, char *end)
{
	if (begins(line, end, "a=crypto:"))
		blank_crypto(line, end);
	else if (begins(line, end, "a=ice-pwd:"))
		blank(line + 10, end);
	else if (begins(line, end, "a=key-mgmt:"))
		blank(line + 11, end);
	else if (begins(line, end, "k="))
		blank(line + 2, end);
}

static char *line_end(char *p, char *end)
{
	char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl ? nl + 1 : end;
}

void sl_trace_blank(char *message, size_t len)
{
	char *p = message, *end = message + len;

	/* Headers: cheap first letters decide for nearly all. */
	while (p < end) {
		char *line = p;
		p = line_end(p, end);
		if (*line == '\r' || *line == '\n')
			break;
		while (p < end && (*p == ' ' || *p == '\t'))
			p = line_end(p, end);
		if ((*line | 0x20) == 'a' || (*line | 0x20) == 'p')
			blank_header(line, p);
	}
	/* The body, of whatever type: parts of a multipart one have SDP too. */
	while (p < end) {
		char *line = p;
		p = line_end(p, end);
		if ((*line | 0x20) == 'a' || (*line | 0x20) == 'k')
			blank_sdp_line(line, p);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/turn/redis.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

enum { PORT = 6379 };
static const char scheme[] = "redis://";

/* A number of at most max at *p, which moves behind it. */
static bool number(const char **p, unsigned max, unsigned *out)
{
	unsigned long n = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p) && n <= max; ++*p)
		n = 10 * n + (unsigned long)(**p - '0');
	*out = (unsigned)n;
	return n <= max;
}

/* len bytes with %xx undone. */
static bool unescape(const char *s, size_t len, char *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = s[i];
		if (c == '%') {
			char hex[3] = {i + 2 < len ? s[i + 1] : '\0', i + 2 < len ? s[i + 2] : '\0', '\0'};
			if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
				return false;
			c = (char)strtoul(hex, NULL, 16);
			i += 2;
		}
		if (!c || n + 1 >= room)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

static bool parse_account(const char *s, size_t len, struct sl_redis_address *out)
{
	const char *colon = memchr(s, ':', len);
	size_t user_len = colon ? (size_t)(colon - s) : len;

	return colon && unescape(s, user_len, out->user, sizeof out->user) &&
	       unescape(colon + 1, len - user_len - 1, out->password, sizeof out->password);
}

static bool parse_host(const char **p, char *out, size_t room)
{
	bool bracket = **p == '[';
	size_t len = strcspn(*p + bracket, bracket ? "]" : ":/");

	if (len == 0 || len >= room || (bracket && (*p)[1 + len] != ']'))
		return false;
	memcpy(out, *p + bracket, len);
	out[len] = '\0';
	*p += len + (bracket ? 2 : 0);
	return true;
}

int sl_redis_parse(const char *text, struct sl_redis_address *out)
{
	struct sl_redis_address a = {.port = PORT};
	const char *p = text + sizeof scheme - 1, *at;

	if (text[0] == '/' && strlen(text) < sizeof a.host) {
		strcpy(a.host, text);
		a.port = 0;
		*out = a;
		return 0;
	}
	if (strncmp(text, scheme, sizeof scheme - 1) != 0)
		return -EINVAL;
	at = strrchr(p, '@');
	if (at && !parse_account(p, (size_t)(at - p), &a))
		return -EINVAL;
	p = at ? at + 1 : p;
	if (!parse_host(&p, a.host, sizeof a.host))
		return -EINVAL;
	if (*p == ':' && (p++, !number(&p, 65535, &a.port) || a.port == 0))
		return -EINVAL;
	if (*p == '/' && p[1] && (p++, !number(&p, 65535, &a.db)))
		return -EINVAL;
	if (*p && strcmp(p, "/") != 0)
		return -EINVAL;
	*out = a;
	return 0;
}

void sl_redis_name(const char *connect, char *out, size_t room)
{
	struct sl_redis_address a;

	if (sl_redis_parse(connect, &a) < 0)
		snprintf(out, room, "redis");
	else if (a.port == 0)
		snprintf(out, room, "%s", a.host);
	else
		snprintf(out, room, "redis://%s:%u/%u", a.host, a.port, a.db);
	OPENSSL_cleanse(&a, sizeof a);
}

/* Did it answer, and not with an error? */
static bool fine(redisContext *c, redisReply *r, char *text)
{
	bool ok = r && r->type != REDIS_REPLY_ERROR;

	if (!ok)
		snprintf(text, SL_REDIS_TEXT, "%s", r ? r->str : c->errstr[0] ? c->errstr : "it answers nothing");
	freeReplyObject(r);
	return ok;
}

static bool introduce(redisContext *c, const struct sl_redis_address *a, char *text)
{
	if (a->password[0] && a->user[0] && !fine(c, redisCommand(c, "AUTH %s %s", a->user, a->password), text))
		return false;
	if (a->password[0] && !a->user[0] && !fine(c, redisCommand(c, "AUTH %s", a->password), text))
		return false;
	return a->db == 0 || fine(c, redisCommand(c, "SELECT %u", a->db), text);
}

redisContext *sl_redis_connect(const char *connect, char *text)
{
	struct timeval connect_time = {SL_REDIS_CONNECT_MS / 1000, 0}, wait_time = {SL_REDIS_WAIT_MS / 1000, 0};
	struct sl_redis_address a;

	if (sl_redis_parse(connect, &a) < 0) {
		snprintf(text, SL_REDIS_TEXT, "neither redis://[:PASSWORD@]HOST[:PORT][/DB] nor the path of a socket");
		return NULL;
	}
	redisContext *c = a.port ? redisConnectWithTimeout(a.host, (int)a.port, connect_time) : redisConnectUnixWithTimeout(a.host, connect_time);
	bool ok = c && !c->err && redisSetTimeout(c, wait_time) == REDIS_OK;
	if (!ok)
		snprintf(text, SL_REDIS_TEXT, "%s", c && c->errstr[0] ? c->errstr : "no memory");
	ok = ok && introduce(c, &a, text);
	OPENSSL_cleanse(&a, sizeof a);
	if (ok)
		return c;
	if (c)
		redisFree(c);
	return NULL;
}

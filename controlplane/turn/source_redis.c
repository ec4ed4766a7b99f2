/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* coturn's keys in Redis. It has no moment at which all of them could be seen: a key that goes while we read is not there. */

#include "controlplane/turn/redis.h"
#include "controlplane/turn/source_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCAN_COUNT = 1000 };

/* What a key holds; NONE: not for us (coturn's own state, accounts of its web pages). */
enum kind { NONE, USER, SECRETS, ALLOWED, DENIED, OPTION, ORIGIN, KEY };

/* A key, taken apart. The texts lie in it. */
struct key {
	enum kind kind;
	struct sl_row_text realm, name; /* name: of the user, option, origin or kid */
};

static bool begins(struct sl_row_text t, const char *with)
{
	return t.len >= strlen(with) && memcmp(t.s, with, strlen(with)) == 0;
}

static struct sl_row_text behind(struct sl_row_text t, size_t n)
{
	return (struct sl_row_text){t.s + n, t.len - n};
}

static bool ends(struct sl_row_text *t, const char *with)
{
	size_t n = strlen(with);

	if (t->len < n || memcmp(t->s + t->len - n, with, n) != 0)
		return false;
	t->len -= n;
	return true;
}

/* Behind "turn/realm/": REALM/user/NAME/key, REALM/secret ... A name may have slashes, a realm with "/user/" in it may not. */
static struct key key_of_realm(struct sl_row_text t)
{
	static const struct {
		const char *end;
		enum kind kind;
	} ends_of[] = {{"/secret", SECRETS}, {"/allowed-peer-ip", ALLOWED}, {"/denied-peer-ip", DENIED}, {"/max-bps", OPTION},
	        {"/total-quota", OPTION}, {"/user-quota", OPTION}};
	const char *user = memmem(t.s, t.len, "/user/", 6);

	if (user) {
		struct key k = {USER, {t.s, (size_t)(user - t.s)}, behind(t, (size_t)(user - t.s) + 6)};
		if (!ends(&k.name, "/key"))
			k.kind = NONE;
		return k;
	}
	for (unsigned i = 0; i < sizeof ends_of / sizeof ends_of[0]; i++) {
		struct key k = {ends_of[i].kind, t, {ends_of[i].end + 1, strlen(ends_of[i].end + 1)}};
		if (ends(&k.realm, ends_of[i].end))
			return k;
	}
	return (struct key){0};
}

static struct key take_apart(const redisReply *r)
{
	struct sl_row_text t = {r->str, (size_t)r->len};

	if (r->type != REDIS_REPLY_STRING)
		return (struct key){0};
	if (begins(t, "turn/realm/"))
		return key_of_realm(behind(t, 11));
	if (begins(t, "turn/origin/"))
		return (struct key){.kind = ORIGIN, .name = behind(t, 12)};
	if (begins(t, "turn/oauth/kid/"))
		return (struct key){.kind = KEY, .name = behind(t, 15)};
	return (struct key){0};
}

static const char *command_of(enum kind kind)
{
	return kind == KEY ? "HGETALL" : kind == SECRETS || kind == ALLOWED || kind == DENIED ? "SMEMBERS" : "GET";
}

static struct sl_row_text text_of(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING ? (struct sl_row_text){r->str, (size_t)r->len} : (struct sl_row_text){0};
}

static void add_oauth(struct sl_source_set *s, struct sl_row_text kid, const redisReply *r)
{
	static const char *const fields[] = {"ikm_key", "timestamp", "lifetime", "as_rs_alg", "realm"};
	struct sl_row_text values[5] = {{0}};

	for (size_t i = 0; i + 1 < r->elements; i += 2) {
		struct sl_row_text name = text_of(r->element[i]);
		for (unsigned k = 0; k < 5; k++) {
			if (name.s && name.len == strlen(fields[k]) && memcmp(name.s, fields[k], name.len) == 0)
				values[k] = text_of(r->element[i + 1]);
		}
	}
	sl_source_add_oauth(s, kid, values[0], values[1], values[2], values[3], values[4]);
}

/* What the server answered for the key. */
static void take(struct sl_source_set *s, const struct key *k, const redisReply *r)
{
	if (r->type == REDIS_REPLY_NIL) /* it has gone since */
		return;
	if (r->type == REDIS_REPLY_ERROR) {
		sl_source_bad(s, "turn/...%.*s: %s", (int)(k->name.len < 100 ? k->name.len : 100), k->name.s, r->str);
		return;
	}
	if (k->kind == KEY) {
		add_oauth(s, k->name, r);
		return;
	}
	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++) {
		if (k->kind == SECRETS)
			sl_source_add_secret(s, k->realm, text_of(r->element[i]));
		else
			sl_source_add_peer(s, k->realm, text_of(r->element[i]), k->kind == ALLOWED);
	}
	if (k->kind == USER)
		sl_source_add_user(s, k->realm, k->name, text_of(r));
	else if (k->kind == ORIGIN)
		sl_source_add_origin(s, k->name, text_of(r));
	else if (k->kind == OPTION)
		sl_source_add_option(s, k->realm, k->name, text_of(r));
}

/* Ask for all of these keys' values at once, then take the answers. */
static bool read_keys(redisContext *c, struct sl_source_set *s, const redisReply *keys)
{
	size_t n = keys->elements;
	struct key *apart = calloc(n + 1, sizeof *apart);
	bool ok = apart != NULL;

	s->no_memory |= !ok;
	for (size_t i = 0; ok && i < n; i++) {
		apart[i] = take_apart(keys->element[i]);
		if (apart[i].kind != NONE)
			ok = redisAppendCommand(c, "%s %b", command_of(apart[i].kind), keys->element[i]->str, (size_t)keys->element[i]->len) == REDIS_OK;
	}
	for (size_t i = 0; ok && i < n; i++) {
		void *answer = NULL;
		if (apart[i].kind == NONE)
			continue;
		ok = redisGetReply(c, &answer) == REDIS_OK;
		if (ok)
			take(s, &apart[i], answer);
		freeReplyObject(answer);
	}
	free(apart);
	return ok && !s->no_memory;
}

static bool read_all(redisContext *c, struct sl_source_set *s, const atomic_bool *stop, char *text)
{
	char cursor[32] = "0";
	bool ok = true;

	do {
		redisReply *r = redisCommand(c, "SCAN %s MATCH turn/* COUNT %d", cursor, SCAN_COUNT);
		ok = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[0]->type == REDIS_REPLY_STRING &&
		     r->element[1]->type == REDIS_REPLY_ARRAY && r->element[0]->len < sizeof cursor;
		if (!ok)
			snprintf(text, SL_SOURCE_TEXT, "%s", r && r->type == REDIS_REPLY_ERROR ? r->str : c->errstr[0] ? c->errstr : "no answer to SCAN");
		if (ok) {
			memcpy(cursor, r->element[0]->str, r->element[0]->len + 1);
			ok = read_keys(c, s, r->element[1]);
			if (!ok)
				snprintf(text, SL_SOURCE_TEXT, "%s", s->no_memory ? "no memory" : c->errstr);
		}
		freeReplyObject(r);
		if (ok && *stop) {
			snprintf(text, SL_SOURCE_TEXT, "stopped");
			ok = false;
		}
	} while (ok && strcmp(cursor, "0") != 0);
	return ok;
}

struct sl_source_set *sl_source_read_redis(const char *connect, const atomic_bool *stop, char *text)
{
	struct sl_source_set *s = sl_source_set_new();
	redisContext *c = s ? sl_redis_connect(connect, text) : NULL;
	bool ok = c && read_all(c, s, stop, text);

	if (!s || (ok && !sl_source_finish(s))) {
		snprintf(text, SL_SOURCE_TEXT, "no memory");
		ok = false;
	}
	if (c)
		redisFree(c);
	if (ok)
		return s;
	sl_source_set_unref(s);
	return NULL;
}

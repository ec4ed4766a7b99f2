/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/cookies.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1 << 16 };

struct sl_ng_cookie {
	struct sl_ng_cookie *next_in_bucket, *next_to_expire;
	uint64_t hash, text_hash;
	struct sl_endpoint source;
	int64_t expires_ms;
	char *answer; /* NULL: being executed, and not in the queue of those that expire */
	uint32_t answer_len, cookie_len;
	char cookie[];
};

struct sl_ng_cookies {
	struct sl_siphash_key key;
	size_t max_bytes;
	struct sl_ng_cookies_counts counts;
	struct sl_ng_cookie *oldest, *newest; /* answered, in the order of answers */
	struct sl_ng_cookie *buckets[BUCKETS];
};

struct sl_ng_cookies *sl_ng_cookies_new(size_t max_bytes, const struct sl_siphash_key *key)
{
	struct sl_ng_cookies *c = calloc(1, sizeof *c);

	if (c) {
		c->key = *key;
		c->max_bytes = max_bytes;
	}
	return c;
}

static size_t bytes_of(const struct sl_ng_cookie *k)
{
	return sizeof *k + k->cookie_len + k->answer_len;
}

static void drop(struct sl_ng_cookies *c, struct sl_ng_cookie *k)
{
	struct sl_ng_cookie **at = &c->buckets[k->hash % BUCKETS];

	while (*at != k)
		at = &(*at)->next_in_bucket;
	*at = k->next_in_bucket;
	c->counts.bytes -= bytes_of(k);
	if (k->answer)
		explicit_bzero(k->answer, k->answer_len); /* SDP holds keys */
	free(k->answer);
	free(k);
}

static void drop_oldest(struct sl_ng_cookies *c)
{
	struct sl_ng_cookie *k = c->oldest;

	c->oldest = k->next_to_expire;
	if (!c->oldest)
		c->newest = NULL;
	c->counts.cached--;
	drop(c, k);
}

void sl_ng_cookies_free(struct sl_ng_cookies *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (c->buckets[i])
			drop(c, c->buckets[i]);
	}
	free(c);
}

static uint64_t hash_of(
        const struct sl_ng_cookies *c, const struct sl_endpoint *source, struct sl_slice cookie)
{
	return sl_siphash(&c->key, cookie.p, cookie.n) ^
	       sl_siphash(&c->key, source->ip.b, sizeof source->ip.b) ^ ntohs(source->port_be);
}

struct sl_ng_cookie *sl_ng_cookies_find(struct sl_ng_cookies *c, const struct sl_endpoint *source,
        struct sl_slice cookie, struct sl_slice text)
{
	uint64_t hash = hash_of(c, source, cookie), text_hash = sl_siphash(&c->key, text.p, text.n);

	for (struct sl_ng_cookie *k = c->buckets[hash % BUCKETS]; k; k = k->next_in_bucket) {
		if (k->hash == hash && k->text_hash == text_hash && k->cookie_len == cookie.n &&
		        memcmp(k->cookie, cookie.p, cookie.n) == 0 && sl_endpoint_eq(&k->source, source))
			return k;
	}
	return NULL;
}

struct sl_ng_cookie *sl_ng_cookies_begin(struct sl_ng_cookies *c, const struct sl_endpoint *source,
        struct sl_slice cookie, struct sl_slice text)
{
	struct sl_ng_cookie *k = calloc(1, sizeof *k + cookie.n);

	if (!k)
		return NULL;
	k->hash = hash_of(c, source, cookie);
	k->text_hash = sl_siphash(&c->key, text.p, text.n);
	k->source = *source;
	k->cookie_len = (uint32_t)cookie.n;
	memcpy(k->cookie, cookie.p, cookie.n);
	k->next_in_bucket = c->buckets[k->hash % BUCKETS];
	c->buckets[k->hash % BUCKETS] = k;
	c->counts.bytes += bytes_of(k);
	return k;
}

void sl_ng_cookies_answer(
        struct sl_ng_cookies *c, struct sl_ng_cookie *k, struct sl_slice answer, int64_t now_ms)
{
	char *copy = answer.n > 0 && answer.n <= c->max_bytes ? malloc(answer.n) : NULL;

	if (!copy) {
		drop(c, k);
		return;
	}
	while (c->oldest && c->counts.bytes + answer.n > c->max_bytes) {
		drop_oldest(c);
		c->counts.evicted++;
	}
	memcpy(copy, answer.p, answer.n);
	k->answer = copy;
	k->answer_len = (uint32_t)answer.n;
	k->expires_ms = now_ms + SL_NG_CACHE_MS;
	c->counts.bytes += answer.n;
	c->counts.cached++;
	if (c->newest)
		c->newest->next_to_expire = k;
	else
		c->oldest = k;
	c->newest = k;
}

void sl_ng_cookies_forget(struct sl_ng_cookies *c, struct sl_ng_cookie *k)
{
	drop(c, k);
}

struct sl_slice sl_ng_cookie_answer(const struct sl_ng_cookie *k)
{
	return (struct sl_slice){k->answer, k->answer_len};
}

void sl_ng_cookies_expire(struct sl_ng_cookies *c, int64_t now_ms)
{
	while (c->oldest && c->oldest->expires_ms <= now_ms)
		drop_oldest(c);
}

const struct sl_ng_cookies_counts *sl_ng_cookies_counts(const struct sl_ng_cookies *c)
{
	return &c->counts;
}

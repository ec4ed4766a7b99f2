/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/stream/internal.h"

#include <errno.h>
#include <stdlib.h>

#include <openssl/rand.h>

/* A source is an IPv4 address or an IPv6 /64, which is what one customer gets. */
enum { IPV6_BITS = 64, BUCKETS_MAX = 1 << 16 };

int sl_stream_sources_init(struct sl_stream_sources *s, uint32_t max_connections, uint32_t limit)
{
	uint32_t n = 64;

	while (n < max_connections && n < BUCKETS_MAX)
		n *= 2;
	pthread_mutex_init(&s->lock, NULL);
	s->limit = limit;
	s->mask = n - 1;
	s->buckets = calloc(n, sizeof(*s->buckets));
	return s->buckets && RAND_bytes((unsigned char *)&s->key, sizeof s->key) == 1 ? 0 : -ENOMEM;
}

/* All have left. */
void sl_stream_sources_free(struct sl_stream_sources *s)
{
	free(s->buckets);
	s->buckets = NULL;
	pthread_mutex_destroy(&s->lock);
}

static struct sl_stream_source **find(struct sl_stream_sources *s, const struct sl_ip *ip)
{
	struct sl_stream_source **at = &s->buckets[sl_siphash(&s->key, ip, sizeof *ip) & s->mask];

	while (*at && !sl_ip_eq(&(*at)->ip, ip))
		at = &(*at)->next;
	return at;
}

bool sl_stream_source_take(struct sl_stream_sources *s, const struct sl_ip *ip, struct sl_stream_source **out)
{
	const struct sl_ip masked = sl_ip_is_v4(ip) ? *ip : sl_ip_masked(ip, IPV6_BITS);
	struct sl_stream_source **at;
	bool ok;

	*out = NULL;
	if (s->limit == 0)
		return true;
	pthread_mutex_lock(&s->lock);
	at = find(s, &masked);
	if (!*at) {
		*at = calloc(1, sizeof **at);
		if (*at)
			(*at)->ip = masked;
	}
	ok = *at && (*at)->n < s->limit;
	if (ok) {
		(*at)->n++;
		*out = *at;
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

void sl_stream_source_leave(struct sl_stream_sources *s, struct sl_stream_source *source)
{
	struct sl_stream_source **at;

	if (!source)
		return;
	pthread_mutex_lock(&s->lock);
	if (--source->n == 0) {
		at = find(s, &source->ip);
		*at = source->next;
		free(source);
	}
	pthread_mutex_unlock(&s->lock);
}

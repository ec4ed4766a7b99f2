/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/registrar/lockout.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include <openssl/rand.h>

enum { ANSWER_EVERY_MS = 1000, KEY_TEXT_MAX = 256 };

int sl_lockout_init(struct sl_lockout *g, size_t sets)
{
	*g = (struct sl_lockout){ .mask = sets - 1, .sets = calloc(sets, sizeof *g->sets) };
	if (!g->sets || RAND_bytes((unsigned char *)&g->hash_key, sizeof g->hash_key) != 1) {
		free(g->sets);
		g->sets = NULL;
		return -ENOMEM;
	}
	return 0;
}

void sl_lockout_free(struct sl_lockout *g)
{
	free(g->sets);
	g->sets = NULL;
}

uint64_t sl_lockout_user(const struct sl_lockout *g, const char *name, size_t name_len, const char *domain)
{
	char text[KEY_TEXT_MAX];
	size_t n = 0;

	for (size_t i = 0; i < name_len && n < sizeof text / 2; i++)
		text[n++] = name[i];
	text[n++] = '@';
	for (; *domain && n < sizeof text; domain++)
		text[n++] = (char)tolower((unsigned char)*domain);
	uint64_t key = sl_siphash(&g->hash_key, text, n);
	return key ? key : 1;
}

static struct sl_lockout_entry *find(struct sl_lockout *g, uint64_t key)
{
	struct sl_lockout_entry *set = g->sets[key & g->mask];

	for (unsigned i = 0; i < SL_LOCKOUT_WAYS; i++) {
		if (set[i].key == key)
			return &set[i];
	}
	return NULL;
}

/* Room for a new one: free, or of those that are not blocked the oldest, or else the one whose block ends first. */
static struct sl_lockout_entry *room(struct sl_lockout *g, uint64_t key, int64_t now_ms)
{
	struct sl_lockout_entry *set = g->sets[key & g->mask], *best = NULL;
	int64_t best_rank = 0;

	for (unsigned i = 0; i < SL_LOCKOUT_WAYS; i++) {
		struct sl_lockout_entry *e = &set[i];
		int64_t rank = e->key == 0 ? -1 : e->blocked_until_ms > now_ms ? e->blocked_until_ms : e->since_ms;

		if (!best || rank < best_rank) {
			best = e;
			best_rank = rank;
		}
	}
	return best;
}

unsigned sl_lockout_blocked(struct sl_lockout *g, uint64_t key, int64_t now_ms, bool *answer)
{
	struct sl_lockout_entry *e = find(g, key);

	*answer = true;
	if (!e || e->blocked_until_ms <= now_ms)
		return 0;
	*answer = now_ms - e->answered_ms >= ANSWER_EVERY_MS;
	if (*answer)
		e->answered_ms = now_ms;
	return (unsigned)((e->blocked_until_ms - now_ms + 999) / 1000);
}

bool sl_lockout_failed(struct sl_lockout *g, uint64_t key, const struct sl_lockout_limits *limits, int64_t now_ms)
{
	struct sl_lockout_entry *e;

	if (limits->failures == 0)
		return false;
	e = find(g, key);
	if (!e) {
		e = room(g, key, now_ms);
		*e = (struct sl_lockout_entry){ .key = key, .since_ms = now_ms };
	}
	if (e->blocked_until_ms > now_ms)
		return false;
	if (e->blocked_until_ms != 0 || now_ms - e->since_ms >= (int64_t)limits->window_s * 1000) {
		e->since_ms = now_ms;
		e->failures = 0;
		e->blocked_until_ms = 0;
	}
	if (++e->failures < limits->failures)
		return false;
	e->blocked_until_ms = now_ms + (int64_t)limits->block_s * 1000;
	e->answered_ms = 0;
	return true;
}

void sl_lockout_passed(struct sl_lockout *g, uint64_t key)
{
	struct sl_lockout_entry *e = find(g, key);

	if (e && e->blocked_until_ms == 0)
		e->failures = 0;
}

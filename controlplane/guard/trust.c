/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/guard/trust.h"

#include <errno.h>
#include <stdlib.h>

/* A later end is told when it is that much later: refreshes every minute need no message each. */
enum { SMALLEST = 256, NEWS_MS = 20000 };

void sl_trust_init(struct sl_trust *t, size_t max, const struct sl_siphash_key *key)
{
	*t = (struct sl_trust){.key = *key, .max = max};
}

void sl_trust_free(struct sl_trust *t)
{
	free(t->all);
	*t = (struct sl_trust){.key = t->key};
}

static size_t home_of(const struct sl_trust *t, const struct sl_endpoint *remote, uint16_t listener)
{
	uint64_t text[3] = {remote->ip.q[0], remote->ip.q[1], (uint64_t)listener << 16 | remote->port_be};

	return (size_t)sl_siphash(&t->key, text, sizeof text) & (t->size - 1);
}

static struct sl_trust_mark *at(const struct sl_trust *t, const struct sl_endpoint *remote, uint16_t listener)
{
	size_t i = home_of(t, remote, listener);

	while (t->all[i].until_ms && !(t->all[i].listener == listener && sl_endpoint_eq(&t->all[i].remote, remote)))
		i = (i + 1) & (t->size - 1);
	return &t->all[i];
}

static int grow(struct sl_trust *t)
{
	struct sl_trust bigger = *t;

	bigger.size = t->size ? 2 * t->size : SMALLEST;
	bigger.all = calloc(bigger.size, sizeof *bigger.all);
	if (!bigger.all)
		return -ENOMEM;
	for (size_t i = 0; i < t->size; i++) {
		if (t->all[i].until_ms)
			*at(&bigger, &t->all[i].remote, t->all[i].listener) = t->all[i];
	}
	free(t->all);
	*t = bigger;
	return 0;
}

struct sl_trust_mark *sl_trust_put(struct sl_trust *t, const struct sl_endpoint *remote, uint16_t listener, int64_t until_ms, enum sl_trust_how how,
	bool *news)
{
	struct sl_trust_mark *m = t->n ? at(t, remote, listener) : NULL;

	*news = false;
	if (!m || m->until_ms == 0) {
		if (t->n >= t->max || (2 * (t->n + 1) > t->size && grow(t) < 0))
			return NULL;
		m = at(t, remote, listener);
		*m = (struct sl_trust_mark){.remote = {remote->ip, remote->port_be}, .listener = listener};
		t->n++;
		*news = true;
	}
	m->holders += how == SL_TRUST_HOLD;
	if (how == SL_TRUST_ALONE && until_ms > m->alone_ms)
		m->alone_ms = until_ms;
	if (until_ms > m->until_ms) {
		*news |= until_ms - m->until_ms >= NEWS_MS;
		/* What was not told does not count, or many small steps would never be. */
		if (*news)
			m->until_ms = until_ms;
	}
	return m;
}

static void take_out(struct sl_trust *t, struct sl_trust_mark *m)
{
	size_t mask = t->size - 1, gap = (size_t)(m - t->all);

	for (size_t i = (gap + 1) & mask; t->all[i].until_ms; i = (i + 1) & mask) {
		size_t home = home_of(t, &t->all[i].remote, t->all[i].listener);

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		t->all[gap] = t->all[i];
		gap = i;
	}
	t->all[gap] = (struct sl_trust_mark){0};
	t->n--;
}

bool sl_trust_release(struct sl_trust *t, const struct sl_endpoint *remote, uint16_t listener, int64_t now_ms, const struct sl_trust_mark **left)
{
	struct sl_trust_mark *m = t->n ? at(t, remote, listener) : NULL;

	*left = NULL;
	if (!m || m->until_ms == 0 || (m->holders && --m->holders))
		return false;
	if (m->alone_ms > now_ms) {
		m->until_ms = m->alone_ms;
		*left = m;
	} else {
		take_out(t, m);
	}
	return true;
}

bool sl_trust_has(const struct sl_trust *t, const struct sl_endpoint *remote, uint16_t listener, int64_t now_ms)
{
	return t->n && at(t, remote, listener)->until_ms > now_ms;
}

void sl_trust_sweep(struct sl_trust *t, size_t some, int64_t now_ms)
{
	for (size_t i = 0; i < some && t->n; i++) {
		struct sl_trust_mark *m = &t->all[t->swept & (t->size - 1)];

		if (m->until_ms && m->until_ms <= now_ms)
			take_out(t, m); /* another may be in its place now: look again */
		else
			t->swept++;
	}
}

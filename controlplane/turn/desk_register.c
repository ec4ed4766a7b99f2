/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The restricted register: sorted entries, each once. */

#include "controlplane/turn/desk_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int desk_compare(const struct sl_turn_restricted *a, const struct sl_turn_restricted *b)
{
	if (a->account != b->account)
		return a->account ? 1 : -1;
	if (a->account) {
		int c = strcmp(a->realm, b->realm);
		return c ? c : strcmp(a->name, b->name);
	}
	int c = memcmp(&a->prefix.ip, &b->prefix.ip, sizeof a->prefix.ip);
	return c ? c : (int)a->prefix.len - (int)b->prefix.len;
}

struct sl_turn_restricted *desk_entry_copy(const struct sl_turn_restricted *e)
{
	struct sl_turn_restricted *copy = malloc(sizeof *copy);

	if (!copy)
		return NULL;
	*copy = *e;
	if (e->name && !(copy->name = strdup(e->name))) {
		free(copy);
		return NULL;
	}
	return copy;
}

void desk_entry_free(struct sl_turn_restricted *e)
{
	if (e)
		free(e->name);
	free(e);
}

/* Where e is or would be. */
static size_t position(const struct desk_register *r, const struct sl_turn_restricted *e)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (desk_compare(r->all[mid], e) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct sl_turn_restricted **desk_register_find(const struct desk_register *r, const struct sl_turn_restricted *e)
{
	size_t at = position(r, e);

	return at < r->n && desk_compare(r->all[at], e) == 0 ? &r->all[at] : NULL;
}

int desk_register_put(struct desk_register *r, struct sl_turn_restricted *e)
{
	size_t at = position(r, e);

	if (at < r->n && desk_compare(r->all[at], e) == 0)
		return 1;
	if (r->n == r->capacity) {
		size_t capacity = r->capacity ? r->capacity * 2 : 64;
		struct sl_turn_restricted **grown = realloc(r->all, capacity * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		r->all = grown;
		r->capacity = capacity;
	}
	memmove(r->all + at + 1, r->all + at, (r->n - at) * sizeof(*r->all));
	r->all[at] = e;
	r->n++;
	return 0;
}

static int by_entry(const void *a, const void *b)
{
	const struct sl_turn_restricted *const *x = a, *const *y = b;

	return desk_compare(*x, *y);
}

bool desk_register_fill(struct desk_register *r, const struct sl_turn_restricted *entries, size_t n)
{
	size_t kept = 0;

	r->all = malloc((n + 1) * sizeof(*r->all));
	if (!r->all)
		return false;
	r->capacity = n + 1;
	for (; r->n < n; r->n++) {
		if (!(r->all[r->n] = desk_entry_copy(&entries[r->n])))
			return false;
	}
	qsort(r->all, n, sizeof(*r->all), by_entry);
	for (size_t i = 0; i < n; i++) {
		if (kept && desk_compare(r->all[kept - 1], r->all[i]) == 0)
			desk_entry_free(r->all[i]);
		else
			r->all[kept++] = r->all[i];
	}
	r->n = kept;
	return true;
}

struct sl_turn_restricted *desk_register_take(struct desk_register *r, const struct sl_turn_restricted *e)
{
	struct sl_turn_restricted **at = desk_register_find(r, e);

	if (!at)
		return NULL;
	struct sl_turn_restricted *taken = *at;
	r->n--;
	memmove(at, at + 1, (size_t)(r->all + r->n - at) * sizeof(*at));
	return taken;
}

void desk_register_clear(struct desk_register *r)
{
	for (size_t i = 0; i < r->n; i++)
		desk_entry_free(r->all[i]);
	free(r->all);
	*r = (struct desk_register){0};
}

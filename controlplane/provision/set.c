/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* All resources: of each kind an array sorted by name. Looked up rarely, listed in order; users are found by users.c. */

#include "controlplane/provision/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void sl_set_clear(struct sl_resource_set *s)
{
	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		for (size_t i = 0; i < s->kinds[k].n; i++)
			sl_resource_unref(s->kinds[k].v[i]);
		free(s->kinds[k].v);
	}
	memset(s, 0, sizeof *s);
}

/* Where name is, or would be. */
static size_t place(const struct sl_resource_list *l, const char *name, bool *found)
{
	size_t low = 0, high = l->n;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(l->v[middle]->name, name);

		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct sl_resource *sl_set_find(const struct sl_resource_set *s, enum sl_prov_kind kind, const char *name)
{
	bool found;
	size_t i = place(&s->kinds[kind], name, &found);

	return found ? s->kinds[kind].v[i] : NULL;
}

static int make_room(struct sl_resource_list *l)
{
	if (l->n < l->capacity)
		return 0;
	size_t capacity = l->capacity ? l->capacity * 2 : 16;
	struct sl_resource **grown = realloc(l->v, capacity * sizeof(struct sl_resource *));
	if (!grown)
		return -ENOMEM;
	l->v = grown;
	l->capacity = capacity;
	return 0;
}

int sl_set_put(struct sl_resource_set *s, struct sl_resource *r)
{
	struct sl_resource_list *l = &s->kinds[r->kind];
	bool found;
	size_t i = place(l, r->name, &found);

	if (found) {
		sl_resource_unref(l->v[i]);
		l->v[i] = r;
		return 0;
	}
	if (make_room(l) < 0)
		return -ENOMEM;
	memmove(&l->v[i + 1], &l->v[i], (l->n - i) * sizeof(struct sl_resource *));
	l->v[i] = r;
	l->n++;
	return 0;
}

void sl_set_remove(struct sl_resource_set *s, enum sl_prov_kind kind, const char *name)
{
	struct sl_resource_list *l = &s->kinds[kind];
	bool found;
	size_t i = place(l, name, &found);

	if (!found)
		return;
	sl_resource_unref(l->v[i]);
	memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof(struct sl_resource *));
	l->n--;
}

int sl_set_append(struct sl_resource_set *s, struct sl_resource *r)
{
	struct sl_resource_list *l = &s->kinds[r->kind];

	if (make_room(l) < 0)
		return -ENOMEM;
	if (l->n && strcmp(l->v[l->n - 1]->name, r->name) >= 0)
		l->unsorted = true;
	l->v[l->n++] = r;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct sl_resource *const *)a)->name, (*(struct sl_resource *const *)b)->name);
}

void sl_set_sort(struct sl_resource_set *s)
{
	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		if (s->kinds[k].unsorted)
			qsort(s->kinds[k].v, s->kinds[k].n, sizeof(struct sl_resource *), by_name);
		s->kinds[k].unsorted = false;
	}
}

const struct sl_resource *sl_set_twice(const struct sl_resource_set *s)
{
	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		for (size_t i = 1; i < s->kinds[k].n; i++) {
			if (strcmp(s->kinds[k].v[i - 1]->name, s->kinds[k].v[i]->name) == 0)
				return s->kinds[k].v[i];
		}
	}
	return NULL;
}

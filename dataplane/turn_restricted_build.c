/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The register of who may only be relayed, and the sets made of it: the housekeeper's side of path/turn_restricted.h. */

#include "dataplane/path/turn_restricted_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_ROOM = 64 };

struct item {
	uint64_t hash;
	uint8_t kind;
	uint8_t prefix_len;
	struct sl_ip ip;
};

/* Items in no order; found by open addressing, at most half full, index + 1, deleted entries closed up. */
struct sl_turn_restricted_list {
	struct sl_siphash_key key;
	struct item *items;
	uint32_t n, room;
	uint32_t *slots, mask;
};

/* ---- the list ---- */

struct sl_turn_restricted_list *sl_turn_restricted_list_new(const struct sl_siphash_key *key)
{
	struct sl_turn_restricted_list *l = (struct sl_turn_restricted_list *)calloc(1, sizeof *l);

	if (l)
		l->key = *key;
	return l;
}

void sl_turn_restricted_list_free(struct sl_turn_restricted_list *l)
{
	if (!l)
		return;
	free(l->items);
	free(l->slots);
	free(l);
}

static struct item item_of(const struct sl_turn_restricted_list *l, const struct sl_cmd_restricted *cmd)
{
	struct item it = {.kind = cmd->kind};

	if (cmd->kind == SL_RESTRICTED_ACCOUNT) {
		it.hash = sl_turn_restricted_account(&l->key, cmd->realm, cmd->name, cmd->name_len);
		return it;
	}
	struct {
		struct sl_ip ip;
		uint64_t len;
	} of = {cmd->ip, cmd->prefix_len};
	it.hash = sl_siphash(&l->key, &of, sizeof of);
	it.ip = cmd->ip;
	it.prefix_len = cmd->prefix_len;
	return it;
}

static bool same_item(const struct item *a, const struct item *b)
{
	return a->hash == b->hash && a->kind == b->kind && a->prefix_len == b->prefix_len && sl_ip_eq(&a->ip, &b->ip);
}

/* Slot that holds the item, or the empty one where it would go. */
static uint32_t slot_of(const struct sl_turn_restricted_list *l, const struct item *it)
{
	uint32_t i = (uint32_t)it->hash & l->mask;

	while (l->slots[i] != 0 && !same_item(&l->items[l->slots[i] - 1], it))
		i = (i + 1) & l->mask;
	return i;
}

static int grow(struct sl_turn_restricted_list *l)
{
	uint32_t room = l->room ? 2 * l->room : FIRST_ROOM;
	uint32_t *slots = (uint32_t *)calloc(2 * (size_t)room, sizeof *slots);
	struct item *items = slots ? (struct item *)realloc(l->items, room * sizeof *items) : NULL;

	if (!items) {
		free(slots);
		return -ENOMEM;
	}
	free(l->slots);
	l->items = items;
	l->slots = slots;
	l->room = room;
	l->mask = 2 * room - 1;
	for (uint32_t i = 0; i < l->n; i++)
		l->slots[slot_of(l, &items[i])] = i + 1;
	return 0;
}

static int add(struct sl_turn_restricted_list *l, const struct item *it)
{
	if (l->n == l->room) {
		int rc = grow(l);
		if (rc != 0)
			return rc;
	}
	uint32_t slot = slot_of(l, it);
	if (l->slots[slot] != 0)
		return 0;
	if (l->n == SL_TURN_MAX_RESTRICTED)
		return -ENOSPC;
	l->items[l->n] = *it;
	l->slots[slot] = ++l->n;
	return 0;
}

/* Empty a slot and move up what was pushed past it. */
static void close_up(struct sl_turn_restricted_list *l, uint32_t hole)
{
	l->slots[hole] = 0;
	for (uint32_t i = (hole + 1) & l->mask; l->slots[i] != 0; i = (i + 1) & l->mask) {
		uint32_t home = (uint32_t)l->items[l->slots[i] - 1].hash & l->mask;
		if (((i - home) & l->mask) < ((i - hole) & l->mask))
			continue;
		l->slots[hole] = l->slots[i];
		l->slots[i] = 0;
		hole = i;
	}
}

static int take_out(struct sl_turn_restricted_list *l, const struct item *it)
{
	uint32_t slot = l->n ? slot_of(l, it) : 0;

	if (l->n == 0 || l->slots[slot] == 0)
		return -ENOENT;
	uint32_t gone = l->slots[slot] - 1, last = l->n - 1;
	close_up(l, slot);
	if (gone != last) {
		l->slots[slot_of(l, &l->items[last])] = gone + 1;
		l->items[gone] = l->items[last];
	}
	l->n--;
	return 0;
}

int sl_turn_restricted_change(struct sl_turn_restricted_list *l, const struct sl_cmd_restricted *cmd)
{
	const struct item it = item_of(l, cmd);

	return cmd->remove ? take_out(l, &it) : add(l, &it);
}

/* ---- the set ---- */

static bool freeze_prefixes(const struct sl_turn_restricted_list *l, struct sl_turn_restricted *r)
{
	struct sl_prefix_entry *e = (struct sl_prefix_entry *)calloc(l->n, sizeof *e);
	size_t n = 0;
	char text[100];

	for (uint32_t i = 0; e && i < l->n; i++) {
		if (l->items[i].kind == SL_RESTRICTED_PREFIX)
			e[n++] = (struct sl_prefix_entry){.ip = l->items[i].ip, .prefix_len = l->items[i].prefix_len, .verdict = SL_PREFIX_DENY};
	}
	bool ok = e && sl_prefixes_build(e, n, &r->prefixes, text, sizeof text) == 0;
	free(e);
	return ok;
}

static bool freeze_accounts(const struct sl_turn_restricted_list *l, struct sl_turn_restricted *r)
{
	uint32_t slots = 2;

	for (uint32_t i = 0; i < l->n; i++)
		r->n_accounts += l->items[i].kind == SL_RESTRICTED_ACCOUNT;
	while (slots < 2 * r->n_accounts)
		slots *= 2;
	r->mask = slots - 1;
	r->accounts = (uint64_t *)calloc(slots, sizeof *r->accounts);
	for (uint32_t i = 0; r->accounts && i < l->n; i++) {
		if (l->items[i].kind != SL_RESTRICTED_ACCOUNT)
			continue;
		uint32_t at = (uint32_t)l->items[i].hash & r->mask;
		while (r->accounts[at] != 0)
			at = (at + 1) & r->mask;
		r->accounts[at] = l->items[i].hash;
	}
	return r->accounts != NULL;
}

bool sl_turn_restricted_freeze(const struct sl_turn_restricted_list *l, struct sl_turn_restricted **out)
{
	*out = NULL;
	if (l->n == 0)
		return true;
	struct sl_turn_restricted *r = (struct sl_turn_restricted *)calloc(1, sizeof *r);
	if (!r)
		return false;
	atomic_init(&r->refs, 1);
	r->key = l->key;
	if (!freeze_prefixes(l, r) || !freeze_accounts(l, r)) {
		sl_turn_restricted_release(r);
		return false;
	}
	*out = r;
	return true;
}

struct sl_turn_restricted *sl_turn_restricted_hold(struct sl_turn_restricted *r)
{
	if (r)
		atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void sl_turn_restricted_release(struct sl_turn_restricted *r)
{
	if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	sl_prefixes_free(r->prefixes);
	free(r->accounts);
	free(r);
}

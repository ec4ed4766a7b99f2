/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/provision/users.h"

#include "controlplane/provision/internal.h"
#include "controlplane/routing/live.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include <openssl/crypto.h>

enum { SLOTS_FIRST = 64 };

/* ---- the map: open addressing, at most three quarters full, removal shifts back ---- */

static void slot_in(struct sl_prov_map *m, uint64_t hash, struct sl_prov_user *u)
{
	size_t i = hash & m->mask;

	while (m->slots[i].hash)
		i = (i + 1) & m->mask;
	m->slots[i] = (struct sl_prov_map_slot){hash, u};
}

/* Room for more further entries. */
static int make_room(struct sl_prov_map *m, size_t more)
{
	size_t size = m->slots ? m->mask + 1 : SLOTS_FIRST;

	while ((m->n + more) * 4 > size * 3)
		size *= 2;
	if (m->slots && size == m->mask + 1)
		return 0;
	struct sl_prov_map grown = {.slots = calloc(size, sizeof *grown.slots), .n = m->n, .mask = size - 1};
	if (!grown.slots)
		return -ENOMEM;
	for (size_t i = 0; m->slots && i <= m->mask; i++) {
		if (m->slots[i].hash)
			slot_in(&grown, m->slots[i].hash, m->slots[i].user);
	}
	free(m->slots);
	*m = grown;
	return 0;
}

static void map_remove(struct sl_prov_map *m, uint64_t hash, const struct sl_prov_user *u)
{
	size_t i;

	if (!m->slots)
		return;
	for (i = hash & m->mask; m->slots[i].hash != hash || m->slots[i].user != u; i = (i + 1) & m->mask) {
		if (!m->slots[i].hash)
			return;
	}
	m->n--;
	for (size_t next = (i + 1) & m->mask; m->slots[next].hash; next = (next + 1) & m->mask) {
		size_t home = m->slots[next].hash & m->mask;

		if (((next - home) & m->mask) >= ((next - i) & m->mask)) {
			m->slots[i] = m->slots[next];
			i = next;
		}
	}
	m->slots[i].hash = 0;
}

/* ---- keys ---- */

static uint64_t address_hash(const struct sl_prov_users *t, const char *name, size_t name_len, const char *domain, size_t domain_len)
{
	char key[2 * SL_PROV_NAME_MAX + 2];

	memcpy(key, name, name_len);
	key[name_len] = '@';
	for (size_t i = 0; i < domain_len; i++)
		key[name_len + 1 + i] = (char)tolower((unsigned char)domain[i]);
	uint64_t hash = sl_siphash(&t->key, key, name_len + 1 + domain_len);
	return hash ? hash : 1;
}

static const char *bare(const char *number)
{
	return number + (*number == '+');
}

static uint64_t number_hash(const struct sl_prov_users *t, const char *tenant, const char *number)
{
	char key[SL_PROV_NAME_MAX + 1 + sizeof(sl_prov_number)];
	size_t n = strlen(tenant), m = strlen(number);

	memcpy(key, tenant, n + 1);
	memcpy(key + n + 1, number, m);
	uint64_t hash = sl_siphash(&t->key, key, n + 1 + m);
	return hash ? hash : 1;
}

int sl_prov_users_init(struct sl_prov_users *t)
{
	memset(t, 0, sizeof *t);
	return getrandom(&t->key, sizeof t->key, 0) == (ssize_t)sizeof t->key ? 0 : -EIO;
}

void sl_prov_users_clear(struct sl_prov_users *t)
{
	for (size_t i = 0; t->by_address.slots && i <= t->by_address.mask; i++) {
		if (t->by_address.slots[i].hash) {
			t->by_address.slots[i].user->gone = true;
			sl_prov_user_unref(t->by_address.slots[i].user);
		}
	}
	free(t->by_address.slots);
	free(t->by_number.slots);
	t->by_address = t->by_number = (struct sl_prov_map){0};
}

struct sl_prov_user *sl_prov_users_find(const struct sl_prov_users *t, const char *name, size_t name_len, const char *domain, size_t domain_len)
{
	const struct sl_prov_map *m = &t->by_address;

	if (!m->slots || !name_len || name_len > SL_PROV_NAME_MAX || !domain_len || domain_len > SL_PROV_NAME_MAX)
		return NULL;
	uint64_t hash = address_hash(t, name, name_len, domain, domain_len);
	for (size_t i = hash & m->mask; m->slots[i].hash; i = (i + 1) & m->mask) {
		struct sl_prov_user *u = m->slots[i].user;

		if (m->slots[i].hash == hash && strncmp(u->name, name, name_len) == 0 && !u->name[name_len] &&
		        strncasecmp(u->domain, domain, domain_len) == 0 && !u->domain[domain_len])
			return u;
	}
	return NULL;
}

static bool has_number(const struct sl_prov_user *u, const char *number)
{
	for (unsigned i = 0; i < u->n_numbers; i++) {
		if (strcmp(bare(u->numbers[i]), number) == 0)
			return true;
	}
	return false;
}

struct sl_prov_user *sl_prov_users_number(const struct sl_prov_users *t, const char *tenant, const char *number)
{
	const struct sl_prov_map *m = &t->by_number;

	number = bare(number);
	if (!m->slots || !*number || strlen(number) >= sizeof(sl_prov_number) || strlen(tenant) > SL_PROV_NAME_MAX)
		return NULL;
	uint64_t hash = number_hash(t, tenant, number);
	for (size_t i = hash & m->mask; m->slots[i].hash; i = (i + 1) & m->mask) {
		struct sl_prov_user *u = m->slots[i].user;

		if (m->slots[i].hash == hash && strcmp(u->tenant, tenant) == 0 && has_number(u, number))
			return u;
	}
	return NULL;
}

static void drop(struct sl_prov_users *t, struct sl_prov_user *u)
{
	map_remove(&t->by_address, address_hash(t, u->name, strlen(u->name), u->domain, strlen(u->domain)), u);
	for (unsigned i = 0; i < u->n_numbers; i++)
		map_remove(&t->by_number, number_hash(t, u->tenant, bare(u->numbers[i])), u);
	u->gone = true;
}

int sl_prov_users_put(struct sl_prov_users *t, struct sl_prov_user *u)
{
	struct sl_prov_user *before = sl_prov_users_find(t, u->name, strlen(u->name), u->domain, strlen(u->domain));

	if (before == u)
		return 0;
	if (make_room(&t->by_address, 1) < 0 || make_room(&t->by_number, u->n_numbers) < 0)
		return -ENOMEM;
	if (before) {
		drop(t, before);
		sl_route_live_unref(u->runtime);
		u->runtime = sl_route_live_ref(before->runtime);
		sl_prov_user_unref(before);
	}
	slot_in(&t->by_address, address_hash(t, u->name, strlen(u->name), u->domain, strlen(u->domain)), sl_prov_user_ref(u));
	t->by_address.n++;
	for (unsigned i = 0; i < u->n_numbers; i++)
		slot_in(&t->by_number, number_hash(t, u->tenant, bare(u->numbers[i])), u);
	t->by_number.n += u->n_numbers;
	return 0;
}

void sl_prov_users_remove(struct sl_prov_users *t, struct sl_prov_user *u)
{
	drop(t, u);
	sl_prov_user_unref(u);
}

void sl_prov_users_inherit(struct sl_prov_users *t, const struct sl_prov_users *before)
{
	for (size_t i = 0; before->by_address.slots && i <= before->by_address.mask; i++) {
		struct sl_prov_user *old = before->by_address.slots[i].hash ? before->by_address.slots[i].user : NULL;
		struct sl_prov_user *u = old ? sl_prov_users_find(t, old->name, strlen(old->name), old->domain, strlen(old->domain)) : NULL;

		if (!u || u == old)
			continue;
		sl_route_live_unref(u->runtime);
		u->runtime = sl_route_live_ref(old->runtime);
	}
}

void sl_prov_users_alive(struct sl_prov_users *t)
{
	for (size_t i = 0; t->by_address.slots && i <= t->by_address.mask; i++) {
		if (t->by_address.slots[i].hash)
			t->by_address.slots[i].user->gone = false;
	}
}

/* ---- the object ---- */

struct sl_prov_user *sl_prov_user_ref(struct sl_prov_user *u)
{
	if (u)
		u->refs++;
	return u;
}

void sl_prov_user_unref(struct sl_prov_user *u)
{
	if (!u || --u->refs)
		return;
	sl_route_live_unref(u->runtime);
	sl_fields_free(sl_kinds[SL_PROV_USER].fields, u);
	OPENSSL_cleanse(u, sizeof *u);
	free(u);
}

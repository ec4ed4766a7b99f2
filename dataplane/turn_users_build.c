/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Tables of users as they are made and let go: the housekeeper's side of path/turn_users.h. */

#include "dataplane/path/turn_users_internal.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 4 };

/* ---- records ---- */

static struct sl_turn_user_record *record_new(const struct sl_siphash_key *key, const struct sl_turn_user *from, unsigned realm)
{
	struct sl_turn_user_record *r = (struct sl_turn_user_record *)malloc(sizeof *r + from->name_len);

	if (!r)
		return NULL;
	memset(r, 0, sizeof *r);
	r->user = *from;
	r->user.realm = (uint16_t)realm;
	memcpy(r->name, from->name, from->name_len);
	r->user.name = r->name;
	r->hash[SL_USERS_BY_NAME] = sl_turn_users_hash_name(key, realm, r->name, r->user.name_len);
	r->hash[SL_USERS_BY_HASH] = sl_turn_users_hash_userhash(key, r->user.userhash);
	return r;
}

static void record_free(struct sl_turn_user_record *r)
{
	explicit_bzero(r, sizeof *r + r->user.name_len);
	free(r);
}

static void record_release(struct sl_turn_user_record *r)
{
	if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) == 1)
		record_free(r);
}

/* ---- shards ---- */

static struct sl_turn_user_shard *shard_new(uint32_t slots)
{
	struct sl_turn_user_shard *s = (struct sl_turn_user_shard *)calloc(1, sizeof *s + slots * sizeof *s->slots);

	if (s) {
		atomic_init(&s->refs, 1);
		s->mask = slots - 1;
	}
	return s;
}

static void shard_release(struct sl_turn_user_shard *s)
{
	if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; i <= s->mask; i++) {
		if (s->slots[i])
			record_release(s->slots[i]);
	}
	free(s);
}

/* With room for it; the shard holds it from now on. */
static void shard_put(struct sl_turn_user_shard *s, unsigned index, struct sl_turn_user_record *r)
{
	uint32_t i = (uint32_t)r->hash[index] & s->mask;

	while (s->slots[i])
		i = (i + 1) & s->mask;
	s->slots[i] = r;
	s->n++;
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
}

/* Take out a record that is there, and move up what was pushed past it. */
static void shard_remove(struct sl_turn_user_shard *s, unsigned index, struct sl_turn_user_record *r)
{
	uint32_t hole = (uint32_t)r->hash[index] & s->mask;

	while (s->slots[hole] != r)
		hole = (hole + 1) & s->mask;
	s->slots[hole] = NULL;
	s->n--;
	for (uint32_t i = (hole + 1) & s->mask; s->slots[i]; i = (i + 1) & s->mask) {
		uint32_t home = (uint32_t)s->slots[i]->hash[index] & s->mask;
		if (((i - home) & s->mask) < ((i - hole) & s->mask))
			continue;
		s->slots[hole] = s->slots[i];
		s->slots[i] = NULL;
		hole = i;
	}
	record_release(r);
}

/* Make *at a shard that no other table has, with room for one more. */
static int shard_own(struct sl_turn_user_shard **at, unsigned index)
{
	struct sl_turn_user_shard *old = *at, *s;
	uint32_t slots = old ? old->mask + 1 : FIRST_SLOTS;

	if (old && 2 * (old->n + 1) > slots)
		slots *= 2;
	/* Others can only let go of it meanwhile. */
	if (old && slots == old->mask + 1 && atomic_load_explicit(&old->refs, memory_order_acquire) == 1)
		return 0;
	s = shard_new(slots);
	if (!s)
		return -ENOMEM;
	for (uint32_t i = 0; old && i <= old->mask; i++) {
		if (old->slots[i])
			shard_put(s, index, old->slots[i]);
	}
	shard_release(old);
	*at = s;
	return 0;
}

/* ---- tables ---- */

static struct sl_turn_user_shard **shard_of(struct sl_turn_users *u, unsigned index, uint64_t hash)
{
	return (index == SL_USERS_BY_NAME ? u->by_name : u->by_hash) + (hash >> SL_USERS_SHARD_SHIFT);
}

struct sl_turn_users *sl_turn_users_new(const struct sl_siphash_key *key)
{
	struct sl_turn_users *u = (struct sl_turn_users *)calloc(1, sizeof *u);

	if (u) {
		atomic_init(&u->refs, 1);
		u->key = *key;
	}
	return u;
}

static struct sl_turn_user_shard *shard_hold(struct sl_turn_user_shard *s)
{
	if (s)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

struct sl_turn_users *sl_turn_users_clone(const struct sl_turn_users *u)
{
	struct sl_turn_users *c = sl_turn_users_new(&u->key);

	if (!c)
		return NULL;
	c->n = u->n;
	for (unsigned i = 0; i < SL_TURN_USER_SHARDS; i++) {
		c->by_name[i] = shard_hold(u->by_name[i]);
		c->by_hash[i] = shard_hold(u->by_hash[i]);
	}
	return c;
}

/* One user more, who is not there yet. r is the table's, or freed. */
static int insert(struct sl_turn_users *u, struct sl_turn_user_record *r)
{
	struct sl_turn_user_shard **name = shard_of(u, SL_USERS_BY_NAME, r->hash[SL_USERS_BY_NAME]);
	struct sl_turn_user_shard **hash = shard_of(u, SL_USERS_BY_HASH, r->hash[SL_USERS_BY_HASH]);

	if (shard_own(name, SL_USERS_BY_NAME) != 0 || shard_own(hash, SL_USERS_BY_HASH) != 0) {
		if (atomic_load_explicit(&r->refs, memory_order_relaxed) == 0)
			record_free(r);
		return -ENOMEM;
	}
	shard_put(*name, SL_USERS_BY_NAME, r);
	shard_put(*hash, SL_USERS_BY_HASH, r);
	u->n++;
	return 0;
}

static int insert_renumbered(struct sl_turn_users *c, const struct sl_turn_user_shard *s, const uint16_t to[SL_TURN_MAX_REALMS])
{
	int rc = 0;

	for (uint32_t i = 0; s && i <= s->mask && rc == 0; i++) {
		struct sl_turn_user_record *r = s->slots[i];
		unsigned realm = r ? to[r->user.realm] : SL_TURN_ANY_REALM;
		if (realm == SL_TURN_ANY_REALM)
			continue;
		if (realm != r->user.realm)
			r = record_new(&c->key, &r->user, realm);
		rc = r ? insert(c, r) : -ENOMEM;
	}
	return rc;
}

struct sl_turn_users *sl_turn_users_renumbered(const struct sl_turn_users *u, const uint16_t to[SL_TURN_MAX_REALMS])
{
	struct sl_turn_users *c = sl_turn_users_new(&u->key);

	for (unsigned i = 0; c && i < SL_TURN_USER_SHARDS; i++) {
		if (insert_renumbered(c, u->by_name[i], to) != 0) {
			sl_turn_users_release(c);
			return NULL;
		}
	}
	return c;
}

struct sl_turn_users *sl_turn_users_hold(struct sl_turn_users *u)
{
	atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
	return u;
}

void sl_turn_users_release(struct sl_turn_users *u)
{
	if (!u || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < SL_TURN_USER_SHARDS; i++) {
		shard_release(u->by_name[i]);
		shard_release(u->by_hash[i]);
	}
	free(u);
}

/* Both shards of a user of the table are this table's alone. */
static int own_both(struct sl_turn_users *u, const struct sl_turn_user_record *r)
{
	int rc = shard_own(shard_of(u, SL_USERS_BY_NAME, r->hash[SL_USERS_BY_NAME]), SL_USERS_BY_NAME);

	return rc ? rc : shard_own(shard_of(u, SL_USERS_BY_HASH, r->hash[SL_USERS_BY_HASH]), SL_USERS_BY_HASH);
}

static void take_out(struct sl_turn_users *u, struct sl_turn_user_record *r)
{
	uint64_t hash = r->hash[SL_USERS_BY_HASH]; /* the record may go with the first of the two */

	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	shard_remove(*shard_of(u, SL_USERS_BY_NAME, r->hash[SL_USERS_BY_NAME]), SL_USERS_BY_NAME, r);
	shard_remove(*shard_of(u, SL_USERS_BY_HASH, hash), SL_USERS_BY_HASH, r);
	record_release(r);
	u->n--;
}

int sl_turn_users_set(struct sl_turn_users *u, const struct sl_cmd_user *cmd)
{
	struct sl_turn_user from = {.name = cmd->name, .name_len = cmd->name_len, .no_sha256 = cmd->flags & SL_USER_NO_SHA256};

	memcpy(from.key_md5, cmd->key_md5, sizeof from.key_md5);
	memcpy(from.key_sha256, cmd->key_sha256, sizeof from.key_sha256);
	memcpy(from.userhash, cmd->userhash, sizeof from.userhash);
	struct sl_turn_user_record *old = sl_turn_users_find(u, cmd->realm, cmd->name, cmd->name_len), *r = record_new(&u->key, &from, cmd->realm);
	explicit_bzero(&from, sizeof from);
	if (!r)
		return -ENOMEM;
	if (old && own_both(u, old) != 0) {
		record_free(r);
		return -ENOMEM;
	}
	/* First the new one: when it does not fit, the old one is still there. */
	int rc = insert(u, r);
	if (rc == 0 && old)
		take_out(u, old);
	return rc;
}

int sl_turn_users_delete(struct sl_turn_users *u, const struct sl_cmd_user *cmd)
{
	struct sl_turn_user_record *r = sl_turn_users_find(u, cmd->realm, cmd->name, cmd->name_len);

	if (!r)
		return -ENOENT;
	int rc = own_both(u, r);
	if (rc == 0)
		take_out(u, r);
	return rc;
}

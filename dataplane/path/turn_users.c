/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/turn_users_internal.h"

#include "dataplane/wire/stun.h"

struct sl_turn_user_record *sl_turn_users_find(const struct sl_turn_users *u, unsigned realm, const void *name, unsigned len)
{
	if (len > SL_MSG_USERNAME_MAX)
		return NULL;
	uint64_t hash = sl_turn_users_hash_name(&u->key, realm, name, len);
	const struct sl_turn_user_shard *s = u->by_name[hash >> SL_USERS_SHARD_SHIFT];
	for (uint32_t i = (uint32_t)hash; s && s->slots[i & s->mask]; i++) {
		struct sl_turn_user_record *r = s->slots[i & s->mask];
		if (r->hash[SL_USERS_BY_NAME] == hash && r->user.realm == realm && r->user.name_len == len && memcmp(r->name, name, len) == 0)
			return r;
	}
	return NULL;
}

const struct sl_turn_user *sl_turn_users_by_name(const struct sl_turn_users *u, unsigned realm, const void *name, unsigned len)
{
	const struct sl_turn_user_record *r = sl_turn_users_find(u, realm, name, len);

	return r ? &r->user : NULL;
}

const struct sl_turn_user *sl_turn_users_by_hash(const struct sl_turn_users *u, unsigned realm, const uint8_t userhash[32])
{
	uint64_t hash = sl_turn_users_hash_userhash(&u->key, userhash);
	const struct sl_turn_user_shard *s = u->by_hash[hash >> SL_USERS_SHARD_SHIFT];

	for (uint32_t i = (uint32_t)hash; s && s->slots[i & s->mask]; i++) {
		const struct sl_turn_user_record *r = s->slots[i & s->mask];
		if (r->hash[SL_USERS_BY_HASH] == hash && r->user.realm == realm && sl_equal_ct(r->user.userhash, userhash, 32))
			return &r->user;
	}
	return NULL;
}

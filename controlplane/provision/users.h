/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Users by address and by number: two hash tables over the same objects, changed one user at a time. */

#include "controlplane/provision/provision.h"
#include "dataplane/wire/siphash.h"

struct sl_prov_map {
	struct sl_prov_map_slot {
		uint64_t hash; /* 0 = empty */
		struct sl_prov_user *user;
	} *slots;
	size_t n, mask;
};
struct sl_prov_users {
	struct sl_siphash_key key;
	struct sl_prov_map by_address, by_number;
};

int sl_prov_users_init(struct sl_prov_users *t);
void sl_prov_users_clear(struct sl_prov_users *t); /* references go */
/* Takes a reference. Its tenant is set. One of the same address is replaced: it is `gone`, its live counts are shared. 0, or -ENOMEM and
 * nothing has changed. */
int sl_prov_users_put(struct sl_prov_users *t, struct sl_prov_user *u);
void sl_prov_users_remove(struct sl_prov_users *t, struct sl_prov_user *u);
struct sl_prov_user *sl_prov_users_find(const struct sl_prov_users *t, const char *name, size_t name_len, const char *domain, size_t domain_len);
/* With and without + in front are the same number. */
struct sl_prov_user *sl_prov_users_number(const struct sl_prov_users *t, const char *tenant, const char *number);
/* A new table goes on with the live counts of the one before. */
void sl_prov_users_inherit(struct sl_prov_users *t, const struct sl_prov_users *before);
/* None of them is gone: the table before, which had some of them too, was cleared. */
void sl_prov_users_alive(struct sl_prov_users *t);

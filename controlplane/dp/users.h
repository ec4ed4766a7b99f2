/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Static TURN users as the brain knows them: those of the configuration file and those of the store. A user
 * of the file hides one of the same name in the store. Owner of everything here: the brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/msg.h"

/* Immutable once made, counted by reference, so that a replay can go on while the sets change. */
struct sl_user {
	unsigned refs;
	char realm[SL_MSG_REALM_MAX]; /* the keys are good for this realm only */
	int64_t created_unix_s;       /* 0 = from the configuration file */
	struct sl_cmd_user keys;
};

struct sl_users {
	struct sl_user **by_name; /* sorted by name */
	size_t n, capacity;
};

/* Make a user with one reference from a password: MD5 and SHA-256 of "name:realm:password" and SHA-256 of
 * "name:realm" (RFC 8489 9.2.2, 14.4). NULL with *error set to "name", "password" or "memory" for what cannot
 * be. */
struct sl_user *sl_user_new(const char *name, const char *realm, const char *password, int64_t created_unix_s,
        const char **error);
struct sl_user *sl_user_ref(struct sl_user *u);
void sl_user_unref(struct sl_user *u); /* wipes the keys with the last reference */

/* name: len bytes. NULL when there is none; no reference is taken. */
struct sl_user *sl_users_find(const struct sl_users *set, const char *name, size_t len);
/* Put u in, taking over the caller's reference; one of the same name goes. 0 or -ENOMEM (the reference
 * stays). */
int sl_users_put(struct sl_users *set, struct sl_user *u);
/* True when there was one of that name. */
bool sl_users_remove(struct sl_users *set, const char *name, size_t len);
void sl_users_clear(struct sl_users *set);

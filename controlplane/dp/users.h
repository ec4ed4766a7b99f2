/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Static TURN users as the brain knows them, by realm and name: those of the configuration file, of the store, and of user tables
 * elsewhere. One of the file hides one of the store, that one of a table. Owner of everything here: the brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/msg_turn.h"

/* Immutable once made, counted by reference, so that a replay can go on while the sets change. As small as it can be: there may be a
 * million. */
struct sl_user {
	unsigned refs;
	uint16_t flags;               /* SL_USER_NO_SHA256 */
	uint16_t name_len;
	int64_t created_unix_s;       /* 0 = not by the API */
	uint8_t key_md5[16], key_sha256[32], userhash[32]; /* as in struct sl_cmd_user */
	const char *realm;            /* the keys are good for this realm only; lies behind the name */
	char name[];                  /* NUL-terminated */
};

struct sl_users {
	struct sl_user **by_name; /* sorted by realm, then name */
	size_t n, capacity;
};

/* Make a user with one reference from a password: MD5 and SHA-256 of "name:realm:password" and SHA-256 of
 * "name:realm" (RFC 8489 9.2.2, 14.4). NULL with *error set to "name", "password", "realm" or "memory" for what cannot
 * be. */
struct sl_user *sl_user_new(const char *name, const char *realm, const char *password, int64_t created_unix_s,
        const char **error);
/* The same from the MD5 alone (tables that coturn uses): such a user is let in by MD5 only. */
struct sl_user *sl_user_from_key(const char *name, const char *realm, const uint8_t key_md5[16], const char **error);
/* A copy with keys made before (the store's rows). name: name_len bytes. NULL: no memory, or lengths out of range. */
struct sl_user *sl_user_copy(const char *name, size_t name_len, const char *realm, const uint8_t key_md5[16], const uint8_t key_sha256[32],
        const uint8_t userhash[32], uint16_t flags, int64_t created_unix_s);
/* RFC 8265 4.2: UTF-8 without control characters. */
bool sl_user_text_is_plain(const char *s);
struct sl_user *sl_user_ref(struct sl_user *u);
void sl_user_unref(struct sl_user *u); /* wipes the keys with the last reference */
bool sl_user_same_keys(const struct sl_user *a, const struct sl_user *b);
/* What the dataplane is told; realm: its index there. */
void sl_user_command(const struct sl_user *u, uint16_t realm, struct sl_cmd_user *out);

/* name: len bytes. NULL when there is none; no reference is taken. */
struct sl_user *sl_users_find(const struct sl_users *set, const char *realm, const char *name, size_t len);
/* Put u in, taking over the caller's reference; one of the same realm and name goes. 0 or -ENOMEM (the reference
 * stays). */
int sl_users_put(struct sl_users *set, struct sl_user *u);
/* Put users in (a reference is taken), or out where gone says so: n of them, sorted by realm and name, none twice. 0 or -ENOMEM with
 * nothing changed. */
int sl_users_change(struct sl_users *set, struct sl_user *const *users, const bool *gone, size_t n);
/* True when there was one of that name. */
bool sl_users_remove(struct sl_users *set, const char *realm, const char *name, size_t len);
size_t sl_users_count(const struct sl_users *set, const char *realm);
/* The same users with the same keys? */
bool sl_users_same(const struct sl_users *a, const struct sl_users *b);
void sl_users_clear(struct sl_users *set);

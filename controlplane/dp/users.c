/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/dp/users.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { PASSWORD_MAX = 256 };

static bool hash(const EVP_MD *md, const char *parts[], unsigned n, uint8_t *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, md, NULL);

	for (unsigned i = 0; ok && i < n; i++)
		ok = (i == 0 || EVP_DigestUpdate(ctx, ":", 1)) &&
		     EVP_DigestUpdate(ctx, parts[i], strlen(parts[i]));
	ok = ok && EVP_DigestFinal_ex(ctx, out, NULL);
	EVP_MD_CTX_free(ctx);
	return ok;
}

/* RFC 8265 4.2: no control characters; and UTF-8 that could be shown again. */
bool sl_user_text_is_plain(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		unsigned more = *p < 0x80 ? 0 : (*p & 0xe0) == 0xc0 ? 1 : (*p & 0xf0) == 0xe0 ? 2 : 3;
		if (*p < 0x20 || *p == 0x7f || *p == 0xc0 || *p == 0xc1 || *p > 0xf4 ||
		        (*p >= 0x80 && *p < 0xc2))
			return false;
		for (p++; more; more--, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
		}
	}
	return true;
}

struct sl_user *sl_user_copy(const char *name, size_t name_len, const char *realm, const uint8_t key_md5[16], const uint8_t key_sha256[32],
        const uint8_t userhash[32], uint16_t flags, int64_t created_unix_s)
{
	size_t realm_len = strlen(realm);

	if (name_len == 0 || name_len > SL_MSG_USERNAME_MAX || realm_len == 0 || realm_len >= SL_MSG_REALM_MAX)
		return NULL;
	struct sl_user *u = calloc(1, sizeof *u + name_len + realm_len + 2);
	if (!u)
		return NULL;
	u->refs = 1;
	u->flags = flags;
	u->name_len = (uint16_t)name_len;
	u->created_unix_s = created_unix_s;
	memcpy(u->key_md5, key_md5, sizeof u->key_md5);
	memcpy(u->key_sha256, key_sha256, sizeof u->key_sha256);
	memcpy(u->userhash, userhash, sizeof u->userhash);
	memcpy(u->name, name, name_len);
	u->realm = memcpy(u->name + name_len + 1, realm, realm_len);
	return u;
}

static bool is_name(const char *name, const char *realm, const char **error)
{
	size_t len = strlen(name);

	if (len == 0 || len > SL_MSG_USERNAME_MAX || !sl_user_text_is_plain(name))
		*error = "name";
	else if (!realm[0] || strlen(realm) >= SL_MSG_REALM_MAX || !sl_user_text_is_plain(realm))
		*error = "realm";
	else
		return true;
	return false;
}

struct sl_user *sl_user_new(
        const char *name, const char *realm, const char *password, int64_t created_unix_s, const char **error)
{
	const char *parts[] = {name, realm, password};
	uint8_t md5[16], sha256[32], userhash[32];
	struct sl_user *u = NULL;

	if (!is_name(name, realm, error))
		return NULL;
	if (!password[0] || strlen(password) > PASSWORD_MAX || !sl_user_text_is_plain(password)) {
		*error = "password";
		return NULL;
	}
	*error = "memory";
	if (hash(EVP_md5(), parts, 3, md5) && hash(EVP_sha256(), parts, 3, sha256) && hash(EVP_sha256(), parts, 2, userhash))
		u = sl_user_copy(name, strlen(name), realm, md5, sha256, userhash, 0, created_unix_s);
	OPENSSL_cleanse(md5, sizeof md5);
	OPENSSL_cleanse(sha256, sizeof sha256);
	return u;
}

struct sl_user *sl_user_from_key(const char *name, const char *realm, const uint8_t key_md5[16], const char **error)
{
	const char *parts[] = {name, realm};
	const uint8_t none[32] = {0};
	uint8_t userhash[32];

	if (!is_name(name, realm, error))
		return NULL;
	*error = "memory";
	if (!hash(EVP_sha256(), parts, 2, userhash))
		return NULL;
	return sl_user_copy(name, strlen(name), realm, key_md5, none, userhash, SL_USER_NO_SHA256, 0);
}

void sl_user_command(const struct sl_user *u, uint16_t realm, struct sl_cmd_user *out)
{
	*out = (struct sl_cmd_user){.name_len = u->name_len, .realm = realm, .flags = u->flags};
	memcpy(out->name, u->name, u->name_len);
	memcpy(out->key_md5, u->key_md5, sizeof out->key_md5);
	memcpy(out->key_sha256, u->key_sha256, sizeof out->key_sha256);
	memcpy(out->userhash, u->userhash, sizeof out->userhash);
}

bool sl_user_same_keys(const struct sl_user *a, const struct sl_user *b)
{
	return a->flags == b->flags && CRYPTO_memcmp(a->key_md5, b->key_md5, sizeof a->key_md5) == 0 &&
	       CRYPTO_memcmp(a->key_sha256, b->key_sha256, sizeof a->key_sha256) == 0;
}

struct sl_user *sl_user_ref(struct sl_user *u)
{
	u->refs++;
	return u;
}

void sl_user_unref(struct sl_user *u)
{
	if (!u || --u->refs > 0)
		return;
	OPENSSL_cleanse(u, sizeof *u + u->name_len);
	free(u);
}

/* Order of names: realm, then bytes, the shorter first. */
static int compare(const struct sl_user *u, const char *realm, const char *name, size_t len)
{
	size_t common = u->name_len < len ? u->name_len : len;
	int c = strcmp(u->realm, realm);

	if (!c)
		c = memcmp(u->name, name, common);
	if (c)
		return c;
	return u->name_len < len ? -1 : u->name_len > len;
}

/* Where the name is or would be. */
static size_t position_from(const struct sl_users *set, size_t low, const char *realm, const char *name, size_t len)
{
	size_t high = set->n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (compare(set->by_name[mid], realm, name, len) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static size_t position(const struct sl_users *set, const char *realm, const char *name, size_t len)
{
	return position_from(set, 0, realm, name, len);
}

struct sl_user *sl_users_find(const struct sl_users *set, const char *realm, const char *name, size_t len)
{
	size_t at = position(set, realm, name, len);

	return at < set->n && compare(set->by_name[at], realm, name, len) == 0 ? set->by_name[at] : NULL;
}

int sl_users_put(struct sl_users *set, struct sl_user *u)
{
	/* Whole tables come in order: then nothing is searched and nothing moved. */
	size_t at = set->n && compare(set->by_name[set->n - 1], u->realm, u->name, u->name_len) < 0 ? set->n : position(set, u->realm, u->name, u->name_len);

	if (at < set->n && compare(set->by_name[at], u->realm, u->name, u->name_len) == 0) {
		sl_user_unref(set->by_name[at]);
		set->by_name[at] = u;
		return 0;
	}
	if (set->n == set->capacity) {
		size_t capacity = set->capacity ? set->capacity * 2 : 64;
		struct sl_user **grown = realloc(set->by_name, capacity * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		set->by_name = grown;
		set->capacity = capacity;
	}
	memmove(set->by_name + at + 1, set->by_name + at, (set->n - at) * sizeof *set->by_name);
	set->by_name[at] = u;
	set->n++;
	return 0;
}

/* The same of a large set for many at once: what lies between them is moved once. */
int sl_users_change(struct sl_users *set, struct sl_user *const *users, const bool *gone, size_t n)
{
	size_t at = 0, kept = 0;
	struct sl_user **all = malloc((set->n + n + 1) * sizeof *all);

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct sl_user *u = users[i];
		size_t to = position_from(set, at, u->realm, u->name, u->name_len);
		if (to > at)
			memcpy(all + kept, set->by_name + at, (to - at) * sizeof *all);
		kept += to - at;
		at = to;
		if (at < set->n && compare(set->by_name[at], u->realm, u->name, u->name_len) == 0)
			sl_user_unref(set->by_name[at++]);
		if (!gone[i])
			all[kept++] = sl_user_ref(users[i]);
	}
	if (at < set->n)
		memcpy(all + kept, set->by_name + at, (set->n - at) * sizeof *all);
	kept += set->n - at;
	set->capacity = set->n + n + 1;
	free(set->by_name);
	set->by_name = all;
	set->n = kept;
	return 0;
}

bool sl_users_remove(struct sl_users *set, const char *realm, const char *name, size_t len)
{
	size_t at = position(set, realm, name, len);

	if (at == set->n || compare(set->by_name[at], realm, name, len) != 0)
		return false;
	sl_user_unref(set->by_name[at]);
	set->n--;
	memmove(set->by_name + at, set->by_name + at + 1, (set->n - at) * sizeof *set->by_name);
	return true;
}

size_t sl_users_count(const struct sl_users *set, const char *realm)
{
	size_t first = position(set, realm, "", 0), low = first, high = set->n;

	while (low < high) { /* behind the last one of the realm */
		size_t mid = (low + high) / 2;
		if (strcmp(set->by_name[mid]->realm, realm) == 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low - first;
}

bool sl_users_same(const struct sl_users *a, const struct sl_users *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		const struct sl_user *u = b->by_name[i];
		if (compare(a->by_name[i], u->realm, u->name, u->name_len) != 0 || !sl_user_same_keys(a->by_name[i], u))
			return false;
	}
	return true;
}

void sl_users_clear(struct sl_users *set)
{
	for (size_t i = 0; i < set->n; i++)
		sl_user_unref(set->by_name[i]);
	free(set->by_name);
	*set = (struct sl_users){0};
}

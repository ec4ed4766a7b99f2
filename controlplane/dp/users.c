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
static bool is_plain_utf8(const char *s)
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

struct sl_user *sl_user_new(
        const char *name, const char *realm, const char *password, int64_t created_unix_s, const char **error)
{
	const char *parts[] = {name, realm, password};
	size_t len = strlen(name);

	if (len == 0 || len > SL_MSG_USERNAME_MAX || !is_plain_utf8(name)) {
		*error = "name";
		return NULL;
	}
	if (!password[0] || strlen(password) > PASSWORD_MAX || !is_plain_utf8(password)) {
		*error = "password";
		return NULL;
	}
	*error = "memory";
	struct sl_user *u = calloc(1, sizeof *u);
	if (!u)
		return NULL;
	u->refs = 1;
	u->created_unix_s = created_unix_s;
	strncpy(u->realm, realm, sizeof u->realm - 1);
	u->keys.name_len = (uint16_t)len;
	memcpy(u->keys.name, name, len);
	if (!hash(EVP_md5(), parts, 3, u->keys.key_md5) ||
	        !hash(EVP_sha256(), parts, 3, u->keys.key_sha256) ||
	        !hash(EVP_sha256(), parts, 2, u->keys.userhash)) {
		sl_user_unref(u);
		return NULL;
	}
	return u;
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
	OPENSSL_cleanse(u, sizeof *u);
	free(u);
}

/* Order of names: bytes, the shorter first. */
static int compare(const struct sl_user *u, const char *name, size_t len)
{
	size_t common = u->keys.name_len < len ? u->keys.name_len : len;
	int c = memcmp(u->keys.name, name, common);

	if (c)
		return c;
	return u->keys.name_len < len ? -1 : u->keys.name_len > len;
}

/* Where the name is or would be. */
static size_t position(const struct sl_users *set, const char *name, size_t len)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (compare(set->by_name[mid], name, len) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct sl_user *sl_users_find(const struct sl_users *set, const char *name, size_t len)
{
	size_t at = position(set, name, len);

	return at < set->n && compare(set->by_name[at], name, len) == 0 ? set->by_name[at] : NULL;
}

int sl_users_put(struct sl_users *set, struct sl_user *u)
{
	size_t at = position(set, u->keys.name, u->keys.name_len);

	if (at < set->n && compare(set->by_name[at], u->keys.name, u->keys.name_len) == 0) {
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

bool sl_users_remove(struct sl_users *set, const char *name, size_t len)
{
	size_t at = position(set, name, len);

	if (at == set->n || compare(set->by_name[at], name, len) != 0)
		return false;
	sl_user_unref(set->by_name[at]);
	set->n--;
	memmove(set->by_name + at, set->by_name + at + 1, (set->n - at) * sizeof *set->by_name);
	return true;
}

void sl_users_clear(struct sl_users *set)
{
	for (size_t i = 0; i < set->n; i++)
		sl_user_unref(set->by_name[i]);
	free(set->by_name);
	*set = (struct sl_users){0};
}

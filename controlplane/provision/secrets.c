/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/provision/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

enum { TOKEN_BYTES = 24 };

/* RFC 7616 3.4.2 (and RFC 8760): H(user ":" realm ":" password). */
void sl_ha1(const char *user, const char *realm, const char *password, uint8_t md5[16], uint8_t sha256[32])
{
	char text[3 * 128 + 3];
	int n = snprintf(text, sizeof text, "%s:%s:%s", user, realm, password);

	EVP_Digest(text, (size_t)n, md5, NULL, EVP_md5(), NULL);
	EVP_Digest(text, (size_t)n, sha256, NULL, EVP_sha256(), NULL);
	OPENSSL_cleanse(text, sizeof text);
}

void sl_hex(const uint8_t *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = '\0';
}

void sl_wipe_member(json_t *object, const char *name)
{
	json_t *v = json_object_get(object, name);

	if (json_is_string(v))
		OPENSSL_cleanse((char *)json_string_value(v), json_string_length(v));
	json_object_del(object, name);
}

void sl_token_hash(const char *secret, size_t len, uint8_t sha256[32])
{
	EVP_Digest(secret, len, sha256, NULL, EVP_sha256(), NULL);
}

int sl_token_new(char *out, size_t room)
{
	uint8_t bytes[TOKEN_BYTES];

	if (room < 2 * TOKEN_BYTES + 1 || RAND_bytes(bytes, sizeof bytes) != 1)
		return -EIO;
	sl_hex(bytes, sizeof bytes, out);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return 0;
}

uint32_t sl_prov_token_scopes(const struct sl_prov *p, const char *token, char tenant[SL_PROV_NAME_MAX + 1])
{
	const struct sl_resource_list *l = &p->set.kinds[SL_PROV_TOKEN];
	uint8_t hash[32];
	uint32_t mask = 0;

	tenant[0] = '\0';
	sl_token_hash(token, strlen(token), hash);
	for (size_t i = 0; i < l->n; i++) { /* all of them: the time tells nothing */
		const struct sl_res_token *t = l->v[i]->raw;

		if (CRYPTO_memcmp(t->sha256, hash, sizeof hash) == 0) {
			mask = t->mask;
			snprintf(tenant, SL_PROV_NAME_MAX + 1, "%s", t->tenant);
		}
	}
	return mask;
}

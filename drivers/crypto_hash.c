/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "drivers/crypto_hash.h"

#include <errno.h>
#include <stdlib.h>

#include <intel-ipsec-mb.h>

enum { BLOCK = 64, SHA1_BYTES = 20, SHA256_BYTES = 32, GCM_TAG = 16 };

struct context {
	IMB_MGR *mgr;
	/* The direct functions want their input in one piece: key pad, then message. */
	_Alignas(64) uint8_t inner[BLOCK + SL_CRYPTO_HASH_MAX_BYTES];
	uint8_t outer[BLOCK + SHA256_BYTES];
	_Alignas(64) struct gcm_key_data gcm_key;
	struct gcm_context_data gcm;
};

static void digest(const struct context *h, bool sha256, const void *p, size_t n, uint8_t *out)
{
	if (sha256)
		IMB_SHA256(h->mgr, p, n, out);
	else
		IMB_SHA1(h->mgr, p, n, out);
}

/* HMAC of RFC 2104. */
static void hmac(struct context *h, bool sha256, const uint8_t *key, size_t key_len, const struct sl_iov *iov,
        unsigned n, uint8_t *out)
{
	size_t hash_len = sha256 ? SHA256_BYTES : SHA1_BYTES, len = 0;
	uint8_t k[BLOCK] = {0};

	for (unsigned i = 0; i < n; i++) {
		if (iov[i].len > SL_CRYPTO_HASH_MAX_BYTES - len) {
			len = 0;
			break;
		}
		memcpy(h->inner + BLOCK + len, iov[i].base, iov[i].len);
		len += iov[i].len;
	}
	if (key_len > BLOCK)
		digest(h, sha256, key, key_len, k);
	else
		memcpy(k, key, key_len);
	for (unsigned i = 0; i < BLOCK; i++) {
		h->inner[i] = k[i] ^ 0x36;
		h->outer[i] = k[i] ^ 0x5c;
	}
	digest(h, sha256, h->inner, BLOCK + len, h->outer + BLOCK);
	digest(h, sha256, h->outer, BLOCK + hash_len, out);
	explicit_bzero(k, sizeof k);
	explicit_bzero(h->inner, BLOCK);
	explicit_bzero(h->outer, BLOCK);
}

static void hmac_sha1(void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n, uint8_t *out)
{
	hmac((struct context *)ctx, false, key, key_len, iov, n, out);
}

static void hmac_sha256(void *ctx, const uint8_t *key, size_t key_len, const struct sl_iov *iov, unsigned n,
        uint8_t *out)
{
	hmac((struct context *)ctx, true, key, key_len, iov, n, out);
}

static bool gcm_open(void *ctx, const uint8_t *key, size_t key_len, const uint8_t nonce[12], const void *aad, size_t aad_len, const uint8_t *in, size_t len,
	uint8_t *out)
{
	struct context *h = (struct context *)ctx;
	uint8_t tag[GCM_TAG];

	if (len <= GCM_TAG || (key_len != 16 && key_len != 32))
		return false;
	if (key_len == 32) {
		IMB_AES256_GCM_PRE(h->mgr, key, &h->gcm_key);
		IMB_AES256_GCM_DEC(h->mgr, &h->gcm_key, &h->gcm, out, in, len - GCM_TAG, nonce, aad, aad_len, tag, GCM_TAG);
	} else {
		IMB_AES128_GCM_PRE(h->mgr, key, &h->gcm_key);
		IMB_AES128_GCM_DEC(h->mgr, &h->gcm_key, &h->gcm, out, in, len - GCM_TAG, nonce, aad, aad_len, tag, GCM_TAG);
	}
	explicit_bzero(&h->gcm_key, sizeof h->gcm_key);
	explicit_bzero(&h->gcm, sizeof h->gcm);
	if (sl_equal_ct(tag, in + len - GCM_TAG, GCM_TAG))
		return true;
	explicit_bzero(out, len - GCM_TAG);
	return false;
}

static void context_free(struct context *h)
{
	if (h->mgr)
		free_mb_mgr(h->mgr);
	explicit_bzero(h, sizeof *h);
	free(h);
}

int sl_crypto_hash_init(struct sl_stun_crypto *c)
{
	struct context *h = (struct context *)aligned_alloc(64, (sizeof *h + 63) & ~(size_t)63);

	*c = (struct sl_stun_crypto){0};
	if (!h)
		return -ENOMEM;
	memset(h, 0, sizeof *h);
	h->mgr = alloc_mb_mgr(0);
	if (!h->mgr) {
		context_free(h);
		return -ENOMEM;
	}
	init_mb_mgr_auto(h->mgr, NULL);
	if (imb_get_errno(h->mgr) != 0) {
		context_free(h);
		return -ENOTSUP;
	}
	*c = (struct sl_stun_crypto){h, hmac_sha1, hmac_sha256, gcm_open};
	return 0;
}

void sl_crypto_hash_free(struct sl_stun_crypto *c)
{
	if (c->ctx)
		context_free((struct context *)c->ctx);
	*c = (struct sl_stun_crypto){0};
}

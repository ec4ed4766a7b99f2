/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* For SHA1_Init() and its like: those of EVP allocate each time they begin. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "drivers/srtp_bare.h"

#include <errno.h>
#include <string.h>

#include <openssl/sha.h>

enum { TAG_BYTES = 16 };

static const char *const cipher_names[SL_BARE_CIPHERS] = {
        [SL_BARE_CTR_128] = "AES-128-CTR",
        [SL_BARE_CTR_192] = "AES-192-CTR",
        [SL_BARE_CTR_256] = "AES-256-CTR",
        [SL_BARE_GCM_128] = "AES-128-GCM",
        [SL_BARE_GCM_256] = "AES-256-GCM",
};

static int open_cipher(EVP_CIPHER_CTX **out, const char *name)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, name, NULL);
	bool ok;

	*out = EVP_CIPHER_CTX_new();
	ok = *out && c && EVP_EncryptInit_ex2(*out, c, NULL, NULL, NULL) == 1;
	EVP_CIPHER_free(c); /* the context holds it */
	return ok ? 0 : *out && c ? -ENOMEM : *out ? -ENOTSUP : -ENOMEM;
}

/* The first use of a context, and the first failure of a thread, make libcrypto allocate. */
static bool first_use(struct sl_srtp_bare *b, unsigned key_len)
{
	static const uint8_t zero[32];
	struct sl_srtp_piece piece = {zero, 1};
	uint8_t data[1] = {0}, tag[TAG_BYTES];

	if (!sl_srtp_bare_ctr(b, zero, key_len, zero, data, 1))
		return false;
	return key_len == 24 ||
	       (sl_srtp_bare_seal(b, zero, key_len, zero, &piece, 1, data, 1, tag) &&
	               !sl_srtp_bare_unseal(b, zero, key_len, zero, &piece, 1, data, 1, zero));
}

int sl_srtp_bare_open(struct sl_srtp_bare *b)
{
	int err = 0;

	memset(b, 0, sizeof *b);
	for (unsigned i = 0; i < SL_BARE_CIPHERS && !err; i++)
		err = open_cipher(&b->cipher[i], cipher_names[i]);
	for (unsigned key_len = 16; key_len <= 32 && !err; key_len += 8)
		err = first_use(b, key_len) ? 0 : -ENOTSUP;
	if (err)
		sl_srtp_bare_close(b);
	return err;
}

void sl_srtp_bare_close(struct sl_srtp_bare *b)
{
	for (unsigned i = 0; i < SL_BARE_CIPHERS; i++)
		EVP_CIPHER_CTX_free(b->cipher[i]);
	memset(b, 0, sizeof *b);
}

bool sl_srtp_bare_ctr(struct sl_srtp_bare *b, const uint8_t *key, unsigned key_len, const uint8_t iv[16],
        uint8_t *data, size_t len)
{
	EVP_CIPHER_CTX *c = b->cipher[key_len == 16   ? SL_BARE_CTR_128
	                              : key_len == 24 ? SL_BARE_CTR_192
	                                              : SL_BARE_CTR_256];
	int n;

	return EVP_EncryptInit_ex2(c, NULL, key, iv, NULL) == 1 &&
	       EVP_EncryptUpdate(c, data, &n, data, (int)len) == 1;
}

static EVP_CIPHER_CTX *gcm_begin(struct sl_srtp_bare *b, const uint8_t *key, unsigned key_len,
        const uint8_t *iv, bool encrypt, const struct sl_srtp_piece *aad, unsigned n_aad)
{
	EVP_CIPHER_CTX *c = b->cipher[key_len == 16 ? SL_BARE_GCM_128 : SL_BARE_GCM_256];
	int n;

	if (EVP_CipherInit_ex2(c, NULL, key, iv, encrypt, NULL) != 1)
		return NULL;
	for (unsigned i = 0; i < n_aad; i++)
		if (EVP_CipherUpdate(c, NULL, &n, aad[i].p, (int)aad[i].len) != 1)
			return NULL;
	return c;
}

bool sl_srtp_bare_seal(struct sl_srtp_bare *b, const uint8_t *key, unsigned key_len, const uint8_t *iv,
        const struct sl_srtp_piece *aad, unsigned n_aad, uint8_t *data, size_t len, uint8_t tag[16])
{
	EVP_CIPHER_CTX *c = gcm_begin(b, key, key_len, iv, true, aad, n_aad);
	int n;

	return c && EVP_EncryptUpdate(c, data, &n, data, (int)len) == 1 &&
	       EVP_EncryptFinal_ex(c, data + len, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1;
}

bool sl_srtp_bare_unseal(struct sl_srtp_bare *b, const uint8_t *key, unsigned key_len, const uint8_t *iv,
        const struct sl_srtp_piece *aad, unsigned n_aad, uint8_t *data, size_t len, const uint8_t tag[16])
{
	EVP_CIPHER_CTX *c = gcm_begin(b, key, key_len, iv, false, aad, n_aad);
	uint8_t want[TAG_BYTES];
	int n;

	memcpy(want, tag, TAG_BYTES); /* the control call wants it writable */
	return c && EVP_DecryptUpdate(c, data, &n, data, (int)len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, want) == 1 &&
	       EVP_DecryptFinal_ex(c, data + len, &n) == 1;
}

static bool digest(
        const uint8_t pad[SHA_CBLOCK], const struct sl_srtp_piece *pieces, unsigned n, uint8_t *out)
{
	SHA_CTX c;
	bool ok = SHA1_Init(&c) == 1 && SHA1_Update(&c, pad, SHA_CBLOCK) == 1;

	for (unsigned i = 0; i < n && ok; i++)
		ok = SHA1_Update(&c, pieces[i].p, pieces[i].len) == 1;
	ok = ok && SHA1_Final(out, &c) == 1;
	explicit_bzero(&c, sizeof c);
	return ok;
}

bool sl_srtp_bare_hmac(const uint8_t key[20], const struct sl_srtp_piece *pieces, unsigned n, uint8_t out[20])
{
	uint8_t pad[SHA_CBLOCK], inner[SHA_DIGEST_LENGTH];
	struct sl_srtp_piece outer = {inner, sizeof inner};
	bool ok;

	memset(pad, 0x36, sizeof pad);
	for (unsigned i = 0; i < SHA_DIGEST_LENGTH; i++)
		pad[i] ^= key[i];
	ok = digest(pad, pieces, n, inner);
	for (unsigned i = 0; i < sizeof pad; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	ok = ok && digest(pad, &outer, 1, out);
	explicit_bzero(pad, sizeof pad);
	return ok;
}

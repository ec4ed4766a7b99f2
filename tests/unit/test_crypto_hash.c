/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The workers' HMAC and AES-GCM against OpenSSL's. */

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "drivers/crypto_hash.h"

static void like_openssl(void **state)
{
	static uint8_t message[3000], key[100];
	struct sl_stun_crypto c;

	assert_int_equal(sl_crypto_hash_init(&c), 0);
	for (unsigned i = 0; i < sizeof message; i++)
		message[i] = (uint8_t)(i * 7);
	for (unsigned i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)(i * 3 + 1);
	for (unsigned len = 0; len < sizeof message; len += len < 300 ? 1 : 97) {
		unsigned key_len = len % 101, cut = len / 3;
		const struct sl_iov iov[3] = {{message, cut}, {message + cut, 0}, {message + cut, len - cut}};
		uint8_t ours[32], theirs[32];
		c.hmac_sha1(c.ctx, key, key_len, iov, 3, ours);
		HMAC(EVP_sha1(), key, (int)key_len, message, len, theirs, NULL);
		assert_memory_equal(ours, theirs, 20);
		c.hmac_sha256(c.ctx, key, key_len, iov, 3, ours);
		HMAC(EVP_sha256(), key, (int)key_len, message, len, theirs, NULL);
		assert_memory_equal(ours, theirs, 32);
	}
	sl_crypto_hash_free(&c);
	sl_crypto_hash_free(&c);
}

static void the_longest_message(void **state)
{
	struct sl_stun_crypto c;
	uint8_t *message = (uint8_t *)calloc(1, SL_CRYPTO_HASH_MAX_BYTES + 1), ours[32], theirs[32];
	struct sl_iov iov = {message, SL_CRYPTO_HASH_MAX_BYTES};

	assert_non_null(message);
	assert_int_equal(sl_crypto_hash_init(&c), 0);
	c.hmac_sha256(c.ctx, message, 16, &iov, 1, ours);
	HMAC(EVP_sha256(), message, 16, message, SL_CRYPTO_HASH_MAX_BYTES, theirs, NULL);
	assert_memory_equal(ours, theirs, 32);
	iov.len++; /* nobody sends this: no over-run, and no hash of it */
	c.hmac_sha256(c.ctx, message, 16, &iov, 1, ours);
	HMAC(EVP_sha256(), message, 16, message, SL_CRYPTO_HASH_MAX_BYTES + 1, theirs, NULL);
	assert_memory_not_equal(ours, theirs, 32);
	sl_crypto_hash_free(&c);
	free(message);
}

static unsigned seal(const uint8_t *key, unsigned key_len, const uint8_t *nonce, const void *aad, unsigned aad_len, const uint8_t *in, unsigned len,
	uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	assert_int_equal(EVP_EncryptInit_ex(c, key_len == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), NULL, key, nonce), 1);
	assert_int_equal(EVP_EncryptUpdate(c, NULL, &n, aad, (int)aad_len), 1);
	assert_int_equal(EVP_EncryptUpdate(c, out, &n, in, (int)len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(c, out + len, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, out + len), 1);
	EVP_CIPHER_CTX_free(c);
	return len + 16;
}

static void opens_what_openssl_sealed(void **state)
{
	uint8_t key[32], nonce[12], plain[100], sealed[116], out[100];
	struct sl_stun_crypto c;

	assert_int_equal(sl_crypto_hash_init(&c), 0);
	for (unsigned i = 0; i < sizeof plain; i++)
		plain[i] = (uint8_t)(i * 11);
	for (unsigned len = 1; len <= sizeof plain; len++) {
		unsigned key_len = len % 2 ? 32 : 16, aad_len = len % 40;
		memset(key, (int)len, sizeof key);
		memset(nonce, (int)len + 1, sizeof nonce);
		unsigned n = seal(key, key_len, nonce, plain, aad_len, plain, len, sealed);
		assert_true(c.gcm_open(c.ctx, key, key_len, nonce, plain, aad_len, sealed, n, out));
		assert_memory_equal(out, plain, len);
		for (unsigned i = 0; i < n; i++) {
			sealed[i] ^= 0x80;
			assert_false(c.gcm_open(c.ctx, key, key_len, nonce, plain, aad_len, sealed, n, out));
			sealed[i] ^= 0x80;
		}
		assert_false(c.gcm_open(c.ctx, key, key_len, nonce, plain, aad_len + 1, sealed, n, out));
	}
	assert_false(c.gcm_open(c.ctx, key, 24, nonce, plain, 0, sealed, 116, out));
	assert_false(c.gcm_open(c.ctx, key, 32, nonce, plain, 0, sealed, 16, out));
	sl_crypto_hash_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_openssl),
		cmocka_unit_test(the_longest_message),
		cmocka_unit_test(opens_what_openssl_sealed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

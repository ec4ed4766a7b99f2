/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The workers' HMAC against OpenSSL's. */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(like_openssl),
		cmocka_unit_test(the_longest_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

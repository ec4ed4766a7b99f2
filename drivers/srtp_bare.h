/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* AES and HMAC-SHA1 one message at a time, by libcrypto, for what is rare and must run anywhere: key
 * derivation and SRTCP. Everything libcrypto needs is made at open; re-keying its contexts allocates nothing
 * (test_srtp.c counts). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

enum sl_srtp_bare_cipher {
	SL_BARE_CTR_128,
	SL_BARE_CTR_192,
	SL_BARE_CTR_256,
	SL_BARE_GCM_128,
	SL_BARE_GCM_256,
	SL_BARE_CIPHERS
};

struct sl_srtp_bare {
	EVP_CIPHER_CTX *cipher[SL_BARE_CIPHERS];
};

struct sl_srtp_piece {
	const uint8_t *p;
	size_t len;
};

/* 0, -ENOMEM, or -ENOTSUP (libcrypto lacks an algorithm: its configuration). */
int sl_srtp_bare_open(struct sl_srtp_bare *b);
void sl_srtp_bare_close(struct sl_srtp_bare *b);

/* AES-CTR in place, the whole iv being the first counter block. False: libcrypto refused. */
bool sl_srtp_bare_ctr(struct sl_srtp_bare *b, const uint8_t *key, unsigned key_len, const uint8_t iv[16],
        uint8_t *data, size_t len);
/* AES-GCM in place with a 12-byte iv and 16-byte tag. open: false when the tag is not right. */
bool sl_srtp_bare_seal(struct sl_srtp_bare *b, const uint8_t *key, unsigned key_len, const uint8_t *iv,
        const struct sl_srtp_piece *aad, unsigned n_aad, uint8_t *data, size_t len, uint8_t tag[16]);
bool sl_srtp_bare_unseal(struct sl_srtp_bare *b, const uint8_t *key, unsigned key_len, const uint8_t *iv,
        const struct sl_srtp_piece *aad, unsigned n_aad, uint8_t *data, size_t len, const uint8_t tag[16]);
/* HMAC-SHA1 under a 20-byte key (RFC 2104). */
bool sl_srtp_bare_hmac(
        const uint8_t key[20], const struct sl_srtp_piece *pieces, unsigned n, uint8_t out[20]);

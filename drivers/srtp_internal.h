/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between srtp.c, srtcp.c and the backends. */

#include <string.h>

#include "drivers/srtp.h"
#include "drivers/srtp_bare.h"

enum {
	SL_SRTP_AUTH_BYTES = 20, /* HMAC-SHA1 key and digest (RFC 3711 4.2.1) */
	SL_SRTP_ROC_BYTES = 4,
	SL_SRTP_CM_IV = 16,
	SL_SRTP_GCM_IV = 12,       /* RFC 7714 8.1 */
	SL_SRTP_CM_TAG_WORDS = 12, /* the longest tag of 10 bytes, in words */
	SL_SRTP_GCM_TAG = 16,
	SL_RTP_SSRC_AT = 8,
	SL_SRTP_DESCRIBE_MAX = 96,
};

/* Which primitive a suite rests on. */
enum sl_srtp_kind {
	SL_SRTP_CM_128,
	SL_SRTP_CM_192,
	SL_SRTP_CM_256,
	SL_SRTP_GCM_128,
	SL_SRTP_GCM_256,
	SL_SRTP_KINDS
};

static inline enum sl_srtp_kind sl_srtp_kind(unsigned suite)
{
	static const uint8_t kinds[SL_SRTP_N_SUITES] = {
	        [SL_SRTP_AES_CM_128_80] = SL_SRTP_CM_128,
	        [SL_SRTP_AES_CM_128_32] = SL_SRTP_CM_128,
	        [SL_SRTP_AES_CM_192_80] = SL_SRTP_CM_192,
	        [SL_SRTP_AES_CM_192_32] = SL_SRTP_CM_192,
	        [SL_SRTP_AES_CM_256_80] = SL_SRTP_CM_256,
	        [SL_SRTP_AES_CM_256_32] = SL_SRTP_CM_256,
	        [SL_SRTP_AEAD_128_GCM] = SL_SRTP_GCM_128,
	        [SL_SRTP_AEAD_256_GCM] = SL_SRTP_GCM_256,
	};
	return kinds[suite];
}

/* Session keys of one direction (RFC 3711 4.3.1). Wiped by whoever asked for them. */
struct sl_srtp_session_keys {
	uint8_t key[SL_SRTP_KEY_MAX], auth[SL_SRTP_AUTH_BYTES];
	uint8_t salt[16]; /* zeros behind its 14 or 12 bytes */
};

struct sl_srtp_engine_ops {
	size_t (*context_bytes)(const struct sl_srtp *s, enum sl_srtp_kind kind);
	/* ctx begins with its filled-in common part. 0 or -ENOSPC. */
	int (*context_init)(
	        struct sl_srtp *s, struct sl_srtp_context *ctx, const struct sl_srtp_session_keys *keys);
	void (*context_end)(struct sl_srtp *s, struct sl_srtp_context *ctx); /* NULL: nothing is held */
	void (*close)(struct sl_srtp *s);
};

/* What a backend's engine begins with. */
struct sl_srtp {
	void (*protect)(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n);
	void (*unprotect)(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n);
	const struct sl_srtp_engine_ops *engine;
	struct sl_srtp_bare bare;
	size_t bytes;  /* of the engine */
	bool borrowed; /* memory came from the caller's zalloc, which has no free */
	char describe[SL_SRTP_DESCRIBE_MAX];
};

/* Zeroed, 64-byte aligned memory for an engine whose first member is a struct sl_srtp. */
struct sl_srtp *sl_srtp_alloc(const struct sl_srtp_options *o, size_t bytes);
void sl_srtp_free(struct sl_srtp *s);

int sl_srtp_cryptodev_open(struct sl_srtp **out, const struct sl_srtp_options *o, char *err, size_t err_len);
int sl_srtp_ipsec_mb_open(struct sl_srtp **out, const struct sl_srtp_options *o, char *err, size_t err_len);

/* Labels of RFC 3711 4.3.2. */
enum sl_srtp_label { SL_SRTP_LABEL_RTP = 0, SL_SRTP_LABEL_RTCP = 3 };
/* 0, -EINVAL (suite, MKI length, flags), -EIO (libcrypto refused: never seen). */
int sl_srtp_derive(struct sl_srtp_bare *b, const struct sl_srtp_key *key, enum sl_srtp_label label,
        struct sl_srtp_session_keys *out);

/* The salt (16 bytes, zeros behind it) combined with SSRC and packet index: RFC 3711 4.1.1 for RTP, with the
 * SRTCP index 3.4. The block counter in the last two bytes begins at 0. */
static inline void sl_srtp_cm_iv(
        uint8_t iv[16], const uint8_t salt[16], const uint8_t ssrc[4], uint64_t index)
{
	uint64_t high, low;
	uint32_t ssrc_raw;

	memcpy(&high, salt, 8);
	memcpy(&low, salt + 8, 8);
	memcpy(&ssrc_raw, ssrc, 4);
	high ^= (uint64_t)ssrc_raw << 32; /* bytes 4..7 of a little-endian word */
	low ^= __builtin_bswap64(index << 16);
	memcpy(iv, &high, 8);
	memcpy(iv + 8, &low, 8);
}

/* RFC 7714 8.1: 00 00 | SSRC | ROC | SEQ, combined with the salt. 9.1: 00 00 | SSRC | 00 00 | SRTCP index is
 * the same with the index in the low 32 bits. */
static inline void sl_srtp_gcm_iv(
        uint8_t iv[SL_SRTP_GCM_IV], const uint8_t salt[16], const uint8_t ssrc[4], uint64_t index)
{
	uint8_t be[SL_SRTP_GCM_IV] = {0, 0, ssrc[0], ssrc[1], ssrc[2], ssrc[3]};
	uint64_t raw = __builtin_bswap64(index << 16);

	memcpy(be + 6, &raw, 6);
	for (unsigned i = 0; i < SL_SRTP_GCM_IV; i++)
		iv[i] = be[i] ^ salt[i];
}

static inline void sl_srtp_put_roc(uint8_t *p, uint64_t index)
{
	uint32_t roc = __builtin_bswap32((uint32_t)(index >> 16));
	memcpy(p, &roc, SL_SRTP_ROC_BYTES);
}

/* MKI and tag behind a protected packet (RFC 3711 3.1). Whole words are copied: there is room
 * (SL_SRTP_TAIL_MAX). */
static inline void sl_srtp_append_cm(struct sl_srtp_op *op, const uint8_t *digest)
{
	const struct sl_srtp_context *c = op->ctx;

	memcpy(op->rtp + op->len, c->mki, SL_SRTP_MKI_MAX);
	memcpy(op->rtp + op->len + c->mki_len, digest, SL_SRTP_CM_TAG_WORDS);
	op->len += c->mki_len + c->tag_len;
}

/* The tag is there and belongs to the ciphertext; the MKI follows (RFC 7714 8). */
static inline void sl_srtp_append_aead(struct sl_srtp_op *op)
{
	op->len += SL_SRTP_GCM_TAG;
	memcpy(op->rtp + op->len, op->ctx->mki, SL_SRTP_MKI_MAX);
	op->len += op->ctx->mki_len;
}

/* May this packet be protected, or unprotected? The latter takes MKI and tag off its length. */
static inline bool sl_srtp_fits_protect(struct sl_srtp_op *op)
{
	return op->len >= op->header_len && op->len <= UINT16_MAX - SL_SRTP_TAIL_MAX;
}
static inline bool sl_srtp_cut_tail(struct sl_srtp_op *op)
{
	unsigned tail = op->ctx->mki_len + op->ctx->tag_len;

	if (op->len < op->header_len + tail)
		return false;
	op->len -= tail;
	return true;
}

/* Constant time. */
static inline bool sl_srtp_tag_is(const uint8_t *a, const uint8_t *b, unsigned len)
{
	unsigned differ = 0;
	for (unsigned i = 0; i < len; i++)
		differ |= a[i] ^ b[i];
	return differ == 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the x86 backend is made of: libipsec-mb, and kernels of our own for where its job queue costs as much
 * as the cryptography (srtp_ipsec_mb.c says which is used when, and what was measured). */

#include <intel-ipsec-mb.h>

#include "drivers/srtp_internal.h"

enum {
	SL_AES_BLOCK = 16,
	SL_AES_ROUND_KEYS_MAX = 15, /* AES-256 */
	SL_SHA1_BLOCK = 64,
	SL_SHA1_BYTES = 20,
	SL_CACHE_LINE = 64,
};

/* AES-CM suites. First line: what counter and hash begin with; then the round keys, as many as the key has.
 */
struct sl_cm_context {
	struct sl_srtp_context common;
	uint8_t salt[16];
	uint8_t ipad[SL_SHA1_BYTES],
	        opad[SL_SHA1_BYTES]; /* SHA-1 states behind the key's pads (RFC 2104), five host words */
	_Alignas(SL_CACHE_LINE) uint8_t round_keys[SL_AES_ROUND_KEYS_MAX][SL_AES_BLOCK];
};

/* AEAD suites, our own layout: the powers of the hash key follow the round keys, of which the key's length
 * tells how many. */
enum { SL_GCM_POWERS = 16 };
struct sl_gcm_context {
	struct sl_srtp_context common;
	_Alignas(16) uint8_t salt[16];
	uint8_t round_keys[SL_AES_ROUND_KEYS_MAX + SL_GCM_POWERS][SL_AES_BLOCK];
};

/* Number of AES rounds: 10, 12, 14. */
static inline unsigned sl_cm_rounds(const struct sl_cm_context *c)
{
	return 10 + 2 * (unsigned)sl_srtp_kind(c->common.suite);
}

/* ---- srtp_ctr.c: AES in counter mode (RFC 3711 4.1.1) ---- */

/* Encrypts or decrypts the payload of op, whose len says where it ends. Up to SL_AES_BLOCK - 1 bytes behind
 * it are overwritten. */
typedef void sl_srtp_ctr_fn(const struct sl_cm_context *c, const struct sl_srtp_op *op);
sl_srtp_ctr_fn sl_srtp_ctr_aesni, sl_srtp_ctr_vaes;

static inline bool sl_cm_is_clear(const struct sl_cm_context *c)
{
	return c->common.flags & SL_SRTP_PLAIN_RTP;
}

/* ---- srtp_shani.c, srtp_jobs.c: bursts of AES-CM packets, lengths checked, status 0 ---- */

struct sl_cm_burst {
	struct sl_srtp_op *op[SL_SRTP_BURST];
	unsigned n;
};

/* SHA extensions: four packets abreast, each encrypted just before or decrypted just after it is hashed. */
void sl_srtp_shani_protect(const struct sl_cm_burst *b, sl_srtp_ctr_fn *ctr);
void sl_srtp_shani_unprotect(const struct sl_cm_burst *b, sl_srtp_ctr_fn *ctr);

/* libipsec-mb's hash bursts. */
struct sl_srtp_jobs {
	IMB_JOB job[SL_SRTP_BURST];
	uint8_t digest[SL_SRTP_BURST][SL_SHA1_BYTES];
};
void sl_srtp_jobs_init(struct sl_srtp_jobs *j);
void sl_srtp_jobs_protect(
        IMB_MGR *mgr, struct sl_srtp_jobs *j, const struct sl_cm_burst *b, sl_srtp_ctr_fn *ctr);
void sl_srtp_jobs_unprotect(
        IMB_MGR *mgr, struct sl_srtp_jobs *j, const struct sl_cm_burst *b, sl_srtp_ctr_fn *ctr);

/* ---- srtp_gcm.c ---- */

/* Powers of the hash key, from the round keys. */
void sl_srtp_gcm_init(struct sl_gcm_context *c);
/* The tag is at op->len, which stays; unprotect sets status. Up to SL_AES_BLOCK - 1 bytes behind the text are
 * overwritten. */
void sl_srtp_gcm_protect(const struct sl_gcm_context *c, struct sl_srtp_op *op);
void sl_srtp_gcm_unprotect(const struct sl_gcm_context *c, struct sl_srtp_op *op);

/* ---- of all AES-CM bursts ---- */

/* Are the first len (at most SL_SRTP_CM_TAG_WORDS) bytes the same? Constant time; SL_SRTP_CM_TAG_WORDS are
 * read. */
static inline bool sl_cm_tag_is(const uint8_t *a, const uint8_t *b, unsigned len)
{
	uint64_t a0, b0, differ;
	uint32_t a1, b1;

	memcpy(&a0, a, sizeof a0);
	memcpy(&b0, b, sizeof b0);
	memcpy(&a1, a + sizeof a0, sizeof a1);
	memcpy(&b1, b + sizeof b0, sizeof b1);
	differ = len >= sizeof a0 ? a0 ^ b0 : (a0 ^ b0) & ~(UINT64_MAX << 8 * len);
	return (differ | (len >= sizeof a0 ? (a1 ^ b1) & ~(UINT64_MAX << 8 * (len - sizeof a0)) : 0)) == 0;
}

/* What counter and keys need comes from far when streams are many. */
static inline void sl_cm_prefetch(const struct sl_srtp_op *op)
{
	const char *c = (const char *)op->ctx;

	for (unsigned line = 1; line < SL_SRTP_CONTEXT_SMALL / SL_CACHE_LINE; line++)
		__builtin_prefetch(c + line * SL_CACHE_LINE);
}

/* ---- srtp_ipsec_mb.c: for tests and benches, before the first context is made ---- */

enum { SL_X86_SHANI = 1, SL_X86_VAES = 2, SL_X86_VPCLMUL = 4, SL_X86_AVX512 = 8 };
unsigned sl_srtp_ipsec_mb_features(const struct sl_srtp *s); /* what this processor has */
void sl_srtp_ipsec_mb_choose(struct sl_srtp *s, unsigned features);

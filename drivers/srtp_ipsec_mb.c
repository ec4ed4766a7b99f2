/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SRTP by libipsec-mb. AES-CM suites: the cipher runs over a burst packet by packet, HMAC-SHA1 over several packets at a
 * time. AEAD suites: one direct call a packet. */

#include <errno.h>
#include <stdio.h>

#include <intel-ipsec-mb.h>

#include "drivers/srtp_internal.h"

enum { SHA1_BLOCK = 64, ROUND_KEY = 16, DIGEST_BYTES = 20, AES_ROUND_KEYS_MAX = 15 };

/* First line: what hashing and the counter need; then the round keys, as many as the key has. */
struct cm_context {
	struct sl_srtp_context common;
	uint8_t salt[16];
	uint8_t ipad[DIGEST_BYTES], opad[DIGEST_BYTES]; /* SHA-1 states after the key's pads (RFC 2104) */
	_Alignas(64) uint8_t round_keys[AES_ROUND_KEYS_MAX][ROUND_KEY];
};

struct gcm_context {
	struct sl_srtp_context common;
	uint8_t salt[16];
	_Alignas(64) struct gcm_key_data key;
};

enum { ROUND_KEYS_128 = 11, ROUND_KEYS_192 = 13, ROUND_KEYS_256 = 15 };
#define CM_BYTES(keys) ((offsetof(struct cm_context, round_keys) + (keys) * ROUND_KEY + 63u) & ~(size_t)63)
_Static_assert(CM_BYTES(ROUND_KEYS_128) <= SL_SRTP_CONTEXT_SMALL, "AES_CM_128 is what most legs have, 20,000 at a time");

struct engine {
	struct sl_srtp base;
	IMB_MGR *mgr;
	struct {
		IMB_JOB job[SL_SRTP_BURST];
		uint8_t iv[SL_SRTP_BURST][16];
	} cipher;
	IMB_JOB hash[SL_SRTP_BURST];
	uint8_t digest[SL_SRTP_BURST][DIGEST_BYTES];
	_Alignas(64) uint8_t manager[];
};

static struct engine *engine_of(struct sl_srtp *s)
{
	return (struct engine *)s;
}

/* ---- contexts ---- */

static size_t context_bytes(const struct sl_srtp *s, enum sl_srtp_kind kind)
{
	static const uint16_t bytes[SL_SRTP_KINDS] = {
		[SL_SRTP_CM_128] = CM_BYTES(ROUND_KEYS_128), [SL_SRTP_CM_192] = CM_BYTES(ROUND_KEYS_192),
		[SL_SRTP_CM_256] = CM_BYTES(ROUND_KEYS_256), [SL_SRTP_GCM_128] = sizeof(struct gcm_context),
		[SL_SRTP_GCM_256] = sizeof(struct gcm_context),
	};
	return bytes[kind];
}

static void hash_pad(IMB_MGR *mgr, const uint8_t *key, uint8_t with, uint8_t *state)
{
	uint8_t block[SHA1_BLOCK];

	memset(block, with, sizeof block);
	for (unsigned i = 0; i < SL_SRTP_AUTH_BYTES; i++)
		block[i] ^= key[i];
	IMB_SHA1_ONE_BLOCK(mgr, block, state);
	explicit_bzero(block, sizeof block);
}

static void cm_init(IMB_MGR *mgr, struct cm_context *c, enum sl_srtp_kind kind, const struct sl_srtp_session_keys *keys)
{
	_Alignas(16) uint8_t enc[AES_ROUND_KEYS_MAX * ROUND_KEY], dec[AES_ROUND_KEYS_MAX * ROUND_KEY];
	unsigned n = kind == SL_SRTP_CM_128 ? ROUND_KEYS_128 : kind == SL_SRTP_CM_192 ? ROUND_KEYS_192 : ROUND_KEYS_256;

	if (kind == SL_SRTP_CM_128)
		IMB_AES_KEYEXP_128(mgr, keys->key, enc, dec);
	else if (kind == SL_SRTP_CM_192)
		IMB_AES_KEYEXP_192(mgr, keys->key, enc, dec);
	else
		IMB_AES_KEYEXP_256(mgr, keys->key, enc, dec);
	memcpy(c->round_keys, enc, n * ROUND_KEY);
	memcpy(c->salt, keys->salt, sizeof c->salt);
	hash_pad(mgr, keys->auth, 0x36, c->ipad);
	hash_pad(mgr, keys->auth, 0x5c, c->opad);
	explicit_bzero(enc, sizeof enc);
	explicit_bzero(dec, sizeof dec);
}

static int context_init(struct sl_srtp *s, struct sl_srtp_context *ctx, const struct sl_srtp_session_keys *keys)
{
	IMB_MGR *mgr = engine_of(s)->mgr;
	enum sl_srtp_kind kind = sl_srtp_kind(ctx->suite);
	struct gcm_context *g = (struct gcm_context *)ctx;

	if (kind < SL_SRTP_GCM_128) {
		cm_init(mgr, (struct cm_context *)ctx, kind, keys);
		return 0;
	}
	memcpy(g->salt, keys->salt, sizeof g->salt);
	if (kind == SL_SRTP_GCM_128)
		IMB_AES128_GCM_PRE(mgr, keys->key, &g->key);
	else
		IMB_AES256_GCM_PRE(mgr, keys->key, &g->key);
	return 0;
}

/* ---- AES-CM ---- */

struct burst {
	struct sl_srtp_op *op[SL_SRTP_BURST];
	unsigned n;
};

/* Encrypt or decrypt the payloads of ops that have the same kind of key; counter mode is its own inverse. */
static void crypt_kind(struct engine *e, const struct burst *b, enum sl_srtp_kind kind)
{
	static const uint8_t key_bytes[] = {16, 24, 32};
	unsigned n = 0;

	for (unsigned i = 0; i < b->n; i++) {
		struct sl_srtp_op *op = b->op[i];
		const struct cm_context *c = (const struct cm_context *)op->ctx;
		if (sl_srtp_kind(c->common.suite) != kind || op->len == op->header_len || c->common.flags & SL_SRTP_PLAIN_RTP)
			continue;
		sl_srtp_cm_iv(e->cipher.iv[n], c->salt, op->rtp + 8, op->index);
		IMB_JOB *j = &e->cipher.job[n++];
		j->enc_keys = c->round_keys;
		j->src = op->rtp;
		j->dst = op->rtp + op->header_len;
		j->cipher_start_src_offset_in_bytes = op->header_len;
		j->msg_len_to_cipher_in_bytes = op->len - op->header_len;
		j->key_len_in_bytes = key_bytes[kind];
	}
	if (n > 0)
		IMB_SUBMIT_CIPHER_BURST_NOCHECK(e->mgr, e->cipher.job, n, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
			(IMB_KEY_SIZE_BYTES)key_bytes[kind]);
}

static void crypt(struct engine *e, const struct burst *b, unsigned kinds)
{
	for (unsigned kind = SL_SRTP_CM_128; kind <= SL_SRTP_CM_256; kind++)
		if (kinds & 1u << kind)
			crypt_kind(e, b, (enum sl_srtp_kind)kind);
}

/* HMAC over packet and ROC, which is written behind it (RFC 3711 4.2); digests go to e->digest. */
static void hash(struct engine *e, const struct burst *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct sl_srtp_op *op = b->op[i];
		const struct cm_context *c = (const struct cm_context *)op->ctx;
		IMB_JOB *j = &e->hash[i];
		sl_srtp_put_roc(op->rtp + op->len, op->index);
		j->src = op->rtp;
		j->msg_len_to_hash_in_bytes = op->len + (uint64_t)SL_SRTP_ROC_BYTES;
		j->u.HMAC._hashed_auth_key_xor_ipad = c->ipad;
		j->u.HMAC._hashed_auth_key_xor_opad = c->opad;
	}
	if (b->n > 0)
		IMB_SUBMIT_HASH_BURST_NOCHECK(e->mgr, e->hash, b->n, IMB_AUTH_HMAC_SHA_1);
}

static void cm_protect(struct engine *e, const struct burst *b, unsigned kinds)
{
	crypt(e, b, kinds);
	hash(e, b);
	for (unsigned i = 0; i < b->n; i++) {
		struct sl_srtp_op *op = b->op[i];
		const struct sl_srtp_context *c = op->ctx;
		memcpy(op->rtp + op->len, c->mki, c->mki_len);
		memcpy(op->rtp + op->len + c->mki_len, e->digest[i], c->tag_len);
		op->len += c->mki_len + c->tag_len;
	}
}

static void cm_unprotect(struct engine *e, struct burst *b, unsigned kinds)
{
	uint8_t tag[SL_SRTP_BURST][SL_SRTP_AUTH_BYTES];
	unsigned good = 0;

	for (unsigned i = 0; i < b->n; i++) {
		struct sl_srtp_op *op = b->op[i];
		const struct sl_srtp_context *c = op->ctx;
		op->len -= c->mki_len + c->tag_len;
		memcpy(tag[i], op->rtp + op->len + c->mki_len, c->tag_len);
	}
	hash(e, b);
	for (unsigned i = 0; i < b->n; i++) {
		if (sl_srtp_tag_is(tag[i], e->digest[i], b->op[i]->ctx->tag_len))
			b->op[good++] = b->op[i];
		else
			b->op[i]->status = -EBADMSG;
	}
	b->n = good;
	crypt(e, b, kinds);
}

/* ---- AES-GCM (RFC 7714 8): the header is authenticated only; without encryption, everything is ---- */

static void gcm_protect(struct engine *e, struct sl_srtp_op *op)
{
	const struct gcm_context *g = (const struct gcm_context *)op->ctx;
	unsigned clear = g->common.flags & SL_SRTP_PLAIN_RTP ? op->len : op->header_len;
	uint8_t iv[SL_SRTP_GCM_IV], *data = op->rtp + clear;
	struct gcm_context_data state;

	sl_srtp_gcm_iv(iv, g->salt, op->rtp + 8, op->index);
	if (g->common.suite == SL_SRTP_AEAD_128_GCM)
		IMB_AES128_GCM_ENC(e->mgr, &g->key, &state, data, data, op->len - clear, iv, op->rtp, clear,
			op->rtp + op->len, g->common.tag_len);
	else
		IMB_AES256_GCM_ENC(e->mgr, &g->key, &state, data, data, op->len - clear, iv, op->rtp, clear,
			op->rtp + op->len, g->common.tag_len);
	op->len += g->common.tag_len;
	memcpy(op->rtp + op->len, g->common.mki, g->common.mki_len);
	op->len += g->common.mki_len;
}

static void gcm_unprotect(struct engine *e, struct sl_srtp_op *op)
{
	const struct gcm_context *g = (const struct gcm_context *)op->ctx;
	unsigned len = op->len - g->common.mki_len - g->common.tag_len;
	unsigned clear = g->common.flags & SL_SRTP_PLAIN_RTP ? len : op->header_len;
	uint8_t iv[SL_SRTP_GCM_IV], tag[16], *data = op->rtp + clear;
	struct gcm_context_data state;

	sl_srtp_gcm_iv(iv, g->salt, op->rtp + 8, op->index);
	if (g->common.suite == SL_SRTP_AEAD_128_GCM)
		IMB_AES128_GCM_DEC(e->mgr, &g->key, &state, data, data, len - clear, iv, op->rtp, clear, tag, sizeof tag);
	else
		IMB_AES256_GCM_DEC(e->mgr, &g->key, &state, data, data, len - clear, iv, op->rtp, clear, tag, sizeof tag);
	if (!sl_srtp_tag_is(tag, op->rtp + len, sizeof tag))
		op->status = -EBADMSG;
	op->len = (uint16_t)len;
}

/* ---- bursts ---- */

static void protect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	struct engine *e = engine_of(s);
	struct burst b;
	unsigned kinds = 0;

	b.n = 0;
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(ops[i].ctx);
	for (unsigned i = 0; i < n; i++) {
		struct sl_srtp_op *op = &ops[i];
		enum sl_srtp_kind kind = sl_srtp_kind(op->ctx->suite);
		op->status = 0;
		if (op->len < op->header_len || op->len > UINT16_MAX - SL_SRTP_TAIL_MAX) {
			op->status = -EMSGSIZE;
		} else if (kind >= SL_SRTP_GCM_128) {
			gcm_protect(e, op);
		} else {
			kinds |= 1u << kind;
			b.op[b.n++] = op;
		}
	}
	cm_protect(e, &b, kinds);
}

static void unprotect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	struct engine *e = engine_of(s);
	struct burst b;
	unsigned kinds = 0;

	b.n = 0;
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(ops[i].ctx);
	for (unsigned i = 0; i < n; i++) {
		struct sl_srtp_op *op = &ops[i];
		enum sl_srtp_kind kind = sl_srtp_kind(op->ctx->suite);
		op->status = 0;
		if (op->len < op->header_len + op->ctx->mki_len + op->ctx->tag_len) {
			op->status = -EMSGSIZE;
		} else if (kind >= SL_SRTP_GCM_128) {
			gcm_unprotect(e, op);
		} else {
			kinds |= 1u << kind;
			b.op[b.n++] = op;
		}
	}
	cm_unprotect(e, &b, kinds);
}

/* ---- open ---- */

static const char *arch_name(uint32_t arch)
{
	switch (arch) {
	case IMB_ARCH_AVX512:
		return "AVX512";
	case IMB_ARCH_AVX2:
		return "AVX2";
	case IMB_ARCH_AVX:
		return "AVX";
	case IMB_ARCH_SSE:
		return "SSE";
	default:
		return "no AES-NI";
	}
}

/* What never changes in a job. */
static void prepare_jobs(struct engine *e)
{
	for (unsigned i = 0; i < SL_SRTP_BURST; i++) {
		IMB_JOB *c = &e->cipher.job[i], *h = &e->hash[i];
		c->cipher_mode = IMB_CIPHER_CNTR;
		c->cipher_direction = IMB_DIR_ENCRYPT;
		c->chain_order = IMB_ORDER_CIPHER_HASH;
		c->hash_alg = IMB_AUTH_NULL;
		c->iv = e->cipher.iv[i];
		c->iv_len_in_bytes = sizeof e->cipher.iv[i];
		h->cipher_mode = IMB_CIPHER_NULL;
		h->cipher_direction = IMB_DIR_ENCRYPT;
		h->chain_order = IMB_ORDER_HASH_CIPHER;
		h->hash_alg = IMB_AUTH_HMAC_SHA_1;
		h->auth_tag_output = e->digest[i];
		h->auth_tag_output_len_in_bytes = DIGEST_BYTES;
	}
}

int sl_srtp_ipsec_mb_open(struct sl_srtp **out, const struct sl_srtp_options *o, char *err, size_t err_len)
{
	static const struct sl_srtp_engine_ops ops = {context_bytes, context_init, NULL, NULL};
	struct engine *e = (struct engine *)sl_srtp_alloc(o, sizeof *e + imb_get_mb_mgr_size());

	if (!e) {
		snprintf(err, err_len, "no memory for libipsec-mb");
		return -ENOMEM;
	}
	e->mgr = imb_set_pointers_mb_mgr(e->manager, 0, 1);
	init_mb_mgr_auto(e->mgr, NULL);
	if (imb_get_errno(e->mgr) != 0) {
		snprintf(err, err_len, "libipsec-mb %s: %s", imb_get_version_str(), imb_get_strerror(imb_get_errno(e->mgr)));
		sl_srtp_free(&e->base);
		return -ENOTSUP;
	}
	e->base.engine = &ops;
	e->base.protect = protect;
	e->base.unprotect = unprotect;
	snprintf(e->base.describe, sizeof e->base.describe, "ipsec-mb %s, %s", imb_get_version_str(),
		arch_name(e->mgr->used_arch));
	prepare_jobs(e);
	*out = &e->base;
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SRTP on x86: libipsec-mb, with kernels of our own where its job queue costs as much as the cryptography. */

#include <errno.h>
#include <stdio.h>

#include "drivers/srtp_x86.h"

struct gcm_context {
	struct sl_srtp_context common;
	uint8_t salt[16];
	_Alignas(SL_CACHE_LINE) struct gcm_key_data key;
};

enum { ROUND_KEYS_128 = 11, ROUND_KEYS_192 = 13, ROUND_KEYS_256 = 15 };
#define CM_BYTES(keys) ((offsetof(struct sl_cm_context, round_keys) + (keys) * SL_AES_BLOCK + 63u) & ~(size_t)63)
_Static_assert(CM_BYTES(ROUND_KEYS_128) <= SL_SRTP_CONTEXT_SMALL, "AES_CM_128 is what most legs have, 20,000 at a time");

struct engine {
	struct sl_srtp base;
	IMB_MGR *mgr;
	sl_srtp_ctr_fn *ctr;
	bool shani;
	struct sl_srtp_jobs jobs;
	_Alignas(SL_CACHE_LINE) uint8_t manager[];
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
	uint8_t block[SL_SHA1_BLOCK];

	memset(block, with, sizeof block);
	for (unsigned i = 0; i < SL_SRTP_AUTH_BYTES; i++)
		block[i] ^= key[i];
	IMB_SHA1_ONE_BLOCK(mgr, block, state);
	explicit_bzero(block, sizeof block);
}

static void cm_init(IMB_MGR *mgr, struct sl_cm_context *c, enum sl_srtp_kind kind, const struct sl_srtp_session_keys *keys)
{
	_Alignas(16) uint8_t enc[SL_AES_ROUND_KEYS_MAX * SL_AES_BLOCK], dec[SL_AES_ROUND_KEYS_MAX * SL_AES_BLOCK];
	unsigned n = kind == SL_SRTP_CM_128 ? ROUND_KEYS_128 : kind == SL_SRTP_CM_192 ? ROUND_KEYS_192 : ROUND_KEYS_256;

	if (kind == SL_SRTP_CM_128)
		IMB_AES_KEYEXP_128(mgr, keys->key, enc, dec);
	else if (kind == SL_SRTP_CM_192)
		IMB_AES_KEYEXP_192(mgr, keys->key, enc, dec);
	else
		IMB_AES_KEYEXP_256(mgr, keys->key, enc, dec);
	memcpy(c->round_keys, enc, n * SL_AES_BLOCK);
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
		cm_init(mgr, (struct sl_cm_context *)ctx, kind, keys);
		return 0;
	}
	memcpy(g->salt, keys->salt, sizeof g->salt);
	if (kind == SL_SRTP_GCM_128)
		IMB_AES128_GCM_PRE(mgr, keys->key, &g->key);
	else
		IMB_AES256_GCM_PRE(mgr, keys->key, &g->key);
	return 0;
}

/* ---- AES-GCM (RFC 7714 8): the header is authenticated only; without encryption, everything is ---- */

static void gcm_protect(struct engine *e, struct sl_srtp_op *op)
{
	const struct gcm_context *g = (const struct gcm_context *)op->ctx;
	unsigned clear = g->common.flags & SL_SRTP_PLAIN_RTP ? op->len : op->header_len;
	uint8_t iv[SL_SRTP_GCM_IV], *data = op->rtp + clear;
	struct gcm_context_data state;

	sl_srtp_gcm_iv(iv, g->salt, op->rtp + SL_RTP_SSRC_AT, op->index);
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
	unsigned clear = g->common.flags & SL_SRTP_PLAIN_RTP ? op->len : op->header_len;
	uint8_t iv[SL_SRTP_GCM_IV], tag[16], *data = op->rtp + clear;
	struct gcm_context_data state;

	sl_srtp_gcm_iv(iv, g->salt, op->rtp + SL_RTP_SSRC_AT, op->index);
	if (g->common.suite == SL_SRTP_AEAD_128_GCM)
		IMB_AES128_GCM_DEC(e->mgr, &g->key, &state, data, data, op->len - clear, iv, op->rtp, clear, tag, sizeof tag);
	else
		IMB_AES256_GCM_DEC(e->mgr, &g->key, &state, data, data, op->len - clear, iv, op->rtp, clear, tag, sizeof tag);
	if (!sl_srtp_tag_is(tag, op->rtp + op->len, sizeof tag))
		op->status = -EBADMSG;
}

/* ---- bursts ---- */

static void protect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	struct engine *e = engine_of(s);
	struct sl_cm_burst b;

	b.n = 0;
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(ops[i].ctx);
	for (unsigned i = 0; i < n; i++) {
		struct sl_srtp_op *op = &ops[i];
		op->status = 0;
		if (op->len < op->header_len || op->len > UINT16_MAX - SL_SRTP_TAIL_MAX)
			op->status = -EMSGSIZE;
		else if (sl_srtp_kind(op->ctx->suite) >= SL_SRTP_GCM_128)
			gcm_protect(e, op);
		else
			b.op[b.n++] = op;
	}
	if (e->shani)
		sl_srtp_shani_protect(&b, e->ctr);
	else
		sl_srtp_jobs_protect(e->mgr, &e->jobs, &b, e->ctr);
}

static void unprotect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	struct engine *e = engine_of(s);
	struct sl_cm_burst b;

	b.n = 0;
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(ops[i].ctx);
	for (unsigned i = 0; i < n; i++) {
		struct sl_srtp_op *op = &ops[i];
		unsigned tail = op->ctx->mki_len + op->ctx->tag_len;
		op->status = 0;
		if (op->len < op->header_len + tail) {
			op->status = -EMSGSIZE;
			continue;
		}
		op->len -= tail;
		if (sl_srtp_kind(op->ctx->suite) >= SL_SRTP_GCM_128)
			gcm_unprotect(e, op);
		else
			b.op[b.n++] = op;
	}
	if (e->shani)
		sl_srtp_shani_unprotect(&b, e->ctr);
	else
		sl_srtp_jobs_unprotect(e->mgr, &e->jobs, &b, e->ctr);
}

/* ---- open ---- */

static const char *arch_name(uint32_t arch)
{
	return arch == IMB_ARCH_AVX512 ? "AVX512" : arch == IMB_ARCH_AVX2 ? "AVX2" : arch == IMB_ARCH_AVX ? "AVX" : "SSE";
}

unsigned sl_srtp_ipsec_mb_features(const struct sl_srtp *s)
{
	uint64_t f = ((const struct engine *)s)->mgr->features;

	return (f & IMB_FEATURE_SHANI ? SL_X86_SHANI : 0) | (f & IMB_FEATURE_VAES ? SL_X86_VAES : 0);
}

void sl_srtp_ipsec_mb_choose(struct sl_srtp *s, unsigned features)
{
	struct engine *e = engine_of(s);

	e->shani = features & SL_X86_SHANI;
	e->ctr = features & SL_X86_VAES ? sl_srtp_ctr_vaes : sl_srtp_ctr_aesni;
	snprintf(s->describe, sizeof s->describe, "ipsec-mb %s, %s; AES-CM %s, HMAC-SHA1 %s", imb_get_version_str(),
		arch_name(e->mgr->used_arch), features & SL_X86_VAES ? "VAES" : "AES-NI",
		e->shani ? "SHA-NI, 4 abreast" : "ipsec-mb bursts");
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
	if (imb_get_errno(e->mgr) != 0 || e->mgr->used_arch == IMB_ARCH_NOAESNI) {
		snprintf(err, err_len, "libipsec-mb %s: %s", imb_get_version_str(), imb_get_errno(e->mgr) != 0 ?
			imb_get_strerror(imb_get_errno(e->mgr)) : "this processor has no AES instructions");
		sl_srtp_free(&e->base);
		return -ENOTSUP;
	}
	e->base.engine = &ops;
	e->base.protect = protect;
	e->base.unprotect = unprotect;
	sl_srtp_jobs_init(&e->jobs);
	sl_srtp_ipsec_mb_choose(&e->base, sl_srtp_ipsec_mb_features(&e->base));
	*out = &e->base;
	return 0;
}

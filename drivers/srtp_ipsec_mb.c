/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SRTP on x86: libipsec-mb, with kernels of our own where its job queue costs as much as the cryptography.
 * Which is used is decided by the processor's features when an engine is opened; README.md has the figures.
 *
 *   counter mode   ours, always: on a voice packet half of libipsec-mb's cipher burst is filling in jobs
 *   HMAC-SHA1      with SHA extensions: srtp_shani.c; but where there is AVX-512, libipsec-mb hashes bursts larger
 *                  than FEW, sixteen lanes at a time. Without SHA extensions: libipsec-mb
 *   AES-GCM        with VAES and VPCLMULQDQ: srtp_gcm.c; else libipsec-mb's direct calls
 *
 * libipsec-mb's SSE manager with SHA extensions, its AVX2 manager, chained jobs, burst and single submission were
 * all measured; the best of them (a cipher burst, then a hash burst) takes one and a half times what ours do. */

#include <errno.h>
#include <stdio.h>

#include "drivers/srtp_x86.h"

/* AEAD suites as libipsec-mb does them. */
struct imb_gcm_context {
	struct sl_srtp_context common;
	uint8_t salt[16];
	_Alignas(SL_CACHE_LINE) struct gcm_key_data key;
};

#define WHOLE_LINES(bytes) (((bytes) + SL_CACHE_LINE - 1u) & ~(size_t)(SL_CACHE_LINE - 1))
#define CM_BYTES(keys)     WHOLE_LINES(offsetof(struct sl_cm_context, round_keys) + (keys)*SL_AES_BLOCK)
#define GCM_BYTES(keys)                                                                                      \
	WHOLE_LINES(offsetof(struct sl_gcm_context, round_keys) + ((keys) + SL_GCM_POWERS) * SL_AES_BLOCK)
enum { ROUND_KEYS_128 = 11, ROUND_KEYS_192 = 13, ROUND_KEYS_256 = 15 };
_Static_assert(CM_BYTES(ROUND_KEYS_128) <= SL_SRTP_CONTEXT_SMALL,
        "AES_CM_128 is what most legs have, 20,000 at a time");

/* Up to so many packets SHA extensions are quicker than sixteen lanes of AVX-512, which cost the same filled
 * or not. (Reckoned from eight lanes of AVX2; not measured on a processor with AVX-512.) */
enum { FEW = 8 };

enum {
	AHEAD = 4,         /* packets whose AEAD keys are fetched in advance */
	IMB_GCM_HOT = 448, /* bytes of its context that a voice packet needs */
};

struct engine {
	struct sl_srtp base;
	IMB_MGR *mgr;
	sl_srtp_ctr_fn *ctr;
	unsigned shani_max; /* larger bursts are hashed by libipsec-mb */
	bool own_gcm;
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
	        [SL_SRTP_CM_128] = CM_BYTES(ROUND_KEYS_128),
	        [SL_SRTP_CM_192] = CM_BYTES(ROUND_KEYS_192),
	        [SL_SRTP_CM_256] = CM_BYTES(ROUND_KEYS_256),
	        [SL_SRTP_GCM_128] = GCM_BYTES(ROUND_KEYS_128),
	        [SL_SRTP_GCM_256] = GCM_BYTES(ROUND_KEYS_256),
	};

	if (kind >= SL_SRTP_GCM_128 && !((const struct engine *)s)->own_gcm)
		return sizeof(struct imb_gcm_context);
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

static void expand(
        IMB_MGR *mgr, enum sl_srtp_kind kind, const uint8_t *key, uint8_t (*round_keys)[SL_AES_BLOCK])
{
	_Alignas(16) uint8_t enc[SL_AES_ROUND_KEYS_MAX * SL_AES_BLOCK],
	        dec[SL_AES_ROUND_KEYS_MAX * SL_AES_BLOCK];
	unsigned n;

	if (kind == SL_SRTP_CM_128 || kind == SL_SRTP_GCM_128) {
		n = ROUND_KEYS_128;
		IMB_AES_KEYEXP_128(mgr, key, enc, dec);
	} else if (kind == SL_SRTP_CM_192) {
		n = ROUND_KEYS_192;
		IMB_AES_KEYEXP_192(mgr, key, enc, dec);
	} else {
		n = ROUND_KEYS_256;
		IMB_AES_KEYEXP_256(mgr, key, enc, dec);
	}
	memcpy(round_keys, enc, n * sizeof *round_keys);
	explicit_bzero(enc, sizeof enc);
	explicit_bzero(dec, sizeof dec);
}

static void cm_init(IMB_MGR *mgr, struct sl_cm_context *c, const struct sl_srtp_session_keys *keys)
{
	expand(mgr, sl_srtp_kind(c->common.suite), keys->key, c->round_keys);
	memcpy(c->salt, keys->salt, sizeof c->salt);
	hash_pad(mgr, keys->auth, 0x36, c->ipad);
	hash_pad(mgr, keys->auth, 0x5c, c->opad);
}

static void gcm_init(IMB_MGR *mgr, struct sl_gcm_context *c, const struct sl_srtp_session_keys *keys)
{
	expand(mgr, sl_srtp_kind(c->common.suite), keys->key, c->round_keys);
	memcpy(c->salt, keys->salt, sizeof c->salt);
	sl_srtp_gcm_init(c);
}

static void imb_gcm_init(IMB_MGR *mgr, struct imb_gcm_context *c, const struct sl_srtp_session_keys *keys)
{
	memcpy(c->salt, keys->salt, sizeof c->salt);
	if (c->common.suite == SL_SRTP_AEAD_128_GCM)
		IMB_AES128_GCM_PRE(mgr, keys->key, &c->key);
	else
		IMB_AES256_GCM_PRE(mgr, keys->key, &c->key);
}

static int context_init(
        struct sl_srtp *s, struct sl_srtp_context *ctx, const struct sl_srtp_session_keys *keys)
{
	const struct engine *e = engine_of(s);

	if (sl_srtp_kind(ctx->suite) < SL_SRTP_GCM_128)
		cm_init(e->mgr, (struct sl_cm_context *)ctx, keys);
	else if (e->own_gcm)
		gcm_init(e->mgr, (struct sl_gcm_context *)ctx, keys);
	else
		imb_gcm_init(e->mgr, (struct imb_gcm_context *)ctx, keys);
	return 0;
}

/* ---- AES-GCM (RFC 7714 8): the header is authenticated only; without encryption, everything is ---- */

static void imb_gcm_protect(IMB_MGR *mgr, const struct imb_gcm_context *g, struct sl_srtp_op *op)
{
	unsigned clear = g->common.flags & SL_SRTP_PLAIN_RTP ? op->len : op->header_len;
	uint8_t iv[SL_SRTP_GCM_IV], *data = op->rtp + clear, *tag = op->rtp + op->len;
	struct gcm_context_data state;

	sl_srtp_gcm_iv(iv, g->salt, op->rtp + SL_RTP_SSRC_AT, op->index);
	if (g->common.suite == SL_SRTP_AEAD_128_GCM)
		IMB_AES128_GCM_ENC(mgr, &g->key, &state, data, data, op->len - clear, iv, op->rtp, clear, tag,
		        SL_SRTP_GCM_TAG);
	else
		IMB_AES256_GCM_ENC(mgr, &g->key, &state, data, data, op->len - clear, iv, op->rtp, clear, tag,
		        SL_SRTP_GCM_TAG);
}

static void imb_gcm_unprotect(IMB_MGR *mgr, const struct imb_gcm_context *g, struct sl_srtp_op *op)
{
	unsigned clear = g->common.flags & SL_SRTP_PLAIN_RTP ? op->len : op->header_len;
	uint8_t iv[SL_SRTP_GCM_IV], tag[SL_SRTP_GCM_TAG], *data = op->rtp + clear;
	struct gcm_context_data state;

	sl_srtp_gcm_iv(iv, g->salt, op->rtp + SL_RTP_SSRC_AT, op->index);
	if (g->common.suite == SL_SRTP_AEAD_128_GCM)
		IMB_AES128_GCM_DEC(mgr, &g->key, &state, data, data, op->len - clear, iv, op->rtp, clear, tag,
		        sizeof tag);
	else
		IMB_AES256_GCM_DEC(mgr, &g->key, &state, data, data, op->len - clear, iv, op->rtp, clear, tag,
		        sizeof tag);
	if (!sl_srtp_tag_is(tag, op->rtp + op->len, sizeof tag))
		op->status = -EBADMSG;
}

static void gcm_prefetch(const struct engine *e, const struct sl_srtp_op *op)
{
	const char *c = (const char *)op->ctx;
	unsigned bytes = e->own_gcm ? GCM_BYTES(ROUND_KEYS_128) : IMB_GCM_HOT;

	for (unsigned at = SL_CACHE_LINE; at < bytes; at += SL_CACHE_LINE)
		__builtin_prefetch(c + at);
}

static void gcm_protect(const struct engine *e, const struct sl_cm_burst *b)
{
	for (unsigned i = 0; i < b->n && i < AHEAD; i++)
		gcm_prefetch(e, b->op[i]);
	for (unsigned i = 0; i < b->n; i++) {
		struct sl_srtp_op *op = b->op[i];
		if (i + AHEAD < b->n)
			gcm_prefetch(e, b->op[i + AHEAD]);
		if (e->own_gcm)
			sl_srtp_gcm_protect((const struct sl_gcm_context *)op->ctx, op);
		else
			imb_gcm_protect(e->mgr, (const struct imb_gcm_context *)op->ctx, op);
		sl_srtp_append_aead(op);
	}
}

static void gcm_unprotect(const struct engine *e, const struct sl_cm_burst *b)
{
	for (unsigned i = 0; i < b->n && i < AHEAD; i++)
		gcm_prefetch(e, b->op[i]);
	for (unsigned i = 0; i < b->n; i++) {
		struct sl_srtp_op *op = b->op[i];
		if (i + AHEAD < b->n)
			gcm_prefetch(e, b->op[i + AHEAD]);
		if (e->own_gcm)
			sl_srtp_gcm_unprotect((const struct sl_gcm_context *)op->ctx, op);
		else
			imb_gcm_unprotect(e->mgr, (const struct imb_gcm_context *)op->ctx, op);
	}
}

/* ---- bursts ---- */

struct sorted {
	struct sl_cm_burst cm, gcm;
};

/* The packets that have room for what is done to them, by cipher; the others are told so. */
static inline void sort(struct sorted *to, struct sl_srtp_op *ops, unsigned n, bool (*fits)(struct sl_srtp_op *op))
{
	to->cm.n = to->gcm.n = 0;
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(ops[i].ctx);
	for (unsigned i = 0; i < n; i++) {
		struct sl_srtp_op *op = &ops[i];
		if (!fits(op)) {
			op->status = -EMSGSIZE;
			continue;
		}
		op->status = 0;
		struct sl_cm_burst *b = sl_srtp_kind(op->ctx->suite) >= SL_SRTP_GCM_128 ? &to->gcm : &to->cm;
		b->op[b->n++] = op;
	}
}

static void protect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	struct engine *e = engine_of(s);
	struct sorted to;

	sort(&to, ops, n, sl_srtp_fits_protect);
	gcm_protect(e, &to.gcm);
	if (to.cm.n <= e->shani_max)
		sl_srtp_shani_protect(&to.cm, e->ctr);
	else
		sl_srtp_jobs_protect(e->mgr, &e->jobs, &to.cm, e->ctr);
}

static void unprotect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	struct engine *e = engine_of(s);
	struct sorted to;

	sort(&to, ops, n, sl_srtp_cut_tail);
	gcm_unprotect(e, &to.gcm);
	if (to.cm.n <= e->shani_max)
		sl_srtp_shani_unprotect(&to.cm, e->ctr);
	else
		sl_srtp_jobs_unprotect(e->mgr, &e->jobs, &to.cm, e->ctr);
}

/* ---- open ---- */

static const char *arch_name(uint32_t arch)
{
	return arch == IMB_ARCH_AVX512 ? "AVX512"
	       : arch == IMB_ARCH_AVX2 ? "AVX2"
	       : arch == IMB_ARCH_AVX  ? "AVX"
	                               : "SSE";
}

unsigned sl_srtp_ipsec_mb_features(const struct sl_srtp *s)
{
	static const struct {
		uint64_t theirs;
		unsigned ours;
	} map[] = {
	        {IMB_FEATURE_SHANI, SL_X86_SHANI},
	        {IMB_FEATURE_VAES | IMB_FEATURE_AVX2, SL_X86_VAES},
	        {IMB_FEATURE_VPCLMULQDQ | IMB_FEATURE_AVX2, SL_X86_VPCLMUL},
	        {IMB_FEATURE_AVX512_SKX, SL_X86_AVX512},
	};
	uint64_t has = ((const struct engine *)s)->mgr->features;
	unsigned f = 0;

	for (unsigned i = 0; i < sizeof map / sizeof map[0]; i++)
		if ((has & map[i].theirs) == map[i].theirs)
			f |= map[i].ours;
	return f;
}

void sl_srtp_ipsec_mb_choose(struct sl_srtp *s, unsigned f)
{
	struct engine *e = engine_of(s);

	e->shani_max = !(f & SL_X86_SHANI) ? 0 : f & SL_X86_AVX512 ? FEW : SL_SRTP_BURST;
	e->ctr = f & SL_X86_VAES ? sl_srtp_ctr_vaes : sl_srtp_ctr_aesni;
	e->own_gcm = f & SL_X86_VAES && f & SL_X86_VPCLMUL;
	snprintf(s->describe, sizeof s->describe, "ipsec-mb %s, %s; AES-CM: %s, %s; AEAD: %s",
	        imb_get_version_str(), arch_name(e->mgr->used_arch), f & SL_X86_VAES ? "VAES" : "AES-NI",
	        e->shani_max == SL_SRTP_BURST ? "SHA-NI"
	        : e->shani_max                ? "ipsec-mb and SHA-NI"
	                                      : "ipsec-mb",
	        e->own_gcm ? "VAES" : "ipsec-mb");
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
		snprintf(err, err_len, "libipsec-mb %s: %s", imb_get_version_str(),
		        imb_get_errno(e->mgr) != 0 ? imb_get_strerror(imb_get_errno(e->mgr))
		                                   : "this processor has no AES instructions");
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

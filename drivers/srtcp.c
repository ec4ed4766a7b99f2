/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SRTCP (RFC 3711 3.4; RFC 7714 9): one packet at a time, keys expanded when used. Ours, since libsrtp2 2.5
 * cannot be told which index to send next: after a restart it would use keystream again.
 *
 *   HMAC suites:  header 8 | encrypted ...        | E, index 4 | MKI | tag 10
 *   AEAD suites:  header 8 | encrypted ... tag 16 | E, index 4 | MKI */

#include <errno.h>

#include "drivers/srtp_internal.h"

enum { HEADER_BYTES = 8, SSRC_AT = 4, WORD_BYTES = 4 };
#define E_BIT UINT32_C(0x80000000)

int sl_srtcp_context_init(struct sl_srtp *s, struct sl_srtcp_context *ctx, const struct sl_srtp_key *key)
{
	struct sl_srtp_session_keys keys;
	int err = sl_srtp_derive(&s->bare, key, SL_SRTP_LABEL_RTCP, &keys);

	if (err)
		return err;
	*ctx = (struct sl_srtcp_context){
	        .suite = key->suite,
	        .mki_len = key->mki_len,
	        .tag_len = sl_srtp_suite_info(key->suite)->rtcp_tag_len, /* never left out: RFC 3711 3.4 */
	        .flags = key->flags,
	};
	memcpy(ctx->mki, key->mki, key->mki_len);
	memcpy(ctx->key, keys.key, sizeof ctx->key);
	memcpy(ctx->auth, keys.auth, sizeof ctx->auth);
	memcpy(ctx->salt, keys.salt, sizeof ctx->salt);
	explicit_bzero(&keys, sizeof keys);
	return 0;
}

static bool is_aead(const struct sl_srtcp_context *ctx)
{
	return sl_srtp_suite_info(ctx->suite)->aead;
}

static unsigned key_len(const struct sl_srtcp_context *ctx)
{
	return sl_srtp_suite_info(ctx->suite)->key_len;
}

bool sl_srtcp_mki_is(const struct sl_srtcp_context *ctx, const uint8_t *packet, size_t len)
{
	size_t behind = ctx->mki_len + (is_aead(ctx) ? 0u : ctx->tag_len);

	return len >= behind && memcmp(packet + len - behind, ctx->mki, ctx->mki_len) == 0;
}

/* Bytes before the word with E and index, tag of an AEAD included, or 0 when too short. */
static size_t word_at(const struct sl_srtcp_context *ctx, size_t len)
{
	size_t behind = WORD_BYTES + ctx->mki_len + (is_aead(ctx) ? 0u : ctx->tag_len);
	size_t least = HEADER_BYTES + (is_aead(ctx) ? ctx->tag_len : 0u);

	return len >= least + behind ? len - behind : 0;
}

static uint32_t get_word(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return __builtin_bswap32(v);
}

static void put_word(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof v);
}

int64_t sl_srtcp_index_of(const struct sl_srtcp_context *ctx, const uint8_t *rtcp, size_t len)
{
	size_t at = word_at(ctx, len);

	return at ? (int64_t)(get_word(rtcp + at) & SL_SRTCP_INDEX_MAX) : -1;
}

/* ---- HMAC suites ---- */

static bool cm_crypt(
        struct sl_srtp *s, const struct sl_srtcp_context *ctx, uint8_t *rtcp, size_t len, uint32_t index)
{
	uint8_t salt[16] = {0}, iv[16];

	memcpy(salt, ctx->salt, sizeof ctx->salt);
	sl_srtp_cm_iv(iv, salt, rtcp + SSRC_AT, index);
	return sl_srtp_bare_ctr(
	        &s->bare, ctx->key, key_len(ctx), iv, rtcp + HEADER_BYTES, len - HEADER_BYTES);
}

/* Over everything up to and with the index (RFC 3711 3.4). */
static bool cm_tag(const struct sl_srtcp_context *ctx, const uint8_t *rtcp, size_t at, uint8_t *tag)
{
	struct sl_srtp_piece all = {rtcp, at + WORD_BYTES};

	return sl_srtp_bare_hmac(ctx->auth, &all, 1, tag);
}

static int cm_protect(
        struct sl_srtp *s, const struct sl_srtcp_context *ctx, uint8_t *rtcp, size_t len, uint32_t word)
{
	uint8_t tag[SL_SRTP_AUTH_BYTES];

	if (word & E_BIT && !cm_crypt(s, ctx, rtcp, len, word & SL_SRTCP_INDEX_MAX))
		return -EIO;
	put_word(rtcp + len, word);
	if (!cm_tag(ctx, rtcp, len, tag))
		return -EIO;
	memcpy(rtcp + len + WORD_BYTES, ctx->mki, ctx->mki_len);
	memcpy(rtcp + len + WORD_BYTES + ctx->mki_len, tag, ctx->tag_len);
	return 0;
}

static int cm_unprotect(
        struct sl_srtp *s, const struct sl_srtcp_context *ctx, uint8_t *rtcp, size_t at, uint32_t word)
{
	uint8_t tag[SL_SRTP_AUTH_BYTES];

	if (!cm_tag(ctx, rtcp, at, tag) ||
	        !sl_srtp_tag_is(rtcp + at + WORD_BYTES + ctx->mki_len, tag, ctx->tag_len))
		return -EBADMSG;
	if (word & E_BIT && !cm_crypt(s, ctx, rtcp, at, word & SL_SRTCP_INDEX_MAX))
		return -EBADMSG;
	return 0;
}

/* ---- AEAD suites ---- */

struct aead {
	uint8_t iv[SL_SRTP_GCM_IV], word[WORD_BYTES];
	struct sl_srtp_piece aad[2];
	uint8_t *data;
	size_t len;
};

/* RFC 7714 9.2, 9.3: the header (unencrypted: the whole packet) and the index word are authenticated only. */
static void aead_layout(
        const struct sl_srtcp_context *ctx, struct aead *a, uint8_t *rtcp, size_t len, uint32_t word)
{
	uint8_t salt[16] = {0};
	size_t clear = word & E_BIT ? (size_t)HEADER_BYTES : len;

	memcpy(salt, ctx->salt, sizeof ctx->salt);
	sl_srtp_gcm_iv(a->iv, salt, rtcp + SSRC_AT, word & SL_SRTCP_INDEX_MAX);
	put_word(a->word, word);
	a->aad[0] = (struct sl_srtp_piece){rtcp, clear};
	a->aad[1] = (struct sl_srtp_piece){a->word, WORD_BYTES};
	a->data = rtcp + clear;
	a->len = len - clear;
}

static int aead_protect(
        struct sl_srtp *s, const struct sl_srtcp_context *ctx, uint8_t *rtcp, size_t len, uint32_t word)
{
	struct aead a;

	aead_layout(ctx, &a, rtcp, len, word);
	if (!sl_srtp_bare_seal(&s->bare, ctx->key, key_len(ctx), a.iv, a.aad, 2, a.data, a.len, rtcp + len))
		return -EIO;
	put_word(rtcp + len + ctx->tag_len, word);
	memcpy(rtcp + len + ctx->tag_len + WORD_BYTES, ctx->mki, ctx->mki_len);
	return 0;
}

static int aead_unprotect(
        struct sl_srtp *s, const struct sl_srtcp_context *ctx, uint8_t *rtcp, size_t at, uint32_t word)
{
	struct aead a;

	aead_layout(ctx, &a, rtcp, at - ctx->tag_len, word);
	return sl_srtp_bare_unseal(&s->bare, ctx->key, key_len(ctx), a.iv, a.aad, 2, a.data, a.len,
	               rtcp + at - ctx->tag_len)
	               ? 0
	               : -EBADMSG;
}

/* ---- both ---- */

int sl_srtcp_protect(
        struct sl_srtp *s, const struct sl_srtcp_context *ctx, uint8_t *rtcp, uint16_t *len, uint32_t index)
{
	uint32_t word = index | (ctx->flags & SL_SRTP_PLAIN_RTCP ? 0 : E_BIT);
	size_t grown = (size_t)*len + WORD_BYTES + ctx->mki_len + ctx->tag_len;
	int err;

	if (*len < HEADER_BYTES || grown > UINT16_MAX)
		return -EMSGSIZE;
	if (index > SL_SRTCP_INDEX_MAX)
		return -EINVAL;
	err = is_aead(ctx) ? aead_protect(s, ctx, rtcp, *len, word) : cm_protect(s, ctx, rtcp, *len, word);
	if (!err)
		*len = (uint16_t)grown;
	return err;
}

int sl_srtcp_unprotect(
        struct sl_srtp *s, const struct sl_srtcp_context *ctx, uint8_t *rtcp, uint16_t *len, uint32_t *index)
{
	size_t at = word_at(ctx, *len);
	uint32_t word;
	int err;

	if (!at)
		return -EMSGSIZE;
	word = get_word(rtcp + at);
	if (!(word & E_BIT) !=
	        !!(ctx->flags & SL_SRTP_PLAIN_RTCP)) /* not what was agreed, even if the tag were right */
		return -EBADMSG;
	err = is_aead(ctx) ? aead_unprotect(s, ctx, rtcp, at, word) : cm_unprotect(s, ctx, rtcp, at, word);
	if (err)
		return err;
	*len = (uint16_t)(is_aead(ctx) ? at - ctx->tag_len : at);
	*index = word & SL_SRTCP_INDEX_MAX;
	return 0;
}

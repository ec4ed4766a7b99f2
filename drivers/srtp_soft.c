/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "drivers/srtp_soft.h"

#include <errno.h>

static bool is_aead(const struct sl_srtp_op *op)
{
	return sl_srtp_suite_info(op->ctx->suite)->aead;
}

static unsigned key_len(const struct sl_srtp_op *op)
{
	return sl_srtp_suite_info(op->ctx->suite)->key_len;
}

/* Bytes that are authenticated only. */
static unsigned clear_len(const struct sl_srtp_op *op)
{
	return op->ctx->flags & SL_SRTP_PLAIN_RTP ? op->len : op->header_len;
}

static bool crypt_cm(
        struct sl_srtp_bare *b, const struct sl_srtp_session_keys *keys, const struct sl_srtp_op *op)
{
	uint8_t iv[SL_SRTP_CM_IV];
	unsigned clear = clear_len(op);

	if (clear == op->len)
		return true;
	sl_srtp_cm_iv(iv, keys->salt, op->rtp + SL_RTP_SSRC_AT, op->index);
	return sl_srtp_bare_ctr(b, keys->key, key_len(op), iv, op->rtp + clear, (size_t)op->len - clear);
}

static bool tag_cm(const struct sl_srtp_session_keys *keys, const struct sl_srtp_op *op, uint8_t *tag)
{
	uint8_t roc[SL_SRTP_ROC_BYTES];
	const struct sl_srtp_piece pieces[] = {{op->rtp, op->len}, {roc, sizeof roc}};

	sl_srtp_put_roc(roc, op->index);
	return sl_srtp_bare_hmac(keys->auth, pieces, 2, tag);
}

static bool protect_aead(
        struct sl_srtp_bare *b, const struct sl_srtp_session_keys *keys, const struct sl_srtp_op *op)
{
	uint8_t iv[SL_SRTP_GCM_IV];
	unsigned clear = clear_len(op);
	struct sl_srtp_piece aad = {op->rtp, clear};

	sl_srtp_gcm_iv(iv, keys->salt, op->rtp + SL_RTP_SSRC_AT, op->index);
	return sl_srtp_bare_seal(b, keys->key, key_len(op), iv, &aad, 1, op->rtp + clear,
	        (size_t)op->len - clear, op->rtp + op->len);
}

void sl_srtp_soft_protect(
        struct sl_srtp_bare *b, const struct sl_srtp_session_keys *keys, struct sl_srtp_op *op)
{
	uint8_t tag[SL_SRTP_AUTH_BYTES];

	if (is_aead(op)) {
		op->status = protect_aead(b, keys, op) ? 0 : -EIO;
		sl_srtp_append_aead(op);
	} else {
		op->status = crypt_cm(b, keys, op) && tag_cm(keys, op, tag) ? 0 : -EIO;
		sl_srtp_append_cm(op, tag);
	}
}

static bool unprotect_aead(
        struct sl_srtp_bare *b, const struct sl_srtp_session_keys *keys, const struct sl_srtp_op *op)
{
	uint8_t iv[SL_SRTP_GCM_IV];
	unsigned clear = clear_len(op);
	struct sl_srtp_piece aad = {op->rtp, clear};

	sl_srtp_gcm_iv(iv, keys->salt, op->rtp + SL_RTP_SSRC_AT, op->index);
	return sl_srtp_bare_unseal(b, keys->key, key_len(op), iv, &aad, 1, op->rtp + clear,
	        (size_t)op->len - clear, op->rtp + op->len);
}

static bool unprotect_cm(
        struct sl_srtp_bare *b, const struct sl_srtp_session_keys *keys, const struct sl_srtp_op *op)
{
	uint8_t tag[SL_SRTP_AUTH_BYTES];

	return tag_cm(keys, op, tag) &&
	       sl_srtp_tag_is(op->rtp + op->len + op->ctx->mki_len, tag, op->ctx->tag_len) &&
	       crypt_cm(b, keys, op);
}

void sl_srtp_soft_unprotect(
        struct sl_srtp_bare *b, const struct sl_srtp_session_keys *keys, struct sl_srtp_op *op)
{
	op->status = (is_aead(op) ? unprotect_aead(b, keys, op) : unprotect_cm(b, keys, op)) ? 0 : -EBADMSG;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Bursts of AES-CM packets hashed by libipsec-mb. It wants a message in one piece, so the ROC is written
 * behind the packet (RFC 3711 4.2), where on the way in the tag stood. */

#include "drivers/srtp_x86.h"

#include <errno.h>

void sl_srtp_jobs_init(struct sl_srtp_jobs *jobs)
{
	for (unsigned i = 0; i < SL_SRTP_BURST; i++) {
		IMB_JOB *j = &jobs->job[i];
		j->cipher_mode = IMB_CIPHER_NULL;
		j->cipher_direction = IMB_DIR_ENCRYPT;
		j->chain_order = IMB_ORDER_HASH_CIPHER;
		j->hash_alg = IMB_AUTH_HMAC_SHA_1;
		j->auth_tag_output = jobs->digest[i];
		j->auth_tag_output_len_in_bytes = SL_SHA1_BYTES;
	}
}

static void add(struct sl_srtp_jobs *jobs, unsigned i, struct sl_srtp_op *op)
{
	const struct sl_cm_context *c = (const struct sl_cm_context *)op->ctx;
	IMB_JOB *j = &jobs->job[i];

	sl_srtp_put_roc(op->rtp + op->len, op->index);
	j->src = op->rtp;
	j->msg_len_to_hash_in_bytes = op->len + (uint64_t)SL_SRTP_ROC_BYTES;
	j->u.HMAC._hashed_auth_key_xor_ipad = c->ipad;
	j->u.HMAC._hashed_auth_key_xor_opad = c->opad;
}

/* The unchecked call: what a check would find are mistakes of this file. */
static void hash(IMB_MGR *mgr, struct sl_srtp_jobs *jobs, unsigned n)
{
	if (n > 0)
		IMB_SUBMIT_HASH_BURST_NOCHECK(mgr, jobs->job, n, IMB_AUTH_HMAC_SHA_1);
}

static void prefetch(const struct sl_cm_burst *b)
{
	for (unsigned i = 0; i < b->n; i++)
		sl_cm_prefetch(b->op[i]);
}

void sl_srtp_jobs_protect(
        IMB_MGR *mgr, struct sl_srtp_jobs *jobs, const struct sl_cm_burst *b, sl_srtp_ctr_fn *ctr)
{
	prefetch(b);
	for (unsigned i = 0; i < b->n; i++) {
		const struct sl_cm_context *c = (const struct sl_cm_context *)b->op[i]->ctx;
		if (!sl_cm_is_clear(c))
			ctr(c, b->op[i]);
		add(jobs, i, b->op[i]);
	}
	hash(mgr, jobs, b->n);
	for (unsigned i = 0; i < b->n; i++)
		sl_srtp_append_cm(b->op[i], jobs->digest[i]);
}

void sl_srtp_jobs_unprotect(
        IMB_MGR *mgr, struct sl_srtp_jobs *jobs, const struct sl_cm_burst *b, sl_srtp_ctr_fn *ctr)
{
	uint8_t tag[SL_SRTP_BURST][SL_SRTP_CM_TAG_WORDS];

	prefetch(b);
	for (unsigned i = 0; i < b->n; i++) {
		memcpy(tag[i], b->op[i]->rtp + b->op[i]->len + b->op[i]->ctx->mki_len, sizeof tag[i]);
		add(jobs, i, b->op[i]);
	}
	hash(mgr, jobs, b->n);
	for (unsigned i = 0; i < b->n; i++) {
		const struct sl_cm_context *c = (const struct sl_cm_context *)b->op[i]->ctx;
		if (!sl_cm_tag_is(tag[i], jobs->digest[i], c->common.tag_len))
			b->op[i]->status = -EBADMSG;
		else if (!sl_cm_is_clear(c))
			ctr(c, b->op[i]);
	}
}

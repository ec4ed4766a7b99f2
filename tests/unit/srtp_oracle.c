/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/wire/rtp.h"
#include "drivers/srtp_internal.h"
#include "tests/unit/srtp_oracle.h"

enum { WINDOW = 128 };

static uint64_t random_state = 88172645463325252u;

uint32_t random32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

/* ---- libsrtp2 ---- */

static void set_policy(unsigned suite, srtp_crypto_policy_t *rtp, srtp_crypto_policy_t *rtcp)
{
	static void (*const of_rtp[SL_SRTP_N_SUITES])(srtp_crypto_policy_t *) = {
	        [SL_SRTP_AES_CM_128_80] = srtp_crypto_policy_set_rtp_default,
	        [SL_SRTP_AES_CM_128_32] = srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32,
	        [SL_SRTP_AES_CM_192_80] = srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80,
	        [SL_SRTP_AES_CM_192_32] = srtp_crypto_policy_set_aes_cm_192_hmac_sha1_32,
	        [SL_SRTP_AES_CM_256_80] = srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
	        [SL_SRTP_AES_CM_256_32] = srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
	        [SL_SRTP_AEAD_128_GCM] = srtp_crypto_policy_set_aes_gcm_128_16_auth,
	        [SL_SRTP_AEAD_256_GCM] = srtp_crypto_policy_set_aes_gcm_256_16_auth,
	};

	of_rtp[suite](rtp);
	of_rtp[suite](rtcp);
	rtcp->auth_tag_len =
	        sl_srtp_suite_info(suite)->rtcp_tag_len; /* ten bytes with the _32 suites too: RFC 3711 5.2 */
}

static srtp_t their_session(const struct pair *p)
{
	const struct sl_srtp_suite_info *info = sl_srtp_suite_info(p->key.suite);
	uint8_t master[SL_SRTP_KEY_MAX + SL_SRTP_SALT_MAX], mki[SL_SRTP_MKI_MAX];
	srtp_master_key_t with_mki = {master, mki, p->key.mki_len}, *keys = &with_mki;
	srtp_policy_t policy = {.ssrc = {ssrc_specific, p->ssrc}, .window_size = WINDOW};
	srtp_t session;

	memcpy(master, p->key.key, info->key_len);
	memcpy(master + info->key_len, p->key.salt, info->salt_len);
	memcpy(mki, p->key.mki, sizeof mki);
	set_policy(p->key.suite, &policy.rtp, &policy.rtcp);
	if (p->key.flags & SL_SRTP_PLAIN_RTP)
		policy.rtp.sec_serv &= ~(unsigned)sec_serv_conf;
	if (p->key.flags & SL_SRTP_PLAIN_RTCP)
		policy.rtcp.sec_serv &= ~(unsigned)sec_serv_conf;
	if (p->key.flags & SL_SRTP_PLAIN_AUTH) {
		policy.rtp.sec_serv &= ~(unsigned)sec_serv_auth;
		policy.rtp.auth_tag_len = 0;
	}
	if (p->mki) {
		policy.keys = &keys;
		policy.num_master_keys = 1;
	} else {
		policy.key = master;
	}
	assert_int_equal(srtp_create(&session, &policy), srtp_err_status_ok);
	return session;
}

bool their_protect(struct pair *p, uint8_t *rtp, int *len)
{
	return srtp_protect_mki(p->their_out, rtp, len, p->mki, 0) == srtp_err_status_ok;
}

bool their_unprotect(struct pair *p, uint8_t *rtp, int *len)
{
	return srtp_unprotect_mki(p->their_in, rtp, len, p->mki) == srtp_err_status_ok;
}

bool their_protect_rtcp(struct pair *p, uint8_t *rtcp, int *len)
{
	return srtp_protect_rtcp_mki(p->their_out, rtcp, len, p->mki, 0) == srtp_err_status_ok;
}

bool their_unprotect_rtcp(struct pair *p, uint8_t *rtcp, int *len)
{
	return srtp_unprotect_rtcp_mki(p->their_in, rtcp, len, p->mki) == srtp_err_status_ok;
}

void pair_set_roc(struct pair *p, uint32_t roc)
{
	assert_int_equal(srtp_set_stream_roc(p->their_out, p->ssrc, roc), srtp_err_status_ok);
	assert_int_equal(srtp_set_stream_roc(p->their_in, p->ssrc, roc), srtp_err_status_ok);
}

/* ---- ours ---- */

/* libsrtp2 2.5 derives AES-192 session keys with AES-256, the master key being lengthened by the first eight
 * bytes of its salt, and the salt by as many zeros. RFC 6188 4 wants AES-192, and its vectors are ours
 * (test_srtp_vectors.c). So that it can be the oracle of all the rest, such contexts are given libsrtp2's
 * session keys. */
static bool derives_otherwise(const struct pair *p)
{
	return sl_srtp_suite_info(p->key.suite)->key_len == 24;
}

static void their_keys(const struct pair *p, enum sl_srtp_label label, struct sl_srtp_session_keys *keys)
{
	struct sl_srtp_key k = p->key;

	k.suite = SL_SRTP_AES_CM_256_80;
	memcpy(k.key + 24, p->key.salt, 8);
	memset(k.salt, 0, sizeof k.salt);
	memcpy(k.salt, p->key.salt + 8, SL_SRTP_SALT_MAX - 8);
	assert_int_equal(sl_srtp_derive(&p->engine->bare, &k, label, keys), 0);
}

static struct sl_srtp_context *our_context(const struct pair *p)
{
	size_t bytes = sl_srtp_context_bytes(p->engine, p->key.suite);
	struct sl_srtp_context *c = (struct sl_srtp_context *)aligned_alloc(64, bytes);
	struct sl_srtp_session_keys keys;

	assert_non_null(c);
	assert_int_equal(bytes % 64, 0);
	memset(c, 0xa5, bytes);
	assert_int_equal(sl_srtp_context_init(p->engine, c, &p->key), 0);
	if (derives_otherwise(p)) {
		if (p->engine->engine->context_end)
			p->engine->engine->context_end(p->engine, c);
		their_keys(p, SL_SRTP_LABEL_RTP, &keys);
		assert_int_equal(p->engine->engine->context_init(p->engine, c, &keys), 0);
	}
	return c;
}

void pair_open(struct pair *p, struct sl_srtp *engine, unsigned suite, unsigned mki_len, unsigned flags)
{
	const struct sl_srtp_suite_info *info = sl_srtp_suite_info(suite);
	struct sl_srtp_session_keys keys;

	*p = (struct pair){.engine = engine, .ssrc = random32() | 1, .mki = mki_len > 0};
	p->key.suite = (uint8_t)suite;
	p->key.flags = (uint8_t)flags;
	p->key.mki_len = (uint8_t)mki_len;
	for (unsigned i = 0; i < mki_len; i++)
		p->key.mki[i] = (uint8_t)random32();
	for (unsigned i = 0; i < info->key_len; i++)
		p->key.key[i] = (uint8_t)random32();
	for (unsigned i = 0; i < info->salt_len; i++)
		p->key.salt[i] = (uint8_t)random32();
	p->out = our_context(p);
	p->in = our_context(p);
	assert_int_equal(sl_srtcp_context_init(engine, &p->rtcp, &p->key), 0);
	if (derives_otherwise(p)) {
		their_keys(p, SL_SRTP_LABEL_RTCP, &keys);
		memcpy(p->rtcp.key, keys.key, sizeof p->rtcp.key);
		memcpy(p->rtcp.auth, keys.auth, sizeof p->rtcp.auth);
		memcpy(p->rtcp.salt, keys.salt, sizeof p->rtcp.salt);
	}
	p->their_out = their_session(p);
	p->their_in = their_session(p);
}

void pair_close(struct pair *p)
{
	sl_srtp_context_end(p->engine, p->out);
	sl_srtp_context_end(p->engine, p->in);
	assert_int_equal(p->out->suite, SL_SRTP_NONE);
	free(p->out);
	free(p->in);
	srtp_dealloc(p->their_out);
	srtp_dealloc(p->their_in);
}

/* ---- packets ---- */

unsigned make_rtp(uint8_t *rtp, const struct pair *p, enum header_form form, uint16_t seq, unsigned payload,
        uint16_t *header_len)
{
	unsigned csrcs = form == HEADER_CSRC || form == HEADER_BOTH ? 1 + random32() % 15 : 0;
	unsigned words = random32() % 5, n = SL_RTP_HEADER_BYTES + 4 * csrcs;

	for (unsigned i = 0; i < SL_RTP_HEADER_BYTES + 4 * (15 + 1 + 4) + payload; i++)
		rtp[i] = (uint8_t)random32();
	rtp[0] = (uint8_t)(0x80 | csrcs);
	rtp[1] = (uint8_t)(random32() & 0x80) | 8;
	sl_rtp_put16(rtp + 2, seq);
	sl_rtp_put32(rtp + 8, p->ssrc);
	if (form == HEADER_EXTENDED || form == HEADER_BOTH) {
		rtp[0] |= 0x10;
		sl_rtp_put16(rtp + n, 0xbede);
		sl_rtp_put16(rtp + n + 2, (uint16_t)words);
		n += 4 + 4 * words;
	}
	*header_len = (uint16_t)sl_rtp_header_len(rtp, n + payload);
	assert_int_equal(*header_len, n);
	return n + payload;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* libsrtp2 by itself: a session a stream and direction, as programs use it, with a replay window of 128. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <srtp2/srtp.h>

#include "bench/srtp/bench.h"
#include "drivers/srtp.h"

enum { WINDOW = 128 };

struct state {
	srtp_t *out, *in;
	unsigned n;
};

static bool policy_of(unsigned suite, srtp_crypto_policy_t *p)
{
	switch (suite) {
	case SL_SRTP_AES_CM_128_80:
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(p);
		return true;
	case SL_SRTP_AES_CM_128_32:
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(p);
		return true;
	case SL_SRTP_AES_CM_192_80:
		srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80(p);
		return true;
	case SL_SRTP_AES_CM_256_80:
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(p);
		return true;
	case SL_SRTP_AEAD_128_GCM:
		srtp_crypto_policy_set_aes_gcm_128_16_auth(p);
		return true;
	case SL_SRTP_AEAD_256_GCM:
		srtp_crypto_policy_set_aes_gcm_256_16_auth(p);
		return true;
	default:
		return false;
	}
}

static srtp_err_status_t make(srtp_t *out, const struct stream *s, srtp_policy_t *policy)
{
	const struct sl_srtp_suite_info *info = sl_srtp_suite_info(s->key.suite);
	uint8_t master[SL_SRTP_KEY_MAX + SL_SRTP_SALT_MAX];

	memcpy(master, s->key.key, info->key_len);
	memcpy(master + info->key_len, s->key.salt, info->salt_len);
	policy->key = master;
	policy->ssrc = (srtp_ssrc_t){ssrc_specific, s->ssrc};
	policy->window_size = WINDOW;
	return srtp_create(out, policy);
}

static int open_libsrtp2(
        struct system *y, const struct stream *streams, unsigned n, char *err, size_t err_len)
{
	struct state *st = (struct state *)calloc(1, sizeof *st);
	srtp_policy_t policy = {0};

	y->state = st;
	if (!st)
		return -ENOMEM;
	if (srtp_init() != srtp_err_status_ok || !policy_of(streams[0].key.suite, &policy.rtp)) {
		snprintf(err, err_len, "no such suite");
		return -ENOTSUP;
	}
	policy.rtcp = policy.rtp;
	st->out = (srtp_t *)calloc(n, sizeof *st->out);
	st->in = (srtp_t *)calloc(n, sizeof *st->in);
	st->n = n;
	for (unsigned i = 0; i < n; i++)
		if (!st->out || !st->in || make(&st->out[i], &streams[i], &policy) != srtp_err_status_ok ||
		        make(&st->in[i], &streams[i], &policy) != srtp_err_status_ok) {
			snprintf(err, err_len, "srtp_create failed");
			return -ENOMEM;
		}
	snprintf(y->describe, sizeof y->describe, "%s", srtp_get_version_string());
	return 0;
}

static void protect(struct system *y, struct packet *p, unsigned n)
{
	const struct state *st = (const struct state *)y->state;

	for (unsigned i = 0; i < n; i++) {
		int len = p[i].len;
		p[i].failed |= srtp_protect(st->out[p[i].stream], p[i].rtp, &len) != srtp_err_status_ok;
		p[i].len = (uint16_t)len;
	}
}

static void unprotect(struct system *y, struct packet *p, unsigned n)
{
	const struct state *st = (const struct state *)y->state;

	for (unsigned i = 0; i < n; i++) {
		int len = p[i].len;
		p[i].failed |= srtp_unprotect(st->in[p[i].stream], p[i].rtp, &len) != srtp_err_status_ok;
		p[i].len = (uint16_t)len;
	}
}

static void close_libsrtp2(struct system *y)
{
	struct state *st = (struct state *)y->state;

	for (unsigned i = 0; st && st->in && i < st->n; i++) {
		if (st->out[i])
			srtp_dealloc(st->out[i]);
		if (st->in[i])
			srtp_dealloc(st->in[i]);
	}
	if (st) {
		free(st->out);
		free(st->in);
	}
	free(st);
	srtp_shutdown();
	y->state = NULL;
}

void system_libsrtp2(struct system *y)
{
	*y = (struct system){.name = "libsrtp2",
	        .open = open_libsrtp2,
	        .protect = protect,
	        .unprotect = unprotect,
	        .close = close_libsrtp2};
}

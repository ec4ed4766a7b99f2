/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "drivers/srtp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "drivers/srtp_internal.h"

static const struct sl_srtp_suite_info suites[SL_SRTP_N_SUITES] = {
#define X(name, number, key, salt, tag, ctag, sdp)                                                           \
	[number] = {sdp, key, salt, tag, ctag,                                                               \
	        number == SL_SRTP_AEAD_128_GCM || number == SL_SRTP_AEAD_256_GCM},
        SL_SRTP_SUITES(X)
#undef X
};

const struct sl_srtp_suite_info *sl_srtp_suite_info(unsigned suite)
{
	return suite > SL_SRTP_NONE && suite < SL_SRTP_N_SUITES ? &suites[suite] : NULL;
}

/* ---- engines ---- */

struct sl_srtp *sl_srtp_alloc(const struct sl_srtp_options *o, size_t bytes)
{
	struct sl_srtp *s;

	bytes = (bytes + 63) & ~(size_t)63;
	s = (struct sl_srtp *)(o->zalloc ? o->zalloc("SRTP engine", bytes) : aligned_alloc(64, bytes));
	if (!s)
		return NULL;
	memset(s, 0, bytes);
	s->bytes = bytes;
	s->borrowed = o->zalloc != NULL;
	return s;
}

void sl_srtp_free(struct sl_srtp *s)
{
	bool borrowed = s->borrowed;

	explicit_bzero(s, s->bytes); /* round keys may lie in a backend's work area */
	if (!borrowed)
		free(s);
}

int sl_srtp_open(struct sl_srtp **out, const struct sl_srtp_options *o, char *err, size_t err_len)
{
	int rc;

	*out = NULL;
	switch (o->backend) {
	case SL_SRTP_IPSEC_MB:
		rc = sl_srtp_ipsec_mb_open(out, o, err, err_len);
		break;
	case SL_SRTP_CRYPTODEV:
		rc = sl_srtp_cryptodev_open(out, o, err, err_len);
		break;
	default:
		snprintf(err, err_len, "there is no SRTP backend %d", (int)o->backend);
		return -ENOTSUP;
	}
	if (rc)
		return rc;
	rc = sl_srtp_bare_open(&(*out)->bare);
	if (rc) {
		snprintf(err, err_len,
		        rc == -ENOMEM ? "no memory for libcrypto"
		                      : "libcrypto has no AES-CTR or AES-GCM: see its openssl.cnf");
		sl_srtp_close(*out);
		*out = NULL;
	}
	return rc;
}

void sl_srtp_close(struct sl_srtp *s)
{
	if (!s)
		return;
	sl_srtp_bare_close(&s->bare);
	if (s->engine->close)
		s->engine->close(s);
	sl_srtp_free(s);
}

const char *sl_srtp_describe(const struct sl_srtp *s)
{
	return s->describe;
}

/* ---- key derivation ---- */

static bool key_is_sane(const struct sl_srtp_key *key)
{
	const struct sl_srtp_suite_info *info = sl_srtp_suite_info(key->suite);
	unsigned known = SL_SRTP_PLAIN_RTP | SL_SRTP_PLAIN_RTCP | SL_SRTP_PLAIN_AUTH;

	if (!info || key->mki_len > SL_SRTP_MKI_MAX || key->flags & ~known)
		return false;
	return !info->aead ||
	       !(key->flags & SL_SRTP_PLAIN_AUTH); /* an AEAD without its tag would be a bare CTR: RFC 7714 */
}

/* RFC 3711 4.3.1 with key derivation rate 0 and the PRF of 4.3.3, AES in counter mode under the master key;
 * RFC 6188 3 and RFC 7714 11 keep it with longer keys, and a shorter master salt counts as followed by zeros.
 */
static bool prf(struct sl_srtp_bare *b, const struct sl_srtp_key *key, unsigned key_len, unsigned salt_len,
        unsigned label, uint8_t *out, size_t len)
{
	uint8_t iv[16] = {0};
	bool ok;

	memcpy(iv, key->salt, salt_len);
	iv[7] ^= (uint8_t)label;
	memset(out, 0, len);
	ok = sl_srtp_bare_ctr(b, key->key, key_len, iv, out, len);
	explicit_bzero(iv, sizeof iv);
	return ok;
}

int sl_srtp_derive(struct sl_srtp_bare *b, const struct sl_srtp_key *key, enum sl_srtp_label label,
        struct sl_srtp_session_keys *out)
{
	if (!key_is_sane(key))
		return -EINVAL;
	const struct sl_srtp_suite_info *info = &suites[key->suite];
	memset(out, 0, sizeof *out);
	if (prf(b, key, info->key_len, info->salt_len, label, out->key, info->key_len) &&
	        prf(b, key, info->key_len, info->salt_len, label + 1u, out->auth, sizeof out->auth) &&
	        prf(b, key, info->key_len, info->salt_len, label + 2u, out->salt, info->salt_len))
		return 0;
	explicit_bzero(out, sizeof *out);
	return -EIO;
}

/* ---- contexts ---- */

size_t sl_srtp_context_bytes(const struct sl_srtp *s, unsigned suite)
{
	return sl_srtp_suite_info(suite) ? s->engine->context_bytes(s, sl_srtp_kind(suite)) : 0;
}

size_t sl_srtp_context_bytes_max(const struct sl_srtp *s)
{
	size_t max = 0;

	for (unsigned suite = SL_SRTP_NONE + 1; suite < SL_SRTP_N_SUITES; suite++) {
		size_t bytes = sl_srtp_context_bytes(s, suite);
		max = bytes > max ? bytes : max;
	}
	return max;
}

int sl_srtp_context_init(struct sl_srtp *s, struct sl_srtp_context *ctx, const struct sl_srtp_key *key)
{
	struct sl_srtp_session_keys keys;
	int err = sl_srtp_derive(&s->bare, key, SL_SRTP_LABEL_RTP, &keys);

	if (err)
		return err;
	memset(ctx, 0, sl_srtp_context_bytes(s, key->suite));
	ctx->suite = key->suite;
	ctx->mki_len = key->mki_len;
	ctx->flags = key->flags;
	ctx->tag_len = key->flags & SL_SRTP_PLAIN_AUTH ? 0 : suites[key->suite].tag_len;
	memcpy(ctx->mki, key->mki, key->mki_len);
	err = s->engine->context_init(s, ctx, &keys);
	explicit_bzero(&keys, sizeof keys);
	if (err)
		explicit_bzero(ctx, sl_srtp_context_bytes(s, key->suite));
	return err;
}

void sl_srtp_context_end(struct sl_srtp *s, struct sl_srtp_context *ctx)
{
	size_t bytes = sl_srtp_context_bytes(s, ctx->suite);

	if (bytes && s->engine->context_end)
		s->engine->context_end(s, ctx);
	explicit_bzero(ctx, bytes ? bytes : sizeof *ctx);
}

/* RFC 3711 3.1: the MKI stands before the tag; RFC 7714 8: the AEAD's tag belongs to the ciphertext, the MKI
 * follows. */
bool sl_srtp_mki_is(const struct sl_srtp_context *ctx, const uint8_t *packet, size_t len)
{
	size_t behind = ctx->mki_len + (suites[ctx->suite].aead ? 0u : ctx->tag_len);

	return len >= behind && memcmp(packet + len - behind, ctx->mki, ctx->mki_len) == 0;
}

/* ---- bursts ---- */

void sl_srtp_protect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	s->protect(s, ops, n);
}

void sl_srtp_unprotect(struct sl_srtp *s, struct sl_srtp_op *ops, unsigned n)
{
	s->unprotect(s, ops, n);
}

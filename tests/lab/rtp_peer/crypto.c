/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include <stdlib.h>
#include <string.h>

#include <srtp2/srtp.h>

#include "peer.h"

enum { KEY_MAX = 46, WINDOW = 1024 };

bool crypt_by_openssl;

struct crypt {
	srtp_t srtp;
	struct cm *cm; /* or this one */
};

static const struct suite {
	const char *name; /* RFC 4568 6.2, 6188, 7714 */
	void (*rtp)(srtp_crypto_policy_t *);
	void (*rtcp)(srtp_crypto_policy_t *);
	size_t key_bytes; /* with salt */
	int cm_key, cm_tag; /* of cm.c; 0 = it cannot */
} suites[] = {
	{"AES_CM_128_HMAC_SHA1_80", srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtcp_default, 30, 16, 10},
	{"AES_CM_128_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, srtp_crypto_policy_set_rtcp_default, 30,
		16, 4},
	{"AES_192_CM_HMAC_SHA1_80", NULL, NULL, 38, 24, 10},
	{"AES_192_CM_HMAC_SHA1_32", NULL, NULL, 38, 24, 4},
	{"AES_256_CM_HMAC_SHA1_80", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, 46, 32, 10},
	{"AES_256_CM_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, 46, 32, 4},
	{"AEAD_AES_128_GCM", srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth, 28, 0, 0},
	{"AEAD_AES_256_GCM", srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth, 44, 0, 0},
};

static int base64_value(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

	return at != NULL ? (int)(at - alphabet) : -1;
}

/* Bytes decoded; those of an unfinished group are left out. */
static size_t base64(const char *text, uint8_t *out, size_t room)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t n = 0;

	for (; n < room && base64_value(*text) >= 0; text++) {
		bits = bits << 6 | (uint32_t)base64_value(*text);
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	return n;
}

static const struct suite *suite_of(const char *text, const char *colon)
{
	for (size_t i = 0; colon != NULL && i < sizeof(suites) / sizeof(suites[0]); i++)
		if (strlen(suites[i].name) == (size_t)(colon - text) && strncmp(text, suites[i].name, (size_t)(colon - text)) == 0)
			return &suites[i];
	return NULL;
}

static bool libsrtp_open(srtp_t *session, const struct suite *s, uint8_t *key, bool inbound)
{
	static bool ready;
	srtp_policy_t policy;

	if (!ready && srtp_init() != srtp_err_status_ok)
		return false;
	ready = true;
	memset(&policy, 0, sizeof(policy));
	s->rtp(&policy.rtp);
	s->rtcp(&policy.rtcp);
	policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
	policy.key = key;
	policy.window_size = WINDOW;
	return srtp_create(session, &policy) == srtp_err_status_ok;
}

struct crypt *crypt_open(const char *text, bool inbound)
{
	const char *colon = strchr(text, ':');
	const struct suite *s = suite_of(text, colon);
	struct crypt *c = calloc(1, sizeof(*c));
	uint8_t key[KEY_MAX] = {0};
	bool ok = s != NULL && c != NULL && base64(colon + 1, key, sizeof(key)) >= s->key_bytes;

	if (ok && s->cm_key != 0 && (s->rtp == NULL || crypt_by_openssl))
		ok = (c->cm = cm_open(key, s->cm_key, s->cm_tag)) != NULL;
	else if (ok)
		ok = libsrtp_open(&c->srtp, s, key, inbound);
	if (ok)
		return c;
	fprintf(stderr, "rtp_peer: no SRTP by '%s'\n", text);
	free(c);
	return NULL;
}

enum crypt_status crypt_protect(struct crypt *c, uint8_t *p, int *len, bool rtcp)
{
	bool ok;

	if (c->cm != NULL)
		ok = rtcp ? cm_protect_rtcp(c->cm, p, len) : cm_protect(c->cm, p, len);
	else
		ok = (rtcp ? srtp_protect_rtcp(c->srtp, p, len) : srtp_protect(c->srtp, p, len)) == srtp_err_status_ok;
	return ok ? CRYPT_OK : CRYPT_WRONG;
}

enum crypt_status crypt_unprotect(struct crypt *c, uint8_t *p, int *len, bool rtcp)
{
	srtp_err_status_t status;
	int rc;

	if (c->cm != NULL) {
		rc = rtcp ? cm_unprotect_rtcp(c->cm, p, len) : cm_unprotect(c->cm, p, len);
		return rc == 0 ? CRYPT_OK : rc == -2 ? CRYPT_REPLAY : CRYPT_WRONG;
	}
	status = rtcp ? srtp_unprotect_rtcp(c->srtp, p, len) : srtp_unprotect(c->srtp, p, len);
	if (status == srtp_err_status_ok)
		return CRYPT_OK;
	return status == srtp_err_status_replay_fail || status == srtp_err_status_replay_old ? CRYPT_REPLAY : CRYPT_WRONG;
}

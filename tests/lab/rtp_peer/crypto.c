/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include <stdlib.h>
#include <string.h>

#include "peer.h"

enum { KEY_MAX = 46, WINDOW = 1024 };

static const struct suite {
	const char *name; /* RFC 4568 6.2, 6188, 7714 */
	void (*rtp)(srtp_crypto_policy_t *);
	void (*rtcp)(srtp_crypto_policy_t *);
	size_t key_bytes; /* with salt */
} suites[] = {
	{"AES_CM_128_HMAC_SHA1_80", srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtcp_default, 30},
	{"AES_CM_128_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, srtp_crypto_policy_set_rtcp_default, 30},
	{"AES_192_CM_HMAC_SHA1_80", srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80,
		srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80, 38},
	{"AES_192_CM_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_192_hmac_sha1_32,
		srtp_crypto_policy_set_aes_cm_192_hmac_sha1_80, 38},
	{"AES_256_CM_HMAC_SHA1_80", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80,
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, 46},
	{"AES_256_CM_HMAC_SHA1_32", srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32,
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80, 46},
	{"AEAD_AES_128_GCM", srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth, 28},
	{"AEAD_AES_256_GCM", srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth, 44},
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

int crypto_session(srtp_t *session, const char *text, bool inbound)
{
	static bool ready;
	const char *colon = strchr(text, ':');
	uint8_t key[KEY_MAX] = {0};
	srtp_policy_t policy;

	if (!ready && srtp_init() != srtp_err_status_ok) {
		fprintf(stderr, "rtp_peer: libsrtp does not start\n");
		return -1;
	}
	ready = true;
	for (size_t i = 0; colon != NULL && i < sizeof(suites) / sizeof(suites[0]); i++) {
		if (strlen(suites[i].name) != (size_t)(colon - text) || strncmp(text, suites[i].name, strlen(suites[i].name)) != 0)
			continue;
		if (base64(colon + 1, key, sizeof(key)) < suites[i].key_bytes)
			break;
		memset(&policy, 0, sizeof(policy));
		suites[i].rtp(&policy.rtp);
		suites[i].rtcp(&policy.rtcp);
		policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
		policy.key = key;
		policy.window_size = WINDOW;
		if (srtp_create(session, &policy) == srtp_err_status_ok)
			return 0;
		break;
	}
	fprintf(stderr, "rtp_peer: no SRTP by '%s'\n", text);
	return -1;
}

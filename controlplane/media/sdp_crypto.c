/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* a=crypto (RFC 4568) between text and struct sl_srtp_key. */

#include "controlplane/media/sdp_internal.h"

#include <errno.h>
#include <stdio.h>

enum {
	MAX_TAG = 999999999,      /* RFC 4568 9.1: up to nine digits */
	KEY_SALT_MAX = SL_SRTP_KEY_MAX + SL_SRTP_SALT_MAX,
	MAX_LIFETIME_BITS = 48,   /* RFC 4568 6.1 */
	PARAMETERS_MAX = 256,     /* bytes of an attribute's text beside its key */
};

static const struct suite {
	uint8_t number, key, salt;
	const char *name;
} suites[] = {
#define X(name, number, key, salt, tag, ctag, sdp) {number, key, salt, sdp},
	SL_SRTP_SUITES(X)
#undef X
};

static const struct suite *suite_named(struct sl_slice name)
{
	for (unsigned i = 0; i < sizeof suites / sizeof suites[0]; i++) {
		if (sl_slice_is(name, suites[i].name))
			return &suites[i];
	}
	return NULL;
}

static const struct suite *suite_numbered(uint8_t number)
{
	for (unsigned i = 0; i < sizeof suites / sizeof suites[0]; i++) {
		if (suites[i].number == number)
			return &suites[i];
	}
	return NULL;
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Exactly n bytes, padded or not (RFC 4648 3.2). */
static bool base64_decode(struct sl_slice s, uint8_t *out, size_t n)
{
	const size_t digits = (n * 4 + 2) / 3, padded = (n + 2) / 3 * 4;
	uint32_t bits = 0;
	unsigned have = 0;

	while (s.n > digits && s.n <= padded && s.p[s.n - 1] == '=')
		s.n--;
	if (s.n != digits)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int digit = base64_digit(s.p[i]);
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			*out++ = (uint8_t)(bits >> have);
		}
	}
	return true;
}

static size_t base64_encode(const uint8_t *in, size_t n, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *o = out;

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < n ? in[i + 1] << 8 : 0) | (i + 2 < n ? in[i + 2] : 0);
		*o++ = digits[v >> 18];
		*o++ = digits[v >> 12 & 63];
		*o++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*o++ = i + 2 < n ? digits[v & 63] : '=';
	}
	return (size_t)(o - out);
}

/* "2^20" or "1048576" (RFC 4568 6.1) */
static bool parse_lifetime(struct sl_slice s, uint64_t *out)
{
	uint64_t bits;

	if (s.n > 2 && s.p[0] == '2' && s.p[1] == '^') {
		if (!sl_sdp_number((struct sl_slice){s.p + 2, s.n - 2}, MAX_LIFETIME_BITS, &bits))
			return false;
		*out = UINT64_C(1) << bits;
		return true;
	}
	return sl_sdp_number(s, UINT64_C(1) << MAX_LIFETIME_BITS, out) && *out > 0;
}

/* "1:4": the value and how many bytes it takes in each packet */
static bool parse_mki(struct sl_slice s, struct sl_srtp_key *k)
{
	struct sl_slice value = sl_sdp_until(&s, ':');
	uint64_t v, n;

	if (!sl_sdp_number(s, SL_SRTP_MKI_MAX, &n) || n == 0)
		return false;
	if (!sl_sdp_number(value, (UINT64_C(1) << 8 * n) - 1, &v))
		return false;
	for (unsigned i = 0; i < n; i++)
		k->mki[i] = (uint8_t)(v >> 8 * (n - 1 - i));
	k->mki_len = (uint8_t)n;
	return true;
}

/* "inline:key||salt|lifetime|MKI:length", both last ones optional; of several keys the first. */
static bool parse_key(struct sl_slice s, const struct suite *suite, struct sl_srtp_key *k)
{
	uint8_t both[KEY_SALT_MAX];
	struct sl_slice keys = sl_sdp_until(&s, ';');

	if (!sl_slice_is(sl_sdp_until(&keys, ':'), "inline"))
		return false;
	if (!base64_decode(sl_sdp_until(&keys, '|'), both, (size_t)suite->key + suite->salt))
		return false;
	memcpy(k->key, both, suite->key);
	memcpy(k->salt, both + suite->key, suite->salt);
	explicit_bzero(both, sizeof both);
	if (keys.n == 0)
		return true;
	struct sl_slice part = sl_sdp_until(&keys, '|');
	if (!memchr(part.p, ':', part.n)) {
		if (part.n > 0 && !parse_lifetime(part, &k->lifetime_packets)) /* some leave it empty */
			return false;
		if (keys.n == 0)
			return true;
		part = sl_sdp_until(&keys, '|');
	}
	return keys.n == 0 && parse_mki(part, k);
}

/* RFC 4568 6.3: what is not known must not be accepted, unless it begins with "-" (6.3.7). */
static bool parse_parameter(struct sl_slice s, struct sl_srtp_key *k)
{
	struct sl_slice rest = s;

	if (s.p[0] == '-' || sl_slice_is(sl_sdp_until(&rest, '='), "WSH"))
		return true; /* a hint at a window's size: ours is the configured one */
	if (sl_slice_is(s, "UNENCRYPTED_SRTP"))
		k->flags |= SL_SRTP_PLAIN_RTP;
	else if (sl_slice_is(s, "UNENCRYPTED_SRTCP"))
		k->flags |= SL_SRTP_PLAIN_RTCP;
	else if (sl_slice_is(s, "UNAUTHENTICATED_SRTP"))
		k->flags |= SL_SRTP_PLAIN_AUTH;
	else
		return false; /* KDR, FEC_ORDER, FEC_KEY and whatever comes */
	return true;
}

void sl_sdp_crypto_parse(struct sl_slice value, struct sl_sdp_crypto *out)
{
	struct sl_slice s = value, tag = sl_sdp_token(&s), name = sl_sdp_token(&s), key = sl_sdp_token(&s), parameter;
	const struct suite *suite = suite_named(name);
	uint64_t number;

	memset(out, 0, sizeof *out);
	if (!sl_sdp_number(tag, MAX_TAG, &number))
		return;
	out->tag = (uint32_t)number;
	bool ok = suite && parse_key(key, suite, &out->key);
	while (ok && (parameter = sl_sdp_token(&s)).n > 0)
		ok = parse_parameter(parameter, &out->key);
	/* RFC 7714 14.3: AEAD suites always encrypt and authenticate. */
	if (ok && (suite->number == SL_SRTP_AEAD_128_GCM || suite->number == SL_SRTP_AEAD_256_GCM))
		ok = out->key.flags == 0;
	if (ok)
		out->key.suite = suite->number;
	else
		explicit_bzero(&out->key, sizeof out->key);
}

/* "|2^20|1:4 UNENCRYPTED_SRTCP": what follows the key. */
static void parameters_text(const struct sl_srtp_key *k, char out[PARAMETERS_MAX])
{
	uint64_t life = k->lifetime_packets;
	uint32_t mki = 0;
	int n = 0;

	out[0] = '\0';
	if (life > 0 && (life & (life - 1)) == 0)
		n = snprintf(out, PARAMETERS_MAX, "|2^%d", __builtin_ctzll(life));
	else if (life > 0)
		n = snprintf(out, PARAMETERS_MAX, "|%llu", (unsigned long long)life);
	for (unsigned i = 0; i < k->mki_len && i < SL_SRTP_MKI_MAX; i++)
		mki = mki << 8 | k->mki[i];
	if (k->mki_len > 0)
		n += snprintf(out + n, PARAMETERS_MAX - (size_t)n, "|%u:%u", mki, k->mki_len);
	snprintf(out + n, PARAMETERS_MAX - (size_t)n, "%s%s%s", k->flags & SL_SRTP_PLAIN_RTP ? " UNENCRYPTED_SRTP" : "",
		k->flags & SL_SRTP_PLAIN_RTCP ? " UNENCRYPTED_SRTCP" : "",
		k->flags & SL_SRTP_PLAIN_AUTH ? " UNAUTHENTICATED_SRTP" : "");
}

int sl_sdp_crypto_text(const struct sl_sdp_crypto *c, char *out, size_t room)
{
	const struct suite *suite = suite_numbered(c->key.suite);
	uint8_t both[KEY_SALT_MAX];
	char key[(KEY_SALT_MAX + 2) / 3 * 4 + 1], parameters[PARAMETERS_MAX];

	if (!suite)
		return -EINVAL;
	memcpy(both, c->key.key, suite->key);
	memcpy(both + suite->key, c->key.salt, suite->salt);
	key[base64_encode(both, (size_t)suite->key + suite->salt, key)] = '\0';
	parameters_text(&c->key, parameters);
	int n = snprintf(out, room, "%u %s inline:%s%s", c->tag, suite->name, key, parameters);
	explicit_bzero(both, sizeof both);
	explicit_bzero(key, sizeof key);
	if (n < 0 || (size_t)n >= room) {
		explicit_bzero(out, room);
		return -ENOSPC;
	}
	return n;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Access tokens of an authorisation server (RFC 7635): self-contained, opened with the key that we share with it. Nothing is asked of anybody, and
 * nothing is remembered. */

#include "dataplane/path/turn_internal.h"
#include "dataplane/wire/cursor.h"

enum {
	NONCE_BYTES = 12, /* of AEAD_AES_*_GCM (RFC 5116 5) */
	TAG_BYTES = 16,
	HEAD_BYTES = 2 + NONCE_BYTES,
	TAIL_BYTES = 8 + 4,    /* timestamp, lifetime */
	SHA1_KEY_BYTES = 20,
	SHA256_KEY_BYTES = 32,
	PLAIN_MAX = 2 + SHA256_KEY_BYTES + TAIL_BYTES,
	CLOCKS_APART_S = 5,    /* what our clock and the authorisation server's may differ by */
	FRACTION_BITS = 16,    /* of a timestamp: seconds in 48 bits, then 1/64000 s */
};

/* A token's length says which keys it can hold: anything else is not worth a decryption. */
static bool has_length(unsigned len)
{
	unsigned around = HEAD_BYTES + 2 + TAIL_BYTES + TAG_BYTES;

	return len == around + SHA1_KEY_BYTES || len == around + SHA256_KEY_BYTES;
}

/* Is the token's time now? left_s: what remains of it. */
static bool is_current(uint64_t issued_s, uint32_t lifetime_s, uint64_t now_s, uint32_t *left_s)
{
	uint64_t ends_s = issued_s + lifetime_s;

	if (issued_s > now_s + CLOCKS_APART_S || now_s >= ends_s + CLOCKS_APART_S)
		return false;
	uint64_t left = ends_s > now_s ? ends_s - now_s : 1;
	*left_s = left > UINT32_MAX ? UINT32_MAX : (uint32_t)left;
	return true;
}

static bool key_current(const struct sl_cmd_oauth_key *k, uint64_t now_s)
{
	return now_s >= k->not_before_unix_s && (k->not_after_unix_s == 0 || now_s < k->not_after_unix_s);
}

/* RFC 7635 6.2: key_length, mac_key, timestamp, lifetime, and nothing behind them. */
static bool read_block(const uint8_t *plain, unsigned len, uint64_t now_s, struct sl_turn_token *out)
{
	struct sl_cursor c = sl_cursor_over(plain, len);
	unsigned key_len = sl_cursor_u16(&c);

	if (key_len != len - 2 - TAIL_BYTES)
		return false;
	memcpy(out->key, sl_cursor_take(&c, key_len), key_len);
	out->key_len = (uint8_t)key_len;
	uint64_t stamp = (uint64_t)sl_cursor_u32(&c) << 32;
	stamp |= sl_cursor_u32(&c);
	uint32_t lifetime_s = sl_cursor_u32(&c);
	return !c.bad && is_current(stamp >> FRACTION_BITS, lifetime_s, now_s, &out->left_s);
}

bool sl_turn_token_open(const struct sl_turn_request *r, const struct sl_cmd_oauth_key *k, struct sl_turn_token *out)
{
	const struct sl_stun_crypto *crypto = &r->t->crypto;
	const char *server = sl_turn_conf_realm(r->t->conf, r->realm)->server_name;
	const uint8_t *token = sl_span_at(&r->m, r->m.access_token);
	unsigned len = r->m.access_token.len;
	uint8_t plain[PLAIN_MAX];

	if (!crypto->gcm_open || !has_length(len) || token[0] != 0 || token[1] != NONCE_BYTES || !key_current(k, r->now->unix_s))
		return false;
	if (!crypto->gcm_open(crypto->ctx, k->key, k->algorithm == SL_OAUTH_A128GCM ? 16 : 32, token + 2, server, strnlen(server, SL_MSG_REALM_MAX),
		    token + HEAD_BYTES, len - HEAD_BYTES, plain))
		return false;
	bool ok = read_block(plain, len - HEAD_BYTES - TAG_BYTES, r->now->unix_s, out);
	explicit_bzero(plain, sizeof plain);
	if (!ok)
		explicit_bzero(out, sizeof *out);
	return ok;
}

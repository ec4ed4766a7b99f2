/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/stun.h"

#include "dataplane/wire/stun_internal.h"

bool sl_equal_ct(const void *a, const void *b, size_t len)
{
	const uint8_t *x = (const uint8_t *)a, *y = (const uint8_t *)b;
	unsigned diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	/* Hides diff's meaning from the compiler, which could otherwise leave the loop early. */
	__asm__ volatile("" : "+r"(diff));
	return diff == 0;
}

bool sl_stun_integrity_ok(const struct sl_stun *m, const struct sl_stun_crypto *c, bool sha256,
        const uint8_t *key, size_t key_len)
{
	struct sl_span value = sha256 ? m->integrity_sha256 : m->integrity;
	uint8_t mac[SL_STUN_SHA256_BYTES];
	uint8_t start[SL_STUN_COOKIE_OFFSET];

	if (value.off == 0)
		return false;
	/* The hash covers the message as if it ended with this attribute: only the length field differs, so a
	 * copy of the first four bytes goes before the rest in place. */
	unsigned as_if_len = (unsigned)value.off + value.len - SL_STUN_HEADER_BYTES;
	start[0] = m->raw[0];
	start[1] = m->raw[1];
	start[2] = (uint8_t)(as_if_len >> 8);
	start[3] = (uint8_t)as_if_len;
	const struct sl_iov iov[2] = {
	        {start, sizeof start},
	        {m->raw + sizeof start, value.off - SL_STUN_ATTR_HEADER_BYTES - sizeof start},
	};
	(sha256 ? c->hmac_sha256 : c->hmac_sha1)(c->ctx, key, key_len, iov, 2, mac);
	return sl_equal_ct(mac, m->raw + value.off, value.len);
}

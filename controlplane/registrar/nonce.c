/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/registrar/nonce.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

/* The text: 16 hexadecimal digits each of time, counter and hash. */
enum { FIELD = 16, COUNT_BITS = 32 };

struct mac_input {
	int64_t issued_ms;
	uint64_t counter;
	struct sl_ip source;
	uint64_t realm_hash;
};

int sl_nonces_init(struct sl_nonces *n, size_t sets)
{
	*n = (struct sl_nonces){ .mask = sets - 1, .sets = calloc(sets, sizeof *n->sets) };
	if (!n->sets || RAND_bytes((unsigned char *)&n->key, sizeof n->key) != 1) {
		free(n->sets);
		n->sets = NULL;
		return -ENOMEM;
	}
	return 0;
}

void sl_nonces_free(struct sl_nonces *n)
{
	free(n->sets);
	OPENSSL_cleanse(n, sizeof *n);
}

static uint64_t mac_of(const struct sl_nonces *n, int64_t issued_ms, uint64_t counter, const char *realm, const struct sl_ip *source)
{
	struct mac_input in = { issued_ms, counter, *source, sl_siphash(&n->key, realm, strlen(realm)) };
	uint64_t mac = sl_siphash(&n->key, &in, sizeof in);

	return mac ? mac : 1;
}

void sl_nonce_new(struct sl_nonces *n, const char *realm, const struct sl_ip *source, int64_t now_ms, char out[SL_NONCE_TEXT])
{
	uint64_t counter = n->counter++;

	snprintf(out, SL_NONCE_TEXT, "%016llx%016llx%016llx", (unsigned long long)now_ms, (unsigned long long)counter,
	        (unsigned long long)mac_of(n, now_ms, counter, realm, source));
}

bool sl_hex16(const char *text, uint64_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < FIELD; i++) {
		char c = text[i];
		unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;

		if (digit > 15)
			return false;
		*out = *out << 4 | digit;
	}
	return true;
}

static bool parse(struct sl_slice nonce, uint64_t *issued_ms, uint64_t *counter, uint64_t *mac)
{
	return nonce.n == SL_NONCE_TEXT - 1 && sl_hex16(nonce.p, issued_ms) && sl_hex16(nonce.p + FIELD, counter) &&
	       sl_hex16(nonce.p + (size_t)2 * FIELD, mac);
}

bool sl_nonce_is_ours(const struct sl_nonces *n, struct sl_slice nonce, const char *realm, const struct sl_ip *source)
{
	uint64_t issued, counter, mac, want;

	if (!parse(nonce, &issued, &counter, &mac))
		return false;
	want = mac_of(n, (int64_t)issued, counter, realm, source);
	return CRYPTO_memcmp(&want, &mac, sizeof mac) == 0;
}

bool sl_nonce_check(const struct sl_nonces *n, struct sl_slice nonce, const char *realm, const struct sl_ip *source, int64_t now_ms,
        int64_t lifetime_ms)
{
	uint64_t issued, counter, mac;

	/* A clock that was set back must not make nonces live longer. */
	return sl_nonce_is_ours(n, nonce, realm, source) && parse(nonce, &issued, &counter, &mac) && now_ms - (int64_t)issued < lifetime_ms &&
	       (int64_t)issued <= now_ms;
}

/* A count of a nonce seen before: higher than all, or one of the last 32 that was passed over (requests overtake each other). */
static enum sl_nonce_verdict use_again(struct sl_nonce_use *u, uint32_t count, uint64_t fingerprint)
{
	if (count > u->highest) {
		uint32_t by = count - u->highest;

		u->seen = by < COUNT_BITS ? u->seen << by | 1 : 1;
		u->highest = count;
		u->fingerprint = fingerprint;
		return SL_NONCE_GOOD;
	}
	if (count == u->highest)
		return fingerprint && fingerprint == u->fingerprint ? SL_NONCE_AGAIN : SL_NONCE_STALE;
	uint32_t behind = u->highest - count;
	if (behind >= COUNT_BITS || (u->seen & UINT32_C(1) << behind))
		return SL_NONCE_STALE;
	u->seen |= UINT32_C(1) << behind;
	return SL_NONCE_GOOD;
}

enum sl_nonce_verdict sl_nonce_use(struct sl_nonces *n, struct sl_slice nonce, uint32_t count, uint64_t fingerprint)
{
	uint64_t issued, counter, mac;
	struct sl_nonce_use *oldest;

	if (count == 0 || !parse(nonce, &issued, &counter, &mac))
		return SL_NONCE_STALE;
	struct sl_nonce_use *set = n->sets[mac & n->mask];
	oldest = &set[0];
	for (unsigned i = 0; i < SL_NONCE_WAYS; i++) {
		struct sl_nonce_use *u = &set[i];

		if (u->mac == mac)
			return use_again(u, count, fingerprint);
		if (u->mac == 0 || (oldest->mac != 0 && u->issued_ms < oldest->issued_ms))
			oldest = u;
	}
	/* The oldest makes room. One that is not younger than all that are here may have been used and forgotten. */
	if (oldest->mac != 0 && oldest->issued_ms >= (int64_t)issued)
		return SL_NONCE_STALE;
	*oldest = (struct sl_nonce_use){ mac, (int64_t)issued, count, 1, fingerprint };
	return SL_NONCE_GOOD;
}

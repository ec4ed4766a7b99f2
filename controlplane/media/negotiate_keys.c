/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/media/negotiate.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>

/* What we like best, where nobody has said otherwise: what everybody has, then what is stronger. */
static const uint8_t preferred[SL_NEGO_SUITES] = {SL_SRTP_AES_CM_128_80, SL_SRTP_AES_CM_128_32,
        SL_SRTP_AEAD_128_GCM, SL_SRTP_AEAD_256_GCM, SL_SRTP_AES_CM_256_80, SL_SRTP_AES_CM_256_32,
        SL_SRTP_AES_CM_192_80, SL_SRTP_AES_CM_192_32};

static const struct {
	uint8_t key_len, salt_len;
} sizes[SL_SRTP_N_SUITES] = {
#define X(name, number, key, salt, tag, ctag, sdp) [number] = {key, salt},
        SL_SRTP_SUITES(X)
#undef X
};

uint32_t sl_nego_suites_asked(const struct sl_media_options *o)
{
	return SL_NEGO_ALL_SUITES & (o->sdes_only ? o->sdes_only : ~o->sdes_no);
}

static bool has(uint32_t set, unsigned suite)
{
	return suite < SL_SRTP_N_SUITES && set >> suite & 1;
}

bool sl_nego_same_key(const struct sl_srtp_key *a, const struct sl_srtp_key *b)
{
	return a->suite == b->suite && a->mki_len == b->mki_len &&
	       memcmp(a->mki, b->mki, sizeof a->mki) == 0 && a->flags == b->flags &&
	       CRYPTO_memcmp(a->key, b->key, sizeof a->key) == 0 &&
	       CRYPTO_memcmp(a->salt, b->salt, sizeof a->salt) == 0;
}

static int choose(uint32_t set, const struct sl_sdp_media *md, const struct sl_sdp_crypto *now)
{
	int first = -1;

	for (unsigned i = 0; i < md->n_crypto; i++) {
		const struct sl_sdp_crypto *c = &md->crypto[i];
		if (c->tag == 0 || c->key.suite == SL_SRTP_NONE)
			continue;
		if (c->tag == now->tag && sl_nego_same_key(&c->key, &now->key))
			return (int)i;
		if (has(set, c->key.suite) && (first < 0 || (md->crypto[first].key.flags && !c->key.flags)))
			first = (int)i;
	}
	return first;
}

int sl_nego_choose_crypto(
        uint32_t asked, uint32_t possible, const struct sl_sdp_media *md, const struct sl_sdp_crypto *now)
{
	int at = choose(asked & possible, md, now);

	return at >= 0 ? at : choose(possible, md, now);
}

unsigned sl_nego_suites(uint32_t set, const struct sl_sdp_media *md, uint8_t suites[SL_NEGO_SUITES])
{
	unsigned n = 0;

	for (unsigned i = 0; i < md->n_crypto; i++) {
		uint8_t suite = md->crypto[i].key.suite;
		if (has(set, suite) && !memchr(suites, suite, n))
			suites[n++] = suite;
	}
	for (unsigned i = 0; i < SL_NEGO_SUITES; i++) {
		if (has(set, preferred[i]) && !memchr(suites, preferred[i], n))
			suites[n++] = preferred[i];
	}
	return n;
}

int sl_nego_match_crypto(
        const struct sl_sdp_crypto *offered, unsigned n, const struct sl_sdp_media *md, unsigned *answer)
{
	for (unsigned a = 0; a < md->n_crypto; a++) {
		for (unsigned i = 0; i < n; i++) {
			/* RFC 4568 5.1.3: tag and suite are the offer's; 6.3: so is whether packets are encrypted and
			 * authenticated, which an answer cannot take back. */
			if (md->crypto[a].tag != offered[i].tag ||
			        md->crypto[a].key.suite != offered[i].key.suite ||
			        md->crypto[a].key.flags != offered[i].key.flags)
				continue;
			*answer = a;
			return (int)i;
		}
	}
	return -1;
}

static int fill(void *out, size_t len)
{
	return getrandom(out, len, 0) == (ssize_t)len ? 0 : -EIO; /* below 256 bytes it is never cut short */
}

int sl_nego_make_key(struct sl_srtp_key *key, unsigned suite, uint8_t flags)
{
	*key = (struct sl_srtp_key){.suite = (uint8_t)suite, .flags = flags};
	int rc = fill(key->key, sizes[suite].key_len);

	return rc ? rc : fill(key->salt, sizes[suite].salt_len);
}

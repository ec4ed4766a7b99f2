/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* AES_192_CM (RFC 6188) by OpenSSL: libsrtp2 2.5 built on NSS derives its session keys as if they were AES-256's, and agrees
 * with nobody. RFC 3711 in the plainest form that serves a test. */

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

enum {
	KEY = 24, SALT = 14, AUTH = 20, BLOCK = 16,
	RTCP_HEADER = 8, RTCP_TAG = 10, INDEX_BYTES = 4,
	LABEL_RTCP = 3, /* RFC 3711 4.3.1: encryption, authentication, salt of RTP are 0, 1, 2; of RTCP 3, 4, 5 */
	WINDOW = 64,
};
#define E_BIT UINT32_C(0x80000000)

struct session_keys {
	uint8_t key[KEY], auth[AUTH], salt[SALT];
};
struct source {
	uint32_t ssrc;
	uint64_t top, window; /* bit i: index top - i was seen */
};
struct cm192 {
	struct session_keys rtp, rtcp;
	int tag;
	struct source sources[MAX_STREAMS];
	unsigned n_sources;
	uint32_t rtcp_index;
	int64_t rtcp_top; /* the highest accepted */
};

static void ctr(const uint8_t key[KEY], const uint8_t iv[BLOCK], uint8_t *p, int len)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	if (c == NULL || EVP_EncryptInit_ex(c, EVP_aes_192_ctr(), NULL, key, iv) != 1 || EVP_EncryptUpdate(c, p, &n, p, len) != 1)
		abort();
	EVP_CIPHER_CTX_free(c);
}

/* RFC 3711 4.3.3 with a key derivation rate of 0. */
static void derive(const uint8_t master[KEY + SALT], uint8_t label, uint8_t *out, int len)
{
	uint8_t iv[BLOCK] = {0};

	memcpy(iv, master + KEY, SALT);
	iv[7] ^= label;
	memset(out, 0, (size_t)len);
	ctr(master, iv, out, len);
}

struct cm192 *cm192_open(const uint8_t *master, int tag)
{
	struct cm192 *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->tag = tag;
	c->rtcp_top = -1;
	derive(master, 0, c->rtp.key, KEY);
	derive(master, 1, c->rtp.auth, AUTH);
	derive(master, 2, c->rtp.salt, SALT);
	derive(master, LABEL_RTCP, c->rtcp.key, KEY);
	derive(master, LABEL_RTCP + 1, c->rtcp.auth, AUTH);
	derive(master, LABEL_RTCP + 2, c->rtcp.salt, SALT);
	return c;
}

/* RFC 3711 4.1.1. */
static void crypt(const struct session_keys *k, uint32_t ssrc, uint64_t index, uint8_t *p, int len)
{
	uint8_t iv[BLOCK] = {0}, word[8];

	memcpy(iv, k->salt, SALT);
	put32(word, ssrc);
	for (int i = 0; i < 4; i++)
		iv[4 + i] ^= word[i];
	put64(word, index << 16);
	for (int i = 0; i < 8; i++)
		iv[8 + i] ^= word[i];
	ctr(k->key, iv, p, len);
}

static void tag_of(const struct session_keys *k, const uint8_t *p, int len, const uint8_t *more, uint8_t out[AUTH])
{
	uint8_t whole[MAX_PACKET + INDEX_BYTES];

	memcpy(whole, p, (size_t)len);
	if (more != NULL)
		memcpy(whole + len, more, INDEX_BYTES);
	HMAC(EVP_sha1(), k->auth, AUTH, whole, (size_t)(len + (more != NULL ? INDEX_BYTES : 0)), out, NULL);
}

static int header_of(const uint8_t *p, int len)
{
	int n = RTP_HEADER + 4 * (p[0] & 0xf);

	if (p[0] & 0x10 && len >= n + 4)
		n += 4 + 4 * get16(p + n + 2);
	return n;
}

static struct source *source_of(struct cm192 *c, uint32_t ssrc, uint16_t seq)
{
	for (unsigned i = 0; i < c->n_sources; i++)
		if (c->sources[i].ssrc == ssrc)
			return &c->sources[i];
	if (c->n_sources == MAX_STREAMS)
		return NULL;
	c->sources[c->n_sources] = (struct source){.ssrc = ssrc, .top = seq};
	return &c->sources[c->n_sources++];
}

/* RFC 3711 3.3.1. */
static uint64_t index_of(const struct source *s, uint16_t seq)
{
	int16_t ahead = (int16_t)(seq - (uint16_t)s->top);

	return ahead < 0 && s->top < (uint64_t)-ahead ? seq : s->top + (uint64_t)(int64_t)ahead;
}

static void commit(struct source *s, uint64_t index)
{
	if (index > s->top) {
		s->window = index - s->top < WINDOW ? s->window << (index - s->top) : 0;
		s->top = index;
	}
	s->window |= UINT64_C(1) << (s->top - index);
}

bool cm192_protect(struct cm192 *c, uint8_t *p, int *len)
{
	struct source *s = source_of(c, get32(p + 8), get16(p + 2));
	int header = header_of(p, *len);
	uint8_t roc[INDEX_BYTES], tag[AUTH];
	uint64_t index;

	if (s == NULL)
		return false;
	index = index_of(s, get16(p + 2));
	commit(s, index);
	crypt(&c->rtp, s->ssrc, index, p + header, *len - header);
	put32(roc, (uint32_t)(index >> 16));
	tag_of(&c->rtp, p, *len, roc, tag);
	memcpy(p + *len, tag, (size_t)c->tag);
	*len += c->tag;
	return true;
}

/* 0, -1 (does not authenticate) or -2 (came before). */
int cm192_unprotect(struct cm192 *c, uint8_t *p, int *len)
{
	struct source *s = source_of(c, get32(p + 8), get16(p + 2));
	int body = *len - c->tag, header = header_of(p, *len);
	uint8_t roc[INDEX_BYTES], tag[AUTH];
	uint64_t index;

	if (s == NULL || body < header)
		return -1;
	index = index_of(s, get16(p + 2));
	if (index <= s->top && (s->top - index >= WINDOW || s->window >> (s->top - index) & 1))
		return -2;
	put32(roc, (uint32_t)(index >> 16));
	tag_of(&c->rtp, p, body, roc, tag);
	if (memcmp(tag, p + body, (size_t)c->tag) != 0)
		return -1;
	commit(s, index);
	crypt(&c->rtp, s->ssrc, index, p + header, body - header);
	*len = body;
	return 0;
}

bool cm192_protect_rtcp(struct cm192 *c, uint8_t *p, int *len)
{
	uint8_t tag[AUTH];

	c->rtcp_index++;
	crypt(&c->rtcp, get32(p + 4), c->rtcp_index, p + RTCP_HEADER, *len - RTCP_HEADER);
	put32(p + *len, c->rtcp_index | E_BIT);
	*len += INDEX_BYTES;
	tag_of(&c->rtcp, p, *len, NULL, tag);
	memcpy(p + *len, tag, RTCP_TAG);
	*len += RTCP_TAG;
	return true;
}

int cm192_unprotect_rtcp(struct cm192 *c, uint8_t *p, int *len)
{
	int body = *len - RTCP_TAG - INDEX_BYTES;
	uint8_t tag[AUTH];
	uint32_t index;

	if (body < RTCP_HEADER)
		return -1;
	tag_of(&c->rtcp, p, body + INDEX_BYTES, NULL, tag);
	if (memcmp(tag, p + body + INDEX_BYTES, RTCP_TAG) != 0)
		return -1;
	index = get32(p + body);
	if ((int64_t)(index & ~E_BIT) <= c->rtcp_top)
		return -2;
	c->rtcp_top = index & ~E_BIT;
	if (index & E_BIT)
		crypt(&c->rtcp, get32(p + 4), index & ~E_BIT, p + RTCP_HEADER, body - RTCP_HEADER);
	*len = body;
	return 0;
}

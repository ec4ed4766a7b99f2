/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* AES in counter mode by OpenSSL, RFC 3711 and RFC 6188 in the plainest form that serves a test. libsrtp2 2.5 built on NSS
 * derives AES-192's session keys as if they were AES-256's, and agrees with nobody; and NSS takes 50 us a packet when there
 * are a thousand keys. */

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

enum {
	KEY_MAX = 32, SALT = 14, AUTH = 20, BLOCK = 16,
	RTCP_HEADER = 8, RTCP_TAG = 10, INDEX_BYTES = 4,
	LABEL_RTCP = 3, /* RFC 3711 4.3.1: encryption, authentication, salt of RTP are 0, 1, 2; of RTCP 3, 4, 5 */
	WINDOW = 64,
};
#define E_BIT UINT32_C(0x80000000)

struct session_keys {
	EVP_CIPHER_CTX *cipher;
	uint8_t auth[AUTH], salt[SALT];
};
struct source {
	uint32_t ssrc;
	uint64_t top, window; /* bit i: index top - i was seen */
};
struct cm {
	struct session_keys rtp, rtcp;
	int tag;
	struct source sources[MAX_STREAMS];
	unsigned n_sources;
	uint32_t rtcp_index;
	int64_t rtcp_top; /* the highest accepted */
};

static EVP_CIPHER_CTX *cipher_of(const uint8_t *key, int key_len)
{
	const EVP_CIPHER *kind = key_len == 16 ? EVP_aes_128_ctr() : key_len == 24 ? EVP_aes_192_ctr() : EVP_aes_256_ctr();
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (c == NULL || EVP_EncryptInit_ex(c, kind, NULL, key, NULL) != 1)
		abort();
	return c;
}

static void ctr(EVP_CIPHER_CTX *c, const uint8_t iv[BLOCK], uint8_t *p, int len)
{
	int n;

	if (EVP_EncryptInit_ex(c, NULL, NULL, NULL, iv) != 1 || EVP_EncryptUpdate(c, p, &n, p, len) != 1)
		abort();
}

/* RFC 3711 4.3.3 with a key derivation rate of 0. */
static void derive(EVP_CIPHER_CTX *master, const uint8_t salt[SALT], uint8_t label, uint8_t *out, int len)
{
	uint8_t iv[BLOCK] = {0};

	memcpy(iv, salt, SALT);
	iv[7] ^= label;
	memset(out, 0, (size_t)len);
	ctr(master, iv, out, len);
}

static void derive_all(struct session_keys *k, const uint8_t *master, int key_len, uint8_t label)
{
	EVP_CIPHER_CTX *c = cipher_of(master, key_len);
	uint8_t key[KEY_MAX];

	derive(c, master + key_len, label, key, key_len);
	derive(c, master + key_len, label + 1, k->auth, AUTH);
	derive(c, master + key_len, label + 2, k->salt, SALT);
	k->cipher = cipher_of(key, key_len);
	EVP_CIPHER_CTX_free(c);
}

struct cm *cm_open(const uint8_t *master, int key_len, int tag)
{
	struct cm *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->tag = tag;
	c->rtcp_top = -1;
	derive_all(&c->rtp, master, key_len, 0);
	derive_all(&c->rtcp, master, key_len, LABEL_RTCP);
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
	ctr(k->cipher, iv, p, len);
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

static struct source *source_of(struct cm *c, uint32_t ssrc, uint16_t seq)
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

bool cm_protect(struct cm *c, uint8_t *p, int *len)
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
int cm_unprotect(struct cm *c, uint8_t *p, int *len)
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

bool cm_protect_rtcp(struct cm *c, uint8_t *p, int *len)
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

int cm_unprotect_rtcp(struct cm *c, uint8_t *p, int *len)
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

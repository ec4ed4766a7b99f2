/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/registrar/digest.h"

#include "controlplane/registrar/registrar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

static const struct {
	const char *name, *openssl;
	unsigned bytes;
} algorithms[SL_DIGEST_N] = {
	[SL_DIGEST_SHA256] = { "SHA-256", "SHA256", 32 },
	[SL_DIGEST_MD5] = { "MD5", "MD5", 16 },
};

/* Fetching costs more than hashing (OpenSSL 3): once for the process. */
static EVP_MD *fetched[SL_DIGEST_N];
static EVP_MD_CTX *context;

static int hash(enum sl_digest_algorithm a, const struct sl_slice *parts, unsigned n, uint8_t out[SL_DIGEST_BYTES_MAX])
{
	if (!context)
		context = EVP_MD_CTX_new();
	if (!fetched[a])
		fetched[a] = EVP_MD_fetch(NULL, algorithms[a].openssl, NULL);
	if (!context || !fetched[a] || EVP_DigestInit_ex2(context, fetched[a], NULL) != 1)
		return -ENOTSUP;
	for (unsigned i = 0; i < n; i++) {
		if (i && EVP_DigestUpdate(context, ":", 1) != 1)
			return -ENOTSUP;
		if (parts[i].n && EVP_DigestUpdate(context, parts[i].p, parts[i].n) != 1)
			return -ENOTSUP;
	}
	return EVP_DigestFinal_ex(context, out, NULL) == 1 ? 0 : -ENOTSUP;
}

static struct sl_slice hex(const uint8_t *bytes, unsigned n, char out[SL_DIGEST_HEX])
{
	static const char digits[] = "0123456789abcdef";

	for (unsigned i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
	return (struct sl_slice){ out, 2 * (size_t)n };
}

static struct sl_slice text_slice(const char *text)
{
	return (struct sl_slice){ text, strlen(text) };
}

bool sl_digest_is(struct sl_slice s, const char *text)
{
	return s.p && strlen(text) == s.n && strncasecmp(s.p, text, s.n) == 0;
}

enum sl_digest_algorithm sl_digest_algorithm_of(struct sl_slice name)
{
	if (!name.p)
		return SL_DIGEST_MD5; /* RFC 7616 3.3 */
	for (unsigned a = 0; a < SL_DIGEST_N; a++) {
		if (sl_digest_is(name, algorithms[a].name))
			return a;
	}
	return SL_DIGEST_N;
}

const char *sl_digest_algorithm_name(enum sl_digest_algorithm a)
{
	return algorithms[a].name;
}

int sl_digest_ha1(enum sl_digest_algorithm a, const char *username, const char *realm, const char *password,
        uint8_t ha1[SL_DIGEST_BYTES_MAX])
{
	const struct sl_slice parts[] = { text_slice(username), text_slice(realm), text_slice(password) };

	return hash(a, parts, 3, ha1);
}

int sl_digest_response(enum sl_digest_algorithm a, const uint8_t *ha1, const struct sl_digest_params *p, const char *method,
        char out[SL_DIGEST_HEX])
{
	uint8_t raw[SL_DIGEST_BYTES_MAX];
	char ha1_hex[SL_DIGEST_HEX], ha2_hex[SL_DIGEST_HEX];
	const struct sl_slice a2[] = { text_slice(method), p->uri };
	unsigned bytes = algorithms[a].bytes;

	if (hash(a, a2, 2, raw) < 0)
		return -ENOTSUP;
	struct sl_slice ha2 = hex(raw, bytes, ha2_hex);
	struct sl_slice parts[6] = { hex(ha1, bytes, ha1_hex), p->nonce };
	unsigned n = 2;

	if (p->qop.p) {
		parts[n++] = p->nc;
		parts[n++] = p->cnonce;
		parts[n++] = p->qop;
	}
	parts[n++] = ha2;
	int rc = hash(a, parts, n, raw);

	OPENSSL_cleanse(ha1_hex, sizeof ha1_hex);
	if (rc == 0)
		hex(raw, bytes, out);
	return rc;
}

/* ---- parameters ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value behind "=": a quoted string (without its quotes) or what goes up to a comma. */
static const char *take_value(const char *t, struct sl_slice *value)
{
	if (*t == '"') {
		value->p = ++t;
		while (*t && *t != '"')
			t += *t == '\\' && t[1] ? 2 : 1;
		if (!*t)
			return NULL;
		value->n = (size_t)(t++ - value->p);
		return t;
	}
	value->p = t;
	while (*t && *t != ',' && !is_space(*t))
		t++;
	value->n = (size_t)(t - value->p);
	return t;
}

bool sl_digest_param(const char **text, struct sl_slice *name, struct sl_slice *value)
{
	const char *t = *text;

	while (is_space(*t) || *t == ',')
		t++;
	name->p = t;
	while (*t && *t != '=' && *t != ',' && !is_space(*t))
		t++;
	name->n = (size_t)(t - name->p);
	while (is_space(*t))
		t++;
	if (name->n == 0 || *t != '=')
		return false;
	do
		t++;
	while (is_space(*t));
	t = take_value(t, value);
	if (!t)
		return false;
	while (is_space(*t))
		t++;
	if (*t == ',')
		t++;
	*text = t;
	return true;
}

void sl_digest_take(struct sl_digest_params *p, struct sl_slice name, struct sl_slice value)
{
	const struct {
		const char *name;
		struct sl_slice *to;
	} known[] = {
		{ "username", &p->username }, { "realm", &p->realm }, { "nonce", &p->nonce }, { "uri", &p->uri },
		{ "response", &p->response }, { "algorithm", &p->algorithm }, { "cnonce", &p->cnonce },
		{ "opaque", &p->opaque }, { "qop", &p->qop }, { "nc", &p->nc }, { "stale", &p->stale },
	};

	for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (sl_digest_is(name, known[i].name)) {
			if (!known[i].to->p)
				*known[i].to = value;
			return;
		}
	}
}

/* ---- as a client ---- */

/* Is auth among the qop-options ("auth,auth-int")? */
static bool offers_auth(struct sl_slice qop)
{
	const char *p = qop.p, *end = qop.p + qop.n;

	while (p < end) {
		while (p < end && (is_space(*p) || *p == ','))
			p++;
		const char *start = p;
		while (p < end && !is_space(*p) && *p != ',')
			p++;
		if (sl_digest_is((struct sl_slice){ start, (size_t)(p - start) }, "auth"))
			return true;
	}
	return false;
}

static bool parse_challenge(const char *text, struct sl_digest_params *p)
{
	struct sl_slice name, value;

	memset(p, 0, sizeof *p);
	while (is_space(*text))
		text++;
	if (strncasecmp(text, "Digest", 6) != 0 || !is_space(text[6]))
		return false;
	text += 7;
	while (sl_digest_param(&text, &name, &value))
		sl_digest_take(p, name, value);
	return p->realm.p && p->nonce.p && (!p->qop.p || offers_auth(p->qop));
}

/* The best challenge that can be answered: SHA-256 before MD5, else the order they came in. */
static int choose(const char *const *challenges, unsigned n, const char *realm, struct sl_digest_params *best,
        enum sl_digest_algorithm *algorithm, char *out, size_t out_len)
{
	int rc = -EINVAL;

	snprintf(out, out_len, "no challenge with SHA-256 or MD5 and qop auth");
	*algorithm = SL_DIGEST_N;
	for (unsigned i = 0; i < n; i++) {
		struct sl_digest_params p;
		enum sl_digest_algorithm a;

		if (!challenges[i] || !parse_challenge(challenges[i], &p))
			continue;
		a = sl_digest_algorithm_of(p.algorithm);
		if (a >= *algorithm)
			continue;
		if (realm && *realm && !sl_digest_is(p.realm, realm)) {
			if (rc == -EINVAL) {
				rc = -EACCES;
				snprintf(out, out_len, "the realm is \"%.*s\", the credentials are for \"%s\"", (int)p.realm.n, p.realm.p,
				        realm);
			}
			continue;
		}
		*best = p;
		*algorithm = a;
	}
	return *algorithm == SL_DIGEST_N ? rc : 0;
}

int sl_digest_answer(const char *const *challenges, unsigned n, const char *username, const char *realm, const uint8_t ha1_md5[16],
        const uint8_t ha1_sha256[32], const char *method, const char *uri, unsigned nonce_count, char *out, size_t out_len)
{
	enum sl_digest_algorithm a;
	struct sl_digest_params p;
	uint8_t random[8];
	char cnonce[2 * sizeof random + 1], nc[9], response[SL_DIGEST_HEX];
	int rc = choose(challenges, n, realm, &p, &a, out, out_len);

	if (rc < 0)
		return rc;
	if (RAND_bytes(random, sizeof random) != 1)
		return -EINVAL;
	for (unsigned i = 0; i < sizeof random; i++)
		snprintf(cnonce + (size_t)2 * i, 3, "%02x", random[i]);
	snprintf(nc, sizeof nc, "%08x", nonce_count);
	p.uri = text_slice(uri);
	if (p.qop.p) {
		p.qop = text_slice("auth");
		p.cnonce = text_slice(cnonce);
		p.nc = text_slice(nc);
	}
	if (sl_digest_response(a, a == SL_DIGEST_SHA256 ? ha1_sha256 : ha1_md5, &p, method, response) < 0) {
		snprintf(out, out_len, "this OpenSSL has no %s", algorithms[a].name);
		return -EINVAL;
	}
	int len = snprintf(out, out_len, "Digest username=\"%s\", realm=\"%.*s\", nonce=\"%.*s\", uri=\"%s\", response=\"%s\", algorithm=%s",
	        username, (int)p.realm.n, p.realm.p, (int)p.nonce.n, p.nonce.p, uri, response, algorithms[a].name);
	if (p.qop.p && len > 0 && (size_t)len < out_len)
		len += snprintf(out + len, out_len - (size_t)len, ", cnonce=\"%s\", qop=auth, nc=%s", cnonce, nc);
	if (p.opaque.p && len > 0 && (size_t)len < out_len)
		len += snprintf(out + len, out_len - (size_t)len, ", opaque=\"%.*s\"", (int)p.opaque.n, p.opaque.p);
	if (len < 0 || (size_t)len >= out_len) {
		snprintf(out, out_len, "the challenge is too long");
		return -EINVAL;
	}
	return 0;
}

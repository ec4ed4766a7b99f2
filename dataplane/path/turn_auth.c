/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Long-term credentials (RFC 8489 9.2) without memory: nonces carry their own time and proof. */

#define OPENSSL_SUPPRESS_DEPRECATED /* what OpenSSL 3 offers instead allocates; these do not */
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "dataplane/path/turn_internal.h"

/* A nonce is the cookie and security features of RFC 8489 9.2, then our time and hash in hex digits. */
enum {
	COOKIE_LEN = 9,
	FEATURES_LEN = 4,
	TIME_AT = COOKIE_LEN + FEATURES_LEN,
	TIME_LEN = 8,
	MAC_AT = TIME_AT + TIME_LEN,
	MAC_LEN = 16,
	NONCE_LEN = MAC_AT + MAC_LEN,
	/* Features as their first base64 digit: bit 0 is the leftmost (RFC 8489 18.1). */
	FEATURE_ALGORITHMS = 0x20,
	FEATURE_ANONYMITY = 0x10,
	BASE64_SHA1 = 28, /* digits of 20 bytes */
	REALM_MAX = SL_MSG_REALM_MAX,
	INTEGRITY_SHA256_LEN = 32,
};
static const char COOKIE[COOKIE_LEN + 1] = "obMatJos2";
static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* SHA-256 before MD5, both without parameters (RFC 8489 14.11). */
static const uint8_t ALGORITHMS[] = {0, SL_PASSWORD_SHA256, 0, 0, 0, SL_PASSWORD_MD5, 0, 0};

/* ---- nonces ---- */

static void put_hex(char *out, uint64_t v, unsigned digits)
{
	for (unsigned i = digits; i-- > 0; v >>= 4)
		out[i] = "0123456789abcdef"[v & 15];
}

static bool get_hex(const uint8_t *p, unsigned digits, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < digits; i++) {
		unsigned c = p[i];
		if (c >= '0' && c <= '9')
			v = v << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v << 4 | (c - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

static uint64_t nonce_mac(const struct sl_turn_request *r, uint32_t time_s, uint8_t features_digit)
{
	struct {
		struct sl_flow flow;
		uint32_t time_s, features, realm, zero;
	} of = {*r->flow, time_s, features_digit, sl_turn_conf_realm_tag(r->t->conf, r->realm), 0};

	return sl_siphash(&r->t->nonce_key, &of, sizeof of);
}

static void nonce_make(const struct sl_turn_request *r, char out[NONCE_LEN])
{
	const struct sl_cmd_secret *secrets;
	unsigned features = 0;

	if (sl_turn_conf_settings(r->t->conf)->offer_sha256)
		features |= FEATURE_ALGORITHMS;
	/* User names of the REST scheme are not known beforehand, so their hashes cannot be looked up. */
	if (sl_turn_conf_secrets(r->t->conf, r->realm, &secrets) == 0)
		features |= FEATURE_ANONYMITY;
	memcpy(out, COOKIE, COOKIE_LEN);
	memset(out + COOKIE_LEN, 'A', FEATURES_LEN);
	out[COOKIE_LEN] = BASE64[features];
	put_hex(out + TIME_AT, r->now->s, TIME_LEN);
	put_hex(out + MAC_AT, nonce_mac(r, r->now->s, (uint8_t)out[COOKIE_LEN]), MAC_LEN);
}

/* Made by us for this five-tuple and realm, and not too old? */
static bool nonce_valid(const struct sl_turn_request *r, const uint8_t *p, unsigned len)
{
	char mac[MAC_LEN];
	uint64_t time_s;

	if (len != NONCE_LEN || memcmp(p, COOKIE, COOKIE_LEN) != 0 || memcmp(p + COOKIE_LEN + 1, "AAA", 3) != 0 ||
		!get_hex(p + TIME_AT, TIME_LEN, &time_s))
		return false;
	put_hex(mac, nonce_mac(r, (uint32_t)time_s, p[COOKIE_LEN]), MAC_LEN);
	return sl_equal_ct(mac, p + MAC_AT, MAC_LEN) && time_s <= r->now->s &&
		r->now->s - time_s < sl_turn_conf_settings(r->t->conf)->nonce_lifetime_s;
}

/* Does the nonce, whoever made it, claim that password algorithms were offered? */
static bool nonce_says_algorithms(const uint8_t *p, unsigned len)
{
	if (len < TIME_AT || memcmp(p, COOKIE, COOKIE_LEN) != 0)
		return false;
	const char *digit = strchr(BASE64, p[COOKIE_LEN]);
	return digit && *digit && ((digit - BASE64) & FEATURE_ALGORITHMS);
}

void sl_turn_challenge(struct sl_turn_request *r, struct sl_stun_builder *b)
{
	const struct sl_cmd_turn *conf = sl_turn_conf_settings(r->t->conf);
	const struct sl_cmd_realm *realm = sl_turn_conf_realm(r->t->conf, r->realm);
	char nonce[NONCE_LEN];

	nonce_make(r, nonce);
	sl_stun_add(b, SL_ATTR_REALM, realm->name, strnlen(realm->name, sizeof realm->name));
	sl_stun_add(b, SL_ATTR_NONCE, nonce, sizeof nonce);
	if (conf->offer_sha256)
		sl_stun_add(b, SL_ATTR_PASSWORD_ALGORITHMS, ALGORITHMS, sizeof ALGORITHMS);
	if (realm->offer_third_party)
		sl_stun_add(b, SL_ATTR_THIRD_PARTY_AUTHORIZATION, realm->server_name, strnlen(realm->server_name, sizeof realm->server_name));
}

/* ---- realms ---- */

/* The allocation's realm, which its user is of; else what the client says of itself, else where it came to. */
static uint16_t realm_of(const struct sl_turn_request *r)
{
	const struct sl_turn_conf *conf = r->t->conf;
	uint16_t realm = SL_TURN_ANY_REALM;

	if (r->owner != SL_NONE)
		realm = sl_turn_realm_of(r->t, r->owner);
	for (unsigned i = 0; i < SL_STUN_MAX_ORIGINS && realm == SL_TURN_ANY_REALM && r->m.origins[i].off; i++)
		realm = sl_turn_conf_origin(conf, sl_span_at(&r->m, r->m.origins[i]), r->m.origins[i].len);
	if (realm == SL_TURN_ANY_REALM && r->from->realm_hint < sl_turn_conf_n_realms(conf))
		realm = r->from->realm_hint;
	if (realm == SL_TURN_ANY_REALM)
		realm = sl_turn_conf_listener_realm(conf, r->flow->listener);
	return realm == SL_TURN_ANY_REALM ? 0 : realm;
}

/* Keyed hash of a user of the request's realm: names mean nothing without one. */
static uint64_t user_hash(const struct sl_turn_request *r, const void *name, unsigned len, const uint8_t *more, unsigned more_len)
{
	uint8_t of[4 + SL_STUN_USERNAME_MAX + sizeof r->auth.key];
	uint32_t tag = sl_turn_conf_realm_tag(r->t->conf, r->realm);

	memcpy(of, &tag, 4);
	memcpy(of + 4, name, len);
	if (more_len > 0)
		memcpy(of + 4 + len, more, more_len);
	uint64_t hash = sl_siphash(&r->t->user_key, of, 4 + len + more_len);
	explicit_bzero(of, sizeof of);
	return hash;
}

/* ---- keys ---- */

/* Integrity with this key; on success the key is the request's. */
static bool verify(struct sl_turn_request *r, const uint8_t *key, uint8_t key_len)
{
	if (!sl_stun_integrity_ok(&r->m, &r->t->crypto, r->auth.sha256, key, key_len))
		return false;
	memcpy(r->auth.key, key, key_len);
	r->auth.key_len = key_len;
	return true;
}

/* `expiry` or `expiry:user`, expiry in decimal seconds since 1970? */
static bool parse_rest(const char *name, unsigned len, uint64_t *expiry)
{
	unsigned i = 0;

	*expiry = 0;
	for (; i < len && name[i] >= '0' && name[i] <= '9'; i++) {
		if (i == 18)
			return false;
		*expiry = *expiry * 10 + (unsigned)(name[i] - '0');
	}
	return i > 0 && (i == len || name[i] == ':');
}

static void base64_sha1(const uint8_t in[20], char out[BASE64_SHA1])
{
	for (unsigned i = 0; i < 21; i += 3, out += 4) {
		uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | (i + 2 < 20 ? in[i + 2] : 0);
		out[0] = BASE64[v >> 18];
		out[1] = BASE64[v >> 12 & 63];
		out[2] = BASE64[v >> 6 & 63];
		out[3] = i + 2 < 20 ? BASE64[v & 63] : '=';
	}
}

static void digest_sha256(const void *p, size_t n, uint8_t out[32])
{
	SHA256_CTX c;

	SHA256_Init(&c);
	SHA256_Update(&c, p, n);
	SHA256_Final(out, &c);
}

static void digest_md5(const void *p, size_t n, uint8_t out[16])
{
	MD5_CTX c;

	MD5_Init(&c);
	MD5_Update(&c, p, n);
	MD5_Final(out, &c);
}

/* The key of a REST user under one secret (RFC 8489 9.2.2 over the password that the scheme defines). */
static void rest_key(const struct sl_turn_request *r, const struct sl_cmd_secret *secret, bool sha256, uint8_t key[32])
{
	const char *realm = sl_turn_conf_realm(r->t->conf, r->realm)->name;
	const struct sl_iov name = {r->auth.username, r->auth.username_len};
	uint8_t mac[20], text[SL_STUN_USERNAME_MAX + 1 + REALM_MAX + 1 + BASE64_SHA1];
	size_t n = 0, realm_len = strnlen(realm, REALM_MAX);

	r->t->crypto.hmac_sha1(r->t->crypto.ctx, secret->secret, secret->len, &name, 1, mac);
	memcpy(text, r->auth.username, r->auth.username_len);
	n += r->auth.username_len;
	text[n++] = ':';
	memcpy(text + n, realm, realm_len);
	n += realm_len;
	text[n++] = ':';
	base64_sha1(mac, (char *)text + n);
	n += BASE64_SHA1;
	if (sha256)
		digest_sha256(text, n, key);
	else
		digest_md5(text, n, key);
	explicit_bzero(text, sizeof text);
}

/* The allocation that this very user has on the five-tuple, or binds a connection of; or NULL. */
static const struct sl_cold_auth *own_allocation(const struct sl_turn_request *r)
{
	if (r->owner == SL_NONE)
		return NULL;
	const struct sl_cold_auth *a = &r->t->sessions->cold.allocs[r->owner].auth;
	return a->username_hash == r->auth.username_hash ? a : NULL;
}

static bool verify_rest(struct sl_turn_request *r, bool key_sha256)
{
	const struct sl_cmd_secret *secrets;
	unsigned n = sl_turn_conf_secrets(r->t->conf, r->realm, &secrets);
	const struct sl_cold_auth *mine = own_allocation(r);
	uint8_t key_len = key_sha256 ? 32 : 16, key[32];
	uint64_t expiry;
	bool ok = false;

	r->no_user = n == 0 || !parse_rest(r->auth.username, r->auth.username_len, &expiry);
	if (r->no_user)
		return false;
	/* The expiry bounds when an allocation can be made, not how long a call may last. */
	if (expiry < r->now->unix_s && !mine)
		return false;
	if (mine && mine->key_len == key_len && verify(r, mine->key, key_len))
		return true;
	for (unsigned i = 0; i < n && !ok; i++) {
		rest_key(r, &secrets[i], key_sha256, key);
		ok = verify(r, key, key_len);
	}
	explicit_bzero(key, sizeof key);
	return ok;
}

/* What quotas count and restrictions name: REST credentials come with a new expiry each time, and belong to the user behind it. Names that are
 * an expiry alone have nobody in common. */
static void find_account(struct sl_turn_request *r, bool rest)
{
	const char *name = r->auth.username, *colon = rest ? memchr(name, ':', r->auth.username_len) : NULL;
	unsigned skip = colon ? (unsigned)(colon + 1 - name) : 0;

	if (skip == r->auth.username_len)
		skip = 0;
	r->auth.account = name + skip;
	r->auth.account_len = (uint16_t)(r->auth.username_len - skip);
	r->auth.quota_hash = user_hash(r, r->auth.account, r->auth.account_len, NULL, 0);
}

/* An access token brings its own key (RFC 7635 4.1, 6). Its USERNAME says which key it is under, which others use too: what a quota counts is the token. */
static bool verify_token(struct sl_turn_request *r, const struct sl_cmd_oauth_key *k)
{
	struct sl_turn_token token;

	r->no_user = !k;
	if (!k || !sl_turn_token_open(r, k, &token))
		return false;
	/* coturn's clients and servers sign with the first 16 bytes of a key of 20. */
	bool ok = verify(r, token.key, token.key_len) || (token.key_len == 20 && !r->auth.sha256 && verify(r, token.key, 16));
	if (ok) {
		r->auth.quota_hash = user_hash(r, r->auth.username, r->auth.username_len, token.key, token.key_len);
		r->auth.max_lifetime_s = token.left_s;
		r->t->counters[SL_C_oauth_accepted]++;
	}
	explicit_bzero(&token, sizeof token);
	return ok;
}

/* A Refresh with a new token of the same kid: what follows is made with its key. The quota stays the first one's. */
static void renew_key(const struct sl_turn_request *r)
{
	if (r->m.access_token.off && r->m.method == SL_TURN_REFRESH && !r->arriving && own_allocation(r))
		sl_alloc_set_key(r->t->sessions, r->alloc, r->auth.key, r->auth.key_len);
}

/* Later requests of an allocation that a token made do not have to show it again: they are made with its key. It does not live longer by them. */
static bool verify_session(struct sl_turn_request *r)
{
	const struct sl_cold_auth *mine = own_allocation(r);
	uint32_t expires_s = mine ? r->t->sessions->allocs[r->owner].expires_s : 0;

	if (!mine || !verify(r, mine->key, mine->key_len))
		return false;
	r->auth.quota_hash = mine->quota_hash;
	r->auth.max_lifetime_s = expires_s > r->now->s ? expires_s - r->now->s : 1;
	return true;
}

static bool verify_user(struct sl_turn_request *r, const struct sl_turn_user *user, bool key_sha256)
{
	if (key_sha256)
		return !user->no_sha256 && verify(r, user->key_sha256, 32);
	return verify(r, user->key_md5, 16);
}

/* Name and key of the request, verified. */
static bool verify_credentials(struct sl_turn_request *r, bool key_sha256)
{
	const struct sl_turn_conf *conf = r->t->conf;
	const char *realm = sl_turn_conf_realm(conf, r->realm)->name;
	const struct sl_turn_user *user;

	r->auth.sha256 = r->m.integrity_sha256.off != 0;
	if (r->m.realm.len != strnlen(realm, REALM_MAX) || memcmp(sl_span_at(&r->m, r->m.realm), realm, r->m.realm.len) != 0)
		return false;
	if (r->m.username.off) {
		r->auth.username = (const char *)sl_span_at(&r->m, r->m.username);
		r->auth.username_len = r->m.username.len;
		user = sl_turn_conf_user(conf, r->realm, r->auth.username, r->auth.username_len);
	} else {
		user = sl_turn_conf_userhash(conf, r->realm, sl_span_at(&r->m, r->m.userhash));
		r->no_user = !user;
		if (!user)
			return false;
		r->auth.username = user->name;
		r->auth.username_len = user->name_len;
	}
	r->auth.username_hash = user_hash(r, r->auth.username, r->auth.username_len, NULL, 0);
	find_account(r, user == NULL);
	const struct sl_cmd_oauth_key *k =
		user && !r->m.access_token.off ? NULL : sl_turn_conf_oauth_key(conf, r->realm, r->auth.username, r->auth.username_len);
	/* A ConnectionBind is good for as long as the allocation is, whose key it shows, though the token that it carries has ended. */
	if (r->m.access_token.off)
		return verify_token(r, k) || (k && r->m.method == SL_TURN_CONNECTION_BIND && verify_session(r));
	if (k)
		return verify_session(r);
	return user ? verify_user(r, user, key_sha256) : verify_rest(r, key_sha256);
}

/* RFC 8489 9.2.4: a client that saw algorithms offered must echo the offer untouched and pick from it; one that knows
 * nothing of it sends neither attribute and means MD5. False: somebody between us changed the offer. */
static bool algorithm_ok(const struct sl_turn_request *r, bool *key_sha256)
{
	const struct sl_stun *m = &r->m;

	*key_sha256 = false;
	if (!nonce_says_algorithms(sl_span_at(m, m->nonce), m->nonce.len))
		return true;
	if (m->password_algorithms.off == 0 && m->password_algorithm.off == 0)
		return true;
	if (m->password_algorithms.off == 0 || m->password_algorithm.off == 0 ||
		m->password_algorithms.len != sizeof ALGORITHMS ||
		memcmp(sl_span_at(m, m->password_algorithms), ALGORITHMS, sizeof ALGORITHMS) != 0)
		return false;
	*key_sha256 = m->password_algorithm_number == SL_PASSWORD_SHA256;
	return *key_sha256 || m->password_algorithm_number == SL_PASSWORD_MD5;
}

unsigned sl_turn_authenticate(struct sl_turn_request *r)
{
	const struct sl_stun *m = &r->m;
	bool key_sha256;

	r->realm = realm_of(r);
	if (m->integrity.off == 0 && m->integrity_sha256.off == 0)
		return 401;
	/* RFC 8489 14.6: cut short only where a usage says so, and TURN does not. */
	if (m->integrity_sha256.off != 0 && m->integrity_sha256.len != INTEGRITY_SHA256_LEN)
		return 401;
	if ((m->username.off == 0 && m->userhash.off == 0) || m->realm.off == 0 || m->nonce.off == 0)
		return 400;
	if (!algorithm_ok(r, &key_sha256))
		return 400;
	bool fresh = nonce_valid(r, sl_span_at(m, m->nonce), m->nonce.len);
	/* With a bad nonce the outcome is 401 or 438. Both count as answers without authentication, so a flood of
	 * invented nonces costs no hash beyond that rate. */
	if (!fresh && !sl_turn_unauthenticated_ok(r))
		return 401;
	if (!verify_credentials(r, key_sha256)) {
		/* Only who got our nonce is where he says he is: another's address is not to be blamed. */
		if (fresh)
			r->signal = r->no_user ? SL_GUARD_SAW_UNKNOWN_USER : SL_GUARD_SAW_AUTH_FAILED;
		return 401;
	}
	if (!fresh)
		return 438;
	r->authenticated = true;
	renew_key(r); /* not before: somebody may send an old Refresh again */
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Rows of coturn's tables, as they come, into a set. */

#include "controlplane/turn/source_set.h"

#include "controlplane/dp/users.h"
#include "controlplane/secret.h"
#include "controlplane/turn/range.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { KEY_HEX = 32, IKM_MAX = 256, TEXT_MAX = 512 };

void sl_source_bad(struct sl_source_set *s, const char *fmt, ...)
{
	va_list ap;

	if (s->bad_rows++ > 0)
		return;
	va_start(ap, fmt);
	vsnprintf(s->bad_row, sizeof s->bad_row, fmt, ap);
	va_end(ap);
}

/* The text in out (room bytes), NUL-terminated: neither longer nor of control characters nor of anything but UTF-8. */
static bool copy(struct sl_row_text t, char *out, size_t room)
{
	size_t len = t.s ? t.len : 0;

	if (len >= room || (len && memchr(t.s, '\0', len)))
		return false;
	if (len)
		memcpy(out, t.s, len);
	out[len] = '\0';
	return sl_user_text_is_plain(out);
}

/* Room for one more; NULL: none. Some lists hold keys. */
static void *grow(struct sl_source_set *s, void *array, unsigned n, size_t size)
{
	/* Powers of two: it is full when n is one. */
	void *more = (n & (n - 1)) == 0 ? sl_secret_grow(array, n * size, (n ? 2 * (size_t)n : 1) * size) : array;

	if (!more)
		s->no_memory = true;
	return more;
}

/* Index, made if it is new; -1: it cannot be. */
static int realm_of(struct sl_source_set *s, struct sl_row_text name, const char *table)
{
	char text[SL_MSG_REALM_MAX];

	if (!copy(name, text, sizeof text)) {
		sl_source_bad(s, "%s: a realm of more than %d bytes, or not UTF-8", table, SL_MSG_REALM_MAX - 1);
		return -1;
	}
	/* Rows of a realm mostly come together. */
	for (unsigned i = s->n_realms; i-- > 0;) {
		if (strcmp(s->realms[i].name, text) == 0)
			return (int)i;
	}
	if (s->n_realms == SL_TURN_MAX_REALMS) {
		sl_source_bad(s, "%s: realm '%s': there are %d others already", table, text, SL_TURN_MAX_REALMS);
		return -1;
	}
	struct sl_source_realm *more = grow(s, s->realms, s->n_realms, sizeof *more);
	if (!more)
		return -1;
	s->realms = more;
	more[s->n_realms] = (struct sl_source_realm){0};
	strcpy(more[s->n_realms].name, text); /* fits */
	return (int)s->n_realms++;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* 32 hexadecimal digits, and blanks: a column char(128) is filled up with them. */
static bool key_from_hex(struct sl_row_text t, uint8_t key[16])
{
	size_t len = t.s ? t.len : 0;

	while (len && t.s[len - 1] == ' ')
		len--;
	if (len != KEY_HEX)
		return false;
	for (unsigned i = 0; i < 16; i++) {
		int high = digit(t.s[2 * i]), low = digit(t.s[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		key[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool room_for_user(struct sl_source_set *s, size_t name_len)
{
	if (s->n_users == s->room_users) {
		size_t room = s->room_users ? 2 * s->room_users : 256;
		struct sl_source_user *more = sl_secret_grow(s->users, s->n_users * sizeof *more, room * sizeof *more);
		if (!more)
			return false;
		s->users = more;
		s->room_users = room;
	}
	if (s->text_len + name_len + 1 > s->text_room) {
		size_t room = s->text_room ? 2 * s->text_room : 8192;
		char *more = realloc(s->text, room);
		if (!more)
			return false;
		s->text = more;
		s->text_room = room;
	}
	return true;
}

void sl_source_add_user(struct sl_source_set *s, struct sl_row_text realm, struct sl_row_text name, struct sl_row_text hmackey)
{
	struct sl_source_user u = {0};
	char text[SL_MSG_USERNAME_MAX + 1];

	if (!copy(name, text, sizeof text) || !text[0]) {
		sl_source_bad(s, "turnusers_lt: a name that is empty, of more than %d bytes, or not UTF-8", SL_MSG_USERNAME_MAX);
		return;
	}
	if (realm.len == 0 || !realm.s) {
		sl_source_bad(s, "turnusers_lt: user '%.100s' has no realm: its key is good for none", text);
		return;
	}
	if (!key_from_hex(hmackey, u.key_md5)) {
		sl_source_bad(s, "turnusers_lt: user '%.100s': hmackey is not %d hexadecimal digits", text, KEY_HEX);
		return;
	}
	if (s->n_users >= SL_SOURCE_USERS_MAX) {
		sl_source_bad(s, "turnusers_lt: user '%.100s': there are %d others already", text, SL_SOURCE_USERS_MAX);
		return;
	}
	int at = realm_of(s, realm, "turnusers_lt");
	if (at < 0)
		return;
	u.name_len = (uint16_t)strlen(text);
	if (!room_for_user(s, u.name_len)) {
		s->no_memory = true;
		return;
	}
	u.realm = (uint16_t)at;
	u.name_at = s->text_len;
	memcpy(s->text + s->text_len, text, u.name_len + 1U);
	s->text_len += u.name_len + 1U;
	s->users[s->n_users++] = u;
	OPENSSL_cleanse(&u, sizeof u);
}

/* Adds text to the list unless it is there. True: it was added. */
static bool add_text(struct sl_source_set *s, char ***list, unsigned *n, const char *text)
{
	for (unsigned i = 0; i < *n; i++) {
		if (strcmp((*list)[i], text) == 0)
			return false;
	}
	char **more = grow(s, *list, *n, sizeof *more);
	if (!more)
		return false;
	*list = more;
	more[*n] = strdup(text);
	if (!more[*n]) {
		s->no_memory = true;
		return false;
	}
	++*n;
	return true;
}

void sl_source_add_secret(struct sl_source_set *s, struct sl_row_text realm, struct sl_row_text secret)
{
	char text[SL_MSG_SECRET_MAX + 1];
	size_t len = secret.s ? secret.len : 0;

	if (len == 0 || len > SL_MSG_SECRET_MAX || memchr(secret.s, '\0', len)) {
		sl_source_bad(s, "turn_secret: realm '%.*s': a secret that is empty, or of more than %d bytes", (int)(realm.s ? realm.len : 0),
		        realm.s ? realm.s : "", SL_MSG_SECRET_MAX);
		return;
	}
	int at = realm_of(s, realm, "turn_secret");
	if (at < 0)
		return;
	if (s->realms[at].n_secrets >= SL_TURN_MAX_SECRETS) {
		sl_source_bad(s, "turn_secret: realm '%s' has %d secrets already", s->realms[at].name, SL_TURN_MAX_SECRETS);
		return;
	}
	memcpy(text, secret.s, len);
	text[len] = '\0';
	add_text(s, &s->realms[at].secrets, &s->realms[at].n_secrets, text);
	OPENSSL_cleanse(text, sizeof text);
}

static bool knows_origin(const struct sl_source_set *s, const char *origin)
{
	for (unsigned i = 0; i < s->n_realms; i++) {
		for (unsigned k = 0; k < s->realms[i].n_origins; k++) {
			if (strcmp(s->realms[i].origins[k], origin) == 0)
				return true;
		}
	}
	return false;
}

void sl_source_add_origin(struct sl_source_set *s, struct sl_row_text origin, struct sl_row_text realm)
{
	char text[SL_MSG_ORIGIN_MAX];

	if (!copy(origin, text, sizeof text) || !text[0] || !realm.s || realm.len == 0) {
		sl_source_bad(s, "turn_origin_to_realm: an origin or its realm is empty, too long, or not UTF-8");
		return;
	}
	if (s->n_names >= SL_TURN_MAX_NAMES) {
		sl_source_bad(s, "turn_origin_to_realm: origin '%.100s': there are %d others already", text, SL_TURN_MAX_NAMES);
		return;
	}
	for (char *p = text; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (knows_origin(s, text)) {
		sl_source_bad(s, "turn_origin_to_realm: origin '%.100s' comes twice", text);
		return;
	}
	int at = realm_of(s, realm, "turn_origin_to_realm");
	if (at >= 0)
		s->n_names += add_text(s, &s->realms[at].origins, &s->realms[at].n_origins, text);
}

/* A number without a sign, and nothing else. */
static bool number(struct sl_row_text t, uint64_t max, uint64_t *out)
{
	char text[24], *end;

	if (!copy(t, text, sizeof text) || !isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return !*end && !errno && *out <= max;
}

void sl_source_add_option(struct sl_source_set *s, struct sl_row_text realm, struct sl_row_text option, struct sl_row_text value)
{
	static const char *const names[] = {"max-bps", "total-quota", "user-quota"};
	char name[64];
	uint64_t n = 0;
	unsigned i = 0;

	while (i < 3 && (!copy(option, name, sizeof name) || strcmp(name, names[i]) != 0))
		i++;
	if (i == 3 || !number(value, UINT32_MAX, &n)) {
		sl_source_bad(s, "turn_realm_option: '%.*s' is not max-bps, total-quota or user-quota, or its value is no number from 0 to %u",
		        option.s && option.len < 64 ? (int)option.len : 0, option.s ? option.s : "", UINT32_MAX);
		return;
	}
	int at = realm_of(s, realm, "turn_realm_option");
	if (at < 0)
		return;
	struct sl_source_realm *r = &s->realms[at];
	if (i == 0)
		r->max_kbps = (unsigned)((n * 8 + 999) / 1000); /* bytes a second */
	else if (i == 1)
		r->total_quota = (unsigned)n;
	else
		r->user_quota = (unsigned)n;
}

static void add_rules(struct sl_source_set *s, struct sl_conf_peer_rule **rules, unsigned *n, const struct sl_prefix *prefixes, unsigned n_prefixes, bool allow)
{
	for (unsigned i = 0; i < n_prefixes; i++) {
		struct sl_conf_peer_rule *more = grow(s, *rules, *n, sizeof *more);
		if (!more)
			return;
		*rules = more;
		more[(*n)++] = (struct sl_conf_peer_rule){prefixes[i], allow};
		s->n_rules++;
	}
}

void sl_source_add_peer(struct sl_source_set *s, struct sl_row_text realm, struct sl_row_text range, bool allow)
{
	const char *table = allow ? "allowed_peer_ip" : "denied_peer_ip";
	struct sl_prefix prefixes[SL_RANGE_PREFIXES];
	char text[TEXT_MAX] = "";

	int n = copy(range, text, sizeof text) ? sl_range_parse(text, prefixes) : -EINVAL;
	if (n < 0) {
		sl_source_bad(s, "%s: '%.100s' is neither an address nor FIRST-LAST nor a prefix", table, text);
		return;
	}
	if (s->n_rules + (unsigned)n > SL_TURN_MAX_PEER_RULES) {
		sl_source_bad(s, "%s: '%.100s': there are %u prefixes already, and %d are allowed", table, text, s->n_rules, SL_TURN_MAX_PEER_RULES);
		return;
	}
	if (!realm.s || realm.len == 0) { /* of all realms */
		add_rules(s, &s->peer_rules, &s->n_peer_rules, prefixes, (unsigned)n, allow);
		return;
	}
	int at = realm_of(s, realm, table);
	if (at >= 0)
		add_rules(s, &s->realms[at].peer_rules, &s->realms[at].n_peer_rules, prefixes, (unsigned)n, allow);
}

/* The AS-RS key: the first bytes of the key, as many as the algorithm wants. False: too short, or not base64. */
static bool decode_key(struct sl_row_text ikm, unsigned algorithm, uint8_t key[32])
{
	unsigned wanted = algorithm == SL_OAUTH_A128GCM ? 16 : 32;
	unsigned char bytes[IKM_MAX];
	char text[IKM_MAX + 1];

	if (!copy(ikm, text, sizeof text) || strlen(text) % 4 != 0)
		return false;
	int n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)strlen(text));
	for (size_t len = strlen(text); n > 0 && len && text[len - 1] == '='; len--)
		n--;
	bool ok = n >= (int)wanted;
	memset(key, 0, 32);
	if (ok)
		memcpy(key, bytes, wanted);
	OPENSSL_cleanse(bytes, sizeof bytes);
	OPENSSL_cleanse(text, sizeof text);
	return ok;
}

static bool knows_kid(const struct sl_source_set *s, const char *kid)
{
	for (unsigned i = 0; i < s->n_realms; i++) {
		for (unsigned k = 0; k < s->realms[i].n_oauth_keys; k++) {
			if (strcmp(s->realms[i].oauth_keys[k].kid, kid) == 0)
				return true;
		}
	}
	return false;
}

/* In order of their names: qsort() would leave copies of keys in what it frees. */
static void add_key(struct sl_source_set *s, struct sl_source_realm *r, const struct sl_conf_oauth_key *key, const char *kid)
{
	struct sl_conf_oauth_key *more = grow(s, r->oauth_keys, r->n_oauth_keys, sizeof *more);

	if (!more)
		return;
	r->oauth_keys = more;
	char *copy_of_kid = strdup(kid);
	if (!copy_of_kid) {
		s->no_memory = true;
		return;
	}
	unsigned at = r->n_oauth_keys++;
	for (; at > 0 && strcmp(more[at - 1].kid, kid) > 0; at--)
		more[at] = more[at - 1];
	more[at] = *key;
	more[at].kid = copy_of_kid;
	s->n_keys++;
}

void sl_source_add_oauth(struct sl_source_set *s, struct sl_row_text kid, struct sl_row_text ikm_key, struct sl_row_text timestamp,
        struct sl_row_text lifetime, struct sl_row_text algorithm, struct sl_row_text realm)
{
	struct sl_conf_oauth_key key = {.algorithm = SL_OAUTH_A256GCM};
	char name[SL_MSG_KID_MAX + 1], alg[32];
	uint64_t since = 0, seconds = 0;

	if (!copy(kid, name, sizeof name) || !name[0]) {
		sl_source_bad(s, "oauth_key: a kid that is empty, of more than %d bytes, or not UTF-8", SL_MSG_KID_MAX);
		return;
	}
	bool known = copy(algorithm, alg, sizeof alg) && (!alg[0] || strcasecmp(alg, "A256GCM") == 0 || strcasecmp(alg, "A128GCM") == 0);
	if (known && strcasecmp(alg, "A128GCM") == 0)
		key.algorithm = SL_OAUTH_A128GCM;
	if (!known || !decode_key(ikm_key, key.algorithm, key.key)) {
		sl_source_bad(s, "oauth_key: kid '%s': as_rs_alg is neither A256GCM nor A128GCM, or ikm_key is not base64 of so many bits", name);
		return;
	}
	if ((timestamp.len && !number(timestamp, UINT32_MAX, &since)) || (lifetime.len && !number(lifetime, UINT32_MAX, &seconds))) {
		sl_source_bad(s, "oauth_key: kid '%s': timestamp or lifetime is not a number of seconds", name);
		return;
	}
	if (s->n_keys >= SL_TURN_MAX_OAUTH_KEYS || knows_kid(s, name)) {
		sl_source_bad(s, "oauth_key: kid '%s' comes twice, or there are %d others already", name, SL_TURN_MAX_OAUTH_KEYS);
		return;
	}
	int at = realm_of(s, realm, "oauth_key");
	key.not_before_unix_s = since;
	key.not_after_unix_s = seconds ? since + seconds : 0;
	if (at >= 0)
		add_key(s, &s->realms[at], &key, name);
	OPENSSL_cleanse(&key, sizeof key);
}

/* ---- several tables ---- */

static struct sl_row_text row(const char *s)
{
	return (struct sl_row_text){s, strlen(s)};
}

static void join_users(struct sl_source_set *out, const struct sl_source_set *in, const uint16_t *index)
{
	for (size_t i = 0; i < in->n_users && !out->no_memory && out->n_users < SL_SOURCE_USERS_MAX; i++) {
		struct sl_source_user u = in->users[i];
		if (index[u.realm] >= SL_TURN_MAX_REALMS)
			continue;
		out->no_memory = !room_for_user(out, u.name_len);
		if (out->no_memory)
			return;
		memcpy(out->text + out->text_len, in->text + u.name_at, u.name_len + 1U);
		u.name_at = out->text_len;
		u.realm = index[u.realm];
		out->text_len += u.name_len + 1U;
		out->users[out->n_users++] = u;
		OPENSSL_cleanse(&u, sizeof u);
	}
}

static void join_rules(struct sl_source_set *out, struct sl_conf_peer_rule **to, unsigned *n_to, const struct sl_conf_peer_rule *from, unsigned n)
{
	for (unsigned i = 0; i < n && out->n_rules < SL_TURN_MAX_PEER_RULES; i++)
		add_rules(out, to, n_to, &from[i].prefix, 1, from[i].allow);
}

static void join_realm(struct sl_source_set *out, unsigned at, const struct sl_source_realm *in)
{
	struct sl_source_realm *r = &out->realms[at];

	for (unsigned i = 0; i < in->n_secrets; i++)
		sl_source_add_secret(out, row(in->name), row(in->secrets[i]));
	for (unsigned i = 0; i < in->n_origins; i++)
		sl_source_add_origin(out, row(in->origins[i]), row(in->name));
	for (unsigned i = 0; i < in->n_oauth_keys; i++) {
		if (out->n_keys < SL_TURN_MAX_OAUTH_KEYS && !knows_kid(out, in->oauth_keys[i].kid))
			add_key(out, r, &in->oauth_keys[i], in->oauth_keys[i].kid);
	}
	join_rules(out, &r->peer_rules, &r->n_peer_rules, in->peer_rules, in->n_peer_rules);
	r->user_quota = r->user_quota ? r->user_quota : in->user_quota;
	r->total_quota = r->total_quota ? r->total_quota : in->total_quota;
	r->max_kbps = r->max_kbps ? r->max_kbps : in->max_kbps;
}

struct sl_source_set *sl_source_join(const struct sl_source_set *const *sets, unsigned n)
{
	struct sl_source_set *out = sl_source_set_new();
	uint16_t index[SL_TURN_MAX_REALMS];

	for (unsigned i = 0; out && i < n; i++) {
		if (!sets[i])
			continue;
		for (unsigned k = 0; k < sets[i]->n_realms; k++) {
			int at = realm_of(out, row(sets[i]->realms[k].name), "all");
			index[k] = at < 0 ? SL_TURN_MAX_REALMS : (uint16_t)at;
			if (at >= 0)
				join_realm(out, (unsigned)at, &sets[i]->realms[k]);
		}
		join_rules(out, &out->peer_rules, &out->n_peer_rules, sets[i]->peer_rules, sets[i]->n_peer_rules);
		join_users(out, sets[i], index);
	}
	if (out && sl_source_finish(out))
		return out;
	sl_source_set_unref(out);
	return NULL;
}

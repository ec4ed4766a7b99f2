/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "turn": realms. The default one is made of the group's own options; those of the list "realms" begin as copies of its limits. */

#include "config/options_turn.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/abi/msg_turn.h"
#include "dataplane/abi/validate.h"

enum {
	PASSWORD_MAX = 256,
	USERS_MAX = 1000000,
	HOST_NAME_MAX_BYTES = 253, /* RFC 1035 2.3.4, as text */
	TIME_BYTES = 20,  /* 2026-12-31T23:59:59Z */
};

/* RFC 8489 14.3: a USERNAME has fewer than 509 bytes. */
static const struct sl_opt user_options[] = {
	{ "name", SL_OPT_TEXT, offsetof(struct sl_conf_user, name), .min = 1, .max = SL_MSG_USERNAME_MAX, .required = true },
	{ "password", SL_OPT_TEXT, offsetof(struct sl_conf_user, password), .min = 1, .max = PASSWORD_MAX, .required = true },
};
enum { N_USER_OPTIONS = sizeof user_options / sizeof user_options[0] };

static void read_users(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn_realm *realm)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, "users", 0, USERS_MAX, "users", &n);

	if (list == NULL || (realm->users = sl_read_array(r, list, n, sizeof realm->users[0])) == NULL)
		return;
	realm->n_users = n;
	for (unsigned i = 0; i < n && !r->failed; i++) {
		const config_setting_t *user = config_setting_get_elem(list, i);

		if (config_setting_is_group(user))
			sl_read_group(r, user, user_options, N_USER_OPTIONS, &realm->users[i]);
		else
			sl_read_fail(r, user, "must be a group: { name = \"...\"; password = \"...\"; }");
	}
}

/* A list of texts, each of 1..max bytes, into *texts. */
static void read_texts(struct sl_reader *r, const config_setting_t *group, const char *name, unsigned max_entries, unsigned max, const char *what,
	char ***texts, unsigned *n_texts)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, name, 0, max_entries, what, &n);

	if (list == NULL || (*texts = sl_read_array(r, list, n, sizeof **texts)) == NULL)
		return;
	*n_texts = n;
	for (unsigned i = 0; i < n; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);

		(*texts)[i] = sl_read_dup(r, s, sl_read_text(r, s, 1, max));
	}
}

static void lower(char **texts, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		for (char *p = texts[i]; p != NULL && *p != '\0'; p++)
			*p = (char)tolower((unsigned char)*p);
	}
}

/* ---- limits ---- */

void sl_read_bandwidth(struct sl_reader *r, const config_setting_t *group, const char *name, bool has_soft, const struct sl_conf_bandwidth *base,
	struct sl_conf_bandwidth *out)
{
#define KBPS(member) SL_OPT_UINT, offsetof(struct sl_conf_bandwidth, member), .min = SL_LIMIT_METER_KBPS_MIN, .max = SL_LIMIT_METER_KBPS, .zero = "no limit"
	const struct sl_opt options[] = {
		{ "up", KBPS(hard_kbps[0]), .def = base->hard_kbps[0] },
		{ "down", KBPS(hard_kbps[1]), .def = base->hard_kbps[1] },
		{ "soft_up", KBPS(soft_kbps[0]), .def = base->soft_kbps[0] },
		{ "soft_down", KBPS(soft_kbps[1]), .def = base->soft_kbps[1] },
	};
#undef KBPS
	enum { N_HARD = 2, N_ALL = sizeof options / sizeof options[0] };

	sl_read_group(r, sl_read_subgroup(r, group, name, false), options, has_soft ? N_ALL : N_HARD, out);
}

/* group: of the whole, "bandwidth"; only the node's own has "node". */
static void read_bandwidths(struct sl_reader *r, const config_setting_t *parent, const struct sl_conf_turn_realm *base, struct sl_conf_turn_realm *realm,
	struct sl_conf_bandwidth *node)
{
	static const struct sl_conf_bandwidth none;
	static const struct sl_opt known[] = { { "session", SL_OPT_OTHER }, { "user", SL_OPT_OTHER }, { "realm", SL_OPT_OTHER }, { "node", SL_OPT_OTHER } };
	enum { N_KNOWN = sizeof known / sizeof known[0] };
	const config_setting_t *group = sl_read_subgroup(r, parent, "bandwidth", false);

	sl_read_group(r, group, known, node != NULL ? N_KNOWN : N_KNOWN - 1, realm);
	sl_read_bandwidth(r, group, "session", false, &base->session, &realm->session);
	sl_read_bandwidth(r, group, "user", true, &base->user, &realm->user);
	sl_read_bandwidth(r, group, "realm", true, &base->realm, &realm->realm);
	if (node != NULL)
		sl_read_bandwidth(r, group, "node", true, &none, node);
}

/* ---- OAuth (RFC 7635) ---- */

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* Bytes that text (base64, padding may be left out) is, at most max; -1 when it is none. */
static int base64_decode(const char *text, uint8_t *out, unsigned max)
{
	unsigned n = 0, bits = 0, held = 0;
	size_t digits = strcspn(text, "=");

	if (strspn(text + digits, "=") != strlen(text + digits) || strlen(text + digits) > 2 || digits % 4 == 1)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return -1;
		held = held << 6 | (unsigned)digit;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			if (n == max)
				return -1;
			out[n++] = (uint8_t)(held >> bits);
		}
	}
	return (held & ((1u << bits) - 1)) == 0 ? (int)n : -1;
}

static void read_key(struct sl_reader *r, const config_setting_t *group, struct sl_conf_oauth_key *key)
{
	enum { A256_BYTES = 32, A128_BYTES = 16, TEXT_MAX = 64 };
	const config_setting_t *s = config_setting_get_member(group, "key");
	int need = key->algorithm == SL_OAUTH_A256GCM ? A256_BYTES : A128_BYTES;
	const char *text;

	if (s == NULL) {
		sl_read_fail(r, group, "has no key; must be the %d bytes shared with the authorization server, in base64", need);
		return;
	}
	text = sl_read_text(r, s, 1, TEXT_MAX);
	/* The key is never shown. */
	if (text != NULL && base64_decode(text, key->key, sizeof key->key) != need)
		sl_read_fail(r, s, "is no key of this algorithm; must be %d bytes in base64, as \"openssl rand -base64 %d\" makes them", need, need);
}

static void read_time(struct sl_reader *r, const config_setting_t *group, const char *name, uint64_t *unix_s)
{
	const config_setting_t *s = config_setting_get_member(group, name);
	const char *text = s != NULL ? sl_read_text(r, s, 1, TIME_BYTES) : NULL, *end = NULL;
	struct tm tm = { 0 };
	time_t t = -1;

	if (text == NULL)
		return;
	if (strlen(text) == TIME_BYTES)
		end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (end != NULL && *end == '\0')
		t = timegm(&tm);
	if (t <= 0)
		sl_read_fail(r, s, "\"%s\" is not a time in UTC; such as \"2027-01-31T23:59:59Z\"", text);
	else
		*unix_s = (uint64_t)t;
}

static void read_oauth_key(struct sl_reader *r, const config_setting_t *group, struct sl_conf_oauth_key *key)
{
	static const char *const algorithms[] = { "", [SL_OAUTH_A256GCM] = "A256GCM", [SL_OAUTH_A128GCM] = "A128GCM", NULL };
	static const struct sl_opt options[] = {
		{ "kid", SL_OPT_TEXT, offsetof(struct sl_conf_oauth_key, kid), .min = 1, .max = SL_MSG_KID_MAX, .required = true },
		{ "algorithm", SL_OPT_CHOICE, offsetof(struct sl_conf_oauth_key, algorithm), .choices = algorithms, .def = SL_OAUTH_A256GCM },
		{ "key", SL_OPT_OTHER },
		{ "not_before", SL_OPT_OTHER },
		{ "not_after", SL_OPT_OTHER },
	};

	if (!config_setting_is_group(group)) {
		sl_read_fail(r, group, "must be a group: { kid = \"...\"; algorithm = \"A256GCM\"; key = \"BASE64\"; }");
		return;
	}
	sl_read_group(r, group, options, sizeof options / sizeof options[0], key);
	read_key(r, group, key);
	read_time(r, group, "not_before", &key->not_before_unix_s);
	read_time(r, group, "not_after", &key->not_after_unix_s);
	if (key->not_after_unix_s != 0 && key->not_after_unix_s <= key->not_before_unix_s)
		sl_read_fail(r, config_setting_get_member(group, "not_after"), "is not after not_before; the key would never be good");
}

#define REALM(member) offsetof(struct sl_conf_turn_realm, member)

static const struct sl_opt oauth_options[] = {
	{ "server_name", SL_OPT_TEXT, REALM(authorization_server), .min = 1, .max = SL_MSG_REALM_MAX - 1, .required = true },
	{ "keys", SL_OPT_OTHER },
};
enum { N_OAUTH_OPTIONS = sizeof oauth_options / sizeof oauth_options[0] };

static void read_oauth(struct sl_reader *r, const config_setting_t *parent, struct sl_conf_turn_realm *realm)
{
	const config_setting_t *group = sl_read_subgroup(r, parent, "oauth", false), *list;
	unsigned n;

	if (group == NULL)
		return;
	sl_read_group(r, group, oauth_options, N_OAUTH_OPTIONS, realm);
	list = sl_read_list(r, group, "keys", 0, SL_TURN_MAX_OAUTH_KEYS, "keys", &n);
	if (list == NULL || (realm->oauth_keys = sl_read_array(r, list, n, sizeof realm->oauth_keys[0])) == NULL)
		return;
	realm->n_oauth_keys = n;
	for (unsigned i = 0; i < n && !r->failed; i++)
		read_oauth_key(r, config_setting_get_elem(list, i), &realm->oauth_keys[i]);
}

/* ---- realms ---- */

/* name: the option that names it. What it does not say is as in base. */
static void read_limits(struct sl_reader *r, const config_setting_t *group, const char *name, const struct sl_conf_turn_realm *base,
	struct sl_conf_turn_realm *realm)
{
	const struct sl_opt options[] = {
		{ name, SL_OPT_TEXT, REALM(name), .min = 1, .max = SL_MSG_REALM_MAX - 1, .def_text = "", .required = true }, /* "": there is no group turn */
		{ "max_lifetime", SL_OPT_UINT, REALM(max_lifetime_s), .min = 1, .max = SL_LIMIT_LIFETIME_S, .def = base->max_lifetime_s },
		{ "max_permissions", SL_OPT_UINT, REALM(max_permissions), .min = 1, .max = SL_LIMIT_PERMISSIONS, .def = base->max_permissions },
		{ "user_quota", SL_OPT_UINT, REALM(user_quota), .min = 1, .max = SL_LIMIT_USER_QUOTA, .zero = "no limit", .def = base->user_quota },
		{ "realm_quota", SL_OPT_UINT, REALM(total_quota), .min = 1, .max = SL_LIMIT_USER_QUOTA, .zero = "no limit", .def = base->total_quota },
	};

	sl_read_known(r, group, options, sizeof options / sizeof options[0], realm);
	read_users(r, group, realm);
	read_texts(r, group, "secrets", SL_TURN_MAX_SECRETS, SL_MSG_SECRET_MAX, "secrets", &realm->secrets, &realm->n_secrets);
	read_oauth(r, group, realm);
}

static void read_realm_listeners(struct sl_reader *r, const config_setting_t *group, const struct sl_conf_turn *turn, struct sl_conf_turn_realm *realm)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, "listeners", 0, SL_CONF_MAX_LISTENERS, "listeners", &n);

	for (unsigned i = 0; i < n; i++) {
		const config_setting_t *s = config_setting_get_elem(list, i);
		const char *text = sl_read_text(r, s, 1, SL_ADDR_TEXT_MAX - 1);
		uint32_t found = 0;

		for (unsigned l = 0; text != NULL && l < turn->n_listeners; l++)
			found |= sl_turn_listener_is(turn, l, text) ? 1u << l : 0;
		if (text != NULL && found == 0)
			sl_read_fail(r, s, "\"%s\" is no listener; must be one of turn.listen and turn.listeners, as \"192.0.2.1:3478\" or \"tls:192.0.2.1:443\"",
				text);
		realm->listeners |= found;
	}
}

static void read_realm(struct sl_reader *r, const config_setting_t *group, const struct sl_conf_turn *turn, struct sl_conf_turn_realm *realm)
{
	static const struct sl_opt known[] = {
		{ "name", SL_OPT_OTHER }, { "users", SL_OPT_OTHER }, { "secrets", SL_OPT_OTHER }, { "listeners", SL_OPT_OTHER },
		{ "server_names", SL_OPT_OTHER }, { "origins", SL_OPT_OTHER }, { "max_lifetime", SL_OPT_OTHER }, { "max_permissions", SL_OPT_OTHER },
		{ "user_quota", SL_OPT_OTHER }, { "realm_quota", SL_OPT_OTHER }, { "bandwidth", SL_OPT_OTHER }, { "peers", SL_OPT_OTHER },
		{ "oauth", SL_OPT_OTHER },
	};

	if (!config_setting_is_group(group)) {
		sl_read_fail(r, group, "must be a group: { name = \"example.net\"; users = ( ... ); }");
		return;
	}
	sl_read_group(r, group, known, sizeof known / sizeof known[0], realm);
	read_limits(r, group, "name", &turn->realms[0], realm);
	read_bandwidths(r, group, &turn->realms[0], realm, NULL);
	read_realm_listeners(r, group, turn, realm);
	read_texts(r, group, "server_names", SL_TURN_MAX_NAMES, HOST_NAME_MAX_BYTES, "names", &realm->server_names, &realm->n_server_names);
	read_texts(r, group, "origins", SL_TURN_MAX_NAMES, SL_MSG_ORIGIN_MAX - 1, "origins", &realm->origins, &realm->n_origins);
	lower(realm->server_names, realm->n_server_names);
	lower(realm->origins, realm->n_origins);
	sl_read_peer_rules(r, group, &realm->peer_rules, &realm->n_peer_rules);
}

void sl_read_turn_realms(struct sl_reader *r, const config_setting_t *group, struct sl_conf_turn *turn)
{
	static const struct sl_conf_turn_realm base = { .max_lifetime_s = 3600, .max_permissions = 64 }; /* RFC 8656 3.2 */
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, "realms", 0, SL_TURN_MAX_REALMS - 1, "realms", &n);

	turn->realms = sl_read_array(r, config_root_setting(r->file), 1 + n, sizeof turn->realms[0]);
	if (turn->realms == NULL)
		return;
	turn->n_realms = 1 + n;
	read_limits(r, group, "realm", &base, &turn->realms[0]);
	read_bandwidths(r, group, &base, &turn->realms[0], &turn->node);
	for (unsigned i = 0; i < n && !r->failed; i++)
		read_realm(r, config_setting_get_elem(list, i), turn, &turn->realms[1 + i]);
}

static void free_texts(char **texts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		sl_text_free(texts[i]);
	free(texts);
}

static void free_realm(struct sl_conf_turn_realm *realm)
{
	for (unsigned i = 0; i < realm->n_users; i++)
		sl_opt_free(user_options, N_USER_OPTIONS, &realm->users[i]);
	free(realm->users);
	free_texts(realm->secrets, realm->n_secrets);
	free_texts(realm->server_names, realm->n_server_names);
	free_texts(realm->origins, realm->n_origins);
	for (unsigned i = 0; i < realm->n_oauth_keys; i++)
		sl_text_free(realm->oauth_keys[i].kid);
	if (realm->oauth_keys != NULL)
		explicit_bzero(realm->oauth_keys, realm->n_oauth_keys * sizeof realm->oauth_keys[0]);
	free(realm->oauth_keys);
	free(realm->peer_rules);
	sl_opt_free(oauth_options, N_OAUTH_OPTIONS, realm);
	sl_text_free(realm->name);
}

void sl_free_turn_realms(struct sl_conf_turn *turn)
{
	for (unsigned i = 0; i < turn->n_realms; i++)
		free_realm(&turn->realms[i]);
	free(turn->realms);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Checks of the group "turn" between realms, their users and what names them. */

#include "config/options_turn.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/abi/msg_turn.h"

/* What stands twice among many: sort, compare neighbours. */
struct entry {
	const char *text;
	unsigned realm, index;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int by_text = strcmp(x->text, y->text);

	if (by_text != 0)
		return by_text;
	if (x->realm != y->realm)
		return x->realm > y->realm ? 1 : -1;
	return (x->index > y->index) - (x->index < y->index);
}

/* The second of two equal texts, or NULL. */
static const struct entry *find_double(struct entry *entries, unsigned n)
{
	qsort(entries, n, sizeof entries[0], compare_entries);
	for (unsigned i = 1; i < n; i++) {
		if (strcmp(entries[i - 1].text, entries[i].text) == 0)
			return &entries[i];
	}
	return NULL;
}

static struct entry *make_entries(struct sl_reader *r, unsigned n)
{
	struct entry *entries = calloc(n > 0 ? n : 1, sizeof entries[0]);

	if (entries == NULL)
		sl_read_fail_at(r, "turn", "no memory left to compare %u texts", n);
	return entries;
}

/* A realm's option: the default one's stand in the group itself. */
static const char *realm_option(unsigned realm, const char *rest, char *buf)
{
	return realm == 0 ? sl_option_name(buf, "turn.%s", rest) : sl_option_name(buf, "turn.realms[%u].%s", realm - 1, rest);
}

static void check_users(struct sl_reader *r, const struct sl_conf_turn_realm *realm, unsigned at)
{
	unsigned most = realm->n_users > realm->n_secrets ? realm->n_users : realm->n_secrets;
	struct entry *entries = make_entries(r, most);
	const struct entry *twice;
	char name[SL_OPTION_NAME_MAX];

	if (entries == NULL)
		return;
	for (unsigned i = 0; i < realm->n_users; i++)
		entries[i] = (struct entry){ realm->users[i].name, at, i };
	if ((twice = find_double(entries, realm->n_users)) != NULL)
		sl_read_fail_at(r, realm_option(at, SL_OPTION("users[%u].name", twice->index), name), "\"%s\" is listed twice", twice->text);
	for (unsigned i = 0; i < realm->n_secrets; i++)
		entries[i] = (struct entry){ realm->secrets[i], at, i };
	/* A secret is never shown. */
	if ((twice = find_double(entries, realm->n_secrets)) != NULL)
		sl_read_fail_at(r, realm_option(at, SL_OPTION("secrets[%u]", twice->index), name), "this secret is listed twice");
	free(entries);
}

static void check_soft(struct sl_reader *r, const char *option, const struct sl_conf_bandwidth *b)
{
	static const char *const names[] = { "soft_up", "soft_down" };

	for (unsigned i = 0; i < 2; i++) {
		if (b->hard_kbps[i] != 0 && b->soft_kbps[i] >= b->hard_kbps[i])
			sl_read_fail_at(r, SL_OPTION("%s.%s", option, names[i]), "%u is not below %s, %u; nothing could ever be between the two", b->soft_kbps[i],
				names[i] + strlen("soft_"), b->hard_kbps[i]);
	}
}

static void check_realm_limits(struct sl_reader *r, const struct sl_conf_turn *turn, unsigned at)
{
	const struct sl_conf_turn_realm *realm = &turn->realms[at];
	char name[SL_OPTION_NAME_MAX];

	if (turn->default_lifetime_s > realm->max_lifetime_s && at == 0)
		sl_read_fail_at(r, "turn.default_lifetime", "%u is above turn.max_lifetime, %u", turn->default_lifetime_s, realm->max_lifetime_s);
	if (turn->default_lifetime_s > realm->max_lifetime_s)
		sl_read_fail_at(r, realm_option(at, "max_lifetime", name), "%u is below turn.default_lifetime, %u", realm->max_lifetime_s,
			turn->default_lifetime_s);
	check_soft(r, realm_option(at, "bandwidth.user", name), &realm->user);
	check_soft(r, realm_option(at, "bandwidth.realm", name), &realm->realm);
}

/* A host name, as TLS clients give it (RFC 6066 3): no address, no port. */
static bool is_server_name(const char *text)
{
	struct sl_ip ip;

	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-._") == strlen(text) && text[0] != '.' && sl_ip_parse(text, &ip) != 0;
}

static void check_server_names(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	bool secure = false;
	char name[SL_OPTION_NAME_MAX];

	for (unsigned i = 0; i < turn->n_listeners; i++)
		secure |= turn->more[i].transport == SL_TURN_OVER_TLS || turn->more[i].transport == SL_TURN_OVER_DTLS;
	for (unsigned at = 1; at < turn->n_realms; at++) {
		const struct sl_conf_turn_realm *realm = &turn->realms[at];

		if (realm->n_server_names > 0 && !secure)
			sl_read_fail_at(r, realm_option(at, "server_names", name), "are what clients of TLS and DTLS name; add such a one to turn.listeners");
		for (unsigned i = 0; i < realm->n_server_names; i++) {
			if (!is_server_name(realm->server_names[i]))
				sl_read_fail_at(r, realm_option(at, SL_OPTION("server_names[%u]", i), name), "\"%s\" is no host name; such as \"turn.example.net\"",
					realm->server_names[i]);
		}
	}
}

/* The texts of all realms, each in one of them only. which: 0 names of realms, 1 server names, 2 origins. */
static void check_apart(struct sl_reader *r, const struct sl_conf_turn *turn, unsigned which, unsigned n)
{
	struct entry *entries = make_entries(r, n);
	const struct entry *twice;
	char name[SL_OPTION_NAME_MAX], rest[SL_OPTION_NAME_MAX];
	unsigned used = 0;

	if (entries == NULL)
		return;
	for (unsigned at = 0; at < turn->n_realms; at++) {
		const struct sl_conf_turn_realm *realm = &turn->realms[at];
		char *const *texts = which == 0 ? &realm->name : which == 1 ? realm->server_names : realm->origins;
		unsigned n_texts = which == 0 ? 1 : which == 1 ? realm->n_server_names : realm->n_origins;

		for (unsigned i = 0; i < n_texts; i++)
			entries[used++] = (struct entry){ texts[i], at, i };
	}
	if ((twice = find_double(entries, used)) != NULL) {
		if (which == 0)
			strcpy(rest, "name");
		else
			sl_option_name(rest, which == 1 ? "server_names[%u]" : "origins[%u]", twice->index);
		sl_read_fail_at(r, realm_option(twice->realm, rest, name), "\"%s\" is another one's already; must be one realm's", twice->text);
	}
	free(entries);
}

static void check_names(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	unsigned n_server_names = 0, n_origins = 0, n_keys = 0, n_rules = turn->n_peer_rules;

	for (unsigned at = 0; at < turn->n_realms; at++) {
		n_server_names += turn->realms[at].n_server_names;
		n_origins += turn->realms[at].n_origins;
		n_keys += turn->realms[at].n_oauth_keys;
		n_rules += turn->realms[at].n_peer_rules;
	}
	if (n_server_names + n_origins > SL_TURN_MAX_NAMES)
		sl_read_fail_at(r, "turn.realms", "have %u server_names and origins together; at most %d are allowed", n_server_names + n_origins,
			SL_TURN_MAX_NAMES);
	if (n_keys > SL_TURN_MAX_OAUTH_KEYS)
		sl_read_fail_at(r, "turn.realms", "have %u keys of oauth together; at most %d are allowed", n_keys, SL_TURN_MAX_OAUTH_KEYS);
	if (n_rules > SL_TURN_MAX_PEER_RULES)
		sl_read_fail_at(r, "turn.peers", "and those of turn.realms are %u rules; at most %d are allowed", n_rules, SL_TURN_MAX_PEER_RULES);
	check_server_names(r, turn);
	check_apart(r, turn, 0, turn->n_realms);
	check_apart(r, turn, 1, n_server_names);
	check_apart(r, turn, 2, n_origins);
}

static void check_realm_listeners(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	char name[SL_OPTION_NAME_MAX], text[SL_ADDR_TEXT_MAX];
	uint32_t taken = 0;

	for (unsigned at = 1; at < turn->n_realms; at++) {
		uint32_t both = taken & turn->realms[at].listeners;

		if (both != 0)
			sl_read_fail_at(r, realm_option(at, "listeners", name), "%s is another realm's already; must be one's",
				sl_turn_listener_text(turn, (unsigned)__builtin_ctz(both), text));
		taken |= turn->realms[at].listeners;
	}
}

static void check_keys(struct sl_reader *r, const struct sl_conf_turn *turn, unsigned at)
{
	const struct sl_conf_turn_realm *realm = &turn->realms[at];
	char name[SL_OPTION_NAME_MAX];

	if (realm->authorization_server != NULL && realm->n_oauth_keys == 0 && turn->n_user_sources == 0)
		sl_read_fail_at(r, realm_option(at, "oauth.keys", name), "is missing; tokens are opened with a key, of this list or of one of turn.user_sources");
	for (unsigned i = 0; i < realm->n_oauth_keys; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(realm->oauth_keys[i].kid, realm->oauth_keys[j].kid) == 0)
				sl_read_fail_at(r, realm_option(at, SL_OPTION("oauth.keys[%u].kid", i), name), "\"%s\" is listed twice", realm->oauth_keys[i].kid);
		}
	}
}

static bool has_realm(const struct sl_conf_turn *turn, const char *name)
{
	for (unsigned at = 0; at < turn->n_realms; at++) {
		if (strcmp(turn->realms[at].name, name) == 0)
			return true;
	}
	return false;
}

static void check_restricted(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	unsigned n_addresses = 0;

	while (n_addresses < turn->n_restricted && !turn->restricted[n_addresses].account)
		n_addresses++;
	for (unsigned i = n_addresses; i < turn->n_restricted; i++) {
		const char *realm = turn->restricted[i].realm;

		if (realm != NULL && !has_realm(turn, realm))
			sl_read_fail_at(r, SL_OPTION("turn.restricted.accounts[%u].realm", i - n_addresses), "there is no realm \"%s\"", realm);
	}
}

void sl_check_realms(struct sl_reader *r, const struct sl_conf_turn *turn)
{
	for (unsigned at = 0; at < turn->n_realms && !r->failed; at++) {
		check_realm_limits(r, turn, at);
		check_users(r, &turn->realms[at], at);
		check_keys(r, turn, at);
	}
	check_soft(r, "turn.bandwidth.node", &turn->node);
	if (!r->failed)
		check_names(r, turn);
	check_realm_listeners(r, turn);
	check_restricted(r, turn);
}

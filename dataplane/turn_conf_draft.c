/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What a control plane tells between CONFIG_BEGIN and CONFIG_COMMIT, and the base of snapshots that it makes. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/path/turn_conf_internal.h"

enum { FIRST_ROOM = 16 };

static const struct sl_siphash_key NO_KEY; /* of tags: names of realms are the operator's own, and are told to everybody */

/* ---- lists ---- */

static void list_free(struct sl_turn_list *l, size_t size)
{
	if (l->items)
		explicit_bzero(l->items, l->room * size);
	free(l->items);
	*l = (struct sl_turn_list){0};
}

static int list_add(struct sl_turn_list *l, const void *item, size_t size)
{
	if (l->n == l->room) {
		unsigned room = l->room ? 2 * l->room : FIRST_ROOM;
		/* Not realloc, which would leave a copy of secrets behind. */
		uint8_t *items = (uint8_t *)calloc(room, size);
		if (!items)
			return -ENOMEM;
		unsigned n = l->n;
		if (n > 0)
			memcpy(items, l->items, n * size);
		list_free(l, size);
		*l = (struct sl_turn_list){items, n, room};
	}
	memcpy((uint8_t *)l->items + l->n++ * size, item, size);
	return 0;
}

/* ---- drafts ---- */

struct sl_turn_draft *sl_turn_draft_new(const struct sl_siphash_key *key, bool keep_users)
{
	struct sl_turn_draft *d = (struct sl_turn_draft *)calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->keep_users = keep_users;
	d->restricted = sl_turn_restricted_list_new(key);
	if (!keep_users)
		d->users = sl_turn_users_new(key);
	if (d->restricted && (keep_users || d->users))
		return d;
	sl_turn_draft_free(d);
	return NULL;
}

void sl_turn_draft_free(struct sl_turn_draft *d)
{
	if (!d)
		return;
	list_free(&d->realms, sizeof(struct sl_cmd_realm));
	list_free(&d->secrets, sizeof(struct sl_cmd_secret));
	list_free(&d->rules, sizeof(struct sl_cmd_peer_rule));
	list_free(&d->names, sizeof(struct sl_cmd_realm_name));
	list_free(&d->oauth_keys, sizeof(struct sl_cmd_oauth_key));
	sl_turn_restricted_list_free(d->restricted);
	sl_turn_users_release(d->users);
	free(d);
}

static int refuse(int rc, const char *words, const char **why)
{
	if (rc != 0)
		*why = words;
	return rc;
}

static uint32_t tag_of(const struct sl_cmd_realm *r)
{
	return (uint32_t)sl_siphash(&NO_KEY, r->name, strlen(r->name));
}

static int add_realm(struct sl_turn_draft *d, const struct sl_cmd_realm *r, const char **why)
{
	const struct sl_cmd_realm *have = (const struct sl_cmd_realm *)d->realms.items;

	if (!d->has_settings)
		return refuse(-EINVAL, "TURN_REALM before TURN_CONFIG", why);
	if (d->realms_done)
		return refuse(-EINVAL, "TURN_REALM after what names a realm", why);
	if (r->index != d->realms.n)
		return refuse(-EINVAL, "index: realms come as 0, 1, 2 ...", why);
	for (unsigned i = 0; i < d->realms.n; i++) {
		if (strcmp(have[i].name, r->name) == 0)
			return refuse(-EINVAL, "name: another realm of the draft has it", why);
		if (tag_of(&have[i]) == tag_of(r))
			return refuse(-EINVAL, "name: its hash is that of another realm's: take another name", why);
		if (have[i].listeners & r->listeners)
			return refuse(-EINVAL, "listeners: one of them is another realm's", why);
	}
	return refuse(list_add(&d->realms, r, sizeof *r), "no memory for the realm", why);
}

static int add_name(struct sl_turn_draft *d, const struct sl_cmd_realm_name *name, const char **why)
{
	const struct sl_cmd_realm_name *have = (const struct sl_cmd_realm_name *)d->names.items;

	if (d->names.n == SL_TURN_MAX_NAMES)
		return refuse(-ENOSPC, "too many server names and origins", why);
	for (unsigned i = 0; i < d->names.n; i++) {
		if (sl_turn_compare_names(&have[i], name) == 0)
			return refuse(-EINVAL, "text: given twice", why);
	}
	return refuse(list_add(&d->names, name, sizeof *name), "no memory for the name", why);
}

static int add_secret(struct sl_turn_draft *d, const struct sl_cmd_secret *secret, const char **why)
{
	const struct sl_cmd_secret *have = (const struct sl_cmd_secret *)d->secrets.items;
	unsigned n = 0;

	for (unsigned i = 0; i < d->secrets.n; i++)
		n += have[i].realm == secret->realm;
	if (n == SL_TURN_MAX_SECRETS)
		return refuse(-ENOSPC, "too many secrets of this realm", why);
	return refuse(list_add(&d->secrets, secret, sizeof *secret), "no memory for the secret", why);
}

static int add_oauth_key(struct sl_turn_draft *d, const struct sl_cmd_oauth_key *k, const char **why)
{
	const struct sl_cmd_oauth_key *have = (const struct sl_cmd_oauth_key *)d->oauth_keys.items;

	if (d->oauth_keys.n == SL_TURN_MAX_OAUTH_KEYS)
		return refuse(-ENOSPC, "too many keys of authorisation servers", why);
	for (unsigned i = 0; i < d->oauth_keys.n; i++) {
		if (have[i].realm == k->realm && have[i].kid_len == k->kid_len && memcmp(have[i].kid, k->kid, k->kid_len) == 0)
			return refuse(-EINVAL, "kid: the realm has another key of this name", why);
	}
	return refuse(list_add(&d->oauth_keys, k, sizeof *k), "no memory for the key", why);
}

static int add_rule(struct sl_turn_draft *d, const struct sl_cmd_peer_rule *rule, const char **why)
{
	if (d->rules.n == SL_TURN_MAX_PEER_RULES)
		return refuse(-ENOSPC, "too many peer rules", why);
	return refuse(list_add(&d->rules, rule, sizeof *rule), "no memory for the rule", why);
}

static int add_alternate(struct sl_turn_draft *d, const struct sl_cmd_alternate *a, const char **why)
{
	if (d->n_alternates == SL_TURN_MAX_ALTERNATES)
		return refuse(-ENOSPC, "too many alternates", why);
	d->alternates[d->n_alternates++] = *a;
	return 0;
}

/* Is it a realm of the draft; or any, where an item may be of all? */
static bool names_a_realm(const struct sl_turn_draft *d, unsigned realm, bool any)
{
	return realm < d->realms.n || (any && realm == SL_TURN_ANY_REALM && d->realms.n > 0);
}

static bool realm_ok(const struct sl_turn_draft *d, const struct sl_command *cmd)
{
	switch (cmd->h.type) {
	case SL_CMD_REALM_NAME:
		return names_a_realm(d, cmd->realm_name.realm, false);
	case SL_CMD_SECRET:
		return names_a_realm(d, cmd->secret.realm, false);
	case SL_CMD_OAUTH_KEY:
		return names_a_realm(d, cmd->oauth_key.realm, false);
	case SL_CMD_PEER_RULE:
		return names_a_realm(d, cmd->peer_rule.realm, true);
	case SL_CMD_ALTERNATE:
		return names_a_realm(d, cmd->alternate.realm, true);
	case SL_CMD_RESTRICTED:
		return names_a_realm(d, cmd->restricted.realm, true);
	default:
		return true;
	}
}

int sl_turn_draft_add(struct sl_turn_draft *d, const struct sl_command *cmd, const char **why)
{
	if (cmd->h.type == SL_CMD_TURN_CONFIG) {
		d->settings = cmd->turn;
		d->has_settings = true;
		return 0;
	}
	if (cmd->h.type == SL_CMD_TURN_REALM)
		return add_realm(d, &cmd->realm, why);
	if (!realm_ok(d, cmd))
		return refuse(-EINVAL, "realm: the draft has none of this index", why);
	d->realms_done = true;
	switch (cmd->h.type) {
	case SL_CMD_REALM_NAME:
		return add_name(d, &cmd->realm_name, why);
	case SL_CMD_SECRET:
		return add_secret(d, &cmd->secret, why);
	case SL_CMD_OAUTH_KEY:
		return add_oauth_key(d, &cmd->oauth_key, why);
	case SL_CMD_PEER_RULE:
		return add_rule(d, &cmd->peer_rule, why);
	case SL_CMD_ALTERNATE:
		return add_alternate(d, &cmd->alternate, why);
	default:
		if (cmd->restricted.remove)
			return refuse(-EINVAL, "remove: not in a draft", why);
		return refuse(sl_turn_restricted_change(d->restricted, &cmd->restricted), "no room for another restricted prefix or account", why);
	}
}

/* ---- the base ---- */

void sl_turn_base_release(struct sl_turn_base *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (b->secrets)
		explicit_bzero(b->secrets, b->n_secrets * sizeof *b->secrets);
	if (b->oauth_keys)
		explicit_bzero(b->oauth_keys, b->n_oauth_keys * sizeof *b->oauth_keys);
	for (unsigned i = 0; i < b->n_realms; i++)
		sl_turn_rules_free(b->realms[i].rules);
	sl_turn_rules_free(b->rules_of_all);
	free(b->realms);
	free(b->secrets);
	free(b->rules);
	free(b->names);
	free(b->oauth_keys);
	free(b);
}

static bool has_limit(const struct sl_turn_bandwidth *b)
{
	return (b->hard_kbps[0] | b->hard_kbps[1] | b->soft_kbps[0] | b->soft_kbps[1]) != 0;
}

static void fill_realms(struct sl_turn_base *b, const struct sl_turn_draft *d)
{
	const struct sl_cmd_realm *told = (const struct sl_cmd_realm *)d->realms.items;

	memset(b->listener_realm, 0xff, sizeof b->listener_realm); /* SL_TURN_ANY_REALM */
	b->limits = has_limit(&b->settings.node);
	for (b->n_realms = 0; b->n_realms < d->realms.n; b->n_realms++) {
		struct sl_turn_realm *r = &b->realms[b->n_realms];
		r->told = told[b->n_realms];
		r->tag = tag_of(&r->told);
		for (unsigned i = 0; i < 32; i++) {
			if (r->told.listeners >> i & 1)
				b->listener_realm[i] = (uint16_t)b->n_realms;
		}
		b->limits |= has_limit(&r->told.session) || has_limit(&r->told.user) || has_limit(&r->told.realm);
	}
}

static void sort_secrets(struct sl_turn_base *b, const struct sl_turn_draft *d)
{
	const struct sl_cmd_secret *secrets = (const struct sl_cmd_secret *)d->secrets.items;

	for (unsigned realm = 0; realm < b->n_realms; realm++) {
		struct sl_turn_realm *r = &b->realms[realm];
		r->first_secret = b->n_secrets;
		for (unsigned i = 0; i < d->secrets.n; i++) {
			if (secrets[i].realm == realm)
				b->secrets[b->n_secrets++] = secrets[i];
		}
		r->n_secrets = b->n_secrets - r->first_secret;
	}
}

/* The realm's rules go to the end of b->rules in their order; from the first one on they are what is looked up. */
static unsigned take_rules(struct sl_turn_base *b, const struct sl_turn_draft *d, unsigned realm)
{
	const struct sl_cmd_peer_rule *rules = (const struct sl_cmd_peer_rule *)d->rules.items;
	unsigned first = b->n_rules;

	for (unsigned i = 0; i < d->rules.n; i++) {
		if (rules[i].realm == realm)
			b->rules[b->n_rules++] = rules[i];
	}
	return first;
}

static bool sort_rules(struct sl_turn_base *b, const struct sl_turn_draft *d)
{
	for (unsigned realm = 0; realm < b->n_realms; realm++) {
		unsigned first = take_rules(b, d, realm);
		if (b->n_rules == first)
			continue;
		b->realms[realm].rules = sl_turn_rules_new(b->rules + first, b->n_rules - first);
		if (!b->realms[realm].rules)
			return false;
	}
	unsigned first = take_rules(b, d, SL_TURN_ANY_REALM);
	b->rules_of_all = sl_turn_rules_new(b->rules + first, b->n_rules - first);
	return b->rules_of_all != NULL;
}

static bool same_realms(const struct sl_turn_base *a, const struct sl_turn_base *b)
{
	bool same = a->n_realms == b->n_realms;

	for (unsigned i = 0; same && i < a->n_realms; i++)
		same = a->realms[i].tag == b->realms[i].tag;
	return same;
}

static bool same_rules(const struct sl_turn_base *a, const struct sl_turn_base *b)
{
	return a->n_rules == b->n_rules && memcmp(a->rules, b->rules, a->n_rules * sizeof *a->rules) == 0;
}

static bool copy(void **to, const struct sl_turn_list *l, size_t size)
{
	*to = calloc(l->n + 1, size);
	if (*to && l->n > 0)
		memcpy(*to, l->items, l->n * size);
	return *to != NULL;
}

struct sl_turn_base *sl_turn_draft_base(const struct sl_turn_draft *d, const struct sl_turn_base *live)
{
	struct sl_turn_base *b = (struct sl_turn_base *)calloc(1, sizeof *b);

	if (!b)
		return NULL;
	atomic_init(&b->refs, 1);
	b->settings = d->settings;
	b->n_names = d->names.n;
	b->n_oauth_keys = d->oauth_keys.n;
	b->realms = (struct sl_turn_realm *)calloc(d->realms.n, sizeof *b->realms);
	b->secrets = (struct sl_cmd_secret *)calloc(d->secrets.n + 1, sizeof *b->secrets);
	b->rules = (struct sl_cmd_peer_rule *)calloc(d->rules.n + 1, sizeof *b->rules);
	if (!b->realms || !b->secrets || !b->rules || !copy((void **)&b->names, &d->names, sizeof *b->names) ||
		!copy((void **)&b->oauth_keys, &d->oauth_keys, sizeof *b->oauth_keys)) {
		sl_turn_base_release(b);
		return NULL;
	}
	fill_realms(b, d);
	sort_secrets(b, d);
	if (!sort_rules(b, d)) {
		sl_turn_base_release(b);
		return NULL;
	}
	qsort(b->names, b->n_names, sizeof *b->names, sl_turn_compare_names);
	bool same = live && same_realms(live, b);
	b->realms_version = live ? live->realms_version + !same : 1;
	b->policy = live ? live->policy + !(same && same_rules(live, b)) : 1;
	return b;
}

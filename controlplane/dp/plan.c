/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/dp/plan.h"

#include "controlplane/secret.h"
#include "dataplane/wire/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

/* While it is made: what does not fit or finds no memory ends it, once at the end. */
struct making {
	struct sl_turn_plan *p;
	const struct sl_conf_turn *t;
	const struct sl_turn_live *live;
	const char *refused; /* NULL = well so far */
	const char *realm_name; /* of the last account of the register, which mostly come by realm; and its index */
	int realm;
};

/* Room for one more at the end of a list of the plan. NULL: it has room for max only, or there is no memory. */
static void *more(struct making *m, void *list, size_t *n, size_t size, size_t max, const char *what)
{
	void **at = list;

	if (m->refused)
		return NULL;
	if (*n >= max) {
		m->refused = what;
		return NULL;
	}
	/* Grown at powers of two: the capacity follows from the count. */
	if ((*n & (*n - 1)) == 0) {
		void *grown = sl_secret_grow(*at, *n * size, (*n ? *n * 2 : 1) * size);
		if (!grown) {
			m->refused = "no memory";
			return NULL;
		}
		*at = grown;
	}
	void *slot = (char *)*at + (*n)++ * size;
	memset(slot, 0, size);
	return slot;
}

static void copy_text(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from ? from : "");
}

static struct sl_turn_bandwidth bandwidth(const struct sl_conf_bandwidth *b)
{
	struct sl_turn_bandwidth out;

	for (unsigned i = 0; i < 2; i++) {
		out.hard_kbps[i] = b->hard_kbps[i];
		out.soft_kbps[i] = b->soft_kbps[i];
	}
	return out;
}

static void fill_node(struct making *m)
{
	const struct sl_conf_turn *t = m->t;
	struct sl_cmd_turn *c = &m->p->turn;

	copy_text(c->software, sizeof c->software, t->software);
	c->default_lifetime_s = t->default_lifetime_s;
	c->permission_lifetime_s = t->permission_lifetime_s;
	c->channel_lifetime_s = t->channel_lifetime_s;
	c->nonce_lifetime_s = t->nonce_lifetime_s;
	c->total_quota = t->total_quota;
	c->offer_sha256 = t->sha256;
	c->mobility = t->mobility;
	c->channel_max = t->rfc5766_channels ? SL_CHANNEL_MAX_RFC5766 : SL_CHANNEL_MAX;
	c->tcp_relay = t->tcp_relay;
	c->nat_discovery = t->nat_discovery;
	c->redirect_above = (uint8_t)t->redirect_above;
	if (t->nat_discovery)
		memcpy(c->nat, t->nat, sizeof c->nat);
	c->node = bandwidth(&t->node);
	m->p->drain = m->live->drain;
}

/* ---- realms ---- */

static void add_secret(struct making *m, uint16_t realm, const char *secret)
{
	struct sl_cmd_secret *s =
	        more(m, &m->p->secrets, &m->p->n_secrets, sizeof *s, (size_t)SL_TURN_MAX_REALMS * SL_TURN_MAX_SECRETS, "there are too many secrets");
	if (!s)
		return;
	s->realm = realm;
	s->len = (uint16_t)strnlen(secret, SL_MSG_SECRET_MAX);
	memcpy(s->secret, secret, s->len);
}

static void add_name(struct making *m, uint16_t realm, enum sl_realm_name_kind kind, const char *text)
{
	struct sl_cmd_realm_name *n =
	        more(m, &m->p->names, &m->p->n_names, sizeof *n, SL_TURN_MAX_NAMES, "there are too many origins and server names of realms");
	if (!n)
		return;
	n->realm = realm;
	n->kind = kind;
	n->len = (uint16_t)strnlen(text, sizeof n->text);
	for (unsigned i = 0; i < n->len; i++)
		n->text[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
}

static void add_key(struct making *m, uint16_t realm, const struct sl_conf_oauth_key *k)
{
	struct sl_cmd_oauth_key *c = more(m, &m->p->keys, &m->p->n_keys, sizeof *c, SL_TURN_MAX_OAUTH_KEYS, "there are too many OAuth keys");

	if (!c)
		return;
	c->realm = realm;
	c->algorithm = (uint8_t)k->algorithm;
	c->kid_len = (uint8_t)strnlen(k->kid, SL_MSG_KID_MAX);
	memcpy(c->kid, k->kid, c->kid_len);
	memcpy(c->key, k->key, sizeof c->key);
	c->not_before_unix_s = k->not_before_unix_s;
	c->not_after_unix_s = k->not_after_unix_s;
}

static struct sl_cmd_realm *add_realm(struct making *m, const char *name)
{
	size_t index = m->p->n_realms;
	struct sl_cmd_realm *c = more(m, &m->p->realms, &m->p->n_realms, sizeof *c, SL_TURN_MAX_REALMS, "there are too many realms");

	if (!c)
		return NULL;
	c->index = (uint16_t)index;
	copy_text(c->name, sizeof c->name, name);
	return c;
}

static void add_file_realm(struct making *m, const struct sl_conf_turn_realm *r)
{
	struct sl_cmd_realm *c = add_realm(m, r->name);

	if (!c)
		return;
	c->offer_third_party = r->authorization_server != NULL;
	copy_text(c->server_name, sizeof c->server_name, r->authorization_server);
	c->max_lifetime_s = r->max_lifetime_s;
	c->max_permissions = r->max_permissions;
	c->user_quota = r->user_quota;
	c->total_quota = r->total_quota;
	c->listeners = r->listeners;
	c->session = bandwidth(&r->session);
	c->user = bandwidth(&r->user);
	c->realm = bandwidth(&r->realm);
	uint16_t index = c->index;
	for (unsigned i = 0; i < r->n_secrets; i++)
		add_secret(m, index, r->secrets[i]);
	for (unsigned i = 0; i < r->n_server_names; i++)
		add_name(m, index, SL_REALM_SERVER_NAME, r->server_names[i]);
	for (unsigned i = 0; i < r->n_origins; i++)
		add_name(m, index, SL_REALM_ORIGIN, r->origins[i]);
	for (unsigned i = 0; i < r->n_oauth_keys; i++)
		add_key(m, index, &r->oauth_keys[i]);
}

/* ---- what user tables say: what does not fit is left out and counted, so that somebody else's table never stops us ---- */

/* The realm that a table means; "" = the default one. */
static int sourced_index(const struct sl_turn_plan *p, const struct sl_source_realm *r)
{
	return r->name[0] ? sl_turn_plan_realm(p, r->name) : 0;
}

/* What a table does not say of a new realm is as in the default one. */
static struct sl_cmd_realm *new_sourced_realm(struct making *m, const char *name)
{
	const struct sl_conf_turn_realm *like = &m->t->realms[0];
	struct sl_cmd_realm *c = m->p->n_realms < SL_TURN_MAX_REALMS ? add_realm(m, name) : NULL;

	if (!c)
		return NULL;
	c->max_lifetime_s = like->max_lifetime_s;
	c->max_permissions = like->max_permissions;
	c->user_quota = like->user_quota;
	c->total_quota = like->total_quota;
	c->session = bandwidth(&like->session);
	c->user = bandwidth(&like->user);
	c->realm = bandwidth(&like->realm);
	return c;
}

static void add_sourced_realm(struct making *m, const struct sl_source_realm *r)
{
	int index = sourced_index(m->p, r);
	struct sl_cmd_realm *c = index >= 0 ? &m->p->realms[index] : new_sourced_realm(m, r->name);

	if (!c) {
		m->p->n_left_out++;
		return;
	}
	if (r->user_quota)
		c->user_quota = r->user_quota;
	if (r->total_quota)
		c->total_quota = r->total_quota;
	if (r->max_kbps)
		c->session = (struct sl_turn_bandwidth){.hard_kbps = {r->max_kbps, r->max_kbps}};
}

static bool has_name(const struct sl_turn_plan *p, enum sl_realm_name_kind kind, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < p->n_names; i++) {
		if (p->names[i].kind == kind && p->names[i].len == len && memcmp(p->names[i].text, text, len) == 0)
			return true;
	}
	return false;
}

static unsigned secrets_of(const struct sl_turn_plan *p, int realm)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->n_secrets; i++)
		n += p->secrets[i].realm == realm;
	return n;
}

static bool has_secret(const struct sl_turn_plan *p, int realm, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < p->n_secrets; i++) {
		const struct sl_cmd_secret *s = &p->secrets[i];
		if (s->realm == realm && s->len == len && CRYPTO_memcmp(s->secret, text, len) == 0)
			return true;
	}
	return false;
}

static bool has_kid(const struct sl_turn_plan *p, int realm, const char *kid)
{
	for (size_t i = 0; i < p->n_keys; i++) {
		if (p->keys[i].realm == realm && p->keys[i].kid_len == strlen(kid) && memcmp(p->keys[i].kid, kid, p->keys[i].kid_len) == 0)
			return true;
	}
	return false;
}

static void add_sourced_names(struct making *m, const struct sl_source_realm *r, int realm)
{
	struct sl_turn_plan *p = m->p;

	for (unsigned i = 0; i < r->n_secrets; i++) {
		if (secrets_of(p, realm) >= SL_TURN_MAX_SECRETS || strlen(r->secrets[i]) > SL_MSG_SECRET_MAX)
			p->n_left_out++;
		else if (!has_secret(p, realm, r->secrets[i]))
			add_secret(m, (uint16_t)realm, r->secrets[i]);
	}
	for (unsigned i = 0; i < r->n_origins; i++) {
		if (p->n_names >= SL_TURN_MAX_NAMES || strlen(r->origins[i]) > SL_MSG_ORIGIN_MAX)
			p->n_left_out++;
		else if (!has_name(p, SL_REALM_ORIGIN, r->origins[i]))
			add_name(m, (uint16_t)realm, SL_REALM_ORIGIN, r->origins[i]);
	}
	for (unsigned i = 0; i < r->n_oauth_keys; i++) {
		if (p->n_keys >= SL_TURN_MAX_OAUTH_KEYS)
			p->n_left_out++;
		else if (!has_kid(p, realm, r->oauth_keys[i].kid))
			add_key(m, (uint16_t)realm, &r->oauth_keys[i]);
	}
}

static void add_sourced(struct making *m, const struct sl_source_set *s)
{
	for (unsigned i = 0; i < s->n_realms && !m->refused; i++)
		add_sourced_realm(m, &s->realms[i]);
	for (unsigned i = 0; i < s->n_realms && !m->refused; i++) {
		int realm = sourced_index(m->p, &s->realms[i]);
		if (realm >= 0)
			add_sourced_names(m, &s->realms[i], realm);
	}
}

/* ---- peers ---- */

static void add_rule(struct making *m, uint16_t realm, const struct sl_prefix *prefix, bool allow)
{
	struct sl_cmd_peer_rule *c = more(m, &m->p->rules, &m->p->n_rules, sizeof *c, SL_TURN_MAX_PEER_RULES, "there are too many rules of peers");

	if (c)
		*c = (struct sl_cmd_peer_rule){.ip = prefix->ip, .prefix_len = prefix->len, .allow = allow, .realm = realm};
}

static void add_sourced_list(struct making *m, int realm, const struct sl_conf_peer_rule *rules, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (realm < 0 || m->p->n_rules >= SL_TURN_MAX_PEER_RULES)
			m->p->n_left_out++;
		else
			add_rule(m, (uint16_t)realm, &rules[i].prefix, rules[i].allow);
	}
}

/* A realm that has rules in tables alone: live rules of all realms come first there, too. All or nothing: else a rule of the table could
 * undo a live one. */
static void add_sourced_alone(struct making *m, int realm, const struct sl_source_realm *r)
{
	const struct sl_turn_live *live = m->live;
	size_t of_all = 0;

	for (size_t i = 0; i < live->n_peers; i++)
		of_all += !live->peers[i].realm[0];
	if (m->p->n_rules + of_all + r->n_peer_rules > SL_TURN_MAX_PEER_RULES) {
		m->p->n_left_out += r->n_peer_rules;
		return;
	}
	for (size_t i = 0; i < live->n_peers; i++) {
		if (!live->peers[i].realm[0])
			add_rule(m, (uint16_t)realm, &live->peers[i].prefix, live->peers[i].allow);
	}
	add_sourced_list(m, realm, r->peer_rules, r->n_peer_rules);
}

static void add_sourced_rules(struct making *m, const struct sl_source_set *s)
{
	for (unsigned i = 0; i < s->n_realms; i++) {
		const struct sl_source_realm *r = &s->realms[i];
		int realm = sourced_index(m->p, r);
		bool in_file = realm >= 0 && (unsigned)realm < m->t->n_realms && m->t->realms[realm].n_peer_rules;
		if (realm < 0 || in_file)
			add_sourced_list(m, realm, r->peer_rules, r->n_peer_rules);
		else if (r->n_peer_rules)
			add_sourced_alone(m, realm, r);
	}
	add_sourced_list(m, SL_TURN_ANY_REALM, s->peer_rules, s->n_peer_rules);
}

/* The dataplane looks at a realm's own rules before those of all realms. So where the file has rules of a realm, live rules of all realms
 * are also given to that realm before them: live ones come first everywhere (add_sourced_alone(): also where only a table has some). */
static void add_rules(struct making *m)
{
	const struct sl_turn_live *live = m->live;
	const struct sl_conf_turn *t = m->t;

	for (size_t r = 0; r < m->p->n_realms; r++) {
		const struct sl_conf_turn_realm *file = r < t->n_realms ? &t->realms[r] : NULL;
		bool own = file && file->n_peer_rules;
		for (size_t i = 0; i < live->n_peers; i++) {
			const struct sl_turn_peer *p = &live->peers[i];
			if (p->realm[0] ? strcmp(p->realm, m->p->realms[r].name) == 0 : own)
				add_rule(m, (uint16_t)r, &p->prefix, p->allow);
		}
		for (unsigned i = 0; own && i < file->n_peer_rules; i++)
			add_rule(m, (uint16_t)r, &file->peer_rules[i].prefix, file->peer_rules[i].allow);
	}
	for (size_t i = 0; i < live->n_peers; i++) {
		if (!live->peers[i].realm[0])
			add_rule(m, SL_TURN_ANY_REALM, &live->peers[i].prefix, live->peers[i].allow);
	}
	for (unsigned i = 0; i < t->n_peer_rules; i++)
		add_rule(m, SL_TURN_ANY_REALM, &t->peer_rules[i].prefix, t->peer_rules[i].allow);
	if (live->sourced)
		add_sourced_rules(m, live->sourced);
}

/* ---- the rest ---- */

static void add_alternates(struct making *m)
{
	for (unsigned i = 0; i < m->t->n_alternates; i++) {
		const struct sl_conf_alternate *a = &m->t->alternates[i];
		struct sl_cmd_alternate *c =
		        more(m, &m->p->alternates, &m->p->n_alternates, sizeof *c, SL_TURN_MAX_ALTERNATES, "there are too many alternates");
		if (!c)
			return;
		c->server = a->server;
		c->realm = SL_TURN_ANY_REALM;
		c->transport = (uint8_t)a->transport;
		c->weight = m->live->weights[i];
	}
}

static void add_restricted(struct making *m, bool account, const struct sl_prefix *prefix, const char *realm, const char *name)
{
	int index = SL_TURN_ANY_REALM;

	if (account && realm && realm[0]) {
		if (!m->realm_name || strcmp(m->realm_name, realm) != 0)
			m->realm = sl_turn_plan_realm(m->p, realm);
		m->realm_name = realm;
		index = m->realm;
	}
	if (index < 0) /* of a realm that has gone: it waits for it */
		return;
	struct sl_turn_plan_restricted *c = more(m, &m->p->restricted, &m->p->n_restricted, sizeof *c, SL_TURN_MAX_RESTRICTED,
	        "there are too many restricted addresses and accounts");
	if (!c)
		return;
	c->realm = (uint16_t)index;
	if (!account)
		c->prefix = *prefix;
	else if (!(c->name = strdup(name)))
		m->refused = "no memory";
}

static void add_all_restricted(struct making *m)
{
	for (unsigned i = 0; i < m->t->n_restricted; i++) {
		const struct sl_conf_restricted *r = &m->t->restricted[i];
		add_restricted(m, r->account, &r->prefix, r->realm, r->name);
	}
	for (size_t i = 0; i < m->live->n_restricted; i++) {
		const struct sl_turn_restricted *r = m->live->restricted[i];
		add_restricted(m, r->account, &r->prefix, r->realm, r->name);
	}
}

struct sl_turn_plan *sl_turn_plan_new(const struct sl_conf_turn *t, const struct sl_turn_live *live, char *text, size_t text_len)
{
	struct making m = {.p = calloc(1, sizeof *m.p), .t = t, .live = live};

	if (!m.p) {
		snprintf(text, text_len, "no memory");
		return NULL;
	}
	m.p->refs = 1;
	if (t->n_listeners == 0)
		return m.p;
	m.p->on = true;
	fill_node(&m);
	for (unsigned i = 0; i < t->n_realms; i++)
		add_file_realm(&m, &t->realms[i]);
	if (live->sourced && !m.refused)
		add_sourced(&m, live->sourced);
	add_rules(&m);
	add_alternates(&m);
	add_all_restricted(&m);
	if (!m.refused)
		return m.p;
	snprintf(text, text_len, "%s", m.refused);
	sl_turn_plan_unref(m.p);
	return NULL;
}

struct sl_turn_plan *sl_turn_plan_ref(struct sl_turn_plan *p)
{
	p->refs++;
	return p;
}

void sl_turn_plan_unref(struct sl_turn_plan *p)
{
	if (!p || --p->refs > 0)
		return;
	for (size_t i = 0; i < p->n_restricted; i++)
		free(p->restricted[i].name);
	sl_secret_free(p->secrets, p->n_secrets * sizeof *p->secrets);
	sl_secret_free(p->keys, p->n_keys * sizeof *p->keys);
	free(p->realms);
	free(p->names);
	free(p->rules);
	free(p->alternates);
	free(p->restricted);
	free(p);
}

int sl_turn_plan_realm(const struct sl_turn_plan *p, const char *name)
{
	if (!name[0])
		return SL_TURN_ANY_REALM;
	for (size_t i = 0; i < p->n_realms; i++) {
		if (strcmp(p->realms[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

bool sl_turn_plan_same_realms(const struct sl_turn_plan *a, const struct sl_turn_plan *b)
{
	if (a->n_realms != b->n_realms)
		return false;
	for (size_t i = 0; i < a->n_realms; i++) {
		if (strcmp(a->realms[i].name, b->realms[i].name) != 0)
			return false;
	}
	return true;
}

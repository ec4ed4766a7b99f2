/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/turn_conf_internal.h"

#include <ctype.h>
#include <stdlib.h>

#include "dataplane/wire/stun.h"

const struct sl_cmd_turn *sl_turn_conf_settings(const struct sl_turn_conf *c)
{
	return &c->base->settings;
}

/* ---- realms ---- */

unsigned sl_turn_conf_n_realms(const struct sl_turn_conf *c)
{
	return c->base->n_realms;
}

const struct sl_cmd_realm *sl_turn_conf_realm(const struct sl_turn_conf *c, unsigned realm)
{
	return realm < c->base->n_realms ? &c->base->realms[realm].told : NULL;
}

uint32_t sl_turn_conf_realm_tag(const struct sl_turn_conf *c, unsigned realm)
{
	return c->base->realms[realm].tag;
}

uint16_t sl_turn_conf_realm_by_tag(const struct sl_turn_conf *c, uint32_t tag, unsigned hint)
{
	const struct sl_turn_base *b = c->base;

	if (hint < b->n_realms && b->realms[hint].tag == tag)
		return (uint16_t)hint;
	for (unsigned i = 0; i < b->n_realms; i++) {
		if (b->realms[i].tag == tag)
			return (uint16_t)i;
	}
	return SL_TURN_ANY_REALM;
}

uint64_t sl_turn_conf_realms_version(const struct sl_turn_conf *c)
{
	return c->base->realms_version;
}

int sl_turn_compare_names(const void *a, const void *b)
{
	const struct sl_cmd_realm_name *x = (const struct sl_cmd_realm_name *)a, *y = (const struct sl_cmd_realm_name *)b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->text, y->text, x->len);
}

static uint16_t by_name(const struct sl_turn_conf *c, enum sl_realm_name_kind kind, const void *text, size_t len)
{
	struct sl_cmd_realm_name wanted = {.kind = (uint8_t)kind, .len = (uint16_t)len};

	if (c->base->n_names == 0 || len == 0 || len > sizeof wanted.text)
		return SL_TURN_ANY_REALM;
	for (size_t i = 0; i < len; i++)
		wanted.text[i] = (char)tolower(((const unsigned char *)text)[i]); /* the C locale: ASCII alone */
	const struct sl_cmd_realm_name *found = (const struct sl_cmd_realm_name *)bsearch(
		&wanted, c->base->names, c->base->n_names, sizeof wanted, sl_turn_compare_names);
	return found ? found->realm : SL_TURN_ANY_REALM;
}

uint16_t sl_turn_conf_server_name(const struct sl_turn_conf *c, const char *name)
{
	return by_name(c, SL_REALM_SERVER_NAME, name, strnlen(name, SL_MSG_ORIGIN_MAX + 1));
}

uint16_t sl_turn_conf_origin(const struct sl_turn_conf *c, const void *text, unsigned len)
{
	return by_name(c, SL_REALM_ORIGIN, text, len);
}

uint16_t sl_turn_conf_listener_realm(const struct sl_turn_conf *c, unsigned listener)
{
	return listener < sizeof c->base->listener_realm / sizeof *c->base->listener_realm ? c->base->listener_realm[listener]
											   : SL_TURN_ANY_REALM;
}

/* ---- credentials ---- */

uint32_t sl_turn_conf_n_users(const struct sl_turn_conf *c)
{
	return c->users->n;
}

const struct sl_turn_user *sl_turn_conf_user(const struct sl_turn_conf *c, unsigned realm, const void *name, unsigned len)
{
	return sl_turn_users_by_name(c->users, realm, name, len);
}

const struct sl_turn_user *sl_turn_conf_userhash(const struct sl_turn_conf *c, unsigned realm, const uint8_t hash[32])
{
	return sl_turn_users_by_hash(c->users, realm, hash);
}

unsigned sl_turn_conf_secrets(const struct sl_turn_conf *c, unsigned realm, const struct sl_cmd_secret **out)
{
	if (realm >= c->base->n_realms)
		return 0;
	*out = c->base->secrets + c->base->realms[realm].first_secret;
	return c->base->realms[realm].n_secrets;
}

const struct sl_cmd_oauth_key *sl_turn_conf_oauth_key(const struct sl_turn_conf *c, unsigned realm, const void *kid, unsigned len)
{
	for (unsigned i = 0; i < c->base->n_oauth_keys; i++) {
		const struct sl_cmd_oauth_key *k = &c->base->oauth_keys[i];
		if (k->realm == realm && k->kid_len == len && memcmp(k->kid, kid, len) == 0)
			return k;
	}
	return NULL;
}

/* ---- policy ---- */

bool sl_turn_conf_limits(const struct sl_turn_conf *c)
{
	return c->base->limits;
}

bool sl_turn_conf_is_restricted(const struct sl_turn_conf *c, const struct sl_ip *ip, unsigned realm, const void *name, unsigned len)
{
	return sl_turn_restricted_has(c->restricted, ip, realm, name, len);
}

const struct sl_cmd_drain *sl_turn_conf_drain(const struct sl_turn_conf *c)
{
	return &c->drain;
}

static unsigned weight_of(const struct sl_cmd_alternate *a, unsigned realm, unsigned over, bool v4)
{
	bool fits = a->transport == over && (a->realm == realm || a->realm == SL_TURN_ANY_REALM) && sl_ip_is_v4(&a->server.ip) == v4;

	return fits ? a->weight : 0;
}

const struct sl_endpoint *sl_turn_conf_alternate(const struct sl_turn_conf *c, unsigned realm, unsigned over, bool v4, uint64_t random)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < c->n_alternates; i++)
		sum += weight_of(&c->alternates[i], realm, over, v4);
	if (sum == 0)
		return NULL;
	unsigned at = (unsigned)(random % sum);
	for (unsigned i = 0;; i++) {
		unsigned weight = weight_of(&c->alternates[i], realm, over, v4);
		if (at < weight)
			return &c->alternates[i].server;
		at -= weight;
	}
}

uint64_t sl_turn_conf_policy(const struct sl_turn_conf *c)
{
	return c->base->policy;
}

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

/* Networks nobody may be relayed to unless a rule says so (RFC 6890 and the IANA special-purpose registries; the
 * documentation networks are left out: they are nowhere, and tests use them). A prefix of IPv4 is four bytes at b[12]. */
struct builtin {
	uint8_t b[16];
	uint8_t len;
	bool even_own; /* refused even when it is an address of this node */
};
#define V4(a, b, c, d, bits, even_own) {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}, 96 + (bits), even_own}
static const struct builtin builtins[] = {
	V4(0, 0, 0, 0, 8, true),        /* this network */
	V4(10, 0, 0, 0, 8, false),      /* private */
	V4(100, 64, 0, 0, 10, false),   /* shared */
	V4(127, 0, 0, 0, 8, true),      /* loopback */
	V4(169, 254, 0, 0, 16, true),   /* link-local */
	V4(172, 16, 0, 0, 12, false),   /* private */
	V4(192, 0, 0, 0, 24, true),     /* protocol assignments */
	V4(192, 168, 0, 0, 16, false),  /* private */
	V4(198, 18, 0, 0, 15, false),   /* benchmarks */
	V4(224, 0, 0, 0, 4, true),      /* multicast */
	V4(240, 0, 0, 0, 4, true),      /* reserved, broadcast */
	{{0}, 128, true},               /* unspecified */
	{{[15] = 1}, 128, true},        /* loopback */
	{{0x01}, 64, true},             /* discard */
	{{0xfc}, 7, false},             /* unique-local */
	{{0xfe, 0x80}, 10, true},       /* link-local */
	{{0xfe, 0xc0}, 10, false},      /* site-local */
	{{0xff}, 8, true},              /* multicast */
};
#undef V4

static const struct builtin *find_builtin(const struct sl_ip *ip)
{
	for (unsigned i = 0; i < sizeof builtins / sizeof *builtins; i++) {
		struct sl_prefix p = {.len = builtins[i].len};
		memcpy(p.ip.b, builtins[i].b, 16);
		if (sl_prefix_contains(&p, ip))
			return &builtins[i];
	}
	return NULL;
}

/* The first of rules [from, to) that says something of ip, or NULL. */
static const struct sl_cmd_peer_rule *find_rule(const struct sl_turn_base *b, unsigned from, unsigned to, const struct sl_ip *ip)
{
	for (unsigned i = from; i < to; i++) {
		const struct sl_prefix p = {b->rules[i].ip, b->rules[i].prefix_len};
		if (sl_prefix_contains(&p, ip))
			return &b->rules[i];
	}
	return NULL;
}

/* Verdict on one address, as it stands. */
static enum sl_peer_verdict judge(const struct sl_turn_base *c, unsigned realm, const struct sl_ip *ip,
        bool (*is_own)(const void *ctx, const struct sl_ip *ip), const void *ctx)
{
	bool own = is_own && is_own(ctx, ip);
	const struct sl_cmd_peer_rule *rule = NULL;

	if (realm < c->n_realms)
		rule = find_rule(c, c->realms[realm].first_rule, c->realms[realm].first_rule + c->realms[realm].n_rules, ip);
	if (!rule)
		rule = find_rule(c, c->first_any, c->n_rules, ip);
	if (rule && !rule->allow)
		return SL_PEER_DENY;
	if (rule)
		return own ? SL_PEER_OWN : SL_PEER_ALLOW; /* a rule opens a network, never the node's own sockets */
	const struct builtin *b = find_builtin(ip);
	if (b && (b->even_own || !own))
		return SL_PEER_DENY;
	return own ? SL_PEER_OWN : SL_PEER_ALLOW;
}

enum sl_peer_verdict sl_turn_conf_peer(const struct sl_turn_conf *c, unsigned realm, const struct sl_ip *ip,
        bool (*is_own)(const void *ctx, const struct sl_ip *ip), const void *ctx)
{
	struct sl_ip embedded[SL_IP_EMBEDDED_MAX];
	enum sl_peer_verdict verdict = judge(c->base, realm, ip, is_own, ctx);

	if (sl_ip_is_v4(ip))
		return verdict;
	unsigned n = sl_ip_embedded_v4(ip, embedded);
	for (unsigned i = 0; i < n; i++) {
		/* Reaching ourselves through somebody's translator is no hairpin: it has no place in TURN. */
		if (judge(c->base, realm, &embedded[i], is_own, ctx) != SL_PEER_ALLOW)
			return SL_PEER_DENY;
	}
	return verdict;
}

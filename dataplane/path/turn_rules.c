/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The verdict on a peer's address: rules of its realm, rules of all, what is denied to everybody. */

#include "dataplane/path/turn_rules.h"

#include "dataplane/path/turn_conf_internal.h"

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

/* Verdict on one address, as it stands. */
static enum sl_peer_verdict judge(const struct sl_turn_base *c, unsigned realm, const struct sl_ip *ip,
        bool (*is_own)(const void *ctx, const struct sl_ip *ip), const void *ctx)
{
	bool own = is_own && is_own(ctx, ip);
	enum sl_rule_verdict rule = SL_RULE_SILENT;

	if (realm < c->n_realms && c->realms[realm].rules)
		rule = sl_turn_rules_look(c->realms[realm].rules, ip);
	if (rule == SL_RULE_SILENT)
		rule = sl_turn_rules_look(c->rules_of_all, ip);
	if (rule == SL_RULE_DENY)
		return SL_PEER_DENY;
	if (rule == SL_RULE_ALLOW)
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

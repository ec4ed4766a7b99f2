/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "config/guard_rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/options_read.h"

const char *const sl_guard_classes[] = {
#define X(NAME, number, name, help) [number] = name,
	SL_GUARD_CLASSES(X)
#undef X
	NULL
};
const char *const sl_guard_actions[] = {
#define X(NAME, number, name, help) [number] = name,
	SL_GUARD_ACTIONS(X)
#undef X
	NULL
};

/* A host behind a large NAT is hundreds of phones: a source's limit is far above what any of them sends before it is known, and far below
 * what hurts. */
#define ANY SL_GUARD_ANY
const struct sl_conf_guard_rule sl_guard_built_in[SL_GUARD_N_CLASSES] = {
	[SL_GUARD_STUN] = { SL_GUARD_STUN, SL_GUARD_DO_LIMIT, ANY, { 1000, 10000, 100000 }, 0 },
	[SL_GUARD_RELAY] = { SL_GUARD_RELAY, SL_GUARD_DO_LIMIT, ANY, { 1000, 10000, 100000 }, 0 },
	[SL_GUARD_MEDIA] = { SL_GUARD_MEDIA, SL_GUARD_DO_LIMIT, ANY, { 5000, 50000, 200000 }, 0 },
	[SL_GUARD_SIP] = { SL_GUARD_SIP, SL_GUARD_DO_LIMIT, ANY, { 400, 4000, 20000 }, 10000 },
	[SL_GUARD_PROVISIONAL] = { SL_GUARD_PROVISIONAL, SL_GUARD_DO_LIMIT, ANY, { 200, 4000, 20000 }, 10000 },
	[SL_GUARD_KNOWN] = { SL_GUARD_KNOWN, SL_GUARD_DO_LIMIT, ANY, { 5000, 0, 0 }, 0 },
	[SL_GUARD_OTHER] = { SL_GUARD_OTHER, SL_GUARD_DO_LIMIT, ANY, { 10000, 20000, 50000 }, 0 },
};

static bool is_sip(unsigned guard_class)
{
	return guard_class == SL_GUARD_SIP || guard_class == SL_GUARD_PROVISIONAL || guard_class == SL_GUARD_KNOWN;
}

int sl_guard_rule_check(const struct sl_conf_guard_rule *rule, char *why, size_t why_len)
{
	static const char *const names[SL_GUARD_N_LEVELS] = { "source", "prefix", "wide" };
	const char *name = sl_guard_classes[rule->guard_class];
	unsigned below = 0;

	if (!is_sip(rule->guard_class) && rule->action != SL_GUARD_DO_LIMIT && rule->action != SL_GUARD_DO_DROP) {
		snprintf(why, why_len, "action \"%s\" is for SIP; class \"%s\" can \"limit\" or \"drop\"", sl_guard_actions[rule->action], name);
		return -EINVAL;
	}
	/* Whoever is alone in his prefix would never get what his address may. */
	for (unsigned level = 0; level < SL_GUARD_N_LEVELS; level++) {
		if (rule->pps[level] == 0)
			continue;
		if (rule->pps[level] < rule->pps[below]) {
			snprintf(why, why_len, "%s of class \"%s\" is %u, less than %s, %u; write at least as much, or 0 for no limit", names[level], name,
				rule->pps[level], names[below], rule->pps[below]);
			return -EINVAL;
		}
		below = level;
	}
	return 0;
}

const char *sl_guard_listener_text(const struct sl_config *c, unsigned guard_class, unsigned i, char *buf)
{
	switch (guard_class) {
	case SL_GUARD_STUN:
		return i < c->turn.n_listeners ? sl_turn_listener_text(&c->turn, i, buf) : NULL;
	case SL_GUARD_RELAY:
		return i < c->turn.n_relay ? sl_ip_text(&c->turn.relay[i], buf) : NULL;
	case SL_GUARD_MEDIA:
		return i < c->media.n_addresses ? c->media.addresses[i].interface : NULL;
	case SL_GUARD_SIP:
	case SL_GUARD_PROVISIONAL:
	case SL_GUARD_KNOWN:
		return i < c->sip.n_listeners ? c->sip.listeners[i].name : NULL;
	default:
		return NULL;
	}
}

/* Addresses are compared as such: they have several spellings. */
static bool is_listener(const struct sl_config *c, unsigned guard_class, unsigned i, const char *text)
{
	struct sl_ip ip;

	switch (guard_class) {
	case SL_GUARD_STUN:
		return sl_turn_listener_is(&c->turn, i, text);
	case SL_GUARD_RELAY:
		return sl_ip_parse(text, &ip) == 0 && sl_ip_eq(&c->turn.relay[i], &ip);
	default:
		return strcmp(sl_guard_listener_text(c, guard_class, i, NULL), text) == 0;
	}
}

static void tell_listeners(const struct sl_config *c, unsigned guard_class, const char *text, char *why, size_t why_len)
{
	char known[400] = "", quoted[SL_ADDR_TEXT_MAX + 3], buf[SL_ADDR_TEXT_MAX];
	const char *name;

	for (unsigned i = 0; (name = sl_guard_listener_text(c, guard_class, i, buf)) != NULL; i++) {
		size_t used = strlen(known);

		snprintf(quoted, sizeof quoted, "\"%s\"", name);
		/* An interface with both families is two of one name. */
		if (used + strlen(quoted) + 3 < sizeof known && strstr(known, quoted) == NULL)
			snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", quoted);
	}
	if (known[0] != '\0')
		snprintf(why, why_len, "\"%s\" is no listener of class \"%s\"; there are %s", text, sl_guard_classes[guard_class], known);
	else
		snprintf(why, why_len, "class \"%s\" has no listeners here; leave the option out", sl_guard_classes[guard_class]);
}

int sl_guard_listener(const struct sl_config *c, unsigned guard_class, const char *text, unsigned from, char *why, size_t why_len)
{
	char buf[SL_ADDR_TEXT_MAX];

	for (unsigned i = from; sl_guard_listener_text(c, guard_class, i, buf) != NULL; i++) {
		if (is_listener(c, guard_class, i, text))
			return (int)i;
	}
	tell_listeners(c, guard_class, text, why, why_len);
	return -1;
}

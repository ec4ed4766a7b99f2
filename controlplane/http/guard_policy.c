/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/guard_view.h"

#include "config/guard_rules.h"

#include <string.h>

/* The limits in force, changed at once, until the next reload: what the body names is laid over the configuration. */

static const char example[] = "{\"dry_run\": true, \"limits\": [{\"class\": \"sip\", \"source\": 100, \"action\": \"challenge\"}]}";

static bool read_flag(struct sl_http_request *r, const json_t *body, const char *name, bool *value)
{
	const json_t *v = json_object_get(body, name);

	if (v && !json_is_boolean(v)) {
		sl_api_error(r, 400, name, "must be true or false");
		return false;
	}
	if (v)
		*value = json_is_true(v);
	return true;
}

/* The number of a text among names, whose end is NULL. */
static bool read_name(struct sl_http_request *r, const json_t *limit, const char *field, const char *const *names, unsigned *value)
{
	const json_t *v = json_object_get(limit, field);
	const char *text = json_string_value(v);

	if (!v)
		return true;
	for (unsigned i = 0; text && names[i]; i++) {
		if (strcmp(text, names[i]) == 0) {
			*value = i;
			return true;
		}
	}
	sl_api_error(r, 400, field, "'%s' is not known; as in guard.limits of the configuration", text ? text : "that");
	return false;
}

static bool known_members(struct sl_http_request *r, const json_t *limit)
{
	static const char *const names[] = {"class", "listener", "source", "prefix", "wide", "total", "action"};
	const char *key;
	json_t *value;

	if (!json_is_object(limit) || !json_object_get(limit, "class")) {
		sl_api_error(r, 400, "limits", "each must be an object with a class, such as {\"class\": \"sip\", \"source\": 100}");
		return false;
	}
	json_object_foreach((json_t *)limit, key, value)
	{
		unsigned i = 0;

		while (i < sizeof names / sizeof names[0] && strcmp(names[i], key) != 0)
			i++;
		if (i == sizeof names / sizeof names[0]) {
			sl_api_error(r, 400, key, "unknown member of a limit; known are class, listener, source, prefix, wide, total, action");
			return false;
		}
	}
	return true;
}

/* The rule of a listener; a new one is as its class's. NULL: answered with an error. */
static struct sl_conf_guard_rule *rule_of(struct sl_http_request *r, struct sl_conf_guard *g, unsigned guard_class, unsigned listener)
{
	for (unsigned i = 0; i < g->n_rules; i++) {
		if (g->rules[i].guard_class == guard_class && g->rules[i].listener == listener)
			return &g->rules[i];
	}
	if (g->n_rules == SL_CONF_MAX_GUARD_RULES) {
		sl_api_error(r, 400, "limits", "one too many: at most %d, each class and each address of an interface counts as one",
		        SL_CONF_MAX_GUARD_RULES);
		return NULL;
	}
	struct sl_conf_guard_rule *rule = &g->rules[g->n_rules++];
	*rule = g->rules[guard_class];
	rule->listener = listener;
	return rule;
}

static bool read_rates(struct sl_http_request *r, const json_t *limit, struct sl_conf_guard_rule *rule)
{
	long long pps[] = {rule->pps[SL_GUARD_SOURCE], rule->pps[SL_GUARD_PREFIX], rule->pps[SL_GUARD_WIDE], rule->total_pps};
	static const char *const names[] = {"source", "prefix", "wide", "total"};
	char why[200];

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (!sl_guard_number(r, limit, names[i], 0, SL_GUARD_MAX_PPS, &pps[i]))
			return false;
	}
	for (unsigned level = 0; level < SL_GUARD_N_LEVELS; level++)
		rule->pps[level] = (unsigned)pps[level];
	rule->total_pps = (unsigned)pps[SL_GUARD_TOTAL];
	if (!read_name(r, limit, "action", sl_guard_actions, &rule->action))
		return false;
	if (sl_guard_rule_check(rule, why, sizeof why) == 0)
		return true;
	sl_api_error(r, 400, "limits", "%s", why);
	return false;
}

static bool read_limit(struct sl_brain *b, struct sl_http_request *r, const json_t *limit, bool of_listeners, struct sl_conf_guard *g)
{
	const json_t *name = json_object_get(limit, "listener");
	const char *listener = json_string_value(name);
	struct sl_conf_guard_rule *rule;
	unsigned guard_class = 0;
	char why[512];

	if (!known_members(r, limit) || !read_name(r, limit, "class", sl_guard_classes, &guard_class))
		return false;
	bool one = name && !json_is_null(name);
	if (one && !listener) {
		sl_api_error(r, 400, "listener", "must be a text");
		return false;
	}
	if (one != of_listeners) /* the other pass's */
		return true;
	if (!one)
		return (rule = rule_of(r, g, guard_class, SL_GUARD_ANY)) && read_rates(r, limit, rule);
	int at = sl_guard_listener(b->config, guard_class, listener, 0, why, sizeof why);
	if (at < 0) {
		sl_api_error(r, 400, "listener", "%s", why);
		return false;
	}
	/* An interface has an address of each family, and each is a listener of its own. */
	for (; at >= 0; at = sl_guard_listener(b->config, guard_class, listener, (unsigned)at + 1, why, sizeof why)) {
		if (!(rule = rule_of(r, g, guard_class, (unsigned)at)) || !read_rates(r, limit, rule))
			return false;
	}
	return true;
}

static bool read_limits(struct sl_brain *b, struct sl_http_request *r, const json_t *body, struct sl_conf_guard *g)
{
	const json_t *limits = json_object_get(body, "limits"), *limit;
	size_t i;

	if (limits && !json_is_array(limits)) {
		sl_api_error(r, 400, "limits", "must be an array");
		return false;
	}
	/* Those of classes first: those of listeners begin as they are. */
	for (unsigned pass = 0; pass < 2; pass++) {
		json_array_foreach(limits, i, limit)
		{
			if (!read_limit(b, r, limit, pass == 1, g))
				return false;
		}
	}
	return true;
}

static void answer(struct sl_brain *b, struct sl_http_request *r)
{
	json_t *o = json_pack("{s:s}", "policy_from", sl_warden_policy_is_live(b->warden) ? "api" : "configuration");

	json_object_update_new(o, sl_guard_show_policy(b->config, sl_warden_policy(b->warden)));
	sl_api_json(r, 200, o);
}

static void put(struct sl_brain *b, struct sl_http_request *r)
{
	static const char *const names[] = {"enabled", "dry_run", "limits", NULL};
	json_t *body = sl_guard_body(r, names, example);
	struct sl_conf_guard g = b->config->guard;
	char text[200] = "";

	if (body && read_flag(r, body, "enabled", &g.enabled) && read_flag(r, body, "dry_run", &g.dry_run) && read_limits(b, r, body, &g)) {
		if (sl_warden_set_policy(b->warden, &g, text, sizeof text) == 0)
			answer(b, r);
		else
			sl_api_error(r, 400, "limits", "%s", text);
	}
	json_decref(body);
}

void sl_guard_policy(struct sl_brain *b, struct sl_http_request *r)
{
	char text[200] = "";

	if (r->method == SL_HTTP_PUT)
		put(b, r);
	else if (r->method == SL_HTTP_GET)
		answer(b, r);
	else if (r->method != SL_HTTP_DELETE)
		sl_api_error(r, 405, NULL, "/v1/guard/policy takes GET, PUT and DELETE");
	else if (sl_warden_set_policy(b->warden, NULL, text, sizeof text) == 0)
		answer(b, r);
	else
		sl_api_error(r, 503, NULL, "%s", text);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/guard_view.h"

#include "config/guard_rules.h"

#include <string.h>
#include <time.h>

enum { IP_BITS = 128 };

json_t *sl_guard_show_ip(const struct sl_ip *ip)
{
	char text[SL_ADDR_TEXT_MAX];

	return json_string(sl_ip_text(ip, text));
}

json_t *sl_guard_show_prefix(const struct sl_ip *ip, unsigned len)
{
	char text[SL_ADDR_TEXT_MAX];

	if (len >= IP_BITS)
		return sl_guard_show_ip(ip);
	return json_string(sl_prefix_text(&(struct sl_prefix){.ip = *ip, .len = (uint8_t)len}, text));
}

const char *sl_guard_kind_text(unsigned kind)
{
	static const char *const names[] = {[SL_WARDEN_ALLOW] = "allow", [SL_WARDEN_DENY] = "deny", [SL_WARDEN_BAN] = "ban"};

	return kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

static const char *origin_text(unsigned origin)
{
	static const char *const names[] = {[SL_WARDEN_CONFIG] = "configuration", [SL_WARDEN_API] = "api", [SL_WARDEN_AUTO] = "reputation"};

	return origin < sizeof names / sizeof names[0] ? names[origin] : "?";
}

const char *sl_guard_level_text(unsigned level)
{
	static const char *const names[] = {
	        [SL_GUARD_SOURCE] = "source", [SL_GUARD_PREFIX] = "prefix", [SL_GUARD_WIDE] = "wide", [SL_GUARD_TOTAL] = "total"};

	return level < sizeof names / sizeof names[0] ? names[level] : NULL;
}

const char *sl_guard_class_text(unsigned guard_class)
{
	return guard_class < SL_GUARD_N_CLASSES ? sl_guard_classes[guard_class] : "?";
}

static const char *action_text(unsigned action)
{
	return action < SL_GUARD_N_ACTIONS ? sl_guard_actions[action] : "?";
}

json_t *sl_guard_show_entry(const struct sl_warden_entry *e)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t left_ms = e->until_unix_ms - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	json_t *o = json_pack("{s:o, s:s, s:s, s:I}", "prefix", sl_guard_show_prefix(&e->prefix.ip, e->prefix.len), "kind",
	        sl_guard_kind_text(e->kind), "origin", origin_text(e->origin), "since_unix_ms", (json_int_t)e->since_unix_ms);

	json_object_set_new(o, "until_unix_ms", e->until_unix_ms ? json_integer(e->until_unix_ms) : json_null());
	json_object_set_new(o, "seconds_left", e->until_unix_ms ? json_integer(left_ms > 0 ? (left_ms + 999) / 1000 : 0) : json_null());
	json_object_set_new(o, "reason", sl_api_text(e->reason, strlen(e->reason)));
	return o;
}

static json_t *listener_of(const struct sl_config *c, unsigned guard_class, unsigned listener)
{
	char buf[SL_ADDR_TEXT_MAX];
	const char *name = listener == SL_GUARD_ANY ? NULL : sl_guard_listener_text(c, guard_class, listener, buf);

	return name ? json_string(name) : json_null();
}

json_t *sl_guard_show_rule(const struct sl_config *c, const struct sl_conf_guard_rule *rule)
{
	return json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:s}", "class", sl_guard_class_text(rule->guard_class), "listener",
	        listener_of(c, rule->guard_class, rule->listener), "source", (json_int_t)rule->pps[SL_GUARD_SOURCE], "prefix",
	        (json_int_t)rule->pps[SL_GUARD_PREFIX], "wide", (json_int_t)rule->pps[SL_GUARD_WIDE], "total", (json_int_t)rule->total_pps, "action",
	        action_text(rule->action));
}

/* The addresses of an interface are one entry of the file: they are shown as one. */
static bool shown_before(const struct sl_config *c, const struct sl_conf_guard *g, unsigned i)
{
	char a[SL_ADDR_TEXT_MAX], b[SL_ADDR_TEXT_MAX];
	const struct sl_conf_guard_rule *rule = &g->rules[i];
	const char *name = rule->listener == SL_GUARD_ANY ? NULL : sl_guard_listener_text(c, rule->guard_class, rule->listener, a);

	for (unsigned j = 0; name && j < i; j++) {
		const struct sl_conf_guard_rule *other = &g->rules[j];
		const char *that = other->listener == SL_GUARD_ANY ? NULL : sl_guard_listener_text(c, other->guard_class, other->listener, b);

		if (that && other->guard_class == rule->guard_class && strcmp(name, that) == 0)
			return true;
	}
	return false;
}

json_t *sl_guard_show_policy(const struct sl_config *c, const struct sl_conf_guard *g)
{
	json_t *limits = json_array(), *weights = json_object();
	static const char *const signals[] = {
#define X(NAME, number, name, help) [number] = name,
	        SL_GUARD_SIGNALS(X)
#undef X
	};

	for (unsigned i = 0; i < g->n_rules; i++) {
		if (!shown_before(c, g, i))
			json_array_append_new(limits, sl_guard_show_rule(c, &g->rules[i]));
	}
	for (unsigned i = 0; i < SL_GUARD_N_SIGNALS; i++)
		json_object_set_new(weights, signals[i], json_integer(g->weight[i]));
	json_t *o = json_pack("{s:b, s:b, s:o, s:I}", "enabled", g->enabled, "dry_run", g->dry_run, "limits", limits, "reflection_percent",
	        (json_int_t)g->reflection_percent);
	json_object_set_new(o, "sessions",
	        json_pack("{s:I, s:I, s:I, s:I}", "turn_pps", (json_int_t)g->turn_session_pps, "turn_kbps", (json_int_t)g->turn_session_kbps,
	                "media_pps", (json_int_t)g->media_session_pps, "media_kbps", (json_int_t)g->media_session_kbps));
	json_object_set_new(o, "turn_pps", json_integer(g->turn_pps));
	json_object_set_new(o, "turn_kbps", json_integer(g->turn_kbps));
	json_object_set_new(o, "state",
	        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "allocations_per_source", (json_int_t)g->allocations_per_source,
	                "allocations_per_prefix", (json_int_t)g->allocations_per_prefix, "bindings_per_source",
	                (json_int_t)g->bindings_per_source, "bindings_per_prefix", (json_int_t)g->bindings_per_prefix, "calls_per_source",
	                (json_int_t)g->calls_per_source, "calls_per_prefix", (json_int_t)g->calls_per_prefix));
	json_object_set_new(o, "delay_ms", json_integer(g->delay_ms));
	json_object_set_new(o, "reputation",
	        json_pack("{s:I, s:I, s:I, s:I, s:o}", "ban_score", (json_int_t)g->reputation_ban, "half_life_s",
	                (json_int_t)g->reputation_half_life_s, "ban_s", (json_int_t)g->ban_s, "ban_max_s", (json_int_t)g->ban_max_s, "weights",
	                weights));
	return o;
}

json_t *sl_guard_show_over(const struct sl_brain *b, const struct sl_warden_over *over, int64_t now_ms)
{
	const struct sl_evt_guard_source *e = &over->e;
	const char *level = sl_guard_level_text(e->level);
	uint64_t sent = sl_guard_rate_of(b, e);

	json_t *o = json_pack("{s:o, s:s, s:s, s:o, s:s, s:I, s:I, s:i, s:b, s:I, s:I, s:I}", "source",
	        e->level == SL_GUARD_TOTAL ? json_null() : sl_guard_show_prefix(&e->ip, e->prefix_len), "level", level ? level : "?", "class",
	        sl_guard_class_text(e->guard_class), "listener", listener_of(b->config, e->guard_class, e->listener), "action", action_text(e->action),
	        "pps", (json_int_t)e->pps, "limit_pps", (json_int_t)e->limit_pps, "worker", (int)e->worker, "dry_run", (int)e->dry_run, "since_s",
	        (json_int_t)((now_ms - over->since_ms) / 1000), "last_ms", (json_int_t)(now_ms - over->last_ms), "times", (json_int_t)over->times);
	/* pps is what was charged: what a limit drops is not. */
	json_object_set_new(o, "sent_pps", sent ? json_integer((json_int_t)sent) : json_null());
	return o;
}

json_t *sl_guard_show_source(const struct sl_warden_source *s, int64_t now_ms)
{
	static const char *const names[] = {
#define X(NAME, number, name, help) [number] = name,
	        SL_GUARD_SIGNALS(X)
#undef X
	};
	json_t *seen = json_object();

	for (unsigned i = 0; i < SL_GUARD_N_SIGNALS; i++) {
		if (s->seen[i])
			json_object_set_new(seen, names[i], json_integer(s->seen[i]));
	}
	return json_pack("{s:o, s:I, s:o, s:i, s:I}", "source", sl_guard_show_prefix(&s->ip, sl_ip_is_v4(&s->ip) ? IP_BITS : IP_BITS / 2), "score",
	        (json_int_t)s->score, "seen", seen, "bans", (int)s->bans, "last_s", (json_int_t)((now_ms - s->last_ms) / 1000));
}

bool sl_guard_is_reason(unsigned drop)
{
	const char *name = sl_drop_names[drop].name;

	return strncmp(name, "guard_", 6) == 0 || strcmp(name, "reflection_limit") == 0 || strcmp(name, "session_limit") == 0 ||
	       strcmp(name, "tenant_limit") == 0;
}

json_t *sl_guard_show_drops(const struct sl_brain *b, bool would)
{
	const struct sl_region *region = sl_dp_region(b->dp);
	json_t *o = json_object();

	for (unsigned d = 0; region && d < SL_N_DROPS; d++) {
		uint64_t sum = 0;

		for (unsigned w = 0; w < sl_dp_n_workers(b->dp); w++)
			sum += sl_view_load(would ? &region->workers[w].would_drop[d] : &region->workers[w].drops[d]);
		if (sl_guard_is_reason(d) || (would && sum))
			json_object_set_new(o, sl_drop_names[d].name, json_integer((json_int_t)sum));
	}
	return o;
}

json_t *sl_guard_status(const struct sl_brain *b)
{
	const struct sl_conf_guard *g = sl_warden_policy(b->warden);
	const char *standby = sl_warden_standby(b->warden);

	return json_pack("{s:b, s:b, s:b, s:o, s:I, s:I, s:I}", "enabled", g->enabled, "dry_run", g->dry_run, "live", sl_warden_policy_is_live(b->warden),
	        "standby", standby ? sl_api_text(standby, strlen(standby)) : json_null(), "prefixes",
	        (json_int_t)(sl_warden_count(b->warden, SL_WARDEN_ALLOW) + sl_warden_count(b->warden, SL_WARDEN_DENY)), "bans",
	        (json_int_t)sl_warden_count(b->warden, SL_WARDEN_BAN), "pressure_percent", (json_int_t)sl_warden_pressure_percent(b->warden));
}

/* ---- bodies ---- */

json_t *sl_guard_body(struct sl_http_request *r, const char *const *names, const char *example)
{
	json_error_t error;
	json_t *value, *body = r->body_len ? json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, &error) : json_object();
	const char *key;

	if (!json_is_object(body)) {
		sl_api_error(r, 400, NULL, "the body must be an object, such as %s%s%s", example, body ? "" : ": ", body ? "" : error.text);
		json_decref(body);
		return NULL;
	}
	json_object_foreach(body, key, value)
	{
		unsigned i = 0;

		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		if (!names[i]) {
			sl_api_error(r, 400, key, "unknown member; such as %s", example);
			json_decref(body);
			return NULL;
		}
	}
	return body;
}

bool sl_guard_number(struct sl_http_request *r, const json_t *o, const char *name, long long min, long long max, long long *value)
{
	const json_t *v = json_object_get(o, name);

	if (!v)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
		sl_api_error(r, 400, name, "must be a whole number, %lld..%lld", min, max);
		return false;
	}
	*value = json_integer_value(v);
	return true;
}

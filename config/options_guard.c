/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The group "guard": lists, limits of the classes and of listeners, buckets, bounds on state, reputation. */

#include "config/options_read.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/guard_rules.h"
#include "config/prefixes.h"
#include "dataplane/abi/msg_guard.h"
#include "dataplane/abi/validate.h"

enum {
	SOURCES_MIN = 1024,
	SOURCES_MAX = 1 << 22,
	STATE_MAX = 1 << 22,
	DELAY_MAX_MS = 10000,        /* within SIP's Timer B */
	SCORE_MAX = 1000000,
	WEIGHT_MAX = 1000,
	DAY_S = 86400,
	BAN_MAX_S = 30 * DAY_S,
	LINES_MAX = 6000,
	PATH_BYTES_MAX = 4095,
	LIST_TEXT_MAX = 8192,
};
_Static_assert((int)SL_CONF_MAX_GUARD_RULES == (int)SL_GUARD_MAX_RULES, "a rule of the file is a rule of the message");
_Static_assert(sizeof(((struct sl_conf_guard *)NULL)->weight) / sizeof(unsigned) == SL_GUARD_N_SIGNALS, "a weight for each signal");

#define GUARD(member) offsetof(struct sl_conf_guard, member)
#define TABLE(t) t, sizeof(t) / sizeof((t)[0])
#define NO_LIMIT .zero = "no limit"

const struct sl_opt sl_guard_options[] = {
	{ "enabled", SL_OPT_BOOL, GUARD(enabled), .def = true },
	{ "dry_run", SL_OPT_BOOL, GUARD(dry_run), .def = false },
	{ "allow", SL_OPT_OTHER },
	{ "deny", SL_OPT_OTHER },
	{ "allow_files", SL_OPT_OTHER },
	{ "deny_files", SL_OPT_OTHER },
	{ "limits", SL_OPT_OTHER },
	{ "sources", SL_OPT_UINT, GUARD(sources), .min = SOURCES_MIN, .max = SOURCES_MAX, .def = 131072, .restart = true },
	{ "again_mb", SL_OPT_UINT, GUARD(again_mb), .min = 1, .max = 4096, .def = 4, .restart = true },
	{ "sip_sources", SL_OPT_UINT, GUARD(sip_sources), .min = SOURCES_MIN, .max = SOURCES_MAX, .def = 65536, .restart = true },
	{ "reflection_percent", SL_OPT_UINT, GUARD(reflection_percent), .min = 1, .max = SL_LIMIT_REFLECTION_PERCENT, .zero = "not bounded", .def = 300 },
	{ "sessions", SL_OPT_OTHER },
	{ "turn_pps", SL_OPT_UINT, GUARD(turn_pps), .min = 1, .max = SL_LIMIT_METER_PPS, NO_LIMIT },
	{ "turn_kbps", SL_OPT_UINT, GUARD(turn_kbps), .min = SL_LIMIT_METER_KBPS_MIN, .max = SL_LIMIT_METER_KBPS, NO_LIMIT },
	{ "state", SL_OPT_OTHER },
	{ "delay_ms", SL_OPT_UINT, GUARD(delay_ms), .min = 10, .max = DELAY_MAX_MS, .def = 1000 },
	{ "reputation", SL_OPT_OTHER },
	{ "weights", SL_OPT_OTHER },
	{ "log_per_minute", SL_OPT_UINT, GUARD(log_per_minute), .min = 1, .max = LINES_MAX, .zero = "none is written", .def = 60 },
};
const size_t sl_n_guard_options = sizeof sl_guard_options / sizeof sl_guard_options[0];

static const struct sl_opt session_options[] = {
	{ "turn_pps", SL_OPT_UINT, GUARD(turn_session_pps), .min = 1, .max = SL_LIMIT_METER_PPS, NO_LIMIT },
	{ "turn_kbps", SL_OPT_UINT, GUARD(turn_session_kbps), .min = SL_LIMIT_METER_KBPS_MIN, .max = SL_LIMIT_METER_KBPS, NO_LIMIT },
	{ "media_pps", SL_OPT_UINT, GUARD(media_session_pps), .min = 1, .max = SL_LIMIT_METER_PPS, NO_LIMIT },
	{ "media_kbps", SL_OPT_UINT, GUARD(media_session_kbps), .min = SL_LIMIT_METER_KBPS_MIN, .max = SL_LIMIT_METER_KBPS, NO_LIMIT },
};

static const struct sl_opt state_options[] = {
	{ "allocations_per_source", SL_OPT_UINT, GUARD(allocations_per_source), .min = 1, .max = STATE_MAX, NO_LIMIT },
	{ "allocations_per_prefix", SL_OPT_UINT, GUARD(allocations_per_prefix), .min = 1, .max = STATE_MAX, NO_LIMIT },
	{ "bindings_per_source", SL_OPT_UINT, GUARD(bindings_per_source), .min = 1, .max = STATE_MAX, NO_LIMIT },
	{ "bindings_per_prefix", SL_OPT_UINT, GUARD(bindings_per_prefix), .min = 1, .max = STATE_MAX, NO_LIMIT },
	{ "calls_per_source", SL_OPT_UINT, GUARD(calls_per_source), .min = 1, .max = STATE_MAX, NO_LIMIT },
	{ "calls_per_prefix", SL_OPT_UINT, GUARD(calls_per_prefix), .min = 1, .max = STATE_MAX, NO_LIMIT },
};

static const struct sl_opt reputation_options[] = {
	{ "ban_score", SL_OPT_UINT, GUARD(reputation_ban), .min = 1, .max = SCORE_MAX, .zero = "nobody is banned", .def = 100 },
	{ "half_life", SL_OPT_UINT, GUARD(reputation_half_life_s), .min = 1, .max = DAY_S, .def = 120 },
	{ "ban", SL_OPT_UINT, GUARD(ban_s), .min = 1, .max = BAN_MAX_S, .def = 60 },
	{ "ban_max", SL_OPT_UINT, GUARD(ban_max_s), .min = 1, .max = BAN_MAX_S, .def = 3600 },
};

#define WEIGHT(name, signal, points) \
	{ name, SL_OPT_UINT, GUARD(weight[SL_GUARD_SAW_##signal]), .min = 0, .max = WEIGHT_MAX, .def = points }
static const struct sl_opt weight_options[] = {
	WEIGHT("auth_failed", AUTH_FAILED, 11),
	WEIGHT("unknown_user", UNKNOWN_USER, 11),
	WEIGHT("malformed", MALFORMED, 2),
	WEIGHT("forbidden", FORBIDDEN, 2),
	WEIGHT("fraud", FRAUD, 50),
	WEIGHT("flood", FLOOD, 5),
};

/* ---- lists ---- */

static void add_prefixes(struct sl_reader *r, const config_setting_t *s, struct sl_conf_guard *g, const struct sl_prefix *p, size_t n, bool allow)
{
	struct sl_conf_guard_prefix *grown;

	if (r->failed || n == 0)
		return;
	if (g->n_prefixes + n > SL_GUARD_LIST_MAX) {
		sl_read_fail(r, s, "makes more than %d prefixes in the guard's lists and their files together", SL_GUARD_LIST_MAX);
		return;
	}
	grown = realloc(g->prefixes, (g->n_prefixes + n) * sizeof *grown);
	if (grown == NULL) {
		sl_read_fail(r, s, "no memory left to keep %zu prefixes", g->n_prefixes + n);
		return;
	}
	g->prefixes = grown;
	for (size_t i = 0; i < n; i++)
		g->prefixes[g->n_prefixes++] = (struct sl_conf_guard_prefix){ .prefix = p[i], .allow = allow };
}

/* The prefixes of one text, with blanks between: the copy that is kept for a crash has a file's so. */
static void read_texts(struct sl_reader *r, const config_setting_t *s, bool allow, struct sl_conf_guard *g)
{
	enum { BLANKS_BETWEEN = 2 };
	const char *text = sl_read_text(r, s, 1, LIST_TEXT_MAX);
	struct sl_prefix *p = text != NULL ? malloc((strlen(text) / BLANKS_BETWEEN + 1) * sizeof *p) : NULL;
	char word[SL_ADDR_TEXT_MAX], why[200];
	size_t n = 0;

	if (text != NULL && p == NULL)
		sl_read_fail(r, s, "no memory left to read it");
	while (!r->failed && text != NULL && *(text += strspn(text, " ")) != '\0') {
		size_t len = strcspn(text, " ");

		snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), text);
		if (sl_prefix_read(word, &p[n++], why, sizeof why) != 0)
			sl_read_fail(r, s, "%s", why);
		text += len;
	}
	if (!r->failed && n == 0)
		sl_read_fail(r, s, "is blank; write a prefix, such as \"192.0.2.0/24\"");
	add_prefixes(r, s, g, p, n, allow);
	free(p);
}

static void read_list(struct sl_reader *r, const config_setting_t *group, const char *name, bool allow, struct sl_conf_guard *g)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, name, 0, SL_GUARD_LIST_MAX, "prefixes", &n);

	for (unsigned i = 0; i < n && !r->failed; i++)
		read_texts(r, config_setting_get_elem(list, i), allow, g);
}

static void read_list_file(struct sl_reader *r, const config_setting_t *s, bool allow, struct sl_conf_guard *g)
{
	const char *name = sl_read_text(r, s, 1, PATH_BYTES_MAX);
	char path[PATH_MAX], why[PATH_MAX + 256];
	struct sl_prefix *p = NULL;
	size_t n = 0;

	if (name == NULL)
		return;
	sl_beside(r->path, name, path);
	if (sl_prefixes_read_file(path, &p, &n, SL_GUARD_LIST_MAX, why, sizeof why) != 0)
		sl_read_fail(r, s, "%s", why);
	add_prefixes(r, s, g, p, n, allow);
	free(p);
}

static void read_list_files(struct sl_reader *r, const config_setting_t *group, const char *name, bool allow, struct sl_conf_guard *g)
{
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, name, 0, SL_CONF_MAX_GUARD_FILES, "files", &n);

	for (unsigned i = 0; i < n && !r->failed; i++)
		read_list_file(r, config_setting_get_elem(list, i), allow, g);
}

void sl_beside(const char *path, const char *name, char out[PATH_MAX])
{
	char folder[PATH_MAX];

	if (name[0] == '/' || strlen(path) >= sizeof folder) {
		snprintf(out, PATH_MAX, "%s", name);
		return;
	}
	strcpy(folder, path);
	if (snprintf(out, PATH_MAX, "%s/%s", dirname(folder), name) >= PATH_MAX)
		snprintf(out, PATH_MAX, "%s", name);
}

/* ---- limits ---- */

#define RULE(member) offsetof(struct sl_conf_guard_rule, member)
enum { LIMIT_CLASS, LIMIT_LISTENER, LIMIT_ACTION, LIMIT_SOURCE, LIMIT_PREFIX, LIMIT_WIDE, LIMIT_TOTAL, N_LIMIT_OPTIONS };

/* An entry of limits over base: what it does not say is as there. */
static void read_limit(struct sl_reader *r, const config_setting_t *group, const struct sl_conf_guard_rule *base, struct sl_conf_guard_rule *rule)
{
#define PPS(member, value) SL_OPT_UINT, RULE(member), .min = 1, .max = SL_GUARD_MAX_PPS, NO_LIMIT, .def = value
	const struct sl_opt options[N_LIMIT_OPTIONS] = {
		[LIMIT_CLASS] = { "class", SL_OPT_CHOICE, RULE(guard_class), .choices = sl_guard_classes, .required = true },
		[LIMIT_LISTENER] = { "listener", SL_OPT_OTHER },
		[LIMIT_ACTION] = { "action", SL_OPT_CHOICE, RULE(action), .choices = sl_guard_actions, .def = base->action },
		[LIMIT_SOURCE] = { "source", PPS(pps[SL_GUARD_SOURCE], base->pps[SL_GUARD_SOURCE]) },
		[LIMIT_PREFIX] = { "prefix", PPS(pps[SL_GUARD_PREFIX], base->pps[SL_GUARD_PREFIX]) },
		[LIMIT_WIDE] = { "wide", PPS(pps[SL_GUARD_WIDE], base->pps[SL_GUARD_WIDE]) },
		[LIMIT_TOTAL] = { "total", PPS(total_pps, base->total_pps) },
	};
#undef PPS
	*rule = *base;
	sl_read_group(r, group, options, N_LIMIT_OPTIONS, rule);
}

static const config_setting_t *limit_at(struct sl_reader *r, const config_setting_t *list, unsigned i)
{
	const config_setting_t *s = config_setting_get_elem(list, i);

	if (config_setting_is_group(s))
		return s;
	sl_read_fail(r, s, "must be a group: { class = \"sip\"; source = 400; prefix = 4000; action = \"challenge\"; }");
	return NULL;
}

static void check_limit(struct sl_reader *r, const config_setting_t *group, const struct sl_conf_guard_rule *rule)
{
	char why[200];

	if (!r->failed && sl_guard_rule_check(rule, why, sizeof why) != 0)
		sl_read_fail(r, group, "%s", why);
}

static void put_rule(struct sl_reader *r, const config_setting_t *s, struct sl_conf_guard *g, const struct sl_conf_guard_rule *rule)
{
	for (unsigned i = SL_GUARD_N_CLASSES; i < g->n_rules; i++) {
		if (g->rules[i].guard_class == rule->guard_class && g->rules[i].listener == rule->listener)
			sl_read_fail(r, s, "this listener has limits of class \"%s\" already; write them once", sl_guard_classes[rule->guard_class]);
	}
	if (g->n_rules == SL_CONF_MAX_GUARD_RULES)
		sl_read_fail(r, s, "is one too many: at most %d limits, each class and each address of an interface counts as one",
			SL_CONF_MAX_GUARD_RULES);
	else if (!r->failed)
		g->rules[g->n_rules++] = *rule;
}

/* Those of classes first, which those of listeners build on wherever they stand. */
static void read_class_limits(struct sl_reader *r, const config_setting_t *list, unsigned n, struct sl_conf_guard *g)
{
	bool said[SL_GUARD_N_CLASSES] = { false };

	for (unsigned i = 0; i < n && !r->failed; i++) {
		const config_setting_t *group = limit_at(r, list, i);
		struct sl_conf_guard_rule rule;

		if (group == NULL || config_setting_get_member(group, "listener") != NULL)
			continue;
		read_limit(r, group, &sl_guard_built_in[0], &rule);
		if (r->failed)
			return;
		if (said[rule.guard_class])
			sl_read_fail(r, group, "class \"%s\" has limits already; write them once, or name a listener", sl_guard_classes[rule.guard_class]);
		said[rule.guard_class] = true;
		read_limit(r, group, &sl_guard_built_in[rule.guard_class], &g->rules[rule.guard_class]);
		check_limit(r, group, &g->rules[rule.guard_class]);
	}
}

static void read_listener_limits(struct sl_reader *r, const config_setting_t *group, const config_setting_t *listener, struct sl_config *c)
{
	const char *text = sl_read_text(r, listener, 1, SL_ADDR_TEXT_MAX - 1);
	struct sl_conf_guard_rule rule;

	read_limit(r, group, &sl_guard_built_in[0], &rule);
	if (text == NULL || r->failed)
		return;
	read_limit(r, group, &c->guard.rules[rule.guard_class], &rule);
	char why[512];
	int at = sl_guard_listener(c, rule.guard_class, text, 0, why, sizeof why);
	if (at < 0)
		sl_read_fail(r, listener, "%s", why);
	check_limit(r, group, &rule);
	/* An interface has an address of each family, and each is a listener of its own. */
	for (; at >= 0 && !r->failed; at = sl_guard_listener(c, rule.guard_class, text, (unsigned)at + 1, why, sizeof why)) {
		rule.listener = (unsigned)at;
		put_rule(r, listener, &c->guard, &rule);
	}
}

static void read_limits(struct sl_reader *r, const config_setting_t *group, struct sl_config *c)
{
	struct sl_conf_guard *g = &c->guard;
	unsigned n;
	const config_setting_t *list = sl_read_list(r, group, "limits", 0, SL_CONF_MAX_GUARD_RULES, "limits", &n);

	memcpy(g->rules, sl_guard_built_in, SL_GUARD_N_CLASSES * sizeof g->rules[0]);
	g->n_rules = SL_GUARD_N_CLASSES;
	read_class_limits(r, list, n, g);
	for (unsigned i = 0; i < n && !r->failed; i++) {
		const config_setting_t *limit = config_setting_get_elem(list, i), *listener = config_setting_get_member(limit, "listener");

		if (listener != NULL)
			read_listener_limits(r, limit, listener, c);
	}
}

void sl_read_guard(struct sl_reader *r, const config_setting_t *group, struct sl_config *c)
{
	struct sl_conf_guard *g = &c->guard;

	sl_read_group(r, group, sl_guard_options, sl_n_guard_options, g);
	sl_read_group(r, sl_read_subgroup(r, group, "sessions", false), TABLE(session_options), g);
	sl_read_group(r, sl_read_subgroup(r, group, "state", false), TABLE(state_options), g);
	sl_read_group(r, sl_read_subgroup(r, group, "reputation", false), TABLE(reputation_options), g);
	sl_read_group(r, sl_read_subgroup(r, group, "weights", false), TABLE(weight_options), g);
	read_limits(r, group, c);
	read_list(r, group, "allow", true, g);
	read_list(r, group, "deny", false, g);
	read_list_files(r, group, "allow_files", true, g);
	read_list_files(r, group, "deny_files", false, g);
}

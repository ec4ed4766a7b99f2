/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/guard_view.h"

#include "controlplane/registrar/registrar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Why is an address let in, limited, or not? Lists, bans, reputation and what is over a limit are ours; where it stands with the limits is
 * asked of every worker. */

enum { OVERS_MAX = 1000, FULL = UINT16_MAX, WORDS = 300 };

struct question {
	struct sl_brain *b;
	struct sl_http_request *r;
	struct sl_ip ip;
};

/* ---- what is known of it ---- */

struct sessions {
	const struct sl_ip *ip;
	size_t allocations, registrations, legs;
};

static size_t count_allocations(const struct sl_brain *b, const struct sl_ip *ip)
{
	const struct sl_table *t = sl_dp_table(b->dp);
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += sl_ip_eq(&t->all[i].state.client, ip);
	return n;
}

static bool count_binding(void *ctx, const struct sl_prov_user *user, const struct sl_binding *x)
{
	struct sessions *s = ctx;

	s->registrations += sl_ip_eq(&x->flow.remote.ip, s->ip);
	return true;
}

static size_t count_legs(const struct sl_brain *b, const struct sl_ip *ip)
{
	const struct sl_media_session *s;
	uint32_t cursor = 0;
	size_t n = 0;

	while (b->media && (s = sl_media_next(b->media, &cursor))) {
		for (unsigned p = 0; p < s->n_parties; p++) {
			for (unsigned i = 0; i < s->parties[p]->n_sections; i++) {
				const struct sl_media_leg *leg = &s->parties[p]->sections[i]->leg;
				const struct sl_ip *remote = leg->stats.locked ? &leg->stats.remote_rtp.ip : &leg->set.remote_rtp.ip;

				n += leg->ref.id != 0 && sl_ip_eq(remote, ip);
			}
		}
	}
	return n;
}

static struct sessions count_sessions(const struct sl_brain *b, const struct sl_ip *ip)
{
	struct sessions s = {.ip = ip, .allocations = count_allocations(b, ip), .legs = count_legs(b, ip)};

	if (b->registrar)
		sl_registrar_each(b->registrar, count_binding, &s);
	return s;
}

/* ---- limits ---- */

/* The rule that a worker charged: that of the listener, or its class's. */
static const struct sl_conf_guard_rule *rule_of(const struct sl_conf_guard *g, unsigned guard_class, unsigned listener)
{
	for (unsigned i = 0; i < g->n_rules; i++) {
		if (g->rules[i].guard_class == guard_class && g->rules[i].listener == listener)
			return &g->rules[i];
	}
	return NULL;
}

/* A load is of what is dropped beyond: with an action of the control plane's that is SL_GUARD_HARD times the limit. */
static double pps_of(const struct sl_conf_guard_rule *rule, unsigned level, unsigned load)
{
	unsigned hard = rule->action > SL_GUARD_DO_DROP ? SL_GUARD_HARD : 1;

	return (double)rule->pps[level] * hard * load / FULL;
}

/* Highest of what is found: what the verdict names. */
struct highest {
	const struct sl_conf_guard_rule *rule;
	unsigned level, worker;
	double pps;
};

static json_t *show_loads(const struct sl_config *c, const struct sl_conf_guard *g, const struct sl_evt_guard_answer *a, struct highest *top)
{
	json_t *all = json_array();
	unsigned n = a->n < sizeof a->rules / sizeof a->rules[0] ? a->n : (unsigned)(sizeof a->rules / sizeof a->rules[0]);

	for (unsigned i = 0; i < n; i++) {
		const struct sl_conf_guard_rule *rule = rule_of(g, a->rules[i].guard_class, a->rules[i].listener);
		json_t *now = json_object(), *o;

		if (!rule) { /* told by somebody else */
			json_decref(now);
			continue;
		}
		for (unsigned level = 0; level < SL_GUARD_N_LEVELS; level++) {
			double pps = pps_of(rule, level, a->rules[i].load[level]);

			json_object_set_new(now, sl_guard_level_text(level), json_integer((json_int_t)(pps + 0.5)));
			/* Charged packets pull a load just below full. */
			if (rule->pps[level] && pps >= 0.95 * rule->pps[level] && (!top->rule || pps / rule->pps[level] > top->pps / top->rule->pps[top->level]))
				*top = (struct highest){rule, level, a->worker, pps};
		}
		o = sl_guard_show_rule(c, rule);
		json_object_set_new(o, "now_pps", now);
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *show_worker(const struct sl_config *c, const struct sl_conf_guard *g, const struct sl_evt_guard_answer *a, struct highest *top)
{
	static const char *const verdicts[] = {[SL_PREFIX_NONE] = "none", [SL_PREFIX_DENY] = "deny", [SL_PREFIX_ALLOW] = "allow"};

	return json_pack("{s:i, s:s, s:b, s:o, s:o}", "worker", (int)a->worker, "list", a->verdict <= SL_PREFIX_ALLOW ? verdicts[a->verdict] : "?", "banned",
	        a->banned, "ban_seconds", a->banned && a->ban_seconds ? json_integer(a->ban_seconds) : json_null(), "limits",
	        show_loads(c, g, a, top));
}

/* What is over a limit and holds the address: itself, its prefix, its wide prefix. */
static json_t *show_overs(const struct sl_brain *b, const struct sl_ip *ip, int64_t now_ms)
{
	struct sl_warden_over *found = calloc(OVERS_MAX, sizeof *found);
	size_t n = found ? sl_warden_overs(b->warden, found, OVERS_MAX) : 0;
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++) {
		struct sl_prefix p = {.ip = found[i].e.ip, .len = found[i].e.prefix_len};

		if (found[i].e.level < SL_GUARD_N_LEVELS && sl_prefix_contains(&p, ip))
			json_array_append_new(all, sl_guard_show_over(b, &found[i], now_ms));
	}
	free(found);
	return all;
}

/* ---- the verdict ---- */

struct facts {
	const struct sl_conf_guard *g;
	json_t *entry, *overs; /* entry NULL = none */
	struct sessions sessions;
	struct highest top;
	bool dropped_by_others; /* a list or ban in the dataplane that is not ours */
};

static const char *by_entry(const struct facts *f, char words[WORDS])
{
	const char *kind = json_string_value(json_object_get(f->entry, "kind")), *reason = json_string_value(json_object_get(f->entry, "reason"));
	const json_t *left = json_object_get(f->entry, "seconds_left");
	char until[48] = "";

	if (json_is_integer(left))
		snprintf(until, sizeof until, ", for %lld s more", (long long)json_integer_value(left));
	snprintf(words, WORDS, "%s of %s (%s%s%s)%s", kind, json_string_value(json_object_get(f->entry, "prefix")),
	        json_string_value(json_object_get(f->entry, "origin")), reason && reason[0] ? ": " : "", reason ? reason : "", until);
	return strcmp(kind, "allow") == 0 ? "allowed" : strcmp(kind, "deny") == 0 ? "denied" : "banned";
}

static const char *by_over(const struct facts *f, char words[WORDS])
{
	const json_t *o = json_array_get(f->overs, 0), *sent = json_object_get(o, "sent_pps");
	char rate[48] = "";

	if (json_is_integer(sent))
		snprintf(rate, sizeof rate, " (about %lld by samples)", (long long)json_integer_value(sent));
	snprintf(words, WORDS, "%s sends more than %lld packets/s%s of class %s to worker %lld: action %s", json_string_value(json_object_get(o, "source")),
	        (long long)json_integer_value(json_object_get(o, "limit_pps")), rate, json_string_value(json_object_get(o, "class")),
	        (long long)json_integer_value(json_object_get(o, "worker")), json_string_value(json_object_get(o, "action")));
	return "limited";
}

static const char *by_load(const struct facts *f, char words[WORDS])
{
	static const char *const names[] = {[SL_GUARD_SOURCE] = "it", [SL_GUARD_PREFIX] = "its prefix", [SL_GUARD_WIDE] = "its wide prefix"};

	snprintf(words, WORDS, "%s is at the limit of %u packets/s of class %s at worker %u", names[f->top.level], f->top.rule->pps[f->top.level],
	        sl_guard_class_text(f->top.rule->guard_class), f->top.worker);
	return "limited";
}

/* In the order in which packets are judged. */
static const char *judge(const struct facts *f, char words[WORDS])
{
	bool known = f->sessions.allocations || f->sessions.registrations || f->sessions.legs;

	if (!f->g->enabled) {
		snprintf(words, WORDS, "the guard is off");
		return "passes";
	}
	if (f->entry)
		return by_entry(f, words);
	if (f->dropped_by_others) {
		snprintf(words, WORDS, "the dataplane has it in a list or ban of another control plane");
		return "denied";
	}
	if (json_array_size(f->overs) || f->top.rule) {
		const char *verdict = json_array_size(f->overs) ? by_over(f, words) : by_load(f, words);

		if (known)
			strncat(words, "; packets of its sessions pass all the same", WORDS - strlen(words) - 1);
		return verdict;
	}
	snprintf(words, WORDS, known ? "it has sessions here, whose packets are charged nowhere; nothing else is held against it"
	                             : "in no list, not banned, below every limit");
	return "passes";
}

static void answered(void *ctx, const struct sl_evt_guard_answer *answers, unsigned n)
{
	struct question *q = ctx;
	struct sl_brain *b = q->b;
	int64_t now_ms = sl_now_ms();
	struct facts f = {.g = sl_warden_policy(b->warden), .sessions = count_sessions(b, &q->ip), .overs = show_overs(b, &q->ip, now_ms)};
	const struct sl_warden_entry *e = sl_warden_decides(b->warden, &q->ip);
	json_t *workers = json_array();
	struct sl_warden_source source;
	char words[WORDS];

	f.entry = e ? sl_guard_show_entry(e) : NULL;
	for (unsigned i = 0; i < n; i++) {
		json_array_append_new(workers, show_worker(b->config, f.g, &answers[i], &f.top));
		f.dropped_by_others |= answers[i].banned || answers[i].verdict == SL_PREFIX_DENY;
	}
	const char *verdict = judge(&f, words);
	json_t *o = json_pack("{s:o, s:s, s:o, s:b, s:o}", "address", sl_guard_show_ip(&q->ip), "verdict", verdict, "why",
	        sl_api_text(words, strlen(words)), "dry_run", f.g->dry_run, "entry", f.entry ? f.entry : json_null());
	json_object_set_new(o, "reputation",
	        sl_warden_source(b->warden, &q->ip, now_ms, &source) ? sl_guard_show_source(&source, now_ms) : json_null());
	json_object_set_new(o, "ban_score", json_integer(f.g->reputation_ban));
	json_object_set_new(o, "sessions",
	        json_pack("{s:I, s:I, s:I}", "allocations", (json_int_t)f.sessions.allocations, "registrations",
	                (json_int_t)f.sessions.registrations, "media_legs", (json_int_t)f.sessions.legs));
	json_object_set_new(o, "state",
	        json_pack("{s:i, s:i}", "bindings", (int)sl_warden_has(b->warden, SL_WARDEN_BINDING, &q->ip), "calls",
	                (int)sl_warden_has(b->warden, SL_WARDEN_CALL, &q->ip)));
	json_object_set_new(o, "over", f.overs);
	json_object_set_new(o, "workers", workers);
	sl_api_json(q->r, 200, o);
	free(q);
}

void sl_guard_explain(struct sl_brain *b, struct sl_http_request *r)
{
	const char *text = sl_http_arg(r, "address");
	struct sl_ip ip;

	if (!text || sl_ip_parse(text, &ip) != 0) {
		sl_api_error(r, 400, "address", "'%s' is not an address; such as ?address=192.0.2.7 or 2001:db8::7", text ? text : "");
		return;
	}
	struct question *q = malloc(sizeof *q);
	if (!q) {
		sl_api_error(r, 500, NULL, "no memory");
		return;
	}
	*q = (struct question){b, r, ip};
	/* Without the dataplane what is ours is told all the same. */
	if (sl_warden_query(b->warden, &ip, sl_now_ms(), answered, q) < 0)
		answered(q, NULL, 0);
}

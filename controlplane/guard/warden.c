/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Life of the warden, its clock, its policy, reputation, and the event log. */

#include "controlplane/guard/internal.h"

#include "controlplane/call/events.h"
#include "controlplane/sip/sip.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/rand.h>

enum { MS_PER_MINUTE = 60000, MARKS_SWEPT = 1024 };

static int64_t wall_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static int64_t monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

/* ---- life ---- */

static int init_tables(struct sl_warden *w)
{
	if (RAND_bytes((unsigned char *)&w->key, sizeof w->key) != 1)
		return -ENOMEM;
	sl_entries_init(&w->entries, &w->key);
	sl_trust_init(&w->trust, w->conf.sip_sources ? w->conf.sip_sources : 1, &w->key);
	for (unsigned i = 0; i < SL_WARDEN_N_STATES; i++)
		sl_tally_init(&w->states[i], &w->key);
	w->challenged = calloc(SL_WARDEN_CHALLENGED, sizeof *w->challenged);
	w->tenants = calloc(SL_GUARD_MAX_METERS, sizeof *w->tenants);
	if (!w->challenged || !w->tenants || sl_reputation_init(&w->reputation, SL_REPUTATION_SETS, &w->key) < 0)
		return -ENOMEM;
	return sl_watch_init(&w->watch, &w->key);
}

struct sl_warden *sl_warden_new(const struct sl_warden_options *o)
{
	struct sl_warden *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->o = *o;
	if (!w->o.unix_ms)
		w->o.unix_ms = wall_clock_ms;
	if (!w->o.now_ms)
		w->o.now_ms = monotonic_ms;
	w->config = o->config;
	w->conf = o->config->guard;
	w->now_ms = w->o.now_ms();
	w->clock_ms = w->o.unix_ms() - w->now_ms;
	w->percent = 100;
	w->n_tenants = 1;
	w->rows.warden = w;
	if (init_tables(w) < 0 || sl_warden_load(w) < 0) {
		sl_warden_free(w);
		return NULL;
	}
	sl_warden_tell_open(w);
	sl_warden_entries_config(w);
	return w;
}

/* The link has gone before, or is told that there is nobody. */
void sl_warden_free(struct sl_warden *w)
{
	if (!w)
		return;
	sl_warden_tell_close(w);
	sl_warden_query_close(w);
	sl_warden_sample_close(w, "the control plane stops");
	sl_entries_free(&w->entries);
	sl_reputation_free(&w->reputation);
	sl_trust_free(&w->trust);
	sl_watch_free(&w->watch);
	for (unsigned i = 0; i < SL_WARDEN_N_STATES; i++)
		sl_tally_free(&w->states[i]);
	for (unsigned i = 0; w->tenants && i < w->n_tenants; i++)
		free(w->tenants[i].name);
	free(w->tenants);
	free(w->challenged);
	free(w->rows.all);
	free(w);
}

void sl_warden_set_events(struct sl_warden *w, struct sl_call_events *events)
{
	if (w)
		w->o.events = events;
}

/* ---- clocks ---- */

int64_t sl_warden_unix_ms(const struct sl_warden *w)
{
	return w->o.unix_ms();
}

int64_t sl_warden_until_unix(const struct sl_warden *w, const struct sl_entry *e)
{
	int64_t left = e->until_ms - w->now_ms;

	return e->until_ms ? sl_warden_unix_ms(w) + (left > 0 ? left : 0) : 0;
}

void sl_warden_tick(struct sl_warden *w, int64_t now_ms)
{
	w->now_ms = now_ms;
	sl_warden_entries_tick(w, now_ms);
	sl_watch_sweep(&w->watch, now_ms);
	if (!w->tell.marks_anew) /* places move */
		sl_trust_sweep(&w->trust, MARKS_SWEPT, now_ms);
	sl_warden_query_tick(w, now_ms);
	sl_warden_sample_tick(w, now_ms);
	sl_warden_rows_flush(w);
	sl_warden_tell_tick(w, now_ms);
}

void sl_warden_turn(struct sl_warden *w, int64_t now_ms)
{
	if (w->tell.n_marks == 0)
		return;
	w->now_ms = now_ms;
	if (w->tell.n_marks >= SL_GUARD_MARKS_PER_MSG || now_ms - w->tell.marks_since_ms >= SL_WARDEN_MARKS_MS)
		sl_warden_pump(w);
}

/* ---- policy ---- */

static bool same_prefixes(const struct sl_conf_guard *a, const struct sl_conf_guard *b)
{
	bool same = a->n_prefixes == b->n_prefixes;

	for (unsigned i = 0; same && i < a->n_prefixes; i++)
		same = a->prefixes[i].allow == b->prefixes[i].allow && a->prefixes[i].prefix.len == b->prefixes[i].prefix.len &&
		       sl_ip_eq(&a->prefixes[i].prefix.ip, &b->prefixes[i].prefix.ip);
	return same;
}

/* The old configuration is there until we are done. */
void sl_warden_reconfigure(struct sl_warden *w, const struct sl_config *config)
{
	bool same = same_prefixes(&w->config->guard, &config->guard);

	w->config = config;
	w->conf = config->guard;
	w->live = false;
	sl_watch_clear(&w->watch); /* what they were over may be another limit now */
	if (!same)
		sl_warden_entries_config(w);
	sl_warden_tell_policy(w);
}

static int check_rules(const struct sl_conf_guard *g, char *text, size_t text_len)
{
	for (unsigned i = 0; i < g->n_rules; i++) {
		const struct sl_conf_guard_rule *r = &g->rules[i];
		bool sip = r->guard_class == SL_GUARD_SIP || r->guard_class == SL_GUARD_PROVISIONAL || r->guard_class == SL_GUARD_KNOWN;

		if (r->guard_class >= SL_GUARD_N_CLASSES || r->action >= SL_GUARD_N_ACTIONS || (r->action > SL_GUARD_DO_DROP && !sip)) {
			snprintf(text, text_len, "rule %u: an action that this class does not have", i + 1);
			return -EINVAL;
		}
		for (unsigned j = 0; j < i; j++) {
			if (g->rules[j].guard_class == r->guard_class && g->rules[j].listener == r->listener) {
				snprintf(text, text_len, "rules %u and %u are of the same class and listener: leave one", j + 1, i + 1);
				return -EINVAL;
			}
		}
	}
	return 0;
}

int sl_warden_set_policy(struct sl_warden *w, const struct sl_conf_guard *g, char *text, size_t text_len)
{
	struct sl_conf_guard conf = g ? *g : w->config->guard;

	if (conf.n_rules > SL_CONF_MAX_GUARD_RULES) {
		snprintf(text, text_len, "%u rules: at most %d", conf.n_rules, SL_CONF_MAX_GUARD_RULES);
		return -EINVAL;
	}
	if (check_rules(&conf, text, text_len) < 0)
		return -EINVAL;
	conf.n_prefixes = w->config->guard.n_prefixes;
	conf.prefixes = w->config->guard.prefixes;
	conf.sources = w->config->guard.sources;
	conf.sip_sources = w->config->guard.sip_sources;
	w->conf = conf;
	w->live = g != NULL;
	sl_watch_clear(&w->watch);
	sl_warden_tell_policy(w);
	return 0;
}

const struct sl_conf_guard *sl_warden_policy(const struct sl_warden *w)
{
	return &w->conf;
}

bool sl_warden_policy_is_live(const struct sl_warden *w)
{
	return w->live;
}

const struct sl_warden_counts *sl_warden_counts(const struct sl_warden *w)
{
	return &w->counts;
}

/* ---- reputation ---- */

void sl_warden_limits(const struct sl_warden *w, struct sl_reputation_limits *out)
{
	const struct sl_conf_guard *g = &w->conf;

	*out = (struct sl_reputation_limits){.ban = g->enabled ? g->reputation_ban : 0,
		.half_life_s = g->reputation_half_life_s,
		.ban_s = g->ban_s,
		.ban_max_s = g->ban_max_s};
	for (unsigned i = 0; i < SL_GUARD_N_SIGNALS; i++)
		out->weight[i] = g->weight[i];
}

static const char *signal_name(unsigned what)
{
	static const char *const names[] = {
#define X(NAME, number, name, help) [number] = name,
		SL_GUARD_SIGNALS(X)
#undef X
	};

	return names[what];
}

static void report(struct sl_warden *w, const struct sl_ip *source, enum sl_guard_signal what, unsigned n, bool proven, int64_t now_ms)
{
	struct sl_reputation_limits limits;
	const struct sl_entry *e;
	char reason[SL_WARDEN_REASON_MAX + 1];
	unsigned seconds;

	if (!w)
		return;
	sl_warden_limits(w, &limits);
	seconds = sl_reputation_note(&w->reputation, &limits, source, what, n, proven, now_ms);
	if (seconds == 0)
		return;
	w->now_ms = now_ms > w->now_ms ? now_ms : w->now_ms;
	e = sl_entries_decides(&w->entries, source);
	struct sl_reputation_entry *of = sl_reputation_find(&w->reputation, source);
	if (e && e->kind == SL_WARDEN_ALLOW) {
		w->counts.bans_spared++;
		of->bans--; /* there was none: the next one is no longer for it */
		return;
	}
	snprintf(reason, sizeof reason, "reputation: %s, %u times; ban number %u", signal_name(what), of->seen[what], of->bans);
	sl_warden_ban_source(w, &of->ip, seconds, of->bans, reason);
}

void sl_warden_report(struct sl_warden *w, const struct sl_ip *source, enum sl_guard_signal what, unsigned n, int64_t now_ms)
{
	report(w, source, what, n, what != SL_GUARD_SAW_MALFORMED && what != SL_GUARD_SAW_FLOOD, now_ms);
}

void sl_warden_report_flow(struct sl_warden *w, const struct sl_sip_flow *flow, enum sl_guard_signal what, bool proven, int64_t now_ms)
{
	report(w, &flow->remote.ip, what, 1, proven || flow->transport != SL_SIP_UDP, now_ms);
}

static void show(const struct sl_warden *w, const struct sl_reputation_entry *e, int64_t now_ms, struct sl_warden_source *out)
{
	struct sl_reputation_limits limits;

	sl_warden_limits(w, &limits);
	*out = (struct sl_warden_source){.ip = e->ip, .score = sl_reputation_score(&limits, e, now_ms), .last_ms = e->last_ms};
	out->bans = sl_reputation_bans(&limits, e, now_ms);
	memcpy(out->seen, e->seen, sizeof out->seen);
}

bool sl_warden_source(const struct sl_warden *w, const struct sl_ip *ip, int64_t now_ms, struct sl_warden_source *out)
{
	const struct sl_reputation_entry *e = sl_reputation_find(&w->reputation, ip);

	if (e)
		show(w, e, now_ms, out);
	return e != NULL;
}

static bool is_worse(const struct sl_warden_source *a, const struct sl_warden_source *b)
{
	return a->score != b->score ? a->score > b->score : a->bans != b->bans ? a->bans > b->bans : a->last_ms > b->last_ms;
}

size_t sl_warden_worst(const struct sl_warden *w, int64_t now_ms, struct sl_warden_source *out, size_t n)
{
	struct sl_warden_source s;
	size_t found = 0, at;

	for (size_t i = 0; i < (w->reputation.mask + 1) * SL_REPUTATION_WAYS && n; i++) {
		const struct sl_reputation_entry *e = &w->reputation.sets[i / SL_REPUTATION_WAYS][i % SL_REPUTATION_WAYS];

		if (e->last_ms == 0)
			continue;
		show(w, e, now_ms, &s);
		for (at = found; at && is_worse(&s, &out[at - 1]);)
			at--;
		if (at == n)
			continue;
		found += found < n;
		memmove(&out[at + 1], &out[at], (found - 1 - at) * sizeof out[0]);
		out[at] = s;
	}
	return found;
}

/* ---- event log ---- */

void sl_warden_event(struct sl_warden *w, unsigned type, const char *format, ...)
{
	char text[SL_CALL_EVENT_TEXT_MAX];
	va_list args;

	if (w->log_minute != w->now_ms / MS_PER_MINUTE) {
		w->log_minute = w->now_ms / MS_PER_MINUTE;
		w->log_lines = 0;
	}
	if (w->log_lines >= w->conf.log_per_minute) {
		w->counts.events_dropped++;
		return;
	}
	w->log_lines++;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	sl_log(SL_LOG_INFO, "%s: %s", sl_call_event_name((enum sl_call_event_type)type), text);
	if (w->o.events)
		sl_call_event_publish(w->o.events, (enum sl_call_event_type)type, NULL, NULL, NULL, "%s", text);
}

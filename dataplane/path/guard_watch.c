/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/path/guard_watch.h"

#include "dataplane/guard/top.h"

#include <sys/random.h>

enum {
	EVENTS_PPS = 200,     /* told by this worker; more is counted in guard_over */
	SIGNAL_MESSAGES = 4,  /* a millisecond */
};

/* ---- events ---- */

static struct sl_evt_guard_source describe(const struct sl_worker *w, unsigned rule, unsigned level, enum sl_guard_change change)
{
	const struct sl_guard_rule *r = &w->policy->told.rules[rule];
	return (struct sl_evt_guard_source){.level = (uint8_t)level,
		.change = (uint8_t)change,
		.guard_class = r->guard_class,
		.action = r->action,
		.dry_run = w->policy->told.dry_run,
		.listener = r->listener,
		.limit_pps = level == SL_GUARD_TOTAL ? r->total_pps : r->pps[level],
		.worker = (uint8_t)w->index};
}

static void post(struct sl_worker *w, const struct sl_evt_guard_source *e)
{
	struct sl_event evt = {.h.type = SL_EVT_GUARD_SOURCE, .guard_source = *e};
	if (sl_bucket_take(&w->guard.events, w->now.ms, EVENTS_PPS))
		sl_abi_worker_post(&w->abi, &evt);
}

void sl_guard_tell(struct sl_worker *w, const struct sl_pkt *p, unsigned rule, const struct sl_limiter_verdict *v)
{
	for (unsigned level = 0; level < SL_GUARD_N_LEVELS; level++) {
		bool over = v->tell >> level & 1;
		if (!over && !(v->below >> level & 1))
			continue;
		if (over)
			sl_count(w, SL_C_guard_over, 1);
		struct sl_evt_guard_source e = describe(w, rule, level, over ? SL_GUARD_OVER : SL_GUARD_BELOW);
		unsigned bits = sl_guard_level_bits(!p->v6, level);
		e.prefix_len = (uint8_t)bits;
		e.ip = sl_ip_masked(&p->src.ip, bits);
		uint64_t load = sl_limiter_load(&w->guard.limiter, rule, level, &p->src.ip);
		uint64_t hard = e.action > SL_GUARD_DO_DROP ? SL_GUARD_HARD : 1;
		e.pps = (uint32_t)(load * e.limit_pps * hard / SL_LIMITER_FULL);
		post(w, &e);
	}
}

void sl_guard_tell_total(struct sl_worker *w, unsigned rule)
{
	w->guard.total_told_s[rule] = w->now.s;
	sl_count(w, SL_C_guard_over, 1);
	struct sl_evt_guard_source e = describe(w, rule, SL_GUARD_TOTAL, SL_GUARD_OVER);
	e.pps = e.limit_pps;
	post(w, &e);
}

/* ---- samples, top ---- */

static bool is_wanted(const struct sl_guard_sampling *s, const struct sl_pkt *p, enum sl_drop why)
{
	if (s->reason != SL_GUARD_ANY && s->reason != why)
		return false;
	if (!s->prefix_len)
		return true;
	if (p->kind == SL_PKT_NOT_IP)
		return false;
	struct sl_ip masked = sl_ip_masked(&p->src.ip, s->prefix_len);
	return sl_ip_eq(&masked, &s->ip);
}

static void copy_to(struct sl_worker *w, unsigned slot, struct sl_guard_sampling *s, const struct sl_pkt *p, enum sl_drop why)
{
	unsigned len = p->m->data_len, fits = RTE_MIN(len, (unsigned)SL_BULK_DATA_MAX);
	struct sl_bulk b;
	if (!sl_abi_worker_bulk_has_room(&w->abi, slot)) {
		s->lost++;
		sl_count(w, SL_C_guard_samples_lost, 1);
		return;
	}
	memset(&b, 0, SL_BULK_HEADER_BYTES);
	b.kind = SL_BULK_GUARD;
	b.reason = (uint16_t)why;
	b.tap = s->sample;
	b.what = SL_TAP_RECEIVED;
	b.lost = s->lost;
	b.len = (uint16_t)fits;
	b.full_len = (uint16_t)len;
	b.unix_ns = (atomic_load_explicit(&w->dp->unix_base_us, memory_order_relaxed) + w->now_us) * 1000;
	if (p->kind != SL_PKT_NOT_IP) {
		b.remote_ip = p->src.ip;
		b.remote_port_be = p->src.port_be;
		b.local_port_be = p->dst.port_be;
	}
	memcpy(b.data, rte_pktmbuf_mtod(p->m, const uint8_t *), fits);
	if (sl_abi_worker_bulk(&w->abi, slot, &b, SL_BULK_HEADER_BYTES + fits) < 0) {
		s->lost++;
		sl_count(w, SL_C_guard_samples_lost, 1);
		return;
	}
	sl_count(w, SL_C_guard_samples, 1);
	if (--s->left == 0)
		w->guard.sampling &= ~(1u << slot);
}

void sl_guard_sample(struct sl_worker *w, const struct sl_pkt *p, enum sl_drop why)
{
	for (unsigned bits = w->guard.sampling; bits; bits &= bits - 1) {
		unsigned slot = (unsigned)__builtin_ctz(bits);
		if (is_wanted(&w->guard.samples[slot], p, why))
			copy_to(w, slot, &w->guard.samples[slot], p, why);
	}
}

void sl_guard_top_sample(struct sl_worker *w, const struct sl_pkt *p, enum sl_drop why)
{
	w->guard.until_top = SL_GUARD_TOP_SAMPLE;
	sl_guard_top_note(&w->shm->top, &p->src.ip, !p->v6, p->guard_class, why == SL_N_DROPS ? SL_GUARD_ANY : why);
}

/* ---- commands ---- */

static void insert(struct sl_evt_guard_answer *a, unsigned rule_class, uint16_t listener, const uint16_t *load)
{
	unsigned at = a->n < RTE_DIM(a->rules) ? a->n++ : RTE_DIM(a->rules) - 1;
	for (; at > 0 && a->rules[at - 1].load[0] < load[0]; at--)
		a->rules[at] = a->rules[at - 1];
	a->rules[at].guard_class = (uint8_t)rule_class;
	a->rules[at].listener = listener;
	memcpy(a->rules[at].load, load, sizeof a->rules[at].load);
}

static void answer(struct sl_worker *w, unsigned slot, const struct sl_command *cmd)
{
	const struct sl_ip *ip = &cmd->guard_query.ip;
	struct sl_event evt = {.h = {.type = SL_EVT_GUARD_ANSWER, .seq = cmd->h.seq}};
	struct sl_evt_guard_answer *a = &evt.guard_answer;
	const struct sl_bans *b = &w->dp->bans;
	a->ip = *ip;
	a->worker = (uint8_t)w->index;
	a->verdict = (uint8_t)sl_prefixes_look(w->policy->prefixes, ip);
	a->banned = sl_bans_has(b, sl_bans_hash(b, ip, 128)) || (!sl_ip_is_v4(ip) && sl_bans_has(b, sl_bans_hash(b, ip, 64)));
	sl_limiter_now(&w->guard.limiter, w->now_us);
	for (unsigned r = 0; r < w->policy->told.n_rules; r++) {
		uint16_t load[SL_GUARD_N_LEVELS], any = 0;
		for (unsigned level = 0; level < SL_GUARD_N_LEVELS; level++)
			any |= load[level] = sl_limiter_load(&w->guard.limiter, r, level, ip);
		if (any)
			insert(a, w->policy->told.rules[r].guard_class, w->policy->told.rules[r].listener, load);
	}
	(void)sl_abi_worker_post_to(&w->abi, slot, &evt);
}

static void start_sampling(struct sl_worker *w, unsigned slot, const struct sl_cmd_guard_sample *c)
{
	struct sl_guard *g = &w->guard;
	g->sampling &= ~(1u << slot);
	if (!c->n)
		return;
	g->samples[slot] = (struct sl_guard_sampling){.left = c->n,
		.sample = c->sample,
		.until_ms = w->now.ms + (uint64_t)c->seconds * 1000,
		.reason = c->reason,
		.prefix_len = c->prefix_len,
		.ip = c->ip};
	g->sampling |= 1u << slot;
}

void sl_guard_command(struct sl_worker *w, unsigned slot, const struct sl_command *cmd)
{
	if (cmd->h.type == SL_CMD_GUARD_QUERY)
		answer(w, slot, cmd);
	else
		start_sampling(w, slot, &cmd->guard_sample);
}

/* ---- life ---- */

void sl_guard_tick(struct sl_worker *w)
{
	struct sl_guard *g = &w->guard;
	if (unlikely(memcmp(g->rules, w->policy->told.rules, sizeof g->rules) != 0)) {
		memcpy(g->rules, w->policy->told.rules, sizeof g->rules);
		memset(g->total, 0, sizeof g->total); /* new ones begin full */
	}
	g->sampling &= w->abi.attached;
	for (unsigned bits = g->sampling; bits; bits &= bits - 1)
		if (w->now.ms >= g->samples[__builtin_ctz(bits)].until_ms)
			g->sampling &= ~(bits & -bits);
	struct sl_event evt = {.h.type = SL_EVT_GUARD_SIGNALS};
	for (unsigned i = 0; i < SIGNAL_MESSAGES && sl_signals_tell(&g->signals, w->now.ms, &evt.guard_signals); i++) {
		evt.guard_signals.worker = (uint8_t)w->index;
		sl_abi_worker_post(&w->abi, &evt);
	}
	if (w->now.s != g->top_s) {
		g->top_s = w->now.s;
		sl_guard_top_second(&w->shm->top);
	}
}

uint64_t sl_guard_bytes(const struct sl_worker *w)
{
	return sl_limiter_bytes(&w->guard.limiter) + sl_again_bytes(&w->guard.again) + sizeof w->guard;
}

int sl_guard_init(struct sl_worker *w, void *(*zalloc)(const char *what, size_t bytes))
{
	struct sl_guard *g = &w->guard;
	struct sl_hash_key key;
	if (getrandom(&key, sizeof key, 0) != sizeof key || getrandom(&g->key, sizeof g->key, 0) != sizeof g->key ||
		getrandom(&g->signals.key, sizeof g->signals.key, 0) != sizeof g->signals.key)
		return -EIO;
	g->until_top = SL_GUARD_TOP_SAMPLE;
	int rc = sl_limiter_init(&g->limiter, w->dp->config->guard.sources, &key, zalloc);
	return rc < 0 ? rc : sl_again_init(&g->again, (size_t)w->dp->config->guard.again_mb << 20, zalloc);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The guard on the path: senders that cannot be, lists and bans for everybody, limits for strangers. Each in passes over the burst, so that
 * the lines of one packet are fetched while others are worked on. What it promises: dataplane/guard/README.md. */

#include "dataplane/path/context.h"

#include "dataplane/path/guard_watch.h"

bool sl_guard_source6_ok(const struct sl_ip *ip)
{
	return ip->b[0] != 0xff && !(ip->q[0] == 0 && ip->d[2] == 0) && !sl_ip_is_v4(ip);
}

/* ---- refusing ---- */

void sl_guard_flush(struct sl_worker *w)
{
	if (!w->guard.n_refused)
		return;
	rte_pktmbuf_free_bulk(w->guard.refused, w->guard.n_refused);
	w->guard.n_refused = 0;
}

static inline void discard(struct sl_worker *w, struct sl_pkt *p, enum sl_drop why)
{
	struct sl_guard *g = &w->guard;
	w->drops[why]++;
	g->refused[g->n_refused++] = p->m;
	p->m = NULL;
	if (unlikely(g->n_refused == RTE_DIM(g->refused)))
		sl_guard_flush(w);
}

void sl_guard_misshapen(struct sl_worker *w, struct sl_pkt *p, enum sl_drop why)
{
	if (unlikely(w->guard.sampling))
		sl_guard_sample(w, p, why);
	discard(w, p, why);
}

static inline bool refuse(struct sl_worker *w, struct sl_pkt *p, enum sl_drop why)
{
	if (unlikely(w->guard.sampling))
		sl_guard_sample(w, p, why);
	if (unlikely(sl_guard_drop_dry(w, why)))
		return false;
	discard(w, p, why);
	return true;
}

/* One packet in SL_GUARD_TOP_SAMPLE of those that the guard has something to say about. */
static inline void watch(struct sl_worker *w, const struct sl_pkt *p, enum sl_drop why)
{
	if (unlikely(--w->guard.until_top == 0))
		sl_guard_top_sample(w, p, why);
}

/* By a list or a ban. */
static unsigned refuse_listed(struct sl_worker *w, struct sl_pkt *p, enum sl_drop why)
{
	watch(w, p, why);
	return refuse(w, p, why);
}

/* Close the gaps that refused packets left. */
static void close_up(struct sl_vec *v)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < v->n; i++) {
		if (!v->p[i].m)
			continue;
		if (kept != i)
			v->p[kept] = v->p[i];
		kept++;
	}
	v->n = kept;
}

/* ---- lists and bans ---- */

/* Prefix lists: marks what is allowed, refuses what is denied. Returns how many were refused. */
static unsigned check_prefixes(struct sl_worker *w, struct sl_vec *v)
{
	const struct sl_prefixes *prefixes = w->policy->prefixes;
	uint32_t be[SL_BURST], deny = 0, allow = 0;
	const struct sl_ip *six[SL_BURST];
	uint8_t at4[SL_BURST], at6[SL_BURST];
	unsigned n4 = 0, n6 = 0, refused = 0;
	for (unsigned i = 0; i < v->n; i++) {
		const struct sl_pkt *p = &v->p[i];
		if (unlikely(p->kind == SL_PKT_NOT_IP))
			continue;
		if (likely(!p->v6)) {
			be[n4] = sl_ip_v4_be(&p->src.ip);
			at4[n4++] = (uint8_t)i;
		} else {
			six[n6] = &p->src.ip;
			at6[n6++] = (uint8_t)i;
		}
	}
	if (n4)
		sl_prefixes_look4(prefixes, be, n4, &deny, &allow);
	for (; allow; allow &= allow - 1)
		v->p[at4[__builtin_ctz(allow)]].allowed = true;
	for (; deny; deny &= deny - 1)
		refused += refuse_listed(w, &v->p[at4[__builtin_ctz(deny)]], SL_DROP_guard_denied);
	if (!n6)
		return refused;
	sl_prefixes_look6(prefixes, six, n6, &deny, &allow);
	for (; allow; allow &= allow - 1)
		v->p[at6[__builtin_ctz(allow)]].allowed = true;
	for (; deny; deny &= deny - 1)
		refused += refuse_listed(w, &v->p[at6[__builtin_ctz(deny)]], SL_DROP_guard_denied);
	return refused;
}

/* 0, 1: while it is a stranger, 2: altogether. */
static unsigned is_banned(const struct sl_bans *b, const struct sl_pkt *p, uint64_t hash)
{
	unsigned banned = sl_bans_maybe(b, hash) ? sl_bans_has(b, hash) : 0;
	if (likely(!p->v6) || banned == 2)
		return banned;
	uint64_t wide = sl_bans_hash(b, &p->src.ip, 64);
	unsigned net = sl_bans_maybe(b, wide) ? sl_bans_has(b, wide) : 0;
	return RTE_MAX(banned, net);
}

/* Bans: refuses what is banned altogether, marks what is only while it is a stranger. */
static unsigned check_bans(struct sl_worker *w, struct sl_vec *v)
{
	const struct sl_bans *b = &w->dp->bans;
	unsigned refused = 0;
	for (unsigned i = 0; i < v->n; i++) {
		struct sl_pkt *p = &v->p[i];
		if (!p->m || p->kind == SL_PKT_NOT_IP || p->allowed)
			continue;
		unsigned banned = is_banned(b, p, sl_bans_hash(b, &p->src.ip, 128));
		if (likely(!banned))
			continue;
		if (banned == 2)
			refused += refuse_listed(w, p, SL_DROP_guard_banned);
		else
			p->banned = true;
	}
	return refused;
}

void sl_guard_check_lists(struct sl_worker *w, struct sl_vec *v)
{
	unsigned refused = 0;
	if (!v->n || !w->policy->told.enabled)
		return;
	if (w->policy->prefixes)
		refused = check_prefixes(w, v);
	if (atomic_load_explicit(&w->dp->bans.n, memory_order_relaxed))
		refused += check_bans(w, v);
	if (refused)
		close_up(v);
}

/* ---- strangers ---- */

/* What the rule is looked up by, beside the class. */
static inline unsigned place(const struct sl_pkt *p)
{
	if (p->guard_class == SL_GUARD_RELAY)
		return p->relay;
	if (p->guard_class == SL_GUARD_MEDIA)
		return p->media;
	return p->guard_class == SL_GUARD_OTHER ? 0 : p->listener;
}

/* Once a millisecond: what all strangers of a rule together may come to. */
static void fill_total(struct sl_worker *w, unsigned rule)
{
	const struct sl_guard_rule *r = &w->policy->told.rules[rule];
	uint32_t pps = r->total_pps;
	if (r->guard_class == SL_GUARD_SIP || r->guard_class == SL_GUARD_PROVISIONAL)
		pps = (uint32_t)((uint64_t)pps * atomic_load_explicit(&w->dp->guard_pressure, memory_order_relaxed) / 100) + 1;
	sl_bucket_fill(&w->guard.total[rule].bucket, w->now.ms, pps);
	w->guard.total[rule].low = pps > 1 ? (uint64_t)pps * 500 : 999;
}

/* Is less than half left of it? Then only those pass who come again. */
static inline bool is_scarce(const struct sl_worker *w, unsigned rule)
{
	return w->guard.total[rule].bucket.tokens_m <= w->guard.total[rule].low;
}

static inline uint64_t again_hash(const struct sl_worker *w, unsigned rule, const struct sl_pkt *p)
{
	return sl_guard_hash(&w->guard.key, &p->src.ip, (uint64_t)p->src.port_be << 8 | rule);
}

/* All strangers of a rule together. again: p's hash, which counts when there is little left. */
static inline bool total_ok(struct sl_worker *w, unsigned rule, uint64_t again)
{
	struct sl_guard *g = &w->guard;
	struct sl_bucket *b = &g->total[rule].bucket;
	if (unlikely(is_scarce(w, rule))) {
		if (likely(!sl_again(&g->again, again, w->now.ms) || b->tokens_m < 1000)) {
			if (unlikely(w->now.s != g->total_told_s[rule]))
				sl_guard_tell_total(w, rule);
			return false;
		}
		sl_count(w, SL_C_guard_came_again, 1);
	}
	b->tokens_m -= 1000;
	return true;
}

static const enum sl_drop limit_reason[SL_GUARD_N_LEVELS] = {
	SL_DROP_guard_source_limit, SL_DROP_guard_prefix_limit, SL_DROP_guard_wide_limit};

/* A stranger between the passes. */
struct stranger {
	struct sl_limiter_key key;
	uint64_t again;
	uint8_t rule;
	bool bounded; /* the rule has a total */
};

/* First pass for one packet: its rule, and the lines that it will be charged in. */
static inline void locate(struct sl_worker *w, const struct sl_pkt *p, struct stranger *s)
{
	const struct sl_guard_policy *policy = w->policy;
	unsigned rule = s->rule = policy->rule[p->guard_class][place(p)];
	if (unlikely(rule == SL_GUARD_NO_RULE))
		return;
	sl_limiter_locate(&w->guard.limiter, &policy->rates[rule], rule, &p->src.ip, !p->v6, &s->key);
	s->bounded = policy->told.rules[rule].total_pps != 0;
	if (!s->bounded)
		return;
	if (unlikely(w->guard.total[rule].bucket.last_ms != w->now.ms))
		fill_total(w, rule);
	s->again = again_hash(w, rule, p);
	if (unlikely(is_scarce(w, rule)))
		sl_again_prefetch(&w->guard.again, s->again);
}

/* Second pass: why it is refused, or SL_N_DROPS. */
static inline enum sl_drop charge(struct sl_worker *w, const struct sl_pkt *p, const struct stranger *s)
{
	if (unlikely(p->banned))
		return SL_DROP_guard_banned;
	if (unlikely(s->rule == SL_GUARD_NO_RULE || p->allowed))
		return SL_N_DROPS;
	struct sl_limiter_verdict v = sl_limiter_charge(&w->guard.limiter, &w->policy->rates[s->rule], &s->key);
	if (unlikely(v.tell | v.below))
		sl_guard_tell(w, p, s->rule, &v);
	if (unlikely(v.over != SL_GUARD_N_LEVELS))
		return limit_reason[v.over];
	return s->bounded && unlikely(!total_ok(w, s->rule, s->again)) ? SL_DROP_guard_total_limit : SL_N_DROPS;
}

void sl_guard_strangers(struct sl_worker *w, struct sl_pkt **p, unsigned n)
{
	enum { AHEAD = 4 };
	struct stranger s[SL_BURST];
	if (!n || !w->policy->told.enabled)
		return;
	sl_limiter_now(&w->guard.limiter, w->now_us);
	/* A processor has room for some twenty lines on their way: those of a few packets, while others are charged. */
	for (unsigned i = 0; i < RTE_MIN(n, (unsigned)AHEAD); i++)
		locate(w, p[i], &s[i]);
	for (unsigned i = 0; i < n; i++) {
		if (i + AHEAD < n)
			locate(w, p[i + AHEAD], &s[i + AHEAD]);
		enum sl_drop why = charge(w, p[i], &s[i]);
		watch(w, p[i], why);
		if (why != SL_N_DROPS)
			refuse(w, p[i], why);
	}
}

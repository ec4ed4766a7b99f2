/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What those who have not authenticated may cost, and how many allocations a source may have. */

#include <netinet/in.h>

#include "dataplane/guard/hash.h"
#include "dataplane/path/turn_internal.h"
#include "dataplane/stream/stream.h"

enum {
	TOKENS_PER_PACKET = 1000, /* tokens come by the millisecond */
	UDP_HEADER = 8,
	V4_HEADER = 20,
	V6_HEADER = 40,
};

/* ---- the reflection budget ---- */

/* As on the wire: with its IP and UDP headers, which both a forged request and what it draws have. */
static size_t on_wire(const struct sl_turn_request *r, size_t len)
{
	return len + UDP_HEADER + (sl_ip_is_v4(&r->flow->ip) ? V4_HEADER : V6_HEADER);
}

bool sl_turn_short_enough(const struct sl_turn_request *r, size_t len)
{
	const struct sl_cmd_guard_policy *g = r->t->guard;

	if (!g || g->reflection_percent == 0 || r->flow->transport != IPPROTO_UDP)
		return true; /* whoever made a connection has shown that he is where he says */
	return on_wire(r, len) * 100 <= on_wire(r, r->m.len) * g->reflection_percent;
}

void sl_turn_count_challenge(const struct sl_turn_request *r, size_t len)
{
	uint64_t *c = r->t->counters;

	c[SL_C_guard_challenges]++;
	c[SL_C_guard_challenge_bytes] += on_wire(r, len);
	c[SL_C_guard_challenged_bytes] += on_wire(r, r->m.len);
}

/* ---- tokens of all strangers ---- */

static void refill(struct sl_turn *t, bool stream, uint64_t now_ms)
{
	uint64_t full = (uint64_t)t->unauthenticated_pps * TOKENS_PER_PACKET; /* a second's worth */
	uint64_t *tokens_ms = &t->unauthenticated[stream].tokens_ms, last_ms = t->unauthenticated[stream].last_ms;

	if (last_ms == 0) {
		*tokens_ms = full;
	} else if (now_ms > last_ms) {
		uint64_t elapsed_ms = now_ms - last_ms;
		uint64_t more = elapsed_ms >= 1000 ? full : elapsed_ms * t->unauthenticated_pps;
		uint64_t sum = *tokens_ms + more;
		*tokens_ms = sum < full ? sum : full;
	}
	t->unauthenticated[stream].last_ms = now_ms;
}

/* The last half is for those who come again: a client retransmits (RFC 8489 6.2.1: after 0.5 s, 1.5 s, 3.5 s ...), an address
 * that was made up for one packet does not. Everybody is looked at and remembered once the first half is used up.
 * Streams have tokens of their own: nobody makes up the address of a connection, and over one nothing is sent again. */
bool sl_turn_stranger_ok(struct sl_turn *t, const struct sl_flow *f, uint64_t now_ms)
{
	bool stream = sl_flow_is_stream(f);
	uint64_t *tokens_ms = &t->unauthenticated[stream].tokens_ms;

	refill(t, stream, now_ms);
	bool scarce = !stream && *tokens_ms * 2 < (uint64_t)t->unauthenticated_pps * TOKENS_PER_PACKET;
	if (scarce && t->guard && t->comes_again && !t->comes_again(t->ctx, f, now_ms)) {
		if (!t->guard->dry_run)
			return false;
		t->would_drop[SL_DROP_unauthenticated_limit]++;
	}
	if (*tokens_ms < TOKENS_PER_PACKET)
		return false;
	*tokens_ms -= TOKENS_PER_PACKET;
	return true;
}

/* ---- allocations of a source ---- */

enum { ADDRESS, PREFIX, N_KINDS };

static uint64_t source_hash(const struct sl_turn *t, const struct sl_ip *source, unsigned kind)
{
	struct {
		struct sl_ip ip;
		uint64_t kind;
	} of = {.kind = kind};

	of.ip = sl_ip_masked(source, sl_guard_level_bits(sl_ip_is_v4(source), kind == ADDRESS ? SL_GUARD_SOURCE : SL_GUARD_PREFIX));
	return sl_siphash(&t->user_key, &of, sizeof of);
}

static bool take(struct sl_turn *t, const struct sl_ip *source, const uint32_t max[N_KINDS])
{
	if (!t->sources)
		return true;
	if (!sl_turn_quota_take(t->sources, source_hash(t, source, ADDRESS), max[ADDRESS]))
		return false;
	if (sl_turn_quota_take(t->sources, source_hash(t, source, PREFIX), max[PREFIX]))
		return true;
	sl_turn_quota_give(t->sources, source_hash(t, source, ADDRESS));
	return false;
}

static const uint32_t UNLIMITED[N_KINDS];

bool sl_turn_source_take(struct sl_turn *t, const struct sl_ip *source)
{
	const struct sl_cmd_guard_policy *g = t->guard;
	const uint32_t max[N_KINDS] = {g ? g->allocations_per_source : 0, g ? g->allocations_per_prefix : 0};

	if (take(t, source, max))
		return true;
	if (t->is_allowed && t->is_allowed(t->ctx, source))
		return take(t, source, UNLIMITED);
	t->counters[SL_C_guard_allocations_refused]++;
	return g && g->dry_run && take(t, source, UNLIMITED);
}

void sl_turn_source_count(struct sl_turn *t, const struct sl_ip *source)
{
	(void)take(t, source, UNLIMITED);
}

void sl_turn_source_give(struct sl_turn *t, const struct sl_ip *source)
{
	if (!t->sources)
		return;
	sl_turn_quota_give(t->sources, source_hash(t, source, ADDRESS));
	sl_turn_quota_give(t->sources, source_hash(t, source, PREFIX));
}

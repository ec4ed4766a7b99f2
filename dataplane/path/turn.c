/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/turn_internal.h"
#include "dataplane/path/turn_outside.h"

#include <errno.h>

#include "dataplane/path/turn_tcp.h"
#include "dataplane/stream/stream.h"

enum {
	/* Answers without authentication that each live allocation has for itself, a second. */
	ANSWERS_PER_ALLOCATION = 4,
	FINGERPRINT_BYTES = 8,
};

struct sl_turn_verdict sl_turn_drop(enum sl_drop why)
{
	return (struct sl_turn_verdict){.action = SL_TURN_DROP, .drop = why, .signal = SL_TURN_NO_SIGNAL};
}

static void publish_gauges(struct sl_turn *t)
{
	t->counters[SL_C_allocations_active] = t->sessions->n_active;
	t->counters[SL_C_permissions_active] = t->sessions->n_peers_active;
	t->counters[SL_C_allocations_tcp_active] = t->tcp ? t->tcp->n_listening : 0;
}

/* ---- answers ---- */

/* A client whose nonce grew old must get its 438 while strangers use up the rate for strangers, or its Refreshes fail and
 * the allocation dies. Somebody who fakes its five-tuple gets no more than this out of it. */
static bool own_answer(struct sl_turn_request *r)
{
	if (r->alloc == SL_NONE)
		return false;
	struct sl_alloc *a = &r->t->sessions->allocs[r->alloc];
	if (a->strange_s != (uint8_t)r->now->s) {
		a->strange_s = (uint8_t)r->now->s;
		a->strange_answers = 0;
	}
	if (a->strange_answers == ANSWERS_PER_ALLOCATION)
		return false;
	a->strange_answers++;
	return true;
}

bool sl_turn_unauthenticated_ok(struct sl_turn_request *r)
{
	if (!r->token_taken && r->t->unauthenticated_pps != 0)
		r->token_taken = own_answer(r) || sl_turn_stranger_ok(r->t, r->flow, r->now->ms);
	else
		r->token_taken = true;
	return r->token_taken;
}

void sl_turn_reply_begin(struct sl_turn_request *r, struct sl_stun_builder *b, enum sl_stun_class cls)
{
	sl_stun_begin(b, r->reply, r->reply_cap, r->m.method, cls, r->m.tid);
}

/* An answer to a stranger that is too long beside its request: it may go to somebody who never asked. */
static bool reflects(const struct sl_turn_request *r, size_t len)
{
	if (r->authenticated || sl_turn_short_enough(r, len))
		return false;
	if (!r->t->guard->dry_run)
		return true;
	r->t->would_drop[SL_DROP_reflection_limit]++;
	return false;
}

struct sl_turn_verdict sl_turn_reply_end(struct sl_turn_request *r, struct sl_stun_builder *b, enum sl_stun_class cls)
{
	const struct sl_turn *t = r->t;

	/* Answers to strangers stay short: they may go to somebody who never asked. */
	if (t->conf && r->authenticated) {
		const char *software = sl_turn_conf_settings(t->conf)->software;
		size_t n = strnlen(software, sizeof sl_turn_conf_settings(t->conf)->software);
		if (n > 0)
			sl_stun_add(b, SL_ATTR_SOFTWARE, software, n);
	}
	if (r->authenticated)
		sl_stun_add_integrity(b, &t->crypto, r->auth.sha256, r->auth.key, r->auth.key_len);
	if (r->m.has_fingerprint)
		sl_stun_add_fingerprint(b);
	size_t len = sl_stun_end(b);
	if (len == 0)
		return sl_turn_drop(SL_DROP_internal);
	if (reflects(r, len))
		return sl_turn_drop(SL_DROP_reflection_limit);
	if (!r->authenticated)
		sl_turn_count_challenge(r, len);
	t->counters[cls == SL_STUN_SUCCESS ? SL_C_stun_success : SL_C_stun_errors]++;
	return (struct sl_turn_verdict){
		.action = SL_TURN_REPLY, .reply_len = (uint16_t)len, .reply_from = SL_TURN_SAME, .signal = r->signal};
}

static void build_error(struct sl_turn_request *r, struct sl_stun_builder *b, unsigned code, bool bare)
{
	sl_turn_reply_begin(r, b, SL_STUN_ERROR);
	if (bare)
		sl_stun_add_error_bare(b, code);
	else
		sl_stun_add_error(b, code);
	if (!r->authenticated && (code == 401 || code == 438))
		sl_turn_challenge(r, b);
	if (code == 420)
		sl_stun_add_unknown(b, r->m.unknown, r->m.n_unknown);
}

struct sl_turn_verdict sl_turn_error(struct sl_turn_request *r, unsigned code)
{
	struct sl_stun_builder b;

	if (code == 403)
		r->signal = SL_GUARD_SAW_FORBIDDEN;
	if (!r->authenticated && !sl_turn_unauthenticated_ok(r)) {
		struct sl_turn_verdict v = sl_turn_drop(SL_DROP_unauthenticated_limit);
		v.signal = r->signal;
		return v;
	}
	build_error(r, &b, code, false);
	if (!r->authenticated && !sl_turn_short_enough(r, b.len + (r->m.has_fingerprint ? FINGERPRINT_BYTES : 0)))
		build_error(r, &b, code, true);
	return sl_turn_reply_end(r, &b, SL_STUN_ERROR);
}

/* ---- allocations ---- */

uint64_t sl_turn_id(const struct sl_turn *t, uint32_t alloc)
{
	return (uint64_t)t->worker << 56 | (uint64_t)(t->sessions->allocs[alloc].generation & 0xffffff) << 32 | alloc;
}

/* Tell and count the end; the allocation still exists. A port it holds back for another one goes with it: else whoever
 * allocates and leaves in a row could hold back all of them. */
static void tell_end(struct sl_turn *t, uint32_t alloc, enum sl_allocation_end end)
{
	t->counters[end == SL_ALLOC_END_EXPIRED ? SL_C_allocations_expired : SL_C_allocations_deleted]++;
	if (t->event)
		t->event(t->ctx, alloc, SL_ALLOC_CLOSED, end);
	sl_turn_unreserve(t->reservations, &t->sessions->ports, t->sessions->cold.allocs[alloc].reservation_token);
	sl_turn_dismiss(t, alloc);
	if (t->sessions->allocs[alloc].flags & SL_ALLOC_IS_TCP)
		sl_turn_tcp_end(t, alloc);
	if (t->sessions->allocs[alloc].flags & SL_ALLOC_IS_MOBILE)
		sl_turn_mobility_end(t, alloc);
}

void sl_turn_end_allocation(struct sl_turn *t, uint32_t alloc, enum sl_allocation_end end)
{
	tell_end(t, alloc, end);
	sl_alloc_delete(t->sessions, alloc);
	publish_gauges(t);
}

static void on_expired(void *ctx, uint32_t alloc)
{
	tell_end((struct sl_turn *)ctx, alloc, SL_ALLOC_END_EXPIRED);
}

void sl_turn_tick(struct sl_turn *t, const struct sl_turn_now *now, unsigned budget)
{
	bool new_second = now->s != t->sessions->swept_s;

	sl_sessions_tick(t->sessions, now->s, budget, on_expired, t);
	if (new_second)
		sl_turn_reservations_expire(t->reservations, &t->sessions->ports, now->s);
	sl_turn_policy_tick(t);
	sl_turn_judge_tick(t);
	if (t->tcp)
		sl_turn_tcp_tick(t, now);
	sl_sessions_note_counts(t->sessions);
	publish_gauges(t);
}

int sl_turn_delete(struct sl_turn *t, uint64_t id)
{
	uint32_t alloc = (uint32_t)id;

	if (alloc >= t->sessions->n_allocs || t->sessions->allocs[alloc].expires_s == 0 || sl_turn_id(t, alloc) != id)
		return -ENOENT;
	sl_turn_end_allocation(t, alloc, SL_ALLOC_END_OPERATOR);
	return 0;
}

void sl_turn_describe(const struct sl_turn *t, uint32_t alloc, uint32_t now_s, struct sl_evt_allocation *out)
{
	const struct sl_alloc *a = &t->sessions->allocs[alloc];
	const struct sl_cold_auth *auth = &t->sessions->cold.allocs[alloc].auth;
	const struct sl_endpoint *server = &t->listeners[a->client.listener];

	*out = (struct sl_evt_allocation){
		.id = sl_turn_id(t, alloc),
		.worker = (uint8_t)t->worker,
		.over = (uint8_t)sl_flow_over(&a->client),
		.flags = a->flags & (SL_ALLOC_IS_RESTRICTED | SL_ALLOC_IS_MOBILE | SL_ALLOC_IS_TCP),
		.realm = a->realm,
		.to_peer_packets = sl_alloc_to_peer_packets(a),
		.to_peer_bytes = a->to_peer_bytes,
		.to_client_packets = sl_alloc_to_client_packets(a),
		.to_client_bytes = a->to_client_bytes,
		.lifetime_s = a->expires_s > now_s ? a->expires_s - now_s : 0,
		.age_s = now_s > a->created_s ? now_s - a->created_s : 0,
		.n_peers = a->n_peers,
		.client_port_be = a->client.port_be,
		.server_port_be = server->port_be,
		.relay_port_be = a->relay_port_be,
		.username_len = auth->username_len,
		.client = a->client.ip,
		.server = server->ip,
		.relay = t->relay[a->relay],
		.relay2_port_be = a->relay2_port_be,
	};
	if (a->relay2 != SL_NO_RELAY2)
		out->relay2 = t->relay[a->relay2];
	memcpy(out->username, auth->username, auth->username_len);
}

void sl_turn_restored(struct sl_turn *t)
{
	const struct sl_sessions *s = t->sessions;

	for (uint32_t i = 0; i < s->n_allocs; i++) {
		if (s->allocs[i].expires_s == 0)
			continue;
		sl_turn_readmit(t, i);
		if ((s->allocs[i].flags & SL_ALLOC_IS_MOBILE) && t->moved && !sl_flow_is_stream(&s->allocs[i].client))
			t->moved(t->ctx, &s->allocs[i].client, true);
	}
	t->counters[SL_C_allocations_restored] += s->n_active;
	publish_gauges(t);
}

/* The live allocation of a five-tuple, or the one that may move there; one whose time is over ends here, before the wheel gets to it. */
static void find_allocation(struct sl_turn_request *r)
{
	struct sl_sessions *s = r->t->sessions;

	r->alloc = sl_alloc_find(s, r->flow, sl_hash_flow(&s->hash_key, r->flow));
	if (r->alloc == SL_NONE) {
		r->alloc = sl_moving_find(s, r->flow);
		r->arriving = r->alloc != SL_NONE;
	}
	if (r->alloc == SL_NONE)
		return;
	if (s->allocs[r->alloc].expires_s <= r->now->s) {
		sl_turn_end_allocation(r->t, r->alloc, SL_ALLOC_END_EXPIRED);
		r->alloc = SL_NONE;
		r->arriving = false;
		return;
	}
	s->allocs[r->alloc].last_seen_s = r->now->s;
}

uint32_t sl_turn_arrived(struct sl_turn *t, const struct sl_flow *f, bool data, const struct sl_turn_now *now)
{
	uint32_t alloc = sl_moving_find(t->sessions, f);

	if (alloc == SL_NONE || t->sessions->allocs[alloc].expires_s <= now->s)
		return SL_NONE;
	if (data)
		sl_turn_mobility_complete(t, alloc);
	return alloc;
}

/* Anybody with an access token of the same kid has the allocation's user name: who comes from elsewhere has to have its key as well. */
bool sl_turn_same_key(const struct sl_turn_request *r, uint32_t alloc)
{
	const struct sl_cold_auth *owner = &r->t->sessions->cold.allocs[alloc].auth;

	return r->m.access_token.off == 0 || (owner->key_len == r->auth.key_len && sl_equal_ct(owner->key, r->auth.key, r->auth.key_len));
}

unsigned sl_turn_need_allocation(const struct sl_turn_request *r)
{
	if (r->alloc == SL_NONE)
		return 437;
	/* RFC 8656 5: an allocation belongs to the user who made it; the hash is of the realm, too. */
	const struct sl_cold_auth *owner = &r->t->sessions->cold.allocs[r->alloc].auth;
	if (owner->username_hash != r->auth.username_hash)
		return 441;
	return r->arriving && !sl_turn_same_key(r, r->alloc) ? 441 : 0;
}

/* ---- messages ---- */

/* The worker that the request is for by what it carries: the one whose ticket or connection it names. -1: this one. */
static int named_worker(struct sl_turn_request *r)
{
	if (r->m.method == SL_TURN_REFRESH && r->m.mobility_ticket.off)
		return sl_turn_ticket_look(r);
	if (r->m.method == SL_TURN_CONNECTION_BIND && r->m.has_connection_id && sl_flow_is_stream(r->flow))
		return sl_turn_connection_worker(r->t, r->m.connection_id);
	return -1;
}

static struct sl_turn_verdict hand(int worker)
{
	return (struct sl_turn_verdict){.action = SL_TURN_HAND, .owner = (uint8_t)worker, .signal = SL_TURN_NO_SIGNAL};
}

static struct sl_turn_verdict request(struct sl_turn_request *r)
{
	static struct sl_turn_verdict (*const methods[16])(struct sl_turn_request *) = {
		[SL_TURN_ALLOCATE] = sl_turn_allocate,
		[SL_TURN_REFRESH] = sl_turn_refresh,
		[SL_TURN_CREATE_PERMISSION] = sl_turn_create_permission,
		[SL_TURN_CHANNEL_BIND] = sl_turn_channel_bind,
		[SL_TURN_CONNECT] = sl_turn_connect,
		[SL_TURN_CONNECTION_BIND] = sl_turn_connection_bind,
	};

	r->t->counters[SL_C_stun_requests]++;
	if (r->m.method == SL_STUN_BINDING)
		return sl_turn_binding(r);
	if (r->m.method >= 16 || !methods[r->m.method])
		return sl_turn_drop(SL_DROP_stun_unexpected);
	if (!r->t->conf)
		return sl_turn_drop(SL_DROP_not_ready);
	int worker = named_worker(r);
	if (worker >= 0 && !r->from->handed)
		return hand(worker);
	r->owner = r->alloc == SL_NONE && r->m.method == SL_TURN_CONNECTION_BIND ? sl_turn_connection_owner(r) : r->alloc;
	sl_turn_nat_refuse(r);
	unsigned code = sl_turn_authenticate(r);
	if (code == 0 && r->m.n_unknown > 0)
		code = 420;
	/* Whoever uses the allocation from where it may move to has arrived; a Refresh may be the one that asked for it, sent again. */
	if (code == 0 && r->arriving && r->m.method != SL_TURN_REFRESH && sl_turn_need_allocation(r) == 0)
		sl_turn_mobility_complete(r->t, r->alloc);
	struct sl_turn_verdict v = code ? sl_turn_error(r, code) : methods[r->m.method](r);
	explicit_bzero(r->auth.key, sizeof r->auth.key);
	publish_gauges(r->t);
	return v;
}

static struct sl_turn_verdict malformed(enum sl_drop why)
{
	struct sl_turn_verdict v = sl_turn_drop(why);

	v.signal = SL_GUARD_SAW_MALFORMED;
	return v;
}

struct sl_turn_verdict sl_turn_handle_from(struct sl_turn *t, const struct sl_turn_arrival *from, const uint8_t *msg, unsigned len,
        const struct sl_turn_now *now, uint8_t *reply, unsigned reply_cap)
{
	struct sl_turn_request r = {.t = t, .from = from, .flow = from->flow, .now = now, .reply = reply, .reply_cap = reply_cap,
		.signal = SL_TURN_NO_SIGNAL};

	switch (sl_stun_parse(msg, len, &r.m)) {
	case SL_STUN_OK:
		break;
	case SL_STUN_NOT_STUN:
		return sl_turn_drop(SL_DROP_not_stun);
	case SL_STUN_BAD_FINGERPRINT:
		return malformed(SL_DROP_stun_fingerprint);
	default:
		return malformed(SL_DROP_stun_malformed);
	}
	for (unsigned i = 0; i < r.m.n_peers && t->n_external > 0; i++)
		sl_turn_inward(t, &r.m.peers[i]);
	find_allocation(&r);
	if (r.m.cls == SL_STUN_REQUEST)
		return request(&r);
	if (r.m.cls == SL_STUN_INDICATION && r.m.method == SL_TURN_SEND)
		return sl_turn_send(&r);
	/* Binding indications keep NAT bindings alive and want nothing else (RFC 8489 12.1). */
	if (r.m.cls == SL_STUN_INDICATION && r.m.method == SL_STUN_BINDING)
		return sl_turn_drop(SL_N_DROPS);
	return sl_turn_drop(SL_DROP_stun_unexpected);
}

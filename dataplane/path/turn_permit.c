/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Permissions: who may have one, CreatePermission and ChannelBind (RFC 8656 10, 12), Send (11.2), and what a change of policy does to them. */

#include <errno.h>

#include "dataplane/path/turn_internal.h"
#include "dataplane/wire/channel.h"

enum {
	/* Of a tick, after a change of policy: records looked at, and judged. */
	SWEEP_RECORDS = 256,
	SWEEP_JUDGED = 16,
};

/* ---- the policy ---- */

bool sl_turn_peer_ok(const struct sl_turn *t, unsigned realm, const struct sl_ip *ip, int port, bool *own)
{
	enum sl_peer_verdict v = sl_turn_conf_peer(t->conf, realm, ip, t->is_own, t->ctx);

	*own = v == SL_PEER_OWN;
	if (v == SL_PEER_OWN)
		return port < 0 || sl_turn_own_port_ok(t, (uint16_t)port);
	return v == SL_PEER_ALLOW;
}

bool sl_turn_rejudge(const struct sl_turn *t, struct sl_peer *p)
{
	bool own;

	if (!t->conf)
		return true; /* before provisioning there is no policy to ask; it was let in by one */
	if (!sl_turn_peer_ok(t, sl_turn_realm_of(t, p->alloc), &p->ip, p->channel ? ntohs(p->port_be) : -1, &own))
		return false;
	p->own_address = own;
	p->judged = t->policy;
	return true;
}

/* Nothing passes by a permission that the policy denies, from its first packet on: this ends those that have none. Who began to look through them goes on
 * where he is when the policy changes once more, and once around: else frequent changes would keep the last ones for ever. */
void sl_turn_judge_tick(struct sl_turn *t)
{
	struct sl_sessions *s = t->sessions;
	unsigned judged = 0;

	if (!t->conf)
		return;
	if (t->swept_by != t->policy) {
		t->swept_by = t->policy;
		t->sweep_left = s->n_peers;
	}
	for (unsigned i = 0; i < SWEEP_RECORDS && judged < SWEEP_JUDGED && t->sweep_left > 0; i++) {
		uint32_t peer = t->sweep_at;
		struct sl_peer *p = &s->peers[peer];
		t->sweep_at = peer + 1 < s->n_peers ? peer + 1 : 0;
		t->sweep_left--;
		if (p->alloc == SL_NONE || p->judged == t->policy)
			continue;
		judged++;
		if (!sl_turn_rejudge(t, p))
			sl_peer_end(s, peer);
	}
}

/* ---- requests ---- */

static struct sl_turn_verdict plain_success(struct sl_turn_request *r)
{
	struct sl_stun_builder b;

	sl_turn_reply_begin(r, &b, SL_STUN_SUCCESS);
	return sl_turn_reply_end(r, &b, SL_STUN_SUCCESS);
}

static bool same_family(const struct sl_turn_request *r, const struct sl_ip *peer)
{
	struct sl_endpoint seen;

	return sl_alloc_relayed(r->t->sessions, &r->t->sessions->allocs[r->alloc], peer, &seen);
}

static void resolve(const struct sl_turn *t, const struct sl_ip *peer, bool own)
{
	if (t->resolve && !own)
		t->resolve(t->ctx, peer);
}

/* Records that permissions for the request's peers would add. */
static unsigned new_records(const struct sl_turn_request *r)
{
	const struct sl_sessions *s = r->t->sessions;
	unsigned n = 0;

	for (unsigned i = 0; i < r->m.n_peers; i++) {
		const struct sl_ip *ip = &r->m.peers[i].ip;
		const struct sl_endpoint any_port = {.ip = *ip};
		bool counted = sl_peer_by_endpoint(s, &s->allocs[r->alloc], &any_port) != SL_NONE;
		for (unsigned k = 0; k < i && !counted; k++)
			counted = sl_ip_eq(&r->m.peers[k].ip, ip);
		n += !counted;
	}
	return n;
}

/* All of the request's peers are permitted, or none (RFC 8656 10.2): 0 or an error code; own[i]: peer i is ours. */
static unsigned check_permissions(const struct sl_turn_request *r, bool own[SL_STUN_MAX_PEERS])
{
	const struct sl_sessions *s = r->t->sessions;
	unsigned max = sl_turn_conf_realm(r->t->conf, r->realm)->max_permissions, have = s->allocs[r->alloc].n_peers;

	if (r->m.n_peers == 0)
		return 400;
	if (r->m.too_many_peers)
		return 508;
	for (unsigned i = 0; i < r->m.n_peers; i++) {
		if (!same_family(r, &r->m.peers[i].ip))
			return 443;
		if (!sl_turn_peer_ok(r->t, r->realm, &r->m.peers[i].ip, -1, &own[i]))
			return 403;
	}
	unsigned n = new_records(r);
	return have + n > max || n > s->n_peers - s->n_peers_active ? 508 : 0;
}

struct sl_turn_verdict sl_turn_create_permission(struct sl_turn_request *r)
{
	const struct sl_turn *t = r->t;
	const struct sl_cmd_turn *conf = sl_turn_conf_settings(t->conf);
	bool own[SL_STUN_MAX_PEERS];
	unsigned code = sl_turn_need_allocation(r);

	if (code == 0)
		code = check_permissions(r, own);
	if (code != 0)
		return sl_turn_error(r, code);
	for (unsigned i = 0; i < r->m.n_peers; i++) {
		sl_permission_set(t->sessions, r->alloc, &r->m.peers[i].ip, own[i],
			r->now->s + conf->permission_lifetime_s, sl_turn_conf_realm(t->conf, r->realm)->max_permissions);
		resolve(t, &r->m.peers[i].ip, own[i]);
	}
	return plain_success(r);
}

struct sl_turn_verdict sl_turn_channel_bind(struct sl_turn_request *r)
{
	const struct sl_turn *t = r->t;
	const struct sl_stun *m = &r->m;
	const struct sl_cmd_turn *conf = sl_turn_conf_settings(t->conf);
	unsigned code = sl_turn_need_allocation(r);
	bool own;

	if (code != 0)
		return sl_turn_error(r, code);
	/* RFC 6062 4.1: no channels on TCP allocations. */
	if ((t->sessions->allocs[r->alloc].flags & SL_ALLOC_IS_TCP) || !m->has_channel || m->channel < SL_CHANNEL_MIN || m->channel > conf->channel_max || m->n_peers != 1 ||
		m->peers[0].port_be == 0)
		return sl_turn_error(r, 400);
	if (!same_family(r, &m->peers[0].ip))
		return sl_turn_error(r, 443);
	if (!sl_turn_peer_ok(t, r->realm, &m->peers[0].ip, ntohs(m->peers[0].port_be), &own))
		return sl_turn_error(r, 403);
	int rc = sl_channel_set(t->sessions, r->alloc, m->channel, &m->peers[0], own, r->now->s,
		r->now->s + conf->permission_lifetime_s, r->now->s + conf->channel_lifetime_s, sl_turn_conf_realm(t->conf, r->realm)->max_permissions);
	if (rc != 0)
		return sl_turn_error(r, rc == -EEXIST ? 400 : 508);
	resolve(t, &m->peers[0].ip, own);
	return plain_success(r);
}

/* ---- Send ---- */

/* Is the peer one of our addresses, and at a port where nobody may be relayed to? A permission has no port, and an address may have become ours since. */
static bool is_forbidden_own(const struct sl_turn *t, const struct sl_peer *p, const struct sl_endpoint *to)
{
	bool own = t->conf && t->is_own ? t->is_own(t->ctx, &to->ip) : p->own_address;

	return own && !sl_turn_own_port_ok(t, ntohs(to->port_be));
}

struct sl_turn_verdict sl_turn_send(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	const struct sl_stun *m = &r->m;
	bool own;

	if (r->alloc == SL_NONE || (t->sessions->allocs[r->alloc].flags & SL_ALLOC_IS_TCP))
		return sl_turn_drop(SL_DROP_no_allocation);
	if (r->arriving)
		sl_turn_mobility_complete(t, r->alloc);
	if (m->n_peers != 1 || m->data.off == 0 || m->n_unknown > 0 || m->peers[0].port_be == 0)
		return sl_turn_drop(SL_DROP_send_malformed);
	uint32_t at = sl_peer_by_endpoint(t->sessions, &t->sessions->allocs[r->alloc], &m->peers[0]);
	struct sl_peer *p = at == SL_NONE ? NULL : &t->sessions->peers[at];
	if (!p || p->permission_expires_s <= r->now->s) {
		bool denied = t->conf && !sl_turn_peer_ok(t, sl_turn_realm_of(t, r->alloc), &m->peers[0].ip, ntohs(m->peers[0].port_be), &own);
		return sl_turn_drop(denied ? SL_DROP_peer_forbidden : SL_DROP_no_permission);
	}
	if (!sl_turn_is_judged(t, p) || is_forbidden_own(t, p, &m->peers[0]))
		return sl_turn_drop(SL_DROP_peer_forbidden);
	return (struct sl_turn_verdict){
		.action = SL_TURN_RELAY,
		.alloc = r->alloc,
		.peer = at,
		.to = m->peers[0],
		.data = m->data,
		.dont_fragment = m->dont_fragment,
		.signal = SL_TURN_NO_SIGNAL,
	};
}

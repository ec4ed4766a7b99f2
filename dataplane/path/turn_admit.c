/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Who may make an allocation: quotas of user, realm, node and source; drain and alternates; who may only be relayed. */

#include "dataplane/path/turn_bandwidth.h"
#include "dataplane/path/turn_internal.h"
#include "dataplane/stream/stream.h"

enum {
	SWEEP_ALLOCATIONS = 256, /* of a tick, after a change of realms */
};

/* The node and each realm are counted in the users' table, under names that no user's hash is made of. */
enum { COUNT_NODE = 1, COUNT_REALM };

static uint64_t counted_hash(const struct sl_turn *t, uint32_t what, uint32_t tag)
{
	const uint32_t of[2] = {what, tag};

	return sl_siphash(&t->nonce_key, of, sizeof of);
}

static uint64_t node_hash(const struct sl_turn *t)
{
	return counted_hash(t, COUNT_NODE, 0);
}

static uint64_t realm_hash(const struct sl_turn *t, uint32_t tag)
{
	return counted_hash(t, COUNT_REALM, tag);
}

/* One allocation more of node, realm and user: the first of them that has its full number says the code, and nothing is counted then. */
static unsigned take(struct sl_turn *t, uint32_t tag, uint64_t user, uint32_t node_max, uint32_t realm_max, uint32_t user_max)
{
	if (!sl_turn_quota_take(t->quota, node_hash(t), node_max))
		return 508;
	if (!sl_turn_quota_take(t->quota, realm_hash(t, tag), realm_max)) {
		sl_turn_quota_give(t->quota, node_hash(t));
		return 486;
	}
	if (sl_turn_quota_take(t->quota, user, user_max))
		return 0;
	sl_turn_quota_give(t->quota, realm_hash(t, tag));
	sl_turn_quota_give(t->quota, node_hash(t));
	return 486;
}

static void give(struct sl_turn *t, uint32_t tag, uint64_t user)
{
	sl_turn_quota_give(t->quota, user);
	sl_turn_quota_give(t->quota, realm_hash(t, tag));
	sl_turn_quota_give(t->quota, node_hash(t));
}

static unsigned take_quotas(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	const struct sl_cmd_realm *realm = sl_turn_conf_realm(t->conf, r->realm);
	uint32_t tag = sl_turn_conf_realm_tag(t->conf, r->realm);

	if (sl_turn_conf_drain(t->conf)->on)
		return 508;
	unsigned code = take(t, tag, r->auth.quota_hash, sl_turn_conf_settings(t->conf)->total_quota, realm->total_quota, realm->user_quota);
	if (code == 0 && !sl_turn_source_take(t, &r->flow->ip)) {
		give(t, tag, r->auth.quota_hash);
		return 486;
	}
	return code;
}

unsigned sl_turn_admit(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	unsigned code = take_quotas(r);

	if (code != 0) {
		t->counters[code == 486 ? SL_C_allocations_refused_quota : SL_C_allocations_refused_capacity]++;
		return code;
	}
	r->meter = sl_turn_bandwidth_user(r->auth.quota_hash);
	if (sl_turn_conf_is_restricted(t->conf, &r->flow->ip, r->realm, r->auth.account, r->auth.account_len)) {
		r->flags |= SL_ALLOC_IS_RESTRICTED;
		t->counters[SL_C_allocations_restricted]++;
		t->counters[SL_C_allocations_restricted_active]++;
	}
	return 0;
}

void sl_turn_unadmit(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;

	give(t, sl_turn_conf_realm_tag(t->conf, r->realm), r->auth.quota_hash);
	sl_turn_source_give(t, &r->flow->ip);
	t->counters[SL_C_allocations_refused_capacity]++;
	if (r->flags & SL_ALLOC_IS_RESTRICTED) {
		t->counters[SL_C_allocations_restricted]--;
		t->counters[SL_C_allocations_restricted_active]--;
	}
}

void sl_turn_dismiss(struct sl_turn *t, uint32_t alloc)
{
	const struct sl_cold_auth *auth = &t->sessions->cold.allocs[alloc].auth;
	const struct sl_alloc *a = &t->sessions->allocs[alloc];

	give(t, auth->realm_tag, auth->quota_hash);
	sl_turn_source_give(t, &a->client.ip);
	if (a->flags & SL_ALLOC_IS_RESTRICTED)
		t->counters[SL_C_allocations_restricted_active]--;
}

void sl_turn_readmit(struct sl_turn *t, uint32_t alloc)
{
	const struct sl_cold_auth *auth = &t->sessions->cold.allocs[alloc].auth;
	struct sl_alloc *a = &t->sessions->allocs[alloc];

	(void)take(t, auth->realm_tag, auth->quota_hash, 0, 0, 0);
	sl_turn_source_count(t, &a->client.ip);
	a->meter = sl_turn_bandwidth_user(auth->quota_hash);
	if (a->flags & SL_ALLOC_IS_RESTRICTED)
		t->counters[SL_C_allocations_restricted_active]++;
}

/* ---- elsewhere ---- */

/* Is the node fuller than what it takes clients of others for? */
static bool is_full(const struct sl_turn *t)
{
	const struct sl_cmd_turn *conf = sl_turn_conf_settings(t->conf);
	uint64_t capacity = (uint64_t)t->sessions->n_allocs * t->n_workers;

	if (conf->redirect_above == 0)
		return false;
	if (conf->total_quota && conf->total_quota < capacity)
		capacity = conf->total_quota;
	return (uint64_t)sl_turn_quota_count(t->quota, node_hash(t)) * 100 >= capacity * conf->redirect_above;
}

bool sl_turn_redirect(struct sl_turn_request *r, struct sl_turn_verdict *v)
{
	struct sl_turn *t = r->t;
	struct sl_stun_builder b;

	if (!sl_turn_conf_drain(t->conf)->on && !is_full(t))
		return false;
	/* Of the transport and family that the client has shown to have (RFC 8489 10). */
	const struct sl_endpoint *to = sl_turn_conf_alternate(
		t->conf, r->realm, sl_flow_over(r->flow), sl_ip_is_v4(&r->flow->ip), sl_prng_next(&t->sessions->prng));
	if (!to)
		return false;
	t->counters[SL_C_allocations_redirected]++;
	sl_turn_reply_begin(r, &b, SL_STUN_ERROR);
	sl_stun_add_error(&b, 300);
	sl_stun_add_addr(&b, SL_ATTR_ALTERNATE_SERVER, to);
	*v = sl_turn_reply_end(r, &b, SL_STUN_ERROR);
	return true;
}

uint32_t sl_turn_max_lifetime(const struct sl_turn_request *r)
{
	const struct sl_cmd_drain *drain = sl_turn_conf_drain(r->t->conf);
	uint32_t max = sl_turn_conf_realm(r->t->conf, r->realm)->max_lifetime_s;

	if (drain->on && drain->max_lifetime_s && drain->max_lifetime_s < max)
		max = drain->max_lifetime_s;
	if (r->auth.max_lifetime_s && r->auth.max_lifetime_s < max)
		max = r->auth.max_lifetime_s;
	return max;
}

/* ---- after a change of realms ---- */

uint16_t sl_turn_realm_of(const struct sl_turn *t, uint32_t alloc)
{
	uint16_t realm = t->sessions->allocs[alloc].realm;

	if (t->renumber_at >= t->sessions->n_allocs && t->realms_version == sl_turn_conf_realms_version(t->conf))
		return realm;
	return sl_turn_conf_realm_by_tag(t->conf, t->sessions->cold.allocs[alloc].auth.realm_tag, realm);
}

void sl_turn_policy_tick(struct sl_turn *t)
{
	struct sl_sessions *s = t->sessions;

	if (!t->conf)
		return;
	if (t->realms_version != sl_turn_conf_realms_version(t->conf)) {
		t->realms_version = sl_turn_conf_realms_version(t->conf);
		t->renumber_at = 0;
	}
	for (unsigned i = 0; i < SWEEP_ALLOCATIONS && t->renumber_at < s->n_allocs; i++) {
		struct sl_alloc *a = &s->allocs[t->renumber_at];
		if (a->expires_s != 0)
			a->realm = sl_turn_realm_of(t, t->renumber_at);
		t->renumber_at++;
	}
}

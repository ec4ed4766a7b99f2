/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Allocate and Refresh (RFC 8656 7, 8). */

#include <errno.h>

#include "dataplane/path/turn_internal.h"

enum { FAMILY_IPV4 = 1, FAMILY_IPV6 = 2, TRANSPORT_UDP = 17 };

/* Where the relayed transport address of a new allocation comes from. */
struct source {
	bool redeem;
	unsigned relay;
	uint16_t port; /* host order */
};

/* RFC 8656 7.2: what was asked for up to the maximum, never less than the default. */
static uint32_t lifetime_of(const struct sl_turn_request *r)
{
	const struct sl_cmd_turn *conf = sl_turn_conf_settings(r->t->conf);
	uint32_t s = r->m.has_lifetime ? r->m.lifetime_s : conf->default_lifetime_s;

	if (s > conf->max_lifetime_s)
		s = conf->max_lifetime_s;
	return s > conf->default_lifetime_s ? s : conf->default_lifetime_s;
}

static bool has_family(const struct sl_turn *t, uint8_t family)
{
	for (unsigned i = 0; i < t->n_relay; i++) {
		if (sl_ip_is_v4(&t->relay[i]) == (family == FAMILY_IPV4))
			return true;
	}
	return false;
}

/* Draw a port on a relay address of the family. A client's allocations go to one address while it has ports (a peer may
 * expect media and its control from the same one), clients are spread over all. */
static bool draw(struct sl_turn_request *r, uint8_t family, enum sl_port_want want, struct source *out)
{
	const struct sl_turn *t = r->t;
	struct sl_sessions *s = t->sessions;
	uint64_t start = sl_siphash(&t->nonce_key, &r->flow->ip, sizeof r->flow->ip);

	for (unsigned i = 0; i < t->n_relay; i++) {
		unsigned relay = (unsigned)((start + i) % t->n_relay);
		if (sl_ip_is_v4(&t->relay[relay]) != (family == FAMILY_IPV4))
			continue;
		int port = sl_port_draw(&s->ports, &s->prng, relay, want);
		if (port < 0)
			continue;
		*out = (struct source){.relay = relay, .port = (uint16_t)port};
		return true;
	}
	return false;
}

/* The checks of RFC 8656 7.2 in their order, after authentication and the five-tuple: 0 or an error code. */
static unsigned check_allocate(const struct sl_turn_request *r, uint8_t *family)
{
	const struct sl_stun *m = &r->m;
	const struct sl_turn *t = r->t;

	if (!m->has_transport)
		return 400;
	if (m->transport != TRANSPORT_UDP)
		return 442;
	if (m->reservation_token.off &&
		(m->has_even_port || m->has_family || m->has_additional_family))
		return 400;
	if (m->has_family && m->has_additional_family)
		return 400;
	*family = m->has_family ? m->family : FAMILY_IPV4;
	if ((*family != FAMILY_IPV4 && *family != FAMILY_IPV6) ||
		(!m->reservation_token.off && !has_family(t, *family)))
		return 440;
	if (m->has_even_port && m->even_port_reserve && m->has_additional_family)
		return 400;
	if (m->has_additional_family && m->additional_family != FAMILY_IPV6)
		return 400;
	return 0;
}

static struct sl_turn_verdict allocate_success(struct sl_turn_request *r)
{
	const struct sl_turn *t = r->t;
	const struct sl_alloc *a = &t->sessions->allocs[r->alloc];
	const struct sl_cold_alloc *c = &t->sessions->cold.allocs[r->alloc];
	const struct sl_endpoint relayed = {t->relay[a->relay], a->relay_port_be};
	const struct sl_endpoint client = {r->flow->ip, r->flow->port_be};
	static const uint8_t no_token[sizeof c->reservation_token];
	struct sl_stun_builder b;

	sl_turn_reply_begin(r, &b, SL_STUN_SUCCESS);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_RELAYED_ADDRESS, &relayed);
	sl_stun_add_u32(&b, SL_ATTR_LIFETIME, a->expires_s - r->now->s);
	if (memcmp(c->reservation_token, no_token, sizeof no_token) != 0)
		sl_stun_add(&b, SL_ATTR_RESERVATION_TOKEN, c->reservation_token, sizeof c->reservation_token);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_MAPPED_ADDRESS, &client);
	if (r->m.has_additional_family) {
		/* One relayed address an allocation: the second family is refused in the success (RFC 8656 7.2). */
		static const uint8_t refused[] = {FAMILY_IPV6, 0, 4, 40};
		sl_stun_add(&b, SL_ATTR_ADDRESS_ERROR_CODE, refused, sizeof refused);
	}
	return sl_turn_reply_end(r, &b, SL_STUN_SUCCESS);
}

static struct sl_cold_auth cold_auth(const struct sl_turn_auth *auth)
{
	struct sl_cold_auth c = {
		.key_len = auth->key_len,
		.sha256 = auth->sha256,
		.username_len = auth->username_len > SL_COLD_USERNAME_MAX ? SL_COLD_USERNAME_MAX
									  : (uint8_t)auth->username_len,
		.username_hash = auth->username_hash,
		.quota_hash = auth->quota_hash,
	};

	memcpy(c.key, auth->key, auth->key_len);
	memcpy(c.username, auth->username, c.username_len);
	return c;
}

/* Find a relayed address as asked: the reserved one, or a fresh port with, for R, its reserved neighbour. */
static bool find_source(struct sl_turn_request *r, uint8_t family, struct source *src, uint8_t token[8])
{
	struct sl_turn *t = r->t;
	struct sl_sessions *s = t->sessions;
	const struct sl_stun *m = &r->m;

	if (m->reservation_token.off) {
		const uint8_t *shown = sl_span_at(m, m->reservation_token);
		src->redeem = true;
		return sl_turn_reservation_peek(t->reservations, shown, r->now->s, &src->relay, &src->port) &&
			sl_turn_redeem(t->reservations, &s->ports, shown, r->now->s);
	}
	bool pair = m->has_even_port && m->even_port_reserve;
	if (!draw(r, family, pair ? SL_PORT_PAIR : m->has_even_port ? SL_PORT_EVEN : SL_PORT_ANY, src))
		return false;
	if (!pair || sl_turn_reserve(t->reservations, &s->ports, &s->prng, src->relay, (uint16_t)(src->port + 1),
			     r->now->s, token))
		return true;
	sl_port_give_back(&s->ports, src->relay, src->port);
	sl_port_give_back(&s->ports, src->relay, (uint16_t)(src->port + 1));
	return false;
}

static void give_quotas(struct sl_turn_request *r)
{
	sl_turn_quota_give(r->t->quota, r->auth.quota_hash);
	sl_turn_source_give(r->t, &r->flow->ip);
}

/* Make the allocation: 0 or an error code, with nothing left behind. */
static unsigned create(struct sl_turn_request *r, uint8_t family)
{
	struct sl_turn *t = r->t;
	struct sl_sessions *s = t->sessions;
	struct source src = {0};
	uint8_t token[SL_RESERVATION_TOKEN_BYTES] = {0};

	if (!sl_turn_quota_take(t->quota, r->auth.quota_hash, sl_turn_conf_settings(t->conf)->user_quota))
		return 486;
	if (!sl_turn_source_take(t, &r->flow->ip)) {
		sl_turn_quota_give(t->quota, r->auth.quota_hash);
		return 486;
	}
	if (s->alloc_free == SL_NONE || !find_source(r, family, &src, token)) {
		give_quotas(r);
		return 508;
	}
	struct sl_cold_auth auth = cold_auth(&r->auth);
	r->alloc = sl_alloc_create(s, r->flow, src.relay, htons(src.port), r->now->s, lifetime_of(r), &auth);
	explicit_bzero(&auth, sizeof auth);
	if (r->alloc == SL_NONE) {
		/* A reserved neighbour frees itself in time. */
		sl_port_give_back(&s->ports, src.relay, src.port);
		give_quotas(r);
		return 508;
	}
	sl_alloc_set_transaction(s, r->alloc, r->m.tid, token);
	return 0;
}

struct sl_turn_verdict sl_turn_allocate(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	uint8_t family;

	if (r->alloc != SL_NONE) {
		/* RFC 8656 7.2 step 2: a retransmission gets the same answer, anything else is a mismatch. */
		const struct sl_cold_alloc *c = &t->sessions->cold.allocs[r->alloc];
		bool again = c->auth.username_hash == r->auth.username_hash &&
			memcmp(c->allocate_tid, r->m.tid, SL_STUN_TID_BYTES) == 0;
		return again ? allocate_success(r) : sl_turn_error(r, 437);
	}
	unsigned code = check_allocate(r, &family);
	if (code == 0)
		code = create(r, family);
	if (code != 0)
		return sl_turn_error(r, code);
	t->counters[SL_C_allocations_created]++;
	if (t->event)
		t->event(t->ctx, r->alloc, SL_ALLOC_CREATED, SL_ALLOC_END_NONE);
	return allocate_success(r);
}

struct sl_turn_verdict sl_turn_refresh(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	unsigned code = sl_turn_need_allocation(r);
	uint32_t lifetime_s = 0;
	struct sl_stun_builder b;

	/* A retransmitted Refresh of lifetime 0 gets 437, which its client takes for success (RFC 8656 8.3). */
	if (code != 0)
		return sl_turn_error(r, code);
	const struct sl_alloc *a = &t->sessions->allocs[r->alloc];
	if (r->m.has_family && r->m.family != (sl_ip_is_v4(&t->relay[a->relay]) ? FAMILY_IPV4 : FAMILY_IPV6))
		return sl_turn_error(r, 443);
	if (r->m.has_lifetime && r->m.lifetime_s == 0) {
		sl_turn_end_allocation(t, r->alloc, SL_ALLOC_END_CLIENT);
		r->alloc = SL_NONE;
	} else {
		lifetime_s = lifetime_of(r);
		sl_alloc_refresh(t->sessions, r->alloc, r->now->s, lifetime_s);
		t->counters[SL_C_allocations_refreshed]++;
		if (t->event)
			t->event(t->ctx, r->alloc, SL_ALLOC_REFRESHED, SL_ALLOC_END_NONE);
	}
	sl_turn_reply_begin(r, &b, SL_STUN_SUCCESS);
	sl_stun_add_u32(&b, SL_ATTR_LIFETIME, lifetime_s);
	return sl_turn_reply_end(r, &b, SL_STUN_SUCCESS);
}

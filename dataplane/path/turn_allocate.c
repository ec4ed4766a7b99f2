/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Allocate and Refresh (RFC 8656 7, 8). */

#include <errno.h>

#include "dataplane/path/turn_internal.h"
#include "dataplane/path/turn_outside.h"
#include "dataplane/path/turn_tcp.h"

enum { FAMILY_IPV4 = 1, FAMILY_IPV6 = 2, TRANSPORT_TCP = 6, TRANSPORT_UDP = 17 };

/* What an Allocate asks for. */
struct wanted {
	uint8_t family;
	bool both; /* families: ADDITIONAL-ADDRESS-FAMILY */
	bool tcp;
};

/* Where a relayed transport address of a new allocation comes from. */
struct source {
	bool redeem;
	unsigned relay;
	uint16_t port; /* host order */
};

/* RFC 8656 7.2: what was asked for up to the maximum, never less than the default; in a drain no longer than that allows. */
static uint32_t lifetime_of(const struct sl_turn_request *r)
{
	uint32_t least = sl_turn_conf_settings(r->t->conf)->default_lifetime_s, most = sl_turn_max_lifetime(r);
	uint32_t s = r->m.has_lifetime ? r->m.lifetime_s : least;

	if (s < least)
		s = least;
	return s < most ? s : most;
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

/* The transport and what may not stand beside it: 0 or an error code. */
static unsigned check_transport(const struct sl_turn_request *r, struct wanted *w)
{
	if (!r->m.has_transport)
		return 400;
	w->tcp = r->m.transport == TRANSPORT_TCP;
	if (w->tcp)
		return sl_turn_tcp_wanted(r);
	return r->m.transport == TRANSPORT_UDP ? 0 : 442;
}

/* Which families: 0 or an error code. */
static unsigned check_families(const struct sl_turn_request *r, struct wanted *w)
{
	const struct sl_stun *m = &r->m;

	if (m->reservation_token.off && (m->has_even_port || m->has_family || m->has_additional_family))
		return 400;
	if (m->has_additional_family &&
		(m->has_family || m->additional_family != FAMILY_IPV6 || (m->has_even_port && m->even_port_reserve)))
		return 400;
	w->family = m->has_family ? m->family : FAMILY_IPV4;
	w->both = m->has_additional_family && !w->tcp;
	if (w->family != FAMILY_IPV4 && w->family != FAMILY_IPV6)
		return 440;
	bool some = has_family(r->t, w->family) || (w->both && has_family(r->t, FAMILY_IPV6));
	return some || m->reservation_token.off ? 0 : 440;
}

/* The checks of RFC 8656 7.2 in their order, after authentication and the five-tuple: 0 or an error code. */
static unsigned check_allocate(struct sl_turn_request *r, struct wanted *w)
{
	unsigned code = check_transport(r, w);

	if (code == 0)
		code = check_families(r, w);
	if (code == 0)
		code = sl_turn_mobility_wanted(r);
	/* Connections to its peers cannot follow a client. */
	return code == 0 && w->tcp && (r->flags & SL_ALLOC_IS_MOBILE) ? 405 : code;
}

/* RFC 8656 7.2, 18.12: the family that was asked for and is not there, with the reason. */
static void add_address_error(const struct sl_turn_request *r, struct sl_stun_builder *b)
{
	const struct sl_alloc *a = &r->t->sessions->allocs[r->alloc];
	uint8_t missing = sl_ip_is_v4(&r->t->relay[a->relay]) ? FAMILY_IPV6 : FAMILY_IPV4;
	bool there_is = has_family(r->t, missing) && !(a->flags & SL_ALLOC_IS_TCP);
	const uint8_t refused[] = {missing, 0, there_is ? 5 : 4, there_is ? 8 : 40};

	sl_stun_add(b, r->m.additional_by_draft ? SL_ATTR_DRAFT_ADDRESS_ERROR_CODE : SL_ATTR_ADDRESS_ERROR_CODE, refused, sizeof refused);
}

struct sl_turn_verdict sl_turn_allocate_success(struct sl_turn_request *r)
{
	const struct sl_turn *t = r->t;
	const struct sl_alloc *a = &t->sessions->allocs[r->alloc];
	const struct sl_cold_alloc *c = &t->sessions->cold.allocs[r->alloc];
	const struct sl_endpoint relayed = sl_turn_outward(t, &(struct sl_endpoint){t->relay[a->relay], a->relay_port_be});
	const struct sl_endpoint client = {r->flow->ip, r->flow->port_be};
	static const uint8_t no_token[sizeof c->reservation_token];
	struct sl_stun_builder b;

	sl_turn_reply_begin(r, &b, SL_STUN_SUCCESS);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_RELAYED_ADDRESS, &relayed);
	if (a->relay2 != SL_NO_RELAY2) {
		const struct sl_endpoint second = sl_turn_outward(t, &(struct sl_endpoint){t->relay[a->relay2], a->relay2_port_be});
		sl_stun_add_xor_addr(&b, SL_ATTR_XOR_RELAYED_ADDRESS, &second);
	}
	sl_stun_add_u32(&b, SL_ATTR_LIFETIME, a->expires_s - r->now->s);
	if (memcmp(c->reservation_token, no_token, sizeof no_token) != 0)
		sl_stun_add(&b, SL_ATTR_RESERVATION_TOKEN, c->reservation_token, sizeof c->reservation_token);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_MAPPED_ADDRESS, &client);
	if (r->m.has_additional_family && a->relay2 == SL_NO_RELAY2)
		add_address_error(r, &b);
	if (a->flags & SL_ALLOC_IS_MOBILE)
		sl_turn_ticket_add(r, &b);
	return sl_turn_reply_end(r, &b, SL_STUN_SUCCESS);
}

static struct sl_cold_auth cold_auth(const struct sl_turn_request *r)
{
	const struct sl_turn_auth *auth = &r->auth;
	struct sl_cold_auth c = {
		.flags = r->flags,
		.realm = (uint8_t)r->realm,
		.realm_tag = sl_turn_conf_realm_tag(r->t->conf, r->realm),
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

/* The relayed addresses: one as asked, or one of each family, of which one may be lacking. False: none. */
static bool find_sources(struct sl_turn_request *r, const struct wanted *w, struct source src[2], unsigned *n, uint8_t token[8])
{
	*n = 0;
	if (!w->both) {
		*n = find_source(r, w->family, &src[0], token);
	} else {
		*n += find_source(r, FAMILY_IPV4, &src[*n], token);
		*n += find_source(r, FAMILY_IPV6, &src[*n], token);
	}
	return *n > 0;
}

static void give_back(struct sl_turn_request *r, const struct source *src, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		sl_port_give_back(&r->t->sessions->ports, src[i].relay, src[i].port);
}

static unsigned no_room(struct sl_turn_request *r)
{
	sl_turn_unadmit(r);
	return 508;
}

/* Make the allocation: 0 or an error code, with nothing left behind. */
static unsigned create(struct sl_turn_request *r, const struct wanted *w)
{
	struct sl_sessions *s = r->t->sessions;
	struct source src[2] = {0};
	uint8_t token[SL_RESERVATION_TOKEN_BYTES] = {0};
	unsigned n, code = sl_turn_admit(r);

	if (code != 0)
		return code;
	if (s->alloc_free == SL_NONE || (w->tcp && !sl_tcp_has_room(r->t->tcp)) || !find_sources(r, w, src, &n, token))
		return no_room(r);
	if (w->tcp)
		r->flags |= SL_ALLOC_IS_TCP;
	struct sl_cold_auth auth = cold_auth(r);
	r->alloc = sl_alloc_create(s, r->flow, src[0].relay, htons(src[0].port), r->now->s, lifetime_of(r), &auth);
	explicit_bzero(&auth, sizeof auth);
	if (r->alloc == SL_NONE) {
		/* A reserved neighbour frees itself in time. */
		give_back(r, src, n);
		return no_room(r);
	}
	if (n > 1)
		sl_alloc_add_relay(s, r->alloc, src[1].relay, htons(src[1].port));
	s->allocs[r->alloc].meter = r->meter;
	sl_alloc_set_transaction(s, r->alloc, r->m.tid, token);
	return 0;
}

/* RFC 8656 7.2 step 2: a retransmission gets the same answer, anything else is a mismatch. */
static struct sl_turn_verdict allocate_again(struct sl_turn_request *r)
{
	const struct sl_cold_alloc *c = &r->t->sessions->cold.allocs[r->alloc];
	bool again = c->auth.username_hash == r->auth.username_hash && memcmp(c->allocate_tid, r->m.tid, SL_STUN_TID_BYTES) == 0;

	if (!again)
		return sl_turn_error(r, 437);
	if (sl_turn_tcp_is_pending(r->t, r->alloc))
		return sl_turn_drop(SL_N_DROPS);
	return sl_turn_allocate_success(r);
}

struct sl_turn_verdict sl_turn_allocate(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	struct sl_turn_verdict v;
	struct wanted w;

	if (r->alloc != SL_NONE)
		return allocate_again(r);
	unsigned code = check_allocate(r, &w);
	if (code == 0 && sl_turn_redirect(r, &v))
		return v;
	if (code == 0)
		code = create(r, &w);
	if (code != 0)
		return sl_turn_error(r, code);
	t->counters[SL_C_allocations_created]++;
	if (t->event)
		t->event(t->ctx, r->alloc, SL_ALLOC_CREATED, SL_ALLOC_END_NONE);
	if (!w.tcp)
		return sl_turn_allocate_success(r);
	code = sl_turn_tcp_listen(r);
	return code == 0 ? sl_turn_drop(SL_N_DROPS) : sl_turn_error(r, code); /* answered once it listens */
}

/* RFC 8656 8.2: the relayed addresses that a Refresh is about; 0 with which of them (all, or the one of a family), or 443. */
enum which { BOTH, FIRST, SECOND };
static unsigned which_relay(const struct sl_turn_request *r, enum which *which)
{
	const struct sl_alloc *a = &r->t->sessions->allocs[r->alloc];
	bool v4 = r->m.family == FAMILY_IPV4;

	*which = BOTH;
	if (!r->m.has_family)
		return 0;
	if (r->m.family != FAMILY_IPV4 && r->m.family != FAMILY_IPV6)
		return 443;
	if (a->relay2 != SL_NO_RELAY2) {
		*which = sl_ip_is_v4(&r->t->relay[a->relay]) == v4 ? FIRST : SECOND;
		return 0;
	}
	return sl_ip_is_v4(&r->t->relay[a->relay]) == v4 ? 0 : 443;
}

/* Lifetime 0: the allocation goes, or one of its two relayed addresses. */
static void end_some(struct sl_turn_request *r, enum which which)
{
	if (which == BOTH) {
		sl_turn_end_allocation(r->t, r->alloc, SL_ALLOC_END_CLIENT);
		r->alloc = SL_NONE;
		return;
	}
	sl_alloc_drop_relay(r->t->sessions, r->alloc, which == SECOND);
	if (r->t->event)
		r->t->event(r->t->ctx, r->alloc, SL_ALLOC_REFRESHED, SL_ALLOC_END_NONE);
}

static unsigned go_on(struct sl_turn_request *r, uint32_t *lifetime_s)
{
	struct sl_turn *t = r->t;
	unsigned code = sl_turn_mobility_begin(r);

	if (code != 0)
		return code;
	*lifetime_s = lifetime_of(r);
	sl_alloc_refresh(t->sessions, r->alloc, r->now->s, *lifetime_s);
	t->counters[SL_C_allocations_refreshed]++;
	if (t->event)
		t->event(t->ctx, r->alloc, SL_ALLOC_REFRESHED, SL_ALLOC_END_NONE);
	return 0;
}

struct sl_turn_verdict sl_turn_refresh(struct sl_turn_request *r)
{
	struct sl_turn *t = r->t;
	unsigned code = r->ticket_code ? r->ticket_code : sl_turn_need_allocation(r);
	uint32_t lifetime_s = 0;
	struct sl_stun_builder b;
	enum which which;

	/* A retransmitted Refresh of lifetime 0 gets 437, which its client takes for success (RFC 8656 8.3). */
	if (code == 0)
		code = which_relay(r, &which);
	if (code == 0 && r->m.has_lifetime && r->m.lifetime_s == 0)
		end_some(r, which);
	else if (code == 0)
		code = go_on(r, &lifetime_s);
	if (code != 0)
		return sl_turn_error(r, code);
	sl_turn_reply_begin(r, &b, SL_STUN_SUCCESS);
	sl_stun_add_u32(&b, SL_ATTR_LIFETIME, lifetime_s);
	if (r->alloc != SL_NONE && (t->sessions->allocs[r->alloc].flags & SL_ALLOC_IS_MOBILE) && lifetime_s > 0)
		sl_turn_ticket_add(r, &b);
	return sl_turn_reply_end(r, &b, SL_STUN_SUCCESS);
}

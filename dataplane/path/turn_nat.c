/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Binding (RFC 8489 12), and NAT behaviour discovery (RFC 5780): four listeners, two addresses by two ports, answer for each other. */

#include "dataplane/path/turn_internal.h"
#include "dataplane/path/turn_outside.h"

enum {
	NAT_LISTENERS = 4,
	OTHER_PORT = 1, /* bits of an index into sl_cmd_turn.nat */
	OTHER_ADDRESS = 2,
	ATTR_HEADER = 4,
	FINGERPRINT_BYTES = 8,
};

/* Which of the four the request came to, or -1: this is no part of it. */
static int nat_index(const struct sl_turn_request *r)
{
	const struct sl_cmd_turn *conf = r->t->conf ? sl_turn_conf_settings(r->t->conf) : NULL;

	if (!conf || !conf->nat_discovery || r->flow->transport != IPPROTO_UDP)
		return -1;
	for (int i = 0; i < NAT_LISTENERS; i++)
		if (conf->nat[i] == r->flow->listener)
			return i;
	return -1;
}

static void refuse(struct sl_turn_request *r, bool has, uint16_t type)
{
	if (has && r->m.n_unknown < SL_STUN_MAX_UNKNOWN)
		r->m.unknown[r->m.n_unknown++] = type;
}

void sl_turn_nat_refuse(struct sl_turn_request *r)
{
	refuse(r, r->m.has_change_request, SL_ATTR_CHANGE_REQUEST);
	refuse(r, r->m.has_response_port, SL_ATTR_RESPONSE_PORT);
	refuse(r, r->m.has_padding, SL_ATTR_PADDING);
}

/* RFC 5780 7.6 wants as much padding as a packet holds; what is answered is no longer than what was asked, so that nobody else can be flooded with it. */
static void add_padding(const struct sl_turn_request *r, struct sl_stun_builder *b)
{
	static const uint8_t zero[1280];
	unsigned end = b->len + ATTR_HEADER + (r->m.has_fingerprint ? FINGERPRINT_BYTES : 0), room = r->m.len < r->reply_cap ? r->m.len : r->reply_cap;

	if (room > end)
		sl_stun_add(b, SL_ATTR_PADDING, zero, room - end < sizeof zero ? room - end : sizeof zero);
}

/* The rest of an answer at one of the four: whom it comes from, and whom else one may ask. */
static struct sl_turn_verdict nat_answer(struct sl_turn_request *r, struct sl_stun_builder *b, unsigned at)
{
	struct sl_turn *t = r->t;
	const struct sl_stun *m = &r->m;
	const uint16_t *nat = sl_turn_conf_settings(t->conf)->nat;
	unsigned from = at ^ (m->change_ip ? OTHER_ADDRESS : 0) ^ (m->change_port ? OTHER_PORT : 0);

	const struct sl_endpoint origin = sl_turn_outward(t, &t->listeners[nat[from]]);
	const struct sl_endpoint other = sl_turn_outward(t, &t->listeners[nat[at ^ OTHER_ADDRESS ^ OTHER_PORT]]);
	sl_stun_add_addr(b, SL_ATTR_RESPONSE_ORIGIN, &origin);
	sl_stun_add_addr(b, SL_ATTR_OTHER_ADDRESS, &other);
	if (m->has_padding)
		add_padding(r, b);
	struct sl_turn_verdict v = sl_turn_reply_end(r, b, SL_STUN_SUCCESS);
	if (from != at)
		v.reply_from = nat[from];
	if (m->has_response_port) {
		v.reply_elsewhere = true;
		v.reply_to = (struct sl_endpoint){r->flow->ip, m->response_port_be};
	}
	if (from != at || m->has_response_port || m->has_padding)
		t->counters[SL_C_nat_discovery]++;
	return v;
}

struct sl_turn_verdict sl_turn_binding(struct sl_turn_request *r)
{
	struct sl_stun_builder b;
	const struct sl_endpoint client = {r->flow->ip, r->flow->port_be};
	int at = nat_index(r);

	if (at < 0)
		sl_turn_nat_refuse(r);
	if (r->m.n_unknown > 0)
		return sl_turn_error(r, 420);
	/* RFC 5780 6.1: fragments would go to a port that asked for none; and a port there has to be. */
	if (r->m.has_response_port && (r->m.has_padding || r->m.response_port_be == 0))
		return sl_turn_error(r, 400);
	if (!sl_turn_unauthenticated_ok(r))
		return sl_turn_drop(SL_DROP_unauthenticated_limit);
	sl_turn_reply_begin(r, &b, SL_STUN_SUCCESS);
	sl_stun_add_xor_addr(&b, SL_ATTR_XOR_MAPPED_ADDRESS, &client);
	return at < 0 ? sl_turn_reply_end(r, &b, SL_STUN_SUCCESS) : nat_answer(r, &b, (unsigned)at);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Where messages come from. Connections have numbers of ours, given when a first message comes over one and never again to another, so
 * that what is kept (bindings, dialogs) can name one that may have gone. */

#include "controlplane/sip/internal.h"

#include "controlplane/brain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include <sofia-sip/nta_tport.h>

enum {
	CONNECTION_TABLE_MIN = 1024,
	/* A connection is held as long as a binding may name it: beyond that without a message it loses its number, and Sofia closes it
	 * when it is idle (agent.c). */
	HOLD_MS = 3 * 3600 * 1000,
	/* Beyond the limit connections of sources that have a quarter of it go first: a whole office may lie behind one address (IPv6: one
	 * /64). */
	SOURCES = 4096,
	PER_SOURCE_SHARE = 4,
	PER_SOURCE_MIN = 16,
	V6_SITE_BYTES = 8,
};

const char *sl_sip_transport_name(enum sl_sip_transport t)
{
	static const char *const names[] = {[SL_SIP_UDP] = "udp", [SL_SIP_TCP] = "tcp", [SL_SIP_TLS] = "tls"};

	return (unsigned)t < sizeof names / sizeof names[0] ? names[t] : "?";
}

/* ---- the table of connections ---- */

int sl_sip_connections_open(struct sl_sip *s)
{
	struct sl_sip_connections *c = &s->connections;
	uint32_t n = CONNECTION_TABLE_MIN;

	while (n < s->config->sip.max_connections)
		n *= 2;
	c->by_number = calloc(n, sizeof *c->by_number);
	c->by_tport = calloc(n, sizeof *c->by_tport);
	c->mask = n - 1;
	return c->by_number && c->by_tport ? 0 : -ENOMEM;
}

static uint32_t number_place(const struct sl_sip *s, uint32_t number, bool tls)
{
	return (number * UINT32_C(2654435761) ^ tls) & s->connections.mask;
}

static uint32_t tport_place(const struct sl_sip *s, const tport_t *tp)
{
	return (uint32_t)sl_siphash(&s->key, &tp, sizeof tp) & s->connections.mask;
}

static struct sl_sip_connection *by_number(const struct sl_sip *s, uint32_t number, bool tls)
{
	struct sl_sip_connection *k = s->connections.by_number[number_place(s, number, tls)];

	while (k && (k->number != number || k->tls != tls))
		k = k->next_number;
	return k;
}

static void forget(struct sl_sip *s, struct sl_sip_connection *k)
{
	struct sl_sip_connection **at = &s->connections.by_number[number_place(s, k->number, k->tls)];

	while (*at && *at != k)
		at = &(*at)->next_number;
	if (*at)
		*at = k->next_number;
	if (k->tport) {
		at = &s->connections.by_tport[tport_place(s, k->tport)];
		while (*at && *at != k)
			at = &(*at)->next_tport;
		if (*at)
			*at = k->next_tport;
		if (k->pending > 0)
			tport_release(k->tport, k->pending, NULL, NULL, (tp_client_t *)k, 0);
		tport_unref(k->tport);
	}
	s->connections.n_open--;
	s->connections.n_tcp -= k->tport != NULL;
	free(k);
}

/* The connection broke. One that the other side closed in order is found by the tick: Sofia tells nobody of that. */
static void tport_ended(tp_stack_t *stack, tp_client_t *client, tport_t *tp, msg_t *msg, int error)
{
	struct sl_sip_connection *k = (struct sl_sip_connection *)client;

	(void)stack;
	(void)tp;
	(void)msg;
	(void)error;
	forget(k->sip, k);
}

static struct sl_sip_connection *insert(struct sl_sip *s, uint32_t number, tport_t *tp)
{
	struct sl_sip_connection *k = calloc(1, sizeof *k), **at;

	if (k == NULL)
		return NULL;
	k->sip = s;
	k->number = number;
	k->tls = tp == NULL;
	k->tport = tp ? tport_ref(tp) : NULL;
	k->last_ms = sl_now_ms();
	at = &s->connections.by_number[number_place(s, number, k->tls)];
	k->next_number = *at;
	*at = k;
	if (tp) {
		at = &s->connections.by_tport[tport_place(s, tp)];
		k->next_tport = *at;
		*at = k;
	}
	s->connections.n_open++;
	s->connections.n_tcp += tp != NULL;
	return k;
}

static uint16_t source_of(const struct sl_sip *s, const struct sl_ip *ip)
{
	return (uint16_t)(sl_siphash(&s->key, ip->b, sl_ip_is_v4(ip) ? sizeof ip->b : V6_SITE_BYTES) % SOURCES);
}

static uint32_t number_of(struct sl_sip *s, tport_t *tp, const struct sl_ip *remote)
{
	struct sl_sip_connection *k = s->connections.by_tport[tport_place(s, tp)];

	while (k && k->tport != tp)
		k = k->next_tport;
	if (k) {
		k->last_ms = sl_now_ms();
		return k->number;
	}
	if (++s->connections.last_number == 0)
		s->connections.last_number = 1;
	k = insert(s, s->connections.last_number, tp);
	if (k == NULL)
		return 0;
	k->source = source_of(s, remote);
	k->pending = tport_pend(tp, NULL, tport_ended, (tp_client_t *)k);
	if (k->pending < 0) {
		forget(s, k);
		return 0;
	}
	return k->number;
}

tport_t *sl_sip_connection_of(const struct sl_sip *s, const struct sl_sip_flow *f)
{
	const struct sl_sip_connection *k;

	if (f->transport != SL_SIP_TCP || f->epoch != s->epoch || f->connection == 0)
		return NULL;
	k = by_number(s, f->connection, false);
	return k && !tport_is_closed(k->tport) && !tport_is_shutdown(k->tport) ? k->tport : NULL;
}

bool sl_sip_flow_is_open(const struct sl_sip *s, const struct sl_sip_flow *f)
{
	switch (f->transport) {
	case SL_SIP_UDP:
		return true;
	case SL_SIP_TCP:
		return sl_sip_connection_of(s, f) != NULL;
	case SL_SIP_TLS:
		return f->epoch == s->epoch && f->connection && by_number(s, f->connection, true) != NULL;
	default:
		return false;
	}
}

void sl_sip_connection_closed(void *sip, uint32_t connection)
{
	struct sl_sip *s = sip;
	struct sl_sip_connection *k = by_number(s, connection, true);

	if (k)
		forget(s, k);
}

void sl_sip_connections_close(struct sl_sip *s)
{
	struct sl_sip_connections *c = &s->connections;

	if (c->by_number == NULL || c->by_tport == NULL)
		goto tables;
	for (uint32_t i = 0; i <= c->mask; i++) {
		while (c->by_number[i])
			forget(s, c->by_number[i]);
	}
tables:
	free(c->by_number);
	free(c->by_tport);
	c->by_number = c->by_tport = NULL;
}

static void sweep(struct sl_sip *s, int64_t now_ms)
{
	if (s->connections.n_open == 0)
		return;
	for (uint32_t i = 0; i <= s->connections.mask; i++) {
		for (struct sl_sip_connection *k = s->connections.by_number[i], *next; k; k = next) {
			next = k->next_number;
			if (k->tport && (tport_is_closed(k->tport) || tport_is_shutdown(k->tport) || now_ms - k->last_ms > HOLD_MS))
				forget(s, k);
		}
	}
}

static bool has_number(const struct sl_sip *s, const tport_t *tp)
{
	const struct sl_sip_connection *k = s->connections.by_tport[tport_place(s, tp)];

	while (k && k->tport != tp)
		k = k->next_tport;
	return k != NULL;
}

/* Those that never sent a message have no number. Sofia shows a tree of connections from its root on, which is about half of it: what is
 * seen counts twice, and the rest comes into sight as the tree is rebuilt. */
static void shed_silent(struct sl_sip *s, unsigned room)
{
	unsigned seen = 0;

	for (unsigned i = 0; i < s->n_listeners; i++) {
		if (s->primaries[i].tport == NULL || s->listeners[i].transport != SL_CONF_SIP_TCP)
			continue;
		for (tport_t *tp = tport_secondary(s->primaries[i].tport), *next; tp; tp = next) {
			next = tport_next(tp);
			if (tport_is_closed(tp) || tport_is_shutdown(tp) || has_number(s, tp) || 2 * ++seen <= room)
				continue;
			tport_shutdown(tp, 2);
			s->counts.closed_limit++;
		}
	}
}

static void shed(struct sl_sip *s, struct sl_sip_connection *k)
{
	tport_t *tp = tport_ref(k->tport); /* forgotten first: closing may tell of an error */

	forget(s, k);
	tport_shutdown(tp, 2);
	tport_unref(tp);
	s->counts.closed_limit++;
}

/* Of sources that have more than their share, or of any. */
static unsigned shed_of(struct sl_sip *s, unsigned excess, uint32_t n_of[SOURCES], uint32_t share)
{
	for (uint32_t i = 0; i <= s->connections.mask && excess; i++) {
		for (struct sl_sip_connection *k = s->connections.by_number[i], *next; k && excess; k = next) {
			next = k->next_number;
			if (k->tport == NULL || n_of[k->source] <= share)
				continue;
			n_of[k->source]--;
			shed(s, k);
			excess--;
		}
	}
	return excess;
}

static void shed_numbered(struct sl_sip *s, unsigned excess)
{
	static uint32_t n_of[SOURCES]; /* large; the brain has one thread */
	uint32_t share = s->config->sip.max_connections / PER_SOURCE_SHARE;

	memset(n_of, 0, sizeof n_of);
	for (uint32_t i = 0; i <= s->connections.mask; i++) {
		for (const struct sl_sip_connection *k = s->connections.by_number[i]; k; k = k->next_number) {
			if (k->tport)
				n_of[k->source]++;
		}
	}
	excess = shed_of(s, excess, n_of, share > PER_SOURCE_MIN ? share : PER_SOURCE_MIN);
	shed_of(s, excess, n_of, 0);
}

/* nta accepts whatever comes: above the limit those that never sent a message go first, then those of who has most. */
void sl_sip_connections_tick(struct sl_sip *s, int64_t now_ms)
{
	unsigned limit = s->config->sip.max_connections, n;

	sweep(s, now_ms);
	n = s->connections.n_tcp;
	shed_silent(s, n < limit ? limit - n : 0);
	if (n > limit)
		shed_numbered(s, n - limit);
}

/* ---- of a message ---- */

static void endpoint_of(const su_sockaddr_t *su, struct sl_endpoint *out)
{
	memset(out, 0, sizeof *out);
	if (su->su_family == AF_INET) {
		sl_ip_set_v4(&out->ip, su->su_sin.sin_addr.s_addr);
		out->port_be = su->su_sin.sin_port;
	} else if (su->su_family == AF_INET6) {
		sl_ip_set_v6(&out->ip, &su->su_sin6.sin6_addr);
		out->port_be = su->su_sin6.sin6_port;
	}
}

/* Not during delivery: the listener that it may have come by. */
static unsigned guess_listener(const struct sl_sip *s, const struct sl_endpoint *from, unsigned transport)
{
	for (unsigned i = 0; i < s->n_listeners; i++) {
		if (s->listeners[i].transport == transport && sl_ip_is_v4(&s->listeners[i].address.ip) == sl_ip_is_v4(&from->ip))
			return i;
	}
	return 0;
}

/* What the edge says, if it is the edge. */
static bool edge_says(const struct sl_sip *s, const sip_t *sip, struct sl_edge_flow *out)
{
	for (const sip_unknown_t *u = sip->sip_unknown; u; u = u->un_next) {
		if (strcasecmp(u->un_name, SL_EDGE_FLOW_HEADER) == 0)
			return u->un_value && sl_edge_flow_parse(u->un_value, s->edge_key, out) == 0 && out->listener < s->n_listeners;
	}
	return false;
}

void sl_sip_edge_identity(struct sl_sip *s, const sip_t *sip, char out[128])
{
	struct sl_edge_flow e;

	out[0] = '\0';
	if (edge_says(s, sip, &e))
		memcpy(out, e.identity, sizeof e.identity);
}

static void edge_flow(struct sl_sip *s, const sip_t *sip, struct sl_sip_flow *out)
{
	struct sl_edge_flow e;

	out->transport = SL_SIP_TLS;
	memset(&out->remote, 0, sizeof out->remote);
	if (!edge_says(s, sip, &e))
		return; /* a response; or somebody else on loopback: a flow that leads nowhere */
	out->connection = e.connection;
	out->listener = e.listener;
	out->remote = e.remote;
	out->local = s->listeners[e.listener].address;
	if (by_number(s, e.connection, true) == NULL)
		insert(s, e.connection, NULL);
}

void sl_sip_flow_of(struct sl_sip *s, msg_t *msg, const sip_t *sip, struct sl_sip_flow *out)
{
	tport_t *tp = tport_delivered_by(nta_agent_tports(s->agent), msg), *parent;

	memset(out, 0, sizeof *out);
	out->epoch = s->epoch;
	endpoint_of(msg_addr(msg), &out->remote);
	if (tp == NULL) {
		bool udp = sip->sip_via && sip->sip_via->v_protocol && strcasecmp(sip->sip_via->v_protocol, sip_transport_udp) == 0;

		out->transport = udp ? SL_SIP_UDP : SL_SIP_TCP;
		out->listener = (uint8_t)guess_listener(s, &out->remote, out->transport);
		out->local = s->listeners[out->listener].address;
		return;
	}
	parent = tport_parent(tp);
	if (parent == s->primaries[SL_SIP_EDGE_INDEX].tport) {
		edge_flow(s, sip, out);
		return;
	}
	for (unsigned i = 0; i < s->n_listeners; i++) {
		if (s->primaries[i].tport == parent) {
			out->listener = (uint8_t)i;
			break;
		}
	}
	out->local = s->listeners[out->listener].address;
	out->transport = tport_is_udp(tp) ? SL_SIP_UDP : SL_SIP_TCP;
	if (out->transport == SL_SIP_TCP)
		out->connection = number_of(s, tp, &out->remote.ip);
}

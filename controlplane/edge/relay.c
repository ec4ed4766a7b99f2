/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A message from one side to the other. Nothing is remembered of it: branches say what its responses need.
 *
 *   towards nta      branch = z9hG4bKe CONNECTION . HASH(connection, the client's branch)
 *   towards a client branch = nta's branch . HASH(connection, nta's branch); nta's own Via is not shown to anybody */

#include "controlplane/edge/thread.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COOKIE "z9hG4bK"     /* RFC 3261 8.1.1.7 */
#define OUR_COOKIE COOKIE "e"

enum { HASH_HEX = 16, BRANCH_MAX = 200, VIA_MAX = 400 };

static struct sl_slice text_slice(const char *p)
{
	return (struct sl_slice){p, strlen(p)};
}

static uint64_t hash_more(const struct sl_edge *e, uint64_t h, struct sl_slice s)
{
	struct sl_siphash_key k = {e->hash_key.k0 ^ h, e->hash_key.k1};

	return sl_siphash(&k, s.p, s.n);
}

static uint64_t hash_branch(const struct sl_edge *e, const struct sl_edge_conn *c, struct sl_slice branch)
{
	return hash_more(e, c->id, branch);
}

/* What a client's transaction is told by: its branch, or, from a client older than RFC 3261, what 16.11 of it names. */
static uint64_t hash_transaction(const struct sl_edge *e, const struct sl_edge_conn *c, const char *text, const struct sl_head *h,
        const struct sl_via *via)
{
	uint64_t hash;
	struct sl_slice cseq = sl_head_value(text, &h->cseq);

	if (via->branch.n > sizeof COOKIE - 1 && strncasecmp(via->branch.p, COOKIE, sizeof COOKIE - 1) == 0)
		return hash_branch(e, c, via->branch);
	while (cseq.n && cseq.p[cseq.n - 1] > ' ')
		cseq.n--; /* the number, without the method */
	hash = hash_branch(e, c, sl_head_value(text, &h->via));
	hash = hash_more(e, hash, sl_head_value(text, &h->call_id));
	hash = hash_more(e, hash, sl_head_value(text, &h->from));
	hash = hash_more(e, hash, h->uri);
	return hash_more(e, hash, cseq);
}

/* ---- edits that every message gets ---- */

/* Headers of ours that come from outside, and a single Content-Length that says what was counted here. */
static void edit_lengths(struct sl_edits *es, const struct sl_head *h, const struct sl_frame *f, char *line, size_t room)
{
	for (unsigned i = 0; i < h->n_strip; i++)
		sl_edit_note(es, h->strip[i].at, h->strip[i].end - h->strip[i].at, (struct sl_slice){"", 0});
	snprintf(line, room, "Content-Length: %zu\r\n", f->total - f->head);
	sl_edit_note(es, h->end, 0, text_slice(line));
}

/* Where it came from, in its own Via (RFC 3261 18.2.1, RFC 3581 4). */
static void edit_received(struct sl_edits *es, const struct sl_edge_conn *c, const struct sl_head *h, const char *text, const struct sl_via *via,
        char *added, size_t room)
{
	char ip[SL_ADDR_TEXT_MAX], rport[16] = "";
	struct sl_ip host;
	char name[SL_ADDR_TEXT_MAX] = "";
	bool elsewhere = true;

	if (via->host.n > 2 && via->host.p[0] == '[' && via->host.n < sizeof name)
		snprintf(name, sizeof name, "%.*s", (int)via->host.n - 2, via->host.p + 1);
	else if (via->host.n < sizeof name)
		snprintf(name, sizeof name, "%.*s", (int)via->host.n, via->host.p);
	if (sl_ip_parse(name, &host) == 0)
		elsewhere = !sl_ip_eq(&host, &c->remote.ip);
	if (via->received.n)
		sl_edit_note(es, (size_t)(via->received.p - text), via->received.n, (struct sl_slice){"", 0});
	if (via->has_rport) {
		sl_edit_note(es, (size_t)(via->rport.p - text), via->rport.n, (struct sl_slice){"", 0});
		snprintf(rport, sizeof rport, ";rport=%u", ntohs(c->remote.port_be));
	}
	if (!elsewhere && !via->has_rport)
		return;
	snprintf(added, room, "%s;received=%s", rport, sl_ip_text(&c->remote.ip, ip));
	sl_edit_note(es, h->via.first_end, 0, text_slice(added));
}

/* ---- from a client ---- */

static bool to_nta(struct sl_edge *e, struct sl_edge_conn *c, const struct sl_edits *es, const char *text, size_t n)
{
	size_t size = sl_edit_size(es, n);
	char *room = sl_edge_up_room(e, c, size);

	if (!room)
		return false;
	sl_edit_apply(es, text, n, room);
	sl_edge_up_send(e, c, size);
	return true;
}

static void client_request(struct sl_edge *e, struct sl_edge_conn *c, const char *text, const struct sl_frame *f, const struct sl_head *h)
{
	char top[VIA_MAX + SL_EDGE_FLOW_MAX], received[SL_ADDR_TEXT_MAX + 32], length[48];
	struct sl_edits es = {0};
	struct sl_via via;

	if (!sl_head_has(&h->via) || sl_via_parse(sl_head_value(text, &h->via), &via)) {
		sl_edge_count(&e->counts.dropped); /* whom would one answer? */
		return;
	}
	snprintf(top, sizeof top, "Via: SIP/2.0/TCP %s;branch=" OUR_COOKIE "%x.%016llx\r\n%s", e->own_text, c->id,
	        (unsigned long long)hash_transaction(e, c, text, h, &via), c->flow);
	sl_edit_note(&es, h->start_end, 0, text_slice(top));
	edit_received(&es, c, h, text, &via, received, sizeof received);
	edit_lengths(&es, h, f, length, sizeof length);
	if (!to_nta(e, c, &es, text, f->total))
		sl_edge_count(&e->counts.dropped);
}

/* It answers what nta sent over this connection: its Via is the one written in nta_request(). */
static void client_response(struct sl_edge *e, struct sl_edge_conn *c, const char *text, const struct sl_frame *f, const struct sl_head *h)
{
	char value[VIA_MAX], length[48], want[HASH_HEX + 1];
	struct sl_edits es = {0};
	struct sl_slice branch;
	struct sl_via via;

	if (!sl_head_has(&h->via) || sl_via_parse(sl_head_value(text, &h->via), &via) || via.branch.n <= HASH_HEX + 1 ||
	        via.branch.n > BRANCH_MAX + HASH_HEX + 1) {
		sl_edge_count(&e->counts.dropped);
		return;
	}
	branch = (struct sl_slice){via.branch.p, via.branch.n - HASH_HEX - 1};
	snprintf(want, sizeof want, "%016llx", (unsigned long long)hash_branch(e, c, branch));
	if (via.branch.p[branch.n] != '.' || memcmp(via.branch.p + branch.n + 1, want, HASH_HEX) != 0) {
		sl_edge_count(&e->counts.dropped);
		return;
	}
	snprintf(value, sizeof value, "SIP/2.0/TCP %s;branch=%.*s", e->nta_text, (int)branch.n, branch.p);
	sl_edit_note(&es, h->start_end, 0, text_slice(c->flow));
	sl_edit_note(&es, h->via.value, h->via.first_end - h->via.value, text_slice(value));
	edit_lengths(&es, h, f, length, sizeof length);
	if (!to_nta(e, c, &es, text, f->total))
		sl_edge_count(&e->counts.dropped);
}

bool sl_edge_from_client(struct sl_edge *e, struct sl_edge_conn *c, const char *text, const struct sl_frame *f)
{
	struct sl_head h;

	if (sl_head_parse(text, f->head, &h))
		return false;
	sl_edge_count(&e->counts.messages_in);
	if (h.request)
		client_request(e, c, text, f, &h);
	else
		client_response(e, c, text, f, &h);
	return true;
}

/* ---- from nta ---- */

static void put(char **at, const char *p, size_t n)
{
	memcpy(*at, p, n);
	*at += n;
}

/* An answer of our own to a request of nta's, over the link that it came by. */
static void answer(struct sl_edge *e, unsigned link, const char *text, size_t head, int status, const char *phrase, const char *why)
{
	char first[64], last[320], tag[40] = "";
	struct sl_head h;
	size_t need;
	char *room;

	if (sl_head_parse(text, head, &h) || !h.request || (h.method.n == 3 && memcmp(h.method.p, "ACK", 3) == 0))
		return;
	const struct sl_head_line *const copied[] = {&h.via, &h.from, &h.call_id, &h.cseq, &h.to};
	struct sl_slice to = sl_head_value(text, &h.to);
	const char *angle = to.n ? memchr(to.p, '>', to.n) : NULL;
	struct sl_slice to_params = angle ? (struct sl_slice){angle + 1, to.n - (size_t)(angle + 1 - to.p)} : (struct sl_slice){0};

	if (!sl_param(to_params, "tag", last, sizeof last))
		snprintf(tag, sizeof tag, ";tag=edge%016llx", (unsigned long long)hash_more(e, 0, sl_head_value(text, &h.via)));
	snprintf(first, sizeof first, "SIP/2.0 %d %s\r\n", status, phrase);
	snprintf(last, sizeof last, "\r\nReason: SIP;cause=%d;text=\"%.200s\"\r\nContent-Length: 0\r\n\r\n", status, why);
	need = strlen(first) + strlen(tag) + strlen(last);
	for (unsigned i = 0; i < sizeof copied / sizeof copied[0]; i++)
		need += copied[i]->end - copied[i]->at;
	room = sl_edge_link_room(e, link, need);
	if (!room)
		return;
	/* To is the last of them, without its CRLF: a tag may follow. */
	char *at = room;

	put(&at, first, strlen(first));
	for (unsigned i = 0; i < sizeof copied / sizeof copied[0] - 1; i++)
		put(&at, text + copied[i]->at, copied[i]->end - copied[i]->at);
	put(&at, text + h.to.at, h.to.first_end - h.to.at);
	put(&at, tag, strlen(tag));
	put(&at, last, strlen(last));
	sl_edge_link_send(e, link, (size_t)(at - room));
}

static void to_client(struct sl_edge *e, struct sl_edge_conn *c, const struct sl_edits *es, const char *text, size_t n)
{
	size_t size = sl_edit_size(es, n);
	char *room = sl_edge_conn_room(e, c, size);

	if (!room)
		return;
	sl_edit_apply(es, text, n, room);
	sl_edge_count(&e->counts.messages_out);
	sl_edge_conn_send(e, c, size);
}

/* The connection that a branch of ours names. */
static struct sl_edge_conn *conn_of_branch(struct sl_edge *e, struct sl_slice branch)
{
	char token[16] = "c-";
	size_t skip = sizeof OUR_COOKIE - 1, n = 0;
	uint32_t id;

	if (branch.n < skip || memcmp(branch.p, OUR_COOKIE, skip) != 0)
		return NULL;
	while (skip + n < branch.n && n < 8 && branch.p[skip + n] != '.')
		n++;
	memcpy(token + 2, branch.p + skip, n);
	return sl_edge_token_read((struct sl_slice){token, n + 2}, &id) ? sl_edge_conn_find(e, id) : NULL;
}

static void nta_response(struct sl_edge *e, const char *text, const struct sl_frame *f, const struct sl_head *h)
{
	struct sl_edge_conn *c = NULL;
	struct sl_edits es = {0};
	struct sl_via via;
	char length[48];

	if (sl_head_has(&h->via) && sl_via_parse(sl_head_value(text, &h->via), &via) == 0)
		c = conn_of_branch(e, via.branch);
	if (!c || c->state != SL_EDGE_OPEN) {
		sl_edge_count(&e->counts.responses_lost);
		return;
	}
	sl_edit_take_first(&es, &h->via);
	edit_lengths(&es, h, f, length, sizeof length);
	to_client(e, c, &es, text, f->total);
}

/* nta's request over an open connection. */
static void send_request(struct sl_edge *e, struct sl_edge_conn *c, const char *text, const struct sl_frame *f, const struct sl_head *h)
{
	char value[VIA_MAX], length[48];
	struct sl_edits es = {0};
	struct sl_via via;

	if (!sl_head_has(&h->via) || sl_via_parse(sl_head_value(text, &h->via), &via) || via.branch.n == 0 || via.branch.n > BRANCH_MAX) {
		sl_edge_count(&e->counts.dropped);
		return;
	}
	snprintf(value, sizeof value, "SIP/2.0/TLS %s;branch=%.*s.%016llx", e->listeners[c->listener].via, (int)via.branch.n, via.branch.p,
	        (unsigned long long)hash_branch(e, c, via.branch));
	sl_edit_note(&es, h->via.value, h->via.first_end - h->via.value, text_slice(value));
	sl_edit_take_first(&es, &h->route);
	edit_lengths(&es, h, f, length, sizeof length);
	to_client(e, c, &es, text, f->total);
}

/* Kept until its connection is there. */
static void wait_for(struct sl_edge *e, struct sl_edge_conn *c, struct sl_edge_link *l, const char *text, const struct sl_frame *f)
{
	struct sl_edge_pending *p = c->n_pending < SL_EDGE_PENDING_MAX ? malloc(sizeof *p + f->total) : NULL;

	if (!p) {
		answer(e, l->slot, text, f->head, 503, "Service Unavailable", "too many requests wait for this connection");
		return;
	}
	p->next = NULL;
	p->link = l->slot;
	p->head = f->head;
	p->n = f->total;
	memcpy(p->text, text, f->total);
	*c->last = p;
	c->last = &p->next;
	c->n_pending++;
}

/* "connect" and its parameters: to, name, listener. */
static struct sl_edge_conn *conn_of_target(struct sl_edge *e, const struct sl_route *r, const char **why)
{
	char to_text[SL_ADDR_TEXT_MAX], name[SL_TLS_NAME_MAX] = "", listener[4] = "0";
	struct sl_endpoint to;

	*why = "the route names no address to connect to";
	if (!sl_param(r->params, "to", to_text, sizeof to_text) || sl_endpoint_parse(to_text, &to) || to.port_be == 0)
		return NULL;
	sl_param(r->params, "name", name, sizeof name);
	sl_param(r->params, "listener", listener, sizeof listener);
	return sl_edge_conn_to(e, &to, name, (unsigned)atoi(listener), why);
}

static bool is_ours(const struct sl_edge *e, const struct sl_route *r)
{
	char text[SL_ADDR_TEXT_MAX];
	int n = snprintf(text, sizeof text, "%.*s:%.*s", (int)r->host.n, r->host.p, (int)r->port.n, r->port.p);

	return n > 0 && (size_t)n < sizeof text && strcmp(text, e->own_text) == 0;
}

static void nta_request(struct sl_edge *e, struct sl_edge_link *l, const char *text, const struct sl_frame *f, const struct sl_head *h)
{
	const char *why = "the request names no connection";
	struct sl_edge_conn *c = NULL;
	struct sl_route r;
	bool connects = false;
	uint32_t id;

	if (sl_head_has(&h->route) && sl_route_parse(sl_head_value(text, &h->route), &r) == 0 && is_ours(e, &r)) {
		connects = r.user.n == 7 && memcmp(r.user.p, "connect", 7) == 0;
		if (connects) {
			c = conn_of_target(e, &r, &why);
		} else if (sl_edge_token_read(r.user, &id)) {
			c = sl_edge_conn_find(e, id);
			why = "the connection has ended";
		}
	}
	if (c && c->state == SL_EDGE_OPEN) {
		send_request(e, c, text, f, h);
	} else if (c && connects && c->state != SL_EDGE_DEAD) {
		wait_for(e, c, l, text, f);
	} else if (connects) {
		answer(e, l->slot, text, f->head, 503, "Service Unavailable", why);
	} else {
		sl_edge_count(&e->counts.flow_failed);
		answer(e, l->slot, text, f->head, 430, "Flow Failed", why);
	}
}

void sl_edge_from_nta(struct sl_edge *e, struct sl_edge_link *l, const char *text, const struct sl_frame *f)
{
	struct sl_head h;

	if (sl_head_parse(text, f->head, &h))
		sl_edge_count(&e->counts.dropped);
	else if (h.request)
		nta_request(e, l, text, f, &h);
	else
		nta_response(e, text, f, &h);
}

/* ---- what waits ---- */

void sl_edge_pending_flush(struct sl_edge *e, struct sl_edge_conn *c)
{
	struct sl_edge_pending *p;
	struct sl_head h;

	while ((p = c->first) && c->state == SL_EDGE_OPEN) {
		struct sl_frame f = {.head = p->head, .total = p->n};

		c->first = p->next;
		if (sl_head_parse(p->text, p->head, &h) == 0)
			send_request(e, c, p->text, &f, &h);
		free(p);
	}
	if (!c->first) {
		c->last = &c->first;
		c->n_pending = 0;
	}
}

void sl_edge_pending_fail(struct sl_edge *e, struct sl_edge_conn *c, const char *why)
{
	struct sl_edge_pending *p;

	while ((p = c->first)) {
		c->first = p->next;
		answer(e, p->link, p->text, p->head, 503, "Service Unavailable", why);
		free(p);
	}
	c->last = &c->first;
	c->n_pending = 0;
}

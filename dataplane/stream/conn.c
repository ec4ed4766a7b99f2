/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/stream/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <openssl/err.h>

#include "dataplane/stream/proxy.h"

enum {
	SHAKINGS = 4096,   /* DTLS handshakes whose timers are looked at in one sweep */
	ASKED_SLOTS = 1024, ASKS = 32, /* looked at, and asked about, in a millisecond */
};
_Static_assert(ASKS * SL_STREAM_MAX_THREADS <= SL_MARK_RING / 2, "the answers leave room in the ring of marks, which is emptied once a millisecond");

/* ---- records for workers ---- */

static bool put(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r)
{
	struct sl_stream_record *to = sl_byte_ring_reserve(&t->in[worker], sizeof *to);

	if (!to)
		return false;
	*to = *r;
	sl_byte_ring_put(&t->in[worker], sizeof *to);
	return true;
}

void sl_stream_tell(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r)
{
	struct sl_stream_pending *p;

	if (STAILQ_EMPTY(&t->pending[worker]) && put(t, worker, r))
		return;
	p = malloc(sizeof *p);
	if (!p)
		return; /* the allocation's own time ends what it was about */
	/* A few at most for each connection and each peer, which are counted; one that was not told would leave an allocation behind. */
	sl_stream_charge_anyway(t, sizeof *p);
	p->record = *r;
	STAILQ_INSERT_TAIL(&t->pending[worker], p, next);
	t->n_pending++;
}

static void forget_first(struct sl_stream_thread *t, unsigned worker)
{
	struct sl_stream_pending *p = STAILQ_FIRST(&t->pending[worker]);

	STAILQ_REMOVE_HEAD(&t->pending[worker], next);
	t->n_pending--;
	sl_stream_uncharge(t, sizeof *p);
	free(p);
}

void sl_stream_tell_pending(struct sl_stream_thread *t)
{
	struct sl_stream_pending *p;

	for (unsigned w = 0; w < t->s->n_workers && t->n_pending; w++) {
		while ((p = STAILQ_FIRST(&t->pending[w])) && put(t, w, &p->record))
			forget_first(t, w);
	}
}

void sl_stream_tell_no_more(struct sl_stream_thread *t)
{
	for (unsigned w = 0; w < t->s->n_workers; w++) {
		while (!STAILQ_EMPTY(&t->pending[w]))
			forget_first(t, w);
	}
}

/* One round from where the last one has got to, so that a worker that is often told "no room" does not hear of the same connections again and again. */
void sl_stream_recall(struct sl_stream_thread *t, unsigned worker)
{
	t->asking[worker].left = t->n_slots;
}

static void ask(struct sl_stream_thread *t, unsigned worker)
{
	unsigned asked = 0;

	for (unsigned i = 0; i < ASKED_SLOTS && t->asking[worker].left && asked < ASKS; i++) {
		const struct sl_stream_conn *c = t->slots[t->asking[worker].at];

		if (c && c->state == SL_STREAM_OPEN && c->spoke && c->worker == worker) {
			if (!put(t, worker, &(struct sl_stream_record){.kind = SL_STREAM_IN_ASK, .flow = c->flow}))
				return;
			asked++;
		}
		t->asking[worker].at = (t->asking[worker].at + 1) % t->n_slots;
		t->asking[worker].left--;
	}
}

/* Each answer comes with a mark for the guard. Asked faster than these are taken, some would be lost, and all be asked about anew, without end. */
void sl_stream_ask(struct sl_stream_thread *t)
{
	if (t->asked_ms == t->now_ms)
		return;
	t->asked_ms = t->now_ms;
	for (unsigned w = 0; w < t->s->n_workers; w++) {
		if (t->asking[w].left)
			ask(t, w);
	}
}

/* ---- coming ---- */

static bool take_slot(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	struct sl_streams *s = t->s;
	uint32_t slot;

	if (t->n_free == 0)
		return false;
	if (atomic_fetch_add_explicit(&s->n_connections, 1, memory_order_relaxed) >= s->max_connections) {
		atomic_fetch_sub_explicit(&s->n_connections, 1, memory_order_relaxed);
		return false;
	}
	slot = t->free_slots[t->free_head];
	t->free_head = (t->free_head + 1) % t->n_slots;
	t->n_free--;
	t->slots[slot] = c;
	c->in_slot = true;
	c->flow.listener = (uint16_t)c->link.listener;
	c->flow.transport = sl_stream_transport(s->listeners[c->link.listener].over, t->index, ++t->generations[slot], slot);
	return true;
}

static size_t charge_of(const struct sl_stream_conn *c)
{
	return sizeof *c + (c->ssl ? SL_STREAM_TLS_BYTES : 0);
}

struct sl_stream_conn *sl_stream_conn_new(struct sl_stream_thread *t, unsigned listener, int fd, const struct sl_endpoint *remote)
{
	struct sl_stream_conn *c = sl_stream_charge(t, sizeof *c) ? calloc(1, sizeof *c) : NULL;

	if (c) {
		c->h = (struct sl_stream_handle){.what = SL_STREAM_CONN, .fd = fd};
		c->link = (struct sl_stream_link){.thread = t, .conn = c, .remote = *remote, .listener = listener};
		if (take_slot(t, c)) {
			TAILQ_INSERT_TAIL(&t->all, c, all);
			t->n_conns++;
			sl_stream_count(t, SL_S_connections_active, 1);
			return c;
		}
		free(c);
		sl_stream_uncharge(t, sizeof *c);
	}
	sl_stream_count(t, SL_S_connections_refused, 1);
	return NULL;
}

bool sl_stream_conn_admit(struct sl_stream_thread *t, struct sl_stream_conn *c, const struct sl_endpoint *client, const struct sl_endpoint *server)
{
	const struct sl_owner *o = &t->s->dp->owner;

	if (!sl_stream_source_take(&t->s->sources, &client->ip, &c->source)) {
		sl_stream_count(t, SL_S_connections_refused, 1);
		sl_stream_conn_end(t, c);
		return false;
	}
	c->flow.ip = client->ip;
	c->flow.port_be = client->port_be;
	c->server = *server;
	c->worker = (uint8_t)sl_owner_of_hash(o, sl_owner_hash(o, client, server));
	sl_stream_count(t, SL_S_connections_taken, 1);
	return true;
}

/* All strangers wait for the same time: the list is in the order of their ends. */
void sl_stream_conn_wait(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	if (c->is_waiting)
		TAILQ_REMOVE(&t->waiting, c, waiting);
	c->until_ms = t->now_ms + t->s->wait_ms;
	c->is_waiting = true;
	TAILQ_INSERT_TAIL(&t->waiting, c, waiting);
}

static void wait_no_more(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	if (c->is_waiting)
		TAILQ_REMOVE(&t->waiting, c, waiting);
	c->is_waiting = false;
}

void sl_stream_conn_open(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	if (c->is_shaking)
		TAILQ_REMOVE(&t->shaking, c, shaking);
	c->is_shaking = false;
	c->state = SL_STREAM_OPEN;
	sl_stream_conn_wait(t, c);
	sl_stream_conn_watch(t, c);
}

/* Its packets come from another address than it has, by a proxy's word. */
static bool is_proxied(const struct sl_stream_conn *c)
{
	return c->flow.port_be != c->link.remote.port_be || !sl_ip_eq(&c->flow.ip, &c->link.remote.ip);
}

void sl_stream_conn_known(struct sl_stream_thread *t, struct sl_stream_conn *c, bool known)
{
	c->known = known;
	if (is_proxied(c))
		sl_stream_tell(t, c->worker, &(struct sl_stream_record){.kind = SL_STREAM_IN_REMOTE, .flow = c->flow, .on = known, .peer = c->link.remote});
	if (known)
		wait_no_more(t, c);
	else
		sl_stream_conn_wait(t, c);
}

/* ---- going ---- */

static void free_slot(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	uint32_t slot = c->flow.transport & 0xfffffu;

	if (!c->in_slot)
		return;
	t->slots[slot] = NULL;
	t->free_slots[(t->free_head + t->n_free++) % t->n_slots] = slot;
	c->in_slot = false;
}

static void leave_lists(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	wait_no_more(t, c);
	if (c->is_dirty)
		TAILQ_REMOVE(&t->dirty, c, dirty);
	if (c->is_again)
		TAILQ_REMOVE(&t->again, c, again);
	if (c->is_shaking)
		TAILQ_REMOVE(&t->shaking, c, shaking);
	if (c->is_slow)
		TAILQ_REMOVE(&t->slow, c, slow);
	if (c->is_due)
		TAILQ_REMOVE(&t->due, c, due);
	c->is_dirty = c->is_again = c->is_shaking = c->is_slow = c->is_due = false;
	TAILQ_REMOVE(&t->all, c, all);
	t->n_conns--;
	sl_stream_count(t, SL_S_connections_active, -1);
}

void sl_stream_conn_leave_slot(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	sl_stream_watch(t, &c->h, 0);
	leave_lists(t, c);
	free_slot(t, c);
}

static void tell_closed(struct sl_stream_thread *t, const struct sl_stream_conn *c)
{
	struct sl_stream_record r = {.kind = SL_STREAM_IN_CLOSED, .flow = c->flow, .server = c->server};

	if (is_proxied(c))
		r.peer = c->link.remote;
	sl_stream_tell(t, c->worker, &r);
}

static void close_ssl(struct sl_stream_conn *c)
{
	c->is_last = true; /* in one segment with the FIN */
	if (c->state > SL_STREAM_HANDSHAKE && !c->ssl_broken)
		SSL_shutdown(c->ssl); /* says so; the answer is not waited for */
	SSL_free(c->ssl);
	c->ssl = NULL;
}

void sl_stream_conn_end(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	size_t charged = charge_of(c);

	if (c->state == SL_STREAM_DEAD)
		return;
	if (c->h.fd < 0)
		sl_stream_datagram_forget(t, c);
	if (c->ssl)
		close_ssl(c);
	c->state = SL_STREAM_DEAD;
	if (c->h.fd >= 0)
		close(c->h.fd); /* epoll forgets it by that: nobody else has the socket */
	leave_lists(t, c);
	free_slot(t, c);
	atomic_fetch_sub_explicit(&t->s->n_connections, 1, memory_order_relaxed);
	if (c->spoke)
		tell_closed(t, c);
	sl_stream_source_leave(&t->s->sources, c->source);
	sl_stream_buf_free(t, &c->in);
	sl_stream_buf_free(t, &c->out);
	sl_stream_buf_free(t, &c->records);
	free(c->host);
	sl_stream_uncharge(t, charged);
	TAILQ_INSERT_TAIL(&t->graveyard, c, all);
}

void sl_stream_bury(struct sl_stream_thread *t)
{
	struct sl_stream_conn *c;

	while ((c = TAILQ_FIRST(&t->graveyard))) {
		TAILQ_REMOVE(&t->graveyard, c, all);
		free(c);
	}
}

struct sl_stream_conn *sl_stream_conn_of(struct sl_stream_thread *t, const struct sl_flow *f)
{
	uint32_t slot = f->transport & 0xfffffu;
	struct sl_stream_conn *c = slot < t->n_slots ? t->slots[slot] : NULL;

	return c && sl_flow_eq(&c->flow, f) ? c : NULL;
}

/* ---- what happens to it ---- */

/* Its header is read to the byte: what follows it is the client's. */
static void read_proxy(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	struct sl_proxy p;
	enum sl_proxy_kind kind;

	while ((kind = sl_proxy_parse(c->in.p, c->in.n, &p)) == SL_PROXY_INCOMPLETE) {
		uint32_t want = (uint32_t)p.total - c->in.n;
		uint8_t *room = sl_stream_buf_room(t, &c->in, want);
		ssize_t n = room ? recv(c->h.fd, room, want, 0) : -1;

		if (room && n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			sl_stream_conn_end(t, c);
			return;
		}
		c->in.n += (uint32_t)n;
	}
	if (kind == SL_PROXY_INVALID) {
		sl_stream_count(t, SL_S_malformed, 1);
		sl_stream_conn_end(t, c);
		return;
	}
	sl_stream_buf_free(t, &c->in);
	if (!sl_stream_conn_admit(t, c, p.has_addresses ? &p.client : &c->link.remote,
	            p.has_addresses ? &p.server : &t->s->listeners[c->link.listener].address))
		return;
	if (t->s->listeners[c->link.listener].over == SL_TURN_OVER_TCP)
		sl_stream_conn_open(t, c);
	else if (sl_stream_tls_start(t, c))
		sl_stream_conn_end(t, c);
}

void sl_stream_conn_event(struct sl_stream_thread *t, struct sl_stream_conn *c, uint32_t events)
{
	c->drained = false;
	switch (c->state) {
	case SL_STREAM_PROXY:
		read_proxy(t, c);
		break;
	case SL_STREAM_HANDSHAKE:
		if (c->h.fd < 0)
			sl_stream_datagrams_kept(t, c);
		else
			sl_stream_tls_handshake(t, c);
		break;
	case SL_STREAM_OPEN:
	case SL_STREAM_CLOSING:
		if (events & EPOLLOUT)
			sl_stream_conn_flush(t, c);
		if (events & ~(uint32_t)EPOLLOUT)
			sl_stream_conn_read(t, c);
		break;
	case SL_STREAM_DATA:
		if (c->peer)
			sl_stream_splice(t, c->peer);
		break;
	case SL_STREAM_DEAD:
		break;
	}
}

/* ---- time ---- */

static void sweep_waiting(struct sl_stream_thread *t)
{
	struct sl_stream_conn *c;

	while ((c = TAILQ_FIRST(&t->waiting)) && c->until_ms <= t->now_ms) {
		sl_stream_count(t, c->state == SL_STREAM_HANDSHAKE ? SL_S_handshakes_failed : SL_S_connections_idle, 1);
		sl_stream_conn_end(t, c);
	}
}

static void sweep_slow(struct sl_stream_thread *t)
{
	struct sl_stream_conn *c = TAILQ_FIRST(&t->slow), *next;

	for (; c; c = next) {
		next = TAILQ_NEXT(c, slow);
		if (t->now_ms - c->stalled_ms >= t->s->stall_ms) {
			sl_stream_count(t, SL_S_slow_ended, 1);
			sl_stream_conn_end(t, c);
		}
	}
}

/* Lost flights are sent again (RFC 6347 4.2.4). */
static void sweep_shaking(struct sl_stream_thread *t)
{
	struct sl_stream_conn *c, *last = TAILQ_LAST(&t->shaking, sl_stream_conns);

	for (unsigned i = 0; i < SHAKINGS && (c = TAILQ_FIRST(&t->shaking)); i++) {
		TAILQ_REMOVE(&t->shaking, c, shaking);
		TAILQ_INSERT_TAIL(&t->shaking, c, shaking);
		ERR_clear_error();
		if (DTLSv1_handle_timeout(c->ssl) < 0) {
			sl_stream_count(t, SL_S_handshakes_failed, 1);
			c->ssl_broken = true;
			sl_stream_conn_end(t, c);
		}
		if (c == last)
			break;
	}
}

void sl_stream_sweep(struct sl_stream_thread *t)
{
	sweep_waiting(t);
	sweep_slow(t);
	sweep_shaking(t);
}

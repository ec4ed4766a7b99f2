/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RFC 6062: sockets on relayed transport addresses. They are of the thread that has the control connection; what a worker wants of them comes by order.
 * Nothing is read from a peer before a client has bound its connection. */

#include "dataplane/stream/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BACKLOG = 64, ACCEPTS = 16, DEAF_MS = 100, BUCKETS_MIN = 64, BUCKETS_MAX = 1 << 15 };

/* ---- telling ---- */

static void tell_of(struct sl_stream_thread *t, const struct sl_stream_peer *p, enum sl_stream_input kind, int error)
{
	sl_stream_tell(t, p->worker,
	        &(struct sl_stream_record){.kind = (uint16_t)kind, .flow = p->flow, .allocation = p->allocation, .connection = p->connection, .incoming = p->incoming,
		        .error = error, .local = p->local, .peer = p->remote});
}

static void answer(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *order, enum sl_stream_input kind, int error)
{
	struct sl_stream_record r = *order;

	r.kind = (uint16_t)kind;
	r.len = 0;
	r.error = error;
	sl_stream_tell(t, worker, &r);
}

/* ---- the index ---- */

int sl_stream_peers_init(struct sl_stream_thread *t)
{
	uint32_t n = BUCKETS_MIN;

	while (n < t->n_slots && n < BUCKETS_MAX)
		n *= 2;
	t->peer_mask = n - 1;
	t->peer_buckets = calloc(n, sizeof *t->peer_buckets);
	return t->peer_buckets ? 0 : -ENOMEM;
}

/* Both kinds of numbers count up somewhere: Fibonacci hashing spreads them. */
static struct sl_stream_peer_bucket *bucket_of(struct sl_stream_thread *t, uint64_t number)
{
	return &t->peer_buckets[(number * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & t->peer_mask];
}

static void enter(struct sl_stream_thread *t, struct sl_stream_peer *p)
{
	LIST_INSERT_HEAD(&bucket_of(t, p->connection ? p->connection : p->incoming)->by_number, p, by_number);
}

/* ---- connections to peers ---- */

static struct sl_stream_peer *find(struct sl_stream_thread *t, uint32_t connection, uint32_t incoming, uint64_t allocation)
{
	uint32_t number = connection ? connection : incoming;
	struct sl_stream_peer *p;

	LIST_FOREACH(p, &bucket_of(t, number)->by_number, by_number) {
		if (p->connection == connection && (connection || p->incoming == incoming) && p->allocation == allocation)
			return p;
	}
	return NULL;
}

static struct sl_stream_peer *new_peer(struct sl_stream_thread *t, int fd, const struct sl_stream_record *about, unsigned worker)
{
	struct sl_stream_peer *p = sl_stream_charge(t, sizeof *p) ? calloc(1, sizeof *p) : NULL;

	if (!p)
		return NULL;
	p->h = (struct sl_stream_handle){.what = SL_STREAM_PEER, .fd = fd};
	p->worker = (uint8_t)worker;
	p->connection = about->connection;
	p->allocation = about->allocation;
	p->flow = about->flow;
	p->local = about->local;
	p->remote = about->peer;
	TAILQ_INSERT_TAIL(&t->peers, p, all);
	LIST_INSERT_HEAD(&bucket_of(t, p->allocation)->by_allocation, p, by_allocation);
	t->n_peers++;
	sl_stream_count(t, SL_S_peers_active, 1);
	return p;
}

/* Until it is there, or until a worker has said that it may stay, whose refusal may have been lost. All have the same time. */
static void limit_time(struct sl_stream_thread *t, struct sl_stream_peer *p)
{
	p->is_connecting = true;
	p->until_ms = t->now_ms + SL_STREAM_CONNECT_MS;
	TAILQ_INSERT_TAIL(&t->connecting, p, connecting);
}

static void limit_no_more(struct sl_stream_thread *t, struct sl_stream_peer *p)
{
	if (p->is_connecting)
		TAILQ_REMOVE(&t->connecting, p, connecting);
	p->is_connecting = false;
}

void sl_stream_peer_end(struct sl_stream_thread *t, struct sl_stream_peer *p, int error, bool tell)
{
	struct sl_stream_conn *client = p->client;

	if (p->state == SL_PEER_DEAD)
		return;
	if (tell)
		tell_of(t, p, p->state == SL_PEER_CONNECTING ? SL_STREAM_IN_TCP_CONNECTED : SL_STREAM_IN_TCP_CLOSED, error);
	p->state = SL_PEER_DEAD;
	p->client = NULL;
	if (client) {
		client->peer = NULL;
		sl_stream_conn_end(t, client);
	}
	if (p->listener)
		p->listener->n_waiting--;
	limit_no_more(t, p);
	sl_stream_watch(t, &p->h, 0);
	close(p->h.fd);
	sl_stream_buf_free(t, &p->out);
	LIST_REMOVE(p, by_number);
	LIST_REMOVE(p, by_allocation);
	TAILQ_REMOVE(&t->peers, p, all);
	TAILQ_INSERT_TAIL(&t->dead_peers, p, all);
	t->n_peers--;
	sl_stream_count(t, SL_S_peers_active, -1);
}

static void connect_to(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r)
{
	struct sockaddr_storage to;
	socklen_t len = sl_stream_sockaddr(&r->peer, &to);
	int fd = sl_stream_bound(&r->local, SOCK_STREAM);
	struct sl_stream_peer *p = fd < 0 ? NULL : new_peer(t, fd, r, worker);

	if (!p) {
		if (fd >= 0)
			close(fd);
		answer(t, worker, r, SL_STREAM_IN_TCP_CONNECTED, fd < 0 ? fd : -ENOMEM);
		return;
	}
	sl_stream_set_up(fd);
	enter(t, p);
	p->state = SL_PEER_CONNECTING;
	limit_time(t, p);
	if (connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS)
		sl_stream_peer_end(t, p, -errno, true);
	else if (sl_stream_watch(t, &p->h, EPOLLOUT))
		sl_stream_peer_end(t, p, -ENOMEM, true);
}

void sl_stream_peer_event(struct sl_stream_thread *t, struct sl_stream_peer *p)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (p->state == SL_PEER_BOUND)
		sl_stream_splice(t, p);
	if (p->state != SL_PEER_CONNECTING)
		return;
	if (getsockopt(p->h.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		sl_stream_peer_end(t, p, -error, true);
		return;
	}
	limit_no_more(t, p);
	p->state = SL_PEER_READY;
	sl_stream_watch(t, &p->h, 0);
	tell_of(t, p, SL_STREAM_IN_TCP_CONNECTED, 0);
}

/* ---- connections of peers ---- */

static struct sl_stream_peer_listener *listener_of(struct sl_stream_thread *t, uint64_t allocation)
{
	struct sl_stream_peer_listener *l;

	LIST_FOREACH(l, &bucket_of(t, allocation)->listeners, by_allocation) {
		if (l->allocation == allocation)
			return l;
	}
	return NULL;
}

static int open_listener(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r)
{
	struct sl_stream_peer_listener *l;
	int err = 0, fd = sl_stream_bound(&r->local, SOCK_STREAM);

	if (fd < 0)
		return fd;
	if (listen(fd, BACKLOG) < 0)
		err = -errno;
	l = !err && sl_stream_charge(t, sizeof *l) ? calloc(1, sizeof *l) : NULL;
	if (!l) {
		close(fd);
		return err ? err : -ENOMEM;
	}
	*l = (struct sl_stream_peer_listener){.h = {.what = SL_STREAM_PEER_LISTENER, .fd = fd}, .flow = r->flow, .allocation = r->allocation,
		.worker = (uint8_t)worker, .local = r->local};
	TAILQ_INSERT_TAIL(&t->peer_listeners, l, all);
	LIST_INSERT_HEAD(&bucket_of(t, l->allocation)->listeners, l, by_allocation);
	return sl_stream_watch(t, &l->h, EPOLLIN);
}

/* With all that the allocation has: it is over. The guard still knows those that a worker ordered, and is to hear of their ends. */
static void unlisten(struct sl_stream_thread *t, uint64_t allocation)
{
	struct sl_stream_peer_listener *l = listener_of(t, allocation);
	struct sl_stream_peer *p = LIST_FIRST(&bucket_of(t, allocation)->by_allocation), *next;

	for (; p; p = next) {
		next = LIST_NEXT(p, by_allocation);
		if (p->allocation == allocation)
			sl_stream_peer_end(t, p, -ECANCELED, p->connection != 0);
	}
	if (!l)
		return;
	sl_stream_watch(t, &l->h, 0);
	close(l->h.fd);
	l->h.fd = -1;
	if (l->is_deaf)
		TAILQ_REMOVE(&t->deaf_peer_listeners, l, deaf);
	LIST_REMOVE(l, by_allocation);
	TAILQ_REMOVE(&t->peer_listeners, l, all);
	TAILQ_INSERT_TAIL(&t->dead_peer_listeners, l, all);
}

static bool take_in(struct sl_stream_thread *t, struct sl_stream_peer_listener *l, int fd, const struct sl_endpoint *remote)
{
	const struct sl_stream_record about = {.flow = l->flow, .allocation = l->allocation, .local = l->local, .peer = *remote};
	struct sl_stream_record r = about;
	struct sl_stream_peer *p = l->n_waiting < SL_STREAM_WAITING_PEERS ? new_peer(t, fd, &about, l->worker) : NULL;

	if (!p)
		return false;
	sl_stream_set_up(fd);
	p->state = SL_PEER_INCOMING;
	if (++t->next_incoming == 0)
		t->next_incoming = 1;
	p->incoming = t->next_incoming;
	p->listener = l;
	l->n_waiting++;
	enter(t, p);
	limit_time(t, p);
	r.kind = SL_STREAM_IN_TCP_INCOMING;
	r.connection = p->incoming;
	sl_stream_tell(t, l->worker, &r);
	return true;
}

/* No descriptors: the peer waits in the kernel's queue, and epoll would say so without end. */
static void be_deaf(struct sl_stream_thread *t, struct sl_stream_peer_listener *l)
{
	sl_stream_count(t, SL_S_connections_refused, 1);
	if (sl_stream_watch(t, &l->h, 0) || l->is_deaf)
		return;
	if (TAILQ_EMPTY(&t->deaf_peer_listeners)) /* the next one does not make the first one wait longer */
		t->peers_deaf_until_ms = t->now_ms + DEAF_MS;
	l->is_deaf = true;
	TAILQ_INSERT_TAIL(&t->deaf_peer_listeners, l, deaf);
}

static void hear_again(struct sl_stream_thread *t)
{
	struct sl_stream_peer_listener *l;

	t->peers_deaf_until_ms = t->now_ms + DEAF_MS;
	while ((l = TAILQ_FIRST(&t->deaf_peer_listeners)) && sl_stream_watch(t, &l->h, EPOLLIN) == 0) {
		TAILQ_REMOVE(&t->deaf_peer_listeners, l, deaf);
		l->is_deaf = false;
	}
}

void sl_stream_peer_accept(struct sl_stream_thread *t, struct sl_stream_peer_listener *l)
{
	for (unsigned i = 0; i < ACCEPTS; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		struct sl_endpoint remote;
		int fd = accept4(l->h.fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
			be_deaf(t, l);
		if (fd < 0)
			return;
		sl_stream_endpoint_of(&from, &remote);
		if (!take_in(t, l, fd, &remote))
			close(fd);
	}
}

static void accepted(struct sl_stream_thread *t, const struct sl_stream_record *r)
{
	struct sl_stream_peer *p = find(t, 0, r->incoming, r->allocation);

	if (!p || p->state != SL_PEER_INCOMING)
		return;
	LIST_REMOVE(p, by_number);
	p->connection = r->connection;
	enter(t, p);
	p->listener->n_waiting--;
	p->listener = NULL;
	limit_no_more(t, p);
	p->state = SL_PEER_READY;
}

/* ---- orders ---- */

void sl_stream_peer_order(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r)
{
	struct sl_stream_peer *p;
	int err;

	switch (r->kind) {
	case SL_STREAM_DO_TCP_LISTEN:
		err = open_listener(t, worker, r);
		if (err)
			unlisten(t, r->allocation);
		answer(t, worker, r, SL_STREAM_IN_TCP_LISTENING, err);
		break;
	case SL_STREAM_DO_TCP_UNLISTEN:
		unlisten(t, r->allocation);
		break;
	case SL_STREAM_DO_TCP_CONNECT:
		connect_to(t, worker, r);
		break;
	case SL_STREAM_DO_TCP_ACCEPT:
		accepted(t, r);
		break;
	case SL_STREAM_DO_TCP_CLOSE:
		p = find(t, r->connection, r->incoming, r->allocation);
		if (p)
			sl_stream_peer_end(t, p, 0, false);
		break;
	default:
		break;
	}
}

/* ---- binding ---- */

/* c is in no list yet. */
static void join(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r, struct sl_stream_conn *c)
{
	struct sl_stream_peer *p = find(t, r->connection, 0, r->allocation);
	int err = p && p->state == SL_PEER_READY ? 0 : -ENOENT;

	c->link.thread = t;
	TAILQ_INSERT_TAIL(&t->all, c, all);
	t->n_conns++;
	sl_stream_count(t, SL_S_connections_active, 1);
	answer(t, worker, r, SL_STREAM_IN_TCP_BOUND, err);
	if (err) {
		sl_stream_conn_end(t, c);
		return;
	}
	c->peer = p;
	p->client = c;
	p->state = SL_PEER_BOUND;
	/* To whom CLOSED will be told, so that the one comes behind the other. */
	sl_stream_tell(t, c->worker, &(struct sl_stream_record){.kind = SL_STREAM_IN_REMOTE, .flow = c->flow, .on = 1, .peer = c->link.remote});
	sl_stream_splice(t, p);
}

void sl_stream_bind(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r, struct sl_stream_conn *c)
{
	struct sl_stream_transfer *m = NULL;
	struct sl_stream_thread *to;

	if (!c || c->state != SL_STREAM_OPEN || c->h.fd < 0 || r->peer_thread >= t->s->n_threads) {
		answer(t, worker, r, SL_STREAM_IN_TCP_BOUND, -ENOTCONN);
		return;
	}
	to = t->s->threads[r->peer_thread];
	if (to != t && !(m = malloc(sizeof *m))) {
		answer(t, worker, r, SL_STREAM_IN_TCP_BOUND, -ENOMEM);
		sl_stream_conn_end(t, c);
		return;
	}
	sl_stream_conn_leave_slot(t, c);
	c->state = SL_STREAM_DATA;
	if (to == t) {
		join(t, worker, r, c);
		return;
	}
	*m = (struct sl_stream_transfer){.conn = c, .order = *r, .worker = (uint8_t)worker};
	STAILQ_INSERT_TAIL(&t->leaving, m, next);
}

/* At the end of a turn: an event of it may still point to the connection. */
void sl_stream_transfers_out(struct sl_stream_thread *t)
{
	struct sl_stream_transfer *m;

	while ((m = STAILQ_FIRST(&t->leaving))) {
		struct sl_stream_thread *to = t->s->threads[m->order.peer_thread];

		STAILQ_REMOVE_HEAD(&t->leaving, next);
		pthread_mutex_lock(&to->transfers_lock);
		STAILQ_INSERT_TAIL(&to->transfers, m, next);
		pthread_mutex_unlock(&to->transfers_lock);
		(void)!write(to->wake.fd, &(uint64_t){1}, sizeof(uint64_t));
	}
}

void sl_stream_transfers(struct sl_stream_thread *t)
{
	struct sl_stream_transfer *m;

	for (;;) {
		pthread_mutex_lock(&t->transfers_lock);
		m = STAILQ_FIRST(&t->transfers);
		if (m)
			STAILQ_REMOVE_HEAD(&t->transfers, next);
		pthread_mutex_unlock(&t->transfers_lock);
		if (!m)
			return;
		join(t, m->worker, &m->order, m->conn);
		free(m);
	}
}

/* ---- time ---- */

void sl_stream_peers_sweep(struct sl_stream_thread *t)
{
	struct sl_stream_peer *p;

	while ((p = TAILQ_FIRST(&t->connecting)) && p->until_ms <= t->now_ms)
		sl_stream_peer_end(t, p, -ETIMEDOUT, p->state == SL_PEER_CONNECTING);
	if (!TAILQ_EMPTY(&t->deaf_peer_listeners) && t->now_ms >= t->peers_deaf_until_ms)
		hear_again(t);
}

void sl_stream_peers_bury(struct sl_stream_thread *t)
{
	struct sl_stream_peer_listener *l;
	struct sl_stream_peer *p;

	while ((p = TAILQ_FIRST(&t->dead_peers))) {
		TAILQ_REMOVE(&t->dead_peers, p, all);
		sl_stream_uncharge(t, sizeof *p);
		free(p);
	}
	while ((l = TAILQ_FIRST(&t->dead_peer_listeners))) {
		TAILQ_REMOVE(&t->dead_peer_listeners, l, all);
		sl_stream_uncharge(t, sizeof *l);
		free(l);
	}
}

void sl_stream_peers_free(struct sl_stream_thread *t)
{
	struct sl_stream_peer_listener *l;
	struct sl_stream_peer *p;

	while ((p = TAILQ_FIRST(&t->peers)))
		sl_stream_peer_end(t, p, 0, false);
	while ((l = TAILQ_FIRST(&t->peer_listeners)))
		unlisten(t, l->allocation);
	sl_stream_peers_bury(t);
	free(t->peer_buckets);
	t->peer_buckets = NULL;
}

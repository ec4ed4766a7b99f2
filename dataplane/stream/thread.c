/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A thread's loop. Orders of workers come before what sockets have: a connection that has become a data connection is not read as messages any more. */

#include "dataplane/stream/internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>

#include <urcu-qsbr.h>

enum {
	BUSY_NS = 100 * 1000,        /* between two looks at the rings while there is traffic */
	CALM_NS = 1000 * 1000,
	EMPTY_MS = 50,               /* nobody is connected */
	CALM_TURNS = 10,
	SLACK_NS = 10 * 1000,
	SWEEP_MS = 50,
	AGAIN_A_TURN = 64,
	NEWCOMERS_NS = 2000 * 1000,  /* of a turn: what clients that are there wait for those that come, at most */
	RESUME_BYTES = SL_STREAM_TOTAL_MAX + 1024, /* room in a ring for whatever waits */
};

/* ---- helpers of the folder ---- */

int sl_stream_watch(struct sl_stream_thread *t, struct sl_stream_handle *h, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = h};
	int op = !events ? EPOLL_CTL_DEL : h->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (events == h->events)
		return 0;
	if (epoll_ctl(t->epoll_fd, op, h->fd, &e) < 0)
		return -errno;
	h->events = events;
	return 0;
}

bool sl_stream_charge(struct sl_stream_thread *t, size_t bytes)
{
	struct sl_streams *s = t->s;

	if (atomic_fetch_add_explicit(&s->memory, bytes, memory_order_relaxed) + bytes <= s->memory_max)
		return true;
	atomic_fetch_sub_explicit(&s->memory, bytes, memory_order_relaxed);
	return false;
}

void sl_stream_charge_anyway(struct sl_stream_thread *t, size_t bytes)
{
	atomic_fetch_add_explicit(&t->s->memory, bytes, memory_order_relaxed);
}

void sl_stream_uncharge(struct sl_stream_thread *t, size_t bytes)
{
	atomic_fetch_sub_explicit(&t->s->memory, bytes, memory_order_relaxed);
}

socklen_t sl_stream_sockaddr(const struct sl_endpoint *ep, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof *out);
	if (sl_ip_is_v4(&ep->ip)) {
		v4->sin_family = AF_INET;
		v4->sin_addr.s_addr = sl_ip_v4_be(&ep->ip);
		v4->sin_port = ep->port_be;
		return sizeof *v4;
	}
	v6->sin6_family = AF_INET6;
	memcpy(&v6->sin6_addr, &ep->ip, sizeof v6->sin6_addr);
	v6->sin6_port = ep->port_be;
	return sizeof *v6;
}

void sl_stream_endpoint_of(const struct sockaddr_storage *ss, struct sl_endpoint *out)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;

	memset(out, 0, sizeof *out);
	if (ss->ss_family == AF_INET) {
		sl_ip_set_v4(&out->ip, v4->sin_addr.s_addr);
		out->port_be = v4->sin_port;
	} else {
		sl_ip_set_v6(&out->ip, &v6->sin6_addr);
		out->port_be = v6->sin6_port;
	}
}

static int64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

bool sl_stream_is_late(const struct sl_stream_thread *t)
{
	return clock_ns() >= t->newcomers_until_ns;
}

/* ---- orders ---- */

static void close_it(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	if (c->state != SL_STREAM_OPEN)
		return;
	c->state = SL_STREAM_CLOSING;
	sl_stream_conn_flush(t, c);
}

static void obey(struct sl_stream_thread *t, unsigned worker, const struct sl_stream_record *r, size_t len)
{
	struct sl_stream_conn *c = sl_stream_conn_of(t, &r->flow);

	switch (r->kind) {
	case SL_STREAM_DO_SEND:
		if (c && r->len <= len - sizeof *r)
			sl_stream_conn_send(t, c, r + 1, r->len);
		break;
	case SL_STREAM_DO_CLOSE:
		if (c)
			close_it(t, c);
		break;
	case SL_STREAM_DO_MOVED:
		if (c)
			c->worker = (uint8_t)worker;
		break;
	case SL_STREAM_DO_KNOWN:
		/* That it has none counts from whom its frames go to, and once: a stranger's time does not begin again. */
		if (c && c->state == SL_STREAM_OPEN && (r->on || (c->known && c->worker == worker)))
			sl_stream_conn_known(t, c, r->on);
		break;
	case SL_STREAM_DO_RECALL:
		sl_stream_recall(t, worker);
		break;
	case SL_STREAM_DO_TCP_BIND:
		sl_stream_bind(t, worker, r, c);
		break;
	default:
		sl_stream_peer_order(t, worker, r);
	}
}

static unsigned obey_all(struct sl_stream_thread *t)
{
	unsigned n = 0;

	for (unsigned w = 0; w < t->s->n_workers; w++) {
		const struct sl_stream_record *r;
		size_t len;

		for (unsigned i = 0; i < SL_STREAM_ORDERS && (r = sl_byte_ring_peek(&t->out[w], &len)); i++) {
			obey(t, w, r, len);
			sl_byte_ring_take(&t->out[w]);
			n++;
		}
	}
	return n;
}

/* ---- connections that are not waited for by epoll ---- */

static void flush_all(struct sl_stream_thread *t)
{
	struct sl_stream_conn *c;

	while ((c = TAILQ_FIRST(&t->dirty))) {
		TAILQ_REMOVE(&t->dirty, c, dirty);
		c->is_dirty = false;
		sl_stream_conn_flush(t, c);
	}
}

/* Those that OpenSSL holds bytes of, and those whose worker had no room. True: there is more to read at once. */
static bool read_again(struct sl_stream_thread *t)
{
	struct sl_stream_conn *c, *last = TAILQ_LAST(&t->again, sl_stream_conns);
	bool more = false;

	for (unsigned i = 0; i < AGAIN_A_TURN && (c = TAILQ_FIRST(&t->again)); i++) {
		bool is_last = c == last;

		TAILQ_REMOVE(&t->again, c, again);
		c->is_again = false;
		if (c->state == SL_STREAM_DATA && c->peer)
			sl_stream_splice(t, c->peer);
		else if (!c->paused)
			sl_stream_conn_read(t, c);
		else if (sl_byte_ring_room(&t->in[c->worker]) >= RESUME_BYTES)
			sl_stream_conn_resume(t, c);
		else
			sl_stream_read_later(t, c);
		more |= c->is_again && !c->paused;
		if (is_last)
			break;
	}
	return more;
}

/* ---- the loop ---- */

static bool is_newcomer(const struct sl_stream_conn *c)
{
	return c->state == SL_STREAM_PROXY || c->state == SL_STREAM_HANDSHAKE;
}

void sl_stream_put_off(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	if (c->is_due)
		return;
	c->is_due = true;
	TAILQ_INSERT_TAIL(&t->due, c, due);
}

static void happened(struct sl_stream_thread *t, struct sl_stream_handle *h, uint32_t events)
{
	uint64_t woken;

	switch (h->what) {
	case SL_STREAM_WAKE:
		(void)!read(h->fd, &woken, sizeof woken);
		break;
	case SL_STREAM_LISTENER:
		((struct sl_stream_socket *)h)->is_due = true;
		break;
	case SL_STREAM_DATAGRAMS:
		sl_stream_datagrams(t, (struct sl_stream_socket *)h);
		break;
	case SL_STREAM_CONN:
		if (is_newcomer((struct sl_stream_conn *)h))
			sl_stream_put_off(t, (struct sl_stream_conn *)h);
		else
			sl_stream_conn_event(t, (struct sl_stream_conn *)h, events);
		break;
	case SL_STREAM_PEER:
		sl_stream_peer_event(t, (struct sl_stream_peer *)h);
		break;
	case SL_STREAM_PEER_LISTENER:
		sl_stream_peer_accept(t, (struct sl_stream_peer_listener *)h);
		break;
	}
}

/* Those that are no clients yet: what is to be done for them is done after what those that are there wait for, for a while; the rest in the next turn. */
static void receive_newcomers(struct sl_stream_thread *t)
{
	struct sl_stream_conn *c;

	t->newcomers_until_ns = clock_ns() + NEWCOMERS_NS;
	while ((c = TAILQ_FIRST(&t->due))) {
		TAILQ_REMOVE(&t->due, c, due);
		c->is_due = false;
		if (is_newcomer(c))
			sl_stream_conn_event(t, c, EPOLLIN);
		if (sl_stream_is_late(t))
			break;
	}
	for (unsigned i = 0; i < t->s->n_listeners; i++) {
		if (t->sockets[i].is_due)
			sl_stream_accept(t, &t->sockets[i]);
		t->sockets[i].is_due = false;
	}
}

static struct timespec patience(const struct sl_stream_thread *t, bool more)
{
	if (more)
		return (struct timespec){0};
	if (t->n_conns == 0 && t->n_peers == 0 && TAILQ_EMPTY(&t->peer_listeners) && t->n_pending == 0)
		return (struct timespec){.tv_nsec = EMPTY_MS * 1000000L};
	return (struct timespec){.tv_nsec = t->calm < CALM_TURNS || !TAILQ_EMPTY(&t->again) ? BUSY_NS : CALM_NS};
}

/* Listeners are heard, for the first time when there is something to judge clients by (a request that comes earlier would be dropped, and over TCP nobody
 * sends it again), and again when descriptors had run out. */
static void hear(struct sl_stream_thread *t)
{
	if (!t->is_hearing && !__atomic_load_n(&t->s->dp->turn_conf, __ATOMIC_ACQUIRE))
		return;
	t->is_hearing = true;
	t->deaf_until_ms = 0;
	for (unsigned i = 0; i < t->s->n_listeners; i++) {
		if (t->sockets[i].h.fd >= 0)
			sl_stream_watch(t, &t->sockets[i].h, EPOLLIN);
	}
}

static void sweep(struct sl_stream_thread *t)
{
	if (t->now_ms - t->swept_ms < SWEEP_MS)
		return;
	t->swept_ms = t->now_ms;
	sl_stream_sweep(t);
	sl_stream_peers_sweep(t);
	if (!t->is_hearing || (t->deaf_until_ms && t->now_ms >= t->deaf_until_ms))
		hear(t);
}

static bool turn(struct sl_stream_thread *t, bool more)
{
	struct epoll_event events[SL_STREAM_EVENTS];
	struct timespec wait = patience(t, more);
	unsigned orders;
	int n = epoll_pwait2(t->epoll_fd, events, SL_STREAM_EVENTS, &wait, NULL);

	if (n < 0 && errno == ENOSYS) /* before Linux 5.11 */
		n = epoll_wait(t->epoll_fd, events, SL_STREAM_EVENTS, (int)((wait.tv_nsec + 999999) / 1000000));

	rcu_thread_online();
	t->now_ms = clock_ns() / 1000000;
	sl_stream_tell_pending(t);
	orders = obey_all(t);
	sl_stream_transfers(t);
	for (int i = 0; i < n; i++)
		happened(t, events[i].data.ptr, events[i].events);
	more = read_again(t);
	flush_all(t);
	receive_newcomers(t);
	more |= !TAILQ_EMPTY(&t->due);
	sl_stream_ask(t);
	sweep(t);
	sl_stream_transfers_out(t);
	sl_stream_bury(t);
	sl_stream_peers_bury(t);
	t->calm = n > 0 || orders ? 0 : t->calm + 1;
	rcu_thread_offline();
	return more;
}

void *sl_stream_thread_run(void *arg)
{
	struct sl_stream_thread *t = arg;
	sigset_t all;
	bool more = false;

	sigfillset(&all); /* SIGPIPE too: OpenSSL writes without a flag against it */
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_TIMERSLACK, (unsigned long)SLACK_NS);
	rcu_register_thread();
	rcu_thread_offline();
	while (!atomic_load_explicit(&t->s->stop, memory_order_relaxed))
		more = turn(t, more);
	rcu_unregister_thread();
	return NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/edge.h"

#include "controlplane/ng/brain.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BACKLOG = 64, FIRST_ROOM = 4 * 1024, IN_ROOM_MAX = SL_NG_TCP_MAX + SL_NG_COOKIE_MAX + 1 };

int sl_ng_tcp_open(struct sl_ng_listener *l, const struct sl_endpoint *at)
{
	bool four = sl_ip_is_v4(&at->ip);
	struct sockaddr_storage ss;
	socklen_t len = sl_ng_to_sockaddr(at, &ss);
	int on = 1;

	l->fd = socket(four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || (!four && setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
	        setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	        bind(l->fd, (const struct sockaddr *)&ss, len) < 0 || listen(l->fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

/* ---- connections ---- */

static void wipe_and_free(char *p, size_t len)
{
	if (p)
		explicit_bzero(p, len);
	free(p);
}

void sl_ng_tcp_close(struct sl_ng_edge *e, unsigned slot)
{
	struct sl_ng_connection *c = &e->connections[slot];
	unsigned generation = c->generation + 1; /* answers under way find nobody */

	if (c->fd < 0)
		return;
	close(c->fd);
	wipe_and_free(c->in, c->in_room);
	wipe_and_free(c->out, c->out_room);
	*c = (struct sl_ng_connection){.fd = -1, .generation = generation};
	__atomic_store_n(&e->tcp_connections, e->tcp_connections - 1, __ATOMIC_RELAXED);
}

static void accept_one(struct sl_ng_edge *e, int fd, const struct sockaddr_storage *ss)
{
	struct sl_endpoint source;
	unsigned slot = 0;
	int on = 1;

	sl_ng_from_sockaddr(ss, &source);
	if (!sl_ng_allowed(e, &source.ip)) {
		sl_ng_refused(e, &source.ip);
		close(fd);
		return;
	}
	while (slot < SL_NG_CONNECTIONS && e->connections[slot].fd >= 0)
		slot++;
	if (slot == SL_NG_CONNECTIONS ||
	        sl_ng_watch(e, EPOLL_CTL_ADD, fd, SL_NG_WATCH_CONNECTION, slot, EPOLLIN) < 0) {
		sl_ng_count(&e->tcp_refused);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	e->connections[slot] = (struct sl_ng_connection){.fd = fd,
	        .generation = e->connections[slot].generation,
	        .source = source,
	        .last_ms = e->now_ms,
	        .watched = EPOLLIN};
	sl_ng_count(&e->tcp_accepted);
	__atomic_store_n(&e->tcp_connections, e->tcp_connections + 1, __ATOMIC_RELAXED);
}

void sl_ng_tcp_accept(struct sl_ng_edge *e, unsigned listener)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	int fd;

	while ((fd = accept4(e->tcp[listener].fd, (struct sockaddr *)&ss, &len,
	                SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		accept_one(e, fd, &ss);
		len = sizeof ss;
	}
}

/* Read unless too much is being executed; write when something waits. */
static void set_watch(struct sl_ng_edge *e, unsigned slot)
{
	struct sl_ng_connection *c = &e->connections[slot];
	uint32_t events =
	        (c->in_flight < SL_NG_IN_FLIGHT_TCP ? EPOLLIN : 0) | (c->out_len > c->out_at ? EPOLLOUT : 0);

	if (events != c->watched &&
	        sl_ng_watch(e, EPOLL_CTL_MOD, c->fd, SL_NG_WATCH_CONNECTION, slot, events) == 0)
		c->watched = events;
}

/* ---- reading ---- */

/* What was taken goes; once for many messages, so that small ones cost no more than they are. */
static void consume(struct sl_ng_connection *c)
{
	if (c->in_at > 0)
		memmove(c->in, c->in + c->in_at, c->in_len - c->in_at);
	c->in_len -= c->in_at;
	c->in_at = 0;
}

static void skip_white_space(struct sl_ng_connection *c)
{
	while (c->in_at < c->in_len && c->in[c->in_at] != '\0' && strchr(" \r\n\t", c->in[c->in_at]))
		c->in_at++;
}

/* Bytes of the message that begins at in_at, cookie included; 0 = not complete; negative = not to be
 * followed. */
static int64_t whole(struct sl_ng_connection *c)
{
	const char *text = c->in + c->in_at, *space;
	size_t len = c->in_len - c->in_at;
	int64_t n;

	if (c->cookie_len == 0) {
		space = len ? memchr(text, ' ', len) : NULL;
		if (!space)
			return len > SL_NG_COOKIE_MAX ? -EBADMSG : 0;
		if (space - text > SL_NG_COOKIE_MAX)
			return -EBADMSG;
		c->cookie_len = (size_t)(space - text);
	}
	n = sl_ng_frame(&c->frame, text + c->cookie_len + 1, len - c->cookie_len - 1);
	return n > 0 ? n + (int64_t)c->cookie_len + 1 : n;
}

/* Every whole message that may be executed now. */
static void take_messages(struct sl_ng_edge *e, unsigned slot)
{
	struct sl_ng_connection *c = &e->connections[slot];
	struct sl_ng_origin from = {
	        .source = c->source, .listener = slot, .generation = c->generation, .tcp = true};
	int64_t n;

	while (c->in_flight < SL_NG_IN_FLIGHT_TCP) {
		if (c->cookie_len == 0)
			skip_white_space(c);
		n = whole(c);
		if (n == 0)
			break;
		if (n < 0) {
			sl_ng_count(&e->bad_messages);
			sl_ng_tcp_close(e, slot);
			return;
		}
		const char *text = c->in + c->in_at;
		struct sl_slice cookie = {text, c->cookie_len},
		                rest = {text + c->cookie_len + 1, (size_t)n - c->cookie_len - 1};
		c->last_ms = e->now_ms;
		c->in_flight += sl_ng_message(e, &from, cookie, rest);
		if (c->fd < 0) /* it did not take an answer */
			return;
		c->in_at += (size_t)n;
		c->cookie_len = 0;
		c->frame = (struct sl_ng_frame){0};
	}
	consume(c);
	set_watch(e, slot);
}

static bool make_room(struct sl_ng_connection *c)
{
	size_t room = c->in_room ? 2 * c->in_room : FIRST_ROOM;
	char *grown;

	if (c->in_len < c->in_room)
		return true;
	if (room > IN_ROOM_MAX)
		room = IN_ROOM_MAX;
	if (room == c->in_room || !(grown = malloc(room)))
		return false;
	if (c->in_len > 0)
		memcpy(grown, c->in, c->in_len);
	wipe_and_free(c->in, c->in_room);
	c->in = grown;
	c->in_room = room;
	return true;
}

static void read_some(struct sl_ng_edge *e, unsigned slot)
{
	struct sl_ng_connection *c = &e->connections[slot];
	ssize_t n;

	if (!make_room(c)) { /* a message longer than any may be would have been refused before */
		sl_ng_tcp_close(e, slot);
		return;
	}
	n = read(c->fd, c->in + c->in_len, c->in_room - c->in_len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		sl_ng_tcp_close(e, slot);
		return;
	}
	c->in_len += (size_t)n;
	take_messages(e, slot);
}

/* ---- writing ---- */

/* False: the connection is no more. */
static bool write_some(struct sl_ng_edge *e, unsigned slot)
{
	struct sl_ng_connection *c = &e->connections[slot];
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		sl_ng_count(&e->send_failures);
		sl_ng_tcp_close(e, slot);
		return false;
	}
	if (n > 0) {
		c->out_at += (size_t)n;
		c->last_ms = e->now_ms;
	}
	if (c->out_at == c->out_len) {
		wipe_and_free(c->out, c->out_room);
		c->out = NULL;
		c->out_len = c->out_room = c->out_at = 0;
	}
	set_watch(e, slot);
	return true;
}

static bool append(struct sl_ng_connection *c, struct sl_slice answer)
{
	size_t need = c->out_len - c->out_at + answer.n;
	char *grown;

	if (need > SL_NG_UNSENT_MAX + answer.n || !(grown = malloc(need)))
		return false;
	if (c->out_len > c->out_at)
		memcpy(grown, c->out + c->out_at, c->out_len - c->out_at);
	memcpy(grown + need - answer.n, answer.p, answer.n);
	wipe_and_free(c->out, c->out_room);
	c->out = grown;
	c->out_at = 0;
	c->out_len = c->out_room = need;
	return true;
}

void sl_ng_tcp_send(struct sl_ng_edge *e, const struct sl_ng_origin *to, struct sl_slice answer)
{
	struct sl_ng_connection *c = &e->connections[to->listener];

	if (c->fd < 0 || c->generation != to->generation)
		return;
	if (!append(c, answer)) {
		sl_ng_count(&e->send_failures);
		sl_ng_tcp_close(e, to->listener);
		return;
	}
	write_some(e, to->listener);
}

void sl_ng_tcp_answered(struct sl_ng_edge *e, const struct sl_ng_origin *to)
{
	struct sl_ng_connection *c = &e->connections[to->listener];

	if (c->fd < 0 || c->generation != to->generation)
		return;
	c->in_flight--;
	take_messages(e, to->listener);
}

void sl_ng_tcp_ready(struct sl_ng_edge *e, unsigned slot, uint32_t events)
{
	if (e->connections[slot].fd < 0)
		return;
	if (events & EPOLLOUT && !write_some(e, slot))
		return;
	if (events & EPOLLIN)
		read_some(e, slot);
	else if (events & (EPOLLERR | EPOLLHUP))
		sl_ng_tcp_close(e, slot);
}

void sl_ng_tcp_sweep(struct sl_ng_edge *e)
{
	for (unsigned i = 0; i < SL_NG_CONNECTIONS; i++) {
		struct sl_ng_connection *c = &e->connections[i];
		bool owes = c->in_len > 0 ||
		            c->out_len > c->out_at; /* the rest of a message, or reading its answers */
		if (c->fd < 0 || c->in_flight > 0 ||
		        e->now_ms - c->last_ms < (owes ? SL_NG_PARTIAL_MS : SL_NG_IDLE_MS))
			continue;
		sl_ng_count(&e->tcp_timeouts);
		sl_ng_tcp_close(e, i);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* TCP with nta on loopback. Each client that speaks has a link of its own: where Sofia finds no message in a stream it answers nothing,
 * reads no further and leaves the connection open, or closes it. That is the client's own loss then. nta makes links, too, for its
 * requests. */

#include "controlplane/edge/thread.h"

#include "dataplane/abi/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

enum { READS_A_TURN = 16, IN_MAX = 2 * SL_EDGE_READ };

static struct sockaddr_in loopback(const struct sl_endpoint *ep)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = sl_ip_v4_be(&ep->ip), .sin_port = ep->port_be};
}

/* ---- who connects ---- */

static bool same_name(const struct sockaddr_in *a, const struct sockaddr_in *b)
{
	return a->sin_family == AF_INET && a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

/* TCP does not say whose the other end is, but if it is ours, one of our descriptors has these two names. nta connects rarely. */
static bool is_our_own(const struct sockaddr_in *theirs, const struct sockaddr_in *ours)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *entry;
	bool found = false;

	while (d && !found && (entry = readdir(d))) {
		struct sockaddr_in name, peer;
		socklen_t name_len = sizeof name, peer_len = sizeof peer;
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] == '.' || getsockname(fd, (struct sockaddr *)&name, &name_len) || name_len != sizeof name)
			continue;
		found = same_name(&name, theirs) && getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
		        peer_len == sizeof peer && same_name(&peer, ours);
	}
	if (d)
		closedir(d);
	return found;
}

void sl_edge_link_accept(struct sl_edge *e)
{
	struct sockaddr_in theirs, ours = loopback(&e->own);
	socklen_t len = sizeof theirs;
	int fd = accept4(e->nta_listener.fd, (struct sockaddr *)&theirs, &len, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
	unsigned slot = 1;

	if (fd < 0)
		return;
	while (slot <= SL_EDGE_LINKS_MAX && e->links[slot].h.fd >= 0)
		slot++;
	if (slot > SL_EDGE_LINKS_MAX || !is_our_own(&theirs, &ours)) {
		sl_log(SL_LOG_WARNING, "sip: a connection to the TLS edge's loopback port was refused: it is not ours");
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	e->links[slot] = (struct sl_edge_link){.h = {.what = SL_EDGE_LINK, .fd = fd}, .slot = slot, .used_ms = e->now_ms};
	if (sl_edge_watch(e, &e->links[slot].h, EPOLLIN)) {
		close(fd);
		e->links[slot].h.fd = -1;
	}
}

/* ---- those that we make ---- */

static int connect_up(struct sl_edge *e, struct sl_edge_link *l)
{
	struct sockaddr_in to = loopback(&e->o.nta);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	l->h = (struct sl_edge_handle){.what = SL_EDGE_LINK, .fd = fd};
	l->connecting = true;
	l->ping_ms = 0;
	if ((connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) || sl_edge_watch(e, &l->h, EPOLLIN | EPOLLOUT)) {
		close(fd);
		l->h.fd = -1;
		return -ECONNREFUSED;
	}
	return 0;
}

/* Where the message begins that nta did not get whole. */
static size_t unfinished(const struct sl_edge_buf *b)
{
	size_t at = 0;

	for (;;) {
		struct sl_frame f = {0};

		if (at >= b->off || sl_frame_next(b->p + at, b->n - at, &f) == SL_FRAME_INCOMPLETE || at + f.total > b->off)
			return at;
		at += f.total;
	}
}

static void retire(struct sl_edge *e, struct sl_edge_link *l)
{
	l->next = e->ended;
	e->ended = l;
}

/* A client's link is no more; with what nta did not get whole another one is made. */
static void broke_up(struct sl_edge *e, struct sl_edge_link *l)
{
	struct sl_edge_conn *c = l->conn;

	l->out.off = unfinished(&l->out);
	if (c && sl_edge_buf_left(&l->out) && ++l->retries <= SL_EDGE_LINK_RETRIES && connect_up(e, l) == 0)
		return;
	if (!c) {
		sl_edge_tell_closed(e, l->letter); /* the sweep takes it off the list */
		l->letter = NULL;
		return;
	}
	bool lost = sl_edge_buf_left(&l->out) > 0;

	c->up = NULL;
	l->conn = NULL;
	retire(e, l);
	if (lost)
		sl_edge_conn_end(e, c, "nta does not take what it sent");
	else
		sl_edge_read_later(e, c);
}

static void broke(struct sl_edge *e, struct sl_edge_link *l)
{
	close(l->h.fd);
	l->h.fd = -1;
	l->in.off = l->in.n = 0;
	memset(&l->frame, 0, sizeof l->frame);
	if (l->slot)
		l->out.off = l->out.n = 0;
	else
		broke_up(e, l);
}

/* ---- writing ---- */

static void write_out(struct sl_edge *e, struct sl_edge_link *l)
{
	while (l->h.fd >= 0 && !l->connecting && sl_edge_buf_left(&l->out)) {
		ssize_t n = send(l->h.fd, l->out.p + l->out.off, sl_edge_buf_left(&l->out), MSG_NOSIGNAL);

		if (n > 0) {
			l->out.off += (size_t)n;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			broke(e, l);
			break;
		}
	}
	if (l->h.fd < 0)
		return;
	if (!sl_edge_buf_left(&l->out)) {
		sl_edge_buf_free(&l->out);
		l->retries = 0;
		if (!l->conn && !l->slot)
			shutdown(l->h.fd, SHUT_WR); /* its client has gone: nta reads to the end and closes */
	}
	if (l->conn && l->conn->state == SL_EDGE_OPEN && !(l->conn->h.events & EPOLLIN) && !sl_edge_up_full(l->conn))
		sl_edge_read_later(e, l->conn);
	if (l->h.fd >= 0)
		sl_edge_watch(e, &l->h, EPOLLIN | (sl_edge_buf_left(&l->out) || l->connecting ? EPOLLOUT : 0));
}

static char *room_of(struct sl_edge_link *l, size_t n)
{
	struct sl_edge_buf *b = &l->out;
	size_t whole = b->n + n > b->cap ? unfinished(b) : 0;

	if (whole) { /* what went whole goes first, and nothing else: the rest may be sent again */
		memmove(b->p, b->p + whole, b->n - whole);
		b->n -= whole;
		b->off -= whole;
	}
	/* The room is counted from the buffer's beginning, and so never moves what is half sent to it. */
	struct sl_edge_buf from_start = {.p = b->p, .n = b->n, .cap = b->cap};
	char *room = sl_edge_buf_room(&from_start, n, SL_EDGE_LINK_MAX);

	b->p = from_start.p;
	b->cap = from_start.cap;
	return room;
}

char *sl_edge_link_room(struct sl_edge *e, unsigned slot, size_t n)
{
	return slot && e->links[slot].h.fd >= 0 ? room_of(&e->links[slot], n) : NULL;
}

void sl_edge_link_send(struct sl_edge *e, unsigned slot, size_t n)
{
	e->links[slot].out.n += n;
	write_out(e, &e->links[slot]);
}

char *sl_edge_up_room(struct sl_edge *e, struct sl_edge_conn *c, size_t n)
{
	struct sl_edge_link *l = c->up;

	if (!l) {
		l = calloc(1, sizeof *l);
		if (!l)
			return NULL;
		if (connect_up(e, l)) {
			free(l);
			return NULL;
		}
		l->conn = c;
		l->used_ms = e->now_ms;
		c->up = l;
	}
	return room_of(l, n);
}

void sl_edge_up_send(struct sl_edge *e, struct sl_edge_conn *c, size_t n)
{
	c->up->used_ms = c->up->wrote_ms = e->now_ms;
	c->up->out.n += n;
	write_out(e, c->up);
}

bool sl_edge_up_full(const struct sl_edge_conn *c)
{
	return c->up && sl_edge_buf_left(&c->up->out) > SL_EDGE_LINK_HIGH;
}

/* The brain hears of the end after the last message: nta has read that when it closes, too. */
void sl_edge_up_leave(struct sl_edge *e, struct sl_edge_conn *c)
{
	struct sl_edge_link *l = c->up;

	if (!l) {
		sl_edge_tell_closed(e, c->letter);
		c->letter = NULL;
		return;
	}
	c->up = NULL;
	l->conn = NULL;
	l->letter = c->letter;
	c->letter = NULL;
	l->used_ms = e->now_ms;
	l->next = e->draining;
	e->draining = l;
	write_out(e, l);
}

/* Sofia, where it has stopped reading, never sees the end of a stream; a reset it sees. */
static void reset(struct sl_edge_link *l)
{
	struct linger now = {.l_onoff = 1};

	setsockopt(l->h.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(l->h.fd);
	l->h.fd = -1;
}

static void end_up(struct sl_edge *e, struct sl_edge_conn *c)
{
	struct sl_edge_link *l = c->up;

	reset(l);
	l->conn = NULL;
	c->up = NULL;
	retire(e, l);
	sl_edge_read_later(e, c);
}

/* Is nta still reading? After something was written it is asked once, by a keep-alive, which Sofia answers. */
void sl_edge_up_tick(struct sl_edge *e, struct sl_edge_conn *c)
{
	struct sl_edge_link *l = c->up;
	char *room;

	if (l->ping_ms && e->now_ms - l->ping_ms > SL_EDGE_LINK_STALL_MS) {
		sl_edge_count(&e->counts.stalled);
		end_up(e, c);
	} else if (!l->ping_ms && l->wrote_ms && (room = room_of(l, 4))) {
		memcpy(room, "\r\n\r\n", 4);
		l->ping_ms = e->now_ms;
		l->wrote_ms = 0;
		l->out.n += 4;
		write_out(e, l);
	} else if (!l->ping_ms && e->now_ms - l->used_ms > SL_EDGE_LINK_IDLE_MS) {
		end_up(e, c);
	}
}

void sl_edge_links_sweep(struct sl_edge *e)
{
	struct sl_edge_link *l, **at = &e->draining;

	while ((l = *at)) {
		if (l->h.fd >= 0 && e->now_ms - l->used_ms <= SL_EDGE_LINK_DRAIN_MS) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		if (l->h.fd >= 0)
			reset(l);
		sl_edge_tell_closed(e, l->letter);
		l->letter = NULL;
		retire(e, l);
	}
}

static void link_free(struct sl_edge_link *l)
{
	if (l->h.fd >= 0)
		close(l->h.fd);
	sl_edge_buf_free(&l->in);
	sl_edge_buf_free(&l->out);
	free(l);
}

void sl_edge_links_bury(struct sl_edge *e)
{
	struct sl_edge_link *l;

	while ((l = e->ended)) {
		e->ended = l->next;
		link_free(l);
	}
}

/* ---- reading ---- */

static bool is_pong(const struct sl_edge_link *l)
{
	return sl_edge_buf_left(&l->in) == 2 && memcmp(l->in.p + l->in.off, "\r\n", 2) == 0;
}

static bool messages(struct sl_edge *e, struct sl_edge_link *l)
{
	int fd = l->h.fd;

	while (sl_edge_buf_left(&l->in)) {
		const char *at = l->in.p + l->in.off;
		enum sl_frame_kind kind = sl_frame_next(at, sl_edge_buf_left(&l->in), &l->frame);
		struct sl_frame f = l->frame;

		if (kind == SL_FRAME_SKIP || is_pong(l)) {
			kind = SL_FRAME_SKIP;
			f.total = 2;
			l->ping_ms = 0;
		}
		if (kind == SL_FRAME_INCOMPLETE)
			return true;
		memset(&l->frame, 0, sizeof l->frame);
		if (kind == SL_FRAME_INVALID)
			return false;
		if (kind == SL_FRAME_MESSAGE)
			sl_edge_from_nta(e, l, at, &f);
		if (l->h.fd != fd || !sl_edge_buf_left(&l->in)) /* an answer found the link broken */
			return true;
		l->in.off += f.total;
	}
	sl_edge_buf_free(&l->in);
	return true;
}

static void read_in(struct sl_edge *e, struct sl_edge_link *l)
{
	for (unsigned i = 0; i < READS_A_TURN && l->h.fd >= 0; i++) {
		char *room = sl_edge_buf_room(&l->in, SL_EDGE_READ, IN_MAX);
		ssize_t n = room ? recv(l->h.fd, room, SL_EDGE_READ, 0) : 0;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			broke(e, l);
			return;
		}
		l->in.n += (size_t)n;
		l->used_ms = l->conn ? e->now_ms : l->used_ms;
		if (!messages(e, l)) {
			sl_log(SL_LOG_ERROR, "sip: the TLS edge did not understand what nta sent");
			broke(e, l);
		}
		if (n < SL_EDGE_READ) /* that was all */
			return;
	}
}

void sl_edge_link_event(struct sl_edge *e, struct sl_edge_link *l, uint32_t events)
{
	if (l->h.fd < 0)
		return;
	if (l->connecting && events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
		int err = 0;
		socklen_t len = sizeof err;

		getsockopt(l->h.fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err) {
			broke(e, l);
			return;
		}
		l->connecting = false;
	}
	if (events & EPOLLOUT)
		write_out(e, l);
	if (l->h.fd >= 0 && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		read_in(e, l);
}

void sl_edge_links_free(struct sl_edge *e)
{
	struct sl_edge_link *l;

	for (unsigned i = 1; i <= SL_EDGE_LINKS_MAX; i++) {
		if (e->links[i].h.fd >= 0)
			close(e->links[i].h.fd);
		sl_edge_buf_free(&e->links[i].in);
		sl_edge_buf_free(&e->links[i].out);
	}
	while ((l = e->draining)) {
		e->draining = l->next;
		free(l->letter);
		link_free(l);
	}
	sl_edge_links_bury(e);
}

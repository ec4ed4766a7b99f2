/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* TCP with nta on loopback. Slot 0 is the connection that we make; nta makes others for its requests. Sofia closes a connection when it cannot
 * read what came by it, or for idleness: what it did not get whole is sent again over the next one. */

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

enum { RETRY_MS = 50, READS_A_TURN = 16 };

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
	e->links[slot] = (struct sl_edge_link){.h = {.what = SL_EDGE_LINK, .fd = fd}, .slot = slot};
	if (sl_edge_watch(e, &e->links[slot].h, EPOLLIN)) {
		close(fd);
		e->links[slot].h.fd = -1;
	}
}

/* ---- the one we make ---- */

void sl_edge_link_connect(struct sl_edge *e)
{
	struct sl_edge_link *l = &e->links[0];
	struct sockaddr_in to = loopback(&e->o.nta);
	int fd, one = 1;

	if (l->h.fd >= 0 || e->now_ms < e->link_retry_ms)
		return;
	e->link_retry_ms = e->now_ms + RETRY_MS;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) {
		close(fd);
		return;
	}
	l->h = (struct sl_edge_handle){.what = SL_EDGE_LINK, .fd = fd};
	l->connecting = true;
	if (sl_edge_watch(e, &l->h, EPOLLIN | EPOLLOUT)) {
		close(fd);
		l->h.fd = -1;
	}
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

static void broke(struct sl_edge *e, struct sl_edge_link *l)
{
	close(l->h.fd);
	l->h.fd = -1;
	sl_edge_buf_free(&l->in);
	memset(&l->frame, 0, sizeof l->frame);
	if (l->slot) {
		sl_edge_buf_free(&l->out);
		return;
	}
	l->out.off = unfinished(&l->out);
	sl_edge_link_connect(e);
}

/* ---- writing ---- */

static void pressure(struct sl_edge *e)
{
	size_t left = sl_edge_buf_left(&e->links[0].out);

	e->link_full = e->link_full ? left > SL_EDGE_LINK_HIGH / 2 : left > SL_EDGE_LINK_HIGH;
}

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
	if (!sl_edge_buf_left(&l->out)) {
		l->out.off = l->out.n = 0;
		if (l->out.cap > SL_EDGE_READ)
			sl_edge_buf_free(&l->out);
	}
	if (l->slot == 0)
		pressure(e);
	if (l->h.fd >= 0)
		sl_edge_watch(e, &l->h, EPOLLIN | (sl_edge_buf_left(&l->out) || l->connecting ? EPOLLOUT : 0));
}

static struct sl_edge_link *link_of(struct sl_edge *e, unsigned slot)
{
	return slot <= SL_EDGE_LINKS_MAX && e->links[slot].h.fd >= 0 ? &e->links[slot] : &e->links[0];
}

char *sl_edge_link_room(struct sl_edge *e, unsigned slot, size_t n)
{
	struct sl_edge_buf *b = &link_of(e, slot)->out;
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

void sl_edge_link_send(struct sl_edge *e, unsigned slot, size_t n)
{
	struct sl_edge_link *l = link_of(e, slot);

	l->out.n += n;
	write_out(e, l);
}

/* ---- reading ---- */

static bool messages(struct sl_edge *e, struct sl_edge_link *l)
{
	while (sl_edge_buf_left(&l->in)) {
		const char *whole = l->in.p, *at = whole + l->in.off;
		enum sl_frame_kind kind = sl_frame_next(at, sl_edge_buf_left(&l->in), &l->frame);
		struct sl_frame f = l->frame;

		if (kind == SL_FRAME_INCOMPLETE)
			return true;
		memset(&l->frame, 0, sizeof l->frame);
		if (kind == SL_FRAME_INVALID)
			return false;
		if (kind == SL_FRAME_MESSAGE)
			sl_edge_from_nta(e, l, at, &f);
		if (l->in.p != whole) /* an answer found the link broken */
			return true;
		l->in.off += f.total;
	}
	l->in.off = l->in.n = 0;
	return true;
}

static void read_in(struct sl_edge *e, struct sl_edge_link *l)
{
	for (unsigned i = 0; i < READS_A_TURN && l->h.fd >= 0; i++) {
		char *room = sl_edge_buf_room(&l->in, SL_EDGE_READ, 2 * SL_EDGE_READ);
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
		if (!messages(e, l)) {
			sl_log(SL_LOG_ERROR, "sip: the TLS edge did not understand what nta sent");
			broke(e, l);
		}
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
	for (unsigned i = 0; i <= SL_EDGE_LINKS_MAX; i++) {
		if (e->links[i].h.fd >= 0)
			close(e->links[i].h.fd);
		sl_edge_buf_free(&e->links[i].in);
		sl_edge_buf_free(&e->links[i].out);
	}
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Bytes of a client's connection. One that is idle has no buffers: reading is done into one shared by all, and only the
 * beginning of a message that is not complete yet is kept. */

#include "controlplane/edge/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <openssl/err.h>

enum { READS_A_TURN = 8, GROW = 4096 };

char *sl_edge_buf_room(struct sl_edge_buf *b, size_t more, size_t max)
{
	size_t left = sl_edge_buf_left(b), want;
	char *p;

	if (left + more > max)
		return NULL;
	if (b->n + more <= b->cap)
		return b->p + b->n;
	if (b->off) {
		memmove(b->p, b->p + b->off, left);
		b->off = 0;
		b->n = left;
	}
	if (left + more > b->cap) {
		want = (left + more + left / 2 + GROW - 1) / GROW * GROW;
		p = realloc(b->p, want);
		if (!p)
			return NULL;
		b->p = p;
		b->cap = want;
	}
	return b->p + b->n;
}

void sl_edge_buf_free(struct sl_edge_buf *b)
{
	free(b->p);
	*b = (struct sl_edge_buf){0};
}

/* ---- writing ---- */

static void watch(struct sl_edge *e, struct sl_edge_conn *c)
{
	uint32_t events = (sl_edge_up_full(c) ? 0 : EPOLLIN) | (sl_edge_buf_left(&c->out) ? EPOLLOUT : 0);

	if (c->state == SL_EDGE_OPEN && sl_edge_watch(e, &c->h, events))
		sl_edge_conn_end(e, c, "no memory");
}

void sl_edge_conn_write(struct sl_edge *e, struct sl_edge_conn *c)
{
	while (c->state == SL_EDGE_OPEN && sl_edge_buf_left(&c->out)) {
		ERR_clear_error();
		int n = SSL_write(c->ssl, c->out.p + c->out.off, (int)sl_edge_buf_left(&c->out));

		if (n > 0) {
			c->out.off += (size_t)n;
			continue;
		}
		n = SSL_get_error(c->ssl, n);
		if (n != SSL_ERROR_WANT_WRITE && n != SSL_ERROR_WANT_READ) {
			sl_edge_conn_end(e, c, "the connection broke");
			return;
		}
		break;
	}
	if (c->state != SL_EDGE_OPEN)
		return;
	if (!sl_edge_buf_left(&c->out))
		sl_edge_buf_free(&c->out);
	watch(e, c);
}

char *sl_edge_conn_room(struct sl_edge *e, struct sl_edge_conn *c, size_t n)
{
	char *room = c->state == SL_EDGE_OPEN ? sl_edge_buf_room(&c->out, n, SL_EDGE_OUT_MAX) : NULL;

	if (!room && c->state == SL_EDGE_OPEN) {
		sl_edge_count(&e->counts.closed_slow);
		sl_edge_conn_end(e, c, "the other side does not read");
	}
	return room;
}

void sl_edge_conn_send(struct sl_edge *e, struct sl_edge_conn *c, size_t n)
{
	bool waits = sl_edge_buf_left(&c->out) > 0;

	c->out.n += n;
	if (!waits) /* else it goes when the socket has room */
		sl_edge_conn_write(e, c);
}

/* ---- reading ---- */

static bool pong(struct sl_edge *e, struct sl_edge_conn *c)
{
	char *room = sl_edge_conn_room(e, c, 2);

	if (!room)
		return false;
	memcpy(room, "\r\n", 2);
	sl_edge_count(&e->counts.keepalives);
	sl_edge_conn_send(e, c, 2);
	return true;
}

/* Take messages off the front; returns bytes taken. The connection may have ended when it returns. */
static size_t messages(struct sl_edge *e, struct sl_edge_conn *c, const char *data, size_t n)
{
	size_t at = 0;

	while (at < n && c->state == SL_EDGE_OPEN) {
		enum sl_frame_kind kind = sl_frame_next(data + at, n - at, &c->frame);
		struct sl_frame f = c->frame;

		if (kind == SL_FRAME_INCOMPLETE)
			break;
		memset(&c->frame, 0, sizeof c->frame);
		if (kind == SL_FRAME_PING)
			pong(e, c);
		if (kind == SL_FRAME_MESSAGE)
			c->spoke = true;
		if (kind == SL_FRAME_INVALID || (kind == SL_FRAME_MESSAGE && !sl_edge_from_client(e, c, data + at, &f))) {
			sl_edge_count(&e->counts.closed_framing);
			sl_edge_conn_end(e, c, "what came was no SIP");
			break;
		}
		at += f.total;
	}
	return at;
}

/* More bytes lie at the end of c->in, or in the shared buffer. */
static void took(struct sl_edge *e, struct sl_edge_conn *c, const char *data, size_t n)
{
	bool shared = data == e->scratch;
	size_t used = messages(e, c, data, n), left = n - used;
	char *room;

	if (c->state != SL_EDGE_OPEN)
		return;
	if (used || !c->partial_ms)
		c->partial_ms = left ? e->now_ms : 0;
	if (!left) {
		sl_edge_buf_free(&c->in);
		return;
	}
	if (!shared) {
		c->in.off += used;
		return;
	}
	room = sl_edge_buf_room(&c->in, left, SL_EDGE_READ);
	if (!room) {
		sl_edge_conn_end(e, c, "no memory");
		return;
	}
	memcpy(room, data + used, left);
	c->in.n += left;
}

void sl_edge_read_later(struct sl_edge *e, struct sl_edge_conn *c)
{
	if (c->again)
		return;
	c->again = true;
	c->again_next = e->again;
	e->again = c;
}

void sl_edge_conn_read(struct sl_edge *e, struct sl_edge_conn *c)
{
	for (unsigned i = 0; c->state == SL_EDGE_OPEN; i++) {
		bool shared = sl_edge_buf_left(&c->in) == 0;
		size_t size = shared ? SL_EDGE_READ : 16384;
		char *at = shared ? e->scratch : sl_edge_buf_room(&c->in, size, SL_EDGE_READ + size);

		if (sl_edge_up_full(c)) { /* nta is behind: what is here stays with TLS and TCP until it is not */
			watch(e, c);
			return;
		}
		if (i == READS_A_TURN) { /* others wait too; TLS may hold bytes that epoll knows nothing of */
			sl_edge_read_later(e, c);
			return;
		}
		if (!at) {
			sl_edge_conn_end(e, c, "no memory");
			return;
		}
		ERR_clear_error();
		int n = SSL_read(c->ssl, at, (int)size);

		if (n <= 0) {
			n = SSL_get_error(c->ssl, n);
			if (n != SSL_ERROR_WANT_READ && n != SSL_ERROR_WANT_WRITE)
				sl_edge_conn_end(e, c, "the other side closed the connection");
			watch(e, c);
			return;
		}
		c->heard_ms = e->now_ms;
		if (shared) {
			took(e, c, e->scratch, (size_t)n);
		} else {
			c->in.n += (size_t)n;
			took(e, c, c->in.p + c->in.off, sl_edge_buf_left(&c->in));
		}
	}
}

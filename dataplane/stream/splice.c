/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RFC 6062: bytes between a client's data connection and its peer. Neither side is read before the other has taken what was read last, so that what waits
 * here is never more than one piece each way. An end of one direction is passed on; with both the connection is over. */

#include "dataplane/stream/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include <openssl/err.h>

enum { PIECES_A_TURN = 4 };

typedef int writer(void *to, const void *p, size_t n);

static int to_client(void *to, const void *p, size_t n)
{
	return sl_stream_write(to, p, n);
}

static int to_peer(void *to, const void *p, size_t n)
{
	const struct sl_stream_peer *peer = to;
	ssize_t rc = send(peer->h.fd, p, n, MSG_NOSIGNAL);

	return rc >= 0 ? (int)rc : errno == EINTR ? -EAGAIN : -errno;
}

/* What waits leaves. 0 = all of it, -EAGAIN, or -errno. */
static int flush(struct sl_stream_thread *t, struct sl_stream_buf *b, writer *write_to, void *to)
{
	while (sl_stream_buf_left(b)) {
		int rc = write_to(to, b->p + b->off, sl_stream_buf_left(b));

		if (rc < 0)
			return rc;
		b->off += (uint32_t)rc;
	}
	sl_stream_buf_free(t, b);
	return 0;
}

/* n bytes of the thread's buffer: sent, or kept in b. */
static int pass(struct sl_stream_thread *t, struct sl_stream_buf *b, writer *write_to, void *to, size_t n)
{
	size_t at = 0;
	uint8_t *room;

	while (at < n) {
		int rc = write_to(to, t->scratch + at, n - at);

		if (rc == -EAGAIN)
			break;
		if (rc < 0)
			return rc;
		at += (size_t)rc;
	}
	if (at == n)
		return 0;
	room = sl_stream_buf_room(t, b, (uint32_t)(n - at));
	if (!room)
		return -ENOMEM;
	memcpy(room, t->scratch + at, n - at);
	b->n += (uint32_t)(n - at);
	return -EAGAIN;
}

/* 0: there may be more, which the kernel or OpenSSL holds. -EAGAIN: it waits for one of the sockets. */
static int forward(struct sl_stream_thread *t, struct sl_stream_peer *p, struct sl_stream_conn *c)
{
	int rc = flush(t, &p->out, to_peer, p);

	for (unsigned i = 0; i < PIECES_A_TURN && rc == 0; i++) {
		if (p->client_eof) {
			if (!p->peer_shut)
				shutdown(p->h.fd, SHUT_WR);
			p->peer_shut = true;
			return -EAGAIN;
		}
		rc = sl_stream_recv(c, t->scratch, SL_STREAM_READ);
		if (rc < 0)
			return rc;
		p->client_eof = rc == 0;
		sl_stream_count(t, SL_S_peer_bytes_out, rc);
		rc = pass(t, &p->out, to_peer, p, (size_t)rc);
	}
	return rc;
}

static void shut_client(struct sl_stream_peer *p, struct sl_stream_conn *c)
{
	if (p->client_shut)
		return;
	p->client_shut = true;
	if (c->ssl) {
		ERR_clear_error();
		SSL_shutdown(c->ssl);
	}
	shutdown(c->h.fd, SHUT_WR);
}

static int backward(struct sl_stream_thread *t, struct sl_stream_peer *p, struct sl_stream_conn *c)
{
	int rc = c->ssl ? sl_stream_records_flush(t, c) : 0;

	if (rc == 0)
		rc = flush(t, &c->out, to_client, c);
	for (unsigned i = 0; i < PIECES_A_TURN && rc == 0; i++) {
		if (p->peer_eof) {
			shut_client(p, c);
			return -EAGAIN;
		}
		ssize_t n = recv(p->h.fd, t->scratch, SL_STREAM_READ, 0);

		if (n < 0)
			return errno == EINTR ? -EAGAIN : -errno;
		p->peer_eof = n == 0;
		sl_stream_count(t, SL_S_peer_bytes_in, n);
		rc = pass(t, &c->out, to_client, c, (size_t)n);
	}
	return rc;
}

static int watch(struct sl_stream_thread *t, struct sl_stream_peer *p, struct sl_stream_conn *c)
{
	uint32_t to_p = sl_stream_buf_left(&p->out), to_c = sl_stream_conn_unsent(c);
	int err = sl_stream_watch(t, &c->h, (!p->client_eof && !to_p ? EPOLLIN : 0) | (to_c ? EPOLLOUT : 0));

	return err ? err : sl_stream_watch(t, &p->h, (!p->peer_eof && !to_c ? EPOLLIN : 0) | (to_p ? EPOLLOUT : 0));
}

void sl_stream_splice(struct sl_stream_thread *t, struct sl_stream_peer *p)
{
	struct sl_stream_conn *c = p->client;
	int there = 0, back = 0, err;

	if (p->state != SL_PEER_BOUND)
		return;
	there = forward(t, p, c);
	if (there == 0 || there == -EAGAIN)
		back = backward(t, p, c);
	err = there < 0 && there != -EAGAIN ? there : back < 0 && back != -EAGAIN ? back : 0;
	if (!err)
		err = watch(t, p, c);
	if (err || (p->peer_shut && p->client_shut)) {
		sl_stream_peer_end(t, p, err, true);
		return;
	}
	if (there == 0 && c->ssl)
		sl_stream_read_later(t, c);
}

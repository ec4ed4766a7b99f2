/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Bytes of a connection. One that is idle has no buffers: reading is done into one that the thread has, and only the beginning of a frame that is
 * not complete yet is kept. What is to be sent is gathered while a worker's orders are looked through, and leaves in one write. */

#include "dataplane/stream/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <urcu-qsbr.h>

#include <openssl/err.h>

#include "dataplane/path/turn_conf.h"
#include "dataplane/stream/frame.h"
#include "dataplane/wire/channel.h"

enum {
	BUFFER_MIN = 2048,
	BIND_ANSWER = 0x010b,  /* success of ConnectionBind (RFC 6062 6.1) */
	STUN_HEADER = 20, CHANNEL_HEADER = SL_CHANNEL_HEADER_BYTES,
};

/* ---- buffers ---- */

void *sl_stream_buf_room(struct sl_stream_thread *t, struct sl_stream_buf *b, uint32_t more)
{
	uint32_t left = sl_stream_buf_left(b), cap = b->cap ? b->cap : BUFFER_MIN;
	uint8_t *p;

	if (b->n + more <= b->cap)
		return b->p + b->n;
	if (b->off) {
		memmove(b->p, b->p + b->off, left);
		b->off = 0;
		b->n = left;
	}
	while (cap < left + more)
		cap *= 2;
	if (cap > b->cap) {
		if (!sl_stream_charge(t, cap - b->cap))
			return NULL;
		p = realloc(b->p, cap);
		if (!p) {
			sl_stream_uncharge(t, cap - b->cap);
			return NULL;
		}
		b->p = p;
		b->cap = cap;
	}
	return b->p + b->n;
}

void sl_stream_buf_free(struct sl_stream_thread *t, struct sl_stream_buf *b)
{
	if (b->cap)
		sl_stream_uncharge(t, b->cap);
	free(b->p);
	*b = (struct sl_stream_buf){0};
}

/* ---- kernel and OpenSSL ---- */

static int result(struct sl_stream_conn *c, int rc)
{
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		c->ssl_broken = true;
		return -EIO;
	}
}

int sl_stream_recv(struct sl_stream_conn *c, void *p, size_t n)
{
	int rc;

	if (!c->ssl) {
		rc = (int)recv(c->h.fd, p, n, 0);
		return rc >= 0 ? rc : errno == EINTR ? -EAGAIN : -errno;
	}
	ERR_clear_error();
	rc = SSL_read(c->ssl, p, (int)n);
	return rc > 0 ? rc : result(c, rc);
}

int sl_stream_write(struct sl_stream_conn *c, const void *p, size_t n)
{
	int rc;

	if (!c->ssl) {
		rc = (int)send(c->h.fd, p, n, MSG_NOSIGNAL);
		return rc >= 0 ? rc : errno == EINTR ? -EAGAIN : -errno;
	}
	ERR_clear_error();
	rc = SSL_write(c->ssl, p, (int)n);
	if (rc > 0)
		return rc;
	rc = result(c, rc);
	return rc ? rc : -EPIPE;
}

void sl_stream_conn_watch(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	bool reads = c->state == SL_STREAM_OPEN && !c->paused && !c->binding;

	if (c->h.fd >= 0 && c->state != SL_STREAM_DEAD &&
	        sl_stream_watch(t, &c->h, (reads ? EPOLLIN : 0) | (sl_stream_conn_unsent(c) ? EPOLLOUT : 0)))
		sl_stream_conn_end(t, c);
}

void sl_stream_read_later(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	if (c->is_again)
		return;
	c->is_again = true;
	TAILQ_INSERT_TAIL(&t->again, c, again);
}

/* ---- from the client ---- */

/* The realm of the server name, by the snapshot of now. ChannelData is of an allocation, which has its realm. */
static uint16_t realm_of(struct sl_stream_thread *t, const struct sl_stream_conn *c, const uint8_t *p)
{
	const struct sl_turn_conf *conf = c->host && !sl_channel_looks_like(p[0]) ? rcu_dereference(t->s->dp->turn_conf) : NULL;

	return conf ? sl_turn_conf_server_name(conf, c->host) : SL_TURN_ANY_REALM;
}

/* False: the worker's ring has no room. */
static bool deliver(struct sl_stream_thread *t, struct sl_stream_conn *c, const uint8_t *p, size_t n)
{
	struct sl_stream_record *r = sl_byte_ring_reserve(&t->in[c->worker], sizeof *r + n);

	if (!r)
		return false;
	*r = (struct sl_stream_record){.kind = SL_STREAM_IN_FRAME, .realm = realm_of(t, c, p), .len = (uint32_t)n, .flow = c->flow, .server = c->server};
	memcpy(r + 1, p, n);
	sl_byte_ring_put(&t->in[c->worker], sizeof *r + n);
	c->spoke = true;
	sl_stream_count(t, SL_S_frames_in, 1);
	sl_stream_count(t, SL_S_bytes_in, (int64_t)n);
	return true;
}

static void pause_it(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	c->paused = true;
	sl_stream_count(t, SL_S_paused, 1);
	sl_stream_read_later(t, c);
	sl_stream_conn_watch(t, c);
}

/* Frames off the front; returns the bytes taken. The connection may have ended, or be paused, when it returns. */
static size_t cut(struct sl_stream_thread *t, struct sl_stream_conn *c, const uint8_t *p, size_t n)
{
	size_t at = 0;

	while (at < n) {
		struct sl_stream_frame f;
		enum sl_stream_frame_kind kind = sl_stream_frame_next(p + at, n - at, c->known ? SL_STREAM_TOTAL_MAX : SL_STREAM_STRANGER_FRAME, &f);

		if (kind == SL_STREAM_FRAME_INCOMPLETE)
			break;
		if (kind == SL_STREAM_FRAME_INVALID) {
			sl_stream_count(t, SL_S_malformed, 1);
			sl_stream_conn_end(t, c);
			break;
		}
		if (!deliver(t, c, p + at, f.len)) {
			pause_it(t, c);
			break;
		}
		at += f.total;
	}
	return at;
}

/* What was not taken waits; p lies in the thread's buffer. */
static void keep(struct sl_stream_thread *t, struct sl_stream_conn *c, const uint8_t *p, size_t n)
{
	uint8_t *room;

	c->in.off = c->in.n = 0;
	if (n == 0) {
		sl_stream_buf_free(t, &c->in);
		return;
	}
	room = sl_stream_buf_room(t, &c->in, (uint32_t)n);
	if (!room) {
		sl_stream_count(t, SL_S_connections_refused, 1);
		sl_stream_conn_end(t, c);
		return;
	}
	memcpy(room, p, n);
	c->in.n += (uint32_t)n;
}

void sl_stream_conn_read(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	size_t kept = sl_stream_buf_left(&c->in), n = kept, used;
	int rc = -EAGAIN;

	if (c->state == SL_STREAM_CLOSING) /* its socket broke before all had left */
		sl_stream_conn_end(t, c);
	if (c->state != SL_STREAM_OPEN || c->paused || c->binding)
		return;
	if (kept)
		memcpy(t->scratch, c->in.p + c->in.off, kept);
	while (n < kept + SL_STREAM_READ && (rc = sl_stream_recv(c, t->scratch + n, kept + SL_STREAM_READ - n)) > 0) {
		n += (size_t)rc;
		if (!c->ssl)
			break;
	}
	if (n > kept) {
		used = cut(t, c, t->scratch, n);
		if (c->state == SL_STREAM_OPEN)
			keep(t, c, t->scratch + used, n - used);
	}
	if (c->state != SL_STREAM_OPEN)
		return;
	if (rc == 0 || (rc < 0 && rc != -EAGAIN))
		sl_stream_conn_end(t, c);
	else if (c->ssl && rc > 0)
		sl_stream_read_later(t, c); /* OpenSSL may hold more, which the kernel knows nothing of */
}

void sl_stream_conn_resume(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	size_t n = sl_stream_buf_left(&c->in), used;

	c->paused = false;
	memcpy(t->scratch, c->in.p + c->in.off, n);
	used = cut(t, c, t->scratch, n);
	if (c->state == SL_STREAM_OPEN)
		keep(t, c, t->scratch + used, n - used);
	if (c->state != SL_STREAM_OPEN || c->paused)
		return;
	sl_stream_conn_watch(t, c);
	sl_stream_conn_read(t, c);
}

/* Over DTLS padding is not needed and may be there (RFC 8656 12.5); what is malformed is dropped, as on UDP. */
void sl_stream_conn_frame(struct sl_stream_thread *t, struct sl_stream_conn *c, const uint8_t *p, size_t n)
{
	bool channel = n >= CHANNEL_HEADER && sl_channel_looks_like(p[0]);
	size_t len = n < CHANNEL_HEADER ? 0 : ((size_t)p[2] << 8 | p[3]) + (channel ? CHANNEL_HEADER : STUN_HEADER);

	if (n < CHANNEL_HEADER || p[0] & 0x80 || (channel ? len > n : len != n) || (!c->known && len > SL_STREAM_STRANGER_FRAME))
		sl_stream_count(t, SL_S_malformed, 1);
	else if (!deliver(t, c, p, len))
		sl_stream_count(t, SL_S_paused, 1);
}

/* ---- to the client ---- */

static void send_datagram(struct sl_stream_thread *t, struct sl_stream_conn *c, const void *p, size_t n)
{
	int rc = n <= SSL3_RT_MAX_PLAIN_LENGTH ? sl_stream_write(c, p, n) : -EMSGSIZE;

	if (rc > 0) {
		sl_stream_count(t, SL_S_frames_out, 1);
		sl_stream_count(t, SL_S_bytes_out, (int64_t)n);
		return;
	}
	sl_stream_count(t, SL_S_slow_dropped, 1);
	if (c->ssl_broken)
		sl_stream_conn_end(t, c);
}

static void note_slow(struct sl_stream_thread *t, struct sl_stream_conn *c, bool slow, bool moved)
{
	if (slow && (moved || !c->is_slow))
		c->stalled_ms = t->now_ms;
	if (slow == c->is_slow)
		return;
	c->is_slow = slow;
	if (slow)
		TAILQ_INSERT_TAIL(&t->slow, c, slow);
	else
		TAILQ_REMOVE(&t->slow, c, slow);
}

/* Over TLS each message has a record of its own, as clients know it from other servers: some take a record for a message. */
static uint32_t piece(const struct sl_stream_conn *c)
{
	uint32_t left = sl_stream_buf_left(&c->out);
	struct sl_stream_frame f = {0};

	if (!c->ssl)
		return left;
	if (c->rest)
		return c->rest;
	sl_stream_frame_next(c->out.p + c->out.off, left, SL_STREAM_TOTAL_MAX, &f);
	return f.total > 0 && f.total < left ? (uint32_t)f.total : left;
}

/* True: something has left. *rc: 0 = all has, -EAGAIN, or -errno. */
static bool write_out(struct sl_stream_thread *t, struct sl_stream_conn *c, int *rc)
{
	uint32_t before = sl_stream_conn_unsent(c);

	t->gathering = c;
	t->n_gathered = 0;
	*rc = c->ssl ? sl_stream_records_flush(t, c) : 0;
	if (c->wants_ticket && sl_stream_buf_left(&c->out))
		sl_stream_tls_ticket(c);
	while (*rc == 0 && sl_stream_buf_left(&c->out)) {
		uint32_t n = piece(c);
		int sent = sl_stream_write(c, c->out.p + c->out.off, n);

		if (sent < 0) {
			*rc = sent;
			break;
		}
		c->out.off += (uint32_t)sent;
		c->rest = c->ssl ? n - (uint32_t)sent : 0;
	}
	if (c->ssl && (*rc == 0 || *rc == -EAGAIN)) {
		int flushed = sl_stream_records_flush(t, c);

		if (flushed)
			*rc = flushed;
	}
	t->gathering = NULL;
	return sl_stream_conn_unsent(c) < before;
}

void sl_stream_conn_flush(struct sl_stream_thread *t, struct sl_stream_conn *c)
{
	bool moved;
	int rc;

	if (c->state != SL_STREAM_OPEN && c->state != SL_STREAM_CLOSING)
		return;
	moved = write_out(t, c, &rc);
	if (rc < 0 && rc != -EAGAIN) {
		sl_stream_conn_end(t, c);
		return;
	}
	if (!sl_stream_buf_left(&c->out))
		sl_stream_buf_free(t, &c->out);
	if (!sl_stream_conn_unsent(c) && c->state == SL_STREAM_CLOSING) {
		sl_stream_conn_end(t, c);
		return;
	}
	note_slow(t, c, sl_stream_conn_unsent(c) > 0, moved);
	sl_stream_conn_watch(t, c);
}

void sl_stream_conn_send(struct sl_stream_thread *t, struct sl_stream_conn *c, const void *p, size_t n)
{
	uint32_t limit = c->known ? t->s->buffer_bytes : SL_STREAM_STRANGER_OUT;
	const uint8_t *bytes = p;
	void *room;

	if (c->state != SL_STREAM_OPEN)
		return;
	if (c->h.fd < 0) {
		send_datagram(t, c, p, n);
		return;
	}
	if (!sl_stream_frame_is_relayed(p, n))
		limit += SL_STREAM_RESERVE;
	if (sl_stream_conn_unsent(c) + n > limit && !c->is_slow) {
		sl_stream_conn_flush(t, c); /* many orders came at once: the socket has not been asked yet */
		if (c->state != SL_STREAM_OPEN)
			return;
	}
	room = sl_stream_conn_unsent(c) + n <= limit ? sl_stream_buf_room(t, &c->out, (uint32_t)n) : NULL;
	if (!room) {
		sl_stream_count(t, SL_S_slow_dropped, 1);
		return;
	}
	memcpy(room, p, n);
	c->out.n += (uint32_t)n;
	sl_stream_count(t, SL_S_frames_out, 1);
	sl_stream_count(t, SL_S_bytes_out, (int64_t)n);
	/* What comes after this answer is no message any more: it waits for TCP_BIND. */
	if (n >= STUN_HEADER && bytes[0] == BIND_ANSWER >> 8 && bytes[1] == (BIND_ANSWER & 0xff))
		c->binding = true;
	if (!c->is_dirty) {
		c->is_dirty = true;
		TAILQ_INSERT_TAIL(&t->dirty, c, dirty);
	}
}

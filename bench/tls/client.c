/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A client's connection: TCP, handshake, requests, frames. */

#include "bench/tls/load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "dataplane/wire/stun.h"

enum { SESSIONS_MAX = 8192, PATIENCE_S = 10 };
#define NS_PER_S 1000000000ull

/* ---- sessions that may be resumed ---- */

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct load *l = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0);

	if (!l->o.resume || l->n_sessions == SESSIONS_MAX)
		return 0; /* not held */
	l->sessions[l->n_sessions++] = session;
	return 1;
}

/* The names of TLS 1.3's suites begin with TLS_, those of TLS 1.2 as OpenSSL calls them do not. */
static bool choose_suite(SSL_CTX *ctx, const char *suite)
{
	if (strncmp(suite, "TLS_", 4) == 0)
		return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 && SSL_CTX_set_ciphersuites(ctx, suite) == 1;
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, suite) == 1;
}

int clients_init(struct load *l)
{
	l->ctx = SSL_CTX_new(TLS_client_method());
	l->clients = calloc(l->o.clients, sizeof *l->clients);
	l->free = calloc(l->o.clients, sizeof *l->free);
	l->sessions = calloc(SESSIONS_MAX, sizeof(SSL_SESSION *));
	if (l->ctx == NULL || l->clients == NULL || l->free == NULL || l->sessions == NULL) {
		fprintf(stderr, "sluice-tlsload: no memory for %u clients\n", l->o.clients);
		return -1;
	}
	for (uint32_t i = l->o.clients; i-- > 0;)
		l->free[l->n_free++] = i;
	SSL_CTX_set_ex_data(l->ctx, 0, l);
	SSL_CTX_set_session_cache_mode(l->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(l->ctx, keep_session);
	if (!choose_suite(l->ctx, l->o.suite)) {
		fprintf(stderr, "sluice-tlsload: --suite %s: not known\n", l->o.suite);
		return -1;
	}
	return 0;
}

void clients_fini(struct load *l)
{
	for (unsigned i = 0; i < l->o.clients; i++)
		SSL_free(l->clients[i].ssl);
	while (l->n_sessions > 0)
		SSL_SESSION_free(l->sessions[--l->n_sessions]);
	SSL_CTX_free(l->ctx);
	free(l->clients);
	free(l->free);
	free(l->sessions);
}

/* ---- a connection's beginning and end ---- */

static void end_client(struct load *l, uint32_t i)
{
	struct client *c = &l->clients[i];

	if (c->stage == STAGE_READY)
		l->n_ready--;
	if (c->ssl != NULL && c->stage > STAGE_HANDSHAKE)
		SSL_shutdown(c->ssl);
	SSL_free(c->ssl);
	close(c->fd);
	c->ssl = NULL;
	c->stage = STAGE_FREE;
	l->free[l->n_free++] = i;
}

static void fail(struct load *l, uint32_t i, const char *what)
{
	if (what != NULL)
		snprintf(l->why, sizeof l->why, "%s: %s", what, errno != 0 ? strerror(errno) : ERR_reason_error_string(ERR_peek_last_error()));
	ERR_clear_error();
	l->now.failed++;
	end_client(l, i);
}

/* Source addresses in turn: one alone has no more than its ports. */
static void bind_source(struct load *l, int fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	const int one = 1;

	if (l->o.n_from == 0)
		return;
	at.sin_addr.s_addr = htonl(ntohl(sl_ip_v4_be(&l->o.from)) + (uint32_t)(l->next_from++ % l->o.n_from));
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	(void)bind(fd, (struct sockaddr *)&at, sizeof at);
}

bool client_start(struct load *l)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = l->o.server.port_be, .sin_addr.s_addr = sl_ip_v4_be(&l->o.server.ip) };
	const int one = 1;

	if (l->n_free == 0)
		return false;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		snprintf(l->why, sizeof l->why, "socket: %s", strerror(errno));
		return false;
	}
	uint32_t i = l->free[--l->n_free];
	struct client *c = &l->clients[i];
	*c = (struct client){ .fd = fd, .stage = STAGE_CONNECT, .began_ns = now_ns() };
	c->deadline_ns = c->began_ns + PATIENCE_S * NS_PER_S;
	l->now.started++;
	bind_source(l, fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
		fail(l, i, "connect");
		return false;
	}
	watch(l, fd, tag(KIND_CLIENT, i), EPOLLIN | EPOLLOUT | EPOLLET);
	return true;
}

void clients_expire(struct load *l)
{
	uint64_t now = now_ns();

	for (uint32_t i = 0; i < l->o.clients; i++) {
		struct client *c = &l->clients[i];
		if (c->stage == STAGE_FREE || c->stage == STAGE_READY || now < c->deadline_ns)
			continue;
		snprintf(l->why, sizeof l->why, "no answer in %d s, in stage %d", PATIENCE_S, (int)c->stage);
		fail(l, i, NULL);
	}
}

/* ---- bytes ---- */

/* Send out[0..out_len); what a full socket refuses is tried again at EPOLLOUT. */
static bool flush_out(struct client *c)
{
	if (c->out_len == 0)
		return true;
	int n = SSL_write(c->ssl, c->out, (int)c->out_len);
	if (n > 0) {
		c->out_len = 0;
		return true;
	}
	return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_WRITE;
}

static size_t make_frame(const struct load *l, uint32_t i, uint8_t *out)
{
	struct client *c = &l->clients[i];
	uint16_t head[2] = { htons(CHANNEL), htons((uint16_t)l->o.payload) };
	uint64_t at = now_ns();
	size_t len = CHANNEL_HEADER + l->o.payload, padded = (len + 3) & ~(size_t)3;

	memset(out, 0xd5, padded);
	memcpy(out, head, sizeof head);
	memcpy(out + CHANNEL_HEADER, &i, 4);
	c->sequence++;
	memcpy(out + CHANNEL_HEADER + 4, &c->sequence, 4);
	memcpy(out + CHANNEL_HEADER + 8, &at, 8);
	return padded;
}

static void send_now(struct load *l, uint32_t i)
{
	if (!flush_out(&l->clients[i]))
		fail(l, i, "write");
}

void client_send(struct load *l, uint32_t i)
{
	struct client *c = &l->clients[i];

	if (c->stage != STAGE_READY)
		return;
	if (c->out_len != 0) {
		l->now.unsent++;
		return;
	}
	c->out_len = (uint32_t)make_frame(l, i, c->out);
	l->now.sent++;
	send_now(l, i);
}

static void request(struct load *l, uint32_t i)
{
	struct client *c = &l->clients[i];

	c->out_len = c->stage == STAGE_ECHO ? (uint32_t)make_frame(l, i, c->out) : (uint32_t)turn_request(l, c, c->out, sizeof c->out);
	send_now(l, i);
}

static void become_ready(struct load *l, uint32_t i)
{
	struct client *c = &l->clients[i];

	l->now.ready++;
	l->now.resumed += SSL_session_reused(c->ssl) != 0;
	l->n_ready++;
	c->stage = STAGE_READY;
	if (l->o.arrivals) {
		latency_add(&l->now.latency, now_ns() - c->began_ns);
		end_client(l, i);
	}
}

static void take_channel_data(struct load *l, uint32_t i, const uint8_t *frame, size_t len)
{
	struct client *c = &l->clients[i];
	uint16_t head[2];
	uint32_t number, sequence;
	uint64_t at;

	memcpy(head, frame, sizeof head);
	if (len != CHANNEL_HEADER + l->o.payload || ntohs(head[0]) != CHANNEL) {
		l->now.bad++;
		return;
	}
	memcpy(&number, frame + CHANNEL_HEADER, 4);
	memcpy(&sequence, frame + CHANNEL_HEADER + 4, 4);
	memcpy(&at, frame + CHANNEL_HEADER + 8, 8);
	l->now.bad += number != i || sequence <= c->seen || frame[len - 1] != 0xd5;
	c->seen = sequence;
	if (c->stage == STAGE_ECHO) {
		become_ready(l, i);
		return;
	}
	l->now.received++;
	latency_add(&l->now.latency, now_ns() - at);
}

/* All frames that are whole; false when the client has gone. */
static bool take_frames(struct load *l, uint32_t i)
{
	struct client *c = &l->clients[i];
	uint32_t at = 0;
	uint16_t head[2];

	while (c->in_len - at >= CHANNEL_HEADER) {
		memcpy(head, c->in + at, sizeof head);
		bool stun = (c->in[at] & 0xC0) == 0;
		uint32_t len = ntohs(head[1]) + (stun ? SL_STUN_HEADER_BYTES : CHANNEL_HEADER), whole = stun ? len : (len + 3) & ~3u;
		if (whole > sizeof c->in) {
			fail(l, i, "a frame that is too long");
			return false;
		}
		if (c->in_len - at < whole)
			break;
		int answer = stun ? turn_answer(l, c, c->in + at, len) : 0;
		if (!stun)
			take_channel_data(l, i, c->in + at, len);
		else if (answer == 1)
			request(l, i);
		else if (answer == 2)
			become_ready(l, i);
		else if (answer < 0)
			fail(l, i, NULL);
		if (c->stage == STAGE_FREE)
			return false;
		at += whole;
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	return true;
}

static void read_all(struct load *l, uint32_t i)
{
	struct client *c = &l->clients[i];

	for (;;) {
		errno = 0;
		int n = SSL_read(c->ssl, c->in + c->in_len, (int)(sizeof c->in - c->in_len));
		if (n <= 0) {
			int error = SSL_get_error(c->ssl, n);
			if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
				fail(l, i, error == SSL_ERROR_ZERO_RETURN ? "the server has closed" : "read");
			return;
		}
		c->in_len += (uint32_t)n;
		if (!take_frames(l, i))
			return;
	}
}

static bool begin_tls(struct load *l, struct client *c)
{
	c->ssl = SSL_new(l->ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
		return false;
	if (l->o.resume && l->n_sessions > 0) {
		SSL_SESSION *session = l->sessions[--l->n_sessions];
		SSL_set_session(c->ssl, session);
		SSL_SESSION_free(session);
	}
	return true;
}

static void shake(struct load *l, uint32_t i)
{
	struct client *c = &l->clients[i];

	errno = 0;
	int n = SSL_connect(c->ssl);
	if (n != 1) {
		int error = SSL_get_error(c->ssl, n);
		if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
			fail(l, i, "handshake");
		return;
	}
	c->stage = l->o.backend ? STAGE_ECHO : STAGE_PROBE;
	request(l, i);
	if (c->stage != STAGE_FREE)
		read_all(l, i);
}

void client_event(struct load *l, uint32_t i, uint32_t events)
{
	struct client *c = &l->clients[i];
	int error = 0;
	socklen_t len = sizeof error;

	if (c->stage == STAGE_FREE)
		return;
	if (c->stage == STAGE_CONNECT) {
		if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0)
			return;
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		errno = error;
		if (error != 0 || !begin_tls(l, c)) {
			fail(l, i, "connect");
			return;
		}
		c->stage = STAGE_HANDSHAKE;
	}
	if (c->stage == STAGE_HANDSHAKE) {
		shake(l, i);
		return;
	}
	if (events & EPOLLOUT)
		send_now(l, i);
	if (c->stage != STAGE_FREE)
		read_all(l, i);
}

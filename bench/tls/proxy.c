/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* sluice-tlsproxy: TLS in, plain TCP out, one thread, epoll and OpenSSL: what TURN over TLS is compared with. It does nothing but pass bytes on. */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "dataplane/wire/addr.h"

enum { EVENTS = 256, BACKLOG = 4096, CHUNK = 16384 };

/* One of the two sockets of a pair; other: the other one, NULL once that has gone. */
struct side {
	int fd;
	SSL *ssl; /* of the client's side */
	bool shaken;
	struct side *other;
	unsigned n_kept; /* bytes that the other side's socket has not taken */
	unsigned char *kept;
	struct side *dead; /* freed when this round of events is over */
};

static int epoll;
static SSL_CTX *ctx;
static struct side *dead;

static void watch(int fd, void *what, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = what };

	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static void end_one(struct side *s)
{
	if (s == NULL || s->fd < 0)
		return;
	SSL_free(s->ssl);
	close(s->fd);
	free(s->kept);
	s->kept = NULL;
	s->fd = -1;
	s->dead = dead;
	dead = s;
}

static void end_pair(struct side *s)
{
	end_one(s->other);
	end_one(s);
}

/* > 0 bytes, 0 = not now, -1 = it has ended. */
static int put(struct side *s, const unsigned char *data, unsigned n)
{
	if (s->ssl != NULL) {
		int done = SSL_write(s->ssl, data, (int)n);
		int error = done > 0 ? 0 : SSL_get_error(s->ssl, done);
		return done > 0 ? done : error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? 0 : -1;
	}
	ssize_t done = send(s->fd, data, n, MSG_NOSIGNAL);
	return done >= 0 ? (int)done : errno == EAGAIN || errno == ENOTCONN ? 0 : -1;
}

static int get(struct side *s, unsigned char *data, unsigned room)
{
	if (s->ssl != NULL) {
		int n = SSL_read(s->ssl, data, (int)room);
		int error = n > 0 ? 0 : SSL_get_error(s->ssl, n);
		return n > 0 ? n : error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
	}
	ssize_t n = recv(s->fd, data, room, 0);
	return n > 0 ? (int)n : n < 0 && errno == EAGAIN ? 0 : -1;
}

/* What s brings to the other side; what that does not take is kept, and s is not read until it has. False when the pair has ended. */
static bool pass_on(struct side *s)
{
	unsigned char data[CHUNK];

	while (s->n_kept == 0) {
		int n = get(s, data, sizeof data), done = 0;
		if (n < 0)
			return false;
		if (n == 0)
			return true;
		done = put(s->other, data, (unsigned)n);
		if (done < 0)
			return false;
		if (done < n) {
			s->n_kept = (unsigned)(n - done);
			s->kept = malloc(s->n_kept);
			if (s->kept == NULL)
				return false;
			for (unsigned i = 0; i < s->n_kept; i++)
				s->kept[i] = data[(unsigned)done + i];
		}
	}
	return true;
}

/* The other side's socket may take something again: what was kept of s goes first. */
static bool push_kept(struct side *s)
{
	while (s->n_kept > 0) {
		int done = put(s->other, s->kept, s->n_kept);
		if (done < 0)
			return false;
		if (done == 0)
			return true;
		s->n_kept -= (unsigned)done;
		for (unsigned i = 0; i < s->n_kept; i++)
			s->kept[i] = s->kept[(unsigned)done + i];
	}
	free(s->kept);
	s->kept = NULL;
	return pass_on(s);
}

static bool shake(struct side *s)
{
	int n = SSL_accept(s->ssl), error = n == 1 ? 0 : SSL_get_error(s->ssl, n);

	s->shaken = n == 1;
	return n == 1 || error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static void on_event(struct side *s, uint32_t events)
{
	if (s->fd < 0)
		return;
	struct side *client = s->ssl != NULL ? s : s->other;
	if (!client->shaken) {
		if (!shake(client))
			end_pair(s);
		if (s->fd < 0 || !client->shaken)
			return;
		events |= EPOLLIN | EPOLLOUT;
	}
	if (((events & EPOLLOUT) != 0 && s->other->n_kept > 0 && !push_kept(s->other)) || !pass_on(s))
		end_pair(s);
}

static void accept_all(int listener, const struct sockaddr_in *backend)
{
	const int one = 1;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct side *in = calloc(1, sizeof *in), *out = calloc(1, sizeof *out);
		int to = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (in == NULL || out == NULL || to < 0 || (in->ssl = SSL_new(ctx)) == NULL ||
			(connect(to, (const struct sockaddr *)backend, sizeof *backend) != 0 && errno != EINPROGRESS)) {
			perror("sluice-tlsproxy: a connection");
			exit(1);
		}
		in->fd = fd;
		out->fd = to;
		in->other = out;
		out->other = in;
		SSL_set_fd(in->ssl, fd);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		watch(fd, in, EPOLLIN | EPOLLOUT | EPOLLET);
		watch(to, out, EPOLLIN | EPOLLOUT | EPOLLET);
	}
}

static bool parse_v4(const char *text, struct sockaddr_in *out)
{
	struct sl_endpoint e;

	if (sl_endpoint_parse(text, &e) != 0 || !sl_ip_is_v4(&e.ip))
		return false;
	*out = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = e.port_be, .sin_addr.s_addr = sl_ip_v4_be(&e.ip) };
	return true;
}

static int listen_at(const struct sockaddr_in *at)
{
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (const struct sockaddr *)at, sizeof *at) != 0 || listen(fd, BACKLOG) != 0)
		return -1;
	return fd;
}

static bool make_context(const char *certificate, const char *key)
{
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx != NULL)
		SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx != NULL && SSL_CTX_use_certificate_chain_file(ctx, certificate) == 1 &&
	       SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in at, backend;
	struct epoll_event e[EVENTS];

	if (argc != 5 || !parse_v4(argv[1], &at) || !parse_v4(argv[2], &backend)) {
		fputs("sluice-tlsproxy LISTEN-IP:PORT BACKEND-IP:PORT CERTIFICATE KEY: TLS in, plain TCP out\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	int listener = listen_at(&at);
	if (epoll < 0 || listener < 0) {
		perror("sluice-tlsproxy");
		return 1;
	}
	if (!make_context(argv[3], argv[4])) {
		fprintf(stderr, "sluice-tlsproxy: %s or %s is no PEM certificate or its key\n", argv[3], argv[4]);
		return 1;
	}
	watch(listener, NULL, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll, e, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (e[i].data.ptr == NULL)
				accept_all(listener, &backend);
			else
				on_event(e[i].data.ptr, e[i].events);
		}
		while (dead != NULL) {
			struct side *s = dead;
			dead = s->dead;
			free(s);
		}
	}
}

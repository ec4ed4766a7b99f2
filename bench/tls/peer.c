/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The other end: what comes there goes back to where it came from. UDP datagrams of relayed addresses, or TCP connections of a proxy. */

#include "bench/tls/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, BUFFER = 1 << 22, BACKLOG = 4096 };

static int peer_fd = -1;

static socklen_t to_sockaddr(const struct sl_endpoint *e, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof *out);
	if (sl_ip_is_v4(&e->ip)) {
		*v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = e->port_be, .sin_addr.s_addr = sl_ip_v4_be(&e->ip) };
		return sizeof *v4;
	}
	*v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = e->port_be };
	memcpy(&v6->sin6_addr, e->ip.b, 16);
	return sizeof *v6;
}

int peer_init(struct load *l)
{
	struct sockaddr_storage at;
	char text[SL_ADDR_TEXT_MAX];
	const int size = BUFFER, one = 1;
	socklen_t len = to_sockaddr(&l->o.peer, &at);

	if (l->o.peer.port_be == 0)
		return 0;
	peer_fd = socket(at.ss_family, (l->o.backend ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (peer_fd >= 0 && !l->o.backend) {
		setsockopt(peer_fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
		setsockopt(peer_fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	}
	setsockopt(peer_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (peer_fd < 0 || bind(peer_fd, (struct sockaddr *)&at, len) != 0 || (l->o.backend && listen(peer_fd, BACKLOG) != 0)) {
		fprintf(stderr, "sluice-tlsload: --peer %s: %s\n", sl_endpoint_text(&l->o.peer, text), strerror(errno));
		return -1;
	}
	watch(l, peer_fd, tag(l->o.backend ? KIND_LISTENER : KIND_PEER, (uint32_t)peer_fd), EPOLLIN);
	return 0;
}

static void echo_datagrams(struct load *l)
{
	static uint8_t data[BATCH][FRAME_BYTES_MAX];
	static struct sockaddr_storage from[BATCH];
	struct mmsghdr m[BATCH];
	struct iovec iov[BATCH];

	for (int n = BATCH; n == BATCH;) {
		for (unsigned i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ data[i], FRAME_BYTES_MAX };
			m[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &iov[i], .msg_iovlen = 1 } };
		}
		n = recvmmsg(peer_fd, m, BATCH, 0, NULL);
		if (n <= 0)
			return;
		for (int i = 0; i < n; i++)
			iov[i].iov_len = m[i].msg_len;
		l->now.echoed += (unsigned)n;
		int sent = sendmmsg(peer_fd, m, (unsigned)n, 0);
		l->now.unsent += (unsigned)(n - (sent > 0 ? sent : 0));
	}
}

static void accept_backends(struct load *l)
{
	int fd;

	while ((fd = accept4(peer_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		watch(l, fd, tag(KIND_BACKEND, (uint32_t)fd), EPOLLIN);
}

/* A socket that does not take back what it gave is one whose other side has stalled: the load is no load any more. */
static void echo_stream(struct load *l, int fd)
{
	static uint8_t data[BACKEND_CHUNK];
	ssize_t n = read(fd, data, sizeof data);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && send(fd, data, (size_t)n, MSG_NOSIGNAL) == n)
		return;
	if (n > 0)
		l->now.bad++;
	close(fd);
}

void peer_event(struct load *l, enum kind kind, uint32_t number)
{
	if (kind == KIND_PEER)
		echo_datagrams(l);
	else if (kind == KIND_LISTENER)
		accept_backends(l);
	else
		echo_stream(l, (int)number);
}

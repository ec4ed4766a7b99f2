/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/stream/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

enum {
	BACKLOG = 4096,
	UNSENT_BYTES = 65536,      /* in the kernel, not yet on its way: what is beyond waits with us, where relayed data may be dropped */
	KEEP_IDLE_S = 60, KEEP_INTERVAL_S = 20, KEEP_PROBES = 4,
	DATAGRAM_BUFFER = 1 << 20,
	DEAF_MS = 100,
};

static void set(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof value);
}

/* Each thread has its own; the kernel spreads connections, and keeps a client's datagrams together. The address may be one that an interface gets later. */
int sl_stream_bound(const struct sl_endpoint *at, int type)
{
	bool v4 = sl_ip_is_v4(&at->ip);
	struct sockaddr_storage ss;
	socklen_t len = sl_stream_sockaddr(at, &ss);
	int err, fd = socket(v4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	set(fd, IPPROTO_IP, IP_FREEBIND, 1);
	if (!v4)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (bind(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int sl_stream_socket_open(struct sl_stream_thread *t, unsigned listener)
{
	const struct sl_stream_listener *l = &t->s->listeners[listener];
	struct sl_stream_socket *socket_of = &t->sockets[listener];
	bool datagrams = l->over == SL_TURN_OVER_DTLS;
	int fd = sl_stream_bound(&l->address, datagrams ? SOCK_DGRAM : SOCK_STREAM);

	if (fd < 0)
		return fd;
	socket_of->h = (struct sl_stream_handle){.what = datagrams ? SL_STREAM_DATAGRAMS : SL_STREAM_LISTENER, .fd = fd};
	if (datagrams)
		set(fd, SOL_SOCKET, SO_RCVBUF, DATAGRAM_BUFFER);
	else
		sl_stream_set_up(fd); /* what it accepts has its options */
	return !datagrams && listen(fd, BACKLOG) < 0 ? -errno : 0;
}

void sl_stream_set_up(int fd)
{
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
}

static bool is_proxy(struct sl_streams *s, unsigned listener, const struct sl_ip *ip)
{
	const struct sl_stream_listener *l = &s->listeners[listener];
	bool found = false;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < l->n_proxies && !found; i++)
		found = sl_prefix_contains(&l->proxies[i], ip);
	pthread_mutex_unlock(&s->lock);
	return found;
}

static void begin(struct sl_stream_thread *t, unsigned listener, int fd, const struct sl_endpoint *remote)
{
	const struct sl_stream_listener *l = &t->s->listeners[listener];
	struct sl_stream_conn *c = sl_stream_conn_new(t, listener, fd, remote);

	if (!c) {
		close(fd);
		return;
	}
	sl_stream_conn_wait(t, c);
	if (is_proxy(t->s, listener, &remote->ip)) {
		if (sl_stream_watch(t, &c->h, EPOLLIN))
			sl_stream_conn_end(t, c);
		return;
	}
	if (!sl_stream_conn_admit(t, c, remote, &l->address))
		return;
	if (l->over == SL_TURN_OVER_TCP)
		sl_stream_conn_open(t, c);
	else if (sl_stream_tls_start(t, c))
		sl_stream_conn_end(t, c);
}

/* Those that are left come in the next turn. */
void sl_stream_accept(struct sl_stream_thread *t, struct sl_stream_socket *l)
{
	for (unsigned i = 0; i < SL_STREAM_ACCEPTS && (i == 0 || !sl_stream_is_late(t)); i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof from;
		struct sl_endpoint remote;
		int fd = accept4(l->h.fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
			sl_stream_count(t, SL_S_connections_refused, 1);
			sl_stream_watch(t, &l->h, 0);
			t->deaf_until_ms = t->now_ms + DEAF_MS;
			return;
		}
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0)
			continue;
		sl_stream_endpoint_of(&from, &remote);
		begin(t, l->listener, fd, &remote);
	}
}

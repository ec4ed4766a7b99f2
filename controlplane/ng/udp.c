/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/edge.h"

#include "controlplane/ng/brain.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum {
	RECEIVE_BYTES = 4 * 1024 * 1024, /* as far as the kernel grants it */
	TURNS = 4,                       /* batches read before others have their turn */
};

/* Room for either family's packet information. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

int sl_ng_udp_open(struct sl_ng_listener *l, const struct sl_endpoint *at)
{
	bool four = sl_ip_is_v4(&at->ip);
	struct sockaddr_storage ss;
	socklen_t len = sl_ng_to_sockaddr(at, &ss);
	int on = 1, bytes = RECEIVE_BYTES;

	l->any = four ? sl_ip_v4_be(&at->ip) == 0 : (at->ip.q[0] | at->ip.q[1]) == 0;
	l->fd = socket(four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0 || (!four && setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
	        (l->any && setsockopt(l->fd, four ? IPPROTO_IP : IPPROTO_IPV6,
	                           four ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof on) < 0) ||
	        setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) < 0 ||
	        bind(l->fd, (const struct sockaddr *)&ss, len) < 0)
		return -errno;
	return 0;
}

/* Which of our addresses was it sent to? */
static void take_local(struct msghdr *m, struct sl_ip *local)
{
	struct in6_pktinfo six;
	struct in_pktinfo four;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&four, CMSG_DATA(c), sizeof four);
			sl_ip_set_v4(local, four.ipi_spec_dst.s_addr);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&six, CMSG_DATA(c), sizeof six);
			sl_ip_set_v6(local, &six.ipi6_addr);
		}
	}
}

static void put_control(struct msghdr *m, union control *c, const void *info, size_t len, int level, int type)
{
	struct cmsghdr *h = &c->align;

	m->msg_control = c->bytes;
	m->msg_controllen = CMSG_SPACE(len);
	h->cmsg_level = level;
	h->cmsg_type = type;
	h->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(h), info, len);
}

static void put_local(struct msghdr *m, union control *c, const struct sl_ip *local)
{
	struct in6_pktinfo six = {0};
	struct in_pktinfo four = {0};

	if (sl_ip_is_v4(local)) {
		four.ipi_spec_dst.s_addr = sl_ip_v4_be(local);
		put_control(m, c, &four, sizeof four, IPPROTO_IP, IP_PKTINFO);
	} else {
		memcpy(&six.ipi6_addr, local->b, sizeof local->b);
		put_control(m, c, &six, sizeof six, IPPROTO_IPV6, IPV6_PKTINFO);
	}
}

static void datagram(
        struct sl_ng_edge *e, unsigned listener, struct mmsghdr *m, const struct sockaddr_storage *source)
{
	struct sl_slice text = {m->msg_hdr.msg_iov->iov_base, m->msg_len}, cookie, rest;
	struct sl_ng_origin from = {.listener = listener};

	sl_ng_from_sockaddr(source, &from.source);
	if (!sl_ng_allowed(e, &from.source.ip)) {
		sl_ng_refused(e, &from.source.ip);
		return;
	}
	if (m->msg_hdr.msg_flags & MSG_TRUNC || !sl_ng_split(text, &cookie, &rest)) {
		sl_ng_count(&e->bad_messages);
		return;
	}
	if (e->udp[listener].any)
		take_local(&m->msg_hdr, &from.local);
	sl_ng_message(e, &from, cookie, rest);
}

void sl_ng_udp_read(struct sl_ng_edge *e, unsigned listener)
{
	struct sockaddr_storage sources[SL_NG_BATCH];
	union control controls[SL_NG_BATCH];
	struct mmsghdr messages[SL_NG_BATCH];
	struct iovec iovs[SL_NG_BATCH];
	int n = SL_NG_BATCH;

	for (unsigned turn = 0; turn < TURNS && n == SL_NG_BATCH; turn++) {
		for (unsigned i = 0; i < SL_NG_BATCH; i++) {
			iovs[i] = (struct iovec){e->datagrams + (size_t)i * SL_NG_UDP_MAX, SL_NG_UDP_MAX};
			messages[i].msg_hdr = (struct msghdr){.msg_name = &sources[i],
			        .msg_namelen = sizeof sources[i],
			        .msg_iov = &iovs[i],
			        .msg_iovlen = 1,
			        .msg_control = controls[i].bytes,
			        .msg_controllen = sizeof controls[i].bytes};
		}
		n = recvmmsg(e->udp[listener].fd, messages, SL_NG_BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			datagram(e, listener, &messages[i], &sources[i]);
	}
}

void sl_ng_udp_send(struct sl_ng_edge *e, const struct sl_ng_origin *to, struct sl_slice answer)
{
	struct iovec iov = {(char *)answer.p, answer.n};
	struct sockaddr_storage ss;
	struct msghdr m = {.msg_name = &ss, .msg_iov = &iov, .msg_iovlen = 1};
	union control control;

	m.msg_namelen = sl_ng_to_sockaddr(&to->source, &ss);
	memset(&control, 0, sizeof control);
	if (e->udp[to->listener].any)
		put_local(&m, &control, &to->local);
	/* Not waited for: the proxy asks again, and gets it from the cache. */
	if (sendmsg(e->udp[to->listener].fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		sl_ng_count(&e->send_failures);
}

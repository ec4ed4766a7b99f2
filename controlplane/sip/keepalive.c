/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Keep-alives to UDP clients behind NAT: an empty line twice, which every SIP stack ignores (RFC 3261 7.5) and which keeps the mapping
 * open. The bindings are gone through in parts, evenly over the period, so that a hundred thousand phones are no burst and hold nobody up.
 * Clients over TCP and TLS send their own (RFC 5626 4.4.1). */

#include "controlplane/registrar/registrar.h"
#include "controlplane/sip/internal.h"

#include <string.h>
#include <sys/socket.h>

enum { PARTS = 1024 }; /* more than a period has ticks, at the default of 25 s */

static const char ping[] = {'\r', '\n', '\r', '\n'};

static void send_one(struct sl_sip *s, const struct sl_sip_flow *f)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to;
	socklen_t len;
	int fd = s->primaries[f->listener].fd;

	if (fd < 0)
		return;
	memset(&to, 0, sizeof to);
	if (sl_ip_is_v4(&f->remote.ip)) {
		to.v4.sin_family = AF_INET;
		to.v4.sin_addr.s_addr = sl_ip_v4_be(&f->remote.ip);
		to.v4.sin_port = f->remote.port_be;
		len = sizeof to.v4;
	} else {
		to.v6.sin6_family = AF_INET6;
		memcpy(&to.v6.sin6_addr, f->remote.ip.b, sizeof to.v6.sin6_addr);
		to.v6.sin6_port = f->remote.port_be;
		len = sizeof to.v6;
	}
	if (sendto(fd, ping, sizeof ping, MSG_DONTWAIT | MSG_NOSIGNAL, &to.sa, len) == (ssize_t)sizeof ping)
		s->counts.keepalives_sent++;
}

static void ping_binding(void *ctx, const struct sl_binding *b)
{
	struct sl_sip *s = ctx;

	if (b->nat && b->flow.transport == SL_SIP_UDP && b->flow.listener < s->n_listeners)
		send_one(s, &b->flow);
}

void sl_sip_keepalive_tick(struct sl_sip *s, int64_t now_ms)
{
	struct sl_sip_keepalive *k = &s->keepalive;
	int64_t period = (int64_t)s->config->sip.keepalive_s * 1000;
	unsigned upto = PARTS;

	if (period == 0 || s->o.registrar == NULL)
		return;
	if (k->begun_ms != 0 && now_ms - k->begun_ms < period)
		upto = (unsigned)((now_ms - k->begun_ms) * PARTS / period) + 1;
	for (; k->begun_ms != 0 && k->part < upto; k->part++)
		sl_registrar_part(s->o.registrar, k->part, PARTS, ping_binding, s);
	if (k->begun_ms == 0 || now_ms - k->begun_ms >= period) {
		k->part = 0;
		k->begun_ms = now_ms;
	}
}

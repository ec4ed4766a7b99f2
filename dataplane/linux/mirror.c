/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/linux/mirror.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "dataplane/abi/log.h"
#include "dataplane/linux/fib_build.h"
#include "dataplane/linux/neighbours.h"
#include "dataplane/linux/netlink.h"

enum {
	MAX_INTERFACES = 0xff,
	READS_PER_POLL = 16,
	ASKED_SLOTS = 1024, /* a power of two */
	ASK_AGAIN_MS = 200,
	ASKED_RECENTLY_MS = 30000,
	ASKS_PER_S = 2000, /* an authenticated client may scan a whole prefix of ours */
	RESOLVED = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT,
};

/* Whom workers asked for: a cache by hash, the newer replaces the older. */
struct asked {
	struct sl_ip ip;
	uint16_t interface;
	uint64_t ms; /* 0 = empty */
};

struct sl_mirror {
	struct mnl_socket *events, *requests;
	struct sl_mirror_interface interfaces[MAX_INTERFACES];
	uint16_t port_mtu[MAX_INTERFACES]; /* as given: the TAP's may become smaller, not larger */
	unsigned n_interfaces;
	uint32_t n_managed[MAX_INTERFACES];
	struct sl_neighbours neighbours;
	struct asked asked[ASKED_SLOTS];
	struct sl_siphash_key asked_key;
	uint64_t now_ms, last_snapshot_ms, last_cost_ms, asks_since_ms;
	unsigned asks;
	uint32_t generation;
	bool dirty, lost_news, no_managed;
	bool reading; /* in a dump on the requests socket: no request may go between */
	uint8_t buffer[SL_NL_BUFFER_BYTES];
};

static struct sl_mirror_interface *interface_of(struct sl_mirror *m, int ifindex)
{
	for (unsigned i = 0; i < m->n_interfaces; i++)
		if (m->interfaces[i].ifindex == ifindex)
			return &m->interfaces[i];
	return NULL;
}

static uint16_t index_of(struct sl_mirror *m, int ifindex)
{
	const struct sl_mirror_interface *i = interface_of(m, ifindex);
	return i ? i->index : SL_FIB_NO_INTERFACE;
}

static struct asked *asked_slot(struct sl_mirror *m, uint16_t interface, const struct sl_ip *ip)
{
	struct {
		struct sl_ip ip;
		uint64_t interface;
	} k = {*ip, interface};
	return &m->asked[sl_siphash(&m->asked_key, &k, sizeof(k)) & (ASKED_SLOTS - 1)];
}

static bool is_asked(const struct asked *a, uint16_t interface, const struct sl_ip *ip)
{
	return a->ms && a->interface == interface && sl_ip_eq(&a->ip, ip);
}

/* ---- news ---- */

static void remove_neighbour(struct sl_mirror *m, unsigned at, const struct sl_nl_neighbour *n)
{
	const struct sl_mirror_interface *i = &m->interfaces[at];
	struct sl_neighbour *had = sl_neighbours_find(&m->neighbours, i->index, &n->ip);
	if (had && had->managed && m->n_managed[at])
		m->n_managed[at]--;
	m->dirty |= sl_neighbours_remove(&m->neighbours, i->index, &n->ip);
	/* The kernel would probe a managed neighbour that is gone for ever; a packet for it asks anew. */
	if (n->state & NUD_FAILED && n->flags_ext & NTF_EXT_MANAGED && !m->reading)
		sl_nl_resolve(m->requests, n->ifindex, &n->ip, SL_NL_FORGET);
}

/* A neighbour that a worker wanted and that answered is worth keeping resolved; one that never answers is not. */
static void keep_resolved(struct sl_mirror *m, unsigned at, struct sl_neighbour *entry, const struct sl_nl_neighbour *n)
{
	const struct sl_mirror_interface *i = &m->interfaces[at];
	bool managed = n->flags_ext & NTF_EXT_MANAGED;
	if (!managed && !entry->managed && !m->no_managed && !m->reading && !(n->state & NUD_PERMANENT) &&
		m->n_managed[at] < SL_MIRROR_MAX_MANAGED) {
		const struct asked *a = asked_slot(m, i->index, &n->ip);
		if (is_asked(a, i->index, &n->ip) && m->now_ms - a->ms < ASKED_RECENTLY_MS) {
			int rc = sl_nl_resolve(m->requests, n->ifindex, &n->ip, SL_NL_MANAGED);
			managed = rc == 0;
			m->no_managed = rc == -EINVAL || rc == -EOPNOTSUPP;
		}
	}
	if (managed && !entry->managed) {
		entry->managed = true;
		m->n_managed[at]++;
	}
}

static void take_neighbour(struct sl_mirror *m, const struct nlmsghdr *h)
{
	struct sl_nl_neighbour n;
	if (!sl_nl_parse_neighbour(h, &n))
		return;
	struct sl_mirror_interface *i = interface_of(m, n.ifindex);
	if (!i)
		return;
	unsigned at = (unsigned)(i - m->interfaces);
	if (h->nlmsg_type == RTM_DELNEIGH || !(n.state & RESOLVED) || !n.has_mac) {
		remove_neighbour(m, at, &n);
		return;
	}
	int rc = sl_neighbours_set(&m->neighbours, i->index, &n.ip, n.mac);
	m->dirty |= rc > 0;
	struct sl_neighbour *entry = sl_neighbours_find(&m->neighbours, i->index, &n.ip);
	if (entry)
		keep_resolved(m, at, entry, &n);
}

static void take_link(struct sl_mirror *m, const struct nlmsghdr *h)
{
	struct sl_nl_link l;
	if (!sl_nl_parse_link(h, &l) || l.mtu == 0)
		return;
	struct sl_mirror_interface *i = interface_of(m, l.ifindex);
	if (!i)
		return;
	uint16_t port = m->port_mtu[i - m->interfaces], mtu = l.mtu < port ? (uint16_t)l.mtu : port;
	m->dirty |= i->mtu != mtu;
	i->mtu = mtu;
}

static int take_news(const struct nlmsghdr *h, void *ctx)
{
	struct sl_mirror *m = ctx;
	switch (h->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		take_neighbour(m, h);
		break;
	case RTM_NEWLINK:
		take_link(m, h);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		m->dirty = true;
		break;
	}
	return MNL_CB_OK;
}

static void read_neighbours(struct sl_mirror *m)
{
	sl_neighbours_clear(&m->neighbours);
	memset(m->n_managed, 0, sizeof(m->n_managed));
	m->reading = true;
	int rc4 = sl_nl_dump(m->requests, RTM_GETNEIGH, AF_INET, take_news, m);
	int rc6 = sl_nl_dump(m->requests, RTM_GETNEIGH, AF_INET6, take_news, m);
	m->reading = false;
	if (rc4 < 0 || rc6 < 0)
		sl_log(SL_LOG_WARNING, "cannot read Linux's neighbours: %s", strerror(rc4 < 0 ? -rc4 : -rc6));
	m->lost_news = rc4 < 0 || rc6 < 0;
	m->dirty = true;
}

void sl_mirror_poll(struct sl_mirror *m)
{
	for (int i = 0; i < READS_PER_POLL; i++) {
		ssize_t n = mnl_socket_recvfrom(m->events, m->buffer, sizeof(m->buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) { /* news was lost: the socket's queue overflowed */
			m->lost_news = true;
			continue;
		}
		if (n <= 0)
			return;
		mnl_cb_run(m->buffer, (size_t)n, 0, 0, take_news, m);
	}
}

int sl_mirror_fd(const struct sl_mirror *m)
{
	return mnl_socket_get_fd(m->events);
}

/* ---- snapshots ---- */

struct gathering {
	struct sl_mirror *m;
	struct sl_fib_builder *b;
};

static int gather_address(const struct nlmsghdr *h, void *ctx)
{
	struct gathering *g = ctx;
	struct sl_nl_address a;
	if (h->nlmsg_type == RTM_NEWADDR && sl_nl_parse_address(h, &a))
		sl_fib_add_own(g->b, &a.ip, index_of(g->m, a.ifindex));
	return MNL_CB_OK;
}

static int gather_route(const struct nlmsghdr *h, void *ctx)
{
	struct gathering *g = ctx;
	struct sl_nl_route r;
	if (h->nlmsg_type != RTM_NEWROUTE || !sl_nl_parse_route(h, &r) || r.cloned || r.table != RT_TABLE_MAIN)
		return MNL_CB_OK;
	if (r.type == RTN_BLACKHOLE || r.type == RTN_UNREACHABLE || r.type == RTN_PROHIBIT)
		sl_fib_add_route(g->b, &r.prefix, r.metric, SL_FIB_NO_INTERFACE, NULL);
	if (r.type != RTN_UNICAST)
		return MNL_CB_OK;
	/* Of several next hops the first that lives and is ours. */
	const struct sl_nl_hop *hop = NULL;
	for (unsigned i = 0; i < r.n_hops && !hop; i++)
		if (!r.hops[i].dead && interface_of(g->m, r.hops[i].ifindex))
			hop = &r.hops[i];
	sl_fib_add_route(g->b, &r.prefix, r.metric, hop ? index_of(g->m, hop->ifindex) : SL_FIB_NO_INTERFACE,
		hop && hop->has_via ? &hop->via : NULL);
	return MNL_CB_OK;
}

static void gather_neighbours(struct sl_mirror *m, struct sl_fib_builder *b)
{
	for (uint32_t at = 0; at <= m->neighbours.mask; at++) {
		const struct sl_neighbour *n = &m->neighbours.slots[at];
		if (!n->used)
			continue;
		const struct sl_mirror_interface *i = m->interfaces;
		while (i->index != n->interface)
			i++;
		struct sl_nexthop nh = {.port = i->port, .interface = i->index, .vlan = i->vlan, .mtu = i->mtu};
		memcpy(nh.eth, n->mac, sizeof(n->mac));
		memcpy(nh.eth + sizeof(n->mac), i->mac, sizeof(i->mac));
		sl_fib_add_neighbour(b, &n->ip, &nh);
	}
}

static int gather(struct sl_mirror *m, struct sl_fib_builder *b)
{
	struct gathering g = {m, b};
	int rc = sl_nl_dump(m->requests, RTM_GETADDR, AF_UNSPEC, gather_address, &g);
	if (rc == 0)
		rc = sl_nl_dump(m->requests, RTM_GETROUTE, AF_INET, gather_route, &g);
	if (rc == 0)
		rc = sl_nl_dump(m->requests, RTM_GETROUTE, AF_INET6, gather_route, &g);
	if (rc == 0)
		gather_neighbours(m, b);
	return rc;
}

static uint64_t clock_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct sl_fib *sl_mirror_snapshot(struct sl_mirror *m, uint64_t now_ms)
{
	m->now_ms = now_ms;
	/* A large table that costs long to read is read so seldom that nine tenths of the time remain. */
	if ((!m->dirty && !m->lost_news) ||
		now_ms - m->last_snapshot_ms < SL_MIRROR_GATHER_MS + 9 * m->last_cost_ms)
		return NULL;
	uint64_t began = clock_ms();
	if (m->lost_news)
		read_neighbours(m);
	m->dirty = false;
	struct sl_fib *f = NULL;
	struct sl_fib_builder *b = sl_fib_builder_new();
	int rc = b ? gather(m, b) : -ENOMEM;
	if (rc == 0) {
		f = sl_fib_build(b, m->generation + 1 ? m->generation + 1 : 1);
		rc = f ? 0 : -ENOMEM;
	} else {
		sl_fib_builder_free(b);
	}
	if (rc < 0) {
		sl_log(SL_LOG_WARNING, "cannot mirror Linux's routes: %s; trying again", strerror(-rc));
		m->dirty = true;
	} else {
		m->generation = f->generation;
	}
	m->last_snapshot_ms = now_ms;
	m->last_cost_ms = clock_ms() - began;
	return f;
}

void sl_mirror_resolve(struct sl_mirror *m, uint16_t interface, const struct sl_ip *ip, uint64_t now_ms)
{
	m->now_ms = now_ms;
	const struct sl_mirror_interface *i = m->interfaces;
	while (i < m->interfaces + m->n_interfaces && i->index != interface)
		i++;
	if (i == m->interfaces + m->n_interfaces)
		return;
	struct asked *a = asked_slot(m, interface, ip);
	if (is_asked(a, interface, ip) && now_ms - a->ms < ASK_AGAIN_MS)
		return;
	if (now_ms - m->asks_since_ms >= 1000) {
		m->asks_since_ms = now_ms;
		m->asks = 0;
	}
	if (m->asks++ >= ASKS_PER_S)
		return;
	*a = (struct asked){.ip = *ip, .interface = interface, .ms = now_ms};
	int rc = sl_nl_resolve(m->requests, i->ifindex, ip, SL_NL_USE);
	if (rc < 0) {
		char text[SL_ADDR_TEXT_MAX];
		sl_log(SL_LOG_DEBUG, "cannot have %s resolved: %s", sl_ip_text(ip, text), strerror(-rc));
	}
}

/* ---- life ---- */

struct sl_mirror *sl_mirror_new(const struct sl_mirror_interface *interfaces, unsigned n, char *err, size_t err_len)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE, 0};
	struct sl_mirror *m = calloc(1, sizeof(*m));
	if (!m || n > MAX_INTERFACES || sl_neighbours_init(&m->neighbours) < 0 ||
		getrandom(&m->asked_key, sizeof(m->asked_key), 0) != (ssize_t)sizeof(m->asked_key)) {
		snprintf(err, err_len, "no memory to mirror Linux's routes");
		sl_mirror_free(m);
		return NULL;
	}
	memcpy(m->interfaces, interfaces, n * sizeof(*interfaces));
	m->n_interfaces = n;
	for (unsigned i = 0; i < n; i++)
		m->port_mtu[i] = interfaces[i].mtu;
	/* Listen first, read then: what changes in between is told twice, never missed. */
	m->events = sl_nl_open(groups);
	m->requests = m->events ? sl_nl_open(NULL) : NULL;
	if (!m->requests) {
		snprintf(err, err_len, "cannot open a netlink socket: %s", strerror(errno));
		sl_mirror_free(m);
		return NULL;
	}
	m->now_ms = clock_ms();
	read_neighbours(m);
	return m;
}

void sl_mirror_free(struct sl_mirror *m)
{
	if (!m)
		return;
	if (m->events)
		mnl_socket_close(m->events);
	if (m->requests)
		mnl_socket_close(m->requests);
	sl_neighbours_free(&m->neighbours);
	free(m);
}

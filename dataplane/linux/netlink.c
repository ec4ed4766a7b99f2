/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/linux/netlink.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

enum { EVENT_BUFFER_BYTES = 4 * 1024 * 1024, DUMP_TRIES = 3 };

/* ---- messages into structs ---- */

static bool get_ip(const struct nlattr *a, uint8_t family, struct sl_ip *out)
{
	if (family == AF_INET && mnl_attr_get_payload_len(a) == 4) {
		sl_ip_set_v4(out, mnl_attr_get_u32(a));
		return true;
	}
	if (family == AF_INET6 && mnl_attr_get_payload_len(a) == 16) {
		sl_ip_set_v6(out, mnl_attr_get_payload(a));
		return true;
	}
	return false;
}

static bool get_u32(const struct nlattr *a, uint32_t *out)
{
	if (mnl_attr_get_payload_len(a) != 4)
		return false;
	*out = mnl_attr_get_u32(a);
	return true;
}

/* Of the 16-byte form. */
static bool wide_prefix_len(uint8_t family, uint8_t len, uint8_t *out)
{
	if (len > (family == AF_INET ? 32 : 128))
		return false;
	*out = family == AF_INET ? (uint8_t)(96 + len) : len;
	return true;
}

static bool family_ok(uint8_t family)
{
	return family == AF_INET || family == AF_INET6;
}

bool sl_nl_parse_address(const struct nlmsghdr *h, struct sl_nl_address *out)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	bool found = false;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) || !family_ok(m->ifa_family) ||
		!wide_prefix_len(m->ifa_family, m->ifa_prefixlen, &out->prefix_len))
		return false;
	out->ifindex = (int)m->ifa_index;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		uint16_t type = mnl_attr_get_type(a);
		/* On a point-to-point link ADDRESS is the other side's, LOCAL ours; elsewhere IPv6 has ADDRESS alone. */
		if (type != IFA_LOCAL && !(type == IFA_ADDRESS && !found))
			continue;
		if (!get_ip(a, m->ifa_family, &out->ip))
			return false;
		found = true;
	}
	return found;
}

static bool parse_via(const struct nlattr *a, struct sl_ip *out)
{
	const struct rtvia *v = mnl_attr_get_payload(a);
	uint16_t len = mnl_attr_get_payload_len(a);
	if (len == sizeof(*v) + 16 && v->rtvia_family == AF_INET6)
		sl_ip_set_v6(out, v->rtvia_addr);
	else
		return false;
	return true;
}

static bool parse_hops(const struct nlattr *multipath, uint8_t family, struct sl_nl_route *out)
{
	const struct rtnexthop *nh = mnl_attr_get_payload(multipath);
	int left = mnl_attr_get_payload_len(multipath);
	for (; left >= (int)sizeof(*nh) && nh->rtnh_len >= sizeof(*nh) && nh->rtnh_len <= left;
		left -= (int)RTNH_ALIGN(nh->rtnh_len), nh = RTNH_NEXT(nh)) {
		if (out->n_hops == SL_NL_MAX_HOPS)
			return true;
		struct sl_nl_hop *hop = &out->hops[out->n_hops];
		*hop = (struct sl_nl_hop){.ifindex = nh->rtnh_ifindex, .dead = nh->rtnh_flags & RTNH_F_DEAD};
		const struct nlattr *attr;
		mnl_attr_for_each_payload((const void *)(nh + 1), nh->rtnh_len - sizeof(*nh)) {
			if (mnl_attr_get_type(attr) == RTA_GATEWAY)
				hop->has_via = get_ip(attr, family, &hop->via);
			else if (mnl_attr_get_type(attr) == RTA_VIA)
				hop->has_via = parse_via(attr, &hop->via);
		}
		out->n_hops++;
	}
	return true;
}

bool sl_nl_parse_route(const struct nlmsghdr *h, struct sl_nl_route *out)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a, *multipath = NULL;
	struct sl_nl_hop hop = {0};
	uint32_t oif = 0;
	bool ok = true;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) || !family_ok(m->rtm_family) ||
		!wide_prefix_len(m->rtm_family, m->rtm_dst_len, &out->prefix.len))
		return false;
	*out = (struct sl_nl_route){.prefix.len = out->prefix.len, .table = m->rtm_table, .type = m->rtm_type,
		.cloned = m->rtm_flags & RTM_F_CLONED};
	if (m->rtm_family == AF_INET)
		sl_ip_set_v4(&out->prefix.ip, 0);
	mnl_attr_for_each(a, h, sizeof(*m)) {
		switch (mnl_attr_get_type(a)) {
		case RTA_DST:
			ok &= get_ip(a, m->rtm_family, &out->prefix.ip);
			break;
		case RTA_PRIORITY:
			ok &= get_u32(a, &out->metric);
			break;
		case RTA_TABLE:
			ok &= get_u32(a, &out->table);
			break;
		case RTA_OIF:
			ok &= get_u32(a, &oif);
			break;
		case RTA_GATEWAY:
			hop.has_via = get_ip(a, m->rtm_family, &hop.via);
			ok &= hop.has_via;
			break;
		case RTA_VIA:
			hop.has_via = parse_via(a, &hop.via);
			ok &= hop.has_via;
			break;
		case RTA_MULTIPATH:
			multipath = a;
			break;
		}
	}
	if (multipath)
		return ok && parse_hops(multipath, m->rtm_family, out);
	if (oif) {
		hop.ifindex = (int)oif;
		hop.dead = m->rtm_flags & RTNH_F_DEAD;
		out->hops[out->n_hops++] = hop;
	}
	return ok;
}

bool sl_nl_parse_neighbour(const struct nlmsghdr *h, struct sl_nl_neighbour *out)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	bool found = false;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m) || !family_ok(m->ndm_family))
		return false;
	*out = (struct sl_nl_neighbour){.ifindex = m->ndm_ifindex, .state = m->ndm_state, .flags = m->ndm_flags};
	mnl_attr_for_each(a, h, sizeof(*m)) {
		uint16_t type = mnl_attr_get_type(a);
		if (type == NDA_DST)
			found = get_ip(a, m->ndm_family, &out->ip);
		else if (type == NDA_LLADDR && mnl_attr_get_payload_len(a) == sizeof(out->mac)) {
			memcpy(out->mac, mnl_attr_get_payload(a), sizeof(out->mac));
			out->has_mac = true;
		} else if (type == NDA_FLAGS_EXT && !get_u32(a, &out->flags_ext))
			return false;
	}
	return found;
}

bool sl_nl_parse_link(const struct nlmsghdr *h, struct sl_nl_link *out)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *a;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return false;
	*out = (struct sl_nl_link){.ifindex = m->ifi_index};
	mnl_attr_for_each(a, h, sizeof(*m))
		if (mnl_attr_get_type(a) == IFLA_MTU && !get_u32(a, &out->mtu))
			return false;
	return true;
}

/* ---- talking ---- */

struct mnl_socket *sl_nl_open(const int *groups)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0));
	if (!s)
		return NULL;
	int bytes = EVENT_BUFFER_BYTES, fd = mnl_socket_get_fd(s);
	if (groups && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	bool ok = mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) == 0;
	for (; ok && groups && *groups; groups++) {
		int group = *groups;
		ok = mnl_socket_setsockopt(s, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) == 0;
	}
	if (ok)
		return s;
	int error = errno;
	mnl_socket_close(s);
	errno = error;
	return NULL;
}

static uint32_t next_seq(void)
{
	static uint32_t seq;
	return ++seq;
}

/* Send, and read until the kernel's NLMSG_DONE or acknowledgement. */
static int converse(struct mnl_socket *s, struct nlmsghdr *h, mnl_cb_t each, void *ctx)
{
	static uint8_t answer[SL_NL_BUFFER_BYTES]; /* one housekeeper, and the keeper is another process */
	h->nlmsg_seq = next_seq();
	if (mnl_socket_sendto(s, h, h->nlmsg_len) < 0)
		return -errno;
	int rc = MNL_CB_OK;
	while (rc > MNL_CB_STOP) {
		ssize_t n = mnl_socket_recvfrom(s, answer, sizeof(answer));
		if (n < 0)
			return -errno;
		/* Answers to an earlier request that was left in the middle carry another number. */
		const struct nlmsghdr *first = (const struct nlmsghdr *)answer;
		if ((size_t)n >= sizeof(*first) && first->nlmsg_seq != h->nlmsg_seq)
			continue;
		rc = mnl_cb_run(answer, (size_t)n, h->nlmsg_seq, mnl_socket_get_portid(s), each, ctx);
	}
	return rc < 0 ? -errno : 0;
}

int sl_nl_dump(struct mnl_socket *s, uint16_t type, uint8_t family, mnl_cb_t each, void *ctx)
{
	int rc = -EINTR;
	for (int i = 0; i < DUMP_TRIES && rc == -EINTR; i++) {
		_Alignas(8) uint8_t request[128] = {0};
		struct nlmsghdr *h = mnl_nlmsg_put_header(request);
		h->nlmsg_type = type;
		h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		/* Each of these headers begins with the family; the kernel reads no more of it for a dump. */
		uint8_t *extra = mnl_nlmsg_put_extra_header(h, type == RTM_GETADDR ? sizeof(struct ifaddrmsg) :
			type == RTM_GETROUTE ? sizeof(struct rtmsg) : sizeof(struct ndmsg));
		extra[0] = family;
		rc = converse(s, h, each, ctx);
	}
	return rc;
}

static void put_ip(struct nlmsghdr *h, uint16_t type, const struct sl_ip *ip)
{
	if (sl_ip_is_v4(ip))
		mnl_attr_put(h, type, 4, &ip->d[3]);
	else
		mnl_attr_put(h, type, 16, ip->b);
}

int sl_nl_add_address(struct mnl_socket *s, int ifindex, const struct sl_ip *ip, uint8_t prefix_len)
{
	_Alignas(8) uint8_t request[256] = {0};
	bool v4 = sl_ip_is_v4(ip);
	struct nlmsghdr *h = mnl_nlmsg_put_header(request);
	h->nlmsg_type = RTM_NEWADDR;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifa_family = v4 ? AF_INET : AF_INET6;
	m->ifa_prefixlen = (uint8_t)(v4 ? prefix_len - 96 : prefix_len);
	m->ifa_index = (uint32_t)ifindex;
	/* Usable at once: the service must not wait a second for duplicate address detection at each start. */
	m->ifa_flags = v4 ? 0 : IFA_F_NODAD;
	put_ip(h, IFA_LOCAL, ip);
	put_ip(h, IFA_ADDRESS, ip);
	if (v4 && prefix_len < 127) {
		uint32_t mask = htonl(~UINT32_C(0) << (128 - prefix_len));
		mnl_attr_put_u32(h, IFA_BROADCAST, sl_ip_v4_be(ip) | ~mask);
	}
	int rc = converse(s, h, NULL, NULL);
	return rc == -EEXIST ? 0 : rc;
}

int sl_nl_set_link(struct mnl_socket *s, int ifindex, bool up, unsigned mtu, const uint8_t mac[6])
{
	_Alignas(8) uint8_t request[256] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(request);
	h->nlmsg_type = RTM_NEWLINK;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifi_family = AF_UNSPEC;
	m->ifi_index = ifindex;
	m->ifi_flags = up ? IFF_UP : 0;
	m->ifi_change = IFF_UP;
	if (mtu)
		mnl_attr_put_u32(h, IFLA_MTU, mtu);
	if (mac)
		mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
	return converse(s, h, NULL, NULL);
}

int sl_nl_resolve(struct mnl_socket *s, int ifindex, const struct sl_ip *ip, enum sl_nl_resolve how)
{
	_Alignas(8) uint8_t request[128] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(request);
	h->nlmsg_type = how == SL_NL_FORGET ? RTM_DELNEIGH : RTM_NEWNEIGH;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (how == SL_NL_FORGET ? 0 : NLM_F_CREATE | NLM_F_REPLACE);
	struct ndmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ndm_family = sl_ip_is_v4(ip) ? AF_INET : AF_INET6;
	m->ndm_ifindex = ifindex;
	m->ndm_flags = how == SL_NL_FORGET ? 0 : NTF_USE;
	put_ip(h, NDA_DST, ip);
	if (how == SL_NL_MANAGED)
		mnl_attr_put_u32(h, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	return converse(s, h, NULL, NULL);
}

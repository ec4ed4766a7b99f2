/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* rtnetlink(7) as far as the dataplane speaks it: messages about addresses, routes and neighbours into plain structs
 * (pure functions), dumps, and the few requests it makes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "dataplane/wire/addr.h"

enum { SL_NL_MAX_HOPS = 16, SL_NL_BUFFER_BYTES = 64 * 1024 };

struct sl_nl_address {
	int ifindex;
	struct sl_ip ip;
	uint8_t prefix_len; /* of the 16-byte form */
};

struct sl_nl_hop {
	int ifindex;
	bool has_via, dead;
	struct sl_ip via;
};

struct sl_nl_route {
	struct sl_prefix prefix;
	uint32_t metric, table;
	uint8_t type;  /* RTN_UNICAST ... */
	bool cloned;   /* a cache entry, not a route */
	unsigned n_hops;
	struct sl_nl_hop hops[SL_NL_MAX_HOPS];
};

struct sl_nl_neighbour {
	int ifindex;
	struct sl_ip ip;
	bool has_mac;
	uint8_t mac[6];
	uint16_t state;      /* NUD_* */
	uint8_t flags;       /* NTF_* */
	uint32_t flags_ext;  /* NTF_EXT_* */
};

struct sl_nl_link {
	int ifindex;
	uint32_t mtu; /* 0 = not told */
};

/* Each reads one message of the fitting RTM_NEW* or RTM_DEL* type: false when it is of another family or malformed,
 * and *out is then undefined. */
bool sl_nl_parse_address(const struct nlmsghdr *h, struct sl_nl_address *out);
bool sl_nl_parse_route(const struct nlmsghdr *h, struct sl_nl_route *out);
bool sl_nl_parse_neighbour(const struct nlmsghdr *h, struct sl_nl_neighbour *out);
bool sl_nl_parse_link(const struct nlmsghdr *h, struct sl_nl_link *out);

/* A socket; groups: RTNLGRP_* numbers ended by 0, or NULL. NULL with errno on failure. Never blocks on reading when it
 * has groups. */
struct mnl_socket *sl_nl_open(const int *groups);

/* Ask for all objects of type (RTM_GETADDR, RTM_GETROUTE, RTM_GETNEIGH) and family; each goes to each(). Asks again when
 * the kernel says that the list changed meanwhile (up to three times; each() then sees objects twice). 0 or negative
 * errno. */
int sl_nl_dump(struct mnl_socket *s, uint16_t type, uint8_t family, mnl_cb_t each, void *ctx);

/* Requests; each waits for the kernel's answer, which it gives within the call. 0 or negative errno. */
int sl_nl_add_address(struct mnl_socket *s, int ifindex, const struct sl_ip *ip, uint8_t prefix_len); /* there already: 0 */
int sl_nl_set_link(struct mnl_socket *s, int ifindex, bool up, unsigned mtu, const uint8_t mac[6]); /* mtu 0, mac NULL: as is */

enum sl_nl_resolve {
	SL_NL_USE,     /* start resolution now, as a packet would */
	SL_NL_MANAGED, /* and have the kernel keep it resolved (Linux >= 5.16; -EINVAL before) */
	SL_NL_FORGET,  /* delete the entry */
};
int sl_nl_resolve(struct mnl_socket *s, int ifindex, const struct sl_ip *ip, enum sl_nl_resolve how);

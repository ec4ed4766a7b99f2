/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The mirror: Linux's addresses, routes (main table) and neighbours, followed over netlink and turned into snapshots
 * for the workers. Owner: the housekeeper thread.
 *
 * Neighbours change often, so they are kept one by one. Addresses and routes change seldom and have many ways to change
 * (append, replace, metric, multipath), so any news about them means reading them again whole. Lost news (ENOBUFS)
 * means reading everything again. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/linux/fib.h"

struct sl_mirror;

enum {
	SL_MIRROR_GATHER_MS = 2,       /* least time between two snapshots */
	SL_MIRROR_MAX_MANAGED = 1024,  /* neighbours per interface that the kernel is asked to keep resolved */
};

/* One of our interfaces as the kernel knows it: the TAP. */
struct sl_mirror_interface {
	int ifindex;
	uint16_t index, port, vlan;
	uint16_t mtu;   /* the port's; a smaller one of the TAP counts */
	uint8_t mac[6]; /* source of frames sent there */
};

/* Opens its sockets and reads the state of this moment. interfaces are copied. NULL with words in err. */
struct sl_mirror *sl_mirror_new(const struct sl_mirror_interface *interfaces, unsigned n, char *err, size_t err_len);
void sl_mirror_free(struct sl_mirror *m);

/* Polls readable when there is news. */
int sl_mirror_fd(const struct sl_mirror *m);
/* Take in the news, a bounded amount per call. Never blocks on others than the kernel's netlink lock. */
void sl_mirror_poll(struct sl_mirror *m);

/* A new snapshot, owned by the caller (sl_fib_free after a grace period), when something changed and the last one is
 * SL_MIRROR_GATHER_MS old; else NULL. */
struct sl_fib *sl_mirror_snapshot(struct sl_mirror *m, uint64_t now_ms);

/* Have Linux resolve a neighbour of an interface of ours. Requests repeated within 200 ms are dropped. Once it
 * answers, the kernel is asked to keep it resolved. */
void sl_mirror_resolve(struct sl_mirror *m, uint16_t interface, const struct sl_ip *ip, uint64_t now_ms);

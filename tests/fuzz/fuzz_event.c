/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/fuzz/fuzz.h"

#include "controlplane/dp/internal.h"
#include "dataplane/abi/log.h"
#include "dataplane/abi/server.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The control plane's link with any bytes at all in its event rings. Each event is a byte that chooses the ring, a byte
 * with its type, and what follows up to the next 64 bytes. */

enum { WORKERS = 2, PIECE = 64 };

static int desired(void *ctx, struct sl_desired *out)
{
	return -1;
}

static void watch(void *ctx, int sock, int event_fd)
{
}

static struct sl_region *region;
static int peers[2], event_fd;

static void prepare(void)
{
	size_t bytes;
	char text[128];
	int fd = sl_region_create(WORKERS, 1);

	SL_FUZZ_CHECK(fd >= 0 && sl_region_map(fd, &region, &bytes, text, sizeof text) == 0);
	SL_FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, peers) == 0);
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sl_log_set_level(SL_LOG_ERROR);
}

static void attach(struct sl_dp *dp, struct sl_ring *producers)
{
	uint8_t *rings = (uint8_t *)region + sl_region_ring_offset(WORKERS, 0, 0, SL_RING_COMMANDS);

	madvise(rings, sl_region_slot_bytes(WORKERS), MADV_REMOVE);
	dp->attached = true;
	dp->client = (struct sl_client){.sock = peers[0], .event_fd = event_fd, .region = region, .n_workers = WORKERS};
	atomic_store(&region->clients[0].attached, 1);
	dp->client.generation = atomic_load(&region->generation);
	dp->client.client_generation = atomic_load(&region->clients[0].generation);
	for (unsigned set = 0; set <= WORKERS; set++) {
		sl_ring_attach_fresh(&dp->client.commands[set], region, WORKERS, 0, set, SL_RING_COMMANDS, 1);
		sl_ring_attach_fresh(&dp->client.events[set], region, WORKERS, 0, set, SL_RING_EVENTS, 0);
		sl_ring_attach_fresh(&producers[set], region, WORKERS, 0, set, SL_RING_EVENTS, 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sl_dp_ops ops = {desired, watch, NULL};
	struct sl_ring producers[1 + WORKERS];

	if (!region)
		prepare();
	struct sl_dp *dp = sl_dp_new("/", "fuzz", &ops);
	SL_FUZZ_CHECK(dp != NULL);
	attach(dp, producers);
	while (size > 2) {
		struct sl_event e = {.h = {.type = data[1]}};
		size_t n = size - 2 < PIECE ? size - 2 : PIECE;
		memcpy((uint8_t *)&e + sizeof e.h.type, data + 2, n);
		sl_ring_push(&producers[data[0] % (1 + WORKERS)], &e, sizeof e);
		data += 2 + n;
		size -= 2 + n;
	}
	sl_dp_readable(dp, 1000);
	for (size_t i = 0; i < dp->table.n; i++)
		SL_FUZZ_CHECK(dp->table.all[i].state.worker < WORKERS);
	dp->attached = false; /* the region and the sockets are the next run's */
	sl_table_clear(&dp->table);
	sl_dp_free(dp);
	return 0;
}

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

/* The control plane's link with any bytes at all in its event and bulk rings. Each message is a byte that chooses the ring,
 * a byte with its type, and what follows up to the next 64 bytes. What media is handed must be what it may believe. */

enum { WORKERS = 2, PIECE = 64 };

static int desired(void *ctx, struct sl_desired *out)
{
	return -1;
}

static void watch(void *ctx, int sock, int event_fd)
{
}

static void media_attached(void *ctx, unsigned slot, unsigned n_workers)
{
}

static void media_gone(void *ctx)
{
}

static void media_event(void *ctx, unsigned worker, const struct sl_event *evt)
{
	SL_FUZZ_CHECK(worker < WORKERS);
	if (evt->h.type == SL_EVT_LEG)
		SL_FUZZ_CHECK(evt->leg.worker == worker && evt->leg.change < SL_LEG_CHANGES_N && evt->leg.leg.id);
	else
		SL_FUZZ_CHECK(evt->h.type == SL_EVT_ACK || evt->h.type == SL_EVT_LIST_END);
}

static void media_bulk(void *ctx, unsigned worker, const struct sl_bulk *b)
{
	SL_FUZZ_CHECK(worker < WORKERS && b->len <= SL_BULK_DATA_MAX && b->tap);
}

static void media_clip(void *ctx, uint32_t clip, int error, const char *text)
{
	SL_FUZZ_CHECK(error <= 0 && clip <= SL_CLIP_ACK_MASK && strlen(text) < sizeof((struct sl_evt_ack *)NULL)->text);
}

static const struct sl_dp_media_ops media = {media_attached, media_gone, media_event, media_gone, media_bulk, media_clip};

static void allocation(void *ctx, const struct sl_evt_allocation *a, const struct sl_allocation *known)
{
	SL_FUZZ_CHECK(a->worker < WORKERS && memchr(a->username, '\0', sizeof a->username) && (!known || known->state.id == a->id));
}

static void quota(void *ctx, const struct sl_evt_turn_quota *e)
{
	SL_FUZZ_CHECK(e->worker < WORKERS && e->subject >= SL_QUOTA_USER && e->subject <= SL_QUOTA_NODE && e->direction < 2 && e->over < 2);
}

static const struct sl_dp_turn_ops turn = {.allocation = allocation, .quota = quota};
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
		if (set == 0)
			continue;
		sl_ring_attach_fresh(&dp->client.bulk[set], region, WORKERS, 0, set, SL_RING_BULK, 0);
		sl_ring_attach_fresh(&producers[WORKERS + set], region, WORKERS, 0, set, SL_RING_BULK, 1);
	}
	sl_dp_set_media(dp, &media, NULL);
	sl_dp_set_turn(dp, &turn, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sl_dp_ops ops = {desired, watch, NULL};
	static union {
		struct sl_event event;
		struct sl_bulk bulk;
	} e;
	struct sl_ring producers[1 + 2 * WORKERS];

	if (!region)
		prepare();
	struct sl_dp *dp = sl_dp_new("/", "fuzz", &ops);
	SL_FUZZ_CHECK(dp != NULL);
	attach(dp, producers);
	while (size > 2) {
		size_t n = size - 2 < PIECE ? size - 2 : PIECE;
		unsigned ring = data[0] % (1 + 2 * WORKERS);
		memset(&e, 0, sizeof e);
		e.event.h.type = data[1]; /* of a bulk packet: its kind */
		memcpy((uint8_t *)&e + sizeof e.event.h.type, data + 2, n);
		sl_ring_push(&producers[ring], &e, ring <= WORKERS ? sizeof e.event : sizeof e.bulk);
		data += 2 + n;
		size -= 2 + n;
	}
	sl_dp_readable(dp, 1000);
	size_t counted = 0;
	for (size_t i = 0; i < dp->table.n; i++)
		SL_FUZZ_CHECK(dp->table.all[i].state.worker < WORKERS);
	for (size_t i = 0; i < SL_TABLE_REALMS; i++)
		counted += dp->table.of_realm[i];
	SL_FUZZ_CHECK(counted == dp->table.n);
	dp->attached = false; /* the region and the sockets are the next run's */
	sl_table_clear(&dp->table);
	sl_dp_free(dp);
	return 0;
}

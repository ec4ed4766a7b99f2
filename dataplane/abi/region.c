/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/region.h"

#include "dataplane/abi/server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Rings begin on page boundaries, so that a slot's can be given back to the kernel whole. */
enum { PAGE = 4096, SEALS = F_SEAL_SHRINK | F_SEAL_GROW };

static size_t page_up(size_t n)
{
	return (n + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static size_t command_ring_bytes(void)
{
	return page_up(sl_ring_bytes(SL_COMMAND_SLOTS, SL_MSG_COMMAND_BYTES));
}

static size_t event_ring_bytes(void)
{
	return page_up(sl_ring_bytes(SL_EVENT_SLOTS, SL_MSG_EVENT_BYTES));
}

static size_t set_bytes(void)
{
	return command_ring_bytes() + event_ring_bytes();
}

size_t sl_region_slot_bytes(unsigned n_workers)
{
	return (1 + (size_t)n_workers) * set_bytes();
}

size_t sl_region_size(unsigned n_workers)
{
	return page_up(sizeof(struct sl_region)) + SL_MAX_CLIENTS * sl_region_slot_bytes(n_workers);
}

size_t sl_region_ring_offset(unsigned n_workers, unsigned slot, unsigned set, enum sl_ring_direction dir)
{
	return page_up(sizeof(struct sl_region)) + slot * sl_region_slot_bytes(n_workers) +
	       set * set_bytes() + (dir == SL_RING_EVENTS ? command_ring_bytes() : 0);
}

/* FNV-1a, 32 bits: not against an adversary, only against two builds that differ. */
static uint32_t hash_bytes(uint32_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static uint32_t hash_names(uint32_t h, const struct sl_counter_name *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		h = hash_bytes(h, names[i].name, strlen(names[i].name) + 1);
	return h;
}

#define SIZE(type)          sizeof(struct type)
#define FIELD(type, member) offsetof(struct type, member), sizeof(((struct type *)0)->member)

uint32_t sl_region_layout_hash(void)
{
	static const uint64_t numbers[] = {
	        SL_REGION_VERSION,
	        SL_MAX_CLIENTS,
	        SL_MAX_WORKERS,
	        SL_MAX_PORTS,
	        SL_COMMAND_SLOTS,
	        SL_EVENT_SLOTS,
	        SL_N_WORKER_COUNTERS,
	        SL_N_DROPS,
	        SL_N_PORT_COUNTERS,
	        SIZE(sl_ring_shm),
	        FIELD(sl_ring_shm, prod),
	        FIELD(sl_ring_shm, cons),

	        SIZE(sl_region),
	        FIELD(sl_region, magic),
	        FIELD(sl_region, version),
	        FIELD(sl_region, layout_hash),
	        FIELD(sl_region, size_bytes),
	        FIELD(sl_region, n_workers),
	        FIELD(sl_region, n_ports),
	        FIELD(sl_region, generation),
	        FIELD(sl_region, ready),
	        FIELD(sl_region, tsc_hz),
	        FIELD(sl_region, start_unix_ms),
	        FIELD(sl_region, restarts),
	        FIELD(sl_region, pid),
	        FIELD(sl_region, max_allocations),
	        FIELD(sl_region, hugepages),
	        FIELD(sl_region, heartbeat_ms),
	        FIELD(sl_region, housekeeper_drops),
	        FIELD(sl_region, ports),
	        FIELD(sl_region, clients),
	        FIELD(sl_region, workers),

	        SIZE(sl_region_worker),
	        FIELD(sl_region_worker, heartbeat),
	        FIELD(sl_region_worker, lcore),
	        FIELD(sl_region_worker, counters),
	        FIELD(sl_region_worker, drops),
	        FIELD(sl_region_worker, ports),
	        SIZE(sl_region_port),
	        FIELD(sl_region_port, name),
	        FIELD(sl_region_port, driver),
	        FIELD(sl_region_port, checksum),
	        FIELD(sl_region_port, mac),
	        FIELD(sl_region_port, n_queues),
	        FIELD(sl_region_port, mtu),
	        FIELD(sl_region_port, link_up),
	        FIELD(sl_region_port, speed_mbps),
	        FIELD(sl_region_port, rx_missed),
	        FIELD(sl_region_port, rx_errors),
	        FIELD(sl_region_port, tx_errors),
	        SIZE(sl_region_client),
	        FIELD(sl_region_client, name),
	        FIELD(sl_region_client, generation),
	        FIELD(sl_region_client, attached),

	        SIZE(sl_msg_header),
	        SIZE(sl_command),
	        FIELD(sl_command, bytes),
	        SIZE(sl_event),
	        FIELD(sl_event, bytes),
	        SIZE(sl_cmd_turn),
	        FIELD(sl_cmd_turn, realm),
	        FIELD(sl_cmd_turn, default_lifetime_s),
	        FIELD(sl_cmd_turn, max_lifetime_s),
	        FIELD(sl_cmd_turn, permission_lifetime_s),
	        FIELD(sl_cmd_turn, channel_lifetime_s),
	        FIELD(sl_cmd_turn, nonce_lifetime_s),
	        FIELD(sl_cmd_turn, user_quota),
	        FIELD(sl_cmd_turn, max_permissions),
	        FIELD(sl_cmd_turn, offer_sha256),
	        FIELD(sl_cmd_turn, channel_max),
	        FIELD(sl_cmd_turn, software),
	        SIZE(sl_cmd_peer_rule),
	        FIELD(sl_cmd_peer_rule, ip),
	        FIELD(sl_cmd_peer_rule, prefix_len),
	        FIELD(sl_cmd_peer_rule, allow),
	        SIZE(sl_cmd_secret),
	        FIELD(sl_cmd_secret, len),
	        FIELD(sl_cmd_secret, secret),
	        SIZE(sl_cmd_user),
	        FIELD(sl_cmd_user, name_len),
	        FIELD(sl_cmd_user, name),
	        FIELD(sl_cmd_user, key_md5),
	        FIELD(sl_cmd_user, key_sha256),
	        FIELD(sl_cmd_user, userhash),
	        SIZE(sl_cmd_allocation),

	        SIZE(sl_evt_ack),
	        FIELD(sl_evt_ack, error),
	        FIELD(sl_evt_ack, text),
	        SIZE(sl_evt_log),
	        FIELD(sl_evt_log, severity),
	        FIELD(sl_evt_log, text),
	        SIZE(sl_evt_allocation),
	        FIELD(sl_evt_allocation, id),
	        FIELD(sl_evt_allocation, change),
	        FIELD(sl_evt_allocation, end),
	        FIELD(sl_evt_allocation, worker),
	        FIELD(sl_evt_allocation, to_peer_packets),
	        FIELD(sl_evt_allocation, to_peer_bytes),
	        FIELD(sl_evt_allocation, to_client_packets),
	        FIELD(sl_evt_allocation, to_client_bytes),
	        FIELD(sl_evt_allocation, lifetime_s),
	        FIELD(sl_evt_allocation, age_s),
	        FIELD(sl_evt_allocation, n_peers),
	        FIELD(sl_evt_allocation, client_port_be),
	        FIELD(sl_evt_allocation, server_port_be),
	        FIELD(sl_evt_allocation, relay_port_be),
	        FIELD(sl_evt_allocation, username_len),
	        FIELD(sl_evt_allocation, client),
	        FIELD(sl_evt_allocation, server),
	        FIELD(sl_evt_allocation, relay),
	        FIELD(sl_evt_allocation, username),
	        SIZE(sl_hello),
	        SIZE(sl_welcome),
	};
	uint32_t h = 2166136261u;

	h = hash_bytes(h, numbers, sizeof numbers);
	/* A renamed or reordered counter keeps every size: its meaning is part of the layout too. */
	h = hash_names(h, sl_worker_counter_names, SL_N_WORKER_COUNTERS);
	h = hash_names(h, sl_drop_names, SL_N_DROPS);
	return hash_names(h, sl_port_counter_names, SL_N_PORT_COUNTERS);
}

int sl_region_create(unsigned n_workers, unsigned n_ports)
{
	if (n_workers == 0 || n_workers > SL_MAX_WORKERS || n_ports > SL_MAX_PORTS)
		return -EINVAL;

	size_t bytes = sl_region_size(n_workers);
	int fd = memfd_create("sluice-region", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) < 0)
		goto err;

	struct sl_region *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r == MAP_FAILED)
		goto err;
	r->magic = SL_REGION_MAGIC;
	r->version = SL_REGION_VERSION;
	r->layout_hash = sl_region_layout_hash();
	r->size_bytes = bytes;
	r->n_workers = n_workers;
	r->n_ports = n_ports;
	munmap(r, sizeof *r);

	/* Nobody can shrink it under our feet (SIGBUS), nor undo that. */
	if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
		goto err;
	return fd;
err:;
	int error = -errno;
	close(fd);
	return error;
}

int sl_region_map(int memfd, struct sl_region **out, size_t *bytes, char *text, size_t text_len)
{
	struct stat st;
	int seals = fcntl(memfd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS || fstat(memfd, &st) < 0) {
		snprintf(text, text_len, "the region is not a memfd sealed against resizing");
		return -EPROTO;
	}
	if ((size_t)st.st_size < sizeof(struct sl_region)) {
		snprintf(text, text_len, "the region is smaller than its header");
		return -EPROTO;
	}

	struct sl_region *r = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (r == MAP_FAILED) {
		int error = -errno;
		snprintf(text, text_len, "cannot map the region: %s", strerror(-error));
		return error;
	}
	/* Read once: n_workers decides where rings lie, and whoever maps the region could change it. */
	uint32_t n_workers = r->n_workers;
	if (r->magic != SL_REGION_MAGIC || r->version != SL_REGION_VERSION ||
	        r->layout_hash != sl_region_layout_hash() || n_workers == 0 || n_workers > SL_MAX_WORKERS ||
	        r->n_ports > SL_MAX_PORTS || sl_region_size(n_workers) != (size_t)st.st_size) {
		snprintf(text, text_len,
		        "the region was made by another build: version %u, layout %08x; ours %u, %08x",
		        r->version, r->layout_hash, SL_REGION_VERSION, sl_region_layout_hash());
		munmap(r, (size_t)st.st_size);
		return -EPROTO;
	}
	*out = r;
	*bytes = (size_t)st.st_size;
	return 0;
}

void sl_ring_attach_fresh(struct sl_ring *ring, struct sl_region *r, unsigned n_workers, unsigned slot,
        unsigned set, enum sl_ring_direction dir, int producer)
{
	uint8_t *mem = (uint8_t *)r + sl_region_ring_offset(n_workers, slot, set, dir);

	if (dir == SL_RING_COMMANDS)
		sl_ring_attach(ring, mem, SL_COMMAND_SLOTS, SL_MSG_COMMAND_BYTES, producer);
	else
		sl_ring_attach(ring, mem, SL_EVENT_SLOTS, SL_MSG_EVENT_BYTES, producer);
	/* The server zeroed the ring for this attachment: what its indices say now is only somebody's claim.
	 */
	ring->own = 0;
	ring->other = 0;
}

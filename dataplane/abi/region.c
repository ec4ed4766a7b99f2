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

static size_t bulk_ring_bytes(void)
{
	return page_up(sl_ring_bytes(SL_BULK_SLOTS, SL_BULK_BYTES));
}

static size_t set_bytes(void)
{
	return command_ring_bytes() + event_ring_bytes() + bulk_ring_bytes();
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
	size_t before = dir == SL_RING_COMMANDS ? 0 : command_ring_bytes();

	if (dir == SL_RING_BULK)
		before += event_ring_bytes();
	return page_up(sizeof(struct sl_region)) + slot * sl_region_slot_bytes(n_workers) + set * set_bytes() + before;
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
	else if (dir == SL_RING_EVENTS)
		sl_ring_attach(ring, mem, SL_EVENT_SLOTS, SL_MSG_EVENT_BYTES, producer);
	else
		sl_ring_attach(ring, mem, SL_BULK_SLOTS, SL_BULK_BYTES, producer);
	/* The server zeroed the ring for this attachment: what its indices say now is only somebody's claim.
	 */
	ring->own = 0;
	ring->other = 0;
}

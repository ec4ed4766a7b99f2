/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/journal.h"

#include "dataplane/wire/crc32.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The memfd: a page that says what it is; the directory, with room for as many slots as there may ever be, so
 * that a journal can grow in place; the aux memory; the records. Opening reads the directory and the records
 * in use, no hole: reading one would fill it. */

#define MAGIC UINT64_C(0x324c4e524a4c5332)
enum { PAGE = 4096, N_HALVES = 2 };
#define NO_SLOT UINT32_MAX

struct file_header {
	uint64_t magic;
	struct sl_journal_shape shape;
};

/* Directory entry of half a slot. Of two valid halves the one with the higher generation counts; len 0:
 * erased. */
struct half {
	_Atomic uint64_t generation; /* 0 = not valid: stored first when the half is written, and last
	                                (release) the number */
	uint64_t check_generation;   /* the same, under the CRC */
	uint32_t len;
	uint32_t crc;
	uint32_t most; /* the longest record since the slot was erased: what there is to wipe */
	uint32_t pad;
};

struct slot {
	uint64_t generation; /* of the valid half; 0 = never written */
	uint32_t next_free;
	uint8_t valid; /* which half */
	bool used;
};

struct sl_journal {
	struct sl_journal_shape shape;
	uint8_t *mem;
	size_t bytes;
	struct slot *slots;
	uint32_t first_free, n_used;
	uint64_t n_corrupt;
	bool locked;
};

static size_t directory_at(void)
{
	return PAGE;
}

static size_t aux_at(void)
{
	return directory_at() + (size_t)SL_JOURNAL_SLOTS_MAX * N_HALVES * sizeof(struct half);
}

static size_t records_at(const struct sl_journal_shape *s)
{
	return aux_at() + ((size_t)s->aux_bytes + PAGE - 1) / PAGE * PAGE;
}

static size_t size_of(const struct sl_journal_shape *s)
{
	return records_at(s) + (size_t)s->n_slots * N_HALVES * s->half_bytes;
}

static struct half *half_of(const struct sl_journal *j, uint32_t slot, unsigned which)
{
	void *at = j->mem + directory_at() + ((size_t)slot * N_HALVES + which) * sizeof(struct half);
	return at;
}

static uint8_t *record_of(const struct sl_journal *j, uint32_t slot, unsigned which)
{
	return j->mem + records_at(&j->shape) + ((size_t)slot * N_HALVES + which) * j->shape.half_bytes;
}

static uint32_t crc_of(const struct half *h, const uint8_t *record)
{
	const struct {
		uint64_t generation;
		uint32_t len, record;
	} all = {h->check_generation, h->len, sl_crc32(record, h->len)};

	return sl_crc32(&all, sizeof all);
}

/* ---- opening ---- */

int sl_journal_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* The generation of a half that is whole, else 0. */
static uint64_t generation_of(const struct sl_journal *j, uint32_t slot, unsigned which)
{
	const struct half *h = half_of(j, slot, which);
	uint64_t generation = atomic_load_explicit(&h->generation, memory_order_acquire);

	if (generation == 0 || generation != h->check_generation || h->len > j->shape.half_bytes ||
	        h->crc != crc_of(h, record_of(j, slot, which)))
		return 0;
	return generation;
}

/* A slot whose halves were both written and are both invalid is damaged: a kill leaves one of them alone. */
static void look_at(struct sl_journal *j, uint32_t i)
{
	struct slot *s = &j->slots[i];
	uint64_t g[N_HALVES] = {generation_of(j, i, 0), generation_of(j, i, 1)};

	s->valid = g[1] > g[0];
	s->generation = g[s->valid];
	s->used = s->generation && half_of(j, i, s->valid)->len;
	j->n_used += s->used;
	if (s->generation == 0 && half_of(j, i, 0)->check_generation && half_of(j, i, 1)->check_generation)
		j->n_corrupt++;
}

static void list_free(struct sl_journal *j)
{
	j->first_free = NO_SLOT;
	for (uint32_t i = j->shape.n_slots; i-- > 0;) {
		if (j->slots[i].used)
			continue;
		j->slots[i].next_free = j->first_free;
		j->first_free = i;
	}
}

static int map(struct sl_journal *j, int fd)
{
	j->bytes = size_of(&j->shape);
	j->mem = mmap(NULL, j->bytes, PROT_READ | PROT_WRITE,
	        fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, fd, 0);
	return j->mem == MAP_FAILED ? -errno : 0;
}

/* Empty whatever is there: the memory goes back, and reads as zeros. */
static int begin_anew(struct sl_journal *j, int fd)
{
	const struct file_header h = {.magic = MAGIC, .shape = j->shape};

	if (fd >= 0 && (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)size_of(&j->shape)) < 0))
		return -errno;
	int rc = map(j, fd);
	if (rc == 0)
		memcpy(j->mem, &h, sizeof h);
	return rc;
}

static bool is_ours(const struct sl_journal *j, int fd, struct file_header *h, off_t size)
{
	const struct sl_journal_shape *found = &h->shape, *wanted = &j->shape;

	return pread(fd, h, sizeof *h, 0) == (ssize_t)sizeof *h && h->magic == MAGIC &&
	       memcmp(found->kind, wanted->kind, sizeof found->kind) == 0 &&
	       found->version == wanted->version && found->n_slots <= SL_JOURNAL_SLOTS_MAX &&
	       found->half_bytes == wanted->half_bytes && found->aux_bytes == wanted->aux_bytes &&
	       (size_t)size >= size_of(found);
}

/* What the memfd holds, when it is ours: 1; 0 when there is nothing of ours, with words when it was something
 * else. */
static int take_up(struct sl_journal *j, int fd, char *text, size_t text_len)
{
	struct file_header h;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return 0;
	if (!is_ours(j, fd, &h, st.st_size)) {
		snprintf(
		        text, text_len, "the journal is of another version or damaged: what it held is lost");
		return 0;
	}
	if (h.shape.n_slots > j->shape.n_slots)
		j->shape.n_slots = h.shape.n_slots;
	else if ((size_t)st.st_size < size_of(&j->shape) && ftruncate(fd, (off_t)size_of(&j->shape)) < 0)
		return -errno;
	int rc = map(j, fd);
	if (rc < 0)
		return rc;
	h.shape = j->shape;
	memcpy(j->mem, &h, sizeof h);
	return 1;
}

static int open_memory(struct sl_journal *j, int fd, char *text, size_t text_len)
{
	int rc = fd >= 0 ? take_up(j, fd, text, text_len) : 0;

	if (rc == 0)
		rc = begin_anew(j, fd);
	if (rc < 0)
		return rc;
	/* Keys never leave memory for a disk: neither a core's nor swap's. */
	madvise(j->mem, j->bytes, MADV_DONTDUMP);
	j->locked = mlock2(j->mem, j->bytes, MLOCK_ONFAULT) == 0;
	j->slots = calloc(j->shape.n_slots, sizeof *j->slots);
	return j->slots ? 0 : -ENOMEM;
}

struct sl_journal *sl_journal_open(int fd, const struct sl_journal_shape *shape, char *text, size_t text_len)
{
	struct sl_journal *j = calloc(1, sizeof *j);
	int rc = -ENOMEM;

	text[0] = '\0';
	if (j) {
		j->shape = *shape;
		j->mem = MAP_FAILED;
		rc = open_memory(j, fd, text, text_len);
	}
	if (rc < 0) {
		snprintf(text, text_len, "the journal cannot be opened: %s", strerror(-rc));
		sl_journal_close(j);
		return NULL;
	}
	for (uint32_t i = 0; i < j->shape.n_slots; i++)
		look_at(j, i);
	list_free(j);
	return j;
}

void sl_journal_close(struct sl_journal *j)
{
	if (!j)
		return;
	if (j->mem != MAP_FAILED)
		munmap(j->mem, j->bytes);
	free(j->slots);
	free(j);
}

/* ---- records ---- */

int sl_journal_take(struct sl_journal *j)
{
	uint32_t slot = j->first_free;

	if (slot == NO_SLOT)
		return -ENOSPC;
	j->first_free = j->slots[slot].next_free;
	j->slots[slot].used = true;
	j->n_used++;
	return (int)slot;
}

void *sl_journal_begin(struct sl_journal *j, uint32_t slot, size_t *room)
{
	unsigned which = !j->slots[slot].valid;

	atomic_store_explicit(&half_of(j, slot, which)->generation, 0, memory_order_seq_cst);
	*room = j->shape.half_bytes;
	return record_of(j, slot, which);
}

void sl_journal_commit(struct sl_journal *j, uint32_t slot, size_t len)
{
	struct slot *s = &j->slots[slot];
	unsigned which = !s->valid;
	struct half *h = half_of(j, slot, which);

	h->check_generation = ++s->generation;
	h->len = (uint32_t)len;
	h->most = h->len > h->most ? h->len : h->most;
	h->crc = crc_of(h, record_of(j, slot, which));
	atomic_store_explicit(&h->generation, s->generation, memory_order_release);
	s->valid = (uint8_t)which;
}

/* The erased mark is a record of no bytes in the other half; only then is the old one wiped. */
void sl_journal_erase(struct sl_journal *j, uint32_t slot)
{
	struct slot *s = &j->slots[slot];
	struct half *old;
	size_t room;

	if (s->generation) {
		sl_journal_begin(j, slot, &room);
		sl_journal_commit(j, slot, 0);
		for (unsigned which = 0; which < N_HALVES; which++) {
			old = half_of(j, slot, which);
			explicit_bzero(record_of(j, slot, which), old->most < room ? old->most : room);
			old->most = 0;
		}
		old = half_of(j, slot, !s->valid);
		atomic_store_explicit(&old->generation, 0, memory_order_relaxed);
		old->check_generation = 0;
		old->len = 0;
	}
	s->used = false;
	s->next_free = j->first_free;
	j->first_free = slot;
	j->n_used--;
}

const void *sl_journal_read(const struct sl_journal *j, uint32_t slot, size_t *len)
{
	const struct slot *s = &j->slots[slot];

	if (!s->used || s->generation == 0)
		return NULL;
	*len = half_of(j, slot, s->valid)->len;
	return record_of(j, slot, s->valid);
}

uint32_t sl_journal_n_slots(const struct sl_journal *j)
{
	return j->shape.n_slots;
}

uint32_t sl_journal_n_used(const struct sl_journal *j)
{
	return j->n_used;
}

uint64_t sl_journal_n_corrupt(const struct sl_journal *j)
{
	return j->n_corrupt;
}

bool sl_journal_is_locked(const struct sl_journal *j)
{
	return j->locked;
}

void *sl_journal_aux(const struct sl_journal *j)
{
	return j->mem + aux_at();
}

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

/* The memfd: a page that says what it is; the directory, with room for as many areas as there may ever be, so
 * that a journal can grow in place; the aux memory; the areas. Opening reads the directory and the records
 * in use, no hole: reading one would fill it. */

#define MAGIC UINT64_C(0x334c4e524a4c5332)
enum { PAGE = 4096, SPARE = 8 /* areas beyond one a slot: changes under way */, AREAS_MAX = SL_JOURNAL_SLOTS_MAX + SPARE };
#define NONE UINT32_MAX

struct file_header {
	uint64_t magic;
	struct sl_journal_shape shape;
};

/* Directory entry of an area. Of two valid ones of a slot (a kill came between) the higher generation counts. */
struct area {
	_Atomic uint64_t generation; /* 0 = not valid: stored first when it is written, and last (release) the number */
	uint64_t check_generation;   /* the same, under the CRC */
	uint32_t slot;
	uint32_t len;
	uint32_t crc;
	uint32_t pad;
};

struct slot {
	uint64_t generation;    /* of its record; 0 = none */
	uint32_t area, pending; /* its record; begun and not committed. NONE */
	uint32_t next_free;
	bool used;
};

struct sl_journal {
	struct sl_journal_shape shape;
	uint8_t *mem;
	size_t bytes;
	struct slot *slots;
	uint32_t *free_areas; /* a stack */
	uint32_t n_free_areas;
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
	return directory_at() + ((size_t)AREAS_MAX * sizeof(struct area) + PAGE - 1) / PAGE * PAGE;
}

static size_t records_at(const struct sl_journal_shape *s)
{
	return aux_at() + ((size_t)s->aux_bytes + PAGE - 1) / PAGE * PAGE;
}

static uint32_t areas_of(const struct sl_journal_shape *s)
{
	return s->n_slots + SPARE;
}

static size_t size_of(const struct sl_journal_shape *s)
{
	return records_at(s) + (size_t)areas_of(s) * s->area_bytes;
}

static struct area *area_of(const struct sl_journal *j, uint32_t i)
{
	void *at = j->mem + directory_at() + (size_t)i * sizeof(struct area);
	return at;
}

static uint8_t *record_of(const struct sl_journal *j, uint32_t i)
{
	return j->mem + records_at(&j->shape) + (size_t)i * j->shape.area_bytes;
}

static uint32_t crc_of(const struct area *a, const uint8_t *record)
{
	const struct {
		uint64_t generation;
		uint32_t slot, len, record, pad;
	} all = {a->check_generation, a->slot, a->len, sl_crc32(record, a->len), 0};

	return sl_crc32(&all, sizeof all);
}

/* ---- opening ---- */

int sl_journal_memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_whole(const struct sl_journal *j, uint32_t i)
{
	const struct area *a = area_of(j, i);

	return a->generation == a->check_generation && a->slot < j->shape.n_slots && a->len <= j->shape.area_bytes &&
	       a->crc == crc_of(a, record_of(j, i));
}

/* Its bytes go, then it may be used again. */
static void release_area(struct sl_journal *j, uint32_t i)
{
	struct area *a = area_of(j, i);

	atomic_store_explicit(&a->generation, 0, memory_order_seq_cst);
	explicit_bzero(record_of(j, i), a->len <= j->shape.area_bytes ? a->len : j->shape.area_bytes);
	a->len = 0;
	j->free_areas[j->n_free_areas++] = i;
}

/* An area that says it is valid and is not has been damaged: a kill leaves none like that. */
static void look_at(struct sl_journal *j, uint32_t i)
{
	struct area *a = area_of(j, i);
	uint64_t generation = atomic_load_explicit(&a->generation, memory_order_acquire);
	bool whole = generation && is_whole(j, i);
	struct slot *s = whole ? &j->slots[a->slot] : NULL;

	j->n_corrupt += generation && !whole;
	if (!whole || s->generation > generation) {
		release_area(j, i);
		return;
	}
	if (s->used)
		release_area(j, s->area);
	else
		j->n_used++;
	s->used = true;
	s->generation = generation;
	s->area = i;
}

static void list_free(struct sl_journal *j)
{
	j->first_free = NONE;
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
	       found->area_bytes == wanted->area_bytes && found->aux_bytes == wanted->aux_bytes &&
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
	j->free_areas = calloc(areas_of(&j->shape), sizeof *j->free_areas);
	return j->slots && j->free_areas ? 0 : -ENOMEM;
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
		j->slots[i].area = j->slots[i].pending = NONE;
	for (uint32_t i = areas_of(&j->shape); i-- > 0;) /* the first free ones on top */
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
	free(j->free_areas);
	free(j);
}

/* ---- records ---- */

int sl_journal_take(struct sl_journal *j)
{
	uint32_t slot = j->first_free;

	if (slot == NONE)
		return -ENOSPC;
	j->first_free = j->slots[slot].next_free;
	j->slots[slot].used = true;
	j->n_used++;
	return (int)slot;
}

void *sl_journal_begin(struct sl_journal *j, uint32_t slot, size_t *room)
{
	struct slot *s = &j->slots[slot];

	if (s->pending == NONE) /* there is one: no more than SPARE changes are under way at a time */
		s->pending = j->free_areas[--j->n_free_areas];
	/* Until it is committed all of it may be written. */
	area_of(j, s->pending)->len = j->shape.area_bytes;
	*room = j->shape.area_bytes;
	return record_of(j, s->pending);
}

void sl_journal_commit(struct sl_journal *j, uint32_t slot, size_t len)
{
	struct slot *s = &j->slots[slot];
	struct area *a = area_of(j, s->pending);
	uint32_t before = s->area;

	a->check_generation = ++s->generation;
	a->slot = slot;
	a->len = (uint32_t)len;
	a->crc = crc_of(a, record_of(j, s->pending));
	atomic_store_explicit(&a->generation, s->generation, memory_order_release);
	s->area = s->pending;
	s->pending = NONE;
	if (before != NONE)
		release_area(j, before);
}

void sl_journal_erase(struct sl_journal *j, uint32_t slot)
{
	struct slot *s = &j->slots[slot];

	if (s->area != NONE)
		release_area(j, s->area);
	if (s->pending != NONE)
		release_area(j, s->pending);
	*s = (struct slot){.area = NONE, .pending = NONE, .next_free = j->first_free};
	j->first_free = slot;
	j->n_used--;
}

const void *sl_journal_read(const struct sl_journal *j, uint32_t slot, size_t *len)
{
	const struct slot *s = &j->slots[slot];

	if (!s->used || s->area == NONE)
		return NULL;
	*len = area_of(j, s->area)->len;
	return record_of(j, s->area);
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

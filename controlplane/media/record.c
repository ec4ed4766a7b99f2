/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The recorder: the brain fills one buffer while the thread writes what is in the other. The lock is held to copy one
 * packet or to swap the two, never while a file is touched. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/media/record_internal.h"
#include "dataplane/abi/log.h"

enum {
	ALIGN = 8,
	FLUSH_S = 1,   /* a file lags behind by no more */
	STOP_BYTES = 64,
	RESERVE_BYTES = 2 * SL_RECORD_MAX * STOP_BYTES, /* packets leave so much free for beginnings and ends */
};

enum kind { PACKET, START, STOP };

/* In a buffer, followed by what belongs to it: a copied packet as far as it goes, or why a recording ended. */
struct entry {
	struct sl_record *rec;
	uint32_t kind; /* enum kind */
	uint32_t len;  /* behind this */
};
_Static_assert(sizeof(struct entry) + SL_RECORD_REASON_MAX + 1 == STOP_BYTES, "an end fits what is reserved for it");

struct sl_recorder {
	char *folder;
	pthread_t thread;
	pthread_mutex_t lock; /* of the filling buffer, ending, counts */
	pthread_cond_t filled;
	uint8_t *filling, *writing;
	size_t n;             /* bytes in filling */
	bool ending;
	uint32_t active;      /* the brain's */
	uint32_t sequence;    /* the brain's */
	struct sl_recorder_counts counts;
	LIST_HEAD(, sl_record) open; /* the thread's */
};

static size_t padded(size_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* ---- the brain ---- */

/* What may be used up by an entry of that kind, so that there is room for the end of every recording. */
static size_t room_for(const struct sl_recorder *r, enum kind kind)
{
	switch (kind) {
	case PACKET:
		return SL_RECORD_QUEUE_BYTES - RESERVE_BYTES;
	case START:
		return SL_RECORD_QUEUE_BYTES - (r->active + 1) * STOP_BYTES;
	case STOP:
		break;
	}
	return SL_RECORD_QUEUE_BYTES;
}

/* Append an entry of two parts. False when there is no room. */
static bool enqueue(struct sl_recorder *r, struct sl_record *rec, enum kind kind, const void *data, size_t len)
{
	struct entry e = {.rec = rec, .kind = kind, .len = (uint32_t)len};
	size_t need = sizeof e + padded(len);

	pthread_mutex_lock(&r->lock);
	bool fits = r->n + need <= room_for(r, kind);
	if (fits) {
		memcpy(r->filling + r->n, &e, sizeof e);
		memcpy(r->filling + r->n + sizeof e, data, len);
		r->n += need;
	} else if (kind == PACKET) {
		r->counts.lost_queue++;
	}
	bool wake = fits && r->n == need;
	pthread_mutex_unlock(&r->lock);
	if (wake)
		pthread_cond_signal(&r->filled);
	return fits;
}

static bool is_g711(const char *codec)
{
	static const char *const names[] = {"PCMA", "PCMU"};

	for (unsigned i = 0; i < 2; i++) {
		size_t n = strlen(names[i]);
		if (strncasecmp(codec, names[i], n) == 0 && (codec[n] == '\0' || strncmp(codec + n, "/8000", 6) == 0))
			return true;
	}
	return codec[0] == '\0';
}

static bool can_record(const struct sl_recorder *r, const struct sl_record_spec *spec, char *text, size_t text_len)
{
	unsigned max = spec->format == SL_RECORD_WAV ? SL_WAV_MIX_CHANNELS : SL_RECORD_MAX_TRACKS;

	if (r->active >= SL_RECORD_MAX) {
		snprintf(text, text_len, "%d recordings are under way, more than that is not done at a time", SL_RECORD_MAX);
		return false;
	}
	if (spec->n_tracks == 0 || spec->n_tracks > max) {
		snprintf(text, text_len, "a recording of %u parties in one file: allowed 1..%u", spec->n_tracks, max);
		return false;
	}
	for (unsigned i = 0; spec->format == SL_RECORD_WAV && i < spec->n_tracks; i++) {
		if (!is_g711(spec->tracks[i].codec)) {
			snprintf(text, text_len, "%s cannot be written as WAV, only G.711 can: record it as pcap",
				spec->tracks[i].codec);
			return false;
		}
	}
	return true;
}

/* SAFE-20260101T120000.123Z-7: tells call, time and order. */
static void name_it(struct sl_recorder *r, struct sl_record *rec, struct sl_slice name)
{
	enum { SAFE_ROOM = 112, MS = 1000, NS_PER_MS = 1000000 };
	char safe[SAFE_ROOM], when[32];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	rec->start_unix_ms = (int64_t)now.tv_sec * MS + now.tv_nsec / NS_PER_MS;
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof when, "%Y%m%dT%H%M%S", &tm);
	sl_record_safe_name(name, safe, sizeof safe);
	snprintf(rec->base, sizeof rec->base, "%s-%s.%03dZ-%u", safe, when, (int)(now.tv_nsec / NS_PER_MS), r->sequence++);
	snprintf(rec->name, sizeof rec->name, "%s.%s", rec->base, rec->format == SL_RECORD_WAV ? "wav" : "pcap");
}

static void free_record(struct sl_record *rec)
{
	if (!rec)
		return;
	free(rec->mix);
	free(rec->call_id);
	free(rec);
}

static struct sl_record *new_record(struct sl_recorder *r, const struct sl_record_spec *spec)
{
	struct sl_record *rec = calloc(1, sizeof *rec);

	if (!rec)
		return NULL;
	rec->recorder = r;
	rec->format = spec->format;
	rec->n_tracks = spec->n_tracks;
	rec->file.fd = -1;
	memcpy(rec->tracks, spec->tracks, spec->n_tracks * sizeof spec->tracks[0]);
	rec->call_id = malloc(spec->call_id.n + 1);
	rec->mix = spec->format == SL_RECORD_WAV ? calloc(1, sizeof *rec->mix) : NULL;
	if (!rec->call_id || (spec->format == SL_RECORD_WAV && !rec->mix)) {
		free_record(rec);
		return NULL;
	}
	if (spec->call_id.n > 0)
		memcpy(rec->call_id, spec->call_id.p, spec->call_id.n);
	rec->call_id_len = spec->call_id.n;
	name_it(r, rec, spec->name.n > 0 ? spec->name : spec->call_id);
	return rec;
}

struct sl_record *sl_record_start(struct sl_recorder *r, const struct sl_record_spec *spec, char *text, size_t text_len)
{
	if (!can_record(r, spec, text, text_len))
		return NULL;
	struct sl_record *rec = new_record(r, spec);
	if (!rec || !enqueue(r, rec, START, "", 0)) {
		snprintf(text, text_len, rec ? "too much waits to be written" : "no memory for a recording");
		free_record(rec);
		return NULL;
	}
	r->active++;
	return rec;
}

void sl_record_packet(struct sl_record *rec, const struct sl_bulk *b)
{
	size_t len = b->len < SL_BULK_DATA_MAX ? b->len : SL_BULK_DATA_MAX;

	if (!enqueue(rec->recorder, rec, PACKET, b, SL_BULK_HEADER_BYTES + len))
		atomic_fetch_add_explicit(&rec->lost_queue, 1, memory_order_relaxed);
}

const char *sl_record_file_name(const struct sl_record *rec)
{
	return rec->name;
}

void sl_record_stop(struct sl_record *rec, const char *why)
{
	char reason[SL_RECORD_REASON_MAX + 1];

	snprintf(reason, sizeof reason, "%s", why);
	rec->recorder->active--;
	enqueue(rec->recorder, rec, STOP, reason, sizeof reason);
}

void sl_recorder_counts(struct sl_recorder *r, struct sl_recorder_counts *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->counts;
	pthread_mutex_unlock(&r->lock);
	out->active = r->active;
}

/* ---- the thread ---- */

static void finish(struct sl_recorder *r, struct sl_record *rec, const char *why, struct sl_recorder_counts *did)
{
	uint64_t lost = sl_record_lost_disk(rec); /* those before were counted as they came */

	if (sl_record_finish(rec, r->folder, why))
		did->completed++;
	else
		did->failed++;
	did->lost_disk += sl_record_lost_disk(rec) - lost;
	LIST_REMOVE(rec, link);
	free_record(rec);
}

static void run_entry(struct sl_recorder *r, const struct entry *e, const uint8_t *data, struct sl_recorder_counts *did)
{
	struct sl_bulk b;
	uint64_t lost;

	switch ((enum kind)e->kind) {
	case START:
		LIST_INSERT_HEAD(&r->open, e->rec, link);
		sl_record_open(e->rec, r->folder);
		did->started++;
		break;
	case PACKET:
		memcpy(&b, data, e->len);
		b.len = (uint16_t)(e->len - SL_BULK_HEADER_BYTES);
		lost = sl_record_lost_disk(e->rec);
		sl_record_write(e->rec, &b);
		did->lost_disk += sl_record_lost_disk(e->rec) - lost;
		did->packets++;
		did->bytes += b.full_len;
		break;
	case STOP:
		finish(r, e->rec, (const char *)data, did);
	}
}

static void run_buffer(struct sl_recorder *r, const uint8_t *buf, size_t n, struct sl_recorder_counts *did)
{
	for (size_t at = 0; at < n;) {
		struct entry e;
		memcpy(&e, buf + at, sizeof e);
		run_entry(r, &e, buf + at + sizeof e, did);
		at += sizeof e + padded(e.len);
	}
}

static void flush_all(struct sl_recorder *r, struct sl_recorder_counts *did)
{
	struct sl_record *rec;

	LIST_FOREACH(rec, &r->open, link) {
		uint64_t lost = sl_record_lost_disk(rec);
		sl_record_file_flush(&rec->file);
		did->lost_disk += sl_record_lost_disk(rec) - lost;
	}
}

/* Wait for work until the next flush is due; then the buffers change places. */
static size_t take_work(struct sl_recorder *r, const struct timespec *until, bool *ending)
{
	pthread_mutex_lock(&r->lock);
	while (r->n == 0 && !r->ending && pthread_cond_timedwait(&r->filled, &r->lock, until) == 0)
		;
	size_t n = r->n;
	uint8_t *full = r->filling;
	r->filling = r->writing;
	r->writing = full;
	r->n = 0;
	*ending = r->ending && n == 0;
	pthread_mutex_unlock(&r->lock);
	return n;
}

static void tell(struct sl_recorder *r, const struct sl_recorder_counts *did)
{
	pthread_mutex_lock(&r->lock);
	r->counts.started += did->started;
	r->counts.completed += did->completed;
	r->counts.failed += did->failed;
	r->counts.packets += did->packets;
	r->counts.bytes += did->bytes;
	r->counts.lost_disk += did->lost_disk;
	pthread_mutex_unlock(&r->lock);
}

static void *run(void *arg)
{
	struct sl_recorder *r = arg;
	struct timespec now, flush;
	bool ending = false;
	unsigned left = sl_record_recover(r->folder);

	if (left > 0)
		sl_log(SL_LOG_WARNING, "%u recordings in %s were cut short by a crash: completed as far as they went", left,
			r->folder);
	clock_gettime(CLOCK_MONOTONIC, &flush);
	while (!ending) {
		struct sl_recorder_counts did = {0};
		size_t n = take_work(r, &flush, &ending);
		run_buffer(r, r->writing, n, &did);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= flush.tv_sec) {
			flush_all(r, &did);
			flush = now;
			flush.tv_sec += FLUSH_S;
		}
		while (ending && !LIST_EMPTY(&r->open))
			finish(r, LIST_FIRST(&r->open), "shutdown", &did);
		tell(r, &did);
	}
	return NULL;
}

/* ---- beginning and end ---- */

static void free_recorder(struct sl_recorder *r)
{
	pthread_cond_destroy(&r->filled);
	pthread_mutex_destroy(&r->lock);
	free(r->filling);
	free(r->writing);
	free(r->folder);
	free(r);
}

struct sl_recorder *sl_recorder_open(const char *folder, char *text, size_t text_len)
{
	pthread_condattr_t attr;

	if (access(folder, W_OK | X_OK) != 0) {
		snprintf(text, text_len, "media.recording_folder %s: %s: make it, and let this program's user write there", folder,
			strerror(errno));
		return NULL;
	}
	struct sl_recorder *r = calloc(1, sizeof *r);
	if (!r)
		goto no_memory;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->filled, &attr);
	pthread_condattr_destroy(&attr);
	r->folder = strdup(folder);
	r->filling = malloc(SL_RECORD_QUEUE_BYTES);
	r->writing = malloc(SL_RECORD_QUEUE_BYTES);
	if (!r->folder || !r->filling || !r->writing || pthread_create(&r->thread, NULL, run, r) != 0) {
		free_recorder(r);
		goto no_memory;
	}
	return r;
no_memory:
	snprintf(text, text_len, "no memory for the recorder");
	return NULL;
}

void sl_recorder_close(struct sl_recorder *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->ending = true;
	pthread_mutex_unlock(&r->lock);
	pthread_cond_signal(&r->filled);
	pthread_join(r->thread, NULL);
	free_recorder(r);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of the recorder. All of it is the thread's but what is said to be the brain's. */

#include <limits.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "controlplane/media/pcap.h"
#include "controlplane/media/record.h"
#include "controlplane/media/wav_mix.h"

enum { SL_RECORD_BASE_MAX = 160, SL_RECORD_REASON_MAX = 47, SL_RECORD_BUFFER_BYTES = 32768 };

/* A file that is written at its end, and found under its name when it is complete. Errors of the disk are kept, not
 * returned: the file goes on without what could not be written, and whole records are what is missing. */
struct sl_record_file {
	int fd;                  /* -1 = none */
	char path[PATH_MAX], part[PATH_MAX];
	int64_t offset;          /* of what is in the file */
	uint32_t n, n_records;   /* in the buffer */
	int error;               /* the last one, negative errno; 0 = none ever */
	uint64_t lost_records;
	uint8_t buffer[SL_RECORD_BUFFER_BYTES];
};

/* 0 or negative errno. name: without the folder. */
int sl_record_file_open(struct sl_record_file *f, const char *folder, const char *name);
/* A record of two parts, together no more than the buffer. */
void sl_record_file_add(struct sl_record_file *f, const void *head, size_t head_len, const void *body, size_t body_len);
void sl_record_file_flush(struct sl_record_file *f);
/* At a place; f->offset follows when that is behind the end. records: how many count as lost when it fails. */
void sl_record_file_put(struct sl_record_file *f, int64_t at, const void *data, size_t n, unsigned records);
/* Close, and give it its name. 0 or negative errno. */
int sl_record_file_finish(struct sl_record_file *f);

/* What each part of a file's name is made of: bytes that every system takes. text may be anything. */
void sl_record_safe_name(struct sl_slice text, char *out, size_t room);
/* Complete what a crash left in the folder. How many files. */
unsigned sl_record_recover(const char *folder);

struct sl_record_seen { /* of one track */
	uint64_t packets, bytes, rtcp;
	uint64_t lost;           /* copies that the dataplane's ring did not take */
	uint64_t late, not_g711, not_rtp, too_long;
};

struct sl_record {
	/* Set at start, then read only. */
	struct sl_recorder *recorder;
	enum sl_record_format format;
	char *call_id;
	size_t call_id_len;
	char base[SL_RECORD_BASE_MAX]; /* the file's name without its end */
	char name[SL_RECORD_BASE_MAX + 8];
	int64_t start_unix_ms;
	unsigned n_tracks;
	struct sl_record_track tracks[SL_RECORD_MAX_TRACKS];

	_Atomic uint64_t lost_queue;   /* writer: the brain; reader: the thread at the end */

	/* The thread's. */
	LIST_ENTRY(sl_record) link;
	bool failed;                   /* there is no file */
	bool warned;
	struct sl_record_file file;
	struct sl_wav_mix *mix;        /* of a WAV */
	unsigned mixed;                /* packets since the last write */
	struct sl_record_seen seen[SL_RECORD_MAX_TRACKS];
};

/* record_write.c: one recording, in the thread */
void sl_record_open(struct sl_record *rec, const char *folder);
void sl_record_write(struct sl_record *rec, const struct sl_bulk *b);
/* All that is possible is written and closed; false when something is missing. */
bool sl_record_finish(struct sl_record *rec, const char *folder, const char *why);
uint64_t sl_record_lost_disk(const struct sl_record *rec);

/* record_meta.c: the .json beside a recording. why NULL = it runs still. 0 or negative errno. */
int sl_record_meta_write(const struct sl_record *rec, const char *folder, const char *why);

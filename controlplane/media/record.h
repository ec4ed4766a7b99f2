/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Recordings: what taps copied, written to files by a thread of its own. The brain hands over each copy and never
 * waits: what the queue does not hold is counted. A recording is one file, with a .json beside it that names call,
 * parties, start and what was lost. Until it is complete the file's name begins with a dot and ends in .part. */

#include <stdint.h>

#include "controlplane/media/sdp.h"
#include "dataplane/abi/msg_media.h"

enum {
	SL_RECORD_MAX = 4096,          /* recordings at a time */
	SL_RECORD_MAX_TRACKS = 16,     /* of a pcap; a WAV has one or two: mono, or left and right */
	SL_RECORD_QUEUE_BYTES = 8 << 20,
	SL_RECORD_TAG_MAX = 255,
	SL_RECORD_LABEL_MAX = 63,
	SL_RECORD_CODEC_MAX = 31,
};

enum sl_record_format { SL_RECORD_PCAP, SL_RECORD_WAV };

/* One party's media. */
struct sl_record_track {
	uint32_t tap;
	uint8_t what;                          /* SL_TAP_* bits of that tap that belong here; 0 = all */
	char tag[SL_RECORD_TAG_MAX + 1], label[SL_RECORD_LABEL_MAX + 1];
	char codec[SL_RECORD_CODEC_MAX + 1];   /* "PCMA/8000"; empty = not known */
	struct sl_endpoint local, remote;      /* as known now; all zero = not known */
};

struct sl_record_spec {
	enum sl_record_format format;
	struct sl_slice call_id;
	struct sl_slice name;                  /* what the file's name begins with; empty = the call-id */
	unsigned n_tracks;
	struct sl_record_track tracks[SL_RECORD_MAX_TRACKS];
};

struct sl_recorder;
struct sl_record;

/* folder: where files go; it must exist. NULL with words in text. Files that a crash left unfinished are completed. All
 * calls but that of the thread come from one thread, the brain's. */
struct sl_recorder *sl_recorder_open(const char *folder, char *text, size_t text_len);
/* Ends recordings that still run, writes all that is queued, ends the thread. NULL is fine. */
void sl_recorder_close(struct sl_recorder *r);

/* Begin; the spec is copied. NULL with words in text: what cannot be recorded that way (a WAV of anything but G.711),
 * too many recordings, no memory. The file is made by the thread: when that fails it is logged and counted. */
struct sl_record *sl_record_start(struct sl_recorder *r, const struct sl_record_spec *spec, char *text,
	size_t text_len);
/* A copy of one of its taps, which sl_bulk_validate() let pass; others are passed over. */
void sl_record_packet(struct sl_record *rec, const struct sl_bulk *b);
/* The file's name, without the folder: good until the recording is stopped. */
const char *sl_record_file_name(const struct sl_record *rec);
/* End it; it is gone for the caller. why: a word or two for the .json. */
void sl_record_stop(struct sl_record *rec, const char *why);

struct sl_recorder_counts {
	uint64_t started, completed, failed;   /* failed: not, or not wholly, written */
	uint64_t packets, bytes;               /* taken from the queue */
	uint64_t lost_queue, lost_disk;        /* packets; of a WAV those that a failed write held */
	uint64_t active;
};
void sl_recorder_counts(struct sl_recorder *r, struct sl_recorder_counts *out);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* One recording, as the recorder's thread writes it. */

#include "controlplane/media/record_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/media/wav.h"
#include "dataplane/abi/log.h"

enum { BYTES_PER_SAMPLE = 2 };

/* Once a recording: a full disk has many of them. */
static void warn(struct sl_record *rec, const char *what, int rc)
{
	if (rec->warned)
		return;
	rec->warned = true;
	sl_log(SL_LOG_WARNING, "recording %s: %s: %s; see media.recording_folder", rec->name, what, strerror(-rc));
}

/* Samples from the mixer: their place in the file follows from their place in time. */
static void write_samples(void *ctx, int64_t at, const int16_t *samples, size_t n)
{
	struct sl_record *rec = ctx;
	size_t frame = BYTES_PER_SAMPLE * rec->mix->channels;

	sl_record_file_put(&rec->file, SL_WAV_HEADER_BYTES + at * (int64_t)frame, samples, n * frame, rec->mixed);
	rec->mixed = 0;
	if (rec->file.error)
		warn(rec, "cannot be written", rec->file.error);
}

static void write_wav_head(struct sl_record *rec)
{
	uint8_t head[SL_WAV_HEADER_BYTES];
	int64_t data = rec->file.offset > SL_WAV_HEADER_BYTES ? rec->file.offset - SL_WAV_HEADER_BYTES : 0;

	sl_wav_header(head, rec->n_tracks, (uint32_t)data);
	sl_record_file_put(&rec->file, 0, head, sizeof head, 0);
}

void sl_record_open(struct sl_record *rec, const char *folder)
{
	uint8_t head[SL_PCAP_FILE_BYTES];
	int rc = sl_record_file_open(&rec->file, folder, rec->name);

	if (rc != 0) {
		rec->failed = true;
		warn(rec, "cannot be made", rc);
		return;
	}
	if (rec->format == SL_RECORD_WAV) {
		sl_wav_mix_init(rec->mix, rec->n_tracks, write_samples, rec);
		write_wav_head(rec);
	} else {
		sl_pcap_file(head);
		sl_record_file_put(&rec->file, 0, head, sizeof head, 0);
	}
	rc = sl_record_meta_write(rec, folder, NULL);
	if (rc != 0)
		warn(rec, "its .json cannot be written", rc);
}

static void add_to_pcap(struct sl_record *rec, const struct sl_record_track *t, const struct sl_bulk *b)
{
	uint8_t head[SL_PCAP_HEADERS_MAX];
	struct sl_endpoint local = {.ip = t->local.ip, .port_be = b->local_port_be};
	struct sl_endpoint remote = {.ip = b->remote_ip, .port_be = b->remote_port_be};
	bool received = b->what == SL_TAP_RECEIVED;

	if ((remote.ip.q[0] | remote.ip.q[1]) == 0)
		remote.ip = t->remote.ip;
	size_t n = sl_pcap_packet(head, b->unix_ns, received ? &remote : &local, received ? &local : &remote, b->data, b->len,
		b->full_len);
	sl_record_file_add(&rec->file, head, n, b->data, b->len);
}

static void add_to_wav(struct sl_record *rec, unsigned track, const struct sl_bulk *b)
{
	struct sl_record_seen *s = &rec->seen[track];

	rec->mixed++;
	switch (sl_wav_mix_packet(rec->mix, track, b->unix_ns, b->data, b->len)) {
	case SL_WAV_PLACED:
		return;
	case SL_WAV_LATE:
		s->late++;
		break;
	case SL_WAV_NOT_G711:
		s->not_g711++;
		break;
	case SL_WAV_NOT_RTP:
		s->not_rtp++;
		break;
	case SL_WAV_FULL:
		s->too_long++;
	}
	if (rec->mixed > 0)
		rec->mixed--;
}

static int track_of(const struct sl_record *rec, const struct sl_bulk *b)
{
	for (unsigned i = 0; i < rec->n_tracks; i++) {
		const struct sl_record_track *t = &rec->tracks[i];
		if (t->tap == b->tap && (t->what == 0 || (t->what & b->what)))
			return (int)i;
	}
	return -1;
}

void sl_record_write(struct sl_record *rec, const struct sl_bulk *b)
{
	int track = track_of(rec, b);

	if (track < 0)
		return;
	struct sl_record_seen *s = &rec->seen[track];
	if (b->lost > s->lost)
		s->lost = b->lost;
	s->packets++;
	s->bytes += b->full_len;
	s->rtcp += b->kind == SL_BULK_TAP_RTCP;
	if (rec->failed)
		rec->file.lost_records++;
	else if (rec->format == SL_RECORD_PCAP)
		add_to_pcap(rec, &rec->tracks[track], b);
	else if (b->kind == SL_BULK_TAP_RTP)
		add_to_wav(rec, (unsigned)track, b);
	if (rec->file.error && !rec->failed)
		warn(rec, "cannot be written", rec->file.error);
}

uint64_t sl_record_lost_disk(const struct sl_record *rec)
{
	return rec->file.lost_records;
}

bool sl_record_finish(struct sl_record *rec, const char *folder, const char *why)
{
	int rc = rec->file.error;

	if (!rec->failed) {
		if (rec->format == SL_RECORD_WAV) {
			sl_wav_mix_end(rec->mix);
			write_wav_head(rec);
		}
		rc = sl_record_file_finish(&rec->file);
		if (rc != 0)
			warn(rec, "is not complete", rc);
	}
	int meta = sl_record_meta_write(rec, folder, why);
	if (meta != 0)
		warn(rec, "its .json cannot be written", meta);
	return rc == 0 && meta == 0;
}

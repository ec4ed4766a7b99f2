/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Packets that the guard dropped, as a pcap file in memory. One collection at a time: workers copy for one. */

#include "controlplane/guard/internal.h"

#include "controlplane/media/pcap.h"

#include <errno.h>
#include <stdlib.h>

enum { LINKTYPE_ETHERNET = 1, SECONDS_MAX = 3600, SEQ_MAX = 0x3fffffff, BYTES_MAX = 16 << 20 };

static void finish(struct sl_warden *w, const char *error)
{
	struct sl_warden_sampling s = w->sampling;
	unsigned lost = 0;

	w->sampling.sample = 0;
	for (unsigned i = 0; i < SL_MAX_WORKERS; i++)
		lost += s.lost[i];
	if (error) {
		free(s.pcap);
		s.pcap = NULL;
	}
	s.done(s.ctx, s.pcap, error ? 0 : s.bytes, s.packets, lost, error);
}

static void command(struct sl_warden *w, uint32_t n)
{
	const struct sl_warden_sampling *s = &w->sampling;
	struct sl_command cmd = {.h = {.type = SL_CMD_GUARD_SAMPLE}};

	cmd.guard_sample.n = n;
	cmd.guard_sample.seconds = s->asked.seconds;
	cmd.guard_sample.sample = s->sample;
	cmd.guard_sample.reason = (uint16_t)s->asked.reason;
	cmd.guard_sample.prefix_len = s->asked.from.len;
	cmd.guard_sample.ip = s->asked.from.ip;
	for (unsigned i = 0; i < w->tell.n_workers; i++)
		sl_dp_worker_send(w->o.dp, i, &cmd);
}

int sl_warden_sample(struct sl_warden *w, const struct sl_warden_sample *asked, int64_t now_ms, sl_warden_sampled done, void *ctx)
{
	struct sl_warden_sampling *s = &w->sampling;

	if (!w->tell.attached)
		return -ENOTCONN;
	if (s->sample)
		return -EBUSY;
	if (asked->n == 0 || asked->n > SL_GUARD_SAMPLES_MAX || asked->seconds == 0 || asked->seconds > SECONDS_MAX)
		return -EINVAL;
	*s = (struct sl_warden_sampling){.asked = *asked, .done = done, .ctx = ctx, .capacity = 1 << 16};
	s->pcap = malloc(s->capacity);
	if (!s->pcap)
		return -ENOMEM;
	sl_pcap_file_of(s->pcap, LINKTYPE_ETHERNET);
	s->bytes = SL_PCAP_FILE_BYTES;
	s->deadline_ms = now_ms + (int64_t)asked->seconds * 1000;
	w->seq = w->seq < SEQ_MAX ? w->seq + 1 : 1;
	s->sample = w->seq;
	command(w, asked->n);
	return 0;
}

static bool make_room(struct sl_warden_sampling *s, size_t more)
{
	while (s->bytes + more > s->capacity) {
		uint8_t *bigger = s->capacity < BYTES_MAX ? realloc(s->pcap, 2 * s->capacity) : NULL;

		if (!bigger)
			return false;
		s->pcap = bigger;
		s->capacity *= 2;
	}
	return true;
}

void sl_warden_sample_packet(struct sl_warden *w, unsigned worker, const struct sl_bulk *b)
{
	struct sl_warden_sampling *s = &w->sampling;

	if (s->sample == 0 || b->tap != s->sample || s->packets >= s->asked.n)
		return;
	s->lost[worker] = b->lost;
	if (!make_room(s, SL_PCAP_RECORD_BYTES + b->len)) {
		s->lost[worker]++;
		return;
	}
	s->bytes += sl_pcap_record(s->pcap + s->bytes, b->unix_ns, b->data, b->len, b->full_len);
	if (++s->packets < s->asked.n)
		return;
	command(w, 0); /* each worker would go on for itself */
	finish(w, NULL);
}

void sl_warden_sample_tick(struct sl_warden *w, int64_t now_ms)
{
	if (w->sampling.sample == 0 || now_ms < w->sampling.deadline_ms)
		return;
	command(w, 0);
	finish(w, NULL);
}

void sl_warden_sample_close(struct sl_warden *w, const char *why)
{
	if (w->sampling.sample)
		finish(w, why);
}

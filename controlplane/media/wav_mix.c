/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "controlplane/media/wav_mix.h"

#include <string.h>

#include "controlplane/media/g711.h"
#include "controlplane/media/wav.h"
#include "dataplane/wire/rtp.h"
#include "dataplane/wire/silence.h"

enum {
	NS_PER_SAMPLE = 1000000000 / SL_WAV_HZ,
	STEP = SL_WAV_MIX_WINDOW / 4, /* the window moves by so many at least */
};
/* A packet that comes later than the window is long was not late: the clock was set. */
#define SET_BACK_NS ((uint64_t)NS_PER_SAMPLE * 2 * SL_WAV_MIX_WINDOW)

void sl_wav_mix_init(struct sl_wav_mix *m, unsigned channels, void (*write)(void *, int64_t, const int16_t *, size_t),
	void *ctx)
{
	memset(m, 0, sizeof *m);
	m->channels = channels;
	m->write = write;
	m->ctx = ctx;
}

/* Write the first n samples of the window and go on behind them. */
static void advance(struct sl_wav_mix *m, int64_t n)
{
	size_t cut = (size_t)n * m->channels, all = (size_t)SL_WAV_MIX_WINDOW * m->channels;

	m->write(m->ctx, m->base, m->window, (size_t)n);
	memmove(m->window, m->window + cut, (all - cut) * sizeof m->window[0]);
	memset(m->window + all - cut, 0, cut * sizeof m->window[0]);
	m->base += n;
}

/* Move the window so that it reaches to `to`. */
static void reach(struct sl_wav_mix *m, int64_t from, int64_t to)
{
	int64_t missing = to - (m->base + SL_WAV_MIX_WINDOW);

	if (missing <= 0)
		return;
	if (missing < SL_WAV_MIX_WINDOW - STEP) {
		advance(m, missing < STEP ? STEP : missing);
		return;
	}
	sl_wav_mix_end(m); /* a long gap: nothing is written of it */
	m->base = from;
}

/* When a packet came, in samples. A clock that is set back goes on where it was. */
static int64_t arrival(struct sl_wav_mix *m, uint64_t unix_ns)
{
	if (!m->started) {
		m->started = true;
		m->start_ns = m->last_ns = unix_ns;
	} else if (unix_ns + SET_BACK_NS < m->last_ns) {
		m->start_ns -= m->last_ns - unix_ns;
		m->last_ns = unix_ns;
	} else if (unix_ns > m->last_ns) {
		m->last_ns = unix_ns;
	}
	int64_t ns = (int64_t)(unix_ns - m->start_ns);
	return ns > 0 ? ns / NS_PER_SAMPLE : 0;
}

/* Where a packet belongs. Its timestamp counts while it is near to when it came. Time that jumps, a stream that begins
 * anew, a sender's clock that runs away: then it belongs where it came, but not over what its stream said before. */
static int64_t place(const struct sl_wav_channel *c, uint32_t ssrc, uint32_t ts, int64_t arrived)
{
	if (c->started && c->ssrc == ssrc) {
		int64_t at = c->at + (int32_t)(ts - c->ts), off = at - arrived;
		if (off <= SL_WAV_MIX_DRIFT && off >= -SL_WAV_MIX_DRIFT)
			return at;
	}
	return c->end > arrived && c->end - arrived <= SL_WAV_MIX_DRIFT ? c->end : arrived;
}

static void put_samples(struct sl_wav_mix *m, unsigned channel, int64_t at, const uint8_t *payload, unsigned n,
	bool alaw)
{
	for (unsigned i = at < m->base ? (unsigned)(m->base - at) : 0; i < n; i++) {
		size_t k = (size_t)(at + i - m->base) * m->channels + channel;
		m->window[k] = alaw ? sl_g711_from_alaw(payload[i]) : sl_g711_from_ulaw(payload[i]);
	}
}

enum sl_wav_mixed sl_wav_mix_packet(struct sl_wav_mix *m, unsigned channel, uint64_t unix_ns, const uint8_t *rtp,
	size_t n)
{
	struct sl_wav_channel *c = &m->channel[channel];
	unsigned head = sl_rtp_header_len(rtp, n);
	int payload = head > 0 ? sl_rtp_payload_len(rtp, n, head) : -1;

	if (payload < 0 || payload > SL_WAV_MIX_WINDOW / 2)
		return SL_WAV_NOT_RTP;
	if (sl_rtp_pt(rtp) != SL_PT_PCMA && sl_rtp_pt(rtp) != SL_PT_PCMU)
		return SL_WAV_NOT_G711;
	if (payload == 0)
		return SL_WAV_PLACED; /* nothing to hear */
	int64_t arrived = arrival(m, unix_ns);
	uint32_t ssrc = sl_rtp_ssrc(rtp), ts = sl_rtp_ts(rtp);
	int64_t at = place(c, ssrc, ts, arrived), to = at + payload;
	if (to <= m->base)
		return SL_WAV_LATE;
	if (to > SL_WAV_MAX_DATA / (int64_t)(sizeof m->window[0] * m->channels))
		return SL_WAV_FULL;
	reach(m, at, to);
	put_samples(m, channel, at, rtp + head, (unsigned)payload, sl_rtp_pt(rtp) == SL_PT_PCMA);
	*c = (struct sl_wav_channel){.started = true, .ssrc = ssrc, .ts = ts, .at = at, .end = to > c->end ? to : c->end};
	if (to > m->end)
		m->end = to;
	return SL_WAV_PLACED;
}

void sl_wav_mix_end(struct sl_wav_mix *m)
{
	if (m->end > m->base)
		advance(m, m->end - m->base);
}

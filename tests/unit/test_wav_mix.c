/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RTP to samples in their place, and packets to pcap. */

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "controlplane/media/g711.h"
#include "controlplane/media/pcap.h"
#include "controlplane/media/wav_mix.h"
#include "dataplane/wire/rtp.h"

enum { FRAME = 160, PCMU = 0, PCMA = 8, SECOND = 8000, KEPT = 40 * SECOND };
#define MS UINT64_C(1000000)
#define T0 (UINT64_C(1800000000) * 1000 * MS)

/* What was written, as one long sound; places not written are 0. */
static int16_t heard[KEPT][2];
static int64_t written_to, highest;
static struct sl_wav_mix mix;

static void hear(void *ctx, int64_t at, const int16_t *samples, size_t n)
{
	assert_true(at >= written_to); /* in order, and nothing twice */
	written_to = at + (int64_t)n;
	for (size_t i = 0; i < n && at + (int64_t)i < KEPT; i++) {
		for (unsigned c = 0; c < mix.channels; c++)
			heard[at + (int64_t)i][c] = samples[i * mix.channels + c];
	}
	highest = written_to;
}

static void begin(unsigned channels)
{
	memset(heard, 0, sizeof heard);
	written_to = highest = 0;
	sl_wav_mix_init(&mix, channels, hear, NULL);
}

/* A packet of n equal samples. */
static enum sl_wav_mixed feed_n(unsigned channel, unsigned ms, uint32_t ssrc, uint32_t ts, uint8_t pt, uint8_t code,
	unsigned n)
{
	uint8_t p[2000] = {0x80, pt};

	sl_rtp_put32(p + 4, ts);
	sl_rtp_put32(p + 8, ssrc);
	memset(p + 12, code, n);
	return sl_wav_mix_packet(&mix, channel, T0 + ms * MS, p, 12 + n);
}

static enum sl_wav_mixed feed(unsigned channel, unsigned ms, uint32_t ts, uint8_t code)
{
	return feed_n(channel, ms, 1, ts, PCMA, code, FRAME);
}

static void heard_is(unsigned channel, unsigned from, unsigned to, int16_t sample)
{
	for (unsigned i = from; i < to; i++)
		assert_int_equal(heard[i][channel], sample);
}

static void in_any_order(void **state)
{
	static const unsigned order[] = {0, 2, 1, 5, 4, 3, 3, 9, 6, 8, 7};

	begin(1);
	for (unsigned i = 0; i < SL_COUNT(order); i++)
		assert_int_equal(feed(0, order[i] * 20 + i, 0xffffff00 + order[i] * FRAME, (uint8_t)(order[i] + 1)), SL_WAV_PLACED);
	sl_wav_mix_end(&mix);
	assert_int_equal(highest, 10 * FRAME);
	for (unsigned i = 0; i < 10; i++)
		heard_is(0, i * FRAME, (i + 1) * FRAME, sl_g711_from_alaw((uint8_t)(i + 1)));
}

static void both_parties_side_by_side(void **state)
{
	begin(2);
	for (unsigned i = 0; i < 500; i++) { /* ten seconds; the second begins 1.5 s later, in the other law */
		assert_int_equal(feed(0, i * 20, 1000 + i * FRAME, 0x11), SL_WAV_PLACED);
		if (i >= 75)
			assert_int_equal(feed_n(1, i * 20 + 3, 2, 77 + i * FRAME, PCMU, 0x22, FRAME), SL_WAV_PLACED);
	}
	sl_wav_mix_end(&mix);
	heard_is(0, 0, 500 * FRAME, sl_g711_from_alaw(0x11));
	heard_is(1, 0, 75 * FRAME + 24, 0);
	heard_is(1, 75 * FRAME + 24, 500 * FRAME + 24, sl_g711_from_ulaw(0x22));
	assert_int_equal(highest, 500 * FRAME + 24);
}

static void gaps_are_silent(void **state)
{
	begin(1);
	feed(0, 0, 0, 0x11);
	feed(0, 60, 3 * FRAME, 0x12); /* two packets lost */
	feed(0, 30000, 30 * SECOND, 0x13); /* half a minute on hold */
	assert_int_equal(feed(0, 30001, 4 * FRAME, 0x14), SL_WAV_PLACED); /* its time makes no sense: after the last */
	assert_int_equal(feed(0, 30040, 30 * SECOND + 2 * FRAME, 0x15), SL_WAV_PLACED);
	sl_wav_mix_end(&mix);
	heard_is(0, 0, FRAME, sl_g711_from_alaw(0x11));
	heard_is(0, FRAME, 3 * FRAME, 0);
	heard_is(0, 3 * FRAME, 4 * FRAME, sl_g711_from_alaw(0x12));
	heard_is(0, 4 * FRAME, 30 * SECOND, 0);
	heard_is(0, 30 * SECOND, 30 * SECOND + FRAME, sl_g711_from_alaw(0x13));
	heard_is(0, 30 * SECOND + FRAME, 30 * SECOND + 2 * FRAME, sl_g711_from_alaw(0x14));
	heard_is(0, 30 * SECOND + 2 * FRAME, 30 * SECOND + 3 * FRAME, sl_g711_from_alaw(0x15));
}

static void time_that_jumps(void **state)
{
	begin(1);
	feed(0, 0, 5000, 0x11);
	feed(0, 20, 5000 + 0x40000000, 0x12);      /* the timestamp jumps: it belongs where it came */
	feed_n(0, 40, 99, 7, PCMA, 0x13, FRAME);   /* another stream */
	feed_n(0, 60, 99, 7 + FRAME, PCMA, 0x14, FRAME);
	sl_wav_mix_end(&mix);
	for (unsigned i = 0; i < 4; i++)
		heard_is(0, i * FRAME, (i + 1) * FRAME, sl_g711_from_alaw((uint8_t)(0x11 + i)));
	assert_int_equal(highest, 4 * FRAME);

	begin(1); /* a flood of streams that all want to be first takes no more room than it took time */
	for (unsigned i = 0; i < 5000; i++)
		feed_n(0, i / 10, i, i * 77777, PCMA, 1, FRAME);
	sl_wav_mix_end(&mix);
	assert_true(highest <= SECOND / 2 + SL_WAV_MIX_DRIFT + 2 * FRAME);

	begin(1); /* a clock set back: sound goes on behind what there is */
	feed(0, 10000, 0, 0x11);
	for (unsigned i = 1; i < 200; i++)
		feed(0, 5000 + 20 * (i - 1), i * FRAME, 0x12);
	sl_wav_mix_end(&mix);
	assert_int_equal(highest, 200 * FRAME);
}

static void what_has_no_place(void **state)
{
	uint8_t p[100] = {0x80, PCMA};

	begin(1);
	assert_int_equal(feed_n(0, 0, 1, 0, 101, 1, 4), SL_WAV_NOT_G711);
	assert_int_equal(feed_n(0, 0, 1, 0, 13, 1, 1), SL_WAV_NOT_G711);
	assert_int_equal(sl_wav_mix_packet(&mix, 0, T0, p, 11), SL_WAV_NOT_RTP);
	p[0] = 0x40;
	assert_int_equal(sl_wav_mix_packet(&mix, 0, T0, p, 100), SL_WAV_NOT_RTP);
	p[0] = 0xa0; /* padding of 0 */
	assert_int_equal(sl_wav_mix_packet(&mix, 0, T0, p, 100), SL_WAV_NOT_RTP);
	assert_false(mix.started);
	for (unsigned i = 0; i < 200; i++)
		feed(0, i * 20, i * FRAME, 1);
	assert_int_equal(feed(0, 4000, FRAME, 1), SL_WAV_PLACED); /* too late by its time: a new beginning */
	assert_int_equal(feed_n(0, 4000, 1, 4 * FRAME, PCMA, 1, 0), SL_WAV_PLACED);
	begin(2);
	feed(0, 0, 0, 1);
	for (unsigned i = 1; i < 110; i++)
		feed(1, i * 20, i * FRAME, 1);
	assert_int_equal(feed(0, 30, FRAME, 1), SL_WAV_LATE); /* came when it should, is handed over two seconds later */
	/* 37 hours of stereo is all that a WAV holds. */
	uint8_t q[172] = {0x80, PCMA};
	assert_int_equal(sl_wav_mix_packet(&mix, 0, T0 + 40 * 3600 * 1000 * MS, q, sizeof q), SL_WAV_FULL);
}

/* ---- pcap ---- */

static unsigned sum16(const uint8_t *p, size_t n, unsigned s)
{
	for (size_t i = 0; i < n; i++)
		s += i & 1 ? p[i] : (unsigned)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

static struct sl_endpoint ep(const char *text)
{
	struct sl_endpoint e = {0};

	if (text)
		assert_int_equal(sl_endpoint_parse(text, &e), 0);
	return e;
}

static size_t packet(uint8_t *out, const char *from, const char *to, unsigned n, unsigned full)
{
	struct sl_endpoint f = ep(from), t = ep(to);
	uint8_t payload[2000];

	for (unsigned i = 0; i < n; i++)
		payload[i] = (uint8_t)(i * 7);
	size_t head = sl_pcap_packet(out, T0 + 123456789, &f, &t, payload, n, full);
	memcpy(out + head, payload, n);
	return head;
}

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void pcap_of_ipv4(void **state)
{
	uint8_t out[4096], head[24], *ip = out + 16;
	static const uint8_t addresses[] = {192, 0, 2, 1, 203, 0, 113, 9};

	sl_pcap_file(head);
	assert_int_equal(le32(head), 0xa1b23c4d);
	assert_int_equal(le32(head + 20), 101);
	assert_int_equal(packet(out, "192.0.2.1:4000", "203.0.113.9:5004", 173, 173), 16 + 28);
	assert_int_equal(le32(out), 1800000000);
	assert_int_equal(le32(out + 4), 123456789);
	assert_int_equal(le32(out + 8), 28 + 173);
	assert_int_equal(le32(out + 12), 28 + 173);
	assert_int_equal(sum16(ip, 20, 0), 0xffff);
	assert_memory_equal(ip + 12, addresses, 8);
	assert_int_equal(sl_rtp_get16(ip + 20), 4000);
	assert_int_equal(sl_rtp_get16(ip + 22), 5004);
	assert_int_equal(sl_rtp_get16(ip + 24), 8 + 173);
	/* RFC 768: the pseudo header is the addresses, the protocol and the length. */
	assert_int_equal(sum16(ip + 12, 8 + 8 + 173, 17 + 8 + 173), 0xffff);
}

static void pcap_of_ipv6_and_of_cut_packets(void **state)
{
	uint8_t out[4096], *ip = out + 16;

	assert_int_equal(packet(out, "[2001:db8::1]:4000", NULL, 100, 100), 16 + 48);
	assert_int_equal(ip[0] >> 4, 6);
	assert_int_equal(sl_rtp_get16(ip + 4), 108);
	assert_int_equal(ip[6], 17);
	assert_int_equal(sum16(ip + 8, 32 + 8 + 100, 17 + 108), 0xffff);
	assert_int_equal(packet(out, NULL, NULL, 100, 1500), 16 + 28); /* nothing known: IPv4, no sum */
	assert_int_equal(le32(out + 8), 28 + 100);
	assert_int_equal(le32(out + 12), 28 + 1500);
	assert_int_equal(sl_rtp_get16(ip + 26), 0);
	packet(out, NULL, NULL, 100, 65535);
	assert_int_equal(sl_rtp_get16(ip + 2), 65535);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_any_order),
		cmocka_unit_test(both_parties_side_by_side),
		cmocka_unit_test(gaps_are_silent),
		cmocka_unit_test(time_that_jumps),
		cmocka_unit_test(what_has_no_place),
		cmocka_unit_test(pcap_of_ipv4),
		cmocka_unit_test(pcap_of_ipv6_and_of_cut_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

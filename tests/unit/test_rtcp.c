/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "tests/unit/unit.h"

#include <errno.h>

#include "dataplane/wire/rtcp.h"
#include "dataplane/wire/rtp.h"
#include "dataplane/wire/silence.h"
#include "tests/unit/guard.h"

enum { MINE = 0x11111111, THEIRS = 0x22222222, OTHER = 0x33333333, MEDIA = 0x44444444, NEW = 0x55555555 };

static struct sl_guard guard;

static int setup(void **state)
{
	guard = sl_guard_make(SL_RTCP_BYTES_MAX);
	return 0;
}

static int teardown(void **state)
{
	sl_guard_free(&guard);
	return 0;
}

static bool valid(const uint8_t *p, size_t len)
{
	return sl_rtcp_valid(sl_guard_put(&guard, p, len), len);
}

static const struct sl_rtcp_sender sender = {.ssrc = MINE,
        .ntp = UINT64_C(0x0123456789abcdef),
        .rtp_ts = 160000,
        .packets = 1000,
        .octets = 160000};
static const struct sl_rtcp_block blocks[2] = {
        {THEIRS, 64, -3, 0x00021234, 80, 0x456789ab, 65536},
        {OTHER, 0, 0x7fffff, 0xffffffff, 0, 0, 0},
};

/* SR with two blocks, SDES, and what p appends: a compound to work on. */
struct compound {
	uint8_t b[512];
	size_t len;
};

static struct compound compound_of(const uint8_t *more, size_t more_len)
{
	struct compound c;
	c.len = sl_rtcp_build(c.b, sizeof c.b, MINE, &sender, blocks, 2, "a@b");
	assert_int_equal(c.len, 28 + 2 * 24 + 16);
	if (more_len)
		memcpy(c.b + c.len, more, more_len);
	c.len += more_len;
	return c;
}

static struct sl_rtcp_packet packet_at(const uint8_t *p, size_t len, unsigned want)
{
	struct sl_rtcp_packet k;
	size_t at = 0;

	for (unsigned i = 0; i <= want; i++)
		assert_int_equal(sl_rtcp_next(p, len, &at, &k), 1);
	return k;
}

static void what_is_built_is_read_back(void **state)
{
	struct compound c = compound_of(NULL, 0);
	const uint8_t *p = sl_guard_put(&guard, c.b, c.len);
	struct sl_rtcp_packet k = packet_at(p, c.len, 0);
	struct sl_rtcp_sender s;
	struct sl_rtcp_block b;

	assert_true(sl_rtcp_valid(p, c.len));
	assert_int_equal(k.type, SL_RTCP_SR);
	assert_true(sl_rtcp_sender_info(p, &k, &s));
	assert_int_equal(s.ssrc, MINE);
	assert_true(s.ntp == sender.ntp);
	assert_int_equal(s.rtp_ts, 160000);
	assert_int_equal(s.packets, 1000);
	assert_int_equal(s.octets, 160000);
	assert_int_equal(sl_rtcp_n_blocks(&k), 2);
	for (unsigned i = 0; i < 2; i++) {
		sl_rtcp_block(p, &k, i, &b);
		assert_int_equal(b.ssrc, blocks[i].ssrc);
		assert_int_equal(b.fraction, blocks[i].fraction);
		assert_int_equal(b.lost, blocks[i].lost);
		assert_int_equal(b.highest_seq, blocks[i].highest_seq);
		assert_int_equal(b.jitter, blocks[i].jitter);
		assert_int_equal(b.lsr, blocks[i].lsr);
		assert_int_equal(b.dlsr, blocks[i].dlsr);
	}
	assert_int_equal(sl_rtcp_ntp_middle(s.ntp), 0x456789ab);
	assert_int_equal(sl_rtcp_sender_ssrc(p, c.len), MINE);
	k = packet_at(p, c.len, 1);
	assert_int_equal(k.type, SL_RTCP_SDES);
	assert_false(sl_rtcp_sender_info(p, &k, &s));
	assert_int_equal(sl_rtcp_n_blocks(&k), 0);
	assert_memory_equal(p + k.at + 8, "\1\3a@b\0\0\0", 8);
}

static void builder_keeps_within_its_room(void **state)
{
	uint8_t out[1024];
	char name[300] = "";
	struct sl_rtcp_block many[SL_RTCP_BLOCKS_MAX + 1] = {{0}};

	for (size_t cap = 0; cap < 92; cap++) {
		uint8_t *p = sl_guard_put(&guard, out, cap);
		assert_int_equal(sl_rtcp_build(p, cap, MINE, &sender, blocks, 2, "a@b"), 0);
	}
	assert_int_equal(sl_rtcp_build(sl_guard_put(&guard, out, 92), 92, MINE, &sender, blocks, 2, "a@b"), 92);
	assert_int_equal(sl_rtcp_build(out, sizeof out, MINE, NULL, NULL, 0, NULL), 8);
	for (unsigned n = 0; n <= 255; n++) {
		memset(name, 'x', n);
		size_t len = sl_rtcp_build(out, sizeof out, MINE, NULL, many, SL_RTCP_BLOCKS_MAX, name);
		assert_true(len > 0 && valid(out, len));
	}
	memset(name, 'x', 256);
	assert_int_equal(sl_rtcp_build(out, sizeof out, MINE, NULL, NULL, 0, name), 0);
	assert_int_equal(sl_rtcp_build(out, sizeof out, MINE, NULL, many, SL_RTCP_BLOCKS_MAX + 1, NULL), 0);
}

static void every_truncation_is_refused(void **state)
{
	struct compound c = compound_of(NULL, 0);

	for (size_t len = 0; len < c.len; len++)
		assert_int_equal(valid(c.b, len), len == 76); /* the SR alone is whole */
	assert_true(valid(c.b, c.len));
}

static void reduced_size_is_accepted(void **state)
{
	static const uint8_t pli[12] = {0x81, 206, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2};
	static const uint8_t unknown[4] = {0x80, 210, 0, 0};

	assert_true(valid(pli, sizeof pli));
	assert_true(valid(unknown, sizeof unknown));
}

struct nonsense {
	const char *what;
	uint8_t len, b[40];
};

static void nonsense_is_refused(void **state)
{
	static const struct nonsense table[] = {
	        {"version 1", 8, {0x40, 201, 0, 1}},
	        {"version 3", 8, {0xc0, 201, 0, 1}},
	        {"type 191", 8, {0x80, 191, 0, 1}},
	        {"type 224", 8, {0x80, 224, 0, 1}},
	        {"RTP", 12, {0x80, 0, 0, 2}},
	        {"longer than the datagram", 8, {0x80, 201, 0, 2}},
	        {"length 65535", 8, {0x80, 201, 0xff, 0xff}},
	        {"odd bytes behind", 9, {0x80, 201, 0, 1}},
	        {"a word behind", 12, {0x80, 201, 0, 1}},
	        {"RR too short for its SSRC", 4, {0x80, 201, 0, 0}},
	        {"RR with a block that is not there", 8, {0x81, 201, 0, 1}},
	        {"RR with 31 blocks in 24 bytes", 32, {0x9f, 201, 0, 7}},
	        {"SR without sender info", 8, {0x80, 200, 0, 1}},
	        {"SR with a block that is not there", 28, {0x81, 200, 0, 6}},
	        {"padding 0", 12, {0xa0, 201, 0, 2}},
	        {"padding 3", 12, {0xa0, 201, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3}},
	        {"padding beyond the packet", 12, {0xa0, 201, 0, 2, 0, 0, 0, 0, 0, 0, 0, 12}},
	        {"padding over the SSRC", 12, {0xa0, 201, 0, 2, 0, 0, 0, 0, 0, 0, 0, 8}},
	        {"padding in the first of two", 20, {0xa0, 201, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 0x80, 201, 0, 1}},
	        {"SDES without its chunk", 4, {0x81, 202, 0, 0}},
	        {"SDES item beyond the end", 12, {0x81, 202, 0, 2, 1, 1, 1, 1, 1, 3, 'a', 'b'}},
	        {"SDES item without its length", 12, {0x81, 202, 0, 2, 1, 1, 1, 1, 1, 1, 'a', 1}},
	        {"SDES second chunk missing", 12, {0x82, 202, 0, 2, 1, 1, 1, 1, 0, 0, 0, 0}},
	        {"BYE without its SSRC", 4, {0x81, 203, 0, 0}},
	        {"BYE reason beyond the end", 12, {0x81, 203, 0, 2, 1, 1, 1, 1, 4, 'a', 'b', 'c'}},
	        {"APP without a name", 8, {0x80, 204, 0, 1}},
	        {"feedback without a media source", 8, {0x81, 205, 0, 1}},
	        {"FIR with half an entry", 16, {0x84, 206, 0, 3}},
	        {"TMMBR with half an entry", 16, {0x83, 205, 0, 3}},
	        {"REMB with an SSRC missing", 20, {0x8f, 206, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 1}},
	        {"XR without an SSRC", 4, {0x80, 207, 0, 0}},
	        {"XR block beyond the end", 12, {0x80, 207, 0, 2, 0, 0, 0, 0, 4, 0, 0, 1}},
	};

	for (unsigned i = 0; i < SL_COUNT(table); i++)
		if (valid(table[i].b, table[i].len))
			fail_msg("accepted: %s", table[i].what);
	assert_false(valid(NULL, 0));
}

static void odd_but_legal_is_accepted(void **state)
{
	static const struct nonsense table[] = {
	        {"padding", 12, {0xa0, 201, 0, 2, 1, 1, 1, 1, 0, 0, 0, 4}},
	        {"BYE of nobody", 4, {0x80, 203, 0, 0}},
	        {"BYE with a reason", 12, {0x81, 203, 0, 2, 1, 1, 1, 1, 3, 'a', 'b', 'c'}},
	        {"SDES of nobody", 4, {0x80, 202, 0, 0}},
	        {"SDES without its last null", 12, {0x81, 202, 0, 2, 1, 1, 1, 1, 1, 2, 'a', 'b'}},
	        {"RR with an extension", 16, {0x80, 201, 0, 3}},
	        {"XR without blocks", 8, {0x80, 207, 0, 1}},
	        {"TMMBN that owns nothing", 12, {0x84, 205, 0, 2}},
	};

	for (unsigned i = 0; i < SL_COUNT(table); i++)
		if (!valid(table[i].b, table[i].len))
			fail_msg("refused: %s", table[i].what);
}

static const struct sl_rtcp_map map = {.n = 2,
        .e = {{.from = MINE, .to = NEW, .ts_add = 1000}, {.from = MEDIA, .to = OTHER, .seq_add = 0xfff0}}};

static uint32_t word(const uint8_t *p, size_t at)
{
	return sl_rtp_get32(p + at);
}

static void senders_are_renamed(void **state)
{
	static const uint8_t more[] = {
	        0x82, 203, 0, 2, 0x11, 0x11, 0x11, 0x11, 9, 9, 9, 9,                /* 92: BYE */
	        0x80, 204, 0, 2, 0x11, 0x11, 0x11, 0x11, 'n', 'a', 'm', 'e',        /* 104: APP */
	        0x81, 206, 0, 2, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,    /* 116: PLI */
	        0x80, 207, 0, 1, 0x11, 0x11, 0x11, 0x11,                            /* 128: XR */
	        0x81, 201, 0, 7, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11};   /* 136: RR, block about MINE */
	struct compound c = compound_of(more, sizeof more);
	c.len += 20;
	memset(c.b + c.len - 20, 0, 20);
	uint8_t *p = sl_guard_put(&guard, c.b, c.len);

	assert_true(sl_rtcp_valid(p, c.len));
	sl_rtcp_map_senders(p, c.len, &map);
	assert_int_equal(word(p, 4), NEW);
	assert_int_equal(word(p, 16), 161000);
	assert_int_equal(word(p, 20), 1000);
	assert_int_equal(word(p, 80), NEW);
	assert_int_equal(word(p, 96), NEW);
	assert_int_equal(word(p, 100), 0x09090909);
	assert_int_equal(word(p, 108), NEW);
	assert_int_equal(word(p, 120), NEW);
	assert_int_equal(word(p, 124), MINE); /* a media source is no sender */
	assert_int_equal(word(p, 132), NEW);
	assert_int_equal(word(p, 140), NEW);
	assert_int_equal(word(p, 144), MINE); /* nor is what a report is about */
	assert_true(sl_rtcp_valid(p, c.len));
}

static void counts_are_ours_where_asked(void **state)
{
	struct compound c = compound_of(NULL, 0);
	const struct sl_rtcp_map own = {
	        .n = 1, .e = {{.from = MINE, .to = MINE, .counted = true, .packets = 5, .octets = 800}}};

	sl_rtcp_map_senders(c.b, c.len, &own);
	assert_int_equal(word(c.b, 20), 5);
	assert_int_equal(word(c.b, 24), 800);
}

static void report_blocks_are_renamed_and_renumbered(void **state)
{
	struct compound c = compound_of(NULL, 0);
	const struct sl_rtcp_map m = {
	        .n = 2,
	        .e = {{.from = THEIRS, .to = NEW, .seq_add = 0xfff0}, {.from = OTHER, .to = OTHER, .seq_add = 2}}};

	sl_rtcp_map_media(c.b, c.len, &m);
	assert_int_equal(word(c.b, 4), MINE);
	assert_int_equal(word(c.b, 28), NEW);
	assert_int_equal(word(c.b, 36), 0x00021224);
	assert_int_equal(word(c.b, 52), OTHER);
	assert_int_equal(word(c.b, 60), 1);
}

static void feedback_is_renamed_and_renumbered(void **state)
{
	static const uint8_t fb[] = {
	        0x81, 205, 0, 4, 1, 1, 1, 1, 0x44, 0x44, 0x44, 0x44, 0, 0x20, 0xab, 0xcd, 0, 5, 0, 0, /* 0: NACK */
	        0x81, 206, 0, 2, 1, 1, 1, 1, 0x44, 0x44, 0x44, 0x44,                                  /* 20: PLI */
	        0x84, 206, 0, 4, 1, 1, 1, 1, 0, 0, 0, 0, 0x44, 0x44, 0x44, 0x44, 7, 0, 0, 0,          /* 32: FIR */
	        0x83, 205, 0, 4, 1, 1, 1, 1, 0, 0, 0, 0, 0x44, 0x44, 0x44, 0x44, 7, 0, 0, 0,          /* 52: TMMBR */
	        0x8f, 206, 0, 6, 1, 1, 1, 1, 0, 0, 0, 0, 'R', 'E', 'M', 'B', 2, 1, 2, 3,              /* 72: REMB */
	        0x44, 0x44, 0x44, 0x44, 9, 9, 9, 9,
	        0x8f, 205, 0, 3, 1, 1, 1, 1, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44};  /* 100: TWCC */
	struct compound c = {.len = sizeof fb};
	memcpy(c.b, fb, sizeof fb);
	uint8_t *p = sl_guard_put(&guard, c.b, c.len);

	assert_true(sl_rtcp_valid(p, c.len));
	sl_rtcp_map_media(p, c.len, &map);
	assert_int_equal(word(p, 8), OTHER);
	assert_int_equal(word(p, 12), 0x0010abcd);
	assert_int_equal(word(p, 16), 0xfff50000);
	assert_int_equal(word(p, 28), OTHER);
	assert_int_equal(word(p, 40), 0);
	assert_int_equal(word(p, 44), OTHER);
	assert_int_equal(word(p, 64), OTHER);
	assert_int_equal(word(p, 92), OTHER);
	assert_int_equal(word(p, 96), 0x09090909);
	assert_int_equal(word(p, 108), OTHER);
	assert_int_equal(word(p, 112), MEDIA); /* its FCI has no SSRC */
	assert_true(sl_rtcp_valid(p, c.len));
}

static void extended_reports_are_renamed(void **state)
{
	static const uint8_t xr[] = {
	        0x80, 207, 0, 16, 1, 1, 1, 1,                                           /* 0 */
	        1, 0, 0, 2, 0x44, 0x44, 0x44, 0x44, 0, 0x20, 0, 0x30,                   /* 8: loss RLE */
	        7, 0, 0, 1, 0x44, 0x44, 0x44, 0x44,                                     /* 20: VoIP metrics, short */
	        5, 0, 0, 6, 0x44, 0x44, 0x44, 0x44, 1, 1, 1, 1, 2, 2, 2, 2,             /* 28: DLRR */
	        9, 9, 9, 9, 3, 3, 3, 3, 4, 4, 4, 4,
	        6, 0, 0, 0,                                                             /* 56: statistics, cut short */
	        4, 0, 0, 1, 0x44, 0x44, 0x44, 0x44};                                    /* 60: RRT has no SSRC */
	struct compound c = {.len = sizeof xr};
	memcpy(c.b, xr, sizeof xr);
	uint8_t *p = sl_guard_put(&guard, c.b, c.len);

	assert_true(sl_rtcp_valid(p, c.len));
	sl_rtcp_map_media(p, c.len, &map);
	assert_int_equal(word(p, 12), OTHER);
	assert_int_equal(word(p, 16), 0x00100020);
	assert_int_equal(word(p, 24), OTHER);
	assert_int_equal(word(p, 32), OTHER);
	assert_int_equal(word(p, 44), 0x09090909);
	assert_int_equal(word(p, 64), MEDIA);
}

static void sender_info_is_taken_out(void **state)
{
	struct compound c = compound_of(NULL, 0), twice;
	struct sl_rtcp_block b;

	twice = compound_of(c.b, c.len);
	size_t len = sl_rtcp_strip_sender_info(twice.b, twice.len);
	assert_int_equal(len, 2 * (c.len - 20));
	assert_true(valid(twice.b, len));
	for (unsigned i = 0; i < 3; i += 2) {
		struct sl_rtcp_packet k = packet_at(twice.b, len, i);
		assert_int_equal(k.type, SL_RTCP_RR);
		assert_int_equal(word(twice.b, k.at + 4), MINE);
		sl_rtcp_block(twice.b, &k, 1, &b);
		assert_int_equal(b.ssrc, OTHER);
		assert_int_equal(b.highest_seq, 0xffffffff);
	}
}

static void only_requests_are_kept(void **state)
{
	static const uint8_t more[] = {0x81, 203, 0, 1, 1, 1, 1, 1,              /* BYE */
	        0x81, 206, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2,                         /* PLI */
	        0x80, 207, 0, 1, 1, 1, 1, 1,                                     /* XR */
	        0xa1, 201, 0, 8, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, /* RR, padded */
	        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4};
	struct compound c = compound_of(more, sizeof more);
	static const uint8_t want[] = {SL_RTCP_RR, SL_RTCP_SDES, SL_RTCP_PSFB, SL_RTCP_RR};

	assert_true(valid(c.b, c.len));
	size_t len = sl_rtcp_keep_feedback(c.b, c.len);
	assert_int_equal(len, 8 + 16 + 12 + 8);
	assert_true(valid(c.b, len));
	for (unsigned i = 0; i < SL_COUNT(want); i++)
		assert_int_equal(packet_at(c.b, len, i).type, want[i]);
	assert_int_equal(packet_at(c.b, len, 0).count, 0);
	assert_int_equal(word(c.b, 4), MINE);
	c = compound_of(NULL, 0);
	assert_int_equal(sl_rtcp_keep_feedback(c.b, c.len), 0);
}

static void packets_of_a_type_are_taken_out(void **state)
{
	static const uint8_t bye[] = {0x81, 203, 0, 1, 1, 1, 1, 1, 0x81, 203, 0, 1, 2, 2, 2, 2, 0x80, 204, 0, 2, 1,
	        1, 1, 1, 'n', 'a', 'm', 'e'};
	struct compound c = compound_of(bye, sizeof bye);
	size_t len = sl_rtcp_strip(c.b, c.len, SL_RTCP_BYE);

	assert_int_equal(len, c.len - 16);
	assert_true(valid(c.b, len));
	assert_int_equal(packet_at(c.b, len, 2).type, SL_RTCP_APP);
	memcpy(c.b, bye, 16);
	assert_int_equal(sl_rtcp_strip(c.b, 16, SL_RTCP_BYE), 0);
}

static void silence_is_known_of_g711_only(void **state)
{
	uint8_t p[4] = {1, 2, 3, 4};

	assert_false(sl_silence_fill(9, p, 4));
	assert_int_equal(p[0], 1);
	assert_true(sl_silence_fill(8, p, 3));
	assert_memory_equal(p, "\xd5\xd5\xd5\4", 4);
	assert_true(sl_silence_fill(0, p, 4));
	assert_memory_equal(p, "\xff\xff\xff\xff", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_built_is_read_back),
	        cmocka_unit_test(builder_keeps_within_its_room),
	        cmocka_unit_test(every_truncation_is_refused),
	        cmocka_unit_test(reduced_size_is_accepted),
	        cmocka_unit_test(nonsense_is_refused),
	        cmocka_unit_test(odd_but_legal_is_accepted),
	        cmocka_unit_test(senders_are_renamed),
	        cmocka_unit_test(counts_are_ours_where_asked),
	        cmocka_unit_test(report_blocks_are_renamed_and_renumbered),
	        cmocka_unit_test(feedback_is_renamed_and_renumbered),
	        cmocka_unit_test(extended_reports_are_renamed),
	        cmocka_unit_test(sender_info_is_taken_out),
	        cmocka_unit_test(only_requests_are_kept),
	        cmocka_unit_test(packets_of_a_type_are_taken_out),
	        cmocka_unit_test(silence_is_known_of_g711_only),
	};

	return cmocka_run_group_tests_name("rtcp", tests, setup, teardown);
}

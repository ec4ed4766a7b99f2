/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Media's messages: each field out of range is named, and everything that may be is let through. */

#include "tests/unit/unit.h"

#include "dataplane/abi/region.h"
#include "dataplane/abi/validate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/guard.h"

static void accepted(const struct sl_command *c)
{
	char text[120] = "";

	if (sl_command_validate(c, text, sizeof text) != 0)
		fail_msg("refused: %s", text);
}

static void named(const char *text, const char *field)
{
	if (strncmp(text, field, strlen(field)) != 0 || text[strlen(field)] != ':')
		fail_msg("'%s' does not name %s", text, field);
}

static void refused(const struct sl_command *c, const char *field)
{
	char text[120] = "";

	assert_int_equal(sl_command_validate(c, text, sizeof text), -EINVAL);
	named(text, field);
}

/* One field of a command or event changed. */
#define BAD(good, member, value, field)                                                                      \
	do {                                                                                                 \
		struct sl_command bad = good();                                                              \
		bad.member = value;                                                                          \
		refused(&bad, field);                                                                        \
	} while (0)
#define GOOD(good, member, value)                                                                            \
	do {                                                                                                 \
		struct sl_command fine = good();                                                             \
		fine.member = value;                                                                         \
		accepted(&fine);                                                                             \
	} while (0)

static const struct sl_leg_ref ref = {.id = 0x2000000000000001, .port = 30000, .address = 1};

static struct sl_endpoint endpoint(const char *text)
{
	struct sl_endpoint ep;

	assert_int_equal(sl_endpoint_parse(text, &ep), 0);
	return ep;
}

static struct sl_srtp_key key(unsigned suite)
{
	static const uint8_t lens[][2] = {
#define X(name, number, key, salt, tag, ctag, sdp) [number] = {key, salt},
	        SL_SRTP_SUITES(X)
#undef X
	};
	struct sl_srtp_key k = {.suite = (uint8_t)suite};

	memset(k.key, 0x11, lens[suite][0]);
	memset(k.salt, 0x22, lens[suite][1]);
	return k;
}

static struct sl_command leg(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_LEG_SET},
	        .leg = {.leg = ref,
	                .rtcp_port = 30001,
	                .inactivity_ms = 60000,
	                .learn = SL_LEARN_HEURISTIC,
	                .dscp = 46,
	                .dtmf_pt = 101,
	                .dtmf_pt_out = 96,
	                .audio_pt = 8,
	                .n_pt_map = 1,
	                .n_clocks = 1,
	                .remote_rtp = endpoint("192.0.2.7:4000"),
	                .remote_rtcp = endpoint("192.0.2.7:4001"),
	                .pt_map = {{96, 101}},
	                .clocks = {{.pt = 111, .hz = 48000}}}};
	return c;
}

static void ports_and_ids(void **state)
{
	struct sl_command c = leg();

	accepted(&c);
	BAD(leg, leg.leg.id, 0, "leg");
	BAD(leg, leg.leg.port, 0, "leg");
	BAD(leg, leg.leg.port, 30002 + 1, "leg"); /* odd */
	BAD(leg, leg.leg.address, SL_MEDIA_MAX_ADDRESSES, "leg");
	BAD(leg, leg.leg.pad[4], 1, "leg");
	BAD(leg, leg.rtcp_port, 30000, "rtcp_port");
	GOOD(leg, leg.rtcp_port, 30007); /* a=rtcp (RFC 3605) */
	GOOD(leg, leg.rtcp_port, 0);
	c.leg.leg.port = 30003;
	c.leg.rtcp_port = 0;
	accepted(&c); /* muxed: odd is as good */
	c.leg.rtcp_port = 30004;
	c.leg.flags = SL_LEG_RTCP_MUX;
	accepted(&c);
	GOOD(leg, leg.leg.id, UINT64_MAX);
}

static void policies(void **state)
{
	GOOD(leg, leg.flags, SL_LEG_FLAGS_ALL & ~(SL_LEG_RAW | SL_LEG_REQUIRE_SRTP));
	BAD(leg, leg.flags, SL_LEG_FLAGS_ALL + 1u, "flags");
	BAD(leg, leg.flags, 0x80000000, "flags");
	BAD(leg, leg.learn, SL_LEARN_N, "learn");
	GOOD(leg, leg.dscp, SL_DSCP_CARRY);
	GOOD(leg, leg.dscp, 63);
	BAD(leg, leg.dscp, 64, "dscp");
	GOOD(leg, leg.inactivity_ms, 0);
	GOOD(leg, leg.inactivity_ms, 86400000);
	BAD(leg, leg.inactivity_ms, 86400001, "inactivity_ms");
	BAD(leg, leg.pad, 1, "pad");
	BAD(leg, leg.meter, SL_GUARD_MAX_METERS, "meter");
	GOOD(leg, leg.meter, SL_GUARD_MAX_METERS - 1);
}

static void payload_types(void **state)
{
	BAD(leg, leg.dtmf_pt, 128, "dtmf_pt");
	BAD(leg, leg.dtmf_pt_out, 128, "dtmf_pt_out");
	BAD(leg, leg.audio_pt, 128, "audio_pt");
	BAD(leg, leg.n_pt_map, SL_LEG_PT_MAP_MAX + 1, "n_pt_map");
	BAD(leg, leg.n_clocks, SL_LEG_CLOCKS_MAX + 1, "n_clocks");
	BAD(leg, leg.pt_map[0].from, 128, "pt_map");
	BAD(leg, leg.pt_map[0].to, 128, "pt_map");
	BAD(leg, leg.clocks[0].pt, 128, "clocks");
	BAD(leg, leg.clocks[0].pad[2], 1, "clocks");
	BAD(leg, leg.clocks[0].hz, 0, "clocks");
	BAD(leg, leg.clocks[0].hz, SL_LIMIT_CLOCK_HZ + 1, "clocks");
	GOOD(leg, leg.clocks[0].hz, 90000);

	struct sl_command c = leg(); /* the last ones count, those behind them do not */
	c.leg.n_pt_map = SL_LEG_PT_MAP_MAX;
	accepted(&c);
	c.leg.pt_map[SL_LEG_PT_MAP_MAX - 1].to = 200;
	refused(&c, "pt_map");
	c.leg.n_pt_map--;
	accepted(&c);
}

static void addresses(void **state)
{
	static const char *const wrong[] = {"224.0.0.1:4000", "239.1.2.3:4000", "255.255.255.255:4000", "0.0.0.0:4000",
	        "[ff02::1]:4000", "192.0.2.1:0"};
	struct sl_command c;

	for (unsigned i = 0; i < SL_COUNT(wrong); i++) {
		BAD(leg, leg.remote_rtp, endpoint(wrong[i]), "remote_rtp");
		BAD(leg, leg.remote_rtcp, endpoint(wrong[i]), "remote_rtcp");
	}
	c = leg();
	memset(&c.leg.remote_rtp, 0, sizeof c.leg.remote_rtp); /* not known */
	accepted(&c);
	c.leg.remote_rtp.port_be = htons(4000);
	refused(&c, "remote_rtp");
	GOOD(leg, leg.remote_rtp, endpoint("[2001:db8::1]:4000"));
	GOOD(leg, leg.learn_ip, endpoint("[2001:db8::1]:4000").ip);
	BAD(leg, leg.learn_ip, endpoint("224.0.0.1:1").ip, "learn_ip");
}

static void each_suite_has_its_key(void **state)
{
	for (unsigned suite = 1; suite < SL_SRTP_N_SUITES; suite++) {
		struct sl_srtp_key k = key(suite);
		unsigned key_len = suite < SL_SRTP_AES_CM_192_80 || suite == SL_SRTP_AEAD_128_GCM ? 16
				 : suite < SL_SRTP_AES_CM_256_80				  ? 24
												  : 32;
		GOOD(leg, leg.key_out, k);
		GOOD(leg, leg.key_in[1], k);
		if (key_len < SL_SRTP_KEY_MAX) {
			k.key[key_len] = 1;
			BAD(leg, leg.key_in[0], k, "key_in");
			BAD(leg, leg.key_out, k, "key_out");
		}
		k = key(suite);
		if (suite >= SL_SRTP_AEAD_128_GCM) { /* RFC 7714 8.1: 12 bytes of salt */
			k.salt[12] = 1;
			BAD(leg, leg.key_out, k, "key_out");
		}
	}
}

static void keys(void **state)
{
	struct sl_srtp_key good = key(SL_SRTP_AES_CM_128_80), k;
	struct sl_command c = leg();

#define BAD_KEY(member, value)                                                                               \
	k = good;                                                                                            \
	k.member = value;                                                                                    \
	BAD(leg, leg.key_out, k, "key_out");                                                                 \
	BAD(leg, leg.key_in[1], k, "key_in")

	BAD_KEY(suite, SL_SRTP_N_SUITES);
	BAD_KEY(suite, 255);
	BAD_KEY(suite, SL_SRTP_NONE); /* no key, and yet there are bytes of one */
	BAD_KEY(mki_len, SL_SRTP_MKI_MAX + 1);
	BAD_KEY(mki[0], 1); /* beyond its length */
	BAD_KEY(flags, 8);
	BAD_KEY(pad, 1);
	BAD_KEY(pad2[1], 1);
	BAD_KEY(lifetime_packets, (UINT64_C(1) << 48) + 1);
	k = good;
	k.mki_len = 4;
	memset(k.mki, 0xff, 4);
	k.flags = SL_SRTP_PLAIN_RTP | SL_SRTP_PLAIN_RTCP | SL_SRTP_PLAIN_AUTH;
	k.lifetime_packets = UINT64_C(1) << 48;
	GOOD(leg, leg.key_out, k);
	k = good;
	memset(k.key, 0, sizeof k.key);
	BAD(leg, leg.key_out, k, "key_out");

	/* What is no RTP leaves as it is: asking for more must not go unheard. */
	c.leg.flags = SL_LEG_RAW;
	accepted(&c);
	c.leg.key_out = good;
	refused(&c, "flags");
	c = leg();
	c.leg.flags = SL_LEG_RAW;
	c.leg.key_in[1] = good;
	refused(&c, "flags");
	BAD(leg, leg.flags, SL_LEG_RAW | SL_LEG_REQUIRE_SRTP, "flags");
}

static struct sl_command route(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_ROUTE_ADD}, .route = {ref, ref}};
	c.route.to.port = 31000;
	return c;
}

static struct sl_command dtmf(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_DTMF_SEND}, .dtmf = {.leg = ref, .duration_ms = 100, .event = 5}};
	return c;
}

static struct sl_command play(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_PLAY_START}, .play = {.leg = ref, .clip = 3, .times = 1, .pt = 8}};
	return c;
}

static struct sl_command tap(void)
{
	struct sl_command c = {.h = {.type = SL_CMD_TAP_SET}, .tap = {.leg = ref, .tap = 9, .what = SL_TAP_SENT}};
	return c;
}

static void the_other_commands(void **state)
{
	struct sl_command c = route();

	accepted(&c);
	c.h.type = SL_CMD_ROUTE_DELETE;
	accepted(&c);
	BAD(route, route.from.id, 0, "from");
	BAD(route, route.to.port, 0, "to");
	BAD(route, route.to.pad[0], 1, "to");

	GOOD(dtmf, dtmf.event, 15);
	BAD(dtmf, dtmf.leg.id, 0, "leg");
	BAD(dtmf, dtmf.event, 16, "event");
	BAD(dtmf, dtmf.volume, 64, "volume");
	BAD(dtmf, dtmf.duration_ms, 39, "duration_ms");
	BAD(dtmf, dtmf.duration_ms, 10001, "duration_ms");
	BAD(dtmf, dtmf.pause_ms, 10001, "pause_ms");
	BAD(dtmf, dtmf.pad[1], 1, "pad");

	GOOD(play, play.times, 0);
	BAD(play, play.leg.port, 0, "leg");
	BAD(play, play.clip, SL_CLIP_NONE, "clip");
	BAD(play, play.pt, 128, "pt");
	BAD(play, play.start_ms, 86400001, "start_ms");
	BAD(play, play.pad[0], 1, "pad");
	c = play();
	c.h.type = SL_CMD_PLAY_STOP;
	refused(&c, "clip");
	c.play.clip = SL_CLIP_NONE;
	accepted(&c);

	GOOD(tap, tap.what, SL_TAP_RECEIVED | SL_TAP_SENT);
	BAD(tap, tap.leg.address, 16, "leg");
	BAD(tap, tap.tap, 0, "tap");
	BAD(tap, tap.what, 0, "what");
	BAD(tap, tap.what, 4, "what");
	BAD(tap, tap.pad[0], 1, "pad");
	c = tap();
	c.h.type = SL_CMD_TAP_CLEAR;
	refused(&c, "tap");
	c.tap.tap = 0;
	c.tap.what = 0;
	accepted(&c);
}

static void commands_that_only_name_a_leg_or_nothing(void **state)
{
	struct sl_command c = {.h = {.type = SL_CMD_LEG_DELETE}, .leg_ref = ref};

	accepted(&c);
	c.leg_ref.id = 0;
	refused(&c, "leg");
	c = (struct sl_command){.h = {.type = SL_CMD_LEG_QUERY}};
	refused(&c, "leg");
	c.h.type = SL_CMD_LEG_LIST;
	accepted(&c);
	c.h.type = SL_CMD_LEGS_SWEEP;
	accepted(&c);
	for (uint32_t type = SL_CMD_LEG_SET; type <= SL_CMD_TAP_CLEAR; type++)
		assert_true(sl_command_is_for_worker(type));
	c.h.type = SL_CMD_TURN_DRAIN + 1;
	refused(&c, "type");
	assert_false(sl_command_is_for_worker(c.h.type));
}

/* ---- events and copies ---- */

static struct sl_event leg_event(void)
{
	struct sl_event e = {.h = {.type = SL_EVT_LEG},
	        .leg = {.leg = ref, .change = SL_LEG_LEARNED, .worker = 31, .locked = 1, .flags = 3, .rx_pt = 127,
	                .remote_rtp = endpoint("192.0.2.7:4000"), .idle_ms = UINT32_MAX}};
	return e;
}

static void event_refused(const struct sl_event *e, const char *field)
{
	char text[120] = "";

	assert_int_equal(sl_event_validate(e, text, sizeof text), -EINVAL);
	named(text, field);
}

#define BAD_EVENT(member, value, field)                                                                      \
	do {                                                                                                 \
		struct sl_event bad = leg_event();                                                           \
		bad.leg.member = value;                                                                      \
		event_refused(&bad, field);                                                                  \
	} while (0)

static void events(void **state)
{
	struct sl_event e = leg_event();
	char text[120];

	assert_int_equal(sl_event_validate(&e, text, sizeof text), 0);
	memset(&e.leg.remote_rtp, 0, sizeof e.leg.remote_rtp);
	e.leg.change = SL_LEG_KEY_EXPIRED;
	e.leg.rx_pt = SL_PT_NONE;
	assert_int_equal(sl_event_validate(&e, text, sizeof text), 0);
	BAD_EVENT(leg.id, 0, "leg");
	BAD_EVENT(leg.address, 16, "leg");
	BAD_EVENT(change, 0, "change");
	BAD_EVENT(change, SL_LEG_CHANGES_N, "change");
	BAD_EVENT(worker, SL_MAX_WORKERS, "worker");
	BAD_EVENT(locked, 2, "locked");
	BAD_EVENT(flags, 4, "flags");
	BAD_EVENT(dtmf_volume, 64, "dtmf_volume");
	BAD_EVENT(rx_pt, 129, "rx_pt");
	BAD_EVENT(remote_rtp.port_be, 0, "remote_rtp");
	BAD_EVENT(remote_rtcp.ip, endpoint("192.0.2.7:4000").ip, "remote_rtcp");
}

static struct sl_bulk copy(void)
{
	return (struct sl_bulk){.kind = SL_BULK_TAP_RTP, .len = 172, .full_len = 172, .what = SL_TAP_RECEIVED, .tap = 1, .leg_id = 1};
}

#define BAD_BULK(member, value, field)                                                                       \
	do {                                                                                                 \
		struct sl_bulk bad = copy();                                                                 \
		bad.member = value;                                                                          \
		assert_int_equal(sl_bulk_validate(&bad, text, sizeof text), -EINVAL);                        \
		named(text, field);                                                                          \
	} while (0)

static void copies(void **state)
{
	struct sl_bulk b = copy();
	char text[120];

	assert_int_equal(sl_bulk_validate(&b, text, sizeof text), 0);
	b.kind = SL_BULK_TAP_RTCP;
	b.len = SL_BULK_DATA_MAX;
	b.full_len = 9000;
	assert_int_equal(sl_bulk_validate(&b, text, sizeof text), 0);
	BAD_BULK(kind, 0, "kind");
	BAD_BULK(kind, SL_BULK_GUARD + 1, "kind");
	BAD_BULK(reason, 1, "reason");
	BAD_BULK(len, 0, "len");
	BAD_BULK(len, SL_BULK_DATA_MAX + 1, "len");
	BAD_BULK(full_len, 171, "full_len");
	BAD_BULK(full_len, 173, "full_len"); /* cut though it would have fitted */
	BAD_BULK(what, 3, "what");
	BAD_BULK(what, 0, "what");
	BAD_BULK(tap, 0, "tap");
	BAD_BULK(leg_id, 0, "leg_id");
	BAD_BULK(pad, 1, "pad");
	BAD_BULK(pad2[9], 1, "pad2");
}

/* ---- clips ---- */

enum { FRAMES = 3, FRAME = 160, CLIP_BYTES = sizeof(struct sl_clip) + FRAMES * (8 + FRAME) };
_Static_assert(CLIP_BYTES % 8 == 0, "so that a copy can end at the guard page");

static struct sl_guard guard;

/* A good clip whose last byte is the last before the guard page. */
static struct sl_clip *clip(void)
{
	static const uint8_t zero[CLIP_BYTES];
	struct sl_clip *c = (void *)sl_guard_put(&guard, zero, CLIP_BYTES);

	*c = (struct sl_clip){.magic = SL_CLIP_MAGIC, .size_bytes = CLIP_BYTES, .n_frames = FRAMES, .frame_ms = 20,
	        .clock_hz = 8000, .frame_ts = 160, .codec = "PCMA"};
	for (uint32_t i = 0; i < FRAMES; i++) {
		c->frames[i].offset = CLIP_BYTES - (FRAMES - i) * FRAME;
		c->frames[i].len = FRAME;
	}
	return c;
}

#define BAD_CLIP(member, value, field)                                                                       \
	do {                                                                                                 \
		struct sl_clip *bad = clip();                                                                \
		bad->member = value;                                                                         \
		assert_int_equal(sl_clip_validate(bad, CLIP_BYTES, text, sizeof text), -EINVAL);             \
		named(text, field);                                                                          \
	} while (0)

static void clips(void **state)
{
	char text[120];

	guard = sl_guard_make(CLIP_BYTES);
	assert_int_equal(sl_clip_validate(clip(), CLIP_BYTES, text, sizeof text), 0);
	for (size_t bytes = 0; bytes < CLIP_BYTES; bytes++) { /* cut anywhere */
		uint8_t copy_of[CLIP_BYTES];
		memcpy(copy_of, clip(), CLIP_BYTES);
		uint8_t *cut = sl_guard_put(&guard, copy_of, bytes);
		if ((uintptr_t)cut % 8 == 0)
			assert_int_equal(sl_clip_validate((void *)cut, bytes, text, sizeof text), -EINVAL);
	}
	BAD_CLIP(magic, 1, "magic");
	BAD_CLIP(size_bytes, CLIP_BYTES + 1, "size_bytes");
	BAD_CLIP(size_bytes, CLIP_BYTES - 1, "size_bytes");
	BAD_CLIP(frame_ms, 0, "frame_ms");
	BAD_CLIP(frame_ms, 10, "frame_ms");
	BAD_CLIP(clock_hz, 0, "clock_hz");
	BAD_CLIP(clock_hz, UINT32_MAX, "clock_hz");
	BAD_CLIP(clock_hz, 48000, "frame_ts");
	BAD_CLIP(frame_ts, 0, "frame_ts");
	BAD_CLIP(codec[0], '\0', "codec");
	BAD_CLIP(codec[1], '\n', "codec");
	BAD_CLIP(reserved[3], 1, "reserved");
	BAD_CLIP(n_frames, 0, "n_frames");
	BAD_CLIP(n_frames, UINT32_MAX, "n_frames");
	BAD_CLIP(n_frames, CLIP_BYTES / 8, "n_frames");
	BAD_CLIP(n_frames, FRAMES + 1, "frames"); /* the first frame's bytes taken for a place, and what it says is outside */
	BAD_CLIP(frames[0].len, 0, "frames");
	BAD_CLIP(frames[0].len, SL_CLIP_FRAME_MAX + 1, "frames");
	BAD_CLIP(frames[0].len, UINT32_MAX, "frames");
	BAD_CLIP(frames[2].len, FRAME + 1, "frames");
	BAD_CLIP(frames[2].offset, CLIP_BYTES - FRAME + 1, "frames");
	BAD_CLIP(frames[2].offset, UINT32_MAX, "frames");
	BAD_CLIP(frames[1].offset, UINT32_MAX - FRAME + 1, "frames"); /* would wrap in 32 bits */
	BAD_CLIP(frames[1].offset, 0, "frames");
	BAD_CLIP(frames[1].offset, sizeof(struct sl_clip) + FRAMES * 8 - 1, "frames");

	struct sl_clip *c = clip(); /* frames may lie anywhere behind the table, and twice */
	c->frames[2] = c->frames[0];
	assert_int_equal(sl_clip_validate(c, CLIP_BYTES, text, sizeof text), 0);
	memset(c->codec, 'x', sizeof c->codec);
	assert_int_equal(sl_clip_validate(c, CLIP_BYTES, text, sizeof text), -EINVAL);
	sl_guard_free(&guard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ports_and_ids),
	        cmocka_unit_test(policies),
	        cmocka_unit_test(payload_types),
	        cmocka_unit_test(addresses),
	        cmocka_unit_test(each_suite_has_its_key),
	        cmocka_unit_test(keys),
	        cmocka_unit_test(the_other_commands),
	        cmocka_unit_test(commands_that_only_name_a_leg_or_nothing),
	        cmocka_unit_test(events),
	        cmocka_unit_test(copies),
	        cmocka_unit_test(clips),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

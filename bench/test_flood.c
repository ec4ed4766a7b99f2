/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
/* What floods are made of: frames that claim to be right are, the same seed makes the same frames, sources are as many as was said. */

#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/flood/flood.h"
#include "bench/flood/frames.h"
#include "dataplane/wire/stun.h"

static const uint8_t own[6] = {2, 0, 0, 0, 0, 1}, gateway[6] = {2, 0, 0, 0, 0, 2};

static struct flood_options options_of(const char *line)
{
	struct flood_options o = {.seed = 7,
		.aims = {[AIM_TURN] = {3478, 3478}, [AIM_RELAY] = {49152, 65535}, [AIM_MEDIA] = {30000, 39999}, [AIM_SIP] = {5060, 5060}, [AIM_OTHER] = {9, 9}}};
	char text[160] = "";

	if (flood_attack_parse(&o, line, text, sizeof text) < 0)
		fail_msg("%s: %s", line, text);
	return o;
}

static unsigned sum16(const uint8_t *at, unsigned bytes, unsigned total)
{
	for (unsigned i = 0; i < bytes; i++)
		total += i & 1 ? at[i] : (unsigned)at[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

/* IP header and checksum, lengths, and the checksum of what is above. Gives the protocol, and where its header is. */
static unsigned look(const uint8_t *frame, unsigned bytes, unsigned *at, unsigned *l4_bytes)
{
	const uint8_t *ip = frame + ETHER;
	unsigned protocol, pseudo;

	assert_memory_equal(frame, gateway, 6);
	assert_memory_equal(frame + 6, own, 6);
	if (ip[0] >> 4 == 4) {
		assert_int_equal(sum16(ip, IP4, 0), 0xffff);
		assert_int_equal(ip[2] << 8 | ip[3], bytes - ETHER);
		*at = ETHER + IP4, protocol = ip[9], pseudo = sum16(ip + 12, 8, 0);
	} else {
		assert_int_equal(ip[4] << 8 | ip[5], bytes - ETHER - IP6);
		*at = ETHER + IP6, protocol = ip[6], pseudo = sum16(ip + 8, 32, 0);
	}
	*l4_bytes = bytes - *at;
	if (protocol == IPPROTO_ICMP)
		pseudo = 0;
	else
		pseudo += protocol + *l4_bytes;
	assert_int_equal(sum16(frame + *at, *l4_bytes, pseudo), 0xffff);
	return protocol;
}

static void look_inside(enum flood_kind kind, const uint8_t *frame, unsigned at, unsigned bytes)
{
	const uint8_t *payload = frame + at + UDP;
	unsigned len = bytes - UDP;
	struct sl_stun m;

	assert_int_equal(frame[at + 4] << 8 | frame[at + 5], bytes);
	switch (flood_kinds[kind].aim) {
	case AIM_TURN:
		if (kind == FLOOD_CHANNEL)
			assert_int_equal(payload[2] << 8 | payload[3], len - 4);
		else
			assert_int_equal(sl_stun_parse(payload, len, &m), SL_STUN_OK);
		break;
	case AIM_MEDIA: assert_int_equal(payload[0] >> 6, 2); break;
	case AIM_SIP: {
		char text[1500];
		snprintf(text, sizeof text, "%.*s", (int)len, (const char *)payload);
		const char *body = strstr(text, "\r\n\r\n"), *said = strstr(text, "Content-Length: ");
		assert_true(body && said && strchr(text, '#') == NULL);
		assert_int_equal(atoi(said + 16), strlen(body + 4));
		break;
	}
	default: break;
	}
}

static void frames_that_claim_to_be_right_are(void **state)
{
	for (unsigned kind = 0; kind < FLOOD_TRUNCATED; kind++) {
		for (unsigned v6 = 0; v6 < 2; v6++) {
			char line[128];
			uint8_t frame[FLOOD_FRAME_MAX];
			struct flood_maker m;

			snprintf(line, sizeof line, "kind=%s to=%s", flood_kinds[kind].name, v6 ? "2001:db8:1::1" : "192.0.2.1");
			struct flood_options o = options_of(line);
			flood_maker_init(&m, &o, own, gateway, 1500);
			for (unsigned i = 0; i < 200; i++) {
				unsigned bytes = flood_frame(&m, &o.attacks[0], frame), at, l4;
				if (look(frame, bytes, &at, &l4) == IPPROTO_UDP)
					look_inside((enum flood_kind)kind, frame, at, l4);
			}
		}
	}
}

static void no_frame_is_longer_than_there_is_room(void **state)
{
	static const unsigned mtus[] = {1500, 9000, 9500};

	for (unsigned i = 0; i < SL_COUNT(mtus); i++) {
		struct flood_options o = options_of("kind=malformed to=2001:db8:1::1");
		struct flood_maker m;
		static uint8_t frame[FLOOD_FRAME_MAX];

		flood_maker_init(&m, &o, own, gateway, mtus[i]);
		for (unsigned n = 0; n < 20000; n++)
			assert_in_range(flood_frame(&m, &o.attacks[0], frame), ETHER, mtus[i] + ETHER + 400);
	}
}

static void the_same_seed_makes_the_same_frames(void **state)
{
	struct flood_options o[3] = {options_of("kind=malformed to=192.0.2.1"), options_of("kind=malformed to=192.0.2.1"), options_of("kind=malformed to=192.0.2.1")};
	struct flood_maker m[3];
	static uint8_t frame[3][FLOOD_FRAME_MAX];
	bool differs = false;

	o[2].seed = 8;
	for (unsigned i = 0; i < 3; i++)
		flood_maker_init(&m[i], &o[i], own, gateway, 1500);
	for (unsigned n = 0; n < 1000; n++) {
		unsigned bytes[3];
		for (unsigned i = 0; i < 3; i++)
			bytes[i] = flood_frame(&m[i], &o[i].attacks[0], frame[i]);
		assert_int_equal(bytes[0], bytes[1]);
		assert_memory_equal(frame[0], frame[1], bytes[0]);
		differs |= bytes[2] != bytes[0] || memcmp(frame[2], frame[0], bytes[0]) != 0;
	}
	assert_true(differs);
}

static void sources_are_as_many_as_was_said(void **state)
{
	struct flood_options o = options_of("kind=drip to=192.0.2.1 sources=1000");
	struct flood_maker m;
	uint8_t frame[FLOOD_FRAME_MAX];
	static uint8_t seen[1 << 17];
	unsigned n = 0;

	flood_maker_init(&m, &o, own, gateway, 1500);
	for (unsigned i = 0; i < 1000; i++) {
		flood_frame(&m, &o.attacks[0], frame);
		unsigned host = ((unsigned)frame[ETHER + 13] << 16 | (unsigned)frame[ETHER + 14] << 8 | frame[ETHER + 15]) & 0x1ffff;
		assert_int_equal(frame[ETHER + 12], 198);
		assert_false(seen[host]); /* each once, before any comes again */
		seen[host] = 1;
		n++;
	}
	assert_int_equal(n, 1000);
	o = options_of("kind=rtp to=192.0.2.1:30002 from=198.51.100.10:4000 ssrc=0x1234");
	flood_frame(&m, &o.attacks[0], frame);
	assert_int_equal(frame[ETHER + IP4] << 8 | frame[ETHER + IP4 + 1], 4000);
	assert_int_equal(frame[ETHER + IP4 + 2] << 8 | frame[ETHER + IP4 + 3], 30002);
	assert_int_equal(frame[ETHER + 15], 10);
}

static void wrong_lines_are_refused(void **state)
{
	static const char *const lines[] = {"kind=stun", "to=192.0.2.1", "kind=nothing to=192.0.2.1", "kind=stun to=192.0.2.1:70000", "kind=rtp to=192.0.2.1:9-8",
		"kind=stun to=192.0.2.1 from=2001:db8::/32", "kind=stun to=192.0.2.1 share=0", "kind=stun to=192.0.2.1 sources=-1", "kind=stun to=192.0.2.1 size=9000",
		"kind=stun to=192.0.2.1 from=198.18.0.1/15", "kind=stun to=[2001:db8::1 x", "stun"};

	for (unsigned i = 0; i < SL_COUNT(lines); i++) {
		struct flood_options o = {0};
		char text[160] = "";
		assert_true(flood_attack_parse(&o, lines[i], text, sizeof text) < 0);
		assert_true(text[0] != '\0');
		assert_int_equal(o.n_attacks, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_that_claim_to_be_right_are),
		cmocka_unit_test(no_frame_is_longer_than_there_is_room),
		cmocka_unit_test(the_same_seed_makes_the_same_frames),
		cmocka_unit_test(sources_are_as_many_as_was_said),
		cmocka_unit_test(wrong_lines_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

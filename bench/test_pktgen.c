/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
/* The generator's parts that can be wrong unnoticed: percentiles, checksums, endpoints, options, plans. */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/pktgen/flood.h"
#include "bench/pktgen/frame.h"
#include "bench/pktgen/options.h"
#include "bench/pktgen/plan.h"
#include "bench/pktgen/ports.h"
#include "bench/pktgen/stats.h"
#include "bench/pktgen/turn_client.h"
#include "dataplane/wire/stun.h"

static void histogram_is_within_three_percent(void **state)
{
	static struct histogram h;

	for (uint64_t v = 1; v <= 1000000; v++)
		histogram_add(&h, v);
	for (double q = 0.01; q < 1; q += 0.01) {
		double got = (double)histogram_quantile(&h, q), want = q * 1e6;
		assert_true(got >= want * 0.999 && got <= want * 1.035);
	}
	assert_int_equal(h.max, 1000000);
	assert_int_equal(histogram_quantile(&h, 1.0), 1000000);
}

static void histogram_takes_any_value(void **state)
{
	static struct histogram h;

	histogram_add(&h, 0);
	histogram_add(&h, 31);
	histogram_add(&h, 32);
	histogram_add(&h, UINT64_MAX);
	assert_int_equal(h.count, 4);
	assert_int_equal(histogram_quantile(&h, 0), 0);
	assert_int_equal(histogram_quantile(&h, 0.25), 31);
	assert_int_equal(histogram_quantile(&h, 0.5), 32);
}

static void loss_counts_what_was_never_sent(void **state)
{
	static struct result r = {.dir = {{.offered = 100, .unsent = 10, .received = 90}, {.offered = 100, .received = 60}}};

	assert_true(result_loss(&r) > 0.2499 && result_loss(&r) < 0.2501);
}

static void every_copy_is_wanted(void **state)
{
	static struct result r = {.dir = {{.offered = 10, .received = 900, .more_copies = 99}}};

	assert_int_equal(result_wanted(&r), 1000);
	assert_true(result_loss(&r) > 0.0999 && result_loss(&r) < 0.1001);
}

static void check_frame(const char *src, const char *dst)
{
	static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1}, mac_b[6] = {2, 0, 0, 0, 0, 2};
	struct flow flow = {.src_mac = mac_a, .dst_mac = mac_b};
	struct frame_udp udp;

	assert_int_equal(sl_endpoint_parse(src, &flow.src), 0);
	assert_int_equal(sl_endpoint_parse(dst, &flow.dst), 0);
	unsigned header = frame_header_bytes(&flow.src.ip);
	/* Odd and even lengths: the last byte of an odd one is padded in the sum. */
	for (unsigned payload = 1; payload <= 64; payload++) {
		_Alignas(4) uint8_t frame[FRAME_MAX];
		memset(frame, 0xA7, sizeof frame);
		unsigned len = frame_finish(frame, &flow, payload);
		assert_int_equal(len, header + payload);
		assert_int_equal(frame_parse_udp(frame, len, &udp), 0);
		assert_true(sl_endpoint_eq(&udp.src, &flow.src) && sl_endpoint_eq(&udp.dst, &flow.dst));
		assert_int_equal(udp.payload_bytes, payload);
		assert_int_equal(frame_parse_udp(frame, len - 1, &udp), -1);
		frame[len - 1] ^= 1;
		assert_int_equal(frame_parse_udp(frame, len, &udp), -1);
	}
}

static void frames_carry_right_checksums(void **state)
{
	check_frame("198.18.0.16:10000", "198.18.0.1:3478");
	check_frame("[2001:db8::16]:10000", "[2001:db8::1]:3478");
}

static int parse(struct options *o, const char *a, const char *b)
{
	char *argv[] = {(char *)"sluice-pktgen", (char *)"--port", (char *)"net_null0", (char *)a, (char *)b, NULL};
	extern int optind;
	optind = 1;
	return options_parse(o, 5, argv);
}

static void options_refuse_what_cannot_work(void **state)
{
	struct options o;

	assert_int_equal(parse(&o, "--sessions", "1000"), 0);
	assert_int_equal(o.sessions, 1000);
	assert_int_equal(parse(&o, "--sessions", "0"), -1);
	assert_int_equal(parse(&o, "--sessions", "1.5"), -1);
	assert_int_equal(parse(&o, "--sessions", "4000000"), -1); /* more than the client endpoints */
	assert_int_equal(parse(&o, "--payload", "27"), -1);	  /* no room for the stamp */
	assert_int_equal(parse(&o, "--ratio", "0:0"), -1);
	assert_int_equal(parse(&o, "--clients", "2001:db8::1"), -1); /* the listener is IPv4 */
	assert_int_equal(parse(&o, "--gateway-mac", "02:00:00:00:00"), -1);
	assert_int_equal(parse(&o, "--rate", "nan"), -1);
}

static void storms_are_of_known_phases(void **state)
{
	struct options o;

	assert_int_equal(parse(&o, "--storm", "allocate,refresh,delete,again"), 0);
	assert_int_equal(o.n_storm, 4);
	assert_int_equal(o.storm[0], GOAL_ALLOCATE);
	assert_int_equal(o.storm[3], GOAL_AGAIN);
	for (unsigned i = 0; i < o.n_storm; i++)
		assert_non_null(storm_name(o.storm[i]));
	assert_int_equal(parse(&o, "--storm", ""), -1);
	assert_int_equal(parse(&o, "--storm", "allocate,setup"), -1);
	assert_int_equal(parse(&o, "--storm", "alloc"), -1);
	assert_int_equal(parse(&o, "--storm", "again,again,again,again,again,again,again,again,again,again,again,again,again,again,again,again,again"), -1);
}

static void sessions_have_endpoints_of_their_own(void **state)
{
	struct options o;
	struct sl_endpoint a, b;
	struct sl_ip outside;

	assert_int_equal(parse(&o, "--clients", "198.18.0.254+4"), 0);
	session_client(&o, 2, &a);
	assert_int_equal(sl_endpoint_parse("198.18.1.0:10000", &b), 0);
	assert_true(sl_endpoint_eq(&a, &b)); /* the range goes on past a byte */
	session_client(&o, 4, &a);
	assert_int_equal(sl_endpoint_parse("198.18.0.254:10001", &b), 0);
	assert_true(sl_endpoint_eq(&a, &b));
	assert_true(range_contains(&o.clients, &a.ip));
	assert_int_equal(sl_ip_parse("198.18.1.2", &outside), 0);
	assert_false(range_contains(&o.clients, &outside));
	assert_int_equal(sl_ip_parse("198.18.0.253", &outside), 0);
	assert_false(range_contains(&o.clients, &outside));
}

static int read_text(struct plan *p, const char *text)
{
	char path[64];
	int fd = memfd_create("plan", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int rc = plan_read(p, path);
	close(fd);
	return rc;
}

#define A "198.18.0.16:1024 198.18.0.1:16384 "
#define A2 "198.18.0.16:1026 198.18.0.1:16386 "
#define TO_B "198.18.0.2:16384 198.18.0.64:1024 "
#define TO_B2 "198.18.0.2:16386 198.18.0.64:1026 "
#define TO_A "198.18.0.1:16384 198.18.0.16:1024 "
#define CM "AES_CM_128_HMAC_SHA1_80:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
#define GCM "AEAD_AES_128_GCM:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw"

static void plans_say_what_goes_where(void **state)
{
	struct plan p;
	struct sl_endpoint at;

	assert_int_equal(read_text(&p, "stream 0 " A CM "\ncopy " TO_B GCM "==\n\n"
				       "stream 1 " TO_B "-\ncopy " TO_A "-\n"), 0);
	assert_int_equal(p.n_streams[0], 1);
	assert_int_equal(p.n_streams[1], 1);
	assert_int_equal(p.sent_suite[0], SL_SRTP_AES_CM_128_80);
	assert_int_equal(p.back_suite[0], SL_SRTP_AEAD_128_GCM);
	assert_int_equal(p.back_suite[1], SL_SRTP_NONE);
	assert_int_equal(p.streams[0][0].key.key[15], 15);
	assert_int_equal(p.streams[0][0].key.salt[0], 16);
	assert_int_equal(p.streams[0][0].key.salt[13], 29);
	assert_int_equal(p.n_addresses, 2);
	assert_int_equal(sl_endpoint_parse("198.18.0.64:1024", &at), 0);
	assert_true(sl_ip_eq(&p.address[0], &at.ip));
	assert_int_equal(p.copy_at[0][1024], 0);
	assert_int_equal(p.copy_at[1][1024], 1);
	assert_true(p.copy_at[0][1025] == PLAN_NO_COPY);
	plan_free(&p);
	assert_int_equal(read_text(&p, "stream 0 " A "-\ncopy " TO_B GCM "\ncopy " TO_B2 GCM "\n"), 0); /* not padded */
	assert_int_equal(p.n_copies_each[0], 2);
	assert_int_equal(p.copies[1].key.salt[11], 27);
	plan_free(&p);
}

static void plans_that_cannot_be_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"stream 0 " A "-\n",
		"copy " TO_B "-\n",
		"stream 0 " A "\n",
		"stream 2 " A "-\ncopy " TO_B "-\n",
		"stream 0 " A "- -\ncopy " TO_B "-\n",
		"stream 0 198.18.0.16:1024 [2001:db8::1]:16384 -\ncopy " TO_B "-\n",
		"stream 0 " A "AES_CM_128_HMAC_SHA1_80:AAECAw==\ncopy " TO_B "-\n",
		"stream 0 " A "AES_CM_128_HMAC_SHA1_99:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\ncopy " TO_B "-\n",
		"stream 0 " A CM "\ncopy " TO_B "-\nstream 0 " A2 "-\ncopy " TO_B2 "-\n", /* two suites out */
		"stream 0 " A "-\ncopy " TO_B "-\nstream 0 " A2 "-\ncopy " TO_B2 CM "\n", /* two suites back */
		"stream 0 " A "-\ncopy " TO_B "-\nstream 0 " A2 "-\ncopy " TO_B "-\n",     /* both arrive there */
		"stream 0 " A "-\ncopy " TO_B "-\ncopy " TO_B2 "-\nstream 0 " A2 "-\ncopy " TO_A "-\n",
		"stream 0 " A "-\ncopy " TO_B "-\nstream 0 " A2 "-\ncopy " TO_B2 "-\ncopy " TO_A "-\n",
		"stream 1 " TO_B "-\ncopy " TO_A "-\nstream 0 " A "-\ncopy " TO_B "-\n",
		"stream 0 " A "-\ncopy " TO_B "-\nstream 0 " A2 "-\ncopy " TO_B2 "-\n"
		"stream 1 " TO_B "-\ncopy " TO_A "-\n",
	};
	struct plan p;

	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(read_text(&p, wrong[i]), -1);
}

static void start_flood(struct flood *f, const char *kinds, const char *sources, const char *to)
{
	char *argv[] = {(char *)"sluice-pktgen", (char *)"--port", (char *)"net_null0", (char *)"--sessions", (char *)"0",
		(char *)"--flood", (char *)"0", (char *)"--flood-kind", (char *)kinds, (char *)"--flood-sources", (char *)sources,
		(char *)"--flood-to", (char *)to, NULL};
	struct port port = {.mac = {2, 0, 0, 0, 0, 1}, .next_hop = {2, 0, 0, 0, 0, 2}};
	struct options o;
	extern int optind;

	optind = 1;
	assert_int_equal(options_parse(&o, 13, argv), 0);
	flood_init(f, &o, &port);
}

static void check_flood(const char *kind, const char *to, unsigned ports)
{
	static struct flood f;
	_Alignas(64) uint8_t frame[FLOOD_IMAGE_BYTES];
	struct sl_endpoint first, last = {0};
	struct frame_udp udp;
	struct sl_stun stun;
	char target[80];

	snprintf(target, sizeof target, "%s+%u", to, ports);
	assert_int_equal(sl_endpoint_parse(to, &first), 0);
	start_flood(&f, kind, "random", target);
	for (unsigned i = 0; i < 10000; i++) {
		unsigned len = flood_frame(&f, frame);
		assert_int_equal(frame_parse_udp(frame, len, &udp), 0); /* both checksums */
		assert_true(sl_ip_eq(&udp.dst.ip, &first.ip));
		assert_in_range(ntohs(udp.dst.port_be), ntohs(first.port_be), ntohs(first.port_be) + ports - 1);
		assert_false(sl_endpoint_eq(&udp.src, &last));
		last = udp.src;
		if (sl_ip_is_v4(&udp.src.ip))
			assert_true(udp.src.ip.b[12] != 0 && udp.src.ip.b[12] != 127 && udp.src.ip.b[12] < 224);
		else
			assert_int_equal(udp.src.ip.b[0] & 0xe0, 0x20);
		if (strcmp(kind, "stun") == 0 || strcmp(kind, "allocate") == 0)
			assert_int_equal(sl_stun_parse(udp.payload, udp.payload_bytes, &stun), SL_STUN_OK);
		if (strcmp(kind, "sip") == 0)
			assert_memory_equal(udp.payload + udp.payload_bytes - 4, "\r\n\r\n", 4);
	}
}

static void floods_are_frames_like_any(void **state)
{
	static const char *const kinds[] = {"stun", "allocate", "rtp", "sip", "random"};

	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		check_flood(kinds[i], "198.18.0.1:3478", 1);
		check_flood(kinds[i], "[2001:db8::1]:16384", 1000);
	}
}

static void floods_come_from_as_many_as_asked_for(void **state)
{
	static struct flood f;
	static uint8_t seen[256];
	_Alignas(64) uint8_t frame[FLOOD_IMAGE_BYTES];
	struct sl_endpoint from[50];
	struct frame_udp udp;
	unsigned n = 0, k;

	start_flood(&f, "stun,rtp", "50", "198.18.0.1:3478");
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(frame_parse_udp(frame, flood_frame(&f, frame), &udp), 0);
		for (k = 0; k < n && !sl_endpoint_eq(&from[k], &udp.src); k++)
			;
		assert_true(k < 50);
		from[k] = udp.src;
		n += k == n;
	}
	assert_int_equal(n, 50);
	start_flood(&f, "stun", "198.18.7.0+200", "198.18.0.1:3478");
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(frame_parse_udp(frame, flood_frame(&f, frame), &udp), 0);
		assert_memory_equal(udp.src.ip.b + 12, "\306\022\007", 3);
		seen[udp.src.ip.b[15]] = 1;
	}
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal(seen[i], i < 200);
}

/* Each is wrong in one way; those that only the application can see through are frames like any. */
static void malformed_floods_are_malformed(void **state)
{
	static struct flood f;
	_Alignas(64) uint8_t frame[FLOOD_IMAGE_BYTES];
	static const char *const to[] = {"198.18.0.1:3478", "[2001:db8::1]:3478"};
	struct frame_udp udp;
	struct sl_stun stun;

	for (unsigned v = 0; v < 2; v++) {
		start_flood(&f, "malformed", "random", to[v]);
		unsigned n = f.n_images, frames = 0;
		assert_true(n > 12);
		for (unsigned i = 0; i < 10 * n; i++) {
			unsigned len = flood_frame(&f, frame);
			assert_true(len < FLOOD_IMAGE_BYTES);
			bool fragment = v == 0 && (frame[ETHER_BYTES + 6] & 0x3f) + frame[ETHER_BYTES + 7] != 0;
			if (frame_parse_udp(frame, len, &udp) != 0 || fragment)
				continue;
			frames++;
			assert_true(udp.payload_bytes < SL_STUN_HEADER_BYTES || !sl_stun_looks_like(udp.payload) ||
				sl_stun_parse(udp.payload, udp.payload_bytes, &stun) != SL_STUN_OK);
		}
		assert_int_equal(frames, 10 * 4);
	}
}

static void floods_that_cannot_be_are_refused(void **state)
{
	struct options o;

	assert_int_equal(parse(&o, "--flood", "1000"), -1); /* the load has no rate */
	assert_int_equal(parse(&o, "--flood-kind", "stun,salt"), -1);
	assert_int_equal(parse(&o, "--flood-to", "198.18.0.1:65000+1000"), -1);
	assert_int_equal(parse(&o, "--flood-sources", "0"), -1);
}

static void losses_in_stalls_are_told_apart(void **state)
{
	enum { RUN = 1000 << STALL_SLOT_BITS };
	static struct stalls s;
	struct stalls_sum sum;
	const uint64_t begin = 12345678901, slot = 1 << STALL_SLOT_BITS;

	assert_int_equal(stalls_init(&s, RUN), 0);
	for (unsigned run = 0; run < 2; run++) {
		stalls_begin(&s, begin);
		for (uint64_t i = 0; i < 1000; i++) {
			stalls_slot(&s, begin + i * slot)->made += 10;
			stalls_slot(&s, begin + i * slot)->received += i >= 300 && i < 320 ? 4 : i == 700 ? 9 : 10;
		}
		stalls_note(&s, begin + 310 * slot, begin + 311 * slot); /* within the next one, and over before it */
		stalls_note(&s, begin + 301 * slot, begin + 318 * slot);
		stalls_sum(&s, 1, &sum);
		assert_int_equal(sum.lost_in_stalls, 20 * 6);
		assert_int_equal(sum.lost_elsewhere, 1);
		assert_int_equal(sum.stalls, 2);
		assert_int_equal(sum.cycles, 18 * slot);
	}
	stalls_slot(&s, begin + 10 * (uint64_t)RUN)->made++; /* the clock runs on a little: the last slot takes it */
	stalls_sum(&s, 1, &sum);
	assert_int_equal(sum.lost_elsewhere, 2);
	stalls_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histogram_is_within_three_percent),
		cmocka_unit_test(histogram_takes_any_value),
		cmocka_unit_test(loss_counts_what_was_never_sent),
		cmocka_unit_test(every_copy_is_wanted),
		cmocka_unit_test(frames_carry_right_checksums),
		cmocka_unit_test(options_refuse_what_cannot_work),
		cmocka_unit_test(storms_are_of_known_phases),
		cmocka_unit_test(sessions_have_endpoints_of_their_own),
		cmocka_unit_test(plans_say_what_goes_where),
		cmocka_unit_test(plans_that_cannot_be_are_refused),
		cmocka_unit_test(floods_are_frames_like_any),
		cmocka_unit_test(floods_come_from_as_many_as_asked_for),
		cmocka_unit_test(malformed_floods_are_malformed),
		cmocka_unit_test(floods_that_cannot_be_are_refused),
		cmocka_unit_test(losses_in_stalls_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

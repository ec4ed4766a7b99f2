/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
/* The generator's parts that can be wrong unnoticed: percentiles, checksums, endpoints, options, plans. */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/pktgen/frame.h"
#include "bench/pktgen/options.h"
#include "bench/pktgen/plan.h"
#include "bench/pktgen/stats.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(histogram_is_within_three_percent),
		cmocka_unit_test(histogram_takes_any_value),
		cmocka_unit_test(loss_counts_what_was_never_sent),
		cmocka_unit_test(every_copy_is_wanted),
		cmocka_unit_test(frames_carry_right_checksums),
		cmocka_unit_test(options_refuse_what_cannot_work),
		cmocka_unit_test(sessions_have_endpoints_of_their_own),
		cmocka_unit_test(plans_say_what_goes_where),
		cmocka_unit_test(plans_that_cannot_be_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

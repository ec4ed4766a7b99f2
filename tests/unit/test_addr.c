/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "tests/unit/unit.h"

#include <errno.h>

#include "dataplane/wire/addr.h"
#include "dataplane/wire/channel.h"
#include "tests/unit/guard.h"

static struct sl_ip ip_of(const char *text)
{
	struct sl_ip ip;

	if (sl_ip_parse(text, &ip) != 0)
		fail_msg("%s is an address", text);
	return ip;
}

/* {what is parsed, what is shown} */
struct text_case {
	const char *in, *out;
};

static void ip_text_goes_round(void **state)
{
	static const struct text_case cases[] = {
	        {"192.0.2.1", "192.0.2.1"},
	        {"0.0.0.0", "0.0.0.0"},
	        {"255.255.255.255", "255.255.255.255"},
	        {"::ffff:192.0.2.1", "192.0.2.1"},
	        {"::ffff:c000:201", "192.0.2.1"},
	        {"::", "::"},
	        {"::1", "::1"},
	        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
	        {"fe80::1:2:3:4", "fe80::1:2:3:4"},
	        {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
	};
	char buf[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct sl_ip ip = ip_of(cases[i].in), again;

		assert_string_equal(sl_ip_text(&ip, buf), cases[i].out);
		assert_int_equal(sl_ip_parse(buf, &again), 0);
		assert_true(sl_ip_eq(&ip, &again));
	}
	struct sl_ip v4 = ip_of("192.0.2.1");
	assert_true(sl_ip_is_v4(&v4));
	assert_int_equal(sl_ip_v4_be(&v4), htonl(0xc0000201));
}

static void endpoint_text_goes_round(void **state)
{
	static const struct text_case cases[] = {
	        {"192.0.2.1:3478", "192.0.2.1:3478"},
	        {"192.0.2.1:0", "192.0.2.1:0"},
	        {"[2001:db8::1]:65535", "[2001:db8::1]:65535"},
	        {"[::ffff:192.0.2.1]:1", "192.0.2.1:1"},
	        {"[::]:53", "[::]:53"},
	};
	char buf[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct sl_endpoint ep, again;

		assert_int_equal(sl_endpoint_parse(cases[i].in, &ep), 0);
		assert_string_equal(sl_endpoint_text(&ep, buf), cases[i].out);
		assert_int_equal(sl_endpoint_parse(buf, &again), 0);
		assert_true(sl_endpoint_eq(&ep, &again));
	}
}

static void prefix_text_goes_round(void **state)
{
	static const struct {
		const char *in, *out;
		unsigned len;
	} cases[] = {
	        {"10.0.0.0/8", "10.0.0.0/8", 104},
	        {"0.0.0.0/0", "0.0.0.0/0", 96},
	        {"192.0.2.1", "192.0.2.1/32", 128},
	        {"192.0.2.128/25", "192.0.2.128/25", 121},
	        {"::/0", "::/0", 0},
	        {"::1", "::1/128", 128},
	        {"2001:db8::/32", "2001:db8::/32", 32},
	        {"fc00::/7", "fc00::/7", 7},
	        {"::ffff:10.0.0.0/104", "10.0.0.0/8", 104},
	};
	char buf[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct sl_prefix p;

		assert_int_equal(sl_prefix_parse(cases[i].in, &p), 0);
		assert_int_equal(p.len, cases[i].len);
		assert_string_equal(sl_prefix_text(&p, buf), cases[i].out);
	}
}

static void bad_text_is_refused_and_leaves_the_output_alone(void **state)
{
	static const char *const bad_ip[] = {
	        "",
	        " ",
	        "1.2.3",
	        "1.2.3.4.5",
	        "256.0.0.1",
	        "01.2.3.4",
	        "1.2.3.4 ",
	        " 1.2.3.4",
	        "1.2.3.4/8",
	        "::1%lo",
	        "[::1]",
	        ":",
	        ":::",
	        "1:2:3:4:5:6:7",
	        "1:2:3:4:5:6:7:8:9",
	        "12345::",
	        "::ffff:1.2.3",
	        "g::",
	        "localhost",
	        "0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0",
	};
	static const char *const bad_endpoint[] = {
	        "",
	        ":",
	        "1.2.3.4",
	        "1.2.3.4:",
	        "1.2.3.4:65536",
	        "1.2.3.4:-1",
	        "1.2.3.4:+1",
	        "1.2.3.4: 1",
	        "1.2.3.4:1 ",
	        "1.2.3.4:012",
	        "1.2.3.4:99999999999999999999",
	        "2001:db8::1:3478",
	        "[1.2.3.4]:1",
	        "[::1]",
	        "[::1]1",
	        "[::1:1",
	        "[]:1",
	        "[:1",
	        "::1]:1",
	        "[[::1]]:1",
	        ":1",
	};
	static const char *const bad_prefix[] = {
	        "",
	        "/",
	        "/8",
	        "10.0.0.0/",
	        "10.0.0.0/33",
	        "10.0.0.1/8",
	        "10.0.0.0/08",
	        "10.0.0.0/8/8",
	        "::/129",
	        "::1/127",
	        "2001:db8::1/32",
	        "10.0.0.0/-1",
	        "10.0.0.0/255.0.0.0",
	        "0.0.0.1/0",
	};
	struct sl_prefix out, before;

	memset(&out, 0xa5, sizeof out);
	before = out;
	for (unsigned i = 0; i < SL_COUNT(bad_ip); i++)
		assert_int_equal(sl_ip_parse(bad_ip[i], &out.ip), -EINVAL);
	for (unsigned i = 0; i < SL_COUNT(bad_prefix); i++)
		assert_int_equal(sl_prefix_parse(bad_prefix[i], &out), -EINVAL);
	assert_memory_equal(&out, &before, sizeof out);

	struct sl_endpoint ep, ep_before;
	memset(&ep, 0xa5, sizeof ep);
	ep_before = ep;
	for (unsigned i = 0; i < SL_COUNT(bad_endpoint); i++)
		assert_int_equal(sl_endpoint_parse(bad_endpoint[i], &ep), -EINVAL);
	assert_memory_equal(&ep, &ep_before, sizeof ep);
}

static void prefix_contains_its_own_and_no_other(void **state)
{
	static const struct {
		const char *prefix, *ip;
		bool in;
	} cases[] = {
	        {"10.0.0.0/8", "10.255.255.255", true},
	        {"10.0.0.0/8", "11.0.0.0", false},
	        {"10.0.0.0/8", "9.255.255.255", false},
	        {"192.0.2.128/25", "192.0.2.127", false},
	        {"192.0.2.128/25", "192.0.2.129", true},
	        {"0.0.0.0/0", "203.0.113.9", true},
	        {"0.0.0.0/0", "2001:db8::1", false},
	        {"::/0", "2001:db8::1", true},
	        /* A prefix of one family never holds an address of the other. */
	        {"::/0", "192.0.2.1", false},
	        {"::/0", "::ffff:192.0.2.1", false},
	        {"::/64", "10.0.0.1", false},
	        {"::/80", "127.0.0.1", false},
	        {"::/0", "64:ff9b::192.0.2.1", true},
	        {"0.0.0.0/0", "::192.0.2.1", false},
	        {"::ffff:0:0/96", "192.0.2.1", true},
	        {"::ffff:0:0/96", "2001:db8::1", false},
	        {"fc00::/7", "fdff::1", true},
	        {"fc00::/7", "fe00::1", false},
	        {"::1/128", "::1", true},
	        {"::1/128", "::", false},
	        {"2001:db8::/32", "2001:db9::", false},
	        {"192.0.2.1/32", "192.0.2.1", true},
	        {"192.0.2.1/32", "192.0.2.0", false},
	        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
	};

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct sl_ip ip = ip_of(cases[i].ip);
		struct sl_prefix p;

		assert_int_equal(sl_prefix_parse(cases[i].prefix, &p), 0);
		if (sl_prefix_contains(&p, &ip) != cases[i].in)
			fail_msg("%s in %s", cases[i].ip, cases[i].prefix);
	}
}

static void every_embedded_ipv4_is_found(void **state)
{
	static const struct {
		const char *ip;
		const char *v4[SL_IP_EMBEDDED_MAX + 1];
	} cases[] = {
	        {"192.0.2.1", {"192.0.2.1"}},
	        {"::ffff:127.0.0.1", {"127.0.0.1"}},
	        {"::ffff:0:127.0.0.1", {"127.0.0.1"}}, /* SIIT */
	        {"::127.0.0.1", {"127.0.0.1"}},
	        {"::0.0.0.2", {"0.0.0.2"}},
	        {"::", {NULL}},
	        {"::1", {NULL}},
	        {"2001:db8::127.0.0.1", {NULL}},
	        {"2002:7f00:1::", {"127.0.0.1"}},
	        {"2002:a00:1:2::3", {"10.0.0.1"}},
	        {"2003:7f00:1::", {NULL}},
	        {"64:ff9b::10.0.0.1", {"10.0.0.1"}},
	        {"64:ff9b::1:10.0.0.1", {NULL}},
	        {"64:ff9b:0:1::10.0.0.1", {NULL}},
	        {"64:ff9b:1::10.0.0.1", {"10.0.0.1"}},     /* /96 */
	        {"64:ff9b:1:7f00:0:100::", {"127.0.0.1"}}, /* /48: 7f 00 | 00 01 */
	        {"64:ff9b:1:7f:0:1::", {"127.0.0.1"}},     /* /56: 7f | 00 00 01 */
	        {"64:ff9b:1:0:7f:0:100:0",
	                {"127.0.0.1", "1.0.0.0"}}, /* /64: 7f 00 00 01, whose tail /96 sees */
	        {"64:ff9b:1::", {"0.0.0.0"}},
	        {"64:ff9b:2::10.0.0.1", {NULL}},
	        {"2001:0:c000:201:0:0:80ff:fffe", {"192.0.2.1", "127.0.0.1"}}, /* Teredo */
	        {"2001:1::1", {NULL}},
	        {"fe80::5efe:10.0.0.1", {"10.0.0.1"}},
	        {"2001:db8::200:5efe:10.0.0.1", {"10.0.0.1"}},
	        {"2001:db8::100:5efe:10.0.0.1", {NULL}},
	        {"2002:c000:201::5efe:127.0.0.1", {"192.0.2.1", "127.0.0.1"}},
	        {"2001:0:c000:201:0:5efe:80ff:fffe", {"192.0.2.1", "127.0.0.1", "128.255.255.254"}},
	        {"64:ff9b:1:102:0:5efe:a00:1", {"1.2.0.94", "2.0.94.254", "10.0.0.1"}},
	        {"64:ff9b:1:102:3:405:607:809", {"1.2.3.4", "2.3.4.5", "3.4.5.6", "6.7.8.9"}},
	};
	char buf[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		struct sl_ip ip = ip_of(cases[i].ip), found[SL_IP_EMBEDDED_MAX];
		unsigned n = sl_ip_embedded_v4(&ip, found);

		for (unsigned k = 0; k < n; k++) {
			assert_true(sl_ip_is_v4(&found[k]));
			if (!cases[i].v4[k] || strcmp(sl_ip_text(&found[k], buf), cases[i].v4[k]) != 0)
				fail_msg("%s: found %s", cases[i].ip, sl_ip_text(&found[k], buf));
		}
		if (cases[i].v4[n])
			fail_msg("%s: not found: %s", cases[i].ip, cases[i].v4[n]);
	}
}

static void channel_data_length(void **state)
{
	static const uint8_t header[8] = {0x40, 0x01, 0x00, 0x03, 'a', 'b', 'c', 0};
	struct sl_guard g = sl_guard_make(8);

	assert_int_equal(sl_channel_data_len(sl_guard_put(&g, header, 4), 4), -1);
	assert_int_equal(sl_channel_data_len(sl_guard_put(&g, header, 6), 6), -1);
	assert_int_equal(sl_channel_data_len(sl_guard_put(&g, header, 7), 7), 3);
	assert_int_equal(sl_channel_data_len(sl_guard_put(&g, header, 8), 8), 3); /* padded */
	assert_int_equal(sl_channel_number(header), 0x4001);
	assert_true(sl_channel_looks_like(0x40));
	assert_true(sl_channel_looks_like(0x7f)); /* RFC 5766's range ends here */
	assert_false(sl_channel_looks_like(0x3f));
	assert_false(sl_channel_looks_like(0x80));
	sl_guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(ip_text_goes_round),
	        cmocka_unit_test(endpoint_text_goes_round),
	        cmocka_unit_test(prefix_text_goes_round),
	        cmocka_unit_test(bad_text_is_refused_and_leaves_the_output_alone),
	        cmocka_unit_test(prefix_contains_its_own_and_no_other),
	        cmocka_unit_test(every_embedded_ipv4_is_found),
	        cmocka_unit_test(channel_data_length),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}

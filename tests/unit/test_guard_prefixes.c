/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Deny and allow prefixes against a brute-force oracle: every prefix around an address is looked at, and the greatest verdict holds. */

#include "tests/unit/unit.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/guard/hash.h"
#include "dataplane/guard/prefixes.h"

enum { MOST = 4000, BURST = 32 };

static struct sl_prng rnd = {.key = {0x5eed, 22}};
static struct sl_prefix_entry list[MOST];
static size_t n_list;

static unsigned below(unsigned n)
{
	return (unsigned)(sl_prng_next(&rnd) % n);
}

static void add(const char *text, unsigned verdict)
{
	struct sl_prefix p;

	assert_int_equal(sl_prefix_parse(text, &p), 0);
	list[n_list++] = (struct sl_prefix_entry){.ip = p.ip, .prefix_len = p.len, .verdict = (uint8_t)verdict};
}

static struct sl_prefixes *built(void)
{
	struct sl_prefixes *p = NULL;
	char text[160] = "";
	int rc = sl_prefixes_build(list, n_list, &p, text, sizeof text);

	if (rc < 0)
		fail_msg("%s", text);
	return p;
}

static unsigned oracle(const struct sl_ip *ip)
{
	unsigned found = SL_PREFIX_NONE;

	for (size_t i = 0; i < n_list; i++) {
		struct sl_prefix p = {list[i].ip, list[i].prefix_len};
		if (list[i].verdict > found && sl_prefix_contains(&p, ip))
			found = list[i].verdict;
	}
	return found;
}

static void expect(const struct sl_prefixes *p, const char *text, unsigned verdict)
{
	struct sl_ip ip;

	assert_int_equal(sl_ip_parse(text, &ip), 0);
	assert_int_equal(oracle(&ip), verdict);
	if (sl_prefixes_look(p, &ip) != verdict)
		fail_msg("%s: %u instead of %u", text, sl_prefixes_look(p, &ip), verdict);
}

static void nothing_denies_nobody(void **state)
{
	struct sl_ip ip = {.b = {0x20, 1}};

	n_list = 0;
	assert_null(built());
	assert_int_equal(sl_prefixes_look(NULL, &ip), SL_PREFIX_NONE);
	assert_int_equal(sl_prefixes_bytes(NULL), 0);
	assert_int_equal(sl_prefixes_count(NULL), 0);
}

static void all_of_one_family_is_not_the_other(void **state)
{
	n_list = 0;
	add("0.0.0.0/0", SL_PREFIX_DENY);
	struct sl_prefixes *p = built();
	expect(p, "0.0.0.0", SL_PREFIX_DENY);
	expect(p, "255.255.255.255", SL_PREFIX_DENY);
	expect(p, "::1", SL_PREFIX_NONE);
	expect(p, "::fffe:1.2.3.4", SL_PREFIX_NONE);
	sl_prefixes_free(p);
	list[0].ip = (struct sl_ip){0};
	list[0].prefix_len = 0;
	p = built();
	expect(p, "::", SL_PREFIX_DENY);
	expect(p, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SL_PREFIX_DENY);
	expect(p, "1.2.3.4", SL_PREFIX_NONE);
	sl_prefixes_free(p);
}

static void an_allow_wins_inside_and_outside(void **state)
{
	n_list = 0;
	add("10.0.0.0/8", SL_PREFIX_DENY);
	add("10.1.0.0/16", SL_PREFIX_ALLOW);
	add("10.1.2.0/24", SL_PREFIX_DENY); /* inside an allow: of no effect */
	add("10.2.3.128/25", SL_PREFIX_ALLOW);
	add("10.2.4.4/32", SL_PREFIX_DENY);
	add("10.2.4.4/32", SL_PREFIX_ALLOW); /* of the same prefix the allow */
	add("192.0.2.1/32", SL_PREFIX_DENY);
	add("2001:db8::/32", SL_PREFIX_DENY);
	add("2001:db8:0:1::/64", SL_PREFIX_ALLOW);
	add("2001:db9::1/128", SL_PREFIX_DENY);
	struct sl_prefixes *p = built();
	expect(p, "10.0.0.0", SL_PREFIX_DENY);
	expect(p, "10.255.255.255", SL_PREFIX_DENY);
	expect(p, "11.0.0.0", SL_PREFIX_NONE);
	expect(p, "9.255.255.255", SL_PREFIX_NONE);
	expect(p, "10.1.2.3", SL_PREFIX_ALLOW);
	expect(p, "10.2.3.127", SL_PREFIX_DENY);
	expect(p, "10.2.3.128", SL_PREFIX_ALLOW);
	expect(p, "10.2.4.4", SL_PREFIX_ALLOW);
	expect(p, "10.2.4.5", SL_PREFIX_DENY);
	expect(p, "192.0.2.1", SL_PREFIX_DENY);
	expect(p, "192.0.2.0", SL_PREFIX_NONE);
	expect(p, "2001:db8::1", SL_PREFIX_DENY);
	expect(p, "2001:db8:0:1:ffff::", SL_PREFIX_ALLOW);
	expect(p, "2001:db8:0:2::", SL_PREFIX_DENY);
	expect(p, "2001:db9::1", SL_PREFIX_DENY);
	expect(p, "2001:db9::2", SL_PREFIX_NONE);
	assert_int_equal(sl_prefixes_count(p), n_list);
	sl_prefixes_free(p);
}

/* A prefix near others, so that lists nest: part of an earlier one, lengthened or shortened. */
static struct sl_prefix_entry drawn(bool v4, unsigned spread)
{
	struct sl_prefix_entry e = {.verdict = below(4) ? SL_PREFIX_DENY : SL_PREFIX_ALLOW};
	unsigned first = v4 ? 96 : 0, len = first + below(129 - first);

	e.ip.q[0] = sl_prng_next(&rnd);
	e.ip.q[1] = sl_prng_next(&rnd);
	if (v4)
		sl_ip_set_v4(&e.ip, (uint32_t)sl_prng_next(&rnd));
	if (n_list > 0 && below(8) < spread) {
		const struct sl_prefix_entry *near = &list[below((unsigned)n_list)];
		if (sl_ip_is_v4(&near->ip) == v4) {
			struct sl_ip keep = sl_ip_masked(&near->ip, near->prefix_len);
			struct sl_ip rest = sl_ip_masked(&e.ip, near->prefix_len);
			for (unsigned i = 0; i < 16; i++)
				e.ip.b[i] = (uint8_t)(keep.b[i] | (e.ip.b[i] ^ rest.b[i]));
			if (len < near->prefix_len && below(2))
				len = near->prefix_len + below(129u - near->prefix_len);
		}
	}
	e.ip = sl_ip_masked(&e.ip, len);
	if (v4)
		e.ip.d[2] = htonl(0xffff);
	e.prefix_len = (uint8_t)len;
	return e;
}

/* An address that is in a prefix of the list, or one bit beside it, or anywhere. */
static struct sl_ip aimed(bool v4)
{
	const struct sl_prefix_entry *e = &list[below((unsigned)n_list)];
	struct sl_ip ip = {.q = {sl_prng_next(&rnd), sl_prng_next(&rnd)}};
	unsigned how = below(8);

	if (v4)
		sl_ip_set_v4(&ip, (uint32_t)sl_prng_next(&rnd));
	if (how == 0 || (e->prefix_len >= 96 && sl_ip_is_v4(&e->ip)) != v4)
		return ip;
	struct sl_ip rest = sl_ip_masked(&ip, e->prefix_len);
	for (unsigned i = 0; i < 16; i++)
		ip.b[i] = (uint8_t)(e->ip.b[i] | (ip.b[i] ^ rest.b[i]));
	if (how < 3 && e->prefix_len > (v4 ? 96 : 0)) {
		unsigned bit = e->prefix_len - 1u - below(e->prefix_len - (v4 ? 96u : 0u)) * (how == 1);
		ip.b[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
	}
	return ip;
}

static void check_burst(const struct sl_prefixes *p, bool v4, unsigned n)
{
	struct sl_ip ip[BURST];
	const struct sl_ip *at[BURST];
	uint32_t be[BURST], deny = 0x5555, allow = 0x5555;

	for (unsigned i = 0; i < n; i++) {
		do
			ip[i] = aimed(v4);
		while (sl_ip_is_v4(&ip[i]) != v4);
		at[i] = &ip[i];
		be[i] = sl_ip_v4_be(&ip[i]);
	}
	if (v4)
		sl_prefixes_look4(p, be, n, &deny, &allow);
	else
		sl_prefixes_look6(p, at, n, &deny, &allow);
	for (unsigned i = 0; i < n; i++) {
		unsigned want = oracle(&ip[i]), got = (allow >> i & 1) * SL_PREFIX_ALLOW + (deny >> i & 1) * SL_PREFIX_DENY;
		char text[SL_ADDR_TEXT_MAX];
		if (want != got || want != sl_prefixes_look(p, &ip[i]))
			fail_msg("%s: %u instead of %u in a list of %zu", sl_ip_text(&ip[i], text), got, want, n_list);
	}
	if (n < BURST)
		assert_int_equal((deny | allow) >> n, 0);
}

static void random_lists_agree_with_the_oracle(void **state)
{
	static const unsigned sizes[] = {1, 2, 5, 30, 300};

	for (unsigned round = 0; round < 120; round++) {
		unsigned spread = below(9), families = round % 3; /* IPv4, IPv6, both */
		unsigned n = sizes[round % 5];
		for (n_list = 0; n_list < n;) {
			struct sl_prefix_entry e = drawn(families == 2 ? below(2) : families == 0, spread);
			list[n_list++] = e;
		}
		struct sl_prefixes *p = built();
		for (unsigned i = 0; i < 24; i++) {
			check_burst(p, true, 1 + below(BURST));
			check_burst(p, false, 1 + below(BURST));
		}
		sl_prefixes_free(p);
	}
}

/* Everything below one /16 and one /48: nodes with many children, which are counted off over all words of a line. */
static void dense_lists_agree_with_the_oracle(void **state)
{
	for (unsigned v4 = 0; v4 < 2; v4++) {
		for (n_list = 0; n_list < MOST; n_list++) {
			struct sl_prefix_entry e = {.verdict = below(5) ? SL_PREFIX_DENY : SL_PREFIX_ALLOW};
			unsigned from = v4 ? 112 : 48, len = from + 9 + below(8 + 8 * (below(2) && !v4)); /* short ones would hide the others */
			e.ip.q[0] = htobe64(UINT64_C(0x20010db800070000) | (sl_prng_next(&rnd) & 0xffff));
			e.ip.q[1] = sl_prng_next(&rnd);
			if (v4)
				sl_ip_set_v4(&e.ip, htonl(0xc6330000 | (uint32_t)(sl_prng_next(&rnd) & 0xffff)));
			e.ip = sl_ip_masked(&e.ip, len);
			e.prefix_len = (uint8_t)len;
			list[n_list] = e;
		}
		struct sl_prefixes *p = built();
		for (unsigned i = 0; i < 60; i++)
			check_burst(p, v4, BURST);
		sl_prefixes_free(p);
	}
}

static void refused(struct sl_prefix_entry e, const char *why)
{
	struct sl_prefixes *p = (struct sl_prefixes *)list;
	char text[160] = "";

	n_list = 0;
	add("192.0.2.0/24", SL_PREFIX_DENY);
	list[n_list++] = e;
	assert_int_equal(sl_prefixes_build(list, n_list, &p, text, sizeof text), -EINVAL);
	assert_ptr_equal(p, list); /* nothing changed */
	if (!strstr(text, why) || !strstr(text, "entry 1"))
		fail_msg("\"%s\" does not say \"%s\"", text, why);
}

static void bad_entries_are_named(void **state)
{
	struct sl_prefix_entry e = {.prefix_len = 104, .verdict = SL_PREFIX_DENY};

	sl_ip_set_v4(&e.ip, htonl(0x0a000001));
	refused(e, "10.0.0.1 has bits beyond its prefix; its first address is 10.0.0.0/8");
	e.prefix_len = 129;
	refused(e, "prefix length of 129");
	e.prefix_len = 128;
	e.verdict = SL_PREFIX_NONE;
	refused(e, "verdict 0");
	e.verdict = 3;
	refused(e, "verdict 3");
	e.verdict = SL_PREFIX_ALLOW;
	e.prefix_len = 90; /* of IPv6, but with IPv4's marker in its bits */
	refused(e, "bits beyond");

	struct sl_prefix_entry *many = calloc(SL_GUARD_LIST_MAX + 1, sizeof *many);
	struct sl_prefixes *p;
	char text[160] = "";
	assert_non_null(many);
	assert_int_equal(sl_prefixes_build(many, SL_GUARD_LIST_MAX + 1, &p, text, sizeof text), -E2BIG);
	assert_non_null(strstr(text, "262144"));
	free(many);
}

/* What an operator could give at worst: as many entries as a list takes, all the same, or each in a node of its own. */
static void the_longest_lists_are_built(void **state)
{
	struct sl_prefix_entry *many = calloc(SL_GUARD_LIST_MAX, sizeof *many);
	struct sl_prefixes *p;
	char text[160] = "";

	assert_non_null(many);
	for (unsigned i = 0; i < SL_GUARD_LIST_MAX; i++)
		many[i] = (struct sl_prefix_entry){.ip.b = {0x20, 1, 0x0d, 0xb8}, .prefix_len = 33, .verdict = SL_PREFIX_DENY};
	assert_int_equal(sl_prefixes_build(many, SL_GUARD_LIST_MAX, &p, text, sizeof text), 0);
	assert_int_equal(sl_prefixes_look(p, &(struct sl_ip){.b = {0x20, 1, 0x0d, 0xb8, 0x7f}}), SL_PREFIX_DENY);
	assert_int_equal(sl_prefixes_look(p, &(struct sl_ip){.b = {0x20, 1, 0x0d, 0xb8, 0x80}}), SL_PREFIX_NONE);
	sl_prefixes_free(p);
	for (unsigned i = 0; i < SL_GUARD_LIST_MAX; i++) {
		many[i].prefix_len = 128;
		for (unsigned k = 0; k < 16; k += 8)
			memcpy(many[i].ip.b + k, &(uint64_t){sl_prng_next(&rnd)}, 8);
	}
	assert_int_equal(sl_prefixes_build(many, SL_GUARD_LIST_MAX, &p, text, sizeof text), 0);
	/* Skips keep this at a line or two for each, where a node a byte would take fourteen. */
	assert_true(sl_prefixes_bytes(p) < (size_t)SL_GUARD_LIST_MAX * 2 * 68 + (1 << 20));
	for (unsigned i = 0; i < SL_GUARD_LIST_MAX; i += 7)
		assert_int_equal(sl_prefixes_look(p, &many[i].ip), SL_PREFIX_DENY);
	sl_prefixes_free(p);
	free(many);
}

static void one_family_costs_one_root(void **state)
{
	n_list = 0;
	add("192.0.2.1/32", SL_PREFIX_DENY);
	struct sl_prefixes *p = built();
	assert_true(sl_prefixes_bytes(p) < (256 << 10) + 1024);
	sl_prefixes_free(p);
	add("2001:db8::1/128", SL_PREFIX_DENY);
	p = built();
	assert_true(sl_prefixes_bytes(p) > 512 << 10 && sl_prefixes_bytes(p) < (512 << 10) + 1024);
	sl_prefixes_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_denies_nobody),
		cmocka_unit_test(all_of_one_family_is_not_the_other),
		cmocka_unit_test(an_allow_wins_inside_and_outside),
		cmocka_unit_test(random_lists_agree_with_the_oracle),
		cmocka_unit_test(dense_lists_agree_with_the_oracle),
		cmocka_unit_test(bad_entries_are_named),
		cmocka_unit_test(the_longest_lists_are_built),
		cmocka_unit_test(one_family_costs_one_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

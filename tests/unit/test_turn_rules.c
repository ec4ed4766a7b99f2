/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Peer rules cut into spans say what a walk through the list says: the first one that holds an address decides. */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/path/turn_rules.h"

enum { MOST = SL_TURN_MAX_PEER_RULES, LISTS = 300, LOOKS = 200 };

static struct sl_cmd_peer_rule rules[MOST];
static unsigned n_rules;
static uint64_t seed = 42;

static uint32_t draw(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static void add(const char *text)
{
	struct sl_prefix p;

	assert_int_equal(sl_prefix_parse(text + 1, &p), 0);
	rules[n_rules++] = (struct sl_cmd_peer_rule){.ip = p.ip, .prefix_len = p.len, .allow = text[0] == '+'};
}

static enum sl_rule_verdict walk(const struct sl_ip *ip)
{
	for (unsigned i = 0; i < n_rules; i++) {
		const struct sl_prefix p = {rules[i].ip, rules[i].prefix_len};
		if (sl_prefix_contains(&p, ip))
			return rules[i].allow ? SL_RULE_ALLOW : SL_RULE_DENY;
	}
	return SL_RULE_SILENT;
}

static struct sl_ip address(const char *text)
{
	struct sl_ip ip;

	assert_int_equal(sl_ip_parse(text, &ip), 0);
	return ip;
}

static void same(const struct sl_turn_rules *r, const struct sl_ip *ip)
{
	char text[SL_ADDR_TEXT_MAX];

	if (sl_turn_rules_look(r, ip) != walk(ip))
		fail_msg("%s: %d instead of %d", sl_ip_text(ip, text), (int)sl_turn_rules_look(r, ip), (int)walk(ip));
}

/* ip, and what is right before and behind it. */
static void same_around(const struct sl_turn_rules *r, const struct sl_ip *ip)
{
	sl_ip_number at = sl_ip_to_number(ip);

	for (int d = -1; d <= 1; d++) {
		sl_ip_number near = at + (sl_ip_number)d;
		struct sl_ip other;
		for (unsigned i = 0; i < 16; i++)
			other.b[i] = (uint8_t)(near >> (120 - 8 * i));
		same(r, &other);
	}
}

static struct sl_turn_rules *cut(void)
{
	struct sl_turn_rules *r = sl_turn_rules_new(rules, n_rules);

	assert_non_null(r);
	for (unsigned i = 0; i < n_rules; i++) {
		struct sl_ip last = rules[i].ip;
		for (unsigned bit = rules[i].prefix_len; bit < 128; bit++)
			last.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
		same_around(r, &rules[i].ip);
		same_around(r, &last);
	}
	return r;
}

static int setup(void **state)
{
	n_rules = 0;
	return 0;
}

static void no_rule_is_silent(void **state)
{
	static const char *const some[] = {"0.0.0.0", "255.255.255.255", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::1"};
	struct sl_turn_rules *r = cut();

	for (unsigned i = 0; i < SL_COUNT(some); i++) {
		struct sl_ip ip = address(some[i]);
		assert_int_equal(sl_turn_rules_look(r, &ip), SL_RULE_SILENT);
	}
	assert_int_equal(r->n, 1);
	sl_turn_rules_free(r);
}

static void the_first_one_decides(void **state)
{
	static const struct {
		const char *ip;
		enum sl_rule_verdict wanted;
	} table[] = {
		{"10.1.2.3", SL_RULE_DENY}, {"10.1.2.4", SL_RULE_ALLOW}, {"10.2.0.1", SL_RULE_ALLOW}, {"10.3.0.1", SL_RULE_ALLOW}, /* the rule of 10/8 is before */
		{"10.255.255.255", SL_RULE_ALLOW}, {"11.0.0.0", SL_RULE_SILENT}, {"9.255.255.255", SL_RULE_SILENT},
		{"2001:db8::1", SL_RULE_DENY}, {"2001:db9::1", SL_RULE_ALLOW}, {"::", SL_RULE_ALLOW}, /* ::/0 holds no IPv4 */
	};
	static const char *const list[] = {"-10.1.2.3/32", "+10.0.0.0/8", "-10.3.0.0/16", "-10.3.0.0/24", "+10.1.0.0/16", "-2001:db8::/32", "+::/0", "-2001:db9::/32"};

	for (unsigned i = 0; i < SL_COUNT(list); i++)
		add(list[i]);
	struct sl_turn_rules *r = cut();
	for (unsigned i = 0; i < SL_COUNT(table); i++) {
		struct sl_ip ip = address(table[i].ip);
		assert_int_equal(sl_turn_rules_look(r, &ip), table[i].wanted);
	}
	sl_turn_rules_free(r);
}

/* Each length inside the one before, the innermost first in the list, then the outermost first. */
static void as_deep_as_it_gets(void **state)
{
	for (unsigned pass = 0; pass < 2; pass++) {
		n_rules = 0;
		for (unsigned i = 0; i <= 128; i++) {
			unsigned len = pass ? i : 128 - i;
			struct sl_ip ip = address("203.0.113.77");
			rules[n_rules++] = (struct sl_cmd_peer_rule){.ip = sl_ip_masked(&ip, len), .prefix_len = (uint8_t)len, .allow = i % 2};
		}
		sl_turn_rules_free(cut());
	}
}

static void any_list(void **state)
{
	for (unsigned list = 0; list < LISTS; list++) {
		n_rules = draw(40);
		for (unsigned i = 0; i < n_rules; i++) {
			unsigned len = draw(2) ? 96 + draw(33) : draw(129);
			struct sl_ip ip = address(len >= 96 && draw(4) ? "10.0.0.0" : "2001:db8::");
			for (unsigned k = 4; k < 16; k++)
				ip.b[k] ^= k < 12 && sl_ip_is_v4(&ip) ? 0 : (uint8_t)(draw(4) << draw(8));
			rules[i] = (struct sl_cmd_peer_rule){.ip = sl_ip_masked(&ip, len), .prefix_len = (uint8_t)len, .allow = draw(2)};
		}
		sl_turn_rules_free(cut());
	}
}

static void a_long_list(void **state)
{
	for (n_rules = 0; n_rules < MOST; n_rules++) {
		struct sl_ip ip = {.b = {[10] = 0xff, [11] = 0xff, [12] = (uint8_t)(1 + draw(3)), [13] = (uint8_t)draw(8), [14] = (uint8_t)draw(256), [15] = (uint8_t)draw(256)}};
		unsigned len = 104 + draw(25);
		rules[n_rules] = (struct sl_cmd_peer_rule){.ip = sl_ip_masked(&ip, len), .prefix_len = (uint8_t)len, .allow = draw(2)};
	}
	struct sl_turn_rules *r = sl_turn_rules_new(rules, n_rules);
	assert_non_null(r);
	for (unsigned i = 0; i < LOOKS; i++)
		same_around(r, &rules[draw(MOST)].ip);
	assert_true(r->n <= 2 * MOST + 3);
	sl_turn_rules_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_rule_is_silent, setup),
		cmocka_unit_test_setup(the_first_one_decides, setup),
		cmocka_unit_test_setup(as_deep_as_it_gets, setup),
		cmocka_unit_test_setup(any_list, setup),
		cmocka_unit_test_setup(a_long_list, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

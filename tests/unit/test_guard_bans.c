/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Bans of single addresses, on the test's clock: they hold until their end and no longer, a table that is full to its promise still takes them all. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/guard/bans.h"

static struct sl_bans b;
static const struct sl_hash_key key = {{7, 1, 9, 4, 4, 8, 2, 0x61, 0x5c}};

static struct sl_guard_ban of(const char *text, unsigned prefix_len, uint32_t seconds)
{
	struct sl_guard_ban ban = {.prefix_len = (uint8_t)prefix_len, .seconds = seconds};

	assert_int_equal(sl_ip_parse(text, &ban.ip), 0);
	return ban;
}

static unsigned has(const char *text, unsigned prefix_len)
{
	struct sl_ip ip;

	assert_int_equal(sl_ip_parse(text, &ip), 0);
	uint64_t hash = sl_bans_hash(&b, &ip, prefix_len);
	sl_bans_prefetch(&b, hash);
	unsigned found = sl_bans_has(&b, hash);
	assert_true(found == 0 || sl_bans_maybe(&b, hash));
	return found;
}

static int setup(void **state)
{
	return sl_bans_init(&b, &key, NULL);
}

static int teardown(void **state)
{
	sl_bans_free(&b, free);
	return 0;
}

static void sweep_all(uint32_t now_s)
{
	sl_bans_sweep(&b, now_s, b.mask + 1);
}

static void who_is_banned_and_nobody_else(void **state)
{
	struct sl_guard_ban four = of("192.0.2.7", 128, 0), six = of("2001:db8::7", 128, 0), net = of("2001:db8:1:2::", 64, 0);

	assert_int_equal(has("192.0.2.7", 128), 0);
	assert_int_equal(sl_bans_add(&b, &four, 100), 0);
	assert_int_equal(sl_bans_add(&b, &six, 100), 0);
	assert_int_equal(sl_bans_add(&b, &net, 100), 0);
	assert_int_equal(b.n, 3);
	assert_int_equal(has("192.0.2.7", 128), 2);
	assert_int_equal(has("192.0.2.8", 128), 0);
	assert_int_equal(has("2001:db8::7", 128), 2);
	assert_int_equal(has("2001:db8::7", 64), 0);
	assert_int_equal(has("2001:db8:1:2:ffff::9", 64), 2);
	assert_int_equal(has("2001:db8:1:2:ffff::9", 128), 0);
	assert_int_equal(has("2001:db8:1:3::9", 64), 0);
	assert_true(sl_bans_remove(&b, &six));
	assert_false(sl_bans_remove(&b, &six));
	assert_int_equal(has("2001:db8::7", 128), 0);
	assert_int_equal(b.n, 2);
	sl_bans_clear(&b);
	assert_int_equal(b.n, 0);
	assert_int_equal(has("192.0.2.7", 128), 0);
}

static void only_whole_addresses_and_customers_nets(void **state)
{
	struct sl_guard_ban bad[] = {of("192.0.2.0", 120, 0), of("192.0.2.7", 64, 0), of("2001:db8::", 48, 0), of("::", 0, 0)};

	for (size_t i = 0; i < SL_COUNT(bad); i++) {
		assert_int_equal(sl_bans_add(&b, &bad[i], 0), -EINVAL);
		assert_false(sl_bans_remove(&b, &bad[i]));
	}
	assert_int_equal(b.n, 0);
}

static void bans_of_strangers_can_become_bans_of_all(void **state)
{
	struct sl_guard_ban ban = of("192.0.2.7", 128, 0);

	ban.strangers = 1;
	assert_int_equal(sl_bans_add(&b, &ban, 0), 0);
	assert_int_equal(has("192.0.2.7", 128), 1);
	ban.strangers = 0;
	assert_int_equal(sl_bans_add(&b, &ban, 0), 0);
	assert_int_equal(has("192.0.2.7", 128), 2);
	assert_int_equal(b.n, 1);
	ban.strangers = 1;
	assert_int_equal(sl_bans_add(&b, &ban, 0), 0);
	assert_int_equal(has("192.0.2.7", 128), 1);
	ban.strangers = 0; /* who unbans need not know */
	assert_true(sl_bans_remove(&b, &ban));
	assert_int_equal(has("192.0.2.7", 128), 0);
}

static void false_positives_expire(void **state)
{
	struct sl_guard_ban ban = of("192.0.2.7", 128, 60), for_ever = of("192.0.2.8", 128, 0);
	uint32_t left = 1;

	assert_int_equal(sl_bans_add(&b, &ban, 1000), 0);
	assert_int_equal(sl_bans_add(&b, &for_ever, 1000), 0);
	sweep_all(1059);
	assert_int_equal(has("192.0.2.7", 128), 2);
	assert_true(sl_bans_find(&b, &ban.ip, 1059, &left));
	assert_int_equal(left, 1);
	assert_false(sl_bans_find(&b, &ban.ip, 1060, &left));
	sweep_all(1060);
	assert_int_equal(has("192.0.2.7", 128), 0);
	assert_int_equal(b.n, 1);
	sweep_all(UINT32_MAX);
	assert_true(sl_bans_find(&b, &for_ever.ip, UINT32_MAX, &left));
	assert_int_equal(left, 0);

	/* The last word about the end counts: later, then sooner. */
	ban.seconds = 60;
	assert_int_equal(sl_bans_add(&b, &ban, 2000), 0);
	assert_int_equal(sl_bans_add(&b, &ban, 2050), 0);
	sweep_all(2100);
	assert_int_equal(has("192.0.2.7", 128), 2);
	ban.seconds = 1;
	assert_int_equal(sl_bans_add(&b, &ban, 2100), 0);
	sweep_all(2101);
	assert_int_equal(has("192.0.2.7", 128), 0);
	/* An end beyond the clock's range is none. */
	ban.seconds = UINT32_MAX;
	assert_int_equal(sl_bans_add(&b, &ban, 2100), 0);
	assert_true(sl_bans_find(&b, &ban.ip, 2101, &left));
	assert_int_equal(left, 0);
}

static void sweeping_goes_round(void **state)
{
	struct sl_guard_ban ban = of("192.0.2.7", 128, 10);

	assert_int_equal(sl_bans_add(&b, &ban, 0), 0);
	for (uint32_t lines = 0; lines <= b.mask; lines += 1000)
		sl_bans_sweep(&b, 10, 1000);
	assert_int_equal(b.n, 0);
}

static void the_ban_that_lasts_longer_is_told(void **state)
{
	struct sl_guard_ban one = of("2001:db8::7", 128, 10), net = of("2001:db8::", 64, 20);
	uint32_t left;

	assert_int_equal(sl_bans_add(&b, &one, 0), 0);
	assert_int_equal(sl_bans_add(&b, &net, 0), 0);
	assert_true(sl_bans_find(&b, &one.ip, 5, &left));
	assert_int_equal(left, 15);
	one.seconds = 0;
	assert_int_equal(sl_bans_add(&b, &one, 5), 0);
	assert_true(sl_bans_find(&b, &one.ip, 5, &left));
	assert_int_equal(left, 0);
	assert_true(sl_bans_find(&b, &net.ip, 19, &left));
	assert_int_equal(left, 1);
}

static struct sl_guard_ban nth(unsigned i)
{
	struct sl_guard_ban ban = {.prefix_len = 128, .seconds = i % 2 ? 30 : 0, .strangers = i % 3 == 0};

	sl_ip_set_v4(&ban.ip, htonl(0x0a000000 + i * 3));
	return ban;
}

/* Beside a model: everything that was promised to fit does, and moving bans between lines loses none of them nor their ends. */
static void full_to_the_promise(void **state)
{
	for (unsigned i = 0; i < SL_GUARD_BANS_MAX; i++) {
		struct sl_guard_ban ban = nth(i);
		assert_int_equal(sl_bans_add(&b, &ban, 0), 0);
	}
	struct sl_guard_ban more = nth(SL_GUARD_BANS_MAX), again = nth(5);
	assert_int_equal(sl_bans_add(&b, &more, 0), -ENOSPC);
	assert_int_equal(sl_bans_add(&b, &again, 0), 0);
	assert_int_equal(b.n, SL_GUARD_BANS_MAX);
	for (unsigned i = 0; i < 2 * SL_GUARD_BANS_MAX; i++) {
		struct sl_guard_ban ban = nth(i);
		unsigned want = i >= SL_GUARD_BANS_MAX ? 0 : ban.strangers ? 1 : 2;
		assert_int_equal(sl_bans_has(&b, sl_bans_hash(&b, &ban.ip, 128)), want);
	}
	sweep_all(30);
	for (unsigned i = 0; i < SL_GUARD_BANS_MAX; i++) {
		struct sl_guard_ban ban = nth(i);
		assert_int_equal(sl_bans_has(&b, sl_bans_hash(&b, &ban.ip, 128)) != 0, ban.seconds == 0);
	}
	assert_int_equal(b.n, SL_GUARD_BANS_MAX / 2);
}

static unsigned maybe_of(unsigned from, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = from; i < from + n; i++) {
		struct sl_guard_ban ban = nth(i);
		found += sl_bans_maybe(&b, sl_bans_hash(&b, &ban.ip, 128));
	}
	return found;
}

/* The filter never hides a ban, while the table grows and shrinks again, and spares nearly all other addresses the look. */
static void the_filter_follows(void **state)
{
	unsigned n = 0;

	assert_int_equal(maybe_of(0, 10000), 0);
	for (unsigned size = 8; size <= SL_GUARD_BANS_MAX; size *= 2) {
		for (; n < size; n++) {
			struct sl_guard_ban ban = nth(n);
			assert_int_equal(sl_bans_add(&b, &ban, 0), 0);
		}
		assert_int_equal(maybe_of(0, n), n);
		assert_true(maybe_of(1000000, 10000) < 10000 / 32);
		sweep_all(0);
		sweep_all(0);
		assert_int_equal(maybe_of(0, n), n);
		assert_true(maybe_of(1000000, 10000) < 10000 / 48);
	}
	for (unsigned i = 100; i < n; i++) {
		struct sl_guard_ban ban = nth(i);
		assert_true(sl_bans_remove(&b, &ban));
	}
	sweep_all(0);
	assert_int_equal(maybe_of(0, 100), 100);
	sweep_all(0);
	assert_int_equal(maybe_of(0, 100), 100);
	assert_int_equal(b.filter_mask, (1 << 13) - 1);
	assert_true(maybe_of(1000000, 10000) < 300);
}

/* A small table, so that lines do fill and bans are moved. */
static void moved_bans_keep_their_ends(void **state)
{
	unsigned in = 0, before_refused = 0;
	uint32_t mask = b.mask;
	bool fits[200];

	b.mask = 15; /* 128 places */
	for (unsigned i = 0; i < SL_COUNT(fits); i++) {
		struct sl_guard_ban ban = nth(i);
		ban.seconds = 1000 + i;
		int rc = sl_bans_add(&b, &ban, 0);
		fits[i] = rc == 0;
		in += fits[i];
		before_refused += in == i + 1;
		assert_true(rc == 0 || rc == -ENOSPC);
	}
	assert_true(before_refused >= 120); /* 111 without moves */
	assert_int_equal(b.n, in);
	for (unsigned i = 0; i < SL_COUNT(fits); i++) {
		struct sl_guard_ban ban = nth(i);
		uint32_t left = 0;
		assert_int_equal(sl_bans_find(&b, &ban.ip, 1, &left), fits[i]);
		assert_int_equal(left, fits[i] ? 999 + i : 0);
	}
	b.mask = mask;
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		test(who_is_banned_and_nobody_else),
		test(only_whole_addresses_and_customers_nets),
		test(bans_of_strangers_can_become_bans_of_all),
		test(false_positives_expire),
		test(sweeping_goes_round),
		test(the_ban_that_lasts_longer_is_told),
		test(full_to_the_promise),
		test(the_filter_follows),
		test(moved_bans_keep_their_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Hash flooding of the control plane's tables: sources crafted by somebody who knows the key all fall into one place; under a key that he does not
 * know the same sources are spread like any others. (The dataplane's tables: test_guard_flooding.c.) */

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/random.h>

#include "controlplane/guard/entries.h"
#include "controlplane/guard/reputation.h"
#include "controlplane/guard/tally.h"
#include "controlplane/guard/trust.h"
#include "controlplane/guard/watch.h"

enum { MANY = 400, MASK = 4095, ADDRESS_BITS = 128, LISTENER = 2, NOW_MS = 1000, LATER_MS = 900000, SPREAD = 64 };

static const struct sl_siphash_key known_key; /* all zero */
static struct sl_siphash_key secret;
static struct sl_ip crafted[MANY];

static int draw_the_secret(void **state)
{
	return getrandom(&secret, sizeof secret, 0) == sizeof secret ? 0 : -1;
}

/* Addresses that all begin at the same place of a table of up to MASK + 1 under the known key. what: the third word that the table hashes; words: 2 or 3. */
static void craft(uint64_t what, unsigned words)
{
	static uint32_t host = 0x0a000000; /* none twice */

	for (unsigned i = 0; i < MANY;) {
		sl_ip_set_v4(&crafted[i], htonl(host++));
		uint64_t text[3] = {crafted[i].q[0], crafted[i].q[1], what};
		i += (sl_siphash(&known_key, text, words * sizeof text[0]) & MASK) == 0;
	}
}

/* The longest row of places in use, which is the longest search. */
#define LONGEST_ROW(size, in_use)                                                 \
	__extension__({                                                           \
		size_t row = 0, most = 0;                                         \
		for (size_t i = 0; i < (size); i++) {                             \
			row = (in_use) ? row + 1 : 0;                             \
			most = row > most ? row : most;                           \
		}                                                                 \
		most;                                                             \
	})

static size_t tally_row(const struct sl_siphash_key *key)
{
	struct sl_tally t;

	sl_tally_init(&t, key);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(sl_tally_add(&t, &crafted[i], ADDRESS_BITS), 0);
	size_t longest = LONGEST_ROW(t.size, t.all[i].n != 0);
	sl_tally_free(&t);
	return longest;
}

static void tallies(void **state)
{
	craft(ADDRESS_BITS, 3);
	assert_int_equal(tally_row(&known_key), MANY);
	assert_true(tally_row(&secret) <= SPREAD);
}

static size_t trust_row(const struct sl_siphash_key *key)
{
	struct sl_trust t;
	bool news;

	sl_trust_init(&t, MANY, key);
	for (unsigned i = 0; i < MANY; i++) {
		struct sl_endpoint e = {.ip = crafted[i], .port_be = htons(5060)};
		assert_non_null(sl_trust_put(&t, &e, LISTENER, LATER_MS, SL_TRUST_HOLD, &news));
	}
	size_t longest = LONGEST_ROW(t.size, t.all[i].until_ms != 0);
	sl_trust_free(&t);
	return longest;
}

static void trusted_sources(void **state)
{
	craft((uint64_t)LISTENER << 16 | htons(5060), 3);
	assert_int_equal(trust_row(&known_key), MANY);
	assert_true(trust_row(&secret) <= SPREAD);
}

static size_t entries_row(const struct sl_siphash_key *key)
{
	struct sl_entries es;

	sl_entries_init(&es, key);
	for (unsigned i = 0; i < MANY; i++) {
		struct sl_entry e = {.prefix = {crafted[i], ADDRESS_BITS}, .kind = SL_WARDEN_BAN, .origin = SL_WARDEN_AUTO, .until_ms = LATER_MS};
		assert_int_equal(sl_entries_put(&es, &e), 0);
	}
	size_t longest = LONGEST_ROW(es.index_size, es.index[i] != 0);
	sl_entries_free(&es);
	return longest;
}

static void entries(void **state)
{
	craft((uint64_t)(2 * SL_WARDEN_BAN) << 32 | ADDRESS_BITS, 3);
	assert_int_equal(entries_row(&known_key), MANY);
	assert_true(entries_row(&secret) <= SPREAD);
}

static unsigned remembered(const struct sl_siphash_key *key)
{
	static const struct sl_reputation_limits limits = {.ban = 100, .half_life_s = 60, .ban_s = 60, .ban_max_s = 600, .weight = {1, 1, 1, 1, 1, 1}};
	struct sl_reputation r;
	unsigned n = 0;

	assert_int_equal(sl_reputation_init(&r, SL_REPUTATION_SETS, key), 0);
	for (unsigned i = 0; i < MANY; i++)
		sl_reputation_note(&r, &limits, &crafted[i], SL_GUARD_SAW_AUTH_FAILED, 1, true, NOW_MS);
	for (unsigned i = 0; i < MANY; i++)
		n += sl_reputation_find(&r, &crafted[i]) != NULL;
	sl_reputation_free(&r);
	return n;
}

static void reputations(void **state)
{
	_Static_assert(SL_REPUTATION_SETS - 1 <= MASK, "what is crafted falls into one set");
	craft(0, 2);
	assert_int_equal(remembered(&known_key), SL_REPUTATION_WAYS);
	assert_int_equal(remembered(&secret), MANY);
}

static size_t watched(const struct sl_siphash_key *key)
{
	static struct sl_warden_over out[MANY];
	struct sl_watch w;
	unsigned seconds;

	assert_int_equal(sl_watch_init(&w, key), 0);
	for (unsigned i = 0; i < MANY; i++) {
		struct sl_evt_guard_source e = {.ip = crafted[i], .prefix_len = ADDRESS_BITS, .level = SL_GUARD_SOURCE, .change = SL_GUARD_OVER,
			.guard_class = SL_GUARD_SIP, .listener = LISTENER};
		sl_watch_event(&w, &e, NOW_MS, &seconds);
	}
	size_t n = sl_watch_list(&w, out, MANY, NOW_MS);
	sl_watch_free(&w);
	return n;
}

static void sources_over_a_limit(void **state)
{
	craft((uint64_t)SL_GUARD_SIP << 32 | LISTENER << 8 | ADDRESS_BITS, 3);
	assert_int_equal(watched(&known_key), SL_WATCH_WAYS);
	assert_true(watched(&secret) >= MANY * 99 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tallies),
		cmocka_unit_test(trusted_sources),
		cmocka_unit_test(entries),
		cmocka_unit_test(reputations),
		cmocka_unit_test(sources_over_a_limit),
	};
	return cmocka_run_group_tests(tests, draw_the_secret, NULL);
}

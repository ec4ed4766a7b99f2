/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Hash flooding: addresses crafted by somebody who knows the key all fall into a few lines; under a key that he does not know the same addresses
 * are spread like any others. The tables themselves are what is looked at: what still finds a place, and how full the fullest line is. */

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <sys/random.h>

#include "dataplane/guard/again.h"
#include "dataplane/guard/bans.h"
#include "dataplane/guard/limiter.h"
#include "dataplane/guard/marks.h"
#include "dataplane/guard/signals.h"
#include "dataplane/session/known.h"

enum { MANY = 10000 };

static const struct sl_hash_key known_key; /* all zero */
static struct sl_hash_key secret;
static struct sl_ip crafted[MANY];

static int draw_the_secret(void **state)
{
	return getrandom(secret.b, sizeof secret.b, 0) == sizeof secret.b ? 0 : -1;
}

/* None twice. */
static uint32_t next_address(void)
{
	static uint32_t host = 0x0a000000;

	return htonl(host++);
}

#ifdef __AES__
static struct sl_prng rnd = {.key = {0xf100d, 1}};

static __m128i round_back(__m128i a, __m128i key)
{
	return _mm_aesdeclast_si128(_mm_aesimc_si128(_mm_xor_si128(a, key)), _mm_setzero_si128());
}

/* sl_guard_hash() run backwards: an IPv6 address whose hash, under a key that is known, is `hash`. */
static struct sl_ip address_for(const struct sl_hash_key *key, uint64_t hash, uint64_t what)
{
	__m128i k0 = _mm_load_si128((const __m128i *)key->b), k1 = _mm_load_si128((const __m128i *)(key->b + 16));
	__m128i a = _mm_set_epi64x((long long)sl_prng_next(&rnd), (long long)hash);
	struct sl_ip ip;

	a = round_back(a, k0);
	a = round_back(a, k1);
	a = round_back(a, _mm_xor_si128(_mm_cvtsi64_si128((long long)what), k1));
	_mm_storeu_si128((__m128i *)&ip, _mm_xor_si128(a, k0));
	assert_true(sl_guard_hash(key, &ip, what) == hash);
	return ip;
}

/* Hashes that differ, and agree wherever any table of up to 2^16 lines takes its lines from. */
static uint64_t colliding(unsigned i)
{
	return (uint64_t)(i + 1) << 48 | UINT64_C(0x0000123456789abc);
}

static unsigned longest_line(const _Atomic uint64_t *word, uint32_t lines, unsigned ways)
{
	unsigned longest = 0;

	for (uint32_t l = 0; l < lines; l++) {
		unsigned n = 0;
		for (unsigned i = 0; i < ways; i++)
			n += word[(size_t)l * ways + i] != 0;
		longest = n > longest ? n : longest;
	}
	return longest;
}

static unsigned bans_placed(const struct sl_hash_key *key, unsigned *longest)
{
	struct sl_bans b;
	unsigned placed = 0;

	assert_int_equal(sl_bans_init(&b, key, NULL), 0);
	for (unsigned i = 0; i < MANY; i++) {
		struct sl_guard_ban ban = {.ip = crafted[i], .prefix_len = 128};
		placed += sl_bans_add(&b, &ban, 0) == 0;
	}
	*longest = longest_line(b.prints, b.mask + 1, SL_BANS_WAYS);
	sl_bans_free(&b, free);
	return placed;
}

static void bans(void **state)
{
	unsigned longest;

	for (unsigned i = 0; i < MANY; i++)
		crafted[i] = address_for(&known_key, colliding(i), 128);
	assert_true(bans_placed(&known_key, &longest) <= 2 * SL_BANS_WAYS);
	assert_int_equal(longest, SL_BANS_WAYS);
	assert_int_equal(bans_placed(&secret, &longest), MANY);
	assert_true(longest <= 5); /* the emptier of two lines, at a load of 0.6 a line */
}

static unsigned marks_placed(const struct sl_hash_key *key, unsigned *longest)
{
	struct sl_marks m;
	unsigned placed = 0;

	assert_int_equal(sl_marks_init(&m, 1 << 17, key, 0, NULL), 0);
	for (unsigned i = 0; i < MANY; i++) {
		struct sl_guard_mark mark = {.remote = {crafted[i], htons(5060)}, .listener = 2, .trust = SL_GUARD_IS_FINAL, .seconds = 60};
		placed += sl_marks_set(&m, &mark, 0);
	}
	*longest = longest_line(m.words, m.mask + 1, SL_MARKS_WAYS);
	sl_marks_free(&m, free);
	return placed;
}

static void marks(void **state)
{
	unsigned longest;

	for (unsigned i = 0; i < MANY; i++)
		crafted[i] = address_for(&known_key, colliding(i), (uint32_t)htons(5060) << 16 | 2);
	assert_true(marks_placed(&known_key, &longest) <= 2 * SL_MARKS_WAYS);
	assert_int_equal(longest, SL_MARKS_WAYS);
	assert_int_equal(marks_placed(&secret, &longest), MANY);
	assert_true(longest <= 5);
}

/* Of MANY sources that come twice, how many are known to have come before. */
static unsigned come_again(const struct sl_hash_key *key)
{
	enum { FIRST_MS = 1000000, AGAIN_MS = 500 };
	struct sl_again a;
	unsigned n = 0;

	assert_int_equal(sl_again_init(&a, 4 << 20, NULL), 0);
	for (unsigned i = 0; i < MANY; i++)
		sl_again(&a, sl_guard_hash(key, &crafted[i], 0), FIRST_MS);
	for (unsigned i = 0; i < MANY; i++)
		n += sl_again(&a, sl_guard_hash(key, &crafted[i], 0), FIRST_MS + AGAIN_MS);
	free(a.buckets);
	return n;
}

static void who_comes_again(void **state)
{
	for (unsigned i = 0; i < MANY; i++)
		crafted[i] = address_for(&known_key, colliding(i), 0);
	assert_true(come_again(&known_key) <= SL_AGAIN_WAYS); /* one bucket */
	assert_true(come_again(&secret) >= MANY * 97 / 100);
}
#endif

/* Of FEW sources that misbehave, how many are kept until they are told. */
enum { FEW = 128 };
static unsigned signals_kept(const struct sl_hash_key *key)
{
	static struct sl_signals s;

	s = (struct sl_signals){.key = *key};
	for (unsigned i = 0; i < FEW; i++)
		sl_signals_note(&s, &crafted[i], SL_GUARD_SAW_AUTH_FAILED);
	return s.n;
}

static void signals(void **state)
{
	for (unsigned i = 0; i < FEW;) {
		sl_ip_set_v4(&crafted[i], next_address());
		i += sl_guard_hash(&known_key, &crafted[i], 0) % SL_SIGNALS_SETS == 0;
	}
	assert_int_equal(signals_kept(&known_key), SL_SIGNALS_WAYS);
	assert_true(signals_kept(&secret) >= FEW * 3 / 4);
}

/* Of MANY sources that send a packet each, how many are remembered. */
static unsigned sources_remembered(const struct sl_hash_key *key, struct sl_limiter *l)
{
	struct sl_guard_rule rule = {.pps = {100}};
	struct sl_limiter_rate rate;
	unsigned n = 0;

	assert_int_equal(sl_limiter_init(l, 1 << 16, key, NULL), 0);
	sl_limiter_rate(&rate, &rule);
	sl_limiter_now(l, 1000000);
	for (unsigned i = 0; i < MANY; i++) {
		struct sl_limiter_key k;
		sl_limiter_locate(l, &rate, 0, &crafted[i], true, &k);
		sl_limiter_charge(l, &rate, &k);
	}
	for (unsigned i = 0; i < MANY; i++)
		n += sl_limiter_load(l, 0, SL_GUARD_SOURCE, &crafted[i]) != 0;
	return n;
}

static void limiter_lines(void **state)
{
	enum { LINES = 8 }; /* of 8192 */
	struct sl_guard_rule rule = {.pps = {100}};
	struct sl_limiter_rate rate;
	struct sl_limiter l;

	sl_limiter_rate(&rate, &rule);
	assert_int_equal(sl_limiter_init(&l, 1 << 16, &known_key, NULL), 0);
	for (unsigned i = 0; i < MANY;) {
		struct sl_limiter_key k;
		sl_ip_set_v4(&crafted[i], next_address());
		sl_limiter_locate(&l, &rate, 0, &crafted[i], true, &k);
		i += (k.hash[SL_GUARD_SOURCE] & l.mask[SL_GUARD_SOURCE]) < LINES;
	}
	sl_limiter_free(&l, free);
	assert_true(sources_remembered(&known_key, &l) <= LINES * SL_LIMITER_WAYS);
	sl_limiter_free(&l, free);
	assert_true(sources_remembered(&secret, &l) >= MANY * 999 / 1000);
	unsigned longest = 0;
	for (uint32_t line = 0; line <= l.mask[SL_GUARD_SOURCE]; line++) {
		unsigned n = 0;
		for (unsigned i = 0; i < SL_LIMITER_WAYS; i++)
			n += l.lines[SL_GUARD_SOURCE][line].tag[i] != 0;
		longest = n > longest ? n : longest;
	}
	assert_in_range(longest, 5, SL_LIMITER_WAYS);
	sl_limiter_free(&l, free);
}

static unsigned flows_found(const struct sl_hash_key *key)
{
	struct sl_known k;
	unsigned n = 0;

	assert_int_equal(sl_known_init(&k, 1, MANY, key, NULL), 0);
	for (int pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < MANY; i++) {
			struct sl_flow f = {.ip = crafted[i], .port_be = htons(40000), .transport = IPPROTO_UDP};
			uint64_t hash = sl_known_hash_client(&k, &f);
			if (pass == 0)
				sl_known_add(&k, 0, hash);
			else
				n += sl_known_has(&k, 0, hash);
		}
	}
	free(k.slots);
	return n;
}

static void known_flows(void **state)
{
	enum { BUCKETS = 8 }; /* of 2048 */
	struct sl_known k;

	assert_int_equal(sl_known_init(&k, 1, MANY, &known_key, NULL), 0);
	for (unsigned i = 0; i < MANY;) {
		sl_ip_set_v4(&crafted[i], next_address());
		struct sl_flow f = {.ip = crafted[i], .port_be = htons(40000), .transport = IPPROTO_UDP};
		i += ((uint32_t)sl_known_hash_client(&k, &f) & k.mask) < BUCKETS;
	}
	free(k.slots);
	/* Those in full buckets that share 16 bits with one inside are found, too: 5 or so. */
	assert_true(flows_found(&known_key) <= BUCKETS * SL_KNOWN_BUCKET_SLOTS + MANY / 200);
	assert_true(flows_found(&secret) >= MANY * 999 / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef __AES__
		cmocka_unit_test(bans),
		cmocka_unit_test(marks),
		cmocka_unit_test(who_comes_again),
#endif
		cmocka_unit_test(signals),
		cmocka_unit_test(limiter_lines),
		cmocka_unit_test(known_flows),
	};
	return cmocka_run_group_tests(tests, draw_the_secret, NULL);
}

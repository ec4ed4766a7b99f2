/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The index of known flows: what was added is found, what was removed is not, and full buckets do no harm. */

#include "tests/unit/unit.h"

#include <stdlib.h>

#include "dataplane/session/known.h"

enum { WORKERS = 2, FLOWS = 2000 };
static struct sl_known k;
static const struct sl_hash_key key = {{1, 2, 3}};

static struct sl_flow flow(unsigned i)
{
	struct sl_flow f = {.port_be = (uint16_t)i, .transport = 17};

	sl_ip_set_v4(&f.ip, htonl(0x0a000000 + i));
	return f;
}

static void add_find_remove(void **state)
{
	unsigned found = 0;

	assert_int_equal(sl_known_init(&k, WORKERS, FLOWS, &key, NULL), 0);
	for (unsigned i = 0; i < FLOWS; i++) {
		struct sl_flow f = flow(i);
		sl_known_add(&k, 1, sl_known_hash_client(&k, &f));
	}
	for (unsigned i = 0; i < FLOWS; i++) {
		struct sl_flow f = flow(i);
		found += sl_known_has(&k, 1, sl_known_hash_client(&k, &f));
		assert_false(sl_known_has(&k, 0, sl_known_hash_client(&k, &f)));
	}
	assert_true(found >= FLOWS * 999 / 1000);
	for (unsigned i = 0; i < FLOWS; i++) {
		struct sl_flow f = flow(i);
		sl_known_remove(&k, 1, sl_known_hash_client(&k, &f));
		assert_false(sl_known_has(&k, 1, sl_known_hash_client(&k, &f)));
	}
	free(k.slots);
}

static void a_full_bucket_takes_no_more(void **state)
{
	assert_int_equal(sl_known_init(&k, 1, 1, &key, NULL), 0);
	for (uint64_t i = 1; i <= 100; i++)
		sl_known_add(&k, 0, i << 32);
	assert_true(sl_known_has(&k, 0, UINT64_C(1) << 32));
	assert_false(sl_known_has(&k, 0, UINT64_C(100) << 32));
	sl_known_remove(&k, 0, UINT64_C(100) << 32);
	for (uint64_t i = 1; i <= SL_KNOWN_BUCKET_SLOTS; i++)
		assert_true(sl_known_has(&k, 0, i << 32));
	free(k.slots);
}

static void peers_differ_by_relay_endpoint(void **state)
{
	struct sl_ip ip;

	assert_int_equal(sl_known_init(&k, 1, 100, &key, NULL), 0);
	sl_ip_parse("2001:db8::7", &ip);
	sl_known_add(&k, 0, sl_known_hash_peer(&k, &ip, 1, 500));
	assert_true(sl_known_has(&k, 0, sl_known_hash_peer(&k, &ip, 1, 500)));
	assert_false(sl_known_has(&k, 0, sl_known_hash_peer(&k, &ip, 0, 500)));
	assert_false(sl_known_has(&k, 0, sl_known_hash_peer(&k, &ip, 1, 501)));
	free(k.slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(add_find_remove),
		cmocka_unit_test(a_full_bucket_takes_no_more),
		cmocka_unit_test(peers_differ_by_relay_endpoint),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

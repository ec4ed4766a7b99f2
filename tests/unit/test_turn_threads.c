/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What TURN shares between workers, with two real ones on it: lent ports and quotas. For TSan, too. */

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/path/turn_quota.h"
#include "dataplane/path/turn_reservation.h"
#include "dataplane/wire/siphash.h"

enum { ROUNDS = 20000, MIN = 49152, MAX = 49152 + 511 };
static struct sl_port_shared shared;
static struct sl_relay_ports ports[2];
static struct sl_turn_reservations reservations;
static _Atomic uint64_t offered; /* a token, 0 = none */
static _Atomic bool done;
static unsigned redeemed;

static void *zalloc(const char *what, size_t bytes)
{
	return calloc(1, bytes);
}

static void *redeemer(void *arg)
{
	while (!atomic_load(&done)) {
		uint64_t token = atomic_exchange(&offered, 0);
		uint8_t bytes[8];
		unsigned relay;
		uint16_t port;
		memcpy(bytes, &token, 8);
		if (token == 0 || !sl_turn_reservation_peek(&reservations, bytes, 0, &relay, &port) ||
			!sl_turn_redeem(&reservations, &ports[1], bytes, 0))
			continue;
		redeemed++;
		if (sl_port_owner(&shared, relay, port) != 1)
			abort();
		sl_port_give_back(&ports[1], relay, port);
	}
	return NULL;
}

static void ports_are_lent_and_come_back(void **state)
{
	struct sl_prng prng = {.key = {1, 2}};
	pthread_t thread;
	unsigned expired = 0;

	assert_int_equal(sl_port_shared_init(&shared, 2, 1, NULL), 0);
	for (unsigned w = 0; w < 2; w++)
		assert_int_equal(sl_relay_ports_init(&ports[w], &shared, w, MIN, MAX, NULL), 0);
	assert_int_equal(sl_turn_reservations_init(&reservations, 2, zalloc), 0);
	assert_int_equal(pthread_create(&thread, NULL, redeemer, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint8_t token[8];
		uint64_t value;
		int port = sl_port_draw(&ports[0], &prng, 0, SL_PORT_PAIR);
		if (port > 0) {
			assert_true(sl_turn_reserve(&reservations, &ports[0], &prng, 0, (uint16_t)(port + 1), 0, token));
			sl_port_give_back(&ports[0], 0, (uint16_t)port);
			memcpy(&value, token, 8);
			atomic_store(&offered, value);
		}
		/* Now and then everything expires while the other redeems. */
		if (i % 64 == 63) {
			unsigned before = ports[0].n_lent;
			sl_turn_reservations_expire(&reservations, &ports[0], SL_RESERVATION_S);
			expired += before - ports[0].n_lent;
		}
		sl_ports_sweep(&ports[0]);
	}
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	sl_turn_reservations_expire(&reservations, &ports[0], SL_RESERVATION_S);
	sl_ports_sweep(&ports[0]);
	assert_int_equal(ports[0].n_free[0], 256);
	assert_int_equal(ports[0].n_lent, 0);
	assert_true(redeemed > 0 && expired > 0);
	for (unsigned w = 0; w < 2; w++) {
		free(ports[w].alloc);
		free(ports[w].used);
	}
	free(shared.owner);
	free(reservations.entries);
}

static struct sl_turn_quota quota;

static void *take_and_give(void *arg)
{
	struct sl_prng prng = {.key = {(uint64_t)(uintptr_t)arg, 1}};
	unsigned held[16] = {0};

	for (unsigned i = 0; i < 10 * ROUNDS; i++) {
		unsigned user = (unsigned)(sl_prng_next(&prng) % 16);
		uint64_t hash = (user + 1) * UINT64_C(0x9e3779b97f4a7c15);
		if (sl_prng_next(&prng) % 2) {
			held[user] += sl_turn_quota_take(&quota, hash, 3);
		} else if (held[user] > 0) {
			sl_turn_quota_give(&quota, hash);
			held[user]--;
		}
	}
	for (unsigned user = 0; user < 16; user++) {
		for (; held[user] > 0; held[user]--)
			sl_turn_quota_give(&quota, (user + 1) * UINT64_C(0x9e3779b97f4a7c15));
	}
	return NULL;
}

static void quotas_add_up(void **state)
{
	pthread_t thread;

	assert_int_equal(sl_turn_quota_init(&quota, 100, zalloc), 0);
	assert_int_equal(pthread_create(&thread, NULL, take_and_give, (void *)7), 0);
	take_and_give((void *)8);
	pthread_join(thread, NULL);
	for (uint32_t i = 0; i <= quota.mask; i++)
		assert_int_equal(quota.words[i], 0);
	free(quota.words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_lent_and_come_back),
		cmocka_unit_test(quotas_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

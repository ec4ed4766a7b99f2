/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Relay ports: unpredictable, only from own blocks, in pairs, lent and returned. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/session/flow.h"
#include "dataplane/session/ports.h"
#include "dataplane/wire/siphash.h"

enum { MIN = 49152, MAX = 50431, RELAYS = 2 }; /* five blocks */
static struct sl_port_shared shared;
static struct sl_relay_ports p[2];
static struct sl_prng prng = {.key = {7, 9}};

static int setup(void **state)
{
	int rc = sl_port_shared_init(&shared, 2, RELAYS, NULL);

	for (unsigned w = 0; w < 2 && rc == 0; w++)
		rc = sl_relay_ports_init(&p[w], &shared, w, MIN, MAX, NULL);
	return rc;
}

static int teardown(void **state)
{
	for (unsigned w = 0; w < 2; w++) {
		free(p[w].alloc);
		free(p[w].used);
	}
	free(shared.owner);
	return 0;
}

static void sweep_all(struct sl_relay_ports *ports)
{
	for (unsigned i = 0; i < 20; i++)
		sl_ports_sweep(ports);
}

static void draws_every_own_port_once(void **state)
{
	static uint8_t seen[65536];
	unsigned n = p[0].n_free[0], in_order = 0;
	int last = 0;

	memset(seen, 0, sizeof seen);
	assert_int_equal(n + p[1].n_free[0], MAX - MIN + 1);
	for (unsigned i = 0; i < n; i++) {
		int port = sl_port_draw(&p[0], &prng, 0, SL_PORT_ANY);
		assert_true(port >= MIN && port <= MAX);
		assert_int_equal((port >> SL_PORT_BLOCK_SHIFT) % 2, 0);
		assert_int_equal(sl_port_owner(&shared, 0, (uint16_t)port), 0);
		assert_int_equal(seen[port]++, 0);
		in_order += port == last + 1;
		last = port;
	}
	assert_true(in_order < n / 2); /* a sequence could be foreseen */
	assert_int_equal(sl_port_draw(&p[0], &prng, 0, SL_PORT_ANY), -ENOSPC);
	assert_true(sl_port_draw(&p[0], &prng, 1, SL_PORT_ANY) > 0);
	sl_port_give_back(&p[0], 0, 49160);
	assert_int_equal(sl_port_draw(&p[0], &prng, 0, SL_PORT_EVEN), 49160);
}

static void even_ports_and_pairs(void **state)
{
	unsigned n = p[1].n_free[0];

	for (unsigned i = 0; i < n / 2; i++) {
		int port = sl_port_draw(&p[1], &prng, 0, i % 2 ? SL_PORT_PAIR : SL_PORT_EVEN);
		assert_true(port > 0 && port % 2 == 0);
	}
	assert_int_equal(sl_port_draw(&p[1], &prng, 0, SL_PORT_EVEN), -ENOSPC);
	assert_int_equal(p[1].n_free[0], n / 4);
	int odd = sl_port_draw(&p[1], &prng, 0, SL_PORT_ANY);
	assert_int_equal(odd % 2, 1);
	/* Free again the even half of a pair whose odd half is taken: no pair, but an even port. */
	sl_port_give_back(&p[1], 0, (uint16_t)(odd - 1));
	assert_int_equal(sl_port_draw(&p[1], &prng, 0, SL_PORT_PAIR), -ENOSPC);
	assert_int_equal(sl_port_draw(&p[1], &prng, 0, SL_PORT_EVEN), odd - 1);
}

static void lent_to_another_worker_and_returned(void **state)
{
	unsigned n = p[0].n_free[0];
	int port = sl_port_draw(&p[0], &prng, 0, SL_PORT_PAIR);
	uint16_t second = (uint16_t)(port + 1);

	sl_port_reserve(&p[0], 0, second);
	assert_int_equal(sl_port_owner(&shared, 0, second), 0);
	assert_true(sl_port_borrow(&p[1], 0, second));
	assert_false(sl_port_borrow(&p[0], 0, second));
	assert_false(sl_port_unreserve(&p[0], 0, second));
	assert_int_equal(sl_port_owner(&shared, 0, second), 1);
	sweep_all(&p[0]);
	assert_int_equal(p[0].n_free[0], n - 2);
	sl_port_give_back(&p[1], 0, second);
	assert_int_equal(sl_port_owner(&shared, 0, second), 0);
	sweep_all(&p[0]);
	assert_int_equal(p[0].n_free[0], n - 1);
	assert_int_equal(p[0].n_lent, 0);
	sl_port_give_back(&p[0], 0, (uint16_t)port);
	assert_int_equal(p[0].n_free[0], n);
}

static void reserved_and_redeemed_at_home_or_expired(void **state)
{
	unsigned n = p[0].n_free[1];
	int port = sl_port_draw(&p[0], &prng, 1, SL_PORT_PAIR);

	sl_port_reserve(&p[0], 1, (uint16_t)(port + 1));
	assert_true(sl_port_borrow(&p[0], 1, (uint16_t)(port + 1)));
	sl_port_give_back(&p[0], 1, (uint16_t)(port + 1));
	assert_int_equal(p[0].n_free[1], n - 1);
	assert_int_equal(p[0].n_lent, 0);
	port = sl_port_draw(&p[0], &prng, 1, SL_PORT_PAIR);
	sl_port_reserve(&p[0], 1, (uint16_t)(port + 1));
	assert_true(sl_port_unreserve(&p[0], 1, (uint16_t)(port + 1)));
	assert_int_equal(p[0].n_lent, 0);
	assert_int_equal(p[0].n_free[1], n - 2);
}

static void restored_ports_are_never_given_twice(void **state)
{
	/* Worker 1 restores a port of worker 0's block; worker 0 restores one of its own. */
	assert_true(sl_port_claim(&p[1], 0, 49152 + 3));
	assert_false(sl_port_claim(&p[0], 0, 49152 + 3));
	assert_true(sl_port_claim(&p[0], 0, 49152 + 4));
	assert_false(sl_port_claim(&p[1], 0, 49152 + 4));
	assert_false(sl_port_claim(&p[0], 0, MIN - 1));
	assert_false(sl_port_claim(&p[0], 0, MAX + 1));
	assert_false(sl_port_claim(&p[0], RELAYS, MIN));
	for (int port; (port = sl_port_draw(&p[0], &prng, 0, SL_PORT_ANY)) > 0;)
		assert_true(port != 49152 + 3 && port != 49152 + 4);
	/* Both come back in the end. */
	sl_port_give_back(&p[1], 0, 49152 + 3);
	sl_port_give_back(&p[0], 0, 49152 + 4);
	sweep_all(&p[0]);
	assert_int_equal(p[0].n_free[0], 2);
	assert_int_equal(p[0].n_lent, 0);
}

static void returned_before_the_owner_noticed(void **state)
{
	unsigned n = p[0].n_free[0];

	assert_true(sl_port_claim(&p[1], 0, 49152 + 8));
	sl_port_give_back(&p[1], 0, 49152 + 8);
	for (unsigned i = 0; i < n; i++)
		assert_true(sl_port_draw(&p[0], &prng, 0, SL_PORT_ANY) > 0);
	assert_int_equal(p[0].n_lent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(draws_every_own_port_once, setup, teardown),
		cmocka_unit_test_setup_teardown(even_ports_and_pairs, setup, teardown),
		cmocka_unit_test_setup_teardown(lent_to_another_worker_and_returned, setup, teardown),
		cmocka_unit_test_setup_teardown(reserved_and_redeemed_at_home_or_expired, setup, teardown),
		cmocka_unit_test_setup_teardown(restored_ports_are_never_given_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(returned_before_the_owner_noticed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

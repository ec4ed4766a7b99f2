/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What TURN shares between workers, with two real ones on it: lent ports and quotas. For TSan, too. */

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/path/turn_bandwidth.h"
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

static void *pieces[8];
static unsigned n_pieces;
static void *aligned(const char *what, size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

	assert_non_null(p);
	return pieces[n_pieces++] = memset(p, 0, bytes);
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

/* ---- snapshots: made by one thread, read and freed by another, with users in common ---- */

static _Atomic(struct sl_turn_conf *) handed;
static atomic_bool over;

static void *read_and_free(void *arg)
{
	unsigned found = 0;

	while (!atomic_load(&over)) {
		struct sl_turn_conf *c = atomic_exchange(&handed, NULL);
		if (!c)
			continue;
		for (char name = 'a'; name <= 'z'; name++)
			found += sl_turn_conf_user(c, 0, &name, 1) != NULL;
		sl_turn_conf_free(c);
	}
	return (void *)(uintptr_t)found;
}

static void apply(struct sl_turn_conf_builder *b, const struct sl_command *cmd)
{
	struct sl_turn_conf *next;
	char text[100];

	(void)sl_turn_conf_apply(b, cmd, &next, text, sizeof text);
	if (!next)
		next = sl_turn_conf_builder_flush(b);
	sl_turn_conf_free(next ? atomic_exchange(&handed, next) : NULL);
}

static void snapshots_share_users(void **state)
{
	static const uint32_t first[] = {SL_CMD_CONFIG_BEGIN, SL_CMD_TURN_CONFIG, SL_CMD_TURN_REALM, SL_CMD_CONFIG_COMMIT};
	struct sl_turn_conf_builder *b = sl_turn_conf_builder_new();
	struct sl_prng prng = {.key = {3, 1}};
	pthread_t thread;
	void *found;

	assert_non_null(b);
	for (unsigned i = 0; i < 4; i++) {
		struct sl_command cmd = {.h.type = first[i]};
		if (first[i] == SL_CMD_TURN_REALM)
			strcpy(cmd.realm.name, "example.org");
		apply(b, &cmd);
	}
	assert_int_equal(pthread_create(&thread, NULL, read_and_free, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct sl_command cmd = {.h.type = sl_prng_next(&prng) % 3 ? SL_CMD_USER_SET : SL_CMD_USER_DELETE, .user.name_len = 1};
		cmd.user.name[0] = (char)('a' + sl_prng_next(&prng) % 26);
		apply(b, &cmd);
	}
	atomic_store(&over, true);
	pthread_join(thread, &found);
	assert_int_not_equal((uintptr_t)found, 0);
	sl_turn_conf_free(atomic_exchange(&handed, NULL));
	sl_turn_conf_builder_free(b);
}

/* ---- bandwidth: two workers and one limit ---- */

enum { LIMIT_KBPS = 8000, LEN = 1000, SECONDS = 3, A_SECOND = LIMIT_KBPS / 8 * 1000 / LEN };
static struct sl_turn_conf *limited;
static struct sl_turn_bandwidth_worker *in_hand[2];
static _Atomic uint64_t clock_us, seen_us;

static void no_event(void *ctx, const struct sl_evt_turn_quota *e)
{
}

/* Worker 0 moves the clock on; the other one is at most 100 ms behind, as the watchdog would see to. */
static void *send_all(void *arg)
{
	unsigned w = (unsigned)(uintptr_t)arg, passed[2] = {0};

	for (uint64_t now = 0; now < SECONDS * 1000000;) {
		for (unsigned user = 0; user < 2; user++) {
			const struct sl_turn_traffic t = {.user = 7 + user, .realm = 0, .direction = user == 0, .len = LEN, .username = ""};
			passed[user] += sl_turn_bandwidth_take(in_hand[w], limited, &t, now);
		}
		sl_turn_bandwidth_tick(in_hand[w], limited, now);
		if (w == 1)
			atomic_store(&seen_us, now);
		else if (atomic_load(&clock_us) < atomic_load(&seen_us) + 100000)
			atomic_fetch_add(&clock_us, 50);
		now = atomic_load(&clock_us);
	}
	if (w == 1)
		atomic_store(&seen_us, SECONDS * UINT64_C(1000000));
	return (void *)(uintptr_t)(passed[0] | (uint64_t)passed[1] << 32);
}

static void workers_share_a_limit(void **state)
{
	static const uint32_t draft[] = {SL_CMD_CONFIG_BEGIN, SL_CMD_TURN_CONFIG, SL_CMD_TURN_REALM, SL_CMD_CONFIG_COMMIT};
	struct sl_turn_conf_builder *b = sl_turn_conf_builder_new();
	struct sl_turn_bandwidths *all;
	pthread_t thread;
	void *theirs;
	char text[100];

	assert_non_null(b);
	for (unsigned i = 0; i < 4; i++) {
		struct sl_command cmd = {.h.type = draft[i]};
		if (draft[i] == SL_CMD_TURN_CONFIG)
			cmd.turn.node = (struct sl_turn_bandwidth){.hard_kbps = {0, LIMIT_KBPS}, .soft_kbps = {1000, 1000}};
		if (draft[i] == SL_CMD_TURN_REALM)
			cmd.realm.user = (struct sl_turn_bandwidth){.hard_kbps = {LIMIT_KBPS, 0}, .soft_kbps = {1000, 0}};
		assert_int_equal(sl_turn_conf_apply(b, &cmd, &limited, text, sizeof text), 0);
	}
	assert_int_equal(sl_turn_bandwidths_init(&all, 100, aligned), 0);
	for (unsigned w = 0; w < 2; w++)
		in_hand[w] = sl_turn_bandwidth_worker_new(all, w, no_event, NULL, aligned);
	assert_int_equal(pthread_create(&thread, NULL, send_all, (void *)1), 0);
	uint64_t passed = (uintptr_t)send_all((void *)0);
	pthread_join(thread, &theirs);
	for (unsigned i = 0; i < 2; i++) { /* the node's to clients, a user's to peers: a second's worth more than what came in the time */
		uint64_t n = (uint32_t)(passed >> 32 * i) + (uint64_t)(uint32_t)((uintptr_t)theirs >> 32 * i);
		assert_in_range(n, SECONDS * A_SECOND, (SECONDS + 1) * A_SECOND + 20);
	}
	sl_turn_conf_free(limited);
	sl_turn_conf_builder_free(b);
	for (unsigned i = 0; i < n_pieces; i++)
		free(pieces[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_lent_and_come_back),
		cmocka_unit_test(quotas_add_up),
		cmocka_unit_test(snapshots_share_users),
		cmocka_unit_test(workers_share_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

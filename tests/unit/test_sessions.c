/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* One worker's tables against a model: flows, peers, channels and the inline cache of channels. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/session/alloc.h"
#include "dataplane/session/internal.h"

enum { ALLOCS = 3000, PEERS = 6000, PORT_MIN = 49152, PORT_MAX = 65535 };
static struct sl_sessions s;
static struct sl_port_shared shared;
static struct sl_known known;
static const struct sl_ip relay = {.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 2}};
static const struct sl_endpoint listener = {.ip = {.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}}, .port_be = 1};
static const struct sl_cold_auth auth = {.key_len = 16, .username_len = 1, .username = "u"};

static struct sl_sessions_params params(void)
{
	return (struct sl_sessions_params){
		.n_allocs = ALLOCS,
		.n_peers = PEERS,
		.n_workers = 1,
		.n_relay = 1,
		.port_min = PORT_MIN,
		.port_max = PORT_MAX,
		.listeners = &listener,
		.n_listeners = 1,
		.relay = &relay,
		.now_s = 100,
		.known = &known,
		.port_shared = &shared,
		.seed = {11, 12, 13, 14},
	};
}

static int setup(void **state)
{
	struct sl_sessions_params p = params();
	struct sl_hash_key key = {{1}};

	return sl_known_init(&known, 1, ALLOCS + PEERS, &key, NULL) || sl_port_shared_init(&shared, 1, 1, NULL) ||
		sl_sessions_init(&s, &p);
}

static int teardown(void **state)
{
	sl_sessions_free(&s, free);
	free(shared.owner);
	free(known.slots);
	return 0;
}

static struct sl_flow flow(uint32_t i)
{
	struct sl_flow f = {.port_be = (uint16_t)(i * 7), .transport = 17};

	sl_ip_set_v4(&f.ip, htonl(0x0b000000 + i));
	return f;
}

static struct sl_endpoint peer(uint32_t i, uint16_t port)
{
	struct sl_endpoint ep = {.port_be = htons(port)};

	sl_ip_set_v4(&ep.ip, htonl(0xcb007100 + i));
	return ep;
}

static uint32_t create(uint32_t i, uint32_t now_s, uint32_t lifetime_s)
{
	struct sl_flow f = flow(i);
	int port = sl_port_draw(&s.ports, &s.prng, 0, SL_PORT_ANY);

	assert_true(port > 0);
	uint32_t alloc = sl_alloc_create(&s, &f, 0, htons((uint16_t)port), now_s, lifetime_s, &auth);
	if (alloc == SL_NONE)
		sl_port_give_back(&s.ports, 0, (uint16_t)port);
	return alloc;
}

static uint32_t find(uint32_t i)
{
	struct sl_flow f = flow(i);

	return sl_alloc_find(&s, &f, sl_hash_flow(&s.hash_key, &f));
}

static void bad_parameters(void **state)
{
	struct sl_sessions t;
	struct sl_sessions_params p = params();

	p.n_allocs = 0;
	assert_int_equal(sl_sessions_init(&t, &p), -EINVAL);
	p = params();
	p.worker = 1;
	assert_int_equal(sl_sessions_init(&t, &p), -EINVAL);
	p = params();
	p.n_relay = 2;
	assert_int_equal(sl_sessions_init(&t, &p), -EINVAL);
	p = params();
	p.listeners = NULL;
	assert_int_equal(sl_sessions_init(&t, &p), -EINVAL);
	p = params();
	p.port_min = 60000;
	p.port_max = 50000;
	assert_int_equal(sl_sessions_init(&t, &p), -EINVAL);
	sl_sessions_free(&t, free);
}

static void fills_to_the_last_slot(void **state)
{
	for (uint32_t i = 0; i < ALLOCS; i++)
		assert_int_not_equal(create(i, 100, 600), SL_NONE);
	assert_int_equal(create(ALLOCS, 100, 600), SL_NONE);
	assert_int_equal(s.n_active, ALLOCS);
	for (uint32_t i = 0; i < ALLOCS; i++) {
		uint32_t a = find(i);
		assert_int_not_equal(a, SL_NONE);
		assert_int_equal(sl_relay_find(&s.ports, 0, ntohs(s.allocs[a].relay_port_be)), a);
	}
	assert_int_equal(find(ALLOCS), SL_NONE);
	for (uint32_t i = 0; i < ALLOCS; i += 2)
		sl_alloc_delete(&s, find(i));
	for (uint32_t i = 0; i < ALLOCS; i++)
		assert_int_equal(find(i) == SL_NONE, i % 2 == 0);
	assert_int_equal(s.ports.n_free[0], PORT_MAX - PORT_MIN + 1 - ALLOCS / 2);
}

/* Both buckets of a flow full, and the entries in them without room elsewhere: refused, and nothing lost. */
static void a_crowded_flow_table_refuses(void **state)
{
	struct sl_flow_bucket buckets[2];
	struct sl_flow_table t = {buckets, 1};
	unsigned n = 0;

	memset(buckets, 0, sizeof buckets);
	for (uint32_t i = 0; i < 40; i++)
		n += sl_flow_insert(&t, i * 0x9e3779b9u, i) == 0;
	assert_int_equal(n, 16);
	unsigned held = 0;
	for (unsigned i = 0; i < 16; i++)
		held += buckets[i / 8].tag[i % 8] != 0;
	assert_int_equal(held, 16);
}

static void expires_in_the_tick(void **state)
{
	for (uint32_t i = 0; i < 100; i++)
		create(i, 100, 10 + i);
	sl_sessions_tick(&s, 109, 1000, NULL, NULL);
	assert_int_equal(s.n_active, 100);
	sl_sessions_tick(&s, 110, 1000, NULL, NULL);
	assert_int_equal(s.n_active, 99);
	sl_alloc_refresh(&s, find(5), 110, 1000);
	sl_alloc_refresh(&s, find(99), 110, 1); /* shorter than before */
	sl_sessions_tick(&s, 111, 1000, NULL, NULL);
	assert_int_equal(find(99), SL_NONE);
	sl_sessions_tick(&s, 300, 10, NULL, NULL); /* within a budget */
	assert_int_equal(s.n_active, 97 - 10 + 1); /* one of the ten was armed anew */
	for (unsigned i = 0; i < 20; i++)
		sl_sessions_tick(&s, 300, 10, NULL, NULL);
	assert_int_equal(s.n_active, 1);
	sl_sessions_tick(&s, 1109, 10, NULL, NULL);
	assert_int_equal(s.n_active, 1);
	sl_sessions_tick(&s, 1110, 10, NULL, NULL);
	assert_int_equal(s.n_active, 0);
}

/* What the model knows of a channel or permission. */
struct model {
	uint32_t permission_s[4];
	uint32_t channel_s[8];
	struct sl_endpoint channel_peer[8];
};

static void check_against(const struct model *m, uint32_t alloc, uint32_t now_s)
{
	const struct sl_alloc *a = &s.allocs[alloc];
	unsigned n = 0;

	for (uint32_t p = a->peers; p != SL_NONE; p = s.peers[p].next)
		n++;
	assert_int_equal(n, a->n_peers);
	for (unsigned i = 0; i < 4; i++) {
		struct sl_endpoint ep = peer(i, 9999);
		assert_int_equal(sl_permission_live(&s, a, &ep.ip, now_s), m->permission_s[i] > now_s);
		uint32_t p = sl_peer_by_endpoint(&s, a, &ep);
		assert_int_equal(p != SL_NONE && s.peers[p].permission_expires_s > now_s, m->permission_s[i] > now_s);
		if (p != SL_NONE)
			assert_true(sl_known_has(&known, 0, sl_known_hash_peer(&known, &ep.ip, 0, a->relay_port_be)));
	}
	for (unsigned i = 0; i < 8; i++) {
		uint32_t p = sl_peer_by_channel(&s, a, (uint16_t)(0x4000 + i));
		/* The inline cache must not lead to a record that is no channel any more, or another's. */
		assert_true(p == SL_NONE || (s.peers[p].channel == 0x4000 + i && s.peers[p].alloc == alloc));
		bool live = p != SL_NONE && s.peers[p].channel_expires_s > now_s;
		assert_int_equal(live, m->channel_s[i] > now_s);
		if (!live)
			continue;
		struct sl_endpoint ep = {s.peers[p].ip, s.peers[p].port_be};
		assert_true(sl_endpoint_eq(&ep, &m->channel_peer[i]));
		assert_int_equal(sl_peer_by_endpoint(&s, a, &ep), p);
	}
}

static int model_channel(struct model *m, unsigned ch, const struct sl_endpoint *ep, uint32_t now_s)
{
	for (unsigned i = 0; i < 8; i++) {
		bool same = sl_endpoint_eq(&m->channel_peer[i], ep);
		if (m->channel_s[i] > now_s && same != (i == ch))
			return -EEXIST;
	}
	m->channel_s[ch] = now_s + 600;
	m->channel_peer[ch] = *ep;
	return 0;
}

static void peers_and_channels_like_the_model(void **state)
{
	struct sl_prng prng = {.key = {3, 4}};

	for (unsigned round = 0; round < 20; round++) {
		struct model m = {0};
		uint32_t now = 1000 + round * 100000, alloc = create(round, now, 80000);
		for (unsigned step = 0; step < 400; step++) {
			unsigned i = (unsigned)(sl_prng_next(&prng) % 4), ch = (unsigned)(sl_prng_next(&prng) % 8);
			struct sl_endpoint ep = peer(i, (uint16_t)(700 + sl_prng_next(&prng) % 3));
			switch (sl_prng_next(&prng) % 4) {
			case 0:
				assert_int_equal(sl_permission_set(&s, alloc, &ep.ip, false, now + 300, 100), 0);
				m.permission_s[i] = now + 300;
				break;
			case 1:
			case 2: {
				int rc = model_channel(&m, ch, &ep, now);
				assert_int_equal(sl_channel_set(&s, alloc, (uint16_t)(0x4000 + ch), &ep, false, now,
							 now + 300, now + 600, 100), rc);
				if (rc == 0)
					m.permission_s[i] = now + 300;
				break;
			}
			default:
				now += (uint32_t)(sl_prng_next(&prng) % 150);
				if (sl_prng_next(&prng) % 2)
					sl_sessions_tick(&s, now, 100, NULL, NULL);
			}
			check_against(&m, alloc, now);
		}
		sl_alloc_delete(&s, alloc);
		assert_int_equal(s.n_peers_active, 0);
	}
	for (size_t i = 0; i < ((size_t)known.mask + 1) * SL_KNOWN_BUCKET_SLOTS; i++)
		assert_int_equal(known.slots[i], 0);
}

/* ---- memory ---- */

/* A sixteenth of a million allocations with a channel each, on one relay address: what is sized in powers of two is as full as with all of them on sixteen.
 * 512 bytes an allocation are promised (README.md); what is left of them is for the counts of users (path/turn_quota.h), 17 where everybody is another one. */
enum { SHARE = 1000000 / 16, TABLES_MAX = 490 };
static const char *METERS = "meters of allocations";
static struct sl_meter (*meters)[SL_METER_N_DIRECTIONS];
static size_t counted;

/* Meters cannot be touched. */
static void *counting_zalloc(const char *what, size_t bytes)
{
	size_t whole = (bytes + 63) & ~(size_t)63;
	void *p = strcmp(what, METERS) == 0 ? mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : aligned_alloc(64, whole);

	assert_true(p && p != MAP_FAILED);
	if (strcmp(what, METERS) == 0)
		return meters = p;
	counted += bytes;
	return memset(p, 0, whole);
}

static void release(void *p)
{
	if (p == meters)
		munmap(p, SHARE * sizeof *meters);
	else
		free(p);
}

static void an_allocation_takes_so_many_bytes(void **state)
{
	struct sl_sessions_params p = params();
	struct sl_hash_key key = {{1}};

	counted = 0;
	p.n_allocs = p.n_peers = SHARE;
	p.zalloc = counting_zalloc;
	assert_int_equal(sl_known_init(&known, 1, p.n_allocs + p.n_peers, &key, counting_zalloc), 0);
	assert_int_equal(sl_port_shared_init(&shared, 1, 1, counting_zalloc), 0);
	assert_int_equal(sl_sessions_init(&s, &p), 0);
	assert_in_range(counted / SHARE, 1, TABLES_MAX);
	for (unsigned again = 0; again < 2; again++) {
		uint32_t alloc = create(1, 100, 600);
		assert_int_not_equal(alloc, SL_NONE);
		sl_alloc_delete(&s, alloc);
	}
	sl_sessions_free(&s, release);
	release(shared.owner);
	release(known.slots);
}

/* The next session in the slot does not pay for what the last one sent. */
static void meters_begin_full(void **state)
{
	static const struct sl_meter full[SL_METER_N_DIRECTIONS];
	uint32_t alloc = create(1, 100, 600);

	assert_memory_equal(sl_alloc_meters(&s, alloc), full, sizeof full);
	sl_alloc_meters(&s, alloc)[SL_METER_OUT].bytes_used = 1;
	assert_int_equal(sl_alloc_meters(&s, alloc)[SL_METER_OUT].bytes_used, 1);
	sl_alloc_delete(&s, alloc);
	assert_int_equal(create(2, 100, 600), alloc);
	assert_memory_equal(sl_alloc_meters(&s, alloc), full, sizeof full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bad_parameters, setup, teardown),
		cmocka_unit_test_setup_teardown(fills_to_the_last_slot, setup, teardown),
		cmocka_unit_test(a_crowded_flow_table_refuses),
		cmocka_unit_test_setup_teardown(expires_in_the_tick, setup, teardown),
		cmocka_unit_test_setup_teardown(peers_and_channels_like_the_model, setup, teardown),
		cmocka_unit_test(an_allocation_takes_so_many_bytes),
		cmocka_unit_test_setup_teardown(meters_begin_full, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

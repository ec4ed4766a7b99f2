/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A worker's media tables: legs, routes, keys, SSRCs, and what a restart gives back. */

#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/session/media.h"

enum { N_LEGS = 8, N_STREAMS = 40, PORT_MIN = 30000, PORT_MAX = 39999, PORT = 30208, SLOT = 2, BITS = 128 };

static struct sl_srtp *srtp;
static struct sl_cold_media *cold;
static struct sl_media media;

static uint64_t id_of(unsigned n)
{
	return (uint64_t)SLOT << 61 | n;
}

static void start(void)
{
	struct sl_media_params p = {.n_legs = N_LEGS, .n_streams = N_STREAMS, .n_routes = 2 * N_LEGS, .n_large = 2,
		.n_addresses = 2, .n_workers = 1, .window_bits = BITS, .port_min = PORT_MIN, .port_max = PORT_MAX,
		.cold = cold, .srtp = srtp, .seed = {1}};
	assert_int_equal(sl_media_init(&media, &p), 0);
}

/* The tables of a process that died are simply gone. */
static void forget(void)
{
	free(media.rx);
	free(media.tx);
	free(media.crypto);
	free(media.more);
	free(media.meters);
	free(media.contexts);
	free(media.windows);
	free(media.streams);
	free(media.routes);
	free(media.large);
	free(media.ports.leg);
}

static int setup(void **state)
{
	char err[200];
	struct sl_srtp_options o = {.backend = SL_SRTP_IPSEC_MB, .n_workers = 1};
	assert_int_equal(sl_srtp_open(&srtp, &o, err, sizeof err), 0);
	size_t bytes = sl_cold_media_size(N_LEGS, N_STREAMS);
	cold = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	memset(cold, 0, bytes);
	assert_int_equal(sl_cold_media_create(cold, N_LEGS, N_STREAMS), 0);
	start();
	return 0;
}

static int teardown(void **state)
{
	forget();
	free(cold);
	sl_srtp_close(srtp);
	return 0;
}

static struct sl_srtp_key key_of(uint8_t fill, unsigned suite)
{
	struct sl_srtp_key k = {.suite = (uint8_t)suite};
	memset(k.key, fill, sl_srtp_suite_info(suite)->key_len);
	memset(k.salt, fill + 1, sl_srtp_suite_info(suite)->salt_len);
	return k;
}

static struct sl_cmd_leg command(unsigned n)
{
	struct sl_cmd_leg c = {.leg = {.id = id_of(n), .port = (uint16_t)(PORT + 2 * n)},
		.rtcp_port = (uint16_t)(PORT + 2 * n + 1), .learn = SL_LEARN_IMMEDIATE, .dscp = 46};
	assert_int_equal(sl_endpoint_parse("192.0.2.10:4000", &c.remote_rtp), 0);
	return c;
}

static int set(const struct sl_cmd_leg *c)
{
	char text[120];
	return sl_media_leg_set(&media, SLOT, 1, c, 1000, text, sizeof text);
}

static uint32_t leg_of(const struct sl_cmd_leg *c)
{
	return sl_media_leg(&media, &c->leg);
}

static void test_ports_and_ids(void **state)
{
	struct sl_cmd_leg a = command(1), b = command(1);
	bool rtcp;
	assert_int_equal(set(&a), 0);
	uint32_t leg = leg_of(&a);
	assert_int_equal(sl_media_find(&media, 0, a.rtcp_port, &rtcp), leg);
	assert_true(rtcp);
	assert_int_equal(sl_media_find(&media, 1, a.leg.port, &rtcp), SL_NONE);
	b.leg.id = id_of(9);
	assert_int_equal(set(&b), -EADDRINUSE);
	b = command(2);
	b.rtcp_port = a.leg.port;
	assert_int_equal(set(&b), -EADDRINUSE);
	b = command(2);
	b.leg.id = 7; /* of slot 0 */
	assert_int_equal(set(&b), -EPERM);
	b = command(2);
	b.leg.port = PORT_MAX + 1;
	assert_int_equal(set(&b), -EINVAL);
	assert_int_equal(media.n_active, 1);
	sl_media_leg_delete(&media, leg);
	assert_int_equal(leg_of(&a), SL_NONE);
	assert_int_equal(sl_media_find(&media, 0, a.rtcp_port, &rtcp), SL_NONE);
	assert_int_equal(media.n_active, 0);
}

static void test_all_legs(void **state)
{
	for (unsigned round = 0; round < 3; round++) {
		struct sl_cmd_leg c[N_LEGS + 1];
		for (unsigned i = 0; i < N_LEGS; i++) {
			c[i] = command(i + 1);
			assert_int_equal(set(&c[i]), 0);
		}
		c[N_LEGS] = command(N_LEGS + 1);
		assert_int_equal(set(&c[N_LEGS]), -ENOSPC);
		for (unsigned i = 0; i < N_LEGS; i++)
			sl_media_leg_delete(&media, leg_of(&c[i]));
	}
}

static void test_routes(void **state)
{
	struct sl_cmd_leg a = command(1), b = command(2), c = command(3);
	set(&a);
	set(&b);
	set(&c);
	uint32_t la = leg_of(&a), lb = leg_of(&b);
	struct sl_cmd_route ab = {a.leg, b.leg}, ac = {a.leg, c.leg}, away = {a.leg, {.id = id_of(77), .port = 30900}};
	assert_int_equal(media.rx[la].dest, SL_DEST_NONE);
	assert_int_equal(sl_media_route_add(&media, SLOT, &ab), 0);
	assert_int_equal(sl_media_route_add(&media, SLOT, &ab), 0); /* again: one route */
	assert_int_equal(media.rx[la].dest, (int32_t)lb);
	assert_int_equal(sl_media_route_add(&media, SLOT, &ac), 0);
	assert_int_equal(media.rx[la].dest, SL_DEST_MANY);
	assert_int_equal(sl_media_route_add(&media, SLOT + 1, &ab), -ENOENT); /* another client's leg */
	assert_int_equal(sl_media_route_add(&media, SLOT, &away), -ENOENT);   /* a port nobody has */
	sl_media_leg_delete(&media, leg_of(&c));                              /* takes the route with it */
	assert_int_equal(media.rx[la].dest, (int32_t)lb);
	assert_int_equal(sl_media_route_delete(&media, SLOT, &ab), 0);
	assert_int_equal(sl_media_route_delete(&media, SLOT, &ab), -ENOENT);
	assert_int_equal(media.rx[la].dest, SL_DEST_NONE);
}

static void test_the_same_key_keeps_its_state(void **state)
{
	struct sl_cmd_leg c = command(1);
	c.key_in[0] = key_of(1, SL_SRTP_AES_CM_128_80);
	c.key_out = key_of(2, SL_SRTP_AES_CM_128_80);
	set(&c);
	uint32_t leg = leg_of(&c);
	struct sl_srtp_context *in = media.crypto[leg].in[0], *out = media.crypto[leg].out;
	assert_non_null(in);
	media.rx[leg].state |= SL_RX_STARTED;
	media.crypto[leg].tx_reserved = 500;
	media.rx[leg].state |= SL_RX_LOCKED;
	c.flags |= SL_LEG_BLOCK_MEDIA;
	assert_int_equal(set(&c), 0);
	assert_ptr_equal(media.crypto[leg].in[0], in);
	assert_ptr_equal(media.crypto[leg].out, out);
	assert_int_equal(media.crypto[leg].tx_reserved, 500);
	assert_true(media.rx[leg].state & SL_RX_LOCKED);
	assert_false(media.rx[leg].state & SL_RX_REKEYED);
	/* Old and new overlap: the old context moves with its key. */
	c.key_in[1] = c.key_in[0];
	c.key_in[0] = key_of(9, SL_SRTP_AES_CM_128_80);
	assert_int_equal(set(&c), 0);
	assert_ptr_equal(media.crypto[leg].in[1], in);
	assert_ptr_not_equal(media.crypto[leg].in[0], in);
	assert_true(media.rx[leg].state & SL_RX_REKEYED);
	/* A new outgoing key: nothing of it is used yet. */
	c.key_out = key_of(10, SL_SRTP_AES_CM_128_32);
	assert_int_equal(set(&c), 0);
	assert_int_equal(media.crypto[leg].tx_reserved, 0);
}

static void test_large_keys_are_given_back(void **state)
{
	for (unsigned i = 0; i < 10; i++) {
		struct sl_cmd_leg c = command(1), d = command(2);
		c.key_in[0] = key_of(1, SL_SRTP_AEAD_256_GCM);
		c.key_out = key_of(2, SL_SRTP_AEAD_128_GCM);
		assert_int_equal(set(&c), 0);
		d.key_out = key_of(3, SL_SRTP_AEAD_128_GCM);
		assert_int_equal(set(&d), -ENOSPC);
		assert_int_equal(leg_of(&d), SL_NONE);
		c.key_in[0] = key_of(1, SL_SRTP_AES_CM_128_80);
		assert_int_equal(set(&c), 0);
		assert_int_equal(set(&d), 0);
		sl_media_leg_delete(&media, leg_of(&c));
		sl_media_leg_delete(&media, leg_of(&d));
	}
}

static void test_ssrcs_are_parked(void **state)
{
	struct sl_cmd_leg c = command(1);
	c.key_in[0] = key_of(1, SL_SRTP_AES_CM_128_80);
	set(&c);
	uint32_t leg = leg_of(&c);
	struct sl_leg_rx *rx = &media.rx[leg];
	for (uint32_t ssrc = 1; ssrc <= SL_MEDIA_STREAMS_PER_LEG + 1; ssrc++) {
		assert_true(sl_media_rx_switch(&media, leg, ssrc));
		assert_false(rx->state & SL_RX_STARTED);
		rx->state |= SL_RX_STARTED;
		rx->seq = (uint16_t)(100 + ssrc);
		rx->roc = ssrc;
		sl_media_window(&media, leg)[0] = ssrc;
	}
	/* Under a key nothing is forgotten. */
	assert_false(sl_media_rx_switch(&media, leg, 99));
	assert_int_equal(rx->ssrc, SL_MEDIA_STREAMS_PER_LEG + 1);
	const uint64_t *window;
	uint64_t top;
	assert_true(sl_media_rx_peek(&media, leg, 3, &top, &window));
	assert_int_equal(top, UINT64_C(3) << 16 | 103);
	assert_true(sl_media_rx_switch(&media, leg, 3));
	assert_int_equal(rx->seq, 103);
	assert_int_equal(rx->roc, 3);
	assert_int_equal(sl_media_window(&media, leg)[0], 3);
	assert_true(rx->state & SL_RX_STARTED);
}

static void test_without_a_key_the_oldest_ssrc_goes(void **state)
{
	struct sl_cmd_leg c = command(1);
	set(&c);
	uint32_t leg = leg_of(&c);
	for (uint32_t ssrc = 1; ssrc <= 3 * SL_MEDIA_STREAMS_PER_LEG; ssrc++) {
		assert_true(sl_media_rx_switch(&media, leg, ssrc));
		media.rx[leg].state |= SL_RX_STARTED;
		media.rx[leg].packets = 10;
	}
	struct sl_evt_leg e;
	sl_media_describe(&media, leg, 1000, &e);
	assert_true(e.rx_packets >= 10 * 2 * SL_MEDIA_STREAMS_PER_LEG - 10);
}

/* Send as path/media_out.c does, as far as indices go. */
static uint64_t send_one(uint32_t leg)
{
	struct sl_leg_tx *tx = &media.tx[leg];
	struct sl_leg_crypto *c = &media.crypto[leg];
	uint64_t index = sl_media_tx_index(&media, leg) + 1;
	tx->state |= SL_TX_STARTED;
	tx->seq = (uint16_t)index;
	c->tx_roc = (uint32_t)(index >> 16);
	if (index >= c->tx_reserved)
		sl_media_reserve(&media, leg);
	return index;
}

static void test_a_restart_gives_back(void **state)
{
	struct sl_cmd_leg c = command(1), other = command(2);
	c.key_in[0] = key_of(1, SL_SRTP_AES_CM_128_80);
	c.key_out = key_of(2, SL_SRTP_AES_CM_128_80);
	set(&c);
	set(&other);
	uint32_t leg = leg_of(&c);
	uint64_t used = 0;
	assert_true(sl_media_tx_switch(&media, leg, 0xabcd));
	for (unsigned i = 0; i < 70000; i++) { /* past a roll-over */
		uint64_t index = send_one(leg);
		assert_true(index > used);
		used = index;
	}
	assert_true(sl_media_tx_switch(&media, leg, 0x1111)); /* parked with its reservation */
	for (unsigned i = 0; i < 10; i++)
		send_one(leg);
	struct sl_leg_rx *rx = &media.rx[leg];
	rx->ssrc = 77;
	rx->roc = 2;
	rx->seq = 5;
	rx->state |= SL_RX_STARTED | SL_RX_LOCKED;
	struct sl_endpoint learned;
	sl_endpoint_parse("192.0.2.99:5000", &learned);
	media.tx[leg].ip = rx->ip = learned.ip;
	media.tx[leg].port_be = rx->port_be = learned.port_be;
	sl_media_cold_note(&media, leg);

	forget();
	start();
	assert_int_equal(media.n_active, 0);
	assert_int_equal(leg_of(&c), SL_NONE); /* no packet passes before the control plane says so */
	assert_int_equal(set(&c), 1);
	leg = leg_of(&c);
	rx = &media.rx[leg];
	assert_true(rx->state & SL_RX_LOCKED);
	assert_true(sl_ip_eq(&media.tx[leg].ip, &learned.ip) && media.tx[leg].port_be == learned.port_be);
	assert_int_equal(sl_leg_rx_index(rx), UINT64_C(2) << 16 | 5);
	assert_false(sl_srtp_window_fresh(sl_media_window(&media, leg), BITS, sl_leg_rx_index(rx), true, sl_leg_rx_index(rx)));
	assert_int_equal(media.tx[leg].ssrc, 0x1111);
	assert_true(media.tx[leg].state & SL_TX_RESTORED);
	assert_true(sl_media_tx_index(&media, leg) >= 10);
	assert_true(sl_media_tx_switch(&media, leg, 0xabcd));
	assert_true(media.tx[leg].state & SL_TX_RESTORED);
	assert_true(sl_media_tx_index(&media, leg) >= used);
	assert_true(send_one(leg) > used);
	/* Another key: its indices are all unused, and the old ones mean nothing. */
	c.key_out = key_of(3, SL_SRTP_AES_CM_128_80);
	assert_int_equal(set(&c), 0);
	assert_int_equal(media.crypto[leg].tx_reserved, 0);
	/* A port whose leg is not claimed goes to whoever comes. */
	other.leg.id = id_of(55);
	assert_int_equal(set(&other), 0);
}

static void test_a_restart_with_another_key_starts_anew(void **state)
{
	struct sl_cmd_leg c = command(1);
	c.key_in[0] = key_of(1, SL_SRTP_AES_CM_128_80);
	c.key_out = key_of(2, SL_SRTP_AES_CM_128_80);
	set(&c);
	uint32_t leg = leg_of(&c);
	sl_media_tx_switch(&media, leg, 5);
	for (unsigned i = 0; i < 1000; i++)
		send_one(leg);
	media.rx[leg].state |= SL_RX_STARTED;
	media.rx[leg].roc = 3;
	sl_media_cold_note(&media, leg);
	forget();
	start();
	c.key_in[0] = key_of(4, SL_SRTP_AES_CM_128_80);
	c.key_out = key_of(5, SL_SRTP_AES_CM_128_80);
	assert_int_equal(set(&c), 1);
	leg = leg_of(&c);
	assert_false(media.rx[leg].state & SL_RX_STARTED);
	assert_false(media.tx[leg].state & SL_TX_RESTORED);
	assert_int_equal(media.crypto[leg].tx_reserved, 0);
}

/* RFC 3711 3.4: a re-key does not begin the SRTCP index anew. The same master key under another tag length or MKI makes
 * the same session keys, so an index that began anew would use keystream twice. */
static void test_a_new_key_uses_no_index_again(void **state)
{
	struct sl_cmd_leg c = command(1);
	c.key_out = key_of(2, SL_SRTP_AES_CM_128_80);
	set(&c);
	uint32_t leg = leg_of(&c);
	struct sl_leg_rtcp *r = &media.more[leg].rtcp_state;
	sl_media_tx_switch(&media, leg, 7);
	for (unsigned i = 0; i < 100; i++)
		send_one(leg);
	r->out = r->out_reserved = 5;
	c.key_out.suite = SL_SRTP_AES_CM_128_32;
	assert_int_equal(set(&c), 0);
	assert_true(r->out >= 5);
	uint64_t top = sl_media_tx_index(&media, leg);
	assert_false(sl_srtp_window_fresh(&media.crypto[leg].tx_window, 64, top, true, top));
	r->out = r->out_reserved = SL_SRTCP_INDEX_MAX + 1; /* all are used, under this key */
	c.key_out = key_of(3, SL_SRTP_AES_CM_128_80);
	assert_int_equal(set(&c), 0);
	assert_int_equal(r->out, 0);
}

static void test_a_key_taken_away_is_gone(void **state)
{
	struct sl_cmd_leg c = command(1);
	c.key_in[0] = key_of(1, SL_SRTP_AES_CM_128_80);
	c.key_in[1] = key_of(2, SL_SRTP_AES_CM_128_80);
	c.key_out = key_of(3, SL_SRTP_AES_CM_128_80);
	set(&c);
	const struct sl_leg_rtcp *r = &media.more[leg_of(&c)].rtcp_state;
	assert_int_not_equal(r->key_in[1].suite, SL_SRTP_NONE);
	memset(&c.key_in[1], 0, sizeof c.key_in[1]);
	memset(&c.key_out, 0, sizeof c.key_out);
	assert_int_equal(set(&c), 0);
	static const struct sl_srtcp_context none;
	assert_memory_equal(&r->key_in[1], &none, sizeof none); /* neither for SRTCP */
	assert_memory_equal(&r->key_out, &none, sizeof none);
	assert_int_not_equal(r->key_in[0].suite, SL_SRTP_NONE);
}

static void test_what_an_old_key_let_in_stays_seen(void **state)
{
	struct sl_cmd_leg c = command(1);
	c.key_in[0] = key_of(1, SL_SRTP_AES_CM_128_80);
	set(&c);
	uint32_t leg = leg_of(&c);
	struct sl_leg_rx *rx = &media.rx[leg];
	rx->seq = 100;
	rx->state |= SL_RX_STARTED;
	uint64_t *window = sl_media_window(&media, leg);
	sl_srtp_window_commit(window, BITS, 100, false, 100);
	c.key_in[1] = c.key_in[0];
	c.key_in[0] = key_of(9, SL_SRTP_AES_CM_128_80);
	assert_int_equal(set(&c), 0);
	assert_false(sl_srtp_window_fresh(window, BITS, 100, true, 100)); /* the old key still opens packet 100 */
	c.key_in[0] = key_of(10, SL_SRTP_AES_CM_128_80);
	memset(&c.key_in[1], 0, sizeof c.key_in[1]);
	assert_int_equal(set(&c), 0);
	assert_true(sl_srtp_window_fresh(window, BITS, 100, true, 100)); /* no key does */
}

static void test_a_key_given_twice_is_held_once(void **state)
{
	struct sl_cmd_leg c = command(1), d = command(2);
	c.key_in[0] = key_of(1, SL_SRTP_AEAD_256_GCM);
	assert_int_equal(set(&c), 0);
	c.key_in[1] = c.key_in[0];
	assert_int_equal(set(&c), 0);
	sl_media_leg_delete(&media, leg_of(&c));
	c.key_in[1] = (struct sl_srtp_key){0};
	d.key_in[0] = key_of(2, SL_SRTP_AEAD_256_GCM);
	assert_int_equal(set(&c), 0);
	assert_int_equal(set(&d), 0);
	assert_ptr_not_equal(media.crypto[leg_of(&c)].in[0], media.crypto[leg_of(&d)].in[0]);
}

static void test_parked_streams_come_back_used_up(void **state)
{
	struct sl_cmd_leg c = command(1);
	c.key_out = key_of(2, SL_SRTP_AES_CM_128_80);
	set(&c);
	uint32_t leg = leg_of(&c);
	sl_media_tx_switch(&media, leg, 0xa);
	for (unsigned i = 0; i < 1000; i++)
		send_one(leg);
	uint64_t used = sl_media_tx_index(&media, leg);
	sl_media_tx_switch(&media, leg, 0xb);
	send_one(leg);
	forget();
	start();
	assert_int_equal(set(&c), 1);
	leg = leg_of(&c);
	assert_true(sl_media_tx_switch(&media, leg, 0xa));
	uint64_t top = sl_media_tx_index(&media, leg);
	assert_true(top >= used);
	/* Late packets behind the first one must not fall among what was used before. */
	top = sl_srtp_window_commit(&media.crypto[leg].tx_window, 64, top, true, top + 1);
	for (uint64_t i = top - 63; i < top; i++)
		assert_false(sl_srtp_window_fresh(&media.crypto[leg].tx_window, 64, top, true, i));
}

static void test_a_refused_command_keeps_the_record(void **state)
{
	struct sl_cmd_leg c = command(1), d = command(2), e = command(3);
	c.key_out = key_of(2, SL_SRTP_AEAD_128_GCM);
	set(&c);
	uint32_t leg = leg_of(&c);
	sl_media_tx_switch(&media, leg, 0xa);
	for (unsigned i = 0; i < 1000; i++)
		send_one(leg);
	forget();
	start();
	d.key_out = key_of(3, SL_SRTP_AEAD_128_GCM);
	e.key_out = key_of(4, SL_SRTP_AEAD_128_GCM);
	assert_int_equal(set(&d), 0);
	assert_int_equal(set(&e), 0);
	assert_int_equal(set(&c), -ENOSPC); /* no large context is left */
	sl_media_leg_delete(&media, leg_of(&d));
	assert_int_equal(set(&c), 1); /* the same key: where its indices stand must not have been forgotten */
	assert_true(sl_media_tx_index(&media, leg_of(&c)) >= 1000);
}

/* Which SSRC the leg received last is in its record at once, not only when the round comes by. */
static void test_a_changed_source_is_noted(void **state)
{
	struct sl_cmd_leg c = command(1);
	c.key_in[0] = key_of(1, SL_SRTP_AES_CM_128_80);
	set(&c);
	uint32_t leg = leg_of(&c);
	for (uint32_t ssrc = 1; ssrc <= 2; ssrc++) {
		assert_true(sl_media_rx_switch(&media, leg, ssrc));
		media.rx[leg].seq = (uint16_t)(1000 * ssrc);
		media.rx[leg].state |= SL_RX_STARTED;
	}
	assert_true(sl_media_rx_switch(&media, leg, 1));
	assert_int_equal(media.more[leg].n_streams_rx, 1);
	/* Killed before the place of what was brought back was given up. */
	struct sl_cold_stream *s = media.cold.streams;
	while (atomic_load(&s->valid))
		s++;
	*s = (struct sl_cold_stream){.valid = c.leg.id, .ssrc = 1, .leg = leg, .index = 1000};
	forget();
	start();
	assert_int_equal(set(&c), 1);
	leg = leg_of(&c);
	assert_int_equal(media.rx[leg].ssrc, 1);
	assert_int_equal(media.rx[leg].seq, 1000);
	assert_int_equal(media.more[leg].n_streams_rx, 1);
	const uint64_t *window;
	uint64_t top;
	assert_true(sl_media_rx_peek(&media, leg, 2, &top, &window));
	assert_int_equal(top, 2000);
}

/* A full pool exchanges SSRCs all the same. */
static void test_a_full_pool_exchanges(void **state)
{
	uint32_t legs[4];
	for (unsigned i = 0; i < 4; i++) {
		struct sl_cmd_leg c = command(i + 1);
		c.key_out = key_of((uint8_t)(2 + i), SL_SRTP_AES_CM_128_80);
		set(&c);
		legs[i] = leg_of(&c);
		for (uint32_t ssrc = 1; sl_media_tx_switch(&media, legs[i], ssrc); ssrc++)
			send_one(legs[i]);
	}
	assert_int_equal(media.stream_free, SL_NONE);
	for (unsigned round = 0; round < 3; round++)
		for (uint32_t ssrc = 1; ssrc <= SL_MEDIA_STREAMS_PER_LEG; ssrc++) {
			assert_true(sl_media_tx_switch(&media, legs[0], ssrc));
			assert_int_equal(sl_media_tx_index(&media, legs[0]), 1);
			assert_int_equal(media.more[legs[0]].n_streams_tx, SL_MEDIA_STREAMS_PER_LEG);
		}
	assert_int_equal(media.stream_free, SL_NONE);
}

static void test_clocks(void **state)
{
	struct sl_leg_more more = {.n_clocks = 2, .clocks = {96u << 24 | 48000, 97u << 24 | 90000}};
	assert_int_equal(sl_media_clocks[sl_media_clock(&more, 96)], 48000);
	assert_int_equal(sl_media_clocks[sl_media_clock(&more, 97)], 90000);
	assert_int_equal(sl_media_clocks[sl_media_clock(&more, 0)], 8000);
	assert_int_equal(sl_media_clocks[sl_media_clock(&more, 34)], 90000);
	assert_int_equal(sl_media_clocks[sl_media_clock(&more, 120)], 8000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_ports_and_ids),
		T(test_all_legs),
		T(test_routes),
		T(test_the_same_key_keeps_its_state),
		T(test_large_keys_are_given_back),
		T(test_ssrcs_are_parked),
		T(test_without_a_key_the_oldest_ssrc_goes),
		T(test_a_restart_gives_back),
		T(test_a_restart_with_another_key_starts_anew),
		T(test_a_new_key_uses_no_index_again),
		T(test_a_key_taken_away_is_gone),
		T(test_what_an_old_key_let_in_stays_seen),
		T(test_a_key_given_twice_is_held_once),
		T(test_parked_streams_come_back_used_up),
		T(test_a_refused_command_keeps_the_record),
		T(test_a_changed_source_is_noted),
		T(test_a_full_pool_exchanges),
		T(test_clocks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* An IP packet as a stranger may send it, through the stage that decides what it is. */

#include "dataplane/path/context.h"
#include "tests/fuzz/fuzz.h"

static struct sl_worker *worker(void)
{
	static struct sl_worker w;
	static struct sl_config config;
	static struct sl_dataplane dp = {.config = &config};
	struct sl_conf_turn *c = &config.turn;
	if (c->n_relay == 0) {
		c->n_listeners = 2;
		SL_FUZZ_CHECK(sl_endpoint_parse("192.0.2.1:3478", &c->listeners[0]) == 0);
		SL_FUZZ_CHECK(sl_endpoint_parse("[2001:db8:1::1]:3478", &c->listeners[1]) == 0);
		c->relay[0] = c->listeners[0].ip;
		c->relay[1] = c->listeners[1].ip;
		c->n_relay = 2;
		config.media = (struct sl_conf_media){.n_addresses = 1, .port_min = 30000, .port_max = 39999};
		config.media.addresses[0].ip = c->listeners[0].ip;
		w.dp = &dp;
		w.turn.relay_port_min = 49152;
		w.turn.relay_port_max = 65535;
		SL_FUZZ_CHECK(sl_locals_init(&w, &config) == 0);
	}
	return &w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rte_mbuf m;
	struct sl_pkt p = {.m = &m};
	enum sl_drop why = SL_N_DROPS;
	if (size > UINT16_MAX)
		return 0;
	uint8_t *packet = (uint8_t *)(uintptr_t)data; /* parsing writes nothing */
	switch (sl_parse_ip(worker(), &p, packet, (unsigned)size, &why)) {
	case SL_PARSE_CLAIMED:
		SL_FUZZ_CHECK(p.l3 == data && p.l3_len <= size);
		SL_FUZZ_CHECK(p.udp >= data && p.udp + 8 + p.payload_len <= data + p.l3_len);
		SL_FUZZ_CHECK(p.relay != SL_NO_RELAY || p.media != SL_NO_MEDIA || p.listener < 2);
		SL_FUZZ_CHECK(p.media == SL_NO_MEDIA || (p.media == 0 && p.relay == SL_NO_RELAY));
		SL_FUZZ_CHECK(sl_local_find(worker(), &p.dst.ip) && !sl_local_find(worker(), &p.src.ip));
		break;
	case SL_PARSE_FRAGMENT:
		SL_FUZZ_CHECK(p.l3_len <= size && sl_local_find(worker(), &p.dst.ip));
		break;
	case SL_PARSE_DROP:
		SL_FUZZ_CHECK(why < SL_N_DROPS);
		break;
	case SL_PARSE_EXCEPTION:
		break;
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/guard/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <urcu-qsbr.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ether.h>

#include "config/guard_policy.h"
#include "dataplane/guard/memory.h"
#include "dataplane/linux/fib_build.h"
#include "dataplane/session/cold_media.h"
#include "dataplane/start.h"
#include "dataplane/start_memory.h"
#include "dataplane/worker.h"

enum { ERROR_BYTES = 512, MEMORY_MB = 512, MTU = 1500, RELAYS = 6, EVER_S = 1 << 30, TRANSPORT_UDP = 17 };

/* What the appliance would be given; the ports are never opened. */
static const char config_text[] =
	"log_level = \"error\";\n"
	"dataplane = { workers = [ %u ]; housekeeper_core = %u; memory_mb = %u; max_allocations = %u; max_peers = %u;\n"
	"  ports = ( { name = \"bench\"; device = \"net_null0\"; tap = \"bench\"; addresses = [ \"" RIG_V4 "/15\", \"" RIG_V6 "/64\" ]; } ); };\n"
	"turn = { listen = [ \"" RIG_V4 ":3478\", \"[" RIG_V6 "]:3478\" ]; relay_ports = [ 6000, 29999 ]; realm = \"bench\";\n"
	"  relay_addresses = [ \"" RIG_V4 "\", \"198.19.0.1\", \"198.19.0.2\", \"198.19.0.3\", \"198.19.0.4\", \"198.19.0.5\" ];\n"
	"  users = ( { name = \"bench\"; password = \"bench\"; } ); };\n"
	"media = { addresses = ( { interface = \"a\"; address = \"" RIG_V4 "\"; }, { interface = \"a\"; address = \"" RIG_V6 "\"; } );\n"
	"  ports = [ 30000, 39999 ]; max_legs = 1024; max_sessions = 512; };\n"
	"sip = { listeners = ( { name = \"v4\"; role = \"access\"; transport = \"udp\"; address = \"" RIG_V4 ":5060\"; media = \"a\"; },\n"
	"  { name = \"v6\"; role = \"access\"; transport = \"udp\"; address = \"[" RIG_V6 "]:5060\"; media = \"a\"; } ); };\n"
	"control = { api_socket = \"/nonexistent/api.sock\"; database = \"/nonexistent/db\"; };\n";

static struct {
	struct sl_started started;
	struct sl_abi_server server;
	struct sl_config *config;
	struct rte_mempool *pool;
	struct sl_guard_policy policies[RIG_N_POLICIES];
	struct sl_prefixes *lists, *denied;
	uint64_t per_us, tables_bytes;
	struct sl_prng prng;
	char err[ERROR_BYTES];
} rig;

static int failed(const char *what)
{
	fprintf(stderr, "sluice-bench-guard: %s%s%s\n", what, rig.err[0] != 0 ? ": " : "", rig.err);
	return -1;
}

/* ---- EAL, configuration, what the keeper hands over ---- */

static int start_eal(const struct rig_options *o)
{
	char cores[16], memory[16];
	char *args[] = {"sluice-bench-guard", "-l", cores, o->no_huge ? "--no-huge" : "--in-memory", "--no-shconf", "--no-pci", "--no-telemetry",
		"--log-level=*:error", "-m", memory};

	snprintf(cores, sizeof cores, "%u", o->core);
	snprintf(memory, sizeof memory, "%u", MEMORY_MB + 64);
	if (rte_eal_init((int)RTE_DIM(args), args) >= 0)
		return 0;
	snprintf(rig.err, sizeof rig.err, "%s", rte_strerror(rte_errno));
	return failed(o->no_huge ? "EAL does not start" : "EAL does not start; --no-huge does without hugepages");
}

static int load_config(const struct rig_options *o)
{
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);
	uint32_t room = o->allocations * 5 / 4 + 64;
	unsigned core = o->core != 0 ? o->core : 1; /* as if worker and housekeeper had one each */

	if (fd < 0 || dprintf(fd, config_text, core, 0, MEMORY_MB, room, room) < 0)
		return failed("no memory");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int rc = sl_config_load_for(path, core + 1, &rig.config, rig.err, sizeof rig.err);
	close(fd);
	return rc == 0 ? 0 : failed("its configuration");
}

static int make_handed(struct sl_dataplane *dp)
{
	const struct sl_config *c = dp->config;
	size_t region_bytes, cold_bytes = sl_cold_size(c->dataplane.max_allocations, c->dataplane.max_peers);
	size_t media_bytes = sl_cold_media_size(c->media.max_legs, c->media.max_streams);
	int fd = sl_region_create(1, 1);

	if (fd < 0 || sl_region_map(fd, &dp->region, &region_bytes, rig.err, sizeof rig.err) < 0)
		return failed("the region");
	dp->cold = (struct sl_cold *)sl_guard_zalloc("cold", cold_bytes);
	dp->cold_media = (struct sl_cold_media *)sl_guard_zalloc("cold", media_bytes);
	if (dp->cold == NULL || dp->cold_media == NULL || sl_cold_create(dp->cold, c->dataplane.max_allocations, c->dataplane.max_peers) < 0 ||
		sl_cold_media_create(dp->cold_media, c->media.max_legs, c->media.max_streams) < 0)
		return failed("no memory for the cold records");
	return 0;
}

/* ---- the dataplane ---- */

static void make_fib(struct sl_dataplane *dp)
{
	static const char *const nets[] = {"198.18.0.0/15", "2001:db8::/64", "0.0.0.0/0", "::/0"};
	static const char *const hosts[] = {RIG_PEER_V4, RIG_PEER_V6};
	struct sl_fib_builder *b = sl_fib_builder_new();
	struct sl_ip via[2];

	for (unsigned i = 0; i < RTE_DIM(hosts); i++) {
		struct sl_nexthop nh = {.mtu = MTU, .resolved = true, .eth = {2, 0, 0, 0, 0, (uint8_t)i}};
		sl_ip_parse(hosts[i], &via[i]);
		sl_fib_add_neighbour(b, &via[i], &nh);
	}
	for (unsigned i = 0; i < RTE_DIM(nets); i++) {
		struct sl_prefix p;
		sl_prefix_parse(nets[i], &p);
		sl_fib_add_route(b, &p, 0, 0, i < 2 ? NULL : &via[i - 2]);
	}
	dp->fib = sl_fib_build(b, 1);
}

static void make_port(struct sl_dataplane *dp)
{
	dp->n_ports = dp->n_interfaces = 1;
	dp->ports[0] = (struct sl_port){.mtu = MTU, .mac = {2, 0, 0, 0, 1, 1}, .conf = &rig.config->dataplane.ports[0], .n_queues = 1};
	memset(dp->ports[0].interface_of_vlan + 1, 0xff, sizeof dp->ports[0].interface_of_vlan - 1);
	dp->interfaces[0] = (struct sl_interface){.conf = &rig.config->dataplane.ports[0].interfaces[0], .tap_fd = -1};
}

static int make_dataplane(struct sl_dataplane *dp)
{
	dp->config = rig.config;
	dp->n_workers = 1;
	if (make_handed(dp) < 0)
		return -1;
	dp->pool = rig.pool = rte_pktmbuf_pool_create("packets", RIG_PACKETS, 256, SL_PACKET_PRIVATE_BYTES, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	dp->pool_large = rte_pktmbuf_pool_create("large", 63, 0, SL_PACKET_PRIVATE_BYTES, RTE_PKTMBUF_HEADROOM + 9216, SOCKET_ID_ANY);
	if (dp->pool == NULL || dp->pool_large == NULL)
		return failed("no memory for packets");
	if (sl_start_tables(dp, rig.err, sizeof rig.err) < 0 || sl_start_rings(&rig.started, rig.err, sizeof rig.err) < 0)
		return failed("tables");
	make_port(dp);
	dp->tsc_hz = rte_get_tsc_hz();
	dp->base_tsc = rte_rdtsc();
	dp->base_mono_ns = 1000000000;
	rig.per_us = dp->tsc_hz / 1000000;
	atomic_store_explicit(&dp->live_exception_pps, rig.config->dataplane.exception_pps, memory_order_relaxed);
	atomic_store_explicit(&dp->live_unauthenticated_pps, rig.config->dataplane.unauthenticated_pps, memory_order_relaxed);
	if (sl_guard_tables_init(&rig.started.guard, dp, 1000, sl_start_zalloc, rig.err, sizeof rig.err) < 0)
		return failed("the guard's tables");
	rig.tables_bytes = rig.started.guard.fixed_bytes;
	make_fib(dp);
	rig.server.region = dp->region;
	rig.server.n_workers = 1;
	dp->abi = &rig.server;
	return sl_workers_new(dp, rig.started.rings, rig.err, sizeof rig.err) < 0 ? failed("the worker") : 0;
}

/* ---- what the tables hold ---- */

void rig_client(uint32_t i, struct sl_endpoint *out)
{
	*out = (struct sl_endpoint){.port_be = htons((uint16_t)(1024 + i % 60000))};
	if (i % 2 == 0) {
		sl_ip_set_v4(&out->ip, htonl(0x0a000000u + i * 151));
		return;
	}
	out->ip.q[0] = 0;
	out->ip.d[0] = htonl(0xfd000000u);
	out->ip.d[1] = htonl(i * 151);
	out->ip.d[3] = htonl(1);
}

static int make_allocations(struct sl_worker *w, uint32_t n)
{
	struct sl_sessions *s = &w->sessions;
	struct sl_cold_auth auth = {.key_len = 16};
	struct sl_endpoint peer;

	sl_endpoint_parse(RIG_PEER_V4 ":20000", &peer);
	for (uint32_t i = 0; i < n; i++) {
		struct sl_flow f = {.listener = (uint16_t)(i % 2), .transport = TRANSPORT_UDP};
		struct sl_endpoint client;
		rig_client(i, &client);
		f.ip = client.ip;
		f.port_be = client.port_be;
		int port = sl_port_draw(&s->ports, &s->prng, i % RELAYS, SL_PORT_ANY);
		uint32_t a = port < 0 ? SL_NONE : sl_alloc_create(s, &f, i % RELAYS, htons((uint16_t)port), w->now.s, EVER_S, &auth);
		if (a == SL_NONE || sl_channel_set(s, a, RIG_CHANNEL, &peer, false, w->now.s, EVER_S, EVER_S, 16) < 0) {
			snprintf(rig.err, sizeof rig.err, "number %u", i);
			return failed("an allocation");
		}
	}
	return 0;
}

/* Outside 10/8, where clients are, and of addresses with an odd third byte (IPv6: fourth), which no other source has; /24 (/40) and longer, as in lists of attackers, so that
 * look-ups come past the first level. */
static void make_prefix(struct sl_prefix_entry *e, bool v4)
{
	static const uint8_t lengths[] = {24, 24, 24, 24, 28, 32};
	uint64_t r = sl_prng_next(&rig.prng);
	unsigned len = v4 ? lengths[r % sizeof lengths] : 16 + lengths[r % sizeof lengths];
	uint32_t bits = (uint32_t)(r >> 32);

	*e = (struct sl_prefix_entry){.verdict = SL_PREFIX_DENY, .prefix_len = (uint8_t)(v4 ? 96 + len : len)};
	struct sl_ip ip = {0};
	if (v4) {
		sl_ip_set_v4(&ip, htonl((0x0b000000u + bits % 0xd3000000u) | 0x100));
	} else {
		ip.d[0] = htonl((bits & 0x1fffffff) | 0x20000001);
		ip.d[1] = htonl((uint32_t)sl_prng_next(&rig.prng));
	}
	e->ip = sl_ip_masked(&ip, e->prefix_len);
}

static int make_lists(uint32_t n)
{
	static const char *const all[] = {"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"};
	struct sl_prefix_entry *e = calloc(2 * (size_t)n + RTE_DIM(all), sizeof *e);

	for (uint32_t i = 0; e != NULL && i < 2 * n; i++)
		make_prefix(&e[i], i % 2 == 0);
	if (e == NULL || sl_prefixes_build(e, 2 * (size_t)n, &rig.lists, rig.err, sizeof rig.err) < 0)
		return failed("the list of prefixes");
	for (unsigned i = 0; i < RTE_DIM(all); i++) {
		struct sl_prefix p;
		sl_prefix_parse(all[i], &p);
		e[2 * n + i] = (struct sl_prefix_entry){.ip = p.ip, .prefix_len = p.len, .verdict = SL_PREFIX_DENY};
	}
	int rc = sl_prefixes_build(e, 2 * (size_t)n + RTE_DIM(all), &rig.denied, rig.err, sizeof rig.err);
	free(e);
	return rc < 0 ? failed("the list of prefixes") : 0;
}

static int make_bans(struct sl_dataplane *dp)
{
	for (unsigned i = 0; i < RIG_BANS; i++) {
		struct sl_prefix_entry e;
		make_prefix(&e, i % 2 == 0);
		struct sl_guard_ban ban = {.ip = e.ip, .prefix_len = i % 2 == 0 ? 128 : 64};
		if (sl_bans_add(&dp->bans, &ban, 1) < 0)
			return failed("a ban");
	}
	return 0;
}

static void make_policies(void)
{
	struct sl_cmd_guard_policy all, none;

	sl_guard_policy_of(rig.config, &all);
	for (unsigned i = 0; i < all.n_rules; i++)
		all.rules[i].total_pps = 1;
	none = all;
	none.n_rules = 0;
	for (unsigned i = 0; i < RIG_N_POLICIES; i++) {
		struct sl_guard_policy *p = &rig.policies[i];
		none.enabled = i != RIG_OFF;
		sl_guard_policy_make(p, i == RIG_ALL ? &all : &none);
		p->prefixes = i == RIG_DENIED ? rig.denied : i >= RIG_LISTS ? rig.lists : NULL;
	}
}

int rig_open(const struct rig_options *o)
{
	struct sl_dataplane *dp = &rig.started.dp;

	memset(&rig.prng.key, 7, sizeof rig.prng.key);
	if (start_eal(o) < 0 || load_config(o) < 0)
		return -1;
	rcu_register_thread();
	if (make_dataplane(dp) < 0 || make_allocations(rig_worker(), o->allocations) < 0 || make_lists(o->prefixes) < 0 || make_bans(dp) < 0)
		return -1;
	make_policies();
	rig_use(RIG_OFF);
	return 0;
}

struct sl_worker *rig_worker(void)
{
	return rig.started.dp.workers[0];
}

struct rte_mempool *rig_pool(void)
{
	return rig.pool;
}

const uint8_t *rig_mac(void)
{
	return rig.started.dp.ports[0].mac;
}

void rig_use(enum rig_policy policy)
{
	rig_worker()->policy = &rig.policies[policy];
	/* Without bans workers do not look. */
	atomic_store_explicit(&rig.started.dp.bans.n, policy >= RIG_BANNED ? RIG_BANS : 0, memory_order_relaxed);
}

void rig_clock(void)
{
	struct sl_worker *w = rig_worker();
	w->now_tsc = rte_rdtsc();
	w->now_us = (w->now_tsc - w->dp->base_tsc) / rig.per_us;
	if (likely(w->now_tsc < w->next_ms_tsc))
		return;
	w->now.ms = 1000 + w->now_us / 1000;
	w->now.s = (uint32_t)(w->now.ms / 1000);
	w->next_ms_tsc = w->now_tsc + 1000 * rig.per_us;
}

void rig_free_sent(void)
{
	struct sl_worker *w = rig_worker();
	rte_pktmbuf_free_bulk(w->tx[0].m, w->tx[0].n);
	w->tx[0].n = 0;
}

void rig_memory(struct rig_memory *out)
{
	*out = (struct rig_memory){
		.per_worker = sl_guard_bytes(rig_worker()),
		.bans_marks_and_meters = rig.tables_bytes,
		.prefixes = sl_prefixes_bytes(rig.lists),
	};
}

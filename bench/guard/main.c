/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* sluice-bench-guard: what the guard adds to a packet, in cycles of one core, over a loop that takes packets and frees them. No port:
 * packets are taken from the pool, each is given another source, and the worker's own code does the rest. */

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>

#include "bench/guard/rig.h"
#include "bench/pktgen/flood.h"
#include "bench/pktgen/ports.h"

static const char usage[] =
	"sluice-bench-guard: cycles a packet that the guard adds, one core, no packets received or sent.\n"
	"\n"
	"  --protocols A,B   stun (to a TURN listener), rtp (to a media port), sip (to a SIP listener) (stun,rtp,sip)\n"
	"  --families A,B    4, 6 (4,6)\n"
	"  --stages A,B      only these, see bench/README.md (all); the baseline always\n"
	"  --sources N       random ones, taken in turn (10000000)\n"
	"  --prefixes N      of each family in the list (50000)\n"
	"  --allocations N   in the table of sessions (100000)\n"
	"  --rounds N        interleaved rounds of each stage; the median counts (31)\n"
	"  --core N          the core to run on (1)\n"
	"  --no-huge         without hugepages\n"
	"\n"
	"Prints one JSON object a line; bench/README.md explains the keys.\n";

enum {
	BATCH_BURSTS = 128, /* 4,096 packets are timed as a whole */
	BATCHES = 16,       /* a round */
	WARM_BATCHES = 2,
	ROUNDS_MAX = 1001,
	LIST_MAX = 16,
	HEAD_BYTES = 128,
	KNOWN_PAYLOAD = 20,
};

/* ---- sources ---- */

struct source {
	union {
		uint32_t v4;
		uint64_t v6_high;
	};
	uint16_t port_be;
};
struct source4 { /* 8 bytes: eight to a cache line, as a port's descriptors would be */
	uint32_t ip;
	uint16_t port_be, pad;
};

static struct {
	struct source4 *v4;
	struct source *v6, *known[2]; /* known: clients of allocations, in random order */
	uint32_t n, n_known[2];
	uint32_t at, known_at[2];
} sources;

static uint64_t random_state = 88172645463325252u;

static uint64_t random64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void *need(void *p)
{
	if (p == NULL) {
		fprintf(stderr, "sluice-bench-guard: no memory\n");
		exit(1);
	}
	return p;
}

/* Addresses that somebody can have, outside what the lists hold (rig.c) and our clients' networks. */
static void make_sources(uint32_t n)
{
	sources.n = n;
	sources.v4 = (struct source4 *)need(calloc(n, sizeof *sources.v4));
	sources.v6 = (struct source *)need(calloc(n, sizeof *sources.v6));
	for (uint32_t i = 0; i < n; i++) {
		uint64_t r = random64(), six = random64();
		uint32_t first = 11 + (uint32_t)((r & 0xff) * 100 >> 8); /* 11..110 */
		uint32_t v4 = first << 24 | ((uint32_t)(r >> 8) & 0xfffeff);
		sources.v4[i] = (struct source4){.ip = htonl(v4), .port_be = (uint16_t)(r >> 40)};
		sources.v6[i] = (struct source){.v6_high = (six & ~UINT64_C(0x010000e0)) | 0x20, .port_be = (uint16_t)(r >> 40)};
	}
}

static void make_known(uint32_t n)
{
	for (unsigned v = 0; v < 2; v++)
		sources.known[v] = (struct source *)need(calloc(n / 2 + 1, sizeof(struct source)));
	for (uint32_t i = 0; i < n; i++) {
		struct sl_endpoint e;
		rig_client(i, &e);
		unsigned v = sl_ip_is_v4(&e.ip) ? 0 : 1;
		uint32_t k = (uint32_t)(random64() % (sources.n_known[v] + 1));
		struct source s = {.port_be = e.port_be};
		if (v == 0)
			s.v4 = e.ip.d[3];
		else
			s.v6_high = e.ip.q[0];
		sources.known[v][sources.n_known[v]++] = sources.known[v][k];
		sources.known[v][k] = s;
	}
}

/* ---- frames ---- */

enum protocol { STUN, RTP, SIP, N_PROTOCOLS };
static const char *const protocol_names[N_PROTOCOLS] = {"stun", "rtp", "sip"};

struct frame {
	struct flood_image image;
	uint16_t len;
};

static void make_frame(struct frame *f, enum protocol protocol, bool v6)
{
	static const unsigned kinds[N_PROTOCOLS] = {FLOOD_STUN, FLOOD_RTP, FLOOD_SIP}, ports[N_PROTOCOLS] = {RIG_TURN_PORT, RIG_MEDIA_PORT, RIG_SIP_PORT};
	static struct flood flood;
	struct options o = {.flood_kinds = 1u << kinds[protocol], .flood_ports = 1, .seed = 1};
	struct port port = {.mac = {2, 0, 0, 0, 0, 9}};

	memcpy(port.next_hop, rig_mac(), 6);
	sl_ip_parse(v6 ? RIG_V6 : RIG_V4, &o.flood_to.ip);
	o.flood_to.port_be = htons((uint16_t)ports[protocol]);
	flood_init(&flood, &o, &port);
	f->image = flood.images[0];
	f->len = f->image.len;
	uint16_t port_be = o.flood_to.port_be, sum = 1;
	memcpy(f->image.bytes + f->image.port_at + 2, &port_be, 2);
	/* Nobody who is turned away here gets his checksum looked at; over IPv6 there has to be one (RFC 8200 8.1). */
	memcpy(f->image.bytes + f->image.port_at + 6, &sum, v6 ? 2 : 0);
	if (v6)
		f->image.bytes[f->image.source_at + 15] = 1;
}

/* Wrong in the last thing that is looked at. */
static void spoil(struct frame *f, enum protocol protocol)
{
	uint8_t *payload = f->image.bytes + f->image.port_at + 8;
	if (protocol == STUN)
		payload[3] = 200; /* longer than its datagram */
	else if (protocol == SIP)
		memset(payload, 0xff, 16);
}

static void to_channel_data(struct frame *f, bool v6)
{
	uint8_t *payload = f->image.bytes + f->image.port_at + 8;
	static const uint8_t header[4] = {RIG_CHANNEL >> 8, RIG_CHANNEL & 0xff, 0, KNOWN_PAYLOAD - 4};
	unsigned len = f->image.port_at + 8 + KNOWN_PAYLOAD, total = v6 ? 8 + KNOWN_PAYLOAD : 28 + KNOWN_PAYLOAD;

	memset(payload, 0x55, KNOWN_PAYLOAD);
	memcpy(payload, header, sizeof header);
	f->len = f->image.len = (uint16_t)len;
	f->image.bytes[14 + (v6 ? 5 : 3)] = (uint8_t)total;
	f->image.bytes[f->image.port_at + 5] = 8 + KNOWN_PAYLOAD;
	if (v6)
		return;
	uint16_t word;
	f->image.ip_sum = 0;
	for (unsigned at = 14; at < 34; at += 2) {
		memcpy(&word, f->image.bytes + at, 2);
		f->image.ip_sum += word;
	}
}

/* ---- stages ---- */

enum stage { BASELINE, SHAPE, EMPTY, LISTS, DENIED, BANS, UNKNOWN, KNOWN_OFF, KNOWN, N_STAGES };

/* end: how its packets end; SL_N_DROPS = they go on to a peer, or are only freed. plus: is what it costs added to the cost of `shape`, after
 * that of `less` was taken away? For packets of no stage end right behind the lists, and the same packet without lists is what to compare with. */
static const struct {
	const char *name;
	enum rig_policy policy;
	enum stage less;
	bool plus_shape;
} stages[N_STAGES] = {
	[BASELINE] = {"baseline", RIG_OFF, BASELINE, false},
	[SHAPE] = {"shape", RIG_OFF, BASELINE, false},
	[EMPTY] = {"empty", RIG_EMPTY, BASELINE, false},
	[LISTS] = {"prefix", RIG_LISTS, EMPTY, true},
	[DENIED] = {"prefix-denied", RIG_DENIED, BASELINE, false},
	[BANS] = {"ban", RIG_BANNED, EMPTY, true},
	[UNKNOWN] = {"unknown", RIG_ALL, BASELINE, false},
	[KNOWN_OFF] = {"known-off", RIG_OFF, BASELINE, false},
	[KNOWN] = {"known", RIG_ALL, KNOWN_OFF, false},
};

struct run { /* one protocol and family */
	enum protocol protocol;
	bool v6;
	struct frame good, bad, channel;
	double cycles[N_STAGES][ROUNDS_MAX];
	uint64_t packets[N_STAGES], ended[N_STAGES]; /* ended as they should */
	uint64_t otherwise[N_STAGES][SL_N_DROPS];
	bool on[N_STAGES];
};

struct options_of_ours {
	unsigned protocols, families, stages; /* bits */
	uint32_t n_sources;
	unsigned rounds;
	struct rig_options rig;
};

static enum sl_drop expected(const struct run *r, enum stage s)
{
	static const enum sl_drop shape[N_PROTOCOLS] = {SL_DROP_stun_malformed, SL_N_DROPS, SL_DROP_sip_malformed};
	switch (s) {
	case SHAPE:
		return shape[r->protocol];
	case EMPTY:
	case LISTS:
	case BANS:
		return r->protocol == RTP ? SL_DROP_media_no_leg : SL_N_DROPS;
	case DENIED:
		return SL_DROP_guard_denied;
	case UNKNOWN:
		return SL_DROP_guard_total_limit;
	default:
		return SL_N_DROPS;
	}
}

/* Which stages can be told apart with this protocol's packets: those that are not limited go on to somebody, except that a media port
 * without a leg is the end of it. */
static bool applies(const struct run *r, enum stage s)
{
	if (s == SHAPE)
		return r->protocol != RTP;
	if (s == EMPTY || s == LISTS || s == BANS)
		return r->protocol == RTP;
	if (s == KNOWN || s == KNOWN_OFF)
		return r->protocol == STUN;
	return true;
}

static const struct frame *frame_of(const struct run *r, enum stage s)
{
	return s == SHAPE ? &r->bad : s == KNOWN || s == KNOWN_OFF ? &r->channel : &r->good;
}

static inline const struct source *next_known(bool v6)
{
	uint32_t *at = &sources.known_at[v6];
	const struct source *s = &sources.known[v6][*at];
	*at = *at + 1 == sources.n_known[v6] ? 0 : *at + 1;
	return s;
}

/* What a port would do: buffers out of the pool, and in each a frame that is there but for its source. known: what is passed on was
 * overwritten, so the whole head is written. */
static __rte_always_inline void receive(const struct frame *f, bool v6, bool known, struct rte_mbuf **m)
{
	if (unlikely(rte_pktmbuf_alloc_bulk(rig_pool(), m, SL_BURST) != 0)) {
		fprintf(stderr, "sluice-bench-guard: packets were not given back\n");
		exit(1);
	}
	for (unsigned i = 0; i < SL_BURST; i++) {
		uint8_t *d = rte_pktmbuf_mtod(m[i], uint8_t *);
		uint32_t at = sources.at;
		sources.at = at + 1 == sources.n ? 0 : at + 1;
		m[i]->data_len = f->len;
		m[i]->pkt_len = f->len;
		if (known)
			memcpy(d, f->image.bytes, HEAD_BYTES);
		if (v6) {
			const struct source *s = known ? next_known(true) : &sources.v6[at];
			memcpy(d + 22, &s->v6_high, 8);
			memcpy(d + 54, &s->port_be, 2);
			continue;
		}
		struct source4 s = sources.v4[at];
		if (known) {
			const struct source *k = next_known(false);
			s = (struct source4){.ip = k->v4, .port_be = k->port_be};
		}
		uint32_t sum = f->image.ip_sum + (s.ip & 0xffff) + (s.ip >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		uint16_t cksum = (uint16_t)~sum;
		memcpy(d + 24, &cksum, 2);
		memcpy(d + 26, &s.ip, 4);
		memcpy(d + 34, &s.port_be, 2);
	}
}

static void put_frame(struct rte_mempool *pool, void *arg, void *obj, unsigned index)
{
	const struct frame *f = arg;
	memcpy((uint8_t *)((struct rte_mbuf *)obj)->buf_addr + RTE_PKTMBUF_HEADROOM, f->image.bytes, f->image.copy > HEAD_BYTES ? f->image.copy : HEAD_BYTES);
}

static __rte_noinline double batch_baseline(const struct frame *f, bool v6)
{
	struct rte_mbuf *m[SL_BURST];
	uint64_t begin = rte_rdtsc();
	for (unsigned b = 0; b < BATCH_BURSTS; b++) {
		rig_clock();
		receive(f, v6, false, m);
		rte_pktmbuf_free_bulk(m, SL_BURST);
	}
	return (double)(rte_rdtsc() - begin) / (BATCH_BURSTS * SL_BURST);
}

/* One that passed, the first of a limit, was answered in its own buffer, and that is to hold a frame again. */
static __rte_noinline void put_back(const struct sl_worker *w, const struct frame *f)
{
	for (unsigned i = 0; i < w->tx[0].n; i++)
		put_frame(NULL, (void *)(uintptr_t)f, w->tx[0].m[i], 0);
	rig_free_sent();
}

static __rte_noinline double batch(const struct frame *f, bool v6)
{
	struct rte_mbuf *m[SL_BURST];
	struct sl_worker *w = rig_worker();
	uint64_t begin = rte_rdtsc();
	for (unsigned b = 0; b < BATCH_BURSTS; b++) {
		rig_clock();
		receive(f, v6, false, m);
		sl_path_frames(w, m, SL_BURST, 0, SL_FROM_PORT);
		if (unlikely(w->tx[0].n != 0))
			put_back(w, f);
	}
	return (double)(rte_rdtsc() - begin) / (BATCH_BURSTS * SL_BURST);
}

static __rte_noinline double batch_known(const struct frame *f, bool v6)
{
	struct rte_mbuf *m[SL_BURST];
	struct sl_worker *w = rig_worker();
	uint64_t begin = rte_rdtsc();
	for (unsigned b = 0; b < BATCH_BURSTS; b++) {
		rig_clock();
		receive(f, v6, true, m);
		sl_path_frames(w, m, SL_BURST, 0, SL_FROM_PORT);
		rig_free_sent();
	}
	return (double)(rte_rdtsc() - begin) / (BATCH_BURSTS * SL_BURST);
}

static int by_value(const void *a, const void *b)
{
	double x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
	qsort(v, n, sizeof *v, by_value);
	return v[n / 2];
}

static void measure(struct run *r, enum stage s, unsigned round)
{
	const struct frame *f = frame_of(r, s);
	struct sl_worker *w = rig_worker();
	enum sl_drop end = expected(r, s);
	double cycles[BATCHES];

	rig_use(stages[s].policy);
	rte_mempool_obj_iter(rig_pool(), put_frame, (void *)(uintptr_t)f);
	uint64_t before = 0, drops[SL_N_DROPS];
	memcpy(drops, w->drops, sizeof drops);
	for (unsigned b = 0; b < BATCHES + WARM_BATCHES; b++) {
		if (b == WARM_BATCHES)
			before = end != SL_N_DROPS ? w->drops[end] : w->counters[SL_C_relayed_to_peer_packets];
		double c = s == BASELINE ? batch_baseline(f, r->v6) : s == KNOWN || s == KNOWN_OFF ? batch_known(f, r->v6) : batch(f, r->v6);
		if (b >= WARM_BATCHES)
			cycles[b - WARM_BATCHES] = c;
	}
	uint64_t packets = (uint64_t)BATCHES * BATCH_BURSTS * SL_BURST;
	r->packets[s] += packets;
	r->ended[s] += s == BASELINE ? packets : (end != SL_N_DROPS ? w->drops[end] : w->counters[SL_C_relayed_to_peer_packets]) - before;
	for (unsigned i = 0; i < SL_N_DROPS; i++)
		r->otherwise[s][i] += i != end ? w->drops[i] - drops[i] : 0;
	/* Batches are short: the median leaves out those during which the core was another's. */
	r->cycles[s][round] = median(cycles, BATCHES);
}

/* ---- what is printed ---- */

static void print_stage(const struct run *r, enum stage s, double cycles, double added, double own, const struct options_of_ours *o)
{
	double hz = (double)rte_get_tsc_hz();

	printf("{\"case\":\"guard\",\"stage\":\"%s\",\"protocol\":\"%s\",\"family\":%u,\"frame_bytes\":%u,\"cycles_per_packet\":%.1f,"
	       "\"added_cycles\":%.1f,\"own_cycles\":%.1f,\"mpps\":%.2f,\"ended_as_meant\":%.6f,",
		stages[s].name, protocol_names[r->protocol], r->v6 ? 6 : 4, frame_of(r, s)->len, cycles, added, own, hz / cycles / 1e6,
		(double)r->ended[s] / (double)r->packets[s]);
	for (unsigned i = 0; i < SL_N_DROPS; i++)
		if (r->otherwise[s][i] != 0)
			printf("\"ended_%s\":%llu,", sl_drop_names[i].name, (unsigned long long)r->otherwise[s][i]);
	printf("\"packets\":%llu,\"sources\":%u,\"prefixes\":%u,\"allocations\":%u,\"bans\":%u,\"rounds\":%u,\"hugepages\":%s,\"tsc_hz\":%.0f}\n",
		(unsigned long long)r->packets[s], o->n_sources, o->rig.prefixes, o->rig.allocations, RIG_BANS, o->rounds,
		o->rig.no_huge ? "false" : "true", hz);
	fflush(stdout);
}

static void report(struct run *r, double shape[2], const struct options_of_ours *o)
{
	double cycles[N_STAGES] = {0};

	for (unsigned s = 0; s < N_STAGES; s++)
		if (r->on[s])
			cycles[s] = median(r->cycles[s], o->rounds);
	if (r->on[SHAPE] && shape[r->v6] == 0)
		shape[r->v6] = cycles[SHAPE] - cycles[BASELINE];
	for (unsigned s = 0; s < N_STAGES; s++) {
		double own = cycles[s] - cycles[stages[s].less];
		if (r->on[s])
			print_stage(r, (enum stage)s, cycles[s], own + (stages[s].plus_shape ? shape[r->v6] : 0), own, o);
	}
}

static void print_memory(void)
{
	struct rig_memory m;

	rig_memory(&m);
	printf("{\"case\":\"guard-memory\",\"per_worker\":%llu,\"bans_marks_and_meters\":%llu,\"prefixes\":%llu,\"bytes\":%llu}\n",
		(unsigned long long)m.per_worker, (unsigned long long)m.bans_marks_and_meters, (unsigned long long)m.prefixes,
		(unsigned long long)(m.per_worker + m.bans_marks_and_meters + m.prefixes));
}

/* ---- command line ---- */

static unsigned names_to_bits(const char *text, const char *const *names, unsigned n)
{
	unsigned bits = 0;

	for (const char *at = text; *at != '\0';) {
		size_t len = strcspn(at, ",");
		unsigned i = 0;
		while (i < n && (strlen(names[i]) != len || strncmp(names[i], at, len) != 0))
			i++;
		if (i == n) {
			fprintf(stderr, "sluice-bench-guard: there is no %.*s\n", (int)len, at);
			exit(2);
		}
		bits |= 1u << i;
		at += len + (at[len] == ',');
	}
	return bits;
}

static uint32_t number(const char *text, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || v < min || v > max) {
		fprintf(stderr, "sluice-bench-guard: %s is not a number from %u to %u\n", text, min, max);
		exit(2);
	}
	return (uint32_t)v;
}

static void parse(struct options_of_ours *o, int argc, char **argv)
{
	static const struct option longs[] = {{"protocols", 1, NULL, 'p'}, {"families", 1, NULL, 'f'}, {"stages", 1, NULL, 's'},
		{"sources", 1, NULL, 'n'}, {"prefixes", 1, NULL, 'x'}, {"allocations", 1, NULL, 'a'}, {"rounds", 1, NULL, 'r'},
		{"core", 1, NULL, 'c'}, {"no-huge", 0, NULL, 'H'}, {"help", 0, NULL, 'h'}, {0}};
	static const char *const families[] = {"4", "6"};
	const char *stage_names[N_STAGES];
	int c;

	for (unsigned i = 0; i < N_STAGES; i++)
		stage_names[i] = stages[i].name;
	*o = (struct options_of_ours){.protocols = ~0u, .families = ~0u, .stages = ~0u, .n_sources = 10000000, .rounds = 31,
		.rig = {.core = 1, .allocations = 100000, .prefixes = 50000}};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'p')
			o->protocols = names_to_bits(optarg, protocol_names, N_PROTOCOLS);
		else if (c == 'f')
			o->families = names_to_bits(optarg, families, 2);
		else if (c == 's')
			o->stages = names_to_bits(optarg, stage_names, N_STAGES);
		else if (c == 'n')
			o->n_sources = number(optarg, SL_BURST, 1u << 30);
		else if (c == 'x')
			o->rig.prefixes = number(optarg, 1, SL_GUARD_LIST_MAX / 2 - 8);
		else if (c == 'a')
			o->rig.allocations = number(optarg, 2, 130000);
		else if (c == 'r')
			o->rounds = number(optarg, 1, ROUNDS_MAX);
		else if (c == 'c')
			o->rig.core = number(optarg, 0, CPU_SETSIZE - 1);
		else if (c == 'H')
			o->rig.no_huge = true;
		else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
}

/* stun before rtp: its shape is what the others' prefix stages are added to. */
static void make_run(struct run *r, enum protocol protocol, bool v6, const struct options_of_ours *o)
{
	*r = (struct run){.protocol = protocol, .v6 = v6};
	make_frame(&r->good, protocol, v6);
	r->bad = r->channel = r->good;
	spoil(&r->bad, protocol);
	if (protocol == STUN)
		to_channel_data(&r->channel, v6);
	for (unsigned s = 0; s < N_STAGES; s++)
		r->on[s] = applies(r, (enum stage)s) && (s == BASELINE || (o->stages & 1u << s));
	/* And what they are compared with. */
	for (unsigned s = 0; s < N_STAGES; s++)
		if (r->on[s])
			r->on[stages[s].less] = true;
}

int main(int argc, char **argv)
{
	static struct run runs[2 * N_PROTOCOLS];
	struct options_of_ours o;
	double shape[2] = {0};
	unsigned n = 0;

	parse(&o, argc, argv);
	if (rig_open(&o.rig) != 0)
		return 1;
	make_sources(o.n_sources);
	make_known(o.rig.allocations);
	for (unsigned p = 0; p < N_PROTOCOLS; p++)
		for (unsigned v6 = 0; v6 < 2; v6++)
			if ((o.protocols & 1u << p) && (o.families & 1u << v6))
				make_run(&runs[n++], (enum protocol)p, v6, &o);
	for (unsigned round = 0; round < o.rounds; round++)
		for (unsigned i = 0; i < n; i++)
			for (unsigned s = 0; s < N_STAGES; s++)
				if (runs[i].on[s])
					measure(&runs[i], (enum stage)s, round);
	for (unsigned i = 0; i < n; i++)
		report(&runs[i], shape, &o);
	print_memory();
	return 0;
}

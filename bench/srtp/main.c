/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* sluice-bench-srtp: what protecting and unprotecting an SRTP packet costs, for our engine and libsrtp2, in
 * one run. */

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "bench/srtp/bench.h"
#include "drivers/srtp.h"

static const char usage[] =
        "sluice-bench-srtp: cycles a packet of SRTP, one core, no packets received or sent.\n"
        "\n"
        "  --systems A,B     ipsec-mb (as a worker would have it), ipsec-mb-jobs (hash and AEAD by "
        "libipsec-mb),\n"
        "                    ipsec-mb-shani (hash by SHA extensions), a cryptodev such as crypto_aesni_mb "
        "or\n"
        "                    crypto_openssl, libsrtp2 (ipsec-mb,libsrtp2)\n"
        "  --suites A,B      names of RFC 4568 (AES_CM_128_HMAC_SHA1_80,AEAD_AES_128_GCM)\n"
        "  --sizes A,B       bytes of an RTP packet with its 12 of header (172,1200)\n"
        "  --streams A,B     different keys, drawn at random for each packet (1000,20000)\n"
        "  --libsrtp2-streams N   but no more than so many for libsrtp2, to which they matter more (32)\n"
        "  --burst N         packets a call, at most 64 (32)\n"
        "  --rounds N        interleaved rounds of each system; the median counts (31)\n"
        "  --core N          the core to run on (1)\n"
        "  --hugepages       for cryptodevs (EAL's memory); contexts of ipsec-mb take them where there are\n"
        "\n"
        "Prints one JSON object a line; bench/README.md explains the keys.\n";

enum { BATCHES = 20, BATCH_MIN = 32, ROUND_CYCLES = 50000000 }; /* a slow system gets fewer packets a round */
enum { LIST_MAX = 8, ROUNDS_MAX = 1001, STREAMS_MAX = 1 << 20, HUGE_PAGE = 2 << 20, PAYLOAD_TYPE = 8 };

struct options {
	char *systems[LIST_MAX], *suites[LIST_MAX], *sizes[LIST_MAX], *streams[LIST_MAX];
	unsigned n_systems, n_suites, n_sizes, n_streams;
	unsigned burst, rounds, core, libsrtp2_streams;
	bool hugepages;
};

struct figures {
	double protect[ROUNDS_MAX], unprotect[ROUNDS_MAX];
};

struct run { /* one suite, size and number of streams */
	const struct options *o;
	unsigned suite, bytes, n_streams;
	struct stream *streams;
	struct system system[LIST_MAX];
	uint64_t *next[LIST_MAX]; /* index each stream uses next, by system */
	struct figures *figures[LIST_MAX];
	unsigned batch[LIST_MAX]; /* packets */
	uint8_t *packets;
};

static double tsc_hz;
static bool hugepages;
static uint64_t random_state = 88172645463325252u;

static uint32_t random32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 16);
}

static void *need(void *p)
{
	if (!p) {
		fprintf(stderr, "sluice-bench-srtp: no memory\n");
		exit(1);
	}
	return p;
}

static size_t whole_pages(size_t bytes)
{
	return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

void *bench_memory(size_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
	void *p = mmap(NULL, whole_pages(bytes), PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);

	hugepages = p != MAP_FAILED;
	if (p == MAP_FAILED)
		p = mmap(NULL, whole_pages(bytes), PROT_READ | PROT_WRITE, flags, -1, 0);
	return need(p == MAP_FAILED ? NULL : p);
}

void bench_memory_free(void *p, size_t bytes)
{
	munmap(p, whole_pages(bytes));
}

/* ---- one run ---- */

static void make_streams(struct run *r)
{
	r->streams = (struct stream *)need(calloc(r->n_streams, sizeof *r->streams));
	for (unsigned i = 0; i < r->n_streams; i++) {
		struct stream *s = &r->streams[i];
		s->key.suite = (uint8_t)r->suite;
		for (unsigned k = 0; k < sl_srtp_suite_info(r->suite)->key_len; k++)
			s->key.key[k] = (uint8_t)random32();
		for (unsigned k = 0; k < sl_srtp_suite_info(r->suite)->salt_len; k++)
			s->key.salt[k] = (uint8_t)random32();
		s->ssrc = i + 1;
		s->index = 1;
	}
}

static void make_packets(struct run *r, unsigned which, struct packet *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *rtp = r->packets + (size_t)i * PACKET_ROOM;
		uint32_t stream = random32() % r->system[which].n_streams;
		uint64_t index = r->next[which][stream]++;
		const uint8_t header[HEADER_BYTES] = {
		        0x80, PAYLOAD_TYPE, (uint8_t)(index >> 8), (uint8_t)index};
		uint32_t ssrc = __builtin_bswap32(r->streams[stream].ssrc);

		memcpy(rtp, header, sizeof header);
		memcpy(rtp + 8, &ssrc, sizeof ssrc);
		memset(rtp + HEADER_BYTES, (int)stream, r->bytes - HEADER_BYTES);
		p[i] = (struct packet){
		        .rtp = rtp, .len = (uint16_t)r->bytes, .stream = stream, .index = index};
	}
}

static void check(const struct run *r, unsigned which, const struct packet *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (p[i].failed || p[i].len != r->bytes || p[i].rtp[r->bytes - 1] != (uint8_t)p[i].stream) {
			fprintf(stderr, "sluice-bench-srtp: %s: packet came back wrong\n",
			        r->system[which].name);
			exit(1);
		}
}

static double timed(struct system *y, void (*step)(struct system *, struct packet *, unsigned),
        struct packet *p, unsigned n, unsigned burst)
{
	uint64_t begin = __rdtsc();

	for (unsigned i = 0; i < n; i += burst)
		step(y, p + i, n - i < burst ? n - i : burst);
	return (double)(__rdtsc() - begin);
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

/* Batches are short: the median leaves out those during which the core was another's. */
static void measure(struct run *r, unsigned which, unsigned round)
{
	struct system *y = &r->system[which];
	struct packet p[BATCH_MAX];
	double out[BATCHES], in[BATCHES], spent = 0;
	unsigned n = 0, size = round == 0 ? BATCH_MIN : r->batch[which];

	while (n < BATCHES && spent < ROUND_CYCLES) {
		make_packets(r, which, p, size);
		out[n] = timed(y, y->protect, p, size, r->o->burst) / size;
		in[n] = timed(y, y->unprotect, p, size, r->o->burst) / size;
		check(r, which, p, size);
		spent += (out[n] + in[n]) * size;
		n++;
	}
	r->figures[which]->protect[round] = median(out, n);
	r->figures[which]->unprotect[round] = median(in, n);
	r->batch[which] = spent < ROUND_CYCLES ? BATCH_MAX : BATCH_MIN;
}

static void print(
        const struct run *r, unsigned which, const char *step, double cycles, double least, double libsrtp2)
{
	const struct system *y = &r->system[which];

	printf("{\"case\":\"srtp-%s\",\"system\":\"%s\",\"engine\":\"%s\",\"suite\":\"%s\",\"bytes\":%u,"
	       "\"streams\":%u,"
	       "\"burst\":%u,\"cycles_per_packet\":%.1f,\"cycles_min\":%.1f,\"mops\":%.2f,\"rounds\":%u,"
	       "\"tsc_hz\":%.0f,"
	       "\"hugepages\":%s",
	        step, y->name, y->describe, sl_srtp_suite_info(r->suite)->sdp_name, r->bytes, y->n_streams,
	        r->o->burst, cycles, least, tsc_hz / cycles / 1e6, r->o->rounds, tsc_hz,
	        hugepages ? "true" : "false");
	if (libsrtp2 > 0)
		printf(",\"libsrtp2_ratio\":%.2f", libsrtp2 / cycles);
	printf("}\n");
	fflush(stdout);
}

static void report(struct run *r)
{
	double protect[LIST_MAX], unprotect[LIST_MAX], their_protect = 0, their_unprotect = 0;

	for (unsigned i = 0; i < r->o->n_systems; i++) {
		if (!r->figures[i])
			continue;
		protect[i] = median(r->figures[i]->protect, r->o->rounds);
		unprotect[i] = median(r->figures[i]->unprotect, r->o->rounds);
		if (strcmp(r->system[i].name, "libsrtp2") == 0) {
			their_protect = protect[i];
			their_unprotect = unprotect[i];
		}
	}
	for (unsigned i = 0; i < r->o->n_systems; i++) {
		if (!r->figures[i])
			continue;
		print(r, i, "protect", protect[i], r->figures[i]->protect[0], their_protect);
		print(r, i, "unprotect", unprotect[i], r->figures[i]->unprotect[0], their_unprotect);
	}
}

static void open_system(struct run *r, unsigned i)
{
	struct system *y = &r->system[i];
	char err[256] = "";

	if (strcmp(r->o->systems[i], "libsrtp2") == 0)
		system_libsrtp2(y);
	else
		system_sluice(y, r->o->systems[i]);
	y->n_streams = r->n_streams;
	if (strcmp(y->name, "libsrtp2") == 0 && y->n_streams > r->o->libsrtp2_streams)
		y->n_streams = r->o->libsrtp2_streams;
	if (y->open(y, r->streams, y->n_streams, err, sizeof err) != 0) {
		fprintf(stderr, "sluice-bench-srtp: %s left out: %s\n", r->o->systems[i], err);
		y->close(y);
		return;
	}
	r->figures[i] = (struct figures *)need(calloc(1, sizeof *r->figures[i]));
	r->next[i] = (uint64_t *)need(calloc(r->n_streams, sizeof *r->next[i]));
	for (unsigned s = 0; s < r->n_streams; s++)
		r->next[i][s] = r->streams[s].index;
}

static void one_run(const struct options *o, unsigned suite, unsigned bytes, unsigned n_streams)
{
	struct run r = {.o = o, .suite = suite, .bytes = bytes, .n_streams = n_streams};

	make_streams(&r);
	r.packets = (uint8_t *)need(aligned_alloc(64, (size_t)BATCH_MAX * PACKET_ROOM));
	for (unsigned i = 0; i < o->n_systems; i++)
		open_system(&r, i);
	for (unsigned round = 0; round < o->rounds; round++)
		for (unsigned i = 0; i < o->n_systems; i++)
			if (r.figures[i])
				measure(&r, i, round);
	report(&r);
	for (unsigned i = 0; i < o->n_systems; i++) {
		if (r.figures[i])
			r.system[i].close(&r.system[i]);
		free(r.figures[i]);
		free(r.next[i]);
	}
	free(r.packets);
	free(r.streams);
}

/* ---- set-up ---- */

static void measure_tsc(void)
{
	struct timespec a, b, wait = {0, 50000000};
	uint64_t from;

	clock_gettime(CLOCK_MONOTONIC, &a);
	from = __rdtsc();
	nanosleep(&wait, NULL);
	clock_gettime(CLOCK_MONOTONIC, &b);
	tsc_hz = (double)(__rdtsc() - from) /
	         ((double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
}

static void start_eal(const struct options *o)
{
	char cores[16];
	char *args[] = {"sluice-bench-srtp", "-l", cores, o->hugepages ? "--in-memory" : "--no-huge",
	        "--no-shconf", "--no-pci", "-m", "1024", "--no-telemetry", "--log-level=*:error"};

	snprintf(cores, sizeof cores, "%u", o->core);
	if (rte_eal_init((int)(sizeof args / sizeof args[0]), args) < 0) {
		fprintf(stderr, "sluice-bench-srtp: EAL: %s\n", rte_strerror(rte_errno));
		exit(1);
	}
}

/* Threads stay where EAL puts its own; without a cryptodev there is no EAL. */
static void pin(const struct options *o)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(o->core, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0) {
		fprintf(stderr, "sluice-bench-srtp: core %u: %s\n", o->core, strerror(errno));
		exit(1);
	}
}

static unsigned split(char *list, char **out)
{
	unsigned n = 0;

	for (char *save, *word = strtok_r(list, ",", &save); word && n < LIST_MAX;
	        word = strtok_r(NULL, ",", &save))
		out[n++] = word;
	return n;
}

static unsigned number(const char *text, unsigned min, unsigned max)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text == 0 || *end || v < min || v > max) {
		fprintf(stderr, "sluice-bench-srtp: %s is not a number from %u to %u\n", text, min, max);
		exit(2);
	}
	return (unsigned)v;
}

static unsigned suite_of(const char *name)
{
	for (unsigned i = SL_SRTP_NONE + 1; i < SL_SRTP_N_SUITES; i++)
		if (strcmp(sl_srtp_suite_info(i)->sdp_name, name) == 0)
			return i;
	fprintf(stderr, "sluice-bench-srtp: there is no suite %s\n", name);
	exit(2);
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {{"systems", 1, NULL, 'y'}, {"suites", 1, NULL, 'u'},
	        {"sizes", 1, NULL, 'z'}, {"streams", 1, NULL, 's'}, {"burst", 1, NULL, 'b'},
	        {"libsrtp2-streams", 1, NULL, 'l'}, {"hugepages", 0, NULL, 'H'}, {"rounds", 1, NULL, 'r'},
	        {"core", 1, NULL, 'c'}, {"help", 0, NULL, 'h'}, {0}};
	static char systems[] = "ipsec-mb,libsrtp2", suites[] = "AES_CM_128_HMAC_SHA1_80,AEAD_AES_128_GCM";
	static char sizes[] = "172,1200", streams[] = "1000,20000";
	int c;

	*o = (struct options){.burst = 32, .rounds = 31, .core = 1, .libsrtp2_streams = 32};
	o->n_systems = split(systems, o->systems);
	o->n_suites = split(suites, o->suites);
	o->n_sizes = split(sizes, o->sizes);
	o->n_streams = split(streams, o->streams);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'y')
			o->n_systems = split(optarg, o->systems);
		else if (c == 'u')
			o->n_suites = split(optarg, o->suites);
		else if (c == 'z')
			o->n_sizes = split(optarg, o->sizes);
		else if (c == 's')
			o->n_streams = split(optarg, o->streams);
		else if (c == 'b')
			o->burst = number(optarg, 1, SL_SRTP_BURST);
		else if (c == 'l')
			o->libsrtp2_streams = number(optarg, 1, STREAMS_MAX);
		else if (c == 'H')
			o->hugepages = true;
		else if (c == 'r')
			o->rounds = number(optarg, 1, ROUNDS_MAX);
		else if (c == 'c')
			o->core = number(optarg, 0, CPU_SETSIZE - 1);
		else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
}

int main(int argc, char **argv)
{
	struct options o;
	bool devices = false;

	parse(&o, argc, argv);
	for (unsigned i = 0; i < o.n_systems; i++)
		devices |= strncmp(o.systems[i], "crypto_", strlen("crypto_")) == 0;
	if (devices)
		start_eal(&o);
	else
		pin(&o);
	measure_tsc();
	for (unsigned u = 0; u < o.n_suites; u++)
		for (unsigned z = 0; z < o.n_sizes; z++)
			for (unsigned s = 0; s < o.n_streams; s++)
				one_run(&o, suite_of(o.suites[u]),
				        number(o.sizes[z], HEADER_BYTES, PACKET_ROOM - SL_SRTP_TAIL_MAX),
				        number(o.streams[s], 1, STREAMS_MAX));
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "bench/tls/load.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, SETUP_AT_ONCE = 64, SETUP_MAX_S = 60, DRAIN_MS = 300, EXPIRE_MS = 500, BURST_MAX = 4096 };
#define NS_PER_S 1000000000ull
#define WARM_STEP_S 0.2

static const char usage[] =
	"sluice-tlsload: TURN clients over TLS, and the peer that sends their packets back, in one thread.\n"
	"\n"
	"  --server IP:PORT     TLS listener (198.18.0.1:5349)\n"
	"  --from FIRST[+N]     source addresses of clients, N in a row (the system's choice)\n"
	"  --peer IP:PORT       of ours: where clients send to (198.18.0.64:20000)\n"
	"  --clients N          at once (200)\n"
	"  --payload BYTES      application bytes of a frame, 16..1400 (172)\n"
	"  --rate R             frames, or arrivals, a second; 0 with --arrivals = as fast as they go (20000; 0)\n"
	"  --seconds S          measured time (5); --warmup S, before it (0.5)\n"
	"  --arrivals           new clients that leave once they have an allocation, instead of data\n"
	"  --resume             arrivals: with the session of an earlier connection\n"
	"  --backend            no TURN: the server passes bytes to a TCP listener of ours at --peer\n"
	"  --suite NAME         cipher suite of TLS 1.3, or as OpenSSL calls them of TLS 1.2 (TLS_AES_128_GCM_SHA256)\n"
	"  --user U --password P   (bench, bench)\n"
	"  --step               wait for a line on stdin before the load and before leaving\n"
	"\n"
	"Prints one JSON object a line on stdout; bench/README.md explains the keys.\n";

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void watch(struct load *l, int fd, uint64_t number, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u64 = number };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		perror("sluice-tlsload: epoll");
}

/* ---- options ---- */

static bool parse_number(const char *text, double min, double max, double *out)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end != '\0' || !(v >= min && v <= max))
		return false;
	*out = v;
	return true;
}

static bool parse_unsigned(const char *text, unsigned min, unsigned max, unsigned *out)
{
	double v;

	if (!parse_number(text, min, max, &v) || v != (unsigned)v)
		return false;
	*out = (unsigned)v;
	return true;
}

static bool parse_from(const char *text, struct options *o)
{
	char ip[SL_ADDR_TEXT_MAX];
	size_t n = strcspn(text, "+");

	if (n >= sizeof ip)
		return false;
	memcpy(ip, text, n);
	ip[n] = '\0';
	o->n_from = 1;
	return sl_ip_parse(ip, &o->from) == 0 && sl_ip_is_v4(&o->from) && (text[n] == '\0' || parse_unsigned(text + n + 1, 1, 65536, &o->n_from));
}

enum { SERVER = 256, FROM, PEER, CLIENTS, PAYLOAD, RATE, SECONDS, WARMUP, ARRIVALS, RESUME, BACKEND, SUITE, USER, PASSWORD, STEP, HELP };

static const struct option long_options[] = {
	{ "server", required_argument, NULL, SERVER },
	{ "from", required_argument, NULL, FROM },
	{ "peer", required_argument, NULL, PEER },
	{ "clients", required_argument, NULL, CLIENTS },
	{ "payload", required_argument, NULL, PAYLOAD },
	{ "rate", required_argument, NULL, RATE },
	{ "seconds", required_argument, NULL, SECONDS },
	{ "warmup", required_argument, NULL, WARMUP },
	{ "arrivals", no_argument, NULL, ARRIVALS },
	{ "resume", no_argument, NULL, RESUME },
	{ "backend", no_argument, NULL, BACKEND },
	{ "suite", required_argument, NULL, SUITE },
	{ "user", required_argument, NULL, USER },
	{ "password", required_argument, NULL, PASSWORD },
	{ "step", no_argument, NULL, STEP },
	{ "help", no_argument, NULL, HELP },
	{ NULL, 0, NULL, 0 },
};

static bool apply(struct options *o, int opt, const char *v)
{
	switch (opt) {
	case SERVER:
		return sl_endpoint_parse(v, &o->server) == 0 && sl_ip_is_v4(&o->server.ip);
	case FROM:
		return parse_from(v, o);
	case PEER:
		return sl_endpoint_parse(v, &o->peer) == 0;
	case CLIENTS:
		return parse_unsigned(v, 1, 1 << 20, &o->clients);
	case PAYLOAD:
		return parse_unsigned(v, STAMP_BYTES, 1400, &o->payload);
	case RATE:
		return parse_number(v, 0, 1e7, &o->rate);
	case SECONDS:
		return parse_number(v, 0.01, 86400, &o->seconds);
	case WARMUP:
		return parse_number(v, 0, 60, &o->warmup_s);
	case ARRIVALS:
		return o->arrivals = true;
	case RESUME:
		return o->resume = true;
	case BACKEND:
		return o->backend = true;
	case SUITE:
		o->suite = v;
		return true;
	case USER:
		o->user = v;
		return strlen(v) <= 128;
	case PASSWORD:
		o->password = v;
		return strlen(v) <= 128;
	case STEP:
		return o->step = true;
	default:
		return false;
	}
}

/* 0, -1 after a message, 1 after --help. */
static int parse(struct options *o, int argc, char **argv)
{
	int opt, index;

	*o = (struct options){ .clients = 200, .payload = 172, .rate = -1, .seconds = 5, .warmup_s = 0.5, .suite = "TLS_AES_128_GCM_SHA256",
		.user = "bench", .password = "bench" };
	sl_endpoint_parse("198.18.0.1:5349", &o->server);
	sl_endpoint_parse("198.18.0.64:20000", &o->peer);
	while ((opt = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		if (opt == HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (opt == '?')
			return -1;
		if (!apply(o, opt, optarg)) {
			fprintf(stderr, "sluice-tlsload: --%s %s: not usable; see --help\n", long_options[index].name, optarg != NULL ? optarg : "");
			return -1;
		}
	}
	if (o->rate < 0)
		o->rate = o->arrivals ? 0 : 20000;
	if (optind == argc && (o->rate > 0 || o->arrivals))
		return 0;
	fprintf(stderr, "sluice-tlsload: %s\n", optind != argc ? "unexpected argument; see --help" : "data needs a --rate");
	return -1;
}

/* ---- the loop ---- */

static void poll_once(struct load *l, int timeout_ms)
{
	struct epoll_event e[EVENTS];
	int n = epoll_wait(l->epoll, e, EVENTS, timeout_ms);

	for (int i = 0; i < n; i++) {
		enum kind kind = e[i].data.u64 >> 32;
		uint32_t number = (uint32_t)e[i].data.u64;
		if (kind == KIND_CLIENT)
			client_event(l, number, e[i].events);
		else
			peer_event(l, kind, number);
	}
}

static bool set_up(struct load *l)
{
	uint64_t end = now_ns() + SETUP_MAX_S * NS_PER_S;

	while (l->n_ready < l->o.clients) {
		while (l->n_free > 0 && l->o.clients - l->n_free - l->n_ready < SETUP_AT_ONCE && client_start(l))
			;
		poll_once(l, 1);
		clients_expire(l);
		if (l->now.failed > 0 || now_ns() > end) {
			fprintf(stderr, "sluice-tlsload: %u of %u clients are ready; %s\n", l->n_ready, l->o.clients, l->why);
			return false;
		}
	}
	return true;
}

/* As many as are due by now; a backlog of this machine's own is forgotten rather than sent in one heap. */
static unsigned due(const struct load *l, uint64_t elapsed_ns, uint64_t *scheduled)
{
	uint64_t target = (uint64_t)((double)elapsed_ns / 1e9 * l->o.rate), n = target - *scheduled;

	*scheduled = target;
	return n < BURST_MAX ? (unsigned)n : BURST_MAX;
}

/* Without a rate, clients come as fast as slots get free. */
static void offer(struct load *l, uint64_t elapsed_ns, uint64_t *scheduled, uint32_t *next)
{
	unsigned n = l->o.rate > 0 ? due(l, elapsed_ns, scheduled) : l->n_free;

	for (; n > 0; n--) {
		if (!l->o.arrivals)
			client_send(l, (*next)++ % l->o.clients);
		else if (!client_start(l))
			break;
	}
}

static double run(struct load *l, double seconds)
{
	uint64_t begin = now_ns(), end = begin + (uint64_t)(seconds * 1e9), scheduled = 0, next_expire = begin, now;
	uint32_t next = 0;

	memset(&l->now, 0, sizeof l->now);
	while ((now = now_ns()) < end) {
		offer(l, now - begin, &scheduled, &next);
		poll_once(l, 1);
		if (now > next_expire) {
			clients_expire(l);
			next_expire = now + EXPIRE_MS * 1000000ull;
		}
	}
	return (double)(now - begin) / 1e9;
}

/* The first arrivals have nothing to resume: go on until each that is under way could have had something. */
static void warm_up(struct load *l)
{
	for (uint64_t end = now_ns() + SETUP_MAX_S * NS_PER_S; l->o.arrivals && l->o.resume && l->n_sessions < l->o.clients && now_ns() < end;)
		run(l, WARM_STEP_S);
	if (l->o.warmup_s > 0)
		run(l, l->o.warmup_s);
}

/* What is on its way still counts against loss. */
static void drain(struct load *l)
{
	for (uint64_t end = now_ns() + DRAIN_MS * 1000000ull; now_ns() < end;)
		poll_once(l, 1);
}

static void print_result(const struct load *l, double seconds)
{
	const struct counts *n = &l->now;

	printf("{\"event\":\"result\",\"clients\":%u,\"payload_bytes\":%u,\"suite\":\"%s\",", l->o.clients, l->o.payload, l->o.suite);
	printf("\"seconds\":%.3f,\"rate\":%.0f,", seconds, l->o.rate);
	printf("\"started\":%llu,\"ready\":%llu,\"failed\":%llu,\"resumed\":%llu,\"per_second\":%.1f,", (unsigned long long)n->started,
		(unsigned long long)n->ready, (unsigned long long)n->failed, (unsigned long long)n->resumed, (double)n->ready / seconds);
	printf("\"sent\":%llu,\"unsent\":%llu,\"echoed\":%llu,\"received\":%llu,\"bad\":%llu,", (unsigned long long)n->sent,
		(unsigned long long)n->unsent, (unsigned long long)n->echoed, (unsigned long long)n->received, (unsigned long long)n->bad);
	printf("\"latency_us\":{\"samples\":%llu,\"p50\":%.1f,\"p99\":%.1f},\"why\":\"%s\"}\n", (unsigned long long)n->latency.n,
		latency_us(&n->latency, 0.5), latency_us(&n->latency, 0.99), n->failed > 0 ? l->why : "");
	fflush(stdout);
}

static bool wait_for_line(const struct load *l, const char *event)
{
	int c;

	if (!l->o.step)
		return true;
	printf("{\"event\":\"%s\"}\n", event);
	fflush(stdout);
	while ((c = getchar()) != '\n')
		if (c == EOF)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	static struct load l;
	int rc = parse(&l.o, argc, argv);

	if (rc != 0)
		return rc < 0 ? 2 : 0;
	signal(SIGPIPE, SIG_IGN);
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l.epoll < 0 || clients_init(&l) != 0 || peer_init(&l) != 0 || (!l.o.arrivals && !set_up(&l)))
		return 1;
	warm_up(&l);
	rc = 1;
	if (wait_for_line(&l, "ready")) {
		double seconds = run(&l, l.o.seconds);
		if (!l.o.arrivals)
			drain(&l);
		print_result(&l, seconds);
		rc = wait_for_line(&l, "measured") ? 0 : 1;
	}
	clients_fini(&l);
	return rc;
}

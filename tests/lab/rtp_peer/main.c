/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Sends and receives RTP as a plan says; see tests/lab/README.md. */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

enum { EVENTS = 64, BUFFER_BYTES = 1 << 18, TICK_MS = 20, MAX_FILES = 16384 };

struct run {
	const char *go, *ready, *report; /* NULL = none */
	double seconds, drain;
};

static volatile sig_atomic_t stopping;

static void on_signal(int sig)
{
	(void)sig;
	stopping = 1;
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

socklen_t address_len(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	struct sockaddr_in6 six_a, six_b;
	struct sockaddr_in four_a, four_b;

	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET6) {
		memcpy(&six_a, a, sizeof(six_a));
		memcpy(&six_b, b, sizeof(six_b));
		return six_a.sin6_port == six_b.sin6_port && memcmp(&six_a.sin6_addr, &six_b.sin6_addr, 16) == 0;
	}
	memcpy(&four_a, a, sizeof(four_a));
	memcpy(&four_b, b, sizeof(four_b));
	return four_a.sin_port == four_b.sin_port && four_a.sin_addr.s_addr == four_b.sin_addr.s_addr;
}

/* A socket at the local address, or at the port above it for RTCP; events carry endpoint << 1 | RTCP. */
static int open_socket(int epoll, struct endpoint *e, uint32_t index, bool rtcp)
{
	struct sockaddr_storage at = e->local;
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = index << 1 | rtcp};
	int size = BUFFER_BYTES, fd = socket(at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	in_port_t port;

	if (rtcp) {
		memcpy(&port, (char *)&at + offsetof(struct sockaddr_in, sin_port), sizeof(port));
		port = htons((uint16_t)(ntohs(port) + 1));
		memcpy((char *)&at + offsetof(struct sockaddr_in, sin_port), &port, sizeof(port));
	}
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, address_len(&at)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		fprintf(stderr, "rtp_peer: %s: %s\n", e->name, strerror(errno));
		return -1;
	}
	return fd;
}

static int open_all(struct endpoint *e, int n)
{
	int epoll = epoll_create1(0);

	for (int i = 0; i < n; i++) {
		e[i].fd = open_socket(epoll, &e[i], (uint32_t)i, false);
		if (e[i].fd < 0)
			return -1;
		if (!e[i].mux && !e[i].raw && (e[i].rtcp_fd = open_socket(epoll, &e[i], (uint32_t)i, true)) < 0)
			return -1;
	}
	return epoll;
}

/* First packets spread over the first interval. */
static void schedule(struct endpoint *e, int n, uint64_t start)
{
	for (int i = 0; i < n; i++) {
		uint64_t every = NS_PER_S / e[i].rate;

		e[i].due = e[i].no_send || !e[i].has_remote ? UINT64_MAX
							    : start + e[i].start_ms * NS_PER_MS + every * (unsigned)i / (unsigned)n;
		e[i].rtcp_due = e[i].rtcp_ms == 0 || !e[i].has_remote ? UINT64_MAX : start + e[i].rtcp_ms * NS_PER_MS;
	}
}

/* Sends what is due; when the next is. */
static uint64_t send_due(struct endpoint *e, int n, uint64_t start, uint64_t end)
{
	uint64_t now = now_ns(), next = UINT64_MAX;

	for (int i = 0; i < n; i++) {
		uint64_t stop = e[i].stop_ms > 0 ? start + e[i].stop_ms * NS_PER_MS : end;

		while (e[i].due <= now && e[i].due < stop && e[i].due < end && (e[i].count == 0 || e[i].sent < e[i].count))
			send_next(&e[i], now);
		if (e[i].due < stop && e[i].due < end && (e[i].count == 0 || e[i].sent < e[i].count) && e[i].due < next)
			next = e[i].due;
		while (e[i].rtcp_due <= now && e[i].rtcp_due < end)
			rtcp_send(&e[i], now);
		if (e[i].rtcp_due < next)
			next = e[i].rtcp_due;
	}
	return next;
}

/* Receives until something is to be sent, or a tick has passed. */
static void receive(struct endpoint *e, int epoll, uint64_t next)
{
	struct timespec wait = {.tv_nsec = (long)(TICK_MS * NS_PER_MS)};
	struct epoll_event events[EVENTS];
	uint64_t now = now_ns();
	int got;

	if (next <= now)
		wait.tv_nsec = 0;
	else if (next - now < TICK_MS * NS_PER_MS)
		wait.tv_nsec = (long)(next - now);
	got = epoll_pwait2(epoll, events, EVENTS, &wait, NULL);
	for (int i = 0; i < got; i++) {
		struct endpoint *one = &e[events[i].data.u32 >> 1];

		if (events[i].data.u32 & 1)
			rtcp_receive_all(one);
		else
			receive_all(one);
	}
}

static void run(struct endpoint *e, int n, int epoll, const struct run *r)
{
	uint64_t start, end, over;

	while (!stopping && r->go != NULL && access(r->go, F_OK) != 0)
		receive(e, epoll, UINT64_MAX);
	start = now_ns();
	end = start + (uint64_t)(r->seconds * 1e9);
	over = end + (uint64_t)(r->drain * 1e9);
	schedule(e, n, start);
	while (!stopping && now_ns() < over)
		receive(e, epoll, send_due(e, n, start, end));
}

static bool write_file(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");
	bool ok = f != NULL && fwrite(bytes, 1, n, f) == n;

	if (f == NULL || fclose(f) != 0 || !ok) {
		fprintf(stderr, "rtp_peer: cannot write %s\n", path);
		return false;
	}
	return true;
}

static double seconds_of(const char *text)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end != '\0' || !(s >= 0) || s > 3600) {
		fprintf(stderr, "rtp_peer: '%s' is not a number of seconds\n", text);
		exit(2);
	}
	return s;
}

static struct run parse_options(int argc, char **argv)
{
	static const struct option options[] = {{"seconds", 1, NULL, 's'}, {"drain", 1, NULL, 'd'}, {"ready-file", 1, NULL, 'r'},
		{"go-file", 1, NULL, 'g'}, {"report", 1, NULL, 'o'}, {"openssl", 0, NULL, 'O'}, {0}};
	struct run r = {.seconds = 2, .drain = 0.3};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			r.seconds = seconds_of(optarg);
			break;
		case 'd':
			r.drain = seconds_of(optarg);
			break;
		case 'r':
			r.ready = optarg;
			break;
		case 'g':
			r.go = optarg;
			break;
		case 'o':
			r.report = optarg;
			break;
		case 'O':
			crypt_by_openssl = true;
			break;
		default:
			exit(2);
		}
	}
	if (argc - optind != 1) {
		fprintf(stderr, "usage: rtp_peer [--seconds S] [--drain S] [--ready-file FILE] [--go-file FILE] [--report FILE]\n"
				"       [--openssl] PLAN\n"
				"sends for S seconds once the go file is there; the ready file is written when sockets are open\n"
				"--openssl: SRTP by OpenSSL where that is possible, not by libsrtp2\n");
		exit(2);
	}
	return r;
}

static bool write_records(const struct endpoint *e, int n)
{
	for (int i = 0; i < n; i++)
		if (e[i].record[0] != '\0' && !write_file(e[i].record, e[i].recorded, e[i].n_recorded))
			return false;
	return true;
}

int main(int argc, char **argv)
{
	static struct endpoint endpoints[MAX_ENDPOINTS];
	struct run r = parse_options(argc, argv);
	struct sigaction act = {.sa_handler = on_signal};
	struct rlimit files = {MAX_FILES, MAX_FILES};
	char pid[32];
	FILE *out;
	int n, epoll;

	setrlimit(RLIMIT_NOFILE, &files);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	n = plan_read(argv[optind], endpoints, MAX_ENDPOINTS);
	if (n <= 0 || (epoll = open_all(endpoints, n)) < 0)
		return 2;
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (r.ready != NULL && !write_file(r.ready, pid, strlen(pid)))
		return 2;
	run(endpoints, n, epoll, &r);
	if (!write_records(endpoints, n))
		return 2;
	out = r.report != NULL ? fopen(r.report, "w") : stdout;
	if (out == NULL) {
		fprintf(stderr, "rtp_peer: cannot write %s\n", r.report);
		return 2;
	}
	report_write(out, endpoints, n, now_ns());
	return fclose(out) == 0 ? 0 : 2;
}

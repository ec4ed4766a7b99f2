/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/flood/flood.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <net/ethernet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_QDISC_BYPASS
#define PACKET_QDISC_BYPASS 20
#endif

enum {
	BATCH = 64,
	SOCKET_BYTES = 8 << 20,
	RESOLVE_TRIES = 50,
	RESOLVE_US = 20000,
	IDLE_US = 200,
	AHEAD_MS = 20, /* what was held up is made up for, but not more than so much of it */
};

static struct {
	struct flood_options options;
	struct flood_maker maker;
	int fd;
	uint64_t sent, refused, bytes, sent_of[FLOOD_MAX_ATTACKS];
	unsigned shares; /* in all */
	double seconds;
} run;

static volatile sig_atomic_t stopping;

static void stop(int number)
{
	(void)number;
	stopping = 1;
}

static int fail(const char *what, const char *of)
{
	fprintf(stderr, "sluice-flood: %s: %s: %s\n", of, what, strerror(errno));
	return -errno;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The first IPv4 address that is attacked, as long as nobody said another one. */
static bool gateway(struct sockaddr_in *in)
{
	struct sl_ip ip;
	bool found = run.options.gateway && sl_ip_parse(run.options.gateway, &ip) == 0 && sl_ip_is_v4(&ip);

	for (unsigned i = 0; !run.options.gateway && !found && i < run.options.n_attacks; i++) {
		ip = run.options.attacks[i].to;
		found = sl_ip_is_v4(&ip);
	}
	if (found)
		*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = sl_ip_v4_be(&ip)};
	return found;
}

/* A datagram makes the kernel ask; what it learned is read. */
static int resolve(uint8_t mac[6])
{
	struct arpreq ask = {0};
	struct sockaddr_in in;
	int fd;

	if (run.options.has_mac) {
		memcpy(mac, run.options.mac, 6);
		return 0;
	}
	if (!gateway(&in)) {
		fprintf(stderr, "sluice-flood: whose MAC? Say --gateway IPV4 or --mac MAC\n");
		return -EINVAL;
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	memcpy(&ask.arp_pa, &in, sizeof in);
	snprintf(ask.arp_dev, sizeof ask.arp_dev, "%s", run.options.interface);
	for (unsigned i = 0; fd >= 0 && i < RESOLVE_TRIES; i++) {
		if (ioctl(fd, SIOCGARP, &ask) == 0 && ask.arp_flags & ATF_COM) {
			memcpy(mac, ask.arp_ha.sa_data, 6);
			close(fd);
			return 0;
		}
		(void)!sendto(fd, "", 0, 0, (struct sockaddr *)&in, sizeof in);
		usleep(RESOLVE_US);
	}
	if (fd >= 0)
		close(fd);
	fprintf(stderr, "sluice-flood: the gateway does not answer ARP on %s: say --gateway IPV4 or --mac MAC\n", run.options.interface);
	return -EHOSTUNREACH;
}

static int open_socket(void)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(run.options.interface)};
	struct ifreq ask = {0};
	int one = 1, bytes = SOCKET_BYTES;
	uint8_t own[6], mac[6];

	if (!ll.sll_ifindex)
		return fail("no such interface", run.options.interface);
	run.fd = socket(AF_PACKET, SOCK_RAW, 0); /* protocol 0: nothing is received */
	if (run.fd < 0 || bind(run.fd, (struct sockaddr *)&ll, sizeof ll) < 0)
		return fail("packet socket", run.options.interface);
	setsockopt(run.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
	setsockopt(run.fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	snprintf(ask.ifr_name, sizeof ask.ifr_name, "%s", run.options.interface);
	if (ioctl(run.fd, SIOCGIFHWADDR, &ask) < 0)
		return fail("hardware address", run.options.interface);
	memcpy(own, ask.ifr_hwaddr.sa_data, 6);
	if (ioctl(run.fd, SIOCGIFMTU, &ask) < 0)
		return fail("MTU", run.options.interface);
	if (resolve(mac) < 0)
		return -EHOSTUNREACH;
	flood_maker_init(&run.maker, &run.options, own, mac, (unsigned)ask.ifr_mtu);
	return 0;
}

static unsigned draw_attack(void)
{
	unsigned at = flood_below(&run.maker, run.shares), i = 0;

	while (at >= run.options.attacks[i].share)
		at -= run.options.attacks[i++].share;
	return i;
}

/* n <= BATCH frames. What the kernel refuses (its queue is full, or the frame is longer than the interface takes) is counted, not sent again. */
static void send_batch(unsigned n)
{
	static uint8_t frames[BATCH][FLOOD_FRAME_MAX];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec iov[BATCH];
	unsigned attack[BATCH];

	for (unsigned i = 0; i < n; i++) {
		attack[i] = draw_attack();
		iov[i] = (struct iovec){frames[i], flood_frame(&run.maker, &run.options.attacks[attack[i]], frames[i])};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	for (unsigned at = 0; at < n;) {
		int done = sendmmsg(run.fd, messages + at, n - at, MSG_DONTWAIT);

		for (int i = 0; i < done; i++, at++) {
			run.sent++;
			run.sent_of[attack[at]]++;
			run.bytes += iov[at].iov_len;
		}
		if (done <= 0) {
			run.refused++;
			at++;
		}
	}
}

static void flood(void)
{
	double start = now_s(), now = start, end = start + run.options.seconds;
	double rate = run.options.rate, due = 0, made = 0;

	while (!stopping && now < end) {
		unsigned n = BATCH;

		if (rate > 0) {
			due = (now - start) * rate;
			if (due - made > rate * AHEAD_MS / 1000 + BATCH)
				made = due - rate * AHEAD_MS / 1000 - BATCH;
			n = due - made < BATCH ? (unsigned)(due - made) : BATCH;
		}
		if (n)
			send_batch(n);
		else
			usleep(IDLE_US);
		made += n;
		now = now_s();
	}
	run.seconds = now - start;
}

static void report(FILE *f)
{
	fprintf(f, "{\"sent\": %llu, \"refused\": %llu, \"bytes\": %llu, \"seconds\": %.3f, \"pps\": %.0f, \"attacks\": [", (unsigned long long)run.sent,
		(unsigned long long)run.refused, (unsigned long long)run.bytes, run.seconds, (double)run.sent / run.seconds);
	for (unsigned i = 0; i < run.options.n_attacks; i++) {
		char to[SL_ADDR_TEXT_MAX], from[SL_ADDR_TEXT_MAX];
		const struct flood_attack *a = &run.options.attacks[i];

		fprintf(f, "%s{\"kind\": \"%s\", \"to\": \"%s\", \"from\": \"%s\", \"sent\": %llu}", i ? ", " : "", flood_kinds[a->kind].name,
			sl_ip_text(&a->to, to), sl_prefix_text(&a->from, from), (unsigned long long)run.sent_of[i]);
	}
	fprintf(f, "]}\n");
}

static int write_file(const char *path, void (*what)(FILE *))
{
	FILE *f = fopen(path, "we");

	if (!f)
		return fail("cannot be written", path);
	what(f);
	return fclose(f) == 0 ? 0 : fail("cannot be written", path);
}

static void process_id(FILE *f)
{
	fprintf(f, "%d\n", (int)getpid());
}

int main(int argc, char **argv)
{
	int error = flood_options_read(argc, argv, &run.options);

	if (error)
		return error > 0 ? EXIT_SUCCESS : 2;
	for (unsigned i = 0; i < run.options.n_attacks; i++)
		run.shares += run.options.attacks[i].share;
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	if (open_socket() < 0 || (run.options.ready_file && write_file(run.options.ready_file, process_id) < 0))
		return EXIT_FAILURE;
	flood();
	report(stdout);
	if (run.options.report && write_file(run.options.report, report) < 0)
		return EXIT_FAILURE;
	return run.sent ? EXIT_SUCCESS : EXIT_FAILURE;
}

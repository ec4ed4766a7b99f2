/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Many users who register and refresh at a steady rate, from one UDP socket: what a registrar is measured with. First all of them register
 * (not measured), then they refresh in turn. One line of JSON when measuring begins, one with the outcome. */

#include "bench/register/regload.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SOCKET_BYTES = 8 << 20,
	LATENCY_STEP_US = 20,
	LATENCY_STEPS = 100000, /* up to 2 s */
};

struct options options = { .domain = "lab.test", .prefix = "u", .password = "lab-password", .users = 1000, .rate = 1000, .seconds = 10, .expires = 3600,
	.algorithm = SL_DIGEST_MD5, .back_off_ms = 5000 };
struct run run;

static unsigned latency[LATENCY_STEPS];

static void steady_ended(struct user *u, bool good)
{
	int64_t step = (now_us() - u->begun_us) / LATENCY_STEP_US;

	u->begun_us = 0;
	if (!run.measuring)
		return;
	run.good += good;
	run.failed += !good;
	if (good)
		latency[step < LATENCY_STEPS ? step : LATENCY_STEPS - 1]++;
}

/* A user a call, so that nobody waits for all. */
static void retransmit_one(void)
{
	static unsigned at;

	device_retransmit(at);
	at = (at + 1) % options.users;
}

void device_ended(unsigned number, int status, unsigned retry_after_s)
{
	if (options.avalanche)
		avalanche_ended(number, status, retry_after_s);
	else
		steady_ended(&run.users[number], status == 200);
}

static bool is_idle(void)
{
	for (unsigned i = 0; i < options.users; i++) {
		if (run.users[i].begun_us)
			return false;
	}
	return true;
}

/* n registrations, users in turn, at the rate. */
static void pace(uint64_t n)
{
	int64_t start = now_us();
	uint64_t done = 0;

	while (done < n) {
		uint64_t due = (uint64_t)(now_us() - start) * options.rate / 1000000;

		for (; done < due && done < n; done++)
			device_begin((unsigned)(done % options.users));
		devices_receive();
		for (unsigned i = 0; i < options.users / 100 + 1; i++)
			retransmit_one();
	}
}

static void drain(void)
{
	int64_t until = now_us() + GIVE_UP_MS * INT64_C(1000);

	while (!is_idle() && now_us() < until) {
		devices_receive();
		for (unsigned i = 0; i < options.users; i++)
			retransmit_one();
	}
}

static double percentile_ms(double part)
{
	uint64_t rank = (uint64_t)((double)run.good * part), sum = 0;

	for (unsigned i = 0; i < LATENCY_STEPS; i++) {
		sum += latency[i];
		if (sum > rank)
			return (i + 1) * (LATENCY_STEP_US / 1000.0);
	}
	return 0;
}

static int usage(int status)
{
	fprintf(status ? stderr : stdout,
	        "Usage: sluice-regload --target ADDRESS:PORT [--users N] [--rate PER-SECOND] [--seconds N] [--domain NAME]\n"
	        "                      [--prefix NAME] [--password TEXT] [--expires S] [--sha256] [--challenge-each]\n"
	        "       sluice-regload --target ADDRESS:PORT --avalanche [--users N] [--spread MS] [--back-off MS] [--from PREFIX] [--seconds N] ...\n"
	        "Users NAME0@DOMAIN, NAME1@DOMAIN ... (u0@lab.test) register once, then refresh for so many seconds.\n"
	        "--challenge-each: each registration begins without credentials, as most phones do; otherwise nonces are used on.\n"
	        "--from: each device has an IPv4 address of its own in PREFIX, which has to be this machine's (ip route add local PREFIX dev lo).\n"
	        "--avalanche: all begin within --spread milliseconds (0), retransmit, honour 503 with Retry-After, and else wait --back-off milliseconds (5000,\n"
	        "doubled each time, RFC 5626 4.5), until all are registered (exit status 0) or so many seconds are over. A line of JSON each second.\n");
	return status;
}

static int read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "target", 1, 0, 't' }, { "users", 1, 0, 'u' }, { "rate", 1, 0, 'r' }, { "seconds", 1, 0, 's' }, { "domain", 1, 0, 'd' },
		{ "prefix", 1, 0, 'p' }, { "password", 1, 0, 'w' }, { "expires", 1, 0, 'e' }, { "sha256", 0, 0, '2' },
		{ "challenge-each", 0, 0, 'c' }, { "avalanche", 0, 0, 'a' },
		{ "spread", 1, 0, 'S' }, { "back-off", 1, 0, 'b' }, { "from", 1, 0, 'f' }, { "help", 0, 0, 'h' }, { 0, 0, 0, 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
		switch (c) {
		case 't': options.target = optarg; break;
		case 'u': options.users = (unsigned)atoi(optarg); break;
		case 'r': options.rate = (unsigned)atoi(optarg); break;
		case 's': options.seconds = (unsigned)atoi(optarg); break;
		case 'd': options.domain = optarg; break;
		case 'p': options.prefix = optarg; break;
		case 'w': options.password = optarg; break;
		case 'e': options.expires = (unsigned)atoi(optarg); break;
		case '2': options.algorithm = SL_DIGEST_SHA256; break;
		case 'c': options.every = true; break;
		case 'a': options.avalanche = true; break;
		case 'S': options.spread_ms = (unsigned)atoi(optarg); break;
		case 'b': options.back_off_ms = (unsigned)atoi(optarg); break;
		case 'f':
			if (sl_prefix_parse(optarg, &options.from) < 0 || !sl_ip_is_v4(&options.from.ip))
				return -EINVAL;
			options.has_from = true;
			break;
		case 'h': exit(usage(0));
		default: return -EINVAL;
		}
	}
	return options.target && options.users && options.rate && options.seconds && optind == argc ? 0 : -EINVAL;
}

static int connect_to(const struct sl_endpoint *target)
{
	struct sockaddr_storage me;
	socklen_t len = sizeof me;
	int bytes = SOCKET_BYTES;
	char host[INET6_ADDRSTRLEN];
	bool v4 = sl_ip_is_v4(&target->ip);

	if (v4) {
		struct sockaddr_in *in = (struct sockaddr_in *)&run.to;

		*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = target->port_be, .sin_addr.s_addr = sl_ip_v4_be(&target->ip) };
		run.to_len = sizeof *in;
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&run.to;

		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = target->port_be };
		memcpy(&in6->sin6_addr, target->ip.b, sizeof target->ip.b);
		run.to_len = sizeof *in6;
	}
	run.fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	setsockopt(run.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	if (options.has_from) {
		struct sockaddr_in any = { .sin_family = AF_INET };
		if (!v4 || run.fd < 0 || bind(run.fd, (struct sockaddr *)&any, len = sizeof any) < 0 || getsockname(run.fd, (struct sockaddr *)&any, &len) < 0)
			return v4 ? -errno : -EINVAL;
		run.port = ntohs(any.sin_port);
		return 0;
	}
	/* Connected: which address do we send from? */
	if (run.fd < 0 || connect(run.fd, (struct sockaddr *)&run.to, run.to_len) < 0 || getsockname(run.fd, (struct sockaddr *)&me, &len) < 0)
		return -errno;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&me;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&me;
	inet_ntop(me.ss_family, v4 ? (const void *)&in->sin_addr : &in6->sin6_addr, host, sizeof host);
	snprintf(run.me, sizeof run.me, v4 ? "%s:%u" : "[%s]:%u", host, ntohs(v4 ? in->sin_port : in6->sin6_port));
	return 0;
}

int main(int argc, char **argv)
{
	struct sl_endpoint target;

	if (read_options(argc, argv) < 0 || sl_endpoint_parse(options.target, &target) < 0)
		return usage(EXIT_FAILURE);
	run.users = calloc(options.users, sizeof *run.users);
	if (!run.users || connect_to(&target) < 0) {
		perror(options.target);
		return EXIT_FAILURE;
	}
	for (unsigned i = 0; i < options.users; i++) {
		char name[128];

		snprintf(name, sizeof name, "%s%u", options.prefix, i);
		if (sl_digest_ha1(options.algorithm, name, options.domain, options.password, run.users[i].ha1) < 0)
			return EXIT_FAILURE;
	}
	if (options.avalanche)
		return avalanche();
	pace(options.users);
	drain();
	run.measuring = true;
	printf("{\"measuring\": true}\n");
	fflush(stdout);
	int64_t start = now_us();

	pace((uint64_t)options.rate * options.seconds);
	double seconds = (double)(now_us() - start) / 1e6;
	drain();
	printf("{\"registrations\": %llu, \"registrations_per_s\": %.0f, \"failed\": %llu, \"retransmitted\": %llu, \"behind\": %llu, "
	       "\"p50_ms\": %.2f, \"p99_ms\": %.2f}\n", (unsigned long long)run.good, (double)run.good / seconds, (unsigned long long)run.failed,
	        (unsigned long long)run.retransmitted, (unsigned long long)run.behind, percentile_ms(0.5), percentile_ms(0.99));
	free(run.users);
	close(run.fd);
	return EXIT_SUCCESS;
}

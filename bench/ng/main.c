/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/ng/load.h"
#include "dataplane/wire/addr.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "sluice-ngload: calls through the ng protocol: offer, answer, delete\n"
                            "\n"
                            "Usage: sluice-ngload [options]\n"
                            "\n"
                            "  -s, --server IP:PORT   where it listens on UDP (127.0.0.1:2223)\n"
                            "  -n, --outstanding N    calls in progress at a time, 1..65536 (64)\n"
                            "  -t, --seconds S        how long (5)\n"
                            "  -c, --calls N          end after N calls instead\n"
                            "  -r, --rate R           calls a second (as fast as it goes)\n"
                            "  -k, --keep N           so many more calls stay up meanwhile (0)\n"
                            "  -m, --media IP         address in the SDP (127.0.0.1)\n"
                            "      --srtp             offer and answer RTP/SAVP with SDES\n"
                            "      --timeout MS       until a request is sent again (1000), and\n"
                            "      --retries N        how often, until its call is given up (5)\n"
                            "  -j, --json             the result as JSON on one line\n"
                            "  -h, --help\n"
                            "\n"
                            "Exit status: 0 when every call succeeded, 1 when not, 2 for a wrong option.\n";

enum { OPT_SRTP = 256, OPT_TIMEOUT, OPT_RETRIES, OUTSTANDING_MAX = 65536 };

static void to_sockaddr(const struct sl_endpoint *ep, struct load_options *o)
{
	struct sockaddr_in sin = {
	        .sin_family = AF_INET, .sin_port = ep->port_be, .sin_addr.s_addr = sl_ip_v4_be(&ep->ip)};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = ep->port_be};

	memcpy(&sin6.sin6_addr, ep->ip.b, sizeof ep->ip.b);
	if (sl_ip_is_v4(&ep->ip))
		memcpy(&o->server, &sin, o->server_len = sizeof sin);
	else
		memcpy(&o->server, &sin6, o->server_len = sizeof sin6);
}

static double number(const char *name, const char *text, double min, double max)
{
	char *end;
	double n = strtod(text, &end);

	if (end != text && *end == '\0' && n >= min && n <= max)
		return n;
	fprintf(stderr, "sluice-ngload: --%s '%s': a number, %g..%g\n", name, text, min, max);
	exit(2);
}

static void parse(int argc, char **argv, struct load_options *o, bool *json)
{
	static const struct option longs[] = {{"server", required_argument, NULL, 's'},
	        {"outstanding", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 't'},
	        {"calls", required_argument, NULL, 'c'}, {"rate", required_argument, NULL, 'r'},
	        {"keep", required_argument, NULL, 'k'}, {"media", required_argument, NULL, 'm'},
	        {"srtp", no_argument, NULL, OPT_SRTP}, {"timeout", required_argument, NULL, OPT_TIMEOUT},
	        {"retries", required_argument, NULL, OPT_RETRIES}, {"json", no_argument, NULL, 'j'},
	        {"help", no_argument, NULL, 'h'}, {0}};
	const char *server = "127.0.0.1:2223";
	struct sl_endpoint ep;
	struct sl_ip ip;
	int opt;

	while ((opt = getopt_long(argc, argv, "s:n:t:c:r:k:m:jh", longs, NULL)) != -1) {
		switch (opt) {
		case 's':
			server = optarg;
			break;
		case 'n':
			o->outstanding = (unsigned)number("outstanding", optarg, 1, OUTSTANDING_MAX);
			break;
		case 't':
			o->seconds = number("seconds", optarg, 0.1, 86400);
			break;
		case 'c':
			o->calls = (uint64_t)number("calls", optarg, 1, 1e12);
			break;
		case 'r':
			o->rate = number("rate", optarg, 0.001, 1e7);
			break;
		case 'k':
			o->keep = (unsigned)number("keep", optarg, 0, 1e7);
			break;
		case 'm':
			o->media_ip = optarg;
			break;
		case OPT_SRTP:
			o->srtp = true;
			break;
		case OPT_TIMEOUT:
			o->timeout_ms = (unsigned)number("timeout", optarg, 1, 1e6);
			break;
		case OPT_RETRIES:
			o->retries = (unsigned)number("retries", optarg, 0, 1000);
			break;
		case 'j':
			*json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs("Try --help.\n", stderr);
			exit(2);
		}
	}
	if (sl_endpoint_parse(server, &ep) < 0 || sl_ip_parse(o->media_ip, &ip) < 0 || !sl_ip_is_v4(&ip)) {
		fprintf(stderr, "sluice-ngload: --server is IP:PORT or [IP]:PORT, --media an IPv4 address. "
		                "Try --help.\n");
		exit(2);
	}
	to_sockaddr(&ep, o);
}

static const char *const names[STEPS] = {"offer", "answer", "delete"};

static void print_json(const struct load_options *o, const struct load_result *r)
{
	printf("{\"calls\": %llu, \"seconds\": %.3f, \"calls_per_second\": %.1f, \"outstanding\": %u, "
	       "\"keep\": %u, \"failed\": %llu, "
	       "\"given_up\": %llu, \"retransmits\": %llu, \"strays\": %llu, \"srtp\": %s, \"latency_us\": {",
	        (unsigned long long)r->calls, r->seconds, r->seconds > 0 ? (double)r->calls / r->seconds : 0,
	        o->outstanding, o->keep, (unsigned long long)r->failed, (unsigned long long)r->given_up,
	        (unsigned long long)r->retransmits, (unsigned long long)r->strays,
	        o->srtp ? "true" : "false");
	for (unsigned i = 0; i < STEPS; i++)
		printf("%s\"%s\": {\"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"max\": %.1f}",
		        i ? ", " : "", names[i], latency_us(&r->latency[i], 0.5),
		        latency_us(&r->latency[i], 0.9), latency_us(&r->latency[i], 0.99),
		        (double)r->latency[i].max_ns / 1000);
	printf("}}\n");
}

static void print_text(const struct load_options *o, const struct load_result *r)
{
	printf("%llu calls in %.2f s: %.0f a second, %u at a time\n", (unsigned long long)r->calls,
	        r->seconds, r->seconds > 0 ? (double)r->calls / r->seconds : 0, o->outstanding);
	for (unsigned i = 0; i < STEPS; i++)
		printf("%-7s p50 %8.1f us   p90 %8.1f us   p99 %8.1f us   max %8.1f us\n", names[i],
		        latency_us(&r->latency[i], 0.5), latency_us(&r->latency[i], 0.9),
		        latency_us(&r->latency[i], 0.99), (double)r->latency[i].max_ns / 1000);
	printf("failed %llu, given up %llu, sent again %llu\n", (unsigned long long)r->failed,
	        (unsigned long long)r->given_up, (unsigned long long)r->retransmits);
}

int main(int argc, char **argv)
{
	struct load_options o = {
	        .media_ip = "127.0.0.1", .outstanding = 64, .seconds = 5, .timeout_ms = 1000, .retries = 5};
	static struct load_result r;
	bool json = false;

	parse(argc, argv, &o, &json);
	if (load_run(&o, &r) < 0) {
		fprintf(stderr, "sluice-ngload: %s\n", strerror(errno));
		return 1;
	}
	(json ? print_json : print_text)(&o, &r);
	if (r.error[0])
		fprintf(stderr, "the first error: %s\n", r.error);
	return r.failed + r.given_up > 0 || r.calls == 0;
}

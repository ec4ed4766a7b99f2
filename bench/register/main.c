/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Many users who register and refresh at a steady rate, from one UDP socket: what a registrar is measured with. First all of them register
 * (not measured), then they refresh in turn. One line of JSON when measuring begins, one with the outcome. */

#include "controlplane/registrar/digest.h"
#include "dataplane/wire/addr.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MESSAGE_MAX = 4096,
	NONCE_MAX = 200,
	T1_MS = 500,            /* RFC 3261 17.1.2.2: doubled up to T2 */
	T2_MS = 4000,
	GIVE_UP_MS = 16000,
	SOCKET_BYTES = 8 << 20,
	LATENCY_STEP_US = 20,
	LATENCY_STEPS = 100000, /* up to 2 s */
};

struct user {
	uint8_t ha1[SL_DIGEST_BYTES_MAX];
	char nonce[NONCE_MAX];  /* "" = to be challenged first */
	unsigned count, cseq;
	int64_t begun_us, sent_us; /* begun_us 0 = nothing is under way */
	unsigned wait_ms;
	bool has_answered;      /* a challenge, in this registration */
};

static struct {
	const char *target, *domain, *prefix, *password;
	unsigned users, rate, seconds, expires;
	enum sl_digest_algorithm algorithm;
	bool every;             /* a new challenge each time */
} options = { NULL, "lab.test", "u", "lab-password", 1000, 1000, 10, 3600, SL_DIGEST_MD5, false };

static struct {
	int fd;
	struct sockaddr_storage to;
	socklen_t to_len;
	char me[64];
	struct user *users;
	bool measuring;
	uint64_t begun, good, failed, retransmitted, behind;
	unsigned latency[LATENCY_STEPS];
} run;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static struct sl_slice text_slice(const char *text)
{
	return (struct sl_slice){ text, strlen(text) };
}

static size_t credentials(const struct user *u, unsigned number, char *out, size_t len)
{
	char uri[256], count[9], response[SL_DIGEST_HEX];
	struct sl_digest_params p = { .nonce = text_slice(u->nonce), .qop = text_slice("auth"), .cnonce = text_slice("0a4f113b") };

	if (!u->nonce[0])
		return 0;
	snprintf(uri, sizeof uri, "sip:%s", options.domain);
	snprintf(count, sizeof count, "%08x", u->count);
	p.uri = text_slice(uri);
	p.nc = text_slice(count);
	if (sl_digest_response(options.algorithm, u->ha1, &p, "REGISTER", response) < 0)
		exit(EXIT_FAILURE);
	return (size_t)snprintf(out, len, "Authorization: Digest username=\"%s%u\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", response=\"%s\", "
	        "algorithm=%s, cnonce=\"0a4f113b\", qop=auth, nc=%s\r\n", options.prefix, number, options.domain, u->nonce, uri, response,
	        sl_digest_algorithm_name(options.algorithm), count);
}

static void transmit(unsigned number)
{
	struct user *u = &run.users[number];
	char message[MESSAGE_MAX], line[1024] = "";

	credentials(u, number, line, sizeof line);
	int n = snprintf(message, sizeof message,
	        "REGISTER sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%x-%x\r\nMax-Forwards: 70\r\n"
	        "From: <sip:%s%u@%s>;tag=%x\r\nTo: <sip:%s%u@%s>\r\nCall-ID: %u@register\r\nCSeq: %u REGISTER\r\n"
	        "Contact: <sip:%s%u@%s>;expires=%u\r\nUser-Agent: sluice-regload\r\n%sContent-Length: 0\r\n\r\n",
	        options.domain, run.me, number, u->cseq, options.prefix, number, options.domain, number, options.prefix, number,
	        options.domain, number, u->cseq, options.prefix, number, run.me, options.expires, line);
	u->sent_us = now_us();
	(void)!sendto(run.fd, message, (size_t)n, 0, (struct sockaddr *)&run.to, run.to_len);
}

static void send_next(unsigned number)
{
	struct user *u = &run.users[number];

	u->cseq++;
	u->count += u->nonce[0] != '\0';
	u->wait_ms = T1_MS;
	transmit(number);
}

static void begin(unsigned number)
{
	struct user *u = &run.users[number];

	if (u->begun_us) { /* still busy with the one before: the registrar does not keep up */
		run.behind += run.measuring;
		return;
	}
	if (options.every)
		u->nonce[0] = '\0';
	u->has_answered = false;
	u->begun_us = now_us();
	run.begun += run.measuring;
	send_next(number);
}

static void end(struct user *u, bool good)
{
	int64_t step = (now_us() - u->begun_us) / LATENCY_STEP_US;

	u->begun_us = 0;
	if (!run.measuring)
		return;
	run.good += good;
	run.failed += !good;
	if (good)
		run.latency[step < LATENCY_STEPS ? step : LATENCY_STEPS - 1]++;
}

/* The nonce of the algorithm that is used; of a challenge without one it is MD5's. */
static bool take_challenge(struct user *u, const char *message)
{
	for (const char *line = message; (line = strstr(line, "Authenticate:")) != NULL;) {
		char text[1024];
		const char *p = text;
		struct sl_digest_params params = { 0 };
		struct sl_slice name, value;

		line += strlen("Authenticate:");
		snprintf(text, sizeof text, "%.*s", (int)strcspn(line, "\r\n"), line);
		p += strspn(p, " ");
		p += strcspn(p, " ");
		while (sl_digest_param(&p, &name, &value))
			sl_digest_take(&params, name, value);
		if (sl_digest_algorithm_of(params.algorithm) != options.algorithm || !params.nonce.p || params.nonce.n >= NONCE_MAX)
			continue;
		memcpy(u->nonce, params.nonce.p, params.nonce.n);
		u->nonce[params.nonce.n] = '\0';
		u->count = 0;
		return true;
	}
	return false;
}

static void take(const char *message)
{
	const char *id = strstr(message, "\nCall-ID: "), *cseq = strstr(message, "\nCSeq: ");
	unsigned long number = id ? strtoul(id + 10, NULL, 10) : options.users;

	if (strncmp(message, "SIP/2.0 ", 8) != 0 || number >= options.users || !cseq)
		return;
	struct user *u = &run.users[number];
	int status = atoi(message + 8);

	if (!u->begun_us || strtoul(cseq + 7, NULL, 10) != u->cseq || status < 200)
		return;
	if (status == 401 && !u->has_answered && take_challenge(u, message)) {
		u->has_answered = true;
		send_next((unsigned)number);
		return;
	}
	end(u, status == 200);
}

static void receive(void)
{
	struct pollfd p = { run.fd, POLLIN, 0 };
	char message[MESSAGE_MAX];
	ssize_t n;

	poll(&p, 1, 1);
	while ((n = recv(run.fd, message, sizeof message - 1, MSG_DONTWAIT)) >= 0) {
		message[n] = '\0';
		take(message);
	}
}

/* A user a call, so that nobody waits for all. */
static void retransmit_one(void)
{
	static unsigned at;
	struct user *u = &run.users[at];
	int64_t now = now_us();

	if (u->begun_us && now - u->begun_us > GIVE_UP_MS * INT64_C(1000)) {
		end(u, false);
	} else if (u->begun_us && now - u->sent_us > u->wait_ms * INT64_C(1000)) {
		run.retransmitted += run.measuring;
		u->wait_ms = u->wait_ms * 2 < T2_MS ? u->wait_ms * 2 : T2_MS;
		transmit(at);
	}
	at = (at + 1) % options.users;
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
			begin((unsigned)(done % options.users));
		receive();
		for (unsigned i = 0; i < options.users / 100 + 1; i++)
			retransmit_one();
	}
}

static void drain(void)
{
	int64_t until = now_us() + GIVE_UP_MS * INT64_C(1000);

	while (!is_idle() && now_us() < until) {
		receive();
		for (unsigned i = 0; i < options.users; i++)
			retransmit_one();
	}
}

static double percentile_ms(double part)
{
	uint64_t rank = (uint64_t)((double)run.good * part), sum = 0;

	for (unsigned i = 0; i < LATENCY_STEPS; i++) {
		sum += run.latency[i];
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
	        "Users NAME0@DOMAIN, NAME1@DOMAIN ... (u0@lab.test) register once, then refresh for so many seconds.\n"
	        "--challenge-each: each registration begins without credentials, as most phones do; otherwise nonces are used on.\n");
	return status;
}

static int read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{ "target", 1, 0, 't' }, { "users", 1, 0, 'u' }, { "rate", 1, 0, 'r' }, { "seconds", 1, 0, 's' }, { "domain", 1, 0, 'd' },
		{ "prefix", 1, 0, 'p' }, { "password", 1, 0, 'w' }, { "expires", 1, 0, 'e' }, { "sha256", 0, 0, '2' },
		{ "challenge-each", 0, 0, 'c' }, { "help", 0, 0, 'h' }, { 0, 0, 0, 0 },
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
	/* Connected for a moment: which address do we send from? */
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

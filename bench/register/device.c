/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/register/regload.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGE_MAX = 4096 };

int64_t now_us(void)
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

/* Whose address the device's datagrams come from. */
static struct in_addr own_address(unsigned number)
{
	unsigned bits = 128 - options.from.len;
	uint32_t hosts = bits >= 2 ? (1u << bits) - 2 : 1;

	return (struct in_addr){ htonl(ntohl(sl_ip_v4_be(&options.from.ip)) + (bits >= 2) + number % hosts) };
}

static void contact(unsigned number, char *out, size_t len)
{
	char ip[INET_ADDRSTRLEN];
	struct in_addr a;

	if (!options.has_from) {
		snprintf(out, len, "%s", run.me);
		return;
	}
	a = own_address(number);
	snprintf(out, len, "%s:%u", inet_ntop(AF_INET, &a, ip, sizeof ip), run.port);
}

static void send_from(unsigned number, char *message, size_t n)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec iov = { message, n };
	struct msghdr m = { .msg_name = &run.to, .msg_namelen = run.to_len, .msg_iov = &iov, .msg_iovlen = 1 };

	if (options.has_from) {
		struct in_pktinfo info = { .ipi_spec_dst = own_address(number) };
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof control.bytes;
		*CMSG_FIRSTHDR(&m) = (struct cmsghdr){ .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info) };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &info, sizeof info);
	}
	(void)!sendmsg(run.fd, &m, 0);
	run.sent++;
}

static void transmit(unsigned number)
{
	struct user *u = &run.users[number];
	char message[MESSAGE_MAX], line[1024] = "", me[64];

	contact(number, me, sizeof me);
	credentials(u, number, line, sizeof line);
	int n = snprintf(message, sizeof message,
	        "REGISTER sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%x-%x\r\nMax-Forwards: 70\r\n"
	        "From: <sip:%s%u@%s>;tag=%x\r\nTo: <sip:%s%u@%s>\r\nCall-ID: %u@register\r\nCSeq: %u REGISTER\r\n"
	        "Contact: <sip:%s%u@%s>;expires=%u\r\nUser-Agent: sluice-regload\r\n%sContent-Length: 0\r\n\r\n",
	        options.domain, me, number, u->cseq, options.prefix, number, options.domain, number, options.prefix, number,
	        options.domain, number, u->cseq, options.prefix, number, me, options.expires, line);
	u->sent_us = now_us();
	send_from(number, message, (size_t)n);
}

static void send_next(unsigned number)
{
	struct user *u = &run.users[number];

	u->cseq++;
	u->count += u->nonce[0] != '\0';
	u->wait_ms = T1_MS;
	transmit(number);
}

void device_begin(unsigned number)
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
	const char *id = strstr(message, "\nCall-ID: "), *cseq = strstr(message, "\nCSeq: "), *after = strstr(message, "\nRetry-After: ");
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
	device_ended((unsigned)number, status, after ? (unsigned)strtoul(after + 14, NULL, 10) : 0);
}

void devices_receive(void)
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

void device_retransmit(unsigned number)
{
	struct user *u = &run.users[number];
	int64_t now = now_us();

	if (u->begun_us && now - u->begun_us > GIVE_UP_MS * INT64_C(1000)) {
		run.gave_up++;
		device_ended(number, 0, 0);
	} else if (u->begun_us && now - u->sent_us > u->wait_ms * INT64_C(1000)) {
		run.retransmitted += run.measuring;
		u->wait_ms = u->wait_ms * 2 < T2_MS ? u->wait_ms * 2 : T2_MS;
		transmit(number);
	}
}

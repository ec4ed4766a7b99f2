/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/ng/load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 32,
	ANSWER_MAX = 16 * 1024,
	REQUEST_MAX = 4096,
	SOCKET_BYTES = 4 << 20,
	SCAN_NS = 20 * 1000 * 1000, /* between looks for what was not answered */
	PORTS = 20000,
	FIRST_PORT = 10000,
};

struct call {
	bool busy;
	enum load_step step;
	uint64_t number; /* of the call: its names */
	uint64_t first_ns, sent_ns;
	unsigned tries;
};

enum phase { PHASE_KEEP, PHASE_LOAD, PHASE_CLEAR, PHASE_OVER };

struct load {
	const struct load_options *o;
	struct load_result *r;
	int fd;
	uint32_t run; /* drawn: names and cookies of two runs differ */
	enum phase phase;
	uint64_t now_ns, begin_ns, next_number, started, cleared;
	unsigned busy;
	struct call *calls;
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* ---- requests ---- */

static int sdp(const struct load *l, uint64_t number, bool answers, char *out, size_t room)
{
	unsigned port = FIRST_PORT + 2 * (unsigned)((2 * number + answers) % (PORTS / 2));

	return snprintf(out, room,
	        "v=0\r\no=- %u %u IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/%s 8 0 101\r\n"
	        "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 "
	        "telephone-event/8000\r\na=fmtp:101 0-16\r\n%s"
	        "a=ptime:20\r\na=sendrecv\r\n",
	        l->run, port, l->o->media_ip, l->o->media_ip, port, l->o->srtp ? "SAVP" : "AVP",
	        l->o->srtp ? "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
	                     "inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
	                   : "");
}

/* As Kamailio writes them; the cookie's last digits are the slot, so that its answer finds it. */
static int request(const struct load *l, unsigned slot, char *out, size_t room)
{
	static const char *const commands[STEPS] = {"5:offer", "6:answer", "6:delete"};
	const struct call *c = &l->calls[slot];
	char body[1024], id[64], from[32], to[32], delay[32] = "", with_to[64] = "";
	int id_len = snprintf(id, sizeof id, "load-%08x-%llu@bench", l->run, (unsigned long long)c->number);
	int from_len = snprintf(from, sizeof from, "f%llu", (unsigned long long)c->number);
	int to_len = snprintf(to, sizeof to, "t%llu", (unsigned long long)c->number);
	int body_len =
	        c->step == STEP_DELETE ? 0 : sdp(l, c->number, c->step == STEP_ANSWER, body, sizeof body);
	char with_sdp[1100] = "";

	if (body_len > 0)
		snprintf(with_sdp, sizeof with_sdp, "3:sdp%d:%s7:replacel6:origin18:session-connectione",
		        body_len, body);
	if (c->step == STEP_DELETE)
		snprintf(delay, sizeof delay, "12:delete delayi0e");
	if (c->step != STEP_OFFER)
		snprintf(with_to, sizeof with_to, "6:to-tag%d:%s", to_len, to);
	return snprintf(out, room,
	        "%08x_%u_%08llx%05u d8:supportsl10:load "
	        "limite%s%s7:call-id%d:%s13:received-froml3:IP49:127.0.0.1e"
	        "8:from-tag%d:%s%s7:command%se",
	        l->run, c->step, (unsigned long long)(c->number & 0xffffffff), slot, with_sdp, delay, id_len,
	        id, from_len, from, with_to, commands[c->step]);
}

static void send_it(struct load *l, unsigned slot)
{
	char text[REQUEST_MAX];
	int n = request(l, slot, text, sizeof text);

	l->calls[slot].sent_ns = l->now_ns;
	l->calls[slot].tries++;
	/* A full buffer is a loss like any other: it is sent again. */
	if (send(l->fd, text, (size_t)n, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
		perror("send");
}

static void begin_step(struct load *l, unsigned slot, enum load_step step)
{
	struct call *c = &l->calls[slot];

	c->step = step;
	c->tries = 0;
	c->first_ns = l->now_ns;
	send_it(l, slot);
}

static void begin_call(struct load *l, unsigned slot, uint64_t number, enum load_step step)
{
	l->calls[slot].busy = true;
	l->calls[slot].number = number;
	l->busy++;
	begin_step(l, slot, step);
}

static void end_call(struct load *l, unsigned slot)
{
	l->calls[slot].busy = false;
	l->busy--;
}

/* ---- answers ---- */

static void failed(struct load *l, unsigned slot, const char *text)
{
	l->r->failed++;
	if (!l->r->error[0])
		snprintf(l->r->error, sizeof l->r->error, "%s", text);
	end_call(l, slot);
}

static void answer(struct load *l, char *text)
{
	unsigned run, step, slot;
	unsigned long long number;
	struct call *c;

	if (sscanf(text, "%8x_%u_%8llx%5u ", &run, &step, &number, &slot) != 4 || run != l->run ||
	        slot >= l->o->outstanding) {
		l->r->strays++;
		return;
	}
	c = &l->calls[slot];
	if (!c->busy || c->step != step || (c->number & 0xffffffff) != number) {
		l->r->strays++; /* of a retransmission that had been answered */
		return;
	}
	if (!strstr(text, "6:result2:ok")) {
		failed(l, slot, strchr(text, ' ') + 1);
		return;
	}
	if (l->phase == PHASE_LOAD)
		latency_add(&l->r->latency[c->step], l->now_ns - c->first_ns);
	if (c->step == STEP_OFFER) {
		begin_step(l, slot, STEP_ANSWER);
	} else if (c->step == STEP_ANSWER && l->phase != PHASE_KEEP) {
		begin_step(l, slot, STEP_DELETE);
	} else {
		l->r->calls += l->phase == PHASE_LOAD;
		end_call(l, slot);
	}
}

static void receive(struct load *l)
{
	static char texts[BATCH][ANSWER_MAX];
	struct mmsghdr messages[BATCH];
	struct iovec iovs[BATCH];
	int n;

	do {
		for (unsigned i = 0; i < BATCH; i++) {
			iovs[i] = (struct iovec){texts[i], ANSWER_MAX - 1};
			messages[i].msg_hdr = (struct msghdr){.msg_iov = &iovs[i], .msg_iovlen = 1};
		}
		n = recvmmsg(l->fd, messages, BATCH, MSG_DONTWAIT, NULL);
		l->now_ns = now();
		for (int i = 0; i < n; i++) {
			texts[i][messages[i].msg_len] = '\0';
			answer(l, texts[i]);
		}
	} while (n == BATCH);
}

static void look_for_losses(struct load *l)
{
	for (unsigned i = 0; i < l->o->outstanding; i++) {
		struct call *c = &l->calls[i];
		if (!c->busy || l->now_ns - c->sent_ns < l->o->timeout_ms * UINT64_C(1000000))
			continue;
		if (c->tries > l->o->retries) {
			l->r->given_up++;
			end_call(l, i);
			continue;
		}
		l->r->retransmits++;
		send_it(l, i);
	}
}

/* ---- phases ---- */

static bool may_begin(const struct load *l)
{
	double elapsed = (double)(l->now_ns - l->begin_ns) / 1e9;

	switch (l->phase) {
	case PHASE_KEEP:
		return l->started < l->o->keep;
	case PHASE_LOAD:
		if (l->o->calls ? l->started >= l->o->calls : elapsed >= l->o->seconds)
			return false;
		return l->o->rate <= 0 || (double)l->started < l->o->rate * elapsed;
	case PHASE_CLEAR:
		return l->cleared < l->o->keep;
	default:
		return false;
	}
}

static void begin_calls(struct load *l)
{
	for (unsigned i = 0; i < l->o->outstanding && may_begin(l); i++) {
		if (l->calls[i].busy)
			continue;
		if (l->phase == PHASE_CLEAR)
			begin_call(l, i, l->cleared++, STEP_DELETE);
		else
			begin_call(l, i, l->next_number++, STEP_OFFER);
		l->started++;
	}
}

static void next_phase(struct load *l)
{
	bool over = l->phase == PHASE_KEEP   ? l->started >= l->o->keep
	            : l->phase == PHASE_LOAD ? (l->o->calls ? l->started >= l->o->calls
	                                                    : l->now_ns - l->begin_ns >= l->o->seconds * 1e9)
	                                     : l->cleared >= l->o->keep;

	if (!over || l->busy > 0)
		return;
	if (l->phase == PHASE_LOAD)
		l->r->seconds = (double)(l->now_ns - l->begin_ns) / 1e9;
	l->phase++;
	l->started = 0;
	l->begin_ns = l->now_ns;
}

static int dial(const struct load_options *o)
{
	int fd = socket(o->server.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = SOCKET_BYTES;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
	if (connect(fd, (const struct sockaddr *)&o->server, o->server_len) == 0)
		return fd;
	close(fd);
	return -1;
}

int load_run(const struct load_options *o, struct load_result *out)
{
	struct load l = {.o = o, .r = out, .fd = dial(o)};
	uint64_t scanned_ns = 0;

	memset(out, 0, sizeof *out);
	if (l.fd < 0 || getrandom(&l.run, sizeof l.run, 0) != (ssize_t)sizeof l.run ||
	        !(l.calls = calloc(o->outstanding, sizeof *l.calls)))
		return -1;
	l.now_ns = l.begin_ns = now();
	while (l.phase != PHASE_OVER) {
		struct pollfd p = {l.fd, POLLIN, 0};
		begin_calls(&l);
		poll(&p, 1, o->rate > 0 ? 1 : SCAN_NS / 1000000);
		receive(&l);
		if (l.now_ns - scanned_ns > SCAN_NS) {
			scanned_ns = l.now_ns;
			look_for_losses(&l);
		}
		next_phase(&l);
	}
	free(l.calls);
	close(l.fd);
	return 0;
}

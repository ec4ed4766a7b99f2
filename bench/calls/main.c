/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What a call costs the media engine alone: SDP in, SDP out, ports, keys, journal and commands, without the
 * ng protocol and without a dataplane behind it (whose answers are made here at once). */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/journal.h"
#include "controlplane/media/media.h"
#include "dataplane/abi/log.h"

enum { WORKERS = 2, CALLS = 20000, REPLAYED = 1000, NS_PER_S = 1000000000, LATEST = 8 };

/* ---- the link to no dataplane ---- */

static struct {
	const struct sl_dp_media_ops *ops;
	void *ctx;
	bool attached;
	uint64_t n_commands;
	struct sl_command ring[SL_COMMAND_SLOTS]; /* as much memory as the real one is written to */
	unsigned n_ends;                          /* legs to be reported as ended */
	struct {
		struct sl_leg_ref leg;
		uint32_t seq;
	} ends[LATEST];
} nowhere;

void sl_dp_set_media(struct sl_dp *dp, const struct sl_dp_media_ops *ops, void *ctx)
{
	nowhere.ops = ops;
	nowhere.ctx = ctx;
	if (ops && nowhere.attached)
		ops->attached(ctx, 0, WORKERS);
}

int sl_dp_worker_send(struct sl_dp *dp, unsigned worker, const struct sl_command *cmd)
{
	nowhere.ring[nowhere.n_commands++ % SL_COMMAND_SLOTS] = *cmd;
	if (cmd->h.type == SL_CMD_LEG_DELETE && nowhere.n_ends < LATEST) {
		nowhere.ends[nowhere.n_ends].leg = cmd->leg_ref;
		nowhere.ends[nowhere.n_ends++].seq = cmd->h.seq;
	}
	return 0;
}

size_t sl_dp_worker_waiting(const struct sl_dp *dp)
{
	return 0;
}

int sl_dp_clip(struct sl_dp *dp, uint32_t clip, int memfd)
{
	return 0;
}

static void report_ends(void)
{
	for (unsigned i = 0; i < nowhere.n_ends; i++) {
		struct sl_event e = {.h = {SL_EVT_LEG, nowhere.ends[i].seq}};
		e.leg.leg = nowhere.ends[i].leg;
		e.leg.change = SL_LEG_ENDED;
		nowhere.ops->event(nowhere.ctx, 0, &e);
	}
	nowhere.n_ends = 0;
}

/* ---- calls ---- */

#define HEAD(ip) "v=0\r\no=- 1 1 IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\n"
#define CODECS                                                                                               \
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"              \
	"a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"

struct load {
	const char *name;
	const char *offer;
	const char *answer; /* with a=crypto: the line of the offer that was sent on is added */
	bool secure;
};

static const struct load loads[] = {
        {"RTP", HEAD("198.51.100.10") "m=audio 4000 RTP/AVP 8 0 101\r\n" CODECS,
                HEAD("192.0.2.20") "m=audio 6000 RTP/AVP 8 101\r\n" CODECS, false},
        {"SRTP (SDES, 8 suites offered)",
                HEAD("198.51.100.10") "m=audio 4000 RTP/SAVP 8 0 101\r\n" CODECS
                                      "a=crypto:1 AES_CM_128_HMAC_SHA1_80 "
                                      "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n",
                HEAD("192.0.2.20") "m=audio 6000 RTP/SAVP 8 101\r\n" CODECS, true},
};

struct times {
	double offer, answer, end;
};

static struct sl_media *media;
static char sent_on[16384];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / NS_PER_S;
}

static struct sl_slice slice(const char *text)
{
	return (struct sl_slice){text, strlen(text)};
}

static void failed(const struct sl_media_error *e)
{
	fprintf(stderr, "sluice-bench-calls: %s\n", e->text);
	exit(1);
}

static void done(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
}

static void signal_call(const struct load *l, struct sl_media_request *q, struct times *t)
{
	struct sl_media_reply r = {.sdp = sent_on, .sdp_room = sizeof sent_on - 1};
	struct sl_media_error e;
	char answer[2048];

	q->sdp = slice(l->offer);
	q->to_tag = (struct sl_slice){0};
	double begin = now();
	if (sl_media_offer(media, q, &r, &e) != SL_MEDIA_OK)
		failed(&e);
	t->offer += now() - begin;
	sent_on[r.sdp_len] = '\0';
	const char *crypto = l->secure ? strstr(sent_on, "a=crypto:") : NULL;
	snprintf(answer, sizeof answer, "%s%.*s%s", l->answer, crypto ? (int)strcspn(crypto, "\r") : 0,
	        crypto ? crypto : "", crypto ? "\r\n" : "");
	q->sdp = slice(answer);
	q->to_tag = slice("totag");
	begin = now();
	if (sl_media_answer(media, q, &r, &e) != SL_MEDIA_OK)
		failed(&e);
	t->answer += now() - begin;
}

static void measure(const struct load *l)
{
	struct times t = {0};

	for (unsigned i = 0; i < 2 * CALLS; i++) {
		char id[64];
		snprintf(id, sizeof id, "%u-call@198.51.100.10", i);
		struct sl_media_request q = {.call_id = slice(id),
		        .from_tag = slice("fromtag"),
		        .options = {.dscp = -1, .delete_delay_s = -1}};
		if (i == CALLS) /* the first half was to warm up */
			t = (struct times){0};
		signal_call(l, &q, &t);
		double begin = now();
		sl_media_delete(media, q.call_id, (struct sl_slice){0}, (struct sl_slice){0}, 0, done, NULL);
		report_ends();
		t.end += now() - begin;
	}
	printf("%-32s offer %6.2f us, answer %6.2f us, delete %6.2f us: %8.0f calls/s\n", l->name,
	        t.offer / CALLS * 1e6, t.answer / CALLS * 1e6, t.end / CALLS * 1e6,
	        CALLS / (t.offer + t.answer + t.end));
}

/* All calls once more, as after a restart of the dataplane; then of the brain. */
static void measure_restarts(const struct sl_config *config, int journal)
{
	struct times t = {0};
	char id[64], text[160];

	for (unsigned i = 0; i < REPLAYED; i++) {
		snprintf(id, sizeof id, "%u-call@198.51.100.10", i);
		struct sl_media_request q = {.call_id = slice(id),
		        .from_tag = slice("fromtag"),
		        .options = {.dscp = -1, .delete_delay_s = -1}};
		signal_call(&loads[0], &q, &t);
	}
	nowhere.ops->detached(nowhere.ctx);
	double begin = now();
	nowhere.ops->attached(nowhere.ctx, 0, WORKERS);
	printf("%u calls told to a restarted dataplane in %.1f ms\n", REPLAYED, (now() - begin) * 1e3);
	sl_media_close(media);
	begin = now();
	media = sl_media_open(config, (void *)&nowhere, journal, text, sizeof text);
	if (!media || sl_media_n_sessions(media) != REPLAYED) {
		fprintf(stderr, "sluice-bench-calls: the journal has not all of them: %s\n", text);
		exit(1);
	}
	printf("%u calls read from the journal and told in %.1f ms\n", REPLAYED, (now() - begin) * 1e3);
}

int main(void)
{
	struct sl_config config = {.dataplane.n_workers = WORKERS,
	        .media = {.n_addresses = 1,
	                .port_min = 30000,
	                .port_max = 59999,
	                .max_legs = 16384,
	                .max_large_keys = 16384,
	                .max_sessions = 8192,
	                .inactivity_s = 60,
	                .answer_s = 60}};
	char text[160];
	int journal = sl_journal_memfd("bench");

	strcpy(config.media.addresses[0].interface, "public");
	sl_ip_parse("203.0.113.1", &config.media.addresses[0].ip);
	config.media.addresses[0].advertised = config.media.addresses[0].ip;
	sl_log_set_level(SL_LOG_ERROR);
	nowhere.attached = true;
	media = sl_media_open(&config, (void *)&nowhere, journal, text, sizeof text);
	if (!media) {
		fprintf(stderr, "sluice-bench-calls: %s\n", text);
		return 1;
	}
	for (unsigned i = 0; i < sizeof loads / sizeof loads[0]; i++)
		measure(&loads[i]);
	measure_restarts(&config, journal);
	sl_media_close(media);
	close(journal);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include <inttypes.h>
#include <time.h>

#include "peer.h"

/* A monotonic time as seconds since 1970; 0 stays 0. */
static double unix_s(uint64_t at, uint64_t now)
{
	struct timespec t;

	if (at == 0)
		return 0;
	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9 - (double)(now - at) / 1e9;
}

static void write_streams(FILE *f, const struct endpoint *e)
{
	fprintf(f, ", \"streams\": [");
	for (unsigned i = 0; i < e->n_streams; i++) {
		const struct stream *s = &e->streams[i];

		fprintf(f, "%s{\"ssrc\": %u, \"received\": %" PRIu64 ", \"repeated\": %" PRIu64 ", \"reordered\": %" PRIu64
			", \"reused_indices\": %" PRIu64 ", \"top_seq\": %u, \"rolled_over\": %" PRIu64 "}",
			i > 0 ? ", " : "", s->ssrc, s->received, s->repeated, s->reordered, s->reused,
			(unsigned)(s->top & 0xffff), (s->top >> 16) - ((s->first + 1024) >> 16));
	}
	fprintf(f, "]");
}

static void write_senders(FILE *f, const struct endpoint *e)
{
	fprintf(f, ", \"from\": {");
	for (unsigned i = 0; i < e->n_senders; i++) {
		const struct sender *s = &e->senders[i];

		fprintf(f, "%s\"%u\": {\"received\": %" PRIu64 ", \"missing\": %" PRIu64 ", \"duplicates\": %" PRIu64
			", \"reordered\": %" PRIu64 ", \"first\": %" PRIu64 ", \"last\": %" PRIu64 "}",
			i > 0 ? ", " : "", s->id, s->received, s->last - s->first + 1 - s->received, s->duplicates,
			s->reordered, s->first, s->last);
	}
	fprintf(f, "}");
}

static void write_types(FILE *f, const struct endpoint *e)
{
	const char *comma = "";

	fprintf(f, ", \"pts\": [");
	for (unsigned pt = 0; pt < 128; pt++)
		if (e->pts[pt / 64] >> (pt % 64) & 1) {
			fprintf(f, "%s%u", comma, pt);
			comma = ", ";
		}
	fprintf(f, "]");
}

static void write_rtcp(FILE *f, const struct rtcp_counts *c)
{
	fprintf(f, ", \"rtcp\": {\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"sr\": %" PRIu64 ", \"rr\": %" PRIu64
		", \"bye\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"strangers\": %" PRIu64 ", \"ssrc\": %u, \"about\": %u"
		", \"fraction\": %u, \"lost\": %u, \"jitter\": %u, \"rtt_ms\": %.3f}",
		c->sent, c->received, c->sr, c->rr, c->bye, c->refused, c->strangers, c->from_ssrc, c->about_ssrc, c->fraction,
		c->lost, c->jitter, c->rtt_ms);
}

static void write_one(FILE *f, const struct endpoint *e, uint64_t now)
{
	fprintf(f, "{\"name\": \"%s\", \"id\": %u, \"ssrc\": %u, \"sent\": %" PRIu64 ", \"send_errors\": %" PRIu64
		", \"refused_ports\": %" PRIu64 ", \"received\": %" PRIu64 ", \"received_bytes\": %" PRIu64,
		e->name, e->id, e->ssrc, e->sent, e->send_errors, e->refused_ports, e->received, e->received_bytes);
	fprintf(f, ", \"auth_failures\": %" PRIu64 ", \"replays\": %" PRIu64 ", \"malformed\": %" PRIu64 ", \"strangers\": %" PRIu64
		", \"corrupt\": %" PRIu64 ", \"unnumbered\": %" PRIu64,
		e->auth_failures, e->replays, e->malformed, e->strangers, e->corrupt, e->unnumbered);
	fprintf(f, ", \"first_unix\": %.4f, \"last_unix\": %.4f, \"longest_gap_ms\": %.1f, \"gap_from_unix\": %.4f, \"resumed_unix\": %.4f",
		unix_s(e->first_at, now), unix_s(e->last_at, now), (double)e->longest_gap / 1e6, unix_s(e->gap_from, now),
		unix_s(e->gap_from > 0 ? e->gap_from + e->longest_gap : 0, now));
	fprintf(f, ", \"events\": \"%s\", \"recorded_bytes\": %zu", e->events, e->n_recorded);
	write_types(f, e);
	write_streams(f, e);
	write_senders(f, e);
	write_rtcp(f, &e->rtcp);
	fprintf(f, "}");
}

void report_write(FILE *f, const struct endpoint *e, int n, uint64_t now)
{
	fprintf(f, "[");
	for (int i = 0; i < n; i++) {
		fprintf(f, "%s", i > 0 ? ",\n " : "");
		write_one(f, &e[i], now);
	}
	fprintf(f, "]\n");
}

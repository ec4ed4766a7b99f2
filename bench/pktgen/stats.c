/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/stats.h"

uint64_t histogram_quantile(const struct histogram *h, double q)
{
	uint64_t rank = (uint64_t)(q * (double)h->count), seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > rank) {
			unsigned octave = i >> HIST_SUB_BITS;
			if (octave == 0)
				return i;
			/* The bucket's upper edge. */
			uint64_t low = (uint64_t)(i - ((octave - 1) << HIST_SUB_BITS)) << (octave - 1);
			uint64_t high = low + (1ull << (octave - 1)) - 1;
			return high < h->max ? high : h->max;
		}
	}
	return h->max;
}

uint64_t result_offered(const struct result *r)
{
	return r->dir[0].offered + r->dir[1].offered;
}

uint64_t result_received(const struct result *r)
{
	return r->dir[0].received + r->dir[1].received;
}

uint64_t result_wanted(const struct result *r)
{
	uint64_t wanted = 0;

	for (unsigned dir = 0; dir < N_DIRECTIONS; dir++)
		wanted += r->dir[dir].offered * (1 + r->dir[dir].more_copies);
	return wanted;
}

double result_loss(const struct result *r)
{
	uint64_t wanted = result_wanted(r), received = result_received(r);

	return received >= wanted ? 0 : 1 - (double)received / (double)wanted;
}

double result_mpps(const struct result *r)
{
	return r->seconds > 0 ? (double)r->received_in_time / r->seconds / 1e6 : 0;
}

static void print_direction(FILE *out, const char *name, const struct direction_result *d)
{
	fprintf(out, "\"%s\":{\"offered\":%llu,\"unsent\":%llu,\"received\":%llu},", name,
		(unsigned long long)d->offered, (unsigned long long)d->unsent, (unsigned long long)d->received);
}

static void print_latency(FILE *out, const struct histogram *h, double us)
{
	fprintf(out, "\"latency_us\":{\"samples\":%llu,", (unsigned long long)h->count);
	fprintf(out, "\"mean\":%.2f,\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f},",
		h->count != 0 ? (double)h->sum / (double)h->count * us : 0,
		(double)histogram_quantile(h, 0.5) * us, (double)histogram_quantile(h, 0.99) * us,
		(double)histogram_quantile(h, 0.999) * us, (double)h->max * us);
}

static void print_flood(FILE *out, const struct result *r, const struct options *o)
{
	if (!o->flood)
		return;
	fprintf(out, "\"flood\":{\"rate_pps\":%.0f,\"offered\":%llu,\"unsent\":%llu,\"sent_mpps\":%.4f},", o->flood_pps,
		(unsigned long long)r->flood.offered, (unsigned long long)r->flood.unsent,
		(double)(r->flood.offered - r->flood.unsent) / r->seconds / 1e6);
}

static void print_newcomers(FILE *out, const struct result *r, const struct options *o, double us)
{
	const struct histogram *h = &r->newcomers.latency;

	if (o->newcomers == 0)
		return;
	fprintf(out, "\"newcomers\":{\"started\":%llu,\"ready\":%llu,\"failed\":%llu,\"retransmits\":%llu,",
		(unsigned long long)r->newcomers.started, (unsigned long long)r->newcomers.ready,
		(unsigned long long)r->newcomers.failed, (unsigned long long)r->newcomers.retransmits);
	fprintf(out, "\"p50_ms\":%.3f,\"p99_ms\":%.3f},", (double)histogram_quantile(h, 0.5) * us / 1e3,
		(double)histogram_quantile(h, 0.99) * us / 1e3);
}

/* Of encrypted streams nothing says when a packet was made; without a rate the generator waits for a port that takes nothing. */
static void print_stalls(FILE *out, const struct result *r, double us)
{
	fprintf(out, "\"stalls\":%llu,\"stalls_ms\":%.3f,", (unsigned long long)r->stalls.stalls,
		(double)r->stalls.cycles * us / 1e3);
	if (r->latency.count != 0 && r->rate_pps > 0)
		fprintf(out, "\"lost_in_stalls\":%llu,\"lost_elsewhere\":%llu,", (unsigned long long)r->stalls.lost_in_stalls,
			(unsigned long long)r->stalls.lost_elsewhere);
}

void result_print_json(FILE *out, const char *event, const struct result *r, const struct result_context *c)
{
	double us = 1e6 / (double)c->hz;
	uint64_t offered = result_offered(r);

	fprintf(out, "{\"event\":\"%s\",\"mode\":\"%s\",\"sessions\":%u,\"payload_bytes\":%u,\"frame_bytes\":%u,", event,
		c->o->plan != NULL ? "media" : c->o->raw ? "raw" : c->o->send ? "turn-send" : "turn", c->o->sessions, c->o->payload_bytes,
		c->frame_bytes[CLIENT_TO_PEER]);
	fprintf(out, "\"seconds\":%.3f,\"rate_pps\":%.0f,\"offered_mpps\":%.4f,\"mpps\":%.4f,\"loss\":%.9f,", r->seconds,
		r->rate_pps, (double)offered / r->seconds / 1e6, result_mpps(r), result_loss(r));
	fprintf(out, "\"offered\":%llu,\"received\":%llu,", (unsigned long long)offered,
		(unsigned long long)result_received(r));
	print_direction(out, "client_to_peer", &r->dir[CLIENT_TO_PEER]);
	print_direction(out, "peer_to_client", &r->dir[PEER_TO_CLIENT]);
	fprintf(out, "\"reordered\":%llu,\"bad_length\":%llu,\"sampled\":%llu,\"bad_content\":%llu,\"other\":%llu,",
		(unsigned long long)r->reordered, (unsigned long long)r->bad_length, (unsigned long long)r->sampled,
		(unsigned long long)r->bad_content, (unsigned long long)r->other);
	print_latency(out, &r->latency, us);
	print_flood(out, r, c->o);
	print_newcomers(out, r, c->o, us);
	print_stalls(out, r, us);
	fprintf(out, "\"cpu_share\":%.4f,\"blocked_share\":%.4f,", r->cpu_share,
		r->rounds != 0 ? (double)r->blocked / (double)r->rounds : 0);
	fprintf(out, "\"skipped\":%llu,\"gaps\":%llu,\"gap_max_us\":%.1f,\"turn_retransmits\":%llu,\"tsc_hz\":%llu}\n",
		(unsigned long long)r->skipped, (unsigned long long)r->gaps, (double)r->gap_max * us,
		(unsigned long long)r->retransmits, (unsigned long long)c->hz);
	fflush(out);
}

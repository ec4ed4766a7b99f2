/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>

enum {
	BACKLOG_MAX = 2 * BURST,
	GAP_US = 100,
	CONTROL_US = 500,
	QUIET_MS = 30,
	DRAIN_MAX_MS = 2000,
	WINDOW = 512, /* half of a port's descriptors */
	GIVE_UP_MS = 20,
};

int load_init(struct load *l, const struct options *o, struct ports *ports, struct turn_client *client,
	struct media *media, struct templates *t, uint64_t hz)
{
	*l = (struct load){.o = o, .ports = ports, .client = client, .media = media, .t = t, .hz = hz,
		.sequence = {1, 1}, .burst = BURST};
	unsigned each = media != NULL ? media->plan->n_copies_each[CLIENT_TO_PEER] : 1;
	/* A ring full of frames would come back as many rings full: keep what is under way to half a ring. */
	if (each > 1) {
		l->window = WINDOW;
		l->burst = each * BURST <= WINDOW / 2 ? BURST : 1 + WINDOW / 2 / each;
	}
	double longest = o->seconds > o->warmup_s ? o->seconds : o->warmup_s;
	longest = longest > o->ndr_step_s ? longest : o->ndr_step_s;
	for (unsigned dir = 0; dir < N_DIRECTIONS; dir++) {
		l->last[dir] = calloc(o->sessions + 1, sizeof *l->last[dir]);
		if (l->last[dir] == NULL || (dir == 0 && stalls_init(&l->stalls, (uint64_t)(longest * (double)hz)) != 0)) {
			fprintf(stderr, "sluice-pktgen: no memory for %u sessions\n", o->sessions);
			load_fini(l);
			return -1;
		}
		/* Half-way round, so that the two directions of a session do not come together. */
		l->position[dir] = dir * (o->sessions / 2);
	}
	return 0;
}

void load_fini(struct load *l)
{
	free(l->last[0]);
	free(l->last[1]);
	l->last[0] = l->last[1] = NULL;
	stalls_fini(&l->stalls);
}

/* What is still inside the relay arrives after the clock has stopped: it counts against loss, not for the rate. */
static void drain(struct load *l, struct result *r)
{
	struct result late = {0};
	uint64_t ms = l->hz / 1000, begin = rte_rdtsc(), last = begin, now;

	do {
		now = rte_rdtsc();
		if (load_receive(l, now, &late) != 0)
			last = now;
	} while (now - last < QUIET_MS * ms && now - begin < DRAIN_MAX_MS * ms);
	for (unsigned dir = 0; dir < N_DIRECTIONS; dir++)
		r->dir[dir].received += late.dir[dir].received;
	r->stale += late.stale;
	r->reordered += late.reordered;
	r->bad_length += late.bad_length;
	r->bad_content += late.bad_content;
	r->sampled += late.sampled;
	r->other += late.other;
}

/* How many frames are due now. A backlog from a stall of this machine is forgotten rather than sent in one heap,
 * which would overrun the relay's ring and be blamed on it. */
static unsigned frames_due(uint64_t elapsed, double per_cycle, uint64_t *scheduled, unsigned least, unsigned most,
	uint64_t *skipped)
{
	uint64_t target = (uint64_t)((double)elapsed * per_cycle);
	uint64_t due = target - *scheduled;

	if (due < least)
		return 0;
	if (due > BACKLOG_MAX) {
		*skipped += due - BACKLOG_MAX;
		*scheduled = target - BACKLOG_MAX;
	}
	unsigned n = due < most ? (unsigned)due : most;
	*scheduled += n;
	return n;
}

/* May more be sent, as far as the window goes? What nobody hears of for a while is lost and no longer under way. */
static bool window_open(struct load *l, uint64_t now, const struct result *r)
{
	if (l->window == 0)
		return true;
	uint64_t wanted = result_wanted(r), received = result_received(r);

	if (received != l->heard) {
		l->heard = received;
		l->heard_at = now;
	} else if (now - l->heard_at > l->hz / 1000 * GIVE_UP_MS) {
		l->gone = wanted - received;
		l->heard_at = now;
	}
	return wanted < received + l->gone + l->window;
}

static double thread_cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void begin_run(struct load *l, struct result *r)
{
	memset(r, 0, sizeof *r);
	for (unsigned dir = 0; l->media != NULL && dir < N_DIRECTIONS; dir++)
		if (l->media->plan->n_copies_each[dir] > 0)
			r->dir[dir].more_copies = l->media->plan->n_copies_each[dir] - 1;
	l->run++;
	l->gone = l->heard = 0;
	memset(l->stuck_since, 0, sizeof l->stuck_since);
}

/* The run's own beginning, and how far each of its two paces has come. */
struct pace {
	uint64_t begin, scheduled, flood_scheduled;
	double per_cycle, flood_per_cycle; /* 0 = as fast as the ports take frames */
	unsigned least;
};

static void offer(struct load *l, struct pace *p, uint64_t now, struct result *r)
{
	if (p->per_cycle == 0) {
		if (load_flush(l) && window_open(l, now, r))
			load_send(l, l->burst, now, true, r);
		else
			r->blocked++;
		return;
	}
	unsigned n = frames_due(now - p->begin, p->per_cycle, &p->scheduled, p->least, l->burst, &r->skipped);
	if (n != 0)
		load_send(l, n, now, false, r);
}

/* What the port refuses of either is lost. */
static void offer_beside(struct load *l, struct pace *p, uint64_t now, struct result *r)
{
	unsigned n = 0, n_flood = BURST;

	if (p->per_cycle != 0)
		n = frames_due(now - p->begin, p->per_cycle, &p->scheduled, p->least, l->burst, &r->skipped);
	if (p->flood_per_cycle != 0)
		n_flood = frames_due(now - p->begin, p->flood_per_cycle, &p->flood_scheduled, 1, BURST, &r->flood.skipped);
	if (n + n_flood != 0)
		load_send_beside(l, n, n_flood, now, r);
}

static void count_newcomers(struct load *l, struct result *r)
{
	const struct turn_client *c = l->newcomers;

	r->newcomers.started = c->next;
	r->newcomers.ready = c->done - c->n_failed;
	r->newcomers.failed = c->next - r->newcomers.ready;
	r->newcomers.retransmits = c->retransmits;
	r->newcomers.latency = c->took;
}

void load_run(struct load *l, double rate_pps, double seconds, struct result *r)
{
	const uint64_t gap = l->hz / 1000000 * GAP_US, control = l->hz / 1000000 * CONTROL_US;
	uint64_t retransmits = l->client != NULL ? l->client->retransmits : 0;
	struct pace pace = {.per_cycle = rate_pps / (double)l->hz, .flood_per_cycle = l->o->flood_pps / (double)l->hz,
		.least = rate_pps >= 1e6 ? l->burst : 1 + (unsigned)(rate_pps / 1e6 * (l->burst - 1))};

	begin_run(l, r);
	double cpu_s = thread_cpu_s();
	uint64_t begin = rte_rdtsc(), before = begin, next_control = begin, now;
	const uint64_t end = begin + (uint64_t)(seconds * (double)l->hz);
	stalls_begin(&l->stalls, begin);
	pace.begin = begin;
	while ((now = rte_rdtsc()) < end) {
		if (unlikely(now - before > gap)) {
			r->gaps++;
			stalls_note(&l->stalls, before, now);
		}
		if (now - before > r->gap_max)
			r->gap_max = now - before;
		before = now;
		r->rounds++;
		load_receive(l, now, r);
		if (l->flood != NULL)
			offer_beside(l, &pace, now, r);
		else
			offer(l, &pace, now, r);
		if (unlikely(now >= next_control) && l->client != NULL) {
			next_control = now + control;
			turn_client_step(l->client, now);
			if (l->newcomers != NULL)
				turn_client_step(l->newcomers, now);
		}
	}
	r->seconds = (double)(now - begin) / (double)l->hz;
	r->cpu_share = (thread_cpu_s() - cpu_s) / r->seconds;
	r->rate_pps = rate_pps;
	load_drop_held(l, r);
	drain(l, r);
	stalls_sum(&l->stalls, 1 + r->dir[0].more_copies, &r->stalls);
	if (l->client != NULL)
		r->retransmits = l->client->retransmits - retransmits;
	if (l->newcomers != NULL)
		count_newcomers(l, r);
}

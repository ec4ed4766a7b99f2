/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "bench/pktgen/storm.h"

#include <stdio.h>

#include <rte_cycles.h>

#include "bench/pktgen/drive.h"

enum { PHASE_MAX_S = 600 };

/* The last ones may be waiting for a retransmission, half a second and more: the rate is that of most of them. */
#define MOST 0.98

struct phase {
	uint64_t begin, most, end; /* TSC */
	uint64_t transactions, retransmits;
};

static int go_through(struct turn_client *c, enum turn_goal goal, struct phase *p)
{
	uint32_t most = (uint32_t)(c->o->sessions * MOST);
	uint64_t now;

	*p = (struct phase){.begin = rte_rdtsc(), .transactions = c->transactions, .retransmits = c->retransmits};
	turn_client_begin(c, goal, p->begin);
	for (now = p->begin; !turn_client_done(c); now = rte_rdtsc()) {
		drive_poll(c->ports, c->o, c, now);
		(void)turn_client_step(c, now);
		if (p->most == 0 && c->done >= most)
			p->most = now;
		if (now - p->begin > PHASE_MAX_S * c->hz) {
			fprintf(stderr, "sluice-pktgen: phase %s does not end\n", storm_name(goal));
			return -1;
		}
	}
	p->end = now;
	p->transactions = c->transactions - p->transactions;
	p->retransmits = c->retransmits - p->retransmits;
	return 0;
}

static void print_errors(const struct turn_client *c)
{
	const char *comma = "";

	printf("\"errors\":{");
	for (unsigned code = 0; code < TURN_ERROR_CODES; code++) {
		if (c->errors[code] == 0)
			continue;
		printf("%s\"%u\":%u", comma, code, c->errors[code]);
		comma = ",";
	}
	printf("},");
}

static void print_phase(const struct turn_client *c, enum turn_goal goal, const struct phase *p)
{
	double us = 1e6 / (double)c->hz, most_s = (double)(p->most - p->begin) / (double)c->hz;
	uint32_t ready = c->done - c->n_failed;

	printf("{\"event\":\"phase\",\"phase\":\"%s\",\"sessions\":%u,\"ready\":%u,\"failed\":%u,\"unanswered\":%u,", storm_name(goal),
		c->o->sessions, ready, c->n_failed, c->n_unanswered);
	print_errors(c);
	printf("\"transactions\":%llu,\"retransmits\":%llu,\"seconds\":%.4f,\"per_second\":%.0f,", (unsigned long long)p->transactions,
		(unsigned long long)p->retransmits, (double)(p->end - p->begin) / (double)c->hz, MOST * c->o->sessions / most_s);
	printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,", (double)histogram_quantile(&c->took, 0.5) * us,
		(double)histogram_quantile(&c->took, 0.99) * us, (double)c->took.max * us);
	printf("\"bad_integrity\":%llu,\"tsc_hz\":%llu}\n", (unsigned long long)c->bad_integrity, (unsigned long long)c->hz);
	fflush(stdout);
}

/* One session of each client address, so that the relay's neighbours are known before anything is timed. From a port of their own: not every relay takes
 * a client back whose allocation was just deleted. */
static int warm_up(struct turn_client *c)
{
	const struct options *asked = c->o;
	struct options few = *asked;
	struct phase p;

	few.sessions = few.sessions < few.clients.count ? few.sessions : few.clients.count;
	few.client_port -= few.client_port > 1;
	c->o = &few;
	int rc = go_through(c, GOAL_ALLOCATE, &p);
	if (rc == 0)
		rc = go_through(c, GOAL_DELETE, &p);
	c->o = asked;
	return rc;
}

int storm_run(struct turn_client *c)
{
	struct phase p;

	if (warm_up(c) != 0)
		return -1;
	if (c->o->rate_pps > 0)
		c->join_cycles = (uint64_t)(c->o->sessions / c->o->rate_pps * (double)c->hz);
	for (unsigned i = 0; i < c->o->n_storm; i++) {
		enum turn_goal goal = c->o->storm[i];
		if (!drive_wait(c->o, "ready") || go_through(c, goal, &p) != 0)
			return -1;
		print_phase(c, goal, &p);
	}
	return drive_wait(c->o, "measured") ? 0 : -1;
}

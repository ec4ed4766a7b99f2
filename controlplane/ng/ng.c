/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/ng/ng.h"

#include "controlplane/ng/brain.h"
#include "controlplane/ng/edge.h"
#include "dataplane/abi/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LETTERS_PER_TURN = 2 }; /* each holds what the edge read at once */

struct sl_ng {
	struct sl_ng_brain brain;
	struct sl_ng_edge edge;
	struct sl_ng_chain answers; /* for the edge */
	bool running;               /* they go together at the end of sl_ng_run() */
};

static int64_t unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static void pass_on(struct sl_ng *ng)
{
	struct sl_ng_request *r;

	if (ng->answers.first && sl_mailbox_post(ng->edge.inbox, sl_ng_edge_answered, ng->answers.first) == 0)
		ng->answers = (struct sl_ng_chain){0};
	while ((r = sl_ng_chain_take(&ng->answers))) /* cannot be: no more than fit are in flight */
		sl_ng_request_free(r);
}

/* A letter to ourselves: what the dataplane answers at once goes together too, with the next sl_ng_run(). */
static void run_soon(void *ng)
{
}

static void answered(void *ctx, struct sl_ng_request *r)
{
	struct sl_ng *ng = ctx;
	bool first = !ng->answers.first;

	sl_ng_chain_add(&ng->answers, r);
	if (!ng->running && first && sl_mailbox_post(ng->edge.to_brain, run_soon, ng) < 0)
		pass_on(ng);
}

static void say_listeners(const struct sl_conf_media *m)
{
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < m->n_ng_udp; i++)
		sl_log(SL_LOG_INFO, "ng listens on %s, UDP", sl_endpoint_text(&m->ng_udp[i], text));
	for (unsigned i = 0; i < m->n_ng_tcp; i++)
		sl_log(SL_LOG_INFO, "ng listens on %s, TCP", sl_endpoint_text(&m->ng_tcp[i], text));
}

struct sl_ng *sl_ng_open(const struct sl_config *config, struct sl_media *media, char *text, size_t text_len)
{
	const struct sl_conf_media *m = &config->media;
	struct sl_ng *ng = calloc(1, sizeof *ng);

	snprintf(text, text_len, "cannot start the ng protocol");
	if (!ng)
		return NULL;
	sl_ng_json_wipes();
	ng->brain.media = media;
	ng->brain.n_addresses = m->n_addresses;
	memcpy(ng->brain.addresses, m->addresses, sizeof ng->brain.addresses);
	ng->brain.answered = answered;
	ng->brain.ctx = ng;
	ng->brain.unix_ms = unix_ms;
	ng->brain.start_unix_ms = unix_ms();
	ng->edge.brain = &ng->brain;
	if (sl_ng_edge_open(&ng->edge, m, text, text_len) < 0 || sl_ng_edge_start(&ng->edge) < 0) {
		sl_ng_edge_close(&ng->edge);
		free(ng);
		return NULL;
	}
	say_listeners(m);
	return ng;
}

void sl_ng_close(struct sl_ng *ng)
{
	struct sl_ng_request *r;

	if (!ng)
		return;
	sl_ng_edge_close(&ng->edge);
	sl_ng_brain_forget(&ng->brain);
	while ((r = sl_ng_chain_take(&ng->answers)))
		sl_ng_request_free(r);
	free(ng);
}

int sl_ng_fd(const struct sl_ng *ng)
{
	return sl_mailbox_fd(ng->edge.to_brain);
}

void sl_ng_run(struct sl_ng *ng)
{
	ng->running = true;
	sl_mailbox_run(ng->edge.to_brain, LETTERS_PER_TURN);
	ng->running = false;
	pass_on(ng);
}

void sl_ng_reconfigure(struct sl_ng *ng, const struct sl_config *config)
{
	sl_ng_edge_allow(&ng->edge, &config->media);
}

#define LOAD(from, name) out->name = __atomic_load_n(&(from)->name, __ATOMIC_RELAXED)
void sl_ng_counts(const struct sl_ng *ng, struct sl_ng_counts *out)
{
	const struct sl_ng_brain *b = &ng->brain;
	const struct sl_ng_edge *e = &ng->edge;

	for (enum sl_ng_command c = 0; c < SL_NG_N_COMMANDS; c++) {
		LOAD(b, requests[c]);
		LOAD(b, errors[c]);
	}
	LOAD(b, load_limits);
	LOAD(b, warnings);
	LOAD(e, duplicates_answered);
	LOAD(e, duplicates_dropped);
	LOAD(e, refused_sources);
	LOAD(e, bad_messages);
	LOAD(e, overloaded);
	LOAD(e, send_failures);
	LOAD(e, tcp_accepted);
	LOAD(e, tcp_refused);
	LOAD(e, tcp_timeouts);
	LOAD(e, cache_evicted);
	LOAD(e, tcp_connections);
	LOAD(e, in_flight);
	LOAD(e, cached);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Where an address stands: every worker is asked, and what came within half a second is told. */

#include "controlplane/guard/internal.h"

#include <errno.h>
#include <stdlib.h>

enum { SEQ_MAX = 0x3fffffff };

static void finish(struct sl_warden_query *q)
{
	struct sl_warden_query copy = *q;

	*q = (struct sl_warden_query){0};
	copy.done(copy.ctx, copy.answers, copy.n);
	free(copy.answers);
}

int sl_warden_query(struct sl_warden *w, const struct sl_ip *ip, int64_t now_ms, sl_warden_answers done, void *ctx)
{
	struct sl_warden_query *q = w->queries;
	struct sl_command cmd = {.h = {.type = SL_CMD_GUARD_QUERY}, .guard_query = {*ip}};

	if (!w->tell.attached || w->leaving)
		return -ENOTCONN;
	while (q < w->queries + SL_WARDEN_QUERIES && q->seq)
		q++;
	if (q == w->queries + SL_WARDEN_QUERIES)
		return -EBUSY;
	struct sl_evt_guard_answer *answers = calloc(w->tell.n_workers, sizeof *answers);
	if (!answers)
		return -ENOMEM;
	w->seq = w->seq < SEQ_MAX ? w->seq + 1 : 1;
	*q = (struct sl_warden_query){.seq = w->seq, .deadline_ms = now_ms + SL_WARDEN_QUERY_MS, .done = done, .ctx = ctx, .answers = answers};
	cmd.h.seq = w->seq;
	for (unsigned i = 0; i < w->tell.n_workers; i++)
		q->wanted += sl_dp_worker_send(w->o.dp, i, &cmd) == 0;
	return 0;
}

void sl_warden_query_answer(struct sl_warden *w, unsigned worker, const struct sl_event *evt)
{
	(void)worker;
	for (unsigned i = 0; i < SL_WARDEN_QUERIES; i++) {
		struct sl_warden_query *q = &w->queries[i];

		if (q->seq == 0 || q->seq != evt->h.seq || q->n == q->wanted)
			continue;
		q->answers[q->n++] = evt->guard_answer;
		if (q->n == q->wanted)
			finish(q);
		return;
	}
}

void sl_warden_query_tick(struct sl_warden *w, int64_t now_ms)
{
	for (unsigned i = 0; i < SL_WARDEN_QUERIES; i++) {
		if (w->queries[i].seq && now_ms >= w->queries[i].deadline_ms)
			finish(&w->queries[i]);
	}
}

void sl_warden_query_close(struct sl_warden *w)
{
	for (unsigned i = 0; i < SL_WARDEN_QUERIES; i++) {
		if (w->queries[i].seq)
			finish(&w->queries[i]);
	}
}

size_t sl_warden_overs(const struct sl_warden *w, struct sl_warden_over *out, size_t n)
{
	return sl_watch_list(&w->watch, out, n, w->now_ms);
}

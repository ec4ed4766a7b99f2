/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The guard's part of the link: the warden's commands among the others, its lists over the socket, what workers tell it. What it says is
 * kept and replayed by the warden; here nothing is remembered but what is under way. */

#include "controlplane/dp/internal.h"

#include <errno.h>

void sl_dp_set_guard(struct sl_dp *dp, const struct sl_dp_guard_ops *ops, void *ctx)
{
	dp->guard.on = ops != NULL;
	dp->guard.ctx = ctx;
	if (!ops)
		return;
	dp->guard.ops = *ops;
	if (dp->attached)
		ops->attached(ctx, dp->client.n_workers);
}

static void answered(void *ctx, int error, const char *text)
{
	struct sl_dp_guard_flight *f = ctx;
	struct sl_dp_guard_flight copy = *f;

	f->busy = false;
	f->dp->guard.n_flights--;
	if (copy.done)
		copy.done(copy.ctx, error, text);
}

int sl_dp_guard_send(struct sl_dp *dp, struct sl_command *cmd, sl_dp_done done, void *ctx)
{
	struct sl_dp_guard *g = &dp->guard;
	struct sl_dp_guard_flight *f = g->flights;

	if (!dp->attached)
		return -ENOTCONN;
	if (g->n_flights == SL_DP_GUARD_IN_FLIGHT)
		return -ENOBUFS;
	while (f->busy)
		f++;
	int rc = sl_dp_send(dp, cmd, answered, f);
	if (rc < 0)
		return rc;
	*f = (struct sl_dp_guard_flight){.dp = dp, .busy = true, .done = done, .ctx = ctx};
	g->n_flights++;
	return 0;
}

int sl_dp_guard_list(struct sl_dp *dp, int memfd, sl_dp_done done, void *ctx)
{
	struct sl_dp_guard *g = &dp->guard;

	if (!dp->attached)
		return -ENOTCONN;
	if (g->list_seq)
		return -ENOBUFS;
	g->list_last = g->list_last < SL_GUARD_ACK_MASK ? g->list_last + 1 : 1;
	int rc = sl_client_guard_list(&dp->client, g->list_last, memfd);
	if (rc < 0)
		return rc == -EAGAIN ? -ENOBUFS : rc;
	g->list_seq = g->list_last;
	g->list_done = done;
	g->list_ctx = ctx;
	return 0;
}

static void list_answered(struct sl_dp *dp, int error, const char *text)
{
	sl_dp_done done = dp->guard.list_done;

	dp->guard.list_seq = 0;
	dp->guard.list_done = NULL;
	if (done)
		done(dp->guard.list_ctx, error, text);
}

/* ---- for the link ---- */

void sl_dp_guard_attached(struct sl_dp *dp)
{
	if (dp->guard.on)
		dp->guard.ops.attached(dp->guard.ctx, dp->client.n_workers);
}

/* Commands under way were answered by the link before. */
void sl_dp_guard_detached(struct sl_dp *dp)
{
	if (dp->guard.list_seq)
		list_answered(dp, -ENOTCONN, "the dataplane went away");
	if (dp->guard.on)
		dp->guard.ops.detached(dp->guard.ctx);
}

bool sl_dp_guard_is_for(const struct sl_event *evt)
{
	return evt->h.type == SL_EVT_GUARD_SOURCE || evt->h.type == SL_EVT_GUARD_SIGNALS || evt->h.type == SL_EVT_GUARD_ANSWER;
}

bool sl_dp_guard_event(struct sl_dp *dp, unsigned worker, const struct sl_event *evt)
{
	unsigned said = evt->h.type == SL_EVT_GUARD_SOURCE ? evt->guard_source.worker
		: evt->h.type == SL_EVT_GUARD_SIGNALS      ? evt->guard_signals.worker
							    : evt->guard_answer.worker;

	if (said != worker)
		return false;
	if (dp->guard.on)
		dp->guard.ops.event(dp->guard.ctx, worker, evt);
	return true;
}

bool sl_dp_guard_list_ack(struct sl_dp *dp, const struct sl_event *evt)
{
	if (dp->guard.list_seq == 0 || (evt->h.seq & SL_GUARD_ACK_MASK) != dp->guard.list_seq)
		return false;
	list_answered(dp, evt->ack.error, evt->ack.text);
	return true;
}

void sl_dp_guard_pump(struct sl_dp *dp)
{
	if (dp->guard.on)
		dp->guard.ops.room(dp->guard.ctx);
}

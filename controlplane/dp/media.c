/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/dp/internal.h"

#include "dataplane/abi/log.h"
#include "dataplane/abi/validate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/crypto.h>

/* ---- what waits ---- */

static void queue_init(struct sl_dp_queue *q)
{
	*q = (struct sl_dp_queue){.last = &q->first};
}

static void free_pending(struct sl_dp_pending *p)
{
	OPENSSL_cleanse(p, sizeof *p); /* keys */
	free(p);
}

static void drop_waiting(struct sl_dp *dp)
{
	for (unsigned w = 0; w < SL_MAX_WORKERS; w++) {
		struct sl_dp_queue *q = &dp->media.queues[w];
		while (q->first) {
			struct sl_dp_pending *p = q->first;
			q->first = p->next;
			free_pending(p);
		}
		queue_init(q);
	}
	dp->media.n_waiting = 0;
	dp->media.overrun = false;
	while (dp->media.first_clip) {
		struct sl_dp_clip_offer *c = dp->media.first_clip;
		dp->media.first_clip = c->next;
		if (c->memfd >= 0)
			close(c->memfd);
		free(c);
	}
	dp->media.last_clip = &dp->media.first_clip;
}

/* Move what waits for one worker into its ring, as far as it goes. */
static int pump_worker(struct sl_dp *dp, unsigned worker)
{
	struct sl_dp_queue *q = &dp->media.queues[worker];

	while (q->first) {
		struct sl_dp_pending *p = q->first;
		int rc = sl_client_send(&dp->client, 1 + worker, &p->cmd);
		if (rc == -ENOBUFS)
			return 0;
		if (rc < 0)
			return rc;
		q->first = p->next;
		if (!q->first)
			q->last = &q->first;
		q->n--;
		dp->media.n_waiting--;
		dp->media.moved_ms = dp->now_ms;
		dp->counts.commands++;
		free_pending(p);
	}
	return 0;
}

static int pump_clips(struct sl_dp *dp)
{
	while (dp->media.first_clip) {
		struct sl_dp_clip_offer *c = dp->media.first_clip;
		int rc = sl_client_clip(&dp->client, c->clip, c->memfd);
		if (rc == -EAGAIN)
			return 0;
		if (rc < 0)
			return rc;
		dp->media.first_clip = c->next;
		if (!dp->media.first_clip)
			dp->media.last_clip = &dp->media.first_clip;
		if (c->memfd >= 0)
			close(c->memfd);
		free(c);
	}
	return 0;
}

void sl_dp_media_pump(struct sl_dp *dp)
{
	bool waited = dp->media.n_waiting;
	int rc = dp->media.on ? pump_clips(dp) : 0;

	for (unsigned w = 0; rc == 0 && waited && w < dp->client.n_workers; w++)
		rc = pump_worker(dp, w);
	if (rc < 0)
		sl_dp_detach(dp, rc == -ESTALE ? "it was restarted or cut us off"
		                               : "its ring indices are out of range");
	else if (dp->media.on && dp->media.n_waiting == 0)
		dp->media.ops.drained(dp->media.ctx);
}

bool sl_dp_media_is_eager(const struct sl_dp *dp)
{
	return dp->media.n_waiting && dp->now_ms - dp->media.moved_ms < SL_DP_EAGER_MS;
}

/* ---- for the engine ---- */

void sl_dp_set_media(struct sl_dp *dp, const struct sl_dp_media_ops *ops, void *ctx)
{
	dp->media.on = ops != NULL;
	dp->media.ctx = ctx;
	if (!ops)
		return;
	dp->media.ops = *ops;
	if (dp->attached)
		ops->attached(ctx, dp->client.slot, dp->client.n_workers);
}

static int enqueue(struct sl_dp *dp, unsigned worker, const struct sl_command *cmd)
{
	struct sl_dp_queue *q = &dp->media.queues[worker];
	struct sl_dp_pending *p = malloc(sizeof *p);

	if (!p)
		return -ENOMEM;
	p->cmd = *cmd;
	p->next = NULL;
	*q->last = p;
	q->last = &p->next;
	q->n++;
	if (dp->media.n_waiting++ == 0)
		dp->media.moved_ms = dp->now_ms;
	return 0;
}

int sl_dp_worker_send(struct sl_dp *dp, unsigned worker, const struct sl_command *cmd)
{
	if (!dp->attached)
		return -ENOTCONN;
	if (worker >= dp->client.n_workers)
		return -EINVAL;
	if (dp->media.queues[worker].n == 0) {
		int rc = sl_client_send(&dp->client, 1 + worker, cmd);
		if (rc == 0)
			dp->counts.commands++;
		/* The others are the end of this attachment: the next turn finds out, and what was said is
		 * replayed. */
		if (rc != -ENOBUFS)
			return rc == 0 ? 0 : -ENOTCONN;
	}
	if (dp->media.queues[worker].n >= SL_DP_WORKER_QUEUE_MAX) {
		dp->media.overrun = true;
		return -ENOTCONN;
	}
	return enqueue(dp, worker, cmd);
}

size_t sl_dp_worker_waiting(const struct sl_dp *dp)
{
	return dp->media.n_waiting;
}

int sl_dp_clip(struct sl_dp *dp, uint32_t clip, int memfd)
{
	if (!dp->attached)
		return -ENOTCONN;

	struct sl_dp_clip_offer *c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->clip = clip;
	c->memfd = memfd < 0 ? -1 : fcntl(memfd, F_DUPFD_CLOEXEC, 0);
	if (memfd >= 0 && c->memfd < 0) {
		free(c);
		return -ENOMEM;
	}
	*dp->media.last_clip = c;
	dp->media.last_clip = &c->next;
	return 0;
}

/* ---- for the link ---- */

void sl_dp_media_init(struct sl_dp *dp)
{
	for (unsigned w = 0; w < SL_MAX_WORKERS; w++)
		queue_init(&dp->media.queues[w]);
	dp->media.last_clip = &dp->media.first_clip;
}

void sl_dp_media_attached(struct sl_dp *dp)
{
	drop_waiting(dp);
	if (dp->media.on)
		dp->media.ops.attached(dp->media.ctx, dp->client.slot, dp->client.n_workers);
}

void sl_dp_media_detached(struct sl_dp *dp)
{
	drop_waiting(dp);
	if (dp->media.on)
		dp->media.ops.detached(dp->media.ctx);
}

bool sl_dp_media_is_for(const struct sl_event *evt)
{
	if (evt->h.type == SL_EVT_LIST_END || evt->h.type == SL_EVT_ACK)
		return evt->h.seq & (uint32_t)SL_DP_MEDIA_SEQ;
	return evt->h.type == SL_EVT_LEG;
}

bool sl_dp_media_event(struct sl_dp *dp, unsigned worker, const struct sl_event *evt)
{
	if (evt->h.type == SL_EVT_LEG &&
	        (evt->leg.worker != worker ||
	                sl_media_port_worker(evt->leg.leg.port, dp->client.n_workers) != worker))
		return false;
	if (dp->media.on)
		dp->media.ops.event(dp->media.ctx, worker, evt);
	return true;
}

void sl_dp_media_clip_ack(struct sl_dp *dp, const struct sl_event *evt)
{
	if (dp->media.on)
		dp->media.ops.clip(
		        dp->media.ctx, evt->h.seq & SL_CLIP_ACK_MASK, evt->ack.error, evt->ack.text);
}

int sl_dp_media_bulk(struct sl_dp *dp)
{
	static struct sl_bulk b; /* the brain's thread only */
	int n = 0, rc = 0;
	char text[80];

	if (!dp->media.on && !dp->guard.on)
		return 0;
	for (unsigned w = 0; w < dp->client.n_workers && dp->attached; w++) {
		for (unsigned i = 0;
		        i < SL_DP_BULK_PER_TURN && (rc = sl_client_receive_bulk(&dp->client, w, &b)) == 1;
		        i++) {
			n++;
			if (sl_bulk_validate(&b, text, sizeof text) < 0)
				dp->counts.events_bad++;
			else if (b.kind == SL_BULK_GUARD) {
				if (dp->guard.on)
					dp->guard.ops.bulk(dp->guard.ctx, w, &b);
			} else if (dp->media.on) {
				dp->media.ops.bulk(dp->media.ctx, w, &b);
			}
		}
		if (rc < 0)
			return rc;
	}
	return n;
}

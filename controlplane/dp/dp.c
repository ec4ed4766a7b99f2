/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/dp/internal.h"

#include "dataplane/abi/log.h"
#include "dataplane/abi/validate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/crypto.h>

struct sl_dp *sl_dp_new(const char *path, const char *name, const struct sl_dp_ops *ops)
{
	struct sl_dp *dp = calloc(1, sizeof *dp);

	if (!dp)
		return NULL;
	snprintf(dp->path, sizeof dp->path, "%s", path);
	snprintf(dp->name, sizeof dp->name, "%s", name);
	dp->ops = *ops;
	dp->last = &dp->first;
	sl_dp_media_init(dp);
	return dp;
}

void sl_dp_free(struct sl_dp *dp)
{
	if (!dp)
		return;
	if (dp->attached)
		sl_dp_detach(dp, "the control plane stops");
	sl_turn_plan_unref(dp->plan);
	free(dp);
}

/* ---- attaching ---- */

static void try_attach(struct sl_dp *dp, int64_t now_ms)
{
	char text[160] = "";

	dp->next_attach_ms = now_ms + SL_DP_ATTACH_MS;
	/* The dataplane answers within a millisecond or two; a brain that waits longer for a stuck one serves
	 * nobody. */
	int rc = sl_client_attach(&dp->client, dp->path, dp->name, 50, text, sizeof text);
	/* A dataplane that dies may leave one attempt unanswered, and media waits for the next. One that hangs is not to be waited
	 * for most of the time. */
	dp->hung = rc == -ETIMEDOUT ? dp->hung + 1 : 0;
	if (dp->hung > SL_DP_ATTACH_PATIENCE)
		dp->next_attach_ms = now_ms + 20 * SL_DP_ATTACH_MS;
	if (rc < 0) {
		if (!dp->quiet)
			sl_log(SL_LOG_WARNING, "no dataplane yet: %s; trying every %d ms", text,
			        SL_DP_ATTACH_MS);
		dp->quiet = true;
		snprintf(dp->trouble, sizeof dp->trouble, "not attached to the dataplane: %s", text);
		return;
	}
	dp->quiet = false;
	dp->attached = true;
	dp->counts.attachments++;
	sl_log(SL_LOG_INFO, "attached to the dataplane: generation %u, %u workers, slot %u",
	        dp->client.generation, dp->client.n_workers, dp->client.slot);
	dp->ops.watch(dp->ops.ctx, dp->client.sock, dp->client.event_fd);
	sl_dp_sync_begin(dp, now_ms);
	sl_dp_media_attached(dp);
	sl_dp_guard_attached(dp);
	/* What this very dataplane refused it would refuse again: a reload may bring something better. */
	if (dp->refused_generation != dp->client.generation)
		sl_dp_replay_now(dp);
}

static void answer(struct sl_dp_flight *f, int error, const char *text)
{
	struct sl_dp_flight copy = *f;

	f->seq = 0; /* first: what is told may send again */
	if (copy.done)
		copy.done(copy.ctx, error, text);
}

static void drop_changes(struct sl_dp *dp)
{
	while (dp->first) {
		struct sl_dp_change *c = dp->first;
		dp->first = c->next;
		if (c->done)
			c->done(c->ctx, -ENOTCONN, "the dataplane went away");
		free(c);
	}
	dp->last = &dp->first;
	dp->n_changes = 0;
}

void sl_dp_detach(struct sl_dp *dp, const char *why)
{
	sl_log(SL_LOG_WARNING, "detached from the dataplane: %s", why);
	if (!dp->refused_generation)
		snprintf(dp->trouble, sizeof dp->trouble, "not attached to the dataplane: %s", why);
	dp->attached = false;
	dp->standby = false;
	dp->next_replay_ms = 0;
	sl_turn_plan_unref(dp->plan);
	dp->plan = NULL;
	dp->ops.watch(dp->ops.ctx, -1, -1);
	sl_client_detach(&dp->client);
	sl_dp_replay_abandon(dp, -ENOTCONN, "the dataplane went away");
	for (unsigned i = 0; i < SL_DP_IN_FLIGHT; i++) {
		if (dp->flights[i].seq)
			answer(&dp->flights[i], -ENOTCONN, "the dataplane went away");
	}
	dp->n_flights = 0;
	drop_changes(dp);
	sl_dp_sync_end(dp);
	sl_dp_media_detached(dp);
	sl_dp_guard_detached(dp);
}

/* ---- commands ---- */

int sl_dp_send(struct sl_dp *dp, struct sl_command *cmd, sl_dp_done done, void *ctx)
{
	uint32_t seq = dp->seq + 1 < SL_CLIP_ACK_SEQ ? dp->seq + 1 : 1;
	struct sl_dp_flight *f = &dp->flights[seq % SL_DP_IN_FLIGHT];

	if (!dp->attached)
		return -ENOTCONN;
	if (f->seq)
		return -ENOBUFS;
	cmd->h.seq = seq;
	int rc = sl_client_send(&dp->client, 0, cmd);
	if (rc < 0)
		return rc;
	dp->seq = seq;
	*f = (struct sl_dp_flight){seq, done, ctx};
	dp->n_flights++;
	dp->counts.commands++;
	return 0;
}

/* Where a command names a realm; NULL = it names none. */
static uint16_t *realm_of(struct sl_command *c)
{
	switch (c->h.type) {
	case SL_CMD_USER_SET:
	case SL_CMD_USER_DELETE:
		return &c->user.realm;
	case SL_CMD_RESTRICTED:
		return &c->restricted.realm;
	default:
		return NULL;
	}
}

/* 0; -ENOENT: its realm is none; -EAGAIN: the dataplane has taken no realms of ours yet. */
static int resolve(const struct sl_dp *dp, struct sl_dp_change *c)
{
	uint16_t *realm = realm_of(&c->cmd);

	if (!c->realm[0] || !realm)
		return 0;
	if (!dp->plan)
		return -EAGAIN;
	int index = sl_turn_plan_realm(dp->plan, c->realm);
	if (index < 0)
		return -ENOENT;
	*realm = (uint16_t)index;
	return 0;
}

static void first_change_ends(struct sl_dp *dp)
{
	struct sl_dp_change *c = dp->first;

	dp->first = c->next;
	if (!dp->first)
		dp->last = &dp->first;
	dp->n_changes--;
	OPENSSL_cleanse(c, sizeof *c);
	free(c);
}

static void pump(struct sl_dp *dp)
{
	if (dp->attached)
		sl_dp_media_pump(dp);
	if (dp->attached && dp->replay.phase != PHASE_NONE)
		sl_dp_replay_pump(dp);
	while (dp->attached && dp->replay.phase == PHASE_NONE && dp->first) {
		struct sl_dp_change *c = dp->first;
		sl_dp_done done = c->done;
		void *ctx = c->ctx;
		int rc = resolve(dp, c);
		if (rc == 0 && sl_dp_send(dp, &c->cmd, done, ctx) < 0)
			break;
		first_change_ends(dp);
		if (rc < 0 && done)
			done(ctx, rc, rc == -ENOENT ? "realm: there is none of that name" : "the dataplane is not provisioned");
	}
	if (dp->attached)
		sl_dp_guard_pump(dp);
}

int sl_dp_change(struct sl_dp *dp, const struct sl_command *cmd, const char *realm, sl_dp_done done, void *ctx)
{
	if (!dp->attached)
		return -ENOTCONN;
	if (dp->standby)
		return -EBUSY;
	if (dp->n_changes >= SL_DP_QUEUE_MAX)
		return -ENOBUFS;

	struct sl_dp_change *c = calloc(1, sizeof *c);
	if (!c)
		return -ENOMEM;
	c->cmd = *cmd;
	if (realm)
		strncpy(c->realm, realm, sizeof c->realm - 1);
	c->done = done;
	c->ctx = ctx;
	*dp->last = c;
	dp->last = &c->next;
	dp->n_changes++;
	pump(dp);
	return 0;
}

int sl_dp_user(struct sl_dp *dp, uint32_t type, const struct sl_user *u, sl_dp_done done, void *ctx)
{
	struct sl_command cmd = {.h = {.type = type}};

	sl_user_command(u, 0, &cmd.user);
	int rc = sl_dp_change(dp, &cmd, u->realm, done, ctx);
	OPENSSL_cleanse(&cmd, sizeof cmd);
	return rc;
}

unsigned sl_dp_room(const struct sl_dp *dp)
{
	return SL_DP_QUEUE_MAX - dp->n_changes;
}

const struct sl_turn_plan *sl_dp_plan(const struct sl_dp *dp)
{
	return dp->plan;
}

void sl_dp_set_turn(struct sl_dp *dp, const struct sl_dp_turn_ops *ops, void *ctx)
{
	dp->turn = *ops;
	dp->turn_ctx = ctx;
}

/* ---- events ---- */

/* A client that writes where it should not could send any number: the log gets the first, then fewer and fewer. */
static void bad_event(struct sl_dp *dp, unsigned set, const struct sl_event *evt, const char *why)
{
	uint64_t n = ++dp->counts.events_bad;

	if ((n & (n - 1)) == 0)
		sl_log(SL_LOG_WARNING, "bad event %" PRIu64 " from the dataplane (type %u, ring set %u): %s", n,
		        evt->h.type, set, why);
}

static void take_ack(struct sl_dp *dp, unsigned set, const struct sl_event *evt)
{
	if (evt->h.seq & SL_GUARD_ACK_SEQ) {
		if (!sl_dp_guard_list_ack(dp, evt))
			bad_event(dp, set, evt, "seq: no list of that number was offered");
		return;
	}
	if (evt->h.seq & SL_CLIP_ACK_SEQ) {
		sl_dp_media_clip_ack(dp, evt);
		return;
	}
	struct sl_dp_flight *f = &dp->flights[evt->h.seq % SL_DP_IN_FLIGHT];

	if (evt->h.seq == 0 || f->seq != evt->h.seq) {
		bad_event(dp, set, evt, "seq: nothing of that number was asked");
		return;
	}
	dp->n_flights--;
	if (evt->ack.error)
		dp->counts.command_errors++;
	answer(f, evt->ack.error, evt->ack.text);
}

/* A worker answers commands only when it refuses them. What media sent is media's; of the rest nobody waits. */
static void take_worker_event(struct sl_dp *dp, unsigned set, const struct sl_event *evt, int64_t now_ms)
{
	if (evt->h.type == SL_EVT_LOG) {
		bad_event(dp, set, evt, "type: not sent by this end");
	} else if (sl_dp_media_is_for(evt)) {
		dp->counts.command_errors += evt->h.type == SL_EVT_ACK;
		if (!sl_dp_media_event(dp, set - 1, evt))
			bad_event(dp, set, evt, "worker: not the leg's own");
	} else if (sl_dp_guard_is_for(evt)) {
		if (!sl_dp_guard_event(dp, set - 1, evt))
			bad_event(dp, set, evt, "worker: not the one that told");
	} else if (evt->h.type == SL_EVT_TURN_QUOTA) {
		if (evt->turn_quota.worker != set - 1)
			bad_event(dp, set, evt, "worker: not the one that told");
		else if (dp->turn.quota)
			dp->turn.quota(dp->turn_ctx, &evt->turn_quota);
	} else if (evt->h.type == SL_EVT_ACK) {
		dp->counts.command_errors++;
		sl_log(SL_LOG_DEBUG, "worker %u refused a command: %s", set - 1, evt->ack.text);
	} else if (!sl_dp_sync_event(dp, set - 1, evt, now_ms)) {
		bad_event(dp, set, evt, "worker: not the allocation's own");
	}
}

static void take_event(struct sl_dp *dp, unsigned set, const struct sl_event *evt, int64_t now_ms)
{
	char text[80] = "";

	dp->counts.events++;
	if (sl_event_validate(evt, text, sizeof text) < 0)
		bad_event(dp, set, evt, text);
	else if (set != 0)
		take_worker_event(dp, set, evt, now_ms);
	else if (evt->h.type == SL_EVT_ACK)
		take_ack(dp, set, evt);
	else if (evt->h.type == SL_EVT_LOG)
		sl_log((int)evt->log.severity, "dataplane: %s", evt->log.text);
	else
		bad_event(dp, set, evt, "type: not sent by this end");
}

static bool went_away(struct sl_dp *dp)
{
	char byte;
	ssize_t n = recv(dp->client.sock, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		sl_dp_detach(dp, "it closed the connection");
		return true;
	}
	if (atomic_load_explicit(&dp->client.region->generation, memory_order_acquire) !=
	        dp->client.generation) {
		sl_dp_detach(dp, "its generation changed");
		return true;
	}
	return false;
}

/* Come back at once: more waits than one turn shall take from the others of the loop. */
static void kick(struct sl_dp *dp)
{
	const uint64_t one = 1;

	if (write(dp->client.event_fd, &one, sizeof one) < 0)
		sl_log(SL_LOG_ERROR, "eventfd: %s", strerror(errno));
}

void sl_dp_readable(struct sl_dp *dp, int64_t now_ms)
{
	struct sl_event evt;
	uint64_t kicks;
	unsigned set;
	int rc = 0, n = 0;

	dp->now_ms = now_ms;
	if (!dp->attached)
		return;
	if (read(dp->client.event_fd, &kicks, sizeof kicks) < 0)
		kicks = 0;
	while (dp->attached && n < SL_DP_EVENTS_PER_TURN &&
	        (rc = sl_client_receive(&dp->client, &evt, &set)) == 1) {
		take_event(dp, set, &evt, now_ms);
		n++;
	}
	if (dp->attached && rc < 0) {
		sl_dp_detach(dp, "its ring indices are out of range");
		return;
	}
	if (!dp->attached || went_away(dp))
		return;
	rc = sl_dp_media_bulk(dp);
	if (rc < 0) {
		sl_dp_detach(dp, "its bulk ring's indices are out of range");
		return;
	}
	pump(dp);
	if (dp->attached && (n == SL_DP_EVENTS_PER_TURN || rc >= SL_DP_BULK_PER_TURN || sl_dp_media_is_eager(dp)))
		kick(dp);
}

void sl_dp_tick(struct sl_dp *dp, int64_t now_ms)
{
	dp->now_ms = now_ms;
	if (!dp->attached && now_ms >= dp->next_attach_ms)
		try_attach(dp, now_ms);
	if (!dp->attached || went_away(dp))
		return;
	if (dp->media.overrun) {
		sl_dp_detach(dp, "a worker takes no commands");
		return;
	}
	sl_dp_sync_tick(dp, now_ms);
	sl_dp_replay_tick(dp);
	pump(dp);
	if (dp->attached && sl_dp_media_is_eager(dp))
		kick(dp);
}

/* ---- looking ---- */

enum sl_dp_state sl_dp_state(const struct sl_dp *dp)
{
	if (!dp->attached)
		return SL_DP_AWAY;
	if (dp->standby)
		return SL_DP_STANDBY;
	if (dp->replay.phase != PHASE_NONE)
		return SL_DP_REPLAYING;
	return dp->refused_generation ? SL_DP_REFUSED : SL_DP_STEADY;
}

const struct sl_region *sl_dp_region(const struct sl_dp *dp)
{
	return dp->attached ? dp->client.region : NULL;
}

unsigned sl_dp_n_workers(const struct sl_dp *dp)
{
	return dp->attached ? dp->client.n_workers : 0;
}

const struct sl_table *sl_dp_table(const struct sl_dp *dp)
{
	return &dp->table;
}

const struct sl_dp_counts *sl_dp_counts(const struct sl_dp *dp)
{
	return &dp->counts;
}

const char *sl_dp_trouble(const struct sl_dp *dp, int64_t now_ms)
{
	static char text[80]; /* the brain's thread only */

	if (!dp->attached || dp->refused_generation)
		return dp->trouble[0] ? dp->trouble : "not attached to the dataplane yet";
	int64_t age_ms = now_ms - (int64_t)atomic_load_explicit(
	                                  &dp->client.region->heartbeat_ms, memory_order_relaxed);
	if (age_ms > SL_DP_STALE_MS) {
		snprintf(text, sizeof text, "the dataplane's heartbeat is %lld ms old", (long long)age_ms);
		return text;
	}
	if (!atomic_load_explicit(&dp->client.region->ready, memory_order_relaxed))
		return "the dataplane's workers do not run yet";
	if (dp->standby)
		return NULL;
	if (dp->replay.phase != PHASE_NONE || dp->next_replay_ms || dp->counts.replays == 0)
		return "provisioning the dataplane";
	return NULL;
}

const char *sl_dp_standby(const struct sl_dp *dp)
{
	return dp->attached && dp->standby ? dp->trouble : NULL;
}

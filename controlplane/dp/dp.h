/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The brain's link to the dataplane: attaches and attaches again, replays the desired state, carries commands
 * with their answers, follows allocations. Owner of everything here: the brain's thread; nothing blocks it.
 *
 * Flow control: at most SL_DP_IN_FLIGHT commands are unanswered, fewer than the ring holds, so the
 * housekeeper's answers always fit too. What cannot go now goes when answers come or at the next tick. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/dp/plan.h"
#include "controlplane/dp/table.h"
#include "controlplane/dp/users.h"
#include "dataplane/abi/region.h"

enum {
	SL_DP_IN_FLIGHT = 512,   /* a power of two below SL_COMMAND_SLOTS */
	SL_DP_GUARD_IN_FLIGHT = 128, /* of these, the guard's */
	SL_DP_QUEUE_MAX = 4096,  /* changes waiting for a replay to end */
	SL_DP_WAITING_MAX = 256, /* deletions and listings somebody waits for */
	SL_DP_ATTACH_MS = 100,   /* between attempts */
	SL_DP_ATTACH_PATIENCE = 5, /* attempts that may hang before there are fewer of them */
	SL_DP_STALE_MS = 300,    /* heartbeat older than this: the dataplane does not move */
	SL_DP_EVENTS_PER_TURN = 512,
	SL_DP_DELETE_MS = 1000, /* until a deletion unconfirmed is reported so */
	SL_DP_LIST_MS = 500,
	SL_DP_RETRY_MS = 1000,  /* until what could not be provisioned is tried again */
	SL_DP_SILENT_MS = 5000, /* a reload is given up when the dataplane answers nothing for so long */
	SL_DP_WORKER_QUEUE_MAX = 65536, /* commands that wait for a worker's ring: more, and it is given up */
	SL_DP_EAGER_MS = 20,    /* a full ring is looked at again at once while it moved so lately */
	SL_DP_BULK_PER_TURN = 256,
	SL_DP_ALLOCATIONS_MAX = 4 * 1024 * 1024, /* more than any dataplane has: what exceeds it is not true */
};

struct sl_dp;

/* Outcome of something asked: error is 0 or negative errno, text says more (never NULL). */
typedef void (*sl_dp_done)(void *ctx, int error, const char *text);

/* What the dataplane shall have; owned by whoever is given it. users: an array of n references, all of realms of the plan, best sorted by
 * realm. */
struct sl_desired {
	struct sl_turn_plan *plan;
	bool keep_users; /* the users of the plan before stay; n_users is 0 */
	struct sl_user **users;
	size_t n_users;
};
void sl_desired_clear(struct sl_desired *d);

struct sl_dp_ops {
	/* Fill *out with the desired state: it is about to be replayed. 0, or negative errno: -EAGAIN when it is not known yet, -ENOMEM;
	 * asked again later. */
	int (*desired)(void *ctx, struct sl_desired *out);
	/* Attached or not any more: the descriptors to watch have changed (-1 = none). */
	void (*watch)(void *ctx, int sock, int event_fd);
	void *ctx;
};

enum sl_dp_state {
	SL_DP_AWAY,
	SL_DP_REPLAYING,
	SL_DP_STEADY,
	SL_DP_REFUSED, /* attached, but refused what we want */
	SL_DP_STANDBY, /* attached, but another control plane provisions TURN: ours is tried every second */
};

/* path and name are copied. NULL when memory is short. */
struct sl_dp *sl_dp_new(const char *path, const char *name, const struct sl_dp_ops *ops);
void sl_dp_free(struct sl_dp *dp);

/* Call every ~50 ms and when a watched descriptor is readable. now_ms: CLOCK_MONOTONIC. */
void sl_dp_tick(struct sl_dp *dp, int64_t now_ms);
void sl_dp_readable(struct sl_dp *dp, int64_t now_ms);

/* Replay this desired state (taken over) instead of the one before. 0; or -EBUSY while another replay runs, -ENOTCONN
 * when there is nobody to replay it to now (away, standby), -ESTALE when users cannot be kept (it has none of ours, or realms are others):
 * then the caller still owns it, and done is not called.
 * done: 0, -EINVAL and the like when the dataplane refused it, -EBUSY and -ETIMEDOUT when it did not take place,
 * -ENOTCONN when the dataplane went away. */
int sl_dp_replay(struct sl_dp *dp, struct sl_desired *desired, sl_dp_done done, void *ctx);
/* The desired state asked for by ops->desired is known now. */
void sl_dp_replay_now(struct sl_dp *dp);
/* True while a replay is under way: another would be refused. */
bool sl_dp_replaying(const struct sl_dp *dp);

/* Set or delete one user, after any replay under way. 0; -ENOTCONN, -EBUSY in standby (nothing to do: the next replay
 * has it); -ENOBUFS, -ENOMEM (try again). done is told -ENOENT when its realm is none by then. */
int sl_dp_user(struct sl_dp *dp, uint32_t type, const struct sl_user *u, sl_dp_done done, void *ctx);
/* The same for ALTERNATE, RESTRICTED, TURN_DRAIN. realm: what cmd's index shall be of (NULL = cmd says it). done may be NULL. */
int sl_dp_change(struct sl_dp *dp, const struct sl_command *cmd, const char *realm, sl_dp_done done, void *ctx);
/* How many changes find room now. */
unsigned sl_dp_room(const struct sl_dp *dp);
/* The plan that the dataplane last took; NULL = none yet. */
const struct sl_turn_plan *sl_dp_plan(const struct sl_dp *dp);

/* ---- what workers tell of TURN ---- */

/* Called by the link; NULL = nobody listens. The brain's thread. */
struct sl_dp_turn_ops {
	/* Each EVENT_ALLOCATION, before the table has it; known: as the table has it until now, or NULL. */
	void (*allocation)(void *ctx, const struct sl_evt_allocation *a, const struct sl_allocation *known);
	/* A listing had it no more: it ended, and its end was not told. */
	void (*vanished)(void *ctx, const struct sl_allocation *last);
	/* Every worker has told all of its allocations: those not in the table are none. */
	void (*listed)(void *ctx);
	void (*detached)(void *ctx); /* the table is about to be emptied; allocations go on */
	void (*quota)(void *ctx, const struct sl_evt_turn_quota *e);
};
void sl_dp_set_turn(struct sl_dp *dp, const struct sl_dp_turn_ops *ops, void *ctx);

/* Delete an allocation: done with 0 once its end is reported, -ETIMEDOUT when no word came. 0, -ENOENT,
 * -ENOTCONN, -ENOBUFS. */
int sl_dp_delete_allocation(struct sl_dp *dp, uint64_t id, int64_t now_ms, sl_dp_done done, void *ctx);
/* Ask every worker for its allocations, so that the table's byte counts are fresh; done when all have told,
 * or with -ETIMEDOUT. Results as above. */
int sl_dp_refresh(struct sl_dp *dp, int64_t now_ms, sl_dp_done done, void *ctx);

enum sl_dp_state sl_dp_state(const struct sl_dp *dp);
/* The region while attached, else NULL. Counters are read with relaxed loads; texts may be garbage. */
const struct sl_region *sl_dp_region(const struct sl_dp *dp);
unsigned sl_dp_n_workers(const struct sl_dp *dp);
const struct sl_table *sl_dp_table(const struct sl_dp *dp);
/* Why not all is well, in words; NULL when it is: attached, provisioned (by us, or by the one we stand by for),
 * heartbeat fresh. */
const char *sl_dp_trouble(const struct sl_dp *dp, int64_t now_ms);
/* Who provisions TURN instead of us, in words; NULL unless SL_DP_STANDBY. */
const char *sl_dp_standby(const struct sl_dp *dp);

/* ---- media: legs are commanded whoever provisions TURN ---- */

/* seq of commands to workers: this bit is media's, so that answers find their way. The rest is the sender's. */
enum { SL_DP_MEDIA_SEQ = INT32_MIN };

/* Called by the link; all must be set. The brain's thread. */
struct sl_dp_media_ops {
	/* Attached: whatever is there of this client's legs is to be brought to what shall be, and swept. */
	void (*attached)(void *ctx, unsigned slot, unsigned n_workers);
	void (*detached)(void *ctx);
	/* LEG of any change; LIST_END and ACK (a refusal) with a seq of media's. Valid by itself, from that worker. */
	void (*event)(void *ctx, unsigned worker, const struct sl_event *evt);
	/* Everything queued for the workers is on its way: what was held back may follow. */
	void (*drained)(void *ctx);
	/* A copied packet; valid by itself. */
	void (*bulk)(void *ctx, unsigned worker, const struct sl_bulk *b);
	/* A clip was taken (error 0) or refused. */
	void (*clip)(void *ctx, uint32_t clip, int error, const char *text);
};
/* ctx NULL with ops NULL: nobody any more. When attached already, ops->attached is called at once. */
void sl_dp_set_media(struct sl_dp *dp, const struct sl_dp_media_ops *ops, void *ctx);

/* Give a worker a command (copied), after all those given before. While attached nothing is lost: what its ring does not
 * take waits. 0; -ENOTCONN, -EINVAL (no such worker), -ENOMEM. */
int sl_dp_worker_send(struct sl_dp *dp, unsigned worker, const struct sl_command *cmd);
/* Commands that wait for a ring, all workers. */
size_t sl_dp_worker_waiting(const struct sl_dp *dp);
/* Register (memfd stays the caller's) or remove (-1) a clip; tried again until the dataplane's socket takes it.
 * 0, -ENOTCONN, -ENOMEM. Forgotten when the dataplane goes away. */
int sl_dp_clip(struct sl_dp *dp, uint32_t clip, int memfd);

/* ---- the guard: lists, bans, marks and what workers see ---- */

/* Called by the link; all must be set. The brain's thread. */
struct sl_dp_guard_ops {
	/* Attached: what is in force there is not known; tell everything. */
	void (*attached)(void *ctx, unsigned n_workers);
	void (*detached)(void *ctx);
	/* GUARD_SOURCE, GUARD_SIGNALS, GUARD_ANSWER; valid by itself, from that worker. */
	void (*event)(void *ctx, unsigned worker, const struct sl_event *evt);
	/* A frame that was dropped; valid by itself. */
	void (*bulk)(void *ctx, unsigned worker, const struct sl_bulk *b);
	/* There may be room for what was refused with -ENOBUFS. */
	void (*room)(void *ctx);
};
/* ops NULL: nobody any more. When attached already, ops->attached is called at once. */
void sl_dp_set_guard(struct sl_dp *dp, const struct sl_dp_guard_ops *ops, void *ctx);
/* A command to the housekeeper: at most SL_DP_GUARD_IN_FLIGHT at a time, so that provisioning always finds room. 0; -ENOBUFS (come again
 * when asked to), -ENOTCONN. done is told -ENOTCONN when the dataplane goes away. */
int sl_dp_guard_send(struct sl_dp *dp, struct sl_command *cmd, sl_dp_done done, void *ctx);
/* Offer a list (struct sl_guard_list in a sealed memfd, which stays the caller's), one at a time. done when it is in force, or is
 * refused. */
int sl_dp_guard_list(struct sl_dp *dp, int memfd, sl_dp_done done, void *ctx);

struct sl_dp_counts {
	uint64_t attachments, replays, events, events_bad, commands, command_errors;
};
const struct sl_dp_counts *sl_dp_counts(const struct sl_dp *dp);

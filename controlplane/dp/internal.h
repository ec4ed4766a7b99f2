/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between dp.c (link), replay.c (desired state) and sync.c (allocations). */

#include "controlplane/dp/dp.h"

struct sl_dp_flight {
	uint32_t seq; /* 0 = free */
	sl_dp_done done;
	void *ctx;
};

/* A change of what is published, waiting for its turn. */
struct sl_dp_change {
	struct sl_dp_change *next;
	struct sl_command cmd;
	char realm[SL_MSG_REALM_MAX]; /* its index goes into the command when that is sent: realms may have changed by then. "" = it names none */
	sl_dp_done done;
	void *ctx;
};

/* Phases that send nothing wait for the answers to what was sent. */
enum sl_dp_phase {
	PHASE_NONE,
	PHASE_BEGIN,
	PHASE_OPENING, /* another control plane may be writing: nothing follows before BEGIN is granted */
	PHASE_TURN,
	PHASE_REALMS,
	PHASE_NAMES,
	PHASE_RULES,
	PHASE_SECRETS,
	PHASE_KEYS,
	PHASE_ALTERNATES,
	PHASE_RESTRICTED,
	PHASE_USERS,
	PHASE_WAIT, /* COMMIT only what was taken whole */
	PHASE_COMMIT,
	PHASE_DRAIN,
	PHASE_LAST,
	PHASE_AGAIN, /* BEGIN was not granted: from the start at the next tick */
};

struct sl_dp_replay {
	enum sl_dp_phase phase; /* PHASE_NONE = no replay under way */
	struct sl_desired desired;
	size_t at; /* in the array of this phase */
	const char *realm_name; /* of the last user, and its index */
	uint16_t realm;
	unsigned unanswered;
	int error; /* of the first item refused */
	int64_t heard_ms; /* the dataplane's last answer */
	char text[160];
	sl_dp_done done;
	void *ctx;
};

struct sl_dp_waiter {
	int64_t deadline_ms; /* 0 = free */
	uint64_t id;         /* of the allocation; listing: 0 */
	bool listing;
	sl_dp_done done;
	void *ctx;
};

struct sl_dp_worker {
	uint32_t round; /* listing under way or last done */
	bool listing;
	uint64_t events_lost; /* as counted by the worker when that listing began */
	int64_t asked_ms;
};

/* Commands waiting for a worker's ring, in order. */
struct sl_dp_pending {
	struct sl_dp_pending *next;
	struct sl_command cmd;
};
struct sl_dp_queue {
	struct sl_dp_pending *first, **last;
	size_t n;
};

struct sl_dp_clip_offer {
	struct sl_dp_clip_offer *next;
	uint32_t clip;
	int memfd; /* a duplicate of ours; -1 = remove */
};

struct sl_dp_media {
	struct sl_dp_media_ops ops;
	void *ctx;
	bool on;      /* there is somebody who knows of media */
	bool overrun; /* a queue grew beyond all bounds: the attachment is to end */
	struct sl_dp_queue queues[SL_MAX_WORKERS];
	size_t n_waiting;
	int64_t moved_ms; /* when a ring last took something that had waited */
	struct sl_dp_clip_offer *first_clip, **last_clip;
};

struct sl_dp_guard_flight {
	struct sl_dp *dp;
	bool busy;
	sl_dp_done done;
	void *ctx;
};
struct sl_dp_guard {
	struct sl_dp_guard_ops ops;
	void *ctx;
	bool on;
	unsigned n_flights;
	struct sl_dp_guard_flight flights[SL_DP_GUARD_IN_FLIGHT];
	uint32_t list_seq, list_last; /* of the list under way (0 = none), and of the last one */
	sl_dp_done list_done;
	void *list_ctx;
};

struct sl_dp {
	char path[108], name[SL_CLIENT_NAME_MAX + 1];
	struct sl_dp_ops ops;
	bool attached;
	bool standby;                /* another control plane provisions TURN; trouble says which */
	int64_t next_replay_ms;      /* when what is to be provisioned and is not is tried again; 0 = nothing is */
	int64_t now_ms;              /* of the turn under way */
	bool quiet;                  /* the reason for not attaching was logged */
	unsigned hung;               /* attempts in a row that were not answered */
	uint32_t refused_generation; /* of the dataplane that refused the desired state; 0 = none did */
	struct sl_client client;
	int64_t next_attach_ms;

	uint32_t seq; /* of the last command */
	unsigned n_flights;
	struct sl_dp_flight flights[SL_DP_IN_FLIGHT]; /* at seq % SL_DP_IN_FLIGHT */
	struct sl_dp_replay replay;
	struct sl_turn_plan *plan; /* as last taken by this dataplane; NULL = none yet */
	struct sl_dp_change *first, **last;
	unsigned n_changes;

	struct sl_table table;
	uint32_t round;
	struct sl_dp_worker workers[SL_MAX_WORKERS];
	struct sl_dp_waiter waiters[SL_DP_WAITING_MAX];
	struct sl_dp_media media;
	struct sl_dp_guard guard;
	struct sl_dp_turn_ops turn;
	void *turn_ctx;
	struct sl_dp_counts counts;
	char trouble[200];
};

/* dp.c: send to the housekeeper; 0, -ENOBUFS (come again when pumped), or another errno (the link is gone
 * soon). */
int sl_dp_send(struct sl_dp *dp, struct sl_command *cmd, sl_dp_done done, void *ctx);
/* dp.c: give the dataplane up for now; everything waiting is told -ENOTCONN. */
void sl_dp_detach(struct sl_dp *dp, const char *why);

/* replay.c */
void sl_dp_replay_start(struct sl_dp *dp, struct sl_desired *desired, sl_dp_done done, void *ctx);
void sl_dp_replay_pump(struct sl_dp *dp);
void sl_dp_replay_tick(struct sl_dp *dp); /* attached: what waited for its time */
void sl_dp_replay_abandon(struct sl_dp *dp, int error, const char *text);

/* sync.c */
void sl_dp_sync_begin(struct sl_dp *dp, int64_t now_ms); /* just attached */
/* An event of a worker, valid by itself. False when it speaks of what another worker owns. */
bool sl_dp_sync_event(struct sl_dp *dp, unsigned worker, const struct sl_event *evt, int64_t now_ms);
void sl_dp_sync_tick(struct sl_dp *dp, int64_t now_ms);
void sl_dp_sync_end(struct sl_dp *dp); /* detached */

/* media.c */
void sl_dp_media_init(struct sl_dp *dp);
void sl_dp_media_attached(struct sl_dp *dp);
void sl_dp_media_detached(struct sl_dp *dp);
bool sl_dp_media_is_for(const struct sl_event *evt); /* is it media's rather than an allocation's? */
bool sl_dp_media_event(struct sl_dp *dp, unsigned worker, const struct sl_event *evt); /* false: not that worker's */
void sl_dp_media_clip_ack(struct sl_dp *dp, const struct sl_event *evt);
void sl_dp_media_pump(struct sl_dp *dp);
int sl_dp_media_bulk(struct sl_dp *dp); /* packets taken, the guard's as well, or negative errno: the ring is broken */
bool sl_dp_media_is_eager(const struct sl_dp *dp); /* a ring is full and being emptied: look again at once */

/* guard.c */
void sl_dp_guard_attached(struct sl_dp *dp);
void sl_dp_guard_detached(struct sl_dp *dp);
bool sl_dp_guard_is_for(const struct sl_event *evt);
bool sl_dp_guard_event(struct sl_dp *dp, unsigned worker, const struct sl_event *evt); /* false: not that worker's */
bool sl_dp_guard_list_ack(struct sl_dp *dp, const struct sl_event *evt); /* false: no list of that number was offered */
void sl_dp_guard_pump(struct sl_dp *dp);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* TURN's live settings: what operators set beside the configuration file (rules of peers, the restricted register, drain), what user tables
 * elsewhere say of realms, the weights of alternates; all put together into what the dataplane shall have (dp/plan.h), and told to it
 * whenever it changes. The brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/dp/dp.h"
#include "controlplane/mailbox.h"
#include "controlplane/store/store.h"
#include "controlplane/turn/source_set.h"

enum {
	SL_DESK_PEERS_MAX = 1024,          /* live ones: room for those of the file remains */
	SL_DESK_ENTRIES_PER_CHANGE = 2048, /* of the restricted register, added or removed at once */
	SL_DESK_POLL_MS = 5000,            /* alternates are asked for their load */
	SL_DESK_POLL_TIMEOUT_MS = 3000,
	SL_DESK_POLL_PATIENCE = 2,         /* answers missing in a row until an alternate gets nobody */
};

struct sl_desk;

struct sl_desk_options {
	const struct sl_config *config; /* until sl_desk_reconfigure() */
	struct sl_dp *dp;
	struct sl_store *store;
	struct sl_mailbox *mail;
	int (*desired)(void *ctx, struct sl_desired *out); /* everything, users too: as struct sl_dp_ops has it */
	void (*event)(void *ctx, unsigned type, const char *text); /* enum sl_call_event_type; it is in the log already */
	void *ctx;
};

/* Reads the store in the calling thread. NULL with text: what is kept cannot be read, or the dataplane has no room for it and the
 * file's. */
struct sl_desk *sl_desk_new(const struct sl_desk_options *options, char *text, size_t text_len);
/* Ends its thread and tells who waits: before the store and the link end. NULL is fine, here and there. */
void sl_desk_leave(struct sl_desk *d);
void sl_desk_free(struct sl_desk *d);
void sl_desk_reconfigure(struct sl_desk *d, const struct sl_config *config);
void sl_desk_tick(struct sl_desk *d, int64_t now_ms);

/* A reference to what shall be with this configuration. NULL with text. */
struct sl_turn_plan *sl_desk_plan(struct sl_desk *d, const struct sl_config *config, char *text, size_t text_len);
/* Realms and secrets as they shall be now; lives until anything changes. */
const struct sl_turn_plan *sl_desk_plan_now(const struct sl_desk *d);
bool sl_desk_has_realm(const struct sl_desk *d, const char *name);
/* Name of a realm by the dataplane's index; never NULL. */
const char *sl_desk_realm_name(const struct sl_desk *d, unsigned index);

/* Tell the dataplane everything anew, users too, soon. */
void sl_desk_tell_all(struct sl_desk *d);
/* Nothing that user tables said of realms waits to be told, or it cannot be told now: then users go on in the realms that are in force. */
bool sl_desk_is_settled(const struct sl_desk *d);
/* Why what shall be cannot be put together, in words (it is tried again; what is in force goes on); NULL = it can. Logged as it changes. */
void sl_desk_set_trouble(struct sl_desk *d, const char *text);
const char *sl_desk_trouble(const struct sl_desk *d);
/* What user tables say of realms; set lives until it is told another. NULL = nothing. */
void sl_desk_sourced(struct sl_desk *d, const struct sl_source_set *set);
const struct sl_source_set *sl_desk_tables(const struct sl_desk *d); /* the same; NULL = nothing */

/* ---- changes: desk_change.c. One at a time, in the order in which they came ---- */

enum sl_desk_outcome {
	SL_DESK_APPLIED, /* kept, and the dataplane has it */
	SL_DESK_STORED,  /* kept; the dataplane is away and gets it when it is back */
	SL_DESK_UNKNOWN, /* to be removed, and not there: nothing has changed */
	SL_DESK_REFUSED, /* there is no room for it: nothing has changed */
	SL_DESK_FAILED,  /* the store or the dataplane did not take it: nothing has changed */
};
typedef void (*sl_desk_done)(void *ctx, enum sl_desk_outcome outcome, const char *text);

/* Rules of peers. Lists are copied; at: position of a new rule, 0 = before all others. */
const struct sl_turn_peer *sl_desk_peers(const struct sl_desk *d, size_t *n);
void sl_desk_set_peers(struct sl_desk *d, const struct sl_turn_peer *peers, size_t n, sl_desk_done done, void *ctx);
void sl_desk_add_peer(struct sl_desk *d, const struct sl_turn_peer *peer, size_t at, sl_desk_done done, void *ctx);
/* Every rule of that realm and prefix. */
void sl_desk_remove_peer(struct sl_desk *d, const struct sl_turn_peer *peer, sl_desk_done done, void *ctx);

/* The restricted register, sorted. Entries are copied; names are 1..508 bytes. */
struct sl_turn_restricted *const *sl_desk_restricted(const struct sl_desk *d, size_t *n);
void sl_desk_set_restricted(struct sl_desk *d, const struct sl_turn_restricted *entries, size_t n, sl_desk_done done, void *ctx);
void sl_desk_add_restricted(struct sl_desk *d, const struct sl_turn_restricted *entries, size_t n, sl_desk_done done, void *ctx);
/* UNKNOWN when none of them was there. */
void sl_desk_remove_restricted(struct sl_desk *d, const struct sl_turn_restricted *entries, size_t n, sl_desk_done done, void *ctx);

/* Drain; stays through restarts of both programs until it is ended. */
struct sl_desk_drain {
	bool on;
	uint32_t max_lifetime_s; /* 0 = as ever */
	int64_t since_unix_ms;
	uint64_t allocations;    /* when it began */
};
const struct sl_desk_drain *sl_desk_drain(const struct sl_desk *d);
void sl_desk_set_drain(struct sl_desk *d, bool on, uint32_t max_lifetime_s, sl_desk_done done, void *ctx);

/* ---- load ---- */

struct sl_desk_load {
	uint64_t allocations, capacity; /* capacity 0: not known now */
	unsigned percent;
};
struct sl_desk_load sl_desk_load(const struct sl_desk *d);

/* An alternate of the file, by index. */
struct sl_desk_alternate {
	unsigned weight;     /* now: 0..100 */
	bool is_polled, is_known, is_draining; /* known: the last question was answered */
	unsigned percent;
	uint64_t failures;
	char trouble[120];   /* of the last failure; "" = none since it answered */
};
const struct sl_desk_alternate *sl_desk_alternate(const struct sl_desk *d, unsigned i);

/* ---- quotas: soft limits that were passed ---- */
struct sl_desk_counts {
	uint64_t quota_events[4]; /* by enum sl_quota_subject */
};
const struct sl_desk_counts *sl_desk_counts(const struct sl_desk *d);
/* An event of the dataplane (struct sl_dp_turn_ops.quota). */
void sl_desk_quota(struct sl_desk *d, const struct sl_evt_turn_quota *e);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the desk's files. */

#include "controlplane/turn/desk.h"
#include "controlplane/turn/fetch.h"

struct desk_peers {
	struct sl_turn_peer *all;
	size_t n;
};

struct desk_register { /* sorted, each once */
	struct sl_turn_restricted **all;
	size_t n, capacity;
};

enum desk_kind { SET_PEERS, ADD_PEER, REMOVE_PEER, SET_RESTRICTED, ADD_RESTRICTED, REMOVE_RESTRICTED, SET_DRAIN };

/* A change: it waits, is tried with the dataplane (lists that are told whole), is kept, is told (single entries), ends. */
struct desk_op {
	struct desk_op *next;
	struct sl_desk *d;
	enum desk_kind kind;
	struct desk_peers peers;      /* of the request; once prepared what shall be */
	size_t at;
	struct desk_register entries; /* of the request */
	struct sl_desk_drain drain;
	struct sl_turn_plan *plan;    /* with it */
	bool runs, stored_only;
	unsigned unanswered;          /* commands */
	uint64_t replays;             /* of the link when the dataplane had taken it */
	sl_desk_done done;
	void *ctx;
};

struct desk_poll {
	struct sl_desk *d; /* NULL: the desk has forgotten it */
	unsigned index;
};

struct sl_desk {
	struct sl_desk_options o;
	struct sl_turn_plan *plan; /* what shall be now */
	struct desk_peers peers;
	struct desk_register restricted;
	struct sl_desk_drain drain;
	const struct sl_source_set *sourced;
	struct desk_op *first, **last;
	bool leaving;
	bool dirty;      /* the dataplane is to be told; all: users as well */
	bool dirty_all;
	bool telling;    /* our replay is under way */
	bool stale;      /* plan has not the last peers, entries, weights, drain; its realms and secrets are right */
	int64_t next_tell_ms, now_ms;
	char trouble[160]; /* "" = what shall be can be put together */

	struct sl_fetch *fetch; /* NULL: no alternate is asked */
	uint8_t weights[SL_CONF_MAX_ALTERNATES];
	struct sl_desk_alternate alternates[SL_CONF_MAX_ALTERNATES];
	struct desk_poll *polls[SL_CONF_MAX_ALTERNATES]; /* under way */
	unsigned missed[SL_CONF_MAX_ALTERNATES];
	int64_t next_poll_ms;

	struct sl_desk_counts counts;
	int64_t quota_log_ms;
	unsigned quota_logged, quota_unlogged;
};

/* desk.c */
struct sl_turn_plan *desk_make_plan(const struct sl_desk *d, const struct sl_config *config, const struct desk_peers *peers,
        const struct desk_register *restricted, const struct sl_desk_drain *drain, char *text, size_t text_len);
/* What shall be has changed: make the plan anew. tell: the dataplane has not got it yet. */
void desk_renew(struct sl_desk *d, bool tell);

/* desk_register.c */
int desk_compare(const struct sl_turn_restricted *a, const struct sl_turn_restricted *b);
struct sl_turn_restricted *desk_entry_copy(const struct sl_turn_restricted *e); /* NULL: no memory */
void desk_entry_free(struct sl_turn_restricted *e);
struct sl_turn_restricted **desk_register_find(const struct desk_register *r, const struct sl_turn_restricted *e); /* NULL: not there */
int desk_register_put(struct desk_register *r, struct sl_turn_restricted *e);    /* takes e over unless there is one (1) or no memory (-ENOMEM) */
struct sl_turn_restricted *desk_register_take(struct desk_register *r, const struct sl_turn_restricted *e); /* NULL: not there */
/* Copies of n entries in any order, each once, into an empty register. False: no memory. */
bool desk_register_fill(struct desk_register *r, const struct sl_turn_restricted *entries, size_t n);
void desk_register_clear(struct desk_register *r);                               /* entries too */

/* desk_store.c: work of the store; answered with done(op, error, text). 0 or negative errno. */
int desk_store_load(struct sl_desk *d, char *text);
int desk_store_op(struct desk_op *op, sl_store_done done);

/* desk_change.c */
void desk_changes_tick(struct sl_desk *d);
void desk_changes_leave(struct sl_desk *d);

/* desk_alternates.c */
void desk_first_weights(const struct sl_conf_turn *t, uint8_t weights[SL_CONF_MAX_ALTERNATES]); /* while no load is known */
void desk_alternates_reset(struct sl_desk *d);
void desk_alternates_tick(struct sl_desk *d);
void desk_alternates_leave(struct sl_desk *d);

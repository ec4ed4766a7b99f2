/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The brain: one thread, one loop, all state of the control plane. Everything that takes time (the dataplane,
 * the store) answers by continuation; I/O threads reach it through its mailbox. Nothing here is touched by
 * another thread. */

#include <stdbool.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/dp/dp.h"
#include "controlplane/http/http.h"
#include "controlplane/mailbox.h"
#include "controlplane/media/media.h"
#include "controlplane/ng/ng.h"
#include "controlplane/store/store.h"

enum {
	SL_BRAIN_TICK_MS = 50,
	SL_BRAIN_APPLY_MS = 2000, /* a change of users not answered by the dataplane in this time is reported
	                             as pending */
};

struct sl_brain {
	struct sl_config *config;
	int stored_fd; /* the keeper's copy of what was accepted (config/stored.h); -1 = none */
	struct sl_mailbox *mail;
	struct sl_dp *dp;
	struct sl_store *store;
	struct sl_http *http;
	int journal_fd; /* the keeper's, for media sessions; -1 = none: they end with us */
	int calls_fd;   /* the same for calls */
	int crash_fd;   /* and a page of what was at work when the one before us died */
	struct sl_media *media; /* NULL: the configuration has no media */
	struct sl_ng *ng;       /* NULL: nothing listens for it */

	struct sl_warden *warden; /* the guard's half of ours (guard/warden.h); there while requests come */

	/* SIP and what stands on it: all NULL when the configuration has no group sip (brain_sip.c). */
	struct sl_timers *timers; /* their headers are in the folders of their names */
	struct sl_asks *asks;
	struct sl_call_events *events;
	struct sl_trace *trace;
	struct sl_prov *prov;
	struct sl_cdrs *cdrs;
	struct sl_calls *calls;
	struct sl_routing *routing;
	struct sl_registrar *registrar;
	struct sl_sip *sip;
	struct sl_b2bua *b2bua;
	struct sl_trunks *trunks;
	uint64_t calls_seen;      /* when calls came last, and whether memory was given back since (brain_sip.c) */
	int64_t quiet_since_ms;
	bool trimmed;

	struct sl_desk *desk;        /* TURN beside its users (turn/desk.h) */
	struct sl_sources *sources;  /* user tables elsewhere (turn/source.h) */
	struct sl_accounting *accounting; /* turn/accounting.h */
	bool accounts;               /* allocations were listed for it since we provision TURN */
	struct sl_users config_users, store_users, source_users;
	bool users_known;            /* the store has told its users, and user tables elsewhere have been read */
	bool store_users_known, source_users_known;
	struct sl_user_op *user_ops; /* changes under way */
	struct sl_api_keyed *keyed;  /* requests with an Idempotency-Key under way (http/api_once.c) */

	uint64_t tenants_generation; /* of the provisioning whose tenants the guard knows */

	bool closing;                /* requests of the API are refused: what they ask for is going */
	bool reload_wanted, reload_runs;
	struct sl_reload *reading;   /* its file is being read by a thread (reload.c) */
	char last_reload[240]; /* outcome of the last reload, empty = none yet */

	int64_t start_ms; /* CLOCK_MONOTONIC */
	struct sl_brain_loop *loop;
	int exit_status;
	bool stopping;
};

/* What the keeper holds for the working half; -1 = none. */
struct sl_brain_kept {
	int config;        /* the configuration as last accepted (config/stored.h) */
	int media, calls;  /* journals (controlplane/journal.h) */
	int crash;         /* a page: the message being processed (sip/crash.c) */
};

/* Run the working half until SIGTERM; owns config. Returns the exit status. */
int sl_brain_run(struct sl_config *config, const struct sl_brain_kept *kept);

int64_t sl_now_ms(void); /* CLOCK_MONOTONIC */

/* ---- reload.c ---- */

/* Load the file again and bring the dataplane to it, all or nothing; done (may be NULL) gets 0, -EINVAL when
 * the file or the dataplane refuses it (text names the option), -EBUSY. What was in force goes on in every
 * such case. */
void sl_brain_reload(struct sl_brain *b, sl_dp_done done, void *ctx);
/* Wait for the thread that reads the file, if there is one: what it read is not taken over any more. Before the mailbox ends. */
void sl_brain_reload_close(struct sl_brain *b);
/* What the dataplane shall have, by this configuration. config_users: filled from config; 0 or -ENOMEM. */
int sl_brain_config_users(const struct sl_config *config, struct sl_users *out);
/* 0; -ENOMEM, -EINVAL (more than the dataplane has room for) with text. */
int sl_brain_desired(
        struct sl_brain *b, const struct sl_config *config, const struct sl_users *config_users, struct sl_desired *out, char *text, size_t text_len);

/* ---- brain_sip.c ---- */

/* Everything of SIP, in the order in which it stands on each other; calls are found again. 0, or -1 after saying why. Nothing without a
 * group sip. */
int sl_brain_open_sip(struct sl_brain *b, void *root); /* su_root_t */
void sl_brain_close_sip(struct sl_brain *b);
void sl_brain_tick_sip(struct sl_brain *b, int64_t now_ms);
/* Is the new configuration's part good? 0, or -EINVAL with text; nothing has changed. */
int sl_brain_check_sip(struct sl_brain *b, const struct sl_config *config, char *text, size_t text_len);
void sl_brain_reconfigure_sip(struct sl_brain *b);

/* ---- brain_turn.c ---- */

/* TURN's desk, user tables and accounting. desired: as the link is given it. 0, or -1 after saying why. */
int sl_brain_open_turn(struct sl_brain *b, int (*desired)(void *ctx, struct sl_desired *out));
void sl_brain_tick_turn(struct sl_brain *b, int64_t now_ms);
void sl_brain_reconfigure_turn(struct sl_brain *b);
void sl_brain_leave_turn(struct sl_brain *b); /* threads end, who waits is told: before the store */
void sl_brain_close_turn(struct sl_brain *b); /* the link has gone */

/* ---- user_ops.c ---- */

enum sl_user_outcome {
	SL_USER_APPLIED, /* stored, and the dataplane has it */
	SL_USER_STORED,  /* stored; the dataplane is away or slow and gets it by replay */
	SL_USER_REFUSED, /* stored, but the dataplane refused it */
	SL_USER_FAILED,  /* not stored: nothing has changed */
	SL_USER_UNKNOWN, /* deletion: there is none of that name */
};
typedef void (*sl_user_done)(void *ctx, enum sl_user_outcome outcome, const char *text);

/* brain.c: the store's users or those of tables (source_users_known) have become known: once all are, the dataplane is told. */
void sl_brain_users_known(struct sl_brain *b);

/* Store u (a reference is taken), then tell the dataplane; done once. */
void sl_brain_put_user(struct sl_brain *b, struct sl_user *u, sl_user_done done, void *ctx);
void sl_brain_delete_user(struct sl_brain *b, const char *realm, const char *name, size_t len, sl_user_done done, void *ctx);
/* Report what the dataplane has not answered in time. */
void sl_brain_user_ops_tick(struct sl_brain *b, int64_t now_ms);

/* Users of tables elsewhere that are new, have other keys, or are gone (turn/source.h), sorted by realm and name. 0: all are taken.
 * -EAGAIN, -ENOBUFS: none is, the same ones may come again; -ENOMEM. */
struct sl_source_change;
int sl_brain_source_users(struct sl_brain *b, const struct sl_source_change *changes, size_t n);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of the registrar. Owner of everything: the brain's thread; what a commit under way holds is read by the store's thread
 * and changed by nobody until it is answered. */

#include "controlplane/registrar/digest.h"
#include "controlplane/registrar/lockout.h"
#include "controlplane/registrar/nonce.h"
#include "controlplane/registrar/registrar.h"

#include "controlplane/call/timer.h"

#include <sofia-sip/nta_tport.h>

enum {
	SL_REG_NONCE_SETS = 1 << 14,   /* of 8 nonces in use: 4 MB when all of it was touched */
	SL_REG_LOCKOUT_SETS = 1 << 12,
	SL_REG_CONTACTS_MAX = 32,      /* in one REGISTER */
	SL_REG_WAITING_MAX = 8,        /* REGISTERs of one user behind one that is being committed */
	SL_REG_QUEUE_MAX = 16384,      /* changes not committed; beyond, REGISTERs are refused */
	SL_REG_BATCH_MAX = 1024,       /* changes in one commit */
	SL_REG_LAZY_MS = 30000,        /* until a refresh is written */
	SL_REG_LAZY_BATCH = 1024,
	SL_REG_GRACE_MS = 60000,       /* a restart may have lost refreshes as young as this */
	SL_REG_REPLY_MAX = 32768,      /* bytes of header lines in a 200 */
	SL_REG_NAME_MAX = 2 * SL_PROV_NAME_MAX + 2,
};

struct sl_reg_aor;

struct sl_reg_binding {
	struct sl_binding b;
	struct sl_reg_aor *aor;          /* NULL: not in the table (yet, or any more) */
	struct sl_reg_binding *next;     /* of the aor */
	struct sl_reg_binding *next_id;  /* same bucket of ids */
	struct sl_reg_binding *dirty_next, **dirty_at; /* dirty_at NULL: what the store has is right */
	int64_t dirty_ms;
	uint64_t id;                     /* of the row; never used again */
	bool held;                       /* its source is trusted because of it */
	struct sl_registrar *registrar;
	struct sl_timer expiry;          /* may come early: a refresh does not move it */
	char text[];                     /* what b points to */
};

struct sl_reg_aor {
	struct sl_reg_aor *next;         /* same bucket */
	uint64_t hash;
	struct sl_reg_binding *bindings;
	unsigned n;
	struct sl_reg_change *change;    /* a REGISTER that is being committed */
	struct sl_reg_watch *watches;    /* subscriptions to it */
	uint16_t name_len;               /* of NAME in NAME@DOMAIN */
	char name[];                     /* NAME@DOMAIN */
};

/* A REGISTER on its way: owns the message, a reference to the connection and to the user. */
struct sl_reg_request {
	msg_t *msg;
	sip_t *sip;
	struct sl_sip_flow flow;
	tport_t *tport;                  /* set once it has to wait: nta knows it only while the message is delivered */
	struct sl_prov_user *user;
	struct sl_reg_request *next;     /* behind the same change */
};

/* What the store shall do, in order. */
struct sl_reg_op {
	enum { SL_REG_PUT, SL_REG_REMOVE } what;
	uint64_t id;
	struct sl_reg_binding *fresh;    /* PUT: the binding as it shall be, not in the table yet */
};
struct sl_reg_change {
	struct sl_reg_change *next;      /* in the queue or the batch */
	struct sl_reg_aor *aor;          /* of a REGISTER; NULL: removals that memory has made already */
	char user[SL_REG_NAME_MAX];      /* the aor's name, for the store's thread */
	struct sl_reg_request request;
	struct sl_reg_request *waiting, **waiting_last;
	unsigned n_waiting;
	sl_store_done done;              /* of a removal; may be NULL */
	void *done_ctx;
	unsigned n;
	struct sl_reg_op ops[];
};
/* A refresh as the row gets it. */
struct sl_reg_refresh {
	uint64_t id;
	uint32_t cseq;
	int64_t updated_unix_ms, expires_unix_ms;
};
struct sl_reg_batch {
	struct sl_registrar *registrar;  /* NULL: it has gone meanwhile */
	struct sl_reg_change *changes, **last;
	unsigned n_changes, n_refreshes;
	struct sl_reg_refresh *refreshes;
};

struct sl_registrar {
	struct sl_registrar_options o;
	struct sl_sip *sip;
	int64_t (*unix_ms)(void);        /* the clock, for tests */

	struct sl_siphash_key hash_key;
	struct sl_siphash_key gruu_key, gruu_mac_key; /* kept in the store: temporary GRUUs outlive us */
	uint64_t gruu_counter;
	size_t n_buckets, n_id_buckets;  /* powers of two */
	struct sl_reg_aor **buckets;
	struct sl_reg_binding **id_buckets;
	uint64_t last_id;
	size_t n_aors, n_bindings, n_watches;

	struct sl_reg_change *queue, **queue_last;
	size_t n_queue;
	struct sl_reg_batch *batch;      /* under way */
	struct sl_reg_binding *dirty, **dirty_last; /* oldest first */

	struct sl_nonces nonces;
	struct sl_lockout lockout;
	int64_t events_second;
	unsigned events_now;             /* AUTH_FAILED in that second */

	size_t sweep_at, sweep_left;     /* buckets: the provisioning has changed: are the users still there? */
	struct sl_registrar_counts counts;
	char reply[SL_REG_REPLY_MAX];
};

/* ---- bindings.c: the table ---- */

int sl_reg_table_init(struct sl_registrar *r);
void sl_reg_table_free(struct sl_registrar *r);
/* make: when there is none. NULL: none, or no memory. */
struct sl_reg_aor *sl_reg_aor(struct sl_registrar *r, const char *name, size_t name_len, const char *domain, bool make);
struct sl_reg_aor *sl_reg_aor_of(const struct sl_registrar *r, const struct sl_prov_user *user);
void sl_reg_aor_release(struct sl_registrar *r, struct sl_reg_aor *a); /* goes when nothing is in it any more */
/* A copy of b with its texts, in no table; id 0 = a new one. */
struct sl_reg_binding *sl_reg_binding_new(struct sl_registrar *r, const struct sl_binding *b, uint64_t id);
void sl_reg_binding_free(struct sl_reg_binding *x);
/* Into the table, in the place of one with the same id. -ENOMEM: its timer could not be set, and nothing has changed. */
int sl_reg_binding_put(struct sl_registrar *r, struct sl_reg_aor *a, struct sl_reg_binding *x);
/* Out of the table, and freed. */
void sl_reg_binding_drop(struct sl_registrar *r, struct sl_reg_binding *x);
struct sl_reg_binding *sl_reg_binding_by_id(const struct sl_registrar *r, uint64_t id);
/* A refresh: the row gets it later. */
void sl_reg_binding_dirty(struct sl_registrar *r, struct sl_reg_binding *x, int64_t now_ms);
/* Refreshed: its source is trusted for longer. */
void sl_reg_binding_trust(struct sl_registrar *r, struct sl_reg_binding *x);
void sl_reg_binding_clean(struct sl_registrar *r, struct sl_reg_binding *x);
bool sl_reg_flow_eq(const struct sl_sip_flow *a, const struct sl_sip_flow *b);
/* By expiry or by an operator: out of memory now, out of the store soon, told to all. */
void sl_reg_binding_end(struct sl_registrar *r, struct sl_reg_binding *x, const char *why, struct sl_reg_change *into);
void sl_reg_sweep(struct sl_registrar *r); /* a few users at a time */
const char *sl_reg_tenant(const struct sl_registrar *r, const struct sl_reg_aor *a);

/* ---- store.c ---- */

int sl_reg_load(struct sl_registrar *r, char *text, size_t text_len);
struct sl_reg_change *sl_reg_change_new(unsigned n_ops);
void sl_reg_change_free(struct sl_reg_change *c);
void sl_reg_commit(struct sl_registrar *r, struct sl_reg_change *c); /* takes c */
void sl_reg_store_tick(struct sl_registrar *r, int64_t now_ms);
void sl_reg_store_close(struct sl_registrar *r);
void sl_reg_store_forget(struct sl_registrar *r); /* SIP goes: whoever waits for an answer gets none */

/* ---- register.c ---- */

/* Authenticated: bindings are changed as it says, and it is answered, now or after the commit. Takes q. */
void sl_reg_process(struct sl_registrar *r, struct sl_reg_request *q);
/* The commit of c has ended: memory is changed and everybody answered. */
void sl_reg_committed(struct sl_registrar *r, struct sl_reg_change *c, int error);

/* ---- answer.c ---- */

/* Answer (takes what q owns). headers: lines "Name: value\r\n", NULL = none. */
void sl_reg_answer(struct sl_registrar *r, struct sl_reg_request *q, int status, const char *phrase, const char *headers);
/* 200 with all bindings. */
void sl_reg_answer_bindings(struct sl_registrar *r, struct sl_reg_request *q);
void sl_reg_request_drop(struct sl_reg_request *q);
/* It has to wait: keep the connection that it came by. */
void sl_reg_request_hold(struct sl_registrar *r, struct sl_reg_request *q);

/* ---- auth.c ---- */

const struct sl_conf_sip *sl_reg_conf(const struct sl_registrar *r);
/* The user by his credentials (a reference), or NULL: msg was answered and is gone. */
struct sl_prov_user *sl_reg_authenticate(struct sl_registrar *r, msg_t *msg, const sip_t *sip, const struct sl_sip_flow *flow,
        const struct sl_prov_domain *domain);

/* ---- gruu.c ---- */

enum { SL_GRUU_TOKEN = 48 + 1 };
void sl_gruu_temp(struct sl_registrar *r, const struct sl_reg_binding *x, char out[SL_GRUU_TOKEN]);
/* The binding that a temporary GRUU's user part names, NULL = none. */
struct sl_reg_binding *sl_gruu_temp_find(const struct sl_registrar *r, const char *user);

/* ---- regevent.c ---- */

enum sl_reg_event { SL_REG_EV_REGISTERED, SL_REG_EV_REFRESHED, SL_REG_EV_EXPIRED, SL_REG_EV_UNREGISTERED, SL_REG_EV_DEACTIVATED };
/* Something happened to x, which is still in the table. */
void sl_reg_notify(struct sl_registrar *r, struct sl_reg_binding *x, enum sl_reg_event what);
void sl_reg_watch_close(struct sl_registrar *r);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The registrar over a real store, with users of the test's own and no network: requests are texts, answers are looked at. */

#include "controlplane/guard/warden.h"
#include "controlplane/registrar/internal.h"

#include <stdbool.h>
#include <stdint.h>

enum { RIG_ANSWER_MAX = 65536 };

struct rig {
	char folder[64], path[80];
	struct sl_config config;
	struct sl_mailbox *mail;
	struct sl_store *store;
	struct sl_timers *timers;
	struct sl_registrar *registrar;
	struct sl_warden *warden;
	int64_t now_ms;            /* both clocks */

	unsigned n_answers;        /* of all */
	int status;                /* of the last answer; 0 = none since the last request */
	char phrase[64], headers[RIG_ANSWER_MAX];
	unsigned events[SL_CE_N];
	char event[SL_CALL_EVENT_TEXT_MAX];

	/* The client. */
	struct sl_sip_flow flow;
	char challenges[2][512];
	unsigned n_challenges, nonce_count;
	unsigned cseq;
	const char *to;            /* of whose address; NULL = the user's */
};
extern struct rig rig;
extern struct sl_prov_domain rig_domain;
extern struct sl_prov_user rig_users[]; /* alice, bob, carol, then u0, u1 ... */
enum { RIG_NAMED = 3, RIG_USERS = 600 };
extern struct sl_prov_trunk rig_trunk;

void rig_open(void);  /* a new database */
void rig_reopen(void); /* the registrar goes and comes again */
void rig_close(void);
void rig_pump(void);  /* until the store has answered everything */
void rig_later(int64_t ms); /* time passes, timers run */
void rig_provisioned(void); /* users have changed */

/* Send: no credentials unless there is a challenge to answer. headers: the rest, with CRLF. The status, 0: not answered yet. */
int rig_send(const char *user, const char *call_id, unsigned cseq, const char *headers);
/* The whole dance: challenged, answered, committed; the status in the end. cseq goes up by itself. */
int rig_register(const char *user, const char *call_id, const char *headers);
bool rig_has(const char *text);         /* the last answer's headers */
unsigned rig_count(const char *text);   /* how often in them */
const struct sl_binding *rig_binding(const char *user, unsigned i);
unsigned rig_bindings(const char *user);
struct sl_prov_user *rig_user(const char *name);

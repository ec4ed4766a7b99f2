/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of trunks*.c. */

#include "controlplane/routing/trunks.h"
#include "controlplane/routing/trunks_rules.h"
#include "controlplane/sip/resolve.h"

enum { SL_TRUNK_TARGETS = 8, SL_TRUNK_CHALLENGES = 4, SL_TRUNK_CHALLENGE_MAX = 512 };

/* What of a trunk's provisioning is looked at here: a change of it starts the trunk anew. Zeroed before it is filled: compared as bytes. */
struct sl_trunk_wants {
	char name[SL_PROV_NAME_MAX + 1], tenant[SL_PROV_NAME_MAX + 1], listener[16];
	unsigned n_targets;
	char targets[SL_TRUNK_TARGETS][SL_PROV_URI_MAX + 1];
	unsigned probe_s, probe_up, probe_down, timeout_ms;
	char register_uri[SL_PROV_URI_MAX + 1], contact_user[64], from_domain[64], username[64], realm[64];
	uint8_t ha1_md5[16], ha1_sha256[32];
	unsigned register_expires_s;
};

/* A request that leads nowhere but here: resolved, sent, answered or given up. */
struct sl_trunk_request {
	struct sl_trunk *trunk;
	sl_ask ask;           /* its target is being looked up */
	nta_leg_t *leg;       /* Call-ID and CSeq of all of its requests */
	nta_outgoing_t *orq;  /* sent */
	struct sl_timer timer; /* gives up, or begins the next one */
	struct sl_sip_hop hop;
	bool busy;            /* one is under way, from the look-up to its end */
};

struct sl_trunk_target {
	struct sl_trunk_request q; /* first: found from its timer */
	unsigned number;
	struct sl_trunk_health health;
};

struct sl_trunk_registration {
	struct sl_trunk_request q;
	bool registered;
	struct sl_ip at;     /* where */
	bool answered;       /* the last one had credentials: another 401 means that they are wrong, unless the nonce was old */
	unsigned failures;   /* in a row */
	unsigned rounds;     /* of challenges and 423s in this attempt */
	unsigned expires_s;  /* asked for: the trunk's, or what a 423 wants */
	unsigned n_challenges, nonce_count;
	bool proxy;          /* it was a 407 */
	char challenges[SL_TRUNK_CHALLENGES][SL_TRUNK_CHALLENGE_MAX];
};

struct sl_trunk {
	struct sl_trunk *next;
	struct sl_trunks *all;
	bool seen;           /* while the provisioning is compared */
	struct sl_trunk_wants wants;
	struct sl_trunk_target targets[SL_TRUNK_TARGETS];
	struct sl_trunk_registration registration;
};

struct sl_trunks {
	struct sl_sip *sip;
	struct sl_routing *routing;
	uint64_t generation;
	struct sl_trunk *trunks;
};

/* Look up uri, then call ready (hop is set) or failed. */
void sl_trunk_request_begin(struct sl_trunk_request *q, const char *uri, sl_ask_fn resolved);
/* What resolved() gets: the hop, through the trunk's listener. 0 or a negative errno. */
int sl_trunk_request_hop(struct sl_trunk_request *q, int error, const void *result);
/* Send method to uri by the hop. headers: further lines, NULL = none; contact: NULL = none. 0 or -EIO. */
int sl_trunk_request_send(struct sl_trunk_request *q, const char *uri, const char *aor, sip_method_t method, const char *method_name,
        nta_response_f *answered, const char *contact_user, const char *headers);
/* Give up what is under way. */
void sl_trunk_request_stop(struct sl_trunk_request *q);
void sl_trunk_request_free(struct sl_trunk_request *q);
void sl_trunk_request_in(struct sl_trunk_request *q, int64_t ms); /* its timer */

void sl_trunk_registration_start(struct sl_trunk *t);
void sl_trunk_registration_withdraw(struct sl_trunk *t);
void sl_trunk_registration_stop(struct sl_trunk *t);

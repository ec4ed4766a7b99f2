/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the dataplane shall have of TURN beside its users: the configuration file, what operators have set since (controlplane/turn), and
 * what user tables elsewhere say of realms. Put together once, then immutable and counted by reference: a replay reads it while the next
 * one is made. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/turn/source_set.h"
#include "dataplane/abi/msg_turn.h"

/* Who may be relayed to, beside the file. */
struct sl_turn_peer {
	char realm[SL_MSG_REALM_MAX]; /* "" = of all */
	struct sl_prefix prefix;
	bool allow;
};

/* Who may only be relayed. */
struct sl_turn_restricted {
	bool account;
	struct sl_prefix prefix;
	char realm[SL_MSG_REALM_MAX]; /* of the account; "" = of any */
	char *name;
};

/* What is in force beside the file. */
struct sl_turn_live {
	size_t n_peers, n_restricted;
	const struct sl_turn_peer *peers;       /* before those of the file */
	struct sl_turn_restricted *const *restricted; /* beside those of the file */
	const uint8_t *weights;                 /* of the file's alternates */
	struct sl_cmd_drain drain;
	const struct sl_source_set *sourced;    /* user tables (controlplane/turn/source_set.h): a realm of them that the file has not becomes one. NULL = nothing */
};

struct sl_turn_plan_restricted {
	struct sl_prefix prefix;
	uint16_t realm;
	char *name; /* NULL = a prefix */
};

struct sl_turn_plan {
	unsigned refs;
	bool on; /* there is TURN; else the rest is empty */
	struct sl_cmd_turn turn;
	struct sl_cmd_drain drain;
	size_t n_realms, n_names, n_rules, n_secrets, n_keys, n_alternates, n_restricted;
	struct sl_cmd_realm *realms;
	struct sl_cmd_realm_name *names;
	struct sl_cmd_peer_rule *rules;
	struct sl_cmd_secret *secrets;
	struct sl_cmd_oauth_key *keys;
	struct sl_cmd_alternate *alternates;
	struct sl_turn_plan_restricted *restricted;
	size_t n_left_out; /* of what user tables say: no room, or of a realm that is none */
};

/* One reference. NULL with words in text: no memory, or more than the dataplane has room for. */
struct sl_turn_plan *sl_turn_plan_new(const struct sl_conf_turn *t, const struct sl_turn_live *live, char *text, size_t text_len);
struct sl_turn_plan *sl_turn_plan_ref(struct sl_turn_plan *p);
void sl_turn_plan_unref(struct sl_turn_plan *p); /* wipes secrets with the last reference; NULL is fine */

/* Index of a realm: 0.., -1 = there is none of that name. "" = SL_TURN_ANY_REALM. */
int sl_turn_plan_realm(const struct sl_turn_plan *p, const char *name);
/* The same realms in the same order? Then users need not be told again. */
bool sl_turn_plan_same_realms(const struct sl_turn_plan *a, const struct sl_turn_plan *b);

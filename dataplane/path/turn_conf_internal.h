/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the files of the snapshot share: its layout, which others see only through turn_conf.h. */

#include <stdatomic.h>

#include "dataplane/path/turn_conf.h"
#include "dataplane/path/turn_restricted.h"
#include "dataplane/path/turn_rules.h"
#include "dataplane/path/turn_users.h"

struct sl_turn_realm {
	struct sl_cmd_realm told;
	uint32_t tag;
	uint32_t first_secret, n_secrets;
	struct sl_turn_rules *rules; /* NULL: it has none */
};

/* What a draft says of realms and policy: the same from one COMMIT to the next; its refs: snapshots, and the builder. */
struct sl_turn_base {
	_Atomic uint32_t refs;
	struct sl_cmd_turn settings;
	unsigned n_realms;
	struct sl_turn_realm *realms;
	uint16_t listener_realm[32];
	unsigned n_secrets;
	struct sl_cmd_secret *secrets; /* by realm */
	unsigned n_rules;
	struct sl_cmd_peer_rule *rules; /* as they were told: by realm in their order, then those of all */
	struct sl_turn_rules *rules_of_all;
	unsigned n_names;
	struct sl_cmd_realm_name *names; /* sorted: sl_turn_compare_names() */
	unsigned n_oauth_keys;
	struct sl_cmd_oauth_key *oauth_keys;
	uint64_t policy, realms_version; /* snapshots with equal numbers have equal rules, or realms */
	bool limits;
};

struct sl_turn_conf {
	struct sl_turn_base *base;
	struct sl_turn_users *users;
	struct sl_turn_restricted *restricted;
	unsigned n_alternates;
	struct sl_cmd_alternate alternates[SL_TURN_MAX_ALTERNATES];
	struct sl_cmd_drain drain;
};

/* Order of names, for bsearch(): kind, length, bytes. */
int sl_turn_compare_names(const void *a, const void *b);

/* ---- dataplane/turn_conf_draft.c: what lies between BEGIN and COMMIT. Housekeeper ---- */

struct sl_turn_list { /* of items of one kind */
	void *items;
	unsigned n, room;
};

struct sl_turn_draft {
	bool has_settings, keep_users, realms_done;
	struct sl_cmd_turn settings;
	struct sl_turn_list realms, secrets, rules, names, oauth_keys;
	unsigned n_alternates;
	struct sl_cmd_alternate alternates[SL_TURN_MAX_ALTERNATES];
	struct sl_turn_restricted_list *restricted;
	struct sl_turn_users *users; /* NULL with keep_users until one of them changes */
};

struct sl_turn_draft *sl_turn_draft_new(const struct sl_siphash_key *key, bool keep_users);
void sl_turn_draft_free(struct sl_turn_draft *d); /* wipes secrets */
/* Every item of a draft but users: 0 or negative errno with words in *why. */
int sl_turn_draft_add(struct sl_turn_draft *d, const struct sl_command *cmd, const char **why);
/* The base that it makes, held once; live: what is published (its numbers go on), or NULL. NULL without memory. */
struct sl_turn_base *sl_turn_draft_base(const struct sl_turn_draft *d, const struct sl_turn_base *live);
void sl_turn_base_release(struct sl_turn_base *b); /* NULL is fine */

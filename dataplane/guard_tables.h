/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The housekeeper's side of the guard: what workers go by (dp->guard, bans, marks, meters, pressure), who may change it, and its figures in the
 * region. Until a control plane has told a policy, the group `guard` of the configuration is in force.
 *
 * Policy, bans, lists and meters have one owner: the client whose GUARD_POLICY was carried out, until it detaches. What it told stays; whoever
 * tells a policy next owns them. While nobody does, anybody's bans, lists and meters are taken. Owner: the housekeeper thread; time is an argument. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/server.h"
#include "dataplane/dataplane.h"
#include "dataplane/guard_lists.h"

struct sl_guard_tables {
	struct sl_dataplane *dp;
	struct sl_guard_lists lists;
	struct sl_cmd_guard_policy told; /* in force */
	struct sl_prefixes *prefixes;    /* in force; NULL = none */
	int owner;                       /* slot; -1 = nobody */
	uint8_t percent[SL_MAX_CLIENTS]; /* of GUARD_PRESSURE; 100 = none */
	uint64_t fixed_bytes;            /* of bans, marks and meters, and of the workers' own tables */
};

/* Make bans, marks and meters, and publish what the configuration says. Before any worker is made; signals are blocked. zalloc: memory for ever,
 * NULL = the process's. now_ms: CLOCK_MONOTONIC, here and below. 0, or negative errno with words in err. */
int sl_guard_tables_init(struct sl_guard_tables *g, struct sl_dataplane *dp, uint64_t now_ms, void *(*zalloc)(const char *what, size_t bytes),
	char *err, size_t err_len);

/* Is a command for this module? */
bool sl_guard_tables_has(uint32_t type);
/* Carry out a command that was validated. 0, or negative errno with words: -EBUSY another client owns the guard; -ENOSPC some of it had no place. */
int sl_guard_tables_apply(struct sl_guard_tables *g, unsigned slot, const struct sl_command *cmd, uint64_t now_ms, char *text, size_t text_len);
/* sl_abi_server_ops.guard_list */
int sl_guard_tables_offer(struct sl_guard_tables *g, unsigned slot, uint32_t seq, int memfd, size_t bytes, char *text, size_t text_len);
/* A client was attached or went away. */
void sl_guard_tables_client_changed(struct sl_guard_tables *g, unsigned slot);
/* A reloaded configuration's policy and list: in force now, unless a control plane owns the guard, which reads the same file and tells. The list is
 * taken either way. */
void sl_guard_tables_reconfigure(struct sl_guard_tables *g, const struct sl_cmd_guard_policy *policy, struct sl_guard_job *list);
/* Once a millisecond or so: lists that were built come into force, a part of the bans and marks is looked through, the region's figures.
 * A thread registered with RCU that is offline. */
void sl_guard_tables_turn(struct sl_guard_tables *g, uint64_t now_ms);

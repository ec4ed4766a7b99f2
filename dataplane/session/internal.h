/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#pragma once

/* What the files of the sessions share among themselves. */

#include "dataplane/session/alloc.h"

/* Longest expiry believed of a cold record, and granted at all: a day. */
enum { SL_SESSIONS_MAX_LIFETIME_S = 86400 };

/* Hot slots and their cold records; indices are valid ones. */
void sl_peer_cold_write(struct sl_sessions *s, uint32_t peer);
/* Put a filled-in peer record in its allocation's chain, and the address in the known index when it is new there. */
void sl_peer_link(struct sl_sessions *s, uint32_t peer);
/* Drop every record of the allocation. */
void sl_peers_drop_all(struct sl_sessions *s, uint32_t alloc);
/* Drop every record of an address of this family. */
void sl_peers_drop_family(struct sl_sessions *s, uint32_t alloc, bool v4);
/* Drop what has expired; the soonest expiry left, UINT32_MAX if none. */
uint32_t sl_peers_expire(struct sl_sessions *s, uint32_t alloc, uint32_t now_s);
/* Make the inline cache of channels say what the chain says. */
void sl_channels_cache(struct sl_sessions *s, uint32_t alloc);
/* See to it that the wheel looks at the allocation no later than due_s. */
void sl_alloc_arm_by(struct sl_sessions *s, uint32_t alloc, uint32_t due_s);
/* Enter a filled-in allocation into flow table, port index, known index and wheel. 0 or -ENOSPC. */
int sl_alloc_link(struct sl_sessions *s, uint32_t alloc);
/* Chain every free slot, lowest first, and count the others. */
void sl_sessions_chain_free(struct sl_sessions *s);

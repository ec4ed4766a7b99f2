/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Commands that control planes send to the housekeeper: validated, carried out, answered each by an ACK. Owner: the
 * housekeeper thread. */

#include "dataplane/abi/editor.h"
#include "dataplane/abi/server.h"
#include "dataplane/dataplane.h"
#include "dataplane/guard_tables.h"
#include "dataplane/path/turn_conf.h"

struct sl_provision {
	struct sl_dataplane *dp;
	struct sl_guard_tables *guard;
	struct sl_turn_conf_builder *builder;
	struct sl_editor editor;
};

/* 0 or -ENOMEM. */
int sl_provision_init(struct sl_provision *p, struct sl_dataplane *dp, struct sl_guard_tables *guard);
/* Carry out what waits, a bounded number a call, drop a draft whose editor has fallen silent, and publish what changed.
 * True when there was something. */
bool sl_provision_poll(struct sl_provision *p);
/* A client was attached or went away: what it left half done is dropped; what it published stays, without an owner. */
void sl_provision_client_changed(struct sl_provision *p, unsigned slot);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Which control plane may write TURN's provisioning. There is one published snapshot, so it has one owner: the
 * client whose COMMIT was carried out, until it detaches. Before that, and after an owner went, the client between
 * BEGIN and COMMIT has the word. Owner of the state: the housekeeper; time is an argument. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/region.h"

enum { SL_EDITOR_SILENT_MS = 5000 }; /* a draft whose editor sends nothing for this long is dropped */

struct sl_editor {
	int owner;        /* slot, -1 = nobody */
	int editing;      /* slot between BEGIN and COMMIT, -1 = nobody */
	uint64_t last_ms; /* last command of the slot that edits */
	uint32_t expired; /* bit per slot whose draft was dropped: what belongs to it is refused until it begins anew */
};

void sl_editor_init(struct sl_editor *e);

/* May the client in slot have this command to the housekeeper carried out? owner_name: of slot e->owner, read only
 * while somebody owns. 0; -EBUSY: another client owns TURN's provisioning; -EAGAIN: another one is between BEGIN
 * and COMMIT; -ETIMEDOUT: it belongs to a draft dropped meanwhile. With words in text unless 0. */
int sl_editor_admit(struct sl_editor *e, unsigned slot, uint32_t type, const char *owner_name, char *text, size_t text_len);

/* A command that was admitted has been carried out (rc of it). */
void sl_editor_done(struct sl_editor *e, unsigned slot, uint32_t type, int rc, uint64_t now_ms);

/* The client in slot has gone, or a new one came. True when a draft is to be dropped. */
bool sl_editor_gone(struct sl_editor *e, unsigned slot);

/* Call after the commands that waited were carried out. True when a draft is to be dropped: *slot says whose. */
bool sl_editor_expire(struct sl_editor *e, uint64_t now_ms, unsigned *slot);

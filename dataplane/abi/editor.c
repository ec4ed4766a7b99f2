/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/editor.h"

#include <errno.h>
#include <stdio.h>

enum { NOBODY = -1 };

void sl_editor_init(struct sl_editor *e)
{
	*e = (struct sl_editor){.owner = NOBODY, .editing = NOBODY};
}

int sl_editor_admit(struct sl_editor *e, unsigned slot, uint32_t type, const char *owner_name, char *text, size_t text_len)
{
	if (e->owner != NOBODY && e->owner != (int)slot) {
		snprintf(text, text_len, "TURN is provisioned by '%s'", owner_name);
		return -EBUSY;
	}
	if (e->editing != NOBODY && e->editing != (int)slot) {
		snprintf(text, text_len, "another control plane is between CONFIG_BEGIN and CONFIG_COMMIT; try again");
		return -EAGAIN;
	}
	if (type == SL_CMD_CONFIG_BEGIN)
		e->expired &= ~(1u << slot);
	/* A user set now would change what is published, and was meant for what was dropped. */
	if (e->expired & 1u << slot) {
		snprintf(text, text_len, "the draft was dropped after %d ms of silence: CONFIG_BEGIN anew",
		        SL_EDITOR_SILENT_MS);
		return -ETIMEDOUT;
	}
	return 0;
}

void sl_editor_done(struct sl_editor *e, unsigned slot, uint32_t type, int rc, uint64_t now_ms)
{
	if (e->editing == (int)slot)
		e->last_ms = now_ms;
	if (rc < 0)
		return;
	if (type == SL_CMD_CONFIG_BEGIN) {
		e->editing = (int)slot;
		e->last_ms = now_ms;
	} else if (type == SL_CMD_CONFIG_COMMIT) {
		e->editing = NOBODY;
		e->owner = (int)slot;
	}
}

bool sl_editor_gone(struct sl_editor *e, unsigned slot)
{
	bool drop = e->editing == (int)slot;

	e->expired &= ~(1u << slot);
	if (drop)
		e->editing = NOBODY;
	if (e->owner == (int)slot)
		e->owner = NOBODY;
	return drop;
}

bool sl_editor_expire(struct sl_editor *e, uint64_t now_ms, unsigned *slot)
{
	if (e->editing == NOBODY || now_ms < e->last_ms + SL_EDITOR_SILENT_MS)
		return false;
	*slot = (unsigned)e->editing;
	e->expired |= 1u << *slot;
	e->editing = NOBODY;
	return true;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What stands on TURN in the brain: the desk (live settings), and what the workers tell. */

#include "controlplane/brain.h"

#include "controlplane/turn/desk.h"
#include "dataplane/abi/log.h"

static void quota(void *ctx, const struct sl_evt_turn_quota *e)
{
	struct sl_brain *b = ctx;

	sl_desk_quota(b->desk, e);
}

static const struct sl_dp_turn_ops turn_ops = {.quota = quota};

int sl_brain_open_turn(struct sl_brain *b, int (*desired)(void *ctx, struct sl_desired *out))
{
	struct sl_desk_options o = {.config = b->config, .dp = b->dp, .store = b->store, .mail = b->mail, .desired = desired, .ctx = b};
	char text[240] = "no memory";

	b->desk = sl_desk_new(&o, text, sizeof text);
	if (!b->desk) {
		sl_log(SL_LOG_ERROR, "TURN: %s", text);
		return -1;
	}
	sl_dp_set_turn(b->dp, &turn_ops, b);
	b->source_users_known = true;
	return 0;
}

void sl_brain_tick_turn(struct sl_brain *b, int64_t now_ms)
{
	sl_desk_tick(b->desk, now_ms);
}

void sl_brain_reconfigure_turn(struct sl_brain *b)
{
	sl_desk_reconfigure(b->desk, b->config);
}

void sl_brain_leave_turn(struct sl_brain *b)
{
	sl_desk_leave(b->desk);
}

void sl_brain_close_turn(struct sl_brain *b)
{
	sl_desk_free(b->desk);
	b->desk = NULL;
}

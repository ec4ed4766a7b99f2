/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/control.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/abi/validate.h"
#include "dataplane/path/media.h"

enum {
	COMMANDS_PER_MS = 128,
	LIST_PER_MS = 32, /* allocations told per client and millisecond */
	LIST_SCAN = 4096, /* slots looked at for them */
};

void sl_control_allocation_event(void *ctx, unsigned alloc, unsigned change, unsigned end)
{
	struct sl_worker *w = ctx;
	struct sl_event evt = {.h.type = SL_EVT_ALLOCATION};
	sl_turn_describe(&w->turn, alloc, w->now.s, &evt.allocation);
	evt.allocation.change = (uint8_t)change;
	evt.allocation.end = (uint8_t)end;
	sl_abi_worker_post(&w->abi, &evt);
}

static void start_list(struct sl_worker *w, unsigned slot, uint32_t seq)
{
	w->listing |= 1u << slot;
	w->list[slot].next = 0;
	w->list[slot].seq = seq;
}

/* A worker's commands about media are answered when they are refused: the client would wait for media in vain. */
static void refuse(struct sl_worker *w, unsigned slot, const struct sl_command *cmd, int error, const char *text)
{
	struct sl_event evt = {.h = {.type = SL_EVT_ACK, .seq = cmd->h.seq}, .ack.error = error};
	sl_count(w, SL_C_commands_refused, 1);
	if (cmd->h.type < SL_CMD_LEG_SET)
		return;
	snprintf(evt.ack.text, sizeof evt.ack.text, "%s", text);
	(void)sl_abi_worker_post_to(&w->abi, slot, &evt);
}

static void command(struct sl_worker *w, unsigned slot, const struct sl_command *cmd)
{
	char text[sizeof(((struct sl_evt_ack *)0)->text)];
	int rc = sl_command_validate(cmd, text, sizeof text);
	if (rc < 0) {
		refuse(w, slot, cmd, rc, text);
		return;
	}
	if (cmd->h.type == SL_CMD_GUARD_QUERY || cmd->h.type == SL_CMD_GUARD_SAMPLE) {
		sl_guard_command(w, slot, cmd);
		sl_count(w, SL_C_commands, 1);
		return;
	}
	if (cmd->h.type >= SL_CMD_LEG_SET && sl_command_is_for_worker(cmd->h.type)) {
		rc = sl_media_command(w, slot, cmd, text, sizeof text);
		if (rc < 0)
			refuse(w, slot, cmd, rc, text);
		else
			sl_count(w, SL_C_commands, 1);
		return;
	}
	switch (cmd->h.type) {
	case SL_CMD_ALLOCATION_LIST:
		start_list(w, slot, cmd->h.seq);
		break;
	case SL_CMD_ALLOCATION_DELETE:
		if (sl_turn_delete(&w->turn, cmd->allocation.id) < 0) {
			sl_count(w, SL_C_commands_refused, 1);
			return;
		}
		break;
	default: /* a housekeeper's command in a worker's ring */
		sl_count(w, SL_C_commands_refused, 1);
		return;
	}
	sl_count(w, SL_C_commands, 1);
}

/* Tell slot about some more allocations. A full ring ends the turn: the client reads, the next millisecond goes on. */
static void go_on_listing(struct sl_worker *w, unsigned slot)
{
	struct sl_event evt = {.h = {.type = SL_EVT_ALLOCATION, .seq = w->list[slot].seq}};
	unsigned told = 0, *next = &w->list[slot].next;
	for (unsigned seen = 0; *next < w->sessions.n_allocs && told < LIST_PER_MS && seen < LIST_SCAN; ++*next, seen++) {
		if (w->sessions.allocs[*next].expires_s <= w->now.s)
			continue;
		sl_turn_describe(&w->turn, *next, w->now.s, &evt.allocation);
		evt.allocation.change = SL_ALLOC_STATE;
		if (sl_abi_worker_offer(&w->abi, slot, &evt) < 0)
			return;
		told++;
	}
	if (*next < w->sessions.n_allocs)
		return;
	struct sl_event end = {.h = {.type = SL_EVT_LIST_END, .seq = w->list[slot].seq}};
	if (sl_abi_worker_offer(&w->abi, slot, &end) == 0)
		w->listing &= ~(1u << slot);
}

void sl_control(struct sl_worker *w)
{
	struct sl_command cmd;
	unsigned slot;
	sl_abi_worker_poll(&w->abi);
	w->listing &= w->abi.attached;
	for (unsigned i = 0; i < COMMANDS_PER_MS && !sl_media_is_sweeping(w) && sl_abi_worker_pop_command(&w->abi, &slot, &cmd); i++)
		command(w, slot, &cmd);
	explicit_bzero(&cmd, sizeof cmd.h + sizeof cmd.leg); /* keys pass through it */
	for (unsigned bits = w->listing; bits; bits &= bits - 1)
		go_on_listing(w, (unsigned)__builtin_ctz(bits));
	w->counters[SL_C_allocations_active] = w->sessions.n_active;
	w->counters[SL_C_permissions_active] = w->sessions.n_peers_active;
}

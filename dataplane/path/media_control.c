/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Commands for media, and what is told about legs. */

#include "dataplane/path/media.h"

#include <errno.h>
#include <stdio.h>

#include "dataplane/path/media_source.h"

enum {
	LIST_PER_MS = 32,  /* legs told per client and millisecond */
	LIST_SCAN = 4096,  /* slots looked at for them */
	SWEEP_PER_MS = 128, /* legs ended, as many as commands could */
	ROUND_MS = 1000,   /* in which every leg is looked at once */
};

static void post(struct sl_worker *w, uint32_t leg, enum sl_leg_change change, uint32_t seq)
{
	struct sl_event evt = {.h = {.type = SL_EVT_LEG, .seq = seq}};
	sl_media_describe(w->media->tables, leg, w->now.ms, &evt.leg);
	evt.leg.change = (uint8_t)change;
	(void)sl_abi_worker_post_to(&w->abi, w->media->tables->more[leg].slot, &evt);
}

void sl_media_event(struct sl_worker *w, uint32_t leg, enum sl_leg_change change)
{
	post(w, leg, change, 0);
}

static void end_leg(struct sl_worker *w, uint32_t leg, uint32_t seq)
{
	post(w, leg, SL_LEG_ENDED, seq);
	sl_playout_forget(w, leg);
	sl_media_known(w, leg, true);
	sl_media_leg_delete(w->media->tables, leg);
	sl_count(w, SL_C_legs_deleted, 1);
}

static int set_leg(struct sl_worker *w, unsigned slot, const struct sl_cmd_leg *c, char *text, size_t text_len)
{
	struct sl_media *m = w->media->tables;
	bool is_new = sl_media_leg(m, &c->leg) == SL_NONE;
	int rc = sl_media_leg_set(m, slot, w->abi.epoch[slot], c, w->now.ms, text, text_len);
	if (rc < 0)
		return rc;
	sl_count(w, SL_C_legs_created, is_new && rc == 0);
	sl_count(w, SL_C_legs_restored, rc == 1);
	sl_media_known(w, sl_media_leg(m, &c->leg), false);
	return 0;
}

/* Legs of this client that it has not set since it attached, and those from before a restart that nobody claimed. */
static void go_on_sweeping(struct sl_worker *w)
{
	struct sl_media *m = w->media->tables;
	uint32_t *next = &w->media->sweeping.next;
	unsigned slot = w->media->sweeping.slot, ended = 0;
	w->media->sweeping.on = w->abi.epoch[slot] == w->media->sweeping.epoch; /* else its next attachment sweeps */
	for (unsigned seen = 0; w->media->sweeping.on && seen < LIST_SCAN && ended < SWEEP_PER_MS; ++*next, seen++) {
		if (*next >= m->n_legs) {
			w->media->sweeping.on = false;
			return;
		}
		const struct sl_leg_more *more = &m->more[*next];
		bool used = m->rx[*next].state & SL_RX_USED;
		if (!more->id || more->slot != slot || (used && more->epoch == w->abi.epoch[slot]))
			continue;
		if (used)
			end_leg(w, *next, 0);
		else
			sl_media_leg_delete(m, *next);
		ended++;
	}
}

static void sweep(struct sl_worker *w, unsigned slot)
{
	w->media->sweeping.next = 0;
	w->media->sweeping.epoch = w->abi.epoch[slot];
	w->media->sweeping.slot = (uint8_t)slot;
	go_on_sweeping(w);
}

static int set_tap(struct sl_worker *w, unsigned slot, uint32_t leg, const struct sl_cmd_tap *c, bool on)
{
	struct sl_leg_more *more = &w->media->tables->more[leg];
	more->tap = on ? c->tap : 0;
	more->tap_what = on ? c->what : 0;
	more->tap_slot = (uint8_t)slot;
	more->tap_lost = 0;
	sl_media_note_slow(w->media->tables, leg);
	return 0;
}

/* Commands about one leg, which is this client's. */
static int leg_command(struct sl_worker *w, unsigned slot, uint32_t leg, const struct sl_command *cmd, char *text,
	size_t text_len)
{
	int rc = 0;
	switch (cmd->h.type) {
	case SL_CMD_LEG_DELETE:
		end_leg(w, leg, cmd->h.seq);
		return 0;
	case SL_CMD_LEG_QUERY:
		post(w, leg, SL_LEG_STATE, cmd->h.seq);
		return 0;
	case SL_CMD_DTMF_SEND:
		rc = sl_playout_dtmf(w, leg, &cmd->dtmf, text, text_len);
		break;
	case SL_CMD_PLAY_START:
		rc = sl_playout_start(w, leg, &cmd->play, text, text_len);
		break;
	case SL_CMD_PLAY_STOP:
		sl_playout_stop(w, leg);
		break;
	case SL_CMD_TAP_SET:
	case SL_CMD_TAP_CLEAR:
		return set_tap(w, slot, leg, &cmd->tap, cmd->h.type == SL_CMD_TAP_SET);
	default:
		return -EINVAL;
	}
	sl_media_note_slow(w->media->tables, leg);
	return rc;
}

static void start_list(struct sl_worker *w, unsigned slot, uint32_t seq)
{
	w->media->listing |= 1u << slot;
	w->media->list[slot].next = 0;
	w->media->list[slot].seq = seq;
}

int sl_media_command(struct sl_worker *w, unsigned slot, const struct sl_command *cmd, char *text, size_t text_len)
{
	struct sl_media *m = w->media ? w->media->tables : NULL;
	text[0] = 0;
	if (!m) {
		snprintf(text, text_len, "the configuration has no media addresses");
		return -ENOTSUP;
	}
	switch (cmd->h.type) {
	case SL_CMD_LEG_SET:
		return set_leg(w, slot, &cmd->leg, text, text_len);
	case SL_CMD_LEG_LIST:
		start_list(w, slot, cmd->h.seq);
		return 0;
	case SL_CMD_LEGS_SWEEP:
		sweep(w, slot);
		return 0;
	case SL_CMD_ROUTE_ADD:
		return sl_media_route_add(m, slot, &cmd->route);
	case SL_CMD_ROUTE_DELETE:
		return sl_media_route_delete(m, slot, &cmd->route);
	default:
		break;
	}
	uint32_t leg = sl_media_leg(m, &cmd->leg_ref); /* each of them begins with it */
	if (leg == SL_NONE || m->more[leg].slot != slot) {
		snprintf(text, text_len, "leg: there is none of that port and id");
		return -ENOENT;
	}
	return leg_command(w, slot, leg, cmd, text, text_len);
}

/* ---- once a millisecond ---- */

static void go_on_listing(struct sl_worker *w, unsigned slot)
{
	struct sl_media *m = w->media->tables;
	uint32_t seq = w->media->list[slot].seq, *next = &w->media->list[slot].next;
	unsigned told = 0;
	for (unsigned seen = 0; *next < m->n_legs && told < LIST_PER_MS && seen < LIST_SCAN; ++*next, seen++) {
		if (!(m->rx[*next].state & SL_RX_USED) || m->more[*next].slot != slot)
			continue;
		struct sl_event evt = {.h = {.type = SL_EVT_LEG, .seq = seq}};
		sl_media_describe(m, *next, w->now.ms, &evt.leg);
		evt.leg.change = SL_LEG_STATE;
		if (sl_abi_worker_offer(&w->abi, slot, &evt) < 0)
			return; /* the ring is full: the client reads, the next millisecond goes on */
		told++;
	}
	struct sl_event end = {.h = {.type = SL_EVT_LIST_END, .seq = seq}};
	if (*next >= m->n_legs && sl_abi_worker_offer(&w->abi, slot, &end) == 0)
		w->media->listing &= ~(1u << slot);
}

static void look_at(struct sl_worker *w, uint32_t leg)
{
	struct sl_media *m = w->media->tables;
	struct sl_leg_more *more = &m->more[leg];
	if (!(m->rx[leg].state & SL_RX_USED))
		return;
	uint32_t idle = (uint32_t)w->now.ms - m->rx[leg].last_ms;
	bool inactive = more->inactivity_ms && idle >= more->inactivity_ms;
	if (inactive && !more->inactive_told) {
		sl_count(w, SL_C_legs_inactive, 1);
		sl_media_event(w, leg, SL_LEG_INACTIVE);
	}
	more->inactive_told = inactive;
	sl_media_cold_note(m, leg);
}

void sl_media_tick(struct sl_worker *w)
{
	struct sl_media_work *work = w->media;
	if (work->sweeping.on)
		go_on_sweeping(w);
	work->listing &= w->abi.attached;
	for (unsigned bits = work->listing; bits; bits &= bits - 1)
		go_on_listing(w, (unsigned)__builtin_ctz(bits));
	uint32_t n = work->tables->n_legs, some = n / ROUND_MS + 1;
	for (uint32_t i = 0; i < some; i++, work->sweep = work->sweep + 1 < n ? work->sweep + 1 : 0)
		look_at(w, work->sweep);
	sl_playout_tick(w);
	sl_media_flush(w);
	w->counters[SL_C_legs_active] = work->tables->n_active;
}

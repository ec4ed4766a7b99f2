/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Media legs of the fake dataplane: its workers keep what they are told, and answer as the contract says. No packet moves;
 * a test says what was received. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/abi/msg.h"

enum { FAKE_LEGS_MAX = 512, FAKE_ROUTES_MAX = 512, FAKE_CLIPS_MAX = 64 };

struct fake;

struct fake_leg {
	struct sl_cmd_leg set; /* leg.id 0 = free */
	unsigned worker, slot;
	uint32_t epoch;        /* of the slot when it was set last */
	struct sl_evt_leg told; /* counts, addresses: what a test put there */
	unsigned n_sets;
	struct sl_cmd_play play; /* clip 0 = none */
	struct sl_cmd_tap tap;   /* tap 0 = none */
	unsigned n_dtmf;
	struct sl_cmd_dtmf dtmf; /* the last one */
};

struct fake_legs {
	struct fake_leg legs[FAKE_LEGS_MAX];
	struct sl_cmd_route routes[FAKE_ROUTES_MAX]; /* from.id 0 = free */
	uint32_t clips[FAKE_CLIPS_MAX]; /* 0 = free */
	unsigned n_commands, n_sweeps, n_refused; /* since the fake was made */
	unsigned n_restored; /* LEG_SETs of legs that this working half did not have */
	bool silent;         /* LEG_QUERY and LEG_DELETE stay unanswered */
};

/* All with the lock held. */
void fake_legs_command(struct fake *f, unsigned worker, unsigned slot, const struct sl_command *c);
int fake_legs_clip(struct fake *f, uint32_t clip, int memfd);
void fake_legs_died(struct fake *f); /* the working half: its legs are gone */

unsigned fake_n_legs(const struct fake *f);
unsigned fake_n_routes(const struct fake *f);
struct fake_leg *fake_leg_on(struct fake *f, uint16_t port); /* by local RTP port; NULL */
bool fake_has_route(const struct fake *f, uint16_t from_port, uint16_t to_port);
/* Tell the control plane something about a leg: the counts are l->told's. */
void fake_leg_event(struct fake *f, struct fake_leg *l, enum sl_leg_change change, uint32_t seq);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The TURN client of every session: long-term credentials (RFC 8489 9.2), Allocate, ChannelBind, Refresh (RFC 8656).
 * One state machine a session, a bounded number of transactions under way, retransmission as in RFC 8489 6.2.1.
 * Runs on the generator's one thread; time is TSC cycles, given by the caller. */

#include <stdbool.h>
#include <stdint.h>

#include "bench/pktgen/ports.h"
#include "bench/pktgen/stats.h"
#include "dataplane/wire/stun.h"

/* SETUP takes a session to where it can be loaded: an allocation with a channel (with --send: a permission). JOIN is the same, evenly over join_cycles.
 * Those after RELEASE are one kind of request each: ALLOCATE without credentials first, 401, then with them; AGAIN with the nonce known from before.
 * From JOIN on a refusal is counted; in the others it ends the run. */
enum turn_goal {
	GOAL_IDLE,
	GOAL_SETUP,
	GOAL_KEEP,
	GOAL_RELEASE,
	GOAL_JOIN,
	GOAL_ALLOCATE,
	GOAL_AGAIN,
	GOAL_REFRESH,
	GOAL_PERMIT,
	GOAL_BIND,
	GOAL_DELETE
};

enum { TURN_ERROR_CODES = 700 };

struct turn_session;

struct turn_client {
	const struct options *o;
	struct ports *ports;
	struct turn_session *sessions;
	uint32_t *under_way; /* session numbers, setup_window at most */
	uint32_t n_under_way;
	uint32_t next, done; /* of the present goal */
	enum turn_goal goal;
	uint64_t hz, next_scan, keep_start;
	uint64_t random;

	uint8_t key[16];
	char realm[256];
	bool has_key;
	struct sl_stun_crypto crypto;

	uint64_t transactions, retransmits;
	uint64_t answers, bad_integrity; /* one answer in SAMPLE_ANSWERS is authenticated */
	uint64_t join_cycles;       /* a goal's sessions begin evenly over so long; 0 = as many as the window takes */
	uint32_t n_failed;          /* since the goal began, as all below */
	uint32_t n_unanswered;
	uint32_t errors[TURN_ERROR_CODES]; /* by code */
	struct histogram took;      /* of who succeeded: from the first request to the last answer, cycles */
	struct turn_client *others; /* another crowd on the same port: gets what is none of ours */
	bool failed;
	char error[256];
};

/* hz: TSC cycles a second. 0 or -1, after a message. */
int turn_client_init(struct turn_client *c, const struct options *o, struct ports *ports, uint64_t hz);
void turn_client_fini(struct turn_client *c);

/* Begin taking all sessions to the goal; what is under way goes on, so let GOAL_IDLE finish it first where a session
 * must not be passed over. GOAL_KEEP goes round and round, each session once in KEEP_S seconds. */
void turn_client_begin(struct turn_client *c, enum turn_goal goal, uint64_t now);

/* Start, retransmit and give up what is due. Cheap when nothing is; false when the set-up has failed (c->error). */
bool turn_client_step(struct turn_client *c, uint64_t now);
static inline bool turn_client_done(const struct turn_client *c)
{
	return c->done >= c->o->sessions && c->n_under_way == 0;
}

/* A UDP payload that arrived for one of the clients. True when it was STUN. */
bool turn_client_input(struct turn_client *c, const uint8_t *msg, unsigned len, uint64_t now);

/* The relayed transport address of session i, after set-up. */
const struct sl_endpoint *turn_client_relayed(const struct turn_client *c, uint32_t i);

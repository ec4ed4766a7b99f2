/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Messages of the contract about the guard (dataplane/guard/README.md says what it promises).
 *
 * The housekeeper gets the policy, single-address bans, marks of trusted SIP sources, pressure and tenants' meters; lists of
 * prefixes come whole, as a sealed memfd over the attach socket (struct sl_guard_list). Each is idempotent: a replay after either
 * process died is the same messages again. Policy, bans, lists and meters have one owner among the clients: the first whose
 * GUARD_POLICY is carried out while it stays attached; others get -EBUSY. Until somebody has told a policy, the dataplane goes
 * by the group `guard` of its own configuration. Marks and pressure are every client's own.
 *
 * Workers tell what they see by EVENT_GUARD_* and answer GUARD_QUERY; samples of dropped packets come by the bulk ring. */

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"

/* X(NAME, number, "name", help): what an unknown packet is charged as. A packet of a known session is charged nowhere. */
#define SL_GUARD_CLASSES(X)                                                                                                    \
	X(STUN, 0, "stun", "to a TURN listener, from a client without an allocation")                                          \
	X(RELAY, 1, "relay", "to a relay port, from an address without a permission")                                          \
	X(MEDIA, 2, "media", "to a media port, from elsewhere than the leg's remote end")                                      \
	X(SIP, 3, "sip", "to a SIP listener, from a source that is neither registered nor a trunk")                            \
	X(PROVISIONAL, 4, "sip-provisional", "to a SIP listener, from a source that was challenged and has not answered yet") \
	X(KNOWN, 5, "sip-known", "to a SIP listener, from a source that is registered or a trunk: a limit of its own, so that whoever forges " \
				 "its address gains little")                                                                    \
	X(OTHER, 6, "other", "anything else for Linux, and fragments")
enum sl_guard_class {
#define X(NAME, number, name, help) SL_GUARD_##NAME = number,
	SL_GUARD_CLASSES(X)
#undef X
	SL_GUARD_N_CLASSES
};

/* X(NAME, number, "name", help): what is done with what exceeds a limit. */
#define SL_GUARD_ACTIONS(X)                                                                                                    \
	X(LIMIT, 0, "limit", "what exceeds the limit is dropped: the source keeps its rate")                                   \
	X(DROP, 1, "drop", "all of it is dropped for as long as it exceeds the limit")                                         \
	X(CHALLENGE, 2, "challenge", "SIP: beyond the limit every request is challenged, also over trusted flows")             \
	X(REFUSE, 3, "refuse", "SIP: beyond the limit every request is answered 503 with Retry-After")                         \
	X(DELAY, 4, "delay", "SIP: beyond the limit answers are held back")
enum sl_guard_action {
#define X(NAME, number, name, help) SL_GUARD_DO_##NAME = number,
	SL_GUARD_ACTIONS(X)
#undef X
	SL_GUARD_N_ACTIONS
};

/* The levels at which unknown sources are counted: addresses (of IPv6: /64), prefixes (/24, /48), wide prefixes (/16, /32); TOTAL
 * is all of a rule together. */
enum sl_guard_level { SL_GUARD_SOURCE, SL_GUARD_PREFIX, SL_GUARD_WIDE, SL_GUARD_N_LEVELS, SL_GUARD_TOTAL = SL_GUARD_N_LEVELS };

/* Their lengths, of the 16-byte form. */
static inline unsigned sl_guard_level_bits(bool v4, unsigned level)
{
	static const uint8_t bits[2][SL_GUARD_N_LEVELS] = {{64, 48, 32}, {128, 120, 112}};
	return bits[v4][level];
}

enum {
	SL_GUARD_MAX_RULES = 32,
	SL_GUARD_ANY = 0xffff,       /* a rule of every listener that has none of its own */
	SL_GUARD_HARD = 8,           /* times the limit: what the control plane answers (challenge, 503, delay) is dropped beyond this */
	SL_GUARD_MAX_PPS = 1 << 26,
	SL_GUARD_BANS_MAX = 1 << 16, /* single addresses banned at a time */
	SL_GUARD_LIST_MAX = 1 << 18, /* prefixes in a list */
	SL_GUARD_BANS_PER_MSG = 32,
	SL_GUARD_MARKS_PER_MSG = 16,
	SL_GUARD_MAX_METERS = 4096,  /* tenants with limits of their own */
	SL_GUARD_SAMPLES_MAX = 4096,
	SL_GUARD_SIGNALS_PER_MSG = 8,
};

/* Limits of one class, maybe of one listener. The rule that names the listener is used before the class's own; a class without
 * a rule has no limits. Rates are per worker that receives the packets, in packets a second; 0 = no limit. About one second's
 * worth may come at once. */
struct sl_guard_rule {
	uint8_t guard_class; /* enum sl_guard_class */
	uint8_t action;      /* enum sl_guard_action */
	uint16_t listener;   /* index into turn.listeners, turn.relay_addresses, media.addresses or sip.listeners, as the class has it */
	uint32_t pps[SL_GUARD_N_LEVELS];
	uint32_t total_pps;
};

/* GUARD_POLICY */
struct sl_cmd_guard_policy {
	uint8_t enabled;  /* 0: nothing but shape is checked */
	uint8_t dry_run;  /* what would be dropped is counted and told, and passes */
	uint16_t reflection_percent; /* an unauthenticated answer's bytes on the wire, of its request's; 0 = not bounded */
	uint32_t allocations_per_source, allocations_per_prefix; /* TURN allocations at a time; /64 and /48 of IPv6; 0 = no limit */
	/* Of each allocation and each leg, both directions apart; 0 = no limit. */
	uint32_t turn_session_pps, turn_session_kbps, media_session_pps, media_session_kbps;
	uint32_t turn_pps, turn_kbps; /* all of TURN together, both directions apart: its one tenant; 0 = no limit */
	uint32_t n_rules;
	struct sl_guard_rule rules[SL_GUARD_MAX_RULES];
};

/* GUARD_BAN, GUARD_UNBAN: exact addresses; of IPv6 also whole /64 (prefix_len 64). Longer life than any list swap. */
struct sl_guard_ban {
	struct sl_ip ip;
	uint8_t prefix_len; /* of the 16-byte form: 128, or 64 for IPv6 */
	uint8_t strangers;  /* 1: only of strangers; known sessions and marked sources from there go on. What is banned by evidence that can be forged */
	uint8_t pad[2];
	uint32_t seconds;   /* from now; 0 = until GUARD_UNBAN. Not read by UNBAN */
};
struct sl_cmd_guard_ban {
	uint32_t n;
	uint32_t pad;
	struct sl_guard_ban bans[SL_GUARD_BANS_PER_MSG];
};
/* GUARD_BANS_CLEAR has no body: a replay begins with it. */

/* GUARD_MARK: a SIP source that has been challenged (provisional), has authenticated (final), or is nobody any more. */
enum sl_guard_trust { SL_GUARD_NOBODY, SL_GUARD_IS_PROVISIONAL, SL_GUARD_IS_FINAL };
struct sl_guard_mark {
	struct sl_endpoint remote; /* the source */
	uint16_t listener;         /* index into sip.listeners */
	uint8_t trust;             /* enum sl_guard_trust */
	uint8_t pad;
	uint32_t seconds;          /* until it is withdrawn by itself */
};
struct sl_cmd_guard_mark {
	uint32_t n;
	uint32_t pad;
	struct sl_guard_mark marks[SL_GUARD_MARKS_PER_MSG];
};

/* GUARD_PRESSURE: of the total rates of SIP and SIP_PROVISIONAL, how much may come now. Ends with the client's attachment. */
struct sl_cmd_guard_pressure {
	uint32_t percent; /* 1..100 */
};

/* GUARD_METER: the token buckets of one tenant, shared by its legs, both directions apart. 0 = no limit. */
struct sl_cmd_guard_meter {
	uint32_t meter; /* 1..SL_GUARD_MAX_METERS - 1 */
	uint32_t pps, kbps;
};

/* GUARD_QUERY, to a worker: answered by EVENT_GUARD_ANSWER with the same seq. */
struct sl_cmd_guard_query {
	struct sl_ip ip;
};

/* GUARD_SAMPLE, to a worker: copy the next n packets that the guard drops (or would drop) into this client's bulk ring. */
struct sl_cmd_guard_sample {
	uint32_t n;            /* 0 = stop; at most SL_GUARD_SAMPLES_MAX */
	uint32_t seconds;      /* and for no longer */
	uint32_t sample;       /* echoed as sl_bulk.tap */
	uint16_t reason;       /* enum sl_drop; SL_GUARD_ANY = any */
	uint8_t prefix_len;    /* of the 16-byte form; 0 = any source */
	uint8_t pad;
	struct sl_ip ip;
};

/* ---- lists of prefixes ---- */

#define SL_GUARD_LIST_MAGIC UINT64_C(0x315453494c4c5347)
enum sl_prefix_verdict { SL_PREFIX_NONE, SL_PREFIX_DENY, SL_PREFIX_ALLOW };
struct sl_prefix_entry {
	struct sl_ip ip;    /* bits beyond the prefix are zero */
	uint8_t prefix_len; /* of the 16-byte form: 96..128 for IPv4 */
	uint8_t verdict;    /* SL_PREFIX_DENY or SL_PREFIX_ALLOW */
	uint8_t pad[6];     /* zero */
};
/* The memfd's content. */
struct sl_guard_list {
	uint64_t magic;
	uint32_t n;
	uint32_t reserved;
	struct sl_prefix_entry entries[];
};

/* ---- events ---- */

/* EVENT_GUARD_SOURCE (worker): a source, prefix or a rule's total went over its limit (or the mark of its action), or is below half of it again. */
enum sl_guard_change { SL_GUARD_OVER = 1, SL_GUARD_BELOW };
struct sl_evt_guard_source {
	struct sl_ip ip;     /* bits beyond the prefix are zero; TOTAL: all zero */
	uint8_t prefix_len;  /* of the 16-byte form */
	uint8_t level;       /* enum sl_guard_level, or SL_GUARD_TOTAL */
	uint8_t change;      /* enum sl_guard_change */
	uint8_t guard_class; /* enum sl_guard_class */
	uint8_t action;
	uint8_t dry_run;
	uint16_t listener;   /* of the rule; SL_GUARD_ANY */
	uint32_t pps;        /* about */
	uint32_t limit_pps;
	uint8_t worker;
	uint8_t pad[7];
};

/* EVENT_GUARD_SIGNALS (worker, at most once in 500 ms): what was seen of sources. X(NAME, number, "name", help) */
#define SL_GUARD_SIGNALS(X)                                                                                                    \
	X(AUTH_FAILED, 0, "auth-failed", "TURN or SIP credentials that were wrong")                                            \
	X(UNKNOWN_USER, 1, "unknown-user", "TURN or SIP user that does not exist")                                             \
	X(MALFORMED, 2, "malformed", "messages that cannot be parsed")                                                         \
	X(FORBIDDEN, 3, "forbidden", "peers, numbers or methods that policy forbids")                                          \
	X(FRAUD, 4, "fraud", "what routing or an operator calls fraud")                                                        \
	X(FLOOD, 5, "flood", "seconds over a limit of the guard")
enum sl_guard_signal {
#define X(NAME, number, name, help) SL_GUARD_SAW_##NAME = number,
	SL_GUARD_SIGNALS(X)
#undef X
	SL_GUARD_N_SIGNALS
};
struct sl_evt_guard_signals {
	uint32_t n;
	uint8_t worker;
	uint8_t pad[3];
	struct {
		struct sl_ip ip;
		uint16_t count[SL_GUARD_N_SIGNALS];
	} sources[SL_GUARD_SIGNALS_PER_MSG];
};

/* EVENT_GUARD_ANSWER: where an address stands at one worker. */
struct sl_evt_guard_answer {
	struct sl_ip ip;
	uint8_t worker;
	uint8_t verdict; /* enum sl_prefix_verdict of the lists */
	uint8_t banned;
	uint8_t pad;
	uint32_t ban_seconds; /* left; 0 = without an end */
	uint32_t n;           /* rules charged for it, those with the most first */
	struct {
		uint8_t guard_class;
		uint8_t pad;
		uint16_t listener;
		uint16_t load[SL_GUARD_N_LEVELS]; /* of the limit, in 1/65536; UINT16_MAX = at it */
	} rules[16];
};

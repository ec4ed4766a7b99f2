/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Messages of the contract: fixed-size PODs without pointers, copied out of the ring before any field is believed.
 * Multi-byte integers are in host order (both sides are one machine); _be fields stay as on the wire. */

#include <stdint.h>

#include "dataplane/abi/msg_guard.h"
#include "dataplane/abi/msg_media.h"
#include "dataplane/abi/msg_turn.h"
#include "dataplane/wire/addr.h"

enum {
	SL_MSG_COMMAND_BYTES = 1024,
	SL_MSG_EVENT_BYTES = 320,
	SL_MSG_EVENT_USERNAME_MAX = 127,
};

/* X(NAME, number): commands, client to dataplane. Those to the housekeeper build a snapshot: BEGIN opens an empty
 * one, the items fill it, COMMIT publishes it whole; USER_SET and USER_DELETE outside BEGIN..COMMIT change the
 * published one. Each command to the housekeeper is answered with EVENT_ACK carrying its seq: -EBUSY while another
 * client owns TURN's provisioning, -EAGAIN while another one is between BEGIN and COMMIT, -ETIMEDOUT for items of a draft
 * dropped after 5 s of silence (editor.h). */
#define SL_COMMANDS(X)                                                                                       \
	X(CONFIG_BEGIN, 1)     /* housekeeper: struct sl_cmd_begin (msg_turn.h) */                           \
	X(TURN_CONFIG, 2)      /* housekeeper: struct sl_cmd_turn */                                         \
	X(PEER_RULE, 3)        /* housekeeper: struct sl_cmd_peer_rule, in order of precedence */            \
	X(SECRET, 4)           /* housekeeper: struct sl_cmd_secret */                                       \
	X(USER_SET, 5)         /* housekeeper: struct sl_cmd_user */                                         \
	X(USER_DELETE, 6)      /* housekeeper: struct sl_cmd_user, only the name is read */                  \
	X(CONFIG_COMMIT, 7)    /* housekeeper */                                                             \
	X(ALLOCATION_LIST, 8)  /* worker: one EVENT_ALLOCATION (STATE) each, then EVENT_LIST_END */          \
	X(ALLOCATION_DELETE, 9) /* worker: struct sl_cmd_allocation */                                       \
	X(LEG_SET, 10)         /* worker: struct sl_cmd_leg (msg_media.h) */                                 \
	X(LEG_DELETE, 11)      /* worker: struct sl_leg_ref; EVENT_LEG (ENDED) follows */                    \
	X(LEG_QUERY, 12)       /* worker: struct sl_leg_ref; EVENT_LEG (STATE) follows, seq echoed */        \
	X(LEG_LIST, 13)        /* worker: this client's legs, EVENT_LEG (STATE) each, then EVENT_LIST_END */ \
	X(LEGS_SWEEP, 14)      /* worker: end this client's legs that were not set since it attached */      \
	X(ROUTE_ADD, 15)       /* worker: struct sl_cmd_route */                                             \
	X(ROUTE_DELETE, 16)    /* worker: struct sl_cmd_route */                                             \
	X(DTMF_SEND, 17)       /* worker: struct sl_cmd_dtmf */                                              \
	X(PLAY_START, 18)      /* worker: struct sl_cmd_play; EVENT_LEG (PLAY_ENDED) when it is over */      \
	X(PLAY_STOP, 19)       /* worker: struct sl_cmd_play */                                              \
	X(TAP_SET, 20)         /* worker: struct sl_cmd_tap; copies come by the bulk ring */                 \
	X(TAP_CLEAR, 21)       /* worker: struct sl_cmd_tap */                                               \
	X(GUARD_POLICY, 22)    /* housekeeper: struct sl_cmd_guard_policy (msg_guard.h) */                   \
	X(GUARD_BAN, 23)       /* housekeeper: struct sl_cmd_guard_ban */                                    \
	X(GUARD_UNBAN, 24)     /* housekeeper: struct sl_cmd_guard_ban */                                    \
	X(GUARD_BANS_CLEAR, 25) /* housekeeper: no body */                                                   \
	X(GUARD_MARK, 26)      /* housekeeper: struct sl_cmd_guard_mark */                                   \
	X(GUARD_PRESSURE, 27)  /* housekeeper: struct sl_cmd_guard_pressure */                               \
	X(GUARD_METER, 28)     /* housekeeper: struct sl_cmd_guard_meter */                                  \
	X(GUARD_QUERY, 29)     /* worker: struct sl_cmd_guard_query; EVENT_GUARD_ANSWER follows, seq echoed */ \
	X(GUARD_SAMPLE, 30)    /* worker: struct sl_cmd_guard_sample; copies come by the bulk ring */         \
	X(TURN_REALM, 31)      /* housekeeper: struct sl_cmd_realm (msg_turn.h) */                           \
	X(REALM_NAME, 32)      /* housekeeper: struct sl_cmd_realm_name */                                   \
	X(OAUTH_KEY, 33)       /* housekeeper: struct sl_cmd_oauth_key */                                    \
	X(ALTERNATE, 34)       /* housekeeper: struct sl_cmd_alternate; outside of a draft: another weight */ \
	X(RESTRICTED, 35)      /* housekeeper: struct sl_cmd_restricted; also outside of a draft */          \
	X(TURN_DRAIN, 36)      /* housekeeper: struct sl_cmd_drain; outside of drafts */

enum sl_command_type {
#define X(name, number) SL_CMD_##name = number,
	SL_COMMANDS(X)
#undef X
};

struct sl_msg_header {
	uint32_t type;
	uint32_t seq; /* chosen by the sender of a command, echoed by what answers it */
};

struct sl_cmd_allocation {
	uint64_t id;
};

struct sl_command {
	struct sl_msg_header h;
	union {
		struct sl_cmd_begin begin;
		struct sl_cmd_turn turn;
		struct sl_cmd_realm realm;
		struct sl_cmd_realm_name realm_name;
		struct sl_cmd_oauth_key oauth_key;
		struct sl_cmd_alternate alternate;
		struct sl_cmd_restricted restricted;
		struct sl_cmd_drain drain;
		struct sl_cmd_peer_rule peer_rule;
		struct sl_cmd_secret secret;
		struct sl_cmd_user user;
		struct sl_cmd_allocation allocation;
		struct sl_leg_ref leg_ref;
		struct sl_cmd_leg leg;
		struct sl_cmd_route route;
		struct sl_cmd_dtmf dtmf;
		struct sl_cmd_play play;
		struct sl_cmd_tap tap;
		struct sl_cmd_guard_policy guard_policy;
		struct sl_cmd_guard_ban guard_ban;
		struct sl_cmd_guard_mark guard_mark;
		struct sl_cmd_guard_pressure guard_pressure;
		struct sl_cmd_guard_meter guard_meter;
		struct sl_cmd_guard_query guard_query;
		struct sl_cmd_guard_sample guard_sample;
		uint8_t bytes[SL_MSG_COMMAND_BYTES - sizeof(struct sl_msg_header)];
	};
};
_Static_assert(sizeof(struct sl_command) == SL_MSG_COMMAND_BYTES, "command size is part of the contract");

#define SL_EVENTS(X)                                                                                         \
	X(ACK, 1)        /* housekeeper: struct sl_evt_ack; a worker: only when it refuses */                                          \
	X(ALLOCATION, 2) /* worker: struct sl_evt_allocation */                                              \
	X(LIST_END, 3)   /* worker: end of an ALLOCATION_LIST, seq echoed */                                 \
	X(LOG, 4)        /* housekeeper: struct sl_evt_log, something an operator should read */             \
	X(LEG, 5)        /* worker: struct sl_evt_leg (msg_media.h) */                                       \
	X(GUARD_SOURCE, 6) /* worker: struct sl_evt_guard_source (msg_guard.h) */                            \
	X(GUARD_SIGNALS, 7) /* worker: struct sl_evt_guard_signals */                                        \
	X(GUARD_ANSWER, 8) /* worker: struct sl_evt_guard_answer */                                          \
	X(TURN_QUOTA, 9)   /* worker: struct sl_evt_turn_quota (msg_turn.h) */

enum sl_event_type {
#define X(name, number) SL_EVT_##name = number,
	SL_EVENTS(X)
#undef X
};

struct sl_evt_ack {
	int32_t error; /* 0 or a negative errno */
	char text[120]; /* which field was refused; empty on success */
};

enum sl_allocation_change { SL_ALLOC_CREATED = 1, SL_ALLOC_REFRESHED, SL_ALLOC_CLOSED, SL_ALLOC_STATE, SL_ALLOC_MOVED /* RFC 8016: client is another address */ };
enum sl_allocation_end { SL_ALLOC_END_NONE = 0, SL_ALLOC_END_EXPIRED, SL_ALLOC_END_CLIENT, SL_ALLOC_END_OPERATOR, SL_ALLOC_END_CONNECTION /* its TCP or TLS connection ended */ };

struct sl_evt_allocation {
	uint64_t id; /* worker, generation and index: unique until the dataplane's generation changes */
	uint8_t change; /* enum sl_allocation_change */
	uint8_t end;    /* enum sl_allocation_end */
	uint8_t worker;
	uint8_t over;   /* enum sl_turn_transport: of the client */
	uint8_t flags;  /* SL_ALLOC_IS_* */
	uint8_t pad;
	uint16_t realm; /* index */
	uint64_t to_peer_packets, to_peer_bytes, to_client_packets, to_client_bytes;
	uint32_t lifetime_s; /* left */
	uint32_t age_s;
	uint32_t n_peers;
	uint16_t client_port_be, server_port_be, relay_port_be, username_len;
	struct sl_ip client, server, relay, relay2;
	uint16_t relay2_port_be; /* 0 = there is no second relayed address (RFC 8656 5, ADDITIONAL-ADDRESS-FAMILY) */
	uint16_t pad2;
	char username[SL_MSG_EVENT_USERNAME_MAX + 1]; /* cut to fit */
};
enum { SL_ALLOC_IS_RESTRICTED = 1, SL_ALLOC_IS_MOBILE = 2, SL_ALLOC_IS_TCP = 4 /* RFC 6062 */ };

struct sl_evt_log {
	uint32_t severity; /* as syslog(3) */
	char text[240];
};

struct sl_event {
	struct sl_msg_header h;
	union {
		struct sl_evt_ack ack;
		struct sl_evt_allocation allocation;
		struct sl_evt_log log;
		struct sl_evt_leg leg;
		struct sl_evt_guard_source guard_source;
		struct sl_evt_guard_signals guard_signals;
		struct sl_evt_guard_answer guard_answer;
		struct sl_evt_turn_quota turn_quota;
		uint8_t bytes[SL_MSG_EVENT_BYTES - sizeof(struct sl_msg_header)];
	};
};
_Static_assert(sizeof(struct sl_event) == SL_MSG_EVENT_BYTES, "event size is part of the contract");

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What happens to calls, registrations and trunks, in one catalogue and one sequence per node. Consumers inside the process
 * are called at once; others read with a cursor from a bounded ring (GET /v1/events?after=SEQUENCE). CDRs are not made from
 * this: they are kept with the call (report/cdr.h) and never lost. Owner: the brain's thread. */

#include <stddef.h>
#include <stdint.h>

#include "controlplane/call/id.h"

/* X(NAME, as it is shown, what it means and what `text` says) */
#define SL_CALL_EVENTS(X)                                                                                                        \
	X(CALL_CREATED, "call.created", "a call exists; from and to")                                                       \
	X(CALL_ROUTED, "call.routed", "the routing decision is made; routes chosen")                                        \
	X(CALL_ANSWERED, "call.answered", "caller and callee are connected")                                                \
	X(CALL_RESTORED, "call.restored", "found again after a restart of the control plane")                              \
	X(CALL_CONTROLLER, "call.controller", "another controller has the call; its name")                                 \
	X(CALL_ENDED, "call.ended", "all legs have ended; cause")                                                           \
	X(LEG_CREATED, "leg.created", "a leg exists; direction and peer")                                                   \
	X(LEG_RINGING, "leg.ringing", "it rings; status")                                                                   \
	X(LEG_ANSWERED, "leg.answered", "it was answered")                                                                  \
	X(LEG_HELD, "leg.held", "its side put the call on hold")                                                            \
	X(LEG_RESUMED, "leg.resumed", "and took it back")                                                                   \
	X(LEG_TRANSFER, "leg.transfer", "it asked for a transfer; Refer-To")                                                \
	X(LEG_ENDED, "leg.ended", "it ended; cause")                                                                        \
	X(BRIDGE_JOINED, "bridge.joined", "a leg was joined to a bridge")                                                   \
	X(BRIDGE_LEFT, "bridge.left", "and left it")                                                                        \
	X(REGISTERED, "registration.added", "a new binding; its contact")                                                   \
	X(REFRESHED, "registration.changed", "a binding changed its contact or flow; its contact")                         \
	X(UNREGISTERED, "registration.removed", "by its owner, by expiry or by an operator; why")                           \
	X(AUTH_FAILED, "auth.failed", "wrong credentials; user and source")                                                 \
	X(AUTH_BLOCKED, "auth.blocked", "too many of them: the source or user is refused for a while")                      \
	X(TRUNK_UP, "trunk.up", "a target answers again; its address")                                                      \
	X(TRUNK_DOWN, "trunk.down", "a target does not answer; why")                                                        \
	X(TRUNK_REGISTERED, "trunk.registered", "our registration at a carrier holds")                                      \
	X(TRUNK_UNREGISTERED, "trunk.unregistered", "it does not; why")                                                     \
	X(PROVISIONED, "provision.changed", "a resource was put or deleted; kind and name")                                 \
	X(OVERLOAD_BEGUN, "overload.begun", "new work is refused; why")                                                     \
	X(OVERLOAD_ENDED, "overload.ended", "")                                                                             \
	X(GUARD_OVER, "guard.over", "a source, prefix or all strangers exceed a limit of the guard; which, and how much")   \
	X(GUARD_BELOW, "guard.below", "and do not any more")                                                                \
	X(GUARD_BANNED, "guard.banned", "reputation has banned a source; for how long and why")                             \
	X(GUARD_ENDED, "guard.ended", "a ban's or deny's time is up")                                                       \
	X(GUARD_ENTRY, "guard.entry", "an operator has put or removed an allow, deny or ban; why")                          \
	X(GUARD_PRESSURE, "guard.pressure", "fewer strangers are let through to SIP while we are overloaded; the share")    \
	X(TURN_QUOTA, "turn.quota", "a soft limit of TURN's bandwidth is passed, or no longer; whose, and how much")        \
	X(TURN_DRAIN, "turn.drain", "TURN takes no new allocations, or takes them again")                                   \
	X(TURN_ALTERNATE, "turn.alternate", "clients of TURN are sent to another server, or no longer; which, and why")

enum sl_call_event_type {
#define X(name, text, meaning) SL_CE_##name,
	SL_CALL_EVENTS(X)
#undef X
	SL_CE_N
};

enum { SL_CALL_EVENT_TEXT_MAX = 200, SL_TENANT_MAX = 64, SL_CALL_EVENTS_KEPT = 8192 };

struct sl_call_event {
	uint64_t sequence; /* from 1, without gaps since the start of the brain; 0 = never published */
	int64_t unix_ms;
	enum sl_call_event_type type;
	struct sl_id call, leg; /* zero = none */
	char tenant[SL_TENANT_MAX];
	char text[SL_CALL_EVENT_TEXT_MAX];
};

struct sl_call_events;
typedef void (*sl_call_event_fn)(void *ctx, const struct sl_call_event *e);

struct sl_call_events *sl_call_events_new(void);
void sl_call_events_free(struct sl_call_events *es);
const char *sl_call_event_name(enum sl_call_event_type t);
/* Consumers are called at once, in the order of their subscription; they must not publish. -ENOSPC beyond 8. */
int sl_call_events_subscribe(struct sl_call_events *es, sl_call_event_fn fn, void *ctx);
/* call, leg: NULL = none. tenant NULL = "". */
void sl_call_event_publish(struct sl_call_events *es, enum sl_call_event_type t, const char *tenant, const struct sl_id *call,
        const struct sl_id *leg, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The first kept one with a sequence above after; NULL = none yet. *missed: how many in between are gone (may be NULL). */
const struct sl_call_event *sl_call_events_after(const struct sl_call_events *es, uint64_t after, uint64_t *missed);
uint64_t sl_call_events_last(const struct sl_call_events *es);

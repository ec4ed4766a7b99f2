/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/stun.h"

const char *sl_stun_method_name(unsigned method)
{
	switch (method) {
	case SL_STUN_BINDING:
		return "Binding";
	case SL_TURN_ALLOCATE:
		return "Allocate";
	case SL_TURN_REFRESH:
		return "Refresh";
	case SL_TURN_SEND:
		return "Send";
	case SL_TURN_DATA:
		return "Data";
	case SL_TURN_CREATE_PERMISSION:
		return "CreatePermission";
	case SL_TURN_CHANNEL_BIND:
		return "ChannelBind";
	case SL_TURN_CONNECT:
		return "Connect";
	case SL_TURN_CONNECTION_BIND:
		return "ConnectionBind";
	case SL_TURN_CONNECTION_ATTEMPT:
		return "ConnectionAttempt";
	default:
		return "unknown";
	}
}

/* X(code, reason): RFC 8489 14.8, RFC 8656 19; 405 RFC 8016, 446 and 447 RFC 6062, 487 RFC 8445. */
#define ERRORS(X)                                                                                            \
	X(300, "Try Alternate")                                                                              \
	X(400, "Bad Request")                                                                                \
	X(401, "Unauthenticated")                                                                            \
	X(403, "Forbidden")                                                                                  \
	X(405, "Mobility Forbidden")                                                                         \
	X(420, "Unknown Attribute")                                                                          \
	X(437, "Allocation Mismatch")                                                                        \
	X(438, "Stale Nonce")                                                                                \
	X(440, "Address Family not Supported")                                                               \
	X(441, "Wrong Credentials")                                                                          \
	X(442, "Unsupported Transport Protocol")                                                             \
	X(443, "Peer Address Family Mismatch")                                                               \
	X(446, "Connection Already Exists")                                                                  \
	X(447, "Connection Timeout or Failure")                                                              \
	X(486, "Allocation Quota Reached")                                                                   \
	X(487, "Role Conflict")                                                                              \
	X(500, "Server Error")                                                                               \
	X(508, "Insufficient Capacity")

const char *sl_stun_error_reason(unsigned code)
{
	switch (code) {
#define X(number, reason)                                                                                    \
	case number:                                                                                         \
		return reason;
		ERRORS(X)
#undef X
	default:
		return "Error";
	}
}

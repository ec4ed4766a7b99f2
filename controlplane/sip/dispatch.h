/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What is to be done with a request that belongs to no dialog or transaction, by itself: pure. */

#include <sofia-sip/sip.h>

enum { SL_DISPATCH_UNSUPPORTED = 256 };

enum sl_dispatch {
	SL_DISPATCH_DROP,
	SL_DISPATCH_405,
	SL_DISPATCH_416,
	SL_DISPATCH_420,
	SL_DISPATCH_481,
	SL_DISPATCH_483,
	SL_DISPATCH_501,
	SL_DISPATCH_REGISTER, /* from here on it goes on */
	SL_DISPATCH_OPTIONS,  /* to us */
	SL_DISPATCH_INVITE,
	SL_DISPATCH_REQUEST,  /* MESSAGE, SUBSCRIBE, PUBLISH, NOTIFY, OPTIONS to somebody */
};

/* sip: has passed nta's sanity check. unsupported: what 420 names. */
enum sl_dispatch sl_dispatch_look(const sip_t *sip, char unsupported[SL_DISPATCH_UNSUPPORTED]);

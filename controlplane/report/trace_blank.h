/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include <stddef.h>

/* Overwrite with 'x', in place, what must not be shown of a SIP message and its SDP: credentials (Authorization, Proxy-Authorization),
 * the edge's mac (P-Sluice-Flow), SRTP keys (a=crypto, k=), ICE passwords. Any bytes; lengths stay. */
void sl_trace_blank(char *message, size_t len);

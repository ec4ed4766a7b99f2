/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A call as people draw it: a column for each party, an arrow for each message, what its SDP says, the routing decision and what became of
 * the media. Pure: made of what GET /v1/calls/ID?trace=1 answers, in sluicectl. */

#include <stdio.h>

#include <jansson.h>

enum { SL_LADDER_WIDTH_MIN = 80, SL_LADDER_WIDTH_MAX = 200 };

void sl_ladder_draw(FILE *out, const json_t *call, unsigned width);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between playout.c, whose wheel comes by every 20 ms, and dtmf.c, which wants it to. */

#include "dataplane/path/media.h"

/* Have the wheel come by for leg, until there is nothing left to do. */
void sl_playout_watch(struct sl_worker *w, uint32_t leg);
/* The wheel comes by: an event that fell silent is over. */
void sl_dtmf_watch(struct sl_worker *w, uint32_t leg, uint32_t ms);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Where a leg's media may come from, and what is learned of it (enum sl_learn). The rule against strangers: an address
 * is acceptable when the SDP named it, when the signalling came from it, or when the control plane said that any may be
 * (SL_LEG_LEARN_ANY); once locked only that address and port are, unless the leg may move (SL_LEG_RELEARN). */

#include "dataplane/path/media.h"

/* Does an accepted packet from src change what the leg knows, so that sl_media_learn() is to be called? */
bool sl_media_is_moving(const struct sl_media *m, uint32_t leg, const struct sl_endpoint *src);
/* An accepted (and where there is a key, authenticated) packet came from src: learn by the leg's policy. */
void sl_media_learn(struct sl_worker *w, uint32_t leg, const struct sl_endpoint *src);
/* Other workers' index of known flows: the leg's present remote address, or (gone) none any more. */
void sl_media_known(struct sl_worker *w, uint32_t leg, bool gone);

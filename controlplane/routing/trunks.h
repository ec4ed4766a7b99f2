/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What we do at trunks by ourselves: OPTIONS probing with hysteresis, outbound registration with digest. Follows the provisioning. */

#include "controlplane/routing/routing.h"
#include "controlplane/sip/sip.h"

struct sl_trunks;
struct sl_trunks *sl_trunks_open(struct sl_sip *sip, struct sl_routing *routing);
void sl_trunks_close(struct sl_trunks *t);
void sl_trunks_tick(struct sl_trunks *t, int64_t now_ms);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What we do at trunks by ourselves: OPTIONS probing with hysteresis, outbound registration with digest. Follows the provisioning. */

#include "controlplane/routing/routing.h"
#include "controlplane/sip/sip.h"

struct sl_trunks;
/* Tells sip, by sl_sip_set_trunks(). NULL: no memory. */
struct sl_trunks *sl_trunks_open(struct sl_sip *sip, struct sl_routing *routing);
void sl_trunks_close(struct sl_trunks *t);
/* Whose is a request from there, because we are registered there? By the user part of our Contact (user: the request-URI's, may be NULL);
 * by the address alone when only one trunk is registered at it, unless exact. NULL = nobody's. Only while the registration holds. */
const struct sl_prov_trunk *sl_trunks_of(const struct sl_trunks *t, const struct sl_endpoint *from, const char *user, bool exact);
void sl_trunks_tick(struct sl_trunks *t, int64_t now_ms);

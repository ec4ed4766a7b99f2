/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include "controlplane/report/cdr.h"

/* sl_cdrs_list() without the counts. */
int sl_cdr_list(struct sl_store *store, const struct sl_cdr_query *q, sl_cdrs_listed done, void *ctx);
/* The smallest id made at this time or later: ids begin with milliseconds since 1970 (call/id.h). */
void sl_cdr_id_bound(int64_t unix_ms, struct sl_id *out);

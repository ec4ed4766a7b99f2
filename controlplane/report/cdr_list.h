/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include "controlplane/report/cdr.h"

/* sl_cdrs_list() without the counts. */
int sl_cdr_list(struct sl_store *store, const struct sl_cdr_query *q, sl_cdrs_listed done, void *ctx);

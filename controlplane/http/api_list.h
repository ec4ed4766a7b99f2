/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What lists of records that are read from the store share: arguments, and the answer as JSON or CSV. */

#include "controlplane/http/api.h"

/* ?NAME= into out, which stays as it is when there is none. False: it is too long, and that was answered. */
bool sl_api_copy_arg(struct sl_http_request *r, const char *name, char *out, size_t room);
/* ?format=json|csv. False: neither, and that was answered. */
bool sl_api_format(struct sl_http_request *r, bool *csv);
/* As sl_row_list_done (report/row_list.h); ctx: the request. */
void sl_api_listed(void *ctx, int error, const char *text, size_t len);

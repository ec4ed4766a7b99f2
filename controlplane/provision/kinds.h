/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What schema.c's tables cannot say about each kind. */

#include "controlplane/provision/internal.h"

int sl_finish_domain(void *raw, struct sl_field_error *e);
int sl_finish_user(void *raw, struct sl_field_error *e);
int sl_finish_trunk(void *raw, struct sl_field_error *e);
int sl_finish_route(void *raw, struct sl_field_error *e);
int sl_finish_token(void *raw, struct sl_field_error *e);
void sl_free_trunk(void *raw);
void sl_free_route(void *raw);

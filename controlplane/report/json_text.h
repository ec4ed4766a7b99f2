/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include <stddef.h>

#include <jansson.h>

/* A JSON string of any bytes: what is not UTF-8 is shown as '?'. NULL: no memory. */
json_t *sl_json_text(const char *s, size_t len);

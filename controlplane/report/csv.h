/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Fields of CSV (RFC 4180) of which strangers chose the text: none of them runs in a spreadsheet or steers a terminal. */

#include <stdint.h>
#include <stdio.h>

void sl_csv_text(FILE *f, const char *s);
/* "2026-11-21T15:04:05.678Z"; "" = never (0). */
const char *sl_csv_time(int64_t unix_ms, char out[32]);

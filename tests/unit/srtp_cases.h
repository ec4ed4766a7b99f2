/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What every engine has to pass, libsrtp2 being the oracle. */

#include "drivers/srtp.h"

/* Runs all of it; the number of failures. name: in the output. */
int srtp_cases(const char *name, struct sl_srtp *engine);

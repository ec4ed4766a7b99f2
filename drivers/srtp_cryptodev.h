/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include <stdbool.h>

struct sl_srtp;

/* Let the device compare tags, as hardware does, or compare them here. For tests, before the first context is
 * made. */
void sl_srtp_cryptodev_verify(struct sl_srtp *s, bool device_verifies);

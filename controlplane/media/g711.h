/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* G.711: A-law and u-law to 16-bit linear samples and back. Pure. */

#include <stddef.h>
#include <stdint.h>

int16_t sl_g711_from_alaw(uint8_t a);
int16_t sl_g711_from_ulaw(uint8_t u);
uint8_t sl_g711_to_alaw(int16_t sample);
uint8_t sl_g711_to_ulaw(int16_t sample);

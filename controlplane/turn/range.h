/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

#include "dataplane/wire/addr.h"

/* Addresses as coturn writes them for allowed-peer-ip and denied-peer-ip: an address, "FIRST-LAST" (both of one family, FIRST not behind
 * LAST), and beyond coturn a prefix "10.0.0.0/8". Writes the prefixes that hold just these to out and returns how many; -EINVAL: the text
 * is none of that. No range takes more than SL_RANGE_PREFIXES. */
enum { SL_RANGE_PREFIXES = 254 }; /* of 128 bits: at most two for each bit */
int sl_range_parse(const char *text, struct sl_prefix out[SL_RANGE_PREFIXES]);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* DPDK's environment: arguments from the configuration, after checking what can be checked in words a person
 * understands (cores, hugepages, devices). */

#include <stdbool.h>
#include <stddef.h>

#include "config/options.h"

enum { SL_EAL_MAIN_LCORE = 0 };
/* EAL's number for the core of worker w. */
static inline unsigned sl_eal_lcore(unsigned worker)
{
	return 1 + worker;
}

/* Start EAL. *hugepages tells whether packet memory lies on them. The caller becomes the main lcore, pinned to the
 * housekeeper's core. 0, or negative errno with words in err. */
int sl_eal_start(const struct sl_config *c, bool *hugepages, char *err, size_t err_len);

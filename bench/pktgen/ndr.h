/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Loss-free rate by binary search (the throughput of RFC 2544 26.1, with short trials). */

#include "bench/pktgen/load.h"

struct ndr {
	double pps; /* highest rate that passed; 0 when none did */
	unsigned trials;
};

/* Search; reports every trial on stderr. */
void ndr_search(struct load *l, struct ndr *out);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Who sends most of what the guard looks at, as the region shows it: by a sample of one packet in SL_GUARD_TOP_SAMPLE, 64 places at each level. Writer: the
 * worker. Readers: clients (relaxed; an entry read while it changes hands shows one wrong line once). */

#include <stdint.h>

#include "dataplane/abi/msg_guard.h"

enum { SL_GUARD_TOP = 64, SL_GUARD_TOP_SAMPLE = 256 };

struct sl_guard_top_entry {
	struct sl_ip ip;      /* bits beyond the prefix are zero */
	uint8_t prefix_len;   /* 0 = free */
	uint8_t guard_class;
	uint16_t last_drop;   /* enum sl_drop; SL_GUARD_ANY = it passed */
	uint32_t count;       /* samples of this second */
	uint32_t pps;         /* mean of the last seconds, packets a second */
	uint32_t dropped_pps; /* of which dropped */
	uint32_t dropped;     /* samples of this second dropped */
	uint32_t kept_s;      /* seconds that it has been here */
};

struct sl_guard_top {
	struct sl_guard_top_entry e[SL_GUARD_N_LEVELS][SL_GUARD_TOP];
};

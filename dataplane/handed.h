/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the keeper holds and hands to each working half: descriptors that stay open across exec, named in one argument
 * ("region=5,cold=6,config=7,tap=8,tap=9"). */

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/dataplane.h"

struct sl_handed {
	int region; /* the shared region */
	int cold;   /* cold records: struct sl_handed_cold */
	int config; /* the configuration as last accepted (config/stored.h); the working half rewrites it after a reload */
	unsigned n_taps;
	int taps[SL_MAX_INTERFACES]; /* in the order of ports and their interfaces */
};

/* Where what lies in the memory of cold records: those of allocations, then, when media is on, those of its legs. */
struct sl_handed_cold {
	size_t bytes;
	size_t media_at, media_bytes; /* media_bytes 0 = no media */
};
struct sl_handed_cold sl_handed_cold(const struct sl_config *c);

enum { SL_HANDED_TEXT_MAX = 64 + 12 * SL_MAX_INTERFACES };

void sl_handed_write(const struct sl_handed *h, char *text, size_t len);
/* 0 or -EINVAL. */
int sl_handed_read(struct sl_handed *h, const char *text);
/* All of them in a row, for the keeper's list: returns how many. */
unsigned sl_handed_list(const struct sl_handed *h, int fds[3 + SL_MAX_INTERFACES]);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* How many of something there are of each address and prefix. Keyed, open addressing, grows with what is counted and never beyond it.
 * Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

struct sl_tally_entry {
	struct sl_ip ip; /* bits beyond bits are zero */
	uint32_t n;      /* 0 = free */
	uint32_t bits;   /* of the 16-byte form */
};
struct sl_tally {
	struct sl_siphash_key key;
	struct sl_tally_entry *all;
	size_t size, n; /* size: a power of two, or 0 */
};

void sl_tally_init(struct sl_tally *t, const struct sl_siphash_key *key);
void sl_tally_free(struct sl_tally *t);
/* How many of the prefix of so many bits that ip lies in. */
uint32_t sl_tally_of(const struct sl_tally *t, const struct sl_ip *ip, unsigned bits);
/* One more; 0 or -ENOMEM (then it is not counted). */
int sl_tally_add(struct sl_tally *t, const struct sl_ip *ip, unsigned bits);
/* One less; none is fine. */
void sl_tally_sub(struct sl_tally *t, const struct sl_ip *ip, unsigned bits);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The message that is being looked at has its fingerprint in a page that outlives the process. One found there at the start has killed
 * it: for SL_CRASH_REMEMBER_MS (as long as a peer may repeat it: 64 * T1, twice) it is dropped instead of being tried again. Pure: no
 * clock. */

#include <stdbool.h>
#include <stdint.h>

enum { SL_CRASH_REMEMBER_MS = 64000, SL_CRASH_RING = 64 };

struct sl_crash_entry {
	uint64_t print;
	int64_t until_unix_ms;
};

struct sl_crash_page; /* in crash.c: what lies in shared memory */

struct sl_sip_crash {
	struct sl_crash_page *page; /* NULL = none */
	int64_t last_until_unix_ms; /* no entry is good beyond this: the usual look is one comparison */
};

/* page: SL_SIP_CRASH_BYTES, zeroed or as the last process left it; NULL = off. True: a message was under way when it died, *print says
 * which. */
bool sl_crash_open(struct sl_sip_crash *c, void *page, int64_t unix_ms, uint64_t *print);
/* Should it be dropped? */
bool sl_crash_is_known(const struct sl_sip_crash *c, uint64_t print, int64_t unix_ms);
/* It is being looked at; 0: nothing is. */
void sl_crash_begin(struct sl_sip_crash *c, uint64_t print);
/* The key of fingerprints must outlive the process too: 16 bytes of the page, random once. NULL: no page. */
uint8_t *sl_crash_key(struct sl_sip_crash *c);

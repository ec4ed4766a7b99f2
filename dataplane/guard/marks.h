/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* SIP sources that the control plane vouches for: address, port and SIP listener, provisional (it was challenged) or final (it authenticated).
 * A table of single words (keyed fingerprint of 40 bits, trust, end), eight to a cache line, two lines a look-up. Process memory. Writer: the
 * housekeeper. Readers: all workers, relaxed. When both lines are full the provisional mark that ends first gives way; a final one never does. An end is
 * kept in units of 4 s: a mark lasts up to 8 s longer than said, and at most 97 days. Sweep the whole table once a day at least. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/guard/hash.h"

enum { SL_MARKS_WAYS = 8 };

struct sl_marks {
	struct sl_hash_key key;
	uint32_t mask; /* lines less one */
	uint32_t base_s;
	_Atomic uint64_t *words;
	uint32_t swept;
	_Atomic uint32_t n_final, n_provisional; /* writer: housekeeper; shown */
};

/* For n sources at about half load: 16 to 32 bytes each. zalloc NULL = calloc. 0 or -ENOMEM. */
int sl_marks_init(struct sl_marks *m, uint32_t n, const struct sl_hash_key *key, uint32_t now_s, void *(*zalloc)(const char *what, size_t bytes));
void sl_marks_free(struct sl_marks *m, void (*release)(void *));

/* Housekeeper. Set, change or withdraw (trust NOBODY, or 0 seconds). False: no place for it. A provisional mark never lowers a final one. */
bool sl_marks_set(struct sl_marks *m, const struct sl_guard_mark *mark, uint32_t now_s);
void sl_marks_sweep(struct sl_marks *m, uint32_t now_s, uint32_t lines);

/* Workers. */
uint64_t sl_marks_hash(const struct sl_marks *m, const struct sl_endpoint *remote, uint16_t listener);
void sl_marks_prefetch(const struct sl_marks *m, uint64_t hash);
/* enum sl_guard_trust at now_s. */
unsigned sl_marks_look(const struct sl_marks *m, uint64_t hash, uint32_t now_s);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Nonces that cost no memory to hand out: time, a counter, and a keyed hash over both, the realm and the source. What has been used of them
 * is remembered in fixed memory: when that is short, the oldest nonces are taken for stale early, and none is ever taken twice.
 * Owner: the brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/media/sdp.h"
#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

enum { SL_NONCE_TEXT = 48 + 1, SL_NONCE_WAYS = 8 };

struct sl_nonce_use {
	uint64_t mac;         /* 0 = free */
	int64_t issued_ms;
	uint32_t highest;     /* nonce count */
	uint32_t seen;        /* bit i: highest - i was used */
	uint64_t fingerprint; /* of the request that used the highest one */
};
struct sl_nonces {
	struct sl_siphash_key key;
	uint64_t counter;
	size_t mask; /* of sets */
	struct sl_nonce_use (*sets)[SL_NONCE_WAYS];
};

enum sl_nonce_verdict {
	SL_NONCE_GOOD,
	SL_NONCE_AGAIN, /* this count was used by this very request before: a retransmission */
	SL_NONCE_STALE, /* too old, not ours, of another source, or the count was used */
};

/* sets: a power of two. 0 or -ENOMEM. */
int sl_nonces_init(struct sl_nonces *n, size_t sets);
void sl_nonces_free(struct sl_nonces *n);
void sl_nonce_new(struct sl_nonces *n, const char *realm, const struct sl_ip *source, int64_t now_ms, char out[SL_NONCE_TEXT]);
/* Is it one of ours, for this realm and source, however old? Then whoever sends it has seen an answer there, once. */
bool sl_nonce_is_ours(const struct sl_nonces *n, struct sl_slice nonce, const char *realm, const struct sl_ip *source);
/* And not older than lifetime_ms? Then his address is not forged. */
bool sl_nonce_check(const struct sl_nonces *n, struct sl_slice nonce, const char *realm, const struct sl_ip *source, int64_t now_ms,
        int64_t lifetime_ms);
/* Use a count of a nonce that passed the check. fingerprint: of the request (Call-ID, CSeq); 0 = never take it for a retransmission. */
enum sl_nonce_verdict sl_nonce_use(struct sl_nonces *n, struct sl_slice nonce, uint32_t count, uint64_t fingerprint);
/* 16 hexadecimal digits in lower case, as they stand in nonces and GRUUs. */
bool sl_hex16(const char *text, uint64_t *out);

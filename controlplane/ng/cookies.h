/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Requests seen: the same cookie with the same text from the same source is a retransmission, and is answered
 * with what the first was answered. Bounded in bytes: the oldest answers go first; what is being executed
 * stays. Owner: the edge. */

#include <stddef.h>
#include <stdint.h>

#include "controlplane/media/sdp.h" /* struct sl_slice */
#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

enum {
	SL_NG_CACHE_MS = 60 * 1000,
	SL_NG_CACHE_BYTES = 128 * 1024 * 1024, /* some 10 s at 5,000 calls a second */
};

struct sl_ng_cookies;
struct sl_ng_cookie;

/* max_bytes: of answers, cookies and what is kept about them. NULL when memory is short. */
struct sl_ng_cookies *sl_ng_cookies_new(size_t max_bytes, const struct sl_siphash_key *key);
void sl_ng_cookies_free(struct sl_ng_cookies *c);

/* NULL: not seen, or forgotten. */
struct sl_ng_cookie *sl_ng_cookies_find(struct sl_ng_cookies *c, const struct sl_endpoint *source,
        struct sl_slice cookie, struct sl_slice text);
/* It is not there yet, and is being executed from now on. NULL when memory is short. */
struct sl_ng_cookie *sl_ng_cookies_begin(struct sl_ng_cookies *c, const struct sl_endpoint *source,
        struct sl_slice cookie, struct sl_slice text);
/* It is answered: the answer is copied and kept until SL_NG_CACHE_MS later. */
void sl_ng_cookies_answer(
        struct sl_ng_cookies *c, struct sl_ng_cookie *k, struct sl_slice answer, int64_t now_ms);
/* It will not be answered: the next of its kind is a new one. */
void sl_ng_cookies_forget(struct sl_ng_cookies *c, struct sl_ng_cookie *k);
/* The answer; p NULL while it is being executed. Good until the next call that changes something. */
struct sl_slice sl_ng_cookie_answer(const struct sl_ng_cookie *k);
void sl_ng_cookies_expire(struct sl_ng_cookies *c, int64_t now_ms);

struct sl_ng_cookies_counts {
	uint32_t cached; /* answers kept */
	size_t bytes;
	uint64_t evicted; /* before their time */
};
const struct sl_ng_cookies_counts *sl_ng_cookies_counts(const struct sl_ng_cookies *c);

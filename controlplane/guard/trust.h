/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Final marks: SIP sources (address, port, listener) that somebody vouches for. Kept so that a dataplane that comes again gets them, and so
 * that the last of several who share a source (bindings behind one proxy) takes the mark along. Pure; the clock is an argument. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/wire/addr.h"
#include "dataplane/wire/siphash.h"

struct sl_trust_mark {
	struct sl_endpoint remote;
	uint16_t listener;
	uint32_t holders;  /* bindings and calls; 0: it ends by its time alone */
	int64_t until_ms;  /* 0 = free */
	int64_t alone_ms;  /* until then it stays when the last holder has gone: a trunk that answers, somebody who authenticated */
};
struct sl_trust {
	struct sl_siphash_key key;
	struct sl_trust_mark *all;
	size_t size, n, max;       /* size: a power of two, or 0 */
	size_t swept;
};

void sl_trust_init(struct sl_trust *t, size_t max, const struct sl_siphash_key *key);
void sl_trust_free(struct sl_trust *t);
enum sl_trust_how { SL_TRUST_ALONE, SL_TRUST_HOLD /* one more holder */, SL_TRUST_RENEW /* a holder that is there already */ };
/* Set, or moved to a later end. NULL: there are as many as there may be, or no memory. *news: the dataplane must be told. */
struct sl_trust_mark *sl_trust_put(struct sl_trust *t, const struct sl_endpoint *remote, uint16_t listener, int64_t until_ms, enum sl_trust_how how,
	bool *news);
/* One holder less. True: that was the last one; the mark has gone, or *left (else NULL) has an earlier end now: without holders it stays
 * until then. */
bool sl_trust_release(struct sl_trust *t, const struct sl_endpoint *remote, uint16_t listener, int64_t now_ms, const struct sl_trust_mark **left);
bool sl_trust_has(const struct sl_trust *t, const struct sl_endpoint *remote, uint16_t listener, int64_t now_ms);
/* Forget what has ended, `some` places from where the last call left off. */
void sl_trust_sweep(struct sl_trust *t, size_t some, int64_t now_ms);

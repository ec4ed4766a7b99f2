/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What the guard of one worker shows: events, samples, the top list, answers. The worker's thread. */

#include "dataplane/path/context.h"

/* A packet of p brought its source, prefix or wide prefix over a rule's mark, or below it again. */
void sl_guard_tell(struct sl_worker *w, const struct sl_pkt *p, unsigned rule, const struct sl_limiter_verdict *v);
/* All strangers of a rule together are over its total: told once a second. */
void sl_guard_tell_total(struct sl_worker *w, unsigned rule);
/* Copy p for the clients that asked for such a one. */
void sl_guard_sample(struct sl_worker *w, const struct sl_pkt *p, enum sl_drop why);
/* The same of a packet that a later stage drops, as it was received: nothing that was decrypted is shown. p NULL: made here. */
static inline void sl_guard_show(struct sl_worker *w, const struct sl_pkt *p, enum sl_drop why)
{
	if (unlikely(w->guard.sampling) && p && !p->opened && !p->looped)
		sl_guard_sample(w, p, why);
}
/* p is the one in SL_GUARD_TOP_SAMPLE that the top list gets. why: SL_N_DROPS = it passes. */
void sl_guard_top_sample(struct sl_worker *w, const struct sl_pkt *p, enum sl_drop why);

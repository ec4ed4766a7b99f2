/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Freeing snapshots that workers may still read: after a grace period (liburcu, qsbr flavour), on the library's own
 * thread, so that a stuck worker never holds up the housekeeper. */

/* release(what) runs later, on another thread. what may be NULL. Caller: a thread registered with RCU
 * that is offline. */
void sl_retire(void *what, void (*release)(void *what));

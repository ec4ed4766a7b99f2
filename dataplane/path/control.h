/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The worker's side of the contract with control planes: commands in, events out, all by rings. */

struct sl_worker;

/* Once a millisecond: notice clients, carry out commands, go on with listings. */
void sl_control(struct sl_worker *w);
/* Tell every client about a change of an allocation. Installed as sl_turn.event; ctx is the worker. */
void sl_control_allocation_event(void *ctx, unsigned alloc, unsigned change, unsigned end);

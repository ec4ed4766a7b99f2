/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Timer wheel of one worker: one node per allocation, seconds as ticks, intrusive lists of indices. Packets never touch
 * it: an expiry that has moved into the future is found when its slot comes round and is armed anew. */

#include <stdint.h>

enum { SL_WHEEL_SLOTS = 4096 }; /* longer waits go round again */

struct sl_wheel_node {
	uint32_t next, prev; /* index of node, or SL_NONE */
	uint32_t due_s;      /* the tick, and by its low bits the slot; 0 = not armed */
};

struct sl_wheel {
	struct sl_wheel_node *nodes;
	uint32_t head[SL_WHEEL_SLOTS];
	uint32_t now_s; /* every tick up to this one has been run, but for the rest of its list */
	uint32_t cursor; /* next node of now_s's list to look at, SL_NONE when through */
};

void sl_wheel_init(struct sl_wheel *w, struct sl_wheel_node *nodes, uint32_t n, uint32_t now_s);
/* Arm (or move) node to due_s; a time already past comes at the next advance. */
void sl_wheel_arm(struct sl_wheel *w, uint32_t node, uint32_t due_s);
void sl_wheel_cancel(struct sl_wheel *w, uint32_t node);
/* Take one due node off the wheel and return it, or SL_NONE when nothing is due up to now_s. */
uint32_t sl_wheel_pop(struct sl_wheel *w, uint32_t now_s);

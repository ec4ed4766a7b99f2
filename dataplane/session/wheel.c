/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/wheel.h"

#include "dataplane/session/flow.h"

void sl_wheel_init(struct sl_wheel *w, struct sl_wheel_node *nodes, uint32_t n, uint32_t now_s)
{
	w->nodes = nodes;
	w->now_s = now_s;
	w->cursor = SL_NONE;
	for (uint32_t i = 0; i < SL_WHEEL_SLOTS; i++)
		w->head[i] = SL_NONE;
	for (uint32_t i = 0; i < n; i++)
		nodes[i].due_s = 0;
}

void sl_wheel_cancel(struct sl_wheel *w, uint32_t node)
{
	struct sl_wheel_node *n = &w->nodes[node];

	if (n->due_s == 0)
		return;
	if (w->cursor == node)
		w->cursor = n->next;
	if (n->prev == SL_NONE)
		w->head[n->due_s % SL_WHEEL_SLOTS] = n->next;
	else
		w->nodes[n->prev].next = n->next;
	if (n->next != SL_NONE)
		w->nodes[n->next].prev = n->prev;
	n->due_s = 0;
}

void sl_wheel_arm(struct sl_wheel *w, uint32_t node, uint32_t due_s)
{
	struct sl_wheel_node *n = &w->nodes[node];
	uint32_t tick = due_s > w->now_s ? due_s : w->now_s + 1;
	uint32_t *head = &w->head[tick % SL_WHEEL_SLOTS];

	sl_wheel_cancel(w, node);
	n->due_s = tick;
	n->prev = SL_NONE;
	n->next = *head;
	/* Put before the cursor, so a node armed for a later lap of the slot being run is not met in this one. */
	if (n->next != SL_NONE)
		w->nodes[n->next].prev = node;
	*head = node;
}

uint32_t sl_wheel_pop(struct sl_wheel *w, uint32_t now_s)
{
	for (;;) {
		while (w->cursor != SL_NONE) {
			uint32_t node = w->cursor;
			if (w->nodes[node].due_s <= now_s) {
				sl_wheel_cancel(w, node); /* moves the cursor on */
				return node;
			}
			w->cursor = w->nodes[node].next;
		}
		if (w->now_s >= now_s)
			return SL_NONE;
		/* After a longer pause one visit of every slot is enough. */
		if (now_s - w->now_s > SL_WHEEL_SLOTS)
			w->now_s = now_s - SL_WHEEL_SLOTS;
		w->now_s++;
		w->cursor = w->head[w->now_s % SL_WHEEL_SLOTS];
	}
}

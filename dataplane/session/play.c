/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/play.h"

#include "dataplane/session/flow.h"

bool sl_play_frame(struct sl_leg_play *p, uint32_t n_frames, uint32_t turns, uint32_t *frame)
{
	uint64_t at = (uint64_t)p->frame + turns - 1;
	if (!n_frames)
		return false;
	uint64_t rounds = at / n_frames;
	if (p->times_left && rounds >= p->times_left)
		return false;
	if (p->times_left)
		p->times_left -= (uint32_t)rounds;
	*frame = (uint32_t)(at % n_frames);
	p->frame = *frame + 1;
	return true;
}

void sl_play_wheel_init(struct sl_play_wheel *w, struct sl_play_node *nodes, uint32_t n, uint64_t now_ms)
{
	*w = (struct sl_play_wheel){.nodes = nodes, .at_ms = now_ms};
	for (unsigned i = 0; i < SL_PLAY_TURN_MS; i++)
		w->head[i] = SL_NONE;
	for (uint32_t i = 0; i < n; i++)
		nodes[i] = (struct sl_play_node){SL_NONE, SL_NONE, SL_NONE};
}

void sl_play_wheel_arm(struct sl_play_wheel *w, uint32_t leg)
{
	struct sl_play_node *node = &w->nodes[leg];
	unsigned best = (w->at_ms + 1) % SL_PLAY_TURN_MS;
	if (node->slot != SL_NONE)
		return;
	for (unsigned i = 2; i <= SL_PLAY_TURN_MS; i++) {
		unsigned slot = (w->at_ms + i) % SL_PLAY_TURN_MS;
		if (w->count[slot] < w->count[best])
			best = slot;
	}
	*node = (struct sl_play_node){.next = w->head[best], .prev = SL_NONE, .slot = best};
	if (node->next != SL_NONE)
		w->nodes[node->next].prev = leg;
	w->head[best] = leg;
	w->count[best]++;
}

void sl_play_wheel_disarm(struct sl_play_wheel *w, uint32_t leg)
{
	struct sl_play_node *node = &w->nodes[leg];
	if (node->slot == SL_NONE)
		return;
	if (node->prev != SL_NONE)
		w->nodes[node->prev].next = node->next;
	else
		w->head[node->slot] = node->next;
	if (node->next != SL_NONE)
		w->nodes[node->next].prev = node->prev;
	w->count[node->slot]--;
	*node = (struct sl_play_node){SL_NONE, SL_NONE, SL_NONE};
}

unsigned sl_play_wheel_run(struct sl_play_wheel *w, uint64_t now_ms,
	void (*visit)(void *ctx, uint32_t leg, uint32_t ms), void *ctx)
{
	unsigned visited = 0;
	if (now_ms > w->at_ms + SL_PLAY_TURN_MS)
		w->at_ms = now_ms - SL_PLAY_TURN_MS;
	while (w->at_ms < now_ms) {
		w->at_ms++;
		for (uint32_t leg = w->head[w->at_ms % SL_PLAY_TURN_MS], next; leg != SL_NONE; leg = next, visited++) {
			next = w->nodes[leg].next;
			visit(ctx, leg, (uint32_t)w->at_ms);
		}
	}
	return visited;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "dataplane/abi/server.h"

static void count(struct sl_abi_worker *w, enum sl_worker_counter c)
{
	__atomic_store_n(&w->counters[c], w->counters[c] + 1, __ATOMIC_RELAXED);
}

void sl_abi_worker_init(struct sl_abi_worker *w, struct sl_abi_server *s, unsigned worker)
{
	memset(w, 0, sizeof *w);
	w->shared = &s->shared;
	w->region = s->region;
	w->n_workers = s->n_workers;
	w->worker = worker;
	w->counters = s->region->workers[worker].counters;
}

static void take_up(struct sl_abi_worker *w, unsigned slot)
{
	sl_ring_attach_fresh(
	        &w->commands[slot], w->region, w->n_workers, slot, 1 + w->worker, SL_RING_COMMANDS, 0);
	sl_ring_attach_fresh(
	        &w->events[slot], w->region, w->n_workers, slot, 1 + w->worker, SL_RING_EVENTS, 1);
	sl_ring_attach_fresh(&w->bulk[slot], w->region, w->n_workers, slot, 1 + w->worker, SL_RING_BULK, 1);
	w->attached |= 1u << slot;
}

void sl_abi_worker_poll(struct sl_abi_worker *w)
{
	uint32_t changes = atomic_load_explicit(&w->shared->changes, memory_order_acquire);

	if (changes == w->changes)
		return;
	w->changes = changes;
	for (unsigned slot = 0; slot < SL_MAX_CLIENTS; slot++) {
		/* Acquire: the housekeeper zeroed the rings before it made the epoch odd. */
		uint32_t epoch = atomic_load_explicit(&w->shared->epoch[slot], memory_order_acquire);
		if (epoch == w->epoch[slot])
			continue;
		w->epoch[slot] = epoch;
		if (epoch & 1)
			take_up(w, slot);
		else
			w->attached &= ~(1u << slot);
		/* Release: nothing of ours touches the rings of the previous attachment after this. */
		atomic_store_explicit(&w->shared->workers[w->worker].seen[slot], epoch, memory_order_release);
	}
}

/* The client's indices are absurd: stop using its rings and leave the rest to the housekeeper. */
static void give_up(struct sl_abi_worker *w, unsigned slot)
{
	w->attached &= ~(1u << slot);
	count(w, SL_C_ring_corrupt);
	atomic_store_explicit(
	        &w->shared->workers[w->worker].corrupt[slot], w->epoch[slot], memory_order_release);
}

bool sl_abi_worker_pop_command(struct sl_abi_worker *w, unsigned *slot, struct sl_command *cmd)
{
	for (unsigned i = 0; i < SL_MAX_CLIENTS && w->attached; i++) {
		unsigned s = (w->next_slot + i) % SL_MAX_CLIENTS;
		if (!(w->attached & 1u << s))
			continue;
		int rc = sl_ring_pop(&w->commands[s], cmd);
		if (rc < 0)
			give_up(w, s);
		if (rc <= 0)
			continue;
		w->next_slot = s + 1;
		*slot = s;
		return true;
	}
	return false;
}

int sl_abi_worker_offer(struct sl_abi_worker *w, unsigned slot, const struct sl_event *evt)
{
	if (slot >= SL_MAX_CLIENTS || !(w->attached & 1u << slot))
		return -ENOTCONN;

	int rc = sl_ring_push(&w->events[slot], evt, sizeof *evt);
	if (rc == -EPROTO)
		give_up(w, slot);
	return rc;
}

int sl_abi_worker_post_to(struct sl_abi_worker *w, unsigned slot, const struct sl_event *evt)
{
	int rc = sl_abi_worker_offer(w, slot, evt);

	if (rc == -ENOBUFS)
		count(w, SL_C_events_lost);
	return rc;
}

void sl_abi_worker_post(struct sl_abi_worker *w, const struct sl_event *evt)
{
	for (uint32_t left = w->attached; left; left &= left - 1)
		sl_abi_worker_post_to(w, (unsigned)__builtin_ctz(left), evt);
}

int sl_abi_worker_bulk(struct sl_abi_worker *w, unsigned slot, const struct sl_bulk *b, uint32_t bytes)
{
	if (slot >= SL_MAX_CLIENTS || !(w->attached & 1u << slot))
		return -ENOTCONN;

	int rc = sl_ring_push(&w->bulk[slot], b, bytes < sizeof *b ? bytes : sizeof *b);
	if (rc == -EPROTO)
		give_up(w, slot);
	return rc;
}

bool sl_abi_worker_bulk_has_room(struct sl_abi_worker *w, unsigned slot)
{
	return slot < SL_MAX_CLIENTS && (w->attached & 1u << slot) && sl_ring_room(&w->bulk[slot]) > SL_BULK_SLOTS / 2;
}

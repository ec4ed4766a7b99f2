/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/media/ports.h"

#include "dataplane/abi/msg_media.h"
#include "dataplane/wire/siphash.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MS_PER_S = 1000 };

/* Where a pair is. Free ones stand in their share's array, and at[] says where, so that any of them can be
 * taken out in one step; guarded ones wait in a queue, the first to be free first. */
enum { OUTSIDE, FREE, TAKEN, GUARDED };

struct pair {
	uint8_t state;
	uint16_t at;   /* FREE: position in its share */
	uint32_t next; /* GUARDED: the one released after it */
	int64_t until_ms;
};

/* The pairs of one worker on one address. */
struct share {
	uint16_t *free; /* [n_pairs] pair numbers: port / 2 */
	uint32_t n_free;
};

struct sl_port_pool {
	struct sl_port_pool_params p;
	struct sl_prng prng;
	struct pair *pairs;   /* [n_addresses][SL_PORT_POOL_PAIRS] */
	struct share *shares; /* [n_addresses][n_workers] */
	uint32_t first, last; /* the guarded queue; NONE = empty */
	size_t n_free, n_guarded;
};
#define NONE UINT32_MAX

static unsigned worker_of(const struct sl_port_pool *pool, uint32_t pair)
{
	return sl_media_port_worker((uint16_t)(pair * 2), pool->p.n_workers);
}

static struct share *share_of(const struct sl_port_pool *pool, unsigned address, unsigned worker)
{
	return &pool->shares[address * pool->p.n_workers + worker];
}

/* ---- from state to state; index = address * SL_PORT_POOL_PAIRS + pair ---- */

static void enter_free(struct sl_port_pool *pool, uint32_t index)
{
	uint32_t pair = index % SL_PORT_POOL_PAIRS;
	struct share *s = share_of(pool, index / SL_PORT_POOL_PAIRS, worker_of(pool, pair));

	pool->pairs[index].state = FREE;
	pool->pairs[index].at = (uint16_t)s->n_free;
	s->free[s->n_free++] = (uint16_t)pair;
	pool->n_free++;
}

static void leave_free(struct sl_port_pool *pool, uint32_t index)
{
	unsigned address = index / SL_PORT_POOL_PAIRS;
	struct share *s = share_of(pool, address, worker_of(pool, index % SL_PORT_POOL_PAIRS));
	uint16_t at = pool->pairs[index].at, moved = s->free[--s->n_free];

	s->free[at] = moved;
	pool->pairs[address * SL_PORT_POOL_PAIRS + moved].at = at;
	pool->pairs[index].state = TAKEN;
	pool->n_free--;
}

static void guard(struct sl_port_pool *pool, uint32_t index, int64_t until_ms)
{
	struct pair *p = &pool->pairs[index];

	p->state = GUARDED;
	p->until_ms = until_ms;
	p->next = NONE;
	if (pool->last == NONE)
		pool->first = index;
	else
		pool->pairs[pool->last].next = index;
	pool->last = index;
	pool->n_guarded++;
}

/* Each release is paid for by one step here. */
static void expire(struct sl_port_pool *pool, int64_t now_ms)
{
	while (pool->first != NONE && pool->pairs[pool->first].until_ms <= now_ms) {
		uint32_t index = pool->first;
		pool->first = pool->pairs[index].next;
		if (pool->first == NONE)
			pool->last = NONE;
		pool->n_guarded--;
		enter_free(pool, index);
	}
}

/* ---- life ---- */

static bool allocate(struct sl_port_pool *pool)
{
	const struct sl_port_pool_params *p = &pool->p;
	size_t n_shares = (size_t)p->n_addresses * p->n_workers;

	pool->pairs = calloc((size_t)p->n_addresses * SL_PORT_POOL_PAIRS, sizeof *pool->pairs);
	pool->shares = calloc(n_shares, sizeof *pool->shares);
	if (!pool->pairs || !pool->shares)
		return false;
	for (size_t i = 0; i < n_shares; i++) {
		pool->shares[i].free = calloc((size_t)(p->port_max - p->port_min) / 2 + 1, sizeof(uint16_t));
		if (!pool->shares[i].free)
			return false;
	}
	return true;
}

static int compare_until(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return x[0] < y[0] ? -1 : x[0] > y[0];
}

static uint32_t first_pair(const struct sl_port_pool_params *p)
{
	return (p->port_min + 1u) / 2;
}

static uint32_t end_pair(const struct sl_port_pool_params *p)
{
	return (p->port_max + 1u) / 2;
}

/* What was released just before a restart waits for the rest of its time, in the order of release. */
static bool guard_again(struct sl_port_pool *pool, int64_t now_ms)
{
	const struct sl_port_pool_params *p = &pool->p;
	size_t n = 0;
	int64_t(*late)[2] = calloc(pool->n_free + 1, sizeof *late);

	if (!late)
		return false;
	for (uint32_t a = 0; a < p->n_addresses; a++) {
		for (uint32_t i = a * SL_PORT_POOL_PAIRS + first_pair(p);
		        i < a * SL_PORT_POOL_PAIRS + end_pair(p); i++) {
			int64_t until_ms = (int64_t)p->released_s[i] * MS_PER_S + p->guard_ms;
			if (p->released_s[i] == 0 || until_ms <= now_ms ||
			        until_ms > now_ms + p->guard_ms + MS_PER_S)
				continue;
			late[n][0] = until_ms;
			late[n++][1] = i;
		}
	}
	qsort(late, n, sizeof *late, compare_until);
	for (size_t i = 0; i < n; i++) {
		leave_free(pool, (uint32_t)late[i][1]);
		guard(pool, (uint32_t)late[i][1], late[i][0]);
	}
	free(late);
	return true;
}

struct sl_port_pool *sl_port_pool_new(const struct sl_port_pool_params *p, int64_t now_ms)
{
	struct sl_port_pool *pool = calloc(1, sizeof *pool);

	if (!pool)
		return NULL;
	pool->p = *p;
	pool->first = pool->last = NONE;
	memcpy(&pool->prng.key, p->seed, sizeof pool->prng.key);
	if (!allocate(pool))
		goto err;
	for (uint32_t a = 0; a < p->n_addresses; a++) {
		for (uint32_t pair = first_pair(p); pair < end_pair(p); pair++)
			enter_free(pool, a * SL_PORT_POOL_PAIRS + pair);
	}
	if (p->released_s && !guard_again(pool, now_ms))
		goto err;
	return pool;
err:
	sl_port_pool_free(pool);
	return NULL;
}

void sl_port_pool_free(struct sl_port_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; pool->shares && i < (size_t)pool->p.n_addresses * pool->p.n_workers; i++)
		free(pool->shares[i].free);
	free(pool->shares);
	free(pool->pairs);
	free(pool);
}

void sl_port_pool_set_guard(struct sl_port_pool *pool, int64_t guard_ms)
{
	pool->p.guard_ms = guard_ms;
}

/* ---- use ---- */

int sl_port_pool_draw(struct sl_port_pool *pool, unsigned address, unsigned worker, int64_t now_ms)
{
	struct share *s = share_of(pool, address, worker);

	expire(pool, now_ms);
	if (s->n_free == 0)
		return -ENOSPC;
	/* The bias of a remainder of 64 bits by at most 2^15 is below 2^-49. */
	uint16_t pair = s->free[sl_prng_next(&pool->prng) % s->n_free];
	leave_free(pool, address * SL_PORT_POOL_PAIRS + pair);
	return pair * 2;
}

/* The index of a pair of ours, or NONE. */
static uint32_t index_of(const struct sl_port_pool *pool, unsigned address, uint16_t port)
{
	if (address >= pool->p.n_addresses || port % 2)
		return NONE;
	uint32_t index = address * SL_PORT_POOL_PAIRS + port / 2;
	return pool->pairs[index].state == OUTSIDE ? NONE : index;
}

/* Rare (a restart), so the queue may be walked. */
static void leave_guard(struct sl_port_pool *pool, uint32_t index)
{
	uint32_t *link = &pool->first, before = NONE;

	while (*link != index) {
		before = *link;
		link = &pool->pairs[*link].next;
	}
	*link = pool->pairs[index].next;
	if (pool->last == index)
		pool->last = before;
	pool->n_guarded--;
	pool->pairs[index].state = TAKEN;
}

int sl_port_pool_take(struct sl_port_pool *pool, unsigned address, uint16_t port)
{
	uint32_t index = index_of(pool, address, port);

	if (index == NONE)
		return -EINVAL;
	if (pool->pairs[index].state == TAKEN)
		return -EBUSY;
	if (pool->pairs[index].state == GUARDED)
		leave_guard(pool, index);
	else
		leave_free(pool, index);
	return 0;
}

void sl_port_pool_release(struct sl_port_pool *pool, unsigned address, uint16_t port, int64_t now_ms)
{
	uint32_t index = index_of(pool, address, port);

	if (index == NONE || pool->pairs[index].state != TAKEN)
		return;
	if (pool->p.released_s) /* rounded up: never too early after a restart */
		pool->p.released_s[index] = (uint32_t)((now_ms + MS_PER_S - 1) / MS_PER_S);
	guard(pool, index, now_ms + pool->p.guard_ms);
}

void sl_port_pool_undo(struct sl_port_pool *pool, unsigned address, uint16_t port)
{
	uint32_t index = index_of(pool, address, port);

	if (index != NONE && pool->pairs[index].state == TAKEN)
		enter_free(pool, index);
}

size_t sl_port_pool_n_free(const struct sl_port_pool *pool, unsigned address, unsigned worker)
{
	return share_of(pool, address, worker)->n_free;
}

size_t sl_port_pool_total_free(const struct sl_port_pool *pool)
{
	return pool->n_free;
}

size_t sl_port_pool_total_guarded(const struct sl_port_pool *pool)
{
	return pool->n_guarded;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/sip/crash.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#define MAGIC UINT64_C(0x3152435053495331)

struct sl_crash_page {
	uint64_t magic;
	uint8_t key[16];
	_Atomic uint64_t under_way;
	struct sl_crash_entry ring[SL_CRASH_RING];
	uint32_t next;
};
_Static_assert(sizeof(struct sl_crash_page) <= 4096, "must fit SL_SIP_CRASH_BYTES");

static void remember(struct sl_sip_crash *c, uint64_t print, int64_t unix_ms)
{
	struct sl_crash_page *p = c->page;
	struct sl_crash_entry *e = &p->ring[p->next++ % SL_CRASH_RING];

	e->print = print;
	e->until_unix_ms = unix_ms + SL_CRASH_REMEMBER_MS;
}

bool sl_crash_open(struct sl_sip_crash *c, void *page, int64_t unix_ms, uint64_t *print)
{
	struct sl_crash_page *p = page;

	c->page = p;
	c->last_until_unix_ms = 0;
	*print = 0;
	if (p == NULL)
		return false;
	if (p->magic != MAGIC) {
		memset(p, 0, sizeof *p);
		if (getrandom(p->key, sizeof p->key, 0) != sizeof p->key) {
			c->page = NULL;
			return false;
		}
		p->magic = MAGIC;
	}
	*print = atomic_exchange(&p->under_way, 0);
	if (*print)
		remember(c, *print, unix_ms);
	for (unsigned i = 0; i < SL_CRASH_RING; i++) {
		/* The clock was set back: nobody stays locked out longer than was meant. */
		if (p->ring[i].until_unix_ms > unix_ms + SL_CRASH_REMEMBER_MS)
			p->ring[i].until_unix_ms = unix_ms + SL_CRASH_REMEMBER_MS;
		if (p->ring[i].until_unix_ms > c->last_until_unix_ms)
			c->last_until_unix_ms = p->ring[i].until_unix_ms;
	}
	return *print != 0;
}

bool sl_crash_is_known(const struct sl_sip_crash *c, uint64_t print, int64_t unix_ms)
{
	if (c->page == NULL || unix_ms >= c->last_until_unix_ms)
		return false;
	for (unsigned i = 0; i < SL_CRASH_RING; i++) {
		const struct sl_crash_entry *e = &c->page->ring[i];

		if (e->print == print && unix_ms < e->until_unix_ms)
			return true;
	}
	return false;
}

void sl_crash_begin(struct sl_sip_crash *c, uint64_t print)
{
	if (c->page)
		atomic_store_explicit(&c->page->under_way, print, memory_order_relaxed);
}

uint8_t *sl_crash_key(struct sl_sip_crash *c)
{
	return c->page ? c->page->key : NULL;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Allow, deny and ban as they are in force: found by prefix, and by an address that lies in them. The clock is an argument: ends are of
 * CLOCK_MONOTONIC, so a step of the wall clock neither frees nor keeps anybody. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/guard/warden.h"
#include "dataplane/wire/siphash.h"

enum { SL_ENTRY_KINDS = 3, SL_ENTRY_BITS = 128 };

struct sl_entry {
	struct sl_prefix prefix;
	uint8_t kind;   /* enum sl_warden_kind */
	uint8_t origin; /* enum sl_warden_origin */
	uint16_t times; /* AUTO: the how manyth ban of this source */
	int64_t since_unix_ms;
	int64_t until_ms; /* CLOCK_MONOTONIC; 0 = no end */
	char *reason;   /* NULL = "" */
};

/* Those of the configuration and the others of one kind apart: the same prefix may be in both. */
struct sl_entry_shelf {
	struct sl_entry *all;
	size_t n, capacity;
	uint32_t lengths[SL_ENTRY_BITS + 1]; /* how many of each */
};
struct sl_entries {
	struct sl_siphash_key key;
	struct sl_entry_shelf shelves[2 * SL_ENTRY_KINDS];
	uint32_t *index; /* shelf << 28 | place + 1; 0 = free */
	size_t index_size, n;
};

/* A single address (of IPv6: or a /64), which bans.c of the dataplane holds; other prefixes go into the list. */
static inline bool sl_entry_is_single(const struct sl_prefix *p)
{
	return p->len == SL_ENTRY_BITS || (p->len == SL_ENTRY_BITS / 2 && !sl_ip_is_v4(&p->ip));
}

void sl_entries_init(struct sl_entries *es, const struct sl_siphash_key *key);
void sl_entries_free(struct sl_entries *es);
/* Put in, or in the place of the one with the same prefix, kind and (configuration or not) origin. Texts are copied. 0, -ENOMEM. */
int sl_entries_put(struct sl_entries *es, const struct sl_entry *e);
/* config: of the configuration, or of the others. NULL = none. */
struct sl_entry *sl_entries_find(const struct sl_entries *es, unsigned kind, bool config, const struct sl_prefix *p);
/* The one that took its place, or NULL. */
struct sl_entry *sl_entries_remove(struct sl_entries *es, struct sl_entry *e);
/* Those of the configuration are these from now on: hundreds of thousands in one go. 0, -ENOMEM (then there are none of them). */
int sl_entries_set_config(struct sl_entries *es, const struct sl_conf_guard_prefix *prefixes, size_t n);
/* The entry that decides about an address: an allow, else a deny, else a ban, each by the longest prefix. NULL = none. */
const struct sl_entry *sl_entries_decides(const struct sl_entries *es, const struct sl_ip *ip);
/* Does an allow hold all of p? */
bool sl_entries_allows(const struct sl_entries *es, const struct sl_prefix *p);
size_t sl_entries_count(const struct sl_entries *es, unsigned kind);
/* Of a kind, the one at that place: the configuration's last. NULL = there are fewer. */
const struct sl_entry *sl_entries_at(const struct sl_entries *es, unsigned kind, size_t place);
/* In the order allow, deny, ban. *at: 0 at first. */
const struct sl_entry *sl_entries_next(const struct sl_entries *es, size_t *at);
/* Where the look for what has ended is. */
struct sl_entries_round {
	size_t at[SL_ENTRY_KINDS];
	unsigned kind;
	size_t looked; /* at so many of that kind */
};
/* The next one whose time is up, to be removed; NULL when `some` of each kind were looked at: the next round goes on behind them. */
struct sl_entry *sl_entries_ended(const struct sl_entries *es, struct sl_entries_round *r, size_t some, int64_t now_ms);

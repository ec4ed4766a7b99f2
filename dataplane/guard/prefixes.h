/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Deny and allow prefixes of both families, as an immutable snapshot: a trie of 16 bits and then 8 bits a level. A node is one cache line:
 * two bits for each of its 256 entries (a verdict, or 3 = there is a child), and children are counted off (popcount) from a base index.
 * Longest match decides between denials; an allow covers all of its prefix, whatever is denied inside or around it. Pure: no DPDK. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/abi/msg_guard.h"

struct sl_prefixes;

/* Build from n entries in any order (duplicates allowed; an allow beats a deny of the same prefix). 0; -EINVAL with text naming the entry (prefix_len out
 * of range, verdict, bits beyond the prefix); -ENOMEM; -E2BIG beyond SL_GUARD_LIST_MAX. n = 0 gives *out NULL: nothing is denied. Any thread. */
int sl_prefixes_build(const struct sl_prefix_entry *e, size_t n, struct sl_prefixes **out, char *text, size_t text_len);
void sl_prefixes_free(struct sl_prefixes *p);
size_t sl_prefixes_bytes(const struct sl_prefixes *p); /* what it takes; NULL = 0 */
size_t sl_prefixes_count(const struct sl_prefixes *p);

/* enum sl_prefix_verdict of one address; p NULL = NONE. */
unsigned sl_prefixes_look(const struct sl_prefixes *p, const struct sl_ip *ip);
/* Of up to 32 IPv4 addresses (as on the wire), in passes that fetch ahead. deny, allow: bit i says it of be[i]. p not NULL. */
void sl_prefixes_look4(const struct sl_prefixes *p, const uint32_t *be, unsigned n, uint32_t *deny, uint32_t *allow);
/* The same for IPv6, 16 bytes each. */
void sl_prefixes_look6(const struct sl_prefixes *p, const struct sl_ip *const *ip, unsigned n, uint32_t *deny, uint32_t *allow);

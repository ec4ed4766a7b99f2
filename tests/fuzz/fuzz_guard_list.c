/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A list of prefixes as a control plane sends it: refused with words, or what it says of addresses in and around its entries is what brute force says.
 * Nearly all inputs would be refused for a bit beyond a prefix, so the same entries are also put right and built. */

#include "tests/fuzz/fuzz.h"

#include "dataplane/abi/validate.h"
#include "dataplane/guard/hash.h"
#include "dataplane/guard/prefixes.h"

enum { MOST = 64, BURST = 32 };

static unsigned oracle(const struct sl_prefix_entry *e, size_t n, const struct sl_ip *ip)
{
	unsigned found = SL_PREFIX_NONE;

	for (size_t i = 0; i < n; i++) {
		struct sl_prefix p = {e[i].ip, e[i].prefix_len};
		if (e[i].verdict > found && sl_prefix_contains(&p, ip))
			found = e[i].verdict;
	}
	return found;
}

/* The first and last address of a prefix, and those before and behind it. */
static void around(const struct sl_prefix_entry *e, struct sl_ip ip[4])
{
	struct sl_ip ones;

	memset(&ones, 0xff, sizeof ones);
	struct sl_ip mask = sl_ip_masked(&ones, e->prefix_len);
	ip[0] = ip[1] = e->ip;
	for (unsigned i = 0; i < 16; i++)
		ip[1].b[i] |= (uint8_t)~mask.b[i];
	ip[2] = ip[0];
	ip[3] = ip[1];
	for (int i = 15; i >= 0 && ip[2].b[i]-- == 0; i--)
		;
	for (int i = 15; i >= 0 && ++ip[3].b[i] == 0; i--)
		;
}

static void check_looks(const struct sl_prefixes *p, const struct sl_prefix_entry *e, size_t n)
{
	struct sl_ip ip[BURST];
	const struct sl_ip *at[BURST];
	uint32_t be[BURST], deny, allow;
	unsigned n4 = 0, n6 = 0, want4[BURST], want6[BURST];

	for (size_t i = 0; i < n; i++) {
		struct sl_ip four[4];
		around(&e[i], four);
		for (unsigned k = 0; k < 4 && n4 < BURST && n6 < BURST; k++) {
			unsigned want = oracle(e, n, &four[k]);
			SL_FUZZ_CHECK(sl_prefixes_look(p, &four[k]) == want);
			if (sl_ip_is_v4(&four[k])) {
				be[n4] = sl_ip_v4_be(&four[k]);
				want4[n4++] = want;
			} else {
				ip[n6] = four[k];
				at[n6] = &ip[n6];
				want6[n6++] = want;
			}
		}
	}
	sl_prefixes_look4(p, be, n4, &deny, &allow);
	for (unsigned i = 0; i < n4; i++)
		SL_FUZZ_CHECK((deny >> i & 1) == (want4[i] == SL_PREFIX_DENY) && (allow >> i & 1) == (want4[i] == SL_PREFIX_ALLOW));
	sl_prefixes_look6(p, at, n6, &deny, &allow);
	for (unsigned i = 0; i < n6; i++)
		SL_FUZZ_CHECK((deny >> i & 1) == (want6[i] == SL_PREFIX_DENY) && (allow >> i & 1) == (want6[i] == SL_PREFIX_ALLOW));
}

static bool built_and_checked(const struct sl_prefix_entry *e, size_t n)
{
	struct sl_prefixes *p = NULL;
	char text[160] = "";

	if (sl_prefixes_build(e, n, &p, text, sizeof text) < 0) {
		SL_FUZZ_CHECK(text[0] && !p);
		return false;
	}
	SL_FUZZ_CHECK((p != NULL) == (n > 0) && sl_prefixes_count(p) == n);
	if (p)
		check_looks(p, e, n);
	sl_prefixes_free(p);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static _Alignas(8) uint8_t copy[sizeof(struct sl_guard_list) + MOST * sizeof(struct sl_prefix_entry)];
	struct sl_guard_list *l = (struct sl_guard_list *)copy;
	char text[160] = "";

	if (size > sizeof copy)
		size = sizeof copy;
	memcpy(copy, data, size);
	bool taken = sl_guard_list_validate(l, size, text, sizeof text) == 0;
	SL_FUZZ_CHECK(taken || text[0]);
	if (size < sizeof *l || l->magic != SL_GUARD_LIST_MAGIC)
		return 0;
	if (taken)
		built_and_checked(l->entries, l->n);
	size_t n = (size - sizeof *l) / sizeof l->entries[0];
	for (size_t i = 0; i < n; i++) {
		struct sl_prefix_entry *e = &l->entries[i];
		e->prefix_len %= 129;
		if (sl_ip_is_v4(&e->ip) && e->prefix_len < 96)
			e->prefix_len = 96 + e->prefix_len % 33;
		e->verdict = e->verdict & 1 ? SL_PREFIX_DENY : SL_PREFIX_ALLOW;
		e->ip = sl_ip_masked(&e->ip, e->prefix_len);
	}
	SL_FUZZ_CHECK(built_and_checked(l->entries, n));
	return 0;
}

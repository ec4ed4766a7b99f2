/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/path/turn_restricted_internal.h"

static bool has_account(const struct sl_turn_restricted *r, unsigned realm, const void *name, unsigned len)
{
	uint64_t h = sl_turn_restricted_account(&r->key, realm, name, len);

	for (uint32_t i = (uint32_t)h & r->mask; r->accounts[i] != 0; i = (i + 1) & r->mask) {
		if (r->accounts[i] == h)
			return true;
	}
	return false;
}

bool sl_turn_restricted_has(const struct sl_turn_restricted *r, const struct sl_ip *ip, unsigned realm, const void *name, unsigned len)
{
	if (!r)
		return false;
	if (sl_prefixes_look(r->prefixes, ip) == SL_PREFIX_DENY)
		return true;
	return r->n_accounts > 0 && len <= SL_MSG_USERNAME_MAX &&
		(has_account(r, realm, name, len) || has_account(r, SL_TURN_ANY_REALM, name, len));
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Temporary GRUUs without a table (RFC 5627 A): the number of the binding, hidden by a keyed function of a counter, and a keyed hash that
 * covers the Call-ID too, since a new Call-ID ends the old ones (RFC 5627 5.1). */

#include "controlplane/registrar/internal.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

enum { FIELD = 16 }; /* digits */

static uint64_t mac_of(const struct sl_registrar *r, uint64_t counter, const struct sl_reg_binding *x)
{
	struct {
		uint64_t counter, id, call_id;
	} in = { counter, x->id, sl_siphash(&r->gruu_mac_key, x->b.call_id, strlen(x->b.call_id)) };

	return sl_siphash(&r->gruu_mac_key, &in, sizeof in);
}

void sl_gruu_temp(struct sl_registrar *r, const struct sl_reg_binding *x, char out[SL_GRUU_TOKEN])
{
	uint64_t counter = r->gruu_counter++;

	snprintf(out, SL_GRUU_TOKEN, "%016llx%016llx%016llx", (unsigned long long)counter,
	        (unsigned long long)(x->id ^ sl_siphash(&r->gruu_key, &counter, sizeof counter)),
	        (unsigned long long)mac_of(r, counter, x));
}

struct sl_reg_binding *sl_gruu_temp_find(const struct sl_registrar *r, const char *user)
{
	uint64_t counter, hidden, mac, want;

	if (strlen(user) != SL_GRUU_TOKEN - 1 || !sl_hex16(user, &counter) || !sl_hex16(user + FIELD, &hidden) ||
	        !sl_hex16(user + (size_t)2 * FIELD, &mac))
		return NULL;
	struct sl_reg_binding *x = sl_reg_binding_by_id(r, hidden ^ sl_siphash(&r->gruu_key, &counter, sizeof counter));
	if (!x || !x->aor)
		return NULL;
	want = mac_of(r, counter, x);
	return CRYPTO_memcmp(&want, &mac, sizeof mac) == 0 ? x : NULL;
}

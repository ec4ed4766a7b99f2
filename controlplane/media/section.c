/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* One section's own state. */

#include "controlplane/media/internal.h"

#include <string.h>

#include <openssl/crypto.h>

bool sl_section_wants_leg(const struct section *x)
{
	return x->kind != SL_NEGO_OTHER && !x->pub.rejected && !x->pub.bundled;
}

void sl_section_wipe(struct section *x)
{
	OPENSSL_cleanse(&x->pub.leg, sizeof x->pub.leg);
	OPENSSL_cleanse(&x->theirs, sizeof x->theirs);
	OPENSSL_cleanse(&x->ours, sizeof x->ours);
	OPENSSL_cleanse(x->offered, sizeof x->offered);
	x->n_offered = 0;
	sl_play_over(x);
	x->to = x->heard = (struct sl_leg_ref){0};
	x->dirty = false;
}

void sl_section_key_in(struct section *x, const struct sl_sdp_crypto *c)
{
	struct sl_cmd_leg *set = &x->pub.leg.set;

	if (!sl_nego_same_key(&c->key, &set->key_in[0])) {
		/* Until its party has our answer, it may still use the old one (RFC 4568 7.1.4). */
		set->key_in[1] = set->key_in[0];
		set->key_in[0] = c->key;
	}
	x->theirs = *c;
}

void sl_section_plain(struct section *x)
{
	struct sl_cmd_leg *set = &x->pub.leg.set;

	OPENSSL_cleanse(&x->theirs, sizeof x->theirs);
	OPENSSL_cleanse(&x->ours, sizeof x->ours);
	OPENSSL_cleanse(x->offered, sizeof x->offered);
	x->n_offered = 0;
	OPENSSL_cleanse(set->key_in, sizeof set->key_in);
	OPENSSL_cleanse(&set->key_out, sizeof set->key_out);
	set->flags &= ~(uint32_t)(SL_LEG_REQUIRE_SRTP | SL_LEG_RAW);
}

void sl_section_raw(struct section *x)
{
	sl_section_plain(x);
	x->pub.leg.set.flags &= ~(uint32_t)SL_LEG_REWRITE_SSRC;
	x->pub.leg.set.flags |= SL_LEG_RAW;
}

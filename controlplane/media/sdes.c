/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Keys of a section by SDES (RFC 4568): taken from an offer, offered, and matched with the answer. */

#include "controlplane/media/plan.h"

#include <string.h>

#include <openssl/crypto.h>

/* The offerer's key: which one we take, and what we answer with. */
enum sl_media_result sl_sdes_take(
        struct sl_plan *plan, unsigned i, struct section *a, struct sl_media_error *e)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	struct sl_cmd_leg *set = &a->pub.leg.set;
	int at = sl_nego_choose_crypto(sl_nego_suites_asked(&plan->q->options), plan->suites, md, &a->theirs);

	if (at < 0)
		return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED,
		        "SDP: media section %u: no a=crypto that we can do%s", i + 1,
		        plan->suites == SL_NEGO_ALL_SUITES ? "" : ": media.max_large_keys are in use");
	const struct sl_sdp_crypto *c = &md->crypto[at];
	sl_section_key_in(a, c);
	if (a->ours.key.suite != c->key.suite || a->ours.key.flags != c->key.flags) {
		if (sl_nego_make_key(&a->ours.key, c->key.suite, c->key.flags) < 0)
			return sl_media_fail(e, SL_MEDIA_ERR_NO_MEMORY, "no randomness for a key");
	}
	a->ours.tag = c->tag;
	set->key_out = a->ours.key;
	set->flags |= SL_LEG_REQUIRE_SRTP;
	return SL_MEDIA_OK;
}

/* The keys that the other side is offered: the one in force; else those offered before and not answered; else
 * new ones. */
enum sl_media_result sl_sdes_offer(
        struct sl_plan *plan, unsigned i, struct section *b, struct sl_media_error *e)
{
	const struct sl_media_options *o = &plan->q->options;
	uint8_t suites[SL_NEGO_SUITES];

	if (o->sdes_off)
		return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED,
		        "media section %u: SRTP without SDES would need DTLS, which is not terminated here",
		        i + 1);
	if (o->flags & SL_MF_RESET) {
		b->n_offered = 0;
		b->ours.key.suite = SL_SRTP_NONE;
	}
	b->pub.leg.set.flags |= SL_LEG_REQUIRE_SRTP;
	if (b->ours.key.suite != SL_SRTP_NONE) {
		b->offered[0] = b->ours;
		b->n_offered = 1;
	}
	if (b->n_offered)
		return SL_MEDIA_OK;
	unsigned n = sl_nego_suites(sl_nego_suites_asked(o) & plan->suites, &plan->sdp.media[i], suites);
	if (n == 0)
		return sl_media_fail(e, SL_MEDIA_ERR_UNSUPPORTED,
		        "media section %u: no SDES suite is left to offer", i + 1);
	for (unsigned k = 0; k < n; k++) {
		if (sl_nego_make_key(&b->offered[k].key, suites[k], 0) < 0)
			return sl_media_fail(e, SL_MEDIA_ERR_NO_MEMORY, "no randomness for a key");
		b->offered[k].tag = k + 1;
	}
	b->n_offered = (uint8_t)n;
	return SL_MEDIA_OK;
}

/* The same answer may come again, in a 200 after a 183: then nothing is offered, and its key is in force. */
enum sl_media_result sl_sdes_match(
        struct sl_plan *plan, unsigned i, struct section *x, struct sl_media_error *e)
{
	const struct sl_sdp_media *md = &plan->sdp.media[i];
	const struct sl_sdp_crypto *offered = x->n_offered ? x->offered : &x->ours;
	unsigned at = 0;
	int k = sl_nego_match_crypto(offered, x->n_offered ? x->n_offered : 1, md, &at);

	if (k < 0)
		return sl_media_fail(e, SL_MEDIA_ERR_SYNTAX,
		        "SDP: media section %u: the answer's a=crypto is none of what was offered", i + 1);
	sl_section_key_in(x, &md->crypto[at]);
	x->ours = offered[k];
	x->pub.leg.set.key_out = x->ours.key;
	OPENSSL_cleanse(x->offered, sizeof x->offered);
	x->n_offered = 0;
	return SL_MEDIA_OK;
}

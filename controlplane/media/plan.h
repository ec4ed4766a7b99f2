/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* An offer or answer as it would be: copies of both parties' sections are changed, ports drawn, the SDP
 * written. Only when all of it has succeeded is it committed, so that what is refused changes nothing. */

#include "controlplane/media/internal.h"

struct sl_plan_side {
	struct party *party; /* NULL = there is none */
	bool fresh;          /* the party was made for this plan */
	unsigned n;          /* sections */
	struct section next[SL_MEDIA_MAX_SECTIONS];
	bool drawn[SL_MEDIA_MAX_SECTIONS];        /* its leg is new */
	int family[SL_MEDIA_MAX_SECTIONS];        /* of a leg to be made: AF_INET, AF_INET6 */
	bool family_asked[SL_MEDIA_MAX_SECTIONS]; /* and no other will do */
};

struct sl_plan {
	const struct sl_media_request *q;
	struct session *session;
	bool fresh;      /* the session was made for this plan */
	uint8_t dscp;    /* of legs for which nothing is asked */
	uint32_t suites; /* that there is room for */
	struct sl_plan_side from,
	        to; /* whose SDP it is, and whom it is sent on to; a side without a party is not there */
	struct sl_plan_side *reader; /* who gets the SDP that is written */
	unsigned base;               /* section of reader that is the SDP's first */
	struct sl_sdp sdp;
	struct sl_sdp_edit edit;
};

/* Check the request's names (its from-tag may be empty: has_from false) and read its SDP. */
enum sl_media_result sl_plan_read(
        struct sl_media *m, const struct sl_media_request *q, bool has_from, struct sl_media_error *e);
enum sl_media_result sl_plan_parse(struct sl_plan *plan, struct sl_slice sdp, struct sl_media_error *e);
void sl_plan_begin(struct sl_media *m, const struct sl_media_request *q);
/* Take copies of what party (NULL: a new one is made) has, and of at least n sections. tag and branch are a
 * new one's. */
enum sl_media_result sl_plan_side(struct sl_plan *plan, struct sl_plan_side *side, struct party *party,
        unsigned n, struct sl_slice tag, struct sl_slice via_branch, struct sl_media_error *e);
/* Sections of the SDP that may have a leg. */
static inline unsigned sl_plan_sections(const struct sl_plan *plan)
{
	return plan->sdp.n_media < SL_MEDIA_MAX_SECTIONS ? plan->sdp.n_media : SL_MEDIA_MAX_SECTIONS;
}
/* The request's session, or a new one when there may be one more. */
enum sl_media_result sl_plan_session(struct sl_media *m, struct sl_plan *plan, struct sl_media_error *e);
void sl_plan_suites(
        const struct sl_media *m, struct sl_plan *plan); /* leave those out that there is no room for */
/* The name of an interface that has addresses, for a new party: wish, or the first when it is empty. */
enum sl_media_result sl_plan_interface(
        const struct sl_media *m, struct party *p, struct sl_slice wish, struct sl_media_error *e);

/* What section i of the SDP says about its own party: address, direction, payload types, learning. */
enum sl_media_result sl_plan_said(
        struct sl_plan *plan, unsigned i, struct section *x, struct sl_media_error *e);
void sl_plan_mux(struct section *x, bool muxed); /* set its leg's RTCP port accordingly */
void sl_plan_reject(struct section *x);
void sl_plan_bundle(struct section *x, unsigned with);

/* sdes.c; i: section of the SDP. The offerer's key: which one we take, and what we answer with. */
enum sl_media_result sl_sdes_take(
        struct sl_plan *plan, unsigned i, struct section *x, struct sl_media_error *e);
/* What x's party is offered, in x->offered. */
enum sl_media_result sl_sdes_offer(
        struct sl_plan *plan, unsigned i, struct section *x, struct sl_media_error *e);
/* What x's party has answered. */
enum sl_media_result sl_sdes_match(
        struct sl_plan *plan, unsigned i, struct section *x, struct sl_media_error *e);

void sl_plan_shared(struct sl_plan_side *side); /* what bundled sections mean to the legs they share */
/* Legs for all sections that want one. */
enum sl_media_result sl_plan_legs(struct sl_media *m, struct sl_plan *plan, struct sl_media_error *e);
/* Can each leg of the speaking side reach the address that was said? */
enum sl_media_result sl_plan_families(
        const struct sl_media *m, const struct sl_plan *plan, struct sl_media_error *e);
/* The SDP to send on, into r. Edits say all but addresses. */
enum sl_media_result sl_plan_write(
        struct sl_media *m, struct sl_plan *plan, struct sl_media_reply *r, struct sl_media_error *e);
/* sdp: what was written, kept for those who will subscribe to its reader. */
void sl_plan_commit(struct sl_media *m, struct sl_plan *plan, struct sl_slice sdp);
void sl_plan_abandon(struct sl_media *m, struct sl_plan *plan);

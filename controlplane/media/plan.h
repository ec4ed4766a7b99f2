/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* An offer or answer as it would be: copies of both parties' sections are changed, ports drawn, the SDP written. Only when
 * all of it has succeeded is it committed, so that what is refused changes nothing. */

#include "controlplane/media/internal.h"

struct sl_plan_side {
	struct party *party;
	bool fresh;                   /* the party was made for this plan */
	unsigned n;                   /* sections */
	struct section next[SL_MEDIA_MAX_SECTIONS];
	bool drawn[SL_MEDIA_MAX_SECTIONS];  /* its leg is new */
	int family[SL_MEDIA_MAX_SECTIONS];  /* of a leg to be made: AF_INET, AF_INET6 */
	bool family_asked[SL_MEDIA_MAX_SECTIONS]; /* and no other will do */
};

struct sl_plan {
	const struct sl_media_request *q;
	struct session *session;
	bool fresh;                   /* the session was made for this plan */
	uint8_t dscp;                 /* of legs for which nothing is asked */
	struct sl_plan_side from, to; /* whose SDP it is, and whom it is sent on to */
	struct sl_sdp sdp;
	struct sl_sdp_edit edit;
};

/* Check the request's names and read its SDP. */
enum sl_media_result sl_plan_read(struct sl_media *m, const struct sl_media_request *q, struct sl_media_error *e);
/* Take copies of what party (NULL: a new one is made) has. tag and branch are a new one's. */
enum sl_media_result sl_plan_side(struct sl_plan *plan, struct sl_plan_side *side, struct party *party, struct sl_slice tag,
	struct sl_slice via_branch, struct sl_media_error *e);
/* The name of an interface that has addresses, for a new party: wish, or the first when it is empty. */
enum sl_media_result sl_plan_interface(const struct sl_media *m, struct party *p, struct sl_slice wish,
	struct sl_media_error *e);

/* What section i of the SDP says about its own party: address, direction, payload types, learning. */
enum sl_media_result sl_plan_said(struct sl_plan *plan, unsigned i, struct section *x, struct sl_media_error *e);
void sl_plan_mux(struct section *x, bool muxed); /* set its leg's RTCP port accordingly */
void sl_plan_reject(struct section *x);
void sl_plan_bundle(struct section *x, unsigned with);

/* Legs for all sections that want one. */
enum sl_media_result sl_plan_legs(struct sl_media *m, struct sl_plan *plan, struct sl_media_error *e);
/* The SDP to send on, into r. Edits say all but addresses. */
enum sl_media_result sl_plan_write(struct sl_media *m, struct sl_plan *plan, struct sl_media_reply *r, struct sl_media_error *e);
void sl_plan_commit(struct sl_media *m, struct sl_plan *plan);
void sl_plan_abandon(struct sl_media *m, struct sl_plan *plan);

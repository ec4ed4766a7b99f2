/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What the trunk controller decides: forks, failover, early media, transfers, glare, ends. */

#include "tests/unit/b2bua_rig.h"

#include <errno.h>

#include <sofia-sip/msg.h>
#include <sofia-sip/sip_parser.h>


static struct rig_leg *up(void)
{
	struct rig_leg *a = call_begins(SDP_A), *p = tb.legs[1];

	tells(p, SL_LE_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_int_equal(a->pub.state, SL_LS_UP);
	return a;
}

static void a_call(void **state)
{
	to_bob();
	struct rig_leg *a = call_begins(SDP_A), *p = tb.legs[1];

	assert_int_equal(tb.n_legs, 2);
	assert_true(was(p, "invite+sdp;"));
	assert_string_equal(p->request_uri, "sip:bob@192.0.2.20:1");
	assert_string_equal(p->from, "<sip:alice@lab.test>");
	assert_non_null(strstr(p->sdp, "c=IN IP4 10.0.0.1\r\n")); /* the private side's */
	assert_non_null(strstr(p->headers, "Subject: s\r\n"));
	tells(p, SL_LE_PROGRESS, 180, NULL);
	tells(p, SL_LE_PROGRESS, 180, NULL); /* once is enough */
	assert_string_equal(a->log, "progress 180;");
	tells(p, SL_LE_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_true(was(a, "answer+sdp;"));
	assert_non_null(strstr(a->sdp, "c=IN IP4 203.0.113.1\r\n"));
	assert_null(strstr(a->sdp, "192.0.2"));
	assert_int_equal(tb.uses, 2);
	ends(a, 200);
	assert_true(was(p, "hangup 200;"));
	assert_int_equal(sl_media_n_sessions(tb.media.m), 0);
	all_over();
	assert_int_equal(tb.n_cdrs, 2);
}

/* ---- forks ---- */

static void two_ring(void)
{
	tb.n_bindings = 2;
	to_bob();
	call_begins(SDP_A);
	assert_int_equal(tb.n_legs, 3);
}

static void first_fork_is_heard(void **state)
{
	two_ring();
	struct rig_leg *a = tb.legs[0], *p = tb.legs[1], *q = tb.legs[2];
	tells(p, SL_LE_PROGRESS, 183, sdp_from(20, 6000, "RTP/AVP"));
	assert_string_equal(a->log, "progress 183+sdp;");
	tells(q, SL_LE_PROGRESS, 183, sdp_from(21, 6100, "RTP/AVP"));
	assert_string_equal(a->log, "progress 183+sdp;");
	forget();
	ends(p, 486); /* then the other may be heard */
	tells(q, SL_LE_PROGRESS, 183, sdp_from(21, 6100, "RTP/AVP"));
	assert_string_equal(a->log, "progress 183+sdp;");
	forget();
	tells(q, SL_LE_ANSWERED, 200, sdp_from(21, 6100, "RTP/AVP"));
	assert_string_equal(a->log, "answer+sdp;");
	ends(a, 200);
	all_over();
}

static void last_fork_is_heard(void **state)
{
	tb.tenant.early_media = SL_EARLY_LAST;
	two_ring();
	struct rig_leg *a = tb.legs[0], *p = tb.legs[1], *q = tb.legs[2];
	tells(p, SL_LE_PROGRESS, 183, sdp_from(20, 6000, "RTP/AVP"));
	tells(q, SL_LE_PROGRESS, 183, sdp_from(21, 6100, "RTP/AVP"));
	assert_string_equal(a->log, "progress 183+sdp;progress 183+sdp;");
	tells_fork(q, 183, 1, sdp_from(22, 6200, "RTP/AVP")); /* its own second fork */
	assert_string_equal(a->log, "progress 183+sdp;progress 183+sdp;progress 183+sdp;");
	forget();
	tells(p, SL_LE_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_string_equal(a->log, "answer+sdp;");
	assert_true(was(q, "hangup 200;"));
	assert_non_null(strstr(q->headers, "Call completed elsewhere"));
	ends(q, 487);
	assert_int_equal(a->pub.state, SL_LS_UP);
	ends(p, 200);
	assert_true(was(a, "hangup 200;"));
	all_over();
}

static void no_fork_is_heard(void **state)
{
	tb.tenant.early_media = SL_EARLY_NONE;
	two_ring();
	tells(tb.legs[1], SL_LE_PROGRESS, 183, sdp_from(20, 6000, "RTP/AVP"));
	assert_string_equal(tb.legs[0]->log, "progress 183;");
	ends(tb.legs[0], 487);
	assert_true(was(tb.legs[1], "hangup 487;") && was(tb.legs[2], "hangup 487;"));
	all_over();
}

static void forks_by_q(void **state)
{
	tb.n_bindings = 3;
	tb.bindings[1].q = tb.bindings[2].q = 500;
	to_bob();
	struct rig_leg *a = call_begins(SDP_A);
	assert_int_equal(tb.n_legs, 2);
	ends(tb.legs[1], 486);
	assert_int_equal(tb.n_legs, 4);
	ends(tb.legs[2], 404);
	ends(tb.legs[3], 480);
	assert_true(was(a, "hangup 486;") || was(a, "hangup 404;")); /* the best, of one class the first */
	all_over();
}

static void serially(void **state)
{
	tb.tenant.forking = 2;
	tb.n_bindings = 3;
	to_bob();
	struct rig_leg *a = call_begins(SDP_A);
	assert_int_equal(tb.n_legs, 2);
	ends(tb.legs[1], 480);
	assert_int_equal(tb.n_legs, 3);
	ends(tb.legs[2], 603); /* RFC 3261 16.7 step 5: nobody else is asked */
	assert_int_equal(tb.n_legs, 3);
	assert_true(was(a, "hangup 603;"));
	all_over();
}

static void forks_count_once(void **state)
{
	two_ring();
	assert_int_equal(tb.uses, 2); /* the caller's, and bob's one call */
	ends(tb.legs[1], 486);
	assert_int_equal(tb.uses, 2);
	tells(tb.legs[2], SL_LE_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_int_equal(tb.uses, 2);
	ends(tb.legs[2], 200);
	all_over();
	tb.n_legs = 0;
	two_ring();
	tells(tb.legs[2], SL_LE_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	ends(tb.legs[1], 487);
	assert_int_equal(tb.uses, 2);
	all_over();
}

static void decline_ends_all(void **state)
{
	two_ring();
	ends(tb.legs[1], 600);
	assert_true(was(tb.legs[2], "hangup 487;"));
	assert_true(was(tb.legs[0], "hangup 600;"));
	all_over();
}

static void cancel_crosses_the_answer(void **state)
{
	to_bob();
	struct rig_leg *a = call_begins(SDP_A), *p = tb.legs[1];

	tells(p, SL_LE_PROGRESS, 180, NULL);
	ends(a, 487);
	assert_true(was(p, "hangup 487;"));
	assert_int_equal(sl_calls_n(tb.calls), 1); /* until that leg has ended, too */
	tells(p, SL_LE_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_null(strstr(a->log, "answer"));
	all_over();
}

/* ---- trunks ---- */

static void failover(void **state)
{
	to_trunks(3);
	struct rig_leg *a = call_begins(SDP_A);
	assert_string_equal(tb.legs[1]->request_uri, "sip:+1555@t0.example;user=phone");
	tells(tb.legs[1], SL_LE_PROGRESS, 183, sdp_from(20, 6000, "RTP/AVP"));
	ends(tb.legs[1], 503);
	assert_int_equal(tb.n_legs, 3);
	assert_int_equal(sl_media_n_sessions(tb.media.m), 1);
	ends(tb.legs[2], 486); /* the number called has answered */
	assert_int_equal(tb.n_legs, 3);
	assert_true(was(a, "hangup 486;"));
	assert_int_equal(a->pub.cdr.n_attempts, 2);
	assert_int_equal(a->pub.cdr.attempts[0].status, 503);
	assert_string_equal(a->pub.cdr.attempts[1].trunk, "t1");
	assert_non_null(strstr(tb.call->decision, "\"attempts\":[{\"to\":\"t0\""));
	all_over();
}

static void silent_trunk(void **state)
{
	to_trunks(2);
	call_begins(SDP_A);
	tick(4100);
	assert_true(was(tb.legs[1], "hangup 408;"));
	assert_int_equal(tb.n_legs, 3);
	tb.legs[2]->heard = true; /* a 100: no reason to go on */
	tick(4100);
	assert_int_equal(tb.n_legs, 3);
	ends(tb.legs[1], 408);
	tells(tb.legs[2], SL_LE_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_true(was(tb.legs[0], "answer+sdp;"));
	ends(tb.legs[0], 200);
	all_over();
}

static void limits(void **state)
{
	to_trunks(2);
	tb.busy = 2; /* the first trunk's */
	struct rig_leg *a = call_begins(SDP_A);
	assert_string_equal(tb.legs[1]->request_uri, "sip:+1555@t1.example;user=phone");
	ends(tb.legs[1], 503);
	assert_true(was(a, "hangup 486;")); /* the better one of the two */
	all_over();
	tb.n_legs = 0;
	tb.busy = 1; /* the caller's */
	a = call_begins(SDP_A);
	assert_int_equal(tb.n_legs, 1);
	assert_true(was(a, "hangup 486;"));
	all_over();
}

static void redirected(struct rig_leg *l, const char *contacts)
{
	char text[600];
	snprintf(text, sizeof text,
	        "SIP/2.0 302 Moved\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: 1\r\n"
	        "CSeq: 1 INVITE\r\nContact: %s\r\nContent-Length: 0\r\n\r\n", contacts);
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, strlen(text));
	struct sl_leg_event e = {.type = SL_LE_ENDED, .status = 302, .reason = "Moved", .cause = {.status = 302},
		.message = msg_public(msg, SIP_PROTOCOL_TAG)};

	sl_leg_tell(&l->pub, &e);
	msg_destroy(msg);
}

static const char two[] = "<sip:low@h1>;q=0.1, <sip:high@h2>;q=0.9";

static void redirects(void **state)
{
	tb.trunks[0].follow_redirects = true;
	to_trunks(1);
	struct rig_leg *a = call_begins(SDP_A);
	redirected(tb.legs[1], two);
	assert_string_equal(tb.legs[2]->request_uri, "sip:high@h2");
	assert_non_null(strstr(tb.legs[2]->headers, "Diversion: "));
	redirected(tb.legs[2], two); /* to where we have been: only the other one is left */
	assert_string_equal(tb.legs[3]->request_uri, "sip:low@h1");
	redirected(tb.legs[3], two);
	assert_int_equal(tb.n_legs, 4);
	assert_true(was(a, "hangup 480;"));
	all_over();
	tb.trunks[0].follow_redirects = false;
	tb.n_legs = 0;
	a = call_begins(SDP_A);
	redirected(tb.legs[1], two);
	assert_int_equal(tb.n_legs, 2);
	all_over();
}

static void a_phone_sends_the_call_on(void **state)
{
	to_bob();
	struct rig_leg *a = call_begins(SDP_A);
	to_trunks(1);
	redirected(tb.legs[1], "<sip:+1555@evil.example>, <sip:+1666@lab.test>;q=0.5");
	assert_string_equal(tb.query.called, "+1666"); /* not the one that is not ours */
	assert_ptr_equal(tb.query.from_user, &tb.bob); /* his rights, his bill */
	assert_int_equal(tb.n_legs, 3);
	assert_non_null(strstr(tb.legs[2]->headers, "Diversion: <sip:bob@lab.test>;reason=unconditional;counter=1\r\n"));
	tells(tb.legs[2], SL_LE_ANSWERED, 200, sdp_from(30, 7000, "RTP/AVP"));
	assert_true(was(a, "answer+sdp;"));
	ends(a, 200);
	all_over();
	tb.n_legs = 0;
	to_bob();
	a = call_begins(SDP_A);
	redirected(tb.legs[1], "<sip:+1555@evil.example>");
	assert_int_equal(tb.n_legs, 2);
	assert_true(was(a, "hangup 480;"));
	all_over();
	tb.n_legs = 0; /* to and fro, not for ever */
	to_bob();
	a = call_begins(SDP_A);
	while (tb.n_legs < 15 && tb.legs[tb.n_legs - 1] != a && tb.legs[tb.n_legs - 1]->pub.state != SL_LS_ENDED)
		redirected(tb.legs[tb.n_legs - 1], "<sip:bob@lab.test>");
	assert_int_equal(tb.n_legs, 1 + 1 + MAX_REDIRECTS);
	all_over();
}

/* ---- media policies ---- */

static void srtp_is_preferred(void **state)
{
	to_trunks(1);
	tb.trunks[0].srtp = SL_PROV_SRTP_PREFER;
	struct rig_leg *a = call_begins(SDP_A);
	assert_non_null(strstr(tb.legs[1]->sdp, "RTP/SAVP "));
	ends(tb.legs[1], 488);
	assert_int_equal(tb.n_legs, 3); /* the same place again, plain */
	assert_non_null(strstr(tb.legs[2]->sdp, "RTP/AVP "));
	ends(tb.legs[2], 488);
	assert_int_equal(tb.n_legs, 3);
	assert_true(was(a, "hangup 488;"));
	all_over();
}

static void srtp_is_required(void **state)
{
	to_trunks(1);
	tb.trunks[0].srtp = SL_PROV_SRTP_REQUIRE;
	struct rig_leg *a = call_begins(SDP_A);
	assert_non_null(strstr(tb.legs[1]->sdp, "a=crypto:"));
	tells(tb.legs[1], SL_LE_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_true(was(tb.legs[1], "hangup 488;") && was(a, "hangup 488;"));
	all_over();
	tb.n_legs = 0;
	tb.alice.srtp = SL_PROV_SRTP_REQUIRE;
	a = call_begins(SDP_A);
	assert_int_equal(tb.n_legs, 1);
	assert_true(was(a, "hangup 488;"));
	all_over();
}

static void codec_rules(void **state)
{
	static char pcmu[1][24] = {"PCMU"}, g729[1][24] = {"G729"};

	to_trunks(1);
	tb.trunks[0].codecs = (struct sl_prov_codecs){.n_only = 1, .only = pcmu};
	struct rig_leg *a = call_begins(SDP_A); /* 8 0 101 */
	assert_non_null(strstr(tb.legs[1]->sdp, "RTP/AVP 0 101\r\n"));
	ends(a, 487);
	all_over();
	tb.n_legs = 0;
	tb.trunks[0].codecs = (struct sl_prov_codecs){.n_only = 1, .only = g729};
	a = call_begins(SDP_A);
	assert_int_equal(tb.n_legs, 1);
	assert_true(was(a, "hangup 488;"));
	all_over();
}

static void late_offer(void **state)
{
	to_bob();
	struct rig_leg *a = call_begins(NULL), *p = tb.legs[1];
	assert_true(was(p, "invite;"));
	tells(p, SL_LE_PROGRESS, 183, sdp_from(20, 6000, "RTP/AVP"));
	assert_string_equal(a->log, "progress 183;");
	tells(p, SL_LE_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_true(was(a, "answer+sdp;"));
	tells(a, SL_LE_ACKED, 0, SDP_A);
	assert_true(was(p, "ack+sdp;"));
	ends(a, 200);
	all_over();
}

/* ---- while it is up ---- */

static void offers_meet(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	forget();
	asks(a, SL_LE_OFFER, NULL, NULL, SDP_A "a=ptime:30\r\n");
	assert_string_equal(p->log, "offer+sdp;");
	asks(p, SL_LE_OFFER, NULL, NULL, sdp_from(20, 6002, "RTP/AVP"));
	assert_true(was(p, "respond 491;"));
	tells(p, SL_LE_OFFER_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_true(was(a, "respond 200+sdp;"));
	a->offer_error = -EINPROGRESS;
	asks(p, SL_LE_OFFER, NULL, NULL, sdp_from(20, 6002, "RTP/AVP"));
	assert_true(strstr(p->log, "respond 491;") != strrchr(p->log, 'r'));
	forget();
	asks(p, SL_LE_OFFER, NULL, NULL, NULL); /* it wants ours */
	assert_string_equal(a->log, "offer;");
	tells(a, SL_LE_OFFER_ANSWERED, 200, SDP_A);
	assert_string_equal(p->log, "respond 200+sdp;");
	tells(p, SL_LE_ACKED, 0, sdp_from(20, 6000, "RTP/AVP"));
	assert_string_equal(a->log, "offer;ack+sdp;");
	forget();
	asks(a, SL_LE_OFFER, NULL, NULL, SDP_A);
	ends(p, 200); /* the other side goes while it is asked */
	assert_true(was(a, "respond") || was(a, "hangup 200;"));
	all_over();
}

/* It wanted our offer, and cancels before there is one: whoever made it gets an answer all the same, and keeps its session. */
static void late_offer_cancelled(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	forget();
	asks(a, SL_LE_OFFER, NULL, NULL, NULL);
	a->respond_error = -ECANCELED;
	tells(p, SL_LE_OFFER_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	assert_string_equal(p->log, "offer;ack+sdp;");
	a->respond_error = 0;
	asks(p, SL_LE_OFFER, NULL, NULL, sdp_from(20, 6004, "RTP/AVP"));
	assert_true(was(a, "offer+sdp;"));
	all_over();
}

static void requests_pass(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	forget();
	asks(a, SL_LE_REQUEST, "INFO", NULL, NULL);
	assert_string_equal(p->log, "INFO ;");
	tells(p, SL_LE_RESPONSE, 415, NULL);
	assert_string_equal(a->log, "respond 415;");
	asks(a, SL_LE_REQUEST, "MESSAGE", NULL, NULL); /* it takes none */
	assert_true(was(a, "respond 405;"));
	asks(a, SL_LE_REQUEST, "PUBLISH", NULL, NULL);
	asks(a, SL_LE_REQUEST, "INFO", NULL, NULL);
	ends(a, 200);
	tells(p, SL_LE_RESPONSE, 200, NULL); /* nobody waits any more */
	all_over();
}

#define REFER(to)                                                                                                                                   \
	"REFER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: 1\r\nCSeq: 2 REFER\r\n"        \
	"Refer-To: <" to ">\r\nReferred-By: <sip:bob@192.0.2.20>\r\nContent-Length: 0\r\n\r\n"

static void blind_transfer(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	forget();
	to_trunks(1);
	asks(p, SL_LE_REQUEST, "REFER", REFER("sip:+1555@lab.test"), NULL);
	struct rig_leg *n = tb.legs[2];
	assert_string_equal(p->log, "respond 202;NOTIFY SIP/2.0 100;");
	assert_true(was(n, "invite+sdp;"));
	tells(n, SL_LE_PROGRESS, 180, NULL);
	assert_true(was(p, "NOTIFY SIP/2.0 180;"));
	tells(n, SL_LE_ANSWERED, 200, sdp_from(30, 7000, "RTP/AVP"));
	assert_true(was(p, "NOTIFY SIP/2.0 200;hangup 200;"));
	assert_string_equal(a->log, "offer+sdp;");
	assert_null(strstr(a->sdp, "192.0.2"));
	tells(a, SL_LE_OFFER_ANSWERED, 200, SDP_A);
	ends(p, 200);
	assert_int_equal(a->pub.state, SL_LS_UP);
	tick(200);
	rig_answer_commands(&tb.media, NULL);
	tick(200);
	assert_int_equal(sl_media_n_sessions(tb.media.m), 1);
	forget();
	asks(a, SL_LE_REQUEST, "INFO", NULL, NULL);
	assert_string_equal(n->log, "INFO ;");
	ends(n, 200);
	assert_true(was(a, "hangup 200;"));
	all_over();
}

static void transfer_to_somebody_busy(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	to_trunks(1);
	asks(p, SL_LE_REQUEST, "REFER", REFER("sip:+1555@lab.test"), NULL);
	forget();
	ends(tb.legs[2], 486);
	assert_string_equal(p->log, "NOTIFY SIP/2.0 486;");
	asks(a, SL_LE_REQUEST, "INFO", NULL, NULL); /* they still talk */
	assert_true(was(p, "INFO ;"));
	tells(p, SL_LE_RESPONSE, 200, NULL);
	forget();
	asks(p, SL_LE_REQUEST, "REFER", REFER("sip:+1555@lab.test"), NULL); /* and once more; he does not wait */
	ends(p, 200);
	assert_int_equal(a->pub.state, SL_LS_UP);
	tells(tb.legs[3], SL_LE_ANSWERED, 200, sdp_from(30, 7000, "RTP/AVP"));
	assert_string_equal(a->log, "offer+sdp;");
	ends(a, 200);
	assert_true(was(tb.legs[3], "hangup 200;"));
	all_over();
}

static void transfer_ends_early(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	to_trunks(1);
	asks(p, SL_LE_REQUEST, "REFER", REFER("sip:+1555@lab.test"), NULL);
	ends(p, 200);
	ends(tb.legs[2], 404); /* nobody is left to talk to */
	assert_true(was(a, "hangup 404;"));
	all_over();
	tb.n_legs = 0;
	to_bob();
	a = up();
	p = tb.legs[1];
	to_trunks(1);
	asks(p, SL_LE_REQUEST, "REFER", REFER("sip:+1555@lab.test"), NULL);
	ends(a, 200); /* who was to be transferred goes */
	assert_true(was(p, "hangup 200;") && was(tb.legs[2], "hangup"));
	all_over();
}

static void attended_transfer(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	struct rig_leg *second = new_call("bob", SDP_B, NULL), *c = tb.legs[3];
	tells(c, SL_LE_ANSWERED, 200, sdp_from(30, 7000, "RTP/AVP"));
	forget();
	asks(p, SL_LE_REQUEST, "REFER", REFER("sip:carol@lab.test?Replaces=dialog-2%3Bto-tag%3Dours%3Bfrom-tag%3Dtheirs"), NULL);
	assert_string_equal(c->log, "offer+sdp;");
	assert_true(was(second, "hangup 200;"));
	assert_ptr_equal(c->pub.call, a->pub.call);
	tells(c, SL_LE_OFFER_ANSWERED, 200, sdp_from(30, 7000, "RTP/AVP"));
	assert_true(was(p, "NOTIFY SIP/2.0 200;hangup 200;"));
	assert_string_equal(a->log, "offer+sdp;");
	ends(second, 200);
	ends(p, 200);
	ends(c, 200);
	assert_true(was(a, "hangup 200;"));
	all_over();
	assert_int_equal(tb.n_cdrs, 4);
}

/* What was asked in a dialog that moves to another call is answered; the answers that come later find nothing of the call that has gone. */
static void requests_under_way_in_a_transfer(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	struct rig_leg *second = new_call("bob", SDP_B, NULL), *c = tb.legs[3];
	tells(c, SL_LE_ANSWERED, 200, sdp_from(30, 7000, "RTP/AVP"));
	forget();
	asks(second, SL_LE_REQUEST, "INFO", NULL, NULL);
	asks(c, SL_LE_REQUEST, "INFO", NULL, NULL);
	asks(p, SL_LE_REQUEST, "REFER", REFER("sip:carol@lab.test?Replaces=dialog-2%3Bto-tag%3Dours%3Bfrom-tag%3Dtheirs"), NULL);
	assert_true(was(second, "respond 480;") && was(c, "respond 480;"));
	ends(second, 200);
	for (int i = 0; i < 3; i++) {
		tick(200);
		sl_timers_run(tb.timers, tb.now_ms);
	}
	assert_int_equal(sl_calls_n(tb.calls), 1);
	tells(c, SL_LE_RESPONSE, 200, NULL);
	tells(c, SL_LE_OFFER_ANSWERED, 200, sdp_from(30, 7000, "RTP/AVP"));
	forget();
	asks(a, SL_LE_REQUEST, "INFO", NULL, NULL);
	assert_string_equal(c->log, "INFO ;");
	ends(p, 200);
	all_over();
}

/* Who transfers need not wait (RFC 5589 6.1): the call is its tenant's all the same. */
static void the_caller_transfers_and_goes(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	to_trunks(1);
	asks(a, SL_LE_REQUEST, "REFER", REFER("sip:+1555@lab.test"), NULL);
	ends(a, 200);
	tells(tb.legs[2], SL_LE_ANSWERED, 200, sdp_from(30, 7000, "RTP/AVP"));
	assert_int_equal(tb.uses, 3);
	ends(tb.legs[2], 200);
	assert_true(was(p, "hangup 200;"));
	all_over();
}

static void the_caller_transfers(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	to_trunks(1);
	asks(a, SL_LE_REQUEST, "REFER", REFER("sip:+1555@lab.test"), NULL);
	tells(tb.legs[2], SL_LE_ANSWERED, 200, sdp_from(30, 7000, "RTP/AVP"));
	assert_true(was(a, "hangup 200;") && was(p, "offer+sdp;"));
	ends(a, 200);
	assert_int_equal(tb.uses, 3); /* bob's, the trunk's, and the tenant's, whose share alice had taken */
	ends(tb.legs[2], 200);
	assert_true(was(p, "hangup 200;"));
	all_over();
}

static void transfer_of_nobody(void **state)
{
	to_bob();
	up();
	struct rig_leg *p = tb.legs[1];
	forget();
	asks(p, SL_LE_REQUEST, "REFER", REFER("sip:carol@lab.test?Replaces=dialog-1%3Bto-tag%3Dours%3Bfrom-tag%3Dtheirs"), NULL); /* his own call */
	assert_string_equal(p->log, "respond 202;NOTIFY SIP/2.0 100;NOTIFY SIP/2.0 403;");
	forget();
	tb.decision = (struct sl_route_decision){.status = 404};
	asks(p, SL_LE_REQUEST, "REFER", REFER("sip:nobody@lab.test"), NULL);
	assert_string_equal(p->log, "respond 202;NOTIFY SIP/2.0 100;NOTIFY SIP/2.0 404;");
	asks(p, SL_LE_REQUEST, "REFER", NULL, NULL);
	assert_true(was(p, "respond 400;"));
	ends(p, 200);
	all_over();
}

static void takeover(void **state)
{
	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	forget();
	struct rig_leg *n = new_call("bob", SDP_B, &p->pub);
	assert_string_equal(a->log, "offer+sdp;");
	assert_string_equal(n->log, "");
	tells(a, SL_LE_OFFER_ANSWERED, 488, NULL);
	assert_true(was(n, "hangup 488;"));
	assert_int_equal(p->pub.state, SL_LS_UP);
	ends(n, 488);
	n = new_call("bob", SDP_B, &p->pub);
	tells(a, SL_LE_OFFER_ANSWERED, 200, SDP_A);
	assert_true(was(n, "answer+sdp;") && was(p, "hangup 200;"));
	assert_string_equal(n->pub.cdr.user, "bob@lab.test");
	ends(p, 200);
	tick(200);
	tick(200);
	assert_int_equal(sl_media_n_sessions(tb.media.m), 1);
	ends(n, 200);
	assert_true(was(a, "hangup 200;"));
	all_over();
}

/* ---- ends ---- */

static void hung_up_from_outside(void **state)
{
	const struct sl_cause cause = {.status = 200, .by = SL_BY_OPERATOR, .text = "\"bye\""};

	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	sl_call_hangup(tb.call, &cause);
	assert_true(was(a, "hangup 200;") && was(p, "hangup 200;"));
	assert_non_null(strstr(p->headers, "Reason: SIP;cause=200;text=\"bye\"\r\n"));
	all_over();
	tb.n_legs = 0;
	a = call_begins(SDP_A);
	sl_call_hangup(tb.call, &cause);
	assert_true(was(a, "hangup 480;"));
	all_over();
}

static void media_ended(void *ctx, const struct sl_media_session *s, const char *why)
{
	sl_calls_media_ended(tb.calls, s->call_id, why);
}

/* The engine says so from inside: its session must still be there when it goes on. */
static void the_engine_ends_it(void **state)
{
	const struct sl_media_hooks hooks = {.ended = media_ended};

	sl_media_set_hooks(tb.media.m, &hooks);
	tb.tenant.ring_s = 1000; /* longer than the engine waits for an answer */
	to_bob();
	struct rig_leg *a = call_begins(SDP_A);
	for (unsigned s = 0; s < 200 && a->pub.state < SL_LS_ENDING; s++)
		tick(1000);
	assert_true(was(a, "hangup"));
	all_over();
}

static void nobody_answers(void **state)
{
	tb.tenant.ring_s = 20;
	to_bob();
	struct rig_leg *a = call_begins(SDP_A), *p = tb.legs[1];
	tells(p, SL_LE_PROGRESS, 180, NULL);
	tick(20100);
	assert_true(was(a, "hangup 408;") && was(p, "hangup 408;"));
	all_over();
}

static void saved_and_restored(void **state)
{
	uint8_t room[4096];
	struct sl_blob_out out = {room, room + sizeof room, false};

	to_bob();
	struct rig_leg *a = up(), *p = tb.legs[1];
	sl_trunk_controller.save(tb.call, &out);
	assert_false(out.full);
	sl_trunk_controller.free(tb.call);
	assert_int_equal(tb.uses, 0);
	for (size_t n = 0; n < (size_t)(out.p - room); n += 7) { /* cut short: refused, and nothing is left of it */
		struct sl_blob_in in = {room, room + n, false};
		assert_true(sl_trunk_controller.restore(tb.call, &in) < 0);
		assert_null(tb.call->control);
	}
	struct sl_blob_in in = {room, out.p, false};
	assert_int_equal(sl_trunk_controller.restore(tb.call, &in), 0);
	assert_int_equal(tb.uses, 2);
	forget();
	asks(a, SL_LE_OFFER, NULL, NULL, SDP_A "a=sendonly\r\n");
	assert_string_equal(p->log, "offer+sdp;");
	assert_non_null(strstr(p->sdp, " 2 IN IP4")); /* the version goes on */
	tells(p, SL_LE_OFFER_ANSWERED, 200, sdp_from(20, 6000, "RTP/AVP"));
	ends(p, 200);
	assert_true(was(a, "hangup 200;"));
	all_over();
}

/* ---- whatever comes, in whatever order ---- */

static uint64_t dice;

static unsigned roll(unsigned n)
{
	dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(dice >> 33) % n;
}

static void choose_decision(void)
{
	tb.n_bindings = 1 + roll(3);
	tb.tenant.early_media = (uint8_t)roll(3);
	tb.tenant.forking = (uint8_t)roll(3);
	switch (roll(4)) {
	case 0:
		tb.decision = (struct sl_route_decision){.status = 404};
		break;
	case 1:
		to_trunks(1 + roll(3));
		break;
	default:
		to_bob();
		break;
	}
	if (roll(10) == 0)
		tb.busy = 1 + (int)roll(3);
}

static const char *some_sdp(void)
{
	return roll(5) == 0 ? NULL : roll(6) == 0 ? "rubbish" : sdp_from(20 + roll(5), 6000 + 2 * roll(100), roll(5) ? "RTP/AVP" : "RTP/SAVP");
}

static void something_up(struct rig_leg *l)
{
	static const char *const refers[] = {REFER("sip:+1555@lab.test"), REFER("sip:bob@lab.test"),
		REFER("sip:c@lab.test?Replaces=dialog-0%3Bto-tag%3Dours%3Bfrom-tag%3Dtheirs"),
		REFER("sip:c@lab.test?Replaces=dialog-2%3Bto-tag%3Dours%3Bfrom-tag%3Dtheirs"),
		REFER("sip:c@lab.test?Replaces=dialog-3%3Bto-tag%3Dours%3Bfrom-tag%3Dtheirs")};
	switch (roll(8)) {
	case 0:
		ends(l, 200);
		break;
	case 1:
		choose_decision();
		asks(l, SL_LE_REQUEST, "REFER", refers[roll(SL_COUNT(refers))], NULL);
		break;
	case 2:
		asks(l, SL_LE_OFFER, NULL, NULL, some_sdp());
		break;
	case 3:
		asks(l, SL_LE_REQUEST, roll(4) ? "INFO" : "OPTIONS", NULL, NULL);
		break;
	case 4:
		tells(l, SL_LE_ACKED, 0, some_sdp());
		break;
	case 5:
		if (l->n_pending) {
			l->request_ctx = l->pending[roll(l->n_pending)];
			tells(l, SL_LE_RESPONSE, roll(2) ? 200 : 481, NULL);
		}
		break;
	default:
		if (l->offering)
			tells(l, SL_LE_OFFER_ANSWERED, roll(3) ? 200 : roll(2) ? 491 : 488, some_sdp());
		break;
	}
}

static void something_ringing(struct rig_leg *l)
{
	static const int refusals[] = {302, 404, 408, 430, 480, 486, 488, 503, 600};

	if (l->pub.direction == SL_LEG_IN) {
		if (roll(4) == 0)
			ends(l, 487);
		return;
	}
	switch (roll(4)) {
	case 0:
		ends(l, refusals[roll(SL_COUNT(refusals))]);
		break;
	case 1:
		redirected(l, roll(2) ? two : "<sip:bob@lab.test>");
		break;
	case 2:
		tells_fork(l, 180 + (int)roll(4), roll(2), some_sdp());
		break;
	default:
		tells(l, SL_LE_ANSWERED, 200, some_sdp());
		break;
	}
}

static void something_happens(void)
{
	struct rig_leg *l = tb.legs[roll(tb.n_legs)];

	if (l == NULL || l->pub.state == SL_LS_ENDED)
		return;
	if (l->pub.state == SL_LS_ENDING)
		ends(l, 487);
	else if (l->pub.state == SL_LS_UP)
		something_up(l);
	else
		something_ringing(l);
}

static void storms(void **state)
{
	const struct sl_cause cause = {.status = 200, .by = SL_BY_NETWORK, .text = "no media"};

	for (unsigned seed = 1; seed <= 400; seed++) {
		dice = seed * UINT64_C(0x9e3779b97f4a7c15);
		tb.n_legs = 0;
		tb.n_cdrs = 0;
		tb.trunks[0].srtp = (uint8_t)roll(4);
		tb.trunks[0].follow_redirects = roll(2);
		for (unsigned step = 0; step < 80; step++) {
			bool room = tb.n_legs < RIG_LEGS - 12;
			if (room && (tb.n_legs == 0 || roll(20) == 0)) {
				choose_decision();
				struct rig_leg *who = tb.n_legs ? tb.legs[roll(tb.n_legs)] : NULL;
				new_call(roll(2) ? "alice" : "bob", some_sdp(), who && who->pub.state == SL_LS_UP ? &who->pub : NULL);
			} else if (tb.n_legs < RIG_LEGS - 12) {
				something_happens();
			}
			if (roll(30) == 0)
				tick(5000);
			if (roll(100) == 0 && tb.legs[0])
				sl_call_hangup(tb.legs[0]->pub.call, &cause);
		}
		tb.busy = 0;
		all_over();
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, b2bua_setup, b2bua_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_call), T(first_fork_is_heard), T(last_fork_is_heard), T(no_fork_is_heard), T(forks_by_q), T(serially), T(decline_ends_all), T(forks_count_once), T(a_phone_sends_the_call_on),
		T(cancel_crosses_the_answer), T(failover), T(silent_trunk), T(limits), T(redirects), T(srtp_is_preferred), T(srtp_is_required),
		T(codec_rules), T(late_offer), T(offers_meet), T(requests_pass), T(late_offer_cancelled), T(blind_transfer), T(transfer_to_somebody_busy),
		T(transfer_ends_early), T(attended_transfer), T(transfer_of_nobody), T(the_caller_transfers), T(the_caller_transfers_and_goes), T(requests_under_way_in_a_transfer), T(takeover), T(hung_up_from_outside), T(nobody_answers), T(the_engine_ends_it),
		T(saved_and_restored), T(storms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

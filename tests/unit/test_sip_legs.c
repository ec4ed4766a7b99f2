/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* SIP dialogs as legs: calls in both directions on the wire, and the nasty ones. */

#include "tests/unit/fake_warden.h"
#include "tests/unit/leg_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/sip/leg_internal.h"

static int setup(void **state)
{
	(void)state;
	rig_open();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close();
	/* Whatever happened to the legs: the guard counts and trusts nobody because of them. */
	assert_int_equal(fake_warden.taken, 0);
	assert_int_equal(fake_warden.held, 0);
	return 0;
}

/* ---- as the peer ---- */

/* An answer to rig.got; to_tag NULL: none is added. */
static void reply_to(const char *status, const char *to_tag, const char *extra, const char *sdp)
{
	char copy[RIG_TEXT];

	snprintf(copy, sizeof copy, "%s", rig.got);
	rig_send("SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s%s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:bob@127.0.0.1:%u>\r\n%s%sContent-Length: "
	         "%zu\r\n\r\n%s", status, rig_header("Via"), rig_header("From"), rig_header("To"), to_tag ? ";tag=" : "", to_tag ? to_tag : "",
	        rig_header("Call-ID"), rig_header("CSeq"), rig.port, extra ? extra : "", sdp ? "Content-Type: application/sdp\r\n" : "",
	        sdp ? strlen(sdp) : 0, sdp ? sdp : "");
	memcpy(rig.got, copy, sizeof copy);
}

/* The same with a Contact that is a name. */
static void reply_named(const char *status, const char *to_tag, const char *sdp)
{
	rig_send("SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s;tag=%s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:bob@peer.example>\r\n"
	         "Content-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s", status, rig_header("Via"), rig_header("From"), rig_header("To"), to_tag,
	        rig_header("Call-ID"), rig_header("CSeq"), strlen(sdp), sdp);
}

struct dialog {
	char local[256], remote[256], call_id[128], target[128];
	unsigned cseq;
};
static struct dialog dialog;

/* The peer's view of the dialog: from our INVITE, or from our answer to its own. */
static void dialog_from_request(const char *tag)
{
	snprintf(dialog.local, sizeof dialog.local, "%s;tag=%s", rig_header("To"), tag);
	snprintf(dialog.remote, sizeof dialog.remote, "%s", rig_header("From"));
	snprintf(dialog.call_id, sizeof dialog.call_id, "%s", rig_header("Call-ID"));
	dialog.cseq = 100;
}

static void dialog_from_answer(void)
{
	snprintf(dialog.local, sizeof dialog.local, "%s", rig_header("From"));
	snprintf(dialog.remote, sizeof dialog.remote, "%s", rig_header("To"));
	snprintf(dialog.call_id, sizeof dialog.call_id, "%s", rig_header("Call-ID"));
	dialog.cseq = 1;
}

static void request(const char *method, const char *extra, const char *sdp)
{
	static unsigned branch;
	bool ack = strcmp(method, "ACK") == 0;

	if (!ack)
		dialog.cseq++;
	rig_send("%s sip:x@127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;rport;branch=z9hG4bK-r%u\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"
	         "Call-ID: %s\r\nCSeq: %u %s\r\nContact: <sip:bob@127.0.0.1:%u>\r\n%s%sContent-Length: %zu\r\n\r\n%s", method, rig.sip_port, rig.port,
	        branch++, dialog.local, dialog.remote, dialog.call_id, dialog.cseq, method, rig.port, extra ? extra : "",
	        sdp ? "Content-Type: application/sdp\r\n" : "", sdp ? strlen(sdp) : 0, sdp ? sdp : "");
}

static const struct sl_cause normal = { .status = 200, .by = SL_BY_US, .text = "done" };

static void hangup(const struct sl_cause *cause)
{
	enum sl_leg_state before = rig.leg->state;

	rig.leg->ops->hangup(rig.leg, cause, NULL);
	if (rig.leg->state == before)
		rig.leg->state = SL_LS_ENDING;
}

/* A call that we made, up. */
static void call_out(const struct sl_sip_dial *d, const char *extra)
{
	rig_dial(d);
	rig_expect("INVITE ");
	dialog_from_request("bob");
	reply_to("200 OK", "bob", extra, rig_sdp);
	rig_event("ANSWERED status=200");
	rig_expect("ACK ");
}

/* A call that came, up. */
static void call_in(const char *extra)
{
	rig_invite("in", extra, rig_sdp);
	assert_int_equal(rig.leg->ops->answer(rig.leg, rig_slice(rig_sdp), NULL), 0);
	rig.leg->state = SL_LS_UP;
	rig_expect("SIP/2.0 200");
	dialog_from_answer();
	request("ACK", NULL, NULL);
	rig_event("ACKED");
}

/* ---- calls ---- */

static void out_ringing_answered_ended_by_us(void **state)
{
	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE sip:bob@127.0.0.1");
	assert_non_null(strstr(rig_header("Contact"), "127.0.0.1"));
	assert_non_null(strstr(rig.got, rig_sdp));
	dialog_from_request("bob");
	reply_to("180 Ringing", "bob", NULL, NULL);
	rig_event("PROGRESS status=180 fork=0 sdp=0");
	reply_to("200 OK", "bob", NULL, rig_sdp);
	rig_event("ANSWERED status=200 fork=0");
	rig_expect("ACK sip:bob@127.0.0.1");
	assert_non_null(strstr(rig_header("To"), "tag=bob"));
	hangup(&normal);
	rig_expect("BYE sip:bob@127.0.0.1");
	reply_to("200 OK", NULL, NULL, NULL);
	rig_event("ENDED status=200");
	assert_string_equal(rig.leg->cdr.sip_call_id, dialog.call_id);
	assert_non_null(strstr(rig.leg->cdr.remote, "udp:127.0.0.1:"));
}

static void out_ended_by_them(void **state)
{
	(void)state;
	call_out(NULL, NULL);
	request("BYE", "Reason: Q.850;cause=31;text=\"normal\"\r\n", NULL);
	rig_expect("SIP/2.0 200");
	rig_event("ENDED status=200");
}

static void out_refused(void **state)
{
	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE ");
	reply_to("486 Busy Here", "bob", "Reason: Q.850;cause=17\r\n", NULL);
	rig_event("cause=486/17/2 Busy Here");
	rig_expect("ACK ");
}

static void in_answered_ended_both_ways(void **state)
{
	(void)state;
	call_in("");
	assert_string_equal(rig.leg->cdr.from, "sip:carol@example.com");
	hangup(&normal);
	rig_expect("BYE sip:carol@127.0.0.1");
	/* Glare: theirs crosses ours. */
	request("BYE", NULL, NULL);
	rig_expect("SIP/2.0 200");
	rig_event("ENDED");
	assert_int_equal(sl_sip_leg_counts()->bye_glare > 0, 1);
}

/* The guard is told who takes part in a dialog, once he has shown that he gets what we send, and counts calls by their source. */
static void dialogs_are_known_to_the_guard(void **state)
{
	(void)state;
	rig_invite("known", "", rig_sdp);
	assert_int_equal(fake_warden.taken, 1);
	assert_int_equal(fake_warden.held, 0); /* an INVITE may come from anybody */
	assert_int_equal(rig.leg->ops->answer(rig.leg, rig_slice(rig_sdp), NULL), 0);
	rig.leg->state = SL_LS_UP;
	rig_expect("SIP/2.0 200");
	dialog_from_answer();
	request("ACK", NULL, NULL);
	rig_event("ACKED");
	assert_int_equal(fake_warden.held, 1);
	unsigned renewed = fake_warden.times_renewed;
	request("OPTIONS", NULL, NULL);
	rig_expect("SIP/2.0 200");
	assert_int_equal(fake_warden.held, 1);
	assert_int_equal(fake_warden.times_renewed, renewed + 1); /* however long it lasts */
	rig_restart();
	assert_int_equal(fake_warden.taken, 1);
	assert_int_equal(fake_warden.held, 1);
	request("BYE", NULL, NULL);
	rig_expect("SIP/2.0 200");
	rig_event("ENDED");
}

/* An address with as many calls as it may have, and somebody in need behind it. */
static void calls_of_a_source_have_a_limit(void **state)
{
	static const char *const users[] = {"bob", "112"};

	(void)state;
	fake_warden.full = true;
	for (unsigned i = 0; i < 2; i++) {
		rig_send("INVITE sip:%s@127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;rport;branch=z9hG4bK-full%u\r\nMax-Forwards: 70\r\n"
		         "From: <sip:carol@example.com>;tag=carol\r\nTo: <sip:%s@example.com>\r\nCall-ID: full%u\r\nCSeq: 1 INVITE\r\n"
		         "Contact: <sip:carol@127.0.0.1:%u>\r\nContent-Length: 0\r\n\r\n", users[i], rig.sip_port, rig.port, i, users[i], i, rig.port);
		rig_expect(i ? "SIP/2.0 100" : "SIP/2.0 486");
	}
	fake_warden.full = false;
	assert_int_equal(fake_warden.taken, 1);
	hangup(&normal);
	rig_expect("SIP/2.0 4");
}

static void in_refused(void **state)
{
	const struct sl_cause busy = { .status = 486, .by = SL_BY_CALLEE, .retry_after_s = 7, .text = "Busy Here" };

	(void)state;
	rig_invite("busy", "", rig_sdp);
	rig.leg->ops->hangup(rig.leg, &busy, "Reason: Q.850 ;cause=17\r\n");
	rig_expect("SIP/2.0 486 Busy Here");
	assert_string_equal(rig_header("Retry-After"), "7");
	assert_string_equal(rig_header("Reason"), "Q.850;cause=17");
	rig_event("cause=486");
}

static void in_cancelled(void **state)
{
	(void)state;
	rig_invite("cancel", "", rig_sdp);
	rig_send("CANCEL sip:bob@127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;rport;branch=z9hG4bK-cancel\r\nMax-Forwards: 70\r\n"
	         "From: <sip:carol@example.com>;tag=carol\r\nTo: <sip:bob@example.com>\r\nCall-ID: cancel\r\nCSeq: 1 CANCEL\r\n"
	         "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\nContent-Length: 0\r\n\r\n", rig.sip_port, rig.port);
	rig_expect("SIP/2.0 200");
	rig_expect("SIP/2.0 487");
	rig_event("Call completed elsewhere");
}

/* ---- what is lost ---- */

static void repeated_2xx_gets_its_ack_again(void **state)
{
	char invite[RIG_TEXT];

	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE ");
	memcpy(invite, rig.got, sizeof invite);
	reply_to("200 OK", "bob", NULL, rig_sdp);
	rig_expect("ACK ");
	for (int i = 0; i < 3; i++) {
		memcpy(rig.got, invite, sizeof invite);
		reply_to("200 OK", "bob", NULL, rig_sdp);
		rig_expect("ACK ");
	}
	rig_event("ANSWERED");
	assert_true(rig_quiet(100));
}

static void a_2xx_that_nobody_acknowledges_ends_the_call(void **state)
{
	(void)state;
	rig_invite("noack", "", rig_sdp);
	rig.leg->ops->answer(rig.leg, rig_slice(rig_sdp), NULL);
	rig.leg->state = SL_LS_UP;
	rig_expect("SIP/2.0 200");
	rig_await("BYE ");
	assert_non_null(strstr(rig_header("Reason"), "no ACK"));
	reply_to("200 OK", NULL, NULL, NULL);
	rig_event("cause=408");
}

static void hangup_waits_for_the_ack(void **state)
{
	(void)state;
	rig_invite("waits", "", rig_sdp);
	rig.leg->ops->answer(rig.leg, rig_slice(rig_sdp), NULL);
	rig.leg->state = SL_LS_UP;
	rig_expect("SIP/2.0 200");
	dialog_from_answer();
	hangup(&normal);
	rig_never("BYE ", 100);
	request("ACK", NULL, NULL);
	rig_await("BYE ");
	reply_to("200 OK", NULL, NULL, NULL);
	rig_event("ENDED");
}

static void cancel_waits_for_a_provisional_answer_and_200_may_cross_it(void **state)
{
	char invite[RIG_TEXT];

	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE ");
	memcpy(invite, rig.got, sizeof invite);
	hangup(&normal);
	reply_to("180 Ringing", "bob", NULL, NULL);
	rig_await("CANCEL ");
	reply_to("200 OK", "bob", NULL, NULL);
	memcpy(rig.got, invite, sizeof invite);
	reply_to("200 OK", "bob", NULL, rig_sdp);
	rig_expect("ACK ");
	rig_expect("BYE ");
	reply_to("200 OK", NULL, NULL, NULL);
	rig_event("ENDED");
	assert_true(rig_quiet(100));
}

static void cancelled_by_us(void **state)
{
	char invite[RIG_TEXT];

	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE ");
	memcpy(invite, rig.got, sizeof invite);
	reply_to("180 Ringing", "bob", NULL, NULL);
	rig_event("PROGRESS");
	hangup(&normal);
	rig_expect("CANCEL ");
	reply_to("200 OK", "bob", NULL, NULL);
	memcpy(rig.got, invite, sizeof invite);
	reply_to("487 Request Terminated", "bob", NULL, NULL);
	rig_expect("ACK ");
	rig_event("cause=200/0/3 done");
}

/* ---- forks ---- */

static void further_2xx_of_forks_are_acknowledged_and_ended(void **state)
{
	char invite[RIG_TEXT];
	bool ack = false, bye = false;

	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE ");
	memcpy(invite, rig.got, sizeof invite);
	reply_to("180 Ringing", "one", NULL, NULL);
	rig_event("PROGRESS status=180 fork=0");
	reply_to("183 Progress", "two", NULL, rig_sdp2);
	rig_event("PROGRESS status=183 fork=1");
	reply_to("180 Ringing", "one", NULL, NULL);
	rig_event("PROGRESS status=180 fork=0");
	reply_to("200 OK", "two", NULL, rig_sdp2);
	rig_event("ANSWERED status=200 fork=1");
	rig_expect("ACK ");
	assert_non_null(strstr(rig_header("To"), "tag=two"));
	memcpy(rig.got, invite, sizeof invite);
	reply_to("200 OK", "three", NULL, rig_sdp);
	for (int i = 0; i < 2; i++) {
		rig_expect(i == 0 ? "ACK " : "BYE ");
		assert_non_null(strstr(rig_header("To"), "tag=three"));
		if (i == 0)
			ack = true;
		else
			bye = true;
	}
	assert_true(ack && bye);
	reply_to("200 OK", NULL, NULL, NULL);
	assert_true(rig_quiet(100));
	assert_string_equal(rig.events, "");
	hangup(&normal);
	rig_expect("BYE ");
	assert_non_null(strstr(rig_header("To"), "tag=two"));
}

/* ---- offers ---- */

static void late_offer_out_and_in(void **state)
{
	const struct sl_sip_dial late = {0};

	(void)state;
	rig_dial(&late);
	rig_expect("INVITE ");
	assert_null(strstr(rig.got, "m=audio"));
	reply_to("200 OK", "bob", NULL, rig_sdp);
	rig_event("ANSWERED");
	assert_true(rig_quiet(50));
	assert_int_equal(rig.leg->ops->ack(rig.leg, rig_slice(rig_sdp2)), 0);
	rig_expect("ACK ");
	assert_non_null(strstr(rig.got, rig_sdp2));
}

static void late_offer_in(void **state)
{
	(void)state;
	rig_invite("late", "", NULL);
	rig.leg->ops->answer(rig.leg, rig_slice(rig_sdp), NULL);
	rig.leg->state = SL_LS_UP;
	rig_expect("SIP/2.0 200");
	assert_non_null(strstr(rig.got, rig_sdp));
	dialog_from_answer();
	request("ACK", NULL, rig_sdp2);
	rig_event("ACKED status=0 fork=0 sdp=8");
}

static void reinvite_and_update_of_theirs(void **state)
{
	(void)state;
	call_out(NULL, NULL);
	rig.auto_respond = true;
	request("INVITE", NULL, rig_sdp2);
	rig_event("OFFER status=0 fork=0 sdp=8");
	rig_expect("SIP/2.0 200");
	assert_non_null(strstr(rig.got, rig_sdp2));
	request("ACK", NULL, NULL);
	rig_event("ACKED");
	request("UPDATE", NULL, rig_sdp);
	rig_event("method=UPDATE");
	rig_expect("SIP/2.0 200");
	/* The same again is a refresh: nobody is asked. */
	request("INVITE", NULL, rig_sdp);
	rig_expect("SIP/2.0 200");
	assert_non_null(strstr(rig.got, "m=audio"));
	assert_string_equal(rig.events, "");
	request("ACK", NULL, NULL);
	rig_event("ACKED");
	request("UPDATE", NULL, NULL);
	rig_expect("SIP/2.0 200");
	assert_null(strstr(rig.events, "OFFER"));
}

static void overlapping_and_crossing_offers(void **state)
{
	(void)state;
	call_out(NULL, NULL);
	request("INVITE", NULL, rig_sdp2);
	rig_event("OFFER");
	request("INVITE", NULL, rig_sdp);
	rig_expect("SIP/2.0 500");
	assert_string_not_equal(rig_header("Retry-After"), "");
	assert_int_equal(rig.leg->ops->offer(rig.leg, rig_slice(rig_sdp)), -EINPROGRESS);
	rig.leg->ops->respond(rig.leg, rig.request, 488, "Not Acceptable Here", rig_slice(""), rig_slice(""), NULL);
	rig_await("SIP/2.0 488");
	/* Ours is under way: theirs is 491, theirs says the same to ours, and ours is tried again. */
	assert_int_equal(rig.leg->ops->offer(rig.leg, rig_slice(rig_sdp2)), 0);
	rig_await("INVITE ");
	char invite[RIG_TEXT];
	memcpy(invite, rig.got, sizeof invite);
	request("INVITE", NULL, rig_sdp);
	rig_await("SIP/2.0 491");
	memcpy(rig.got, invite, sizeof invite);
	reply_to("491 Request Pending", NULL, NULL, NULL);
	rig_await("ACK ");
	rig_await("INVITE ");
	assert_non_null(strstr(rig.got, rig_sdp2));
	reply_to("200 OK", NULL, NULL, rig_sdp2);
	rig_await("ACK ");
	rig_event("OFFER_ANSWERED status=200");
}

static void ours_refused_and_a_dialog_that_is_gone(void **state)
{
	(void)state;
	call_out(NULL, NULL);
	rig.leg->ops->offer(rig.leg, rig_slice(rig_sdp2));
	rig_expect("INVITE ");
	reply_to("488 Not Acceptable Here", NULL, NULL, NULL);
	rig_expect("ACK ");
	rig_event("OFFER_ANSWERED status=488");
	rig.leg->ops->offer(rig.leg, rig_slice(rig_sdp2));
	rig_expect("INVITE ");
	reply_to("481 Call Leg/Transaction Does Not Exist", NULL, NULL, NULL);
	rig_event("cause=481");
	rig_await("BYE ");
}

/* ---- reliable provisional answers ---- */

static void prack_of_ours(void **state)
{
	const struct sl_sip_dial d = { .sdp = rig_slice(rig_sdp), .rel100 = true };

	(void)state;
	rig_dial(&d);
	rig_expect("INVITE ");
	assert_non_null(strstr(rig_header("Supported"), "100rel"));
	char invite[RIG_TEXT];
	memcpy(invite, rig.got, sizeof invite);
	dialog_from_request("bob");
	for (int i = 0; i < 2; i++) { /* the second is a retransmission */
		memcpy(rig.got, invite, sizeof invite);
		reply_to("183 Progress", "bob", "Require: 100rel\r\nRSeq: 17\r\nAllow: INVITE, ACK, BYE, UPDATE, PRACK\r\n", rig_sdp);
		if (i == 0) {
			rig_expect("PRACK ");
			assert_non_null(strncmp(rig_header("RAck"), "17 ", 3) == 0 ? "" : NULL);
			reply_to("200 OK", NULL, NULL, NULL);
			rig_event("PROGRESS status=183 fork=0 reliable");
		} else
			assert_true(rig_quiet(60));
	}
	/* UPDATE before the answer. */
	rig.auto_respond = true;
	request("UPDATE", NULL, rig_sdp2);
	rig_expect("SIP/2.0 200");
	rig_event("method=UPDATE");
	memcpy(rig.got, invite, sizeof invite);
	reply_to("200 OK", "bob", NULL, NULL);
	rig_event("ANSWERED");
	rig_expect("ACK ");
}

static void prack_of_theirs(void **state)
{
	char rack[64];

	(void)state;
	rig_invite("prack", "Supported: 100rel\r\n", rig_sdp);
	assert_int_equal(rig.leg->ops->progress(rig.leg, 183, "Session Progress", rig_slice(rig_sdp), NULL), 0);
	rig_expect("SIP/2.0 183");
	assert_non_null(strstr(rig_header("Require"), "100rel"));
	snprintf(rack, sizeof rack, "RAck: %s 1 INVITE\r\n", rig_header("RSeq"));
	dialog_from_answer();
	request("PRACK", rack, NULL);
	rig_await("SIP/2.0 200");
	/* Another one goes at once, with the next number. */
	unsigned first = (unsigned)atoi(strstr(rack, ":") + 1);
	assert_int_equal(rig.leg->ops->progress(rig.leg, 183, "Session Progress", rig_slice(rig_sdp), NULL), 0);
	rig_expect("SIP/2.0 183");
	assert_int_equal(atoi(rig_header("RSeq")), first + 1);
	snprintf(rack, sizeof rack, "RAck: %s 1 INVITE\r\n", rig_header("RSeq"));
	request("PRACK", rack, NULL);
	rig_await("SIP/2.0 200");
	assert_int_equal(rig.leg->ops->progress(rig.leg, 180, "Ringing", rig_slice(""), NULL), 0);
	rig_expect("SIP/2.0 180");
	assert_int_equal(rig.leg->ops->answer(rig.leg, rig_slice(rig_sdp), NULL), 0);
	rig_expect("SIP/2.0 200");
}

static void prack_lost(void **state)
{
	(void)state;
	rig_invite("lostprack", "Require: 100rel\r\n", rig_sdp);
	rig.leg->ops->progress(rig.leg, 180, "Ringing", rig_slice(""), NULL);
	rig_expect("SIP/2.0 180");
	rig_await("SIP/2.0 5");
	rig_event("no PRACK");
}

/* ---- challenges and timers ---- */

static void a_challenge_is_answered_once(void **state)
{
	struct sl_sip_credentials c = { .username = "u", .realm = "r" };
	const struct sl_sip_dial d = { .sdp = rig_slice(rig_sdp), .credentials = &c };

	(void)state;
	rig_dial(&d);
	rig_expect("INVITE ");
	unsigned first = (unsigned)atoi(rig_header("CSeq"));
	reply_to("401 Unauthorized", "x", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n", NULL);
	rig_expect("ACK ");
	rig_expect("INVITE ");
	assert_int_equal(atoi(rig_header("CSeq")), first + 1);
	assert_non_null(strstr(rig_header("Authorization"), "response=\"INVITE-1\""));
	assert_non_null(strstr(rig.got, rig_sdp));
	assert_null(strstr(rig_header("To"), "tag="));
	reply_to("407 Proxy Authentication Required", "x", "Proxy-Authenticate: Digest realm=\"r\", nonce=\"m\", stale=true\r\n", NULL);
	rig_expect("ACK ");
	rig_expect("INVITE ");
	assert_string_not_equal(rig_header("Proxy-Authorization"), "");
	reply_to("407 Proxy Authentication Required", "x", "Proxy-Authenticate: Digest realm=\"r\", nonce=\"m\"\r\n", NULL);
	rig_event("ENDED status=407");
}

static void a_wrong_password_is_told_once(void **state)
{
	struct sl_sip_credentials c = { .username = "u", .realm = "r" };
	const struct sl_sip_dial d = { .sdp = rig_slice(rig_sdp), .credentials = &c };

	(void)state;
	rig_dial(&d);
	for (int i = 0; i < 2; i++) {
		rig_await("INVITE ");
		reply_to("401 Unauthorized", "x", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n", NULL);
	}
	rig_event("ENDED status=401");
}

static void bye_is_challenged(void **state)
{
	struct sl_sip_credentials c = { .username = "u", .realm = "r" };
	const struct sl_sip_dial d = { .sdp = rig_slice(rig_sdp), .credentials = &c };

	(void)state;
	call_out(&d, NULL);
	hangup(&normal);
	rig_expect("BYE ");
	reply_to("401 Unauthorized", NULL, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n", NULL);
	rig_expect("BYE ");
	assert_string_not_equal(rig_header("Authorization"), "");
	reply_to("200 OK", NULL, NULL, NULL);
	rig_event("ENDED");
}

static void session_interval_too_small(void **state)
{
	const struct sl_sip_dial d = { .sdp = rig_slice(rig_sdp), .session_expires_s = 300 };

	(void)state;
	rig_dial(&d);
	rig_expect("INVITE ");
	assert_string_equal(rig_header("Session-Expires"), "300");
	reply_to("422 Session Interval Too Small", "x", "Min-SE: 1800\r\n", NULL);
	rig_expect("ACK ");
	rig_expect("INVITE ");
	assert_string_equal(rig_header("Session-Expires"), "1800");
	assert_string_equal(rig_header("Min-SE"), "1800");
	reply_to("200 OK", "bob", "Supported: timer\r\nSession-Expires: 1800;refresher=uas\r\n", rig_sdp);
	rig_event("ANSWERED");
	struct leg *l = sl_leg_sip_of(rig.leg);
	assert_int_equal(l->expires_s, 1800);
	assert_false(l->we_refresh);
	rig_expect("ACK ");
	/* Nobody refreshes. */
	sl_leg_sip_timer_due(&l->session);
	rig_expect("BYE ");
	rig_event("session timer expired");
}

static void refreshed_by_update_or_reinvite(void **state)
{
	const struct sl_sip_dial d = { .sdp = rig_slice(rig_sdp), .session_expires_s = 600 };

	(void)state;
	call_out(&d, "Allow: INVITE, ACK, BYE, UPDATE\r\nSupported: timer\r\nSession-Expires: 600;refresher=uac\r\n");
	struct leg *l = sl_leg_sip_of(rig.leg);
	sl_leg_sip_timer_due(&l->session);
	rig_expect("UPDATE ");
	assert_string_equal(rig_header("Session-Expires"), "600;refresher=uac");
	assert_null(strstr(rig.got, "m=audio"));
	reply_to("501 Not Implemented", NULL, NULL, NULL);
	rig_expect("INVITE ");
	assert_non_null(strstr(rig.got, rig_sdp));
	reply_to("200 OK", NULL, "Session-Expires: 600;refresher=uac\r\n", rig_sdp);
	rig_expect("ACK ");
	assert_string_equal(rig.events, "");
}

static void in_with_session_timer(void **state)
{
	(void)state;
	rig_send("INVITE sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;rport;branch=z9hG4bK-se\r\nFrom: <sip:c@x>;tag=c\r\n"
	         "To: <sip:b@x>\r\nCall-ID: se\r\nCSeq: 1 INVITE\r\nContact: <sip:c@127.0.0.1>\r\nSession-Expires: 30\r\nSupported: timer\r\n"
	         "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n", rig.port);
	rig_expect("SIP/2.0 422");
	assert_string_equal(rig_header("Min-SE"), "90");
	rig_invite("timer", "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n", rig_sdp);
	rig.leg->ops->answer(rig.leg, rig_slice(rig_sdp), NULL);
	rig_expect("SIP/2.0 200");
	assert_string_equal(rig_header("Session-Expires"), "120;refresher=uac");
	assert_string_equal(rig_header("Require"), "timer");
}

static void times_of_session_timers(void **state)
{
	(void)state;
	assert_int_equal(sl_leg_sip_timer_ms(1800, true), 900000);
	assert_int_equal(sl_leg_sip_timer_ms(1800, false), 1768000);
	assert_int_equal(sl_leg_sip_timer_ms(90, false), 60000);
}

/* ---- other requests ---- */

static void requests_in_both_directions(void **state)
{
	int ctx;

	(void)state;
	call_out(NULL, NULL);
	request("INFO", "Content-Type: application/dtmf-relay\r\n", NULL);
	rig_event("REQUEST status=0 fork=0 sdp=0 method=INFO");
	rig.leg->ops->respond(rig.leg, rig.request, 200, "OK", rig_slice(""), rig_slice(""), NULL);
	rig_expect("SIP/2.0 200");
	assert_int_equal(rig.leg->ops->request(rig.leg, "MESSAGE", rig_slice("text/plain"), rig_slice("hello"), "X-A: b\r\n", &ctx), 0);
	rig_expect("MESSAGE ");
	assert_string_equal(rig_header("X-A"), "b");
	assert_non_null(strstr(rig.got, "\r\n\r\nhello"));
	reply_to("405 Method Not Allowed", NULL, NULL, NULL);
	rig_event("RESPONSE status=405");
	request("FOO", NULL, NULL);
	rig_expect("SIP/2.0 405");
	request("OPTIONS", NULL, NULL);
	rig_expect("SIP/2.0 200");
	/* The dialog is gone over there. */
	rig.leg->ops->request(rig.leg, "INFO", rig_slice(""), rig_slice(""), NULL, &ctx);
	rig_expect("INFO ");
	reply_to("481 Gone", NULL, NULL, NULL);
	rig_event("cause=481");
	rig_await("BYE ");
}

static void fates(void **state)
{
	(void)state;
	assert_int_equal(sl_leg_sip_fate(sip_method_info, 404), LEG_FATE_DIALOG);
	assert_int_equal(sl_leg_sip_fate(sip_method_invite, 481), LEG_FATE_USAGE);
	assert_int_equal(sl_leg_sip_fate(sip_method_notify, 481), LEG_FATE_NONE);
	assert_int_equal(sl_leg_sip_fate(sip_method_info, 501), LEG_FATE_NONE);
	assert_int_equal(sl_leg_sip_fate(sip_method_invite, 501), LEG_FATE_USAGE);
	assert_int_equal(sl_leg_sip_fate(sip_method_invite, 488), LEG_FATE_NONE);
}

/* ---- ends at odd moments ---- */

static void bye_before_the_answer(void **state)
{
	(void)state;
	rig_invite("early", "", rig_sdp);
	rig.leg->ops->progress(rig.leg, 180, "Ringing", rig_slice(""), NULL);
	rig.leg->state = SL_LS_EARLY;
	rig_expect("SIP/2.0 180");
	dialog_from_answer();
	request("BYE", NULL, NULL);
	rig_expect("SIP/2.0 200");
	rig_expect("SIP/2.0 487");
	assert_string_equal(rig_header("CSeq"), "1 INVITE");
	rig_event("ENDED");
}

static void bye_before_we_saw_the_200(void **state)
{
	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE ");
	dialog_from_request("bob");
	reply_to("180 Ringing", "bob", NULL, NULL);
	rig_event("PROGRESS");
	request("BYE", NULL, NULL);
	rig_expect("SIP/2.0 200");
	rig_event("ENDED");
	rig_expect("CANCEL ");
}

static void a_late_offer_that_is_given_up(void **state)
{
	const struct sl_sip_dial late = {0};

	(void)state;
	rig_dial(&late);
	rig_expect("INVITE ");
	reply_to("200 OK", "bob", NULL, rig_sdp);
	rig_event("ANSWERED");
	hangup(&normal);
	rig_expect("ACK ");
	rig_expect("BYE ");
}

static void nobody_answers_our_bye(void **state)
{
	(void)state;
	call_out(NULL, NULL);
	hangup(&normal);
	rig_expect("BYE ");
	struct leg *l = sl_leg_sip_of(rig.leg);
	assert_true(sl_timer_is_set(&l->goodbye));
	sl_leg_sip_goodbye_due(&l->goodbye);
	rig_event("ENDED status=200");
	/* The transaction goes on without the leg. */
	rig_expect("BYE ");
	reply_to("200 OK", NULL, NULL, NULL);
	assert_true(rig_quiet(200));
}

static void requests_that_wait_when_it_ends(void **state)
{
	(void)state;
	call_out(NULL, NULL);
	request("INFO", NULL, NULL);
	rig_event("REQUEST");
	request("INVITE", NULL, rig_sdp2);
	rig_event("OFFER");
	struct sl_leg_request *invite = rig.request;
	request("BYE", NULL, NULL);
	rig_await("SIP/2.0 200");
	rig_event("ENDED");
	rig_await("SIP/2.0 481");
	(void)invite;
	rig_await("SIP/2.0 487");
}

static void a_reinvite_that_is_cancelled(void **state)
{
	(void)state;
	call_out(NULL, NULL);
	rig_send("INVITE sip:x@127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;rport;branch=z9hG4bK-re\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"
	         "Call-ID: %s\r\nCSeq: 200 INVITE\r\nContact: <sip:bob@127.0.0.1:%u>\r\nContent-Type: application/sdp\r\nContent-Length: %zu\r\n\r\n%s",
	        rig.sip_port, rig.port, dialog.local, dialog.remote, dialog.call_id, rig.port, strlen(rig_sdp2), rig_sdp2);
	rig_event("OFFER");
	rig_send("CANCEL sip:x@127.0.0.1:%u SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;rport;branch=z9hG4bK-re\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"
	         "Call-ID: %s\r\nCSeq: 200 CANCEL\r\nContent-Length: 0\r\n\r\n", rig.sip_port, rig.port, dialog.local, dialog.remote, dialog.call_id);
	rig_expect("SIP/2.0 200");
	rig_expect("SIP/2.0 487");
	/* The answer of the controller goes nowhere, and the session can be changed again. */
	assert_int_equal(rig.leg->ops->respond(rig.leg, rig.request, 200, "OK", rig_slice(""), rig_slice(rig_sdp), NULL), -ECANCELED);
	assert_int_equal(rig.leg->ops->offer(rig.leg, rig_slice(rig_sdp2)), 0);
	rig_await("INVITE ");
}

/* The kernel refuses the very first datagram. */
static void dialed_to_where_nothing_can_be_sent(void **state)
{
	struct sl_sip_dial d = { .sdp = rig_slice(rig_sdp) };

	(void)state;
	d.hop.to.port_be = htons(5060);
	sl_ip_set_v4(&d.hop.to.ip, htonl(INADDR_BROADCAST));
	rig_dial(&d);
	rig_event("ENDED status=503");
}

static void dialed_to_a_closed_port(void **state)
{
	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE ");
	close(rig.peer);
	rig_event("ENDED status=");
	rig_peer(-1);
}

static void each_fork_has_its_own_reliable_answers(void **state)
{
	const struct sl_sip_dial d = { .sdp = rig_slice(rig_sdp), .rel100 = true };
	char invite[RIG_TEXT], rack[64];

	(void)state;
	rig_dial(&d);
	rig_expect("INVITE ");
	memcpy(invite, rig.got, sizeof invite);
	for (int i = 0; i < 2; i++) {
		const char *tag = i ? "two" : "one";

		memcpy(rig.got, invite, sizeof invite);
		reply_to("183 Progress", tag, i ? "Require: 100rel\r\nRSeq: 900\r\n" : "Require: 100rel\r\nRSeq: 5\r\n", rig_sdp);
		rig_expect("PRACK ");
		assert_string_equal(rig_tag("To"), tag);
		snprintf(rack, sizeof rack, "%s", i ? "900 " : "5 ");
		assert_int_equal(strncmp(rig_header("RAck"), rack, strlen(rack)), 0);
		reply_to("200 OK", NULL, NULL, NULL);
	}
	memcpy(rig.got, invite, sizeof invite);
	reply_to("200 OK", "two", NULL, NULL);
	rig_expect("ACK ");
	assert_string_equal(rig_tag("To"), "two");
	hangup(&normal);
	rig_expect("BYE ");
	assert_string_equal(rig_tag("To"), "two");
}

/* ---- names and bodies ---- */

static void a_contact_that_is_a_name(void **state)
{
	char invite[RIG_TEXT];
	int first, other;

	(void)state;
	for (int later = 0; later < 2; later++) {
		rig.resolve_later = later;
		first = rig.peer;
		rig_dial(NULL);
		rig_expect("INVITE ");
		memcpy(invite, rig.got, sizeof invite);
		uint16_t port = rig.port;
		reply_named("200 OK", "bob", rig_sdp);
		other = rig_peer(-1);
		rig.peer = first;
		if (later) {
			rig_event("ANSWERED");
			assert_true(rig_quiet(30));
			rig_resolved(rig.port);
		}
		rig.peer = other;
		rig_expect("ACK sip:bob@peer.example");
		rig_peer(first);
		assert_int_equal(rig.port, port);
		close(other);
		rig.events[0] = '\0';
	}
}

static void a_peers_connection_that_has_gone(void **state)
{
	(void)state;
	call_out(NULL, NULL);
	struct leg *l = sl_leg_sip_of(rig.leg);

	/* As if the last message had come over a connection. */
	l->flow.transport = SL_SIP_TCP;
	sl_leg_sip_aim(l);
	assert_true(l->hop.by_flow);
	rig.flow_closed = true;
	hangup(&normal);
	rig_expect("BYE ");
	assert_false(l->hop.by_flow);
}

static void session_descriptions_of_bodies(void **state)
{
	static const struct {
		const char *type, *body;
		int rc;
		const char *sdp;
	} cases[] = {
		{ "application/sdp", "v=0\r\n", 0, "v=0\r\n" },
		{ "Application/SDP", "v=0\r\n", 0, "v=0\r\n" },
		{ "text/plain", "v=0\r\n", -EPROTO, NULL },
		{ "multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--\r\n", 0, "v=0" },
		{ "multipart/mixed;boundary=\"b c\"", "x\r\n--b c\r\nContent-Type: application/pidf+xml\r\n\r\n<a/>\r\n--b c\r\nX: y\r\nc: application/sdp\r\n\r\nv=0\r\n\r\n--b c--", 0, "v=0\r\n" },
		{ "multipart/mixed;boundary=b", "--b\r\n\r\nv=0\r\n--b--\r\n", -EPROTO, NULL },
		{ "multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n", -EPROTO, NULL },
		{ "multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\n--b--", -EPROTO, NULL },
		{ "multipart/mixed;boundary=b", "--b", -EPROTO, NULL },
		{ "multipart/mixed", "--\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n----\r\n", -EPROTO, NULL },
	};
	su_home_t home[1] = { SU_HOME_INIT(home) };
	struct sl_slice s;

	(void)state;
	su_home_init(home);
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		sip_t sip = { .sip_content_type = sip_content_type_make(home, cases[i].type) };

		sip.sip_payload = sip_payload_make(home, cases[i].body);
		assert_int_equal(sl_sip_sdp(&sip, &s), cases[i].rc);
		assert_int_equal(s.n, cases[i].sdp ? strlen(cases[i].sdp) : 0);
		if (s.n)
			assert_memory_equal(s.p, cases[i].sdp, s.n);
	}
	su_home_deinit(home);
}

/* ---- restart ---- */

static void dialogs_after_a_restart(void **state)
{
	(void)state;
	call_out(NULL, "Allow: INVITE, BYE, UPDATE\r\n");
	unsigned before = (unsigned)atoi(rig_header("CSeq"));
	rig_restart();
	assert_int_equal(rig.leg->state, SL_LS_UP);
	rig.auto_respond = true;
	request("INVITE", NULL, rig_sdp2);
	rig_expect("SIP/2.0 200");
	request("ACK", NULL, NULL);
	rig_event("ACKED");
	assert_ptr_equal(sl_sip_leg_find(rig.sip, dialog.call_id, "bob", sl_leg_sip_of(rig.leg)->tag), rig.leg);
	assert_null(sl_sip_leg_find(rig.sip, dialog.call_id, "bobby", sl_leg_sip_of(rig.leg)->tag));
	hangup(&normal);
	rig_expect("BYE sip:bob@127.0.0.1");
	assert_int_equal(atoi(rig_header("CSeq")), before + 1);
	assert_non_null(strstr(rig_header("To"), "tag=bob"));
	reply_to("200 OK", NULL, NULL, NULL);
	rig_event("ENDED");
}

static void a_2xx_that_is_repeated_after_a_restart(void **state)
{
	char invite[RIG_TEXT];

	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE ");
	memcpy(invite, rig.got, sizeof invite);
	reply_to("200 OK", "bob", NULL, rig_sdp);
	rig_event("ANSWERED");
	rig_expect("ACK ");
	rig_restart();
	memcpy(rig.got, invite, sizeof invite);
	reply_to("200 OK", "bob", NULL, rig_sdp);
	rig_expect("ACK ");
	assert_int_equal(rig.leg->state, SL_LS_UP);
	/* One of a fork that nobody knows. */
	memcpy(rig.got, invite, sizeof invite);
	reply_to("200 OK", "other", NULL, rig_sdp);
	rig_expect("ACK ");
	assert_non_null(strstr(rig_header("To"), "tag=other"));
	rig_expect("BYE ");
	assert_non_null(strstr(rig_header("To"), "tag=other"));
	reply_to("200 OK", NULL, NULL, NULL);
	/* One with a From tag that was never ours makes us say nothing. */
	rig_send("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKx\r\nFrom: <sip:a@x>;tag=forged\r\nTo: <sip:b@x>;tag=y\r\n"
	         "Call-ID: forged\r\nCSeq: 1 INVITE\r\nContact: <sip:victim@127.0.0.1:%u>\r\nContent-Length: 0\r\n\r\n", rig.sip_port, rig.port);
	assert_true(rig_quiet(100));
}

static void incoming_dialog_after_a_restart(void **state)
{
	(void)state;
	call_in("");
	rig_restart();
	request("BYE", NULL, NULL);
	rig_expect("SIP/2.0 200");
	rig_event("ENDED");
}

static void ringing_out_is_ended_after_a_restart(void **state)
{
	char invite[RIG_TEXT], via[256];

	(void)state;
	rig_dial(NULL);
	rig_expect("INVITE ");
	memcpy(invite, rig.got, sizeof invite);
	reply_to("180 Ringing", "bob", NULL, NULL);
	rig_event("PROGRESS");
	rig_restart();
	hangup(&normal);
	/* It is the same transaction to them. */
	rig_await("INVITE ");
	snprintf(via, sizeof via, "%s", rig_header("Via"));
	assert_non_null(strstr(invite, via));
	reply_to("180 Ringing", "bob", NULL, NULL);
	rig_await("CANCEL ");
	reply_to("200 OK", "bob", NULL, NULL);
	memcpy(rig.got, invite, sizeof invite);
	reply_to("487 Request Terminated", "bob", NULL, NULL);
	rig_expect("ACK ");
	rig_event("ENDED");
}

static void ringing_in_is_ended_after_a_restart(void **state)
{
	const struct sl_cause cause = { .status = 503, .by = SL_BY_US, .text = "restarted" };

	(void)state;
	rig_invite("ring", "", rig_sdp);
	rig.leg->ops->progress(rig.leg, 180, "Ringing", rig_slice(""), NULL);
	rig.leg->state = SL_LS_EARLY;
	rig_expect("SIP/2.0 180");
	rig_restart();
	rig.leg->ops->hangup(rig.leg, &cause, NULL);
	rig_expect("SIP/2.0 503 restarted");
	assert_non_null(strstr(rig_header("Via"), "z9hG4bK-ring"));
	assert_string_equal(rig_header("CSeq"), "1 INVITE");
	rig_event("ENDED");
	/* Repeated until the ACK. */
	rig_expect("SIP/2.0 503 restarted");
}

int main(void)
{
#define LEG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		LEG(out_ringing_answered_ended_by_us),
		LEG(out_ended_by_them),
		LEG(out_refused),
		LEG(in_answered_ended_both_ways),
		LEG(dialogs_are_known_to_the_guard),
		LEG(calls_of_a_source_have_a_limit),
		LEG(in_refused),
		LEG(in_cancelled),
		LEG(repeated_2xx_gets_its_ack_again),
		LEG(a_2xx_that_nobody_acknowledges_ends_the_call),
		LEG(hangup_waits_for_the_ack),
		LEG(cancel_waits_for_a_provisional_answer_and_200_may_cross_it),
		LEG(cancelled_by_us),
		LEG(further_2xx_of_forks_are_acknowledged_and_ended),
		LEG(late_offer_out_and_in),
		LEG(late_offer_in),
		LEG(reinvite_and_update_of_theirs),
		LEG(overlapping_and_crossing_offers),
		LEG(ours_refused_and_a_dialog_that_is_gone),
		LEG(prack_of_ours),
		LEG(prack_of_theirs),
		LEG(prack_lost),
		LEG(a_challenge_is_answered_once),
		LEG(a_wrong_password_is_told_once),
		LEG(bye_is_challenged),
		LEG(session_interval_too_small),
		LEG(refreshed_by_update_or_reinvite),
		LEG(in_with_session_timer),
		LEG(requests_in_both_directions),
		LEG(bye_before_the_answer),
		LEG(bye_before_we_saw_the_200),
		LEG(a_late_offer_that_is_given_up),
		LEG(nobody_answers_our_bye),
		LEG(requests_that_wait_when_it_ends),
		LEG(a_reinvite_that_is_cancelled),
		LEG(dialed_to_a_closed_port), LEG(dialed_to_where_nothing_can_be_sent),
		LEG(each_fork_has_its_own_reliable_answers),
		LEG(a_contact_that_is_a_name),
		LEG(a_peers_connection_that_has_gone),
		LEG(dialogs_after_a_restart),
		LEG(a_2xx_that_is_repeated_after_a_restart),
		LEG(incoming_dialog_after_a_restart),
		LEG(ringing_out_is_ended_after_a_restart),
		LEG(ringing_in_is_ended_after_a_restart),
		cmocka_unit_test(times_of_session_timers),
		cmocka_unit_test(fates),
		cmocka_unit_test(session_descriptions_of_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* REGISTER by RFC 3261 10.3, outbound, GRUU, Path; who may; what a commit promises; what a restart finds. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "registrar_rig.h"

#include <stdio.h>

#include <sqlite3.h>

#define CONTACT "Contact: <sip:alice@192.0.2.7:5060>\r\n"

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
	return 0;
}

static struct sl_registrar_counts counts(void)
{
	struct sl_registrar_counts c;

	sl_registrar_counts(rig.registrar, &c);
	return c;
}

/* ---- the rules of 10.3 ---- */

static void registers_after_a_challenge(void **state)
{
	(void)state;
	assert_int_equal(rig_send("alice", "c1", 1, CONTACT), 401);
	assert_int_equal(rig_count("WWW-Authenticate: Digest realm=\"lab.test\""), 2);
	assert_true(strstr(rig.headers, "SHA-256") < strstr(rig.headers, "MD5"));
	assert_false(rig_has("stale"));
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	assert_true(rig_has("Contact: <sip:alice@192.0.2.7:5060>;expires=3600\r\n"));
	assert_true(rig_has("Date: "));
	assert_int_equal(rig_bindings("alice"), 1);
	assert_int_equal(rig.events[SL_CE_REGISTERED], 1);
	const struct sl_binding *b = rig_binding("alice", 0);
	assert_string_equal(b->contact, "sip:alice@192.0.2.7:5060");
	assert_string_equal(b->user_agent, "rig");
	assert_false(b->nat);
	assert_true(sl_registrar_flow_is_of(rig.registrar, &rig.flow, rig_user("alice")));
	assert_false(sl_registrar_flow_is_of(rig.registrar, &rig.flow, rig_user("bob")));
	/* A question changes nothing. */
	assert_int_equal(rig_register("alice", "c1", ""), 200);
	assert_int_equal(rig_count("Contact:"), 1);
}

static void refresh_waits_for_nobody(void **state)
{
	(void)state;
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	uint64_t commits = counts().commits;

	rig_later(10000);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(rig_send("alice", "c1", ++rig.cseq, CONTACT), 200);
	assert_int_equal(counts().refreshes, 100);
	assert_int_equal(counts().commits, commits);
	assert_true(rig_has("expires=3600"));
	assert_int_equal(rig.events[SL_CE_REFRESHED], 0);
	/* What is new besides the times is committed first. */
	assert_int_equal(rig_send("alice", "c1", ++rig.cseq, "Contact: <sip:alice@192.0.2.7:5060>;q=0.5\r\n"), 0);
	rig_pump();
	assert_int_equal(rig.status, 200);
	assert_true(rig_has("q=0.500"));
	rig.flow.remote.port_be ^= 1;
	assert_int_equal(rig_send("alice", "c1", ++rig.cseq, "Contact: <sip:alice@192.0.2.7:5060>;q=0.5\r\n"), 0);
	rig_pump();
	assert_int_equal(rig.status, 200);
	assert_int_equal(rig.events[SL_CE_REFRESHED], 2);
	assert_true(rig_binding("alice", 0)->nat);
	assert_int_equal(rig_bindings("alice"), 1);
	/* So is another connection. */
	rig.flow.transport = SL_SIP_TCP;
	for (rig.flow.connection = 1; rig.flow.connection < 3; rig.flow.connection++) {
		assert_int_equal(rig_send("alice", "c1", ++rig.cseq, CONTACT), 0);
		rig_pump();
		assert_int_equal(rig.status, 200);
		assert_int_equal(rig_binding("alice", 0)->flow.connection, rig.flow.connection);
	}
}

static void order_of_requests(void **state)
{
	(void)state;
	rig.cseq = 10;
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	unsigned used = rig.cseq;

	/* The same once more: a retransmission, without and with the same nonce count. */
	rig.nonce_count--;
	assert_int_equal(rig_send("alice", "c1", used, CONTACT), 200);
	assert_int_equal(rig_send("alice", "c1", used, CONTACT), 200);
	assert_int_equal(rig_send("alice", "c1", used, "Contact: <sip:alice@192.0.2.7:5060>;expires=0\r\n"), 200);
	/* Heard on the way and sent again with something else in it: the digest does not cover that. */
	static const char *const replays[] = { "Contact: <sip:evil@192.0.2.7:5060>\r\n", "Contact: <sip:alice@192.0.2.8:5060>\r\n",
		"Contact: <sip:alice@192.0.2.7:5061>\r\n", "Contact: *\r\nExpires: 0\r\n", CONTACT "Expires: 60\r\n",
		"Contact: <sip:alice@192.0.2.7:5060>;q=0.1\r\n", CONTACT "Path: <sip:evil.example;lr>\r\n" };
	assert_int_equal(rig_send("alice", "c1", used, CONTACT), 200);
	for (unsigned i = 0; i < sizeof replays / sizeof replays[0]; i++) {
		rig.nonce_count--;
		assert_int_equal(rig_send("alice", "c1", used, replays[i]), 401);
	}
	assert_string_equal(rig_binding("alice", 0)->contact, "sip:alice@192.0.2.7:5060");
	assert_int_equal(rig_bindings("alice"), 1);
	assert_int_equal(rig_send("alice", "c1", used - 1, CONTACT), 500);
	/* Another Call-ID begins anew. */
	assert_int_equal(rig_send("alice", "c2", 1, CONTACT), 0);
	rig_pump();
	assert_int_equal(rig.status, 200);
	assert_string_equal(rig_binding("alice", 0)->call_id, "c2");
	/* A nonce count that was used, by another request: the client shall take a new nonce. */
	rig.nonce_count--;
	assert_int_equal(rig_send("alice", "c2", 2, CONTACT), 401);
	assert_true(rig_has("stale=true"));
	assert_int_equal(counts().stale, 8);
	assert_int_equal(counts().failures, 0);
}

static void lifetimes(void **state)
{
	(void)state;
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:alice@192.0.2.7:5060>;expires=59\r\n"), 423);
	assert_true(rig_has("Min-Expires: 60\r\n"));
	assert_int_equal(rig_bindings("alice"), 0);
	assert_int_equal(rig_register("alice", "c1", CONTACT "Expires: 999999\r\n"), 200);
	assert_true(rig_has("expires=7200"));
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:alice@192.0.2.7:5060>;expires=60\r\nExpires: 999\r\n"), 200);
	assert_true(rig_has("expires=60\r\n"));
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:alice@192.0.2.7:5060>;expires=what\r\n"), 200);
	assert_true(rig_has("expires=3600"));
	/* Shorter than before counts, although its timer was set for later. */
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:alice@192.0.2.7:5060>;expires=60\r\n"), 200);
	rig_later(59900);
	assert_int_equal(rig_bindings("alice"), 1);
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:alice@192.0.2.7:5060>;expires=60\r\n"), 200);
	rig_later(59900);
	assert_int_equal(rig_bindings("alice"), 1);
	rig_later(200);
	assert_int_equal(rig_bindings("alice"), 0);
	assert_int_equal(counts().expiries, 1);
	assert_int_equal(counts().bindings, 0);
	assert_int_equal(counts().users, 0);
	assert_int_equal(rig.events[SL_CE_UNREGISTERED], 1);
	assert_non_null(strstr(rig.event, "expired"));
	rig_reopen();
	assert_int_equal(rig_bindings("alice"), 0);
}

static void removal(void **state)
{
	(void)state;
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:alice@192.0.2.7:5060>, <sip:alice@192.0.2.8>\r\n"), 200);
	assert_int_equal(rig_count("Contact:"), 2);
	assert_int_equal(rig_register("alice", "c1", "Contact: *\r\n"), 400);
	assert_int_equal(rig_register("alice", "c1", "Contact: *\r\nExpires: 60\r\n"), 400);
	assert_int_equal(rig_register("alice", "c1", "Contact: *, <sip:a@b>\r\nExpires: 0\r\n"), 400);
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:a@b>\r\nContact: *\r\nExpires: 0\r\n"), 400);
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:nobody@192.0.2.9>;expires=0\r\n"), 200);
	assert_int_equal(rig_bindings("alice"), 2);
	/* Equal by RFC 3261 19.1.4, not by its letters. */
	assert_int_equal(rig_register("alice", "c1", "Contact: <SIP:%61lice@192.0.2.7:5060>;expires=0\r\n"), 200);
	assert_int_equal(rig_bindings("alice"), 1);
	assert_int_equal(rig_register("alice", "c1", "Contact: *\r\nExpires: 0\r\n"), 200);
	assert_int_equal(rig_count("Contact:"), 0);
	assert_int_equal(rig_bindings("alice"), 0);
	assert_int_equal(counts().removals, 2);
	assert_int_equal(counts().users, 0);
	assert_int_equal(rig_register("alice", "c1", "Contact: *\r\nExpires: 0\r\n"), 200);
	rig_reopen();
	assert_int_equal(rig_bindings("alice"), 0);
}

static void bad_contacts(void **state)
{
	(void)state;
	char text[2048] = "Contact: <sip:";

	assert_int_equal(rig_register("alice", "c1", "Contact: <tel:+4930>\r\n"), 400);
	memset(text + 14, 'a', 500);
	strcpy(text + 514, "@x>\r\n");
	assert_int_equal(rig_register("alice", "c1", text), 400);
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:a@192.0.2.7>, <sip:a@192.0.2.7>\r\n"), 400);
	/* Toll fraud: a contact at a carrier, or at ourselves. */
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:+900123@198.51.100.20>\r\n"), 403);
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:bob@192.0.2.1:5060>\r\n"), 403);
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:bob@192.0.2.1>\r\n"), 403);
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:bob@203.0.113.9;maddr=198.51.100.20>\r\n"), 403);
	assert_int_equal(rig_register("alice", "c1", "Path: <sip:198.51.100.20;lr>\r\nSupported: path\r\n" CONTACT), 403);
	assert_int_equal(rig_register("alice", "c1", "Path: <sip:203.0.113.9;lr>, <sip:192.0.2.1;lr>\r\nSupported: path\r\n" CONTACT), 403);
	assert_int_equal(rig_bindings("alice"), 0);
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:a@192.0.2.7?Route=%3Csip:evil.example%3E>\r\n"), 200);
	assert_string_equal(rig_binding("alice", 0)->contact, "sip:a@192.0.2.7");
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:a@192.0.2.7?Route=x>;expires=0\r\n"), 200);
	assert_int_equal(rig_bindings("alice"), 0);
	assert_int_equal(rig_register("alice", "c1", "Require: path, foo, gruu, bar\r\n" CONTACT), 420);
	assert_true(rig_has("Unsupported: foo, bar"));
}

static void limits_and_order_of_contacts(void **state)
{
	(void)state;
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:1@192.0.2.7>;q=0.1, <sip:2@192.0.2.7>;q=0.9, <sip:3@192.0.2.7>\r\n"), 200);
	assert_string_equal(rig_binding("alice", 0)->contact, "sip:3@192.0.2.7");
	assert_string_equal(rig_binding("alice", 1)->contact, "sip:2@192.0.2.7");
	assert_string_equal(rig_binding("alice", 2)->contact, "sip:1@192.0.2.7");
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:4@192.0.2.7>\r\n"), 403);
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:4@192.0.2.7>, <sip:1@192.0.2.7>;expires=0\r\n"), 200);
	assert_int_equal(rig_bindings("alice"), 3);
	/* Removing one twice makes no room for two. */
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:4@192.0.2.7>;expires=0, <sip:%34@192.0.2.7>;expires=0, <sip:8@192.0.2.7>, "
	        "<sip:9@192.0.2.7>\r\n"), 400);
	assert_int_equal(rig_bindings("alice"), 3);
	rig_user("alice")->max_contacts = 4;
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:5@192.0.2.7>;+sip.instance=\"<urn:uuid:5>\"\r\n"), 200);
	/* The same device from elsewhere takes its own place. */
	assert_int_equal(rig_register("alice", "c9", "Contact: <sip:5@192.0.2.99>;+sip.instance=\"<urn:uuid:5>\"\r\n"), 200);
	assert_int_equal(rig_bindings("alice"), 4);
	assert_int_equal(rig_register("alice", "c9", "Contact: <sip:6@192.0.2.99>;+sip.instance=\"<urn:uuid:6>\"\r\n"), 403);
	/* Newest first among equals. */
	rig_later(5);
	rig_user("alice")->max_contacts = 9;
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:7@192.0.2.7>\r\n"), 200);
	assert_string_equal(rig_binding("alice", 0)->contact, "sip:7@192.0.2.7");
	const struct sl_binding *best[1];
	assert_int_equal(sl_registrar_bindings(rig.registrar, rig_user("alice"), best, 1), 1);
	assert_string_equal(best[0]->contact, "sip:7@192.0.2.7");
}

/* ---- who ---- */

static void who_may(void **state)
{
	(void)state;
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	rig.to = "bob"; /* her credentials, his address */
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:evil@192.0.2.7>\r\n"), 403);
	assert_int_equal(rig_bindings("bob"), 0);
	rig.to = NULL;
	/* A user that is not there is challenged like any other. */
	assert_int_equal(rig_register("nobody", "c1", CONTACT), 401);
	assert_int_equal(counts().failures, 0);
	rig_users[1].enabled = false;
	assert_int_equal(rig_register("bob", "c2", "Contact: <sip:bob@192.0.2.7>\r\n"), 401);
	assert_int_equal(counts().failures, 1);
	rig_users[1].enabled = true;
	assert_int_equal(rig_register("bob", "c2", "Contact: <sip:bob@192.0.2.7>\r\n"), 200);
	rig.n_challenges = 0;
	strcpy(rig_domain.name, "elsewhere.test");
	assert_int_equal(rig_send("bob", "c2", 99, CONTACT), 404);
	strcpy(rig_domain.name, "lab.test");
}

static void old_nonces_and_algorithms(void **state)
{
	(void)state;
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	rig_later(300000);
	assert_int_equal(rig_send("alice", "c1", ++rig.cseq, CONTACT), 401);
	assert_true(rig_has("stale=true"));
	/* After a restart no nonce is known, but the password is still right. */
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	rig_reopen();
	rig.n_challenges = 1;
	assert_int_equal(rig_send("alice", "c1", ++rig.cseq, CONTACT), 401);
	assert_true(rig_has("stale=true"));
	assert_int_equal(counts().failures, 0);
	/* What was not offered is not taken. */
	rig_domain.sha256 = false;
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	assert_int_equal(rig_count("WWW"), 0);
	rig_domain.sha256 = true;
	rig_domain.md5 = false;
	assert_int_equal(rig_send("alice", "c1", ++rig.cseq, CONTACT), 401);
	assert_false(rig_has("stale"));
	assert_int_equal(rig_count("WWW"), 1);
	assert_int_equal(counts().failures, 1);
	rig_domain.md5 = true;
	/* RFC 2617 without qop: by the domain's leave only. */
	strcpy(strstr(rig.challenges[0], ", qop"), "");
	assert_int_equal(rig_send("alice", "c1", ++rig.cseq, CONTACT), 401);
	rig_domain.rfc2617 = true;
	assert_int_equal(rig_send("alice", "c1", ++rig.cseq, CONTACT), 200);
}

/* Alice's password, wrong, over that nonce. */
static int guess(const char *nonce, unsigned cseq)
{
	char text[700];

	rig.n_challenges = 0;
	snprintf(text, sizeof text, "Authorization: Digest username=\"alice\", realm=\"lab.test\", nonce=\"%s\", uri=\"sip:lab.test\", "
		"response=\"0000000000000000000000000000000000000000000000000000000000000000\", algorithm=SHA-256, cnonce=\"c\", qop=auth, "
		"nc=00000001\r\n" CONTACT, nonce);
	return rig_send("alice", "x", cseq, text);
}

static void guessing_is_slowed(void **state)
{
	(void)state;
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	struct sl_sip_flow own = rig.flow;

	assert_int_equal(sl_endpoint_parse("203.0.113.5:40000", &rig.flow.remote), 0);
	assert_int_equal(rig_register("bob", "b1", "Contact: <sip:b@203.0.113.5>\r\n"), 200);
	/* A nonce that nobody was given may come from a forged address: nobody is locked out by it, and it tells nothing of the password. */
	char nonce[64] = "0";

	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(guess(nonce, i + 10), 401);
		assert_int_equal(rig_has("stale"), i < 3);
		assert_int_equal(counts().failures, i < 3 ? 0 : i - 2);
		if (i == 2)
			assert_int_equal(sscanf(strstr(rig.challenges[0], "nonce="), "nonce=\"%63[0-9a-f]", nonce), 1);
	}
	assert_int_equal(rig.events[SL_CE_AUTH_FAILED], 3);
	assert_int_equal(rig.events[SL_CE_AUTH_BLOCKED], 1); /* the user; the source is the guard's */
	assert_int_equal(sl_warden_counts(rig.warden)->bans_automatic, 1);
	rig.n_challenges = 0;
	/* Over a flow that somebody is registered by one is asked who one is; from anywhere else of that address there is no way in. */
	assert_int_equal(rig_send("carol", "x", 19, CONTACT), 401);
	rig.n_challenges = 0;
	rig.flow.remote.port_be = htons(40001);
	assert_int_equal(rig_send("carol", "x", 20, CONTACT), 403);
	assert_true(rig_has("Retry-After: 30"));
	assert_int_equal(rig_send("carol", "x", 21, CONTACT), 0); /* dropped */
	assert_int_equal(counts().blocked, 2);
	assert_int_equal(counts().failures, 3);
	/* Alice's own phone is let in, somebody else as alice is not. */
	rig.flow = own;
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	assert_int_equal(sl_endpoint_parse("203.0.113.77:40000", &rig.flow.remote), 0);
	rig_later(1000);
	assert_int_equal(rig_send("alice", "c7", 1, CONTACT), 403);
	/* Nor is her phone locked out that comes back from where it is, by another port. */
	rig.flow = own;
	rig.flow.remote.port_be = htons(41000);
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	assert_int_equal(sl_endpoint_parse("203.0.113.77:40000", &rig.flow.remote), 0);
	rig_later(30000);
	assert_int_equal(rig_register("alice", "c7", "Contact: <sip:alice@203.0.113.77:40000>\r\n"), 200);
	/* An old nonce is like one that nobody was given: who sends it may be where he likes by now. */
	rig_later(300000);
	assert_int_equal(sl_endpoint_parse("203.0.113.5:40002", &rig.flow.remote), 0);
	uint64_t failures = counts().failures;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(guess(nonce, i + 40), 401);
	assert_true(rig_has("stale=true"));
	assert_int_equal(counts().failures, failures);
	assert_int_equal(sl_warden_counts(rig.warden)->bans_automatic, 1);
}

/* ---- extensions ---- */

#define OUTBOUND(n, port, id) "Supported: outbound, path, gruu\r\n" \
	"Contact: <sip:alice@192.0.2.7:" port ";transport=tcp>;reg-id=" n ";+sip.instance=\"<urn:uuid:" id ">\"\r\n"

static void outbound(void **state)
{
	(void)state;
	rig.flow.transport = SL_SIP_TCP;
	rig.flow.connection = 1;
	assert_int_equal(rig_register("alice", "c1", OUTBOUND("1", "1000", "a")), 200);
	assert_true(rig_has("Require: outbound\r\n"));
	assert_true(rig_has("Flow-Timer: "));
	assert_true(rig_has("reg-id=1"));
	assert_int_equal(rig_binding("alice", 0)->reg_id, 1);
	/* The same flow number from another address takes the place of the old one; another number stands beside it. */
	rig.flow.connection = 2;
	assert_int_equal(rig_register("alice", "c2", OUTBOUND("1", "2000", "a")), 200);
	assert_int_equal(counts().bindings, 1);
	rig.flow.connection = 3;
	rig_later(10);
	assert_int_equal(rig_register("alice", "c3", OUTBOUND("2", "3000", "a")), 200);
	assert_int_equal(counts().bindings, 2);
	/* One device: a call goes by one of its flows, the newest. */
	assert_int_equal(rig_bindings("alice"), 1);
	assert_int_equal(rig_binding("alice", 0)->reg_id, 2);
	/* That flow fails: the other one is left. */
	sl_registrar_flow_closed(rig.registrar, rig_user("alice"), &rig.flow);
	rig_pump();
	assert_int_equal(rig_bindings("alice"), 1);
	assert_int_equal(rig_binding("alice", 0)->reg_id, 1);
	/* A connection that has gone is no way. */
	rig.flow.connection = 666;
	assert_int_equal(rig_register("alice", "c3", OUTBOUND("3", "3000", "a")), 200);
	assert_int_equal(rig_binding("alice", 0)->reg_id, 1);
	assert_int_equal(rig_register("alice", "c3", "Supported: outbound, path\r\nPath: <sip:edge.example;lr>\r\n"
	        "Contact: <sip:a@192.0.2.7>;reg-id=1;+sip.instance=\"<urn:uuid:b>\"\r\n"), 439);
	assert_int_equal(rig_register("alice", "c4", "Supported: outbound, path\r\nPath: <sip:p1.example;lr>, <sip:edge.example;lr;ob>\r\n"
	        "Contact: <sip:a@192.0.2.7>;reg-id=1;+sip.instance=\"<urn:uuid:b>\"\r\n"), 200);
	assert_true(rig_has("Path: <sip:p1.example;lr>, <sip:edge.example;lr;ob>\r\n"));
	assert_int_equal(rig_register("alice", "c5", "Supported: outbound\r\nContact: <sip:a@192.0.2.7>;reg-id=0;+sip.instance=\"<urn:uuid:c>\"\r\n"), 400);
}

static struct sl_prov_user *user_of(const char *uri, const struct sl_binding **binding)
{
	char text[512];
	url_t url[1];

	snprintf(text, sizeof text, "%s", uri);
	assert_int_equal(url_d(url, text), 0);
	return sl_registrar_user_of(rig.registrar, url, binding);
}

static void gruu(void **state)
{
	(void)state;
	const struct sl_binding *b;
	char temp[256], older[256];

	assert_int_equal(rig_register("alice", "c1", "Supported: gruu\r\nContact: <sip:alice@192.0.2.7>;+sip.instance=\"<urn:uuid:a>\"\r\n"), 200);
	assert_true(rig_has("pub-gruu=\"sip:alice@lab.test;gr=urn:uuid:a\""));
	const char *t = strstr(rig.headers, "temp-gruu=\"");
	assert_non_null(t);
	snprintf(older, sizeof older, "%.*s", (int)strcspn(t + 11, "\""), t + 11);
	assert_null(strstr(older, "alice"));
	assert_int_equal(rig_register("alice", "c1", "Supported: gruu\r\nContact: <sip:alice@192.0.2.7>;+sip.instance=\"<urn:uuid:a>\"\r\n"), 200);
	t = strstr(rig.headers, "temp-gruu=\"");
	snprintf(temp, sizeof temp, "%.*s", (int)strcspn(t + 11, "\""), t + 11);
	assert_string_not_equal(temp, older);
	assert_int_equal(rig_register("alice", "c8", "Contact: <sip:other@192.0.2.7>\r\n"), 200);

	assert_ptr_equal(user_of("sip:alice@lab.test;gr=urn:uuid:a", &b), rig_user("alice"));
	assert_string_equal(b->instance, "urn:uuid:a");
	assert_null(user_of("sip:alice@lab.test;gr=urn:uuid:b", &b));
	assert_ptr_equal(user_of("sip:alice@LAB.test;transport=tcp", &b), rig_user("alice"));
	assert_null(b);
	assert_ptr_equal(user_of("sip:+493012345@lab.test;user=phone", &b), rig_user("alice"));
	assert_ptr_equal(user_of("sip:+493012345;phone-context=x@lab.test", &b), rig_user("alice"));
	assert_null(user_of("sip:nobody@lab.test", &b));
	assert_null(user_of("sip:alice@elsewhere.test", &b));
	assert_null(user_of("sip:lab.test", &b));
	/* Both temporary ones, also after a restart. */
	rig_reopen();
	assert_ptr_equal(user_of(temp, &b), rig_user("alice"));
	assert_ptr_equal(user_of(older, &b), rig_user("alice"));
	assert_non_null(b);
	temp[5] = temp[5] == '0' ? '1' : '0';
	assert_null(user_of(temp, &b));
	/* RFC 5627 5.1: a new Call-ID ends them. */
	assert_int_equal(rig_register("alice", "c2", "Supported: gruu\r\nContact: <sip:alice@192.0.2.7>;+sip.instance=\"<urn:uuid:a>\"\r\n"), 200);
	assert_null(user_of(older, &b));
}

/* ---- commits and restarts ---- */

static int count_one(const struct sl_prov_user *u, const struct sl_binding *b)
{
	return u && b->contact[0];
}

static bool count_all(void *ctx, const struct sl_prov_user *u, const struct sl_binding *b)
{
	*(unsigned *)ctx += (unsigned)count_one(u, b);
	return true;
}

static void count_part(void *ctx, const struct sl_binding *b)
{
	*(unsigned *)ctx += b->contact[0] != '\0';
}

/* None is answered before its commit, in their order, and many share one. */
static void commits_are_shared(void **state)
{
	(void)state;
	char name[16], contact[64];
	unsigned n = 0;

	rig_domain.rfc2617 = true; /* one nonce for all: no challenge for each */
	assert_int_equal(rig_send("u0", "c", 1, "Contact: <sip:u0@192.0.2.7>\r\n"), 401);
	snprintf(rig.challenges[0], sizeof rig.challenges[0], "%.*s", (int)strcspn(strstr(rig.headers, "Digest"), "\r"), strstr(rig.headers, "Digest"));
	rig.n_challenges = 1;
	unsigned before = rig.n_answers;
	for (unsigned i = 0; i < RIG_USERS; i++) {
		snprintf(name, sizeof name, "u%u", i);
		snprintf(contact, sizeof contact, "Contact: <sip:%s@192.0.2.7>\r\n", name);
		assert_int_equal(rig_send(name, "c", 2, contact), 0);
		assert_int_equal(rig_bindings(name), 0);
	}
	assert_int_equal(rig.n_answers, before);
	/* Behind one that is under way: its retransmission is dropped, another change waits for it. */
	assert_int_equal(rig_send("u5", "c", 2, "Contact: <sip:u5@192.0.2.7>\r\n"), 0);
	assert_int_equal(rig_send("u5", "c", 3, "Contact: <sip:u5@192.0.2.7>;expires=0\r\n"), 0);
	rig_pump();
	assert_int_equal(rig.n_answers, before + RIG_USERS + 1);
	assert_int_equal(rig.status, 200);
	assert_int_equal(rig_bindings("u5"), 0);
	assert_int_equal(counts().registrations, RIG_USERS);
	assert_true(counts().commits <= 4);
	sl_registrar_each(rig.registrar, count_all, &n);
	assert_int_equal(n, RIG_USERS - 1);
	n = 0;
	for (unsigned i = 0; i < 7; i++)
		sl_registrar_part(rig.registrar, i, 7, count_part, &n);
	assert_int_equal(n, RIG_USERS - 1);
	rig_reopen();
	n = 0;
	sl_registrar_each(rig.registrar, count_all, &n);
	assert_int_equal(n, RIG_USERS - 1);
}

static void break_store(const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(rig.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void failing_store_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	break_store("ALTER TABLE bindings RENAME TO away");
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:second@192.0.2.7>\r\n"), 500);
	assert_int_equal(rig_register("alice", "c1", "Contact: *\r\nExpires: 0\r\n"), 500);
	assert_int_equal(rig_bindings("alice"), 1);
	assert_int_equal(rig_register("bob", "b", "Contact: <sip:b@192.0.2.7>\r\n"), 500);
	assert_int_equal(rig_bindings("bob"), 0);
	assert_int_equal(counts().users, 1);
	/* Refreshes need no store. */
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	break_store("ALTER TABLE away RENAME TO bindings");
	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:second@192.0.2.7>\r\n"), 200);
	assert_int_equal(rig_bindings("alice"), 2);
}

static void restart_finds_all(void **state)
{
	(void)state;
	rig.flow.transport = SL_SIP_TCP;
	rig.flow.connection = 77;
	rig.flow.epoch = 5;
	assert_int_equal(rig_register("alice", "c1", "Supported: path, outbound\r\nPath: <sip:edge.example;lr;ob>\r\n"
	        "Contact: <sip:alice@192.0.2.7:5060>;q=0.25;reg-id=4;+sip.instance=\"<urn:uuid:a>\"\r\n"), 200);
	struct sl_binding was = *rig_binding("alice", 0);
	rig_reopen();
	const struct sl_binding *b = rig_binding("alice", 0);
	assert_string_equal(b->contact, "sip:alice@192.0.2.7:5060");
	assert_string_equal(b->path, "<sip:edge.example;lr;ob>");
	assert_string_equal(b->instance, "urn:uuid:a");
	assert_string_equal(b->call_id, "c1");
	assert_string_equal(b->user_agent, "rig");
	assert_memory_equal(&b->flow, &rig.flow, sizeof rig.flow);
	assert_int_equal(b->q, 250);
	assert_int_equal(b->reg_id, 4);
	assert_int_equal(b->cseq, was.cseq);
	assert_int_equal(b->expires_unix_ms, was.expires_unix_ms);
	assert_int_equal(b->created_unix_ms, was.created_unix_ms);
	/* Deleted meanwhile. */
	rig_users[0].gone = true;
	rig_reopen();
	rig_users[0].gone = false;
	assert_int_equal(rig_bindings("alice"), 0);
}

static int64_t stored_expiry(void)
{
	sqlite3 *db;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_open(rig.path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT expires FROM bindings", -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	int64_t out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return out;
}

static void refreshes_are_written_later(void **state)
{
	(void)state;
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	int64_t first = stored_expiry();

	rig_later(10000);
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	rig_later(20000);
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	assert_int_equal(stored_expiry(), first);
	rig_later(10000);
	assert_int_equal(stored_expiry(), first + 30000); /* what memory had by then */
	/* Closing writes the rest. */
	assert_int_equal(rig_register("alice", "c1", CONTACT), 200);
	rig_reopen();
	assert_int_equal(stored_expiry(), first + 40000);
	/* A crash before it was written: a minute's grace. */
	break_store("UPDATE bindings SET expires = 1800000040000 - 59999");
	rig_reopen();
	assert_int_equal(rig_bindings("alice"), 1);
	assert_int_equal(rig_binding("alice", 0)->expires_unix_ms, rig.now_ms + 60000);
	rig_later(60000);
	assert_int_equal(rig_bindings("alice"), 0);
}

static int removed_error;
static void removed(void *ctx, int error, const char *text)
{
	(void)text;
	removed_error = error;
	++*(unsigned *)ctx;
}

static void operators_and_deletions(void **state)
{
	(void)state;
	unsigned n = 0;

	assert_int_equal(rig_register("alice", "c1", "Contact: <sip:1@192.0.2.7>, <sip:2@192.0.2.7>, <sip:3@192.0.2.7>\r\n"), 200);
	assert_int_equal(sl_registrar_remove(rig.registrar, rig_user("alice"), "sip:9@192.0.2.7", "operator", removed, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(removed_error, -2);
	assert_int_equal(sl_registrar_remove(rig.registrar, rig_user("alice"), "sip:2@192.0.2.7", "operator", removed, &n), 1);
	rig_pump();
	assert_int_equal(n, 2);
	assert_int_equal(removed_error, 0);
	assert_int_equal(rig_bindings("alice"), 2);
	assert_int_equal(rig_register("bob", "b", "Contact: <sip:b@192.0.2.7>\r\n"), 200);
	assert_int_equal(sl_registrar_remove(rig.registrar, rig_user("bob"), NULL, "operator", NULL, NULL), 1);
	rig_pump();
	assert_int_equal(counts().users, 1);
	/* A user that is disabled or deleted loses his, though the provisioning changes all the time. */
	assert_int_equal(rig_register("bob", "b", "Contact: <sip:b@192.0.2.7>\r\n"), 200);
	assert_int_equal(rig_register("carol", "c", "Contact: <sip:c@192.0.2.7>\r\n"), 200);
	rig_users[1].enabled = false;
	rig_users[2].gone = true;
	for (unsigned i = 0; i < 40; i++) {
		rig_provisioned();
		rig_later(50);
	}
	rig_users[1].enabled = true;
	rig_users[2].gone = false;
	assert_int_equal(rig_bindings("bob") + rig_bindings("carol"), 0);
	assert_int_equal(counts().users, 1);
	rig_reopen();
	assert_int_equal(rig_bindings("carol"), 0);
	assert_int_equal(rig_bindings("alice"), 2);
	assert_int_equal(rig_bindings("bob"), 0);
}

int main(void)
{
	su_init();
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(registers_after_a_challenge),
		TEST(refresh_waits_for_nobody),
		TEST(order_of_requests),
		TEST(lifetimes),
		TEST(removal),
		TEST(bad_contacts),
		TEST(limits_and_order_of_contacts),
		TEST(who_may),
		TEST(old_nonces_and_algorithms),
		TEST(guessing_is_slowed),
		TEST(outbound),
		TEST(gruu),
		TEST(commits_are_shared),
		TEST(failing_store_changes_nothing),
		TEST(restart_finds_all),
		TEST(refreshes_are_written_later),
		TEST(operators_and_deletions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

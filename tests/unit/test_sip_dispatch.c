/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What is to be done with a request that belongs to nothing: by its text. */

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include <sofia-sip/msg.h>
#include <sofia-sip/sip_header.h>

#include "controlplane/sip/dispatch.h"

struct wanted {
	const char *method, *uri, *to_tag, *more;
	enum sl_dispatch verdict;
	const char *unsupported;
};

static const struct wanted cases[] = {
	{"INVITE", "sip:bob@example.com", "", "", SL_DISPATCH_INVITE, ""},
	{"INVITE", "sips:bob@example.com", "", "Max-Forwards: 1\r\n", SL_DISPATCH_INVITE, ""},
	{"INVITE", "tel:+4930123456", "", "", SL_DISPATCH_INVITE, ""},
	{"INVITE", "http://example.com/", "", "", SL_DISPATCH_416, ""},
	{"INVITE", "nobodyKnowsThisScheme:totally-new", "", "", SL_DISPATCH_416, ""},
	{"INVITE", "sip:bob@example.com", "", "Max-Forwards: 0\r\n", SL_DISPATCH_483, ""},
	{"OPTIONS", "sip:example.com", "", "Max-Forwards: 0\r\n", SL_DISPATCH_OPTIONS, ""},
	{"OPTIONS", "sip:bob@example.com", "", "", SL_DISPATCH_REQUEST, ""},
	{"INVITE", "sip:bob@example.com", "", "Require: 100rel, timer\r\n", SL_DISPATCH_INVITE, ""},
	{"INVITE", "sip:bob@example.com", "", "Require: 100REL, nothingSupportsThis, nothingSupportsThisEither\r\n", SL_DISPATCH_420,
		"nothingSupportsThis, nothingSupportsThisEither"},
	{"INVITE", "sip:bob@example.com", "", "Require: a\r\nProxy-Require: b, timer\r\n", SL_DISPATCH_420, "a, b"},
	{"INVITE", "sip:bob@example.com", ";tag=7", "", SL_DISPATCH_481, ""},
	{"BYE", "sip:bob@example.com", ";tag=7", "", SL_DISPATCH_481, ""},
	{"BYE", "sip:bob@example.com", "", "", SL_DISPATCH_481, ""},
	{"PRACK", "sip:bob@example.com", "", "RAck: 1 1 INVITE\r\n", SL_DISPATCH_481, ""},
	{"CANCEL", "sip:bob@example.com", "", "Require: a\r\n", SL_DISPATCH_481, ""}, /* RFC 3261 8.2.2.3: not for CANCEL */
	{"ACK", "sip:bob@example.com", ";tag=7", "Require: a\r\nMax-Forwards: 0\r\n", SL_DISPATCH_DROP, ""},
	{"NEWMETHOD", "sip:bob@example.com", "", "", SL_DISPATCH_501, ""},
	{"REFER", "sip:bob@example.com", "", "Refer-To: <sip:c@example.com>\r\n", SL_DISPATCH_405, ""},
	{"REGISTER", "sip:example.com", "", "Require: path, gruu, outbound\r\n", SL_DISPATCH_REGISTER, ""},
	{"MESSAGE", "sip:bob@example.com", "", "", SL_DISPATCH_REQUEST, ""},
	{"SUBSCRIBE", "sip:bob@example.com", "", "Event: reg\r\n", SL_DISPATCH_REQUEST, ""},
};

static void test_verdicts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		const struct wanted *w = &cases[i];
		char text[1024], unsupported[SL_DISPATCH_UNSUPPORTED];
		int n = snprintf(text, sizeof text,
			"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:alice@example.com>;tag=1\r\n"
			"To: <sip:bob@example.com>%s\r\nCall-ID: c\r\nCSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n",
			w->method, w->uri, w->to_tag, w->method, w->more);
		msg_t *msg = msg_make(sip_default_mclass(), 0, text, n);

		assert_non_null(msg);
		if (sl_dispatch_look(sip_object(msg), unsupported) != w->verdict || strcmp(unsupported, w->unsupported) != 0)
			fail_msg("case %u: %s %s %s: %d \"%s\"", i, w->method, w->uri, w->more, sl_dispatch_look(sip_object(msg), unsupported), unsupported);
		msg_destroy(msg);
	}
}

static void test_many_unsupported_are_cut_at_a_name(void **state)
{
	char text[4096], unsupported[SL_DISPATCH_UNSUPPORTED];
	int n = snprintf(text, sizeof text, "INVITE sip:b@example.com SIP/2.0\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\n"
		"Call-ID: c\r\nCSeq: 1 INVITE\r\nRequire: x0");
	msg_t *msg;

	(void)state;
	for (unsigned i = 1; i < 200; i++)
		n += snprintf(text + n, sizeof text - (size_t)n, ", extension%03u", i);
	n += snprintf(text + n, sizeof text - (size_t)n, "\r\nContent-Length: 0\r\n\r\n");
	msg = msg_make(sip_default_mclass(), 0, text, n);
	assert_non_null(msg);
	assert_int_equal(sl_dispatch_look(sip_object(msg), unsupported), SL_DISPATCH_420);
	assert_true(strlen(unsupported) < sizeof unsupported);
	assert_memory_equal(unsupported + strlen(unsupported) - strlen("extension000") , "extension", strlen("extension"));
	msg_destroy(msg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_many_unsupported_are_cut_at_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What the trunk controller makes of texts: numbers, headers, identities, session descriptions, refusals. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "controlplane/b2bua/headers.h"
#include "controlplane/b2bua/identity.h"
#include "controlplane/b2bua/look.h"
#include "controlplane/b2bua/numbers.h"
#include "controlplane/b2bua/verdict.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/sip_parser.h>
#include <sofia-sip/url.h>

/* ---- numbers ---- */

static int number_of(const char *text, struct number *out)
{
	su_home_t home[1] = {SU_HOME_INIT(home)};
	url_t *url = url_hdup(home, (const url_t *)text);
	int error = url ? sl_number_of(url, out) : -EINVAL;

	su_home_deinit(home);
	return error;
}

static void numbers_of_uris(void **state)
{
	static const struct {
		const char *uri, *user, *rn;
		bool npdi, number;
	} good[] = {
		{"sip:alice@example.com", "alice", "", false, false},
		{"sip:+4930123@192.0.2.1:5070;user=phone", "+4930123", "", false, true},
		{"sips:%61lice@example.com", "alice", "", false, false},
		{"tel:+49-30-123", "+4930123", "", false, true},
		{"tel:+49-(30)-123;npdi;rn=+49-99-1", "+4930123", "+49991", true, true},
		{"sip:+4930123;npdi;rn=+49991@example.com", "+4930123", "+49991", true, true},
		{"tel:123;phone-context=+49-30", "+4930123", "", false, true},
		{"tel:123;phone-context=example.com", "123", "", false, true},
		{"sip:first.last@example.com", "first.last", "", false, false},
		{"sip:*72%23@example.com", "*72#", "", false, true},
		{"sip:1.2@example.com", "12", "", false, true},
	};
	static const char *const bad[] = {"sip:example.com", "http://example.com/", "sip:a%00b@h", "sip:a%0d%0ab@h", "sip:a%4@h"};
	struct number n;

	for (size_t i = 0; i < SL_COUNT(good); i++) {
		assert_int_equal(number_of(good[i].uri, &n), 0);
		assert_string_equal(n.user, good[i].user);
		assert_string_equal(n.rn, good[i].rn);
		assert_int_equal(n.npdi, good[i].npdi);
		assert_int_equal(n.is_number, good[i].number);
	}
	for (size_t i = 0; i < SL_COUNT(bad); i++)
		assert_int_not_equal(number_of(bad[i], &n), 0);
}

static void uris_of_numbers(void **state)
{
	struct number ported = {.npdi = true, .rn = "+49991"};
	char out[256];

	assert_int_equal(sl_number_uri(out, sizeof out, "sip:carrier.example:5070;transport=tcp", "+4930123", NULL), 0);
	assert_string_equal(out, "sip:+4930123@carrier.example:5070;transport=tcp;user=phone");
	assert_int_equal(sl_number_uri(out, sizeof out, "sips:[2001:db8::1]", "+1", &ported), 0);
	assert_string_equal(out, "sips:+1;npdi;rn=+49991@[2001:db8::1];user=phone");
	assert_int_equal(sl_number_uri(out, sizeof out, "sip:h", "a b@c#", NULL), 0);
	assert_string_equal(out, "sip:a%20b%40c%23@h");
	assert_int_equal(sl_number_uri(out, 20, "sip:carrier.example", "+4930123", NULL), -ENOSPC);
}

/* ---- headers ---- */

static const char invite[] =
	"INVITE sip:+4930@192.0.2.1 SIP/2.0\r\n"
	"Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKa\r\n"
	"Max-Forwards: 70\r\n"
	"From: \"Alice \\\"A\\\"\" <sip:alice@10.1.1.1>;tag=1\r\n"
	"To: <sip:+4930@192.0.2.1>\r\n"
	"Call-ID: secret@10.1.1.1\r\n"
	"CSeq: 1 INVITE\r\n"
	"Contact: <sip:alice@10.1.1.1>\r\n"
	"Subject: hello, world\r\n"
	"User-Agent: Phone 1\r\n"
	"Diversion: <sip:bob@10.1.1.2:5070;maddr=10.1.1.3;user=phone>;reason=user-busy;counter=1\r\n"
	"History-Info: <sip:bob@10.1.1.2>;index=1, <sips:[fd00::1]:5061;lr>;index=1.1\r\n"
	"P-Asserted-Identity: \"Bob\" <sip:+4940@10.1.1.1>, <tel:+4940>\r\n"
	"P-Preferred-Identity: <sip:+4930101@lab.test>\r\n"
	"Privacy: id;critical\r\n"
	"X-Internal: 10.1.1.1\r\n"
	"X-Billing: 7\r\n"
	"Resource-Priority: ets.0\r\n"
	"User-to-User: 00ab;encoding=hex\r\n"
	"Content-Length: 0\r\n\r\n";

static msg_t *message(const char *text, sip_t **sip)
{
	msg_t *msg = msg_make(sip_default_mclass(), 0, text, strlen(text));

	assert_non_null(msg);
	*sip = (sip_t *)msg_public(msg, SIP_PROTOCOL_TAG);
	return msg;
}

static char passed[SL_HEADERS_ROOM];

static void pass(const sip_t *sip, enum pass kind, const struct sl_prov_trunk *from, const struct sl_prov_trunk *to, bool trusted)
{
	struct pass_side a = {.trunk = from}, b = {.trunk = to, .trusted = trusted};
	struct text t;

	text_init(&t, passed, sizeof passed);
	sl_headers_pass(&t, sip, kind, &a, &b, "sbc.example");
	assert_false(t.full);
}

static void end_to_end_headers(void **state)
{
	sip_t *sip;
	msg_t *msg = message(invite, &sip);

	pass(sip, PASS_INVITE, NULL, NULL, false);
	assert_null(strstr(passed, "Diversion"));
	assert_null(strstr(passed, "Resource-Priority"));
	pass(sip, PASS_INVITE, NULL, NULL, true);
	assert_non_null(strstr(passed, "Resource-Priority: ets.0\r\n"));
	assert_non_null(strstr(passed, "Subject: hello, world\r\n"));
	assert_non_null(strstr(passed, "User-to-User: 00ab;encoding=hex\r\n"));
	assert_non_null(strstr(passed, "Diversion: <sip:bob@sbc.example;user=phone>;reason=user-busy;counter=1\r\n"));
	assert_non_null(strstr(passed, "History-Info: <sip:bob@sbc.example>;index=1, <sips:sbc.example>;index=1.1\r\n"));
	static const char *const never[] = {"10.1.1", "fd00", "Via", "Contact", "Call-ID", "User-Agent", "X-", "P-Asserted", "Privacy"};
	for (size_t i = 0; i < SL_COUNT(never); i++)
		assert_null(strstr(passed, never[i]));
	pass(sip, PASS_BYE, NULL, NULL, true);
	assert_string_equal(passed, "User-to-User: 00ab;encoding=hex\r\n");
	msg_destroy(msg);
}

static void rules_of_trunks(void **state)
{
	struct sl_prov_trunk from = {.n_header_rules = 2, .header_rules = {{SL_HR_ALLOW, "X-*", ""}, {SL_HR_DENY, "x-internal", ""}}};
	struct sl_prov_trunk to = {.n_header_rules = 5,
		.header_rules = {{SL_HR_SET, "Subject", "ours"}, {SL_HR_DENY, "Diversion", ""}, {SL_HR_ALLOW, "Call-ID", ""}, {SL_HR_SET, "Via", "x"},
		        {SL_HR_SET, "X-Bad", "a\r\nVia: b"}}};
	sip_t *sip;
	msg_t *msg = message(invite, &sip);

	pass(sip, PASS_INVITE, &from, &to, false);
	assert_non_null(strstr(passed, "X-Billing: 7\r\n"));
	assert_non_null(strstr(passed, "Subject: ours\r\n"));
	static const char *const not_there[] = {"X-Internal", "hello", "Diversion", "Call-ID", "Via", "X-Bad"};
	for (size_t i = 0; i < SL_COUNT(not_there); i++)
		assert_null(strstr(passed, not_there[i]));
	msg_destroy(msg);
}

/* ---- identities ---- */

static char numbers[2][24] = {"+4930100", "+4930101"};
static const struct sl_prov_user alice = {.name = "alice", .domain = "lab.test", .n_numbers = 2, .numbers = numbers};

static void identities(void **state)
{
	struct sl_prov_trunk plain = {.name = "plain"}, trusted = {.name = "trusted", .trusted = true};
	struct identity i;
	char from[200], lines[400];
	struct text t;
	sip_t *sip;
	msg_t *msg = message(invite, &sip);

	sl_identity_of(sip, &alice, NULL, &i); /* P-Preferred-Identity names a number of hers */
	assert_string_equal(i.user, "+4930101");
	assert_true(i.asserted && i.anonymous && i.critical);
	sl_identity_of(sip, NULL, &plain, &i); /* what it asserts is not believed */
	assert_string_equal(i.user, "alice");
	assert_false(i.asserted);
	sl_identity_of(sip, NULL, &trusted, &i);
	assert_string_equal(i.user, "+4940");
	assert_true(i.asserted);
	assert_int_equal(sl_identity_from(&i, "+4940", "sbc.example", false, from, sizeof from), 0);
	assert_string_equal(from, "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
	text_init(&t, lines, sizeof lines);
	sl_identity_headers(&i, "+4940", "sbc.example", true, &t);
	assert_string_equal(lines, "P-Asserted-Identity: \"Bob\" <sip:+4940@sbc.example;user=phone>\r\nPrivacy: id;critical\r\n");
	text_init(&t, lines, sizeof lines);
	sl_identity_headers(&i, "+4940", "sbc.example", false, &t);
	assert_string_equal(lines, "Privacy: id;critical\r\n");
	i.anonymous = false;
	strcpy(i.display, "A \"B\" \\C");
	assert_int_equal(sl_identity_from(&i, "+49 40", "sbc.example", false, from, sizeof from), 0);
	assert_string_equal(from, "\"A \\\"B\\\" \\\\C\" <sip:+49%2040@sbc.example>");
	msg_destroy(msg);
}

static void nobody_shows_another_ones_number(void **state)
{
	static const char text[] = "INVITE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: \"Bank\" <sip:+49110@lab.test>;tag=1\r\nTo: <sip:x@y>\r\n"
	                           "Call-ID: 1\r\nCSeq: 1 INVITE\r\nP-Preferred-Identity: <sip:+49112@lab.test>\r\nContent-Length: 0\r\n\r\n";
	struct identity i;
	sip_t *sip;
	msg_t *msg = message(text, &sip);

	sl_identity_of(sip, &alice, NULL, &i);
	assert_string_equal(i.user, "+4930100");
	assert_true(sl_identity_is_of(&alice, "4930101"));
	assert_false(sl_identity_is_of(&alice, "+4930"));
	msg_destroy(msg);
}

/* ---- session descriptions ---- */

static struct sl_slice slice(const char *s)
{
	return (struct sl_slice){s, strlen(s)};
}

static void looks(void **state)
{
	static const struct {
		const char *sdp;
		bool plain, secure, dtls, held, feedback;
		unsigned media, rejected, mute;
	} cases[] = {
		{"v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nm=audio 4 RTP/AVP 8\r\n", .plain = true, .media = 1},
		{"v=0\nm=audio 4 RTP/SAVPF 8\na=sendonly\n", .secure = true, .feedback = true, .held = true, .media = 1},
		{"v=0\r\na=inactive\r\nm=audio 4 RTP/AVP 8\r\nm=video 0 RTP/AVP 9\r\na=sendrecv\r\n", .plain = true, .held = true, .media = 2, .rejected = 1},
		{"v=0\r\na=inactive\r\nm=audio 4 RTP/AVP 8\r\na=sendrecv\r\n", .plain = true, .media = 1},
		{"v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4 RTP/AVP 8\r\n", .plain = true, .held = true, .media = 1},
		{"v=0\r\nm=audio 4 UDP/TLS/RTP/SAVPF 8\r\n", .dtls = true, .media = 1},
		{"v=0\r\nm=image 4 udptl t38\r\n", .media = 1},
		{"m=audio 4 RTP/AVP 101 102\r\na=rtpmap:101 telephone-event/8000\r\na=rtpmap:102 telephone-event/16000\r\n", .plain = true, .media = 1, .mute = 1},
		{"m=audio 4 RTP/AVP 101 8\r\na=rtpmap:101 telephone-event/8000\r\n", .plain = true, .media = 1},
		{"", .media = 0},
		{"m=", .media = 1},
		{"m=audio 0", .media = 1, .rejected = 1},
	};

	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		struct look l;
		sl_look(slice(cases[i].sdp), &l);
		assert_int_equal(l.plain, cases[i].plain);
		assert_int_equal(l.secure, cases[i].secure);
		assert_int_equal(l.dtls, cases[i].dtls);
		assert_int_equal(l.held, cases[i].held);
		assert_int_equal(l.feedback, cases[i].feedback);
		assert_int_equal(l.n_media, cases[i].media);
		assert_int_equal(l.n_rejected, cases[i].rejected);
		assert_int_equal(l.n_mute, cases[i].mute);
	}
}

static void origins(void **state)
{
	static const char a[] = "v=0\r\no=bob 1 1 IN IP4 192.0.2.1\r\ns=Phone\r\nt=0 0\r\nm=audio 4 RTP/AVP 8\r\n";
	static const char b[] = "v=0\r\no=eve 77 9 IN IP4 192.0.2.1\r\ns=Phone\r\nt=0 0\r\nm=audio 4 RTP/AVP 8\r\n";
	static const char c[] = "v=0\r\no=eve 77 9 IN IP6 2001:db8::1\r\ns=-\r\nt=0 0\r\nm=audio 6 RTP/AVP 8\r\n";
	struct origin o = {.id = 42};
	char out[400];
	int n = sl_origin_write(&o, slice(a), out, sizeof out);

	assert_true(n > 0);
	out[n] = '\0';
	assert_string_equal(out, "v=0\r\no=- 42 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4 RTP/AVP 8\r\n");
	sl_origin_write(&o, slice(b), out, sizeof out); /* the same session, though another one talks */
	assert_int_equal(o.version, 1);
	n = sl_origin_write(&o, slice(c), out, sizeof out);
	out[n] = '\0';
	assert_int_equal(o.version, 2);
	assert_non_null(strstr(out, "o=- 42 2 IN IP6 2001:db8::1\r\n"));
	assert_int_equal(sl_origin_write(&o, slice(c), out, 60), -ENOSPC);
	assert_int_equal(sl_origin_write(&o, slice("v=0\r\nm=audio 4 RTP/AVP 8\r\n"), out, sizeof out), -EINVAL);
	assert_int_equal(o.version, 2);
}

/* ---- refusals ---- */

static void best_refusal(void **state)
{
	/* Better ones first (RFC 3261 16.7 step 6). */
	static const uint16_t order[] = {600, 603, 302, 401, 484, 486, 480, 408, 500, 503, 0};

	for (size_t i = 0; i + 1 < SL_COUNT(order); i++) {
		struct sl_cause a = {.status = order[i]}, b = {.status = order[i + 1]};
		if (order[i] == 486) /* among equals the first stays */
			continue;
		assert_true(sl_verdict_is_better(&a, &b));
		assert_false(sl_verdict_is_better(&b, &a));
	}
}

static void told_to_the_caller(void **state)
{
	static const uint16_t told[][2] = {{486, 486}, {503, 500}, {302, 480}, {401, 403}, {407, 403}, {430, 480}, {604, 604}};

	for (size_t i = 0; i < SL_COUNT(told); i++) {
		struct sl_cause c = {.status = told[i][0], .by = SL_BY_CALLEE};
		sl_verdict_for_caller(&c);
		assert_int_equal(c.status, told[i][1]);
		assert_true(c.text[0] != '\0');
	}
	struct sl_cause ours = {.status = 503, .by = SL_BY_US, .text = "Trunk Full"}; /* a limit of ours is our own state */
	sl_verdict_for_caller(&ours);
	assert_int_equal(ours.status, 503);
	assert_string_equal(ours.text, "Trunk Full");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_of_uris),
		cmocka_unit_test(uris_of_numbers),
		cmocka_unit_test(end_to_end_headers),
		cmocka_unit_test(rules_of_trunks),
		cmocka_unit_test(identities),
		cmocka_unit_test(nobody_shows_another_ones_number),
		cmocka_unit_test(looks),
		cmocka_unit_test(origins),
		cmocka_unit_test(best_refusal),
		cmocka_unit_test(told_to_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

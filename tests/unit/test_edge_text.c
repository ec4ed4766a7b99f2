/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "tests/unit/unit.h"

#include "controlplane/edge/edge.h"
#include "controlplane/edge/frame.h"
#include "controlplane/edge/surgery.h"
#include "tests/unit/guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct sl_guard guard;

static int make_guard(void **state)
{
	(void)state;
	guard = sl_guard_make(2 * SL_FRAME_MAX);
	return 0;
}

static int free_guard(void **state)
{
	(void)state;
	sl_guard_free(&guard);
	return 0;
}

/* ---- frames ---- */

static enum sl_frame_kind frame(const char *text, struct sl_frame *f)
{
	size_t n = strlen(text);

	memset(f, 0, sizeof *f);
	return sl_frame_next((const char *)sl_guard_put(&guard, text, n), n, f);
}

static void whole_messages_are_told(void **state)
{
	static const struct {
		const char *text;
		size_t left; /* bytes after it */
	} good[] = {
	        {"OPTIONS sip:a@b SIP/2.0\r\n\r\n", 0},
	        {"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody", 0},
	        {"OPTIONS sip:a@b SIP/2.0\r\nl: 4\r\n\r\nbodyNEXT", 4},
	        {"SIP/2.0 200 OK\r\nCONTENT-LENGTH \t : \r\n  2  \r\n\r\nxyz", 1}, /* folded, blanks before the colon */
	        {"SIP/2.0 200 OK\r\nl: 2\r\nContent-Length: 2\r\n\r\nxy", 0},     /* twice the same */
	        {"sip/2.0 180 Ringing\r\n\r\n\r\n", 2},
	        {"NEW_METHOD. sip:a@b SIP/7.0  \r\n\r\n", 0},
	        {"SIP/2.0 200 \r\nSubject: l: 5\r\n l: 7\r\n\r\n", 0}, /* no header, but text of one and its fold */
	};
	struct sl_frame f;

	(void)state;
	for (size_t i = 0; i < SL_COUNT(good); i++) {
		assert_int_equal(frame(good[i].text, &f), SL_FRAME_MESSAGE);
		assert_int_equal(f.total, strlen(good[i].text) - good[i].left);
	}
}

static void what_is_in_doubt_is_refused(void **state)
{
	static const char *const bad[] = {
	        "GET / HTTP/1.1\r\n",
	        "\x16\x03\x01\x02",
	        "hello\r\n",
	        " SIP/2.0 200 OK\r\n\r\n",
	        "SIP/2.0\r\n\r\n",
	        "\nOPTIONS sip:a@b SIP/2.0\r\n\r\n",
	        "OPTIONS sip:a@b SIP/2.0\nl: 0\r\n\r\n",                          /* LF alone: others would see a line here */
	        "OPTIONS sip:a@b SIP/2.0\r\nX: a\rP-Sluice-Flow: x\r\n\r\n",       /* and here */
	        "OPTIONS sip:a@b SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\nab",
	        "OPTIONS sip:a@b SIP/2.0\r\nl: 1, 2\r\n\r\nab",
	        "OPTIONS sip:a@b SIP/2.0\r\nl: -1\r\n\r\n",
	        "OPTIONS sip:a@b SIP/2.0\r\nl:\r\n\r\n",
	        "OPTIONS sip:a@b SIP/2.0\r\nl: 99999999999999999999\r\n\r\n",
	        "OPTIONS sip:a@b SIP/2.0\r\nl: 65536\r\n\r\n",
	};
	static const char nul[] = "OPTIONS sip:a@b SIP/2.0\r\nX: a\0b\r\n\r\n";
	struct sl_frame f = {0};

	(void)state;
	assert_int_equal(sl_frame_next(nul, sizeof nul - 1, &f), SL_FRAME_INVALID);
	for (size_t i = 0; i < SL_COUNT(bad); i++) {
		if (frame(bad[i], &f) != SL_FRAME_INVALID)
			fail_msg("taken: %s", bad[i]);
	}
}

static void keep_alives_are_told(void **state)
{
	struct sl_frame f;

	(void)state;
	assert_int_equal(frame("\r\n\r\nOPT", &f), SL_FRAME_PING);
	assert_int_equal(f.total, 4);
	assert_int_equal(frame("\r\n\r", &f), SL_FRAME_INCOMPLETE);
	assert_int_equal(frame("\r", &f), SL_FRAME_INCOMPLETE);
	assert_int_equal(frame("\r\nO", &f), SL_FRAME_SKIP);
	assert_int_equal(f.total, 2);
}

/* However it is cut, the end is the same. */
static void pieces_make_a_message(void **state)
{
	static const char text[] = "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\nl : 11\r\n\r\nhello\r\n\r\nyou";
	size_t n = sizeof text - 1 - 1;

	(void)state;
	for (size_t step = 1; step < n; step++) {
		struct sl_frame f = {0};
		size_t have = 0;

		for (;;) {
			have = have + step < n ? have + step : n;
			if (sl_frame_next((const char *)sl_guard_put(&guard, text, have), have, &f) == SL_FRAME_MESSAGE)
				break;
			assert_true(have < n);
		}
		assert_int_equal(f.total, n);
	}
}

static void sizes_are_bounded(void **state)
{
	static char big[SL_FRAME_MAX + 16];
	struct sl_frame f = {0};

	(void)state;
	memset(big, 'a', sizeof big);
	assert_int_equal(sl_frame_next(big, SL_FRAME_LINE_MAX - 1, &f), SL_FRAME_INCOMPLETE);
	assert_int_equal(sl_frame_next(big, SL_FRAME_LINE_MAX, &f), SL_FRAME_INVALID);
	memset(&f, 0, sizeof f);
	memcpy(big, "SIP/2.0 200 OK\r\nX: ", 19);
	assert_int_equal(sl_frame_next(big, SL_FRAME_HEAD_MAX, &f), SL_FRAME_INCOMPLETE);
	assert_int_equal(sl_frame_next(big, SL_FRAME_HEAD_MAX + 1, &f), SL_FRAME_INVALID);
}

/* ---- surgery ---- */

static struct sl_slice slice(const char *text)
{
	return (struct sl_slice){text, strlen(text)};
}

static void assert_slice(struct sl_slice s, const char *want)
{
	if (s.n != strlen(want) || memcmp(s.p, want, s.n) != 0)
		fail_msg("\"%.*s\" is not \"%s\"", (int)s.n, s.p, want);
}

static const char request[] =
        "INVITE sip:bob@example.com SIP/2.0\r\n"
        "v:  SIP/2.0/TLS a.example.com:5061;branch=z9hG4bKa;x=\"a,b;c\"\r\n"
        " , SIP / 2.0 / UDP b.example.com : 5060;branch=z9hG4bKb\r\n"
        "p-sluice-FLOW : forged\r\n"
        "\tand folded\r\n"
        "Via: SIP/2.0/UDP c.example.com\r\n"
        "Route: \"a, <b>\" <sip:c-1f@127.0.0.1:5071;lr>\r\n"
        "f: <sip:a@b>;tag=1\r\n"
        "TO: <sip:bob@example.com>\r\n"
        "i: 1@a\r\n"
        "CSeq: 1 INVITE\r\n"
        "Content-Length: 4\r\n"
        "\r\n"
        "body";

static void a_head_is_read(void **state)
{
	const char *text = (const char *)sl_guard_put(&guard, request, sizeof request - 1 - 4);
	struct sl_head h;
	struct sl_via v;
	struct sl_route r;

	(void)state;
	assert_int_equal(sl_head_parse(text, sizeof request - 1 - 4, &h), 0);
	assert_true(h.request);
	assert_slice(h.method, "INVITE");
	assert_slice(h.uri, "sip:bob@example.com");
	assert_slice(sl_head_value(text, &h.via), "SIP/2.0/TLS a.example.com:5061;branch=z9hG4bKa;x=\"a,b;c\"");
	assert_slice(sl_head_value(text, &h.call_id), "1@a");
	assert_slice(sl_head_value(text, &h.to), "<sip:bob@example.com>");
	assert_int_equal(h.n_strip, 2);
	assert_int_equal(sl_via_parse(sl_head_value(text, &h.via), &v), 0);
	assert_slice(v.host, "a.example.com");
	assert_slice(v.port, "5061");
	assert_slice(v.branch, "z9hG4bKa");
	assert_int_equal(sl_route_parse(sl_head_value(text, &h.route), &r), -EINVAL); /* "<" in its name: not one of ours */

	assert_int_equal(sl_head_parse("SIP/2.0 404 Not Found\r\n\r\n", 25, &h), 0);
	assert_int_equal(h.status, 404);
	assert_false(h.request);
	assert_int_equal(sl_head_parse("SIP/2.0 4x4 Not Found\r\n\r\n", 25, &h), -EINVAL);
}

static void vias_are_read(void **state)
{
	struct sl_via v;

	(void)state;
	assert_int_equal(sl_via_parse(slice("SIP / 2.0 / UDP  [2001:db8::1] : 5060 ; rport ; branch = z9hG4bKq; received=192.0.2.1;ttl=1"), &v), 0);
	assert_slice(v.protocol, "SIP / 2.0 / UDP");
	assert_slice(v.host, "[2001:db8::1]");
	assert_slice(v.port, "5060");
	assert_slice(v.branch, "z9hG4bKq");
	assert_true(v.has_rport);
	assert_slice(v.received, "; received=192.0.2.1");
	assert_int_equal(sl_via_parse(slice("SIP/2.0/TLS"), &v), -EINVAL);
	assert_int_equal(sl_via_parse(slice(""), &v), -EINVAL);
	assert_int_equal(sl_via_parse(slice(" : "), &v), -EINVAL);
	assert_int_equal(sl_via_parse(slice("SIP/2.0/TLS h;branch=\"a;b\";branch2"), &v), 0);
	assert_slice(v.branch, "\"a;b\"");
}

static void routes_are_read(void **state)
{
	struct sl_route r;
	char value[64];

	(void)state;
	assert_int_equal(sl_route_parse(slice("<sip:connect@127.0.0.1:5071;lr;to=[2001:db8::1]:5061;name=a.example.com;listener=2>"), &r), 0);
	assert_slice(r.user, "connect");
	assert_slice(r.host, "127.0.0.1");
	assert_slice(r.port, "5071");
	assert_true(sl_param(r.params, "to", value, sizeof value));
	assert_string_equal(value, "[2001:db8::1]:5061");
	assert_true(sl_param(r.params, "LISTENER", value, sizeof value));
	assert_string_equal(value, "2");
	assert_false(sl_param(r.params, "missing", value, sizeof value));
	assert_false(sl_param(r.params, "name", value, 4)); /* no room */
	assert_int_equal(sl_route_parse(slice("<sip:c@h;to=%5B::1%5D:1;q=%zz>"), &r), 0);
	assert_true(sl_param(r.params, "to", value, sizeof value));
	assert_string_equal(value, "[::1]:1");
	assert_true(sl_param(r.params, "q", value, sizeof value));
	assert_string_equal(value, "%zz");
	assert_int_equal(sl_route_parse(slice("sip:c@h"), &r), -EINVAL);
}

static void edits_leave_the_rest_alone(void **state)
{
	size_t n = sizeof request - 1;
	const char *text = (const char *)sl_guard_put(&guard, request, n);
	char out[2048];
	struct sl_edits es = {0};
	struct sl_head h;

	(void)state;
	assert_int_equal(sl_head_parse(text, n - 4, &h), 0);
	for (unsigned i = 0; i < h.n_strip; i++)
		sl_edit_note(&es, h.strip[i].at, h.strip[i].end - h.strip[i].at, slice(""));
	sl_edit_take_first(&es, &h.via);   /* one of two on a line */
	sl_edit_take_first(&es, &h.route); /* the only one */
	sl_edit_note(&es, h.start_end, 0, slice("Via: new\r\n"));
	sl_edit_note(&es, h.end, 0, slice("Content-Length: 4\r\n"));
	assert_true(sl_edit_size(&es, n) < sizeof out);
	sl_edit_apply(&es, text, n, out);
	out[sl_edit_size(&es, n)] = '\0';
	assert_string_equal(out,
	        "INVITE sip:bob@example.com SIP/2.0\r\n"
	        "Via: new\r\n"
	        "v:  SIP / 2.0 / UDP b.example.com : 5060;branch=z9hG4bKb\r\n"
	        "Via: SIP/2.0/UDP c.example.com\r\n"
	        "f: <sip:a@b>;tag=1\r\n"
	        "TO: <sip:bob@example.com>\r\n"
	        "i: 1@a\r\n"
	        "CSeq: 1 INVITE\r\n"
	        "Content-Length: 4\r\n"
	        "\r\n"
	        "body");
}

static void too_many_headers_of_ours_are_no_message(void **state)
{
	char text[4096] = "SIP/2.0 200 OK\r\n";
	struct sl_head h;

	(void)state;
	for (unsigned i = 0; i < SL_COUNT(h.strip) + 1; i++)
		strcat(text, SL_EDGE_FLOW_HEADER ": x\r\n");
	strcat(text, "\r\n");
	assert_int_equal(sl_head_parse(text, strlen(text), &h), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(whole_messages_are_told),
	        cmocka_unit_test(what_is_in_doubt_is_refused),
	        cmocka_unit_test(keep_alives_are_told),
	        cmocka_unit_test(pieces_make_a_message),
	        cmocka_unit_test(sizes_are_bounded),
	        cmocka_unit_test(a_head_is_read),
	        cmocka_unit_test(vias_are_read),
	        cmocka_unit_test(routes_are_read),
	        cmocka_unit_test(edits_leave_the_rest_alone),
	        cmocka_unit_test(too_many_headers_of_ours_are_no_message),
	};

	return cmocka_run_group_tests(tests, make_guard, free_guard);
}

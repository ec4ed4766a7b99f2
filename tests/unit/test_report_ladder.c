/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "controlplane/report/ladder.h"
#include "controlplane/report/ladder_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SDP(address, port, direction)                                                                                                 \
	"v=0\r\no=- 1 1 IN IP4 " address "\r\ns=-\r\nc=IN IP4 " address "\r\nt=0 0\r\nm=audio " port                                  \
	" RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=" direction "\r\n"

static void add(json_t *trace, const char *kind, const char *leg, const char *remote, int ms, const char *text)
{
	json_array_append_new(trace,
	        json_pack("{s:i, s:I, s:s, s:s, s:s, s:s, s:s}", "number", (int)json_array_size(trace) + 1, "unix_us",
	                (json_int_t)1795273445000000 + ms * 1000, "kind", kind, "leg", leg, "transport", "udp", "remote", remote, "text", text));
}

static json_t *a_call(void)
{
	json_t *trace = json_array();

	add(trace, "sip_in", "LE1", "192.0.2.10:5060", 0,
	        "INVITE sip:+4930123456@sbc.example.com SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n" SDP("192.0.2.10", "4000", "sendrecv"));
	add(trace, "sip_out", "LE1", "192.0.2.10:5060", 1, "SIP/2.0 100 Trying\r\nCSeq: 1 INVITE\r\n\r\n");
	json_array_append_new(trace,
	        json_pack("{s:I, s:s, s:{s:s, s:s, s:[{s:s, s:s, s:b}, {s:s, s:s}]}}", "unix_us", (json_int_t)1795273445002000, "kind", "decision", "data",
	                "called", "+4930123456", "caller", "alice", "considered", "route", "night", "rejected", "not at this time", "chosen", 0, "route",
	                "germany", "chosen", "longest prefix"));
	add(trace, "sip_out", "LE2", "198.51.100.20:5060", 3,
	        "INVITE sip:+4930123456@198.51.100.20 SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n" SDP("203.0.113.1", "30000", "sendrecv"));
	add(trace, "sip_in", "LE2", "198.51.100.20:5060", 120, "SIP/2.0 503 Service \x1b[31mUnavailable\r\nCSeq: 1 INVITE\r\n\r\n");
	add(trace, "sip_out", "LE2", "198.51.100.20:5060", 121, "ACK sip:x SIP/2.0\r\nCSeq: 1 ACK\r\n\r\n");
	add(trace, "sip_out", "LE3", "198.51.100.21:5060", 122,
	        "INVITE sip:+4930123456@198.51.100.21 SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n" SDP("203.0.113.1", "30000", "sendrecv"));
	add(trace, "sip_in", "LE3", "198.51.100.21:5060", 2350,
	        "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n" SDP("198.51.100.30", "9000", "sendonly"));
	add(trace, "note", "", "", 2351, "answered");
	add(trace, "sip_out", "LE1", "192.0.2.10:5060", 2352,
	        "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n" SDP("203.0.113.1", "30002", "sendonly"));
	add(trace, "sip_in", "LE1", "192.0.2.10:5060", 62500, "BYE sip:x SIP/2.0\r\nCSeq: 2 BYE\r\n\r\n");
	add(trace, "sip_out", "LE1", "192.0.2.10:5060", 62501, "SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\n\r\n");
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:{s:i, s:s}, s:[{s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:i, s:i, s:f, s:i, s:f, s:f}}, "
	                 "{s:s, s:s, s:s, s:s, s:s, s:s}], s:o}",
	        "id", "CA0001", "state", "ended", "from", "sip:alice@example.com", "to", "sip:+4930123456@sbc.example.com", "duration_ms", 60148,
	        "cause", "status", 200, "text", "normal end", "legs", "id", "CD1", "leg", "LE1", "direction", "in", "remote",
	        "udp:192.0.2.10:5060", "user", "alice@example.com", "trunk", "", "media", "codec", "PCMA/8000", "packets_in", 3000, "lost", 3,
	        "jitter_ms", 1.25, "packets_out", 2990, "mos", 4.37, "mos_lowest", 4.05, "id", "CD3", "leg", "LE3", "direction", "out", "remote",
	        "udp:198.51.100.21:5060", "user", "", "trunk", "second", "trace", trace);
}

static const char golden[] =
        "CA0001  ended  sip:alice@example.com -> sip:+4930123456@sbc.example.com, 60.1 s, ended: 200 normal end\n"
        "\n"
        " seconds     udp:192.0.2.10:5060            Sluice           udp:198.51.100.20:5060   udp:198.51.100.21:5060\n"
        "              alice@example.com                                                            trunk second\n"
        "   0.000              |--------INVITE--------->|                        |                        |\n"
        "                      | audio 192.0.2.10:4000 sendrecv RTP/AVP PCMA PCMU telephone-event         |\n"
        "   0.001              |<------100 Trying-------|                        |                        |\n"
        "            routing: called=+4930123456 caller=alice                    |                        |\n"
        "              considered 1: route=night rejected=not at this time chosen=no                      |\n"
        "              considered 2: route=germany chosen=longest prefix         |                        |\n"
        "   0.003              |                        |--------INVITE--------->|                        |\n"
        "                      |                       audio 203.0.113.1:30000 sendrecv RTP/AVP PCMA PCMU telephone-event\n"
        "   0.120              |                        |<503 Service ?[31mUnava-|                        |\n"
        "   0.121              |                        |----------ACK---------->|                        |\n"
        "   0.122              |                        |---------------------INVITE--------------------->|\n"
        "                      |                       audio 203.0.113.1:30000 sendrecv RTP/AVP PCMA PCMU telephone-event\n"
        "   2.350              |                        |<---------------------200 OK---------------------|\n"
        "                      |                      audio 198.51.100.30:9000 sendonly RTP/AVP PCMA PCMU telephone-event\n"
        "            * answered                         |                        |                        |\n"
        "   2.352              |<--------200 OK---------|                        |                        |\n"
        "                      | audio 203.0.113.1:30002 sendonly RTP/AVP PCMA PCMU telephone-event       |\n"
        "  62.500              |----------BYE---------->|                        |                        |\n"
        "  62.501              |<-----200 OK (BYE)------|                        |                        |\n"
        "\n"
        "media\n"
        "  in  udp:192.0.2.10:5060              PCMA/8000: received 3000 packets, lost 3, jitter 1.2 ms; sent 2990; MOS 4.37, lowest 4.05\n";

static void a_ladder_looks_like_this(void **state)
{
	json_t *call = a_call();
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	sl_ladder_draw(f, call, 112);
	fclose(f);
	assert_string_equal(text, golden);
	free(text);
	json_decref(call);
}

static void nothing_traced_is_said(void **state)
{
	json_t *call = json_pack("{s:s, s:[], s:{s:s}}", "id", "CA1", "trace", "decision", "reason", "no route");
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	sl_ladder_draw(f, call, 0);
	fclose(f);
	assert_non_null(strstr(text, "The trace has nothing of this call"));
	assert_non_null(strstr(text, "routing: reason=no route"));
	free(text);
	json_decref(call);
}

/* Many parties, narrow picture, bad bodies: nothing is written outside the picture. */
static void whatever_comes_is_drawn(void **state)
{
	json_t *trace = json_array();
	char leg[16];

	for (int i = 0; i < 40; i++) {
		snprintf(leg, sizeof leg, "LE%d", i);
		add(trace, i % 3 ? "sip_in" : "sip_out", leg, "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535", i,
		        i % 2 ? "SIP/2.0 " : "A\r\n\r\nv=0\r\nm=nonsense");
	}
	add(trace, "sip_in", "", "", 50, "");
	json_t *call = json_pack("{s:o}", "trace", trace);
	for (unsigned width = 0; width < 260; width += 10) {
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);
		sl_ladder_draw(f, call, width);
		fclose(f);
		for (char *p = text; *p; p += strcspn(p, "\n") + 1)
			assert_true(strcspn(p, "\n") <= SL_LADDER_WIDTH_MAX);
		free(text);
	}
	json_decref(call);
}

static void labels_say_what_a_message_is(void **state)
{
	static const struct {
		const char *message, *label;
	} cases[] = {
	        {"INVITE sip:a SIP/2.0\r\n\r\n", "INVITE"},
	        {"SIP/2.0 180 Ringing\r\nCSeq: 7 INVITE\r\n\r\n", "180 Ringing"},
	        {"SIP/2.0 200 OK\r\nVia: x\r\ncseq:  12 \t BYE \r\n\r\n", "200 OK (BYE )"},
	        {"SIP/2.0 200 OK\r\n\r\nCSeq: 1 BYE", "200 OK"},
	        {"SIP/2.0 200 OK\r\nCSeq: 99", "200 OK"},
	        {"SIP/2.0 ", ""},
	        {"", ""},
	};
	char label[32];

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		sl_ladder_label(cases[i].message, label, sizeof label);
		assert_string_equal(label, cases[i].label);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_ladder_looks_like_this),
	        cmocka_unit_test(nothing_traced_is_said),
	        cmocka_unit_test(whatever_comes_is_drawn),
	        cmocka_unit_test(labels_say_what_a_message_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

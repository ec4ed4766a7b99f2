/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_calls.h"

/* What is agreed: who may be learned, RTCP and BUNDLE, codecs. */

/* ---- what may be learned ---- */

static void learning_is_narrow_by_default(void **state)
{
	struct sl_media_options o = rig_options();

	sl_ip_parse("192.0.2.77", &o.received_from);
	assert_int_equal(
	        rig_offer(&r, "c1", "a", NULL, NULL, SDP_HEAD("10.1.2.3") "m=audio 4000 RTP/AVP 8\r\n", &o),
	        SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	const struct sl_cmd_leg *a = rig_leg(&r, (uint16_t)rig_port(&r, 0));
	assert_int_equal(a->learn, SL_LEARN_IMMEDIATE);
	assert_false(a->flags & SL_LEG_LEARN_ANY);
	assert_true(sl_ip_eq(&a->learn_ip, &o.received_from));

	/* Nothing is known but an address that nobody out there can have. */
	assert_int_equal(
	        rig_offer(&r, "c2", "a", NULL, NULL, SDP_HEAD("10.1.2.3") "m=audio 4000 RTP/AVP 8\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c2", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_true(rig_leg(&r, (uint16_t)rig_port(&r, 0))->flags & SL_LEG_LEARN_ANY);

	o.flags = SL_MF_SIP_SOURCE;
	assert_int_equal(
	        rig_offer(&r, "c3", "a", NULL, NULL, SDP_HEAD("10.1.2.3") "m=audio 4000 RTP/AVP 8\r\n", &o),
	        SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c3", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_true(is_at(&rig_leg(&r, (uint16_t)rig_port(&r, 0))->remote_rtp, "192.0.2.77", 4000));
}

/* ---- RTCP and BUNDLE ---- */

#define MUX_A SDP_HEAD("198.51.100.10") "m=audio 4000 RTP/AVP 8\r\na=rtcp-mux\r\n"
#define MUX_B SDP_HEAD("192.0.2.20") "m=audio 6000 RTP/AVP 8\r\na=rtcp-mux\r\n"

static void rtcp_mux_is_kept_when_both_have_it(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, MUX_A, NULL), SL_MEDIA_OK);
	unsigned b = rig_port(&r, 0);
	assert_true(rig_has(&r, "a=rtcp-mux\r\n"));
	assert_int_equal(rig_leg(&r, (uint16_t)b)->rtcp_port, b + 1); /* not agreed yet */
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, MUX_B, NULL), SL_MEDIA_OK);
	unsigned a = rig_port(&r, 0);
	assert_true(rig_has(&r, "a=rtcp-mux\r\n"));
	assert_int_equal(rig_leg(&r, (uint16_t)a)->rtcp_port, 0);
	assert_true(rig_leg(&r, (uint16_t)b)->flags & SL_LEG_RTCP_MUX);

	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, MUX_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c2", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_false(rig_has(&r, "a=rtcp-mux\r\n"));
	assert_false(rig_leg(&r, (uint16_t)rig_port(&r, 0))->flags & SL_LEG_RTCP_MUX);
}

/* A session refreshed: nothing is new, so no address that was learned is given up. */
static void a_refresh_of_a_muxed_call_changes_nothing(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A "a=rtcp-mux\r\n", NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B "a=rtcp-mux\r\n", NULL), SL_MEDIA_OK);
	rig_clear(&r);
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A "a=rtcp-mux\r\n", NULL), SL_MEDIA_OK);
	assert_int_equal(r.link.n_commands, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B "a=rtcp-mux\r\n", NULL), SL_MEDIA_OK);
	assert_int_equal(r.link.n_commands, 0);
	assert_int_equal(rig_offer(&r, "c1", "b", "a", NULL, SDP_B "a=rtcp-mux\r\n", NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "b", "a", NULL, SDP_A "a=rtcp-mux\r\n", NULL), SL_MEDIA_OK);
	assert_int_equal(r.link.n_commands, 0);
}

static void rtcp_mux_is_translated_as_asked(void **state)
{
	struct sl_media_options o = rig_options();

	o.rtcp_mux = SL_MM_DEMUX;
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, MUX_A, &o), SL_MEDIA_OK);
	unsigned b = rig_port(&r, 0);
	assert_false(rig_has(&r, "rtcp-mux"));
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_true(rig_has(&r, "a=rtcp-mux\r\n"));
	assert_true(rig_leg(&r, (uint16_t)rig_port(&r, 0))->flags & SL_LEG_RTCP_MUX);
	assert_false(rig_leg(&r, (uint16_t)b)->flags & SL_LEG_RTCP_MUX);

	o.rtcp_mux = SL_MM_REQUIRE;
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	b = rig_port(&r, 0);
	assert_true(rig_has(&r, "a=rtcp-mux\r\n"));
	char rtcp[32];
	snprintf(rtcp, sizeof rtcp, "a=rtcp:%u\r\n", b); /* no other port is named */
	assert_true(rig_has(&r, rtcp));
	assert_int_equal(rig_answer(&r, "c2", "a", "b", NULL, MUX_B, NULL), SL_MEDIA_OK);
	assert_false(rig_has(&r, "a=rtcp-mux"));
	assert_true(rig_leg(&r, (uint16_t)b)->flags & SL_LEG_RTCP_MUX);
}

#define BUNDLE_HEAD(ip)                                                                                      \
	"v=0\r\no=- 1 1 IN IP4 " ip "\r\ns=-\r\nc=IN IP4 " ip "\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
#define BUNDLE(ip, p0, p1)                                                                                   \
	BUNDLE_HEAD(ip)                                                                                      \
	"m=audio " p0 " RTP/AVP 8\r\na=mid:0\r\na=rtcp-mux\r\n"                                              \
	"m=video " p1 " RTP/AVP 96\r\na=mid:1\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"

static void bundled_sections_share_a_leg(void **state)
{
	struct sl_media_counts c;

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, BUNDLE("198.51.100.10", "4000", "4002"), NULL),
	        SL_MEDIA_OK);
	unsigned b0 = rig_port(&r, 0), b1 = rig_port(&r, 1);
	assert_int_not_equal(b0, b1); /* RFC 8843 7.2: whoever cannot bundle still gets a port each */
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, BUNDLE("192.0.2.20", "6000", "6000"), NULL),
	        SL_MEDIA_OK);
	unsigned a0 = rig_port(&r, 0);
	assert_int_equal(rig_port(&r, 1), a0);
	sl_media_counts(r.m, &c);
	assert_int_equal(c.legs, 2);
	assert_true(rig_route(&r, (uint16_t)a0, (uint16_t)b0));
	assert_int_equal(session("c1")->parties[0]->sections[1]->bundled, 1);
	const struct sl_cmd_leg *leg = rig_leg(&r, (uint16_t)a0);
	assert_int_equal(leg->n_clocks, 1); /* the picture's, beside PCMA that everybody knows */
	assert_int_equal(leg->clocks[0].hz, 90000);

	/* And again in an offer of the bundled transport. */
	rig_clear(&r);
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, BUNDLE("198.51.100.10", "4000", "4000"), NULL),
	        SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), b0);
	assert_int_equal(rig_port(&r, 1), b0);
	sl_media_counts(r.m, &c);
	assert_int_equal(c.legs, 2);
}

static void without_bundle_in_the_answer_each_has_its_own(void **state)
{
	struct sl_media_counts c;

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, BUNDLE("198.51.100.10", "4000", "4002"), NULL),
	        SL_MEDIA_OK);
	assert_int_equal(
	        rig_answer(&r, "c1", "a", "b", NULL,
	                SDP_HEAD("192.0.2.20") "m=audio 6000 RTP/AVP 8\r\nm=video 6002 RTP/AVP 96\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_not_equal(rig_port(&r, 0), rig_port(&r, 1));
	sl_media_counts(r.m, &c);
	assert_int_equal(c.legs, 4);
}

/* ---- codecs ---- */

static void codecs_are_filtered_and_ordered(void **state)
{
	struct sl_media_options o = rig_options();

	o.n_strip = 1;
	o.strip[0] = rig_slice("pcma");
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_true(rig_has(&r, " RTP/AVP 0 101\r\n"));
	assert_false(rig_has(&r, "PCMA"));

	o.strip[0] = rig_slice("all");
	o.n_except = 1;
	o.except[0] = rig_slice("PCMU/8000");
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_true(rig_has(&r, " RTP/AVP 0\r\n"));

	o.n_except = 0; /* nothing would be left */
	assert_int_equal(rig_offer(&r, "c3", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_true(rig_has(&r, " RTP/AVP 8 0 101\r\n"));
	assert_int_not_equal(rig_port(&r, 0), 0);

	o = rig_options();
	o.n_offer = 1;
	o.offer[0] = rig_slice("PCMU");
	assert_int_equal(rig_offer(&r, "c4", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_true(rig_has(&r, " RTP/AVP 0 8 101\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(learning_is_narrow_by_default),
	        TEST(rtcp_mux_is_kept_when_both_have_it),
	        TEST(a_refresh_of_a_muxed_call_changes_nothing),
	        TEST(rtcp_mux_is_translated_as_asked),
	        TEST(bundled_sections_share_a_leg),
	        TEST(without_bundle_in_the_answer_each_has_its_own),
	        TEST(codecs_are_filtered_and_ordered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

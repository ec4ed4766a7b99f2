/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_calls.h"

/* Calls through the engine: who gets which port, what the dataplane is told, later offers, hold. */

/* ---- the plain course of things ---- */

static void a_call_from_offer_to_delete(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_OK);
	unsigned towards_b = rig_port(&r, 0);
	assert_in_range(towards_b, 30000, 39998);
	assert_int_equal(towards_b % 2, 0);
	assert_true(rig_has(&r, "c=IN IP4 203.0.113.1\r\n"));
	assert_true(rig_has(&r, "o=- 1 1 IN IP4 198.51.100.10\r\n")); /* not asked to be replaced */
	assert_int_equal(rig_count(&r, SL_CMD_LEG_SET), 2);
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_ADD), 0); /* nobody has answered */
	assert_true(is_nowhere(&rig_leg(&r, towards_b)->remote_rtp));

	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	unsigned towards_a = rig_port(&r, 0);
	assert_int_not_equal(towards_a, towards_b);
	const struct sl_cmd_leg *a = rig_leg(&r, towards_a), *b = rig_leg(&r, towards_b);
	assert_true(is_at(&a->remote_rtp, "198.51.100.10", 4000));
	assert_true(is_at(&a->remote_rtcp, "198.51.100.10", 4001));
	assert_true(is_at(&b->remote_rtp, "192.0.2.20", 6000));
	assert_int_equal(a->rtcp_port, towards_a + 1);
	assert_int_equal(a->dscp, 46);
	assert_int_equal(a->inactivity_ms, 60000);
	assert_int_equal(a->dtmf_pt, 101);
	assert_int_equal(a->audio_pt, 8);
	assert_int_not_equal(a->out_ssrc, 0);
	assert_true(rig_route(&r, towards_a, towards_b));
	assert_true(rig_route(&r, towards_b, towards_a));
	assert_int_equal(sl_media_port_worker(towards_a, 2), sl_media_port_worker(towards_b, 2));

	const struct sl_media_session *s = session("c1");
	assert_int_equal(s->n_parties, 2);
	assert_string_equal(s->parties[1]->tag, "b");
	assert_int_equal(sl_media_peer(s, 0), 1);
	assert_int_equal(sl_media_peer(s, 1), 0);
	assert_string_equal(s->parties[0]->sections[0]->codec, "PCMA/8000");

	rig_clear(&r);
	rig_delete(&r, "c1", NULL, NULL, 0);
	assert_int_equal(r.n_done, 0);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 2);
	assert_null(session("c1"));
	rig_answer_commands(&r, &(struct sl_evt_leg){.rx_packets = 7});
	assert_int_equal(r.n_done, 1);
	assert_int_equal(r.done_stats.rx_packets, 7);
	assert_int_equal(sl_media_n_sessions(r.m), 0);
}

static void interfaces_and_families_are_as_asked(void **state)
{
	struct sl_media_options o = rig_options();

	o.from_interface = rig_slice("private");
	o.to_interface = rig_slice("public");
	o.flags = SL_MF_REPLACE_ORIGIN | SL_MF_REPLACE_CONNECTION;
	o.address_family = AF_INET6;
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	unsigned b = rig_port(&r, 0);
	assert_true(rig_has(&r, "c=IN IP6 2001:db8::1\r\n"));
	assert_true(rig_has(&r, "o=- 1 1 IN IP6 2001:db8::1\r\n"));
	assert_int_equal(rig_leg(&r, b)->leg.address, 2);
	o = rig_options();
	o.flags = SL_MF_REPLACE_ORIGIN | SL_MF_REPLACE_CONNECTION;
	assert_int_equal(
	        rig_answer(&r, "c1", "a", "b", NULL,
	                "v=0\r\no=- 1 1 IN IP6 2001:db8::20\r\ns=-\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\n"
	                "m=audio 6000 RTP/AVP 8\r\n",
	                &o),
	        SL_MEDIA_OK);
	assert_true(rig_has(&r, "c=IN IP4 10.0.0.1\r\n"));
	assert_int_equal(rig_leg(&r, (uint16_t)rig_port(&r, 0))->leg.address, 1);

	/* A re-offer needs not say it again. */
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), b);
	assert_true(rig_has(&r, "c=IN IP6 2001:db8::1\r\n"));

	o = rig_options();
	o.to_interface = rig_slice("nowhere");
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_ERR_SYNTAX);
	assert_non_null(strstr(r.error.text, "nowhere"));
	o.to_interface = rig_slice("private");
	o.address_family = AF_INET6;
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_ERR_UNSUPPORTED);
	assert_null(session("c2"));
}

static void an_advertised_address_can_be_given(void **state)
{
	struct sl_media_options o = rig_options();

	sl_ip_parse("192.0.2.99", &o.media_address);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_true(rig_has(&r, "c=IN IP4 192.0.2.99\r\n"));
}

/* ---- later offers ---- */

static void a_reoffer_keeps_ports(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	rig_clear(&r);
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL,
	                         SDP_HEAD("198.51.100.11") "m=audio 4444 RTP/AVP 0\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), b);
	assert_true(is_at(&rig_leg(&r, (uint16_t)a)->remote_rtp, "198.51.100.11", 4444));
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_ADD) + rig_count(&r, SL_CMD_ROUTE_DELETE), 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), a);

	/* The same once more: there is nothing to tell. */
	rig_clear(&r);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(r.link.n_commands, 0);
}

static void either_side_may_offer_again(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	rig_clear(&r);
	assert_int_equal(rig_offer(&r, "c1", "b", "a", "z9hG4bKx",
	                         SDP_HEAD("192.0.2.21") "m=audio 6100 RTP/AVP 8\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), a);
	assert_true(is_at(&rig_leg(&r, (uint16_t)b)->remote_rtp, "192.0.2.21", 6100));
	assert_int_equal(rig_answer(&r, "c1", "b", "a", "z9hG4bKx", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), b);
	assert_int_equal(session("c1")->n_parties, 2);
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_DELETE), 0);
}

/* INVITE without SDP: the callee's 200 is the offer, the caller's ACK the answer. */
static void an_offer_may_come_from_the_callee(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "b", "a", NULL, SDP_B, NULL), SL_MEDIA_OK);
	unsigned a = rig_port(&r, 0);
	assert_int_equal(rig_answer(&r, "c1", "b", "a", NULL, SDP_A, NULL), SL_MEDIA_OK);
	unsigned b = rig_port(&r, 0);
	assert_true(rig_route(&r, (uint16_t)a, (uint16_t)b));
	assert_true(is_at(&rig_leg(&r, (uint16_t)a)->remote_rtp, "198.51.100.10", 4000));
}

static void media_is_added_rejected_and_comes_back(void **state)
{
	unsigned a, b;
	call("c1", &a, &b);
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, VIDEO_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), b);
	unsigned video_b = rig_port(&r, 1);
	assert_int_not_equal(video_b, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, VIDEO_B, NULL), SL_MEDIA_OK);
	unsigned video_a = rig_port(&r, 1);
	assert_true(rig_route(&r, (uint16_t)video_a, (uint16_t)video_b));
	const struct sl_cmd_leg *leg = rig_leg(&r, (uint16_t)video_a);
	assert_int_equal(leg->n_clocks, 1); /* telephone-event is another section's */
	assert_int_equal(session("c1")->parties[0]->n_sections, 2);

	/* Port 0: its legs go. */
	rig_clear(&r);
	assert_int_equal(
	        rig_offer(&r, "c1", "a", "b", NULL, SDP_A "m=video 0 RTP/AVP 96\r\n", NULL), SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 1), 0);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 2);
	assert_int_equal(
	        rig_answer(&r, "c1", "a", "b", NULL, SDP_B "m=video 0 RTP/AVP 96\r\n", NULL), SL_MEDIA_OK);
	assert_int_equal(session("c1")->parties[1]->sections[1]->rejected, 1);

	/* The answer may reject too. */
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, VIDEO_A, NULL), SL_MEDIA_OK);
	assert_int_not_equal(rig_port(&r, 1), 0);
	assert_int_not_equal(rig_port(&r, 1), video_b); /* guarded */
	rig_clear(&r);
	assert_int_equal(
	        rig_answer(&r, "c1", "a", "b", NULL, SDP_B "m=video 0 RTP/AVP 96\r\n", NULL), SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 1), 0);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 2);
}

static void sections_beyond_what_we_relay_are_rejected(void **state)
{
	char sdp[4096] = SDP_HEAD("198.51.100.10");

	for (unsigned i = 0; i < SL_MEDIA_MAX_SECTIONS + 2; i++)
		snprintf(sdp + strlen(sdp), sizeof sdp - strlen(sdp), "m=audio %u RTP/AVP 8\r\n",
		        4000 + 2 * i);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, sdp, NULL), SL_MEDIA_OK);
	assert_int_not_equal(rig_port(&r, SL_MEDIA_MAX_SECTIONS - 1), 0);
	assert_int_equal(rig_port(&r, SL_MEDIA_MAX_SECTIONS), 0);
	assert_int_equal(rig_port(&r, SL_MEDIA_MAX_SECTIONS + 1), 0);
}

static void what_is_not_ours_is_left_alone(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL,
	                         SDP_A "m=message 7394 TCP/MSRP *\r\na=path:msrp://a\r\n", NULL),
	        SL_MEDIA_OK);
	assert_true(rig_has(&r, "m=message 7394 TCP/MSRP *\r\n"));
	assert_int_equal(rig_count(&r, SL_CMD_LEG_SET), 2);
}

static void t38_is_relayed_as_datagrams(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	assert_int_equal(rig_offer(&r, "c1", "b", "a", NULL,
	                         SDP_HEAD("192.0.2.20") "m=image 6000 udptl t38\r\n", NULL),
	        SL_MEDIA_OK);
	assert_true(rig_has(&r, "m=image "));
	assert_int_equal(rig_port(&r, 0), a);
	assert_int_equal(rig_answer(&r, "c1", "b", "a", NULL,
	                         SDP_HEAD("198.51.100.10") "m=image 4000 udptl t38\r\n", NULL),
	        SL_MEDIA_OK);
	assert_true(rig_leg(&r, (uint16_t)a)->flags & SL_LEG_RAW);
	assert_true(rig_leg(&r, (uint16_t)b)->flags & SL_LEG_RAW);
	/* And back to sound. */
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_false(rig_leg(&r, (uint16_t)a)->flags & SL_LEG_RAW);
	assert_false(rig_leg(&r, (uint16_t)b)->flags & SL_LEG_RAW);
	assert_int_equal(rig_leg(&r, (uint16_t)a)->audio_pt, 8);
}

/* ---- hold ---- */

static void hold_and_resume(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	rig_clear(&r);
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL,
	                         SDP_HEAD("198.51.100.10") "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n", NULL),
	        SL_MEDIA_OK);
	assert_true(rig_has(&r, "a=sendonly\r\n"));
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SDP_HEAD("192.0.2.20") "m=audio 6000 RTP/AVP 8\r\na=recvonly\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_equal(rig_leg(&r, (uint16_t)a)->inactivity_ms, 3600 * 1000);
	assert_int_equal(rig_leg(&r, (uint16_t)b)->inactivity_ms, 3600 * 1000);
	assert_true(is_at(&rig_leg(&r, (uint16_t)a)->remote_rtp, "198.51.100.10", 4000));
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_leg(&r, (uint16_t)a)->inactivity_ms, 60 * 1000);
	assert_int_equal(rig_port(&r, 0), a);
}

/* RFC 3264 8.4: the old way. What its party sends (music) still passes, nothing goes to it. */
static void hold_by_address(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	rig_clear(&r);
	assert_int_equal(
	        rig_offer(&r, "c1", "a", "b", NULL, SDP_HEAD("0.0.0.0") "m=audio 4000 RTP/AVP 8\r\n", NULL),
	        SL_MEDIA_OK);
	assert_true(rig_has(&r, "c=IN IP4 0.0.0.0\r\n"));
	assert_int_equal(rig_port(&r, 0), b);
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_DELETE), 1);
	assert_true(is_at(&rig_leg(&r, (uint16_t)a)->remote_rtp, "198.51.100.10", 4000));
	const struct sl_command *c = &r.link.commands[r.link.n_commands - 1];
	assert_int_equal(c->h.type, SL_CMD_ROUTE_DELETE);
	assert_int_equal(c->route.from.port, b);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A, NULL), SL_MEDIA_OK);
	assert_true(rig_route(&r, (uint16_t)b, (uint16_t)a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_call_from_offer_to_delete),
	        TEST(interfaces_and_families_are_as_asked),
	        TEST(an_advertised_address_can_be_given),
	        TEST(a_reoffer_keeps_ports),
	        TEST(either_side_may_offer_again),
	        TEST(an_offer_may_come_from_the_callee),
	        TEST(media_is_added_rejected_and_comes_back),
	        TEST(sections_beyond_what_we_relay_are_rejected),
	        TEST(what_is_not_ours_is_left_alone),
	        TEST(t38_is_relayed_as_datagrams),
	        TEST(hold_and_resume),
	        TEST(hold_by_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

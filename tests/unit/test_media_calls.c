/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_rig.h"

#include <arpa/inet.h>
#include <unistd.h>

/* Calls through the engine: who gets which port, what the dataplane is told. */

#define VIDEO_A SDP_A "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
#define VIDEO_B SDP_B "m=video 6002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"

static struct rig r;

static int setup(void **state)
{
	rig_open(&r);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	return 0;
}

static bool is_at(const struct sl_endpoint *e, const char *ip, unsigned port)
{
	struct sl_ip want;

	return sl_ip_parse(ip, &want) == 0 && sl_ip_eq(&e->ip, &want) && ntohs(e->port_be) == port;
}

static bool is_nowhere(const struct sl_endpoint *e)
{
	return is_at(e, "::", 0);
}

/* A call between A and B; *a, *b: the ports that face each. */
static void call(const char *id, unsigned *a, unsigned *b)
{
	assert_int_equal(rig_offer(&r, id, "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_OK);
	*b = rig_port(&r, 0);
	assert_int_equal(rig_answer(&r, id, "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	*a = rig_port(&r, 0);
}

static const struct sl_media_session *session(const char *id)
{
	return sl_media_find(r.m, rig_slice(id));
}

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

/* ---- forks ---- */

static void branches_share_the_callers_leg(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK);
	unsigned b1 = rig_port(&r, 0);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b2", SDP_A, NULL), SL_MEDIA_OK);
	unsigned b2 = rig_port(&r, 0);
	assert_int_not_equal(b1, b2);
	assert_int_equal(session("c1")->n_parties, 3);
	assert_int_equal(
	        rig_offer(&r, "c1", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK); /* a retransmission */
	assert_int_equal(rig_port(&r, 0), b1);

	/* Early media of the one, then of the other. */
	assert_int_equal(rig_answer(&r, "c1", "a", "t1", "b1", SDP_B, NULL), SL_MEDIA_OK);
	unsigned a = rig_port(&r, 0);
	assert_true(rig_route(&r, (uint16_t)b1, (uint16_t)a));
	assert_int_equal(rig_answer(&r, "c1", "a", "t2", "b2",
	                         SDP_HEAD("192.0.2.30") "m=audio 7000 RTP/AVP 8\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), a);
	assert_true(rig_route(&r, (uint16_t)b2, (uint16_t)a));
	assert_true(rig_route(&r, (uint16_t)a, (uint16_t)b2));
	assert_false(rig_route(&r, (uint16_t)b1, (uint16_t)a));
	assert_false(rig_route(&r, (uint16_t)a, (uint16_t)b1));
	/* The first one's 200. */
	assert_int_equal(rig_answer(&r, "c1", "a", "t1", "b1", SDP_B, NULL), SL_MEDIA_OK);
	assert_true(rig_route(&r, (uint16_t)a, (uint16_t)b1));
	assert_false(rig_route(&r, (uint16_t)b2, (uint16_t)a));

	/* The branch that lost goes, the call stays; then its party's BYE ends it. */
	rig_clear(&r);
	rig_delete(&r, "c1", NULL, "b2", 0);
	rig_answer_commands(&r, NULL);
	assert_int_equal(r.n_done, 1);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 1);
	assert_int_equal(session("c1")->n_parties, 2);
	rig_delete(&r, "c1", "t1", NULL, 0);
	assert_null(session("c1"));
}

/* Early media, then a refusal: the others still ring. */
static void a_branch_that_fails_after_early_media_leaves_the_others(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b2", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "t1", "b1", SDP_B, NULL), SL_MEDIA_OK);
	rig_delete(&r, "c1", NULL, "b1", 0);
	rig_answer_commands(&r, NULL);
	assert_non_null(session("c1"));
	assert_int_equal(session("c1")->n_parties, 2);
	assert_int_equal(rig_answer(&r, "c1", "a", "t2", "b2", SDP_B, NULL), SL_MEDIA_OK);
	rig_delete(&r, "c1", NULL, "b2", 0);
	assert_null(session("c1"));

	/* A BYE ends the call with whom it names, whoever else was called and never answered. */
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, "b2", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c2", "a", "t1", "b1", SDP_B, NULL), SL_MEDIA_OK);
	rig_delete(&r, "c2", "t1", NULL, 0);
	assert_null(session("c2"));
}

/* Ends that answer the same branch: a proxy behind it has forked. */
static void ends_behind_one_branch_share_its_leg(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK);
	unsigned b = rig_port(&r, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "t1", "b1", SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "t2", "b1",
	                         SDP_HEAD("192.0.2.30") "m=audio 7000 RTP/AVP 8\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_equal(session("c1")->n_parties, 2);
	assert_string_equal(session("c1")->parties[1]->tag, "t2");
	assert_true(is_at(&rig_leg(&r, (uint16_t)b)->remote_rtp, "192.0.2.30", 7000));
}

/* Whom nobody asked cannot answer: he stays with whom he talks to. */
static void only_who_was_offered_something_answers(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	assert_int_equal(rig_offer(&r, "c1", "c", NULL, NULL, SDP_A, NULL),
	        SL_MEDIA_OK); /* another dialog of the call */
	rig_clear(&r);
	assert_int_equal(rig_answer(&r, "c1", "c", "b", NULL, SDP_B, NULL), SL_MEDIA_ERR_STATE);
	assert_int_equal(r.link.n_commands, 0);
	assert_int_equal(rig_answer(&r, "c1", "c", "d", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK); /* once more */
}

/* One branch takes no video, the other may. */
static void what_one_branch_rejects_another_may_take(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b1", VIDEO_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b2", VIDEO_A, NULL), SL_MEDIA_OK);
	rig_clear(&r);
	assert_int_equal(
	        rig_answer(&r, "c1", "a", "t1", "b1", SDP_B "m=video 0 RTP/AVP 96\r\n", NULL), SL_MEDIA_OK);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 1); /* the branch's, not the caller's */
	assert_int_equal(rig_answer(&r, "c1", "a", "t2", "b2", VIDEO_B, NULL), SL_MEDIA_OK);
	assert_int_not_equal(rig_port(&r, 1), 0);
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_ADD), 2 + 4);
}

/* The callee offers (UPDATE) under a tag that no answer of its has shown yet. */
static void an_offer_of_who_was_offered_is_known_by_its_dialog(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK);
	unsigned b = rig_port(&r, 0);
	assert_int_equal(rig_offer(&r, "c1", "b", "a", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(session("c1")->n_parties, 2);
	assert_string_equal(session("c1")->parties[1]->tag, "b");
	assert_int_equal(rig_answer(&r, "c1", "b", "a", NULL, SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_port(&r, 0), b);
}

/* While a party's last counts are awaited nobody means it any more. */
static void who_is_ending_is_left_alone(void **state)
{
	struct sl_media_who t2 = {.call_id = rig_slice("c1"), .tag = rig_slice("t2")};

	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b2", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "t1", "b1", SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "t2", "b2", SDP_B, NULL), SL_MEDIA_OK);
	unsigned n = r.link.n_commands;
	rig_delete(&r, "c1", NULL, "b2", 0);
	/* Routes to it go before its leg does. */
	assert_int_equal(r.link.commands[n].h.type, SL_CMD_ROUTE_DELETE);
	assert_int_equal(r.link.commands[r.link.n_commands - 1].h.type, SL_CMD_LEG_DELETE);
	assert_int_equal(session("c1")->n_parties, 3); /* its counts are to be shown */
	assert_int_equal(
	        sl_media_block(r.m, &t2, SL_LEG_BLOCK_MEDIA, true, &r.error), SL_MEDIA_ERR_NOT_FOUND);
	rig_answer_commands(&r, NULL);
	assert_int_equal(session("c1")->n_parties, 2);
}

/* Whoever waits for a call's counts is told before it goes, once. */
static void a_call_that_ends_answers_who_asked(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	sl_media_refresh(r.m, rig_slice("c1"), rig_done(), &r);
	sl_media_refresh(r.m, rig_slice("c1"), rig_done(), &r);
	assert_int_equal(r.n_done, 0);
	rig_delete(&r, "c1", NULL, NULL, 0);
	assert_int_equal(r.n_done, 2);
	assert_true(r.done_session);
	rig_answer_commands(&r, NULL);
	assert_int_equal(r.n_done, 3);
	sl_media_refresh(r.m, rig_slice("c1"), rig_done(), &r);
	assert_int_equal(r.n_done, 4);
	assert_int_equal(r.done_code, SL_MEDIA_ERR_NOT_FOUND);
}

static void quality_is_sampled_between_reports(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	const struct sl_media_leg *leg = &session("c1")->parties[0]->sections[0]->leg;
	rig_event(&r, &leg->ref, SL_LEG_STATE, 0, &(struct sl_evt_leg){.rx_packets = 250, .rx_ssrc = 1});
	assert_int_equal(leg->mos_n, 0); /* there is nothing to compare with */
	rig_event(&r, &leg->ref, SL_LEG_STATE, 0, &(struct sl_evt_leg){.rx_packets = 500, .rx_ssrc = 1});
	assert_int_equal(leg->mos_n, 1);
	float good = leg->mos_last;
	assert_true(good > 4.2 && good < 4.5);
	rig_event(&r, &leg->ref, SL_LEG_STATE, 0,
	        &(struct sl_evt_leg){.rx_packets = 700, .rx_lost = 50, .rx_ssrc = 1});
	assert_int_equal(leg->mos_n, 2);
	assert_true(leg->mos_last < 3.5);
	assert_true(leg->mos_min == leg->mos_last && leg->mos_max == good);
	rig_event(&r, &leg->ref, SL_LEG_STATE, 0,
	        &(struct sl_evt_leg){.rx_packets = 700, .rx_lost = 50, .rx_ssrc = 1});
	rig_event(&r, &leg->ref, SL_LEG_STATE, 0, &(struct sl_evt_leg){.rx_packets = 800, .rx_ssrc = 2});
	assert_int_equal(leg->mos_n, 2); /* nothing came; another stream */
	/* The dataplane is asked every 5 s. */
	rig_clear(&r);
	rig_tick(&r, 11000);
	assert_in_range(rig_count(&r, SL_CMD_LEG_LIST), 2 * 2, 3 * 2);
}

static void the_caller_of_branches_ends_them_all(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b2", SDP_A, NULL), SL_MEDIA_OK);
	rig_clear(&r);
	rig_delete(&r, "c1", "a", NULL, 0);
	assert_null(session("c1"));
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 3);
}

/* ---- deleting ---- */

static void a_delayed_deletion_can_be_revived(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	rig_clear(&r);
	rig_delete(&r, "c1", NULL, NULL, 30);
	rig_answer_commands(&r, NULL);
	assert_int_equal(r.n_done, 1); /* with the counts of now */
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_ERR_STATE);
	assert_int_equal(rig_offer(&r, "c1", "a", "b", NULL, SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	rig_tick(&r, 40000);
	assert_non_null(session("c1"));
	r.config.media.delete_delay_s = 30;
	rig_delete(&r, "c1", NULL, NULL, -1);
	rig_tick(&r, 29000);
	assert_non_null(session("c1"));
	rig_tick(&r, 3000);
	assert_null(session("c1"));
	assert_int_equal(r.n_ended, 0); /* it was asked for */
}

static void an_answer_after_delete_creates_nothing(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	rig_delete(&r, "c1", NULL, NULL, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_ERR_NOT_FOUND);
	assert_string_equal(r.error.text, "Unknown call-id");
	rig_answer_commands(&r, NULL);
	assert_int_equal(sl_media_n_sessions(r.m), 0);
	struct sl_media_counts c;
	sl_media_counts(r.m, &c);
	assert_int_equal(c.legs, 0);
	assert_int_equal(c.ports_guarded, 2);
	rig_delete(&r, "c1", NULL, NULL, 0);
	assert_int_equal(r.done_code, SL_MEDIA_ERR_NOT_FOUND);
	assert_false(r.done_session);
}

/* A worker that says nothing: the last known counts must do. */
static void final_counts_have_a_deadline(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	const struct sl_leg_ref leg = session("c1")->parties[0]->sections[0]->leg.ref;
	rig_event(&r, &leg, SL_LEG_STATE, 0, &(struct sl_evt_leg){.rx_packets = 5});
	rig_delete(&r, "c1", NULL, NULL, 0);
	rig_tick(&r, SL_MEDIA_WAIT_MS - 1);
	assert_int_equal(r.n_done, 0);
	rig_tick(&r, 1);
	assert_int_equal(r.n_done, 1);
	assert_int_equal(r.done_stats.rx_packets, 5);
	rig_event(&r, &leg, SL_LEG_ENDED, 0, NULL); /* too late, and harmless */
}

/* The same call-id may begin anew while the last counts of the old one are awaited. */
static void a_call_id_is_free_at_once(void **state)
{
	unsigned a, b, a2, b2;

	call("c1", &a, &b);
	rig_delete(&r, "c1", NULL, NULL, 0);
	call("c1", &a2, &b2);
	assert_true(a2 != a && a2 != b && b2 != a && b2 != b);
	rig_answer_commands(&r, NULL);
	assert_int_equal(r.n_done, 1);
	assert_int_equal(sl_media_n_sessions(r.m), 1);
}

/* ---- limits and times ---- */

static void limits_have_their_own_errors(void **state)
{
	unsigned a, b;

	r.config.media.max_sessions = 2;
	sl_media_reconfigure(r.m, &r.config);
	call("c1", &a, &b);
	call("c2", &a, &b);
	assert_int_equal(rig_offer(&r, "c3", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_ERR_SESSIONS);
	assert_string_equal(r.error.text, "Parallel session limit reached");
	assert_int_equal(
	        rig_offer(&r, "c2", "a", "b", NULL, SDP_A, NULL), SL_MEDIA_OK); /* those that are go on */

	r.config.media.max_sessions = 100;
	r.config.media.port_min = 30000;
	r.config.media.port_max = 30007;
	rig_close_engine(&r);
	close(r.journal);
	r.journal = -1;
	rig_open_engine(&r);
	call("c1", &a, &b);
	call("c2", &a, &b);
	assert_int_equal(rig_offer(&r, "c3", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_ERR_PORTS);
	assert_string_equal(r.error.text, "Ran out of ports");
	assert_null(session("c3"));
	struct sl_media_counts c;
	sl_media_counts(r.m, &c);
	assert_int_equal(c.legs, 4);
	/* An added section that finds no port leaves the call as it was. */
	rig_clear(&r);
	assert_int_equal(rig_offer(&r, "c2", "a", "b", NULL, SDP_A "m=video 4002 RTP/AVP 96\r\n", NULL),
	        SL_MEDIA_ERR_PORTS);
	assert_int_equal(r.link.n_commands, 0);
	assert_int_equal(session("c2")->parties[0]->n_sections, 1);
}

static void legs_are_limited_as_the_dataplane_is(void **state)
{
	r.config.media.max_legs = 8; /* 4 a worker */
	rig_close_engine(&r);
	close(r.journal);
	r.journal = -1;
	rig_open_engine(&r);
	for (unsigned i = 0; i < 4; i++) {
		char id[8];
		snprintf(id, sizeof id, "c%u", i);
		assert_int_equal(rig_offer(&r, id, "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_OK);
	}
	assert_int_equal(rig_offer(&r, "c9", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_ERR_SESSIONS);
	assert_non_null(strstr(r.error.text, "Parallel session limit reached"));
}

static void without_a_dataplane_new_calls_are_refused(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	rig_detach(&r);
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, SDP_A, NULL),
	        SL_MEDIA_OK); /* it may only be restarting */
	rig_tick(&r, 3000);
	assert_int_equal(rig_offer(&r, "c3", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_ERR_AWAY);
	assert_int_equal(
	        rig_offer(&r, "c1", "a", "b", NULL, SDP_A, NULL), SL_MEDIA_OK); /* those that are go on */
	rig_delete(&r, "c1", NULL, NULL, 0);
	assert_int_equal(r.n_done, 1); /* nobody could tell more */
}

static void offers_without_answer_end(void **state)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK);
	rig_tick(&r, 100000);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b2", SDP_A, NULL), SL_MEDIA_OK);
	rig_tick(&r, 170000);
	assert_non_null(session("c1"));
	rig_tick(&r, 12000);
	assert_null(session("c1"));
	assert_string_equal(r.ended, "no answer");

	/* Of an answered call only the branches left behind go. */
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, "b1", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, "b2", SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c2", "a", "t2", "b2", SDP_B, NULL), SL_MEDIA_OK);
	rig_tick(&r, 100000);
	assert_int_equal(session("c2")->n_parties, 3);
	rig_tick(&r, 83000);
	assert_int_equal(session("c2")->n_parties, 2);
	assert_string_equal(session("c2")->parties[1]->tag, "t2");
}

static void everybody_tells(uint32_t idle_a_ms, uint32_t idle_b_ms, enum sl_leg_change change, uint32_t seq)
{
	const struct sl_media_session *s = session("c1");

	if (!s)
		return;
	const struct sl_leg_ref a = s->parties[0]->sections[0]->leg.ref,
	                        b = s->parties[1]->sections[0]->leg.ref;
	rig_event(&r, &a, change, seq, &(struct sl_evt_leg){.idle_ms = idle_a_ms, .age_s = 100});
	rig_event(&r, &b, change, seq, &(struct sl_evt_leg){.idle_ms = idle_b_ms, .age_s = 100});
}

static void silence_of_all_ends_a_call(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	everybody_tells(60000, 100, SL_LEG_STATE, 0);
	rig_clear(&r);
	const struct sl_leg_ref leg = session("c1")->parties[0]->sections[0]->leg.ref;
	rig_event(&r, &leg, SL_LEG_INACTIVE, 0, &(struct sl_evt_leg){.idle_ms = 60000});
	assert_int_equal(r.link.n_commands, 0); /* the other one speaks */

	/* By what was told last both are silent: asked, one is not. */
	everybody_tells(61000, 61000, SL_LEG_STATE, 0);
	rig_event(&r, &leg, SL_LEG_INACTIVE, 0, &(struct sl_evt_leg){.idle_ms = 61000});
	assert_int_equal(rig_count(&r, SL_CMD_LEG_QUERY), 2);
	everybody_tells(61000, 20, SL_LEG_STATE, r.link.commands[0].h.seq);
	assert_non_null(session("c1"));

	/* Nobody answers: what was told long ago is no proof. */
	everybody_tells(61000, 61000, SL_LEG_STATE, 0);
	rig_event(&r, &leg, SL_LEG_INACTIVE, 0, &(struct sl_evt_leg){.idle_ms = 61000});
	rig_tick(&r, SL_MEDIA_WAIT_MS);
	assert_non_null(session("c1"));
	everybody_tells(61000, 20, SL_LEG_STATE, 0);

	/* Both are. */
	rig_clear(&r);
	rig_tick(&r, 55000);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_QUERY), 0); /* the one who spoke has time until then */
	rig_clear(&r);
	everybody_tells(UINT32_MAX, 70000, SL_LEG_STATE, 0);
	for (unsigned i = 0; i < 25 && rig_count(&r, SL_CMD_LEG_QUERY) == 0; i++)
		rig_tick(&r, 50);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_QUERY), 2);
	everybody_tells(UINT32_MAX, 71000, SL_LEG_STATE, r.link.commands[r.link.n_commands - 1].h.seq);
	assert_null(session("c1"));
	assert_int_equal(r.n_ended, 1);
	assert_string_equal(r.ended, "no media");
}

/* Whoever deletes a call while it is asked whether it is silent ends it once. */
static void a_call_found_silent_is_deleted_once(void **state)
{
	unsigned a, b;

	call("c1", &a, &b);
	everybody_tells(60000, 60000, SL_LEG_STATE, 0);
	rig_clear(&r);
	everybody_tells(
	        60000, 60000, SL_LEG_INACTIVE, 0); /* the first asks; what both say counts as an answer */
	assert_int_equal(rig_count(&r, SL_CMD_LEG_QUERY), 2);
	rig_delete(&r, "c1", NULL, NULL, 0);
	assert_null(session("c1"));
	assert_int_equal(rig_count(&r, SL_CMD_LEG_DELETE), 2);
	rig_answer_commands(&r, NULL);
	assert_int_equal(r.n_done, 1);
	assert_int_equal(r.done_code, SL_MEDIA_OK);
	assert_int_equal(r.n_ended, 0);
	assert_int_equal(sl_media_n_sessions(r.m), 0);
}

/* ---- bad input ---- */

static void bad_requests_change_nothing(void **state)
{
	char longer[300];
	unsigned a, b;

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(rig_offer(&r, "", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_offer(&r, longer, "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_offer(&r, "c1", NULL, NULL, NULL, SDP_A, NULL), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_offer(&r, "c1", "a", longer, NULL, SDP_A, NULL), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, "not SDP", NULL), SL_MEDIA_ERR_SYNTAX);
	assert_non_null(strstr(r.error.text, "line 1"));
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL,
	                         SDP_HEAD("224.0.0.1") "m=audio 4000 RTP/AVP 8\r\n", NULL),
	        SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_offer(&r, "c1", "a", "a", NULL, SDP_A, NULL),
	        SL_MEDIA_OK); /* two parties of one name ... */
	rig_delete(&r, "c1", NULL, NULL, 0);
	rig_answer_commands(&r, NULL);
	assert_int_equal(sl_media_n_sessions(r.m), 0);
	struct sl_media_counts c;
	sl_media_counts(r.m, &c);
	assert_int_equal(c.legs, 0);

	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_ERR_NOT_FOUND);
	call("c1", &a, &b);
	rig_clear(&r);
	assert_int_equal(rig_answer(&r, "c1", "x", "b", NULL, SDP_B, NULL), SL_MEDIA_ERR_NOT_FOUND);
	assert_int_equal(rig_answer(&r, "c1", "a", NULL, NULL, SDP_B, NULL), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_answer(&r, "c1", "b", "a", NULL, SDP_A, NULL),
	        SL_MEDIA_ERR_STATE); /* b has offered nothing */
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SDP_HEAD("192.0.2.20") "m=audio 6000 RTP/SAVP 8\r\n", NULL),
	        SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 2001:db8::2\r\nt=0 "
	                         "0\r\nm=audio 6000 RTP/AVP 8\r\n",
	                         NULL),
	        SL_MEDIA_ERR_UNSUPPORTED);
	assert_int_equal(r.link.n_commands, 0);
	sl_media_counts(r.m, &c);
	assert_int_equal(c.legs, 2);
}

/* What fails after ports were drawn gives them back. */
static void an_sdp_that_does_not_fit_leaves_nothing(void **state)
{
	struct sl_media_request q = {.call_id = rig_slice("c1"),
	        .from_tag = rig_slice("a"),
	        .sdp = rig_slice(SDP_A),
	        .options = rig_options()};
	struct sl_media_reply reply = {.sdp = r.sdp, .sdp_room = 100};
	struct sl_media_counts before, after;

	sl_media_counts(r.m, &before);
	assert_int_equal(sl_media_offer(r.m, &q, &reply, &r.error), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(reply.sdp_len, 0);
	sl_media_counts(r.m, &after);
	assert_int_equal(after.legs, 0);
	assert_int_equal(after.sessions, 0);
	assert_int_equal(after.ports_free, before.ports_free);
	assert_int_equal(r.link.n_commands, 0);
}

static void a_loop_is_left_alone(void **state)
{
	struct sl_media_options o = rig_options();
	static char once[8192];

	o.flags = SL_MF_LOOP_PROTECT;
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	memcpy(once, r.sdp, r.reply.sdp_len + 1);
	assert_non_null(strstr(once, "a=sluice:"));
	rig_clear(&r);
	assert_int_equal(rig_offer(&r, "c2", "a", NULL, NULL, once, &o), SL_MEDIA_OK);
	assert_string_equal(r.sdp, once);
	assert_int_equal(r.link.n_commands, 0);
	assert_null(session("c2"));
}

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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
	        TEST(branches_share_the_callers_leg),
	        TEST(a_branch_that_fails_after_early_media_leaves_the_others),
	        TEST(ends_behind_one_branch_share_its_leg),
	        TEST(only_who_was_offered_something_answers),
	        TEST(the_caller_of_branches_ends_them_all),
	        TEST(quality_is_sampled_between_reports),
	        TEST(a_call_that_ends_answers_who_asked),
	        TEST(who_is_ending_is_left_alone),
	        TEST(an_offer_of_who_was_offered_is_known_by_its_dialog),
	        TEST(what_one_branch_rejects_another_may_take),
	        TEST(a_delayed_deletion_can_be_revived),
	        TEST(an_answer_after_delete_creates_nothing),
	        TEST(final_counts_have_a_deadline),
	        TEST(a_call_id_is_free_at_once),
	        TEST(limits_have_their_own_errors),
	        TEST(legs_are_limited_as_the_dataplane_is),
	        TEST(without_a_dataplane_new_calls_are_refused),
	        TEST(offers_without_answer_end),
	        TEST(silence_of_all_ends_a_call),
	        TEST(a_call_found_silent_is_deleted_once),
	        TEST(bad_requests_change_nothing),
	        TEST(an_sdp_that_does_not_fit_leaves_nothing),
	        TEST(a_loop_is_left_alone),
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

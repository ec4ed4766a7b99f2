/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_calls.h"

/* Calls with several branches, and how calls and parties end. */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

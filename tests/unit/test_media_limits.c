/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_calls.h"

#include <unistd.h>

/* Limits, times, bad input: what is refused, and that nothing is left of it. */

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

/* The tenant's token buckets go with every LEG_SET; a restart forgets their number until somebody says it again. */
static void legs_carry_their_tenants_meter(void **state)
{
	struct sl_media_options o = rig_options();
	unsigned a, b;

	o.meter = 7;
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	b = rig_port(&r, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	a = rig_port(&r, 0);
	assert_int_equal(rig_leg(&r, (uint16_t)a)->meter, 7);
	assert_int_equal(rig_leg(&r, (uint16_t)b)->meter, 7);
	rig_detach(&r);
	rig_kill_engine(&r);
	rig_open_engine(&r);
	rig_clear(&r);
	sl_media_set_meter(r.m, rig_slice("c1"), 3);
	sl_media_set_meter(r.m, rig_slice("nobody's"), 3);
	rig_attach(&r, 0);
	assert_int_equal(rig_leg(&r, (uint16_t)a)->meter, 3);
	rig_clear(&r);
	sl_media_set_meter(r.m, rig_slice("c1"), 3); /* as it is */
	assert_int_equal(r.link.n_commands, 0);
	sl_media_set_meter(r.m, rig_slice("c1"), 4);
	assert_int_equal(rig_leg(&r, (uint16_t)b)->meter, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(limits_have_their_own_errors),
	        TEST(legs_are_limited_as_the_dataplane_is),
	        TEST(without_a_dataplane_new_calls_are_refused),
	        TEST(offers_without_answer_end),
	        TEST(silence_of_all_ends_a_call),
	        TEST(a_call_found_silent_is_deleted_once),
	        TEST(bad_requests_change_nothing),
	        TEST(an_sdp_that_does_not_fit_leaves_nothing),
	        TEST(a_loop_is_left_alone),
	        TEST(legs_carry_their_tenants_meter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

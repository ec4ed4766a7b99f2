/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/ng/brain.h"
#include "tests/unit/fake_media.h"

/* What golden requests do not show: an engine that refuses, answers late, or not before the end. */

static struct sl_ng_brain brain;
static char reply[64 * 1024];

static int64_t clock_ms(void)
{
	return 1700000010000;
}

static void answered(void *ctx, struct sl_ng_request *r)
{
	sl_ng_request_encode(r, SL_NG_UDP_ANSWER_MAX);
	snprintf(reply, sizeof reply, "%.*s", (int)r->answer.n, r->answer.p);
	sl_ng_request_free(r);
}

static void start(void)
{
	memset(&brain, 0, sizeof brain);
	brain.media = fake_media_reset();
	brain.answered = answered;
	brain.unix_ms = clock_ms;
	reply[0] = '\0';
}

static const char *ask(const char *json)
{
	struct sl_ng_request *r = sl_ng_request_new(sl_ng_text("c"), sl_ng_text(json));

	reply[0] = '\0';
	assert_true(sl_ng_request_read(r));
	sl_ng_execute(&brain, r);
	return reply;
}

static void the_engine_refuses(void **state)
{
	static const char plain[] =
	        "{\"command\":\"offer\",\"call-id\":\"c\",\"from-tag\":\"a\",\"sdp\":\"v=0\"}";
	static const char knows[] = "{\"command\":\"offer\",\"call-id\":\"c\",\"from-tag\":\"a\",\"sdp\":\"v="
	                            "0\",\"supports\":[\"load limit\"]}";
	static const char answer[] = "{\"command\":\"answer\",\"call-id\":\"c\",\"from-tag\":\"a\",\"to-"
	                             "tag\":\"b\",\"sdp\":\"v=0\",\"supports\":[\"load limit\"]}";
#define ERROR(text) "c {\"result\":\"error\",\"error-reason\":\"" text "\"}"
#define LIMIT(text) "c {\"result\":\"load limit\",\"message\":\"" text "\"}"
	static const struct {
		struct sl_media_error e;
		const char *plain, *knows, *answer;
	} cases[] = {
	        {{SL_MEDIA_ERR_SESSIONS, "100 of them"}, ERROR("Parallel session limit reached"),
	                LIMIT("Parallel session limit reached"), ERROR("Parallel session limit reached")},
	        {{SL_MEDIA_ERR_PORTS, "none on public"}, ERROR("Ran out of ports"), ERROR("Ran out of ports"),
	                ERROR("Ran out of ports")},
	        {{SL_MEDIA_ERR_LOAD, ""}, ERROR("Load limit exceeded"), LIMIT("Load limit exceeded"),
	                ERROR("Load limit exceeded")},
	        {{SL_MEDIA_ERR_AWAY, "no dataplane"}, ERROR("no dataplane"), LIMIT("no dataplane"),
	                ERROR("no dataplane")},
	        {{SL_MEDIA_ERR_NOT_FOUND, ""}, ERROR("Unknown call-id"), ERROR("Unknown call-id"),
	                ERROR("Unknown call-id")},
	        {{SL_MEDIA_ERR_SYNTAX, "line 3: x"}, ERROR("line 3: x"), ERROR("line 3: x"),
	                ERROR("line 3: x")},
	        {{SL_MEDIA_ERR_STATE, "The call was deleted"}, ERROR("The call was deleted"),
	                ERROR("The call was deleted"), ERROR("The call was deleted")},
	        {{SL_MEDIA_ERR_NO_MEMORY, ""}, ERROR("Out of memory"), ERROR("Out of memory"),
	                ERROR("Out of memory")},
	        {{SL_MEDIA_ERR_UNSUPPORTED, ""}, ERROR("Failed"), ERROR("Failed"), ERROR("Failed")},
	};

	start();
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		fake_media.error = cases[i].e;
		assert_string_equal(ask(plain), cases[i].plain);
		assert_string_equal(ask(knows), cases[i].knows);
		assert_string_equal(ask(answer), cases[i].answer);
	}
	assert_int_equal(brain.requests[SL_NG_OFFER], 2 * SL_COUNT(cases));
	assert_int_equal(brain.load_limits, 3);
	assert_int_equal(brain.errors[SL_NG_OFFER], 2 * SL_COUNT(cases) - 3);
	assert_int_equal(brain.errors[SL_NG_ANSWER], SL_COUNT(cases));
}

static void the_engine_warns(void **state)
{
	start();
	fake_media.warning = "no codec in common";
	assert_string_equal(
	        ask("{\"command\":\"offer\",\"call-id\":\"c\",\"from-tag\":\"a\",\"sdp\":\"v=0\"}"),
	        "c {\"sdp\":\"v=0\",\"warning\":\"no codec in common\",\"result\":\"ok\"}");
	assert_string_equal(ask("{\"command\":\"offer\",\"call-id\":\"c\",\"from-tag\":\"a\",\"sdp\":\"v=0\","
	                        "\"ptime\":30}"),
	        "c {\"sdp\":\"v=0\",\"warning\":\"Not done: ptime; no codec in common\",\"result\":\"ok\"}");
	assert_int_equal(brain.warnings, 2);
}

static void the_dataplane_takes_its_time(void **state)
{
	start();
	fake_media_call("c", "a", "b");
	fake_media.late = true;
	assert_string_equal(ask("{\"command\":\"query\",\"call-id\":\"c\"}"), "");
	assert_string_equal(ask("{\"command\":\"delete\",\"call-id\":\"c\",\"from-tag\":\"a\"}"), "");
	assert_string_equal(ask("{\"command\":\"query\",\"call-id\":\"nobody\"}"), "");
	assert_int_equal(brain.requests[SL_NG_QUERY], 0);
	fake_media_done();
	assert_string_equal(reply, "c {\"result\":\"error\",\"error-reason\":\"Unknown call-id\"}");
	assert_int_equal(brain.requests[SL_NG_QUERY], 2);
	assert_int_equal(brain.requests[SL_NG_DELETE], 1);
	assert_null(brain.waiting);
}

static void nobody_waits_any_more(void **state)
{
	start();
	fake_media_call("c", "a", "b");
	fake_media.late = true;
	for (unsigned i = 0; i < 3; i++)
		ask("{\"command\":\"query\",\"call-id\":\"c\"}");
	ask("{\"command\":\"delete\",\"call-id\":\"c\",\"from-tag\":\"a\"}");
	sl_ng_brain_forget(&brain);
	fake_media_done(); /* frees them: a leak is seen by the address sanitizer */
	assert_string_equal(reply, "");
	assert_int_equal(brain.requests[SL_NG_QUERY], 0);
}

static void a_deletion_that_fails_is_an_error(void **state)
{
	start();
	fake_media_call("c", "a", "b");
	fake_media.error = (struct sl_media_error){SL_MEDIA_ERR_NO_MEMORY, ""};
	assert_string_equal(ask("{\"command\":\"delete\",\"call-id\":\"c\",\"from-tag\":\"a\"}"),
	        "c {\"result\":\"error\",\"error-reason\":\"Out of memory\"}");
}

static unsigned occurrences(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static void branches_without_tag_are_told_apart(void **state)
{
	start();
	fake_media_call("c", "", "");
	ask("{\"command\":\"query\",\"call-id\":\"c\"}");
	assert_int_equal(occurrences(reply, "\"<untagged 1>\":{\"tag\":\"\""), 1);
	assert_int_equal(occurrences(reply, "\"<untagged 2>\":{\"tag\":\"\""), 1);
	assert_int_equal(occurrences(reply, "in dialogue with"), 0);
}

static void a_deletion_finds_whom_it_means(void **state)
{
	static const struct {
		const char *keys, *asked;
	} cases[] = {
	        {"\"from-tag\":\"a\"", "tag: a\n"},
	        {"\"from-tag\":\"b\"", "tag: b\n"},
	        {"\"from-tag\":\"a\",\"to-tag\":\"b\"", "tag: b\n"},
	        {"\"from-tag\":\"a\",\"to-tag\":\"who-refused\"", "tag: a\n"},
	        {"\"from-tag\":\"a\",\"via-branch\":\"z9hG4bKx\"", "via-branch: z9hG4bKx\n"},
	        {"\"from-tag\":\"a\",\"via-branch\":\"of-the-bye\"", "tag: a\n"},
	        {"\"from-tag\":\"a\",\"to-tag\":\"b\",\"via-branch\":\"of-the-bye\"", "tag: b\n"},
	        {"\"from-tag\":\"a\",\"to-tag\":\"who-refused\",\"via-branch\":\"z9hG4bKx\"",
	                "via-branch: z9hG4bKx\n"},
	        {"\"from-tag\":\"nobody\"", "tag: nobody\n"},
	        {"\"limit\":1", ""},
	};
	char text[256];

	start();
	fake_media_call("c", "a", "b");
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		snprintf(text, sizeof text, "{\"command\":\"delete\",\"call-id\":\"c\",%s}", cases[i].keys);
		ask(text);
		snprintf(text, sizeof text, "delete\ncall-id: c\n%s", cases[i].asked);
		assert_string_equal(fake_media.asked, text);
	}
}

static void a_query_names_its_parties(void **state)
{
	start();
	fake_media_call("c", "a", "b");
	ask("{\"command\":\"query\",\"call-id\":\"c\",\"from-tag\":\"nobody\"}");
	assert_non_null(strstr(reply, "\"tags\":{},\"totals\":{\"RTP\":{\"packets\":0,"));
	ask("{\"command\":\"query\",\"call-id\":\"c\",\"from-tag\":\"b\"}");
	assert_int_equal(occurrences(reply, "in dialogue with"), 2);
}

static void a_list_too_long_for_a_datagram_says_so(void **state)
{
	start();
	struct sl_media_session *s = fake_media_call("c", "a", "b");
	memset(s->call_id, 'x', SL_MEDIA_ID_MAX);
	for (unsigned i = 1; i < FAKE_CALLS_MAX; i++)
		fake_media_call("c", "a", "b");
	struct sl_ng_request *r = sl_ng_request_new(sl_ng_text("c"), sl_ng_text("d7:command4:liste"));
	assert_true(sl_ng_request_read(r));
	r->brain = &brain;
	r->reply = sl_ng_new(&r->out, SL_NGV_DICTIONARY);
	sl_ng_add_text(&r->out, r->reply, "x", s->call_id);
	sl_ng_request_encode(r, 200);
	assert_true(r->answer.n <= 200);
	assert_non_null(memmem(r->answer.p, r->answer.n, "too long for this transport", 27));
	sl_ng_request_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_engine_refuses),
	        cmocka_unit_test(the_engine_warns),
	        cmocka_unit_test(the_dataplane_takes_its_time),
	        cmocka_unit_test(nobody_waits_any_more),
	        cmocka_unit_test(a_deletion_that_fails_is_an_error),
	        cmocka_unit_test(branches_without_tag_are_told_apart),
	        cmocka_unit_test(a_deletion_finds_whom_it_means),
	        cmocka_unit_test(a_query_names_its_parties),
	        cmocka_unit_test(a_list_too_long_for_a_datagram_says_so),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fake_media_reset();
	return failed;
}

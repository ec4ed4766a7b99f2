/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controlplane/call/internal.h"

/* The call model with a kind of leg, a controller, a store of CDRs and a media engine that only remember. */

struct leg {
	struct sl_leg pub;
	uint32_t dialog; /* what it saves */
};

static struct world {
	struct sl_timers *timers;
	struct sl_asks *asks;
	struct sl_call_events *events;
	struct sl_calls *cs;
	int fd;
	/* CDRs that were asked for, and who waits for them */
	struct sl_cdr cdrs[16];
	unsigned n_cdrs;
	sl_cdrs_done done[16];
	void *ctx[16];
	unsigned n_done;
	int cdr_error;
	/* legs */
	unsigned hangups, responds, frees, restored_legs;
	uint32_t dialogs[8];
	struct sl_cause last_cause;
	/* the controller */
	unsigned told, timer_kinds, hangup_calls, controllers_freed;
	enum sl_leg_event_type last;
	bool cannot_restore;
	unsigned media_deleted;
	const char *media_there[4];
} w;

static struct sl_cdrs *const a_store = (struct sl_cdrs *)&w;
static struct sl_media *const a_media = (struct sl_media *)&w;

/* ---- what the model calls ---- */

int sl_cdrs_commit(struct sl_cdrs *c, const struct sl_cdr *const *records, size_t n, sl_cdrs_done done, void *ctx)
{
	if (w.cdr_error)
		return w.cdr_error;
	for (size_t i = 0; i < n; i++)
		w.cdrs[w.n_cdrs++] = *records[i];
	w.done[w.n_done] = done;
	w.ctx[w.n_done++] = ctx;
	return 0;
}

const struct sl_media_session *sl_media_find(const struct sl_media *m, struct sl_slice call_id)
{
	return NULL;
}

const struct sl_media_session *sl_media_next(const struct sl_media *m, uint32_t *cursor)
{
	static struct sl_media_session s;

	if (*cursor == 4 || !w.media_there[*cursor])
		return NULL;
	snprintf(s.call_id, sizeof s.call_id, "%s", w.media_there[(*cursor)++]);
	return &s;
}

void sl_media_delete(struct sl_media *m, struct sl_slice call_id, struct sl_slice tag, struct sl_slice via_branch, int delay_s,
        sl_media_done done, void *ctx)
{
	w.media_deleted++;
}

static int respond(struct sl_leg *l, struct sl_leg_request *r, int status, const char *reason, struct sl_slice type, struct sl_slice body,
        const char *headers)
{
	assert_int_equal(status, 481);
	w.responds++;
	return 0;
}

static int answer(struct sl_leg *l, struct sl_slice sdp, const char *headers)
{
	return 0;
}

static void hangup(struct sl_leg *l, const struct sl_cause *cause, const char *headers)
{
	w.hangups++;
	w.last_cause = *cause;
}

static void save(const struct sl_leg *l, struct sl_blob_out *o)
{
	sl_blob_put_var(o, ((const struct leg *)l)->dialog);
}

static void free_leg(struct sl_leg *l)
{
	w.frees++;
	free(l);
}

static const struct sl_leg_ops ops = {.kind = "test", .respond = respond, .answer = answer, .hangup = hangup, .save = save, .free = free_leg};

static struct sl_leg *restore_leg(void *ctx, struct sl_call *c, struct sl_blob_in *in)
{
	struct leg *l = calloc(1, sizeof *l);

	assert_non_null(l);
	sl_blob_get_var(in, l->dialog);
	if (in->bad || sl_leg_init(&l->pub, c, &ops, SL_LEG_IN) < 0) {
		free(l);
		return NULL;
	}
	w.dialogs[w.restored_legs++] = l->dialog;
	return &l->pub;
}

static void event(struct sl_call *c, struct sl_leg *l, const struct sl_leg_event *e)
{
	w.told++;
	w.last = e->type;
}

static void end_all(struct sl_call *c, const struct sl_cause *cause)
{
	w.hangup_calls++;
	for (unsigned i = 0; i < c->n_legs; i++)
		sl_leg_hangup(c->legs[i], cause, NULL);
}

static void timer(struct sl_call *c, unsigned kind)
{
	w.timer_kinds |= 1u << kind;
}

static void save_control(const struct sl_call *c, struct sl_blob_out *o)
{
	uint16_t mark = 0x5a5a;

	sl_blob_put_var(o, mark);
}

static int restore_control(struct sl_call *c, struct sl_blob_in *in)
{
	uint16_t mark;

	sl_blob_get_var(in, mark);
	return w.cannot_restore || in->bad || mark != 0x5a5a ? -EINVAL : 0;
}

static void free_control(struct sl_call *c)
{
	w.controllers_freed++;
}

static const struct sl_controller controller = {"test", event, end_all, timer, NULL, save_control, restore_control, free_control};

/* ---- the world ---- */

static void open_model(void)
{
	char text[200];
	struct sl_calls_options o = {.timers = w.timers, .asks = w.asks, .events = w.events, .media = a_media, .cdrs = a_store,
	        .journal_fd = w.fd, .max_calls = 8};
	const struct sl_leg_kind kind = {"test", restore_leg, NULL};

	w.cs = sl_calls_open(&o, text, sizeof text);
	assert_non_null(w.cs);
	sl_calls_add_kind(w.cs, &kind);
	sl_calls_add_controller(w.cs, &controller);
}

static int setup(void **state)
{
	memset(&w, 0, sizeof w);
	w.timers = sl_timers_new();
	w.asks = sl_asks_new(w.timers);
	w.events = sl_call_events_new();
	w.fd = sl_journal_memfd("test");
	open_model();
	return 0;
}

static int teardown(void **state)
{
	sl_calls_close(w.cs);
	sl_asks_free(w.asks);
	sl_timers_free(w.timers);
	sl_call_events_free(w.events);
	close(w.fd);
	return 0;
}

/* As kill -9 leaves it: what the turn had written is there, the rest is not; nobody is told. */
static void crash(void)
{
	struct world before = w;

	sl_calls_close(w.cs); /* frees; what it writes off at an orderly end is taken back */
	for (unsigned i = before.n_done; i < w.n_done; i++)
		assert_null(w.ctx[i]);
	before.frees = w.frees;
	w = before;
	w.n_cdrs = w.n_done = w.told = w.hangups = w.hangup_calls = w.restored_legs = 0;
	open_model();
}

static struct sl_call *call(unsigned n_legs)
{
	struct sl_call *c = sl_call_new(w.cs, "lab", "sip:alice@lab.test", "sip:bob@lab.test");

	assert_non_null(c);
	for (unsigned i = 0; i < n_legs; i++) {
		struct leg *l = calloc(1, sizeof *l);
		l->dialog = 100 + i;
		assert_int_equal(sl_leg_init(&l->pub, c, &ops, i == 0 ? SL_LEG_IN : SL_LEG_OUT), 0);
		snprintf(l->pub.media_tag, sizeof l->pub.media_tag, "tag%u", i);
		snprintf(l->pub.cdr.remote, sizeof l->pub.cdr.remote, "udp:192.0.2.%u:5060", i);
	}
	sl_call_control(c, &controller, NULL);
	return c;
}

static void tell(struct sl_leg *l, enum sl_leg_event_type type, int status)
{
	struct sl_leg_event e = {.type = type, .status = status, .reason = "", .cause = {.status = (uint16_t)status, .by = SL_BY_CALLEE}};

	sl_leg_tell(l, &e);
}

static struct sl_call *call_up(void)
{
	const struct sl_slice none = {0};
	struct sl_call *c = call(2);
	struct sl_bridge *b = sl_bridge_new(c);

	sl_bridge_join(b, c->legs[0]);
	sl_bridge_join(b, c->legs[1]);
	tell(c->legs[1], SL_LE_PROGRESS, 180);
	tell(c->legs[1], SL_LE_ANSWERED, 200);
	assert_int_equal(sl_leg_answer(c->legs[0], none, NULL), 0);
	return c;
}

static void end_both(struct sl_call *c)
{
	const struct sl_cause cause = {.status = 200, .by = SL_BY_CALLER, .text = "normal"};

	tell(c->legs[0], SL_LE_ENDED, 200);
	tell(c->legs[1], SL_LE_ENDED, 200);
	sl_call_close(c, &cause);
}

static void committed(unsigned i)
{
	w.done[i](w.ctx[i], 0);
}

/* ---- the tests ---- */

static void ids_are_told_apart_and_read_back(void **state)
{
	struct sl_id a, b, c;
	char text[SL_ID_TEXT];

	sl_id_set_node(3, 7);
	sl_id_new(&a);
	sl_id_new(&b);
	assert_false(sl_id_eq(&a, &b));
	assert_int_equal(a.b[6], 3);
	assert_int_equal(a.b[7], 7);
	sl_id_text(&a, SL_ID_CALL, text);
	assert_int_equal(strlen(text), 34);
	assert_int_equal(sl_id_parse(text, 34, SL_ID_CALL, &c), 0);
	assert_true(sl_id_eq(&a, &c));
	assert_int_equal(sl_id_parse(text, 34, SL_ID_LEG, &c), -EINVAL);
	assert_int_equal(sl_id_parse(text, 33, SL_ID_CALL, &c), -EINVAL);
	text[20] = 'g';
	assert_int_equal(sl_id_parse(text, 34, SL_ID_CALL, &c), -EINVAL);
}

enum { TIMERS = 500 };
static struct many {
	struct sl_timer t;
	bool fired;
} many[TIMERS];
static int64_t last_due;

static void fired(struct sl_timer *t)
{
	struct many *m = (struct many *)t;

	assert_true(t->due_ms >= last_due);
	last_due = t->due_ms;
	m->fired = true;
}

static void timers_come_in_order(void **state)
{
	unsigned seed = 7, expected = 0, came = 0;

	memset(many, 0, sizeof many);
	last_due = 0;
	for (unsigned i = 0; i < TIMERS; i++) {
		many[i].t.fn = fired;
		sl_timer_set(w.timers, &many[i].t, rand_r(&seed) % 1000);
	}
	for (unsigned i = 0; i < TIMERS; i += 3)
		sl_timer_stop(w.timers, &many[i].t);
	for (unsigned i = 1; i < TIMERS; i += 3)
		sl_timer_set(w.timers, &many[i].t, rand_r(&seed) % 1000); /* set again: moved */
	sl_timers_run(w.timers, 600);
	for (unsigned i = 0; i < TIMERS; i++) {
		bool due = i % 3 != 0 && many[i].t.due_ms <= 600;
		assert_int_equal(many[i].fired, due);
		assert_int_equal(sl_timer_is_set(&many[i].t) != 0, i % 3 != 0 && !due);
		expected += due;
		came += many[i].fired;
		sl_timer_stop(w.timers, &many[i].t);
	}
	assert_int_equal(expected, came);
}

static int answered, answer_error;
static void got(void *ctx, int error, const void *result)
{
	answered++;
	answer_error = error;
	assert_ptr_equal(ctx, result ? result : ctx);
}

static void a_question_is_answered_once(void **state)
{
	int me;
	sl_ask a = sl_ask_new(w.asks, 100, got, &me), b = sl_ask_new(w.asks, 100, got, &me), c = sl_ask_new(w.asks, 100, got, &me);

	answered = 0;
	sl_ask_answer(w.asks, a, 0, &me);
	sl_ask_answer(w.asks, a, 0, &me); /* the second finds nobody */
	assert_int_equal(answered, 1);
	sl_ask_withdraw(w.asks, b);
	sl_ask_answer(w.asks, b, 0, &me);
	assert_int_equal(answered, 1);
	/* The place is used again under another number: an old answer must not reach the new asker. */
	sl_ask d = sl_ask_new(w.asks, 200, got, &me);
	assert_true(d != a && d != b);
	sl_ask_answer(w.asks, b, 0, &me);
	sl_ask_answer(w.asks, a, 0, &me);
	assert_int_equal(answered, 1);
	sl_timers_run(w.timers, 150);
	assert_int_equal(answered, 2);
	assert_int_equal(answer_error, -ETIMEDOUT);
	sl_ask_answer(w.asks, c, 0, &me);
	assert_int_equal(answered, 2);
	sl_ask_withdraw(w.asks, d);
	sl_timers_run(w.timers, 1000);
	assert_int_equal(answered, 2);
}

static void events_are_kept_in_one_sequence(void **state)
{
	uint64_t missed, first = sl_call_events_last(w.events);

	for (unsigned i = 0; i < SL_CALL_EVENTS_KEPT + 10; i++)
		sl_call_event_publish(w.events, SL_CE_REGISTERED, "lab", NULL, NULL, "%u", i);
	const struct sl_call_event *e = sl_call_events_after(w.events, first, &missed);
	assert_int_equal(missed, 10);
	assert_int_equal(e->sequence, first + 11);
	assert_string_equal(e->text, "10");
	assert_null(sl_call_events_after(w.events, sl_call_events_last(w.events), &missed));
	assert_int_equal(missed, 0);
	assert_string_equal(sl_call_event_name(SL_CE_REGISTERED), "registration.added");
}

static void nobody_hears_of_an_end_before_its_records_are_kept(void **state)
{
	struct sl_call *c = call_up();
	struct sl_id id = c->id;

	end_both(c);
	assert_int_equal(w.n_cdrs, 2);
	assert_true(w.cdrs[0].answered_unix_ms && w.cdrs[0].ended_unix_ms);
	assert_int_equal(w.cdrs[1].q850, 16);
	assert_ptr_equal(sl_call_find(w.cs, &id), c);
	assert_int_equal(w.frees, 0);
	uint64_t before = sl_call_events_last(w.events);
	committed(0);
	assert_null(sl_call_find(w.cs, &id));
	assert_int_equal(sl_call_events_after(w.events, before, NULL)->type, SL_CE_CALL_ENDED);
	assert_int_equal(w.frees, 2);
	assert_int_equal(w.controllers_freed, 1);
	assert_int_equal(sl_journal_n_used(w.cs->journal), 0);
}

static void a_leg_that_is_ending_says_no_more(void **state)
{
	const struct sl_cause cause = {.status = 486, .by = SL_BY_US};
	const struct sl_slice none = {0};
	struct sl_call *c = call_up();
	struct sl_leg_event e = {.type = SL_LE_REQUEST, .method = "INFO", .request = (struct sl_leg_request *)c};

	sl_leg_hangup(c->legs[1], &cause, NULL);
	sl_leg_hangup(c->legs[1], &cause, NULL);
	assert_int_equal(w.hangups, 1);
	unsigned before = w.told;
	sl_leg_tell(c->legs[1], &e);
	assert_int_equal(w.told, before);
	assert_int_equal(w.responds, 1);
	assert_int_equal(sl_leg_offer(c->legs[1], none), -ENOTCONN);
	assert_int_equal(sl_leg_answer(c->legs[1], none, NULL), -ENOTCONN);
	tell(c->legs[1], SL_LE_ENDED, 487);
	tell(c->legs[1], SL_LE_ENDED, 200); /* the first counts */
	assert_int_equal(w.told, before + 1);
	assert_int_equal(c->legs[1]->cdr.status, 487);
}

static void a_call_goes_on_after_a_crash(void **state)
{
	struct sl_call *c = call_up();
	struct sl_id id = c->id, bridge = c->bridges[0]->id, leg = c->legs[1]->id;
	int64_t answered_ms = c->answered_unix_ms;

	sl_call_timer(c, 3, sl_call_unix_ms() - 1);
	sl_calls_commit(w.cs);
	crash();
	assert_int_equal(sl_calls_restore(w.cs), 1);
	c = sl_call_find(w.cs, &id);
	assert_non_null(c);
	assert_true(c->restored);
	assert_int_equal(c->n_legs, 2);
	assert_int_equal(w.dialogs[0], 100);
	assert_int_equal(w.dialogs[1], 101);
	assert_true(sl_id_eq(&c->legs[1]->id, &leg));
	assert_int_equal(c->legs[1]->state, SL_LS_UP);
	assert_int_equal(c->legs[1]->direction, SL_LEG_OUT);
	assert_string_equal(c->legs[1]->media_tag, "tag1");
	assert_string_equal(c->legs[1]->cdr.remote, "udp:192.0.2.1:5060");
	assert_int_equal(c->legs[1]->cdr.restored, 1);
	assert_true(sl_id_eq(&c->legs[0]->bridge->id, &bridge));
	assert_int_equal(c->bridges[0]->n_legs, 2);
	assert_int_equal(c->answered_unix_ms, answered_ms);
	assert_ptr_equal(c->controller, &controller);
	assert_int_equal(w.hangups, 0);
	sl_timers_run(w.timers, INT64_MAX);
	assert_int_equal(w.timer_kinds, 1u << 3);
	end_both(c);
	committed(0);
	assert_int_equal(w.n_cdrs, 2);
}

static void what_rang_is_ended_on_both_sides(void **state)
{
	struct sl_call *c = call(2);

	tell(c->legs[1], SL_LE_PROGRESS, 180);
	sl_calls_commit(w.cs);
	crash();
	sl_calls_restore(w.cs);
	assert_int_equal(w.hangup_calls, 1);
	assert_int_equal(w.hangups, 2);
	assert_int_equal(w.last_cause.status, 503);
}

static void records_of_an_ended_call_are_committed_once_more(void **state)
{
	struct sl_call *c = call_up();
	struct sl_id id = c->id;

	end_both(c);
	sl_calls_commit(w.cs);
	/* the process dies before the store has answered */
	for (unsigned i = 0; i < w.n_done; i++)
		free(w.ctx[i]);
	crash();
	assert_int_equal(sl_calls_restore(w.cs), 0);
	assert_int_equal(w.n_cdrs, 2);
	assert_int_equal(w.cdrs[0].unfinished, 0);
	assert_int_equal(w.cdrs[0].status, 200);
	assert_true(sl_id_eq(&w.cdrs[0].call, &id));
	committed(0);
	assert_int_equal(sl_calls_n(w.cs), 0);
}

static void what_cannot_be_made_again_is_written_off(void **state)
{
	struct sl_call *c = call_up();

	sl_call_record_alive(w.cs, c->answered_unix_ms + 5000);
	sl_calls_commit(w.cs);
	int64_t last = c->answered_unix_ms + 5000;
	crash();
	w.cannot_restore = true;
	assert_int_equal(sl_calls_restore(w.cs), 0);
	assert_int_equal(w.n_cdrs, 2);
	assert_int_equal(w.cdrs[0].unfinished, 1);
	assert_int_equal(w.cdrs[0].ended_unix_ms, last);
	committed(0);
	assert_int_equal(sl_calls_n(w.cs), 0);
	assert_int_equal(sl_journal_n_used(w.cs->journal), 0);
}

static void media_without_a_call_is_deleted(void **state)
{
	struct sl_call *c = call_up();
	char mine[SL_ID_TEXT], other[SL_ID_TEXT];
	struct sl_id id;

	sl_id_new(&id);
	snprintf(mine, sizeof mine, "%s", c->bridges[0]->media_id);
	sl_id_text(&id, SL_ID_BRIDGE, other);
	sl_calls_commit(w.cs);
	crash();
	w.media_there[0] = mine;
	w.media_there[1] = other;
	w.media_there[2] = "a-call-of-ng";
	sl_calls_restore(w.cs);
	assert_int_equal(w.media_deleted, 1);
	end_both(sl_calls_next(w.cs, &(uint32_t){0}));
	committed(0);
}

/* Any bytes: read or dropped, never followed. */
static void damaged_records_harm_nobody(void **state)
{
	unsigned seed = 11;
	size_t len;

	call_up();
	sl_calls_commit(w.cs);
	const void *good = sl_journal_read(w.cs->journal, 0, &len);
	uint8_t *copy = malloc(len);
	memcpy(copy, good, len);
	for (unsigned round = 0; round < 3000; round++) {
		size_t cut = round % 2 ? len : (size_t)rand_r(&seed) % len, room;
		uint8_t *p = sl_journal_begin(w.cs->journal, 0, &room);
		memcpy(p, copy, cut);
		for (unsigned k = 0; round % 2 && k < 1 + round % 4; k++)
			p[(size_t)rand_r(&seed) % len] ^= (uint8_t)(1u << rand_r(&seed) % 8);
		sl_journal_commit(w.cs->journal, 0, cut);
		crash();
		sl_calls_restore(w.cs);
		for (unsigned i = 0; i < w.n_done; i++)
			committed(i);
		w.n_done = w.n_cdrs = 0;
		struct sl_call *c = sl_calls_next(w.cs, &(uint32_t){0});
		if (c) {
			const struct sl_cause cause = {.status = 200};
			sl_call_close(c, &cause);
			if (w.n_done)
				committed(0);
			else
				sl_timers_run(w.timers, INT64_MAX);
			w.n_done = w.n_cdrs = 0;
		}
		assert_int_equal(sl_calls_n(w.cs), 0);
		assert_int_equal(sl_journal_take(w.cs->journal), 0);
	}
	free(copy);
}

static void limits_are_kept(void **state)
{
	const struct sl_cause cause = {.status = 503};

	for (unsigned i = 0; i < 8; i++)
		assert_non_null(sl_call_new(w.cs, "lab", "a", "b"));
	assert_null(sl_call_new(w.cs, "lab", "a", "b"));
	sl_call_close(sl_calls_next(w.cs, &(uint32_t){0}), &cause); /* no legs: nothing to wait for */
	sl_timers_run(w.timers, INT64_MAX);
	assert_non_null(sl_call_new(w.cs, "lab", "a", "b"));
	struct sl_call *c = sl_calls_next(w.cs, &(uint32_t){0});
	for (unsigned i = 0; i < SL_CALL_MAX_LEGS; i++) {
		struct leg *l = calloc(1, sizeof *l);
		assert_int_equal(sl_leg_init(&l->pub, c, &ops, SL_LEG_OUT), 0);
	}
	struct leg one_more = {0};
	assert_int_equal(sl_leg_init(&one_more.pub, c, &ops, SL_LEG_OUT), -ENOSPC);
	for (unsigned i = 0; i < SL_CALL_MAX_BRIDGES; i++)
		assert_non_null(sl_bridge_new(c));
	assert_null(sl_bridge_new(c));
	w.cdr_error = -ENOMEM; /* nobody could take them: 64 do not fit */
}

static void causes_go_both_ways(void **state)
{
	assert_int_equal(sl_q850_of_status(486), 17);
	assert_int_equal(sl_q850_of_status(200), 16);
	assert_int_equal(sl_q850_of_status(404), 1);
	assert_int_equal(sl_q850_of_status(699), 127);
	assert_int_equal(sl_status_of_q850(17), 486);
	assert_int_equal(sl_status_of_q850(16), 200);
	assert_int_equal(sl_status_of_q850(99), 500);
}

#define MODEL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        MODEL_TEST(ids_are_told_apart_and_read_back),
	        MODEL_TEST(timers_come_in_order),
	        MODEL_TEST(a_question_is_answered_once),
	        MODEL_TEST(events_are_kept_in_one_sequence),
	        MODEL_TEST(nobody_hears_of_an_end_before_its_records_are_kept),
	        MODEL_TEST(a_leg_that_is_ending_says_no_more),
	        MODEL_TEST(a_call_goes_on_after_a_crash),
	        MODEL_TEST(what_rang_is_ended_on_both_sides),
	        MODEL_TEST(records_of_an_ended_call_are_committed_once_more),
	        MODEL_TEST(what_cannot_be_made_again_is_written_off),
	        MODEL_TEST(media_without_a_call_is_deleted),
	        MODEL_TEST(damaged_records_harm_nobody),
	        MODEL_TEST(limits_are_kept),
	        MODEL_TEST(causes_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

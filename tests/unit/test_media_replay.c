/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_rig.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/journal.h"

/* Either half dies: the dataplane is told all of it again, the brain finds it in the journal. */

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

#define KEY1 "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
#define SAVP_A                                                                                               \
	SDP_HEAD("198.51.100.10")                                                                            \
	"m=audio 4000 RTP/SAVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"                               \
	"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" KEY1 "\r\n"

static void call(unsigned i)
{
	char id[24];
	struct sl_media_options o = rig_options();

	snprintf(id, sizeof id, "call-%u", i);
	o.set_proto = true;
	o.proto = SL_SDP_RTP_AVP;
	assert_int_equal(rig_offer(&r, id, "a", NULL, "z9hG4bK1", SAVP_A, &o), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, id, "a", "b", "z9hG4bK1", SDP_B, NULL), SL_MEDIA_OK);
}

/* What a dataplane knows after all commands recorded: legs and routes, as text in the order of ports. */
static char *known(void)
{
	static const struct sl_cmd_leg *legs[65536];
	size_t room = 1 << 20, n = 0;
	char *out = malloc(room);

	memset(legs, 0, sizeof legs);
	for (unsigned i = 0; i < r.link.n_commands; i++) {
		const struct sl_command *c = &r.link.commands[i];
		if (c->h.type == SL_CMD_LEG_SET)
			legs[c->leg.leg.port] = &c->leg;
		if (c->h.type == SL_CMD_LEG_DELETE)
			legs[c->leg_ref.port] = NULL;
	}
	out[0] = '\0';
	for (unsigned port = 0; port < 65536; port++) {
		if (!legs[port])
			continue;
		struct sl_cmd_leg leg = *legs[port];
		leg.leg.id = leg.leg.id << 3 >> 3; /* whatever the slot */
		for (const uint8_t *p = (const uint8_t *)&leg, *end = p + sizeof leg; p < end && n + 3 < room;
		        p++)
			n += (size_t)snprintf(out + n, room - n, "%02x", *p);
		for (unsigned to = 0; to < 65536; to += 2) {
			if (legs[to] && rig_route(&r, (uint16_t)port, (uint16_t)to))
				n += (size_t)snprintf(out + n, room - n, " >%u", to);
		}
		n += (size_t)snprintf(out + n, room - n, "\n");
	}
	return out;
}

static void a_restarted_dataplane_is_told_everything(void **state)
{
	for (unsigned i = 0; i < 5; i++)
		call(i);
	rig_delete(&r, "call-3", NULL, NULL, 0);
	rig_answer_commands(&r, NULL);
	char *before = known();
	assert_true(strlen(before) > 8 * 2 * sizeof(struct sl_cmd_leg));
	rig_detach(&r);
	rig_clear(&r);
	rig_attach(&r, 1);
	char *after = known();
	assert_string_equal(before, after);
	assert_int_equal(rig_count(&r, SL_CMD_LEG_SET), 8);
	assert_int_equal(rig_count(&r, SL_CMD_LEGS_SWEEP), 2); /* each worker, after all the rest */
	assert_int_equal(r.link.commands[r.link.n_commands - 1].h.type, SL_CMD_LEGS_SWEEP);
	free(before);
	free(after);
}

/* The rings take only so much: the rest follows when they are empty, in order, and a session is never told by
 * halves. */
static void replay_waits_for_the_rings(void **state)
{
	enum { CALLS = 1000 };

	for (unsigned i = 0; i < CALLS; i++)
		call(i);
	rig_detach(&r);
	rig_clear(&r);
	r.link.limit = 100;
	rig_attach(&r, 1);
	assert_in_range(r.link.n_commands, 101, 104);
	assert_int_equal(rig_count(&r, SL_CMD_LEGS_SWEEP), 0);

	/* Meanwhile a session that was not told changes: its turn tells it as it is by then; a new one is
	 * told at once. */
	char id[24];
	snprintf(id, sizeof id, "call-%u", CALLS - 1);
	unsigned n = r.link.n_commands;
	assert_int_equal(rig_answer(&r, id, "a", "b", "z9hG4bK1",
	                         SDP_HEAD("192.0.2.99") "m=audio 6000 RTP/AVP 8\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_equal(r.link.n_commands, n);
	call(CALLS);
	assert_true(r.link.n_commands > n);
	/* And one that was not told ends: nobody is to be asked. */
	snprintf(id, sizeof id, "call-%u", CALLS - 2);
	rig_delete(&r, id, NULL, NULL, 0);
	assert_int_equal(r.n_done, 1);

	for (unsigned i = 0; i < CALLS && !rig_count(&r, SL_CMD_LEGS_SWEEP); i++) {
		r.link.limit = r.link.n_commands + 100;
		r.link.waiting = 0;
		r.link.ops->drained(r.link.ctx);
	}
	assert_int_equal(rig_count(&r, SL_CMD_LEGS_SWEEP), 2);
	unsigned last = 0;
	for (unsigned i = 0; i < r.link.n_commands; i++) {
		if (r.link.commands[i].h.type == SL_CMD_LEG_SET)
			last += r.link.commands[i].leg.remote_rtp.ip.b[15] == 99;
	}
	assert_int_equal(last, 1);
	assert_int_equal(
	        rig_count(&r, SL_CMD_LEG_SET), 2 * (CALLS - 1) + 2 + 1); /* the new one: offer 2, answer 1 */
}

static void another_slot_renames_the_legs(void **state)
{
	call(0);
	const struct sl_media_session *s = sl_media_find(r.m, rig_slice("call-0"));
	uint64_t id = s->parties[0]->sections[0]->leg.ref.id;
	assert_int_equal(id >> 61, 1);
	rig_detach(&r);
	rig_clear(&r);
	rig_attach(&r, 5); /* the rig checks the ids of commands */
	assert_int_equal(
	        s->parties[0]->sections[0]->leg.ref.id, (id & (UINT64_MAX >> 3)) | UINT64_C(5) << 61);
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_ADD), 2);
	assert_int_equal(r.link.commands[r.link.n_commands - 3].route.from.id >> 61, 5);
}

/* ---- the brain dies ---- */

static void kill_and_start_again(void)
{
	rig_kill_engine(&r);
	rig_clear(&r);
	rig_open_engine(&r);
}

/* A brain may be given another slot than the one before it had, any number of times. */
static void a_restarted_brain_may_have_any_slot(void **state)
{
	static const unsigned slots[] = {5, 0, 5};

	call(0);
	for (unsigned i = 0; i < sizeof slots / sizeof slots[0]; i++) {
		rig_detach(&r);
		kill_and_start_again();
		rig_attach(&r, slots[i]); /* the rig checks the ids of commands */
		assert_int_equal(rig_count(&r, SL_CMD_LEG_SET), 2);
		assert_int_equal(r.link.commands[0].leg.leg.id >> 61, slots[i]);
		assert_int_equal(rig_offer(&r, "call-0", "a", "b", NULL, SAVP_A, NULL),
		        SL_MEDIA_OK); /* it is written anew */
	}
}

static void a_restarted_brain_finds_its_calls(void **state)
{
	struct sl_media_who who = {.call_id = rig_slice("call-1"), .tag = rig_slice("a")};
	struct sl_media_options o = rig_options();

	for (unsigned i = 0; i < 5; i++)
		call(i);
	assert_int_equal(
	        rig_offer(&r, "call-9", "a", NULL, "branch", SDP_A, &o), SL_MEDIA_OK); /* not answered */
	rig_delete(&r, "call-3", NULL, NULL, 0);
	rig_answer_commands(&r, NULL);
	rig_delete(&r, "call-4", NULL, NULL, 20); /* later */
	assert_int_equal(sl_media_block(r.m, &who, SL_LEG_BLOCK_MEDIA, true, &r.error), SL_MEDIA_OK);
	char *before = known();
	kill_and_start_again();
	assert_int_equal(sl_media_n_sessions(r.m), 5);
	char *after = known();
	assert_string_equal(before, after);
	free(before);
	free(after);

	const struct sl_media_session *s = sl_media_find(r.m, rig_slice("call-1"));
	assert_int_equal(s->n_parties, 2);
	assert_string_equal(s->parties[0]->tag, "a");
	assert_string_equal(s->parties[1]->tag, "b");
	assert_string_equal(s->parties[1]->via_branch, "z9hG4bK1");
	assert_true(s->parties[0]->flags & SL_PARTY_BLOCKED);
	assert_int_equal(sl_media_peer(s, 0), 1);
	assert_string_equal(s->parties[0]->sections[0]->codec, "PCMA/8000");
	const struct sl_media_leg *leg = &s->parties[0]->sections[0]->leg;
	assert_int_equal(leg->rtcp_port, leg->ref.port + 1);

	/* It goes on: a re-offer with the same key, on the same ports, keeps ours; the open offer is
	 * answered. */
	rig_clear(&r);
	o.set_proto = true;
	o.proto = SL_SDP_RTP_AVP;
	assert_int_equal(rig_offer(&r, "call-1", "a", "b", NULL, SAVP_A, &o), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "call-1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(r.link.n_commands, 0);
	assert_int_equal(rig_answer(&r, "call-9", "a", "t", "branch", SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_count(&r, SL_CMD_ROUTE_ADD), 2);
	/* What was to be deleted is. */
	rig_tick(&r, 22000);
	assert_null(sl_media_find(r.m, rig_slice("call-4")));
}

static void ports_of_ended_calls_rest_over_a_restart(void **state)
{
	struct sl_media_counts c;

	r.now_ms = 0; /* the engine's own clock, as at a real start */
	rig_close_engine(&r);
	rig_open_engine(&r);
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	sl_media_tick(r.m, ts.tv_sec * INT64_C(1000));
	call(0);
	rig_delete(&r, "call-0", NULL, NULL, 0);
	rig_answer_commands(&r, NULL);
	sl_media_counts(r.m, &c);
	assert_int_equal(c.ports_guarded, 2);
	kill_and_start_again();
	sl_media_counts(r.m, &c);
	assert_int_equal(c.ports_guarded, 2);
}

/* Change every copy of a text in the journal, without touching its holes. */
static void damage(const char *text)
{
	off_t at = 0, end;

	while ((at = lseek(r.journal, at, SEEK_DATA)) >= 0 && (end = lseek(r.journal, at, SEEK_HOLE)) > at) {
		size_t bytes = (size_t)(end - at);
		char *all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r.journal, at), *p = all;
		assert_true(all != MAP_FAILED);
		while ((p = memmem(p, bytes - (size_t)(p - all), text, strlen(text))))
			*p++ ^= 1;
		munmap(all, bytes);
		at = end;
	}
}

static void damaged_sessions_are_dropped(void **state)
{
	struct sl_media_counts c;

	for (unsigned i = 0; i < 3; i++)
		call(i);
	rig_kill_engine(&r);
	damage("call-1");
	rig_clear(&r);
	rig_open_engine(&r);
	sl_media_counts(r.m, &c);
	assert_int_equal(c.sessions, 2);
	assert_int_equal(c.legs, 4);
	assert_int_equal(c.sessions_lost, 1);
	assert_non_null(sl_media_find(r.m, rig_slice("call-2")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(a_restarted_dataplane_is_told_everything),
	        TEST(replay_waits_for_the_rings),
	        TEST(another_slot_renames_the_legs),
	        TEST(a_restarted_brain_may_have_any_slot),
	        TEST(a_restarted_brain_finds_its_calls),
	        TEST(ports_of_ended_calls_rest_over_a_restart),
	        TEST(damaged_sessions_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/media_rig.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

/* Block, silence, DTMF, clips and recordings. */

static struct rig r;
static char dir[64];

static int setup(void **state)
{
	rig_open(&r);
	return 0;
}

static void remove_all(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char file[512];

	while (d && (e = readdir(d))) {
		snprintf(file, sizeof file, "%s/%s", path, e->d_name);
		unlink(file);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static int teardown(void **state)
{
	rig_close(&r);
	if (dir[0])
		remove_all(dir);
	dir[0] = '\0';
	return 0;
}

/* An engine with a folder for clips and recordings. */
static void with_folder(void)
{
	strcpy(dir, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(dir));
	r.config.media.clip_folder = r.config.media.recording_folder = dir;
	rig_close_engine(&r);
	rig_open_engine(&r);
}

static unsigned port_a, port_b;

static void call(void)
{
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_OK);
	port_b = rig_port(&r, 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	port_a = rig_port(&r, 0);
	rig_clear(&r);
}

static struct sl_media_who who(const char *tag)
{
	return (struct sl_media_who){.call_id = rig_slice("c1"), .tag = rig_slice(tag)};
}

static enum sl_media_result block(const struct sl_media_who *w, uint32_t flag, bool on)
{
	r.error = (struct sl_media_error){0};
	return sl_media_block(r.m, w, flag, on, &r.error);
}

/* ---- block ---- */

static void a_party_is_blocked_and_unblocked(void **state)
{
	struct sl_media_who a = who("a"), all = who(NULL), nobody = who("x");

	call();
	assert_int_equal(block(&a, SL_LEG_BLOCK_MEDIA, true), SL_MEDIA_OK);
	assert_int_equal(r.link.n_commands, 1);
	assert_true(rig_leg(&r, (uint16_t)port_a)->flags & SL_LEG_BLOCK_MEDIA);
	assert_int_equal(block(&a, SL_LEG_BLOCK_MEDIA, true), SL_MEDIA_OK); /* no news */
	assert_int_equal(r.link.n_commands, 1);
	assert_int_equal(block(&all, SL_LEG_BLOCK_DTMF, true), SL_MEDIA_OK);
	assert_true(rig_leg(&r, (uint16_t)port_b)->flags & SL_LEG_BLOCK_DTMF);
	assert_int_equal(rig_leg(&r, (uint16_t)port_a)->flags & (SL_LEG_BLOCK_DTMF | SL_LEG_BLOCK_MEDIA),
	        SL_LEG_BLOCK_DTMF | SL_LEG_BLOCK_MEDIA);
	assert_int_equal(block(&nobody, SL_LEG_BLOCK_MEDIA, true), SL_MEDIA_ERR_NOT_FOUND);
	/* Signalling in between changes nothing of it. */
	assert_int_equal(
	        rig_offer(&r, "c1", "a", "b", NULL, SDP_A "m=video 4002 RTP/AVP 96\r\n", NULL), SL_MEDIA_OK);
	assert_true(rig_leg(&r, (uint16_t)port_a)->flags & SL_LEG_BLOCK_MEDIA);
	const struct sl_media_session *s = sl_media_find(r.m, rig_slice("c1"));
	assert_true(s->parties[0]->sections[1]->leg.set.flags & SL_LEG_BLOCK_MEDIA); /* the new leg too */
	assert_int_equal(block(&a, SL_LEG_BLOCK_MEDIA, false), SL_MEDIA_OK);
	assert_int_equal(rig_leg(&r, (uint16_t)port_a)->flags & (SL_LEG_BLOCK_DTMF | SL_LEG_BLOCK_MEDIA),
	        SL_LEG_BLOCK_DTMF);
}

static void parties_are_found_by_address_and_label(void **state)
{
	struct sl_media_who w = {.call_id = rig_slice("c1")};
	struct sl_media_options o = rig_options();

	o.label = rig_slice("caller");
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, &o), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	const struct sl_media_session *s = sl_media_find(r.m, rig_slice("c1"));
	w.label = rig_slice("caller");
	assert_int_equal(block(&w, SL_LEG_SILENCE_MEDIA, true), SL_MEDIA_OK);
	assert_int_equal(s->parties[0]->flags & SL_PARTY_SILENCED, SL_PARTY_SILENCED);
	assert_int_equal(s->parties[1]->flags & SL_PARTY_SILENCED, 0);
	w.label = (struct sl_slice){0};
	sl_ip_parse("192.0.2.20", &w.address);
	assert_int_equal(block(&w, SL_LEG_BLOCK_MEDIA, true), SL_MEDIA_OK);
	assert_int_equal(s->parties[1]->flags & SL_PARTY_BLOCKED, SL_PARTY_BLOCKED);
	assert_int_equal(s->parties[0]->flags & SL_PARTY_BLOCKED, 0);
	sl_ip_parse("192.0.2.21", &w.address);
	assert_int_equal(block(&w, SL_LEG_BLOCK_MEDIA, true), SL_MEDIA_ERR_NOT_FOUND);
}

/* ---- DTMF ---- */

static enum sl_media_result dtmf(const struct sl_media_who *w, const char *digits, unsigned duration)
{
	r.error = (struct sl_media_error){0};
	return sl_media_dtmf(r.m, w, digits, duration, 100, 8, &r.error);
}

static void digits_go_to_the_other_side(void **state)
{
	struct sl_media_who a = who("a");

	call();
	assert_int_equal(dtmf(&a, "5#d", 250), SL_MEDIA_OK);
	assert_int_equal(r.link.n_commands, 3);
	const struct sl_cmd_dtmf *d = &r.link.commands[1].dtmf;
	assert_int_equal(d->leg.port, port_b);
	assert_int_equal(d->event, 11);
	assert_int_equal(d->duration_ms, 250);
	assert_int_equal(r.link.commands[2].dtmf.event, 15);
	assert_int_equal(dtmf(&a, "5x", 250), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(dtmf(&a, "", 250), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(dtmf(&a, "5", 39), SL_MEDIA_ERR_SYNTAX);
	assert_int_equal(r.link.n_commands, 3);
	/* A side without telephone-event. */
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL,
	                         SDP_HEAD("192.0.2.20") "m=audio 6000 RTP/AVP 8\r\n", NULL),
	        SL_MEDIA_OK);
	assert_int_equal(dtmf(&a, "5", 250), SL_MEDIA_ERR_UNSUPPORTED);
}

static void received_digits_are_told(void **state)
{
	call();
	const struct sl_media_session *s = sl_media_find(r.m, rig_slice("c1"));
	rig_event(&r, &s->parties[0]->sections[0]->leg.ref, SL_LEG_DTMF, 0,
	        &(struct sl_evt_leg){.dtmf_event = 5, .dtmf_ms = 100});
	assert_int_equal(r.n_dtmf, 1);
}

/* ---- clips ---- */

static void make_clip(const char *name)
{
	char path[128];
	uint8_t second[8000];

	memset(second, 0xd5, sizeof second);
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(second, 1, sizeof second, f), sizeof second);
	fclose(f);
}

static enum sl_media_result play(const char *tag, const char *clip, unsigned times, unsigned *duration)
{
	struct sl_media_who w = who(tag);

	r.error = (struct sl_media_error){0};
	return sl_media_play(r.m, &w, rig_slice(clip), (struct sl_slice){0}, times, 0, duration, &r.error);
}

static void told_of_clip(int error)
{
	r.link.ops->clip(r.link.ctx, r.link.clips[r.link.n_clips - 1].clip, error, error ? "no" : "");
}

static void a_play_waits_for_its_clip(void **state)
{
	unsigned ms;

	with_folder();
	make_clip("moh.alaw");
	call();
	assert_int_equal(play("a", "moh", 0, &ms), SL_MEDIA_OK);
	assert_int_equal(ms, 1000);
	assert_int_equal(r.link.n_clips, 1);
	assert_int_equal(rig_count(&r, SL_CMD_PLAY_START), 0);
	told_of_clip(0);
	assert_int_equal(rig_count(&r, SL_CMD_PLAY_START), 1);
	const struct sl_cmd_play *p = &r.link.commands[r.link.n_commands - 1].play;
	assert_int_equal(p->leg.port, port_a);
	assert_int_equal(p->times, 0);
	assert_int_equal(p->pt, 8);
	assert_int_equal(p->clip, r.link.clips[0].clip);
	/* The clip is there by now. */
	assert_int_equal(play("b", "moh", 1, &ms), SL_MEDIA_OK);
	assert_int_equal(r.link.n_clips, 1);
	assert_int_equal(rig_count(&r, SL_CMD_PLAY_START), 2);

	/* The dataplane restarts: what loops goes on, once it has the clip again. */
	rig_detach(&r);
	rig_clear(&r);
	rig_attach(&r, 1);
	assert_int_equal(rig_count(&r, SL_CMD_PLAY_START), 0);
	assert_true(r.link.n_clips >= 1);
	told_of_clip(0);
	assert_int_equal(rig_count(&r, SL_CMD_PLAY_START), 1);

	/* So it does when the brain has restarted. */
	rig_kill_engine(&r);
	rig_clear(&r);
	rig_open_engine(&r);
	told_of_clip(0);
	assert_int_equal(rig_count(&r, SL_CMD_PLAY_START), 1);

	struct sl_media_who a = who("a");
	assert_int_equal(sl_media_play_stop(r.m, &a, &r.error), SL_MEDIA_OK);
	assert_int_equal(rig_count(&r, SL_CMD_PLAY_STOP), 1);
	assert_int_equal(sl_media_play_stop(r.m, &a, &r.error), SL_MEDIA_OK);
	assert_int_equal(rig_count(&r, SL_CMD_PLAY_STOP), 1);
	assert_int_equal(play("a", "nothing", 0, &ms), SL_MEDIA_ERR_NOT_FOUND);
	assert_int_equal(play("a", "", 0, &ms), SL_MEDIA_ERR_SYNTAX);
}

static void a_refused_clip_is_not_played(void **state)
{
	unsigned ms;

	with_folder();
	make_clip("moh.alaw");
	call();
	assert_int_equal(play("a", "moh", 0, &ms), SL_MEDIA_OK);
	told_of_clip(-EINVAL);
	assert_int_equal(rig_count(&r, SL_CMD_PLAY_START), 0);
	assert_int_equal(
	        sl_media_find(r.m, rig_slice("c1"))->parties[0]->sections[0]->leg.clip, SL_CLIP_NONE);
}

/* ---- recording ---- */

static unsigned files(const char *end)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(d))) {
		size_t len = strlen(e->d_name);
		n += len > strlen(end) && strcmp(e->d_name + len - strlen(end), end) == 0 &&
		     e->d_name[0] != '.';
	}
	closedir(d);
	return n;
}

static void copies(unsigned port, uint32_t tap, unsigned n)
{
	const struct sl_media_session *s = sl_media_find(r.m, rig_slice("c1"));
	const struct sl_media_leg *leg = &s->parties[0]->sections[0]->leg;
	struct sl_bulk b = {.kind = SL_BULK_TAP_RTP,
	        .len = 172,
	        .full_len = 172,
	        .what = SL_TAP_RECEIVED,
	        .tap = tap,
	        .leg_id = leg->ref.id,
	        .unix_ns = UINT64_C(1700000000000000000)};

	for (unsigned i = 0; i < n; i++) {
		b.data[0] = 0x80;
		b.data[1] = 8;
		b.data[3] = (uint8_t)i;
		b.data[6] = (uint8_t)(i * 160 >> 8);
		b.data[7] = (uint8_t)(i * 160);
		b.unix_ns += 20000000;
		r.link.ops->bulk(r.link.ctx, 0, &b);
	}
}

static void a_call_is_recorded_from_its_answer_on(void **state)
{
	struct sl_media_counts c;

	with_folder();
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, NULL, SDP_A, NULL), SL_MEDIA_OK);
	assert_int_equal(sl_media_record(r.m, rig_slice("c1"), true, "wav", "mine", &r.error), SL_MEDIA_OK);
	assert_true(sl_media_find(r.m, rig_slice("c1"))->recording);
	assert_int_equal(rig_count(&r, SL_CMD_TAP_SET), 0);
	assert_int_equal(rig_answer(&r, "c1", "a", "b", NULL, SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_count(&r, SL_CMD_TAP_SET), 2);
	unsigned port = rig_port(&r, 0);
	uint32_t tap = 0;
	for (unsigned i = 0; i < r.link.n_commands; i++) {
		if (r.link.commands[i].h.type == SL_CMD_TAP_SET && r.link.commands[i].tap.leg.port == port)
			tap = r.link.commands[i].tap.tap;
	}
	copies(port, tap, 100);
	copies(port, tap + 77, 3); /* a tap of before: not ours */

	/* A restart of the dataplane: the taps are set again, the file goes on. */
	rig_detach(&r);
	rig_clear(&r);
	rig_attach(&r, 1);
	assert_int_equal(rig_count(&r, SL_CMD_TAP_SET), 2);
	rig_clear(&r);
	assert_int_equal(sl_media_record(r.m, rig_slice("c1"), false, NULL, NULL, &r.error), SL_MEDIA_OK);
	assert_int_equal(rig_count(&r, SL_CMD_TAP_CLEAR), 2);
	assert_false(sl_media_find(r.m, rig_slice("c1"))->recording);
	sl_media_counts(r.m, &c);
	assert_int_equal(c.recordings, 1);
	rig_close_engine(&r); /* writes all that is queued */
	assert_int_equal(files(".wav"), 1);
	assert_int_equal(files(".json"), 1);
}

static void each_pair_has_a_file_of_its_own(void **state)
{
	struct sl_media_options o = rig_options();

	with_folder();
	r.config.media.recording_pcap = SL_YES;
	sl_media_reconfigure(r.m, &r.config);
	o.flags = SL_MF_RECORD;
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b1", SDP_A, &o), SL_MEDIA_OK);
	assert_int_equal(rig_offer(&r, "c1", "a", NULL, "b2", SDP_A, &o), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "t1", "b1", SDP_B, NULL), SL_MEDIA_OK);
	assert_int_equal(rig_answer(&r, "c1", "a", "t1", "b1", SDP_B, NULL), SL_MEDIA_OK); /* the same two */
	assert_int_equal(rig_answer(&r, "c1", "a", "t2", "b2", SDP_B, NULL), SL_MEDIA_OK);
	rig_delete(&r, "c1", NULL, NULL, 0);
	rig_answer_commands(&r, NULL);
	rig_close_engine(&r);
	assert_int_equal(files(".pcap"), 2);
}

static void recording_needs_a_folder(void **state)
{
	call();
	assert_int_equal(
	        sl_media_record(r.m, rig_slice("c1"), true, NULL, NULL, &r.error), SL_MEDIA_ERR_UNSUPPORTED);
	assert_non_null(strstr(r.error.text, "recording_folder"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(a_party_is_blocked_and_unblocked),
	        TEST(parties_are_found_by_address_and_label),
	        TEST(digits_go_to_the_other_side),
	        TEST(received_digits_are_told),
	        TEST(a_play_waits_for_its_clip),
	        TEST(a_refused_clip_is_not_played),
	        TEST(a_call_is_recorded_from_its_answer_on),
	        TEST(each_pair_has_a_file_of_its_own),
	        TEST(recording_needs_a_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

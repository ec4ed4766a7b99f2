/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The recorder with its thread: what is fed comes out in files; nothing is lost that is not named. Run under
 * -Dsanitizers=thread too. */

#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "controlplane/media/g711.h"
#include "controlplane/media/record_internal.h"
#include "controlplane/media/wav.h"
#include "dataplane/wire/rtp.h"

enum { FRAME = 160, RTP = 12 + FRAME, PCMA = 8, PCMU = 0 };
#define MS UINT64_C(1000000)
#define T0 (UINT64_C(1800000000) * 1000 * MS)

static char folder[64];
static struct sl_recorder *recorder;
static struct sl_record_spec spec;
static char text[256];

static int set_up(void **state)
{
	snprintf(folder, sizeof folder, "/tmp/sluice-test-record-XXXXXX");
	assert_non_null(mkdtemp(folder));
	recorder = sl_recorder_open(folder, text, sizeof text);
	assert_non_null(recorder);
	spec = (struct sl_record_spec){.call_id = {"call@example", 12}, .n_tracks = 2};
	for (unsigned i = 0; i < 2; i++) {
		struct sl_record_track *t = &spec.tracks[i];
		t->tap = 10 + i;
		snprintf(t->tag, sizeof t->tag, "tag%u", i);
		snprintf(t->codec, sizeof t->codec, "PCMA/8000");
		sl_endpoint_parse("192.0.2.1:30000", &t->local);
		sl_endpoint_parse("203.0.113.9:4000", &t->remote);
	}
	return 0;
}

/* Calls f for each file of the folder. */
static unsigned each_file(void (*f)(const char *path, const char *name, void *arg), void *arg)
{
	unsigned n = 0;
	char path[512];
	DIR *dir = opendir(folder);

	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (f)
			f(path, e->d_name, arg);
		n++;
	}
	closedir(dir);
	return n;
}

static void remove_it(const char *path, const char *name, void *arg)
{
	unlink(path);
}

static int tear_down(void **state)
{
	sl_recorder_close(recorder);
	recorder = NULL;
	each_file(remove_it, NULL);
	rmdir(folder);
	return 0;
}

static void close_recorder(void)
{
	sl_recorder_close(recorder);
	recorder = NULL;
}

static struct sl_record *start(enum sl_record_format format)
{
	spec.format = format;
	struct sl_record *rec = sl_record_start(recorder, &spec, text, sizeof text);
	assert_non_null(rec);
	return rec;
}

static struct sl_bulk bulk(uint32_t tap, unsigned i, uint8_t pt, uint8_t code)
{
	struct sl_bulk b = {.kind = SL_BULK_TAP_RTP, .len = RTP, .full_len = RTP, .what = SL_TAP_RECEIVED, .tap = tap,
		.leg_id = 1, .unix_ns = T0 + i * 20 * MS, .remote_port_be = htons(4000), .local_port_be = htons(30000)};

	b.data[0] = 0x80;
	b.data[1] = pt;
	sl_rtp_put32(b.data + 4, i * FRAME);
	memset(b.data + 12, code, FRAME);
	return b;
}

struct found {
	const char *end;
	char path[512], name[300];
	unsigned n;
};

static void find_it(const char *path, const char *name, void *arg)
{
	struct found *f = arg;
	size_t n = strlen(name), m = strlen(f->end);

	if (n < m || strcmp(name + n - m, f->end) != 0)
		return;
	snprintf(f->path, sizeof f->path, "%s", path);
	snprintf(f->name, sizeof f->name, "%s", name);
	f->n++;
}

/* The one file whose name ends so. */
static struct found the_file(const char *end)
{
	struct found f = {.end = end};

	each_file(find_it, &f);
	assert_int_equal(f.n, 1);
	return f;
}

static size_t read_file(const char *path, uint8_t *buf, size_t room)
{
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(buf, 1, room, f);
	fclose(f);
	return n;
}

static json_t *meta(void)
{
	struct found f = the_file(".json");
	json_t *o = json_load_file(f.path, 0, NULL);

	assert_non_null(o);
	return o;
}

static json_int_t number(json_t *o, const char *outer, const char *key)
{
	json_t *in = outer ? json_object_get(o, outer) : o;
	assert_true(json_is_integer(json_object_get(in, key)));
	return json_integer_value(json_object_get(in, key));
}

static uint8_t file[4 << 20];

static void a_stereo_wav(void **state)
{
	struct sl_record *rec = start(SL_RECORD_WAV);

	for (unsigned i = 0; i < 300; i++) {
		struct sl_bulk a = bulk(10, i, PCMA, 0x11), b = bulk(11, i, PCMU, 0x22), c = bulk(99, i, PCMA, 0x33);
		sl_record_packet(rec, &a);
		if (i != 7)
			sl_record_packet(rec, &b);
		sl_record_packet(rec, &c); /* not of this recording */
	}
	struct sl_bulk event = bulk(10, 300, 101, 1);
	event.lost = 5;
	sl_record_packet(rec, &event);
	assert_non_null(strstr(sl_record_file_name(rec), "call@example-"));
	sl_record_stop(rec, "asked");
	close_recorder();

	size_t n = read_file(the_file(".wav").path, file, sizeof file);
	assert_int_equal(n, 44 + 300 * FRAME * 4);
	uint8_t head[44];
	sl_wav_header(head, 2, 300 * FRAME * 4);
	assert_memory_equal(file, head, 44);
	for (unsigned i = 0; i < 300 * FRAME; i++) {
		int16_t left, right;
		memcpy(&left, file + 44 + 4 * i, 2);
		memcpy(&right, file + 46 + 4 * i, 2);
		assert_int_equal(left, sl_g711_from_alaw(0x11));
		assert_int_equal(right, i / FRAME == 7 ? 0 : sl_g711_from_ulaw(0x22));
	}
	json_t *o = meta();
	assert_string_equal(json_string_value(json_object_get(o, "call_id")), "call@example");
	assert_string_equal(json_string_value(json_object_get(o, "state")), "complete");
	assert_string_equal(json_string_value(json_object_get(o, "ended_by")), "asked");
	assert_string_equal(json_string_value(json_object_get(o, "file")), the_file(".wav").name);
	assert_int_equal(number(o, "lost", "ring"), 5);
	assert_int_equal(number(o, "lost", "queue"), 0);
	assert_int_equal(number(o, "lost", "disk"), 0);
	json_t *party = json_array_get(json_object_get(o, "parties"), 0);
	assert_int_equal(number(party, NULL, "packets"), 301);
	assert_int_equal(number(party, NULL, "not_g711"), 1);
	assert_string_equal(json_string_value(json_object_get(party, "channel")), "left");
	assert_string_equal(json_string_value(json_object_get(party, "tag")), "tag0");
	assert_int_equal(json_array_size(json_object_get(o, "warnings")), 1);
	json_decref(o);
	assert_int_equal(each_file(NULL, NULL), 2);
}

static void a_pcap_with_rtcp_and_both_directions(void **state)
{
	spec.n_tracks = 1;
	struct sl_record *rec = start(SL_RECORD_PCAP);
	struct sl_bulk b = bulk(10, 0, PCMA, 1);

	sl_record_packet(rec, &b);
	b.what = SL_TAP_SENT;
	sl_ip_parse("198.51.100.7", &b.remote_ip);
	sl_record_packet(rec, &b);
	b.kind = SL_BULK_TAP_RTCP;
	b.len = SL_BULK_DATA_MAX;
	b.full_len = 3000;
	sl_record_packet(rec, &b);
	sl_record_stop(rec, "asked");
	close_recorder();

	size_t n = read_file(the_file(".pcap").path, file, sizeof file);
	static const uint8_t in[] = {203, 0, 113, 9, 192, 0, 2, 1}, out[] = {192, 0, 2, 1, 198, 51, 100, 7};
	assert_int_equal(n, 24 + 2 * (16 + 28 + RTP) + 16 + 28 + SL_BULK_DATA_MAX);
	assert_memory_equal(file + 24 + 16 + 12, in, 8);
	assert_memory_equal(file + 24 + 16 + 28, b.data, 12);
	assert_memory_equal(file + 24 + 16 + 28 + RTP + 16 + 12, out, 8);
	json_t *o = meta();
	json_t *party = json_array_get(json_object_get(o, "parties"), 0);
	assert_int_equal(number(party, NULL, "packets"), 3);
	assert_int_equal(number(party, NULL, "bytes"), 2 * RTP + 3000);
	assert_int_equal(number(party, NULL, "rtcp_packets"), 1);
	assert_string_equal(json_string_value(json_object_get(party, "local")), "192.0.2.1:30000");
	json_decref(o);
}

static void both_directions_of_one_tap_as_stereo(void **state)
{
	spec.tracks[1].tap = spec.tracks[0].tap;
	spec.tracks[0].what = SL_TAP_RECEIVED;
	spec.tracks[1].what = SL_TAP_SENT;
	struct sl_record *rec = start(SL_RECORD_WAV);
	struct sl_bulk b = bulk(10, 0, PCMA, 0x11);
	int16_t samples[2];

	sl_record_packet(rec, &b);
	b.what = SL_TAP_SENT;
	memset(b.data + 12, 0x22, FRAME);
	sl_record_packet(rec, &b);
	sl_record_stop(rec, "asked");
	close_recorder();
	assert_int_equal(read_file(the_file(".wav").path, file, sizeof file), 44 + FRAME * 4);
	memcpy(samples, file + 44, 4);
	assert_int_equal(samples[0], sl_g711_from_alaw(0x11));
	assert_int_equal(samples[1], sl_g711_from_alaw(0x22));
}

static void what_cannot_be_recorded(void **state)
{
	snprintf(spec.tracks[1].codec, sizeof spec.tracks[1].codec, "opus/48000");
	spec.format = SL_RECORD_WAV;
	assert_null(sl_record_start(recorder, &spec, text, sizeof text));
	assert_non_null(strstr(text, "opus/48000 cannot be written as WAV"));
	assert_non_null(strstr(text, "pcap"));
	snprintf(spec.tracks[1].codec, sizeof spec.tracks[1].codec, "PCMA/16000");
	assert_null(sl_record_start(recorder, &spec, text, sizeof text));
	spec.n_tracks = 3;
	assert_null(sl_record_start(recorder, &spec, text, sizeof text));
	spec.n_tracks = 0;
	assert_null(sl_record_start(recorder, &spec, text, sizeof text));
	assert_null(sl_recorder_open("/nowhere/at/all", text, sizeof text));
	assert_non_null(strstr(text, "media.recording_folder"));
	close_recorder();
	assert_int_equal(each_file(NULL, NULL), 0);
}

static void safe(const char *in, size_t n, const char *starts)
{
	char out[64];

	sl_record_safe_name((struct sl_slice){in, n}, out, sizeof out);
	assert_memory_equal(out, starts, strlen(starts));
	assert_null(strchr(out, '/'));
	assert_true(out[0] != '.' && out[0] != '-' && out[0] != '\0');
}

static void names_of_any_call_id(void **state)
{
	char a[64], b[64], longer[300];

	safe("3c26-x@host.example", 19, "3c26-x@host.example");
	safe("../../etc/passwd", 16, "_.");
	safe("", 0, "unnamed");
	safe("-rf", 3, "_rf-");
	safe("a\0b", 3, "a_b-");
	memset(longer, 'x', sizeof longer);
	safe(longer, sizeof longer, "xxxx");
	sl_record_safe_name((struct sl_slice){"a/b", 3}, a, sizeof a);
	sl_record_safe_name((struct sl_slice){"a:b", 3}, b, sizeof b);
	assert_string_not_equal(a, b);

	spec.call_id = (struct sl_slice){"../../\xff\"x\n", 10};
	snprintf(spec.tracks[0].tag, sizeof spec.tracks[0].tag, "\xc3\x28");
	sl_record_stop(start(SL_RECORD_PCAP), "asked");
	close_recorder();
	assert_int_equal(each_file(NULL, NULL), 2);
	json_t *o = meta();
	assert_string_equal(json_string_value(json_object_get(o, "call_id")), "../../?\"x?");
	json_decref(o);
}

static void recordings_that_still_run_at_the_end(void **state)
{
	struct sl_bulk b = bulk(10, 0, PCMA, 1);

	for (unsigned i = 0; i < 20; i++)
		sl_record_packet(start(i & 1 ? SL_RECORD_WAV : SL_RECORD_PCAP), &b);
	close_recorder();
	assert_int_equal(each_file(NULL, NULL), 40);
	struct found f = {.end = ".part"};
	each_file(find_it, &f);
	assert_int_equal(f.n, 0);
}

static struct sl_recorder_counts counts_when_idle(uint64_t packets)
{
	struct sl_recorder_counts c;

	do {
		usleep(1000);
		sl_recorder_counts(recorder, &c);
	} while (c.packets + c.lost_queue < packets);
	return c;
}

static uint64_t feed(struct sl_record *rec, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct sl_bulk b = bulk(10, i, PCMA, 1);
		sl_record_packet(rec, &b);
	}
	return n;
}

/* What is in the pcap is whole packets, as many as were not lost. */
static void whole_packets_but_the_lost(uint64_t fed)
{
	enum { RECORD = 16 + 28 + RTP };
	json_t *o = meta();
	uint64_t lost = (uint64_t)number(o, "lost", "disk");

	assert_true(lost > 0 && lost < fed);
	assert_int_equal(json_array_size(json_object_get(o, "warnings")), 1);
	json_decref(o);
	size_t n = read_file(the_file(".pcap").path, file, sizeof file);
	assert_int_equal(n, 24 + (fed - lost) * RECORD);
	for (size_t at = 24; at < n; at += RECORD)
		assert_int_equal(file[at + 16], 0x45);
}

/* The limit of a file's size stands for a full disk. */
static struct rlimit limit_files(rlim_t bytes)
{
	struct rlimit old, small;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = bytes;
	setrlimit(RLIMIT_FSIZE, &small);
	return old;
}

static void a_disk_that_is_full_for_a_while(void **state)
{
	struct rlimit old = limit_files(50000);
	struct sl_record *rec = start(SL_RECORD_PCAP);
	uint64_t fed = feed(rec, 1000);

	assert_true(counts_when_idle(fed).lost_disk > 0);
	setrlimit(RLIMIT_FSIZE, &old);
	fed += feed(rec, 1000);
	counts_when_idle(fed);
	sl_record_stop(rec, "asked");
	close_recorder();
	whole_packets_but_the_lost(fed);
}

static void a_disk_that_stays_full(void **state)
{
	struct rlimit old = limit_files(50000);
	struct sl_record *rec = start(SL_RECORD_PCAP);
	uint64_t fed = feed(rec, 1000);

	sl_record_stop(rec, "asked");
	close_recorder();
	setrlimit(RLIMIT_FSIZE, &old);
	whole_packets_but_the_lost(fed);
}

static void a_folder_that_goes_away(void **state)
{
	char away[80];

	snprintf(away, sizeof away, "%s.away", folder);
	assert_int_equal(rename(folder, away), 0);
	struct sl_record *rec = start(SL_RECORD_WAV);
	struct sl_bulk b = bulk(10, 0, PCMA, 1);
	sl_record_packet(rec, &b);
	sl_record_stop(rec, "asked");
	struct sl_recorder_counts c;
	do {
		usleep(1000);
		sl_recorder_counts(recorder, &c);
	} while (c.failed == 0);
	assert_int_equal(c.lost_disk, 1);
	assert_int_equal(c.completed, 0);
	assert_int_equal(c.active, 0);
	assert_int_equal(rename(away, folder), 0);
}

/* Faster than any thread can write: what does not fit is counted, here and in the file's own account. */
static void a_queue_that_runs_over(void **state)
{
	struct sl_record *rec = start(SL_RECORD_WAV);
	struct sl_bulk b = bulk(10, 0, PCMA, 1);
	struct sl_recorder_counts c = {0};
	uint64_t fed = 0;

	b.len = b.full_len = SL_BULK_DATA_MAX;
	for (; c.lost_queue == 0 && fed < 4000000; fed++) {
		sl_record_packet(rec, &b);
		if (fed % 1024 == 0)
			sl_recorder_counts(recorder, &c);
	}
	assert_true(c.lost_queue > 0);
	c = counts_when_idle(fed);
	assert_int_equal(c.packets + c.lost_queue, fed);
	sl_record_stop(rec, "asked"); /* an end always fits */
	close_recorder();
	json_t *o = meta();
	assert_int_equal(number(o, "lost", "queue"), c.lost_queue);
	assert_int_equal(number(json_array_get(json_object_get(o, "parties"), 0), NULL, "packets"), c.packets);
	json_decref(o);
}

static void put_file(const char *name, const void *bytes, size_t n)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

static void what_a_crash_left(void **state)
{
	uint8_t wav[SL_WAV_HEADER_BYTES + 400] = {0}, back[1000];
	char path[512];

	close_recorder();
	sl_wav_header(wav, 2, 0);
	put_file(".a.wav.part", wav, sizeof wav);
	put_file(".b.pcap.part", "x", 1);
	put_file("b.pcap", "old", 3); /* never written over */
	put_file(".c.json.part", "{", 1);
	put_file(".part", "x", 1);
	put_file(".wav.part", "x", 1);
	put_file("mine.part", "x", 1);
	snprintf(path, sizeof path, "%s/.busy.pcap.part", folder); /* another program's recording */
	struct sl_record_file busy;
	assert_int_equal(sl_record_file_open(&busy, folder, "busy.pcap"), 0);
	recorder = sl_recorder_open(folder, text, sizeof text);
	close_recorder();

	sl_wav_header(wav, 2, 400);
	struct found f = {.end = "a.wav"};
	each_file(find_it, &f);
	assert_int_equal(read_file(f.path, back, sizeof back), sizeof wav);
	assert_memory_equal(back, wav, sizeof wav);
	f = (struct found){.end = "b-2.pcap"};
	each_file(find_it, &f);
	assert_int_equal(f.n, 1);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(sl_record_file_finish(&busy), 0);
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_stereo_wav, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_pcap_with_rtcp_and_both_directions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(both_directions_of_one_tap_as_stereo, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_recorded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_of_any_call_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(recordings_that_still_run_at_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_disk_that_is_full_for_a_while, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_disk_that_stays_full, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_goes_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_queue_that_runs_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_crash_left, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

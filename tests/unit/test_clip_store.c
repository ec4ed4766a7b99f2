/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The clip store over a real folder: formats, names that would lead out of it, files that change. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/media/clip.h"
#include "controlplane/media/g711.h"
#include "controlplane/media/wav.h"
#include "dataplane/abi/msg_media.h"
#include "dataplane/abi/validate.h"
#include "tests/unit/guard.h"

enum { FRAME = 160 };

static char folder[] = "/tmp/sluice-test-clips-XXXXXX";
static struct sl_clip_store *store;
static struct sl_clip_handle h;
static char text[256];

static void write_file(const char *name, const void *bytes, size_t n)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

/* A WAV of n samples rising by 64. */
static size_t make_wav(uint8_t *out, size_t n)
{
	sl_wav_header(out, 1, (uint32_t)(2 * n));
	for (size_t i = 0; i < n; i++) {
		int16_t s = (int16_t)(i * 64);
		memcpy(out + SL_WAV_HEADER_BYTES + 2 * i, &s, 2);
	}
	return SL_WAV_HEADER_BYTES + 2 * n;
}

static int get(const char *name, const char *codec)
{
	text[0] = '\0';
	return sl_clip_store_get(store, (struct sl_slice){name, strlen(name)}, codec, &h, text, sizeof text);
}

static void refused(const char *name, const char *codec, int rc, const char *words)
{
	assert_int_equal(get(name, codec), rc);
	assert_non_null(strstr(text, words));
}

/* The clip's memory, checked as the dataplane will. */
static const struct sl_clip *map_clip(void)
{
	struct stat st;
	char why[160];

	assert_int_equal(fstat(h.memfd, &st), 0);
	assert_int_equal(fcntl(h.memfd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	struct sl_clip *c = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, h.memfd, 0);
	assert_true(c != MAP_FAILED);
	assert_int_equal(sl_clip_validate(c, (size_t)st.st_size, why, sizeof why), 0);
	assert_int_equal(c->n_frames * c->frame_ms, h.duration_ms);
	return c;
}

static const uint8_t *frame(const struct sl_clip *c, unsigned i)
{
	return (const uint8_t *)c + c->frames[i].offset;
}

static int set_up(void **state)
{
	uint8_t wav[4096], raw[FRAME];
	char path[512];

	assert_non_null(mkdtemp(folder));
	store = sl_clip_store_new(folder);
	write_file("busy.wav", wav, make_wav(wav, 2 * FRAME + 10));
	for (unsigned i = 0; i < FRAME; i++)
		raw[i] = (uint8_t)i;
	write_file("raw.alaw", raw, sizeof raw);
	write_file("raw.ulaw", raw, sizeof raw);
	write_file("only.ulaw", raw, sizeof raw);
	snprintf(path, sizeof path, "%s/de", folder);
	mkdir(path, 0700);
	write_file("de/busy.wav", wav, make_wav(wav, 1));
	snprintf(path, sizeof path, "%s/link.wav", folder);
	assert_int_equal(symlink("busy.wav", path), 0);
	snprintf(path, sizeof path, "%s/out", folder);
	assert_int_equal(symlink("/etc", path), 0);
	snprintf(path, sizeof path, "%s/pipe.wav", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	write_file("empty.wav", "", 0);
	write_file("broken.wav", "RIFF", 4);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"busy.wav", "raw.alaw", "raw.ulaw", "only.ulaw", "de/busy.wav", "link.wav", "out",
		"pipe.wav", "empty.wav", "broken.wav", "moh.opus.rtpclip", "moh.rtpclip"};
	char path[512];

	for (unsigned i = 0; i < SL_COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	snprintf(path, sizeof path, "%s/de", folder);
	rmdir(path);
	rmdir(folder);
	sl_clip_store_free(store);
	return 0;
}

static void a_wav_in_both_laws(void **state)
{
	assert_int_equal(get("busy", "PCMA"), 0);
	assert_true(h.changed);
	assert_int_equal(h.number, 1);
	assert_int_equal(h.duration_ms, 60);
	const struct sl_clip *c = map_clip();
	assert_string_equal(c->codec, "PCMA");
	assert_int_equal(c->clock_hz, 8000);
	assert_int_equal(c->frame_ts, FRAME);
	for (unsigned i = 0; i < 3 * FRAME; i++) {
		uint8_t want = i < 2 * FRAME + 10 ? sl_g711_to_alaw((int16_t)(i * 64)) : 0xd5; /* then silence */
		assert_int_equal(frame(c, i / FRAME)[i % FRAME], want);
	}
	assert_int_equal(get("busy.wav", "pcmu"), 0);
	assert_int_equal(h.number, 2);
	c = map_clip();
	assert_string_equal(c->codec, "PCMU");
	assert_int_equal(frame(c, 1)[0], sl_g711_to_ulaw(FRAME * 64));
	assert_int_equal(frame(c, 2)[FRAME - 1], 0xff);
}

static void raw_files(void **state)
{
	assert_int_equal(get("raw", "PCMA"), 0); /* its own law's file */
	assert_int_equal(frame(map_clip(), 0)[77], 77);
	assert_int_equal(get("raw", "PCMU"), 0);
	assert_int_equal(frame(map_clip(), 0)[77], 77);
	assert_int_equal(get("only", "PCMA"), 0); /* from the other law */
	assert_int_equal(frame(map_clip(), 0)[77], sl_g711_to_alaw(sl_g711_from_ulaw(77)));
	assert_int_equal(get("raw.alaw", "PCMU"), 0);
	assert_int_equal(frame(map_clip(), 0)[77], sl_g711_to_ulaw(sl_g711_from_alaw(77)));
}

/* A clip of one frame of 3 bytes. */
static size_t make_ready(void *out, const char *codec)
{
	struct sl_clip *c = out;

	memset(out, 0, sizeof *c + 16);
	*c = (struct sl_clip){.magic = SL_CLIP_MAGIC, .size_bytes = sizeof *c + 11, .n_frames = 1, .frame_ms = 20,
		.clock_hz = 48000, .frame_ts = 960};
	snprintf(c->codec, sizeof c->codec, "%s", codec);
	c->frames[0].offset = sizeof *c + 8;
	c->frames[0].len = 3;
	return c->size_bytes;
}

static void ready_payloads(void **state)
{
	_Alignas(8) uint8_t clip[256];
	size_t n = make_ready(clip, "opus");

	write_file("moh.opus.rtpclip", clip, n);
	assert_int_equal(get("moh", "OPUS"), 0);
	assert_int_equal(h.duration_ms, 20);
	assert_int_equal(map_clip()->frames[0].len, 3);
	refused("moh.opus.rtpclip", "PCMA", -ENOTSUP, "in opus, and the leg wants PCMA");
	refused("busy", "opus", -ENOTSUP, "NAME.opus.rtpclip");
	write_file("moh.rtpclip", clip, n - 1);
	refused("moh.rtpclip", "opus", -EINVAL, "size_bytes");
	clip[16] = 2; /* n_frames */
	write_file("moh.rtpclip", clip, n);
	refused("moh.rtpclip", "opus", -EINVAL, "frames");
}

static void names_stay_below_the_folder(void **state)
{
	char with_folder[600];

	assert_int_equal(get("de/busy", "PCMA"), 0);
	assert_int_equal(h.duration_ms, 20);
	snprintf(with_folder, sizeof with_folder, "%s/de/busy.wav", folder);
	assert_int_equal(get(with_folder, "PCMA"), 0);
	assert_false(h.changed); /* the same clip */
	static const char *const outside[] = {"/etc/passwd.wav", "../x.wav", "de/../../x.wav", "..", ".", "", "/",
		"de//busy.wav", "de/", "de/./busy.wav"};
	for (unsigned i = 0; i < SL_COUNT(outside); i++)
		assert_int_equal(get(outside[i], "PCMA"), -EINVAL);
	refused("link.wav", "PCMA", -ELOOP, "links are not followed");
	assert_int_equal(get("out/passwd.wav", "PCMA"), -ENOTDIR);
	assert_int_equal(get("pipe", "PCMA"), -EINVAL);
	assert_int_equal(get("a\nb", "PCMA"), -EINVAL);
	refused("busy", "../../etc/x", -ENOTSUP, "codec of that name"); /* it comes from an SDP */
	assert_int_equal(get("busy", ""), -ENOTSUP);
	assert_int_equal(get("busy", "0123456789abcdef"), -ENOTSUP);
	char longer[SL_CLIP_NAME_MAX + 2];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(get(longer, "PCMA"), -EINVAL);
}

static void what_is_not_there_or_no_sound(void **state)
{
	refused("nothing", "PCMA", -ENOENT, "there is no clip nothing");
	refused("empty", "PCMA", -EINVAL, "0 bytes");
	refused("broken", "PCMA", -EINVAL, "not a WAV file");
	struct sl_clip_store *off = sl_clip_store_new(NULL);
	assert_int_equal(sl_clip_store_get(off, (struct sl_slice){"busy", 4}, "PCMA", &h, text, sizeof text), -ENOENT);
	assert_non_null(strstr(text, "media.clip_folder"));
	sl_clip_store_free(off);
}

static void a_file_that_changes(void **state)
{
	uint8_t wav[4096];

	assert_int_equal(get("busy", "PCMA"), 0);
	assert_false(h.changed);
	uint32_t number = h.number;
	write_file("busy.wav", wav, make_wav(wav, 5 * FRAME));
	assert_int_equal(get("busy", "PCMA"), 0);
	assert_true(h.changed);
	assert_int_equal(h.number, number);
	assert_int_equal(h.duration_ms, 100);
	write_file("busy.wav", wav, 30);
	refused("busy", "PCMA", -EINVAL, "clip busy.wav: a WAV file");
	uint32_t cursor = 0, n = 0; /* the former clip is still there */
	while (sl_clip_store_next(store, &cursor, &h)) {
		n++;
		if (h.number == number)
			assert_int_equal(h.duration_ms, 100);
		assert_false(h.changed);
	}
	assert_int_equal(n, 8);
}

/* ---- WAV files as others make them ---- */

static void wav_heads(void **state)
{
	struct sl_guard g = sl_guard_make(4096);
	uint8_t f[256];
	struct sl_wav w;
	size_t n = make_wav(f, 10);
	const uint8_t *at = sl_guard_put(&g, f, n);

	assert_int_equal(sl_wav_parse(at, n, &w, text, sizeof text), 0);
	assert_int_equal(w.n, 20);
	assert_ptr_equal(w.data, at + 44);
	for (size_t cut = 0; cut < n; cut++) { /* streamed: the length is longer than the file */
		int rc = sl_wav_parse(sl_guard_put(&g, f, cut), cut, &w, text, sizeof text);
		assert_int_equal(rc, cut >= 46 ? 0 : -EINVAL);
	}
	f[40] = f[41] = f[42] = f[43] = 0xff;
	assert_int_equal(sl_wav_parse(sl_guard_put(&g, f, n), n, &w, text, sizeof text), 0);
	assert_int_equal(w.n, 20);
	/* A chunk of odd length between, and WAVE_FORMAT_EXTENSIBLE with A-law inside. */
	static const uint8_t ext[] = "RIFF\0\0\0\0WAVELIST\3\0\0\0abc\0fmt \50\0\0\0"
				     "\376\377\1\0\100\37\0\0\100\37\0\0\1\0\10\0"
				     "\26\0\10\0\0\0\0\0\6\0\0\0\0\0\20\0\200\0\0\252\0\70\233\161data\2\0\0\0\325\325";
	assert_int_equal(sl_wav_parse(sl_guard_put(&g, ext, sizeof ext - 1), sizeof ext - 1, &w, text, sizeof text), 0);
	assert_int_equal(w.format, SL_WAV_ALAW);
	assert_int_equal(w.n, 2);
	static const struct {
		unsigned at;
		uint8_t value;
		const char *words;
	} bad[] = {{0, 'X', "not a WAV"}, {8, 'X', "not a WAV"}, {20, 2, "neither"}, {22, 2, "mono"}, {24, 0, "8000"},
		{34, 8, "neither"}, {12, 'X', "fmt"}, {36, 'X', "data chunk"}};
	for (unsigned i = 0; i < SL_COUNT(bad); i++) {
		n = make_wav(f, 10);
		f[bad[i].at] = bad[i].value;
		assert_int_equal(sl_wav_parse(sl_guard_put(&g, f, n), n, &w, text, sizeof text), -EINVAL);
		assert_non_null(strstr(text, bad[i].words));
		assert_non_null(strstr(text, "sox"));
	}
	sl_guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wav_in_both_laws),
		cmocka_unit_test(raw_files),
		cmocka_unit_test(ready_payloads),
		cmocka_unit_test(names_stay_below_the_folder),
		cmocka_unit_test(what_is_not_there_or_no_sound),
		cmocka_unit_test(a_file_that_changes),
		cmocka_unit_test(wav_heads),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

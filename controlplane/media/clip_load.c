/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "controlplane/media/clip_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controlplane/media/g711.h"
#include "controlplane/media/wav.h"
#include "dataplane/abi/msg_media.h"
#include "dataplane/abi/validate.h"
#include "dataplane/wire/silence.h"

enum {
	MS_PER_S = 1000,
	FRAME_SAMPLES = SL_WAV_HZ / MS_PER_S * SL_CLIP_FRAME_MS,
	FRAME_ENTRY_BYTES = sizeof(((struct sl_clip *)0)->frames[0]),
	SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL,
};

int sl_clip_kind_of(const char *name)
{
	static const struct {
		const char *end;
		enum sl_clip_kind kind;
	} kinds[] = {{".wav", SL_CLIP_WAV}, {".alaw", SL_CLIP_RAW_ALAW}, {".ulaw", SL_CLIP_RAW_ULAW},
		{".rtpclip", SL_CLIP_READY}};
	const char *dot = strrchr(name, '.');

	for (unsigned i = 0; dot && i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcasecmp(dot, kinds[i].end) == 0)
			return kinds[i].kind;
	}
	return -1;
}

/* A memfd of these bytes that nobody can change any more. */
static int sealed(const void *clip, size_t n, char *text, size_t text_len)
{
	int fd = memfd_create("sluice-clip", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const char *p = clip;

	for (size_t done = 0; fd >= 0 && done < n;) {
		ssize_t r = write(fd, p + done, n - done);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			goto failed;
		done += (size_t)r;
	}
	if (fd >= 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
		return fd;
failed:;
	int rc = -errno;
	snprintf(text, text_len, "no memory for the clip: %s", strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

static uint8_t code_of(enum sl_wav_format from, bool to_alaw, const uint8_t *data, size_t i)
{
	if (from == (to_alaw ? SL_WAV_ALAW : SL_WAV_ULAW))
		return data[i];
	int16_t sample = from == SL_WAV_ALAW ? sl_g711_from_alaw(data[i])
		: from == SL_WAV_ULAW ? sl_g711_from_ulaw(data[i])
		: (int16_t)(data[2 * i] | data[2 * i + 1] << 8);
	return to_alaw ? sl_g711_to_alaw(sample) : sl_g711_to_ulaw(sample);
}

/* Sound as frames of 20 ms, the last filled up with silence. */
static int make_g711(const struct sl_wav *w, bool to_alaw, size_t *bytes, char *text, size_t text_len)
{
	size_t samples = w->format == SL_WAV_PCM16 ? w->n / 2 : w->n;
	size_t n_frames = (samples + FRAME_SAMPLES - 1) / FRAME_SAMPLES;
	size_t first = sizeof(struct sl_clip) + n_frames * FRAME_ENTRY_BYTES, size = first + n_frames * FRAME_SAMPLES;

	if (size > SL_CLIP_MAX_BYTES) {
		snprintf(text, text_len, "longer than the %d MB that a clip may take", SL_CLIP_MAX_BYTES >> 20);
		return -E2BIG;
	}
	struct sl_clip *clip = malloc(size);
	if (!clip)
		return -ENOMEM;
	*clip = (struct sl_clip){.magic = SL_CLIP_MAGIC, .size_bytes = size, .n_frames = (uint32_t)n_frames,
		.frame_ms = SL_CLIP_FRAME_MS, .clock_hz = SL_WAV_HZ, .frame_ts = FRAME_SAMPLES};
	memcpy(clip->codec, to_alaw ? "PCMA" : "PCMU", sizeof "PCMA");
	for (size_t i = 0; i < n_frames; i++) {
		clip->frames[i].offset = (uint32_t)(first + i * FRAME_SAMPLES);
		clip->frames[i].len = FRAME_SAMPLES;
	}
	uint8_t *out = (uint8_t *)clip + first;
	for (size_t i = 0; i < samples; i++)
		out[i] = code_of(w->format, to_alaw, w->data, i);
	memset(out + samples, to_alaw ? SL_SILENCE_PCMA : SL_SILENCE_PCMU, n_frames * FRAME_SAMPLES - samples);
	int fd = sealed(clip, size, text, text_len);
	free(clip);
	*bytes = size;
	return fd;
}

static int load_sound(enum sl_clip_kind kind, const uint8_t *file, size_t n, const char *codec, size_t *bytes,
	char *text, size_t text_len)
{
	struct sl_wav w = {.format = kind == SL_CLIP_RAW_ALAW ? SL_WAV_ALAW : SL_WAV_ULAW, .data = file, .n = n};
	bool alaw = strcasecmp(codec, "PCMA") == 0;

	if (!alaw && strcasecmp(codec, "PCMU") != 0) {
		snprintf(text, text_len, "made into G.711 only, and the leg wants %s: store its payloads as NAME.%s.rtpclip", codec,
			codec);
		return -ENOTSUP;
	}
	if (kind == SL_CLIP_WAV) {
		int rc = sl_wav_parse(file, n, &w, text, text_len);
		if (rc != 0)
			return rc;
	}
	return make_g711(&w, alaw, bytes, text, text_len);
}

static int check_ready(int fd, size_t n, const char *codec, char *text, size_t text_len)
{
	struct sl_clip *clip = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
	if (clip == MAP_FAILED) {
		int rc = -errno;
		snprintf(text, text_len, "cannot be mapped: %s", strerror(-rc));
		return rc;
	}
	int rc = sl_clip_validate(clip, n, text, text_len);
	if (rc == 0 && strcasecmp(clip->codec, codec) != 0) {
		snprintf(text, text_len, "in %s, and the leg wants %s", clip->codec, codec);
		rc = -ENOTSUP;
	}
	munmap(clip, n);
	return rc;
}

/* The copy is sealed before it is looked at. */
static int load_ready(const uint8_t *file, size_t n, const char *codec, size_t *bytes, char *text, size_t text_len)
{
	int fd = sealed(file, n, text, text_len);
	if (fd < 0)
		return fd;
	int rc = check_ready(fd, n, codec, text, text_len);
	if (rc != 0) {
		close(fd);
		return rc;
	}
	*bytes = n;
	return fd;
}

static unsigned duration_of(int fd)
{
	struct sl_clip head = {0};

	return pread(fd, &head, sizeof head, 0) == sizeof head ? head.n_frames * head.frame_ms : 0;
}

int sl_clip_load(enum sl_clip_kind kind, const uint8_t *file, size_t n, const char *codec, size_t *bytes,
	unsigned *duration_ms, char *text, size_t text_len)
{
	snprintf(text, text_len, "no memory");
	if (n == 0 || n > SL_CLIP_MAX_BYTES) {
		snprintf(text, text_len, "%zu bytes: allowed 1..%d", n, SL_CLIP_MAX_BYTES);
		return n == 0 ? -EINVAL : -E2BIG;
	}
	int fd = kind == SL_CLIP_READY ? load_ready(file, n, codec, bytes, text, text_len)
		: load_sound(kind, file, n, codec, bytes, text, text_len);
	if (fd >= 0)
		*duration_ms = duration_of(fd);
	return fd;
}

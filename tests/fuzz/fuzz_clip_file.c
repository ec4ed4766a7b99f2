/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A clip's file: the first byte says of which kind it is and in which codec it is wanted. What is made of it passes the
 * dataplane's own check, and holds frames that can be read. */

#include "controlplane/media/clip_load.h"
#include "controlplane/media/wav.h"
#include "dataplane/abi/msg_media.h"
#include "dataplane/abi/validate.h"
#include "dataplane/wire/crc32.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

enum { READ_MAX = 1000 };

static void check_clip(int fd, size_t n, unsigned duration_ms)
{
	char text[160];
	struct sl_clip *c = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);

	SL_FUZZ_CHECK(c != MAP_FAILED);
	SL_FUZZ_CHECK(sl_clip_validate(c, n, text, sizeof text) == 0);
	SL_FUZZ_CHECK(duration_ms == c->n_frames * c->frame_ms);
	for (uint32_t i = 0; i < c->n_frames && i < READ_MAX; i++)
		sl_crc32((const uint8_t *)c + c->frames[i].offset, c->frames[i].len); /* they can be read */
	munmap(c, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const codecs[] = {"PCMA", "PCMU", "opus", "G722"};
	char text[200] = "";
	size_t bytes = 0;
	unsigned duration_ms = 0;
	struct sl_wav w;

	if (size == 0)
		return 0;
	enum sl_clip_kind kind = (enum sl_clip_kind)(data[0] & 3);
	if (sl_wav_parse(data + 1, size - 1, &w, text, sizeof text) == 0)
		SL_FUZZ_CHECK(w.n > 0 && w.data > data && w.data + w.n <= data + size);
	int fd = sl_clip_load(kind, data + 1, size - 1, codecs[data[0] >> 2 & 3], &bytes, &duration_ms, text, sizeof text);
	SL_FUZZ_CHECK(fd >= 0 || text[0] != '\0');
	if (fd >= 0) {
		check_clip(fd, bytes, duration_ms);
		close(fd);
	}
	return 0;
}

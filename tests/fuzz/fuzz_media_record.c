/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Any bytes as the record of a session in the journal, whose CRC is right: the engine takes it up whole, and can tell the
 * dataplane about it, or drops it. */

#include "tests/fuzz/media_link.h"

#include <unistd.h>

#include "controlplane/media/internal.h"

static void write_record(int fd, const uint8_t *data, size_t size)
{
	const struct sl_journal_shape shape = sl_save_shape(&media_link.config.media);
	char text[160];
	size_t room;
	struct sl_journal *j = sl_journal_open(fd, &shape, text, sizeof text);

	SL_FUZZ_CHECK(j != NULL);
	uint32_t slot = (uint32_t)sl_journal_take(j);
	void *at = sl_journal_begin(j, slot, &room);
	size = size < room ? size : room;
	memcpy(at, data, size);
	sl_journal_commit(j, slot, size);
	sl_journal_close(j);
}

static void done(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_media_counts c;
	uint32_t cursor = 0;
	char text[160];

	if (size == 0)
		return 0;
	media_link_config();
	media_link.config.media.port_max = 39999; /* where the seeds' ports are */
	media_link.config.media.max_legs = 16384;
	media_link_attach(3);
	int fd = sl_journal_memfd("fuzz");
	write_record(fd, data, size);
	struct sl_media *m = sl_media_open(&media_link.config, (void *)&media_link, fd, text, sizeof text);
	SL_FUZZ_CHECK(m != NULL);
	sl_media_counts(m, &c);
	SL_FUZZ_CHECK(c.sessions + c.sessions_lost == 1);
	SL_FUZZ_CHECK(c.sessions == 1 || c.legs == 0);
	sl_media_tick(m, INT64_C(1) << 40);
	const struct sl_media_session *s = sl_media_next(m, &cursor);
	if (s)
		sl_media_delete(m, (struct sl_slice){s->call_id, strlen(s->call_id)}, (struct sl_slice){0}, (struct sl_slice){0}, 0, done,
			NULL);
	sl_media_close(m);
	close(fd);
	return 0;
}

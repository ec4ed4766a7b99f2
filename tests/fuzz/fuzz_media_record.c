/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Any bytes as the record of a session in the journal, whose CRC is right: the engine takes it up whole, and
 * can tell the dataplane about it, save it again and end it; or drops it, and nothing is left. */

#include "tests/fuzz/media_link.h"

#include "controlplane/media/internal.h"

static struct sl_media *m;
static int64_t now_ms = 1000000;

static void prepare(void)
{
	char text[160];

	media_link_config();
	media_link_attach(0);
	m = sl_media_open(
	        &media_link.config, (void *)&media_link, sl_journal_memfd("fuzz"), text, sizeof text);
	SL_FUZZ_CHECK(m != NULL);
	sl_media_tick(m, now_ms);
}

static void done(void *ctx, const struct sl_media_session *s, const struct sl_media_error *e)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_media_counts c;
	uint32_t cursor = 0;
	size_t room;

	if (!m)
		prepare();
	if (size == 0)
		return 0;
	uint32_t slot = (uint32_t)sl_journal_take(m->journal);
	void *at = sl_journal_begin(m->journal, slot, &room);
	SL_FUZZ_CHECK(size <= room);
	memcpy(at, data, size);
	sl_journal_commit(m->journal, slot, size);
	sl_save_restore(m);
	sl_media_counts(m, &c);
	SL_FUZZ_CHECK(c.sessions + c.sessions_lost == 1 && (c.sessions == 1 || c.legs == 0));
	struct session *s = (struct session *)sl_media_next(m, &cursor);
	if (s) {
		sl_session_tell(m, s);
		sl_session_changed(m, s);
		sl_session_end(m, s, "over", done, NULL);
	}
	now_ms += SL_MEDIA_WAIT_MS;
	sl_media_tick(m, now_ms);
	sl_media_counts(m, &c);
	SL_FUZZ_CHECK(c.sessions == 0 && c.legs == 0 && sl_journal_n_used(m->journal) == 0);
	return 0;
}

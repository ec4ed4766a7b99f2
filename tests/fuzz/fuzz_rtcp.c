/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/rtcp.h"
#include "tests/fuzz/fuzz.h"

static unsigned read_all(const uint8_t *p, size_t len)
{
	struct sl_rtcp_packet k;
	struct sl_rtcp_sender s;
	struct sl_rtcp_block b;
	unsigned n = 0;

	for (size_t at = 0; sl_rtcp_next(p, len, &at, &k) > 0; n++) {
		SL_FUZZ_CHECK(k.len >= SL_RTCP_HEADER_BYTES && k.at + k.len <= at && at <= len);
		sl_rtcp_sender_info(p, &k, &s);
		for (unsigned i = 0; i < sl_rtcp_n_blocks(&k); i++)
			sl_rtcp_block(p, &k, i, &b);
	}
	return n;
}

/* Every change keeps the form; a map that changes nothing changes no byte. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t ssrc = sl_rtcp_sender_ssrc(data, size);
	const struct sl_rtcp_map same = {.n = 1, .e = {{.from = ssrc, .to = ssrc}}};
	const struct sl_rtcp_map other = {.n = 2,
		.e = {{.from = ssrc, .to = ~ssrc, .seq_add = 7, .ts_add = 9, .counted = true},
			{.from = 0, .to = 1, .seq_add = 1}}};

	if (!sl_rtcp_valid(data, size))
		return 0;
	unsigned n = read_all(data, size);
	uint8_t *p = malloc(size);
	memcpy(p, data, size);
	sl_rtcp_map_senders(p, size, &same);
	sl_rtcp_map_media(p, size, &same);
	SL_FUZZ_CHECK(memcmp(p, data, size) == 0);
	sl_rtcp_map_senders(p, size, &other);
	sl_rtcp_map_media(p, size, &other);
	SL_FUZZ_CHECK(sl_rtcp_valid(p, size) && read_all(p, size) == n);
	size_t len = sl_rtcp_strip_sender_info(p, size);
	SL_FUZZ_CHECK(len <= size && sl_rtcp_valid(p, len) && read_all(p, len) == n);
	len = sl_rtcp_strip(p, len, SL_RTCP_BYE);
	SL_FUZZ_CHECK(len <= size && (len == 0 || sl_rtcp_valid(p, len)));
	memcpy(p, data, size);
	len = sl_rtcp_keep_feedback(p, size);
	SL_FUZZ_CHECK(len <= size && (len == 0 || sl_rtcp_valid(p, len)));
	free(p);
	return 0;
}

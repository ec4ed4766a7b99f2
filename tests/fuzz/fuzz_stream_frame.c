/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A client's byte stream as stream threads cut it: in two pieces as in one. First byte: which limit holds. */

#include "dataplane/stream/frame.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 1, max = size && data[0] & 1 ? 4096 : 65540;

	while (at < size) {
		struct sl_stream_frame whole, part;
		enum sl_stream_frame_kind kind = sl_stream_frame_next(data + at, size - at, max, &whole);
		enum sl_stream_frame_kind half = sl_stream_frame_next(data + at, (size - at) / 2, max, &part);

		/* What half of it says is what all of it says, unless it asked for more. */
		SL_FUZZ_CHECK(half == kind || half == SL_STREAM_FRAME_INCOMPLETE);
		if (kind == SL_STREAM_FRAME_INVALID)
			return 0;
		SL_FUZZ_CHECK(whole.total >= 4 && whole.total <= max && whole.total % 4 == 0);
		if (kind == SL_STREAM_FRAME_INCOMPLETE) {
			SL_FUZZ_CHECK(whole.total > size - at);
			return 0;
		}
		SL_FUZZ_CHECK(whole.total <= size - at && whole.len <= whole.total && whole.total - whole.len < 4);
		SL_FUZZ_CHECK(kind == SL_STREAM_FRAME_CHANNEL || whole.len == whole.total);
		sl_stream_frame_is_relayed(data + at, whole.len);
		at += whole.total;
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/channel.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < SL_CHANNEL_HEADER_BYTES || size > UINT16_MAX || !sl_channel_looks_like(data[0]))
		return 0;
	int n = sl_channel_data_len(data, (unsigned)size);
	SL_FUZZ_CHECK(n >= -1 && n + SL_CHANNEL_HEADER_BYTES <= (int)size);
	SL_FUZZ_CHECK(sl_channel_number(data) >= SL_CHANNEL_MIN && sl_channel_number(data) <= SL_CHANNEL_MAX_RFC5766);
	return 0;
}

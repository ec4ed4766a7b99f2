/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/session/dtmf.h"
#include "tests/fuzz/fuzz.h"

enum { RECORD_BYTES = 10, HZ = 8000 };

/* A run of event packets: time passed (2 bytes), timestamp (4), payload (4). No more is told than came. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_dtmf_rx rx = {0};
	struct sl_dtmf_report out[SL_DTMF_REPORTS_MAX];
	uint32_t now = 0, ts;
	unsigned told = 0, came = 0;

	for (; size >= RECORD_BYTES; data += RECORD_BYTES, size -= RECORD_BYTES, came++) {
		now += (uint32_t)data[0] << 8 | data[1];
		memcpy(&ts, data + 2, sizeof ts);
		told += sl_dtmf_silent(&rx, HZ, now, out);
		told += sl_dtmf_receive(&rx, ts, data + 6, SL_DTMF_PAYLOAD_BYTES, HZ, now, out);
		SL_FUZZ_CHECK(told <= came + 1);
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/rtp.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum sl_media_kind kind = sl_media_kind(data, size);
	unsigned header = size <= UINT16_MAX ? sl_rtp_header_len(data, size) : 0;
	if (!header)
		return 0;
	int payload = sl_rtp_payload_len(data, size, header);
	SL_FUZZ_CHECK(kind == SL_MEDIA_RTP || kind == SL_MEDIA_RTCP);
	SL_FUZZ_CHECK(header >= SL_RTP_HEADER_BYTES && header <= size);
	SL_FUZZ_CHECK(payload >= -1 && header + (unsigned)(payload < 0 ? 0 : payload) <= size);
	SL_FUZZ_CHECK(sl_rtp_pt(data) < SL_RTP_N_PT && sl_rtp_static_clock(sl_rtp_pt(data)) <= 90000);
	(void)(sl_rtp_seq(data) ^ sl_rtp_ts(data) ^ sl_rtp_ssrc(data));
	return 0;
}

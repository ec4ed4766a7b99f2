/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* PROXY headers, in two pieces as in one. */

#include "dataplane/stream/proxy.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_proxy whole, part;
	enum sl_proxy_kind kind = sl_proxy_parse(data, size, &whole), half = sl_proxy_parse(data, size / 2, &part);
	char text[SL_ADDR_TEXT_MAX];

	SL_FUZZ_CHECK(half == kind || half == SL_PROXY_INCOMPLETE);
	if (kind == SL_PROXY_INVALID)
		return 0;
	SL_FUZZ_CHECK(whole.total >= SL_PROXY_FIXED && whole.total <= SL_PROXY_MAX);
	SL_FUZZ_CHECK((kind == SL_PROXY_INCOMPLETE) == (whole.total > size));
	if (kind == SL_PROXY_OK && whole.has_addresses)
		SL_FUZZ_CHECK(sl_endpoint_text(&whole.client, text)[0] && sl_endpoint_text(&whole.server, text)[0]);
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "dataplane/wire/addr.h"
#include "tests/fuzz/fuzz.h"

/* What is accepted is shown in a form that is accepted and means the same. */
static void text_goes_round(const char *text)
{
	struct sl_endpoint ep, ep2;
	struct sl_prefix p, p2;
	struct sl_ip ip, ip2;
	char buf[SL_ADDR_TEXT_MAX];

	if (sl_ip_parse(text, &ip) == 0)
		SL_FUZZ_CHECK(sl_ip_parse(sl_ip_text(&ip, buf), &ip2) == 0 && sl_ip_eq(&ip, &ip2));
	if (sl_endpoint_parse(text, &ep) == 0)
		SL_FUZZ_CHECK(sl_endpoint_parse(sl_endpoint_text(&ep, buf), &ep2) == 0 &&
		              sl_endpoint_eq(&ep, &ep2));
	if (sl_prefix_parse(text, &p) == 0) {
		SL_FUZZ_CHECK(sl_prefix_parse(sl_prefix_text(&p, buf), &p2) == 0);
		SL_FUZZ_CHECK(sl_ip_eq(&p.ip, &p2.ip) && p.len == p2.len && sl_prefix_contains(&p, &p2.ip));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[128];

	if (size == sizeof(struct sl_ip)) {
		struct sl_ip ip, v4[SL_IP_EMBEDDED_MAX];

		sl_ip_set_v6(&ip, data);
		unsigned n = sl_ip_embedded_v4(&ip, v4);
		SL_FUZZ_CHECK(n <= SL_IP_EMBEDDED_MAX);
		for (unsigned i = 0; i < n; i++)
			SL_FUZZ_CHECK(sl_ip_is_v4(&v4[i]));
	}
	if (size >= sizeof text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	text_goes_round(text);
	return 0;
}

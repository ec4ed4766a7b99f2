/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include "controlplane/ng/request.h"
#include "tests/fuzz/fuzz.h"

/* Any message is read, or answered with an error of its own encoding; the raw flags of Kamailio alone too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_slice message = {(const char *)data, size}, cookie = {"c", 1}, rest = message;
	struct sl_ng_arena a = {0};
	struct sl_ng_asked q = {0};
	struct sl_ng_value *raw;
	struct sl_ng_request *r;

	if (sl_ng_split(message, &cookie, &rest))
		SL_FUZZ_CHECK(cookie.n + 1 + rest.n == size);
	r = sl_ng_request_new(cookie, rest);
	SL_FUZZ_CHECK(r);
	if (!sl_ng_request_read(r)) {
		SL_FUZZ_CHECK(sl_ng_reply_is_error(r));
		sl_ng_request_encode(r, SL_NG_UDP_ANSWER_MAX);
		SL_FUZZ_CHECK(r->answer.n > cookie.n && r->answer.p[cookie.n + 1] == (r->json ? '{' : 'd'));
	}
	sl_ng_request_free(r);

	raw = sl_ng_rtpp_dictionary(&a, message);
	if (raw)
		sl_ng_read_flags(&q, &a, raw);
	sl_ng_arena_free(&a);
	return 0;
}

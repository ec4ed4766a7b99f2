/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

#include <stdio.h>

#include "controlplane/ng/value.h"
#include "tests/fuzz/fuzz.h"

typedef struct sl_ng_value *decoder(struct sl_ng_arena *a, struct sl_slice text, char *err, size_t err_len);
typedef void encoder(struct sl_ng_writer *w, const struct sl_ng_value *v);

static struct sl_slice encoded(encoder *encode, const struct sl_ng_value *v)
{
	struct sl_ng_writer w = {0};

	encode(&w, v);
	w = (struct sl_ng_writer){malloc(w.n), 0, w.n};
	SL_FUZZ_CHECK(w.p);
	encode(&w, v);
	SL_FUZZ_CHECK(w.n == w.room);
	return (struct sl_slice){w.p, w.n};
}

/* What is accepted is followed to its end, and comes out in a form that is accepted and comes out the same.
 */
static void goes_round(decoder *decode, encoder *encode, struct sl_slice text)
{
	struct sl_ng_arena a = {0}, b = {0};
	struct sl_ng_frame f = {0};
	char err[240] = "";
	struct sl_ng_value *v = decode(&a, text, err, sizeof err), *again;

	SL_FUZZ_CHECK(v || err[0]);
	if (v) {
		struct sl_slice once = encoded(encode, v), twice;
		again = decode(&b, once, err, sizeof err);
		SL_FUZZ_CHECK(again);
		twice = encoded(encode, again);
		SL_FUZZ_CHECK(once.n == twice.n && memcmp(once.p, twice.p, once.n) == 0);
		SL_FUZZ_CHECK(sl_ng_frame(&f, once.p, once.n) == (int64_t)once.n);
		free((char *)once.p);
		free((char *)twice.p);
	}
	sl_ng_arena_free(&a);
	sl_ng_arena_free(&b);
}

/* In pieces a message ends where it ends at once. */
static void is_followed(struct sl_slice text)
{
	struct sl_ng_frame whole = {0}, pieces = {0};
	int64_t at_once = sl_ng_frame(&whole, text.p, text.n), end = 0;

	for (size_t n = 0; n <= text.n && end == 0; n++)
		end = sl_ng_frame(&pieces, text.p, n);
	SL_FUZZ_CHECK(end == at_once);
	SL_FUZZ_CHECK(end <= (int64_t)text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_slice text = {(const char *)data, size};

	goes_round(sl_ng_bencode_decode, sl_ng_bencode_encode, text);
	goes_round(sl_ng_json_decode, sl_ng_json_encode, text);
	is_followed(text);
	return 0;
}

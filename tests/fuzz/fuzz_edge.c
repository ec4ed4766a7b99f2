/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* A stream of TLS bytes as the edge takes it apart, with every edit that it makes of a message. */

#include "controlplane/edge/frame.h"
#include "controlplane/edge/surgery.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>

static struct sl_slice text_slice(const char *p)
{
	return (struct sl_slice){p, strlen(p)};
}

static void check_line(const struct sl_head *h, const struct sl_head_line *l)
{
	if (!sl_head_has(l))
		return;
	SL_FUZZ_CHECK(l->at >= h->start_end && l->value > l->at && l->value <= l->first_end && l->first_end <= l->end && l->end <= h->end);
	SL_FUZZ_CHECK(l->next == 0 || (l->next > l->first_end && l->next <= l->end));
}

/* What comes out is a message again, of the expected length, with the same body and none of what was to go. */
static void operate(const char *text, const struct sl_frame *f)
{
	struct sl_edits es = {0};
	struct sl_frame again = {0};
	struct sl_head h, after;
	struct sl_route r;
	struct sl_via v;
	char value[64], length[48], *out;
	size_t n;

	if (sl_head_parse(text, f->head, &h))
		return;
	check_line(&h, &h.via);
	check_line(&h, &h.route);
	check_line(&h, &h.to);
	if (sl_head_has(&h.route) && sl_route_parse(sl_head_value(text, &h.route), &r) == 0)
		sl_param(r.params, "to", value, sizeof value);
	sl_edit_note(&es, h.start_end, 0, text_slice("Via: SIP/2.0/TCP 127.0.0.1:1;branch=z9hG4bKe1.2\r\n"));
	if (sl_head_has(&h.via) && sl_via_parse(sl_head_value(text, &h.via), &v) == 0) {
		if (v.rport.n)
			sl_edit_note(&es, (size_t)(v.rport.p - text), v.rport.n, text_slice(""));
		if (v.received.n)
			sl_edit_note(&es, (size_t)(v.received.p - text), v.received.n, text_slice(""));
		sl_edit_note(&es, h.via.first_end, 0, text_slice(";received=::1"));
	}
	sl_edit_take_first(&es, &h.route);
	for (unsigned i = 0; i < h.n_strip; i++)
		sl_edit_note(&es, h.strip[i].at, h.strip[i].end - h.strip[i].at, text_slice(""));
	snprintf(length, sizeof length, "Content-Length: %zu\r\n", f->total - f->head);
	sl_edit_note(&es, h.end, 0, text_slice(length));

	n = sl_edit_size(&es, f->total);
	out = malloc(n);
	SL_FUZZ_CHECK(out != NULL);
	sl_edit_apply(&es, text, f->total, out);
	if (n <= SL_FRAME_HEAD_MAX) {
		SL_FUZZ_CHECK(sl_frame_next(out, n, &again) == SL_FRAME_MESSAGE && again.total == n);
		SL_FUZZ_CHECK(sl_head_parse(out, again.head, &after) == 0 && after.n_strip == 1 && after.via.at == after.start_end);
	}
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct sl_frame f = {0}, whole;
	size_t at = 0;

	while (at < size) {
		/* In two pieces as in one. */
		enum sl_frame_kind kind, piece = sl_frame_next(text + at, (size - at) / 2, &f);

		memset(&whole, 0, sizeof whole);
		kind = sl_frame_next(text + at, size - at, &whole);
		if (piece == SL_FRAME_INCOMPLETE)
			SL_FUZZ_CHECK(sl_frame_next(text + at, size - at, &f) == kind);
		if (kind == SL_FRAME_INCOMPLETE || kind == SL_FRAME_INVALID)
			return 0;
		SL_FUZZ_CHECK(whole.total > 0 && whole.total <= size - at);
		if (kind == SL_FRAME_MESSAGE)
			operate(text + at, &whole);
		at += whole.total;
		memset(&f, 0, sizeof f);
	}
	return 0;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include "controlplane/report/trace.h"
#include "controlplane/report/trace_blank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 256 * 1024 };

struct read {
	unsigned n;
	uint64_t first, last;
	char text[8][64];
	size_t len;
	int truncated;
};

static void take(void *ctx, const struct sl_trace_entry *e)
{
	struct read *r = ctx;

	if (r->n == 0)
		r->first = e->number;
	else
		assert_int_equal(e->number, r->last + 1); /* in order, without gaps */
	r->last = e->number;
	if (r->n < 8)
		snprintf(r->text[r->n], sizeof r->text[0], "%.*s", (int)e->len, e->data);
	r->len = e->len;
	r->truncated = e->truncated;
	r->n++;
}

static struct read read_call(const struct sl_trace *t, const struct sl_id *call)
{
	struct read r = {0};

	unsigned n = sl_trace_read(t, call, take, &r);

	assert_int_equal(n, r.n);
	return r;
}

static struct sl_id call_id(unsigned i)
{
	struct sl_id id = {0};

	id.b[0] = 1;
	memcpy(id.b + 8, &i, sizeof i);
	return id;
}

static const struct sl_trace_about note = {.kind = SL_TR_NOTE};

static void calls_are_kept_apart_also_in_one_bucket(void **state)
{
	struct sl_trace *t = sl_trace_new(RING);
	struct sl_id a = call_id(1), b = call_id(1), c = call_id(2);
	uint64_t la = 0, lb = 0;

	b.b[1] = 9; /* another call, the same bucket */
	sl_trace_add(t, &a, &la, &note, "one", 3);
	sl_trace_add(t, &b, &lb, &note, "other", 5);
	sl_trace_add(t, &a, &la, &note, "two", 3);
	struct read r = read_call(t, &a);
	assert_int_equal(r.n, 2);
	assert_int_equal(r.first, 1);
	assert_string_equal(r.text[0], "one");
	assert_string_equal(r.text[1], "two");
	assert_int_equal(read_call(t, &b).n, 1);
	assert_int_equal(read_call(t, &c).n, 0);
	sl_trace_free(t);
}

/* Whatever is written, what is read is whole, in order, and the newest of it. */
static void the_oldest_go_first(void **state)
{
	struct sl_trace *t = sl_trace_new(RING);
	uint64_t last[8] = {0};
	unsigned seed = 7;
	char data[9000];

	for (unsigned step = 0; step < 20000; step++) {
		seed = seed * 1103515245 + 12345;
		unsigned i = (seed >> 16) % 8;
		struct sl_id id = call_id(i);
		size_t len = (seed >> 8) % sizeof data;
		memset(data, 'a' + (int)i, len);
		sl_trace_add(t, &id, &last[i], &note, data, len);
		if (step % 97)
			continue;
		unsigned n = 0;
		for (i = 0; i < 8; i++) {
			id = call_id(i);
			struct read r = read_call(t, &id);
			if (r.n) {
				assert_int_equal(r.last, last[i]);
				assert_true(r.text[0][0] == '\0' || r.text[0][0] == 'a' + (char)i);
			}
			n += r.n;
		}
		assert_true(step < 60 || n >= RING / (int)sizeof data - 1);
	}
	sl_trace_free(t);
}

static void long_ones_are_cut_and_say_so(void **state)
{
	struct sl_trace *t = sl_trace_new(RING);
	struct sl_id a = call_id(1);
	uint64_t last = 0;
	char *big = calloc(1, 3 * SL_TRACE_ENTRY_MAX);

	sl_trace_add(t, &a, &last, &note, big, 3 * SL_TRACE_ENTRY_MAX);
	struct read r = read_call(t, &a);
	assert_int_equal(r.len, SL_TRACE_ENTRY_MAX);
	assert_true(r.truncated);
	sl_trace_add(t, &a, &last, &note, big, SL_TRACE_ENTRY_MAX);
	assert_false(read_call(t, &a).truncated);
	free(big);
	sl_trace_free(t);
}

static void none_at_all_does_nothing(void **state)
{
	struct sl_trace *t = sl_trace_new(0);
	struct sl_id a = call_id(1);
	uint64_t last = 0;

	assert_non_null(t);
	sl_trace_add(t, &a, &last, &note, "x", 1);
	assert_int_equal(last, 0);
	assert_int_equal(read_call(t, &a).n, 0);
	sl_trace_free(t);
	sl_trace_free(NULL);
}

static void secrets_are_blanked(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	        {"INVITE sip:a@b SIP/2.0\r\n"
	         "Authorization: Digest username=\"al\", realm=\"r\", nonce=\"abc,def\", uri=\"sip:a\", response=\"0123456789\", cnonce=zz, qop=auth\r\n"
	         "Via: x\r\n\r\n",
	                "INVITE sip:a@b SIP/2.0\r\n"
	                "Authorization: Digest username=\"al\", realm=\"r\", nonce=\"xxxxxxx\", uri=\"sip:a\", response=\"xxxxxxxxxx\", cnonce=xx, qop=auth\r\n"
	                "Via: x\r\n\r\n"},
	        {"A\r\nproxy-authorization : Digest response = \"12\",\r\n\tNonce=\"34\"\r\nX: response=\"5\"\r\n\r\n",
	                "A\r\nproxy-authorization : Digest response = \"xx\",\r\n\tNonce=\"xx\"\r\nX: response=\"5\"\r\n\r\n"},
	        {"A\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n", "A\r\nAuthorization: Basic xxxxxxxxxxxx\r\n\r\n"},
	        {"A\r\nP-Sluice-Flow: c-1;listener=2;mac=00ff\r\n\r\n", "A\r\nP-Sluice-Flow: c-1;listener=2;mac=xxxx\r\n\r\n"},
	        {"A\r\nAuthorization: Digest nonce=\"a\\\"b\", response=\"unfinished", "A\r\nAuthorization: Digest nonce=\"xxxx\", response=xxxxxxxxxxx"},
	        {"A\r\n\r\nv=0\r\na=crypto:1 AES inline:KEY|2^20|1:4;inline:K2\r\na=ice-pwd:pw\r\na=ice-ufrag:u\r\nk=clear:z\r\n",
	                "A\r\n\r\nv=0\r\na=crypto:1 AES inline:xxx|2^20|1:4;inline:xx\r\na=ice-pwd:xx\r\na=ice-ufrag:u\r\nk=xxxxxxx\r\n"},
	        {"A\n\nA=CRYPTO:1 AES INLINE:KEY", "A\n\nA=CRYPTO:1 AES INLINE:xxx"},
	        {"A\r\nAuthorization: Digest realm=\"a, response=\"SECRET\", nonce=\"b\r\n\r\n",
	                "A\r\nAuthorization: Digest realm=\"a, response=\"xxxxxx\", nonce=xx\r\n\r\n"},
	        {"A\r\nAuthorization:\r\n\r\n", "A\r\nAuthorization:\r\n\r\n"},
	        {"", ""},
	};

	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		/* At the end of its own memory: a look beyond is seen by the sanitizers. */
		size_t n = strlen(cases[i].in);
		char *copy = malloc(n ? n : 1), text[1024];
		memcpy(copy, cases[i].in, n);
		sl_trace_blank(copy, n);
		snprintf(text, sizeof text, "%.*s", (int)n, copy);
		assert_string_equal(text, cases[i].out);
		for (size_t cut = 0; cut < n; cut++) {
			char *part = malloc(cut ? cut : 1);
			memcpy(part, cases[i].in, cut);
			sl_trace_blank(part, cut);
			free(part);
		}
		free(copy);
	}
}

static void only_messages_are_blanked(void **state)
{
	struct sl_trace *t = sl_trace_new(RING);
	struct sl_id a = call_id(1);
	uint64_t last = 0;
	struct sl_trace_about in = {.kind = SL_TR_SIP_IN};

	sl_trace_add(t, &a, &last, &in, "A\n\na=ice-pwd:q", 14);
	sl_trace_add(t, &a, &last, &note, "A\n\na=ice-pwd:q", 14);
	struct read r = read_call(t, &a);
	assert_string_equal(r.text[0], "A\n\na=ice-pwd:x");
	assert_string_equal(r.text[1], "A\n\na=ice-pwd:q");
	sl_trace_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(calls_are_kept_apart_also_in_one_bucket),
	        cmocka_unit_test(the_oldest_go_first),
	        cmocka_unit_test(long_ones_are_cut_and_say_so),
	        cmocka_unit_test(none_at_all_does_nothing),
	        cmocka_unit_test(secrets_are_blanked),
	        cmocka_unit_test(only_messages_are_blanked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

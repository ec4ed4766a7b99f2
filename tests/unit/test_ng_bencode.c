/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/ng/value.h"
#include "tests/unit/guard.h"

static struct sl_guard guard;

/* The dictionary written again, "" when it is refused; err says why. */
static const char *round_trip(const char *text, size_t len, bool json, char err[240])
{
	static char out[256 * 1024];
	struct sl_ng_writer w = {out, 0, sizeof out - 1};
	struct sl_ng_arena a = {0};
	struct sl_slice s = {(const char *)sl_guard_put(&guard, text, len), len};
	struct sl_ng_value *v;

	err[0] = out[0] = '\0';
	v = json ? sl_ng_json_decode(&a, s, err, 240) : sl_ng_bencode_decode(&a, s, err, 240);
	assert_true(v || err[0]);
	if (v)
		(json ? sl_ng_json_encode : sl_ng_bencode_encode)(&w, v);
	assert_true(w.n < w.room);
	out[w.n] = '\0';
	sl_ng_arena_free(&a);
	return out;
}

static void good_comes_out_as_it_went_in(void **state)
{
	static const char *const texts[] = {
	        "de",
	        "d7:command4:pinge",
	        "d1:ai0e1:bi-1e1:ci9223372036854775807e1:di-9223372036854775808ee",
	        "d1:al1:x1:yli1eedee0:0:e",
	        "d1:b1:x1:a1:ye", /* in any order */
	        "d1:a1:x1:a1:ye", /* more than once, as Kamailio does */
	        "d1:ad1:bd1:cld1:dleeeeee",
	};
	char err[240];

	for (size_t i = 0; i < SL_COUNT(texts); i++) {
		assert_string_equal(round_trip(texts[i], strlen(texts[i]), false, err), texts[i]);
		for (size_t n = 0; n < strlen(texts[i]); n++)
			assert_string_equal(round_trip(texts[i], n, false, err), "");
	}
	assert_string_equal(round_trip("de \r\n\t", 6, false, err), "de");
	assert_string_equal(round_trip("d1:a3:\0\xff\n"
	                               "e",
	                            10, false, err),
	        "d1:a3:");
}

static void bad_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	        {"", "not a dictionary"},
	        {"l4:pinge", "not a dictionary"},
	        {"i1e", "not a dictionary"},
	        {" d7:command4:pinge", "not a dictionary"},
	        {"d7:command4:pingeXX", "something follows"},
	        {"dede", "something follows"},
	        {"d07:command4:pinge", "begins with 0"},
	        {"d7:command04:pinge", "begins with 0"},
	        {"d1:a00:e", "begins with 0"},
	        {"d1:ai01ee", "begins with 0"},
	        {"d1:ai-0ee", "begins with 0"},
	        {"d1:aiee", "without digits"},
	        {"d1:ai-ee", "without digits"},
	        {"d1:ai--1ee", "without digits"},
	        {"d1:ai1.5ee", "does not end"},
	        {"d1:ai+1ee", "without digits"},
	        {"d1:ai9223372036854775808ee", "beyond 64 bits"},
	        {"d1:ai-9223372036854775809ee", "beyond 64 bits"},
	        {"d1:ai99999999999999999999999999999999ee", "beyond 64 bits"},
	        {"d1:a5:xe", "longer than the text"},
	        {"d1:a18446744073709551615:xe", "longer than the text"},
	        {"d1:a18446744073709551617:xe", "longer than the text"},
	        {"d1:a9223372036854775807:xe", "longer than the text"},
	        {"d1:a99999999999999999999999999999:xe", "longer than the text"},
	        {"di1e1:ae", "key is not a string"},
	        {"dl1:ae1:be", "key is not a string"},
	        {"dd1:a1:be1:ce", "key is not a string"},
	        {"d1:ae", "neither"},
	        {"d1:a", "text ends"},
	        {"d1:ax1:xe", "neither"},
	        {"d1:a-1:xe", "neither"},
	        {"d1 :a1:xe", "does not end"},
	};
	char err[240];

	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		assert_string_equal(round_trip(cases[i].text, strlen(cases[i].text), false, err), "");
		if (!strstr(err, cases[i].why))
			fail_msg("%s: '%s' instead of '%s'", cases[i].text, err, cases[i].why);
	}
}

static char *repeat(const char *head, const char *piece, size_t times, const char *tail, size_t *len)
{
	size_t h = strlen(head), p = strlen(piece), t = strlen(tail);
	char *text = malloc(h + p * times + t + 1);

	assert_non_null(text);
	strcpy(text, head);
	for (size_t i = 0; i < times; i++)
		memcpy(text + h + i * p, piece, p);
	strcpy(text + h + p * times, tail);
	*len = h + p * times + t;
	return text;
}

static void bomb(
        const char *head, const char *piece, size_t times, const char *tail, bool json, const char *why)
{
	char err[240], *text;
	size_t len;

	text = repeat(head, piece, times, tail, &len);
	assert_string_equal(round_trip(text, len, json, err), "");
	if (!strstr(err, why))
		fail_msg("%s%s...: '%s' instead of '%s'", head, piece, err, why);
	free(text);
}

static void bombs_are_refused(void **state)
{
	bomb("d1:a", "l", 60000, "", false, "too deep");
	bomb("d1:a", "l", SL_NG_MAX_DEPTH, "e", false, "too deep");
	bomb("d", "1:ad", 20000, "", false, "too deep");
	bomb("d1:al", "le", 30000, "ee", false, "too many values");
	bomb("d1:al", "0:", 30000, "ee", false, "too many values");
	bomb("d", "0:0:", 15000, "e", false, "too many values");
	bomb("d1:ai", "9", 60000, "ee", false, "beyond 64 bits");
	bomb("d1:a", "9", 60000, ":xe", false, "longer than the text");
	bomb("{\"a\":", "[", 60000, "", true, "too deep");
	bomb("{\"a\":[", "[],", 20000, "1]}", true, "too many values");
	bomb("{\"a\":[", "1,", 30000, "1]}", true, "too many values");
	bomb("{\"a\":", "9", 60000, "}", true, "");
}

static void depth_is_as_promised(void **state)
{
	char err[240], *text, *closed;
	size_t len;

	text = repeat("d1:a", "l", SL_NG_MAX_DEPTH - 1, "", &len);
	closed = repeat(text, "e", SL_NG_MAX_DEPTH, "", &len);
	assert_string_equal(round_trip(closed, len, false, err), closed);
	free(text);
	free(closed);
}

static void json_goes_round(void **state)
{
	static const char *const texts[] = {
	        "{}",
	        "{\"command\":\"ping\"}",
	        "{\"a\":[1,-2,\"x\",{\"b\":[]}]}",
	        "{\"a\":9223372036854775807}",
	        "{\"a\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u0000\"}",
	        "{\"a\":\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"}",
	};
	static const struct {
		const char *in, *out;
	} others[] = {
	        {" \n{ \"a\" : true, \"b\": false, \"c\": null }",
	                ""}, /* the first byte says that it is JSON */
	        {"{ \"a\" : true, \"b\": false, \"c\": null } \n", "{\"a\":\"yes\",\"b\":\"no\"}"},
	        {"{\"a\":1.0,\"b\":0.5,\"c\":1e3}", "{\"a\":\"1\",\"b\":\"0.500000\",\"c\":\"1000\"}"},
	        {"{\"a\":\"\\u00e4\\/\"}", "{\"a\":\"\xc3\xa4/\"}"},
	        {"{\"a\":1}x", ""},
	        {"{\"a\":1}{}", ""},
	        {"{\"a\"}", ""},
	        {"{\"a\":", ""},
	        {"{'a':1}", ""},
	        {"{\"a\":\"\xff\"}", ""},
	        {"{\"a\":\"\\ud800\"}", ""},
	        {"{\"a\":99999999999999999999}", ""},
	        {"[]", ""},
	        {"{\"a\":]}", ""},
	        {"{\"a\":\"}", ""},
	};
	char err[240];

	for (size_t i = 0; i < SL_COUNT(texts); i++) {
		assert_string_equal(round_trip(texts[i], strlen(texts[i]), true, err), texts[i]);
		for (size_t n = 0; n < strlen(texts[i]); n++)
			assert_string_equal(round_trip(texts[i], n, true, err), "");
	}
	for (size_t i = 0; i < SL_COUNT(others); i++)
		assert_string_equal(round_trip(others[i].in, strlen(others[i].in), true, err), others[i].out);
}

static void json_carries_bytes_that_are_no_text(void **state)
{
	/* Too long forms, surrogates, beyond the last code point, cut sequences, lone bytes. */
	static const char bytes[] = "a\xff\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82z\xc3";
	struct sl_ng_arena a = {0};
	struct sl_ng_value *d = sl_ng_new(&a, SL_NGV_DICTIONARY);
	char out[256];
	struct sl_ng_writer w = {out, 0, sizeof out - 1};

	sl_ng_add_text(&a, d, "x", bytes);
	sl_ng_json_encode(&w, d);
	out[w.n] = '\0';
	assert_string_equal(out, "{\"x\":"
	                         "\"a\\u00ff\\u00c0\\u0080\\u00ed\\u00a0\\u0080\\u00f4\\u0090\\u0080\\u0080\\"
	                         "u00e2\\u0082z\\u00c3\"}");
	sl_ng_arena_free(&a);
}

/* ---- where a message ends ---- */

/* Fed byte by byte, in pieces and at once, it ends at the same place. */
static int64_t followed(const char *text, size_t len, size_t step)
{
	struct sl_ng_frame f = {0};
	int64_t n = 0;

	for (size_t have = step < len ? step : len; n == 0; have = have + step < len ? have + step : len) {
		n = sl_ng_frame(&f, (const char *)sl_guard_put(&guard, text, have), have);
		if (have == len)
			break;
	}
	return n;
}

static void a_message_ends_where_it_ends(void **state)
{
	static const struct {
		const char *text;
		int64_t end;
	} cases[] = {
	        {"d7:command4:pinge", 17},
	        {"d7:command4:pingenext d7:c", 17},
	        {"d1:ald1:bi-17eee0:0:e", 21},
	        {"d1:a3:eeee", 10},
	        {"d1:a3:eee", 0},
	        {"d1:a100:", 0},
	        {"d1:ai12", 0},
	        {"{\"a\":\"}\\\"}\",\"b\":[{}]}next", 21},
	        {"{\"a\":\"\\\\\"}", 10},
	        {"{\"a\":\"\\\"}", 0},
	        {"x", -EBADMSG},
	        {"dx", -EBADMSG},
	        {"d1x", -EBADMSG},
	        {"d1:ai1xe", -EBADMSG},
	        {"d1:a1048577:", -EMSGSIZE},
	        {"d1:a18446744073709551617:", -EMSGSIZE},
	};

	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		for (size_t step = 1; step <= strlen(cases[i].text); step++) {
			if (followed(cases[i].text, strlen(cases[i].text), step) != cases[i].end)
				fail_msg("%s in steps of %zu: %lld", cases[i].text, step,
				        (long long)followed(cases[i].text, strlen(cases[i].text), step));
		}
	}
}

static void endless_messages_are_given_up(void **state)
{
	char *text;
	size_t len;

	text = repeat("d1:a", "l", 100, "", &len);
	assert_int_equal(followed(text, len, 7), -E2BIG);
	free(text);
	text = repeat("d1:al", "0:", 10000, "", &len);
	assert_int_equal(followed(text, len, 1000), -E2BIG);
	free(text);
	text = repeat("{\"a\":[", "1,", 10000, "", &len);
	assert_int_equal(followed(text, len, 1000), -E2BIG);
	free(text);
	text = repeat("{\"a\":\"", "x", SL_NG_TCP_MAX, "", &len);
	assert_int_equal(followed(text, len, 65536), -EMSGSIZE);
	free(text);
	text = repeat("d1:ai", "1", SL_NG_TCP_MAX, "", &len);
	assert_int_equal(followed(text, len, 65536), -EMSGSIZE);
	free(text);
}

/* ---- the arena and the tree ---- */

static void an_arena_is_bounded(void **state)
{
	struct sl_ng_arena a = {0};
	size_t got = 0;

	while (sl_ng_alloc(&a, 1000))
		got += 1000;
	assert_true(a.failed);
	assert_true(a.total <= SL_NG_ARENA_MAX);
	assert_true(got > SL_NG_ARENA_MAX / 4);
	assert_null(sl_ng_alloc(&a, SIZE_MAX));
	sl_ng_arena_free(&a);
	assert_non_null(sl_ng_alloc(&a, 0));
	sl_ng_arena_free(&a);
}

static void words_have_many_spellings(void **state)
{
	struct sl_slice rest;

	assert_true(sl_ng_is(sl_ng_text("trust address"), "trust-address"));
	assert_true(sl_ng_is(sl_ng_text("trust_address"), "trust-address"));
	assert_false(sl_ng_is(sl_ng_text("trust+address"), "trust-address"));
	assert_false(sl_ng_is(sl_ng_text("Trust-address"), "trust-address"));
	assert_false(sl_ng_is(sl_ng_text("trust-addres"), "trust-address"));
	assert_true(sl_ng_has_prefix(sl_ng_text("SDES-no-X"), "SDES", &rest));
	assert_int_equal(rest.n, 4);
	assert_false(sl_ng_has_prefix(sl_ng_text("SDES-"), "SDES", &rest));
	assert_false(sl_ng_has_prefix(sl_ng_text("SDES"), "SDES", &rest));
	assert_false(sl_ng_has_prefix(sl_ng_text("SDESX1"), "SDES", &rest));
}

static void numbers_may_be_strings(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t n;
	} cases[] = {{"0", true, 0}, {"-8", true, -8}, {"007", true, 7},
	        {"9223372036854775807", true, INT64_MAX}, {"-9223372036854775808", true, INT64_MIN},
	        {"9223372036854775808", false, 0}, {"", false, 0}, {"-", false, 0}, {"1x", false, 0},
	        {" 1", false, 0}};
	int64_t n;

	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		assert_int_equal(sl_ng_parse_integer(sl_ng_text(cases[i].text), &n), cases[i].good);
		if (cases[i].good)
			assert_true(n == cases[i].n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(good_comes_out_as_it_went_in),
	        cmocka_unit_test(bad_is_refused),
	        cmocka_unit_test(bombs_are_refused),
	        cmocka_unit_test(depth_is_as_promised),
	        cmocka_unit_test(json_goes_round),
	        cmocka_unit_test(json_carries_bytes_that_are_no_text),
	        cmocka_unit_test(a_message_ends_where_it_ends),
	        cmocka_unit_test(endless_messages_are_given_up),
	        cmocka_unit_test(an_arena_is_bounded),
	        cmocka_unit_test(words_have_many_spellings),
	        cmocka_unit_test(numbers_may_be_strings),
	};

	guard = sl_guard_make(2 * SL_NG_TCP_MAX);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

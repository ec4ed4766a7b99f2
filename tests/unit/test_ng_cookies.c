/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "controlplane/ng/cookies.h"

static const struct sl_siphash_key key = {1, 2};
static struct sl_endpoint here, there;

static struct sl_slice slice(const char *text)
{
	return (struct sl_slice){text, strlen(text)};
}

static struct sl_ng_cookie *find(
        struct sl_ng_cookies *c, const struct sl_endpoint *from, const char *cookie, const char *text)
{
	return sl_ng_cookies_find(c, from, slice(cookie), slice(text));
}

static struct sl_ng_cookie *begin(struct sl_ng_cookies *c, const char *cookie, const char *text)
{
	assert_null(find(c, &here, cookie, text));
	return sl_ng_cookies_begin(c, &here, slice(cookie), slice(text));
}

static void a_request_is_known_by_cookie_source_and_text(void **state)
{
	struct sl_ng_cookies *c = sl_ng_cookies_new(SL_NG_CACHE_BYTES, &key);
	struct sl_ng_cookie *k = begin(c, "1_1", "offer");

	assert_ptr_equal(find(c, &here, "1_1", "offer"), k);
	assert_null(sl_ng_cookie_answer(k).p); /* being executed */
	assert_null(find(c, &there, "1_1", "offer"));
	assert_null(find(c, &here, "1_2", "offer"));
	assert_null(find(c, &here, "1_1", "delete"));
	sl_ng_cookies_answer(c, k, slice("1_1 reply"), 1000);
	assert_ptr_equal(find(c, &here, "1_1", "offer"), k);
	assert_memory_equal(sl_ng_cookie_answer(k).p, "1_1 reply", 9);
	assert_int_equal(sl_ng_cookies_counts(c)->cached, 1);
	sl_ng_cookies_free(c);
}

static void answers_are_kept_for_their_time(void **state)
{
	struct sl_ng_cookies *c = sl_ng_cookies_new(SL_NG_CACHE_BYTES, &key);

	sl_ng_cookies_answer(c, begin(c, "1", "a"), slice("x"), 1000);
	sl_ng_cookies_answer(c, begin(c, "2", "a"), slice("y"), 2000);
	begin(c, "3", "a");
	sl_ng_cookies_expire(c, 1000 + SL_NG_CACHE_MS - 1);
	assert_non_null(find(c, &here, "1", "a"));
	sl_ng_cookies_expire(c, 1000 + SL_NG_CACHE_MS);
	assert_null(find(c, &here, "1", "a"));
	assert_non_null(find(c, &here, "2", "a"));
	sl_ng_cookies_expire(c, INT64_MAX);
	assert_null(find(c, &here, "2", "a"));
	assert_non_null(find(c, &here, "3", "a")); /* it is still being executed */
	assert_int_equal(sl_ng_cookies_counts(c)->cached, 0);
	assert_int_equal(sl_ng_cookies_counts(c)->evicted, 0);
	sl_ng_cookies_free(c);
}

static void the_oldest_answers_make_room(void **state)
{
	struct sl_ng_cookies *c = sl_ng_cookies_new(64 * 1024, &key);
	struct sl_ng_cookie *running = begin(c, "running", "a");
	static char answer[1000];
	char name[16];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "%u", i);
		sl_ng_cookies_answer(c, begin(c, name, "a"), (struct sl_slice){answer, sizeof answer}, i);
		assert_true(sl_ng_cookies_counts(c)->bytes <= 64 * 1024);
	}
	assert_non_null(find(c, &here, "999", "a"));
	assert_non_null(find(c, &here, "970", "a"));
	assert_null(find(c, &here, "0", "a"));
	assert_ptr_equal(find(c, &here, "running", "a"), running);
	assert_int_equal(sl_ng_cookies_counts(c)->evicted + sl_ng_cookies_counts(c)->cached, 1000);
	sl_ng_cookies_expire(c, INT64_MAX);
	sl_ng_cookies_forget(c, running);
	assert_int_equal(sl_ng_cookies_counts(c)->bytes, 0);
	sl_ng_cookies_free(c);
}

static void what_has_no_answer_is_forgotten(void **state)
{
	struct sl_ng_cookies *c = sl_ng_cookies_new(1000, &key);
	static char big[2000];

	sl_ng_cookies_answer(c, begin(c, "1", "a"), slice(""), 0);
	assert_null(find(c, &here, "1", "a"));
	sl_ng_cookies_answer(c, begin(c, "1", "a"), (struct sl_slice){big, sizeof big}, 0);
	assert_null(find(c, &here, "1", "a"));
	sl_ng_cookies_forget(c, begin(c, "1", "a"));
	assert_null(find(c, &here, "1", "a"));
	assert_int_equal(sl_ng_cookies_counts(c)->bytes, 0);
	sl_ng_cookies_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_request_is_known_by_cookie_source_and_text),
	        cmocka_unit_test(answers_are_kept_for_their_time),
	        cmocka_unit_test(the_oldest_answers_make_room),
	        cmocka_unit_test(what_has_no_answer_is_forgotten),
	};

	sl_endpoint_parse("192.0.2.1:5060", &here);
	sl_endpoint_parse("192.0.2.1:5061", &there);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Digest arithmetic against the RFCs' examples; nonces that age and counts that repeat; who guesses passwords. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/registrar/digest.h"
#include "controlplane/registrar/lockout.h"
#include "controlplane/registrar/nonce.h"
#include "controlplane/registrar/registrar.h"

#include <errno.h>
#include <stdio.h>

#define S(text) ((struct sl_slice){ text, sizeof(text) - 1 })

static struct sl_slice slice(const char *text)
{
	return (struct sl_slice){ text, strlen(text) };
}

/* ---- arithmetic ---- */

static void expect_response(enum sl_digest_algorithm a, const char *user, const char *realm, const char *password, struct sl_digest_params p,
        const char *want)
{
	uint8_t ha1[SL_DIGEST_BYTES_MAX];
	char got[SL_DIGEST_HEX];

	assert_int_equal(sl_digest_ha1(a, user, realm, password, ha1), 0);
	assert_int_equal(sl_digest_response(a, ha1, &p, "GET", got), 0);
	assert_string_equal(got, want);
}

static void rfc_examples(void **state)
{
	(void)state;
	struct sl_digest_params rfc2617 = { .nonce = S("dcd98b7102dd2f0e8b11d0f600bfb0c093"), .uri = S("/dir/index.html"), .qop = S("auth"),
		.nc = S("00000001"), .cnonce = S("0a4f113b") };
	struct sl_digest_params rfc7616 = { .nonce = S("7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"), .uri = S("/dir/index.html"),
		.qop = S("auth"), .nc = S("00000001"), .cnonce = S("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ") };
	struct sl_digest_params rfc2069 = { .nonce = S("dcd98b7102dd2f0e8b11d0f600bfb0c093"), .uri = S("/dir/index.html") };

	expect_response(SL_DIGEST_MD5, "Mufasa", "testrealm@host.com", "Circle Of Life", rfc2617, "6629fae49393a05397450978507c4ef1");
	expect_response(SL_DIGEST_MD5, "Mufasa", "http-auth@example.org", "Circle of Life", rfc7616, "8ca523f5e9506fed4657c9700eebdbec");
	expect_response(SL_DIGEST_SHA256, "Mufasa", "http-auth@example.org", "Circle of Life", rfc7616,
	        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
	/* RFC 2069 2.4 with its erratum 749. */
	expect_response(SL_DIGEST_MD5, "Mufasa", "testrealm@host.com", "CircleOfLife", rfc2069, "1949323746fe6a43ef61f9606e7febea");
}

static void parameters_are_read(void **state)
{
	(void)state;
	const char *text = " realm=\"a, \\\"b\\\"\" ,nonce=abc,QOP = \"auth,auth-int\", stale=TRUE, algorithm=SHA-256,realm=\"second\"";
	struct sl_digest_params p = { 0 };
	struct sl_slice name, value;

	while (sl_digest_param(&text, &name, &value))
		sl_digest_take(&p, name, value);
	assert_string_equal(text, "");
	assert_true(sl_digest_is(p.realm, "a, \\\"b\\\""));
	assert_true(sl_digest_is(p.nonce, "abc"));
	assert_true(sl_digest_is(p.qop, "auth,auth-int"));
	assert_true(sl_digest_is(p.stale, "true"));
	assert_int_equal(sl_digest_algorithm_of(p.algorithm), SL_DIGEST_SHA256);
	assert_int_equal(sl_digest_algorithm_of((struct sl_slice){ 0 }), SL_DIGEST_MD5);
	assert_int_equal(sl_digest_algorithm_of(S("SHA-512-256")), SL_DIGEST_N);
	static const char *const bad[] = { "", "realm", "=x", "realm=\"open", "realm \"x\"" };
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		text = bad[i];
		assert_false(sl_digest_param(&text, &name, &value));
	}
}

/* ---- as a client ---- */

static struct sl_digest_params parse_answer(const char *answer)
{
	struct sl_digest_params p = { 0 };
	struct sl_slice name, value;

	assert_int_equal(strncmp(answer, "Digest ", 7), 0);
	answer += 7;
	while (sl_digest_param(&answer, &name, &value))
		sl_digest_take(&p, name, value);
	return p;
}

static void client_answers(void **state)
{
	(void)state;
	static const char md5[] = "Digest realm=\"carrier\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"";
	static const char sha[] = "Digest realm=\"carrier\", nonce=\"n2\", algorithm=SHA-256, qop=\"auth,auth-int\", opaque=\"o\"";
	static const char old[] = "digest nonce=\"n3\",realm=\"carrier\"";
	static const char unknown[] = "Digest realm=\"carrier\", nonce=\"n4\", algorithm=SHA-512-256, qop=\"auth\"";
	static const char only_int[] = "Digest realm=\"carrier\", nonce=\"n5\", qop=\"auth-int\"";
	static const char other[] = "Digest realm=\"elsewhere\", nonce=\"n6\", qop=\"auth\"";
	uint8_t ha1[SL_DIGEST_N][SL_DIGEST_BYTES_MAX];
	char out[512], want[SL_DIGEST_HEX];

	for (unsigned a = 0; a < SL_DIGEST_N; a++)
		assert_int_equal(sl_digest_ha1(a, "us", "carrier", "secret", ha1[a]), 0);
#define ANSWER(...) sl_digest_answer((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), "us", \
	"carrier", ha1[SL_DIGEST_MD5], ha1[SL_DIGEST_SHA256], "REGISTER", "sip:carrier", 3, out, sizeof out)
	assert_int_equal(ANSWER(unknown, md5, sha), 0);
	struct sl_digest_params p = parse_answer(out);
	assert_true(sl_digest_is(p.algorithm, "SHA-256"));
	assert_true(sl_digest_is(p.nonce, "n2"));
	assert_true(sl_digest_is(p.opaque, "o"));
	assert_true(sl_digest_is(p.nc, "00000003"));
	assert_int_equal(sl_digest_response(SL_DIGEST_SHA256, ha1[SL_DIGEST_SHA256], &p, "REGISTER", want), 0);
	assert_true(sl_digest_is(p.response, want));

	assert_int_equal(ANSWER(sha, md5), 0);
	assert_true(sl_digest_is(parse_answer(out).nonce, "n2"));

	assert_int_equal(ANSWER(old), 0);
	p = parse_answer(out);
	assert_null(p.qop.p);
	assert_null(p.nc.p);
	assert_int_equal(sl_digest_response(SL_DIGEST_MD5, ha1[SL_DIGEST_MD5], &p, "REGISTER", want), 0);
	assert_true(sl_digest_is(p.response, want));

	assert_int_equal(ANSWER(unknown, only_int), -EINVAL);
	assert_int_equal(ANSWER("Basic realm=\"carrier\""), -EINVAL);
	assert_int_equal(ANSWER(other), -EACCES);
	assert_non_null(strstr(out, "elsewhere"));
	assert_int_equal(ANSWER(other, md5), 0);
	assert_true(sl_digest_is(parse_answer(out).nonce, "n1"));
	assert_int_equal(sl_digest_answer((const char *const[]){ md5 }, 1, "us", "", ha1[1], ha1[0], "REGISTER", "sip:carrier", 1, out, 40), -EINVAL);
}

/* ---- nonces ---- */

static const struct sl_ip source = { .b = { [10] = 0xff, 0xff, 192, 0, 2, 7 } };
static const struct sl_ip other_source = { .b = { [10] = 0xff, 0xff, 192, 0, 2, 8 } };

static void nonces_age(void **state)
{
	(void)state;
	struct sl_nonces n;
	char nonce[SL_NONCE_TEXT], again[SL_NONCE_TEXT];

	assert_int_equal(sl_nonces_init(&n, 4), 0);
	sl_nonce_new(&n, "example.com", &source, 1000000, nonce);
	sl_nonce_new(&n, "example.com", &source, 1000000, again);
	assert_string_not_equal(nonce, again);
	assert_true(sl_nonce_check(&n, slice(nonce), "example.com", &source, 1000000, 300000));
	assert_true(sl_nonce_check(&n, slice(nonce), "example.com", &source, 1299999, 300000));
	assert_false(sl_nonce_check(&n, slice(nonce), "example.com", &source, 1300000, 300000));
	assert_true(sl_nonce_is_ours(&n, slice(nonce), "example.com", &source));
	assert_false(sl_nonce_is_ours(&n, slice(nonce), "example.com", &other_source));
	assert_false(sl_nonce_check(&n, slice(nonce), "example.com", &source, 999999, 300000));
	assert_false(sl_nonce_check(&n, slice(nonce), "example.org", &source, 1000000, 300000));
	assert_false(sl_nonce_check(&n, slice(nonce), "example.com", &other_source, 1000000, 300000));
	/* Every digit counts. */
	for (size_t i = 0; nonce[i]; i++) {
		char was = nonce[i];

		nonce[i] = was == '0' ? '1' : '0';
		assert_false(sl_nonce_check(&n, slice(nonce), "example.com", &source, 1000000, 300000));
		nonce[i] = 'G';
		assert_false(sl_nonce_check(&n, slice(nonce), "example.com", &source, 1000000, 300000));
		nonce[i] = was;
	}
	assert_false(sl_nonce_check(&n, S(""), "example.com", &source, 1000000, 300000));
	sl_nonces_free(&n);
}

static void counts_are_used_once(void **state)
{
	(void)state;
	struct sl_nonces n;
	char nonce[SL_NONCE_TEXT];

	assert_int_equal(sl_nonces_init(&n, 4), 0);
	sl_nonce_new(&n, "example.com", &source, 1000000, nonce);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 0, 7), SL_NONCE_STALE);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 1, 7), SL_NONCE_GOOD);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 1, 7), SL_NONCE_AGAIN);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 1, 8), SL_NONCE_STALE);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 1, 0), SL_NONCE_STALE);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 2, 0), SL_NONCE_GOOD);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 2, 0), SL_NONCE_STALE);
	/* Overtaken by another one: each once. */
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 5, 0), SL_NONCE_GOOD);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 4, 0), SL_NONCE_GOOD);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 4, 0), SL_NONCE_STALE);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 2, 0), SL_NONCE_STALE);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 3, 0), SL_NONCE_GOOD);
	/* Too far behind to know. */
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 100, 0), SL_NONCE_GOOD);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 68, 0), SL_NONCE_STALE);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 69, 0), SL_NONCE_GOOD);
	assert_int_equal(sl_nonce_use(&n, slice(nonce), 69, 0), SL_NONCE_STALE);
	sl_nonces_free(&n);
}

/* Whatever is forgotten for want of memory is never taken again. */
static void forgotten_nonces_are_stale(void **state)
{
	(void)state;
	enum { N = 200 };
	static char nonces[N][SL_NONCE_TEXT];
	struct sl_nonces n;

	assert_int_equal(sl_nonces_init(&n, 2), 0);
	for (unsigned i = 0; i < N; i++)
		sl_nonce_new(&n, "example.com", &source, 1000000 + i / 8, nonces[i]); /* some in one millisecond */
	unsigned good = 0;
	for (unsigned i = 0; i < N; i++)
		good += sl_nonce_use(&n, slice(nonces[i]), 1, 0) == SL_NONCE_GOOD;
	assert_true(good > N / 2);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(sl_nonce_use(&n, slice(nonces[i]), 1, 0), SL_NONCE_STALE);
	/* The newest ones are still remembered, and go on. */
	assert_int_equal(sl_nonce_use(&n, slice(nonces[N - 1]), 2, 0), SL_NONCE_GOOD);
	assert_int_equal(sl_nonce_use(&n, slice(nonces[0]), 2, 0), SL_NONCE_STALE);
	sl_nonces_free(&n);
}

/* ---- guessing ---- */

static const struct sl_lockout_limits limits = { .failures = 3, .window_s = 60, .block_s = 30 };

static void guessing_is_blocked(void **state)
{
	(void)state;
	struct sl_lockout g;
	bool answer;

	assert_int_equal(sl_lockout_init(&g, 4), 0);
	uint64_t a = sl_lockout_user(&g, "alice", 5, "lab.test"), b = sl_lockout_user(&g, "bob", 3, "lab.test");
	assert_true(a != b);
	assert_false(sl_lockout_failed(&g, a, &limits, 1000));
	assert_false(sl_lockout_failed(&g, a, &limits, 2000));
	assert_int_equal(sl_lockout_blocked(&g, a, 2000, &answer), 0);
	assert_true(sl_lockout_failed(&g, a, &limits, 3000));
	assert_int_equal(sl_lockout_blocked(&g, b, 3000, &answer), 0);
	/* One answer a second. */
	assert_int_equal(sl_lockout_blocked(&g, a, 3000, &answer), 30);
	assert_true(answer);
	assert_int_equal(sl_lockout_blocked(&g, a, 3500, &answer), 30);
	assert_false(answer);
	assert_int_equal(sl_lockout_blocked(&g, a, 4100, &answer), 29);
	assert_true(answer);
	/* Failures meanwhile do not make it longer, and it is told once. */
	assert_false(sl_lockout_failed(&g, a, &limits, 20000));
	assert_int_equal(sl_lockout_blocked(&g, a, 32999, &answer), 1);
	assert_int_equal(sl_lockout_blocked(&g, a, 33000, &answer), 0);
	/* And begins anew. */
	assert_false(sl_lockout_failed(&g, a, &limits, 33000));
	assert_false(sl_lockout_failed(&g, a, &limits, 33001));
	assert_true(sl_lockout_failed(&g, a, &limits, 33002));
	sl_lockout_free(&g);
}

static void slow_failures_are_forgotten(void **state)
{
	(void)state;
	static const struct sl_lockout_limits off = { 0, 60, 30 };
	struct sl_lockout g;

	assert_int_equal(sl_lockout_init(&g, 4), 0);
	uint64_t u = sl_lockout_user(&g, "alice", 5, "example.com");
	assert_true(u == sl_lockout_user(&g, "alice", 5, "EXAMPLE.com"));
	assert_true(u != sl_lockout_user(&g, "alic", 4, "example.com"));
	for (unsigned i = 0; i < 10; i++)
		assert_false(sl_lockout_failed(&g, u, &limits, 60000 + (int64_t)i * 31000)); /* two in each window */
	for (unsigned i = 0; i < 10; i++) {
		assert_false(sl_lockout_failed(&g, u, &limits, 700000));
		sl_lockout_passed(&g, u);
	}
	for (unsigned i = 0; i < 10; i++)
		assert_false(sl_lockout_failed(&g, u, &off, 700000));
	sl_lockout_free(&g);
}

/* Many users: who is blocked stays blocked as long as those that are not can make room. */
static void blocked_ones_are_not_pushed_out(void **state)
{
	(void)state;
	struct sl_lockout g;
	bool answer;

	assert_int_equal(sl_lockout_init(&g, 1), 0);
	uint64_t a = sl_lockout_user(&g, "alice", 5, "lab.test");
	for (unsigned i = 0; i < 3; i++)
		sl_lockout_failed(&g, a, &limits, 100000);
	for (unsigned i = 0; i < 1000; i++) {
		char name[8];
		int n = snprintf(name, sizeof name, "u%u", i);

		sl_lockout_failed(&g, sl_lockout_user(&g, name, (size_t)n, "lab.test"), &limits, 100001);
	}
	assert_int_not_equal(sl_lockout_blocked(&g, a, 100002, &answer), 0);
	sl_lockout_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_examples),
		cmocka_unit_test(parameters_are_read),
		cmocka_unit_test(client_answers),
		cmocka_unit_test(nonces_age),
		cmocka_unit_test(counts_are_used_once),
		cmocka_unit_test(forgotten_nonces_are_stale),
		cmocka_unit_test(guessing_is_blocked),
		cmocka_unit_test(slow_failures_are_forgotten),
		cmocka_unit_test(blocked_ones_are_not_pushed_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

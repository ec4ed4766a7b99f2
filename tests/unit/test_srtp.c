/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The engine of libipsec-mb against libsrtp2, in every combination of kernels that this processor can run. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/srtp_x86.h"
#include "tests/unit/srtp_cases.h"
#include "tests/unit/srtp_oracle.h"

static struct sl_srtp *open_engine(void)
{
	const struct sl_srtp_options o = {.backend = SL_SRTP_IPSEC_MB, .n_workers = 1};
	struct sl_srtp *e = NULL;
	char err[200] = "";

	assert_int_equal(sl_srtp_open(&e, &o, err, sizeof err), 0);
	return e;
}

static void open_and_close(void **state)
{
	const struct sl_srtp_options bad = {.backend = (enum sl_srtp_backend)7};
	struct sl_srtp *e = open_engine();
	char err[200] = "";

	assert_non_null(strstr(sl_srtp_describe(e), "ipsec-mb"));
	sl_srtp_close(e);
	sl_srtp_close(NULL);
	assert_int_equal(sl_srtp_open(&e, &bad, err, sizeof err), -ENOTSUP);
	assert_null(e);
	assert_non_null(strstr(err, "backend 7"));
}

static unsigned borrowed;

static void *lend(const char *what, size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

	borrowed++;
	if (p)
		memset(p, 0, bytes);
	return p;
}

static void *lend_nothing(const char *what, size_t bytes)
{
	return NULL;
}

static void memory_of_the_caller(void **state)
{
	struct sl_srtp_options o = {.backend = SL_SRTP_IPSEC_MB, .zalloc = lend};
	struct sl_srtp *e;
	char err[200] = "";

	assert_int_equal(sl_srtp_open(&e, &o, err, sizeof err), 0);
	assert_int_equal(borrowed, 1);
	sl_srtp_close(e);
	free(e); /* it is the caller's */
	o.zalloc = lend_nothing;
	assert_int_equal(sl_srtp_open(&e, &o, err, sizeof err), -ENOMEM);
	assert_true(strlen(err) > 0);
}

/* glibc's own are behind ours, so that calls can be counted. Sanitizers have theirs. */
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define COUNTS_ALLOCATIONS 1
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
static unsigned allocations;

void *malloc(size_t n)
{
	allocations++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	allocations++;
	return __libc_realloc(p, n);
}

/* Contexts, packets good and bad, SRTCP: what a worker does. */
static void work(struct sl_srtp *e, struct sl_srtp_context *c, uint8_t *rtp, unsigned suite)
{
	struct sl_srtp_key key = {.suite = (uint8_t)suite, .key = {1, 2, 3}, .salt = {4, 5, 6}};
	struct sl_srtp_op op = {.ctx = c, .rtp = rtp, .len = 172, .header_len = 12, .index = 1};
	struct sl_srtcp_context rtcp;
	uint16_t len = 52;
	uint32_t index;

	assert_int_equal(sl_srtp_context_init(e, c, &key), 0);
	assert_int_equal(sl_srtcp_context_init(e, &rtcp, &key), 0);
	sl_srtp_protect(e, &op, 1);
	assert_int_equal(op.status, 0);
	sl_srtp_unprotect(e, &op, 1);
	assert_int_equal(op.status, 0);
	sl_srtp_unprotect(e, &op, 1);
	assert_int_equal(op.status, -EBADMSG);
	assert_int_equal(sl_srtcp_protect(e, &rtcp, rtp, &len, 1), 0);
	rtp[20] ^= 1;
	assert_int_equal(sl_srtcp_unprotect(e, &rtcp, rtp, &len, &index), -EBADMSG);
	sl_srtp_context_end(e, c);
}
#endif

static void no_allocation_after_open(void **state)
{
#ifdef COUNTS_ALLOCATIONS
	struct sl_srtp *e = open_engine();
	struct sl_srtp_context *c = (struct sl_srtp_context *)aligned_alloc(64, sl_srtp_context_bytes_max(e));
	uint8_t *rtp = (uint8_t *)calloc(1, 2048);
	unsigned before = allocations;

	assert_true(before > 0);
	for (unsigned suite = SL_SRTP_NONE + 1; suite < SL_SRTP_N_SUITES; suite++)
		work(e, c, rtp, suite);
	assert_int_equal(allocations, before);
	free(rtp);
	free(c);
	sl_srtp_close(e);
#else
	skip();
#endif
}

static int combination(unsigned features)
{
	struct sl_srtp *e = open_engine();
	char name[32];
	int failed;

	sl_srtp_ipsec_mb_choose(e, features);
	snprintf(name, sizeof name, "kernels %u", features);
	failed = srtp_cases(name, e);
	sl_srtp_close(e);
	return failed;
}

/* Each way to count, hash and seal once, and what processors with everything do. */
static const unsigned combinations[] = {
        0,
        SL_X86_SHANI,
        SL_X86_VAES | SL_X86_AVX512,
        SL_X86_SHANI | SL_X86_VAES | SL_X86_VPCLMUL,
        SL_X86_SHANI | SL_X86_VAES | SL_X86_VPCLMUL | SL_X86_AVX512,
};

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(open_and_close),
	        cmocka_unit_test(memory_of_the_caller),
	        cmocka_unit_test(no_allocation_after_open),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	struct sl_srtp *e = open_engine();
	unsigned can =
	        sl_srtp_ipsec_mb_features(e) | SL_X86_AVX512; /* which only says who hashes large bursts */

	sl_srtp_close(e);
	srtp_init();
	for (unsigned i = 0; i < SL_COUNT(combinations); i++)
		if ((combinations[i] & ~can) == 0)
			failed += combination(combinations[i]);
	srtp_shutdown();
	return failed;
}

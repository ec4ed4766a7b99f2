/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The engine of DPDK's cryptodevs against libsrtp2, over the software PMDs that Debian has. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "drivers/srtp_cryptodev.h"
#include "tests/unit/srtp_cases.h"
#include "tests/unit/srtp_oracle.h"

enum { CONTEXTS = 64, SKIPPED = 77 };

static const char *const devices[] = {"crypto_aesni_mb", "crypto_openssl"};

static struct sl_srtp *open_device(
        const char *device, unsigned worker, unsigned n_workers, unsigned n_contexts, int *rc)
{
	const struct sl_srtp_options o = {.backend = SL_SRTP_CRYPTODEV,
	        .device = device,
	        .worker = worker,
	        .n_workers = n_workers,
	        .n_contexts = n_contexts};
	struct sl_srtp *e = NULL;
	char err[200] = "";

	*rc = sl_srtp_open(&e, &o, err, sizeof err);
	if (*rc != 0)
		print_message("%s: %s\n", device ? device : "no device", err);
	return e;
}

static void refusals(void **state)
{
	int rc;

	assert_null(open_device(NULL, 0, 1, CONTEXTS, &rc));
	assert_int_equal(rc, -ENOTSUP);
	assert_null(open_device("crypto_no_such_thing", 0, 1, CONTEXTS, &rc));
	assert_int_equal(rc, -ENOTSUP);
	assert_null(open_device("crypto_null", 0, 1, CONTEXTS, &rc)); /* it can do nothing of ours */
	assert_int_equal(rc, -ENOTSUP);
}

/* Two workers share the device; one has sessions for a single context. */
static void workers_and_sessions(void **state)
{
	struct sl_srtp_key key = {.suite = SL_SRTP_AES_CM_128_80};
	struct sl_srtp *first, *second, *third;
	struct sl_srtp_context *c[2];
	int rc;

	first = open_device(devices[1], 0, 2, 1, &rc);
	assert_int_equal(rc, 0);
	second = open_device(devices[1], 1, 2, CONTEXTS, &rc);
	assert_int_equal(rc, 0);
	third = open_device(devices[1], 2, 3, CONTEXTS, &rc);
	assert_null(third);
	assert_int_equal(rc, -ENOTSUP);
	for (unsigned i = 0; i < 2; i++) {
		c[i] = (struct sl_srtp_context *)aligned_alloc(64, sl_srtp_context_bytes_max(first));
		assert_non_null(c[i]);
	}
	assert_int_equal(sl_srtp_context_init(first, c[0], &key), 0);
	assert_int_equal(sl_srtp_context_init(first, c[1], &key), -ENOSPC);
	assert_int_equal(c[1]->suite, SL_SRTP_NONE);
	sl_srtp_context_end(first, c[0]);
	assert_int_equal(sl_srtp_context_init(first, c[1], &key), 0);
	sl_srtp_context_end(first, c[1]);
	sl_srtp_close(first);
	sl_srtp_close(second);
	free(c[0]);
	free(c[1]);
}

static int cases_of(const char *device, bool device_verifies)
{
	struct sl_srtp *e;
	char name[64];
	int rc, failed;

	e = open_device(device, 0, 2, CONTEXTS, &rc);
	if (!e)
		return -1;
	sl_srtp_cryptodev_verify(e, device_verifies);
	snprintf(name, sizeof name, "%s, %s compares", device, device_verifies ? "device" : "engine");
	failed = srtp_cases(name, e);
	sl_srtp_close(e);
	return failed;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(refusals),
	        cmocka_unit_test(workers_and_sessions),
	};
	char *args[] = {"test_srtp_cryptodev", "-l", "0", "--no-huge", "--no-shconf", "--no-pci", "-m", "128",
	        "--no-telemetry", "--log-level=*:error"};
	int failed = 0;

	if (rte_eal_init((int)SL_COUNT(args), args) < 0)
		return SKIPPED;
	srtp_init();
	for (unsigned i = 0; i < SL_COUNT(devices); i++)
		for (unsigned verifies = 0; verifies < 2; verifies++) {
			int rc = cases_of(devices[i], verifies);
			if (rc < 0)
				return failed ? failed : SKIPPED;
			failed += rc;
		}
	failed += cmocka_run_group_tests(tests, NULL, NULL);
	srtp_shutdown();
	rte_eal_cleanup();
	return failed;
}

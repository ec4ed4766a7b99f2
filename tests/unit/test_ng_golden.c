/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/ng/brain.h"
#include "tests/unit/fake_media.h"
#include "tests/unit/guard.h"

/* tests/golden/ng: NAME.request is one message as a proxy sends it, NAME.asked what the engine must be asked,
 * NAME.reply the answer, byte by byte. SL_GOLDEN_WRITE=1 writes the latter two: look at the difference before
 * you commit it. */

enum { TEXT_MAX = 128 * 1024, CASES_MAX = 256 };

static const char *folder;
static struct sl_guard guard;
static char reply[TEXT_MAX];
static size_t reply_len;

static int64_t clock_ms(void)
{
	return 1700000010000;
}

static void answered(void *ctx, struct sl_ng_request *r)
{
	sl_ng_request_encode(r, SL_NG_UDP_ANSWER_MAX);
	assert_true(r->answer.n > 0 && r->answer.n <= sizeof reply);
	memcpy(reply, r->answer.p, r->answer.n);
	reply_len = r->answer.n;
	sl_ng_request_free(r);
}

static size_t read_file(const char *name, const char *suffix, char *buf)
{
	char path[512];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.%s", folder, name, suffix);
	f = fopen(path, "rb");
	if (f) {
		n = fread(buf, 1, TEXT_MAX - 1, f);
		fclose(f);
	}
	buf[n] = '\0';
	return n;
}

static void write_file(const char *name, const char *suffix, const char *text, size_t len)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s.%s", folder, name, suffix);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static void execute(const char *text, size_t len)
{
	static struct sl_ng_brain brain;
	struct sl_slice message = {(const char *)sl_guard_put(&guard, text, len), len}, cookie, rest;
	struct sl_ng_request *r;

	memset(&brain, 0, sizeof brain);
	brain.media = fake_media_reset();
	brain.answered = answered;
	brain.unix_ms = clock_ms;
	brain.n_addresses = 1;
	sl_ip_parse("192.0.2.1", &brain.addresses[0].ip);
	fake_media_call("call-plain@x", "uactag", "uastag");
	assert_true(sl_ng_split(message, &cookie, &rest));
	r = sl_ng_request_new(cookie, rest);
	assert_non_null(r);
	if (sl_ng_request_read(r))
		sl_ng_execute(&brain, r);
	else
		answered(NULL, r);
	fake_media_done();
}

static void check(const char *name, const char *suffix, const char *text, size_t len)
{
	static char golden[TEXT_MAX];
	size_t n = read_file(name, suffix, golden);

	if (getenv("SL_GOLDEN_WRITE")) {
		write_file(name, suffix, text, len);
		return;
	}
	if (n != len || memcmp(golden, text, len) != 0)
		fail_msg("%s.%s:\nis\n%.*s\nshould be\n%s", name, suffix, (int)len, text, golden);
}

static void as_golden(void **state)
{
	static char text[TEXT_MAX];
	const char *name = *state;
	size_t len = read_file(name, "request", text);

	execute(text, len);
	check(name, "asked", fake_media.asked, strlen(fake_media.asked));
	check(name, "reply", reply, reply_len);
}

static int by_name(const void *a, const void *b)
{
	const struct CMUnitTest *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[CASES_MAX];
	struct dirent *d;
	size_t n = 0;
	DIR *dir;

	folder = argc > 1 ? argv[1] : "";
	dir = opendir(folder);
	if (!dir) {
		fprintf(stderr, "usage: test_ng_golden FOLDER\n");
		return 2;
	}
	while ((d = readdir(dir)) && n < CASES_MAX) {
		char *name = strdup(d->d_name), *dot = name ? strrchr(name, '.') : NULL;
		if (!dot || strcmp(dot, ".request") != 0) {
			free(name);
			continue;
		}
		*dot = '\0';
		tests[n++] = (struct CMUnitTest){.name = name, .test_func = as_golden, .initial_state = name};
	}
	closedir(dir);
	qsort(tests, n, sizeof tests[0], by_name);
	guard = sl_guard_make(TEXT_MAX);
	int failed = _cmocka_run_group_tests("ng golden", tests, n, NULL, NULL);
	for (size_t i = 0; i < n; i++)
		free(tests[i].initial_state);
	fake_media_reset();
	sl_guard_free(&guard);
	return failed || n == 0;
}

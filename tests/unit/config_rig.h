/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Configuration files as the tests of the parser want them: a right text with a single edit, in a folder of its own. */

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/options.h"

enum { CONFIG_CORES = 4, CONFIG_FILE_MAX = 8192 };

struct config_edit {
	const char *find, *put, *expect; /* expect: how the message goes on after the file's name; or an option */
};

static char config_folder[] = "/tmp/sluice-test-config-XXXXXX";
static char config_path[64], config_other[64];

static int config_make_folder(void **state)
{
	if (mkdtemp(config_folder) == NULL)
		return -1;
	snprintf(config_path, sizeof config_path, "%s/a.conf", config_folder);
	snprintf(config_other, sizeof config_other, "%s/b.conf", config_folder);
	return 0;
}

static int config_remove_folder(void **state)
{
	unlink(config_path);
	unlink(config_other);
	return rmdir(config_folder);
}

static inline void config_write(const char *to, const char *text)
{
	FILE *f = fopen(to, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* text with its first occurrence of find replaced. */
static inline void config_write_edited(const char *text, const char *find, const char *put)
{
	char edited[CONFIG_FILE_MAX];
	const char *at = strstr(text, find);

	assert_non_null(at);
	assert_true(snprintf(edited, sizeof edited, "%.*s%s%s", (int)(at - text), text, put, at + strlen(find)) <
		(int)sizeof edited);
	config_write(config_path, edited);
}

static inline int config_load_text(const char *text, struct sl_config **c, char *err, size_t err_len)
{
	config_write(config_path, text);
	return sl_config_load_for(config_path, CONFIG_CORES, c, err, err_len);
}

/* It loads, or the test fails. The caller's to free. */
static inline struct sl_config *config_load_edited(const char *text, const char *find, const char *put)
{
	struct sl_config *c;
	char err[1024];

	config_write_edited(text, find, put);
	if (sl_config_load_for(config_path, CONFIG_CORES, &c, err, sizeof err) != 0)
		fail_msg("%s", err);
	return c;
}

static inline void config_expect_wrong(const char *text, const struct config_edit *edits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char err[1024], start[256];
		struct sl_config *c;

		config_write_edited(text, edits[i].find, edits[i].put);
		if (sl_config_load_for(config_path, CONFIG_CORES, &c, err, sizeof err) != -EINVAL)
			fail_msg("edit %zu is accepted: %s", i, edits[i].put);
		assert_null(c);
		snprintf(start, sizeof start, "%s:%s", config_path, edits[i].expect);
		if (strncmp(err, start, strlen(start)) != 0 || strchr(err, '\n') != NULL)
			fail_msg("edit %zu\n  wanted %s\n  got    %s", i, start, err);
	}
}

/* expect: the option that asks for a restart; NULL = none does. */
static inline void config_expect_restarts(const char *text, const struct config_edit *edits, size_t n)
{
	struct sl_config *a = config_load_edited(text, "", "");

	for (size_t i = 0; i < n; i++) {
		struct sl_config *b = config_load_edited(text, edits[i].find, edits[i].put);
		char what[64] = "";

		if (sl_config_needs_restart(a, b, what, sizeof what) != (edits[i].expect != NULL))
			fail_msg("edit %zu: %s: %s", i, edits[i].put, what);
		assert_string_equal(what, edits[i].expect != NULL ? edits[i].expect : "");
		sl_config_free(b);
	}
	sl_config_free(a);
}

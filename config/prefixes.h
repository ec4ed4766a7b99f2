/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Prefixes as an operator writes them, one by one and in files: what is wrong is said so that it can be put right. */

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/wire/addr.h"

/* Longest line of a file of prefixes, its comment included. */
enum { SL_PREFIX_LINE_MAX = 1024 };

/* sl_prefix_parse() that tells what is wrong with text: host bits get the right spelling. 0 or -EINVAL with why. */
int sl_prefix_read(const char *text, struct sl_prefix *out, char *why, size_t why_len);

/* Is it all of a family ("0.0.0.0/0", "::/0")? */
bool sl_prefix_is_all(const struct sl_prefix *p);

/* Add the prefixes of a file to *list (realloc'd, *n of them, at most max). One a line; "#" and ";" begin a comment. 0, or negative errno with why, which
 * names file and line; *list and *n are then as they were. */
int sl_prefixes_read_file(const char *path, struct sl_prefix **list, size_t *n, size_t max, char *why, size_t why_len);

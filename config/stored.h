/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The configuration as last accepted, kept in a memfd by a program's keeper: a crash must not pick up a file that was
 * edited but not reloaded, or whose reload was refused. Includes are resolved in it,
 * and the guard's lists of prefixes that have files of their own are part of it. Never on a disk. */

#include "config/options.h"

/* A memfd (close-on-exec) with the configuration at path in it, or negative errno. token: written instead of
 * control.api_token_file, which may change on its own; NULL = leave that option as it is. */
int sl_config_stored_new(const char *path, const char *token);

/* The same into fd, whatever it held. 0 or negative errno. */
int sl_config_stored_write(int fd, const char *path, const char *token);

/* Load what fd holds, as sl_config_load() would; errors name it as path, (*out)->path is path. */
int sl_config_stored_load(int fd, const char *path, struct sl_config **out, char *err, size_t err_len);

/* What from holds into to, whatever it held. 0 or negative errno. */
int sl_config_stored_copy(int to, int from);

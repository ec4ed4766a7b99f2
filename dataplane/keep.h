/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The keeper half of sluice-dataplane: makes the region, the cold records and the TAPs, silences Linux on interfaces it
 * shares, and keeps a working half alive on them (dataplane/abi/keeper.h). */

#include <stdbool.h>

#include "config/options.h"

struct sl_keep_options {
	const char *program; /* argv[0] */
	const char *config_path;
	bool daemon;
	const char *pid_file, *log_file;
};

/* Runs until it is told to stop; returns main()'s exit status. */
int sl_keep(const struct sl_keep_options *o, const struct sl_config *c);

/* Take away what is left when no keeper runs: the TAPs and the silencing. For config/down. Returns the exit status. */
int sl_keep_release(const struct sl_config *c);

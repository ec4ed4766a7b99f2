/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between keeper.c (the loop) and keeper_start.c (background, pid file, log, systemd). */

#include "dataplane/abi/keeper.h"

/* Send one line of sd_notify(3)'s protocol to systemd, if it listens. */
void sl_keeper_systemd(const char *line);

/* Let the process that started a daemon go, with that exit status. Only the first call counts. */
void sl_keeper_release_parent(struct sl_keeper *k, int status);

/* Remove the pid file and release whoever still waits. */
void sl_keeper_end(struct sl_keeper *k, int status);

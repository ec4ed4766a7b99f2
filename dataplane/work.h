/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The working half: the process that touches packets. config_path: the file to read at a reload; handed: what the keeper
 * hands over (handed.h). Returns main()'s exit status: 0 when told to stop, SL_KEEPER_EXIT_CONFIG when it cannot start. */
int sl_work(const char *config_path, const char *handed);

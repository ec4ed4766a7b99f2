/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The calling thread runs Sofia's loop: its waiting is mended from now on (loop.c). */
void sl_loop_is_brain(void);

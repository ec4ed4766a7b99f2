/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* How far apart two cores are: the time a cache line takes from one to the other and back. */

#include <stdint.h>

/* Median round trip in TSC cycles between two CPUs; 0 when they cannot be used (a message is printed).
 * Runs for some ten milliseconds in the real-time class where permitted, so that a busy core gives way. */
uint64_t ping_pong_cycles(unsigned cpu_a, unsigned cpu_b);

/* Cycles of the time-stamp counter in a second; measured for some milliseconds, since EAL, which knows them, has not been started. */
uint64_t ping_pong_tsc_hz(void);

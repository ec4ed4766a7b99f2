/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Local time of a zone, from the system's zoneinfo files (RFC 8536): the C library knows one zone at a time, and it belongs to the whole
 * process. */

#include <stdbool.h>
#include <stdint.h>

struct sl_zone;
struct sl_local_time {
	unsigned weekday; /* 0 = Monday */
	unsigned minute;  /* of the day */
};

/* Does the system have it ("UTC" always)? Reads a file; any thread. */
bool sl_zone_exists(const char *name);
/* NULL: it is not there, or no memory. Read once, then kept for the life of the process: the brain's thread. "UTC" is NULL too. */
const struct sl_zone *sl_zone_get(const char *name);
/* Seconds east of UTC at that time; zone NULL = UTC. */
int32_t sl_zone_offset(const struct sl_zone *z, int64_t unix_s);
struct sl_local_time sl_zone_local(const struct sl_zone *z, int64_t unix_s);
/* Parse the bytes of a zoneinfo file: for tests. Freed by free(). */
struct sl_zone *sl_zone_parse(const uint8_t *data, unsigned len);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A connection to Redis, or to what speaks its protocol: blocking, with bounds. Any thread, one at a time. */

#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>

enum {
	SL_REDIS_CONNECT_MS = 5000,
	SL_REDIS_WAIT_MS = 10000, /* for an answer */
	SL_REDIS_TEXT = 200,
};

/* What "redis://[[user]:password@]host[:port][/db]" or the path of a UNIX socket says. */
struct sl_redis_address {
	char host[256];     /* a path when port is 0 */
	unsigned port, db;
	char user[128], password[256]; /* "" = none */
};
/* 0 or -EINVAL. */
int sl_redis_parse(const char *text, struct sl_redis_address *out);
/* Without the password. */
void sl_redis_name(const char *connect, char *out, size_t room);
/* Connected, known and in its database; or NULL with words in text (SL_REDIS_TEXT bytes). */
redisContext *sl_redis_connect(const char *connect, char *text);

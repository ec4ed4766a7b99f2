/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Reading a table whole, on the sources' thread: it may wait, but gives up soon after *stop is set, and when nothing comes for
 * SL_SOURCE_WAIT_MS. */

#include <stdatomic.h>

#include "controlplane/turn/source_set.h"

enum {
	SL_SOURCE_CONNECT_MS = 5000,
	SL_SOURCE_WAIT_MS = 20000,
	SL_SOURCE_TEXT = 200,
};

/* A finished set, or NULL with words in text (SL_SOURCE_TEXT bytes), which hold no password. */
typedef struct sl_source_set *(*sl_source_read)(const char *connect, const atomic_bool *stop, char *text);
struct sl_source_set *sl_source_read_sqlite(const char *connect, const atomic_bool *stop, char *text);
struct sl_source_set *sl_source_read_postgresql(const char *connect, const atomic_bool *stop, char *text);
struct sl_source_set *sl_source_read_redis(const char *connect, const atomic_bool *stop, char *text);

/* What is shown of a connection: without passwords. */
void sl_source_name_postgresql(const char *connect, char *out, size_t room);

/* Tables of the SQL databases. X(NAME, columns, "table") : columns in the order of sl_source_row() */
#define SL_SOURCE_TABLES(X)                                                                                     \
	X(USERS, 3, "realm, name, hmackey", "turnusers_lt")                                                     \
	X(SECRETS, 2, "realm, value", "turn_secret")                                                            \
	X(ALLOWED, 2, "realm, ip_range", "allowed_peer_ip")                                                     \
	X(DENIED, 2, "realm, ip_range", "denied_peer_ip")                                                       \
	X(ORIGINS, 2, "origin, realm", "turn_origin_to_realm")                                                  \
	X(OPTIONS, 3, "realm, opt, value", "turn_realm_option")                                                 \
	X(KEYS, 6, "kid, ikm_key, timestamp, lifetime, as_rs_alg, realm", "oauth_key")
enum sl_source_table {
#define X(name, n, columns, table) SL_SOURCE_##name,
	SL_SOURCE_TABLES(X)
#undef X
	SL_SOURCE_N_TABLES
};
enum { SL_SOURCE_COLUMNS_MAX = 6 };
struct sl_source_query {
	const char *table, *sql;
	unsigned n_columns;
};
/* That of users must be there; the others may be missing: coturn of some ages had them not. */
extern const struct sl_source_query sl_source_queries[SL_SOURCE_N_TABLES];

/* A row of that table, its columns in order. */
void sl_source_row(struct sl_source_set *s, enum sl_source_table table, const struct sl_row_text *columns);

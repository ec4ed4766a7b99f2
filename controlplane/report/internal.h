/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of this folder. */

#include <stdio.h>

#include <jansson.h>

#include "controlplane/report/cdr.h"

/* ---- cdr_row.c: records and rows, on the store's thread ---- */

struct sqlite3_stmt;

/* Every column, in the order of insertion and of reading. X(kind, column, member of struct sl_cdr) */
#define SL_CDR_COLUMNS(X)                                                                                                   \
	X(ID, leg, leg)                                                                                                     \
	X(ID, call, call)                                                                                                   \
	X(TEXT, tenant, tenant)                                                                                             \
	X(TEXT, user, user)                                                                                                 \
	X(TEXT, trunk, trunk)                                                                                               \
	X(TEXT, route, route)                                                                                               \
	X(TEXT, from_uri, from)                                                                                             \
	X(TEXT, to_uri, to)                                                                                                 \
	X(NUMBER, direction, direction)                                                                                     \
	X(NUMBER, begun_ms, begun_unix_ms)                                                                                  \
	X(NUMBER, ringing_ms, ringing_unix_ms)                                                                              \
	X(NUMBER, answered_ms, answered_unix_ms)                                                                            \
	X(NUMBER, ended_ms, ended_unix_ms)                                                                                  \
	X(NUMBER, status, status)                                                                                           \
	X(NUMBER, q850, q850)                                                                                               \
	X(TEXT, cause, cause)                                                                                               \
	X(NUMBER, ended_by, ended_by)                                                                                       \
	X(NUMBER, restored, restored)                                                                                       \
	X(NUMBER, unfinished, unfinished)                                                                                   \
	X(TEXT, sip_call_id, sip_call_id)                                                                                   \
	X(TEXT, remote, remote)                                                                                             \
	X(TEXT, user_agent, user_agent)                                                                                     \
	X(TEXT, codec, codec)                                                                                               \
	X(NUMBER, packets_in, media.packets_in)                                                                             \
	X(NUMBER, bytes_in, media.bytes_in)                                                                                 \
	X(NUMBER, packets_out, media.packets_out)                                                                           \
	X(NUMBER, bytes_out, media.bytes_out)                                                                               \
	X(NUMBER, lost, media.lost)                                                                                         \
	X(NUMBER, jitter_us, media.jitter_us)                                                                               \
	X(NUMBER, round_trip_us, media.round_trip_us)                                                                       \
	X(NUMBER, mos_x100, media.mos_x100)                                                                                 \
	X(NUMBER, mos_min_x100, media.mos_min_x100)                                                                         \
	X(ATTEMPTS, attempts, attempts)

/* 0, or -EIO with the database's words in text. */
int sl_cdr_row_insert(struct sl_store_db *db, const struct sl_cdr *r, char *text);
/* The row under the statement, which selects SL_CDR_COLUMNS, without its attempts; and those, of a row that is wanted: they cost more. */
void sl_cdr_row_read(struct sqlite3_stmt *st, struct sl_cdr *out);
void sl_cdr_row_attempts(struct sqlite3_stmt *st, struct sl_cdr *out);
/* Its id alone, and whether it is what is asked for: most rows of a search are not. */
void sl_cdr_row_leg(struct sqlite3_stmt *st, struct sl_id *out);
bool sl_cdr_row_fits(struct sqlite3_stmt *st, const struct sl_cdr_query *q);
int sl_cdr_row_failed(struct sl_store_db *db, char *text);

/* ---- cdr_text.c ---- */

json_t *sl_cdr_json(const struct sl_cdr *r);
void sl_cdr_csv_head(FILE *f);
void sl_cdr_csv(FILE *f, const struct sl_cdr *r);
/* What a number is looked up by: the user part of a URI, or of a name-addr; a leading + does not count. */
bool sl_cdr_has_number(const char *uri, const char *number); /* uri NULL: no */
/* Attempts as they stand in the database. Writes at most room bytes with the NUL. */
void sl_cdr_attempts_text(const struct sl_cdr *r, char *out, size_t room);
void sl_cdr_attempts_read(struct sl_cdr *r, const char *text);

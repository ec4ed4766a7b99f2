/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Tables of schema 2, each written down beside the others by the module that owns it. Once released never edited: a change is a new entry
 * of store.c's list. */

/* provision/ */
#define SL_SCHEMA_PROVISION                                                                                                 \
	"CREATE TABLE resources ("                                                                                          \
	" kind TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,"                                                \
	" body TEXT NOT NULL," /* JSON, as validated; HA1s, never passwords */                                              \
	" PRIMARY KEY (kind, name)) WITHOUT ROWID;"

/* registrar/ */
#define SL_SCHEMA_REGISTRAR                                                                                                 \
	"CREATE TABLE bindings ("                                                                                           \
	" id INTEGER PRIMARY KEY NOT NULL, user TEXT NOT NULL, contact TEXT NOT NULL, path TEXT NOT NULL,"                  \
	" instance TEXT NOT NULL, user_agent TEXT NOT NULL, call_id TEXT NOT NULL, pub_gruu TEXT NOT NULL,"                 \
	" flow BLOB NOT NULL, cseq INTEGER NOT NULL, reg_id INTEGER NOT NULL, q INTEGER NOT NULL, nat INTEGER NOT NULL,"    \
	" created INTEGER NOT NULL, updated INTEGER NOT NULL, expires INTEGER NOT NULL);" /* milliseconds since 1970 */     \
	"CREATE TABLE registrar_keys (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;"

/* report/: one row for each leg. Ids begin with milliseconds since 1970, so the index of legs is the order of time as well. */
#define SL_SCHEMA_REPORT                                                                                                    \
	"CREATE TABLE cdrs ("                                                                                               \
	" leg BLOB PRIMARY KEY NOT NULL CHECK (length(leg) = 16), call BLOB NOT NULL CHECK (length(call) = 16),"            \
	" tenant TEXT NOT NULL, user TEXT NOT NULL, trunk TEXT NOT NULL, route TEXT NOT NULL,"                              \
	" from_uri TEXT NOT NULL, to_uri TEXT NOT NULL, direction INTEGER NOT NULL,"                                        \
	" begun_ms INTEGER NOT NULL, ringing_ms INTEGER NOT NULL, answered_ms INTEGER NOT NULL, ended_ms INTEGER NOT NULL," \
	" status INTEGER NOT NULL, q850 INTEGER NOT NULL, cause TEXT NOT NULL, ended_by INTEGER NOT NULL,"                  \
	" restored INTEGER NOT NULL, unfinished INTEGER NOT NULL,"                                                          \
	" sip_call_id TEXT NOT NULL, remote TEXT NOT NULL, user_agent TEXT NOT NULL, codec TEXT NOT NULL,"                  \
	" packets_in INTEGER NOT NULL, bytes_in INTEGER NOT NULL, packets_out INTEGER NOT NULL, bytes_out INTEGER NOT NULL," \
	" lost INTEGER NOT NULL, jitter_us INTEGER NOT NULL, round_trip_us INTEGER NOT NULL,"                               \
	" mos_x100 INTEGER NOT NULL, mos_min_x100 INTEGER NOT NULL,"                                                        \
	" attempts TEXT NOT NULL);" /* one a line: trunk, target, status, ms */                                                         \
	"CREATE INDEX cdrs_call ON cdrs (call, leg);"                                                                       \
	"CREATE INDEX cdrs_user ON cdrs (user, leg) WHERE user <> '';"

/* http/: answers of requests with an Idempotency-Key */
#define SL_SCHEMA_HTTP                                                                                                      \
	"CREATE TABLE answers ("                                                                                            \
	" owner BLOB NOT NULL, key TEXT NOT NULL," /* whose key: a hash of the token; what he chose */                      \
	" request BLOB NOT NULL,"                  /* hash of method, path, arguments and body */                           \
	" status INTEGER NOT NULL, etag TEXT NOT NULL, body BLOB NOT NULL, created INTEGER NOT NULL,"                       \
	" PRIMARY KEY (owner, key)) WITHOUT ROWID;"                                                                         \
	"CREATE INDEX answers_created ON answers (created);"

/* ---- tables of schema 3 ---- */

/* guard/: entries of operators and of reputation */
#define SL_SCHEMA_GUARD                                                                                                     \
	"CREATE TABLE guard_entries ("                                                                                      \
	" kind INTEGER NOT NULL, ip BLOB NOT NULL CHECK (length(ip) = 16), len INTEGER NOT NULL,"                           \
	" origin INTEGER NOT NULL, times INTEGER NOT NULL, since INTEGER NOT NULL, until INTEGER NOT NULL,"                 \
	" reason TEXT NOT NULL," /* milliseconds since 1970; until 0: no end */                                             \
	" PRIMARY KEY (kind, ip, len)) WITHOUT ROWID;"

/* ---- tables of schema 4 ---- */

/* TURN: users of many realms; turn/: what operators set beside the file */
#define SL_SCHEMA_TURN                                                                                                      \
	"ALTER TABLE users RENAME TO users_of_one_realm;"                                                                   \
	"CREATE TABLE users ("                                                                                              \
	" name BLOB NOT NULL CHECK (length(name) BETWEEN 1 AND 508),"                                                       \
	" realm TEXT NOT NULL,"                                                                                             \
	" key_md5 BLOB NOT NULL CHECK (length(key_md5) = 16),"                                                              \
	" key_sha256 BLOB NOT NULL CHECK (length(key_sha256) = 32),"                                                        \
	" userhash BLOB NOT NULL CHECK (length(userhash) = 32),"                                                            \
	" created INTEGER NOT NULL," /* seconds since 1970 */                                                               \
	" PRIMARY KEY (realm, name)) WITHOUT ROWID;"                                                                        \
	"INSERT INTO users SELECT name, realm, key_md5, key_sha256, userhash, created FROM users_of_one_realm;"             \
	"DROP TABLE users_of_one_realm;"                                                                                    \
	"CREATE TABLE turn_peers ("                                                                                         \
	" position INTEGER PRIMARY KEY NOT NULL, realm TEXT NOT NULL," /* '' = of all */                                     \
	" ip BLOB NOT NULL CHECK (length(ip) = 16), len INTEGER NOT NULL, allow INTEGER NOT NULL);"                         \
	"CREATE TABLE turn_restricted ("                                                                                    \
	" account INTEGER NOT NULL, realm TEXT NOT NULL, name BLOB NOT NULL," /* of an account */                           \
	" ip BLOB NOT NULL CHECK (length(ip) = 16), len INTEGER NOT NULL,"    /* else of a prefix */                        \
	" PRIMARY KEY (account, realm, name, ip, len)) WITHOUT ROWID;"                                                      \
	"CREATE TABLE turn_drain ("                                                                                         \
	" one INTEGER PRIMARY KEY NOT NULL CHECK (one = 1)," /* a row while it drains */                                    \
	" max_lifetime_s INTEGER NOT NULL, since INTEGER NOT NULL, allocations INTEGER NOT NULL);"

/* ---- tables of schema 5 ---- */

/* turn/: records of allocations, those that run too (end_ms 0); changes of them that the webhook has not taken */
#define SL_SCHEMA_TURN_RECORDS                                                                                              \
	"CREATE TABLE turn_records ("                                                                                       \
	" id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16), allocation INTEGER NOT NULL,"                               \
	" user TEXT NOT NULL, realm TEXT NOT NULL, client TEXT NOT NULL, server TEXT NOT NULL, transport INTEGER NOT NULL,"  \
	" relay TEXT NOT NULL, relay2 TEXT NOT NULL, flags INTEGER NOT NULL,"                                               \
	" start_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, reason INTEGER NOT NULL,"        \
	" interims INTEGER NOT NULL, to_peer_packets INTEGER NOT NULL, to_peer_bytes INTEGER NOT NULL,"                     \
	" to_client_packets INTEGER NOT NULL, to_client_bytes INTEGER NOT NULL);" /* milliseconds since 1970 */             \
	"CREATE INDEX turn_records_user ON turn_records (user, id);"                                                        \
	"CREATE INDEX turn_records_open ON turn_records (id) WHERE end_ms = 0;"                                             \
	"CREATE TABLE turn_spool (seq INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);"

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
#define SL_SCHEMA_REGISTRAR ""

/* report/ */
#define SL_SCHEMA_REPORT ""

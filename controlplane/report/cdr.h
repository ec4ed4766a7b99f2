/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Call detail records: one for each leg. Facts are gathered in the leg (and its call's journal record, so that a crash costs none);
 * at the end they are committed to SQLite, in groups, and only then is the call's end told to anyone who asks. A record is written at
 * most once: its id is the leg's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/call/id.h"
#include "controlplane/store/store.h"

enum { SL_CDR_URI_MAX = 128, SL_CDR_NAME_MAX = 64, SL_CDR_ADDRESS_MAX = 64, SL_CDR_ATTEMPTS_MAX = 6 };

/* POD: copied into the journal as it is. Who writes: M = the call model, L = the kind of leg, C = the controller. */
struct sl_cdr {
	struct sl_id leg, call;                     /* M */
	char tenant[SL_CDR_NAME_MAX];               /* M */
	uint8_t direction;                          /* M: enum sl_leg_direction */
	uint8_t restored, unfinished;               /* M: lived through a crash; could not be made again: ended at its last known time */
	uint8_t ended_by;                           /* M: enum sl_cause_by */
	uint16_t status;                            /* M: SIP status of the end; 200 = normal */
	uint8_t q850;                               /* M */
	uint8_t n_attempts;                         /* C */
	int64_t begun_unix_ms, ringing_unix_ms, answered_unix_ms, ended_unix_ms; /* M; 0 = never */
	char from[SL_CDR_URI_MAX], to[SL_CDR_URI_MAX];                 /* L: as this leg's dialog has them */
	char sip_call_id[SL_CDR_URI_MAX];                              /* L */
	char remote[SL_CDR_ADDRESS_MAX];                               /* L: "udp:192.0.2.10:5060" */
	char user_agent[SL_CDR_NAME_MAX];                              /* L */
	char user[SL_CDR_NAME_MAX], trunk[SL_CDR_NAME_MAX], route[SL_CDR_NAME_MAX]; /* C: who it was; "" = none */
	char cause[80];                                                /* M: in words */
	char codec[24];                                                /* C, from the media engine at the end */
	struct sl_cdr_media {                                          /* C: what came from, and went to, this leg */
		uint64_t packets_in, bytes_in, packets_out, bytes_out;
		uint32_t lost, jitter_us, round_trip_us;
		uint16_t mos_x100, mos_min_x100;                       /* 0 = not known */
	} media;
	struct sl_cdr_attempt {                                        /* C, of the incoming leg: what was tried */
		char trunk[32];
		char target[48];
		uint16_t status;
		uint16_t ms;                                           /* until it failed or was answered */
	} attempts[SL_CDR_ATTEMPTS_MAX];
};

struct sl_cdrs;
typedef void (*sl_cdrs_done)(void *ctx, int error);

/* retention_days 0 = for ever. NULL with text. */
struct sl_cdrs *sl_cdrs_open(struct sl_store *store, unsigned retention_days, char *text, size_t text_len);
/* What waits is committed, and told, before it returns: for the end of the program, while whoever is told is still there. */
void sl_cdrs_flush(struct sl_cdrs *c);
/* Commit what waits and tell nobody any more, then free: before the store is closed. What a failing store did not take is forgotten
 * (journals have it). NULL is fine. */
void sl_cdrs_close(struct sl_cdrs *c);
/* Commits what came since the last, tries again, retention: each 50 ms. */
void sl_cdrs_tick(struct sl_cdrs *c, int64_t now_unix_ms);
/* Commit n records (copied), all or nothing, with the next tick; one that is there already is left as it is, unless it is unfinished. done
 * after the commit, on the brain; a store that fails is tried again for ever (the records stay in the journal meanwhile), so error is 0. 0
 * or -ENOMEM (try again). */
int sl_cdrs_commit(struct sl_cdrs *c, const struct sl_cdr *const *records, size_t n, sl_cdrs_done done, void *ctx);
/* Not yet committed. */
size_t sl_cdrs_pending(const struct sl_cdrs *c);

/* X(NAME, what it counts) */
#define SL_CDR_COUNTERS(X)                                                                                                  \
	X(committed, "call detail records committed")                                                                       \
	X(retries, "commits of call detail records that failed and were tried again")                                      \
	X(expired, "call detail records deleted by age")                                                                    \
	X(listings, "listings of call detail records asked for")
struct sl_cdr_counts {
#define X(name, text) uint64_t name;
	SL_CDR_COUNTERS(X)
#undef X
};
void sl_cdrs_counts(const struct sl_cdrs *c, struct sl_cdr_counts *out);
/* Another retention, of a reloaded configuration. */
void sl_cdrs_set_retention(struct sl_cdrs *c, unsigned days);

/* Listing, newest first: {"cdrs": [...], "next": what `after` must be for the next page, or null}, or with csv a head and lines (RFC 4180).
 * "" = any. Answered later, on the brain; rows are looked at in slices, so that a long search does not keep commits waiting. */
struct sl_cdr_query {
	char tenant[SL_CDR_NAME_MAX], call[SL_ID_TEXT], user[SL_CDR_NAME_MAX], trunk[SL_CDR_NAME_MAX], number[SL_CDR_NAME_MAX];
	int64_t from_unix_ms, to_unix_ms; /* begun in this time; 0 = open */
	char after[SL_ID_TEXT];           /* page: those older than this one ("CD..."); "" = from the newest */
	unsigned limit;                   /* 1..SL_CDR_LIST_MAX */
	bool csv;
};
enum { SL_CDR_LIST_MAX = 10000 };
/* text: JSON or CSV; of an error: words. */
typedef void (*sl_cdrs_listed)(void *ctx, int error, const char *text, size_t len);
/* 0, -EINVAL (an id that is none), -ENOBUFS, -ENOMEM: done is not called then. */
int sl_cdrs_list(struct sl_cdrs *c, const struct sl_cdr_query *q, sl_cdrs_listed done, void *ctx);

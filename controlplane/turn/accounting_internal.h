/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of accounting. */

#include <stdio.h>

#include <jansson.h>

#include "controlplane/turn/accounting.h"

/* End of a record, as it is shown and kept: those of enum sl_allocation_end, and this one. */
enum { SL_TURN_END_UNKNOWN = 255 };
const char *sl_turn_end_name(unsigned end);

enum sl_turn_change { SL_TURN_START = 1, SL_TURN_INTERIM, SL_TURN_STOP, SL_TURN_LOST /* ended, nobody knows when or how: the row has the rest */,
	SL_TURN_REFRESH /* for Redis alone */ };

struct sl_turn_traffic {
	uint64_t to_peer_packets, to_peer_bytes, to_client_packets, to_client_bytes;
};

/* A record as it stands after a change. Texts lie behind it. */
struct sl_turn_record {
	struct sl_turn_record *next;
	enum sl_turn_change change;
	struct sl_id id;
	uint64_t allocation;
	int64_t start_unix_ms, updated_unix_ms, end_unix_ms; /* end 0 = it runs */
	uint32_t interims, lifetime_s;
	uint8_t end, transport, flags; /* enum sl_turn_transport; SL_ALLOC_IS_* */
	bool found;                    /* LOST: its row was there */
	struct sl_endpoint client, server, relay, relay2; /* relay2: port 0 = none */
	struct sl_turn_traffic traffic, since; /* in all; since the last change but REFRESH */
	const char *user, *realm;
	char text[];
};

/* accounting_row.c: all but the texts from an event; user, realm: copied. NULL: no memory. */
struct sl_turn_record *sl_turn_record_new(const struct sl_evt_allocation *e, const char *realm);
struct sl_turn_record *sl_turn_record_copy(const struct sl_turn_record *r);

/* ---- accounting_row.c: rows, on the store's thread ---- */

struct sqlite3_stmt;
#define SL_TURN_RECORD_COLUMNS \
	"id, allocation, user, realm, client, server, transport, relay, relay2, flags, start_ms, updated_ms, end_ms, reason, interims," \
	" to_peer_packets, to_peer_bytes, to_client_packets, to_client_bytes"
struct sl_turn_record *sl_turn_row_read(struct sqlite3_stmt *st); /* NULL: no memory */
/* Write the change down. keep: a record that ended stays. LOST: fills r from its row (texts are added: *r may move). 0 or -EIO with
 * text. */
int sl_turn_row_write(struct sl_store_db *db, struct sl_turn_record **r, bool keep, char *text);
/* One more for the webhook. */
int sl_turn_spool_add(struct sl_store_db *db, const struct sl_turn_record *r, char *text);
int sl_turn_row_failed(struct sl_store_db *db, char *text);

/* ---- accounting_text.c ---- */

json_t *sl_turn_record_json(const struct sl_turn_record *r);
/* The same as a change: with "event" and a stable "event_id". */
json_t *sl_turn_change_json(const struct sl_turn_record *r);
void sl_turn_record_csv_head(FILE *f);
void sl_turn_record_csv(FILE *f, const struct sl_turn_record *r);

/* ---- accounting_hook.c: the spool to the webhook ---- */

struct sl_turn_hook;
struct sl_turn_hook *sl_turn_hook_new(struct sl_store *store, struct sl_mailbox *brain, const char *url, const char *secret);
void sl_turn_hook_leave(struct sl_turn_hook *h); /* nothing is sent any more */
void sl_turn_hook_free(struct sl_turn_hook *h);
/* url NULL: nothing is sent, what is spooled stays. Copied. 0 or -ENOMEM. */
int sl_turn_hook_configure(struct sl_turn_hook *h, const char *url, const char *secret);
/* There may be something in the spool; *counts are its own. */
void sl_turn_hook_tick(struct sl_turn_hook *h, size_t *spooled, struct sl_accounting_counts *counts, int64_t now_ms);
const char *sl_turn_hook_trouble(const struct sl_turn_hook *h); /* since the last success; "" = none; NULL = it has no address */

/* ---- accounting_redis.c: a thread that tells Redis ---- */

struct sl_turn_redis;
struct sl_turn_redis *sl_turn_redis_new(const char *connect); /* NULL: no memory, no thread */
void sl_turn_redis_free(struct sl_turn_redis *t); /* does not wait: what Redis takes at once of what waits is told, the rest is dropped */
/* r: its own from here on, also when it returns -ENOBUFS (there was no room: r is freed). */
int sl_turn_redis_tell(struct sl_turn_redis *t, struct sl_turn_record *r);
void sl_turn_redis_status(struct sl_turn_redis *t, struct sl_accounting_status *status, struct sl_accounting_counts *counts);

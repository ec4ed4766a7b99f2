/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Records as rows. All but making one runs on the store's thread. */

#include "controlplane/turn/accounting_internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

static struct sl_turn_record *record(const char *user, size_t user_len, const char *realm, size_t realm_len)
{
	struct sl_turn_record *r = calloc(1, sizeof *r + user_len + realm_len + 2);

	if (!r)
		return NULL;
	memcpy(r->text, user, user_len);
	memcpy(r->text + user_len + 1, realm, realm_len);
	r->user = r->text;
	r->realm = r->text + user_len + 1;
	return r;
}

struct sl_turn_record *sl_turn_record_new(const struct sl_evt_allocation *e, const char *realm)
{
	size_t user_len = strnlen(e->username, e->username_len < SL_MSG_EVENT_USERNAME_MAX ? e->username_len : SL_MSG_EVENT_USERNAME_MAX);
	struct sl_turn_record *r = record(e->username, user_len, realm, strlen(realm));

	if (!r)
		return NULL;
	r->allocation = e->id;
	r->lifetime_s = e->lifetime_s;
	r->transport = e->over;
	r->flags = e->flags;
	r->client = (struct sl_endpoint){e->client, e->client_port_be};
	r->server = (struct sl_endpoint){e->server, e->server_port_be};
	r->relay = (struct sl_endpoint){e->relay, e->relay_port_be};
	r->relay2 = (struct sl_endpoint){e->relay2, e->relay2_port_be};
	r->traffic = (struct sl_turn_traffic){e->to_peer_packets, e->to_peer_bytes, e->to_client_packets, e->to_client_bytes};
	return r;
}

struct sl_turn_record *sl_turn_record_copy(const struct sl_turn_record *r)
{
	struct sl_turn_record *copy = record(r->user, strlen(r->user), r->realm, strlen(r->realm));

	if (copy) {
		const char *user = copy->user, *realm = copy->realm;
		memcpy(copy, r, offsetof(struct sl_turn_record, text));
		copy->user = user;
		copy->realm = realm;
		copy->next = NULL;
	}
	return copy;
}

int sl_turn_row_failed(struct sl_store_db *db, char *text)
{
	snprintf(text, SL_STORE_TEXT, "%s", sqlite3_errmsg(sl_store_sqlite(db)));
	sl_log(SL_LOG_ERROR, "store: records of allocations: %s", text);
	return -EIO;
}

/* ---- reading ---- */

static struct sl_endpoint read_endpoint(sqlite3_stmt *st, int column)
{
	struct sl_endpoint e = {0};
	const char *text = (const char *)sqlite3_column_text(st, column);

	if (text && text[0])
		sl_endpoint_parse(text, &e);
	return e;
}

/* In the order of SL_TURN_RECORD_COLUMNS. */
struct sl_turn_record *sl_turn_row_read(sqlite3_stmt *st)
{
	const char *user = (const char *)sqlite3_column_text(st, 2), *realm = (const char *)sqlite3_column_text(st, 3);
	struct sl_turn_record *r = record(user ? user : "", user ? strlen(user) : 0, realm ? realm : "", realm ? strlen(realm) : 0);

	if (!r)
		return NULL;
	if (sqlite3_column_bytes(st, 0) == SL_ID_BYTES)
		memcpy(r->id.b, sqlite3_column_blob(st, 0), SL_ID_BYTES);
	r->allocation = (uint64_t)sqlite3_column_int64(st, 1);
	r->client = read_endpoint(st, 4);
	r->server = read_endpoint(st, 5);
	r->transport = (uint8_t)sqlite3_column_int(st, 6);
	r->relay = read_endpoint(st, 7);
	r->relay2 = read_endpoint(st, 8);
	r->flags = (uint8_t)sqlite3_column_int(st, 9);
	r->start_unix_ms = sqlite3_column_int64(st, 10);
	r->updated_unix_ms = sqlite3_column_int64(st, 11);
	r->end_unix_ms = sqlite3_column_int64(st, 12);
	r->end = (uint8_t)sqlite3_column_int(st, 13);
	r->interims = (uint32_t)sqlite3_column_int64(st, 14);
	r->traffic.to_peer_packets = (uint64_t)sqlite3_column_int64(st, 15);
	r->traffic.to_peer_bytes = (uint64_t)sqlite3_column_int64(st, 16);
	r->traffic.to_client_packets = (uint64_t)sqlite3_column_int64(st, 17);
	r->traffic.to_client_bytes = (uint64_t)sqlite3_column_int64(st, 18);
	return r;
}

/* ---- writing ---- */

/* A change that was committed and whose answer a crash took away is made again, and changes nothing. */
static const char write_sql[] = "INSERT INTO turn_records (" SL_TURN_RECORD_COLUMNS ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
                                " ON CONFLICT (id) DO UPDATE SET client=excluded.client, relay2=excluded.relay2, flags=excluded.flags,"
                                " updated_ms=excluded.updated_ms, end_ms=excluded.end_ms, reason=excluded.reason, interims=excluded.interims,"
                                " to_peer_packets=excluded.to_peer_packets, to_peer_bytes=excluded.to_peer_bytes,"
                                " to_client_packets=excluded.to_client_packets, to_client_bytes=excluded.to_client_bytes";
static const char delete_sql[] = "DELETE FROM turn_records WHERE id = ?";
static const char open_sql[] = "SELECT " SL_TURN_RECORD_COLUMNS " FROM turn_records WHERE id = ? AND end_ms = 0";
static const char spool_sql[] = "INSERT INTO turn_spool (body) VALUES (?)";

static void bind_endpoint(sqlite3_stmt *st, int i, const struct sl_endpoint *e)
{
	char text[SL_ADDR_TEXT_MAX];

	sqlite3_bind_text(st, i, e->port_be ? sl_endpoint_text(e, text) : "", -1, SQLITE_TRANSIENT);
}

static int finish(struct sl_store_db *db, sqlite3_stmt *st, char *text)
{
	int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : sl_turn_row_failed(db, text);

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc;
}

static int write_row(struct sl_store_db *db, const struct sl_turn_record *r, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, write_sql);
	const int64_t numbers[] = {r->flags, r->start_unix_ms, r->updated_unix_ms, r->end_unix_ms, r->end, r->interims, (int64_t)r->traffic.to_peer_packets,
	        (int64_t)r->traffic.to_peer_bytes, (int64_t)r->traffic.to_client_packets, (int64_t)r->traffic.to_client_bytes};

	if (!st)
		return sl_turn_row_failed(db, text);
	sqlite3_bind_blob(st, 1, r->id.b, SL_ID_BYTES, SQLITE_STATIC);
	sqlite3_bind_int64(st, 2, (int64_t)r->allocation);
	sqlite3_bind_text(st, 3, r->user, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 4, r->realm, -1, SQLITE_STATIC);
	bind_endpoint(st, 5, &r->client);
	bind_endpoint(st, 6, &r->server);
	sqlite3_bind_int(st, 7, r->transport);
	bind_endpoint(st, 8, &r->relay);
	bind_endpoint(st, 9, &r->relay2);
	for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		sqlite3_bind_int64(st, 10 + (int)i, numbers[i]);
	return finish(db, st, text);
}

static int delete_row(struct sl_store_db *db, const struct sl_id *id, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, delete_sql);

	if (!st)
		return sl_turn_row_failed(db, text);
	sqlite3_bind_blob(st, 1, id->b, SL_ID_BYTES, SQLITE_STATIC);
	return finish(db, st, text);
}

/* What is known of a record whose allocation has gone unseen: it ended, as far as we know, when it was last heard of. */
static int load_lost(struct sl_store_db *db, struct sl_turn_record **r, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, open_sql);
	struct sl_turn_record *row = NULL;

	if (!st)
		return sl_turn_row_failed(db, text);
	sqlite3_bind_blob(st, 1, (*r)->id.b, SL_ID_BYTES, SQLITE_STATIC);
	int rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		row = sl_turn_row_read(st);
	int error = rc == SQLITE_DONE ? 0 : rc != SQLITE_ROW ? sl_turn_row_failed(db, text) : row ? 0 : -ENOMEM;
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	if (!row)
		return error;
	row->change = SL_TURN_LOST;
	row->next = (*r)->next;
	row->found = true;
	row->end = SL_TURN_END_UNKNOWN;
	row->end_unix_ms = row->updated_unix_ms;
	free(*r);
	*r = row;
	return 0;
}

int sl_turn_row_write(struct sl_store_db *db, struct sl_turn_record **at, bool keep, char *text)
{
	if ((*at)->change == SL_TURN_LOST && !(*at)->found) {
		int error = load_lost(db, at, text);
		if (error || !(*at)->found)
			return error;
	}
	struct sl_turn_record *r = *at;
	return r->end_unix_ms && !keep ? delete_row(db, &r->id, text) : write_row(db, r, text);
}

int sl_turn_spool_add(struct sl_store_db *db, const struct sl_turn_record *r, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, spool_sql);
	json_t *o = sl_turn_change_json(r);
	char *body = o ? json_dumps(o, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
	int error = -ENOMEM;

	json_decref(o);
	if (st && body) {
		sqlite3_bind_text(st, 1, body, -1, SQLITE_STATIC);
		error = finish(db, st, text);
	} else if (!st) {
		error = sl_turn_row_failed(db, text);
	}
	free(body);
	return error;
}

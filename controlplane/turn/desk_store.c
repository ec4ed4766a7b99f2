/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What the desk keeps: rules of peers, the restricted register, drain. */

#include "controlplane/turn/desk_internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

static int failed(struct sl_store_db *db, char *text)
{
	snprintf(text, SL_STORE_TEXT, "%s", sqlite3_errmsg(sl_store_sqlite(db)));
	return -EIO;
}

/* ---- reading, at start: damaged rows are left out ---- */

typedef int (*take_row)(struct sl_desk *d, sqlite3_stmt *st); /* -EINVAL: damaged; another errno: the end */

static int read_rows(struct sl_store_db *db, const char *sql, take_row take, struct sl_desk *d, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, sql);
	int rc = st ? SQLITE_ROW : SQLITE_ERROR, error = 0;

	while (!error && rc == SQLITE_ROW && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		error = take(d, st);
		if (error == -EINVAL) {
			sl_log(SL_LOG_WARNING, "store: a row of TURN's live settings is damaged and left out");
			error = 0;
		}
	}
	if (!error && rc != SQLITE_DONE)
		error = failed(db, text);
	else if (error)
		snprintf(text, SL_STORE_TEXT, "%s", strerror(-error));
	if (st)
		sqlite3_reset(st);
	return error;
}

/* Columns realm, ip, len from the first one on. */
static bool row_prefix(sqlite3_stmt *st, int column, struct sl_prefix *out)
{
	int len = sqlite3_column_int(st, column + 1);

	if (sqlite3_column_bytes(st, column) != (int)sizeof out->ip.b || len < 0 || len > 128)
		return false;
	memcpy(out->ip.b, sqlite3_column_blob(st, column), sizeof out->ip.b);
	out->len = (uint8_t)len;
	struct sl_ip masked = sl_ip_masked(&out->ip, out->len);
	return sl_ip_eq(&masked, &out->ip);
}

static bool row_realm(sqlite3_stmt *st, int column, char out[SL_MSG_REALM_MAX])
{
	const char *realm = (const char *)sqlite3_column_text(st, column);

	return realm && (size_t)snprintf(out, SL_MSG_REALM_MAX, "%s", realm) < SL_MSG_REALM_MAX;
}

static int take_peer(struct sl_desk *d, sqlite3_stmt *st)
{
	struct sl_turn_peer p = {.allow = sqlite3_column_int(st, 3) != 0};

	if (!row_realm(st, 0, p.realm) || !row_prefix(st, 1, &p.prefix) || d->peers.n == SL_DESK_PEERS_MAX)
		return -EINVAL;
	if (!d->peers.all && !(d->peers.all = calloc(SL_DESK_PEERS_MAX, sizeof *d->peers.all)))
		return -ENOMEM;
	d->peers.all[d->peers.n++] = p;
	return 0;
}

static int take_restricted(struct sl_desk *d, sqlite3_stmt *st)
{
	char name[SL_MSG_USERNAME_MAX + 1];
	int len = sqlite3_column_bytes(st, 2);
	struct sl_turn_restricted e = {.account = sqlite3_column_int(st, 0) != 0};

	if (!row_realm(st, 1, e.realm) || !row_prefix(st, 3, &e.prefix) || (e.account && (len < 1 || len > SL_MSG_USERNAME_MAX)))
		return -EINVAL;
	if (e.account) {
		memcpy(name, sqlite3_column_blob(st, 2), (size_t)len);
		name[len] = '\0';
		e.name = name;
	}
	struct sl_turn_restricted *copy = desk_entry_copy(&e);
	int rc = copy ? desk_register_put(&d->restricted, copy) : -ENOMEM;
	if (rc)
		desk_entry_free(copy);
	return rc < 0 ? rc : 0;
}

static int take_drain(struct sl_desk *d, sqlite3_stmt *st)
{
	d->drain = (struct sl_desk_drain){.on = true,
	        .max_lifetime_s = (uint32_t)sqlite3_column_int64(st, 0),
	        .since_unix_ms = sqlite3_column_int64(st, 1),
	        .allocations = (uint64_t)sqlite3_column_int64(st, 2)};
	return 0;
}

static int do_load(struct sl_store_db *db, void *arg, char *text)
{
	int rc = read_rows(db, "SELECT realm, ip, len, allow FROM turn_peers ORDER BY position", take_peer, arg, text);

	if (rc == 0)
		rc = read_rows(db, "SELECT account, realm, name, ip, len FROM turn_restricted", take_restricted, arg, text);
	return rc ? rc : read_rows(db, "SELECT max_lifetime_s, since, allocations FROM turn_drain", take_drain, arg, text);
}

int desk_store_load(struct sl_desk *d, char *text)
{
	return sl_store_now(d->o.store, do_load, d, text);
}

/* ---- writing ---- */

static int run(struct sl_store_db *db, sqlite3_stmt *st, char *text)
{
	int error = st && sqlite3_step(st) == SQLITE_DONE ? 0 : failed(db, text);

	if (st) {
		sqlite3_reset(st);
		sqlite3_clear_bindings(st);
	}
	return error;
}

static int run_sql(struct sl_store_db *db, const char *sql, char *text)
{
	return run(db, sl_store_statement(db, sql), text);
}

static int write_peers(struct sl_store_db *db, const struct desk_op *op, char *text)
{
	int error = run_sql(db, "DELETE FROM turn_peers", text);

	for (size_t i = 0; i < op->peers.n && !error; i++) {
		const struct sl_turn_peer *p = &op->peers.all[i];
		sqlite3_stmt *st = sl_store_statement(db, "INSERT INTO turn_peers (position, realm, ip, len, allow) VALUES (?, ?, ?, ?, ?)");
		if (!st)
			return failed(db, text);
		sqlite3_bind_int64(st, 1, (sqlite3_int64)i);
		sqlite3_bind_text(st, 2, p->realm, -1, SQLITE_STATIC);
		sqlite3_bind_blob(st, 3, p->prefix.ip.b, sizeof p->prefix.ip.b, SQLITE_STATIC);
		sqlite3_bind_int(st, 4, p->prefix.len);
		sqlite3_bind_int(st, 5, p->allow);
		error = run(db, st, text);
	}
	return error;
}

static int write_entries(struct sl_store_db *db, const struct desk_op *op, const char *sql, char *text)
{
	int error = 0;

	for (size_t i = 0; i < op->entries.n && !error; i++) {
		const struct sl_turn_restricted *e = op->entries.all[i];
		sqlite3_stmt *st = sl_store_statement(db, sql);
		if (!st)
			return failed(db, text);
		sqlite3_bind_int(st, 1, e->account);
		sqlite3_bind_text(st, 2, e->realm, -1, SQLITE_STATIC);
		sqlite3_bind_blob(st, 3, e->name ? e->name : "", e->name ? (int)strlen(e->name) : 0, SQLITE_STATIC);
		sqlite3_bind_blob(st, 4, e->prefix.ip.b, sizeof e->prefix.ip.b, SQLITE_STATIC);
		sqlite3_bind_int(st, 5, e->prefix.len);
		error = run(db, st, text);
	}
	return error;
}

static const char insert_restricted[] = "INSERT OR REPLACE INTO turn_restricted (account, realm, name, ip, len) VALUES (?, ?, ?, ?, ?)";
static const char delete_restricted[] = "DELETE FROM turn_restricted WHERE account = ? AND realm = ? AND name = ? AND ip = ? AND len = ?";

static int write_drain(struct sl_store_db *db, const struct sl_desk_drain *drain, char *text)
{
	if (!drain->on)
		return run_sql(db, "DELETE FROM turn_drain", text);
	sqlite3_stmt *st = sl_store_statement(db, "INSERT OR REPLACE INTO turn_drain (one, max_lifetime_s, since, allocations) VALUES (1, ?, ?, ?)");
	if (!st)
		return failed(db, text);
	sqlite3_bind_int64(st, 1, drain->max_lifetime_s);
	sqlite3_bind_int64(st, 2, drain->since_unix_ms);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)drain->allocations);
	return run(db, st, text);
}

static int do_write(struct sl_store_db *db, void *arg, char *text)
{
	const struct desk_op *op = arg;
	int error;

	switch (op->kind) {
	case SET_PEERS:
	case ADD_PEER:
	case REMOVE_PEER:
		return write_peers(db, op, text);
	case SET_RESTRICTED:
		error = run_sql(db, "DELETE FROM turn_restricted", text);
		return error ? error : write_entries(db, op, insert_restricted, text);
	case ADD_RESTRICTED:
		return write_entries(db, op, insert_restricted, text);
	case REMOVE_RESTRICTED:
		return write_entries(db, op, delete_restricted, text);
	case SET_DRAIN:
		break;
	}
	return write_drain(db, &op->drain, text);
}

int desk_store_op(struct desk_op *op, sl_store_done done)
{
	return sl_store_submit(op->d->o.store, do_write, done, op);
}

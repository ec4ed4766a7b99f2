/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Resources in the database: works of the store's thread. */

#include "controlplane/provision/internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

static int failed(struct sl_store_db *db, char *text)
{
	snprintf(text, SL_STORE_TEXT, "%s", sqlite3_errmsg(sl_store_sqlite(db)));
	sl_log(SL_LOG_ERROR, "store: provision: %s", text);
	return -EIO;
}

static int run(struct sl_store_db *db, sqlite3_stmt *st, char *text)
{
	int error = sqlite3_step(st) == SQLITE_DONE ? 0 : failed(db, text);

	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

int sl_rows_write(struct sl_store_db *db, const struct sl_row *row, char *text)
{
	sqlite3_stmt *st = row->text ? sl_store_statement(db, "INSERT OR REPLACE INTO resources (kind, name, version, body) VALUES (?, ?, ?, ?)")
	                             : sl_store_statement(db, "DELETE FROM resources WHERE kind = ? AND name = ?");

	if (!st)
		return failed(db, text);
	sqlite3_bind_text(st, 1, sl_kinds[row->kind].text, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, row->name, -1, SQLITE_STATIC);
	if (row->text) {
		sqlite3_bind_int64(st, 3, (sqlite3_int64)row->version);
		sqlite3_bind_text(st, 4, row->text, -1, SQLITE_STATIC);
	}
	return run(db, st, text);
}

int sl_rows_replace(struct sl_store_db *db, const struct sl_resource_set *set, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, "DELETE FROM resources");
	int rc = st ? run(db, st, text) : failed(db, text);

	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		for (size_t i = 0; rc == 0 && i < set->kinds[k].n; i++) {
			const struct sl_resource *r = set->kinds[k].v[i];
			struct sl_row row = {r->kind, r->name, r->text, r->version};

			if (!r->config)
				rc = sl_rows_write(db, &row, text);
		}
	}
	return rc;
}

static struct sl_resource *read_row(sqlite3_stmt *st, struct sl_field_error *e)
{
	const char *kind = (const char *)sqlite3_column_text(st, 0), *name = (const char *)sqlite3_column_text(st, 1);
	const char *body = (const char *)sqlite3_column_text(st, 3);
	int k = kind ? sl_prov_kind_of(kind) : -1;
	json_error_t error;
	json_t *object = body ? json_loads(body, 0, &error) : NULL;
	struct sl_resource *r = NULL;

	if (k < 0 || !name || !object) {
		sl_field_fail(e, "", k < 0 ? "no known kind" : "no JSON");
		goto out;
	}
	if ((r = sl_resource_parse((enum sl_prov_kind)k, object, 0, e)) == NULL)
		goto out;
	r->version = (uint64_t)sqlite3_column_int64(st, 2);
	if (strcmp(r->name, name) != 0 || r->keeps_secret || (r->text = strdup(body)) == NULL) {
		sl_field_fail(e, "name", strcmp(r->name, name) != 0 ? "is not the row's" : "no secret, or no memory left");
		sl_resource_unref(r);
		r = NULL;
	}
out:
	json_decref(object);
	return r;
}

/* One damaged row does not keep the others from serving. */
int sl_rows_load(struct sl_store_db *db, void *arg, char *text)
{
	struct sl_rows *rows = arg;
	sqlite3_stmt *st = sl_store_statement(db, "SELECT kind, name, version, body FROM resources ORDER BY kind, name");
	int rc = st ? SQLITE_ROW : SQLITE_ERROR;

	while (rc == SQLITE_ROW && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct sl_field_error e = {0};
		struct sl_resource *r = read_row(st, &e);

		if (!r) {
			rows->bad++;
			sl_log(SL_LOG_ERROR, "provision: left out, though the database has it: %s \"%s\": %s: %s",
			        (const char *)sqlite3_column_text(st, 0), (const char *)sqlite3_column_text(st, 1), e.field, e.text);
		} else if (sl_set_append(rows->set, r) < 0) {
			sl_resource_unref(r);
			rc = SQLITE_NOMEM;
		}
	}
	int error = rc == SQLITE_DONE ? 0 : failed(db, text);
	if (st)
		sqlite3_reset(st);
	return error;
}

/* A row's body is JSON already: nothing is read to be written again. A line each. */
static int print_kind(struct sl_store_db *db, enum sl_prov_kind kind, FILE *f, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, "SELECT body FROM resources WHERE kind = ? ORDER BY name");
	unsigned n = 0;
	int rc;

	if (!st)
		return failed(db, text);
	sqlite3_bind_text(st, 1, sl_kinds[kind].text, -1, SQLITE_STATIC);
	fprintf(f, "%s\"%s\": [", kind ? ",\n" : "{\n", sl_kinds[kind].text);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW)
		fprintf(f, "%s\n  %s", n++ ? "," : "", (const char *)sqlite3_column_text(st, 0));
	fprintf(f, "%s]", n ? "\n" : "");
	int error = rc == SQLITE_DONE ? 0 : failed(db, text);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

int sl_rows_print(struct sl_store_db *db, FILE *f, char *text)
{
	int rc = 0;

	for (unsigned k = 0; k < SL_PROV_N_KINDS && rc == 0; k++)
		rc = print_kind(db, (enum sl_prov_kind)k, f, text);
	fputs("\n}\n", f);
	return rc;
}

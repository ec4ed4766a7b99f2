/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Bindings on disk. One commit is under way at a time, and what comes meanwhile makes the next one: a REGISTER waits for at most two, and
 * the busier it is the more of them share a commit. Memory follows the store, so a failure leaves it as it was. */

#include "controlplane/registrar/internal.h"
#include "controlplane/store/schema.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sqlite3.h>

static int failed(struct sl_store_db *db, char *text)
{
	snprintf(text, SL_STORE_TEXT, "%s", sqlite3_errmsg(sl_store_sqlite(db)));
	sl_log(SL_LOG_ERROR, "registrar's store: %s", text);
	return -EIO;
}

/* ---- the store's thread ---- */

static int finish(struct sl_store_db *db, sqlite3_stmt *st, char *text)
{
	int rc = st && sqlite3_step(st) == SQLITE_DONE ? 0 : failed(db, text);

	if (st) {
		sqlite3_reset(st);
		sqlite3_clear_bindings(st);
	}
	return rc;
}

static int put_row(struct sl_store_db *db, const char *user, const struct sl_reg_binding *x, char *text)
{
	static const char sql[] = "INSERT OR REPLACE INTO bindings (id, user, contact, path, instance, user_agent, call_id, pub_gruu, flow,"
	                          " cseq, reg_id, q, nat, created, updated, expires) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
	const struct sl_binding *b = &x->b;
	sqlite3_stmt *st = sl_store_statement(db, sql);
	const char *const texts[] = { user, b->contact, b->path, b->instance, b->user_agent, b->call_id, b->pub_gruu };

	if (!st)
		return failed(db, text);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)x->id);
	for (int i = 0; i < 7; i++)
		sqlite3_bind_text(st, i + 2, texts[i], -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 9, &b->flow, sizeof b->flow, SQLITE_STATIC);
	sqlite3_bind_int64(st, 10, b->cseq);
	sqlite3_bind_int64(st, 11, b->reg_id);
	sqlite3_bind_int(st, 12, b->q);
	sqlite3_bind_int(st, 13, b->nat);
	sqlite3_bind_int64(st, 14, b->created_unix_ms);
	sqlite3_bind_int64(st, 15, b->updated_unix_ms);
	sqlite3_bind_int64(st, 16, b->expires_unix_ms);
	return finish(db, st, text);
}

static int remove_row(struct sl_store_db *db, uint64_t id, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, "DELETE FROM bindings WHERE id = ?");

	if (!st)
		return failed(db, text);
	sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
	return finish(db, st, text);
}

static int refresh_row(struct sl_store_db *db, const struct sl_reg_refresh *f, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, "UPDATE bindings SET cseq = ?, updated = ?, expires = ? WHERE id = ?");

	if (!st)
		return failed(db, text);
	sqlite3_bind_int64(st, 1, f->cseq);
	sqlite3_bind_int64(st, 2, f->updated_unix_ms);
	sqlite3_bind_int64(st, 3, f->expires_unix_ms);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)f->id);
	return finish(db, st, text);
}

static int write_batch(struct sl_store_db *db, void *arg, char *text)
{
	const struct sl_reg_batch *b = arg;
	int rc = 0;

	for (const struct sl_reg_change *c = b->changes; c && rc == 0; c = c->next) {
		for (unsigned i = 0; i < c->n && rc == 0; i++) {
			const struct sl_reg_op *op = &c->ops[i];

			rc = op->what == SL_REG_PUT ? put_row(db, c->user, op->fresh, text) : remove_row(db, op->id, text);
		}
	}
	for (unsigned i = 0; i < b->n_refreshes && rc == 0; i++)
		rc = refresh_row(db, &b->refreshes[i], text);
	return rc;
}

/* ---- the brain's side ---- */

struct sl_reg_change *sl_reg_change_new(unsigned n_ops)
{
	struct sl_reg_change *c = calloc(1, sizeof *c + n_ops * sizeof c->ops[0]);

	if (c)
		c->waiting_last = &c->waiting;
	return c;
}

void sl_reg_change_free(struct sl_reg_change *c)
{
	for (unsigned i = 0; i < c->n; i++)
		sl_reg_binding_free(c->ops[i].fresh);
	free(c);
}

static void free_batch(struct sl_reg_batch *b)
{
	for (struct sl_reg_change *c = b->changes, *next; c; c = next) {
		next = c->next;
		sl_reg_change_free(c);
	}
	free(b->refreshes);
	free(b);
}

/* The refreshes that have waited long enough, or all. Rows are brought to what memory has now. */
static void take_refreshes(struct sl_registrar *r, struct sl_reg_batch *b, int64_t before_ms)
{
	if (!r->dirty || r->dirty->dirty_ms > before_ms)
		return;
	b->refreshes = malloc(SL_REG_LAZY_BATCH * sizeof b->refreshes[0]);
	while (b->refreshes && r->dirty && r->dirty->dirty_ms <= before_ms && b->n_refreshes < SL_REG_LAZY_BATCH) {
		struct sl_reg_binding *x = r->dirty;

		b->refreshes[b->n_refreshes++] =
		        (struct sl_reg_refresh){ x->id, x->b.cseq, x->b.updated_unix_ms, x->b.expires_unix_ms };
		sl_reg_binding_clean(r, x);
	}
}

static void submit(struct sl_registrar *r, int64_t refreshes_before_ms);

static void batch_done(void *arg, int error, const char *text)
{
	struct sl_reg_batch *b = arg;
	struct sl_registrar *r = b->registrar;

	if (!r) {
		free_batch(b);
		return;
	}
	r->batch = NULL;
	r->counts.commits++;
	if (!error)
		r->counts.committed += b->n_changes + b->n_refreshes;
	/* Refreshes that failed are written with the next one of their binding, a minute's grace covers them meanwhile. */
	while (b->changes) {
		struct sl_reg_change *c = b->changes;

		b->changes = c->next;
		if (c->aor) {
			sl_reg_committed(r, c, error);
		} else {
			if (c->done)
				c->done(c->done_ctx, error, text);
			sl_reg_change_free(c);
		}
	}
	free_batch(b);
	submit(r, INT64_MIN);
}

/* What has gathered, if nothing is under way. */
static void submit(struct sl_registrar *r, int64_t refreshes_before_ms)
{
	struct sl_reg_batch *b;

	if (r->batch || (!r->queue && !(r->dirty && r->dirty->dirty_ms <= refreshes_before_ms)))
		return;
	b = calloc(1, sizeof *b);
	if (!b)
		return; /* the tick tries again */
	b->registrar = r;
	b->last = &b->changes;
	while (r->queue && b->n_changes < SL_REG_BATCH_MAX) {
		struct sl_reg_change *c = r->queue;

		r->queue = c->next;
		c->next = NULL;
		*b->last = c;
		b->last = &c->next;
		b->n_changes++;
	}
	if (!r->queue)
		r->queue_last = &r->queue;
	take_refreshes(r, b, refreshes_before_ms);
	if (sl_store_submit(r->o.store, write_batch, batch_done, b) == 0) {
		r->n_queue -= b->n_changes;
		r->batch = b;
		return;
	}
	/* The store is far behind: back to the head of the queue, for the tick. */
	*b->last = r->queue;
	if (!r->queue && b->changes)
		r->queue_last = b->last;
	if (b->changes)
		r->queue = b->changes;
	b->changes = NULL;
	for (unsigned i = 0; i < b->n_refreshes; i++) {
		struct sl_reg_binding *x = sl_reg_binding_by_id(r, b->refreshes[i].id);

		if (x)
			sl_reg_binding_dirty(r, x, refreshes_before_ms);
	}
	free_batch(b);
}

void sl_reg_commit(struct sl_registrar *r, struct sl_reg_change *c)
{
	c->next = NULL;
	*r->queue_last = c;
	r->queue_last = &c->next;
	r->n_queue++;
	submit(r, INT64_MIN);
}

void sl_reg_store_tick(struct sl_registrar *r, int64_t now_ms)
{
	submit(r, now_ms - SL_REG_LAZY_MS);
}

/* Nobody can be answered any more. */
static void forget(struct sl_reg_change *changes)
{
	for (struct sl_reg_change *c = changes; c; c = c->next) {
		sl_reg_request_drop(&c->request);
		for (struct sl_reg_request *q = c->waiting, *next; q; q = next) {
			next = q->next;
			sl_reg_request_drop(q);
			free(q);
		}
		c->waiting = NULL;
		c->waiting_last = &c->waiting;
		c->n_waiting = 0;
	}
}

void sl_reg_store_forget(struct sl_registrar *r)
{
	forget(r->queue);
	if (r->batch)
		forget(r->batch->changes);
}

/* The last changes go out without anybody to tell; the store finishes what it was asked before it closes. */
void sl_reg_store_close(struct sl_registrar *r)
{
	do {
		if (r->batch)
			r->batch->registrar = NULL;
		r->batch = NULL;
		submit(r, INT64_MAX);
	} while (r->batch);
	while (r->queue) {
		struct sl_reg_change *c = r->queue;

		r->queue = c->next;
		sl_reg_change_free(c);
	}
}

/* ---- start ---- */

static bool column_text(sqlite3_stmt *st, int column, size_t room, const char **out)
{
	*out = (const char *)sqlite3_column_text(st, column);
	return *out && (size_t)sqlite3_column_bytes(st, column) < room && strlen(*out) == (size_t)sqlite3_column_bytes(st, column);
}

static bool read_row(sqlite3_stmt *st, const char **user, struct sl_binding *b)
{
	*b = (struct sl_binding){ 0 };
	if (!column_text(st, 1, SL_REG_NAME_MAX, user) || !column_text(st, 2, SL_BINDING_URI_MAX, &b->contact) ||
	        !column_text(st, 3, SL_BINDING_PATH_MAX, &b->path) || !column_text(st, 4, SL_BINDING_INSTANCE_MAX, &b->instance) ||
	        !column_text(st, 5, 256, &b->user_agent) || !column_text(st, 6, 256, &b->call_id) ||
	        !column_text(st, 7, SL_BINDING_URI_MAX, &b->pub_gruu) || sqlite3_column_bytes(st, 8) != (int)sizeof b->flow)
		return false;
	memcpy(&b->flow, sqlite3_column_blob(st, 8), sizeof b->flow);
	b->cseq = (uint32_t)sqlite3_column_int64(st, 9);
	b->reg_id = (uint32_t)sqlite3_column_int64(st, 10);
	b->q = (uint16_t)sqlite3_column_int(st, 11);
	b->nat = sqlite3_column_int(st, 12) != 0;
	b->created_unix_ms = sqlite3_column_int64(st, 13);
	b->updated_unix_ms = sqlite3_column_int64(st, 14);
	b->expires_unix_ms = sqlite3_column_int64(st, 15);
	return b->flow.listener < SL_CONF_MAX_SIP_LISTENERS && b->flow.transport <= SL_SIP_TLS;
}

/* A binding that is still good, or may be: its last refresh may not have been written. */
static int load_row(struct sl_registrar *r, sqlite3_stmt *st)
{
	int64_t now = r->unix_ms();
	struct sl_binding b;
	const char *user, *at;

	uint64_t id = (uint64_t)sqlite3_column_int64(st, 0);

	if (id > r->last_id)
		r->last_id = id;
	if (!read_row(st, &user, &b) || !(at = strchr(user, '@'))) {
		sl_log(SL_LOG_WARNING, "registrar: a binding's row is damaged and left out");
		return 0;
	}
	const struct sl_prov_user *u = sl_prov_user(r->o.prov, user, (size_t)(at - user), at + 1, strlen(at + 1));
	if (b.expires_unix_ms + SL_REG_GRACE_MS <= now || !u || !u->enabled)
		return 0;
	if (b.expires_unix_ms < now + SL_REG_GRACE_MS)
		b.expires_unix_ms = now + SL_REG_GRACE_MS;
	struct sl_reg_aor *a = sl_reg_aor(r, user, (size_t)(at - user), at + 1, true);
	struct sl_reg_binding *x = a ? sl_reg_binding_new(r, &b, id) : NULL;

	if (x && sl_reg_binding_put(r, a, x) == 0)
		return 0;
	sl_reg_binding_free(x);
	return -ENOMEM;
}

/* Rows that expired while nobody was there. */
static int purge(struct sl_store_db *db, int64_t now, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, "DELETE FROM bindings WHERE expires < ?");

	if (!st)
		return failed(db, text);
	sqlite3_bind_int64(st, 1, now - SL_REG_GRACE_MS);
	return finish(db, st, text);
}

static int load_secrets(struct sl_registrar *r, struct sl_store_db *db, char *text)
{
	uint8_t keys[2 * sizeof(struct sl_siphash_key)];
	sqlite3_stmt *st = sl_store_statement(db, "SELECT value FROM registrar_keys WHERE name = 'gruu'");

	if (!st)
		return failed(db, text);
	bool known = sqlite3_step(st) == SQLITE_ROW && sqlite3_column_bytes(st, 0) == (int)sizeof keys;
	if (known)
		memcpy(keys, sqlite3_column_blob(st, 0), sizeof keys);
	sqlite3_reset(st);
	if (!known) {
		st = sl_store_statement(db, "INSERT OR REPLACE INTO registrar_keys (name, value) VALUES ('gruu', ?)");
		if (!st || RAND_bytes(keys, sizeof keys) != 1)
			return failed(db, text);
		sqlite3_bind_blob(st, 1, keys, sizeof keys, SQLITE_STATIC);
		if (finish(db, st, text) < 0)
			return -EIO;
	}
	memcpy(&r->gruu_key, keys, sizeof r->gruu_key);
	memcpy(&r->gruu_mac_key, keys + sizeof r->gruu_key, sizeof r->gruu_mac_key);
	OPENSSL_cleanse(keys, sizeof keys);
	return 0;
}

static int do_load(struct sl_store_db *db, void *arg, char *text)
{
	struct sl_registrar *r = arg;
	static const char sql[] = "SELECT id, user, contact, path, instance, user_agent, call_id, pub_gruu, flow, cseq, reg_id, q, nat,"
	                          " created, updated, expires FROM bindings ORDER BY id";
	int rc = load_secrets(r, db, text);

	if (rc == 0)
		rc = purge(db, r->unix_ms(), text);
	if (rc < 0)
		return rc;
	sqlite3_stmt *st = sl_store_statement(db, sql);
	int step = st ? SQLITE_ROW : SQLITE_ERROR;

	while (step == SQLITE_ROW && rc == 0) {
		step = sqlite3_step(st);
		if (step == SQLITE_ROW)
			rc = load_row(r, st);
	}
	if (rc == 0 && step != SQLITE_DONE)
		rc = failed(db, text);
	else if (rc < 0)
		snprintf(text, SL_STORE_TEXT, "no memory for the bindings");
	if (st)
		sqlite3_reset(st);
	return rc;
}

int sl_reg_load(struct sl_registrar *r, char *text, size_t text_len)
{
	char words[SL_STORE_TEXT] = "";
	int rc = sl_store_now(r->o.store, do_load, r, words);

	if (rc < 0)
		snprintf(text, text_len, "the bindings cannot be read: %s (option 'control.database')", words);
	return rc;
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Requests with an Idempotency-Key: what answered one with success is kept for a day, with the request's hash, so that a client that did
 * not hear the answer asks again without changing anything twice. Keys belong to the account that chose them. */

#include "controlplane/http/api.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <sqlite3.h>

enum { KEPT_S = 86400, HASH = 32, FORGET_BATCH = 50 };

/* A request under way: the store's while it looks or writes. */
struct sl_api_keyed {
	struct sl_api_keyed *next;
	struct sl_brain *b;
	struct sl_http_request *r;
	void (*run)(struct sl_brain *b, struct sl_http_request *r);
	char key[SL_HTTP_KEY_MAX + 1];
	uint8_t owner[HASH], request[HASH];
	int64_t now_s;
	/* The answer, found or to be kept. */
	bool found;
	uint8_t found_request[HASH];
	int status;
	char etag[SL_HTTP_ETAG_MAX];
	char *body;
	size_t len;
};

/* ---- the store's thread ---- */

static int failed(struct sl_store_db *db, char *text)
{
	snprintf(text, SL_STORE_TEXT, "%s", sqlite3_errmsg(sl_store_sqlite(db)));
	sl_log(SL_LOG_ERROR, "store: answers: %s", text);
	return -EIO;
}

static const char find_sql[] = "SELECT request, status, etag, body FROM answers WHERE owner = ? AND key = ? AND created > ?";
static const char keep_sql[] = "INSERT OR REPLACE INTO answers (owner, key, request, status, etag, body, created) VALUES (?, ?, ?, ?, ?, ?, ?)";
static const char forget_sql[] = "DELETE FROM answers WHERE (owner, key) IN (SELECT owner, key FROM answers WHERE created <= ? LIMIT ?)";

static int copy_row(struct sl_api_keyed *k, sqlite3_stmt *st)
{
	const unsigned char *etag = sqlite3_column_text(st, 2);

	if (sqlite3_column_bytes(st, 0) != HASH)
		return -EIO;
	memcpy(k->found_request, sqlite3_column_blob(st, 0), HASH);
	k->status = sqlite3_column_int(st, 1);
	snprintf(k->etag, sizeof k->etag, "%s", etag ? (const char *)etag : "");
	k->len = (size_t)sqlite3_column_bytes(st, 3);
	k->body = malloc(k->len + 1);
	if (!k->body)
		return -ENOMEM;
	if (k->len)
		memcpy(k->body, sqlite3_column_blob(st, 3), k->len);
	k->found = true;
	return 0;
}

static int do_find(struct sl_store_db *db, void *arg, char *text)
{
	struct sl_api_keyed *k = arg;
	sqlite3_stmt *st = sl_store_statement(db, find_sql);

	if (!st)
		return failed(db, text);
	sqlite3_bind_blob(st, 1, k->owner, HASH, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, k->key, -1, SQLITE_STATIC);
	sqlite3_bind_int64(st, 3, k->now_s - KEPT_S);
	int rc = sqlite3_step(st);
	int error = rc == SQLITE_ROW ? copy_row(k, st) : rc == SQLITE_DONE ? 0 : failed(db, text);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

/* Old ones go as new ones come, a few at a time. */
static int forget(struct sl_store_db *db, int64_t now_s, char *text)
{
	sqlite3_stmt *st = sl_store_statement(db, forget_sql);

	if (!st)
		return failed(db, text);
	sqlite3_bind_int64(st, 1, now_s - KEPT_S);
	sqlite3_bind_int(st, 2, FORGET_BATCH);
	int error = sqlite3_step(st) == SQLITE_DONE ? 0 : failed(db, text);
	sqlite3_reset(st);
	return error;
}

static int do_keep(struct sl_store_db *db, void *arg, char *text)
{
	struct sl_api_keyed *k = arg;
	int error = forget(db, k->now_s, text);
	sqlite3_stmt *st = error ? NULL : sl_store_statement(db, keep_sql);

	if (!st)
		return error ? error : failed(db, text);
	sqlite3_bind_blob(st, 1, k->owner, HASH, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, k->key, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 3, k->request, HASH, SQLITE_STATIC);
	sqlite3_bind_int(st, 4, k->status);
	sqlite3_bind_text(st, 5, k->etag, -1, SQLITE_STATIC);
	sqlite3_bind_blob(st, 6, k->len ? k->body : "", (int)k->len, SQLITE_STATIC);
	sqlite3_bind_int64(st, 7, k->now_s);
	error = sqlite3_step(st) == SQLITE_DONE ? 0 : failed(db, text);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

/* ---- the brain ---- */

static void end(struct sl_api_keyed *k)
{
	struct sl_api_keyed **at = &k->b->keyed;

	while (*at != k)
		at = &(*at)->next;
	*at = k->next;
	free(k->body);
	free(k);
}

static void answer_as_kept(struct sl_api_keyed *k)
{
	struct sl_http_request *r = k->r;

	snprintf(r->etag, sizeof r->etag, "%s", k->etag);
	sl_http_answer(r, k->status, "application/json", k->body, k->len);
	end(k);
}

static void kept(void *arg, int error, const char *text)
{
	struct sl_api_keyed *k = arg;

	/* What was done is done: it is told all the same. */
	if (error)
		sl_log(SL_LOG_WARNING, "the answer for Idempotency-Key %s is not kept: %s", k->key, text);
	answer_as_kept(k);
}

/* The request's own answer. Only success is kept: whatever else was answered has changed nothing, so it may be tried again. */
static void keep(struct sl_http_request *r, int status, const char *type, const char *body, size_t len)
{
	struct sl_api_keyed *k = r->on_answer_ctx;

	k->body = status >= 200 && status < 300 ? malloc(len + 1) : NULL;
	if (k->body) {
		memcpy(k->body, body, len);
		k->len = len;
		k->status = status;
		snprintf(k->etag, sizeof k->etag, "%s", r->etag);
		if (sl_store_submit(k->b->store, do_keep, kept, k) == 0)
			return;
	}
	end(k);
	sl_http_answer(r, status, type, body, len);
}

static void found(void *arg, int error, const char *text)
{
	struct sl_api_keyed *k = arg;
	struct sl_http_request *r = k->r;

	if (error) {
		sl_api_error(r, 503, NULL, "the store cannot be read; try again: %s", text);
		end(k);
	} else if (k->found && memcmp(k->found_request, k->request, HASH) != 0) {
		sl_api_error(r, 422, "Idempotency-Key", "this key was used for another request within the last 24 hours");
		end(k);
	} else if (k->found) {
		r->replayed = true;
		answer_as_kept(k);
	} else {
		r->on_answer = keep;
		r->on_answer_ctx = k;
		k->run(k->b, r);
	}
}

static bool hash_part(EVP_MD_CTX *md, const void *p, size_t n)
{
	uint64_t length = n;

	return EVP_DigestUpdate(md, &length, sizeof length) == 1 && EVP_DigestUpdate(md, p, n) == 1;
}

static bool hash_request(const struct sl_http_request *r, uint8_t out[HASH])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint32_t method = r->method;
	bool ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 && hash_part(md, &method, sizeof method) &&
	          hash_part(md, r->path, strlen(r->path)) && hash_part(md, r->if_match, strlen(r->if_match)) &&
	          hash_part(md, r->body ? r->body : "", r->body_len);

	for (unsigned i = 0; ok && i < r->n_args; i++)
		ok = hash_part(md, r->args[i], strlen(r->args[i]));
	ok = ok && EVP_DigestFinal_ex(md, out, NULL) == 1;
	EVP_MD_CTX_free(md);
	return ok;
}

static bool is_under_way(const struct sl_api_keyed *list, const struct sl_api_keyed *k)
{
	for (; list; list = list->next) {
		if (strcmp(list->key, k->key) == 0 && memcmp(list->owner, k->owner, HASH) == 0)
			return true;
	}
	return false;
}

void sl_api_once(struct sl_brain *b, struct sl_http_request *r, void (*run)(struct sl_brain *b, struct sl_http_request *r))
{
	struct sl_api_keyed *k = calloc(1, sizeof *k);
	/* The administrator is one account, wherever he asks from. */
	const char *owner = r->admin ? "" : r->token;

	if (!k || !hash_request(r, k->request) || EVP_Digest(owner, strlen(owner), k->owner, NULL, EVP_sha256(), NULL) != 1) {
		free(k);
		sl_api_error(r, 500, NULL, "no memory");
		return;
	}
	strcpy(k->key, r->idempotency_key);
	if (is_under_way(b->keyed, k)) {
		free(k);
		sl_api_error(r, 409, "Idempotency-Key", "a request with this key is being executed");
		return;
	}
	k->b = b;
	k->r = r;
	k->run = run;
	k->now_s = time(NULL);
	k->next = b->keyed;
	b->keyed = k;
	if (sl_store_submit(b->store, do_find, found, k) < 0) {
		end(k);
		sl_api_error(r, 503, NULL, "the store is busy; try again");
	}
}

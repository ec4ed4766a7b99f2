/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The spool to the webhook: a batch at a time, deleted once it was taken (2xx), so each change arrives at least once, in order; event_id
 * tells one that comes twice. */

#include "controlplane/turn/accounting_internal.h"
#include "controlplane/secret.h"
#include "controlplane/turn/fetch.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <sqlite3.h>

enum {
	BATCH_MAX = 200,
	BATCH_BYTES = 256 * 1024,
	TIMEOUT_MS = 10000,
	RETRY_FIRST_MS = 1000,
	RETRY_MAX_MS = 60000,
	LOOK_MS = 200, /* small batches are gathered so long */
};

struct sl_turn_hook {
	struct sl_store *store;
	struct sl_fetch *fetch;
	char *url, *secret; /* url NULL = nothing is sent */
	bool busy, leaving;
	int64_t next_ms, now_ms;
	unsigned retry_ms;
	/* Of the batch under way. */
	int64_t last_seq;
	unsigned n;
	char *body;
	size_t body_len;
	size_t taken, sent, failures; /* not told to accounting yet */
	char trouble[160];
};

/* ---- the store's thread ---- */

static int read_batch(struct sl_store_db *db, void *arg, char *text)
{
	static const char sql[] = "SELECT seq, body FROM turn_spool ORDER BY seq LIMIT ?";
	struct sl_turn_hook *h = arg;
	sqlite3_stmt *st = sl_store_statement(db, sql);
	FILE *f = st ? open_memstream(&h->body, &h->body_len) : NULL;
	int rc = f ? SQLITE_ROW : SQLITE_ERROR;

	h->n = 0;
	if (!f)
		return st ? -ENOMEM : sl_turn_row_failed(db, text);
	sqlite3_bind_int(st, 1, BATCH_MAX);
	fputs("{\"records\": [", f);
	while (ftell(f) < BATCH_BYTES && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *body = (const char *)sqlite3_column_text(st, 1);
		fprintf(f, "%s%s", h->n ? ",\n" : "\n", body ? body : "null");
		h->last_seq = sqlite3_column_int64(st, 0);
		h->n++;
	}
	fputs("\n]}\n", f);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	if (fclose(f) != 0)
		return -ENOMEM;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : sl_turn_row_failed(db, text);
}

static int delete_batch(struct sl_store_db *db, void *arg, char *text)
{
	static const char sql[] = "DELETE FROM turn_spool WHERE seq <= ?";
	struct sl_turn_hook *h = arg;
	sqlite3_stmt *st = sl_store_statement(db, sql);

	if (!st)
		return sl_turn_row_failed(db, text);
	sqlite3_bind_int64(st, 1, h->last_seq);
	int error = sqlite3_step(st) == SQLITE_DONE ? 0 : sl_turn_row_failed(db, text);
	h->taken = error ? 0 : (size_t)sqlite3_changes(sl_store_sqlite(db));
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return error;
}

/* ---- the brain ---- */

static void rest(struct sl_turn_hook *h, unsigned ms)
{
	free(h->body);
	h->body = NULL;
	h->busy = false;
	h->next_ms = h->now_ms + ms;
}

static void failed(struct sl_turn_hook *h, const char *text)
{
	if (!h->trouble[0])
		sl_log(SL_LOG_WARNING, "the webhook of records did not take them, and is tried again: %s", text);
	snprintf(h->trouble, sizeof h->trouble, "%s", text);
	h->failures++;
	h->retry_ms = h->retry_ms == 0 ? RETRY_FIRST_MS : 2 * h->retry_ms > RETRY_MAX_MS ? RETRY_MAX_MS : 2 * h->retry_ms;
	rest(h, h->retry_ms);
}

static void deleted(void *arg, int error, const char *text)
{
	struct sl_turn_hook *h = arg;

	if (error) { /* it is sent again: at least once */
		failed(h, text);
		return;
	}
	if (h->trouble[0])
		sl_log(SL_LOG_INFO, "the webhook of records takes them again");
	h->trouble[0] = '\0';
	h->retry_ms = 0;
	h->sent += h->n;
	rest(h, 0);
}

static void answered(void *ctx, int error, const char *text, long status, const char *body, size_t len)
{
	struct sl_turn_hook *h = ctx;
	char why[64];

	if (h->leaving) {
		rest(h, 0);
	} else if (error) {
		failed(h, text);
	} else if (status < 200 || status > 299) {
		snprintf(why, sizeof why, "it answered %ld", status);
		failed(h, why);
	} else if (sl_store_submit(h->store, delete_batch, deleted, h) < 0) {
		failed(h, "the store is busy");
	}
}

/* "X-Sluice-Signature: sha256=...": HMAC-SHA256 of the body, hexadecimal. */
static bool sign(const struct sl_turn_hook *h, char *out, size_t room)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	size_t used;

	if (!HMAC(EVP_sha256(), h->secret, (int)strlen(h->secret), (const unsigned char *)h->body, h->body_len, mac, &len))
		return false;
	used = (size_t)snprintf(out, room, "X-Sluice-Signature: sha256=");
	for (unsigned i = 0; i < len; i++)
		used += (size_t)snprintf(out + used, room - used, "%02x", mac[i]);
	return true;
}

static void post(void *arg, int error, const char *text)
{
	struct sl_turn_hook *h = arg;
	char signature[128];

	if (error || h->n == 0 || h->leaving || !h->url) {
		if (error)
			failed(h, text);
		else
			rest(h, LOOK_MS);
		return;
	}
	struct sl_fetch_request r = {.method = "POST", .url = h->url, .headers = {"Content-Type: application/json"}, .n_headers = 1,
	        .body = h->body, .body_len = h->body_len, .timeout_ms = TIMEOUT_MS};
	if (h->secret && sign(h, signature, sizeof signature))
		r.headers[r.n_headers++] = signature;
	if ((h->secret && r.n_headers == 1) || sl_fetch_submit(h->fetch, &r, answered, h) < 0)
		failed(h, "no memory");
}

void sl_turn_hook_tick(struct sl_turn_hook *h, size_t *spooled, struct sl_accounting_counts *counts, int64_t now_ms)
{
	h->now_ms = now_ms;
	counts->webhook_sent += h->sent;
	counts->webhook_failures += h->failures;
	*spooled -= h->taken < *spooled ? h->taken : *spooled;
	h->sent = h->failures = h->taken = 0;
	if (h->busy || h->leaving || !h->url || *spooled == 0 || now_ms < h->next_ms)
		return;
	h->busy = sl_store_submit(h->store, read_batch, post, h) == 0;
}

const char *sl_turn_hook_trouble(const struct sl_turn_hook *h)
{
	return h->url ? h->trouble : NULL;
}

/* ---- life ---- */

int sl_turn_hook_configure(struct sl_turn_hook *h, const char *url, const char *secret)
{
	char *new_url = url ? strdup(url) : NULL, *new_secret = secret ? strdup(secret) : NULL;

	if ((url && !new_url) || (secret && !new_secret)) {
		sl_secret_free_text(new_url);
		sl_secret_free_text(new_secret);
		return -ENOMEM;
	}
	sl_secret_free_text(h->url);
	sl_secret_free_text(h->secret);
	h->url = new_url;
	h->secret = new_secret;
	h->next_ms = 0; /* the new one may take what the old one did not */
	return 0;
}

struct sl_turn_hook *sl_turn_hook_new(struct sl_store *store, struct sl_mailbox *brain, const char *url, const char *secret)
{
	struct sl_turn_hook *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->store = store;
	h->fetch = sl_fetch_new(brain);
	if (h->fetch && sl_turn_hook_configure(h, url, secret) == 0)
		return h;
	sl_fetch_free(h->fetch);
	free(h);
	return NULL;
}

void sl_turn_hook_leave(struct sl_turn_hook *h)
{
	if (!h)
		return;
	h->leaving = true;
	sl_fetch_free(h->fetch); /* who waits is told */
	h->fetch = NULL;
}

void sl_turn_hook_free(struct sl_turn_hook *h)
{
	if (!h)
		return;
	sl_secret_free_text(h->url);
	sl_secret_free_text(h->secret);
	free(h->body);
	free(h);
}

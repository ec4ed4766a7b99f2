/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What must survive a restart: SQLite (WAL), on a thread of its own. Asked by the brain, answered on the
 * brain's thread through its mailbox; a write is answered after its commit, never before. */

#include <stdbool.h>
#include <stddef.h>

#include "controlplane/dp/users.h"
#include "controlplane/mailbox.h"

struct sl_store;

/* Open or create the database and bring its schema up to date, in the calling thread, then start the store's
 * thread. Answers go to the mailbox brain. NULL with words in text. */
struct sl_store *sl_store_open(const char *path, struct sl_mailbox *brain, char *text, size_t text_len);

/* Finish what was asked, answer it, end the thread, close. NULL is fine. */
void sl_store_close(struct sl_store *s);

/* ---- work of any module ---- */

/* The store's thread takes all work that waits (at most SL_STORE_GROUP pieces) into one transaction, commits it, and answers each: so a
 * commit's price is shared, and what comes alone is committed at once. */
enum { SL_STORE_GROUP = 512 };

struct sl_store_db; /* the store's thread only */
struct sqlite3 *sl_store_sqlite(struct sl_store_db *db);
/* A prepared statement, made once for each sql (a constant: known by its address) and reset; NULL: *error of the work is set. Not to be
 * finalized, and reset by whoever used it. */
struct sqlite3_stmt *sl_store_statement(struct sl_store_db *db, const char *sql);

/* Runs on the store's thread inside the group's transaction; returns 0 or negative errno (with words in text, room for SL_STORE_TEXT). A
 * piece of work that fails is undone by itself (a savepoint), the others are committed. Must not begin or end transactions. */
enum { SL_STORE_TEXT = 160 };
typedef int (*sl_store_work)(struct sl_store_db *db, void *arg, char *text);

/* error: 0 or negative errno; text says more, never NULL. */
typedef void (*sl_store_done)(void *ctx, int error, const char *text);
/* users: n references, which the callee takes over; the array is the store's. */
typedef void (*sl_store_users)(void *ctx, int error, const char *text, struct sl_user **users, size_t n);

/* Brain's thread: run work(db, arg), then done(arg, error, text) on the brain, after the commit. arg belongs to the store until done. 0,
 * -ENOBUFS (the store is far behind: try again later), -ENOMEM. */
int sl_store_submit(struct sl_store *s, sl_store_work work, sl_store_done done, void *arg);
/* The same in the calling thread, at once: only before anything was submitted (start-up). 0 or negative errno with text. */
int sl_store_now(struct sl_store *s, sl_store_work work, void *arg, char *text);
size_t sl_store_waiting(const struct sl_store *s); /* pieces of work not answered yet */
/* Wait until everything submitted is answered (letters of others to the brain are run too): for the end of the program only. */
void sl_store_flush(struct sl_store *s);

/* ---- TURN's users ---- */

/* Brain's thread. Each returns 0 and answers later, or -ENOBUFS / -ENOMEM and does not. */
int sl_store_load_users(struct sl_store *s, sl_store_users done, void *ctx);
/* Insert or replace; u is copied. */
int sl_store_put_user(struct sl_store *s, const struct sl_user *u, sl_store_done done, void *ctx);
/* -ENOENT when there was none. */
int sl_store_delete_user(struct sl_store *s, const char *realm, const char *name, size_t len, sl_store_done done, void *ctx);

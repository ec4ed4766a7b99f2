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

/* error: 0 or negative errno; text says more, never NULL. */
typedef void (*sl_store_done)(void *ctx, int error, const char *text);
/* users: n references, which the callee takes over; the array is the store's. */
typedef void (*sl_store_users)(void *ctx, int error, const char *text, struct sl_user **users, size_t n);

/* Brain's thread. Each returns 0 and answers later, or -ENOBUFS / -ENOMEM and does not. */
int sl_store_load_users(struct sl_store *s, sl_store_users done, void *ctx);
/* Insert or replace; u is copied. */
int sl_store_put_user(struct sl_store *s, const struct sl_user *u, sl_store_done done, void *ctx);
/* -ENOENT when there was none. */
int sl_store_delete_user(struct sl_store *s, const char *name, size_t len, sl_store_done done, void *ctx);

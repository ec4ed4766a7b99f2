/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* How threads of the control plane talk: any thread posts, one thread (the owner) runs what was posted, in
 * order. A letter is a function and its argument; whatever the argument points to changes hands with it.
 * Bounded, so that a stuck owner is noticed by its senders instead of filling memory. */

#include <stdbool.h>

struct sl_mailbox;

typedef void (*sl_mail_fn)(void *arg);

/* capacity: letters, a power of two. NULL when memory or descriptors are short. */
struct sl_mailbox *sl_mailbox_new(unsigned capacity);

/* No thread may use it any more; letters not yet run are dropped. NULL is fine. */
void sl_mailbox_free(struct sl_mailbox *m);

/* An eventfd, readable while letters wait: for the owner's loop. */
int sl_mailbox_fd(const struct sl_mailbox *m);

/* Any thread; never blocks for long. 0, or -ENOBUFS when full: arg stays the caller's. */
int sl_mailbox_post(struct sl_mailbox *m, sl_mail_fn fn, void *arg);

/* Owner only: run up to max letters; the rest keep the descriptor readable. Returns how many ran. */
unsigned sl_mailbox_run(struct sl_mailbox *m, unsigned max);

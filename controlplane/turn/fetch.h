/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* HTTP requests to elsewhere: a thread with libcurl that knows nothing of what they are for. Asked by the brain, answered on the brain by
 * its mailbox. Redirects are not followed; certificates are checked. A user name in the address ("https://TOKEN@host/...") goes as
 * Authorization: Bearer TOKEN. */

#include <stddef.h>

#include "controlplane/mailbox.h"

enum {
	SL_FETCH_WAITING_MAX = 256,      /* requests not answered yet */
	SL_FETCH_ANSWER_MAX = 64 * 1024, /* of a body; a longer one is an error */
	SL_FETCH_HEADERS_MAX = 8,
};

struct sl_fetch;

struct sl_fetch_request { /* all of it is copied */
	const char *method; /* "GET", "POST" */
	const char *url;
	const char *headers[SL_FETCH_HEADERS_MAX]; /* "Name: value" */
	unsigned n_headers;
	const char *body; /* NULL = none */
	size_t body_len;
	unsigned timeout_ms; /* in all */
};

/* error: 0 (there is an answer: status, and its body, NUL-terminated) or -EIO with text. */
typedef void (*sl_fetch_done)(void *ctx, int error, const char *text, long status, const char *body, size_t len);

struct sl_fetch *sl_fetch_new(struct sl_mailbox *brain); /* NULL: no memory, no thread */
/* Ends what is under way; what is not answered yet is answered (-EIO) before it returns. Runs letters of the brain meanwhile. NULL is
 * fine. */
void sl_fetch_free(struct sl_fetch *f);
/* 0 and answers later; -ENOBUFS, -ENOMEM. */
int sl_fetch_submit(struct sl_fetch *f, const struct sl_fetch_request *request, sl_fetch_done done, void *ctx);

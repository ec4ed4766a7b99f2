/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The HTTP edge: a thread that owns the listening sockets and connections (libwebsockets), reads whole
 * requests, checks the administrator's token on TCP, and hands each request to the brain through its mailbox. It
 * decides nothing else: other tokens are accounts, which the brain knows. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/mailbox.h"
#include "dataplane/wire/addr.h"

enum {
	SL_HTTP_BODY_MAX = 64 * 1024,
	SL_HTTP_IMPORT_MAX = 32 * 1024 * 1024, /* of the administrator's PUT /v1/config */
	SL_HTTP_CONNECTIONS_MAX = 64,
	SL_HTTP_TCP_MAX = 24, /* of which over TCP: who has no token yet must not keep out who sits at the machine */
	SL_HTTP_PATH_MAX = 640, /* a user's name of 508 bytes fits */
	SL_HTTP_ARGS_MAX = 16,
	SL_HTTP_ANSWER_S = 30, /* the brain answers within this, or the connection ends */
	SL_HTTP_KEY_MAX = 128, /* of an Idempotency-Key */
	SL_HTTP_ETAG_MAX = 64,
	SL_HTTP_TOKEN_MAX = 256,
	SL_HTTP_TENANT_MAX = 64,
};

enum sl_http_method { SL_HTTP_GET, SL_HTTP_POST, SL_HTTP_PUT, SL_HTTP_DELETE, SL_HTTP_OTHER };

struct sl_http;

/* Travels from the edge to the brain and back with the answer; whoever has it owns it. */
struct sl_http_request {
	enum sl_http_method method;
	char path[SL_HTTP_PATH_MAX]; /* decoded, without arguments */
	unsigned n_args;
	char *args[SL_HTTP_ARGS_MAX]; /* "name=value", decoded */
	char *body;                   /* NUL-terminated; NULL = none */
	size_t body_len;
	char if_match[SL_HTTP_ETAG_MAX];             /* with its quotes; "" = not given */
	char idempotency_key[SL_HTTP_KEY_MAX + 1];   /* "" = not given */
	bool admin;                                  /* over the UNIX socket, or with the administrator's token */
	char token[SL_HTTP_TOKEN_MAX + 1];           /* else: an account's, to be looked up; wiped with the request */

	/* The brain's: who asks (access.c), and what the answer says besides. */
	uint32_t scopes;                             /* enum sl_prov_scope */
	char tenant[SL_HTTP_TENANT_MAX];             /* the account's; "" = all */
	char etag[SL_HTTP_ETAG_MAX];                 /* "" = none */
	bool no_store;                               /* the answer is secret: Cache-Control: no-store */
	bool replayed;                               /* the answer of an earlier request with this key */
	/* When set, sl_http_answer() unsets it and calls it instead of answering: it answers later. */
	void (*on_answer)(struct sl_http_request *r, int status, const char *type, const char *body, size_t len);
	void *on_answer_ctx;

	/* The edge's own. */
	struct sl_http *http;
	unsigned slot, generation;
	size_t body_room;
	int status;
	const char *type;
	char *answer; /* with LWS_PRE bytes in front */
	size_t answer_len;
};

struct sl_http_options {
	const char *unix_path;
	bool has_tcp;
	struct sl_endpoint tcp;
	const char *token; /* the administrator's, wanted on TCP */
	bool accounts;     /* other tokens go to the brain; else they are refused */
	/* On the brain's thread: answer now or later with sl_http_answer(). */
	void (*handle)(void *ctx, struct sl_http_request *r);
	void *ctx;
};

/* Listen and start the thread. NULL with words in text. */
struct sl_http *sl_http_open(
        const struct sl_http_options *options, struct sl_mailbox *brain, char *text, size_t text_len);
/* End the thread; requests not yet answered are forgotten (the brain must not answer them after this). */
void sl_http_close(struct sl_http *h);

/* Any thread: the token wanted from now on; copied, NULL = none is right. */
void sl_http_set_token(struct sl_http *h, const char *token);

/* Brain's thread: answer and give r up. type is a constant; body is copied. */
void sl_http_answer(struct sl_http_request *r, int status, const char *type, const char *body, size_t len);
/* Value of an argument, or NULL. */
const char *sl_http_arg(const struct sl_http_request *r, const char *name);

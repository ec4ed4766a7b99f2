/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* A change under way: change.c has the turns, single resources and the end of all; import.c what is special to an import. */

#include "controlplane/provision/internal.h"

enum sl_change_what { SL_CHANGE_PUT, SL_CHANGE_DELETE, SL_CHANGE_IMPORT };

struct sl_change {
	struct sl_change *next;
	struct sl_prov *p;        /* NULL: closed meanwhile */
	enum sl_change_what what;
	enum sl_prov_kind kind;
	char name[SL_PROV_FULL_NAME_MAX + 1];
	char if_match[24];        /* "" = whatever is there */
	char account[SL_PROV_NAME_MAX + 1]; /* tenant that it may touch; "" = all */
	struct sl_resource *r;    /* PUT */
	json_t *body;             /* PUT: until it is sealed; IMPORT: until it is read */
	char *text;               /* IMPORT: what body is made from */
	size_t text_len;
	char secret[52];          /* of a token that we made up */
	struct sl_resource_set set;  /* IMPORT: of the store, then with the configuration's */
	struct sl_prov_users users;
	int status;               /* once it is known */
	struct sl_field_error e;
	enum sl_prov_kind bad_kind;
	char bad_name[SL_PROV_FULL_NAME_MAX + 1];
	sl_prov_done done;
	void *ctx;
};

struct sl_change *sl_change_new(struct sl_prov *p, enum sl_change_what what, enum sl_prov_kind kind, const char *name, const char *if_match,
        sl_prov_done done, void *ctx);
void sl_change_free(struct sl_change *c);
/* What is wrong; returns -EINVAL. */
int sl_change_refuse(struct sl_change *c, int status, const char *field, const char *text);
void sl_change_finish(struct sl_change *c); /* answers, and frees it */
void sl_change_enqueue(struct sl_prov *p, struct sl_change *c);
void sl_changes_pump(struct sl_prov *p);    /* start those whose turn it is */
/* To the store: -EINVAL when that cannot be, refused. */
int sl_change_submit(struct sl_prov *p, struct sl_change *c, sl_store_work work, sl_store_done then);
void sl_change_unlink(struct sl_prov *p, const struct sl_change *c); /* it is back */
void sl_change_committed(void *change, int error, const char *text);
int sl_change_work(struct sl_store_db *db, void *change, char *text);
/* import.c */
int sl_import_start(struct sl_prov *p, struct sl_change *c);
void sl_import_apply(struct sl_prov *p, struct sl_change *c);

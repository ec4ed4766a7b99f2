/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of this folder. */

#include "controlplane/provision/fields.h"
#include "controlplane/provision/provision.h"
#include "controlplane/provision/users.h"

#include <stdio.h>

enum {
	SL_PROV_PASSWORD_MAX = 128,
	SL_PROV_FULL_NAME_MAX = 2 * SL_PROV_NAME_MAX + 1, /* NAME@DOMAIN */
	SL_PROV_WATCHERS = 8,
};

/* ---- what the tables of schema.c fill: the compiled object first, then what must be looked up or changed ---- */

struct sl_res_secret {
	char password[SL_PROV_PASSWORD_MAX + 1]; /* wiped once HA1s are made */
	bool has_password, has_md5, has_sha256;
};
struct sl_res_domain {
	struct sl_prov_domain d;
	char tenant[SL_PROV_NAME_MAX + 1];
	unsigned n_algorithms;
	char algorithms[2][8];
};
struct sl_res_user {
	struct sl_prov_user u;
	struct sl_res_secret secret;
};
struct sl_res_trunk {
	struct sl_prov_trunk t;
	char tenant[SL_PROV_NAME_MAX + 1];
	bool has_auth, has_register;
	struct sl_res_secret secret;
};
struct sl_res_time {
	char days[40], from[8], to[8];
};
struct sl_res_route {
	struct sl_prov_route r;
	char tenant[SL_PROV_NAME_MAX + 1];
	char source[SL_PROV_FULL_NAME_MAX + 8];
	bool has_status;
	unsigned n_trunks, n_times;
	char trunks[8][SL_PROV_NAME_MAX + 1];
	struct sl_res_time times[8];
};
struct sl_res_token {
	char name[SL_PROV_NAME_MAX + 1], tenant[SL_PROV_NAME_MAX + 1];
	char secret[SL_PROV_PASSWORD_MAX + 1];
	uint8_t sha256[32];
	bool has_secret, has_sha256;
	unsigned n_scopes;
	char scopes[5][12];
	uint32_t mask;
};

/* A kind: how it is read. */
struct sl_kind {
	const char *text;             /* "trunks" */
	const struct sl_field *fields;
	size_t size;                  /* of the structure they fill */
	/* What a table cannot say; regular expressions are compiled here. 0 or -EINVAL. */
	int (*finish)(void *raw, struct sl_field_error *e);
	void (*free)(void *raw);      /* what finish made; NULL = nothing */
};
extern const struct sl_kind sl_kinds[SL_PROV_N_KINDS];
int sl_prov_kind_of(const char *text); /* -1: no kind */

/* A resource as it is known; counted, one thread at a time. Never changed once it is in a set. */
struct sl_resource {
	unsigned refs;
	enum sl_prov_kind kind;
	bool config;                  /* of the configuration: read-only */
	bool keeps_secret;            /* no password was given: the one of what it replaces */
	unsigned line;                /* of the configuration */
	uint64_t version;
	char *text;                   /* JSON with HA1s; NULL until sealed */
	void *raw;                    /* struct sl_res_KIND; users: struct sl_prov_user, counted by itself */
	char name[];
};

/* Read object, which is changed on the way: passwords in it become HA1s and are wiped. line: where it begins in the configuration, 0 = it
 * is not from there. NULL with *e. */
struct sl_resource *sl_resource_parse(enum sl_prov_kind kind, json_t *object, unsigned line, struct sl_field_error *e);
/* Take over the secrets of what it replaces (NULL = nothing). 0 or -EINVAL with *e. object gets them too. */
int sl_resource_keep_secret(struct sl_resource *r, const struct sl_resource *before, json_t *object, struct sl_field_error *e);
int sl_resource_seal(struct sl_resource *r, json_t *object); /* its text; 0 or -ENOMEM */
struct sl_resource *sl_resource_ref(struct sl_resource *r);
void sl_resource_unref(struct sl_resource *r); /* NULL is fine */
const char *sl_resource_tenant(const struct sl_resource *r); /* "" = none */
/* New reference; without secrets. */
json_t *sl_resource_show(const struct sl_resource *r);
void sl_resource_etag(const struct sl_resource *r, char etag[24]);
/* `trunks "carrier": targets[0].uri: what is wrong`. */
void sl_resource_message(enum sl_prov_kind kind, const char *name, const struct sl_field_error *e, char *text, size_t text_len);

static inline struct sl_prov_user *sl_resource_user(const struct sl_resource *r)
{
	return r->raw;
}

/* ---- secrets.c ---- */

void sl_ha1(const char *user, const char *realm, const char *password, uint8_t md5[16], uint8_t sha256[32]);
void sl_hex(const uint8_t *data, size_t n, char *out); /* 2n + 1 bytes */
/* Overwrite the text of object's member, and remove it. */
void sl_wipe_member(json_t *object, const char *name);
void sl_token_hash(const char *secret, size_t len, uint8_t sha256[32]);
int sl_token_new(char *out, size_t room); /* a random secret; 0 or -EIO */

/* ---- set.c: all resources, of each kind sorted by name ---- */

struct sl_resource_list {
	struct sl_resource **v;
	size_t n, capacity;
	bool unsorted;
};
struct sl_resource_set {
	struct sl_resource_list kinds[SL_PROV_N_KINDS];
};

void sl_set_clear(struct sl_resource_set *s);
struct sl_resource *sl_set_find(const struct sl_resource_set *s, enum sl_prov_kind kind, const char *name); /* borrowed; the list is sorted */
int sl_set_put(struct sl_resource_set *s, struct sl_resource *r);     /* takes the reference, replaces; 0 or -ENOMEM (not taken) */
void sl_set_remove(struct sl_resource_set *s, enum sl_prov_kind kind, const char *name);
int sl_set_append(struct sl_resource_set *s, struct sl_resource *r);  /* as put, to be sorted at the end; a name twice is seen there */
void sl_set_sort(struct sl_resource_set *s);
const struct sl_resource *sl_set_twice(const struct sl_resource_set *s); /* one whose name is there twice; NULL = none */

/* ---- references.c ---- */

/* Does what r names exist, and is what must be r's alone nobody else's? Sets the tenant of a user. */
int sl_references_check(const struct sl_resource_set *s, const struct sl_prov_users *users, const struct sl_config *config,
        struct sl_resource *r, struct sl_field_error *e);
/* A resource that names r; NULL = none. */
const struct sl_resource *sl_references_of(const struct sl_resource_set *s, const struct sl_resource *r);

/* ---- load.c ---- */

/* Resources of the configuration into s, which is empty, checked among themselves. 0 or -EINVAL with text. */
int sl_load_config(const struct sl_config *c, struct sl_resource_set *s, char *text, size_t text_len);
/* Resources of the store that s gets beside those of the configuration. A name in both: -EINVAL with text. */
int sl_set_add(struct sl_resource_set *s, const struct sl_resource_set *more, const struct sl_config *c, char *text, size_t text_len);
/* References of all, users into the empty table. Those of the store that are wrong are left out when drop says so (and logged); else the
 * first wrong one is *bad. 0, -EINVAL with *e, -ENOMEM. */
int sl_set_check(struct sl_resource_set *s, struct sl_prov_users *users, const struct sl_config *config, bool drop,
        const struct sl_resource **bad, struct sl_field_error *e);

/* ---- snapshot.c ---- */

struct sl_prov_snapshot *sl_snapshot_new(const struct sl_resource_set *s, uint64_t generation); /* one reference; NULL = no memory */

/* ---- rows.c: works for the store's thread (and sl_store_now) ---- */

struct sl_row {
	enum sl_prov_kind kind;
	const char *name, *text; /* text NULL = delete it */
	uint64_t version;
};
struct sl_rows {             /* what is read */
	struct sl_resource_set *set;
	unsigned bad;
};
int sl_rows_write(struct sl_store_db *db, const struct sl_row *row, char *text);
int sl_rows_replace(struct sl_store_db *db, const struct sl_resource_set *set, char *text); /* all rows by those of set that are not configured */
int sl_rows_load(struct sl_store_db *db, void *rows, char *text); /* arg: struct sl_rows */
int sl_rows_print(struct sl_store_db *db, FILE *f, char *text);   /* all of them, as one JSON object */

/* ---- change.c ---- */

struct sl_change;

struct sl_prov {
	const struct sl_config *config;
	struct sl_store *store;
	struct sl_call_events *events;
	struct sl_resource_set set;
	struct sl_prov_users users;
	struct sl_prov_snapshot *now;
	bool dirty;              /* now is older than set */
	uint64_t generation, version;
	unsigned n_watchers;
	struct {
		void (*fn)(void *ctx);
		void *ctx;
	} watchers[SL_PROV_WATCHERS];
	struct sl_change *flying, *waiting, **last; /* given to the store; not yet */
	bool closing;
};
void sl_prov_changed(struct sl_prov *p, enum sl_prov_kind kind, const char *tenant, const char *name);
void sl_changes_drop(struct sl_prov *p);
uint64_t sl_prov_next_version(struct sl_prov *p);

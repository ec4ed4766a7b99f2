/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* User tables as coturn has them, in SQLite, PostgreSQL or Redis, so that they can be kept: only read. A thread reads all of them at start, every
 * refresh_s and when asked; the brain gets a set, immutable and counted by reference, and tells the dataplane how it differs from the one before. A
 * table that cannot be read leaves what was read of it in force. Users of the file and of the store go before those of the tables. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/dp/dp.h"
#include "controlplane/mailbox.h"

enum {
	SL_SOURCE_USERS_MAX = 1000000, /* of all tables */
	SL_SOURCE_SECRETS_MAX = 1024,
	SL_SOURCE_RULES_MAX = 8192,    /* prefixes: a range of addresses may be many */
};

/* What tables say of a realm beside its users. Owned by its set. */
struct sl_source_realm {
	char name[SL_MSG_REALM_MAX]; /* "" = the default one */
	unsigned n_secrets, n_origins, n_peer_rules, n_oauth_keys;
	char **secrets, **origins;
	struct sl_conf_peer_rule *peer_rules;   /* allowed ones first, as coturn has it */
	struct sl_conf_oauth_key *oauth_keys;
	unsigned user_quota, total_quota, max_kbps; /* 0 = not said; the last one holds for each allocation and direction */
};

struct sl_source_user {
	uint64_t name_at;         /* in text */
	uint16_t name_len, realm; /* index into realms */
	uint8_t key_md5[16];
};

struct sl_source_set {
	atomic_uint refs;
	size_t n_users;
	struct sl_source_user *users; /* by name of the realm, then by name: bytes, the shorter first */
	char *text;                   /* of their names */
	size_t text_len;
	unsigned n_realms;
	struct sl_source_realm *realms; /* by name */
	unsigned n_peer_rules;          /* of all realms, behind each realm's own */
	struct sl_conf_peer_rule *peer_rules;
};

struct sl_source_set *sl_source_set_ref(struct sl_source_set *s);
void sl_source_set_unref(struct sl_source_set *s); /* wipes keys and secrets with the last reference; NULL is fine */
/* Index of the user, or -1. */
ptrdiff_t sl_source_find(const struct sl_source_set *s, const char *realm, const char *name, size_t len);
/* USER_SET's body for user i: its realm in the dataplane is realm. */
void sl_source_user_fill(const struct sl_source_set *s, size_t i, uint16_t realm, struct sl_cmd_user *out);
/* Are realms, secrets, origins, rules, keys and options the same (users may differ)? */
bool sl_source_settings_eq(const struct sl_source_set *a, const struct sl_source_set *b); /* NULL = empty */

/* ---- what holds in all: the file and the tables ---- */

/* Realms and rules as the file has them with those of the tables behind: the file's realms keep their index, those that only tables have follow by name,
 * up to SL_TURN_MAX_REALMS. What both say (quotas) the file decides; lists are joined, the file's first. Strings are the file's and the set's: both must
 * stay, so there is a reference to the set in it. */
struct sl_turn_realms {
	unsigned n;
	struct sl_conf_turn_realm *all;
	unsigned n_peer_rules;
	struct sl_conf_peer_rule *peer_rules;
	unsigned left_out; /* realms of tables beyond the limit */
	struct sl_source_set *set;
};
/* set NULL = no tables. 0 or -ENOMEM. */
int sl_turn_realms_merge(const struct sl_conf_turn *file, struct sl_source_set *set, struct sl_turn_realms *out);
void sl_turn_realms_clear(struct sl_turn_realms *r);
/* Index of the realm of that name ("" = 0), or -1. */
int sl_turn_realms_find(const struct sl_turn_realms *r, const char *name);

/* ---- the sources ---- */

struct sl_sources;

/* The brain's thread. */
struct sl_sources_ops {
	/* The set is another, and realms, secrets, rules and the like differ: provision them (users stay). Changes of users follow by tell. */
	void (*settings)(void *ctx);
	/* Does somebody go before this user (file, store)? Then the tables' one is not told. */
	bool (*hidden)(void *ctx, const char *realm, const char *name, size_t len);
	/* Index of the realm in the dataplane; -1 = it has it not. */
	int (*realm)(void *ctx, const char *name);
	/* USER_SET or USER_DELETE, as sl_dp_user() returns. */
	int (*tell)(void *ctx, uint32_t type, const struct sl_cmd_user *user, sl_dp_done done, void *done_ctx);
	/* A change did not take place: all must be provisioned anew. */
	void (*replay)(void *ctx);
	void *ctx;
};

/* Starts the thread if there are sources. NULL with text. */
struct sl_sources *sl_sources_new(
        const struct sl_conf_turn *conf, const struct sl_sources_ops *ops, struct sl_mailbox *brain, char *text, size_t text_len);
/* Ends the thread: before the mailbox ends. NULL is fine. */
void sl_sources_free(struct sl_sources *s);
/* Other sources, or other times: those that stay keep what was read of them. */
void sl_sources_reconfigure(struct sl_sources *s, const struct sl_conf_turn *conf);
/* Tells the dataplane what has changed, as fast as it takes it: each 50 ms. */
void sl_sources_tick(struct sl_sources *s);
/* Read all of them now. done: when they have been read (0), or with -EIO and the words of the first that could not be. */
void sl_sources_refresh(struct sl_sources *s, sl_dp_done done, void *ctx);
/* What holds now; NULL = nothing was read, or there are no sources. No reference is taken. */
struct sl_source_set *sl_sources_set(const struct sl_sources *s);
/* Has each source been read once, or been found not to be readable? Before, users are not known. */
bool sl_sources_known(const struct sl_sources *s);

struct sl_source_status {
	enum sl_conf_user_source_kind kind;
	char name[128];            /* to show: without passwords */
	bool read, failing;        /* at least once; the last time */
	int64_t read_unix_ms;      /* last success, 0 = never */
	unsigned took_ms;
	size_t users, realms, secrets, bad_rows;
	uint64_t readings, failures;
	char trouble[200], bad_row[200]; /* of the last time: words; the first row that was left out */
};
unsigned sl_sources_n(const struct sl_sources *s);
const struct sl_source_status *sl_sources_status(const struct sl_sources *s, unsigned i);
/* A source that cannot be read, in words; NULL when all are well. */
const char *sl_sources_trouble(const struct sl_sources *s);

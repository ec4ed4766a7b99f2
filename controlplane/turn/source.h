/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* User tables as coturn has them, in SQLite, PostgreSQL or Redis, so that they can be kept: only read. A thread reads all of them at start,
 * every refresh_s and when asked, and tells the brain how that differs from what it told before. A table that cannot be read leaves what
 * was read of it in force. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/mailbox.h"
#include "controlplane/turn/source_set.h"

struct sl_sources;

/* One user that is new or has another key (key set), or is gone (NULL). Texts are good until the call ends. */
struct sl_source_change {
	const char *realm, *name;
	const uint8_t *key_md5;
};

/* The brain's thread. */
struct sl_sources_ops {
	/* Realms, secrets, origins, rules, keys or options are others than before. set: valid as long as it is not told another. */
	void (*settings)(void *ctx, const struct sl_source_set *set);
	/* In order of realm and name, after the settings of the same reading. 0, or negative errno: the same ones come again. */
	int (*users)(void *ctx, const struct sl_source_change *changes, size_t n);
	/* Every source has been read, or was found not to be readable, and all that was read has been told: once. */
	void (*known)(void *ctx);
	void *ctx;
};

/* Outcome of a reading that was asked for: error is 0 or -EIO, text the words of the first source that could not be read. */
typedef void (*sl_sources_done)(void *ctx, int error, const char *text);

/* Starts the thread. NULL with text. */
struct sl_sources *sl_sources_new(
        const struct sl_conf_turn *conf, const struct sl_sources_ops *ops, struct sl_mailbox *brain, char *text, size_t text_len);
/* Ends the thread: before the mailbox ends. NULL is fine. Who waits for a reading is told -EIO. */
void sl_sources_free(struct sl_sources *s);
/* Other sources, or other times: what was read of those that stay remains. They are read at once. */
void sl_sources_reconfigure(struct sl_sources *s, const struct sl_conf_turn *conf);
/* Goes on telling changes of users: each 50 ms. */
void sl_sources_tick(struct sl_sources *s);
/* Read all of them now. done: when that has been read and told. */
void sl_sources_refresh(struct sl_sources *s, sl_sources_done done, void *ctx);

struct sl_source_status {
	enum sl_conf_user_source_kind kind;
	char name[128];            /* to show: without passwords */
	bool failing;              /* the last time */
	int64_t read_unix_ms;      /* last success, 0 = never */
	unsigned took_ms;          /* of it */
	size_t users, realms, bad_rows;
	uint64_t readings, failures;
	char trouble[200], bad_row[200]; /* why it failed the last time; the first row that was left out, and why; "" = none */
};
unsigned sl_sources_n(const struct sl_sources *s);
const struct sl_source_status *sl_sources_status(const struct sl_sources *s, unsigned i);
/* A source that cannot be read, in words; NULL when all are well. */
const char *sl_sources_trouble(const struct sl_sources *s);

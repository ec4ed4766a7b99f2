/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What user tables say: gathered row by row, sorted, compared. No clock, no I/O. Once finished a set does not change, and is counted by
 * reference: any thread may read it. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "dataplane/abi/msg_turn.h"

enum { SL_SOURCE_USERS_MAX = 1000000 }; /* of all tables */

/* What tables say of a realm beside its users. */
struct sl_source_realm {
	char name[SL_MSG_REALM_MAX]; /* "" = the default one */
	unsigned n_secrets, n_origins, n_peer_rules, n_oauth_keys;
	char **secrets, **origins;
	struct sl_conf_peer_rule *peer_rules;  /* allowed ones first: they go before denied ones, as in coturn */
	struct sl_conf_oauth_key *oauth_keys;
	unsigned user_quota, total_quota;      /* 0 = not said */
	unsigned max_kbps;                     /* of an allocation and direction; 0 = not said */
};

struct sl_source_user {
	size_t name_at;           /* in text, NUL-terminated */
	uint16_t name_len, realm; /* realm: index into realms */
	uint8_t key_md5[16];
};

struct sl_source_set {
	atomic_uint refs;
	size_t n_users, room_users;
	struct sl_source_user *users; /* once finished: by name of the realm, then by name */
	char *text;
	size_t text_len, text_room;
	unsigned n_realms;
	struct sl_source_realm *realms; /* [SL_TURN_MAX_REALMS]; once finished: by name */
	unsigned n_peer_rules;          /* of all realms */
	struct sl_conf_peer_rule *peer_rules;
	unsigned n_rules, n_names, n_keys; /* in all realms */
	size_t bad_rows;
	char bad_row[200];
	bool no_memory;                 /* it is not whole: worth nothing */
};

struct sl_source_set *sl_source_set_new(void); /* NULL: no memory */
struct sl_source_set *sl_source_set_ref(struct sl_source_set *s);
void sl_source_set_unref(struct sl_source_set *s); /* the last one wipes keys and secrets; NULL is fine */

/* ---- rows: as they come, bytes of any kind; one that is no good is counted, the first one named ---- */

/* A text of a row; s NULL = an SQL NULL, taken as "". */
struct sl_row_text {
	const char *s;
	size_t len;
};

void sl_source_add_user(struct sl_source_set *s, struct sl_row_text realm, struct sl_row_text name, struct sl_row_text hmackey);
void sl_source_add_secret(struct sl_source_set *s, struct sl_row_text realm, struct sl_row_text secret);
void sl_source_add_origin(struct sl_source_set *s, struct sl_row_text origin, struct sl_row_text realm);
void sl_source_add_option(struct sl_source_set *s, struct sl_row_text realm, struct sl_row_text option, struct sl_row_text value);
/* realm "" = of all realms. range: an address, "FIRST-LAST", or a prefix. */
void sl_source_add_peer(struct sl_source_set *s, struct sl_row_text realm, struct sl_row_text range, bool allow);
void sl_source_add_oauth(struct sl_source_set *s, struct sl_row_text kid, struct sl_row_text ikm_key, struct sl_row_text timestamp,
        struct sl_row_text lifetime, struct sl_row_text algorithm, struct sl_row_text realm);
/* Count one more bad row. */
void sl_source_bad(struct sl_source_set *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All rows are there: sort. Of a user that comes twice the first stays. False: it ran out of memory. */
bool sl_source_finish(struct sl_source_set *s);
/* What all of them say together: of the same thing the first one that says it. NULL: no memory. Some may be NULL. */
struct sl_source_set *sl_source_join(const struct sl_source_set *const *sets, unsigned n);

/* ---- comparing ---- */

/* Are realms, secrets, origins, rules, keys and options the same (users may differ)? NULL = nothing. */
bool sl_source_settings_same(const struct sl_source_set *a, const struct sl_source_set *b);

/* How the users of `now` differ from those of `before`, in their order. NULL = nothing. False: no memory. */
struct sl_source_step {
	uint32_t user; /* index: in now; of one that is gone in before */
	bool gone;
};
struct sl_source_diff {
	size_t n;
	struct sl_source_step *steps;
};
bool sl_source_diff(const struct sl_source_set *before, const struct sl_source_set *now, struct sl_source_diff *out);
void sl_source_diff_free(struct sl_source_diff *d);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* What operators provision for SIP: tenants, domains, users, trunks, routes (README.md has every field). A resource is a JSON object named
 * by kind and name; the same validator reads those of the configuration's group `provision` (read-only at the API), of the API and of an
 * import, and names the field that is wrong. Written to SQLite before the API's 200; the brain sees compiled objects:
 * users one by one in a table, the rest as one immutable snapshot per generation, so no change drops a call. Owner: the brain's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "config/options.h"
#include "controlplane/call/events.h"
#include "controlplane/store/store.h"
#include "dataplane/wire/addr.h"

enum { SL_PROV_NAME_MAX = 63, SL_PROV_URI_MAX = 255, SL_PROV_LIST_MAX = 32 };

#define SL_PROV_KINDS(X)                                                                                                    \
	X(TENANT, "tenants")                                                                                                \
	X(DOMAIN, "domains")                                                                                                \
	X(USER, "users")                                                                                                    \
	X(TRUNK, "trunks")                                                                                                  \
	X(ROUTE, "routes")                                                                                                  \
	X(TOKEN, "tokens") /* API accounts: scopes; only a hash is kept */
enum sl_prov_kind {
#define X(name, text) SL_PROV_##name,
	SL_PROV_KINDS(X)
#undef X
	SL_PROV_N_KINDS
};

enum sl_prov_srtp { SL_PROV_SRTP_OFF, SL_PROV_SRTP_PREFER, SL_PROV_SRTP_REQUIRE, SL_PROV_SRTP_ASIS }; /* ASIS: as the other side has it */

/* Limits and what is answered beyond them. 0 = no limit. */
struct sl_prov_limits {
	unsigned concurrent, cps;
	uint16_t status;       /* 503 by default for trunks and tenants, 486 for users */
	uint16_t retry_after_s;
	char reason[48];
};

/* A search and replace on numbers: POSIX extended regular expression, replacement with \1..\9. */
struct sl_prov_rewrite {
	void *regex;           /* regex_t, the snapshot's */
	char match[128], replace[128];
};

struct sl_prov_header_rule {
	enum { SL_HR_ALLOW, SL_HR_DENY, SL_HR_SET } what; /* SET: replace or add, with value */
	char name[48], value[200];
};

/* Names as in rtpmap: "G729". The lists belong to the resource (a user or snapshot that is held holds them). */
typedef char sl_prov_codec[24];
struct sl_prov_codecs {
	unsigned n_strip, n_only;
	sl_prov_codec *strip, *only;
};

struct sl_prov_tenant {
	char name[SL_PROV_NAME_MAX + 1];
	struct sl_prov_limits limits;
	unsigned n_emergency;
	char emergency[8][16];       /* prefixes that pass all limits: "112" */
	unsigned max_duration_s;     /* of a call; 0 = none */
	unsigned media_pps, media_kbps; /* of all its calls' media together, each direction apart; 0 = no limit */
	unsigned ring_s;             /* until a call that rings ends with 408; 0 = 180 */
	uint8_t early_media;         /* enum sl_prov_early */
	uint8_t forking;             /* 0 parallel by equal q, then serial; 1 all parallel; 2 serial */
};
enum sl_prov_early { SL_EARLY_FIRST, SL_EARLY_LAST, SL_EARLY_NONE }; /* which fork's early media is heard */

struct sl_prov_domain {
	char name[SL_PROV_NAME_MAX + 1];
	const struct sl_prov_tenant *tenant;
	unsigned min_expires_s, max_expires_s, default_expires_s, max_contacts;
	bool sha256, md5;            /* algorithms offered, in this order */
	bool rfc2617;                /* answers without qop are taken too */
	bool trust_flow;             /* requests over a registered flow are not challenged again */
	unsigned nonce_s;
};

struct sl_prov_target {
	char uri[SL_PROV_URI_MAX + 1];
	unsigned priority, weight;
};

struct sl_prov_trunk {
	char name[SL_PROV_NAME_MAX + 1];
	const struct sl_prov_tenant *tenant;
	unsigned n_sources;
	struct sl_prefix sources[SL_PROV_LIST_MAX];
	char tls_identity[128];
	char listener[16];           /* name of the listener to leave by; "" = the first of role peering */
	unsigned n_targets;
	struct sl_prov_target targets[8];
	bool has_auth;               /* for challenges, and for registering */
	char username[64], realm[64];
	uint8_t ha1_md5[16], ha1_sha256[32];
	char register_uri[SL_PROV_URI_MAX + 1]; /* "" = does not register */
	char contact_user[64], from_domain[64];
	unsigned register_expires_s;
	bool trusted;                /* RFC 3325: identities from it are believed, and told to it */
	uint8_t srtp;                /* enum sl_prov_srtp */
	struct sl_prov_codecs codecs;
	struct sl_prov_limits limits;
	unsigned probe_s;            /* 0 = no OPTIONS probing */
	unsigned probe_up, probe_down; /* answers in a row until it is up, failures in a row until it is down */
	unsigned timeout_ms;         /* without any answer of a target: the next one */
	unsigned n_failover;
	uint16_t failover[16];       /* statuses upon which the next route or target is tried */
	bool follow_redirects;       /* 3xx: try its contacts (else it fails over or is passed on) */
	bool rel100;
	unsigned session_expires_s, min_se_s;
	unsigned n_header_rules, n_rewrite_in, n_rewrite_out;
	struct sl_prov_header_rule header_rules[16];
	struct sl_prov_rewrite rewrite_in[8], rewrite_out[8]; /* numbers that come from it, and that go to it */
	char default_domain[SL_PROV_NAME_MAX + 1]; /* whose users its calls look for */
};

struct sl_prov_time { uint8_t days; uint16_t from_min, to_min; }; /* bit 0 = Monday; minutes of the day, local to zone */

enum sl_prov_source { SL_SRC_ANY, SL_SRC_USERS, SL_SRC_TRUNKS, SL_SRC_TRUNK, SL_SRC_USER };
struct sl_prov_route {
	char name[SL_PROV_NAME_MAX + 1];
	const struct sl_prov_tenant *tenant;
	char prefix[40];             /* longest match wins within equal specificity; "" = all */
	struct sl_prov_rewrite match; /* regex NULL = none */
	uint8_t source;              /* enum sl_prov_source */
	char source_name[2 * SL_PROV_NAME_MAX + 2]; /* of a trunk, or NAME@DOMAIN */
	char caller_prefix[40];
	unsigned n_times;
	struct sl_prov_time times[8];
	char zone[48];
	unsigned priority, weight;   /* lower priority first; weight among equals */
	uint32_t cost_micro;         /* price a minute, millionths; LCR: cheaper first within equal priority */
	enum { SL_ROUTE_TRUNKS, SL_ROUTE_LOCAL, SL_ROUTE_REJECT } to;
	unsigned n_trunks;
	const struct sl_prov_trunk *trunks[8];
	uint16_t reject_status;
	char reject_reason[48];
	unsigned n_rewrites;
	struct sl_prov_rewrite rewrites[4];
	struct sl_prov_limits limits;
};

/* Immutable; held by reference by who needs it over time (a call holds the one it was routed with). Arrays are sorted by name. */
struct sl_prov_snapshot {
	unsigned refs;
	uint64_t generation;
	unsigned n_tenants, n_domains, n_trunks, n_routes;
	struct sl_prov_tenant *tenants;
	struct sl_prov_domain *domains;
	struct sl_prov_trunk *trunks;
	struct sl_prov_route *routes;
	void *index; /* routing's: prefix trie and source table, built once */
};

typedef char sl_prov_number[24];

/* A user: mutable only by being replaced; reference counted (single thread). */
struct sl_prov_user {
	unsigned refs;
	bool gone;                   /* deleted or replaced since */
	char name[SL_PROV_NAME_MAX + 1], domain[SL_PROV_NAME_MAX + 1], tenant[SL_PROV_NAME_MAX + 1];
	char display[64];
	uint8_t ha1_md5[16], ha1_sha256[32];
	bool enabled;
	unsigned n_numbers;
	sl_prov_number *numbers;     /* E.164 of this user: reached by them, and may show them */
	struct sl_prov_limits limits;
	unsigned max_contacts;       /* 0 = the domain's */
	unsigned n_allow, n_deny;
	sl_prov_number *allow, *deny; /* destination prefixes beyond the own domain; allow empty = all */
	uint8_t srtp;
	struct sl_prov_codecs codecs;
	struct sl_route_live *runtime; /* routing's: live counts, shared with the object that replaces this one; NULL = none yet */
};

struct sl_prov;

/* Is the group `provision` of c right by itself? 0, or -EINVAL with one line "FILE:LINE: ..." in text. Any thread; for --check. */
int sl_prov_check(const struct sl_config *c, char *text, size_t text_len);

struct sl_prov_options {
	const struct sl_config *config;
	struct sl_store *store;
	struct sl_call_events *events;
};
/* Reads the configuration's resources and those of the store (calling thread, before the store is asked anything else). NULL with text that
 * names the resource and the field. */
struct sl_prov *sl_prov_open(const struct sl_prov_options *o, char *text, size_t text_len);
void sl_prov_close(struct sl_prov *p);
/* Would sl_prov_reconfigure() be fine with it? Looks at the database's resources too: to be asked before anything is reloaded. */
int sl_prov_check_reload(struct sl_prov *p, const struct sl_config *config, char *text, size_t text_len);
/* The configuration was reloaded: 0, or -EINVAL with text, and nothing has changed. The one before is not looked at any more. */
int sl_prov_reconfigure(struct sl_prov *p, const struct sl_config *config, char *text, size_t text_len);

/* ---- looking ---- */

/* Hold it by ref to keep it. Made when it is first asked for after a change: whoever watches had better look at his next tick, so that a
 * burst of changes costs one snapshot. */
const struct sl_prov_snapshot *sl_prov_now(const struct sl_prov *p);
const struct sl_prov_snapshot *sl_prov_ref(const struct sl_prov_snapshot *s);
void sl_prov_unref(const struct sl_prov_snapshot *s);
const struct sl_prov_tenant *sl_prov_tenant(const struct sl_prov_snapshot *s, const char *name);
const struct sl_prov_domain *sl_prov_domain(const struct sl_prov_snapshot *s, const char *name, size_t len); /* without regard to case */
const struct sl_prov_trunk *sl_prov_trunk(const struct sl_prov_snapshot *s, const char *name);
/* Whose is this source (longest prefix) or TLS identity? NULL = no trunk's. */
const struct sl_prov_trunk *sl_prov_trunk_of(const struct sl_prov_snapshot *s, const struct sl_endpoint *from, const char *tls_identity);
struct sl_prov_user *sl_prov_user(const struct sl_prov *p, const char *name, size_t name_len, const char *domain, size_t domain_len);
struct sl_prov_user *sl_prov_user_by_number(const struct sl_prov *p, const char *tenant, const char *number);
struct sl_prov_user *sl_prov_user_ref(struct sl_prov_user *u);
void sl_prov_user_unref(struct sl_prov_user *u);
/* A new generation is in force: called after each change (trunk probing and registration follow it). At most 8: else -ENOSPC. */
int sl_prov_watch(struct sl_prov *p, void (*fn)(void *ctx), void *ctx);

/* ---- changing: each answers once, after the commit ---- */

struct sl_prov_result {
	int status;            /* HTTP: 200, 201, 204, 400, 403 (of the configuration), 404, 409 (still used), 412 (If-Match), 500 */
	char field[80];        /* of a 400: "targets[0].uri" */
	char text[240];
	char etag[24];
	json_t *body;          /* the resource as it is now, secrets left out; borrowed; NULL = none */
};
typedef void (*sl_prov_done)(void *ctx, const struct sl_prov_result *r);
/* if_match: NULL = whatever is there. body is read, not kept; passwords in it become HA1 and are wiped from it. account: the tenant whose
 * account asks, "" = one of all: looked at when the change's turn comes, since whose a name is may change before. */
void sl_prov_put(struct sl_prov *p, enum sl_prov_kind kind, const char *name, json_t *body, const char *if_match, const char *account,
        sl_prov_done done, void *ctx);
void sl_prov_delete(struct sl_prov *p, enum sl_prov_kind kind, const char *name, const char *if_match, const char *account, sl_prov_done done,
        void *ctx);
/* New references; NULL = no such thing. Secrets left out. Users are named "alice@example.com". */
json_t *sl_prov_get(const struct sl_prov *p, enum sl_prov_kind kind, const char *name, char etag[24]);
json_t *sl_prov_list(const struct sl_prov *p, enum sl_prov_kind kind, const char *tenant, size_t offset, size_t limit, size_t *total);
/* Everything of the store as one object, with HA1s (an export is as secret as the database); an import replaces all of it or nothing. */
json_t *sl_prov_export(const struct sl_prov *p);
void sl_prov_import(struct sl_prov *p, json_t *all, sl_prov_done done, void *ctx);
/* The same two as text, read and written by the store's thread: however much there is, the brain does not wait. len bytes of text are
 * copied; the exported text is the callee's to free (and wipe: sl_prov_text_free), NULL with error. */
void sl_prov_import_text(struct sl_prov *p, const char *text, size_t len, sl_prov_done done, void *ctx);
typedef void (*sl_prov_exported)(void *ctx, int error, char *text, size_t len);
void sl_prov_export_text(struct sl_prov *p, sl_prov_exported done, void *ctx);
void sl_prov_text_free(char *text, size_t len);
/* What a token may (http/README.md), as named in its "scopes". */
enum sl_prov_scope {
	SL_SCOPE_READ = 1,      /* "read": look at everything but tokens and the export */
	SL_SCOPE_CALLS = 2,     /* "calls": end calls, remove registrations */
	SL_SCOPE_PROVISION = 4, /* "provision": put and delete resources, but tokens */
	SL_SCOPE_ADMIN = 8,     /* "admin": everything */
	SL_SCOPE_GUARD = 16,    /* "guard": lists, bans and limits of the guard */
	SL_SCOPE_TURN = 32,     /* "turn": TURN's users, credentials, peers, restricted register, drain */
};
/* The token's scopes (enum sl_prov_scope); 0 = no such token. tenant: "" = all. Found by the hash of token, so time tells nothing. */
uint32_t sl_prov_token_scopes(const struct sl_prov *p, const char *token, char tenant[SL_PROV_NAME_MAX + 1]);

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* sluicectl: asks the control plane's HTTP API over its UNIX socket; tables for people, --json for scripts.
 */

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,      /* the API refused it, or the file is bad */
	CTL_USAGE = 2,       /* the command line is wrong */
	CTL_UNREACHABLE = 3, /* no control plane at the socket */
	CTL_UNHEALTHY = 4,   /* healthz: the appliance does not serve */
	CTL_TIMEOUT = 5,     /* the control plane took the request and did not answer it in time */
};

struct ctl {
	const char *socket;
	int timeout_s; /* for an answer */
	const char *word; /* the command's first */
	bool json, watch, all, password_stdin, ladder, csv, follow, once, open;
	const char *user, *password, *limit, *offset, *party, *times, *format;
	const char *tenant, *trunk, *number, *call, *after, *contact, *scopes;
	const char *duration, *reason, *level, *by, *from, *count, *to;
	const char *realm, *ttl;
	bool restricted;
	int n_args; /* what follows the command's words */
	char **args;
};

/* ---- command_list.c ---- */

/* Options that a command may have, beside --socket, --timeout, --json and --help. */
enum ctl_option {
	MAY_WATCH = 1,
	MAY_ALL = 2,
	MAY_PAGE = 4,
	MAY_USER = 8,
	MAY_PASSWORD = 16,
	MAY_PARTY = 32,
	MAY_TIMES = 64,
	MAY_FORMAT = 128,
	MAY_TENANT = 256,
	MAY_TRUNK = 512,
	MAY_NUMBER = 1024,
	MAY_CALL = 2048,
	MAY_AFTER = 4096,
	MAY_CONTACT = 8192,
	MAY_SCOPES = 16384,
	MAY_LADDER = 32768,
	MAY_CSV = 65536,
	MAY_FOLLOW = 131072,
	MAY_FOR = 1 << 18,
	MAY_REASON = 1 << 19,
	MAY_TOP = 1 << 20, /* --level, --by, --once */
	MAY_SAMPLES = 1 << 21, /* --count, --from */
	MAY_LIMIT = 1 << 22, /* of --limit alone */
	MAY_REALM = 1 << 23,
	MAY_TTL = 1 << 24,
	MAY_RESTRICTED = 1 << 25,
	MAY_TIME = 1 << 26, /* --from, --to: times */
	MAY_OPEN = 1 << 27,
};

struct ctl_command {
	const char *words[2]; /* second NULL = one word */
	int n_args;           /* that must follow */
	const char *args;     /* their names; NULL = none */
	unsigned options;     /* enum ctl_option */
	int (*run)(const struct ctl *c);
	const char *brief, *help;
};
extern const struct ctl_command ctl_commands[];
extern const unsigned ctl_n_commands;

/* ---- client.c ---- */

/* Ask; body NULL = none. Returns the HTTP status and *answer (NULL when it is not JSON; the caller's), or, when there
 * was no answer, minus the exit code after saying on stderr why and what to do; with --json that is an object with
 * "error" on stdout. */
long ctl_request(
        const struct ctl *c, const char *method, const char *path, const char *body, json_t **answer);
/* The same for a command: with --json the answer is printed, and what was refused is told. CTL_OK and *answer (the caller's), of which a
 * person is still to be told; else the exit code, and there is no answer. status may be NULL. */
int ctl_ask(const struct ctl *c, const char *method, const char *path, const char *body, long *status, json_t **answer);
/* The same as ctl_request(), but the answer as it came: a text (the caller's), or NULL when it was empty. */
long ctl_fetch(const struct ctl *c, const char *method, const char *path, const char *body, char **text);
/* The same with its length: bytes of any kind. */
long ctl_fetch_bytes(const struct ctl *c, const char *method, const char *path, const char *body, char **bytes, size_t *len);
/* Ask for a change; with --json print the answer, else "WHAT: its status" (WHAT NULL: nothing). Returns the exit code. */
int ctl_change(const struct ctl *c, const char *method, const char *path, const char *body, const char *what);
/* "PATH?limit=&offset=&user=..." with what of these was given; free(). */
char *ctl_query(const struct ctl *c, const char *path);
/* The same of other arguments; a value NULL = it was not given. */
struct ctl_arg {
	const char *name, *value;
};
char *ctl_query_of(const char *path, const struct ctl_arg *args, unsigned n);
/* GET of a list that is CSV, printed as it comes. Returns the exit code. */
int ctl_print_csv(const struct ctl *c, const char *query);
/* How to go on in a list that is shown by pages, if there is more of it. */
void ctl_print_older(const json_t *answer);
/* GET path: *answer on 200. Otherwise says why and returns the exit code; with --json prints the answer and
 * returns with *answer NULL. */
int ctl_get(const struct ctl *c, const char *path, json_t **answer);
/* Print an answer's "error" on stderr; takes the reference. Returns CTL_FAILED. */
int ctl_complain(long status, json_t *answer);
void ctl_print_json(const json_t *o);
/* Percent-encoded copy for a query or path; free(). */
char *ctl_escape(const char *text);

/* ---- table.c ---- */

enum { CTL_COLUMNS_MAX = 12, CTL_CELL_MAX = 96 };

struct ctl_table {
	unsigned n_columns, n_rows, capacity;
	const char *heads[CTL_COLUMNS_MAX]; /* a leading '>' sets the column to the right */
	char (*cells)[CTL_COLUMNS_MAX][CTL_CELL_MAX];
};

/* heads: n names. */
void ctl_table_begin(struct ctl_table *t, unsigned n, const char *const heads[]);
/* One cell of the row under way; the first of a row begins it. */
void ctl_cell(struct ctl_table *t, unsigned column, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void ctl_table_print(struct ctl_table *t); /* and free */

/* Numbers for people. buf: CTL_CELL_MAX; returned. */
const char *ctl_duration(long long seconds, char *buf); /* "3 d 4 h", "12 min 5 s" */
const char *ctl_clock(long long unix_ms, char *buf);     /* "2026-11-21 15:04:05", UTC; "-" = never (0) */
const char *ctl_rate(double per_second, char *buf);     /* "1.23 M" */
const char *ctl_bytes(double bytes, char *buf);         /* "1.2 GB" */

/* Members of objects, forgiving: absent is 0 or "". */
long long ctl_int(const json_t *o, const char *name);
const char *ctl_text(const json_t *o, const char *name);

/* ---- commands ---- */

int ctl_status(const struct ctl *c);
int ctl_ports(const struct ctl *c);
int ctl_workers(const struct ctl *c);
int ctl_counters(const struct ctl *c);
int ctl_allocations(const struct ctl *c);
int ctl_allocation_delete(const struct ctl *c);
int ctl_sessions_list(const struct ctl *c);
int ctl_sessions_show(const struct ctl *c);
int ctl_sessions_delete(const struct ctl *c);
int ctl_sessions_record(const struct ctl *c);
int ctl_sessions_play(const struct ctl *c);
int ctl_sessions_stop(const struct ctl *c);
int ctl_sessions_dtmf(const struct ctl *c);
int ctl_sessions_block(const struct ctl *c);
int ctl_turn_records(const struct ctl *c); /* turn_records.c */
int ctl_turn_usage(const struct ctl *c);
int ctl_turn_sources(const struct ctl *c);
int ctl_turn_sources_refresh(const struct ctl *c);
int ctl_users_list(const struct ctl *c);
int ctl_users_add(const struct ctl *c);
int ctl_users_remove(const struct ctl *c);
int ctl_config_check(const struct ctl *c);
int ctl_import(const struct ctl *c); /* import.c */
int ctl_config_export(const struct ctl *c);
int ctl_config_import(const struct ctl *c);
int ctl_call_list(const struct ctl *c);
int ctl_call_show(const struct ctl *c);
int ctl_call_hangup(const struct ctl *c);
int ctl_registration_list(const struct ctl *c);
int ctl_registration_show(const struct ctl *c);
int ctl_registration_remove(const struct ctl *c);
int ctl_cdr_list(const struct ctl *c);
int ctl_events(const struct ctl *c);
int ctl_resource_list(const struct ctl *c);
int ctl_resource_show(const struct ctl *c);
int ctl_resource_put(const struct ctl *c);
int ctl_resource_delete(const struct ctl *c);
int ctl_route_test(const struct ctl *c);
int ctl_token_create(const struct ctl *c);
int ctl_guard_status(const struct ctl *c);
int ctl_guard_top(const struct ctl *c);
int ctl_guard_sources(const struct ctl *c);
int ctl_guard_explain(const struct ctl *c);
int ctl_guard_list(const struct ctl *c);
int ctl_guard_ban(const struct ctl *c);
int ctl_guard_unban(const struct ctl *c);
int ctl_guard_allow(const struct ctl *c);
int ctl_guard_deny(const struct ctl *c);
int ctl_guard_remove(const struct ctl *c);
int ctl_guard_dry_run(const struct ctl *c);
int ctl_guard_set(const struct ctl *c);
int ctl_guard_reset(const struct ctl *c);
int ctl_guard_report(const struct ctl *c);
int ctl_guard_samples(const struct ctl *c);
int ctl_turn_realms(const struct ctl *c);
int ctl_turn_peers(const struct ctl *c);
int ctl_turn_allow(const struct ctl *c);
int ctl_turn_deny(const struct ctl *c);
int ctl_turn_remove(const struct ctl *c);
int ctl_turn_restricted(const struct ctl *c);
int ctl_turn_restrict(const struct ctl *c);
int ctl_turn_unrestrict(const struct ctl *c);
int ctl_turn_drain(const struct ctl *c);
int ctl_turn_load(const struct ctl *c);
int ctl_turn_credentials(const struct ctl *c);
int ctl_reload(const struct ctl *c);
int ctl_healthz(const struct ctl *c);

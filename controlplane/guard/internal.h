/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* Between the files of the warden. Owner of everything: the brain's thread; what a change under way holds is read by the store's thread. */

#include "controlplane/guard/entries.h"
#include "controlplane/guard/reputation.h"
#include "controlplane/guard/tally.h"
#include "controlplane/guard/trust.h"
#include "controlplane/guard/warden.h"
#include "controlplane/guard/watch.h"

enum {
	SL_WARDEN_QUEUE_MAX = 1 << 16, /* bans or marks not told yet; beyond, all are told anew */
	SL_WARDEN_RETRY_MS = 1000,     /* somebody else owns the guard: we ask again */
	SL_WARDEN_MARKS_MS = 10,       /* marks wait so long for company */
	SL_WARDEN_QUERIES = 16,
	SL_WARDEN_QUERY_MS = 500,
	SL_WARDEN_CHALLENGED = 4096,   /* sources that were told to be provisional lately */
	SL_WARDEN_PRESSURE_MS = 200,
};

/* Something an operator asked: stored, then in force, then told. */
struct sl_warden_op {
	struct sl_warden_op *next; /* waits for the list */
	struct sl_warden *warden;
	struct sl_entry entry;     /* its reason belongs to it */
	bool remove;
	uint64_t list;             /* the list that has it */
	uint64_t noted;            /* rows_noted, when the store was asked */
	sl_warden_done done;
	void *ctx;
};

/* A row to be written or deleted when there is time: automatic bans, and what has ended. */
struct sl_warden_row {
	struct sl_prefix prefix;
	uint8_t kind, origin;
	bool remove;
	uint16_t times;
	int64_t since_unix_ms, until_unix_ms;
	char reason[SL_WARDEN_REASON_MAX + 1];
};
struct sl_warden_rows {
	struct sl_warden *warden;
	size_t n, capacity;
	struct sl_warden_row *all;
};

struct sl_warden_ban_item {
	struct sl_guard_ban ban;
	bool remove;
	struct sl_warden_op *op; /* to be told once it is carried out; NULL = nobody */
};

/* What the dataplane has been told and what not (tell.c). */
struct sl_warden_tell {
	bool attached;
	unsigned n_workers;
	enum { SL_TELL_UNKNOWN, SL_TELL_OWNER, SL_TELL_STANDBY, SL_TELL_REFUSED } owner;
	char standby[160];
	int64_t retry_ms;
	bool policy_due, policy_asked, pressure_due;

	bool clear_due, bans_anew; /* all bans are being told again, from ban_at on */
	size_t ban_at;
	struct sl_warden_ban_item *bans;
	size_t bans_first, n_bans, bans_capacity; /* a ring */

	bool list_due, list_asked;
	uint64_t list, list_flying; /* number of the newest list, and of the one under way */
	struct sl_warden_op *waiting, **waiting_last;

	bool marks_anew;
	size_t mark_at;
	struct sl_guard_mark *marks;
	size_t n_marks, marks_capacity;
	int64_t marks_since_ms;

	unsigned meter_at; /* none before it is due */
};

struct sl_warden_tenant {
	char *name;
	unsigned pps, kbps;
	bool due;                  /* to be told */
};

struct sl_warden_query {
	uint32_t seq; /* 0 = free */
	int64_t deadline_ms;
	unsigned n, wanted;
	sl_warden_answers done;
	void *ctx;
	struct sl_evt_guard_answer *answers;
};
struct sl_warden_sampling {
	uint32_t sample; /* 0 = none under way */
	int64_t deadline_ms;
	struct sl_warden_sample asked;
	uint8_t *pcap;
	size_t bytes, capacity;
	unsigned packets;
	uint32_t lost[SL_MAX_WORKERS];
	sl_warden_sampled done;
	void *ctx;
};

struct sl_warden {
	struct sl_warden_options o;
	const struct sl_config *config;
	struct sl_conf_guard conf; /* in force; its prefixes are config's */
	bool live;                 /* conf is not config's */
	bool leaving;              /* marks stay as they are */
	int64_t now_ms;            /* of the last tick or call */
	int64_t clock_ms;          /* wall clock less now_ms, as of the last tick */

	struct sl_entries entries;
	size_t pending_bans, pending_prefixes; /* being stored */
	struct sl_entries_round ended;
	struct sl_warden_entry shown, decided;
	struct sl_warden_rows rows;
	bool rows_flying;
	uint64_t rows_noted;       /* so many, ever */

	struct sl_reputation reputation;
	struct sl_trust trust;
	struct { uint64_t hash; int64_t ms; } *challenged; /* [SL_WARDEN_CHALLENGED] */
	struct sl_siphash_key key;
	struct sl_tally states[SL_WARDEN_N_STATES];
	struct sl_watch watch;
	unsigned percent;
	int64_t pressure_ms;
	struct sl_warden_tenant *tenants; /* [SL_GUARD_MAX_METERS], 0 is nobody's */
	unsigned n_tenants;

	struct sl_warden_tell tell;
	struct sl_warden_query queries[SL_WARDEN_QUERIES];
	uint32_t seq;
	struct sl_warden_sampling sampling;

	int64_t log_minute;
	unsigned log_lines;
	struct sl_warden_counts counts;
};

/* ---- warden.c ---- */
void sl_warden_limits(const struct sl_warden *w, struct sl_reputation_limits *out);
int64_t sl_warden_unix_ms(const struct sl_warden *w);
int64_t sl_warden_until_unix(const struct sl_warden *w, const struct sl_entry *e); /* 0 = no end */
/* Into the event log, if there is room in this minute. type: enum sl_call_event_type. */
void sl_warden_event(struct sl_warden *w, unsigned type, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- warden_entries.c ---- */
/* It is in force and the dataplane is told; op may be NULL. */
int sl_warden_enforce(struct sl_warden *w, const struct sl_entry *e, struct sl_warden_op *op);
/* Not in force any more. */
void sl_warden_lift(struct sl_warden *w, struct sl_entry *e, struct sl_warden_op *op);
void sl_warden_ban_source(struct sl_warden *w, const struct sl_ip *ip, unsigned seconds, unsigned times, const char *reason);
void sl_warden_entries_tick(struct sl_warden *w, int64_t now_ms);
void sl_warden_entries_config(struct sl_warden *w);
void sl_warden_op_done(struct sl_warden_op *op, int error, const char *text); /* told, and freed */

/* ---- entries_store.c ---- */
int sl_warden_load(struct sl_warden *w);
int sl_warden_store_op(struct sl_warden *w, struct sl_warden_op *op);
void sl_warden_row_later(struct sl_warden *w, const struct sl_entry *e, bool remove);
void sl_warden_rows_flush(struct sl_warden *w);
void sl_warden_rows_close(struct sl_warden *w); /* all of them, now */
void sl_warden_stored(struct sl_warden_op *op, int error, const char *text); /* warden_entries.c's */

/* ---- tell.c ---- */
void sl_warden_tell_open(struct sl_warden *w);
void sl_warden_tell_close(struct sl_warden *w);
void sl_warden_tell_tick(struct sl_warden *w, int64_t now_ms);
void sl_warden_pump(struct sl_warden *w);
void sl_warden_tell_policy(struct sl_warden *w);
void sl_warden_tell_ban(struct sl_warden *w, const struct sl_entry *e, bool remove, struct sl_warden_op *op);
void sl_warden_tell_list(struct sl_warden *w, struct sl_warden_op *op);
void sl_warden_tell_mark(struct sl_warden *w, const struct sl_guard_mark *mark);
void sl_warden_tell_meter(struct sl_warden *w, unsigned meter);

/* ---- hear.c ---- */
void sl_warden_hear(struct sl_warden *w, unsigned worker, const struct sl_event *evt);

/* ---- query.c, sample.c ---- */
void sl_warden_query_answer(struct sl_warden *w, unsigned worker, const struct sl_event *evt);
void sl_warden_query_tick(struct sl_warden *w, int64_t now_ms);
void sl_warden_query_close(struct sl_warden *w);
void sl_warden_sample_packet(struct sl_warden *w, unsigned worker, const struct sl_bulk *b);
void sl_warden_sample_tick(struct sl_warden *w, int64_t now_ms);
void sl_warden_sample_close(struct sl_warden *w, const char *why);

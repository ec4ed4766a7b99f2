/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#pragma once

/* The control plane's half of the guard: lists and bans with their ends, reputation, trust that SIP sources have earned, and what is
 * answered to sources that the dataplane marked. It tells the dataplane (dp/guard.c) and hears its events. Owner: the brain's thread; time
 * is an argument.
 *
 * Who wins: an allow (configuration or API) over everything; then a deny, a ban; then limits. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/options.h"
#include "controlplane/dp/dp.h"
#include "controlplane/store/store.h"
#include "dataplane/abi/msg_guard.h"
#include "dataplane/wire/addr.h"

struct sl_warden;
struct sl_call_events;
struct sl_sip_flow;

struct sl_warden_options {
	const struct sl_config *config;
	struct sl_dp *dp;       /* may be NULL in tests */
	struct sl_store *store; /* manual and automatic entries outlive us; NULL: they do not */
	struct sl_call_events *events; /* NULL: no events but the log */
	int64_t (*unix_ms)(void), (*now_ms)(void); /* NULL = the clocks (CLOCK_MONOTONIC) */
};
/* What SIP, the registrar, calls and media ask and tell (from "reputation" to "tenants" below) works with w NULL, too: then nobody is
 * limited. */
struct sl_warden *sl_warden_new(const struct sl_warden_options *o);
void sl_warden_free(struct sl_warden *w);
/* We stop: marks of whoever goes from now on stay in the dataplane until their time, for the process after us. */
void sl_warden_leave(struct sl_warden *w);
void sl_warden_tick(struct sl_warden *w, int64_t now_ms);
/* A reloaded configuration: policy and lists are told again. */
void sl_warden_reconfigure(struct sl_warden *w, const struct sl_config *config);
/* After each turn of the loop: marks that were made in it go to the dataplane. Cheap when there are none. */
void sl_warden_turn(struct sl_warden *w, int64_t now_ms);
/* The events facility came up later than we did. */
void sl_warden_set_events(struct sl_warden *w, struct sl_call_events *events);

/* ---- policy ---- */

/* Limits, dry run and whatever else of the group can change at once, until the next reload (prefixes, sources and sip_sources are not
 * looked at). g NULL: back to the configuration. 0; -EINVAL with text: a rule twice, or an action that its class has not. */
int sl_warden_set_policy(struct sl_warden *w, const struct sl_conf_guard *g, char *text, size_t text_len);
const struct sl_conf_guard *sl_warden_policy(const struct sl_warden *w); /* in force */
bool sl_warden_policy_is_live(const struct sl_warden *w);                /* by sl_warden_set_policy(), not the configuration */
/* Why the dataplane does not go by us, in words (another client owns its guard, it is away, it refused something); NULL = it does. */
const char *sl_warden_standby(const struct sl_warden *w);
unsigned sl_warden_pressure_percent(const struct sl_warden *w); /* of SIP strangers' totals, let through; 100 = all */

/* ---- entries: allow, deny, ban ---- */

enum sl_warden_kind { SL_WARDEN_ALLOW, SL_WARDEN_DENY, SL_WARDEN_BAN };      /* BAN: a deny with an end, manual or automatic */
enum sl_warden_origin { SL_WARDEN_CONFIG, SL_WARDEN_API, SL_WARDEN_AUTO };
enum { SL_WARDEN_REASON_MAX = 95 };

struct sl_warden_entry {
	struct sl_prefix prefix;
	uint8_t kind;                /* enum sl_warden_kind */
	uint8_t origin;
	int64_t since_unix_ms, until_unix_ms; /* until 0 = no end */
	char reason[SL_WARDEN_REASON_MAX + 1];
};
typedef void (*sl_warden_done)(void *ctx, int error, const char *text); /* error 0 or negative errno, once it is stored and told */

/* Put (added or changed: same prefix and kind) an entry of origin API. seconds 0 = without an end. -EINVAL with text at once and done not
 * called: host bits set, a ban of what is allowed, a ban of 0.0.0.0/0 or of one of our own addresses; -ENOSPC. */
int sl_warden_put(struct sl_warden *w, enum sl_warden_kind kind, const struct sl_prefix *p, uint32_t seconds, const char *reason, sl_warden_done done,
	void *ctx, char *text, size_t text_len);
/* -ENOENT; -EPERM: the configuration's. */
int sl_warden_remove(struct sl_warden *w, enum sl_warden_kind kind, const struct sl_prefix *p, sl_warden_done done, void *ctx, char *text, size_t text_len);
/* In the order allow, deny, ban; *at: 0 at first. NULL at the end. Valid until it is called again. */
const struct sl_warden_entry *sl_warden_next(const struct sl_warden *w, size_t *at);
/* Of one kind: the one at that place (0 at first; places move when entries go), the one of that prefix (the API's or reputation's before
 * the configuration's). NULL: there is none. Valid until one of the three is called again; they take no longer when there are many. */
const struct sl_warden_entry *sl_warden_at(const struct sl_warden *w, enum sl_warden_kind kind, size_t place);
const struct sl_warden_entry *sl_warden_find(const struct sl_warden *w, enum sl_warden_kind kind, const struct sl_prefix *p);
size_t sl_warden_count(const struct sl_warden *w, enum sl_warden_kind kind);
/* What decides about an address: the entry that wins, or NULL. Valid until it is called again. */
const struct sl_warden_entry *sl_warden_decides(const struct sl_warden *w, const struct sl_ip *ip);

/* ---- reputation ---- */

/* n things were seen of a source (n * weight points, decaying); beyond the limit it is banned for a while, and longer each time. Allowed
 * sources are counted and never banned. */
void sl_warden_report(struct sl_warden *w, const struct sl_ip *source, enum sl_guard_signal what, unsigned n, int64_t now_ms);
/* The same of whoever sent over a flow: a stream, or proven (he answered a nonce that was given to his address), is not forged. A datagram
 * may be, and what may be brings nobody beyond half of the score that a ban takes. sl_warden_report(): MALFORMED and FLOOD may be forged,
 * the rest is proven. */
void sl_warden_report_flow(struct sl_warden *w, const struct sl_sip_flow *flow, enum sl_guard_signal what, bool proven, int64_t now_ms);
struct sl_warden_source {
	struct sl_ip ip;                 /* IPv6: its /64 */
	uint32_t score;                  /* points now */
	uint32_t seen[SL_GUARD_N_SIGNALS];
	unsigned bans;                   /* how often lately */
	int64_t last_ms;
};
/* False: nothing is known of it. */
bool sl_warden_source(const struct sl_warden *w, const struct sl_ip *ip, int64_t now_ms, struct sl_warden_source *out);
/* The n with the highest scores. */
size_t sl_warden_worst(const struct sl_warden *w, int64_t now_ms, struct sl_warden_source *out, size_t n);

/* ---- trust (marks in the dataplane) ---- */

void sl_warden_challenged(struct sl_warden *w, const struct sl_sip_flow *flow, int64_t now_ms);
/* Authenticated, or a trunk that answers: for so many seconds. */
void sl_warden_trusts(struct sl_warden *w, const struct sl_sip_flow *flow, uint32_t seconds, int64_t now_ms);
/* The same by somebody who will say when it is over (a binding, a call), by sl_warden_distrusts(): several may share a source, and the last
 * one to go takes the mark along, unless sl_warden_trusts() gave it a time that is not over. Renewed: for longer, by one that holds it
 * already. */
void sl_warden_holds(struct sl_warden *w, const struct sl_sip_flow *flow, uint32_t seconds, int64_t now_ms);
void sl_warden_renews(struct sl_warden *w, const struct sl_sip_flow *flow, uint32_t seconds, int64_t now_ms);
void sl_warden_distrusts(struct sl_warden *w, const struct sl_sip_flow *flow, int64_t now_ms);
/* A mark for an address that nothing came from yet: a trunk's target. */
void sl_warden_trusts_peer(struct sl_warden *w, const struct sl_endpoint *remote, unsigned listener, uint32_t seconds, int64_t now_ms);
bool sl_warden_knows(const struct sl_warden *w, const struct sl_sip_flow *flow);

/* ---- what SIP asks ---- */

enum sl_warden_answer { SL_WARDEN_PASS, SL_WARDEN_CHALLENGE, SL_WARDEN_REFUSE, SL_WARDEN_DELAY };
/* A request from flow, of a source that the dataplane may have marked: by the action of the rule it exceeds. Cheap when nobody is
 * marked. */
enum sl_warden_answer sl_warden_judge(const struct sl_warden *w, const struct sl_sip_flow *flow, int64_t now_ms);
void sl_warden_answered(struct sl_warden *w, enum sl_warden_answer a); /* so he is: it is counted */
/* Is whoever sends over this flow denied or banned by an operator? The dataplane drops him; who comes past it (standby, dry run is not) is
 * dropped here. */
bool sl_warden_denies(struct sl_warden *w, const struct sl_sip_flow *flow);
/* Seconds for which strangers of that address are banned by their reputation; 0 = they are not. *answer: one refusal a second is
 * answered. */
unsigned sl_warden_blocks(struct sl_warden *w, const struct sl_ip *ip, int64_t now_ms, bool *answer);
/* New state for a source: is there room for n more? False: with them it would have more than its number, or its prefix would; it is counted
 * as refused. */
enum sl_warden_state { SL_WARDEN_BINDING, SL_WARDEN_CALL, SL_WARDEN_N_STATES };
bool sl_warden_has_room(struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source, unsigned n);
/* There is one more, whatever the number is (a restart); one has ended. */
void sl_warden_took(struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source);
void sl_warden_give(struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source);
/* How many there are of it. */
unsigned sl_warden_has(const struct sl_warden *w, enum sl_warden_state what, const struct sl_ip *source);
/* The overload controller's word, every 200 ms or so: 0 none, 1 some, 2 severe. Lets fewer strangers through while it lasts. */
void sl_warden_pressure(struct sl_warden *w, unsigned level, int64_t now_ms);

/* ---- tenants ---- */

/* The number of a tenant's token buckets in the dataplane, for legs of its calls: pps and kbps are what it may have, both directions apart.
 * 0: it has no limits, or there are more than SL_GUARD_MAX_METERS tenants with limits. The number stays while we live; other limits are
 * told at once. */
unsigned sl_warden_meter(struct sl_warden *w, const char *tenant, unsigned pps, unsigned kbps);

/* ---- looking ---- */

/* A source, prefix or total that is over its limit now, as workers tell. */
struct sl_warden_over {
	struct sl_evt_guard_source e;
	int64_t since_ms, last_ms;
	uint64_t times;
};
size_t sl_warden_overs(const struct sl_warden *w, struct sl_warden_over *out, size_t n); /* newest first */

/* Ask every worker where an address stands; done with what came (n answers) within 500 ms. 0 or -ENOTCONN. */
typedef void (*sl_warden_answers)(void *ctx, const struct sl_evt_guard_answer *answers, unsigned n);
int sl_warden_query(struct sl_warden *w, const struct sl_ip *ip, int64_t now_ms, sl_warden_answers done, void *ctx);

/* Collect n dropped packets, or for so many seconds: done gets a pcap file in memory (it owns it; free()), frames from their Ethernet
 * header on, or NULL and why. */
struct sl_warden_sample {
	unsigned n, seconds;
	unsigned reason; /* enum sl_drop, or SL_GUARD_ANY */
	struct sl_prefix from; /* len 0 = any */
};
typedef void (*sl_warden_sampled)(void *ctx, uint8_t *pcap, size_t bytes, unsigned packets, unsigned lost, const char *error);
int sl_warden_sample(struct sl_warden *w, const struct sl_warden_sample *s, int64_t now_ms, sl_warden_sampled done, void *ctx);

/* X(name, help): counters of the control plane's half. */
#define SL_WARDEN_COUNTERS(X)                                                            \
	X(bans_manual, "bans by an operator")                                            \
	X(bans_automatic, "bans by reputation")                                          \
	X(bans_spared, "bans by reputation not made: the source is allowed")             \
	X(bans_ended, "bans whose time was up")                                          \
	X(challenged, "SIP requests challenged because of the guard's mark")             \
	X(refused, "SIP requests refused (503) because of the guard's mark")             \
	X(delayed, "SIP answers held back because of the guard's mark")                  \
	X(state_refused, "bindings and calls refused: too many of a source or prefix")   \
	X(marks_provisional, "SIP sources marked provisionally")                         \
	X(marks_final, "SIP sources marked as known")                                    \
	X(marks_withdrawn, "marks withdrawn before their time")                          \
	X(marks_refused, "SIP sources not marked: as many as sip_sources are")           \
	X(denied, "SIP messages dropped: denied or banned by an operator")               \
	X(entries_lost, "bans that could not be stored: they end with this process")     \
	X(events_dropped, "lines not written to the event log: beyond log_per_minute")
struct sl_warden_counts {
#define X(name, help) uint64_t name;
	SL_WARDEN_COUNTERS(X)
#undef X
};
const struct sl_warden_counts *sl_warden_counts(const struct sl_warden *w);

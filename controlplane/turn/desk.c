/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/turn/desk_internal.h"

#include "controlplane/call/events.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TELL_AGAIN_MS = 1000, QUOTA_LOG_MS = 60000, QUOTA_LINES = 20 };

/* ---- the plan ---- */

struct sl_turn_plan *desk_make_plan(const struct sl_desk *d, const struct sl_config *config, const struct desk_peers *peers,
        const struct desk_register *restricted, const struct sl_desk_drain *drain, char *text, size_t text_len)
{
	uint8_t first[SL_CONF_MAX_ALTERNATES];

	desk_first_weights(&config->turn, first);
	struct sl_turn_live live = {.n_peers = peers->n,
	        .peers = peers->all,
	        .n_restricted = restricted->n,
	        .restricted = restricted->all,
	        /* Loads are known of the alternates of the configuration in force. */
	        .weights = config == d->o.config ? d->weights : first,
	        .drain = {.on = drain->on, .max_lifetime_s = drain->max_lifetime_s},
	        .sourced = d->sourced};

	return sl_turn_plan_new(&config->turn, &live, text, text_len);
}

struct sl_turn_plan *sl_desk_plan(struct sl_desk *d, const struct sl_config *config, char *text, size_t text_len)
{
	return desk_make_plan(d, config, &d->peers, &d->restricted, &d->drain, text, text_len);
}

const struct sl_turn_plan *sl_desk_plan_now(const struct sl_desk *d)
{
	return d->plan;
}

void desk_renew(struct sl_desk *d, bool tell)
{
	char text[120];
	struct sl_turn_plan *plan = sl_desk_plan(d, d->o.config, text, sizeof text);

	sl_desk_set_trouble(d, plan ? NULL : text);
	if (!plan) { /* what is in force goes on */
		d->stale = d->dirty = true;
		d->next_tell_ms = d->now_ms + TELL_AGAIN_MS;
		return;
	}
	bool users = d->plan && !sl_turn_plan_same_realms(d->plan, plan);
	sl_turn_plan_unref(d->plan);
	d->plan = plan;
	d->stale = false;
	if (tell && plan->on) {
		d->dirty = true;
		d->dirty_all |= users;
		d->next_tell_ms = 0;
	}
}

void sl_desk_set_trouble(struct sl_desk *d, const char *text)
{
	if (!text && d->trouble[0])
		sl_log(SL_LOG_INFO, "TURN can be told as it shall be again");
	else if (text && strncmp(text, d->trouble, sizeof d->trouble - 1) != 0)
		sl_log(SL_LOG_ERROR, "TURN cannot be told as it shall be, what is in force goes on: %s", text);
	snprintf(d->trouble, sizeof d->trouble, "%s", text ? text : "");
}

const char *sl_desk_trouble(const struct sl_desk *d)
{
	return d->trouble[0] ? d->trouble : NULL;
}

bool sl_desk_has_realm(const struct sl_desk *d, const char *name)
{
	return name[0] && sl_turn_plan_realm(d->plan, name) >= 0;
}

const char *sl_desk_realm_name(const struct sl_desk *d, unsigned index)
{
	const struct sl_turn_plan *p = sl_dp_plan(d->o.dp);

	if (!p)
		p = d->plan;
	return index < p->n_realms ? p->realms[index].name : "";
}

/* ---- telling ---- */

static void told(void *ctx, int error, const char *text)
{
	struct sl_desk *d = ctx;

	d->telling = false;
	/* Away: it gets everything when it is back. Refused: it would be again; it was logged. */
	if (error != -EBUSY && error != -ETIMEDOUT)
		return;
	d->dirty = true;
	d->next_tell_ms = d->now_ms + TELL_AGAIN_MS;
}

static void tell(struct sl_desk *d)
{
	if (d->stale)
		desk_renew(d, false);
	if (d->stale) /* it cannot be made: later */
		return;
	struct sl_desired desired = {.plan = sl_turn_plan_ref(d->plan), .keep_users = true};
	int rc = d->dirty_all ? -ESTALE : sl_dp_replay(d->o.dp, &desired, told, d);

	if (rc < 0)
		sl_desired_clear(&desired);
	if (rc == -ESTALE) {
		rc = d->o.desired(d->o.ctx, &desired);
		if (rc == 0 && (rc = sl_dp_replay(d->o.dp, &desired, told, d)) < 0)
			sl_desired_clear(&desired);
	}
	if (rc == 0)
		d->telling = true;
	if (rc == 0 || rc == -ENOTCONN)
		d->dirty = d->dirty_all = false;
	else
		d->next_tell_ms = d->now_ms + TELL_AGAIN_MS;
}

void sl_desk_tell_all(struct sl_desk *d)
{
	d->dirty = d->dirty_all = true;
	d->next_tell_ms = d->now_ms + TELL_AGAIN_MS;
}

bool sl_desk_is_settled(const struct sl_desk *d)
{
	return (!d->dirty || d->trouble[0]) && !d->telling;
}

void sl_desk_sourced(struct sl_desk *d, const struct sl_source_set *set)
{
	d->sourced = set;
	desk_renew(d, true);
	if (d->plan->n_left_out)
		sl_log(SL_LOG_WARNING, "user tables say more of realms than there is room for: %zu rules, secrets, origins or keys are left out", d->plan->n_left_out);
}

const struct sl_source_set *sl_desk_tables(const struct sl_desk *d)
{
	return d->sourced;
}

void sl_desk_tick(struct sl_desk *d, int64_t now_ms)
{
	d->now_ms = now_ms;
	if (d->leaving)
		return;
	if (d->dirty && !sl_dp_replaying(d->o.dp) && now_ms >= d->next_tell_ms)
		tell(d);
	desk_changes_tick(d);
	desk_alternates_tick(d);
	if (now_ms - d->quota_log_ms >= QUOTA_LOG_MS) {
		if (d->quota_unlogged)
			sl_log(SL_LOG_WARNING, "quota: %u further crossings of soft limits in the last minute", d->quota_unlogged);
		d->quota_log_ms = now_ms;
		d->quota_logged = d->quota_unlogged = 0;
	}
}

/* ---- load and quotas ---- */

struct sl_desk_load sl_desk_load(const struct sl_desk *d)
{
	const struct sl_region *region = sl_dp_region(d->o.dp);
	struct sl_desk_load l = {0};

	if (!region)
		return l;
	for (unsigned w = 0; w < sl_dp_n_workers(d->o.dp); w++)
		l.allocations += __atomic_load_n(&region->workers[w].counters[SL_C_allocations_active], __ATOMIC_RELAXED);
	l.capacity = region->max_allocations;
	unsigned quota = d->o.config->turn.total_quota;
	if (quota && quota < l.capacity)
		l.capacity = quota;
	if (l.capacity)
		l.percent = l.allocations >= l.capacity ? 100 : (unsigned)(l.allocations * 100 / l.capacity);
	return l;
}

void sl_desk_quota(struct sl_desk *d, const struct sl_evt_turn_quota *e)
{
	const char *realm = sl_desk_realm_name(d, e->realm);
	char whose[320] = "the node", text[480];

	if (e->subject <= SL_QUOTA_NODE)
		d->counts.quota_events[e->subject]++;
	if (d->quota_logged >= QUOTA_LINES) {
		d->quota_unlogged++;
		return;
	}
	d->quota_logged++;
	if (e->subject == SL_QUOTA_USER)
		snprintf(whose, sizeof whose, "user %.*s of realm %s", (int)strnlen(e->username, sizeof e->username), e->username, realm);
	else if (e->subject == SL_QUOTA_REALM)
		snprintf(whose, sizeof whose, "realm %s", realm[0] ? realm : "that has gone");
	if (e->soft_kbps == 0) /* taken away while it was above */
		snprintf(text, sizeof text, "%s has no soft limit %s any more: %u kbit/s", whose, e->direction ? "to clients" : "to peers", e->kbps);
	else
		snprintf(text, sizeof text, "%s is %s its soft limit %s: %u kbit/s of %u", whose, e->over ? "above" : "below",
		        e->direction ? "to clients" : "to peers", e->kbps, e->soft_kbps);
	sl_log(SL_LOG_WARNING, "quota: %s", text);
	d->o.event(d->o.ctx, SL_CE_TURN_QUOTA, text);
}

const struct sl_desk_counts *sl_desk_counts(const struct sl_desk *d)
{
	return &d->counts;
}

const struct sl_desk_drain *sl_desk_drain(const struct sl_desk *d)
{
	return &d->drain;
}

const struct sl_turn_peer *sl_desk_peers(const struct sl_desk *d, size_t *n)
{
	*n = d->peers.n;
	return d->peers.all;
}

struct sl_turn_restricted *const *sl_desk_restricted(const struct sl_desk *d, size_t *n)
{
	*n = d->restricted.n;
	return d->restricted.all;
}

/* ---- life ---- */

struct sl_desk *sl_desk_new(const struct sl_desk_options *options, char *text, size_t text_len)
{
	struct sl_desk *d = calloc(1, sizeof *d);
	char why[SL_STORE_TEXT] = "";

	snprintf(text, text_len, "no memory");
	if (!d)
		return NULL;
	d->o = *options;
	d->last = &d->first;
	desk_alternates_reset(d);
	if (desk_store_load(d, why) < 0) {
		snprintf(text, text_len, "live settings cannot be read from control.database: %s", why);
		sl_desk_free(d);
		return NULL;
	}
	d->plan = sl_desk_plan(d, d->o.config, text, text_len);
	if (d->plan)
		return d;
	sl_desk_free(d);
	return NULL;
}

void sl_desk_reconfigure(struct sl_desk *d, const struct sl_config *config)
{
	d->o.config = config;
	desk_alternates_reset(d);
	desk_renew(d, false);
}

void sl_desk_leave(struct sl_desk *d)
{
	if (!d)
		return;
	d->leaving = true;
	desk_alternates_leave(d);
	desk_changes_leave(d);
}

void sl_desk_free(struct sl_desk *d)
{
	if (!d)
		return;
	sl_turn_plan_unref(d->plan);
	desk_register_clear(&d->restricted);
	free(d->peers.all);
	free(d);
}

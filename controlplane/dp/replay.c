/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/dp/internal.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>

void sl_desired_clear(struct sl_desired *d)
{
	for (size_t i = 0; i < d->n_users; i++)
		sl_user_unref(d->users[i]);
	free(d->users);
	sl_turn_plan_unref(d->plan);
	*d = (struct sl_desired){0};
}

void sl_dp_replay_start(struct sl_dp *dp, struct sl_desired *desired, sl_dp_done done, void *ctx)
{
	/* Without TURN the housekeeper has nothing to be told, and the provisioning of TURN is left to who has it. */
	bool turn = desired->plan->on;

	dp->replay = (struct sl_dp_replay){.phase = turn ? PHASE_BEGIN : PHASE_LAST,
	        .desired = *desired,
	        .heard_ms = dp->now_ms,
	        .done = done,
	        .ctx = ctx};
	dp->next_replay_ms = 0;
	*desired = (struct sl_desired){0};
	sl_dp_replay_pump(dp);
}

int sl_dp_replay(struct sl_dp *dp, struct sl_desired *desired, sl_dp_done done, void *ctx)
{
	if (dp->replay.phase != PHASE_NONE)
		return -EBUSY;
	if (!dp->attached || dp->standby)
		return -ENOTCONN;
	if (desired->keep_users && !(dp->plan && sl_turn_plan_same_realms(dp->plan, desired->plan)))
		return -ESTALE;
	sl_dp_replay_start(dp, desired, done, ctx);
	return 0;
}

void sl_dp_replay_now(struct sl_dp *dp)
{
	struct sl_desired desired;

	if (!dp->attached || dp->replay.phase != PHASE_NONE)
		return;
	if (dp->ops.desired(dp->ops.ctx, &desired) == 0)
		sl_dp_replay_start(dp, &desired, NULL, NULL);
	else
		dp->next_replay_ms = dp->now_ms + SL_DP_RETRY_MS;
}

bool sl_dp_replaying(const struct sl_dp *dp)
{
	return dp->replay.phase != PHASE_NONE;
}

void sl_dp_replay_abandon(struct sl_dp *dp, int error, const char *text)
{
	struct sl_dp_replay *r = &dp->replay;
	sl_dp_done done = r->done;

	if (r->phase == PHASE_NONE)
		return;
	r->phase = PHASE_NONE;
	r->done = NULL;
	sl_desired_clear(&r->desired);
	if (done)
		done(r->ctx, error, text);
}

/* The dataplane holds our half-made snapshot until it is committed or we go. A refused reload is followed by
 * what was in force before; if there is nothing better to send, attaching anew throws it away, and what was
 * published goes on. */
static void refused(struct sl_dp *dp)
{
	struct sl_dp_replay *r = &dp->replay;
	bool reload = r->done != NULL;
	char text[160];

	memcpy(text, r->text, sizeof text);
	sl_log(SL_LOG_ERROR, "the dataplane refused the configuration: %s", text);
	sl_dp_replay_abandon(dp, r->error, text);
	if (reload) {
		sl_dp_replay_now(dp);
		return;
	}
	dp->refused_generation = dp->client.generation;
	snprintf(dp->trouble, sizeof dp->trouble, "the dataplane refused the configuration: %s", text);
	sl_dp_detach(dp, "to withdraw what it refused");
}

/* Another control plane owns TURN's provisioning: wait until it goes. */
static void stand_by(struct sl_dp *dp)
{
	char text[160];

	memcpy(text, dp->replay.text, sizeof text);
	if (!dp->standby)
		sl_log(SL_LOG_WARNING, "standing by: %s; trying every %d ms", text, SL_DP_RETRY_MS);
	dp->standby = true;
	dp->next_replay_ms = dp->now_ms + SL_DP_RETRY_MS;
	snprintf(dp->trouble, sizeof dp->trouble, "%s", text);
	sl_dp_replay_abandon(dp, -EBUSY, text);
}

/* All items are answered, or the commit is: over, well or not. */
static void finish(struct sl_dp *dp)
{
	struct sl_dp_replay *r = &dp->replay;

	if (r->error == -EBUSY) {
		stand_by(dp);
		return;
	}
	/* -ETIMEDOUT: we were so slow that our draft was dropped. */
	if (r->error == -EAGAIN || r->error == -ETIMEDOUT) {
		r->phase = PHASE_AGAIN;
		r->error = 0;
		r->at = 0;
		return;
	}
	if (r->error) {
		refused(dp);
		return;
	}
	dp->counts.replays++;
	dp->refused_generation = 0;
	dp->standby = false;
	const struct sl_turn_plan *p = r->desired.plan;
	sl_turn_plan_unref(dp->plan);
	dp->plan = sl_turn_plan_ref(r->desired.plan);
	if (p->on && r->desired.keep_users)
		sl_log(SL_LOG_INFO, "the dataplane is provisioned: %zu realms, the same users, %zu secrets, %zu peer rules", p->n_realms, p->n_secrets, p->n_rules);
	else if (p->on)
		sl_log(SL_LOG_INFO, "the dataplane is provisioned: realm %s%s, %zu users, %zu secrets, %zu peer rules", p->realms[0].name,
		        p->n_realms > 1 ? " and others" : "", r->desired.n_users, p->n_secrets, p->n_rules);
	sl_dp_replay_abandon(dp, 0, "");
}

static void item_answered(void *ctx, int error, const char *text)
{
	struct sl_dp *dp = ctx;
	struct sl_dp_replay *r = &dp->replay;

	if (r->phase == PHASE_NONE) /* given up since */
		return;
	r->unanswered--;
	r->heard_ms = dp->now_ms;
	if (error && !r->error) {
		r->error = error;
		snprintf(r->text, sizeof r->text, "%s", text[0] ? text : strerror(-error));
	}
	if (r->unanswered == 0 && (r->error || r->phase == PHASE_LAST))
		finish(dp);
}

/* What each phase sends: type, how many, and what fills the command from the plan. */
static size_t items_of(const struct sl_dp_replay *r)
{
	const struct sl_turn_plan *p = r->desired.plan;

	switch (r->phase) {
	case PHASE_REALMS:
		return p->n_realms;
	case PHASE_NAMES:
		return p->n_names;
	case PHASE_RULES:
		return p->n_rules;
	case PHASE_SECRETS:
		return p->n_secrets;
	case PHASE_KEYS:
		return p->n_keys;
	case PHASE_ALTERNATES:
		return p->n_alternates;
	case PHASE_RESTRICTED:
		return p->n_restricted;
	case PHASE_USERS:
		return r->desired.n_users;
	case PHASE_OPENING:
	case PHASE_WAIT:
	case PHASE_NONE:
	case PHASE_LAST:
	case PHASE_AGAIN:
		return 0;
	case PHASE_BEGIN:
	case PHASE_TURN:
	case PHASE_COMMIT:
	case PHASE_DRAIN:
		break;
	}
	return 1;
}

static void fill_restricted(struct sl_cmd_restricted *c, const struct sl_turn_plan_restricted *r)
{
	c->kind = r->name ? SL_RESTRICTED_ACCOUNT : SL_RESTRICTED_PREFIX;
	c->realm = r->realm;
	if (!r->name) {
		c->ip = r->prefix.ip;
		c->prefix_len = r->prefix.len;
		return;
	}
	c->name_len = (uint16_t)strnlen(r->name, sizeof c->name);
	memcpy(c->name, r->name, c->name_len);
}

/* Users come sorted by realm. */
static void fill_user(struct sl_dp_replay *r, struct sl_cmd_user *c)
{
	const struct sl_user *u = r->desired.users[r->at];

	if (!r->realm_name || strcmp(r->realm_name, u->realm) != 0) {
		int realm = sl_turn_plan_realm(r->desired.plan, u->realm);
		r->realm_name = u->realm;
		r->realm = (uint16_t)(realm < 0 ? 0 : realm); /* whoever made the list left out those of no realm */
	}
	sl_user_command(u, r->realm, c);
}

static void fill_item(struct sl_dp_replay *r, struct sl_command *c)
{
	static const uint32_t types[] = {
	        [PHASE_BEGIN] = SL_CMD_CONFIG_BEGIN,
	        [PHASE_TURN] = SL_CMD_TURN_CONFIG,
	        [PHASE_REALMS] = SL_CMD_TURN_REALM,
	        [PHASE_NAMES] = SL_CMD_REALM_NAME,
	        [PHASE_RULES] = SL_CMD_PEER_RULE,
	        [PHASE_SECRETS] = SL_CMD_SECRET,
	        [PHASE_KEYS] = SL_CMD_OAUTH_KEY,
	        [PHASE_ALTERNATES] = SL_CMD_ALTERNATE,
	        [PHASE_RESTRICTED] = SL_CMD_RESTRICTED,
	        [PHASE_USERS] = SL_CMD_USER_SET,
	        [PHASE_COMMIT] = SL_CMD_CONFIG_COMMIT,
	        [PHASE_DRAIN] = SL_CMD_TURN_DRAIN,
	};
	const struct sl_turn_plan *p = r->desired.plan;

	*c = (struct sl_command){.h = {.type = types[r->phase]}};
	switch (r->phase) {
	case PHASE_BEGIN:
		c->begin.flags = r->desired.keep_users ? SL_CONFIG_KEEP_USERS : 0;
		break;
	case PHASE_TURN:
		c->turn = p->turn;
		break;
	case PHASE_REALMS:
		c->realm = p->realms[r->at];
		break;
	case PHASE_NAMES:
		c->realm_name = p->names[r->at];
		break;
	case PHASE_RULES:
		c->peer_rule = p->rules[r->at];
		break;
	case PHASE_SECRETS:
		c->secret = p->secrets[r->at];
		break;
	case PHASE_KEYS:
		c->oauth_key = p->keys[r->at];
		break;
	case PHASE_ALTERNATES:
		c->alternate = p->alternates[r->at];
		break;
	case PHASE_RESTRICTED:
		fill_restricted(&c->restricted, &p->restricted[r->at]);
		break;
	case PHASE_USERS:
		fill_user(r, &c->user);
		break;
	case PHASE_DRAIN:
		c->drain = p->drain;
		break;
	default:
		break;
	}
}

void sl_dp_replay_pump(struct sl_dp *dp)
{
	struct sl_dp_replay *r = &dp->replay;
	struct sl_command cmd = {0};
	int rc = 0;

	/* Once an item is refused no more are sent; the answers still under way end the replay. */
	while (rc == 0 && !r->error && r->phase != PHASE_NONE && r->phase < PHASE_LAST) {
		if (r->at >= items_of(r)) {
			if ((r->phase == PHASE_WAIT || r->phase == PHASE_OPENING) && r->unanswered)
				return;
			r->phase++;
			r->at = 0;
			continue;
		}
		fill_item(r, &cmd);
		rc = sl_dp_send(dp, &cmd, item_answered, dp);
		if (rc == 0) {
			r->unanswered++;
			r->at++;
		}
	}
	OPENSSL_cleanse(&cmd, sizeof cmd);
	if (r->phase == PHASE_LAST && r->unanswered == 0) { /* nothing was sent at all */
		finish(dp);
		return;
	}
	if (rc < 0 && rc != -ENOBUFS && dp->attached)
		sl_dp_detach(dp, rc == -ESTALE ? "it was restarted or cut us off"
		                               : "its ring indices are out of range");
}

void sl_dp_replay_tick(struct sl_dp *dp)
{
	struct sl_dp_replay *r = &dp->replay;

	if (dp->next_replay_ms && dp->now_ms >= dp->next_replay_ms)
		sl_dp_replay_now(dp);
	/* Somebody waits for this one. Detaching throws the draft away, so that what he is told stays true. */
	if (r->done && dp->now_ms - r->heard_ms >= SL_DP_SILENT_MS) {
		sl_dp_replay_abandon(dp, -ETIMEDOUT, "it answered nothing for 5 seconds");
		sl_dp_detach(dp, "it answers nothing");
		return;
	}
	if (r->phase == PHASE_AGAIN)
		r->phase = PHASE_BEGIN;
}

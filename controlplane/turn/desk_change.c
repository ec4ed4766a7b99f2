/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Changes of live settings, one at a time. A list that is told whole goes to the dataplane first, which may refuse it, and is then kept;
 * single entries and drain are kept first, since nothing can be wrong with them. Whatever went wrong halfway is made good by telling what
 * is kept (desk->dirty). */

#include "controlplane/turn/desk_internal.h"

#include "controlplane/call/events.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void free_op(struct desk_op *op)
{
	desk_register_clear(&op->entries);
	free(op->peers.all);
	sl_turn_plan_unref(op->plan);
	free(op);
}

/* The first one ends. */
static void end(struct desk_op *op, enum sl_desk_outcome outcome, const char *text)
{
	struct sl_desk *d = op->d;

	d->first = op->next;
	if (!d->first)
		d->last = &d->first;
	op->done(op->ctx, outcome, text);
	free_op(op);
}

static void retell(struct sl_desk *d)
{
	d->dirty = true;
	d->next_tell_ms = 0;
}

/* ---- what shall be ---- */

static bool same_peer(const struct sl_turn_peer *a, const struct sl_turn_peer *b)
{
	return strcmp(a->realm, b->realm) == 0 && sl_ip_eq(&a->prefix.ip, &b->prefix.ip) && a->prefix.len == b->prefix.len;
}

/* The desk's rules without those of peer's realm and prefix. */
static struct sl_turn_peer *without(const struct sl_desk *d, const struct sl_turn_peer *peer, size_t *n)
{
	struct sl_turn_peer *all = calloc(d->peers.n + 1, sizeof *all); /* room for one more */

	*n = 0;
	for (size_t i = 0; all && i < d->peers.n; i++) {
		if (!same_peer(&d->peers.all[i], peer))
			all[(*n)++] = d->peers.all[i];
	}
	return all;
}

/* 0, -ENOENT (to be removed, and not there), -ENOSPC, -ENOMEM. */
static int prepare_peers(struct desk_op *op)
{
	struct sl_turn_peer peer, *all;
	size_t n;

	if (op->kind == SET_PEERS)
		return op->peers.n > SL_DESK_PEERS_MAX ? -ENOSPC : 0;
	peer = op->peers.all[0];
	if (!(all = without(op->d, &peer, &n)))
		return -ENOMEM;
	bool was_there = n < op->d->peers.n;
	if (op->kind == ADD_PEER) {
		size_t at = op->at < n ? op->at : n;
		memmove(all + at + 1, all + at, (n - at) * sizeof *all);
		all[at] = peer;
		n++;
	}
	free(op->peers.all);
	op->peers = (struct desk_peers){all, n};
	if (n > SL_DESK_PEERS_MAX)
		return -ENOSPC;
	return op->kind == REMOVE_PEER && !was_there ? -ENOENT : 0;
}

static int prepare_entries(struct desk_op *op)
{
	const struct desk_register *now = &op->d->restricted;
	size_t in_file = op->d->o.config->turn.n_restricted, known = 0;

	for (size_t i = 0; i < op->entries.n; i++)
		known += desk_register_find(now, op->entries.all[i]) != NULL;
	if (op->kind == REMOVE_RESTRICTED)
		return known ? 0 : -ENOENT;
	size_t whole = op->entries.n + (op->kind == ADD_RESTRICTED ? now->n - known : 0);
	return whole + in_file > SL_TURN_MAX_RESTRICTED ? -ENOSPC : 0;
}

static bool is_list(const struct desk_op *op)
{
	return op->kind <= SET_RESTRICTED;
}

static int prepare(struct desk_op *op, char *text, size_t text_len)
{
	struct sl_desk *d = op->d;
	int rc = op->kind == SET_DRAIN ? 0 : op->kind <= REMOVE_PEER ? prepare_peers(op) : prepare_entries(op);

	if (rc == -ENOSPC && op->kind <= REMOVE_PEER)
		snprintf(text, text_len, "there would be more than %d rules", SL_DESK_PEERS_MAX);
	else if (rc == -ENOSPC)
		snprintf(text, text_len, "there would be more than %d entries, those of the file counted", SL_TURN_MAX_RESTRICTED);
	else if (rc == -ENOMEM)
		snprintf(text, text_len, "no memory");
	if (rc < 0 || !is_list(op))
		return rc;
	op->plan = desk_make_plan(d, d->o.config, op->kind == SET_RESTRICTED ? &d->peers : &op->peers, op->kind == SET_RESTRICTED ? &op->entries : &d->restricted,
	        &d->drain, text, text_len);
	return op->plan ? 0 : -ENOSPC;
}

/* ---- telling entries ---- */

static void fill_entry(struct sl_cmd_restricted *c, const struct sl_turn_restricted *e, bool removal)
{
	c->kind = e->account ? SL_RESTRICTED_ACCOUNT : SL_RESTRICTED_PREFIX;
	c->remove = removal;
	c->realm = SL_TURN_ANY_REALM;
	if (e->account) {
		c->name_len = (uint16_t)strnlen(e->name, sizeof c->name);
		memcpy(c->name, e->name, c->name_len);
	} else {
		c->ip = e->prefix.ip;
		c->prefix_len = e->prefix.len;
	}
}

static void finish(struct desk_op *op)
{
	struct sl_dp *dp = op->d->o.dp;

	if (op->stored_only)
		end(op, SL_DESK_STORED, sl_dp_standby(dp) ? sl_dp_standby(dp) : "the dataplane is not attached, or busy");
	else
		end(op, SL_DESK_APPLIED, "");
}

static void command_answered(void *ctx, int error, const char *text)
{
	struct desk_op *op = ctx;

	if (error && error != -ENOENT) { /* not there to be removed, or of a realm that has gone: as it shall be */
		op->stored_only = true;
		if (error != -ENOTCONN && error != -EBUSY)
			retell(op->d);
		sl_log(SL_LOG_DEBUG, "TURN: a live change was not taken: %s", text);
	}
	if (--op->unanswered == 0)
		finish(op);
}

static void send_command(struct desk_op *op, const struct sl_command *cmd, const char *realm)
{
	op->unanswered++;
	int rc = sl_dp_change(op->d->o.dp, cmd, realm, command_answered, op);
	if (rc == 0)
		return;
	op->unanswered--;
	op->stored_only = true;
	if (rc != -ENOTCONN && rc != -EBUSY)
		retell(op->d);
}

/* What the file says too goes on when the live one goes: it is not told. */
static void leave_out_the_files(struct desk_op *op)
{
	const struct sl_conf_turn *t = &op->d->o.config->turn;

	for (unsigned i = 0; i < t->n_restricted; i++) {
		const struct sl_conf_restricted *r = &t->restricted[i];
		struct sl_turn_restricted e = {.account = r->account, .name = r->name};
		if (r->account)
			snprintf(e.realm, sizeof e.realm, "%s", r->realm ? r->realm : "");
		else
			e.prefix = r->prefix;
		desk_entry_free(desk_register_take(&op->entries, &e));
	}
}

static void tell_entries(struct desk_op *op)
{
	struct sl_desk *d = op->d;
	struct sl_command cmd;

	op->unanswered = 1; /* until all are sent: answers may come meanwhile */
	if (op->kind == SET_DRAIN) {
		cmd = (struct sl_command){.h = {.type = SL_CMD_TURN_DRAIN}, .drain = {.on = d->drain.on, .max_lifetime_s = d->drain.max_lifetime_s}};
		send_command(op, &cmd, NULL);
	} else if (sl_dp_room(d->o.dp) < op->entries.n) {
		op->stored_only = true;
		retell(d);
	} else {
		if (op->kind == REMOVE_RESTRICTED)
			leave_out_the_files(op);
		for (size_t i = 0; i < op->entries.n; i++) {
			const struct sl_turn_restricted *e = op->entries.all[i];
			cmd = (struct sl_command){.h = {.type = SL_CMD_RESTRICTED}};
			fill_entry(&cmd.restricted, e, op->kind == REMOVE_RESTRICTED);
			send_command(op, &cmd, e->account && e->realm[0] ? e->realm : NULL);
		}
	}
	if (--op->unanswered == 0)
		finish(op);
}

/* ---- taking over what is kept ---- */

static int take_over_entries(struct desk_op *op)
{
	struct desk_register *r = &op->d->restricted;

	if (op->kind == SET_RESTRICTED) {
		struct desk_register before = *r;
		*r = op->entries;
		op->entries = before;
		return 0;
	}
	for (size_t i = 0; i < op->entries.n; i++) {
		if (op->kind == REMOVE_RESTRICTED) {
			desk_entry_free(desk_register_take(r, op->entries.all[i]));
			continue;
		}
		struct sl_turn_restricted *copy = desk_entry_copy(op->entries.all[i]);
		int rc = copy ? desk_register_put(r, copy) : -ENOMEM;
		if (rc)
			desk_entry_free(copy);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void take_over(struct desk_op *op)
{
	struct sl_desk *d = op->d;

	if (op->kind == SET_DRAIN) {
		const char *text = op->drain.on ? "drain: no new allocations" : "drain: ended";
		if (d->drain.on != op->drain.on) {
			sl_log(SL_LOG_INFO, "%s", text);
			d->o.event(d->o.ctx, SL_CE_TURN_DRAIN, text);
		}
		d->drain = op->drain;
	} else if (op->kind <= REMOVE_PEER) {
		struct desk_peers before = d->peers;
		d->peers = op->peers;
		op->peers = before;
	} else if (take_over_entries(op) < 0) {
		sl_log(SL_LOG_ERROR, "the restricted register: no memory; it is whole after a restart of the control plane");
	}
	d->stale = true;
}

static void stored(void *arg, int error, const char *text)
{
	struct desk_op *op = arg;
	struct sl_desk *d = op->d;

	if (error) {
		if (is_list(op) && !op->stored_only)
			retell(d); /* it has what was not kept */
		end(op, SL_DESK_FAILED, text);
		return;
	}
	take_over(op);
	if (!is_list(op)) {
		tell_entries(op);
		return;
	}
	if (op->stored_only || op->replays != sl_dp_counts(d->o.dp)->replays)
		retell(d); /* somebody told it the old one meanwhile */
	finish(op);
}

static void keep(struct desk_op *op)
{
	if (desk_store_op(op, stored) < 0)
		stored(op, -ENOBUFS, "the store is too busy");
}

static void dataplane_took(void *ctx, int error, const char *text)
{
	struct desk_op *op = ctx;

	if (error == -EBUSY || error == -ETIMEDOUT) {
		end(op, SL_DESK_FAILED, text);
	} else if (error && error != -ENOTCONN) {
		end(op, SL_DESK_REFUSED, text);
	} else {
		op->stored_only = error != 0;
		op->replays = sl_dp_counts(op->d->o.dp)->replays;
		keep(op);
	}
}

/* ---- the first one's turn ---- */

/* False: not now. */
static bool offer(struct desk_op *op)
{
	struct sl_desk *d = op->d;
	struct sl_desired desired = {.plan = sl_turn_plan_ref(op->plan), .keep_users = true};

	op->runs = true;
	int rc = sl_dp_replay(d->o.dp, &desired, dataplane_took, op);
	if (rc == 0)
		return true;
	sl_desired_clear(&desired);
	if (rc == -EBUSY) {
		op->runs = false;
		return false;
	}
	op->stored_only = true; /* it is away, or knows nothing of ours yet */
	keep(op);
	return true;
}

static void start(struct desk_op *op)
{
	char text[160] = "";

	/* While what shall be cannot be put together nothing is told first: this change may be what mends it. */
	if (is_list(op) && ((op->d->dirty && !sl_desk_trouble(op->d)) || sl_dp_replaying(op->d->o.dp)))
		return;
	int rc = op->runs ? 0 : prepare(op, text, sizeof text);
	if (rc == -ENOENT) {
		end(op, SL_DESK_UNKNOWN, "");
	} else if (rc < 0) {
		end(op, SL_DESK_REFUSED, text);
	} else if (is_list(op)) {
		offer(op);
	} else {
		op->runs = true;
		keep(op);
	}
}

void desk_changes_tick(struct sl_desk *d)
{
	struct desk_op *op;

	/* What ends at once makes room for the next. */
	while ((op = d->first) && !op->runs) {
		start(op);
		if (d->first == op && !op->runs)
			return;
	}
}

void desk_changes_leave(struct sl_desk *d)
{
	struct desk_op **at = &d->first;

	/* One that runs is answered by the store or the link as they end. */
	if (*at && (*at)->runs)
		at = &(*at)->next;
	while (*at) {
		struct desk_op *op = *at;
		*at = op->next;
		op->done(op->ctx, SL_DESK_FAILED, "the control plane stops");
		free_op(op);
	}
	d->last = at;
}

/* ---- requests ---- */

static struct desk_op *begin(struct sl_desk *d, enum desk_kind kind, sl_desk_done done, void *ctx)
{
	struct desk_op *op = calloc(1, sizeof *op);

	if (op)
		*op = (struct desk_op){.d = d, .kind = kind, .done = done, .ctx = ctx};
	return op;
}

/* ok: the request was copied whole. */
static void queue(struct desk_op *op, bool ok, sl_desk_done done, void *ctx)
{
	if (!ok || op->d->leaving) {
		if (op)
			free_op(op);
		done(ctx, SL_DESK_FAILED, ok ? "the control plane stops" : "no memory");
		return;
	}
	*op->d->last = op;
	op->d->last = &op->next;
	desk_changes_tick(op->d);
}

static bool copy_peers(struct desk_op *op, const struct sl_turn_peer *peers, size_t n)
{
	if (!op || !(op->peers.all = calloc(n + 1, sizeof *peers)))
		return false;
	memcpy(op->peers.all, peers, n * sizeof *peers);
	op->peers.n = n;
	return true;
}

static bool copy_entries(struct desk_op *op, const struct sl_turn_restricted *entries, size_t n)
{
	return op && desk_register_fill(&op->entries, entries, n);
}

void sl_desk_set_peers(struct sl_desk *d, const struct sl_turn_peer *peers, size_t n, sl_desk_done done, void *ctx)
{
	struct desk_op *op = begin(d, SET_PEERS, done, ctx);

	queue(op, copy_peers(op, peers, n), done, ctx);
}

void sl_desk_add_peer(struct sl_desk *d, const struct sl_turn_peer *peer, size_t at, sl_desk_done done, void *ctx)
{
	struct desk_op *op = begin(d, ADD_PEER, done, ctx);

	if (op)
		op->at = at;
	queue(op, copy_peers(op, peer, 1), done, ctx);
}

void sl_desk_remove_peer(struct sl_desk *d, const struct sl_turn_peer *peer, sl_desk_done done, void *ctx)
{
	struct desk_op *op = begin(d, REMOVE_PEER, done, ctx);

	queue(op, copy_peers(op, peer, 1), done, ctx);
}

void sl_desk_set_restricted(struct sl_desk *d, const struct sl_turn_restricted *entries, size_t n, sl_desk_done done, void *ctx)
{
	struct desk_op *op = begin(d, SET_RESTRICTED, done, ctx);

	queue(op, copy_entries(op, entries, n), done, ctx);
}

void sl_desk_add_restricted(struct sl_desk *d, const struct sl_turn_restricted *entries, size_t n, sl_desk_done done, void *ctx)
{
	struct desk_op *op = begin(d, ADD_RESTRICTED, done, ctx);

	queue(op, copy_entries(op, entries, n), done, ctx);
}

void sl_desk_remove_restricted(struct sl_desk *d, const struct sl_turn_restricted *entries, size_t n, sl_desk_done done, void *ctx)
{
	struct desk_op *op = begin(d, REMOVE_RESTRICTED, done, ctx);

	queue(op, copy_entries(op, entries, n), done, ctx);
}

void sl_desk_set_drain(struct sl_desk *d, bool on, uint32_t max_lifetime_s, sl_desk_done done, void *ctx)
{
	struct desk_op *op = begin(d, SET_DRAIN, done, ctx);
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (op && on)
		op->drain = (struct sl_desk_drain){.on = true,
		        .max_lifetime_s = max_lifetime_s,
		        /* Drained already: only the lifetime may be another. */
		        .since_unix_ms = d->drain.on ? d->drain.since_unix_ms : ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000,
		        .allocations = d->drain.on ? d->drain.allocations : sl_desk_load(d).allocations};
	queue(op, op != NULL, done, ctx);
}

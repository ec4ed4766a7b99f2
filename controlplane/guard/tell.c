/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* What the dataplane is told. Everything is idempotent: whoever attaches is told the policy first, which decides who owns the
 * guard; the owner tells bans, list and meters, everybody his own marks and pressure. What finds no room now goes when the link asks for
 * it. */

#include "controlplane/guard/internal.h"

#include "config/guard_policy.h"
#include "dataplane/abi/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct sl_guard_ban ban_of(const struct sl_warden *w, const struct sl_entry *e)
{
	int64_t left_ms = e->until_ms - w->now_ms;
	struct sl_guard_ban b = {.ip = e->prefix.ip, .prefix_len = e->prefix.len, .strangers = e->origin == SL_WARDEN_AUTO};

	if (e->until_ms)
		b.seconds = left_ms < 1000 ? 1 : (uint32_t)((left_ms + 999) / 1000);
	return b;
}

static int give(struct sl_warden *w, struct sl_command *cmd, sl_dp_done done, void *ctx)
{
	return w->tell.attached ? sl_dp_guard_send(w->o.dp, cmd, done, ctx) : -ENOTCONN;
}

/* Nobody waits for it; a refusal is a fault of ours or of the dataplane, and shown. */
static void sent(void *ctx, int error, const char *text)
{
	(void)ctx;
	if (error && error != -ENOTCONN && error != -EBUSY)
		sl_log(SL_LOG_WARNING, "guard: the dataplane refused something: %s", text);
}

/* ---- policy: whoever tells it first owns the guard ---- */

static void policy_answered(void *ctx, int error, const char *text)
{
	struct sl_warden *w = ctx;
	struct sl_warden_tell *t = &w->tell;

	t->policy_asked = false;
	if (error == -ENOTCONN)
		return;
	if (error == 0) {
		if (t->owner == SL_TELL_STANDBY)
			sl_log(SL_LOG_INFO, "guard: this control plane owns it now");
		t->owner = SL_TELL_OWNER;
		t->standby[0] = '\0';
	} else {
		if (t->owner != SL_TELL_STANDBY || error != -EBUSY)
			sl_log(SL_LOG_WARNING, "guard: %s; trying every %d ms", text, SL_WARDEN_RETRY_MS);
		t->owner = error == -EBUSY ? SL_TELL_STANDBY : SL_TELL_REFUSED;
		t->retry_ms = w->now_ms + SL_WARDEN_RETRY_MS;
		snprintf(t->standby, sizeof t->standby, "%s", text);
	}
	sl_warden_pump(w);
}

static int pump_policy(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;
	struct sl_command cmd = {.h = {.type = SL_CMD_GUARD_POLICY}};
	struct sl_config conf;

	if (!t->policy_due || t->policy_asked)
		return 0;
	conf = *w->config;
	conf.guard = w->conf;
	sl_guard_policy_of(&conf, &cmd.guard_policy);
	int rc = give(w, &cmd, policy_answered, w);
	if (rc == 0) {
		t->policy_due = false;
		t->policy_asked = true;
	}
	return rc;
}

void sl_warden_tell_policy(struct sl_warden *w)
{
	w->tell.policy_due = true;
	sl_warden_pump(w);
}

/* ---- bans ---- */

static void ban_carried_out(void *ctx, int error, const char *text)
{
	sl_warden_op_done(ctx, error == -ENOTCONN ? 0 : error,
		error == -ENOTCONN ? "stored; the dataplane is away and gets it when it is back" : text);
}

/* All of them, from where the last turn ended. */
static int pump_bans_anew(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;
	struct sl_command clear = {.h = {.type = SL_CMD_GUARD_BANS_CLEAR}};
	int rc = t->clear_due ? give(w, &clear, sent, w) : 0;

	if (rc < 0)
		return rc;
	t->clear_due = false;
	while (t->bans_anew) {
		struct sl_command cmd = {.h = {.type = SL_CMD_GUARD_BAN}};
		size_t at = t->ban_at;
		const struct sl_entry *e;

		while (cmd.guard_ban.n < SL_GUARD_BANS_PER_MSG && (e = sl_entries_next(&w->entries, &at))) {
			if (e->kind == SL_WARDEN_BAN && sl_entry_is_single(&e->prefix))
				cmd.guard_ban.bans[cmd.guard_ban.n++] = ban_of(w, e);
		}
		rc = cmd.guard_ban.n ? give(w, &cmd, sent, w) : 0;
		if (rc < 0)
			return rc;
		t->ban_at = at;
		t->bans_anew = cmd.guard_ban.n == SL_GUARD_BANS_PER_MSG;
	}
	return 0;
}

static struct sl_warden_ban_item *item_at(const struct sl_warden_tell *t, size_t i)
{
	return &t->bans[(t->bans_first + i) % t->bans_capacity];
}

static void drop_items(struct sl_warden_tell *t, size_t n)
{
	t->bans_first = (t->bans_first + n) % t->bans_capacity;
	t->n_bans -= n;
}

/* As many of the same sort as one message takes; one that somebody waits for goes by itself. */
static int pump_bans(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;
	int rc = pump_bans_anew(w);

	while (rc == 0 && t->n_bans) {
		struct sl_warden_ban_item *first = item_at(t, 0);
		struct sl_warden_op *op = first->op;
		struct sl_command cmd = {.h = {.type = first->remove ? SL_CMD_GUARD_UNBAN : SL_CMD_GUARD_BAN}};
		size_t n = 0;

		while (n < t->n_bans && n < SL_GUARD_BANS_PER_MSG && item_at(t, n)->remove == first->remove && (n == 0 || (!op && !item_at(t, n)->op))) {
			cmd.guard_ban.bans[n] = item_at(t, n)->ban;
			n++;
		}
		cmd.guard_ban.n = (uint32_t)n;
		rc = give(w, &cmd, op ? ban_carried_out : sent, op ? (void *)op : (void *)w);
		if (rc == 0)
			drop_items(t, n);
	}
	return rc;
}

static void drop_queue(struct sl_warden *w, const char *text)
{
	struct sl_warden_tell *t = &w->tell;

	while (t->n_bans) {
		struct sl_warden_op *op = item_at(t, 0)->op;

		drop_items(t, 1);
		sl_warden_op_done(op, 0, text);
	}
}

/* All again, by the replay. */
static void bans_from_the_start(struct sl_warden_tell *t)
{
	t->clear_due = t->bans_anew = true;
	t->ban_at = 0;
}

static bool make_room(struct sl_warden_tell *t)
{
	size_t capacity = t->bans_capacity ? 2 * t->bans_capacity : 64;
	struct sl_warden_ban_item *bigger;

	if (t->n_bans < t->bans_capacity)
		return true;
	bigger = capacity > SL_WARDEN_QUEUE_MAX ? NULL : malloc(capacity * sizeof *bigger);
	if (!bigger)
		return false;
	for (size_t i = 0; i < t->n_bans; i++)
		bigger[i] = *item_at(t, i);
	free(t->bans);
	t->bans = bigger;
	t->bans_first = 0;
	t->bans_capacity = capacity;
	return true;
}

void sl_warden_tell_ban(struct sl_warden *w, const struct sl_entry *e, bool remove, struct sl_warden_op *op)
{
	struct sl_warden_tell *t = &w->tell;

	if (!t->attached) {
		sl_warden_op_done(op, 0, w->o.dp ? "stored; the dataplane is away and gets it when it is back" : "");
		return;
	}
	if (t->owner == SL_TELL_STANDBY || t->owner == SL_TELL_REFUSED) { /* all are told once it is ours */
		sl_warden_op_done(op, 0, "stored; another control plane owns the guard now");
		return;
	}
	if (!make_room(t)) {
		drop_queue(w, "stored, and being told");
		bans_from_the_start(t);
		sl_warden_op_done(op, 0, "stored, and being told");
	} else {
		*item_at(t, t->n_bans++) = (struct sl_warden_ban_item){ban_of(w, e), remove, op};
	}
	sl_warden_pump(w);
}

/* ---- the list ---- */

/* What waited for a list up to that one, in the order in which it came. */
static void list_done(struct sl_warden *w, uint64_t up_to, int error, const char *text)
{
	struct sl_warden_tell *t = &w->tell;

	while (t->waiting && t->waiting->list <= up_to) {
		struct sl_warden_op *op = t->waiting;

		t->waiting = op->next;
		if (!t->waiting)
			t->waiting_last = &t->waiting;
		sl_warden_op_done(op, error, text);
	}
}

static void list_answered(void *ctx, int error, const char *text)
{
	struct sl_warden *w = ctx;
	struct sl_warden_tell *t = &w->tell;

	t->list_asked = false;
	if (error == -ENOTCONN)
		return; /* detached() tells who waits */
	if (error == -ECANCELED)
		t->list_due = true;
	else if (error)
		sl_log(SL_LOG_ERROR, "guard: the dataplane refused the list of prefixes: %s", text);
	if (error != -ECANCELED)
		list_done(w, t->list_flying, error, text);
	sl_warden_pump(w);
}

/* Denies, allows, and bans of more than one address. */
static int make_list(const struct sl_warden *w)
{
	size_t bytes = sizeof(struct sl_guard_list) + w->entries.n * sizeof(struct sl_prefix_entry);
	int fd = memfd_create("guard-list", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const struct sl_entry *e;
	struct sl_guard_list *l;
	uint32_t n = 0;

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0 || (l = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) == MAP_FAILED) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	for (size_t at = 0; (e = sl_entries_next(&w->entries, &at));) {
		if (e->kind == SL_WARDEN_BAN && sl_entry_is_single(&e->prefix))
			continue;
		l->entries[n++] = (struct sl_prefix_entry){.ip = e->prefix.ip,
			.prefix_len = e->prefix.len,
			.verdict = e->kind == SL_WARDEN_ALLOW ? SL_PREFIX_ALLOW : SL_PREFIX_DENY};
	}
	l->magic = SL_GUARD_LIST_MAGIC;
	l->n = n;
	munmap(l, bytes);
	bytes = sizeof *l + n * sizeof(struct sl_prefix_entry);
	if (ftruncate(fd, (off_t)bytes) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

static int pump_list(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;

	if (!t->list_due || t->list_asked)
		return 0;
	int fd = make_list(w);
	if (fd < 0)
		return 0; /* at the next tick */
	int rc = sl_dp_guard_list(w->o.dp, fd, list_answered, w);
	close(fd);
	if (rc == 0) {
		t->list_due = false;
		t->list_asked = true;
		t->list_flying = t->list;
	}
	return rc;
}

void sl_warden_tell_list(struct sl_warden *w, struct sl_warden_op *op)
{
	struct sl_warden_tell *t = &w->tell;

	t->list++;
	t->list_due = true;
	if (!t->attached) {
		sl_warden_op_done(op, 0, w->o.dp ? "stored; the dataplane is away and gets it when it is back" : "");
		return;
	}
	if (op && (t->owner == SL_TELL_STANDBY || t->owner == SL_TELL_REFUSED)) {
		sl_warden_op_done(op, 0, "stored; another control plane owns the guard now");
	} else if (op) {
		op->list = t->list;
		op->next = NULL;
		*t->waiting_last = op;
		t->waiting_last = &op->next;
	}
	sl_warden_pump(w);
}

/* ---- marks, pressure, meters ---- */

static struct sl_guard_mark mark_of(const struct sl_warden *w, const struct sl_trust_mark *m)
{
	int64_t left_s = (m->until_ms - w->now_ms + 999) / 1000;
	struct sl_guard_mark out = {.listener = m->listener, .trust = SL_GUARD_IS_FINAL, .seconds = left_s < 1 ? 1 : (uint32_t)left_s};

	out.remote.ip = m->remote.ip;
	out.remote.port_be = m->remote.port_be;
	return out;
}

static int pump_marks_anew(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;

	while (t->marks_anew) {
		struct sl_command cmd = {.h = {.type = SL_CMD_GUARD_MARK}};
		size_t at = t->mark_at;

		for (; at < w->trust.size && cmd.guard_mark.n < SL_GUARD_MARKS_PER_MSG; at++) {
			if (w->trust.all[at].until_ms > w->now_ms)
				cmd.guard_mark.marks[cmd.guard_mark.n++] = mark_of(w, &w->trust.all[at]);
		}
		int rc = cmd.guard_mark.n ? give(w, &cmd, sent, w) : 0;
		if (rc < 0)
			return rc;
		t->mark_at = at;
		t->marks_anew = at < w->trust.size;
	}
	return 0;
}

static int pump_marks(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;
	int rc = pump_marks_anew(w);
	size_t done = 0;

	while (rc == 0 && done < t->n_marks) {
		struct sl_command cmd = {.h = {.type = SL_CMD_GUARD_MARK}};
		size_t n = t->n_marks - done < SL_GUARD_MARKS_PER_MSG ? t->n_marks - done : SL_GUARD_MARKS_PER_MSG;

		memcpy(cmd.guard_mark.marks, t->marks + done, n * sizeof *t->marks);
		cmd.guard_mark.n = (uint32_t)n;
		rc = give(w, &cmd, sent, w);
		done += rc == 0 ? n : 0;
	}
	t->n_marks -= done;
	if (done > 0) /* there may be no array yet */
		memmove(t->marks, t->marks + done, t->n_marks * sizeof *t->marks);
	return rc;
}

void sl_warden_tell_mark(struct sl_warden *w, const struct sl_guard_mark *mark)
{
	struct sl_warden_tell *t = &w->tell;

	if (!t->attached)
		return; /* the final ones are told when it is back */
	if (t->n_marks == t->marks_capacity) {
		size_t capacity = t->marks_capacity ? 2 * t->marks_capacity : 4 * SL_GUARD_MARKS_PER_MSG;
		struct sl_guard_mark *all = capacity > SL_WARDEN_QUEUE_MAX ? NULL : realloc(t->marks, capacity * sizeof *all);

		if (!all) {
			t->n_marks = 0;
			t->marks_anew = true;
			t->mark_at = 0;
			return;
		}
		t->marks = all;
		t->marks_capacity = capacity;
	}
	if (t->n_marks == 0)
		t->marks_since_ms = w->now_ms;
	t->marks[t->n_marks++] = *mark;
}

static int pump_pressure(struct sl_warden *w)
{
	struct sl_command cmd = {.h = {.type = SL_CMD_GUARD_PRESSURE}, .guard_pressure = {w->percent}};

	if (!w->tell.pressure_due)
		return 0;
	int rc = give(w, &cmd, sent, w);
	w->tell.pressure_due = rc < 0;
	return rc;
}

static int pump_meters(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;
	int rc = 0;

	for (; rc == 0 && t->meter_at < w->n_tenants; t->meter_at += rc == 0) {
		struct sl_warden_tenant *x = &w->tenants[t->meter_at];
		struct sl_command cmd = {.h = {.type = SL_CMD_GUARD_METER}, .guard_meter = {t->meter_at, x->pps, x->kbps}};

		rc = x->due ? give(w, &cmd, sent, w) : 0;
		x->due = rc < 0;
	}
	return rc;
}

void sl_warden_tell_meter(struct sl_warden *w, unsigned meter)
{
	w->tenants[meter].due = true;
	if (meter < w->tell.meter_at)
		w->tell.meter_at = meter;
	sl_warden_pump(w);
}

static void meters_from_the_start(struct sl_warden *w)
{
	for (unsigned i = 1; i < w->n_tenants; i++)
		w->tenants[i].due = true;
	w->tell.meter_at = 0;
}

/* ---- the link ---- */

void sl_warden_pump(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;

	if (!t->attached || pump_policy(w) < 0)
		return;
	if (t->owner == SL_TELL_OWNER && !t->policy_asked && (pump_bans(w) < 0 || pump_meters(w) < 0))
		return;
	if (t->owner == SL_TELL_OWNER && !t->policy_asked)
		pump_list(w); /* by the socket: it holds up nobody else */
	if (pump_marks(w) == 0)
		pump_pressure(w);
}

static void attached(void *ctx, unsigned n_workers)
{
	struct sl_warden *w = ctx;
	struct sl_warden_tell *t = &w->tell;

	t->attached = true;
	t->n_workers = n_workers;
	t->owner = SL_TELL_UNKNOWN;
	t->standby[0] = '\0';
	t->policy_due = t->list_due = true;
	t->policy_asked = t->list_asked = false;
	bans_from_the_start(t);
	t->marks_anew = true;
	t->mark_at = 0;
	meters_from_the_start(w);
	t->pressure_due = w->percent != 100;
	sl_watch_clear(&w->watch);
	sl_warden_pump(w);
}

static void detached(void *ctx)
{
	struct sl_warden *w = ctx;
	static const char later[] = "stored; the dataplane is away and gets it when it is back";

	w->tell.attached = false;
	w->tell.n_marks = 0;
	w->tell.marks_anew = false; /* until somebody attaches: meanwhile ended ones give way */
	drop_queue(w, later);
	list_done(w, UINT64_MAX, 0, later);
	sl_watch_clear(&w->watch);
	sl_warden_sample_close(w, "the dataplane went away");
}

static void event(void *ctx, unsigned worker, const struct sl_event *evt)
{
	sl_warden_hear(ctx, worker, evt);
}

static void bulk(void *ctx, unsigned worker, const struct sl_bulk *b)
{
	sl_warden_sample_packet(ctx, worker, b);
}

static void room(void *ctx)
{
	sl_warden_pump(ctx);
}

/* ---- life ---- */

void sl_warden_tell_open(struct sl_warden *w)
{
	static const struct sl_dp_guard_ops ops = {attached, detached, event, bulk, room};

	w->tell.waiting_last = &w->tell.waiting;
	if (w->o.dp)
		sl_dp_set_guard(w->o.dp, &ops, w);
}

void sl_warden_tell_close(struct sl_warden *w)
{
	struct sl_warden_tell *t = &w->tell;

	if (t->waiting_last) { /* it was opened */
		t->attached = false;
		drop_queue(w, "stored; the control plane stops");
		list_done(w, UINT64_MAX, 0, "stored; the control plane stops");
	}
	free(t->bans);
	free(t->marks);
	t->bans = NULL;
	t->marks = NULL;
}

void sl_warden_tell_tick(struct sl_warden *w, int64_t now_ms)
{
	struct sl_warden_tell *t = &w->tell;

	if (t->attached && (t->owner == SL_TELL_STANDBY || t->owner == SL_TELL_REFUSED)) { /* asked while nobody knew whose it is */
		static const char text[] = "stored; another control plane owns the guard now";

		drop_queue(w, text);
		list_done(w, UINT64_MAX, 0, text);
	}
	if ((t->owner == SL_TELL_STANDBY || t->owner == SL_TELL_REFUSED) && now_ms >= t->retry_ms && !t->policy_asked) {
		t->policy_due = true;
		t->retry_ms = now_ms + SL_WARDEN_RETRY_MS;
		bans_from_the_start(t);
		t->list_due = true;
		meters_from_the_start(w);
	}
	sl_warden_pump(w);
}

const char *sl_warden_standby(const struct sl_warden *w)
{
	if (!w->tell.attached)
		return "the dataplane is away";
	if (w->tell.owner == SL_TELL_OWNER)
		return NULL;
	return w->tell.standby[0] ? w->tell.standby : "the dataplane is being told";
}

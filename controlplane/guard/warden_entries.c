/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Lists and bans as operators and reputation change them. What an operator asks is stored first, then in force, then told; a ban by
 * reputation is in force at once and stored when there is time. */

#include "controlplane/guard/internal.h"

#include "controlplane/call/events.h"
#include "dataplane/abi/log.h"
#include "dataplane/abi/validate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { ENDED_PER_TICK = 4096, CLOCK_STEP_MS = 2000, V6_BITS = 64 };

static const char *const kinds[] = {"allow", "deny", "ban"};

static bool goes_into_list(unsigned kind, const struct sl_prefix *p)
{
	return kind != SL_WARDEN_BAN || !sl_entry_is_single(p);
}

/* ---- what is told of an entry ---- */

void sl_warden_op_done(struct sl_warden_op *op, int error, const char *text)
{
	if (!op)
		return;
	if (op->done)
		op->done(op->ctx, error, text);
	free(op->entry.reason);
	free(op);
}

static void tell(struct sl_warden *w, const struct sl_entry *e, bool remove, struct sl_warden_op *op)
{
	if (goes_into_list(e->kind, &e->prefix))
		sl_warden_tell_list(w, op);
	else
		sl_warden_tell_ban(w, e, remove, op);
}

int sl_warden_enforce(struct sl_warden *w, const struct sl_entry *e, struct sl_warden_op *op)
{
	int rc = sl_entries_put(&w->entries, e);

	if (rc < 0)
		return rc;
	w->counts.bans_manual += e->kind == SL_WARDEN_BAN && e->origin == SL_WARDEN_API;
	w->counts.bans_automatic += e->origin == SL_WARDEN_AUTO;
	tell(w, e, false, op);
	return 0;
}

void sl_warden_lift(struct sl_warden *w, struct sl_entry *e, struct sl_warden_op *op)
{
	struct sl_entry copy = *e;

	copy.reason = NULL;
	const struct sl_entry *moved = sl_entries_remove(&w->entries, e);
	/* All are being told: the one that has its place may have been behind, and is before now. Not from the start, or it would never end
	 * while bans do. */
	if (w->tell.bans_anew && copy.kind != SL_WARDEN_BAN)
		w->tell.ban_at -= w->tell.ban_at > 0;
	else if (w->tell.bans_anew && moved && sl_entry_is_single(&moved->prefix))
		sl_warden_tell_ban(w, moved, false, NULL);
	tell(w, &copy, true, op);
}

/* ---- by reputation ---- */

static bool is_own_address(const struct sl_config *c, const struct sl_prefix *p)
{
	for (unsigned i = 0; i < c->turn.n_relay; i++) {
		if (sl_prefix_contains(p, &c->turn.relay[i]))
			return true;
	}
	for (unsigned i = 0; i < c->sip.n_listeners; i++) {
		if (sl_prefix_contains(p, &c->sip.listeners[i].address.ip))
			return true;
	}
	for (unsigned i = 0; i < c->turn.n_listeners; i++) {
		if (sl_prefix_contains(p, &c->turn.listeners[i].ip))
			return true;
	}
	for (unsigned i = 0; i < c->media.n_addresses; i++) {
		if (sl_prefix_contains(p, &c->media.addresses[i].ip))
			return true;
	}
	return false;
}

void sl_warden_ban_source(struct sl_warden *w, const struct sl_ip *ip, unsigned seconds, unsigned times, const char *reason)
{
	char text[SL_ADDR_TEXT_MAX];
	struct sl_entry e = {.prefix = {*ip, sl_ip_is_v4(ip) ? SL_ENTRY_BITS : V6_BITS},
		.kind = SL_WARDEN_BAN,
		.origin = SL_WARDEN_AUTO,
		.times = (uint16_t)times,
		.since_unix_ms = sl_warden_unix_ms(w),
		.until_ms = w->now_ms + (int64_t)seconds * 1000,
		.reason = (char *)reason};
	const struct sl_entry *old = sl_entries_find(&w->entries, SL_WARDEN_BAN, false, &e.prefix);

	if ((old && old->origin == SL_WARDEN_API) || is_own_address(w->config, &e.prefix))
		return; /* an operator's stays as he wants it */
	if ((!old && sl_entries_count(&w->entries, SL_WARDEN_BAN) >= SL_GUARD_BANS_MAX) || sl_warden_enforce(w, &e, NULL) < 0) {
		w->counts.entries_lost++;
		return;
	}
	sl_warden_row_later(w, &e, false);
	sl_warden_event(w, SL_CE_GUARD_BANNED, "%s for %u s, strangers from there: %s", sl_prefix_text(&e.prefix, text), seconds, reason);
}

/* ---- by an operator ---- */

static int refuse(char *text, size_t text_len, int error, const char *format, const char *what)
{
	snprintf(text, text_len, format, what);
	return error;
}

static int check(const struct sl_warden *w, unsigned kind, const struct sl_prefix *p, uint32_t seconds, const char *reason, char *text, size_t text_len)
{
	struct sl_prefix masked = {sl_ip_masked(&p->ip, p->len), p->len};
	unsigned least = sl_ip_is_v4(&p->ip) ? 96 : 0;
	char shown[SL_ADDR_TEXT_MAX];

	sl_prefix_text(p, shown);
	if (p->len > SL_ENTRY_BITS || p->len < least)
		return refuse(text, text_len, -EINVAL, "%s: no prefix of IPv4 or IPv6", shown);
	if (!sl_ip_eq(&masked.ip, &p->ip)) {
		char right[SL_ADDR_TEXT_MAX];
		snprintf(text, text_len, "%s: bits beyond the prefix are set; it is %s", shown, sl_prefix_text(&masked, right));
		return -EINVAL;
	}
	if (seconds > SL_LIMIT_BAN_S)
		return refuse(text, text_len, -EINVAL, "%s: for longer than ten years; leave the time out for no end", shown);
	if (reason && strlen(reason) > SL_WARDEN_REASON_MAX)
		return refuse(text, text_len, -EINVAL, "%s: the reason is longer than 95 bytes", shown);
	if (sl_entries_find(&w->entries, kind, true, p))
		return refuse(text, text_len, -EINVAL, "%s: is in the configuration (group guard) already", shown);
	if (kind == SL_WARDEN_ALLOW)
		return 0;
	if (p->len == least || p->len == 0)
		return refuse(text, text_len, -EINVAL, "%s: would shut everybody out", shown);
	if (sl_entries_allows(&w->entries, p))
		return refuse(text, text_len, -EINVAL, "%s: is allowed, and an allow wins: remove that first", shown);
	if (is_own_address(w->config, p))
		return refuse(text, text_len, -EINVAL, "%s: holds an address of this node", shown);
	return 0;
}

static int check_room(const struct sl_warden *w, unsigned kind, const struct sl_prefix *p, char *text, size_t text_len)
{
	size_t bans = sl_entries_count(&w->entries, SL_WARDEN_BAN);

	if (sl_entries_find(&w->entries, kind, false, p))
		return 0;
	if (!goes_into_list(kind, p) && bans + w->pending_bans >= SL_GUARD_BANS_MAX)
		return refuse(text, text_len, -ENOSPC, "%s", "there are 65536 bans already: remove some, or ban prefixes");
	if (goes_into_list(kind, p) && w->entries.n + w->pending_prefixes >= SL_GUARD_LIST_MAX)
		return refuse(text, text_len, -ENOSPC, "%s", "the lists hold 262144 prefixes already: remove some");
	return 0;
}

static size_t *pending_of(struct sl_warden *w, const struct sl_entry *e)
{
	return goes_into_list(e->kind, &e->prefix) ? &w->pending_prefixes : &w->pending_bans;
}

static int submit(struct sl_warden *w, const struct sl_entry *e, bool remove, sl_warden_done done, void *ctx, char *text, size_t text_len)
{
	struct sl_warden_op *op = calloc(1, sizeof *op);
	int rc = -ENOMEM;

	if (op) {
		*op = (struct sl_warden_op){.warden = w, .entry = *e, .remove = remove, .done = done, .ctx = ctx};
		op->entry.reason = strdup(e->reason ? e->reason : "");
		(*pending_of(w, e))++;
		rc = op->entry.reason ? sl_warden_store_op(w, op) : -ENOMEM;
	}
	if (rc == 0)
		return 0;
	if (op) {
		(*pending_of(w, e))--;
		free(op->entry.reason);
		free(op);
	}
	return refuse(text, text_len, rc, "%s", rc == -ENOBUFS ? "the store is far behind: try again" : "no memory");
}

int sl_warden_put(struct sl_warden *w, enum sl_warden_kind kind, const struct sl_prefix *p, uint32_t seconds, const char *reason, sl_warden_done done,
	void *ctx, char *text, size_t text_len)
{
	int rc = check(w, kind, p, seconds, reason, text, text_len);

	if (rc == 0)
		rc = check_room(w, kind, p, text, text_len);
	if (rc < 0)
		return rc;
	struct sl_entry e = {.prefix = *p,
		.kind = (uint8_t)kind,
		.origin = SL_WARDEN_API,
		.since_unix_ms = sl_warden_unix_ms(w),
		.until_ms = seconds ? w->now_ms + (int64_t)seconds * 1000 : 0,
		.reason = (char *)reason};
	return submit(w, &e, false, done, ctx, text, text_len);
}

int sl_warden_remove(struct sl_warden *w, enum sl_warden_kind kind, const struct sl_prefix *p, sl_warden_done done, void *ctx, char *text, size_t text_len)
{
	const struct sl_entry *e = sl_entries_find(&w->entries, kind, false, p);
	char shown[SL_ADDR_TEXT_MAX];

	if (e)
		return submit(w, e, true, done, ctx, text, text_len);
	sl_prefix_text(p, shown);
	if (sl_entries_find(&w->entries, kind, true, p))
		return refuse(text, text_len, -EPERM, "%s: is the configuration's: take it out of the group guard and reload", shown);
	return refuse(text, text_len, -ENOENT, "%s: there is no such entry", shown);
}

/* The store has it, or not: then nothing has changed. */
void sl_warden_stored(struct sl_warden_op *op, int error, const char *text)
{
	struct sl_warden *w = op->warden;
	char shown[SL_ADDR_TEXT_MAX];

	(*pending_of(w, &op->entry))--;
	if (error) {
		sl_warden_op_done(op, error, text);
		return;
	}
	/* What reputation or time did to the same entry meanwhile is written after it, and would be what a restart finds. */
	if (op->noted != w->rows_noted)
		sl_warden_row_later(w, &op->entry, op->remove);
	sl_prefix_text(&op->entry.prefix, shown);
	struct sl_entry *e = sl_entries_find(&w->entries, op->entry.kind, false, &op->entry.prefix);
	sl_warden_event(w, SL_CE_GUARD_ENTRY, "%s %s %s%s%s", kinds[op->entry.kind], shown, op->remove ? "removed" : "put",
		op->entry.reason[0] && !op->remove ? ": " : "", op->remove ? "" : op->entry.reason);
	if (!op->remove) {
		int rc = sl_warden_enforce(w, &op->entry, op);
		if (rc < 0)
			sl_warden_op_done(op, rc, "stored, but not in force: no memory");
	} else if (e) {
		sl_warden_lift(w, e, op);
	} else {
		sl_warden_op_done(op, 0, "it had ended");
	}
}

/* ---- the configuration's ---- */

void sl_warden_entries_config(struct sl_warden *w)
{
	const struct sl_conf_guard *g = &w->config->guard;

	if (sl_entries_set_config(&w->entries, g->prefixes, g->n_prefixes) < 0)
		sl_log(SL_LOG_ERROR, "guard: no memory for all prefixes of the configuration");
	if (w->tell.bans_anew)
		w->tell.ban_at = 0; /* places are others */
	sl_warden_tell_list(w, NULL);
}

/* ---- time ---- */

/* The wall clock was set: ends do not move, so they are other hours now, and the store must know them by these. */
static void clock_stepped(struct sl_warden *w, int64_t step_ms)
{
	struct sl_entry *e;

	for (size_t at = 0; (e = (struct sl_entry *)sl_entries_next(&w->entries, &at));) {
		if (e->until_ms == 0)
			continue;
		e->since_unix_ms += step_ms;
		sl_warden_row_later(w, e, false);
	}
}

void sl_warden_entries_tick(struct sl_warden *w, int64_t now_ms)
{
	int64_t clock_ms = sl_warden_unix_ms(w) - now_ms, step = clock_ms - w->clock_ms;
	struct sl_entry *e;
	char shown[SL_ADDR_TEXT_MAX];

	w->clock_ms = clock_ms;
	if (step > CLOCK_STEP_MS || step < -CLOCK_STEP_MS)
		clock_stepped(w, step);
	/* What ends all at once ends a few at a time: SIP waits for this. */
	for (unsigned n = 0; n < ENDED_PER_TICK && (e = sl_entries_ended(&w->entries, &w->ended, ENDED_PER_TICK, now_ms)); n++) {
		w->counts.bans_ended++;
		sl_warden_event(w, SL_CE_GUARD_ENDED, "%s %s: its time is up", kinds[e->kind], sl_prefix_text(&e->prefix, shown));
		sl_warden_row_later(w, e, true);
		sl_warden_lift(w, e, NULL);
	}
}

/* ---- looking ---- */

static const struct sl_warden_entry *show(const struct sl_warden *w, const struct sl_entry *e, struct sl_warden_entry *out)
{
	*out = (struct sl_warden_entry){.prefix = e->prefix,
		.kind = e->kind,
		.origin = e->origin,
		.since_unix_ms = e->since_unix_ms,
		.until_unix_ms = sl_warden_until_unix(w, e)};
	snprintf(out->reason, sizeof out->reason, "%s", e->reason ? e->reason : "");
	return out;
}

const struct sl_warden_entry *sl_warden_next(const struct sl_warden *w, size_t *at)
{
	const struct sl_entry *e = sl_entries_next(&w->entries, at);

	return e ? show(w, e, &((struct sl_warden *)w)->shown) : NULL;
}

const struct sl_warden_entry *sl_warden_at(const struct sl_warden *w, enum sl_warden_kind kind, size_t place)
{
	const struct sl_entry *e = sl_entries_at(&w->entries, kind, place);

	return e ? show(w, e, &((struct sl_warden *)w)->shown) : NULL;
}

const struct sl_warden_entry *sl_warden_find(const struct sl_warden *w, enum sl_warden_kind kind, const struct sl_prefix *p)
{
	const struct sl_entry *e = sl_entries_find(&w->entries, kind, false, p);

	if (!e)
		e = sl_entries_find(&w->entries, kind, true, p);
	return e ? show(w, e, &((struct sl_warden *)w)->shown) : NULL;
}

size_t sl_warden_count(const struct sl_warden *w, enum sl_warden_kind kind)
{
	return sl_entries_count(&w->entries, kind);
}

const struct sl_warden_entry *sl_warden_decides(const struct sl_warden *w, const struct sl_ip *ip)
{
	const struct sl_entry *e = sl_entries_decides(&w->entries, ip);

	return e ? show(w, e, &((struct sl_warden *)w)->decided) : NULL;
}

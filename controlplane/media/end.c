/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Ends of sessions and parties, and whoever waits for counts: a continuation with a deadline. */

#include "controlplane/media/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/abi/log.h"

static const struct sl_media_error no_error;

/* ---- legs of one party, or of all ---- */

static bool concerns(const struct wait *w, const struct party *p)
{
	return w->party ? w->party == p : true;
}

/* Send something to every leg that w is about; how many have one that can answer. */
static unsigned ask_legs(struct sl_media *m, struct wait *w, uint32_t type)
{
	struct session *s = w->session;
	unsigned n = 0;

	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		struct party *p = party_at(s, k);
		for (unsigned i = 0; concerns(w, p) && i < p->pub.n_sections; i++) {
			const struct section *x = section_at(p, i);
			if (!section_has_leg(x))
				continue;
			sl_leg_post(m, s, type, x, w->seq);
			n++;
		}
	}
	return sl_session_is_live(m, s) ? n : 0;
}

static void forget_legs(struct sl_media *m, struct party *p)
{
	for (unsigned i = 0; i < p->pub.n_sections; i++)
		sl_leg_forget(m, section_at(p, i), true);
}

/* ---- waits ---- */

static struct wait *wait_new(struct sl_media *m, struct session *s, sl_media_done done, void *ctx)
{
	struct wait *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	*w = (struct wait){.session = s,
	        .seq = m->seq = m->seq % INT32_MAX + 1,
	        .done = done,
	        .ctx = ctx,
	        .deadline_ms = m->now_ms + SL_MEDIA_WAIT_MS};
	TAILQ_INSERT_TAIL(&m->waits, w, link);
	s->n_waits++;
	return w;
}

/* The counts are as good as they get. */
static void complete(struct sl_media *m, struct wait *w)
{
	struct wait copy = *w;
	struct session *s = w->session;

	TAILQ_REMOVE(&m->waits, w, link);
	s->n_waits--;
	free(w);
	if (copy.ends && !copy.party)
		snprintf(s->pub.ended, sizeof s->pub.ended, "%s", s->pub.ended[0] ? s->pub.ended : "deleted");
	if (copy.done)
		copy.done(copy.ctx, &s->pub, &no_error);
	if (!copy.ends)
		return;
	if (copy.party) {
		forget_legs(m, copy.party);
		sl_party_remove(copy.party);
		sl_session_changed(m, s);
		return;
	}
	for (unsigned k = 0; k < s->pub.n_parties; k++)
		forget_legs(m, party_at(s, k));
	sl_session_free(s);
}

/* The session's end comes before those of its parties, and before answers about it. */
static void complete_others(struct sl_media *m, struct session *s)
{
	while (s->n_waits) {
		struct wait *w = TAILQ_FIRST(&m->waits);
		while (w->session != s)
			w = TAILQ_NEXT(w, link);
		complete(m, w);
	}
}

void sl_waits_tick(struct sl_media *m)
{
	struct wait *w;

	while ((w = TAILQ_FIRST(&m->waits)) && w->deadline_ms <= m->now_ms)
		complete(m, w);
}

void sl_waits_drop(struct sl_media *m)
{
	struct wait *w;

	while ((w = TAILQ_FIRST(&m->waits)))
		complete(m, w);
}

static void answered(struct sl_media *m, struct wait *w)
{
	if (--w->left == 0)
		complete(m, w);
}

void sl_wait_answered(struct sl_media *m, uint32_t seq)
{
	struct wait *w;

	TAILQ_FOREACH(w, &m->waits, link)
	{
		if (w->seq == seq) {
			answered(m, w);
			return;
		}
	}
}

void sl_wait_leg_ended(struct sl_media *m, struct party *p)
{
	struct wait *w;

	TAILQ_FOREACH(w, &m->waits, link)
	{
		if (w->ends && w->session == p->session && concerns(w, p)) {
			answered(m, w);
			return;
		}
	}
}

/* ---- asking ---- */

static void refuse(sl_media_done done, void *ctx, enum sl_media_result code, const char *text)
{
	struct sl_media_error e = {.code = code};

	snprintf(e.text, sizeof e.text, "%s", text);
	if (done)
		done(ctx, NULL, &e);
}

void sl_session_refresh(struct sl_media *m, struct session *s, sl_media_done done, void *ctx)
{
	struct wait *w = wait_new(m, s, done, ctx);

	if (!w) {
		refuse(done, ctx, SL_MEDIA_ERR_NO_MEMORY, "no memory");
		return;
	}
	w->left = ask_legs(m, w, SL_CMD_LEG_QUERY);
	if (w->left == 0)
		complete(m, w);
}

void sl_media_refresh(struct sl_media *m, struct sl_slice call_id, sl_media_done done, void *ctx)
{
	struct session *s = sl_session_find(m, call_id);

	if (s)
		sl_session_refresh(m, s, done, ctx);
	else
		refuse(done, ctx, SL_MEDIA_ERR_NOT_FOUND, "Unknown call-id");
}

/* ---- ending ---- */

void sl_session_timeout(struct sl_media *m, struct session *s, const char *why)
{
	m->counts.timeouts++;
	sl_log(SL_LOG_INFO, "call %s ends: %s", s->pub.call_id, why);
	if (m->hooks.ended)
		m->hooks.ended(m->hooks.ctx, &s->pub, why);
	sl_session_end(m, s, why, NULL, NULL);
}

void sl_session_end(struct sl_media *m, struct session *s, const char *why, sl_media_done done, void *ctx)
{
	s->checking = false; /* its silence is no reason any more: it must not end a second time */
	complete_others(m, s);
	snprintf(s->pub.ended, sizeof s->pub.ended, "%s", why);
	sl_recording_end(m, s);
	sl_session_unsave(m, s);
	sl_session_leave(m, s);
	struct wait *w = wait_new(m, s, done, ctx);
	if (!w) { /* without the last counts, then */
		struct wait now = {.session = s};
		ask_legs(m, &now, SL_CMD_LEG_DELETE);
		if (done)
			done(ctx, &s->pub, &no_error);
		for (unsigned k = 0; k < s->pub.n_parties; k++)
			forget_legs(m, party_at(s, k));
		sl_session_free(s);
		return;
	}
	w->ends = true;
	w->left = ask_legs(m, w, SL_CMD_LEG_DELETE);
	if (w->left == 0)
		complete(m, w);
}

void sl_party_end(struct sl_media *m, struct party *p, sl_media_done done, void *ctx)
{
	struct session *s = p->session;
	struct wait *w = wait_new(m, s, done, ctx);

	if (!w) {
		refuse(done, ctx, SL_MEDIA_ERR_NO_MEMORY, "no memory");
		return;
	}
	p->ending = true;
	w->party = p;
	w->ends = true;
	sl_session_changed(m, s); /* routes to it go first */
	w->left = ask_legs(m, w, SL_CMD_LEG_DELETE);
	if (w->left == 0)
		complete(m, w);
}

/* Does anything of a call remain when p goes? Others that answered, or branches that may yet, unless p had
 * answered and hangs up: a branch that fails after early media (is_branch) does not. Nothing when p is the
 * one who called them. */
static bool outlives(const struct session *s, const struct party *p, bool is_branch)
{
	if (p->pub.flags & SL_PARTY_SUBSCRIBER)
		return s->pub.n_parties > 1;
	for (unsigned k = 0; k < s->pub.n_parties; k++) {
		const struct party *q = party_at(s, k);
		if (q == p || q->ending || q == p->peer || q->peer != p->peer ||
		        q->pub.flags & SL_PARTY_SUBSCRIBER)
			continue;
		if (p->peer && p->peer->peer == q) /* another has its place already: they talk */
			return true;
		if (is_branch || !(p->pub.flags & SL_PARTY_ANSWERED) || q->pub.flags & SL_PARTY_ANSWERED)
			return true;
	}
	return false;
}

/* ---- deleting ---- */

static void delete_later(struct sl_media *m, struct session *s, int delay_s, sl_media_done done, void *ctx)
{
	s->pub.delete_at_ms = m->now_ms + delay_s * INT64_C(1000);
	sl_session_save(m, s);
	sl_session_refresh(m, s, done, ctx);
}

void sl_media_delete(struct sl_media *m, struct sl_slice call_id, struct sl_slice tag,
        struct sl_slice via_branch, int delay_s, sl_media_done done, void *ctx)
{
	struct session *s = sl_session_find(m, call_id);
	struct party *p = NULL;
	bool is_branch = false;

	m->counts.deletes++;
	if (!s) {
		refuse(done, ctx, SL_MEDIA_ERR_NOT_FOUND, "Unknown call-id");
		return;
	}
	if (tag.n || via_branch.n) {
		p = sl_party_by_tag(s, tag);
		if (via_branch.n && (!p || tag.n == 0)) {
			struct party *branch = sl_party_by_branch(s, via_branch);
			is_branch = branch != NULL;
			p = is_branch ? branch : p;
		}
		if (!p) {
			refuse(done, ctx, SL_MEDIA_ERR_NOT_FOUND, "Unknown tag");
			return;
		}
	}
	if (p && outlives(s, p, is_branch)) {
		sl_party_end(m, p, done, ctx);
		return;
	}
	if (delay_s < 0)
		delay_s = (int)m->conf->delete_delay_s;
	if (delay_s > 0)
		delete_later(m, s, delay_s, done, ctx);
	else
		sl_session_end(m, s, "deleted", done, ctx);
}

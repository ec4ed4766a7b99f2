/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* REFER (RFC 3515), blind and attended (RFC 5589), carried out here: the other side never sees it. The new partner gets an INVITE with the
 * session of who remains, or, when a dialog of ours is named by Replaces, is taken from that call; who remains is then offered the new
 * one's session, and the referrer is told and leaves. */

#include "controlplane/b2bua/internal.h"

#include <errno.h>
#include <stdlib.h>

#include <sofia-sip/sip_header.h>
#include <sofia-sip/url.h>

static const struct sl_slice none;

/* ---- telling the referrer ---- */

static void notify(struct trunk_call *tc, int status, const char *reason)
{
	static const struct sl_slice type = {"message/sipfrag;version=2.0", 27};
	struct transfer *t = tc->transfer;
	char body[160];
	int n = snprintf(body, sizeof body, "SIP/2.0 %d %.100s\r\n", status, reason ? reason : sl_status_text(status));

	if (!t || !t->referrer || t->silent || t->referrer->leg->state != SL_LS_UP)
		return;
	sl_leg_send(t->referrer->leg, "NOTIFY", type, (struct sl_slice){body, (size_t)n},
	        status < 200 ? "Event: refer\r\nSubscription-State: active;expires=180\r\n"
	                     : "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n",
	        NULL);
}

static void transfer_free(struct trunk_call *tc)
{
	free(tc->transfer);
	tc->transfer = NULL;
}

void sl_transfer_progress(struct dial *d, int status)
{
	if (d->told == status)
		return;
	d->told = status;
	notify(d->tc, status, NULL);
}

void sl_transfer_failed(struct trunk_call *tc, const struct sl_cause *cause)
{
	struct transfer *t = tc->transfer;
	struct sl_cause stop;

	if (!t)
		return;
	if (tc->dial) {
		sl_cause_set(&stop, 487, SL_BY_US, NULL);
		sl_dial_stop(tc->dial, NULL, &stop, NULL);
	}
	notify(tc, cause->status < 300 ? 500 : cause->status, NULL);
	bool alone = !t->referrer;
	transfer_free(tc);
	sl_media_drop_stale(tc);
	if (alone)
		sl_trunk_end(tc, NULL, cause, NULL);
}

/* ---- it has worked ---- */

/* It is still one call of the tenant's when the caller, who took its share, leaves it to somebody else. */
void sl_transfer_keep_share(const struct side *who)
{
	struct trunk_call *tc = who->tc;
	const struct sl_prov_limits *hit;
	const char *whose;

	if (!who->use.tenant || !who->use.counted || tc->use.counted)
		return;
	tc->use = (struct sl_route_use){.snapshot = who->use.snapshot, .tenant = who->use.tenant};
	sl_route_use_begin(tc->b->o.routing, &tc->use, true, sl_b2bua_now_ms(), &hit, &whose);
}

/* Who left has its counts in its record, and its party goes. */
static void leave(struct trunk_call *tc, struct side *who, const struct sl_cause *cause, const char *headers)
{
	struct sl_slice id = {tc->bridge->media_id, strlen(tc->bridge->media_id)}, tag = {who->leg->media_tag, strlen(who->leg->media_tag)};

	who->failed = true;
	sl_transfer_keep_share(who);
	sl_side_release(who);
	sl_media_counts_now(tc);
	sl_leg_hangup(who->leg, cause, headers);
	if (tag.n)
		sl_media_delete(tc->b->o.media, id, tag, none, 0, NULL, NULL);
}

void sl_replace_side(struct trunk_call *tc, struct side *old, struct side *by, const char *why)
{
	struct sl_cause cause;
	char reason[80];

	if (tc->caller == old)
		tc->caller = by;
	else
		tc->callee = by;
	by->failed = by->stale = false;
	sl_cause_set(&cause, 200, SL_BY_US, why);
	snprintf(reason, sizeof reason, "Reason: SIP;cause=200;text=\"%s\"\r\n", why);
	leave(tc, old, &cause, reason);
	sl_call_changed(tc->call);
}

/* The new partner has said what it will talk: joined gave the answer to the session of who remains. */
void sl_transfer_answered(struct trunk_call *tc, struct side *joined, struct sl_slice sdp)
{
	struct transfer *t = tc->transfer;
	struct side *remaining = t->remaining;
	struct sl_slice out;
	struct sl_cause cause;

	if (!sdp.n && joined->sdp) /* it was in a reliable provisional answer */
		sdp = (struct sl_slice){joined->sdp, joined->sdp_len};
	if (!sdp.n || sl_media_pass_answer(joined, remaining, sdp, &out, &cause) < 0) {
		sl_cause_set(&cause, 488, SL_BY_US, NULL);
		joined->failed = joined->stale = true;
		sl_leg_hangup(joined->leg, &cause, NULL);
		sl_transfer_failed(tc, &cause);
		return;
	}
	if (sdp.p != joined->sdp)
		sl_media_said(joined, sdp);
	/* Who remains may have other codecs or keys in mind than were answered now. */
	struct sl_slice theirs = {joined->sdp, joined->sdp_len};
	if (joined->sdp && sl_media_pass_offer(joined, remaining, theirs, false, &out, &cause) == 0 && sl_leg_offer(remaining->leg, out) == 0) {
		remaining->awaited = AWAIT_REFRESH;
		remaining->asker = joined;
	}
	notify(tc, 200, "OK");
	struct side *referrer = t->role;
	transfer_free(tc);
	sl_dial_free(tc->dial);
	sl_replace_side(tc, referrer, joined, "transferred");
	sl_media_drop_stale(tc);
}

void sl_transfer_rejoined(struct side *s, const struct sl_leg_event *e)
{
	struct trunk_call *tc = s->tc;
	struct side *asker = s->asker;
	bool rejoin = s->awaited == AWAIT_REJOIN;
	struct sl_slice out;
	struct sl_cause cause;

	s->awaited = AWAIT_NOTHING;
	s->asker = NULL;
	if (!rejoin) { /* nobody waits: the sound is there already */
		if (e->status < 300 && e->sdp.n && asker && sl_media_pass_answer(s, asker, e->sdp, &out, &cause) == 0)
			sl_media_said(s, e->sdp);
		return;
	}
	if (!tc->transfer || tc->transfer->joined != s)
		return;
	if (e->status < 300) {
		sl_transfer_answered(tc, s, e->sdp);
		return;
	}
	sl_cause_set(&cause, e->status, SL_BY_CALLEE, e->reason);
	s->failed = s->stale = true;
	sl_leg_hangup(s->leg, &cause, NULL);
	sl_transfer_failed(tc, &cause);
}

bool sl_transfer_gone(struct side *s, const struct sl_leg_event *e)
{
	struct trunk_call *tc = s->tc;
	struct transfer *t = tc->transfer;

	if (s == t->referrer) { /* it need not wait (RFC 5589 6.1) */
		t->referrer = NULL;
		return true;
	}
	if (s == t->joined) {
		sl_transfer_failed(tc, &e->cause);
		return true;
	}
	return false; /* who remains: the call ends as it does without */
}

/* ---- asked ---- */

struct replaces {
	char call_id[256], to_tag[128], from_tag[128];
	char text[640]; /* the header's value */
};

/* "Replaces=CALLID%3Bto-tag%3D...%3Bfrom-tag%3D..." among the headers of a URI. */
static bool replaces_of(const url_t *uri, struct replaces *out)
{
	const char *h = uri->url_headers;
	su_home_t home[1] = {SU_HOME_INIT(home)};
	bool ok = false;

	while (h && strncasecmp(h, "Replaces=", 9) != 0) {
		h = strchr(h, '&');
		h = h ? h + 1 : NULL;
	}
	if (h) {
		char escaped[sizeof out->text];
		snprintf(escaped, sizeof escaped, "%.*s", (int)strcspn(h + 9, "&"), h + 9);
		url_unescape(out->text, escaped);
		sip_replaces_t *r = strpbrk(out->text, "\r\n") ? NULL : sip_replaces_make(home, out->text);
		if (r && r->rp_call_id && r->rp_to_tag && r->rp_from_tag) {
			text_copy(out->call_id, sizeof out->call_id, r->rp_call_id);
			text_copy(out->to_tag, sizeof out->to_tag, r->rp_to_tag);
			text_copy(out->from_tag, sizeof out->from_tag, r->rp_from_tag);
			ok = true;
		}
	}
	su_home_deinit(home);
	return ok;
}

static void failed_now(struct trunk_call *tc, int status)
{
	struct sl_cause cause;

	sl_cause_set(&cause, status, SL_BY_US, NULL);
	sl_transfer_failed(tc, &cause);
}

/* A new partner by an INVITE: found by routing on behalf of the referrer, who pays and must be allowed to; shown is who remains. */
static void blind(struct trunk_call *tc, struct side *referrer, const sip_t *sip, const char *replaces)
{
	const url_t *to = sip->sip_refer_to->r_url;
	struct dial *d = sl_dial_new(tc);
	struct side *remaining = tc->transfer->remaining;
	char room[SL_HEADERS_ROOM];
	struct text lines;

	if (!d || sl_number_of(to, &d->called) < 0) {
		failed_now(tc, d ? 404 : 500);
		return;
	}
	text_copy(d->host, sizeof d->host, to->url_host ? to->url_host : "");
	text_copy(d->identity.user, sizeof d->identity.user, remaining->number ? remaining->number : "");
	text_copy(d->identity.number, sizeof d->identity.number, d->identity.user);
	if (remaining->user)
		text_copy(d->identity.host, sizeof d->identity.host, remaining->user->domain);
	d->identity.asserted = remaining->trusted;
	d->identity.anonymous = remaining->anonymous;
	text_init(&lines, room, sizeof room);
	sl_headers_collect(&lines, sip);
	d->headers = lines.n ? strdup(room) : NULL;
	if (replaces) {
		text_init(&lines, room, sizeof room);
		text_line(&lines, "Replaces", replaces);
		d->extra = strdup(room);
	}
	sl_dial_route(d, referrer);
}

/* The partner of the referrer's other dialog is taken from that call. */
static struct side *take_partner(struct trunk_call *tc, struct trunk_call *other, struct side *named)
{
	struct side *p = sl_side_partner(named);

	if (!p || p->offer || p->awaited || named->offer)
		return NULL;
	sl_media_counts_now(other);
	p->before = p->leg->cdr.media;
	if (sl_leg_move(p->leg, tc->call) < 0)
		return NULL;
	if (other->caller == p)
		other->caller = NULL;
	else
		other->callee = NULL;
	sl_indialog_move(p, tc);
	LIST_REMOVE(p, link);
	LIST_INSERT_HEAD(&tc->sides, p, link);
	p->tc = tc;
	p->leg->media_tag[0] = p->leg->media_branch[0] = '\0';
	return p;
}

static void attended(struct trunk_call *tc, struct side *referrer, const sip_t *sip, struct sl_leg *named, const struct replaces *r)
{
	struct transfer *t = tc->transfer;
	struct trunk_call *other = named->call->controller == &sl_trunk_controller ? named->call->control : NULL;
	struct side *remaining = t->remaining;
	struct sl_cause cause;
	struct sl_slice out;

	(void)r;
	sl_cause_set(&cause, 200, SL_BY_US, "transferred");
	if (!other || other == tc || other->ending || strcmp(named->call->tenant, tc->call->tenant) != 0) {
		failed_now(tc, 403);
		return;
	}
	if (!other->up) { /* it still rings: the same number is called for who remains */
		sl_trunk_end(other, NULL, &cause, NULL);
		blind(tc, referrer, sip, NULL);
		return;
	}
	if (other->transfer || other->newcomer || !remaining->sdp || !(t->joined = take_partner(tc, other, side_of(named)))) {
		failed_now(tc, 491);
		return;
	}
	struct sl_slice sdp = {remaining->sdp, remaining->sdp_len};
	int error = sl_media_pass_offer(remaining, t->joined, sdp, false, &out, &cause);
	if (!error)
		error = sl_leg_offer(t->joined->leg, out);
	sl_cause_set(&cause, 200, SL_BY_US, "transferred");
	sl_trunk_end(other, NULL, &cause, "Reason: SIP;cause=200;text=\"transferred\"\r\n");
	if (error) {
		struct side *p = t->joined;
		p->failed = p->stale = true;
		sl_cause_set(&cause, 500, SL_BY_US, NULL);
		sl_leg_hangup(p->leg, &cause, NULL);
		failed_now(tc, 500);
		return;
	}
	t->joined->awaited = AWAIT_REJOIN;
}

void sl_refer_request(struct side *s, const struct sl_leg_event *e)
{
	struct trunk_call *tc = s->tc;
	const sip_t *sip = e->message;
	struct side *partner = sl_side_partner(s);
	const char *sub = sl_header_find(sip, "Refer-Sub");
	struct replaces r;
	int status = 202;

	if (!sip || !sip->sip_refer_to)
		status = 400;
	else if (!tc->up || !partner)
		status = 403;
	else if (tc->transfer || tc->newcomer || s->offer || partner->offer || partner->awaited || s->awaited)
		status = 491;
	else if (!(tc->transfer = calloc(1, sizeof *tc->transfer)))
		status = 500;
	bool silent = sub && strncasecmp(sub, "false", 5) == 0; /* RFC 4488 */
	sl_leg_respond(s->leg, e->request, status, sl_status_text(status), none, none, status == 202 && silent ? "Refer-Sub: false\r\n" : NULL);
	if (status != 202)
		return;
	*tc->transfer = (struct transfer){.referrer = s, .role = s, .remaining = partner, .silent = silent};
	char to[200] = ""; /* what does not fit is left as it was */
	url_e(to, sizeof to, sip->sip_refer_to->r_url);
	sl_call_event_publish(tc->b->o.events, SL_CE_LEG_TRANSFER, tc->call->tenant, &tc->call->id, &s->leg->id, "%.199s", to);
	notify(tc, 100, NULL);
	if (!replaces_of(sip->sip_refer_to->r_url, &r)) {
		blind(tc, s, sip, NULL);
		return;
	}
	struct sl_leg *named = sl_sip_leg_find(tc->b->o.sip, r.call_id, r.from_tag, r.to_tag);
	if (named)
		attended(tc, s, sip, named, &r);
	else
		blind(tc, s, sip, r.text);
}

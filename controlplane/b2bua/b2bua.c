/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/b2bua/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/crypto.h>
#include <sofia-sip/msg.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <sys/random.h>

#include "controlplane/brain.h"
#include "dataplane/abi/log.h"

static struct sl_b2bua *the; /* a controller has no context of its own; there is one brain */

int64_t sl_b2bua_now_ms(void)
{
	return sl_now_ms();
}

int64_t sl_b2bua_unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

struct sl_timers *sl_b2bua_timers(const struct sl_b2bua *b)
{
	return sl_calls_options(b->o.calls)->timers;
}

/* ---- sides and calls ---- */

struct side *sl_side_new(struct trunk_call *tc, struct sl_leg *l)
{
	struct side *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->tc = tc;
	s->leg = l;
	s->origin.id = sl_prng_next(&tc->b->prng) >> 2; /* RFC 3264 5: fits 63 bits */
	l->control = s;
	LIST_INSERT_HEAD(&tc->sides, s, link);
	return s;
}

void sl_side_owner(struct side *s, const struct sl_prov_snapshot *snapshot, const struct sl_prov_trunk *trunk, struct sl_prov_user *user)
{
	s->use.snapshot = snapshot ? sl_prov_ref(snapshot) : NULL;
	s->use.trunk = s->trunk = trunk;
	s->use.user = s->user = user ? sl_prov_user_ref(user) : NULL;
	s->trusted = trunk ? trunk->trusted : user != NULL;
}

/* The call counts no more. */
void sl_side_release(struct side *s)
{
	sl_route_use_end(s->tc->b->o.routing, &s->use);
}

void sl_side_free(struct side *s)
{
	LIST_REMOVE(s, link);
	sl_timer_stop(sl_b2bua_timers(s->tc->b), &s->timer);
	sl_side_release(s);
	if (s->user)
		sl_prov_user_unref(s->user);
	if (s->use.snapshot)
		sl_prov_unref(s->use.snapshot);
	if (s->sdp)
		OPENSSL_cleanse(s->sdp, s->sdp_len);
	free(s->sdp);
	free(s->number);
	free(s);
}

struct side *sl_side_partner(const struct side *s)
{
	struct trunk_call *tc = s->tc;

	if (s == tc->caller)
		return tc->callee;
	return s == tc->callee ? tc->caller : NULL;
}

struct pass_side sl_side_pass(const struct side *s)
{
	return (struct pass_side){.trunk = s->trunk, .trusted = s->trusted};
}

struct trunk_call *sl_trunk_call_new(struct sl_b2bua *b, struct sl_call *c)
{
	struct trunk_call *tc = calloc(1, sizeof *tc);

	if (!tc)
		return NULL;
	tc->b = b;
	tc->call = c;
	LIST_INIT(&tc->sides);
	LIST_INIT(&tc->relays);
	LIST_INSERT_HEAD(&b->calls, tc, link);
	return tc;
}

void sl_trunk_call_free(struct trunk_call *tc)
{
	struct sl_b2bua *b = tc->b;
	struct farewell *f;
	struct side *s;
	struct relay *r;

	LIST_FOREACH(f, &b->farewells, link)
	{
		if (f->tc == tc)
			f->tc = NULL;
	}
	sl_ask_withdraw(b->o.asks, tc->ask);
	sl_timer_stop(sl_b2bua_timers(b), &tc->later);
	sl_dial_free(tc->dial);
	sl_route_use_end(b->o.routing, &tc->use);
	free(tc->transfer);
	while ((r = LIST_FIRST(&tc->relays))) {
		LIST_REMOVE(r, link);
		free(r);
	}
	while ((s = LIST_FIRST(&tc->sides)))
		sl_side_free(s);
	LIST_REMOVE(tc, link);
	free(tc);
}

/* ---- events ---- */

static void offer_answered(struct side *s, const struct sl_leg_event *e)
{
	switch (s->awaited) {
	case AWAIT_RELAY:
		sl_session_answered(s, e);
		break;
	case AWAIT_REJOIN:
	case AWAIT_REFRESH:
		sl_transfer_rejoined(s, e);
		break;
	case AWAIT_TAKEOVER:
		sl_takeover_answered(s, e);
		break;
	default: /* whoever asked has gone */
		if (e->status < 300 && e->sdp.n)
			sl_media_said(s, e->sdp);
		break;
	}
}

static void on_event(struct sl_call *c, struct sl_leg *l, const struct sl_leg_event *e)
{
	struct trunk_call *tc = c->control;
	struct side *s = side_of(l);

	if (e->type == SL_LE_ENDED) {
		if (!tc)
			sl_call_close(c, &e->cause);
		else
			sl_trunk_leg_ended(s, l, e);
		return;
	}
	if (!tc || !s || tc->ending || s->failed) {
		if (e->request)
			sl_leg_respond(l, e->request, 481, sl_status_text(481), (struct sl_slice){0}, (struct sl_slice){0}, NULL);
		return;
	}
	switch (e->type) {
	case SL_LE_PROGRESS:
		sl_dial_progress(s, e);
		break;
	case SL_LE_ANSWERED:
		sl_dial_answered(s, e);
		break;
	case SL_LE_ACKED:
		sl_session_acked(s, e);
		break;
	case SL_LE_OFFER:
		sl_session_offer(s, e);
		break;
	case SL_LE_OFFER_ANSWERED:
		offer_answered(s, e);
		break;
	case SL_LE_REQUEST:
		sl_indialog_request(s, e);
		break;
	case SL_LE_RESPONSE:
		sl_indialog_response(s, e);
		break;
	default:
		break;
	}
}

static int on_restore(struct sl_call *c, struct sl_blob_in *in)
{
	return the ? sl_trunk_restore_in(the, c, in) : -ENODEV;
}

static void on_free(struct sl_call *c)
{
	if (c->control)
		sl_trunk_call_free(c->control);
	c->control = NULL;
}

const struct sl_controller sl_trunk_controller = {
	.name = "trunk",
	.event = on_event,
	.hangup = sl_trunk_hangup,
	.timer = sl_trunk_timer,
	.save = sl_trunk_save,
	.restore = on_restore,
	.free = on_free,
};

/* ---- an INVITE ---- */

static void refuse(struct trunk_call *tc, int status, const char *text)
{
	struct sl_cause cause;

	sl_cause_set(&cause, status, SL_BY_US, text);
	sl_trunk_end(tc, NULL, &cause, NULL);
}

void sl_side_billed(struct sl_leg *l, const struct sl_sip_caller *who)
{
	char user[2 * SL_PROV_NAME_MAX + 2];

	if (who->user) {
		snprintf(user, sizeof user, "%s@%s", who->user->name, who->user->domain);
		text_copy(l->cdr.user, sizeof l->cdr.user, user);
	}
	if (who->trunk)
		text_copy(l->cdr.trunk, sizeof l->cdr.trunk, who->trunk->name);
}

static int caller_side(struct trunk_call *tc, struct sl_leg *l, const struct sl_sip_caller *who, struct dial *d)
{
	struct side *s = tc->caller = sl_side_new(tc, l);

	if (!s)
		return -ENOMEM;
	/* Who it is may have been found in an older snapshot. */
	sl_side_owner(s, d->snapshot, who->trunk ? sl_prov_trunk(d->snapshot, who->trunk->name) : NULL, (struct sl_prov_user *)who->user);
	s->use.tenant = sl_prov_tenant(d->snapshot, tc->call->tenant);
	s->number = strdup(d->identity.user);
	s->anonymous = d->identity.anonymous;
	sl_side_billed(l, who);
	return 0;
}

/* RFC 5627: one instance of the user is meant. A temporary GRUU says nothing of him: the call goes on as one to his name. */
static void find_gruu(struct dial *d, const url_t *uri)
{
	const struct sl_binding *binding = NULL;
	const struct sl_prov_user *user;

	if (!uri->url_params || !url_has_param(uri, "gr") || !(user = sl_registrar_user_of(d->tc->b->o.registrar, uri, &binding)) || !binding)
		return;
	d->instance = strdup(binding->contact);
	text_copy(d->called.user, sizeof d->called.user, user->name);
}

int sl_dial_read(struct dial *d, const sip_t *sip, const struct sl_sip_caller *who)
{
	const url_t *uri = sip->sip_request->rq_url;
	char room[SL_HEADERS_ROOM];
	struct text lines;

	if (sl_number_of(uri, &d->called) < 0)
		return uri->url_type == url_sip || uri->url_type == url_sips || uri->url_type == url_tel ? 404 : 416;
	text_copy(d->host, sizeof d->host, uri->url_host ? uri->url_host : "");
	sl_identity_of(sip, who->user, who->trunk, &d->identity);
	find_gruu(d, uri);
	d->max_forwards = sip->sip_max_forwards ? (int)sip->sip_max_forwards->mf_count - 1 : 69;
	if (d->max_forwards < 0)
		return 483;
	text_init(&lines, room, sizeof room);
	sl_headers_collect(&lines, sip);
	return lines.n && !(d->headers = strdup(room)) ? 500 : 0;
}

/* Verstat and signatures are about the message as it came. */
static void keep_invite(struct dial *d, const sip_t *sip)
{
	d->invite = msg_create(sip_default_mclass(), 0);
	msg_pub_t *copy = d->invite ? msg_public(d->invite, SIP_PROTOCOL_TAG) : NULL;

	for (const msg_header_t *h = (const msg_header_t *)sip->sip_request; copy && h; h = ((const sip_header_t *)h)->sh_common->h_succ)
		msg_header_add_dup(d->invite, copy, h);
}

static int read_invite(struct dial *d, const sip_t *sip, const struct sl_sip_caller *who)
{
	int status = sl_dial_read(d, sip, who);

	if (status)
		return status;
	d->sips = sip->sip_request->rq_url->url_type == url_sips;
	if (d->tc->b->identity_hook)
		keep_invite(d, sip);
	return sl_loop_is(d->tc->b, sip, d->identity.user, d->called.user, d->host, d->loop) ? 482 : 0;
}

void sl_b2bua_invite(void *ctx, struct sl_call *c, struct sl_leg *l, const struct sl_sip_caller *who, const sip_t *sip, struct sl_leg *replaces)
{
	struct sl_b2bua *b = ctx;
	struct sl_slice sdp;
	struct sl_cause cause;

	if (replaces) {
		sl_takeover(b, c, l, who, sip, replaces);
		return;
	}
	struct trunk_call *tc = sl_trunk_call_new(b, c);
	struct dial *d = tc ? sl_dial_new(tc) : NULL;
	sl_call_control(c, &sl_trunk_controller, tc);
	if (!d) {
		sl_cause_set(&cause, 500, SL_BY_US, "no memory");
		sl_leg_hangup(l, &cause, NULL);
		return;
	}
	int status = read_invite(d, sip, who), error = caller_side(tc, l, who, d);
	if (status == 0)
		status = error ? 500 : sl_sip_sdp(sip, &sdp) < 0 ? 415 : 0;
	if (status) {
		refuse(tc, status, NULL);
		return;
	}
	if (sdp.n)
		sl_media_said(tc->caller, sdp);
	if (sdp.n && !sl_media_policy_admits(tc->caller, sdp)) {
		refuse(tc, 488, NULL);
		return;
	}
	sl_dial_route(d, tc->caller);
}

/* ---- opening ---- */

struct sl_b2bua *sl_b2bua_open(const struct sl_b2bua_options *o)
{
	struct sl_b2bua *b = calloc(1, sizeof *b);

	if (!b)
		return NULL;
	b->o = *o;
	b->sdp = malloc(SDP_ROOM);
	b->sdp2 = malloc(SDP_ROOM);
	if (!b->sdp || !b->sdp2 || getrandom(&b->loop_key, sizeof b->loop_key, 0) != sizeof b->loop_key ||
	        getrandom(&b->prng.key, sizeof b->prng.key, 0) != sizeof b->prng.key) {
		free(b->sdp);
		free(b->sdp2);
		free(b);
		return NULL;
	}
	LIST_INIT(&b->calls);
	LIST_INIT(&b->farewells);
	LIST_INIT(&b->outsides);
	the = b;
	sl_calls_add_controller(o->calls, &sl_trunk_controller);
	return b;
}

void sl_b2bua_close(struct sl_b2bua *b)
{
	struct trunk_call *tc;
	struct farewell *f;

	if (!b)
		return;
	sl_outsides_close(b);
	while ((tc = LIST_FIRST(&b->calls))) {
		tc->call->control = NULL;
		sl_trunk_call_free(tc);
	}
	while ((f = LIST_FIRST(&b->farewells))) { /* each is freed by its answer */
		LIST_REMOVE(f, link);
		f->b = NULL;
		f->tc = NULL;
	}
	the = the == b ? NULL : the;
	OPENSSL_cleanse(b->sdp, SDP_ROOM);
	OPENSSL_cleanse(b->sdp2, SDP_ROOM);
	free(b->sdp);
	free(b->sdp2);
	free(b);
}

void sl_b2bua_set_sip(struct sl_b2bua *b, struct sl_sip *s)
{
	b->o.sip = s;
}

void sl_b2bua_reconfigure(struct sl_b2bua *b, const struct sl_config *config)
{
	b->o.config = config;
}

void sl_b2bua_set_identity_hook(struct sl_b2bua *b, sl_b2bua_identity_hook hook, void *ctx)
{
	b->identity_hook = hook;
	b->identity_ctx = ctx;
}

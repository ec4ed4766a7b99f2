/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* The event package reg (RFC 3680): a user's own devices are told who else is registered. One NOTIFY is under way for each subscription;
 * what happens meanwhile is told by the next one, with the full state. Subscriptions end with the process: a client finds out by its
 * 481. */

#include "controlplane/registrar/internal.h"

#include "controlplane/brain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/su_tagarg.h>

enum {
	WATCHES_MAX = 20000,   /* in all */
	WATCHES_OF_USER = 8,
	EXPIRES_DEFAULT_S = 3761, /* RFC 3680 4.4 */
	EXPIRES_MIN_S = 60,
	EXPIRES_MAX_S = 7200,
	BODY_MAX = 32768,
};

struct sl_reg_watch {
	struct sl_reg_watch *next; /* of the aor */
	struct sl_reg_aor *aor;
	struct sl_registrar *r;
	nta_leg_t *leg;
	nta_outgoing_t *notify;    /* under way; NULL = none */
	struct sl_sip_flow flow;
	struct sl_timer expiry;
	int64_t expires_unix_ms;
	unsigned version;
	bool again;                /* something happened while one was under way */
	bool ending;               /* the one under way is the last */
};

static void send_notify(struct sl_reg_watch *w, const struct sl_reg_binding *x, enum sl_reg_event what);

static void free_watch(struct sl_reg_watch *w)
{
	struct sl_registrar *r = w->r;
	struct sl_reg_aor *a = w->aor;
	struct sl_reg_watch **at = &a->watches;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	r->n_watches--;
	sl_timer_stop(r->o.timers, &w->expiry);
	if (w->notify)
		nta_outgoing_destroy(w->notify);
	nta_leg_destroy(w->leg);
	free(w);
	sl_reg_aor_release(r, a);
}

/* ---- the document ---- */

struct text {
	char *p, *end;
	bool full;
};

static void __attribute__((format(printf, 2, 3))) add(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->p, (size_t)(t->end - t->p), format, args);
	va_end(args);
	if (n < 0 || n >= t->end - t->p)
		t->full = true;
	else
		t->p += n;
}

static void add_escaped(struct text *t, const char *s)
{
	for (; *s && !t->full; s++) {
		const char *as = *s == '&' ? "&amp;" : *s == '<' ? "&lt;" : *s == '>' ? "&gt;" : *s == '"' ? "&quot;" : NULL;

		if (as)
			add(t, "%s", as);
		else if ((unsigned char)*s >= ' ')
			add(t, "%c", *s);
	}
}

static void add_contact(struct text *t, const struct sl_reg_binding *x, bool active, const char *event, int64_t now)
{
	add(t, "<contact id=\"b%llx\" state=\"%s\" event=\"%s\"", (unsigned long long)x->id, active ? "active" : "terminated", event);
	if (active)
		add(t, " duration-registered=\"%lld\" expires=\"%lld\"", (long long)((now - x->b.created_unix_ms) / 1000),
		        (long long)((x->b.expires_unix_ms - now + 999) / 1000));
	if (x->b.q != 1000)
		add(t, " q=\"0.%03u\"", x->b.q);
	add(t, "><uri>");
	add_escaped(t, x->b.contact);
	add(t, "</uri>");
	if (*x->b.pub_gruu) { /* RFC 5628 */
		add(t, "<gr:pub-gruu uri=\"");
		add_escaped(t, x->b.pub_gruu);
		add(t, "\"/>");
	}
	add(t, "</contact>");
}

/* x NULL: the full state, else what happened to x. False: it does not fit. */
static bool make_body(struct sl_reg_watch *w, const struct sl_reg_binding *x, enum sl_reg_event what, char *out, size_t len)
{
	static const char *const events[] = { [SL_REG_EV_REGISTERED] = "registered", [SL_REG_EV_REFRESHED] = "refreshed",
		[SL_REG_EV_EXPIRED] = "expired", [SL_REG_EV_UNREGISTERED] = "unregistered", [SL_REG_EV_DEACTIVATED] = "deactivated" };
	bool ends = x && what >= SL_REG_EV_EXPIRED;
	unsigned left = w->aor->n - ends;
	struct text t = { out, out + len, false };
	int64_t now = w->r->unix_ms();

	add(&t, "<?xml version=\"1.0\"?>\n<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\""
	        " version=\"%u\" state=\"%s\"><registration aor=\"sip:", w->version, x ? "partial" : "full");
	add_escaped(&t, w->aor->name);
	add(&t, "\" id=\"a%llx\" state=\"%s\">", (unsigned long long)w->aor->hash, left ? "active" : ends ? "terminated" : "init");
	if (x) {
		add_contact(&t, x, !ends, events[what], now);
	} else {
		for (x = w->aor->bindings; x; x = x->next)
			add_contact(&t, x, true, "registered", now);
	}
	add(&t, "</registration></reginfo>\n");
	return !t.full;
}

/* ---- NOTIFY ---- */

static int notified(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct sl_reg_watch *w = (struct sl_reg_watch *)magic;
	int status = sip && sip->sip_status ? sip->sip_status->st_status : nta_outgoing_status(orq);

	if (status < 200)
		return 0;
	nta_outgoing_destroy(orq);
	w->notify = NULL;
	if (w->ending || status >= 300) /* RFC 6665 4.2.2: whoever refuses it has no subscription */
		free_watch(w);
	else if (w->again)
		send_notify(w, NULL, SL_REG_EV_REGISTERED);
	return 0;
}

static void send_notify(struct sl_reg_watch *w, const struct sl_reg_binding *x, enum sl_reg_event what)
{
	struct sl_sip *s = w->r->sip;
	int64_t left = (w->expires_unix_ms - w->r->unix_ms() + 999) / 1000;
	char state[64], body[BODY_MAX];
	struct sl_sip_hop hop;
	url_t *route = NULL;
	tport_t *tport = NULL;

	if (w->notify) {
		w->again = true;
		return;
	}
	w->again = false;
	if (w->ending)
		snprintf(state, sizeof state, "terminated;reason=timeout");
	else
		snprintf(state, sizeof state, "active;expires=%lld", (long long)(left > 0 ? left : 0));
	if (!make_body(w, x, what, body, sizeof body))
		body[0] = '\0'; /* more than a datagram could hold: the client asks for nothing it can use */
	w->version++;
	sl_sip_hop_back(&w->flow, &hop);

	su_home_t home[1] = { SU_HOME_INIT(home) };
	su_home_init(home);
	sip_contact_t *contact = sl_sip_contact(s, home, &hop, "");
	sip_route_t *first = sl_sip_hop_header(s, home, &hop);

	if (sl_sip_hop_route(s, home, &hop, &route, &tport) == 0)
		w->notify = nta_outgoing_tcreate(w->leg, notified, (nta_outgoing_magic_t *)w, (url_string_t *)route, SIP_METHOD_NOTIFY, NULL,
		        SIPTAG_EVENT_STR("reg"), SIPTAG_SUBSCRIPTION_STATE_STR(state), SIPTAG_CONTACT(contact),
		        TAG_IF(first, SIPTAG_ROUTE(first)), TAG_IF(body[0], SIPTAG_CONTENT_TYPE_STR("application/reginfo+xml")),
		        TAG_IF(body[0], SIPTAG_PAYLOAD_STR(body)), NTATAG_TPORT(tport), TAG_END());
	su_home_deinit(home);
}

void sl_reg_notify(struct sl_registrar *r, struct sl_reg_binding *x, enum sl_reg_event what)
{
	(void)r;
	for (struct sl_reg_watch *w = x->aor->watches; w; w = w->next)
		send_notify(w, x, what);
}

/* One that could not be sent (its connection has gone) ends quietly. */
static void end_watch(struct sl_reg_watch *w)
{
	w->ending = true;
	send_notify(w, NULL, SL_REG_EV_REGISTERED);
	if (!w->notify)
		free_watch(w);
}

static void timer(struct sl_timer *t)
{
	end_watch((struct sl_reg_watch *)((char *)t - offsetof(struct sl_reg_watch, expiry)));
}

/* ---- SUBSCRIBE ---- */

static unsigned expires_of(const sip_t *sip)
{
	unsigned long s = sip->sip_expires ? sip->sip_expires->ex_delta : EXPIRES_DEFAULT_S;

	return s > EXPIRES_MAX_S ? EXPIRES_MAX_S : (unsigned)s;
}

/* Answers it. False: refused. */
static bool accept_expires(struct sl_reg_watch *w, nta_incoming_t *irq, const sip_t *sip)
{
	unsigned s = expires_of(sip);
	char text[16];

	if (s && s < EXPIRES_MIN_S) {
		nta_incoming_treply(irq, SIP_423_INTERVAL_TOO_BRIEF, SIPTAG_MIN_EXPIRES_STR("60"), TAG_END());
		return false;
	}
	struct sl_sip_hop hop;
	su_home_t home[1] = { SU_HOME_INIT(home) };

	su_home_init(home);
	sl_sip_hop_back(&w->flow, &hop);
	snprintf(text, sizeof text, "%u", s);
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_EXPIRES_STR(text), SIPTAG_CONTACT(sl_sip_contact(w->r->sip, home, &hop, "")), TAG_END());
	su_home_deinit(home);
	w->expires_unix_ms = w->r->unix_ms() + (int64_t)s * 1000;
	if (s)
		sl_timer_set(w->r->o.timers, &w->expiry, sl_now_ms() + (int64_t)s * 1000);
	return true;
}

/* In the dialog: refreshed or ended by the client. */
static int in_dialog(nta_leg_magic_t *magic, nta_leg_t *leg, nta_incoming_t *irq, const sip_t *sip)
{
	struct sl_reg_watch *w = (struct sl_reg_watch *)magic;

	(void)leg;
	if (sip->sip_request->rq_method != sip_method_subscribe) {
		nta_incoming_treply(irq, SIP_405_METHOD_NOT_ALLOWED, SIPTAG_ALLOW_STR("SUBSCRIBE"), TAG_END());
	} else if (accept_expires(w, irq, sip)) {
		nta_incoming_destroy(irq);
		if (expires_of(sip) == 0)
			end_watch(w);
		else
			send_notify(w, NULL, SL_REG_EV_REGISTERED);
		return 0;
	}
	nta_incoming_destroy(irq);
	return 0;
}

static struct sl_reg_watch *new_watch(struct sl_registrar *r, struct sl_reg_aor *a, nta_incoming_t *irq, const sip_t *sip,
        const struct sl_sip_flow *flow)
{
	struct sl_reg_watch *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	*w = (struct sl_reg_watch){ .aor = a, .r = r, .flow = *flow, .expiry.fn = timer };
	w->leg = nta_leg_tcreate(sl_sip_agent(r->sip), in_dialog, (nta_leg_magic_t *)w, SIPTAG_CALL_ID(sip->sip_call_id),
	        SIPTAG_FROM(sip->sip_to), SIPTAG_TO(sip->sip_from), NTATAG_REMOTE_CSEQ(sip->sip_cseq->cs_seq), TAG_END());
	if (!w->leg || !nta_leg_tag(w->leg, nta_incoming_tag(irq, NULL)) ||
	        nta_leg_server_route(w->leg, sip->sip_record_route, sip->sip_contact) < 0) {
		if (w->leg)
			nta_leg_destroy(w->leg);
		free(w);
		return NULL;
	}
	w->next = a->watches;
	a->watches = w;
	r->n_watches++;
	return w;
}

static bool is_his_own(const struct sl_registrar *r, const sip_t *sip, const struct sl_prov_user *user)
{
	const url_t *to = sip->sip_request->rq_url;
	const struct sl_binding *binding;

	return user && sl_registrar_user_of(r, to->url_user ? to : sip->sip_to->a_url, &binding) == user;
}

void sl_registrar_subscribe(struct sl_registrar *r, nta_incoming_t *irq, const sip_t *sip, const struct sl_sip_caller *who)
{
	struct sl_reg_aor *a = NULL;
	struct sl_reg_watch *w = NULL;
	unsigned n = 0;

	if (!sip->sip_contact) {
		nta_incoming_treply(irq, 400, "Contact Missing", TAG_END());
	} else if (!is_his_own(r, sip, who->user)) {
		nta_incoming_treply(irq, SIP_403_FORBIDDEN, TAG_END());
	} else {
		a = sl_reg_aor(r, who->user->name, strlen(who->user->name), who->user->domain, true);
		for (const struct sl_reg_watch *o = a ? a->watches : NULL; o; o = o->next)
			n++;
		if (a && n < WATCHES_OF_USER && r->n_watches < WATCHES_MAX)
			w = new_watch(r, a, irq, sip, &who->flow);
		if (!w)
			nta_incoming_treply(irq, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_RETRY_AFTER_STR("60"), TAG_END());
	}
	bool ok = w && accept_expires(w, irq, sip);
	nta_incoming_destroy(irq);
	if (ok && expires_of(sip))
		send_notify(w, NULL, SL_REG_EV_REGISTERED);
	else if (ok)
		end_watch(w); /* RFC 6665 4.4.3: a look at the state, once */
	else if (w)
		free_watch(w);
	else if (a)
		sl_reg_aor_release(r, a);
}

void sl_reg_watch_close(struct sl_registrar *r)
{
	for (size_t i = 0; r->buckets && i < r->n_buckets; i++) {
		for (struct sl_reg_aor *a = r->buckets[i], *next; a; a = next) {
			next = a->next;
			while (a->watches && a->watches->next)
				free_watch(a->watches);
			if (a->watches)
				free_watch(a->watches); /* a may go with it */
		}
	}
}

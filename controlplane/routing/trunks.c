/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Trunks follow the provisioning; their targets are asked by OPTIONS whether they are there. */

#include "controlplane/routing/trunks_internal.h"

#include "controlplane/brain.h"
#include "controlplane/guard/warden.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sofia-sip/nta_tag.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_tag.h>
#include <sofia-sip/url_tag.h>

enum { ANSWER_MS = 4000, FIRST_SPREAD_MS = 1000, PROBES_TRUSTED = 3 };

/* ---- a request ---- */

void sl_trunk_request_in(struct sl_trunk_request *q, int64_t ms)
{
	sl_timer_set(sl_sip_options(q->trunk->all->sip)->timers, &q->timer, sl_now_ms() + ms);
}

void sl_trunk_request_stop(struct sl_trunk_request *q)
{
	if (q->ask)
		sl_ask_withdraw(sl_sip_options(q->trunk->all->sip)->asks, q->ask);
	if (q->orq)
		nta_outgoing_destroy(q->orq);
	q->ask = 0;
	q->orq = NULL;
	q->busy = false;
}

void sl_trunk_request_free(struct sl_trunk_request *q)
{
	if (!q->trunk)
		return;
	sl_trunk_request_stop(q);
	sl_timer_stop(sl_sip_options(q->trunk->all->sip)->timers, &q->timer);
	if (q->leg)
		nta_leg_destroy(q->leg);
	q->leg = NULL;
}

static const struct sl_conf_sip_listener *own_listener(const struct sl_trunk *t, unsigned *index)
{
	const struct sl_conf_sip *conf = &sl_sip_options(t->all->sip)->config->sip;

	for (unsigned i = 0; i < conf->n_listeners; i++) {
		if (*t->wants.listener && strcmp(conf->listeners[i].name, t->wants.listener) == 0) {
			*index = i;
			return &conf->listeners[i];
		}
	}
	return NULL;
}

void sl_trunk_request_begin(struct sl_trunk_request *q, const char *uri, sl_ask_fn resolved)
{
	unsigned index;
	const struct sl_conf_sip_listener *l = own_listener(q->trunk, &index);

	q->busy = true;
	sl_ask ask = sl_sip_resolve(q->trunk->all->sip, uri, l ? l->role : SL_SIP_PEERING, resolved, q);
	/* It may have been answered already, and a new one begun in there: only what still runs is kept. */
	if (!ask)
		resolved(q, -ENOMEM, NULL);
	else if (q->busy && !q->orq && !q->ask)
		q->ask = ask;
}

int sl_trunk_request_hop(struct sl_trunk_request *q, int error, const void *result)
{
	const struct sl_resolved *found = result;
	const struct sl_conf_sip_listener *l;
	unsigned index;

	q->ask = 0;
	if (error || !found || !found->n)
		return error ? error : -ENOENT;
	q->hop = found->hops[0];
	l = own_listener(q->trunk, &index);
	if (l && l->transport == q->hop.transport && sl_ip_is_v4(&l->address.ip) == sl_ip_is_v4(&q->hop.to.ip))
		q->hop.listener = (uint8_t)index;
	return 0;
}

/* The URL is nobody's: a leg without one would be the agent's default, and take every new request. */
static bool make_leg(struct sl_trunk_request *q, const char *aor)
{
	if (!q->leg)
		q->leg = nta_leg_tcreate(sl_sip_agent(q->trunk->all->sip), NULL, NULL, NTATAG_NO_DIALOG(1), URLTAG_URL("sip:trunk.invalid"),
		        SIPTAG_FROM_STR(aor), SIPTAG_TO_STR(aor), TAG_END());
	return q->leg && nta_leg_tag(q->leg, NULL);
}

int sl_trunk_request_send(struct sl_trunk_request *q, const char *uri, const char *aor, sip_method_t method, const char *method_name,
        nta_response_f *answered, const char *contact_user, const char *headers)
{
	struct sl_sip *s = q->trunk->all->sip;
	const char *agent = sl_sip_options(s)->config->sip.user_agent;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	url_t *route = NULL;
	tport_t *tport = NULL;

	su_home_init(home);
	if (make_leg(q, aor) && sl_sip_hop_route(s, home, &q->hop, &route, &tport) == 0) {
		sip_route_t *first = sl_sip_hop_header(s, home, &q->hop);

		q->orq = nta_outgoing_tcreate(q->leg, answered, (nta_outgoing_magic_t *)q, (url_string_t *)route, method, method_name,
		        (url_string_t *)uri, TAG_IF(first, SIPTAG_ROUTE(first)), SIPTAG_CONTACT(sl_sip_contact(s, home, &q->hop, contact_user)),
		        TAG_IF(agent && *agent, SIPTAG_USER_AGENT_STR(agent)), TAG_IF(headers, SIPTAG_HEADER_STR(headers)),
		        NTATAG_TPORT(tport), TAG_END());
	}
	su_home_deinit(home);
	return q->orq ? 0 : -EIO;
}

/* ---- probing ---- */

static void probed(struct sl_trunk_target *g, bool ok, const char *why)
{
	struct sl_trunk *t = g->q.trunk;

	if (ok) /* he receives what we send there: until three probes are not answered */
		sl_warden_trusts_peer(sl_sip_options(t->all->sip)->warden, &g->q.hop.to, g->q.hop.listener,
			PROBES_TRUSTED * (t->wants.probe_s + ANSWER_MS / 1000), sl_now_ms());
	sl_trunk_request_stop(&g->q);
	if (sl_trunk_hysteresis(&g->health, ok, t->wants.probe_up, t->wants.probe_down))
		sl_route_target_state(t->all->routing, t->wants.name, g->number, ok, why);
	sl_trunk_request_in(&g->q, (int64_t)t->wants.probe_s * 1000);
}

/* Any answer shows that somebody is there, but for one that says that nobody is (RFC 3261 8.1.3.1, 21.5.4). */
static int probe_answered(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct sl_trunk_target *g = (struct sl_trunk_target *)magic;
	int status = sip && sip->sip_status ? sip->sip_status->st_status : nta_outgoing_status(orq);
	char why[64];

	if (status < 200)
		return 0;
	snprintf(why, sizeof why, "OPTIONS answered %d", status);
	probed(g, sip && status != 408 && status != 503 && status != 430, sip ? why : "no answer");
	return 0;
}

static void probe_resolved(void *ctx, int error, const void *result)
{
	struct sl_trunk_target *g = ctx;
	struct sl_trunk *t = g->q.trunk;
	struct sl_slice host = sl_trunk_host_of(t->wants.targets[g->number]);
	char aor[SL_PROV_URI_MAX + 16];

	if (sl_trunk_request_hop(&g->q, error, result) < 0) {
		probed(g, false, error == -ETIMEDOUT ? "its name cannot be looked up" : "its name leads nowhere");
		return;
	}
	if (*t->wants.from_domain)
		snprintf(aor, sizeof aor, "<sip:%s>", t->wants.from_domain);
	else
		snprintf(aor, sizeof aor, "<sip:%.*s>", (int)host.n, host.p);
	if (sl_trunk_request_send(&g->q, t->wants.targets[g->number], aor, SIP_METHOD_OPTIONS, probe_answered, "", "Accept: application/sdp\r\n") < 0)
		probed(g, false, "OPTIONS cannot be sent");
	else
		sl_trunk_request_in(&g->q, t->wants.timeout_ms ? t->wants.timeout_ms : ANSWER_MS);
}

static void probe_timer(struct sl_timer *timer)
{
	struct sl_trunk_target *g = (struct sl_trunk_target *)((char *)timer - offsetof(struct sl_trunk_target, q.timer));

	if (g->q.busy)
		probed(g, false, "no answer to OPTIONS");
	else
		sl_trunk_request_begin(&g->q, g->q.trunk->wants.targets[g->number], probe_resolved);
}

/* ---- following the provisioning ---- */

static void want(const struct sl_prov_trunk *p, struct sl_trunk_wants *w)
{
	memset(w, 0, sizeof *w);
	snprintf(w->name, sizeof w->name, "%s", p->name);
	snprintf(w->tenant, sizeof w->tenant, "%s", p->tenant ? p->tenant->name : "");
	snprintf(w->listener, sizeof w->listener, "%s", p->listener);
	w->n_targets = p->n_targets < SL_TRUNK_TARGETS ? p->n_targets : SL_TRUNK_TARGETS;
	for (unsigned i = 0; i < w->n_targets; i++)
		snprintf(w->targets[i], sizeof w->targets[i], "%s", p->targets[i].uri);
	w->probe_s = p->probe_s;
	w->probe_up = p->probe_up ? p->probe_up : 1;
	w->probe_down = p->probe_down ? p->probe_down : 1;
	w->timeout_ms = p->timeout_ms;
	snprintf(w->from_domain, sizeof w->from_domain, "%s", p->from_domain);
	if (!*p->register_uri)
		return;
	snprintf(w->register_uri, sizeof w->register_uri, "%s", p->register_uri);
	snprintf(w->contact_user, sizeof w->contact_user, "%s", *p->contact_user ? p->contact_user : p->username);
	snprintf(w->username, sizeof w->username, "%s", p->username);
	snprintf(w->realm, sizeof w->realm, "%s", p->realm);
	memcpy(w->ha1_md5, p->ha1_md5, sizeof w->ha1_md5);
	memcpy(w->ha1_sha256, p->ha1_sha256, sizeof w->ha1_sha256);
	w->register_expires_s = p->register_expires_s ? p->register_expires_s : 3600;
}

static void free_trunk(struct sl_trunk *t)
{
	for (unsigned i = 0; i < t->wants.n_targets; i++) {
		if (t->targets[i].health.down) /* nobody looks after it any more */
			sl_route_target_state(t->all->routing, t->wants.name, i, true, "no longer probed");
		sl_trunk_request_free(&t->targets[i].q);
	}
	sl_trunk_registration_stop(t);
	OPENSSL_cleanse(t, sizeof *t);
	free(t);
}

static unsigned spread(unsigned ms)
{
	uint32_t random = 0;

	return RAND_bytes((unsigned char *)&random, sizeof random) == 1 ? random % ms : 0;
}

static void new_trunk(struct sl_trunks *all, const struct sl_trunk_wants *w)
{
	struct sl_trunk *t = calloc(1, sizeof *t);

	if (!t)
		return; /* looked at again with the next generation */
	t->all = all;
	t->wants = *w;
	t->seen = true;
	t->next = all->trunks;
	all->trunks = t;
	for (unsigned i = 0; i < w->n_targets && w->probe_s; i++) {
		struct sl_trunk_target *g = &t->targets[i];

		g->q.trunk = t;
		g->number = i;
		g->q.timer.fn = probe_timer;
		sl_trunk_request_in(&g->q, spread(FIRST_SPREAD_MS)); /* not all trunks of a node at once */
	}
	if (*w->register_uri)
		sl_trunk_registration_start(t);
}

static struct sl_trunk *find(const struct sl_trunks *all, const char *name)
{
	struct sl_trunk *t = all->trunks;

	while (t && strcmp(t->wants.name, name) != 0)
		t = t->next;
	return t;
}

/* Will the same Contact be registered at the same place again? Then it is not taken back in between. */
static bool keeps_account(const struct sl_trunk *t, const struct sl_prov_trunk *p)
{
	const char *user = p && *p->contact_user ? p->contact_user : p ? p->username : "";

	return p && strcmp(p->register_uri, t->wants.register_uri) == 0 && strcmp(p->username, t->wants.username) == 0 &&
	       strcmp(user, t->wants.contact_user) == 0;
}

static void follow(struct sl_trunks *all, const struct sl_prov_snapshot *s)
{
	static struct sl_trunk_wants w; /* wiped below */
	struct sl_trunk **at;

	for (struct sl_trunk *t = all->trunks; t; t = t->next)
		t->seen = false;
	/* What is as it was goes on; what is not is taken down first, since names are told apart by nothing else. */
	for (unsigned i = 0; i < s->n_trunks; i++) {
		struct sl_trunk *t = find(all, s->trunks[i].name);

		want(&s->trunks[i], &w);
		if (t)
			t->seen = memcmp(&t->wants, &w, sizeof w) == 0;
	}
	for (at = &all->trunks; *at;) {
		struct sl_trunk *t = *at;

		if (t->seen) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		if (!keeps_account(t, sl_prov_trunk(s, t->wants.name)))
			sl_trunk_registration_withdraw(t);
		free_trunk(t);
	}
	for (unsigned i = 0; i < s->n_trunks; i++) {
		want(&s->trunks[i], &w);
		if ((w.probe_s || *w.register_uri) && !find(all, w.name))
			new_trunk(all, &w);
	}
	OPENSSL_cleanse(&w, sizeof w);
}

struct sl_trunks *sl_trunks_open(struct sl_sip *sip, struct sl_routing *routing)
{
	struct sl_trunks *t = calloc(1, sizeof *t);

	if (t) {
		*t = (struct sl_trunks){ .sip = sip, .routing = routing };
		sl_sip_set_trunks(sip, t);
	}
	return t;
}

void sl_trunks_close(struct sl_trunks *t)
{
	if (!t)
		return;
	sl_sip_set_trunks(t->sip, NULL);
	while (t->trunks) {
		struct sl_trunk *next = t->trunks->next;

		free_trunk(t->trunks);
		t->trunks = next;
	}
	free(t);
}

const struct sl_prov_trunk *sl_trunks_of(const struct sl_trunks *t, const struct sl_endpoint *from, const char *user, bool exact)
{
	const struct sl_trunk *by_address = NULL, *found = NULL;
	unsigned n = 0;

	for (const struct sl_trunk *x = t->trunks; x && !found; x = x->next) {
		const struct sl_trunk_registration *g = &x->registration;

		if (!g->registered || !sl_ip_eq(&g->at, &from->ip))
			continue;
		if (user && strcmp(user, x->wants.contact_user) == 0)
			found = x;
		by_address = x;
		n++;
	}
	if (!found && n == 1 && !exact)
		found = by_address;
	return found ? sl_prov_trunk(sl_prov_now(sl_sip_options(t->sip)->prov), found->wants.name) : NULL;
}

void sl_trunks_tick(struct sl_trunks *t, int64_t now_ms)
{
	const struct sl_prov_snapshot *s = sl_prov_now(sl_sip_options(t->sip)->prov);

	(void)now_ms;
	if (!s || s->generation == t->generation)
		return;
	t->generation = s->generation;
	follow(t, s);
}

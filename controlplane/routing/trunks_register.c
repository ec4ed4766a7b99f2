/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Our registration at a carrier: sent to the trunk's targets, kept fresh at 80 % of its time; when it fails, tried again ever more
 * slowly. */

#include "controlplane/routing/trunks_internal.h"

#include "controlplane/registrar/registrar.h"

#include "dataplane/abi/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/rand.h>
#include <sofia-sip/sip_header.h>

enum {
	ANSWER_MS = 32000,      /* Timer F of a transaction over UDP: the carrier has as long */
	REFRESH_PERCENT = 80,
	EXPIRES_LEAST_S = 4,    /* a carrier that grants less is asked this often, not more */
	EXPIRES_MOST_S = 604800,
	HEADERS_MAX = 2048,
	ROUNDS_MAX = 4,         /* a carrier that is never content is a failure */
};

static struct sl_trunk_registration *registration_of(nta_outgoing_magic_t *magic)
{
	return (struct sl_trunk_registration *)magic; /* q is its first member */
}

static void registered(struct sl_trunk_registration *g, bool yes, const char *why)
{
	struct sl_trunk *t = g->q.trunk;

	if (g->registered == yes && (yes || g->failures > 1))
		return;
	g->registered = yes;
	sl_route_trunk_registered(t->all->routing, t->wants.name, yes, why);
}

/* Up to a quarter later, so that a node's trunks do not come together. */
static void failed(struct sl_trunk_registration *g, const char *why, unsigned retry_after_s)
{
	uint8_t random = 0;

	const struct sl_trunk *t = g->q.trunk;

	sl_trunk_request_stop(&g->q);
	/* Routing tells of a change; one that never held is no change, and the operator wants to know why all the same. */
	if (++g->failures == 1 && !g->registered)
		sl_call_event_publish(sl_sip_options(t->all->sip)->events, SL_CE_TRUNK_UNREGISTERED, t->wants.tenant, NULL, NULL, "%s %s",
		        t->wants.name, why);
	g->n_challenges = g->rounds = 0;
	g->answered = false;
	registered(g, false, why);
	int64_t ms = sl_trunk_backoff_ms(g->failures);

	if ((int64_t)retry_after_s * 1000 > ms)
		ms = retry_after_s < EXPIRES_MOST_S ? (int64_t)retry_after_s * 1000 : SL_TRUNK_BACKOFF_MAX_MS;
	if (RAND_bytes(&random, 1) == 1)
		ms += ms / 4 * random / 256;
	sl_log(SL_LOG_WARNING, "trunk %s: registration failed: %s; again in %lld s", t->wants.name, why, (long long)(ms + 999) / 1000);
	sl_trunk_request_in(&g->q, ms);
}

/* ---- sending ---- */

/* The Authorization line for what was challenged last. 0 or negative with words in out. */
static int credentials(struct sl_trunk_registration *g, char *out, size_t len)
{
	const struct sl_trunk_wants *w = &g->q.trunk->wants;
	const char *list[SL_TRUNK_CHALLENGES];
	const char *name = g->proxy ? "Proxy-Authorization: " : "Authorization: ";
	size_t n = strlen(name);

	for (unsigned i = 0; i < g->n_challenges; i++)
		list[i] = g->challenges[i];
	if (len < n + 4)
		return -EINVAL;
	memcpy(out, name, n);
	int rc = sl_digest_answer(list, g->n_challenges, w->username, w->realm, w->ha1_md5, w->ha1_sha256, "REGISTER", w->register_uri,
	        ++g->nonce_count, out + n, len - n - 3);
	if (rc < 0) {
		memmove(out, out + n, strlen(out + n) + 1);
		return rc;
	}
	memcpy(out + strlen(out), "\r\n", 3);
	return 0;
}

static int answered(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip);

static void send_register(struct sl_trunk_registration *g, unsigned expires_s)
{
	const struct sl_trunk_wants *w = &g->q.trunk->wants;
	struct sl_slice host = sl_trunk_host_of(w->register_uri);
	char aor[SL_PROV_URI_MAX + 80], headers[HEADERS_MAX];
	int n = snprintf(headers, sizeof headers, "Expires: %u\r\n", expires_s);

	snprintf(aor, sizeof aor, "<sip:%s@%.*s>", *w->username ? w->username : w->contact_user, (int)host.n, host.p);
	g->answered = g->n_challenges > 0;
	if (g->answered && credentials(g, headers + n, sizeof headers - (size_t)n) < 0) {
		char why[SL_TRUNK_CHALLENGE_MAX];

		snprintf(why, sizeof why, "%s", headers + n);
		failed(g, why, 0);
		return;
	}
	if (sl_trunk_request_send(&g->q, w->register_uri, aor, SIP_METHOD_REGISTER, answered, w->contact_user, headers) < 0)
		failed(g, "REGISTER cannot be sent", 0);
	else
		sl_trunk_request_in(&g->q, ANSWER_MS);
}

static void resolved(void *ctx, int error, const void *result)
{
	struct sl_trunk_registration *g = ctx;

	if (sl_trunk_request_hop(&g->q, error, result) < 0)
		failed(g, error == -ETIMEDOUT ? "the target's name cannot be looked up" : "the target's name leads nowhere", 0);
	else
		send_register(g, g->expires_s);
}

/* By the trunk's targets, as its calls go (carriers' domains need not be in the DNS), another one after each failure. */
static const char *next_hop(const struct sl_trunk_registration *g)
{
	const struct sl_trunk_wants *w = &g->q.trunk->wants;

	return w->n_targets ? w->targets[g->failures % w->n_targets] : w->register_uri;
}

static void timer(struct sl_timer *timer)
{
	struct sl_trunk_registration *g = (struct sl_trunk_registration *)((char *)timer - offsetof(struct sl_trunk_registration, q.timer));

	if (g->q.busy)
		failed(g, "no answer to REGISTER", 0);
	else
		sl_trunk_request_begin(&g->q, next_hop(g), resolved);
}

/* ---- answers ---- */

/* Which of the contacts is ours, and for how long? RFC 3261 10.2.4. */
static unsigned granted(const struct sl_trunk_registration *g, const sip_t *sip)
{
	const char *user = g->q.trunk->wants.contact_user;
	unsigned long s = sip->sip_expires ? sip->sip_expires->ex_delta : g->expires_s;

	for (const sip_contact_t *m = sip->sip_contact; m; m = m->m_next) {
		if (m->m_url->url_user && strcmp(m->m_url->url_user, user) == 0 && m->m_expires)
			s = strtoul(m->m_expires, NULL, 10);
	}
	return s && s < EXPIRES_LEAST_S ? EXPIRES_LEAST_S : s > EXPIRES_MOST_S ? EXPIRES_MOST_S : (unsigned)s;
}

static bool is_stale(const msg_auth_t *list)
{
	for (const msg_auth_t *au = list; au; au = au->au_next) {
		const char *stale = au->au_params ? msg_params_find(au->au_params, "stale=") : NULL;

		if (stale && strncasecmp(stale + (*stale == '"'), "true", 4) == 0)
			return true;
	}
	return false;
}

static void take_challenges(struct sl_trunk_registration *g, const msg_auth_t *list, bool proxy)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };

	su_home_init(home);
	g->n_challenges = g->nonce_count = 0;
	g->proxy = proxy;
	for (const msg_auth_t *au = list; au && g->n_challenges < SL_TRUNK_CHALLENGES; au = au->au_next) {
		const char *text = sip_header_as_string(home, (const sip_header_t *)au);

		if (text && strlen(text) < SL_TRUNK_CHALLENGE_MAX)
			snprintf(g->challenges[g->n_challenges++], SL_TRUNK_CHALLENGE_MAX, "%s", text);
	}
	su_home_deinit(home);
}

/* A challenge is answered once; a second one only when it says that nothing but the nonce was wrong. */
static void challenged(struct sl_trunk_registration *g, const sip_t *sip, int status)
{
	const msg_auth_t *list = status == 407 ? sip->sip_proxy_authenticate : sip->sip_www_authenticate;
	bool again = ++g->rounds > ROUNDS_MAX || (g->answered && !(g->nonce_count > 1 || is_stale(list)));

	sl_trunk_request_stop(&g->q);
	take_challenges(g, list, status == 407);
	if (again || !g->n_challenges || !*g->q.trunk->wants.username) {
		failed(g, again ? "the credentials are refused" : "a challenge that cannot be answered", 0);
		return;
	}
	g->q.busy = true;
	send_register(g, g->expires_s);
}

static int answered(nta_outgoing_magic_t *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct sl_trunk_registration *g = registration_of(magic);
	int status = sip && sip->sip_status ? sip->sip_status->st_status : nta_outgoing_status(orq);
	char why[128];

	if (status < 200)
		return 0;
	if (sip && (status == 401 || status == 407)) {
		challenged(g, sip, status);
	} else if (sip && status == 423 && sip->sip_min_expires && sip->sip_min_expires->me_delta > g->expires_s &&
	           sip->sip_min_expires->me_delta <= EXPIRES_MOST_S && ++g->rounds <= ROUNDS_MAX) {
		g->expires_s = (unsigned)sip->sip_min_expires->me_delta;
		sl_trunk_request_stop(&g->q);
		g->q.busy = true;
		send_register(g, g->expires_s);
	} else if (sip && status < 300 && granted(g, sip)) {
		unsigned s = granted(g, sip);

		sl_trunk_request_stop(&g->q);
		g->failures = g->rounds = 0;
		g->at = g->q.hop.to.ip;
		registered(g, true, "");
		sl_trunk_request_in(&g->q, (int64_t)s * 10 * REFRESH_PERCENT);
	} else {
		snprintf(why, sizeof why, "REGISTER answered %d %.60s", status, sip && sip->sip_status ? sip->sip_status->st_phrase : "Timeout");
		failed(g, why, sip && sip->sip_retry_after ? (unsigned)sip->sip_retry_after->af_delta : 0);
	}
	return 0;
}

/* ---- life ---- */

void sl_trunk_registration_start(struct sl_trunk *t)
{
	struct sl_trunk_registration *g = &t->registration;

	g->q.trunk = t;
	g->q.timer.fn = timer;
	g->expires_s = t->wants.register_expires_s;
	sl_route_trunk_registered(t->all->routing, t->wants.name, false, "not tried yet");
	sl_trunk_request_in(&g->q, 0);
}

/* It is not wanted any more: told once, with the nonce that is known; what the carrier answers is nobody's concern. */
void sl_trunk_registration_withdraw(struct sl_trunk *t)
{
	struct sl_trunk_registration *g = &t->registration;

	if (!g->registered)
		return;
	sl_trunk_request_stop(&g->q);
	send_register(g, 0);
	sl_route_trunk_registered(t->all->routing, t->wants.name, false, "no longer wanted");
}

void sl_trunk_registration_stop(struct sl_trunk *t)
{
	sl_trunk_request_free(&t->registration.q);
}

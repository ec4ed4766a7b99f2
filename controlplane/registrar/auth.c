/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Who is it? Digest as a server: RFC 8760 (SHA-256 and MD5), RFC 7616, qop=auth. */

#include "controlplane/registrar/internal.h"

#include "controlplane/brain.h"
#include "controlplane/guard/warden.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_tag.h>

enum { CHALLENGE_MAX = 768, EVENTS_A_SECOND = 100, NC_DIGITS = 8, TRUSTED_S = 60 };

enum verdict { GOOD, NONE, STALE, WRONG, MALFORMED };

struct check {
	struct sl_registrar *r;
	const sip_t *sip;
	const struct sl_sip_flow *flow;
	const struct sl_prov_domain *domain;
	int64_t now_ms;
	struct sl_digest_params p;
	struct sl_prov_user *user; /* named by the credentials; not necessarily right */
};

const struct sl_conf_sip *sl_reg_conf(const struct sl_registrar *r)
{
	return &r->o.config->sip;
}

/* ---- credentials ---- */

static bool find_credentials(struct check *c, const msg_auth_t *list)
{
	for (const msg_auth_t *au = list; au; au = au->au_next) {
		struct sl_digest_params p = { 0 };
		struct sl_slice name, value;

		if (!au->au_scheme || strcasecmp(au->au_scheme, "Digest") != 0)
			continue;
		for (unsigned i = 0; au->au_params && au->au_params[i]; i++) {
			const char *text = au->au_params[i];

			while (sl_digest_param(&text, &name, &value))
				sl_digest_take(&p, name, value);
		}
		if (sl_digest_is(p.realm, c->domain->name)) {
			c->p = p;
			return true;
		}
	}
	return false;
}

/* RFC 7616 3.4.6: credentials are for one resource. User agents differ in the parameters, so these are left out. */
static bool uri_fits(const struct check *c)
{
	const url_t *url = c->sip->sip_request->rq_url;
	char text[SL_BINDING_URI_MAX];
	url_t said[1];

	if (c->p.uri.n >= sizeof text)
		return false;
	memcpy(text, c->p.uri.p, c->p.uri.n);
	text[c->p.uri.n] = '\0';
	if (url_d(said, text) < 0)
		return false;
	/* A tel URI has no host. */
	bool same_host = said->url_host && url->url_host ? strcasecmp(said->url_host, url->url_host) == 0 : said->url_host == url->url_host;
	bool same_user = said->url_user && url->url_user ? strcmp(said->url_user, url->url_user) == 0 : said->url_user == url->url_user;

	return same_host && same_user;
}

static bool is_complete(const struct check *c)
{
	const struct sl_digest_params *p = &c->p;

	return p->username.p && p->nonce.p && p->uri.p && p->response.p && (!p->qop.p || (p->nc.p && p->nc.n == NC_DIGITS && p->cnonce.p));
}

static uint32_t count_of(struct sl_slice nc)
{
	uint32_t n = 0;

	for (size_t i = 0; i < nc.n; i++) {
		char c = nc.p[i] | 0x20;

		if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
			return 0;
		n = n << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return n;
}

/* A user that is not there costs what one that is costs: the response is computed with keys nobody has. */
static bool response_fits(const struct check *c, enum sl_digest_algorithm a)
{
	static const uint8_t nobody[SL_DIGEST_BYTES_MAX] = { 0x5a };
	char want[SL_DIGEST_HEX], got[SL_DIGEST_HEX] = "";
	const uint8_t *ha1 = !c->user ? nobody : a == SL_DIGEST_SHA256 ? c->user->ha1_sha256 : c->user->ha1_md5;

	if (sl_digest_response(a, ha1, &c->p, c->sip->sip_request->rq_method_name, want) < 0 || c->p.response.n != strlen(want))
		return false;
	for (size_t i = 0; i < c->p.response.n; i++) {
		char x = c->p.response.p[i];

		got[i] = x >= 'A' && x <= 'F' ? (char)(x | 0x20) : x;
	}
	return CRYPTO_memcmp(want, got, c->p.response.n) == 0 && c->user;
}

static uint64_t mix(const struct check *c, uint64_t so_far, const char *text)
{
	uint64_t parts[2] = { so_far, text ? sl_siphash(&c->r->hash_key, text, strlen(text)) : 0 };

	return sl_siphash(&c->r->hash_key, parts, sizeof parts);
}

/* What makes a REGISTER that comes again the same one: all that it could change, since the digest covers none of it. Other methods have a
 * transaction that keeps repeats away from here. */
static uint64_t fingerprint_of(const struct check *c)
{
	const sip_t *sip = c->sip;

	if (sip->sip_request->rq_method != sip_method_register || !sip->sip_call_id || !sip->sip_cseq)
		return 0;
	uint64_t f = mix(c, sip->sip_cseq->cs_seq, sip->sip_call_id->i_id);

	f = mix(c, f ^ (sip->sip_expires ? sip->sip_expires->ex_delta + 1 : 0), sip->sip_to->a_url->url_user);
	for (const sip_contact_t *m = sip->sip_contact; m; m = m->m_next) {
		const url_t *u = m->m_url;

		f = mix(c, mix(c, mix(c, mix(c, f ^ (uint64_t)u->url_type, u->url_user), u->url_host), u->url_port), u->url_params);
		for (const msg_param_t *param = m->m_params; param && *param; param++)
			f = mix(c, f, *param);
	}
	for (const sip_path_t *path = sip->sip_path; path; path = path->r_next)
		f = mix(c, mix(c, f, path->r_url->url_user), path->r_url->url_host);
	return f ? f : 1;
}

static enum verdict check(struct check *c)
{
	const struct sl_prov_domain *d = c->domain;
	enum sl_digest_algorithm a = sl_digest_algorithm_of(c->p.algorithm);

	if (!is_complete(c) || !uri_fits(c))
		return MALFORMED;
	/* Made up, of the process before, of another address, or so old that whoever had it may have gone from there: the source may be
	 * forged, so nothing is counted against it or the user (that would lock them out for whoever sends ten datagrams), and nothing is
	 * said about the password. */
	if (!sl_nonce_check(&c->r->nonces, c->p.nonce, d->name, &c->flow->remote.ip, c->now_ms, (int64_t)d->nonce_s * 1000))
		return STALE;
	if (a == SL_DIGEST_N || !(a == SL_DIGEST_SHA256 ? d->sha256 : d->md5))
		return WRONG;
	if (c->p.qop.p ? !sl_digest_is(c->p.qop, "auth") : !d->rfc2617)
		return WRONG;
	c->user = sl_prov_user(c->r->o.prov, c->p.username.p, c->p.username.n, d->name, strlen(d->name));
	/* The response first: a used nonce with a wrong password is a wrong password. */
	if (!response_fits(c, a))
		return WRONG;
	if (c->p.qop.p && sl_nonce_use(&c->r->nonces, c->p.nonce, count_of(c->p.nc), fingerprint_of(c)) == SL_NONCE_STALE)
		return STALE;
	return c->user->enabled ? GOOD : WRONG;
}

/* ---- answers ---- */

static void challenge(struct check *c, msg_t *msg, bool stale)
{
	bool is_register = c->sip->sip_request->rq_method == sip_method_register;
	const char *name = is_register ? "WWW-Authenticate" : "Proxy-Authenticate";
	const bool offered[SL_DIGEST_N] = { [SL_DIGEST_SHA256] = c->domain->sha256, [SL_DIGEST_MD5] = c->domain->md5 };
	char nonce[SL_NONCE_TEXT], text[CHALLENGE_MAX];
	size_t n = 0;

	sl_nonce_new(&c->r->nonces, c->domain->name, &c->flow->remote.ip, c->now_ms, nonce);
	text[0] = '\0';
	for (unsigned a = 0; a < SL_DIGEST_N; a++) {
		if (offered[a])
			n += (size_t)snprintf(text + n, sizeof text - n, "%s: Digest realm=\"%s\", nonce=\"%s\", algorithm=%s, qop=\"auth\"%s\r\n",
			        name, c->domain->name, nonce, sl_digest_algorithm_name(a), stale ? ", stale=true" : "");
	}
	sl_warden_challenged(c->r->o.warden, c->flow, sl_now_ms());
	c->r->counts.challenges++;
	c->r->counts.stale += stale;
	if (is_register)
		sl_sip_refuse(c->r->sip, msg, c->sip, SIP_401_UNAUTHORIZED, SIPTAG_HEADER_STR(text), TAG_END());
	else
		sl_sip_refuse(c->r->sip, msg, c->sip, SIP_407_PROXY_AUTH_REQUIRED, SIPTAG_HEADER_STR(text), TAG_END());
}

static bool may_publish(struct sl_registrar *r, int64_t now_ms)
{
	if (r->events_second != now_ms / 1000) {
		r->events_second = now_ms / 1000;
		r->events_now = 0;
	}
	return ++r->events_now <= EVENTS_A_SECOND;
}

static void wrong(struct check *c)
{
	struct sl_registrar *r = c->r;
	const struct sl_conf_sip *conf = sl_reg_conf(r);
	const struct sl_lockout_limits limits = { conf->auth_failures, conf->auth_window_s, conf->auth_block_s };
	const char *tenant = c->domain->tenant ? c->domain->tenant->name : "";
	char source[SL_ADDR_TEXT_MAX];
	int len = (int)(c->p.username.n < SL_PROV_NAME_MAX ? c->p.username.n : SL_PROV_NAME_MAX);

	r->counts.failures++;
	sl_endpoint_text(&c->flow->remote, source);
	if (may_publish(r, c->now_ms))
		sl_call_event_publish(r->o.events, SL_CE_AUTH_FAILED, tenant, NULL, NULL, "%.*s@%s from %s", len, c->p.username.p, c->domain->name,
		        source);
	/* Proven: the nonce was given to that address, lately. */
	sl_warden_report_flow(r->o.warden, c->flow, c->user ? SL_GUARD_SAW_AUTH_FAILED : SL_GUARD_SAW_UNKNOWN_USER, true, sl_now_ms());
	if (sl_lockout_failed(&r->lockout, sl_lockout_user(&r->lockout, c->p.username.p, (size_t)len, c->domain->name), &limits, c->now_ms))
		sl_call_event_publish(r->o.events, SL_CE_AUTH_BLOCKED, tenant, NULL, NULL, "user %.*s@%s for %u s", len, c->p.username.p,
		        c->domain->name, limits.block_s);
}

/* A user whose own phone is registered over this flow is let in while somebody else tries his password. One that comes from the address
 * where it is registered, by a new connection or port, is not refused for what others do either; what its own address does counts. */
enum place { ELSEWHERE, HOME, OWN_FLOW };

static enum place place_of(const struct check *c)
{
	struct sl_prov_user *u = sl_prov_user(c->r->o.prov, c->p.username.p, c->p.username.n, c->domain->name, strlen(c->domain->name));
	const struct sl_reg_aor *a = u ? sl_reg_aor_of(c->r, u) : NULL;

	if (u && sl_registrar_flow_is_of(c->r, c->flow, u))
		return OWN_FLOW;
	for (const struct sl_reg_binding *x = a ? a->bindings : NULL; x; x = x->next) {
		if (x->b.expires_unix_ms > c->now_ms && sl_ip_eq(&x->b.flow.remote.ip, &c->flow->remote.ip))
			return HOME;
	}
	return ELSEWHERE;
}

static bool is_blocked(struct check *c, msg_t *msg)
{
	bool answer = true, answer_user = true;
	enum place place = c->p.username.p ? place_of(c) : ELSEWHERE;
	char retry[32];
	/* A first request without credentials, over a flow that somebody is registered by: it is asked for them, ban or not. */
	bool known = place == OWN_FLOW || (!c->p.username.p && sl_warden_knows(c->r->o.warden, c->flow));
	unsigned left = known ? 0 : sl_warden_blocks(c->r->o.warden, &c->flow->remote.ip, sl_now_ms(), &answer);

	if (c->p.username.p && place == ELSEWHERE) {
		size_t len = c->p.username.n < SL_PROV_NAME_MAX ? c->p.username.n : SL_PROV_NAME_MAX;
		unsigned user_left = sl_lockout_blocked(&c->r->lockout, sl_lockout_user(&c->r->lockout, c->p.username.p, len, c->domain->name), c->now_ms, &answer_user);

		left = user_left > left ? user_left : left;
	}
	if (left == 0)
		return false;
	c->r->counts.blocked++;
	if (!answer || !answer_user) {
		msg_destroy(msg);
		return true;
	}
	snprintf(retry, sizeof retry, "%u", left);
	sl_sip_refuse(c->r->sip, msg, c->sip, 403, "Too Many Wrong Passwords", SIPTAG_RETRY_AFTER_STR(retry), TAG_END());
	return true;
}

struct sl_prov_user *sl_reg_authenticate(struct sl_registrar *r, msg_t *msg, const sip_t *sip, const struct sl_sip_flow *flow,
        const struct sl_prov_domain *domain)
{
	struct check c = { .r = r, .sip = sip, .flow = flow, .domain = domain, .now_ms = r->unix_ms() };
	bool found = find_credentials(&c, sip->sip_authorization) || find_credentials(&c, sip->sip_proxy_authorization);

	if (is_blocked(&c, msg))
		return NULL;
	switch (found ? check(&c) : NONE) {
	case GOOD:
		sl_lockout_passed(&r->lockout, sl_lockout_user(&r->lockout, c.user->name, strlen(c.user->name), domain->name));
		return sl_prov_user_ref(c.user);
	case MALFORMED:
		sl_sip_refuse(r->sip, msg, sip, 400, "Bad Credentials", TAG_END());
		break;
	case STALE:
		challenge(&c, msg, true);
		break;
	case WRONG:
		wrong(&c);
		challenge(&c, msg, false);
		break;
	case NONE:
		challenge(&c, msg, false);
		break;
	}
	return NULL;
}

/* The domain whose users may have sent it: by the realm they answer to, by From, by the request-URI. */
static const struct sl_prov_domain *domain_of(const struct sl_registrar *r, const sip_t *sip)
{
	const struct sl_prov_snapshot *s = sl_prov_now(r->o.prov);
	const msg_auth_t *lists[] = { sip->sip_proxy_authorization, sip->sip_authorization };
	const char *hosts[] = { sip->sip_from ? sip->sip_from->a_url->url_host : NULL, sip->sip_request->rq_url->url_host };
	const struct sl_prov_domain *d = NULL;

	for (unsigned i = 0; i < 2 && !d; i++) {
		for (const msg_auth_t *au = lists[i]; au && !d; au = au->au_next) {
			for (unsigned j = 0; au->au_params && au->au_params[j]; j++) {
				const char *text = au->au_params[j];
				struct sl_slice name, value;

				if (sl_digest_param(&text, &name, &value) && sl_digest_is(name, "realm"))
					d = sl_prov_domain(s, value.p, value.n);
			}
		}
	}
	for (unsigned i = 0; i < 2 && !d; i++)
		d = hosts[i] ? sl_prov_domain(s, hosts[i], strlen(hosts[i])) : NULL;
	return d;
}

int sl_registrar_authenticate(struct sl_registrar *r, msg_t *msg, const sip_t *sip, const struct sl_sip_flow *flow, struct sl_prov_user **user)
{
	const struct sl_prov_domain *d = domain_of(r, sip);

	*user = NULL;
	if (!d) {
		sl_sip_refuse(r->sip, msg, sip, 403, "Unknown Domain", TAG_END());
		return -EAGAIN;
	}
	*user = sl_reg_authenticate(r, msg, sip, flow, d);
	if (*user) /* he need not be registered: what he asked for, a call say, comes from there for a while */
		sl_warden_trusts(r->o.warden, flow, TRUSTED_S, sl_now_ms());
	return *user ? 0 : -EAGAIN;
}

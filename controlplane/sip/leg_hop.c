/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Where a leg's messages go, and how they are made: numeric next hops, requests in the dialog, answers, and requests sent again with
 * what the other side wants in them (credentials, a longer session interval). */

#include "controlplane/sip/leg_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "controlplane/media/negotiate.h"
#include "controlplane/registrar/registrar.h"
#include "controlplane/sip/resolve.h"

enum { AUTH_TEXT = 1024, CHALLENGES_MAX = 4, TRIES_MAX = 2, BINDINGS_LOOKED_AT = 8, SIP_PORT = 5060, SIPS_PORT = 5061 };

/* ---- the next hop ---- */

/* The listener to leave by: the same one if it speaks the transport and family, else another of its role; -1 = none. */
static int listener_for(const struct sl_sip *s, unsigned like, uint8_t transport, const struct sl_ip *to)
{
	const struct sl_conf_sip *conf = &sl_sip_options(s)->config->sip;
	const struct sl_conf_sip_listener *mine = sl_sip_listener(s, like);

	for (unsigned i = 0; i <= conf->n_listeners; i++) {
		unsigned at = i == 0 ? like : i - 1;
		const struct sl_conf_sip_listener *l = sl_sip_listener(s, at);

		if (l && mine && l->role == mine->role && l->transport == transport && sl_ip_is_v4(&l->address.ip) == sl_ip_is_v4(to))
			return (int)at;
	}
	return -1;
}

/* Address, port and transport of a SIP URI with a numeric host. -ENOENT: it is a name, or nothing we can send to. */
static int hop_of_url(const struct leg *l, const url_t *url, struct sl_sip_hop *out)
{
	char host[SL_ADDR_TEXT_MAX], transport[8] = "", maddr[SL_ADDR_TEXT_MAX];
	const char *h = url->url_host;
	bool sips = url->url_type == url_sips;
	struct sl_sip_hop hop = { .transport = sips ? SL_SIP_TLS : SL_SIP_UDP };
	size_t n;
	int listener;

	if (url->url_params && url_param(url->url_params, "maddr", maddr, sizeof maddr) > 1)
		h = maddr;
	if (h == NULL || (n = strlen(h)) >= sizeof host)
		return -ENOENT;
	if (h[0] == '[' && n > 2)
		snprintf(host, sizeof host, "%.*s", (int)n - 2, h + 1);
	else
		snprintf(host, sizeof host, "%s", h);
	if (sl_ip_parse(host, &hop.to.ip) < 0)
		return -ENOENT;
	if (!sips && url->url_params && url_param(url->url_params, "transport", transport, sizeof transport) > 1) {
		if (strcasecmp(transport, "tcp") == 0)
			hop.transport = SL_SIP_TCP;
		else if (strcasecmp(transport, "tls") == 0)
			hop.transport = SL_SIP_TLS;
		else if (strcasecmp(transport, "udp") != 0)
			return -ENOENT;
	}
	unsigned long port = url->url_port && *url->url_port ? strtoul(url->url_port, NULL, 10)
	        : hop.transport == SL_SIP_TLS ? SIPS_PORT : SIP_PORT;

	if (port == 0 || port > UINT16_MAX)
		return -ENOENT;
	hop.to.port_be = htons((uint16_t)port);
	if ((listener = listener_for(l->sip, l->hop.listener, hop.transport, &hop.to.ip)) < 0)
		return -ENOENT;
	hop.listener = (uint8_t)listener;
	*out = hop;
	return 0;
}

static void resolved(void *ctx, int error, const void *result)
{
	struct leg *l = ctx;
	const struct sl_resolved *r = result;

	l->resolving = 0;
	if (error == 0 && r && r->n) {
		l->hop = r->hops[0];
		sl_call_changed(l->base.call);
	}
	if (l->ack_resolving) {
		struct sl_slice sdp = { l->sdp, l->ack_has_sdp ? l->sdp_len : 0 };

		l->ack_resolving = false;
		sl_leg_sip_send_ack(l, NULL, sdp);
	}
}

void sl_leg_sip_aim(struct leg *l)
{
	const struct sl_conf_sip_listener *from = sl_sip_listener(l->sip, l->flow.listener);
	const sip_route_t *routes = NULL;
	const sip_contact_t *target = NULL;
	struct sl_sip_hop hop;
	bool known = l->flow.remote.port_be != 0;

	if (l->dialog == NULL)
		return;
	nta_leg_get_route(l->dialog, &routes, &target);
	const url_t *url = routes ? routes->r_url : target ? target->m_url : NULL;

	/* A client may be behind a NAT, and a connection that stands is the way back to whoever made it (RFC 5626, 5923). */
	if (known && (url == NULL || (from && from->role == SL_SIP_ACCESS) ||
	              (l->flow.transport != SL_SIP_UDP && sl_sip_flow_is_open(l->sip, &l->flow)))) {
		sl_sip_hop_back(&l->flow, &l->hop);
		return;
	}
	if (url == NULL)
		return;
	if (hop_of_url(l, url, &hop) == 0) {
		if (known && sl_nego_is_private(&hop.to.ip) && !sl_nego_is_private(&l->flow.remote.ip))
			sl_sip_hop_back(&l->flow, &l->hop);
		else
			l->hop = hop;
		return;
	}
	/* A name: until it is known, the way that the last message came is the best we have. */
	su_home_t home[1] = { SU_HOME_INIT(home) };

	su_home_init(home);
	const struct sl_conf_sip_listener *mine = sl_sip_listener(l->sip, l->hop.listener);
	char *text = url_as_string(home, url);

	if (known)
		sl_sip_hop_back(&l->flow, &l->hop);
	sl_ask_withdraw(sl_sip_options(l->sip)->asks, l->resolving);
	l->resolving = 0;
	if (text) {
		/* It may be answered before it returns: then the number is nobody's any more. */
		l->resolving = UINT64_MAX;
		sl_ask ask = sl_sip_resolve(l->sip, text, mine ? mine->role : SL_SIP_PEERING, resolved, l);

		l->resolving = l->resolving == UINT64_MAX ? ask : 0;
	}
	su_home_deinit(home);
}

/* The client's connection has gone (its own doing, or we were restarted): the newest flow that its user has registered since. */
static bool find_new_flow(struct leg *l)
{
	const struct sl_sip_options *o = sl_sip_options(l->sip);
	const struct sl_binding *bindings[BINDINGS_LOOKED_AT], *best = NULL;
	const sip_contact_t *target = NULL;
	su_home_t home[1] = { SU_HOME_INIT(home) };

	if (o->registrar == NULL || l->dialog == NULL)
		return false;
	su_home_init(home);
	nta_leg_get_route(l->dialog, NULL, &target);
	sip_from_t *remote = sip_from_make(home, l->base.direction == SL_LEG_IN ? l->base.cdr.from : l->base.cdr.to);
	struct sl_prov_user *user = remote ? sl_registrar_user_of(o->registrar, remote->a_url, &best) : NULL;
	unsigned n = user ? sl_registrar_bindings(o->registrar, user, bindings, BINDINGS_LOOKED_AT) : 0;

	best = NULL;
	for (unsigned i = 0; i < n; i++) {
		const struct sl_binding *b = bindings[i];

		if (!sl_sip_flow_is_open(l->sip, &b->flow))
			continue;
		/* The same device by its Contact's user part is better than any newer one. */
		url_t *u = url_hdup(home, (const url_t *)b->contact);
		bool same = u && target && u->url_user && target->m_url->url_user && strcmp(u->url_user, target->m_url->url_user) == 0;

		if (same || best == NULL || (n == 1))
			best = b;
		if (same)
			break;
	}
	if (best) {
		sl_leg_sip_is_at(l, &best->flow);
		sl_sip_hop_back(&l->flow, &l->hop);
		sl_call_changed(l->base.call);
	}
	su_home_deinit(home);
	return best != NULL;
}

int sl_leg_sip_way(struct leg *l, struct leg_way *w)
{
	*w = (struct leg_way){ .home = { SU_HOME_INIT(w->home) } };
	su_home_init(w->home);
	int rc = sl_sip_hop_route(l->sip, w->home, &l->hop, &w->url, &w->tport);

	/* Its connection has gone. A peer is reached at its target by a new one, a client by the flow that it has registered since. */
	if (rc == -ENOTCONN && l->base.state >= SL_LS_UP) {
		sl_leg_sip_aim(l);
		rc = sl_sip_hop_route(l->sip, w->home, &l->hop, &w->url, &w->tport);
		if (rc == -ENOTCONN && find_new_flow(l))
			rc = sl_sip_hop_route(l->sip, w->home, &l->hop, &w->url, &w->tport);
	}
	if (rc < 0) {
		su_home_deinit(w->home);
		return rc;
	}
	w->edge = sl_sip_hop_header(l->sip, w->home, &l->hop);
	return 0;
}

void sl_leg_sip_way_done(struct leg_way *w)
{
	su_home_deinit(w->home);
}

/* ---- requests and answers ---- */

static bool has_contact(sip_method_t method)
{
	return method == sip_method_invite || method == sip_method_update || method == sip_method_refer || method == sip_method_subscribe ||
	       method == sip_method_notify;
}

nta_outgoing_t *sl_leg_sip_send(struct leg *l, nta_leg_t *dialog, nta_response_f *fn, void *magic, sip_method_t method, const char *name,
        tag_type_t tag, tag_value_t value, ...)
{
	const char *agent = sl_leg_sip_user_agent(l);
	const sip_route_t *routes = NULL;
	nta_outgoing_t *orq;
	struct leg_way way;
	ta_list ta;

	if (dialog == NULL || sl_leg_sip_way(l, &way) < 0) {
		sl_sip_leg_counts()->unsent++;
		return NULL;
	}
	if (way.edge) {
		nta_leg_get_route(dialog, &routes, NULL);
		if (routes)
			way.edge->r_next = sip_route_dup(way.home, routes);
	}
	ta_start(ta, tag, value);
	orq = nta_outgoing_tcreate(dialog, fn, magic, (url_string_t *)way.url, method, name, NULL, NTATAG_TPORT(way.tport),
	        TAG_IF(way.edge, SIPTAG_ROUTE(way.edge)), TAG_IF(agent && method != sip_method_ack, SIPTAG_USER_AGENT_STR(agent)),
	        TAG_IF(has_contact(method), SIPTAG_CONTACT_STR(l->contact)), ta_tags(ta));
	(void)ta_end(ta);
	sl_leg_sip_way_done(&way);
	if (orq == NULL)
		sl_sip_leg_counts()->unsent++;
	else
		sl_leg_sip_trace_out(l, nta_outgoing_getrequest(orq));
	return orq;
}

int sl_leg_sip_reply(struct leg *l, nta_incoming_t *irq, int status, const char *reason, tag_type_t tag, tag_value_t value, ...)
{
	const char *agent = sl_leg_sip_user_agent(l);
	ta_list ta;

	ta_start(ta, tag, value);
	int rc = nta_incoming_treply(irq, status, reason, TAG_IF(agent, SIPTAG_SERVER_STR(agent)), ta_tags(ta));

	(void)ta_end(ta);
	sl_leg_sip_trace_out(l, nta_incoming_getresponse(irq));
	return rc < 0 ? -EINVAL : 0;
}

/* A copy of a request of ours, without what each transmission has of its own. */
static msg_t *copy_of(nta_outgoing_t *orq, nta_leg_t *dialog)
{
	msg_t *old = nta_outgoing_getrequest(orq);
	msg_t *msg = old ? msg_copy(old) : NULL;
	sip_t *sip = msg ? sip_object(msg) : NULL;

	msg_destroy(old);
	if (sip == NULL)
		return NULL;
	while (sip->sip_via)
		sip_header_remove(msg, sip, (sip_header_t *)sip->sip_via);
	if (nta_msg_request_complete(msg, dialog, sip->sip_request->rq_method, sip->sip_request->rq_method_name, NULL) < 0) {
		msg_destroy(msg);
		return NULL;
	}
	return msg;
}

static int send_again(struct leg *l, nta_outgoing_t **orq, nta_response_f *fn, void *magic, msg_t *msg)
{
	struct leg_way way;
	nta_outgoing_t *again;

	if (sl_leg_sip_way(l, &way) < 0) {
		msg_destroy(msg);
		return -ENOTCONN;
	}
	again = nta_outgoing_mcreate(sl_sip_agent(l->sip), fn, magic, (url_string_t *)way.url, msg, NTATAG_TPORT(way.tport), TAG_END());
	sl_leg_sip_way_done(&way);
	if (again == NULL) {
		msg_destroy(msg);
		return -EINVAL;
	}
	*orq = again;
	sl_leg_sip_trace_out(l, nta_outgoing_getrequest(again));
	return 0;
}

static const char *parameter(const msg_auth_t *a, const char *name)
{
	size_t n = strlen(name);

	for (unsigned i = 0; a->au_params && a->au_params[i]; i++) {
		if (strncasecmp(a->au_params[i], name, n) == 0 && a->au_params[i][n] == '=')
			return a->au_params[i] + n + 1;
	}
	return NULL;
}

static int answer_challenge(struct leg *l, su_home_t *home, const msg_auth_t *a, const char *method, const char *uri, unsigned tries,
        char out[AUTH_TEXT])
{
	struct leg_credentials *c = l->credentials;
	const char *challenges[CHALLENGES_MAX];
	unsigned n = 0;
	bool stale = false;

	for (; a && n < CHALLENGES_MAX; a = a->au_next) {
		const char *s = parameter(a, "stale");

		if (s && strncasecmp(*s == '"' ? s + 1 : s, "true", 4) == 0)
			stale = true;
		if ((challenges[n] = sip_header_as_string(home, (const sip_header_t *)a)) != NULL)
			n++;
	}
	/* One answer for a challenge; another only for a nonce that had grown old (RFC 8760 2.4: any other 401 means wrong). */
	if (n == 0 || (tries > 0 && !stale) || tries >= TRIES_MAX)
		return -EACCES;
	return sl_digest_answer(challenges, n, c->username, c->realm, c->ha1_md5, c->ha1_sha256, method, uri, ++c->nonce_count, out, AUTH_TEXT);
}

int sl_leg_sip_authorize(struct leg *l, nta_outgoing_t **orq, nta_response_f *fn, void *magic, const sip_t *sip, uint8_t *tries)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	char answer[AUTH_TEXT];
	int rc = -EINVAL;

	if (l->credentials == NULL || l->cancelled || sip == NULL)
		return -EINVAL;
	su_home_init(home);
	bool proxy = sip->sip_status->st_status == 407;
	const msg_auth_t *a = proxy ? sip->sip_proxy_authenticate : sip->sip_www_authenticate;
	const char *uri = url_as_string(home, nta_outgoing_request_uri(*orq));

	if (uri && answer_challenge(l, home, a, nta_outgoing_method_name(*orq), uri, *tries, answer) == 0) {
		msg_t *msg = copy_of(*orq, l->dialog);
		sip_t *again = msg ? sip_object(msg) : NULL;

		if (again) {
			sip_header_t *old = proxy ? (sip_header_t *)again->sip_proxy_authorization : (sip_header_t *)again->sip_authorization;

			if (old)
				sip_header_remove(msg, again, old);
			if (sip_add_make(msg, again, proxy ? sip_proxy_authorization_class : sip_authorization_class, answer) < 0)
				msg_destroy(msg);
			else
				rc = send_again(l, orq, fn, magic, msg);
		}
	}
	explicit_bzero(answer, sizeof answer);
	su_home_deinit(home);
	if (rc == 0) {
		(*tries)++;
		sl_sip_leg_counts()->authorized++;
	} else
		sl_sip_leg_counts()->authorize_failed++;
	return rc;
}

int sl_leg_sip_resend_timer(struct leg *l, nta_outgoing_t **orq, nta_response_f *fn, void *magic)
{
	msg_t *msg = copy_of(*orq, l->dialog);
	sip_t *sip = msg ? sip_object(msg) : NULL;
	char expires[16], min_se[16];

	if (sip == NULL)
		return -ENOMEM;
	snprintf(expires, sizeof expires, "%u", l->expires_s);
	snprintf(min_se, sizeof min_se, "%u", l->min_se_s);
	if (sip->sip_session_expires)
		sip_header_remove(msg, sip, (sip_header_t *)sip->sip_session_expires);
	if (sip->sip_min_se)
		sip_header_remove(msg, sip, (sip_header_t *)sip->sip_min_se);
	if (sip_add_make(msg, sip, sip_session_expires_class, expires) < 0 || sip_add_make(msg, sip, sip_min_se_class, min_se) < 0) {
		msg_destroy(msg);
		return -ENOMEM;
	}
	return send_again(l, orq, fn, magic, msg);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* REGISTER, step by step as RFC 3261 10.3 has it. What a request wants is worked out first, as a list of changes; a list of refreshes alone
 * is made at once, everything else after its commit. */

#include "controlplane/registrar/internal.h"

#include "controlplane/brain.h"
#include "controlplane/guard/warden.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sofia-sip/hostdomain.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/url.h>

enum { CALL_ID_MAX = 128, USER_AGENT_MAX = 64, Q_FULL = 1000, FULL_RETRY_S = 60 };

/* One contact of the request. */
struct wish {
	struct sl_binding b;
	struct sl_reg_binding *now; /* the binding that it changes, NULL = a new one */
	bool remove, refresh;       /* refresh: nothing but times changes */
	char uri[SL_BINDING_URI_MAX], instance[SL_BINDING_INSTANCE_MAX], gruu[SL_BINDING_URI_MAX];
};

struct plan {
	struct sl_registrar *r;
	struct sl_reg_request *q;
	const struct sl_prov_domain *domain;
	struct sl_reg_aor *aor; /* NULL: nothing there yet */
	int64_t now;
	char path[SL_BINDING_PATH_MAX], user_agent[USER_AGENT_MAX], call_id[CALL_ID_MAX];
	unsigned n, n_new;
	struct sl_reg_binding *evicted[SL_REG_CONTACTS_MAX]; /* an older flow of the instance makes room */
	unsigned n_evicted;
	struct wish wishes[SL_REG_CONTACTS_MAX];
};

/* What is wrong with it. */
struct refusal {
	int status;
	const char *phrase;
	char headers[96];
};

static bool refuse(struct refusal *no, int status, const char *phrase)
{
	no->status = status;
	no->phrase = phrase;
	return false;
}

/* ---- texts of the request ---- */

static bool read_path(struct plan *p, struct refusal *no)
{
	size_t n = 0;

	p->path[0] = '\0';
	for (const sip_path_t *path = p->q->sip->sip_path; path; path = path->r_next) {
		char url[SL_BINDING_PATH_MAX];
		int len = url_e(url, sizeof url, path->r_url);

		if (len < 0 || (size_t)len >= sizeof url)
			return refuse(no, 400, "Path Too Long");
		len = snprintf(p->path + n, sizeof p->path - n, "%s<%s>", n ? ", " : "", url);
		for (const msg_param_t *param = path->r_params; len > 0 && (size_t)len < sizeof p->path - n && param && *param; param++) {
			n += (size_t)len;
			len = snprintf(p->path + n, sizeof p->path - n, ";%s", *param);
		}
		if (len < 0 || (size_t)len >= sizeof p->path - n)
			return refuse(no, 400, "Path Too Long");
		n += (size_t)len;
	}
	return true;
}

static bool read_texts(struct plan *p, struct refusal *no)
{
	const sip_t *sip = p->q->sip;

	if (strlen(sip->sip_call_id->i_id) >= CALL_ID_MAX)
		return refuse(no, 400, "Call-ID Too Long");
	snprintf(p->call_id, sizeof p->call_id, "%s", sip->sip_call_id->i_id);
	snprintf(p->user_agent, sizeof p->user_agent, "%s", sip->sip_user_agent ? sip->sip_user_agent->g_string : "");
	return read_path(p, no);
}

/* Without quotes and <>. */
static bool read_instance(const sip_contact_t *m, char out[SL_BINDING_INSTANCE_MAX])
{
	const char *v = msg_params_find(m->m_params, "+sip.instance=");
	size_t n;

	out[0] = '\0';
	if (!v)
		return true;
	n = strlen(v);
	if (n >= 2 && v[0] == '"' && v[n - 1] == '"') {
		v++;
		n -= 2;
	}
	if (n >= 2 && v[0] == '<' && v[n - 1] == '>') {
		v++;
		n -= 2;
	}
	if (n >= SL_BINDING_INSTANCE_MAX || memchr(v, '"', n) || memchr(v, '>', n) || memchr(v, '\\', n))
		return false;
	memcpy(out, v, n);
	out[n] = '\0';
	return true;
}

/* RFC 3261 20.10, 10.3 step 7: the contact's own, the request's, ours. */
static unsigned expires_of(const struct plan *p, const sip_contact_t *m)
{
	const sip_t *sip = p->q->sip;

	if (m && m->m_expires) {
		char *end;
		unsigned long s = strtoul(m->m_expires, &end, 10);

		/* What cannot be read counts as 3600 (RFC 3261 10.3 step 7): our default. */
		if (isdigit((unsigned char)*m->m_expires) && *end == '\0')
			return s > UINT32_MAX ? UINT32_MAX : (unsigned)s;
		return p->domain->default_expires_s;
	}
	if (sip->sip_expires)
		return sip->sip_expires->ex_delta > UINT32_MAX ? UINT32_MAX : (unsigned)sip->sip_expires->ex_delta;
	return p->domain->default_expires_s;
}

/* ---- where the contact is ---- */

static bool numeric_host(const url_t *url, struct sl_ip *ip)
{
	char text[SL_ADDR_TEXT_MAX];
	size_t n = url->url_host ? strlen(url->url_host) : 0;
	const char *host = url->url_host;

	if (n >= 2 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	if (n == 0 || n >= sizeof text)
		return false;
	memcpy(text, host, n);
	text[n] = '\0';
	return sl_ip_parse(text, ip) == 0;
}

/* Is the client behind NAT, so that only the way it came leads back? Its Contact or its Via shows an address that is not the source's. */
static bool is_nat(const struct plan *p, const url_t *url)
{
	const struct sl_sip_flow *f = &p->q->flow;
	const sip_via_t *via = p->q->sip->sip_via;
	struct sl_ip ip;
	size_t n = strlen(url->url_host);

	if (n > 8 && strcasecmp(url->url_host + n - 8, ".invalid") == 0)
		return true;
	if (!numeric_host(url, &ip))
		return via && !via->v_next && via->v_received && f->transport == SL_SIP_UDP;
	if (!sl_ip_eq(&ip, &f->remote.ip))
		return !*p->path;
	if (f->transport != SL_SIP_UDP)
		return false;
	const char *port = url->url_port && *url->url_port ? url->url_port : "5060";
	return htons((uint16_t)atoi(port)) != f->remote.port_be && !*p->path;
}

/* Where requests for a URI go, when that is said by a number: by maddr (RFC 3261 19.1.1) or the host. */
static bool destination(const url_t *url, struct sl_endpoint *to)
{
	char maddr[SL_ADDR_TEXT_MAX];
	url_t at[1] = { *url };
	isize_t n = url->url_params ? url_param(url->url_params, "maddr", maddr, sizeof maddr) : 0;

	if (n > 0 && (size_t)n <= sizeof maddr)
		at->url_host = maddr;
	to->port_be = htons((uint16_t)atoi(url->url_port && *url->url_port ? url->url_port : "5060"));
	return numeric_host(at, &to->ip);
}

/* A contact or a Path that leads to a carrier or back to us would make calls to this user calls there, with our trust (toll fraud). */
static bool is_forbidden(const struct plan *p, const url_t *url)
{
	const struct sl_conf_sip *conf = sl_reg_conf(p->r);
	struct sl_endpoint to;

	if (!destination(url, &to) || sl_ip_eq(&to.ip, &p->q->flow.remote.ip))
		return false;
	for (unsigned i = 0; i < conf->n_listeners; i++) {
		if (sl_endpoint_eq(&conf->listeners[i].address, &to) || sl_endpoint_eq(&conf->listeners[i].advertised, &to))
			return true;
	}
	return sl_prov_trunk_of(sl_prov_now(p->r->o.prov), &to, "") != NULL;
}

/* ---- one contact ---- */

static struct sl_reg_binding *find_binding(const struct plan *p, const struct wish *w, const url_t *url)
{
	for (struct sl_reg_binding *x = p->aor ? p->aor->bindings : NULL; x; x = x->next) {
		char text[SL_BINDING_URI_MAX];
		url_t other[1];

		if (w->b.reg_id) { /* RFC 5626 6: the instance and its number, whatever the address */
			if (x->b.reg_id == w->b.reg_id && strcmp(x->b.instance, w->b.instance) == 0)
				return x;
			continue;
		}
		if (x->b.reg_id)
			continue;
		if (strcmp(x->b.contact, w->b.contact) == 0)
			return x;
		snprintf(text, sizeof text, "%s", x->b.contact);
		if (url_d(other, text) == 0 && url_cmp_all(other, url) == 0) /* RFC 3261 19.1.4 */
			return x;
	}
	return NULL;
}

/* RFC 5626 6, RFC 5627: what the client may have of both depends on what it says it can do. */
static bool read_extensions(struct plan *p, const sip_contact_t *m, struct wish *w, struct refusal *no)
{
	const sip_t *sip = p->q->sip;
	const char *reg_id = msg_params_find(m->m_params, "reg-id=");

	if (!read_instance(m, w->instance))
		return refuse(no, 400, "Bad +sip.instance");
	w->b.instance = w->instance;
	if (reg_id && *w->instance && sip_has_feature(sip->sip_supported, "outbound")) {
		unsigned long n = strtoul(reg_id, NULL, 10);

		if (n == 0 || n > INT32_MAX)
			return refuse(no, 400, "Bad reg-id");
		w->b.reg_id = (uint32_t)n;
		/* Through another proxy: only when that one keeps flows. The last Path is its. */
		const sip_path_t *first_hop = sip->sip_path;
		while (first_hop && first_hop->r_next)
			first_hop = first_hop->r_next;
		if (first_hop && !url_has_param(first_hop->r_url, "ob"))
			return refuse(no, 439, "First Hop Lacks Outbound Support");
	}
	w->b.pub_gruu = "";
	if (*w->instance && sip_has_feature(sip->sip_supported, "gruu")) {
		char uri[SL_BINDING_URI_MAX];
		int n = snprintf(uri, sizeof uri, "sip:%s@%s;gr=%s", p->q->user->name, p->domain->name, w->instance);

		if (n > 0 && (size_t)n < sizeof uri && strpbrk(w->instance, ";?& ") == NULL) {
			memcpy(w->gruu, uri, (size_t)n + 1);
			w->b.pub_gruu = w->gruu;
		}
	}
	return true;
}

/* Is nothing but its times new? */
static bool is_refresh(const struct wish *w)
{
	const struct sl_binding *a = &w->b, *b = &w->now->b;

	return strcmp(a->contact, b->contact) == 0 && strcmp(a->path, b->path) == 0 && strcmp(a->instance, b->instance) == 0 &&
	       strcmp(a->user_agent, b->user_agent) == 0 && strcmp(a->call_id, b->call_id) == 0 && strcmp(a->pub_gruu, b->pub_gruu) == 0 &&
	       a->q == b->q && a->nat == b->nat && a->reg_id == b->reg_id && sl_reg_flow_eq(&a->flow, &b->flow);
}

/* RFC 3261 10.3 step 7: with the same Call-ID only what is newer counts. The very same number is a retransmission: 200 without a change. */
static bool check_order(const struct plan *p, const struct sl_reg_binding *x, bool *again, struct refusal *no)
{
	uint32_t cseq = p->q->sip->sip_cseq->cs_seq;

	if (strcmp(x->b.call_id, p->call_id) != 0)
		return true;
	if (cseq < x->b.cseq)
		return refuse(no, 500, "CSeq Out Of Order");
	*again |= cseq == x->b.cseq;
	return true;
}

static bool read_contact(struct plan *p, const sip_contact_t *m, bool *again, struct refusal *no)
{
	struct wish *w = &p->wishes[p->n];
	const url_t *url = m->m_url;
	unsigned expires = expires_of(p, m);

	memset(w, 0, offsetof(struct wish, uri));
	if ((url->url_type != url_sip && url->url_type != url_sips) || !url->url_host || !*url->url_host)
		return refuse(no, 400, "Contact Is No SIP URI");
	/* Header fields have no place in a request-URI (RFC 3261 19.1.1), and would be the client's in our requests. */
	url_t plain[1] = { *url };
	plain->url_headers = NULL;
	int len = url_e(w->uri, sizeof w->uri, plain);
	if (len < 0 || (size_t)len >= sizeof w->uri)
		return refuse(no, 400, "Contact Too Long");
	w->b = (struct sl_binding){ .contact = w->uri, .path = p->path, .user_agent = p->user_agent, .call_id = p->call_id,
		.flow = p->q->flow, .cseq = p->q->sip->sip_cseq->cs_seq, .q = Q_FULL, .created_unix_ms = p->now, .updated_unix_ms = p->now };
	if (m->m_q)
		w->b.q = (uint16_t)sip_q_value(m->m_q);
	w->remove = expires == 0;
	if (!read_extensions(p, m, w, no))
		return false;
	w->now = find_binding(p, w, plain);
	if (w->now && !check_order(p, w->now, again, no))
		return false;
	for (unsigned i = 0; i < p->n; i++) {
		/* RFC 5626 4.2: one flow in a request. */
		if ((w->now && p->wishes[i].now == w->now) || strcmp(p->wishes[i].uri, w->uri) == 0 || (w->b.reg_id && p->wishes[i].b.reg_id))
			return refuse(no, 400, "Contact Given Twice");
	}
	if (w->remove) {
		p->n += w->now != NULL;
		return true;
	}
	if (expires < p->domain->min_expires_s) {
		snprintf(no->headers, sizeof no->headers, "Min-Expires: %u\r\n", p->domain->min_expires_s);
		return refuse(no, SIP_423_INTERVAL_TOO_BRIEF);
	}
	if (expires > p->domain->max_expires_s)
		expires = p->domain->max_expires_s;
	w->b.expires_unix_ms = p->now + (int64_t)expires * 1000;
	w->b.nat = is_nat(p, url);
	w->refresh = w->now && is_refresh(w);
	if (w->now)
		w->b.created_unix_ms = w->now->b.created_unix_ms;
	if (!w->refresh) {
		bool forbidden = is_forbidden(p, url);

		for (const sip_path_t *path = p->q->sip->sip_path; path; path = path->r_next)
			forbidden = forbidden || is_forbidden(p, path->r_url);
		if (forbidden)
			return refuse(no, 403, "Contact Not Allowed");
	}
	if (w->now == NULL && !sl_warden_has_room(p->r->o.warden, SL_WARDEN_BINDING, &p->q->flow.remote.ip, p->n_new + 1)) {
		snprintf(no->headers, sizeof no->headers, "Retry-After: %u\r\n", FULL_RETRY_S);
		return refuse(no, 503, "Too Many Registrations From Your Address");
	}
	p->n_new += w->now == NULL;
	p->n++;
	return true;
}

/* ---- the whole request ---- */

/* "Contact: *": everything goes. */
static bool read_star(struct plan *p, bool *again, struct refusal *no)
{
	const sip_t *sip = p->q->sip;

	if (sip->sip_contact->m_next || !sip->sip_expires || sip->sip_expires->ex_delta != 0)
		return refuse(no, 400, "Contact * Needs Expires 0 And No Other Contact");
	for (struct sl_reg_binding *x = p->aor ? p->aor->bindings : NULL; x; x = x->next) {
		if (!check_order(p, x, again, no))
			return false;
		if (p->n == SL_REG_CONTACTS_MAX)
			return refuse(no, 500, "Too Many Bindings");
		p->wishes[p->n++] = (struct wish){ .now = x, .remove = true };
	}
	return true;
}

/* Beyond the user's limit an older binding of the same instance makes room (a phone that came back from elsewhere), or it is refused. */
static bool fit_in(struct plan *p, struct refusal *no)
{
	unsigned max = p->q->user->max_contacts ? p->q->user->max_contacts : p->domain->max_contacts;
	unsigned n = (p->aor ? p->aor->n : 0) + p->n_new;

	for (unsigned i = 0; i < p->n; i++)
		n -= p->wishes[i].remove;
	for (unsigned i = 0; i < p->n && n > max; i++) {
		const struct wish *w = &p->wishes[i];

		for (struct sl_reg_binding *x = p->aor ? p->aor->bindings : NULL; x && !w->now && *w->instance; x = x->next) {
			bool kept = x->b.reg_id != 0 && w->b.reg_id != 0;

			for (unsigned j = 0; j < p->n; j++)
				kept |= p->wishes[j].now == x;
			if (kept || strcmp(x->b.instance, w->instance) != 0 || p->n_evicted == SL_REG_CONTACTS_MAX)
				continue;
			p->evicted[p->n_evicted++] = x;
			n--;
			break;
		}
	}
	if (p->n_new && n > max)
		return refuse(no, 403, "Too Many Contacts");
	return true;
}

static bool make_plan(struct plan *p, bool *again, struct refusal *no)
{
	const sip_contact_t *m = p->q->sip->sip_contact;

	if (!read_texts(p, no))
		return false;
	if (m && m->m_url->url_type == url_any)
		return read_star(p, again, no);
	for (; m; m = m->m_next) {
		if (m->m_url->url_type == url_any)
			return refuse(no, 400, "Contact * Stands Alone");
		if (p->n == SL_REG_CONTACTS_MAX)
			return refuse(no, 403, "Too Many Contacts");
		if (!read_contact(p, m, again, no))
			return false;
	}
	return fit_in(p, no);
}

static void refresh(struct sl_registrar *r, const struct plan *p)
{
	int64_t now_ms = sl_now_ms();

	for (unsigned i = 0; i < p->n; i++) {
		struct sl_reg_binding *x = p->wishes[i].now;

		x->b.cseq = p->wishes[i].b.cseq;
		x->b.updated_unix_ms = p->now;
		/* The timer comes when it was set to and finds that there is more time; but never later than it must. */
		bool sooner = p->wishes[i].b.expires_unix_ms < x->b.expires_unix_ms;
		x->b.expires_unix_ms = p->wishes[i].b.expires_unix_ms;
		if (sooner)
			sl_timer_set(r->o.timers, &x->expiry, now_ms + (x->b.expires_unix_ms - p->now));
		sl_reg_binding_dirty(r, x, now_ms);
		sl_reg_binding_trust(r, x);
	}
	r->counts.refreshes++;
}

/* Into the store first. What is a refresh in a request that changes more is written with the rest. */
static void change(struct sl_registrar *r, struct plan *p)
{
	const struct sl_prov_user *u = p->q->user;
	struct sl_reg_aor *a = p->aor ? p->aor : sl_reg_aor(r, u->name, strlen(u->name), u->domain, true);
	struct sl_reg_change *c = a ? sl_reg_change_new(p->n + p->n_evicted) : NULL;
	bool ok = c && r->n_queue < SL_REG_QUEUE_MAX;

	for (unsigned i = 0; i < p->n && ok; i++) {
		const struct wish *w = &p->wishes[i];
		struct sl_reg_op op = { w->remove ? SL_REG_REMOVE : SL_REG_PUT, w->now ? w->now->id : 0, NULL };

		if (!w->remove) {
			/* A new Call-ID ends the temporary GRUUs: their hash covers it. */
			op.fresh = sl_reg_binding_new(r, &w->b, op.id);
			ok = op.fresh != NULL;
			op.id = ok ? op.fresh->id : 0;
		}
		if (ok)
			c->ops[c->n++] = op;
	}
	for (unsigned i = 0; i < p->n_evicted && ok; i++)
		c->ops[c->n++] = (struct sl_reg_op){ SL_REG_REMOVE, p->evicted[i]->id, NULL };
	if (!ok) {
		if (c)
			sl_reg_change_free(c);
		if (a)
			sl_reg_aor_release(r, a);
		sl_reg_answer(r, p->q, 503, "Too Many Registrations At Once", "Retry-After: 5\r\n");
		return;
	}
	sl_reg_request_hold(r, p->q);
	c->request = *p->q;
	*p->q = (struct sl_reg_request){ 0 };
	c->aor = a;
	memcpy(c->user, a->name, strlen(a->name) + 1);
	a->change = c;
	sl_reg_commit(r, c);
}

/* A REGISTER of the user is being committed: this one comes after it, its own retransmission is dropped (the answer is on its way). */
static void wait_behind(struct sl_registrar *r, struct sl_reg_change *c, struct sl_reg_request *q)
{
	const sip_t *first = c->request.sip;
	bool same = strcmp(first->sip_call_id->i_id, q->sip->sip_call_id->i_id) == 0 && first->sip_cseq->cs_seq == q->sip->sip_cseq->cs_seq;
	struct sl_reg_request *copy = same || c->n_waiting == SL_REG_WAITING_MAX ? NULL : malloc(sizeof *copy);

	if (!copy) {
		sl_reg_request_drop(q);
		return;
	}
	sl_reg_request_hold(r, q);
	*copy = *q;
	copy->next = NULL;
	*c->waiting_last = copy;
	c->waiting_last = &copy->next;
	c->n_waiting++;
}

void sl_reg_process(struct sl_registrar *r, struct sl_reg_request *q)
{
	static struct plan p; /* large; the brain has one thread */
	struct refusal no = { 0 };
	bool again = false, refreshes = true;

	p.r = r;
	p.q = q;
	p.domain = sl_prov_domain(sl_prov_now(r->o.prov), q->user->domain, strlen(q->user->domain));
	p.aor = sl_reg_aor_of(r, q->user);
	p.now = r->unix_ms();
	p.n = p.n_new = p.n_evicted = 0;
	if (!p.domain) { /* deleted while it waited */
		sl_reg_answer(r, q, 404, "Unknown Domain", NULL);
		return;
	}
	if (p.aor && p.aor->change) {
		wait_behind(r, p.aor->change, q);
		return;
	}
	if (!make_plan(&p, &again, &no)) {
		sl_reg_answer(r, q, no.status, no.phrase, no.headers[0] ? no.headers : NULL);
		return;
	}
	for (unsigned i = 0; i < p.n; i++)
		refreshes = refreshes && p.wishes[i].refresh;
	if (p.n && !again && !refreshes) {
		change(r, &p);
		return;
	}
	if (p.n && !again)
		refresh(r, &p);
	sl_reg_answer_bindings(r, q);
}

/* ---- after the commit ---- */

static void publish(struct sl_registrar *r, enum sl_call_event_type what, const struct sl_reg_aor *a, const char *contact, const char *why)
{
	sl_call_event_publish(r->o.events, what, sl_reg_tenant(r, a), NULL, NULL, "%s %s%s", a->name, contact, why);
}

static void apply(struct sl_registrar *r, struct sl_reg_aor *a, struct sl_reg_op *op)
{
	struct sl_reg_binding *old = sl_reg_binding_by_id(r, op->id);

	if (op->what == SL_REG_REMOVE) {
		if (!old)
			return;
		publish(r, SL_CE_UNREGISTERED, a, old->b.contact, ": by its owner");
		sl_reg_notify(r, old, SL_REG_EV_UNREGISTERED);
		sl_reg_binding_drop(r, old);
		r->counts.removals++;
		return;
	}
	bool is_new = old == NULL;

	if (sl_reg_binding_put(r, a, op->fresh) < 0) {
		sl_reg_binding_free(op->fresh); /* the store has it; it is found again at the next start */
	} else {
		publish(r, is_new ? SL_CE_REGISTERED : SL_CE_REFRESHED, a, op->fresh->b.contact, "");
		sl_reg_notify(r, op->fresh, is_new ? SL_REG_EV_REGISTERED : SL_REG_EV_REFRESHED);
		r->counts.registrations++;
	}
	op->fresh = NULL;
}

void sl_reg_committed(struct sl_registrar *r, struct sl_reg_change *c, int error)
{
	struct sl_reg_aor *a = c->aor;
	struct sl_reg_request *waiting = c->waiting;

	a->change = NULL;
	for (unsigned i = 0; i < c->n && !error; i++)
		apply(r, a, &c->ops[i]);
	if (error)
		sl_reg_answer(r, &c->request, 500, "Registrations Cannot Be Stored", NULL);
	else
		sl_reg_answer_bindings(r, &c->request);
	sl_reg_aor_release(r, a);
	sl_reg_change_free(c);
	while (waiting) {
		struct sl_reg_request *q = waiting;

		waiting = q->next;
		q->next = NULL;
		sl_reg_process(r, q);
		free(q);
	}
}

/* ---- what comes from the dispatcher ---- */

/* RFC 3261 10.3 step 2. */
static bool unsupported(const sip_t *sip, char *headers, size_t len)
{
	static const char *const known[] = { "path", "gruu", "outbound" };
	size_t n = 0;

	for (const sip_require_t *require = sip->sip_require; require; require = NULL) {
		for (const msg_param_t *t = require->k_items; t && *t; t++) {
			bool ok = false;

			for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
				ok |= strcasecmp(*t, known[i]) == 0;
			if (!ok && n < len)
				n += (size_t)snprintf(headers + n, len - n, "%s%s", n ? ", " : "Unsupported: ", *t);
		}
	}
	return n > 0;
}

/* The request-URI names the domain, or this machine by its address. */
static bool is_for_domain(const sip_t *sip, const struct sl_prov_domain *d)
{
	const url_t *url = sip->sip_request->rq_url;

	return url->url_host && (strcasecmp(url->url_host, d->name) == 0 || host_is_ip_address(url->url_host));
}

void sl_registrar_register(struct sl_registrar *r, msg_t *msg, const sip_t *sip, const struct sl_sip_flow *flow)
{
	const url_t *to = sip->sip_to->a_url;
	const struct sl_prov_domain *d = to->url_host ? sl_prov_domain(sl_prov_now(r->o.prov), to->url_host, strlen(to->url_host)) : NULL;
	struct sl_reg_request q = { .msg = msg, .sip = sip_object(msg), .flow = *flow };
	char headers[256];

	if (!d || !is_for_domain(sip, d)) {
		sl_reg_answer(r, &q, 404, "Unknown Domain", NULL);
		return;
	}
	if (unsupported(sip, headers, sizeof headers)) {
		sl_reg_answer(r, &q, SIP_420_BAD_EXTENSION, headers);
		return;
	}
	q.user = sl_reg_authenticate(r, msg, sip, flow, d);
	if (!q.user)
		return;
	if (!to->url_user || strcmp(to->url_user, q.user->name) != 0) {
		sl_reg_answer(r, &q, 403, "Not Your Address", NULL); /* RFC 3261 10.3 step 4 */
		return;
	}
	sl_reg_process(r, &q);
}

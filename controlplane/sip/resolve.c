/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* RFC 3263 4: which transports a name offers (NAPTR), where (SRV), at which addresses (A, AAAA). A lookup is a small machine that asks one
 * question of the resolver at a time, in the order in which answers are used, and stops when the list is full. */

#include "controlplane/sip/internal.h"
#include "controlplane/sip/resolve_order.h"

#include "controlplane/brain.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sofia-sip/sresolv.h>
#include <sofia-sip/url.h>

enum { URI_MAX = 1024, NAPTR_MAX = 8, SRV_MAX = 16, LOOKUPS_MAX = 4096, NO_TRANSPORT = 255 };

struct sl_resolver {
	struct sl_sip *sip;
	sres_resolver_t *res;
	int conf_fd;  /* our resolv.conf, when nameservers are configured */
	unsigned n;   /* lookups under way */
	struct lookup *first;
};

enum step { ASK_NAPTR, ASK_SRV, ASK_HOST, DONE };

/* Where SRV is to be asked: from NAPTR, or guessed from the transports that we have (RFC 3263 4.1). */
struct service {
	char name[256];
	uint8_t transport;
	uint16_t order, preference;
};

/* What a URI says. */
struct place {
	bool sips;
	uint8_t transport; /* NO_TRANSPORT: not said */
	uint16_t port;     /* 0 = not said */
	char host[256];
};

struct lookup {
	struct sl_resolver *r;
	struct lookup *next, *previous;
	sl_ask ask;
	sl_ask_fn fn;
	void *ctx;
	sres_query_t *query;
	enum step step;
	bool answered, v6;        /* v6: of the host's two questions, the second */
	uint8_t role;
	struct place place;
	unsigned n_services, at_service, n_srv, at_srv;
	struct service services[NAPTR_MAX];
	struct sl_srv srv[SRV_MAX];
	int error;
	struct sl_resolved result;
};

static void ask_next(struct lookup *l);

/* ---- the end of a lookup ---- */

static void unlink_lookup(struct lookup *l)
{
	if (l->previous)
		l->previous->next = l->next;
	else
		l->r->first = l->next;
	if (l->next)
		l->next->previous = l->previous;
	l->r->n--;
}

/* The question was answered, or its time is up: whoever asked hears of it once, by sl_ask. */
static void answered(void *ctx, int error, const void *result)
{
	struct lookup *l = ctx;

	l->answered = true;
	l->fn(l->ctx, error, result ? result : &(struct sl_resolved){0});
}

static void finish(struct lookup *l)
{
	sl_ask ask = l->ask;
	struct sl_asks *asks = l->r->sip->o.asks;

	l->step = DONE;
	unlink_lookup(l);
	sl_ask_answer(asks, ask, l->result.n ? 0 : l->error ? l->error : -ENOENT, &l->result);
	free(l);
}

/* ---- what was found ---- */

/* The first listener of the role that has the transport and the family; any role when there is none. -1: none at all. */
static int listener_for(const struct sl_sip *s, unsigned role, unsigned transport, bool v4)
{
	int other = -1;

	for (unsigned i = 0; i < s->n_listeners; i++) {
		const struct sl_conf_sip_listener *l = &s->listeners[i];

		if (l->transport != transport || sl_ip_is_v4(&l->address.ip) != v4)
			continue;
		if (l->role == role)
			return (int)i;
		if (other < 0)
			other = (int)i;
	}
	return other;
}

static bool have_transport(const struct sl_sip *s, unsigned transport)
{
	for (unsigned i = 0; i < s->n_listeners; i++) {
		if (s->listeners[i].transport == transport)
			return true;
	}
	return false;
}

/* 0, or -EPROTONOSUPPORT: no listener for it. */
static int add_hop(struct sl_resolved *result, const struct sl_sip *s, unsigned role, const struct sl_ip *ip, uint16_t port, unsigned transport,
        const char *name)
{
	struct sl_sip_hop *h = &result->hops[result->n];
	int listener = listener_for(s, role, transport, sl_ip_is_v4(ip));

	if (listener < 0)
		return -EPROTONOSUPPORT;
	if (result->n == SL_RESOLVE_MAX)
		return 0;
	memset(h, 0, sizeof *h);
	h->to.ip = *ip;
	h->to.port_be = htons(port ? port : transport == SL_SIP_TLS ? 5061 : 5060);
	h->transport = (uint8_t)transport;
	h->listener = (uint8_t)listener;
	/* RFC 5922 4: the name that the certificate must have is that of the URI, not of an SRV target. */
	if (transport == SL_SIP_TLS)
		snprintf(h->tls_name, sizeof h->tls_name, "%.127s", name);
	result->n++;
	return 0;
}

/* The transport when neither URI nor DNS says one (RFC 3263 4.1). */
static unsigned usual_transport(const struct sl_sip *s, const struct place *p)
{
	if (p->transport != NO_TRANSPORT)
		return p->transport;
	return p->sips ? SL_SIP_TLS : have_transport(s, SL_SIP_UDP) ? SL_SIP_UDP : SL_SIP_TCP;
}

/* ---- the questions ---- */

static void on_answer(sres_context_t *ctx, sres_query_t *q, sres_record_t **answers);

static void ask(struct lookup *l, uint16_t type, const char *name)
{
	sres_record_t **cached = sres_cached_answers(l->r->res, type, name);

	l->query = NULL;
	if (cached) {
		on_answer((sres_context_t *)l, NULL, cached);
		return;
	}
	l->query = sres_query(l->r->res, on_answer, (sres_context_t *)l, type, name);
	if (l->query == NULL) {
		l->error = -ENOENT; /* no nameserver can be asked */
		on_answer((sres_context_t *)l, NULL, NULL);
	}
}

static int service_transport(const char *service)
{
	return strcasecmp(service, "SIP+D2U") == 0 ? SL_SIP_UDP : strcasecmp(service, "SIP+D2T") == 0 ? SL_SIP_TCP :
	        strcasecmp(service, "SIPS+D2T") == 0 ? SL_SIP_TLS : -1;
}

static void add_service(struct lookup *l, const char *name, unsigned transport, uint16_t order, uint16_t preference)
{
	struct service *v = &l->services[l->n_services];
	unsigned at = l->n_services;

	if (l->n_services == NAPTR_MAX || !have_transport(l->r->sip, transport) || (l->place.sips && transport != SL_SIP_TLS) ||
	        strlen(name) >= sizeof v->name)
		return;
	while (at > 0 && (l->services[at - 1].order > order || (l->services[at - 1].order == order && l->services[at - 1].preference > preference))) {
		l->services[at] = l->services[at - 1];
		at--;
	}
	v = &l->services[at];
	snprintf(v->name, sizeof v->name, "%s", name);
	v->transport = (uint8_t)transport;
	v->order = order;
	v->preference = preference;
	l->n_services++;
}

static void guess_services(struct lookup *l)
{
	static const struct { const char *prefix; uint8_t transport; } all[] = {
		{"_sips._tcp.", SL_SIP_TLS}, {"_sip._udp.", SL_SIP_UDP}, {"_sip._tcp.", SL_SIP_TCP},
	};
	char name[300];

	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
		/* TLS without being told so, neither by NAPTR nor by sips: or transport=, is more than was asked for. */
		if (l->place.transport == NO_TRANSPORT ? all[i].transport == SL_SIP_TLS && !l->place.sips : all[i].transport != l->place.transport)
			continue;
		snprintf(name, sizeof name, "%s%s", all[i].prefix, l->place.host);
		add_service(l, name, all[i].transport, 0, (uint16_t)i);
	}
}

static void take_naptr(struct lookup *l, sres_record_t **answers)
{
	for (; answers && *answers; answers++) {
		const sres_naptr_record_t *na = (*answers)->sr_naptr;
		int transport;

		if ((*answers)->sr_record->r_type != sres_type_naptr || (*answers)->sr_record->r_status != 0 || strcasecmp(na->na_flags, "s") != 0)
			continue;
		transport = service_transport(na->na_services);
		if (transport >= 0)
			add_service(l, na->na_replace, (unsigned)transport, na->na_order, na->na_prefer);
	}
	if (l->n_services == 0)
		guess_services(l);
}

static uint32_t draw(void *ctx, uint32_t below)
{
	struct sl_sip *s = ctx;

	return (uint32_t)(sl_prng_next(&s->prng) % below);
}

static void take_srv(struct lookup *l, sres_record_t **answers)
{
	const struct service *v = &l->services[l->at_service++];
	unsigned begun = l->n_srv;

	for (; answers && *answers && l->n_srv < SRV_MAX; answers++) {
		const sres_srv_record_t *r = (*answers)->sr_srv;
		struct sl_srv *srv = &l->srv[l->n_srv];

		if ((*answers)->sr_record->r_type != sres_type_srv || (*answers)->sr_record->r_status != 0 || strcmp(r->srv_target, ".") == 0 ||
		        strlen(r->srv_target) >= sizeof srv->target)
			continue;
		srv->priority = r->srv_priority;
		srv->weight = r->srv_weight;
		srv->port = r->srv_port;
		srv->transport = v->transport;
		snprintf(srv->target, sizeof srv->target, "%s", r->srv_target);
		l->n_srv++;
	}
	sl_srv_order(l->srv + begun, l->n_srv - begun, draw, l->r->sip);
}

static void found(struct lookup *l, const struct sl_ip *ip, const struct sl_srv *srv)
{
	int err = add_hop(&l->result, l->r->sip, l->role, ip, srv->port, srv->transport, l->place.host);

	if (err)
		l->error = err;
}

static void take_host(struct lookup *l, sres_record_t **answers)
{
	const struct sl_srv *srv = &l->srv[l->at_srv];

	for (; answers && *answers; answers++) {
		const sres_common_t *c = (*answers)->sr_record;
		struct sl_ip ip;

		if (c->r_status != 0)
			continue;
		if (c->r_type == sres_type_a)
			sl_ip_set_v4(&ip, (*answers)->sr_a->a_addr.s_addr);
		else if (c->r_type == sres_type_aaaa)
			sl_ip_set_v6(&ip, (*answers)->sr_aaaa->aaaa_addr.u6_addr);
		else
			continue;
		found(l, &ip, srv);
	}
	if (l->v6)
		l->at_srv++;
	l->v6 = !l->v6;
}

/* No SRV at all: the host itself, by the transport that was said or UDP (RFC 3263 4.1, last). */
static void host_alone(struct lookup *l)
{
	struct sl_srv *srv = &l->srv[0];

	memset(srv, 0, sizeof *srv);
	snprintf(srv->target, sizeof srv->target, "%s", l->place.host);
	srv->port = l->place.port;
	srv->transport = (uint8_t)usual_transport(l->r->sip, &l->place);
	l->n_srv = 1;
}

static void ask_next(struct lookup *l)
{
	if (l->step == ASK_NAPTR) {
		ask(l, sres_type_naptr, l->place.host);
		return;
	}
	if (l->step == ASK_SRV && l->at_service < l->n_services && l->n_srv < SRV_MAX) {
		ask(l, sres_type_srv, l->services[l->at_service].name);
		return;
	}
	if (l->step == ASK_SRV) {
		if (l->n_srv == 0)
			host_alone(l);
		l->step = ASK_HOST;
	}
	if (l->at_srv < l->n_srv && l->result.n < SL_RESOLVE_MAX) {
		struct sl_ip ip;

		if (sl_ip_parse(l->srv[l->at_srv].target, &ip) == 0) { /* an SRV may not, but some do */
			found(l, &ip, &l->srv[l->at_srv]);
			l->at_srv++;
			ask_next(l);
			return;
		}
		ask(l, l->v6 ? sres_type_aaaa : sres_type_a, l->srv[l->at_srv].target);
		return;
	}
	finish(l);
}

static void on_answer(sres_context_t *ctx, sres_query_t *q, sres_record_t **answers)
{
	struct lookup *l = (struct lookup *)ctx;
	struct sl_resolver *r = l->r;

	(void)q;
	l->query = NULL;
	for (sres_record_t **a = answers; a && *a; a++) {
		if ((*a)->sr_record->r_status == SRES_TIMEOUT_ERR)
			l->error = -ETIMEDOUT;
	}
	switch (l->step) {
	case ASK_NAPTR:
		take_naptr(l, answers);
		l->step = ASK_SRV;
		break;
	case ASK_SRV:
		take_srv(l, answers);
		break;
	case ASK_HOST:
		take_host(l, answers);
		break;
	case DONE:
		break;
	}
	if (answers)
		sres_free_answers(r->res, answers);
	/* Withdrawn or timed out meanwhile: the rest is not asked. */
	if (l->answered) {
		l->result.n = 0;
		finish(l);
		return;
	}
	ask_next(l);
}

/* ---- the beginning ---- */

static int transport_of(const url_t *u)
{
	char text[16];

	isize_t n = url_param(u->url_params, "transport", text, sizeof text);

	if (n == 0)
		return NO_TRANSPORT;
	if ((size_t)n > sizeof text)
		return -1; /* and nothing was written */
	return strcasecmp(text, "udp") == 0 ? SL_SIP_UDP : strcasecmp(text, "tcp") == 0 ? SL_SIP_TCP : strcasecmp(text, "tls") == 0 ? SL_SIP_TLS : -1;
}

static int read_host(struct place *p, const url_t *u)
{
	const char *host = u->url_host;
	char maddr[256];
	size_t n = u->url_params ? (size_t)url_param(u->url_params, "maddr", maddr, sizeof maddr) : 0;

	if (n > sizeof maddr)
		return -EINVAL; /* and nothing was written */
	if (n > 0)
		host = maddr;
	n = strlen(host);
	if (n == 0)
		return -EINVAL;
	if (n >= sizeof p->host)
		return -EINVAL;
	if (host[0] == '[' && host[n - 1] == ']') {
		memcpy(p->host, host + 1, n - 2);
		p->host[n - 2] = '\0';
	} else {
		memcpy(p->host, host, n + 1);
	}
	return 0;
}

static int read_uri(struct place *p, const char *uri)
{
	char text[URI_MAX];
	url_t u[1];
	int transport;

	if (strlen(uri) >= sizeof text)
		return -EINVAL;
	memcpy(text, uri, strlen(uri) + 1);
	if (url_d(u, text) < 0 || (u->url_type != url_sip && u->url_type != url_sips) || u->url_host == NULL || u->url_host[0] == '\0')
		return -EINVAL;
	p->sips = u->url_type == url_sips;
	transport = transport_of(u);
	if (transport < 0 || (p->sips && transport == SL_SIP_UDP))
		return -EPROTONOSUPPORT;
	p->transport = p->sips ? SL_SIP_TLS : (uint8_t)transport;
	p->port = 0;
	if (u->url_port && u->url_port[0]) {
		long port = strtol(u->url_port, NULL, 10);

		if (port < 1 || port > 65535)
			return -EINVAL;
		p->port = (uint16_t)port;
	}
	return read_host(p, u);
}

static void begin(struct lookup *l)
{
	if (l->r->n > LOOKUPS_MAX) {
		l->error = -EBUSY;
		finish(l);
		return;
	}
	if (l->place.port) { /* a port: neither NAPTR nor SRV (RFC 3263 4.1, 4.2) */
		host_alone(l);
		l->step = ASK_HOST;
	} else if (l->place.transport != NO_TRANSPORT) {
		guess_services(l);
		l->step = ASK_SRV;
	} else {
		l->step = ASK_NAPTR;
	}
	ask_next(l);
}

static sl_ask look_up(struct sl_sip *s, const struct place *place, unsigned role, sl_ask_fn fn, void *ctx)
{
	struct sl_resolver *r = s->resolver;
	struct lookup *l = calloc(1, sizeof *l);
	sl_ask ask;

	if (l == NULL)
		return 0;
	l->r = r;
	l->fn = fn;
	l->ctx = ctx;
	l->role = (uint8_t)role;
	l->place = *place;
	ask = l->ask = sl_ask_new(s->o.asks, sl_now_ms() + SL_RESOLVE_MS, answered, l);
	if (ask == 0) {
		free(l);
		return 0;
	}
	l->next = r->first;
	if (r->first)
		r->first->previous = l;
	r->first = l;
	r->n++;
	begin(l);
	return ask;
}

sl_ask sl_sip_resolve(struct sl_sip *s, const char *uri, unsigned role, sl_ask_fn fn, void *ctx)
{
	struct sl_resolved result;
	struct place place;
	struct sl_ip ip;
	sl_ask ask;
	int err = read_uri(&place, uri);

	result.n = 0;
	if (err == 0 && sl_ip_parse(place.host, &ip) != 0)
		return look_up(s, &place, role, fn, ctx);
	/* Numeric, or wrong: there is nothing to ask. Most calls come this way. */
	if (err == 0)
		err = add_hop(&result, s, role, &ip, place.port, usual_transport(s, &place), place.host);
	ask = sl_ask_new(s->o.asks, sl_now_ms() + SL_RESOLVE_MS, fn, ctx);
	if (ask)
		sl_ask_answer(s->o.asks, ask, err, &result);
	return ask;
}

/* ---- the resolver ---- */

/* Sofia reads nameservers from a file only: ours is one in memory. */
static int write_conf(const struct sl_conf_sip *c)
{
	int fd = memfd_create("resolv.conf", MFD_CLOEXEC);
	char address[SL_ADDR_TEXT_MAX];

	if (fd < 0)
		return -1;
	for (unsigned i = 0; i < c->n_nameservers; i++)
		dprintf(fd, "nameserver %s\n", sl_ip_text(&c->nameservers[i].ip, address));
	dprintf(fd, "port %u\n", ntohs(c->nameservers[0].port_be));
	return fd;
}

struct sl_resolver *sl_resolver_new(struct sl_sip *s)
{
	struct sl_resolver *r = calloc(1, sizeof *r);
	char path[32];

	if (r == NULL)
		return NULL;
	r->sip = s;
	r->conf_fd = -1;
	if (s->config->sip.n_nameservers) {
		r->conf_fd = write_conf(&s->config->sip);
		if (r->conf_fd < 0)
			goto fail;
		snprintf(path, sizeof path, "/proc/self/fd/%d", r->conf_fd);
	}
	r->res = sres_resolver_create(s->o.root, r->conf_fd >= 0 ? path : NULL, TAG_END());
	if (r->res)
		return r;
fail:
	sl_resolver_free(r);
	return NULL;
}

void sl_resolver_free(struct sl_resolver *r)
{
	if (r == NULL)
		return;
	while (r->first) {
		struct lookup *l = r->first;

		if (l->query)
			sres_query_bind(l->query, NULL, NULL);
		sl_ask_withdraw(r->sip->o.asks, l->ask);
		unlink_lookup(l);
		free(l);
	}
	if (r->res)
		sres_resolver_destroy(r->res);
	if (r->conf_fd >= 0)
		close(r->conf_fd);
	free(r);
}

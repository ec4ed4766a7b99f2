/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Where users are: the location service. */

#include "controlplane/http/api.h"
#include "controlplane/registrar/registrar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DEFAULT_LIMIT = 100, BINDINGS_MAX = 64 };

static json_t *text_of(const char *s)
{
	return sl_api_text(s, strlen(s));
}

static json_t *binding_of(const struct sl_prov_user *u, const struct sl_binding *x)
{
	char name[2 * SL_PROV_NAME_MAX + 4], where[SL_ADDR_TEXT_MAX], flow[SL_ADDR_TEXT_MAX + 8];

	snprintf(name, sizeof name, "%s@%s", u->name, u->domain);
	snprintf(flow, sizeof flow, "%s:%s", sl_sip_transport_name(x->flow.transport), sl_endpoint_text(&x->flow.remote, where));
	json_t *o = json_pack("{s:s, s:s, s:o, s:s, s:f, s:I, s:o, s:b}", "user", name, "tenant", u->tenant, "contact", text_of(x->contact),
	        "received", flow, "q", x->q / 1000.0, "expires_in_s", (json_int_t)(x->expires_unix_ms / 1000 - time(NULL)), "user_agent",
	        text_of(x->user_agent), "nat", x->nat);

	json_object_set_new(o, "created_unix_ms", json_integer(x->created_unix_ms));
	json_object_set_new(o, "updated_unix_ms", json_integer(x->updated_unix_ms));
	json_object_set_new(o, "expires_unix_ms", json_integer(x->expires_unix_ms));
	json_object_set_new(o, "instance", x->instance[0] ? text_of(x->instance) : json_null());
	json_object_set_new(o, "reg_id", x->reg_id ? json_integer(x->reg_id) : json_null());
	json_object_set_new(o, "path", x->path[0] ? text_of(x->path) : json_null());
	json_object_set_new(o, "gruu", x->pub_gruu[0] ? text_of(x->pub_gruu) : json_null());
	return o;
}

/* ---- list ---- */

struct page {
	const char *tenant, *domain;
	size_t limit, offset, n;
	bool counted; /* how many there are is known without looking at each */
	json_t *all;
};

static bool add_binding(void *ctx, const struct sl_prov_user *u, const struct sl_binding *x)
{
	struct page *p = ctx;

	if ((p->tenant[0] && strcmp(p->tenant, u->tenant) != 0) || (p->domain && strcmp(p->domain, u->domain) != 0))
		return true;
	if (p->n >= p->offset && json_array_size(p->all) < p->limit)
		json_array_append_new(p->all, binding_of(u, x));
	p->n++;
	return !p->counted || p->n < p->offset + p->limit;
}

static void list(struct sl_brain *b, struct sl_http_request *r)
{
	struct page p = {.tenant = sl_api_tenant_asked(r), .domain = sl_http_arg(r, "domain")};

	if (!sl_api_page(r, DEFAULT_LIMIT, &p.limit, &p.offset))
		return;
	struct sl_registrar_counts counts;
	sl_registrar_counts(b->registrar, &counts);
	p.counted = !p.tenant[0] && !p.domain;
	p.all = json_array();
	sl_registrar_each(b->registrar, add_binding, &p);
	sl_api_json(r, 200,
	        json_pack("{s:I, s:o}", "total", p.counted ? (json_int_t)counts.bindings : (json_int_t)p.n, "registrations", p.all));
}

/* ---- one user ---- */

static struct sl_prov_user *find(struct sl_brain *b, struct sl_http_request *r, const char *name)
{
	const char *at = strrchr(name, '@');
	struct sl_prov_user *u = at ? sl_prov_user(b->prov, name, (size_t)(at - name), at + 1, strlen(at + 1)) : NULL;

	if (u && sl_api_may_see(r, u->tenant))
		return u;
	sl_api_error(r, 404, "user", "there is no user '%s'%s", name, at ? "" : ": users are named NAME@DOMAIN");
	return NULL;
}

static void show(struct sl_brain *b, struct sl_http_request *r, const struct sl_prov_user *u)
{
	const struct sl_binding *found[BINDINGS_MAX];
	unsigned n = sl_registrar_bindings(b->registrar, u, found, BINDINGS_MAX);
	json_t *all = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(all, binding_of(u, found[i]));
	sl_api_json(r, 200, json_pack("{s:i, s:o}", "total", (int)n, "registrations", all));
}

/* Removed from memory at once; the store is told after. */
struct removal {
	struct sl_http_request *r;
	unsigned n;
	int error;
	bool counted, stored;
};

static void finish(struct removal *x)
{
	if (!x->counted || !x->stored)
		return;
	if (x->n == 0)
		sl_api_error(x->r, 404, "contact", "no such registration");
	else if (x->error)
		sl_api_error(x->r, 503, NULL, "removed, but not stored: it may be back after a restart");
	else
		sl_api_json(x->r, 200, json_pack("{s:s, s:i}", "status", "removed", "removed", (int)x->n));
	free(x);
}

static void stored(void *ctx, int error, const char *text)
{
	struct removal *x = ctx;

	x->error = error;
	x->stored = true;
	finish(x);
}

static bool has_binding(struct sl_brain *b, const struct sl_prov_user *u, const char *contact)
{
	const struct sl_binding *found[BINDINGS_MAX];
	unsigned n = sl_registrar_bindings(b->registrar, u, found, BINDINGS_MAX);

	for (unsigned i = 0; i < n; i++) {
		if (!contact || strcmp(found[i]->contact, contact) == 0)
			return true;
	}
	return false;
}

static void remove_bindings(struct sl_brain *b, struct sl_http_request *r, const struct sl_prov_user *u)
{
	const char *contact = sl_http_arg(r, "contact");
	struct removal *x = has_binding(b, u, contact) ? calloc(1, sizeof *x) : NULL;

	if (!x) {
		sl_api_error(r, 404, contact ? "contact" : "user", "no such registration");
		return;
	}
	x->r = r;
	x->n = sl_registrar_remove(b->registrar, u, contact, "removed by an operator", stored, x);
	x->counted = true;
	finish(x);
}

void sl_api_registrations(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	const char *name = rest ? rest : sl_http_arg(r, "user");
	struct sl_prov_user *u;

	if (!name && r->method == SL_HTTP_GET)
		list(b, r);
	else if (!name || (r->method != SL_HTTP_GET && r->method != SL_HTTP_DELETE))
		sl_api_error(r, 405, NULL, "registrations take GET, those of a user take GET and DELETE");
	else if ((u = find(b, r, name)) && r->method == SL_HTTP_GET)
		show(b, r, u);
	else if (u)
		remove_bindings(b, r, u);
}

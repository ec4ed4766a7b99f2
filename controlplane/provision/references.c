/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Who names whom: what a resource needs must exist and be of its tenant; what others need cannot go. */

#include "controlplane/provision/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int check_tenant(const struct sl_resource_set *s, const char *tenant, struct sl_field_error *e)
{
	return sl_set_find(s, SL_PROV_TENANT, tenant) ? 0 : sl_field_fail(e, "tenant", "there is no tenant \"%s\"", tenant);
}

static int check_user(const struct sl_resource_set *s, const struct sl_prov_users *users, struct sl_resource *r, struct sl_field_error *e)
{
	struct sl_prov_user *u = sl_resource_user(r);
	const struct sl_resource *domain = sl_set_find(s, SL_PROV_DOMAIN, u->domain);
	char field[24];

	if (!domain)
		return sl_field_fail(e, "domain", "there is no domain \"%s\"", u->domain);
	if (u->tenant[0] && strcmp(u->tenant, sl_resource_tenant(domain)) != 0) /* it is in force: tables know it by its tenant */
		return sl_field_fail(e, "domain", "\"%s\" cannot go from tenant \"%s\" to \"%s\" while it has users", u->domain, u->tenant,
		        sl_resource_tenant(domain));
	snprintf(u->tenant, sizeof u->tenant, "%s", sl_resource_tenant(domain));
	for (unsigned i = 0; i < u->n_numbers; i++) {
		const struct sl_prov_user *other = sl_prov_users_number(users, u->tenant, u->numbers[i]);

		if (other && (strcmp(other->name, u->name) != 0 || strcmp(other->domain, u->domain) != 0)) {
			snprintf(field, sizeof field, "numbers[%u]", i);
			return sl_field_fail(e, field, "%s is the number of users \"%s@%s\"", u->numbers[i], other->name, other->domain);
		}
	}
	return 0;
}

static int check_listener(const struct sl_config *c, const char *name, struct sl_field_error *e)
{
	if (!name[0])
		return 0;
	for (unsigned i = 0; i < c->sip.n_listeners; i++) {
		if (strcmp(c->sip.listeners[i].name, name) == 0)
			return 0;
	}
	return sl_field_fail(e, "listener", "the configuration's group sip has no listener \"%s\"", name);
}

/* A source or TLS identity tells one trunk. */
static int check_sources(const struct sl_resource_set *s, const struct sl_resource *r, struct sl_field_error *e)
{
	const struct sl_prov_trunk *t = &((const struct sl_res_trunk *)r->raw)->t;
	const struct sl_resource_list *l = &s->kinds[SL_PROV_TRUNK];
	char field[24], text[SL_ADDR_TEXT_MAX];

	for (size_t i = 0; i < l->n; i++) {
		const struct sl_prov_trunk *o = &((const struct sl_res_trunk *)l->v[i]->raw)->t;

		if (strcmp(o->name, t->name) == 0)
			continue;
		if (t->tls_identity[0] && strcmp(o->tls_identity, t->tls_identity) == 0)
			return sl_field_fail(e, "tls_identity", "\"%s\" is that of trunks \"%s\"", t->tls_identity, o->name);
		for (unsigned j = 0; j < t->n_sources; j++) {
			for (unsigned k = 0; k < o->n_sources; k++) {
				if (t->sources[j].len != o->sources[k].len || !sl_ip_eq(&t->sources[j].ip, &o->sources[k].ip))
					continue;
				snprintf(field, sizeof field, "sources[%u]", j);
				return sl_field_fail(e, field, "%s is a source of trunks \"%s\"", sl_prefix_text(&t->sources[j], text), o->name);
			}
		}
	}
	return 0;
}

static int check_trunk(const struct sl_resource_set *s, const struct sl_config *c, const struct sl_resource *r, struct sl_field_error *e)
{
	const struct sl_res_trunk *t = r->raw;

	if (check_tenant(s, t->tenant, e) < 0 || check_listener(c, t->t.listener, e) < 0)
		return -EINVAL;
	if (t->t.default_domain[0]) {
		const struct sl_resource *d = sl_set_find(s, SL_PROV_DOMAIN, t->t.default_domain);

		if (!d || strcmp(sl_resource_tenant(d), t->tenant) != 0)
			return sl_field_fail(e, "default_domain", "tenant \"%s\" has no domain \"%s\"", t->tenant, t->t.default_domain);
	}
	return check_sources(s, r, e);
}

static int check_route(const struct sl_resource_set *s, const struct sl_resource *r, struct sl_field_error *e)
{
	const struct sl_res_route *route = r->raw;
	const struct sl_resource *found;
	char field[24];

	if (check_tenant(s, route->tenant, e) < 0)
		return -EINVAL;
	for (unsigned i = 0; i < route->n_trunks; i++) {
		found = sl_set_find(s, SL_PROV_TRUNK, route->trunks[i]);
		snprintf(field, sizeof field, "trunks[%u]", i);
		if (!found || strcmp(sl_resource_tenant(found), route->tenant) != 0)
			return sl_field_fail(e, field, "tenant \"%s\" has no trunk \"%s\"", route->tenant, route->trunks[i]);
		if (((const struct sl_res_trunk *)found->raw)->t.n_targets == 0)
			return sl_field_fail(e, field, "trunks \"%s\" has no targets: calls only come from it", route->trunks[i]);
	}
	if (route->r.source == SL_SRC_TRUNK || route->r.source == SL_SRC_USER) {
		found = sl_set_find(s, route->r.source == SL_SRC_TRUNK ? SL_PROV_TRUNK : SL_PROV_USER, route->r.source_name);
		if (!found || strcmp(sl_resource_tenant(found), route->tenant) != 0)
			return sl_field_fail(e, "source", "tenant \"%s\" has no %s \"%s\"", route->tenant,
			        route->r.source == SL_SRC_TRUNK ? "trunk" : "user", route->r.source_name);
	}
	return 0;
}

int sl_references_check(const struct sl_resource_set *s, const struct sl_prov_users *users, const struct sl_config *config,
        struct sl_resource *r, struct sl_field_error *e)
{
	e->line = r->line;
	switch (r->kind) {
	case SL_PROV_DOMAIN:
		return check_tenant(s, sl_resource_tenant(r), e);
	case SL_PROV_USER:
		return check_user(s, users, r, e);
	case SL_PROV_TRUNK:
		return check_trunk(s, config, r, e);
	case SL_PROV_ROUTE:
		return check_route(s, r, e);
	case SL_PROV_TOKEN:
		return sl_resource_tenant(r)[0] ? check_tenant(s, sl_resource_tenant(r), e) : 0;
	default:
		return 0;
	}
}

/* ---- the other way ---- */

static bool names(const struct sl_resource *who, const struct sl_resource *r)
{
	const struct sl_res_route *route = who->raw;

	if (r->kind == SL_PROV_TENANT) /* users are their domain's */
		return who->kind != SL_PROV_TENANT && who->kind != SL_PROV_USER && strcmp(sl_resource_tenant(who), r->name) == 0;
	if (r->kind == SL_PROV_DOMAIN && who->kind == SL_PROV_USER)
		return strcmp(sl_resource_user(who)->domain, r->name) == 0;
	if (r->kind == SL_PROV_DOMAIN && who->kind == SL_PROV_TRUNK)
		return strcmp(((const struct sl_res_trunk *)who->raw)->t.default_domain, r->name) == 0;
	if (who->kind != SL_PROV_ROUTE)
		return false;
	if (r->kind == SL_PROV_USER)
		return route->r.source == SL_SRC_USER && strcmp(route->r.source_name, r->name) == 0;
	if (r->kind != SL_PROV_TRUNK)
		return false;
	for (unsigned i = 0; i < route->n_trunks; i++) {
		if (strcmp(route->trunks[i], r->name) == 0)
			return true;
	}
	return route->r.source == SL_SRC_TRUNK && strcmp(route->r.source_name, r->name) == 0;
}

const struct sl_resource *sl_references_of(const struct sl_resource_set *s, const struct sl_resource *r)
{
	for (unsigned k = 0; k < SL_PROV_N_KINDS; k++) {
		/* Of the many users only a domain can be named. */
		if (k == SL_PROV_USER && r->kind != SL_PROV_DOMAIN)
			continue;
		for (size_t i = 0; i < s->kinds[k].n; i++) {
			if (names(s->kinds[k].v[i], r))
				return s->kinds[k].v[i];
		}
	}
	return NULL;
}

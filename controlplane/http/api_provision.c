/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */

/* Tenants, domains, users, trunks, routes, tokens; all of them as one object. What they are is the provisioning's; here is who may. */

#include "controlplane/http/api.h"
#include "controlplane/provision/provision.h"
#include "controlplane/routing/routing.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LIMIT = 100 };

static const char *const kinds[] = {
#define X(name, text) text,
        SL_PROV_KINDS(X)
#undef X
};

/* A change under way. */
struct change {
	struct sl_http_request *r;
	bool deletion;
};

/* ---- whose is it? ---- */

static const char *text_member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static const char *tenant_of_user(const struct sl_brain *b, const char *name)
{
	const char *at = strrchr(name, '@');
	const struct sl_prov_domain *d = at ? sl_prov_domain(sl_prov_now(b->prov), at + 1, strlen(at + 1)) : NULL;

	return d && d->tenant ? d->tenant->name : "";
}

/* o: the resource, as it is or as it shall be. */
static const char *tenant_of(const struct sl_brain *b, enum sl_prov_kind kind, const char *name, const json_t *o)
{
	switch (kind) {
	case SL_PROV_TENANT:
		return name;
	case SL_PROV_USER:
		return tenant_of_user(b, name);
	default:
		return text_member(o, "tenant");
	}
}

/* ---- looking ---- */

static void set_etag(struct sl_http_request *r, const char *etag)
{
	snprintf(r->etag, sizeof r->etag, "%s", etag);
}

static json_t *trunk_state(const struct sl_brain *b, const char *name)
{
	const struct sl_prov_trunk *t = sl_prov_trunk(sl_prov_now(b->prov), name);
	struct sl_route_trunk_view v;
	json_t *targets = json_array();

	if (!t || !b->routing)
		return targets;
	for (unsigned i = 0; i < t->n_targets; i++)
		json_array_append_new(targets,
		        json_pack("{s:s, s:b}", "uri", t->targets[i].uri, "up", sl_route_target_is_up(b->routing, name, i)));
	sl_route_trunk_view(b->routing, name, &v);
	return json_pack("{s:o, s:i, s:i, s:I, s:I, s:o}", "targets", targets, "concurrent", (int)v.concurrent, "cps", (int)v.cps, "calls",
	        (json_int_t)v.calls, "failed", (json_int_t)v.failed, "registered", v.registers ? json_boolean(v.registered) : json_null());
}

/* What trunks do at the moment goes with them. */
static json_t *with_state(const struct sl_brain *b, enum sl_prov_kind kind, json_t *o)
{
	if (kind != SL_PROV_TRUNK)
		return o;
	json_t *shown = json_copy(o);
	json_object_set_new(shown, "state", trunk_state(b, text_member(o, "name")));
	json_decref(o);
	return shown;
}

static void list(struct sl_brain *b, struct sl_http_request *r, enum sl_prov_kind kind)
{
	const char *tenant = sl_api_tenant_asked(r);
	size_t limit, offset, total = 0, i;
	json_t *o;

	if (!sl_api_page(r, DEFAULT_LIMIT, &limit, &offset))
		return;
	json_t *all = sl_prov_list(b->prov, kind, tenant[0] ? tenant : NULL, offset, limit, &total);
	if (kind == SL_PROV_TRUNK) {
		json_array_foreach(all, i, o)
			json_array_set_new(all, i, with_state(b, kind, json_incref(o)));
	}
	sl_api_json(r, 200, json_pack("{s:I, s:o}", "total", (json_int_t)total, kinds[kind], all ? all : json_array()));
}

static void not_found(struct sl_http_request *r, enum sl_prov_kind kind, const char *name)
{
	sl_api_error(r, 404, NULL, "%s: there is no '%s'", kinds[kind], name);
}

static void show(struct sl_brain *b, struct sl_http_request *r, enum sl_prov_kind kind, const char *name)
{
	char etag[24] = "";
	json_t *o = sl_prov_get(b->prov, kind, name, etag);

	if (!o || !sl_api_may_see(r, tenant_of(b, kind, name, o))) {
		json_decref(o);
		not_found(r, kind, name);
		return;
	}
	set_etag(r, etag);
	sl_api_json(r, 200, with_state(b, kind, o));
}

/* ---- changing ---- */

static void changed(void *ctx, const struct sl_prov_result *result)
{
	struct change *c = ctx;
	struct sl_http_request *r = c->r;

	if (result->status >= 300) {
		sl_api_error(r, result->status, result->field[0] ? result->field : NULL, "%s", result->text);
	} else if (c->deletion) {
		sl_api_json(r, 200, json_pack("{s:s}", "status", "deleted"));
	} else {
		set_etag(r, result->etag);
		sl_api_json(r, result->status, result->body ? json_incref(result->body) : json_pack("{s:s}", "status", "stored"));
	}
	free(c);
}

static struct change *change_new(struct sl_http_request *r, bool deletion)
{
	struct change *c = malloc(sizeof *c);

	if (c)
		*c = (struct change){r, deletion};
	else
		sl_api_error(r, 500, NULL, "no memory");
	return c;
}

static json_t *read_body(struct sl_http_request *r)
{
	json_error_t error;
	json_t *body = json_loadb(r->body ? r->body : "", r->body_len, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(body))
		return body;
	if (body)
		sl_api_error(r, 400, NULL, "the body must be a JSON object");
	else
		sl_api_error(r, 400, NULL, "the body must be a JSON object: line %d: %s", error.line, error.text);
	json_decref(body);
	return NULL;
}

/* A tenant's account changes its tenant's things alone. False: answered. */
static bool may_change(struct sl_brain *b, struct sl_http_request *r, enum sl_prov_kind kind, const char *name, const json_t *body)
{
	if (!r->tenant[0])
		return true;
	json_t *old = sl_prov_get(b->prov, kind, name, (char[24]){0});
	bool others = old && !sl_api_may_see(r, tenant_of(b, kind, name, old));
	bool none = !old && !body;
	json_decref(old);
	if (others || none)
		not_found(r, kind, name);
	else if (kind == SL_PROV_TENANT)
		sl_api_error(r, 403, NULL, "a tenant's limits are not its own to change");
	else if (body && !sl_api_may_see(r, tenant_of(b, kind, name, body)))
		sl_api_error(r, 403, kind == SL_PROV_USER ? "domain" : "tenant", "this token is of tenant '%s'", r->tenant);
	else
		return true;
	return false;
}

static const char *if_match(const struct sl_http_request *r)
{
	return r->if_match[0] ? r->if_match : NULL;
}

static void put(struct sl_brain *b, struct sl_http_request *r, enum sl_prov_kind kind, const char *name)
{
	json_t *body = read_body(r);
	struct change *c;

	if (!body)
		return;
	json_object_del(body, "state"); /* as shown of trunks: what was read can be written */
	if (may_change(b, r, kind, name, body) && (c = change_new(r, false)))
		sl_prov_put(b->prov, kind, name, body, if_match(r), r->tenant, changed, c);
	json_decref(body);
}

static void delete (struct sl_brain *b, struct sl_http_request *r, enum sl_prov_kind kind, const char *name)
{
	struct change *c;

	if (may_change(b, r, kind, name, NULL) && (c = change_new(r, true)))
		sl_prov_delete(b->prov, kind, name, if_match(r), r->tenant, changed, c);
}

void sl_api_provision(struct sl_brain *b, struct sl_http_request *r, const char *name)
{
	const char *word = r->path + strlen("/v1/");
	unsigned kind = 0;

	/* The path is one of the kinds: api.c's table has no other. */
	while (kind + 1 < SL_PROV_N_KINDS && strncmp(word, kinds[kind], strlen(kinds[kind])) != 0)
		kind++;
	if (kind == SL_PROV_ROUTE && name && strcmp(name, "test") == 0 && r->method == SL_HTTP_GET && sl_http_arg(r, "to"))
		sl_api_route_test(b, r);
	else if (r->method == SL_HTTP_GET && !name)
		list(b, r, kind);
	else if (r->method == SL_HTTP_GET)
		show(b, r, kind, name);
	else if (r->method == SL_HTTP_PUT && name)
		put(b, r, kind, name);
	else if (r->method == SL_HTTP_DELETE && name)
		delete (b, r, kind, name);
	else
		sl_api_error(r, 405, NULL, "/v1/%s takes GET; /v1/%s/NAME takes GET, PUT and DELETE", kinds[kind], kinds[kind]);
}

/* ---- everything ---- */

static void exported(void *ctx, int error, char *text, size_t len)
{
	struct sl_http_request *r = ctx;

	if (error)
		sl_api_error(r, 500, NULL, "the database cannot be read: %s", strerror(-error));
	else
		sl_http_answer(r, 200, "application/json", text, len);
	sl_prov_text_free(text, len);
}

void sl_api_config(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	struct change *c;

	if (rest) {
		sl_api_error(r, 404, NULL, "nothing here: %s", r->path);
	} else if (r->method == SL_HTTP_GET) {
		sl_prov_export_text(b->prov, exported, r);
	} else if (r->method == SL_HTTP_PUT) {
		if ((c = change_new(r, false)))
			sl_prov_import_text(b->prov, r->body ? r->body : "", r->body_len, changed, c);
	} else {
		sl_api_error(r, 405, NULL, "/v1/config takes GET and PUT");
	}
}

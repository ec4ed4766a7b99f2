/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/api.h"

#include "controlplane/provision/provision.h"
#include "controlplane/report/json_text.h"
#include "controlplane/turn/desk.h"
#include "controlplane/turn/source.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_MAX = 10000 };

/* ---- answers ---- */

void sl_api_json(struct sl_http_request *r, int status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_INDENT(2) | JSON_PRESERVE_ORDER) : NULL;

	json_decref(body);
	if (!text) {
		sl_http_answer(r, 500, "application/json", "{\"error\": \"no memory\"}\n", 23);
		return;
	}
	sl_http_answer(r, status, "application/json", text, strlen(text));
	free(text);
}

void sl_api_error(struct sl_http_request *r, int status, const char *field, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	json_t *body = json_pack("{s:o}", "error", sl_api_text(text, strlen(text)));
	if (field)
		json_object_set_new(body, "field", json_string(field));
	sl_api_json(r, status, body);
}

json_t *sl_api_text(const char *s, size_t len)
{
	return sl_json_text(s, len);
}

bool sl_api_number(struct sl_http_request *r, const char *name, size_t min, size_t max, size_t *value)
{
	const char *text = sl_http_arg(r, name);
	char *end;

	if (!text)
		return true;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || n < min || n > max) {
		sl_api_error(r, 400, name, "'%s' is not a number from %zu to %zu", text, min, max);
		return false;
	}
	*value = (size_t)n;
	return true;
}

bool sl_api_page(struct sl_http_request *r, size_t fallback, size_t *limit, size_t *offset)
{
	*limit = fallback;
	*offset = 0;
	return sl_api_number(r, "limit", 1, PAGE_MAX, limit) && sl_api_number(r, "offset", 0, UINT32_MAX, offset);
}

/* ---- small handlers ---- */

static void healthz(struct sl_brain *b, struct sl_http_request *r)
{
	const char *trouble = sl_dp_trouble(b->dp, sl_now_ms());
	/* It serves all the same: by what was in force, or read, before. */
	const char *warning = sl_desk_trouble(b->desk) ? sl_desk_trouble(b->desk) : sl_sources_trouble(b->sources);

	if (trouble)
		sl_api_json(r, 503,
		        json_pack("{s:s, s:o}", "status", "unavailable", "reason",
		                sl_api_text(trouble, strlen(trouble))));
	else if (sl_dp_standby(b->dp)) /* well, and ready to take over */
		sl_api_json(r, 200, json_pack("{s:s, s:s}", "status", "standby", "reason", sl_dp_standby(b->dp)));
	else if (warning)
		sl_api_json(r, 200, json_pack("{s:s, s:o}", "status", "ok", "warning", sl_api_text(warning, strlen(warning))));
	else
		sl_api_json(r, 200, json_pack("{s:s}", "status", "ok"));
}

static void reloaded(void *ctx, int error, const char *text)
{
	struct sl_http_request *r = ctx;

	if (error == 0)
		sl_api_json(r, 200, json_pack("{s:s}", "status", "reloaded"));
	else
		sl_api_error(r, error == -EBUSY || error == -ETIMEDOUT ? 503 : error == -EINVAL ? 409 : 500, NULL, "%s", text);
}

static void reload(struct sl_brain *b, struct sl_http_request *r)
{
	sl_brain_reload(b, reloaded, r);
}

/* ---- routes ---- */

/* Exactly one of the two handlers. What is of the whole node is not for accounts of one tenant. */
struct route {
	const char *path;
	void (*plain)(struct sl_brain *b, struct sl_http_request *r);                   /* this path and method only */
	enum sl_http_method method;                                                     /* plain's */
	void (*handle)(struct sl_brain *b, struct sl_http_request *r, const char *rest); /* and those below it: rest of the path, or NULL */
	uint32_t to_look, to_change;                                                    /* enum sl_prov_scope wanted; 0 = any account */
	bool of_tenants;
	bool of_sip;                                                                    /* nothing there without a group sip */
};

#define PLAIN(method) method, NULL
#define BELOW NULL, SL_HTTP_OTHER

static const struct route routes[] = {
        {"/healthz", healthz, PLAIN(SL_HTTP_GET), 0, 0, true, false},
        {"/metrics", sl_api_metrics, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_ADMIN, false, false},
        {"/v1/status", sl_api_status, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_ADMIN, false, false},
        {"/v1/ports", sl_api_ports, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_ADMIN, false, false},
        {"/v1/workers", sl_api_workers, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_ADMIN, false, false},
        {"/v1/counters", sl_api_counters, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_ADMIN, false, false},
        {"/v1/allocations", BELOW, sl_api_allocations, SL_SCOPE_READ, SL_SCOPE_ADMIN, false, false},
        {"/v1/turn/users", BELOW, sl_api_users, SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/realms", sl_api_turn_realms, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/load", sl_api_turn_load, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/alternates", sl_api_turn_alternates, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/drain", BELOW, sl_api_turn_drain, SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/peers", BELOW, sl_api_turn_peers, SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/restricted", BELOW, sl_api_turn_restricted, SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/credentials", BELOW, sl_api_turn_credentials, SL_SCOPE_TURN, SL_SCOPE_TURN, false, false},
        {"/v1/turn/records", sl_api_turn_records, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/usage", sl_api_turn_usage, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/accounting", sl_api_turn_accounting, PLAIN(SL_HTTP_GET), SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/turn/sources", BELOW, sl_api_turn_sources, SL_SCOPE_READ, SL_SCOPE_TURN, false, false},
        {"/v1/sessions", BELOW, sl_api_sessions, SL_SCOPE_READ, SL_SCOPE_ADMIN, false, false},
        {"/v1/guard", BELOW, sl_api_guard, SL_SCOPE_READ, SL_SCOPE_GUARD, false, false},
        {"/v1/reload", reload, PLAIN(SL_HTTP_POST), SL_SCOPE_ADMIN, SL_SCOPE_ADMIN, false, false},
        {"/v1/tenants", BELOW, sl_api_provision, SL_SCOPE_READ, SL_SCOPE_PROVISION, true, true},
        {"/v1/domains", BELOW, sl_api_provision, SL_SCOPE_READ, SL_SCOPE_PROVISION, true, true},
        {"/v1/users", BELOW, sl_api_provision, SL_SCOPE_READ, SL_SCOPE_PROVISION, true, true},
        {"/v1/trunks", BELOW, sl_api_provision, SL_SCOPE_READ, SL_SCOPE_PROVISION, true, true},
        {"/v1/routes", BELOW, sl_api_provision, SL_SCOPE_READ, SL_SCOPE_PROVISION, true, true},
        {"/v1/tokens", BELOW, sl_api_provision, SL_SCOPE_ADMIN, SL_SCOPE_ADMIN, true, true},
        {"/v1/config", BELOW, sl_api_config, SL_SCOPE_ADMIN, SL_SCOPE_ADMIN, false, true},
        {"/v1/calls", BELOW, sl_api_calls, SL_SCOPE_READ, SL_SCOPE_CALLS, true, true},
        {"/v1/registrations", BELOW, sl_api_registrations, SL_SCOPE_READ, SL_SCOPE_CALLS, true, true},
        {"/v1/cdrs", BELOW, sl_api_cdrs, SL_SCOPE_READ, SL_SCOPE_ADMIN, true, true},
        {"/v1/events", BELOW, sl_api_events, SL_SCOPE_READ, SL_SCOPE_ADMIN, true, true},
};

static const struct route *find(const char *path, const char **rest)
{
	for (unsigned i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		size_t n = strlen(routes[i].path);
		*rest = NULL;
		if (strncmp(path, routes[i].path, n) != 0)
			continue;
		if (path[n] == '\0')
			return &routes[i];
		*rest = path + n + 1;
		if (routes[i].handle && path[n] == '/' && **rest)
			return &routes[i];
	}
	return NULL;
}

static void run(struct sl_brain *b, struct sl_http_request *r)
{
	const char *rest;
	const struct route *route = find(r->path, &rest);

	if (route->handle)
		route->handle(b, r, rest);
	else if (r->method == route->method)
		route->plain(b, r);
	else
		sl_api_error(r, 405, NULL, "%s takes %s only", r->path, route->method == SL_HTTP_GET ? "GET" : "POST");
}

static bool answers_secrets(const char *path)
{
	return strncmp(path, "/v1/tokens", 10) == 0 || strcmp(path, "/v1/turn/credentials") == 0;
}

void sl_api_handle(void *ctx, struct sl_http_request *r)
{
	struct sl_brain *b = ctx;
	const char *rest;
	const struct route *route = find(r->path, &rest);

	if (b->closing) {
		sl_api_error(r, 503, NULL, "the control plane stops");
		return;
	}
	if (!sl_api_account(b, r)) {
		sl_api_error(r, 401, NULL, "the token is missing or wrong: Authorization: Bearer TOKEN");
		return;
	}
	uint32_t wanted = !route ? 0 : r->method == SL_HTTP_GET ? route->to_look : route->to_change;
	if (!route)
		sl_api_error(r, 404, NULL, "nothing here: %s", r->path);
	else if (wanted && !(r->scopes & (wanted | SL_SCOPE_ADMIN)))
		sl_api_error(r, 403, NULL, "this token has not the scope '%s'", sl_api_scope_name(wanted));
	else if (r->tenant[0] && !route->of_tenants)
		sl_api_error(r, 403, NULL, "this token is of tenant '%s', and %s is of the whole node", r->tenant, route->path);
	else if (route->of_sip && !b->prov)
		sl_api_error(r, 404, NULL, "there is no SIP here: the configuration has no group sip");
	/* An answer with a secret is kept nowhere: not with a key either. */
	else if (r->idempotency_key[0] && r->method != SL_HTTP_GET && !answers_secrets(r->path))
		sl_api_once(b, r, run);
	else
		run(b, r);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/api.h"

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
	json_t *text = json_stringn(s, len);

	if (text)
		return text;
	char *plain = malloc(len + 1);
	if (!plain)
		return NULL;
	for (size_t i = 0; i < len; i++)
		plain[i] = s[i] >= 0x20 && s[i] < 0x7f ? s[i] : '?';
	text = json_stringn(plain, len);
	free(plain);
	return text;
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

	if (trouble)
		sl_api_json(r, 503,
		        json_pack("{s:s, s:o}", "status", "unavailable", "reason",
		                sl_api_text(trouble, strlen(trouble))));
	else if (sl_dp_standby(b->dp)) /* well, and ready to take over */
		sl_api_json(r, 200, json_pack("{s:s, s:s}", "status", "standby", "reason", sl_dp_standby(b->dp)));
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

struct route {
	const char *path;
	enum sl_http_method method;
	void (*handle)(struct sl_brain *b, struct sl_http_request *r);
};

static const struct route routes[] = {
        {"/healthz", SL_HTTP_GET, healthz},
        {"/metrics", SL_HTTP_GET, sl_api_metrics},
        {"/v1/status", SL_HTTP_GET, sl_api_status},
        {"/v1/ports", SL_HTTP_GET, sl_api_ports},
        {"/v1/workers", SL_HTTP_GET, sl_api_workers},
        {"/v1/counters", SL_HTTP_GET, sl_api_counters},
        {"/v1/allocations", SL_HTTP_GET, sl_api_allocations},
        {"/v1/reload", SL_HTTP_POST, reload},
};

static const char *rest_of(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(path, prefix, len) == 0 && path[len] ? path + len : NULL;
}

void sl_api_handle(void *ctx, struct sl_http_request *r)
{
	struct sl_brain *b = ctx;
	const char *rest;

	if (strcmp(r->path, "/v1/turn/users") == 0) {
		sl_api_users(b, r, NULL);
		return;
	}
	if ((rest = rest_of(r->path, "/v1/turn/users/"))) {
		sl_api_users(b, r, rest);
		return;
	}
	if (strcmp(r->path, "/v1/sessions") == 0) {
		sl_api_sessions(b, r, NULL);
		return;
	}
	if ((rest = rest_of(r->path, "/v1/sessions/"))) {
		sl_api_sessions(b, r, rest);
		return;
	}
	if ((rest = rest_of(r->path, "/v1/allocations/"))) {
		sl_api_allocation(b, r, rest);
		return;
	}
	for (unsigned i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		if (strcmp(r->path, routes[i].path) != 0)
			continue;
		if (r->method == routes[i].method)
			routes[i].handle(b, r);
		else
			sl_api_error(r, 405, NULL, "%s takes %s only", r->path,
			        routes[i].method == SL_HTTP_GET ? "GET" : "POST");
		return;
	}
	sl_api_error(r, 404, NULL, "nothing here: %s", r->path);
}

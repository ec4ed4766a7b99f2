/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/turn_api.h"

#include <string.h>
#include <time.h>

/* TURN's realms, load and drain. */

/* ---- shared ---- */

bool sl_turn_api_here(struct sl_brain *b, struct sl_http_request *r)
{
	if (b->config->turn.n_listeners > 0)
		return true;
	sl_api_error(r, 409, NULL, "there is no TURN here: the configuration has no group turn");
	return false;
}

json_t *sl_turn_api_body(struct sl_http_request *r, const char *example)
{
	json_error_t error;
	json_t *body = json_loadb(r->body ? r->body : "", r->body_len, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(body))
		return body;
	sl_api_error(r, 400, NULL, "the body must be an object such as %s%s%s", example, body ? "" : ": ", body ? "" : error.text);
	json_decref(body);
	return NULL;
}

bool sl_turn_api_members(struct sl_http_request *r, json_t *o, const char *const *names)
{
	const char *key;
	json_t *value;

	json_object_foreach(o, key, value)
	{
		unsigned i = 0;
		while (names[i] && strcmp(names[i], key) != 0)
			i++;
		if (!names[i]) {
			sl_api_error(r, 400, key, "unknown member");
			return false;
		}
	}
	return true;
}

bool sl_turn_api_realm(struct sl_brain *b, struct sl_http_request *r, json_t *o, char realm[SL_MSG_REALM_MAX])
{
	json_t *v = json_object_get(o, "realm");
	const char *name = json_string_value(v);

	realm[0] = '\0';
	if (!v || json_is_null(v))
		return true;
	if (!name || strlen(name) != json_string_length(v) || !sl_desk_has_realm(b->desk, name)) {
		sl_api_error(r, 400, "realm", "there is no realm of that name: GET /v1/turn/realms lists them");
		return false;
	}
	memcpy(realm, name, strlen(name) + 1); /* one that is here fits */
	return true;
}

/* A change under way. */
void sl_turn_api_changed(void *ctx, enum sl_desk_outcome outcome, const char *text)
{
	struct sl_http_request *r = ctx;

	switch (outcome) {
	case SL_DESK_APPLIED:
		sl_api_json(r, 200, json_pack("{s:s}", "status", r->method == SL_HTTP_DELETE ? "removed" : "applied"));
		break;
	case SL_DESK_STORED:
		sl_api_json(r, 202, json_pack("{s:s, s:s, s:s}", "status", "stored", "note", "the dataplane will be told when it is back", "reason", text));
		break;
	case SL_DESK_UNKNOWN:
		sl_api_error(r, 404, NULL, "there is no such entry; those of the configuration file change there, by a reload");
		break;
	case SL_DESK_REFUSED:
		sl_api_error(r, 409, NULL, "nothing has changed: %s", text);
		break;
	case SL_DESK_FAILED:
		sl_api_error(r, 503, NULL, "nothing has changed: %s", text);
		break;
	}
}

/* ---- realms ---- */

static json_t *bandwidth(const struct sl_turn_bandwidth *b)
{
	if (!(b->hard_kbps[0] | b->hard_kbps[1] | b->soft_kbps[0] | b->soft_kbps[1]))
		return json_null();
	return json_pack("{s:[II], s:[II]}", "hard_kbps", (json_int_t)b->hard_kbps[0], (json_int_t)b->hard_kbps[1], "soft_kbps", (json_int_t)b->soft_kbps[0],
	        (json_int_t)b->soft_kbps[1]);
}

static json_t *names_of(const struct sl_turn_plan *p, unsigned realm, enum sl_realm_name_kind kind)
{
	json_t *all = json_array();

	for (size_t i = 0; i < p->n_names; i++) {
		if (p->names[i].realm == realm && p->names[i].kind == kind)
			json_array_append_new(all, sl_api_text(p->names[i].text, p->names[i].len));
	}
	return all;
}

static json_t *listeners_of(const struct sl_conf_turn *t, uint32_t mask)
{
	json_t *all = json_array();
	char text[SL_ADDR_TEXT_MAX];

	for (unsigned i = 0; i < t->n_listeners; i++) {
		if (mask & (1u << i))
			json_array_append_new(all, json_string(sl_endpoint_text(&t->listeners[i], text)));
	}
	return all;
}

static unsigned secrets_of(const struct sl_turn_plan *p, unsigned realm)
{
	unsigned n = 0;

	for (size_t i = 0; i < p->n_secrets; i++)
		n += p->secrets[i].realm == realm;
	return n;
}

/* The dataplane counts by its own index: the same, but while a change of realms is on its way. */
static size_t count_of(const struct sl_brain *b, const size_t *counts, const char *realm)
{
	const struct sl_turn_plan *there = sl_dp_plan(b->dp);
	int index = there ? sl_turn_plan_realm(there, realm) : -1;

	return index >= 0 && index < SL_TURN_MAX_REALMS ? counts[index] : 0;
}

size_t sl_turn_api_allocations(const struct sl_brain *b, const char *realm)
{
	return count_of(b, sl_dp_table(b->dp)->of_realm, realm);
}

size_t sl_turn_api_restricted(const struct sl_brain *b, const char *realm)
{
	return count_of(b, sl_dp_table(b->dp)->restricted_of_realm, realm);
}

static json_t *show_realm(const struct sl_brain *b, const struct sl_turn_plan *p, const struct sl_cmd_realm *c)
{
	const struct sl_conf_turn *t = &b->config->turn;
	size_t allocations = sl_turn_api_allocations(b, c->name);
	json_t *o = json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "name", c->name, "origin", c->index < t->n_realms ? "config" : "table",
	        "default", c->index == 0, "allocations", (json_int_t)allocations, "restricted_allocations", (json_int_t)sl_turn_api_restricted(b, c->name),
	        "total_quota", (json_int_t)c->total_quota, "user_quota", (json_int_t)c->user_quota, "max_lifetime_s", (json_int_t)c->max_lifetime_s,
	        "max_permissions", (json_int_t)c->max_permissions);

	json_object_set_new(o, "quota_percent", c->total_quota ? json_integer((json_int_t)(allocations * 100 / c->total_quota)) : json_null());
	json_object_set_new(o, "users", json_pack("{s:I, s:I, s:I}", "config", (json_int_t)sl_users_count(&b->config_users, c->name), "api",
	                                        (json_int_t)sl_users_count(&b->store_users, c->name), "table",
	                                        (json_int_t)sl_users_count(&b->source_users, c->name)));
	json_object_set_new(o, "secrets", json_integer(secrets_of(p, c->index)));
	json_object_set_new(o, "listeners", listeners_of(t, c->listeners));
	json_object_set_new(o, "server_names", names_of(p, c->index, SL_REALM_SERVER_NAME));
	json_object_set_new(o, "origins", names_of(p, c->index, SL_REALM_ORIGIN));
	json_object_set_new(o, "authorization_server", c->offer_third_party ? json_string(c->server_name) : json_null());
	json_object_set_new(o, "bandwidth", json_pack("{s:o, s:o, s:o}", "session", bandwidth(&c->session), "user", bandwidth(&c->user), "realm",
	                                            bandwidth(&c->realm)));
	return o;
}

void sl_api_turn_realms(struct sl_brain *b, struct sl_http_request *r)
{
	if (!sl_turn_api_here(b, r))
		return;
	const struct sl_turn_plan *p = sl_desk_plan_now(b->desk);
	json_t *all = json_array();

	for (size_t i = 0; i < p->n_realms; i++)
		json_array_append_new(all, show_realm(b, p, &p->realms[i]));
	sl_api_json(r, 200, json_pack("{s:I, s:o}", "total", (json_int_t)p->n_realms, "realms", all));
}

/* ---- load ---- */

void sl_api_turn_load(struct sl_brain *b, struct sl_http_request *r)
{
	if (!sl_turn_api_here(b, r))
		return;
	struct sl_desk_load load = sl_desk_load(b->desk);
	if (!load.capacity) {
		sl_api_error(r, 503, NULL, "the dataplane is not attached");
		return;
	}
	sl_api_json(r, 200, json_pack("{s:i, s:b, s:I, s:I}", "percent", (int)load.percent, "draining", sl_desk_drain(b->desk)->on, "allocations",
	                            (json_int_t)load.allocations, "capacity", (json_int_t)load.capacity));
}

static json_t *show_alternate(const struct sl_brain *b, unsigned i)
{
	const struct sl_conf_alternate *c = &b->config->turn.alternates[i];
	const struct sl_desk_alternate *a = sl_desk_alternate(b->desk, i);
	char text[SL_ADDR_TEXT_MAX];

	return json_pack("{s:s, s:s, s:i, s:i, s:b, s:o, s:o, s:I, s:o}", "server", sl_endpoint_text(&c->server, text), "transport",
	        sl_turn_api_transport(c->transport), "weight", (int)a->weight, "configured_weight", (int)c->weight, "polled", a->is_polled, "percent",
	        a->is_known ? json_integer(a->percent) : json_null(), "draining", a->is_known ? json_boolean(a->is_draining) : json_null(), "failures",
	        (json_int_t)a->failures, "trouble", a->trouble[0] ? sl_api_text(a->trouble, strlen(a->trouble)) : json_null());
}

void sl_api_turn_alternates(struct sl_brain *b, struct sl_http_request *r)
{
	if (!sl_turn_api_here(b, r))
		return;
	json_t *all = json_array();
	for (unsigned i = 0; i < b->config->turn.n_alternates; i++)
		json_array_append_new(all, show_alternate(b, i));
	sl_api_json(r, 200, json_pack("{s:i, s:i, s:o}", "total", (int)b->config->turn.n_alternates, "redirect_above", (int)b->config->turn.redirect_above,
	                            "alternates", all));
}

/* ---- drain ---- */

static int64_t now_unix_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static int64_t oldest_s(const struct sl_brain *b)
{
	const struct sl_table *t = sl_dp_table(b->dp);
	int64_t oldest = 0, now_ms = sl_now_ms();

	for (size_t i = 0; i < t->n; i++) {
		int64_t age = t->all[i].state.age_s + (now_ms - t->all[i].told_ms) / 1000;
		oldest = age > oldest ? age : oldest;
	}
	return oldest;
}

/* As fast as until now: seconds until the last one has gone; null while that cannot be told. */
static json_t *estimate(const struct sl_desk_drain *d, uint64_t left)
{
	double since_s = (double)(now_unix_ms() - d->since_unix_ms) / 1000;

	if (left == 0)
		return json_integer(0);
	if (since_s < 1 || d->allocations <= left)
		return json_null();
	return json_integer((json_int_t)((double)left * since_s / (double)(d->allocations - left)) + 1);
}

static void show_drain(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_desk_drain *d = sl_desk_drain(b->desk);
	uint64_t left = sl_desk_load(b->desk).allocations;

	if (!d->on) {
		sl_api_json(r, 200, json_pack("{s:b, s:I}", "draining", 0, "allocations", (json_int_t)left));
		return;
	}
	sl_api_json(r, 200, json_pack("{s:b, s:I, s:I, s:I, s:I, s:o, s:b, s:o}", "draining", 1, "since_unix_ms", (json_int_t)d->since_unix_ms,
	                            "allocations_then", (json_int_t)d->allocations, "allocations", (json_int_t)left, "oldest_s", (json_int_t)oldest_s(b),
	                            "max_lifetime_s", d->max_lifetime_s ? json_integer(d->max_lifetime_s) : json_null(), "done",
	                            left == 0 && sl_dp_region(b->dp) != NULL, "estimate_s", estimate(d, left)));
}

static void start_drain(struct sl_brain *b, struct sl_http_request *r)
{
	static const char *const names[] = {"max_lifetime_s", NULL};
	json_t *body = r->body_len ? sl_turn_api_body(r, "{\"max_lifetime_s\": 300}") : json_object();

	if (!body || !sl_turn_api_members(r, body, names)) {
		json_decref(body);
		return;
	}
	json_t *v = json_object_get(body, "max_lifetime_s");
	json_int_t seconds = json_integer_value(v);
	bool good = !v || (json_is_integer(v) && (seconds == 0 || (seconds >= 30 && seconds <= 86400)));
	json_decref(body);
	if (good)
		sl_desk_set_drain(b->desk, true, (uint32_t)seconds, sl_turn_api_changed, r);
	else
		sl_api_error(r, 400, "max_lifetime_s", "must be 30..86400, or 0: refreshed allocations live as long as ever");
}

void sl_api_turn_drain(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	if (!sl_turn_api_here(b, r))
		return;
	if (rest)
		sl_api_error(r, 404, NULL, "nothing here: %s", r->path);
	else if (r->method == SL_HTTP_GET)
		show_drain(b, r);
	else if (r->method == SL_HTTP_POST)
		start_drain(b, r);
	else if (r->method == SL_HTTP_DELETE)
		sl_desk_set_drain(b->desk, false, 0, sl_turn_api_changed, r);
	else
		sl_api_error(r, 405, NULL, "drain takes GET, POST and DELETE");
}

const char *sl_turn_api_transport(unsigned transport)
{
	static const char *const names[] = {
#define X(name, number, text) [number] = text,
	        SL_TURN_TRANSPORTS(X)
#undef X
	};

	return transport < SL_TURN_N_TRANSPORTS ? names[transport] : "?";
}

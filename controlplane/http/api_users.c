/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/api.h"

#include "controlplane/turn/desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

enum { DEFAULT_LIMIT = 1000 };

/* A change under way: what its answer needs to know. */
struct change {
	struct sl_http_request *r;
	bool replaces, deletion;
};

/* ---- listing ---- */

/* The realm that is asked for: ?realm=, else the default one. */
static const char *realm_asked(const struct sl_brain *b, const struct sl_http_request *r)
{
	const char *realm = sl_http_arg(r, "realm");

	return realm && realm[0] ? realm : b->config->turn.realms[0].name;
}

static json_t *show(const struct sl_brain *b, const struct sl_user *u, unsigned set)
{
	static const char *const origins[] = {"config", "api", "table"};
	json_t *o = json_pack("{s:o, s:s, s:s, s:b}", "name", sl_api_text(u->name, u->name_len), "realm", u->realm, "origin", origins[set], "usable",
	        sl_desk_has_realm(b->desk, u->realm));

	if (u->created_unix_s)
		json_object_set_new(o, "created_unix_s", json_integer(u->created_unix_s));
	return o;
}

/* Of all realms, or of ?realm=. */
static void list(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_users *sets[] = {&b->config_users, &b->store_users, &b->source_users};
	const char *realm = sl_http_arg(r, "realm");
	size_t limit, offset, n = 0;

	if (!sl_api_page(r, DEFAULT_LIMIT, &limit, &offset))
		return;
	json_t *all = json_array();
	for (unsigned s = 0; s < sizeof sets / sizeof sets[0]; s++) {
		for (size_t i = 0; i < sets[s]->n; i++) {
			const struct sl_user *u = sets[s]->by_name[i];
			bool hidden = realm && strcmp(realm, u->realm) != 0;
			for (unsigned before = 0; before < s && !hidden; before++)
				hidden = sl_users_find(sets[before], u->realm, u->name, u->name_len) != NULL;
			if (hidden)
				continue;
			if (n >= offset && json_array_size(all) < limit)
				json_array_append_new(all, show(b, u, s));
			n++;
		}
	}
	sl_api_json(r, 200,
	        json_pack("{s:I, s:s, s:o}", "total", (json_int_t)n, "realm", realm ? realm : b->config->turn.realms[0].name, "users",
	                all));
}

/* ---- changes ---- */

static void changed(void *ctx, enum sl_user_outcome outcome, const char *text)
{
	struct change *c = ctx;
	const char *status = c->deletion ? "removed" : c->replaces ? "replaced" : "added";

	switch (outcome) {
	case SL_USER_APPLIED:
		sl_api_json(
		        c->r, c->deletion || c->replaces ? 200 : 201, json_pack("{s:s}", "status", status));
		break;
	case SL_USER_STORED:
		sl_api_json(c->r, 202,
		        json_pack("{s:s, s:s, s:s}", "status", "stored", "note",
		                "the dataplane will be told when it is back", "reason", text));
		break;
	case SL_USER_REFUSED:
		sl_api_error(c->r, 502, NULL, "stored, but the dataplane refused it: %s", text);
		break;
	case SL_USER_FAILED:
		sl_api_error(c->r, 503, NULL, "not stored: %s", text);
		break;
	case SL_USER_UNKNOWN:
		sl_api_error(c->r, 404, "name", "no user of that name");
		break;
	}
	free(c);
}

static struct change *change_new(struct sl_http_request *r, bool replaces, bool deletion)
{
	struct change *c = calloc(1, sizeof *c);

	if (c)
		*c = (struct change){r, replaces, deletion};
	else
		sl_api_error(r, 500, NULL, "no memory");
	return c;
}

static bool hidden_by_config(struct sl_brain *b, struct sl_http_request *r, const char *realm, const char *name)
{
	if (!sl_users_find(&b->config_users, realm, name, strlen(name)))
		return false;
	sl_api_error(r, 409, "name", "this user is in the configuration file: change it there and reload");
	return true;
}

/* The text member of that name, without a NUL inside; NULL: answered with an error. */
static const char *member(struct sl_http_request *r, json_t *body, const char *name)
{
	json_t *v = json_object_get(body, name);

	if (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v) &&
	        json_string_length(v) > 0)
		return json_string_value(v);
	sl_api_error(r, 400, name, "'%s' is missing or not a text", name);
	return NULL;
}

static bool known_realm(struct sl_brain *b, struct sl_http_request *r, const char *realm)
{
	if (sl_desk_has_realm(b->desk, realm))
		return true;
	sl_api_error(r, 400, "realm", "there is no realm of that name: GET /v1/turn/realms lists them");
	return false;
}

static void add_user(struct sl_brain *b, struct sl_http_request *r, json_t *body)
{
	const char *name, *password, *error = NULL, *key, *realm = realm_asked(b, r);
	json_t *value;

	json_object_foreach(body, key, value)
	{
		if (strcmp(key, "name") != 0 && strcmp(key, "password") != 0 && strcmp(key, "realm") != 0) {
			sl_api_error(r, 400, key, "unknown member; known are name, password and realm");
			return;
		}
	}
	if (!(name = member(r, body, "name")) || !(password = member(r, body, "password")) ||
	        (json_object_get(body, "realm") && !(realm = member(r, body, "realm"))) || !known_realm(b, r, realm) || hidden_by_config(b, r, realm, name))
		return;
	struct sl_user *u = sl_user_new(name, realm, password, time(NULL), &error);
	if (!u) {
		if (strcmp(error, "memory") == 0)
			sl_api_error(r, 500, NULL, "no memory");
		else
			sl_api_error(r, 400, error,
			        "'%s' must be %s bytes of UTF-8 without control characters", error,
			        strcmp(error, "name") == 0 ? "1 to 508" : "1 to 256");
		return;
	}
	struct change *c = change_new(r, sl_users_find(&b->store_users, realm, name, strlen(name)) != NULL, false);
	if (c)
		sl_brain_put_user(b, u, changed, c);
	sl_user_unref(u);
}

static void add(struct sl_brain *b, struct sl_http_request *r)
{
	json_error_t error;
	json_t *body = json_loadb(r->body ? r->body : "", r->body_len, JSON_REJECT_DUPLICATES, &error);

	if (json_is_object(body))
		add_user(b, r, body);
	else
		sl_api_error(r, 400, NULL, "the body must be {\"name\": \"...\", \"password\": \"...\"}%s%s",
		        body ? "" : ": ", body ? "" : error.text);
	json_decref(body);
}

static void remove_user(struct sl_brain *b, struct sl_http_request *r, const char *name)
{
	const char *realm = realm_asked(b, r);

	if (hidden_by_config(b, r, realm, name))
		return;
	struct change *c = change_new(r, false, true);
	if (c)
		sl_brain_delete_user(b, realm, name, strlen(name), changed, c);
}

void sl_api_users(struct sl_brain *b, struct sl_http_request *r, const char *name)
{
	/* ?name= takes what a path cannot carry: "..", "a//b". */
	if (!name)
		name = sl_http_arg(r, "name");
	if (b->config->turn.n_listeners == 0)
		sl_api_error(r, 409, NULL, "there is no TURN here: the configuration has no group turn");
	else if (!b->users_known)
		sl_api_error(r, 503, NULL, "the store is being read; try again");
	else if (r->method == SL_HTTP_GET && !name)
		list(b, r);
	else if (r->method == SL_HTTP_POST && !name)
		add(b, r);
	else if (r->method == SL_HTTP_DELETE && name)
		remove_user(b, r, name);
	else
		sl_api_error(r, 405, NULL, "users take GET and POST, one user takes DELETE");
}

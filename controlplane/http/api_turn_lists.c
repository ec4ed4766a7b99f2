/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/turn_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Rules of peers and the restricted register, as they are and as operators change them. */

enum { DEFAULT_LIMIT = 1000 };

static const char peers_example[] = "{\"peers\": [{\"deny\": \"10.0.0.0/8\"}, {\"allow\": \"192.0.2.0/24\", \"realm\": \"example.org\"}]}";
static const char peer_example[] = "{\"allow\": \"192.0.2.0/24\"} or {\"deny\": \"10.0.0.0/8\", \"realm\": \"example.org\", \"position\": 0}";
static const char restricted_example[] = "{\"addresses\": [\"203.0.113.0/24\"], \"accounts\": [{\"name\": \"alice\", \"realm\": \"example.org\"}]}";

static bool read_prefix(struct sl_http_request *r, const char *field, const char *text, struct sl_prefix *out)
{
	if (text && sl_prefix_parse(text, out) == 0)
		return true;
	sl_api_error(r, 400, field, "'%s' is no address and no prefix without host bits; such as 192.0.2.0/24 or 2001:db8::/32", text ? text : "that");
	return false;
}

static json_t *prefix_text(const struct sl_prefix *p)
{
	char text[SL_ADDR_TEXT_MAX];

	return json_string(sl_prefix_text(p, text));
}

static json_t *realm_text(const char *realm)
{
	return realm && realm[0] ? json_string(realm) : json_null();
}

/* ---- peers ---- */

static json_t *show_rule(const char *realm, const struct sl_prefix *prefix, bool allow, const char *origin)
{
	return json_pack("{s:s, s:o, s:o, s:s}", "action", allow ? "allow" : "deny", "prefix", prefix_text(prefix), "realm", realm_text(realm), "origin", origin);
}

static void add_rules(json_t *all, const char *realm, const struct sl_conf_peer_rule *rules, unsigned n, const char *origin)
{
	for (unsigned i = 0; i < n; i++)
		json_array_append_new(all, show_rule(realm, &rules[i].prefix, rules[i].allow, origin));
}

/* In the order in which they are looked at, those of one realm before those of all. */
static void show_peers(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_conf_turn *t = &b->config->turn;
	size_t n;
	const struct sl_turn_peer *live = sl_desk_peers(b->desk, &n);
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, show_rule(live[i].realm, &live[i].prefix, live[i].allow, "api"));
	for (unsigned i = 0; i < t->n_realms; i++)
		add_rules(all, t->realms[i].name, t->realms[i].peer_rules, t->realms[i].n_peer_rules, "config");
	add_rules(all, NULL, t->peer_rules, t->n_peer_rules, "config");
	const struct sl_source_set *s = sl_desk_tables(b->desk);
	for (unsigned i = 0; s && i < s->n_realms; i++)
		add_rules(all, s->realms[i].name[0] ? s->realms[i].name : t->realms[0].name, s->realms[i].peer_rules, s->realms[i].n_peer_rules, "table");
	if (s)
		add_rules(all, NULL, s->peer_rules, s->n_peer_rules, "table");
	sl_api_json(r, 200, json_pack("{s:I, s:I, s:o}", "total", (json_int_t)json_array_size(all), "live", (json_int_t)n, "peers", all));
}

static bool read_rule(struct sl_brain *b, struct sl_http_request *r, json_t *o, bool positioned, struct sl_turn_peer *out)
{
	static const char *const names[] = {"allow", "deny", "realm", NULL}, *const with_position[] = {"allow", "deny", "realm", "position", NULL};
	json_t *allow = json_object_get(o, "allow"), *deny = json_object_get(o, "deny");

	*out = (struct sl_turn_peer){.allow = allow != NULL};
	if (!json_is_object(o) || !allow == !deny) {
		sl_api_error(r, 400, "peers", "a rule is an object with either allow or deny, such as %s", peer_example);
		return false;
	}
	return sl_turn_api_members(r, o, positioned ? with_position : names) && sl_turn_api_realm(b, r, o, out->realm) &&
	       read_prefix(r, allow ? "allow" : "deny", json_string_value(allow ? allow : deny), &out->prefix);
}

static void put_peers(struct sl_brain *b, struct sl_http_request *r)
{
	static const char *const names[] = {"peers", NULL};
	json_t *body = sl_turn_api_body(r, peers_example);
	json_t *list = json_object_get(body, "peers"), *o;
	size_t i, n = json_array_size(list);
	struct sl_turn_peer *peers = NULL;

	if (!body || !sl_turn_api_members(r, body, names))
		goto out;
	if (!json_is_array(list) || n > SL_DESK_PEERS_MAX) {
		sl_api_error(r, 400, "peers", "must be a list of at most %d rules, such as %s", SL_DESK_PEERS_MAX, peers_example);
		goto out;
	}
	peers = calloc(n + 1, sizeof *peers);
	if (!peers) {
		sl_api_error(r, 500, NULL, "no memory");
		goto out;
	}
	json_array_foreach(list, i, o)
	{
		if (!read_rule(b, r, o, false, &peers[i]))
			goto out;
	}
	sl_desk_set_peers(b->desk, peers, n, sl_turn_api_changed, r);
out:
	free(peers);
	json_decref(body);
}

static void add_peer(struct sl_brain *b, struct sl_http_request *r)
{
	json_t *body = sl_turn_api_body(r, peer_example);
	json_t *position = json_object_get(body, "position");
	struct sl_turn_peer peer;

	if (!body || !read_rule(b, r, body, true, &peer)) {
		json_decref(body);
		return;
	}
	json_int_t at = json_integer_value(position);
	if (position && (!json_is_integer(position) || at < 0))
		sl_api_error(r, 400, "position", "must be a number: 0 = before all others");
	else
		sl_desk_add_peer(b->desk, &peer, (size_t)at, sl_turn_api_changed, r);
	json_decref(body);
}

/* Of the path's rest, or of ?NAME=. NULL: not given. */
static const char *named(const struct sl_http_request *r, const char *rest, const char *name)
{
	return rest ? rest : sl_http_arg(r, name);
}

static bool realm_arg(struct sl_http_request *r, char realm[SL_MSG_REALM_MAX])
{
	const char *text = sl_http_arg(r, "realm");

	realm[0] = '\0';
	if (!text)
		return true;
	if (strlen(text) >= SL_MSG_REALM_MAX) {
		sl_api_error(r, 404, "realm", "there is no realm of that name");
		return false;
	}
	strcpy(realm, text); /* fits */
	return true;
}

static void remove_peer(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	struct sl_turn_peer peer = {.allow = false};

	if (realm_arg(r, peer.realm) && read_prefix(r, "prefix", named(r, rest, "prefix"), &peer.prefix))
		sl_desk_remove_peer(b->desk, &peer, sl_turn_api_changed, r);
}

void sl_api_turn_peers(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	if (!sl_turn_api_here(b, r))
		return;
	if (r->method == SL_HTTP_GET && !rest)
		show_peers(b, r);
	else if (r->method == SL_HTTP_PUT && !rest)
		put_peers(b, r);
	else if (r->method == SL_HTTP_POST && !rest)
		add_peer(b, r);
	else if (r->method == SL_HTTP_DELETE)
		remove_peer(b, r, rest);
	else
		sl_api_error(r, 405, NULL, "peers take GET, PUT and POST, and DELETE of one prefix: /v1/turn/peers/192.0.2.0/24?realm=");
}

/* ---- the restricted register ---- */

static json_t *show_entry(bool account, const struct sl_prefix *prefix, const char *realm, const char *name, const char *origin)
{
	if (account)
		return json_pack("{s:o, s:o, s:s}", "account", sl_api_text(name, strlen(name)), "realm", realm_text(realm), "origin", origin);
	return json_pack("{s:o, s:s}", "address", prefix_text(prefix), "origin", origin);
}

static void show_restricted(struct sl_brain *b, struct sl_http_request *r)
{
	const struct sl_conf_turn *t = &b->config->turn;
	size_t n, limit, offset;
	struct sl_turn_restricted *const *live = sl_desk_restricted(b->desk, &n);

	if (!sl_api_page(r, DEFAULT_LIMIT, &limit, &offset))
		return;
	size_t total = n + t->n_restricted;
	json_t *all = json_array();
	for (size_t i = offset; i < total && json_array_size(all) < limit; i++) {
		const struct sl_conf_restricted *c = i < n ? NULL : &t->restricted[i - n];
		json_array_append_new(all, c ? show_entry(c->account, &c->prefix, c->realm, c->name, "config")
		                             : show_entry(live[i]->account, &live[i]->prefix, live[i]->realm, live[i]->name, "api"));
	}
	sl_api_json(r, 200, json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "total", (json_int_t)total, "live", (json_int_t)n, "allocations",
	                            (json_int_t)sl_view_counter(b, SL_C_allocations_restricted_active), "limit", (json_int_t)limit, "offset",
	                            (json_int_t)offset, "restricted", all));
}

struct entries {
	struct sl_turn_restricted *all;
	size_t n;
};

static bool read_account(struct sl_brain *b, struct sl_http_request *r, json_t *o, struct sl_turn_restricted *out)
{
	static const char *const names[] = {"name", "realm", NULL};
	json_t *name = json_object_get(o, "name");
	const char *text = json_string_value(name);

	*out = (struct sl_turn_restricted){.account = true};
	if (!text || !text[0] || strlen(text) != json_string_length(name) || strlen(text) > SL_MSG_USERNAME_MAX) {
		sl_api_error(r, 400, "accounts", "an account is an object with a name of 1 to 508 bytes, and maybe a realm: %s", restricted_example);
		return false;
	}
	out->name = (char *)text; /* the body's: copied before that goes */
	return sl_turn_api_members(r, o, names) && sl_turn_api_realm(b, r, o, out->realm);
}

/* all: allocated; free() whatever comes back. */
static bool read_entries(struct sl_brain *b, struct sl_http_request *r, json_t *body, size_t max, struct entries *out)
{
	static const char *const names[] = {"addresses", "accounts", NULL};
	json_t *addresses = json_object_get(body, "addresses"), *accounts = json_object_get(body, "accounts"), *o;
	size_t i, n = json_array_size(addresses) + json_array_size(accounts);

	if (!sl_turn_api_members(r, body, names))
		return false;
	if ((addresses && !json_is_array(addresses)) || (accounts && !json_is_array(accounts)) || !(addresses || accounts)) {
		sl_api_error(r, 400, NULL, "the body must have lists addresses or accounts, such as %s", restricted_example);
		return false;
	}
	if (n > max) {
		sl_api_error(r, 400, NULL, "at most %zu entries at once", max);
		return false;
	}
	out->all = calloc(n + 1, sizeof *out->all);
	if (!out->all) {
		sl_api_error(r, 500, NULL, "no memory");
		return false;
	}
	json_array_foreach(addresses, i, o)
	{
		if (!read_prefix(r, "addresses", json_string_value(o), &out->all[out->n++].prefix))
			return false;
	}
	json_array_foreach(accounts, i, o)
	{
		if (!read_account(b, r, o, &out->all[out->n++]))
			return false;
	}
	return true;
}

/* By ?address=, or ?account= and ?realm=. */
static void remove_named(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	const char *address = named(r, rest, "address"), *account = sl_http_arg(r, "account");
	struct sl_turn_restricted e = {.account = !address && account};

	if (e.account && (!account[0] || strlen(account) > SL_MSG_USERNAME_MAX))
		sl_api_error(r, 404, "account", "no account has such a name");
	else if (e.account ? realm_arg(r, e.realm) : read_prefix(r, "address", address, &e.prefix)) {
		e.name = e.account ? (char *)account : NULL;
		sl_desk_remove_restricted(b->desk, &e, 1, sl_turn_api_changed, r);
	}
}

static void change_restricted(struct sl_brain *b, struct sl_http_request *r)
{
	json_t *body = sl_turn_api_body(r, restricted_example);
	struct entries e = {0};

	if (body && read_entries(b, r, body, r->method == SL_HTTP_PUT ? SL_TURN_MAX_RESTRICTED : SL_DESK_ENTRIES_PER_CHANGE, &e)) {
		if (r->method == SL_HTTP_PUT)
			sl_desk_set_restricted(b->desk, e.all, e.n, sl_turn_api_changed, r);
		else if (r->method == SL_HTTP_POST)
			sl_desk_add_restricted(b->desk, e.all, e.n, sl_turn_api_changed, r);
		else
			sl_desk_remove_restricted(b->desk, e.all, e.n, sl_turn_api_changed, r);
	}
	free(e.all);
	json_decref(body);
}

void sl_api_turn_restricted(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	if (!sl_turn_api_here(b, r))
		return;
	if (r->method == SL_HTTP_GET && !rest)
		show_restricted(b, r);
	else if (r->method == SL_HTTP_DELETE && !r->body_len)
		remove_named(b, r, rest);
	else if (!rest && (r->method == SL_HTTP_PUT || r->method == SL_HTTP_POST || r->method == SL_HTTP_DELETE))
		change_restricted(b, r);
	else
		sl_api_error(r, 405, NULL, "restricted takes GET, PUT, POST and DELETE (?address= or ?account=&realm=, or a body as for POST)");
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/http/turn_api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

/* Time-limited credentials of the REST scheme (draft-uberti-behave-turn-rest): user name "EXPIRY:USER", password base64(HMAC-SHA1(secret,
 * user name)), and where to use them, as WebRTC front ends take it. Whoever knows the secret could make them too: nothing is kept of
 * them. */

enum { DEFAULT_TTL_S = 86400, MIN_TTL_S = 60, MAX_TTL_S = 30 * 86400, EXPIRY_DIGITS = 20 };

static const char example[] = "{\"user\": \"alice\", \"realm\": \"example.org\", \"ttl\": 86400}; all of it may be left out";

struct asked {
	char user[SL_MSG_USERNAME_MAX + 1]; /* "" = nobody in particular */
	char realm[SL_MSG_REALM_MAX];       /* "" = the default one */
	long long ttl_s;
};

/* ---- what is asked ---- */

static bool check(struct sl_brain *b, struct sl_http_request *r, struct asked *a, const char *user, const char *realm)
{
	if (user && (strlen(user) > SL_MSG_USERNAME_MAX - EXPIRY_DIGITS - 1 || !sl_user_text_is_plain(user))) {
		sl_api_error(r, 400, "user", "must be at most %d bytes of UTF-8 without control characters", SL_MSG_USERNAME_MAX - EXPIRY_DIGITS - 1);
		return false;
	}
	if (realm && !sl_desk_has_realm(b->desk, realm)) {
		sl_api_error(r, 400, "realm", "there is no realm of that name: GET /v1/turn/realms lists them");
		return false;
	}
	if (a->ttl_s < MIN_TTL_S || a->ttl_s > MAX_TTL_S) {
		sl_api_error(r, 400, "ttl", "must be %d..%d seconds", MIN_TTL_S, MAX_TTL_S);
		return false;
	}
	snprintf(a->user, sizeof a->user, "%s", user ? user : "");
	snprintf(a->realm, sizeof a->realm, "%s", realm ? realm : "");
	return true;
}

/* Member of the body that is a text without a NUL; *out NULL = not there. */
static bool text_member(struct sl_http_request *r, json_t *body, const char *name, const char **out)
{
	json_t *v = json_object_get(body, name);

	*out = json_string_value(v);
	if (!v || (*out && strlen(*out) == json_string_length(v)))
		return true;
	sl_api_error(r, 400, name, "must be a text");
	return false;
}

static bool from_body(struct sl_brain *b, struct sl_http_request *r, struct asked *a)
{
	static const char *const names[] = {"user", "realm", "ttl", NULL};
	json_t *body = r->body_len ? sl_turn_api_body(r, example) : json_object();
	const char *user, *realm;
	bool ok = false;

	if (body && sl_turn_api_members(r, body, names) && text_member(r, body, "user", &user) && text_member(r, body, "realm", &realm)) {
		json_t *ttl = json_object_get(body, "ttl");
		a->ttl_s = !ttl ? DEFAULT_TTL_S : json_is_integer(ttl) ? json_integer_value(ttl) : -1;
		ok = check(b, r, a, user, realm);
	}
	json_decref(body);
	return ok;
}

/* GET ?service=turn&username=&ttl=&realm=, as the draft has it. */
static bool from_arguments(struct sl_brain *b, struct sl_http_request *r, struct asked *a)
{
	const char *service = sl_http_arg(r, "service");
	size_t ttl = DEFAULT_TTL_S;

	if (!service || strcmp(service, "turn") != 0) {
		sl_api_error(r, 400, "service", "must be turn: GET /v1/turn/credentials?service=turn&username=alice&ttl=86400");
		return false;
	}
	if (!sl_api_number(r, "ttl", MIN_TTL_S, MAX_TTL_S, &ttl))
		return false;
	a->ttl_s = (long long)ttl;
	return check(b, r, a, sl_http_arg(r, "username"), sl_http_arg(r, "realm"));
}

/* ---- where to use them ---- */

static void add_url(json_t *urls, const struct sl_conf_turn *t, unsigned i, const char *host)
{
	const struct sl_endpoint *ep = &t->listeners[i];
	unsigned over = t->more[i].transport;
	bool secure = over == SL_TURN_OVER_TLS || over == SL_TURN_OVER_DTLS, datagrams = over == SL_TURN_OVER_UDP || over == SL_TURN_OVER_DTLS;
	char ip[SL_ADDR_TEXT_MAX], text[512];
	bool literal = !host;

	if (literal)
		host = sl_ip_text(&ep->ip, ip);
	bool brackets = literal && !sl_ip_is_v4(&ep->ip); /* RFC 7065 3.1, RFC 3986 3.2.2 */
	snprintf(text, sizeof text, "%s:%s%s%s:%u?transport=%s", secure ? "turns" : "turn", brackets ? "[" : "", host, brackets ? "]" : "",
	        (unsigned)ntohs(ep->port_be), datagrams ? "udp" : "tcp");
	/* One name may stand for listeners of both families. */
	size_t at;
	json_t *had;
	json_array_foreach(urls, at, had)
	{
		if (strcmp(json_string_value(had), text) == 0)
			return;
	}
	json_array_append_new(urls, json_string(text));
}

/* Listeners of which no other realm is, or those of its own. A realm that is known by a server name is found by that name, over TLS. */
static json_t *urls_of(const struct sl_brain *b, const struct sl_turn_plan *p, unsigned realm)
{
	const struct sl_conf_turn *t = &b->config->turn;
	uint32_t own = p->realms[realm].listeners, others = 0;
	char server_name[SL_MSG_ORIGIN_MAX + 1] = "";
	json_t *urls = json_array();

	for (size_t i = 0; i < p->n_realms; i++)
		others |= i == realm ? 0 : p->realms[i].listeners;
	for (size_t i = 0; realm && !server_name[0] && i < p->n_names; i++) {
		if (p->names[i].realm == realm && p->names[i].kind == SL_REALM_SERVER_NAME)
			snprintf(server_name, sizeof server_name, "%.*s", (int)p->names[i].len, p->names[i].text);
	}
	for (unsigned i = 0; i < t->n_listeners; i++) {
		unsigned over = t->more[i].transport;
		bool secure = over == SL_TURN_OVER_TLS || over == SL_TURN_OVER_DTLS;
		if (own & (1u << i))
			add_url(urls, t, i, server_name[0] && secure ? server_name : t->api_base);
		else if (!own && secure && server_name[0])
			add_url(urls, t, i, server_name);
		else if (!own && !server_name[0] && !(others & (1u << i)))
			add_url(urls, t, i, t->api_base);
	}
	return urls;
}

/* ---- the answer ---- */

/* password: room for base64 of 20 bytes. */
static bool make_password(const struct sl_cmd_secret *secret, const char *username, char password[32])
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool ok = HMAC(EVP_sha1(), secret->secret, secret->len, (const unsigned char *)username, strlen(username), mac, &len) && len == 20;

	if (ok)
		EVP_EncodeBlock((unsigned char *)password, mac, (int)len);
	OPENSSL_cleanse(mac, sizeof mac);
	return ok;
}

static const struct sl_cmd_secret *first_secret(const struct sl_turn_plan *p, int realm)
{
	for (size_t i = 0; i < p->n_secrets; i++) {
		if (p->secrets[i].realm == realm)
			return &p->secrets[i];
	}
	return NULL;
}

static void answer(struct sl_brain *b, struct sl_http_request *r, const struct asked *a)
{
	const struct sl_turn_plan *p = sl_desk_plan_now(b->desk);
	int realm = a->realm[0] ? sl_turn_plan_realm(p, a->realm) : 0;
	const struct sl_cmd_secret *secret = first_secret(p, realm);
	char username[EXPIRY_DIGITS + 1 + sizeof a->user], password[32];

	r->no_store = true;
	if (!secret) {
		sl_api_error(r, 409, "realm", "realm %s has no secret to make credentials with: give it one (option 'secrets' of turn, or of the realm) and reload",
		        p->realms[realm].name);
		return;
	}
	snprintf(username, sizeof username, "%lld%s%s", (long long)time(NULL) + a->ttl_s, a->user[0] ? ":" : "", a->user);
	if (!make_password(secret, username, password)) {
		sl_api_error(r, 500, NULL, "the credential cannot be made");
		return;
	}
	json_t *urls = urls_of(b, p, (unsigned)realm);
	json_t *name = json_string(username), *word = json_string(password);
	json_t *server = json_pack("{s:O, s:O, s:O}", "urls", urls, "username", name, "credential", word);
	sl_api_json(r, 200, json_pack("{s:O, s:O, s:O, s:I, s:s, s:O, s:o, s:[o]}", "username", name, "credential", word, "password", word, "ttl",
	                            (json_int_t)a->ttl_s, "realm", p->realms[realm].name, "urls", urls, "uris", json_copy(urls), "iceServers", server));
	json_decref(urls);
	json_decref(name);
	json_decref(word);
	OPENSSL_cleanse(password, sizeof password);
}

void sl_api_turn_credentials(struct sl_brain *b, struct sl_http_request *r, const char *rest)
{
	struct asked a = {.ttl_s = DEFAULT_TTL_S};

	if (!sl_turn_api_here(b, r))
		return;
	if (rest)
		sl_api_error(r, 404, NULL, "nothing here: %s", r->path);
	else if (r->method != SL_HTTP_GET && r->method != SL_HTTP_POST)
		sl_api_error(r, 405, NULL, "credentials take POST, and GET with ?service=turn");
	else if (r->method == SL_HTTP_POST ? from_body(b, r, &a) : from_arguments(b, r, &a))
		answer(b, r, &a);
}

/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Sluice Authors */
#include "controlplane/provision/kinds.h"

#include "controlplane/provision/checks.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- regular expressions, compiled once ---- */

static int compile(struct sl_prov_rewrite *w, const char *path, struct sl_field_error *e)
{
	char field[sizeof e->field], why[80];
	regex_t *regex = calloc(1, sizeof *regex);
	int rc = regex ? regcomp(regex, w->match, REG_EXTENDED) : REG_ESPACE;

	if (rc != 0) {
		snprintf(field, sizeof field, "%s", path);
		regerror(rc, regex, why, sizeof why);
		free(regex);
		return sl_field_fail(e, field, "\"%.80s\" is no regular expression (POSIX extended): %s", w->match, why);
	}
	w->regex = regex;
	for (const char *p = w->replace; (p = strchr(p, '\\')) != NULL; p += 2) {
		if (!isdigit((unsigned char)p[1]) || p[1] == '0' || (size_t)(p[1] - '0') > regex->re_nsub) {
			snprintf(field, sizeof field, "%.*s.replace", (int)(strlen(path) - strlen(".match")), path);
			return sl_field_fail(e, field, "\"%.60s\" has a \\ that is not of \\1..\\%zu, the groups of its match",
			        w->replace, regex->re_nsub);
		}
	}
	return 0;
}

static int compile_all(struct sl_prov_rewrite *w, unsigned n, const char *list, struct sl_field_error *e)
{
	char path[48];

	for (unsigned i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s[%u].match", list, i);
		if (compile(&w[i], path, e) < 0)
			return -EINVAL;
	}
	return 0;
}

static void free_all(struct sl_prov_rewrite *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (w[i].regex)
			regfree(w[i].regex);
		free(w[i].regex);
		w[i].regex = NULL;
	}
}

/* ---- secrets: a password, or both HA1s, or nothing (then what was there before is kept) ---- */

static int check_secret(const struct sl_res_secret *s, const char *group, struct sl_field_error *e)
{
	char field[40];

	if (s->has_password && (s->has_md5 || s->has_sha256)) {
		snprintf(field, sizeof field, "%spassword", group);
		return sl_field_fail(e, field, "is one way to say it, ha1_md5 and ha1_sha256 are the other");
	}
	if (s->has_md5 != s->has_sha256) {
		snprintf(field, sizeof field, "%s%s", group, s->has_md5 ? "ha1_sha256" : "ha1_md5");
		return sl_field_fail(e, field, "is missing: both hashes are needed, or password alone");
	}
	return 0;
}

/* ---- the kinds ---- */

int sl_finish_domain(void *raw, struct sl_field_error *e)
{
	struct sl_res_domain *r = raw;
	struct sl_prov_domain *d = &r->d;

	d->sha256 = d->md5 = r->n_algorithms == 0;
	for (unsigned i = 0; i < r->n_algorithms; i++) {
		bool sha256 = strcmp(r->algorithms[i], "SHA-256") == 0;

		if (!sha256 && strcmp(r->algorithms[i], "MD5") != 0)
			return sl_field_fail(e, "algorithms", "\"%s\" is not known; allowed \"SHA-256\", \"MD5\"", r->algorithms[i]);
		*(sha256 ? &d->sha256 : &d->md5) = true;
	}
	if (d->min_expires_s > d->max_expires_s)
		return sl_field_fail(e, "min_expires", "%u is above max_expires, %u", d->min_expires_s, d->max_expires_s);
	if (d->default_expires_s < d->min_expires_s || d->default_expires_s > d->max_expires_s)
		return sl_field_fail(e, "default_expires", "%u is not within min_expires..max_expires, %u..%u", d->default_expires_s,
		        d->min_expires_s, d->max_expires_s);
	return 0;
}

int sl_finish_user(void *raw, struct sl_field_error *e)
{
	struct sl_res_user *r = raw;

	if (check_secret(&r->secret, "", e) < 0)
		return -EINVAL;
	if (r->secret.has_password)
		sl_ha1(r->u.name, r->u.domain, r->secret.password, r->u.ha1_md5, r->u.ha1_sha256);
	return 0;
}

static int check_headers(const struct sl_prov_trunk *t, struct sl_field_error *e)
{
	/* What the dialog stands on is not for rules. */
	static const char *const ours[] = {"Via", "From", "To", "Call-ID", "CSeq", "Contact", "Max-Forwards", "Route", "Record-Route", "Content-Length",
	        "Content-Type", "RAck", "RSeq", "Require", "Proxy-Require", "Authorization", "Proxy-Authorization", "WWW-Authenticate",
	        "Proxy-Authenticate", "Authentication-Info", "Session-Expires", "Min-SE", "Path", "v", "f", "t", "i", "m", "l", "c", "x"};
	char field[40];

	for (unsigned i = 0; i < t->n_header_rules; i++) {
		const struct sl_prov_header_rule *h = &t->header_rules[i];

		for (unsigned j = 0; j < sizeof ours / sizeof ours[0]; j++) {
			if (strcasecmp(h->name, ours[j]) == 0) {
				snprintf(field, sizeof field, "headers[%u].name", i);
				return sl_field_fail(e, field, "%s is made by Sluice for each side by itself", ours[j]);
			}
		}
		if ((h->what == SL_HR_SET) != (h->value[0] != '\0')) {
			snprintf(field, sizeof field, "headers[%u].value", i);
			return sl_field_fail(e, field, h->what == SL_HR_SET ? "is missing: action is \"set\"" : "is for action = \"set\"");
		}
	}
	return 0;
}

int sl_finish_trunk(void *raw, struct sl_field_error *e)
{
	struct sl_res_trunk *r = raw;
	struct sl_prov_trunk *t = &r->t;

	t->has_auth = r->has_auth;
	if (check_secret(&r->secret, "auth.", e) < 0 || check_headers(t, e) < 0)
		return -EINVAL;
	if (r->secret.has_password)
		sl_ha1(t->username, t->realm, r->secret.password, t->ha1_md5, t->ha1_sha256);
	if (r->has_register && !r->has_auth && !t->contact_user[0])
		return sl_field_fail(e, "register.contact_user", "is missing: without auth there is no user name to take for it");
	if (r->has_register && !t->contact_user[0])
		snprintf(t->contact_user, sizeof t->contact_user, "%s", t->username);
	if (!t->from_domain[0] && t->n_targets)
		sl_uri_host(t->targets[0].uri, t->from_domain, sizeof t->from_domain);
	if (!t->n_sources && !t->tls_identity[0] && !t->n_targets && !r->has_register)
		return sl_field_fail(e, "sources", "is missing, as are tls_identity, targets and register: no call could come from it or go to it");
	if (t->srtp == SL_PROV_SRTP_ASIS)
		return sl_field_fail(e, "srtp", "\"as_is\" is for users; allowed \"off\", \"prefer\", \"require\"");
	if (t->session_expires_s && t->session_expires_s < t->min_se_s)
		return sl_field_fail(e, "session_expires", "%u is below min_se, %u", t->session_expires_s, t->min_se_s);
	if (compile_all(t->rewrite_in, t->n_rewrite_in, "numbers_in", e) < 0 || compile_all(t->rewrite_out, t->n_rewrite_out, "numbers_out", e) < 0)
		return -EINVAL;
	return 0;
}

void sl_free_trunk(void *raw)
{
	struct sl_res_trunk *r = raw;

	free_all(r->t.rewrite_in, r->t.n_rewrite_in);
	free_all(r->t.rewrite_out, r->t.n_rewrite_out);
}

static int finish_times(struct sl_res_route *r, struct sl_field_error *e)
{
	char field[40];

	for (unsigned i = 0; i < r->n_times; i++) {
		struct sl_prov_time *t = &r->r.times[i];

		t->days = (uint8_t)sl_days(r->times[i].days);
		t->from_min = (uint16_t)sl_clock_minutes(r->times[i].from);
		t->to_min = (uint16_t)sl_clock_minutes(r->times[i].to);
		snprintf(field, sizeof field, "times[%u].%s", i, t->days ? "to" : "days");
		if (!t->days)
			return sl_field_fail(e, field, "\"%s\" is not understood; such as \"mon-fri\" or \"sat,sun\"", r->times[i].days);
		if (t->from_min == t->to_min)
			return sl_field_fail(e, field, "%s is also from: the window is empty; a whole day is 00:00 to 24:00", r->times[i].to);
	}
	r->r.n_times = r->n_times;
	return 0;
}

static int finish_source(struct sl_res_route *r, struct sl_field_error *e)
{
	static const char *const words[] = {[SL_SRC_ANY] = "any", [SL_SRC_USERS] = "users", [SL_SRC_TRUNKS] = "trunks"};

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(r->source, words[i]) == 0) {
			r->r.source = (uint8_t)i;
			return 0;
		}
	}
	const char *colon = strchr(r->source, ':');
	bool trunk = strncmp(r->source, "trunk:", 6) == 0, user = strncmp(r->source, "user:", 5) == 0;
	if ((!trunk && !user) || !colon[1] || strlen(colon + 1) >= sizeof r->r.source_name || (user && !strchr(colon, '@')))
		return sl_field_fail(e, "source", "\"%.60s\" is not known; allowed \"any\", \"users\", \"trunks\", \"trunk:NAME\", \"user:NAME@DOMAIN\"",
		        r->source);
	r->r.source = trunk ? SL_SRC_TRUNK : SL_SRC_USER;
	snprintf(r->r.source_name, sizeof r->r.source_name, "%s", colon + 1);
	for (char *p = strchr(r->r.source_name, '@'); p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

int sl_finish_route(void *raw, struct sl_field_error *e)
{
	struct sl_res_route *r = raw;

	if (finish_source(r, e) < 0 || finish_times(r, e) < 0)
		return -EINVAL;
	if (r->r.to == SL_ROUTE_TRUNKS && r->n_trunks == 0)
		return sl_field_fail(e, "trunks", "is missing: to is \"trunks\"");
	if (r->r.to != SL_ROUTE_TRUNKS && r->n_trunks)
		return sl_field_fail(e, "trunks", "is for to = \"trunks\"");
	if (r->r.to != SL_ROUTE_REJECT && (r->has_status || r->r.reject_reason[0]))
		return sl_field_fail(e, r->has_status ? "status" : "reason", "is for to = \"reject\"");
	if (r->r.match.match[0] && compile(&r->r.match, "match", e) < 0)
		return -EINVAL;
	return compile_all(r->r.rewrites, r->r.n_rewrites, "numbers", e);
}

void sl_free_route(void *raw)
{
	struct sl_res_route *r = raw;

	free_all(&r->r.match, 1);
	free_all(r->r.rewrites, r->r.n_rewrites);
}

int sl_finish_token(void *raw, struct sl_field_error *e)
{
	static const char *const names[] = {"read", "calls", "provision", "admin", "guard", "turn"}; /* bits of enum sl_prov_scope */
	enum { N_SCOPES = sizeof names / sizeof names[0] };
	struct sl_res_token *r = raw;

	if (r->has_secret && r->has_sha256)
		return sl_field_fail(e, "secret", "is one way to say it, sha256 is the other");
	if (r->n_scopes == 0)
		return sl_field_fail(e, "scopes", "is empty; allowed \"read\", \"calls\", \"provision\", \"guard\", \"turn\", \"admin\"");
	for (unsigned i = 0; i < r->n_scopes; i++) {
		unsigned j = 0;

		while (j < N_SCOPES && strcmp(names[j], r->scopes[i]) != 0)
			j++;
		if (j == N_SCOPES)
			return sl_field_fail(e, "scopes", "\"%s\" is not known; allowed \"read\", \"calls\", \"provision\", \"guard\", \"turn\", \"admin\"", r->scopes[i]);
		r->mask |= 1u << j;
	}
	if (r->tenant[0] && (r->mask & (SL_SCOPE_ADMIN | SL_SCOPE_GUARD | SL_SCOPE_TURN)))
		return sl_field_fail(e, "tenant", "\"%s\": scope \"%s\" is of all tenants", r->tenant, r->mask & SL_SCOPE_ADMIN ? "admin" : r->mask & SL_SCOPE_GUARD ? "guard" : "turn");
	if (r->has_secret)
		sl_token_hash(r->secret, strlen(r->secret), r->sha256);
	return 0;
}
